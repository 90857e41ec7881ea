//! The ring of the last moments: what the loop did, without arguments and results, in records of a fixed size.
//! It is always on, and written to the state folder when vpid panics or a turn takes much too long.
//!
//! Only the main thread adds records; the lock is for whichever thread panics. An event is noted before it is
//! decided, so that the one during which vpid panicked stands there, as the last.

use std::fmt::{self, Display, Formatter};
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::core::ended::{EndedCall, ShortName};
use crate::io::ring_file;
use crate::limits;

/// What was done, as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    pub what: What,
    /// A kind of event or effect, or a step of a turn.
    pub kind: &'static str,
    pub host: ShortName,
    /// Of a function, or what else there is.
    pub name: ShortName,
    pub failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Event,
    Effect,
    /// A call ended.
    Call,
    /// A step of a turn, or all of it.
    Turn,
}

impl Note {
    pub fn of_turn(kind: &'static str) -> Self {
        Self {
            what: What::Turn,
            kind,
            host: ShortName::default(),
            name: ShortName::default(),
            failed: false,
        }
    }

    fn of_call(call: &EndedCall, host: ShortName) -> Self {
        Self {
            what: What::Call,
            kind: "",
            host,
            name: call.function,
            failed: call.failed,
        }
    }
}

/// One note, or several of the same in a row.
#[derive(Debug, Clone, Copy)]
struct Record {
    note: Note,
    /// When the first of them began.
    at: Instant,
    /// All of them together.
    took_us: u32,
    bytes: u32,
    count: u32,
    /// The last of them is being done.
    open: bool,
}

const RECORDS: usize = limits::RING_BYTES_MAX / size_of::<Record>();
const _: () = assert!(RECORDS > 2_000);

/// The same in a row become one record within this time.
const TOGETHER: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Ring {
    records: Vec<Record>,
    /// The place of the next record: that of the oldest one, once all are used.
    next: usize,
}

impl Ring {
    fn new() -> Self {
        Self {
            records: Vec::with_capacity(RECORDS),
            next: 0,
        }
    }

    /// Something begins; [`Ring::end`] says when it is done.
    pub fn begin(&mut self, note: Note, at: Instant, bytes: usize) {
        let bytes = bytes.try_into().unwrap_or(u32::MAX);
        if let Some(last) = self.last()
            && last.note == note
            && at.saturating_duration_since(last.at) < TOGETHER
        {
            last.count = last.count.saturating_add(1);
            last.bytes = last.bytes.saturating_add(bytes);
            last.open = true;
            return;
        }
        let record = Record {
            note,
            at,
            took_us: 0,
            bytes,
            count: 1,
            open: true,
        };
        match self.records.get_mut(self.next) {
            Some(oldest) => *oldest = record,
            None => self.records.push(record),
        }
        self.next = (self.next + 1) % RECORDS;
    }

    /// What began last is done.
    pub fn end(&mut self, took: Duration) {
        if let Some(last) = self.last() {
            let took_us = took.as_micros().try_into().unwrap_or(u32::MAX);
            last.took_us = last.took_us.saturating_add(took_us);
            last.open = false;
        }
    }

    pub fn add(&mut self, note: Note, at: Instant, took: Duration, bytes: usize) {
        self.begin(note, at, bytes);
        self.end(took);
    }

    /// A call ended just now.
    pub fn add_call(&mut self, call: &EndedCall, host: ShortName, now: Instant) {
        let took = Duration::from_millis(call.took_ms);
        self.add(Note::of_call(call, host), now, took, call.bytes);
    }

    fn last(&mut self) -> Option<&mut Record> {
        let place = self.next.checked_sub(1).unwrap_or(RECORDS - 1);
        self.records.get_mut(place)
    }

    /// As it is written: a line for each record, the newest last.
    fn text(&self, why: &str, now: Instant) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!(
            "vpid {version}: the last moments before {why}.\n\
             The times are seconds before that, and how long it took; x3: three of the same in a row.\n\n\
             {:>12} {:<6} {:<18} {:<31} {:<31} {:>12} {:>9}\n",
            "SECONDS", "WHAT", "KIND", "HOST", "NAME", "TOOK MS", "BYTES"
        );
        // The place of the next one is behind the newest.
        let (newer, older) = self.records.split_at(self.next.min(self.records.len()));
        for record in older.iter().chain(newer) {
            let before = now.saturating_duration_since(record.at);
            text.push_str(&format!("{:>12.6} {record}\n", -before.as_secs_f64()));
        }
        text
    }
}

