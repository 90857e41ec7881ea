//! The bodies of signed files: JSON arrays of messages (docs/protocol.md).
//!
//! A message that is not understood is left out beside the others; only a body that is no array
//! of objects fails as a whole.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::limits;
use crate::protocol::call::{BadCall, Call, CallResult};
use crate::protocol::game_json::{Reader, SyntaxError};
use crate::protocol::player_text::for_client_print;
use crate::protocol::response_text::{Decoder, push_text, push_value};

/// The error of a call, as the side that ran it reports it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CallFailed(pub String);

/// A message of a game.
#[derive(Debug, Clone, PartialEq)]
pub enum FromGame {
    Call(CallResult),
    /// Calls that run in order until one fails.
    Chain(Vec<CallResult>),
    /// What a registered function gave to the call of this number.
    Result {
        id: u64,
        outcome: Result<Value, CallFailed>,
    },
    Register {
        name: String,
        script: String,
    },
    Unregister {
        name: String,
    },
    /// Something happened in the game.
    Event {
        name: String,
        data: Value,
    },
    /// An event that a game script raised.
    Emit {
        name: String,
        data: Value,
        script: String,
    },
    Heartbeat(Value),
    /// Whether players' chat can be relied on.
    Guard(Guarding),
    /// So many events were lost before this place.
    Dropped(u64),
    /// Our file of this number was not authentic: it is to be written again.
    Again(u64),
}

/// Why a body is rejected as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("one of its messages is no object")]
    NoObject,
    #[error("it holds more than {} calls", limits::FILE_CALLS_MAX)]
    TooManyCalls,
}

/// Reads a body.
pub fn parse(body: &[u8]) -> Result<Vec<FromGame>, BodyError> {
    let mut reader = Reader::with_escaped_keys(body);
    let mut messages = Vec::new();
    let mut calls = 0;
    let mut no_object = false;
    let read = reader.array(|reader| {
        let value = reader.value()?;
        let duplicate = reader.take_duplicate_key();
        match value {
            Value::Object(fields) => messages.extend(message(fields, duplicate, &mut calls)),
            _ => no_object = true,
        }
        Ok(())
    });
    read.and_then(|()| reader.end())?;
    if no_object {
        return Err(BodyError::NoObject);
    }
    if calls > limits::FILE_CALLS_MAX {
        return Err(BodyError::TooManyCalls);
    }
    Ok(messages)
}

fn message(mut fields: Map<String, Value>, duplicate: bool, calls: &mut usize) -> Option<FromGame> {
    if fields.contains_key("call") {
        *calls += 1;
        return Some(FromGame::Call(call(fields, duplicate)));
    }
    if let Some(chain) = fields.remove("chain") {
        let Value::Array(chain) = chain else {
            return None;
        };
        *calls += chain.len();
        let link = |link| match link {
            Value::Object(fields) => call(fields, duplicate),
            _ => call(Map::new(), false),
        };
        return Some(FromGame::Chain(chain.into_iter().map(link).collect()));
    }
    let number = |name: &str| fields.get(name)?.as_u64();
    if let Some(id) = number("result") {
        let outcome = match fields.get("error").and_then(Value::as_str) {
            Some(error) => Err(CallFailed(error.to_string())),
            None => Ok(fields.remove("value").unwrap_or_default()),
        };
        return Some(FromGame::Result { id, outcome });
    }
    if let Some(count) = number("dropped") {
        return Some(FromGame::Dropped(count));
    }
    if let Some(number) = number("again") {
        return Some(FromGame::Again(number));
    }
    if let Some(heartbeat) = fields.remove("heartbeat") {
        return Some(FromGame::Heartbeat(heartbeat));
    }
    if let Some(guard) = fields.get("guard") {
        return Guarding::read(guard).map(FromGame::Guard);
    }
    let data = fields.remove("data").unwrap_or_default();
    let script = text(&mut fields, "script");
    let mut name = |kind: &str| text(&mut fields, kind);
    if let Some(name) = name("event") {
        return Some(FromGame::Event { name, data });
    }
    if let Some(name) = name("unregister") {
        return Some(FromGame::Unregister { name });
    }
    let register = name("register");
    let emit = name("emit");
    match (register, emit, script) {
        (Some(name), None, Some(script)) => Some(FromGame::Register { name, script }),
        (None, Some(name), Some(script)) => Some(FromGame::Emit { name, data, script }),
        _ => None,
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) if text.len() <= limits::CALL_NAME_BYTES_MAX => Some(text),
        _ => None,
    }
}

