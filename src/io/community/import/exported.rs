//! Imports what [`export`](crate::io::community::export) has written: each record keeps its id, so that a repetition
//! finds it, and what is here already stays as it is.

use std::io::{BufRead, Read};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::{BAN_END_SLACK_S, GroupRow, ImportError, Importer, Kind, PLAYTIME_DAY, Row, clean};
use crate::io::community::admin::{event_name, event_of};
use crate::io::community::export::{Column, HEAD, Holds, TABLES, Table, VERSION};
use crate::io::sql::own::Value;
use crate::limits::{
    COMMUNITY_SERVER_OPTIONS_BYTES_MAX, EXPORT_LINE_BYTES_MAX, PLAYTIME_DAY_MS_MAX, PLAYTIME_MS_MAX,
};
use crate::protocol::address_range::AddressRange;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub(super) fn kind(table: &Table) -> Kind {
    match table.name {
        "users" => Kind::Users,
        "groups" => Kind::Groups,
        "members" => Kind::Memberships,
        "bans" => Kind::Bans,
        "address_bans" => Kind::AddressBans,
        "warnings" => Kind::Warnings,
        "playtime" => Kind::Playtime,
        "executed" => Kind::Other("executed rewards"),
        "done" => Kind::Other("notes of changes"),
        name => Kind::Other(name),
    }
}

struct Lines<'a> {
    input: &'a mut dyn BufRead,
    /// What it is called in sentences.
    name: &'a str,
    number: usize,
}

impl Lines<'_> {
    fn error(&self, why: &str) -> ImportError {
        ImportError::Exported(format!("{}:{}: {why}", self.name, self.number))
    }

    /// The next one that is not blank; `None`: the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        loop {
            match self.read()? {
                Some(line) if line.trim_ascii().is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        let mut line = Vec::new();
        let most = EXPORT_LINE_BYTES_MAX as u64 + 1;
        let read = (&mut *self.input).take(most).read_until(b'\n', &mut line);
        self.number += 1;
        read.map_err(|error| self.error(&format!("it could not be read: {error}")))?;
        if line.len() > EXPORT_LINE_BYTES_MAX {
            return Err(self.error("the line is too long for an export of vpid's"));
        }
        Ok((!line.is_empty()).then_some(line))
    }
}

/// Reads all lines, whatever the records are, and finds whether it is whole. `name`: of the file.
///
/// # Errors
///
/// [`ImportError::Exported`]: it is no export, was cut off, or counts other records than it has.
pub fn check(input: &mut dyn BufRead, name: &str) -> Result<(), ImportError> {
    let mut lines = Lines {
        input,
        name,
        number: 0,
    };
    head(&mut lines)?;
    walk(&mut lines, |_, _| Ok(()))
}

/// Imports all lines. `name`: of the file. Only at the end is it known whether it was whole: see [`check`].
pub fn import(
    importer: &mut Importer<'_>,
    input: &mut dyn BufRead,
    name: &str,
) -> Result<(), ImportError> {
    let mut lines = Lines {
        input,
        name,
        number: 0,
    };
    head(&mut lines)?;
    match walk(&mut lines, |lines, line| one(importer, lines, line)) {
        Err(ImportError::Exported(why)) if importer.applies => {
            importer.flush()?;
            Err(ImportError::Exported(format!(
                "{why}; what was read until here was imported"
            )))
        }
        done => done,
    }
}

fn head(lines: &mut Lines<'_>) -> Result<(), ImportError> {
    let first = lines.next()?.unwrap_or_default();
    let first: Json = serde_json::from_slice(&first).unwrap_or_default();
    match first[HEAD].as_u64() {
        Some(VERSION) => Ok(()),
        Some(_) => Err(lines.error("it was written by a newer vpid; update this one first")),
        None => Err(lines.error("this was not written by `vpid community export`")),
    }
}

