//! What must reach the backend: durable before anything follows from it, in order for each player and
//! series of changes, and never dropped by whatever the backend replies.
//!
//! This part knows entries, their order and when each is due; `kinds` knows what depends on a change's
//! kind. `community::changes` sends them, at the pace of `community::pace`; the daemon writes the files.
//!
//! A ban (of a player or of addresses), an unban or a warning, from a command in chat or a call of a script, goes this way:
//!
//! 1. Accepted: written to `state/outbox` and synced. Only then does it exist: the issuer gets the
//!    response, a banned player is kicked, an unban lifts what waits before it.
//! 2. Its turn: the oldest open entry of each player and series may go, two at once.
//! 3. Its player is found in the backend, or made.
//! 4. Compared, when in doubt: a ban of a player or a warning that is marked as sent may have been carried out by an
//!    earlier try, also of an earlier run; but not before the backend must have finished with that try. What
//!    stands there with its time, length, reason and issuer is it, and the entry is done. (VyHub has no key by
//!    which it would know a repetition; a database knows the id of the change.) What other entries had made when it was sent is not it.
//! 5. Marked as sent, on disk; a report of a reward needs no mark. What an unban or the end of memberships is to
//!    end is listed before, also when it is repeated: only what stood when it was ordered ends, one by one.
//! 6. Sent, and its reply judged (the backend says what kind of failure it is): done; again; in
//!    doubt; held, because the backend refuses vpid itself; or dead, because it refuses this change. A reply
//!    that is not in the backend's words comes from something in between, and says nothing.
//! 7. Its end is on disk before the next change of this player and series is sent: else a crash would send
//!    it once more, behind that one.
//! 8. Kept until a list of bans (or of bans of addresses, for those) that was requested after its end is on disk, so that a ban is always in
//!    one of the two. What came from a script's call is kept two minutes at least, for a call that
//!    comes back.
//!
//! Playtime is added to what the backend has, so twice is too much. It counts only when its counter knows of it
//! on disk, too (`community::playtime`); in 4., the total that was read before 5. is compared with what it is now.

mod entry;
mod kinds;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;

pub use entry::{
    Change, Entry, EntryError, EntryId, Issuer, NewEntry, Origin, Playtime, State, Total, Whom,
};
pub use kinds::{Comparison, Ends, List, Series};
use turns::{Place, Turns};

use super::Now;
use crate::limits;
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
    /// Where it is in [`Outbox::turns`], and whether it counts as open or dead in [`Outbox::tallies`].
    place: Option<Place>,
    tallied: (bool, bool),
}

/// How many of a series have to be sent, and how many are dead letters.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    open: usize,
    dead: usize,
}

pub struct Outbox {
    entries: BTreeMap<EntryId, Kept>,
    /// Those that the backend has, until they are removed.
    done: BTreeSet<EntryId>,
    /// Of these, those whose end is not on disk; those that no list has settled, by bundle and list; and the others by
    /// when they are removed.
    unrecorded: BTreeSet<EntryId>,
    unsettled: BTreeMap<(Uuid, List), BTreeSet<EntryId>>,
    expiring: BTreeSet<(u64, EntryId)>,
    turns: Turns,
    /// By series.
    tallies: [Tally; Series::COUNT],
    /// In their order.
    about: HashMap<Whom, Vec<EntryId>>,
    /// How many are being sent.
    busy: usize,
    /// Changes of playtime are sent many at once, and take no place.
    playtime_together: bool,
    /// How many of these are reports.
    busy_reports: usize,
    last_id: EntryId,
    /// How many there were when the operator was warned last.
    warned: usize,
}

/// Ids follow the clock, so that people can see their order.
fn micros(now: Now) -> u64 {
    u64::try_from(now.wall_s).unwrap_or(0) * 1_000_000
}

