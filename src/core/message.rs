//! What one part of the core reports to another, or requests of it. `Core::dispatch` gives each message to
//! its receiver, in the order in which they were sent, until none is left.

use std::fmt;

use serde_json::Value;

use super::accepted_file::AcceptedFile;
use super::chat_guard::ChatSource;
use super::community::orders::VyhubCall;
use super::ids::{CallId, Caller, HostId, RequestId, ScriptId, ServerId, Ticket};
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::game_report::{GameReport, PlayerReport};
use crate::protocol::signed::messages::Push;
use crate::protocol::steam_id::SteamId;

pub enum Message {
    /// To `calls`: the calls of an authenticated file, or one of a Python script.
    Open(Box<AcceptedFile>),
    /// From `calls`: a call that the community answers.
    CallCommunity(Box<ForwardedCall<VyhubCall>>),
    /// From `calls`: a call of a function of a Python script.
    CallScript(Box<ForwardedCall<ScriptCall>>),
    /// To `calls`: the result of a forwarded call.
    Respond(CallId, Result<Value, CallError>),
    /// To `calls`: the script turned out not to have the function, and vpid has one of this name.
    RunBuiltIn(CallId, Box<Call>),
    /// To `scripts`: the response to a call of a Python script, as JSON text.
    Responded(RequestId, Result<String, CallError>),
    /// To `scripts`: the result of what a Python script sent to a game or a console.
    Completed(RequestId, Result<Value, CallError>),
    /// To `links`: send this to a game; what was meant for this moment is not kept.
    Push {
        host: HostId,
        push: Push,
        ticket: Option<Ticket>,
    },
    /// From `links`: what the game of a host reports.
    Reported(HostId, GameReport),
    /// From `servers`.
    Happened(ServerId, GameEvent),
    /// To the community: the result of a command, by the number of its ticket.
    CommandDone(u64, Result<String, NotDone>),
    /// From the community, to `scripts`: a hook, by its name in the game.
    Hook {
        server: ServerId,
        name: String,
        data: Value,
    },
}

impl Message {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "open_calls",
            Self::CallCommunity(_) => "call_community",
            Self::CallScript(_) => "call_script",
            Self::Respond(..) => "respond",
            Self::RunBuiltIn(..) => "run_built_in",
            Self::Responded(..) => "responded",
            Self::Completed(..) => "completed",
            Self::Push { .. } => "push",
            Self::Reported(..) => "reported",
            Self::Happened(..) => "happened",
            Self::CommandDone(..) => "command_done",
            Self::Hook { .. } => "hook",
        }
    }
}

/// Why a command has no result, each with a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// It was surely not run.
    NotSent(String),
    /// It may have been run.
    Unclear(String),
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) | Self::Unclear(why) => f.write_str(why),
        }
    }
}

/// What happened on a game server, for commands in chat and what depends on the map.
#[derive(Debug, Clone, PartialEq)]
pub enum GameEvent {
    MapStarted,
    /// The game script of a server has a new session.
    SessionBegan,
    Chat(Speaker, String),
    /// A line that had to wait: see [`Servers::chat_verdict`](super::servers::Servers::chat_verdict).
    HeldChat(Speaker, String),
}

/// Who wrote a chat line, as its source knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    pub userid: i64,
    pub name: String,
    pub steam: Option<SteamId>,
    pub source: ChatSource,
}

impl From<&Speaker> for PlayerReport {
    fn from(speaker: &Speaker) -> Self {
        Self {
            userid: speaker.userid,
            name: Some(speaker.name.clone()),
            steam: speaker.steam,
            ..Self::default()
        }
    }
}

/// A call that another part of the core answers.
pub struct ForwardedCall<T> {
    pub id: CallId,
    pub caller: Caller,
    /// The game server that a Python script means.
    pub server: Option<ServerId>,
    pub what: T,
    /// Until when its caller waits.
    pub due_ms: u64,
    /// Whether its caller waits at all.
    pub callback: bool,
    /// An earlier run may have begun it.
    pub recovered: bool,
}

/// A function of a Python script is called.
pub struct ScriptCall {
    pub script: ScriptId,
    /// Without the script's name.
    pub function: String,
    pub call: Call,
}
