//! A game that calls at a fixed pace, whatever happens, and notes how long it waits.
//!
//! A wait begins when the call is due, not when there was room to write it. So a vpid that stands
//! still for a second is seen by all calls of that second, and not by one.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::{Game, GameCall};

/// How often the game looks for files of vpid; a real one does it every 15 ms.
const LOOK: Duration = Duration::from_millis(1);
/// A call is due this often.
const EVERY: Duration = Duration::from_millis(20);
/// Calls that are written into one signed file at most, when many are due.
const FILE_CALLS: usize = 20;
/// Signed files that may be asked for again.
const KEPT_FILES: usize = 40;
/// What was read is acknowledged within this time.
const ACKNOWLEDGE: Duration = Duration::from_millis(250);

pub struct Victim {
    side: Side,
    call: GameCall,
    /// When those were due that are not written yet.
    due: VecDeque<Instant>,
    /// When those were due that are not answered yet, by number or token.
    open: HashMap<String, Instant>,
    waits: Waits,
}

/// How the game speaks.
enum Side {
    Signed(Box<Signed>),
    Stock(Game),
}

struct Signed {
    game: SignedGame,
    last_call: u64,
    /// What was written last, for when it is asked for again.
    written: VecDeque<(String, String)>,
    wrote: Instant,
}

/// An answer: the call's number or token, and its error if it is one.
type Answer = (String, Option<String>);

/// What a game noted.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// Of each answered call.
    pub answered: Vec<Duration>,
    /// Of each call that was given up; it waited at least for so long.
    pub unanswered: Vec<Duration>,
    pub errors: usize,
    pub first_error: Option<String>,
    /// Why the game could not go on.
    pub lost: Option<String>,
    /// How late the game itself came to a call at most: no fault of vpid's.
    pub own_delay: Duration,
}

impl Waits {
    /// The wait below which this part of all calls stays, answered or not.
    pub fn percentile(&self, part: f64) -> Duration {
        let mut all = [&self.answered[..], &self.unanswered[..]].concat();
        all.sort_unstable();
        let place = (part * all.len() as f64).ceil() as usize;
        let place = place.clamp(1, all.len().max(1)) - 1;
        all.get(place).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.percentile(1.0)
    }

    pub fn calls(&self) -> usize {
        self.answered.len() + self.unanswered.len()
    }
}

impl Victim {
    /// A game that signs: gets a session, and an answer.
    pub fn signed(
        scriptdata: &Path,
        host: &str,
        key: &str,
        call: GameCall,
        timeout: Duration,
    ) -> Result<Self, String> {
        let began = Instant::now();
        let mut game = SignedGame::connect(scriptdata, host, key.as_bytes(), timeout)?;
        let answer = game.call(call.clone(), timeout.saturating_sub(began.elapsed()))?;
        let answer = answer.ok_or_else(|| silent(timeout))?;
        answer.map_err(|failed| failed.0)?;
        let signed = Signed {
            game,
            last_call: 1,
            written: VecDeque::new(),
            wrote: Instant::now(),
        };
        Ok(Self::new(Side::Signed(Box::new(signed)), call))
    }

    /// A game with the stock client: gets an answer.
    pub fn stock(
        scriptdata: &Path,
        host: &str,
        secret: &str,
        call: GameCall,
        timeout: Duration,
    ) -> Result<Self, String> {
        let mut game = Game::new(scriptdata, host, secret.as_bytes());
        let answer = game.call(call.clone(), timeout);
        answer
            .map_err(|error| error.to_string())?
            .ok_or_else(|| silent(timeout))?;
        Ok(Self::new(Side::Stock(game), call))
    }

    fn new(side: Side, call: GameCall) -> Self {
        Self {
            side,
            call,
            due: VecDeque::new(),
            open: HashMap::new(),
            waits: Waits::default(),
        }
    }

    /// Calls until `stop` is set, then waits for what is open, for `patience` at most.
    pub fn play(mut self, stop: &AtomicBool, patience: Duration) -> Waits {
        if let Err(lost) = self.go_on(stop, patience) {
            self.waits.lost = Some(lost);
        }
        let now = Instant::now();
        let open = self.due.iter().chain(self.open.values());
        let waited = open.map(|due| now.saturating_duration_since(*due));
        self.waits.unanswered.extend(waited);
        if let Side::Signed(signed) = &mut self.side {
            let _ = signed.game.leave();
        }
        self.waits
    }