impl Outbox {
    /// With what an earlier run has left, by file name; also gives the names of files that are no
    /// entries. `seed`: another one for each run, from which its ids follow.
    pub fn restore(
        files: &[(String, String)],
        seed: u64,
        now: Now,
    ) -> (Self, Vec<(String, EntryError)>) {
        let mut outbox = Self {
            entries: BTreeMap::new(),
            done: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            unsettled: BTreeMap::new(),
            expiring: BTreeSet::new(),
            turns: Turns::default(),
            tallies: [Tally::default(); Series::COUNT],
            about: HashMap::new(),
            busy: 0,
            playtime_together: false,
            busy_reports: 0,
            last_id: 0,
            warned: 0,
        };
        let mut strangers = Vec::new();
        for (name, text) in files {
            match Entry::parse(name, text) {
                Ok(entry) => {
                    outbox.last_id = outbox.last_id.max(entry.id);
                    let kept = Kept {
                        stored: !entry.change.waits_for_counter(),
                        busy: false,
                        due_ms: now.mono_ms + entry.settles_ms(now),
                        done_ms: (entry.state == State::Done).then_some(0),
                        listed: false,
                        settled: false,
                        recorded: true,
                        place: None,
                        tallied: (false, false),
                        entry,
                    };
                    outbox.insert(kept);
                }
                Err(problem) => strangers.push((name.clone(), problem)),
            }
        }
        // A change's id is what a database knows it by, so none may come back: neither where a start follows within
        // the second, nor where the clock was set back and entries with higher ids are gone.
        let first = outbox.last_id.max(micros(now));
        outbox.last_id = first + seed % limits::OUTBOX_IDS_SPREAD;
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
        let is_full = self.is_full();
        // A report is open or a dead letter, and removed when it has arrived.
        let (open, dead) = self.counts_of(Series::Reports);
        if is_full || (new.change.is_report() && open + dead >= limits::OUTBOX_REWARDS_MAX) {
            return None;
        }
        let id = micros(now).max(self.last_id + 1);
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
            place: None,
            tallied: (false, false),
        };
        self.insert(kept);
        self.get(id)
    }

    fn insert(&mut self, kept: Kept) {
        let (id, whom) = (kept.entry.id, kept.entry.whom);
        let ids = self.about.entry(whom).or_default();
        let at = ids.partition_point(|other| *other < id);
        ids.insert(at, id);
        let is_done = kept.done_ms.is_some();
        self.entries.insert(id, kept);
        if is_done {
            self.is_done(id);
        }
        self.changed(id);
    }

    /// The backend has it.
    fn is_done(&mut self, id: EntryId) {
        let Some(kept) = self.entries.get(&id) else {
            return;
        };
        self.done.insert(id);
        if !kept.recorded {
            self.unrecorded.insert(id);
        }
        let unsettled = self.unsettled.entry(kept.list()).or_default();
        unsettled.insert(id);
    }

    /// What an entry's turn depends on may have changed, and so may that of others of its player.
    fn changed(&mut self, id: EntryId) {
        let Some(kept) = self.entries.get_mut(&id) else {
            return;
        };
        let (whom, series) = (kept.entry.whom, kept.entry.change.series());
        let (before, after) = (kept.tallied, kept.tally());
        kept.tallied = after;
        tally(&mut self.tallies, series, before, after);
        match series {
            Series::Reports => kept.put(true, &mut self.turns),
            _ => self.find_first(whom, series),
        }
    }

    /// The first unfinished entry of a player and series has a turn, and no other.
    fn find_first(&mut self, whom: Whom, series: Series) {
        let ids = self.about.get(&whom).into_iter().flatten();
        let mut has_first = false;
        for id in ids {
            let kept = self.entries.get_mut(id);
            if let Some(kept) = kept.filter(|kept| kept.entry.change.series() == series) {
                let is_first = kept.is_unfinished() && !std::mem::replace(&mut has_first, true);
                kept.put(is_first, &mut self.turns);
            }
        }
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
            "{open} changes wait to be sent, of {} at most: see `vpid queue list`",
            limits::OUTBOX_ENTRIES_MAX
        ))
    }

    pub fn stored(&mut self, id: EntryId) {
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.stored = true;
            self.changed(id);
        }
    }

    pub fn is_stored(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|kept| kept.stored)
    }

    /// Whether a ban of this player is ordered, and on its way to the disk.
    pub fn is_entering(&self, whom: Whom, bundle: Uuid) -> bool {
        let is_ban = |kept: &Kept| kept.entry.change.is_standing_ban() && !kept.stored;
        self.kept_of(whom)
            .any(|kept| is_ban(kept) && kept.entry.bundle == bundle)
    }

    /// Whether this is a ban that stands, and a later unban waits behind it.
    pub fn is_lifted(&self, id: EntryId) -> bool {
        let Some(ban) = self.get(id).filter(|entry| entry.change.is_standing_ban()) else {
            return false;
        };
        let mut later = self.of(ban.whom).filter(|entry| entry.id > id);
        later.any(|it| it.change.is_unban() && it.bundle == ban.bundle && it.is_open())
    }

    pub fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id).map(|kept| &kept.entry)
    }

    /// To change what its turn does not depend on: not its kind, nor whether it is open.
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
        self.unrecorded.remove(&id);
        if let Some(unsettled) = self.unsettled.get_mut(&kept.list()) {
            unsettled.remove(&id);
            if unsettled.is_empty() {
                self.unsettled.remove(&kept.list());
            }
        }
        if let Some(expires_ms) = kept.expires_ms() {
            self.expiring.remove(&(expires_ms, id));
        }
        self.turns.change(id, kept.place, None);
        let series = kept.entry.change.series();
        tally(&mut self.tallies, series, kept.tallied, (false, false));
        let is_report = kept.entry.change.is_report();
        let was_busy = usize::from(kept.busy && kept.recorded);
        self.busy -= was_busy * self.places_of(series);
        self.busy_reports -= was_busy * usize::from(is_report);
        if let Some(ids) = self.about.get_mut(&kept.entry.whom) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.about.remove(&kept.entry.whom);
            }
        }
        if !is_report {
            self.find_first(kept.entry.whom, series);
        }
        Some(kept.entry)
    }

    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|kept| &kept.entry)
    }

    /// What counts of one player or of some addresses, the oldest first.
    pub fn of(&self, whom: impl Into<Whom>) -> impl Iterator<Item = &Entry> {
        let kept = self.kept_of(whom.into()).filter(|kept| kept.stored);
        kept.map(|kept| &kept.entry)
    }

    /// The same, as far as the backend's list does not have it.
    pub fn unlisted(&self, whom: impl Into<Whom>) -> impl Iterator<Item = &Entry> {
        let counts = |kept: &&Kept| kept.stored && !kept.listed;
        let kept = self.kept_of(whom.into()).filter(counts);
        kept.map(|kept| &kept.entry)
    }

    /// A list of this bundle that was requested at this moment has come.
    pub fn listed(&mut self, bundle: Uuid, list: List, asked_ms: u64) {
        for id in &self.done {
            if let Some(kept) = self.entries.get_mut(id) {
                kept.listed |= kept.was_done_before(asked_ms) && kept.list() == (bundle, list);
            }
        }
    }

    fn kept_of(&self, whom: Whom) -> impl Iterator<Item = &Kept> {
        let ids = self.about.get(&whom).into_iter().flatten();
        ids.filter_map(|id| self.entries.get(id))
    }

    /// Entries that have to be sent.
    pub fn open_count(&self) -> usize {
        self.tallies.iter().map(|tally| tally.open).sum()
    }

    /// Whether there is no room for any other change.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= limits::OUTBOX_ENTRIES_MAX
    }

    pub fn dead_count(&self) -> usize {
        self.tallies.iter().map(|tally| tally.dead).sum()
    }

    /// How many entries of a series have to be sent, and how many are dead letters.
    pub fn counts_of(&self, series: Series) -> (usize, usize) {
        let Tally { open, dead } = self.tallies[series as usize];
        (open, dead)
    }

    /// The entry that a call has made.
    pub fn of_call(&self, call: Origin) -> Option<&Entry> {
        self.all().find(|entry| entry.call == Some(call))
    }

    /// Begins with the entry whose turn it is: the most urgent series first, and of one those that were tried
    /// less, so that none that fails for ever is in the way of others. What is not urgent leaves a place free;
    /// reports come last, one at once. `open_ms`: when a change of this kind may be sent.
    pub fn begin(&mut self, now: Now, open_ms: impl Fn(&Change) -> Option<u64>) -> Option<EntryId> {
        let entries = &self.entries;
        let is_open = |id| {
            let open_ms = entries.get(&id).and_then(|it| open_ms(&it.entry.change));
            open_ms.is_some_and(|open_ms| open_ms <= now.mono_ms)
        };
        let places = self.places();
        let due = self.turns.due(now.mono_ms);
        let due = due.filter(|(series, _, id)| places(*series) && is_open(*id));
        let (series, _, id) = due.min()?;
        let kept = self.entries.get_mut(&id)?;
        kept.busy = true;
        kept.entry.tries = kept.entry.tries.saturating_add(1);
        self.busy += self.places_of(series);
        self.busy_reports += usize::from(series == Series::Reports);
        self.changed(id);
        Some(id)
    }

    /// Changes of playtime go to the backend many at once.
    pub fn send_playtime_together(&mut self) {
        self.playtime_together = true;
    }

    /// How many places one of a series takes while it is being sent.
    fn places_of(&self, series: Series) -> usize {
        usize::from(!(self.playtime_together && series == Series::Playtime))
    }

    /// Whether there is a place for one of a series. One is kept for what is urgent.
    fn places(&self) -> impl Fn(Series) -> bool + use<> {
        let (busy, busy_reports) = (self.busy, self.busy_reports);
        let together = self.playtime_together;
        move |series| {
            if together && series == Series::Playtime {
                return true;
            }
            let places = match series.is_urgent() {
                true => limits::OUTBOX_BUSY_MAX,
                false => limits::OUTBOX_BUSY_MAX - 1,
            };
            busy < places && (series != Series::Reports || busy_reports == 0)
        }
    }

    /// When [`Outbox::begin`] may give something. `open_ms`: when a change of this kind may be sent.
    pub fn due_ms(&self, open_ms: impl Fn(&Change) -> Option<u64>) -> Option<u64> {
        let places = self.places();
        let next = self.turns.next().filter(|(series, _)| places(*series));
        let waiting = next.filter_map(|(_, id)| {
            let kept = self.entries.get(&id)?;
            Some(kept.due_ms.max(open_ms(&kept.entry.change)?))
        });
        let unrecorded = self.unrecorded.iter();
        let unrecorded = unrecorded.filter_map(|id| self.entries.get(id));
        let recording = unrecorded.filter(|kept| !kept.busy).map(|kept| kept.due_ms);
        let expiring = self.expiring.first().map(|(expires_ms, _)| *expires_ms);
        recording.chain(expiring).chain(waiting).min()
    }

    /// The backend has it, under this id if it has one.
    pub fn done(&mut self, id: EntryId, made: Option<Uuid>, now: Now) {
        self.end(id, State::Done, None, now.mono_ms, now);
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.done_ms = Some(now.mono_ms);
            kept.recorded = false;
            kept.entry.made = made;
            self.is_done(id);
            self.changed(id);
        }
    }

    /// Its end is on disk, or could not be written: then it is tried again later.
    pub fn recorded(&mut self, id: EntryId, ok: bool, now: Now) {
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.recorded = ok;
            kept.due_ms = now.mono_ms + limits::OUTBOX_RETRY_MS_MIN;
            // Not while the write is under way.
            kept.busy = false;
            if ok {
                self.unrecorded.remove(&id);
            }
            self.changed(id);
        }
    }

    /// An entry whose end is to be recorded now.
    pub fn to_record(&mut self, now: Now) -> Option<EntryId> {
        let due = |kept: &&Kept| !kept.busy && kept.due_ms <= now.mono_ms;
        let mut unrecorded = self.unrecorded.iter();
        let id = *unrecorded.find(|id| self.entries.get(id).as_ref().is_some_and(due))?;
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
        let was_busy = usize::from(std::mem::take(&mut kept.busy));
        let takes_none = self.playtime_together && kept.entry.change.series() == Series::Playtime;
        self.busy -= if takes_none { 0 } else { was_busy };
        self.busy_reports -= was_busy * usize::from(kept.entry.change.is_report());
        kept.due_ms = due_ms;
        kept.entry.state = state;
        kept.entry.problem = problem;
        let wait_ms = due_ms.saturating_sub(now.mono_ms);
        kept.entry.next_s = now.wall_s.saturating_add((wait_ms / 1_000) as i64);
        self.changed(id);
    }

    /// The backend accepts the key again: what is held is tried soon.
    pub fn release_held(&mut self, due_ms: u64) {
        let is_held = |kept: &&mut Kept| kept.entry.state == State::Held && !kept.busy;
        let mut held = Vec::new();
        for kept in self.entries.values_mut().filter(is_held) {
            kept.due_ms = kept.due_ms.min(due_ms);
            held.push(kept.entry.id);
        }
        for id in held {
            self.changed(id);
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
        self.changed(id);
        Ok(due_ms)
    }

    /// What is sent before an entry: open ones of the same player or addresses, and series.
    pub fn open_before(&self, id: EntryId) -> Vec<EntryId> {
        let Some(entry) = self.get(id) else {
            return Vec::new();
        };
        let series = entry.change.series();
        if entry.change.is_report() {
            return Vec::new();
        }
        let is_before =
            |other: &&Entry| other.id < id && other.is_open() && other.change.series() == series;
        let before = self.of(entry.whom).filter(is_before);
        before.map(|other| other.id).collect()
    }

    /// What entries of a player, or of some addresses, have made.
    pub fn made(&self, whom: Whom) -> impl Iterator<Item = Uuid> {
        self.kept_of(whom).filter_map(|kept| kept.entry.made)
    }

    /// Whether an operator may have it dropped.
    pub fn droppable(&self, id: EntryId) -> Result<(), QueueError> {
        match self.entries.get(&id) {
            None => Err(QueueError::Unknown(id)),
            Some(kept) if kept.busy => Err(QueueError::Busy(id)),
            Some(kept) if kept.entry.state == State::Done => Err(QueueError::Done(id)),
            Some(_) => Ok(()),
        }
    }

    /// A list of this bundle that was requested at this moment is on disk.
    pub fn settled(&mut self, bundle: Uuid, list: List, asked_ms: u64) {
        let is_of = |of, its| (of, its) == (bundle, list);
        self.settle(is_of, |kept| kept.was_done_before(asked_ms));
    }

    /// No other list will come.
    pub fn settle_but(&mut self, is_listed: impl Fn(Uuid, List) -> bool) {
        self.settle(|of, its| !is_listed(of, its), |_| true);
    }

    fn settle(&mut self, is_of: impl Fn(Uuid, List) -> bool, is_settled: impl Fn(&Kept) -> bool) {
        for ((bundle, list), ids) in &mut self.unsettled {
            if !is_of(*bundle, *list) {
                continue;
            }
            ids.retain(|id| {
                let Some(kept) = self.entries.get_mut(id) else {
                    return false;
                };
                kept.settled = kept.recorded && is_settled(kept);
                let expires_ms = kept.expires_ms();
                self.expiring.extend(expires_ms.map(|ms| (ms, *id)));
                expires_ms.is_none()
            });
        }
        self.unsettled.retain(|_, ids| !ids.is_empty());
    }

    /// Entries that the backend has and that are not needed any more: they are settled, no call can come back
    /// for them, and none that is alike can be taken for them.
    pub fn expired(&self, now: Now) -> Vec<EntryId> {
        let expired = self.expiring.range(..=(now.mono_ms, EntryId::MAX));
        expired.map(|(_, id)| *id).collect()
    }
}

