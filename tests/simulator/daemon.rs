//! The one simulated daemon: the core, and each of its effects carried out on the models of the world. It
//! can be killed before any effect; what was not durable then is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use vpid::config::Config;
use vpid::core::deadlines::Expiring;
use vpid::core::{
    Core, Earlier, Effect, Event, FileId, FolderId, HostId, InputState, Now, OperatorRequest,
    RunId, ScriptAct, ScriptId, ScriptReport, ServerId, SignedFile, StartScripts, TakenFile, Timer,
};
use vpid::jobs::Job;
use vpid::jobs::remembered::Remembered;
use vpid::jobs::store::{Shelf, Write, Written};
use vpid::limits;
use vpid::protocol::signed::{Id, Kind, parse_name};
use vpid::protocol::stock::{legacy, response_file};
use vpid::protocol::{backend, names, rcon, signed, vyhub};

use super::on_disk;
use crate::database::Worker;
use crate::disk::is_map_start;
use crate::python::Process;
use crate::world::Outside;

/// Between two moments of a process that has something to do, and of one that has not.
const PROCESS_MS: u64 = 20;
const PROCESS_IDLE_MS: u64 = 500;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Due {
    Core(Timer),
    /// A foreign input file may have become old enough.
    Input(HostId),
    Sweep,
}

/// What comes by itself.
enum Coming {
    Event(Box<Event>),
    Process(RunId),
}

/// The daemon died.
pub struct Crash;

pub struct Daemon {
    pub core: Core,
    /// When it began, on the world's clock.
    began_ms: u64,
    /// The last turn: what was noticed before it was looked at.
    turned_ms: Option<u64>,
    /// Effects until it dies; none: it does not.
    life: Option<u64>,
    /// It dies when the next change is on disk.
    dies_at_change: bool,
    events: VecDeque<Event>,
    wheel: Expiring<Due, ()>,
    /// By time and order.
    coming: BTreeMap<(u64, u64), Coming>,
    last_coming: u64,
    /// Files that this run holds: their servers and present names.
    open: BTreeMap<FileId, (usize, String)>,
    last_file: FileId,
    /// Gathered in a turn, and handed over together.
    remember: Vec<Remembered>,
    restarts: Vec<(usize, String)>,
    jobs: Vec<Job>,
    worker: Worker,
    /// Stamps of the input files of hosts that were written by this run.
    inputs: BTreeMap<HostId, Option<u64>>,
    /// The map of each stock host, as tokens count them.
    maps: BTreeMap<String, u32>,
    /// Documents that are not durable yet, with when they will be.
    writes: VecDeque<(u64, Write)>,
    /// With when each does something next.
    processes: BTreeMap<RunId, (u64, Process)>,
    /// Which number is in which process.
    in_process: BTreeMap<i64, RunId>,
    /// Requests of operators that have no result yet.
    tickets: BTreeSet<u64>,
    /// How often timers of signed files rang.
    pub link_timers: u64,
}

impl Daemon {
    /// Starts with what is on disk. `life`: it dies after so many effects.
    pub fn start(
        config: &Arc<Config>,
        life: Option<u64>,
        out: &mut Outside,
    ) -> Result<Self, Crash> {
        let mut daemon = Self {
            core: Core::new(config, &[]),
            began_ms: out.now.ms,
            turned_ms: None,
            life,
            dies_at_change: false,
            events: VecDeque::new(),
            wheel: Expiring::default(),
            coming: BTreeMap::new(),
            last_coming: 0,
            open: BTreeMap::new(),
            last_file: FileId::default(),
            remember: Vec::new(),
            restarts: Vec::new(),
            jobs: Vec::new(),
            worker: Worker::default(),
            inputs: BTreeMap::new(),
            maps: out.disk.maps.clone(),
            writes: VecDeque::new(),
            processes: BTreeMap::new(),
            in_process: BTreeMap::new(),
            tickets: BTreeSet::new(),
            link_timers: 0,
        };
        let folders: Vec<FolderId> = (0..config.servers.len() as u32).map(FolderId).collect();
        let earlier = Earlier {
            remembered: out.disk.remembered.clone(),
            sessions: out.disk.sessions(),
            ..Earlier::default()
        };
        let scripts = StartScripts {
            config: Arc::clone(config),
            found: vec!["a".to_owned(), "b".to_owned()],
            begun: out.disk.begun.clone(),
            number: daemon.next_file(out).0 / 2,
        };
        let seed = out.random.next();
        daemon.events.extend([
            Event::Restore(Box::new(earlier)),
            Event::configuration(Arc::clone(config), &folders),
            Event::start(Arc::clone(config), out.disk.found(), seed),
            Event::StartScripts(Box::new(scripts)),
        ]);
        daemon.drain(out)?;
        daemon.find_sent(out)?;
        daemon.take_map_starts(out)?;
        for (id, server, name) in out.disk.claimed() {
            daemon.found_claimed(id, server, name, out);
            daemon.drain(out)?;
        }
        daemon.hand_over(out)?;
        Ok(daemon)
    }

