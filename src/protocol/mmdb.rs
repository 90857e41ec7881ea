//! MaxMind's format of databases about addresses (MMDB 2.0): a binary search tree over the bits of an address, and
//! records. <https://maxmind.github.io/MaxMind-DB/>
//!
//! A file is read where a lookup needs it, and never as a whole: those of cities have tens of megabytes. What it says is
//! not trusted: every offset, size and depth is checked, and a record is bounded.

use ::core::net::IpAddr;

use serde_json::{Map, Number, Value};

use crate::limits;

/// Where a database is read from.
pub trait Source {
    type Error;

    /// How many bytes there are.
    fn bytes(&self) -> u64;

    /// Fills the whole buffer with what is there from `at` on.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

impl Source for &[u8] {
    type Error = &'static str;

    fn bytes(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        let at = usize::try_from(at).map_err(|_| "too far")?;
        let found = at.checked_add(into.len()).and_then(|end| self.get(at..end));
        into.copy_from_slice(found.ok_or("it ends before that")?);
        Ok(())
    }
}

/// Why nothing is known of a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MmdbError<E> {
    #[error("{0}")]
    Read(E),
    /// It is none, or is damaged; the end of a sentence.
    #[error("{0}")]
    Damaged(&'static str),
}

type Outcome<T, S> = Result<T, MmdbError<<S as Source>::Error>>;

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Zeros between the tree and the records.
const GAP_BYTES: u64 = 16;

/// A database that was opened.
#[derive(Debug)]
pub struct Mmdb<S> {
    source: S,
    /// `GeoLite2-City`.
    pub kind: String,
    /// When it was made, unix seconds.
    pub built_s: u64,
    nodes: u64,
    record_bits: u64,
    /// 32 or 128.
    address_bits: u32,
    /// The node at which addresses of IPv4 begin.
    ipv4_node: u64,
}

impl<S: Source> Mmdb<S> {
    /// Reads what the file says of itself.
    pub fn open(source: S) -> Outcome<Self, S> {
        let about = metadata(&source)?;
        let number = |key: &str| about[key].as_u64();
        let (nodes, record_bits, version) = (
            number("node_count").unwrap_or(0),
            number("record_size").unwrap_or(0),
            number("ip_version").unwrap_or(0),
        );
        if number("binary_format_major_version") != Some(2) {
            return Err(MmdbError::Damaged(
                "has another version of the format than 2",
            ));
        }
        let is_known = matches!(record_bits, 24 | 28 | 32) && matches!(version, 4 | 6);
        if !is_known || nodes == 0 || nodes > u64::from(u32::MAX) {
            return Err(MmdbError::Damaged("says nothing useful of its tree"));
        }
        let mut database = Self {
            source,
            kind: about["database_type"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            built_s: number("build_epoch").unwrap_or(0),
            nodes,
            record_bits,
            address_bits: if version == 6 { 128 } else { 32 },
            ipv4_node: 0,
        };
        if database.records_at() >= database.source.bytes() {
            return Err(MmdbError::Damaged("ends before its records"));
        }
        if database.address_bits == 128 {
            for _ in 0..96 {
                if database.ipv4_node < nodes {
                    database.ipv4_node = database.child(database.ipv4_node, false)?;
                }
            }
        }
        Ok(database)
    }

    /// What it knows of an address.
    pub fn find(&self, address: IpAddr) -> Outcome<Option<Value>, S> {
        let (mut node, bits, count) = match address {
            IpAddr::V4(address) => (self.ipv4_node, u128::from(address.to_bits()), 32),
            IpAddr::V6(address) if self.address_bits == 128 => (0, address.to_bits(), 128),
            IpAddr::V6(_) => return Ok(None),
        };
        for bit in (0..count).rev() {
            if node >= self.nodes {
                break;
            }
            node = self.child(node, bits >> bit & 1 == 1)?;
        }
        if node <= self.nodes {
            return Ok(None);
        }
        // The numbers of records count from the end of the tree.
        let Some(offset) = (node - self.nodes).checked_sub(GAP_BYTES) else {
            return Err(MmdbError::Damaged("has a leaf that leads into its tree"));
        };
        let mut at = self.records_at() + offset;
        let mut records = Records::new(&self.source, self.records_at());
        records.value(&mut at, 0).map(Some)
    }

    /// Where the records begin.
    fn records_at(&self) -> u64 {
        self.nodes * self.record_bits / 4 + GAP_BYTES
    }

    fn child(&self, node: u64, right: bool) -> Outcome<u64, S> {
        let mut bytes = [0_u8; 8];
        let size = (self.record_bits / 4) as usize;
        let found = &mut bytes[..size];
        let read = self.source.read_at(node * size as u64, found);
        read.map_err(MmdbError::Read)?;
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let child = match (self.record_bits, right) {
            // The middle byte has the highest four bits of each.
            (28, false) => u64::from(found[3] >> 4) << 24 | number(&found[..3]),
            (28, true) => u64::from(found[3] & 0x0f) << 24 | number(&found[4..]),
            (_, false) => number(&found[..size / 2]),
            (_, true) => number(&found[size / 2..]),
        };
        Ok(child)
    }
}

/// What stands behind the last marker.
fn metadata<S: Source>(source: &S) -> Outcome<Value, S> {
    let size = source.bytes().min(limits::MMDB_METADATA_BYTES_MAX);
    let mut end = vec![0; size as usize];
    let from = source.bytes() - size;
    source.read_at(from, &mut end).map_err(MmdbError::Read)?;
    let mut places = end.windows(MARKER.len());
    let place = places.rposition(|bytes| bytes == MARKER);
    let place = place.ok_or(MmdbError::Damaged("is no database of MaxMind's format"))?;
    let mut at = from + (place + MARKER.len()) as u64;
    Records::new(source, at).value(&mut at, 0)
}

/// Reads values; pointers count from `base`.
struct Records<'s, S> {
    source: &'s S,
    base: u64,
    window: Vec<u8>,
    window_at: u64,
    /// Values and bytes that may still be read.
    values: usize,
    bytes: usize,
}

impl<'s, S: Source> Records<'s, S> {
    fn new(source: &'s S, base: u64) -> Self {
        Self {
            source,
            base,
            window: Vec::new(),
            window_at: 0,
            values: limits::MMDB_RECORD_VALUES_MAX,
            bytes: limits::MMDB_RECORD_BYTES_MAX,
        }
    }

