//! `[geoip]`: databases that say where addresses are.

use std::path::PathBuf;

use toml::de::DeTable;

use super::key::{Declared, InForce, Key, Usual, text};
use super::reader::{Location, Reader, Table};

pub static TABLE: Declared = Declared {
    head: "[geoip]",
    keys: &[KEYS],
    also: &[],
    doc: "Databases in MaxMind's format (.mmdb) that say where players come from, for Python scripts: `game.country` \
          and `game.geoip`. A file that is replaced is opened again.",
    example: "# [geoip]",
};

const KEYS: &[Key] = &[
    text(
        "city",
        "A database of cities, such as GeoLite2-City.mmdb, which contains the countries as well.",
    )
    .variables(&["VPID_GEOIP_CITY"])
    .default(Usual::Words("none"))
    .example("\"GeoLite2-City.mmdb\"")
    .in_force(InForce::WithNextStart),
    text(
        "country",
        "A database of countries, such as GeoLite2-Country.mmdb: smaller, and not needed beside city.",
    )
    .variables(&["VPID_GEOIP_COUNTRY"])
    .default(Usual::Words("none"))
    .example("\"GeoLite2-Country.mmdb\"")
    .in_force(InForce::WithNextStart),
    text(
        "asn",
        "A database of networks and their numbers, such as GeoLite2-ASN.mmdb.",
    )
    .variables(&["VPID_GEOIP_ASN"])
    .default(Usual::Words("none"))
    .example("\"GeoLite2-ASN.mmdb\"")
    .in_force(InForce::WithNextStart),
];

/// `[geoip]`; it names one file at least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Geoip {
    pub city: Option<PathBuf>,
    pub country: Option<PathBuf>,
    pub asn: Option<PathBuf>,
}

impl Geoip {
    /// The files, each with its key.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let files = [
            ("city", &self.city),
            ("country", &self.country),
            ("asn", &self.asn),
        ];
        files
            .into_iter()
            .filter_map(|(key, path)| Some((key, path.as_ref()?)))
    }
}

impl Reader<'_> {
    pub(super) fn geoip(&mut self, document: &DeTable<'_>, has_scripts: bool) -> Option<Geoip> {
        let mut table = match self.table_in(document, "geoip", "a [geoip] table") {
            Some((place, table)) => self.table(&TABLE, place, table),
            None if document.contains_key("geoip") => return None,
            None if self.variables_of(KEYS).is_empty() => return None,
            None => Table::empty(&TABLE, Location::of_variable("geoip")),
        };
        self.overlay(&mut table, KEYS);
        let mut path = |key| self.outside_path(&table, key);
        let geoip = Geoip {
            city: path("city"),
            country: path("country"),
            asn: path("asn"),
        };
        if ["city", "country", "asn"]
            .iter()
            .all(|key| table.is_absent(key))
        {
            let message =
                "names no database; name one in city, country or asn, or take the table out";
            self.missing(&table.place, message);
            return None;
        }
        if !has_scripts {
            let message = "has no effect without [scripts]: only Python scripts use it";
            self.warn(&table.place, message);
        }
        Some(geoip)
    }
}
