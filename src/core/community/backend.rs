//! The backend as a whole: whose requests are under way, whether it is reachable, its pace and its clock.

use std::collections::HashMap;

use super::Ticket;
use super::clock::{Clock, Moment};
use super::pace::{Pace, Sign};
use crate::core::Now;
use crate::core::deadlines::NEVER;
use crate::limits;
use crate::protocol::backend::{Done, Failure, FailureKind, Job, Keeper, Outcome, Reply, Request};
use crate::protocol::log_targets;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Unknown,
    Reachable {
        since_ms: u64,
    },
    Unreachable {
        since_ms: u64,
    },
}

pub struct Backend {
    pub keeper: Keeper,
    /// Requests, and documents that are being written.
    under_way: HashMap<u64, (Ticket, Topic)>,
    last_ticket: u64,
    pub pace: Pace,
    clock: Clock,
    reach: Reach,
    /// What failed last, and when.
    last_error: Option<(u64, String)>,
    /// Whether the log reported last that it is unreachable; and when it last reported it reachable again.
    reported_away: bool,
    reported_back_ms: Option<u64>,
    /// It has refused the key, and has accepted it for nothing since.
    refused: bool,
    /// When the log had last that it refuses vpid.
    reported_ms: Option<u64>,
    /// Kinds of requests that the log has as failing.
    reported_kinds: Vec<&'static str>,
    /// How many records of a reply could not be read at most, as the log has it.
    reported_skipped: HashMap<Topic, usize>,
    /// How far off the clock of this machine is, as the log has it, in seconds.
    reported_clock_s: u64,
}

