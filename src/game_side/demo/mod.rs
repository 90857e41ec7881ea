//! `vpid demo`: a real daemon, a made-up game server beside it, and what goes between them.
//!
//! It is a check as much as a show: anything that does not come out as it should ends it with an
//! error. `stage` holds the daemon and the folders, `screen` prints, the acts are the story.

mod acts;
mod community;
mod screen;
#[cfg_attr(feature = "fake-game", path = "game_act.rs")]
#[cfg_attr(not(feature = "fake-game"), path = "wire_act.rs")]
mod signed_act;
mod stage;
mod trouble;
mod vyhub_act;

use super::signed::SessionError;
use crate::io::control::AskError;
use crate::io::random;
use crate::protocol::signed::messages::CallFailed;
use community::Community;
use screen::Screen;
use serde_json::Value;
use stage::Stage;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Nothing in the demo takes as long on a machine that works, however busy it is.
const PATIENCE: Duration = Duration::from_secs(30);

const SECRET_BYTES: usize = 64;

/// A secret of small letters, fresh.
fn secret() -> String {
    let mut random = random::bytes();
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    (0..SECRET_BYTES).map(|_| letter(random())).collect()
}

/// Runs the whole story. Nothing is left behind, also where it fails.
pub fn run(out: &mut dyn Write) -> Outcome {
    let began = Instant::now();
    let colours = wants_colours();
    let mut community = Community::set_up()?;
    let screen = Screen::new(&mut *out, colours);
    let mut stage = Stage::set_up(screen, |key| community.config(key))?;
    let played = play(&mut stage, &mut community).map_err(|failure| stage.explain(failure));
    let memory_kib = stage.daemon_memory_kib();
    let folder = stage.path().to_path_buf();
    let figures = Figures {
        awaited: stage.awaited,
        answered: stage.answered,
        latencies: std::mem::take(&mut stage.latencies),
        memory_kib,
    };
    // Whatever happened, the daemon ends and the folder goes before anything else is said.
    let closed = stage.take_down(played.is_ok());
    match (played, closed) {
        (Err(first), Err(second)) => return Err(Failure::Both(first.into(), second.into())),
        (played, closed) => played.and(closed)?,
    }
    if folder.exists() {
        return Err(Failure::LeftBehind(folder));
    }
    figures.show(&mut Screen::new(out, colours), began.elapsed())
}

fn play(stage: &mut Stage<'_>, community: &mut Community) -> Outcome {
    stage
        .screen
        .title("vpid demo: a real daemon, and a made-up game server that writes its files")?;
    stage.screen.heading("A game with our scripts, signed")?;
    acts::daemon_start(stage)?;
    signed_act::play(stage)?;
    stage.screen.heading("A community with VyHub")?;
    vyhub_act::play(stage, community)?;
    stage
        .screen
        .heading("A game with the stock scripts: a map starts")?;
    acts::map_start(stage)?;
    stage.screen.heading("Scripts call")?;
    acts::table_and_players(stage)?;
    acts::every_kind(stage)?;
    acts::chains(stage)?;
    acts::one_after_another(stage)?;
    stage.screen.heading("Python beside the game")?;
    acts::python(stage)?;
    stage.screen.heading("A client that forgets")?;
    acts::forgetful_burst(stage)?;
    stage.screen.heading("What is refused")?;
    trouble::refused_calls(stage)?;
    trouble::forged_file(stage)?;
    trouble::replayed_file(stage)?;
    stage.screen.heading("Accidents")?;
    trouble::killed(stage)?;
    trouble::map_change(stage)
}

fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !refused
}

/// The summary.
struct Figures {
    awaited: usize,
    answered: usize,
    latencies: Vec<Duration>,
    memory_kib: Option<u64>,
}

impl Figures {
    fn show(mut self, screen: &mut Screen<'_>, took: Duration) -> Outcome {
        let lost = self.awaited.saturating_sub(self.answered);
        if lost > 0 {
            return Err(Failure::Lost(lost, self.awaited));
        }
        self.latencies.sort_unstable();
        let median = self.latencies.get(self.latencies.len() / 2);
        let median = median.map_or("unknown".into(), |took| screen::time(*took));
        let memory = match self.memory_kib {
            Some(kib) => format!("{:.1} MiB", kib as f64 / 1024.0),
            None => "unknown".into(),
        };
        screen.heading("Summary")?;
        let singles = self.latencies.len();
        screen.row("answers awaited", &self.awaited.to_string(), "")?;
        screen.row("answered", &self.answered.to_string(), "")?;
        screen.row("lost", "0", "")?;
        let note = format!("from call file to answer, {singles} single calls");
        screen.row("median latency", &median, &note)?;
        screen.row("memory of vpid", &memory, "")?;
        screen.row("the demo took", &screen::time(took), "")?;
        screen.good(
            "All as it should be. Nothing is left behind: vpid has ended, its folder is gone.",
        )
    }
}

/// What ends the demo; its text is what the operator reads.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("the answer is {0}, and should be {1}")]
    Answer(Value, Value),
    /// Something else is not as the story has it; a sentence.
    #[error("{0}")]
    Unexpected(String),
    #[error("{0} rows and different ones, and should be {1} of each")]
    Rows(String, usize),
    #[error("{0} of {1} answers were lost")]
    Lost(usize, usize),
    #[error("{0} did not come within {seconds} s", seconds = PATIENCE.as_secs())]
    Late(String),
    #[error("interrupted")]
    Interrupted,
    /// And when.
    #[error("the daemon ended {1} ({0})")]
    DaemonEnded(ExitStatus, &'static str),
    /// The system did not do this.
    #[error("{0} ({1})")]
    System(String, io::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Errno(#[from] rustix::io::Errno),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Operator(#[from] AskError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error("{0} was left behind")]
    LeftBehind(PathBuf),
    #[error("{0}\nThe end of the daemon's log:\n{1}")]
    Logged(Box<Failure>, String),
    /// The second one while everything was removed.
    #[error("{0}\n{1}")]
    Both(Box<Failure>, Box<Failure>),
}

pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub fn unexpected<T>(sentence: impl Into<String>) -> Outcome<T> {
        Err(Self::Unexpected(sentence.into()))
    }

    /// For `map_err`: the system cannot do `what`.
    pub fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System(what, error)
    }
}
