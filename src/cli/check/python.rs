//! The owner's Python scripts: that they are there, whom they trust, and that Python understands
//! them. None of them is run.

use super::Report;
use crate::config::file::other_encoding;
use crate::config::{Config, INTERFACES_NAME, Scripts};
use crate::io::confinement::{Confinement, Unconfined};
use crate::io::script_files::{self, Found};
use crate::io::venv;
use crate::limits::{SCRIPT_CHECK_MS, SCRIPT_CHECK_OUTPUT_BYTES_MAX, SCRIPTS_MAX};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How many files one line names.
const NAMED_MAX: usize = 5;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let Some(scripts) = &config.scripts else {
        return;
    };
    let mut checked = Checked {
        scripts,
        interpreters: BTreeMap::new(),
        landlock: 0,
        exposed: Vec::new(),
        confinable: Vec::new(),
    };
    let mut names = Vec::new();
    if let Some(folder) = &scripts.dir {
        names = checked.folder(folder, report);
    }
    if let Some(file) = &scripts.vpi_interfaces {
        names.push(INTERFACES_NAME.to_owned());
        checked.interfaces(file, report);
    }
    if checked.interpreters.is_empty() {
        checked.understands(&scripts.python, report);
    }
    checked.not_exposed(report);
    absent(scripts, &names, report);
    checked.confinement(config, report);
}

/// What has been looked at.
struct Checked<'a> {
    scripts: &'a Scripts,
    /// Those that were tried, and whether they work.
    interpreters: BTreeMap<PathBuf, bool>,
    /// The version that the kernel has, as they see it; 0: none.
    landlock: u32,
    /// What others than its owner can write.
    exposed: Vec<PathBuf>,
    /// Those that start.
    confinable: Vec<Confinable>,
}

/// A script, as far as it matters for what is kept from it.
struct Confinable {
    name: String,
    python: PathBuf,
    folder: PathBuf,
    /// The folder of all scripts, if it has one of its own in that.
    shared: Option<PathBuf>,
}

