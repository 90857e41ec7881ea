//! What the core shows of itself: its part of the observable state, which the daemon asks for.

use std::collections::BTreeMap;

use super::community::Community;
use super::event::Epoch;
use super::hosts::Host;
use super::ids::{HostId, ServerId};
use super::roster::{Person, Roster};
use super::scripts::Scripts;
use super::servers::GameServer;
use super::{Core, Now};
use crate::limits::{STATUS_HOSTS_MAX, STATUS_PEOPLE_MAX, STATUS_SERVER_PEOPLE_MAX};
use crate::protocol::names;
use crate::protocol::observable::{self as shown, Calls, History, Player, Protocol, Server};
use crate::protocol::signed::NO_MAP;

/// What the core knows of the observable state.
pub struct CoreState {
    /// In the order of the configuration; the daemon knows their names and folders.
    pub servers: Vec<Server>,
    pub calls: Calls,
    pub scripts: Option<Vec<shown::Script>>,
    pub community: Option<shown::Community>,
    pub history: History,
}

impl Core {
    pub fn observe(&self, now: Now, epoch: Epoch) -> CoreState {
        let mut people_left = STATUS_PEOPLE_MAX;
        let mut hosts: BTreeMap<ServerId, Vec<(HostId, &Host)>> = BTreeMap::new();
        for (id, host) in self.shared.hosts.all().filter(|(_, it)| is_of_a_game(it)) {
            hosts.entry(host.server).or_default().push((id, host));
        }
        let servers = self.shared.hosts.servers().iter();
        let servers = servers.map(|id| {
            let hosts = hosts.remove(id).unwrap_or_default();
            self.observe_server(*id, hosts, (now, epoch), &mut people_left)
        });
        let servers: Vec<Server> = servers.collect();
        let counters = &self.calls.counters;
        let (minutes, end_ms) = counters.minutes();
        CoreState {
            servers,
            calls: Calls {
                of_games: counters.of_games(),
                of_scripts: counters.of_scripts(),
                running: self.calls.running(),
                per_second: counters.per_second(now.mono_ms),
                p50_ms: counters.quantile_ms(0.5),
                p99_ms: counters.quantile_ms(0.99),
                latency: counters.latency(),
            },
            scripts: self.scripts.as_ref().map(|it| Scripts::observe(it, epoch)),
            community: self
                .community
                .as_ref()
                .map(|it| Community::observe(it, now, epoch)),
            history: History {
                end_s: epoch.date_s(end_ms),
                minutes: minutes.collect(),
            },
        }
    }

    /// Closes the minutes of the history that are over.
    pub fn close_minutes(&mut self, now: Now) {
        let people = self.shared.servers.iter();
        let people = people.flat_map(|(_, server)| server.rosters().flat_map(Roster::people));
        let players = people.filter(|person| !person.bot).count();
        self.calls.counters.close_minutes(now.mono_ms, players);
    }

    fn observe_server(
        &self,
        id: ServerId,
        mut hosts: Vec<(HostId, &Host)>,
        (now, epoch): (Now, Epoch),
        people_left: &mut usize,
    ) -> Server {
        let mut server = Server {
            calls: self.calls.counters.of_server(id),
            ..Server::default()
        };
        hosts.sort_unstable_by_key(|(id, host)| (std::cmp::Reverse(host.seen_ms()), *id));
        let game = hosts.iter().find_map(|(_, host)| host.game());
        // One that has been silent for long while others report is gone, not in trouble.
        let present = hosts.iter().enumerate();
        let mut present =
            present.filter(|(at, (_, host))| *at == 0 || !host.is_silent(now.mono_ms));
        server.problem = present.find_map(|(_, (_, host))| {
            let missed = host.game()?.missed()?;
            Some(missed.to_owned())
        });
        server.hosts_left_out = hosts.len().saturating_sub(STATUS_HOSTS_MAX);
        let seen_ms = hosts.first().map(|(_, host)| host.seen_ms());
        let shown = hosts.iter().take(STATUS_HOSTS_MAX);
        server.hosts = shown.map(|(_, host)| observe_host(host, epoch)).collect();
        server.map = game.map(|game| game.map.clone()).unwrap_or_default();
        let mut sign_ms = None;
        if let Some(game) = self.shared.servers.get(id) {
            observe_game(game, epoch, &mut server, people_left);
            sign_ms = game.rosters().filter_map(Roster::last_sign_ms).max();
            server.engine_log = game.has_logged();
            server.rcon = game.rcon_state();
        }
        server.seen_s = seen_ms.max(sign_ms).map(|ms| epoch.date_s(ms));
        server.has_earlier_session =
            server.seen_s.is_none() && self.shared.hosts.has_earlier_session(id);
        server
    }
}

/// What vpid's own commands play has no map, or a name of theirs; any program can make up hosts that authenticate
/// nothing.
fn is_of_a_game(host: &Host) -> bool {
    host.was_authenticated()
        && match host.game() {
            Some(game) => game.map != NO_MAP,
            None => !names::is_of_a_command(&host.name),
        }
}

fn observe_host(host: &Host, epoch: Epoch) -> shown::Host {
    shown::Host {
        name: host.name.clone(),
        protocol: match host.link.is_some() {
            true => Protocol::Signed,
            false => Protocol::Stock,
        },
        seen_s: epoch.date_s(host.seen_ms()),
        script: host.game().map(|game| game.script.clone()),
    }
}

/// Who is on, and the map as the engine has it.
fn observe_game(game: &GameServer, epoch: Epoch, server: &mut Server, people_left: &mut usize) {
    if !game.roster.map().is_empty() {
        game.roster.map().clone_into(&mut server.map);
    }
    server.slots = game.roster.max_players();
    let all = game.rosters().flat_map(Roster::people);
    let most = STATUS_SERVER_PEOPLE_MAX.min(*people_left);
    for person in all {
        match person.bot {
            true => server.bots += 1,
            false => server.players += 1,
        }
        match server.people.len() < most {
            true => server.people.push(observe_person(person, epoch)),
            false => server.people_left_out += 1,
        }
    }
    *people_left -= server.people.len();
    server
        .people
        .sort_by_key(|player| (player.bot, std::cmp::Reverse(player.score)));
}

fn observe_person(person: &Person, epoch: Epoch) -> Player {
    Player {
        name: person.name.clone(),
        steam_id: person.steam.map(|steam| steam.steam3()).unwrap_or_default(),
        bot: person.bot,
        score: person.score,
        ping: person.ping,
        since_s: epoch.signed_date_s(person.since_ms),
    }
}
