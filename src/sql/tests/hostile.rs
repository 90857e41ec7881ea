//! What must never get through: other tables, other statements, and text that would be SQL.

use super::super::*;
use super::parse;
use crate::limits::{SQL_EXPRESSION_DEPTH_MAX, SQL_EXPRESSION_NODES_MAX};
use serde_json::{Value, json};

fn reason(script: &str, table: &str) -> String {
    let kwargs = json!({ "table": table });
    match parse(
        "VPI_DB_UserSelect",
        script,
        &kwargs,
        Reading::Legacy,
        Quoting::Sqlite,
    ) {
        Ok(call) => match call {
            SqlCall::Select { table, .. } => table.as_str().to_owned(),
            other => panic!("{other:?}"),
        },
        Err(error) => error.reason().to_owned(),
    }
}

#[test]
fn tables_belong_to_one_script() {
    let long = format!("user_x_{}", "t".repeat(80));
    for (script, table, expected) in [
        ("x.nut", "user_x_t", "user_x_t"),
        ("x.nut", "user_x_t_2", "user_x_t_2"),
        ("my_mode.nut", "user_my_mode_t", "user_my_mode_t"),
        ("my_mode.py", "user_my_mode_t", "user_my_mode_t"),
        ("x.py.nut", "user_x_t", "PermissionError"),
        ("x.nut", "user_y_t", "PermissionError"),
        ("x.nut", "user_xy_t", "PermissionError"),
        ("x.nut", "user_X_t", "PermissionError"),
        ("x.nut", "USER_x_t", "PermissionError"),
        ("x.nut", "user_x_", "PermissionError"),
        ("x.nut", "user_x", "PermissionError"),
        ("x.nut", "", "PermissionError"),
        ("x.nut", "sqlite_schema", "PermissionError"),
        ("x.nut", "vpid_journal", "PermissionError"),
        (".nut", "user__t", "PermissionError"),
        ("a-b.nut", "user_a-b_t", "PermissionError"),
        ("a\".nut", "user_a\"_t", "PermissionError"),
        ("x.nut", "user_x_t, secrets", "ValueError"),
        ("x.nut", "user_x_t\" --", "ValueError"),
        ("x.nut", "user_x_t\0", "user_x_t"),
        ("x.nut", "user_x_t;", "user_x_t"),
        ("x.nut", "user_x_t ", "user_x_t"),
        ("x.nut", "`user_x_t`", "user_x_t"),
        ("x.nut", "\"user_x_t\"", "user_x_t"),
        ("x.nut", "[user_x_t]", "user_x_t"),
        ("x.nut", "`user_y_t`", "PermissionError"),
        ("x.nut", "`secrets`", "PermissionError"),
        ("x.nut", "`user_x_t`, secrets", "PermissionError"),
        ("x.nut", "`user_x_t`.`secrets`", "ValueError"),
        ("x.nut", "`user_x_t", "PermissionError"),
        ("x.nut", "`", "PermissionError"),
        ("x.nut", "user_x_\u{e9}", "ValueError"),
        ("x.nut", &long, "ValueError"),
    ] {
        assert_eq!(reason(script, table), expected, "{script} {table:?}");
    }
    for (kwargs, expected) in [
        (json!({}), "KeyError"),
        (json!({"table": 5}), "ValueError"),
        (json!({"table": ["user_x_t"]}), "ValueError"),
    ] {
        let error = parse(
            "VPI_DB_UserSelect",
            "x.nut",
            &kwargs,
            Reading::Legacy,
            Quoting::Sqlite,
        )
        .unwrap_err();
        assert_eq!(error.reason(), expected);
    }
}

