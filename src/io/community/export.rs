//! Exports: all of a community as lines of JSON, for another database, another program or a backup.
//!
//! The first line says what this is, the last one how many records it has, so that a file that was cut off is
//! noticed. Each other line is one record: its table without `vpid_`, and its columns. Tables are read in the order
//! of their keys, some rows at a time, so an export needs as little memory for a million records as for one. All of
//! them are read as they are when it begins ([`Own::snapshot`]). [`TABLES`] also says how `import::exported` reads it.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

use super::admin::{Admin, AdminError};
use super::changes::Topic;
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{
    ADVERT_CHARS_MAX, COMMUNITY_COMMAND_CHARS_MAX, COMMUNITY_NAME_CHARS_MAX,
    COMMUNITY_REASON_CHARS_MAX, COMMUNITY_SERVER_OPTIONS_BYTES_MAX, GROUP_NAME_CHARS_MAX,
    IMPORT_BATCH, IMPORT_PROBLEMS_SHOWN_MAX, SERVER_NAME_CHARS_MAX,
};
use crate::protocol::steam_id::SteamId;

/// Of the form of these lines.
pub const VERSION: u64 = 1;
/// What the first line has under this name: the version.
pub const HEAD: &str = "vpid_community";

/// Why an export ended before its time.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error("{0}")]
    Admin(#[from] AdminError),
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
}

impl From<OwnError> for ExportError {
    fn from(error: OwnError) -> Self {
        Self::Admin(error.into())
    }
}

/// What a column holds, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The 64-bit form, as a text.
    Steam,
    Id,
    /// At most so many characters.
    Text(usize),
    Number,
    /// `true` or `false`.
    Flag,
    /// Microseconds in the table, RFC 3339 in UTC here.
    Time,
    /// The same, or null for what is never forgotten (`i64::MAX`).
    TimeOrNever,
    /// A day, as `2026-11-30`.
    Day,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// In the table.
    pub name: &'static str,
    /// In a line.
    pub key: &'static str,
    pub holds: Holds,
    /// It can be null.
    pub null: bool,
}

const fn column(name: &'static str, key: &'static str, holds: Holds) -> Column {
    Column {
        name,
        key,
        holds,
        null: false,
    }
}

const fn nullable(name: &'static str, key: &'static str, holds: Holds) -> Column {
    Column {
        null: true,
        ..column(name, key, holds)
    }
}

#[derive(Debug, PartialEq)]
pub struct Table {
    /// Behind `vpid_`.
    pub name: &'static str,
    /// Its first columns, by which it is sorted.
    pub keys: usize,
    pub columns: &'static [Column],
    /// Who waits for its changes.
    pub topic: Option<Topic>,
    /// It has a column `changed`.
    pub counts: bool,
}

use Holds::{Day, Flag, Id, Number, Steam, Text, Time, TimeOrNever};

