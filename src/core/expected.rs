//! Whether a signed file can be one that is expected, before it is read.

use super::shares::Owner;
use super::{Core, FolderId};
use crate::limits;
use crate::protocol::signed::{Id, Kind};

impl Core {
    /// Whether the game's file `n` of a session can be one that is waited for.
    pub fn expects(&self, owner: Owner, host: &str, session: Id, n: u64) -> bool {
        let Some(saved) = self.shared.hosts.saved(owner, host) else {
            return false;
        };
        let begun = [&saved.active, &saved.ended].into_iter().flatten();
        let mut begun = begun.filter(|saved| saved.session == session);
        let is_asked = saved.asked.iter().any(|(asked, _)| *asked == session);
        let is_next = |received| n > received && n - received <= limits::SIGNED_AHEAD_MAX;
        // What an earlier run took and did not finish is wanted as well.
        begun.any(|saved| is_next(saved.received) || saved.open.contains_key(&n))
            || (is_asked && is_next(0))
    }

    /// Whether a file that an earlier run wrote for a game can still be wanted by it.
    pub fn wants_sent(&self, folder: FolderId, host: &str, session: Id, kind: Kind) -> bool {
        let hosts = &self.shared.hosts;
        let owner = hosts.owner(folder, host, false);
        let Some(saved) = owner.and_then(|owner| hosts.saved(owner, host)) else {
            return false;
        };
        let active = saved.active.as_ref();
        match kind {
            Kind::Welcome => saved.asked.iter().any(|(asked, _)| *asked == session),
            Kind::Vpid(m) => active.is_some_and(|active| {
                let window = limits::SIGNED_CONTROL_WINDOW as u64;
                active.session == session && m > active.acked && m - active.acked <= window
            }),
            _ => false,
        }
    }
}
