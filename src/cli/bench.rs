//! `vpid bench`: measures a running vpid through the files, as games would use it.
//!
//! Two phases. Latency: one call at a time, from the writing of its file to its answer being
//! readable. Throughput: every host writes all its files at once and reads answers as they come,
//! from the first write to the last answer.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

use super::call::choose;
use super::game::{FolderWatch, Game, GameCall};
use crate::config::{Config, Database};

/// What each call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Select,
    Insert,
    Echo,
}

impl std::str::FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "select" => Ok(Work::Select),
            "insert" => Ok(Work::Insert),
            "echo" => Ok(Work::Echo),
            _ => Err(format!("--work is select, insert or echo, not {text:?}")),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    pub hosts: usize,
    /// Call files of each host.
    pub files: usize,
    /// Calls in each file.
    pub batch: usize,
    pub work: Work,
    pub json: bool,
    /// Gives up when no answer comes for this long.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: 4,
            files: 200,
            batch: 20,
            work: Work::Select,
            json: false,
            patience: Duration::from_secs(15),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Report {
    /// Sorted, in microseconds.
    pub latencies_us: Vec<u64>,
    pub calls: usize,
    pub answered: usize,
    pub seconds: f64,
}

impl Report {
    /// The latency below which this part (0 to 1) of the calls stayed, in microseconds.
    pub fn percentile_us(&self, part: f64) -> u64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let place = (self.latencies_us.len() as f64 * part) as usize;
        self.latencies_us.get(place.min(last)).copied().unwrap_or(0)
    }

    pub fn calls_per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }

    fn to_json(&self) -> Value {
        json!({
            "latency_us": {
                "p50": self.percentile_us(0.5),
                "p90": self.percentile_us(0.9),
                "p99": self.percentile_us(0.99),
                "max": self.percentile_us(1.0),
            },
            "calls": self.calls,
            "answered": self.answered,
            "seconds": self.seconds,
            "calls_per_second": self.calls_per_second(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part| self.percentile_us(part) as f64 / 1000.0;
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
            self.calls_per_second(),
            self.answered,
            self.calls,
            self.seconds
        )
    }
}

/// Benches the vpid that serves this configuration. False: not every call was answered.
pub fn run(config: &Config, options: &Options, out: &mut dyn Write) -> Result<bool, String> {
    let (server, free) = choose(config, None, "vpid_bench")?;
    let legacy = server
        .legacy
        .as_ref()
        .ok_or("this server has no legacy_secret")?;
    let table = match (&config.database, options.work) {
        (_, Work::Echo) => None,
        (Database::Sqlite { path, .. }, _) => Some(Table::create(path).map_err(|error| {
            format!(
                "{}: the bench's table cannot be made ({error})",
                path.display()
            )
        })?),
        (Database::None, _) => return Err("there is no [database]: use --work echo".into()),
    };
    let mut bench = Bench::new(
        &server.scriptdata,
        &free,
        legacy.secret.as_bytes(),
        options.clone(),
    );
    bench.progress = io::stderr().is_terminal() && !options.json;
    let report = bench
        .run()
        .map_err(|error| format!("{}: {error}", server.scriptdata.display()))?;
    drop(table);
    let shown = if options.json {
        format!("{:#}\n", report.to_json())
    } else {
        report.to_string()
    };
    out.write_all(shown.as_bytes())
        .map_err(|error| error.to_string())?;
    if report.answered < report.calls {
        return Err(
            "not every call was answered: is `vpid run` running with this configuration?".into(),
        );
    }
    Ok(true)
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

/// The measurement itself, against whatever serves the folder.
pub struct Bench {
    dir: PathBuf,
    games: Vec<Game>,
    options: Options,
    serial: u64,
    pub progress: bool,
}

impl Bench {
    pub fn new(dir: &Path, host: &str, secret: &[u8], options: Options) -> Self {
        let games = (0..options.hosts)
            .map(|n| Game::new(dir, &format!("{host}{n}"), secret))
            .collect();
        Self {
            dir: dir.to_path_buf(),
            games,
            options,
            serial: 0,
            progress: false,
        }
    }

    pub fn run(&mut self) -> io::Result<Report> {
        for game in &self.games {
            game.restart()?;
        }
        let watch = FolderWatch::new(&self.dir)?;
        let mut latencies_us = self.measure_latency(&watch)?;
        latencies_us.sort_unstable();
        let (calls, answered, seconds) = self.measure_throughput(&watch)?;
        self.clean_up();
        Ok(Report {
            latencies_us,
            calls,
            answered,
            seconds,
        })
    }

    fn measure_latency(&mut self, watch: &FolderWatch) -> io::Result<Vec<u64>> {
        let mut latencies_us = Vec::new();
        for round in 0..self.options.files {
            self.show("latency", round, self.options.files);
            let call = self.next_call();
            let place = round % self.games.len();
            let game = &mut self.games[place];
            let began = Instant::now();
            let tokens = game.send(&[call])?;
            while !tokens_in(game)?.contains(&tokens[0]) {
                if began.elapsed() > self.options.patience {
                    return Ok(latencies_us);
                }
                watch.wait(self.options.patience)?;
            }
            latencies_us.push(began.elapsed().as_micros() as u64);
        }
        Ok(latencies_us)
    }

    fn measure_throughput(&mut self, watch: &FolderWatch) -> io::Result<(usize, usize, f64)> {
        let total = self.options.hosts * self.options.files * self.options.batch;
        let files: Vec<Vec<(String, String)>> = (0..self.games.len())
            .map(|place| self.prepare(place))
            .collect();
        let mut open: Vec<HashMap<String, ()>> = vec![HashMap::new(); self.games.len()];
        for (place, files) in files.iter().enumerate() {
            for (_, text) in files {
                open[place].extend(tokens_of(text).into_iter().map(|token| (token, ())));
            }
        }
        let began = Instant::now();
        let mut last = began;
        for round in 0..self.options.files {
            for (game, files) in self.games.iter().zip(&files) {
                let (name, text) = &files[round];
                game.write(name, text)?;
            }
            if round % 16 == 0 {
                self.collect(&mut open)?;
            }
        }
        loop {
            let before: usize = open.iter().map(HashMap::len).sum();
            self.collect(&mut open)?;
            let left: usize = open.iter().map(HashMap::len).sum();
            self.show("throughput", total - left, total);
            if left < before {
                last = Instant::now();
            }
            if left == 0 || last.elapsed() > self.options.patience {
                return Ok((total, total - left, (last - began).as_secs_f64()));
            }
            watch.wait(self.options.patience)?;
        }
    }

    /// Call files of one host, written out beforehand so that their making is not measured.
    fn prepare(&mut self, place: usize) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for _ in 0..self.options.files {
            let mut list = Vec::new();
            for _ in 0..self.options.batch {
                let call = self.next_call();
                list.push(json!({
                    "token": format!("_b{:x}_", self.serial),
                    "func": call.function,
                    "kwargs": call.kwargs,
                    "callback": true,
                    "script": call.script,
                }));
            }
            let game = &mut self.games[place];
            let name = game.next_name();
            files.push((name, game.file_text(&json!({ "async": list }))));
        }
        files
    }

    fn collect(&mut self, open: &mut [HashMap<String, ()>]) -> io::Result<()> {
        for (game, open) in self.games.iter().zip(open) {
            for token in tokens_in(game)? {
                open.remove(&token);
            }
        }
        Ok(())
    }

    fn next_call(&mut self) -> GameCall {
        self.serial += 1;
        let table = "user_vpidbench_rows";
        let (function, kwargs) = match self.options.work {
            Work::Echo => ("VPI_Ping", json!({"n": self.serial})),
            Work::Select => {
                let kwargs = json!({"table": table, "columns": ["name", "wins"], "filter_column": "id", "filter_value": self.serial % 3 + 1});
                ("VPI_DB_UserSelect", kwargs)
            }
            Work::Insert => (
                "VPI_DB_UserInsert",
                json!({"table": table, "values": [self.serial + 10, "'bench'", 1]}),
            ),
        };
        GameCall::new(SCRIPT, function, kwargs)
    }

    fn show(&self, phase: &str, done: usize, total: usize) {
        if self.progress && (done.is_multiple_of(16) || done == total) {
            eprint!("\r{phase}: {done} of {total}    ");
            let _ = io::stderr().flush();
            if done == total {
                eprint!("\r{:40}\r", "");
            }
        }
    }

    fn clean_up(&self) {
        for game in &self.games {
            let _ = std::fs::remove_file(game.input_path());
        }
    }
}

/// The tokens in a game's input file, which is emptied.
fn tokens_in(game: &Game) -> io::Result<Vec<String>> {
    let Some(bytes) = game.peek()? else {
        return Ok(Vec::new());
    };
    game.empty()?;
    let file: AnswerTokens = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    Ok(file.calls.0)
}

fn tokens_of(text: &str) -> Vec<String> {
    text.split("\"token\":\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_string()))
        .collect()
}

/// An answer file, of which only the tokens matter.
#[derive(Deserialize)]
struct AnswerTokens {
    #[serde(rename = "Calls")]
    calls: Keys,
}

struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysOnly;
        impl<'de> Visitor<'de> for KeysOnly {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("answers by token")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysOnly)
    }
}
