//! What goes wrong on the way to a VyHub and back, as a test orders it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::state::scrambled;

/// Which requests are meant.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Empty: any.
    method: String,
    /// The path, with its query, begins so.
    path: String,
}

impl Matcher {
    /// All of them.
    pub fn any() -> Self {
        ("", "").into()
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.starts_with(&self.path)
    }
}

/// A method and how the path begins, below the API's address. An empty method is any.
impl From<(&str, &str)> for Matcher {
    fn from((method, path): (&str, &str)) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }
}

/// What happens to a request. Where it does not say `AfterApplying`, and an answer of VyHub's own
/// is not what is spoilt, VyHub never sees the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing comes back until the client gives up.
    HangBefore,
    HangAfterApplying,
    /// The connection is reset.
    ResetBefore,
    ResetAfterApplying,
    /// The connection is closed in order, without an answer.
    CloseAfterApplying,
    Status(u16, Page),
    StatusAfterApplying(u16, Page),
    TooManyRequests(RetryAfter),
    /// A page of somebody else, as if all were well.
    Html200,
    /// Half of VyHub's answer, and the connection is closed; the length said that more comes.
    CutJson,
    /// The same with chunks, the last of which never comes.
    CutChunked,
    /// All of it, but no JSON.
    InvalidJson,
    /// VyHub's answer, waiting so many milliseconds before each byte.
    Trickle(u64),
    /// VyHub's clock is wrong by so many milliseconds. May stand beside another fault.
    ClockSkew(i64),
    /// VyHub carries it out so many milliseconds later, also when the client has gone meanwhile.
    Late(u64),
    /// VyHub carries it out, and this comes instead of its answer, as JSON and as if all were well.
    Body(&'static str),
    /// VyHub's answer, said to be a text.
    WrongContentType,
    /// To a place that is none of VyHub's: who follows it makes a violation.
    Redirect,
}

/// What the body of an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// As VyHub says it: a detail with code and sentence.
    Json,
    /// As proxies say it.
    Html,
    Empty,
}

/// How `Retry-After` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    Missing,
    Seconds(u64),
    /// As a date, so many seconds ahead.
    Date(u64),
}

#[derive(Default)]
struct Plan {
    next: VecDeque<(Matcher, Fault)>,
    always: Vec<(Matcher, Fault)>,
    random: Option<Random>,
    played: u64,
}

struct Random {
    seed: u64,
    count: u64,
    permille: u64,
    faults: Vec<Fault>,
}

/// The faults that are ordered.
#[derive(Default)]
pub struct Faults {
    plan: Mutex<Plan>,
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    pub fault: Option<Fault>,
    pub skew_ms: i64,
}

impl Faults {
    /// Happens to the next request that matches. Several stand in a line.
    pub fn next(&self, matcher: impl Into<Matcher>, fault: Fault) {
        self.plan().next.push_back((matcher.into(), fault));
    }

    /// Happens to every request that matches.
    pub fn always(&self, matcher: impl Into<Matcher>, fault: Fault) {
        self.plan().always.push((matcher.into(), fault));
    }

    /// So many of a thousand requests meet a fault that comes and goes by itself; none hangs.
    /// The same seed gives the same faults in the same order.
    pub fn random(&self, seed: u64, permille: u64) {
        let faults = [
            Fault::ResetBefore,
            Fault::ResetAfterApplying,
            Fault::CloseAfterApplying,
            Fault::Status(500, Page::Json),
            Fault::Status(502, Page::Html),
            Fault::Status(503, Page::Empty),
            Fault::StatusAfterApplying(504, Page::Html),
            Fault::TooManyRequests(RetryAfter::Seconds(1)),
            Fault::Html200,
            Fault::CutJson,
            Fault::CutChunked,
            Fault::InvalidJson,
        ];
        self.random_of(seed, permille, &faults);
    }

    /// The same with faults of the test's choice.
    pub fn random_of(&self, seed: u64, permille: u64, faults: &[Fault]) {
        self.plan().random = Some(Random {
            seed,
            count: 0,
            permille,
            faults: faults.to_vec(),
        });
    }

    /// From now on nothing goes wrong. What hangs goes on hanging.
    pub fn clear(&self) {
        let played = self.played();
        *self.plan() = Plan {
            played,
            ..Plan::default()
        };
    }

    /// How many requests met a fault.
    pub fn played(&self) -> u64 {
        self.plan().played
    }

    /// How many faults of `next` still wait for their request.
    pub fn waiting(&self) -> usize {
        self.plan().next.len()
    }

    pub(crate) fn pick(&self, method: &str, path: &str) -> Picked {
        let mut plan = self.plan();
        let mut picked = Picked::default();
        let mut take = |fault: Fault| match fault {
            Fault::ClockSkew(skew_ms) => picked.skew_ms = skew_ms,
            fault if picked.fault.is_none() => picked.fault = Some(fault),
            _ => {}
        };
        let mut next = plan.next.iter();
        if let Some(at) = next.position(|(matcher, _)| matcher.matches(method, path))
            && let Some((_, fault)) = plan.next.remove(at)
        {
            take(fault);
        }
        for (matcher, fault) in &plan.always {
            if matcher.matches(method, path) {
                take(fault.clone());
            }
        }
        if let Some(fault) = plan.random.as_mut().and_then(Random::draw) {
            take(fault);
        }
        plan.played += u64::from(picked.fault.is_some() || picked.skew_ms != 0);
        picked
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().expect("nobody panics with the faults")
    }
}

impl Random {
    fn draw(&mut self) -> Option<Fault> {
        self.count += 1;
        let drawn = scrambled(self.seed.wrapping_mul(1_000_003).wrapping_add(self.count));
        if self.faults.is_empty() || drawn % 1000 >= self.permille {
            return None;
        }
        let which = (drawn / 1000) % self.faults.len() as u64;
        Some(self.faults[which as usize].clone())
    }
}
