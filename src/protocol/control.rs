//! Requests of operators to a running vpid, a line of JSON each.

use std::fmt;

use serde_json::{Value, json};

use crate::limits::QUEUE_ID_BYTES_MAX;
use crate::protocol::signed::messages::{FromGame, Place, Push};

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";

#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Which games are connected.
    Games,
    /// Messages of games, from now on; of one host or of all.
    Watch { host: Option<String> },
    /// Send something to a game; without a host, to the only one.
    Push {
        host: Option<String>,
        push: Push,
        keep: bool,
    },
    /// What waits for VyHub.
    Queue(QueueRequest),
    /// The owner's Python scripts.
    Script(ScriptRequest),
}

/// A request about Python scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptRequest {
    /// Answered by `{"scripts": [script, ...]}`; a script is an object with `name`, `state`
    /// (`starting`, `running`, `stopping`, `waiting`, `failed` or `unloaded`), `path`, `python`, `hooks`, `functions`,
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
    /// Answered by `{"log": [line, ...]}`, the oldest first.
    Log {
        name: String,
    },
}

/// A request about the queue. An entry is an object with the fields of its file in the
/// state folder; of its fields, [`parse`] knows the `id` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueRequest {
    /// Answered by `{"queue": [entry, ...]}`, the oldest first.
    List,
    /// Answered by `{"entry": entry}`.
    Show { id: String },
    /// Tries an entry again at once; `None`: all of them. Answered by `{"ok": count}`.
    Retry { id: Option<String> },
    /// Gives an entry up. Answered by `{"ok": 1}`.
    Drop { id: String },
}

impl QueueRequest {
    fn to_json(&self) -> Value {
        match self {
            Self::List => json!({"do": "queue", "verb": "list"}),
            Self::Show { id } => json!({"do": "queue", "verb": "show", "id": id}),
            Self::Retry { id } => json!({"do": "queue", "verb": "retry", "id": id}),
            Self::Drop { id } => json!({"do": "queue", "verb": "drop", "id": id}),
        }
    }

    fn parse(request: &Value) -> Result<Self, RequestError> {
        let needed = || match &request["id"] {
            Value::String(id) if is_queue_id(id) => Ok(id.clone()),
            Value::String(id) => Err(RequestError::NoQueueId(id.clone())),
            _ => Err(RequestError::NeedsText("id")),
        };
        match request["verb"].as_str() {
            Some("list") => Ok(Self::List),
            Some("show") => Ok(Self::Show { id: needed()? }),
            Some("retry") if request["id"].is_null() => Ok(Self::Retry { id: None }),
            Some("retry") => Ok(Self::Retry {
                id: Some(needed()?),
            }),
            Some("drop") => Ok(Self::Drop { id: needed()? }),
            _ => Err(RequestError::QueueVerb),
        }
    }
}

impl ScriptRequest {
    fn to_json(&self) -> Value {
        let (verb, name) = match self {
            Self::List => return json!({"do": "script", "verb": "list"}),
            Self::Load { name } => ("load", name),
            Self::Unload { name } => ("unload", name),
            Self::Reload { name } => ("reload", name),
            Self::Log { name } => ("log", name),
        };
        json!({"do": "script", "verb": verb, "name": name})
    }

    fn parse(request: &Value) -> Result<Self, RequestError> {
        let name = || match request["name"].as_str() {
            Some(name) => Ok(name.to_owned()),
            None => Err(RequestError::NeedsText("name")),
        };
        match request["verb"].as_str() {
            Some("list") => Ok(Self::List),
            Some("load") => Ok(Self::Load { name: name()? }),
            Some("unload") => Ok(Self::Unload { name: name()? }),
            Some("reload") => Ok(Self::Reload { name: name()? }),
            Some("log") => Ok(Self::Log { name: name()? }),
            _ => Err(RequestError::ScriptVerb),
        }
    }
}

/// Ids of the queue are also names of files: letters a-z, digits and dashes.
pub fn is_queue_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=QUEUE_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

