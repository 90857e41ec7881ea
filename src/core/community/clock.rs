//! The backend's clock, as far as it can be known from here.
//!
//! Its replies have their date in whole seconds, and were under way for a while. So the difference to
//! the daemon's own clock is an interval, and so is each moment: what is compared with dates of the backend's
//! compares with both ends. The daemon's clock is the one that nothing sets. It stands still while the machine
//! is suspended: then, and when this machine's own clock is set, the two move apart, and only the next
//! reply shows which of the two happened.

use crate::core::Now;
use crate::limits;

/// A moment of the backend's clock, unix seconds: it lies between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub earliest_s: i64,
    pub latest_s: i64,
}

/// Its clock less the daemon's, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Difference {
    least_ms: i64,
    most_ms: i64,
    /// When it was learned.
    at: Now,
}

impl Difference {
    /// What is left of it by now.
    fn aged(self, now: Now) -> Self {
        // Two clocks drift apart.
        let age_ms = signed(now.mono_ms.saturating_sub(self.at.mono_ms));
        let drift_ms = age_ms / limits::CLOCK_DRIFT_PART;
        let moved_ms = self.moved_ms(now);
        Self {
            least_ms: self.least_ms - drift_ms + moved_ms.min(0),
            most_ms: self.most_ms + drift_ms + moved_ms.max(0),
            at: now,
        }
    }

    /// How far this machine's clock has moved against the daemon's; the former has whole seconds.
    fn moved_ms(&self, now: Now) -> i64 {
        let moved_ms = offset_ms(now).saturating_sub(offset_ms(self.at));
        match moved_ms.abs() > limits::CLOCK_MOVED_MS {
            true => moved_ms.saturating_add(moved_ms.signum() * 1_000),
            false => 0,
        }
    }
}

/// This machine's clock less the daemon's.
fn offset_ms(now: Now) -> i64 {
    now.wall_s
        .saturating_mul(1_000)
        .saturating_sub(signed(now.mono_ms))
}

#[derive(Debug, Default)]
pub struct Clock {
    difference: Option<Difference>,
}

impl Clock {
    /// A reply was dated `api_s` between these two moments.
    pub fn learn(&mut self, api_s: i64, sent_ms: u64, now: Now) {
        let api_ms = api_s.saturating_mul(1_000);
        let seen = Difference {
            least_ms: api_ms.saturating_sub(signed(now.mono_ms)),
            most_ms: api_ms.saturating_add(1_000 - signed(sent_ms)),
            at: now,
        };
        let both = self.difference.map(|known| {
            let known = known.aged(now);
            Difference {
                least_ms: seen.least_ms.max(known.least_ms),
                most_ms: seen.most_ms.min(known.most_ms),
                at: now,
            }
        });
        // Where they contradict each other, one of the clocks was set.
        let agreed = both.filter(|both| both.least_ms <= both.most_ms);
        self.difference = Some(agreed.unwrap_or(seen));
    }

    /// Its time now.
    pub fn now(&self, now: Now) -> Moment {
        let (least_ms, most_ms) = self.range(now);
        Moment {
            earliest_s: least_ms.div_euclid(1_000),
            latest_s: most_ms.div_euclid(1_000),
        }
    }

    /// The most likely time now, unix seconds.
    pub fn time_s(&self, now: Now) -> i64 {
        let Some(known) = self.difference else {
            return now.wall_s;
        };
        // Where the two have moved apart, the one that agrees with this machine's clock.
        let still_ms = known.least_ms.midpoint(known.most_ms) + signed(now.mono_ms);
        let moved_ms = still_ms.saturating_add(known.moved_ms(now));
        let wall_ms = now.wall_s.saturating_mul(1_000);
        let likely_ms = match still_ms.abs_diff(wall_ms) <= moved_ms.abs_diff(wall_ms) {
            true => still_ms,
            false => moved_ms,
        };
        likely_ms.div_euclid(1_000)
    }

