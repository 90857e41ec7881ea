//! What happens on game servers, as calls of hooks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Scripts;
use super::people::{known_or, player};
use crate::core::HostId;
use crate::core::context::Context;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::script_channel as channel;
use crate::protocol::signed::messages::FromGame;
use crate::protocol::steam_id::SteamId;

/// What scripts were told of a server.
#[derive(Default)]
pub struct Watched {
    up: bool,
    pub up_since_ms: u64,
    /// Userids, with since when each was on, and their ids.
    players: BTreeMap<i64, (i64, Option<SteamId>)>,
}

impl Scripts {
    /// Calls a hook of every script that has it, or may turn out to have it.
    pub(super) fn raise(&mut self, hook: &str, server: Option<ServerId>, args: &[Value]) {
        if !self.listens(hook) {
            return;
        }
        let listeners = self.listeners.get(hook).into_iter().flatten();
        let text = channel::event(hook, server, args);
        for id in listeners.chain(&self.loading) {
            self.all[*id].enqueue(text.clone());
        }
    }

    pub(super) fn listens(&self, hook: &str) -> bool {
        self.listeners.contains_key(hook) || !self.loading.is_empty()
    }

    /// The script of a game tells something. `leaver`: who is leaving, as they were known.
    pub fn told(
        &mut self,
        server: ServerId,
        message: &FromGame,
        leaver: Option<&Person>,
        cx: &mut Context<'_>,
    ) {
        self.is_up(server, cx);
        match message {
            FromGame::Event { name, data } => self.event(server, name, data, leaver, cx),
            FromGame::Emit { name, data, script } if self.listens("OnEvent") => {
                let args = [name.as_str().into(), data.clone(), script.as_str().into()];
                self.raise("OnEvent", Some(server), &args);
            }
            FromGame::Heartbeat(_) if self.listens("OnHeartbeat") => {
                let people = self.players(server, cx);
                self.raise("OnHeartbeat", Some(server), &[people]);
            }
            _ => {}
        }
    }

    fn event(
        &mut self,
        server: ServerId,
        name: &str,
        data: &Value,
        leaver: Option<&Person>,
        cx: &mut Context<'_>,
    ) {
        let field = |key: &str| data.get(key).cloned().unwrap_or_default();
        let userid = data["userid"].as_i64().unwrap_or(0);
        let (hook, rest) = match name {
            "map_start" => ("OnMapStart", vec![field("map")]),
            "map_end" => ("OnMapEnd", vec![field("map"), field("next")]),
            "round_start" => ("OnRoundStart", vec![field("full")]),
            "round_win" => ("OnRoundWin", vec![field("team")]),
            "player_active" => {
                if self.arrived(server, userid, cx) {
                    self.raise_of("OnPlayerConnect", server, data, &[], cx);
                }
                return self.raise_of("OnPlayerActive", server, data, &[], cx);
            }
            "player_spawn" => {
                let rest = [field("team"), field("class")];
                return self.raise_of("OnPlayerSpawn", server, data, &rest, cx);
            }
            "player_team" => {
                let rest = [field("team"), field("old")];
                return self.raise_of("OnPlayerTeam", server, data, &rest, cx);
            }
            "player_class" => {
                return self.raise_of("OnPlayerClass", server, data, &[field("class")], cx);
            }
            "player_death" if self.listens("OnPlayerDeath") => {
                let other = |key: &str| player(server, data[key].as_i64().unwrap_or(0), cx);
                let rest = [other("attacker"), other("assister"), field("weapon")];
                return self.raise_of("OnPlayerDeath", server, data, &rest, cx);
            }
            "player_disconnect" => {
                self.watched[server.0].players.remove(&userid);
                let who = known_or(server, leaver, data, cx);
                ("OnPlayerDisconnect", vec![who, field("reason")])
            }
            _ => return,
        };
        self.raise(hook, Some(server), &rest);
    }

    /// Calls a hook whose first argument is the player that an event is about.
    fn raise_of(
        &mut self,
        hook: &str,
        server: ServerId,
        data: &Value,
        rest: &[Value],
        cx: &Context<'_>,
    ) {
        if self.listens(hook) {
            let mut args = vec![known_or(server, None, data, cx)];
            args.extend_from_slice(rest);
            self.raise(hook, Some(server), &args);
        }
    }

