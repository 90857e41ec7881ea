//! The two processes that are supervised, each in a process group of its own: a Ctrl-C at the terminal reaches this
//! process alone, which passes it on.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::Settings;
use super::plan::{Lines, Waiting};

/// Variables of a service manager, for this process alone.
const OF_MANAGER: [&str; 4] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "JOURNAL_STREAM",
];

/// How a process has ended.
pub(super) struct End(ExitStatus);

impl End {
    /// The exit code, or as shells have it 128 and the number of the signal.
    pub fn code(&self) -> u8 {
        let code = self.0.code().or_else(|| Some(128 + self.0.signal()?));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.signal() {
            Some(signal) => write!(f, "by signal {signal}"),
            None => write!(f, "with exit code {}", self.code()),
        }
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// A child that was not waited for, so that its number is its own.
fn ended(child: &mut Child) -> Option<End> {
    child.try_wait().ok().flatten().map(End)
}

/// vpid once more: what `vpid run` is without `--exec`.
pub(super) struct Daemon {
    child: Child,
    pub reports: UnixDatagram,
    /// Its standard error; none: it was closed.
    pub log: Option<ChildStderr>,
    lines: Lines,
}

impl Daemon {
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let (ours, theirs) = UnixDatagram::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&settings.program);
        command.args(["run", "--supervised", &std::process::id().to_string()]);
        command.args(&settings.daemon);
        for name in OF_MANAGER {
            command.env_remove(name);
        }
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        command.stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let log = child.stderr.take();
        if let Some(log) = &log {
            rustix::io::ioctl_fionbio(log, true)?;
        }
        Ok(Self {
            child,
            reports: ours,
            log,
            lines: Lines::default(),
        })
    }

    /// Whole lines of its log, each with its end.
    pub fn read_log(&mut self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut buffer = [0; 4096];
        while let Some(log) = &self.log {
            match rustix::io::read(log, &mut buffer) {
                Ok(0) => self.log = None,
                Ok(count) => {
                    let lines = &mut self.lines;
                    lines.add(&buffer[..count], |line| found.push(whole(line)));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.log = None,
            }
        }
        if self.log.is_none() {
            let rest = self.lines.rest();
            found.extend((!rest.is_empty()).then(|| whole(&rest)));
        }
        found
    }

    pub fn read_reports(&self) -> Vec<String> {
        let mut reports = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = self.reports.recv(&mut buffer) {
            reports.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        }
        reports
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = pid_of(&self.child) {
            let _ = kill_process(pid, signal);
        }
    }

    pub fn ended(&mut self) -> Option<End> {
        ended(&mut self.child)
    }
}

/// A line that was cut gets an end.
fn whole(line: &[u8]) -> Vec<u8> {
    let mut line = line.to_vec();
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    line
}

pub(super) struct Game {
    child: Child,
    /// None: it has closed it.
    pub input: Option<ChildStdin>,
}

impl Game {
    /// With the environment of this process, but for what is vpid's: keys and passwords may stand there.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let Some((program, arguments)) = settings.game.split_first() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("VPID_") || text.starts_with("VPI_") {
                command.env_remove(&name);
            }
        }
        for name in OF_MANAGER {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    /// The game is a script that starts the server, so the whole group gets it.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = pid_of(&self.child) {
            let _ = kill_process_group(pid, signal);
        }
    }

    pub fn ended(&mut self) -> Option<End> {
        ended(&mut self.child)
    }

    /// Writes as much as its console takes now.
    pub fn write(&mut self, waiting: &mut Waiting) {
        let Some(input) = &self.input else {
            return waiting.clear();
        };
        match rustix::io::write(input, waiting.next()) {
            Ok(count) => waiting.written(count),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                self.input = None;
                waiting.clear();
            }
        }
    }
}
