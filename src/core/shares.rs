//! How much each host and server holds of what all of them share: call files, calls, and bytes in memory.
//!
//! A server may hold as much as it leaves for the others, and a host as much as it leaves of that;
//! hosts of the stock protocol have three quarters of each together. So no host, nor as many as a caller
//! makes up, uses up what is for all (`limits/shares.rs`).

use super::{HostId, ServerId};
use crate::jobs::IdMap;
use crate::limits::{self, HOST_PARTS, SERVER_PARTS, STOCK_QUARTERS};

/// Whose share something is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// `None`: not known yet, so it holds nothing.
    pub host: Option<HostId>,
    pub server: ServerId,
    /// Its files are not signed.
    pub stock: bool,
}

/// What can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Files,
    Calls,
    /// Bytes of calls.
    Bytes,
    /// Bytes of answers.
    Answers,
}

const KINDS: usize = 4;

/// Of a kind: how much there is for all, and how much a server and a host can have while there is any.
struct Bounds {
    all: usize,
    server: usize,
    host: usize,
}

const BOUNDS: [Bounds; KINDS] = [
    Bounds {
        all: limits::FILES_OPEN_MAX,
        server: limits::SERVER_FILES_MIN,
        host: limits::HOST_FILES_MIN,
    },
    Bounds {
        all: limits::CALLS_RUNNING_MAX,
        server: limits::SERVER_CALLS_MIN,
        host: limits::HOST_CALLS_MIN,
    },
    Bounds {
        all: limits::CALL_BYTES_MAX,
        server: limits::SERVER_CALL_BYTES_MIN,
        host: limits::HOST_CALL_BYTES_MIN,
    },
    Bounds {
        all: limits::ANSWER_BYTES_MAX,
        server: limits::SERVER_ANSWER_BYTES_MIN,
        host: limits::HOST_ANSWER_BYTES_MIN,
    },
];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amounts([usize; KINDS]);

/// What is held of all, and by stock hosts of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Group {
    all: Amounts,
    stock: Amounts,
}

#[derive(Default)]
pub struct Shares {
    all: Group,
    servers: IdMap<ServerId, Group>,
    hosts: IdMap<HostId, Amounts>,
    /// The answers of each host, as they are counted.
    answers: IdMap<HostId, (Owner, usize)>,
}

impl Shares {
    pub fn take(&mut self, owner: Owner, kind: Kind, amount: usize) {
        self.change(owner, kind, |held| held + amount);
    }

    pub fn give_back(&mut self, owner: Owner, kind: Kind, amount: usize) {
        self.change(owner, kind, |held| held.saturating_sub(amount));
    }

    /// How many bytes of answers a host has now.
    pub fn answers_are(&mut self, host: HostId, owner: Option<Owner>, bytes: usize) {
        if let Some((owner, before)) = self.answers.remove(&host) {
            self.give_back(owner, Kind::Answers, before);
        }
        if let Some(owner) = owner.filter(|_| bytes > 0) {
            self.take(owner, Kind::Answers, bytes);
            self.answers.insert(host, (owner, bytes));
        }
    }

    fn change(&mut self, owner: Owner, kind: Kind, change: impl Fn(usize) -> usize) {
        let place = kind as usize;
        let of_group = |group: &mut Group| {
            group.all.0[place] = change(group.all.0[place]);
            if owner.stock {
                group.stock.0[place] = change(group.stock.0[place]);
            }
        };
        of_group(&mut self.all);
        let server = self.servers.entry(owner.server).or_default();
        of_group(server);
        if *server == Group::default() {
            self.servers.remove(&owner.server);
        }
        if let Some(id) = owner.host {
            let host = self.hosts.entry(id).or_default();
            host.0[place] = change(host.0[place]);
            if *host == Amounts::default() {
                self.hosts.remove(&id);
            }
        }
    }

    /// What a host holds.
    pub fn of_host(&self, host: HostId, kind: Kind) -> usize {
        let held = self.hosts.get(&host);
        held.map_or(0, |amounts| amounts.0[kind as usize])
    }

    /// Whether a host holds a file whose calls are not done.
    pub fn is_open(&self, host: HostId) -> bool {
        self.of_host(host, Kind::Files) > 0
    }