/// All lines up to the last one, which has to count the records; `each` gets none for what is no object.
fn walk(
    lines: &mut Lines<'_>,
    mut each: impl FnMut(&Lines<'_>, Option<&Map<String, Json>>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut records = 0;
    while let Some(line) = lines.next()? {
        let Ok(Json::Object(line)) = serde_json::from_slice(&line) else {
            each(lines, None)?;
            continue;
        };
        if let Some(count) = line.get("records") {
            return match count.as_u64() == Some(records) && lines.next()?.is_none() {
                true => Ok(()),
                false => Err(lines.error(&format!(
                    "the last line counts {count} records, and {records} were read; export again"
                ))),
            };
        }
        records += 1;
        each(lines, Some(&line))?;
    }
    Err(lines.error("the end is missing, so it was cut off; export again"))
}

fn one(
    importer: &mut Importer<'_>,
    lines: &Lines<'_>,
    line: Option<&Map<String, Json>>,
) -> Result<(), ImportError> {
    let odd = Kind::Other("lines");
    let Some(line) = line else {
        importer.problem(odd, at(lines, "this is no object in JSON"));
        return Ok(());
    };
    let table = line.get("table").and_then(Json::as_str);
    let Some(table) = table.and_then(|name| TABLES.iter().find(|it| it.name == name)) else {
        importer.problem(odd, at(lines, "its `table` is not known"));
        return Ok(());
    };
    match read(importer, table, line) {
        Ok(values) if table.name == "groups" => group(importer, lines, line, &values),
        Ok(values) => match missing_group(importer, table, &values)? {
            None => importer.push_row(Row::Copied { table, values }),
            Some(id) => {
                let why = format!("there is no group {id} of which this is a membership");
                importer.problem(kind(table), at(lines, &why));
                Ok(())
            }
        },
        Err(why) => {
            importer.problem(kind(table), at(lines, &why));
            Ok(())
        }
    }
}

/// The group of a membership, where there is none. A membership that is over may be of a group that was removed.
fn missing_group(
    importer: &mut Importer<'_>,
    table: &Table,
    values: &[Value],
) -> Result<Option<Uuid>, ImportError> {
    if table.name != "members" {
        return Ok(None);
    }
    let value = |name: &str| {
        let mut columns = table.columns.iter().zip(values);
        columns.find_map(|(column, value)| (column.name == name).then_some(value))
    };
    let end_us = value("end_us").and_then(Value::integer);
    if end_us.is_some_and(|end_us| end_us <= importer.now_us) {
        return Ok(None);
    }
    let id: Option<Uuid> = value("group_id").and_then(|id| id.text()?.parse().ok());
    let Some(id) = id else {
        return Ok(None);
    };
    let is_known = importer.has_group(id)?;
    Ok((!is_known).then_some(id))
}

fn at(lines: &Lines<'_>, why: &str) -> String {
    format!("{}:{}: {why}", lines.name, lines.number)
}

/// With its rights, together.
fn group(
    importer: &mut Importer<'_>,
    lines: &Lines<'_>,
    line: &Map<String, Json>,
    values: &[Value],
) -> Result<(), ImportError> {
    let text = |at: usize| values[at].text().unwrap_or_default();
    let number = |at: usize| values[at].integer();
    let rights = line.get("rights").and_then(Json::as_object);
    let rights = rights.into_iter().flatten();
    let rights = rights.map(|(name, granted)| Some((name.clone(), granted.as_bool()?)));
    let Some(properties) = rights.collect() else {
        let why = "one of its `rights` is neither true nor false";
        importer.problem(Kind::Groups, at(lines, why));
        return Ok(());
    };
    let Ok(id) = text(0).parse::<Uuid>() else {
        return Ok(());
    };
    let row = GroupRow {
        key: text(0),
        name: text(1),
        level: number(2).unwrap_or(0),
        inherits: number(3) == Some(1),
        max_ban_s: number(4),
        properties,
    };
    importer.group_as(id, &row).map(drop)
}

/// The values of a line, in the order of the columns.
fn read(
    importer: &Importer<'_>,
    table: &Table,
    line: &Map<String, Json>,
) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for column in table.columns {
        let json = line.get(column.key).unwrap_or(&Json::Null);
        let value = value(column, json);
        let mut value = value.ok_or_else(|| format!("`{}` cannot be used: {json}", column.key))?;
        // A group of the same name that is here is used in its place.
        if column.key == "group"
            && let Some(id) = value.text().and_then(|id| importer.groups.get(id))
        {
            value = Value::Text(id.to_string());
        }
        let is_name = ["name", "issuer_name"].contains(&column.key) && table.name != "servers";
        if is_name && let Some(name) = value.text() {
            value = Value::Text(clean(name));
        }
        values.push(value);
    }
    fits(table, line)?;
    Ok(values)
}

