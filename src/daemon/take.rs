//! Taking files: whose is next, and what becomes of one.
//!
//! Servers take turns by the time that their files cost, and so do the hosts of each (`waiting`). A
//! turn ends when its time, bytes or files are used up, whichever comes first.
//!
//! Hosts that have proven who they are share with the other hosts of their server; all others have one
//! share together and take turns within it. Files of a signed session with numbers that are waited for
//! are a line of their own, which nobody joins who knows only the host's name. A host without room is
//! parked until something has happened, and then tried again.
//!
//! A file that is taken is read whole and renamed to `<name>.<id>.taken`, so its name is free for the
//! game again. The id is the time in microseconds, never used twice. After a crash the next start finds
//! the file again; calls that a database's journal knows are answered from it, and the others run.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::folders::Entry;
use super::folders::{Watched, place_of};
use super::scan::Known;
use super::shares::Shares;
use super::waiting::{Chosen, Kind, Origin, Protocol, Taking, WaitingFiles, What};
use super::{Daemon, Due, OpenFile};
use crate::core::{Event, FileId, FolderId, TakenFile};
use crate::io::files::{Stamp, Take};
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::names;

/// What one turn may still take.
struct Budget {
    until: Instant,
    files: usize,
    bytes: usize,
    skips: usize,
}

impl Budget {
    fn of_turn() -> Self {
        Self {
            until: Instant::now() + Duration::from_micros(limits::TURN_TAKE_US),
            files: limits::TURN_FILES_MAX,
            bytes: limits::TURN_BYTES_MAX,
            skips: limits::TURN_SKIPS_MAX,
        }
    }

    fn is_spent(&self) -> bool {
        let some = self.files < limits::TURN_FILES_MAX;
        self.files == 0
            || self.skips == 0
            || some && (self.bytes == 0 || Instant::now() >= self.until)
    }
}

/// Files that wait, and whose turn it is.
#[derive(Default)]
pub(super) struct Queues {
    /// Of each scriptdata folder.
    pub waiting: BTreeMap<FolderId, WaitingFiles>,
    /// Among these folders.
    shares: Shares<FolderId>,
    /// Where reading folders begins in the next turn.
    scan_place: usize,
    /// Events were handled since the last turn: there may be room for files that had none.
    pub has_news: bool,
    /// Bytes of the file that was taken last.
    pub taken_bytes: usize,
    /// Restart files to be removed: their folders, names and modification times.
    restarts: Vec<(FolderId, Rc<str>, i64)>,
}

/// What is known, for names that are found.
pub(super) fn known<'a>(
    core: &'a crate::core::Core,
    open: &'a IdMap<FileId, OpenFile>,
    (FileId(began), FileId(last)): (FileId, FileId),
    now_ms: u64,
) -> Known<'a> {
    Known {
        core,
        open,
        ours: FileId(began)..FileId(last.saturating_add(1).max(began)),
        began_ns: i64::try_from(began).unwrap_or(0).saturating_mul(1_000),
        now_ms,
    }
}

impl Daemon {
    /// Whether a file can be taken, or a folder be read on, at once; else after how long, if ever.
    pub(super) fn folders_due(&self) -> Option<Duration> {
        let now = Instant::now();
        let held = Held::now(&self.folders, self.poller.is_behind(), now);
        let busy = self.folders.iter();
        let busy = busy.filter(|watched| watched.folder.is_some() && !watched.scans.is_idle());
        let of_scans = busy.filter_map(|watched| {
            let waiting = self.queues.waiting.get(&watched.of);
            let has_room = waiting.is_none_or(WaitingFiles::has_room_for_strangers);
            watched.scans.due(has_room, now)
        });
        let mut waiting = self.queues.waiting.iter();
        // What has happened since files were taken last may have made room, too.
        let retries = self.queues.has_news;
        if waiting
            .any(|(of, waiting)| waiting.is_ready(held.of(*of)) || retries && waiting.has_parked())
        {
            return Some(Duration::ZERO);
        }
        of_scans.min()
    }