impl Request {
    /// As a line that [`parse`] reads.
    pub fn to_json(&self) -> Value {
        let (host, push, keep) = match self {
            Request::Games => return json!({"do": "games"}),
            Request::Watch { host } => return json!({"do": "watch", "host": host}),
            Request::Queue(request) => return request.to_json(),
            Request::Script(request) => return request.to_json(),
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
                json!({"do": "print", "text": text, "to": to, "where": place.word()})
            }
        };
        request["host"] = host.clone().into();
        request["keep"] = (*keep).into();
        request
    }
}

/// Why a line is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    NoJson(String),
    NeedsText(&'static str),
    /// It asks for something else than vpid can do.
    Unknown(String),
    QueueVerb,
    NoQueueId(String),
    ScriptVerb,
    HookData,
    NoPlace(String),
    NoUserid,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(error) => write!(f, "the request is no JSON ({error})"),
            Self::NeedsText(key) => write!(f, "the request needs `{key}`, a text"),
            Self::Unknown(what) => write!(f, "vpid cannot {what:?}"),
            Self::QueueVerb => f.write_str("the queue takes the `verb` list, show, retry or drop"),
            Self::NoQueueId(id) => write!(f, "{id:?} is no id of the queue"),
            Self::ScriptVerb => {
                f.write_str("scripts take the `verb` list, load, unload, reload or log")
            }
            Self::HookData => f.write_str("a hook takes an object"),
            Self::NoPlace(place) => write!(f, "{place:?} is none of chat, center, console"),
            Self::NoUserid => f.write_str("`to` is a userid"),
        }
    }
}

impl std::error::Error for RequestError {}

/// Reads a request.
pub fn parse(line: &[u8]) -> Result<Request, RequestError> {
    let request: Value =
        serde_json::from_slice(line).map_err(|error| RequestError::NoJson(error.to_string()))?;
    let text = |key: &str| request[key].as_str().map(str::to_string);
    let needed = |key| text(key).ok_or(RequestError::NeedsText(key));
    let host = text("host");
    let push = match needed("do")?.as_str() {
        "games" => return Ok(Request::Games),
        "watch" => return Ok(Request::Watch { host }),
        "queue" => return QueueRequest::parse(&request).map(Request::Queue),
        "script" => return ScriptRequest::parse(&request).map(Request::Script),
        "call" => Push::Call {
            function: needed("name")?,
            args: request["data"].clone(),
        },
        "message" => Push::Message {
            name: needed("name")?,
            data: request["data"].clone(),
        },
        "hook" => {
            let data = match &request["data"] {
                Value::Null => json!({}),
                Value::Object(_) => request["data"].clone(),
                _ => return Err(RequestError::HookData),
            };
            Push::Hook {
                name: needed("name")?,
                data,
            }
        }
        "command" => Push::Command(needed("text")?),
        "print" => {
            let place = text("where").unwrap_or_else(|| "chat".into());
            let place = Place::parse(&place).ok_or(RequestError::NoPlace(place))?;
            let to = match &request["to"] {
                Value::Null => None,
                to => Some(
                    to.as_i64()
                        .and_then(|to| i32::try_from(to).ok())
                        .ok_or(RequestError::NoUserid)?,
                ),
            };
            Push::Print {
                text: needed("text")?,
                to,
                place,
            }
        }
        other => return Err(RequestError::Unknown(other.to_owned())),
    };
    let keep = request["keep"].as_bool().unwrap_or(false);
    Ok(Request::Push { host, push, keep })
}

/// A message of a game, for operators who watch.
pub fn told(host: &str, message: &FromGame) -> Option<Value> {
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

    fn read(request: Value) -> Result<Request, RequestError> {
        parse(request.to_string().as_bytes())
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
        let others = [Request::Games, Request::Watch { host: host.clone() }];
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
        for request in pushes.into_iter().chain(others).chain(queue) {
            assert_eq!(read(request.to_json()), Ok(request));
        }
    }

    #[test]
    fn wrong_requests_are_answered_in_words() {
        for (request, word) in [
            (json!({"do": "dance"}), "cannot"),
            (json!({"name": "f"}), "`do`"),
            (json!({"do": "call"}), "`name`"),
            (json!({"do": "hook", "name": "h", "data": [1]}), "object"),
            (
                json!({"do": "print", "text": "x", "where": "moon"}),
                "none of",
            ),
            (json!({"do": "print", "text": "x", "to": "me"}), "userid"),
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
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(parse(b"{").is_err());
    }
}
