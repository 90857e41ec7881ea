//! The backend as a whole: whose requests are under way, whether it is reachable, and its clock.

use std::collections::HashMap;

use super::Ticket;
use crate::core::Now;
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Job, Outcome, Request};
use crate::protocol::log_targets;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Unknown,
    Reachable,
    Unreachable {
        since_ms: u64,
    },
}

#[derive(Default)]
pub struct Backend {
    /// Requests, and documents that are being written.
    under_way: HashMap<u64, Ticket>,
    last_ticket: u64,
    reach: Reach,
    /// Its clock less ours, in seconds.
    offset_s: i64,
    /// It has refused the key, and has accepted it for nothing since.
    refused: bool,
    /// When the log had last that it refuses vpid.
    reported_ms: Option<u64>,
}

impl Backend {
    pub fn ticket(&mut self, ticket: Ticket) -> u64 {
        self.last_ticket += 1;
        self.under_way.insert(self.last_ticket, ticket);
        self.last_ticket
    }

    /// What was under way with this number.
    pub fn take(&mut self, ticket: u64) -> Option<Ticket> {
        self.under_way.remove(&ticket)
    }

    pub fn request(&mut self, ticket: Ticket, request: Request) -> Job {
        let patience_ms = match request {
            Request::ListBans(_) => limits::VYHUB_LIST_PATIENCE_MS,
            _ => limits::VYHUB_PATIENCE_MS,
        };
        Job {
            ticket: self.ticket(ticket),
            request,
            patience_ms,
        }
    }

    /// Learns from a reply. Whether the backend is reachable again, or accepts the key again.
    pub fn learn(&mut self, outcome: &Outcome, now: Now) -> bool {
        if let Err(failure) = &outcome.result
            && !failure.reachable
        {
            if !matches!(self.reach, Reach::Unreachable { .. }) {
                let since_ms = now.mono_ms;
                self.reach = Reach::Unreachable { since_ms };
                log::warn!(
                    target: log_targets::NEWS,
                    "VyHub cannot be reached: {failure}; bans hold as they are known, and what changes \
                     waits in the outbox"
                );
            }
            return false;
        }
        if let Some(api_s) = outcome.api_s {
            self.set_clock(api_s - now.wall_s);
        }
        let before = std::mem::replace(&mut self.reach, Reach::Reachable);
        if let Reach::Unreachable { since_ms } = before {
            let seconds = (now.mono_ms - since_ms) / 1_000;
            log::info!("VyHub is reached again, after {seconds} s");
        }
        let accepted = outcome.result.is_ok() && std::mem::take(&mut self.refused);
        if accepted {
            log::info!("VyHub takes the key again");
            self.reported_ms = None;
        }
        let kind = outcome.result.as_ref().map_err(|failure| failure.kind);
        self.refused |= kind == Err(FailureKind::Unauthorized);
        before != Reach::Reachable || accepted
    }

    fn set_clock(&mut self, offset_s: i64) {
        // The reply was under way for a moment.
        if offset_s.abs_diff(self.offset_s) <= 2 {
            return;
        }
        self.offset_s = offset_s;
        if offset_s.abs() > 60 {
            log::warn!(
                "the clock of this machine and VyHub's differ by {} s: bans follow VyHub's",
                offset_s.abs()
            );
        }
    }

    pub fn is_reachable(&self) -> bool {
        self.reach == Reach::Reachable
    }

    /// For how long it has been unreachable, in milliseconds.
    pub fn unreachable_ms(&self, now: Now) -> Option<u64> {
        match self.reach {
            Reach::Unreachable { since_ms } => Some(now.mono_ms - since_ms),
            _ => None,
        }
    }

    /// The time by its clock, unix seconds.
    pub fn time_s(&self, now: Now) -> i64 {
        now.wall_s.saturating_add(self.offset_s)
    }

    /// Reports it if a request that vpid made as itself was refused.
    pub fn report_refusal(&mut self, failure: &Failure, now: Now) {
        if failure.is_refusal() {
            self.report_refused(&failure.why, now);
        }
    }

    /// The backend refuses vpid itself: reported at once, and again every hour.
    pub fn report_refused(&mut self, why: &str, now: Now) {
        let again = |ms: u64| now.mono_ms >= ms + limits::VYHUB_SHOUT_MS;
        if self.reported_ms.is_none_or(again) {
            self.reported_ms = Some(now.mono_ms);
            log::error!(
                "VyHub refuses this server: {why}; check the API key and its rights (bans in the \
                 name of admins need user_morph). Nothing is dropped meanwhile"
            );
        }
    }
}
