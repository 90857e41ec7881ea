//! Lines of the engine's own log, as they come by UDP.
//!
//! The engine writes them, so no script can forge one; but names and chat in them are the
//! players'. A line that can be read in more than one way is [`Line::Ambiguous`], and nothing
//! follows from it.

use super::steam_id::SteamId;

/// Whom a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub userid: i64,
    pub name: String,
    /// `None`: a bot, the console, or an id that is not known yet.
    pub id: Option<SteamId>,
    pub bot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Connected(Who),
    /// Steam has confirmed the id.
    Validated(Who),
    Entered(Who),
    Disconnected(Who),
    /// Chat; `team`: to the own team only.
    Said {
        who: Who,
        text: String,
        team: bool,
    },
    Renamed {
        who: Who,
        to: String,
    },
    Killed {
        who: Who,
        victim: Who,
    },
    MapStarted(String),
    /// More than one reading; a look at `status` tells what is true.
    Ambiguous,
    /// Well-formed, and of no interest here.
    Other,
}
