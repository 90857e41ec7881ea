//! Stock calls beside the statements that `vpi.py` pastes of them, on the same rows: what both
//! carry out gives the same, and what only `vpi.py` carries out is refused with a reason.

use super::support::Desk;
use serde_json::{Value, json};

pub(in crate::io::sql) const COLUMNS: [&str; 10] = [
    "i",
    "r",
    "t",
    "n",
    "`key`",
    "i + 0",
    "t || ''",
    "LENGTH(t)",
    "ABS(n)",
    "COALESCE(n, t)",
];
pub(in crate::io::sql) const OPS: [&str; 8] = ["=", "!=", "<>", "<", "<=", ">", ">=", "LIKE"];

/// Values of a filter as they come, and as Python's `str()` writes them.
pub(in crate::io::sql) fn filter_values() -> Vec<(Value, String)> {
    let texts = [
        "", "0", "1", "1.0", "01", " 1", "1e0", "bob", "BOB", "True", "O''Brien", "a%", "%''%",
        "12abc", "\"bob\"", "`t`", "[t]", "NULL", "a_c", "50", "2.5", "-1",
    ];
    let mut values: Vec<_> = texts
        .iter()
        .map(|text| (json!(text), (*text).to_owned()))
        .collect();
    values.extend([
        (json!(0), "0".to_owned()),
        (json!(1), "1".to_owned()),
        (json!(-1), "-1".to_owned()),
        (json!(12), "12".to_owned()),
        (json!(1.0), "1.0".to_owned()),
        (json!(2.5), "2.5".to_owned()),
        (json!(0.00001), "1e-05".to_owned()),
        (json!(1e20), "1e+20".to_owned()),
        (json!(true), "True".to_owned()),
        (json!(false), "False".to_owned()),
    ]);
    values
}

/// Values of an insert, as they come and as they are pasted.
pub(in crate::io::sql) fn values() -> Vec<(Value, String)> {
    let texts = [
        "1",
        "-1",
        "1.50",
        ".5",
        "5.",
        "1e3",
        "9223372036854775808",
        "'bob'",
        "'it''s'",
        "''",
        "NULL",
        "null",
        "TRUE",
        "1 + 2 * 3",
        "7 / 2",
        "7 % 4",
        "-(-3)",
        "'1' + 1",
        "0.1 + 0.2",
        "2.5 * 2",
        "'a' || 'b'",
        "ABS(-2)",
        "UPPER('a')",
        "ROUND(2.567, 1)",
        "COALESCE(NULL, 'x')",
        "LENGTH('abc')",
        "SUBSTR('abcdef', 2, 3)",
        "REPLACE('aXa', 'X', 'y')",
        "NULLIF(1, 1)",
        "\"bob\"",
        "\"a\" || 'b'",
        "'a\\b'",
        "'c:\\\\x'",
        "'tab\\tx'",
        "'it\\'s'",
        "'50\\%'",
        "\"say \"\"hi\"\"\"",
        "'a' 'b'",
        "DEFAULT",
        "bob",
        "`bob`",
        "",
        "1;",
        "1 2",
        "'open",
        "(SELECT 1)",
        "0x10",
        "x'41'",
        "-- x",
        "CURRENT_DATE",
    ];
    let mut values: Vec<_> = texts
        .iter()
        .map(|text| (json!(text), text.replace(';', "")))
        .collect();
    values.extend([
        (json!(7), "7".to_owned()),
        (json!(-7), "-7".to_owned()),
        (json!(2.5), "2.5".to_owned()),
        (json!(0.1), "0.1".to_owned()),
        (json!(1e20), "1e+20".to_owned()),
        (json!(true), "True".to_owned()),
        (json!(false), "False".to_owned()),
    ]);
    values
}

const FILL: &str = "INSERT INTO user_x_s VALUES (1, 1, 1.0, '1', 1, 'a'), (2, 0, 2.5, 'bob', '1', 'b'), \
     (3, -1, 0.00001, 'O''Brien', 2.5, 'c'), (4, 12, -1, '12abc', 'bob', 'd'), (5, NULL, NULL, NULL, NULL, NULL), \
     (6, 50, 1e20, 'True', 'True', '1'), (7, 7, 0, 'abc', 0, '0'), (8, 8, 0, '\"bob\"', '', '')";

/// A desk with a table, and a plain connection with the same, as Python's SQLite opens it.
fn both() -> (Desk, rusqlite::Connection) {
    let mut desk = Desk::new();
    let plain = rusqlite::Connection::open_in_memory().unwrap();
    for statement in [
        "CREATE TABLE user_x_s (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, n, \"key\" VARCHAR(9))",
        FILL,
        "CREATE TABLE user_x_v (a INTEGER, b TEXT, c REAL, d)",
    ] {
        desk.ask_raw(statement).unwrap();
        plain.execute_batch(statement).unwrap();
    }
    (desk, plain)
}

