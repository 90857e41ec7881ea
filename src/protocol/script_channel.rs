//! What vpid and the process of a Python script send to each other: lines, each a JSON array of messages,
//! each of these an array that begins with a word.
//!
//! What the core sends to a script in one turn is one line, and what a script sends when it has nothing
//! more to do is one, too. Events, verdicts and calls are counted: the core gives a script a bounded
//! number beyond what it has finished. A script acknowledges when it runs dry, and every 100 ms in a
//! long batch. A plain function is finished when it returns, an `async` one when it waits for the first
//! time. While a plain function waits for an answer, the host program reads on, and takes only answers
//! and cancellations from what comes.

use std::fmt;

use serde_json::{Map, Value};

use crate::limits;
use crate::protocol::response_text::{Decoder, push_text, push_value};
use crate::protocol::server_id::ServerId;

/// A message of a script.
#[derive(Debug, Clone, PartialEq)]
pub enum FromScript {
    /// It is loaded.
    Ready {
        hooks: Vec<String>,
        functions: Vec<String>,
        python: String,
    },
    /// It could not be loaded, with the traceback.
    Failed(String),
    /// So many more events and calls are finished.
    Ack(usize),
    /// Whether the event that it judged goes on to other scripts and to the game.
    Verdict {
        id: u64,
        pass: bool,
    },
    /// The result of a call; the error is its type and its text.
    Result {
        id: u64,
        outcome: Result<Value, (String, String)>,
    },
    /// A request of its own.
    Ask(Ask),
    Log {
        level: u8,
        text: String,
    },
    Register(String),
    Unregister(String),
    /// Its `OnUnLoad` has run.
    Unloaded,
}

/// A request of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub id: u64,
    pub what: String,
    pub args: Map<String, Value>,
    /// The number of a game server; `None`: the only one.
    pub server: Option<ServerId>,
}

