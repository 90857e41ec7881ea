//! What a `[[server]]` believes: the key that our scripts sign with, the secret of the stock one.

use super::Legacy;
use super::checked::Checker;
use super::file::{self, Blanks};
use super::raw::{Field, Given, Place, RawServer};
use super::secret::Secret;
use super::servers::Placed;
use crate::limits::{ANSWER_FILE_BYTES_MAX, SECRET_BYTES_ADVISED};
use crate::protocol::stock::answer_file::frame_bytes;

/// The key and the stock secret of one server, with where they stand.
pub(super) struct Credentials {
    pub key: Option<(Place, Secret)>,
    pub legacy: Option<(Place, Legacy)>,
}

impl Checker<'_> {
    pub(super) fn credentials(&mut self, raw: &RawServer) -> Credentials {
        let none = [&raw.key, &raw.key_file, &raw.secret, &raw.secret_file]
            .iter()
            .all(|field| matches!(field, Field::Absent));
        if none && self.report_missing {
            let message = "has neither a key nor a legacy_secret, so no file in it could be \
                           believed; `vpid init` writes a key, and legacy_secret serves the \
                           stock vpi.nut";
            self.problem(&raw.place, message);
        }
        let key = self.key(raw);
        let legacy = self.legacy(raw);
        if let Some((place, _)) = &legacy {
            self.warn(place, legacy_warning(key.is_some()));
        }
        Credentials { key, legacy }
    }

    fn key(&mut self, raw: &RawServer) -> Option<(Place, Secret)> {
        let (place, text) = self.text_or_file(&raw.key, &raw.key_file, "key")?;
        match Secret::key(&text) {
            Ok(key) => Some((place, key)),
            Err(message) => {
                self.problem(&place, message);
                None
            }
        }
    }

    fn legacy(&mut self, raw: &RawServer) -> Option<(Place, Legacy)> {
        let identity_required = self.identity_required(&raw.identity);
        let none = matches!(
            (&raw.secret, &raw.secret_file),
            (Field::Absent, Field::Absent)
        );
        if let (true, Some(place)) = (none, raw.identity.place())
            && self.report_missing
        {
            let message = "is of no use without legacy_secret; add that, or take this out";
            self.problem(place, message);
        }
        // Blanks at its ends may be part of it.
        let (place, text) =
            self.password_or_file(&raw.secret, &raw.secret_file, "legacy_secret")?;
        let secret = match Secret::new(&text) {
            Ok(secret) => secret,
            Err(message) => {
                self.problem(&place, message);
                return None;
            }
        };
        if text.len() < SECRET_BYTES_ADVISED {
            let message = format!(
                "is only {} characters long; use {SECRET_BYTES_ADVISED} or more, here and in \
                 vpi.nut",
                text.len()
            );
            self.warn(&place, message);
        }
        let room = ANSWER_FILE_BYTES_MAX - frame_bytes(text.len());
        if room < ANSWER_FILE_BYTES_MAX / 2 {
            let message = format!(
                "is {} characters long, and every answer file carries it twice: only {room} bytes \
                 are left for answers, and larger ones become errors; a shorter secret leaves more",
                text.len()
            );
            self.warn(&place, message);
        }
        let legacy = Legacy {
            secret,
            identity_required,
        };
        Some((place, legacy))
    }

    fn identity_required(&mut self, field: &Field<String>) -> bool {
        let Field::Given(given) = field else {
            return true;
        };
        match given.value.as_str() {
            "required" => true,
            "optional" => {
                self.warn(
                    &given.place,
                    "\"optional\" believes every file in the folder; use it only for a fork of \
                     the client that sends no identity",
                );
                false
            }
            other => {
                let message = format!("{other:?} is none of \"required\", \"optional\"");
                self.problem(&given.place, message);
                true
            }
        }
    }

    /// A key or secret that stands in the configuration, or in a file of its own; none where
    /// there is neither, and where it has been reported.
    pub(super) fn text_or_file(
        &mut self,
        value: &Field<String>,
        file: &Field<String>,
        name: &str,
    ) -> Option<(Place, Vec<u8>)> {
        self.value_or_file(value, file, name, Blanks::NoPart)
    }

    /// The same for a password or a stock secret, which may begin or end with a blank.
    pub(super) fn password_or_file(
        &mut self,
        value: &Field<String>,
        file: &Field<String>,
        name: &str,
    ) -> Option<(Place, Vec<u8>)> {
        self.value_or_file(value, file, name, Blanks::MaybePart)
    }

    fn value_or_file(
        &mut self,
        value: &Field<String>,
        file: &Field<String>,
        name: &str,
        blanks: Blanks,
    ) -> Option<(Place, Vec<u8>)> {
        match (value, file) {
            (Field::Given(_), Field::Given(file)) => {
                let message = format!("stands beside {name}; keep one of the two");
                self.problem(&file.place, message);
                None
            }
            (Field::Given(given), _) => {
                Some((given.place.clone(), given.value.clone().into_bytes()))
            }
            (_, Field::Given(file)) => {
                let bytes = self.line_of_file(file, name, blanks)?;
                Some((file.place.clone(), bytes))
            }
            _ => None,
        }
    }

    /// The only line of a file with a secret, without blanks around it.
    pub(super) fn secret_file(&mut self, given: &Given<String>) -> Option<Vec<u8>> {
        self.line_of_file(given, "secret", Blanks::NoPart)
    }

    fn line_of_file(
        &mut self,
        given: &Given<String>,
        name: &str,
        blanks: Blanks,
    ) -> Option<Vec<u8>> {
        let path = self.path(given)?;
        self.files.push(path.clone());
        let line = match file::line(&path, name, blanks) {
            Ok(line) => line,
            Err(message) => {
                self.problem(&given.place, message);
                return None;
            }
        };
        self.warn_if_exposed(Some(path));
        Some(line.into_bytes())
    }

    /// A key that is a stock secret somewhere proves nothing: anyone can compute it.
    pub(super) fn keys_are_no_stock_secrets(&mut self, servers: &[Placed]) {
        for server in servers {
            let (Some(place), Some(key)) = (&server.key, &server.server.key) else {
                continue;
            };
            let same = |other: &&Placed| {
                let legacy = other.server.legacy.as_ref();
                legacy.is_some_and(|legacy| legacy.secret == *key)
            };
            let Some(twin) = servers
                .iter()
                .find(same)
                .and_then(|other| other.legacy.as_ref())
            else {
                continue;
            };
            let at = match twin.line {
                Some(line) => format!("the legacy_secret of line {line}"),
                None => twin.key.clone(),
            };
            let message = format!(
                "is the same as {at}: one file of the stock protocol gives that secret away, and \
                 with it this key; `vpid init` makes another key"
            );
            self.problem(place, message);
        }
    }
}

/// Said at every start, for as long as the stock protocol is on.
fn legacy_warning(beside_key: bool) -> &'static str {
    if beside_key {
        "serves scripts that do not sign, beside those that do: anyone who reads one file of the \
         stock vpi.nut can compute this secret, and then make any call in its name \
         (docs/security.md). `vpid init --vscripts DIR` brings scripts that sign; remove this \
         when every game has them"
    } else {
        "serves the stock vpi.nut. Anyone who reads one of its files can compute this secret \
         (docs/security.md); when you like, `vpid init --vscripts DIR` brings scripts that sign"
    }
}
