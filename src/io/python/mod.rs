//! One owner's script: a Python process, the channel to it, and what it prints.
//!
//! The process is the first of a group of its own, and the group ends with it: what it forked
//! does not stay behind. Nothing here waits: the deciding thread does all of this itself.
//!
//! The process is `python3 -c BOOT NAME`, with one end of a socket pair as standard input. Its first
//! line holds everything: the sources of the host program (the `.py` files beside this one), the
//! script's path, its limits and its `config`. So no file of ours has to lie on disk. Its outputs are
//! pipes that become lines of the log. The kernel kills it when vpid dies, and it ends when the channel does.

mod channel;
pub mod memory;

use super::venv;
use crate::limits;
use channel::Channel;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
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
    /// The program that the interpreter is given.
    pub boot: String,
    /// The first line of the channel, with or without its end.
    pub first_line: Vec<u8>,
    /// Variables of our environment that it does not get.
    pub hidden: Vec<OsString>,
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
}

pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    /// Ready when the process has ended.
    end: Option<OwnedFd>,
    channel: Channel,
    outputs: [Output; 2],
    /// When it closed its end of the channel, without which nothing can be done with it.
    closed: Option<Instant>,
    /// Why it was killed, where that was decided here.
    reason: Option<String>,
    memory_bytes: u64,
    /// It was waited for, so another process may have its number.
    gone: bool,
}

/// Why a process was not started.
#[derive(Debug)]
pub enum StartError {
    NoFolder(PathBuf),
    NoChannel(io::Error),
    /// By this interpreter.
    NotStarted(PathBuf, io::Error),
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
    pub fn start(spec: &Spec) -> Result<Self, StartError> {
        if !spec.folder.is_dir() {
            return Err(StartError::NoFolder(spec.folder.clone()));
        }
        let (ours, theirs) = UnixStream::pair().map_err(StartError::NoChannel)?;
        ours.set_nonblocking(true).map_err(StartError::NoChannel)?;
        let mut command = Command::new(&spec.interpreter);
        command
            .args(["-c", &spec.boot, &spec.name])
            .current_dir(&spec.folder)
            .process_group(0)
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in &spec.hidden {
            command.env_remove(variable);
        }
        let mut child = command
            .spawn()
            .map_err(|error| StartError::NotStarted(spec.interpreter.clone(), error))?;
        // The command holds the other end of the channel.
        drop(command);
        let pid = Pid::from_child(&child);
        let outputs = [
            Output::new(child.stdout.take().map(OwnedFd::from)),
            Output::new(child.stderr.take().map(OwnedFd::from)),
        ];
        let mut process = Self {
            name: spec.name.clone(),
            end: pidfd_open(pid, PidfdFlags::empty()).ok(),
            child,
            pid,
            channel: Channel::new(ours),
            outputs,
            closed: None,
            reason: None,
            memory_bytes: spec.memory_bytes,
            gone: false,
        };
        for output in &process.outputs {
            output.set_nonblocking().map_err(StartError::NoChannel)?;
        }
        let mut first = spec.first_line.clone();
        if first.last() != Some(&b'\n') {
            first.push(b'\n');
        }
        process.send(first);
        Ok(process)
    }

    /// Its number in the system, also after it has ended.
    pub fn number(&self) -> u32 {
        self.child.id()
    }