/// Texts that have been SQL somewhere. None is an expression, a column or a key of one.
const INJECTIONS: [&str; 30] = [
    "1); DROP TABLE user_x_t; --",
    "1; DROP TABLE user_x_t",
    "'a' OR 1=1",
    "a = 1",
    "a OR b",
    "'unbalanced",
    "a'",
    "\"secrets\".\"a\"",
    "`secrets`.`a`",
    "`a`.`b`.`c`",
    "`a``b`",
    "[a`b]",
    "`a\"b`",
    "`a\\`",
    "`a",
    "[a",
    "`ABS`(1)",
    "(SELECT 1)",
    "(SELECT password FROM secrets)",
    "EXISTS(SELECT 1)",
    "user_y_t.a",
    "main.user_y_t.a",
    "1 -- comment",
    "1 /* comment */",
    "a\0b",
    "\u{2019}a\u{2019}",
    "load_extension('x')",
    "a COLLATE NOCASE",
    "CASE WHEN 1 THEN 2 END",
    "?1",
];

#[test]
fn injections_are_refused_wherever_an_expression_may_stand() {
    for text in INJECTIONS {
        for (function, kwargs) in [
            (
                "VPI_DB_UserInsert",
                json!({"table": "user_x_t", "values": [text]}),
            ),
            (
                "VPI_DB_UserInsert",
                json!({"table": "user_x_t", "values": [1], "columns": [text]}),
            ),
            (
                "VPI_DB_UserSelect",
                json!({"table": "user_x_t", "columns": [text]}),
            ),
            (
                "VPI_DB_UserSelect",
                json!({"table": "user_x_t", "filter_column": text, "filter_value": 1}),
            ),
            (
                "VPI_DB_UserSelect",
                json!({"table": "user_x_t", "filter_column": "a", "filter_op": text, "filter_value": 1}),
            ),
            (
                "VPI_DB_UserUpdate",
                json!({"table": "user_x_t", "values": {"a": text}}),
            ),
            (
                "VPI_DB_UserUpdate",
                json!({"table": "user_x_t", "values": {text: 1}}),
            ),
            (
                "VPI_DB_UserInsertOrUpdate",
                json!({"table": "user_x_t", "values": [1], "update_values": {text: 1}}),
            ),
            (
                "VPI_DB_UserInsertOrUpdate",
                json!({"table": "user_x_t", "values": [1], "update_values": {"a": text}}),
            ),
        ] {
            let error =
                parse(function, "x.nut", &kwargs, Reading::Legacy, Quoting::Sqlite).unwrap_err();
            assert_eq!(error.reason(), "ValueError", "{function} {kwargs}");
        }
    }
}

#[test]
fn a_filter_takes_any_text_as_a_text() {
    for text in INJECTIONS {
        let kwargs = json!({"table": "user_x_t", "filter_column": "a", "filter_value": text});
        let call = parse(
            "VPI_DB_UserSelect",
            "x.nut",
            &kwargs,
            Reading::Legacy,
            Quoting::Sqlite,
        )
        .unwrap();
        let statement = render(&call, 0, Dialect::Sqlite).unwrap();
        assert_eq!(statement.text, "SELECT * FROM `user_x_t` WHERE `a` = ?");
        assert_eq!(statement.params, [&Param::Text(text.to_owned())]);
    }
}

#[test]
fn expressions_are_bounded_in_depth_and_size() {
    let parses = |text: &str| {
        let kwargs = json!({"table": "user_x_t", "values": [text]});
        parse(
            "VPI_DB_UserInsert",
            "x.nut",
            &kwargs,
            Reading::Legacy,
            Quoting::Sqlite,
        )
        .is_ok()
    };
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parses(&nested(SQL_EXPRESSION_DEPTH_MAX - 1)));
    assert!(!parses(&nested(SQL_EXPRESSION_DEPTH_MAX)));
    assert!(!parses(&nested(1_000_000)));
    assert!(!parses(&"- ".repeat(30_000)));
    assert!(!parses(&"ABS(".repeat(10_000)));
    let chain = |length: usize| vec!["1"; length].join("+");
    assert!(parses(&chain(SQL_EXPRESSION_NODES_MAX / 2)));
    assert!(!parses(&chain(SQL_EXPRESSION_NODES_MAX)));
    assert!(!parses(&format!(
        "'{}'",
        "a".repeat(crate::limits::SQL_EXPRESSION_BYTES_MAX)
    )));
}

