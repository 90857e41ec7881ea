//! What vpid and the process of a Python script send to each other: lines, each a JSON array of messages,
//! each of these an array that begins with a word.
//!
//! What the core sends to a script in one turn is one line, and what a script sends when it has nothing
//! more to do is one, too. Events, verdicts and calls are counted: the core gives a script a bounded
//! number beyond what it has finished. A script acknowledges when it runs dry, and every 100 ms in a
//! long batch. A plain function is finished when it returns, an `async` one when it waits for the first
//! time. While a plain function waits for an answer, the host program reads on, and takes only answers
//! and cancellations from what comes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits;
use crate::protocol::server_id::ServerId;

/// vpid's own number of a message that a script answers: a call, a line of chat, a check of its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// A script's own number of a request.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct RequestNumber(pub u64);

/// A message of a script.
#[derive(Debug, Clone, PartialEq)]
pub enum FromScript {
    /// It is loaded.
    Ready(Contents),
    /// It could not be loaded, with the traceback.
    Failed(String),
    /// So many more events and calls are finished.
    Ack(usize),
    /// Whether the event that it judged goes on to other scripts and to the game.
    Verdict {
        message: MessageId,
        pass: bool,
    },
    /// The result of a call, or of a check of its file.
    Result {
        message: MessageId,
        outcome: Result<Value, FunctionError>,
    },
    Request(Request),
    Log(u8, String),
    Register(String),
    Unregister(String),
    /// Its `OnUnLoad` has run.
    Unloaded,
}

/// What a script has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Contents {
    pub hooks: Vec<String>,
    pub functions: Vec<String>,
    /// The version of its interpreter.
    pub python: String,
}

/// An exception of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    pub kind: String,
    pub text: String,
}

/// A request of a script: what it wants from vpid.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Request {
    pub number: RequestNumber,
    pub what: String,
    pub args: Option<Map<String, Value>>,
    /// `None`: the only one.
    pub server: Option<ServerId>,
}

/// Why a line breaks the rules of the channel: the end of a sentence, "it sent something that {}".
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("is no line of messages ({0})")]
    Line(serde_json::Error),
    /// A message, by the word that it begins with.
    #[error("is no message ({0:?})")]
    Message(String),
}

/// Reads a line.
pub fn parse(line: &[u8]) -> Result<Vec<FromScript>, ChannelError> {
    let batch: Vec<Vec<Value>> = serde_json::from_slice(line).map_err(ChannelError::Line)?;
    batch
        .into_iter()
        .map(|mut message| {
            let word = match message.is_empty() {
                true => Value::Null,
                false => message.remove(0),
            };
            let word = word.as_str().unwrap_or_default();
            let read = one(word, Value::Array(message));
            read.ok_or_else(|| ChannelError::Message(word.chars().take(20).collect()))
        })
        .collect()
}

/// The message that begins with this word, of what follows it.
fn one(word: &str, rest: Value) -> Option<FromScript> {
    fn read<T: DeserializeOwned>(rest: Value) -> Option<T> {
        serde_json::from_value(rest).ok()
    }
    let text = |rest| read::<(String,)>(rest).map(|(text,)| text);
    Some(match word {
        "ack" => FromScript::Ack(read::<(usize,)>(rest)?.0),
        "r" => {
            let (message, value) = read(rest)?;
            let outcome = Ok(value);
            FromScript::Result { message, outcome }
        }
        "x" => {
            let (message, kind, text) = read(rest)?;
            let outcome = Err(FunctionError { kind, text });
            FromScript::Result { message, outcome }
        }
        "v" => {
            let (message, pass) = read::<(MessageId, u8)>(rest)?;
            let pass = pass != 0;
            FromScript::Verdict { message, pass }
        }
        "ask" => FromScript::Request(read(rest)?),
        "log" => {
            let (level, text) = read(rest)?;
            FromScript::Log(level, text)
        }
        "register" => FromScript::Register(text(rest)?),
        "unregister" => FromScript::Unregister(text(rest)?),
        "ready" => {
            let (mut contents,) = read::<(Contents,)>(rest)?;
            for names in [&mut contents.hooks, &mut contents.functions] {
                *names = bounded(std::mem::take(names));
            }
            FromScript::Ready(contents)
        }
        "failed" => FromScript::Failed(text(rest)?),
        "unloaded" => FromScript::Unloaded,
        _ => return None,
    })
}

