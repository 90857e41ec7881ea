//! The same measurement with games that sign.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Progress, show, thread_seconds};
use super::{BenchError, Latency, Options, Throughput};
use crate::game_side::signed::{SessionError, SignedGame};
use crate::game_side::stock::GameCall;

/// A game acknowledges what it has read after so many files.
const ACKNOWLEDGE_AFTER: u64 = 4;

pub struct SignedBench {
    games: Vec<SignedGame>,
    options: Options,
    pub progress: Option<Progress>,
}

/// What a game has still to write, and waits for.
struct Load {
    files: Vec<Vec<Value>>,
    open: HashSet<u64>,
}

impl SignedBench {
    pub fn connect(
        dir: &Path,
        host: &str,
        key: &[u8],
        options: Options,
    ) -> Result<Self, SessionError> {
        let connect = |n| SignedGame::connect(dir, &format!("{host}{n}"), key, options.patience);
        let games: Result<_, _> = (0..options.hosts).map(connect).collect();
        Ok(Self {
            games: games?,
            options,
            progress: None,
        })
    }

    /// Makes so many calls, each after the answer to the one before, by each host in turn.
    pub fn latency(
        &mut self,
        calls: usize,
        mut next_call: impl FnMut() -> GameCall,
    ) -> Result<Latency, BenchError> {
        let mut found = Latency {
            calls,
            ..Latency::default()
        };
        let hosts = self.games.len();
        for round in 0..calls {
            show(&mut self.progress, "latency", round, calls);
            let call = next_call();
            let game = &mut self.games[round % hosts];
            let began = Instant::now();
            match game.call(call, self.options.patience)? {
                None => break,
                Some(answer) => {
                    found.us.push(began.elapsed().as_micros() as u64);
                    found.errors += usize::from(answer.is_err());
                }
            }
        }
        show(&mut self.progress, "latency", calls, calls);
        found.us.sort_unstable();
        Ok(found)
    }

    /// Every host writes as much as its window allows, until all its files are written and
    /// answered.
    pub fn throughput(
        &mut self,
        mut next_call: impl FnMut() -> GameCall,
    ) -> Result<Throughput, BenchError> {
        let (files, batch) = (self.options.files, self.options.batch);
        let mut id = FIRST_ID;
        let mut load = |_: &SignedGame| {
            let mut load = Load {
                files: Vec::with_capacity(files),
                open: HashSet::new(),
            };
            for _ in 0..files {
                let mut messages = Vec::with_capacity(batch);
                for _ in 0..batch {
                    id += 1;
                    let call = next_call();
                    messages.push(
                        json!({"call": id, "func": call.function, "kwargs": call.kwargs,
                        "script": call.script, "wait": true}),
                    );
                    load.open.insert(id);
                }
                load.files.push(messages);
            }
            load
        };
        let mut loads: Vec<Load> = self.games.iter().map(&mut load).collect();
        let calls = self.games.len() * files * batch;
        let mut found = Throughput {
            calls,
            ..Throughput::default()
        };
        let (began, mut last) = (Instant::now(), Instant::now());
        let cpu_began = thread_seconds();
        while found.answered < calls && last.elapsed() <= self.options.patience {
            let before = found.answered;
            for (game, load) in self.games.iter_mut().zip(&mut loads) {
                step(game, load, &mut found)?;
            }
            if found.answered > before {
                last = Instant::now();
            } else if let Some(game) = self.games.first() {
                game.wait(Duration::from_millis(1))?;
            }
            show(&mut self.progress, "throughput", found.answered, calls);
        }
        found.seconds = (last - began).as_secs_f64();
        found.client_seconds = thread_seconds() - cpu_began;
        Ok(found)
    }

    /// Leaves no file behind.
    pub fn clean_up(&mut self) {
        for game in &mut self.games {
            let _ = game.leave();
        }
    }
}

/// Numbers that no call of the latency measurement has had.
const FIRST_ID: u64 = 1_000_000;

/// Writes what fits and reads what is there.
fn step(game: &mut SignedGame, load: &mut Load, found: &mut Throughput) -> Result<(), BenchError> {
    while game.room() > 0
        && let Some(messages) = load.files.pop()
    {
        game.send(&messages)?;
    }
    while let Some(message) = game.receive(Duration::ZERO)? {
        let Some(id) = message["answer"].as_u64() else {
            continue;
        };
        if load.open.remove(&id) {
            found.answered += 1;
            found.errors += usize::from(message["error"].is_string());
        }
    }
    if game.unread() >= ACKNOWLEDGE_AFTER && load.files.is_empty() {
        game.send(&[])?;
    }
    Ok(())
}
