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

pub mod game;
pub mod inbound;
pub mod outbound;

use super::deadlines::Expiring;
use super::ids::{FileId, FolderId, HostId, Ticket};
use super::output::Output;
use super::{Effect, Effects, Now, SignedFile, Timer, Written};
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::signed::messages::{self, CallFailed, Push};
use crate::protocol::signed::session_log::{HostSessions, Note};
use crate::protocol::signed::{self, Id, Keys, NotAuthentic};
use game::Game;
use inbound::{Content, Held, Inbound, Place};
use outbound::{Outbound, Pushed, Queued, What};
use serde_json::{Value, json};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    NotAuthentic(NotAuthentic),
    #[error("its session was refused")]
    SessionRefused,
    #[error("its number is far ahead of those before")]
    FarAhead,
}

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
    pub fn set_timer(&self, now: Now, out: &mut Output) {
        out.timer(Timer::Link(self.home.host), self.next_due_ms(now));
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

/// A session that a game has requested.
pub struct Requested {
    pub session: Id,
    /// `None`: it was refused.
    pub nonce: Option<Id>,
    /// Its hello, until the welcome is written.
    pub hello: Option<FileId>,
    /// The map, and the version of the scripts.
    pub reported: (String, String),
    welcome: String,
    pub written: bool,
}

const VPID: &str = env!("CARGO_PKG_VERSION");
const MAP_ENDED: &str = "the map ended before the game could answer";

impl Link {
    /// A game requests a session, in a file that is authentic and goes when the welcome is written.
    /// Gives what it reports of itself: the version of its scripts and its map; `None` when it requested it
    /// before.
    pub fn hello(
        &mut self,
        session: Id,
        (file, body): (FileId, &[u8]),
        nonce: Id,
        effects: &mut Effects,
    ) -> Result<Option<(String, String)>, Refusal> {
        let ended = self.ended.as_ref().map(|(_, ended)| ended.session);
        if self.session() == Some(session) || ended == Some(session) {
            effects.push(Effect::Remove { file });
            return Ok(None);
        }
        if let Some(requested) = self.requested(session) {
            // An earlier run, or an earlier try, did not come to writing the welcome.
            requested.hello = Some(file);
            requested.written = false;
            self.write_welcomes(effects);
            return Ok(None);
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| {
            let text = body[key].as_str().unwrap_or("unknown").chars();
            text.filter(|c| !c.is_control()).take(64).collect()
        };
        let (script, map): (String, String) = (text("script"), text("map"));
        let refusal = refusal(&body["version"], &script);
        let requested = match &refusal {
            None => Requested::grant(session, nonce),
            Some(refusal) => Requested::refuse(session, refusal),
        };
        if refusal.is_none() {
            effects.push(Effect::Note(Note::Asked {
                host: self.home.log_key,
                session,
                nonce,
                server: self.home.folder_key,
            }));
        }
        self.requested.push(Requested {
            hello: Some(file),
            reported: (map.clone(), script.clone()),
            ..requested
        });
        self.write_welcomes(effects);
        let surplus = self
            .requested
            .len()
            .saturating_sub(limits::HELLOS_PENDING_MAX);
        for dropped in self.requested.drain(..surplus).collect::<Vec<_>>() {
            self.remove(signed::welcome(&self.home.name, dropped.session), effects);
            effects.extend(dropped.hello.map(|file| Effect::Remove { file }));
        }
        match refusal {
            None => Ok(Some((script, map))),
            Some(refusal) => Err(refusal),
        }
    }

    fn requested(&mut self, session: Id) -> Option<&mut Requested> {
        let mut requested = self.requested.iter_mut();
        requested.find(|requested| requested.session == session)
    }

    /// The welcome of a session was written.
    pub(super) fn welcomed(&mut self, session: Id, effects: &mut Effects) {
        if let Some(requested) = self.requested(session) {
            requested.written = true;
            let hello = requested.hello.take();
            effects.extend(hello.map(|file| Effect::Remove { file }));
        }
    }

    pub(super) fn write_welcomes(&self, effects: &mut Effects) {
        for requested in self.requested.iter().filter(|requested| !requested.written) {
            let name = signed::welcome(&self.home.name, requested.session);
            let text = signed::seal(&self.home.keys.vpid, &name, 0, &requested.welcome);
            let what = Written::Welcome(requested.session);
            effects.push(Effect::WriteSigned {
                folder: self.home.folder,
                name,
                text,
                of: Some((self.home.host, what)),
            });
        }
    }

    /// The first file of a session that was requested: if it is good, the session begins.
    pub(super) fn begin(
        &mut self,
        place: usize,
        (file, n): (&SignedFile, u64),
        now: Now,
        out: &mut Output,
    ) -> Result<(), Rejection> {
        let Some(nonce) = self.requested[place].nonce else {
            return Err(Rejection::SessionRefused);
        };
        let session = file.session;
        let keys = self.home.keys.of_session(session, nonce);
        let name = signed::of_game(&self.home.name, session, n);
        signed::open(&keys.game, &name, &file.bytes).map_err(Rejection::NotAuthentic)?;
        let requested = self.requested.remove(place);
        let effects = &mut out.effects;
        effects.extend(requested.hello.map(|file| Effect::Remove { file }));
        let (map, script) = requested.reported;
        self.game = Some(Game::new(map, script));
        self.began_ms = Some(now.mono_ms);
        let (server, host) = (self.home.folder_key, self.home.signing_key);
        effects.push(Effect::Note(Note::Signs { server, host }));
        effects.push(Effect::Note(Note::Began {
            host: self.home.log_key,
            session,
        }));
        self.remove(signed::welcome(&self.home.name, session), effects);
        let fresh = Session {
            keys,
            inbound: Inbound::new(session),
            out: Outbound::default(),
        };
        let old = self.active.replace(fresh);
        if let Some(old) = old {
            self.end(old, out);
        }
        for pushed in std::mem::take(&mut self.kept) {
            self.send(pushed);
        }
        Ok(())
    }

    /// The script VM of this session is gone.
    pub(super) fn end(&mut self, old: Session, out: &mut Output) {
        let session = old.inbound.session;
        let (names, answers, pushes) = old.out.end();
        for m in names {
            self.remove(
                signed::of_vpid(&self.home.name, session, m),
                &mut out.effects,
            );
        }
        self.dropped.extend(answers);
        let ended = || Err(MAP_ENDED.to_string());
        for pushed in pushes {
            if pushed.keep {
                self.kept.push(pushed);
            } else if pushed.call.is_none() {
                out.complete(pushed.ticket, ended());
            }
        }
        let kept = &self.kept;
        let is_kept = |id: &u64| kept.iter().any(|pushed| pushed.call == Some(*id));
        for (_, ticket) in self.calls.remove_where(|id, _| !is_kept(id)) {
            out.complete(ticket, ended());
        }
        let before = self.ended.replace((old.keys, old.inbound));
        // No game is left that could write what they waited for.
        let held = before.iter().flat_map(|(_, before)| before.held());
        out.effects.extend(held.map(|file| Effect::Reject {
            file,
            reason: "a file before it was lost, and its map is long over".into(),
        }));
    }
}

impl Requested {
    pub fn grant(session: Id, nonce: Id) -> Self {
        let welcome = json!({
            "version": signed::VERSION,
            "vpid": env!("CARGO_PKG_VERSION"),
            "nonce": nonce.as_str(),
        });
        Self {
            session,
            nonce: Some(nonce),
            hello: None,
            reported: Default::default(),
            welcome: welcome.to_string(),
            written: false,
        }
    }

    fn refuse(session: Id, refusal: &Refusal) -> Self {
        let welcome = json!({ "refused": refusal.to_string() });
        Self {
            session,
            nonce: None,
            hello: None,
            reported: Default::default(),
            welcome: welcome.to_string(),
            written: false,
        }
    }
}

/// Why a client cannot be served, by the version of its scripts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "vpi.nut {0} speaks version {1} of the protocol, vpid {VPID} speaks {ours}: update vpid",
        ours = signed::VERSION
    )]
    Newer(String, u64),
    #[error(
        "vpi.nut {0} speaks another version of the protocol than vpid {VPID}, which speaks {ours}: \
         install its scripts with `vpid init --vscripts DIR`",
        ours = signed::VERSION
    )]
    Other(String),
}

