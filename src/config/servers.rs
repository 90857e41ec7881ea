//! The `[[server]]` entries: folders and hosts. What each of them believes is for `credentials`,
//! how else it is reached for `console`.

use std::path::{Path, PathBuf};

use super::checked::{Checker, IN_SCRIPTDATA, environment_place, from_environment};
use super::raw::{Field, Given, Place, RawServer};
use super::secret::{exposure_warning, readable_by_others};
use super::{Server, environment, host_of};
use crate::limits::{HOST_BYTES_MAX, SERVERS_MAX, SIGNED_HOST_BYTES_MAX};

/// Variables for the only server, with what they take the place of: each pair is one value.
const SECRETS: [[&str; 2]; 3] = [
    ["VPID_KEY", "VPID_KEY_FILE"],
    ["VPID_LEGACY_SECRET", "VPID_LEGACY_SECRET_FILE"],
    ["VPID_RCON_PASSWORD", "VPID_RCON_PASSWORD_FILE"],
];
const ADDRESSES: [&str; 2] = ["VPID_VYHUB_SERVER_ID", "VPID_RCON"];

/// A server whose values are good, with where they stand.
pub(super) struct Placed {
    pub place: Place,
    pub key: Option<Place>,
    pub legacy: Option<Place>,
    pub vscripts: Option<Place>,
    pub vyhub_id: Option<Place>,
    pub rcon: Option<Place>,
    pub log: Option<Place>,
    pub server: Server,
}

