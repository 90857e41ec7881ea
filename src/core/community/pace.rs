//! When the backend is asked, and when again: one pace for the requests of all subjects.
//!
//! A request waits here until it may go. A few are under way at once, and each goes a while after
//! the one before, so that a full server does not come to the backend all at once; changes get at least every second place. After failures there are
//! pauses, ever longer and never equal: of a kind of request, when only that fails, and of all, when nothing
//! works. Then one request at a time tries, at first such as change nothing, and lists of bans, which may take
//! long, behind them. What the backend itself asks for
//! (`Retry-After`) is obeyed by all. That one request works makes others due no sooner.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::core::Now;
use crate::core::deadlines::NEVER;
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Job, Keeper, Request, Urgency};

#[derive(Debug, Default)]
pub struct Pace {
    /// By urgency, and by their tickets, which rise.
    waiting: BTreeMap<(Urgency, u64), Waiting>,
    /// By ticket.
    under_way: HashMap<u64, UnderWay>,
    kinds: HashMap<&'static str, Trouble>,
    whole: Trouble,
    /// Kinds that have failed since anything worked.
    failing: BTreeSet<&'static str>,
    /// From one request to the next, while many wait.
    gap_ms: u64,
    /// The least and the longest that this can be.
    gaps_ms: (u64, u64),
    /// When the next one would go if they all kept to that.
    next_ms: u64,
    /// Whether the oldest is next, and not the most urgent.
    oldest_next: bool,
    /// An operator wants changes to be tried before anything else.
    insisted: bool,
    /// For the jitter.
    drawn: u64,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    /// Until when it may wait, on the daemon's clock.
    until_ms: u64,
}

#[derive(Debug)]
struct UnderWay {
    kind: &'static str,
    urgency: Urgency,
    sent_ms: u64,
    /// A reply that has not come by then is not waited for any longer.
    until_ms: u64,
}

/// Failures in a row, and until when there is a pause.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    open_ms: u64,
    /// Of that, what the backend has asked for.
    asked_ms: u64,
    /// When the last failure came: what was sent before it does not count as the one that tries.
    failed_ms: u64,
}

/// What the pace makes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The backend works.
    Works,
    /// One kind of request fails, so many times in a row.
    KindFails(u32),
    /// Nothing works.
    NothingWorks,
}

/// What may go now, and what has waited for too long.
#[derive(Debug, Default)]
pub struct Released {
    pub jobs: Vec<Job>,
    pub given_up: Vec<u64>,
    /// Requests under way whose replies should have come long ago: to be learned as failures.
    pub overdue: Vec<u64>,
}

impl Pace {
    /// `seed`: another one for each vpid, so that they do not come back in step.
    pub fn new(keeper: Keeper, seed: u64) -> Self {
        let gaps_ms = match keeper {
            Keeper::Vyhub => (limits::VYHUB_GAP_MS, limits::VYHUB_GAP_MS_MAX),
            Keeper::Database => (limits::COMMUNITY_GAP_MS, limits::COMMUNITY_GAP_MS_MAX),
        };
        Self {
            gap_ms: gaps_ms.0,
            gaps_ms,
            drawn: seed,
            ..Self::default()
        }
    }

    /// A request waits for its turn, until `until_ms` at most.
    pub fn push(&mut self, job: Job, until_ms: u64) {
        let key = (job.request.urgency(), job.ticket);
        let waiting = Waiting { job, until_ms };
        self.waiting.insert(key, waiting);
    }

    /// Gives what may go now.
    pub fn release(&mut self, now: Now) -> Released {
        let mut released = Released::default();
        self.waiting.retain(|_, waiting| {
            let over = waiting.until_ms <= now.mono_ms;
            if over {
                released.given_up.push(waiting.job.ticket);
            }
            !over
        });
        while let Some(key) = self.first(now) {
            let Some(Waiting { mut job, .. }) = self.waiting.remove(&key) else {
                break;
            };
            if self.whole.failures > 0 {
                // It is the only one that finds out whether anything works.
                job.patience_ms = job.patience_ms.min(limits::VYHUB_PATIENCE_MS);
            }
            self.oldest_next = !self.oldest_next;
            self.insisted &= key.0 != Urgency::Order;
            self.next_ms = self.next_ms.max(now.mono_ms) + self.gap_ms;
            let under_way = UnderWay {
                kind: job.request.kind(),
                urgency: key.0,
                sent_ms: now.mono_ms,
                until_ms: now.mono_ms + job.patience_ms + limits::PACE_OVERDUE_MS,
            };
            self.under_way.insert(job.ticket, under_way);
            released.jobs.push(job);
        }
        let overdue = self.under_way.iter();
        let overdue = overdue.filter(|(_, one)| one.until_ms <= now.mono_ms);
        released.overdue.extend(overdue.map(|(ticket, _)| *ticket));
        released
    }

