//! Hosts: games by their names in file names, and whether their files are authentic.
//!
//! A host knows its server from the moment when it becomes known. A session of the stock protocol is one
//! script VM, that is one map: it begins with the client's restart file, and responses of an earlier one
//! are never sent.

mod authenticate;
mod table;

use super::accepted_file::Proof;
use super::answers::Answers;
use super::hosts::authenticate::ClockOffset;
use super::hosts::authenticate::ReplayGuard;
use super::ids::{ServerId, SessionNumber};
use super::link::game::Game;
use super::link::{Home, Link};
use super::servers::registry::{Registry, ServerEntry};
use super::shares::Owner;
use super::{Effects, FileId, FolderId, HostId, Now};
use crate::config::Config;
use crate::jobs::remembered::Remembered;
use crate::limits;
use crate::protocol::fair_map::FairMap;
use crate::protocol::signed::Keys;
use crate::protocol::signed::session_log::{HostSessions, Note, Sessions};

pub use authenticate::{Authenticated, Rejection};

use table::{Standing, Table};

/// A host, as far as its files have shown it.
pub struct Host {
    pub folder: FolderId,
    pub name: String,
    pub server: ServerId,
    /// Counts the maps since the host is known.
    pub session: SessionNumber,
    pub answers: Answers,
    /// Its signed side, where its server has a key.
    pub link: Option<Box<Link>>,
    /// By which the log of signed sessions knows it, and that it signs.
    log_key: u64,
    signing_key: u64,
    /// When the map began, unix nanoseconds of the restart file.
    restarted_ns: Option<i64>,
    clock: ClockOffset,
    standing: Standing,
    seen_ms: u64,
    /// When a file of it was last authenticated.
    proven_ms: Option<u64>,
}

/// All hosts, and the guard against replays that they share.
pub struct Hosts {
    registry: Registry,
    table: Table,
    guard: ReplayGuard,
    /// When maps began, unix microseconds, by the hosts' keys. Those of names that are not proven to be a
    /// host's are counted apart.
    maps: FairMap<u64, u64>,
    /// What the log of signed sessions has.
    sessions: Sessions,
    /// The time of the last event.
    now_ms: u64,
}

/// What follows from another configuration.
pub struct Reconfigured {
    /// Signed sides that have no key any more, or another one.
    pub dropped: Vec<Box<Link>>,
    pub notes: Vec<Note>,
}

impl Default for Hosts {
    /// Without a server until [`Hosts::reconfigure`].
    fn default() -> Self {
        Self {
            registry: Registry::default(),
            table: Table::default(),
            guard: ReplayGuard::default(),
            maps: FairMap::new(limits::MAPS_BEGUN_KEPT),
            sessions: Sessions::default(),
            now_ms: 0,
        }
    }
}

