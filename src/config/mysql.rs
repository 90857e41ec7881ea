//! What a database on MySQL or MariaDB needs: where the server is, and how vpid logs in.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::address::is_here;
use super::file::{self, Blanks};
use super::key::{InForce, Key, Kind, Usual, key, text};
use super::reader::{Given, Location, Reader, Table};
use super::secret::Password;
use crate::limits::{CA_FILE_BYTES_MAX, MYSQL_POOL_DEFAULT, MYSQL_POOL_MAX};

const HOST: &str = "127.0.0.1";
const PORT: u16 = 3306;

/// The variables are those of the stock server, and the options those of its command line.
pub const KEYS: &[Key] = &[
    text(
        "host",
        "MySQL: the name or address of the server. Remove path and durability when you use it.",
    )
    .default(Usual::Text(HOST))
    .variables(&["--host", "VPI_HOST"])
    .replaces(&["socket"])
    .in_force(InForce::WithNextStart),
    key("port", Kind::Integer(1, u16::MAX as i64, ""), "MySQL: its port.")
        .default(Usual::Number(PORT as i64))
        .variables(&["--port", "VPI_PORT"])
        .replaces(&["socket"])
        .in_force(InForce::WithNextStart),
    text(
        "socket",
        "MySQL: the path of a Unix socket, instead of host and port.",
    ).variables(&["VPID_DATABASE_SOCKET"]).replaces(&["host", "port"])
    .example("\"/run/mysqld/mysqld.sock\"")
    .in_force(InForce::WithNextStart),
    text("user", "MySQL: the user as which vpid logs in.")
        .default(Usual::Required("required"))
        .example("\"tf2\"")
        .variables(&["--user", "VPI_USER"])
        .in_force(InForce::WithNextStart),
    text("password", "MySQL: the password of that user.")
        .default(Usual::Words("none"))
        .example("'the password'")
        .variables(&["--password", "VPI_PASSWORD"])
        .replaces(&["password_file"])
        .in_force(InForce::WithNextStart),
    text(
        "password_file",
        "MySQL: a file (mode 600) with the password in its only line, instead of `password`.",
    )
    .example("\"mysql.password\"")
    .variables(&["VPID_DATABASE_PASSWORD_FILE"])
    .replaces(&["password"]),
    text("database", "MySQL: the database on the server.")
        .default(Usual::Required("required"))
        .example("\"interface\"")
        .variables(&["--database", "VPI_INTERFACE"])
        .in_force(InForce::WithNextStart),
    key(
        "tls",
        Kind::Tls,
        "MySQL: \"off\"; \"encrypt\", without checking the server; \"verify\", which checks its certificate, too. \
         `true` is \"verify\", and `false` \"off\".",
    ).variables(&["VPID_DATABASE_TLS"])
    .in_force(InForce::WithNextStart),
    text(
        "tls_ca",
        "MySQL: a file with the certificate of the authority, for `tls = \"verify\"`.",
    ).variables(&["VPID_DATABASE_TLS_CA"])
    .default(Usual::Words("what browsers trust"))
    .example("\"mysql-ca.pem\"")
    .in_force(InForce::WithNextStart),
    key(
        "pool",
        Kind::Integer(1, MYSQL_POOL_MAX as i64, "connections"),
        "MySQL: how many connections vpid may open. If the server allows its user fewer, vpid works with those, \
         and logs it.",
    ).variables(&["VPID_DATABASE_POOL"])
    .default(Usual::Number(MYSQL_POOL_DEFAULT as i64))
    .in_force(InForce::WithNextStart),
];

/// A MySQL or MariaDB server, and a database on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mysql {
    pub host: String,
    pub port: u16,
    /// A Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
    pub user: String,
    pub password: Option<Password>,
    pub database: String,
    pub tls: Tls,
    /// How many connections there may be.
    pub pool: usize,
}

/// "MySQL scores at 127.0.0.1:3306"
impl fmt::Display for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySQL {} at ", self.database)?;
        match &self.socket {
            Some(socket) => write!(f, "{}", socket.display()),
            None if self.host.contains(':') => write!(f, "[{}]:{}", self.host, self.port),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// Encrypted, without checking the server.
    Encrypt,
    /// Encrypted, and the server's certificate is checked: against this file, else against the
    /// authorities that browsers trust.
    Verify {
        ca: Option<PathBuf>,
    },
}

