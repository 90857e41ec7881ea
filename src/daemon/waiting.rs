//! The files of one server that wait to be taken: which of them is next.
//!
//! Order matters within a host only. Hosts that have proven who they are take turns, by the time
//! that their files cost (`shares`). Whoever writes into the folder can make up host names; all
//! hosts that have proven nothing have one share together, and take turns within it. Nothing here
//! walks over hosts or files: a step costs O(log n), however many there are.

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::rc::Rc;

use super::shares::Shares;
use crate::core::FileId;
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::signed::Id;

/// Which files are in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Those of the stock client, beside files of other programs.
    Stock,
    Signed,
}

impl Protocol {
    fn other(self) -> Self {
        match self {
            Protocol::Stock => Protocol::Signed,
            Protocol::Signed => Protocol::Stock,
        }
    }
}

/// A file that waits to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub what: What,
    /// The client's own clock, for files written within one granule of the file system's.
    pub client_time: (i64, i64),
    pub name: Rc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Restart,
    Calls(Origin),
    /// A game asks for a signed session.
    Hello(Id),
    /// Signed messages of a game, by their number.
    Messages {
        session: Id,
        n: u64,
        origin: Origin,
    },
}

impl What {
    /// What a file is from now on that this run has claimed under this id.
    pub fn claimed(self, id: FileId) -> Self {
        let origin = Origin::ThisRun(id);
        match self {
            What::Calls(_) => What::Calls(origin),
            What::Messages { session, n, .. } => What::Messages { session, n, origin },
            other => other,
        }
    }
}

/// A file that is being taken: in which of the watched folders it is, and whose it is.
pub struct Taking {
    pub place: usize,
    pub host: Rc<str>,
    pub kind: Kind,
    pub proven: bool,
    pub file: Waiting,
}

/// Where a call file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Game,
    /// Taken by an earlier run, under this id.
    EarlierRun(FileId),
    /// Taken by this run under this id, while its game was still writing.
    ThisRun(FileId),
}

/// The files of a host that are served in one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Stock,
    Signed,
    /// Files of a signed session that is known, with numbers that are waited for. Who only knows the
    /// host's name cannot put a file among them.
    Session,
}

impl Kind {
    pub fn protocol(self) -> Protocol {
        match self {
            Kind::Stock => Protocol::Stock,
            Kind::Signed | Kind::Session => Protocol::Signed,
        }
    }
}

/// Whose files a file is among.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    pub host: &'a str,
    pub kind: Kind,
    /// The host has proven who it is.
    pub proven: bool,
}

/// A lane, by its number; and who pays for what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    pub lane: u64,
    payer: Payer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Payer {
    Lane(u64),
    Strangers(Protocol),
}

/// By what a host's files are sorted: a map start first, so that calls of an earlier map are known
/// for such before they are answered, then calls as they were written.
type Order = (bool, i64, (i64, i64), u64);

struct Entry {
    order: Order,
    file: Waiting,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

/// The files of one host.
struct Lane {
    host: Rc<str>,
    kind: Kind,
    proven: bool,
    files: BinaryHeap<Reverse<Entry>>,
    /// When its only file was written has not been looked up.
    undated: bool,
    /// There is no room for its files.
    parked: bool,
    /// It stands in the ring of strangers.
    in_ring: bool,
}

#[derive(Default)]
pub struct WaitingFiles {
    /// By a hash of host and kind, so that a host that comes back is known to `shares`.
    lanes: IdMap<u64, Lane>,
    hasher: RandomState,
    names: HashSet<Rc<str>>,
    shares: Shares<Payer>,
    /// Strangers with files, of each protocol, in turn.
    rings: [VecDeque<u64>; 2],
    parked: VecDeque<u64>,
    /// So many of the parked are still to be tried again.
    untried: usize,
    /// Files of strangers.
    strangers: usize,
    /// Files of proven hosts had to stay in the folder, of each protocol: after so many more files
    /// there may be room.
    refused: [Option<usize>; 2],
    last: u64,
}

impl WaitingFiles {
    /// Files that wait.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is much room for files of strangers.
    pub fn has_room_for_strangers(&self) -> bool {
        self.strangers <= limits::STRANGERS_WAITING_FILES_MAX / 2
    }