    /// Reads on in folders that are to be scanned, for a bounded time. Whether files were found.
    pub(super) fn scan_folders(&mut self) -> bool {
        let files = |waiting: &BTreeMap<FolderId, WaitingFiles>| -> usize {
            waiting.values().map(WaitingFiles::len).sum()
        };
        let before = files(&self.queues.waiting);
        let count = self.folders.len();
        let began = Instant::now();
        let now_ms = self.now().mono_ms;
        for nth in 0..count {
            let place = (self.queues.scan_place + nth) % count;
            let ours = (self.first_file, self.last_file);
            let known = known(&self.core, &self.open_files, ours, now_ms);
            let watched = &mut self.folders[place];
            if watched.scans.is_idle() {
                continue;
            }
            let waiting = self.queues.waiting.entry(watched.of).or_default();
            let holds = watched.scans.holds_back(watched.protocol, began);
            let most_us = match holds {
                true => limits::TURN_SCAN_FIRST_US,
                false => limits::TURN_SCAN_US,
            };
            let until = began + Duration::from_micros(most_us);
            if nth > 0 && Instant::now() >= until {
                continue;
            }
            watched.scan(waiting, &known, until);
            self.recover_sent(place, until);
        }
        self.queues.scan_place = (self.queues.scan_place + 1) % count.max(1);
        files(&self.queues.waiting) > before
    }

    /// Takes waiting files while the turn's budget lasts and there is room for their calls.
    pub(super) fn take_files(&mut self) -> usize {
        let mut budget = Budget::of_turn();
        let held = Held::now(&self.folders, self.poller.is_behind(), Instant::now());
        // Whatever has happened may have made room.
        let retry = std::mem::take(&mut self.queues.has_news);
        for (of, waiting) in &mut self.queues.waiting {
            if retry {
                waiting.retry();
            }
            waiting.unpark(limits::TURN_RETRIES_MAX);
            if waiting.is_ready(held.of(*of)) {
                self.queues.shares.join(*of);
            }
            while let Some(protocol) = waiting.wants_rescan() {
                if let Some(place) = place_of(&self.folders, *of, protocol) {
                    self.folders[place].scans.wanted(false);
                }
            }
        }
        while !budget.is_spent()
            && let Some(of) = self.queues.shares.next(|_| true)
        {
            let waiting = self.queues.waiting.get_mut(&of);
            match waiting.and_then(|waiting| waiting.next(held.of(of))) {
                None => self.queues.shares.leave(of),
                Some(chosen) => self.take_of(of, chosen, &mut budget),
            }
        }
        limits::TURN_FILES_MAX - budget.files
    }

    /// Takes the next file of a host, if there is room for it.
    fn take_of(&mut self, of: FolderId, chosen: Chosen, budget: &mut Budget) {
        let began = Instant::now();
        let Some(waiting) = self.queues.waiting.get_mut(&of) else {
            return;
        };
        let Some((host, kind, was_proven)) = waiting.of(chosen.lane) else {
            return waiting.forget(chosen.lane);
        };
        let protocol = kind.protocol();
        let place = place_of(&self.folders, of, protocol);
        let owner = self.core.owner(of, &host, protocol == Protocol::Stock);
        let (Some(place), Some(owner)) = (place, owner) else {
            budget.skips -= 1;
            return waiting.forget(chosen.lane);
        };
        let proven = kind == Kind::Session || self.core.is_proven(owner, &host);
        if proven != was_proven {
            budget.skips -= 1;
            return waiting.set_proven(chosen.lane, proven);
        }
        if !self.core.has_room(owner) {
            budget.skips -= 1;
            return waiting.park(chosen);
        }
        let Some(file) = waiting.pop(chosen.lane) else {
            return waiting.done(chosen, 0);
        };
        self.queues.taken_bytes = 0;
        self.take_file(Taking {
            place,
            host,
            kind,
            proven,
            file,
        });
        self.drain_events();
        if self.jobs.len() >= limits::SUBMIT_JOBS_MIN {
            self.hand_over();
        }
        budget.files -= 1;
        budget.bytes = budget.bytes.saturating_sub(self.queues.taken_bytes);
        let cost_us = began.elapsed().as_micros() as u64;
        self.queues.shares.charge(of, cost_us);
        if let Some(waiting) = self.queues.waiting.get_mut(&of) {
            waiting.done(chosen, cost_us);
        }
    }

