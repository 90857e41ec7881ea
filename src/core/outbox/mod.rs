//! What must reach the backend: durable before anything follows from it, in order for each player and
//! series of changes, and never dropped by whatever the backend replies.
//!
//! This part knows entries, their order and when each is due; `kinds` knows what depends on a change's
//! kind. `community::changes` sends them, at the pace of `community::pace`; the daemon writes the files.
//!
//! A ban, an unban or a warning, from a command in chat or a call of a script, goes this way:
//!
//! 1. Accepted: written to `state/outbox` and synced. Only then does it exist: the issuer gets the
//!    response, a banned player is kicked, an unban lifts what waits before it.
//! 2. Its turn: the oldest open entry of each player and series may go, two at once.
//! 3. Its player is found in the backend, or made.
//! 4. Compared, when in doubt: a ban or warning that is marked as sent may have been carried out by an
//!    earlier try, also of an earlier run; but not before the backend must have finished with that try. What
//!    stands there with its time, length, reason and issuer is it, and the entry is done. (There is no key by
//!    which the backend would know a repetition.) What other entries had made when it was sent is not it.
//! 5. Marked as sent, on disk. An unban needs no mark: twice is as once, apart from a ban that came in
//!    between.
//! 6. Sent, and its reply judged (the backend says what kind of failure it is): done; again; in
//!    doubt; held, because the backend refuses vpid itself; or dead, because it refuses this change. A reply
//!    that is not in the backend's words comes from something in between, and says nothing.
//! 7. Its end is on disk before the next change of this player and series is sent: else a crash would send
//!    it once more, behind that one.
//! 8. Kept until a list of bans that was requested after its end is on disk, so that a ban is always in
//!    one of the two. What came from a script's call is kept two minutes at least, for a call that
//!    comes back.

mod entry;
mod kinds;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;

pub use entry::{Change, Entry, EntryError, EntryId, Issuer, NewEntry, Origin, State};
pub use kinds::{Comparison, Series};

use super::Now;
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// An entry and what is known of it in this run.
#[derive(Debug)]
struct Kept {
    entry: Entry,
    /// It is on disk.
    stored: bool,
    /// It is being sent.
    busy: bool,
    /// Not before this, on the daemon's clock.
    due_ms: u64,
    /// When the backend had it, on the daemon's clock.
    done_ms: Option<u64>,
    /// A list that was requested after that has come: what it says counts, and not this.
    listed: bool,
    /// Such a list is on disk: nothing needs this entry any more after a while.
    settled: bool,
    /// Its end is on disk: else what comes after it must wait, since it would be sent once more
    /// after a crash, and undo that.
    recorded: bool,
}

pub struct Outbox {
    entries: BTreeMap<EntryId, Kept>,
    /// Those that the backend has, until they are removed.
    done: BTreeSet<EntryId>,
    /// In their order.
    of_player: HashMap<SteamId, Vec<EntryId>>,
    /// How many are being sent.
    busy: usize,
    last_id: EntryId,
    /// How many there were when the operator was warned last.
    warned: usize,
}

impl Outbox {
    /// With what an earlier run has left, by file name; also gives the names of files that are no
    /// entries.
    pub fn restore(files: &[(String, String)], now: Now) -> (Self, Vec<(String, EntryError)>) {
        let mut outbox = Self {
            entries: BTreeMap::new(),
            done: BTreeSet::new(),
            of_player: HashMap::new(),
            busy: 0,
            last_id: 0,
            warned: 0,
        };
        let mut strangers = Vec::new();
        for (name, text) in files {
            match Entry::parse(name, text) {
                Ok(entry) => {
                    outbox.last_id = outbox.last_id.max(entry.id);
                    let kept = Kept {
                        stored: true,
                        busy: false,
                        due_ms: now.mono_ms + entry.settles_ms(now),
                        done_ms: (entry.state == State::Done).then_some(0),
                        listed: false,
                        settled: false,
                        recorded: true,
                        entry,
                    };
                    outbox.insert(kept);
                }
                Err(problem) => strangers.push((name.clone(), problem)),
            }
        }
        (outbox, strangers)
    }

    /// Adds an entry; it has to be stored before it counts. `created`: by the backend's clock, and never
    /// the same twice; `latest_s`: when it was created at the latest. `None`: there is no room.
    pub fn accept(
        &mut self,
        new: NewEntry,
        created: Timestamp,
        latest_s: i64,
        now: Now,
    ) -> Option<&Entry> {
        if self.entries.len() >= limits::OUTBOX_ENTRIES_MAX {
            return None;
        }
        let micros = u64::try_from(now.wall_s).unwrap_or(0) * 1_000_000;
        let id = micros.max(self.last_id + 1);
        self.last_id = id;
        let mut entry = Entry::new(id, created, new);
        entry.latest_s = Some(latest_s);
        let kept = Kept {
            entry,
            stored: false,
            busy: false,
            due_ms: now.mono_ms,
            done_ms: None,
            listed: false,
            settled: false,
            recorded: true,
        };
        self.insert(kept);
        self.get(id)
    }

