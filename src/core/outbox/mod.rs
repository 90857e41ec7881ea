//! What must reach the backend: durable before anything follows from it, in order for each player and
//! series of changes, and never dropped by whatever the backend replies.
//!
//! This part knows entries, their order and when each is due; `kinds` knows what depends on a change's
//! kind. `community::changes` sends them; the daemon writes the files.
//!
//! A ban, an unban or a warning, from a command in chat or a call of a script, goes this way:
//!
//! 1. Accepted: written to `state/outbox` and synced. Only then does it exist: the issuer gets the
//!    response, a banned player is kicked, an unban lifts what waits before it.
//! 2. Its turn: the oldest open entry of each player and series may go, two at once, ten in a second. While
//!    VyHub is in trouble, one at a time tries, ever more slowly (`gate`).
//! 3. Its player is found in VyHub, or made.
//! 4. Compared, when in doubt: a ban or warning that is marked as sent may have been carried out by an
//!    earlier try, also of an earlier run. What stands in VyHub with its time, length, reason and
//!    issuer is it, and the entry is done. (The API has no key by which it would know a repetition.)
//! 5. Marked as sent, on disk. An unban needs no mark: twice is as once, apart from a ban that came in
//!    between.
//! 6. Sent, and its reply judged (`protocol::vyhub` says what kind of failure it is): done; again; in
//!    doubt; held, because VyHub refuses vpid itself; or dead, because it refuses this change. A reply that
//!    is not in VyHub's words comes from something in between, and says nothing.
//! 7. Its end is on disk before the next change of this player and series is sent: else a crash would send
//!    it once more, behind that one.
//! 8. Kept until a list of bans that was requested after its end is on disk, so that a ban is always in
//!    one of the two. What came from a script's call is kept two minutes at least, for a call that
//!    comes back.

mod entry;
mod gate;
mod kinds;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

pub use entry::{Change, Entry, EntryId, Issuer, NewEntry, Origin, State};
pub use kinds::{Comparison, Series};

use super::Now;
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use gate::Gate;

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
    /// Its end is on disk: else what comes after it must wait, since it would be sent once more
    /// after a crash, and undo that.
    recorded: bool,
}

pub struct Outbox {
    entries: BTreeMap<EntryId, Kept>,
    /// In their order.
    of_player: HashMap<SteamId, Vec<EntryId>>,
    gate: Gate,
    last_id: EntryId,
    /// How many there were when the operator was warned last.
    warned: usize,
}

