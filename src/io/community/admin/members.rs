//! Who is in which group, and for how long.

use jiff::Timestamp;
use serde::Serialize;

use super::rows::{Select, end_memberships, ensure_user, wherever};
use super::{Admin, AdminError, Found, Listing, Topic, Window, groups, new_id};
use crate::io::community::row::{Row, id_value, steam_value};
use crate::io::sql::own::{OwnError, Value};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    pub id: Uuid,
    pub steam: SteamId,
    pub name: String,
    pub group: String,
    pub begin: Timestamp,
    pub end: Option<Timestamp>,
    pub issuer: Option<SteamId>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberFilter {
    pub steam: Option<SteamId>,
    pub group: Option<String>,
    /// Also memberships that are over.
    pub all: bool,
}

/// What became of adding a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    New,
    /// The player was in the group: this is the end that it had.
    Changed(Option<Timestamp>),
}

fn read(row: &mut Row) -> Result<Member, OwnError> {
    Ok(Member {
        id: row.id()?,
        steam: row.steam()?,
        name: row.text_or_empty()?,
        group: row.text_or_empty()?,
        begin: row.time()?,
        end: row.time_or_null()?,
        issuer: row.steam_or_null()?,
    })
}

impl Admin {
    pub fn members(
        &mut self,
        filter: &MemberFilter,
        window: Window,
    ) -> Result<Listing<Member>, AdminError> {
        let mut conditions = Vec::new();
        let mut params: Vec<Value> = Vec::new();
        if let Some(steam) = filter.steam {
            conditions.push("m.steam = ?");
            params.push(steam_value(steam));
        }
        if let Some(group) = &filter.group {
            let (id, _) = groups::find(&mut self.own, group)??;
            conditions.push("m.group_id = ?");
            params.push(id_value(id));
        }
        if !filter.all {
            conditions.push("(m.end_us IS NULL OR m.end_us > ?)");
            params.push(self.now_us()?.into());
        }
        let select = Select {
            table: "vpid_members",
            columns: "m.id, m.steam, COALESCE(u.name, ''), COALESCE(g.name, ''), m.begin_us, m.end_us, m.issuer",
            from: &format!(
                "vpid_members m LEFT JOIN vpid_users u ON u.steam = m.steam \
                 LEFT JOIN vpid_groups g ON g.id = m.group_id{}",
                wherever(&conditions)
            ),
            order: "m.begin_us DESC, m.id",
            params: &params,
        };
        select.part(&mut self.own, window, read)
    }

    /// Puts a player into a group, up to `end`. One who is in it keeps the membership, with the new end.
    pub fn add_member(
        &mut self,
        steam: SteamId,
        group: &str,
        end: Option<Timestamp>,
    ) -> Result<(String, Joined), AdminError> {
        let (group_id, group) = groups::find(&mut self.own, group)??;
        let (id, at_us) = (new_id(), self.now_us()?);
        let end_us = Value::from(end.map(Timestamp::as_microsecond));
        let joined = self.change(&[Topic::Members], |own, counters| -> Found<Joined> {
            ensure_user(own, steam, at_us)?;
            let current = "SELECT end_us FROM vpid_members WHERE steam = ? AND group_id = ? AND id <> ? \
                           AND (end_us IS NULL OR end_us > ?) ORDER BY end_us IS NULL DESC, end_us DESC";
            let of = [steam_value(steam), id_value(group_id), id_value(id), at_us.into()];
            let rows = own.rows(current, &of)?;
            if let Some(row) = rows.into_iter().next() {
                let before = Row::new("vpid_members", row).time_or_null()?;
                // It begins now: what servers have ordered before, and comes later, does not end it.
                let update = "UPDATE vpid_members SET begin_us = ?, end_us = ?, changed = ? \
                              WHERE steam = ? AND group_id = ? AND (end_us IS NULL OR end_us > ?)";
                let [steam, group, ..] = of;
                let params = [
                    at_us.into(),
                    end_us.clone(),
                    counters[0].into(),
                    steam,
                    group,
                    at_us.into(),
                ];
                own.run(update, &params)?;
                return Ok(Ok(Joined::Changed(before)));
            }
            let what = "vpid_members (id, steam, group_id, begin_us, end_us, changed) VALUES (?, ?, ?, ?, ?, ?)";
            let [steam, group, id, at] = of;
            own.insert_new(what, &[id, steam, group, at, end_us.clone(), counters[0].into()])?;
            Ok(Ok(Joined::New))
        })?;
        Ok((group, joined))
    }

    /// Ends memberships of a player, in one group or in all.
    pub fn remove_member(
        &mut self,
        player: &super::Player,
        group: Option<&str>,
    ) -> Result<u64, AdminError> {
        let group = match group {
            Some(name) => Some(groups::find(&mut self.own, name)??),
            None => None,
        };
        let at_us = self.now_us()?;
        let id = group.as_ref().map(|(id, _)| *id);
        self.change(&[Topic::Members], |own, counters| {
            let ended = end_memberships(own, player.steam, id, at_us, counters[0])?;
            Ok(match ended {
                0 => Err(AdminError::NotMember {
                    who: player.to_string(),
                    group: group.as_ref().map(|(_, name)| name.clone()),
                }),
                ended => Ok(ended),
            })
        })
    }
}
