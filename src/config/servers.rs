//! The `[[server]]` entries: folders, hosts, and the secret each of them believes.

use std::path::{Path, PathBuf};

use super::checked::{Checker, environment_place, from_environment};
use super::raw::{Field, Given, Place, RawServer};
use super::secret::{self, Secret, exposure_warning, readable_by_others};
use super::{Legacy, Server, environment, host_of};
use crate::limits::{HOST_BYTES_MAX, SECRET_BYTES_ADVISED, SERVERS_MAX};

impl Checker<'_> {
    pub(super) fn servers(&mut self, field: Field<Vec<RawServer>>) -> Vec<Server> {
        let (mut raw, place) = match field {
            Field::Bad => return Vec::new(),
            Field::Given(given) => (given.value, given.place),
            Field::Absent => (Vec::new(), self.absent("server")),
        };
        if raw
            .iter()
            .any(|server| matches!(server.secret, Field::Given(_)))
        {
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
        let mut servers: Vec<(Place, Server)> = Vec::new();
        for entry in raw {
            let place = entry.place.clone();
            let Some(server) = self.server(entry) else {
                continue;
            };
            let twin = servers
                .iter()
                .find(|(_, other)| serves_the_same(other, &server));
            if let Some((first, _)) = twin {
                let of = match &server.hostname {
                    Some(host) => format!("for the host {host}"),
                    None => "for every host".to_owned(),
                };
                let message = format!(
                    "serves the same folder {of} as the one of line {}; give each its own \
                     hostname, or remove one",
                    first.line.unwrap_or_default()
                );
                self.problem(&place, message);
            }
            servers.push((place, server));
        }
        servers.into_iter().map(|(_, server)| server).collect()
    }

    /// Lays the variables for the only server over it; they make one where the file has none.
    fn override_server(&mut self, servers: &mut Vec<RawServer>) {
        let mut found = Vec::new();
        found.extend(environment::scriptdata(self.environment));
        for name in ["VPID_LEGACY_SECRET", "VPID_LEGACY_SECRET_FILE"] {
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
        if found
            .iter()
            .any(|(name, _)| name.starts_with("VPID_LEGACY_SECRET"))
        {
            (server.secret, server.secret_file) = (Field::Absent, Field::Absent);
        }
        for (name, value) in found {
            let field = from_environment(name, value);
            match name {
                "VPID_LEGACY_SECRET" => server.secret = field,
                "VPID_LEGACY_SECRET_FILE" => server.secret_file = field,
                _ => server.scriptdata = field,
            }
        }
    }

    /// None when it cannot be compared with others; that has been reported then.
    fn server(&mut self, raw: RawServer) -> Option<Server> {
        let legacy = self.legacy(&raw);
        let hostname = match &raw.hostname {
            Field::Given(given) => self.hostname(given),
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
        Some(Server {
            scriptdata,
            hostname,
            key: None,
            legacy,
        })
    }

    fn hostname(&mut self, given: &Given<String>) -> Option<String> {
        let host = host_of(&given.value);
        if host.is_empty() {
            let message = "has no letter or digit that the game puts into its file names; \
                           copy what stands before _vpi_ in them";
            self.problem(&given.place, message);
        } else if host.len() > HOST_BYTES_MAX {
            let message = format!("is longer than the {HOST_BYTES_MAX} that fit a file name");
            self.problem(&given.place, message);
        }
        Some(host)
    }

    fn legacy(&mut self, raw: &RawServer) -> Option<Legacy> {
        let identity_required = match &raw.identity {
            Field::Given(given) if given.value == "optional" => {
                self.warn(
                    &given.place,
                    "\"optional\" believes every file in the folder; use it only for a fork of \
                     the client that sends no identity",
                );
                false
            }
            Field::Given(given) if given.value != "required" => {
                let message = format!("{:?} is none of \"required\", \"optional\"", given.value);
                self.problem(&given.place, message);
                true
            }
            _ => true,
        };
        let (place, text) = match (&raw.secret, &raw.secret_file) {
            (Field::Given(_), Field::Given(file)) => {
                self.problem(
                    &file.place,
                    "stands beside legacy_secret; keep one of the two",
                );
                return None;
            }
            (Field::Given(secret), _) => (&secret.place, secret.value.clone().into_bytes()),
            (_, Field::Given(file)) => (&file.place, self.secret_file(file)?),
            (Field::Absent, Field::Absent) => {
                if self.report_missing {
                    let message = "has no legacy_secret and no legacy_secret_file, so no file \
                                   in it could be believed; put the secret of vpi.nut there";
                    self.problem(&raw.place, message);
                }
                return None;
            }
            _ => return None,
        };
        match Secret::new(&text) {
            Err(message) => {
                self.problem(place, message);
                None
            }
            Ok(secret) => {
                if text.len() < SECRET_BYTES_ADVISED {
                    let message = format!(
                        "is only {} characters long; use {SECRET_BYTES_ADVISED} or more, here \
                         and in vpi.nut",
                        text.len()
                    );
                    self.warn(place, message);
                }
                Some(Legacy {
                    secret,
                    identity_required,
                })
            }
        }
    }

    fn secret_file(&mut self, given: &Given<String>) -> Option<Vec<u8>> {
        let path = self.path(given)?;
        let bytes = match secret::read_file(&path) {
            Ok(bytes) => bytes,
            Err(message) => {
                self.problem(&given.place, message);
                return None;
            }
        };
        self.warn_if_exposed(Some(path));
        Some(bytes)
    }

    fn warn_if_exposed(&mut self, file: Option<PathBuf>) {
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
