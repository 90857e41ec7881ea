//! What vpid and the process of a Python script send to each other: lines, each a JSON array of messages,
//! each of these an array that begins with a word.
//!
//! What the core sends to a script in one turn is one line, and what a script sends when it has nothing
//! more to do is one, too. Events, verdicts and calls are counted: the core gives a script a bounded
//! number beyond what it has finished. A script acknowledges when it runs dry, and every 100 ms in a
//! long batch. A plain function is finished when it returns, an `async` one when it waits for the first
//! time. Results, verdicts and requests are sent before the next function begins. A script whose `async`
//! functions all wait, so that it has no room for more, acknowledges nothing now and then (`ack` with 0), to
//! show that it does not hang. While a plain function waits for an answer, the host program reads on, and
//! takes only answers and cancellations from what comes.

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
    /// It could not be loaded: the traceback, and the error as one sentence with file and line, where there is one.
    Failed(String, Option<String>),
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
    /// What it has counted since it sent that last; `inquiry`: vpid's number of the request that this answers.
    Counted {
        inquiry: Option<MessageId>,
        /// What its processes use.
        memory_bytes: Option<u64>,
        counted: Vec<Counted>,
    },
    Register(String),
    Unregister(String),
    /// While an operator traces: what has run.
    Ran(Ran),
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
    /// Its own; empty without one.
    #[serde(default)]
    pub version: String,
    /// Of the functions that are too many, or have too long names: the first, and how many.
    #[serde(skip)]
    pub left_out: Option<(String, usize)>,
}

/// How often a hook, a function or a timer ran since that was sent last, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Counted {
    /// `hook`, `function` or `timer`.
    pub kind: String,
    pub name: String,
    pub total_s: f64,
    pub worst_s: f64,
    /// Numbers of buckets, and how often the time was in each.
    pub counts: Vec<(usize, u64)>,
}

impl Counted {
    fn fits(&self) -> bool {
        let is_kind = matches!(self.kind.as_str(), "hook" | "function" | "timer");
        let is_short = self.name.chars().count() <= limits::SCRIPT_FUNCTION_BYTES_MAX;
        let is_within = self.counts.len() <= limits::SCRIPT_STATS_BUCKETS;
        is_kind && is_short && is_within
    }
}

/// A hook, a function or a timer that has run, without its waits.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ran {
    pub kind: RanKind,
    pub name: String,
    pub server: Option<ServerId>,
    pub seconds: f64,
    /// The exception with which it ended.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RanKind {
    Hook,
    Function,
    Timer,
}

impl RanKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Function => "function",
            Self::Timer => "timer",
        }
    }
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
    /// Nothing else of the script runs until it is answered.
    #[serde(skip)]
    pub blocks: bool,
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
        "wait" => FromScript::Request(Request {
            blocks: true,
            ..read(rest)?
        }),
        "log" => {
            let (level, text) = read(rest)?;
            FromScript::Log(level, text)
        }
        "stats" => {
            let (inquiry, memory_bytes, counted) =
                read::<(_, _, Vec<Counted>)>(rest).filter(|(_, _, all)| {
                    all.len() <= 3 * limits::SCRIPT_STATS_NAMES_MAX + 3
                        && all.iter().all(Counted::fits)
                })?;
            FromScript::Counted {
                inquiry,
                memory_bytes,
                counted,
            }
        }
        "ran" => FromScript::Ran(read(rest)?),
        "register" => FromScript::Register(text(rest)?),
        "unregister" => FromScript::Unregister(text(rest)?),
        "ready" => {
            let (mut contents,) = read::<(Contents,)>(rest)?;
            let offered = std::mem::take(&mut contents.functions);
            let count = offered.len();
            let (fit, others): (Vec<_>, Vec<_>) = offered.into_iter().partition(|it| is_name(it));
            let beyond = fit.get(limits::SCRIPT_FUNCTIONS_MAX).or(others.first());
            let beyond = beyond.cloned();
            contents.functions = bounded(fit);
            let left_out = count - contents.functions.len();
            contents.left_out = beyond.map(|first| (first, left_out));
            contents.hooks = bounded(std::mem::take(&mut contents.hooks));
            contents.version = contents
                .version
                .chars()
                .take(limits::SCRIPT_VERSION_CHARS_MAX)
                .collect();
            FromScript::Ready(contents)
        }
        "failed" => failed(read(rest)?)?,
        "unloaded" => FromScript::Unloaded,
        _ => return None,
    })
}

fn failed(mut texts: Vec<String>) -> Option<FromScript> {
    let sentence = (texts.len() == 2).then(|| texts.pop()).flatten();
    match (texts.pop(), texts.is_empty()) {
        (Some(trace), true) => Some(FromScript::Failed(trace, sentence)),
        _ => None,
    }
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

/// What was requested is a function of the script itself, which runs it where it waits.
pub fn own_function(number: RequestNumber, function: &str) -> String {
    message(("own", number, function))
}

/// The caller does not wait any more.
pub fn cancel(id: MessageId) -> String {
    message(("cancel", id))
}

pub fn unload() -> String {
    message(["unload"])
}

/// Requests what it has counted.
pub fn stats(id: MessageId) -> String {
    message(("stats", id))
}

/// Whether it sends what has run.
pub fn trace(is_on: bool) -> String {
    message(("trace", is_on))
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
            ["stats", 4, null, [["hook", "OnTimer", 0.5, 0.25, [[3, 9]]]]],
            ["wait", 6, "players", null, null], ["log", 3, "t"], ["register", "g"], ["unregister", "g"], ["failed", "why"],
            ["unloaded"], ["ran", "hook", "OnTimer", null, 0.25, null], ["failed", "trace", "a.py, line 3: no"]
        ]);
        let read = parse(line.to_string().as_bytes()).unwrap();
        assert_eq!(read.len(), 16);
        assert_eq!(read[12], FromScript::Failed("why".into(), None));
        let sentence = Some("a.py, line 3: no".into());
        assert_eq!(read[15], FromScript::Failed("trace".into(), sentence));
        let say = Request {
            number: RequestNumber(4),
            what: "say".into(),
            args: json!({"text": "hi"}).as_object().cloned(),
            server: Some(ServerId(0)),
            blocks: false,
        };
        assert_eq!(read[5], FromScript::Request(say));
        assert!(
            matches!(&read[7], FromScript::Counted { counted, .. } if counted[0].counts == [(3, 9)])
        );
        assert!(matches!(&read[8], FromScript::Request(it) if it.blocks));
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
            r#"[["stats",null,null,[["dance","a",0,0,[]]]]]"#,
            r#"[["stats",null,null,[["hook","a",0,0,[[-1,1]]]]]]"#,
            r#"[["ran","dance","a",null,0,null]]"#,
            r#"[["failed"]]"#,
            r#"[["failed","a","b","c"]]"#,
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
