//! The decisions, pure: no file, socket, clock, thread or random number in this room.
//!
//! [`Core::on`] takes what happened and the time at which it did, and answers with what is to be
//! done. It is one match that routes; the subjects stand in files of their own.

pub mod answers;
pub mod callbacks;
pub mod calls;
pub mod functions;
pub mod replay;
pub mod sessions;

use crate::config::Config;
use crate::wire::sql;

use answers::Answers;
use calls::Calls;
use functions::Functions;
use sessions::Hosts;

/// The time of a turn: a monotonic clock for waiting, the wall clock for talking to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the daemon started.
    pub mono_ms: u64,
    /// Unix seconds.
    pub wall_s: i64,
}

/// A scriptdata folder, by the number that the daemon gave it. Numbers are never used twice.
pub type FolderId = u32;
/// A host that was seen in a folder. Numbers are never used twice.
pub type HostId = u32;
/// A call file that was taken: unix microseconds of that moment, never the same twice.
pub type FileId = u64;

/// A call file that has been read and put aside under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenFile {
    pub folder: FolderId,
    pub host: String,
    pub file: FileId,
    /// The text before the closing NUL.
    pub bytes: Vec<u8>,
    /// When the game wrote it, unix nanoseconds.
    pub mtime_ns: i64,
    /// Found as taken when the daemon started: an earlier run may have executed its calls.
    pub recovered: bool,
}

/// What an input file was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputState {
    Empty,
    /// What we wrote last; nobody has fetched it yet.
    Ours,
    /// Something that we did not write (an earlier run's answers), young enough to be waited for.
    Foreign,
}

/// What can happen. Closed: a new kind of thing is a new line here and in [`Core::on`].
#[derive(Debug)]
pub enum Event {
    Calls(TakenFile),
    Restart {
        folder: FolderId,
        host: String,
        mtime_ns: i64,
    },
    Input {
        host: HostId,
        state: InputState,
    },
    AnswersWritten {
        host: HostId,
        ok: bool,
    },
    SqlDone(Vec<sql::Done>),
    Timer(Timer),
}

/// What a timer is for. Setting one again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// An answer of this host is to be repeated, or has expired.
    Answers(HostId),
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Durably note that this identity belongs to this file, before its calls run.
    Remember {
        identity: u64,
        file: FileId,
    },
    /// Run on the SQL lane, after every earlier job.
    Sql(Box<sql::Job>),
    /// Put these encoded answers, and nothing else, into the host's input file;
    /// report [`Event::AnswersWritten`].
    WriteAnswers {
        host: HostId,
        answers: Vec<(String, String)>,
    },
    /// Look at the host's input file; report [`Event::Input`].
    LookAtInput {
        host: HostId,
    },
    /// The file's calls are done and answered: remove it.
    Remove {
        file: FileId,
    },
    /// The file cannot be believed or understood: set it aside with the reason.
    Reject {
        file: FileId,
        reason: String,
    },
    SetTimer {
        timer: Timer,
        at_ms: u64,
    },
    CancelTimer(Timer),
}

pub type Effects = Vec<Effect>;

/// All that vpid knows and decides.
pub struct Core {
    hosts: Hosts,
    calls: Calls,
    functions: Functions,
}

impl Core {
    /// `folders` are the numbers of the folders of `config.servers`, in that order.
    pub fn new(config: &Config, folders: &[FolderId]) -> Self {
        Self {
            hosts: Hosts::new(config, folders),
            calls: Calls::new(config.call_deadline_ms),
            functions: Functions::new(config),
        }
    }

    /// Takes a new configuration over; calls that run go on under the old one. What waits for
    /// hosts that are not served any more is dropped.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) -> Effects {
        let mut effects = Effects::new();
        self.hosts.reconfigure(config, folders);
        self.calls.set_deadline(config.call_deadline_ms);
        self.functions = Functions::new(config);
        for host in self.hosts.unserved() {
            let dropped = self.hosts.answers(host).map(Answers::clear);
            self.calls
                .answers_dropped(&dropped.unwrap_or_default(), &mut effects);
        }
        effects
    }

    /// What an earlier run remembered: identities and the files they came in.
    pub fn restore_identities(&mut self, seen: impl Iterator<Item = (u64, FileId)>) {
        self.hosts.restore_identities(seen);
    }

    /// Whether files of this host are served at all.
    pub fn serves(&self, folder: FolderId, host: &str) -> bool {
        self.hosts.server_of(folder, host).is_some()
    }

    /// Whether one more file of this host may be taken. Where not, it waits in its folder.
    pub fn has_room(&self, folder: FolderId, host: &str) -> bool {
        let host = self.hosts.find(folder, host);
        let known = host.and_then(|host| self.hosts.get(host));
        let backlog = known.map_or(0, |host| host.answers.backlog());
        self.calls.has_room(host, backlog)
    }

    pub fn find_host(&self, folder: FolderId, name: &str) -> Option<HostId> {
        self.hosts.find(folder, name)
    }

    /// Calls that have been taken and not yet done.
    pub fn running(&self) -> usize {
        self.calls.running()
    }

    /// Where a host's files are: its folder and name.
    pub fn host(&self, host: HostId) -> Option<(FolderId, &str)> {
        self.hosts
            .get(host)
            .map(|host| (host.folder, host.name.as_str()))
    }

    /// The secret with which a host's answers are sealed.
    pub fn secret(&self, host: HostId) -> Option<&[u8]> {
        self.hosts.secret(host)
    }

    pub fn on(&mut self, event: Event, now: Now) -> Effects {
        let mut effects = Effects::new();
        let Self {
            hosts,
            calls,
            functions,
        } = self;
        match event {
            Event::Calls(file) => calls.file_taken(file, hosts, functions, now, &mut effects),
            Event::Restart {
                folder,
                host,
                mtime_ns,
            } => {
                if let Some((id, remember)) = hosts.restarted(folder, &host, mtime_ns, now) {
                    effects.push(remember);
                    let dropped = hosts.answers(id).map(Answers::clear).unwrap_or_default();
                    calls.answers_dropped(&dropped, &mut effects);
                    effects.push(Effect::LookAtInput { host: id });
                }
            }
            Event::Input { host, state } => {
                if let Some(answers) = hosts.answers(host) {
                    answers.input_is(state, now);
                }
                calls.refresh(host, hosts, now, &mut effects);
            }
            Event::AnswersWritten { host, ok } => {
                let shown = hosts.answers(host).map(|answers| answers.written(ok, now));
                let shown = shown.unwrap_or_default();
                calls.answers_shown(&shown, &mut effects);
                calls.set_timer(host, hosts, now, &mut effects);
            }
            Event::SqlDone(done) => calls.sql_done(done, hosts, functions, now, &mut effects),
            Event::Timer(Timer::Answers(host)) => calls.refresh(host, hosts, now, &mut effects),
        }
        let finished = calls.take_finished().into_iter();
        effects.extend(finished.map(|identity| hosts.finish(identity)));
        effects
    }
}
