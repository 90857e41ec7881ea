//! The decisions, pure: no file, socket, clock, thread or random number in this room.
//!
//! [`Core::handle`] takes what happened and the time at which it did, and gives what is to be done.
//! Its one match gives each event to its owner; the parts talk through the messages of
//! `message.rs`, which `dispatch.rs` delivers before the turn ends.

pub mod accepted_file;
pub mod answers;
pub mod callbacks;
pub mod calls;
pub mod chat_guard;
pub mod community;
pub mod context;
pub mod counters;
pub mod deadlines;
mod describe;
mod dispatch;
pub mod ended;
mod event;
pub mod functions;
pub mod hosts;
pub mod ids;
pub mod link;
pub mod links;
pub mod message;
mod observe;
pub mod outbox;
pub mod output;
pub mod roster;
pub mod scripts;
pub mod servers;
pub mod shares;
pub mod trace;

use crate::config::Config;
use crate::limits;
use crate::protocol::signed::{self, Id, Kind};
use calls::Calls;
use community::Community;
use context::Shared;
use ended::EndedCall;
pub use event::{
    Earlier, Effect, Effects, Epoch, Event, InputState, Launch, LaunchKind, Now, OperatorRequest,
    ScriptAct, ScriptReport, SignedFile, Start, StartScripts, TakenFile, Timer, Written,
};
use functions::Functions;
use hosts::Hosts;
use ids::Ticket;
pub use ids::{
    CallId, Caller, FileId, FolderId, HostId, RequestId, RunId, ScriptId, ServerId, Source,
};
use links::Links;
use output::Output;
use roster::Roster;
use scripts::{Input, Scripts};
use serde_json::Value;
use servers::Servers;
use shares::Owner;
use std::sync::Arc;
use trace::Traced;

/// All that vpid knows and decides.
pub struct Core {
    shared: Shared,
    calls: Calls,
    links: Links,
    community: Option<Community>,
    scripts: Option<Scripts>,
    /// Whether anything follows from what games report, besides what an operator sees of it.
    acts_on_games: bool,
    /// Empty between events; kept for the memory that it has.
    out: Output,
}

