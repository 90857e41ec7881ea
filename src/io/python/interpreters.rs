//! Interpreters that are ready to run scripts: one for each Python in use, from which a process for each script is
//! forked (`vpid_interpreter.py` says how).
//!
//! So a script does not have to wait until an interpreter has started and imported what all scripts need, and the
//! memory of that is there once. A virtual environment has an interpreter of its own: where its packages are, and
//! what their `.pth` files do, is only decided when Python starts. An interpreter in which something was changed
//! since (by an upgrade, or new packages) ends when it gets the next request. Then, and where one crashed, the
//! request goes to a new one, once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{getpid, set_child_subreaper};
use serde_json::{Map, Value, json};

use super::{BOOT, Ends, MODULES, Process, Received, Spec, StartError, is_hidden};
use crate::limits;

/// The interpreters, by their programs. They end with this.
#[derive(Default)]
pub struct Interpreters {
    pub(super) all: BTreeMap<PathBuf, Interpreter>,
}

/// What an interpreter printed last.
pub type LastLine = OnceLock<String>;

pub(super) struct Interpreter {
    pub(super) child: Child,
    /// Where requests go, behind the sources of vpid's modules.
    control: UnixStream,
    sources: Option<OwnedFd>,
    /// What it prints.
    output: OwnedFd,
    /// Held by each process that was forked, or is to be: the last line that it printed, once it has ended.
    users: Arc<LastLine>,
    /// Since when there are no others.
    pub(super) unused: Option<Instant>,
}

impl Interpreters {
    /// Requests a process. Whether there will be one is known when [`Interpreters::read`] says so.
    pub fn start(&mut self, spec: &Spec) -> Result<Process, StartError> {
        self.end_unused();
        self.request(spec, true)
    }

    /// Reads what a process has sent, within the bounds of a turn.
    pub fn read(&mut self, process: &mut Process) -> Received {
        let received = process.read();
        if !process.has_no_start() {
            return received;
        }
        let again = match process.may_start_again() {
            true => {
                self.end_interpreter_of(process);
                self.request(process.spec(), false)
            }
            false => Err(self.end_interpreter_of(process)),
        };
        match again {
            Ok(new) => {
                process.start_again(new);
                Received::default()
            }
            Err(error) => process.not_started(&error),
        }
    }

    fn request(&mut self, spec: &Spec, may_again: bool) -> Result<Process, StartError> {
        if !spec.folder.is_dir() {
            return Err(StartError::NoFolder(spec.folder.clone()));
        }
        let (process, ends) = Process::new(spec, may_again).map_err(StartError::NoChannel)?;
        if let Some(interpreter) = self.all.get_mut(&spec.interpreter)
            && interpreter.fork(spec, &ends).is_ok()
        {
            return Ok(process.of(&interpreter.users));
        }
        // There is none, or it has ended.
        self.all.remove(&spec.interpreter);
        let mut interpreter = Interpreter::start(&spec.interpreter)?;
        if interpreter.fork(spec, &ends).is_err() {
            let last_line = interpreter.last_line();
            return Err(StartError::Interpreter(spec.interpreter.clone(), last_line));
        }
        let process = process.of(&interpreter.users);
        self.all.insert(spec.interpreter.clone(), interpreter);
        Ok(process)
    }

    /// The interpreter that has lost a request is about to end, if it has not ended; it gets no other one. The error
    /// that this is for its process.
    fn end_interpreter_of(&mut self, process: &Process) -> StartError {
        let name = &process.spec().interpreter;
        let last_line = process.last_line();
        if let Some(interpreter) = self.all.get(name)
            && last_line.is_some_and(|it| std::ptr::eq(it, &*interpreter.users))
        {
            interpreter.users.get_or_init(|| interpreter.last_line());
            self.all.remove(name);
        }
        let last_line = last_line.and_then(LastLine::get).cloned();
        StartError::Interpreter(name.clone(), last_line.unwrap_or_default())
    }

    /// Ends interpreters that no script has used for a while. True: there are more that are not used.
    pub fn end_unused(&mut self) -> bool {
        self.all
            .retain(|_, interpreter| !interpreter.is_long_unused());
        self.all
            .values()
            .any(|interpreter| interpreter.unused.is_some())
    }
}

