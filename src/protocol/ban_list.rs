//! The bans of a bundle, small and quick: a hundred thousand cost a few megabytes, and looking up a player
//! costs one search. Its own file stands below; `vyhub::ban_list` reads VyHub's.

use super::look_alike;
use super::steam_id::SteamId;
use super::uuid::Uuid;
use crate::limits::{
    BAN_REASON_CHARS_MAX, BANS_LINE_BYTES_MAX, BANS_MAX, BANS_SHARED_TEXTS_MAX,
    BANS_TEXT_BYTES_MAX, VYHUB_NAME_CHARS_MAX,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
#[cfg(test)]
pub use tests::of;
use thiserror::Error;

/// A bundle's bans as VyHub listed them last. It has two allocations, so it is freed at once however long
/// it is.
#[derive(Clone)]
pub struct BanList {
    /// By player, then by when they were created, then by id.
    rows: Box<[Row]>,
    /// All texts, one behind the other.
    text: Box<str>,
    digest: u64,
    /// What is known of bans that could not be understood: whose they are, and their ids; by player.
    skipped: Box<[(SteamId, Option<Uuid>)]>,
}

/// One ban of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed<'a> {
    pub id: Uuid,
    pub steam: SteamId,
    /// Of the banned user, as VyHub knows them.
    pub username: &'a str,
    pub reason: &'a str,
    /// Empty: not known, or the system.
    pub creator: &'a str,
    /// Unix seconds.
    pub created_s: i64,
    /// `None`: permanent.
    pub ends_s: Option<i64>,
}

#[derive(Clone)]
struct Row {
    /// In bytes, since a number of this size would want to lie at an address of its own kind.
    id: [u8; 16],
    steam: SteamId,
    username: Span,
    reason: Span,
    creator: Span,
    created_s: i64,
    /// [`PERMANENT`] for those that are.
    ends_s: i64,
}

/// No date is as late as that.
const PERMANENT: i64 = i64::MAX;

/// Where a text stands.
#[derive(Clone, Copy, Default)]
struct Span {
    at: u32,
    bytes: u16,
}

