//! What has changed in a list since its snapshot: the file that is appended to, so that a ban more or less costs no
//! whole list. Its first line says which snapshot it goes on from, and each further line is one change of the list, with
//! what the list is after it. A line begins with a digest of the rest, and counts if it is whole: a crash while one is
//! written takes back that one.

use super::file::{Line, Snapshot};
use super::{BanList, Key, Listed, TooLong};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use thiserror::Error;

const KIND: &str = "changes of bans";
const VERSION: u32 = 1;

/// What makes a list of an earlier one.
#[derive(Debug, Default, PartialEq)]
pub struct Changes<'a> {
    /// As they were.
    gone: Vec<Listed<'a>>,
    /// Also those that are in both and not the same.
    new: Vec<Listed<'a>>,
}

impl Changes<'_> {
    pub fn len(&self) -> usize {
        self.gone.len() + self.new.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    vpid: String,
    version: u32,
    /// Of the snapshot.
    number: u64,
    digest: String,
}

#[derive(Serialize)]
struct Written<'a> {
    gone: Vec<Gone>,
    new: &'a [Listed<'a>],
    bans: usize,
    /// Of the list after it, in hexadecimal digits.
    digest: String,
}

#[derive(Deserialize)]
struct Read<'a> {
    gone: Vec<Gone>,
    #[serde(borrow)]
    new: Vec<Line<'a>>,
    bans: usize,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct Gone {
    steam: SteamId,
    created_s: i64,
    id: Uuid,
}

impl Gone {
    fn key(&self) -> Key {
        (self.steam, self.created_s, self.id.0.to_be_bytes())
    }
}

/// Why not all of a journal counts, as a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Torn {
    #[error("it belongs to another state of the list")]
    OtherSnapshot,
    #[error("its last change was not written completely")]
    Cut,
    #[error("it was changed after it was written")]
    Changed,
}

/// What was read of a journal.
#[derive(Debug, PartialEq)]
pub struct Journal {
    /// After the last change that counts.
    pub list: BanList,
    /// `None`: all of it counts, and it may be appended to.
    pub torn: Option<Torn>,
}

impl Journal {
    /// The first line.
    pub fn head(of: Snapshot) -> Vec<u8> {
        line(&Head {
            vpid: KIND.into(),
            version: VERSION,
            number: of.number,
            digest: format!("{:016x}", of.digest),
        })
    }

    /// Goes on from the list of this snapshot.
    pub fn read(bytes: &[u8], of: Snapshot, list: BanList) -> Self {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let torn = |list, torn| Self {
            list,
            torn: Some(torn),
        };
        if of.number == 0 || lines.next() != Some(&Self::head(of)[..]) {
            return torn(list, Torn::OtherSnapshot);
        }
        let mut net: BTreeMap<Key, Option<Line<'_>>> = BTreeMap::new();
        let (mut last, mut is_torn) = (None, None);
        for line in lines {
            let read = content(line).and_then(|it| serde_json::from_str::<Read<'_>>(it).ok());
            let Some(read) = read else {
                let is_cut = line.last() != Some(&b'\n');
                is_torn = Some(if is_cut { Torn::Cut } else { Torn::Changed });
                break;
            };
            net.extend(read.gone.iter().map(|gone| (gone.key(), None)));
            let new = read.new.into_iter();
            net.extend(new.map(|line| (line.listed().key(), Some(line))));
            last = Some((read.bans, read.digest));
        }
        let Some((bans, digest)) = last else {
            return Self {
                list,
                torn: is_torn,
            };
        };
        match list.after(&net) {
            Ok(after) if after.len() == bans && hex(after.digest()) == digest => Self {
                list: after,
                torn: is_torn,
            },
            _ => torn(list, Torn::Changed),
        }
    }
}

fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// With its digest, and its end.
fn line(content: &impl Serialize) -> Vec<u8> {
    // These have nothing that JSON has not.
    let content = serde_json::to_string(content).unwrap_or_default();
    format!("{} {content}\n", checked(&content)).into_bytes()
}

fn checked(content: &str) -> String {
    let sha = Sha256::digest(content.as_bytes());
    let first = sha.iter().take(8).map(|byte| format!("{byte:02x}"));
    first.collect()
}

/// What is in a line; `None`: it is not whole.
fn content(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (digest, content) = line.split_once(' ')?;
    (digest == checked(content)).then_some(content)
}

impl BanList {
    /// What makes this list of an earlier one. `None`: more than `max` bans.
    pub fn changes_since<'a>(&'a self, earlier: &'a Self, max: usize) -> Option<Changes<'a>> {
        match Arc::ptr_eq(&self.base, &earlier.base) {
            true => self.changes_of_patch(earlier, max),
            false => self.changes_of_all(earlier, max),
        }
    }

    /// Both have the same base.
    fn changes_of_patch<'a>(&'a self, earlier: &'a Self, max: usize) -> Option<Changes<'a>> {
        let differ = |one: &'a Self, other: &'a Self| {
            let gone = one.gone.iter();
            let only = gone.filter(|at| other.gone.binary_search(at).is_err());
            let only = only.map(|at| one.base.row(*at).key());
            only.chain(one.added.rows.iter().map(super::Row::key))
        };
        let mut keys: Vec<Key> = differ(self, earlier).chain(differ(earlier, self)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut changes = Changes::default();
        for key in keys {
            changes.add(earlier.get(&key), self.get(&key));
        }
        (changes.len() <= max).then_some(changes)
    }

    fn changes_of_all<'a>(&'a self, earlier: &'a Self, max: usize) -> Option<Changes<'a>> {
        let (mut olds, mut news) = (earlier.all().peekable(), self.all().peekable());
        let mut changes = Changes::default();
        while changes.len() <= max {
            let (old, new) = (olds.peek().map(Listed::key), news.peek().map(Listed::key));
            let (is_old, is_new) = match (old, new) {
                (None, None) => return Some(changes),
                (Some(old), Some(new)) => (old <= new, new <= old),
                (old, new) => (old.is_some(), new.is_some()),
            };
            let old = if is_old { olds.next() } else { None };
            let new = if is_new { news.next() } else { None };
            changes.add(old, new);
        }
        None
    }

    /// The line of a journal for these changes, which have led to this list.
    pub fn journal_line(&self, changes: &Changes<'_>) -> Vec<u8> {
        let gone = changes.gone.iter().map(|ban| Gone {
            steam: ban.steam,
            created_s: ban.created_s,
            id: ban.id,
        });
        line(&Written {
            gone: gone.collect(),
            new: &changes.new,
            bans: self.len(),
            digest: hex(self.digest()),
        })
    }

    /// This list after changes: each ban as it is then, or that it is gone.
    fn after(&self, changes: &BTreeMap<Key, Option<Line<'_>>>) -> Result<Self, TooLong> {
        let keys: HashSet<&Key> = changes.keys().collect();
        let rows = &self.base.rows;
        let gone = changes.keys().filter_map(|key| rows.place(key));
        let gone: Vec<u32> = gone.map(|at| at as u32).collect();
        let is_gone = |row: &super::Row| keys.contains(&row.key());
        let new = changes.values().flatten().map(Line::listed);
        self.patched(&gone, is_gone, new)?.settled()
    }
}

impl<'a> Changes<'a> {
    /// What was a ban before, and what it is now.
    fn add(&mut self, old: Option<Listed<'a>>, new: Option<Listed<'a>>) {
        match (old, new) {
            (Some(old), None) => self.gone.push(old),
            (old, Some(new)) if old.as_ref() != Some(&new) => self.new.push(new),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
