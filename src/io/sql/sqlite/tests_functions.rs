//! The functions that replace SQLite's own give what those give, and end.

use super::functions;
use crate::limits::SQL_VALUE_BYTES_MAX;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::time::{Duration, Instant};

const BOTH: [(&str, usize); 8] = [
    ("replace(?1, ?2, ?3)", 3),
    ("instr(?1, ?2)", 2),
    ("trim(?1, ?2)", 2),
    ("ltrim(?1, ?2)", 2),
    ("rtrim(?1, ?2)", 2),
    ("unhex(?1, ?2)", 2),
    ("json_patch(?1, ?2)", 2),
    (
        "json_array(json_patch(?1, ?2), hex(jsonb_patch(?1, ?2)))",
        2,
    ),
];

fn ours() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    functions::install(&connection).unwrap();
    connection
}

/// What an expression gives, with its type, or its error.
fn given(connection: &Connection, expression: &str, values: &[Value]) -> String {
    let query = format!("SELECT typeof(v), quote(v) FROM (SELECT {expression} AS v)");
    let mut statement = connection.prepare_cached(&query).unwrap();
    let read = statement.query_row(params_from_iter(values), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    match read {
        Ok(read) => format!("{read:?}"),
        Err(rusqlite::Error::SqliteFailure(_, message)) => format!("error {message:?}"),
        Err(other) => format!("{other}"),
    }
}

/// Short values of few letters, so that they meet each other often.
fn value(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<Value> {
    const PARTS: [&str; 16] = [
        "a",
        "b",
        "ab",
        "aab",
        "A",
        "ä",
        "é",
        "日",
        "日本",
        "\u{1f600}",
        " ",
        "\0",
        "%",
        "7f",
        "{\"a\":1}",
        "aaaaaaaaaaaaaaaaab",
    ];
    const BYTES: [u8; 8] = [0, b'a', b'b', 0x80, 0xa9, 0xc3, 0xe2, 0xff];
    Ok(match u.int_in_range(0..=9)? {
        0 => Value::Null,
        1 => Value::Integer(u.int_in_range(-200..=200)?),
        2 => Value::Real(f64::from(u.int_in_range(-40..=40)?) / 7.0),
        3 => {
            let length = u.int_in_range(0..=12)?;
            let bytes = (0..length).map(|_| u.choose(&BYTES).copied());
            Value::Blob(bytes.collect::<Result<_, _>>()?)
        }
        4 => {
            Value::Text((*u.choose(&["{\"a\":{\"b\":2}}", "{\"a\":null}", "[1]", "{"])?).to_owned())
        }
        _ => {
            let length = u.int_in_range(0..=6)?;
            let parts = (0..length).map(|_| u.choose(&PARTS).copied());
            Value::Text(parts.collect::<Result<_, _>>()?)
        }
    })
}

#[test]
fn they_give_what_those_of_sqlite_give() {
    let (theirs, ours) = (Connection::open_in_memory().unwrap(), ours());
    arbtest::arbtest(|u| {
        let (expression, count) = *u.choose(&BOTH)?;
        let values = (0..count)
            .map(|_| value(u))
            .collect::<Result<Vec<_>, _>>()?;
        let (theirs, ours) = (
            given(&theirs, expression, &values),
            given(&ours, expression, &values),
        );
        assert_eq!(ours, theirs, "{expression} of {values:?}");
        Ok(())
    })
    .budget_ms(3_000);
}

#[test]
fn long_patterns_are_found_where_they_stand() {
    let (theirs, ours) = (Connection::open_in_memory().unwrap(), ours());
    arbtest::arbtest(|u| {
        let mut text = |most| -> arbtest::arbitrary::Result<Value> {
            let length = u.int_in_range(0..=most)?;
            let letters = (0..length).map(|_| u.choose(&["a", "a", "a", "b", "é"]).copied());
            Ok(Value::Text(letters.collect::<Result<_, _>>()?))
        };
        let values = [text(200)?, text(30)?, text(3)?];
        for (expression, count) in &BOTH[..2] {
            let values = &values[..*count];
            let expected = given(&theirs, expression, values);
            assert_eq!(given(&ours, expression, values), expected, "{values:?}");
        }
        Ok(())
    })
    .budget_ms(2_000);
}

#[test]
fn none_takes_long_over_the_longest_values() {
    let ours = ours();
    let long = "a".repeat(SQL_VALUE_BYTES_MAX);
    let half = format!("{}b", "a".repeat(SQL_VALUE_BYTES_MAX / 2));
    let others = format!("{}a", "bé".repeat(SQL_VALUE_BYTES_MAX / 3));
    let keys = |name: &str| {
        let keys: Vec<_> = (0..30_000).map(|n| format!("\"{name}{n}\":1")).collect();
        format!("{{{}}}", keys.join(","))
    };
    for (expression, one, other) in [
        ("replace(?1, ?2, '')", &long, &half),
        ("replace(?1, ?2, ?2)", &long, &half),
        ("replace(?1, 'a', ?2)", &long, &half),
        ("instr(?1, ?2)", &long, &half),
        ("trim(?1, ?2)", &long, &others),
        ("rtrim(?1, ?2)", &long, &others),
        ("unhex(?1, ?2)", &others, &others),
        ("json_patch(?1, ?2)", &keys("a"), &keys("b")),
    ] {
        let began = Instant::now();
        let values = [one, other].map(|text| Value::Text(text.clone()));
        given(&ours, expression, &values);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{expression}: {took:?}");
    }
}

#[test]
fn an_index_may_stand_on_them() {
    let ours = ours();
    let made = ours.execute_batch(
        "PRAGMA trusted_schema = OFF; CREATE TABLE t(x); CREATE INDEX i ON t(replace(x, 'a', 'b')); \
         CREATE VIEW v AS SELECT instr(x, 'a') AS at, json_patch('{}', x) FROM t; \
         INSERT INTO t VALUES ('{}'); SELECT * FROM v",
    );
    made.unwrap();
}
