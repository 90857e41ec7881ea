//! One owner's script: a Python process, the channel to it, and what it prints.
//!
//! The process is forked from an interpreter that is ready for it (`interpreters.rs`), and its parent is its keeper, which
//! vpid adopts (`vpid_interpreter.py`). vpid signals the keeper alone, which is its child until it has waited for it; the
//! keeper passes SIGINT on to the script, kills the script at SIGTERM or when vpid dies, and ends when all that the
//! script has started has ended. Nothing here waits: the deciding thread does all of this itself.
//!
//! The process has one end of a socket pair as standard input. Its first line holds the script's path, its limits and
//! its `config`. Its outputs are pipes that become lines of the log. It ends when the channel does.

mod channel;
mod interpreters;
pub mod memory;
pub mod workbench;

use interpreters::LastLine;
pub use interpreters::{Interpreters, environment};

use super::venv;
use crate::limits;
use channel::Channel;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// What is started, and where.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The script's name: what the process is called in lists of processes.
    pub name: String,
    /// The interpreter; a bare name is searched for in PATH.
    pub interpreter: PathBuf,
    /// The current folder of the process.
    pub folder: PathBuf,
    /// What the process runs.
    pub program: String,
    /// The first line of the channel, with or without its end.
    pub first_line: Vec<u8>,
    /// Variables of the environment that it gets beyond those that every script gets.
    pub environment: Vec<(OsString, OsString)>,
    /// What it and its processes may use; 0: no bound.
    pub memory_bytes: u64,
}

/// What a process has sent since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Whole lines of the channel, without their ends.
    pub lines: Vec<Vec<u8>>,
    /// A line was longer than any may be. The channel is not read any more.
    pub too_long: bool,
    /// Lines of its output, and whether they are of its standard error.
    pub printed: Vec<(bool, String)>,
    /// It has ended: `with exit code 3`. That came after all of the above.
    pub ended: Option<String>,
    /// There never was a process, for this reason.
    pub not_started: Option<String>,
}

pub struct Process {
    spec: Spec,
    /// It may be requested once more, if its interpreter ends before there is a process.
    may_start_again: bool,
    state: State,
    /// The keeper writes there what its process and the script's are, and how the script has ended.
    report: Report,
    channel: Channel,
    outputs: [Output; 2],
    /// When it closed its end of the channel, without which nothing can be done with it.
    closed: Option<Instant>,
    /// When it was killed.
    killed: Option<Instant>,
    /// Why it was killed, where that was decided here.
    reason: Option<String>,
    /// Of the interpreter, which is kept as long as it has some.
    user: Option<Arc<LastLine>>,
}

enum State {
    /// It was requested of its interpreter.
    Requested,
    Running(Keeper),
    /// It was waited for, so another process may have its number; or there never was one.
    Gone,
}

/// The process that starts, watches and ends a script; a child of this one.
struct Keeper {
    pid: Pid,
    /// Ready when it has ended.
    end: Option<OwnedFd>,
    /// The script's own number in the system.
    script: u32,
}

/// The ends of a new process that its interpreter gets.
pub struct Ends {
    channel: OwnedFd,
    outputs: [OwnedFd; 2],
    report: OwnedFd,
}

/// The lines of a keeper.
struct Report {
    pipe: Option<OwnedFd>,
    unread: Vec<u8>,
    /// As `waitpid` gives it.
    status: Option<i32>,
    /// Why there is no process.
    failed: Option<String>,
}

