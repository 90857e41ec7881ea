//! What must be known of signed sessions after a restart: a line for each change, and what all
//! lines together say.
//!
//! A host keeps two sessions that began: the present one and the one before, whose last files may
//! still be there. So the state is bounded by the number of hosts.

use std::collections::BTreeMap;
use std::fmt;

use super::signed::Id;
use crate::limits;

/// A change. `host` stands for a host in its folder, across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A session was asked for, and this nonce was given.
    Asked { host: u64, session: Id, nonce: Id },
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
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Asked {
                host,
                session,
                nonce,
            } => write!(f, "asked {host:x} {session} {nonce}"),
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
        }
    }
}

impl Note {
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let host = u64::from_str_radix(words.next()?, 16).ok()?;
        let session = Id::parse(words.next()?)?;
        let rest: Vec<&str> = words.collect();
        let number = |place: usize| rest[place].parse::<u64>().ok();
        Some(match (kind, rest.len()) {
            ("asked", 1) => Note::Asked {
                host,
                session,
                nonce: Id::parse(rest[0])?,
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
    /// Sessions that were asked for and have not begun, with their nonces, oldest first.
    pub asked: Vec<(Id, Id)>,
    pub active: Option<Saved>,
    pub ended: Option<Saved>,
}

/// What all notes together say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions(BTreeMap<u64, HostSessions>);

impl Sessions {
    pub fn get(&self, host: u64) -> Option<&HostSessions> {
        self.0.get(&host)
    }

    /// Whether a session of this host ever began.
    pub fn has_begun(&self, host: u64) -> bool {
        self.get(host)
            .is_some_and(|of_host| of_host.active.is_some())
    }

    /// As if the host had never had a session.
    pub fn forget(&mut self, host: u64) {
        self.0.remove(&host);
    }

    /// Notes that do not fit what is known are ignored.
    pub fn apply(&mut self, note: &Note) {
        match *note {
            Note::Asked {
                host,
                session,
                nonce,
            } => {
                let asked = &mut self.0.entry(host).or_default().asked;
                asked.push((session, nonce));
                let surplus = asked.len().saturating_sub(limits::HELLOS_PENDING_MAX);
                asked.drain(..surplus);
            }
            Note::Began { host, session } => {
                let Some(of_host) = self.0.get_mut(&host) else {
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
        }
    }

    fn saved(&mut self, host: u64, session: Id) -> Option<&mut Saved> {
        let of_host = self.0.get_mut(&host)?;
        let both = of_host.active.iter_mut().chain(of_host.ended.iter_mut());
        both.into_iter().find(|saved| saved.session == session)
    }

    /// The fewest notes that say the same.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        for (&host, of_host) in &self.0 {
            for saved in of_host.ended.iter().chain(&of_host.active) {
                let Saved {
                    session,
                    nonce,
                    received,
                    acked,
                    ..
                } = *saved;
                notes.push(Note::Asked {
                    host,
                    session,
                    nonce,
                });
                notes.push(Note::Began { host, session });
                let took = |n, file| Note::Took {
                    host,
                    session,
                    n,
                    file,
                    ack: acked,
                };
                notes.extend(saved.open.iter().map(|(n, file)| took(*n, *file)));
                if received > 0 && !saved.open.contains_key(&received) {
                    notes.push(took(received, 0));
                    notes.push(Note::Done {
                        host,
                        session,
                        n: received,
                    });
                }
            }
            let asked = of_host.asked.iter();
            notes.extend(asked.map(|&(session, nonce)| Note::Asked {
                host,
                session,
                nonce,
            }));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> Id {
        Id::from_random([byte; 16])
    }

    fn story() -> Vec<Note> {
        let host = 0xabc;
        let took = |session, n, ack| Note::Took {
            host,
            session,
            n,
            file: 100 + n,
            ack,
        };
        vec![
            Note::Asked {
                host,
                session: id(1),
                nonce: id(11),
            },
            Note::Began {
                host,
                session: id(1),
            },
            took(id(1), 1, 0),
            took(id(1), 2, 1),
            Note::Done {
                host,
                session: id(1),
                n: 1,
            },
            Note::Asked {
                host,
                session: id(2),
                nonce: id(12),
            },
            Note::Began {
                host,
                session: id(2),
            },
            took(id(2), 1, 0),
            Note::Done {
                host,
                session: id(2),
                n: 1,
            },
            Note::Asked {
                host,
                session: id(3),
                nonce: id(13),
            },
        ]
    }

    fn fold(notes: &[Note]) -> Sessions {
        let mut sessions = Sessions::default();
        notes.iter().for_each(|note| sessions.apply(note));
        sessions
    }

    #[test]
    fn notes_are_lines() {
        for note in story() {
            assert_eq!(Note::parse(&note.to_string()), Some(note));
        }
        for bad in [
            "",
            "began",
            "began x 1",
            "done 1 2 3",
            "took 1 2",
            "asked abc zz zz",
        ] {
            assert_eq!(Note::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_present_session_and_the_one_before_are_known() {
        let sessions = fold(&story());
        let host = sessions.get(0xabc).unwrap();
        let (active, ended) = (host.active.clone().unwrap(), host.ended.clone().unwrap());
        assert_eq!((active.session, active.received), (id(2), 1));
        assert!(active.open.is_empty());
        assert_eq!((ended.received, ended.acked), (2, 1));
        assert_eq!(ended.open, BTreeMap::from([(2, 102)]));
        assert_eq!(host.asked, [(id(3), id(13))]);
    }

    #[test]
    fn the_shortened_log_says_the_same() {
        for end in 0..=story().len() {
            let sessions = fold(&story()[..end]);
            assert_eq!(fold(&sessions.notes()), sessions, "after {end} notes");
        }
    }

    #[test]
    fn sessions_that_never_begin_are_forgotten() {
        let mut sessions = Sessions::default();
        for byte in 0..20 {
            let (session, nonce) = (id(byte), id(byte));
            sessions.apply(&Note::Asked {
                host: 1,
                session,
                nonce,
            });
        }
        assert_eq!(
            sessions.get(1).unwrap().asked.len(),
            limits::HELLOS_PENDING_MAX
        );
    }
}
