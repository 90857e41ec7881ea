//! Calls that ran for long and had not ended when vpid did: `state/tried`, an append-only file of
//! 16-byte records (file id, index of the call, 1 where it began or 0 where it ended; little
//! endian).
//!
//! A call that ends vpid, or that vpid is ended for, must not be begun at each start for ever. So
//! the watchdog of a database notes a call that has run for a while, and notes that it
//! ended. What was noted in an earlier run without an end is begun once more, and noted before
//! it is: a third time it is not begun, and its caller gets an error. Calls that wait behind it
//! are not noted, however often vpid is killed meanwhile.
//!
//! The records survive `kill -9`, and are synced, since they are few.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::io::append_log::{self, AppendLog};
use crate::jobs::{CallId, Job};
use crate::limits::{SQL_CALL_TRIES_MAX, SQL_TRIES_FILE_BYTES_MAX, SQL_TRIES_KEPT_MAX};
use crate::protocol::call_error::{CallError, INTERRUPTED};

pub const RECORD_BYTES: usize = 16;
const BEGUN: u32 = 1;
const ENDED: u32 = 0;

/// Without a file, nothing is remembered: for tests.
#[derive(Debug, Default)]
pub struct Tries(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    log: Option<AppendLog>,
    /// Calls that this run has noted and that have not ended.
    begun: HashSet<CallId>,
    said_trouble: bool,
}

impl Tries {
    /// Opens the file, and gives how often each call was begun in earlier runs and did not end.
    pub fn open(state_dir: &Path) -> io::Result<(Self, HashMap<CallId, u32>)> {
        let path = state_dir.join("tried");
        let bytes = append_log::read(&path, 2 * SQL_TRIES_FILE_BYTES_MAX)?;
        let kept = unended(&bytes);
        let text = encode(&kept);
        let log = match text == bytes {
            true => AppendLog::open_as_it_is(path, text.len())?,
            false => AppendLog::open(path, &text)?,
        };
        let counts = count(kept);
        let notes = Notes {
            log: Some(log),
            ..Notes::default()
        };
        Ok((Self(Mutex::new(notes)), counts))
    }

    /// Before a call is begun. An error where it was begun too often.
    pub(super) fn begin(&self, job: &Job) -> Option<CallError> {
        if job.tries >= SQL_CALL_TRIES_MAX {
            return Some(CallError::new(
                INTERRUPTED,
                "vpid ended twice while this ran; it is not run again and may have taken effect",
            ));
        }
        if job.tries > 0 {
            self.begun(job.id);
        }
        None
    }

    /// A call has run for a while, or is one that has before. Once for each call of a run.
    pub(super) fn begun(&self, call: CallId) {
        let mut notes = self.lock();
        if notes.begun.insert(call) {
            notes.add(call, BEGUN);
        }
    }