/// Why a process was not started.
#[derive(Debug)]
pub enum StartError {
    NoFolder(PathBuf),
    NoChannel(io::Error),
    /// By this interpreter.
    NotStarted(PathBuf, io::Error),
    /// This interpreter has ended before it could start it, with this last line.
    Interpreter(PathBuf, String),
    /// The system gives no process, in the words of the interpreter.
    NoProcess(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (interpreter, error) = match self {
            Self::NoFolder(folder) => {
                let folder = folder.display();
                return write!(f, "{folder} is no folder, so nothing can be started there");
            }
            Self::NoChannel(error) => {
                return write!(f, "the system gives no channel to it ({error})");
            }
            Self::Interpreter(interpreter, last_line) => {
                let name = interpreter.display();
                let line = match last_line.is_empty() {
                    true => "without a word",
                    false => last_line,
                };
                let advice = match venv::of_interpreter(interpreter) {
                    Some(venv) => &venv::remedy(venv),
                    None => "try it as vpid's user, or set python in [scripts]",
                };
                return write!(
                    f,
                    "{name} ended before it could run the script: {line}; {advice}"
                );
            }
            Self::NoProcess(why) => {
                return write!(
                    f,
                    "{why}; see what the system lacks: memory, processes, descriptors"
                );
            }
            Self::NotStarted(interpreter, error) => (interpreter, error),
        };
        let name = interpreter.display();
        let advice = match (venv::of_interpreter(interpreter), error.kind()) {
            (Some(venv), _) => &venv::remedy(venv),
            (None, io::ErrorKind::NotFound) => {
                "install it (apt install python3), or set python in [scripts]"
            }
            (None, io::ErrorKind::PermissionDenied) => {
                "it must be a program that vpid's user may run; correct python in [scripts]"
            }
            _ => "see what the system lacks: memory, processes, descriptors",
        };
        write!(f, "{name} cannot be started ({error}); {advice}")
    }
}

