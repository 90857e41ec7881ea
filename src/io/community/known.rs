//! What the threads of one worker share: what was read of the database, up to which counters, and who is on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Report;
use super::changes::{Counters, Topic};
use super::groups::Groups;
use super::members::Memberships;
use super::reward_definitions::Definition;
use crate::config::Database;
use crate::io::sql::own::{Breaker, OwnError};
use crate::limits::{LOCAL_AGAIN_MS, LOCAL_PEOPLE_MAX, LOCAL_PLAYERS_MS};
use crate::protocol::backend::{AddressBan, Advert, BanList, Listing};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub(super) struct Shared {
    pub database: Database,
    /// Of this vpid.
    pub instance: u64,
    /// Those that it serves, with their names.
    pub servers: HashMap<Uuid, String>,
    on_report: Box<dyn Fn(Report) + Send + Sync>,
    known: Mutex<Known>,
    /// The worker is at its end.
    stopped: AtomicBool,
    /// Wakes who waits for a change or for the end.
    pub woken: Condvar,
    /// What ends the connection of each thread.
    breakers: Mutex<HashMap<usize, Breaker>>,
}

#[derive(Default)]
pub(super) struct Known {
    /// The latest counters that were seen.
    pub counters: Counters,
    /// A thread waits for changes: `counters` are as in the database, but for the last moments.
    pub is_listening: bool,
    /// The database's clock in unix microseconds, and when it showed that.
    clock: Option<(i64, Instant)>,
    /// When a connection could not be made last, and why.
    outage: Option<(Instant, OwnError)>,
    pub bans: Kept<BanList>,
    pub addresses: Kept<Listing<AddressBan>>,
    pub groups: Kept<Groups>,
    pub adverts: Kept<Listing<Advert>>,
    pub rewards: Kept<Vec<Definition>>,
    pub people: HashMap<SteamId, Person>,
    /// By server, as its state was reported last.
    pub on: HashMap<Uuid, Vec<SteamId>>,
    /// What was written of users who are on: their names, and when.
    pub noted: HashMap<SteamId, (String, Instant)>,
    /// Servers that another vpid reports: when it did so when this was noticed, and whether the log has it.
    pub contested: HashMap<Uuid, (i64, bool)>,
    /// The last sign of a player.
    players_at: Option<Instant>,
    /// When old additions were forgotten last.
    pub pruned: Option<Instant>,
}

/// What was read of one topic, and the counter of that moment.
pub(super) struct Kept<T>(Option<(i64, Arc<T>)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Kept<T> {
    /// Where it is as of this counter.
    pub fn at(&self, counter: i64) -> Option<Arc<T>> {
        let (at, kept) = self.0.as_ref()?;
        (*at == counter).then(|| Arc::clone(kept))
    }

    /// Whatever is known, with its counter.
    pub fn any(&self) -> Option<(i64, Arc<T>)> {
        self.0.clone()
    }

    /// Where another thread has read a later state, it is read once more.
    pub fn keep(&mut self, counter: i64, value: Arc<T>) {
        self.0 = Some((counter, value));
    }
}

/// What was read of a player.
#[derive(Default)]
pub(super) struct Person {
    pub memberships: Kept<Memberships>,
    /// Rewards that were executed, with their servers.
    pub executed: Kept<Vec<(Uuid, Uuid)>>,
    /// As of the counters of bans, warnings and members.
    pub about: Option<([i64; 3], About)>,
}

/// What lists of who is on have of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub name: String,
    pub warnings: usize,
    pub bans: usize,
}

