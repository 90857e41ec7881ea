//! Requests of operators to a running vpid, a line of JSON each.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::limits::QUEUE_ID_BYTES_MAX;
use crate::protocol::signed::messages::{FromGame, Place, Push};
use crate::protocol::trace::TraceRequest;

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";

#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Which games are connected.
    Games,
    /// How everything is. Answered by `{"status": state}`, an `ObservableState`.
    Status,
    /// Read the configuration again, and reply when it is in force or refused.
    Reload,
    /// Begin no write of documents for a moment, for a backup. Answered by `{"ok": bool}`; false: one is under way, so
    /// request it again.
    Hold,
    /// Write documents again. Answered by `{"ok": bool}`; false: that moment was over before.
    Release,
    /// Messages of games, from now on; of one host or of all.
    Watch { host: Option<String> },
    /// What passes through vpid, from now on: `{"ok": true}`, where nothing may come with a `note`; then a
    /// [`TraceLine`](crate::protocol::trace::TraceLine) for each thing, and `{"dropped": count}` for lines that were
    /// not taken in time.
    Trace(TraceRequest),
    /// Send something to a game; without a host, to the only one.
    Push {
        host: Option<String>,
        push: Push,
        keep: bool,
    },
    /// What waits for VyHub.
    Queue(QueueRequest),
    /// Rewards that are not finished.
    Rewards(RewardsRequest),
    /// The owner's Python scripts.
    Script(ScriptRequest),
    /// A call of a function of a Python script, or of vpid. Answered by `{"response": value}`; an error is a text, as
    /// games get it.
    Function(CallRequest),
}

/// Why neither scripts nor functions can be requested.
pub const NO_SCRIPTS: &str =
    "this vpid has no [scripts]; add [scripts] with dir = \"scripts\" to vpid.toml, and restart it";

/// A call of a function by its name, as this script would make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    pub name: String,
    #[serde(default)]
    pub kwargs: Value,
    pub script: String,
    pub timeout_ms: u64,
    /// Texts among its values are SQL, as those of stock clients.
    #[serde(default)]
    pub sql_texts: bool,
}

/// A request about rewards. Their ids are those of applied rewards, or how these begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum RewardsRequest {
    /// Answered by `{"rewards": [reward, ...], "more": count}`. A reward is an object with `id`, `server`, `player`,
    /// `steam`, `reward`, `packet`, `event`, `state` (`open`, `running`, `executed`, `unclear` or `failed`), `since_s`
    /// and `problem`, of which any but `id`, `server` and `state` may be null; `more` are left out.
    List,
    /// Executes one. Answered by `{"ok": sentence}`.
    Run {
        #[serde(deserialize_with = "queue_id")]
        id: String,
    },
    /// Treats one as executed. Answered by `{"ok": sentence}`.
    Skip {
        #[serde(deserialize_with = "queue_id")]
        id: String,
    },
}

/// A request about Python scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum ScriptRequest {
    /// Answered by `{"scripts": [script, ...]}`; a script is an object with `name`, `state`
    /// (`starting`, `running`, `stopping`, `waiting`, `failed` or `unloaded`), `path` (of the file that Python runs;
    /// null where there is none, or more than one), `python`, `hooks`, `functions`,
    /// `restarts`, `waiting` (events and calls), `dropped`, `seconds` (since it was started) and `problem` (or null).
    List,
    /// Answered by `{"ok": sentence}` when it is loaded.
    Load {
        name: String,
    },
    Unload {
        name: String,
    },
    Reload {
        name: String,
    },
    /// Answered by `{"stats": [script, ...]}`, of all or of one; a script is an object with `name`, `state`, `starts`,
    /// `restarts`, `memory_bytes` (or null), `waiting`, `dropped`, `responded` (false: it was busy, and what it counted
    /// last is missing), and `times`, the largest `total_s` first: objects with `kind` (`hook`, `function` or `timer`),
    /// `name`, `calls`, `total_s`, `p50_s`, `p99_s` and `worst_s`.
    Stats {
        #[serde(default)]
        name: Option<String>,
    },
    /// Answered by `{"log": [line, ...], "lines": count}`, the oldest first: of so many lines in all, those behind the
    /// first `after`, as far as they are kept.
    Log {
        name: String,
        #[serde(default)]
        after: u64,
    },
    /// Which of its lines are logged: a level of 0 to 5 and all graver ones; null: as `VPID_LOG` says. Answered by
    /// `{"ok": sentence}`.
    Level {
        name: String,
        level: Option<u8>,
    },
}

/// A request about the queue. An entry is an object with the fields of its file in the
/// state folder; of its fields, [`parse`] knows the `id` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum QueueRequest {
    /// Answered by `{"queue": [entry, ...], "more": count}`, the oldest first; `more` are left out.
    List,
    /// Answered by `{"entry": entry}`.
    Show {
        #[serde(deserialize_with = "queue_id")]
        id: String,
    },
    /// Tries an entry again at once; `None`: all of them. Answered by `{"ok": count}`.
    Retry {
        #[serde(default, deserialize_with = "queue_id_or_all")]
        id: Option<String>,
    },
    /// Gives an entry up. Answered by `{"ok": 1}`.
    Drop {
        #[serde(deserialize_with = "queue_id")]
        id: String,
    },
}

