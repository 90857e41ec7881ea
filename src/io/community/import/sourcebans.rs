//! Imports from the tables of SourceBans++ (`web/install/includes/sql/struc.sql` of sbpp/sourcebans-pp).
//!
//! Only what is read here is needed of them: tables of older versions do, and so does SourceBans 1.4. Times there
//! are unix seconds; a length of 0 is permanent; `type` of a ban is 0 for a SteamID and 1 for an address.

use jiff::Timestamp;

use std::collections::btree_map::{BTreeMap, Entry};

use super::{BanRow, ImportError, Importer, Kind, clean};
use crate::io::community::row::Row;
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::IMPORT_BATCH;
use crate::protocol::steam_id::SteamId;

/// Who has banned, by their numbers.
type Admins = BTreeMap<i64, (Option<SteamId>, String)>;

/// The prefix of the tables, such as `sb`. `None`: this can be none.
pub fn prefix(text: &str) -> Option<&str> {
    let text = text.strip_suffix('_').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = (1..=32).contains(&text.len()) && text.bytes().all(plain);
    good.then_some(text)
}

/// Reads all that can be imported. `prefix`: as [`prefix`] gives it.
pub fn import(
    importer: &mut Importer<'_>,
    source: &mut Own,
    prefix: &str,
) -> Result<(), ImportError> {
    let admins = read_admins(importer, source, prefix)?;
    bans(importer, source, prefix, &admins)?;
    for (table, what, why) in [
        (
            "comms",
            "mutes and gags",
            "vpid has no mutes and gags (table comms); keep SourceComms for them",
        ),
        (
            "groups",
            "groups of the web pages",
            "groups of SourceBans's web pages (table groups) have no meaning in a game",
        ),
        (
            "overrides",
            "overrides of commands",
            "overrides of SourceMod's commands (table overrides) stay in SourceMod",
        ),
    ] {
        let count = format!("SELECT COUNT(*) FROM {prefix}_{table}");
        match source.rows(&count, &[]) {
            Ok(rows) => {
                let records = rows.first().and_then(|row| row[0].integer()).unwrap_or(0);
                importer.nothing_for(what, records.unsigned_abs(), why);
            }
            // Older versions do not have it.
            Err(OwnError::Refused(_)) => {}
            Err(error) => return Err(ImportError::Source(error)),
        }
    }
    Ok(())
}

fn failed(error: OwnError) -> ImportError {
    match error {
        OwnError::Refused(why) => ImportError::SourceTables(why),
        error => ImportError::Source(error),
    }
}

/// Rows by ascending keys, some hundreds at once. The first column is the key.
fn each(
    source: &mut Own,
    (table, key, columns): (&str, &str, &str),
    mut with: impl FnMut(i64, Row) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let select = format!(
        "SELECT {key}, {columns} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {IMPORT_BATCH}"
    );
    let mut last = i64::MIN;
    loop {
        let rows = source.rows(&select, &[last.into()]).map_err(failed)?;
        let count = rows.len();
        for row in rows {
            let mut fields = Row::new("of SourceBans++", row);
            last = fields.number().map_err(ImportError::Source)?;
            with(last, fields)?;
        }
        if count < IMPORT_BATCH {
            return Ok(());
        }
    }
}

struct SrvGroup {
    flags: String,
    immunity: u32,
}

fn level(number: Option<i64>) -> u32 {
    number.and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
}

/// By their names.
type SrvGroups = BTreeMap<String, SrvGroup>;

/// The group of this name; letters of the other case count where no other has the name, as in the database.
fn called<'a>(groups: &'a SrvGroups, name: &str) -> Option<(&'a str, &'a str, u32)> {
    let folded = name.to_lowercase();
    let alike = || {
        groups
            .iter()
            .find(|(known, _)| known.to_lowercase() == folded)
    };
    let (name, group) = groups.get_key_value(name).or_else(alike)?;
    Some((name.as_str(), group.flags.as_str(), group.immunity))
}

