//! Reading the names in a folder, some in each turn.
//!
//! There are two kinds of passes. The first kind is the truth about hosts that have proven
//! themselves: it goes through all names and takes what there is room for. What strangers' files it
//! left, the second kind finds, which pauses while there is no room for them: so a folder full of
//! such files is read once for all of them. It also removes what earlier runs have written and no
//! game can want.
//!
//! Foreign files cost a look at their name and nothing else.
//!
//! Of the stock protocol nothing is taken during a pass that may find older files than the hints did
//! (the first, after lost hints, in polled folders), so that the order within a host is kept; of the
//! signed one nothing until the first pass has found what was sent to the games.

use super::OpenFile;
use super::waiting::{Kind, Of, Origin, Protocol, Waiting, WaitingFiles, What};
use crate::core::{Core, FileId, FolderId};
use crate::io::files::Folder;
use crate::io::files::{Listing, Plain};
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::{names, signed};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The passes over one folder.
pub struct Scans {
    /// One is to begin.
    wanted: bool,
    /// It may find files that are older than those of which hints came: nothing of the stock
    /// protocol is taken before its end.
    holds: bool,
    pass: Option<Pass>,
    late: Option<Listing>,
    late_wanted: bool,
    /// Of one step of that: names that no game can want. A large file takes its time to go.
    unwanted: Vec<String>,
    /// Files that an earlier run took are still to be looked for. Later on, a name of that kind
    /// is no file of ours.
    recovers: bool,
    /// No pass has ended yet.
    is_first: bool,
    /// Our own files of an earlier run that a game may still want, and their numbers.
    pub left: Vec<(u64, String)>,
    /// When the folder had last changed at the last scan.
    scanned_ns: Option<i64>,
    /// The next pass begins later than this, so that there is time to take what was found.
    rest_until: Option<Instant>,
}

struct Pass {
    listing: Listing,
    /// When the folder had last changed before.
    changed_ns: Option<i64>,
    /// Time that it has taken.
    spent: Duration,
    refused_earlier: bool,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            wanted: true,
            holds: true,
            pass: None,
            late: None,
            late_wanted: false,
            unwanted: Vec::new(),
            recovers: true,
            is_first: true,
            left: Vec::new(),
            scanned_ns: None,
            rest_until: None,
        }
    }
}

impl Scans {
    /// A pass is to be made. `holds`: it may find what is older than anything that is known.
    pub fn wanted(&mut self, holds: bool) {
        self.wanted = true;
        self.holds |= holds;
    }

    /// A file had to stay in the folder.
    pub fn refused(&mut self, proven: bool) {
        // Those of proven hosts are counted where they wait.
        self.late_wanted |= !proven;
    }

    /// A file was found and left in the folder for later.
    pub fn left_some(&mut self) {
        self.scanned_ns = None;
    }

    /// Whether a folder that last changed then has to be read again.
    pub fn is_news(&self, changed_ns: Option<i64>) -> bool {
        let is_same = |scanned| changed_ns.is_some_and(|changed| changed == scanned);
        !self.scanned_ns.is_some_and(is_same)
    }

    fn may_begin(&self, now: Instant) -> bool {
        self.wanted && self.rest_until.is_none_or(|until| now >= until)
    }

    /// Whether a pass is under way.
    pub fn is_reading(&self) -> bool {
        self.pass.is_some()
    }

    /// Whether no file may be taken yet.
    pub fn holds_back(&self, protocol: Protocol, now: Instant) -> bool {
        match protocol {
            Protocol::Stock => self.holds && (self.pass.is_some() || self.may_begin(now)),
            // Sessions tell their order themselves, once it is known what was sent to them.
            Protocol::Signed => self.is_first || !self.left.is_empty(),
        }
    }

    /// Whether nothing is to be read.
    pub fn is_idle(&self) -> bool {
        !self.wanted
            && self.pass.is_none()
            && !self.late_wanted
            && self.late.is_none()
            && self.unwanted.is_empty()
            && self.left.is_empty()
    }

    /// Whether a step can be made now; else after how long, if ever.
    pub fn due(&self, has_room: bool, now: Instant) -> Option<Duration> {
        let late = (self.late_wanted || self.late.is_some()) && has_room;
        let late = late || !self.unwanted.is_empty();
        if self.pass.is_some() || self.may_begin(now) || late || !self.left.is_empty() {
            return Some(Duration::ZERO);
        }
        let until = self.rest_until.filter(|_| self.wanted)?;
        Some(until.saturating_duration_since(now))
    }
}

/// What a pass looks at names with.
struct Look<'a> {
    folder: &'a Folder,
    of: FolderId,
    protocol: Protocol,
    known: &'a Known<'a>,
    waiting: &'a mut WaitingFiles,
    recovers: bool,
    refused_stranger: bool,
    refused_earlier: bool,
    /// Names that are no plain files.
    strange: Vec<String>,
}

