//! The database of the community: a MariaDB of this run, as durable as one comes, large tables, and what it counts.

use std::collections::BTreeMap;
use std::fmt;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use test_mariadb::{PASSWORD, Server, USER};

const OPTIONS: [&str; 4] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=1",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=64M",
];
const NAME: &str = "community";
/// Of the SteamID of `[U:1:0]`.
const FIRST_STEAM: u64 = 76_561_197_960_265_728;
const ROWS_AT_ONCE: u64 = 5_000;

pub struct Database {
    server: Server,
}

impl Database {
    pub fn start() -> Self {
        let database = Self {
            server: Server::with_port(&OPTIONS),
        };
        let create = format!("CREATE DATABASE {NAME} CHARACTER SET utf8mb4");
        let mut connection = database.connect(None);
        connection.query_drop(create).expect("a database");
        database
    }

    fn connect(&self, name: Option<&str>) -> Conn {
        let options = OptsBuilder::new()
            .socket(self.server.socket().to_str())
            .user(Some(USER))
            .pass(Some(PASSWORD))
            .db_name(name);
        Conn::new(options).expect("a connection")
    }

    /// The keys of `[database.NAME]`.
    pub fn settings(&self) -> String {
        format!(
            "type = \"mysql\"\nhost = \"127.0.0.1\"\nport = {}\nuser = {USER:?}\npassword = {PASSWORD:?}\n\
             database = {NAME:?}\n",
            self.server.port()
        )
    }

    /// Users with the accounts from 1 on, of whom the first are banned.
    pub fn fill(&self, users: u64, bans: u64) {
        let mut connection = self.connect(Some(NAME));
        let row = |n: u64| format!("({}, 'player {n}', 1700000000000000)", FIRST_STEAM + n);
        let into = "vpid_users (steam, name, created_us)";
        insert(&mut connection, into, users, row);
        let count = "UPDATE vpid_changes SET counter = counter + 1 WHERE topic = 'bans'";
        connection.query_drop(count).expect("a counter");
        let row = |n: u64| {
            let (steam, reason) = (FIRST_STEAM + n, n % 500);
            format!(
                "('00000000-0000-4000-8000-{n:012x}', {steam}, 'player {n}', 'reason {reason}', 1700000000000000, \
                 'an admin', 1)"
            )
        };
        let into = "vpid_bans (id, steam, name, reason, created_us, issuer_name, changed)";
        insert(&mut connection, into, bans, row);
        let analyze = "ANALYZE TABLE vpid_users, vpid_bans";
        connection.query_drop(analyze).expect("statistics");
    }

    /// What the server has counted since its start, without this question.
    pub fn counts(&self) -> Counts {
        let mut connection = self.connect(None);
        let show = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Queries', 'Questions', 'Connections') \
                    OR Variable_name LIKE 'Com\\_%'";
        let rows: Vec<(String, u64)> = connection.query(show).expect("the state of the server");
        Counts(rows.into_iter().collect())
    }
}

fn insert(connection: &mut Conn, into: &str, rows: u64, row: impl Fn(u64) -> String) {
    let mut next = 1;
    while next <= rows {
        let end = (next + ROWS_AT_ONCE).min(rows + 1);
        let values: Vec<String> = (next..end).map(&row).collect();
        let sql = format!("INSERT INTO {into} VALUES {}", values.join(", "));
        connection.query_drop(sql).expect("rows");
        next = end;
    }
}

/// Counters of the server.
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// What was added. Two looks at the counters are part of neither, but what a connection of [`Database::counts`]
    /// costs is: so it is measured and taken off.
    pub fn since(&self, before: &Self) -> Self {
        let added = |(name, now): (&String, &u64)| {
            let then = before.0.get(name).copied().unwrap_or(0);
            (name.clone(), now - then)
        };
        Self(self.0.iter().map(added).collect())
    }

    /// Statements that clients have sent, those of this bench aside.
    pub fn statements(&self) -> u64 {
        let own = self.0.get("Com_show_status").copied().unwrap_or(0);
        self.0.get("Questions").copied().unwrap_or(0) - own
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements:", self.statements())?;
        let mut counts: Vec<_> = self.0.iter().filter(|(_, count)| **count > 0).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (name, count) in counts {
            write!(f, " {name} {count}")?;
        }
        Ok(())
    }
}
