//! The bridge as a whole, measured through the files: vpid beside the stock server and beside a
//! bare loop, with the same calls from the same client, in one run. docs/performance.md says how
//! to run it and what the numbers mean.
//!
//! Machines drift, so everything is measured several times in turn (stock, bare, vpid, stock,
//! ...), and what is printed are medians with the smallest and the largest. Ratios are those of
//! neighbours in one round.

mod answers;
mod bare;
mod mariadb;
mod measure;
mod options;
mod process;
mod report;
mod servers;
mod stats;

use std::io;
use std::process::ExitCode;

use vpid::game_side::bench::Work;

use measure::{Idle, Sample, Start, Subject};
use options::{Command, Form, Settings};
use servers::Kind;

/// Everything that was measured.
pub struct Results {
    /// Each subject with one sample for each round.
    pub loads: Vec<(Subject, Vec<Sample>)>,
    /// Who started, with how many unrelated files in the folder.
    pub starts: Vec<(Kind, usize, Vec<Start>)>,
    pub idles: Vec<(Kind, Idle)>,
    /// What could not be measured, and why; each row once.
    pub failed: Vec<(String, String)>,
    pub binary_bytes: u64,
    /// Where that was: processors, and the file systems of scriptdata and database.
    pub machine: String,
}

const VPID: Kind = Kind::Vpid { full: true };

fn main() -> ExitCode {
    let outcome = match options::parse() {
        Ok(Command::Bare(scriptdata, database, alone)) => bare::run(&scriptdata, &database, alone),
        Ok(Command::Measure(settings)) => run(&settings),
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            Ok(())
        }
        Err(error) => Err(io::Error::other(error.to_string())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> io::Result<()> {
    if !settings.answers {
        let results = measure_all(settings)?;
        let text = match settings.form {
            Form::Text => report::text(&results),
            Form::Markdown => report::markdown(&results),
            Form::Json => report::json(&results),
        };
        println!("{text}");
    }
    match settings.stock.is_some() && settings.only.is_none() {
        true => answers::compare(settings),
        false => Ok(()),
    }
}

fn measure_all(settings: &Settings) -> io::Result<Results> {
    let mut loads: Vec<(Subject, Vec<Sample>)> = subjects(settings)
        .into_iter()
        .map(|subject| (subject, Vec::new()))
        .collect();
    let mut starts: Vec<(Kind, usize, Vec<Start>)> = starts(settings);
    let mut failed = Vec::new();
    for round in 1..=settings.rounds {
        for (subject, samples) in &mut loads {
            eprintln!("round {round} of {}: {}", settings.rounds, subject.name);
            let sample = measure::sample(subject, settings);
            samples.extend(measured(&mut failed, &subject.name, sample));
        }
        for (kind, unrelated, samples) in &mut starts {
            let row = format!("{}, start with {unrelated} other files", kind.name());
            let start = measure::start(*kind, *unrelated, settings);
            samples.extend(measured(&mut failed, &row, start));
        }
    }
    let mut idles = Vec::new();
    let idle = settings.stock.iter().map(|_| Kind::Stock).chain([VPID]);
    for kind in idle.filter(|_| settings.only.is_none()) {
        let row = format!("idle: {}", kind.name());
        eprintln!("{row}");
        let idle = measured(&mut failed, &row, measure::idle(kind, settings));
        idles.extend(idle.map(|idle| (kind, idle)));
    }
    Ok(Results {
        loads,
        starts,
        idles,
        failed,
        binary_bytes: std::fs::metadata(env!("CARGO_BIN_EXE_vpid"))?.len(),
        machine: format!(
            "{} processors, scriptdata on {}, database on {}",
            std::thread::available_parallelism()?,
            process::file_system(&settings.dir)?,
            process::file_system(&settings.disk)?,
        ),
    })
}

/// What was measured; where it could not be, the reason is kept for the end, and the other rows go on.
fn measured<T>(failed: &mut Vec<(String, String)>, row: &str, found: io::Result<T>) -> Option<T> {
    found
        .inspect_err(|error| {
            eprintln!("{row}: not measured: {error}");
            if !failed.iter().any(|(known, _)| known == row) {
                failed.push((row.to_owned(), error.to_string()));
            }
        })
        .ok()
}

fn subjects(settings: &Settings) -> Vec<Subject> {
    let subject = |name: &str, kind, work, hosts, unrelated| Subject {
        name: name.to_string(),
        kind,
        work,
        hosts,
        unrelated,
    };
    let normal = Kind::Vpid { full: false };
    let (bare, bare_alone) = (Kind::Bare { alone: false }, Kind::Bare { alone: true });
    let mut subjects = vec![
        subject("stock, select", Kind::Stock, Work::Select, 4, 0),
        subject("bare loop, select", bare, Work::Select, 4, 0),
        subject("bare loop alone, select", bare_alone, Work::Select, 4, 0),
        subject("vpid, select", VPID, Work::Select, 4, 0),
        subject("stock, insert", Kind::Stock, Work::Insert, 4, 0),
        subject("vpid, insert (full)", VPID, Work::Insert, 4, 0),
        subject("vpid, insert (normal)", normal, Work::Insert, 4, 0),
        subject("vpid, echo", VPID, Work::Echo, 4, 0),
        subject("stock, Python function", Kind::Stock, Work::Python, 4, 0),
        subject(
            "vpid, Python function",
            Kind::VpidPython,
            Work::Python,
            4,
            0,
        ),
    ];
    for (name, work) in [("select", Work::Select), ("insert", Work::Insert)] {
        let (stock, ours) = (Kind::StockMariadb, Kind::VpidMariadb { socket: false });
        let by_socket = Kind::VpidMariadb { socket: true };
        subjects.push(subject(
            &format!("stock, MariaDB, {name}"),
            stock,
            work,
            4,
            0,
        ));
        subjects.push(subject(&format!("vpid, MariaDB, {name}"), ours, work, 4, 0));
        let name = format!("vpid, MariaDB by socket, {name}");
        subjects.push(subject(&name, by_socket, work, 4, 0));
    }
    for hosts in [1, 4, 16, 64] {
        let name = format!("vpid, hosts: {hosts}");
        subjects.push(subject(&name, VPID, Work::Select, hosts, 0));
    }
    for unrelated in [10, 1_000, 10_000] {
        let name = format!("vpid, other files: {unrelated}");
        subjects.push(subject(&name, VPID, Work::Select, 4, unrelated));
    }
    subjects.retain(|subject| {
        let named = |only: &String| subject.name.contains(only.as_str());
        (!subject.kind.needs_stock() || settings.stock.is_some())
            && settings.only.as_ref().is_none_or(named)
    });
    subjects
}

fn starts(settings: &Settings) -> Vec<(Kind, usize, Vec<Start>)> {
    let stock = settings.stock.iter().map(|_| (Kind::Stock, 10));
    stock
        .chain([(VPID, 10), (VPID, 10_000)])
        .filter(|_| settings.only.is_none())
        .map(|(kind, unrelated)| (kind, unrelated, Vec::new()))
        .collect()
}
