//! Rows of imports in the tables: whether they are there, and how they are written.

use std::collections::BTreeMap;

use super::{BanRow, GroupRow, PLAYTIME_DAY, Row, clean, is_right};
use crate::io::community::admin::rows::ensure_user;
use crate::io::community::admin::{Admin, AdminError};
use crate::io::community::changes::Topic;
use crate::io::community::export::Table;
use crate::io::community::row::{bounded, id_value, steam_value};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{COMMUNITY_NAME_CHARS_MAX, COMMUNITY_REASON_CHARS_MAX};
use crate::protocol::address_range::AddressRange;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

fn name(text: &str) -> Value {
    bounded(&clean(text), COMMUNITY_NAME_CHARS_MAX).into()
}

fn reason(text: &str) -> Value {
    bounded(text, COMMUNITY_REASON_CHARS_MAX).into()
}

/// The group with this id, or else the one with this name.
pub fn group(admin: &mut Admin, id: Uuid, name: Option<&str>) -> Result<Option<Uuid>, AdminError> {
    let select = "SELECT id FROM vpid_groups WHERE id = ? OR name = ? ORDER BY id = ? DESC LIMIT 1";
    let name = name.map_or(Value::Null, Value::from);
    let params = [id_value(id), name, id_value(id)];
    let rows = admin.own.rows(select, &params)?;
    let found = rows.first().and_then(|row| row[0].text()?.parse().ok());
    Ok(found)
}

/// The group, and its name, that differs from this name in case alone, where none has this id or the name itself.
pub fn group_alike(
    admin: &mut Admin,
    id: Uuid,
    name: &str,
) -> Result<Option<(Uuid, String)>, AdminError> {
    let rows = admin.own.rows("SELECT id, name FROM vpid_groups", &[])?;
    let group = |row: &Vec<Value>| {
        let id: Uuid = row[0].text()?.parse().ok()?;
        Some((id, row[1].text()?.to_owned()))
    };
    let mut groups: Vec<(Uuid, String)> = rows.iter().filter_map(group).collect();
    if groups
        .iter()
        .any(|(other, known)| *other == id || known == name)
    {
        return Ok(None);
    }
    let folded = name.to_lowercase();
    groups.retain(|(_, known)| known.trim().to_lowercase() == folded);
    Ok(groups.pop())
}

fn finds(own: &mut Own, select: &str, params: &[Value]) -> Result<bool, OwnError> {
    Ok(!own.rows(select, params)?.is_empty())
}

/// Whether writing it changes anything.
pub fn is_new(own: &mut Own, row: &Row) -> Result<bool, OwnError> {
    let of_id = |own: &mut Own, table: &str, id: Uuid| {
        let select = format!("SELECT 1 FROM {table} WHERE id = ?");
        finds(own, &select, &[id_value(id)])
    };
    let known = match row {
        Row::User { steam, name } => {
            // A name is filled in where there is none.
            let select = "SELECT 1 FROM vpid_users WHERE steam = ? AND (name <> '' OR ? = '')";
            finds(own, select, &[steam_value(*steam), name.as_str().into()])?
        }
        Row::Administrator { id, .. } => of_id(own, "vpid_done", *id)?,
        Row::Membership { id, .. } => of_id(own, "vpid_members", *id)?,
        Row::Ban(id, _) => of_id(own, "vpid_bans", *id)?,
        Row::AddressBan(id, ..) => of_id(own, "vpid_address_bans", *id)?,
        Row::Warning { id, .. } => of_id(own, "vpid_warnings", *id)?,
        Row::Playtime { steam, ms } => {
            let select = "SELECT 1 FROM vpid_playtime WHERE steam = ? AND day = ? AND ms = ?";
            finds(
                own,
                select,
                &[steam_value(*steam), PLAYTIME_DAY.into(), (*ms).into()],
            )?
        }
        Row::Copied { table, values } if table.name == "users" => {
            // As above.
            let select = "SELECT 1 FROM vpid_users WHERE steam = ? AND (name <> '' OR ? = '')";
            finds(own, select, &values[..2])?
        }
        Row::Copied { table, values } => {
            let keys = table.columns[..table.keys].iter();
            let keys: Vec<String> = keys.map(|key| format!("{} = ?", key.name)).collect();
            let select = format!(
                "SELECT 1 FROM vpid_{} WHERE {}",
                table.name,
                keys.join(" AND ")
            );
            finds(own, &select, &values[..table.keys])?
        }
    };
    Ok(!known)
}