impl Mysql {
    /// Whether both are the same database, judged by their addresses.
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

impl Reader<'_> {
    pub(super) fn mysql(&mut self, name: &str, table: &mut Table) -> Mysql {
        match name {
            "" => self.overlay(table, KEYS),
            _ => self.check(table, KEYS),
        }
        let or_in = |variable| match name {
            "" => format!(", here or in {variable}"),
            _ => String::new(),
        };
        let no_user = format!(
            "has no user; name the one that vpid logs in as{}",
            or_in("VPI_USER")
        );
        let no_database = format!(
            "has no database; name the one that the tables are in{}",
            or_in("VPI_INTERFACE")
        );
        let password = self.mysql_password(table);
        let user = self.required(table, "user", no_user);
        let database = self.required(table, "database", no_database);
        let socket = self.socket(table);
        let host = self.mysql_host(table);
        let tls = self.tls(table);
        if let Some((place, _)) = &password
            && socket.is_none()
            && tls == Tls::Off
            && !is_here(&host)
        {
            let message = format!(
                "goes to {host} unencrypted, and so does all data; set tls = \"verify\", or \
                 \"encrypt\" for a server whose certificate no authority has signed"
            );
            self.warn(place, message);
        }
        Mysql {
            host,
            port: table.integer("port").unwrap_or(PORT),
            socket,
            user,
            password: password.map(|(_, password)| password),
            database,
            tls,
            pool: table.integer("pool").unwrap_or(MYSQL_POOL_DEFAULT),
        }
    }

    fn required(&mut self, table: &Table, name: &str, missing: String) -> String {
        if table.is_absent(name) {
            self.missing(&table.place, missing);
        }
        match table.text(name) {
            Some((place, "")) => self.problem(place, "is empty"),
            Some((place, text)) if text.contains('\0') => self.problem(place, "has a NUL in it"),
            Some((_, text)) => return text.to_owned(),
            None => {}
        }
        String::new()
    }

    fn socket(&mut self, table: &Table) -> Option<PathBuf> {
        let (place, socket) = table.text("socket")?;
        for place in ["host", "port"].iter().filter_map(|name| table.place(name)) {
            let message = "stands beside socket; keep the socket, or host and port";
            self.problem(place, message);
        }
        self.path(place, socket)
    }

    fn mysql_host(&mut self, table: &Table) -> String {
        let Some((place, host)) = table.text("host") else {
            return HOST.to_owned();
        };
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
            return host.to_owned();
        };
        self.problem(place, message);
        HOST.to_owned()
    }

    /// With where it stands. An empty one in the file is none.
    fn mysql_password(&mut self, table: &Table) -> Option<(Location, Password)> {
        let Given { place, value } = self.secret(table, "password", Blanks::MaybePart)?;
        if value.is_empty() && table.place("password").is_some() {
            return None;
        }
        let message = match String::from_utf8(value) {
            Ok(text) if text.is_empty() => "is an empty file; put the password into it",
            Ok(text) if text.contains('\0') => "has a NUL in it, which no password has",
            Ok(text) => return Some((place, Password(text))),
            Err(_) => "is not UTF-8; save the file as UTF-8",
        };
        self.problem(&place, message);
        None
    }

    fn tls(&mut self, table: &Table) -> Tls {
        let tls = match table.word("tls") {
            "encrypt" => Tls::Encrypt,
            "verify" => Tls::Verify { ca: None },
            _ => Tls::Off,
        };
        let Some(place) = table.place("tls_ca") else {
            return tls;
        };
        if !matches!(tls, Tls::Verify { .. }) {
            if table.is_absent("tls") || table.place("tls").is_some() {
                self.problem(place, "is for tls = \"verify\"; set that too");
            }
            return tls;
        }
        let ca = self.outside_path(table, "tls_ca");
        self.files.extend(ca.clone());
        if let Some(path) = ca.as_ref().filter(|path| path.exists()) {
            self.certificates(place, path);
        }
        Tls::Verify { ca }
    }

    /// The library reads the file, and would miss a certificate that stands behind a mark.
    fn certificates(&mut self, place: &Location, path: &Path) {
        let marked = "begins with a byte-order mark, which hides its first certificate; save the \
                      file as UTF-8 without one";
        let wrong = match file::read(path, CA_FILE_BYTES_MAX, "certificates") {
            Err(wrong) => return self.problem(place, wrong.to_string()),
            Ok(bytes) if file::mark_bytes(&bytes) > 0 => marked,
            Ok(bytes) => match file::without_mark(bytes) {
                Ok(_) => return,
                Err(wrong) => wrong,
            },
        };
        self.problem(place, format!("{} {wrong}", path.display()));
    }
}
