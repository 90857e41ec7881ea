//! MariaDB servers of the tests, and databases on them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, OptsBuilder};
use test_mariadb::{PASSWORD, Server, USER};

/// For all tests that leave it alone.
pub fn shared_server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::with_port(&[]))
}

/// Asks a server, as somebody who may do everything on it.
pub fn administrator(server: &Server) -> Conn {
    connection(&server.socket(), None)
}

fn connection(socket: &Path, database: Option<&str>) -> Conn {
    let options = OptsBuilder::new()
        .socket(Some(socket.display().to_string()))
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .db_name(database);
    Conn::new(options).expect("a connection to the test's server")
}

/// An empty database of a test's own. It goes with its server.
#[derive(Clone)]
pub struct Database {
    pub name: String,
    socket: PathBuf,
}

impl Database {
    pub fn on(server: &Server) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let name = format!("d{}", MADE.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        administrator(server)
            .query_drop(create)
            .expect("a database");
        Self {
            name,
            socket: server.socket(),
        }
    }

    pub fn shared() -> Self {
        Self::on(shared_server())
    }

    /// What the configuration says of it.
    pub fn lines(&self) -> String {
        self.lines_as(USER, PASSWORD)
    }

    pub fn lines_as(&self, user: &str, password: &str) -> String {
        let (name, socket) = (&self.name, self.socket.display());
        format!(
            "type = \"mysql\"\nsocket = '{socket}'\nuser = '{user}'\npassword = '{password}'\n\
             database = '{name}'\n"
        )
    }

    /// Another program's connection to it.
    pub fn connection(&self) -> Conn {
        connection(&self.socket, Some(&self.name))
    }

    pub fn query<T: FromRow>(&self, text: &str) -> Vec<T> {
        self.connection().query(text).expect("rows")
    }

    pub fn execute(&self, text: &str) {
        self.connection().query_drop(text).expect("a statement");
    }
}
