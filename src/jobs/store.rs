//! What the core keeps on disk by name, apart from files of games and databases.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::limits::{ADMINS_FILE_BYTES_MAX, STORE_FILE_BYTES_MAX};
use crate::protocol::admins_file::Damaged;
use crate::protocol::ban_list::BanList;

/// A document of the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shelf {
    /// `outbox/` (of VyHub; see [`Keeper::folders`](crate::protocol::backend::Keeper::folders)): one file for each
    /// entry.
    Outbox,
    /// `vyhub/`: what was replied.
    Cache,
    /// SourceMod's file of admins, which is the owner's and in no folder of vpid's. It takes
    /// [`Content::Admins`] and nothing else, and is not read at the start.
    Admins,
    /// `rewards/`: what was done with each reward; one file for each.
    Rewards,
}

/// One change, durable before it is reported. Changes are made in the order in which they are
/// handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Of the report; `None`: no part of the core waits for it.
    pub ticket: Option<u64>,
    pub shelf: Shelf,
    /// `a-z`, `0-9` and dashes; becomes `<name>.json` (`.bans` for a list of bans, `.changes` for what has
    /// changed in it since).
    pub name: String,
    /// `None`: it is removed.
    pub content: Option<Content>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Json(String),
    Bans(Arc<BanList>),
    /// The lines of vpid's block.
    Admins(String),
    /// What is there cannot be used: it stays under a name that is not read.
    SetAside,
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub ticket: u64,
    pub result: Result<(), StoreError>,
}

/// Why a change is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("too many changes of the state folder wait already")]
    TooManyWait,
    #[error("{0:?} is no name for a file of the state folder")]
    NoName(String),
    #[error("{0} would be larger than {most} MiB", most = STORE_FILE_BYTES_MAX >> 20)]
    TooLarge(PathBuf),
    #[error("{0}: nothing of this kind is stored there")]
    OtherKind(String),
    #[error("{0} {1}")]
    Damaged(PathBuf, Damaged),
    #[error("{0} is no file, or is larger than {most} MiB", most = ADMINS_FILE_BYTES_MAX >> 20)]
    NoAdminsFile(PathBuf),
    /// The system refused it; `what` it could not do, as `could not be written`.
    #[error("{path} {what}: {error}{}", remedy(*kind))]
    Refused {
        path: PathBuf,
        what: &'static str,
        kind: ErrorKind,
        error: String,
    },
}

impl StoreError {
    /// `what` could not be done, as `could not be written`.
    pub fn refused(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Refused {
            path,
            what,
            kind: error.kind(),
            error: error.to_string(),
        }
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match kind {
        StorageFull | QuotaExceeded => "; make room on its disk",
        PermissionDenied | ReadOnlyFilesystem => "; vpid's user must be able to write there",
        _ => "",
    }
}

/// What was found at the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Each by its name, with its text.
    pub outbox: Vec<(String, String)>,
    pub cache: Vec<(String, String)>,
    pub rewards: Vec<(String, String)>,
    pub bans: Vec<(String, Arc<BanList>)>,
}
