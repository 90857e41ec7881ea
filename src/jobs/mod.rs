//! What the core hands to the workers of `io`, and what they hand back. Neither room opens the other,
//! so what crosses between them stands here.

pub mod remembered;
pub mod store;

use crate::protocol::call_error::CallError;
use crate::protocol::response_text::Decoder;
use crate::sql::{self, DatabaseId, SqlCall};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// An SQL call on its way to its database.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: CallId,
    pub database: DatabaseId,
    pub caller: Caller,
    pub function: String,
    pub call: SqlCall,
    /// Milliseconds since the start of the daemon's monotonic clock.
    pub deadline_ms: Option<u64>,
    /// How long its statements may run, in milliseconds, whether a caller waits or not.
    pub limit_ms: u64,
    /// The call may have run before the daemon was restarted: the journal knows.
    pub recovered: bool,
    /// That the database refused it is noted like a response: calls of its chain run behind it all the
    /// same, so after a restart it must not run once more. One that was not begun for want of time or
    /// of a database is not noted, and may run then.
    pub notes_failure: bool,
    /// How often earlier runs have begun it without its having ended before they did.
    pub tries: u32,
    /// Whose decoder will read the response.
    pub decoder: Decoder,
}

/// Its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub id: CallId,
    /// The response as JSON text, for the job's decoder.
    pub outcome: Result<String, CallError>,
}

impl From<sql::Error> for CallError {
    fn from(error: sql::Error) -> Self {
        Self::new(error.reason(), error.detail())
    }
}

/// A map by ids. They are vpid's own numbers, so their hash is a cheap one; it begins at random since
/// some of them are read from names of files.
pub type IdMap<K, V> = HashMap<K, V, IdHash>;

#[derive(Debug, Clone)]
pub struct IdHash(u64);

pub struct IdHasher(u64);

impl Default for IdHash {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(self.0)
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        // Of a wide product, the halves together depend on all bits.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
}

/// A call file that was claimed: unix microseconds of that moment, even, and never the same twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// A host that was seen in a folder. Numbers are never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub u32);

/// A Python script, by the number that it got when it was first known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScriptId(pub u32);

/// Who calls. Calls of one caller keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    Host(HostId),
    Script(ScriptId),
    /// By the control socket.
    Operator,
}

impl Caller {
    pub fn host(self) -> Option<HostId> {
        match self {
            Self::Host(host) => Some(host),
            Self::Script(_) | Self::Operator => None,
        }
    }
}

/// How calls came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    File(FileId),
    /// By the channel of a Python script, one at a time: half the unix microseconds of that moment,
    /// and never the same twice.
    Channel(u64),
}

impl Source {
    /// Journals and notes on disk have one number for both, which is about the time: even for
    /// files, odd for calls of Python scripts.
    pub fn number(self) -> u64 {
        match self {
            Self::File(FileId(number)) => number,
            Self::Channel(number) => number << 1 | 1,
        }
    }

    pub fn of_number(number: u64) -> Self {
        match number & 1 {
            0 => Self::File(FileId(number)),
            _ => Self::Channel(number >> 1),
        }
    }
}

/// A call, by its position among those that came in together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    pub source: Source,
    pub index: u32,
}

impl CallId {
    /// As journals and notes on disk have it.
    pub fn of_number(number: u64, index: u32) -> Self {
        let source = Source::of_number(number);
        Self { source, index }
    }

    /// See [`Source::number`].
    pub fn number(self) -> u64 {
        self.source.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_follow_each_other_are_spread_over_a_map() {
        let hash = IdHash::default();
        let ids = (0..1_000).map(|n| Source::File(FileId(1_700_000_000_000_000 + 2 * n)));
        let hashes: Vec<u64> = ids.map(|id| hash.hash_one(id)).collect();
        let distinct = |shift: u32| {
            let places = hashes.iter().map(|hash| hash >> shift & 0x7f);
            places.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(
            distinct(0) > 100 && distinct(57) > 100,
            "{} {}",
            distinct(0),
            distinct(57)
        );
    }

    #[test]
    fn what_is_noted_on_disk_is_read_back_as_it_was() {
        for source in [
            Source::File(FileId(1_700_000_000_000_002)),
            Source::Channel(3),
        ] {
            assert_eq!(Source::of_number(source.number()), source);
        }
        let of_file = CallId::of_number(8, 3);
        assert_eq!(of_file.source, Source::File(FileId(8)));
        assert_eq!((of_file.number(), of_file.index), (8, 3));
    }
}
