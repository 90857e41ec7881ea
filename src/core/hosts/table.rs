//! The hosts that are known: bounded, with the one that was silent longest forgotten first.
//!
//! Any writer of files can make up hosts. So only a file that was authenticated makes an entry, or
//! one that needs no authentication, of which few are kept; no server can have more than its share;
//! and finding whom to forget costs the same however many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Host, Registry};
use crate::core::{FolderId, HostId, Now, ServerId};
use crate::jobs::IdMap;
use crate::limits;

/// What a host has proven. The lesser are forgotten first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Anonymous,
    Proven,
}

/// By which hosts of a server are forgotten, the first first: when they were last seen.
type Age = (Standing, u64, HostId);

#[derive(Default)]
pub struct Table {
    hosts: IdMap<HostId, Host>,
    by_name: HashMap<FolderId, HashMap<String, HostId>>,
    ages: BTreeMap<ServerId, BTreeSet<Age>>,
    anonymous: usize,
    /// The number of the next host, if it is free.
    next: HostId,
}

impl Table {
    pub fn find(&self, folder: FolderId, name: &str) -> Option<HostId> {
        self.by_name.get(&folder)?.get(name).copied()
    }

    pub fn get(&self, host: HostId) -> Option<&Host> {
        self.hosts.get(&host)
    }

    pub fn get_mut(&mut self, host: HostId) -> Option<&mut Host> {
        self.hosts.get_mut(&host)
    }

    pub fn iter(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    pub fn insert(&mut self, host: Host) -> HostId {
        while self.hosts.contains_key(&self.next) {
            self.next.0 = self.next.0.wrapping_add(1);
        }
        let id = self.next;
        self.next.0 = self.next.0.wrapping_add(1);
        let names = self.by_name.entry(host.folder).or_default();
        names.insert(host.name.clone(), id);
        self.anonymous += usize::from(host.standing == Standing::Anonymous);
        let ages = self.ages.entry(host.server).or_default();
        ages.insert((host.standing, host.seen_ms, id));
        self.hosts.insert(id, host);
        id
    }

    /// A host was seen now, and has proven this much.
    pub fn touch(&mut self, id: HostId, standing: Standing, now: Now) {
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let before = (host.standing, host.seen_ms, id);
        let after = (host.standing.max(standing), now.mono_ms, id);
        if before == after {
            return;
        }
        (host.standing, host.seen_ms) = (after.0, after.1);
        self.anonymous -= usize::from(before.0 != after.0);
        let ages = self.ages.entry(host.server).or_default();
        ages.remove(&before);
        ages.insert(after);
    }

    /// Gives a host the server that the registry has for it now, and returns that. One that is served no
    /// longer keeps the one that it had.
    pub fn look_up(&mut self, id: HostId, registry: &Registry) -> Option<ServerId> {
        let host = self.hosts.get_mut(&id)?;
        let age = (host.standing, host.seen_ms, id);
        let before = host.server;
        host.server = registry
            .server_of(host.folder, &host.name)
            .unwrap_or(before);
        let after = host.server;
        self.forget_age(before, &age);
        self.ages.entry(after).or_default().insert(age);
        Some(after)
    }

    fn forget_age(&mut self, server: ServerId, age: &Age) {
        if let Some(ages) = self.ages.get_mut(&server) {
            ages.remove(age);
            if ages.is_empty() {
                self.ages.remove(&server);
            }
        }
    }

    fn remove(&mut self, id: HostId) -> Option<Host> {
        let host = self.hosts.remove(&id)?;
        self.anonymous -= usize::from(host.standing == Standing::Anonymous);
        self.forget_age(host.server, &(host.standing, host.seen_ms, id));
        if let Some(names) = self.by_name.get_mut(&host.folder) {
            names.remove(&host.name);
            if names.is_empty() {
                self.by_name.remove(&host.folder);
            }
        }
        Some(host)
    }

    /// Whether a host of this server that is not known can become so, or another would have to be
    /// forgotten that is busy.
    pub fn has_room(&self, server: ServerId, is_busy: impl Fn(HostId, &Host) -> bool) -> bool {
        let of_server = self.ages.get(&server).map_or(0, BTreeSet::len);
        let others = self.hosts.len() - of_server;
        let full = self.hosts.len() >= limits::HOSTS_KEPT_MAX;
        if !full && of_server < share(others) {
            return true;
        }
        let mut candidates = [Some(server), full.then(|| self.largest()).flatten()].into_iter();
        candidates.any(|server| {
            server
                .and_then(|server| self.idle(server, &is_busy))
                .is_some()
        })
    }

    /// Forgets hosts that are too many, unless they are busy.
    pub fn forget_surplus(&mut self, is_busy: impl Fn(HostId, &Host) -> bool) {
        while let Some(server) = self.surplus() {
            let Some(id) = self.idle(server, &is_busy) else {
                return;
            };
            self.remove(id);
        }
    }

    /// A server that has a host too many.
    fn surplus(&self) -> Option<ServerId> {
        if self.anonymous > limits::ANONYMOUS_HOSTS_MAX {
            let firsts = self.ages.iter();
            let firsts = firsts.filter_map(|(server, ages)| Some((*server, ages.first()?)));
            let anonymous = firsts.filter(|(_, age)| age.0 == Standing::Anonymous);
            return anonymous
                .min_by_key(|(_, age)| age.1)
                .map(|(server, _)| server);
        }
        let largest = self.largest()?;
        let of_largest = self.ages.get(&largest).map_or(0, BTreeSet::len);
        let over = self.hosts.len() > limits::HOSTS_KEPT_MAX
            || of_largest > share(self.hosts.len() - of_largest);
        over.then_some(largest)
    }

    fn largest(&self) -> Option<ServerId> {
        let most = self.ages.iter().max_by_key(|(_, ages)| ages.len());
        most.map(|(server, _)| *server)
    }

    /// A host of this server that can be forgotten.
    fn idle(&self, server: ServerId, is_busy: impl Fn(HostId, &Host) -> bool) -> Option<HostId> {
        let oldest = self.ages.get(&server)?.iter();
        let mut ids = oldest.take(limits::FORGET_LOOKS_MAX).map(|(.., id)| *id);
        ids.find(|id| self.get(*id).is_some_and(|host| !is_busy(*id, host)))
    }
}

/// How many hosts a server may have where others have so many.
fn share(others: usize) -> usize {
    let left = limits::HOSTS_KEPT_MAX.saturating_sub(others);
    (left / limits::SERVER_PARTS).max(limits::HOSTS_KEPT_MAX / limits::SERVERS_MAX)
}
