//! Every type of MySQL as JSON, from both of its protocols.

use super::super::super::tests::support::raw;
use super::support::Desk;
use crate::protocol::response_text::Decoder;
use mysql::prelude::Queryable;

/// A type, a value as SQL, and what it is answered as.
const CASES: &[(&str, &str, &str)] = &[
    ("INT", "-5", "-5"),
    ("INT", "NULL", "null"),
    ("TINYINT(1)", "TRUE", "1"),
    ("BIGINT", "76561197960287930", "\"76561197960287930\""),
    (
        "BIGINT UNSIGNED",
        "18446744073709551615",
        "\"18446744073709551615\"",
    ),
    ("SMALLINT UNSIGNED", "65535", "65535"),
    ("DECIMAL(20,0)", "12", "12"),
    (
        "DECIMAL(30,0)",
        "123456789012345678901234567890",
        "\"123456789012345678901234567890\"",
    ),
    ("DECIMAL(10,2)", "12.50", "12.5"),
    ("DECIMAL(10,2)", "-0.25", "-0.25"),
    (
        "DECIMAL(30,20)",
        "1.12345678901234567890",
        "\"1.12345678901234567890\"",
    ),
    ("FLOAT", "0.1", "0.1"),
    ("DOUBLE", "0.1", "0.1"),
    ("DOUBLE", "3", "3.0"),
    ("BIT(1)", "b'1'", "true"),
    ("BIT(1)", "b'0'", "false"),
    ("BIT(12)", "b'101'", "5"),
    ("DATE", "'2026-11-21'", "\"2026-11-21\""),
    (
        "DATETIME",
        "'2026-11-21 10:36:00'",
        "\"2026-11-21T10:36:00\"",
    ),
    (
        "DATETIME(3)",
        "'2026-11-21 10:36:00.25'",
        "\"2026-11-21T10:36:00.250000\"",
    ),
    ("DATETIME(6)", "'2026-11-21'", "\"2026-11-21T00:00:00\""),
    (
        "TIMESTAMP NULL",
        "'2026-11-21 10:36:00'",
        "\"2026-11-21T10:36:00\"",
    ),
    (
        "DATETIME",
        "'0000-00-00 00:00:00'",
        "\"0000-00-00 00:00:00\"",
    ),
    ("DATE", "'2026-00-00'", "\"2026-00-00\""),
    ("TIME", "'09:05:07'", "\"9:05:07\""),
    ("TIME", "'-01:02:03'", "\"-1 day, 22:57:57\""),
    ("TIME", "'30:00:00'", "\"1 day, 6:00:00\""),
    ("TIME", "'-30:00:01'", "\"-2 days, 17:59:59\""),
    ("TIME(6)", "'100:00:00.5'", "\"4 days, 4:00:00.500000\""),
    ("YEAR", "2026", "2026"),
    ("VARCHAR(20)", "'ä\"日'", "\"ä\\\"日\""),
    ("CHAR(5) CHARACTER SET latin1", "'ä'", "\"ä\""),
    ("ENUM('a','b')", "'b'", "\"b\""),
    ("SET('a','b')", "'a,b'", "\"a,b\""),
    ("JSON", "'{\"a\": 1}'", "\"{\\\"a\\\": 1}\""),
    ("BLOB", "X'00'", "false"),
    ("BLOB", "X'01'", "true"),
    ("BLOB", "'text'", "\"text\""),
    ("BINARY(1)", "X'FF'", "\"/w==\""),
    ("BLOB", "X'FF'", "\"/w==\""),
];

/// For our own client, where they differ.
const OWN: &[(&str, &str, &str)] = &[
    ("DATE", "'2026-00-00'", "null"),
    ("DATETIME", "'0000-00-00 00:00:00'", "null"),
    ("TIME", "'9:05:07'", "\"09:05:07\""),
    ("TIME(6)", "'-30:00:01.5'", "\"-30:00:01.500000\""),
];

#[test]
fn dates_and_times_of_our_own_client_have_one_form() {
    let mut desk = Desk::new();
    let mut outside = desk.outside();
    outside.query_drop("SET sql_mode = ''").unwrap();
    for (kind, value, answer) in OWN {
        outside.query_drop("DROP TABLE IF EXISTS user_x_k").unwrap();
        let table = format!("CREATE TABLE user_x_k (a {kind})");
        outside.query_drop(table).unwrap();
        let fill = format!("INSERT INTO user_x_k VALUES ({value})");
        outside.query_drop(fill).unwrap();
        let mut job = raw(0, "SELECT a FROM user_x_k");
        job.decoder = Decoder::Own;
        let wanted = format!("[[{answer}]]");
        assert_eq!(
            desk.ask_job(job).as_deref(),
            Ok(wanted.as_str()),
            "{kind} {value}"
        );
    }
}

#[test]
fn every_type_becomes_json_that_a_game_can_read() {
    let mut desk = Desk::new();
    let mut outside = desk.outside();
    outside.query_drop("SET sql_mode = ''").unwrap();
    for (kind, value, answer) in CASES {
        outside.query_drop("DROP TABLE IF EXISTS user_x_k").unwrap();
        let table = format!("CREATE TABLE user_x_k (a {kind})");
        outside.query_drop(table).unwrap();
        let fill = format!("INSERT INTO user_x_k VALUES ({value})");
        outside.query_drop(fill).unwrap();
        let prepared = desk.ask("Select", r#"{"table": "user_x_k"}"#);
        let wanted = format!("[[{answer}]]");
        assert_eq!(prepared.as_deref(), Ok(wanted.as_str()), "{kind} {value}");
        // And as text, as it comes where nothing can be prepared.
        let row: mysql::Row = outside
            .query_first("SELECT a FROM user_x_k")
            .unwrap()
            .unwrap();
        let mut as_text = String::new();
        super::super::encode::push_array(&mut as_text, &row, Decoder::Stock);
        assert_eq!(format!("[{as_text}]"), wanted, "{kind} {value} as text");
    }
}