impl Hosts {
    /// Applies a configuration: its servers, and then the server of each known host.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) -> Reconfigured {
        let key = |registry: &Registry, server| registry.get(server)?.key.clone();
        let known = self.table.iter();
        let before = known.map(|(id, host)| (id, key(&self.registry, host.server)));
        let before: Vec<_> = before.collect();
        self.registry.reconfigure(config, folders);
        let mut dropped = Vec::new();
        for (id, before) in before {
            let Some(server) = self.table.look_up(id, &self.registry) else {
                continue;
            };
            if key(&self.registry, server) == before {
                continue;
            }
            let host = self.table.get_mut(id);
            if let Some(link) = host.and_then(|host| host.link.take()) {
                // Its files are not known any more: were it to come back, it must begin another session.
                self.sessions.forget(link.home.log_key);
                dropped.push(link);
            }
        }
        Reconfigured {
            dropped,
            notes: self.forget_signing(),
        }
    }

    /// Hosts that sign may speak the stock protocol again where their server has no key any more.
    fn forget_signing(&mut self) -> Vec<Note> {
        let gone = self.sessions.signing();
        let gone = gone.filter(|(folder, host)| !self.registry.still_signs(*folder, *host));
        let notes: Vec<Note> = gone
            .map(|(server, host)| Note::Stock { server, host })
            .collect();
        notes.iter().for_each(|note| self.sessions.apply(note));
        notes
    }

    /// Whether a host has a signed side, and this server, which serves it.
    pub fn signs_for(&self, host: HostId, server: ServerId) -> bool {
        let known = self.get(host);
        self.registry.get(server).is_some()
            && known.is_some_and(|host| host.server == server && host.link.is_some())
    }

    /// The servers of the present configuration, in its order.
    pub fn servers(&self) -> &[ServerId] {
        self.registry.present()
    }

    /// Hosts that no server of the configuration serves.
    pub fn unserved(&self) -> Vec<HostId> {
        let is_unserved = |host: &Host| self.registry.get(host.server).is_none();
        let all = self.table.iter();
        all.filter_map(|(id, host)| is_unserved(host).then_some(id))
            .collect()
    }

    /// What an earlier run remembered. Gives what is to be noted.
    pub fn restore(&mut self, remembered: Vec<Remembered>, sessions: Sessions) -> Vec<Note> {
        for record in remembered {
            match record {
                Remembered::Identity {
                    share,
                    identity,
                    file,
                } => self.guard.remember(share, identity, FileId(file)),
                Remembered::MapBegan {
                    owner,
                    host,
                    unix_us,
                } => self.maps.put(owner, host, unix_us),
            }
        }
        self.sessions = sessions;
        self.forget_signing()
    }

    pub fn find(&self, folder: FolderId, name: &str) -> Option<HostId> {
        self.table.find(folder, name)
    }

    pub fn all(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.table.iter()
    }

    pub fn get(&self, host: HostId) -> Option<&Host> {
        self.table.get(host)
    }

    /// `None` for a host that was forgotten.
    pub fn answers(&mut self, host: HostId) -> Option<&mut Answers> {
        Some(&mut self.table.get_mut(host)?.answers)
    }

    pub fn secret(&self, host: HostId) -> Option<&[u8]> {
        let entry = self.registry.get(self.get(host)?.server)?;
        Some(entry.legacy.as_ref()?.secret.as_bytes())
    }

    /// All calls of a file are done and answered: what proved it proves nothing any more.
    pub fn file_is_done(&mut self, proof: Proof, effects: &mut Effects) {
        match proof {
            Proof::None => {}
            Proof::Identity(identity) => effects.push(self.finish(identity)),
            Proof::Signed { host, session, n } => {
                if let Some(link) = self.link(host) {
                    link.done(session, n, effects);
                }
            }
        }
    }

    pub fn note(&mut self, note: &Note) {
        self.sessions.apply(note);
    }

    /// Whose files of this name are, stock or signed ones; `None` where no server takes such files.
    pub fn owner(&self, folder: FolderId, name: &str, stock: bool) -> Option<Owner> {
        let host = self.find(folder, name);
        let server = match host.and_then(|id| self.get(id)) {
            Some(known) => known.server,
            None => self.registry.server_of(folder, name)?,
        };
        let entry = self.registry.get(server)?;
        let is_taken = match stock {
            true => entry.legacy.is_some(),
            false => entry.key.is_some(),
        };
        is_taken.then_some(Owner {
            host,
            server,
            stock,
        })
    }

    /// Whether a file of this host was authenticated lately, or a session of it stands.
    pub fn is_proven(&self, owner: Owner, name: &str) -> bool {
        if let Some(host) = owner.host.and_then(|id| self.get(id)) {
            let proven_ms = host.proven_ms;
            return proven_ms.is_some_and(|at| self.now_ms < at + limits::HOST_PROVEN_MS);
        }
        // Soon after the start, the sessions of the run before count.
        let entry = self.registry.get(owner.server);
        self.now_ms < limits::HOST_PROVEN_MS
            && entry.is_some_and(|entry| {
                entry.key.is_some() && self.sessions.has_begun(entry.log_key(name))
            })
    }

    /// Whether a session of an earlier run stands for a host of this server, or of its folder where the server takes
    /// every host.
    pub fn has_earlier_session(&self, server: ServerId) -> bool {
        let Some(entry) = self.registry.get(server).filter(|it| it.key.is_some()) else {
            return false;
        };
        match entry.own_log_key() {
            Some(host) => self.sessions.has_begun(host),
            None => self.sessions.has_begun_in(entry.folder_key),
        }
    }

    /// What the log has of a host's signed sessions.
    pub fn saved(&self, owner: Owner, name: &str) -> Option<&HostSessions> {
        let log_key = match owner.host.and_then(|id| self.get(id)) {
            Some(host) => host.log_key,
            None => self.registry.get(owner.server)?.log_key(name),
        };
        self.sessions.get(log_key)
    }

    /// The same for a host that is known.
    pub fn owner_of(&self, id: HostId) -> Option<Owner> {
        let host = self.get(id)?;
        Some(Owner {
            host: Some(id),
            server: host.server,
            stock: host.link.is_none(),
        })
    }

    /// Whether a host that is not known can become so. `is_open`: whether calls of a host run.
    pub fn has_room(&self, server: ServerId, is_open: impl Fn(HostId) -> bool) -> bool {
        let now_ms = self.now_ms;
        let is_busy = |id: HostId, host: &Host| host.is_busy(now_ms) || is_open(id);
        self.table.has_room(server, is_busy)
    }

    /// Forgets hosts that are too many, once an event is decided.
    pub fn forget_surplus(&mut self, now: Now, is_open: impl Fn(HostId) -> bool) {
        self.now_ms = now.mono_ms;
        let is_busy = |id: HostId, host: &Host| host.is_busy(now.mono_ms) || is_open(id);
        self.table.forget_surplus(is_busy);
    }

    pub fn link(&mut self, host: HostId) -> Option<&mut Link> {
        self.table.get_mut(host)?.link.as_deref_mut()
    }

    /// The keys of a host; `None` where its server has no key.
    pub fn keys(&self, folder: FolderId, name: &str) -> Option<Keys> {
        let owner = self.owner(folder, name, false)?;
        let known = owner.host.and_then(|id| self.get(id));
        if let Some(link) = known.and_then(|host| host.link.as_ref()) {
            return Some(link.home.keys.clone());
        }
        let key = self.registry.get(owner.server)?.key.as_ref()?;
        Some(Keys::of_host(key.as_bytes(), name))
    }

    /// The signed side of a host that requested a session, in this run or an earlier one.
    pub fn known_link(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let owner = self.owner(folder, name, false)?;
        let known = owner.host.and_then(|id| self.get(id));
        if known.is_none_or(|host| host.link.is_none()) {
            self.saved(owner, name)?;
        }
        self.owners_link(owner, folder, name, now)
    }

    /// The signed side of a host that is authenticated, made when its first file has come.
    pub fn link_of(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let owner = self.owner(folder, name, false)?;
        self.owners_link(owner, folder, name, now)
    }

    fn owners_link(
        &mut self,
        owner: Owner,
        folder: FolderId,
        name: &str,
        now: Now,
    ) -> Option<&mut Link> {
        let entry = self.registry.get(owner.server)?;
        let key = entry.key.as_ref()?;
        let id = owner.host.unwrap_or_else(|| {
            let fresh = Host::new(folder, name, (owner.server, entry), &self.maps, now);
            self.table.insert(fresh)
        });
        let host = self.table.get_mut(id)?;
        if host.link.is_none() {
            let home = Home {
                host: id,
                folder,
                name: name.to_owned(),
                log_key: host.log_key,
                folder_key: entry.folder_key,
                signing_key: host.signing_key,
                keys: Keys::of_host(key.as_bytes(), name),
            };
            let saved = self.sessions.get(host.log_key);
            host.link = Some(Box::new(Link::new(home, saved)));
        }
        host.link.as_deref_mut()
    }

    /// A signature of this host was good.
    pub fn prove(&mut self, host: HostId, now: Now) {
        self.table.touch(host, Standing::Proven, now);
        if let Some(host) = self.table.get_mut(host) {
            host.proven_ms = Some(now.mono_ms);
        }
    }
}

