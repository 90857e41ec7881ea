//! How fast scripts start and what memory they need, also in the built daemon, and what that does while they are idle;
//! how fast events reach a script, and how fast it is called: the host program with a real interpreter, driven as the
//! daemon does, without the core.
//!
//! `cargo bench --bench scripts [-- --events 1000000 --calls 10000 --scripts 50]` prints a table.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

use vpid::config;
use vpid::core::{
    Core, Event, FolderId, Now, RunId, ScriptId, ScriptReport, ServerId, StartScripts,
};
use vpid::io::python::{Interpreters, PROGRAM, Process, Spec};
use vpid::jobs::store::Found;
use vpid::limits;
use vpid::protocol::script_channel::{Caller, FromScript, MessageId, call, event, parse};

const SCRIPT: &str = "\
import time
rounds = deaths = 0
def OnRoundStart(full):
    global rounds
    rounds += 1
def OnPlayerDeath(player, attacker, assister, weapon):
    global deaths
    deaths += 1
def counted(): return [rounds, deaths]
def add(a, b): return a + b
async def later(a, b): return a + b
def slow(ms, _):
    time.sleep(ms / 1000)
";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: usize| {
        let place = arguments.iter().position(|argument| argument == name);
        let text = place.and_then(|place| arguments.get(place + 1));
        text.map_or(usual, |text| text.parse().expect("a number"))
    };
    let (events, calls) = (number("--events", 1_000_000), number("--calls", 10_000));
    let folder = TempDir::new().expect("a folder");
    println!("| what | result |\n| --- | --- |");
    starts(&folder, number("--scripts", 50));
    in_the_daemon(number("--scripts", 50), number("--idle", 20));
    registrations();
    let mut script = Script::start(&folder, &mut Interpreters::default());

    let player = |n: usize| json!({"userid": n, "name": "Player number 17", "steam": "76561198000000017", "bot": false, "team": 2});
    let small = event("OnRoundStart", Some(ServerId(0)), &[true.into()]);
    let death = [player(3), player(4), Value::Null, "scattergun".into()];
    let death = || event("OnPlayerDeath", Some(ServerId(0)), &death);
    script.deliver(10_000, || small.clone());
    let before = script.resident_kib();
    let took = script.deliver(events, || {
        event("OnRoundStart", Some(ServerId(0)), &[true.into()])
    });
    let after = script.resident_kib();
    let rate = |took: Duration| grouped((events as f64 / took.as_secs_f64()) as u64);
    println!(
        "| {} small events, a second | {} |",
        grouped(events as u64),
        rate(took)
    );
    println!("| memory of the process before them, and after (KiB) | {before}, {after} |");
    let took = script.deliver(events, death);
    println!(
        "| deaths with three places for players, a second | {} |",
        rate(took)
    );
    println!(
        "| memory of the process after them (KiB) | {} |",
        script.resident_kib()
    );
    let counted = script.call("counted", &[]);
    assert_eq!(counted, json!([events + 10_000, events]), "none is lost");
    println!("| counted by the script | {counted} |");

    batches(&mut script, calls);
    for (function, name) in [
        ("add", "a call and back"),
        ("later", "the same, of an async function"),
    ] {
        let mut times: Vec<Duration> = (0..calls)
            .map(|n| {
                let began = Instant::now();
                let sum = script.call(function, &[n.into(), 1.into()]);
                assert_eq!(sum, json!(n + 1));
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        let (median, late) = (times[calls / 2], times[calls * 99 / 100]);
        println!(
            "| {name}, median and 99 in 100 (µs) | {}, {} |",
            median.as_micros(),
            late.as_micros()
        );
    }
}

/// How long scripts take to start, one after the other, and what memory they have for themselves.
fn starts(folder: &TempDir, count: usize) {
    let mut interpreters = Interpreters::default();
    let began = Instant::now();
    let mut scripts = Vec::new();
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        scripts.push(Script::start(folder, &mut interpreters));
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let all_s = began.elapsed().as_secs_f64();
    let first = times.remove(0);
    times.sort_unstable_by(f64::total_cmp);
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("| start of the first script, with its interpreter, ms | {first:.1} |");
    println!(
        "| start of a further one until it is loaded, median and longest, ms | {median:.1}, {longest:.1} |"
    );
    println!("| {count} scripts, one after the other, s | {all_s:.2} |");
    let mut own: Vec<[u64; 2]> = Vec::new();
    for script in &mut scripts {
        script.call("add", &[1.into(), 2.into()]);
        let (keeper, _) = script.process.memory_bound().expect("a keeper");
        own.push([
            private_kib(script.process.number().expect("a process")),
            private_kib(keeper),
        ]);
    }
    own.sort_unstable();
    let [script, keeper] = own[own.len() / 2];
    println!(
        "| private memory of one of them, and of its keeper, median, KiB | {script}, {keeper} |"
    );
}

/// From the start of the built daemon until so many scripts are loaded; then what it and ten of them do in so many
/// seconds without a game.
fn in_the_daemon(count: usize, idle_s: usize) {
    let (daemon, took) = daemon_with(count);
    println!(
        "| from the start of vpid until {count} scripts are loaded, s | {:.2} |",
        took.as_secs_f64()
    );
    drop(daemon);
    let (daemon, _) = daemon_with(10);
    let all = || daemon.pids().into_iter().map(used).sum::<Used>();
    // What follows the start is over then.
    std::thread::sleep(Duration::from_secs(5));
    let (of_vpid, of_all) = (used(daemon.0.id()), all());
    std::thread::sleep(Duration::from_secs(idle_s as u64));
    let (of_vpid, of_all) = (used(daemon.0.id()) - of_vpid, all() - of_all);
    println!(
        "| idle with ten scripts for {idle_s} s: processor time of vpid, and of all processes, µs | {}, {} |",
        of_vpid.cpu_ns / 1_000,
        of_all.cpu_ns / 1_000
    );
    println!(
        "| how often vpid woke up meanwhile, and all processes | {}, {} |",
        of_vpid.wake_ups, of_all.wake_ups
    );
    println!(
        "| memory of vpid, and what of it is private, KiB | {}, {} |",
        resident_kib(daemon.0.id()),
        private_kib(daemon.0.id())
    );
}

/// A running daemon with so many scripts that are loaded, and how long that took.
fn daemon_with(count: usize) -> (Daemon, Duration) {
    let folder = TempDir::new().expect("a folder");
    let (scripts, path) = (folder.path().join("scripts"), folder.path());
    for folder in [&scripts, &path.join("scriptdata")] {
        fs::create_dir(folder).expect("a folder");
    }
    for number in 0..count {
        fs::write(scripts.join(format!("bench_{number}.py")), SCRIPT).expect("a script");
    }
    let config = path.join("vpid.toml");
    let text = format!(
        "state_dir = '{0}/state'\n[database]\ntype = 'sqlite'\npath = '{0}/vpid.db'\n[[server]]\n\
         scriptdata = '{0}/scriptdata'\nkey = '0123456789abcdef0123456789abcdef'\n[scripts]\ndir = '{0}/scripts'\n",
        path.display()
    );
    fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
    command.arg("run").arg("--config").arg(config);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().expect("vpid starts");
    let log = child.stderr.take().expect("its log");
    let daemon = Daemon(child, folder);
    let mut lines = BufReader::new(log).lines();
    let mut loaded = 0;
    while loaded < count {
        let line = lines.next().expect("vpid runs").expect("a line");
        loaded += usize::from(line.contains(": loaded: "));
    }
    let took = began.elapsed();
    // Nothing that it logs from here on may hold it up.
    std::thread::spawn(move || lines.for_each(drop));
    (daemon, took)
}

/// Ends with this.
struct Daemon(std::process::Child, #[expect(dead_code)] TempDir);

impl Daemon {
    /// Of vpid and all that descend from it.
    fn pids(&self) -> Vec<u32> {
        let mut found = vec![self.0.id()];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            let path = format!("/proc/{pid}/task");
            for thread in fs::read_dir(path).into_iter().flatten().flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                found.extend(
                    children
                        .split(' ')
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
        found
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What all threads of a process have done.
#[derive(Clone, Copy, Default)]
struct Used {
    cpu_ns: u64,
    wake_ups: u64,
}

fn used(pid: u32) -> Used {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut all = Used::default();
    for thread in threads.into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let first = |text: &str| {
            text.split_whitespace()
                .next()
                .and_then(|it| it.parse().ok())
        };
        all.cpu_ns += first(&read("schedstat")).unwrap_or(0);
        let status = read("status");
        let line = |line: &str| first(line.strip_prefix("voluntary_ctxt_switches:")?);
        all.wake_ups += status.lines().find_map(line).unwrap_or(0);
    }
    all
}

impl std::ops::Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            wake_ups: self.wake_ups.saturating_sub(before.wake_ups),
        }
    }
}

impl std::iter::Sum for Used {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            cpu_ns: sum.cpu_ns + it.cpu_ns,
            wake_ups: sum.wake_ups + it.wake_ups,
        })
    }
}

