//! Functions of the configuration: shapes of answers, several statements as one, and bounds.

use super::support::{ALL, Desk, ENDLESS, FILE, ask, insert, query, raw};
use crate::limits::{QUERY_ROWS_MAX, SQL_ANSWER_BYTES_MAX};
use crate::protocol::response_text::Decoder;
use crate::sql::Returns;

/// Rows 1 to 3, with 10, 20 and 30 wins.
fn desk() -> Desk {
    let desk = Desk::before_start();
    let tables = "CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins INTEGER);\
         INSERT INTO user_x_t VALUES (1, 10), (2, 20), (3, 30);";
    desk.outside().execute_batch(tables).unwrap();
    desk.started()
}

#[test]
fn answers_have_the_shape_that_was_wanted() {
    let mut desk = desk();
    let above = "SELECT id, wins AS \"Wins \"\"so far\\\" FROM user_x_t WHERE id > :a ORDER BY id";
    for (returns, sql, some, none) in [
        (Returns::Rows, above, "[[2,20],[3,30]]", "[]"),
        (
            Returns::Objects,
            above,
            r#"[{"id":2,"Wins \"so far\\ ":20},{"id":3,"Wins \"so far\\ ":30}]"#,
            "[]",
        ),
        (Returns::Row, above, "[2,20]", "null"),
        (Returns::Value, above, "2", "null"),
        (
            Returns::Value,
            "SELECT NULL FROM user_x_t WHERE id > :a",
            "null",
            "null",
        ),
        (
            Returns::Count,
            "UPDATE user_x_t SET wins = wins WHERE id > :a",
            "2",
            "0",
        ),
        (
            Returns::Count,
            "UPDATE user_x_t SET wins = wins WHERE id > :a RETURNING id",
            "2",
            "0",
        ),
        (
            Returns::Count,
            "SELECT id FROM user_x_t WHERE id > :a",
            "0",
            "0",
        ),
        (
            Returns::Proposed(7),
            "UPDATE user_x_t SET wins = wins WHERE id > :a",
            "7",
            "7",
        ),
        (
            Returns::Nothing,
            "UPDATE user_x_t SET wins = wins WHERE id > :a",
            "null",
            "null",
        ),
        (
            Returns::Row,
            "UPDATE user_x_t SET wins = wins WHERE id > :a RETURNING id, wins",
            "[2,20]",
            "null",
        ),
    ] {
        let query = query("q", returns, &[sql]);
        assert_eq!(desk.ask_query(&query, 1, 0).as_deref(), Ok(some), "{sql}");
        assert_eq!(desk.ask_query(&query, 3, 0).as_deref(), Ok(none), "{sql}");
    }
}