fn refusal(version: &Value, script: &str) -> Option<Refusal> {
    match version.as_u64() {
        Some(signed::VERSION) => None,
        Some(theirs) if theirs > signed::VERSION => Some(Refusal::Newer(script.into(), theirs)),
        _ => Some(Refusal::Other(script.into())),
    }
}

/// Why something is not sent to a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPushed {
    #[error("no game of this name is connected")]
    NoGame,
    #[error("too much waits for this game already")]
    Full,
    /// Than so many bytes.
    #[error("it is larger than the {0} bytes that a file for the game can hold")]
    TooLarge(usize),
}

impl Link {
    /// An answer as a message; one that can never fit into a file becomes an error.
    pub fn encode_answer(
        &self,
        token: &str,
        function: &str,
        outcome: Result<String, CallError>,
    ) -> String {
        let text = match outcome {
            Ok(value) => messages::answer(token, &value),
            Err(error) => messages::answer_error(token, &error.to_answer(function)),
        };
        if text.len() + 2 <= outbound::body_bytes_max(self.home.name.len()) {
            return text;
        }
        let error = CallError::word("Response size exceeds maximum");
        messages::answer_error(token, &error.to_answer(function))
    }

    /// An answer for the game, to a call of this file, dropped at this time. False when it has a new
    /// session since, or fetches nothing. `room`: how many bytes may wait for it.
    pub fn answer(
        &mut self,
        session: Id,
        text: String,
        (file, expires_ms): (FileId, u64),
        room: usize,
    ) -> bool {
        match &mut self.active {
            Some(active)
                if active.inbound.session == session
                    && active.out.has_bytes_for(text.len(), room) =>
            {
                active.out.enqueue(Queued {
                    text,
                    what: What::Answer { file, expires_ms },
                });
                true
            }
            _ => false,
        }
    }