fn call(mut fields: Map<String, Value>, duplicate: bool) -> CallResult {
    let id = fields.get("call").and_then(Value::as_u64);
    let callback = matches!(fields.get("wait"), Some(Value::Bool(true)));
    let timeout_ms = fields.get("timeout_ms").and_then(Value::as_f64);
    let sql_texts = fields.get("texts").and_then(Value::as_str) == Some("sql");
    let kwargs = fields.remove("kwargs").unwrap_or_default();
    let (function, script) = (text(&mut fields, "func"), text(&mut fields, "script"));
    let missing = match (&id, &function, &script) {
        _ if duplicate => Some("one of its keys stands twice"),
        (None, ..) => Some("it needs `call`, a whole number"),
        (_, None, _) => Some("it needs `func`, a text of at most 256 bytes"),
        (_, _, None) => Some("it needs `script`, a text of at most 256 bytes"),
        _ => None,
    };
    let token = id.map(|id| id.to_string()).unwrap_or_default();
    let function = function.unwrap_or_default();
    match missing {
        Some(what) => Err(BadCall::new(token, function, callback, what)),
        None => Ok(Call {
            token,
            function,
            args: Vec::new(),
            kwargs,
            callback,
            script: script.unwrap_or_default(),
            timeout_ms: timeout_ms.map(|ms| ms as u64),
            sql_texts,
        }),
    }
}

/// How far players' chat can be relied on, on a map, as its game scripts report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarding {
    /// What makes it doubtful, as a part of a sentence; `None`: nothing has touched the guard.
    pub doubt: Option<String>,
    /// With which beginnings scripts cannot say anything in a player's name, in lower case.
    pub prefixes: Vec<String>,
    /// The scripts say nothing more on this map, and read nothing.
    pub silent: bool,
}

impl Guarding {
    /// `{"doubt": text or null, "prefixes": [text, ...], "silent": bool}`, the last one not needed;
    /// `None`: it is something else.
    pub fn read(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let doubt = match fields.get("doubt")? {
            Value::Null => None,
            Value::String(text) => {
                let plain = text.chars().filter(|c| !c.is_control());
                Some(plain.take(limits::CHAT_DOUBT_CHARS_MAX).collect())
            }
            _ => return None,
        };
        let prefixes = fields.get("prefixes")?.as_array()?.iter();
        let prefixes = prefixes.filter_map(Value::as_str);
        let prefixes = prefixes.take(limits::CHAT_PREFIXES_MAX).map(str::to_owned);
        Some(Self {
            doubt,
            prefixes: prefixes.collect(),
            silent: fields.get("silent").and_then(Value::as_bool) == Some(true),
        })
    }
}

/// What is sent to a game without a request of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Push {
    /// Call a registered function.
    Call {
        function: String,
        args: Value,
    },
    Message {
        name: String,
        data: Value,
    },
    Hook {
        name: String,
        data: Value,
    },
    Print {
        text: String,
        to: Option<i32>,
        place: Place,
    },
    Command(String),
    /// With what commands of players begin.
    Prefixes(Vec<String>),
}

/// Where a text is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    #[default]
    Chat,
    Center,
    Console,
}

impl Place {
    /// By the word that messages have for it.
    pub fn parse(word: &str) -> Option<Self> {
        serde_json::from_value(word.into()).ok()
    }
}