    /// Adds a file, unless one of its name waits already. `written` gives its modification time, and
    /// is asked only where an order is needed. False: there is no room, and it stays in its folder.
    pub fn add(
        &mut self,
        of: Of<'_>,
        file: Waiting,
        written: impl Fn(&str) -> Option<i64>,
    ) -> bool {
        let number = self.number(of);
        if self
            .lanes
            .get(&number)
            .is_some_and(|lane| lane.proven != of.proven)
        {
            self.set_proven(number, of.proven);
        }
        if self.names.contains(&file.name) {
            return true;
        }
        if !self.has_room(number, of.proven) {
            if of.proven {
                self.refused[of.kind.protocol() as usize] = Some(limits::RESCAN_FILES);
            }
            return false;
        }
        let lane = self.lanes.entry(number).or_insert_with(|| Lane {
            host: of.host.into(),
            kind: of.kind,
            proven: of.proven,
            // Made-up hosts have one file mostly.
            files: BinaryHeap::with_capacity(1),
            undated: true,
            parked: false,
            in_ring: false,
        });
        self.last += 1;
        let is_calls = file.what != What::Restart;
        let is_first = lane.files.is_empty();
        if !is_first && std::mem::take(&mut lane.undated) {
            lane.date_first(&written);
        }
        let mtime_ns = match is_calls && !is_first {
            true => match written(&file.name) {
                Some(mtime_ns) => mtime_ns,
                None => return true,
            },
            false => 0,
        };
        lane.undated |= is_first;
        self.names.insert(Rc::clone(&file.name));
        self.strangers += usize::from(!of.proven);
        let order = (is_calls, mtime_ns, file.client_time, self.last);
        lane.files.push(Reverse(Entry { order, file }));
        self.activate(number);
        true
    }

    fn has_room(&self, number: u64, proven: bool) -> bool {
        let of_lane = self.lanes.get(&number).map_or(0, |lane| lane.files.len());
        match proven {
            true => {
                of_lane < limits::HOST_WAITING_FILES_SURE
                    || of_lane < limits::HOST_WAITING_FILES_MAX
                        && self.len() < limits::WAITING_FILES_MAX
            }
            false => self.strangers < limits::STRANGERS_WAITING_FILES_MAX,
        }
    }

    fn number(&self, of: Of<'_>) -> u64 {
        let mut number = self.hasher.hash_one((of.kind, of.host));
        while let Some(lane) = self.lanes.get(&number)
            && (lane.kind, &*lane.host) != (of.kind, of.host)
        {
            number = number.wrapping_add(1);
        }
        number
    }

    /// Lets a lane with files take its turns.
    fn activate(&mut self, number: u64) {
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        if lane.parked || lane.files.is_empty() {
            return;
        }
        if lane.proven {
            return self.shares.join(Payer::Lane(number));
        }
        let protocol = lane.kind.protocol();
        if !std::mem::replace(&mut lane.in_ring, true) {
            self.rings[protocol as usize].push_back(number);
        }
        self.shares.join(Payer::Strangers(protocol));
    }

    /// The lane whose turn it is, of those that are not held back. It must come to an end with
    /// [`Self::done`], [`Self::park`], [`Self::set_proven`] or [`Self::forget`].
    pub fn next(&mut self, is_held: impl Fn(Protocol) -> bool) -> Option<Chosen> {
        loop {
            let payer = self.next_payer(&is_held)?;
            match payer {
                Payer::Lane(lane) => return Some(Chosen { lane, payer }),
                Payer::Strangers(protocol) => match self.next_stranger(protocol) {
                    Some(lane) => return Some(Chosen { lane, payer }),
                    None => self.shares.leave(payer),
                },
            }
        }
    }

    fn next_stranger(&mut self, protocol: Protocol) -> Option<u64> {
        while let Some(number) = self.rings[protocol as usize].pop_front() {
            let Some(lane) = self.lanes.get_mut(&number) else {
                continue;
            };
            lane.in_ring = false;
            // It may have proven itself meanwhile.
            if !lane.proven && !lane.parked {
                return Some(number);
            }
        }
        None
    }

    /// Whose a lane is.
    pub fn of(&self, lane: u64) -> Option<(Rc<str>, Kind, bool)> {
        let lane = self.lanes.get(&lane)?;
        Some((Rc::clone(&lane.host), lane.kind, lane.proven))
    }

    /// Takes the next file of a lane.
    pub fn pop(&mut self, lane: u64) -> Option<Waiting> {
        let lane = self.lanes.get_mut(&lane)?;
        let Reverse(Entry { file, .. }) = lane.files.pop()?;
        lane.undated &= !lane.files.is_empty();
        self.strangers -= usize::from(!lane.proven);
        self.names.remove(&file.name);
        for left in self.refused.iter_mut().flatten() {
            *left = left.saturating_sub(1);
        }
        Some(file)
    }