impl Look<'_> {
    /// A name that is not of ours to write.
    fn add(&mut self, name: &str, host: &str, found: &Found<'_>, plain: Plain) {
        let (what, client_time, earlier) = match *found {
            Found::New(what, client_time) => (what, client_time, false),
            Found::Taken(id, what, client_time)
                if self.recovers && self.known.is_of_earlier_run(id) =>
            {
                (what, client_time, true)
            }
            _ => return,
        };
        let Some(of) = self.known.of(self.of, self.protocol, host, what) else {
            return;
        };
        if plain == Plain::No {
            if self.strange.len() <= limits::COMPLAINTS_MAX {
                self.strange.push(name.to_string());
            }
            return;
        }
        let folder = self.folder;
        let file = Waiting {
            what,
            client_time,
            name: name.into(),
        };
        if !self.waiting.add(of, file, |name| folder.mtime_ns(name)) {
            self.refused_stranger |= !of.proven;
            self.refused_earlier |= earlier;
        }
    }

    fn wants(&self, name: &signed::Name<'_>) -> bool {
        let signed::Name {
            host,
            session,
            kind,
        } = *name;
        self.known.core.wants_sent(self.of, host, session, kind)
    }
}

impl Scans {
    /// Makes steps of the passes until this time, and one at least where one is due. Gives the names of
    /// what is no plain file, where games write files.
    pub fn scan(
        &mut self,
        folder: &Folder,
        (of, protocol): (FolderId, Protocol),
        waiting: &mut WaitingFiles,
        known: &Known<'_>,
        until: Instant,
    ) -> Vec<String> {
        let mut strange = Vec::new();
        loop {
            let now = Instant::now();
            let look = Look {
                folder,
                of,
                protocol,
                known,
                waiting: &mut *waiting,
                recovers: self.recovers,
                refused_stranger: false,
                refused_earlier: false,
                strange: Vec::new(),
            };
            let step = if self.pass.is_some() || self.may_begin(now) {
                self.step(look, now)
            } else if let Some(name) = self.unwanted.pop() {
                remove_unwanted(folder, &name, known);
                Ok(Vec::new())
            } else if look.waiting.has_room_for_strangers()
                && (self.late.is_some() || self.late_wanted)
            {
                self.step_late(look)
            } else {
                return strange;
            };
            match step {
                Ok(found) => strange.extend(found),
                Err(error) => {
                    log::error!(
                        "{}: the folder cannot be read ({error}); trying again",
                        folder.path().display()
                    );
                    (self.pass, self.late) = (None, None);
                    self.skip();
                    return strange;
                }
            }
            if Instant::now() >= until {
                return strange;
            }
        }
    }

    /// Nothing can be read now: a sweep tries again.
    pub fn skip(&mut self) {
        (self.wanted, self.late_wanted) = (false, false);
    }

    /// A step of the pass that is the truth.
    fn step(&mut self, mut look: Look<'_>, began: Instant) -> std::io::Result<Vec<String>> {
        if self.pass.is_none() {
            self.wanted = false;
            self.pass = Some(Pass {
                changed_ns: look.folder.changed_ns().ok(),
                listing: Listing::begin(look.folder)?,
                spent: Duration::ZERO,
                refused_earlier: false,
            });
        }
        let Some(pass) = &mut self.pass else {
            return Ok(Vec::new());
        };
        let (is_first, left) = (self.is_first, &mut self.left);
        let mut unwanted = false;
        let more = pass.listing.next(|name, plain| {
            let Some((host, found)) = read_name(look.protocol, name) else {
                return;
            };
            match found {
                Found::Ours(parsed) if is_first && look.wants(&parsed) => {
                    if let signed::Kind::Vpid(m) = parsed.kind {
                        left.push((m, name.to_string()));
                    }
                }
                Found::Ours(_) | Found::HalfWritten => unwanted |= is_first,
                found => look.add(name, host, &found, plain),
            }
        })?;
        pass.refused_earlier |= look.refused_earlier;
        self.late_wanted |= look.refused_stranger || unwanted;
        pass.spent += began.elapsed();
        if !more {
            self.end_pass();
        }
        Ok(look.strange)
    }

    fn end_pass(&mut self) {
        let Some(pass) = self.pass.take() else {
            return;
        };
        self.recovers &= pass.refused_earlier;
        self.holds &= self.wanted;
        if std::mem::take(&mut self.is_first) {
            // The last is read first.
            self.left.sort_unstable_by(|a, b| b.cmp(a));
        }
        // Only a folder that has been quiet for a while may be skipped later.
        let is_quiet = |changed: &i64| is_older(*changed, limits::SCAN_TRUST_MS);
        self.scanned_ns = pass.changed_ns.filter(is_quiet);
        self.rest_until = Some(Instant::now() + pass.spent);
    }

