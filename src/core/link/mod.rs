//! The signed side of one host: its sessions, what comes and what goes (docs/protocol.md).
//!
//! It knows nothing of what calls do; `links` stands between this and the rest of the core.
//!
//! What is done so that nothing is lost or done twice:
//!
//! - Before anything follows from a file of the game, `state/sessions` notes its number and the id
//!   under which it was claimed. So a copy is told apart from the file itself, also after a restart.
//! - A file of the game stays as `.taken` until all its calls are done and their answers stand in
//!   written files. Our files stay until the game has acknowledged them, and are read back at the
//!   start. So the number of the next one need not be recorded: it is behind the highest that was
//!   acknowledged or is there.
//! - A hello stays until its welcome is written.
//! - Both windows can be full at once. Files that only acknowledge, or ask for something again, may go
//!   beyond them.

mod begin;
pub mod game;
pub mod inbound;
pub mod outbound;
pub mod send;

use std::fmt;

use super::deadlines::Expiring;
use super::ids::{FileId, FolderId, HostId, Ticket};
use super::output::Output;
use super::{Effect, Effects, Now, SignedFile, Timer};
use crate::limits;
use crate::protocol::signed::messages;
use crate::protocol::signed::session_log::{HostSessions, Note};
use crate::protocol::signed::{self, Id, Keys, NotAuthentic};

use begin::Requested;
use game::Game;
use inbound::{Content, Held, Inbound, Place};
use outbound::{Outbound, Pushed};

pub struct Session {
    keys: Keys,
    pub inbound: Inbound,
    pub out: Outbound,
}

pub struct Link {
    pub home: Home,
    requested: Vec<Requested>,
    pub active: Option<Session>,
    /// The session before: its last files are executed, and nothing is sent to it.
    ended: Option<(Keys, Inbound)>,
    /// Pushes that wait for the next session.
    kept: Vec<Pushed>,
    last_call: u64,
    /// Calls into the game, with who waits for the result.
    calls: Expiring<u64, Option<Ticket>>,
    retry_ms: Option<u64>,
    /// The game of the present session.
    pub game: Option<Game>,
    /// When the present session began, as far as this run knows.
    began_ms: Option<u64>,
    /// That two games have this name was reported.
    pub twins_known: bool,
    /// Call files whose responses no game gets, until [`Link::flush`].
    dropped: Vec<FileId>,
}

/// Which host it is, and where its files are.
pub struct Home {
    pub host: HostId,
    pub folder: FolderId,
    pub name: String,
    /// By which the log of sessions knows the host.
    pub log_key: u64,
    /// By which it knows the folder, and that this host signs.
    pub folder_key: u64,
    pub signing_key: u64,
    pub keys: Keys,
}

/// Why a file of a session is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    NotAuthentic(NotAuthentic),
    SessionRefused,
    FarAhead,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthentic(error) => error.fmt(f),
            Self::SessionRefused => f.write_str("its session was refused"),
            Self::FarAhead => f.write_str("its number is far ahead of those before"),
        }
    }
}

impl std::error::Error for Rejection {}

/// The result of a file of the game.
pub enum Arrival {
    /// Execute it, and those that were held for it.
    Now(Vec<(u64, Content)>),
    /// It is held until others have come.
    Held,
    /// It was executed before: remove it.
    Seen,
    /// Why it is rejected.
    Rejected(Rejection),
    /// No session of this name is known.
    Unknown,
    /// Its session was replaced a while ago, and its game goes on: two games have this name.
    Displaced,
}

impl Link {
    pub fn new(home: Home, saved: Option<&HostSessions>) -> Self {
        let mut link = Self {
            home,
            requested: Vec::new(),
            active: None,
            ended: None,
            kept: Vec::new(),
            last_call: 0,
            calls: Expiring::default(),
            retry_ms: None,
            game: None,
            began_ms: None,
            twins_known: false,
            dropped: Vec::new(),
        };
        let Some(saved) = saved else { return link };
        let requested = saved.asked.iter();
        link.requested = requested
            .map(|&(session, nonce)| Requested::grant(session, nonce))
            .collect();
        // Their welcomes are there already.
        link.requested
            .iter_mut()
            .for_each(|requested| requested.written = true);
        link.active = saved.active.as_ref().map(|saved| Session {
            keys: link.home.keys.of_session(saved.session, saved.nonce),
            inbound: Inbound::restore(saved),
            out: Outbound::restore(saved.acked),
        });
        // Its map comes with the next heartbeat.
        link.game = link.active.is_some().then(Game::default);
        link.ended = saved.ended.as_ref().map(|saved| {
            let keys = link.home.keys.of_session(saved.session, saved.nonce);
            (keys, Inbound::restore(saved))
        });
        link
    }

    /// The session that is served.
    pub fn session(&self) -> Option<Id> {
        self.active.as_ref().map(|session| session.inbound.session)
    }

    /// Whether nothing is lost when it is forgotten; what is known of its sessions stands in their log.
    /// `silent`: nothing has come from the game for long.
    pub fn is_idle(&self, silent: bool) -> bool {
        let is_over = self
            .active
            .as_ref()
            .is_none_or(|active| silent && active.out.is_empty());
        let sessions = self.active.iter().map(|active| &active.inbound);
        let mut sessions = sessions.chain(self.ended.iter().map(|(_, inbound)| inbound));
        let holds_files = sessions.any(|inbound| inbound.held().next().is_some())
            || self
                .requested
                .iter()
                .any(|requested| requested.hello.is_some());
        let waits = !self.kept.is_empty() || !self.calls.is_empty() || !self.dropped.is_empty();
        is_over && !holds_files && !waits
    }

