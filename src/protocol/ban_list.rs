//! The bans of a bundle, small and quick: a hundred thousand cost a few megabytes, looking up a player costs one search,
//! and a change costs work in proportion to what changes. `file` is its own file, and `journal` that of its changes;
//! `vyhub::ban_list` reads VyHub's.
//!
//! A list is a *base*, which lists share and none changes, with a *patch* over it: rows of the base that do not count
//! any more, and rows beside them. A patch that has become large is made a new base.

mod file;
mod journal;

use super::look_alike;
use super::steam_id::SteamId;
use super::uuid::Uuid;
use crate::limits::{
    BAN_REASON_CHARS_MAX, BANS_MAX, BANS_PATCH_MAX, BANS_SHARED_TEXTS_MAX, BANS_TEXT_BYTES_MAX,
    VYHUB_NAME_CHARS_MAX,
};
pub use file::{Snapshot, Unreadable};
pub use journal::{Changes, Journal, Torn};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
#[cfg(test)]
pub use tests::of;
use thiserror::Error;

/// A bundle's bans as the backend listed them last. It has few allocations, so it is freed at once however long
/// it is.
#[derive(Clone)]
pub struct BanList {
    base: Arc<Base>,
    /// Places in the base of rows that do not count any more, ascending.
    gone: Box<[u32]>,
    /// Rows beside those of the base.
    added: Rows,
    /// The sum of those of its bans.
    digest: u128,
    /// What is known of bans that could not be understood: whose they are, and their ids; by player.
    skipped: Box<[(SteamId, Option<Uuid>)]>,
}

/// Most rows of a list.
#[derive(Default)]
struct Base {
    rows: Rows,
    /// Places of rows by their ids, and of those that end by their ends.
    by_id: Box<[u32]>,
    by_end: Box<[u32]>,
    digest: u128,
}

#[derive(Clone, Default)]
struct Rows {
    /// By player, then by when they were created, then by id.
    rows: Box<[Row]>,
    /// All texts, one behind the other.
    text: Box<str>,
}

/// One ban of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed<'a> {
    pub id: Uuid,
    pub steam: SteamId,
    /// Of the banned user, as the backend knows them.
    pub username: &'a str,
    pub reason: &'a str,
    /// Empty: not known, or the system.
    pub creator: &'a str,
    /// Unix seconds.
    pub created_s: i64,
    /// `None`: permanent.
    pub ends_s: Option<i64>,
}

impl Listed<'_> {
    fn key(&self) -> Key {
        (self.steam, self.created_s, self.id.0.to_be_bytes())
    }

    fn add_to(&self, sha: &mut Sha256) {
        sha.update(self.id.0.to_be_bytes());
        sha.update(self.steam.account().to_be_bytes());
        sha.update(self.created_s.to_be_bytes());
        sha.update(self.ends_s.unwrap_or(PERMANENT).to_be_bytes());
        for text in [self.username, self.reason, self.creator] {
            sha.update((text.len() as u32).to_be_bytes());
            sha.update(text);
        }
    }

    fn digest(&self) -> u128 {
        let mut sha = Sha256::new();
        self.add_to(&mut sha);
        number(sha)
    }
}

