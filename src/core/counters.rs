//! What calls are counted by: how many ended, on which server, and how long they took; in all, and by the minute.
//!
//! A call costs a look-up of its server and a few additions. The minutes are differences of what was counted in all, taken when the daemon looks
//! at its folders anyway.

use std::collections::{BTreeMap, VecDeque};

use super::ids::ServerId;
use crate::limits::{HISTORY_MINUTES_MAX, LATENCY_MINUTES};
use crate::protocol::observable::{Finished, Histogram, Minute};

const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Default)]
pub struct Counters {
    by_server: BTreeMap<ServerId, Finished>,
    of_games: Finished,
    of_scripts: Finished,
    latency: Histogram,
    /// What was counted when the present minute began, and when that was.
    mark: (Finished, Histogram),
    minute_ms: u64,
    minutes: VecDeque<Minute>,
    /// Of the latest of these.
    latencies: VecDeque<Histogram>,
}

impl Counters {
    /// A call has ended after so long. `server`: of the game that has made it; none: a Python script or an operator
    /// has.
    pub fn finished(&mut self, server: Option<ServerId>, ok: bool, took_ms: u64) {
        let count = |of: &mut Finished| match ok {
            true => of.ok += 1,
            false => of.failed += 1,
        };
        match server {
            Some(server) => {
                count(self.by_server.entry(server).or_default());
                count(&mut self.of_games);
                self.latency.add(took_ms);
            }
            None => count(&mut self.of_scripts),
        }
    }

    /// Closes the minutes that are over, with so many players.
    pub fn close_minutes(&mut self, now_ms: u64, players: usize) {
        let over = now_ms.saturating_sub(self.minute_ms) / MINUTE_MS;
        // After a sleep of the machine, all others are of the time before those that are kept.
        for _ in 0..over.min(HISTORY_MINUTES_MAX as u64 + 1) {
            let (before, latency_before) = self.mark;
            let latency = self.latency.since(&latency_before);
            self.minutes.push_back(Minute {
                calls: self.of_games.total() - before.total(),
                failed: self.of_games.failed - before.failed,
                players,
                p50_ms: latency.quantile_ms(0.5),
                p99_ms: latency.quantile_ms(0.99),
            });
            self.latencies.push_back(latency);
            if self.minutes.len() > HISTORY_MINUTES_MAX {
                self.minutes.pop_front();
            }
            if self.latencies.len() >= LATENCY_MINUTES {
                self.latencies.pop_front();
            }
            self.mark = (self.of_games, self.latency);
        }
        self.minute_ms += over * MINUTE_MS;
    }

    /// The servers of an earlier configuration are counted in the sums alone.
    pub fn keep_servers(&mut self, present: &[ServerId]) {
        self.by_server.retain(|server, _| present.contains(server));
    }

    pub fn of_server(&self, server: ServerId) -> Finished {
        self.by_server.get(&server).copied().unwrap_or_default()
    }

    pub fn of_games(&self) -> Finished {
        self.of_games
    }

    pub fn of_scripts(&self) -> Finished {
        self.of_scripts
    }

    /// Since the start.
    pub fn latency(&self) -> Histogram {
        self.latency
    }

    /// Calls in a second, in the present minute and the one before.
    pub fn per_second(&self, now_ms: u64) -> f64 {
        let before = self.minutes.back();
        let calls = self.of_games.total() - self.mark.0.total();
        let calls = calls + before.map_or(0, |minute| minute.calls);
        let ms = now_ms.saturating_sub(self.minute_ms) + before.map_or(0, |_| MINUTE_MS);
        calls as f64 * 1_000.0 / ms.max(1_000) as f64
    }

    /// The time within which this part of the calls of the last minutes ended.
    pub fn quantile_ms(&self, part: f64) -> Option<u64> {
        let present = self.latency.since(&self.mark.1);
        let all = self.latencies.iter().fold(present, |sum, it| sum.plus(it));
        all.quantile_ms(part)
    }

    /// The oldest first, and when the last of them ended, on the daemon's clock.
    pub fn minutes(&self) -> (impl Iterator<Item = Minute>, u64) {
        (self.minutes.iter().copied(), self.minute_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Option<ServerId> = Some(ServerId(0));

    #[test]
    fn minutes_are_what_was_counted_in_them() {
        let mut counters = Counters::default();
        counters.finished(SERVER, true, 3);
        counters.finished(SERVER, false, 3);
        counters.finished(None, true, 3);
        counters.close_minutes(59_999, 5);
        assert_eq!(counters.minutes().0.count(), 0);
        counters.close_minutes(60_000, 5);
        counters.finished(SERVER, true, 700);
        counters.close_minutes(185_000, 6);
        let (minutes, end_ms) = counters.minutes();
        let minutes: Vec<_> = minutes
            .map(|it| (it.calls, it.failed, it.players, it.p99_ms))
            .collect();
        assert_eq!(
            minutes,
            [(2, 1, 5, Some(5)), (1, 0, 6, Some(1_000)), (0, 0, 6, None)]
        );
        assert_eq!(end_ms, 180_000);
        assert_eq!(counters.of_server(ServerId(0)), counters.of_games());
        assert_eq!((counters.of_games().ok, counters.of_scripts().ok), (2, 1));
    }

    #[test]
    fn latencies_are_those_of_the_last_minutes() {
        let mut counters = Counters::default();
        counters.finished(SERVER, true, 700);
        for minute in 1..LATENCY_MINUTES as u64 {
            counters.close_minutes(minute * MINUTE_MS, 0);
            counters.finished(SERVER, true, 0);
            assert_eq!(counters.quantile_ms(1.0), Some(1_000), "{minute}");
        }
        counters.close_minutes(LATENCY_MINUTES as u64 * MINUTE_MS, 0);
        assert_eq!(counters.quantile_ms(1.0), Some(1));
        assert_eq!(counters.latency().count(), LATENCY_MINUTES as u64);
    }

    #[test]
    fn the_rate_is_that_of_this_minute_and_the_one_before() {
        let mut counters = Counters::default();
        for _ in 0..120 {
            counters.finished(SERVER, true, 0);
        }
        assert_eq!(counters.per_second(10), 120.0);
        assert_eq!(counters.per_second(60_000), 2.0);
        counters.close_minutes(60_000, 0);
        assert_eq!(counters.per_second(60_000), 2.0);
        assert_eq!(counters.per_second(119_999), 120_000.0 / 119_999.0);
        counters.close_minutes(120_000, 0);
        assert_eq!(counters.per_second(121_000), 0.0);
    }

    #[test]
    fn what_is_kept_is_bounded_however_long_a_machine_sleeps() {
        let mut counters = Counters::default();
        counters.finished(SERVER, true, 0);
        counters.close_minutes(10_000 * MINUTE_MS + 5, 0);
        let (minutes, end_ms) = counters.minutes();
        assert_eq!(minutes.count(), HISTORY_MINUTES_MAX);
        assert_eq!(end_ms, 10_000 * MINUTE_MS);
        assert!(counters.latencies.len() < LATENCY_MINUTES);
        counters.keep_servers(&[ServerId(1)]);
        assert_eq!(counters.of_server(ServerId(0)), Finished::default());
        assert_eq!(counters.of_games().total(), 1);
    }
}