impl Push {
    /// In one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::Message { .. } => "message",
            Self::Hook { .. } => "hook",
            Self::Print { .. } => "print",
            Self::Command(_) => "command",
            Self::Prefixes(_) => "prefixes",
        }
    }

    /// As a message; `id` is the number of a call.
    pub fn encode(&self, id: u64) -> String {
        match self {
            Push::Call { function, args } => object(&[
                ("call", &id.into()),
                ("func", &function.as_str().into()),
                ("args", args),
            ]),
            Push::Message { name, data } => {
                object(&[("message", &name.as_str().into()), ("data", data)])
            }
            Push::Hook { name, data } => object(&[("hook", &name.as_str().into()), ("data", data)]),
            Push::Print { text, to, place } => object(&[
                ("print", &for_client_print(text).into()),
                ("to", &(*to).into()),
                ("where", &json!(place)),
            ]),
            Push::Command(command) => object(&[("command", &command.as_str().into())]),
            Push::Prefixes(prefixes) => object(&[("prefixes", &prefixes.clone().into())]),
        }
    }
}

fn object(fields: &[(&str, &Value)]) -> String {
    let mut out = String::from("{");
    for (place, (name, value)) in fields.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_text(&mut out, name, Decoder::Own);
        out.push(':');
        push_value(&mut out, value, Decoder::Own);
    }
    out.push('}');
    out
}

/// A response whose value is encoded already.
pub fn answer(token: &str, value: &str) -> String {
    format!("{{\"answer\":{token},\"value\":{value}}}")
}

pub fn answer_error(token: &str, error: &str) -> String {
    let mut out = format!("{{\"answer\":{token},\"error\":");
    push_text(&mut out, error, Decoder::Own);
    out.push('}');
    out
}

pub fn again(n: u64) -> String {
    format!("{{\"again\":{n}}}")
}

pub fn gone(sentence: &str) -> String {
    object(&[("gone", &sentence.into())])
}

