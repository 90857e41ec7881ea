//! The functions of game scripts and Python scripts: `VYHUB_Ban`, `VYHUB_Unban`, `VYHUB_Warn`,
//! `VYHUB_SetGroup`, `VYHUB_IsBanned`, `VYHUB_GetUser`. A call becomes an [`Order`] for its subject.
//!
//! The response to a change comes when that is on disk, with the number under which it is on its way. The
//! entry knows its call: a call that comes back after a crash finds what it made.

use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::changes::accepted_response;
use super::commands::{Call, Command, Order, Player};
use super::rights::{Length, Verdict};
use super::targets::Target;
use super::words::Problem;
use super::{Cx, Message, Subject, unavailable};
use crate::core::deadlines::Expiring;
use crate::core::outbox::Origin;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::backend::User;
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::sql::CallId;

/// All of them, in the order of the manual.
pub const FUNCTIONS: [&str; 6] = [
    "VYHUB_GetUser",
    "VYHUB_IsBanned",
    "VYHUB_Ban",
    "VYHUB_Unban",
    "VYHUB_Warn",
    "VYHUB_SetGroup",
];

/// A call, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VyhubCall {
    command: Command,
    /// As whom; `None`: as the server.
    issuer: Option<Target>,
}

/// Reads the arguments: `player` (a userid or a SteamID), `reason`, `minutes` (none: permanent),
/// `issuer` (a userid or a SteamID).
pub fn parse_call(function: &str, kwargs: &Value) -> Result<VyhubCall, CallError> {
    let nothing = Map::new();
    let args = match kwargs {
        Value::Object(args) => args,
        Value::Null => &nothing,
        _ => return Err(CallError::no_table()),
    };
    let known: &[&str] = match function {
        "VYHUB_Ban" => &["player", "minutes", "reason", "issuer"],
        "VYHUB_Unban" => &["player", "issuer"],
        "VYHUB_Warn" => &["player", "reason", "issuer"],
        "VYHUB_SetGroup" => &["player", "group", "minutes", "issuer"],
        _ => &["player"],
    };
    if let Some(unknown) = args.keys().find(|key| !known.contains(&key.as_str())) {
        let detail = format!(
            "there is no argument {unknown:?}; it takes {}",
            known.join(", ")
        );
        return Err(CallError::new("ValueError", detail));
    }
    let given = |key| args.get(key).filter(|value| !value.is_null());
    let who = given("player").ok_or_else(|| CallError::new("KeyError", "it needs `player`"))?;
    let who = target("player", who)?;
    let command = match function {
        "VYHUB_GetUser" => Command::GetUser { who },
        "VYHUB_IsBanned" => Command::IsBanned { who },
        "VYHUB_Ban" => Command::Ban {
            who,
            length: length(given("minutes"))?,
            reason: reason(args)?,
        },
        "VYHUB_Unban" => Command::Unban { who },
        "VYHUB_SetGroup" => Command::SetGroup {
            who,
            group: group(args)?,
            length: length(given("minutes"))?,
        },
        _ => Command::Warn {
            who,
            reason: reason(args)?,
        },
    };
    let issuer = given("issuer").map(|issuer| target("issuer", issuer));
    Ok(VyhubCall {
        command,
        issuer: issuer.transpose()?,
    })
}

fn target(key: &str, value: &Value) -> Result<Target, CallError> {
    let target = match value {
        Value::Number(number) => number.as_i64().map(Target::Userid),
        Value::String(text) => text.parse().ok().map(Target::Steam),
        _ => None,
    };
    let detail = || format!("`{key}` is a userid (a number) or a SteamID (a text)");
    target.ok_or_else(|| CallError::new("ValueError", detail()))
}

fn length(minutes: Option<&Value>) -> Result<Length, CallError> {
    let Some(minutes) = minutes else {
        return Ok(Length::Permanent);
    };
    let seconds = minutes.as_f64().map(|minutes| minutes * 60.0);
    match seconds {
        Some(seconds) if seconds >= 1.0 && seconds <= limits::BAN_S_MAX as f64 => {
            Ok(Length::Seconds(seconds as u64))
        }
        _ => {
            let detail = "`minutes` is a number above 0; leave it out for a permanent ban";
            Err(CallError::new("ValueError", detail))
        }
    }
}

fn group(args: &Map<String, Value>) -> Result<Option<String>, CallError> {
    match args.get("group") {
        Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
        _ => {
            let detail = "it needs `group`, the name or id of a group; null is none";
            Err(CallError::new("KeyError", detail))
        }
    }
}

