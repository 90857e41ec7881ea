//! What carries a request out: a thread's connection, what is known without a statement, and transactions. What fails
//! is put into the backend's words here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::changes::{self, Counters, Topic};
use super::known::{Kept, Known, Shared};
use crate::io::sql::own::{Own, OwnError};
use crate::limits::LOCAL_NOTE_MS;
use crate::protocol::backend::{Failure, FailureKind, Outcome, Reply};

/// Why a request has no good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Database(OwnError),
    /// The request is not to be carried out.
    Refused(Failure),
}

pub(super) type Answer<T = Reply> = Result<T, Trouble>;

impl From<OwnError> for Trouble {
    fn from(error: OwnError) -> Self {
        Self::Database(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// What it is about is not there.
pub(super) fn unknown(why: &str) -> Trouble {
    Failure::replied(FailureKind::NotFound, why).into()
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let error = match trouble {
            Trouble::Refused(failure) => return failure,
            Trouble::Database(error) => error,
        };
        let why = error.to_string();
        match error {
            OwnError::Unreachable(_) => Self::of(FailureKind::Unreachable, &why),
            // It was taken back as a whole.
            OwnError::Busy(_) => Self::replied(FailureKind::TooEarly, &why),
            OwnError::Unclear(_) => Self {
                under_way: true,
                ..Self::unclear(&why)
            },
            OwnError::Refused(_) => {
                let why = format!("the community's database refused it: {why}");
                Self::replied(FailureKind::Broken, &why)
            }
            OwnError::Odd(_) => {
                let why = format!("the community's {why}; correct it there");
                Self::replied(FailureKind::Broken, &why)
            }
        }
    }
}

pub(super) struct Work {
    pub shared: Arc<Shared>,
    /// The number of its thread.
    seat: usize,
    own: Option<Own>,
    /// It was made for the request that is carried out.
    connected: bool,
    /// Of the request that is carried out: when it was handed over, and the end of its time.
    since: Instant,
    until: Instant,
    /// The database's clock, where this request has read it.
    clock_us: Option<i64>,
}

impl Work {
    pub fn new(shared: &Arc<Shared>, seat: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            seat,
            own: None,
            connected: false,
            since: Instant::now(),
            until: Instant::now(),
            clock_us: None,
        }
    }

    /// What comes next was handed over at the first of these, and has time until the other.
    pub fn begin(&mut self, (since, until): (Instant, Instant)) {
        (self.since, self.until) = (since, until);
        (self.clock_us, self.connected) = (None, false);
    }

    /// Whether the connection was there before this request, and has broken before anything was carried out: the
    /// server may have closed it long ago, and a new one may serve.
    pub fn was_stale(&mut self, answer: &Answer) -> bool {
        let lost = matches!(answer, Err(Trouble::Database(OwnError::Unreachable(_))));
        let again = lost && self.own.is_some() && !self.connected && Instant::now() < self.until;
        if again {
            self.disconnect();
        }
        again
    }

    fn disconnect(&mut self) {
        self.own = None;
        self.shared.set_breaker(self.seat, None);
    }

    /// The outcome of a request that has this answer.
    pub fn finish(&mut self, answer: Answer) -> Outcome {
        let is_broken = |error: &Trouble| {
            matches!(
                error,
                Trouble::Database(OwnError::Unreachable(_) | OwnError::Unclear(_))
            )
        };
        if answer.as_ref().is_err_and(is_broken) {
            self.disconnect();
            // What is in memory does not pass for the database's reply any more.
            self.known().is_listening = false;
        }
        Outcome {
            result: answer.map_err(Failure::from),
            api_s: self.clock_us.map(|us| us.div_euclid(1_000_000)),
        }
    }

    pub fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.shared.known()
    }

    /// The connection; a new one where there is none.
    pub fn own(&mut self) -> Result<&mut Own, OwnError> {
        let own = match self.own.take() {
            Some(own) => own,
            None => self.connect()?,
        };
        let own = self.own.insert(own);
        own.set_deadline(self.until);
        Ok(own)
    }

