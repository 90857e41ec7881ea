//! The lane on a good day, on a real server: answers, types, and what raw SQL may not do.

mod limits;
mod meaning;
mod order;
mod outage;
mod prepare;
pub(in crate::io::sql) mod proxy;
pub(in crate::io::sql) mod support;
mod types;

use super::super::tests::story;
use super::super::tests::support::{ALL, FILE, call, insert, raw};
use crate::jobs::Job;
use crate::limits::SQL_ANSWER_BYTES_MAX;
use crate::sql::{Query, Quoting, Returns, SqlCall, Template};
use mysql::prelude::Queryable;
use std::sync::Arc;
use support::{Desk, numbers, recovered};

/// A call of a query of the owner's without parameters.
pub(super) fn query(index: u32, returns: Returns, steps: &[&str]) -> Job {
    let steps = steps
        .iter()
        .map(|step| Template::parse(step, Quoting::Mysql, &[]).unwrap());
    let query = Query {
        name: "q".to_owned(),
        database: 0,
        steps: steps.collect(),
        params: Vec::new(),
        returns,
        scripts: None,
        deadline_ms: None,
    };
    let mut job = raw(index, "SELECT 1");
    job.call = SqlCall::Query {
        query: Arc::new(query),
        values: Vec::new(),
    };
    job
}

#[test]
fn the_functions_answer_as_on_sqlite() {
    let mut desk = Desk::new();
    story::play(|function, kwargs| desk.ask(function, kwargs));
    desk.stop();
    desk.settings.pool = 1;
    desk.start();
    desk.outside().query_drop("DELETE FROM user_x_t").unwrap();
    desk.outside()
        .query_drop("ALTER TABLE user_x_t AUTO_INCREMENT = 1")
        .unwrap();
    story::play(|function, kwargs| desk.ask(function, kwargs));
}

#[test]
fn a_failing_call_undoes_itself_alone() {
    let mut desk = Desk::new();
    let twice = r#"{"table": "user_x_t", "values": [[2, 0], [1, 0]]}"#;
    desk.submit(vec![
        insert(0, 1),
        // The first row of this one is fine, and must not stand.
        call(1, "Insert", twice),
        query(
            2,
            Returns::Count,
            &[
                "INSERT INTO user_x_t VALUES (3, 0)",
                "INSERT INTO user_x_t VALUES (1, 0)",
            ],
        ),
        raw(3, "SELECT * FROM user_x_nowhere"),
        insert(5, 4),
    ]);
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    assert_eq!(desk.reason(1), "IntegrityError");
    assert_eq!(desk.reason(2), "IntegrityError");
    let error = desk.answer(3).unwrap_err().to_string();
    assert!(error.starts_with("ProgrammingError: Table "), "{error}");
    assert_eq!(desk.answer(5).as_deref(), Ok("1"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0],[4,0]]"));
}

#[test]
fn queries_are_answered_as_they_promise() {
    let mut desk = Desk::new();
    let fill = &[
        "INSERT INTO user_x_t VALUES (1, 5), (2, 6)",
        "UPDATE user_x_t SET wins = 7 WHERE id = 2",
    ];
    let all = &["SELECT id, wins AS w FROM user_x_t ORDER BY id"];
    let none = &["SELECT id FROM user_x_t WHERE id = 9"];
    for (returns, steps, answer) in [
        (Returns::Count, &fill[..], "3"),
        (Returns::Rows, &all[..], "[[1,5],[2,7]]"),
        (
            Returns::Objects,
            &all[..],
            r#"[{"id":1,"w":5},{"id":2,"w":7}]"#,
        ),
        (Returns::Row, &all[..], "[1,5]"),
        (Returns::Value, &all[..], "1"),
        (Returns::Row, &none[..], "null"),
        (Returns::Value, &none[..], "null"),
        (Returns::Objects, &none[..], "[]"),
        (Returns::Nothing, &["DELETE FROM user_x_t"][..], "null"),
        (Returns::Value, &["SELECT @a := 4, @`b c` := 5"][..], "4"),
    ] {
        let answered = desk.ask_job(query(0, returns, steps));
        assert_eq!(answered.as_deref(), Ok(answer), "{steps:?}");
    }
    let rows = |count| format!("SELECT seq FROM {}", numbers(count));
    let many = query(0, Returns::Rows, &[&rows(1_001)]);
    let error = desk.ask_job(many).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TooManyRows: more than 1000 rows; add a LIMIT"
    );
    let enough = query(0, Returns::Rows, &[&rows(1_000)]);
    assert!(desk.ask_job(enough).is_ok());
}

