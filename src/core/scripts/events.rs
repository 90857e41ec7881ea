//! What happens on game servers, as calls of hooks.

use super::{Cx, Message};
use crate::core::Now;
use crate::core::context::About;
use crate::core::event::LaunchKind;
use crate::core::ids::{ScriptId, ServerId};
use crate::core::roster::Person;
use crate::limits;
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::game_report::{GameReport, PlayerReport, is_userid};
use crate::protocol::script_channel as channel;
use crate::protocol::steam_id::SteamId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The engine's number of the team of those who have not chosen one.
const NO_TEAM: i64 = 0;

/// Servers, as far as scripts know of them.
#[derive(Default)]
pub struct Events {
    servers: BTreeMap<ServerId, Watched>,
    /// The names of players are those that scripts know: some handle changes of them.
    has_names: bool,
}

#[derive(Default)]
struct Watched {
    up_since_ms: Option<u64>,
    /// By userid.
    players: BTreeMap<i64, Met>,
}

/// A player who has connected, as scripts know.
struct Met {
    /// Since when they were on, on the daemon's clock.
    since_ms: i64,
    id: Option<SteamId>,
    name: String,
}

impl Events {
    fn watched(&mut self, server: ServerId) -> &mut Watched {
        self.servers.entry(server).or_default()
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
        if let Some(about) = report.player() {
            // The game spawns players without a team before they are known.
            let is_early = matches!(report, GameReport::Spawned(it) if it.team == Some(NO_TEAM));
            let has_left = matches!(report, GameReport::Left { .. });
            let is_known = match has_left {
                true => self.knew(server, leaver, about),
                false => !is_early && self.meet(server, about, cx),
            };
            if !is_known {
                return;
            }
        }
        if let GameReport::Died {
            attacker, assister, ..
        } = report
        {
            for userid in [*attacker, *assister] {
                self.meet(server, &PlayerReport::of(userid), cx);
            }
        }
        let (hook, about, rest): (&str, &PlayerReport, Vec<Value>) = match report {
            GameReport::Active(player) => ("OnPlayerActive", player, Vec::new()),
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
        if matches!(line, Line::Renamed { .. }) {
            self.advance(cx);
        }
        if cx.servers.host(server).is_some() {
            return;
        }
        self.is_up(server, cx);
        if people_of(line).any(|who| is_another(server, &who.into(), cx)) {
            return;
        }
        let (hook, who, rest): (_, &Who, Vec<Value>) = match line {
            Line::MapStarted(map) => {
                return cx.raise("OnMapStart", Some(server), &[map.as_str().into()]);
            }
            Line::RoundStarted { full } => {
                return cx.raise("OnRoundStart", Some(server), &[(*full).into()]);
            }
            Line::RoundWon { team } => {
                return cx.raise("OnRoundWin", Some(server), &[(*team).into()]);
            }
            Line::Connected(who, _) => ("", who, Vec::new()),
            Line::Entered(who) => ("OnPlayerActive", who, Vec::new()),
            Line::Disconnected { who, reason } => {
                if self.knew(server, leaver, &who.into()) {
                    let rest = [reason.as_str().into()];
                    raise_of("OnPlayerDisconnect", server, leaver, &who.into(), &rest, cx);
                }
                return;
            }
            Line::JoinedTeam { who, team } => {
                let rest = vec![(*team).into(), who.team.into()];
                ("OnPlayerTeam", who, rest)
            }
            Line::ChoseClass { who, class } => ("OnPlayerClass", who, vec![(*class).into()]),
            Line::Killed {
                who,
                victim,
                weapon,
            } => {
                self.meet(server, &who.into(), cx);
                let attacker = known_or(server, None, &who.into(), cx);
                let rest = vec![attacker, Value::Null, weapon.as_str().into()];
                ("OnPlayerDeath", victim, rest)
            }
            Line::Suicide {
                who,
                by_world,
                weapon,
            } => {
                let attacker = (!by_world).then(|| known_or(server, None, &who.into(), cx));
                let attacker = attacker.unwrap_or_default();
                let rest = vec![attacker, Value::Null, weapon.as_str().into()];
                ("OnPlayerDeath", who, rest)
            }
            _ => return,
        };
        if self.meet(server, &who.into(), cx) && !hook.is_empty() {
            raise_of(hook, server, None, &who.into(), &rest, cx);
        }
    }

    /// No hook about a player comes before `OnPlayerConnect`, which comes once the name is known: raises it where it
    /// is due. False: the player is not known yet, and no hook about them is called.
    pub fn meet(&mut self, server: ServerId, about: &PlayerReport, cx: &mut Cx<'_>) -> bool {
        // The console is no player.
        if !is_userid(about.userid) {
            return true;
        }
        // Lines of the log can arrive in another order: they do not bring back who has left.
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(about.userid));
        let Some(name) = person.map(|person| person.name.as_str()) else {
            return false;
        };
        if name.is_empty() && !self.has_met(server, about.userid) {
            return false;
        }
        if self.arrived(server, about.userid, cx) {
            raise_of("OnPlayerConnect", server, None, about, &[], cx);
        }
        true
    }

