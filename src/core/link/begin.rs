//! How sessions begin and end.

use serde_json::{Value, json};

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{GameFile, Link, Session};
use crate::core::ids::FileId;
use crate::core::output::Output;
use crate::core::players::Game;
use crate::core::{Effect, Effects, Now, Written};
use crate::limits;
use crate::protocol::signed::session_log::Note;
use crate::protocol::signed::{self, Id};

/// A session that was asked for.
pub struct Asked {
    pub session: Id,
    /// `None`: it was refused.
    pub nonce: Option<Id>,
    /// Its hello, until the welcome is written.
    pub hello: Option<FileId>,
    /// The map, and the version of the scripts.
    pub told: (String, String),
    welcome: String,
    pub written: bool,
}

const MAP_ENDED: &str = "the map ended before the game could answer";

impl Link {
    /// A game asks for a session, in a file that is believed and goes when the welcome is written.
    /// Gives what it says of itself: the version of its scripts and its map; `None` when it asked
    /// before.
    pub fn hello(
        &mut self,
        session: Id,
        (file, body): (FileId, &[u8]),
        nonce: Id,
        effects: &mut Effects,
    ) -> Result<Option<(String, String)>, String> {
        let ended = self.ended.as_ref().map(|(_, ended)| ended.session);
        if self.session() == Some(session) || ended == Some(session) {
            effects.push(Effect::Remove { file });
            return Ok(None);
        }
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.session == session) {
            // An earlier run, or an earlier try, did not come to writing the welcome.
            asked.hello = Some(file);
            asked.written = false;
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
        let asked = match &refusal {
            None => Asked::grant(session, nonce),
            Some(sentence) => Asked::refuse(session, sentence),
        };
        if refusal.is_none() {
            effects.push(Effect::Note(Note::Asked {
                host: self.log_key,
                session,
                nonce,
                server: self.server,
            }));
        }
        self.asked.push(Asked {
            hello: Some(file),
            told: (map.clone(), script.clone()),
            ..asked
        });
        self.write_welcomes(effects);
        let surplus = self.asked.len().saturating_sub(limits::HELLOS_PENDING_MAX);
        for dropped in self.asked.drain(..surplus).collect::<Vec<_>>() {
            self.remove(signed::welcome(&self.name, dropped.session), effects);
            effects.extend(dropped.hello.map(|file| Effect::Remove { file }));
        }
        match refusal {
            None => Ok(Some((script, map))),
            Some(sentence) => Err(sentence),
        }
    }

    /// The welcome of a session was written.
    pub(super) fn welcomed(&mut self, session: Id, effects: &mut Effects) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.session == session) {
            asked.written = true;
            let hello = asked.hello.take();
            effects.extend(hello.map(|file| Effect::Remove { file }));
        }
    }

    pub(super) fn write_welcomes(&self, effects: &mut Effects) {
        for asked in self.asked.iter().filter(|asked| !asked.written) {
            let name = signed::welcome(&self.name, asked.session);
            let text = signed::seal(&self.keys.vpid, &name, 0, &asked.welcome);
            let what = Written::Welcome(asked.session);
            effects.push(Effect::WriteSigned {
                folder: self.folder,
                name,
                text,
                of: Some((self.host, what)),
            });
        }
    }

    /// The first file of a session that was asked for: if it is good, the session begins.
    pub(super) fn begin(
        &mut self,
        place: usize,
        file: &GameFile<'_>,
        now: Now,
        out: &mut Output,
    ) -> Result<(), String> {
        let Some(nonce) = self.asked[place].nonce else {
            return Err("its session was refused".into());
        };
        let session = file.session;
        let keys = self.keys.of_session(session, nonce);
        let name = signed::of_game(&self.name, session, file.n);
        signed::open(&keys.game, &name, file.bytes).map_err(|distrust| distrust.to_string())?;
        let asked = self.asked.remove(place);
        let effects = &mut out.effects;
        effects.extend(asked.hello.map(|file| Effect::Remove { file }));
        let (map, script) = asked.told;
        self.game = Some(Game::new(map, script));
        self.began_ms = Some(now.mono_ms);
        let (server, host) = (self.server, self.signing_key);
        effects.push(Effect::Note(Note::Signs { server, host }));
        effects.push(Effect::Note(Note::Began {
            host: self.log_key,
            session,
        }));
        self.remove(signed::welcome(&self.name, session), effects);
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
            self.remove(signed::of_vpid(&self.name, session, m), &mut out.effects);
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
        // Nobody is left who could write what they waited for.
        let held = before.iter().flat_map(|(_, before)| before.held());
        out.effects.extend(held.map(|file| Effect::Reject {
            file,
            reason: "a file before it was lost, and its map is long over".into(),
        }));
    }
}

impl Asked {
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
            told: Default::default(),
            welcome: welcome.to_string(),
            written: false,
        }
    }

    fn refuse(session: Id, sentence: &str) -> Self {
        let welcome = json!({ "refused": sentence });
        Self {
            session,
            nonce: None,
            hello: None,
            told: Default::default(),
            welcome: welcome.to_string(),
            written: false,
        }
    }
}

/// Why a client of this version cannot be served.
fn refusal(version: &Value, script: &str) -> Option<String> {
    let ours = signed::VERSION;
    let vpid = env!("CARGO_PKG_VERSION");
    match version.as_u64() {
        Some(theirs) if theirs == ours => None,
        Some(theirs) if theirs > ours => Some(format!(
            "vpi.nut {script} speaks version {theirs} of the protocol, vpid {vpid} speaks {ours}: \
             update vpid"
        )),
        _ => Some(format!(
            "vpi.nut {script} speaks another version of the protocol than vpid {vpid}, which speaks \
             {ours}: install its scripts with `vpid init --vscripts DIR`"
        )),
    }
}