/// Why a line breaks the rules of the channel: the end of a sentence, "it said something that {}".
#[derive(Debug)]
pub enum ChannelError {
    Line(serde_json::Error),
    /// A message, by the word that it begins with.
    Message(String),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => write!(f, "is no line of messages ({error})"),
            Self::Message(word) => write!(f, "is no message ({word:?})"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// Reads a line.
pub fn parse(line: &[u8]) -> Result<Vec<FromScript>, ChannelError> {
    let batch: Vec<Vec<Value>> = serde_json::from_slice(line).map_err(ChannelError::Line)?;
    batch
        .into_iter()
        .map(|message| {
            let word = match message.first() {
                Some(Value::String(word)) => word.chars().take(20).collect(),
                _ => String::new(),
            };
            one(message).ok_or(ChannelError::Message(word))
        })
        .collect()
}

fn one(message: Vec<Value>) -> Option<FromScript> {
    let mut parts = message.into_iter();
    let word = parts.next()?;
    let mut next = || parts.next().unwrap_or_default();
    Some(match word.as_str()? {
        "ack" => FromScript::Ack(usize::try_from(next().as_u64()?).ok()?),
        "r" => FromScript::Result {
            id: next().as_u64()?,
            outcome: Ok(next()),
        },
        "x" => FromScript::Result {
            id: next().as_u64()?,
            outcome: Err((text(next())?, text(next())?)),
        },
        "v" => FromScript::Verdict {
            id: next().as_u64()?,
            pass: next().as_u64()? != 0,
        },
        "ask" => FromScript::Ask(Ask {
            id: next().as_u64()?,
            what: text(next())?,
            args: match next() {
                Value::Object(args) => args,
                Value::Null => Map::new(),
                _ => return None,
            },
            server: match next() {
                Value::Null => None,
                server => Some(ServerId(usize::try_from(server.as_u64()?).ok()?)),
            },
        }),
        "log" => FromScript::Log {
            level: u8::try_from(next().as_u64()?).ok()?,
            text: text(next())?,
        },
        "register" => FromScript::Register(text(next())?),
        "unregister" => FromScript::Unregister(text(next())?),
        "ready" => {
            let Value::Object(mut about) = next() else {
                return None;
            };
            let python = about.remove("python").and_then(text).unwrap_or_default();
            FromScript::Ready {
                hooks: names(about.remove("hooks"))?,
                functions: names(about.remove("functions"))?,
                python,
            }
        }
        "failed" => FromScript::Failed(text(next())?),
        "unloaded" => FromScript::Unloaded,
        _ => return None,
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn names(list: Option<Value>) -> Option<Vec<String>> {
    let Some(Value::Array(list)) = list else {
        return None;
    };
    let names = list.into_iter().take(limits::SCRIPT_FUNCTIONS_MAX);
    let names: Vec<String> = names.map(text).collect::<Option<_>>()?;
    let short = |name: &String| name.len() <= limits::CALL_NAME_BYTES_MAX;
    Some(names.into_iter().filter(short).collect())
}

/// Who calls a function of a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// `duels.nut`, or `welcome.py`.
    pub script: String,
    pub server: Option<ServerId>,
    pub host: Option<String>,
    pub token: String,
    pub callback: bool,
}

/// A message that is being put together.
struct Message(String);

impl Message {
    fn new(word: &str) -> Self {
        Self(format!("[\"{word}\""))
    }

    fn number(mut self, number: u64) -> Self {
        self.0.push(',');
        self.0.push_str(&number.to_string());
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.0.push(',');
        push_text(&mut self.0, text, Decoder::Exact);
        self
    }

    fn value(mut self, value: &Value) -> Self {
        self.0.push(',');
        push_value(&mut self.0, value, Decoder::Exact);
        self
    }

    /// JSON as it is.
    fn raw(mut self, json: &str) -> Self {
        self.0.push(',');
        self.0.push_str(json);
        self
    }

    fn end(mut self) -> String {
        self.0.push(']');
        self.0
    }
}

fn optional(server: Option<ServerId>) -> Value {
    server.map_or(Value::Null, |server| server.0.into())
}

/// An event: its hook is to be called.
pub fn event(hook: &str, server: Option<ServerId>, args: &[Value]) -> String {
    let message = Message::new("e").text(hook).value(&optional(server));
    list(message, args).end()
}

/// The same, with a verdict.
pub fn judged_event(id: u64, hook: &str, server: Option<ServerId>, args: &[Value]) -> String {
    let message = Message::new("g").number(id).text(hook);
    list(message.value(&optional(server)), args).end()
}

fn list(mut message: Message, args: &[Value]) -> Message {
    message.0.push_str(",[");
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            message.0.push(',');
        }
        push_value(&mut message.0, arg, Decoder::Exact);
    }
    message.0.push(']');
    message
}

/// A function is called. `kwargs` is mostly an object or null.
pub fn call(id: u64, function: &str, args: &[Value], kwargs: &Value, caller: &Caller) -> String {
    let caller = serde_json::json!({
        "script": caller.script,
        "server": optional(caller.server),
        "host": caller.host,
        "token": caller.token,
        "callback": caller.callback,
    });
    let message = list(Message::new("c").number(id).text(function), args);
    message.value(kwargs).value(&caller).end()
}

/// The result of a request, as JSON text.
pub fn answer(id: u64, json: &str) -> String {
    Message::new("a").number(id).raw(json).end()
}

pub fn answer_error(id: u64, reason: &str, detail: &str) -> String {
    let message = Message::new("n").number(id);
    message.text(reason).text(detail).end()
}

/// The caller does not wait any more.
pub fn cancel(id: u64) -> String {
    Message::new("cancel").number(id).end()
}

pub fn unload() -> String {
    Message::new("unload").end()
}

/// Whether what stands in its file could be loaded.
pub fn check(id: u64) -> String {
    Message::new("check").number(id).end()
}

/// Its file is to be loaded anew, in the same process.
pub fn reload(id: u64) -> String {
    Message::new("reload").number(id).end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_message_of_a_script_is_read() {
        let line = json!([
            ["ready", {"hooks": ["OnTimer"], "functions": ["f"], "python": "3.11.2"}],
            ["ack", 3], ["v", 1, 0], ["r", 2, [1]], ["x", 3, "ValueError", "no"],
            ["ask", 4, "say", {"text": "hi"}, 0], ["ask", 5, "players", null, null],
            ["log", 3, "t"], ["register", "g"], ["unregister", "g"], ["failed", "why"],
            ["unloaded"]
        ]);
        let read = parse(line.to_string().as_bytes()).unwrap();
        assert_eq!(read.len(), 12);
        let say = Ask {
            id: 4,
            what: "say".into(),
            args: json!({"text": "hi"}).as_object().unwrap().clone(),
            server: Some(ServerId(0)),
        };
        assert_eq!(read[5], FromScript::Ask(say));
        let id = 3;
        let outcome = Err(("ValueError".into(), "no".into()));
        assert_eq!(read[4], FromScript::Result { id, outcome });
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for line in [
            "",
            "{}",
            "[1]",
            "[[]]",
            "[[1]]",
            r#"[["dance"]]"#,
            r#"[["ack"]]"#,
            r#"[["ack",-1]]"#,
            r#"[["r","x",1]]"#,
            r#"[["x",1,2,3]]"#,
            r#"[["ask",1,"say",[1],0]]"#,
            r#"[["ask",1,"say",{},"a"]]"#,
            r#"[["log",900,"x"]]"#,
            r#"[["ready",{"hooks":1}]]"#,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_sent_is_json_with_exact_numbers() {
        let wide = json!(9_007_199_254_740_993_i64);
        let caller = Caller::default();
        let texts = [
            event(
                "OnEvent",
                Some(ServerId(1)),
                &[json!("a\"\u{1}"), wide.clone()],
            ),
            judged_event(7, "OnPlayerChat", None, &[]),
            call(
                8,
                "f",
                std::slice::from_ref(&wide),
                &json!({"k": 1e300}),
                &caller,
            ),
            answer(9, "[1]"),
            answer_error(10, "ValueError", "it's \"bad\""),
            cancel(1),
            unload(),
            check(2),
            reload(3),
        ];
        let read = texts.map(|text| serde_json::from_str::<Value>(&text).expect(&text));
        assert_eq!(read[0], json!(["e", "OnEvent", 1, ["a\"\u{1}", wide]]));
        assert_eq!(read[1], json!(["g", 7, "OnPlayerChat", null, []]));
        assert_eq!(read[2][3][0], wide);
        assert_eq!(read[2][4], json!({"k": 1e300}));
    }
}