#[test]
fn what_leaves_its_transaction_or_touches_the_journal_is_refused() {
    let mut desk = Desk::new();
    for text in [
        "COMMIT",
        "SET autocommit = 0",
        "SELECT * FROM vpid_journal",
        "/*! SELECT 1 */",
    ] {
        assert_eq!(
            desk.ask_raw(text).unwrap_err().reason,
            "PermissionError",
            "{text}"
        );
    }
    let own = call(0, "Select", r#"{"table": "user_x_t"}"#);
    assert!(desk.ask_job(own).is_ok());
}

#[test]
fn raw_queries_come_one_at_a_time_and_with_all_their_values() {
    let mut desk = Desk::new();
    for (text, reason) in [
        ("SELECT 1; SELECT 2", "ProgrammingError"),
        ("SHOW TABLES; DROP TABLE user_x_t", "ProgrammingError"),
        ("SELECT ?", "ValueError"),
        ("SELECT :x", "ValueError"),
        ("SELECT nowhere", "OperationalError"),
    ] {
        assert_eq!(desk.ask_raw(text).unwrap_err().reason, reason, "{text}");
    }
    let error = desk.ask_raw("SELECT ?").unwrap_err();
    assert_eq!(
        error.detail,
        "the query has 1 placeholders, format has 0 values"
    );
    let error = desk
        .ask_raw("SHOW TABLES; DROP TABLE user_x_t;")
        .unwrap_err();
    assert!(error.detail.ends_with("make a call of each)"), "{error}");
    let error = super::statement::unfit(0, 1, "SELECT '%s'");
    assert!(
        error
            .detail
            .ends_with("leave out the quotes around a placeholder"),
        "{error}"
    );
    let error = desk.ask_raw("SHOW TABLS;").unwrap_err();
    assert!(!error.detail.contains("a call of each"), "{error}");
    assert_eq!(desk.ask_raw("SELECT 1;").as_deref(), Ok("[[1]]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
}

#[test]
fn what_seems_to_read_and_writes_is_run_as_a_write() {
    let mut desk = Desk::new();
    let function = "CREATE FUNCTION user_x_f() RETURNS INT MODIFIES SQL DATA \
         BEGIN INSERT INTO user_x_t VALUES (NULL, 1); RETURN 5; END";
    desk.outside().query_drop(function).unwrap();
    assert_eq!(desk.ask_raw("SELECT user_x_f()").as_deref(), Ok("[[5]]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1]]"));
    assert_eq!(desk.query::<u32>("SELECT COUNT(*) FROM vpid_journal"), [1]);
}

#[test]
fn an_answer_that_is_too_long_is_refused() {
    let mut desk = Desk::new();
    let many = format!("SELECT seq FROM {}", numbers(SQL_ANSWER_BYTES_MAX));
    let large = "SELECT REPEAT('a', 100000)";
    let huge = format!("SELECT REPEAT('a', 10000000) FROM {}", numbers(10_000));
    for text in [many.as_str(), large, &huge] {
        let error = desk.ask_raw(text).unwrap_err();
        assert_eq!(error.to_string(), "Response size exceeds maximum", "{text}");
    }
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
}

#[test]
fn what_wrote_and_answers_too_much_is_undone() {
    // Only MariaDB has statements that do both.
    if test_mariadb::is_another() {
        return;
    }
    let mut desk = Desk::new();
    // So much that the rest is read, and so much that the connection is given up.
    let some = "INSERT INTO user_x_t SELECT seq, 0 FROM seq_10_to_15000 RETURNING id";
    let more = "INSERT INTO user_x_t SELECT seq, 0 FROM seq_10_to_30000 RETURNING id";
    let steps = &["INSERT INTO user_x_t VALUES (5, 5)", some];
    desk.submit(vec![
        insert(0, 1),
        raw(1, some),
        insert(2, 2),
        raw(3, more),
        query(4, Returns::Rows, steps),
    ]);
    for index in [0, 2] {
        assert_eq!(desk.answer(index).as_deref(), Ok("1"));
    }
    for index in [1, 3] {
        let error = desk.answer(index).unwrap_err();
        assert_eq!(error.to_string(), "Response size exceeds maximum");
    }
    assert_eq!(desk.reason(4), "TooManyRows");
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0],[2,0]]"));
}

#[test]
fn a_recovered_call_is_answered_from_the_journal() {
    let mut desk = Desk::new();
    let count = "UPDATE user_x_t SET wins = wins + 1";
    desk.submit(vec![insert(0, 1), raw(1, count)]);
    assert_eq!(desk.answer(1).as_deref(), Ok("[]"));
    assert!(desk.stop());

    desk.seen.clear();
    desk.start();
    desk.submit(vec![
        recovered(raw(1, count)),
        recovered(raw(2, count)),
        recovered(raw(3, "SELECT wins FROM user_x_t")),
    ]);
    desk.answer(1).unwrap();
    desk.answer(2).unwrap();
    assert_eq!(
        desk.answer(3).as_deref(),
        Ok("[[2]]"),
        "only one had not run"
    );
    // What another vpid did under the same number is not ours.
    desk.stop();
    desk.run.instance = 2;
    desk.seen.clear();
    desk.start();
    desk.submit(vec![recovered(raw(1, count))]);
    desk.answer(1).unwrap();
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,3]]"));
}

