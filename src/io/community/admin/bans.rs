//! Bans of players, and of all who come from certain addresses. A ban is never deleted: it is lifted.

use jiff::Timestamp;
use serde::Serialize;

use super::rows::{Select, counted, ensure_user, wherever};
use super::{
    Admin, AdminError, Found, Issuer, Listing, Player, Topic, Window, fitting, id_pattern, new_id,
    only,
};
use crate::io::community::row::{Row, id_value, steam_value};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::REASON_CHARS_MAX;
use crate::protocol::address_range::AddressRange;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ban {
    pub id: Uuid,
    pub steam: SteamId,
    pub name: String,
    #[serde(flatten)]
    pub terms: Terms,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddressBan {
    pub id: Uuid,
    pub range: String,
    #[serde(flatten)]
    pub terms: Terms,
}

/// What bans of both kinds have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Terms {
    pub reason: String,
    /// Seconds; `None`: permanent.
    pub length_s: Option<i64>,
    pub created: Timestamp,
    pub ends: Option<Timestamp>,
    pub issuer: Issuer,
    pub lifted: Option<Timestamp>,
    pub in_force: bool,
}

/// A ban of either kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BanFound {
    Player(Ban),
    Address(AddressBan),
}

impl BanFound {
    pub fn id(&self) -> Uuid {
        match self {
            Self::Player(ban) => ban.id,
            Self::Address(ban) => ban.id,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan<'a> {
    /// Seconds; `None`: permanent.
    pub length_s: Option<u64>,
    pub reason: &'a str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BanEdit {
    /// Seconds from when it was created; `Some(None)`: permanent.
    pub length_s: Option<Option<u64>>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BanFilter {
    pub steam: Option<SteamId>,
    /// Also those that are lifted or over.
    pub all: bool,
}

const COLUMNS: &str = "b.id, b.steam, CASE WHEN b.name = '' THEN COALESCE(u.name, '') ELSE b.name END, b.reason, \
                       b.length_s, b.created_us, b.ends_us, b.issuer, \
                       CASE WHEN b.issuer_name = '' THEN COALESCE(i.name, '') ELSE b.issuer_name END, b.lifted_us";
const FROM: &str = "vpid_bans b LEFT JOIN vpid_users u ON u.steam = b.steam \
                    LEFT JOIN vpid_users i ON i.steam = b.issuer";
const ADDRESS_COLUMNS: &str = "b.id, b.range_text, b.reason, b.length_s, b.created_us, b.ends_us, b.issuer, \
                               CASE WHEN b.issuer_name = '' THEN COALESCE(i.name, '') ELSE b.issuer_name END, \
                               b.lifted_us";
const ADDRESS_FROM: &str = "vpid_address_bans b LEFT JOIN vpid_users i ON i.steam = b.issuer";
const IN_FORCE: &str = "b.lifted_us IS NULL AND (b.ends_us IS NULL OR b.ends_us > ?)";

/// `now_us`: by the database's clock.
fn terms(row: &mut Row, now_us: i64) -> Result<Terms, OwnError> {
    let (reason, length_s) = (row.text_or_empty()?, row.number_or_null()?);
    let (created, ends) = (row.time()?, row.time_or_null()?);
    let (steam, name) = (row.steam_or_null()?, row.text_or_empty()?);
    let lifted = row.time_or_null()?;
    let is_over = ends.is_some_and(|ends| ends.as_microsecond() <= now_us);
    Ok(Terms {
        reason,
        length_s,
        created,
        ends,
        issuer: Issuer { steam, name },
        lifted,
        in_force: lifted.is_none() && !is_over,
    })
}

fn read(row: &mut Row, now_us: i64) -> Result<Ban, OwnError> {
    Ok(Ban {
        id: row.id()?,
        steam: row.steam()?,
        name: row.text_or_empty()?,
        terms: terms(row, now_us)?,
    })
}

fn read_address(row: &mut Row, now_us: i64) -> Result<AddressBan, OwnError> {
    Ok(AddressBan {
        id: row.id()?,
        range: row.text_or_empty()?,
        terms: terms(row, now_us)?,
    })
}

/// When a ban ends that begins then. Beyond all time is never.
fn end_us(created_us: i64, length_s: Option<u64>) -> Option<i64> {
    let length_us = i64::try_from(length_s?).ok()?.checked_mul(1_000_000)?;
    created_us.checked_add(length_us)
}

fn length(length_s: Option<u64>) -> Value {
    Value::from(length_s.and_then(|seconds| i64::try_from(seconds).ok()))
}

impl Admin {
    /// The newest first.
    pub fn bans(&mut self, filter: &BanFilter, window: Window) -> Result<Listing<Ban>, AdminError> {
        let now_us = self.now_us()?;
        let mut conditions = Vec::new();
        let mut params: Vec<Value> = Vec::new();
        if let Some(steam) = filter.steam {
            conditions.push("b.steam = ?");
            params.push(steam_value(steam));
        }
        if !filter.all {
            conditions.push(IN_FORCE);
            params.push(now_us.into());
        }
        let select = Select {
            table: "vpid_bans",
            columns: COLUMNS,
            from: &format!("{FROM}{}", wherever(&conditions)),
            order: "b.created_us DESC, b.id",
            params: &params,
        };
        select.part(&mut self.own, window, |row| read(row, now_us))
    }

    /// The newest first. `range`: only bans that have an address in common with it.
    pub fn address_bans(
        &mut self,
        range: Option<AddressRange>,
        all: bool,
        window: Window,
    ) -> Result<Listing<AddressBan>, AdminError> {
        let now_us = self.now_us()?;
        let mut conditions = Vec::new();
        let mut params: Vec<Value> = Vec::new();
        if let Some(range) = range {
            conditions.push("b.first_address <= ? AND b.last_address >= ?");
            params.push(i64::from(range.last().to_bits()).into());
            params.push(i64::from(range.first().to_bits()).into());
        }
        if !all {
            conditions.push(IN_FORCE);
            params.push(now_us.into());
        }
        let select = Select {
            table: "vpid_address_bans",
            columns: ADDRESS_COLUMNS,
            from: &format!("{ADDRESS_FROM}{}", wherever(&conditions)),
            order: "b.created_us DESC, b.id",
            params: &params,
        };
        select.part(&mut self.own, window, |row| read_address(row, now_us))
    }

    /// The ban whose id begins so.
    pub fn ban(&mut self, id: &str) -> Result<BanFound, AdminError> {
        let now_us = self.now_us()?;
        let pattern = [id_pattern(id)];
        let select = |table, columns, from| Select {
            table,
            columns,
            from,
            order: "b.id",
            params: &pattern,
        };
        let from = format!("{FROM} WHERE b.id LIKE ?");
        let bans = select("vpid_bans", COLUMNS, &from);
        let bans = bans.first(&mut self.own, 2, |row| read(row, now_us))?;
        let from = format!("{ADDRESS_FROM} WHERE b.id LIKE ?");
        let addresses = select("vpid_address_bans", ADDRESS_COLUMNS, &from);
        let addresses = addresses.first(&mut self.own, 2, |row| read_address(row, now_us))?;
        let bans = bans.into_iter().map(BanFound::Player);
        let addresses = addresses.into_iter().map(BanFound::Address);
        only(bans.chain(addresses).collect(), "ban", id)
    }

    /// Gives the id of the ban.
    pub fn add_ban(&mut self, player: &Player, ban: &NewBan<'_>) -> Result<Uuid, AdminError> {
        check_reason(ban.reason)?;
        let (id, at_us) = (new_id(), self.now_us()?);
        self.change(&[Topic::Bans], |own, counters| -> Found<Uuid> {
            let select = format!("SELECT b.id FROM vpid_bans b WHERE b.steam = ? AND b.id <> ? AND {IN_FORCE}");
            let standing = own.rows(&select, &[steam_value(player.steam), id_value(id), at_us.into()])?;
            if let Some(row) = standing.into_iter().next() {
                return Ok(Err(already(player.to_string(), row)));
            }
            ensure_user(own, player.steam, at_us)?;
            let what = "vpid_bans (id, steam, name, reason, length_s, created_us, ends_us, changed) \
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
            let params = [
                id_value(id),
                steam_value(player.steam),
                player.name.as_str().into(),
                ban.reason.into(),
                length(ban.length_s),
                at_us.into(),
                end_us(at_us, ban.length_s).into(),
                counters[0].into(),
            ];
            own.insert_new(what, &params)?;
            Ok(Ok(id))
        })
    }

    pub fn add_address_ban(
        &mut self,
        range: AddressRange,
        ban: &NewBan<'_>,
    ) -> Result<Uuid, AdminError> {
        check_reason(ban.reason)?;
        let (id, at_us) = (new_id(), self.now_us()?);
        self.change(&[Topic::Addresses], |own, counters| -> Found<Uuid> {
            let select = format!(
                "SELECT b.id FROM vpid_address_bans b WHERE b.range_text = ? AND b.id <> ? AND {IN_FORCE}"
            );
            let text = range.to_string();
            let params = [text.as_str().into(), id_value(id), at_us.into()];
            if let Some(row) = own.rows(&select, &params)?.into_iter().next() {
                return Ok(Err(already(text, row)));
            }
            let what = "vpid_address_bans (id, range_text, first_address, last_address, reason, length_s, \
                        created_us, ends_us, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let params = [
                id_value(id),
                text.into(),
                i64::from(range.first().to_bits()).into(),
                i64::from(range.last().to_bits()).into(),
                ban.reason.into(),
                length(ban.length_s),
                at_us.into(),
                end_us(at_us, ban.length_s).into(),
                counters[0].into(),
            ];
            own.insert_new(what, &params)?;
            Ok(Ok(id))
        })
    }

    pub fn edit_ban(&mut self, ban: &BanFound, edit: &BanEdit) -> Result<(), AdminError> {
        if let Some(reason) = &edit.reason {
            check_reason(reason)?;
        }
        let (table, topic, created) = match ban {
            BanFound::Player(ban) => ("vpid_bans", Topic::Bans, ban.terms.created),
            BanFound::Address(ban) => ("vpid_address_bans", Topic::Addresses, ban.terms.created),
        };
        let id = ban.id();
        self.change(&[topic], |own, counters| {
            if let Some(length_s) = edit.length_s {
                let update = format!(
                    "UPDATE {table} SET length_s = ?, ends_us = ?, changed = ? WHERE id = ?"
                );
                let ends = end_us(created.as_microsecond(), length_s);
                let params = [
                    length(length_s),
                    ends.into(),
                    counters[0].into(),
                    id_value(id),
                ];
                own.run(&update, &params)?;
            }
            if let Some(reason) = &edit.reason {
                let update = format!("UPDATE {table} SET reason = ?, changed = ? WHERE id = ?");
                own.run(
                    &update,
                    &[reason.as_str().into(), counters[0].into(), id_value(id)],
                )?;
            }
            Ok(Ok(()))
        })
    }

    /// Lifts one ban. Gives whether it was in force.
    pub fn lift(&mut self, ban: &BanFound) -> Result<bool, AdminError> {
        let (table, topic) = match ban {
            BanFound::Player(_) => ("vpid_bans", Topic::Bans),
            BanFound::Address(_) => ("vpid_address_bans", Topic::Addresses),
        };
        let (id, at_us) = (ban.id(), self.now_us()?);
        let condition = "id = ?";
        self.change(&[topic], |own, counters| {
            let lifted = lift(own, table, condition, id_value(id), at_us, counters[0])?;
            Ok(Ok(lifted > 0))
        })
    }

    /// Lifts all bans of a player; gives how many.
    pub fn lift_of_player(&mut self, player: &Player) -> Result<u64, AdminError> {
        let at_us = self.now_us()?;
        self.change(&[Topic::Bans], |own, counters| {
            let steam = steam_value(player.steam);
            let lifted = lift(own, "vpid_bans", "steam = ?", steam, at_us, counters[0])?;
            Ok(match lifted {
                0 => Err(AdminError::NotBanned(player.to_string())),
                lifted => Ok(lifted),
            })
        })
    }

    /// Lifts the bans of exactly this range; gives how many.
    pub fn lift_of_range(&mut self, range: AddressRange) -> Result<u64, AdminError> {
        let at_us = self.now_us()?;
        self.change(&[Topic::Addresses], |own, counters| {
            let text = Value::Text(range.to_string());
            let (table, condition) = ("vpid_address_bans", "range_text = ?");
            let lifted = lift(own, table, condition, text, at_us, counters[0])?;
            Ok(match lifted {
                0 => Err(AdminError::NotBanned(range.to_string())),
                lifted => Ok(lifted),
            })
        })
    }
}

fn lift(
    own: &mut Own,
    table: &str,
    condition: &str,
    key: Value,
    at_us: i64,
    counter: i64,
) -> Result<u64, OwnError> {
    let update = format!(
        "UPDATE {table} SET lifted_us = ?, changed = ? WHERE {condition} AND lifted_us IS NULL \
         AND (ends_us IS NULL OR ends_us > ?)"
    );
    let params = [at_us.into(), counter.into(), key.clone(), at_us.into()];
    match own.run(&update, &params)? {
        // What an earlier try of the same has lifted, whose result was lost, has this very time.
        0 => {
            let of_try =
                format!("SELECT COUNT(*) FROM {table} WHERE {condition} AND lifted_us = ?");
            counted(own, &of_try, &[key, at_us.into()])
        }
        lifted => Ok(lifted),
    }
}

fn already(who: String, row: Vec<Value>) -> AdminError {
    let id = row[0].text().unwrap_or_default();
    AdminError::AlreadyBanned {
        who,
        id: id.chars().take(8).collect(),
    }
}

fn check_reason(reason: &str) -> Result<(), AdminError> {
    fitting(reason, "the reason", REASON_CHARS_MAX)
}
