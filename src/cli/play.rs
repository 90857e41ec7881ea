//! `vpid play`: game scripts, tried without a game.

use std::path::PathBuf;

use super::command::{Action, Command, Kind, arg, option};
use super::given::{Given, Stop};

pub(super) const COMMAND: Command = Command {
    name: "play",
    summary: "try game scripts without a game (vpid built with fake-game)",
    about: "\
Runs game scripts in a real interpreter without a game, with players and events of a scenario, and shows what they \
print, what players read, and their errors with file, line and variables. Needs a vpid that was built with \
`--features fake-game`. docs/game-scripts.md describes scenarios.

FILE.nut runs after the mapspawn.nut of its folder, if there is one; of DIR, mapspawn.nut alone. Scripts can include \
all others of the folder. Exit code 1 if a script fails, or something expected did not come.",
    args: &[arg("FILE.nut|DIR", Kind::File)],
    options: &[
        option(
            "--scenario",
            "FILE",
            Kind::File,
            "what players do, a step in each line; - is standard input (default: the map begins, and a second passes)",
        ),
        option(
            "--scriptdata",
            "DIR",
            Kind::Dir,
            "where scripts write and read files, such as that of a running vpid; the game then runs at the pace of a \
             server (default: an empty folder, as fast as possible)",
        ),
    ],
    examples: &["vpid play tf/scripts/vscripts/duel.nut --scenario duel.jsonl"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(given: Given) -> Result<(), Stop> {
    play(PathBuf::from(&given.words[0]), &given)
}

#[cfg(not(feature = "fake-game"))]
fn play(_: PathBuf, _: &Given) -> Result<(), Stop> {
    let text = "this vpid was built without an interpreter for game scripts; build one that has it: cargo build \
                --release --features fake-game (needs cmake and a C++ compiler)";
    Err(Stop::Failed(text.into()))
}

#[cfg(feature = "fake-game")]
fn play(scripts: PathBuf, given: &Given) -> Result<(), Stop> {
    use fake_game::play::{Play, run};

    const USUAL: &str = "{\"wait\": 1}";
    let failed = |path: &PathBuf, error: std::io::Error| format!("{}: {error}", path.display());
    let (folder, first) = match scripts.is_dir() {
        true => (scripts.clone(), None),
        false => {
            let folder = scripts.parent().map(PathBuf::from).unwrap_or_default();
            let folder = if folder.as_os_str().is_empty() {
                ".".into()
            } else {
                folder
            };
            let name = scripts.file_name().and_then(|name| name.to_str());
            let name = name.filter(|name| name.ends_with(".nut") && scripts.is_file());
            let name = name.ok_or_else(|| {
                format!(
                    "{} is neither a script NAME.nut nor a folder of scripts",
                    scripts.display()
                )
            })?;
            (folder, Some(name.to_owned()))
        }
    };
    let scenario = match &given.file("--scenario") {
        Some(path) if path.as_os_str() == "-" => {
            let text =
                std::io::read_to_string(std::io::stdin()).map_err(|error| failed(path, error))?;
            ("standard input".to_owned(), text)
        }
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
            (path.display().to_string(), text)
        }
        None => ("the usual scenario".to_owned(), USUAL.to_owned()),
    };
    let scriptdata = given.file("--scriptdata");
    let is_real = scriptdata.is_some();
    let scratch = tempfile::Builder::new().prefix("vpid-play-").tempdir();
    let scratch = scratch.map_err(|error| error.to_string())?;
    let play = Play {
        scripts: folder,
        first,
        scenario,
        scriptdata: scriptdata.unwrap_or_else(|| scratch.path().to_path_buf()),
        is_real,
    };
    let outcome = run(&play, &mut std::io::stdout())?;
    match outcome.errors + outcome.unmet {
        0 => Ok(()),
        _ => Err(Stop::Reported),
    }
}