    /// A step of the pass for files of unproven hosts, and for ours that no game wants.
    fn step_late(&mut self, mut look: Look<'_>) -> std::io::Result<Vec<String>> {
        if self.late.is_none() {
            self.late_wanted = false;
            self.late = Some(Listing::begin(look.folder)?);
        }
        let Some(listing) = &mut self.late else {
            return Ok(Vec::new());
        };
        let unwanted = &mut self.unwanted;
        let more = listing.next(|name, plain| {
            let Some((host, found)) = read_name(look.protocol, name) else {
                return;
            };
            match found {
                Found::HalfWritten => unwanted.push(name.to_string()),
                Found::Ours(parsed) if !look.wants(&parsed) => unwanted.push(name.to_string()),
                found => look.add(name, host, &found, plain),
            }
        })?;
        self.late_wanted |= look.refused_stranger;
        if !more {
            self.late = None;
            self.recovers &= self.late_wanted;
        }
        Ok(look.strange)
    }
}

/// Removes what no game can want, unless it was written in this run: such notes to games are known
/// elsewhere.
fn remove_unwanted(folder: &Folder, name: &str, known: &Known<'_>) {
    let mtime_ns = folder.mtime_ns(name);
    if mtime_ns.is_some_and(|mtime_ns| mtime_ns < known.began_ns) {
        let _ = folder.remove(name);
    }
}

fn is_older(unix_ns: i64, age_ms: u64) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.is_ok_and(|now| now.as_nanos() as i128 - unix_ns as i128 > age_ms as i128 * 1_000_000)
}

/// What a name says.
pub enum Found<'a> {
    /// A file for us, and the time by the client's own clock.
    New(What, (i64, i64)),
    /// Taken under this id, by us or an earlier run.
    Taken(FileId, What, (i64, i64)),
    /// An input file of the stock protocol.
    Input,
    /// Written by us for a game to read, in the signed protocol.
    Ours(signed::Name<'a>),
    /// What we had not finished writing when we ended.
    HalfWritten,
}

/// Reads a name in a folder of this protocol, with the host it belongs to. `None`: it is none of our
/// business.
pub fn read_name(protocol: Protocol, name: &str) -> Option<(&str, Found<'_>)> {
    if names::is_temporary(name) {
        return Some(("", Found::HalfWritten));
    }
    match protocol {
        Protocol::Stock => {
            let names::Name { host, kind } = names::parse(name)?;
            let found = match kind {
                names::Kind::Input => Found::Input,
                names::Kind::Restart => Found::New(What::Restart, (0, 0)),
                names::Kind::Calls { unix, tick } => {
                    Found::New(What::Calls(Origin::Game), (unix, tick))
                }
                names::Kind::Taken { id, unix, tick } => {
                    let id = FileId(id);
                    Found::Taken(id, What::Calls(Origin::EarlierRun(id)), (unix, tick))
                }
            };
            Some((host, found))
        }
        Protocol::Signed => {
            let parsed = signed::parse_name(name)?;
            let signed::Name {
                host,
                session,
                kind,
            } = parsed;
            let messages = |n, origin| What::Messages { session, n, origin };
            let found = match kind {
                signed::Kind::Welcome | signed::Kind::Vpid(_) => Found::Ours(parsed),
                signed::Kind::Hello => Found::New(What::Hello(session), (0, 0)),
                signed::Kind::Game(n) => Found::New(messages(n, Origin::Game), (0, n as i64)),
                signed::Kind::Taken { n, id } => {
                    let id = FileId(id);
                    Found::Taken(id, messages(n, Origin::EarlierRun(id)), (0, n as i64))
                }
            };
            Some((host, found))
        }
    }
}

/// Whether a notice comes from what vpid does itself: it writes files under temporary names, which it renames
/// to those of input files and of its own signed ones; and it claims files.
pub fn is_of_ours(name: &str, renamed: bool) -> bool {
    let is_of = |protocol| match read_name(protocol, name) {
        Some((_, Found::HalfWritten)) => true,
        Some((_, Found::Input | Found::Ours(_) | Found::Taken(..))) => renamed,
        _ => false,
    };
    is_of(Protocol::Stock) || is_of(Protocol::Signed)
}

/// What this vpid knows, for names that are found.
pub struct Known<'a> {
    pub core: &'a Core,
    pub open: &'a IdMap<FileId, OpenFile>,
    /// Ids that this run has given.
    pub ours: Range<FileId>,
    /// When this run began, unix nanoseconds.
    pub began_ns: i64,
    pub now_ms: u64,
}

impl Known<'_> {
    /// Among which files one goes; `None` where its host is not served.
    pub fn of<'a>(
        &self,
        folder: FolderId,
        protocol: Protocol,
        host: &'a str,
        what: What,
    ) -> Option<Of<'a>> {
        let owner = self.core.owner(folder, host, protocol == Protocol::Stock)?;
        if let What::Messages { session, n, .. } = what
            && self.core.expects(owner, host, session, n)
        {
            let kind = Kind::Session;
            let proven = true;
            return Some(Of { host, kind, proven });
        }
        let kind = match protocol {
            Protocol::Stock => Kind::Stock,
            Protocol::Signed => Kind::Signed,
        };
        let proven = self.core.is_proven(owner, host);
        Some(Of { host, kind, proven })
    }

    pub fn is_of_earlier_run(&self, id: FileId) -> bool {
        !self.open.contains_key(&id) && !self.ours.contains(&id)
    }
}