impl Core {
    /// `folders` are the numbers of the folders of `config.servers`, in that order.
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        let mut shared = Shared {
            hosts: Hosts::default(),
            servers: Servers::default(),
            functions: Functions::new(config),
        };
        // There is no host yet that could have lost its key.
        shared.reconfigure(config, folders);
        Self {
            shared,
            calls: Calls::new(config),
            links: Links::default(),
            community: None,
            scripts: None,
            acts_on_games: false,
            out: Output::default(),
        }
    }

    /// The one door: everything that changes anything here comes in by it.
    pub fn handle(&mut self, event: Event, now: Now) -> Effects {
        let mut out = std::mem::take(&mut self.out);
        out.ended.clear();
        self.decide(event, now, &mut out);
        self.drain(now, &mut out);
        let effects = std::mem::take(&mut out.effects);
        self.out = out;
        let hosts = &mut self.shared.hosts;
        for effect in &effects {
            if let Effect::Note(note) = effect {
                hosts.note(note);
            }
        }
        let calls = &self.calls;
        hosts.forget_surplus(now, |host| calls.is_open(host));
        effects
    }

    /// The calls that ended in the last event.
    pub fn ended(&self) -> &[EndedCall] {
        &self.out.ended
    }

    /// What operators see of the last event, while they trace.
    pub fn take_traced(&mut self) -> Vec<Traced> {
        self.out.trace.take()
    }

    /// Gives an event to its owner.
    fn decide(&mut self, event: Event, now: Now, out: &mut Output) {
        let cx = &mut self.shared.context(now, out);
        match event {
            Event::Restore(earlier) => self.restore(*earlier, out),
            Event::Configuration { config, folders } => {
                self.reconfigure(&config, &folders, now, out);
            }
            Event::Start(start) => self.start(*start, now, out),
            Event::StartScripts(start) => self.start_scripts(*start, now, out),
            Event::Stop => {
                self.for_community(now, out, Community::stop);
                self.notify_scripts(Input::Stop, now, out);
            }
            Event::Watched(watched) => self.links.watched = watched,
            Event::Tracing(redactor) => {
                let is_on = redactor.is_some();
                out.trace.set(redactor);
                self.notify_scripts(Input::Tracing(is_on), now, out);
            }
            Event::Calls(file) => self.calls.file_taken(file, cx),
            Event::Restart {
                folder,
                host,
                mtime_ns,
            } => self.calls.map_began(folder, &host, mtime_ns, cx),
            Event::Input { host, state } => self.calls.input_is(host, state, cx),
            Event::AnswersWritten { host, ok } => self.calls.answers_written(host, ok, cx),
            Event::SqlDone(done) => self.calls.sql_done(done, cx),
            Event::Hello { file, nonce } => self.links.hello(&file, nonce, cx),
            Event::Signed { file, n } => self.links.file_taken(&file, n, cx),
            Event::SignedCut {
                folder,
                host,
                session,
                n,
            } => self.links.cut(folder, &host, (session, n), cx),
            Event::SentFound { file, kind } => self.links.restore_sent(&file, kind, cx),
            Event::SignedWritten { host, what, ok } => {
                let shown = self.links.written(host, what, ok, cx);
                self.calls.answers_shown(&shown, cx);
            }
            Event::Rcon(done) => cx.servers.rcon_done(done, now, cx.out),
            Event::Logged { server, lines } => {
                for line in &lines {
                    self.logged(server, line, now, out);
                }
            }
            Event::Api(done) => {
                self.for_community(now, out, |community, cx| community.answered(done, cx));
            }
            Event::CommunityChanged(topics) => {
                self.for_community(now, out, |community, cx| community.changed(topics, cx));
            }
            Event::Stored(written) => self.for_community(now, out, |community, cx| {
                for written in written {
                    community.written(written, cx);
                }
            }),
            Event::Operator { ticket, request } => {
                self.operator(Ticket::Operator(ticket), request, now, out);
            }
            Event::Script { script, run, what } => {
                self.for_scripts(now, out, |it, cx| it.on_report(script, run, what, cx));
            }
            Event::Located { request, result } => {
                self.notify_scripts(Input::Completed(request, result), now, out);
            }
            Event::InterfacesEdited => {
                self.notify_scripts(Input::InterfacesEdited, now, out);
            }
            Event::Timer(timer) => self.timer_rang(timer, now, out),
        }
    }

    /// Whose files of this name are, stock or signed ones; `None` where no server takes such files.
    pub fn owner(&self, folder: FolderId, host: &str, stock: bool) -> Option<Owner> {
        self.shared.hosts.owner(folder, host, stock)
    }

    /// Whether one more file of this host may be claimed. Where not, it waits in its folder. A signed
    /// host with nothing open always has room for one: no caller can make such hosts up, so all of these
    /// together are bounded too.
    pub fn has_room(&self, owner: Owner) -> bool {
        let hosts = &self.shared.hosts;
        let is_open = |host| self.calls.is_open(host);
        let known = owner.host.and_then(|host| Some((host, hosts.get(host)?)));
        let Some((host, known)) = known else {
            let has_room = !owner.stock || self.calls.has_room(owner, 0, false);
            return has_room && hosts.has_room(owner.server, is_open);
        };
        let of_link = known.link.as_ref().map_or(0, |link| link.backlog());
        let is_first = !owner.stock && of_link == 0 && !is_open(host);
        let backlog = known.answers.backlog() + of_link;
        let were_read = known.answers.were_ever_read();
        is_first || self.calls.has_room(owner, backlog, were_read)
    }

    /// Whether this host has proven itself lately: a file of it was authenticated, or a signed
    /// session of it stands. One that needs no identity proves nothing.
    pub fn is_proven(&self, owner: Owner, host: &str) -> bool {
        self.shared.hosts.is_proven(owner, host)
    }

    /// What files and calls of a host take in memory, as it is counted.
    #[cfg(test)]
    fn held_bytes(&self, name: &str) -> usize {
        let host = self
            .shared
            .hosts
            .find(FolderId(0), name)
            .expect("a host that is known");
        self.calls.held_bytes(host)
    }

    pub fn find_host(&self, folder: FolderId, name: &str) -> Option<HostId> {
        self.shared.hosts.find(folder, name)
    }

    /// Calls that have been taken and not yet done.
    pub fn running(&self) -> usize {
        self.calls.running()
    }

    /// Games with a signed session: their hosts, and what is known of them. Those that vpid's own
    /// commands play are left out. In the order of their names.
    pub fn games(&self, now: Now) -> Vec<(HostId, &str, Value)> {
        let none = Roster::default();
        let games = self.shared.hosts.all().filter_map(|(id, host)| {
            let game = host.link.as_ref()?.game.as_ref()?;
            (game.map != signed::NO_MAP).then_some(())?;
            let server = self.shared.servers.get(host.server);
            let roster = server.and_then(|server| server.roster_of(id));
            let described = game.describe(roster.unwrap_or(&none), now);
            Some((id, host.name.as_str(), described))
        });
        let mut games: Vec<_> = games.collect();
        games.sort_unstable_by_key(|(_, name, _)| *name);
        games
    }

    /// Servers that can be reached by RCON, by their `hostname`.
    pub fn consoles(&self) -> impl Iterator<Item = (servers::ServerId, Option<&str>)> {
        self.shared.servers.consoles()
    }

    /// Servers whose RCON has refused the password, by their `hostname`.
    pub fn refused_consoles(&self) -> impl Iterator<Item = (servers::ServerId, Option<&str>)> {
        self.shared.servers.refused_consoles()
    }

    /// Where a host's files are: its folder and name.
    pub fn host(&self, host: HostId) -> Option<(FolderId, &str)> {
        self.shared
            .hosts
            .get(host)
            .map(|host| (host.folder, host.name.as_str()))
    }

    /// The hosts that are known, by their names.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &str)> {
        let all = self.shared.hosts.all();
        all.map(|(id, host)| (id, host.name.as_str()))
    }

    /// `None` for a host that was forgotten.
    pub fn server_of(&self, host: HostId) -> Option<ServerId> {
        self.shared.server_of(host)
    }

    /// What a server is called in sentences.
    pub fn server_label(&self, server: ServerId) -> Option<&str> {
        let server = self.shared.servers.get(server)?;
        Some(&server.label)
    }

    /// The name of a Python script.
    pub fn script_name(&self, script: ScriptId) -> Option<&str> {
        self.scripts.as_ref()?.name(script)
    }

    /// The names of the Python scripts that are known.
    pub fn script_names(&self) -> impl Iterator<Item = &str> {
        self.scripts.iter().flat_map(|scripts| scripts.names())
    }

    /// The secret with which a host's answers are sealed.
    pub fn secret(&self, host: HostId) -> Option<&[u8]> {
        self.shared.hosts.secret(host)
    }

    fn timer_rang(&mut self, timer: Timer, now: Now, out: &mut Output) {
        let cx = &mut self.shared.context(now, out);
        match timer {
            Timer::Answers(host) | Timer::Link(host) => cx.out.settle(host),
            Timer::Silence(host) => self.may_be_silent(host, now, out),
            Timer::Deadlines => self.calls.overdue(cx),
            Timer::Starts => self.calls.start_some(cx),
            Timer::Servers => cx.servers.timer_rang(),
            Timer::Vyhub => self.for_community(now, out, |community, cx| community.timer_rang(cx)),
            Timer::Scripts => self.for_scripts(now, out, |scripts, _| scripts.timer_rang()),
        }
    }

    fn restore(&mut self, earlier: Earlier, out: &mut Output) {
        let hosts = &mut self.shared.hosts;
        let notes = hosts.restore(earlier.remembered, earlier.sessions);
        out.effects.extend(notes.into_iter().map(Effect::Note));
        self.calls.restore_tries(earlier.tries);
    }

    /// Takes a new configuration over; calls that run go on under the old one. What waits for
    /// hosts that are not served any more is dropped.
    fn reconfigure(&mut self, config: &Config, folders: &[FolderId], now: Now, out: &mut Output) {
        let changed = self.shared.reconfigure(config, folders);
        let cx = &mut self.shared.context(now, out);
        let notes = changed.notes.into_iter().map(Effect::Note);
        cx.out.effects.extend(notes);
        for link in changed.dropped {
            self.calls.answers_shown(&link.into_answers(), cx);
        }
        self.calls.reconfigure(config);
        self.calls.counters.keep_servers(cx.hosts.servers());
        cx.functions.reconfigure(config);
        if let (Some(scripts), Some(wanted)) = (&mut self.scripts, &config.scripts) {
            scripts.reconfigure(wanted, cx);
        }
        for host in cx.hosts.unserved() {
            self.calls.drop_answers(host, cx);
        }
    }

    fn start(&mut self, start: Start, now: Now, out: &mut Output) {
        let Shared { hosts, servers, .. } = &mut self.shared;
        self.acts_on_games |= servers.connect(&start.config, hosts.servers());
        let cx = &mut self.shared.context(now, out);
        self.community = Community::start(&start.config, start.kept, start.seed, cx);
    }

    fn start_scripts(&mut self, start: StartScripts, now: Now, out: &mut Output) {
        let config = Arc::clone(&start.config);
        if let Some(wanted) = &config.scripts {
            let cx = &mut self.shared.context(now, out);
            self.scripts = Some(Scripts::start(wanted, start, cx));
            self.acts_on_games = true;
        }
    }

    /// Whether no script has a process any more.
    pub fn scripts_are_over(&self) -> bool {
        self.scripts.as_ref().is_none_or(Scripts::is_over)
    }
}