impl BanList {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Entries of VyHub's answer that could not be understood.
    pub fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// This list, with what `known` has of bans in it that could not be understood. `None`: that is nothing.
    pub fn filled_up(&self, known: &Self) -> Option<Self> {
        let mut kept = Builder::default();
        for skipped in self.skipped.chunk_by(|one, other| one.0 == other.0) {
            let steam = skipped[0].0;
            let is_listed = |id| self.of(steam).any(|ban| ban.id == id);
            let is_skipped = |ban: &Listed<'_>| {
                skipped
                    .iter()
                    .any(|(_, id)| id.is_none_or(|id| id == ban.id))
            };
            for ban in known.of(steam).filter(is_skipped) {
                if !is_listed(ban.id) {
                    kept.add(&ban).ok()?;
                }
            }
        }
        let kept = kept.finish();
        let at = u32::try_from(self.text.len()).ok()?;
        if kept.is_empty() || self.text.len() + kept.text.len() > BANS_TEXT_BYTES_MAX {
            return None;
        }
        let mut rows = self.rows.to_vec();
        rows.extend(kept.rows.iter().cloned().map(|mut row| {
            for span in [&mut row.username, &mut row.reason, &mut row.creator] {
                span.at += at;
            }
            row
        }));
        // The first of two runs is by far the longer one.
        rows.sort_by_key(|row| (row.steam, row.created_s, row.id));
        Some(Self {
            rows: rows.into(),
            text: (self.text.to_string() + &kept.text).into(),
            // To compute it of all rows would take too long here.
            digest: self.digest ^ kept.digest.rotate_left(1),
            skipped: self.skipped.clone(),
        })
    }

    /// Equal lists have equal digests, in whatever order VyHub listed them; one that was filled up has one
    /// of its own.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The bans of one player, the oldest first.
    pub fn of(&self, steam: SteamId) -> impl Iterator<Item = Listed<'_>> {
        let begin = self.rows.partition_point(|row| row.steam < steam);
        let rows = self.rows[begin..].iter();
        rows.take_while(move |row| row.steam == steam)
            .map(|row| self.listed(row))
    }

    /// Players whose name has this part, in either case of its letters: those whose whole name it
    /// is first, each once, at most `max`.
    pub fn named(&self, part: &str, max: usize) -> Vec<(SteamId, &str)> {
        let (mut whole, mut others) = (Vec::new(), Vec::new());
        let part = Part::new(part);
        if part.folded.is_empty() {
            return whole;
        }
        for row in &self.rows {
            let username = self.text(row.username);
            let found = match part.within(username) {
                Some(true) => &mut whole,
                Some(false) => &mut others,
                None => continue,
            };
            if found.len() < max && found.last().is_none_or(|(last, _)| *last != row.steam) {
                found.push((row.steam, username));
            }
        }
        // A player may be listed under a former name too.
        others.retain(|(steam, _)| !whole.iter().any(|(other, _)| other == steam));
        whole.append(&mut others);
        whole.truncate(max);
        whole
    }

    fn all(&self) -> impl Iterator<Item = Listed<'_>> {
        self.rows.iter().map(|row| self.listed(row))
    }

    fn listed(&self, row: &Row) -> Listed<'_> {
        Listed {
            id: Uuid(u128::from_be_bytes(row.id)),
            steam: row.steam,
            username: self.text(row.username),
            reason: self.text(row.reason),
            creator: self.text(row.creator),
            created_s: row.created_s,
            ends_s: (row.ends_s != PERMANENT).then_some(row.ends_s),
        }
    }

    fn text(&self, span: Span) -> &str {
        let at = span.at as usize;
        self.text
            .get(at..at + usize::from(span.bytes))
            .unwrap_or_default()
    }

    fn computed_digest(&self) -> u64 {
        let mut sha = Sha256::new();
        for ban in self.all() {
            sha.update(ban.id.0.to_be_bytes());
            sha.update(ban.steam.account().to_be_bytes());
            sha.update(ban.created_s.to_be_bytes());
            sha.update(ban.ends_s.unwrap_or(PERMANENT).to_be_bytes());
            for text in [ban.username, ban.reason, ban.creator] {
                sha.update((text.len() as u32).to_be_bytes());
                sha.update(text);
            }
        }
        let digest: [u8; 32] = sha.finalize().into();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl Default for BanList {
    fn default() -> Self {
        Builder::default().finish()
    }
}

/// By what is listed; how it lies in memory, and what was skipped, makes no difference.
impl PartialEq for BanList {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.len() == other.len() && self.all().eq(other.all())
    }
}

impl fmt::Debug for BanList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BanList({} bans, {:016x})", self.len(), self.digest)
    }
}

/// What names are searched for, as [`look_alike`] folds it.
struct Part {
    folded: String,
}

impl Part {
    fn new(as_typed: &str) -> Self {
        let folded = look_alike::folded(as_typed);
        Self { folded }
    }

    /// `Some(true)`: it is the whole name; `Some(false)`: a part of it.
    fn within(&self, name: &str) -> Option<bool> {
        if look_alike::is_plain(name) {
            let part = self.folded.as_bytes();
            let mut places = name.as_bytes().windows(part.len());
            let found = places.any(|place| place.eq_ignore_ascii_case(part));
            return found.then_some(part.len() == name.len());
        }
        let name = look_alike::folded(name);
        name.contains(&self.folded).then(|| self.folded == name)
    }
}

/// Why a list is longer than any can be, as a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooLong {
    #[error("it lists more than {BANS_MAX} bans")]
    Bans,
    #[error("the texts of its bans are longer than {most} MiB", most = BANS_TEXT_BYTES_MAX >> 20)]
    Texts,
}

/// Makes a list, ban by ban.
#[derive(Default)]
pub(super) struct Builder {
    rows: Vec<Row>,
    text: String,
    /// Reasons and creators that occur again and again.
    shared: HashMap<Box<str>, Span>,
    skipped: Vec<(SteamId, Option<Uuid>)>,
}

impl Builder {
    /// A ban of this player cannot be understood, apart from its id perhaps.
    pub(super) fn skip(&mut self, steam: SteamId, id: Option<Uuid>) {
        self.skipped.push((steam, id));
    }

