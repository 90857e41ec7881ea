//! What must be known of signed sessions after a restart: a line for each change, and the state that all
//! lines together make.
//!
//! A host keeps two sessions that began: the present one and the one before, whose last files may
//! still be there. That a host signs at all is a fact of its own, which outlives its sessions and a
//! change of keys. The state is bounded by the number of hosts, and those of one server push out none of
//! another.

use std::collections::BTreeMap;
use std::fmt;

use crate::limits;
use crate::protocol::fair_map::FairMap;
use crate::protocol::signed::Id;

/// A change. `host` stands for a host in its folder, across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A session was requested, and this nonce was given. `server` stands for the host's server; 0
    /// in logs of earlier versions.
    Asked {
        host: u64,
        session: Id,
        nonce: Id,
        server: u64,
    },
    /// Its first file came: it is the host's session now.
    Began { host: u64, session: Id },
    /// The game's file `n` was taken under this id; it acknowledged our file `ack`.
    Took {
        host: u64,
        session: Id,
        n: u64,
        file: u64,
        ack: u64,
    },
    /// Everything in the game's file `n` is done.
    Done { host: u64, session: Id, n: u64 },
    /// A host of this server signs, by its name without case: no stock file speaks for it.
    Signs { server: u64, host: u64 },
    /// It does not any more: its server has no key.
    Stock { server: u64, host: u64 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Asked {
                host,
                session,
                nonce,
                server,
            } => write!(f, "asked {host:x} {session} {nonce} {server:x}"),
            Note::Began { host, session } => write!(f, "began {host:x} {session}"),
            Note::Took {
                host,
                session,
                n,
                file,
                ack,
            } => {
                write!(f, "took {host:x} {session} {n} {file} {ack}")
            }
            Note::Done { host, session, n } => write!(f, "done {host:x} {session} {n}"),
            Note::Signs { server, host } => write!(f, "signs {server:x} {host:x}"),
            Note::Stock { server, host } => write!(f, "stock {server:x} {host:x}"),
        }
    }
}

impl Note {
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let hex = |word: &str| u64::from_str_radix(word, 16).ok();
        let host = hex(words.next()?)?;
        let third = words.next()?;
        if matches!(kind, "signs" | "stock") {
            let (server, host) = (host, hex(third)?);
            let note = match kind {
                "signs" => Note::Signs { server, host },
                _ => Note::Stock { server, host },
            };
            return words.next().is_none().then_some(note);
        }
        let session = Id::parse(third)?;
        let rest: Vec<&str> = words.collect();
        let number = |place: usize| rest[place].parse::<u64>().ok();
        Some(match (kind, rest.len()) {
            ("asked", 1 | 2) => Note::Asked {
                host,
                session,
                nonce: Id::parse(rest[0])?,
                server: rest.get(1).map_or(Some(0), |word| hex(word))?,
            },
            ("began", 0) => Note::Began { host, session },
            ("took", 3) => {
                let (n, file, ack) = (number(0)?, number(1)?, number(2)?);
                Note::Took {
                    host,
                    session,
                    n,
                    file,
                    ack,
                }
            }
            ("done", 1) => Note::Done {
                host,
                session,
                n: number(0)?,
            },
            _ => return None,
        })
    }
}

/// What stands in a log apart from sessions: which hosts sign.
pub fn without_sessions(text: &str) -> String {
    let notes = text.lines().filter_map(Note::parse);
    let lasting = notes.filter(|note| matches!(note, Note::Signs { .. } | Note::Stock { .. }));
    lasting.map(|note| format!("{note}\n")).collect()
}

/// A session that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub session: Id,
    pub nonce: Id,
    /// The game's files up to this number were taken.
    pub received: u64,
    /// The game has read our files up to this number.
    pub acked: u64,
    /// Files that were taken and are not done: number and id.
    pub open: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSessions {
    /// Stands for the server of the host.
    server: u64,
    /// Sessions that were requested and have not begun, with their nonces, oldest first.
    pub asked: Vec<(Id, Id)>,
    pub active: Option<Saved>,
    pub ended: Option<Saved>,
}

/// The state that all notes together make.
#[derive(Debug, Clone)]
pub struct Sessions {
    hosts: FairMap<u64, HostSessions>,
    /// Servers and hosts that sign.
    signing: FairMap<(u64, u64), ()>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            hosts: FairMap::new(limits::SIGNED_HOSTS_MAX),
            signing: FairMap::new(limits::SIGNING_HOSTS_MAX),
        }
    }
}

impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        self.hosts.iter().eq(other.hosts.iter()) && self.signing.iter().eq(other.signing.iter())
    }
}

impl Sessions {
    pub fn get(&self, host: u64) -> Option<&HostSessions> {
        self.hosts.get(host)
    }

    /// Whether a session of this host has begun that is still known.
    pub fn has_begun(&self, host: u64) -> bool {
        self.get(host)
            .is_some_and(|of_host| of_host.active.is_some())
    }

    /// The same of any host of this server.
    pub fn has_begun_in(&self, server: u64) -> bool {
        let is_it = |(_, _, of_host): (u64, u64, &HostSessions)| {
            of_host.server == server && of_host.active.is_some()
        };
        self.hosts.iter().any(is_it)
    }

    /// Whether a host of this server signs, whatever became of its sessions.
    pub fn signs(&self, server: u64, host: u64) -> bool {
        self.signing.get((server, host)).is_some()
    }

    /// Servers and hosts that sign.
    pub fn signing(&self) -> impl Iterator<Item = (u64, u64)> {
        self.signing.iter().map(|(_, both, ())| both)
    }

    pub fn forget(&mut self, host: u64) {
        self.hosts.remove(host);
    }

    /// Notes that do not fit what is known are ignored.
    pub fn apply(&mut self, note: &Note) {
        match *note {
            Note::Asked {
                host,
                session,
                nonce,
                server,
            } => {
                let mut of_host = self.hosts.remove(host).unwrap_or_default();
                of_host.server = server;
                of_host.asked.push((session, nonce));
                let surplus = of_host.asked.len();
                let surplus = surplus.saturating_sub(limits::HELLOS_PENDING_MAX);
                of_host.asked.drain(..surplus);
                self.hosts.put(server, host, of_host);
            }
            Note::Began { host, session } => {
                let Some(of_host) = self.hosts.get_mut(host) else {
                    return;
                };
                let Some(place) = of_host.asked.iter().position(|(id, _)| *id == session) else {
                    return;
                };
                let (session, nonce) = of_host.asked.remove(place);
                of_host.ended = of_host.active.replace(Saved {
                    session,
                    nonce,
                    received: 0,
                    acked: 0,
                    open: BTreeMap::new(),
                });
            }
            Note::Took {
                host,
                session,
                n,
                file,
                ack,
            } => {
                self.hosts.touch(host);
                if let Some(saved) = self.saved(host, session) {
                    saved.received = saved.received.max(n);
                    saved.acked = saved.acked.max(ack);
                    saved.open.insert(n, file);
                }
            }
            Note::Done { host, session, n } => {
                if let Some(saved) = self.saved(host, session) {
                    saved.open.remove(&n);
                }
            }
            Note::Signs { server, host } => self.signing.put(server, (server, host), ()),
            Note::Stock { server, host } => drop(self.signing.remove((server, host))),
        }
    }

    fn saved(&mut self, host: u64, session: Id) -> Option<&mut Saved> {
        let of_host = self.hosts.get_mut(host)?;
        let both = of_host.active.iter_mut().chain(of_host.ended.iter_mut());
        both.into_iter().find(|saved| saved.session == session)
    }

    /// The fewest notes that make the same state.
    pub fn notes(&self) -> Vec<Note> {
        let signing = self.signing.iter();
        let mut notes: Vec<Note> = signing
            .map(|(_, (server, host), ())| Note::Signs { server, host })
            .collect();
        for (server, host, of_host) in self.hosts.iter() {
            for saved in of_host.ended.iter().chain(&of_host.active) {
                saved.notes(server, host, &mut notes);
            }
            let asked = of_host.asked.iter();
            notes.extend(asked.map(|&(session, nonce)| Note::Asked {
                host,
                session,
                nonce,
                server,
            }));
        }
        notes
    }
}

impl Saved {
    fn notes(&self, server: u64, host: u64, notes: &mut Vec<Note>) {
        let Self {
            session,
            nonce,
            received,
            acked,
            ..
        } = *self;
        notes.push(Note::Asked {
            host,
            session,
            nonce,
            server,
        });
        notes.push(Note::Began { host, session });
        let took = |n, file| Note::Took {
            host,
            session,
            n,
            file,
            ack: acked,
        };
        notes.extend(self.open.iter().map(|(n, file)| took(*n, *file)));
        if received > 0 && !self.open.contains_key(&received) {
            notes.push(took(received, 0));
            notes.push(Note::Done {
                host,
                session,
                n: received,
            });
        }
    }
}

#[cfg(test)]
mod tests;
