//! Signed files and the rest of the core: what comes over a link is called, reported and answered.

use std::collections::VecDeque;

use super::accepted_file::{AcceptedFile, Proof, Route};
use super::context::Context;
use super::ids::{Caller, FileId, FolderId, HostId, Source, Ticket};
use super::link::game::{ConsoleState, Silence};
use super::link::inbound::Content;
use super::link::{self, Arrival, Link, NotPushed};
use super::message::Message;
use super::output::Output;
use super::{Effect, Effects, Now, SignedFile, Timer, Written};
use crate::limits;
use crate::protocol::game_report::GameReport;
use crate::protocol::signed::messages::{self, FromGame, Push};
use crate::protocol::signed::{self, Id, Kind};

/// What all links share.
#[derive(Default)]
pub struct Links {
    /// Notes to games whose session is not known, oldest first.
    gone: VecDeque<(FolderId, String)>,
    /// Whether an operator watches what games report.
    pub watched: bool,
}

impl Links {
    /// A game requests a session.
    pub fn hello(&mut self, file: &SignedFile, nonce: Id, cx: &mut Context<'_>) {
        let id = file.file;
        let effects = &mut cx.out.effects;
        let Some(keys) = cx.hosts.keys(file.folder, &file.host) else {
            return effects.push(Effect::Remove { file: id });
        };
        if file.bytes.len() > limits::HELLO_BYTES_MAX {
            let (size, max) = (file.bytes.len(), limits::HELLO_BYTES_MAX);
            let reason = format!("it has {size} bytes, more than {max}");
            return effects.push(Effect::Reject { file: id, reason });
        }
        // Hosts that a caller makes up must not fill the memory: the signature comes first.
        let name = signed::hello(&file.host, file.session);
        let body = match signed::open(&keys.game, &name, &file.bytes) {
            Ok(opened) => opened.body,
            Err(distrust) => {
                let reason = distrust.to_string();
                return effects.push(Effect::Reject { file: id, reason });
            }
        };
        let Some(link) = cx.hosts.link_of(file.folder, &file.host, cx.now) else {
            return effects.push(Effect::Remove { file: id });
        };
        let host = link.home.host;
        let greeted = link.hello(file.session, (id, body), nonce, effects);
        cx.hosts.prove(host, cx.now);
        match greeted {
            Ok(None) => {}
            Ok(Some((script, map))) => {
                log::info!(host:% = file.host; "host {}: map {map}, scripts of vpid {script}", file.host);
                let ours = env!("CARGO_PKG_VERSION");
                if script != ours {
                    log::warn!(
                        host:% = file.host; "host {}: its scripts are of vpid {script}, this is {ours}; \
                         `vpid init --vscripts DIR` brings them up to date",
                        file.host
                    );
                }
            }
            Err(refusal) => {
                log::error!(host:% = file.host; "host {}: {refusal}; it is not served", file.host)
            }
        }
    }

    /// A file of a session.
    pub fn file_taken(&mut self, file: &SignedFile, n: u64, cx: &mut Context<'_>) {
        let Some(link) = cx.hosts.known_link(file.folder, &file.host, cx.now) else {
            return self.unknown(file, cx);
        };
        let host = link.home.host;
        let arrival = link.arrive(file, n, cx.now, cx.out);
        if matches!(arrival, Arrival::Now(_) | Arrival::Held) {
            cx.hosts.prove(host, cx.now);
        }
        match arrival {
            Arrival::Unknown => self.unknown(file, cx),
            Arrival::Displaced => self.displaced(host, file, cx),
            Arrival::Held => {}
            Arrival::Seen => {
                if let Some(link) = cx.hosts.link(host) {
                    link.owe_lost_ack(file.session, cx.now, &mut cx.out.effects);
                }
                cx.out.effects.push(Effect::Remove { file: file.file });
            }
            Arrival::Rejected(reason) => cx.out.effects.push(Effect::Reject {
                file: file.file,
                reason: reason.to_string(),
            }),
            Arrival::Now(ready) => {
                for (n, content) in ready {
                    self.execute(host, file.session, n, content, cx);
                }
            }
        }
        cx.out.settle(host);
    }