impl Checked<'_> {
    /// Gives the names of the scripts.
    fn folder(&mut self, folder: &Path, report: &mut Report<'_>) -> Vec<String> {
        let shown = folder.display();
        let found = match script_files::find(folder) {
            Ok(found) => found,
            Err(error) => {
                report.bad(
                    format!("python: the folder of scripts, {shown}, cannot be read: {error}"),
                    "create it, make the user of vpid its owner, or correct dir in [scripts]",
                );
                return Vec::new();
            }
        };
        let names: Vec<_> = found.scripts.iter().map(|it| it.name.clone()).collect();
        match names.as_slice() {
            [] => report.warn(format!(
                "python: there is no script in {shown}; scripts are NAME.py or NAME/main.py"
            )),
            names => report.ok(format!("python: scripts in {shown}: {}", names.join(", "))),
        }
        for sentence in found.sentences(self.scripts) {
            report.warn(format!("python: {sentence}"));
        }
        names_that_do_not_fit(folder, &found, report);
        self.writable(folder);
        for script in &found.scripts {
            let own = script.folder != folder;
            if own {
                self.writable(&script.folder);
            }
            let own_folder = own.then_some(script.folder.as_path());
            if let Some(python) = self.interpreter(&script.name, own_folder, report)
                && self.file(&script.main, &python, report)
            {
                self.confinable.push(Confinable {
                    name: script.name.clone(),
                    python,
                    folder: script.folder.clone(),
                    shared: own.then(|| folder.to_owned()),
                });
            }
        }
        names
    }

    /// The functions that were written for VPI.
    fn interfaces(&mut self, file: &Path, report: &mut Report<'_>) {
        let shown = file.display();
        if !file.is_file() {
            return report.bad(
                format!("python: there is no file {shown}"),
                "correct vpi_interfaces in [scripts]",
            );
        }
        let folder = file.parent().unwrap_or(Path::new("/"));
        let config = folder.join("vpi_config.py");
        let with = match config.is_file() {
            true => "with the vpi_config.py beside it",
            false => "with vpid's replacement for vpi_config.py, since none is beside it",
        };
        self.writable(folder);
        let Some(python) = self.interpreter(INTERFACES_NAME, Some(folder), report) else {
            return;
        };
        let mut good = self.file(file, &python, report);
        if config.is_file() {
            good &= self.file(&config, &python, report);
        }
        if good {
            report.ok(format!("python: the functions of VPI in {shown}, {with}"));
        }
    }

    /// What runs a script that has this folder for itself; none where its environment is broken,
    /// which is reported.
    fn interpreter(
        &self,
        name: &str,
        folder: Option<&Path>,
        report: &mut Report<'_>,
    ) -> Option<PathBuf> {
        if let Some(python) = &self.scripts.of(name).python {
            return Some(python.clone());
        }
        match folder.map_or(Ok(None), venv::own_interpreter) {
            Ok(own) => Some(own.unwrap_or_else(|| self.scripts.python.clone())),
            Err(problem) => {
                report.bad(
                    format!("python: {name} is not started: {problem}"),
                    "until then it does not run; or set another interpreter with python in its [script.NAME]",
                );
                None
            }
        }
    }

    /// Whether Python can start with this file, as far as can be seen.
    fn file(&mut self, file: &Path, python: &Path, report: &mut Report<'_>) -> bool {
        self.writable(file);
        if !self.understands(python, report) {
            return false;
        }
        let result = match other_encoding(file) {
            Some(wrong) => Err(format!(" {wrong}")),
            None => compile(python, file),
        };
        if let Err(problem) = &result {
            report.bad(
                format!("python: {}{problem}", file.display()),
                "correct it; until then it cannot be loaded",
            );
        }
        result.is_ok()
    }

    /// Whether this is a Python that scripts can run in. Each is tried once.
    fn understands(&mut self, python: &Path, report: &mut Report<'_>) -> bool {
        if let Some(works) = self.interpreters.get(python) {
            return *works;
        }
        let shown = python.display();
        let venv = venv::of_interpreter(python);
        let version = version_of(python).and_then(|(version, landlock)| {
            self.landlock = self.landlock.max(landlock);
            let numbers: Vec<&str> = version.split('.').take(2).collect();
            match venv.map_or(Ok(()), |it| venv::has_packages_of(it, &numbers.join("."))) {
                Ok(()) => Ok(version),
                Err(problem) => Err(format!(": its environment {problem}")),
            }
        });
        match &version {
            Ok(version) => report.ok(format!("python: {shown} is Python {version}")),
            Err(problem) => {
                let (major, minor) = OLDEST;
                let remedy = match venv {
                    Some(venv) => venv::remedy(venv),
                    None => "set another one with python in [scripts], or install it: apt install python3"
                        .to_owned(),
                };
                report.bad(
                    format!("python: {shown} {problem}"),
                    format!("Python {major}.{minor} or later is needed; {remedy}"),
                );
            }
        }
        self.interpreters.insert(python.to_owned(), version.is_ok());
        version.is_ok()
    }

    /// Whether vpid's own files are kept from scripts, and from which not.
    fn confinement(&self, config: &Config, report: &mut Report<'_>) {
        let works = self.interpreters.values().any(|works| *works);
        if !works || self.scripts.dir.is_none() {
            return;
        }
        if self.landlock < LANDLOCK_OLDEST {
            return self.without_landlock(report);
        }
        let mut kept = Vec::new();
        let mut left_out = BTreeSet::new();
        // By what stands in front of their names, and whether they start in spite of it.
        let mut not: BTreeMap<(String, bool), Vec<&str>> = BTreeMap::new();
        for script in &self.confinable {
            match self.confinement_of(config, script) {
                Ok(confinement) => {
                    kept.push(script.name.as_str());
                    left_out.extend(confinement.left_out);
                }
                Err(why) => not.entry(why).or_default().push(&script.name),
            }
        }
        let from = match kept.as_slice() {
            [] => String::new(),
            names => format!("; vpid's own files are kept from {}", names.join(", ")),
        };
        let version = self.landlock;
        report.ok(format!(
            "python: the kernel has Landlock (version {version}){from}"
        ));
        for path in left_out {
            report.warn(format!(
                "python: {} is not kept from scripts, since it is in /etc; with confine = true, it is",
                path.display()
            ));
        }
        for ((why, starts), names) in not {
            let line = format!("python: not confined: {}: {why}", names.join(", "));
            match starts {
                true => report.warn(line),
                false => report.bad(line, "until then it is not started; or set confine = false"),
            }
        }
    }

    /// As the daemon does it; else why not, and whether the script starts in spite of that.
    fn confinement_of(
        &self,
        config: &Config,
        script: &Confinable,
    ) -> Result<Confinement, (String, bool)> {
        let kept = match Confinement::of(config, self.scripts, &script.name) {
            Ok(kept) => kept,
            Err(Unconfined::Wanted) => {
                let why = "confine = false lets them read vpid's own files";
                return Err((why.to_owned(), true));
            }
            Err(Unconfined::Temporary(path)) => {
                let why =
                    "is where everybody makes files; keep it elsewhere, or set confine = true";
                return Err((format!("{} {why}", path.display()), true));
            }
            Err(Unconfined::Replaced) => {
                let why =
                    "vpid's own files are in /etc; with confine = true, they are kept from scripts";
                return Err((why.to_owned(), true));
            }
        };
        let whole = |path: &Path| absolute(path).unwrap_or_else(|_| path.to_owned());
        let start = json!({
            "confine": kept.to_json(),
            "folder": whole(&script.folder).as_os_str().as_bytes(),
            "shared": script.shared.as_deref().map(|it| whole(it).as_os_str().as_bytes().to_vec()),
        });
        let argument = start.to_string();
        let tried = run(&script.python, TRY, Some(Path::new(&argument)), PATIENCE);
        match tried {
            Ok((status, _)) if status.success() => Ok(kept),
            Ok((_, said)) => {
                let said = said.trim_end().lines().last().unwrap_or("it fails");
                Err((said.to_owned(), !kept.must))
            }
            Err(problem) => {
                let why = format!("{} {problem}", script.python.display());
                Err((why, !kept.must))
            }
        }
    }

    fn without_landlock(&self, report: &mut Report<'_>) {
        let what = "by which scripts are kept from vpid's own files";
        let each = self.scripts.each.values();
        let mut wanted = each.chain([&self.scripts.settings]).map(|it| it.confine);
        match wanted.any(|it| it == Some(true)) {
            true => report.bad(
                format!("python: the kernel has no Landlock, {what}"),
                "scripts with confine = true are not started; use Linux 5.19 or later, or take that out",
            ),
            false => report.warn(format!(
                "python: the kernel has no Landlock, {what}; they can read them as vpid's user can"
            )),
        }
    }

    fn writable(&mut self, path: &Path) {
        let others = path.metadata().is_ok_and(|it| it.mode() & 0o022 != 0);
        if others && !self.exposed.iter().any(|known| known == path) {
            self.exposed.push(path.to_owned());
        }
    }

    /// What stands there is run as the user of vpid.
    fn not_exposed(&self, report: &mut Report<'_>) {
        if self.exposed.is_empty() {
            return;
        }
        let named = self.exposed.iter().take(NAMED_MAX);
        let named: Vec<_> = named.map(|path| format!("'{}'", path.display())).collect();
        let more = match self.exposed.len() - named.len() {
            0 => String::new(),
            more => format!(" (and for {more} more)"),
        };
        report.warn(format!(
            "python: other users than the owner can change files that vpid runs; run: chmod go-w {}{more}",
            named.join(" ")
        ));
    }
}

