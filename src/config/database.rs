//! `[database]` and `[database.NAME]`: where SQL goes. What a MySQL server needs is in `mysql`.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::file;
use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::mysql::{self, Mysql};
use super::nearest::nearest;
use super::reader::{ENVIRONMENT, Location, Reader, Table, dotted, is_none_of};
use crate::limits::{DATABASES_MAX, SCHEMA_FILE_BYTES_MAX};
use crate::sql::{DatabaseId, Quoting, Schema};

pub static TABLE: Declared = Declared {
    head: "[database]",
    keys: &[TYPE, SQLITE, mysql::KEYS, SCHEMA],
    also: &[],
    doc: "The database that scripts use; docs/databases.md is its manual. More databases, for queries, have \
          tables of their own with the same keys, such as [database.stats].",
    example: "[database]",
};

const TYPE: &[Key] = &[text(
    "type",
    "\"sqlite\", \"mysql\" (MariaDB too), or \"none\" where scripts need no SQL.",
)
.default(Usual::Text("sqlite"))
.variables(&["VPID_DATABASE_TYPE"])
.in_force(InForce::WithNextStart)
.shown()];

const SQLITE: &[Key] = &[
    text(
        "path",
        "SQLite: the database file. Created if it is missing. Not inside scriptdata. `NAME.db` for a \
         [database.NAME].",
    )
    .default(Usual::Text("vpid.db"))
    .variables(&["VPID_DATABASE_PATH"])
    .in_force(InForce::WithNextStart)
    .shown(),
    key(
        "durability",
        Kind::Words(&["full", "normal"]),
        "SQLite: \"full\": a write whose call has its response survives a power cut. \"normal\": it survives a \
         crash of vpid; a power cut may lose the last moments.",
    )
    .variables(&["VPID_DATABASE_DURABILITY"])
    .in_force(InForce::WithNextStart)
    .shown(),
];

const SCHEMA: &[Key] = &[
    text(
        "schema",
        "A file with [the SQL of the tables that must exist](databases.md#the-schema). vpid runs it before \
         anything else. At most 1 MiB. Not inside scriptdata.",
    ).variables(&["VPID_DATABASE_SCHEMA"])
    .example("\"schema.sql\""),
];

const WITHOUT_MYSQL: &str = "this vpid was built without MySQL; build it with `cargo build \
                             --release --features mysql`, or take a binary that has it";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Empty for the default one.
    pub name: String,
    pub engine: Engine,
    /// What it must have before anything else runs.
    pub schema: Option<SchemaFile>,
}

/// "database vpid.db", "database stats (MySQL scores at 127.0.0.1:3306)"
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("database ")?;
        if !self.name.is_empty() {
            write!(f, "{} (", self.name)?;
        }
        match &self.engine {
            Engine::Sqlite(sqlite) => write!(f, "{}", sqlite.path.display()),
            Engine::Mysql(mysql) => write!(f, "{mysql}"),
        }?;
        f.write_str(if self.name.is_empty() { "" } else { ")" })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    Sqlite(Sqlite),
    Mysql(Mysql),
}

impl Engine {
    pub fn quoting(&self) -> Quoting {
        match self {
            Self::Sqlite(_) => Quoting::Sqlite,
            Self::Mysql(_) => Quoting::Mysql,
        }
    }

    /// As it stands in `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Mysql(_) => "mysql",
        }
    }
}

/// An SQLite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sqlite {
    pub path: PathBuf,
    /// Every answered write survives a power loss; without it, the last moments may be lost,
    /// but never the database.
    pub full_durability: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    pub path: PathBuf,
    pub schema: Schema,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Sqlite,
    Mysql,
    None,
}

struct Placed {
    place: Location,
    database: Database,
}