fn value(column: &Column, json: &Json) -> Option<Value> {
    if json.is_null() {
        return match column.holds {
            Holds::TimeOrNever => Some(i64::MAX.into()),
            _ => column.null.then_some(Value::Null),
        };
    }
    Some(match column.holds {
        Holds::Steam => {
            let steam = SteamId::from_u64(json.as_str()?.parse().ok()?)?;
            steam.as_u64().cast_signed().into()
        }
        Holds::Id => json.as_str()?.parse::<Uuid>().ok()?.to_string().into(),
        Holds::Text(chars_max) => {
            let text = json.as_str()?;
            (text.chars().count() <= chars_max).then(|| text.into())?
        }
        Holds::Number => json.as_i64()?.into(),
        Holds::Flag => json.as_bool()?.into(),
        Holds::Time | Holds::TimeOrNever => {
            let time: Timestamp = json.as_str()?.parse().ok()?;
            time.as_microsecond().into()
        }
        Holds::Day => {
            let text = json.as_str()?;
            let day: jiff::civil::Date = text.parse().ok()?;
            (day.to_string() == text).then(|| text.into())?
        }
    })
}

/// Whether columns that depend on each other, or have few values, are as they must be; else why not.
fn fits(table: &Table, line: &Map<String, Json>) -> Result<(), String> {
    let text = |key: &str| line.get(key).and_then(Json::as_str).unwrap_or_default();
    let number = |key: &str| line.get(key).and_then(Json::as_i64);
    if ["bans", "address_bans"].contains(&table.name) {
        length_fits(line)?;
    }
    let fits = match table.name {
        "playtime" => return playtime_fits(text("day"), number("ms").unwrap_or(-1)),
        "address_bans" => {
            let range: Option<AddressRange> = text("range").parse().ok();
            range.is_some_and(|range| {
                let ends = [range.first(), range.last()].map(|it| Some(i64::from(it.to_bits())));
                ends == [number("first_address"), number("last_address")]
            })
        }
        "adverts" => {
            let colour = text("colour");
            colour.len() == 6 && colour.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        "rewards" => {
            let event = text("event");
            event_of(event).is_some_and(|it| event_name(it) == event)
        }
        "groups" => !clean(text("name")).is_empty(),
        "servers" => match line.get("options") {
            Some(Json::String(text)) => {
                text.len() <= COMMUNITY_SERVER_OPTIONS_BYTES_MAX
                    && serde_json::from_str::<Json>(text).is_ok_and(|options| options.is_object())
            }
            _ => true,
        },
        _ => true,
    };
    match fits {
        true => Ok(()),
        false => Err("it is not as vpid writes it".to_owned()),
    }
}

fn playtime_fits(day: &str, ms: i64) -> Result<(), String> {
    let ms_max = match day {
        PLAYTIME_DAY => PLAYTIME_MS_MAX,
        _ => PLAYTIME_DAY_MS_MAX,
    };
    match (0..=ms_max).contains(&ms) {
        true => Ok(()),
        false => Err(format!("`ms` is {ms}, and can be from 0 to {ms_max}")),
    }
}

/// Whether the length of a ban is one, and the end follows from it.
fn length_fits(line: &Map<String, Json>) -> Result<(), String> {
    let time = |key: &str| -> Option<Timestamp> { line.get(key)?.as_str()?.parse().ok() };
    let (created, ends) = (time("created"), time("ends"));
    let length_s = match line.get("length_s").and_then(Json::as_i64) {
        Some(length_s) if length_s < 1 => {
            return Err(format!(
                "`length_s` is {length_s}; a ban lasts a second or longer, and has null where it is permanent"
            ));
        }
        Some(length_s) => length_s,
        None if ends.is_none() => return Ok(()),
        None => return Err("it has `ends` and no `length_s`".to_owned()),
    };
    let created_s = created.map_or(0, Timestamp::as_second);
    let by_length_s = created_s.saturating_add(length_s);
    let agrees = match ends {
        Some(ends) => ends.as_second().abs_diff(by_length_s) <= BAN_END_SLACK_S,
        // Beyond all times is never.
        None => Timestamp::from_second(by_length_s).is_err(),
    };
    match agrees {
        true => Ok(()),
        false => Err("`ends` is not `length_s` after `created`".to_owned()),
    }
}
