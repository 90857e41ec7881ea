//! The tables of vpid.toml with the declarations of their keys.

use super::key::{Declared, InForce};
use super::{database, permissions, query, scripts, server, top, vyhub};

/// All tables, in the order of config.example.toml. The top of the file comes first.
pub static TABLES: [&Declared; 9] = [
    &top::TABLE,
    &server::TABLE,
    &database::TABLE,
    &query::TABLE,
    &query::PARAM_TABLE,
    &permissions::TABLE,
    &vyhub::TABLE,
    &scripts::TABLE,
    &scripts::EACH_TABLE,
];

/// When a changed value of a key is in force. The top of the file has no head.
pub fn in_force(head: &str, name: &str) -> Option<InForce> {
    Some(table(head)?.key(name)?.in_force)
}

/// The names of all keys of a table.
pub fn keys_of(head: &str) -> Vec<&'static str> {
    table(head).map(Declared::names).unwrap_or_default()
}

fn table(head: &str) -> Option<&'static Declared> {
    match head {
        "" => Some(TABLES[0]),
        head => TABLES.into_iter().find(|table| table.head == head),
    }
}
