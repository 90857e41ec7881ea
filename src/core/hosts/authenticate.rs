//! Whether a stock file is authentic, and when maps begin.

use std::fmt;

use super::table::Standing;
use super::{ClockOffset, Host, Hosts};
use crate::core::clock::ClockMismatch;
use crate::core::replay::{FINISHED, Verdict};
use crate::core::servers::registry::fingerprint;
use crate::core::shares::Owner;
use crate::core::{Effect, Effects, FolderId, HostId, Now, TakenFile};
use crate::jobs::remembered::Remembered;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    NotServed,
    NoIdentity,
    /// The host has signed files since its server has a key.
    Signs,
    OtherSecret,
    Clock(ClockMismatch),
    Replay,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotServed => "its host is not served by the stock protocol",
            Self::NoIdentity => {
                "it carries no identity; if your client writes none, set legacy_identity = \
                 \"optional\" for this server"
            }
            Self::Signs => {
                "its host signs its files since, so no stock file can speak for it; if it runs the \
                 stock script again, remove the server's `key`"
            }
            Self::OtherSecret => "its identity was not made with this server's secret",
            Self::Clock(mismatch) => return mismatch.fmt(f),
            Self::Replay => "its identity was used before: it is a replay",
        })
    }
}

impl std::error::Error for Rejection {}

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
                log::info!("host {}: seen for the first time", file.host);
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

    /// A map began: the host, if it is known, and what is to be remembered. `None` when a later one is
    /// known, or the host is not served.
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
        if let Some(host) = owner.host.and_then(|id| self.table.get_mut(id)) {
            if host.restarted_ns.is_some_and(is_earlier) {
                return None;
            }
            host.restarted_ns = Some(mtime_ns);
            host.session.0 += 1;
            host.clock = ClockOffset::default();
            log::info!("host {name}: a map began");
        } else if self.maps.get(key).is_some_and(|us| is_earlier(as_ns(*us))) {
            return None;
        }
        let is_known = owner.host.is_some();
        Some((
            owner.host,
            self.remember_map(lasting_id, is_known, key, unix_us),
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
