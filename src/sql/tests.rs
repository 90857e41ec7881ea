//! What the six functions take and the statements they become, as tables to read.

mod expressions;
mod hostile;
mod mysql;
mod owner;

use super::*;
use serde_json::{Value, json};

/// The same, of arguments that are a table.
pub(super) fn parse(
    function: &str,
    script: &str,
    kwargs: &Value,
    reading: Reading,
    engine: Quoting,
) -> Result<SqlCall, Error> {
    let kwargs = kwargs.as_object().expect("a table");
    super::parse(function, script, kwargs, reading, engine)
}

/// Parses and renders; parameters follow the statement in brackets.
fn written(function: &str, kwargs: Value, reading: Reading) -> Result<String, Error> {
    let function = format!("VPI_DB_{function}");
    let call = parse(&function, "x.nut", &kwargs, reading, Quoting::Sqlite)?;
    let statement = render(&call, 0, Dialect::Sqlite)?;
    let params: Vec<String> = statement
        .params
        .iter()
        .map(|param| match param {
            Param::Null => "null".to_owned(),
            Param::Int(value) => value.to_string(),
            Param::Float(value) => format!("{value:?}"),
            Param::Text(text) => format!("'{text}'"),
        })
        .collect();
    Ok(format!("{} [{}]", statement.text, params.join(" ")))
}

