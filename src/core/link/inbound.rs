//! The game's files of one session: which number comes next, which came early, which are done.

use std::collections::BTreeMap;

use crate::core::FileId;
use crate::limits;
use crate::protocol::signed::Id;
use crate::protocol::signed::messages::{self, FromGame};
use crate::protocol::signed::session_log::Saved;

/// A file that is authentic, and read.
pub struct Content {
    pub file: FileId,
    pub ack: u64,
    pub messages: Vec<FromGame>,
    /// What is wrong with its body, if that could not be read.
    pub spoiled: Option<String>,
    /// An earlier run may have executed its calls.
    pub recovered: bool,
}

/// A file that is authentic and waits for others, as it came.
pub struct Held {
    pub file: FileId,
    pub ack: u64,
    pub body: Vec<u8>,
    pub recovered: bool,
}

impl Held {
    pub fn read(self) -> Content {
        let (messages, spoiled) = match messages::parse(&self.body) {
            Ok(messages) => (messages, None),
            // Signed, and yet not understood: its number is used up all the same.
            Err(problem) => (Vec::new(), Some(problem.to_string())),
        };
        Content {
            file: self.file,
            ack: self.ack,
            messages,
            spoiled,
            recovered: self.recovered,
        }
    }
}

/// What is to be done with a file with a good signature.
pub enum Place {
    /// Its turn, or executed before by a run that did not finish it.
    Now,
    /// Others come first.
    Early,
    /// It was executed: the same file once more.
    Seen,
    /// So far ahead that no client writes it.
    Beyond,
}

pub struct Inbound {
    pub session: Id,
    /// Every file up to this one was executed.
    pub received: u64,
    /// Files that are executed and not done.
    open: BTreeMap<u64, FileId>,
    early: BTreeMap<u64, Held>,
    /// The number that was requested again last, and when.
    requested: Option<(u64, u64)>,
    /// Since when a file waits for the one before it.
    waits_ms: Option<u64>,
    /// The game has reported that its map ended: what comes late is what it had left.
    pub over: bool,
}

impl Inbound {
    pub fn new(session: Id) -> Self {
        Self {
            session,
            received: 0,
            open: BTreeMap::new(),
            early: BTreeMap::new(),
            requested: None,
            waits_ms: None,
            over: false,
        }
    }

    pub fn restore(saved: &Saved) -> Self {
        Self {
            received: saved.received,
            open: saved
                .open
                .iter()
                .map(|(n, file)| (*n, FileId(*file)))
                .collect(),
            ..Self::new(saved.session)
        }
    }

    /// Where the file `n` belongs, taken as `file`.
    pub fn place(&self, n: u64, file: FileId, recovered: bool) -> Place {
        if n <= self.received {
            let known = recovered && self.open.get(&n) == Some(&file);
            return if known { Place::Now } else { Place::Seen };
        }
        match n - self.received {
            1 => Place::Now,
            ahead if ahead > limits::SIGNED_AHEAD_MAX => Place::Beyond,
            _ if self.early.contains_key(&n) => Place::Seen,
            _ => Place::Early,
        }
    }

    pub fn hold(&mut self, n: u64, held: Held, now_ms: u64) {
        self.early.insert(n, held);
        self.waits_ms.get_or_insert(now_ms);
    }

    /// The file `n` is executed now.
    pub fn take(&mut self, n: u64, file: FileId) {
        self.received = self.received.max(n);
        self.open.insert(n, file);
        if self.early.is_empty() {
            self.waits_ms = None;
        }
    }

    /// A file that was held until now, with its number.
    pub fn next_early(&mut self) -> Option<(u64, Held)> {
        let n = self.received + 1;
        self.early.remove(&n).map(|held| (n, held))
    }

    pub fn done(&mut self, n: u64) {
        self.open.remove(&n);
    }

    /// Files that wait for others.
    pub fn held(&self) -> impl Iterator<Item = FileId> {
        self.early.values().map(|held| held.file)
    }

    /// Whether a file that is not authentic has the number of one that is still wanted.
    pub fn wants(&self, n: u64) -> bool {
        n > self.received
            && n - self.received <= limits::SIGNED_AHEAD_MAX
            && !self.early.contains_key(&n)
    }

    pub fn request_again(&mut self, n: u64, now_ms: u64) -> bool {
        let requested_lately = self
            .requested
            .is_some_and(|(requested, at)| requested == n && now_ms < at + limits::SIGNED_AGAIN_MS);
        if !requested_lately {
            self.requested = Some((n, now_ms));
        }
        !requested_lately
    }

    /// The number on which files that came early wait, and when to request it: it may be in the
    /// folder already, or on its way.
    pub fn gap(&self) -> Option<(u64, u64)> {
        let waits_ms = self.waits_ms.filter(|_| !self.early.is_empty())?;
        let n = self.received + 1;
        let since = match self.requested {
            Some((requested, at)) if requested == n => at,
            _ => waits_ms,
        };
        Some((n, since + limits::SIGNED_AGAIN_MS))
    }
}