fn reason(args: &Map<String, Value>) -> Result<String, CallError> {
    let reason = args.get("reason").and_then(Value::as_str).map(str::trim);
    match reason {
        Some(reason) if !reason.is_empty() => Ok(reason.to_owned()),
        _ => Err(CallError::new("KeyError", "it needs `reason`, a text")),
    }
}

/// Calls of `VYHUB_GetUser` that wait for their users.
#[derive(Default)]
pub struct Functions {
    waiting: Expiring<CallId, SteamId>,
}

impl Subject for Functions {
    type Ticket = Infallible;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Order(order) => {
                if let Command::GetUser { who } = &order.command
                    && let Some(call) = &order.call
                    && let Err(problem) = self.get_user(order, call, who, cx)
                {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => {
                if let Some(user) = cx.directory.user(*steam) {
                    self.respond_all(*steam, Ok(describe(user)), cx);
                }
            }
            Message::NoUser(steam, failure) => {
                self.respond_all(*steam, Err(unavailable(&failure.why)), cx);
            }
            _ => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((call, _)) = self.waiting.pop_due(cx.now.mono_ms) {
            let error = unavailable("VyHub has not answered in time");
            cx.respond(call, Err(error));
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        self.waiting.next_due()
    }
}

impl Functions {
    /// A script calls a function.
    pub fn call(&self, call: Call, server: ServerId, what: VyhubCall, cx: &mut Cx<'_>) {
        let id = call.id;
        let made = cx.outbox.of_call(Origin::from(id));
        if let Some(entry) = made.filter(|entry| cx.outbox.is_stored(entry.id)) {
            let response = accepted_response(entry);
            return cx.respond(id, Ok(response));
        }
        match order(call, server, what, cx) {
            Ok(order) => cx.send(Message::Order(order)),
            Err(error) => cx.respond(id, Err(error)),
        }
    }

    fn get_user(
        &mut self,
        order: &Order,
        call: &Call,
        who: &Target,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, _) = cx.target(order.server, order.bundle, who)?;
        if let Some(user) = cx.directory.user(steam) {
            let response = describe(user);
            cx.respond(call.id, Ok(response));
        } else if self.waiting.len() >= limits::VYHUB_CALLS_MAX {
            let error = unavailable("too many calls wait for VyHub");
            cx.respond(call.id, Err(error));
        } else {
            cx.directory.want_user(steam, cx.now);
            self.waiting.insert(call.id, steam, call.due_ms);
        }
        Ok(())
    }

    fn respond_all(&mut self, steam: SteamId, response: Result<Value, CallError>, cx: &mut Cx<'_>) {
        for (call, _) in self.waiting.remove_where(|_, of| *of == steam) {
            cx.respond(call, response.clone());
        }
    }
}

/// What a call orders, if its issuer may.
fn order(call: Call, server: ServerId, what: VyhubCall, cx: &Cx<'_>) -> Result<Order, CallError> {
    if cx.records.get(server).is_none() {
        return Err(unavailable("this server has no vyhub_server_id"));
    }
    let bundle = cx.records.bundle(server);
    let bundle = bundle.ok_or_else(|| unavailable("VyHub has not been reached yet"))?;
    let in_words = |problem: Problem| CallError::new("ValueError", cx.words.problem(&problem));
    let player = match (what.issuer, what.command.right()) {
        (None, _) => None,
        (Some(issuer), None) => Some(named(server, bundle, &issuer, cx).map_err(in_words)?),
        (Some(issuer), Some(right)) => {
            let player = named(server, bundle, &issuer, cx);
            let player =
                player.map_err(|_| CallError::new("ValueError", "the issuer is not known"))?;
            if cx.directory.may(player.steam, bundle, right, cx.now) != Verdict::Yes {
                let detail = format!("the issuer has no right {} in VyHub", right.property());
                return Err(CallError::new("PermissionError", detail));
            }
            Some(player)
        }
    };
    Ok(Order {
        server,
        bundle,
        player,
        call: Some(call),
        command: what.command,
    })
}

fn named(server: ServerId, bundle: Uuid, issuer: &Target, cx: &Cx<'_>) -> Result<Player, Problem> {
    let (steam, name) = cx.target(server, bundle, issuer)?;
    Ok(Player {
        server,
        steam,
        name,
    })
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "player": user.steam,
        "username": user.username,
        "admin": user.admin,
    })
}