impl Outbox {
    /// With what an earlier run has left, by file name; also gives the names of files that are no
    /// entries, each with a sentence.
    pub fn restore(files: &[(String, String)], seed: u64) -> (Self, Vec<(String, String)>) {
        let mut outbox = Self {
            entries: BTreeMap::new(),
            of_player: HashMap::new(),
            gate: Gate::new(seed),
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
                        due_ms: 0,
                        done_ms: (entry.state == State::Done).then_some(0),
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

    /// Adds an entry; it has to be stored before it counts. `api_s`: the time by the backend's clock.
    /// `None`: there is no room.
    pub fn accept(&mut self, new: NewEntry, api_s: i64, now: Now) -> Option<&Entry> {
        if self.entries.len() >= limits::OUTBOX_ENTRIES_MAX {
            return None;
        }
        let micros = u64::try_from(now.wall_s).unwrap_or(0) * 1_000_000;
        let id = micros.max(self.last_id + 1);
        self.last_id = id;
        // Bans that are alike otherwise are told apart by the time.
        let before = self.of(new.steam).map(|entry| entry.created.as_second());
        let before = before.max().unwrap_or(i64::MIN);
        let apart_s = before.saturating_add(limits::SAME_BAN_S + 1);
        let created_s =
            match api_s <= before.saturating_add(limits::SAME_BAN_S) && api_s + 60 > before {
                true => apart_s,
                false => api_s,
            };
        let created = Timestamp::from_second(created_s).unwrap_or(Timestamp::UNIX_EPOCH);
        let kept = Kept {
            entry: Entry::new(id, created, new),
            stored: false,
            busy: false,
            due_ms: now.mono_ms,
            done_ms: None,
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

    pub fn remove(&mut self, id: EntryId) -> Option<Entry> {
        let kept = self.entries.remove(&id)?;
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
    /// fails for ever is in the way of others.
    pub fn begin(&mut self, now: Now) -> Option<EntryId> {
        if !self.gate.is_open(now.mono_ms) {
            return None;
        }
        let ready = |kept: &&Kept| kept.stored && !kept.busy && kept.due_ms <= now.mono_ms;
        let turn = |kept: &&Kept| (kept.entry.tries, kept.entry.id);
        let id = self.heads().filter(ready).min_by_key(turn)?.entry.id;
        let kept = self.entries.get_mut(&id)?;
        kept.busy = true;
        kept.entry.tries = kept.entry.tries.saturating_add(1);
        self.gate.pass(now.mono_ms);
        Some(id)
    }

    /// When [`Outbox::begin`] may give something.
    pub fn due_ms(&self) -> Option<u64> {
        let waiting = self.heads().filter(|kept| kept.stored && !kept.busy);
        let waiting = waiting.map(|kept| kept.due_ms).min();
        let send_ms = waiting
            .zip(self.gate.open_ms())
            .map(|(due, open)| due.max(open));
        let unrecorded = self
            .entries
            .values()
            .filter(|kept| !kept.recorded && !kept.busy);
        unrecorded.map(|kept| kept.due_ms).chain(send_ms).min()
    }

    /// The backend has it.
    pub fn done(&mut self, id: EntryId, now: Now) {
        self.gate.answered();
        self.end(id, State::Done, None, now.mono_ms, now);
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.done_ms = Some(now.mono_ms);
            kept.recorded = false;
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

    /// An entry whose end is to be written down now.
    pub fn to_record(&mut self, now: Now) -> Option<EntryId> {
        let due = |kept: &&mut Kept| !kept.recorded && !kept.busy && kept.due_ms <= now.mono_ms;
        let kept = self.entries.values_mut().find(due)?;
        kept.busy = true;
        Some(kept.entry.id)
    }

    /// It becomes a dead letter.
    pub fn kill(&mut self, id: EntryId, why: String, now: Now) {
        self.gate.answered();
        self.end(id, State::Dead, Some(why), now.mono_ms, now);
    }

    /// The backend refuses vpid itself, for all or for this one.
    pub fn hold(&mut self, id: EntryId, why: String, whole: bool, now: Now) {
        match whole {
            true => self.gate.refused(now.mono_ms),
            false => self.gate.answered(),
        }
        let due_ms = now.mono_ms + limits::OUTBOX_HELD_MS;
        self.end(id, State::Held, Some(why), due_ms, now);
    }

    /// It is tried again.
    pub fn again(&mut self, id: EntryId, why: String, wait: Wait, now: Now) {
        match wait.whole {
            true => self.gate.trouble(wait.after_s, now.mono_ms),
            false => self.gate.answered(),
        }
        let Some(kept) = self.entries.get(&id) else {
            return;
        };
        let tries = kept.entry.tries.saturating_sub(1);
        let state = match wait.doubt {
            true => State::Sending,
            false => State::Waiting,
        };
        let pause_ms = match wait.whole {
            // The gate keeps it back.
            true => 0,
            false => self.gate.back_off_ms(tries, limits::OUTBOX_RETRY_MS_MAX),
        };
        let due_ms = now.mono_ms + pause_ms.max(wait.after_s * 1_000);
        self.end(id, state, Some(why), due_ms, now);
    }

    fn end(&mut self, id: EntryId, state: State, problem: Option<String>, due_ms: u64, now: Now) {
        let gate_ms = self.gate.open_ms().unwrap_or(0);
        let Some(kept) = self.entries.get_mut(&id) else {
            return;
        };
        kept.busy = false;
        kept.due_ms = due_ms;
        kept.entry.state = state;
        kept.entry.problem = problem;
        let wait_ms = due_ms.max(gate_ms).saturating_sub(now.mono_ms);
        kept.entry.next_s = now.wall_s.saturating_add((wait_ms / 1_000) as i64);
    }

    /// The backend is reachable after all, or accepts the key again.
    pub fn encourage(&mut self, now: Now) {
        self.gate.encourage(now.mono_ms);
        let soon_ms = now.mono_ms + limits::OUTBOX_RETRY_MS_MIN;
        let held = |kept: &&mut Kept| kept.entry.state == State::Held && !kept.busy;
        for kept in self.entries.values_mut().filter(held) {
            kept.due_ms = kept.due_ms.min(soon_ms);
        }
    }

    /// An operator wants it tried at once, whatever it is waiting for.
    pub fn retry(&mut self, id: EntryId, now: Now) -> Result<(), String> {
        let kept = self.entries.get_mut(&id);
        let kept = kept.ok_or_else(|| format!("there is no entry {id}; see `vpid queue list`"))?;
        match kept.entry.state {
            State::Done => return Err(format!("VyHub has {id} already")),
            State::Dead | State::Held => kept.entry.state = State::Waiting,
            State::Waiting | State::Sending => {}
        }
        kept.due_ms = now.mono_ms;
        kept.entry.tries = 0;
        self.gate.insist(now.mono_ms);
        let gate_ms = self.gate.open_ms().unwrap_or(0);
        let wait_ms = gate_ms.saturating_sub(now.mono_ms);
        kept.entry.next_s = now.wall_s.saturating_add((wait_ms / 1_000) as i64);
        Ok(())
    }

    /// Whether an operator may have it dropped.
    pub fn droppable(&self, id: EntryId) -> Result<(), String> {
        match self.entries.get(&id) {
            None => Err(format!("there is no entry {id}; see `vpid queue list`")),
            Some(kept) if kept.busy => Err(format!(
                "{id} is being sent just now; try again in a minute"
            )),
            Some(_) => Ok(()),
        }
    }

    /// Entries that the backend has and that are not needed any more: what this bundle lists was requested
    /// after they were done, and no call can come back for them.
    pub fn settled(&self, bundle: Uuid, asked_ms: u64, now: Now) -> Vec<EntryId> {
        let is_settled = |kept: &&Kept| {
            let Some(done_ms) = kept.done_ms else {
                return false;
            };
            let of_calls = match kept.entry.call {
                Some(_) => now.mono_ms >= done_ms + limits::SQL_JOURNAL_KEEP_MS,
                None => true,
            };
            kept.recorded && kept.entry.bundle == bundle && done_ms < asked_ms && of_calls
        };
        let settled = self.entries.values().filter(is_settled);
        settled.map(|kept| kept.entry.id).collect()
    }
}

/// How long an entry is to wait, and why.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    /// What the API asks for, in seconds.
    pub after_s: u64,
    /// It may have been carried out, now or in an earlier try.
    pub doubt: bool,
    /// The trouble is not about this entry alone.
    pub whole: bool,
}

impl Wait {
    pub fn for_s(after_s: u64) -> Self {
        Self {
            after_s,
            ..Self::default()
        }
    }
}
