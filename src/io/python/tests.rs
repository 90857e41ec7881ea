//! With a real interpreter and small programs in place of the host program.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all programs begin with: the channel as a file of bytes, both ways.
const CHANNEL: &str = "\
import os, sys, time, socket, signal
channel = socket.socket(fileno=0)
lines = channel.makefile('rb')
def say(line): channel.sendall(line + b'\\n')
first = lines.readline()
";

struct Script {
    process: Process,
    received: Received,
    folder: TempDir,
}

impl Script {
    fn start(program: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let process = Process::start(&spec(folder.path(), program)).unwrap();
        let received = Received::default();
        Self {
            process,
            received,
            folder,
        }
    }

    /// Waits as the daemon does, until it has received what it waits for.
    fn until(&mut self, what: &str, is_there: impl Fn(&Received) -> bool) {
        let began = Instant::now();
        while !is_there(&self.received) {
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "waiting for {what}: {:?}", self.received);
            self.turn();
        }
    }

    fn turn(&mut self) {
        let fds: Vec<_> = self.process.fds().collect();
        let flags = |write| match write {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        let fds = fds.iter().map(|(fd, write)| PollFd::new(fd, flags(*write)));
        let look_ms = match self.process.needs_polling() {
            true => 50,
            false => PATIENCE.as_millis() as i64,
        };
        let timeout = Timespec {
            tv_sec: look_ms / 1000,
            tv_nsec: look_ms % 1000 * 1_000_000,
        };
        poll(&mut fds.collect::<Vec<_>>(), Some(&timeout)).unwrap();
        self.process.flush();
        let received = self.process.read();
        self.received.lines.extend(received.lines);
        self.received.printed.extend(received.printed);
        self.received.too_long |= received.too_long;
        self.received.ended = self.received.ended.take().or(received.ended);
    }

    fn until_said(&mut self, line: &str) {
        let line = line.as_bytes();
        self.until("a line", |received| {
            received.lines.iter().any(|said| said == line)
        });
    }

    fn until_ended(&mut self) -> &str {
        self.until("the end", |received| received.ended.is_some());
        self.received.ended.as_deref().unwrap()
    }

    fn said(&self) -> Vec<String> {
        let said = self.received.lines.iter();
        said.map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}

fn spec(folder: &Path, program: &str) -> Spec {
    Spec {
        name: "test".into(),
        interpreter: "python3".into(),
        folder: folder.to_path_buf(),
        boot: format!("{CHANNEL}{program}"),
        first_line: b"{}".to_vec(),
        hidden: Vec::new(),
        memory_bytes: 0,
    }
}

/// Whether a process of this number is there and is no zombie.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn wait_until_dead(pid: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < PATIENCE, "process {pid} stays");
        std::thread::yield_now();
    }
}

#[test]
fn a_process_receives_sends_and_ends() {
    let mut script = Script::start(
        "\
say(first.strip() + b' ' + sys.argv[1].encode())
say(os.getcwd().encode())
for line in lines:
    say(b'got ' + line.strip())
    if line == b'stop\\n': sys.exit(3)
",
    );
    script.process.send(b"one\ntw".to_vec());
    script.process.send(b"o\n".to_vec());
    script.until_said("got two");
    script.process.send(b"stop\n".to_vec());
    assert_eq!(script.until_ended(), "with exit code 3");
    let folder = script.folder.path().canonicalize().unwrap();
    let folder = folder.display().to_string();
    assert_eq!(
        script.said(),
        ["{} test", &folder, "got one", "got two", "got stop"]
    );
    assert_eq!(script.process.fds().count(), 0);
    assert_eq!(script.process.read(), Received::default());
}

#[test]
fn what_it_prints_comes_apart_from_what_it_says() {
    let mut script = Script::start(
        "\
os.write(1, b'junk \\xff\\x1b[2J [\"ready\"]\\n' * 2)
os.write(2, b'Traceback\\nno end of line')
say(b'said')
",
    );
    assert_eq!(script.until_ended(), "with exit code 0");
    assert_eq!(script.said(), ["said"]);
    let junk = (false, "junk \u{fffd}\u{1b}[2J [\"ready\"]".to_string());
    let errors = ["Traceback", "no end of line"].map(|line| (true, line.to_string()));
    let [first, second] = errors;
    assert_eq!(script.received.printed, [junk.clone(), junk, first, second]);
}