/// In the order in which they are exported and imported: groups before their members, and what was carried out at
/// the end.
pub static TABLES: [Table; 12] = [
    Table {
        name: "users",
        keys: 1,
        columns: &[
            column("steam", "steam", Steam),
            column("name", "name", Text(COMMUNITY_NAME_CHARS_MAX)),
            column("admin", "admin", Flag),
            column("created_us", "created", Time),
            nullable("seen_us", "seen", Time),
        ],
        topic: Some(Topic::Members),
        counts: false,
    },
    Table {
        name: "groups",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("name", "name", Text(GROUP_NAME_CHARS_MAX)),
            column("level", "level", Number),
            column("inherits", "inherits", Flag),
            nullable("max_ban_s", "max_ban_s", Number),
        ],
        topic: Some(Topic::Groups),
        counts: true,
    },
    Table {
        name: "members",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("steam", "steam", Steam),
            column("group_id", "group", Id),
            column("begin_us", "begin", Time),
            nullable("end_us", "end", Time),
            nullable("issuer", "issuer", Steam),
        ],
        topic: Some(Topic::Members),
        counts: true,
    },
    Table {
        name: "bans",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("steam", "steam", Steam),
            column("name", "name", Text(COMMUNITY_NAME_CHARS_MAX)),
            column("reason", "reason", Text(COMMUNITY_REASON_CHARS_MAX)),
            nullable("length_s", "length_s", Number),
            column("created_us", "created", Time),
            nullable("ends_us", "ends", Time),
            nullable("issuer", "issuer", Steam),
            column("issuer_name", "issuer_name", Text(COMMUNITY_NAME_CHARS_MAX)),
            nullable("lifted_us", "lifted", Time),
            nullable("lifted_by", "lifted_by", Steam),
        ],
        topic: Some(Topic::Bans),
        counts: true,
    },
    Table {
        name: "address_bans",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("range_text", "range", Text(40)),
            column("first_address", "first_address", Number),
            column("last_address", "last_address", Number),
            column("reason", "reason", Text(COMMUNITY_REASON_CHARS_MAX)),
            nullable("length_s", "length_s", Number),
            column("created_us", "created", Time),
            nullable("ends_us", "ends", Time),
            nullable("issuer", "issuer", Steam),
            column("issuer_name", "issuer_name", Text(COMMUNITY_NAME_CHARS_MAX)),
            nullable("lifted_us", "lifted", Time),
            nullable("lifted_by", "lifted_by", Steam),
        ],
        topic: Some(Topic::Addresses),
        counts: true,
    },
    Table {
        name: "warnings",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("steam", "steam", Steam),
            column("reason", "reason", Text(COMMUNITY_REASON_CHARS_MAX)),
            column("created_us", "created", Time),
            nullable("issuer", "issuer", Steam),
            column("issuer_name", "issuer_name", Text(COMMUNITY_NAME_CHARS_MAX)),
            nullable("withdrawn_us", "withdrawn", Time),
        ],
        topic: Some(Topic::Warnings),
        counts: false,
    },
    Table {
        name: "playtime",
        keys: 2,
        columns: &[
            column("steam", "steam", Steam),
            column("day", "day", Day),
            column("ms", "ms", Number),
        ],
        topic: None,
        counts: false,
    },
    Table {
        name: "adverts",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("content", "content", Text(ADVERT_CHARS_MAX)),
            column("colour", "colour", Text(6)),
            column("position", "position", Number),
            column("enabled", "enabled", Flag),
        ],
        topic: Some(Topic::Adverts),
        counts: true,
    },
    Table {
        name: "rewards",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("name", "name", Text(GROUP_NAME_CHARS_MAX)),
            nullable("group_id", "group", Id),
            column("event", "event", Text(12)),
            column("command", "command", Text(COMMUNITY_COMMAND_CHARS_MAX)),
            column("once", "once", Flag),
            column("once_from_all", "once_from_all", Flag),
            column("position", "position", Number),
            column("enabled", "enabled", Flag),
            column("created_us", "created", Time),
        ],
        topic: Some(Topic::Rewards),
        counts: true,
    },
    Table {
        name: "executed",
        keys: 2,
        columns: &[
            column("applied", "applied", Id),
            column("server", "server", Id),
            column("steam", "steam", Steam),
            column("reward", "reward", Id),
            column("at_us", "at", Time),
        ],
        topic: Some(Topic::Executed),
        counts: false,
    },
    Table {
        name: "servers",
        keys: 1,
        columns: &[
            column("id", "id", Id),
            column("name", "name", Text(SERVER_NAME_CHARS_MAX)),
            nullable("extra", "options", Text(COMMUNITY_SERVER_OPTIONS_BYTES_MAX)),
        ],
        topic: Some(Topic::Servers),
        counts: false,
    },
    // By which a vpid that sends a change again finds that it was made.
    Table {
        name: "done",
        keys: 1,
        columns: &[column("id", "id", Id), column("at_us", "at", TimeOrNever)],
        topic: None,
        counts: false,
    },
];