pub(super) fn legacy(function: &str, kwargs: Value) -> String {
    match written(function, kwargs, Reading::Legacy) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

fn signed(function: &str, kwargs: Value) -> String {
    match written(function, kwargs, Reading::Signed) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

/// The reason word of a call that must fail.
pub(super) fn reason(function: &str, kwargs: Value) -> String {
    match written(function, kwargs.clone(), Reading::Legacy) {
        Ok(text) => panic!("{kwargs} became {text}"),
        Err(error) => error.reason().to_owned(),
    }
}

#[test]
fn selects() {
    for (kwargs, expected) in [
        (json!({}), "SELECT * FROM `user_x_t` []"),
        (json!({"columns": []}), "SELECT * FROM `user_x_t` []"),
        (json!({"columns": "wins"}), "SELECT * FROM `user_x_t` []"),
        (
            json!({"columns": ["wins", 5, "*"]}),
            "SELECT `wins`, * FROM `user_x_t` []",
        ),
        (
            json!({"columns": ["a, b AS c"]}),
            "SELECT `a`, `b` AS `c` FROM `user_x_t` []",
        ),
        (
            json!({"columns": ["COUNT(*)", "max(a)", "MAX(a, 0) as m", "Sum(t.a) / 2"]}),
            "SELECT COUNT(*), MAX(`a`), MAX(`a`, ?) AS `m`, (SUM(`user_x_t`.`a`) / ?) FROM `user_x_t` [0 2]",
        ),
    ] {
        let mut kwargs = kwargs;
        kwargs["table"] = json!("user_x_t");
        assert_eq!(legacy("UserSelect", kwargs), expected);
    }
}

/// The condition that a select gets, or the reason why it is refused.
fn filter(column: Value, op: Value, value: Value) -> String {
    let kwargs = json!({"table": "user_x_t", "filter_column": column, "filter_op": op, "filter_value": value});
    let written = legacy("UserSelect", kwargs);
    match written.strip_prefix("SELECT * FROM `user_x_t`") {
        Some(condition) => condition.to_owned(),
        None => written.split(':').next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn filters() {
    for (column, op, value, expected) in [
        (json!("id"), json!("="), json!(5), " WHERE `id` = ? ['5']"),
        (json!("id"), json!("="), json!("5"), " WHERE `id` = ? ['5']"),
        (
            json!("id"),
            json!("=="),
            json!(1.5),
            " WHERE `id` = ? ['1.5']",
        ),
        (
            json!("id"),
            json!("<>"),
            json!(true),
            " WHERE `id` <> ? ['True']",
        ),
        (json!("id"), json!("!="), json!(0), " WHERE `id` <> ? ['0']"),
        (json!("id"), json!(">="), json!(0), " WHERE `id` >= ? ['0']"),
    ] {
        assert_eq!(filter(column, op, value), expected);
    }
}

#[test]
fn filters_in_words_and_expressions() {
    for (column, op, value, expected) in [
        (
            json!("n"),
            json!("like"),
            json!("a%"),
            " WHERE `n` LIKE ? ['a%']",
        ),
        (
            json!("n"),
            json!(" not  like "),
            json!("a"),
            " WHERE `n` NOT LIKE ? ['a']",
        ),
        (
            json!("n"),
            json!("IS"),
            json!(null),
            " WHERE `n` IS NULL []",
        ),
        (
            json!("n"),
            json!("is not"),
            json!("null"),
            " WHERE `n` IS NOT NULL []",
        ),
        (json!("n"), json!("IS"), json!("a"), " WHERE `n` IS ? ['a']"),
        // A text is quoted by upstream, so it is never an expression.
        (
            json!("id"),
            json!("="),
            json!("1 + 1"),
            " WHERE `id` = ? ['1 + 1']",
        ),
        (
            json!("ABS(t.id) % 2"),
            json!("="),
            json!(1),
            " WHERE (ABS(`user_x_t`.`id`) % ?) = ? [2 '1']",
        ),
    ] {
        assert_eq!(filter(column, op, value), expected);
    }
    let kwargs =
        json!({"table": "user_x_t", "filter_column": "a", "filter_value": {"expr": "t.b + 1"}});
    assert_eq!(
        signed("UserSelect", kwargs),
        "SELECT * FROM `user_x_t` WHERE `a` = (`user_x_t`.`b` + ?) [1]"
    );
}

#[test]
fn filters_that_are_none() {
    for (column, op, value, expected) in [
        // Half a filter filters nothing, as upstream has it.
        (json!("id"), json!("="), json!(null), " []"),
        (json!(null), json!("="), json!(5), " []"),
        (json!(""), json!("="), json!(5), " []"),
        (json!("id"), json!("= 1 OR"), json!(5), "ValueError"),
        (json!("id"), json!(""), json!(5), " []"),
        (json!("id"), json!(null), json!(5), " []"),
        (json!("id"), json!(0), json!(5), " []"),
        (json!("id"), json!(7), json!(5), "ValueError"),
        (json!(7), json!("="), json!(5), "ValueError"),
        (json!("id"), json!("="), json!([5]), "ValueError"),
        (json!("id"), json!("="), json!({"expr": "5"}), "ValueError"),
        (json!("COUNT(*)"), json!("="), json!(5), "ValueError"),
    ] {
        assert_eq!(filter(column, op, value), expected);
    }
}

#[test]
fn inserts() {
    let insert = |kwargs: Value| {
        let mut kwargs = kwargs;
        kwargs["table"] = json!("user_x_t");
        legacy("UserInsert", kwargs)
    };
    for (kwargs, expected) in [
        (
            json!({"values": [1, 2.5, null, true]}),
            "VALUES (?, ?, ?, ?) [1 2.5 null 1]",
        ),
        (
            json!({"values": ["'a;b'", "NULL", "-3"]}),
            "VALUES (?, ?, ?) ['a;b' null -3]",
        ),
        (
            json!({"values": [[1, 2], [3, 4]]}),
            "VALUES (?, ?), (?, ?) [1 2 3 4]",
        ),
        (
            json!({"values": [7], "columns": ["a"]}),
            "(`a`) VALUES (?) [7]",
        ),
        (
            json!({"values": ["NOW()"], "columns": []}),
            "VALUES (CURRENT_TIMESTAMP) []",
        ),
        // Upstream ignores what is no list.
        (json!({"values": [7], "columns": "a"}), "VALUES (?) [7]"),
        (
            json!({"values": [7], "columns": {"a": 1}}),
            "VALUES (?) [7]",
        ),
    ] {
        assert_eq!(insert(kwargs), format!("INSERT INTO `user_x_t` {expected}"));
    }
    for kwargs in [
        json!({"values": []}),
        json!({"values": "1"}),
        json!({"values": [[]]}),
        json!({"values": [[1], [1, 2]]}),
        json!({"values": [[1], 2]}),
        json!({"values": [1], "columns": ["a", "b"]}),
        json!({"values": [1], "columns": [1]}),
        json!({"values": [1], "columns": ["a\"b"]}),
        json!({"values": [1], "columns": ["a b"]}),
        json!({"values": [{"expr": "1"}]}),
        json!({"values": ["n.a"]}),
        json!({"values": [""]}),
        json!({"values": vec![json!([1]); crate::limits::SQL_ROWS_MAX + 1]}),
        json!({"values": vec![json!(1); crate::limits::SQL_COLUMNS_MAX + 1]}),
    ] {
        let shown = kwargs.to_string();
        assert!(insert(kwargs).starts_with("ValueError"), "{shown:.99}");
    }
    assert_eq!(
        reason("UserInsert", json!({"table": "user_x_t"})),
        "KeyError"
    );
}

#[test]
fn signed_texts_are_texts() {
    let kwargs =
        json!({"table": "user_x_t", "values": ["NULL", "1 + 1", "it's", {"expr": "1 + 1"}]});
    assert_eq!(
        signed("UserInsert", kwargs),
        "INSERT INTO `user_x_t` VALUES (?, ?, ?, (? + ?)) ['NULL' '1 + 1' 'it's' 1 1]"
    );
    for odd in [
        json!({"expr": 1}),
        json!({}),
        json!({"expr": "1", "more": 1}),
        json!([1]),
    ] {
        let kwargs = json!({"table": "user_x_t", "values": [0, odd]});
        assert!(signed("UserInsert", kwargs).starts_with("ValueError"));
    }
}

#[test]
fn updates() {
    let update = |kwargs: Value| {
        let mut kwargs = kwargs;
        kwargs["table"] = json!("user_x_t");
        legacy("UserUpdate", kwargs)
    };
    assert_eq!(
        update(
            json!({"values": {"a": "a + 1", "user_x_t.b": "'x'"}, "filter_column": "id", "filter_value": 1})
        ),
        "UPDATE `user_x_t` SET `a` = (`a` + ?), `b` = ? WHERE `id` = ? [1 'x' '1']"
    );
    assert_eq!(
        update(json!({"values": {"a": 1}, "filter_op": "<"})),
        "UPDATE `user_x_t` SET `a` = ? [1]"
    );
    for kwargs in [
        json!({"values": {}}),
        json!({"values": [1]}),
        json!({"values": {"a": [1]}}),
        json!({"values": {"a": 1, "A": 2}}),
        json!({"values": {"a": 1, "t.a": 2}}),
        json!({"values": {"a = 1, b": 2}}),
        json!({"values": {"user_y_t.a": 2}}),
        json!({"values": {"`a` = 1, b": 2}}),
        json!({"values": {"`a\"b`": 2}}),
        json!({"values": {"a": "n.a"}}),
        // Each of these would change every row.
        json!({"values": {"a": 1}, "filter_column": "id"}),
        json!({"values": {"a": 1}, "filter_column": "id", "filter_value": null}),
        json!({"values": {"a": 1}, "filter_value": 5}),
        json!({"values": {"a": 1}, "filter_column": "id", "filter_op": "", "filter_value": 5}),
        json!({"values": {"a": 1}, "filter_column": "id", "filter_op": null, "filter_value": 5}),
    ] {
        assert!(update(kwargs.clone()).starts_with("ValueError"), "{kwargs}");
    }
    assert_eq!(
        reason("UserUpdate", json!({"table": "user_x_t"})),
        "KeyError"
    );
}

#[test]
fn inserts_that_update() {
    let kwargs = json!({
        "table": "user_x_t",
        "columns": ["id", "wins"],
        "values": [1, 1],
        "update_values": {"t.wins": "t.wins + n.wins + wins"},
    });
    assert_eq!(
        legacy("UserInsertOrUpdate", kwargs),
        "INSERT INTO `user_x_t` (`id`, `wins`) VALUES (?, ?) ON CONFLICT DO UPDATE SET \
         `wins` = ((`user_x_t`.`wins` + excluded.`wins`) + `wins`) [1 1]"
    );
    let kwargs = json!({"table": "user_x_t", "values": [1]});
    assert_eq!(reason("UserInsertOrUpdate", kwargs), "KeyError");
}

#[test]
fn deletes() {
    let delete = |kwargs: Value| {
        let mut kwargs = kwargs;
        kwargs["table"] = json!("user_x_t");
        legacy("UserDelete", kwargs)
    };
    for (kwargs, expected) in [
        (
            json!({"filter_column": "id", "filter_value": "7"}),
            "DELETE FROM `user_x_t` WHERE `id` = ? ['7']",
        ),
        (
            json!({"filter_column": "id", "filter_op": "IS", "filter_value": null}),
            "DELETE FROM `user_x_t` WHERE `id` IS NULL []",
        ),
        (json!({"wipe": true}), "DELETE FROM `user_x_t` []"),
        (json!({"wipe": 1}), "DELETE FROM `user_x_t` []"),
    ] {
        assert_eq!(delete(kwargs), expected);
    }
    for (kwargs, expected) in [
        (json!({}), "KeyError"),
        (json!({"wipe": false}), "KeyError"),
        (json!({"filter_column": "id"}), "KeyError"),
        (json!({"filter_value": 1}), "KeyError"),
        (
            json!({"filter_column": "id", "filter_value": null}),
            "ValueError",
        ),
        (
            json!({"filter_column": "", "filter_value": 1}),
            "ValueError",
        ),
        (
            json!({"filter_column": null, "filter_value": 1}),
            "ValueError",
        ),
    ] {
        let written = delete(kwargs.clone());
        assert_eq!(written.split(':').next(), Some(expected), "{kwargs}");
    }
}
