//! `[vyhub]`: where its API is, the key, and how players are spoken to.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::address::{self, api_url};
use super::checked::{Checker, IN_SCRIPTDATA, environment_place, in_scriptdata};
use super::raw::{Field, Given, Place, RawVyhub};
use super::secret::Password;
use super::{Server, Vyhub, environment};
use crate::limits::{
    ADVERT_INTERVAL_S_MAX, ADVERT_PREFIX_CHARS_MAX, API_KEY_BYTES_MAX, PREFIX_CHARS_MAX,
    PREFIXES_MAX,
};

/// What config.example.toml has where the key belongs.
const PLACEHOLDER_API_KEY: &str = "PUT-THE-KEY-OF-VYHUB-HERE";

const ADVERT_INTERVAL_S: u64 = 180;
const ADVERT_PREFIX: &str = "[\u{2605}] ";

const PREFIXES: [&str; 2] = ["!", "/"];

impl Checker<'_> {
    /// Lays the variables over the table; they make one where the file has none.
    pub(super) fn override_vyhub(&mut self, field: Field<RawVyhub>) -> Field<RawVyhub> {
        let said = |name: &&str| environment::text(self.environment, name).is_some();
        let names = [
            "VPID_VYHUB_API_URL",
            "VPID_VYHUB_API_KEY",
            "VPID_VYHUB_API_KEY_FILE",
        ];
        let mut given = match field {
            Field::Given(given) => given,
            Field::Absent if names.iter().any(said) => {
                let place = environment_place("vyhub");
                let value = RawVyhub::empty(place.clone());
                Given { value, place }
            }
            other => return other,
        };
        let raw = &mut given.value;
        raw.api_url = self.overridden(std::mem::take(&mut raw.api_url), &["VPID_VYHUB_API_URL"]);
        raw.language = self.overridden(std::mem::take(&mut raw.language), &["VPID_VYHUB_LANGUAGE"]);
        // One of the two takes the place of both.
        let key = self.overridden(Field::Absent, &["VPID_VYHUB_API_KEY"]);
        let file = self.overridden(Field::Absent, &["VPID_VYHUB_API_KEY_FILE"]);
        if key.given().is_some() || file.given().is_some() {
            (raw.api_key, raw.api_key_file) = (key, file);
        }
        Field::Given(given)
    }

    /// None where there is no table; the problems of one are reported.
    pub(super) fn vyhub(&mut self, field: Field<RawVyhub>, servers: &[Server]) -> Option<Vyhub> {
        let Field::Given(given) = field else {
            return None;
        };
        let raw = given.value;
        if servers.iter().all(|server| server.vyhub_id.is_none()) && self.report_missing {
            let message = "serves nobody: no [[server]] has a vyhub_server_id";
            self.warn(&raw.place, message);
        }
        let api_url = self.api_url(&raw);
        let api_key = self.api_key(&raw);
        let ca_file = raw.ca_file.given().and_then(|given| {
            let path = self.path(given)?;
            self.files.push(path.clone());
            self.outside_scriptdata(&given.place, path, servers)
        });
        let proxy = self.proxy(&raw, api_url.as_deref());
        let messages = self.messages(&raw, servers);
        let time_zone = self.time_zone(&raw.time_zone);
        let prefixes = self.prefixes(&raw.prefixes);
        let range = 0..=ADVERT_INTERVAL_S_MAX;
        let advert_interval_s = self.number(&raw.advert_interval_s, range, " seconds");
        let advert_prefix = self.advert_prefix(&raw.advert_prefix);
        Some(Vyhub {
            api_url: api_url.unwrap_or_default(),
            api_key: api_key.unwrap_or(Password(String::new())),
            ca_file,
            proxy,
            messages,
            time_zone,
            prefixes,
            advert_interval_s: advert_interval_s.unwrap_or(ADVERT_INTERVAL_S),
            advert_prefix,
        })
    }

    pub(super) fn outside_scriptdata(
        &mut self,
        place: &Place,
        path: PathBuf,
        servers: &[Server],
    ) -> Option<PathBuf> {
        if in_scriptdata(&path, servers) {
            self.problem(place, IN_SCRIPTDATA);
            return None;
        }
        Some(path)
    }

    fn api_url(&mut self, raw: &RawVyhub) -> Option<String> {
        let Some(given) = raw.api_url.given() else {
            if matches!(raw.api_url, Field::Absent) && self.report_missing {
                let message = "has no api_url; set it to the address of the API, \
                               https://api.vyhub.app/NAME/v1, here or in VPID_VYHUB_API_URL";
                self.problem(&raw.place, message);
            }
            return None;
        };
        match api_url(given.value.trim()) {
            Ok(address) => Some(address),
            Err(message) => {
                self.problem(&given.place, message);
                None
            }
        }
    }

    /// The proxy, which carries only what is encrypted and bound for another machine.
    fn proxy(&mut self, raw: &RawVyhub, api_url: Option<&str>) -> Option<Password> {
        let given = raw.proxy.given()?;
        let proxy = match address::proxy(given.value.trim()) {
            Ok(proxy) => proxy,
            Err(message) => {
                self.problem(&given.place, message);
                return None;
            }
        };
        if api_url.is_some_and(|url| !address::may_use_proxy(url)) {
            let message = "cannot be used: api_url leads to this machine or is not encrypted, and \
                           the key would travel to the proxy readable; take it out";
            self.problem(&given.place, message);
            return None;
        }
        if proxy.contains('@') {
            self.warn_if_exposed(self.source.file.map(ToOwned::to_owned));
        }
        Some(Password(proxy))
    }

    fn api_key(&mut self, raw: &RawVyhub) -> Option<Password> {
        let none = [&raw.api_key, &raw.api_key_file].map(|field| matches!(field, Field::Absent));
        if none == [true, true] && self.report_missing {
            let message = "has no key; put that of the server in VyHub into a file (mode 600), and \
                           name it with api_key_file, or set VPID_VYHUB_API_KEY";
            self.problem(&raw.place, message);
        }
        let (place, bytes) = self.text_or_file(&raw.api_key, &raw.api_key_file, "api_key")?;
        if place.source == self.source.name && raw.api_key.given().is_some() {
            self.warn_if_exposed(self.source.file.map(ToOwned::to_owned));
        }
        let placeholder = bytes == PLACEHOLDER_API_KEY.as_bytes()
            || bytes.first() == Some(&b'<')
            || bytes.iter().all(|byte| *byte == b'.') && !bytes.is_empty();
        let message = if bytes.is_empty() {
            "is empty; copy the key from VyHub".to_owned()
        } else if placeholder {
            "is still a placeholder; copy the key from VyHub".to_owned()
        } else if bytes.len() > API_KEY_BYTES_MAX {
            format!("is longer than {API_KEY_BYTES_MAX} characters, which no key of VyHub is")
        } else if let Some(at) = bytes.iter().position(|byte| !byte.is_ascii_graphic()) {
            let before = String::from_utf8_lossy(&bytes[..at]).chars().count();
            format!(
                "character {} is none that a key of VyHub has; copy it anew",
                before + 1
            )
        } else {
            return String::from_utf8(bytes).ok().map(Password);
        };
        self.problem(&place, message);
        None
    }

    fn advert_prefix(&mut self, field: &Field<String>) -> String {
        let Some(given) = field.given() else {
            return ADVERT_PREFIX.to_owned();
        };
        let text = &given.value;
        if text.chars().count() > ADVERT_PREFIX_CHARS_MAX || text.contains(char::is_control) {
            let message = format!(
                "must be at most {ADVERT_PREFIX_CHARS_MAX} characters, none of them a control \
                 character"
            );
            self.problem(&given.place, message);
        }
        text.clone()
    }

    fn time_zone(&mut self, field: &Field<String>) -> TimeZone {
        let Some(given) = field.given() else {
            return TimeZone::system();
        };
        let name = given.value.as_str();
        TimeZone::get(name).unwrap_or_else(|_| {
            let message = format!(
                "{name:?} is no time zone that this system knows; write one such as \
                 \"Europe/Berlin\" or \"UTC\" (they come with the system's package tzdata)"
            );
            self.problem(&given.place, message);
            TimeZone::UTC
        })
    }

    pub(super) fn prefixes(&mut self, field: &Field<Vec<Given<String>>>) -> Vec<String> {
        let Some(given) = field.given() else {
            return PREFIXES.map(str::to_owned).to_vec();
        };
        if given.value.is_empty() || given.value.len() > PREFIXES_MAX {
            let message = format!(
                "has {} entries; 1 to {PREFIXES_MAX} can be there, such as [\"!\"]",
                given.value.len()
            );
            self.problem(&given.place, message);
        }
        let mut prefixes: Vec<String> = Vec::new();
        for prefix in &given.value {
            let text = &prefix.value;
            let strange = |sign: char| sign.is_whitespace() || sign.is_control() || sign == '"';
            let fits = (1..=PREFIX_CHARS_MAX).contains(&text.chars().count());
            if !fits || text.contains(strange) {
                let message = format!(
                    "{text:?} cannot begin a command; use 1 to {PREFIX_CHARS_MAX} signs without \
                     spaces, such as \"!\""
                );
                self.problem(&prefix.place, message);
            } else if !prefixes.contains(text) {
                prefixes.push(text.clone());
            }
        }
        prefixes
    }
}