    fn insert(&mut self, kept: Kept) {
        let (id, steam) = (kept.entry.id, kept.entry.steam);
        let ids = self.of_player.entry(steam).or_default();
        let at = ids.partition_point(|other| *other < id);
        ids.insert(at, id);
        if kept.done_ms.is_some() {
            self.done.insert(id);
        }
        self.entries.insert(id, kept);
    }

    /// A warning once per doubling that many wait.
    pub fn warning(&mut self) -> Option<String> {
        let open = self.open_count();
        if open < limits::OUTBOX_ENTRIES_ADVISED {
            self.warned = 0;
            return None;
        }
        if open < self.warned * 2 {
            return None;
        }
        self.warned = open;
        Some(format!(
            "{open} changes wait to be sent to VyHub, of {} at most: see `vpid queue list`",
            limits::OUTBOX_ENTRIES_MAX
        ))
    }

    pub fn stored(&mut self, id: EntryId) {
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.stored = true;
        }
    }

    pub fn is_stored(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|kept| kept.stored)
    }

    /// Bans of this player that were not sent yet, and stand before an unban.
    pub fn unsent_before(&self, unban: &Entry) -> Vec<EntryId> {
        let is_unsent = |kept: &&Kept| {
            let Entry {
                id, bundle, state, ..
            } = &kept.entry;
            let standing = matches!(kept.entry.change, Change::Ban { standing: true, .. });
            let before = *id < unban.id && *bundle == unban.bundle && kept.stored;
            before && standing && !kept.busy && matches!(state, State::Waiting | State::Held)
        };
        let unsent = self.kept_of(unban.steam).filter(is_unsent);
        unsent.map(|kept| kept.entry.id).collect()
    }

    pub fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id).map(|kept| &kept.entry)
    }

    pub fn get_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(&id).map(|kept| &mut kept.entry)
    }

    /// The backend has its issuer as another user than before.
    pub fn set_issuer(&mut self, id: EntryId, user: Uuid) {
        let entry = self.get_mut(id);
        if let Some(issuer) = entry.and_then(|entry| entry.issuer.as_mut()) {
            issuer.user = user;
        }
    }

    pub fn remove(&mut self, id: EntryId) -> Option<Entry> {
        let kept = self.entries.remove(&id)?;
        self.done.remove(&id);
        self.busy -= usize::from(kept.busy && kept.recorded);
        if let Some(ids) = self.of_player.get_mut(&kept.entry.steam) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.of_player.remove(&kept.entry.steam);
            }
        }
        Some(kept.entry)
    }

    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|kept| &kept.entry)
    }

    /// What counts of one player, the oldest first.
    pub fn of(&self, steam: SteamId) -> impl Iterator<Item = &Entry> {
        let kept = self.kept_of(steam).filter(|kept| kept.stored);
        kept.map(|kept| &kept.entry)
    }

    /// What counts of one player beside what the backend lists, the oldest first.
    pub fn unlisted(&self, steam: SteamId) -> impl Iterator<Item = &Entry> {
        let counts = |kept: &&Kept| kept.stored && !kept.listed;
        let kept = self.kept_of(steam).filter(counts);
        kept.map(|kept| &kept.entry)
    }

    /// What the backend lists of this bundle was requested at this moment, and has come.
    pub fn listed(&mut self, bundle: Uuid, asked_ms: u64) {
        self.each_done(|kept| {
            let before = kept.done_ms.is_some_and(|done_ms| done_ms < asked_ms);
            kept.listed |= before && kept.entry.bundle == bundle;
        });
    }

    /// The backend has these.
    fn all_done(&self) -> impl Iterator<Item = &Kept> {
        self.done.iter().filter_map(|id| self.entries.get(id))
    }

    fn each_done(&mut self, mut change: impl FnMut(&mut Kept)) {
        for id in &self.done {
            if let Some(kept) = self.entries.get_mut(id) {
                change(kept);
            }
        }
    }

    fn kept_of(&self, steam: SteamId) -> impl Iterator<Item = &Kept> {
        let ids = self.of_player.get(&steam).into_iter().flatten();
        ids.filter_map(|id| self.entries.get(id))
    }

    /// Entries that have to be sent.
    pub fn open_count(&self) -> usize {
        self.all().filter(|entry| entry.is_open()).count()
    }

    pub fn dead_count(&self) -> usize {
        self.all()
            .filter(|entry| entry.state == State::Dead)
            .count()
    }

    /// The entry that a call has made.
    pub fn of_call(&self, call: Origin) -> Option<&Entry> {
        self.all().find(|entry| entry.call == Some(call))
    }

    /// The first open entry of each player and series, where nothing is in its way.
    fn heads(&self) -> impl Iterator<Item = &Kept> {
        let first = move |steam: SteamId, series: Series| {
            let mut kept = self.kept_of(steam);
            kept.find(|kept| {
                kept.entry.change.series() == series && (kept.entry.is_open() || !kept.recorded)
            })
        };
        let firsts = self.of_player.keys().flat_map(move |steam| {
            Series::ALL
                .into_iter()
                .filter_map(move |series| first(*steam, series))
        });
        firsts.filter(|kept| kept.recorded)
    }

    /// Begins with the entry whose turn it is. Those that were tried less come first, so that none that
    /// fails for ever is in the way of others. `open_ms`: when a change of this kind may be sent.
    pub fn begin(&mut self, now: Now, open_ms: impl Fn(&Change) -> Option<u64>) -> Option<EntryId> {
        if self.busy >= limits::OUTBOX_BUSY_MAX {
            return None;
        }
        let ready = |kept: &&Kept| {
            let due_ms = open_ms(&kept.entry.change).map(|open_ms| open_ms.max(kept.due_ms));
            kept.stored && !kept.busy && due_ms.is_some_and(|due_ms| due_ms <= now.mono_ms)
        };
        let turn = |kept: &&Kept| (kept.entry.tries, kept.entry.id);
        let id = self.heads().filter(ready).min_by_key(turn)?.entry.id;
        let kept = self.entries.get_mut(&id)?;
        kept.busy = true;
        kept.entry.tries = kept.entry.tries.saturating_add(1);
        self.busy += 1;
        Some(id)
    }

    /// When [`Outbox::begin`] may give something. `open_ms`: when a change of this kind may be sent.
    pub fn due_ms(&self, open_ms: impl Fn(&Change) -> Option<u64>) -> Option<u64> {
        let full = self.busy >= limits::OUTBOX_BUSY_MAX;
        let waiting = self
            .heads()
            .filter(|kept| kept.stored && !kept.busy && !full);
        let waiting =
            waiting.filter_map(|kept| Some(kept.due_ms.max(open_ms(&kept.entry.change)?)));
        let unrecorded = self.all_done().filter(|kept| !kept.recorded && !kept.busy);
        let expiring = self.all_done().filter_map(Kept::expires_ms);
        let recording = unrecorded.map(|kept| kept.due_ms);
        recording.chain(expiring).chain(waiting).min()
    }

    /// The backend has it, under this id if it has one.
    pub fn done(&mut self, id: EntryId, made: Option<Uuid>, now: Now) {
        self.end(id, State::Done, None, now.mono_ms, now);
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.done_ms = Some(now.mono_ms);
            kept.recorded = false;
            kept.entry.made = made;
            self.done.insert(id);
        }
    }

    /// Its end is on disk, or could not be written: then it is tried again later.
    pub fn recorded(&mut self, id: EntryId, ok: bool, now: Now) {
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.recorded = ok;
            kept.due_ms = now.mono_ms + limits::OUTBOX_RETRY_MS_MIN;
            // Not while the write is under way.
            kept.busy = false;
        }
    }

    /// An entry whose end is to be recorded now.
    pub fn to_record(&mut self, now: Now) -> Option<EntryId> {
        let due = |kept: &&Kept| !kept.recorded && !kept.busy && kept.due_ms <= now.mono_ms;
        let id = self.all_done().find(due)?.entry.id;
        self.entries.get_mut(&id)?.busy = true;
        Some(id)
    }

    /// It becomes a dead letter.
    pub fn kill(&mut self, id: EntryId, why: String, now: Now) {
        self.end(id, State::Dead, Some(why), now.mono_ms, now);
    }

    /// The backend refuses vpid itself.
    pub fn hold(&mut self, id: EntryId, why: String, due_ms: u64, now: Now) {
        self.end(id, State::Held, Some(why), due_ms, now);
    }

    /// It is tried again. `doubt`: it may have been carried out, now or in an earlier try.
    pub fn again(&mut self, id: EntryId, why: String, doubt: bool, due_ms: u64, now: Now) {
        let state = match doubt {
            true => State::Sending,
            false => State::Waiting,
        };
        self.end(id, state, Some(why), due_ms, now);
    }

    fn end(&mut self, id: EntryId, state: State, problem: Option<String>, due_ms: u64, now: Now) {
        let Some(kept) = self.entries.get_mut(&id) else {
            return;
        };
        self.busy -= usize::from(std::mem::take(&mut kept.busy));
        kept.due_ms = due_ms;
        kept.entry.state = state;
        kept.entry.problem = problem;
        let wait_ms = due_ms.saturating_sub(now.mono_ms);
        kept.entry.next_s = now.wall_s.saturating_add((wait_ms / 1_000) as i64);
    }

    /// The backend accepts the key again: what is held is tried soon.
    pub fn release_held(&mut self, due_ms: u64) {
        let held = |kept: &&mut Kept| kept.entry.state == State::Held && !kept.busy;
        for kept in self.entries.values_mut().filter(held) {
            kept.due_ms = kept.due_ms.min(due_ms);
        }
    }

    /// An operator wants it tried at once, whatever it is waiting for; `open_ms`: but not before this. Gives
    /// when it is tried.
    pub fn retry(&mut self, id: EntryId, open_ms: u64, now: Now) -> Result<u64, QueueError> {
        let kept = self.entries.get_mut(&id).ok_or(QueueError::Unknown(id))?;
        let settles_ms = now.mono_ms + kept.entry.settles_ms(now);
        match kept.entry.state {
            State::Done => return Err(QueueError::Done(id)),
            State::Dead | State::Held => kept.entry.state = State::Waiting,
            State::Waiting | State::Sending => {}
        }
        let due_ms = open_ms.max(settles_ms);
        kept.due_ms = due_ms;
        kept.entry.tries = 0;
        let wait_s = (due_ms - now.mono_ms).div_ceil(1_000);
        kept.entry.next_s = now.wall_s.saturating_add(wait_s as i64);
        Ok(due_ms)
    }

    /// What is sent before an entry: open ones of the same player and series.
    pub fn open_before(&self, id: EntryId) -> Vec<EntryId> {
        let Some(entry) = self.get(id) else {
            return Vec::new();
        };
        let series = entry.change.series();
        let is_before =
            |other: &&Entry| other.id < id && other.is_open() && other.change.series() == series;
        let before = self.of(entry.steam).filter(is_before);
        before.map(|other| other.id).collect()
    }

    /// What entries of a player have made.
    pub fn made(&self, steam: SteamId) -> impl Iterator<Item = Uuid> {
        self.kept_of(steam).filter_map(|kept| kept.entry.made)
    }

    /// Whether an operator may have it dropped.
    pub fn droppable(&self, id: EntryId) -> Result<(), QueueError> {
        match self.entries.get(&id) {
            None => Err(QueueError::Unknown(id)),
            Some(kept) if kept.busy => Err(QueueError::Busy(id)),
            Some(_) => Ok(()),
        }
    }

    /// What the backend lists of this bundle was requested at this moment, and is on disk.
    pub fn settled(&mut self, bundle: Uuid, asked_ms: u64) {
        self.each_done(|kept| {
            let before = kept.done_ms.is_some_and(|done_ms| done_ms < asked_ms);
            kept.settled |= before && kept.recorded && kept.entry.bundle == bundle;
        });
    }

    /// No list will come of any other bundle.
    pub fn settle_but(&mut self, is_listed: impl Fn(Uuid) -> bool) {
        self.each_done(|kept| kept.settled |= kept.recorded && !is_listed(kept.entry.bundle));
    }

    /// Entries that the backend has and that are not needed any more: they are settled, no call can come back
    /// for them, and none that is alike can be taken for them.
    pub fn expired(&self, now: Now) -> Vec<EntryId> {
        let is_over = |kept: &&Kept| kept.expires_ms().is_some_and(|ms| ms <= now.mono_ms);
        let expired = self.all_done().filter(is_over);
        expired.map(|kept| kept.entry.id).collect()
    }
}

impl Kept {
    fn expires_ms(&self) -> Option<u64> {
        let keep_ms = match self.entry.call {
            Some(_) => limits::SQL_JOURNAL_KEEP_MS,
            None => limits::OUTBOX_DONE_MS,
        };
        let done_ms = self.done_ms.filter(|_| self.settled)?;
        Some(done_ms + keep_ms)
    }
}

/// Why an operator's request about an entry is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    NoNumber(String),
    Unknown(EntryId),
    Done(EntryId),
    Busy(EntryId),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber(text) => {
                write!(
                    f,
                    "{text:?} is no number of an entry; see `vpid queue list`"
                )
            }
            Self::Unknown(id) => write!(f, "there is no entry {id}; see `vpid queue list`"),
            Self::Done(id) => write!(f, "VyHub has {id} already"),
            Self::Busy(id) => write!(f, "{id} is being sent just now; try again in a minute"),
        }
    }
}
