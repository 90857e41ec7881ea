//! `[database]` and `[database.NAME]`: which engine each is on, and that no two are the same.
//! What a MySQL server needs is for `mysql`.

use std::path::{Path, PathBuf};

use super::checked::{Checker, ENVIRONMENT, IN_SCRIPTDATA, environment_place, in_scriptdata};
use super::raw::{Field, Place, RawDatabase};
use super::{Database, Engine, SchemaFile, Server, Sqlite, environment, file};
use crate::limits::{CONFIG_NAME_BYTES_MAX, DATABASES_MAX, SCHEMA_FILE_BYTES_MAX};
use crate::sql::Schema;

/// Options that speak of the default database, where that is on MySQL.
const OPTIONS: [&str; 5] = ["--host", "--port", "--user", "--password", "--database"];

const WITHOUT_MYSQL: &str = "this vpid was built without MySQL; build it with `cargo build \
                             --release --features mysql`, or take a binary that has it";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Mysql,
    None,
}

struct Placed {
    place: Place,
    database: Database,
}

impl Checker<'_> {
    pub(super) fn databases(
        &mut self,
        mut raw: Vec<RawDatabase>,
        servers: &[Server],
    ) -> Vec<Database> {
        if raw.is_empty() {
            raw.push(RawDatabase::unsaid(self.absent("database")));
        }
        if let Some(beyond) = raw.get(DATABASES_MAX) {
            let message = format!("there are {}; at most {DATABASES_MAX} fit", raw.len());
            self.problem(&beyond.place, message);
        }
        let mut databases: Vec<Placed> = Vec::new();
        for entry in raw {
            let Some(placed) = self.database(entry, servers) else {
                continue;
            };
            self.no_twin_of_database(&placed, &databases);
            databases.push(placed);
        }
        let databases = databases.into_iter();
        databases.map(|placed| placed.database).collect()
    }

    /// None where the owner wants none.
    fn database(&mut self, mut raw: RawDatabase, servers: &[Server]) -> Option<Placed> {
        let is_default = raw.name.is_empty();
        if is_default {
            raw.kind = self.overridden(raw.kind, &["VPID_DATABASE_TYPE"]);
        } else {
            self.database_name(&raw);
        }
        let kind = self.kind(&raw);
        if let Some(kind) = kind {
            self.keys_of_its_engine(&raw, kind);
        }
        let schema = std::mem::take(&mut raw.schema);
        let (name, place) = (raw.name.clone(), raw.place.clone());
        let engine = match kind {
            Some(Kind::None) => return None,
            Some(Kind::Mysql) => Engine::Mysql(self.mysql(raw, servers)),
            Some(Kind::Sqlite) | None => self.sqlite(raw, servers),
        };
        let schema = self.schema(schema, servers);
        let database = Database {
            name,
            engine,
            schema,
        };
        Some(Placed { place, database })
    }

    fn database_name(&mut self, raw: &RawDatabase) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !raw.name.bytes().all(fits) || raw.name.len() > CONFIG_NAME_BYTES_MAX {
            let message = format!(
                "{:?} is no name for a database; use at most {CONFIG_NAME_BYTES_MAX} letters, \
                 digits, _ and -",
                raw.name
            );
            self.problem(&raw.place, message);
        }
    }

    /// None when it cannot be told; that has been reported then.
    fn kind(&mut self, raw: &RawDatabase) -> Option<Kind> {
        let given = match &raw.kind {
            Field::Given(given) => given,
            Field::Absent => return Some(Kind::Sqlite),
            Field::Bad => return None,
        };
        let is_default = raw.name.is_empty();
        let message = match given.value.as_str() {
            "sqlite" => return Some(Kind::Sqlite),
            "mysql" | "mariadb" => {
                if !cfg!(feature = "mysql") {
                    self.problem(&given.place, WITHOUT_MYSQL);
                }
                return Some(Kind::Mysql);
            }
            "none" if is_default => return Some(Kind::None),
            "none" => format!(
                "\"none\" is for [database] alone; remove [{}]",
                raw.place.key
            ),
            other if is_default => format!("{other:?} is none of \"sqlite\", \"mysql\", \"none\""),
            other => format!("{other:?} is none of \"sqlite\", \"mysql\""),
        };
        self.problem(&given.place, message);
        None
    }

    /// What the file says for another engine is an oversight, unless the environment chose the
    /// engine. Of variables, containers set more than they need; an option is meant.
    fn keys_of_its_engine(&mut self, raw: &RawDatabase, kind: Kind) {
        let (foreign, engine) = match kind {
            Kind::Sqlite => (raw.of_mysql(), "mysql"),
            Kind::Mysql => (raw.of_sqlite(), "sqlite"),
            Kind::None => (Vec::new(), ""),
        };
        let chosen = raw.kind.place();
        if chosen.is_none_or(|place| place.source != ENVIRONMENT) {
            for place in &foreign {
                self.problem(place, format!("belongs to type = {engine:?}"));
            }
        }
        if kind == Kind::None {
            for place in raw.but_type() {
                self.problem(
                    &place,
                    "is of no use with type = \"none\"; take one of them out",
                );
            }
        }
        if raw.name.is_empty() && kind != Kind::Mysql {
            for name in environment::OF_MYSQL {
                if environment::text(self.environment, name).is_some() {
                    let message = "has no effect: [database] is not on MySQL; set type = \"mysql\" \
                                   there (or VPID_DATABASE_TYPE), or unset it";
                    self.warn(&environment_place(name), message);
                }
            }
            for option in OPTIONS {
                if environment::text(self.environment, option).is_some() {
                    let message = "is for MySQL; set type = \"mysql\" in [database]";
                    self.problem(&environment_place(option), message);
                }
            }
        }
    }

    fn sqlite(&mut self, mut raw: RawDatabase, servers: &[Server]) -> Engine {
        let default = match raw.name.is_empty() {
            true => "vpid.db".to_owned(),
            false => format!("{}.db", raw.name),
        };
        if raw.name.is_empty() {
            raw.path = self.overridden(raw.path, &["VPID_DATABASE_PATH"]);
            raw.durability = self.overridden(raw.durability, &["VPID_DATABASE_DURABILITY"]);
        }
        let durability = [("full", true), ("normal", false)];
        Engine::Sqlite(Sqlite {
            path: self.own_path(raw.path, &default, servers),
            full_durability: self.choice(&raw.durability, &durability).unwrap_or(true),
        })
    }

    fn schema(&mut self, field: Field<String>, servers: &[Server]) -> Option<SchemaFile> {
        let given = field.given()?;
        let path = self.path(given)?;
        if in_scriptdata(&path, servers) {
            self.problem(&given.place, IN_SCRIPTDATA);
            return None;
        }
        self.files.push(path.clone());
        let bytes = match file::read(&path, SCHEMA_FILE_BYTES_MAX, "schema") {
            Ok(bytes) => bytes,
            Err(message) => {
                self.problem(&given.place, message);
                return None;
            }
        };
        let wrong_at = |line, message: &str| {
            let place = Place {
                source: given.value.clone(),
                line: Some(line),
                key: String::new(),
            };
            (place, message.to_owned())
        };
        let schema = file::text(bytes)
            .map_err(|wrong| wrong_at(wrong.line, wrong.message))
            .and_then(|text| {
                Schema::parse(&text).map_err(|error| wrong_at(error.line, &error.message))
            });
        match schema {
            Ok(schema) => Some(SchemaFile { path, schema }),
            Err((place, message)) => {
                self.problem(&place, message);
                None
            }
        }
    }

    fn no_twin_of_database(&mut self, placed: &Placed, others: &[Placed]) {
        for other in others {
            let of = &other.place.key;
            let message = match (&placed.database.engine, &other.database.engine) {
                (Engine::Sqlite(sqlite), Engine::Sqlite(taken))
                    if real(&sqlite.path) == real(&taken.path) =>
                {
                    format!("has the same file as [{of}]; give it a path of its own")
                }
                (Engine::Mysql(mysql), Engine::Mysql(taken)) if mysql.is_same_as(taken) => {
                    format!("is the same database on the same server as [{of}]; keep one of them")
                }
                _ => continue,
            };
            self.problem(&placed.place, message);
            return;
        }
    }
}

/// Where a path leads, also where the file is yet to be made.
fn real(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = std::fs::canonicalize(path.parent()?).ok()?;
        Some(folder.join(path.file_name()?))
    };
    let found = std::fs::canonicalize(path).ok().or_else(in_folder);
    found.unwrap_or_else(|| path.to_owned())
}
