//! The lane on a good day: answers, isolation between calls, and what raw SQL may not do.

mod check;
mod engine;
mod outage;
mod queries;
mod schema;
pub(super) mod stock;
pub(super) mod story;
mod stuck;
pub(super) mod support;

use super::HostStates;
use crate::jobs::{Caller, HostId};
use crate::limits::{SQL_ANSWER_BYTES_MAX, SQL_HOST_STATES_MAX};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::{ALL, Desk, ENDLESS, ENDLESS_WRITE, FILE, call, insert, raw};

#[test]
fn a_failing_call_undoes_itself_alone() {
    let mut desk = Desk::new();
    desk.submit(vec![
        insert(0, 1),
        // The first row of this one is fine, and must not stand.
        call(
            1,
            "Insert",
            r#"{"table": "user_x_t", "values": [[2, 0], [1, 0]]}"#,
        ),
        raw(2, "INSERT OR FAIL INTO user_x_t VALUES (3, 0), (1, 0)"),
        call(3, "Select", r#"{"table": "user_x_nowhere"}"#),
        call(
            4,
            "Select",
            r#"{"table": "user_x_t", "columns": ["nowhere"]}"#,
        ),
        insert(5, 4),
    ]);
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    assert_eq!(desk.reason(1), "IntegrityError");
    assert_eq!(desk.reason(2), "IntegrityError");
    let error = desk.answer(3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "OperationalError: no such table: user_x_nowhere"
    );
    assert_eq!(
        desk.reason(4),
        "OperationalError",
        "a misspelt column is no text"
    );
    assert_eq!(desk.answer(5).as_deref(), Ok("1"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0],[4,0]]"));
}

#[test]
fn a_call_that_breaks_the_transaction_is_left_out_and_the_rest_runs_once() {
    let mut desk = Desk::new();
    desk.submit(vec![
        insert(0, 1),
        raw(1, "INSERT OR ROLLBACK INTO user_x_t VALUES (1, 0)"),
        insert(2, 2),
        raw(3, "INSERT OR ROLLBACK INTO user_x_t VALUES (2, 0)"),
        raw(4, "UPDATE user_x_t SET wins = wins + 1"),
    ]);
    assert_eq!(desk.reason(1), "IntegrityError");
    assert_eq!(desk.reason(3), "IntegrityError");
    for index in [0, 2] {
        assert_eq!(desk.answer(index).as_deref(), Ok("1"));
    }
    assert_eq!(desk.answer(4).as_deref(), Ok("[]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1],[2,1]]"));
}

#[test]
fn an_endless_query_is_interrupted_and_its_neighbours_run_once() {
    for endless in [ENDLESS, ENDLESS_WRITE] {
        let mut desk = Desk::new();
        let mut culprit = raw(1, endless);
        culprit.deadline_ms = desk.in_ms(200);
        let mut before = insert(0, 1);
        before.deadline_ms = desk.in_ms(200);
        desk.submit(vec![
            before,
            culprit,
            raw(2, "UPDATE user_x_t SET wins = wins + 1"),
        ]);
        assert_eq!(desk.reason(1), "DeadlineExceeded", "{endless}");
        assert_eq!(
            desk.answer(0).as_deref(),
            Ok("1"),
            "it ran in time the first time"
        );
        assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
        assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1]]"));
    }
}

#[test]
fn a_call_whose_time_is_up_is_not_run() {
    let mut desk = Desk::new();
    let mut late = insert(0, 1);
    late.deadline_ms = Some(0);
    desk.submit(vec![late]);
    assert_eq!(desk.reason(0), "DeadlineExceeded");
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
}

#[test]
fn a_recovered_call_is_answered_from_the_journal() {
    let mut desk = Desk::new();
    let count = "UPDATE user_x_t SET wins = wins + 1 RETURNING wins";
    desk.submit(vec![insert(0, 1), raw(1, count)]);
    assert_eq!(desk.answer(1).as_deref(), Ok("[[1]]"));
    assert!(desk.stop());

    desk.seen.clear();
    desk.start();
    let mut again = raw(1, count);
    again.recovered = true;
    let mut never_ran = raw(2, count);
    never_ran.recovered = true;
    desk.submit(vec![again, never_ran]);
    assert_eq!(desk.answer(1).as_deref(), Ok("[[1]]"), "as the first time");
    assert_eq!(desk.answer(2).as_deref(), Ok("[[2]]"), "it had not run");
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
    desk.answer(1).unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'vpid_journal'";
    let exists: i64 = desk
        .outside()
        .query_row(tables, [], |row| row.get(0))
        .unwrap();
    assert_eq!(exists, 0, "reading creates no journal");
    desk.submit(vec![insert(2, 1), insert(3, 1), call(4, "Select", ALL)]);
    desk.answer(4).unwrap();
    let row = "SELECT group_concat(file || ' ' || position || ' ' || answer) FROM vpid_journal";
    let rows: String = desk.outside().query_row(row, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, format!("{FILE} 2 1"));
}