    fn go_on(&mut self, stop: &AtomicBool, patience: Duration) -> Result<(), String> {
        let mut next = Instant::now();
        let mut end = None;
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) && end.is_none() {
                end = Some(now + patience);
            }
            if end.is_none() && now >= next {
                self.waits.own_delay = self.waits.own_delay.max(now - next);
                while next <= now {
                    self.due.push_back(next);
                    next += EVERY;
                }
            }
            let answers = match &mut self.side {
                Side::Signed(signed) => {
                    signed.write(&self.call, &mut self.due, &mut self.open)?;
                    signed.read()?
                }
                Side::Stock(game) => {
                    while let Some(due) = self.due.pop_front() {
                        let tokens = game.send(std::slice::from_ref(&self.call));
                        let tokens = tokens.map_err(|error| error.to_string())?;
                        self.open.insert(tokens[0].clone(), due);
                    }
                    stock_answers(game)?
                }
            };
            answers.into_iter().for_each(|answer| self.note(answer));
            let is_done = self.due.is_empty() && self.open.is_empty();
            if end.is_some_and(|end| is_done || Instant::now() >= end) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn note(&mut self, (call, error): Answer) {
        // vpid repeats its answers to a stock client.
        let Some(due) = self.open.remove(&call) else {
            return;
        };
        self.waits.answered.push(due.elapsed());
        if let Some(error) = error {
            self.waits.errors += 1;
            self.waits.first_error.get_or_insert(error);
        }
    }
}

fn silent(timeout: Duration) -> String {
    format!("no answer within {} s", timeout.as_secs_f64())
}

fn stock_answers(game: &Game) -> Result<Vec<Answer>, String> {
    let answers = game.fetch().map_err(|error| error.to_string())?;
    let answers = answers.into_iter().map(|(token, value)| {
        let error = value
            .as_str()
            .filter(|text| text.starts_with("[VPI ERROR]"));
        (token, error.map(str::to_owned))
    });
    Ok(answers.collect())
}

impl Signed {
    /// Writes what is due, as far as there is room.
    fn write(
        &mut self,
        call: &GameCall,
        due: &mut VecDeque<Instant>,
        open: &mut HashMap<String, Instant>,
    ) -> Result<(), String> {
        while self.game.room() > 0 && !due.is_empty() {
            let mut messages = Vec::new();
            for due in due.drain(..due.len().min(FILE_CALLS)) {
                self.last_call += 1;
                open.insert(self.last_call.to_string(), due);
                messages.push(serde_json::json!({
                    "call": self.last_call,
                    "func": call.function,
                    "kwargs": call.kwargs,
                    "script": call.script,
                    "wait": true,
                }));
            }
            self.write_file(&messages)?;
        }
        let is_silent = self.wrote.elapsed() > ACKNOWLEDGE;
        if is_silent && self.game.unread() > 0 && self.game.room() > 0 {
            self.write_file(&[])?;
        }
        Ok(())
    }

    fn write_file(&mut self, messages: &[serde_json::Value]) -> Result<(), String> {
        let (name, text) = self.game.next_text(messages);
        let written = self.game.write(&name, &text);
        written.map_err(|error| format!("{name}: {error}"))?;
        self.wrote = Instant::now();
        self.written.push_back((name, text));
        if self.written.len() > KEPT_FILES {
            self.written.pop_front();
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<Answer>, String> {
        let mut answers = Vec::new();
        while let Some(message) = self.game.receive(Duration::ZERO)? {
            if let Some(id) = message["answer"].as_u64() {
                let error = message["error"].as_str().map(str::to_owned);
                answers.push((id.to_string(), error));
            } else if let Some(number) = message["again"].as_u64() {
                let end = format!("_c{number}.interface");
                let asked = self.written.iter().find(|(name, _)| name.ends_with(&end));
                if let Some((name, text)) = asked {
                    let written = self.game.write(name, text);
                    written.map_err(|error| format!("{name}: {error}"))?;
                }
            } else if let Some(gone) = message["gone"].as_str() {
                return Err(gone.to_owned());
            }
        }
        Ok(answers)
    }
}
