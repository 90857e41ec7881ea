//! What the stock protocol must know across restarts, in two append-only files:
//!
//! - `state/identities`, the identities that were used: 16 bytes each, the identity and the file it
//!   belongs to (0 for a finished one) below the number of its server's share in the upper byte;
//! - `state/maps`, when maps began: 24 bytes each, the owner, the host and unix microseconds.
//!
//! All numbers are little endian. A record is written before anything follows from it. It survives
//! `kill -9`; it is not synced, because after a power cut the SQL journal still knows what ran, and
//! the games are gone. A file that has grown to a multiple of what is kept is rewritten.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::append_log::{self, AppendLog};
use super::files::TEMPORARY;
use crate::jobs::remembered::Remembered;
use crate::limits;
use crate::protocol::fair_map::FairMap;

pub const IDENTITY_BYTES: usize = 16;
pub const MAP_BYTES: usize = 24;
/// An identity has two records: when its file is taken, and when that is finished.
const IDENTITY_RECORDS_MAX: usize = 4 * limits::IDENTITIES_MAX;

pub struct RememberedLog {
    identities: Log,
    maps: Log,
}

struct Log {
    log: AppendLog,
    record_bytes: usize,
    /// It is rewritten beyond so many.
    records_max: usize,
}

impl RememberedLog {
    /// Opens the files and gives what they hold, oldest first.
    pub fn open(state_dir: &Path) -> io::Result<(Self, Vec<Remembered>)> {
        let path = state_dir.join("identities");
        let (identities, mut kept) = Log::open(path, IDENTITY_BYTES, IDENTITY_RECORDS_MAX)?;
        let path = state_dir.join("maps");
        let (maps, began) = Log::open(path, MAP_BYTES, limits::MAPS_BEGUN_RECORDS_MAX)?;
        kept.extend(began);
        Ok((Self { identities, maps }, kept))
    }

    /// Has starts of maps written here, and gives where they were written before.
    #[cfg(test)]
    pub fn swap_maps_for_test(&mut self, file: std::fs::File) -> std::fs::File {
        std::mem::replace(&mut self.maps.log.file, file)
    }

    pub fn add(&mut self, records: &[Remembered]) -> io::Result<()> {
        let is_identity = |record: &&Remembered| matches!(record, Remembered::Identity { .. });
        let (identities, maps): (Vec<_>, Vec<_>) = records.iter().partition(is_identity);
        self.identities.add(&identities)?;
        self.maps.add(&maps)
    }
}

impl Log {
    fn open(
        path: PathBuf,
        record_bytes: usize,
        records_max: usize,
    ) -> io::Result<(Self, Vec<Remembered>)> {
        let bytes = append_log::read(&path, (2 * records_max * record_bytes) as u64)?;
        let kept = newest(bytes.chunks_exact(record_bytes).map(decode));
        let log = Self {
            log: AppendLog::open(path, &encoded(&kept))?,
            record_bytes,
            records_max,
        };
        Ok((log, kept))
    }

    /// Keeps what counts. This is no time to wait for the disk.
    fn shorten(&mut self) -> io::Result<()> {
        let path = self.log.path.clone();
        let bytes = append_log::read(&path, 2 * self.bytes_max())?;
        let kept = encoded(&newest(bytes.chunks_exact(self.record_bytes).map(decode)));
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(folder)?;
        file.write_all(&kept)?;
        file.persist(&path).map_err(|error| error.error)?;
        self.log = AppendLog::open_as_it_is(path, kept.len())?;
        Ok(())
    }

    fn bytes_max(&self) -> u64 {
        (self.records_max * self.record_bytes) as u64
    }

    fn add(&mut self, records: &[&Remembered]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(records.len() * self.record_bytes);
        records.iter().for_each(|record| encode(record, &mut bytes));
        self.log.add(&bytes)?;
        if self.log.bytes >= self.bytes_max() {
            self.shorten()?;
        }
        Ok(())
    }
}

/// The last record of each subject, as many as are kept: none pushes out those of other servers.
fn newest(records: impl Iterator<Item = Remembered>) -> Vec<Remembered> {
    let mut identities = FairMap::new(limits::IDENTITIES_MAX);
    let mut maps = FairMap::new(limits::MAPS_BEGUN_KEPT);
    for record in records {
        match record {
            Remembered::Identity {
                share, identity, ..
            } => match identities.get_mut(identity) {
                Some(known) => *known = record,
                None => identities.put(share.into(), identity, record),
            },
            Remembered::MapBegan { owner, host, .. } => maps.put(owner, host, record),
        }
    }
    let kept = identities.iter().chain(maps.iter());
    kept.map(|(_, _, record)| *record).collect()
}

