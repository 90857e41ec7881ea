//! The backend as a whole: whose requests are under way, whether it is reachable, its pace and its clock.

use std::collections::HashMap;

use super::Ticket;
use super::clock::{Clock, Moment};
use super::pace::{Pace, Sign};
use crate::core::Now;
use crate::core::deadlines::NEVER;
use crate::limits;
use crate::protocol::backend::{
    Done, Failure, FailureKind, Job, Keeper, Lacking, Outcome, Reply, Request,
};
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
    under_way: HashMap<u64, (Ticket, Asked)>,
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
    /// Since when it has accepted nothing, and has refused the key or has named a right that the key lacks.
    refused_ms: Option<u64>,
    /// What it refused last.
    last_refused: Refused,
    /// When the log had last that it refuses what: the kind of a request, or [`ANYTHING`].
    reported_ms: HashMap<&'static str, u64>,
    /// Kinds of requests that the log has as failing.
    reported_kinds: Vec<&'static str>,
    /// How many records of a reply could not be read at most, as the log has it.
    reported_skipped: HashMap<Topic, usize>,
    /// How far off the clock of this machine is, as the log has it, in seconds.
    reported_clock_s: u64,
}

/// What a request is about: its kind, and the bundle.
type Topic = (&'static str, Option<Uuid>);

/// Its topic, and whether it is in the name of an issuer.
type Asked = (Topic, bool);

/// In place of the kind of a request, where the key itself is refused: then it is for requests of all kinds.
const ANYTHING: &str = "";

/// A request that the backend has refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    kind: &'static str,
    in_name_of_issuer: bool,
    /// The key itself was refused, and not only this.
    key: bool,
}

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
            refused_ms: None,
            last_refused: Refused::default(),
            reported_ms: HashMap::new(),
            reported_kinds: Vec::new(),
            reported_skipped: HashMap::new(),
            reported_clock_s: 0,
        }
    }

    /// For a document that is being written.
    pub fn ticket(&mut self, ticket: Ticket) -> u64 {
        self.under_way(ticket, (("", None), false))
    }

    fn under_way(&mut self, ticket: Ticket, asked: Asked) -> u64 {
        self.last_ticket += 1;
        self.under_way.insert(self.last_ticket, (ticket, asked));
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
        let topic = (request.kind(), request.bundle());
        let job = Job {
            ticket: self.under_way(ticket, (topic, request.issuer().is_some())),
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
        let (ticket, (topic, in_name_of_issuer)) = self.under_way.remove(&done.ticket)?;
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
                self.report_kind(kind, failure);
            }
            _ => {}
        }
        if reachable && sign != Sign::NothingWorks {
            self.reached(now);
        }
        match result {
            Ok(reply) => self.worked(topic, reply),
            Err(failure) => self.note_refusal(kind, in_name_of_issuer, failure, now),
        }
        let accepted = result.is_ok() && std::mem::take(&mut self.refused);
        if accepted {
            log::info!("{} accepts the key again", self.keeper);
            self.reported_ms.clear();
        }
        Some(Replied { ticket, accepted })
    }

    fn note_refusal(
        &mut self,
        kind: &'static str,
        in_name_of_issuer: bool,
        failure: &Failure,
        now: Now,
    ) {
        if !failure.is_refusal() {
            return;
        }
        let key = failure.kind == FailureKind::Unauthorized;
        self.refused |= key;
        if key || failure.kind == FailureKind::Forbidden(Lacking::Key) {
            self.refused_ms.get_or_insert(now.mono_ms);
        }
        self.last_refused = Refused {
            kind,
            in_name_of_issuer,
            key,
        };
    }

    fn report_kind(&mut self, kind: &'static str, failure: &Failure) {
        self.reported_kinds.push(kind);
        let keeper = self.keeper;
        log::warn!("{keeper} fails at {kind}: {failure}; it is tried again after pauses");
    }

    /// Reports a list that is declined as such (it is not found, or the request is invalid), once until it works
    /// again. Troubles, which may pass, are reported when they last, and refusals by [`Self::report_refusal`].
    pub fn report_unlisted(&mut self, kind: &'static str, failure: &Failure) {
        let is_declined = matches!(failure.kind, FailureKind::NotFound | FailureKind::Invalid);
        if is_declined && !self.reported_kinds.contains(&kind) {
            self.report_kind(kind, failure);
        }
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
        self.refused_ms = None;
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

    /// Since when it is reachable and refuses vpid's key, on the daemon's clock.
    pub fn refused_ms(&self) -> Option<u64> {
        let is_away = matches!(self.reach, Reach::Unreachable { .. });
        self.refused_ms.filter(|_| !is_away)
    }

    /// The time by its clock, unix seconds.
    pub fn time_s(&self, now: Now) -> i64 {
        self.clock.time_s(now)
    }

    /// The same, as far as it is certain.
    pub fn moment(&self, now: Now) -> Moment {
        self.clock.now(now)
    }

    /// Reports it if a request that vpid made as itself was refused: the one that was replied to just now.
    pub fn report_refusal(&mut self, failure: &Failure, now: Now) {
        if failure.is_refusal() {
            self.report_refused(self.last_refused, &failure.why, now);
        }
    }

    /// The request that was refused last.
    pub fn last_refused(&self) -> Refused {
        self.last_refused
    }

    /// The backend refuses vpid itself: reported at once, and again every hour, for each kind of request.
    pub fn report_refused(&mut self, refused: Refused, why: &str, now: Now) {
        let of = if refused.key { ANYTHING } else { refused.kind };
        let reported_ms = self.reported_ms.get(of);
        if reported_ms.is_some_and(|ms| now.mono_ms < ms + limits::VYHUB_SHOUT_MS) {
            return;
        }
        self.reported_ms.insert(of, now.mono_ms);
        log::error!("{}", self.refusal(refused, why));
    }

    fn refusal(&self, refused: Refused, why: &str) -> String {
        let (keeper, kind) = (self.keeper, refused.kind);
        let refuses = match refused.key {
            true => format!("refuses the key (at {kind})"),
            false => format!("refuses {kind}"),
        };
        let remedy = match keeper {
            Keeper::Vyhub if refused.key => "check the API key",
            Keeper::Vyhub if refused.in_name_of_issuer => {
                "check the rights of the API key (in the name of admins, it needs user_morph)"
            }
            Keeper::Vyhub => "check the rights of the API key",
            Keeper::Database => "check the rights of vpid's account there",
        };
        format!("{keeper} {refuses}: {why}; {remedy}. Nothing is dropped meanwhile")
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
    fn a_list_that_is_declined_is_reported_once_until_it_works_again() {
        let mut backend = Backend::new(Keeper::Vyhub, 1);
        let kind = Request::ListAdverts(Uuid(1)).kind();
        let failed = |kind| Failure {
            kind,
            ..Failure::unclear("x")
        };
        backend.report_unlisted(kind, &failed(FailureKind::Broken));
        assert!(backend.reported_kinds.is_empty(), "it may pass");
        for _ in 0..2 {
            backend.report_unlisted(kind, &failed(FailureKind::NotFound));
            assert_eq!(backend.reported_kinds, [kind]);
        }
        let items = Vec::new();
        let adverts = Reply::Adverts(Listing { items, skipped: 0 });
        ask(&mut backend, Request::ListAdverts(Uuid(1)), Ok(adverts), 0);
        assert!(backend.reported_kinds.is_empty());
    }

    fn refused(kind: FailureKind) -> Failure {
        Failure::replied(kind, "no")
    }

    #[test]
    fn it_refuses_the_key_from_its_first_refusal_until_it_accepts_something() {
        let mut backend = Backend::new(Keeper::Vyhub, 1);
        let links = || Request::FindLinks;
        for (n, kind, since_ms) in [
            (1, FailureKind::Forbidden(Lacking::Issuer), None),
            (2, FailureKind::NotFound, None),
            (3, FailureKind::Forbidden(Lacking::Key), Some(300_000)),
            (4, FailureKind::Unauthorized, Some(300_000)),
            (5, FailureKind::NotFound, Some(300_000)),
        ] {
            ask(&mut backend, links(), Err(refused(kind)), n * 100_000);
            assert_eq!(backend.refused_ms(), since_ms, "{n}");
        }
        ask(&mut backend, links(), Ok(Reply::Nothing), 900_000);
        assert_eq!(backend.refused_ms(), None);
    }

    #[test]
    fn each_kind_that_is_refused_is_reported_and_a_refused_key_once() {
        let mut backend = Backend::new(Keeper::Vyhub, 1);
        let mut refuse = |request, kind, ms| {
            ask(&mut backend, request, Err(refused(kind)), ms);
            backend.report_refusal(&refused(kind), at(ms));
            let at_ms = backend.reported_ms.values().filter(|it| **it == ms);
            let text = backend.refusal(backend.last_refused(), "no");
            (at_ms.count() == 1, text)
        };
        let unsaid = FailureKind::Forbidden(Lacking::Unsaid);
        let adverts = || Request::ListAdverts(Uuid(1));
        let (is_new, text) = refuse(adverts(), unsaid, 100_000);
        assert!(is_new && text.contains(" refuses listing adverts: no;"));
        assert!(!text.contains("user_morph"), "{text}");
        let (user, bundle) = (Uuid(2), Uuid(1));
        let issuer = Some(Uuid(3));
        let end = Request::EndBans {
            user,
            bundle,
            issuer,
        };
        let (is_new, text) = refuse(end, unsaid, 200_000);
        assert!(is_new && text.contains(" refuses ending bans: no;"));
        assert!(text.contains("user_morph"), "{text}");
        assert!(!refuse(adverts(), unsaid, 300_000).0);
        let (is_new, text) = refuse(Request::FindLinks, FailureKind::Unauthorized, 400_000);
        assert!(is_new && text.contains(" refuses the key (at "), "{text}");
        assert!(!refuse(adverts(), FailureKind::Unauthorized, 500_000).0);
        let later_ms = 300_000 + limits::VYHUB_SHOUT_MS;
        assert!(refuse(adverts(), unsaid, later_ms).0, "an hour later");
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
