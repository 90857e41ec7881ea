//! The core of a daemon with what it needs around it: files, a log of sessions, a lane with its
//! journal. A crash leaves files, log and journal as they are at that moment.

use std::collections::{BTreeMap, HashMap, VecDeque};

use vpid::core::{
    Core, Earlier, Effect, Effects, Event, FileId, FolderId, HostId, Now, OperatorRequest,
    SignedFile, Timer,
};
use vpid::jobs::{CallId, Done, Job};
use vpid::protocol::signed::session_log::{Note, Sessions};
use vpid::protocol::signed::{Id, Kind, parse_name};

use super::{Folder, config};
use crate::support::Random;

/// What outlives a crash.
#[derive(Default)]
pub struct Disk {
    pub folder: Folder,
    notes: Vec<Note>,
    journal: HashMap<CallId, String>,
    /// How often each call took effect, by the number that it inserts.
    pub effects: BTreeMap<u64, u32>,
    last_file: FileId,
    pub full_until_ms: u64,
    pub rejected: Vec<String>,
}

pub struct Daemon {
    core: Core,
    open: HashMap<FileId, String>,
    jobs: VecDeque<Job>,
    timers: BTreeMap<Timer, u64>,
    events: VecDeque<Event>,
    /// Effects until the crash; none: it does not come.
    life: Option<u64>,
    /// What came of pushes: number and whether they arrived.
    pub pushed: Vec<(u64, bool)>,
}

/// The daemon died.
pub struct Crash;

impl Daemon {
    pub fn start(disk: &mut Disk, now_ms: u64) -> Self {
        let mut core = Core::new(&config(), &[FolderId(0)]);
        let mut sessions = Sessions::default();
        disk.notes.iter().for_each(|note| sessions.apply(note));
        // What was shortened says the same.
        let mut short = Sessions::default();
        sessions.notes().iter().for_each(|note| short.apply(note));
        assert_eq!(short, sessions);
        let earlier = Earlier {
            sessions: short,
            ..Earlier::default()
        };
        core.handle(Event::Restore(Box::new(earlier)), Now::default());
        let mut daemon = Self {
            core,
            open: HashMap::new(),
            jobs: VecDeque::new(),
            timers: BTreeMap::new(),
            events: VecDeque::new(),
            life: None,
            pushed: Vec::new(),
        };
        let mut left: Vec<(u64, Kind, SignedFile)> = Vec::new();
        for (name, bytes) in &disk.folder.files {
            let parsed = parse_name(name).expect("a name of the protocol");
            let order = match parsed.kind {
                Kind::Vpid(m) => m,
                Kind::Welcome => 0,
                _ => continue,
            };
            let file = signed_file(parsed.session, FileId(0), bytes.clone(), true);
            left.push((order, parsed.kind, file));
        }
        left.sort_by_key(|(order, ..)| *order);
        for (_, kind, file) in left {
            daemon.events.push_back(Event::SentFound { file, kind });
        }
        let _ = daemon.drain(disk, now_ms);
        let taken: Vec<(FileId, u64, Id, String)> = disk
            .folder
            .files
            .keys()
            .filter_map(|name| match parse_name(name) {
                Some(parsed) => match parsed.kind {
                    Kind::Taken { n, id } => Some((FileId(id), n, parsed.session, name.clone())),
                    _ => None,
                },
                None => None,
            })
            .collect();
        let mut taken = taken;
        taken.sort();
        for (id, n, session, name) in taken {
            let file = signed_file(session, id, disk.folder.text(&name), true);
            daemon.open.insert(id, name);
            daemon.events.push_back(Event::Signed { file, n });
            let _ = daemon.drain(disk, now_ms);
        }
        daemon
    }

    /// From here on, so many effects are carried out.
    pub fn die_after(&mut self, effects: u64) {
        self.life = Some(effects);
    }

