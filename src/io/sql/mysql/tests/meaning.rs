//! What stock calls mean on a real server: numbers, texts and quotes as `vpi.py` pasted them.

use super::super::super::tests::stock::{COLUMNS, OPS, filter_values, values};
use super::super::super::tests::support::call_on;
use super::support::Desk;
use crate::sql::Quoting;
use mysql::Conn;
use mysql::prelude::Queryable;
use serde_json::{Value, json};
use test_mariadb::Server;

/// Names as players have them, and what only looks like a number.
const FILL: &str = "INSERT INTO user_x_k VALUES (1, '0', 1.5), (2, '12', 0.1), (3, 'bob', 2), \
     (4, '12abc', 0), (5, '012', 0), (6, 'O''Brien', 0), (7, 'a\\\\b', 0), (8, '50%', 0), (9, '500', 0)";
const TABLE: &str =
    "CREATE TABLE user_x_k (id INT PRIMARY KEY, k VARCHAR(20), r DECIMAL(5,2) DEFAULT 7)";

fn desk() -> Desk {
    let desk = Desk::new();
    let mut outside = desk.outside();
    outside.query_drop(TABLE).unwrap();
    outside.query_drop(FILL).unwrap();
    desk
}

fn ask(desk: &mut Desk, function: &str, mut kwargs: Value) -> Result<String, String> {
    kwargs["table"] = json!("user_x_k");
    desk.ask(function, &kwargs.to_string())
        .map_err(|error| error.reason.into_owned())
}

#[test]
fn a_number_in_a_filter_is_compared_with_a_text_as_a_text() {
    let mut desk = desk();
    for (column, value, found) in [
        ("k", json!(0), "[[1]]"),
        ("k", json!(12), "[[2]]"),
        ("k", json!(12.0), "[]"),
        ("id", json!(3), "[[3]]"),
        ("id", json!(3.0), "[[3]]"),
        ("r", json!(0.1), "[[2]]"),
        ("k", json!("O''Brien"), "[[6]]"),
        ("k", json!("O'Brien"), "[[6]]"),
        ("k", json!(r"O\'Brien"), "[[6]]"),
        ("k", json!(r"a\\b"), "[[7]]"),
        ("`k`", json!("bob"), "[[3]]"),
    ] {
        let kwargs = json!({"columns": ["id"], "filter_column": column, "filter_value": value});
        let rows = ask(&mut desk, "Select", kwargs);
        assert_eq!(rows.as_deref(), Ok(found), "{column} {value}");
    }
    let like = |pattern: &str| json!({"columns": ["id"], "filter_column": "k", "filter_op": "LIKE", "filter_value": pattern});
    assert_eq!(
        ask(&mut desk, "Select", like(r"50\%")).as_deref(),
        Ok("[[8]]")
    );
    assert_eq!(
        ask(&mut desk, "Select", like("50%")).as_deref(),
        Ok("[[8],[9]]")
    );
    let update = json!({"values": {"r": "`r` + 1.25"}, "filter_column": "k", "filter_value": 12});
    assert_eq!(ask(&mut desk, "Update", update).as_deref(), Ok("1"));
    let delete = json!({"filter_column": "k", "filter_value": 0});
    assert_eq!(ask(&mut desk, "Delete", delete).as_deref(), Ok("1"));
    let left: Vec<(u32, String)> = desk.query("SELECT id, r FROM user_x_k WHERE id < 3");
    assert_eq!(left, [(2, "1.35".to_owned())]);
}