/// What a request is about: its kind, and the bundle.
type Topic = (&'static str, Option<Uuid>);

/// A reply, and whose it is.
pub struct Replied {
    pub ticket: Ticket,
    /// The backend accepts the key again.
    pub accepted: bool,
}

impl Backend {
    pub fn new(keeper: Keeper, seed: u64) -> Self {
        Self {
            keeper,
            under_way: HashMap::new(),
            last_ticket: 0,
            pace: Pace::new(keeper, seed),
            clock: Clock::default(),
            reach: Reach::Unknown,
            last_error: None,
            reported_away: false,
            reported_back_ms: None,
            refused: false,
            reported_ms: None,
            reported_kinds: Vec::new(),
            reported_skipped: HashMap::new(),
            reported_clock_s: 0,
        }
    }

    /// For a document that is being written.
    pub fn ticket(&mut self, ticket: Ticket) -> u64 {
        self.under_way(ticket, ("", None))
    }

    fn under_way(&mut self, ticket: Ticket, topic: Topic) -> u64 {
        self.last_ticket += 1;
        self.under_way.insert(self.last_ticket, (ticket, topic));
        self.last_ticket
    }

    /// What was under way with this number.
    pub fn take(&mut self, ticket: u64) -> Option<Ticket> {
        self.under_way.remove(&ticket).map(|(ticket, _)| ticket)
    }

    /// Queues a request; the pace decides when it is sent. Where that takes too long, the subject gets a failure
    /// instead; what is requested every minute anyway waits.
    pub fn request(&mut self, ticket: Ticket, request: Request, now: Now) {
        let (patience_ms, wait_ms) = match &request {
            Request::ListBans { .. } | Request::ListAddressBans { .. } => {
                (limits::VYHUB_LIST_PATIENCE_MS, None)
            }
            Request::FindServer(_) | Request::FindBundle(_) => (limits::VYHUB_PATIENCE_MS, None),
            Request::CreateBan { .. }
            | Request::CreateAddressBan { .. }
            | Request::CreateWarning { .. }
            | Request::CreateMembership { .. }
            | Request::AddToAttribute(_)
            | Request::AddAllToAttribute(_) => {
                (limits::VYHUB_PATIENCE_MS, Some(limits::PACE_CHANGE_WAIT_MS))
            }
            _ => (limits::VYHUB_PATIENCE_MS, Some(limits::PACE_WAIT_MS)),
        };
        let job = Job {
            ticket: self.under_way(ticket, (request.kind(), request.bundle())),
            request,
            patience_ms,
        };
        let until_ms = wait_ms.map_or(NEVER, |wait_ms| now.mono_ms + wait_ms);
        self.pace.push(job, until_ms);
    }

    /// What may be sent now, whose requests have waited for too long, and failures for those that get no reply.
    pub fn release(&mut self, now: Now) -> (Vec<Job>, Vec<Ticket>, Vec<Done>) {
        let released = self.pace.release(now);
        let given_up = released.given_up.into_iter();
        let no_reply = |ticket| Done {
            ticket,
            outcome: Outcome {
                result: Err(Failure {
                    under_way: true,
                    ..Failure::unclear("there is no reply at all")
                }),
                api_s: None,
            },
        };
        (
            released.jobs,
            given_up.filter_map(|ticket| self.take(ticket)).collect(),
            released.overdue.into_iter().map(no_reply).collect(),
        )
    }

    /// When a subject repeats what has failed, and would after `pause_ms` or so.
    pub fn again_ms(&mut self, pause_ms: u64, now: Now) -> u64 {
        // One that is locked for a moment, as while its tables are made, is there again soon.
        let pause_ms = match self.keeper {
            Keeper::Vyhub => pause_ms,
            Keeper::Database => pause_ms.min(limits::COMMUNITY_AGAIN_MS),
        };
        self.pace.again_ms(pause_ms, now)
    }

    /// Learns from a reply.
    pub fn learn(&mut self, done: &Done, now: Now) -> Option<Replied> {
        let (ticket, topic) = self.under_way.remove(&done.ticket)?;
        let kind = topic.0;
        let result = done.outcome.result.as_ref();
        let failure = result.err();
        if failure.is_some_and(|failure| failure.kind == FailureKind::Unsupported) {
            self.pace.forget(done.ticket);
            let accepted = false;
            return Some(Replied { ticket, accepted });
        }
        let (sent_ms, sign) = self.pace.learn(done.ticket, failure, now)?;
        if let Some(failure) = failure.filter(|it| it.is_trouble() || it.is_refusal()) {
            self.last_error = Some((now.mono_ms, format!("{kind}: {failure}")));
        }
        let reachable = failure.is_none_or(|failure| failure.reachable);
        if let Some(api_s) = done.outcome.api_s.filter(|_| reachable) {
            self.clock.learn(api_s, sent_ms, now);
            self.report_clock(now);
        }
        match (sign, failure) {
            (Sign::NothingWorks, Some(failure)) => self.lost(failure, now),
            // It may have failed more often than that while nothing worked.
            (Sign::KindFails(limits::PACE_FAILURES_REPORTED..), Some(failure))
                if !self.reported_kinds.contains(&kind) =>
            {
                self.reported_kinds.push(kind);
                let keeper = self.keeper;
                log::warn!("{keeper} fails at {kind}: {failure}; it is tried again after pauses");
            }
            _ => {}
        }
        if reachable && sign != Sign::NothingWorks {
            self.reached(now);
        }
        if let Ok(reply) = result {
            self.worked(topic, reply);
        }
        let accepted = result.is_ok() && std::mem::take(&mut self.refused);
        if accepted {
            log::info!("{} accepts the key again", self.keeper);
            self.reported_ms = None;
        }
        let is_refused = |failure: &Failure| failure.kind == FailureKind::Unauthorized;
        self.refused |= failure.is_some_and(is_refused);
        Some(Replied { ticket, accepted })
    }

    fn lost(&mut self, failure: &Failure, now: Now) {
        let since_ms = match self.reach {
            Reach::Unreachable { since_ms } => since_ms,
            _ => now.mono_ms,
        };
        self.reach = Reach::Unreachable { since_ms };
        let just_back = self
            .reported_back_ms
            .is_some_and(|ms| now.mono_ms < ms + limits::VYHUB_AWAY_AGAIN_MS);
        let is_sure = !just_back || now.mono_ms >= since_ms + limits::VYHUB_AWAY_MS;
        if is_sure && !std::mem::replace(&mut self.reported_away, true) {
            log::warn!(
                target: log_targets::NEWS,
                "{} cannot be reached: {failure}; bans hold as they are known, and what changes waits \
                 in the outbox",
                self.keeper
            );
        }
    }

    fn reached(&mut self, now: Now) {
        let since_ms = match self.reach {
            Reach::Reachable { since_ms } => since_ms,
            _ => now.mono_ms,
        };
        let before = std::mem::replace(&mut self.reach, Reach::Reachable { since_ms });
        if let Reach::Unreachable { since_ms } = before
            && std::mem::take(&mut self.reported_away)
        {
            let seconds = (now.mono_ms - since_ms) / 1_000;
            self.reported_back_ms = Some(now.mono_ms);
            log::info!("{} is reached again, after {seconds} s", self.keeper);
        }
    }

    fn worked(&mut self, topic: Topic, reply: &Reply) {
        let kind = topic.0;
        if let Some(at) = self.reported_kinds.iter().position(|known| *known == kind) {
            self.reported_kinds.remove(at);
            log::info!("{} works again at {kind}", self.keeper);
        }
        let skipped = reply.skipped();
        let most = self.reported_skipped.get(&topic).copied();
        if skipped > most.unwrap_or(0) {
            self.reported_skipped.insert(topic, skipped);
            let rest = match reply {
                Reply::Groups(_) => "rights stay as they were known",
                _ => "the others count",
            };
            log::warn!(
                "{}'s reply for {kind} has {skipped} records that cannot be read; {rest}",
                self.keeper
            );
        }
    }

    fn report_clock(&mut self, now: Now) {
        let apart_s = self.clock.time_s(now).abs_diff(now.wall_s);
        if apart_s.abs_diff(self.reported_clock_s) > 60 {
            self.reported_clock_s = apart_s;
            match apart_s > 60 {
                true => log::warn!(
                    "the clock of this machine and {0}'s differ by {apart_s} s: bans follow {0}'s",
                    self.keeper
                ),
                false => log::info!(
                    "the clock of this machine and {}'s agree again",
                    self.keeper
                ),
            }
        }
    }

    pub fn is_reachable(&self) -> bool {
        matches!(self.reach, Reach::Reachable { .. })
    }

    /// Whether it is reachable, and since when that is so.
    pub fn reach(&self) -> (Option<bool>, Option<u64>) {
        match self.reach {
            Reach::Unknown => (None, None),
            Reach::Reachable { since_ms } => (Some(true), Some(since_ms)),
            Reach::Unreachable { since_ms } => (Some(false), Some(since_ms)),
        }
    }

    /// What failed last, and when.
    pub fn last_error(&self) -> Option<(u64, &str)> {
        let (at_ms, text) = self.last_error.as_ref()?;
        Some((*at_ms, text))
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
        self.clock.time_s(now)
    }

    /// The same, as far as it is certain.
    pub fn moment(&self, now: Now) -> Moment {
        self.clock.now(now)
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
            match self.keeper {
                Keeper::Vyhub => log::error!(
                    "VyHub refuses this server: {why}; check the API key and its rights (bans in the \
                     name of admins need user_morph). Nothing is dropped meanwhile"
                ),
                Keeper::Database => log::error!(
                    "{} refuses this vpid: {why}; check the rights of its account there. Nothing is dropped \
                     meanwhile",
                    self.keeper
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::ServerId;
    use crate::protocol::backend::Listing;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_s: 0 }
    }

    fn ask(backend: &mut Backend, request: Request, result: Result<Reply, Failure>, ms: u64) {
        backend.request(Ticket::Status(ServerId(0)), request, at(ms));
        let (jobs, ..) = backend.release(at(ms));
        for job in jobs {
            let outcome = Outcome {
                result: result.clone(),
                api_s: None,
            };
            let ticket = job.ticket;
            backend.learn(&Done { ticket, outcome }, at(ms));
        }
    }

    #[test]
    fn a_kind_that_still_fails_after_an_outage_is_reported() {
        let mut backend = Backend::new(Keeper::Vyhub, 1);
        let away = Failure {
            kind: FailureKind::Unreachable,
            ..Failure::unclear("x")
        };
        let list = || Request::ListBans {
            bundle: Uuid(1),
            newest: false,
        };
        for n in 1..=8 {
            ask(&mut backend, list(), Err(away.clone()), n * 100_000);
        }
        assert!(backend.reported_kinds.is_empty());
        let good = Ok(Reply::Nothing);
        ask(&mut backend, Request::FindLinks, good, 900_000);
        let broken = Failure {
            kind: FailureKind::Broken,
            ..away
        };
        for n in 10..=12 {
            ask(&mut backend, list(), Err(broken.clone()), n * 100_000);
            assert_eq!(backend.reported_kinds, [list().kind()]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_counted_for_each_bundle_and_never_twice() {
        let mut backend = Backend::new(Keeper::Vyhub, 1);
        let mut reported = Vec::new();
        for (n, (bundle, skipped)) in [(1, 3), (2, 1), (1, 0), (1, 3), (2, 1), (2, 2)]
            .into_iter()
            .enumerate()
        {
            let items = Vec::new();
            let adverts = Ok(Reply::Adverts(Listing { items, skipped }));
            let before = backend.reported_skipped.clone();
            let request = Request::ListAdverts(Uuid(bundle));
            ask(&mut backend, request, adverts, n as u64 * 10_000);
            reported.push(before != backend.reported_skipped);
        }
        assert_eq!(reported, [true, true, false, false, false, true]);
    }
}
