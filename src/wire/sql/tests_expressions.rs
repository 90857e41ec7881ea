//! What expressions and raw queries become, as tables to read.

use super::tests::{legacy, reason};
use super::{Quoting, SqlCall};
use serde_json::json;

/// A legacy expression as it is set in an insert-or-update.
fn expression(text: &str) -> String {
    let kwargs = json!({"table": "user_x_t", "values": ["'row'"], "update_values": {"a": text}});
    let written = legacy("UserInsertOrUpdate", kwargs);
    match written
        .strip_prefix(r#"INSERT INTO "user_x_t" VALUES (?) ON CONFLICT DO UPDATE SET "a" = "#)
    {
        Some(rest) => rest
            .replacen("['row' ", "[", 1)
            .replacen("['row']", "[]", 1),
        None => written,
    }
}

#[test]
fn expressions() {
    for (text, expected) in [
        ("1", "? [1]"),
        ("-5", "? [-5]"),
        ("- 5", "? [-5]"),
        (
            "--5",
            "ValueError: expression: a comment at byte 0 is not understood",
        ),
        ("-(-a)", r#"(-(-"a")) []"#),
        ("- -5", "(-?) [-5]"),
        ("1.50", "? [1.5]"),
        (".5e1", "? [5.0]"),
        ("9223372036854775808", "? [9.223372036854776e18]"),
        ("-9223372036854775808", "? [-9223372036854775808]"),
        ("'it''s'", "? ['it's']"),
        ("''", "? ['']"),
        ("true", "? [1]"),
        ("null", "? [null]"),
        ("1 + 2 * 3", "(? + (? * ?)) [1 2 3]"),
        ("(1 + 2) * 3 - 4", "(((? + ?) * ?) - ?) [1 2 3 4]"),
        ("a || b || 'c'", r#"(("a" || "b") || ?) ['c']"#),
        ("t.a + n.b", r#"("user_x_t"."a" + excluded."b") []"#),
        ("user_x_t.a", r#""user_x_t"."a" []"#),
        ("t", r#""t" []"#),
        ("select", r#""select" []"#),
        ("coalesce(n.a, 0)", r#"COALESCE(excluded."a", ?) [0]"#),
        ("CONCAT(a, 'b', c)", r#"("a" || ? || "c") ['b']"#),
        (
            "GREATEST(t.a, n.a)",
            r#"MAX("user_x_t"."a", excluded."a") []"#,
        ),
        ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP []"),
        ("unix_timestamp()", "UNIXEPOCH() []"),
    ] {
        assert_eq!(expression(text), expected, "{text}");
    }
}

#[test]
fn expressions_that_are_none() {
    for (text, expected) in [
        (
            "1 +",
            "ValueError: expression: the end at byte 3 is not understood",
        ),
        (
            "",
            "ValueError: expression: the end at byte 0 is not understood",
        ),
        (
            "a b",
            "ValueError: expression: `b` at byte 2 is not understood",
        ),
        (
            "sleep(5)",
            "ValueError: expression: function `sleep` at byte 0 is not understood",
        ),
        (
            "SUM(a)",
            "ValueError: expression: function `SUM` with 1 arguments here at byte 0 is not understood",
        ),
        (
            "MAX(a)",
            "ValueError: expression: function `MAX` with 1 arguments here at byte 0 is not understood",
        ),
        (
            "ROUND(1, 2, 3)",
            "ValueError: expression: function `ROUND` with 3 arguments here at byte 0 is not understood",
        ),
        (
            "excluded.a",
            "ValueError: expression: `excluded.` at byte 0 is not understood",
        ),
        (
            "0x10",
            "ValueError: expression: a malformed number at byte 0 is not understood",
        ),
        (
            "1e999",
            "ValueError: expression: `1e999` at byte 0 is not understood",
        ),
    ] {
        assert_eq!(expression(text), expected, "{text}");
    }
}

#[test]
fn raw_queries() {
    for (kwargs, expected) in [
        (
            json!({"query": "SELECT '%s', 5 %% 2"}),
            "SELECT '%s', 5 %% 2 []",
        ),
        (json!({"query": "SELECT ?", "format": [1]}), "SELECT ? [1]"),
        (
            json!({"query": "SELECT %s, '%s', 5 %% 2", "format": ["a"]}),
            "SELECT ?, '%s', 5 % 2 ['a']",
        ),
        (
            json!({"query": "SELECT 'it''s %s' -- %s\n, %s", "format": [null]}),
            "SELECT 'it''s %s' -- %s\n, ? [null]",
        ),
        (
            json!({"query": "SELECT \"%s\" /* ' %s */ , %s", "format": [true]}),
            "SELECT \"%s\" /* ' %s */ , ? [1]",
        ),
        (
            json!({"query": "a LIKE '%%é%%' AND %s", "format": [2.5]}),
            "a LIKE '%é%' AND ? [2.5]",
        ),
        (
            json!({"query": "SELECT 'open %s", "format": []}),
            "SELECT 'open %s []",
        ),
    ] {
        assert_eq!(legacy("RawExecute", kwargs), expected);
    }
    for (kwargs, expected) in [
        (json!({}), "KeyError"),
        (json!(null), "KeyError"),
        (json!([]), "ValueError"),
        (json!({"query": 5}), "ValueError"),
        (json!({"query": "  "}), "ValueError"),
        (json!({"query": "SELECT 1\0"}), "ValueError"),
        (json!({"query": "SELECT %s", "format": "a"}), "ValueError"),
        (json!({"query": "SELECT %s", "format": [[1]]}), "ValueError"),
    ] {
        assert_eq!(reason("RawExecute", kwargs), expected);
    }
    for (query, writes) in [
        ("select 1", false),
        ("SELECTED", true),
        ("WITH a AS (SELECT 1) DELETE FROM b", true),
        ("", true),
    ] {
        let call = SqlCall::Raw {
            query: query.to_owned(),
            params: None,
        };
        assert_eq!(call.may_write(Quoting::Sqlite), writes, "{query}");
    }
}
