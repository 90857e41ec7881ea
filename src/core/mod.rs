//! The decisions, pure: no file, socket, clock, thread or random number in this room.
//!
//! [`Core::on`] takes what happened and the time at which it did, and answers with what is to be
//! done. It is one match that routes; the subjects stand in files of their own.

pub mod answers;
mod attended;
pub mod cache;
pub mod callbacks;
pub mod calls;
pub mod chat_guard;
mod clock;
pub mod community;
pub mod deadlines;
mod event;
pub mod functions;
pub mod link;
pub mod links;
pub mod opening;
pub mod outbox;
pub mod outgoing;
pub mod players;
pub mod replay;
pub mod roster;
pub mod scripts;
pub mod servers;
pub mod sessions;
pub mod shares;
mod standing;

use std::collections::HashMap;

use serde_json::Value;

use crate::config::Config;
use crate::protocol::remembered::Remembered;
use crate::protocol::signed;
use crate::protocol::signed::session_log::{Note, Sessions};
use crate::protocol::store;
use crate::sql::CallId;

pub use event::{
    Effect, Effects, Event, FileId, FolderId, HostId, InputState, Launch, LaunchKind, Now,
    ScriptAct, ScriptId, ScriptNews, SignedFile, TakenFile, Timer,
};

use answers::Answers;
use calls::Calls;
use community::{Community, Turn};
use functions::Functions;
use links::{Context, Links};
use opening::Proof;
use outgoing::Outgoing;
use scripts::Scripts;
use servers::Servers;
use sessions::Hosts;

/// All that vpid knows and decides.
pub struct Core {
    hosts: Hosts,
    calls: Calls,
    functions: Functions,
    links: Links,
    servers: Servers,
    vyhub: Option<Community>,
    scripts: Option<Scripts>,
}

