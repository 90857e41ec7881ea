//! What a turn of the loop was spent on, for the sentence about one that took too long.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

/// Parts that are named, the longest first; shorter ones than this are not.
const NAMED_MAX: usize = 3;
const NAMED_MIN: Duration = Duration::from_millis(1);

/// Effects that wait for the disk.
const DISK_EFFECTS: [&str; 8] = [
    "write_responses",
    "look_at_input",
    "remove_file",
    "reject_file",
    "note_session",
    "write_signed",
    "remove_signed",
    "note_begun",
];

/// A part of a turn. Decisions and effects have the kinds of [`Event`](crate::core::Event) and
/// [`Effect`](crate::core::Effect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Decision(&'static str),
    Effect(&'static str),
    Step(Step),
}

/// What the loop does itself, without the decisions and effects in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Notices,
    Reports,
    Scripts,
    Control,
    Scan,
    Claim,
    HandOver,
}

/// How often each part of a turn was done, and how long that took.
#[derive(Default)]
pub(super) struct Spent {
    parts: Vec<(Part, usize, Duration)>,
    /// All decisions and effects.
    within: Duration,
}

impl Spent {
    pub fn clear(&mut self) {
        self.parts.clear();
        self.within = Duration::ZERO;
    }

    /// An event was decided on since then. Gives the present time.
    pub fn decision(&mut self, kind: &'static str, began: Instant) -> Instant {
        self.add_within(Part::Decision(kind), began)
    }

    /// An effect was carried out since then. Gives the present time.
    pub fn effect(&mut self, kind: &'static str, began: Instant) -> Instant {
        self.add_within(Part::Effect(kind), began)
    }

    /// A step begins: what [`Spent::end`] needs to know.
    pub fn begin(&self) -> (Instant, Duration) {
        (Instant::now(), self.within)
    }

    /// Gives how long it took.
    pub fn end(&mut self, step: Step, (began, within): (Instant, Duration)) -> Duration {
        let took = began.elapsed().saturating_sub(self.within - within);
        self.add(Part::Step(step), took);
        took
    }

    fn add_within(&mut self, part: Part, began: Instant) -> Instant {
        let now = Instant::now();
        self.within += now - began;
        self.add(part, now - began);
        now
    }

    fn add(&mut self, part: Part, took: Duration) {
        match self.parts.iter_mut().find(|(known, ..)| *known == part) {
            Some((_, count, time)) => {
                *count += 1;
                *time += took;
            }
            None => self.parts.push((part, 1, took)),
        }
    }

    /// Warns of a turn that took so long, with what took the time.
    pub fn report(&self, took: Duration, files: usize) {
        log::warn!(
            "a turn took {} ms ({files} files): {self}",
            took.as_millis()
        );
    }
}

/// The end of a sentence: the longest parts, and what to look at.
impl Display for Spent {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(.., took)| std::cmp::Reverse(*took));
        let longest = parts.iter().filter(|(.., took)| *took >= NAMED_MIN);
        let mut cause = None;
        for (part, count, took) in longest.take(NAMED_MAX) {
            let ms = took.as_millis();
            match part {
                Part::Decision(kind) => write!(out, "{ms} ms for deciding on {count} {kind}, ")?,
                Part::Effect(kind) => write!(out, "{ms} ms for {count} {kind}, ")?,
                Part::Step(step) => write!(out, "{ms} ms for {}, ", step.words())?,
            }
            cause = cause.or(Some(*part));
        }
        out.write_str(match cause {
            Some(Part::Effect(kind)) if DISK_EFFECTS.contains(&kind) => "is the disk slow?",
            Some(Part::Step(Step::Scan | Step::Claim | Step::HandOver)) => "is the disk slow?",
            Some(Part::Effect("script")) => {
                "starting or reaching the process of a Python script took so long; is the machine busy?"
            }
            _ => "is the machine busy?",
        })
    }
}

impl Step {
    /// In one word, as in the ring of the last moments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notices => "notices",
            Self::Reports => "reports",
            Self::Scripts => "scripts",
            Self::Control => "control",
            Self::Scan => "scan",
            Self::Claim => "claim",
            Self::HandOver => "hand_over",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Notices => "notices of files",
            Self::Reports => "results of workers and timers",
            Self::Scripts => "reading from Python scripts",
            Self::Control => "requests of operators",
            Self::Scan => "reading folders",
            Self::Claim => "claiming files",
            Self::HandOver => "recording identities and handing work over",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(parts: &[(Part, u64)]) -> String {
        let mut spent = Spent::default();
        for (part, ms) in parts {
            spent.add(*part, Duration::from_millis(*ms));
        }
        spent.to_string()
    }

    #[test]
    fn the_sentence_names_what_took_the_time() {
        let script = Part::Decision("script");
        let write = Part::Effect("write_signed");
        let claim = Part::Step(Step::Claim);
        assert_eq!(
            spent(&[(write, 2), (script, 200), (script, 70), (claim, 0)]),
            "270 ms for deciding on 2 script, 2 ms for 1 write_signed, is the machine busy?"
        );
        assert!(spent(&[(write, 30), (script, 2)]).ends_with("is the disk slow?"));
        assert!(spent(&[(claim, 30)]).ends_with("30 ms for claiming files, is the disk slow?"));
        assert_eq!(spent(&[]), "is the machine busy?");
    }

    #[test]
    fn a_step_is_counted_without_what_was_decided_in_it() {
        let mut spent = Spent::default();
        let step = spent.begin();
        spent.decision("signed_file", step.0 - Duration::from_secs(3_600));
        spent.end(Step::Claim, step);
        let of_step = spent
            .parts
            .iter()
            .find(|(part, ..)| *part == Part::Step(Step::Claim));
        assert_eq!(of_step.map(|(.., took)| *took), Some(Duration::ZERO));
    }
}
