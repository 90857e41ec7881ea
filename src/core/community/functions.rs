//! The functions of game scripts and Python scripts: `VYHUB_Ban`, `VYHUB_Unban`, `VYHUB_BanAddress`,
//! `VYHUB_UnbanAddress`, `VYHUB_Warn`,
//! `VYHUB_SetGroup`, `VYHUB_RemoveGroup`, `VYHUB_IsBanned`, `VYHUB_GetUser`, `VYHUB_GetServer`. A call becomes an
//! [`Order`] for its subject.
//!
//! The response to a change comes when that is on disk, with the number under which it is on its way. The
//! entry knows its call: a call that comes back after a crash finds what it made.

use std::convert::Infallible;

use serde_json::{Value, json};

use super::changes::accepted_response;
use super::commands::{Call, Order, Player};
use super::orders::{Command, Target, VyhubCall};
use super::records::Records;
use super::rights::Verdict;
use super::words::Problem;
use super::{Cx, Message, Subject};
use crate::core::deadlines::Expiring;
use crate::core::outbox::Origin;
use crate::core::servers::{ServerId, Servers};
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::backend::Keeper;
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Calls of `VYHUB_GetUser` that wait for their users.
#[derive(Default)]
pub struct Functions {
    /// With their servers' bundles.
    waiting: Expiring<CallId, (SteamId, Uuid)>,
}

impl Subject for Functions {
    type Ticket = Infallible;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Order(order) => {
                if let (Command::GetServer, Some(call)) = (&order.command, &order.call)
                    && let Some(record) = cx.records.get(order.server)
                {
                    let data = record.ready_data();
                    cx.respond(call.id, Ok(data));
                }
                if let Command::GetUser { who } = &order.command
                    && let Some(call) = &order.call
                    && let Err(problem) = self.get_user(order, call, who, cx)
                {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => {
                for (call, (_, bundle)) in self.waiting.remove_where(|_, (of, _)| of == steam) {
                    let user = describe(*steam, bundle, cx);
                    let keeper = cx.backend.keeper;
                    let strange = || keeper.unavailable(format!("{keeper} gave a strange answer"));
                    cx.respond(call, user.ok_or_else(strange));
                }
            }
            Message::NoUser(steam, failure) => {
                for (call, _) in self.waiting.remove_where(|_, (of, _)| of == steam) {
                    let error = cx.backend.keeper.unavailable(failure);
                    cx.respond(call, Err(error));
                }
            }
            _ => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((call, _)) = self.waiting.pop_due(cx.now.mono_ms) {
            let keeper = cx.backend.keeper;
            let error = keeper.unavailable(format!("{keeper} has not answered in time"));
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
        if let Some(user) = describe(steam, order.bundle, cx) {
            cx.respond(call.id, Ok(user));
        } else if self.waiting.len() >= limits::VYHUB_CALLS_MAX {
            let keeper = cx.backend.keeper;
            let error = keeper.unavailable(format!("too many calls wait for {keeper}"));
            cx.respond(call.id, Err(error));
        } else {
            cx.directory.want_user(steam, cx.now);
            let whom = (steam, order.bundle);
            self.waiting.insert(call.id, whom, call.due_ms);
        }
        Ok(())
    }
}

/// Why nothing can be ordered on a server that is no part of the community.
pub fn not_of_it(keeper: Keeper) -> &'static str {
    match keeper {
        Keeper::Vyhub => "this server has no vyhub_server_id",
        Keeper::Database => "this server is left out of the community, with community = false",
    }
}

/// The server of a call that names none. Bans, warnings and groups are the bundle's, so any server of the only bundle
/// will do.
pub fn server_for(
    call: &VyhubCall,
    keeper: Keeper,
    records: &Records,
    servers: &Servers,
) -> Result<ServerId, CallError> {
    let all: Vec<ServerId> = records.all().iter().map(|record| record.server).collect();
    if let [only] = all[..] {
        return Ok(only);
    }
    let who = call.command.who();
    let mut named = [who, call.issuer.as_ref()].into_iter().flatten();
    let by_userid = named.any(|target| matches!(target, Target::Userid(_)));
    let ready: Vec<(ServerId, Uuid)> = records.ready().collect();
    let differ = ready.windows(2).any(|pair| pair[0].1 != pair[1].1);
    if by_userid || differ || call.command == Command::GetServer {
        let labels = all.iter().filter_map(|server| servers.get(*server));
        let labels: Vec<&str> = labels.map(|game| game.label.as_str()).collect();
        let detail = format!(
            "there are several servers; say which: {}",
            labels.join(", ")
        );
        return Err(CallError::new("ValueError", detail));
    }
    // Before all of VyHub's servers are ready, one of them may be in another bundle.
    let unready = all.iter().find(|server| records.bundle(**server).is_none());
    if let (Keeper::Vyhub, Some(unready)) = (keeper, unready) {
        return Ok(*unready);
    }
    // Where the player is on, the name and the address are known.
    let is_ready = |server: &ServerId| ready.iter().any(|(ready, _)| ready == server);
    let there = match who {
        Some(Target::Steam(steam)) => {
            let mut places = servers.find(*steam).map(|(server, _)| server);
            places.find(is_ready)
        }
        _ => None,
    };
    let first = ready.first().map(|(server, _)| *server);
    let server = there.or(first).or(all.first().copied());
    server.ok_or_else(|| keeper.unavailable(not_of_it(keeper)))
}

/// What a call orders, if its issuer may.
fn order(call: Call, server: ServerId, what: VyhubCall, cx: &Cx<'_>) -> Result<Order, CallError> {
    let keeper = cx.backend.keeper;
    if cx.records.get(server).is_none() {
        return Err(keeper.unavailable(not_of_it(keeper)));
    }
    let bundle = cx.records.bundle(server);
    let not_yet = || keeper.unavailable(format!("{keeper} has not been reached yet"));
    let bundle = bundle.ok_or_else(not_yet)?;
    let in_words = |problem: Problem| CallError::new("ValueError", cx.words.problem(&problem));
    let player = match (what.issuer, what.command.right()) {
        (None, _) => None,
        (Some(issuer), None) => Some(named(server, bundle, &issuer, cx).map_err(in_words)?),
        (Some(issuer), Some(right)) => {
            let player = named(server, bundle, &issuer, cx);
            let player =
                player.map_err(|_| CallError::new("ValueError", "the issuer is not known"))?;
            if cx.directory.may(player.steam, bundle, right, cx.now) != Verdict::Yes {
                let detail = format!("the issuer has no right {} in {keeper}", right.property());
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

/// A user who is known, with the names of their groups in a bundle, the highest first; null: not known yet.
fn describe(steam: SteamId, bundle: Uuid, cx: &Cx<'_>) -> Option<Value> {
    let user = cx.directory.user(steam)?;
    let rights = cx.directory.rights(steam, bundle);
    let groups = rights.map(|_| cx.directory.about(steam, bundle, cx.now).groups);
    Some(json!({
        "id": user.id,
        "player": user.steam,
        "username": user.username,
        "admin": user.admin,
        "groups": groups,
    }))
}