    fn range(&self, now: Now) -> (i64, i64) {
        let mono_ms = signed(now.mono_ms);
        match self.difference {
            Some(known) => {
                let known = known.aged(now);
                (known.least_ms + mono_ms, known.most_ms + mono_ms)
            }
            None => {
                let wall_ms = now.wall_s.saturating_mul(1_000);
                (
                    wall_ms.saturating_sub(limits::CLOCK_UNKNOWN_MS),
                    wall_ms.saturating_add(1_000 + limits::CLOCK_UNKNOWN_MS),
                )
            }
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now {
            mono_ms,
            wall_s: 1_800_000_000 + (mono_ms / 1_000) as i64,
        }
    }

    /// What a backend whose clock is ahead by this would date a reply.
    fn dated(ahead_ms: i64, mono_ms: u64) -> i64 {
        (1_800_000_000_000 + ahead_ms + mono_ms as i64).div_euclid(1_000)
    }

    #[test]
    fn the_true_time_is_always_between_the_two_and_replies_bring_them_together() {
        for ahead_ms in (-30_000..=30_000).step_by(311) {
            let mut clock = Clock::default();
            let mut width_s = i64::MAX;
            for n in 0..40_u64 {
                let (sent_ms, replied_ms, got_ms) =
                    (n * 61_237, n * 61_237 + n, n * 61_237 + 3 * n);
                clock.learn(dated(ahead_ms, replied_ms), sent_ms, at(got_ms));
                let now = at(got_ms + 500);
                let (moment, truth_s) = (clock.now(now), dated(ahead_ms, got_ms + 500));
                let within = moment.earliest_s <= truth_s && truth_s <= moment.latest_s;
                assert!(within, "{ahead_ms} {n}: {moment:?} {truth_s}");
                assert!((clock.time_s(now) - truth_s).abs() <= 1, "{ahead_ms} {n}");
                width_s = moment.latest_s - moment.earliest_s;
            }
            assert!(width_s <= 1, "{ahead_ms}: {width_s} s");
        }
    }

    #[test]
    fn a_slow_reply_makes_it_no_less_certain() {
        let mut clock = Clock::default();
        clock.learn(dated(0, 5), 0, at(10));
        let before = clock.now(at(30_000));
        clock.learn(dated(0, 25_000), 11, at(30_000));
        assert_eq!(clock.now(at(30_000)), before);
    }

    #[test]
    fn a_clock_that_is_set_is_followed_at_once() {
        let mut clock = Clock::default();
        clock.learn(dated(0, 5), 0, at(10));
        for ahead_ms in [7_200_000, -86_400_000, 3_000, 0] {
            clock.learn(dated(ahead_ms, 1_000), 990, at(1_010));
            let apart_s = clock.time_s(at(1_010)) - dated(ahead_ms, 1_010);
            assert!(apart_s.abs() <= 1, "{ahead_ms}: {apart_s}");
        }
    }

    #[test]
    fn before_any_reply_it_may_be_off_by_minutes() {
        let moment = Clock::default().now(at(0));
        assert!(moment.earliest_s < 1_800_000_000 - 200);
        assert!(moment.latest_s > 1_800_000_000 + 200);
        assert_eq!(Clock::default().time_s(at(0)), 1_800_000_000);
    }

    #[test]
    fn it_becomes_less_certain_while_nothing_is_learned() {
        let mut clock = Clock::default();
        clock.learn(dated(0, 5), 0, at(10));
        let width_s = |moment: Moment| moment.latest_s - moment.earliest_s;
        assert!(width_s(clock.now(at(10_000))) <= 2);
        let day_ms = 86_400_000;
        assert!(width_s(clock.now(at(day_ms))) >= 30);
        assert!((clock.time_s(at(day_ms)) - dated(0, day_ms)).abs() <= 1);
    }

    #[test]
    fn a_suspended_machine_and_a_clock_that_was_set_are_noticed_before_the_next_reply() {
        let hours_s = 8 * 3_600;
        let later = |moved_s: i64| Now {
            wall_s: at(20_000).wall_s + moved_s,
            ..at(20_000)
        };
        for (ahead_s, before_s, moved_s, truth_s) in [
            // Suspended, with a right clock and with a wrong one.
            (0, 0, hours_s, hours_s),
            (0, -600, hours_s, hours_s),
            // Set right, forwards and backwards.
            (0, -hours_s, hours_s, 0),
            (0, hours_s, -hours_s, 0),
            (0, 0, 0, 0),
            (0, 0, 1, 0),
        ] {
            let mut clock = Clock::default();
            let first = Now {
                wall_s: at(10).wall_s + before_s,
                ..at(10)
            };
            clock.learn(dated(ahead_s, 5), 0, first);
            let now = later(before_s + moved_s);
            let truth_s = dated(ahead_s, 20_000) + truth_s;
            let moment = clock.now(now);
            let within = moment.earliest_s <= truth_s && truth_s <= moment.latest_s;
            assert!(within, "{before_s} {moved_s}: {moment:?} {truth_s}");
            let apart_s = clock.time_s(now) - truth_s;
            assert!(apart_s.abs() <= 2, "{before_s} {moved_s}: {apart_s}");
            // The next reply makes it certain.
            clock.learn(truth_s, 19_990, now);
            let moment = clock.now(now);
            assert!(moment.latest_s - moment.earliest_s <= 2, "{moment:?}");
        }
    }
}
