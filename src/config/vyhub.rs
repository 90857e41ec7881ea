//! `[vyhub]`: where its API is, and the key.

use std::path::PathBuf;

use toml::de::DeTable;

use super::about_players::ABOUT_PLAYERS;
use super::address;
use super::file::Blanks;
use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::reader::{Location, Reader, Table};
use super::secret::Password;
use crate::limits::API_KEY_BYTES_MAX;

pub static TABLE: Declared = Declared {
    head: "[vyhub]",
    keys: &[KEYS],
    also: ABOUT_PLAYERS,
    doc: "VyHub, for servers with a vyhub_server_id; docs/vyhub.md is its manual.",
    example: "# [vyhub]",
};

const KEYS: &[Key] = &[
    text(
        "api_url",
        "The address of the API. `http` only to this machine.",
    )
    .default(Usual::Required("required"))
    .example("\"https://api.vyhub.app/<name>/v1\"")
    .variables(&["VPID_VYHUB_API_URL"])
    .in_force(InForce::WithNextStart),
    text(
        "api_key_file",
        "A file (mode 600) with the key of the server in VyHub in its only line: 1 to 512 printable ASCII \
         characters without spaces.",
    )
    .default(Usual::Required("this or `api_key` is required"))
    .example("\"vyhub.key\"")
    .variables(&["VPID_VYHUB_API_KEY_FILE"])
    .replaces(&["api_key"]),
    text("api_key", "The key itself, instead of `api_key_file`.")
        .example("'PUT-THE-KEY-OF-VYHUB-HERE'")
        .variables(&["VPID_VYHUB_API_KEY"])
        .replaces(&["api_key_file"])
        .in_force(InForce::WithNextStart),
    key(
        "login",
        Kind::Truth,
        "Whether players can log a browser in to VyHub with [`!login`](vyhub.md#login) in chat.",
    ).variables(&["VPID_VYHUB_LOGIN"])
    .default(Usual::Words("`false`"))
    .example("true")
    .in_force(InForce::WithNextStart),
    text(
        "ca_file",
        "A file with certificates (PEM) to trust instead of the well-known ones, for a VyHub of your own. \
         Not inside scriptdata.",
    ).variables(&["VPID_VYHUB_CA_FILE"])
    .default(Usual::Words("what browsers trust"))
    .example("\"vyhub-ca.pem\"")
    .in_force(InForce::WithNextStart),
    text(
        "proxy",
        "An HTTP proxy that connects vpid with VyHub (`CONNECT`), `http://HOST:PORT` or \
         `http://USER:PASSWORD@HOST:PORT`; characters in them that addresses give a meaning are written as `%XX`. \
         Only for an `https` address that is not this machine's: the proxy sees where vpid connects to, and \
         nothing of what it sends. Proxies that the environment names (`HTTPS_PROXY` and its like) are not used; \
         vpid and `vpid check` say so.",
    ).variables(&["VPID_VYHUB_PROXY"])
    .default(Usual::Words("none"))
    .example("\"http://proxy.example:3128\"")
    .in_force(InForce::WithNextStart),
];

/// What config.example.toml has where the key belongs.
const PLACEHOLDER_API_KEY: &str = "PUT-THE-KEY-OF-VYHUB-HERE";

/// `[vyhub]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vyhub {
    /// `https://api.vyhub.app/<name>/v1`, without a slash at its end.
    pub api_url: String,
    pub api_key: Password,
    /// Certificates to trust instead of the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// `http://[user:password@]host:port`: the HTTP proxy through which the API is reached, by
    /// CONNECT. Only where [`Vyhub::api_url`] is encrypted and leads to another machine. `None`: it
    /// is reached directly, whatever the environment says.
    pub proxy: Option<Password>,
    /// Whether players can confirm logins of browsers in chat.
    pub login: bool,
}

impl Vyhub {
    /// Whether the API is on another machine and spoken to over TLS.
    pub fn is_elsewhere(&self) -> bool {
        super::address::may_use_proxy(&self.api_url)
    }
}

impl Reader<'_> {
    /// The table, or what the variables make of one that is not there.
    pub(super) fn vyhub_table(&mut self, document: &DeTable<'_>) -> Option<Table> {
        let is_there = document.contains_key("vyhub");
        let mut table = match self.table_in(document, "vyhub", "a [vyhub] table") {
            Some((place, table)) => self.table(&TABLE, place, table),
            None if is_there => return None,
            // A language alone does not turn VyHub on.
            None => {
                self.variable(&[
                    "VPID_VYHUB_API_URL",
                    "VPID_VYHUB_API_KEY",
                    "VPID_VYHUB_API_KEY_FILE",
                ])?;
                Table::empty(&TABLE, Location::of_variable("vyhub"))
            }
        };
        self.overlay(&mut table, KEYS);
        Some(table)
    }

    pub(super) fn vyhub(&mut self, table: &Table) -> Vyhub {
        let api_url = self.api_url(table);
        let api_key = self.api_key(table);
        let ca_file = self.outside_path(table, "ca_file");
        self.files.extend(ca_file.clone());
        Vyhub {
            proxy: self.proxy(table, api_url.as_deref()),
            api_url: api_url.unwrap_or_default(),
            api_key: api_key.unwrap_or(Password(String::new())),
            ca_file,
            login: table.truth("login").unwrap_or(false),
        }
    }

    fn api_url(&mut self, table: &Table) -> Option<String> {
        if table.is_absent("api_url") {
            let message = "has no api_url; set it to the address of the API, \
                           https://api.vyhub.app/NAME/v1, here or in VPID_VYHUB_API_URL";
            self.missing(&table.place, message);
        }
        let (place, text) = table.text("api_url")?;
        let address = address::api_url(text.trim());
        let wrong = |wrong: address::Unusable| self.problem(place, wrong.to_string());
        address.map_err(wrong).ok()
    }

    /// The proxy, which carries only what is encrypted and bound for another machine.
    fn proxy(&mut self, table: &Table, api_url: Option<&str>) -> Option<Password> {
        let (place, text) = table.text("proxy")?;
        let proxy = address::proxy(text.trim());
        let wrong = |wrong: address::Unusable| self.problem(place, wrong.to_string());
        let proxy = proxy.map_err(wrong).ok()?;
        if api_url.is_some_and(|url| !address::may_use_proxy(url)) {
            let message = "cannot be used: api_url leads to this machine or is not encrypted, and \
                           the key would travel to the proxy readable; take it out";
            self.problem(place, message);
            return None;
        }
        if proxy.contains('@') {
            self.warn_if_exposed(self.written.file.as_deref());
        }
        Some(Password(proxy))
    }

    fn api_key(&mut self, table: &Table) -> Option<Password> {
        if table.is_absent("api_key") && table.is_absent("api_key_file") {
            let message = "has no key; put that of the server in VyHub into a file (mode 600), and \
                           name it with api_key_file, or set VPID_VYHUB_API_KEY";
            self.missing(&table.place, message);
        }
        let given = self.secret(table, "api_key", Blanks::NoPart)?;
        let bytes = given.value;
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
                "character {} is none that a key of VyHub has; copy it again",
                before + 1
            )
        } else {
            return String::from_utf8(bytes).ok().map(Password);
        };
        self.problem(&given.place, message);
        None
    }
}
