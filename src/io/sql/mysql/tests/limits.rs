//! What a server allows: fewer connections than the pool has, and so much time.

use super::super::super::tests::support::raw;
use super::support::{Desk, of_host, shared};
use crate::io::sql::{Finding, Preparation};
use crate::jobs::{Caller, HostId, Job};
use crate::sql::{Quoting, Reading, parse};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// A lane whose user may have so many connections at once.
fn limited(connections: u32) -> Desk {
    let mut desk = Desk::on(shared());
    let mut outside = desk.outside();
    outside.query_drop(super::support::TABLE).unwrap();
    let database = desk.settings.database.clone();
    let user = format!("few_{database}");
    for text in [
        format!(
            "CREATE OR REPLACE USER '{user}'@'localhost' IDENTIFIED BY 'secret of vpid' \
             WITH MAX_USER_CONNECTIONS {connections}"
        ),
        format!("GRANT ALL ON {database}.* TO '{user}'@'localhost'"),
    ] {
        outside.query_drop(text).unwrap();
    }
    desk.settings.user = user;
    desk
}

/// A connection of the same user, by another program.
fn another(desk: &Desk) -> Conn {
    let socket = desk.settings.socket.as_ref().unwrap().to_string_lossy();
    let options = OptsBuilder::new()
        .socket(Some(socket))
        .user(Some(desk.settings.user.as_str()))
        .pass(Some(test_mariadb::PASSWORD));
    Conn::new(options).unwrap()
}

/// The warning of `check` about connections.
fn warning(desk: &Desk) -> Option<String> {
    let findings = super::super::check(&desk.settings, &Preparation::default());
    let mut warnings = findings.into_iter().filter_map(|finding| match finding {
        Finding::Warn(text) if text.contains("pool") => Some(text),
        Finding::Bad(what, _) => panic!("{what}"),
        _ => None,
    });
    warnings.next()
}

fn write(index: u32, host: u32) -> Job {
    of_host(host, raw(index, "INSERT INTO user_x_t (wins) VALUES (1)"))
}

#[test]
fn with_fewer_connections_than_the_pool_has_all_calls_are_done_without_an_outage() {
    for connections in 1..=3 {
        let mut desk = limited(connections);
        desk.start();
        let mut waits = Vec::new();
        for round in 0..20 {
            let began = Instant::now();
            let calls = (0..3).flat_map(|host| {
                let index = 100 * round + 2 * host;
                let read = of_host(host, raw(index, "SELECT SLEEP(0.005)"));
                [read, write(index + 1, host)]
            });
            desk.submit(calls.collect());
            for host in 0..3 {
                for index in [0, 1] {
                    let index = 100 * round + 2 * host + index;
                    assert!(desk.answer(index).is_ok(), "{connections}: {index}");
                }
            }
            waits.push(began.elapsed());
        }
        let rows: Vec<u32> = desk.query("SELECT COUNT(*) FROM user_x_t");
        assert_eq!(rows, [60]);
        waits.sort_unstable();
        let median = waits[waits.len() / 2];
        assert!(
            median < Duration::from_millis(800),
            "{connections}: {median:?}"
        );
        assert!(desk.stop());
    }
}

#[test]
fn who_has_no_connection_at_all_waits_for_one() {
    let mut desk = limited(1);
    let taken = another(&desk);
    desk.start();
    desk.submit(vec![write(1, 0)]);
    std::thread::sleep(Duration::from_millis(300));
    drop(taken);
    assert_eq!(desk.answer(1).unwrap(), "[]");
}

#[test]
fn a_statement_is_ended_on_the_server_also_where_its_worker_has_no_second_connection() {
    let mut desk = limited(2);
    desk.start();
    let mut sleeping = raw(1, "SELECT SLEEP(25)");
    sleeping.deadline_ms = desk.in_ms(300);
    let mut other = raw(2, "SELECT SLEEP(1)");
    other.caller = Caller::Host(HostId(1));
    desk.submit(vec![sleeping, other]);
    assert_eq!(desk.reason(1), "DeadlineExceeded");
    assert!(desk.answer(2).is_ok());
    desk.submit(vec![raw(3, "SELECT 7")]);
    assert_eq!(desk.answer(3).unwrap(), "[[7]]");
    desk.until(&format!(
        "SELECT COUNT(*) = 0 FROM information_schema.processlist \
         WHERE user = '{}' AND info LIKE 'SELECT SLEEP(25)%'",
        desk.settings.user
    ));
}

