//! Who orders what of scripts: operators (`vpid script`), and admins in chat. `processes` carries it out.

use super::{Cx, Message, events};
use crate::core::deadlines::Expiring;
use crate::core::ids::{ScriptId, ServerId, Ticket};
use crate::core::message::Speaker;
use crate::core::servers::ChatVerdict;
use crate::limits;
use crate::protocol::control::ScriptRequest;
use crate::protocol::game_report::PlayerReport;
use crate::protocol::script_channel as channel;
use crate::protocol::script_channel::MessageId;
use crate::protocol::signed::messages::Place;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Who gets the result of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    Operator(Ticket),
    Admin { server: ServerId, userid: i64 },
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("{0:?} is no name of a script: letters, digits and _, as in NAME.py")]
    NoName(String),
    #[error("there is no folder of scripts; set dir in [scripts]")]
    NoFolder,
    #[error(
        "there are {} scripts already; remove the file of one and unload it",
        limits::SCRIPTS_MAX
    )]
    TooMany,
    #[error("{0} is loaded already")]
    LoadedAlready(String),
    #[error("{0} is not loaded")]
    NotLoaded(String),
    #[error("there is no script {name}{}", others(known))]
    Unknown { name: String, known: Vec<String> },
    /// The script, and why it cannot be loaded.
    #[error("{0} cannot be loaded: {1}")]
    Failed(String, String),
    /// The command lacks the name of a script.
    #[error("say {0} and the name of a script")]
    Unnamed(String),
    /// It is not sure that the admin wrote the command.
    #[error("{0}")]
    Doubtful(&'static str),
}

fn others(known: &[String]) -> String {
    match known.is_empty() {
        true => ", nor any other".into(),
        false => format!("; there is: {}", known.join(", ")),
    }
}

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

// Lines of chat go from script to script, until the hook of one of them keeps them from the next ones.

pub const CHAT_HOOK: &str = "OnPlayerChat";

/// Lines that await the verdict of a script.
#[derive(Default)]
pub struct Chat(Expiring<MessageId, Line>);

struct Line {
    /// It has the line now.
    script: Option<ScriptId>,
    server: ServerId,
    args: [Value; 2],
    next: VecDeque<ScriptId>,
}

impl Chat {
    /// `about`: who wrote it.
    pub fn on_chat(&mut self, server: ServerId, about: &PlayerReport, text: &str, cx: &mut Cx<'_>) {
        let next: VecDeque<ScriptId> = cx.hooks.listeners(CHAT_HOOK).collect();
        if next.is_empty() {
            return;
        }
        let who = events::known_or(server, None, about, cx);
        let text: String = text.chars().take(limits::COMMAND_BYTES_MAX).collect();
        let line = Line {
            script: None,
            server,
            args: [who, text.into()],
            next,
        };
        self.pass_on(line, cx);
    }

    /// Sends a line to the next script, and waits for its verdict if there is one behind it.
    fn pass_on(&mut self, mut line: Line, cx: &mut Cx<'_>) {
        let server = Some(line.server);
        while let Some(id) = line.next.pop_front() {
            let Some(script) = cx.scripts.get_mut(id) else {
                continue;
            };
            let full = self.0.len() >= limits::SCRIPT_VERDICTS_MAX;
            if !script.is_running() || line.next.is_empty() || full {
                script.push_event(channel::event(CHAT_HOOK, server, &line.args));
                continue;
            }
            let message = cx.scripts.next_message();
            let event = channel::judged_event(message, CHAT_HOOK, server, &line.args);
            if cx.scripts[id].push_event(event) {
                line.script = Some(id);
                let due_ms = cx.now.mono_ms + limits::SCRIPT_VERDICT_MS;
                return self.0.insert(message, line, due_ms);
            }
        }
    }

    /// A script has decided whether the next ones get a line.
    pub fn on_verdict(&mut self, id: ScriptId, message: MessageId, pass: bool, cx: &mut Cx<'_>) {
        let is_its = |line: &Line| line.script == Some(id);
        if self.0.get(message).is_some_and(is_its)
            && let Some(line) = self.0.remove(message)
            && pass
        {
            self.pass_on(line, cx);
        }
    }

    /// Lines of a script whose process ended are passed on.
    pub fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        if let Message::ProcessEnded(id, _) = message {
            for (_, line) in self.0.remove_where(|_, line| line.script == Some(*id)) {
                self.pass_on(line, cx);
            }
        }
    }

    /// Lines whose verdict is late are passed on.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, line)) = self.0.pop_due(cx.now.mono_ms) {
            self.pass_on(line, cx);
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        self.0.next_due()
    }
}
