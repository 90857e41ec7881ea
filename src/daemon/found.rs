//! What the name of a file in a folder says, and what is known of it before it is read.

use std::ops::Range;

use super::OpenFile;
use super::waiting::{Kind, Of, Origin, Protocol, What};
use crate::core::{Core, FileId, FolderId};
use crate::jobs::IdMap;
use crate::protocol::names;
use crate::protocol::signed;

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
pub fn look(protocol: Protocol, name: &str) -> Option<(&str, Found<'_>)> {
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
    let is_of = |protocol| match look(protocol, name) {
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

    /// Whether a file with this id was taken by an earlier run.
    pub fn is_of_earlier_run(&self, id: FileId) -> bool {
        !self.open.contains_key(&id) && !self.ours.contains(&id)
    }
}
