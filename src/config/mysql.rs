//! What a database on MySQL or MariaDB needs: where the server is, and how vpid logs in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::address::is_here;
use super::checked::{COMMAND_LINE, Checker, IN_SCRIPTDATA, in_scriptdata};
use super::raw::{Field, Place, RawDatabase};
use super::secret::Password;
use super::{Mysql, Server, Tls, file};
use crate::limits::{CA_FILE_BYTES_MAX, MYSQL_POOL_DEFAULT, MYSQL_POOL_MAX};

const HOST: &str = "127.0.0.1";
const PORT: u16 = 3306;

impl Mysql {
    /// Whether both are the same database, as far as their addresses tell.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let server = |of: &Self| match &of.socket {
            Some(socket) => (socket.display().to_string(), 0),
            None if is_here(&of.host) => (HOST.to_owned(), of.port),
            None => (of.host.to_lowercase(), of.port),
        };
        !self.database.is_empty()
            && self.database == other.database
            && server(self) == server(other)
    }
}

impl Checker<'_> {
    pub(super) fn mysql(&mut self, mut raw: RawDatabase, servers: &[Server]) -> Mysql {
        let is_default = raw.name.is_empty();
        if is_default {
            self.override_mysql(&mut raw);
        }
        let or_in = |variable| match is_default {
            true => format!(", here or in {variable}"),
            false => String::new(),
        };
        let no_user = format!(
            "has no user; name the one that vpid logs in as{}",
            or_in("VPI_USER")
        );
        let no_database = format!(
            "has no database; name the one that the tables are in{}",
            or_in("VPI_INTERFACE")
        );
        let password = self.password(&raw);
        let user = self.required(&raw.user, &raw.place, no_user);
        let database = self.required(&raw.database, &raw.place, no_database);
        let socket = self.socket(&raw);
        let host = self.host(&raw.host);
        let tls = self.tls(&raw, servers);
        if let Some((place, _)) = &password
            && socket.is_none()
            && tls == Tls::Off
            && !is_here(&host)
        {
            let message = format!(
                "goes to {host} unencrypted, and so does all data; set tls = \"verify\", or \
                 \"encrypt\" for a server whose certificate nobody has signed"
            );
            self.warn(place, message);
        }
        Mysql {
            host,
            port: self.number(&raw.port, 1..=u16::MAX, "").unwrap_or(PORT),
            socket,
            user,
            password: password.map(|(_, password)| password),
            database,
            tls,
            pool: self
                .number(&raw.pool, 1..=MYSQL_POOL_MAX, " connections")
                .unwrap_or(MYSQL_POOL_DEFAULT),
        }
    }

    /// Lays over the file what the stock server takes from its command line and environment.
    fn override_mysql(&mut self, raw: &mut RawDatabase) {
        let host = self.overridden(Field::Absent, &["--host", "VPI_HOST"]);
        let port = self.overridden_number(Field::Absent, &["--port", "VPI_PORT"]);
        if host.given().is_some() || port.given().is_some() {
            raw.socket = Field::Absent;
        }
        if host.given().is_some() {
            raw.host = host;
        }
        if !matches!(port, Field::Absent) {
            raw.port = port;
        }
        let old = |field: &mut Field<String>| std::mem::take(field);
        raw.user = self.overridden(old(&mut raw.user), &["--user", "VPI_USER"]);
        raw.database = self.overridden(old(&mut raw.database), &["--database", "VPI_INTERFACE"]);
        // One of the two takes the place of both.
        let password = self.overridden(Field::Absent, &["--password", "VPI_PASSWORD"]);
        let file = self.overridden(Field::Absent, &["VPID_DATABASE_PASSWORD_FILE"]);
        let is_option = |place: &Place| place.source == COMMAND_LINE;
        if password.place().is_some_and(is_option) {
            (raw.password, raw.password_file) = (password, Field::Absent);
        } else if password.given().is_some() || file.given().is_some() {
            (raw.password, raw.password_file) = (password, file);
        }
    }

    fn required(&mut self, field: &Field<String>, of: &Place, missing: String) -> String {
        match field {
            Field::Given(given) if given.value.is_empty() || given.value.contains('\0') => {
                let what = match given.value.is_empty() {
                    true => "is empty",
                    false => "has a NUL in it",
                };
                self.problem(&given.place, what);
            }
            Field::Given(given) => return given.value.clone(),
            Field::Absent if self.report_missing => self.problem(of, missing),
            Field::Absent | Field::Bad => {}
        }
        String::new()
    }

    fn socket(&mut self, raw: &RawDatabase) -> Option<PathBuf> {
        let given = raw.socket.given()?;
        for place in [raw.host.place(), raw.port.place()].into_iter().flatten() {
            let message = "stands beside socket; keep the socket, or host and port";
            self.problem(place, message);
        }
        self.path(given)
    }

    fn host(&mut self, field: &Field<String>) -> String {
        let Some(given) = field.given() else {
            return HOST.to_owned();
        };
        let host = &given.value;
        let strange =
            |sign: char| sign.is_whitespace() || sign.is_control() || "/@[]".contains(sign);
        let message = if host.is_empty() {
            "is empty; name the machine that the server runs on"
        } else if host.starts_with('/') {
            "is a path; name a Unix socket with socket"
        } else if host.contains(strange) {
            "is no host; write a name or an address"
        } else if host.contains(':') && host.parse::<IpAddr>().is_err() {
            "has a port in it; name that with port"
        } else {
            return host.clone();
        };
        self.problem(&given.place, message);
        HOST.to_owned()
    }

    /// With where it stands. An empty one in the file is none.
    fn password(&mut self, raw: &RawDatabase) -> Option<(Place, Password)> {
        let (place, bytes) =
            self.password_or_file(&raw.password, &raw.password_file, "password")?;
        if raw.password.given().is_some() {
            if bytes.is_empty() {
                return None;
            }
            if place.source == self.source.name {
                self.warn_if_exposed(self.source.file.map(ToOwned::to_owned));
            }
        }
        let message = match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => "is an empty file; put the password into it",
            Ok(text) if text.contains('\0') => "has a NUL in it, which no password has",
            Ok(text) => return Some((place, Password(text))),
            Err(_) => "is not UTF-8; save the file as UTF-8",
        };
        self.problem(&place, message);
        None
    }

    fn tls(&mut self, raw: &RawDatabase, servers: &[Server]) -> Tls {
        let words = [
            ("off", Tls::Off),
            ("encrypt", Tls::Encrypt),
            ("verify", Tls::Verify { ca: None }),
        ];
        let tls = self.choice(&raw.tls, &words).unwrap_or(Tls::Off);
        let Some(given) = raw.tls_ca.given() else {
            return tls;
        };
        if !matches!(tls, Tls::Verify { .. }) {
            if !matches!(raw.tls, Field::Bad) {
                self.problem(&given.place, "is for tls = \"verify\"; set that too");
            }
            return tls;
        }
        let ca = self.path(given);
        self.files.extend(ca.clone());
        if ca.as_ref().is_some_and(|path| in_scriptdata(path, servers)) {
            self.problem(&given.place, IN_SCRIPTDATA);
        } else if let Some(path) = ca.as_ref().filter(|path| path.exists()) {
            self.certificates(&given.place, path);
        }
        Tls::Verify { ca }
    }

    /// The library reads the file, and would miss a certificate that stands behind a mark.
    fn certificates(&mut self, place: &Place, path: &Path) {
        let marked = "begins with a byte-order mark, which hides its first certificate; save the \
                      file as UTF-8 without one";
        let wrong = match file::read(path, CA_FILE_BYTES_MAX, "certificates") {
            Err(message) => return self.problem(place, message),
            Ok(bytes) if file::mark_bytes(&bytes) > 0 => marked,
            Ok(bytes) => match file::without_mark(bytes) {
                Ok(_) => return,
                Err(wrong) => wrong,
            },
        };
        self.problem(place, format!("{} {wrong}", path.display()));
    }
}
