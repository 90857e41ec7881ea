//! The difference between a stock client's clock and ours.

use std::fmt;

use super::Now;
use crate::limits;

/// The difference between a client's clock and the file system's.
///
/// The client computes its time from local time as if that were UTC-5, so it is off by a whole
/// number of quarter hours, the same for every file of a host. An identity that was copied into a
/// later file is off by something else.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockOffset {
    /// Seconds, and when they were learned.
    learned: Option<(i64, u64)>,
}

/// The seconds by which an identity is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMismatch(i64);

impl fmt::Display for ClockMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        write!(
            f,
            "its identity was made {seconds} s apart from the file: it may have been copied"
        )
    }
}

impl ClockOffset {
    /// Compares the time in an identity with that of its file.
    pub fn check(&mut self, timestamp: i64, mtime_s: i64, now: Now) -> Result<(), ClockMismatch> {
        let difference = timestamp.saturating_sub(mtime_s);
        let Some((offset, learned_ms)) = self.learned else {
            let quarters = difference.saturating_add(450).div_euclid(900);
            let offset = quarters.saturating_mul(900);
            if difference.abs_diff(offset) > limits::IDENTITY_AGE_S_MAX
                || offset.abs() > limits::CLOCK_OFFSET_S_MAX
            {
                return Err(ClockMismatch(difference));
            }
            self.learned = Some((offset, now.mono_ms));
            return Ok(());
        };
        if difference.abs_diff(offset) <= limits::IDENTITY_AGE_S_MAX {
            return Ok(());
        }
        // Summer time begins and ends in the middle of a map: one step of up to an hour.
        let stepped = [-3600, -1800, 1800, 3600]
            .into_iter()
            .find(|step| difference.abs_diff(offset + step) <= limits::IDENTITY_AGE_S_MAX);
        match stepped {
            Some(step) if now.mono_ms - learned_ms >= limits::CLOCK_STEP_MS_MIN => {
                self.learned = Some((offset + step, now.mono_ms));
                Ok(())
            }
            _ => Err(ClockMismatch(difference - offset)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_s: 0 }
    }

    #[test]
    fn a_clock_offset_is_learned_once_and_held() {
        let mut clock = ClockOffset::default();
        let five_hours = 5 * 3600;
        assert!(clock.check(1000 + five_hours, 1000, at(0)).is_ok());
        assert!(clock.check(2001 + five_hours, 2000, at(1000)).is_ok());
        assert!(
            clock
                .check(
                    2000 + five_hours,
                    2000 + limits::IDENTITY_AGE_S_MAX as i64 + 1,
                    at(1000)
                )
                .is_err()
        );
        assert!(clock.check(2000, 2000, at(1000)).is_err());
    }

    #[test]
    fn summer_time_is_followed_but_not_back_and_forth() {
        let mut clock = ClockOffset::default();
        let day = 86_400_000;
        assert!(clock.check(0, 0, at(0)).is_ok());
        assert!(clock.check(3600, 0, at(1)).is_err());
        assert!(clock.check(3600, 0, at(day)).is_ok());
        assert!(clock.check(0, 0, at(day + 1)).is_err());
    }

    #[test]
    fn an_offset_that_no_time_zone_has_is_refused() {
        assert!(ClockOffset::default().check(48 * 3600, 0, at(0)).is_err());
        assert!(ClockOffset::default().check(450, 0, at(0)).is_err());
        assert!(
            ClockOffset::default()
                .check(i64::MAX, i64::MIN, at(0))
                .is_err()
        );
    }
}