/// The first 128 bits.
fn number(sha: Sha256) -> u128 {
    let digest: [u8; 32] = sha.finalize().into();
    let first = digest.iter().take(16);
    first.fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// What rows are in the order of, and what is the same of no two.
type Key = (SteamId, i64, [u8; 16]);

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

impl Row {
    fn key(&self) -> Key {
        (self.steam, self.created_s, self.id)
    }
}

/// No date is as late as that.
const PERMANENT: i64 = i64::MAX;

/// Where a text stands.
#[derive(Clone, Copy, Default)]
struct Span {
    at: u32,
    bytes: u16,
}

impl Rows {
    fn text(&self, span: Span) -> &str {
        let at = span.at as usize;
        self.text
            .get(at..at + usize::from(span.bytes))
            .unwrap_or_default()
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

    fn place(&self, key: &Key) -> Option<usize> {
        self.rows.binary_search_by_key(key, Row::key).ok()
    }

    fn digest(&self) -> u128 {
        let digests = self.rows.iter().map(|row| self.listed(row).digest());
        digests.fold(0, u128::wrapping_add)
    }
}

impl Base {
    fn new(rows: Rows) -> Self {
        let mut by_id: Vec<u32> = (0..rows.rows.len() as u32).collect();
        let row = |at: &u32| &rows.rows[*at as usize];
        let ends = |at: &u32| row(at).ends_s != PERMANENT;
        let mut by_end: Vec<u32> = by_id.iter().copied().filter(ends).collect();
        by_id.sort_unstable_by_key(|at| row(at).id);
        by_end.sort_unstable_by_key(|at| row(at).ends_s);
        let digest = rows.digest();
        Self {
            by_id: by_id.into(),
            by_end: by_end.into(),
            digest,
            rows,
        }
    }

    fn row(&self, at: u32) -> &Row {
        &self.rows.rows[at as usize]
    }

    /// Where bans with this id are.
    fn with_id(&self, id: Uuid) -> &[u32] {
        let id = id.0.to_be_bytes();
        let begin = self.by_id.partition_point(|at| self.row(*at).id < id);
        let count = self.by_id[begin..].partition_point(|at| self.row(*at).id == id);
        &self.by_id[begin..begin + count]
    }
}

impl BanList {
    fn over(
        base: Arc<Base>,
        gone: Box<[u32]>,
        added: Rows,
        skipped: Box<[(SteamId, Option<Uuid>)]>,
    ) -> Self {
        let less = gone.iter().map(|at| base.rows.listed(base.row(*at)));
        let less = less.fold(0, |sum: u128, ban| sum.wrapping_add(ban.digest()));
        let digest = base.digest.wrapping_sub(less);
        Self {
            digest: digest.wrapping_add(added.digest()),
            base,
            gone,
            added,
            skipped,
        }
    }

    pub fn len(&self) -> usize {
        self.base.rows.rows.len() - self.gone.len() + self.added.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries of the backend's reply that could not be understood.
    pub fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// This list, with what `known` has of bans in it that could not be understood. `None`: that is nothing.
    pub fn filled_up(&self, known: &Self) -> Option<Self> {
        let mut kept = Vec::new();
        for skipped in self.skipped.chunk_by(|one, other| one.0 == other.0) {
            let steam = skipped[0].0;
            let is_listed = |id| self.of(steam).any(|ban| ban.id == id);
            let is_skipped = |ban: &Listed<'_>| {
                skipped
                    .iter()
                    .any(|(_, id)| id.is_none_or(|id| id == ban.id))
            };
            let known = known.of(steam).filter(is_skipped);
            kept.extend(known.filter(|ban| !is_listed(ban.id)));
        }
        if kept.is_empty() {
            return None;
        }
        let filled = self.patched(&[], |_| false, kept).ok()?;
        // To make a new base of it would take too long here.
        let fits = filled.text_bytes() <= BANS_TEXT_BYTES_MAX && filled.len() <= BANS_MAX;
        fits.then_some(filled)
    }

    /// This list without bans that have one of these ids and those that are over at `now_s`, and with these: what a
    /// change of a few rows makes of it.
    ///
    /// # Errors
    ///
    /// [`TooLong`]
    pub fn updated<'a>(
        &self,
        changed: &HashSet<Uuid>,
        now_s: i64,
        new: impl IntoIterator<Item = Listed<'a>>,
    ) -> Result<Self, TooLong> {
        let base = &self.base;
        let ended = base.by_end.iter().copied();
        let ended = ended.take_while(|at| base.row(*at).ends_s <= now_s);
        let mut gone: Vec<u32> = ended.collect();
        let with_ids = changed.iter().flat_map(|id| base.with_id(*id));
        gone.extend(with_ids);
        let is_gone = |row: &Row| {
            let id = Uuid(u128::from_be_bytes(row.id));
            row.ends_s <= now_s || changed.contains(&id)
        };
        let mut list = self.patched(&gone, is_gone, new)?;
        let stays = |(_, id): &&(SteamId, Option<Uuid>)| id.is_none_or(|id| !changed.contains(&id));
        list.skipped = self.skipped.iter().filter(stays).copied().collect();
        list.settled()
    }

    /// This list without those rows of the base and these of its patch, and with these bans, which replace those of the
    /// same keys.
    fn patched<'a>(
        &self,
        gone: &[u32],
        is_gone: impl Fn(&Row) -> bool,
        new: impl IntoIterator<Item = Listed<'a>>,
    ) -> Result<Self, TooLong> {
        let mut gone = [&self.gone, gone].concat();
        let mut builder = Builder::default();
        let mut replaced = HashSet::new();
        for ban in new {
            let key = ban.key();
            gone.extend(self.base.rows.place(&key).map(|at| at as u32));
            replaced.insert(key);
            builder.add(&ban)?;
        }
        for row in &self.added.rows {
            if !is_gone(row) && !replaced.contains(&row.key()) {
                builder.add(&self.added.listed(row))?;
            }
        }
        gone.sort_unstable();
        gone.dedup();
        let (base, skipped) = (Arc::clone(&self.base), self.skipped.clone());
        Ok(Self::over(base, gone.into(), builder.rows(), skipped))
    }

    /// The same list, with a new base if its patch has become large.
    fn settled(self) -> Result<Self, TooLong> {
        let is_small = self.gone.len() + self.added.rows.len() <= BANS_PATCH_MAX
            && self.text_bytes() <= BANS_TEXT_BYTES_MAX
            && self.len() <= BANS_MAX;
        match is_small {
            true => Ok(self),
            false => self.rebuilt(),
        }
    }

    /// The same list with a base of its own.
    fn rebuilt(self) -> Result<Self, TooLong> {
        let mut builder = Builder::default();
        for ban in self.all() {
            builder.add(&ban)?;
        }
        for (steam, id) in self.skipped {
            builder.skip(steam, id);
        }
        Ok(builder.finish())
    }

    fn text_bytes(&self) -> usize {
        self.base.rows.text.len() + self.added.text.len()
    }

    /// When the next of them ends, unix seconds; `None`: none does.
    pub fn next_end_s(&self) -> Option<i64> {
        let mut of_base = self.base.by_end.iter();
        let of_base = of_base.find(|at| self.gone.binary_search(at).is_err());
        let of_base = of_base.map(|at| self.base.row(*at).ends_s);
        let ends = self.added.rows.iter().map(|row| row.ends_s).chain(of_base);
        ends.min().filter(|end_s| *end_s != PERMANENT)
    }

    /// Equal lists have equal digests, in whatever order the backend listed them.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The bans of one player, the oldest first.
    pub fn of(&self, steam: SteamId) -> impl Iterator<Item = Listed<'_>> {
        let range = |rows: &[Row]| {
            let begin = rows.partition_point(|row| row.steam < steam);
            let count = rows[begin..].partition_point(|row| row.steam == steam);
            begin..begin + count
        };
        let (base, added) = (range(&self.base.rows.rows), range(&self.added.rows));
        Merged::new(self, base, added).map(|(rows, row)| rows.listed(row))
    }

    fn get(&self, key: &Key) -> Option<Listed<'_>> {
        if let Some(at) = self.added.place(key) {
            return Some(self.added.listed(&self.added.rows[at]));
        }
        let rows = &self.base.rows;
        let at = rows.place(key)?;
        let stands = self.gone.binary_search(&(at as u32)).is_err();
        stands.then(|| rows.listed(&rows.rows[at]))
    }

    /// Players whose name has this part, in either case of its letters: those whose whole name it
    /// is first, each once, at most `max`.
    pub fn named(&self, part: &str, max: usize) -> Vec<(SteamId, &str)> {
        let (mut whole, mut others) = (Vec::new(), Vec::new());
        let part = Part::new(part);
        if part.folded.is_empty() {
            return whole;
        }
        for (rows, row) in self.merged() {
            let username = rows.text(row.username);
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
        self.merged().map(|(rows, row)| rows.listed(row))
    }

    fn merged(&self) -> Merged<'_> {
        let whole = |rows: &Rows| 0..rows.rows.len();
        Merged::new(self, whole(&self.base.rows), whole(&self.added))
    }
}

