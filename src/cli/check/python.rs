//! The owner's Python scripts: that they are there, whom they trust, and that Python understands
//! them. None of them is run.

mod interpreter;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::file::other_encoding;
use crate::config::{Config, INTERFACES_NAME, Scripts};
use crate::io::script_files::{self, Found};
use crate::io::venv;
use crate::limits::SCRIPTS_MAX;

/// How many files one line names.
const NAMED_MAX: usize = 5;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let Some(scripts) = &config.scripts else {
        return;
    };
    let mut checked = Checked {
        scripts,
        interpreters: BTreeMap::new(),
        exposed: Vec::new(),
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
}

/// What has been looked at.
struct Checked<'a> {
    scripts: &'a Scripts,
    /// Those that were tried, and whether they work.
    interpreters: BTreeMap<PathBuf, bool>,
    /// What others than its owner can write.
    exposed: Vec<PathBuf>,
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
                    "make it, give it to the user of vpid, or correct dir in [scripts]",
                );
                return Vec::new();
            }
        };
        let names: Vec<_> = found.scripts.iter().map(|it| it.name.clone()).collect();
        match names.as_slice() {
            [] => report.warn(format!(
                "python: no script is in {shown}; they are called NAME.py or NAME/main.py"
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
            let folder = own.then_some(script.folder.as_path());
            if let Some(python) = self.interpreter(&script.name, folder, report) {
                self.file(&script.main, &python, report);
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
            false => "with vpid's stand-in for vpi_config.py, as none is beside it",
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
                    "until then it does not run; or name another interpreter with python in \
                     its [script.NAME]",
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
            None => interpreter::compile(python, file),
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
        let version = interpreter::version(python).and_then(|version| {
            let numbers: Vec<&str> = version.split('.').take(2).collect();
            match venv.map_or(Ok(()), |it| venv::has_packages_of(it, &numbers.join("."))) {
                Ok(()) => Ok(version),
                Err(problem) => Err(format!(": its environment {problem}")),
            }
        });
        match &version {
            Ok(version) => report.ok(format!("python: {shown} is Python {version}")),
            Err(problem) => {
                let (major, minor) = interpreter::OLDEST;
                let remedy = match venv {
                    Some(venv) => venv::remedy(venv),
                    None => "name another with python in [scripts], or install it: apt install \
                             python3"
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
            "python: others than their owner can write what vpid runs; run: chmod go-w {}{more}",
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
    if found.scripts.len() > SCRIPTS_MAX {
        let count = found.scripts.len();
        report.bad(
            format!("python: {count} scripts are in {shown}"),
            format!("at most {SCRIPTS_MAX} can be there; put several into one"),
        );
    }
    if found.more {
        report.warn(format!(
            "python: {shown} has so many files that not all were looked at; keep data elsewhere"
        ));
    }
}

/// Tells of names in the configuration that no script has.
fn absent(scripts: &Scripts, names: &[String], report: &mut Report<'_>) {
    let is_absent = |name: &&String| !names.contains(name);
    for name in scripts.order.iter().filter(is_absent) {
        report.warn(format!(
            "python: order in [scripts] names {name}, and there is no such script"
        ));
    }
    for name in scripts.each.keys().filter(is_absent) {
        report.warn(format!(
            "python: there is a [script.{name}], and no such script"
        ));
    }
}
