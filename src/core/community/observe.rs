//! What the community shows of itself: its backend, and what waits for that.

use super::{Community, Now};
use crate::core::event::Epoch;
use crate::core::outbox::Series;
use crate::limits::STATUS_PROBLEM_BYTES_MAX;
use crate::protocol::observable as shown;

impl Community {
    pub fn observe(&self, now: Now, epoch: Epoch) -> shown::Community {
        let (backend, outbox) = (&self.backend, &self.outbox);
        let of_series = |series: Series| {
            let (open, dead) = outbox.counts_of(series);
            shown::Outbox {
                kind: series.name().to_owned(),
                open,
                dead,
            }
        };
        let (reachable, since_ms) = backend.reach();
        let paused_ms = backend.pace.whole_pause_ms();
        shown::Community {
            keeper: backend.keeper.to_string(),
            reachable,
            since_s: since_ms.map(|ms| epoch.date_s(ms)),
            refused_since_s: backend.refused_ms().map(|ms| epoch.date_s(ms)),
            last_error: backend.last_error().map(|(at_ms, text)| shown::Problem {
                at_s: epoch.date_s(at_ms),
                is_error: true,
                text: text.chars().take(STATUS_PROBLEM_BYTES_MAX / 4).collect(),
                count: 1,
            }),
            paused_until_s: (paused_ms > now.mono_ms).then(|| epoch.date_s(paused_ms)),
            outbox: Series::ALL.map(of_series).into(),
            outbox_full: outbox.is_full(),
        }
    }
}
