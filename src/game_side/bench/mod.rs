//! `vpid bench`: measures a running vpid through the files, as games would use it.
//!
//! Two phases. Latency: one call at a time, from the writing of its file to its answer having
//! been read. Throughput: every host writes all its files at once and reads answers as they
//! come, from the first write to the last answer.

mod client;
mod signed;

use super::signed::SessionError;
use super::stock::Game;
use super::{NoServer, choose, stock_secret};
use crate::config::{Config, Engine, Sqlite};
use crate::protocol::names;
use client::numbered_call;
pub use client::{Bench, Latency, Progress, Throughput};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use signed::SignedBench;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};
use thiserror::Error;

/// What each call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Select,
    Insert,
    Echo,
    /// A function of the owner's, in Python: [`PYTHON`].
    Python,
}

/// The function that [`Work::Python`] calls, for a file of VPI functions.
pub const PYTHON: &str = "
async def VPI_BenchEcho(info):
    return info['kwargs']['n']
";

#[derive(Debug, Clone)]
pub struct Options {
    pub hosts: usize,
    /// Call files of each host.
    pub files: usize,
    /// Calls in each file.
    pub batch: usize,
    pub work: Work,
    /// Gives up when no answer comes for this long.
    pub patience: Duration,
    /// Longest pause before a call whose latency is measured; each takes a random part of it.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: 4,
            files: 200,
            batch: 20,
            work: Work::Select,
            patience: Duration::from_secs(15),
            pause: Duration::ZERO,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Report {
    pub latency: Latency,
    pub throughput: Throughput,
}

impl Report {
    /// Calls that got no answer, and calls that got an error.
    pub fn failed(&self) -> (usize, usize) {
        let (latency, throughput) = (&self.latency, &self.throughput);
        let unanswered = latency.calls - latency.us.len() + throughput.calls - throughput.answered;
        (unanswered, latency.errors + throughput.errors)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "latency_us": {
                "p50": self.latency.percentile_us(0.5),
                "p90": self.latency.percentile_us(0.9),
                "p99": self.latency.percentile_us(0.99),
                "max": self.latency.percentile_us(1.0),
            },
            "calls": self.throughput.calls,
            "answered": self.throughput.answered,
            "errors": self.failed().1,
            "repeated": self.throughput.repeated,
            "seconds": self.throughput.seconds,
            "calls_per_second": self.throughput.calls_per_second(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part| self.latency.percentile_us(part) as f64 / 1000.0;
        writeln!(
            f,
            "latency, one call at a time    p50 {:.2} ms   p90 {:.2} ms   p99 {:.2} ms   max {:.2} ms",
            ms(0.5),
            ms(0.9),
            ms(0.99),
            ms(1.0)
        )?;
        writeln!(
            f,
            "throughput                     {:.0} calls/s ({} of {} answered in {:.2} s)",
            self.throughput.calls_per_second(),
            self.throughput.answered,
            self.throughput.calls,
            self.throughput.seconds
        )
    }
}

/// Why there is nothing to report.
#[derive(Debug, Error)]
pub enum BenchError {
    #[error(transparent)]
    Server(#[from] NoServer),
    #[error("{0}: the bench's table cannot be made ({1})")]
    Table(PathBuf, rusqlite::Error),
    #[error("bench works with SQLite only")]
    NotSqlite,
    #[error("there is no [database]: use --work echo")]
    NoDatabase,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Files(#[from] io::Error),
    #[error("{0}: {1}")]
    Folder(PathBuf, io::Error),
}

/// Measures the vpid that serves this configuration.
pub fn run(
    config: &Config,
    options: &Options,
    progress: Option<Progress>,
) -> Result<Report, BenchError> {
    let (server, free) = choose(config, None, names::BENCH_HOST)?;
    let database = config.default_database().map(|id| &config.databases[id]);
    let table = match (database.map(|database| &database.engine), options.work) {
        (_, Work::Echo) => None,
        (Some(Engine::Sqlite(Sqlite { path, .. })), _) => {
            let table = Table::create(path);
            Some(table.map_err(|error| BenchError::Table(path.clone(), error))?)
        }
        (Some(Engine::Mysql(_)), _) => return Err(BenchError::NotSqlite),
        (None, _) => return Err(BenchError::NoDatabase),
    };
    let report = match &server.key {
        Some(key) => measure_signed(&server.scriptdata, &free, key.as_bytes(), options, progress)?,
        None => {
            let secret = stock_secret(server)?;
            let mut bench = Bench::new(&server.scriptdata, &free, secret, options.clone());
            bench.progress = progress;
            measure(&mut bench, options.files)
                .map_err(|error| BenchError::Folder(server.scriptdata.clone(), error))?
        }
    };
    drop(table);
    Ok(report)
}

fn measure(bench: &mut Bench, latency_calls: usize) -> io::Result<Report> {
    bench.start()?;
    let latency = bench.latency(latency_calls)?;
    let throughput = bench.throughput()?;
    bench.clean_up();
    Ok(Report {
        latency,
        throughput,
    })
}

fn measure_signed(
    scriptdata: &Path,
    host: &str,
    key: &[u8],
    options: &Options,
    progress: Option<Progress>,
) -> Result<Report, BenchError> {
    let mut bench = SignedBench::connect(scriptdata, host, key, options.clone())?;
    bench.progress = progress;
    let mut serial = 0;
    let mut next_call = || {
        serial += 1;
        numbered_call(options.work, serial)
    };
    let latency = bench.latency(options.files, &mut next_call)?;
    let throughput = bench.throughput(&mut next_call)?;
    bench.clean_up();
    Ok(Report {
        latency,
        throughput,
    })
}

/// The script and the table that the bench's calls come from and go to.
pub const SCRIPT: &str = "vpidbench.nut";
pub const CREATE: &str = "CREATE TABLE IF NOT EXISTS user_vpidbench_rows (id INTEGER PRIMARY KEY, name TEXT, wins INTEGER)";
pub const FILL: &str = "INSERT OR REPLACE INTO user_vpidbench_rows VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)";
const DROP: &str = "DROP TABLE IF EXISTS user_vpidbench_rows";

/// The bench's table in the owner's database, gone when dropped.
struct Table(Connection);

impl Table {
    fn create(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        for statement in [DROP, CREATE, FILL] {
            connection.execute(statement, [])?;
        }
        Ok(Self(connection))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Err(error) = self.0.execute(DROP, []) {
            eprintln!("the bench's table user_vpidbench_rows stays behind: {error}");
        }
    }
}

// What the measuring client reads of a response file: which calls are answered, and which with an
// error. The values themselves are skipped.

#[derive(Deserialize)]
struct AnswerFile<'a> {
    #[serde(borrow, rename = "Calls")]
    calls: HashMap<String, &'a RawValue>,
}

/// The tokens in a game's input file, and whether each was answered with an error. A server that writes in
/// place can be caught at half a file: that is left for the next look.
fn answered(game: &Game) -> io::Result<Vec<(String, bool)>> {
    let bytes = game.peek()?.unwrap_or_default();
    let Ok(file) = serde_json::from_slice::<AnswerFile>(&bytes) else {
        return Ok(Vec::new());
    };
    let is_error = |value: &RawValue| value.get().starts_with("\"[VPI ERROR]");
    let answers = file.calls.into_iter();
    Ok(answers
        .map(|(token, value)| (token, is_error(value)))
        .collect())
}
