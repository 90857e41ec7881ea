//! vpid on MariaDB: outages, how it is told where the server is, `check`, reloads, and what it
//! costs when idle.

use std::process::Output;
use std::time::Duration;

use mysql::prelude::Queryable;
use serde_json::{Value, json};
use test_mariadb::{PASSWORD, Server, USER};

use vpid::limits::MYSQL_POOL_DEFAULT;

use crate::service::cost;
use crate::support::mariadb::{Database, administrator, shared_server};
use crate::support::{Host, Vpid, call, insert, stays, wait_until};

const HITS: &str = r#"
[query.hit]
steps = ["INSERT INTO hits VALUES (:n)", "SELECT COUNT(*) FROM hits"]
params = { n = "integer" }
returns = "value"

[query.hits]
sql = "SELECT COUNT(*) FROM hits"
returns = "value"
"#;

/// With a table for these queries.
fn with_hits(database: Database) -> Database {
    database.execute("CREATE TABLE hits (n INTEGER)");
    database
}

fn hits(host: &mut Host) -> Value {
    host.ask("VPI_SQL_hits", Value::Null)
}

fn unavailable(function: &str) -> String {
    format!("[VPI ERROR] ({function}) :: DatabaseUnavailable")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_outage_of_one_database_does_not_disturb_the_other() {
    let mut server = Server::start();
    let stats = with_hits(Database::on(&server));
    let queries = HITS.replace("]\ns", "]\ndatabase = \"stats\"\ns");
    let mut vpid = Vpid::new()
        .setting("call_deadline_ms = 700")
        .queries(&format!("[database.stats]\n{}{queries}", stats.lines()))
        .with_numbers();
    vpid.start();
    let mut host = vpid.host("red");
    assert_eq!(host.ask("VPI_SQL_hit", json!({"n": 1})), 1);
    assert_eq!(hits(&mut host), 1);
    server.kill();
    let waiting = host.send(&[call("VPI_SQL_hit", json!({"n": 2}))]).unwrap();
    let tokens = host.send(&[insert(1), insert(2)]).unwrap();
    let first = host.all_answers(&tokens);
    assert!(!first.contains_key(&waiting[0]), "{first:?}");
    assert_eq!(host.answers(&waiting), [unavailable("VPI_SQL_hit")]);
    assert_eq!(hits(&mut host), json!(unavailable("VPI_SQL_hits")));
    vpid.wait_for_log("database stats (MySQL ");
    assert_eq!(vpid.numbers(), [1, 2]);
    host.tell("VPI_SQL_hit", json!({"n": 3}));
    server.restart();
    vpid.wait_for_log("is back after");
    wait_until("the call that waited ran", || hits(&mut host) == 2);
    assert_eq!(stats.query::<i64>("SELECT n FROM hits ORDER BY n"), [1, 3]);
}

#[test]
fn a_start_without_the_database_serves_and_tries_the_queries_when_it_is_back() {
    let mut server = Server::start();
    let database = with_hits(Database::on(&server));
    let wrong = "[query.wrong]\nsql = \"SELECT nothing FROM hits\"\n";
    server.kill();
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 500")
        .on(&database)
        .queries(&format!("{HITS}{wrong}"))
        .started();
    let log = vpid.log();
    assert!(
        log.contains("is unavailable: the queries on it are tested when it is available again"),
        "{log}"
    );
    assert!(log.contains("check that the server runs"), "{log}");
    let mut host = vpid.host("red");
    host.ping();
    assert_eq!(hits(&mut host), json!(unavailable("VPI_SQL_hits")));
    host.tell("VPI_SQL_hit", json!({"n": 1}));
    assert!(!vpid.log().contains("query.wrong"));
    server.restart();
    vpid.wait_for_log("is back after");
    wait_until("the query that waited ran", || hits(&mut host) == 1);
    vpid.wait_for_log("calls of these queries fail until they are corrected");
    let log = vpid.log();
    let line = log.lines().find(|line| line.contains("query.wrong.sql"));
    assert!(line.is_some_and(|line| line.contains("nothing")), "{log}");
    let answer = host.ask("VPI_SQL_wrong", Value::Null);
    assert!(answer.as_str().unwrap().contains("nothing"), "{answer}");
}

/// Who is logged in to a database, and from where.
fn sessions(database: &Database) -> Vec<(String, String)> {
    database.query(&format!(
        "SELECT user, host FROM information_schema.processlist \
         WHERE db = '{}' AND id <> CONNECTION_ID()",
        database.name
    ))
}

fn user(name: &str, database: &Database, rights: &str) {
    let Database { name: place, .. } = database;
    let mut server = administrator(shared_server());
    for host in ["localhost", "127.0.0.1"] {
        let make = format!("CREATE USER '{name}'@'{host}' IDENTIFIED BY 'its own password'");
        server.query_drop(make).unwrap();
        let grant = format!("GRANT {rights} ON {place}.* TO '{name}'@'{host}'");
        server.query_drop(grant).unwrap();
    }
}

#[test]
fn variables_and_options_of_upstream_lead_to_the_server_by_tcp() {
    let port = shared_server().port().to_string();
    let database = with_hits(Database::shared());
    let vpid = || {
        Vpid::new()
            .database_line("type = \"mysql\"")
            .queries(HITS)
            .variable("VPI_HOST", "127.0.0.1")
            .variable("VPI_PORT", &port)
            .variable("VPI_PASSWORD", "its own password")
    };
    let variables = format!("v_{}", database.name);
    user(&variables, &database, "ALL");
    let first = vpid()
        .variable("VPI_USER", &variables)
        .variable("VPI_INTERFACE", &database.name)
        .started();
    let mut host = first.host("red");
    assert_eq!(host.ask("VPI_SQL_hit", json!({"n": 1})), 1);
    let mut found = sessions(&database);
    found.dedup_by(|a, b| a.0 == b.0);
    let [(name, from)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(name, &variables);
    assert!(from.starts_with("127.0.0.1:"), "{from}");
    drop(first);

    // An option wins over a variable.
    let second = vpid()
        .variable("VPI_USER", "nobody")
        .variable("VPI_INTERFACE", "nothing")
        .variable("VPI_PASSWORD", "hunter2")
        .options(&["-u", USER, "-db", &database.name, "--password", PASSWORD])
        .started();
    let mut host = second.host("red");
    assert_eq!(host.ask("VPI_SQL_hit", json!({"n": 2})), 2);
    let found = sessions(&database);
    assert!(found.iter().any(|(name, _)| name == USER), "{found:?}");
    assert!(!second.log().contains(PASSWORD), "{}", second.log());
}

#[test]
fn a_wrong_password_is_an_outage_until_it_is_right() {
    let database = with_hits(Database::shared());
    let name = format!("p_{}", database.name);
    user(&name, &database, "ALL");
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 400")
        .database_line(&database.lines_as(&name, "hunter2"))
        .queries(HITS)
        .started();
    let mut host = vpid.host("red");
    host.ping();
    assert_eq!(hits(&mut host), json!(unavailable("VPI_SQL_hits")));
    let log = vpid.log();
    let said = log.lines().find(|line| line.contains("cannot be used"));
    let said = said.unwrap_or_else(|| panic!("{log}"));
    for part in ["Access denied", &name, "check user and password"] {
        assert!(said.contains(part), "{said}");
    }
    let change = format!("SET PASSWORD FOR '{name}'@'localhost' = PASSWORD('hunter2')");
    administrator(shared_server()).query_drop(change).unwrap();
    vpid.wait_for_log("is back after");
    wait_until("queries work", || hits(&mut host) == 0);
    assert!(!vpid.log().contains("hunter2"), "{}", vpid.log());
}

#[test]
fn a_reload_with_a_wrong_query_keeps_the_old_ones() {
    let database = with_hits(Database::shared());
    let vpid = Vpid::new().on(&database).queries(HITS).started();
    let mut host = vpid.host("red");
    assert_eq!(host.ask("VPI_SQL_hit", json!({"n": 1})), 1);
    let vpid = vpid.queries(&HITS.replace("COUNT(*) FROM", "COUNT(*) + x FROM"));
    vpid.reload();
    vpid.wait_for_log("the old one stays in force");
    let log = vpid.log();
    let line = log.lines().find(|line| line.contains("query.hits.sql"));
    assert!(
        line.is_some_and(|line| line.contains("Unknown column 'x'")),
        "{log}"
    );
    assert_eq!(hits(&mut host), 1);
    let vpid = vpid.queries(&HITS.replace("COUNT(*) FROM", "COUNT(*) + 10 FROM"));
    vpid.reload();
    vpid.wait_for_log("the configuration was reloaded");
    assert_eq!(hits(&mut host), 11);
}

/// What check says of `[database]`, and its exit code.
#[track_caller]
fn check(lines: &str, queries: &str) -> (Option<i32>, String) {
    let vpid = Vpid::new().database_line(lines).queries(queries);
    let output = vpid.command(&["check"]);
    let said = out(&output);
    assert!(!said.contains("hunter2") && !said.contains(PASSWORD));
    (output.status.code(), said)
}

#[test]
fn check_says_whether_the_database_is_good_and_what_to_do() {
    let database = with_hits(Database::shared());
    let lines = database.lines();
    let (code, said) = check(&lines, HITS);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("can be written (MariaDB "), "{said}");
    let tables = database.query::<String>("SHOW TABLES");
    assert_eq!(tables, ["hits"], "check left something behind");

    let name = format!("r_{}", database.name);
    user(&name, &database, "SELECT");
    let nowhere = format!("'not_{}'", database.name);
    for (lines, wanted) in [
        (
            database.lines_as(USER, "hunter2"),
            ["Access denied for user", "check user and password"],
        ),
        (
            lines.replace(&format!("'{}'", database.name), &nowhere),
            ["Unknown database", "create it (CREATE DATABASE)"],
        ),
        (
            database.lines_as(&name, "its own password"),
            ["command denied to user", "(GRANT ALL ON it)"],
        ),
        (
            lines.replace("/s'", "/nowhere'"),
            ["No such file", "check that the server runs"],
        ),
    ] {
        let (code, said) = check(&lines, HITS);
        assert_eq!(code, Some(1), "{said}");
        let line = said.lines().find(|line| line.starts_with("bad"));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        for part in wanted {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let (code, said) = check(&lines, &HITS.replace("hits VALUES", "hitz VALUES"));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("query.hit.steps") && said.contains("hitz"),
        "{said}"
    );
}

#[test]
fn an_idle_vpid_with_open_connections_costs_next_to_nothing() {
    let database = Database::shared();
    let vpid = Vpid::new()
        .permission("raw_sql = [\"test.nut\"]")
        .on(&database)
        .with_numbers()
        .started();
    let stays_idle = |how_long: Duration| {
        let (before, _) = cost(vpid.pid());
        stays("an idle vpid", how_long, || {
            cost(vpid.pid()).0 - before <= 2
        });
    };
    stays_idle(Duration::from_millis(500));
    // As many reads at once as there may be, and a write beside them.
    let (mut reader, mut writer) = (vpid.host("reader"), vpid.host("writer"));
    let reads = vec![call("VPI_DB_RawExecute", json!({"query": "SELECT SLEEP(1)"})); 3];
    let reading = reader.send(&reads).unwrap();
    let sleeps = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND state = 'User sleep'",
        database.name
    );
    wait_until("three are read", || database.query::<i64>(&sleeps) == [3]);
    let values = json!({"table": "user_test_numbers", "values": [1]});
    assert_eq!(writer.ask("VPI_DB_UserInsert", values), 1);
    reader.answers(&reading);
    vpid.at_rest();
    stays_idle(Duration::from_secs(2));
    assert_eq!(sessions(&database).len(), MYSQL_POOL_DEFAULT);
    // Beside this, a resident 5 MB of the program's own code in a build for use.
    let (_, own) = cost(vpid.pid());
    assert!(own < 5_000_000, "{own} bytes");
}
