//! A database that cannot be used: since when and why, when it is tried again, and what was reported of it.

use super::Preparation;
use crate::limits::SQL_RETRY_MS_MAX;
use crate::protocol::log_targets;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Outage {
    since: Instant,
    pub sentence: String,
    pub retry_at: Instant,
    pub next_wait_ms: u64,
    /// A worker is at the next try.
    #[cfg(feature = "mysql")]
    pub tried: bool,
    /// The server has enough connections, and is there.
    #[cfg(feature = "mysql")]
    pub too_many: bool,
    is_news: bool,
}

/// A preparation that waits for its database.
#[derive(Debug)]
pub(super) struct Pending {
    pub wanted: Preparation,
    /// A worker is at it.
    #[cfg(feature = "mysql")]
    pub taken: bool,
    said_away: bool,
}

impl Outage {
    /// Behind `before`, where the database was away already; else it is tried after `first_wait_ms`.
    pub(super) fn new(before: Option<&Self>, sentence: String, first_wait_ms: u64) -> Self {
        let wait_ms = before.map_or(first_wait_ms, |before| before.next_wait_ms);
        Self {
            since: before.map_or_else(Instant::now, |before| before.since),
            is_news: before.is_none_or(|before| before.sentence != sentence),
            sentence,
            retry_at: Instant::now() + Duration::from_millis(wait_ms),
            next_wait_ms: (wait_ms * 2).min(SQL_RETRY_MS_MAX),
            #[cfg(feature = "mysql")]
            tried: false,
            #[cfg(feature = "mysql")]
            too_many: false,
        }
    }

    /// What is to be logged of it, if anything is new.
    pub(super) fn news(&self) -> Option<String> {
        self.is_news.then(|| self.sentence.clone())
    }

    pub(super) fn log_end(&self, place: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        log::info!("{place} is back after {seconds:.1} s");
    }
}

pub(super) fn log_news(news: Option<String>) {
    if let Some(sentence) = news {
        log::error!(target: log_targets::NEWS, "{sentence}. Calls wait; vpid keeps trying.");
    }
}

impl Pending {
    pub(super) fn new(wanted: Preparation) -> Self {
        Self {
            wanted,
            #[cfg(feature = "mysql")]
            taken: false,
            said_away: false,
        }
    }

    /// Its ticket, where it had not been reported that the database is unreachable, and is now.
    pub(super) fn untold(&mut self) -> Option<u64> {
        let reported = std::mem::replace(&mut self.said_away, true);
        (!reported).then_some(self.wanted.ticket)
    }
}
