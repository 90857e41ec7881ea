//! What becomes of calls in the dialect of MySQL and MariaDB.

use super::super::*;
use super::parse;
use serde_json::{Value, json};

const ALIAS: Dialect = server(true);
const VALUES: Dialect = server(false);

const fn server(row_alias: bool) -> Dialect {
    Dialect::Mysql {
        row_alias,
        mode: SqlMode::ALL[0],
    }
}

fn written(function: &str, kwargs: Value, dialect: Dialect) -> String {
    let call = parse(
        &format!("VPI_DB_{function}"),
        "x.nut",
        &kwargs,
        Reading::Legacy,
        Quoting::Mysql,
    );
    let call = call.unwrap();
    match render(&call, 0, dialect) {
        Ok(statement) => statement.text.into_owned(),
        Err(error) => error.to_string(),
    }
}

/// An expression, as a select writes it.
fn expression(text: &str) -> String {
    let kwargs = json!({"table": "user_x_t", "columns": [text]});
    let statement = written("UserSelect", kwargs, ALIAS);
    let begun = statement.strip_prefix("SELECT ").unwrap();
    begun.strip_suffix(" FROM `user_x_t`").unwrap().to_owned()
}

#[test]
fn names_stand_in_backticks() {
    for (function, kwargs, expected) in [
        (
            "UserSelect",
            json!({"table": "user_x_t", "columns": ["id, t.wins AS sum"], "filter_column": "id", "filter_value": 1}),
            "SELECT `id`, `user_x_t`.`wins` AS `sum` FROM `user_x_t` WHERE `id` = ?",
        ),
        (
            "UserInsert",
            json!({"table": "user_x_t", "values": [[1, 2], [3, 4]], "columns": ["id", "wins"]}),
            "INSERT INTO `user_x_t` (`id`, `wins`) VALUES (?, ?), (?, ?)",
        ),
        (
            "UserDelete",
            json!({"table": "user_x_t", "filter_column": "id", "filter_op": "LIKE", "filter_value": "'a%'"}),
            "DELETE FROM `user_x_t` WHERE `id` LIKE ?",
        ),
        (
            "UserDelete",
            json!({"table": "user_x_t", "wipe": true}),
            "DELETE FROM `user_x_t`",
        ),
    ] {
        assert_eq!(written(function, kwargs, ALIAS), expected);
    }
}

#[test]
fn what_is_proposed_is_named_as_the_server_knows_it() {
    let update = |dialect, value: &str| {
        let kwargs = json!({
            "table": "user_x_t",
            "values": [1, 5],
            "columns": ["id", "wins"],
            "update_values": {"wins": value},
        });
        let statement = written("UserInsertOrUpdate", kwargs, dialect);
        let insert = "INSERT INTO `user_x_t` (`id`, `wins`) VALUES (?, ?)";
        statement.strip_prefix(insert).unwrap().to_owned()
    };
    assert_eq!(
        update(ALIAS, "wins + t.wins + n.wins"),
        " AS `n` ON DUPLICATE KEY UPDATE \
         `wins` = ((`user_x_t`.`wins` + `user_x_t`.`wins`) + `n`.`wins`)"
    );
    assert_eq!(
        update(VALUES, "wins + user_x_t.wins + n.wins"),
        " ON DUPLICATE KEY UPDATE \
         `wins` = ((`user_x_t`.`wins` + `user_x_t`.`wins`) + VALUES(`wins`))"
    );
    assert_eq!(
        update(VALUES, "MAX(n.wins, 3)"),
        " ON DUPLICATE KEY UPDATE `wins` = GREATEST(VALUES(`wins`), ?)"
    );
}

#[test]
fn null_equals_null_where_it_should() {
    let filter = |op: &str, value: Value| {
        let kwargs = json!({"table": "user_x_t", "filter_column": "wins", "filter_op": op, "filter_value": value});
        let statement = written("UserSelect", kwargs, VALUES);
        let (_, condition) = statement.split_once(" WHERE ").unwrap();
        condition.to_owned()
    };
    assert_eq!(filter("IS", json!(5)), "`wins` <=> ?");
    assert_eq!(filter("IS NOT", json!(5)), "NOT `wins` <=> ?");
    assert_eq!(filter("IS", json!(null)), "`wins` IS NULL");
    assert_eq!(filter("IS NOT", json!(null)), "`wins` IS NOT NULL");
    assert_eq!(filter("!=", json!(5)), "`wins` <> ?");
}

