//! `vpid demo`: vpid at work, with everything around it made up.

use super::command::{Action, Command};
use super::given::{Given, Stop};

pub(super) const COMMAND: Command = Command {
    name: "demo",
    summary: "see vpid at work; needs no configuration, leaves nothing behind",
    about: "\
Starts the daemon on temporary folders with an SQLite database, simulates game servers and a VyHub, and shows what \
happens. Takes about twenty seconds. Exit code 1 if a result is not as expected.",
    examples: &["vpid demo"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(_: Given) -> Result<(), Stop> {
    #[cfg(feature = "demo")]
    return crate::game_side::demo::run(&mut std::io::stdout())
        .map_err(|failure| Stop::Failed(failure.to_string()));
    #[cfg(not(feature = "demo"))]
    Err(Stop::Failed(
        "this vpid was built without its demo; build it with the feature `demo`".into(),
    ))
}