    /// Pushes something to the game; if no game is connected, only what must be kept.
    pub fn push(
        &mut self,
        push: Push,
        ticket: Option<Ticket>,
        keep: bool,
        now: Now,
    ) -> Result<(), NotPushed> {
        let waiting = self.kept.len() + self.backlog();
        if waiting >= limits::HOST_PUSHES_MAX {
            return Err(NotPushed::Full);
        }
        if self.active.is_none() && !keep {
            return Err(NotPushed::NoGame);
        }
        let is_call = matches!(push, Push::Call { .. });
        let call = is_call.then(|| {
            if self.last_call == 0 {
                // Not the numbers of an earlier run, whose results may still come.
                self.last_call = now.wall_s.rem_euclid(1_000_000) as u64 * 1_000;
            }
            self.last_call += 1;
            self.last_call
        });
        let body_max = outbound::body_bytes_max(self.home.name.len());
        let bytes = push.encode(call.unwrap_or(0)).len();
        let kept = self.kept.iter().map(|pushed| pushed.bytes);
        if kept.sum::<usize>() + self.waiting_bytes() + bytes > limits::HOST_PUSH_BYTES_MAX {
            return Err(NotPushed::Full);
        }
        if bytes + 2 > body_max {
            return Err(NotPushed::TooLarge(body_max));
        }
        if let Some(id) = call {
            let due_ms = now.mono_ms + limits::PUSH_CALL_MS;
            self.calls.insert(id, ticket, due_ms);
        }
        self.send(Pushed {
            ticket,
            keep,
            push,
            call,
            bytes,
        });
        Ok(())
    }

