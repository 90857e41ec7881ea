//! How a `[[server]]` is reached besides its files: its console by RCON, and the engine's log.

use std::net::SocketAddr;

use super::address::{host_and_port, is_here};
use super::checked::Checker;
use super::raw::{Field, Place, RawServer};
use super::secret::Password;
use super::servers::Placed;
use super::{ChatCommands, LogListen, Rcon};
use crate::limits::{LOG_SECRET_DIGITS_MAX, RCON_PASSWORD_BYTES_MAX};
use crate::protocol::engine_log::LogSecret;
use crate::protocol::uuid::Uuid;

/// What config.example.toml has where the password belongs.
const PLACEHOLDER_PASSWORD: &str = "PUT-THE-RCON-PASSWORD-HERE";

/// What connects one server with the world, each with where it stands.
pub(super) struct Connections {
    pub vyhub_id: Option<(Place, Uuid)>,
    pub rcon: Option<(Place, Rcon)>,
    pub log: Option<(Place, LogListen)>,
    pub chat: ChatCommands,
}

impl Checker<'_> {
    /// `for_vyhub`: there is a `[vyhub]`.
    pub(super) fn connections(&mut self, raw: &RawServer, for_vyhub: bool) -> Connections {
        Connections {
            vyhub_id: self.vyhub_id(&raw.vyhub_id, for_vyhub),
            rcon: self.rcon(raw),
            log: self.log_listen(raw),
            chat: self.chat_commands(raw),
        }
    }

    fn chat_commands(&mut self, raw: &RawServer) -> ChatCommands {
        let chosen = self.choice(&raw.chat_commands, &ChatCommands::WORDS);
        chosen.unwrap_or_default()
    }

    /// Where nothing can guard chat, commands in it do not count: the owner is to know.
    pub(super) fn chat_without_guard(&mut self, servers: &[Placed]) {
        for placed in servers {
            let server = &placed.server;
            let by_log = server.log.is_some() && server.vyhub_id.is_some();
            if by_log && server.key.is_none() && server.chat == ChatCommands::Guarded {
                let message = "has no key, so nothing keeps a map's script from writing in an \
                               admin's name, and commands in chat that change something are \
                               refused; install vpid's own scripts (`vpid init`), or accept the \
                               risk with chat_commands = \"log\"";
                self.warn(&placed.place, message);
            }
        }
    }

    fn vyhub_id(&mut self, field: &Field<String>, for_vyhub: bool) -> Option<(Place, Uuid)> {
        let given = field.given()?;
        if !for_vyhub && self.report_missing {
            let message = "is of no use without [vyhub]; add that table with api_url and \
                           api_key_file, or take this out";
            self.problem(&given.place, message);
        }
        match given.value.trim().parse() {
            Ok(id) => Some((given.place.clone(), id)),
            Err(()) => {
                let message = "is no id of VyHub; copy the one of the server, which looks like \
                               01234567-89ab-cdef-0123-456789abcdef";
                self.problem(&given.place, message);
                None
            }
        }
    }

    fn rcon(&mut self, raw: &RawServer) -> Option<(Place, Rcon)> {
        let of_password = [raw.rcon_password.place(), raw.rcon_password_file.place()];
        let password = self.rcon_password(raw);
        let Some(given) = raw.rcon.given() else {
            if let (Field::Absent, Some(place)) = (&raw.rcon, of_password.iter().flatten().next())
                && self.report_missing
            {
                let message = "is of no use without rcon; say there where the game is, such as \
                               rcon = \"127.0.0.1:27015\"";
                self.problem(place, message);
            }
            return None;
        };
        let none =
            [&raw.rcon_password, &raw.rcon_password_file].map(|it| matches!(it, Field::Absent));
        if none == [true, true] && self.report_missing {
            let message = "needs the game's rcon_password; put it into a file (mode 600) and name \
                           that with rcon_password_file";
            self.problem(&given.place, message);
        }
        let address = given.value.trim();
        match host_and_port(address) {
            Err(message) => self.problem(&given.place, message),
            Ok((host, _)) => {
                if !is_here(host) {
                    let message = format!(
                        "goes to {host} unencrypted, password and all, as RCON always does; run \
                         vpid on the game's machine, or take a tunnel"
                    );
                    self.warn(&given.place, message);
                }
                let (place, address) = (given.place.clone(), address.to_owned());
                return Some((
                    place,
                    Rcon {
                        address,
                        password: password?,
                    },
                ));
            }
        }
        None
    }

    fn rcon_password(&mut self, raw: &RawServer) -> Option<Password> {
        let (value, file) = (&raw.rcon_password, &raw.rcon_password_file);
        let (place, bytes) = self.password_or_file(value, file, "rcon_password")?;
        let message = match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => {
                "is empty, and the game takes no RCON then; set rcon_password in its server.cfg, \
                 too"
            }
            Ok(text) if text == PLACEHOLDER_PASSWORD => {
                "is still the placeholder of the example; put the game's rcon_password here"
            }
            Ok(text) if text.contains(char::is_control) => {
                "has a control character in it, which the game cannot have; it is to be one line"
            }
            Ok(text) if text.len() > RCON_PASSWORD_BYTES_MAX => {
                let message = format!("is longer than {RCON_PASSWORD_BYTES_MAX} bytes");
                self.problem(&place, message);
                return None;
            }
            Ok(text) => return Some(Password(text)),
            Err(_) => "is not UTF-8; save the file as UTF-8",
        };
        self.problem(&place, message);
        None
    }

    fn log_listen(&mut self, raw: &RawServer) -> Option<(Place, LogListen)> {
        let of_secret = [raw.log_secret.place(), raw.log_secret_file.place()];
        let secret = self.log_secret(raw);
        let Some(given) = raw.log_listen.given() else {
            if let (Field::Absent, Some(place)) =
                (&raw.log_listen, of_secret.iter().flatten().next())
                && self.report_missing
            {
                let message = "is of no use without log_listen; say there where the log comes in, \
                               such as log_listen = \"127.0.0.1:27500\"";
                self.problem(place, message);
            }
            return None;
        };
        let address: Option<SocketAddr> = given.value.trim().parse().ok();
        let Some(address) = address.filter(|address| address.port() > 0) else {
            let message = "is no address and port of this machine; write it as 127.0.0.1:27500";
            self.problem(&given.place, message);
            return None;
        };
        let said = of_secret.iter().flatten().next().is_some();
        let bad = matches!(raw.log_secret, Field::Bad) || matches!(raw.log_secret_file, Field::Bad);
        let is_local = address.ip().is_loopback();
        if !said && !bad && self.report_missing {
            if is_local {
                let message = "is without a log_secret: every program of this machine could send \
                               lines in the game's name; set log_secret, and sv_logsecret in \
                               server.cfg";
                self.warn(&given.place, message);
            } else {
                let message = "can be reached from outside, and anyone could send lines in the \
                               game's name; set log_secret, and sv_logsecret in server.cfg";
                self.problem(&given.place, message);
            }
        }
        if said && !is_local {
            let guarded = match raw.rcon {
                Field::Absent => {
                    "and without rcon nothing bears its lines out; set rcon, and listen at \
                     127.0.0.1 if the game runs on this machine, or let a firewall pass the \
                     game's address only"
                }
                _ => {
                    "so anyone can try secrets there; listen at 127.0.0.1 if the game runs on \
                     this machine, or let a firewall pass the game's address only"
                }
            };
            let message = format!("can be reached by other hosts, {guarded}");
            self.warn(&given.place, message);
        }
        if let (Some(secret), Some(place)) = (secret, of_secret.iter().flatten().next())
            && secret.is_weak()
        {
            let message = "is soon found out by trying, since it is a number below 2^24; use 16 \
                           random digits, the same in sv_logsecret (`vpid init` makes some)";
            self.warn(place, message);
        }
        Some((given.place.clone(), LogListen { address, secret }))
    }

    /// The text that the engine sends, which other tools may set: so its zeros in front count.
    fn log_secret(&mut self, raw: &RawServer) -> Option<LogSecret> {
        let form = format!(
            "1 to {LOG_SECRET_DIGITS_MAX} digits, not all of them 0, exactly as in sv_logsecret"
        );
        let Some(file) = raw.log_secret_file.given() else {
            let given = raw.log_secret.given()?;
            let secret = given.value.trim().parse().ok();
            if secret.is_none() {
                self.problem(&given.place, format!("must be {form}"));
            }
            return secret;
        };
        if raw.log_secret.given().is_some() {
            self.problem(&file.place, "stands beside log_secret; keep one of the two");
            return None;
        }
        let bytes = self.secret_file(file)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let secret = text.trim().parse().ok();
        if secret.is_none() {
            self.problem(&file.place, format!("must hold {form}"));
        }
        secret
    }

    /// What can be there once only. A kick goes by the number that one game has for a player, so
    /// it must not reach another.
    pub(super) fn no_shared_connections(&mut self, servers: &[Placed]) {
        for (at, placed) in servers.iter().enumerate() {
            let earlier = &servers[..at];
            let first = earlier.iter().find_map(|other| {
                let same = placed.server.vyhub_id == other.server.vyhub_id;
                other.vyhub_id.as_ref().filter(|_| same)
            });
            self.not_again(
                &placed.vyhub_id,
                first,
                "give each server its own id of VyHub",
            );
            let address = |of: &Placed| Some(of.server.rcon.as_ref()?.address.to_lowercase());
            let first = earlier.iter().find_map(|other| {
                let same = address(placed) == address(other);
                other.rcon.as_ref().filter(|_| same)
            });
            self.not_again(&placed.rcon, first, "each game has a console of its own");
            let address = |of: &Placed| of.server.log.map(|log| log.address);
            let first = earlier.iter().find_map(|other| {
                let same = address(placed) == address(other);
                other.log.as_ref().filter(|_| same)
            });
            self.not_again(&placed.log, first, "give each game's log a port of its own");
        }
    }

    fn not_again(&mut self, place: &Option<Place>, first: Option<&Place>, remedy: &str) {
        if let (Some(place), Some(first)) = (place, first) {
            let line = first.line.unwrap_or_default();
            self.problem(
                place,
                format!("is the same as that of line {line}; {remedy}"),
            );
        }
    }
}
