//! What can happen, and what is to be done: all that crosses between the core and the shell.

use ::core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::ids::{CallId, FileId, FolderId, HostId, RequestId, RunId, ScriptId, ServerId};
use crate::config::Config;
use crate::jobs::remembered::Remembered;
use crate::jobs::{Done, Job, store};
use crate::protocol::backend as api;
use crate::protocol::call_error::CallError;
use crate::protocol::control::{CallRequest, QueueRequest, RewardsRequest, ScriptRequest};
use crate::protocol::engine_log::Line;
use crate::protocol::rcon;
use crate::protocol::redact::Redactor;
use crate::protocol::signed::messages::{FromGame, Push};
use crate::protocol::signed::session_log::{Note, Sessions};
use crate::protocol::signed::{self, Id};

/// The time of a turn: a monotonic clock for waiting, the wall clock for talking to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the daemon started.
    pub mono_ms: u64,
    /// Unix seconds.
    pub wall_s: i64,
}

/// The unix second in which the daemon's clock showed 0: moments of that clock become dates by it, always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub i64);

impl Epoch {
    pub fn date_s(self, mono_ms: u64) -> i64 {
        self.signed_date_s(i64::try_from(mono_ms).unwrap_or(i64::MAX))
    }

    /// Of a moment that may lie before the start of the daemon.
    pub fn signed_date_s(self, mono_ms: i64) -> i64 {
        self.0.saturating_add(mono_ms.div_euclid(1_000))
    }
}

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

/// A file of the signed protocol that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFile {
    /// The scriptdata folder around the one of the protocol.
    pub folder: FolderId,
    pub host: String,
    pub session: Id,
    pub file: FileId,
    /// The text before the closing NUL.
    pub bytes: Vec<u8>,
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

/// Which file of the signed protocol was written for a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Welcome(Id),
    Messages(Id, u64),
}

/// What an earlier run has left in the state folder.
#[derive(Debug, Default)]
pub struct Earlier {
    pub remembered: Vec<Remembered>,
    pub sessions: Sessions,
    /// Calls that were begun and had not ended, and how often that was so.
    pub tries: HashMap<CallId, u32>,
}

/// The game servers and VyHub's client begin. Both keep the configuration that they begin with.
#[derive(Debug)]
pub struct Start {
    /// The present one.
    pub config: Arc<Config>,
    /// What an earlier run has kept of VyHub's.
    pub kept: store::Found,
    /// Another one for each vpid.
    pub seed: u64,
}

/// The Python scripts begin, where the configuration wants any.
#[derive(Debug)]
pub struct StartScripts {
    pub config: Arc<Config>,
    /// Those in their folder.
    pub found: Vec<String>,
    /// Calls that an earlier run has begun and that must not be begun again.
    pub begun: Vec<CallId>,
    /// Calls of scripts are numbered from here on: see [`Source::Channel`](super::ids::Source::Channel).
    pub number: u64,
}

/// What can happen. Closed: what is new here does not compile until `Core::decide` gives it to its
/// owner.
#[derive(Debug)]
pub enum Event {
    /// Before anything else.
    Restore(Box<Earlier>),
    /// With the numbers of the folders of its servers, in their order.
    Configuration {
        config: Arc<Config>,
        folders: Vec<FolderId>,
    },
    Start(Box<Start>),
    StartScripts(Box<StartScripts>),
    /// vpid ends: every script finishes what it has.
    Stop,
    /// Whether an operator watches what games report.
    Watched(bool),
    /// An operator traces, or none does any more: by what texts are shown.
    Tracing(Option<Arc<Redactor>>),
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
    SqlDone(Vec<Done>),
    /// A game asks for a session; the nonce is fresh.
    Hello {
        file: SignedFile,
        nonce: Id,
    },
    /// The game's file `n` of a session.
    Signed {
        file: SignedFile,
        n: u64,
    },
    /// The game's file `n` was cut short or too large, and is set aside.
    SignedCut {
        folder: FolderId,
        host: String,
        session: Id,
        n: u64,
    },
    /// A file that an earlier run wrote for a game is still there. They come in the order of
    /// their numbers, before any [`Event::Signed`].
    SentFound {
        file: SignedFile,
        kind: signed::Kind,
    },
    SignedWritten {
        host: HostId,
        what: Written,
        ok: bool,
    },
    /// A command of a console was run, or not.
    Rcon(rcon::Done),
    /// The engine of a server has logged something.
    Logged {
        server: ServerId,
        lines: Vec<Line>,
    },
    /// The backend of the community has answered, or not.
    Api(api::Done),
    /// Somebody has changed something in the community.
    CommunityChanged(api::Topics),
    /// The disk has taken documents, or not.
    Stored(Vec<store::Written>),
    /// [`Effect::Pushed`] answers it, by its ticket.
    Operator {
        ticket: u64,
        request: OperatorRequest,
    },
    /// What a process did that [`ScriptAct::Start`] started.
    Script {
        script: ScriptId,
        run: RunId,
        what: ScriptReport,
    },
    /// The result of [`Effect::Locate`].
    Located {
        request: RequestId,
        result: Result<Value, CallError>,
    },
    /// The file of `vpi_interfaces`, or one beside it, was edited.
    InterfacesEdited,
    Timer(Timer),
}