    /// The one whose turn it is.
    fn first(&self, now: Now) -> Option<(Urgency, u64)> {
        let may = |(key, waiting): &(&(Urgency, u64), &Waiting)| {
            let open_ms = self.open_ms(waiting.job.request.kind(), key.0);
            open_ms.is_some_and(|open_ms| open_ms <= now.mono_ms)
        };
        let may = self.waiting.iter().filter(may);
        let first = match (self.whole.failures, self.oldest_next) {
            _ if self.insisted => may.min_by_key(|(key, _)| **key),
            (0, true) => may.min_by_key(|(key, _)| key.1),
            (0, false) => may.min_by_key(|(key, _)| **key),
            _ => may.min_by_key(|(key, waiting)| {
                let is_list = matches!(
                    waiting.job.request,
                    Request::ListBans { .. } | Request::ListAddressBans { .. }
                );
                (key.0 == Urgency::Order, is_list, **key)
            }),
        };
        first.map(|(key, _)| *key)
    }

    /// When a change of this kind may go; `None`: not before something else has been tried.
    pub fn change_ms(&self, kind: &str) -> Option<u64> {
        let mut waiting = self.waiting.keys();
        let others_try = self.whole.failures > 0
            && !self.insisted
            && waiting.any(|(urgency, _)| *urgency != Urgency::Order);
        match others_try {
            true => None,
            false => self.open_ms(kind, Urgency::Order),
        }
    }

    /// When a request of this kind may go; `None`: not before something under way has ended.
    fn open_ms(&self, kind: &str, urgency: Urgency) -> Option<u64> {
        let all = || self.under_way.values();
        let others = all().filter(|one| one.urgency != Urgency::Order).count();
        let full = all().count() >= limits::VYHUB_BUSY_MAX
            || (urgency != Urgency::Order && others + 1 >= limits::VYHUB_BUSY_MAX);
        let tries = |trouble: &Trouble, one: &UnderWay| {
            trouble.failures > 0 && one.sent_ms >= trouble.failed_ms
        };
        let of_kind = self.kinds.get(kind);
        let insisted = self.insisted && matches!(urgency, Urgency::Order | Urgency::User);
        let busy = !insisted
            && all().any(|one| {
                let kind_tries = |trouble| one.kind == kind && tries(trouble, one);
                tries(&self.whole, one) || of_kind.is_some_and(kind_tries)
            });
        if full || busy {
            return None;
        }
        let burst_ms = (limits::VYHUB_BURST - 1) * self.gap_ms;
        let rate_ms = self.next_ms.saturating_sub(burst_ms);
        Some(rate_ms.max(self.pause_ms(kind)))
    }

    pub fn next_due(&self) -> Option<u64> {
        let due = |(key, waiting): (&(Urgency, u64), &Waiting)| {
            let open_ms = self.open_ms(waiting.job.request.kind(), key.0);
            open_ms.map_or(waiting.until_ms, |open_ms| open_ms.min(waiting.until_ms))
        };
        let overdue = self.under_way.values().map(|one| one.until_ms);
        let due = self.waiting.iter().map(due).chain(overdue).min();
        due.filter(|due_ms| *due_ms != NEVER)
    }

    /// A request has its reply. Gives when it was sent, and what that says.
    pub fn learn(
        &mut self,
        ticket: u64,
        failure: Option<&Failure>,
        now: Now,
    ) -> Option<(u64, Sign)> {
        let UnderWay {
            kind,
            urgency,
            sent_ms,
            ..
        } = self.under_way.remove(&ticket)?;
        let sign = match failure.filter(|failure| failure.is_trouble()) {
            Some(failure) => self.failed(kind, urgency, failure, now),
            None => self.worked(kind, now),
        };
        Some((sent_ms, sign))
    }

    /// A request was not sent after all.
    pub fn forget(&mut self, ticket: u64) {
        self.under_way.remove(&ticket);
    }

    fn worked(&mut self, kind: &'static str, now: Now) -> Sign {
        self.failing.clear();
        self.whole.failures = 0;
        self.whole.open_ms = self.whole.asked_ms;
        self.gap_ms = (self.gap_ms - self.gap_ms / 16).max(self.gaps_ms.0);
        if let Some(trouble) = self.kinds.get_mut(kind) {
            trouble.failures = 0;
            trouble.open_ms = trouble.asked_ms;
        }
        let is_over = |trouble: &Trouble| trouble.failures == 0 && trouble.open_ms <= now.mono_ms;
        self.kinds.retain(|_, trouble| !is_over(trouble));
        Sign::Works
    }

