//! `vpid demo`: a real daemon, a made-up game server beside it, and what goes between them.
//!
//! It is a check as much as a show: anything that does not come out as it should ends it with an
//! error. `stage` holds the daemon and the folders, `screen` prints, the acts are the story.

mod acts;
mod community;
mod failure;
#[cfg(feature = "fake-game")]
mod game_act;
#[cfg(feature = "fake-game")]
mod game_crowd;
mod python_act;
mod screen;
mod stage;
mod trouble;
mod vyhub_act;
#[cfg(not(feature = "fake-game"))]
mod wire_act;
#[cfg(not(feature = "fake-game"))]
mod wire_crowd;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use community::Community;
use failure::{Failure, Outcome};
use screen::Screen;
use stage::Stage;
#[cfg(feature = "fake-game")]
use {game_act as signed_act, game_crowd as crowd};
#[cfg(not(feature = "fake-game"))]
use {wire_act as signed_act, wire_crowd as crowd};

/// Nothing in the demo takes as long on a machine that works, however busy it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the whole story. Nothing is left behind, also where it fails.
pub fn run(out: &mut dyn Write) -> Outcome {
    let began = Instant::now();
    let mut screen = Screen::new(out, wants_colours());
    let mut community = Community::set_up()?;
    let mut stage = Stage::set_up(|key| community.config(key))?;
    let played =
        play(&mut stage, &mut community, &mut screen).map_err(|failure| stage.explain(failure));
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
    figures.show(&mut screen, began.elapsed())
}

fn play(stage: &mut Stage, community: &mut Community, screen: &mut Screen<'_>) -> Outcome {
    screen.title("vpid demo: a real daemon, and a made-up game server that writes its files")?;
    screen.heading("A game with our scripts, signed")?;
    acts::daemon_start(stage, screen)?;
    signed_act::play(stage, screen)?;
    screen.heading("A community with VyHub")?;
    vyhub_act::play(stage, community, screen)?;
    screen.heading("A game with the stock scripts: a map starts")?;
    acts::map_start(stage, screen)?;
    screen.heading("Scripts call")?;
    acts::table_and_players(stage, screen)?;
    acts::every_kind(stage, screen)?;
    acts::chains(stage, screen)?;
    acts::one_after_another(stage, screen)?;
    screen.heading("Python beside the game")?;
    python_act::play(stage, screen)?;
    screen.heading("A client that forgets")?;
    acts::forgetful_burst(stage, screen)?;
    screen.heading("What is refused")?;
    trouble::refused_calls(stage, screen)?;
    trouble::forged_file(stage, screen)?;
    trouble::replayed_file(stage, screen)?;
    screen.heading("Accidents")?;
    trouble::killed(stage, screen)?;
    trouble::map_change(stage, screen)
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
            "All as it should be. Nothing was left behind: vpid has ended, its folder is gone.",
        )
    }
}
