//! How long others wait while one game's folder is flooded: a real vpid, two signed games and a stock
//! one that make a call every 20 ms, and what a game script or a program beside the game can write.
//! One signed game is on another server, the others' files are in the flooded folder.
//! docs/performance.md says how to run it and what the numbers mean.
//!
//! This is a bench and no test: it ends well whatever it finds. `tests/all/floods.rs` has smaller
//! floods with bounds.

// The tests use the rest.
#[allow(dead_code)]
#[path = "../../tests/all/attack/mod.rs"]
mod attack;
mod floods;
mod measure;
mod options;
mod place;
// The other bench uses the rest.
#[allow(dead_code)]
#[path = "../bridge/process.rs"]
mod process;
mod report;

use std::io;
use std::process::ExitCode;

use floods::Kind;
use measure::Sample;
use options::{Command, Settings};

/// Everything that was measured.
pub struct Results {
    /// The names of the builds, in the order of the samples.
    pub builds: Vec<&'static str>,
    pub rows: Vec<(Kind, Vec<io::Result<Sample>>)>,
    /// Where that was.
    pub machine: String,
}

fn main() -> ExitCode {
    match options::parse() {
        Ok(Command::Measure(settings)) => match measure_all(&settings) {
            Ok(results) => println!("{}", report::tables(&results, settings.markdown)),
            Err(error) => {
                eprintln!("floods: {error}");
                return ExitCode::FAILURE;
            }
        },
        Ok(Command::List) => floods::all()
            .iter()
            .for_each(|kind| println!("{}", kind.name)),
        Ok(Command::Help) => print!("{}", options::HELP),
        Err(error) => {
            eprintln!("floods: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure_all(settings: &Settings) -> io::Result<Results> {
    let mut kinds = floods::all();
    kinds.retain(|kind| {
        settings
            .only
            .as_ref()
            .is_none_or(|only| kind.name.contains(only))
    });
    let rows = kinds.into_iter().map(|kind| {
        let samples = settings.builds.iter().map(|(build, binary)| {
            eprintln!("{}: {build}", kind.name);
            let sample = measure::sample(&kind, binary, settings);
            match &sample {
                Ok(sample) => eprintln!("    {}", report::line(sample)),
                Err(error) => eprintln!("    cannot be measured: {error}"),
            }
            sample
        });
        let samples = samples.collect();
        (kind, samples)
    });
    Ok(Results {
        rows: rows.collect(),
        builds: settings.builds.iter().map(|(build, _)| *build).collect(),
        machine: format!(
            "{} processors, scriptdata and state on {}, databases on {}",
            std::thread::available_parallelism()?,
            process::file_system(&settings.dir)?,
            process::file_system(&settings.disk)?,
        ),
    })
}
