//! Who orders what of scripts: operators (`vpid script`), and admins in chat. `processes` carries it out.

use std::fmt;

use serde_json::{Value, json};

use super::Cx;
use crate::core::ids::{ServerId, Ticket};
use crate::core::message::Speaker;
use crate::core::servers::ChatVerdict;
use crate::limits;
use crate::protocol::control::ScriptRequest;
use crate::protocol::signed::messages::Place;

/// Who gets the result of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    Operator(Ticket),
    Admin { server: ServerId, userid: i64 },
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderError {
    NoName(String),
    NoFolder,
    TooMany,
    LoadedAlready(String),
    NotLoaded(String),
    Unknown {
        name: String,
        known: Vec<String>,
    },
    /// The script, and why it cannot be loaded.
    Failed(String, String),
    /// The command lacks the name of a script.
    Unnamed(String),
    /// It is not sure that the admin wrote the command.
    Doubtful(&'static str),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName(name) => write!(
                f,
                "{name:?} is no name of a script: letters, digits and _, as in NAME.py"
            ),
            Self::NoFolder => f.write_str("there is no folder of scripts; set dir in [scripts]"),
            Self::TooMany => write!(f, "there are {} scripts already", limits::SCRIPTS_MAX),
            Self::LoadedAlready(name) => write!(f, "{name} is loaded already"),
            Self::NotLoaded(name) => write!(f, "{name} is not loaded"),
            Self::Unknown { name, known } if known.is_empty() => {
                write!(f, "there is no script {name}, nor any other")
            }
            Self::Unknown { name, known } => {
                let known = known.join(", ");
                write!(f, "there is no script {name}; there is: {known}")
            }
            Self::Failed(name, why) => write!(f, "{name} cannot be loaded: {why}"),
            Self::Unnamed(command) => write!(f, "say {command} and the name of a script"),
            Self::Doubtful(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for OrderError {}

impl Cx<'_> {
    /// Reports the result of an order: an object, whose `ok` is the sentence that an admin gets.
    pub(super) fn reply(&mut self, issuer: Issuer, result: Result<Value, OrderError>) {
        let result = result.map_err(|error| error.to_string());
        match (issuer, result) {
            (Issuer::Operator(ticket), result) => self.out.complete(Some(ticket), result),
            (Issuer::Admin { server, userid }, result) => {
                let text = match &result {
                    Ok(value) => value["ok"].as_str().unwrap_or_default(),
                    Err(text) => text,
                };
                self.servers
                    .say(server, Some(userid), text, Place::Chat, self.out);
            }
        }
    }
}

/// All scripts; in chat, in one line.
pub fn list(issuer: Issuer, cx: &Cx<'_>) -> Value {
    let all = cx.scripts.iter();
    match issuer {
        Issuer::Operator(_) => {
            let all = all.map(|(id, script)| script.describe(id, cx));
            json!({ "scripts": all.collect::<Value>() })
        }
        Issuer::Admin { .. } => {
            let all = all.map(|(_, script)| format!("{} ({})", script.name, script.state()));
            let all = all.collect::<Vec<_>>().join(", ");
            let text = if all.is_empty() {
                "there are no scripts"
            } else {
                &all
            };
            json!({ "ok": text })
        }
    }
}

/// What a chat line is.
pub enum ChatLine {
    /// No command about scripts, or not of an admin.
    Other,
    /// It is dealt with.
    Answered,
    Request(ScriptRequest, Issuer),
}

/// Reads a command about scripts out of a chat line. `held`: the line has waited until it was confirmed who
/// wrote it.
pub fn chat(
    server: ServerId,
    speaker: &Speaker,
    text: &str,
    held: bool,
    cx: &mut Cx<'_>,
) -> ChatLine {
    let mut prefixes = cx.config.prefixes.iter();
    let rest = prefixes.find_map(|prefix| text.trim().strip_prefix(prefix.as_str()));
    let words: Vec<&str> = rest.unwrap_or_default().split_whitespace().collect();
    let (command, name) = match words[..] {
        [command] => (command, None),
        [command, name] => (command, Some(name.to_owned())),
        _ => return ChatLine::Other,
    };
    let request = match (command, name) {
        ("scripts", _) => Some(ScriptRequest::List),
        ("load", Some(name)) => Some(ScriptRequest::Load { name }),
        ("unload", Some(name)) => Some(ScriptRequest::Unload { name }),
        ("reload", Some(name)) => Some(ScriptRequest::Reload { name }),
        ("load" | "unload" | "reload", None) => None,
        _ => return ChatLine::Other,
    };
    let Some(steam) = speaker.steam else {
        return ChatLine::Other;
    };
    let player = || speaker.name.replace(char::is_control, "?");
    let directory = cx.directory;
    let is_admin = cx.config.admins.contains(&steam)
        || directory.is_some_and(|it| it.is_administrator(server, steam, cx.now));
    if !is_admin {
        log::info!("{} ({steam}) may not {command} scripts", player());
        return ChatLine::Other;
    }
    let verdict = match &request {
        Some(ScriptRequest::List) => ChatVerdict::Counts,
        _ => cx.servers.chat_verdict(server, speaker, held, cx.now),
    };
    let userid = speaker.userid;
    let issuer = Issuer::Admin { server, userid };
    match (verdict, request) {
        (ChatVerdict::Counts, Some(request)) => return ChatLine::Request(request, issuer),
        (ChatVerdict::Counts, None) => {
            cx.reply(issuer, Err(OrderError::Unnamed(command.to_owned())));
        }
        (ChatVerdict::Wait, _) => {
            let (speaker, text) = (speaker.clone(), text.to_owned());
            cx.servers.hold(server, speaker, text, cx.now);
        }
        (ChatVerdict::Refused(doubt), _) => {
            log::warn!(
                "{} ({steam}) wrote {command} in chat, which does not count: {}",
                player(),
                doubt.sentence()
            );
            cx.reply(issuer, Err(OrderError::Doubtful(doubt.brief())));
        }
    }
    ChatLine::Answered
}
