//! What survives the death of vpid: folders of games, the state folder, and the clock that stamps files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use vpid::core::{CallId, FileId};
use vpid::jobs::remembered::Remembered;
use vpid::jobs::store::{Content, Found, Shelf, StoreError, Write};
use vpid::protocol::ban_list::BanList;
use vpid::protocol::signed::session_log::{Note, Sessions};
use vpid::protocol::{names, signed};

use crate::database::Database;
use crate::random::Random;

pub const START_S: i64 = 1_800_000_000;
/// The file system's clock ticks so often.
pub const FILE_CLOCK_MS: u64 = 4;
const RESTART: &str = "_vpi_restart.interface";

/// A moment of the world. The wall clock jumps, the other one does not.
#[derive(Clone, Copy, Default)]
pub struct Moment {
    pub ms: u64,
    /// What the wall clock shows beside the right time, in milliseconds.
    pub wrong_ms: i64,
}

impl Moment {
    pub fn wall_ms(self) -> i64 {
        self.right_s() * 1_000 + (self.ms % 1_000) as i64 + self.wrong_ms
    }

    pub fn wall_s(self) -> i64 {
        self.wall_ms().div_euclid(1_000)
    }

    /// Unix seconds by a clock that does not jump: that of another machine.
    pub fn right_s(self) -> i64 {
        START_S + (self.ms / 1_000) as i64
    }
}

/// A file of a game or of vpid.
pub struct File {
    pub bytes: Vec<u8>,
    pub mtime_ns: i64,
    /// In the order of their writing.
    pub order: u64,
    /// When vpid can notice it: notices may come late and out of order.
    pub visible_ms: u64,
}

/// A file of responses to a stock host.
#[derive(Default)]
pub struct Input {
    pub responses: BTreeMap<String, String>,
    pub stamp: u64,
    pub written_ms: u64,
}

/// The scriptdata folder of a server, which serves one protocol.
pub struct Folder {
    pub signed: bool,
    pub files: BTreeMap<String, File>,
    pub inputs: BTreeMap<String, Input>,
    /// Hosts that have emptied their input file, of which vpid does not know yet.
    pub emptied: BTreeSet<String>,
    /// How late a new file may be noticed.
    pub notice_ms_max: u64,
    writes: u64,
    /// The last files with calls that games wrote.
    copies: VecDeque<(String, Vec<u8>)>,
}

impl Folder {
    pub fn new(signed: bool, notice_ms_max: u64) -> Self {
        Self {
            signed,
            files: BTreeMap::new(),
            inputs: BTreeMap::new(),
            emptied: BTreeSet::new(),
            notice_ms_max,
            writes: 0,
            copies: VecDeque::new(),
        }
    }

    /// A game writes a file. No call is noticed before the start of its map.
    pub fn write(&mut self, name: String, bytes: Vec<u8>, now: Moment, random: &mut Random) {
        const TICK: i64 = FILE_CLOCK_MS as i64;
        self.writes += 1;
        let host = |name: &str| names::parse(name).map(|name| name.host.to_owned());
        let map_start = host(&name).and_then(|host| self.files.get(&names::restart(&host)));
        let after_ms = map_start.map_or(0, |start| start.visible_ms);
        let visible_ms = now.ms + 1 + random.below(self.notice_ms_max.max(1));
        if !is_map_start(&name) {
            self.copies.push_back((name.clone(), bytes.clone()));
            let surplus = self.copies.len().saturating_sub(8);
            self.copies.drain(..surplus);
        }
        let file = File {
            bytes,
            mtime_ns: now.wall_ms() / TICK * TICK * 1_000_000,
            order: self.writes,
            visible_ms: visible_ms.max(after_ms),
        };
        self.files.insert(name, file);
    }

    /// Another program puts a file there that a game wrote before.
    pub fn copy(&mut self, now: Moment, random: &mut Random) {
        let place = random.below(self.copies.len().max(1) as u64) as usize;
        let Some((name, bytes)) = self.copies.get(place).cloned() else {
            return;
        };
        let name = match names::parse(&name).map(|name| (name.host, name.kind)) {
            Some((host, names::Kind::Calls { unix, tick })) if !self.signed => {
                names::calls(host, unix, tick + 1_000_000)
            }
            _ => name,
        };
        if !self.files.contains_key(&name) {
            self.write(name, bytes, now, random);
        }
    }