    /// This run holds a file from now on, under its present name.
    pub(super) fn holds(&mut self, place: usize, file: FileId, name: String) {
        let watched = &self.folders[place];
        let (folder, protocol) = (watched.of, watched.protocol);
        let open = OpenFile {
            folder,
            protocol,
            name,
        };
        self.open_files.insert(file, open);
    }

    fn take_file(&mut self, taking: Taking) {
        match taking.file.what {
            What::Restart => self.take_restart(taking),
            What::Calls(origin) => self.take_calls(taking, origin),
            What::Hello(session) => self.take_hello(taking, session),
            What::Messages { session, n, origin } => self.take_messages(taking, session, n, origin),
        }
    }

    /// Reads a file of at most `bytes_max`, and takes it where no earlier look did. Gives its id, its
    /// name from now on, whether an earlier run took it, and what came of it; `None` where that is
    /// dealt with.
    pub(super) fn claim(
        &mut self,
        taking: &Taking,
        origin: Origin,
        bytes_max: usize,
    ) -> Option<(FileId, String, bool, Take)> {
        let name = &*taking.file.name;
        let (file, taken_name) = match origin {
            Origin::Game => {
                let file = self.next_file_id();
                (file, names::taken(name, file.0))
            }
            Origin::EarlierRun(id) | Origin::ThisRun(id) => (id, name.to_string()),
        };
        let folder = self.folders[taking.place].open_folder().ok()?;
        let take = match origin {
            Origin::Game => {
                self.poller.changed();
                folder.take(name, &taken_name, bytes_max)
            }
            Origin::EarlierRun(_) | Origin::ThisRun(_) => folder.read(name, bytes_max),
        };
        let take = match take {
            Ok(Take::Unfinished { stamp, ours }) => {
                let ours = ours.then_some((taken_name, file));
                self.wait_for_the_end(taking, stamp, ours);
                return None;
            }
            Ok(take) => take,
            Err(error) => {
                self.folders[taking.place].unfinished.remove(name);
                let problem = format!("it cannot be taken ({error})");
                self.complain(taking.place, name, &problem);
                return None;
            }
        };
        self.folders[taking.place].unfinished.remove(name);
        match take {
            Take::Gone => return None,
            Take::NotAFile => {
                self.complain_of_thing(taking.place, name);
                return None;
            }
            Take::Taken { ref bytes, .. } => self.queues.taken_bytes += bytes.len(),
            Take::Unfinished { .. } | Take::TooLarge { .. } => {}
        }
        let recovered = matches!(origin, Origin::EarlierRun(_));
        Some((file, taken_name, recovered, take))
    }

    /// A call file of the stock client.
    fn take_calls(&mut self, taking: Taking, origin: Origin) {
        let max = limits::CALL_FILE_BYTES_MAX;
        let place = taking.place;
        let folder = self.folders[place].of;
        let Some((file, name, recovered, take)) = self.claim(&taking, origin, max) else {
            return;
        };
        match take {
            Take::Taken { bytes, mtime_ns } => {
                self.holds(place, file, name);
                self.events.push_back(Event::Calls(TakenFile {
                    folder,
                    host: taking.host.to_string(),
                    file,
                    bytes,
                    mtime_ns,
                    recovered,
                }));
            }
            Take::TooLarge { size } => {
                let reason = format!("it has {size} bytes, more than {max}");
                self.reject_file(place, &name, file, &reason);
            }
            Take::Unfinished { .. } | Take::NotAFile | Take::Gone => {}
        }
    }

    /// A map began. The file goes when that is written down, so that no crash forgets it.
    fn take_restart(&mut self, taking: Taking) {
        let Taking { place, file, .. } = taking;
        let watched = &self.folders[place];
        let (of, folder) = (watched.of, watched.open_folder());
        let mtime_ns = folder.ok().and_then(|folder| folder.mtime_ns(&file.name));
        let Some(mtime_ns) = mtime_ns else {
            return;
        };
        self.events.push_back(Event::Restart {
            folder: of,
            host: taking.host.to_string(),
            mtime_ns,
        });
        self.queues.restarts.push((of, file.name, mtime_ns));
    }

