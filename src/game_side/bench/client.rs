//! The measuring client: writes call files, reads answers, and looks at the clock in between.
//! It measures whatever serves the folder, so that two servers can be compared with the same
//! calls from the same code.
//!
//! It spares the processor, which it shares with the server that it measures: files are made
//! before the clock starts, and only input files that changed are read. An answer counts once,
//! however often it is repeated.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{Options, SCRIPT, Work, answered};
use crate::game_side::stock::{FolderWatch, Game, GameCall};
use crate::protocol::names;

/// Answers are looked for after so many call files of each host.
const COLLECT_EVERY: usize = 16;
/// While a host waits for more answers than this, it writes no further call. A game waits for a
/// few dozen; a server is kept busy by far fewer.
const OPEN_CALLS_MAX: usize = 4_000;

/// The measurement itself.
pub struct Bench {
    dir: PathBuf,
    games: Vec<Game>,
    /// Which game an input file belongs to.
    inputs: HashMap<String, usize>,
    options: Options,
    serial: u64,
    random: Box<dyn FnMut() -> u8>,
    pub progress: Option<Progress>,
}

/// One call at a time.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Of the calls that were answered, sorted, in microseconds.
    pub us: Vec<u64>,
    pub calls: usize,
    /// Calls whose answer was an error.
    pub errors: usize,
}

impl Latency {
    /// The latency below which this part (0 to 1) of the calls stayed, in microseconds.
    pub fn percentile_us(&self, part: f64) -> u64 {
        let last = self.us.len().saturating_sub(1);
        let place = (self.us.len() as f64 * part) as usize;
        self.us.get(place.min(last)).copied().unwrap_or(0)
    }
}

/// Everything at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throughput {
    pub calls: usize,
    pub answered: usize,
    /// Calls whose answer was an error.
    pub errors: usize,
    /// Answers that had been read before.
    pub repeated: usize,
    /// From the first write to the last answer.
    pub seconds: f64,
    /// Processor time of this client in between.
    pub client_seconds: f64,
}

impl Throughput {
    pub fn calls_per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// Call files of one host, by name, and the tokens of their calls.
struct Prepared {
    files: Vec<(String, String)>,
    tokens: HashSet<String>,
    /// Calls that are written and not answered.
    open: usize,
}

impl Bench {
    pub fn new(dir: &Path, host: &str, secret: &[u8], options: Options) -> Self {
        let games: Vec<Game> = (0..options.hosts)
            .map(|n| Game::new(dir, &format!("{host}{n}"), secret))
            .collect();
        let inputs = games.iter().map(|game| names::input(&game.host)).zip(0..);
        Self {
            dir: dir.to_path_buf(),
            inputs: inputs.collect(),
            games,
            options,
            serial: 0,
            random: Box::new(crate::io::random::bytes()),
            progress: None,
        }
    }

    /// Every host starts a map.
    pub fn start(&self) -> io::Result<()> {
        self.games.iter().try_for_each(Game::restart)
    }

    /// Makes so many calls, each after the answer to the one before, by each host in turn. The
    /// clock runs from before the writing of the call's file until its answer has been read.
    /// Ends early when an answer does not come.
    pub fn latency(&mut self, calls: usize) -> io::Result<Latency> {
        let watch = FolderWatch::new(&self.dir)?;
        let mut found = Latency {
            calls,
            ..Latency::default()
        };
        for round in 0..calls {
            self.show("latency", round, calls);
            self.pause();
            let place = round % self.games.len();
            let Prepared { files, tokens, .. } = self.prepare(place, 1, 1);
            let game = &self.games[place];
            let began = Instant::now();
            game.write(&files[0].0, &files[0].1)?;
            let us = loop {
                let answers = answered(game)?;
                let now = Instant::now();
                if !answers.is_empty() {
                    game.empty()?;
                }
                if let Some((_, error)) = answers.iter().find(|(token, _)| tokens.contains(token)) {
                    found.errors += usize::from(*error);
                    break (now - began).as_micros() as u64;
                }
                if began.elapsed() > self.options.patience {
                    found.us.sort_unstable();
                    return Ok(found);
                }
                self.wait_for_input(&watch)?;
            };
            found.us.push(us);
        }
        self.show("latency", calls, calls);
        found.us.sort_unstable();
        Ok(found)
    }

    /// Every host writes all its files at once, and reads answers as they come.
    pub fn throughput(&mut self) -> io::Result<Throughput> {
        let (files, batch) = (self.options.files, self.options.batch);
        let mut prepared: Vec<Prepared> = (0..self.games.len())
            .map(|place| self.prepare(place, files, batch))
            .collect();
        let watch = FolderWatch::new(&self.dir)?;
        let mut found = Throughput {
            calls: self.games.len() * files * batch,
            ..Throughput::default()
        };
        let (began, mut last) = (Instant::now(), Instant::now());
        let cpu_began = thread_seconds();
        let mut written = 0;
        while found.answered < found.calls && last.elapsed() <= self.options.patience {
            let room = |prepared: &Prepared| prepared.open + batch <= OPEN_CALLS_MAX.max(batch);
            let round = if prepared.iter().all(room) {
                COLLECT_EVERY
            } else {
                0
            };
            let end = files.min(written + round);
            self.write(written..end, batch, &mut prepared)?;
            let writes_on = end > written;
            written = end;
            let timeout = if writes_on {
                Duration::ZERO
            } else {
                self.options.patience
            };
            let changed = self.changed(&watch, timeout)?;
            let before = found.answered;
            self.collect(&changed, &mut prepared, &mut found)?;
            self.show("throughput", found.answered, found.calls);
            if found.answered > before || writes_on {
                last = Instant::now();
            }
        }
        found.seconds = (last - began).as_secs_f64();
        found.client_seconds = thread_seconds() - cpu_began;
        Ok(found)
    }