    fn connect(&mut self) -> Result<Own, OwnError> {
        if let Some(why) = self.known().outage(self.since) {
            return Err(why);
        }
        let opened = super::open(&self.shared.database).and_then(|own| {
            self.shared.set_breaker(self.seat, Some(own.breaker()?));
            Ok(own)
        });
        self.connected = true;
        match &opened {
            Ok(_) => self.known().is_back(),
            Err(error) => self.known().away(error),
        }
        opened
    }

    /// The counters: from memory while a thread waits for their changes, else from the database.
    pub fn counters(&mut self) -> Result<Counters, OwnError> {
        let known = self.known();
        if known.is_listening {
            return Ok(known.counters);
        }
        drop(known);
        self.read_counters()
    }

    /// The same, read now.
    pub fn read_counters(&mut self) -> Result<Counters, OwnError> {
        let (counters, clock_us) = changes::read(self.own()?)?;
        self.clock_us = Some(clock_us);
        let mut known = self.known();
        known.learn(counters, clock_us);
        Ok(known.counters)
    }

    /// The database's clock in unix microseconds, as it was read recently.
    pub fn now_us(&mut self) -> Result<i64, OwnError> {
        let max_age = Duration::from_millis(LOCAL_NOTE_MS);
        if let Some(clock_us) = self.clock_us.or_else(|| self.known().clock_us(max_age)) {
            return Ok(clock_us);
        }
        self.read_now_us()
    }

    /// The same, read now.
    pub fn read_now_us(&mut self) -> Result<i64, OwnError> {
        let clock_us = changes::clock_us(self.own()?)?;
        self.clock_us = Some(clock_us);
        self.known().set_clock(clock_us);
        Ok(clock_us)
    }

    /// What is kept of a topic, read again where it has changed. `of`: where it is kept; `read`: all of it.
    pub fn kept<T>(
        &mut self,
        topic: Topic,
        of: impl Fn(&mut Known) -> &mut Kept<T>,
        read: impl FnOnce(&mut Own) -> Result<T, OwnError>,
    ) -> Result<Arc<T>, OwnError> {
        let counter = self.counters()?.of(topic);
        if let Some(kept) = of(&mut self.known()).at(counter) {
            return Ok(kept);
        }
        let fresh = Arc::new(read(self.own()?)?);
        of(&mut self.known()).keep(counter, Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Changes something in a transaction. `change` gives the counters that it has added to, beside its result; or
    /// refuses, before it has written anything. Whoever waits for changes is woken then.
    pub fn change<T>(
        &mut self,
        mut change: impl FnMut(&mut Change<'_>) -> Result<Answer<T>, OwnError>,
    ) -> Answer<T> {
        let now_us = self.read_now_us()?;
        let shared = Arc::clone(&self.shared);
        let own = self.own()?;
        let (result, counted) = own.transaction(|own| {
            let mut tools = Change {
                own,
                now_us,
                counted: Vec::new(),
            };
            let result = change(&mut tools)?;
            Ok((result, tools.counted))
        })?;
        let mut known = shared.known();
        for (topic, counter) in &counted {
            known.changed(*topic, *counter);
        }
        drop(known);
        let is_news =
            |(topic, _): &(Topic, i64)| !matches!(topic, Topic::Executed | Topic::Warnings);
        if counted.iter().any(is_news) {
            // What is committed stays so: who was not woken looks by itself before long.
            if let Err(error) = changes::wake(own) {
                log::debug!("other servers were not woken for a change: {error}");
            }
            shared.woken.notify_all();
        }
        result
    }
}

/// What a transaction works with.
pub(super) struct Change<'a> {
    pub own: &'a mut Own,
    /// The database's clock.
    pub now_us: i64,
    counted: Vec<(Topic, i64)>,
}

impl Change<'_> {
    /// Before rows of this topic are written: the value for their `changed`.
    pub fn count(&mut self, topic: Topic) -> Result<i64, OwnError> {
        let counter = changes::count(self.own, topic)?;
        self.counted.push((topic, counter));
        Ok(counter)
    }
}