/// What the statement gives: ids of rows, or the engine's error.
fn ids(plain: &rusqlite::Connection, text: &str) -> rusqlite::Result<String> {
    let mut statement = plain.prepare(text)?;
    let ids = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let ids: Vec<_> = ids
        .map(|id| id.map(|id| format!("[{id}]")))
        .collect::<Result<_, _>>()?;
    Ok(format!("[{}]", ids.join(",")))
}

#[test]
fn a_filter_finds_the_rows_that_the_pasted_one_finds() {
    let (mut desk, plain) = both();
    for column in COLUMNS {
        for op in OPS {
            for (value, pasted) in filter_values() {
                let text = format!("SELECT id FROM user_x_s WHERE {column} {op} '{pasted}'");
                let kwargs = json!({"table": "user_x_s", "columns": ["id"], "filter_column": column,
                    "filter_op": op, "filter_value": value});
                let found = desk.ask("Select", &kwargs.to_string());
                assert_eq!(found.unwrap(), ids(&plain, &text).unwrap(), "{text}");
            }
        }
    }
}

#[test]
fn a_value_is_stored_as_the_pasted_one_is() {
    let (mut desk, plain) = both();
    let all = "SELECT group_concat(typeof(a) || ' ' || quote(a) || ' ' || quote(b) || ' ' || quote(c) || ' ' || \
         typeof(d) || ' ' || quote(d), ';') FROM user_x_v";
    let mut same = 0;
    for (value, pasted) in values() {
        let row = [pasted.as_str(); 4].join(",");
        let stored = plain.execute(&format!("INSERT INTO user_x_v VALUES ({row})"), []);
        let kwargs = json!({"table": "user_x_v", "values": [value, value, value, value]});
        let ours = desk.ask("Insert", &kwargs.to_string());
        match (&stored, &ours) {
            (Ok(_), Ok(_)) => {
                let theirs: Option<String> = plain.query_row(all, [], |row| row.get(0)).unwrap();
                let wanted = format!("[[{}]]", json!(theirs));
                assert_eq!(desk.ask_raw(all).unwrap(), wanted, "{pasted}");
                same += 1;
            }
            // In the manual: what the grammar does not have.
            (Ok(_), Err(error)) => assert_eq!(error.reason, "ValueError", "{pasted}"),
            (Err(_), Ok(_)) => panic!("{pasted} is stored, and vpi.py failed"),
            (Err(_), Err(_)) => {}
        }
        plain.execute("DELETE FROM user_x_v", []).unwrap();
        desk.ask_raw("DELETE FROM user_x_v").unwrap();
    }
    assert!(same > 30, "{same}");
}

/// Upstream takes what is no error here; what it would paste into a statement that changes every row,
/// or that no engine reads, is refused before.
#[test]
fn every_argument_takes_or_refuses_every_type() {
    let mut desk = Desk::new();
    let types = || {
        [
            ("null", json!(null)),
            ("false", json!(false)),
            ("true", json!(true)),
            ("zero", json!(0)),
            ("float", json!(1.5)),
            ("empty", json!("")),
            ("text", json!("id")),
            ("list", json!(["id"])),
            ("no list", json!([])),
            ("table", json!({"id": 1})),
            ("no table", json!({})),
        ]
    };
    // In the order of the types: `.` is no error, then the first letters of the reasons.
    for (function, argument, outcomes) in [
        ("Select", "table", "vvvvvppvvvv"),
        ("Select", "columns", "..........."),
        ("Select", "filter_column", "..v.v..v.v."),
        ("Select", "filter_op", "..v.v.vv.v."),
        ("Select", "filter_value", ".......vvvv"),
        ("Update", "values", "vvvvvvvvv.v"),
        ("Update", "filter_column", "vvvvvv.vvvv"),
        ("Update", "filter_op", "vvvvvvvvvvv"),
        ("Update", "filter_value", "v......vvvv"),
        ("Delete", "filter_column", "vvvvvv.vvvv"),
        ("Delete", "filter_op", "vvvvvvvvvvv"),
        ("Delete", "filter_value", "v......vvvv"),
        ("Insert", "values", "vvvvvvvovvv"),
    ] {
        for ((kind, value), wanted) in types().into_iter().zip(outcomes.chars()) {
            let mut kwargs = json!({"table": "user_x_t", "filter_column": "id", "filter_value": 77,
                "values": {"wins": 1}});
            kwargs[argument] = value;
            let outcome = match desk.ask(function, &kwargs.to_string()) {
                Ok(_) => '.',
                Err(error) => error.reason.to_lowercase().chars().next().unwrap(),
            };
            assert_eq!(outcome, wanted, "{function} {argument} {kind}");
        }
    }
}
