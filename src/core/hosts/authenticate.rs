//! Whether a stock file is authentic, and when maps begin.

use super::table::Standing;
use super::{Host, Hosts};
use crate::core::servers::registry::fingerprint;
use crate::core::shares::Owner;
use crate::core::{Effect, Effects, FileId, FolderId, HostId, Now, TakenFile};
use crate::jobs::remembered::{Remembered, Share};
use crate::limits;
use crate::protocol::fair_map::FairMap;
use crate::protocol::stock::legacy::{self, Identity};

/// A file that is authenticated.
pub struct Authenticated {
    pub host: HostId,
    /// The fingerprint of its identity, if it has one.
    pub identity: Option<u64>,
    /// Its map is over: its calls run, and no game waits for the responses.
    pub stale: bool,
    /// Nothing is known of the input file of its host yet.
    pub new_input: bool,
}

/// Why a stock file is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("its host is not served by the stock protocol")]
    NotServed,
    #[error(
        "it carries no identity; if your client writes none, set legacy_identity = \"optional\" for \
         this server"
    )]
    NoIdentity,
    /// The host has signed files since its server has a key.
    #[error(
        "its host signs its files since, so no stock file can speak for it; if it runs the stock \
         script again, remove the server's `key`"
    )]
    Signs,
    #[error("its identity was not made with this server's secret")]
    OtherSecret,
    #[error("its identity was made {0} s apart from the file: it may have been copied")]
    Clock(i64),
    #[error("its identity was used before: it is a replay")]
    Replay,
}

/// The latest time that can be that of a file. A map start that is recorded with a later one was recorded
/// by a clock that was ahead, and has been set back since.
fn latest_ns(now: Now) -> i64 {
    (now.wall_s + 1).saturating_mul(1_000_000_000)
}

/// Unix nanoseconds of a map start that is remembered.
pub(super) fn as_ns(unix_us: u64) -> i64 {
    i64::try_from(unix_us).map_or(i64::MAX, |us| us.saturating_mul(1_000))
}

