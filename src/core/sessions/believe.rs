//! Whether a stock file is authentic, and when maps begin.

use super::served::fingerprint;
use super::table::Standing;
use super::{ClockOffset, Hosts};
use crate::core::replay::{FINISHED, Verdict};
use crate::core::{Effect, FolderId, HostId, Now, TakenFile};
use crate::jobs::remembered::Remembered;
use crate::protocol::stock::legacy::{self, Identity};

/// A file that is authenticated.
pub struct Believed {
    pub host: HostId,
    /// The fingerprint of its identity, if it has one.
    pub identity: Option<u64>,
    /// To be written down before the file's calls run.
    pub remember: Vec<Effect>,
    /// Its map is over: its calls run, and nobody waits for their answers.
    pub stale: bool,
    /// Nothing is known of the input file of its host yet.
    pub new_input: bool,
}

impl Hosts {
    /// Checks who wrote a file. The error says why it is rejected; then nothing stays of it.
    pub fn believe(
        &mut self,
        file: &TakenFile,
        identity: Option<&Identity>,
        now: Now,
    ) -> Result<Believed, String> {
        let place = self
            .server_of(file.folder, &file.host)
            .ok_or("its host is not served")?;
        let server = &self.servers[place];
        let legacy = server
            .legacy
            .as_ref()
            .ok_or("its server has no legacy_secret: only signed files are believed")?;
        let begun = || server.key.is_some() && self.sessions.has_begun(server.log_key(&file.host));
        let signing_key = server.signing_key(&file.host);
        if self.sessions.signs(server.folder_key, signing_key) || begun() {
            return Err(
                "its host signs its files since, so no stock file can speak for it; if it \
                        runs the stock script again, remove the server's `key`"
                    .into(),
            );
        }
        let known = self.find(file.folder, &file.host);
        let Some(identity) = identity else {
            if legacy.identity_required {
                return Err("it carries no identity; if your client writes none, set \
                            legacy_identity = \"optional\" for this server"
                    .into());
            }
            return Ok(self.known(place, file, Standing::Anonymous, now));
        };
        if !legacy::verify(legacy.secret.as_bytes(), identity) {
            return Err("its identity was not made with this server's secret".into());
        }
        // A host becomes known when all is checked.
        let mut clock = ClockOffset::default();
        let of_host = known.and_then(|id| self.table.get_mut(id));
        of_host.map_or(&mut clock, |host| &mut host.clock).check(
            identity.timestamp,
            file.mtime_ns.div_euclid(1_000_000_000),
            now,
        )?;
        let share = server.share();
        let fingerprint = fingerprint(identity);
        let is_new = match self.guard.judge(fingerprint, file.file, file.recovered) {
            Verdict::New => true,
            Verdict::Known => false,
            Verdict::Replay => return Err("its identity was used before: it is a replay".into()),
        };
        self.guard.remember(share, fingerprint, file.file);
        let mut believed = self.known(place, file, Standing::Proven, now);
        believed.identity = Some(fingerprint);
        if is_new {
            believed
                .remember
                .push(Effect::Remember(Remembered::Identity {
                    share,
                    identity: fingerprint,
                    file: file.file.0,
                }));
        }
        if let Some(host) = self.table.get_mut(believed.host) {
            host.proven_ms = Some(now.mono_ms);
            if known.is_none() {
                host.clock = clock;
            }
        }
        Ok(believed)
    }

    /// The host of an authentic file, which is known from now on.
    fn known(&mut self, place: usize, file: &TakenFile, standing: Standing, now: Now) -> Believed {
        let found = self.find(file.folder, &file.host);
        let mut remember = Vec::new();
        let host = match found {
            Some(host) => {
                self.table.touch(host, standing, now);
                host
            }
            None => {
                let mut host = self.fresh(file.folder, &file.host, place, now);
                host.standing = standing;
                log::info!("host {}: seen for the first time", file.host);
                let server = &self.servers[place];
                let (server, key) = (server.id, server.map_key(&file.host));
                let began = self.maps.get(key).copied();
                // From now on it is not one of the names that anybody makes up.
                remember.extend(began.map(|us| self.remember_map(server, true, key, us)));
                self.table.insert(host)
            }
        };
        let entry = self.get(host);
        let restarted = entry.and_then(|host| host.restarted_ns);
        Believed {
            host,
            identity: None,
            remember,
            stale: restarted.is_some_and(|restarted| file.mtime_ns < restarted),
            new_input: entry.is_some_and(|host| host.answers.knows_nothing()),
        }
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

    /// A map began: the host, if it is known, and what is to be remembered. `None` when that is old
    /// news, or nobody serves the host.
    pub fn restarted(
        &mut self,
        folder: FolderId,
        name: &str,
        mtime_ns: i64,
        now: Now,
    ) -> Option<(Option<HostId>, Effect)> {
        let server = &self.servers[self.server_of(folder, name)?];
        let (key, server) = (server.map_key(name), server.id);
        // Whoever owns a file can give it any time. One in the future would make every file before it
        // one of an earlier map.
        let mtime_ns = mtime_ns.min((now.wall_s + 1).saturating_mul(1_000_000_000));
        // In microseconds, as the numbers of files are.
        let unix_us = mtime_ns.max(0) as u64 / 1_000;
        let known = self.find(folder, name);
        if let Some(host) = known.and_then(|id| self.table.get_mut(id)) {
            if host.restarted_ns.is_some_and(|before| mtime_ns < before) {
                return None;
            }
            host.restarted_ns = Some(mtime_ns);
            host.session.0 += 1;
            host.clock = ClockOffset::default();
            log::info!("host {name}: a map began");
        } else if self.maps.get(key).is_some_and(|before| unix_us < *before) {
            return None;
        }
        Some((
            known,
            self.remember_map(server, known.is_some(), key, unix_us),
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