    fn unknown(&mut self, file: &SignedFile, cx: &mut Context<'_>) {
        let reason = "its session is not known: it ended long ago, or the state folder was lost";
        cx.out.effects.push(Effect::Reject {
            file: file.file,
            reason: reason.into(),
        });
        let message =
            messages::gone("vpid does not know this session: its state folder is new or was lost");
        self.write_gone(file, &message, cx);
    }

    /// A game goes on although another one of its name has begun a session since. What it requests is not
    /// done, since it could get no response. It gets a note, and tries again later.
    fn displaced(&mut self, host: HostId, file: &SignedFile, cx: &mut Context<'_>) {
        let reason = "another game of the same name has begun a session since; nothing in this file \
                      was done";
        cx.out.effects.push(Effect::Reject {
            file: file.file,
            reason: reason.into(),
        });
        if let Some(link) = cx.hosts.link(host)
            && !std::mem::replace(&mut link.twins_known, true)
        {
            log::warn!(
                host:% = link.home.name; "host {}: two games call themselves so and write into the same folder; the one whose \
                 map began last is served, and the other gets a message. Give each its own `hostname`, or \
                 `host` in its vpi_config.nut",
                link.home.name
            );
        }
        let message = messages::displaced(
            "another game of the same name has begun a session; give each its own hostname",
        );
        self.write_gone(file, &message, cx);
    }

    fn write_gone(&mut self, file: &SignedFile, message: &str, cx: &mut Context<'_>) {
        let Some(keys) = cx.hosts.keys(file.folder, &file.host) else {
            return;
        };
        let gone = link::gone(&keys, &file.host, file.session, &file.bytes, message);
        let Some((name, text)) = gone else {
            return;
        };
        if self
            .gone
            .iter()
            .any(|(folder, known)| *folder == file.folder && *known == name)
        {
            return;
        }
        self.gone.push_back((file.folder, name.clone()));
        if self.gone.len() > limits::GONE_FILES_MAX
            && let Some((folder, name)) = self.gone.pop_front()
        {
            cx.out.effects.push(Effect::RemoveSigned { folder, name });
        }
        cx.out.effects.push(Effect::WriteSigned {
            folder: file.folder,
            name,
            text,
            of: None,
        });
    }

    /// Does what is in a file, once it is its turn.
    fn execute(
        &mut self,
        host: HostId,
        session: Id,
        n: u64,
        content: Content,
        cx: &mut Context<'_>,
    ) {
        let Some(link) = cx.hosts.link(host) else {
            return;
        };
        link.note_taken(session, n, &content, &mut cx.out.effects);
        let present = link.session() == Some(session);
        if present {
            link.acknowledge(content.ack, cx.out);
            if !content.messages.is_empty() && link.owe_ack(cx.now) {
                cx.out.settle(host);
            }
        }
        if let Some(problem) = content.spoiled {
            let effects = &mut cx.out.effects;
            link.done(session, n, effects);
            let reason = format!("its messages cannot be read ({problem})");
            return effects.push(Effect::Reject {
                file: content.file,
                reason,
            });
        }
        if present {
            message_came(link, cx.now, &mut cx.out.effects);
        }
        let mut accepted = AcceptedFile {
            source: Source::File(content.file),
            caller: Caller::Host(host),
            proof: Proof::Signed { host, session, n },
            route: if present {
                Route::Signed { session }
            } else {
                Route::Nowhere
            },
            recovered: content.recovered,
            text: Vec::new(),
            singles: Vec::new(),
            chains: Vec::new(),
        };
        for message in content.messages {
            match message {
                FromGame::Call(call) => accepted.singles.push(call.into()),
                FromGame::Chain(chain) => {
                    let chain = chain.into_iter().map(Into::into);
                    accepted.chains.push(chain.collect());
                }
                FromGame::Result { id, outcome } => link.result(id, outcome, cx.out),
                FromGame::Again(m) if present => link.write(m, &mut cx.out.effects),
                FromGame::Again(_) => {}
                message => self.report(link, session, message, cx.out),
            }
        }
        cx.out.send(Message::Open(Box::new(accepted)));
    }

