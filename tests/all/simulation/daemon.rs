//! The model of the shell around the core: a folder that survives crashes, and a daemon that
//! does not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use vpid::config::{self, Config};
use vpid::core::{
    Core, Earlier, Effect, Event, FileId, FolderId, HostId, InputState, Now, TakenFile, Timer,
};
use vpid::daemon::wheel::Wheel;
use vpid::jobs::Job;
use vpid::jobs::remembered::Remembered;
use vpid::limits;
use vpid::protocol::stock::legacy;
use vpid::protocol::stock::response_file;

use super::game::SECRET;
use super::lane::{Database, Lane};
use crate::support::Random;

const BEGAN_S: i64 = 1_700_000_000;
const FOLDER: FolderId = FolderId(0);

/// A file that a game wrote.
pub struct ModelFile {
    host: String,
    bytes: Vec<u8>,
    /// A restart file, of this map.
    restart: Option<u32>,
    mtime_ns: i64,
    /// When the daemon can notice it: notices may come late and out of order.
    visible_ms: u64,
    taken: Option<FileId>,
}

impl ModelFile {
    pub fn restart(host: &str, map: u32, now_ms: u64) -> Self {
        let file = Self::calls(host, Vec::new(), now_ms);
        Self {
            restart: Some(map),
            ..file
        }
    }

    pub fn calls(host: &str, bytes: Vec<u8>, now_ms: u64) -> Self {
        Self {
            host: host.into(),
            bytes,
            restart: None,
            // The file system's clock ticks every 4 ms.
            mtime_ns: BEGAN_S * 1_000_000_000 + (now_ms as i64 / 4 * 4) * 1_000_000,
            visible_ms: now_ms,
            taken: None,
        }
    }
}

/// An input file.
#[derive(Default)]
struct InputFile {
    answers: HashMap<String, String>,
    stamp: u64,
    written_ms: u64,
}

/// What lies on the disk.
#[derive(Default)]
pub struct Folder {
    files: BTreeMap<String, ModelFile>,
    inputs: HashMap<String, InputFile>,
    emptied: BTreeSet<String>,
    stamps: u64,
    /// The map of each host of which the daemon knows, as tokens count them.
    pub maps: HashMap<String, u32>,
    /// How late a new file may be noticed.
    pub notice_ms_max: u64,
    late: u64,
}

impl Folder {
    pub fn wall_s(&self, now_ms: u64) -> i64 {
        BEGAN_S + now_ms as i64 / 1_000
    }

    pub fn write(&mut self, name: String, mut file: ModelFile, now_ms: u64) {
        // Without a random number at hand: every file is late by another amount, but no call is
        // noticed before the start of its map.
        self.late = self
            .late
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        file.visible_ms = now_ms + (self.late >> 33) % self.notice_ms_max.max(1);
        let map_start = self
            .files
            .values()
            .find(|other| other.restart.is_some() && other.host == file.host);
        file.visible_ms = file
            .visible_ms
            .max(map_start.map_or(0, |start| start.visible_ms));
        self.files.insert(name, file);
    }

    pub fn read_and_empty(&mut self, host: &str) -> HashMap<String, String> {
        let Some(input) = self.inputs.get_mut(host) else {
            return HashMap::new();
        };
        self.emptied.insert(host.into());
        std::mem::take(&mut input.answers)
    }

    pub fn call_files(&self) -> usize {
        self.files
            .values()
            .filter(|file| file.restart.is_none())
            .count()
    }
}

/// What survives a crash.
pub struct Disk {
    pub folder: Folder,
    pub database: Database,
    seen: Vec<Remembered>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Due {
    Core(Timer),
    Input(HostId),
    Sweep,
}

/// What does not.
pub struct Daemon {
    core: Core,
    pub lane: Lane,
    wheel: Wheel<Due>,
    started_ms: u64,
    /// Names of the files this run holds.
    open: HashMap<FileId, String>,
    ours: BTreeMap<HostId, Option<u64>>,
    last_file: FileId,
    remember: Vec<Remembered>,
    /// Restart files of this turn, and the maps before: they go when that is written down.
    restarts: Vec<(String, ModelFile, Option<u32>)>,
    jobs: Vec<Job>,
    events: std::collections::VecDeque<Event>,
    /// Answers cannot be written until then.
    pub disk_full_until_ms: u64,
}

/// The number of the file of an identity.
fn file_of(record: &Remembered) -> FileId {
    match record {
        Remembered::Identity { file, .. } => FileId(*file),
        Remembered::MapBegan { .. } => FileId(0),
    }
}

pub fn config() -> Config {
    let secret = String::from_utf8_lossy(SECRET);
    let text =
        format!("[[server]]\nscriptdata = '/nowhere/scriptdata'\nlegacy_secret = '{secret}'\n");
    config::parse(&text, Path::new("/nowhere"), |_| None).expect("a configuration")
}

impl Disk {
    pub fn new() -> Self {
        Self {
            folder: Folder::default(),
            database: Database::default(),
            seen: Vec::new(),
        }
    }
}

impl Daemon {
    pub fn start(disk: &Disk, now_ms: u64, away_until_ms: u64) -> Self {
        let mut core = Core::new(&config(), &[FOLDER]);
        let earlier = Earlier {
            remembered: disk.seen.clone(),
            ..Earlier::default()
        };
        core.handle(Event::Restore(Box::new(earlier)), Now::default());
        let mut daemon = Self {
            core,
            // The lane's deadlines count from the start of the daemon, as everything does there.
            lane: Lane::new(away_until_ms.saturating_sub(now_ms)),
            wheel: Wheel::default(),
            started_ms: now_ms,
            open: HashMap::new(),
            ours: BTreeMap::new(),
            last_file: disk.seen.iter().map(file_of).max().unwrap_or_default(),
            remember: Vec::new(),
            restarts: Vec::new(),
            jobs: Vec::new(),
            events: Default::default(),
            disk_full_until_ms: 0,
        };
        daemon.wheel.set(Due::Sweep, limits::SWEEP_MS);
        daemon
    }