/// Groups of servers.
fn read_groups(
    importer: &mut Importer<'_>,
    source: &mut Own,
    prefix: &str,
) -> Result<SrvGroups, ImportError> {
    let mut groups = SrvGroups::new();
    let table = format!("{prefix}_srvgroups");
    each(
        source,
        (&table, "id", "name, flags, immunity"),
        |id, mut row| {
            let (name, flags) = (row.text_or_empty()?, row.text_or_empty()?);
            let immunity = level(row.number_or_null()?);
            let name = clean(&name);
            if name.is_empty() {
                let why = format!("group {id} has no name; name it in SourceBans++, and repeat");
                importer.problem(Kind::Groups, why);
                return Ok(());
            }
            match groups.entry(name) {
                Entry::Occupied(other) => {
                    let name = other.key();
                    let why =
                        format!("group {id} ({name}) has the name of another one; it is left out");
                    importer.problem(Kind::Groups, why);
                }
                Entry::Vacant(place) => {
                    importer.by_flags(place.key(), &flags, immunity)?;
                    place.insert(SrvGroup { flags, immunity });
                }
            }
            Ok(())
        },
    )?;
    Ok(groups)
}

/// Groups of servers, and admins with what they may do in games; gives who has which number.
fn read_admins(
    importer: &mut Importer<'_>,
    source: &mut Own,
    prefix: &str,
) -> Result<Admins, ImportError> {
    let groups = read_groups(importer, source, prefix)?;
    let mut admins = Admins::new();
    let table = format!("{prefix}_admins");
    let columns = "`user`, authid, srv_group, srv_flags, srv_password, immunity";
    each(source, (&table, "aid", columns), |aid, mut row| {
        let (name, authid) = (row.text_or_empty()?, row.text_or_empty()?);
        let (group, flags, password) = (
            clean(&row.text_or_empty()?),
            row.text_or_empty()?,
            row.text_or_empty()?,
        );
        let immunity = level(row.number_or_null()?);
        let steam: Option<SteamId> = authid.trim().to_ascii_uppercase().parse().ok();
        admins.insert(aid, (steam, name.clone()));
        let is_web_only = group.is_empty() && flags.is_empty();
        let why = match steam {
            _ if is_web_only => Some("has rights on the web pages alone".to_owned()),
            None => Some(format!("{authid:?} is no player's SteamID")),
            _ if !password.is_empty() => Some(
                "needs a password in the game, which vpid does not have; add the player by hand"
                    .to_owned(),
            ),
            Some(_) => None,
        };
        let of_group = called(&groups, &group);
        let no_group = (of_group.is_none() && !group.is_empty())
            .then(|| format!("admin {aid} ({name}): its group {group:?} does not exist"));
        let why = match (why, steam) {
            (None, Some(steam)) => {
                let (who, own) = ((steam, &*name), (&*flags, immunity));
                let is_something = importer.sourcemod_admin(who, own, of_group.as_slice())?;
                match (is_something, no_group) {
                    (true, None) => {}
                    (true, Some(why)) => importer.note(Kind::Memberships, why),
                    (false, Some(why)) => importer.problem(Kind::Memberships, why),
                    (false, None) => {
                        let why = format!("admin {aid} ({name}) has nothing that gives any rights");
                        importer.problem(Kind::Memberships, why);
                    }
                }
                return Ok(());
            }
            (why, _) => why.unwrap_or_default(),
        };
        importer.problem(Kind::Memberships, format!("admin {aid} ({name}) {why}"));
        Ok(())
    })?;
    Ok(admins)
}

