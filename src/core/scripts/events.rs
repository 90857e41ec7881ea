//! What happens on game servers, as calls of hooks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Cx;
use super::views::{known_or, player, players};
use crate::core::Now;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::engine_log::Line;
use crate::protocol::game_report::{GameReport, PlayerReport};
use crate::protocol::steam_id::SteamId;

/// Servers, as far as scripts know of them.
#[derive(Default)]
pub struct Events(BTreeMap<ServerId, Watched>);

#[derive(Default)]
struct Watched {
    up_since_ms: Option<u64>,
    /// Userids, with since when each was on, and their ids.
    players: BTreeMap<i64, (i64, Option<SteamId>)>,
}

impl Events {
    fn watched(&mut self, server: ServerId) -> &mut Watched {
        self.0.entry(server).or_default()
    }

    /// A game script reports something. `leaver`: who is leaving, as they were known.
    pub fn reported(
        &mut self,
        server: ServerId,
        report: &GameReport,
        leaver: Option<&Person>,
        cx: &mut Cx<'_>,
    ) {
        self.is_up(server, cx);
        let (hook, about, rest): (&str, &PlayerReport, Vec<Value>) = match report {
            GameReport::Active(player) => {
                if self.arrived(server, player.userid, cx) {
                    raise_of("OnPlayerConnect", server, None, player, &[], cx);
                }
                ("OnPlayerActive", player, Vec::new())
            }
            GameReport::Spawned(player) => {
                let rest = vec![player.team.into(), player.class.into()];
                ("OnPlayerSpawn", player, rest)
            }
            GameReport::TeamChanged { player, old } => {
                let rest = vec![player.team.into(), (*old).into()];
                ("OnPlayerTeam", player, rest)
            }
            GameReport::ClassChosen(player) => ("OnPlayerClass", player, vec![player.class.into()]),
            GameReport::Died {
                victim,
                attacker,
                assister,
                weapon,
            } if cx.hooks.listens("OnPlayerDeath") => {
                let other = |userid| player(server, userid, cx);
                let rest = vec![other(*attacker), other(*assister), weapon.as_deref().into()];
                ("OnPlayerDeath", victim, rest)
            }
            GameReport::Left { player, reason } => {
                self.watched(server).players.remove(&player.userid);
                ("OnPlayerDisconnect", player, vec![reason.as_deref().into()])
            }
            other => return reported_of_server(server, other, cx),
        };
        raise_of(hook, server, leaver, about, &rest, cx);
    }

    /// The engine of a server logs something. A game script that is connected reports the same, and more.
    pub fn logged(
        &mut self,
        server: ServerId,
        line: &Line,
        leaver: Option<&Person>,
        cx: &mut Cx<'_>,
    ) {
        if cx.servers.host(server).is_some() {
            return;
        }
        self.is_up(server, cx);
        let (hook, who, rest) = match line {
            Line::MapStarted(map) => {
                return cx.raise("OnMapStart", Some(server), &[map.as_str().into()]);
            }
            Line::Connected(who) if self.arrived(server, who.userid, cx) => {
                ("OnPlayerConnect", who, Vec::new())
            }
            Line::Entered(who) => ("OnPlayerActive", who, Vec::new()),
            Line::Disconnected(who) => {
                self.watched(server).players.remove(&who.userid);
                ("OnPlayerDisconnect", who, vec!["".into()])
            }
            Line::Killed { who, victim } if cx.hooks.listens("OnPlayerDeath") => {
                let attacker = known_or(server, None, &who.into(), cx);
                (
                    "OnPlayerDeath",
                    victim,
                    vec![attacker, Value::Null, "".into()],
                )
            }
            Line::Suicide { who, by_world } if cx.hooks.listens("OnPlayerDeath") => {
                let attacker = (!by_world).then(|| known_or(server, None, &who.into(), cx));
                let attacker = attacker.unwrap_or_default();
                ("OnPlayerDeath", who, vec![attacker, Value::Null, "".into()])
            }
            _ => return,
        };
        raise_of(hook, server, leaver, &who.into(), &rest, cx);
    }

    /// Whether a player is new on a server: another run of it gives the same userids again.
    fn arrived(&mut self, server: ServerId, userid: i64, cx: &Cx<'_>) -> bool {
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let (since_ms, id) = person.map_or((0, None), |one| (one.since_ms, one.steam));
        let players = &mut self.watched(server).players;
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

    fn is_up(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        let watched = self.watched(server);
        if watched.up_since_ms.is_none() {
            watched.up_since_ms = Some(cx.now.mono_ms);
            raise_label("OnServerStart", server, cx);
        }
    }

    /// A server has not reported anything for too long.
    pub fn server_gone(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        let watched = self.watched(server);
        if watched.up_since_ms.take().is_some() {
            watched.players.clear();
            raise_label("OnServerStop", server, cx);
        }
    }

    pub fn uptime_s(&self, server: ServerId, now: Now) -> Option<u64> {
        let since_ms = self.0.get(&server)?.up_since_ms?;
        Some(now.mono_ms.saturating_sub(since_ms) / 1_000)
    }
}

/// A report about no player in particular.
fn reported_of_server(server: ServerId, report: &GameReport, cx: &mut Cx<'_>) {
    let (hook, args): (&str, Vec<Value>) = match report {
        GameReport::MapStarted { map, .. } => ("OnMapStart", vec![map.as_str().into()]),
        GameReport::MapEnded { map, next } => {
            ("OnMapEnd", vec![map.as_str().into(), next.as_str().into()])
        }
        GameReport::RoundStarted { full } => ("OnRoundStart", vec![(*full).into()]),
        GameReport::RoundWon { team } => ("OnRoundWin", vec![(*team).into()]),
        GameReport::Emitted { name, data, script } if cx.hooks.listens("OnEvent") => {
            let args = vec![name.as_str().into(), data.clone(), script.as_str().into()];
            ("OnEvent", args)
        }
        GameReport::Heartbeat { .. } if cx.hooks.listens("OnHeartbeat") => {
            ("OnHeartbeat", vec![players(server, cx)])
        }
        _ => return,
    };
    cx.raise(hook, Some(server), &args);
}

fn raise_label(hook: &str, server: ServerId, cx: &mut Cx<'_>) {
    let label = cx.servers.get(server).map_or("", |game| &game.label);
    let label = label.into();
    cx.raise(hook, Some(server), &[label]);
}

/// Calls a hook whose first argument is the player that an event is about.
fn raise_of(
    hook: &str,
    server: ServerId,
    leaver: Option<&Person>,
    about: &PlayerReport,
    rest: &[Value],
    cx: &mut Cx<'_>,
) {
    if cx.hooks.listens(hook) {
        let mut args = vec![known_or(server, leaver, about, cx)];
        args.extend_from_slice(rest);
        cx.raise(hook, Some(server), &args);
    }
}

/// The community reports something, by the name of the hook in the game.
pub fn community_hook(server: ServerId, name: &str, data: Value, cx: &mut Cx<'_>) {
    let mut hook = String::from("OnVyHub");
    for word in name.trim_start_matches("vyhub_").split('_') {
        let word = if word == "ply" { "player" } else { word };
        let (first, rest) = word.split_at(word.len().min(1));
        hook.push_str(&first.to_ascii_uppercase());
        hook.push_str(rest);
    }
    cx.raise(&hook, Some(server), &[data]);
}