    pub fn running(&self) -> usize {
        self.core.running()
    }

    pub fn mono_ms(&self, now_ms: u64) -> u64 {
        now_ms - self.started_ms
    }

    fn now(&self, disk: &Disk, now_ms: u64) -> Now {
        Now {
            mono_ms: self.mono_ms(now_ms),
            wall_s: disk.folder.wall_s(now_ms),
        }
    }

    /// One turn. Gives false when it crashed on the way: nothing after that was done.
    pub fn turn(&mut self, disk: &mut Disk, now_ms: u64, crash: bool, random: &mut Random) -> bool {
        let mono_ms = self.mono_ms(now_ms);
        self.lane.work(&mut disk.database, mono_ms, random);
        let crash_at = if crash { random.below(4) } else { 4 };
        if crash_at == 0 {
            return false;
        }
        let done = self.lane.take_done(mono_ms);
        if !done.is_empty() {
            self.events.push_back(Event::SqlDone(done));
        }
        self.take_timers(disk, now_ms);
        // A hint may be lost: then the sweep finds it.
        let emptied = std::mem::take(&mut disk.folder.emptied);
        for host in emptied {
            if let (false, Some(host)) = (random.chance(2), self.core.find_host(FOLDER, &host)) {
                self.look_at_input(disk, host, now_ms, false);
            }
        }
        self.drain_events(disk, now_ms, random);
        if crash_at == 1 {
            return false;
        }
        self.take_files(disk, now_ms, random);
        if crash_at == 2 {
            for (name, file, before) in self.restarts.drain(..).rev() {
                match before {
                    Some(map) => disk.folder.maps.insert(file.host.clone(), map),
                    None => disk.folder.maps.remove(&file.host),
                };
                disk.folder.files.insert(name, file);
            }
            return false;
        }
        disk.seen.append(&mut self.remember);
        self.restarts.clear();
        if crash_at == 3 {
            return false;
        }
        self.lane.submit(std::mem::take(&mut self.jobs));
        true
    }

    fn take_timers(&mut self, disk: &mut Disk, now_ms: u64) {
        let mono_ms = self.mono_ms(now_ms);
        while let Some(due) = self.wheel.pop_due(mono_ms) {
            match due {
                Due::Core(timer) => self.events.push_back(Event::Timer(timer)),
                Due::Input(host) => self.look_at_input(disk, host, now_ms, false),
                Due::Sweep => {
                    let hosts: Vec<HostId> = self.ours.keys().copied().collect();
                    for host in hosts {
                        self.look_at_input(disk, host, now_ms, false);
                    }
                    self.wheel.set(Due::Sweep, mono_ms + limits::SWEEP_MS);
                }
            }
        }
    }

    fn look_at_input(&mut self, disk: &Disk, host: HostId, now_ms: u64, tell_all: bool) {
        let Some((_, name)) = self.core.host(host) else {
            return;
        };
        let input = disk
            .folder
            .inputs
            .get(name)
            .filter(|input| !input.answers.is_empty());
        let state = match input {
            None => InputState::Empty,
            Some(input) if self.ours.get(&host) == Some(&Some(input.stamp)) => InputState::Ours,
            Some(input) if now_ms - input.written_ms > limits::FOREIGN_INPUT_MS => {
                InputState::Empty
            }
            Some(_) => InputState::Foreign,
        };
        match state {
            InputState::Empty => drop(self.ours.remove(&host)),
            InputState::Foreign => {
                self.ours.insert(host, None);
                let again = self.mono_ms(now_ms) + limits::FOREIGN_INPUT_MS;
                self.wheel.set(Due::Input(host), again);
            }
            InputState::Ours => {}
        }
        if tell_all || state != InputState::Ours {
            self.events.push_back(Event::Input { host, state });
        }
    }