    /// As a signed game writes: with a NUL.
    pub fn write_text(&mut self, name: &str, text: &str, now: Moment, random: &mut Random) {
        self.write(name.into(), with_nul(text), now, random);
    }

    /// vpid puts a file there, whole.
    pub fn replace(&mut self, name: &str, text: &str) {
        let file = File {
            bytes: with_nul(text),
            mtime_ns: 0,
            order: 0,
            visible_ms: u64::MAX,
        };
        self.files.insert(name.into(), file);
    }

    /// As a game reads: up to the NUL.
    pub fn read(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name)?.bytes.split(|byte| *byte == 0).next()
    }

    pub fn rename(&mut self, name: &str, to: &str) {
        let file = self.files.remove(name).expect("a file that is there");
        self.files.insert(to.into(), file);
    }

    /// A stock game reads its responses, and empties the file.
    pub fn read_and_empty(&mut self, host: &str) -> BTreeMap<String, String> {
        let Some(input) = self.inputs.get_mut(host) else {
            return BTreeMap::new();
        };
        self.emptied.insert(host.into());
        std::mem::take(&mut input.responses)
    }

    /// Names that a game has written and vpid has not claimed, in the order in which it takes them:
    /// starts of maps first.
    pub fn waiting(&self, visible_ms: u64) -> Vec<String> {
        let waiting = self
            .files
            .iter()
            .filter(|(_, file)| file.visible_ms <= visible_ms)
            .filter(|(name, _)| !name.ends_with(".taken"));
        let key = |(name, file): (&String, &File)| {
            let by_time = (file.mtime_ns, file.order);
            let by_order = (0, file.order);
            let is_call = !is_map_start(name);
            let order = if self.signed { by_order } else { by_time };
            (is_call, order, name.clone())
        };
        let mut waiting: Vec<_> = waiting.map(key).collect();
        waiting.sort();
        waiting.into_iter().map(|(.., name)| name).collect()
    }

    /// Files with calls that are not done.
    pub fn unfinished(&self) -> Vec<&String> {
        let ours = |name: &str| {
            self.signed
                && signed::parse_name(name).is_some_and(|name| {
                    matches!(name.kind, signed::Kind::Welcome | signed::Kind::Vpid(_))
                })
        };
        self.files
            .keys()
            .filter(|name| !ours(name) && !is_map_start(name))
            .collect()
    }
}

/// Whether this is the file with which a stock host says that a map begins.
pub fn is_map_start(name: &str) -> bool {
    name.ends_with(RESTART)
}

fn with_nul(text: &str) -> Vec<u8> {
    format!("{text}\0").into_bytes()
}

#[derive(Default)]
pub struct Disk {
    /// By the numbers of their servers.
    pub folders: Vec<Folder>,
    pub database: Database,
    pub remembered: Vec<Remembered>,
    pub notes: Vec<Note>,
    pub begun: Vec<CallId>,
    /// The map of each stock host that vpid has seen begin, as tokens count them.
    pub maps: BTreeMap<String, u32>,
    pub outbox: BTreeMap<String, String>,
    cache: BTreeMap<String, String>,
    pub rewards: BTreeMap<String, String>,
    bans: BTreeMap<String, Arc<BanList>>,
    /// Nothing can be written until then.
    pub full_until_ms: u64,
    /// Since when it could not the last time.
    pub full_since_ms: u64,
    /// Entries of the outbox that have come to be there, as they stood first.
    pub accepted: Vec<String>,
    /// When each entry of the outbox came to be there, and when it was marked as being sent the first time.
    pub accepted_ms: BTreeMap<String, u64>,
    pub marked_ms: BTreeMap<String, u64>,
    /// What SourceMod's file has of VyHub's groups.
    pub admins: BTreeMap<String, String>,
    /// Files that were rejected: server, name and reason.
    pub rejected: Vec<(usize, String, String)>,
}