impl Process {
    /// A process that is not requested yet, and the ends of it that are to be sent with the request.
    fn new(spec: &Spec, may_start_again: bool) -> io::Result<(Self, Ends)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let [output, errors, report] = [io::pipe()?, io::pipe()?, io::pipe()?];
        for (ours, _) in [&output, &errors, &report] {
            rustix::io::ioctl_fionbio(ours, true)?;
        }
        let ends = Ends {
            channel: theirs.into(),
            outputs: [output.1.into(), errors.1.into()],
            report: report.1.into(),
        };
        let mut process = Self {
            spec: spec.clone(),
            may_start_again,
            state: State::Requested,
            report: Report {
                pipe: Some(report.0.into()),
                unread: Vec::new(),
                status: None,
                failed: None,
            },
            channel: Channel::new(ours),
            outputs: [output.0, errors.0].map(|pipe| Output::new(Some(pipe.into()))),
            closed: None,
            killed: None,
            reason: None,
            user: None,
        };
        let mut first = spec.first_line.clone();
        if first.last() != Some(&b'\n') {
            first.push(b'\n');
        }
        process.send(first);
        Ok((process, ends))
    }

    /// Its interpreter is kept as long as this process.
    fn of(mut self, users: &Arc<LastLine>) -> Self {
        self.user = Some(Arc::clone(users));
        self
    }

    /// Of its interpreter; the same place for all of them that have the same interpreter.
    fn last_line(&self) -> Option<&LastLine> {
        self.user.as_deref()
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its interpreter has ended, and has not started it.
    fn has_no_start(&self) -> bool {
        matches!(self.state, State::Requested) && self.report.pipe.is_none()
    }

    fn may_start_again(&self) -> bool {
        self.may_start_again && self.report.failed.is_none()
    }

    /// Takes the place of a request that was lost with its interpreter.
    fn start_again(&mut self, new: Self) {
        let killed = self.killed;
        *self = new;
        self.killed = killed;
    }

    fn not_started(&mut self, error: &StartError) -> Received {
        self.state = State::Gone;
        let error = match self.report.failed.take() {
            Some(why) => &StartError::NoProcess(why),
            None => error,
        };
        Received {
            not_started: Some(error.to_string()),
            ..Received::default()
        }
    }

    fn keeper(&self) -> Option<&Keeper> {
        match &self.state {
            State::Running(keeper) => Some(keeper),
            State::Requested | State::Gone => None,
        }
    }

    /// The script's number in the system, while it is there.
    pub fn number(&self) -> Option<u32> {
        self.keeper().map(|keeper| keeper.script)
    }

    /// What to wait for: descriptors, and whether for room to write as well.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let is_there = !matches!(self.state, State::Gone);
        let channel = self.channel.fd();
        let channel = channel.map(|fd| (fd, self.channel.wants_to_write()));
        let outputs = self.outputs.iter().filter_map(Output::fd);
        let report = self.report.pipe.iter();
        let end = self.keeper().and_then(|keeper| keeper.end.as_ref());
        let others = outputs.chain(report.chain(end).map(AsFd::as_fd));
        let all = channel.into_iter().chain(others.map(|fd| (fd, false)));
        all.filter(move |_| is_there)
    }

    /// Whether no descriptor reports what is to be seen next, so that it must be polled.
    pub fn needs_polling(&self) -> bool {
        let is_unseen = self.keeper().is_some_and(|keeper| keeper.end.is_none());
        is_unseen || self.closed.is_some() || self.killed.is_some()
    }

    /// Sends bytes, now or when there is room. A process that lets too many wait is killed.
    pub fn send(&mut self, bytes: Vec<u8>) {
        if !self.channel.send(bytes) {
            self.give_up("because it does not read what it is sent");
        }
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        self.channel.flush();
    }

    /// Reads what is there, within the bounds of a turn. Without an interpreter that could start it again; see
    /// [`Interpreters::read`].
    pub fn read(&mut self) -> Received {
        let mut received = Received::default();
        if matches!(self.state, State::Gone) {
            return received;
        }
        self.read_report();
        let Some(keeper) = self.keeper() else {
            return received;
        };
        // This comes first: what it sent before its end is there to be read then.
        let ended = keeper.has_ended();
        received.too_long = self.channel.read(ended, &mut received.lines);
        for (output, is_error) in self.outputs.iter_mut().zip([false, true]) {
            output.read(ended, |line| received.printed.push((is_error, line)));
        }
        if ended {
            received.ended = Some(self.how_it_ended());
        } else if self.channel.is_closed() {
            let closed = self.closed.get_or_insert_with(Instant::now);
            if closed.elapsed() > CLOSED_TIME {
                self.give_up("because it closed the channel to vpid");
            }
        }
        if self
            .killed
            .is_some_and(|killed| killed.elapsed() > KEEPER_TIME)
        {
            self.kill_with_keeper();
        }
        received
    }

    /// Takes the lines of the keeper.
    fn read_report(&mut self) {
        for line in self.report.read() {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "pid" => {
                    let mut numbers = rest.split(' ').map(|number| number.parse::<i32>().ok());
                    let pid = numbers.next().flatten().and_then(Pid::from_raw);
                    let script = numbers
                        .next()
                        .flatten()
                        .and_then(|it| u32::try_from(it).ok());
                    let (Some(pid), Some(script)) = (pid, script) else {
                        continue;
                    };
                    let end = pidfd_open(pid, PidfdFlags::empty()).ok();
                    self.state = State::Running(Keeper { pid, end, script });
                    if self.killed.is_some() {
                        self.kill();
                    }
                }
                "ended" => self.report.status = rest.parse().ok(),
                _ => self.report.failed = Some(rest.to_owned()),
            }
        }
    }

    /// SIGINT: Python raises KeyboardInterrupt.
    pub fn interrupt(&mut self) {
        if let State::Running(keeper) = &self.state {
            let _ = kill_process(keeper.pid, Signal::INT);
        }
    }

    /// Kills it, and all that it has started. Its end is still to be read.
    pub fn kill(&mut self) {
        self.killed.get_or_insert_with(Instant::now);
        if let State::Running(keeper) = &self.state {
            let _ = kill_process(keeper.pid, Signal::TERM);
        }
    }

    /// Where the keeper does not do so: the script may have stopped it.
    fn kill_with_keeper(&mut self) {
        if let State::Running(keeper) = &self.state {
            let pid = keeper.pid.as_raw_nonzero().get().unsigned_abs();
            for pid in memory::with_children(pid) {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }

    fn give_up(&mut self, reason: &str) {
        self.reason.get_or_insert_with(|| reason.to_owned());
        self.kill();
    }

    /// Its keeper, and how much that and its descendants may use; none: as much as they like.
    pub fn memory_bound(&self) -> Option<(u32, u64)> {
        let keeper = self.keeper()?.pid.as_raw_nonzero().get().unsigned_abs();
        let bytes = self.spec.memory_bytes;
        (bytes > 0).then_some((keeper, bytes))
    }

    /// Kills it, since it and its processes use so much.
    pub fn uses_too_much(&mut self, used_bytes: u64) {
        let reason = format!(
            "because it and what it started used {} MiB, and its memory_mb is {}; raise that in \
             [script.{}] or [scripts] if it needs more",
            used_bytes >> 20,
            self.spec.memory_bytes >> 20,
            self.spec.name
        );
        self.give_up(&reason);
    }

    fn how_it_ended(&mut self) -> String {
        // What the keeper wrote last is there, since it has ended.
        self.read_report();
        let waited = match &self.state {
            State::Running(keeper) => waitid(WaitId::Pid(keeper.pid), WaitIdOptions::EXITED),
            State::Requested | State::Gone => Ok(None),
        };
        self.state = State::Gone;
        let how = match (self.report.status, waited) {
            (Some(status), _) => words(ExitStatus::from_raw(status)),
            (None, Ok(_)) => "with its keeper, which was killed".to_owned(),
            (None, Err(error)) => format!("in a way that the system does not report ({error})"),
        };
        match &self.reason {
            Some(reason) => format!("{how}, {reason}"),
            None => how,
        }
    }

    /// Waits until one of its descriptors has news, but not for long.
    fn wait(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: left.min(WAIT_TIME).subsec_nanos().into(),
        };
        let fds = self.fds();
        let mut fds: Vec<_> = fds
            .map(|(fd, _)| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let _ = poll(&mut fds, Some(&timeout));
    }
}

/// How long a process without a channel has to end by itself.
const CLOSED_TIME: Duration = Duration::from_millis(limits::SCRIPT_KILL_MS);
const KEEPER_TIME: Duration = Duration::from_millis(limits::SCRIPT_KEEPER_MS);
/// How often an end is looked for that no descriptor reports.
const WAIT_TIME: Duration = Duration::from_millis(50);

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let until = Instant::now() + KEEPER_TIME + CLOSED_TIME;
        while !matches!(self.state, State::Gone) && !self.has_no_start() && Instant::now() < until {
            self.wait(until);
            self.read();
        }
    }
}

