//! Hosts: which server they belong to, when their map began, and whether their files can be
//! believed.
//!
//! A host is a game server by its name in file names. A session is one script VM, that is one
//! map: it begins with the client's restart file, and answers of an earlier one are never sent.

mod believe;
mod served;
mod table;

use super::answers::Answers;
use super::clock::ClockOffset;
use super::ids::SessionNumber;
use super::link::{Home, Link};
use super::opening::Proof;
use super::replay::ReplayGuard;
use super::shares::Owner;
use super::{Effects, FileId, FolderId, HostId, Now};
use crate::config::{Config, Secret};
use crate::jobs::remembered::Remembered;
use crate::limits;
use crate::protocol::fair_map::FairMap;
use crate::protocol::signed::Keys;
use crate::protocol::signed::session_log::{HostSessions, Note, Sessions};

pub use believe::Believed;

use served::{Server, servers, still_signs};
use table::{Standing, Table};

/// A game server, as far as it has been seen.
pub struct Host {
    pub folder: FolderId,
    pub name: String,
    /// Counts the maps since the host is known.
    pub session: SessionNumber,
    pub answers: Answers,
    /// Its signed side, where its server has a key.
    pub link: Option<Box<Link>>,
    /// When the map began, unix nanoseconds of the restart file.
    restarted_ns: Option<i64>,
    clock: ClockOffset,
    /// The number of its server.
    server: u64,
    standing: Standing,
    seen_ms: u64,
    /// When a file of it was last authenticated.
    proven_ms: Option<u64>,
}

/// All hosts, and the guard against replays that they share.
pub struct Hosts {
    servers: Vec<Server>,
    table: Table,
    guard: ReplayGuard,
    /// When maps began, unix microseconds, by the hosts' keys. Those of names that nobody has proven
    /// to be a host's are counted apart.
    maps: FairMap<u64, u64>,
    /// What the log of signed sessions says.
    sessions: Sessions,
    /// The time of the last event.
    now_ms: u64,
}