impl Column {
    /// `None`: the value is not as vpid writes it.
    fn json(&self, value: &Value) -> Option<Json> {
        if *value == Value::Null {
            return self.null.then_some(Json::Null);
        }
        let time = |us: i64| Some(Timestamp::from_microsecond(us).ok()?.to_string().into());
        Some(match self.holds {
            Holds::Steam => {
                let steam = u64::try_from(value.integer()?).ok()?;
                SteamId::from_u64(steam)?.to_string().into()
            }
            Holds::Id | Holds::Text(_) | Holds::Day => value.text()?.into(),
            Holds::Number => value.integer()?.into(),
            Holds::Flag => (value.integer()? != 0).into(),
            Holds::Time => time(value.integer()?)?,
            Holds::TimeOrNever => match value.integer()? {
                i64::MAX => Json::Null,
                us => time(us)?,
            },
        })
    }
}

impl Table {
    /// Names of its columns, for statements.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    /// Behind the row with this key; `bound`: whether there is one.
    pub(super) fn select(&self, bound: bool) -> String {
        let keys = &self.columns[..self.keys];
        // (a > ?) OR (a = ? AND b > ?)
        let behind = (0..self.keys).map(|last| {
            let same = keys[..last].iter().map(|key| format!("{} = ?", key.name));
            let next = std::iter::once(format!("{} > ?", keys[last].name));
            let all: Vec<String> = same.chain(next).collect();
            format!("({})", all.join(" AND "))
        });
        let behind: Vec<String> = behind.collect();
        let behind = match bound {
            // The first condition alone lets SQLite begin at the right place of the index.
            true => format!(" WHERE {} >= ? AND ({})", keys[0].name, behind.join(" OR ")),
            false => String::new(),
        };
        let order: Vec<&str> = keys.iter().map(|key| key.name).collect();
        format!(
            "SELECT {} FROM vpid_{}{behind} ORDER BY {} LIMIT {IMPORT_BATCH}",
            self.names(),
            self.name,
            order.join(", ")
        )
    }

    /// The values for it.
    pub(super) fn bounds(&self, last: &[Value]) -> Vec<Value> {
        let keys = (0..self.keys).flat_map(|end| last[..=end].iter().cloned());
        last[..1].iter().cloned().chain(keys).collect()
    }
}

/// How much was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    pub records: u64,
    /// Rows that are not as vpid writes them, and were left out.
    pub skipped: u64,
    /// Tables and keys of the first of these.
    pub shown: Vec<String>,
}

impl Exported {
    fn skip(&mut self, table: &str, keys: &[Value]) {
        self.skipped += 1;
        if self.shown.len() < IMPORT_PROBLEMS_SHOWN_MAX {
            let keys = keys.iter().map(|key| match key {
                Value::Null => "NULL".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text.clone(),
            });
            let keys: Vec<String> = keys.collect();
            self.shown.push(format!("vpid_{table} {}", keys.join(" ")));
        }
    }
}