    /// A call that may have been noted has ended, one way or the other.
    pub(super) fn ended(&self, call: CallId) {
        let mut notes = self.lock();
        if notes.begun.remove(&call) {
            notes.add(call, ENDED);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn add(&mut self, call: CallId, what: u32) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = add(log, call, what)
            && !std::mem::replace(&mut self.said_trouble, true)
        {
            log::error!(
                "{}: a call that runs long cannot be noted ({error}): if vpid ends before it does, \
                 it may be run at each start; free some space",
                log.path.display()
            );
        }
    }
}

fn add(log: &mut AppendLog, call: CallId, what: u32) -> io::Result<()> {
    log.add(&record(call, what))?;
    log.file.sync_data()?;
    if log.bytes >= SQL_TRIES_FILE_BYTES_MAX {
        let bytes = append_log::read(&log.path, 2 * SQL_TRIES_FILE_BYTES_MAX)?;
        log.rewrite(&encode(&unended(&bytes)))?;
    }
    Ok(())
}

/// Calls that began and did not end, once for each time, oldest first; the newest, where they
/// are too many.
fn unended(bytes: &[u8]) -> Vec<CallId> {
    let mut calls = Vec::new();
    for record in bytes.chunks_exact(RECORD_BYTES) {
        let call = CallId::of_number(
            u64::from_le_bytes(record[..8].try_into().expect("eight bytes")),
            u32::from_le_bytes(record[8..12].try_into().expect("four bytes")),
        );
        match u32::from_le_bytes(record[12..].try_into().expect("four bytes")) {
            BEGUN => calls.push(call),
            _ => calls.retain(|begun| *begun != call),
        }
    }
    calls.split_off(calls.len().saturating_sub(SQL_TRIES_KEPT_MAX))
}

fn count(calls: Vec<CallId>) -> HashMap<CallId, u32> {
    let mut counts = HashMap::new();
    for call in calls {
        *counts.entry(call).or_default() += 1;
    }
    counts
}

/// What the file holds while another process writes it.
#[cfg(test)]
pub(super) fn noted(state_dir: &Path) -> HashMap<CallId, u32> {
    let bytes = append_log::read(&state_dir.join("tried"), u64::MAX).unwrap_or_default();
    count(unended(&bytes))
}

fn record(call: CallId, what: u32) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&call.number().to_le_bytes());
    record[8..12].copy_from_slice(&call.index.to_le_bytes());
    record[12..].copy_from_slice(&what.to_le_bytes());
    record
}

fn encode(calls: &[CallId]) -> Vec<u8> {
    let records = calls.iter().map(|call| record(*call, BEGUN));
    records.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn call(file: u64, index: u32) -> CallId {
        CallId::of_number(file, index)
    }

    #[test]
    fn what_began_and_did_not_end_is_counted_by_run() {
        let state = tempfile::tempdir().unwrap();
        let (tries, before) = Tries::open(state.path()).unwrap();
        assert!(before.is_empty());
        tries.begun(call(1, 0));
        tries.begun(call(1, 0));
        tries.begun(call(1, 1));
        tries.ended(call(1, 1));
        tries.ended(call(2, 0));
        drop(tries);
        let (tries, before) = Tries::open(state.path()).unwrap();
        assert_eq!(before, HashMap::from([(call(1, 0), 1)]));
        tries.begun(call(1, 0));
        drop(tries);
        let (tries, before) = Tries::open(state.path()).unwrap();
        assert_eq!(before, HashMap::from([(call(1, 0), 2)]));
        // It is of an earlier run, and ends in this one.
        tries.begun(call(1, 0));
        tries.ended(call(1, 0));
        drop(tries);
        assert!(Tries::open(state.path()).unwrap().1.is_empty());
    }

    #[test]
    fn a_record_that_was_cut_short_is_not_counted_and_spoils_no_other() {
        let state = tempfile::tempdir().unwrap();
        let (tries, _) = Tries::open(state.path()).unwrap();
        tries.begun(call(1, 0));
        let path = state.path().join("tried");
        let mut log = AppendLog::open_as_it_is(path, 0).unwrap();
        log.file.write_all(&[9; 5]).unwrap();
        let (tries, before) = Tries::open(state.path()).unwrap();
        assert_eq!(before, HashMap::from([(call(1, 0), 1)]));
        tries.begun(call(2, 0));
        assert_eq!(Tries::open(state.path()).unwrap().1.len(), 2);
    }

    #[test]
    fn the_file_is_bounded() {
        let state = tempfile::tempdir().unwrap();
        let (tries, _) = Tries::open(state.path()).unwrap();
        tries.begun(call(1, 0));
        for n in 0..5_000 {
            tries.begun(call(2, n));
            tries.ended(call(2, n));
        }
        let bytes = std::fs::metadata(state.path().join("tried")).unwrap().len();
        assert!(bytes <= SQL_TRIES_FILE_BYTES_MAX, "{bytes}");
        assert_eq!(
            Tries::open(state.path()).unwrap().1,
            HashMap::from([(call(1, 0), 1)])
        );
    }
}