impl Shared {
    pub fn new(
        database: &Database,
        instance: u64,
        servers: Vec<(Uuid, String)>,
        on_report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Self {
        Self {
            database: database.clone(),
            instance,
            servers: servers.into_iter().collect(),
            on_report: Box::new(on_report),
            known: Mutex::default(),
            stopped: AtomicBool::new(false),
            woken: Condvar::new(),
            breakers: Mutex::default(),
        }
    }

    /// Never held while the database works.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For tables: which vpid this is.
    pub fn vpid(&self) -> String {
        format!("{:016x}", self.instance)
    }

    pub fn report(&self, report: Report) {
        if !self.is_stopped() {
            (self.on_report)(report);
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// Nothing is reported from here on, and what is under way breaks off.
    pub fn stop(&self) {
        self.stopped.store(true, SeqCst);
        // The lock orders this after a look at the flag that is about to become a wait.
        drop(self.known());
        self.woken.notify_all();
        let breakers = self.breakers.lock();
        let breakers = breakers.unwrap_or_else(PoisonError::into_inner);
        breakers.values().for_each(Breaker::break_off);
    }

    /// The connection of a thread, or that it has none any more.
    pub fn set_breaker(&self, thread: usize, breaker: Option<Breaker>) {
        let breakers = self.breakers.lock();
        let mut breakers = breakers.unwrap_or_else(PoisonError::into_inner);
        match breaker {
            Some(breaker) => {
                if self.is_stopped() {
                    breaker.break_off();
                }
                breakers.insert(thread, breaker);
            }
            None => drop(breakers.remove(&thread)),
        }
    }

    /// There is a player, or may be soon: changes are to be seen at once.
    pub fn saw_players(&self) {
        if self.known().saw_players() {
            self.woken.notify_all();
        }
    }

    /// Waits for a sign, for so long. False: this is the end.
    pub fn rest(&self, pause: Duration) -> bool {
        let stays = |_: &mut Known| !self.is_stopped();
        let waited = self.woken.wait_timeout_while(self.known(), pause, stays);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        !self.is_stopped()
    }
}

impl Known {
    /// The counters were read.
    pub fn learn(&mut self, counters: Counters, clock_us: i64) {
        self.counters = self.counters.latest(counters);
        self.clock = Some((clock_us, Instant::now()));
    }

    pub fn set_clock(&mut self, clock_us: i64) {
        self.clock = Some((clock_us, Instant::now()));
    }

    /// A change of this worker's own is committed.
    pub fn changed(&mut self, topic: Topic, counter: i64) {
        let counter = self.counters.of(topic).max(counter);
        self.counters.set(topic, counter);
    }

    /// The database's clock, as far as it was read recently.
    pub fn clock_us(&self, max_age: Duration) -> Option<i64> {
        let (clock_us, at) = self.clock?;
        let age = at.elapsed();
        let age_us = i64::try_from(age.as_micros()).ok()?;
        (age <= max_age).then_some(clock_us.saturating_add(age_us))
    }

    /// The database is another one: nothing that was read of it counts.
    pub fn forget(&mut self, counters: Counters) {
        self.counters = counters;
        self.bans = Kept::default();
        self.addresses = Kept::default();
        self.groups = Kept::default();
        self.adverts = Kept::default();
        self.rewards = Kept::default();
        self.people.clear();
        self.noted.clear();
    }

    pub fn away(&mut self, why: &OwnError) {
        self.outage = Some((Instant::now(), why.clone()));
    }

    /// Why no connection is tried just now for a request that was handed over then: it waited while one could not be
    /// made. What is sent after that tries, since the core knows of the outage: it sends little, or an operator has
    /// ordered it.
    pub fn outage(&self, since: Instant) -> Option<OwnError> {
        let (at, why) = self.outage.as_ref()?;
        let recent = at.elapsed() < Duration::from_millis(LOCAL_AGAIN_MS);
        (recent && since <= *at).then(|| why.clone())
    }

    pub fn is_back(&mut self) {
        self.outage = None;
    }

    /// There is a player, or may be soon. Gives whether that is news.
    fn saw_players(&mut self) -> bool {
        let is_news = !self.may_have_players();
        self.players_at = Some(Instant::now());
        is_news
    }

    pub fn may_have_players(&self) -> bool {
        let recent = |at: Instant| at.elapsed() < Duration::from_millis(LOCAL_PLAYERS_MS);
        self.players_at.is_some_and(recent)
    }

    pub fn is_on(&self) -> HashSet<SteamId> {
        self.on.values().flatten().copied().collect()
    }

    /// What is kept of a player, who is made room for.
    pub fn person(&mut self, steam: SteamId) -> &mut Person {
        if self.people.len() >= LOCAL_PEOPLE_MAX && !self.people.contains_key(&steam) {
            let on = self.is_on();
            self.people.retain(|steam, _| on.contains(steam));
            if self.people.len() >= LOCAL_PEOPLE_MAX {
                self.people.clear();
            }
        }
        self.people.entry(steam).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_over_after_an_outage_was_found_tries_at_once() {
        let mut known = Known::default();
        let before = Instant::now();
        assert_eq!(known.outage(before), None);
        let why = OwnError::Unreachable("no route to it".into());
        known.away(&why);
        assert_eq!(known.outage(before), Some(why));
        // As what an operator orders with `queue retry`.
        let after = Instant::now() + Duration::from_millis(1);
        assert_eq!(known.outage(after), None);
    }
}