    /// Bytes of what waits for the game, or for its acknowledgement.
    pub fn waiting_bytes(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.out.bytes())
    }

    /// Answers that wait for the game.
    pub fn backlog(&self) -> usize {
        self.active
            .as_ref()
            .map_or(0, |session| session.out.backlog())
    }

    /// The game's file `n` was claimed.
    pub fn arrive(&mut self, file: &SignedFile, n: u64, now: Now, out: &mut Output) -> Arrival {
        let is_requested = |requested: &Requested| requested.session == file.session;
        if let Some(place) = self.requested.iter().position(is_requested)
            && let Err(reason) = self.begin(place, (file, n), now, out)
        {
            return Arrival::Rejected(reason);
        }
        let began_ms = *self.began_ms.get_or_insert(now.mono_ms);
        let of_present = self.session() == Some(file.session);
        let late = now.mono_ms >= began_ms + limits::DISPLACED_MS;
        let active = self.active.as_mut();
        let active = active.map(|active| (&active.keys, &mut active.inbound));
        let ended = self.ended.as_mut();
        let ended = ended.map(|(keys, inbound)| (&*keys, inbound));
        let mut both = active.into_iter().chain(ended);
        let of_file = both.find(|(_, inbound)| inbound.session == file.session);
        let Some((keys, inbound)) = of_file else {
            return Arrival::Unknown;
        };
        let name = signed::of_game(&self.home.name, file.session, n);
        let opened = match signed::open(&keys.game, &name, &file.bytes) {
            Ok(opened) => opened,
            Err(distrust) => {
                self.cut(file.session, n, now);
                return Arrival::Rejected(Rejection::NotAuthentic(distrust));
            }
        };
        if late && !of_present && !inbound.over && !file.recovered {
            return match inbound.place(n, file.file, false) {
                Place::Seen => Arrival::Seen,
                _ => Arrival::Displaced,
            };
        }
        let held = Held {
            file: file.file,
            ack: opened.ack,
            body: opened.body.to_vec(),
            recovered: file.recovered,
        };
        match inbound.place(n, file.file, file.recovered) {
            Place::Seen => Arrival::Seen,
            Place::Beyond => Arrival::Rejected(Rejection::FarAhead),
            Place::Early => {
                inbound.hold(n, held, now.mono_ms);
                Arrival::Held
            }
            Place::Now => Arrival::Now(self.ready(file.session, n, held)),
        }
    }

    /// A file of the game came to nothing: where it is still wanted, it is requested again.
    pub fn cut(&mut self, session: Id, n: u64, now: Now) {
        if let Some(active) = &mut self.active
            && active.inbound.session == session
            && active.inbound.wants(n)
            && active.inbound.request_again(n, now.mono_ms)
        {
            active.out.request(messages::again(n));
        }
    }

    /// A file whose turn it is, and those behind it that came early.
    fn ready(&mut self, session: Id, n: u64, held: Held) -> Vec<(u64, Content)> {
        let mut ready = Vec::new();
        let mut next = Some((n, held));
        while let (Some((n, held)), Some(inbound)) = (next, self.inbound(session)) {
            inbound.take(n, held.file);
            ready.push((n, held.read()));
            next = inbound.next_early();
        }
        ready
    }

    fn inbound(&mut self, session: Id) -> Option<&mut Inbound> {
        let active = self.active.as_mut().map(|session| &mut session.inbound);
        let ended = self.ended.as_mut().map(|(_, inbound)| inbound);
        active
            .into_iter()
            .chain(ended)
            .find(|inbound| inbound.session == session)
    }

    /// Everything in the game's file `n` is done.
    pub fn done(&mut self, session: Id, n: u64, effects: &mut Effects) {
        if let Some(inbound) = self.inbound(session) {
            inbound.done(n);
        }
        effects.push(Effect::Note(Note::Done {
            host: self.home.log_key,
            session,
            n,
        }));
    }

    /// The game of this session has reported that its map ended.
    pub fn map_is_over(&mut self, session: Id) {
        if let Some(inbound) = self.inbound(session) {
            inbound.over = true;
        }
    }

    pub fn note_taken(&self, session: Id, n: u64, content: &Content, effects: &mut Effects) {
        let (host, file, ack) = (self.home.log_key, content.file.0, content.ack);
        effects.push(Effect::Note(Note::Took {
            host,
            session,
            n,
            file,
            ack,
        }));
    }

    /// When it is to be looked at again.
    pub fn set_timer(&self, now: Now, effects: &mut Effects) {
        let timer = Timer::Link(self.home.host);
        effects.push(match self.next_due_ms(now) {
            Some(at_ms) => Effect::SetTimer { timer, at_ms },
            None => Effect::CancelTimer(timer),
        });
    }

    fn remove(&self, name: String, effects: &mut Effects) {
        effects.push(Effect::RemoveSigned {
            folder: self.home.folder,
            name,
        });
    }
}

/// The note to a game that wrote this file in a session that is not served.
pub fn gone(
    keys: &Keys,
    host: &str,
    session: Id,
    file: &[u8],
    message: &str,
) -> Option<(String, String)> {
    let line = file.split(|byte| *byte == b'\n').next()?;
    let ack = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
    let ack: u64 = ack.parse().ok().filter(|ack| *ack < u64::from(u32::MAX))?;
    let name = signed::of_vpid(host, session, ack + 1);
    let text = signed::seal(&keys.vpid, &name, 0, &format!("[{message}]"));
    Some((name, text))
}
