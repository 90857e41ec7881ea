//! vpid on a MariaDB server that allows it little: few connections; and statements that a server
//! cannot interrupt.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use serde_json::{Value, json};
use test_mariadb::{PASSWORD, Server};

use crate::support::mariadb::{Database, administrator, shared_server};
use crate::support::{Vpid, call, insert, wait_until};

/// A user of this database who may have so many connections at once.
fn few(database: &Database, connections: u32) -> String {
    let user = format!("few_{}", database.name);
    let mut administrator = administrator(shared_server());
    for text in [
        format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}' \
             WITH MAX_USER_CONNECTIONS {connections}"
        ),
        format!("GRANT ALL ON {}.* TO '{user}'@'%'", database.name),
    ] {
        administrator.query_drop(text).unwrap();
    }
    user
}

/// What a shared host allows its users (field case 1): calls are done with what there is.
#[test]
fn fewer_connections_than_the_pool_has_are_no_outage() {
    for connections in 1..=3 {
        let database = Database::shared();
        database.execute("CREATE TABLE user_test_numbers (n INTEGER)");
        let user = few(&database, connections);
        let mut vpid = Vpid::new().database_line(&database.lines_as(&user, PASSWORD));
        vpid.start();
        let mut hosts = ["red", "blue", "green"].map(|name| vpid.host(name));
        let select = || call("VPI_DB_UserSelect", json!({"table": "user_test_numbers"}));
        for round in 0..8 {
            let tokens = hosts.each_mut().map(|host| {
                let calls = [select(), insert(round), select(), insert(-round)];
                host.send(&calls).unwrap()
            });
            for (host, tokens) in hosts.iter().zip(&tokens) {
                for answer in host.answers(tokens) {
                    assert!(!answer.is_string(), "{connections}: {answer}");
                }
            }
        }
        let rows: Vec<u32> = database.query("SELECT COUNT(*) FROM user_test_numbers");
        assert_eq!(rows, [3 * 8 * 2]);
        let log = vpid.log();
        assert!(!log.contains("cannot be used"), "{log}");
        let warnings = log.matches("connections at once").count();
        assert!(warnings <= 1, "{log}");
        assert!(warnings == 0 || log.contains("Set pool ="), "{log}");
        let check = vpid.command(&["check"]);
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(said.contains("pool") && check.status.success(), "{said}");
        assert!(vpid.stop().success());
        let check = vpid.command(&["check"]);
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(
            said.contains(&format!("set pool = {connections}")),
            "{said}"
        );
    }
}

fn threads(database: &Database) -> Vec<String> {
    database.query(&format!(
        "SELECT CONCAT(command, ' ', COALESCE(info, '')) FROM information_schema.processlist \
         WHERE db = '{}' AND command <> 'Sleep' AND id <> CONNECTION_ID()",
        database.name
    ))
}

/// Attack 1 on MariaDB: nothing is left at work on the server.
#[test]
fn a_column_that_is_doubled_and_searched_leaves_nothing_at_work_on_the_server() {
    let database = Database::shared();
    database.execute("CREATE TABLE user_test_numbers (n INTEGER)");
    database.execute("CREATE TABLE user_test_long (n INTEGER, x LONGTEXT, y LONGTEXT)");
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 2000")
        .on(&database)
        .started();
    let mut host = vpid.host("red");
    let mut other = vpid.host("blue");
    let long = "a".repeat(30_000);
    let values = json!([1, format!("'{long}'"), format!("'{}b'", &long[..15_000])]);
    host.ask(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_long", "values": values}),
    );
    for _ in 0..8 {
        for values in [json!({"x": "x || x"}), json!({"y": "y || y"})] {
            let kwargs = json!({"table": "user_test_long", "values": values, "filter_column": "n",
                                "filter_value": 1});
            host.ask("VPI_DB_UserUpdate", kwargs);
        }
    }
    let longest: Vec<u32> = database.query("SELECT MAX(LENGTH(x)) FROM user_test_long");
    assert!(longest[0] <= 1 << 20, "{longest:?}");
    let columns = [
        "LENGTH(REPLACE(x, y, ''))",
        "LENGTH(REPLACE(x, 'a', 'bb'))",
        "LENGTH(REPLACE(REPLACE(SUBSTR(x, 1, 30000), 'a', 'bb'), 'b', 'cc'))",
        "LENGTH(REPLACE(SUBSTR(x, 1, 30000), y, ''))",
    ];
    let began = Instant::now();
    for column in columns {
        let kwargs = json!({"table": "user_test_long", "columns": [column]});
        let searched = host.send_one("VPI_DB_UserSelect", kwargs);
        let kwargs = json!({"table": "user_test_numbers", "values": [7]});
        assert_eq!(other.ask("VPI_DB_UserInsert", kwargs), 1);
        let answer: Value = host.answers(&[searched]).remove(0);
        assert!(answer.is_string(), "{column}: {answer}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    wait_until("nothing is at work on the server", || {
        threads(&database).is_empty()
    });
}

/// What an owner has set for all connections does not hold for those of vpid.
#[test]
fn settings_of_the_server_that_would_cut_off_or_refuse_calls_do_not_hold() {
    let server = Server::start();
    let database = Database::on(&server);
    database.execute("CREATE TABLE user_test_numbers (n INTEGER)");
    administrator(&server)
        .query_drop(
            "SET GLOBAL sql_select_limit = 1, completion_type = 2, sql_safe_updates = 1, \
             max_join_size = 1",
        )
        .unwrap();
    let vpid = Vpid::new()
        .on(&database)
        .queries(
            "[query.raise]\nsteps = [\"UPDATE user_test_numbers SET n = n + 1\"]\n\
             returns = \"count\"\n",
        )
        .started();
    let mut host = vpid.host("red");
    for n in 1..=3 {
        let values = json!({"table": "user_test_numbers", "values": [n]});
        assert_eq!(host.ask("VPI_DB_UserInsert", values), 1);
    }
    assert_eq!(host.ask("VPI_SQL_raise", Value::Null), 3);
    let select = json!({"table": "user_test_numbers"});
    assert_eq!(
        host.ask("VPI_DB_UserSelect", select),
        json!([[2], [3], [4]])
    );
    let log = vpid.log();
    assert!(!log.contains("cannot be used"), "{log}");
}
