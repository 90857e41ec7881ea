//! A call of a script, as it is read from a file of either protocol or from a Python script.

use serde_json::{Map, Value};
use std::sync::LazyLock;

use crate::limits;
use crate::protocol::call_error::CallError;

/// What a script calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Unique within one script VM (one map), not beyond.
    pub token: String,
    pub function: String,
    /// Arguments without names: only Python scripts give such.
    pub args: Vec<Value>,
    /// Mostly an object or null. A stock script may send any other value: functions of the owner's
    /// `vpi_interfaces` get it as it is, the others refuse it.
    pub kwargs: Value,
    /// Whether the caller waits for the response.
    pub callback: bool,
    /// Bare file name of the calling script.
    pub script: String,
    /// How long the caller waits; `None`: it does not say.
    pub timeout_ms: Option<u64>,
    /// Whether texts among the values of an SQL call are SQL, as the stock client means them.
    pub sql_texts: bool,
}

/// A call that cannot be done, with as much of it as could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BadCall {
    pub token: String,
    pub function: String,
    pub callback: bool,
    pub error: CallError,
}

pub type CallResult = Result<Call, Box<BadCall>>;

static NO_ARGUMENTS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl Call {
    /// The arguments, for functions that take them by their names.
    pub fn named(&self) -> Result<&Map<String, Value>, CallError> {
        match &self.kwargs {
            Value::Object(kwargs) => Ok(kwargs),
            Value::Null => Ok(&NO_ARGUMENTS),
            _ => Err(CallError::no_table()),
        }
    }
}

impl BadCall {
    /// A call of which something is missing.
    pub fn new(token: String, function: String, callback: bool, what: &'static str) -> Box<Self> {
        Box::new(Self {
            token,
            function,
            callback,
            error: CallError::new("MalformedCall", what),
        })
    }
}

/// What a call that was read takes in memory, in bytes.
pub fn weigh(call: &CallResult) -> usize {
    fn of_value(value: &Value) -> usize {
        let inside = match value {
            Value::String(text) => text.len() * limits::CALL_BYTE_COST,
            Value::Array(list) => list.iter().map(of_value).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| name.len() * limits::CALL_BYTE_COST + of_value(value))
                .sum(),
            _ => 0,
        };
        inside + limits::CALL_VALUE_COST_BYTES
    }
    let inside = match call {
        Ok(call) => of_value(&call.kwargs) + call.args.iter().map(of_value).sum::<usize>(),
        Err(_) => 0,
    };
    limits::CALL_OVERHEAD_BYTES + inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_have_names_or_there_are_none() {
        let named = |kwargs: Value| {
            let call = Call {
                token: String::new(),
                function: "F".into(),
                args: Vec::new(),
                kwargs,
                callback: true,
                script: "x.nut".into(),
                timeout_ms: None,
                sql_texts: true,
            };
            call.named().cloned()
        };
        assert_eq!(named(json!({"a": 1})).unwrap()["a"], 1);
        assert!(named(Value::Null).unwrap().is_empty());
        for kwargs in [json!([]), json!("text"), json!(0), json!(false)] {
            assert_eq!(
                named(kwargs).unwrap_err().to_string(),
                "ValueError: kwargs are not a table; give the arguments by their names"
            );
        }
    }
}