/// How long the deciding thread takes for a script that registers 1,000 functions at once.
fn registrations() {
    const COUNT: usize = 1_000;
    let text = "[[server]]\nscriptdata = \"/s\"\nkey = '0123456789abcdef0123456789abcdef'\n\
                [scripts]\ndir = \"/scripts\"\n";
    let config = config::parse(text, Path::new("/"), |_| None).expect("a configuration");
    let (mut core, config) = (Core::new(&config, &[FolderId(0)]), Arc::new(config));
    let now = Now {
        mono_ms: 1_000,
        wall_s: 1_700_000_000,
    };
    core.handle(Event::start(Arc::clone(&config), Found::default(), 1), now);
    let start = StartScripts {
        config,
        found: vec!["a".into()],
        begun: Vec::new(),
        number: 1,
    };
    core.handle(Event::StartScripts(Box::new(start)), now);
    let mut say = |line: &Value| {
        let (script, run) = (ScriptId(0), RunId(1));
        let what = ScriptReport::Sent(vec![line.to_string().into_bytes()]);
        let began = Instant::now();
        core.handle(Event::Script { script, run, what }, now);
        began.elapsed()
    };
    say(&json!([["ready", {"hooks": [], "functions": [], "python": "3"}]]));
    let all = |word: &str| -> Value {
        (0..COUNT)
            .map(|n| json!([word, format!("function_{n}")]))
            .collect()
    };
    let (register, unregister) = (all("register"), all("unregister"));
    let mut times: Vec<Duration> = (0..51)
        .map(|_| {
            let took = say(&register);
            say(&unregister);
            took
        })
        .collect();
    times.sort_unstable();
    println!(
        "| 1,000 functions registered at once, on the deciding thread, median and longest, ms | {:.2}, {:.2} |",
        times[25].as_secs_f64() * 1e3,
        times[50].as_secs_f64() * 1e3
    );
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let amount = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    amount.expect("an amount")
}

