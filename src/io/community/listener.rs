//! Waits for what others change, on a connection of its own, and reports which topics it is about.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Report;
use super::changes::{self, Counters, Waited};
use super::known::Shared;
use crate::io::sql::own::{Own, OwnError};
use crate::limits::{
    LOCAL_LISTEN_AGAIN_MS, LOCAL_LOOK_IDLE_MS, LOCAL_LOOK_MS, LOCAL_NOTE_COUNTS_S,
    LOCAL_NOTE_KEPT_S, LOCAL_NOTE_MS, LOCAL_POLL_S, LOCAL_STACK_BYTES, LOCAL_WAIT_S,
};

/// The number of its thread, beyond those of the workers.
const THREAD: usize = usize::MAX;

struct Listener {
    shared: Arc<Shared>,
    /// As they were reported.
    counters: Option<Counters>,
    /// Not all vpids can wake this one; as the log has it.
    looks: bool,
}

/// Begins to wait, until the end of the worker.
pub(super) fn start(shared: &Arc<Shared>) {
    let mut listener = Listener {
        shared: Arc::clone(shared),
        counters: None,
        looks: false,
    };
    let started = thread::Builder::new()
        .name("community".into())
        .stack_size(LOCAL_STACK_BYTES)
        .spawn(move || listener.run());
    if let Err(error) = started {
        log::error!(
            "the system gives no thread that waits for changes of the community ({error}): what other servers change \
             is seen within a minute; allow vpid more threads (TasksMax, ulimit -u), then restart it"
        );
    }
}

impl Listener {
    fn run(&mut self) {
        while !self.shared.is_stopped() {
            let lost = self.listen();
            self.shared.known().is_listening = false;
            self.shared.set_breaker(THREAD, None);
            if let Err(error) = lost {
                // Requests report what is wrong with the database.
                log::debug!("changes of the community are not waited for: {error}");
            }
            let pause = Duration::from_millis(LOCAL_LISTEN_AGAIN_MS);
            if !self.shared.rest(pause) {
                return;
            }
        }
    }

    /// Until the connection is lost, or the end.
    fn listen(&mut self) -> Result<(), OwnError> {
        let mut own = super::open(&self.shared.database)?;
        self.shared.set_breaker(THREAD, Some(own.breaker()?));
        match own.is_mysql() {
            true => self.wait_on_server(&mut own),
            false => self.watch_file(&mut own),
        }
    }

    fn wait_on_server(&mut self, own: &mut Own) -> Result<(), OwnError> {
        let mut noted: Option<Instant> = None;
        let mut counters = self.look(own)?;
        while !self.shared.is_stopped() {
            let pause = Duration::from_millis(LOCAL_NOTE_MS);
            if noted.is_none_or(|at| at.elapsed() >= pause) {
                self.note(own)?;
                noted = Some(Instant::now());
            }
            let seconds = if self.looks {
                LOCAL_POLL_S
            } else {
                LOCAL_WAIT_S
            };
            match changes::wait(own, counters, seconds)? {
                Waited::Changed => counters = self.look(own)?,
                Waited::Nothing => self.shared.known().is_listening = true,
            }
        }
        Ok(())
    }

    /// Notes for other vpids that this one waits, and whether all of them can wake it.
    fn note(&mut self, own: &mut Own) -> Result<(), OwnError> {
        // A cluster has several servers, and none sees the connections of the others.
        let select = "SELECT LEFT(CONCAT(CURRENT_USER(), ' at ', @@hostname, ' ', @@port), 400)";
        let account = own.rows(select, &[])?.pop();
        let account = account.and_then(|row| row.into_iter().next());
        let account = account.ok_or(OwnError::Odd("vpid_listeners"))?;
        let now_us = changes::clock_us(own)?;
        let vpid = self.shared.vpid();
        let into = "INSERT INTO vpid_listeners (vpid, account, seen_us) VALUES (?, ?, ?) \
                    ON DUPLICATE KEY UPDATE account = VALUES(account), seen_us = VALUES(seen_us)";
        own.run(into, &[vpid.into(), account.clone(), now_us.into()])?;
        let old_us = now_us.saturating_sub(LOCAL_NOTE_KEPT_S * 1_000_000);
        let delete = "DELETE FROM vpid_listeners WHERE seen_us < ?";
        own.run(delete, &[old_us.into()])?;
        let counts_us = now_us.saturating_sub(LOCAL_NOTE_COUNTS_S * 1_000_000);
        let count = "SELECT COUNT(*) FROM vpid_listeners WHERE account <> ? AND seen_us >= ?";
        let others = own.rows(count, &[account, counts_us.into()])?.pop();
        let others = others.and_then(|row| row.first()?.integer()).unwrap_or(0);
        if (others > 0) != self.looks {
            self.looks = others > 0;
            match self.looks {
                true => log::info!(
                    "{others} other vpids use the community with another account of the database, or by another of \
                     its servers, and cannot wake this one when they change something: it looks every {LOCAL_POLL_S} s"
                ),
                false => log::info!("all vpids of the community can wake this one again"),
            }
        }
        Ok(())
    }

    /// SQLite says only that some other connection has written, which costs no look at a table.
    fn watch_file(&mut self, own: &mut Own) -> Result<(), OwnError> {
        let mut version = own.number("PRAGMA data_version")?;
        self.look(own)?;
        loop {
            let pause_ms = match self.shared.known().may_have_players() {
                true => LOCAL_LOOK_MS,
                false => LOCAL_LOOK_IDLE_MS,
            };
            if !self.rest(Duration::from_millis(pause_ms)) {
                return Ok(());
            }
            let now = own.number("PRAGMA data_version")?;
            if now != version {
                version = now;
                self.look(own)?;
            }
            self.shared.known().is_listening = true;
        }
    }

    /// Until it is time, or this worker has changed something itself, or players have come.
    fn rest(&self, pause: Duration) -> bool {
        let known = self.shared.known();
        if self.shared.is_stopped() {
            return false;
        }
        let waited = self.shared.woken.wait_timeout(known, pause);
        drop(waited);
        !self.shared.is_stopped()
    }

    /// Reads the counters, and reports what has changed since they were read last.
    fn look(&mut self, own: &mut Own) -> Result<Counters, OwnError> {
        // One that is ended by a waker was not read; there is a change then.
        let (counters, clock_us) = match changes::read(own) {
            Err(OwnError::Busy(_)) => changes::read(own)?,
            read => read?,
        };
        let mut known = self.shared.known();
        if self
            .counters
            .is_some_and(|before| counters.is_before(before))
        {
            log::warn!(
                "the community's database is older than it was a moment ago, as after a backup was restored: all is \
                 read again"
            );
            known.forget(counters);
        }
        known.learn(counters, clock_us);
        known.is_listening = true;
        drop(known);
        let topics = self.counters.map(|before| counters.since(before));
        self.counters = Some(counters);
        if let Some(topics) = topics.filter(|topics| !topics.is_empty()) {
            self.shared.report(Report::Changed(topics));
        }
        Ok(counters)
    }
}