    fn drain_events(&mut self, disk: &mut Disk, now_ms: u64, random: &mut Random) {
        while let Some(event) = self.events.pop_front() {
            let now = self.now(disk, now_ms);
            for effect in self.core.handle(event, now) {
                self.carry_out(effect, disk, now_ms, random);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, disk: &mut Disk, now_ms: u64, random: &mut Random) {
        match effect {
            Effect::Remember(what) => self.remember.push(what),
            Effect::Sql(job) => self.jobs.push(*job),
            Effect::WriteAnswers { host, answers } => {
                let ok = now_ms >= self.disk_full_until_ms;
                if ok {
                    self.write_answers(disk, host, answers, now_ms, random);
                }
                self.events.push_back(Event::AnswersWritten { host, ok });
            }
            Effect::LookAtInput { host } => self.look_at_input(disk, host, now_ms, true),
            Effect::Remove { file } => {
                let name = self.open.remove(&file).expect("a file that is open");
                disk.folder
                    .files
                    .remove(&name)
                    .expect("a file that is there");
            }
            Effect::Reject { reason, .. } => panic!("a good file was rejected: {reason}"),
            Effect::Note(_)
            | Effect::WriteSigned { .. }
            | Effect::RemoveSigned { .. }
            | Effect::Pushed { .. }
            | Effect::Heard { .. } => panic!("no game here signs: {effect:?}"),
            Effect::SetTimer { timer, at_ms } => self.wheel.set(Due::Core(timer), at_ms),
            Effect::CancelTimer(timer) => self.wheel.cancel(Due::Core(timer)),
            Effect::Rcon { .. }
            | Effect::Api(_)
            | Effect::Store(_)
            | Effect::Script { .. }
            | Effect::Begun(_) => {
                unreachable!("no server is attended, and there are no scripts")
            }
        }
    }

    fn write_answers(
        &mut self,
        disk: &mut Disk,
        host: HostId,
        answers: Vec<(String, String)>,
        now_ms: u64,
        random: &mut Random,
    ) {
        let identity = legacy::seal(SECRET, disk.folder.wall_s(now_ms), || random.next() as u8);
        let pairs = answers
            .iter()
            .map(|(token, value)| (token.as_str(), value.as_str()));
        let text = response_file::pack(pairs, &identity);
        assert!(
            text.len() <= limits::ANSWER_FILE_BYTES_MAX,
            "{} bytes",
            text.len()
        );
        let count = answers.len();
        let answers: HashMap<String, String> = answers.into_iter().collect();
        assert_eq!(answers.len(), count, "a token stands twice");
        let (_, name) = self.core.host(host).expect("a host that is known");
        let present = disk.folder.maps.get(name).copied().unwrap_or(0);
        for token in answers.keys() {
            let map = token.split('_').nth(1).and_then(|map| map.parse().ok());
            assert!(map >= Some(present), "{token} is shown in map {present}");
        }
        disk.folder.stamps += 1;
        let stamp = disk.folder.stamps;
        if answers.is_empty() {
            self.ours.remove(&host);
        } else {
            self.ours.insert(host, Some(stamp));
        }
        let input = InputFile {
            answers,
            stamp,
            written_ms: now_ms,
        };
        disk.folder.inputs.insert(name.into(), input);
    }

    /// Map starts first, then calls, oldest first.
    fn take_files(&mut self, disk: &mut Disk, now_ms: u64, random: &mut Random) {
        let waiting = disk.folder.files.iter().filter(|(_, file)| {
            let held = file.taken.is_some_and(|id| self.open.contains_key(&id));
            file.visible_ms <= now_ms && !held
        });
        let mut waiting: Vec<_> = waiting
            .map(|(name, file)| (file.restart.is_none(), file.mtime_ns, name.clone()))
            .collect();
        waiting.sort();
        for (_, _, name) in waiting {
            self.take_file(disk, name, now_ms);
            self.drain_events(disk, now_ms, random);
        }
    }

    fn take_file(&mut self, disk: &mut Disk, name: String, now_ms: u64) {
        let file = disk.folder.files.get_mut(&name).expect("it was just there");
        if !self.core.has_room(FOLDER, &file.host, false) {
            return;
        }
        if let Some(map) = file.restart {
            let before = disk.folder.maps.insert(file.host.clone(), map);
            let file = disk.folder.files.remove(&name).expect("it is there");
            self.events.push_back(Event::Restart {
                folder: FOLDER,
                host: file.host.clone(),
                mtime_ns: file.mtime_ns,
            });
            return self.restarts.push((name, file, before));
        }
        let recovered = file.taken.is_some();
        let id = file.taken.unwrap_or_else(|| {
            let micros = (BEGAN_S as u64 * 1_000 + now_ms) * 1_000;
            self.last_file = FileId(micros.max(self.last_file.0 + 1));
            self.last_file
        });
        file.taken = Some(id);
        self.open.insert(id, name);
        self.events.push_back(Event::Calls(TakenFile {
            folder: FOLDER,
            host: file.host.clone(),
            file: id,
            bytes: file.bytes.clone(),
            mtime_ns: file.mtime_ns,
            recovered,
        }));
    }
}