impl Display for Record {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Note {
            what,
            kind,
            host,
            name,
            failed,
        } = self.note;
        let what = match what {
            What::Event => "event",
            What::Effect => "effect",
            What::Call => "call",
            What::Turn => "turn",
        };
        let dash = |name: ShortName| match name.is_empty() {
            true => "-".to_owned(),
            false => name.to_string(),
        };
        let kind = if kind.is_empty() { "-" } else { kind };
        let (host, name) = (dash(host), dash(name));
        let took_ms = f64::from(self.took_us) / 1e3;
        let bytes = self.bytes;
        write!(
            out,
            "{what:<6} {kind:<18} {host:<31} {name:<31} {took_ms:>12.3} {bytes:>9}"
        )?;
        if self.count > 1 {
            write!(out, " x{}", self.count)?;
        }
        if failed {
            out.write_str(" failed")?;
        }
        if self.open {
            out.write_str(" not finished")?;
        }
        Ok(())
    }
}

/// The ring of a daemon, and when it may be written again.
pub struct Recorder {
    ring: Arc<Mutex<Ring>>,
    written: Option<Instant>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            ring: Arc::new(Mutex::new(Ring::new())),
            written: None,
        }
    }
}

impl Recorder {
    pub fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn took so long: where that is much too long, what it did is written, by a thread of its own, since the
    /// disk may be why.
    pub fn turn_took(&mut self, took: Duration, state_dir: &Path) -> Option<JoinHandle<()>> {
        let pause = Duration::from_millis(limits::RING_PAUSE_MS);
        let is_pausing = |written: Instant| written.elapsed() < pause;
        if took < Duration::from_millis(limits::RING_TURN_MS)
            || self.written.is_some_and(is_pausing)
        {
            return None;
        }
        let now = Instant::now();
        self.written = Some(now);
        let (ring, state_dir) = (self.ring().clone(), state_dir.to_owned());
        let why = format!("the end of a turn that took {} ms", took.as_millis());
        let write = move || match ring_file::write(&state_dir, &ring.text(&why, now)) {
            Ok(path) => {
                log::warn!("{why}: what it did is in {}", path.display());
                if let Err(error) = ring_file::prune(&state_dir, &path) {
                    log::error!(
                        "{}: old ring files cannot be removed ({error}); check permissions",
                        state_dir.display()
                    );
                }
            }
            Err(error) => log::error!(
                "{}: what a slow turn did cannot be written ({error}); check space and permissions",
                state_dir.display()
            ),
        };
        let thread = thread::Builder::new().name("ring".into());
        let started = thread.stack_size(limits::RING_STACK_BYTES).spawn(write);
        started
            .inspect_err(|error| {
                log::error!("no thread can be started to write what a slow turn did ({error})");
            })
            .ok()
    }

    /// From now on a panic of this process is followed by the file, and a line about it.
    pub fn write_on_panic(&self, state_dir: PathBuf) {
        let ring = Arc::clone(&self.ring);
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            report(panicked);
            let place = panicked.location().map(ToString::to_string);
            let line = on_panic(&ring, &state_dir, place.as_deref().unwrap_or("vpid"));
            // Not by the logger, which may be what has panicked, with its lock.
            let _ = writeln!(std::io::stderr(), "{line}");
        }));
    }
}

