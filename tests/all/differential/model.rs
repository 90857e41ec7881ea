//! What the stock server does with a call, as far as the database can tell: a reference to compare
//! with, not to use. It pastes whatever it is given into SQL, as that server does.
//!
//! The rules: `;`, NUL and `\x1a` leave every text. Values are SQL, written as Python writes them.
//! `filter_value` stands between single quotes, whatever it is. A filter without column, operator
//! or value is none. `columns` of an insert means nothing. Numbers, texts and null answer as
//! themselves; what a statement changed is counted by the engine.

use serde_json::{Map, Value, json};

/// Whose SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Mariadb,
}

/// What a caller is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Value(Value),
    /// The name of Python's exception.
    Error(String),
    /// The server cannot write the answer down, and ends.
    Ends,
}

/// What a call answered, and what its table held afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub reply: Reply,
    pub rows: Vec<String>,
}

/// What of a statement's result is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    Rows,
    Count,
    Nothing,
}

/// A statement as the stock server puts it together.
#[derive(Debug, PartialEq)]
pub struct Plan {
    pub sql: String,
    pub gives: Gives,
}

/// A script's name without `.nut`, which stands in the names of its tables.
pub const SCRIPT: &str = "diff";

/// The statement of a call, or the name of the exception that comes before any statement.
pub fn plan(function: &str, kwargs: &Value) -> Result<Plan, &'static str> {
    let Value::Object(kwargs) = clean(kwargs) else {
        return Err("TypeError");
    };
    if function == "VPI_DB_RawExecute" {
        return Ok(raw(&kwargs));
    }
    let table = table(&kwargs)?;
    let plan = |sql: String, gives| Ok(Plan { sql, gives });
    match function {
        "VPI_DB_UserSelect" => {
            let listed = texts(kwargs.get("columns"));
            let columns = listed.unwrap_or_else(|| "*".into());
            let filter = filter(&kwargs);
            plan(
                format!("SELECT {columns} FROM {table} {filter}"),
                Gives::Rows,
            )
        }
        "VPI_DB_UserInsert" => {
            let rows = rows(&kwargs)?;
            plan(format!("INSERT INTO {table} VALUES {rows}"), Gives::Count)
        }
        "VPI_DB_UserInsertOrUpdate" => {
            let rows = rows(&kwargs)?;
            let own = format!("{table}.");
            let update = assignments(&kwargs, "update_values", |column, value| {
                let value = value.replace("t.", &own).replace("n.", "new.");
                (column.replace("t.", &own), value)
            })?;
            let sql = format!(
                "INSERT INTO {table} VALUES {rows} AS new ON DUPLICATE KEY UPDATE {update}"
            );
            plan(sql, Gives::Count)
        }
        "VPI_DB_UserUpdate" => {
            let values = assignments(&kwargs, "values", |column, value| (column.into(), value))?;
            let filter = filter(&kwargs);
            plan(
                format!("UPDATE {table} SET {values} {filter}"),
                Gives::Count,
            )
        }
        "VPI_DB_UserDelete" => {
            if kwargs.get("wipe").is_some_and(is_truthy) {
                return plan(format!("DELETE FROM {table}"), Gives::Nothing);
            }
            if !kwargs.contains_key("filter_column") || !kwargs.contains_key("filter_value") {
                return Err("KeyError");
            }
            let filter = filter(&kwargs);
            plan(format!("DELETE FROM {table} {filter}"), Gives::Count)
        }
        other => panic!("{other} is no function of the model"),
    }
}

/// Any SQL runs as it is. Everything that the model knows of comes without `format`.
fn raw(kwargs: &Map<String, Value>) -> Plan {
    Plan {
        sql: kwargs["query"].as_str().expect("a query").to_string(),
        gives: Gives::Rows,
    }
}

/// Without the signs that leave every text.
fn clean(value: &Value) -> Value {
    let without = |text: &String| text.replace(['\0', '\u{1a}', ';'], "");
    match value {
        Value::String(text) => without(text).into(),
        Value::Array(items) => items.iter().map(clean).collect(),
        Value::Object(entries) => {
            let cleaned = entries
                .iter()
                .map(|(key, value)| (without(key), clean(value)));
            Value::Object(cleaned.collect())
        }
        other => other.clone(),
    }
}

fn table(kwargs: &Map<String, Value>) -> Result<&str, &'static str> {
    let Value::String(table) = kwargs.get("table").ok_or("KeyError")? else {
        return Err("ValueError");
    };
    let mut parts = table.split('_');
    let owned = parts.next() == Some("user") && parts.next() == Some(SCRIPT);
    match owned && parts.next().is_some() {
        true => Ok(table),
        false => Err("PermissionError"),
    }
}