impl Keeper {
    /// Whether it has ended; it remains to be waited for.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(status) => status.is_some(),
            Err(error) => error != Errno::INTR,
        }
    }
}

impl Report {
    /// Whole lines that are there.
    fn read(&mut self) -> Vec<String> {
        while let Some(pipe) = &self.pipe {
            self.unread.reserve(REPORT_BYTES);
            match rustix::io::read(pipe, spare_capacity(&mut self.unread)) {
                Ok(0) => self.pipe = None,
                Ok(_) if self.unread.len() > REPORT_BYTES => self.pipe = None,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.pipe = None,
            }
        }
        let whole = self.unread.iter().rposition(|byte| *byte == b'\n');
        let lines = self.unread.drain(..whole.map_or(0, |last| last + 1));
        let lines = String::from_utf8_lossy(lines.as_slice()).into_owned();
        lines.lines().map(str::to_owned).collect()
    }
}

/// More than a keeper ever reports.
const REPORT_BYTES: usize = 4096;

/// "with exit code 3", "by signal 9 (killed)"
fn words(status: ExitStatus) -> String {
    let signal = match (status.code(), status.signal()) {
        (Some(code), _) => return format!("with exit code {code}"),
        (None, Some(signal)) => signal,
        (None, None) => return status.to_string(),
    };
    let name = match Signal::from_named_raw(signal) {
        Some(Signal::INT) => "interrupted",
        Some(Signal::ABORT) => "aborted",
        Some(Signal::KILL) => "killed",
        Some(Signal::SEGV) => "a memory fault",
        Some(Signal::BUS) => "a bus error",
        Some(Signal::TERM) => "terminated",
        Some(Signal::XCPU) => "out of CPU time",
        _ => return format!("by signal {signal}"),
    };
    format!("by signal {signal} ({name})")
}