    /// It is dead. Of the documents, so many as a disk had come to are durable.
    pub fn crash(mut self, out: &mut Outside) {
        let durable = out.random.below(self.writes.len() as u64 + 1) as usize;
        for (_, write) in self.writes.drain(..durable) {
            let _ = out.disk.store(&write, out.now.ms);
        }
        out.book.cut_off.extend(self.in_process.keys());
        out.book.crashed(out.now.ms);
    }

    /// It is stopped: all its documents become durable.
    pub fn stop(mut self, out: &mut Outside) {
        self.events.push_back(Event::Stop);
        drop(self.drain(out));
        for (_, write) in self.writes.drain(..) {
            let _ = out.disk.store(&write, out.now.ms);
        }
    }

    /// From here on, so many effects are carried out.
    pub fn die_after(&mut self, effects: u64) {
        self.life = Some(effects);
    }

    /// Dies when the next change is on disk, before it knows so.
    pub fn die_at_change(&mut self) {
        self.dies_at_change = true;
    }

    pub fn live_on(&mut self) {
        self.life = None;
        self.dies_at_change = false;
    }

    /// What is under way, in words; nothing once all has come to rest.
    pub fn waits(&self) -> String {
        let mut waits = String::new();
        if self.core.running() > 0 || !self.worker.is_idle() {
            waits += &format!("{} calls run; ", self.core.running());
        }
        if !self.tickets.is_empty() {
            waits += &format!("operators have no results of {:?}; ", self.tickets);
        }
        waits
    }

    fn now(&self, out: &Outside) -> Now {
        Now {
            mono_ms: out.now.ms - self.began_ms,
            wall_s: out.now.wall_s(),
        }
    }

    /// A new id, even and never used before in this run.
    fn next_file(&mut self, out: &mut Outside) -> FileId {
        let micros = out.now.wall_ms() as u64 * 1_000 + out.random.below(1_000);
        self.last_file = FileId((micros & !1).max(self.last_file.0 + 2));
        while self.open.contains_key(&self.last_file) {
            self.last_file.0 += 2;
        }
        self.last_file
    }

