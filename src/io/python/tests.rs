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
    interpreters: Interpreters,
    received: Received,
    folder: TempDir,
}

impl Script {
    fn start(program: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let spec = spec(folder.path(), program);
        Self::of(&spec, folder)
    }

    fn of(spec: &Spec, folder: TempDir) -> Self {
        let mut interpreters = Interpreters::default();
        Self {
            process: interpreters.start(spec).unwrap(),
            interpreters,
            received: Received::default(),
            folder,
        }
    }

    /// Another process of the same interpreter.
    fn another(&mut self, program: &str) -> Process {
        let spec = spec(self.folder.path(), program);
        self.interpreters.start(&spec).unwrap()
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
        let received = self.interpreters.read(&mut self.process);
        self.received.not_started = self.received.not_started.take().or(received.not_started);
        self.received.lines.extend(received.lines);
        self.received.printed.extend(received.printed);
        self.received.too_long |= received.too_long;
        self.received.ended = self.received.ended.take().or(received.ended);
    }

    fn until_it_has_a_number(&mut self) {
        let began = Instant::now();
        while self.process.number().is_none() {
            assert!(
                began.elapsed() < PATIENCE,
                "no process: {:?}",
                self.received
            );
            self.turn();
        }
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
        program: format!("{CHANNEL}{program}"),
        first_line: b"{}".to_vec(),
        environment: Vec::new(),
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
    assert_eq!(
        script.interpreters.read(&mut script.process),
        Received::default()
    );
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
    let received = script.interpreters.read(&mut script.process);
    let printed: usize = received.printed.iter().map(|(_, line)| line.len()).sum();
    assert!(printed <= limits::SCRIPT_OUTPUT_TURN_BYTES_MAX + 4096);
}

/// A machine that is busy may stop the script within a batch for longer than results wait; so one of many is enough.
#[test]
fn results_of_quick_functions_that_are_called_together_leave_in_one_write() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sums.py");
    std::fs::write(&path, "def add(a, b): return a + b\n").unwrap();
    let first_line = serde_json::json!({
        "kind": "script", "name": "sums", "id": 0, "path": path, "folder": folder.path(), "shared": null,
        "memory_bytes": 0, "stack_bytes": limits::SCRIPT_THREAD_STACK_BYTES, "call_ms": limits::SCRIPT_CALL_MS,
        "tasks_max": limits::SCRIPT_TASKS_MAX, "servers": [], "config": {}, "vpid": "0",
    });
    let spec = Spec {
        program: PROGRAM.into(),
        first_line: first_line.to_string().into_bytes(),
        ..spec(folder.path(), "")
    };
    let mut script = Script::of(&spec, folder);
    script.until("its functions", |received| !received.lines.is_empty());
    let results = |lines: &[Vec<u8>]| {
        let text = lines.concat();
        String::from_utf8_lossy(&text).matches("[\"r\",").count()
    };
    let batch = |first: usize| {
        let calls = (first..first + 20).map(|n| format!(r#"["c",{n},"add",[{n},1],null,{{}}]"#));
        format!("[{}]\n", calls.collect::<Vec<_>>().join(","))
    };
    let together = (0..1_000).any(|round| {
        script.received.lines.clear();
        script.process.send(batch(round * 20).into_bytes());
        script.until("the results", |received| results(&received.lines) == 20);
        script.received.lines.len() == 1
    });
    assert!(together, "no batch has come in one line");
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
    let fork = "\
if os.fork() == 0: time.sleep(1000)
say(b'forked')
lines.readline()
os._exit(0)";
    let mut script = Script::start(fork);
    script.until_it_has_a_number();
    if let State::Running(keeper) = &mut script.process.state {
        keeper.end = None;
    }
    assert!(script.process.needs_polling());
    script.process.send(b"end\n".to_vec());
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
    let problem = Interpreters::default()
        .start(&spec)
        .err()
        .unwrap()
        .to_string();
    assert!(problem.starts_with("no-such-python cannot be started ("));
    assert!(problem.ends_with("install it (apt install python3), or set python in [scripts]"));
    spec.interpreter = folder.path().to_path_buf();
    let problem = Interpreters::default()
        .start(&spec)
        .err()
        .unwrap()
        .to_string();
    assert!(
        problem.ends_with("correct python in [scripts]"),
        "{problem}"
    );
    spec.folder.push("gone");
    let problem = Interpreters::default()
        .start(&spec)
        .err()
        .unwrap()
        .to_string();
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
    spec.environment = vec![("GIVEN".into(), "to it".into())];
    let mut script = Script::of(&spec, folder);
    script.until_ended();
    let said = script.said().remove(0);
    let names: Vec<&str> = said.split(' ').collect();
    assert!(names.contains(&"PYTHONIOENCODING") && names.contains(&"PATH"));
    assert!(names.contains(&"GIVEN"));
    for (name, hidden) in [
        ("VPID_KEY", true),
        ("VPI_PASSWORD", true),
        ("VPI_USER", false),
    ] {
        assert_eq!(is_hidden(name.as_ref()), hidden, "{name}");
    }
}

/// The process of the interpreter itself.
fn interpreter(script: &Script) -> u32 {
    script.interpreters.all.values().next().unwrap().child.id()
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

#[test]
fn one_interpreter_serves_all_and_no_end_of_a_script_touches_it() {
    let mut script = Script::start("say(b'first')\nos.kill(os.getpid(), signal.SIGSEGV)");
    let pid = interpreter(&script);
    assert_eq!(script.until_ended(), "by signal 11 (a memory fault)");
    for (program, end) in [
        ("os.killpg(0, signal.SIGKILL)", "by signal 9 (killed)"),
        ("sys.exit(3)", "with exit code 3"),
        ("raise ValueError('no')", "with exit code 1"),
        ("os.close(0); os.abort()", "by signal 6 (aborted)"),
    ] {
        script.process = script.another(program);
        script.received = Received::default();
        assert_eq!(script.until_ended(), end);
    }
    assert_eq!(interpreter(&script), pid);
    assert!(is_alive(&pid.to_string()));
}

#[test]
fn what_scripts_have_from_the_interpreter_is_not_the_same_where_it_must_differ() {
    let program = "\
import random, uuid, tempfile
say(repr([random.random(), uuid.uuid4(), os.getpid()]).encode())
say(repr([sys.argv, os.getpgrp() == os.getpid(), signal.getsignal(signal.SIGINT).__name__]).encode())
held = [os.path.realpath('/proc/self/fd/' + name) for name in os.listdir('/proc/self/fd')]
say(repr([sum(':[' in it and 'socket' in it for it in held), sum('memfd' in it for it in held)]).encode())
say(repr(signal.pthread_sigmask(signal.SIG_BLOCK, [])).encode())
";
    let mut script = Script::start(program);
    script.until_ended();
    let first = script.said();
    script.process = script.another(program);
    script.received = Received::default();
    script.until_ended();
    let second = script.said();
    assert_ne!(first[0], second[0]);
    assert_eq!(first[1], "[['-c', 'test'], True, 'default_int_handler']");
    // The channel alone, and not the connection of the interpreter.
    assert_eq!(first[2], "[1, 0]");
    assert_eq!(first[1..], second[1..]);
    assert_eq!(first[3], "set()");
}

#[test]
fn an_interpreter_that_is_gone_is_replaced_and_its_scripts_go_on() {
    let echo = "for line in lines: say(line.strip())";
    let mut script = Script::start(echo);
    script.process.send(b"one\n".to_vec());
    script.until_said("one");
    let pid = interpreter(&script);
    kill(pid, Signal::KILL);
    wait_until_dead(&pid.to_string());
    script.process.send(b"two\n".to_vec());
    script.until_said("two");
    let before = std::mem::replace(
        &mut script.process,
        script_of(&mut script.interpreters, echo),
    );
    script.process.send(b"three\n".to_vec());
    script.until_said("three");
    // One that takes a request, and does not come to it.
    let pid = interpreter(&script);
    kill(pid, Signal::STOP);
    script.process = script_of(&mut script.interpreters, echo);
    kill(pid, Signal::KILL);
    script.process.send(b"lost\n".to_vec());
    script.until_it_has_a_number();
    script.process.send(b"four\n".to_vec());
    script.until_said("four");
    assert_ne!(interpreter(&script), pid);
    drop(before);
}

fn script_of(interpreters: &mut Interpreters, program: &str) -> Process {
    let spec = spec(Path::new("/tmp"), program);
    interpreters.start(&spec).unwrap()
}

#[test]
fn an_interpreter_that_cannot_run_scripts_says_why() {
    for (text, said) in [
        (
            "#!/bin/sh\necho it is broken >&2\nexit 3\n",
            "could run the script: it is broken; try it",
        ),
        (
            "#!/bin/sh\nexit 0\n",
            "could run the script: without a word; try it",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let mut spec = spec(folder.path(), "");
        spec.interpreter = folder.path().join("python");
        // By another process: one that is forked meanwhile could still have it open for writing.
        let written = std::process::Command::new("sh")
            .args([
                "-c",
                "printf %s \"$1\" > \"$2\"; chmod +x \"$2\"",
                "sh",
                text,
            ])
            .arg(&spec.interpreter)
            .status();
        assert!(written.unwrap().success());
        // It may have ended before it gets the request, or after that.
        let mut interpreters = Interpreters::default();
        let problem = match interpreters.start(&spec) {
            Err(error) => error.to_string(),
            Ok(process) => {
                let received = Received::default();
                let mut script = Script {
                    process,
                    interpreters,
                    received,
                    folder,
                };
                script.until("an end", |received| received.not_started.is_some());
                assert_eq!(script.process.fds().count(), 0);
                assert_eq!(script.process.number(), None);
                script.received.not_started.take().unwrap()
            }
        };
        assert!(problem.contains(said), "{problem}");
    }
}

/// A virtual environment as `python3 -m venv --without-pip` makes it.
fn venv(folder: &Path) -> std::path::PathBuf {
    let python = "import sys; print(sys.executable, sys.base_prefix, *sys.version_info[:2])";
    let output = std::process::Command::new("python3")
        .args(["-c", python])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let [python, _, major, minor] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    let home = Path::new(python).parent().unwrap().display();
    let packages = folder.join(format!("lib/python{major}.{minor}/site-packages"));
    fs::create_dir_all(&packages).unwrap();
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("pyvenv.cfg"), format!("home = {home}\n")).unwrap();
    std::os::unix::fs::symlink(python, folder.join("bin/python3")).unwrap();
    packages
}

#[test]
fn an_environment_has_its_own_packages_and_new_ones_are_found() {
    let folder = TempDir::new().unwrap();
    let packages = venv(&folder.path().join(".venv"));
    fs::write(packages.join("theirs.py"), "value = 7\n").unwrap();
    fs::create_dir(folder.path().join("linked")).unwrap();
    fs::write(folder.path().join("linked/far.py"), "value = 8\n").unwrap();
    let linked = folder.path().join("linked").display().to_string();
    fs::write(packages.join("a.pth"), linked + "\n").unwrap();
    let program = "\
import theirs, far
say(b'%d %d' % (theirs.value, far.value))
say(str(sys.prefix != sys.base_prefix).encode())
try:
    import new
    say(b'new')
except ImportError: say(b'no new one')
lines.readline()
";
    let mut spec = spec(folder.path(), &format!("{CHANNEL}{program}"));
    spec.program = format!("{CHANNEL}{program}");
    spec.interpreter = folder.path().join(".venv/bin/python3");
    let mut script = Script::of(&spec, folder);
    script.until_said("no new one");
    assert_eq!(script.said()[..2], ["7 8", "True"]);
    let pid = interpreter(&script);
    fs::write(packages.join("b.pth"), "import sys; sys.new_one = 1\n").unwrap();
    fs::write(packages.join("new.py"), "import sys; sys.new_one\n").unwrap();
    script.process = script.interpreters.start(&spec).unwrap();
    script.until_said("new");
    assert_ne!(interpreter(&script), pid);
}

#[test]
fn threads_that_a_package_starts_before_any_script_are_reported() {
    let folder = TempDir::new().unwrap();
    let packages = venv(&folder.path().join(".venv"));
    let thread = "import threading, time; threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n";
    fs::write(packages.join("a.pth"), thread).unwrap();
    let mut spec = spec(folder.path(), "say(b'runs')");
    spec.interpreter = folder.path().join(".venv/bin/python3");
    let mut script = Script::of(&spec, folder);
    script.until_said("runs");
    script.until_ended();
    let printed = &script.received.printed;
    let is_it = |(is_error, line): &(bool, String)| {
        *is_error
            && line.contains(" threads that run in ")
            && line.ends_with("do not run in scripts")
    };
    assert!(printed.iter().any(is_it), "{printed:?}");
}

#[test]
fn an_interpreter_without_scripts_ends_after_a_while() {
    let mut script = Script::start("lines.readline()");
    let long_ago = || {
        Instant::now().checked_sub(Duration::from_millis(
            limits::SCRIPT_INTERPRETER_UNUSED_MS + 1,
        ))
    };
    let pid = interpreter(&script).to_string();
    let age = |script: &mut Script| {
        let left = script.interpreters.end_unused();
        for interpreter in script
            .interpreters
            .all
            .values_mut()
            .filter(|it| it.unused.is_some())
        {
            interpreter.unused = long_ago();
        }
        left
    };
    assert!(!age(&mut script), "it has a script");
    script.process.kill();
    script.until_ended();
    script.process = script.another("lines.readline()");
    assert!(!age(&mut script) && !script.interpreters.end_unused());
    assert!(is_alive(&pid));
    script.process.kill();
    script.until_ended();
    drop(std::mem::replace(
        &mut script.process,
        script_of(&mut Interpreters::default(), ""),
    ));
    assert!(age(&mut script), "it is looked at again");
    assert!(!script.interpreters.end_unused());
    assert!(script.interpreters.all.is_empty() && !is_alive(&pid));
}

/// In sessions of their own, without a parent that lives, with and without a program of their own.
const DAEMONS: &str = "\
import subprocess
numbers = [subprocess.Popen(['sleep', '1000'], start_new_session=True).pid]
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(writing, str(os.getpid()).encode())
        time.sleep(1000)
    os._exit(0)
numbers.append(int(os.read(reading, 20)))
os.wait()
twice = 'import subprocess, os; print(subprocess.Popen([\"sleep\", \"1000\"], start_new_session=True, stdout=subprocess.DEVNULL).pid, flush=True)'
numbers.append(int(subprocess.run([sys.executable, '-c', twice], stdout=subprocess.PIPE).stdout))
say(' '.join(map(str, numbers)).encode())
";

#[test]
fn all_that_a_script_has_started_ends_with_it_wherever_it_went() {
    for (end, words) in [
        ("sys.exit(0)", "with exit code 0"),
        ("os._exit(4)", "with exit code 4"),
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            "by signal 11 (a memory fault)",
        ),
        ("lines.readline()", "by signal 9 (killed)"),
    ] {
        let mut script = Script::start(&format!("{DAEMONS}lines.readline()\n{end}"));
        script.until("the numbers", |received| !received.lines.is_empty());
        let numbers = script.said().remove(0);
        let numbers: Vec<&str> = numbers.split(' ').collect();
        assert!(
            numbers.len() == 3 && numbers.iter().all(|pid| is_alive(pid)),
            "{numbers:?}"
        );
        match end.starts_with("lines") {
            true => script.process.kill(),
            false => script.process.send(b"end\n".to_vec()),
        }
        assert_eq!(script.until_ended(), words);
        // Before the end is reported, so nothing is left to wait for.
        assert!(!numbers.iter().any(|pid| is_alive(pid)), "{numbers:?}");
    }
}

#[test]
fn what_a_script_has_started_and_ends_by_itself_leaves_nothing() {
    let program = "\
for n in range(20):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
say(b'done')
lines.readline()
";
    let mut script = Script::start(program);
    script.until_said("done");
    let keeper = script.process.memory_bound();
    assert_eq!(keeper, None, "no bound was given");
    let State::Running(keeper) = &script.process.state else {
        panic!("it runs");
    };
    let keeper = keeper.pid.as_raw_nonzero().get() as u32;
    let began = Instant::now();
    while memory::with_children(keeper).len() > 2 {
        assert!(
            began.elapsed() < PATIENCE,
            "{:?}",
            memory::with_children(keeper)
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_keeper_that_is_stopped_or_killed_saves_no_script() {
    let mut script = Script::start(&format!(
        "{DAEMONS}os.kill(os.getppid(), signal.SIGSTOP)\nlines.readline()"
    ));
    script.until("the numbers", |received| !received.lines.is_empty());
    let numbers = script.said().remove(0);
    script.process.kill();
    script.until_ended();
    for pid in numbers.split(' ') {
        wait_until_dead(pid);
    }
    let mut script = Script::start(
        "say(str(os.getpid()).encode())\nos.kill(os.getppid(), signal.SIGKILL)\nlines.readline()",
    );
    script.until("its number", |received| !received.lines.is_empty());
    let pid = script.said().remove(0);
    assert_eq!(script.until_ended(), "with its keeper, which was killed");
    wait_until_dead(&pid);
}

#[test]
fn lists_of_processes_show_which_script_it_is() {
    let mut script = Script::start("say(b'there')\nlines.readline()");
    script.until_said("there");
    let title = |pid: u32| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
        let title = read("cmdline").trim_end_matches('\0').to_owned();
        (read("comm").trim_end().to_owned(), title)
    };
    let named = |name: &str, title: &str| (name.to_owned(), title.to_owned());
    assert_eq!(
        title(script.process.number().unwrap()),
        named("vpid: test", "vpid: test")
    );
    assert_eq!(
        title(interpreter(&script)),
        named("vpid: interpret", "vpid: interpreter")
    );
    let State::Running(keeper) = &script.process.state else {
        panic!("it runs");
    };
    let keeper = keeper.pid.as_raw_nonzero().get() as u32;
    assert_eq!(
        title(keeper),
        named("vpid: keeper of", "vpid: keeper of test")
    );
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
    let known = MODULES.iter().chain([&TESTING]).map(|(name, _)| *name);
    let mut known: Vec<&str> = known.collect();
    known.sort();
    assert_eq!(modules, known);
}

/// Runs tests that are Python alone.
#[track_caller]
fn run_python_tests(file: &str, count: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = std::process::Command::new("python3");
    python.arg("-B").arg(root.join("tests/python").join(file));
    let output = python.arg(root.join("src/io/python")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let ran = format!("Ran {count} tests");
    assert!(output.status.success() && said.contains(&ran), "{said}");
}

#[test]
fn commands_in_chat_do_what_their_tests_say() {
    run_python_tests("test_commands.py", 7);
}

#[test]
fn the_process_of_a_script_does_what_its_tests_say() {
    run_python_tests("test_host.py", 10);
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