#[test]
fn a_flood_of_output_is_read_in_parts_and_the_channel_beside_it() {
    let mut script = Script::start(
        "\
import threading
def flood():
    while True: os.write(1, b'x' * 99 + b'\\n')
threading.Thread(target=flood, daemon=True).start()
for line in lines: say(line.strip())
",
    );
    for n in 0..100 {
        script.process.send(format!("{n}\n").into_bytes());
        script.until_said(&n.to_string());
        let printed: usize = script
            .received
            .printed
            .drain(..)
            .map(|(_, it)| it.len())
            .sum();
        // A look at it may read one bite and a buffer, and it may have taken a few looks.
        assert!(printed < 100 * limits::SCRIPT_OUTPUT_TURN_BYTES_MAX);
    }
    let received = script.process.read();
    let printed: usize = received.printed.iter().map(|(_, line)| line.len()).sum();
    assert!(printed <= limits::SCRIPT_OUTPUT_TURN_BYTES_MAX + 4096);
}

#[test]
fn a_line_that_is_too_long_is_not_kept_and_nothing_behind_it_is_read() {
    let program = "\
say(b'before')
while True: channel.sendall(b'x' * 65536)
";
    let mut script = Script::start(program);
    script.until("the long line", |received| received.too_long);
    assert_eq!(script.said(), ["before"]);
    assert!(script.process.channel.fd().is_none());
    script.process.kill();
    assert_eq!(script.until_ended(), "by signal 9 (killed)");

    let program = format!(
        "say(b'x' * {})\nsay(b'x' * {})\nsay(b'behind')",
        limits::SCRIPT_LINE_BYTES_MAX,
        limits::SCRIPT_LINE_BYTES_MAX + 1
    );
    let mut script = Script::start(&program);
    script.until("the long line", |received| received.too_long);
    assert_eq!(script.received.lines.len(), 1, "the longest that may be");
}

#[test]
fn it_is_interrupted_and_killed() {
    let mut script = Script::start(
        "\
try:
    say(b'ready')
    while True: pass
except KeyboardInterrupt: say(b'interrupted')
while True: pass
",
    );
    script.until_said("ready");
    script.process.interrupt();
    script.until_said("interrupted");
    script.process.kill();
    assert_eq!(script.until_ended(), "by signal 9 (killed)");
    // It is gone: nothing happens to whoever has its number now.
    script.process.kill();
    script.process.interrupt();
}

#[test]
fn forked_children_that_hold_everything_neither_hide_the_end_nor_outlive_it() {
    let fork = "\
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = os.fork()
if child == 0:
    time.sleep(1000)
say(str(child).encode())
";
    for (end, words) in [
        ("os._exit(4)", "with exit code 4"),
        ("time.sleep(1000)", "by signal 9 (killed)"),
    ] {
        let mut script = Script::start(&format!("{fork}{end}"));
        script.until("the child", |received| !received.lines.is_empty());
        let child = script.said().remove(0);
        if end.starts_with("time") {
            assert!(is_alive(&child));
            script.process.kill();
        }
        assert_eq!(script.until_ended(), words);
        wait_until_dead(&child);
    }
}

#[test]
fn an_end_is_noticed_by_looking_where_the_system_does_not_tell() {
    let fork = "if os.fork() == 0: time.sleep(1000)\nsay(b'forked')\nos._exit(0)";
    let mut script = Script::start(fork);
    script.process.end = None;
    assert!(script.process.needs_polling());
    assert_eq!(script.until_ended(), "with exit code 0");
    assert_eq!(script.said(), ["forked"]);
}

#[test]
fn a_process_that_closes_its_channel_is_killed_after_a_while() {
    let mut script = Script::start("lines.close(); channel.close()\ntime.sleep(1000)");
    let words = "by signal 9 (killed), because it closed the channel to vpid";
    assert_eq!(script.until_ended(), words);
}

#[test]
fn what_cannot_be_started_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let mut spec = spec(folder.path(), "");
    spec.interpreter = "no-such-python".into();
    let problem = Process::start(&spec).err().unwrap().to_string();
    assert!(problem.starts_with("no-such-python cannot be started ("));
    assert!(problem.ends_with("install it (apt install python3), or set python in [scripts]"));
    spec.interpreter = folder.path().to_path_buf();
    let problem = Process::start(&spec).err().unwrap().to_string();
    assert!(
        problem.ends_with("correct python in [scripts]"),
        "{problem}"
    );
    spec.folder.push("gone");
    let problem = Process::start(&spec).err().unwrap().to_string();
    assert!(problem.contains("gone is no folder"), "{problem}");
}