impl Reader<'_> {
    pub(super) fn databases(&mut self, document: &DeTable<'_>) -> Vec<Database> {
        let tables = self.database_tables(document);
        let beyond = tables.get(DATABASES_MAX).map(|(_, table)| &table.place);
        self.bound(beyond, tables.len(), DATABASES_MAX);
        let mut databases: Vec<Placed> = Vec::new();
        for (name, table) in tables {
            if let Some(placed) = self.database(name, table) {
                self.no_twin_of_database(&placed, &databases);
                databases.push(placed);
            }
        }
        let databases = databases.into_iter();
        databases.map(|placed| placed.database).collect()
    }

    /// The one without a name first.
    fn database_tables(&mut self, document: &DeTable<'_>) -> Vec<(String, Table)> {
        let what = "a [database] table";
        let Some((place, table)) = self.table_in(document, "database", what) else {
            let place = self.absent("database");
            return vec![(String::new(), Table::empty(&TABLE, place))];
        };
        let mut of_default = table.clone();
        let mut named = Vec::new();
        for (name, value) in table {
            if let (None, DeValue::Table(inner)) = (TABLE.key(name.get_ref()), value.get_ref()) {
                let place = self.place(&name.span(), &dotted("database", name.get_ref()));
                self.name(&place, name.get_ref(), "a database", "_-");
                let inner = self.table(&TABLE, place, inner);
                named.push((name.get_ref().to_string(), inner));
                of_default.remove(name);
            }
        }
        named.insert(0, (String::new(), self.table(&TABLE, place, &of_default)));
        named
    }

    /// None where the owner wants none.
    fn database(&mut self, name: String, mut table: Table) -> Option<Placed> {
        if name.is_empty() {
            self.overlay(&mut table, TYPE);
            self.overlay(&mut table, SCHEMA);
        }
        let kind = self.database_type(&name, &table);
        if let Some(kind) = kind {
            self.keys_of_its_engine(&name, &table, kind);
        }
        let engine = match kind {
            Some(Type::None) => return None,
            Some(Type::Mysql) => Engine::Mysql(self.mysql(&name, &mut table)),
            Some(Type::Sqlite) | None => self.sqlite(&name, &mut table),
        };
        let schema = self.schema(&table);
        let database = Database {
            name,
            engine,
            schema,
        };
        let place = table.place;
        Some(Placed { place, database })
    }

    /// None where it is unknown; that has been reported then.
    fn database_type(&mut self, name: &str, table: &Table) -> Option<Type> {
        let Some((place, word)) = table.text("type") else {
            return table.is_absent("type").then_some(Type::Sqlite);
        };
        let message = match word {
            "sqlite" => return Some(Type::Sqlite),
            "mysql" | "mariadb" => {
                if !cfg!(feature = "mysql") {
                    self.problem(place, WITHOUT_MYSQL);
                }
                return Some(Type::Mysql);
            }
            "none" if name.is_empty() => return Some(Type::None),
            "none" => format!(
                "\"none\" is for [database] alone; remove [{}]",
                table.place.key
            ),
            other if name.is_empty() => is_none_of(other, &["sqlite", "mysql", "none"]),
            other => is_none_of(other, &["sqlite", "mysql"]),
        };
        self.problem(place, message);
        None
    }

    /// What the file says for another engine is an oversight, unless the environment chose the
    /// engine. Of variables, containers set more than they need; an option is meant.
    fn keys_of_its_engine(&mut self, name: &str, table: &Table, kind: Type) {
        let chosen = table.place("type");
        let by_variable = chosen.is_some_and(|place| place.source == ENVIRONMENT);
        let (foreign, message): (&[&[Key]], _) = match kind {
            Type::None => (
                &[SQLITE, mysql::KEYS, SCHEMA],
                "is of no use with type = \"none\"; take one of them out",
            ),
            _ if by_variable => (&[], ""),
            Type::Sqlite => (&[mysql::KEYS], "belongs to type = \"mysql\""),
            Type::Mysql => (&[SQLITE], "belongs to type = \"sqlite\""),
        };
        for place in foreign.iter().flat_map(|keys| table.places(keys)) {
            self.problem(place, message);
        }
        if name.is_empty() && kind != Type::Mysql {
            self.variables_of_no_use();
        }
    }

    fn variables_of_no_use(&mut self) {
        for name in mysql::KEYS.iter().flat_map(|key| key.variables) {
            if self.variable(&[name]).is_none() {
                continue;
            }
            let place = Location::of_variable(name);
            if name.starts_with("--") {
                self.problem(&place, "is for MySQL; set type = \"mysql\" in [database]");
            } else {
                let message = "has no effect: [database] is not on MySQL; set type = \"mysql\" \
                               there (or VPID_DATABASE_TYPE), or unset it";
                self.warn(&place, message);
            }
        }
    }

    fn sqlite(&mut self, name: &str, table: &mut Table) -> Engine {
        let default = match name {
            "" => "vpid.db".to_owned(),
            name => format!("{name}.db"),
        };
        match name {
            "" => self.overlay(table, SQLITE),
            _ => self.check(table, SQLITE),
        }
        let path = self.own_path(table, "path", &default);
        if path.is_dir() {
            let place = table.place("path").unwrap_or(&table.place).clone();
            let message = format!(
                "{} is a folder, and not a file of a database; write the path of a file",
                path.display()
            );
            self.problem(&place, message);
        }
        Engine::Sqlite(Sqlite {
            path,
            full_durability: table.word("durability") != "normal",
        })
    }

    fn schema(&mut self, table: &Table) -> Option<SchemaFile> {
        let (place, written) = table.text("schema")?;
        let path = self.outside_path(table, "schema")?;
        self.files.push(path.clone());
        let bytes = file::read(&path, SCHEMA_FILE_BYTES_MAX, "schema");
        let bytes = self.good(place, bytes)?;
        let text = file::text(bytes).map_err(|wrong| (wrong.line, wrong.message.to_owned()));
        let schema =
            text.and_then(|text| Schema::parse(&text).map_err(|error| (error.line, error.message)));
        match schema {
            Ok(schema) => Some(SchemaFile { path, schema }),
            Err((line, message)) => {
                let place = Location {
                    source: written.to_owned(),
                    line: Some(line),
                    key: String::new(),
                };
                self.problem(&place, message);
                None
            }
        }
    }

    /// The one that a table names with its key `database`, or else the default one, which `usual` is about. None
    /// where there is no such database; that has been reported then.
    pub(super) fn database_of(
        &mut self,
        table: &Table,
        databases: &[Database],
        usual: &str,
    ) -> Option<DatabaseId> {
        let Some((place, wanted)) = table.text("database") else {
            if !table.is_absent("database") {
                return None;
            }
            let default = databases.first().is_some_and(|it| it.name.is_empty());
            if !default {
                let message = "has no database, as [database] is of type \"none\"; name another one with \
                               database = \"NAME\"";
                self.problem(&table.place, message);
            }
            return default.then_some(0);
        };
        let named = |database: &Database| !wanted.is_empty() && database.name == wanted;
        let found = databases.iter().position(named);
        if found.is_none() {
            let names = databases.iter().map(|known| known.name.as_str());
            let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            let hint = match nearest(wanted, &names) {
                Some(near) => format!("; did you mean {near:?}?"),
                None => format!("; without this key, {usual} [database]"),
            };
            self.missing(place, format!("there is no [database.{wanted}]{hint}"));
        }
        found
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
