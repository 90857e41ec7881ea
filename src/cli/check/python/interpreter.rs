//! Python itself: what it is, and whether it understands a file.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits::{SCRIPT_CHECK_MS, SCRIPT_CHECK_OUTPUT_BYTES_MAX};

/// The oldest that scripts run in.
pub(super) const OLDEST: (u32, u32) = (3, 9);

const PATIENCE: Duration = Duration::from_millis(SCRIPT_CHECK_MS);

/// Also an old Python understands this.
const VERSION: &str = "import sys\nprint('%d.%d.%d' % sys.version_info[:3])";
/// Prints what stands behind the name of the file.
const COMPILE: &str = "\
import sys
try:
    with open(sys.argv[1], 'rb') as file:
        compile(file.read(), sys.argv[1], 'exec', dont_inherit=True)
except SyntaxError as error:
    print(':%s: %s' % (error.lineno or 1, error.msg))
    sys.exit(1)
except Exception as error:
    print(': %s: %s' % (type(error).__name__, error))
    sys.exit(1)
";

/// Which Python this is, such as `3.11.2`. Errors go on after its name.
pub(super) fn version(python: &Path) -> Result<String, String> {
    let (status, said) = run(python, VERSION, None, PATIENCE)?;
    let version = said.trim().lines().last().unwrap_or("nothing");
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if status.success() => match (major, minor) >= OLDEST {
            true => Ok(version.to_owned()),
            false => Err(format!("is Python {version}, which is too old")),
        },
        _ => Err(format!("does not work as Python; it says: {version}")),
    }
}

/// Whether a file has the syntax of this Python. Errors go on after the file's name:
/// `:3: invalid syntax`.
pub(super) fn compile(python: &Path, file: &Path) -> Result<(), String> {
    let (status, said) = match run(python, COMPILE, Some(file), PATIENCE) {
        Ok(ended) => ended,
        Err(problem) => return Err(format!(": {} {problem}", python.display())),
    };
    match status.success() {
        true => Ok(()),
        false => Err(said.trim_end().to_owned()),
    }
}

/// Runs a program, and gives what it wrote. Errors go on after the interpreter's name.
fn run(
    python: &Path,
    program: &str,
    file: Option<&Path>,
    patience: Duration,
) -> Result<(ExitStatus, String), String> {
    let deadline = Instant::now() + patience;
    let failed = |error: io::Error| format!("cannot be started: {error}");
    let (reader, writer) = io::pipe().map_err(failed)?;
    let mut command = Command::new(python);
    command
        .args(["-W", "ignore", "-c", program])
        .args(file)
        .env("PYTHONIOENCODING", "utf-8:backslashreplace")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // The command holds the other end of the pipe.
    drop(command);
    let ended = read(reader, deadline).and_then(|said| Ok((wait(&mut child, deadline)?, said)));
    if ended.is_err() {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
    ended
}

fn read(mut reader: io::PipeReader, deadline: Instant) -> Result<String, String> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while said.len() < SCRIPT_CHECK_OUTPUT_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(late()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(count) => said.extend_from_slice(&buffer[..count]),
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
    }
    Err("writes without an end, as no Python does".into())
}

/// Whoever has closed its outputs is about to end.
fn wait(child: &mut Child, deadline: Instant) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => return Err(late()),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}

fn late() -> String {
    format!("does not end within {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_does_not_end_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("python");
        for text in [
            "#!/bin/sh\nsleep 60 & exec sleep 60\n",
            "#!/bin/sh\nexec >&- 2>&-\nsleep 60\n",
        ] {
            // Another test that forks now must not hold the program open for writing.
            let written = Command::new("sh")
                .args(["-c", "printf %s \"$1\" > \"$0\""])
                .args([program.as_os_str(), text.as_ref()])
                .status();
            assert!(written.unwrap().success());
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            let before = Instant::now();
            let result = run(&program, "", None, Duration::from_millis(50));
            assert_eq!(result, Err(late()));
            assert!(before.elapsed() < Duration::from_secs(30));
        }
    }
}
