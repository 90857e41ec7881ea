//! How long calls took, in a few buckets.

use serde::{Deserialize, Serialize};

use crate::limits::LATENCY_BOUNDS_MS;

const BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// Counts by the upper bounds of `LATENCY_BOUNDS_MS`; the last is of what took longer than all of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    pub sum_ms: u64,
}

impl Histogram {
    /// By a clock of full milliseconds: what it shows as 0 took less than one.
    pub fn add(&mut self, ms: u64) {
        let place = LATENCY_BOUNDS_MS.partition_point(|bound| *bound <= ms);
        self.counts[place] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    pub fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What has been added since it was so.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|at| self.counts[at].saturating_sub(earlier.counts[at])),
            sum_ms: self.sum_ms.saturating_sub(earlier.sum_ms),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|at| self.counts[at].saturating_add(other.counts[at])),
            sum_ms: self.sum_ms.saturating_add(other.sum_ms),
        }
    }

    /// Within how many milliseconds this part of all ended: the bound of its bucket, the highest one where it took
    /// even longer.
    pub fn quantile_ms(&self, part: f64) -> Option<u64> {
        let total = self.count();
        let rank = ((total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0_u64;
        let place = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        let place = place.filter(|_| total > 0)?;
        Some(LATENCY_BOUNDS_MS[place.min(LATENCY_BOUNDS_MS.len() - 1)])
    }

    /// Bounds in milliseconds, each with how many took no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut seen = 0_u64;
        LATENCY_BOUNDS_MS
            .iter()
            .zip(self.counts)
            .map(move |(bound, count)| {
                seen = seen.saturating_add(count);
                (*bound, seen)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_below_which_that_part_ended() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile_ms(0.5), None);
        for _ in 0..98 {
            times.add(0);
        }
        let before = times;
        times.add(7);
        times.add(1_999);
        assert_eq!(times.quantile_ms(0.5), Some(1));
        assert_eq!(times.quantile_ms(0.99), Some(10));
        assert_eq!(times.quantile_ms(1.0), Some(2_000));
        let lately = times.since(&before);
        assert_eq!((lately.count(), lately.sum_ms), (2, 2_006));
        assert_eq!(lately.quantile_ms(0.5), Some(10));
        times.add(u64::MAX);
        let highest = LATENCY_BOUNDS_MS[LATENCY_BOUNDS_MS.len() - 1];
        assert_eq!(times.quantile_ms(1.0), Some(highest));
        // A clock of full milliseconds shows 1 for what took up to 2.
        let mut one = Histogram::default();
        one.add(1);
        assert_eq!(one.quantile_ms(0.5), Some(2));
    }

    #[test]
    fn counts_add_up_to_all_but_those_beyond_the_last_bound() {
        let mut times = Histogram::default();
        for ms in [0, 3, 3, 700, 1 << 40] {
            times.add(ms);
        }
        let all: Vec<_> = times.cumulative().collect();
        assert_eq!(all[0], (1, 1));
        assert_eq!(all.last().map(|it| it.1), Some(4));
        assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert_eq!(times.count(), 5);
    }
}