    fn has_met(&self, server: ServerId, userid: i64) -> bool {
        let watched = self.servers.get(&server);
        watched.is_some_and(|watched| watched.players.contains_key(&userid))
    }

    /// Whether a player who leaves was known; scripts may know those who were there before them.
    fn knew(&mut self, server: ServerId, leaver: Option<&Person>, about: &PlayerReport) -> bool {
        let had_met = self.watched(server).players.remove(&about.userid).is_some();
        had_met || leaver.is_some_and(|person| !person.name.is_empty())
    }

    /// Whether a player is new on a server: another run of it gives the same userids again.
    fn arrived(&mut self, server: ServerId, userid: i64, cx: &Cx<'_>) -> bool {
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let (since_ms, id) = person.map_or((0, None), |one| (one.since_ms, one.steam));
        let name = person.map_or(String::new(), |one| one.name.clone());
        let players = &mut self.watched(server).players;
        let tolerance_ms = limits::ROSTER_OVERTAKEN_MS as i64;
        let same = |known: &Met| {
            let other = id.is_some() && known.id.is_some() && id != known.id;
            !other && since_ms <= known.since_ms + tolerance_ms
        };
        let full = players.len() >= 4 * limits::PLAYERS_MAX;
        match players.get_mut(&userid) {
            Some(known) if same(known) => {
                known.id = known.id.or(id);
                false
            }
            None if full => false,
            _ => {
                players.insert(userid, Met { since_ms, id, name });
                true
            }
        }
    }