    /// When something happens next, on the world's clock.
    pub fn next_ms(&self, out: &Outside) -> Option<u64> {
        let folders = &out.disk.folders;
        let files = folders.iter().flat_map(|folder| folder.files.values());
        let is_new = |ms: &u64| self.turned_ms.is_none_or(|turned| *ms > turned) && *ms < u64::MAX;
        let file = files.map(|file| file.visible_ms).filter(is_new).min();
        let emptied = folders.iter().any(|folder| !folder.emptied.is_empty());
        let logged = out.engines.iter().any(|engine| !engine.lines.is_empty());
        let at_once = emptied || logged || !self.events.is_empty();
        [
            file,
            at_once.then_some(out.now.ms),
            self.wheel.next_due().map(|ms| ms + self.began_ms),
            self.worker.next_ms(),
            self.coming.keys().next().map(|(ms, _)| *ms),
            self.writes.front().map(|(ms, _)| *ms),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// One turn: everything that is due. Nothing follows when it dies on the way.
    pub fn turn(&mut self, out: &mut Outside) -> Result<(), Crash> {
        self.turned_ms = Some(out.now.ms);
        let clocks = (out.now.ms, self.began_ms);
        self.worker
            .work(&mut out.disk.database, clocks, &mut out.random);
        let done = self.worker.take_done(out.now.ms);
        if !done.is_empty() {
            self.events.push_back(Event::SqlDone(done));
        }
        for (server, engine) in out.engines.iter_mut().enumerate() {
            let lines = std::mem::take(&mut engine.lines);
            if !lines.is_empty() {
                let server = ServerId(server);
                self.events.push_back(Event::Logged { server, lines });
            }
        }
        self.drain(out)?;
        self.store_some(out)?;
        self.take_coming(out)?;
        self.take_timers(out)?;
        self.look_at_emptied(out);
        self.drain(out)?;
        for server in 0..out.disk.folders.len() {
            for name in out.disk.folders[server].waiting(out.now.ms) {
                self.take(server, &name, out);
                self.drain(out)?;
            }
        }
        self.hand_over(out)
    }

    fn spend_life(&mut self) -> Result<(), Crash> {
        if let Some(life) = &mut self.life {
            *life = life.checked_sub(1).ok_or(Crash)?;
        }
        Ok(())
    }

    fn drain(&mut self, out: &mut Outside) -> Result<(), Crash> {
        while let Some(event) = self.events.pop_front() {
            let now = self.now(out);
            let (kind, began) = (event.kind(), out.costs.is_some().then(Instant::now));
            let effects = self.core.handle(event, now);
            if let (Some(costs), Some(began)) = (&mut out.costs, began) {
                costs.add(kind, began.elapsed());
            }
            for effect in effects {
                self.spend_life()?;
                out.trace(&effect);
                self.carry_out(effect, out);
            }
        }
        Ok(())
    }

    /// Identities are durable before the calls beside them run, and starts of maps before their files
    /// go.
    fn hand_over(&mut self, out: &mut Outside) -> Result<(), Crash> {
        if !self.remember.is_empty() {
            self.spend_life()?;
            out.disk.remembered.append(&mut self.remember);
        }
        for (server, name) in std::mem::take(&mut self.restarts) {
            self.spend_life()?;
            out.disk.folders[server].files.remove(&name);
        }
        out.disk.maps.clone_from(&self.maps);
        if !self.jobs.is_empty() {
            self.spend_life()?;
            let jobs = std::mem::take(&mut self.jobs);
            self.worker.submit(jobs, out.now.ms, &mut out.random);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, out: &mut Outside) {
        match effect {
            Effect::Remember(what) => self.remember.push(what),
            Effect::Sql(job) => self.jobs.push(*job),
            Effect::WriteAnswers { host, answers } => {
                let ok = out.now.ms >= out.disk.full_until_ms;
                if ok {
                    self.write_responses(host, answers, out);
                }
                self.events.push_back(Event::AnswersWritten { host, ok });
            }
            Effect::LookAtInput { host } => {
                if let Some(state) = self.input_state(host, out) {
                    self.events.push_back(Event::Input { host, state });
                }
            }
            Effect::Remove { file } => {
                let (server, name) = self.open.remove(&file).expect("a file that is open");
                let removed = out.disk.folders[server].files.remove(&name);
                removed.expect("a file that is there");
            }
            Effect::Reject { file, reason } => {
                let (server, name) = self.open.remove(&file).expect("a file that is open");
                out.disk.folders[server].files.remove(&name);
                out.disk.rejected.push((server, name, reason));
            }
            Effect::Note(note) => out.disk.notes.push(note),
            Effect::WriteSigned {
                folder,
                name,
                text,
                of,
            } => {
                let ok = out.now.ms >= out.disk.full_until_ms;
                assert!(text.len() < limits::SIGNED_FILE_BYTES_MAX, "{name}");
                if ok {
                    out.disk.folders[folder.0 as usize].replace(&name, &text);
                }
                let event = of.map(|(host, what)| Event::SignedWritten { host, what, ok });
                self.events.extend(event);
            }
            Effect::RemoveSigned { folder, name } => {
                out.disk.folders[folder.0 as usize].files.remove(&name);
            }
            Effect::Pushed { ticket, .. } => {
                assert!(self.tickets.remove(&ticket), "{ticket} has two results");
            }
            Effect::Heard { .. } => panic!("no operator watches"),
            Effect::Rcon { server, job } => self.run_command(server, job, out),
            Effect::Api(job) => self.request(*job, out),
            Effect::Store(write) => {
                let durable_ms = out.now.ms + 1 + out.random.below(30);
                let behind_ms = self.writes.back().map_or(0, |(ms, _)| *ms);
                self.writes.push_back((durable_ms.max(behind_ms), *write));
            }
            Effect::Script { script, run, act } => self.act(script, run, act, out),
            Effect::Locate { .. } => panic!("no script of a season looks up addresses"),
            Effect::Begun(call) => out.disk.begun.push(call),
            Effect::SetTimer { timer, at_ms } => self.wheel.insert(Due::Core(timer), (), at_ms),
            Effect::CancelTimer(timer) => _ = self.wheel.remove(Due::Core(timer)),
        }
    }

    fn run_command(&mut self, server: ServerId, job: rcon::Job, out: &mut Outside) {
        let ticket = job.ticket;
        let engine = &mut out.engines[server.0];
        if let Some(result) = engine.run(&job.line, out.now.ms, &mut out.random) {
            let done = rcon::Done {
                server,
                ticket,
                result,
            };
            self.later(15, Event::Rcon(done), out);
        }
    }

    /// A request is carried out at once, and its reply comes later.
    fn request(&mut self, job: backend::Job, out: &mut Outside) {
        on_disk::check_request(&job.request, out);
        let now_s = out.now.right_s();
        let (ticket, (outcome, ms)) = (
            job.ticket,
            match out.api.is_local {
                true => out.api.take_local(&job.request, now_s, &mut out.random),
                false => {
                    let (reply, ms) = out.api.take(&job.request, now_s, &mut out.random);
                    (vyhub::outcome(reply), ms)
                }
            },
        );
        let changed = crate::vyhub::local::topics(&job.request);
        if out.api.is_local && !changed.is_empty() {
            // Whoever waits for changes is woken, before or after the reply.
            let ms = out.random.below(3_000);
            self.later(ms, Event::CommunityChanged(changed), out);
        }
        self.later(ms, Event::Api(backend::Done { ticket, outcome }), out);
    }

    fn later(&mut self, ms: u64, event: Event, out: &Outside) {
        self.comes(out.now.ms + ms, Coming::Event(Box::new(event)));
    }

    fn comes(&mut self, at_ms: u64, what: Coming) {
        self.last_coming += 1;
        self.coming.insert((at_ms, self.last_coming), what);
    }

    fn store_some(&mut self, out: &mut Outside) -> Result<(), Crash> {
        while let Some((ms, _)) = self.writes.front()
            && *ms <= out.now.ms
            && let Some((_, write)) = self.writes.pop_front()
        {
            let result = out.disk.store(&write, out.now.ms);
            self.spend_life()?;
            if self.dies_at_change && write.shelf == Shelf::Outbox {
                return Err(Crash);
            }
            let written = write.ticket.map(|ticket| Written { ticket, result });
            let event = written.map(|written| Event::Stored(vec![written]));
            self.events.extend(event);
            self.drain(out)?;
        }
        Ok(())
    }

    fn take_coming(&mut self, out: &mut Outside) -> Result<(), Crash> {
        while let Some(((ms, _), _)) = self.coming.first_key_value()
            && *ms <= out.now.ms
            && let Some((_, coming)) = self.coming.pop_first()
        {
            match coming {
                Coming::Event(event) => {
                    if is_dated(&event) {
                        out.dated();
                    }
                    self.events.push_back(*event);
                }
                Coming::Process(run) => self.let_live(run, out),
            }
            self.drain(out)?;
        }
        Ok(())
    }

    fn take_timers(&mut self, out: &mut Outside) -> Result<(), Crash> {
        while let Some((due, ())) = self.wheel.pop_due(out.now.ms - self.began_ms) {
            match due {
                Due::Core(timer) => {
                    self.link_timers += u64::from(matches!(timer, Timer::Link(_)));
                    self.events.push_back(Event::Timer(timer));
                }
                Due::Input(host) => self.look_at_input(host, out),
                Due::Sweep => {
                    let hosts: Vec<HostId> = self.inputs.keys().copied().collect();
                    hosts
                        .into_iter()
                        .for_each(|host| self.look_at_input(host, out));
                    self.sweep_later(out);
                }
            }
            self.drain(out)?;
        }
        Ok(())
    }

    /// A sweep finds what no notice came of.
    fn sweep_later(&mut self, out: &Outside) {
        if !self.inputs.is_empty() && !self.wheel.contains(Due::Sweep) {
            let mono_ms = self.now(out).mono_ms;
            self.wheel
                .insert(Due::Sweep, (), mono_ms + limits::SWEEP_MS);
        }
    }
}

/// Files of stock hosts.
impl Daemon {
    /// A notice may be lost: then the sweep finds it.
    fn look_at_emptied(&mut self, out: &mut Outside) {
        for server in 0..out.disk.folders.len() {
            for host in std::mem::take(&mut out.disk.folders[server].emptied) {
                let host = self.core.find_host(FolderId(server as u32), &host);
                if let (false, Some(host)) = (out.random.chance(2), host) {
                    self.look_at_input(host, out);
                }
            }
        }
    }

    fn look_at_input(&mut self, host: HostId, out: &mut Outside) {
        let state = self.input_state(host, out);
        if let Some(state) = state.filter(|state| *state != InputState::Ours) {
            self.events.push_back(Event::Input { host, state });
        }
    }

    fn input_state(&mut self, host: HostId, out: &mut Outside) -> Option<InputState> {
        let (folder, name) = self.core.host(host)?;
        let input = out.disk.folders[folder.0 as usize].inputs.get(name);
        let state = match input.filter(|input| !input.responses.is_empty()) {
            None => InputState::Empty,
            Some(input) if self.inputs.get(&host) == Some(&Some(input.stamp)) => InputState::Ours,
            Some(input) if out.now.ms - input.written_ms > limits::FOREIGN_INPUT_MS => {
                InputState::Empty
            }
            Some(_) => InputState::Foreign,
        };
        match state {
            InputState::Empty => drop(self.inputs.remove(&host)),
            InputState::Foreign => {
                self.inputs.insert(host, None);
                let again_ms = self.now(out).mono_ms + limits::FOREIGN_INPUT_MS;
                self.wheel.insert(Due::Input(host), (), again_ms);
            }
            InputState::Ours => {}
        }
        Some(state)
    }

    fn write_responses(
        &mut self,
        host: HostId,
        responses: Vec<(String, String)>,
        out: &mut Outside,
    ) {
        let secret = self.core.secret(host).expect("a stock host");
        let identity = legacy::seal(secret, out.now.wall_s(), || out.random.next() as u8);
        let pairs = responses
            .iter()
            .map(|(token, value)| (token.as_str(), value.as_str()));
        let bytes = response_file::pack(pairs, &identity).len();
        assert!(bytes <= limits::ANSWER_FILE_BYTES_MAX, "{bytes} bytes");
        let (folder, name) = self.core.host(host).expect("a host that is known");
        let map = self.maps.get(name).copied().unwrap_or(0);
        for (token, value) in &responses {
            out.book.show(name, map, token, value);
        }
        let input = out.disk.folders[folder.0 as usize]
            .inputs
            .entry(name.into())
            .or_default();
        let count = responses.len();
        input.responses = responses.into_iter().collect();
        assert_eq!(input.responses.len(), count, "a token stands twice");
        input.stamp += 1;
        input.written_ms = out.now.ms;
        match count {
            0 => drop(self.inputs.remove(&host)),
            _ => drop(self.inputs.insert(host, Some(input.stamp))),
        }
        self.sweep_later(out);
    }
}

/// Taking files.
impl Daemon {
    fn take(&mut self, server: usize, name: &str, out: &mut Outside) {
        match out.disk.folders[server].signed {
            true => self.take_signed(server, name, out),
            false => self.take_stock(server, name, out),
        }
    }

    fn take_stock(&mut self, server: usize, name: &str, out: &mut Outside) {
        let parsed = names::parse(name).expect("a stock name");
        let (host, folder) = (parsed.host.to_owned(), FolderId(server as u32));
        let owner = self.core.owner(folder, &host, true);
        if !owner.is_some_and(|owner| self.core.has_room(owner)) {
            return;
        }
        let file = &out.disk.folders[server].files[name];
        let (bytes, mtime_ns) = (file.bytes.clone(), file.mtime_ns);
        if parsed.kind == names::Kind::Restart {
            let map = String::from_utf8_lossy(&bytes).parse().expect("a map");
            self.maps.insert(host.clone(), map);
            self.events.push_back(Event::Restart {
                folder,
                host,
                mtime_ns,
            });
            return self.restarts.push((server, name.into()));
        }
        let file = self.next_file(out);
        self.claim(server, name, names::taken(name, file.0), file, out);
        self.events.push_back(Event::Calls(TakenFile {
            folder,
            host,
            file,
            bytes,
            mtime_ns,
            recovered: false,
        }));
    }

    fn take_signed(&mut self, server: usize, name: &str, out: &mut Outside) {
        let parsed = parse_name(name).expect("a signed name");
        let (host, session, folder) = (parsed.host, parsed.session, FolderId(server as u32));
        let owner = self.core.owner(folder, host, false);
        let has_room = owner.is_some_and(|owner| self.core.has_room(owner));
        if !has_room || self.holds(server, name) {
            return;
        }
        let bytes = out.disk.folders[server].files[name].bytes.clone();
        match parsed.kind {
            Kind::Hello => {
                let id = self.next_file(out);
                self.open.insert(id, (server, name.into()));
                let nonce = Id::from_random(std::array::from_fn(|_| out.random.next() as u8));
                let file = signed_file(server, &parsed, id, &bytes, false);
                self.events.push_back(Event::Hello { file, nonce });
            }
            // Its end does not come.
            Kind::Game(n) if bytes.last() != Some(&0) => {
                out.disk.folders[server].files.remove(name);
                self.events.push_back(Event::SignedCut {
                    folder,
                    host: host.to_owned(),
                    session,
                    n,
                });
            }
            Kind::Game(n) => {
                let id = self.next_file(out);
                self.claim(server, name, names::taken(name, id.0), id, out);
                let file = signed_file(server, &parsed, id, &bytes, false);
                self.events.push_back(Event::Signed { file, n });
            }
            Kind::Welcome | Kind::Vpid(_) | Kind::Taken { .. } => {}
        }
    }

    fn holds(&self, server: usize, name: &str) -> bool {
        self.open
            .values()
            .any(|open| *open == (server, name.to_owned()))
    }

    fn claim(&mut self, server: usize, name: &str, to: String, id: FileId, out: &mut Outside) {
        out.disk.folders[server].rename(name, &to);
        self.open.insert(id, (server, to));
    }

    /// Nothing is taken before the first look at a folder ends, and then a map start before any call of its host,
    /// also of those that an earlier run has claimed.
    fn take_map_starts(&mut self, out: &mut Outside) -> Result<(), Crash> {
        for server in 0..out.disk.folders.len() {
            let mut names = out.disk.folders[server].waiting(out.now.ms);
            names.retain(|name| is_map_start(name));
            for name in names {
                self.take(server, &name, out);
                self.drain(out)?;
            }
        }
        Ok(())
    }

    /// Our own files that an earlier run left, in the order of their numbers.
    fn find_sent(&mut self, out: &mut Outside) -> Result<(), Crash> {
        let mut found = Vec::new();
        for (server, folder) in out
            .disk
            .folders
            .iter()
            .enumerate()
            .filter(|(_, it)| it.signed)
        {
            for (name, file) in &folder.files {
                let parsed = parse_name(name).expect("a signed name");
                let order = match parsed.kind {
                    Kind::Vpid(m) => m,
                    Kind::Welcome => 0,
                    _ => continue,
                };
                let file = signed_file(server, &parsed, FileId(0), &file.bytes, true);
                found.push((order, parsed.kind, file));
            }
        }
        found.sort_by_key(|(order, ..)| *order);
        for (_, kind, file) in found {
            self.events.push_back(Event::SentFound { file, kind });
            self.drain(out)?;
        }
        Ok(())
    }

    /// A file that an earlier run has claimed.
    fn found_claimed(&mut self, id: FileId, server: usize, name: String, out: &mut Outside) {
        let file = &out.disk.folders[server].files[&name];
        self.events
            .push_back(match out.disk.folders[server].signed {
                true => {
                    let parsed = parse_name(&name).expect("a signed name");
                    let Kind::Taken { n, .. } = parsed.kind else {
                        panic!("{name} is not claimed");
                    };
                    let file = signed_file(server, &parsed, id, &file.bytes, true);
                    Event::Signed { file, n }
                }
                false => Event::Calls(TakenFile {
                    folder: FolderId(server as u32),
                    host: names::parse(&name).expect("a stock name").host.to_owned(),
                    file: id,
                    bytes: file.bytes.clone(),
                    mtime_ns: file.mtime_ns,
                    recovered: true,
                }),
            });
        self.open.insert(id, (server, name));
    }
}

/// Whether it has the time by VyHub's clock.
fn is_dated(event: &Event) -> bool {
    matches!(event, Event::Api(done) if done.outcome.api_s.is_some())
}

fn signed_file(
    server: usize,
    name: &signed::Name<'_>,
    file: FileId,
    bytes: &[u8],
    recovered: bool,
) -> SignedFile {
    let text = bytes.split(|byte| *byte == 0).next();
    SignedFile {
        folder: FolderId(server as u32),
        host: name.host.to_owned(),
        session: name.session,
        file,
        bytes: text.unwrap_or_default().to_vec(),
        recovered,
    }
}

/// Processes of Python scripts.
impl Daemon {
    fn act(&mut self, script: ScriptId, run: RunId, act: ScriptAct, out: &mut Outside) {
        if let ScriptAct::Start(launch) = &act {
            let process = Process::new(script, &launch.name);
            let other = self.processes.insert(run, (u64::MAX, process));
            assert!(other.is_none(), "{run:?} is started twice");
            return self.wake(run, PROCESS_MS, out);
        }
        if matches!(act, ScriptAct::Look(_)) {
            let what = ScriptReport::Looked(true);
            return self.events.push_back(Event::Script { script, run, what });
        }
        let Some((_, process)) = self.processes.get_mut(&run) else {
            return;
        };
        match act {
            ScriptAct::Send(line) => {
                let batch: Vec<Value> = serde_json::from_slice(&line).expect("a line");
                let numbers = batch.iter().filter_map(|message| message[4]["n"].as_i64());
                self.in_process.extend(numbers.map(|number| (number, run)));
                process.take(batch);
            }
            ScriptAct::Interrupt => process.interrupt(&mut out.random),
            ScriptAct::Kill => process.kill(),
            ScriptAct::Start(_) | ScriptAct::Look(_) => {}
        }
        self.wake(run, PROCESS_MS, out);
    }

    /// A process does something then, or sooner.
    fn wake(&mut self, run: RunId, ms: u64, out: &Outside) {
        let at_ms = out.now.ms + ms;
        if let Some((wakes_ms, _)) = self.processes.get_mut(&run)
            && at_ms < *wakes_ms
        {
            *wakes_ms = at_ms;
            self.comes(at_ms, Coming::Process(run));
        }
    }

    fn let_live(&mut self, run: RunId, out: &mut Outside) {
        let Some((wakes_ms, process)) = self.processes.get_mut(&run) else {
            return;
        };
        // It was woken sooner.
        if *wakes_ms != out.now.ms {
            return;
        }
        *wakes_ms = u64::MAX;
        let moment = process.live(out.python, &mut out.random);
        let script = process.script;
        let pause_ms = if process.is_busy() {
            PROCESS_MS
        } else {
            PROCESS_IDLE_MS
        };
        for number in moment.executed {
            out.book.python_ran(number);
        }
        let news = |what| Event::Script { script, run, what };
        if !moment.said.is_empty() {
            let line = Value::Array(moment.said).to_string().into_bytes();
            self.events.push_back(news(ScriptReport::Sent(vec![line])));
        }
        if !moment.ended {
            return self.wake(run, pause_ms, out);
        }
        self.processes.remove(&run);
        let here = self.in_process.iter().filter(|(_, of)| **of == run);
        out.book.cut_off.extend(here.map(|(number, _)| *number));
        let how = "with exit code 1".to_owned();
        self.events.push_back(news(ScriptReport::Ended(how)));
    }

    pub fn operator(&mut self, ticket: u64, request: OperatorRequest) {
        self.tickets.insert(ticket);
        self.events.push_back(Event::Operator { ticket, request });
    }
}