    /// A lane was served, which has cost so much.
    pub fn done(&mut self, chosen: Chosen, cost: u64) {
        let cost = 2 * cost.max(1);
        self.shares.charge(chosen.payer, cost);
        if let Payer::Strangers(protocol) = chosen.payer {
            // Those of both protocols have one share together, and take turns.
            let other = Payer::Strangers(protocol.other());
            self.shares.owe(other, cost - 1);
        }
        let lane = self.lanes.get(&chosen.lane);
        if lane.is_some_and(|lane| lane.files.is_empty()) {
            self.lanes.remove(&chosen.lane);
            self.shares.leave(Payer::Lane(chosen.lane));
        }
        self.activate(chosen.lane);
    }

    /// There is no room for a lane's files until calls are done.
    pub fn park(&mut self, chosen: Chosen) {
        if let Some(lane) = self.lanes.get_mut(&chosen.lane) {
            lane.parked = true;
            self.parked.push_back(chosen.lane);
            self.shares.leave(Payer::Lane(chosen.lane));
        }
    }

    /// There may be room now for those that are parked: they are tried again, some at a time.
    pub fn retry(&mut self) {
        self.untried = self.parked.len();
    }

    /// Whether hosts wait for room.
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Tries so many again.
    pub fn unpark(&mut self, most: usize) {
        for _ in 0..most.min(self.untried) {
            self.untried -= 1;
            if let Some(number) = self.parked.pop_front()
                && let Some(lane) = self.lanes.get_mut(&number)
            {
                lane.parked = false;
                self.activate(number);
            }
        }
    }

    /// A host has proven itself, or has not any more.
    pub fn set_proven(&mut self, number: u64, proven: bool) {
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        if std::mem::replace(&mut lane.proven, proven) != proven {
            let files = lane.files.len();
            if proven {
                self.strangers -= files;
            } else {
                self.strangers += files;
                self.shares.leave(Payer::Lane(number));
            }
        }
        self.activate(number);
    }

    /// Forgets a lane's files.
    pub fn forget(&mut self, number: u64) {
        let Some(lane) = self.lanes.remove(&number) else {
            return;
        };
        for Reverse(Entry { file, .. }) in &lane.files {
            self.names.remove(&file.name);
        }
        if !lane.proven {
            self.strangers -= lane.files.len();
        }
        self.shares.leave(Payer::Lane(number));
    }

    /// Forgets all files of a folder that is closed.
    pub fn clear(&mut self, protocol: Protocol) {
        let is_of = |lane: &Lane| lane.kind.protocol() == protocol;
        let of_folder = self.lanes.iter().filter(|(_, lane)| is_of(lane));
        let numbers: Vec<u64> = of_folder.map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.forget(number));
        self.parked.retain(|number| self.lanes.contains_key(number));
        self.untried = self.untried.min(self.parked.len());
        self.rings[protocol as usize].clear();
        self.refused[protocol as usize] = None;
    }

    /// Whether there are files that can be taken now.
    pub fn is_ready(&self, is_held: impl Fn(Protocol) -> bool) -> bool {
        self.untried > 0 || self.next_payer(is_held).is_some()
    }

    fn next_payer(&self, is_held: impl Fn(Protocol) -> bool) -> Option<Payer> {
        self.shares.next(|payer| match payer {
            Payer::Lane(number) => {
                let lane = self.lanes.get(number);
                lane.is_some_and(|lane| !is_held(lane.kind.protocol()))
            }
            Payer::Strangers(protocol) => !is_held(*protocol),
        })
    }

    /// A folder that is to be scanned again for files that had to stay in it.
    pub fn wants_rescan(&mut self) -> Option<Protocol> {
        let due = self
            .refused
            .iter()
            .position(|refused| *refused == Some(0))?;
        self.refused[due] = None;
        Some([Protocol::Stock, Protocol::Signed][due])
    }
}

impl Lane {
    /// Looks up when its only file was written. Where that file is gone it stays first, and whoever
    /// takes it finds out.
    fn date_first(&mut self, written: impl Fn(&str) -> Option<i64>) {
        if let Some(Reverse(mut entry)) = self.files.pop() {
            if entry.file.what != What::Restart {
                entry.order.1 = written(&entry.file.name).unwrap_or(0);
            }
            self.files.push(Reverse(entry));
        }
    }
}

#[cfg(test)]
mod tests;