fn bans(
    importer: &mut Importer<'_>,
    source: &mut Own,
    prefix: &str,
    admins: &Admins,
) -> Result<(), ImportError> {
    let table = format!("{prefix}_bans");
    let columns = "`type`, ip, authid, name, created, ends, length, reason, aid, RemovedBy, RemoveType, RemovedOn";
    each(source, (&table, "bid", columns), |bid, mut row| {
        let is_address = row.number_or_null()? == Some(1);
        let (ip, authid) = (row.text_or_empty()?, row.text_or_empty()?);
        let kind = match is_address {
            true => Kind::AddressBans,
            false => Kind::Bans,
        };
        let ban = match ban(&mut row, admins, importer.now_us) {
            Ok(ban) => ban,
            Err(why) => {
                importer.problem(kind, format!("ban {bid} {why}"));
                return Ok(());
            }
        };
        let key = bid.to_string();
        if is_address {
            return match ip.trim().parse() {
                Ok(range) => importer.address_ban(&key, range, ban),
                Err(why) => {
                    importer.problem(kind, format!("ban {bid}: {ip:?} {why}"));
                    Ok(())
                }
            };
        }
        match authid.trim().to_ascii_uppercase().parse::<SteamId>() {
            Ok(steam) => {
                importer.user(steam, &ban.name)?;
                let steam = Some(steam);
                importer.ban(&key, BanRow { steam, ..ban })
            }
            Err(()) => {
                let why = format!("ban {bid}: {authid:?} is no player's SteamID");
                importer.problem(kind, why);
                Ok(())
            }
        }
    })
}

/// From the name on. The error is what follows the number of the ban.
fn ban(row: &mut Row, admins: &Admins, now_us: i64) -> Result<BanRow, String> {
    let odd = |_| "has a value of another kind than SourceBans++ writes".to_owned();
    let text = |row: &mut Row| row.text_or_empty().map_err(odd);
    let number = |row: &mut Row| row.number_or_null().map_err(odd);
    let name = text(row)?;
    let (created_s, ends_s, length_s) = (number(row)?, number(row)?, number(row)?);
    let length_s = length_s.unwrap_or(0);
    let (reason, aid) = (text(row)?, number(row)?);
    let (removed_by, remove_type, removed_s) = (number(row)?, text(row)?, number(row)?);
    // Times that no calendar has are none.
    let micros = |seconds: i64| Some(Timestamp::from_second(seconds).ok()?.as_microsecond());
    let created_us = created_s.filter(|it| *it > 0).and_then(micros);
    let created_us = created_us.ok_or("has no time at which it was created")?;
    if length_s < 0 {
        return Err(format!("has a length of {length_s} s, which is none"));
    }
    let by_length = || micros(created_s?.checked_add(length_s)?);
    let ends_us = match length_s {
        0 => None,
        _ => ends_s
            .filter(|it| *it > 0)
            .and_then(micros)
            .or_else(by_length),
    };
    // `U`: unbanned; `D`: deleted. `E`, expired, follows from its end.
    let is_lifted = matches!(remove_type.trim(), "U" | "D");
    let removed_us = removed_s.filter(|it| *it > 0).and_then(micros);
    let who = |number: Option<i64>| number.and_then(|number| admins.get(&number));
    let issuer = who(aid);
    Ok(BanRow {
        steam: None,
        name,
        reason,
        length_s: ends_us.is_some().then_some(length_s),
        created_us,
        ends_us,
        issuer: issuer.and_then(|(steam, _)| *steam),
        issuer_name: issuer.map(|(_, name)| name.clone()).unwrap_or_default(),
        lifted_us: is_lifted.then(|| removed_us.unwrap_or(now_us)),
        lifted_by: match is_lifted {
            true => who(removed_by).and_then(|(steam, _)| *steam),
            false => None,
        },
    })
}

/// So that a wrong database is noticed before anything is read.
pub fn check(source: &mut Own, prefix: &str) -> Result<(), ImportError> {
    let select = format!("SELECT 1 FROM {prefix}_bans WHERE bid = ?");
    source
        .rows(&select, &[Value::Integer(0)])
        .map(drop)
        .map_err(failed)
}