    pub(super) fn send(&mut self, pushed: Pushed) {
        match &mut self.active {
            Some(session) => {
                let text = pushed.push.encode(pushed.call.unwrap_or(0));
                session.out.enqueue(Queued {
                    text,
                    what: What::Push(pushed),
                });
            }
            None => self.kept.push(pushed),
        }
    }

    /// What a function in the game gave.
    pub fn result(&mut self, id: u64, outcome: Result<Value, CallFailed>, out: &mut Output) {
        if let Some(ticket) = self.calls.remove(id) {
            out.complete(ticket, outcome.map_err(|failed| failed.0));
        }
    }

    /// Writes our file `m`, for the first time or once more. Where its text was lost with an earlier
    /// run, an empty one takes its place.
    pub fn write(&mut self, m: u64, effects: &mut Effects) {
        let Some(session) = &mut self.active else {
            return;
        };
        let name = signed::of_vpid(&self.home.name, session.inbound.session, m);
        let Session { keys, inbound, out } = session;
        let Some(sent) = out.sent(m) else { return };
        let lost = || signed::seal(&keys.vpid, &name, inbound.received, "[]");
        let text = sent.text.get_or_insert_with(lost).clone();
        let of = Some((self.home.host, Written::Messages(inbound.session, m)));
        effects.push(Effect::WriteSigned {
            folder: self.home.folder,
            name,
            text,
            of,
        });
    }

    /// Writes what there is to write. Gives call files whose responses no game waits for any more.
    pub fn flush(&mut self, now: Now, out: &mut Output) -> Vec<FileId> {
        while let Some((_, ticket)) = self.calls.pop_due(now.mono_ms) {
            let outcome = Err("TIMEOUT: the game did not answer in time".into());
            out.complete(ticket, outcome);
        }
        let effects = &mut out.effects;
        let host_bytes = self.home.name.len();
        if self.retry_ms.is_some_and(|at| at <= now.mono_ms) {
            self.retry_ms = None;
            self.write_welcomes(effects);
            let unwritten = self.active.as_ref().map(|session| session.out.unwritten());
            for m in unwritten.unwrap_or_default() {
                self.write(m, effects);
            }
        }
        let mut dropped = std::mem::take(&mut self.dropped);
        let lost = self.active.as_ref().map(|session| session.out.lost());
        for m in lost.unwrap_or_default() {
            self.write(m, effects);
        }
        let Some(session) = &mut self.active else {
            return dropped;
        };
        dropped.extend(session.out.expire(now.mono_ms));
        if let Some((n, due)) = session.inbound.gap()
            && due <= now.mono_ms
            && session.inbound.request_again(n, now.mono_ms)
        {
            session.out.request(messages::again(n));
        }
        let id = session.inbound.session;
        let mut fresh = Vec::new();
        while let Some((m, body)) = session.out.next_body(host_bytes, now.mono_ms) {
            let name = signed::of_vpid(&self.home.name, id, m);
            let text = signed::seal(&session.keys.vpid, &name, session.inbound.received, &body);
            session.out.seal(m, text);
            session.out.told = session.inbound.received;
            fresh.push(m);
        }
        for m in fresh {
            self.write(m, effects);
        }
        dropped
    }

    /// The host is not served any more: the call files whose responses no game gets.
    pub fn into_answers(self) -> Vec<FileId> {
        let of_session = self.active.map(|session| session.out.end().1);
        self.dropped
            .into_iter()
            .chain(of_session.unwrap_or_default())
            .collect()
    }

    /// When something is to be done next without an event.
    pub fn next_due_ms(&self, now: Now) -> Option<u64> {
        let session = self.active.as_ref();
        let out = session.map(|session| &session.out);
        let lost = out.filter(|out| !out.lost().is_empty());
        let of_session = [
            lost.map(|_| now.mono_ms),
            session
                .and_then(|session| session.inbound.gap())
                .map(|(_, due)| due),
            out.and_then(Outbound::ack_due_ms),
            out.and_then(Outbound::expires_ms),
        ];
        let due = of_session
            .into_iter()
            .chain([self.calls.next_due(), self.retry_ms])
            .flatten()
            .min();
        // What could not be done now is tried a little later, not at once.
        due.map(|due| due.max(now.mono_ms + 1))
    }