    /// A turn: files in the order of their writing, some overlooked; the lane; timers.
    pub fn turn(&mut self, disk: &mut Disk, now_ms: u64, random: &mut Random) -> Result<(), Crash> {
        let mut names: Vec<(u64, String)> = disk
            .folder
            .order
            .iter()
            .map(|(name, at)| (*at, name.clone()))
            .collect();
        names.sort();
        for (_, name) in names {
            if random.chance(80) {
                self.take(&name, disk, random);
                self.drain(disk, now_ms)?;
            }
        }
        let due: Vec<Timer> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now_ms)
            .map(|(timer, _)| *timer)
            .collect();
        for timer in due {
            self.timers.remove(&timer);
            self.events.push_back(Event::Timer(timer));
        }
        self.drain(disk, now_ms)?;
        let count = random.below(4) as usize;
        let done: Vec<Done> = self
            .jobs
            .drain(..count.min(self.jobs.len()))
            .map(|job| run(job, disk))
            .collect();
        if !done.is_empty() {
            self.events.push_back(Event::SqlDone(done));
        }
        self.drain(disk, now_ms)
    }

    pub fn push(&mut self, host: HostId, number: u64, keep: bool) {
        let push = vpid::protocol::signed::messages::Push::Message {
            name: "m".into(),
            data: number.into(),
        };
        self.events.push_back(Event::Operator {
            ticket: number,
            request: OperatorRequest::Push { host, push, keep },
        });
    }

    fn take(&mut self, name: &str, disk: &mut Disk, random: &mut Random) {
        let parsed = parse_name(name).expect("a name of the protocol");
        if self.open.values().any(|open| open == name) {
            return;
        }
        let whole = disk.folder.files[name].last() == Some(&0);
        disk.last_file.0 += 1;
        let id = disk.last_file;
        match parsed.kind {
            Kind::Hello => {
                let file = signed_file(parsed.session, id, disk.folder.text(name), false);
                self.open.insert(id, name.to_string());
                let nonce = Id::from_random(std::array::from_fn(|_| random.next() as u8));
                self.events.push_back(Event::Hello { file, nonce });
            }
            Kind::Game(n) if !whole => {
                disk.folder.remove(name);
                self.events.push_back(Event::SignedCut {
                    folder: FolderId(0),
                    host: parsed.host.to_string(),
                    session: parsed.session,
                    n,
                });
            }
            Kind::Game(n) => {
                let taken = format!("{name}.{}.taken", id.0);
                disk.folder.rename(name, &taken);
                let file = signed_file(parsed.session, id, disk.folder.text(&taken), false);
                self.open.insert(id, taken);
                self.events.push_back(Event::Signed { file, n });
            }
            _ => {}
        }
    }

    fn drain(&mut self, disk: &mut Disk, now_ms: u64) -> Result<(), Crash> {
        while let Some(event) = self.events.pop_front() {
            let now = Now {
                mono_ms: now_ms,
                wall_s: now_ms as i64 / 1000,
            };
            let effects: Effects = self.core.handle(event, now);
            for effect in effects {
                if let Some(life) = &mut self.life {
                    *life = life.checked_sub(1).ok_or(Crash)?;
                }
                self.carry_out(effect, disk, now_ms);
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, disk: &mut Disk, now_ms: u64) {
        match effect {
            Effect::Note(note) => disk.notes.push(note),
            Effect::WriteSigned { name, text, of, .. } => {
                let ok = now_ms >= disk.full_until_ms;
                if ok {
                    assert!(text.len() < vpid::limits::SIGNED_FILE_BYTES_MAX);
                    disk.folder.replace(&name, &text);
                }
                self.events
                    .extend(of.map(|(host, what)| Event::SignedWritten { host, what, ok }));
            }
            Effect::RemoveSigned { name, .. } => disk.folder.remove(&name),
            Effect::Sql(job) => self.jobs.push_back(*job),
            Effect::Remove { file } => {
                let name = self.open.remove(&file).expect("a file that is open");
                disk.folder.remove(&name);
            }
            Effect::Reject { file, reason } => {
                let name = self.open.remove(&file).expect("a file that is open");
                disk.folder.remove(&name);
                disk.rejected.push(reason);
            }
            Effect::SetTimer { timer, at_ms } => drop(self.timers.insert(timer, at_ms)),
            Effect::CancelTimer(timer) => drop(self.timers.remove(&timer)),
            Effect::Pushed { ticket, outcome } => self.pushed.push((ticket, outcome.is_ok())),
            Effect::Heard { .. } => {}
            Effect::Remember { .. } | Effect::WriteAnswers { .. } | Effect::LookAtInput { .. } => {
                panic!("no stock client plays here: {effect:?}")
            }
            Effect::Rcon { .. }
            | Effect::Api(_)
            | Effect::Store(_)
            | Effect::Script { .. }
            | Effect::Begun(_) => {
                unreachable!("no server is attended, and there are no scripts")
            }
        }
    }
}

/// The lane: a call that the journal knows is answered from it.
fn run(job: Job, disk: &mut Disk) -> Done {
    if let Some(answer) = disk.journal.get(&job.id).filter(|_| job.recovered) {
        return Done {
            id: job.id,
            outcome: Ok(answer.clone()),
        };
    }
    let text = format!("{:?}", job.call);
    let number = text
        .split("Int(")
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let number: u64 = number.expect(&text).parse().expect("a number");
    *disk.effects.entry(number).or_default() += 1;
    disk.journal.insert(job.id, "1".into());
    Done {
        id: job.id,
        outcome: Ok("1".into()),
    }
}

fn signed_file(session: Id, file: FileId, bytes: Vec<u8>, recovered: bool) -> SignedFile {
    let host = super::player::HOST.to_string();
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let bytes = bytes[..end].to_vec();
    SignedFile {
        folder: FolderId(0),
        host,
        session,
        file,
        bytes,
        recovered,
    }
}