impl Hosts {
    /// Checks who wrote a file, and records what must be known before its calls run. A file that is
    /// rejected changes nothing.
    pub fn authenticate(
        &mut self,
        file: &TakenFile,
        identity: Option<&Identity>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Authenticated, Rejection> {
        let owner = self.owner(file.folder, &file.host, true);
        let owner = owner.ok_or(Rejection::NotServed)?;
        let entry = self.registry.get(owner.server);
        let entry = entry.ok_or(Rejection::NotServed)?;
        let legacy = entry.legacy.as_ref().ok_or(Rejection::NotServed)?;
        let known = owner.host.and_then(|id| self.get(id));
        let signing_key = known.map_or_else(|| entry.signing_key(&file.host), |it| it.signing_key);
        let log_key = || known.map_or_else(|| entry.log_key(&file.host), |it| it.log_key);
        if self.sessions.signs(entry.folder_key, signing_key)
            || entry.key.is_some() && self.sessions.has_begun(log_key())
        {
            return Err(Rejection::Signs);
        }
        let Some(identity) = identity else {
            if legacy.identity_required {
                return Err(Rejection::NoIdentity);
            }
            return self.known(owner, (file, Standing::Anonymous), now, effects);
        };
        if !legacy::verify(legacy.secret.as_bytes(), identity) {
            return Err(Rejection::OtherSecret);
        }
        // Taken over only when all is checked: a replay says nothing of the game's clock.
        let mut clock = known.map_or_else(ClockOffset::default, |host| host.clock);
        clock
            .check(
                identity.timestamp,
                file.mtime_ns.div_euclid(1_000_000_000),
                now,
            )
            .map_err(Rejection::Clock)?;
        let share = entry.share();
        let fingerprint = fingerprint(identity);
        let is_new = match self.guard.judge(fingerprint, file.file, file.recovered) {
            Verdict::New => true,
            Verdict::Known => false,
            Verdict::Replay => return Err(Rejection::Replay),
        };
        self.guard.remember(share, fingerprint, file.file);
        let mut authenticated = self.known(owner, (file, Standing::Proven), now, effects)?;
        authenticated.identity = Some(fingerprint);
        if is_new {
            let identity = Remembered::Identity {
                share,
                identity: fingerprint,
                file: file.file.0,
            };
            effects.push(Effect::Remember(identity));
        }
        if let Some(host) = self.table.get_mut(authenticated.host) {
            host.proven_ms = Some(now.mono_ms);
            host.clock = clock;
        }
        Ok(authenticated)
    }

    /// The host of an authentic file, which is known from now on.
    fn known(
        &mut self,
        owner: Owner,
        (file, standing): (&TakenFile, Standing),
        now: Now,
        effects: &mut Effects,
    ) -> Result<Authenticated, Rejection> {
        let host = match owner.host {
            Some(host) => {
                self.table.touch(host, standing, now);
                host
            }
            None => {
                let entry = self.registry.get(owner.server);
                let entry = entry.ok_or(Rejection::NotServed)?;
                let server = (owner.server, entry);
                let mut host = Host::new(file.folder, &file.host, server, &self.maps, now);
                host.standing = standing;
                log::info!(host:% = file.host; "host {}: seen for the first time", file.host);
                let (lasting_id, key) = (entry.lasting_id, entry.map_key(&file.host));
                let began = self.maps.get(key).copied();
                // From now on it is not one of the names that anyone can make up.
                effects.extend(began.map(|us| self.remember_map(lasting_id, true, key, us)));
                self.table.insert(host)
            }
        };
        let known = self.table.get_mut(host).ok_or(Rejection::NotServed)?;
        known.restarted_ns = known.restarted_ns.filter(|at_ns| *at_ns <= latest_ns(now));
        Ok(Authenticated {
            host,
            identity: None,
            stale: known
                .restarted_ns
                .is_some_and(|at_ns| file.mtime_ns < at_ns),
            new_input: known.answers.knows_nothing(),
        })
    }

    /// A file is finished: its identity is good for nothing any more.
    pub(super) fn finish(&mut self, identity: u64) -> Effect {
        let share = self.guard.share(identity);
        self.guard.remember(share, identity, FINISHED);
        Effect::Remember(Remembered::Identity {
            share,
            identity,
            file: FINISHED.0,
        })
    }

    /// A map began: the host, if it is known and that is new to it, and what is to be remembered, also when the same
    /// is reported again. `None` when a later one is known, or the host is not served.
    pub fn restarted(
        &mut self,
        folder: FolderId,
        name: &str,
        mtime_ns: i64,
        now: Now,
    ) -> Option<(Option<HostId>, Effect)> {
        let owner = self.owner(folder, name, true)?;
        let entry = self.registry.get(owner.server)?;
        let (key, lasting_id) = (entry.map_key(name), entry.lasting_id);
        // The owner of a file can give it any time. One in the future would make every file before it
        // one of an earlier map.
        let latest_ns = latest_ns(now);
        let mtime_ns = mtime_ns.min(latest_ns);
        let is_earlier = |before_ns: i64| mtime_ns < before_ns && before_ns <= latest_ns;
        // In microseconds, as the numbers of files are.
        let unix_us = mtime_ns.max(0) as u64 / 1_000;
        let is_host = owner.host.is_some();
        // As exact as it is remembered.
        let is_same = |before_ns: i64| before_ns.max(0) as u64 / 1_000 == unix_us;
        if let Some(host) = owner.host.and_then(|id| self.table.get_mut(id)) {
            if host.restarted_ns.is_some_and(is_earlier) {
                return None;
            }
            if host.restarted_ns.is_some_and(is_same) {
                return Some((None, self.remember_map(lasting_id, is_host, key, unix_us)));
            }
            host.restarted_ns = Some(mtime_ns);
            host.session.0 += 1;
            host.clock = ClockOffset::default();
            log::info!(host:% = name; "host {name}: a map began");
        } else if self.maps.get(key).is_some_and(|us| is_earlier(as_ns(*us))) {
            return None;
        }
        Some((
            owner.host,
            self.remember_map(lasting_id, is_host, key, unix_us),
        ))
    }

    fn remember_map(&mut self, server: u64, is_host: bool, host: u64, unix_us: u64) -> Effect {
        let owner = server & !1 | u64::from(is_host);
        self.maps.put(owner, host, unix_us);
        Effect::Remember(Remembered::MapBegan {
            owner,
            host,
            unix_us,
        })
    }
}

// The replay guard: an identity is good for one file, once.
//
// The guard holds the latest identities in memory; the daemon records each before the calls
// beside it run, so that it knows them after `kill -9` too. How far back it must reach is
// bounded by the comparison of times in `hosts`. An identity is known wherever it is shown
// again; but those of one server push out no other's.

/// Stands for the file of an identity when that file is finished: no file has this number.
pub const FINISHED: FileId = FileId(0);

/// Whether an identity is good for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// The same file as before: claimed by an earlier run that did not finish it.
    Known,
    Replay,
}