impl Disk {
    /// Writes a document of the state folder.
    pub fn store(&mut self, write: &Write, now_ms: u64) -> Result<(), StoreError> {
        if now_ms < self.full_until_ms && write.content.is_some() {
            return Err(StoreError::TooManyWait);
        }
        let shelf = match write.shelf {
            Shelf::Outbox => &mut self.outbox,
            Shelf::Cache => &mut self.cache,
            Shelf::Admins => &mut self.admins,
            Shelf::Rewards => &mut self.rewards,
        };
        match &write.content {
            Some(Content::Json(text) | Content::Admins(text)) => {
                let before = shelf.insert(write.name.clone(), text.clone());
                if write.shelf == Shelf::Outbox {
                    self.entry_written((&write.name, text), before.is_none(), now_ms);
                }
            }
            Some(Content::Bans(list)) => {
                self.bans.insert(write.name.clone(), Arc::clone(list));
            }
            Some(Content::SetAside) => panic!("{} cannot be read", write.name),
            None => {
                shelf.remove(&write.name);
                if write.shelf == Shelf::Outbox {
                    self.accepted_ms.remove(&write.name);
                    self.marked_ms.remove(&write.name);
                }
            }
        }
        Ok(())
    }

    fn entry_written(&mut self, (name, text): (&str, &str), is_new: bool, now_ms: u64) {
        if is_new {
            self.accepted.push(text.to_owned());
            self.accepted_ms.insert(name.to_owned(), now_ms);
        }
        if text.contains("\"state\": \"sending\"") {
            self.marked_ms.entry(name.to_owned()).or_insert(now_ms);
        }
    }

    /// The files with counters of playtime.
    pub fn playtime(&self) -> impl Iterator<Item = &String> {
        let all = self.cache.iter();
        all.filter(|(name, _)| name.starts_with("playtime-") && *name != "playtime-definition")
            .map(|(_, text)| text)
    }

    /// The documents, as a start finds them.
    pub fn found(&self) -> Found {
        let texts = |shelf: &BTreeMap<String, String>| shelf.clone().into_iter().collect();
        let list = |(name, list): (&String, &Arc<BanList>)| (name.clone(), Arc::clone(list));
        Found {
            outbox: texts(&self.outbox),
            cache: texts(&self.cache),
            rewards: texts(&self.rewards),
            bans: self.bans.iter().map(list).collect(),
        }
    }

    /// Whether a start finds what VyHub said of a server.
    pub fn has_a_record(&self) -> bool {
        self.cache.keys().any(|name| name.starts_with("server-"))
    }

    /// As after a loss of the state folder.
    pub fn forget_documents(&mut self) {
        self.outbox.clear();
        self.cache.clear();
        self.bans.clear();
        self.rewards.clear();
    }

    /// What the log of sessions says. Shortened, it says the same.
    pub fn sessions(&self) -> Sessions {
        let mut sessions = Sessions::default();
        self.notes.iter().for_each(|note| sessions.apply(note));
        let mut short = Sessions::default();
        sessions.notes().iter().for_each(|note| short.apply(note));
        assert_eq!(short, sessions, "the shortened log of sessions");
        short
    }

    /// Files that an earlier run has claimed, oldest first: server, name and id.
    pub fn claimed(&self) -> Vec<(FileId, usize, String)> {
        let mut claimed = Vec::new();
        for (server, folder) in self.folders.iter().enumerate() {
            for name in folder.files.keys().filter(|name| name.ends_with(".taken")) {
                let id = match folder.signed {
                    true => match signed::parse_name(name).expect("a signed name").kind {
                        signed::Kind::Taken { id, .. } => id,
                        other => panic!("{name}: {other:?}"),
                    },
                    false => match names::parse(name).expect("a stock name").kind {
                        names::Kind::Taken { id, .. } => id,
                        other => panic!("{name}: {other:?}"),
                    },
                };
                claimed.push((FileId(id), server, name.clone()));
            }
        }
        claimed.sort();
        claimed
    }
}
