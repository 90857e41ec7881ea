//! Signed files and the rest of the core: what comes over a link is called, told and answered.

use std::collections::VecDeque;

use super::calls::Calls;
use super::functions::Functions;
use super::link::inbound::Content;
use super::link::{self, Arrival, GameFile, Link};
use super::opening::{Opening, Proof, Route};
use super::players::{Console, Silence};
use super::sessions::Hosts;
use super::{Effect, Effects, FolderId, HostId, Now, SignedFile, Timer};
use crate::limits;
use crate::protocol::signed::messages::{self, FromGame};
use crate::protocol::signed::{self, Id, Kind};

/// What all links share.
#[derive(Default)]
pub struct Links {
    /// Notes to games whose session is not known, oldest first.
    gone: VecDeque<(FolderId, String)>,
    /// Whether somebody wants to hear what games tell.
    pub overheard: bool,
    /// Whether something follows here from what games tell.
    pub attended: bool,
    /// What they told since this was last taken.
    pub told: Vec<(HostId, FromGame)>,
}

/// What the handlers here need of the rest.
pub struct Context<'a> {
    pub hosts: &'a mut Hosts,
    pub calls: &'a mut Calls,
    pub functions: &'a Functions,
    pub now: Now,
}

impl Links {
    /// A game asks for a session.
    pub fn hello(
        &mut self,
        file: &SignedFile,
        nonce: Id,
        hosts: &mut Hosts,
        now: Now,
        effects: &mut Effects,
    ) {
        let id = file.file;
        let Some(keys) = hosts.keys(file.folder, &file.host) else {
            return effects.push(Effect::Remove { file: id });
        };
        if file.bytes.len() > limits::HELLO_BYTES_MAX {
            let (size, max) = (file.bytes.len(), limits::HELLO_BYTES_MAX);
            let reason = format!("it has {size} bytes, more than {max}");
            return effects.push(Effect::Reject { file: id, reason });
        }
        // Whoever makes up hosts is not to fill the memory: the signature comes first.
        let name = signed::hello(&file.host, file.session);
        let body = match signed::open(&keys.game, &name, &file.bytes) {
            Ok(opened) => opened.body,
            Err(distrust) => {
                let reason = distrust.to_string();
                return effects.push(Effect::Reject { file: id, reason });
            }
        };
        let Some(link) = hosts.link_of(file.folder, &file.host, now) else {
            return effects.push(Effect::Remove { file: id });
        };
        let host = link.host;
        let greeted = link.hello(file.session, (id, body), nonce, effects);
        hosts.prove(host, now);
        match greeted {
            Ok(None) => {}
            Ok(Some((script, map))) => {
                log::info!("host {}: map {map}, scripts of vpid {script}", file.host);
                let ours = env!("CARGO_PKG_VERSION");
                if script != ours {
                    log::warn!(
                        "host {}: its scripts are of vpid {script}, this is {ours}; \
                         `vpid init --vscripts DIR` brings them up to date",
                        file.host
                    );
                }
            }
            Err(sentence) => log::error!("host {}: {sentence}; it is not served", file.host),
        }
    }

    /// A file of a session.
    pub fn file_taken(
        &mut self,
        file: &SignedFile,
        n: u64,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let Some(link) = cx.hosts.known_link(file.folder, &file.host, cx.now) else {
            return self.unknown(file, cx, effects);
        };
        let game_file = GameFile {
            session: file.session,
            n,
            file: file.file,
            bytes: &file.bytes,
            recovered: file.recovered,
        };
        let host = link.host;
        let arrival = link.arrive(&game_file, cx.now, effects);
        if matches!(arrival, Arrival::Now(_) | Arrival::Held) {
            cx.hosts.prove(host, cx.now);
        }
        match arrival {
            Arrival::Unknown => self.unknown(file, cx, effects),
            Arrival::Displaced => self.displaced(host, file, cx, effects),
            Arrival::Held => {}
            Arrival::Seen => effects.push(Effect::Remove { file: file.file }),
            Arrival::Refused(reason) => effects.push(Effect::Reject {
                file: file.file,
                reason,
            }),
            Arrival::Now(ready) => {
                for (n, content) in ready {
                    self.execute(host, file.session, n, content, cx, effects);
                }
            }
        }
        cx.calls.settle(host, cx.hosts, cx.now, effects);
    }

    fn unknown(&mut self, file: &SignedFile, cx: &mut Context<'_>, effects: &mut Effects) {
        let reason = "its session is not known: it ended long ago, or the state folder was lost";
        effects.push(Effect::Reject {
            file: file.file,
            reason: reason.into(),
        });
        let message =
            messages::gone("vpid does not know this session: its state folder is new or was lost");
        self.write_gone(file, &message, cx, effects);
    }

    /// A game goes on although another one of its name has begun a session since. What it asks for is not
    /// done: nobody could be answered. It is told, and tries again later.
    fn displaced(
        &mut self,
        host: HostId,
        file: &SignedFile,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let reason = "another game of the same name has begun a session since; nothing in this file \
                      was done";
        effects.push(Effect::Reject {
            file: file.file,
            reason: reason.into(),
        });
        if let Some(link) = cx.hosts.link(host)
            && !std::mem::replace(&mut link.twins_known, true)
        {
            log::warn!(
                "host {}: two games call themselves so and write into the same folder; the one whose \
                 map began last is served, and the other is told. Give each its own `hostname`, or \
                 `host` in its vpi_config.nut",
                link.name
            );
        }
        let message = messages::displaced(
            "another game of the same name has begun a session; give each its own hostname",
        );
        self.write_gone(file, &message, cx, effects);
    }

