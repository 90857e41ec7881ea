//! A MariaDB server of this run, as durable as one comes, with a fresh database for each sample.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use test_mariadb::{PASSWORD, Server, USER};

/// What is left out when the server is one for tests.
const DURABLE: [&str; 3] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=1",
    "--innodb-buffer-pool-size=128M",
];
const CREATE: &str = "CREATE TABLE user_vpidbench_rows \
                      (id INTEGER PRIMARY KEY AUTO_INCREMENT, name TEXT, wins INTEGER)";
const FILL: &str =
    "INSERT INTO user_vpidbench_rows VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)";

/// Started with the first sample that needs it.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::with_port(&DURABLE))
}

/// A database with the bench's table; gives its name.
pub fn fresh_database() -> io::Result<String> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("bench_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let mut connection = connect(None)?;
    for statement in [
        &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
        &format!("USE {name}"),
        CREATE,
        FILL,
    ] {
        connection.query_drop(statement).map_err(io::Error::other)?;
    }
    Ok(name)
}

/// Another program's connection to a database of [`fresh_database`].
pub fn connection(name: &str) -> io::Result<Conn> {
    connect(Some(name))
}

fn connect(database: Option<&str>) -> io::Result<Conn> {
    let options = OptsBuilder::new()
        .socket(server().socket().to_str())
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .db_name(database);
    Conn::new(options).map_err(io::Error::other)
}

/// The lines of `[database]`.
pub fn settings(schema: &str, socket: bool) -> String {
    let place = match socket {
        true => format!("socket = {:?}", server().socket()),
        false => format!("host = \"127.0.0.1\"\nport = {}", server().port()),
    };
    format!(
        "type = \"mysql\"\n{place}\nuser = {USER:?}\npassword = {PASSWORD:?}\n\
         database = {schema:?}\n"
    )
}

/// What the stock server takes from its environment.
pub fn variables(schema: &str) -> [(&'static str, String); 5] {
    [
        ("VPI_HOST", "127.0.0.1".to_owned()),
        ("VPI_PORT", server().port().to_string()),
        ("VPI_USER", USER.to_owned()),
        ("VPI_PASSWORD", PASSWORD.to_owned()),
        ("VPI_INTERFACE", schema.to_owned()),
    ]
}