/// Private memory: what would be free if only this process ended.
fn private_kib(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(path).expect("a process");
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    let amounts = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    amounts.sum()
}

/// Calls that come together: how many are answered in a second, and how long the first waits for its answer where
/// the second takes 50 ms.
fn batches(script: &mut Script, calls: usize) {
    let began = Instant::now();
    for _ in 0..calls / 20 {
        script.call_all(&[("add", [1, 2]); 20], 20);
    }
    let rate = calls as f64 / began.elapsed().as_secs_f64();
    println!(
        "| calls in batches of 20, a second | {} |",
        grouped(rate as u64)
    );
    let mut times: Vec<Duration> = (0..20)
        .map(|_| {
            let began = Instant::now();
            let seen = script.call_all(&[("add", [1, 2]), ("slow", [50, 0])], 1);
            let took = began.elapsed();
            if seen < 2 {
                script.wait_for(script.last_call);
            }
            took
        })
        .collect();
    times.sort_unstable();
    println!(
        "| a call before one of 50 ms in the same batch, median, µs | {} |",
        times[times.len() / 2].as_micros()
    );
}

/// 1,234,567
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A script that is loaded.
struct Script {
    process: Process,
    last_call: u64,
}

impl Script {
    fn start(folder: &TempDir, interpreters: &mut Interpreters) -> Self {
        let path = folder.path().join("bench.py");
        std::fs::write(&path, SCRIPT).expect("a script");
        let first_line = json!({
            "kind": "script", "name": "bench", "id": 0, "path": path, "folder": folder.path(), "shared": null,
            "memory_bytes": limits::SCRIPT_MEMORY_BYTES,
            "stack_bytes": limits::SCRIPT_THREAD_STACK_BYTES, "call_ms": limits::SCRIPT_CALL_MS,
            "tasks_max": limits::SCRIPT_TASKS_MAX, "servers": [{"id": 0, "name": "Bench"}],
            "config": {}, "vpid": env!("CARGO_PKG_VERSION"),
        });
        let spec = Spec {
            name: "bench".into(),
            interpreter: "python3".into(),
            folder: folder.path().into(),
            program: PROGRAM.into(),
            first_line: first_line.to_string().into_bytes(),
            environment: Vec::new(),
            memory_bytes: 1 << 40,
        };
        let process = interpreters.start(&spec).expect("a process");
        let mut script = Self {
            process,
            last_call: 0,
        };
        let is_ready = |message: &FromScript| matches!(message, FromScript::Ready { .. });
        while !script.receive().iter().any(is_ready) {}
        script
    }