#[test]
fn values_are_stored_as_the_server_reads_their_literals() {
    let mut desk = desk();
    for (id, value, stored) in [
        (20, json!(r"'a\\b'"), r"a\b"),
        (21, json!(r"'tab\tx'"), "tab\tx"),
        (22, json!(r"'it\'s'"), "it's"),
        (23, json!("\"bob\""), "bob"),
        (24, json!("1.50"), "1.50"),
        (25, json!(1.5), "1.5"),
        (26, json!("LENGTH('ä')"), "2"),
        (27, json!("'a' 'b'"), "ab"),
    ] {
        let kwargs = json!({"values": [id, value, "DEFAULT"]});
        assert_eq!(
            ask(&mut desk, "Insert", kwargs).as_deref(),
            Ok("1"),
            "{value}"
        );
        let query = format!("SELECT k, r FROM user_x_k WHERE id = {id}");
        let rows: Vec<(String, String)> = desk.query(&query);
        assert_eq!(rows, [(stored.to_owned(), "7.00".to_owned())], "{value}");
    }
    let kwargs = json!({"values": {"r": "0.1 + 0.2", "k": "0.1 + 0.2"}, "filter_column": "id", "filter_value": 20});
    assert_eq!(ask(&mut desk, "Update", kwargs).as_deref(), Ok("1"));
    let rows: Vec<(String, String)> = desk.query("SELECT k, r FROM user_x_k WHERE id = 20");
    assert_eq!(rows, [("0.3".to_owned(), "0.30".to_owned())]);
}