impl Checker<'_> {
    pub(super) fn servers(&mut self, field: Field<Vec<RawServer>>, for_vyhub: bool) -> Vec<Server> {
        let (mut raw, place) = match field {
            Field::Bad => return Vec::new(),
            Field::Given(given) => (given.value, given.place),
            Field::Absent => (Vec::new(), self.absent("server")),
        };
        if raw.iter().any(|server| {
            let texts = [&server.key, &server.secret, &server.rcon_password];
            texts.iter().any(|field| field.given().is_some()) || server.log_secret.given().is_some()
        }) {
            self.warn_if_exposed(self.source.file.map(Path::to_owned));
        }
        self.override_server(&mut raw);
        if raw.is_empty() && self.report_missing {
            self.problem(
                &place,
                "there is none; add a [[server]] with its scriptdata folder",
            );
        }
        if raw.len() > SERVERS_MAX {
            self.problem(
                &place,
                format!("there are {}; at most {SERVERS_MAX} fit", raw.len()),
            );
        }
        let mut servers: Vec<Placed> = Vec::new();
        for entry in raw {
            let Some(placed) = self.server(entry, for_vyhub) else {
                continue;
            };
            self.no_twin(&placed, &servers);
            servers.push(placed);
        }
        self.keys_are_no_stock_secrets(&servers);
        self.no_shared_connections(&servers);
        self.scripts_outside_scriptdata(&servers);
        self.chat_without_guard(&servers);
        servers.into_iter().map(|placed| placed.server).collect()
    }

    fn no_twin(&mut self, placed: &Placed, others: &[Placed]) {
        let server = &placed.server;
        let twin = others
            .iter()
            .find(|other| serves_the_same(&other.server, server));
        if let Some(first) = twin {
            let of = match &server.hostname {
                Some(host) => format!("for the host {host}"),
                None => "for every host".to_owned(),
            };
            let message = format!(
                "serves the same folder {of} as the one of line {}; give each its own hostname, \
                 or remove one",
                first.place.line.unwrap_or_default()
            );
            self.problem(&placed.place, message);
        }
    }

    /// Scripts that any script can overwrite would be everybody's.
    fn scripts_outside_scriptdata(&mut self, servers: &[Placed]) {
        for placed in servers {
            let (Some(place), Some(path)) = (&placed.vscripts, &placed.server.vscripts) else {
                continue;
            };
            if servers
                .iter()
                .any(|other| path.starts_with(&other.server.scriptdata))
            {
                self.problem(place, IN_SCRIPTDATA);
            }
        }
    }

    /// Lays the variables for the only server over it; they make one where the file has none.
    fn override_server(&mut self, servers: &mut Vec<RawServer>) {
        let mut found = Vec::new();
        found.extend(environment::scriptdata(self.environment));
        for name in SECRETS.into_iter().flatten().chain(ADDRESSES) {
            found.extend(environment::text(self.environment, name).map(|value| (name, value)));
        }
        if servers.len() > 1 {
            for (name, _) in &found {
                let message = "cannot say which of several [[server]] it is for; unset it and \
                               use the file";
                self.problem(&environment_place(name), message);
            }
            return;
        }
        if servers.is_empty() && !found.is_empty() {
            servers.push(RawServer::empty(environment_place("server")));
        }
        let Some(server) = servers.first_mut() else {
            return;
        };
        // One of a pair takes the place of both.
        let [key, secret, password] =
            SECRETS.map(|pair| found.iter().any(|(name, _)| pair.contains(name)));
        if key {
            (server.key, server.key_file) = (Field::Absent, Field::Absent);
        }
        if secret {
            (server.secret, server.secret_file) = (Field::Absent, Field::Absent);
        }
        if password {
            (server.rcon_password, server.rcon_password_file) = (Field::Absent, Field::Absent);
        }
        for (name, value) in found {
            let field = from_environment(name, value);
            match name {
                "VPID_KEY" => server.key = field,
                "VPID_KEY_FILE" => server.key_file = field,
                "VPID_LEGACY_SECRET" => server.secret = field,
                "VPID_LEGACY_SECRET_FILE" => server.secret_file = field,
                "VPID_RCON_PASSWORD" => server.rcon_password = field,
                "VPID_RCON_PASSWORD_FILE" => server.rcon_password_file = field,
                "VPID_VYHUB_SERVER_ID" => server.vyhub_id = field,
                "VPID_RCON" => server.rcon = field,
                _ => server.scriptdata = field,
            }
        }
    }

    /// None when it cannot be compared with others; that has been reported then.
    fn server(&mut self, raw: RawServer, for_vyhub: bool) -> Option<Placed> {
        let credentials = self.credentials(&raw);
        let connections = self.connections(&raw, for_vyhub);
        let hostname = match &raw.hostname {
            Field::Given(given) => self.hostname(given, credentials.key.is_some()),
            _ => None,
        };
        let vscripts = match &raw.vscripts {
            Field::Given(given) => self.path(given).map(|path| (given.place.clone(), path)),
            _ => None,
        };
        let scriptdata = match raw.scriptdata {
            Field::Given(given) => self.path(&given)?,
            Field::Bad => return None,
            Field::Absent => {
                if self.report_missing {
                    let message = "has no scriptdata; name the folder the game writes into, \
                                   .../tf/scriptdata";
                    self.problem(&raw.place, message);
                }
                return None;
            }
        };
        let (key_place, key) = credentials.key.unzip();
        let (legacy_place, legacy) = credentials.legacy.unzip();
        let (vscripts_place, vscripts) = vscripts.unzip();
        let (vyhub_place, vyhub_id) = connections.vyhub_id.unzip();
        let (rcon_place, rcon) = connections.rcon.unzip();
        let (log_place, log) = connections.log.unzip();
        let chat = connections.chat;
        Some(Placed {
            place: raw.place,
            key: key_place,
            legacy: legacy_place,
            vscripts: vscripts_place,
            vyhub_id: vyhub_place,
            rcon: rcon_place,
            log: log_place,
            server: Server {
                scriptdata,
                hostname,
                key,
                legacy,
                vscripts,
                vyhub_id,
                rcon,
                log,
                chat,
            },
        })
    }

    fn hostname(&mut self, given: &Given<String>, signed: bool) -> Option<String> {
        let host = host_of(&given.value);
        if host.is_empty() {
            let message = "has no letter or digit that the game puts into its file names; \
                           copy what stands before _vpi_ in them";
            self.problem(&given.place, message);
        } else if host.len() > HOST_BYTES_MAX {
            let message = format!("is longer than the {HOST_BYTES_MAX} that fit a file name");
            self.problem(&given.place, message);
        } else if signed && host.len() > SIGNED_HOST_BYTES_MAX {
            let message = format!(
                "is longer than the {SIGNED_HOST_BYTES_MAX} at which vpid's scripts cut it; write \
                 {:?} for them, or take hostname out",
                &host[..SIGNED_HOST_BYTES_MAX]
            );
            self.problem(&given.place, message);
        }
        Some(host)
    }

    pub(super) fn warn_if_exposed(&mut self, file: Option<PathBuf>) {
        let new = file.filter(|path| readable_by_others(path) && !self.exposed.contains(path));
        if let Some(path) = new {
            self.warnings.push(exposure_warning(&path));
            self.exposed.push(path);
        }
    }
}

/// Folders are compared by where they lead: one may be written in two ways, or through a link.
fn serves_the_same(left: &Server, right: &Server) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    left.hostname == right.hostname && real(&left.scriptdata) == real(&right.scriptdata)
}