#[test]
fn check_finds_that_the_server_allows_fewer_connections_than_the_pool_has() {
    let mut desk = limited(2);
    let few = warning(&desk).unwrap();
    assert!(few.contains("allows 2 connections"), "{few}");
    assert!(few.contains("set pool = 2"), "{few}");
    desk.settings.pool = 2;
    assert_eq!(warning(&desk), None);
    let others = [0; 2].map(|_| another(&desk));
    let all = warning(&desk).unwrap();
    assert!(
        all.contains("all connections") && all.contains("pool is 2"),
        "{all}"
    );
    drop(others);
}

#[test]
fn the_server_itself_ends_what_runs_longer_than_a_call_may() {
    let mut desk = Desk::new();
    let time = "SELECT @@SESSION.max_statement_time";
    assert_eq!(desk.ask_job(raw(1, time)).unwrap(), "[[35.0]]");
    let mut long = raw(2, time);
    long.limit_ms = 100_000;
    assert_eq!(desk.ask_job(long).unwrap(), "[[105.0]]");
    assert_eq!(desk.ask_job(raw(3, time)).unwrap(), "[[35.0]]");
}

/// A column `x` of a million bytes, `y` of so many, and `s` of 30,000.
fn long_texts(desk: &Desk, y: u32) {
    desk.outside()
        .query_drop(format!(
            "CREATE TABLE user_x_long (x LONGTEXT, y LONGTEXT, s LONGTEXT, n BIGINT); \
             INSERT INTO user_x_long VALUES (REPEAT('a', 1000000), \
             CONCAT(REPEAT('a', {y} - 1), 'b'), REPEAT('a', 30000), 9007199254740993)"
        ))
        .unwrap();
}

fn update(values: &str) -> String {
    format!(
        r#"{{"table": "user_x_long", "values": {{{values}}}, "filter_column": "n",
            "filter_op": ">", "filter_value": 0}}"#
    )
}

