//! When a game's console is asked who is on.

use super::GameServer;
use crate::limits;

impl GameServer {
    /// When `status` is to be asked for.
    pub(super) fn status_due_ms(&self) -> Option<u64> {
        let road = self
            .rcon
            .as_ref()
            .filter(|road| !road.refused && road.asking.is_none())?;
        let Some(asked_ms) = road.asked_ms else {
            return Some(0);
        };
        if self.roster.wants_status_for_kick() && !road.away {
            return Some(road.for_kick_ms.map_or(0, |ms| ms + limits::STATUS_KICK_MS));
        }
        let heard = self.host.is_some() || self.log.as_ref().is_some_and(|log| log.heard);
        Some(
            asked_ms
                + match heard {
                    _ if road.away => limits::STATUS_ALONE_MS,
                    _ if self.roster.wants_status() => limits::STATUS_SOON_MS,
                    true => limits::STATUS_BESIDE_MS,
                    false => limits::STATUS_ALONE_MS,
                },
        )
    }
}
