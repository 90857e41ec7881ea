//! The `[[server]]` tables.

use toml::de::{DeTable, DeValue};

use super::{Field, Given, Place, Reader, wrong_type};

pub(super) const KEYS: &[&str] = &[
    "scriptdata",
    "hostname",
    "key",
    "key_file",
    "vscripts",
    "legacy_secret",
    "legacy_secret_file",
    "legacy_identity",
    "vyhub_server_id",
    "rcon",
    "rcon_password",
    "rcon_password_file",
    "log_listen",
    "log_secret",
    "log_secret_file",
    "chat_commands",
];

#[derive(Debug)]
pub(in crate::config) struct RawServer {
    pub place: Place,
    pub scriptdata: Field<String>,
    pub hostname: Field<String>,
    pub key: Field<String>,
    pub key_file: Field<String>,
    pub vscripts: Field<String>,
    pub secret: Field<String>,
    pub secret_file: Field<String>,
    pub identity: Field<String>,
    pub vyhub_id: Field<String>,
    pub rcon: Field<String>,
    pub rcon_password: Field<String>,
    pub rcon_password_file: Field<String>,
    pub log_listen: Field<String>,
    pub log_secret: Field<String>,
    pub log_secret_file: Field<String>,
    pub chat_commands: Field<String>,
}

impl RawServer {
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            scriptdata: Field::Absent,
            hostname: Field::Absent,
            key: Field::Absent,
            key_file: Field::Absent,
            vscripts: Field::Absent,
            secret: Field::Absent,
            secret_file: Field::Absent,
            identity: Field::Absent,
            vyhub_id: Field::Absent,
            rcon: Field::Absent,
            rcon_password: Field::Absent,
            rcon_password_file: Field::Absent,
            log_listen: Field::Absent,
            log_secret: Field::Absent,
            log_secret_file: Field::Absent,
            chat_commands: Field::Absent,
        }
    }
}

impl Reader<'_> {
    pub(super) fn servers(&mut self, table: &DeTable<'_>) -> Field<Vec<RawServer>> {
        let Some((name, value)) = table.get_key_value("server") else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), "server");
        let mut servers = Vec::new();
        match value.get_ref() {
            DeValue::Array(entries) => {
                for entry in entries {
                    let place = self.place(&entry.span(), "server");
                    match entry.get_ref() {
                        DeValue::Table(table) => servers.push(self.server(place, table)),
                        other => {
                            let message = wrong_type("a [[server]] table", other);
                            self.problems.push(place.problem(message));
                        }
                    }
                }
            }
            DeValue::Table(table) => {
                self.problems.push(
                    place.problem("is a list of tables: write [[server]], with two brackets"),
                );
                servers.push(self.server(place.clone(), table));
            }
            other => {
                self.problems
                    .push(place.problem(wrong_type("a [[server]] table", other)));
                return Field::Bad;
            }
        }
        Field::Given(Given {
            value: servers,
            place,
        })
    }

    fn server(&mut self, place: Place, table: &DeTable<'_>) -> RawServer {
        self.unknown_keys(table, "server.", KEYS);
        RawServer {
            place,
            scriptdata: self.text(table, "server.", "scriptdata"),
            hostname: self.text(table, "server.", "hostname"),
            key: self.text(table, "server.", "key"),
            key_file: self.text(table, "server.", "key_file"),
            vscripts: self.text(table, "server.", "vscripts"),
            secret: self.text(table, "server.", "legacy_secret"),
            secret_file: self.text(table, "server.", "legacy_secret_file"),
            identity: self.text(table, "server.", "legacy_identity"),
            vyhub_id: self.text(table, "server.", "vyhub_server_id"),
            rcon: self.text(table, "server.", "rcon"),
            rcon_password: self.text(table, "server.", "rcon_password"),
            rcon_password_file: self.text(table, "server.", "rcon_password_file"),
            log_listen: self.text(table, "server.", "log_listen"),
            log_secret: self.digits(table, "server.", "log_secret"),
            log_secret_file: self.text(table, "server.", "log_secret_file"),
            chat_commands: self.text(table, "server.", "chat_commands"),
        }
    }
}