    /// Every host writes these of its files, in turn.
    fn write(
        &self,
        rounds: Range<usize>,
        batch: usize,
        prepared: &mut [Prepared],
    ) -> io::Result<()> {
        for round in rounds {
            for (game, prepared) in self.games.iter().zip(&mut *prepared) {
                let (name, text) = &prepared.files[round];
                game.write(name, text)?;
                prepared.open += batch;
            }
        }
        Ok(())
    }

    /// Leaves no input file behind.
    pub fn clean_up(&self) {
        for game in &self.games {
            let _ = game.leave();
        }
    }

    /// Sleeps for a random part of the pause, so that calls do not fall into step with a server
    /// that looks at its folder at fixed times.
    fn pause(&mut self) {
        if !self.options.pause.is_zero() {
            let part = f64::from((self.random)()) / 255.0;
            std::thread::sleep(self.options.pause.mul_f64(part));
        }
    }

    fn prepare(&mut self, place: usize, files: usize, batch: usize) -> Prepared {
        let mut prepared = Prepared {
            files: Vec::with_capacity(files),
            tokens: HashSet::with_capacity(files * batch),
            open: 0,
        };
        for _ in 0..files {
            let mut list = Vec::with_capacity(batch);
            for _ in 0..batch {
                let call = self.next_call();
                let token = format!("_b{:x}_", self.serial);
                list.push(call.to_json(&token));
                prepared.tokens.insert(token);
            }
            let game = &mut self.games[place];
            let name = game.next_name();
            let text = game.file_text(&json!({ "async": list }));
            prepared.files.push((name, text));
        }
        prepared
    }

    fn next_call(&mut self) -> GameCall {
        self.serial += 1;
        numbered_call(self.options.work, self.serial)
    }

    /// Reads the answers of the games that are marked.
    fn collect(
        &self,
        changed: &[bool],
        prepared: &mut [Prepared],
        found: &mut Throughput,
    ) -> io::Result<()> {
        let marked = changed.iter().zip(&self.games).zip(prepared);
        for ((_, game), prepared) in marked.filter(|((changed, _), _)| **changed) {
            let answers = answered(game)?;
            if !answers.is_empty() {
                game.empty()?;
            }
            for (token, error) in answers {
                if prepared.tokens.remove(&token) {
                    found.answered += 1;
                    prepared.open -= 1;
                    found.errors += usize::from(error);
                } else {
                    found.repeated += 1;
                }
            }
        }
        Ok(())
    }

    /// Which games' input files changed; all of them when nothing was reported, for a notice can
    /// be missed.
    fn changed(&self, watch: &FolderWatch, timeout: Duration) -> io::Result<Vec<bool>> {
        let names = watch.wait(timeout)?;
        let mut changed = vec![names.is_empty(); self.games.len()];
        for place in names.iter().filter_map(|name| self.inputs.get(name)) {
            changed[*place] = true;
        }
        Ok(changed)
    }

    /// Waits until an input file changes, or for a short while.
    fn wait_for_input(&self, watch: &FolderWatch) -> io::Result<()> {
        loop {
            let names = watch.wait(self.options.patience)?;
            if names.is_empty() || names.iter().any(|name| self.inputs.contains_key(name)) {
                return Ok(());
            }
        }
    }

    fn show(&mut self, phase: &str, done: usize, total: usize) {
        show(&mut self.progress, phase, done, total);
    }
}

/// Gets a phase, and how much of how much is done of it.
pub type Progress = Box<dyn FnMut(&str, usize, usize)>;

pub(super) fn show(progress: &mut Option<Progress>, phase: &str, done: usize, total: usize) {
    if let Some(progress) = progress {
        progress(phase, done, total);
    }
}

/// The call of this number.
pub(super) fn numbered_call(work: Work, serial: u64) -> GameCall {
    let table = "user_vpidbench_rows";
    let (function, kwargs) = match work {
        Work::Echo => ("VPI_Ping", json!({"n": serial})),
        Work::Python => ("VPI_BenchEcho", json!({"n": serial})),
        Work::Select => {
            let kwargs = json!({"table": table, "columns": ["name", "wins"], "filter_column": "id", "filter_value": serial % 3 + 1});
            ("VPI_DB_UserSelect", kwargs)
        }
        Work::Insert => (
            "VPI_DB_UserInsert",
            json!({"table": table, "values": [serial + 10, "'bench'", 1]}),
        ),
    };
    GameCall::new(SCRIPT, function, kwargs)
}

/// Processor time of this thread so far.
pub(super) fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