/// Writes the ring after a panic at this place in the source, and gives the line about that.
fn on_panic(ring: &Mutex<Ring>, state_dir: &Path, place: &str) -> String {
    let ring = match ring.try_lock() {
        Ok(ring) => ring,
        Err(TryLockError::Poisoned(ring)) => ring.into_inner(),
        Err(TryLockError::WouldBlock) => {
            return "vpid panicked while it noted what it does: no ring file is written".into();
        }
    };
    let text = ring.text(&format!("a panic at {place}"), Instant::now());
    match ring_file::write(state_dir, &text) {
        Ok(path) => {
            // One file too many is not worth a word now; the next slow turn would report it.
            let _ = ring_file::prune(state_dir, &path);
            format!(
                "vpid panicked at {place}: what it did before is in {}; please report both",
                path.display()
            )
        }
        Err(error) => format!(
            "{}: what vpid did before it panicked cannot be written ({error})",
            state_dir.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: &'static str, name: &str) -> Note {
        Note {
            what: What::Effect,
            kind,
            host: ShortName::new("my_server"),
            name: ShortName::new(name),
            failed: false,
        }
    }

    /// Its lines about records.
    fn lines(ring: &Ring) -> Vec<String> {
        let text = ring.text("a test", Instant::now());
        text.lines().skip(4).map(str::to_owned).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_newest_records_stay_in_their_order_and_the_memory_is_bounded() {
        let start = Instant::now();
        let mut ring = Ring::new();
        for number in 0..2 * RECORDS + 3 {
            ring.add(note("sql", &number.to_string()), start, ms(1), 10);
        }
        assert_eq!(ring.records.capacity(), RECORDS);
        assert!(RECORDS * size_of::<Record>() <= limits::RING_BYTES_MAX);
        let names: Vec<usize> = lines(&ring)
            .iter()
            .map(|line| line.split_whitespace().nth(4).unwrap().parse().unwrap())
            .collect();
        let expected: Vec<usize> = (RECORDS + 3..2 * RECORDS + 3).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn the_same_in_a_row_is_one_record_within_a_second() {
        let start = Instant::now();
        let mut ring = Ring::new();
        for at in [ms(0), ms(10), ms(999), ms(1_500)] {
            ring.add(note("sql", "VPI_DB_UserSelect"), start + at, ms(2), 10);
        }
        let lines = lines(&ring);
        let [first, second] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert!(first.ends_with("6.000        30 x3"), "{first}");
        assert!(second.ends_with("2.000        10"), "{second}");
    }

    #[test]
    fn a_panic_leaves_a_file_in_which_the_unfinished_event_is_the_last() {
        let state = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let ring = Mutex::new(Ring::new());
        let mut held = ring.lock().unwrap();
        held.add(note("sql", "VPI_Ping"), start, ms(1), 7);
        held.begin(note("call_file", ""), start, 70);
        let line = on_panic(&ring, state.path(), "src/x.rs:1:2");
        assert!(line.contains("while it noted"), "{line}");
        drop(held);
        let line = on_panic(&ring, state.path(), "src/x.rs:1:2");
        let (_, path) = line.split_once(" is in ").expect("a path");
        let path = path.split_once(';').expect("what to do").0;
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("before a panic at src/x.rs:1:2."), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.contains("call_file"), "{text}");
        assert!(last.ends_with("70 not finished"), "{text}");
    }

    /// The folder in which a process that is to panic writes.
    const PANICS_IN: &str = "VPID_TEST_PANICS_IN";

    /// The hook is one of the whole process, so that this is a process of its own.
    #[test]
    fn a_process_that_panics_writes_what_it_did_and_says_where() {
        if let Some(state) = std::env::var_os(PANICS_IN) {
            let recorder = Recorder::default();
            recorder.write_on_panic(state.into());
            let now = Instant::now();
            recorder.ring().begin(note("call_file", ""), now, 70);
            panic!("as it was told");
        }
        let state = tempfile::tempdir().unwrap();
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let name = thread::current().name().map(str::to_owned).unwrap();
        again.args(["--exact", &name, "--nocapture"]);
        let output = again.env(PANICS_IN, state.path()).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("as it was told"), "{said}");
        let folder = state.path().to_str().unwrap();
        assert!(
            said.contains("vpid panicked at src/daemon/ring.rs"),
            "{said}"
        );
        assert!(said.contains(folder), "{said}");
        let file = std::fs::read_dir(state.path()).unwrap().next().unwrap();
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(text.contains("call_file"), "{text}");
    }

    #[test]
    fn a_slow_turn_is_written_once_and_not_again_soon() {
        let state = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::default();
        let almost = recorder.turn_took(ms(limits::RING_TURN_MS - 1), state.path());
        assert!(almost.is_none());
        let writer = recorder.turn_took(ms(limits::RING_TURN_MS), state.path());
        writer.expect("a thread").join().unwrap();
        assert!(recorder.turn_took(ms(1_000), state.path()).is_none());
        let files = || std::fs::read_dir(state.path()).unwrap().count();
        assert_eq!(files(), 1);
    }
}