#[test]
fn raw_queries_cannot_leave_their_transaction_or_touch_the_journal() {
    let mut desk = Desk::new();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    for query in [
        "COMMIT",
        "/* vpid */ COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SAVEPOINT a",
        "RELEASE job",
        "ROLLBACK TO job",
        "ATTACH 'elsewhere.db' AS e",
        "DETACH main",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA synchronous = OFF",
        "PRAGMA user_version = 7",
        "PRAGMA writable_schema = ON",
        "PRAGMA table_xinfo(user_x_t)",
        "SELECT * FROM vpid_journal",
        "SELECT count(*) FROM VPID_JOURNAL",
        "DELETE FROM main.vpid_journal",
        "UPDATE vpid_journal SET answer = 'x'",
        "INSERT INTO vpid_journal VALUES (1, 1, 'x')",
        "DROP TABLE vpid_journal",
        "CREATE INDEX i ON vpid_journal(answer)",
        "CREATE TRIGGER g AFTER INSERT ON vpid_journal BEGIN SELECT 1; END",
        "ALTER TABLE vpid_journal RENAME TO user_x_j",
        "ALTER TABLE user_x_t RENAME TO vpid_more",
        "CREATE TABLE vpid_more(x)",
        "CREATE TEMP TABLE vpid_journal(file, position, answer)",
        "SELECT load_extension('x.so')",
    ] {
        let error = desk.ask_raw(query).unwrap_err();
        assert_eq!(error.reason, "PermissionError", "{query}: {error}");
    }
    // Allowed to stand, but of no use.
    desk.ask_raw("CREATE VIEW user_x_v AS SELECT * FROM vpid_journal")
        .ok();
    assert_eq!(
        desk.ask_raw("SELECT * FROM user_x_v").unwrap_err().reason,
        "PermissionError"
    );
    desk.ask_raw("CREATE TRIGGER g AFTER UPDATE ON user_x_t BEGIN DELETE FROM vpid_journal; END")
        .ok();
    let error = desk.ask_raw("UPDATE user_x_t SET wins = 1").unwrap_err();
    assert_eq!(error.reason, "PermissionError", "{error}");
    let error = desk
        .ask_raw("UPDATE sqlite_master SET sql = ''")
        .unwrap_err();
    assert_eq!(error.reason, "OperationalError", "{error}");
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0]]"));
}

#[test]
fn raw_queries_come_one_at_a_time_and_with_all_their_values() {
    let mut desk = Desk::new();
    for (query, reason) in [
        ("SELECT 1; SELECT 2", "ValueError"),
        ("SELECT ?", "ValueError"),
        ("SELEKT 1", "OperationalError"),
        ("VACUUM", "OperationalError"),
    ] {
        assert_eq!(desk.ask_raw(query).unwrap_err().reason, reason, "{query}");
    }
    let vacuum = desk.ask_raw("VACUUM").unwrap_err();
    assert!(vacuum.detail.contains("another program"), "{vacuum}");
    for nothing in ["-- nothing", "", " ; /* nothing */ "] {
        assert_eq!(desk.ask_raw(nothing).as_deref(), Ok("[]"), "{nothing:?}");
    }
    assert_eq!(desk.ask_raw("SELECT 1;").as_deref(), Ok("[[1]]"));
    assert_eq!(desk.ask_raw("PRAGMA user_version").as_deref(), Ok("[[0]]"));
    assert!(
        desk.ask_raw("PRAGMA table_info(user_x_t)")
            .unwrap()
            .starts_with("[[0,\"id\"")
    );
}

#[test]
fn an_answer_that_is_too_long_is_refused_and_its_writing_undone() {
    let mut desk = Desk::new();
    let rows = SQL_ANSWER_BYTES_MAX;
    let many = format!(
        "INSERT INTO user_x_t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
         LIMIT {rows}) SELECT i, 0 FROM n RETURNING id"
    );
    let error = desk.ask_raw(&many).unwrap_err();
    assert_eq!(error.to_string(), "Response size exceeds maximum");
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
}

#[test]
fn an_exploding_expression_meets_the_memory_bound() {
    let mut desk = Desk::new();
    let mut text = "'aaaaaaaaaaaaaaaa'".to_owned();
    for _ in 0..6 {
        text = format!("REPLACE({text}, 'a', 'aaaaaaaaaaaaaaaa')");
    }
    let kwargs = serde_json::json!({"table": "user_x_t", "columns": [format!("LENGTH({text})")]});
    desk.submit(vec![insert(0, 1)]);
    assert_eq!(
        desk.ask("Select", &kwargs.to_string()).unwrap_err().reason,
        "OperationalError"
    );
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0]]"));
}

#[test]
fn the_file_is_private_and_keeps_a_write_ahead_log() {
    let mut desk = Desk::before_start().started();
    desk.ask_raw("CREATE TABLE user_x_t(id)").unwrap();
    let mode = std::fs::metadata(desk.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log: String = desk
        .outside()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(log, "wal");
}

#[test]
fn stop_finishes_what_was_submitted() {
    let mut desk = Desk::new();
    desk.submit(
        (0..5_000)
            .map(|index| insert(index, i64::from(index)))
            .collect(),
    );
    assert!(desk.stop());
    for index in 0..5_000 {
        assert_eq!(desk.answer(index).as_deref(), Ok("1"));
    }
}

#[test]
fn stop_does_not_wait_for_ever() {
    let mut desk = Desk::new();
    desk.submit(vec![insert(0, 1), raw(1, ENDLESS_WRITE)]);
    assert!(!desk.stop_within(Duration::from_millis(50)));
    assert!(desk.ends_silently());
    let count = "SELECT count(*) FROM user_x_t";
    let rows: i64 = desk
        .outside()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0, "what was not answered does not stand");
}

#[test]
fn hosts_have_states_of_their_own_and_the_oldest_goes() {
    let mut states = HostStates::default();
    let host = |number| Caller::Host(HostId(number));
    for number in 0..=SQL_HOST_STATES_MAX as u32 {
        states.set(host(number), u64::from(number) + 7);
    }
    assert_eq!(
        (
            states.get(host(0)),
            states.get(host(1)),
            states.get(host(2))
        ),
        (0, 8, 9)
    );
    states.set(host(1), 0);
    assert_eq!(
        (states.get(host(1)), states.states.len()),
        (0, SQL_HOST_STATES_MAX - 1)
    );
}
