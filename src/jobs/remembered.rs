//! What must be known of the stock protocol after a restart: which identities were used, and when
//! maps began.

use crate::protocol::fair_map::Owner;

/// Servers whose identities are counted together: what is remembered of one does not push out what
/// is remembered of another.
pub type Share = u8;

/// A record of `state/identities` or `state/maps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// An identity belongs to this call file; 0 when that is finished.
    Identity {
        share: Share,
        identity: u64,
        file: u64,
    },
    /// The map of this host began at this time, unix microseconds.
    MapBegan {
        owner: Owner,
        host: u64,
        unix_us: u64,
    },
}
