//! How sessions begin and end.

use std::fmt;

use serde_json::{Value, json};

use super::game::Game;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{Link, Rejection, Session};
use crate::core::ids::FileId;
use crate::core::output::Output;
use crate::core::{Effect, Effects, Now, SignedFile, Written};
use crate::limits;
use crate::protocol::signed::session_log::Note;
use crate::protocol::signed::{self, Id};

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
        if let Some(requested) = self
            .requested
            .iter_mut()
            .find(|requested| requested.session == session)
        {
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

    /// The welcome of a session was written.
    pub(super) fn welcomed(&mut self, session: Id, effects: &mut Effects) {
        if let Some(requested) = self
            .requested
            .iter_mut()
            .find(|requested| requested.session == session)
        {
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

/// Why a client cannot be served: the version of its scripts, and of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    script: String,
    version: Option<u64>,
}

fn refusal(version: &Value, script: &str) -> Option<Refusal> {
    let version = version.as_u64();
    (version != Some(signed::VERSION)).then(|| Refusal {
        script: script.to_owned(),
        version,
    })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (script, ours, vpid) = (&self.script, signed::VERSION, env!("CARGO_PKG_VERSION"));
        match self.version {
            Some(theirs) if theirs > ours => write!(
                f,
                "vpi.nut {script} speaks version {theirs} of the protocol, vpid {vpid} speaks {ours}: \
                 update vpid"
            ),
            _ => write!(
                f,
                "vpi.nut {script} speaks another version of the protocol than vpid {vpid}, which speaks \
                 {ours}: install its scripts with `vpid init --vscripts DIR`"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