/// Writes all of it. `progress` gets how many records were written, from time to time.
pub fn export(
    admin: &mut Admin,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Exported, ExportError> {
    let now = Timestamp::from_microsecond(admin.now_us()?).unwrap_or(Timestamp::UNIX_EPOCH);
    writeln!(
        out,
        "{}",
        json!({HEAD: VERSION, "exported": now.to_string()})
    )?;
    let exported = admin.own.snapshot(|own| {
        let mut exported = Exported::default();
        for table in &TABLES {
            of_table(own, table, (out, progress), &mut exported)?;
        }
        Ok::<_, ExportError>(exported)
    })?;
    writeln!(out, "{}", json!({"records": exported.records}))?;
    out.flush()?;
    Ok(exported)
}

fn of_table(
    own: &mut Own,
    table: &Table,
    (out, progress): (&mut dyn Write, &mut dyn FnMut(u64)),
    exported: &mut Exported,
) -> Result<(), ExportError> {
    let mut last: Option<Vec<Value>> = None;
    loop {
        let select = table.select(last.is_some());
        let bounds = last.as_deref().map(|last| table.bounds(last));
        let rows = own.rows(&select, &bounds.unwrap_or_default())?;
        let count = rows.len();
        for row in &rows {
            match line(own, table, row, exported)? {
                Some(line) => {
                    writeln!(out, "{}", Json::Object(line))?;
                    exported.records += 1;
                }
                None => exported.skip(table.name, &row[..table.keys]),
            }
        }
        progress(exported.records);
        if count < IMPORT_BATCH {
            return Ok(());
        }
        last = rows.into_iter().next_back();
    }
}

fn line(
    own: &mut Own,
    table: &Table,
    row: &[Value],
    exported: &mut Exported,
) -> Result<Option<Map<String, Json>>, OwnError> {
    let mut line = Map::new();
    line.insert("table".into(), table.name.into());
    for (column, value) in table.columns.iter().zip(row) {
        let Some(value) = column.json(value) else {
            return Ok(None);
        };
        line.insert(column.key.into(), value);
    }
    if table.name == "groups" {
        let select = "SELECT name, granted FROM vpid_properties WHERE group_id = ? ORDER BY name";
        let mut rights = Map::new();
        for right in own.rows(select, &row[..1])? {
            match (right[0].text(), right[1].integer()) {
                (Some(name), Some(granted)) => {
                    rights.insert(name.to_owned(), (granted != 0).into());
                }
                _ => exported.skip("properties", &[row[0].clone(), right[0].clone()]),
            }
        }
        line.insert("rights".into(), Json::Object(rights));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a table or a column is reminded of exports.
    #[test]
    fn every_column_of_every_table_is_exported_or_left_out_on_purpose() {
        const LEFT_OUT: [&str; 10] = [
            // How servers are now: each vpid reports it.
            "vpid_servers.vpid",
            "vpid_servers.map",
            "vpid_servers.alive",
            "vpid_servers.players_max",
            "vpid_servers.players_current",
            "vpid_servers.players",
            "vpid_servers.seen_us",
            // With its group.
            "vpid_properties.group_id",
            "vpid_properties.name",
            "vpid_properties.granted",
        ];
        let schema = include_str!("schema.sql");
        let mut seen = 0;
        for part in schema.split("CREATE TABLE vpid_").skip(1) {
            let (name, rest) = part.split_once(" (").unwrap();
            if ["changes", "listeners"].contains(&name) {
                continue;
            }
            let table = TABLES.iter().find(|table| table.name == name);
            let columns = rest.split("\n)").next().unwrap().lines().map(str::trim);
            for line in columns.filter(|line| !line.is_empty() && !line.starts_with("PRIMARY")) {
                let column = line.split(' ').next().unwrap();
                let is_exported =
                    table.is_some_and(|it| it.columns.iter().any(|it| it.name == column));
                let is_counter = column == "changed" && table.is_some_and(|table| table.counts);
                let full = format!("vpid_{name}.{column}");
                assert!(
                    is_exported || is_counter || LEFT_OUT.contains(&&*full),
                    "{full}"
                );
                seen += 1;
            }
        }
        assert!(seen > 60, "{seen}");
    }

    #[test]
    fn rows_are_read_in_the_order_of_their_keys() {
        let playtime = &TABLES[6];
        assert_eq!(
            playtime.select(true),
            "SELECT steam, day, ms FROM vpid_playtime WHERE steam >= ? AND ((steam > ?) OR (steam = ? AND day > ?)) \
             ORDER BY steam, day LIMIT 500"
        );
        let last = [7.into(), "2026-01-01".into(), 5.into()];
        let bounds: [Value; 4] = [7.into(), 7.into(), 7.into(), "2026-01-01".into()];
        assert_eq!(playtime.bounds(&last), bounds);
    }
}