fn topic(row: &Row) -> Option<Topic> {
    match row {
        Row::Administrator { .. } | Row::Membership { .. } => Some(Topic::Members),
        Row::Ban(..) => Some(Topic::Bans),
        Row::AddressBan(..) => Some(Topic::Addresses),
        Row::Warning { .. } => Some(Topic::Warnings),
        Row::User { .. } | Row::Playtime { .. } => None,
        Row::Copied { table, .. } => table.topic,
    }
}

impl Admin {
    /// In one transaction. What is there stays.
    pub(super) fn write_rows(&mut self, rows: &[Row]) -> Result<(), AdminError> {
        let mut topics: Vec<Topic> = rows.iter().filter_map(topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let at_us = self.now_us()?;
        self.change_quietly(&topics, |own, counters| {
            let counters: BTreeMap<Topic, i64> = topics
                .iter()
                .copied()
                .zip(counters.iter().copied())
                .collect();
            for row in rows {
                let counter = topic(row).and_then(|topic| counters.get(&topic).copied());
                write(own, row, counter.unwrap_or(0), at_us)?;
            }
            Ok(Ok(()))
        })
    }

    pub(super) fn write_group(&mut self, id: Uuid, group: &GroupRow<'_>) -> Result<(), AdminError> {
        self.change_quietly(&[Topic::Groups], |own, counters| {
            let what = "vpid_groups (id, name, level, inherits, max_ban_s, changed) VALUES (?, ?, ?, ?, ?, ?)";
            let params = [
                id_value(id),
                group.name.into(),
                group.level.into(),
                group.inherits.into(),
                group.max_ban_s.into(),
                counters[0].into(),
            ];
            let is_new = own.insert_new(what, &params)?;
            let select = "SELECT 1 FROM vpid_groups WHERE id = ?";
            if !is_new && !finds(own, select, &[id_value(id)])? {
                return Ok(Err(AdminError::GroupExists(group.name.to_owned())));
            }
            let rights = group.properties.iter().filter(|(name, _)| is_right(name));
            for (name, granted) in rights {
                let what = "vpid_properties (group_id, name, granted) VALUES (?, ?, ?)";
                own.insert_new(what, &[id_value(id), name.as_str().into(), (*granted).into()])?;
            }
            Ok(Ok(()))
        })
    }
}

fn write(own: &mut Own, row: &Row, counter: i64, at_us: i64) -> Result<(), OwnError> {
    match row {
        Row::User { steam, name: text } => {
            ensure_user(own, *steam, at_us)?;
            let update = "UPDATE vpid_users SET name = ? WHERE steam = ? AND name = ''";
            own.run(update, &[name(text), steam_value(*steam)])?;
        }
        Row::Administrator { id, steam } => {
            ensure_user(own, *steam, at_us)?;
            // Beyond all times, so that it is not forgotten with old changes.
            let done = [id_value(*id), i64::MAX.into()];
            if own.insert_new("vpid_done (id, at_us) VALUES (?, ?)", &done)? {
                let update = "UPDATE vpid_users SET admin = 1 WHERE steam = ?";
                own.run(update, &[steam_value(*steam)])?;
            }
        }
        Row::Membership {
            id,
            steam,
            group,
            begin_us,
            end_us,
        } => {
            ensure_user(own, *steam, at_us)?;
            let what = "vpid_members (id, steam, group_id, begin_us, end_us, changed) VALUES (?, ?, ?, ?, ?, ?)";
            let (group, begin, end) = (id_value(*group), (*begin_us).into(), (*end_us).into());
            let params = [
                id_value(*id),
                steam_value(*steam),
                group,
                begin,
                end,
                counter.into(),
            ];
            own.insert_new(what, &params)?;
        }
        Row::Ban(id, ban) => {
            if let Some(steam) = ban.steam {
                ensure_user(own, steam, at_us)?;
                write_ban(own, *id, steam, ban, counter)?;
            }
        }
        Row::AddressBan(id, range, ban) => write_address_ban(own, *id, *range, ban, counter)?,
        Row::Warning {
            id,
            steam,
            reason: text,
            created_us,
            issuer,
            issuer_name,
            withdrawn_us,
        } => {
            ensure_user(own, *steam, at_us)?;
            let what = "vpid_warnings (id, steam, reason, created_us, issuer, issuer_name, withdrawn_us) \
                        VALUES (?, ?, ?, ?, ?, ?, ?)";
            let params = [
                id_value(*id),
                steam_value(*steam),
                reason(text),
                (*created_us).into(),
                issuer.map_or(Value::Null, steam_value),
                name(issuer_name),
                (*withdrawn_us).into(),
            ];
            own.insert_new(what, &params)?;
        }
        Row::Playtime { steam, ms } => {
            ensure_user(own, *steam, at_us)?;
            write_playtime(own, *steam, *ms)?;
        }
        Row::Copied { table, values } => write_copied(own, table, values, (counter, at_us))?,
    }
    Ok(())
}

/// What is there stays, but for a name where there is none.
fn write_copied(
    own: &mut Own,
    table: &Table,
    values: &[Value],
    (counter, at_us): (i64, i64),
) -> Result<(), OwnError> {
    let mut values = values.to_vec();
    if table.name == "users" {
        // Only who is new here can become an administrator: whom an operator here has made none stays none.
        let what = format!("vpid_users ({}) VALUES (?, ?, ?, ?, ?)", table.names());
        if !own.insert_new(&what, &values)? {
            let update = "UPDATE vpid_users SET name = ? WHERE steam = ? AND name = ''";
            own.run(update, &[values[1].clone(), values[0].clone()])?;
        }
        return Ok(());
    }
    let columns = table.columns.iter().zip(&values);
    let steam = columns
        .filter(|(column, _)| column.name == "steam")
        .find_map(|(_, value)| SteamId::from_u64(u64::try_from(value.integer()?).ok()?));
    if let Some(steam) = steam {
        ensure_user(own, steam, at_us)?;
    }
    let mut names = table.names();
    if table.counts {
        names += ", changed";
        values.push(counter.into());
    }
    let places = vec!["?"; values.len()].join(", ");
    let what = format!("vpid_{} ({names}) VALUES ({places})", table.name);
    own.insert_new(&what, &values).map(drop)
}

fn write_playtime(own: &mut Own, steam: SteamId, ms: i64) -> Result<(), OwnError> {
    let of = [steam_value(steam), PLAYTIME_DAY.into(), ms.into()];
    if !own.insert_new("vpid_playtime (steam, day, ms) VALUES (?, ?, ?)", &of)? {
        let [steam, day, ms] = of;
        let update = "UPDATE vpid_playtime SET ms = ? WHERE steam = ? AND day = ?";
        own.run(update, &[ms, steam, day])?;
    }
    Ok(())
}

fn write_ban(
    own: &mut Own,
    id: Uuid,
    steam: SteamId,
    ban: &BanRow,
    counter: i64,
) -> Result<(), OwnError> {
    let what = "vpid_bans (steam, name, id, reason, length_s, created_us, ends_us, issuer, issuer_name, lifted_us, \
                lifted_by, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let player = [steam_value(steam), name(&ban.name)];
    let params: Vec<Value> = player.into_iter().chain(common(id, ban, counter)).collect();
    own.insert_new(what, &params).map(drop)
}

fn write_address_ban(
    own: &mut Own,
    id: Uuid,
    range: AddressRange,
    ban: &BanRow,
    counter: i64,
) -> Result<(), OwnError> {
    let what = "vpid_address_bans (range_text, first_address, last_address, id, reason, length_s, created_us, ends_us, \
                issuer, issuer_name, lifted_us, lifted_by, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (first, last) = (range.first().to_bits(), range.last().to_bits());
    let range = [
        Value::Text(range.to_string()),
        i64::from(first).into(),
        i64::from(last).into(),
    ];
    let params: Vec<Value> = range.into_iter().chain(common(id, ban, counter)).collect();
    own.insert_new(what, &params).map(drop)
}

/// From the id on, what both kinds of bans have.
fn common(id: Uuid, ban: &BanRow, counter: i64) -> [Value; 10] {
    [
        id_value(id),
        reason(&ban.reason),
        ban.length_s.into(),
        ban.created_us.into(),
        ban.ends_us.into(),
        ban.issuer.map_or(Value::Null, steam_value),
        name(&ban.issuer_name),
        ban.lifted_us.into(),
        ban.lifted_by.map_or(Value::Null, steam_value),
        counter.into(),
    ]
}
