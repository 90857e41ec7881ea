//! Calls that are begun and must not be begun again, across restarts: `state/begun`, an
//! append-only file of 12-byte records (file id, index of the call; little endian), rewritten
//! when it has grown to twice what is kept.
//!
//! A record is written before the call goes to the script that runs it. It survives `kill -9`;
//! it is not synced: after a power cut, a call of its last moments may run once more. Room for it
//! on the disk is taken in advance, where the file system does that, so that it can be written when
//! the disk is full.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::append_log::{self, AppendLog};
use crate::jobs::CallId;
use crate::limits::BEGUN_CALLS_KEPT;

pub const RECORD_BYTES: usize = 12;

pub struct Begun {
    log: AppendLog,
    /// So many of them are of earlier runs, whose files may still lie somewhere.
    earlier: usize,
    reserved: bool,
}

impl Begun {
    /// Opens the file and gives what it holds, oldest first. `calls_come`: room for them is taken now; else with the
    /// first one.
    pub fn open(state_dir: &Path, calls_come: bool) -> io::Result<(Self, Vec<CallId>)> {
        let path = state_dir.join("begun");
        let bytes = read(&path)?;
        // A record that a crash cut short is not counted, and what follows it must start at a boundary.
        let whole = bytes.len() - bytes.len() % RECORD_BYTES;
        let start = whole.saturating_sub(BEGUN_CALLS_KEPT * RECORD_BYTES);
        let kept = &bytes[start..whole];
        let log = match kept.len() == bytes.len() {
            true => AppendLog::open_as_it_is(path, kept.len())?,
            false => AppendLog::open(path, kept)?,
        };
        let begun = Self {
            log,
            earlier: kept.len() / RECORD_BYTES,
            reserved: calls_come,
        };
        if calls_come {
            reserve(&begun.log.file);
        }
        Ok((begun, decode(kept).collect()))
    }

    /// Adds a call. Where many have come together, those of files for which `is_open` is false
    /// are forgotten: these files are gone.
    pub fn add(&mut self, call: CallId, is_open: impl Fn(u64) -> bool) -> io::Result<()> {
        if !std::mem::replace(&mut self.reserved, true) {
            reserve(&self.log.file);
        }
        self.log.add(&encode(call))?;
        if self.log.bytes >= (2 * BEGUN_CALLS_KEPT * RECORD_BYTES) as u64 {
            self.forget(is_open)?;
        }
        Ok(())
    }

    fn forget(&mut self, is_open: impl Fn(u64) -> bool) -> io::Result<()> {
        let bytes = read(&self.log.path)?;
        let (earlier, ours) = bytes.split_at(bytes.len().min(self.earlier * RECORD_BYTES));
        let ours: Vec<CallId> = decode(ours).filter(|call| is_open(call.number())).collect();
        let room = BEGUN_CALLS_KEPT.saturating_sub(self.earlier);
        let newest = &ours[ours.len().saturating_sub(room)..];
        let mut kept = earlier.to_vec();
        kept.extend(newest.iter().flat_map(|call| encode(*call)));
        self.reserved = false;
        self.log.rewrite(&kept)
    }
}

/// What the file holds, within bounds.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    append_log::read(path, (BEGUN_CALLS_KEPT * 4 * RECORD_BYTES) as u64)
}

/// Takes the room that the file will need. Not every file system can.
fn reserve(file: &File) {
    let bytes = (2 * BEGUN_CALLS_KEPT * RECORD_BYTES) as u64;
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes);
}

fn encode(call: CallId) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&call.number().to_le_bytes());
    record[8..].copy_from_slice(&call.index.to_le_bytes());
    record
}

fn decode(bytes: &[u8]) -> impl Iterator<Item = CallId> {
    bytes.chunks_exact(RECORD_BYTES).map(|record| {
        CallId::of_number(
            u64::from_le_bytes(record[..8].try_into().expect("eight bytes")),
            u32::from_le_bytes(record[8..].try_into().expect("four bytes")),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn call(file: u64, index: u32) -> CallId {
        CallId::of_number(file, index)
    }

    #[test]
    fn records_come_back_and_a_torn_one_does_not_spoil_the_next() {
        let state = tempfile::tempdir().unwrap();
        let (mut begun, before) = Begun::open(state.path(), false).unwrap();
        assert!(before.is_empty());
        begun.add(call(1 << 40, 7), |_| true).unwrap();
        begun.log.file.write_all(&[9; 5]).unwrap();
        drop(begun);
        let (mut begun, before) = Begun::open(state.path(), false).unwrap();
        assert_eq!(before, [call(1 << 40, 7)]);
        begun.add(call(2, 0), |_| true).unwrap();
        let (_, after) = Begun::open(state.path(), false).unwrap();
        assert_eq!(after, [call(1 << 40, 7), call(2, 0)]);
    }

    #[test]
    fn room_is_taken_before_the_disk_is_full() {
        use std::os::unix::fs::MetadataExt;
        let state = tempfile::tempdir().unwrap();
        let other = File::create(state.path().join("other")).unwrap();
        let possible = rustix::fs::fallocate(&other, FallocateFlags::KEEP_SIZE, 0, 4_096);
        let wanted = (BEGUN_CALLS_KEPT * RECORD_BYTES) as u64;
        for calls_come in [true, false] {
            let (mut begun, _) = Begun::open(state.path(), calls_come).unwrap();
            if !calls_come {
                begun.add(call(1, 1), |_| true).unwrap();
            }
            let about = begun.log.file.metadata().unwrap();
            let records = if calls_come { 0 } else { 1 };
            assert_eq!(about.len(), records * RECORD_BYTES as u64);
            assert!(possible.is_err() || about.blocks() * 512 >= wanted);
            std::fs::remove_file(state.path().join("begun")).unwrap();
        }
    }

    #[test]
    fn of_many_calls_those_stay_whose_files_are_there_or_are_of_an_earlier_run() {
        let state = tempfile::tempdir().unwrap();
        let (mut begun, _) = Begun::open(state.path(), false).unwrap();
        begun.add(call(1, 1), |_| true).unwrap();
        drop(begun);
        let (mut begun, _) = Begun::open(state.path(), false).unwrap();
        for n in 1..2 * BEGUN_CALLS_KEPT as u32 {
            // Two calls of files that stay, one at the beginning and one in the middle.
            let file = if n == 1 || n == 70_000 { 2 } else { 3 };
            begun.add(call(file, n), |file| file == 2).unwrap();
        }
        begun.add(call(4, 0), |_| true).unwrap();
        drop(begun);
        let (_, kept) = Begun::open(state.path(), false).unwrap();
        assert_eq!(kept, [call(1, 1), call(2, 1), call(2, 70_000), call(4, 0)]);
    }

    #[test]
    fn the_file_is_bounded_and_keeps_the_newest() {
        let state = tempfile::tempdir().unwrap();
        let (mut begun, _) = Begun::open(state.path(), false).unwrap();
        for n in 0..2 * BEGUN_CALLS_KEPT as u32 {
            begun.add(call(9, n), |_| true).unwrap();
        }
        let (_, kept) = Begun::open(state.path(), false).unwrap();
        assert_eq!(kept.len(), BEGUN_CALLS_KEPT);
        let last = call(9, 2 * BEGUN_CALLS_KEPT as u32 - 1);
        assert_eq!(kept.last(), Some(&last));
    }
}
