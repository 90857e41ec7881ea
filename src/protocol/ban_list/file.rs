//! vpid's own file of a list of bans: a line for the list, and one for each ban.

use super::{BanList, Builder, Listed, TooLong};
use crate::limits::BANS_LINE_BYTES_MAX;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use thiserror::Error;

const KIND: &str = "bans";
const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    vpid: String,
    version: u32,
    bans: usize,
    /// Of the list, in hexadecimal digits.
    digest: String,
    /// 0 in files of versions that wrote no changes.
    #[serde(default)]
    number: u64,
}

/// A state of a list that was written as a whole: what a [`Journal`](super::Journal) goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Of its own among those of this list, also of equal ones; 0: not known.
    pub number: u64,
    /// Of the list as a whole, in its order.
    pub digest: u64,
}

/// A [`Listed`].
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    id: Uuid,
    steam: SteamId,
    #[serde(borrow)]
    username: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    creator: Cow<'a, str>,
    created_s: i64,
    ends_s: Option<i64>,
}

impl Line<'_> {
    pub(super) fn listed(&self) -> Listed<'_> {
        Listed {
            id: self.id,
            steam: self.steam,
            username: &self.username,
            reason: &self.reason,
            creator: &self.creator,
            created_s: self.created_s,
            ends_s: self.ends_s,
        }
    }
}

/// Why a file of a list cannot be used, as a sentence about it.
#[derive(Debug, Error)]
pub enum Unreadable {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is empty")]
    Empty,
    #[error("it is no text")]
    NotText,
    #[error("a line of it has no end")]
    NoLineEnd,
    #[error("it is no list of bans that vpid has cached")]
    NoHead,
    #[error("it was written by another version of vpid")]
    OtherVersion,
    #[error("a ban in it cannot be read: {0}")]
    Ban(#[from] serde_json::Error),
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("it was cut or changed after it was written")]
    Changed,
}

impl BanList {
    /// Writes the whole list. `number`: none that a snapshot of this list had before, and not 0.
    pub fn write(&self, to: impl Write, number: u64) -> io::Result<Snapshot> {
        let mut to = BufWriter::new(to);
        let digest = self.whole_digest();
        let head = Head {
            vpid: KIND.into(),
            version: VERSION,
            bans: self.len(),
            digest: format!("{digest:016x}"),
            number,
        };
        serde_json::to_writer(&mut to, &head)?;
        to.write_all(b"\n")?;
        for ban in self.all() {
            serde_json::to_writer(&mut to, &ban)?;
            to.write_all(b"\n")?;
        }
        to.flush()?;
        Ok(Snapshot { number, digest })
    }

    fn whole_digest(&self) -> u64 {
        let mut sha = Sha256::new();
        self.all().for_each(|ban| ban.add_to(&mut sha));
        (super::number(sha) >> 64) as u64
    }

    /// Reads what [`BanList::write`] wrote, all of it: a file that was cut or changed is none.
    pub fn read_cached(from: impl Read) -> Result<(Self, Snapshot), Unreadable> {
        let mut lines = Lines::new(from);
        let head = lines.next()?.ok_or(Unreadable::Empty)?;
        let head: Head = serde_json::from_str(head).map_err(|_| Unreadable::NoHead)?;
        if head.vpid != KIND || head.version != VERSION {
            return Err(Unreadable::OtherVersion);
        }
        let mut builder = Builder::default();
        while let Some(line) = lines.next()? {
            let line: Line<'_> = serde_json::from_str(line)?;
            builder.add(&line.listed())?;
        }
        let bans = builder.rows.len();
        let list = builder.finish();
        let (digest, number) = (list.whole_digest(), head.number);
        match bans == head.bans && format!("{digest:016x}") == head.digest {
            true => Ok((list, Snapshot { number, digest })),
            false => Err(Unreadable::Changed),
        }
    }
}

/// Bounded lines of text.
struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn new(from: R) -> Self {
        let (from, line) = (BufReader::new(from), Vec::new());
        Self { from, line }
    }

    fn next(&mut self) -> Result<Option<&str>, Unreadable> {
        self.line.clear();
        let most = BANS_LINE_BYTES_MAX as u64;
        let mut bounded = self.from.by_ref().take(most);
        bounded.read_until(b'\n', &mut self.line)?;
        match self.line.pop() {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(Unreadable::NoLineEnd),
        }
        let text = std::str::from_utf8(&self.line);
        text.map(Some).map_err(|_| Unreadable::NotText)
    }
}