    /// Removes restart files that are written down, and not those that came in their place since. The others are
    /// found again by the next sweep.
    pub(super) fn finish_restarts(&mut self, are_written: bool) {
        for (of, name, mtime_ns) in std::mem::take(&mut self.queues.restarts) {
            let Some(place) = place_of(&self.folders, of, Protocol::Stock) else {
                continue;
            };
            if !are_written {
                self.folders[place].scans.left_some();
                continue;
            }
            let Ok(folder) = self.folders[place].open_folder() else {
                continue;
            };
            if folder.mtime_ns(&name) == Some(mtime_ns)
                && let Err(error) = folder.remove(&name)
            {
                self.complain(place, &name, &format!("it cannot be removed ({error})"));
            }
        }
    }

    /// A file without its closing NUL: the game is writing it, or died over it. `ours`: under which
    /// name and id it was taken before that was seen.
    pub(super) fn wait_for_the_end(
        &mut self,
        taking: &Taking,
        stamp: Stamp,
        ours: Option<(String, FileId)>,
    ) {
        let now_ms = self.now().mono_ms;
        let mut file = taking.file.clone();
        let watched = &mut self.folders[taking.place];
        if let Some((name, id)) = ours {
            watched.unfinished.remove(&file.name);
            file.name = name.into();
            file.what = file.what.claimed(id);
        }
        let name = Rc::clone(&file.name);
        let entry = Entry::new(taking, file, stamp);
        let goes_on = watched.unfinished.wait(entry, now_ms);
        if let Some(waiting) = self.queues.waiting.get_mut(&watched.of) {
            watched.wait_for_overdue(waiting, now_ms);
        }
        if goes_on {
            if !self.wheel.contains(Due::Unfinished) {
                self.wheel
                    .insert(Due::Unfinished, (), now_ms + limits::UNFINISHED_MS);
            }
            return;
        }
        let stamp = self.next_file_id();
        let reason = "it has no closing NUL: its writing was cut short";
        self.reject_file(taking.place, &name, stamp, reason);
        self.report_cut(taking.place, &name);
    }

    /// The time of unfinished files is over.
    pub(super) fn look_at_overdue(&mut self) {
        let now_ms = self.now().mono_ms;
        let mut next: Option<u64> = None;
        for watched in &mut self.folders {
            if let Some(waiting) = self.queues.waiting.get_mut(&watched.of) {
                watched.wait_for_overdue(waiting, now_ms);
            }
            let due = watched.unfinished.due_ms();
            next = next.into_iter().chain(due).min();
        }
        if let Some(due) = next {
            // What is overdue, and found no room to wait, is tried a little later.
            let due = due.max(now_ms + limits::OVERDUE_RETRY_MS);
            self.wheel.insert(Due::Unfinished, (), due);
        }
    }

    /// A new id: the time, but never one that was used before. It is even: odd ones are for calls
    /// that come from no file.
    pub(super) fn next_file_id(&mut self) -> FileId {
        let now = wall_us();
        self.last_file = FileId((now & !1).max(self.last_file.0 + 2));
        while self.open_files.contains_key(&self.last_file) {
            self.last_file.0 += 2;
        }
        self.last_file
    }
}

/// Folders of which no file may be taken yet.
struct Held(Vec<(FolderId, Protocol)>);

impl Held {
    /// `is_behind`: notices are to be read that came before what a scan has found. Signed files have numbers.
    fn now(folders: &[Watched], is_behind: bool, now: Instant) -> Self {
        let held = folders.iter().filter(|watched| {
            let of_stock = is_behind && watched.protocol == Protocol::Stock;
            of_stock || watched.scans.holds_back(watched.protocol, now)
        });
        Self(held.map(|watched| (watched.of, watched.protocol)).collect())
    }

    fn of(&self, of: FolderId) -> impl Fn(Protocol) -> bool {
        move |protocol| self.0.contains(&(of, protocol))
    }
}

/// Microseconds since 1970.
pub(super) fn wall_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64)
}
