//! A map has just started: server.cfg runs, and where it sets rcon_password, the engine closes the
//! connections of RCON. What was sent then might have been run or not, so it waits for a moment.

use std::collections::VecDeque;

use super::changing::Sent;
use super::{GameServer, ServerId, Servers};
use crate::core::Now;
use crate::core::output::Output;
use crate::limits;

/// What waits for the moment to pass.
#[derive(Default)]
pub(super) struct Settling {
    until_ms: Option<u64>,
    began_ms: Option<u64>,
    waiting: VecDeque<Sent>,
}

impl Settling {
    /// Until when nothing is sent.
    pub(super) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }

    /// Several sources report the same map; gives whether it is a new one.
    fn begin(&mut self, now: Now) -> bool {
        let lately = |began_ms: u64| now.mono_ms.saturating_sub(began_ms) < limits::RCON_SETTLED_MS;
        if self.began_ms.is_some_and(lately) {
            return false;
        }
        self.began_ms = Some(now.mono_ms);
        self.until_ms = Some(now.mono_ms + limits::RCON_SETTLE_MS);
        true
    }

    /// What may be sent now.
    fn end(&mut self, now: Now) -> VecDeque<Sent> {
        if self.until_ms.is_none_or(|until_ms| until_ms > now.mono_ms) {
            return VecDeque::new();
        }
        self.until_ms = None;
        std::mem::take(&mut self.waiting)
    }
}

impl GameServer {
    /// A map has begun, by whatever source.
    pub(super) fn map_began(&mut self, now: Now) {
        if let Some(road) = &mut self.rcon {
            let is_new = road.settling.begin(now);
            road.slots_asked &= !is_new;
            road.no_script &= !is_new;
        }
    }
}

impl Servers {
    /// Sends a command by RCON, or keeps it for a moment. It is known to fit into a line.
    pub(super) fn send(
        &mut self,
        id: ServerId,
        sent: Sent,
        out: &mut Output,
    ) -> Result<(), String> {
        let ticket = self.ticket();
        let server = self.get_mut(id).ok_or("there is no such server")?;
        let road = server.rcon.as_mut().ok_or("there is no RCON")?;
        if road.settling.until_ms.is_none() {
            out.rcon(id, ticket, &sent.command);
            road.sent.insert(ticket, sent);
            return Ok(());
        }
        if road.settling.waiting.len() >= limits::RCON_QUEUE_MAX {
            return Err(format!(
                "{}: a map has just started, and {} commands wait until the game is ready",
                server.label,
                limits::RCON_QUEUE_MAX
            ));
        }
        road.settling.waiting.push_back(sent);
        Ok(())
    }

    /// Sends what has waited long enough; gives when to look again.
    pub(super) fn send_settled(&mut self, now: Now, out: &mut Output) -> Option<u64> {
        let mut next_ms = None::<u64>;
        for id in (0..self.all.len()).map(ServerId) {
            let Some(road) = &mut self.all[id.0].rcon else {
                continue;
            };
            let waited = road.settling.end(now);
            next_ms = [next_ms, road.settling.until_ms]
                .into_iter()
                .flatten()
                .min();
            for sent in waited {
                // It is sent at once now, or there is no RCON any more.
                let _ = self.send(id, sent, out);
            }
        }
        next_ms
    }
}