/// It failed for want of a table that a call behind it has made since: it must not run now.
#[test]
fn that_a_call_of_a_stock_chain_failed_is_known_after_a_restart() {
    let mut desk = Desk::new();
    let mut fails = raw(1, "INSERT INTO user_x_later VALUES (1)");
    fails.notes_failure = true;
    desk.submit(vec![
        fails.clone(),
        raw(2, "CREATE TABLE user_x_later (n INTEGER)"),
    ]);
    let error = desk.answer(1);
    assert!(error.is_err(), "{error:?}");
    assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
    desk.stop();
    desk.seen.clear();
    desk.start();
    fails.recovered = true;
    desk.submit(vec![fails, raw(3, "SELECT count(*) FROM user_x_later")]);
    assert_eq!(desk.answer(1), error);
    assert_eq!(desk.answer(3).as_deref(), Ok("[[0]]"));
}

#[test]
fn the_journal_knows_what_wrote_and_nothing_else() {
    let mut desk = Desk::new();
    desk.submit(vec![call(0, "Select", ALL), raw(1, "SELECT 1")]);
    desk.answer(0).unwrap();
    desk.answer(1).unwrap();
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'vpid_journal' AND table_schema = DATABASE()";
    assert_eq!(desk.query::<u32>(tables), [0], "reading makes no journal");
    desk.submit(vec![insert(2, 1), insert(3, 1), call(4, "Select", ALL)]);
    desk.answer(4).unwrap();
    let rows = "SELECT instance, file, position, answer FROM vpid_journal";
    let rows: Vec<(u64, u64, u32, String)> = desk.query(rows);
    assert_eq!(rows, [(1, FILE, 2, "1".to_owned())]);
}

#[test]
fn what_commits_by_itself_runs_once() {
    let mut desk = Desk::new();
    let create = raw(1, "CREATE TABLE user_x_u (a INT)");
    desk.submit(vec![
        insert(0, 1),
        create.clone(),
        raw(2, "INSERT INTO user_x_u VALUES (1)"),
    ]);
    assert_eq!(desk.answer(1).as_deref(), Ok("[]"));
    assert_eq!(
        desk.answer(2).as_deref(),
        Ok("[]"),
        "in the order of the host"
    );
    let error = desk.ask_raw("CREATE TABLE user_x_u (a INT)").unwrap_err();
    assert_eq!(error.reason, "OperationalError");
    let rows = "SELECT position FROM vpid_journal ORDER BY position";
    assert_eq!(desk.query::<u32>(rows), [0, 1, 2], "what failed has no row");

    // As vpid finds it after it ended in the middle.
    let half = "REPLACE INTO vpid_journal VALUES (1, 1780000000000000, 7, NULL)";
    desk.outside().query_drop(half).unwrap();
    desk.stop();
    desk.seen.clear();
    desk.start();
    desk.submit(vec![
        recovered(create),
        recovered(raw(7, "DROP TABLE user_x_t")),
    ]);
    assert_eq!(desk.answer(1).as_deref(), Ok("[]"), "from the journal");
    assert_eq!(desk.reason(7), "Interrupted");
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0]]"));
    // The session is as it was: what reads cannot write.
    assert_eq!(desk.query::<u32>("SELECT COUNT(*) FROM user_x_u"), [1]);
}