    fn failed(
        &mut self,
        kind: &'static str,
        urgency: Urgency,
        failure: &Failure,
        now: Now,
    ) -> Sign {
        let asked_ms = match failure.retry_after_s {
            0 => 0,
            // All that wait would come back in the same moment.
            s => now.mono_ms + s * 1_000 + self.spread_ms(500),
        };
        let mut trouble = self.kinds.remove(kind).unwrap_or_default();
        // One change that always fails is in the way of its own player only, and has pauses of its own.
        let max_ms = match urgency {
            Urgency::Order => limits::PACE_CHANGE_MS_MAX,
            _ => limits::PACE_MS_MAX,
        };
        let pauses = (limits::PACE_KIND_MS_MIN, max_ms);
        self.fail(&mut trouble, pauses, asked_ms, now);
        let failures = trouble.failures;
        self.kinds.insert(kind, trouble);
        if !failure.reachable {
            self.failing.insert(kind);
        }
        let busy = failure.kind == FailureKind::Busy;
        let nothing = !failure.reachable
            && !busy
            && (failure.kind == FailureKind::Unreachable || self.failing.len() > 1);
        if busy {
            self.gap_ms = (self.gap_ms * 2).min(self.gaps_ms.1);
        }
        if busy || nothing {
            self.insisted = false;
            let (asked_ms, min_ms) = match busy {
                true => (asked_ms, limits::PACE_KIND_MS_MIN),
                false => (0, limits::PACE_WHOLE_MS_MIN),
            };
            let mut whole = std::mem::take(&mut self.whole);
            self.fail(&mut whole, (min_ms, limits::PACE_MS_MAX), asked_ms, now);
            self.whole = whole;
        }
        match nothing {
            true => Sign::NothingWorks,
            false => Sign::KindFails(failures),
        }
    }

    /// `pauses`: the least and the longest.
    fn fail(&mut self, trouble: &mut Trouble, pauses: (u64, u64), asked_ms: u64, now: Now) {
        let pause_ms = self.back_off_ms(trouble.failures, pauses.0, pauses.1);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.failed_ms = now.mono_ms;
        trouble.asked_ms = trouble.asked_ms.max(asked_ms);
        trouble.open_ms = (now.mono_ms + pause_ms).max(trouble.asked_ms);
    }

    /// When a subject repeats what has failed, and would after `pause_ms` or so.
    pub fn again_ms(&mut self, pause_ms: u64, now: Now) -> u64 {
        let again_ms = now.mono_ms + self.spread_ms(pause_ms);
        again_ms.max(self.whole.open_ms)
    }

    /// An operator does not want to wait any longer.
    pub fn insist(&mut self) {
        self.insisted = true;
        for trouble in self.kinds.values_mut().chain([&mut self.whole]) {
            trouble.open_ms = trouble.open_ms.min(trouble.asked_ms);
        }
    }

    /// Until when there is a pause for all requests.
    pub fn whole_pause_ms(&self) -> u64 {
        self.whole.open_ms
    }

    /// Until when there is a pause for requests of this kind.
    pub fn pause_ms(&self, kind: &str) -> u64 {
        let of_kind = self.kinds.get(kind).map_or(0, |trouble| trouble.open_ms);
        of_kind.max(self.whole.open_ms)
    }

    /// Until when the backend has asked to be left alone with requests of this kind.
    pub fn asked_ms(&self, kind: &str) -> u64 {
        let of_kind = self.kinds.get(kind).map_or(0, |trouble| trouble.asked_ms);
        of_kind.max(self.whole.asked_ms)
    }

    /// Doubles with each failure, give or take a quarter.
    pub fn back_off_ms(&mut self, failures: u32, min_ms: u64, max_ms: u64) -> u64 {
        let doubled = min_ms.saturating_mul(1 << failures.min(20));
        self.spread_ms(doubled.min(max_ms))
    }

    /// A pause, give or take a quarter.
    pub fn spread_ms(&mut self, pause_ms: u64) -> u64 {
        let spread = pause_ms / 2;
        pause_ms - spread / 2 + self.draw() % (spread + 1)
    }

    /// A number that differs from the one before.
    pub fn draw(&mut self) -> u64 {
        // The generator of Knuth's MMIX: any spread will do.
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.drawn >> 33
    }
}

#[cfg(test)]
mod tests;