    fn write_gone(
        &mut self,
        file: &SignedFile,
        message: &str,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) {
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
            effects.push(Effect::RemoveSigned { folder, name });
        }
        effects.push(Effect::WriteSigned {
            folder: file.folder,
            name,
            text,
            of: None,
        });
    }

    /// Does what a file says, once it is its turn.
    fn execute(
        &mut self,
        host: HostId,
        session: Id,
        n: u64,
        content: Content,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let Some(link) = cx.hosts.link(host) else {
            return;
        };
        link.note_taken(session, n, &content, effects);
        let present = link.session() == Some(session);
        if present {
            link.acknowledge(content.ack, effects);
            if !content.messages.is_empty() {
                link.owe_ack(cx.now);
            }
        }
        if let Some(problem) = content.spoiled {
            link.done(session, n, effects);
            let reason = format!("its messages cannot be read ({problem})");
            return effects.push(Effect::Reject {
                file: content.file,
                reason,
            });
        }
        if present {
            heard(link, cx.now, effects);
        }
        let mut opening = Opening {
            file: content.file,
            host,
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
                FromGame::Call(call) => opening.singles.push(call.into()),
                FromGame::Chain(chain) => {
                    let chain = chain.into_iter().map(Into::into);
                    opening.chains.push(chain.collect());
                }
                FromGame::Result { id, outcome } => link.result(id, outcome, effects),
                FromGame::Again(m) if present => link.write(m, effects),
                FromGame::Again(_) => {}
                message => {
                    if present {
                        tell(link, &message, cx.now);
                    }
                    self.pass_on(host, session, present, message, link, effects);
                }
            }
        }
        cx.calls
            .open(opening, cx.hosts, cx.functions, cx.now, effects);
    }

    /// What a game reports reaches the rest of the core, and operators who watch.
    fn pass_on(
        &mut self,
        host: HostId,
        session: Id,
        present: bool,
        message: FromGame,
        link: &mut Link,
        effects: &mut Effects,
    ) {
        if matches!(&message, FromGame::Event { name, .. } if name == "map_end") {
            link.map_is_over(session);
        }
        // What an earlier session has left says nothing of the present one.
        if self.attended && present {
            self.told.push((host, message.clone()));
        }
        if self.overheard {
            effects.push(Effect::Heard { host, message });
        }
    }

    /// A file that an earlier run wrote.
    pub fn restore_sent(
        &mut self,
        file: &SignedFile,
        kind: Kind,
        hosts: &mut Hosts,
        now: Now,
        effects: &mut Effects,
    ) {
        match hosts.known_link(file.folder, &file.host, now) {
            Some(link) => {
                let host = link.host;
                link.restore_sent(file.session, kind, &file.bytes, effects);
                set_timer(host, hosts, now, effects);
            }
            None => effects.push(Effect::RemoveSigned {
                folder: file.folder,
                name: match kind {
                    Kind::Vpid(m) => signed::of_vpid(&file.host, file.session, m),
                    _ => signed::welcome(&file.host, file.session),
                },
            }),
        }
    }
}

/// When a link is to be looked at again.
pub fn set_timer(host: HostId, hosts: &mut Hosts, now: Now, effects: &mut Effects) {
    let timer = Timer::Link(host);
    let due = hosts.link(host).and_then(|link| link.next_due_ms(now));
    effects.push(match due {
        Some(at_ms) => Effect::SetTimer { timer, at_ms },
        None => Effect::CancelTimer(timer),
    });
}

/// Something came of the present session.
fn heard(link: &mut Link, now: Now, effects: &mut Effects) {
    let timer = Timer::Silence(link.host);
    let Some(game) = &mut link.game else { return };
    if let Some(missed_ms) = game.heard(now) {
        log::info!(
            "host {}: heard again after {} s",
            link.name,
            missed_ms / 1000
        );
    }
    let due = game.silence_due_ms();
    effects.extend(due.map(|at_ms| Effect::SetTimer { timer, at_ms }));
}

/// Something that a game tells.
fn tell(link: &mut Link, message: &FromGame, now: Now) {
    if let FromGame::Dropped(count) = message {
        log::warn!(
            "host {}: it dropped {count} events, since too many waited",
            link.name
        );
    }
    let Some(game) = &mut link.game else { return };
    match message {
        FromGame::Event { name, data } => game.event(name, data, now),
        FromGame::Heartbeat(heartbeat) => game.heartbeat(heartbeat, now),
        FromGame::Register { name, script } => game.register(name.clone(), script.clone()),
        FromGame::Unregister { name } => drop(game.functions.remove(name)),
        _ => {}
    }
}

/// A message of a game is overdue. `console`: what is known of its console.
pub fn silence(
    host: HostId,
    hosts: &mut Hosts,
    console: Console,
    now: Now,
    effects: &mut Effects,
) -> Silence {
    let Some(link) = hosts.link(host) else {
        return Silence::No;
    };
    let Some(game) = &mut link.game else {
        return Silence::No;
    };
    let silence = game.silence(console, now);
    if silence == Silence::Missed
        && let Some(sentence) = game.missed()
    {
        log::warn!("host {}: {sentence}", link.name);
    }
    if let Some(at_ms) = game.silence_due_ms() {
        let timer = Timer::Silence(host);
        effects.push(Effect::SetTimer { timer, at_ms });
    }
    silence
}