impl Core {
    /// Whether the game's file `n` of a session can be one that is waited for.
    pub fn expects(&self, owner: Owner, host: &str, session: Id, n: u64) -> bool {
        let Some(saved) = self.shared.hosts.saved(owner, host) else {
            return false;
        };
        let begun = [&saved.active, &saved.ended].into_iter().flatten();
        let mut begun = begun.filter(|saved| saved.session == session);
        let is_asked = saved.asked.iter().any(|(asked, _)| *asked == session);
        let is_next = |received| n > received && n - received <= limits::SIGNED_AHEAD_MAX;
        // What an earlier run took and did not finish is wanted as well.
        begun.any(|saved| is_next(saved.received) || saved.open.contains_key(&n))
            || (is_asked && is_next(0))
    }

    /// Whether a file that an earlier run wrote for a game can still be wanted by it.
    pub fn wants_sent(&self, folder: FolderId, host: &str, session: Id, kind: Kind) -> bool {
        let hosts = &self.shared.hosts;
        let owner = hosts.owner(folder, host, false);
        let Some(saved) = owner.and_then(|owner| hosts.saved(owner, host)) else {
            return false;
        };
        let active = saved.active.as_ref();
        match kind {
            Kind::Welcome => saved.asked.iter().any(|(asked, _)| *asked == session),
            Kind::Vpid(m) => active.is_some_and(|active| {
                let window = limits::SIGNED_CONTROL_WINDOW as u64;
                active.session == session && m > active.acked && m - active.acked <= window
            }),
            _ => false,
        }
    }
}
