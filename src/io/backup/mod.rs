//! `vpid backup` and `vpid restore`: what vpid keeps, as one file.
//!
//! **What is of one moment.** The documents of the state folder say together what was accepted, sent and counted; their
//! order on disk is such that a kill at any moment loses nothing (`io/store`, `core/outbox`). A backup has what a kill
//! would have left. A running vpid begins no write of documents for a moment (`io/store/gate.rs`), in which
//!
//! 1. a read transaction begins on each SQLite file, and so fixes what is copied of it later;
//! 2. each file of the state folder gets a second name (a hard link), with its length. Documents are replaced as a
//!    whole, so what has that name stays as it is; what is appended later is behind that length.
//!
//! Files that are appended to without that pause (`begun`, `identities` and others) may be some records younger. They
//! only say what must not be done again, so that is on the safe side.
//!
//! Then the databases are copied, which ends their transactions, and all of it is written, at leisure. Call files are not in a backup: they are in the folders of games.

mod archive;
mod database;
mod make;
mod own;
mod restore;

pub use archive::{Archive, ArchiveError, CopyError};
pub use make::{BackupError, Done, Output, Sources, make};
pub use own::{OF_DATABASE, Own, kept};
pub use restore::{HIDDEN, Item, Plan, RestoreError, Restored, Targets, owner, restore};

/// Files of the state folder that a backup has.
const FILES: [&str; 7] = [
    "begun",
    "identities",
    "instance",
    "maps",
    "sessions",
    "tried",
    super::state_version::FILE,
];

/// Its folders that a backup has.
fn folders() -> impl Iterator<Item = &'static str> {
    use crate::protocol::backend::Keeper;
    [Keeper::Vyhub, Keeper::Database]
        .into_iter()
        .flat_map(Keeper::folders)
}

/// What names of temporary files and folders begin with.
const TEMPORARY: &str = ".vpid-backup-";
const RESTORE_TEMPORARY: &str = ".vpid-restore-";