fn encoded(records: &[Remembered]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| encode(record, &mut bytes));
    bytes
}

const SHARE_SHIFT: u32 = 56;

fn encode(record: &Remembered, bytes: &mut Vec<u8>) {
    let mut number = |number: u64| bytes.extend_from_slice(&number.to_le_bytes());
    match *record {
        Remembered::Identity {
            share,
            identity,
            file,
        } => {
            number(identity);
            // Unix microseconds need the upper byte in two thousand years.
            number(file & (u64::MAX >> 8) | u64::from(share) << SHARE_SHIFT);
        }
        Remembered::MapBegan {
            owner,
            host,
            unix_us,
        } => [owner, host, unix_us].into_iter().for_each(number),
    }
}

fn decode(record: &[u8]) -> Remembered {
    let number = |place: usize| {
        let bytes = record[8 * place..8 * place + 8].try_into();
        u64::from_le_bytes(bytes.expect("eight bytes"))
    };
    match record.len() {
        IDENTITY_BYTES => Remembered::Identity {
            share: (number(1) >> SHARE_SHIFT) as u8,
            identity: number(0),
            file: number(1) & (u64::MAX >> 8),
        },
        _ => Remembered::MapBegan {
            owner: number(0),
            host: number(1),
            unix_us: number(2),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(share: u8, identity: u64, file: u64) -> Remembered {
        Remembered::Identity {
            share,
            identity,
            file,
        }
    }

    fn map(owner: u64, host: u64, unix_us: u64) -> Remembered {
        Remembered::MapBegan {
            owner,
            host,
            unix_us,
        }
    }

    #[test]
    fn records_come_back_and_a_torn_one_does_not_spoil_the_next() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, before) = RememberedLog::open(state.path()).unwrap();
        assert!(before.is_empty());
        log.add(&[identity(255, 1, 10), map(7, 8, 9), identity(0, 2, 20)])
            .unwrap();
        log.identities.log.file.write_all(&[9; 5]).unwrap();
        drop(log);
        let (mut log, before) = RememberedLog::open(state.path()).unwrap();
        assert_eq!(
            before,
            [identity(255, 1, 10), identity(0, 2, 20), map(7, 8, 9)]
        );
        log.add(&[identity(0, 3, 30), identity(255, 1, 0)]).unwrap();
        assert_eq!(
            RememberedLog::open(state.path()).unwrap().1,
            [
                identity(255, 1, 0),
                identity(0, 2, 20),
                identity(0, 3, 30),
                map(7, 8, 9)
            ]
        );
    }

    #[test]
    fn the_files_are_bounded_and_no_server_pushes_out_what_is_known_of_another() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, _) = RememberedLog::open(state.path()).unwrap();
        log.add(&[identity(1, u64::MAX, 5), map(1, u64::MAX, 5)])
            .unwrap();
        let count = 2 * IDENTITY_RECORDS_MAX as u64;
        for part in 0..16 {
            let numbers = part * count / 16..(part + 1) * count / 16;
            let of_identities: Vec<_> = numbers.clone().map(|n| identity(0, n, n)).collect();
            log.add(&of_identities).unwrap();
            let of_maps: Vec<_> = numbers.map(|n| map(0, n, n)).collect();
            log.add(&of_maps).unwrap();
        }
        let size = |name: &str| std::fs::metadata(state.path().join(name)).unwrap().len();
        assert!(size("identities") <= (IDENTITY_RECORDS_MAX * IDENTITY_BYTES) as u64);
        assert!(size("maps") <= (limits::MAPS_BEGUN_RECORDS_MAX * MAP_BYTES) as u64);
        let (_, kept) = RememberedLog::open(state.path()).unwrap();
        assert_eq!(kept.len(), limits::IDENTITIES_MAX + limits::MAPS_BEGUN_KEPT);
        for wanted in [
            identity(1, u64::MAX, 5),
            identity(0, count - 1, count - 1),
            map(1, u64::MAX, 5),
            map(0, count - 1, count - 1),
        ] {
            assert!(kept.contains(&wanted), "{wanted:?}");
        }
    }
}