#[test]
fn large_messages_go_both_ways_at_once() {
    let mut script = Script::start(
        "\
say(b'x' * 5_000_000)
for line in lines: say(line.strip())
",
    );
    let large = |letter: u8| [vec![letter; 5_000_000], b"\n".to_vec()].concat();
    script.process.send(large(b'a'));
    script.process.send(large(b'b'));
    script.until("three lines", |received| received.lines.len() == 3);
    for (line, letter) in script.received.lines.iter().zip(*b"xab") {
        assert_eq!(line.len(), 5_000_000);
        assert!(line.iter().all(|byte| *byte == letter));
    }
    assert!(!script.process.channel.wants_to_write());
}

#[test]
fn a_process_that_does_not_read_is_killed_before_much_has_come_together() {
    let mut script = Script::start("say(b'deaf')\ntime.sleep(1000)");
    script.until_said("deaf");
    for _ in 0..=limits::SCRIPT_UNWRITTEN_BYTES_MAX >> 20 {
        script.process.send(vec![b'x'; 1 << 20]);
    }
    let words = "by signal 9 (killed), because it does not read what it is sent";
    assert_eq!(script.until_ended(), words);
}

#[test]
fn nothing_stays_behind_what_is_dropped() {
    let fork = "\
child = os.fork()
if child == 0: time.sleep(1000)
say(str(os.getpid()).encode())
say(str(child).encode())
time.sleep(1000)
";
    let mut script = Script::start(fork);
    script.until("both numbers", |received| received.lines.len() == 2);
    let numbers = script.said();
    assert!(numbers.iter().all(|pid| is_alive(pid)));
    drop(script);
    assert!(!Path::new("/proc").join(&numbers[0]).exists());
    wait_until_dead(&numbers[1]);
}

#[test]
fn what_is_vpids_alone_is_not_in_its_environment() {
    let folder = TempDir::new().unwrap();
    let mut spec = spec(folder.path(), "say(' '.join(os.environ).encode())");
    // One that is surely there, in place of those that hold secrets.
    spec.hidden = vec!["HOME".into()];
    let process = Process::start(&spec).unwrap();
    let received = Received::default();
    let mut script = Script {
        process,
        received,
        folder,
    };
    script.until_ended();
    let said = script.said().remove(0);
    let names: Vec<&str> = said.split(' ').collect();
    assert!(names.contains(&"PYTHONIOENCODING") && names.contains(&"PATH"));
    assert!(!names.contains(&"HOME"));
}

#[test]
fn every_module_of_the_folder_travels() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/io/python");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut modules: Vec<String> = files
        .filter_map(|file| Some(file.strip_suffix(".py")?.to_owned()))
        .filter(|module| module != "boot")
        .collect();
    modules.sort();
    let known: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(modules, known);
}

fn lines(parts: &[&[u8]]) -> Vec<String> {
    let mut output = Output::new(None);
    let mut lines = Vec::new();
    for part in parts {
        output.take(part, &mut |line| lines.push(line));
    }
    output.read(true, |line| lines.push(line));
    lines
}

#[test]
fn lines_come_whole_whatever_bytes_they_are() {
    let parts: [&[u8]; 3] = [
        b"one\r\n\ntw",
        b"o\x1b[31m\x07\xff\n",
        b"the\trest \xc2\x9b",
    ];
    assert_eq!(
        lines(&parts),
        ["one", "two\u{1b}[31m\u{7}\u{fffd}", "the\trest \u{9b}"]
    );
}

#[test]
fn a_long_line_is_cut_and_the_next_one_is_whole() {
    let long = "é".repeat(limits::SCRIPT_LOG_LINE_BYTES_MAX);
    let found = lines(&[b"a", long.as_bytes(), b"\nshort\n"]);
    assert_eq!(found.len(), 2);
    assert!(found[0].ends_with(" ..."), "{}", found[0]);
    assert!(found[0].len() <= limits::SCRIPT_LOG_LINE_BYTES_MAX + 6);
    assert_eq!(found[1], "short");
}