/// Whatever is accepted becomes words, quoted identifiers and placeholders, nothing else.
fn check_safe(text: &str) {
    for (index, part) in text.split(['"', '`']).enumerate() {
        if index % 2 == 1 {
            assert!(Identifier::quoted(part).is_ok(), "{part:?} in {text}");
            continue;
        }
        let safe = |c: char| c.is_ascii_uppercase() || " excluded.,()+-*/%|<>=?".contains(c);
        assert!(part.chars().all(safe), "{part:?} in {text}");
        assert!(!part.contains("--") && !part.contains("/*"), "{text}");
    }
    for quote in ['"', '`'] {
        assert_eq!(text.matches(quote).count() % 2, 0, "{text}");
    }
}

/// What an expression is made of, in turns, and what disturbs it.
const OPERANDS: [&str; 12] = [
    "`a b`",
    "\"a\"",
    "t.[a]",
    "-(-a)",
    "a",
    "t.a",
    "n.a",
    "user_x_t.a",
    "2.5",
    "'x'",
    "MAX(a, -1)",
    "(NULL)",
];
const OPERATORS: [&str; 7] = ["+", "-", " * ", "/", "%", "||", " AS "];
const NOISE: [&str; 16] = [
    "'", "\"", "`", ";", "--", "/*", "(", ")", ",", ".", "=", "COUNT(*)", " ", "\0", "\u{e9}",
    "SELECT",
];

fn any_text(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<String> {
    let mut text = String::new();
    for turn in 0..u.int_in_range(1..=5)? {
        let words: &[&str] = if turn % 2 == 0 { &OPERANDS } else { &OPERATORS };
        text.push_str(u.choose(words)?);
        match u.int_in_range(0..=15)? {
            0 => text.push_str(u.arbitrary()?),
            1 => text.push_str(u.choose(&NOISE)?),
            _ => {}
        }
    }
    Ok(text)
}

#[test]
fn no_text_of_a_caller_reaches_a_statement() {
    let (mut accepted, mut tried) = (0, 0);
    arbtest::arbtest(|u| {
        let text = any_text(u)?;
        let key: &str = if u.ratio(1, 4)? { &text } else { "t.a" };
        let value = if u.arbitrary()? {
            json!(text)
        } else {
            json!({ "expr": text })
        };
        let table = if u.ratio(1, 8)? { &text } else { "user_x_t" };
        let mut kwargs = json!({"table": table, "columns": [text], "values": [[value]]});
        match u.int_in_range(0..=3)? {
            0 => kwargs["update_values"] = json!({key: value}),
            1 => kwargs["values"] = json!({key: value}),
            2 => kwargs["filter_column"] = json!(text),
            _ => kwargs = json!({"table": table, "filter_column": "a", "filter_op": text}),
        }
        kwargs["filter_value"] = value;
        let reading = if u.arbitrary()? {
            Reading::Legacy
        } else {
            Reading::Signed
        };
        for function in FUNCTIONS
            .iter()
            .filter(|name| **name != "VPI_DB_RawExecute")
        {
            tried += 1;
            if let Ok(call) = parse(function, "x.nut", &kwargs, reading, Quoting::Sqlite) {
                check_safe(&render(&call, 0, Dialect::Sqlite).unwrap().text);
                accepted += 1;
            }
        }
        Ok(())
    })
    .size_max(512)
    .budget_ms(1_000)
    .run();
    // How many there are depends on how busy the machine is.
    assert!(
        accepted * 50 > tried,
        "only {accepted} of {tried} calls were accepted: this proves little"
    );
}

#[test]
fn no_raw_query_panics() {
    arbtest::arbtest(|u| {
        let query: String = u.arbitrary()?;
        let kwargs: Value = json!({"query": query, "format": []});
        if let Ok(call) = parse(
            "VPI_DB_RawExecute",
            "vpi.nut",
            &kwargs,
            Reading::Signed,
            Quoting::Sqlite,
        ) {
            render(&call, 0, Dialect::Sqlite).unwrap();
        }
        Ok(())
    })
    .size_max(512);
}