    /// How much more of this a host may have.
    pub fn left(&self, owner: Owner, kind: Kind) -> usize {
        let place = kind as usize;
        let bounds = &BOUNDS[place];
        let server = self.servers.get(&owner.server).copied().unwrap_or_default();
        let of_class = |group: &Group| match owner.stock {
            true => group.stock.0[place],
            false => group.all.0[place],
        };
        let part = |amount: usize| match owner.stock {
            true => amount / 4 * STOCK_QUARTERS,
            false => amount,
        };
        let held = owner.host.map_or(0, |host| self.of_host(host, kind));
        let others = self.all.all.0[place] - server.all.0[place];
        let of_server = bounds.all.saturating_sub(others) / SERVER_PARTS;
        let of_server = part(of_server.max(bounds.server));
        let siblings = of_class(&server).saturating_sub(held);
        let of_host = of_server.saturating_sub(siblings) / HOST_PARTS;
        let of_host = of_host.max(bounds.host);
        of_host
            .saturating_sub(held)
            .min(of_server.saturating_sub(of_class(&server)))
            .min(part(bounds.all).saturating_sub(of_class(&self.all)))
            .min(bounds.all.saturating_sub(self.all.all.0[place]))
    }

    /// How many bytes of answers a host may have.
    pub fn answers_of(&self, owner: Owner) -> usize {
        let held = owner
            .host
            .map_or(0, |host| self.of_host(host, Kind::Answers));
        let most = held + self.left(owner, Kind::Answers);
        most.clamp(limits::HOST_ANSWER_BYTES_MIN, limits::HOST_ANSWER_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(host: u32, server: usize, stock: bool) -> Owner {
        Owner {
            host: Some(HostId(host)),
            server: ServerId(server),
            stock,
        }
    }

    /// Takes as much as there is, in steps.
    fn take_all(shares: &mut Shares, owner: Owner, kind: Kind) -> usize {
        let step = BOUNDS[kind as usize].host / 8;
        let mut taken = 0;
        while shares.left(owner, kind) > 0 {
            shares.take(owner, kind, step);
            taken += step;
        }
        taken
    }

    #[test]
    fn one_host_has_a_quarter_at_most_and_all_of_a_server_half() {
        for kind in [Kind::Files, Kind::Calls, Kind::Bytes, Kind::Answers] {
            let all = BOUNDS[kind as usize].all;
            let mut shares = Shares::default();
            let first = take_all(&mut shares, owner(0, 1, true), kind);
            assert!(first * 4 <= all, "{kind:?}: {first} of {all}");
            for host in 1..2_000 {
                take_all(&mut shares, owner(host, 1, true), kind);
            }
            // The signed neighbour in the same folder, then hosts of other servers.
            let signed = take_all(&mut shares, owner(10_000, 1, false), kind);
            assert!(signed * 32 >= all, "{kind:?}: {signed} of {all}");
            for server in 2..6 {
                let other = take_all(
                    &mut shares,
                    owner(20_000 + server as u32, server, false),
                    kind,
                );
                assert!(other * 256 >= all, "{kind:?}, server {server}: {other}");
            }
        }
    }

    #[test]
    fn stock_hosts_of_all_servers_leave_a_quarter() {
        for kind in [Kind::Files, Kind::Calls, Kind::Bytes, Kind::Answers] {
            let all = BOUNDS[kind as usize].all;
            let mut shares = Shares::default();
            let mut stock = 0;
            for server in 0..limits::SERVERS_MAX {
                for host in 0..50 {
                    let host = server as u32 * 100 + host;
                    stock += take_all(&mut shares, owner(host, server, true), kind);
                }
            }
            assert!(stock <= all / 4 * 3 + BOUNDS[kind as usize].host, "{stock}");
            assert!(shares.left(owner(99_999, 7, false), kind) > 0, "{kind:?}");
        }
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let mut shares = Shares::default();
        let (a, b) = (owner(1, 1, true), owner(2, 1, false));
        shares.take(a, Kind::Files, 2);
        shares.take(b, Kind::Bytes, 7);
        let second = HostId(2);
        shares.answers_are(second, Some(b), 100);
        shares.answers_are(second, Some(b), 50);
        assert!(shares.is_open(HostId(1)) && !shares.is_open(second));
        assert_eq!(shares.of_host(second, Kind::Answers), 50);
        shares.answers_are(second, None, 50);
        shares.give_back(a, Kind::Files, 2);
        shares.give_back(b, Kind::Bytes, 7);
        assert!(shares.servers.is_empty() && shares.hosts.is_empty());
        assert_eq!(shares.all, Group::default());
    }
}