/// Ids of the queue are also names of files: letters a-z, digits and dashes.
pub fn is_queue_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=QUEUE_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

fn queue_id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = queue_id_or_all(from)?;
    id.ok_or_else(|| D::Error::custom("the request needs `id`, a text"))
}

fn queue_id_or_all<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(id) if is_queue_id(&id) => Ok(Some(id)),
        other => {
            let problem = format!("`id`: {other} is no id of the queue");
            Err(D::Error::custom(problem))
        }
    }
}

impl Request {
    /// As a line that [`parse`] reads.
    pub fn to_json(&self) -> Value {
        let (host, push, keep) = match self {
            Request::Games => return json!({"do": "games"}),
            Request::Status => return json!({"do": "status"}),
            Request::Reload => return json!({"do": "reload"}),
            Request::Hold => return json!({"do": "hold"}),
            Request::Release => return json!({"do": "release"}),
            Request::Watch { host } => return json!({"do": "watch", "host": host}),
            Request::Trace(request) => return line("trace", request),
            Request::Queue(request) => return line("queue", request),
            Request::Rewards(request) => return line("rewards", request),
            Request::Script(request) => return line("script", request),
            Request::Function(request) => return line("function", request),
            Request::Push { host, push, keep } => (host, push, keep),
        };
        let mut request = match push {
            Push::Call { function, args } => json!({"do": "call", "name": function, "data": args}),
            Push::Message { name, data } => json!({"do": "message", "name": name, "data": data}),
            Push::Hook { name, data } => json!({"do": "hook", "name": name, "data": data}),
            Push::Command(text) => json!({"do": "command", "text": text}),
            // Of vpid's own alone.
            Push::Prefixes(_) => json!({"do": "prefixes"}),
            Push::Print { text, to, place } => {
                json!({"do": "print", "text": text, "to": to, "where": place})
            }
        };
        request["host"] = host.clone().into();
        request["keep"] = (*keep).into();
        request
    }
}

fn line(what: &str, request: &impl Serialize) -> Value {
    let mut line = json!(request);
    line["do"] = what.into();
    line
}

/// A request as it is read.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Line {
    Games,
    Status,
    Reload,
    Hold,
    Release,
    Watch {
        host: Option<String>,
    },
    Trace(TraceRequest),
    Queue(QueueRequest),
    Rewards(RewardsRequest),
    Script(ScriptRequest),
    Function(CallRequest),
    Call(Named<Value>),
    Message(Named<Value>),
    Hook(Named<Option<Map<String, Value>>>),
    Command {
        text: String,
        #[serde(flatten)]
        of: Delivery,
    },
    Print {
        text: String,
        to: Option<i32>,
        #[serde(default, rename = "where")]
        place: Place,
        #[serde(flatten)]
        of: Delivery,
    },
}

#[derive(Deserialize)]
struct Named<D> {
    name: String,
    #[serde(default)]
    data: D,
    #[serde(flatten)]
    of: Delivery,
}

#[derive(Deserialize)]
struct Delivery {
    host: Option<String>,
    #[serde(default)]
    keep: bool,
}

/// A line that is no request, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("vpid does not understand the request: {0}")]
pub struct RequestError(serde_json::Error);

/// Reads a request.
pub fn parse(line: &[u8]) -> Result<Request, RequestError> {
    let (push, of) = match serde_json::from_slice(line).map_err(RequestError)? {
        Line::Games => return Ok(Request::Games),
        Line::Status => return Ok(Request::Status),
        Line::Reload => return Ok(Request::Reload),
        Line::Hold => return Ok(Request::Hold),
        Line::Release => return Ok(Request::Release),
        Line::Watch { host } => return Ok(Request::Watch { host }),
        Line::Trace(request) => return Ok(Request::Trace(request)),
        Line::Queue(request) => return Ok(Request::Queue(request)),
        Line::Rewards(request) => return Ok(Request::Rewards(request)),
        Line::Script(request) => return Ok(Request::Script(request)),
        Line::Function(request) => return Ok(Request::Function(request)),
        Line::Call(Named { name, data, of }) => {
            let (function, args) = (name, data);
            (Push::Call { function, args }, of)
        }
        Line::Message(Named { name, data, of }) => (Push::Message { name, data }, of),
        Line::Hook(Named { name, data, of }) => {
            let data = data.unwrap_or_default().into();
            (Push::Hook { name, data }, of)
        }
        Line::Command { text, of } => (Push::Command(text), of),
        Line::Print {
            text,
            to,
            place,
            of,
        } => (Push::Print { text, to, place }, of),
    };
    let Delivery { host, keep } = of;
    Ok(Request::Push { host, push, keep })
}