impl Interpreter {
    /// Starts the interpreter; what it is sent waits in its connection until it is ready for it.
    fn start(interpreter: &Path) -> Result<Self, StartError> {
        // The processes that it forks are adopted by this one.
        set_child_subreaper(Some(getpid())).map_err(|error| StartError::NoChannel(error.into()))?;
        let sources = sources().map_err(StartError::NoChannel)?;
        let (control, theirs) = UnixStream::pair().map_err(StartError::NoChannel)?;
        let (output, printed) = io::pipe().map_err(StartError::NoChannel)?;
        let again = printed.try_clone().map_err(StartError::NoChannel)?;
        for ours in [control.as_fd(), output.as_fd()] {
            rustix::io::ioctl_fionbio(ours, true)
                .map_err(|error| StartError::NoChannel(error.into()))?;
        }
        let mut command = Command::new(interpreter);
        command
            .args(["-c", BOOT])
            .current_dir("/")
            .process_group(0)
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(printed))
            .stderr(Stdio::from(again));
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_hidden(name)) {
            command.env_remove(name);
        }
        let not_started = |error| StartError::NotStarted(interpreter.to_owned(), error);
        let child = command.spawn().map_err(not_started)?;
        Ok(Self {
            child,
            control,
            sources: Some(sources),
            output: output.into(),
            users: Arc::default(),
            unused: None,
        })
    }

    /// Requests a process for a script. An error: it has ended, or does not read.
    fn fork(&mut self, spec: &Spec, ends: &Ends) -> io::Result<()> {
        if let Some(sources) = self.sources.take() {
            send(&self.control, b"m", &[&sources])?;
        }
        let mut line = request(spec).to_string().into_bytes();
        line.push(b'\n');
        let Ends {
            channel,
            outputs: [output, errors],
            report,
        } = ends;
        send(&self.control, &line, &[channel, output, errors, report])?;
        self.unused = None;
        Ok(())
    }

    /// The end of what it has printed.
    fn last_line(&self) -> String {
        let mut printed = vec![0; limits::SCRIPT_OUTPUT_TURN_BYTES_MAX];
        let count = rustix::io::read(&self.output, &mut printed).unwrap_or(0);
        let printed = String::from_utf8_lossy(&printed[..count]);
        let last = printed.trim_end().lines().last().unwrap_or_default();
        last.chars()
            .take(limits::SCRIPT_LOG_LINE_BYTES_MAX / 4)
            .collect()
    }

    fn is_long_unused(&mut self) -> bool {
        if Arc::strong_count(&self.users) > 1 {
            self.unused = None;
            return false;
        }
        let since = self.unused.get_or_insert_with(Instant::now);
        since.elapsed() > Duration::from_millis(limits::SCRIPT_INTERPRETER_UNUSED_MS)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // It holds nothing that it would have to put right, and its scripts do not need it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(spec: &Spec) -> Value {
    let bytes = |text: &OsStr| json!(text.as_bytes());
    let environment = spec.environment.iter();
    let environment = environment.map(|(name, value)| json!([bytes(name), bytes(value)]));
    json!({
        "name": spec.name,
        "folder": bytes(spec.folder.as_os_str()),
        "environment": environment.collect::<Value>(),
        "program": spec.program,
        "vpid": std::process::id(),
    })
}

/// The sources of vpid's modules as a file without a name, which Python reads when it is ready.
fn sources() -> io::Result<OwnedFd> {
    sources_of(MODULES.iter())
}

pub(super) fn sources_of<'a>(
    modules: impl Iterator<Item = &'a (&'static str, &'static str)>,
) -> io::Result<OwnedFd> {
    let modules = modules.map(|(name, source)| (name.to_string(), Value::from(*source)));
    let mut file = std::fs::File::from(memfd_create("vpid modules", MemfdFlags::CLOEXEC)?);
    serde_json::to_writer(&file, &modules.collect::<Map<_, _>>())?;
    file.flush()?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Sends bytes with descriptors, all or none.
fn send(to: &UnixStream, bytes: &[u8], descriptors: &[&OwnedFd]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(
        to,
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    match sent == bytes.len() {
        true => Ok(()),
        // It does not read, and would take the rest for a request.
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// For the variables of vpid's environment that some scripts get beyond what all have.
pub fn environment(names: &[&str]) -> Vec<(OsString, OsString)> {
    let variables = names
        .iter()
        .map(|name| (OsString::from(name), std::env::var_os(name)));
    variables
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}
