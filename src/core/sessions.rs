//! Hosts: which server they belong to, when their map began, and whether their files can be
//! believed.
//!
//! A host is a game server by its name in file names. A session is one script VM, that is one
//! map: it begins with the client's restart file, and answers of an earlier one are never sent.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::answers::Answers;
use super::clock::ClockOffset;
use super::link::{Home, Link};
use super::replay::{FINISHED, ReplayGuard, Verdict};
use super::{Effect, FileId, FolderId, HostId, Now, TakenFile};
use crate::config::{Config, Legacy, Secret};
use crate::limits;
use crate::wire::legacy::{self, Identity};
use crate::wire::session_log::{HostSessions, Note, Sessions};
use crate::wire::signed::Keys;

/// A game server, as far as it has been seen.
pub struct Host {
    pub folder: FolderId,
    pub name: String,
    /// Counts the maps since this vpid started.
    pub session: u32,
    pub answers: Answers,
    /// Its signed side, where its server has a key.
    pub link: Option<Box<Link>>,
    /// When the map began, unix nanoseconds of the restart file.
    restarted_ns: Option<i64>,
    clock: ClockOffset,
    seen_ms: u64,
    /// An identity of it was authenticated.
    pub authenticated: bool,
}

struct Server {
    folder: FolderId,
    path: PathBuf,
    hostname: Option<String>,
    key: Option<Secret>,
    legacy: Option<Legacy>,
}

impl Server {
    /// Under which the beginning of a host's map is remembered, beside the identities. The
    /// folder's number will not do: it is another after the next start.
    fn restart_key(&self, host: &str) -> u64 {
        let path = self.path.as_os_str().as_bytes();
        hash(&[b"restart", path, host.as_bytes()])
    }

    /// By which the log of signed sessions knows a host.
    fn log_key(&self, host: &str) -> u64 {
        let path = self.path.as_os_str().as_bytes();
        hash(&[b"signed", path, host.as_bytes()])
    }
}

/// All hosts, and the guard against replays that they share.
pub struct Hosts {
    servers: Vec<Server>,
    /// A host's number is its place here; a forgotten host leaves its place empty.
    hosts: Vec<Option<Host>>,
    /// One for each folder in which there is a host of this name.
    by_name: HashMap<String, Vec<HostId>>,
    guard: ReplayGuard,
    /// What the log of signed sessions says.
    sessions: Sessions,
}

/// A file that is believed.
pub struct Believed {
    pub host: HostId,
    /// The fingerprint of its identity, if it has one.
    pub identity: Option<u64>,
    /// To be written down before the file's calls run.
    pub is_new: bool,
    /// Its map is over: its calls run, and nobody waits for their answers.
    pub stale: bool,
    /// Seen for the first time: nothing is known of its input file yet.
    pub new_host: bool,
}

