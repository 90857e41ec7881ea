//! How fast events reach a script, and how fast it is called: the host program with a real
//! interpreter, spoken to as the daemon does, without the core.
//!
//! `cargo bench --bench scripts [-- --events 1000000 --calls 10000]` prints a table.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

use vpid::core::ServerId;
use vpid::io::python::{self, Process, Spec};
use vpid::limits;
use vpid::protocol::script_channel::{Caller, FromScript, MessageId, call, event, parse};

const SCRIPT: &str = "\
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
    let mut script = Script::start(&folder);
    println!("| what | result |\n| --- | --- |");

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
    fn start(folder: &TempDir) -> Self {
        let path = folder.path().join("bench.py");
        std::fs::write(&path, SCRIPT).expect("a script");
        let modules = python::MODULES.iter();
        let modules = modules.map(|(name, source)| (name.to_string(), Value::from(*source)));
        let first_line = json!({
            "kind": "script", "name": "bench", "id": 0, "path": path, "folder": folder.path(),
            "memory_bytes": limits::SCRIPT_MEMORY_BYTES,
            "stack_bytes": limits::SCRIPT_THREAD_STACK_BYTES, "call_ms": limits::SCRIPT_CALL_MS,
            "tasks_max": limits::SCRIPT_TASKS_MAX, "servers": [{"id": 0, "name": "Bench"}],
            "config": {}, "vpid": env!("CARGO_PKG_VERSION"),
            "modules": modules.collect::<serde_json::Map<_, _>>(),
        });
        let spec = Spec {
            name: "bench".into(),
            interpreter: "python3".into(),
            folder: folder.path().into(),
            boot: python::BOOT.into(),
            first_line: first_line.to_string().into_bytes(),
            hidden: Vec::new(),
            memory_bytes: 0,
        };
        let process = Process::start(&spec).expect("a process");
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
        self.last_call += 1;
        let caller = Caller {
            script: "operator".into(),
            callback: true,
            ..Caller::default()
        };
        let message = call(
            MessageId(self.last_call),
            function,
            args,
            &Value::Null,
            &caller,
        );
        self.process.send(format!("[{message}]\n").into_bytes());
        loop {
            for message in self.receive() {
                if let FromScript::Result {
                    message: MessageId(id),
                    outcome,
                } = message
                    && id == self.last_call
                {
                    return outcome.expect("a result");
                }
            }
        }
    }

    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.number());
        let status = std::fs::read_to_string(path).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let amount = line.and_then(|line| line.split_whitespace().nth(1));
        amount
            .and_then(|amount| amount.parse().ok())
            .expect("an amount")
    }
}