/// What an operator wants.
#[derive(Debug)]
pub enum OperatorRequest {
    /// Send something to a game. `keep`: it may wait for the next session.
    Push {
        host: HostId,
        push: Push,
        keep: bool,
    },
    /// Send a text or a command to a server that only RCON reaches: see
    /// [`Core::consoles`](super::Core::consoles).
    ToConsole {
        server: ServerId,
        push: Push,
    },
    Queue(QueueRequest),
    Rewards(RewardsRequest),
    Script(ScriptRequest),
    /// A call of a function by its name.
    Call(CallRequest),
}

impl Event {
    /// `folders` are the numbers of the folders of `config.servers`, in that order.
    pub fn configuration(config: impl Into<Arc<Config>>, folders: &[FolderId]) -> Self {
        Self::Configuration {
            config: config.into(),
            folders: folders.to_vec(),
        }
    }

    /// See [`Start`].
    pub fn start(config: impl Into<Arc<Config>>, kept: store::Found, seed: u64) -> Self {
        Self::Start(Box::new(Start {
            config: config.into(),
            kept,
            seed,
        }))
    }

    /// Its name in logs and measurements.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Restore(_) => "restore",
            Self::Configuration { .. } => "configuration",
            Self::Start(_) => "start",
            Self::StartScripts(_) => "start_scripts",
            Self::Stop => "stop",
            Self::Watched(_) => "watched",
            Self::Tracing(_) => "tracing",
            Self::Calls(_) => "call_file",
            Self::Restart { .. } => "restart_file",
            Self::Input { .. } => "input_file",
            Self::AnswersWritten { .. } => "responses_written",
            Self::SqlDone(_) => "sql_done",
            Self::Hello { .. } => "hello_file",
            Self::Signed { .. } => "signed_file",
            Self::SignedCut { .. } => "signed_cut",
            Self::SentFound { .. } => "sent_found",
            Self::SignedWritten { .. } => "signed_written",
            Self::Rcon(_) => "rcon_done",
            Self::Logged { .. } => "engine_log",
            Self::Api(_) => "api_done",
            Self::CommunityChanged(_) => "community_changed",
            Self::Stored(_) => "stored",
            Self::Operator { .. } => "operator",
            Self::Script { .. } => "script",
            Self::Located { .. } => "located",
            Self::InterfacesEdited => "interfaces_edited",
            Self::Timer(_) => "timer",
        }
    }
}

/// What the process of a Python script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptReport {
    /// Whole lines of its channel, without their ends.
    Sent(Vec<Vec<u8>>),
    /// Lines of its output, and whether they are of its standard error.
    Printed(Vec<(bool, String)>),
    /// It sent a line that is longer than any may be.
    TooLong,
    /// It ended: `with exit code 3`, `by signal 9`. Nothing follows.
    Ended(String),
    /// It could not be started at all. Nothing follows. The sentence says why and what to do. `has_file`: false where
    /// nothing of this name is in the folder.
    NotStarted { why: String, has_file: bool },
    /// The answer to [`ScriptAct::Look`]: whether something of this name is in the folder.
    Looked(bool),
}