impl Core {
    /// `folders` are the numbers of the folders of `config.servers`, in that order.
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        Self {
            hosts: Hosts::new(config, folders),
            calls: Calls::new(config),
            functions: Functions::new(config),
            links: Links::default(),
            servers: Servers::default(),
            vyhub: None,
            scripts: None,
        }
    }

    /// Begins with the servers of this configuration and with VyHub, with what an earlier run has
    /// kept. They stay as they are until the next start. `seed`: another one for each vpid.
    pub fn attend(
        &mut self,
        config: &Config,
        folders: &[FolderId],
        found: store::Found,
        seed: u64,
        now: Now,
    ) -> Effects {
        self.servers = Servers::new(config, folders);
        self.links.attended = self.servers.attends();
        let mut out = Outgoing::default();
        let mut cx = Turn {
            servers: &mut self.servers,
            now,
            out: &mut out,
        };
        self.vyhub = Community::start(config, found, seed, &mut cx);
        let mut effects = Effects::new();
        self.servers.advance(now, &mut out);
        self.hand_on(out, now, &mut effects);
        effects
    }

    /// Begins with the scripts that stand in their folder, where the configuration wants any.
    /// `file`: a number for a file that nobody uses. `begun`: calls that an earlier run has begun
    /// and that must not be begun again.
    pub fn begin_scripts(
        &mut self,
        config: &Config,
        found: Vec<String>,
        begun: impl Iterator<Item = CallId>,
        file: FileId,
        now: Now,
    ) -> Effects {
        let mut effects = Effects::new();
        let Some(wanted) = &config.scripts else {
            return effects;
        };
        let servers = self.servers.iter().count();
        let scripts = Scripts::start(wanted, found, file, begun.collect(), servers);
        self.scripts = Some(scripts);
        self.links.attended = true;
        self.follow_up(now, &mut effects);
        effects
    }

    /// Lets every script finish what it has, and go.
    pub fn stop_scripts(&mut self, now: Now) -> Effects {
        let mut effects = Effects::new();
        let mut out = Outgoing::default();
        if let Some((scripts, mut cx)) = self.scripts(now, &mut out) {
            scripts.stop(&mut cx);
        }
        self.hand_on(out, now, &mut effects);
        self.follow_up(now, &mut effects);
        effects
    }

    /// Whether no script has a process any more.
    pub fn scripts_are_over(&self) -> bool {
        self.scripts.as_ref().is_none_or(Scripts::is_over)
    }

    /// Takes a new configuration over; calls that run go on under the old one. What waits for
    /// hosts that are not served any more is dropped.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) -> Effects {
        let mut effects = Effects::new();
        let (dropped, notes) = self.hosts.reconfigure(config, folders);
        effects.extend(notes.into_iter().map(Effect::Note));
        for link in dropped {
            let answers = link.into_answers();
            self.calls.answers_dropped(&answers, &mut effects);
        }
        if let (Some(scripts), Some(wanted)) = (&mut self.scripts, &config.scripts) {
            scripts.reconfigure(wanted);
        }
        self.calls.reconfigure(config);
        self.functions.reconfigure(config);
        for host in self.hosts.unserved() {
            let dropped = self.hosts.answers(host).map(Answers::clear);
            self.calls
                .answers_dropped(&dropped.unwrap_or_default(), &mut effects);
        }
        effects
    }

    /// What an earlier run remembered, and noted of signed sessions. Gives what is to be noted.
    pub fn restore(&mut self, remembered: Vec<Remembered>, sessions: Sessions) -> Vec<Note> {
        self.hosts.restore(remembered, sessions)
    }

    /// Calls that earlier runs have begun and that had not ended when those did, and how often.
    pub fn restore_tries(&mut self, tries: HashMap<CallId, u32>) {
        self.calls.restore_tries(tries);
    }

    /// Whether stock files of this host, or signed ones, are served at all.
    pub fn serves(&self, folder: FolderId, host: &str, signed: bool) -> bool {
        self.hosts.serves(folder, host, signed)
    }

    /// Whether somebody wants to hear what games tell.
    pub fn overhear(&mut self, wanted: bool) {
        self.links.overheard = wanted;
    }

    /// Whether one more file of this host may be taken, signed or not. Where not, it waits in its
    /// folder. A signed host with nothing open always has room for one: nobody can make such hosts
    /// up, so all of these together are bounded too.
    pub fn has_room(&self, folder: FolderId, name: &str, signed: bool) -> bool {
        let Some(owner) = self.hosts.owner(folder, name, !signed) else {
            return true;
        };
        let is_open = |host| self.calls.is_open(host);
        let known = owner
            .host
            .and_then(|host| Some((host, self.hosts.get(host)?)));
        let Some((host, known)) = known else {
            let has_room = signed || self.calls.has_room(owner, 0);
            return has_room && self.hosts.has_room(owner.server, is_open);
        };
        let of_link = known.link.as_ref().map_or(0, |link| link.backlog());
        let is_first = signed && of_link == 0 && !is_open(host);
        is_first
            || self
                .calls
                .has_room(owner, known.answers.backlog() + of_link)
    }

    /// Whether this host has proven itself lately: a file of it was authenticated, or a signed
    /// session of it stands. One that needs no identity proves nothing.
    pub fn is_proven(&self, folder: FolderId, name: &str) -> bool {
        self.hosts.is_proven(folder, name)
    }

    /// What files and calls of a host take in memory, as it is counted.
    #[cfg(test)]
    fn held_bytes(&self, name: &str) -> usize {
        let host = self.hosts.find(0, name).expect("a host that is known");
        self.calls.held_bytes(host)
    }

    pub fn find_host(&self, folder: FolderId, name: &str) -> Option<HostId> {
        self.hosts.find(folder, name)
    }

    /// Calls that have been taken and not yet done.
    pub fn running(&self) -> usize {
        self.calls.running()
    }

    /// Games with a signed session: their hosts, and what is known of them. Those that vpid's own
    /// commands play are left out.
    pub fn games(&self, now: Now) -> Vec<(HostId, &str, Value)> {
        let games = self.hosts.all().filter_map(|(id, host)| {
            let game = host.link.as_ref()?.game.as_ref()?;
            (game.map != signed::NO_MAP).then_some(())?;
            Some((id, host.name.as_str(), game.describe(now)))
        });
        games.collect()
    }

    /// Servers that can be reached by RCON, by their `hostname`.
    pub fn consoles(&self) -> impl Iterator<Item = (servers::ServerId, Option<&str>)> {
        self.servers.consoles()
    }

    /// Where a host's files are: its folder and name.
    pub fn host(&self, host: HostId) -> Option<(FolderId, &str)> {
        self.hosts
            .get(host)
            .map(|host| (host.folder, host.name.as_str()))
    }

    /// The secret with which a host's answers are sealed.
    pub fn secret(&self, host: HostId) -> Option<&[u8]> {
        self.hosts.secret(host)
    }

    pub fn on(&mut self, event: Event, now: Now) -> Effects {
        let mut effects = Effects::new();
        match event {
            Event::Rcon(_)
            | Event::Logged { .. }
            | Event::Api(_)
            | Event::Stored(_)
            | Event::ToConsole { .. }
            | Event::Queue { .. }
            | Event::Script { .. }
            | Event::ScriptRequest { .. }
            | Event::InterfacesEdited
            | Event::Timer(Timer::Servers | Timer::Vyhub | Timer::Scripts) => {
                self.decide_attended(event, now, &mut effects);
            }
            event => {
                if let Some(event) = self.by_rcon(event, now, &mut effects) {
                    self.decide(event, now, &mut effects);
                }
            }
        }
        self.follow_up(now, &mut effects);
        for proof in self.calls.take_finished() {
            match proof {
                Proof::None => {}
                Proof::Identity(identity) => effects.push(self.hosts.finish(identity)),
                Proof::Signed { host, session, n } => {
                    if let Some(link) = self.hosts.link(host) {
                        link.done(session, n, &mut effects);
                    }
                }
            }
        }
        for effect in &effects {
            if let Effect::Note(note) = effect {
                self.hosts.note(note);
            }
        }
        let calls = &self.calls;
        self.hosts.forget_surplus(now, |host| calls.is_open(host));
        effects
    }

    fn decide(&mut self, event: Event, now: Now, effects: &mut Effects) {
        let Self {
            hosts,
            calls,
            functions,
            ..
        } = self;
        match event {
            Event::Calls(file) => calls.file_taken(file, hosts, functions, now, effects),
            Event::Restart {
                folder,
                host,
                mtime_ns,
            } => {
                if let Some((id, remember)) = hosts.restarted(folder, &host, mtime_ns, now) {
                    effects.push(remember);
                    // Of a host that is not known there is nothing to be dropped.
                    if let Some(id) = id {
                        let dropped = hosts.answers(id).map(Answers::clear).unwrap_or_default();
                        calls.answers_dropped(&dropped, effects);
                        effects.push(Effect::LookAtInput { host: id });
                    }
                }
            }
            Event::Input { host, state } => {
                if let Some(answers) = hosts.answers(host) {
                    answers.input_is(state, now);
                }
                calls.refresh(host, hosts, now, effects);
            }
            Event::AnswersWritten { host, ok } => {
                let shown = hosts.answers(host).map(|answers| answers.written(ok, now));
                let shown = shown.unwrap_or_default();
                calls.answers_shown(&shown, effects);
                calls.set_timer(host, hosts, now, effects);
            }
            Event::SqlDone(done) => calls.sql_done(done, hosts, functions, now, effects),
            Event::Timer(Timer::Deadlines) => calls.overdue(hosts, functions, now, effects),
            Event::Timer(Timer::Answers(host) | Timer::Link(host)) => {
                calls.refresh(host, hosts, now, effects);
            }
            Event::Timer(Timer::Starts) => calls.start_some(hosts, functions, now, effects),
            Event::Timer(Timer::Silence(host)) => self.may_be_silent(host, now, effects),
            signed => self.decide_signed(signed, now, effects),
        }
    }

    /// The same for what belongs to the signed protocol.
    fn decide_signed(&mut self, event: Event, now: Now, effects: &mut Effects) {
        let Self {
            hosts,
            calls,
            functions,
            links,
            ..
        } = self;
        match event {
            Event::Hello { file, nonce } => links.hello(&file, nonce, hosts, now, effects),
            Event::Signed { file, n } => {
                let mut context = Context {
                    hosts,
                    calls,
                    functions,
                    now,
                };
                links.file_taken(&file, n, &mut context, effects);
            }
            Event::SignedCut {
                folder,
                host,
                session,
                n,
            } => {
                let host = hosts.find(folder, &host);
                if let Some(link) = host.and_then(|host| hosts.link(host)) {
                    let host = link.host;
                    link.cut(session, n, now);
                    calls.refresh(host, hosts, now, effects);
                }
            }
            Event::SentFound { file, kind } => links.restore_sent(&file, kind, hosts, now, effects),
            Event::SignedWritten { host, what, ok } => {
                let link = hosts.link(host);
                let written = link.map(|link| link.written(what, ok, now, effects));
                calls.answers_shown(&written.unwrap_or_default(), effects);
                links::set_timer(host, hosts, now, effects);
            }
            Event::Push {
                host,
                push,
                ticket,
                keep,
            } => {
                let outcome = match hosts.link(host) {
                    Some(link) => link.push(push, ticket, keep, now),
                    None => Err("no game of this name is connected".into()),
                };
                if let Err(problem) = outcome {
                    let outcome = Err(problem);
                    effects.push(Effect::Pushed { ticket, outcome });
                }
                calls.refresh(host, hosts, now, effects);
            }
            _ => {}
        }
    }
}
