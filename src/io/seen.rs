//! The identities that were seen, across restarts: `state/identities`, an append-only file of
//! 16-byte records (identity, file id or 0 for a finished one; little endian), rewritten when it
//! has grown to twice what is kept.
//!
//! A record is written before the calls beside the identity run. It survives `kill -9`; it is
//! not synced, because after a power cut the SQL journal still knows what ran.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::append_log;
use super::files::write_durably;
use crate::limits;

const RECORD_BYTES: usize = 16;
/// An identity has two records: when its file is taken, and when that is finished.
const RECORDS_KEPT: usize = 2 * limits::IDENTITIES_MAX;

pub struct Seen {
    path: PathBuf,
    file: File,
    records: usize,
}

impl Seen {
    /// Opens the file and gives what it holds, oldest first.
    pub fn open(state_dir: &Path) -> io::Result<(Self, Vec<(u64, u64)>)> {
        let path = state_dir.join("identities");
        let bytes = append_log::read(&path, (RECORDS_KEPT * 4 * RECORD_BYTES) as u64)?;
        // A record that a crash cut short is not counted, and what follows it must start anew.
        let whole = bytes.len() - bytes.len() % RECORD_BYTES;
        let start = whole.saturating_sub(RECORDS_KEPT * RECORD_BYTES);
        let kept = &bytes[start..whole];
        if kept.len() != bytes.len() {
            write_durably(&path, kept)?;
        }
        let seen = Self {
            file: append_log::open(&path)?,
            path,
            records: kept.len() / RECORD_BYTES,
        };
        Ok((seen, decode(kept)))
    }

    /// Adds records.
    pub fn add(&mut self, records: &[(u64, u64)]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(records.len() * RECORD_BYTES);
        for (identity, file) in records {
            bytes.extend_from_slice(&identity.to_le_bytes());
            bytes.extend_from_slice(&file.to_le_bytes());
        }
        let length = (self.records * RECORD_BYTES) as u64;
        append_log::add(&mut self.file, &bytes, length)?;
        self.records += records.len();
        if self.records >= 2 * RECORDS_KEPT {
            let state_dir = self.path.parent().unwrap_or(Path::new(".")).to_path_buf();
            *self = Self::open(&state_dir)?.0;
        }
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Vec<(u64, u64)> {
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let records = bytes.chunks_exact(RECORD_BYTES);
    records
        .map(|record| (number(&record[..8]), number(&record[8..])))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn records_come_back_and_a_torn_one_does_not_spoil_the_next() {
        let state = tempfile::tempdir().unwrap();
        let (mut seen, before) = Seen::open(state.path()).unwrap();
        assert!(before.is_empty());
        seen.add(&[(1, 10), (2, 20)]).unwrap();
        seen.file.write_all(&[9; 5]).unwrap();
        drop(seen);
        let (mut seen, before) = Seen::open(state.path()).unwrap();
        assert_eq!(before, [(1, 10), (2, 20)]);
        seen.add(&[(3, 30)]).unwrap();
        assert_eq!(
            Seen::open(state.path()).unwrap().1,
            [(1, 10), (2, 20), (3, 30)]
        );
    }

    #[test]
    fn the_file_is_bounded_and_keeps_the_newest() {
        let state = tempfile::tempdir().unwrap();
        let (mut seen, _) = Seen::open(state.path()).unwrap();
        let records: Vec<(u64, u64)> = (0..2 * RECORDS_KEPT as u64).map(|n| (n, n)).collect();
        seen.add(&records).unwrap();
        let (_, kept) = Seen::open(state.path()).unwrap();
        assert_eq!(kept.len(), RECORDS_KEPT);
        assert_eq!(kept.last(), records.last());
    }
}