/// Whether a hook or a function can have this name.
pub fn is_name(name: &str) -> bool {
    (1..=limits::SCRIPT_FUNCTION_BYTES_MAX).contains(&name.len())
}

/// The names of hooks or functions that count, of those that a script offers.
pub fn bounded(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let names = names.into_iter().filter(|name| is_name(name));
    names.take(limits::SCRIPT_FUNCTIONS_MAX).collect()
}

/// Who calls a function of a script.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Caller {
    /// `duels.nut`, or `welcome.py`.
    pub script: String,
    pub server: Option<ServerId>,
    pub host: Option<String>,
    pub token: String,
    pub callback: bool,
}

fn message(parts: impl Serialize) -> String {
    // Only maps with keys that are no texts cannot be written.
    serde_json::to_string(&parts).unwrap_or_default()
}

/// An event: its hook is to be called.
pub fn event(hook: &str, server: Option<ServerId>, args: &[Value]) -> String {
    message(("e", hook, server, args))
}

/// The same, with a verdict.
pub fn judged_event(id: MessageId, hook: &str, server: Option<ServerId>, args: &[Value]) -> String {
    message(("g", id, hook, server, args))
}

/// A function is called. `kwargs` is mostly an object or null.
pub fn call(
    id: MessageId,
    function: &str,
    args: &[Value],
    kwargs: &Value,
    caller: &Caller,
) -> String {
    message(("c", id, function, args, kwargs, caller))
}

/// The result of a request, as JSON text.
pub fn answer(number: RequestNumber, json: &str) -> String {
    format!("[\"a\",{},{json}]", number.0)
}

pub fn answer_error(number: RequestNumber, reason: &str, detail: &str) -> String {
    message(("n", number, reason, detail))
}

/// The caller does not wait any more.
pub fn cancel(id: MessageId) -> String {
    message(("cancel", id))
}

pub fn unload() -> String {
    message(["unload"])
}

/// Requests a check whether its file could be loaded.
pub fn check(id: MessageId) -> String {
    message(("check", id))
}

/// Its file is to be reloaded, in the same process.
pub fn reload(id: MessageId) -> String {
    message(("reload", id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_functions_are_bounded_in_length_and_number() {
        let longest = "f".repeat(limits::SCRIPT_FUNCTION_BYTES_MAX);
        let offered = vec!["".to_owned(), format!("{longest}f"), longest.clone()];
        assert_eq!(bounded(offered.clone()), [longest]);
        let line = json!([["ready", {"hooks": [], "functions": offered, "python": "3.11.2"}]]);
        let read = parse(line.to_string().as_bytes()).unwrap();
        assert!(matches!(&read[..], [FromScript::Ready(it)] if it.functions.len() == 1));
        let many = (0..=limits::SCRIPT_FUNCTIONS_MAX).map(|n| n.to_string());
        assert_eq!(bounded(many).len(), limits::SCRIPT_FUNCTIONS_MAX);
    }

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
        let say = Request {
            number: RequestNumber(4),
            what: "say".into(),
            args: json!({"text": "hi"}).as_object().cloned(),
            server: Some(ServerId(0)),
        };
        assert_eq!(read[5], FromScript::Request(say));
        let message = MessageId(3);
        let outcome = Err(FunctionError {
            kind: "ValueError".into(),
            text: "no".into(),
        });
        assert_eq!(read[4], FromScript::Result { message, outcome });
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
            judged_event(MessageId(7), "OnPlayerChat", None, &[]),
            call(
                MessageId(8),
                "f",
                std::slice::from_ref(&wide),
                &json!({"k": 1e300}),
                &caller,
            ),
            answer(RequestNumber(9), "[1]"),
            answer_error(RequestNumber(10), "ValueError", "it's \"bad\""),
            cancel(MessageId(1)),
            unload(),
            check(MessageId(2)),
            reload(MessageId(3)),
        ];
        let read = texts.map(|text| serde_json::from_str::<Value>(&text).expect(&text));
        assert_eq!(read[0], json!(["e", "OnEvent", 1, ["a\"\u{1}", wide]]));
        assert_eq!(read[1], json!(["g", 7, "OnPlayerChat", null, []]));
        assert_eq!(read[2][3][0], wide);
        assert_eq!(read[2][4], json!({"k": 1e300}));
    }
}