impl Host {
    /// A host as it is when it becomes known.
    fn new(
        folder: FolderId,
        name: &str,
        (server, entry): (ServerId, &ServerEntry),
        maps: &FairMap<u64, u64>,
        now: Now,
    ) -> Self {
        let restarted = maps.get(entry.map_key(name));
        Self {
            folder,
            name: name.to_string(),
            server,
            session: SessionNumber::default(),
            answers: Answers::default(),
            link: None,
            log_key: entry.log_key(name),
            signing_key: entry.signing_key(name),
            restarted_ns: restarted.map(|us| authenticate::as_ns(*us)),
            clock: ClockOffset::default(),
            standing: Standing::Proven,
            seen_ms: now.mono_ms,
            proven_ms: None,
        }
    }

    /// When a file of it came last.
    pub fn seen_ms(&self) -> u64 {
        self.seen_ms
    }

    /// Whether it has shown who it is; any program can make up others.
    pub fn was_authenticated(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// The game of its signed session.
    pub fn game(&self) -> Option<&Game> {
        self.link.as_ref()?.game.as_ref()
    }

    /// Whether no file of it has come for long.
    pub fn is_silent(&self, now_ms: u64) -> bool {
        now_ms >= self.seen_ms + limits::HOST_IDLE_MS
    }

    /// Whether something would be lost with it, besides calls that run.
    fn is_busy(&self, now_ms: u64) -> bool {
        let silent = self.is_silent(now_ms);
        let link = self.link.as_ref();
        !self.answers.is_idle() || link.is_some_and(|link| !link.is_idle(silent))
    }
}

#[cfg(test)]
pub(super) mod tests;
