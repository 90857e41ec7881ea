//! A stand-in for the script side of a Team Fortress 2 server: real scripts on a real
//! interpreter, the game around them as far as they can see it. No physics, no rounds, no bots.
//!
//! Everything runs in the caller's thread.

mod entities;
mod events;
mod files;
mod maps;
mod natives;
mod netprops;
pub mod play;
mod players;
pub mod record;
mod setup;
pub mod shown;
mod speech;
mod world;

use std::time::{Duration, Instant};

use game_vm::Vm;
use serde_json::Value as Json;

pub use players::Newcomer;
pub use record::{Record, What};
pub use setup::Setup;
use world::Shared;

/// A tick of real time.
const TICK_US: u64 = 15_000;

pub struct Game {
    world: Shared,
    vm: Option<Vm>,
    /// Script time since the last tick.
    busy: Duration,
    costs_us: Vec<u32>,
}

impl Game {
    /// Runs ticks one after the other.
    pub fn run_ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.one_tick();
        }
    }

    /// Runs ticks until `done` says so, at most `count`; gives whether it did.
    pub fn run_ticks_until(&mut self, count: u32, done: impl Fn(&mut Game) -> bool) -> bool {
        for _ in 0..count {
            if done(self) {
                return true;
            }
            self.one_tick();
        }
        done(self)
    }

    /// Runs ticks at the pace of a server.
    pub fn run_real(&mut self, seconds: f64) {
        self.run_real_until(seconds, |_| false);
    }

    /// The same until `done` says so; gives whether it did. It is called before every tick.
    pub fn run_real_until(
        &mut self,
        seconds: f64,
        mut done: impl FnMut(&mut Game) -> bool,
    ) -> bool {
        let start = Instant::now();
        let count = (seconds * 1e6 / TICK_US as f64) as u64;
        for tick in 1..=count {
            if done(self) {
                return true;
            }
            self.one_tick();
            let due = start + Duration::from_micros(tick * TICK_US);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        done(self)
    }

    /// Runs a piece of script as if from a file of that name, and gives what it returns. Not
    /// counted as script time.
    pub fn run(&mut self, source: &str, code: &str) -> Json {
        match self.try_run(source, code) {
            Ok(result) => result,
            Err(error) => panic!("{source}: {error}"),
        }
    }

    /// The same for a script that may fail; the error is in the record, too.
    pub fn try_run(&mut self, source: &str, code: &str) -> Result<Json, String> {
        let vm = self.vm.as_ref().expect("a map");
        let (root, scope) = (vm.root(), vm.table());
        vm.set_delegate(&scope, &root);
        let script = vm.compile(source, code.as_bytes())?;
        let result = vm.call(&script, &scope.into(), &[])?;
        Ok(vm.to_json(&result))
    }

    pub fn fire(&mut self, event: &str, fields: Json) {
        self.in_script(|world, vm| events::raise(world, vm, event, fields));
    }

    /// Gives whether a script listens.
    pub fn hook(&mut self, name: &str, fields: Json) -> bool {
        self.in_script(|world, vm| events::hook(world, vm, name, &vm.from_json(&fields)))
    }

    /// From outside the scripts. Those that notify (`sv_`, `mp_`, `tf_`) fire `server_cvar`.
    pub fn set_cvar(&mut self, name: &str, value: &str) {
        let mut world = self.world.borrow_mut();
        world.cvars.insert(name.into(), value.into());
        drop(world);
        if ["sv_", "mp_", "tf_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            let fields = serde_json::json!({"cvarname": name, "cvarvalue": value});
            self.fire("server_cvar", fields);
        }
    }

    /// Moves the machine's clock against UTC: its zone, or a jump.
    pub fn set_clock_offset(&mut self, seconds: i64) {
        self.world.borrow_mut().clock_offset_s = seconds;
    }

    /// Pauses the game, or lets it go on. No entity thinks meanwhile and the clock stands; players still
    /// speak, come and leave.
    pub fn pause(&mut self, paused: bool) {
        self.world.borrow_mut().paused = paused;
    }

    /// Of the map, which starts at tick 67.
    pub fn tick(&self) -> i64 {
        self.world.borrow().tick
    }

    pub fn record(&self) -> Record {
        self.world.borrow().record.clone()
    }

    /// Lines of the engine's log so far, without their dates.
    pub fn engine_log(&self) -> Vec<String> {
        let logged = &self.world.borrow().logged;
        let lines = logged.iter().map(|line| String::from_utf8_lossy(line));
        lines
            .filter_map(|line| Some(line.trim_end().split_once("00: ")?.1.to_string()))
            .collect()
    }

    /// The engine, or who passes for it, logs a line.
    pub fn log(&mut self, line: &str) {
        self.world.borrow_mut().log(line.as_bytes());
    }

    pub fn clear_record(&mut self) {
        self.world.borrow_mut().record.0.clear();
    }

    /// Fails with what the scripts threw, if they did.
    pub fn assert_no_errors(&self) {
        let record = self.record();
        if let Some(error) = record.errors().first() {
            panic!("a script failed: {error}");
        }
    }

    /// Script time of each tick so far, in microseconds, with the files that it read and wrote.
    pub fn costs_us(&self) -> &[u32] {
        &self.costs_us
    }

    /// The same in a line, for reports: budgets are never asserted.
    pub fn cost_summary(&self) -> String {
        let mut costs = self.costs_us.clone();
        costs.sort_unstable();
        let at = |share: f64| costs.get(((costs.len() as f64 - 1.0) * share) as usize);
        let [half, most, max] = [0.5, 0.99, 1.0].map(|share| at(share).copied().unwrap_or(0));
        let ticks = costs.len();
        format!("script time of {ticks} ticks: median {half} us, 99% {most} us, most {max} us")
    }

    /// Lets the game call its scripts, and counts the time.
    fn in_script<T>(&mut self, work: impl FnOnce(&Shared, &Vm) -> T) -> T {
        let start = Instant::now();
        let result = work(&self.world, self.vm.as_ref().expect("a map"));
        self.busy += start.elapsed();
        result
    }
}
