//! Who is in which group, from when until when.

use jiff::Timestamp;

use super::row::{Row, places, steam_value};
use crate::io::sql::own::{Own, OwnError};
use crate::limits::{LOCAL_MEMBERSHIPS_MAX, LOCAL_VALUES_MAX};
use crate::protocol::backend::Membership;
use crate::protocol::local_ids;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Those of one player, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memberships(Vec<OneMembership>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneMembership {
    pub id: Uuid,
    pub steam: SteamId,
    pub group: Uuid,
    pub begin: Timestamp,
    pub end: Option<Timestamp>,
}

pub(super) const COLUMNS: &str = "id, steam, group_id, begin_us, end_us";

impl OneMembership {
    pub fn read(row: Vec<crate::io::sql::own::Value>) -> Result<Self, OwnError> {
        let mut row = Row::new("vpid_members", row);
        Ok(Self {
            id: row.id()?,
            steam: row.steam()?,
            group: row.id()?,
            begin: row.time()?,
            end: row.time_or_null()?,
        })
    }

    pub fn is_active(&self, now_us: i64) -> bool {
        self.begin.as_microsecond() <= now_us
            && self.end.is_none_or(|end| end.as_microsecond() > now_us)
    }

    pub fn listed(&self, now_us: i64) -> Membership {
        Membership {
            id: self.id,
            user: local_ids::user(self.steam),
            group: self.group,
            bundle: local_ids::BUNDLE,
            begin: self.begin,
            end: self.end,
            active: Some(self.is_active(now_us)),
        }
    }
}

impl Memberships {
    /// Of these players, each with theirs.
    pub fn read(
        own: &mut Own,
        players: &[SteamId],
    ) -> Result<Vec<(SteamId, Memberships)>, OwnError> {
        let mut all: Vec<(SteamId, Self)> =
            players.iter().map(|it| (*it, Self::default())).collect();
        for some in players.chunks(LOCAL_VALUES_MAX) {
            let sql = format!(
                "SELECT {COLUMNS} FROM vpid_members WHERE steam IN ({}) ORDER BY steam, begin_us DESC",
                places(some.len())
            );
            let values: Vec<_> = some.iter().map(|it| steam_value(*it)).collect();
            for row in own.rows(&sql, &values)? {
                let one = OneMembership::read(row)?;
                let of = all.iter_mut().find(|(steam, _)| *steam == one.steam);
                if let Some((_, of)) = of.filter(|(_, of)| of.0.len() < LOCAL_MEMBERSHIPS_MAX) {
                    of.0.push(one);
                }
            }
        }
        Ok(all)
    }

    pub fn all(&self) -> &[OneMembership] {
        &self.0
    }

    pub fn active(&self, now_us: i64) -> impl Iterator<Item = &OneMembership> {
        self.0.iter().filter(move |it| it.is_active(now_us))
    }
}