/// Rows of a list in their order, each with what has its texts.
struct Merged<'a> {
    list: &'a BanList,
    /// Of the base, and of what is beside it.
    base: Range<usize>,
    added: Range<usize>,
    /// The next row that is gone.
    gone: usize,
}

impl<'a> Merged<'a> {
    fn new(list: &'a BanList, base: Range<usize>, added: Range<usize>) -> Self {
        let gone = list.gone.partition_point(|at| (*at as usize) < base.start);
        Self {
            list,
            base,
            added,
            gone,
        }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a Rows, &'a Row);

    fn next(&mut self) -> Option<Self::Item> {
        let (list, gone) = (self.list, &self.list.gone);
        while gone.get(self.gone).map(|at| *at as usize) == Some(self.base.start) {
            self.base.start += 1;
            self.gone += 1;
        }
        let (of_base, of_added) = (&list.base.rows, &list.added);
        let base = of_base.rows[..self.base.end].get(self.base.start);
        let added = of_added.rows[..self.added.end].get(self.added.start);
        let is_added = match (base, added) {
            (Some(base), Some(added)) => added.key() < base.key(),
            (None, Some(_)) => true,
            _ => false,
        };
        let (rows, row, range) = match is_added {
            true => (of_added, added, &mut self.added),
            false => (of_base, base, &mut self.base),
        };
        range.start += 1;
        row.map(|row| (rows, row))
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
        write!(f, "BanList({} bans, {:032x})", self.len(), self.digest)
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
pub struct Builder {
    rows: Vec<Row>,
    text: String,
    /// Reasons and creators that occur again and again.
    shared: HashMap<Box<str>, Span>,
    skipped: Vec<(SteamId, Option<Uuid>)>,
}

impl Builder {
    /// A ban of this player cannot be understood, apart from its id perhaps.
    pub fn skip(&mut self, steam: SteamId, id: Option<Uuid>) {
        self.skipped.push((steam, id));
    }

    /// # Errors
    ///
    /// [`TooLong`]
    pub fn add(&mut self, ban: &Listed<'_>) -> Result<(), TooLong> {
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

    pub fn finish(mut self) -> BanList {
        let mut skipped = std::mem::take(&mut self.skipped);
        skipped.sort_unstable();
        let base = Arc::new(Base::new(self.rows()));
        BanList::over(base, Box::default(), Rows::default(), skipped.into())
    }

    fn rows(mut self) -> Rows {
        self.rows.sort_unstable_by_key(Row::key);
        self.rows.dedup_by_key(|row| row.key());
        Rows {
            rows: self.rows.into_boxed_slice(),
            text: self.text.into_boxed_str(),
        }
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

#[cfg(test)]
mod tests;