    /// Sleeps until something is there, as the daemon does, and reads it.
    fn receive(&mut self) -> Vec<FromScript> {
        let fds: Vec<_> = self.process.fds().collect();
        let wanted = |write| match write {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        let fds = fds
            .iter()
            .map(|(fd, write)| PollFd::new(fd, wanted(*write)));
        poll(&mut fds.collect::<Vec<_>>(), None).expect("poll");
        self.process.flush();
        let received = self.process.read();
        for (_, line) in received.printed {
            eprintln!("{line}");
        }
        assert_eq!(received.ended, None);
        let lines = received.lines.iter();
        lines
            .flat_map(|line| parse(line).expect("messages"))
            .collect()
    }

    /// Sends so many events, as many at once as the daemon would; gives how long it took until the
    /// last one was finished.
    fn deliver(&mut self, events: usize, message: impl Fn() -> String) -> Duration {
        let began = Instant::now();
        let mut left = events;
        let mut unfinished: VecDeque<usize> = VecDeque::new();
        let mut bytes = 0;
        while left > 0 || !unfinished.is_empty() {
            let mut line = String::new();
            while left > 0
                && unfinished.len() < limits::SCRIPT_WINDOW
                && bytes < limits::SCRIPT_WINDOW_BYTES
            {
                let message = message();
                line.push(if line.is_empty() { '[' } else { ',' });
                line.push_str(&message);
                unfinished.push_back(message.len());
                bytes += message.len();
                left -= 1;
            }
            if !line.is_empty() {
                line.push_str("]\n");
                self.process.send(line.into_bytes());
            }
            for message in self.receive() {
                if let FromScript::Ack(count) = message {
                    bytes -= unfinished.drain(..count).sum::<usize>();
                }
            }
        }
        began.elapsed()
    }

    fn call(&mut self, function: &str, args: &[Value]) -> Value {
        let message = self.message(function, args);
        self.process.send(format!("[{message}]\n").into_bytes());
        self.wait_for(self.last_call)
    }

    /// Calls together, and waits for at least so many results; gives how many came.
    fn call_all(&mut self, calls: &[(&str, [u32; 2])], results: usize) -> usize {
        let messages = calls.iter();
        let messages: Vec<String> = messages
            .map(|(function, args)| self.message(function, &args.map(Value::from)))
            .collect();
        self.process
            .send(format!("[{}]\n", messages.join(",")).into_bytes());
        let mut seen = 0;
        while seen < results {
            let received = self.receive();
            seen += received
                .iter()
                .filter(|it| matches!(it, FromScript::Result { .. }))
                .count();
        }
        seen
    }

    fn message(&mut self, function: &str, args: &[Value]) -> String {
        self.last_call += 1;
        let caller = Caller {
            script: "operator".into(),
            callback: true,
            ..Caller::default()
        };
        let number = MessageId(self.last_call);
        call(number, function, args, &Value::Null, &caller)
    }

    fn wait_for(&mut self, call: u64) -> Value {
        loop {
            for message in self.receive() {
                if let FromScript::Result {
                    message: MessageId(id),
                    outcome,
                } = message
                    && id == call
                {
                    return outcome.expect("a result");
                }
            }
        }
    }

    fn resident_kib(&self) -> u64 {
        resident_kib(self.process.number().expect("a process"))
    }
}
