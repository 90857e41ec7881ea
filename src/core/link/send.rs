//! What goes to the game: answers, pushes and acknowledgements.

use std::fmt;

use serde_json::{Value, json};

use super::outbound::{self, Outbound, Pushed, Queued, What};
use super::{Link, Session};
use crate::core::ids::{FileId, Ticket};
use crate::core::output::Output;
use crate::core::{Effect, Effects, Now, Written};
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::signed::messages::{self, CallFailed, Push};
use crate::protocol::signed::{self, Id};

/// Why something is not sent to a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPushed {
    NoGame,
    Full,
    /// Than so many bytes.
    TooLarge(usize),
}

impl fmt::Display for NotPushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGame => f.write_str("no game of this name is connected"),
            Self::Full => f.write_str("too much waits for this game already"),
            Self::TooLarge(max) => write!(
                f,
                "it is larger than the {max} bytes that a file for the game can hold"
            ),
        }
    }
}

impl std::error::Error for NotPushed {}

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

    /// Pushes something to the game; where no game is connected, only what is to be kept.
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
            signed::Kind::Welcome
                if !self
                    .requested
                    .iter()
                    .any(|requested| requested.session == session) =>
            {
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

    /// Something came that the game wants to know of soon.
    pub fn owe_ack(&mut self, now: Now) {
        if let Some(session) = &mut self.active {
            session
                .out
                .ack_due_ms
                .get_or_insert(now.mono_ms + limits::SIGNED_ACK_MS);
        }
    }
}
