//! What becomes of calls in the dialect of MySQL and MariaDB.

use super::*;
use serde_json::{Value, json};

const ALIAS: Dialect = Dialect::Mysql { row_alias: true };
const VALUES: Dialect = Dialect::Mysql { row_alias: false };

fn written(function: &str, kwargs: Value, dialect: Dialect) -> String {
    let call = parse(
        &format!("VPI_DB_{function}"),
        "x.nut",
        &kwargs,
        Reading::Legacy,
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
        ("LENGTH(a)", "CHAR_LENGTH(`a`)"),
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
fn placeholders_of_raw_queries_are_told_from_what_is_quoted() {
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