/// The same to a game whose session was replaced by one of another game, of the same name.
pub fn displaced(sentence: &str) -> String {
    object(&[("gone", &sentence.into()), ("displaced", &true.into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_message_is_read() {
        let body = br#"[
            {"call":7,"func":"F","kwargs":{"a":1},"script":"x.nut","wait":true,"timeout_ms":3000},
            {"chain":[{"call":8,"func":"F","kwargs":null,"script":"x.nut","wait":false}]},
            {"result":1,"value":[1]},{"result":2,"error":"no"},
            {"register":"f","script":"x.nut"},{"unregister":"f"},
            {"event":"map_start","data":{"map":"m"}},{"emit":"e","data":[1],"script":"x.nut"},
            {"heartbeat":{"map":"m"}},{"guard":{"doubt":null,"prefixes":["!"]}},
            {"guard":{"doubt":7}},{"dropped":3},{"again":4},{"later":1},{"register":"g"}]"#;
        let call = |token: &str, kwargs, callback, timeout_ms| Call {
            token: token.into(),
            function: "F".into(),
            args: Vec::new(),
            kwargs,
            callback,
            script: "x.nut".into(),
            timeout_ms,
            sql_texts: false,
        };
        let name = || "f".to_string();
        let expected = [
            FromGame::Call(Ok(call("7", json!({"a": 1}), true, Some(3000)))),
            FromGame::Chain(vec![Ok(call("8", Value::Null, false, None))]),
            FromGame::Result {
                id: 1,
                outcome: Ok(json!([1])),
            },
            FromGame::Result {
                id: 2,
                outcome: Err(CallFailed("no".into())),
            },
            FromGame::Register {
                name: name(),
                script: "x.nut".into(),
            },
            FromGame::Unregister { name: name() },
            FromGame::Event {
                name: "map_start".into(),
                data: json!({"map": "m"}),
            },
            FromGame::Emit {
                name: "e".into(),
                data: json!([1]),
                script: "x.nut".into(),
            },
            FromGame::Heartbeat(json!({"map": "m"})),
            FromGame::Guard(Guarding {
                doubt: None,
                prefixes: vec!["!".into()],
                silent: false,
            }),
            FromGame::Dropped(3),
            FromGame::Again(4),
        ];
        assert_eq!(parse(body).unwrap(), expected);
    }

    #[test]
    fn arguments_are_any_value() {
        for kwargs in [json!([1, "x"]), json!("text"), json!(7), json!(false)] {
            let body = json!([{"call": 1, "func": "F", "script": "x.nut", "kwargs": kwargs}]);
            let messages = parse(body.to_string().as_bytes()).unwrap();
            let FromGame::Call(Ok(call)) = &messages[0] else {
                panic!("{messages:?}")
            };
            assert_eq!(call.kwargs, kwargs);
        }
    }

    #[test]
    fn a_call_says_whether_its_texts_are_sql() {
        let sql_texts = |texts: &str| {
            let call = format!(r#"[{{"call":1,"func":"F","script":"x.nut"{texts}}}]"#);
            match &parse(call.as_bytes()).unwrap()[0] {
                FromGame::Call(Ok(call)) => call.sql_texts,
                other => panic!("{other:?}"),
            }
        };
        assert!(!sql_texts(""));
        assert!(sql_texts(r#","texts":"sql""#));
        assert!(!sql_texts(r#","texts":"plain""#));
    }

    #[test]
    fn a_bad_call_is_answered_and_leaves_the_others_alone() {
        for bad in [
            r#"{"call":"x","func":"F","script":"x.nut"}"#,
            r#"{"call":1,"script":"x.nut"}"#,
            r#"{"call":1,"func":"F"}"#,
            r#"{"call":1,"func":"F","script":"x.nut","script":"admin.nut"}"#,
        ] {
            let messages = parse(format!("[{bad},{{\"again\":1}}]").as_bytes()).unwrap();
            assert!(matches!(messages[0], FromGame::Call(Err(_))), "{bad}");
            assert_eq!(messages.len(), 2);
        }
    }

    #[test]
    fn a_key_cannot_smuggle_structure_in() {
        let kwargs = json!({"x\":1},\"script\":\"admin.nut\",\"y\":{\"z": 1, "\\": 2});
        let body = json!([{"call": 1, "func": "F", "kwargs": kwargs, "script": "a.nut"}]);
        let messages = parse(body.to_string().as_bytes()).unwrap();
        let FromGame::Call(Ok(call)) = &messages[0] else {
            panic!("{messages:?}")
        };
        assert_eq!((&call.kwargs, call.script.as_str()), (&kwargs, "a.nut"));
    }

    #[test]
    fn what_is_no_list_of_messages_fails_as_a_whole() {
        for bad in ["", "{}", "[1]", "[{}", "[]x", "[{}],"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(b"[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_sent_is_json() {
        let texts = [
            answer("7", "[[1,\"x\"]]"),
            answer_error("7", "[VPI ERROR] (F) :: \"quoted\"\\"),
            again(3),
            gone("it was lost"),
            Push::Call {
                function: "f".into(),
                args: json!([1]),
            }
            .encode(5),
            Push::Message {
                name: "m".into(),
                data: json!({"a": null}),
            }
            .encode(0),
            Push::Hook {
                name: "h".into(),
                data: json!({}),
            }
            .encode(0),
            Push::Print {
                text: "#hi\u{7}".into(),
                to: Some(3),
                place: Place::Center,
            }
            .encode(0),
            Push::Command("say \"x\"".into()).encode(0),
        ];
        let read: Vec<Value> = texts
            .iter()
            .map(|text| serde_json::from_str(text).expect(text))
            .collect();
        assert_eq!(read[0], json!({"answer": 7, "value": [[1, "x"]]}));
        assert_eq!(read[4], json!({"call": 5, "func": "f", "args": [1]}));
        assert_eq!(
            read[7],
            json!({"print": "\u{1}#hi\u{7}", "to": 3, "where": "center"})
        );
    }
}