/// What is to be done with a script's process. `run` numbers processes, of all scripts, and is
/// never used twice.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptAct {
    Start(Launch),
    /// Write this to its channel.
    Send(Vec<u8>),
    Interrupt,
    /// It, and whatever it has started.
    Kill,
    /// Look whether the script of this name has a file in the folder; report [`ScriptReport::Looked`]. It has no
    /// process.
    Look(String),
}

/// Which script is to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    pub kind: LaunchKind,
    pub name: String,
    /// The game servers, with what they are called.
    pub servers: Vec<(ServerId, String)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaunchKind {
    /// Of the folder of scripts.
    #[default]
    Script,
    /// `vpi_interfaces`.
    Interfaces,
}

/// What a timer is for. Setting one again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// An answer of this host is to be repeated, or has expired.
    Answers(HostId),
    /// The same for signed files.
    Link(HostId),
    /// A game that should have told something by now.
    Silence(HostId),
    /// A call is overdue that a database's lane has not answered.
    Deadlines,
    /// A server is to be asked who is on.
    Servers,
    /// Something of VyHub's is due.
    Vyhub,
    /// Something of the scripts is due.
    Scripts,
    /// Calls are left to be started.
    Starts,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Durably note this, before the calls of a file run or a restart file goes.
    Remember(Remembered),
    /// Run on the SQL lane, after every earlier job.
    Sql(Box<Job>),
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
    /// Note this for the time after a restart, before anything else happens.
    Note(Note),
    /// Put a signed file into the folder of the protocol, at once and whole; with `of`, report
    /// [`Event::SignedWritten`].
    WriteSigned {
        folder: FolderId,
        name: String,
        text: String,
        of: Option<(HostId, Written)>,
    },
    /// Remove a file of ours from there.
    RemoveSigned {
        folder: FolderId,
        name: String,
    },
    /// A push arrived, and what came of it.
    Pushed {
        ticket: u64,
        outcome: Result<Value, String>,
    },
    /// Something that a game told, for those who listen.
    Heard {
        host: HostId,
        message: FromGame,
    },
    /// Run on a server's console; report [`Event::Rcon`].
    Rcon {
        server: ServerId,
        job: rcon::Job,
    },
    /// Ask VyHub; report [`Event::Api`].
    Api(Box<api::Job>),
    /// Keep or remove a document, after all earlier ones; report [`Event::Stored`] if it has a
    /// ticket.
    Store(Box<store::Write>),
    /// Start a script's process, or do something with it; report [`Event::Script`].
    Script {
        script: ScriptId,
        run: RunId,
        act: ScriptAct,
    },
    /// Look up where an address is, for a script; report [`Event::Located`].
    Locate {
        request: RequestId,
        address: IpAddr,
    },
    /// Note that a call is begun that must not be begun again after a restart, before anything
    /// else happens.
    Begun(CallId),
    SetTimer {
        timer: Timer,
        at_ms: u64,
    },
    CancelTimer(Timer),
}

impl Effect {
    /// Its name in logs and measurements.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Remember(_) => "remember",
            Self::Sql(_) => "sql",
            Self::WriteAnswers { .. } => "write_responses",
            Self::LookAtInput { .. } => "look_at_input",
            Self::Remove { .. } => "remove_file",
            Self::Reject { .. } => "reject_file",
            Self::Note(_) => "note_session",
            Self::WriteSigned { .. } => "write_signed",
            Self::RemoveSigned { .. } => "remove_signed",
            Self::Pushed { .. } => "pushed",
            Self::Heard { .. } => "reported",
            Self::Rcon { .. } => "rcon",
            Self::Api(_) => "api",
            Self::Store(_) => "store",
            Self::Script { .. } => "script",
            Self::Locate { .. } => "locate",
            Self::Begun(_) => "note_begun",
            Self::SetTimer { .. } => "set_timer",
            Self::CancelTimer(_) => "cancel_timer",
        }
    }
}

pub type Effects = Vec<Effect>;
