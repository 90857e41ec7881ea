//! `vpid demo`: vpid at work, with everything around it made up.

use super::arguments::{self, Arguments, Command, Stop};

pub(super) const COMMAND: Command = Command {
    name: "demo",
    summary: "see it at work, with no configuration and nothing left behind",
    help: "\
Shows vpid at work: starts the daemon on temporary folders with an SQLite database, plays game
servers and a VyHub against it, and shows what happens. Needs no configuration, takes some ten
seconds and leaves nothing behind. Exit code 1 if anything does not come out as it should.

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