    /// What a game reports, to the operator who watches it and to the rest of the core.
    fn report(&self, link: &mut Link, session: Id, message: FromGame, out: &mut Output) {
        let host = link.home.host;
        if self.watched {
            let message = message.clone();
            out.effects.push(Effect::Heard { host, message });
        }
        // What an earlier session has left is not about the present one.
        let present = link.session() == Some(session);
        if present {
            register(link, &message);
        }
        let report = GameReport::read(message);
        if matches!(report, GameReport::MapEnded { .. }) {
            link.map_is_over(session);
        }
        if present {
            if let Some(game) = &mut link.game {
                game.reported(&report);
            }
            out.send(Message::Reported(host, report));
        }
    }

    /// A file that an earlier run wrote.
    pub fn restore_sent(&mut self, file: &SignedFile, kind: Kind, cx: &mut Context<'_>) {
        match cx.hosts.known_link(file.folder, &file.host, cx.now) {
            Some(link) => {
                link.restore_sent(file.session, kind, &file.bytes, &mut cx.out.effects);
                link.set_timer(cx.now, cx.out);
            }
            None => cx.out.effects.push(Effect::RemoveSigned {
                folder: file.folder,
                name: match kind {
                    Kind::Vpid(m) => signed::of_vpid(&file.host, file.session, m),
                    _ => signed::welcome(&file.host, file.session),
                },
            }),
        }
    }

    /// A file of the game came to nothing.
    pub fn cut(&self, folder: FolderId, host: &str, (session, n): (Id, u64), cx: &mut Context<'_>) {
        let host = cx.hosts.find(folder, host);
        if let Some(link) = host.and_then(|host| cx.hosts.link(host)) {
            link.cut(session, n, cx.now);
            cx.out.settle(link.home.host);
        }
    }

    /// A file of ours was written, or could not be. Gives call files whose answers are in it.
    pub fn written(
        &self,
        host: HostId,
        what: Written,
        ok: bool,
        cx: &mut Context<'_>,
    ) -> Vec<FileId> {
        let Some(link) = cx.hosts.link(host) else {
            return Vec::new();
        };
        let shown = link.written(what, ok, cx.now, &mut cx.out.effects);
        link.set_timer(cx.now, cx.out);
        shown
    }

    /// Sends something to a game. `keep`: it may wait for the next session.
    pub fn push(
        &self,
        host: HostId,
        push: Push,
        ticket: Option<Ticket>,
        keep: bool,
        cx: &mut Context<'_>,
    ) {
        let sent = match cx.hosts.link(host) {
            Some(link) => link.push(push, ticket, keep, cx.now),
            None => Err(NotPushed::NoGame),
        };
        if let Err(problem) = sent {
            cx.out.not_sent(ticket, problem.to_string());
        }
        cx.out.settle(host);
    }
}

/// Something came of the present session.
fn message_came(link: &mut Link, now: Now, effects: &mut Effects) {
    let timer = Timer::Silence(link.home.host);
    let Some(game) = &mut link.game else { return };
    if let Some(missed_ms) = game.message_came(now) {
        log::info!(
            host:% = link.home.name; "host {}: messages come again after {} s",
            link.home.name,
            missed_ms / 1000
        );
    }
    let due = game.silence_due_ms();
    effects.extend(due.map(|at_ms| Effect::SetTimer { timer, at_ms }));
}

/// What a game offers to vpid, and what it could not send.
fn register(link: &mut Link, message: &FromGame) {
    if let FromGame::Dropped(count) = message {
        log::warn!(
            host:% = link.home.name; "host {}: it dropped {count} events, since too many waited",
            link.home.name
        );
    }
    let Some(game) = &mut link.game else { return };
    match message {
        FromGame::Register { name, script } => game.register(name.clone(), script.clone()),
        FromGame::Unregister { name } => drop(game.functions.remove(name)),
        _ => {}
    }
}

/// A message of a game is overdue, which has so many players.
pub fn silence(
    host: HostId,
    players: usize,
    console: ConsoleState,
    cx: &mut Context<'_>,
) -> Silence {
    let Some(link) = cx.hosts.link(host) else {
        return Silence::No;
    };
    let Some(game) = &mut link.game else {
        return Silence::No;
    };
    let silence = game.silence(players, console, cx.now);
    if silence == Silence::Missed
        && let Some(sentence) = game.missed()
    {
        log::warn!(host:% = link.home.name; "host {}: {sentence}", link.home.name);
    }
    if let Some(at_ms) = game.silence_due_ms() {
        cx.out.timer(Timer::Silence(host), Some(at_ms));
    }
    silence
}