/// The texts of a list, parted by commas; none where it is no list, or an empty one.
fn texts(list: Option<&Value>) -> Option<String> {
    let list = list?.as_array().filter(|list| !list.is_empty())?;
    let texts: Vec<_> = list.iter().filter_map(Value::as_str).collect();
    Some(texts.join(","))
}

fn filter(kwargs: &Map<String, Value>) -> String {
    let equals = json!("=");
    let column = kwargs.get("filter_column").unwrap_or(&Value::Null);
    let operator = kwargs.get("filter_op").unwrap_or(&equals);
    let value = kwargs.get("filter_value").unwrap_or(&Value::Null);
    if !is_truthy(column) || !is_truthy(operator) || value.is_null() {
        return String::new();
    }
    let [column, operator, value] = [column, operator, value].map(python);
    format!("WHERE {column} {operator} '{value}'")
}

fn rows(kwargs: &Map<String, Value>) -> Result<String, &'static str> {
    let values = kwargs.get("values").ok_or("KeyError")?;
    let Some(values) = values.as_array().filter(|values| !values.is_empty()) else {
        return Err("ValueError");
    };
    let several: Option<Vec<_>> = values.iter().map(Value::as_array).collect();
    let rows = several.unwrap_or_else(|| vec![values]);
    let row = |row: &Vec<Value>| {
        let values: Vec<_> = row.iter().map(python).collect();
        format!("({})", values.join(","))
    };
    Ok(rows.into_iter().map(row).collect::<Vec<_>>().join(","))
}

fn assignments(
    kwargs: &Map<String, Value>,
    name: &str,
    rewritten: impl Fn(&str, String) -> (String, String),
) -> Result<String, &'static str> {
    let values = kwargs.get(name).ok_or("KeyError")?;
    let Some(values) = values.as_object().filter(|values| !values.is_empty()) else {
        return Err("ValueError");
    };
    let set = values.iter().map(|(column, value)| {
        let (column, value) = rewritten(column, python(value));
        format!("{column} = {value}")
    });
    Ok(set.collect::<Vec<_>>().join(","))
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// A value as Python's `str` writes it.
fn python(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => shown(other),
    }
}

/// A value as Python's `repr` writes it.
fn shown(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_shown(float),
            _ => number.to_string(),
        },
        Value::String(text) => {
            let quote = match text.contains('\'') && !text.contains('"') {
                true => '"',
                false => '\'',
            };
            let inner = text.replace('\\', "\\\\");
            let inner = match quote {
                '\'' => inner.replace('\'', "\\'"),
                _ => inner,
            };
            format!("{quote}{inner}{quote}")
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(shown).collect())),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", shown(&json!(key)), shown(value))
            };
            format!("{{{}}}", list(entries.iter().map(entry).collect()))
        }
    }
}

/// Sixteen digits before the point, and then an exponent of two digits at least.
fn float_shown(float: f64) -> String {
    let digits = format!("{float:e}");
    let (mantissa, exponent) = digits.split_once('e').expect("it has one");
    let exponent: i32 = exponent.parse().expect("a number");
    match exponent {
        -4..16 => format!("{float:?}"),
        16.. => format!("{mantissa}e+{exponent:02}"),
        _ => format!("{mantissa}e-{:02}", -exponent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(function: &str, kwargs: Value) -> String {
        plan(function, &kwargs).unwrap().sql
    }

    #[test]
    fn the_model_writes_what_the_stock_server_writes() {
        assert_eq!(
            sql(
                "VPI_DB_UserSelect",
                json!({"table": "user_diff_t", "columns": ["a", 1, "b;"], "filter_column": "k",
                    "filter_value": 3.0})
            ),
            "SELECT a,b FROM user_diff_t WHERE k = '3.0'"
        );
        assert_eq!(
            sql(
                "VPI_DB_UserInsertOrUpdate",
                json!({"table": "user_diff_t", "columns": ["a"], "values": [1, true, null, "'x'", [1, "y"]],
                    "update_values": {"t.n": "t.n + n.n"}})
            ),
            "INSERT INTO user_diff_t VALUES (1,True,None,'x',[1, 'y']) AS new \
             ON DUPLICATE KEY UPDATE user_diff_t.n = user_diff_t.n + new.n"
        );
        let half = json!({"table": "user_diff_t", "filter_column": "k", "filter_value": null});
        assert_eq!(sql("VPI_DB_UserDelete", half), "DELETE FROM user_diff_t ");
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (float, text) in [
            (3.0, "3.0"),
            (1e10, "10000000000.0"),
            (1e16, "1e+16"),
            (1.5e20, "1.5e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
        ] {
            assert_eq!(float_shown(float), text);
        }
    }
}
