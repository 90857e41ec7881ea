//! `[database]` and the tables in it.

use toml::de::{DeTable, DeValue};

use super::{Field, Place, Reader, dotted};

pub(super) const KEYS: &[&str] = &[
    "type",
    "path",
    "durability",
    "host",
    "port",
    "socket",
    "user",
    "password",
    "password_file",
    "database",
    "tls",
    "tls_ca",
    "pool",
    "schema",
];

#[derive(Debug)]
pub(in crate::config) struct RawDatabase {
    pub place: Place,
    /// Empty for the default one.
    pub name: String,
    pub kind: Field<String>,
    pub path: Field<String>,
    pub durability: Field<String>,
    pub host: Field<String>,
    pub port: Field<i64>,
    pub socket: Field<String>,
    pub user: Field<String>,
    pub password: Field<String>,
    pub password_file: Field<String>,
    pub database: Field<String>,
    /// `true` and `false` as the words they stand for.
    pub tls: Field<String>,
    pub tls_ca: Field<String>,
    pub pool: Field<i64>,
    pub schema: Field<String>,
}

impl RawDatabase {
    /// The default one, of which nothing is said.
    pub fn unsaid(place: Place) -> Self {
        Self {
            place,
            name: String::new(),
            kind: Field::Absent,
            path: Field::Absent,
            durability: Field::Absent,
            host: Field::Absent,
            port: Field::Absent,
            socket: Field::Absent,
            user: Field::Absent,
            password: Field::Absent,
            password_file: Field::Absent,
            database: Field::Absent,
            tls: Field::Absent,
            tls_ca: Field::Absent,
            pool: Field::Absent,
            schema: Field::Absent,
        }
    }

    /// Where keys stand that only SQLite has.
    pub fn of_sqlite(&self) -> Vec<Place> {
        let places = [self.path.place(), self.durability.place()];
        places.into_iter().flatten().cloned().collect()
    }

    /// Where keys stand that a database has, of whatever type.
    pub fn but_type(&self) -> Vec<Place> {
        let places = self.of_mysql().into_iter().chain(self.of_sqlite());
        places.chain(self.schema.place().cloned()).collect()
    }

    /// Where keys stand that only MySQL has.
    pub fn of_mysql(&self) -> Vec<Place> {
        let places = [
            self.host.place(),
            self.port.place(),
            self.socket.place(),
            self.user.place(),
            self.password.place(),
            self.password_file.place(),
            self.database.place(),
            self.tls.place(),
            self.tls_ca.place(),
            self.pool.place(),
        ];
        places.into_iter().flatten().cloned().collect()
    }
}

impl Reader<'_> {
    pub(super) fn databases(&mut self, table: &DeTable<'_>) -> Vec<RawDatabase> {
        let Some(default) = self.table(table, "database") else {
            return Vec::new();
        };
        let mut named = Vec::new();
        let mut of_default = default.clone();
        for (name, value) in default {
            let known = KEYS.contains(&name.get_ref().as_ref());
            if let (false, DeValue::Table(inner)) = (known, value.get_ref()) {
                let name_text = name.get_ref().as_ref();
                let place = self.place(&name.span(), &dotted("database", name_text));
                named.push(self.database(place, name_text, inner));
                of_default.remove(name);
            }
        }
        let span = table.get_key_value("database").map(|(name, _)| name.span());
        let place = self.place(&span.unwrap_or(0..0), "database");
        let mut databases = vec![self.database(place, "", &of_default)];
        databases.append(&mut named);
        databases
    }

    fn database(&mut self, place: Place, name: &str, table: &DeTable<'_>) -> RawDatabase {
        let prefix = &format!("{}.", place.key);
        self.unknown_keys(table, prefix, KEYS);
        RawDatabase {
            place,
            name: name.to_owned(),
            kind: self.text(table, prefix, "type"),
            path: self.text(table, prefix, "path"),
            durability: self.text(table, prefix, "durability"),
            host: self.text(table, prefix, "host"),
            port: self.integer(table, prefix, "port"),
            socket: self.text(table, prefix, "socket"),
            user: self.text(table, prefix, "user"),
            password: self.text(table, prefix, "password"),
            password_file: self.text(table, prefix, "password_file"),
            database: self.text(table, prefix, "database"),
            tls: self.tls(table, prefix),
            tls_ca: self.text(table, prefix, "tls_ca"),
            pool: self.integer(table, prefix, "pool"),
            schema: self.text(table, prefix, "schema"),
        }
    }

    fn tls(&mut self, table: &DeTable<'_>, prefix: &str) -> Field<String> {
        let expected = "\"off\", \"encrypt\" or \"verify\"";
        self.field(table, prefix, "tls", expected, |value| match value {
            DeValue::Boolean(true) => Some("verify".to_owned()),
            DeValue::Boolean(false) => Some("off".to_owned()),
            DeValue::String(word) => Some(word.clone().into_owned()),
            _ => None,
        })
    }
}