    /// What to wait for: descriptors, and whether for room to write as well.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let channel = (!self.gone).then(|| self.channel.fd()).flatten();
        let channel = channel.map(|fd| (fd, self.channel.wants_to_write()));
        let outputs = self.outputs.iter().filter_map(Output::fd);
        let end = self.end.iter().filter(|_| !self.gone).map(AsFd::as_fd);
        channel
            .into_iter()
            .chain(outputs.chain(end).map(|fd| (fd, false)))
    }

    /// Whether no descriptor reports its end, so that it must be polled.
    pub fn needs_polling(&self) -> bool {
        self.end.is_none() || self.closed.is_some()
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

    /// Reads what is there, within the bounds of a turn.
    pub fn read(&mut self) -> Received {
        let mut received = Received::default();
        if self.gone {
            return received;
        }
        // This comes first: what it sent before its end is there to be read then.
        let ended = self.has_ended();
        if ended {
            // While it is not waited for, no other process gets its number or the group's.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        received.too_long = self.channel.read(ended, &mut received.lines);
        for (output, is_error) in self.outputs.iter_mut().zip([false, true]) {
            output.read(ended, |line| received.printed.push((is_error, line)));
        }
        if ended {
            received.ended = Some(self.how_it_ended());
        } else if self.channel.is_closed() {
            let closed = self.closed.get_or_insert_with(Instant::now);
            if closed.elapsed() > Duration::from_millis(limits::SCRIPT_KILL_MS) {
                self.give_up("because it closed the channel to vpid");
            }
        }
        received
    }

    /// SIGINT: Python raises KeyboardInterrupt.
    pub fn interrupt(&mut self) {
        if !self.gone {
            let _ = kill_process(self.pid, Signal::INT);
        }
    }

    /// SIGKILL, to all that it has started as well. Its end is still to be read.
    pub fn kill(&mut self) {
        if !self.gone {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    fn give_up(&mut self, reason: &str) {
        self.reason.get_or_insert_with(|| reason.to_owned());
        self.kill();
    }

    /// How much it and its processes may use; none: as much as they like.
    pub fn memory_bound(&self) -> Option<u64> {
        (self.memory_bytes > 0 && !self.gone).then_some(self.memory_bytes)
    }

    /// Kills it, since it and its processes use so much.
    pub fn uses_too_much(&mut self, used_bytes: u64) {
        let reason = format!(
            "because it and what it started used {} MiB, and its memory_mb is {}; raise that in \
             [script.{}] or [scripts] if it needs more",
            used_bytes >> 20,
            self.memory_bytes >> 20,
            self.name
        );
        self.give_up(&reason);
    }

    /// Whether it has ended; it remains to be waited for.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(status) => status.is_some(),
            Err(error) => error != rustix::io::Errno::INTR,
        }
    }

    fn how_it_ended(&mut self) -> String {
        self.gone = true;
        let how = match self.child.wait() {
            Ok(status) => words(status),
            Err(error) => format!("in a way that the system does not report ({error})"),
        };
        match &self.reason {
            Some(reason) => format!("{how}, {reason}"),
            None => how,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.gone {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

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

/// Which of our variables a process does not get: what is vpid's, and what is only for functions
/// of `vpi_interfaces` from any other script.
pub fn hidden_variables(is_interfaces: bool) -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    let is_hidden = |name: &OsString| {
        let is_ours = name.as_encoded_bytes().starts_with(b"VPID_");
        is_ours || (!is_interfaces && name == "VPI_PASSWORD")
    };
    names.filter(is_hidden).collect()
}

/// Given to the interpreter: reads the first line, and runs the modules in it.
pub const BOOT: &str = include_str!("boot.py");

/// Names of modules, with their sources.
pub const MODULES: &[(&str, &str)] = &[
    ("game", include_str!("game.py")),
    ("vpid_boot", include_str!("vpid_boot.py")),
    ("vpid_channel", include_str!("vpid_channel.py")),
    ("vpid_database", include_str!("vpid_database.py")),
    ("vpid_host", include_str!("vpid_host.py")),
    ("vpid_interfaces", include_str!("vpid_interfaces.py")),
    ("vpid_loop", include_str!("vpid_loop.py")),
    ("vpid_process", include_str!("vpid_process.py")),
    ("vpid_requests", include_str!("vpid_requests.py")),
    ("vpid_script", include_str!("vpid_script.py")),
    ("vpid_values", include_str!("vpid_values.py")),
];

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

    pub fn set_nonblocking(&self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(())
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