    /// The engine of a server logs something. Where a script of the game tells the same, it has
    /// more to tell.
    pub fn logged(
        &mut self,
        server: ServerId,
        line: &Line,
        leaver: Option<&Person>,
        cx: &mut Context<'_>,
    ) {
        if cx.servers.host(server).is_some() {
            return;
        }
        self.is_up(server, cx);
        let of = |who: &Who| json!({"userid": who.userid, "name": who.name, "id": who.id.map(|id| id.steam3())});
        match line {
            Line::MapStarted(map) => {
                self.raise("OnMapStart", Some(server), &[map.as_str().into()]);
            }
            Line::Connected(who) if self.arrived(server, who.userid, cx) => {
                self.raise_of("OnPlayerConnect", server, &of(who), &[], cx);
            }
            Line::Entered(who) => self.raise_of("OnPlayerActive", server, &of(who), &[], cx),
            Line::Disconnected(who) => {
                self.watched[server.0].players.remove(&who.userid);
                let who = known_or(server, leaver, &of(who), cx);
                self.raise("OnPlayerDisconnect", Some(server), &[who, "".into()]);
            }
            Line::Killed { who, victim } if self.listens("OnPlayerDeath") => {
                let attacker = known_or(server, None, &of(who), cx);
                let rest = [attacker, Value::Null, "".into()];
                self.raise_of("OnPlayerDeath", server, &of(victim), &rest, cx);
            }
            Line::Suicide { who, by_world } if self.listens("OnPlayerDeath") => {
                let attacker = match by_world {
                    true => Value::Null,
                    false => known_or(server, None, &of(who), cx),
                };
                let rest = [attacker, Value::Null, "".into()];
                self.raise_of("OnPlayerDeath", server, &of(who), &rest, cx);
            }
            _ => {}
        }
    }

    /// Whether somebody is new on a server: another run of it gives the same userids again.
    fn arrived(&mut self, server: ServerId, userid: i64, cx: &Context<'_>) -> bool {
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let (since_ms, id) = person.map_or((0, None), |one| (one.since_ms, one.steam));
        let players = &mut self.watched[server.0].players;
        let tolerance_ms = limits::ROSTER_OVERTAKEN_MS as i64;
        let same = |(known_ms, known): &(i64, Option<SteamId>)| {
            let other = id.is_some() && known.is_some() && id != *known;
            !other && since_ms <= known_ms + tolerance_ms
        };
        let full = players.len() >= 4 * limits::PLAYERS_MAX;
        match players.get_mut(&userid) {
            Some(known) if same(known) => {
                known.1 = known.1.or(id);
                false
            }
            None if full => false,
            _ => {
                players.insert(userid, (since_ms, id));
                true
            }
        }
    }

    fn is_up(&mut self, server: ServerId, cx: &Context<'_>) {
        let watched = &mut self.watched[server.0];
        if !watched.up {
            watched.up = true;
            watched.up_since_ms = cx.now.mono_ms;
            let label = cx.servers.get(server).map_or("", |game| &game.label);
            self.raise("OnServerStart", Some(server), &[label.into()]);
        }
    }

    /// A game that should have told something has not.
    pub fn missed(&mut self, host: HostId, cx: &mut Context<'_>) {
        let Some(known) = cx.hosts.get(host) else {
            return;
        };
        let Some(server) = cx.servers.of_host(known.folder, &known.name) else {
            return;
        };
        let watched = &mut self.watched[server.0];
        if std::mem::take(&mut watched.up) {
            watched.players.clear();
            let label = cx.servers.get(server).map_or("", |game| &game.label);
            self.raise("OnServerStop", Some(server), &[label.into()]);
        }
    }

    /// VyHub's part tells something, by the name of the hook in the game.
    pub fn vyhub_tells(&mut self, server: ServerId, name: &str, data: Value) {
        if self.all.ids().next().is_none() {
            return;
        }
        let mut hook = String::from("OnVyHub");
        for word in name.trim_start_matches("vyhub_").split('_') {
            let word = if word == "ply" { "player" } else { word };
            let (first, rest) = word.split_at(word.len().min(1));
            hook.push_str(&first.to_ascii_uppercase());
            hook.push_str(rest);
        }
        self.raise(&hook, Some(server), &[data]);
    }

    pub(super) fn uptime_s(&self, server: ServerId, cx: &Context<'_>) -> Option<u64> {
        let watched = self.watched.get(server.0).filter(|watched| watched.up)?;
        Some(cx.now.mono_ms.saturating_sub(watched.up_since_ms) / 1_000)
    }
}
