//! `[status_page]`: a page about this vpid, and `metrics_file`: the same for programs.

use std::path::PathBuf;

use toml::de::DeTable;

use super::key::{Declared, Key, Kind, Usual, key, text};
use super::reader::{Location, Reader, Table};
use super::taken::Taken;
use crate::limits::{STATUS_PAGE_MS_DEFAULT, STATUS_PAGE_MS_MAX, STATUS_PAGE_MS_MIN};

pub static TABLE: Declared = Declared {
    head: "[status_page]",
    keys: &[KEYS],
    also: &[],
    doc: "A page about this vpid and its servers, one file without anything from elsewhere, for a web server or a \
          browser. It is written while something changes.",
    example: "# [status_page]",
};

const KEYS: &[Key] = &[
    text(
        "file",
        "The page. Its folder must exist, and vpid's user must be able to write there. Not inside scriptdata. A file that \
         vpid has not written is not replaced.",
    )
    .default(Usual::Required("required in the table"))
    .example("\"/var/www/html/vpid/index.html\"")
    .variables(&["VPID_STATUS_PAGE_FILE"]),
    key(
        "public",
        Kind::Truth,
        "Only what visitors may see: servers, maps, how many play, and plots of the last hours. Without names of players, \
         paths, errors, the queue and Python scripts.",
    )
    .default(Usual::Words("`false`"))
    .example("true")
    .variables(&["VPID_STATUS_PAGE_PUBLIC"]),
    key(
        "interval_s",
        Kind::Seconds(STATUS_PAGE_MS_MIN as i64, STATUS_PAGE_MS_MAX as i64),
        "How often it is written at most.",
    )
    .default(Usual::Number(STATUS_PAGE_MS_DEFAULT as i64 / 1_000))
    .variables(&["VPID_STATUS_PAGE_INTERVAL_S"]),
];

/// `[status_page]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPage {
    pub file: PathBuf,
    pub public: bool,
    pub interval_ms: u64,
}

impl Reader<'_> {
    /// `taken`: files that it cannot be.
    pub(super) fn status_page(
        &mut self,
        document: &DeTable<'_>,
        taken: &mut Taken,
    ) -> Option<StatusPage> {
        let mut table = match self.table_in(document, "status_page", "a [status_page] table") {
            Some((place, table)) => self.table(&TABLE, place, table),
            None if document.contains_key("status_page") => return None,
            None if self.variables_of(KEYS).is_empty() => return None,
            None => Table::empty(&TABLE, Location::of_variable("status_page")),
        };
        self.overlay(&mut table, KEYS);
        if table.is_absent("file") {
            let message = "names no file; name the page in file, or take the table out";
            self.missing(&table.place, message);
            return None;
        }
        let file = self.outside_path(&table, "file")?;
        if let Some(place) = table.place("file") {
            self.claim(place, &file, taken);
        }
        Some(StatusPage {
            file,
            public: table.truth("public").unwrap_or(false),
            interval_ms: table
                .integer("interval_s")
                .unwrap_or(STATUS_PAGE_MS_DEFAULT),
        })
    }
}