impl Hosts {
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        Self {
            servers: servers(config, folders),
            hosts: Vec::new(),
            by_name: HashMap::new(),
            guard: ReplayGuard::default(),
            sessions: Sessions::default(),
        }
    }

    /// Gives the signed sides that have no key any more, or another one.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) -> Vec<Box<Link>> {
        let keys = |hosts: &Self| -> Vec<Option<Secret>> {
            let key = |host: &Host| {
                let server = hosts.server_of(host.folder, &host.name)?;
                hosts.servers[server].key.clone()
            };
            let places = hosts.hosts.iter();
            places.map(|host| host.as_ref().and_then(key)).collect()
        };
        let before = keys(self);
        self.servers = servers(config, folders);
        let after = keys(self);
        let changed = (0..before.len()).filter(|place| before[*place] != after[*place]);
        let mut dropped = Vec::new();
        for place in changed {
            let host = self.hosts[place].as_mut();
            if let Some(link) = host.and_then(|host| host.link.take()) {
                // Its files are not known any more: were it to come back, it must begin anew.
                self.sessions.forget(link.log_key);
                dropped.push(link);
            }
        }
        dropped
    }

    /// Hosts that no server of the configuration serves.
    pub fn unserved(&self) -> Vec<HostId> {
        let is_unserved = |host: &Host| self.server_of(host.folder, &host.name).is_none();
        let ids =
            (0..self.hosts.len() as HostId).filter(|id| self.get(*id).is_some_and(is_unserved));
        ids.collect()
    }

    pub fn restore_identities(&mut self, seen: impl Iterator<Item = (u64, FileId)>) {
        for (identity, file) in seen {
            self.guard.remember(identity, file);
        }
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
        let of_this_name = self.by_name.get(name)?.iter();
        let is_here = |id: &HostId| self.get(*id).is_some_and(|host| host.folder == folder);
        of_this_name.copied().find(is_here)
    }

    pub fn all(&self) -> impl Iterator<Item = (HostId, &Host)> {
        let places = (0..).zip(&self.hosts);
        places.filter_map(|(id, host)| Some((id, host.as_ref()?)))
    }

    pub fn get(&self, host: HostId) -> Option<&Host> {
        self.hosts.get(host as usize)?.as_ref()
    }

    /// `None` for a host that was forgotten.
    pub fn answers(&mut self, host: HostId) -> Option<&mut Answers> {
        let host = self.hosts.get_mut(host as usize)?.as_mut()?;
        Some(&mut host.answers)
    }

    pub fn secret(&self, host: HostId) -> Option<&[u8]> {
        let host = self.get(host)?;
        let server = self.server_of(host.folder, &host.name)?;
        let legacy = self.servers[server].legacy.as_ref()?;
        Some(legacy.secret.as_bytes())
    }

    /// What an earlier run noted of signed sessions.
    pub fn restore_sessions(&mut self, sessions: Sessions) {
        self.sessions = sessions;
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

    pub fn link(&mut self, host: HostId) -> Option<&mut Link> {
        self.hosts
            .get_mut(host as usize)?
            .as_mut()?
            .link
            .as_deref_mut()
    }

    /// The keys of a host; `None` where its server has no key.
    pub fn keys(&self, folder: FolderId, name: &str) -> Option<Keys> {
        let server = &self.servers[self.server_of(folder, name)?];
        Some(Keys::of_host(server.key.as_ref()?.as_bytes(), name))
    }

    /// What the log says of a host's signed sessions.
    pub fn saved(&self, folder: FolderId, name: &str) -> Option<&HostSessions> {
        let server = &self.servers[self.server_of(folder, name)?];
        self.sessions.get(server.log_key(name))
    }

    /// The signed side of a host that asked for a session, in this run or an earlier one.
    pub fn known_link(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let server = &self.servers[self.server_of(folder, name)?];
        self.sessions.get(server.log_key(name))?;
        self.link_of(folder, name, now)
    }

    /// The signed side of a host that is to be believed, made when it is seen first.
    pub fn link_of(&mut self, folder: FolderId, name: &str, now: Now) -> Option<&mut Link> {
        let server = self.server_of(folder, name)?;
        let keys = self.keys(folder, name)?;
        let log_key = self.servers[server].log_key(name);
        let (host, _) = self.see(folder, name, now);
        let saved = self.sessions.get(log_key);
        let entry = self.hosts[host as usize].as_mut()?;
        let home = Home {
            host,
            folder,
            name,
            log_key,
            keys,
        };
        let link = entry
            .link
            .get_or_insert_with(|| Box::new(Link::new(home, saved)));
        Some(link)
    }

    /// Checks who wrote a file. The error says why it is not believed.
    pub fn believe(
        &mut self,
        file: &TakenFile,
        identity: Option<&Identity>,
        now: Now,
    ) -> Result<Believed, String> {
        let server = self
            .server_of(file.folder, &file.host)
            .ok_or("its host is not served")?;
        let Server { key, legacy, .. } = &self.servers[server];
        let legacy = legacy
            .as_ref()
            .ok_or("its server has no legacy_secret: only signed files are believed")?;
        let log_key = self.servers[server].log_key(&file.host);
        if key.is_some() && self.sessions.has_begun(log_key) {
            return Err(
                "its host signs its files since, so no stock file can speak for it; if it \
                        runs the stock script again, remove the server's `key`"
                    .into(),
            );
        }
        let Some(identity) = identity else {
            if legacy.identity_required {
                return Err("it carries no identity; if your client writes none, set \
                            legacy_identity = \"optional\" for this server"
                    .into());
            }
            let (host, new_host) = self.see(file.folder, &file.host, now);
            return Ok(Believed {
                host,
                identity: None,
                is_new: false,
                stale: self.is_stale(host, file),
                new_host,
            });
        };
        if !legacy::verify(legacy.secret.as_bytes(), identity) {
            return Err("its identity was not made with this server's secret".into());
        }
        let (host, new_host) = self.see(file.folder, &file.host, now);
        let stale = self.is_stale(host, file);
        let clock = &mut self.hosts[host as usize].as_mut().expect("just seen").clock;
        clock.check(
            identity.timestamp,
            file.mtime_ns.div_euclid(1_000_000_000),
            now,
        )?;
        self.hosts[host as usize]
            .as_mut()
            .expect("just seen")
            .authenticated = true;
        let fingerprint = fingerprint(identity);
        let is_new = match self.guard.judge(fingerprint, file.file, file.recovered) {
            Verdict::New => true,
            Verdict::Known => false,
            Verdict::Replay => return Err("its identity was used before: it is a replay".into()),
        };
        Ok(Believed {
            host,
            identity: Some(fingerprint),
            is_new,
            stale,
            new_host,
        })
    }

    /// A file is finished: its identity is good for nothing any more.
    pub fn finish(&mut self, identity: u64) -> Effect {
        self.guard.remember(identity, FINISHED);
        Effect::Remember {
            identity,
            file: FINISHED,
        }
    }

    /// A map began: the host, and what is to be remembered. `None` when that is old news.
    pub fn restarted(
        &mut self,
        folder: FolderId,
        name: &str,
        mtime_ns: i64,
        now: Now,
    ) -> Option<(HostId, Effect)> {
        let server = self.server_of(folder, name)?;
        let key = self.servers[server].restart_key(name);
        let (id, _) = self.see(folder, name, now);
        let host = self.hosts[id as usize].as_mut()?;
        if host.restarted_ns.is_some_and(|before| mtime_ns < before) {
            return None;
        }
        host.restarted_ns = Some(mtime_ns);
        host.session += 1;
        host.clock = ClockOffset::default();
        log::info!("host {}: a map began", host.name);
        // In microseconds, as the numbers of files are.
        let file = mtime_ns.max(0) as u64 / 1_000;
        self.guard.remember(key, file);
        Some((
            id,
            Effect::Remember {
                identity: key,
                file,
            },
        ))
    }

    fn is_stale(&self, host: HostId, file: &TakenFile) -> bool {
        let restarted = self.get(host).and_then(|host| host.restarted_ns);
        restarted.is_some_and(|restarted| file.mtime_ns < restarted)
    }

    /// The host's number; true when it was not known before.
    fn see(&mut self, folder: FolderId, name: &str, now: Now) -> (HostId, bool) {
        if let Some(id) = self.find(folder, name) {
            self.hosts[id as usize]
                .as_mut()
                .expect("just found")
                .seen_ms = now.mono_ms;
            return (id, false);
        }
        self.forget_idle_hosts(now);
        let server = self.server_of(folder, name);
        let key = server.map(|server| self.servers[server].restart_key(name));
        let restarted = key.and_then(|key| self.guard.recall(key));
        self.hosts.push(Some(Host {
            folder,
            name: name.to_string(),
            session: 0,
            answers: Answers::default(),
            link: None,
            restarted_ns: restarted.map(|us| (us as i64).saturating_mul(1_000)),
            clock: ClockOffset::default(),
            seen_ms: now.mono_ms,
            authenticated: false,
        }));
        let id = (self.hosts.len() - 1) as HostId;
        self.by_name.entry(name.to_string()).or_default().push(id);
        log::info!("host {name}: seen for the first time");
        (id, true)
    }

    /// Host names come from files: whoever makes up names must not fill the memory.
    fn forget_idle_hosts(&mut self, now: Now) {
        if self.hosts.iter().flatten().count() < limits::HOSTS_KEPT_MAX {
            return;
        }
        for place in &mut self.hosts {
            let idle = place.as_ref().is_some_and(|host| {
                host.answers.is_idle()
                    && host.link.is_none()
                    && now.mono_ms - host.seen_ms > limits::HOST_IDLE_MS
            });
            if idle {
                *place = None;
            }
        }
        let hosts = &self.hosts;
        self.by_name.retain(|_, ids| {
            ids.retain(|id| hosts[*id as usize].is_some());
            !ids.is_empty()
        });
    }
}

fn servers(config: &Config, folders: &[FolderId]) -> Vec<Server> {
    let with_folders = config.servers.iter().zip(folders);
    with_folders
        .map(|(server, folder)| Server {
            folder: *folder,
            path: server.scriptdata.clone(),
            hostname: server.hostname.clone(),
            key: server.key.clone(),
            legacy: server.legacy.clone(),
        })
        .collect()
}

/// Sixty-four bits that stand for an identity. It is random in every character of its iv, so two
/// files never share it by chance; the host is left out so that no other host can use it again.
fn fingerprint(identity: &Identity) -> u64 {
    hash(&[
        &identity.iv,
        &identity.enc,
        &identity.timestamp.to_le_bytes(),
        &identity.ticks.to_le_bytes(),
    ])
}

/// The first eight bytes of a SHA-256 over parts that cannot run into each other.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    u64::from_le_bytes(
        digest[..8]
            .try_into()
            .expect("a digest is longer than that"),
    )
}