/// A message of a game, for operators who watch.
pub fn watched(host: &str, message: &FromGame) -> Option<Value> {
    Some(match message {
        FromGame::Event { name, data } => json!({"host": host, "event": name, "data": data}),
        FromGame::Emit { name, data, script } => {
            json!({"host": host, "emit": name, "data": data, "script": script})
        }
        FromGame::Heartbeat(data) => json!({"host": host, "heartbeat": data}),
        FromGame::Register { name, script } => {
            json!({"host": host, "register": name, "script": script})
        }
        FromGame::Unregister { name } => json!({"host": host, "unregister": name}),
        FromGame::Guard(guard) => json!({"host": host, "guard": {"doubt": guard.doubt}}),
        FromGame::Dropped(count) => json!({"host": host, "dropped": count}),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: Value) -> Result<Request, String> {
        parse(request.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(read(json!({"do": "games"})), Ok(Request::Games));
        let host = Some("a".to_string());
        assert_eq!(
            read(json!({"do": "watch", "host": "a"})),
            Ok(Request::Watch { host })
        );
        let push = |request: Value| match read(request) {
            Ok(Request::Push {
                push,
                host: None,
                keep: false,
            }) => push,
            other => panic!("{other:?}"),
        };
        let (function, args) = ("f".to_string(), json!([1]));
        let call = push(json!({"do": "call", "name": "f", "data": [1]}));
        assert_eq!(call, Push::Call { function, args });
        let print = push(json!({"do": "print", "text": "hi", "to": 3}));
        let (text, to, place) = ("hi".to_string(), Some(3), Place::Chat);
        assert_eq!(print, Push::Print { text, to, place });
        let (name, data) = ("h".to_string(), json!({}));
        assert_eq!(
            push(json!({"do": "hook", "name": "h"})),
            Push::Hook { name, data }
        );
    }

    #[test]
    fn requests_are_written_as_they_are_read() {
        let (name, data) = ("n".to_string(), json!({"a": 1}));
        let pushes = [
            Push::Call {
                function: name.clone(),
                args: data.clone(),
            },
            Push::Message {
                name: name.clone(),
                data: data.clone(),
            },
            Push::Hook {
                name: name.clone(),
                data,
            },
            Push::Command(name.clone()),
            Push::Print {
                text: name,
                to: Some(3),
                place: Place::Center,
            },
        ];
        let host = Some("a".to_string());
        let pushes = pushes.map(|push| Request::Push {
            host: host.clone(),
            push,
            keep: true,
        });
        let others = [
            Request::Games,
            Request::Status,
            Request::Reload,
            Request::Hold,
            Request::Release,
            Request::Watch { host: host.clone() },
            Request::Trace(TraceRequest {
                host: host.clone(),
                slow_ms: Some(5),
                ..TraceRequest::default()
            }),
        ];
        let id = "0193-ban-7".to_string();
        let queue = [
            QueueRequest::List,
            QueueRequest::Show { id: id.clone() },
            QueueRequest::Retry {
                id: Some(id.clone()),
            },
            QueueRequest::Retry { id: None },
            QueueRequest::Drop { id },
        ];
        let queue = queue.map(Request::Queue);
        let id = "0193".to_string();
        let rewards = [
            RewardsRequest::List,
            RewardsRequest::Run { id: id.clone() },
            RewardsRequest::Skip { id },
        ];
        let queue = queue.into_iter().chain(rewards.map(Request::Rewards));
        for request in pushes.into_iter().chain(others).chain(queue) {
            assert_eq!(read(request.to_json()), Ok(request));
        }
    }

    #[test]
    fn wrong_requests_are_answered_in_words() {
        for (request, word) in [
            (json!({"do": "dance"}), "unknown variant `dance`"),
            (json!({"name": "f"}), "`do`"),
            (json!({"do": "call"}), "`name`"),
            (
                json!({"do": "hook", "name": "h", "data": [1]}),
                "expected a map",
            ),
            (
                json!({"do": "print", "text": "x", "where": "moon"}),
                "`moon`, expected one of `chat`",
            ),
            (
                json!({"do": "print", "text": "x", "to": "me"}),
                "expected i32",
            ),
            (json!({"do": "queue"}), "`verb`"),
            (json!({"do": "queue", "verb": "show"}), "`id`"),
            (json!({"do": "queue", "verb": "drop", "id": null}), "`id`"),
            (json!({"do": "queue", "verb": "retry", "id": 5}), "`id`"),
            (json!({"do": "queue", "verb": "drop", "id": ""}), "no id"),
            (
                json!({"do": "queue", "verb": "drop", "id": "../a"}),
                "no id",
            ),
            (
                json!({"do": "queue", "verb": "show", "id": "a".repeat(101)}),
                "no id",
            ),
        ] {
            let error = read(request).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(parse(b"{").is_err());
    }
}
