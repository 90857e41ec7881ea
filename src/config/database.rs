//! `[database]` and `[database.NAME]`: where SQL goes.

use std::fmt;
use std::path::PathBuf;

use super::secret::Password;
use crate::sql::{Quoting, Schema};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Empty for the default one.
    pub name: String,
    pub engine: Engine,
    /// What it must have before anything else runs.
    pub schema: Option<SchemaFile>,
}

/// "database vpid.db", "database stats (MySQL scores at 127.0.0.1:3306)"
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("database ")?;
        if !self.name.is_empty() {
            write!(f, "{} (", self.name)?;
        }
        match &self.engine {
            Engine::Sqlite(sqlite) => write!(f, "{}", sqlite.path.display()),
            Engine::Mysql(mysql) => write!(f, "{mysql}"),
        }?;
        f.write_str(if self.name.is_empty() { "" } else { ")" })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    Sqlite(Sqlite),
    Mysql(Mysql),
}

impl Engine {
    pub fn quoting(&self) -> Quoting {
        match self {
            Self::Sqlite(_) => Quoting::Sqlite,
            Self::Mysql(_) => Quoting::Mysql,
        }
    }

    /// As it stands in `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Mysql(_) => "mysql",
        }
    }
}

/// An SQLite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sqlite {
    pub path: PathBuf,
    /// Every answered write survives a power loss; without it, the last moments may be lost,
    /// but never the database.
    pub full_durability: bool,
}

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
    /// Encrypted, whoever the server is.
    Encrypt,
    /// Encrypted, and the server's certificate is checked: against this file, else against the
    /// authorities that browsers trust.
    Verify {
        ca: Option<PathBuf>,
    },
}

/// A schema file and what stood in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    pub path: PathBuf,
    pub schema: Schema,
}