#[test]
fn names_are_written_for_the_decoder_that_reads_them() {
    let mut desk = desk();
    let query = query("q", Returns::Objects, &["SELECT 1 AS \"a\\\""]);
    let mut own = ask(0, &query, 0, 0);
    own.decoder = Decoder::Own;
    desk.submit(vec![own]);
    assert_eq!(desk.answer(0).as_deref(), Ok(r#"[{"a\\":1}]"#));
}

#[test]
fn a_row_that_is_read_alone_is_not_all_that_is_written() {
    let mut desk = desk();
    let all = "UPDATE user_x_t SET wins = wins + 1 RETURNING wins";
    let query = query("q", Returns::Value, &[all]);
    assert_eq!(desk.ask_query(&query, 0, 0).as_deref(), Ok("11"));
    assert_eq!(
        desk.ask("Select", ALL).as_deref(),
        Ok("[[1,11],[2,21],[3,31]]")
    );
}

#[test]
fn values_go_where_their_names_stand() {
    let mut desk = desk();
    let sql = "SELECT :b, ':a', :a, :b -- :a";
    let query = query("q", Returns::Row, &[sql]);
    assert_eq!(
        desk.ask_query(&query, 1, 2).as_deref(),
        Ok("[2,\":a\",1,2]")
    );
}

#[test]
fn steps_are_one_and_count_together() {
    let mut desk = desk();
    let swap = query(
        "give",
        Returns::Count,
        &[
            "UPDATE user_x_t SET wins = wins - :b WHERE id = :a",
            "CREATE TABLE IF NOT EXISTS user_x_log(id)",
            "SELECT 1",
            "INSERT INTO user_x_log VALUES (:a), (:a) RETURNING id",
        ],
    );
    assert_eq!(desk.ask_query(&swap, 1, 4).as_deref(), Ok("3"));
    assert_eq!(desk.ask_query(&swap, 9, 4).as_deref(), Ok("2"));
    let last = query(
        "last",
        Returns::Objects,
        &[
            "DELETE FROM user_x_log",
            "SELECT id, wins FROM user_x_t WHERE id = :a",
        ],
    );
    assert_eq!(
        desk.ask_query(&last, 1, 0).as_deref(),
        Ok(r#"[{"id":1,"wins":6}]"#)
    );
}

#[test]
fn a_step_that_fails_undoes_those_before_it_and_no_other_call() {
    let mut desk = desk();
    let first = "UPDATE user_x_t SET wins = 0";
    for (last, reason) in [
        ("INSERT INTO user_x_t VALUES (:a, 0)", "IntegrityError"),
        (
            "INSERT OR ROLLBACK INTO user_x_t VALUES (:a, 0)",
            "IntegrityError",
        ),
        ("DELETE FROM user_x_nowhere", "OperationalError"),
        ("DELETE FROM vpid_journal", "PermissionError"),
        ("COMMIT", "PermissionError"),
        ("ATTACH 'elsewhere.db' AS e", "PermissionError"),
        ("PRAGMA synchronous = OFF", "PermissionError"),
        ("/* vpid */ COMMIT", "PermissionError"),
        ("SELECT @x", "ValueError"),
    ] {
        let broken = query("q", Returns::Count, &[first, last, first]);
        let index = u32::try_from(desk.seen.len()).unwrap();
        desk.submit(vec![
            raw(index, "UPDATE user_x_t SET wins = wins + 1"),
            ask(index + 1, &broken, 1, 0),
            raw(index + 2, "UPDATE user_x_t SET wins = wins - 1"),
        ]);
        assert_eq!(desk.reason(index + 1), reason, "{last}");
        desk.answer(index).unwrap();
        desk.answer(index + 2).unwrap();
        assert_eq!(
            desk.ask("Select", ALL).as_deref(),
            Ok("[[1,10],[2,20],[3,30]]"),
            "{last}"
        );
    }
}

#[test]
fn a_recovered_query_is_answered_from_the_journal() {
    let mut desk = desk();
    let count = query(
        "count",
        Returns::Value,
        &[
            "UPDATE user_x_t SET wins = wins + :b WHERE id = :a",
            "SELECT wins FROM user_x_t WHERE id = :a",
        ],
    );
    let reads = query("reads", Returns::Value, &["SELECT count(*) FROM user_x_t"]);
    desk.submit(vec![ask(0, &reads, 0, 0), ask(1, &count, 1, 5)]);
    assert_eq!(desk.answer(1).as_deref(), Ok("15"));
    let rows = "SELECT group_concat(file || ' ' || position || ' ' || answer) FROM vpid_journal";
    assert_eq!(desk.value(rows), format!("{FILE} 1 15"));
    assert!(desk.stop());

    desk.seen.clear();
    desk.start();
    desk.submit(vec![insert(2, 4)]);
    let mut again = [ask(0, &reads, 0, 0), ask(1, &count, 1, 5)];
    again.iter_mut().for_each(|job| job.recovered = true);
    desk.submit(again.to_vec());
    assert_eq!(desk.answer(0).as_deref(), Ok("4"), "reading is done anew");
    assert_eq!(desk.answer(1).as_deref(), Ok("15"), "as the first time");
    assert_eq!(
        desk.value("SELECT '' || wins FROM user_x_t WHERE id = 1"),
        "15"
    );
}

#[test]
fn rows_have_a_bound_and_bytes_another() {
    let mut desk = desk();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :a) \
         SELECT i FROM n";
    let rows = query("rows", Returns::Rows, &[numbers]);
    let most = i64::try_from(QUERY_ROWS_MAX).unwrap();
    desk.ask_query(&rows, most, 0).unwrap();
    let error = desk.ask_query(&rows, most + 1, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TooManyRows: more than 1000 rows; add a LIMIT"
    );
    let first = query("first", Returns::Value, &[numbers]);
    assert_eq!(desk.ask_query(&first, most + 1, 0).as_deref(), Ok("1"));
    let raw = numbers.replace(":a", &(most + 1).to_string());
    assert!(desk.ask_raw(&raw).is_ok(), "a raw query has no such bound");

    let long = query("long", Returns::Value, &["SELECT printf('%*c', :a, 'x')"]);
    let most = i64::try_from(SQL_ANSWER_BYTES_MAX).unwrap();
    desk.ask_query(&long, most - 3, 0).unwrap();
    let error = desk.ask_query(&long, most, 0).unwrap_err();
    assert_eq!(error.to_string(), "Response size exceeds maximum");
}

#[test]
fn a_call_has_its_own_limit_for_all_its_steps() {
    let mut desk = desk();
    let endless = query(
        "endless",
        Returns::Value,
        &["UPDATE user_x_t SET wins = 0", ENDLESS],
    );
    let mut job = ask(0, &endless, 0, 0);
    job.limit_ms = 100;
    desk.submit(vec![job, raw(1, "UPDATE user_x_t SET wins = wins + 1")]);
    assert_eq!(desk.reason(0), "DeadlineExceeded");
    desk.answer(1).unwrap();
    assert_eq!(
        desk.ask("Select", ALL).as_deref(),
        Ok("[[1,11],[2,21],[3,31]]")
    );
}

#[test]
fn a_column_that_was_added_is_seen_at_once() {
    let mut desk = desk();
    let all = query(
        "all",
        Returns::Objects,
        &["SELECT * FROM user_x_t WHERE id = :a"],
    );
    desk.ask_query(&all, 1, 0).unwrap();
    desk.ask_raw("ALTER TABLE user_x_t ADD COLUMN losses INTEGER DEFAULT 5")
        .unwrap();
    assert_eq!(
        desk.ask_query(&all, 1, 0).as_deref(),
        Ok(r#"[{"id":1,"wins":10,"losses":5}]"#)
    );
    desk.ask_raw("ALTER TABLE user_x_t DROP COLUMN losses")
        .unwrap();
    assert_eq!(
        desk.ask_query(&all, 1, 0).as_deref(),
        Ok(r#"[{"id":1,"wins":10}]"#)
    );
}