#[test]
fn a_server_whose_mode_reads_quotes_otherwise_is_read_so() {
    let server = Server::with_port(&["--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES"]);
    let mut desk = Desk::on(&server);
    let mut outside = desk.outside();
    outside
        .query_drop("CREATE TABLE user_x_k (id INT, k VARCHAR(20), r INT)")
        .unwrap();
    outside
        .query_drop(r"INSERT INTO user_x_k VALUES (1, 'a\\b', 0), (2, 'a\b', 5)")
        .unwrap();
    desk.start();
    let kwargs = json!({"columns": ["\"id\""], "filter_column": "\"k\"", "filter_value": r"a\\b"});
    assert_eq!(ask(&mut desk, "Select", kwargs).as_deref(), Ok("[[1]]"));
    let kwargs = json!({"values": {"k": r"'c:\'", "r": "\"r\" + 1"}, "filter_column": "id", "filter_value": 2});
    assert_eq!(ask(&mut desk, "Update", kwargs).as_deref(), Ok("1"));
    let rows: Vec<(String, u32)> = desk.query("SELECT k, r FROM user_x_k WHERE id = 2");
    assert_eq!(rows, [(r"c:\".to_owned(), 6)]);
    let kwargs = json!({"values": {"k": r"'it\'s'"}, "filter_column": "id", "filter_value": 2});
    let refused = ask(&mut desk, "Update", kwargs);
    assert_eq!(refused.unwrap_err(), "ValueError");
}

#[test]
fn lists_in_format_and_classes_of_errors_are_those_of_pythons_driver() {
    let mut desk = desk();
    let raw = |desk: &mut Desk, query: &str, format: Value| {
        let kwargs = json!({"query": query, "format": format});
        desk.ask_job(call_on(
            Quoting::Mysql,
            0,
            "RawExecute",
            &kwargs.to_string(),
        ))
    };
    let found = raw(
        &mut desk,
        "SELECT id FROM user_x_k WHERE id IN %s AND k <> %s ORDER BY id",
        json!([[1, 2, 3], "bob"]),
    );
    assert_eq!(found.as_deref(), Ok("[[1],[2]]"));
    for (query, class) in [
        ("SELECT * FROM nowhere", "ProgrammingError"),
        ("SELECT FROM user_x_k", "ProgrammingError"),
        ("SELECT nowhere FROM user_x_k", "OperationalError"),
        ("INSERT INTO user_x_k VALUES (1, 'x', 0)", "IntegrityError"),
        (
            "INSERT INTO user_x_k VALUES (NULL, 'x', 0)",
            "IntegrityError",
        ),
        (
            "INSERT INTO user_x_k VALUES (30, REPEAT('x', 21), 0)",
            "DataError",
        ),
        (
            "INSERT INTO user_x_k VALUES (30, 'x', 1234567)",
            "DataError",
        ),
        ("INSERT INTO user_x_k VALUES ('x', 'x', 0)", "DataError"),
        ("SELECT * FROM user_x_k WHERE id IN ()", "ProgrammingError"),
    ] {
        let error = raw(&mut desk, query, json!(null)).unwrap_err();
        assert_eq!(error.reason, class, "{query}: {error}");
    }
}

/// The rows of a filter as `vpi.py` pastes it, as one text.
fn pasted_ids(outside: &mut Conn, condition: &str) -> Result<String, mysql::Error> {
    let text = format!("SELECT id FROM user_x_s WHERE {condition} ORDER BY id");
    let ids: Vec<i64> = outside.query(text)?;
    let ids: Vec<_> = ids.iter().map(|id| format!("[{id}]")).collect();
    Ok(format!("[{}]", ids.join(",")))
}

#[test]
fn a_filter_finds_the_rows_that_the_pasted_one_finds() {
    let mut desk = Desk::new();
    let mut outside = desk.outside();
    outside
        .query_drop("CREATE TABLE user_x_s (id INT PRIMARY KEY, i INT, r DOUBLE, t VARCHAR(20), n DECIMAL(9,3), `key` DATE)")
        .unwrap();
    outside
        .query_drop(
            "INSERT INTO user_x_s VALUES (1, 1, 1.0, '1', 1, NULL), (2, 0, 2.5, 'bob', 2.5, '2026-01-02'), \
             (3, -1, 0.00001, 'O''Brien', 0, NULL), (4, 12, -1, '12abc', 12, NULL), \
             (5, NULL, NULL, NULL, NULL, NULL), (6, 50, 1e20, 'True', 50, NULL)",
        )
        .unwrap();
    // `||` is OR in what is pasted: the manual says so.
    for column in COLUMNS.into_iter().filter(|column| !column.contains('|')) {
        for op in OPS {
            for (value, pasted) in filter_values() {
                let condition = format!("{column} {op} '{pasted}'");
                let theirs = pasted_ids(&mut outside, &condition);
                let kwargs = json!({"table": "user_x_s", "columns": ["id"], "filter_column": column,
                    "filter_op": op, "filter_value": value});
                let ours = desk.ask("Select", &kwargs.to_string());
                match (theirs, ours) {
                    (Ok(theirs), Ok(ours)) => assert_eq!(ours, theirs, "{condition}"),
                    (Err(_), Err(_)) => {}
                    (theirs, ours) => panic!("{condition}: {theirs:?} {ours:?}"),
                }
            }
        }
    }
}

#[test]
fn a_value_is_stored_as_the_pasted_one_is() {
    let mut desk = Desk::new();
    let mut outside = desk.outside();
    let mut same = 0;
    for kind in ["INT", "VARCHAR(40)", "DOUBLE", "DECIMAL(20,4)"] {
        outside.query_drop("DROP TABLE IF EXISTS user_x_v").unwrap();
        let create = format!("CREATE TABLE user_x_v (id INT PRIMARY KEY, a {kind} DEFAULT 3)");
        outside.query_drop(create).unwrap();
        for (value, pasted) in values() {
            if pasted.contains("||") || pasted.contains("CURRENT") {
                continue;
            }
            let theirs = outside.query_drop(format!("INSERT INTO user_x_v VALUES (1, {pasted})"));
            let kwargs = json!({"table": "user_x_v", "values": [2, value]});
            let ours = desk.ask("Insert", &kwargs.to_string());
            let rows = "SELECT CAST(a AS CHAR) FROM user_x_v ORDER BY id";
            let stored: Vec<Option<String>> = outside.query(rows).unwrap();
            match (theirs, ours) {
                (Ok(()), Ok(_)) => {
                    assert_eq!(stored[0], stored[1], "{kind} {pasted}");
                    same += 1;
                }
                // In the manual: what the grammar does not have.
                (Ok(()), Err(error)) => assert_eq!(error.reason, "ValueError", "{kind} {pasted}"),
                (Err(error), Ok(_)) => panic!("{kind} {pasted} is stored; pasted it is {error}"),
                (Err(_), Err(_)) => {}
            }
            outside.query_drop("DELETE FROM user_x_v").unwrap();
        }
    }
    assert!(same > 100, "{same}");
}