    pub(super) fn add(&mut self, ban: &Listed<'_>) -> Result<(), TooLong> {
        if self.rows.len() == BANS_MAX {
            return Err(TooLong::Bans);
        }
        let username = bounded(ban.username, VYHUB_NAME_CHARS_MAX);
        let username = match self.rows.last() {
            Some(last) if last.steam == ban.steam && self.is_at(last.username, username) => {
                last.username
            }
            _ => self.put(username),
        };
        let reason = self.put_shared(bounded(ban.reason, BAN_REASON_CHARS_MAX));
        let creator = self.put_shared(bounded(ban.creator, VYHUB_NAME_CHARS_MAX));
        if self.text.len() > BANS_TEXT_BYTES_MAX {
            return Err(TooLong::Texts);
        }
        self.rows.push(Row {
            id: ban.id.0.to_be_bytes(),
            steam: ban.steam,
            username,
            reason,
            creator,
            created_s: ban.created_s,
            ends_s: ban.ends_s.unwrap_or(PERMANENT),
        });
        Ok(())
    }

    pub(super) fn finish(mut self) -> BanList {
        self.skipped.sort_unstable();
        self.rows
            .sort_unstable_by_key(|row| (row.steam, row.created_s, row.id));
        self.rows
            .dedup_by_key(|row| (row.steam, row.created_s, row.id));
        let mut list = BanList {
            rows: self.rows.into_boxed_slice(),
            text: self.text.into_boxed_str(),
            digest: 0,
            skipped: self.skipped.into_boxed_slice(),
        };
        list.digest = list.computed_digest();
        list
    }

    fn is_at(&self, span: Span, text: &str) -> bool {
        let at = span.at as usize;
        self.text.get(at..at + usize::from(span.bytes)) == Some(text)
    }

    fn put(&mut self, text: &str) -> Span {
        let span = Span {
            at: self.text.len() as u32,
            bytes: text.len() as u16,
        };
        self.text.push_str(text);
        span
    }

    fn put_shared(&mut self, text: &str) -> Span {
        if text.is_empty() {
            return Span::default();
        }
        if let Some(span) = self.shared.get(text) {
            return *span;
        }
        let span = self.put(text);
        if self.shared.len() < BANS_SHARED_TEXTS_MAX {
            self.shared.insert(text.into(), span);
        }
        span
    }
}

/// At most `chars_max` characters of a text.
pub(super) fn bounded(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

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
}

/// A [`Listed`].
#[derive(Deserialize)]
struct Line<'a> {
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
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut to = BufWriter::new(to);
        let head = Head {
            vpid: KIND.into(),
            version: VERSION,
            bans: self.len(),
            digest: format!("{:016x}", self.computed_digest()),
        };
        serde_json::to_writer(&mut to, &head)?;
        to.write_all(b"\n")?;
        for ban in self.all() {
            serde_json::to_writer(&mut to, &ban)?;
            to.write_all(b"\n")?;
        }
        to.flush()
    }

    /// Reads what [`BanList::write`] wrote, all of it: a file that was cut or changed is none.
    pub fn read_cached(from: impl Read) -> Result<Self, Unreadable> {
        let mut lines = Lines::new(from);
        let head = lines.next()?.ok_or(Unreadable::Empty)?;
        let head: Head = serde_json::from_str(head).map_err(|_| Unreadable::NoHead)?;
        if head.vpid != KIND || head.version != VERSION {
            return Err(Unreadable::OtherVersion);
        }
        let mut builder = Builder::default();
        while let Some(line) = lines.next()? {
            let line: Line<'_> = serde_json::from_str(line)?;
            builder.add(&Listed {
                id: line.id,
                steam: line.steam,
                username: &line.username,
                reason: &line.reason,
                creator: &line.creator,
                created_s: line.created_s,
                ends_s: line.ends_s,
            })?;
        }
        let bans = builder.rows.len();
        let list = builder.finish();
        let digest = format!("{:016x}", list.digest());
        match bans == head.bans && digest == head.digest {
            true => Ok(list),
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

#[cfg(test)]
mod tests;
