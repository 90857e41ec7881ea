//! Values to and from JSON, for tests to give and to read.

use serde_json::{Map, Value as Json};

use crate::{Value, Vm};

/// Deeper tables are printed instead: they may hold themselves.
const DEPTH_MAX: u32 = 32;

impl Vm {
    /// Text that is no UTF-8 gets replacement characters; functions and instances are printed.
    pub fn to_json(&self, value: &Value) -> Json {
        self.to_json_within(value, DEPTH_MAX)
    }

    fn to_json_within(&self, value: &Value, depth: u32) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(truth) => Json::from(*truth),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => Json::from(f64::from(*number)),
            Value::Text(text) => Json::from(String::from_utf8_lossy(text).into_owned()),
            Value::Object(object) if object.is_array() && depth > 0 => {
                let entries = self.entries(object);
                let values = entries
                    .iter()
                    .map(|(_, value)| self.to_json_within(value, depth - 1));
                Json::Array(values.collect())
            }
            Value::Object(object) if object.is_table() && depth > 0 => {
                let mut fields = Map::new();
                for (key, value) in self.entries(object) {
                    fields.insert(self.display(&key), self.to_json_within(&value, depth - 1));
                }
                Json::Object(fields)
            }
            Value::Object(_) => Json::from(self.display(value)),
        }
    }

    /// Whole numbers wrap at 32 bits: what the game gives to its scripts has no more, on any server.
    pub fn from_json(&self, json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::from(number as i32),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN) as f32),
            },
            Json::String(text) => Value::from(text.as_str()),
            Json::Array(values) => {
                let values: Vec<Value> = values.iter().map(|value| self.from_json(value)).collect();
                Value::Object(self.array(&values))
            }
            Json::Object(fields) => {
                let table = self.table();
                for (key, value) in fields {
                    self.set(&table, key, &self.from_json(value));
                }
                Value::Object(table)
            }
        }
    }
}