/// Whether no script gets this variable of our environment, except where it is one of its own: those that are
/// vpid's, and the password of the database.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"VPID_") || name == PASSWORD
}

/// The variable that only functions of `vpi_interfaces` get.
pub const PASSWORD: &str = "VPI_PASSWORD";

/// What the process of a script runs.
pub const PROGRAM: &str = "import vpid_host; vpid_host.main()";

/// Given to the interpreter: reads the modules, and runs one of them.
const BOOT: &str = include_str!("boot.py");

/// Names of modules, with their sources.
const MODULES: &[(&str, &str)] = &[
    ("game", include_str!("game.py")),
    ("vpid_channel", include_str!("vpid_channel.py")),
    ("vpid_commands", include_str!("vpid_commands.py")),
    ("vpid_confine", include_str!("vpid_confine.py")),
    ("vpid_database", include_str!("vpid_database.py")),
    ("vpid_host", include_str!("vpid_host.py")),
    ("vpid_interfaces", include_str!("vpid_interfaces.py")),
    ("vpid_interpreter", include_str!("vpid_interpreter.py")),
    ("vpid_loop", include_str!("vpid_loop.py")),
    ("vpid_process", include_str!("vpid_process.py")),
    ("vpid_requests", include_str!("vpid_requests.py")),
    ("vpid_stats", include_str!("vpid_stats.py")),
    ("vpid_script", include_str!("vpid_script.py")),
    ("vpid_values", include_str!("vpid_values.py")),
];

/// What only tests of scripts import.
const TESTING: (&str, &str) = ("game_testing", include_str!("game_testing.py"));

// What a script prints, as lines of text. The core bounds them again, and takes out what a terminal would obey.

pub struct Output {
    /// `None`: it has been closed.
    pipe: Option<OwnedFd>,
    /// The line so far, up to its bound.
    line: Vec<u8>,
    /// There was more of it.
    is_cut: bool,
}

impl Output {
    pub fn new(pipe: Option<OwnedFd>) -> Self {
        Self {
            pipe,
            line: Vec::new(),
            is_cut: false,
        }
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there, within the bound of a turn. At the end, what is left of a line is one.
    pub fn read(&mut self, is_end: bool, mut printed: impl FnMut(String)) {
        let mut buffer = [0; 4096];
        let mut read = 0;
        while read < limits::SCRIPT_OUTPUT_TURN_BYTES_MAX
            && let Some(pipe) = &self.pipe
        {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    read += count;
                    self.take(&buffer[..count], &mut printed);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.pipe = None,
            }
        }
        if is_end {
            self.pipe = None;
        }
        if self.pipe.is_none() {
            self.finish(&mut printed);
        }
    }

    fn take(&mut self, bytes: &[u8], printed: &mut impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let more = text.unwrap_or(part);
            let room = limits::SCRIPT_LOG_LINE_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&more[..more.len().min(room)]);
            self.is_cut |= more.len() > room;
            if text.is_some() {
                self.finish(printed);
            }
        }
    }

    fn finish(&mut self, printed: &mut impl FnMut(String)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        if std::mem::take(&mut self.is_cut) {
            printed(format!("{line} ..."));
        } else if !line.is_empty() {
            printed(line.into_owned());
        }
    }
}

#[cfg(test)]
mod tests;