#[test]
fn texts_do_not_grow_for_ever() {
    let mut desk = Desk::new();
    long_texts(&desk, 10);
    for grown in [
        "x || x",
        "CONCAT(x, x)",
        "COALESCE(REPLACE(x, 'a', 'aa'), x)",
        "UPPER(x || y || x)",
    ] {
        let error = desk.ask("Update", &update(&format!(r#""x": "{grown}""#)));
        let error = error.unwrap_err();
        assert_eq!(error.reason, "OperationalError", "{grown}");
        assert!(error.detail.contains("1048576"), "{grown}: {error}");
    }
    let lengths: Vec<(u32, u32)> = desk.query("SELECT LENGTH(x), LENGTH(y) FROM user_x_long");
    assert_eq!(lengths, [(1_000_000, 10)]);
    let good = update(
        r#""x": "x || y || NULL", "y": "y || n", "s": "REPLACE(s, 'aa', 'b')",
           "n": "n + LENGTH(CONCAT(s, s))""#,
    );
    assert_eq!(desk.ask("Update", &good).unwrap(), "1");
    type Row = (Option<String>, String, u32, i64);
    let rows: Vec<Row> = desk.query("SELECT x, y, LENGTH(s), n FROM user_x_long");
    let y = "aaaaaaaaab9007199254740993".to_owned();
    assert_eq!(rows, [(None, y, 15_000, 9_007_199_254_740_993 + 60_000)]);
}

#[test]
fn what_replace_and_like_work_on_is_short() {
    let mut desk = Desk::new();
    long_texts(&desk, 300);
    let select = |column: &str| format!(r#"{{"table": "user_x_long", "columns": ["{column}"]}}"#);
    let long = "a".repeat(257);
    for column in [
        "LENGTH(REPLACE(x, 'a', 'bb'))".to_owned(),
        "LENGTH(REPLACE(s || s, 'a', 'bb'))".to_owned(),
        "LENGTH(REPLACE(REPLACE(s, 'a', 'bb'), 'b', 'cc'))".to_owned(),
        "LENGTH(REPLACE(s, y, ''))".to_owned(),
        "LENGTH(REPLACE(s, 'a', y))".to_owned(),
        "LENGTH(REPLACE(s, CONCAT(y, 'c'), ''))".to_owned(),
        format!("LENGTH(REPLACE(s, '{long}', ''))"),
        format!("{}s{}", "REPLACE(".repeat(17), ", 'a', 'b')".repeat(17)),
    ] {
        let began = Instant::now();
        let error = desk.ask("Select", &select(&column)).unwrap_err();
        assert_eq!(error.reason, "OperationalError", "{column}");
        assert!(began.elapsed() < Duration::from_secs(8), "{column}");
    }
    for (column, found) in [
        ("LENGTH(REPLACE(s, SUBSTR(y, 2, 200), 'b'))", "150"),
        (
            "LENGTH(REPLACE(REPLACE(REPLACE(s, 'aa', 'b'), 'b', 'c'), 'cc', y || NULL))",
            "null",
        ),
        (
            "LENGTH(REPLACE(REPLACE(REPLACE(s, 'aa', 'b'), 'bb', 'c'), 'cc', SUBSTR(y, 1, 2)))",
            "7500",
        ),
        ("REPLACE(n, '9', '1')", "\"1007111254740113\""),
    ] {
        let answer = desk.ask("Select", &select(column)).unwrap();
        assert_eq!(answer, format!("[[{found}]]"), "{column}");
    }
    let like = |value: &str| {
        format!(
            r#"{{"table": "user_x_long", "columns": ["n"], "filter_column": "x",
                "filter_op": "LIKE", "filter_value": {value}}}"#
        )
    };
    let mut like = |index, value: &str| {
        let mut job = raw(index, "SELECT 1");
        let kwargs: Map<String, Value> = serde_json::from_str(&like(value)).unwrap();
        job.call = parse(
            "VPI_DB_UserSelect",
            "x.nut",
            &kwargs,
            Reading::Signed,
            Quoting::Mysql,
        )
        .unwrap();
        desk.ask_job(job)
    };
    for (index, pattern) in [format!("\"%{long}b\""), r#"{"expr": "y"}"#.to_owned()]
        .iter()
        .enumerate()
    {
        let error = like(index as u32, pattern).unwrap_err();
        assert_eq!(error.reason, "OperationalError", "{pattern}");
    }
    let of_parts = r#"{"expr": "'%' || SUBSTR(y, 1, 100) || '%'"}"#;
    for (index, pattern) in [(7, r#""%aaa%""#), (8, of_parts)] {
        let found = like(index, pattern).unwrap();
        assert!(found.len() > 10, "{pattern}: {found}");
    }
}

#[test]
fn raw_sql_that_the_server_cannot_interrupt_does_not_take_all_its_processors() {
    let mut desk = Desk::new();
    let slow = "SELECT LENGTH(REPLACE(REPEAT('a', 100000), 'a', 'bb'))";
    let mut refused = 0;
    for index in 0..6 {
        let mut job = raw(index, slow);
        job.deadline_ms = desk.in_ms(200);
        desk.submit(vec![job]);
        let error = desk.answer(index).unwrap_err();
        refused += usize::from(error.detail.contains("no raw SQL begins"));
    }
    assert!(refused >= 3, "{refused}");
    assert_eq!(
        desk.ask("Select", r#"{"table": "user_x_t"}"#).unwrap(),
        "[]"
    );
    desk.until(
        "SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE info LIKE '%100000%' \
         AND id <> CONNECTION_ID()",
    );
    assert_eq!(desk.ask_job(raw(9, "SELECT 7")).unwrap(), "[[7]]");
}