#[test]
fn operators_and_functions_mean_what_they_mean_in_sqlite() {
    for (text, expected) in [
        ("a || 'b' || c", "CONCAT(CONCAT(`a`, ?), `c`)"),
        ("a || b + 1", "(CONCAT(`a`, `b`) + ?)"),
        ("CONCAT(a, b)", "CONCAT(`a`, `b`)"),
        ("a + b * -c", "(`a` + (`b` * (-`c`)))"),
        ("LENGTH(a)", "LENGTH(`a`)"),
        ("CHAR_LENGTH(a)", "CHAR_LENGTH(`a`)"),
        ("MAX(a, 0)", "GREATEST(`a`, ?)"),
        ("LEAST(a, 0)", "LEAST(`a`, ?)"),
        ("MAX(a)", "MAX(`a`)"),
        ("MIN(a)", "MIN(`a`)"),
        ("UNIX_TIMESTAMP()", "UNIX_TIMESTAMP()"),
        ("NOW()", "CURRENT_TIMESTAMP"),
        ("TOTAL(a)", "(COALESCE(SUM(`a`), 0) + 0e0)"),
        ("COUNT(*)", "COUNT(*)"),
        ("SUBSTR(a, 1, 2)", "SUBSTR(`a`, ?, ?)"),
    ] {
        assert_eq!(expression(text), expected, "{text}");
    }
}

#[test]
fn assignments_see_the_row_as_it_was() {
    let update = |values: Value| {
        let kwargs = json!({"table": "user_x_t", "values": values, "filter_column": "id", "filter_value": 1});
        written("UserUpdate", kwargs, ALIAS)
    };
    assert_eq!(
        update(json!({"a": "b", "b": "c", "c": "c + 1"})),
        "UPDATE `user_x_t` SET `a` = `b`, `b` = `c`, `c` = (`c` + ?) WHERE `id` = ?"
    );
    assert_eq!(
        update(json!({"c": "c + 1", "b": "user_x_t.C", "a": "ABS(B)"})),
        "UPDATE `user_x_t` SET `a` = ABS(`B`), `b` = `user_x_t`.`C`, `c` = (`c` + ?) \
         WHERE `id` = ?"
    );
    let error = update(json!({"a": "b", "b": "a"}));
    assert!(error.contains("each other's old values"), "{error}");
    assert_eq!(
        written(
            "UserInsertOrUpdate",
            json!({
                "table": "user_x_t",
                "values": [1, 2, 3],
                "columns": ["id", "a", "b"],
                "update_values": {"a": "n.b", "b": "t.a + n.a"},
            }),
            VALUES
        ),
        "INSERT INTO `user_x_t` (`id`, `a`, `b`) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE \
         `b` = (`user_x_t`.`a` + VALUES(`a`)), `a` = VALUES(`b`)",
        "what is proposed does not change"
    );
}

