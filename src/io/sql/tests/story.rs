//! Calls with the answers that they have on every engine.

use super::support::{ALL, Desk};
use crate::protocol::call_error::CallError;

const STORY: &[(&str, &str, &str)] = &[
    (
        "Insert",
        r#"{"table": "user_x_t", "values": [[1, 10], [2, 20]]}"#,
        "2",
    ),
    (
        "Insert",
        r#"{"table": "user_x_t", "values": ["5 + 1"], "columns": ["wins"]}"#,
        "1",
    ),
    ("Select", ALL, "[[1,10],[2,20],[3,6]]"),
    (
        "InsertOrUpdate",
        r#"{"table": "user_x_t", "values": [1, 5], "update_values": {"t.wins": "wins + t.wins * 2 + n.wins"}}"#,
        "1",
    ),
    (
        "Select",
        r#"{"table": "user_x_t", "filter_column": "id", "filter_value": "1"}"#,
        "[[1,35]]",
    ),
    (
        "Update",
        r#"{"table": "user_x_t", "values": {"wins": "user_x_t.wins - 1"}, "filter_column": "id", "filter_op": ">", "filter_value": 1}"#,
        "2",
    ),
    (
        "Update",
        r#"{"table": "user_x_t", "values": {"wins": "wins"}, "filter_column": "id", "filter_value": 1}"#,
        "1",
    ),
    (
        "Select",
        r#"{"table": "user_x_t", "columns": ["SUM(wins) AS total, COUNT(*)"]}"#,
        "[[59,3]]",
    ),
    (
        "Delete",
        r#"{"table": "user_x_t", "filter_column": "id", "filter_value": 2}"#,
        "1",
    ),
    (
        "RawExecute",
        r#"{"query": "SELECT wins FROM user_x_t WHERE id = %s", "format": ["3"]}"#,
        "[[5]]",
    ),
    (
        "RawExecute",
        r#"{"query": "UPDATE user_x_t SET wins = 0"}"#,
        "[]",
    ),
    ("Delete", r#"{"table": "user_x_t", "wipe": true}"#, "null"),
    ("Select", ALL, "[]"),
    (
        "Insert",
        r#"{"table": "user_x_t", "values": [[4, null], [5, "'7'"], [6, "-8"]]}"#,
        "3",
    ),
    (
        "Select",
        r#"{"table": "user_x_t", "columns": ["id"], "filter_column": "wins", "filter_op": "IS NOT", "filter_value": 7}"#,
        "[[4],[6]]",
    ),
    (
        "Select",
        r#"{"table": "user_x_t", "columns": ["COALESCE(wins, 1), ABS(wins), GREATEST(id, 5), IFNULL(wins, id) * 2"]}"#,
        "[[1,null,5,8],[7,7,5,14],[-8,8,6,-16]]",
    ),
    (
        "Select",
        r#"{"table": "user_x_t", "columns": ["MAX(wins), MIN(wins), COUNT(wins)"]}"#,
        "[[7,-8,2]]",
    ),
    (
        "Update",
        r#"{"table": "user_x_t", "values": {"wins": "id + 1", "id": "id + 10"}, "filter_column": "id", "filter_op": ">=", "filter_value": 5}"#,
        "2",
    ),
    ("Select", ALL, "[[4,null],[15,6],[16,7]]"),
    ("Delete", r#"{"table": "user_x_t", "wipe": true}"#, "null"),
];

/// Asks all of it, of an empty `user_x_t`.
pub(in crate::io::sql) fn play(mut ask: impl FnMut(&str, &str) -> Result<String, CallError>) {
    for (function, kwargs, answer) in STORY {
        let answered = ask(function, kwargs);
        assert_eq!(answered.as_deref(), Ok(*answer), "{function} {kwargs}");
    }
}

#[test]
fn the_six_functions_answer_on_sqlite_as_upstream_does() {
    let mut desk = Desk::new();
    play(|function, kwargs| desk.ask(function, kwargs));
}