impl Hosts {
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        Self {
            servers: servers(config, folders),
            table: Table::default(),
            guard: ReplayGuard::default(),
            maps: FairMap::new(limits::MAPS_BEGUN_KEPT),
            sessions: Sessions::default(),
            now_ms: 0,
        }
    }

    /// Gives the signed sides that have no key any more, or another one, and what is to be noted.
    pub fn reconfigure(
        &mut self,
        config: &Config,
        folders: &[FolderId],
    ) -> (Vec<Box<Link>>, Vec<Note>) {
        let keys = |hosts: &Self| -> Vec<(HostId, Option<Secret>)> {
            let key = |host: &Host| {
                let server = hosts.server_of(host.folder, &host.name)?;
                hosts.servers[server].key.clone()
            };
            let all = hosts.table.iter();
            all.map(|(id, host)| (id, key(host))).collect()
        };
        let before = keys(self);
        self.servers = servers(config, folders);
        let after = keys(self);
        let changed = before.iter().zip(&after).filter(|(a, b)| a.1 != b.1);
        let mut dropped = Vec::new();
        for ((id, _), _) in changed {
            let host = self.table.get_mut(*id);
            if let Some(link) = host.and_then(|host| host.link.take()) {
                // Its files are not known any more: were it to come back, it must begin anew.
                self.sessions.forget(link.log_key);
                dropped.push(link);
            }
        }
        (dropped, self.forget_signing())
    }

    /// Hosts that sign may speak the stock protocol again where their server has no key any more.
    fn forget_signing(&mut self) -> Vec<Note> {
        let gone = self.sessions.signing();
        let gone = gone.filter(|(folder, host)| !still_signs(&self.servers, *folder, *host));
        let notes: Vec<Note> = gone
            .map(|(server, host)| Note::Stock { server, host })
            .collect();
        notes.iter().for_each(|note| self.sessions.apply(note));
        notes
    }

    /// Hosts that no server of the configuration serves.
    pub fn unserved(&self) -> Vec<HostId> {
        let is_unserved = |host: &Host| self.server_of(host.folder, &host.name).is_none();
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

    /// The server that serves a host: the one that names it, else the one for the whole folder.
    pub fn server_of(&self, folder: FolderId, host: &str) -> Option<usize> {
        let place = |name: Option<&str>| {
            self.servers
                .iter()
                .position(|s| s.folder == folder && s.hostname.as_deref() == name)
        };
        place(Some(host)).or_else(|| place(None))
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
        let host = self.get(host)?;
        let server = self.server_of(host.folder, &host.name)?;
        let legacy = self.servers[server].legacy.as_ref()?;
        Some(legacy.secret.as_bytes())
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

    /// Whether stock files of a host, or signed ones, are served.
    pub fn serves(&self, folder: FolderId, host: &str, signed: bool) -> bool {
        let server = self
            .server_of(folder, host)
            .map(|server| &self.servers[server]);
        server.is_some_and(|server| match signed {
            true => server.key.is_some(),
            false => server.legacy.is_some(),
        })
    }

    /// Whether a file of this host was authenticated lately, or a session of it stands.
    pub fn is_proven(&self, folder: FolderId, name: &str) -> bool {
        if let Some(host) = self.find(folder, name).and_then(|id| self.get(id)) {
            let proven_ms = host.proven_ms;
            return proven_ms.is_some_and(|at| self.now_ms < at + limits::HOST_PROVEN_MS);
        }
        // Soon after the start, the sessions of the run before count.
        let server = self.server_of(folder, name);
        self.now_ms < limits::HOST_PROVEN_MS
            && server.is_some_and(|server| {
                let server = &self.servers[server];
                server.key.is_some() && self.sessions.has_begun(server.log_key(name))
            })
    }

    /// What the log says of a host's signed sessions.
    pub fn saved(&self, folder: FolderId, name: &str) -> Option<&HostSessions> {
        let server = &self.servers[self.server_of(folder, name)?];
        self.sessions.get(server.log_key(name))
    }

    /// By whose share files of a host are counted, stock or signed; `None` for a host that nobody
    /// serves.
    pub fn owner(&self, folder: FolderId, name: &str, stock: bool) -> Option<Owner> {
        let host = self.find(folder, name);
        let server = match host.and_then(|id| self.get(id)) {
            Some(known) => known.server,
            None => self.servers[self.server_of(folder, name)?].id,
        };
        Some(Owner {
            host,
            server,
            stock,
        })
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
    pub fn has_room(&self, server: u64, is_open: impl Fn(HostId) -> bool) -> bool {
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
        let server = &self.servers[self.server_of(folder, name)?];
        Some(Keys::of_host(server.key.as_ref()?.as_bytes(), name))
    }

    /// The signed side of a host that asked for a session, in this run or an earlier one.
    pub fn known_link(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let server = &self.servers[self.server_of(folder, name)?];
        server.key.as_ref()?;
        let known = self.find(folder, name);
        if let Some(id) = known
            && self.get(id)?.link.is_some()
        {
            return self.link(id);
        }
        self.sessions.get(server.log_key(name))?;
        self.link_of(folder, name, now)
    }

    /// The signed side of a host that is authenticated, made when it is seen first.
    pub fn link_of(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let place = self.server_of(folder, name)?;
        let keys = self.keys(folder, name)?;
        let host = match self.find(folder, name) {
            Some(host) => host,
            None => self.table.insert(self.fresh(folder, name, place, now)),
        };
        let server = &self.servers[place];
        let log_key = server.log_key(name);
        let home = Home {
            host,
            folder,
            name,
            log_key,
            server: server.folder_key,
            signing_key: server.signing_key(name),
            keys,
        };
        let saved = self.sessions.get(log_key);
        let link = &mut self.table.get_mut(host)?.link;
        Some(link.get_or_insert_with(|| Box::new(Link::new(home, saved))))
    }

    /// A signature of this host was good.
    pub fn prove(&mut self, host: HostId, now: Now) {
        self.table.touch(host, Standing::Proven, now);
        if let Some(host) = self.table.get_mut(host) {
            host.proven_ms = Some(now.mono_ms);
        }
    }

    /// A host as it is when it becomes known.
    fn fresh(&self, folder: FolderId, name: &str, server: usize, now: Now) -> Host {
        let server = &self.servers[server];
        let restarted = self.maps.get(server.map_key(name));
        Host {
            folder,
            name: name.to_string(),
            session: SessionNumber::default(),
            answers: Answers::default(),
            link: None,
            restarted_ns: restarted.map(|us| (*us as i64).saturating_mul(1_000)),
            clock: ClockOffset::default(),
            server: server.id,
            standing: Standing::Proven,
            seen_ms: now.mono_ms,
            proven_ms: None,
        }
    }
}

impl Host {
    /// Whether something would be lost with it, besides calls that run.
    fn is_busy(&self, now_ms: u64) -> bool {
        let silent = now_ms >= self.seen_ms + limits::HOST_IDLE_MS;
        let link = self.link.as_ref();
        !self.answers.is_idle() || link.is_some_and(|link| !link.is_idle(silent))
    }
}

#[cfg(test)]
pub(super) mod tests;