impl Kept {
    /// Where the backend lists it.
    fn list(&self) -> (Uuid, List) {
        (self.entry.bundle, self.entry.change.list())
    }

    /// What comes after it must wait for it.
    fn is_unfinished(&self) -> bool {
        self.entry.is_open() || !self.recorded
    }

    /// Where it stands if nothing of its player is before it. `None`: it is not to be sent now.
    fn turn(&self) -> Option<Place> {
        let may = self.entry.is_open() && self.recorded && self.stored && !self.busy;
        may.then(|| Place {
            class: (self.entry.change.series(), self.entry.change.request_kind()),
            due_ms: self.due_ms,
            tries: self.entry.tries,
        })
    }

    fn put(&mut self, is_first: bool, turns: &mut Turns) {
        let after = self.turn().filter(|_| is_first);
        let before = std::mem::replace(&mut self.place, after);
        turns.change(self.entry.id, before, after);
    }

    /// Whether it counts as open, and as dead.
    fn tally(&self) -> (bool, bool) {
        (self.entry.is_open(), self.entry.state == State::Dead)
    }

    fn was_done_before(&self, asked_ms: u64) -> bool {
        self.done_ms.is_some_and(|done_ms| done_ms < asked_ms)
    }

    fn expires_ms(&self) -> Option<u64> {
        let keep_ms = match self.entry.call {
            Some(_) => limits::SQL_JOURNAL_KEEP_MS,
            None => limits::OUTBOX_DONE_MS,
        };
        let done_ms = self.done_ms.filter(|_| self.settled)?;
        Some(done_ms + keep_ms)
    }
}

/// An entry counts otherwise than before: as open, and as dead.
fn tally(
    tallies: &mut [Tally; Series::COUNT],
    series: Series,
    before: (bool, bool),
    after: (bool, bool),
) {
    let tally = &mut tallies[series as usize];
    tally.open = tally.open + usize::from(after.0) - usize::from(before.0);
    tally.dead = tally.dead + usize::from(after.1) - usize::from(before.1);
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
            Self::Done(id) => write!(f, "{id} was sent and accepted already"),
            Self::Busy(id) => write!(f, "{id} is being sent just now; try again in a minute"),
        }
    }
}
