//! What expressions and raw queries become, as tables to read.

use super::super::{Dialect, Quoting, Reading, SqlCall, SqlMode, render};
use super::{legacy, parse, reason};
use serde_json::json;

/// A legacy expression as it is set in an insert-or-update.
fn expression(text: &str) -> String {
    let kwargs = json!({"table": "user_x_t", "values": ["'row'"], "update_values": {"a": text}});
    let written = legacy("UserInsertOrUpdate", kwargs);
    match written.strip_prefix("INSERT INTO `user_x_t` VALUES (?) ON CONFLICT DO UPDATE SET `a` = ")
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
        ("-(-a)", "(-(-`a`)) []"),
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
        ("a || b || 'c'", "((`a` || `b`) || ?) ['c']"),
        ("t.a + n.b", "(`user_x_t`.`a` + excluded.`b`) []"),
        ("user_x_t.a", "`user_x_t`.`a` []"),
        ("t", "`t` []"),
        ("select", "`select` []"),
        ("coalesce(n.a, 0)", "COALESCE(excluded.`a`, ?) [0]"),
        ("CONCAT(a, 'b', c)", "(`a` || ? || `c`) ['b']"),
        ("GREATEST(t.a, n.a)", "MAX(`user_x_t`.`a`, excluded.`a`) []"),
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
        (json!({"query": 5}), "ValueError"),
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

#[test]
fn names_may_stand_in_quotes() {
    for (text, expected) in [
        ("`order` + 1", "(`order` + ?) [1]"),
        ("[order]", "`order` []"),
        ("`kills per map`", "`kills per map` []"),
        ("t.`order`", "`user_x_t`.`order` []"),
        ("`user_x_t`.`order`", "`user_x_t`.`order` []"),
        ("\"user_x_t\".\"order\"", "`user_x_t`.`order` []"),
        ("USER_X_T.a", "`user_x_t`.`a` []"),
        ("größe", "`größe` []"),
        ("a; ", "`a` []"),
        // A column where there is one, else a text: SQLite looks.
        ("\"bob\"", "\"bob\" []"),
        ("\"it's\"", "? ['it's']"),
        ("\"\"", "? ['']"),
        ("'a\\b'", "? ['a\\b']"),
    ] {
        assert_eq!(expression(text), expected, "{text}");
    }
    for (text, expected) in [
        (
            "`a'b`",
            "ValueError: \"a'b\" is not a column name that vpid writes, also in quotes; rename the \
             column, or use VPI_DB_RawExecute",
        ),
        (
            "`a",
            "ValueError: expression: a name without its closing quote at byte 0 is not understood",
        ),
        (
            "'a' 'b'",
            "ValueError: expression: a text at byte 4 is not understood",
        ),
        (
            "`secrets`.a",
            "ValueError: expression: `secrets.` at byte 0 is not understood",
        ),
    ] {
        assert_eq!(expression(text), expected, "{text}");
    }
}

/// What stands between SELECT and FROM; None where it is refused.
fn selected(column: &str, engine: Quoting) -> Option<String> {
    let kwargs = json!({"table": "user_x_t", "columns": [column]});
    let call = parse(
        "VPI_DB_UserSelect",
        "x.nut",
        &kwargs,
        Reading::Legacy,
        engine,
    )
    .ok()?;
    let dialect = match engine {
        Quoting::Sqlite => Dialect::Sqlite,
        Quoting::Mysql => Dialect::Mysql {
            row_alias: false,
            mode: SqlMode::default(),
        },
    };
    let statement = render(&call, 0, dialect).unwrap();
    let text = statement.text.strip_suffix(" FROM `user_x_t`").unwrap();
    Some(text.strip_prefix("SELECT ").unwrap().to_owned())
}

#[test]
fn columns_are_named_without_as_where_that_is_clear() {
    for engine in [Quoting::Sqlite, Quoting::Mysql] {
        for (column, text) in [
            ("n points", "`n` AS `points`"),
            (
                "n + 1 points, k `the name`",
                "(`n` + ?) AS `points`, `k` AS `the name`",
            ),
            ("COUNT(*) players", "COUNT(*) AS `players`"),
            ("DISTINCT b", "DISTINCT `b`"),
            ("distinct b x, n", "DISTINCT `b` AS `x`, `n`"),
            ("DISTINCT(b)", "DISTINCT `b`"),
            ("DISTINCT *", "DISTINCT *"),
            ("COUNT(DISTINCT b)", "COUNT(DISTINCT `b`)"),
            ("distinct", "`distinct`"),
            ("distinct, n", "`distinct`, `n`"),
            ("distinct AS n", "`distinct` AS `n`"),
        ] {
            assert_eq!(selected(column, engine).as_deref(), Some(text), "{column}");
        }
    }
}

#[test]
fn words_that_are_one_value_with_the_name_behind_them_are_no_columns() {
    for engine in [Quoting::Sqlite, Quoting::Mysql] {
        for column in [
            // One value of an engine's each, or another statement.
            "n;b",
            "n\0 b",
            "DISTINCT;b",
            "x '41'",
            "NOT n",
            "BINARY n",
            "ALL n",
            "SQL_NO_CACHE n",
            "n ISNULL",
            "n notnull",
            "n FROM",
            "n points x",
            "n, DISTINCT b",
            "n DISTINCT b",
            "MAX(DISTINCT b, n)",
            "COUNT(DISTINCT)",
            "COUNT(DISTINCT *)",
            "COUNT(DISTINCT a, b)",
        ] {
            assert_eq!(selected(column, engine), None, "{column}");
        }
    }
    let kwargs = json!({"table": "user_x_t", "columns": ["n", "DISTINCT b"]});
    let error = parse(
        "VPI_DB_UserSelect",
        "x.nut",
        &kwargs,
        Reading::Legacy,
        Quoting::Sqlite,
    );
    let error = error.unwrap_err();
    assert_eq!(
        error.detail(),
        "DISTINCT belongs before the first of the columns"
    );
}

#[test]
fn quoted_names_stand_wherever_a_column_does() {
    for (function, kwargs, expected) in [
        (
            "UserSelect",
            json!({"columns": ["`key`, [rank] AS `place`", "\"group\" AS \"x\""],
                "filter_column": "`key`", "filter_value": "O''Brien"}),
            "SELECT `key`, `rank` AS `place`, \"group\" AS `x` FROM `user_x_t` WHERE `key` = ? \
             ['O'Brien']",
        ),
        (
            "UserInsert",
            json!({"columns": ["`key`", "\"order\"", "[a]", "'b'"], "values": [1, 2, 3, 4]}),
            "INSERT INTO `user_x_t` (`key`, `order`, `a`, `b`) VALUES (?, ?, ?, ?) [1 2 3 4]",
        ),
        (
            "UserUpdate",
            json!({"values": {"`user_x_t`.`key`": "`key` + 1"}}),
            "UPDATE `user_x_t` SET `key` = (`key` + ?) [1]",
        ),
        (
            "UserInsertOrUpdate",
            json!({"values": [1], "update_values": {"t.`key`": "n.`key`"}}),
            "INSERT INTO `user_x_t` VALUES (?) ON CONFLICT DO UPDATE SET `key` = excluded.`key` [1]",
        ),
    ] {
        for table in ["user_x_t", "`user_x_t`"] {
            let mut kwargs = kwargs.clone();
            kwargs["table"] = json!(table);
            assert_eq!(legacy(function, kwargs), expected);
        }
    }
}

#[test]
fn percent_signs_of_a_query_for_sqlite_are_its_own_unless_its_placeholders_have_one() {
    for (query, expected) in [
        ("SELECT '100%%', ?", "SELECT '100%%', ? [1]"),
        ("SELECT 7 %% 4", "SELECT 7 %% 4 [1]"),
        ("SELECT '100%%', %s", "SELECT '100%', ? [1]"),
        ("SELECT 7 %s, ?", "SELECT 7 %s, ? [1]"),
    ] {
        let kwargs = json!({"query": query, "format": [1]});
        assert_eq!(legacy("RawExecute", kwargs), expected);
    }
}