    /// Calls the hook of players whose names have changed, whichever source reports that.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        const HOOK: &str = "OnPlayerName";
        let is_new = !std::mem::replace(&mut self.has_names, cx.hooks.listens(HOOK));
        if !self.has_names {
            return;
        }
        let mut changed = Vec::new();
        for (server, watched) in &mut self.servers {
            let Some(game) = cx.servers.get(*server) else {
                continue;
            };
            for (userid, met) in &mut watched.players {
                let person = game.roster.person(*userid);
                let name = person.map_or("", |person| &person.name);
                if !name.is_empty() && name != met.name {
                    let old = std::mem::replace(&mut met.name, name.to_owned());
                    changed.push((*server, *userid, old));
                }
            }
        }
        // What happened before a script handled it is no news.
        changed.retain(|(_, _, old)| !is_new && !old.is_empty());
        for (server, userid, old) in changed {
            raise_of(
                HOOK,
                server,
                None,
                &PlayerReport::of(userid),
                &[old.into()],
                cx,
            );
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
        let since_ms = self.servers.get(&server)?.up_since_ms?;
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
/// Whom a line of the log is about.
fn people_of(line: &Line) -> impl Iterator<Item = &Who> {
    let all = match line {
        Line::Killed { who, victim, .. } => [Some(who), Some(victim)],
        Line::Connected(who, _)
        | Line::Entered(who)
        | Line::Disconnected { who, .. }
        | Line::JoinedTeam { who, .. }
        | Line::ChoseClass { who, .. }
        | Line::Suicide { who, .. } => [Some(who), None],
        _ => [None, None],
    };
    all.into_iter().flatten()
}

/// Whether this is about another player than the one who has this userid: a line that `status` contradicts, and that
/// anybody may have made up. No hook may give one for the other.
pub fn is_another(server: ServerId, about: &PlayerReport, cx: &Cx<'_>) -> bool {
    let game = cx.servers.get(server);
    let person = game.and_then(|game| game.roster.person(about.userid));
    let known = person.and_then(|person| person.steam);
    about.steam.is_some() && known.is_some() && about.steam != known
}

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

/// The community reports something, by the name of the hook in the game: `vyhub_ready` calls `OnVyHubReady` and
/// `OnCommunityReady`.
pub fn community_hook(server: ServerId, name: &str, data: Value, cx: &mut Cx<'_>) {
    for hook in community_hook_names(name) {
        cx.raise(&hook, Some(server), std::slice::from_ref(&data));
    }
}

/// `vyhub_ply_banned` is `OnVyHubPlayerBanned` and `OnCommunityPlayerBanned`.
pub fn community_hook_names(name: &str) -> [String; 2] {
    let mut hook = String::new();
    for word in name.trim_start_matches("vyhub_").split('_') {
        let word = if word == "ply" { "player" } else { word };
        let (first, rest) = word.split_at(word.len().min(1));
        hook.push_str(&first.to_ascii_uppercase());
        hook.push_str(rest);
    }
    ["OnVyHub", "OnCommunity"].map(|prefix| format!("{prefix}{hook}"))
}

/// A player on a server, as hooks get them; null for a userid that is not there.
pub fn player(server: ServerId, userid: i64, cx: &Cx<'_>) -> Value {
    let game = cx.servers.get(server);
    let person = game.and_then(|game| game.roster.person(userid));
    person.map_or(Value::Null, brief)
}

/// The player that an event is about: as they are known, else as the event has it.
pub fn known_or(
    server: ServerId,
    known: Option<&Person>,
    about: &PlayerReport,
    cx: &Cx<'_>,
) -> Value {
    match known.map_or_else(|| player(server, about.userid, cx), brief) {
        Value::Null => json!({
            "userid": about.userid,
            "name": about.name.as_deref().unwrap_or_default(),
            "steam": about.steam,
            "bot": about.bot.unwrap_or(false),
            "team": about.team.unwrap_or(0),
        }),
        known => known,
    }
}

fn brief(person: &Person) -> Value {
    json!({
        "userid": person.userid,
        "name": person.name,
        "steam": person.steam,
        "bot": person.bot,
        "team": person.team,
    })
}

/// All players of a server, with all that is known.
pub fn players(server: ServerId, cx: &Cx<'_>) -> Value {
    let people = cx.servers.get(server).map(|game| game.roster.people());
    let people = people.into_iter().flatten();
    people.map(|person| whole(server, person, cx)).collect()
}

fn whole(server: ServerId, person: &Person, cx: &Cx<'_>) -> Value {
    let about = about(server, person, cx);
    let mut value = brief(person);
    value["id"] = person.steam.map(|steam| steam.steam3()).into();
    value["score"] = person.score.into();
    value["deaths"] = person.deaths.into();
    value["ping"] = person.ping.into();
    value["address"] = person.address.as_deref().into();
    value["alive"] = person.alive.into();
    value["seconds"] = person.connected_s(cx.now).into();
    value["admin"] = about.admin.into();
    value["user_id"] = about.user.map(|user| user.to_string()).into();
    value["groups"] = about.groups.into();
    value
}

/// What is known of a player besides the game. Admins are those of the configuration, too.
pub fn about(server: ServerId, person: &Person, cx: &Cx<'_>) -> About {
    let Some(steam) = person.steam else {
        return About::default();
    };
    let directory = cx.directory;
    let known = directory.and_then(|directory| directory.about(server, steam, cx.now));
    let mut about = known.unwrap_or_default();
    about.admin |= cx.config.admins.contains(&steam);
    about
}

/// A game server.
pub fn server(id: ServerId, uptime_s: Option<u64>, cx: &Cx<'_>) -> Value {
    let Some(game) = cx.servers.get(id) else {
        return Value::Null;
    };
    let host = cx.servers.host(id).and_then(|host| cx.hosts.get(host));
    let (bots, players): (Vec<_>, Vec<_>) = game.roster.people().partition(|one| one.bot);
    json!({
        "id": id.0,
        "name": game.label,
        "host": host.map(|host| host.name.as_str()),
        "map": game.roster.map(),
        "max_players": game.roster.max_players(),
        "players": players.len(),
        "bots": bots.len(),
        "uptime_s": uptime_s,
        "connected": cx.servers.host(id).is_some(),
        "rcon": cx.servers.has_rcon(id),
    })
}

// Which scripts have which hooks. An event that no script handles costs a look into a map.

#[derive(Default)]
pub struct Hooks {
    listeners: BTreeMap<String, BTreeSet<ScriptId>>,
    /// Their hooks are not known yet: what happens meanwhile waits for them.
    loading: BTreeSet<ScriptId>,
}

impl Hooks {
    pub fn on_message(&mut self, message: &Message) {
        let (id, hooks) = match message {
            Message::Loaded(id, hooks) => (id, &hooks[..]),
            Message::Loading(id, _) | Message::Unloaded(id) => (id, &[][..]),
            Message::Functions(..) | Message::ProcessEnded(..) | Message::StatsRequested(..) => {
                return;
            }
        };
        self.loading.remove(id);
        self.listeners.retain(|_, listeners| {
            listeners.remove(id);
            !listeners.is_empty()
        });
        for hook in hooks {
            self.listeners.entry(hook.clone()).or_default().insert(*id);
        }
        // The file of VPI functions never has hooks.
        if matches!(message, Message::Loading(_, LaunchKind::Script)) {
            self.loading.insert(*id);
        }
    }

    pub fn listens(&self, hook: &str) -> bool {
        self.listeners.contains_key(hook) || !self.loading.is_empty()
    }

    /// Scripts that have this hook, or may turn out to have it; in the order of the start.
    pub fn listeners(&self, hook: &str) -> impl Iterator<Item = ScriptId> {
        let listeners = self.listeners.get(hook).into_iter().flatten();
        listeners.chain(&self.loading).copied()
    }

    pub fn has(&self, id: ScriptId, hook: &str) -> bool {
        let listeners = self.listeners.get(hook);
        listeners.is_some_and(|listeners| listeners.contains(&id))
    }

    /// The hooks of a script.
    pub fn of(&self, id: ScriptId) -> Vec<&str> {
        let hooks = self.listeners.iter();
        let hooks = hooks.filter(|(_, listeners)| listeners.contains(&id));
        hooks.map(|(hook, _)| hook.as_str()).collect()
    }
}

impl Cx<'_> {
    /// Calls a hook of every script that has it, or may turn out to have it.
    pub(super) fn raise(&mut self, hook: &str, server: Option<ServerId>, args: &[Value]) {
        if self.hooks.listens(hook) {
            let event = channel::event(hook, server, args);
            for id in self.hooks.listeners(hook) {
                self.scripts[id].push_event(event.clone());
            }
        }
    }
}