    /// So many bytes from `at` on, which moves behind them.
    fn take(&mut self, at: &mut u64, count: usize) -> Outcome<&[u8], S> {
        const TOO_LARGE: &str = "has a record that is larger than any should be";
        self.bytes = self
            .bytes
            .checked_sub(count)
            .ok_or(MmdbError::Damaged(TOO_LARGE))?;
        let end = *at + count as u64;
        if end > self.source.bytes() {
            return Err(MmdbError::Damaged("ends within a record"));
        }
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if *at < held.start || end > held.end {
            let left = self.source.bytes() - *at;
            let size = left.min(limits::MMDB_WINDOW_BYTES).max(count as u64);
            self.window.resize(size as usize, 0);
            self.window_at = *at;
            let read = self.source.read_at(*at, &mut self.window);
            read.map_err(MmdbError::Read)?;
        }
        let from = (*at - self.window_at) as usize;
        *at = end;
        Ok(&self.window[from..from + count])
    }

    fn number(&mut self, at: &mut u64, bytes: usize) -> Outcome<u64, S> {
        let found = self.take(at, bytes)?;
        Ok(found
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    /// The value at `at`, which moves behind it.
    fn value(&mut self, at: &mut u64, depth: usize) -> Outcome<Value, S> {
        const TOO_MUCH: &str = "has a record with more in it than any should have";
        self.values = self
            .values
            .checked_sub(1)
            .ok_or(MmdbError::Damaged(TOO_MUCH))?;
        if depth > limits::MMDB_RECORD_DEPTH_MAX {
            return Err(MmdbError::Damaged(TOO_MUCH));
        }
        let control = self.number(at, 1)?;
        let kind = match control >> 5 {
            0 => self.number(at, 1)? + 7,
            kind => kind,
        };
        if kind == 1 {
            let mut target = self.pointer(control, at)?;
            return self.value(&mut target, depth + 1);
        }
        let size = match control & 0x1f {
            29 => 29 + self.number(at, 1)?,
            30 => 285 + self.number(at, 2)?,
            31 => 65_821 + self.number(at, 3)?,
            size => size,
        };
        self.of_kind(kind, size as usize, at, depth)
    }

    fn of_kind(&mut self, kind: u64, size: usize, at: &mut u64, depth: usize) -> Outcome<Value, S> {
        let wrong = || MmdbError::Damaged("has a value of no known kind");
        Ok(match (kind, size) {
            (2, _) => String::from_utf8_lossy(self.take(at, size)?)
                .into_owned()
                .into(),
            (3, 8) => number_or_null(f64::from_bits(self.number(at, 8)?)),
            (15, 4) => {
                let bits = self.number(at, 4)? as u32;
                number_or_null(f64::from(f32::from_bits(bits)))
            }
            (5, ..=2) | (6, ..=4) | (9, ..=8) => self.number(at, size)?.into(),
            // Negative numbers have all four bytes.
            (8, ..=4) => (self.number(at, size)? as u32 as i32).into(),
            // Bytes and numbers of 128 bits say nothing about a place.
            (4, _) | (10, ..=16) => {
                self.take(at, size)?;
                Value::Null
            }
            (14, ..=1) => (size == 1).into(),
            (7, _) => {
                let mut map = Map::new();
                for _ in 0..size {
                    let Value::String(key) = self.value(at, depth + 1)? else {
                        return Err(wrong());
                    };
                    map.insert(key, self.value(at, depth + 1)?);
                }
                map.into()
            }
            (11, _) => {
                let mut list = Vec::new();
                for _ in 0..size {
                    list.push(self.value(at, depth + 1)?);
                }
                list.into()
            }
            _ => return Err(wrong()),
        })
    }

    /// Where a pointer leads.
    fn pointer(&mut self, control: u64, at: &mut u64) -> Outcome<u64, S> {
        let high = control & 0x07;
        let offset = match control >> 3 & 0x03 {
            0 => high << 8 | self.number(at, 1)?,
            1 => (high << 16 | self.number(at, 2)?) + 2_048,
            2 => (high << 24 | self.number(at, 3)?) + 526_336,
            _ => self.number(at, 4)?,
        };
        Ok(self.base + offset)
    }
}

fn number_or_null(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
