//! `vpid demo`: vpid at work, with everything around it made up.

use super::arguments::{self, Arguments, Command, Stop};

pub(super) const COMMAND: Command = Command {
    name: "demo",
    summary: "see vpid at work; needs no configuration, leaves nothing behind",
    help: "\
Shows vpid at work: starts the daemon on temporary folders with an SQLite database, simulates game
servers and a VyHub, and shows what happens. Needs no configuration, takes about twenty
seconds and leaves nothing behind. Exit code 1 if a result is not as expected.

Usage: vpid demo

Example: vpid demo
",
    run,
};

fn run(arguments: Arguments) -> Result<(), Stop> {
    arguments.read(arguments::none)?.without_words()?;
    #[cfg(feature = "demo")]
    return crate::game_side::demo::run(&mut std::io::stdout())
        .map_err(|failure| Stop::Failed(failure.to_string()));
    #[cfg(not(feature = "demo"))]
    Err(Stop::Failed(
        "this vpid was built without its demo; build it with the feature `demo`".into(),
    ))
}
