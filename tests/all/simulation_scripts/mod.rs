//! Scripts in the pure core, from a seed: processes that crash, hang and ask each other, operators
//! that load anew, and a vpid that dies at any effect and begins again.
//!
//! A run that fails prints its seed; `VPID_SEED=<seed>` plays just that one again.

mod process;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use process::{Faults, Process};
use vpid::config::{self, Config};
use vpid::core::{
    Core, Earlier, Effect, Event, FileId, FolderId, HostId, InputState, Now, OperatorRequest,
    RunId, ScriptAct, ScriptId, ScriptNews, StartScripts, TakenFile, Timer,
};
use vpid::jobs::CallId;
use vpid::jobs::remembered::Remembered;
use vpid::jobs::store::Found;
use vpid::limits;
use vpid::protocol::control::ScriptRequest;
use vpid::protocol::stock::legacy;

use crate::support::Random;

const STEP_MS: u64 = 20;
const SECRET: &[u8] = b"simulated-secret-of-32-letters.#";
const START_S: i64 = 1_800_000_000;
const SEEDS: [u64; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

#[derive(Clone, Copy)]
struct Weather {
    faults: Faults,
    /// Of a thousand steps, so many kill vpid.
    deaths: u64,
    /// Of a thousand steps, so many have an operator load a script anew.
    reloads: u64,
}

const CALM: Weather = Weather {
    faults: Faults {
        crashes: 0,
        hangs: 0,
        fails_to_load: 0,
    },
    deaths: 0,
    reloads: 5,
};

const ROUGH: Weather = Weather {
    faults: Faults {
        crashes: 15,
        hangs: 10,
        fails_to_load: 5,
    },
    deaths: 5,
    reloads: 5,
};

/// What survives the death of vpid.
#[derive(Default)]
struct Disk {
    files: BTreeMap<FileId, TakenFile>,
    seen: Vec<Remembered>,
    begun: Vec<CallId>,
}

/// A call of the game.
struct Sent {
    number: u64,
    callback: bool,
    answer: Option<String>,
}

struct World {
    seed: u64,
    weather: Weather,
    random: Random,
    core: Core,
    config: Config,
    disk: Disk,
    timers: BTreeMap<Timer, u64>,
    processes: BTreeMap<RunId, Process>,
    events: VecDeque<Event>,
    now_ms: u64,
    started_ms: u64,
    sent: Vec<Sent>,
    places: HashMap<String, usize>,
    executed: HashMap<u64, u32>,
    /// Calls that a process had when it ended, or vpid did.
    cut_off: HashSet<u64>,
    /// Which call is in which process.
    given: HashMap<u64, RunId>,
    deaths: u32,
}

fn config() -> Config {
    let secret = String::from_utf8_lossy(SECRET);
    let text = format!(
        "[[server]]\nscriptdata = '/nowhere/scriptdata'\nlegacy_secret = '{secret}'\n\
         [scripts]\ndir = '/nowhere/scripts'\ncall_s = 2\n"
    );
    config::parse(&text, Path::new("/nowhere"), |_| None).expect("a configuration")
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let config = config();
        let mut world = Self {
            seed,
            weather,
            random: Random::new(seed),
            core: Core::new(&config, &[FolderId(0)]),
            config,
            disk: Disk::default(),
            timers: BTreeMap::new(),
            processes: BTreeMap::new(),
            events: VecDeque::new(),
            now_ms: 0,
            started_ms: 0,
            sent: Vec::new(),
            places: HashMap::new(),
            executed: HashMap::new(),
            cut_off: HashSet::new(),
            given: HashMap::new(),
            deaths: 0,
        };
        world.start();
        world
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.now_ms - self.started_ms,
            wall_s: START_S + (self.now_ms / 1_000) as i64,
        }
    }

    fn micros(&self) -> u64 {
        (START_S as u64 * 1_000 + self.now_ms) * 1_000
    }

    /// vpid starts, with what is on disk.
    fn start(&mut self) {
        self.started_ms = self.now_ms;
        self.core = Core::new(&self.config, &[FolderId(0)]);
        let remembered = self.disk.seen.clone();
        let config = Arc::new(self.config.clone());
        let scripts = StartScripts {
            config: Arc::clone(&config),
            found: vec!["a".to_owned(), "b".to_owned()],
            begun: self.disk.begun.clone(),
            number: self.micros() / 2,
        };
        let start = [
            Event::Restore(Box::new(Earlier {
                remembered,
                ..Earlier::default()
            })),
            Event::start(config, &[FolderId(0)], Found::default(), 1),
            Event::StartScripts(Box::new(scripts)),
        ];
        for event in start {
            let effects = self.core.handle(event, self.now());
            self.carry_out(effects);
        }
        let files: Vec<TakenFile> = self.disk.files.values().cloned().collect();
        for file in files {
            let recovered = true;
            self.events
                .push_back(Event::Calls(TakenFile { recovered, ..file }));
        }
    }

    /// vpid dies, and its scripts with it.
    fn die(&mut self) {
        self.deaths += 1;
        self.cut_off
            .extend(self.given.drain().map(|(number, _)| number));
        self.processes.clear();
        self.events.clear();
        self.timers.clear();
        self.start();
    }

    /// Carries effects out; gives false when vpid died on the way.
    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        for effect in effects {
            if self.random.below(100_000) < self.weather.deaths * 20 {
                return false;
            }
            match effect {
                Effect::Remember(what) => self.disk.seen.push(what),
                Effect::Begun(call) => self.disk.begun.push(call),
                Effect::Script { script, run, act } => self.act(script, run, act),
                Effect::WriteAnswers { host, answers } => self.show(host, answers),
                Effect::LookAtInput { host } => {
                    let state = InputState::Empty;
                    self.events.push_back(Event::Input { host, state });
                }
                Effect::Remove { file } => {
                    self.disk.files.remove(&file).expect("a file that is there");
                }
                Effect::Reject { reason, .. } => panic!("a good file was rejected: {reason}"),
                Effect::SetTimer { timer, at_ms } => drop(self.timers.insert(timer, at_ms)),
                Effect::CancelTimer(timer) => drop(self.timers.remove(&timer)),
                _ => {}
            }
        }
        true
    }

    fn act(&mut self, script: ScriptId, run: RunId, act: ScriptAct) {
        if let ScriptAct::Start(launch) = &act {
            let process = Process::new(script, &launch.name);
            assert!(self.processes.insert(run, process).is_none());
            return;
        }
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        match act {
            ScriptAct::Send(line) => {
                let batch: Vec<Value> = serde_json::from_slice(&line).expect("a line");
                let numbers = batch.iter().filter_map(|message| message[4]["n"].as_u64());
                self.given.extend(numbers.map(|number| (number, run)));
                process.take(&line);
            }
            ScriptAct::Interrupt => process.interrupt(&mut self.random),
            ScriptAct::Kill => process.kill(),
            ScriptAct::Start(_) => {}
        }
    }

    /// The game reads its answers at once.
    fn show(&mut self, host: HostId, answers: Vec<(String, String)>) {
        for (token, value) in answers {
            let sent = &mut self.sent[self.places[&token]];
            assert!(sent.callback, "nobody waits for {token}");
            let first = sent.answer.get_or_insert_with(|| value.clone());
            // What a dead vpid told, the next one may not know.
            assert!(self.deaths > 0 || *first == value, "{first} became {value}");
        }
        self.events
            .push_back(Event::AnswersWritten { host, ok: true });
        let state = InputState::Empty;
        self.events.push_back(Event::Input { host, state });
    }

    /// The game writes a file of calls.
    fn write(&mut self) {
        let count = 1 + self.random.below(6);
        let calls: Vec<Value> = (0..count).map(|_| self.call()).collect();
        let unix = self.now().wall_s;
        let identity = legacy::seal(SECRET, unix, || self.random.next() as u8);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let content = json!({
            "Calls": {"async": calls},
            "Identity": {"enc": text(&identity.enc), "iv": text(&identity.iv), "timestamp": unix, "ticks": 0},
        });
        // Even, as the daemon's are.
        let file = FileId(self.micros() & !1);
        let taken = TakenFile {
            folder: FolderId(0),
            host: "game".into(),
            file,
            bytes: content.to_string().into_bytes(),
            mtime_ns: (self.micros() * 1_000) as i64,
            recovered: false,
        };
        self.disk.files.insert(file, taken.clone());
        self.events.push_back(Event::Calls(taken));
    }

    fn call(&mut self) -> Value {
        let number = self.sent.len() as u64;
        let (token, callback) = (format!("_{number}_"), self.random.chance(70));
        self.places.insert(token.clone(), self.sent.len());
        self.sent.push(Sent {
            number,
            callback,
            answer: None,
        });
        let function = if self.random.chance(50) { "a.f" } else { "b.f" };
        json!({"token": token, "func": function, "kwargs": {"n": number}, "callback": callback, "script": "x.nut"})
    }

    fn reload(&mut self) {
        let name = if self.random.chance(50) { "a" } else { "b" };
        let name = name.to_owned();
        let request = OperatorRequest::Script(ScriptRequest::Reload { name });
        self.events
            .push_back(Event::Operator { ticket: 1, request });
    }

    fn step(&mut self, faults: Faults) -> bool {
        let mono_ms = self.now().mono_ms;
        let due: Vec<Timer> = self
            .timers
            .iter()
            .filter(|(_, at_ms)| **at_ms <= mono_ms)
            .map(|(timer, _)| *timer)
            .collect();
        for timer in due {
            self.timers.remove(&timer);
            self.events.push_back(Event::Timer(timer));
        }
        let runs: Vec<RunId> = self.processes.keys().copied().collect();
        for run in runs {
            self.live(run, faults);
        }
        while let Some(event) = self.events.pop_front() {
            let now = self.now();
            let effects = self.core.handle(event, now);
            if !self.carry_out(effects) {
                return false;
            }
        }
        true
    }

    fn live(&mut self, run: RunId, faults: Faults) {
        let Some(process) = self.processes.get_mut(&run) else {
            return;
        };
        let moment = process.live(faults, &mut self.random);
        let script = process.script;
        for number in moment.executed {
            *self.executed.entry(number).or_default() += 1;
        }
        let news = |what| Event::Script { script, run, what };
        if !moment.said.is_empty() {
            let line = Value::Array(moment.said).to_string().into_bytes();
            self.events.push_back(news(ScriptNews::Said(vec![line])));
        }
        if moment.ended {
            self.processes.remove(&run);
            let here = self.given.iter().filter(|(_, of)| **of == run);
            self.cut_off.extend(here.map(|(number, _)| *number));
            let how = "with exit code 1".to_owned();
            self.events.push_back(news(ScriptNews::Ended(how)));
        }
    }

    fn play(mut self) {
        let end_ms = 120_000;
        while self.now_ms < end_ms {
            if self.random.chance(10) {
                self.write();
            }
            if self.random.below(1_000) < self.weather.reloads {
                self.reload();
            }
            let dies = self.random.below(1_000) < self.weather.deaths;
            if !self.step(self.weather.faults) || dies {
                self.die();
            }
            self.now_ms += STEP_MS;
        }
        self.weather.deaths = 0;
        for name in ["a", "b"] {
            let name = name.to_owned();
            let request = OperatorRequest::Script(ScriptRequest::Load { name });
            self.events
                .push_back(Event::Operator { ticket: 2, request });
        }
        while self.now_ms < end_ms + 2 * limits::SCRIPT_RESTART_MS_MAX {
            assert!(self.step(CALM.faults));
            self.now_ms += STEP_MS;
        }
        self.check();
    }

    fn check(&self) {
        let seed = self.seed;
        assert!(
            self.disk.files.is_empty(),
            "{} files are left (VPID_SEED={seed})",
            self.disk.files.len()
        );
        assert_eq!(self.core.running(), 0, "VPID_SEED={seed}");
        assert!(self.sent.len() > 500, "VPID_SEED={seed}");
        let calm = self.weather.faults.crashes == 0;
        for sent in &self.sent {
            let number = sent.number;
            let count = self.executed.get(&number).copied().unwrap_or(0);
            assert!(count <= 1, "{number} ran {count} times (VPID_SEED={seed})");
            let answer = sent.answer.as_deref();
            assert!(
                answer.is_some() || !sent.callback,
                "{number} was not answered (VPID_SEED={seed})"
            );
            let error = answer.is_some_and(|answer| answer.contains("[VPI ERROR]"));
            if answer.is_some() && !error {
                assert_eq!(count, 1, "{number}: {answer:?} (VPID_SEED={seed})");
            }
            if calm {
                assert_eq!(count, 1, "{number}: {answer:?} (VPID_SEED={seed})");
                assert!(!error, "{number}: {answer:?} (VPID_SEED={seed})");
            }
            let excused = self.cut_off.contains(&number) || sent.callback || !calm;
            assert!(
                count == 1 || excused,
                "{number} was lost (VPID_SEED={seed})"
            );
        }
    }
}

fn play_all(weather: Weather) {
    if std::env::var_os("VPID_SEED").is_some() {
        return World::new(Random::seed(), weather).play();
    }
    let clock = Random::seed();
    for seed in SEEDS.into_iter().chain(clock..clock + 2) {
        World::new(seed, weather).play();
    }
}

#[test]
fn scripts_that_are_loaded_anew_answer_every_call_once() {
    play_all(CALM);
}

#[test]
fn among_crashes_no_call_runs_twice_and_every_caller_is_answered() {
    play_all(ROUGH);
}