fn names_that_do_not_fit(folder: &Path, found: &Found, report: &mut Report<'_>) {
    let shown = folder.display();
    for name in &found.twice {
        report.bad(
            format!("python: both {name}.py and {name}/main.py are in {shown}"),
            "remove or rename one of them",
        );
    }
    if let Some(first) = found.scripts.get(SCRIPTS_MAX) {
        let (count, first) = (found.scripts.len(), &first.name);
        report.bad(
            format!(
                "python: {count} scripts are in {shown}; {first} and those behind it in the alphabet are not started"
            ),
            format!("at most {SCRIPTS_MAX} are allowed; combine some of them"),
        );
    }
    if found.more {
        report.warn(format!(
            "python: {shown} has so many files that not all were checked; keep data elsewhere"
        ));
    }
}

/// Tells of names in the configuration that no script has.
fn absent(scripts: &Scripts, names: &[String], report: &mut Report<'_>) {
    let is_absent = |name: &&String| !names.contains(name);
    for name in scripts.order.iter().filter(is_absent) {
        report.warn(format!(
            "python: order in [scripts] names {name}, but there is no such script"
        ));
    }
    for name in scripts.each.keys().filter(is_absent) {
        report.warn(format!(
            "python: there is a [script.{name}], but no such script"
        ));
    }
}

/// The oldest that scripts run in.
const OLDEST: (u32, u32) = (3, 9);

const PATIENCE: Duration = Duration::from_millis(SCRIPT_CHECK_MS);

/// The same as in `vpid_confine.py`.
const LANDLOCK_OLDEST: u32 = 2;
/// Also an old Python understands this.
const VERSION: &str = "\
import sys
try:
    import ctypes
    has = max(0, ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))
except Exception:
    has = 0
print('%d.%d.%d' % sys.version_info[:3] + ' %d' % has)";
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

/// Confines itself as a script is. Its last line says why it cannot.
const TRY: &str = concat!(
    include_str!("../../io/python/vpid_confine.py"),
    "
import json
import sys

try:
    start = json.loads(sys.argv[1])
    as_path = lambda path: path and os.fsdecode(bytes(path))
    hidden = [as_path(path) for path in start['confine']['hidden']]
    shared = start['shared'] if start['confine']['others'] else None
    confine(hidden, as_path(start['folder']), as_path(shared))
except Exception as error:
    print(error)
    sys.exit(1)
"
);

/// Which Python this is, such as `3.11.2`. Errors go on after its name.
/// The version, and that of the kernel's Landlock.
fn version_of(python: &Path) -> Result<(String, u32), String> {
    let (status, said) = run(python, VERSION, None, PATIENCE)?;
    let last = said.trim().lines().last().unwrap_or("nothing");
    let (version, landlock) = last.split_once(' ').unwrap_or((last, "0"));
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if status.success() => match (major, minor) >= OLDEST {
            true => Ok((version.to_owned(), landlock.parse().unwrap_or(0))),
            false => Err(format!("is Python {version}, which is too old")),
        },
        _ => Err(format!("does not work as Python; it printed: {last}")),
    }
}

/// Whether a file has the syntax of this Python. Errors go on after the file's name:
/// `:3: invalid syntax`.
fn compile(python: &Path, file: &Path) -> Result<(), String> {
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
    Err("prints without end, unlike any Python".into())
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
    format!("did not end within {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