#[test]
fn placeholders_of_raw_queries_are_distinguished_from_what_is_quoted() {
    let raw = |query: &str| {
        let kwargs = json!({"query": query, "format": [1]});
        written("RawExecute", kwargs, ALIAS)
    };
    for (query, expected) in [
        ("SELECT %s # %s\n, %s", "SELECT ? # %s\n, ?"),
        ("SELECT '%s \\' %s', %s", "SELECT '%s \\' %s', ?"),
        (r#"SELECT "%s \" %s", %s"#, r#"SELECT "%s \" %s", ?"#),
        ("SELECT `%s\\`, %s", "SELECT `%s\\`, ?"),
        ("SELECT 5--%s", "SELECT 5--?"),
        ("SELECT 5 -- %s\n-%s", "SELECT 5 -- %s\n-?"),
        ("SELECT [%s]", "SELECT [?]"),
        ("SELECT 7 %% %s /* %s %% */", "SELECT 7 % ? /* %s % */"),
    ] {
        assert_eq!(raw(query), expected, "{query}");
    }
}

/// The call of stock scripts in a mode of the server: its text and its parameters, or the reason.
fn in_mode(function: &str, kwargs: &Value, mode: SqlMode) -> String {
    let dialect = Dialect::Mysql {
        row_alias: false,
        mode,
    };
    let function = format!("VPI_DB_{function}");
    let call = parse(&function, "x.nut", kwargs, Reading::Legacy, Quoting::Mysql);
    let written = call.and_then(|call| {
        let statement = render(&call, 0, dialect)?;
        Ok(format!("{} {:?}", statement.text, statement.params))
    });
    written.unwrap_or_else(|error| error.to_string())
}

/// A value of a stock insert, as it is written and bound.
fn value_in(text: &str, mode: SqlMode) -> String {
    let kwargs = json!({"table": "user_x_t", "values": [text]});
    let written = in_mode("UserInsert", &kwargs, mode);
    let value = written.strip_prefix("INSERT INTO `user_x_t` VALUES (");
    let Some((value, params)) = value.and_then(|value| value.rsplit_once(") [")) else {
        return written;
    };
    format!("{value} [{params}")
}

#[test]
fn texts_are_read_by_the_rules_of_the_server_and_its_mode() {
    let [usual, plain, ansi, both] = SqlMode::ALL;
    for (text, expected) in [
        (r"'a\\b'", r#"? [Text("a\\b")]"#),
        (r"'tab\tx'", r#"? [Text("tab\tx")]"#),
        (r"'it\'s'", r#"? [Text("it's")]"#),
        (r"'it''s'", r#"? [Text("it's")]"#),
        (r"'50\%\_'", r#"? [Text("50\\%\\_")]"#),
        (r#""bob""#, r#"? [Text("bob")]"#),
        (r#""say ""hi"" \"x\"""#, r#"? [Text("say \"hi\" \"x\"")]"#),
        (r#"'a' "b" 'c'"#, r#"? [Text("abc")]"#),
        ("`bob`", "`bob` []"),
    ] {
        assert_eq!(value_in(text, usual), expected, "{text}");
    }
    assert_eq!(value_in(r"'a\\b'", plain), r#"? [Text("a\\\\b")]"#);
    assert!(value_in(r"'it\'s'", plain).starts_with("ValueError"));
    assert_eq!(value_in(r"'a\'", plain), r#"? [Text("a\\")]"#);
    assert_eq!(value_in(r"'a\'", both), r#"? [Text("a\\")]"#);
    assert!(value_in(r"'a\'", ansi).starts_with("ValueError"));
    assert_eq!(value_in(r#""bob""#, ansi), "`bob` []");
    assert_eq!(value_in(r#""bob""#, both), "`bob` []");
}

#[test]
fn a_call_that_no_mode_reads_is_refused_and_one_that_all_read_alike_is_one_call() {
    let parsed = |text: &str| {
        let kwargs = json!({"table": "user_x_t", "values": [text]});
        parse(
            "VPI_DB_UserInsert",
            "x.nut",
            &kwargs,
            Reading::Legacy,
            Quoting::Mysql,
        )
    };
    assert!(parsed(r"\ '").is_err());
    assert!(matches!(parsed("'say \"hi\"'"), Ok(SqlCall::Insert { .. })));
    let call = parsed(r"'a\b'").unwrap();
    assert!(matches!(call, SqlCall::ByMode(_)));
    assert!(call.may_write(Quoting::Mysql));
    assert_eq!(call.class(), Ok(Class::Write));
}

#[test]
fn what_a_stock_filter_compares_with_is_a_text() {
    let filter = |value: Value, mode| {
        let kwargs = json!({"table": "user_x_t", "filter_column": "k", "filter_value": value});
        let written = in_mode("UserDelete", &kwargs, mode);
        let (_, value) = written.split_once(" = ? ").unwrap();
        value.to_owned()
    };
    let [usual, plain, ..] = SqlMode::ALL;
    for (value, expected) in [
        (json!(0), r#"[Text("0")]"#),
        (json!(12), r#"[Text("12")]"#),
        (json!(0.5), r#"[Text("0.5")]"#),
        (json!(true), r#"[Text("True")]"#),
        (json!(r"O\'Brien"), r#"[Text("O'Brien")]"#),
        (json!("O''Brien"), r#"[Text("O'Brien")]"#),
        (json!("\"bob\""), r#"[Text("\"bob\"")]"#),
    ] {
        assert_eq!(filter(value.clone(), usual), expected, "{value}");
    }
    assert_eq!(filter(json!(r"O\'Brien"), plain), r#"[Text("O\\'Brien")]"#);
}

#[test]
fn numbers_with_a_point_are_as_exact_as_the_server_reads_them() {
    let usual = SqlMode::default();
    for (text, expected) in [
        ("1.50", r#"CAST(? AS DECIMAL(65, 2)) [Text("1.50")]"#),
        ("-0.1", r#"CAST(? AS DECIMAL(65, 1)) [Text("-0.1")]"#),
        (
            "9223372036854775808",
            r#"CAST(? AS DECIMAL(65, 0)) [Text("9223372036854775808")]"#,
        ),
        ("1.5e3", "? [Float(1500.0)]"),
        ("7", "? [Int(7)]"),
    ] {
        assert_eq!(value_in(text, usual), expected, "{text}");
    }
    // As a float it would be another number, and nothing would say so.
    for digits in [format!("1.{}1", "0".repeat(30)), "9".repeat(66)] {
        let kwargs = json!({"table": "user_x_t", "values": [digits]});
        let said = in_mode("UserInsert", &kwargs, usual);
        assert!(said.contains("DECIMAL of 65 digits"), "{said}");
    }
    let kwargs = json!({"table": "user_x_t", "values": [0.25, 1e20, 7, true]});
    assert_eq!(
        in_mode("UserInsert", &kwargs, usual),
        "INSERT INTO `user_x_t` VALUES (CAST(? AS DECIMAL(65, 2)), ?, ?, ?) \
         [Text(\"0.25\"), Float(1e20), Int(7), Int(1)]"
    );
}

#[test]
fn defaults_and_proposed_values_are_named_as_mysql_names_them() {
    let usual = SqlMode::default();
    assert_eq!(value_in(" default ", usual), "DEFAULT []");
    assert_eq!(value_in("DEFAULT(`k`)", usual), "DEFAULT(`k`) []");
    let kwargs = json!({
        "table": "user_x_t",
        "values": [1, 5],
        "update_values": {"t.wins": "new.wins + VALUES(wins) + `n`.`wins` + User_X_T.wins"},
    });
    let written = in_mode("UserInsertOrUpdate", &kwargs, usual);
    let (_, update) = written.split_once(" UPDATE ").unwrap();
    assert_eq!(
        update,
        "`wins` = (((VALUES(`wins`) + VALUES(`wins`)) + VALUES(`wins`)) + `user_x_t`.`wins`) \
         [Int(1), Int(5)]"
    );
}

#[test]
fn a_list_in_format_is_a_list_of_values() {
    let raw = |query: &str, format: Value| {
        let kwargs = json!({"query": query, "format": format});
        in_mode("RawExecute", &kwargs, SqlMode::default())
    };
    assert_eq!(
        raw(
            "SELECT '%%s' FROM t WHERE id IN %s AND a = %s",
            json!([[1, 2], "x"])
        ),
        r#"SELECT '%s' FROM t WHERE id IN (?, ?) AND a = ? [Int(1), Int(2), Text("x")]"#
    );
    assert_eq!(
        raw(
            "SELECT 1 FROM t WHERE (a, b) IN %s",
            json!([[[1, 2], [3, 4]]])
        ),
        "SELECT 1 FROM t WHERE (a, b) IN ((?, ?), (?, ?)) [Int(1), Int(2), Int(3), Int(4)]"
    );
    assert_eq!(raw("SELECT %s", json!([[]])), "SELECT () []");
    for (query, format) in [
        ("SELECT ?", json!([[1]])),
        ("SELECT %s", json!([{"a": 1}])),
        ("SELECT %s", json!([[[[[1]]]]])),
    ] {
        let refused = raw(query, format);
        assert!(refused.starts_with("ValueError"), "{refused}");
    }
}
