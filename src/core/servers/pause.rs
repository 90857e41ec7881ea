//! A map has just started: server.cfg runs, and where it sets rcon_password, the engine closes the
//! connections of RCON. What was sent then might have been run or not, so it waits for a moment.

use std::collections::VecDeque;

use super::map_change::Sent;
use super::{GameServer, NotSent, ServerId, Servers};
use crate::core::Now;
use crate::core::output::Output;
use crate::limits;

/// What waits for the moment to pass.
#[derive(Default)]
pub(super) struct Pause {
    until_ms: Option<u64>,
    began_ms: Option<u64>,
    waiting: VecDeque<Sent>,
}

impl Pause {
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
    /// A source has reported that a map has begun.
    pub(super) fn map_began(&mut self, now: Now) {
        if let Some(rcon) = &mut self.rcon {
            let is_new = rcon.pause.begin(now);
            rcon.slots_requested &= !is_new;
            rcon.no_script &= !is_new;
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
    ) -> Result<(), NotSent> {
        let ticket = self.ticket();
        let server = self.get_mut(id).ok_or(NotSent::NoServer)?;
        let label = &server.label;
        let rcon = server.rcon.as_mut();
        let rcon = rcon.ok_or_else(|| NotSent::Unreachable(label.clone()))?;
        if rcon.pause.until_ms.is_none() {
            out.rcon(id, ticket, &sent.command);
            rcon.sent.insert(ticket, sent);
            return Ok(());
        }
        if rcon.pause.waiting.len() >= limits::RCON_QUEUE_MAX {
            return Err(NotSent::Full(label.clone()));
        }
        rcon.pause.waiting.push_back(sent);
        Ok(())
    }

    /// Sends what has waited long enough; gives when to look again.
    pub(super) fn send_delayed(&mut self, now: Now, out: &mut Output) -> Option<u64> {
        let mut next_ms = None::<u64>;
        for id in (0..self.all.len()).map(ServerId) {
            let Some(rcon) = &mut self.all[id.0].rcon else {
                continue;
            };
            let waited = rcon.pause.end(now);
            next_ms = [next_ms, rcon.pause.until_ms].into_iter().flatten().min();
            for sent in waited {
                // It is sent at once now, or there is no RCON any more.
                let _ = self.send(id, sent, out);
            }
        }
        next_ms
    }
}