pub struct ReplayGuard {
    files: FairMap<u64, FileId>,
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self {
            files: FairMap::new(limits::IDENTITIES_MAX),
        }
    }
}

impl ReplayGuard {
    /// Judges an identity that stands in `file`. A new one must be recorded.
    pub fn judge(&self, identity: u64, file: FileId, recovered: bool) -> Verdict {
        match self.files.get(identity) {
            Some(known) if *known == file && recovered && file != FINISHED => Verdict::Known,
            Some(_) => Verdict::Replay,
            None => Verdict::New,
        }
    }

    /// Whose identities this one is counted with.
    pub fn share(&self, identity: u64) -> Share {
        self.files.owner(identity).unwrap_or_default() as Share
    }

    pub fn remember(&mut self, share: Share, identity: u64, file: FileId) {
        match self.files.get_mut(identity) {
            Some(known) => *known = file,
            None => self.files.put(share.into(), identity, file),
        }
    }
}

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

impl ClockOffset {
    /// Compares the time in an identity with that of its file. The error is by how many seconds it is off.
    pub fn check(&mut self, timestamp: i64, mtime_s: i64, now: Now) -> Result<(), i64> {
        let difference = timestamp.saturating_sub(mtime_s);
        let Some((offset, learned_ms)) = self.learned else {
            let quarters = difference.saturating_add(450).div_euclid(900);
            let offset = quarters.saturating_mul(900);
            if difference.abs_diff(offset) > limits::IDENTITY_AGE_S_MAX
                || offset.abs() > limits::CLOCK_OFFSET_S_MAX
            {
                return Err(difference);
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
            _ => Err(difference - offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ReplayGuard {
        fn judges(&self, identity: u64, file: u64, recovered: bool) -> Verdict {
            self.judge(identity, FileId(file), recovered)
        }
    }

    #[test]
    fn an_identity_is_good_once_and_for_the_recovery_of_its_own_file() {
        let mut guard = ReplayGuard::default();
        assert_eq!(guard.judges(1, 10, false), Verdict::New);
        guard.remember(0, 1, FileId(10));
        assert_eq!(guard.judges(1, 11, false), Verdict::Replay);
        assert_eq!(guard.judges(1, 11, true), Verdict::Replay);
        assert_eq!(guard.judges(1, 10, true), Verdict::Known);
        assert_eq!(guard.judges(1, 10, false), Verdict::Replay);
        guard.remember(3, 1, FINISHED);
        assert_eq!(guard.judges(1, 10, true), Verdict::Replay);
        assert_eq!(guard.judge(1, FINISHED, true), Verdict::Replay);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_of_whoever_has_most_go_first() {
        let mut guard = ReplayGuard::default();
        guard.remember(1, u64::MAX, FileId(7));
        let count = limits::IDENTITIES_MAX as u64 + 10;
        for identity in 0..count {
            guard.remember(0, identity, FileId(identity + 1));
        }
        assert_eq!(guard.files.len(), limits::IDENTITIES_MAX);
        assert_eq!(guard.judges(count - 1, 1, false), Verdict::Replay);
        assert_eq!(guard.judges(0, 1, false), Verdict::New);
        assert_eq!(guard.judges(u64::MAX, 8, false), Verdict::Replay);
    }

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
