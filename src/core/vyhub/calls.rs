//! The functions of scripts: `VYHUB_Ban`, `VYHUB_Unban`, `VYHUB_Warn`, `VYHUB_SetGroup`,
//! `VYHUB_IsBanned`, `VYHUB_GetUser`.
//!
//! A change is answered when it is on disk, with the number under which it is on its way. The
//! entry knows its call: a call that comes back after a crash finds what it made.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::accepting::Placed;
use super::commands::{Length, Problem, Target};
use super::groups::{GroupCall, Step};
use super::orders::Giver;
use super::rights::{Right, Verdict, outranks};
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, EntryId, Origin};
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Failure, User};
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
    pub who: Target,
    pub what: What,
    /// As whom; `None`: as the server.
    pub issuer: Option<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    GetUser,
    IsBanned,
    Ban {
        length: Length,
        reason: String,
    },
    Unban,
    Warn {
        reason: String,
    },
    /// `None`: in no group.
    SetGroup {
        group: Option<String>,
        length: Length,
    },
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
    let who = args.get("player").filter(|value| !value.is_null());
    let who = who.ok_or_else(|| CallError::new("KeyError", "it needs `player`"))?;
    let issuer = args.get("issuer").filter(|value| !value.is_null());
    let what = match function {
        "VYHUB_GetUser" => What::GetUser,
        "VYHUB_IsBanned" => What::IsBanned,
        "VYHUB_Ban" => What::Ban {
            length: length(args.get("minutes"))?,
            reason: reason(args)?,
        },
        "VYHUB_Unban" => What::Unban,
        "VYHUB_SetGroup" => What::SetGroup {
            group: group(args)?,
            length: length(args.get("minutes"))?,
        },
        _ => What::Warn {
            reason: reason(args)?,
        },
    };
    Ok(VyhubCall {
        who: target("player", who)?,
        what,
        issuer: issuer.map(|issuer| target("issuer", issuer)).transpose()?,
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
    let Some(minutes) = minutes.filter(|value| !value.is_null()) else {
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

/// Calls whose answers are not known yet.
#[derive(Default)]
pub struct Waiting {
    /// Until their entries are on disk.
    entries: HashMap<EntryId, CallId>,
    users: Vec<(SteamId, CallId, u64)>,
}

impl Waiting {
    pub fn due_ms(&self) -> Option<u64> {
        self.users.iter().map(|(_, _, due_ms)| *due_ms).min()
    }
}

pub(super) fn unavailable(why: impl Into<String>) -> CallError {
    CallError::new("VyHubUnavailable", why)
}

impl Vyhub {
    /// A script calls. `due_ms`: until when somebody waits, on the daemon's clock.
    pub fn call(
        &mut self,
        id: CallId,
        server: ServerId,
        call: VyhubCall,
        due_ms: u64,
        cx: &mut Cx<'_>,
    ) {
        let answer = match self.outbox.of_call(id.into()).map(|entry| entry.id) {
            Some(entry) if self.outbox.is_stored(entry) => Ok(Some(self.accepted_answer(entry))),
            _ => self.answer(id, server, call, due_ms, cx),
        };
        match answer {
            Ok(Some(value)) => cx.out.respond(id, Ok(value)),
            Ok(None) => {}
            Err(error) => cx.out.respond(id, Err(error)),
        }
        self.advance(cx);
    }

    /// `None`: the answer comes later.
    fn answer(
        &mut self,
        id: CallId,
        server: ServerId,
        call: VyhubCall,
        due_ms: u64,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Value>, CallError> {
        let served = self.served(server);
        let served = served.ok_or_else(|| unavailable("this server has no vyhub_server_id"))?;
        let bundle = served.bundle();
        let bundle = bundle.ok_or_else(|| unavailable("VyHub has not been reached yet"))?;
        let in_words = |client: &Self, problem: Problem| {
            CallError::new("ValueError", client.words.problem(&problem))
        };
        let whom = self.whom(server, bundle, &call.who, cx);
        let (steam, name) = whom.map_err(|problem| in_words(self, problem))?;
        let right = match call.what {
            What::GetUser => return Ok(self.get_user(id, steam, due_ms, cx)),
            What::IsBanned => return Ok(Some(self.is_banned(bundle, steam, cx))),
            What::Ban { .. } | What::Unban => Right::BanEdit,
            What::Warn { .. } => Right::WarningEdit,
            What::SetGroup { group, length } => {
                let issuer = self.named_issuer(server, bundle, call.issuer.as_ref(), cx);
                let call = GroupCall {
                    id,
                    server,
                    bundle,
                    steam,
                    name,
                    group,
                    length,
                    issuer: issuer.map_err(|problem| in_words(self, problem))?,
                    due_ms,
                    step: Step::User,
                };
                self.set_group(call, cx);
                return Ok(None);
            }
        };
        let giver = self.giver(server, bundle, call.issuer.as_ref(), right, cx)?;
        let issuer = giver
            .as_ref()
            .map(|giver| self.issuer(giver, bundle))
            .transpose();
        let placed = Placed {
            server,
            bundle,
            steam,
            name,
            issuer: issuer.map_err(|problem| in_words(self, problem))?,
            call: Some(Origin::from(id)),
        };
        let accepted = match call.what {
            What::Ban { length, reason } => {
                self.may_reach(giver.as_ref(), bundle, steam)?;
                let rights = giver
                    .as_ref()
                    .and_then(|giver| self.rights.get(giver.steam, bundle));
                match self.length_fits(rights, length) {
                    Ok(()) => self.ban(placed, length, reason, cx),
                    Err(problem) => Err(problem),
                }
            }
            What::Warn { reason } => self.accept(placed, Change::Warning { reason }, cx),
            _ => self.accept(placed, Change::Unban, cx),
        };
        let entry = accepted.map_err(|problem| in_words(self, problem))?;
        self.calls.entries.insert(entry, id);
        Ok(None)
    }

    /// As whom a script acts where VyHub itself judges what they may.
    fn named_issuer(
        &self,
        server: ServerId,
        bundle: Uuid,
        issuer: Option<&Target>,
        cx: &Cx<'_>,
    ) -> Result<Option<(Uuid, String)>, Problem> {
        let Some(issuer) = issuer else {
            return Ok(None);
        };
        let giver = self.giver_of(server, bundle, issuer, cx)?;
        let issuer = self.issuer(&giver, bundle)?;
        Ok(Some((issuer.user, issuer.name)))
    }

    /// On whose behalf a script acts, if they may do it themselves.
    fn giver(
        &self,
        server: ServerId,
        bundle: Uuid,
        issuer: Option<&Target>,
        right: Right,
        cx: &Cx<'_>,
    ) -> Result<Option<Giver>, CallError> {
        let Some(issuer) = issuer else {
            return Ok(None);
        };
        let giver = self.giver_of(server, bundle, issuer, cx);
        let giver = giver.map_err(|_| CallError::new("ValueError", "the issuer is not known"))?;
        if self.rights.may(giver.steam, bundle, right, cx.now) != Verdict::Yes {
            let detail = format!("the issuer has no right {} in VyHub", right.property());
            return Err(CallError::new("PermissionError", detail));
        }
        Ok(Some(giver))
    }

    fn giver_of(
        &self,
        server: ServerId,
        bundle: Uuid,
        issuer: &Target,
        cx: &Cx<'_>,
    ) -> Result<Giver, Problem> {
        let (steam, name) = self.whom(server, bundle, issuer, cx)?;
        Ok(Giver {
            server,
            steam,
            name,
        })
    }

    /// Nobody bans somebody of a higher rank, by a script neither.
    fn may_reach(
        &self,
        giver: Option<&Giver>,
        bundle: Uuid,
        steam: SteamId,
    ) -> Result<(), CallError> {
        let rights = giver.and_then(|giver| self.rights.get(giver.steam, bundle));
        let target = self.rights.get(steam, bundle);
        match rights.is_none_or(|rights| outranks(rights, target)) {
            true => Ok(()),
            false => {
                let detail = "the player ranks higher than the issuer";
                Err(CallError::new("PermissionError", detail))
            }
        }
    }

    fn get_user(
        &mut self,
        id: CallId,
        steam: SteamId,
        due_ms: u64,
        cx: &mut Cx<'_>,
    ) -> Option<Value> {
        if let Some(user) = self.users.get(steam) {
            return Some(describe(user));
        }
        if self.calls.users.len() >= limits::VYHUB_CALLS_MAX {
            let error = unavailable("too many calls wait for VyHub");
            cx.out.respond(id, Err(error));
            return None;
        }
        self.users.want(steam, cx.now.mono_ms);
        self.calls.users.push((steam, id, due_ms));
        None
    }

    fn is_banned(&self, bundle: Uuid, steam: SteamId, cx: &Cx<'_>) -> Value {
        match self.ban_of(bundle, steam, cx) {
            None => json!({ "banned": false }),
            Some(ban) => json!({
                "banned": true,
                "reason": ban.reason,
                "since": ban.since_s,
                "until": ban.until_s,
                "admin": ban.admin,
                "id": ban.id,
            }),
        }
    }

    /// A user is known, or cannot be had.
    pub(super) fn calls_of_user(
        &mut self,
        steam: SteamId,
        user: Result<&User, &Failure>,
        cx: &mut Cx<'_>,
    ) {
        let (ready, rest): (Vec<_>, _) = std::mem::take(&mut self.calls.users)
            .into_iter()
            .partition(|(of, ..)| *of == steam);
        self.calls.users = rest;
        for (_, id, _) in ready {
            let answer = match user {
                Ok(user) => Ok(describe(user)),
                Err(Failure::Unreachable(why) | Failure::Unclear(why)) => Err(unavailable(why)),
                Err(Failure::Status { code, .. }) => {
                    Err(unavailable(format!("VyHub answered {code}")))
                }
            };
            cx.out.respond(id, answer);
        }
    }

    pub(super) fn expire_calls(&mut self, cx: &mut Cx<'_>) {
        let (over, rest): (Vec<_>, _) = std::mem::take(&mut self.calls.users)
            .into_iter()
            .partition(|(_, _, due_ms)| *due_ms <= cx.now.mono_ms);
        self.calls.users = rest;
        for (_, id, _) in over {
            let error = unavailable("VyHub has not answered in time");
            cx.out.respond(id, Err(error));
        }
    }

    fn accepted_answer(&self, entry: EntryId) -> Value {
        let steam = self.outbox.get(entry).map(|entry| entry.steam);
        json!({ "queued": entry.to_string(), "player": steam })
    }

    pub(super) fn call_accepted(&mut self, entry: EntryId, cx: &mut Cx<'_>) {
        if let Some(id) = self.calls.entries.remove(&entry) {
            let answer = self.accepted_answer(entry);
            cx.out.respond(id, Ok(answer));
        }
    }

    pub(super) fn call_refused(&mut self, entry: EntryId, why: &str, cx: &mut Cx<'_>) {
        if let Some(id) = self.calls.entries.remove(&entry) {
            let detail = format!("it cannot be written down: {why}");
            cx.out
                .respond(id, Err(CallError::new("StorageError", detail)));
        }
    }
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "player": user.steam,
        "username": user.username,
        "admin": user.admin,
    })
}
