//! The `[vyhub]` table.

use toml::de::{DeTable, DeValue};

use super::{Field, Given, Place, Reader, wrong_type};

pub(super) const KEYS: &[&str] = &[
    "api_url",
    "api_key",
    "api_key_file",
    "language",
    "messages",
    "time_zone",
    "command_prefixes",
    "advert_interval_s",
    "advert_prefix",
    "ca_file",
    "proxy",
];

#[derive(Debug)]
pub(in crate::config) struct RawVyhub {
    pub place: Place,
    pub api_url: Field<String>,
    pub api_key: Field<String>,
    pub api_key_file: Field<String>,
    pub language: Field<String>,
    pub messages: Field<String>,
    pub time_zone: Field<String>,
    pub prefixes: Field<Vec<Given<String>>>,
    pub advert_interval_s: Field<i64>,
    pub advert_prefix: Field<String>,
    pub ca_file: Field<String>,
    pub proxy: Field<String>,
}

impl RawVyhub {
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            api_url: Field::Absent,
            api_key: Field::Absent,
            api_key_file: Field::Absent,
            language: Field::Absent,
            messages: Field::Absent,
            time_zone: Field::Absent,
            prefixes: Field::Absent,
            advert_interval_s: Field::Absent,
            advert_prefix: Field::Absent,
            ca_file: Field::Absent,
            proxy: Field::Absent,
        }
    }
}

impl Reader<'_> {
    pub(super) fn vyhub(&mut self, table: &DeTable<'_>) -> Field<RawVyhub> {
        let Some((name, value)) = table.get_key_value("vyhub") else {
            return Field::Absent;
        };
        let place = self.place(&name.span(), "vyhub");
        let DeValue::Table(table) = value.get_ref() else {
            let message = wrong_type("a [vyhub] table", value.get_ref());
            self.problems.push(place.problem(message));
            return Field::Bad;
        };
        let prefix = "vyhub.";
        self.unknown_keys(table, prefix, KEYS);
        let value = RawVyhub {
            place: place.clone(),
            api_url: self.text(table, prefix, "api_url"),
            api_key: self.text(table, prefix, "api_key"),
            api_key_file: self.text(table, prefix, "api_key_file"),
            language: self.text(table, prefix, "language"),
            messages: self.text(table, prefix, "messages"),
            time_zone: self.text(table, prefix, "time_zone"),
            prefixes: self.texts(table, prefix, "command_prefixes", "!"),
            advert_interval_s: self.integer(table, prefix, "advert_interval_s"),
            advert_prefix: self.text(table, prefix, "advert_prefix"),
            ca_file: self.text(table, prefix, "ca_file"),
            proxy: self.text(table, prefix, "proxy"),
        };
        Field::Given(Given { value, place })
    }
}