    /// A file was written, or could not be. Gives call files whose answers are in it.
    pub fn written(
        &mut self,
        what: Written,
        ok: bool,
        now: Now,
        effects: &mut Effects,
    ) -> Vec<FileId> {
        if !ok {
            self.retry_ms
                .get_or_insert(now.mono_ms + limits::ANSWER_RETRY_MS);
            return Vec::new();
        }
        match what {
            Written::Welcome(session) => {
                self.welcomed(session, effects);
                Vec::new()
            }
            Written::Messages(session, m) => match &mut self.active {
                Some(active) if active.inbound.session == session => active.out.written(m),
                _ => Vec::new(),
            },
        }
    }

    /// A file of ours that an earlier run left. What is of no use any more is removed.
    pub fn restore_sent(
        &mut self,
        session: Id,
        kind: signed::Kind,
        file: &[u8],
        effects: &mut Effects,
    ) {
        match kind {
            signed::Kind::Welcome if self.requested(session).is_none() => {
                self.remove(signed::welcome(&self.home.name, session), effects);
            }
            signed::Kind::Vpid(m) => {
                let name = signed::of_vpid(&self.home.name, session, m);
                match &mut self.active {
                    Some(active) if active.inbound.session == session && m > active.out.acked => {
                        let good = signed::open(&active.keys.vpid, &name, file).is_ok();
                        let text = good.then(|| String::from_utf8_lossy(file).into_owned());
                        active.out.restore_sent(m, text);
                    }
                    _ => self.remove(name, effects),
                }
            }
            _ => {}
        }
    }

    /// The game has read our files up to `ack`.
    pub fn acknowledge(&mut self, ack: u64, out: &mut Output) {
        let Some(session) = &mut self.active else {
            return;
        };
        let id = session.inbound.session;
        for sent in session.out.acknowledge(ack) {
            out.effects.push(Effect::RemoveSigned {
                folder: self.home.folder,
                name: signed::of_vpid(&self.home.name, id, sent.m),
            });
            for pushed in sent.into_pushes() {
                if pushed.call.is_none() {
                    out.complete(pushed.ticket, Ok(json!(true)));
                }
            }
        }
    }

    /// Something came that the game is to be told of soon; at once, if it could not send much more without that.
    /// Gives whether it is to be at once.
    pub fn owe_ack(&mut self, now: Now) -> bool {
        let Some(session) = &mut self.active else {
            return false;
        };
        let out = &mut session.out;
        let untold = session.inbound.received.saturating_sub(out.told);
        let is_much = untold >= limits::SIGNED_ACK_FILES;
        let wait_ms = if is_much { 0 } else { limits::SIGNED_ACK_MS };
        let due_ms = now.mono_ms + wait_ms;
        out.ack_due_ms = Some(out.ack_due_ms.map_or(due_ms, |known| known.min(due_ms)));
        is_much
    }

    /// A file that was executed, or is held until its turn, came once more, so the game does not know that. An earlier
    /// run took it and could not write the acknowledgement, or this one had nothing else to write. Or the game cannot
    /// read what acknowledges it, since a file before that was spoiled; and where its window is full, it cannot
    /// request that one again. So all are written once more.
    pub fn owe_lost_ack(&mut self, session: Id, now: Now, effects: &mut Effects) {
        let active = self.active.as_mut();
        let Some(active) = active.filter(|active| active.inbound.session == session) else {
            return;
        };
        if active.out.told < active.inbound.received {
            self.owe_ack(now);
            return;
        }
        for m in active.out.unread(now.mono_ms) {
            self.write(m, effects);
        }
    }
}
