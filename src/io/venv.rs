//! The virtual environment beside a script. Where there is one, the script runs in it or not at
//! all: in another Python it would miss its packages.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use thiserror::Error;

/// Its name in the folder of the script.
pub const VENV: &str = ".venv";

/// An environment that cannot be used as it is.
#[derive(Debug)]
pub struct Unusable {
    venv: PathBuf,
    fault: Fault,
}

/// What is wrong with an environment. Its text goes on after the environment's name.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("cannot be looked at: {0}")]
    Unseen(io::Error),
    #[error("is no virtual environment")]
    NoEnvironment,
    #[error("is unusable: there is no python3 in its bin")]
    NoPython,
    #[error("is unusable: it has no pyvenv.cfg, so Python would not use its packages")]
    NoConfig,
    #[error("is unusable: it has no packages of any Python")]
    NoPackages,
    /// What is wrong with its interpreter.
    #[error("is unusable: {0}")]
    Program(String),
    /// Made for these versions; the interpreter has another.
    #[error(
        "was made for Python {0}, and its interpreter is Python {1} now, which does not find its \
         packages"
    )]
    OtherVersion(String, String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (venv, fault) = (self.venv.display(), &self.fault);
        match fault {
            Fault::Unseen(_) => write!(f, "{venv} {fault}"),
            _ => write!(f, "{venv} {fault}; {}", remedy(&self.venv)),
        }
    }
}

/// The interpreter of the environment in a script's own folder; none where there is none.
pub fn own_interpreter(folder: &Path) -> Result<Option<PathBuf>, Unusable> {
    let venv = folder.join(VENV);
    interpreter_of(&venv).map_err(|fault| Unusable { venv, fault })
}

fn interpreter_of(venv: &Path) -> Result<Option<PathBuf>, Fault> {
    match fs::symlink_metadata(venv) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Unseen(error)),
        Ok(_) if !venv.is_dir() => return Err(Fault::NoEnvironment),
        Ok(_) => {}
    }
    let programs = ["python3", "python"].map(|name| venv.join("bin").join(name));
    let mut why = None;
    for program in programs {
        match usable(&program) {
            Ok(()) => {
                of_its_version(venv, &program)?;
                return Ok(Some(program));
            }
            Err(reason) => {
                // What is there and broken says more than what is not there.
                if why.is_none() || program.is_symlink() {
                    why = Some(reason);
                }
            }
        }
    }
    Err(why.unwrap_or(Fault::NoPython))
}

/// How an environment is put right.
pub fn remedy(venv: &Path) -> String {
    let shown = venv.display();
    format!(
        "repair it with python3 -m venv --upgrade '{shown}', or make a new one with python3 -m venv \
         --clear '{shown}' and install its packages again; without the folder, the script runs in \
         the system's Python"
    )
}

/// The environment that an interpreter belongs to.
pub fn of_interpreter(python: &Path) -> Option<&Path> {
    let venv = python.parent()?.parent()?;
    venv.ends_with(VENV).then_some(venv)
}

/// Whether it can be run.
fn usable(program: &Path) -> Result<(), Fault> {
    let name = program.file_name().unwrap_or_default().display();
    let fault = |what| Err(Fault::Program(what));
    match fs::metadata(program) {
        Ok(kind) if !kind.is_file() => fault(format!("its bin/{name} is no file")),
        Ok(_) => access(program, Access::EXEC_OK)
            .or_else(|error| fault(format!("vpid's user cannot run its bin/{name} ({error})"))),
        Err(_) if program.is_symlink() => {
            let target = fs::read_link(program).unwrap_or_default();
            let target = target.display();
            fault(format!(
                "its bin/{name} is a link to {target}, which is not there any more"
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::NoPython),
        Err(error) => fault(format!("its bin/{name}: {error}")),
    }
}

/// An interpreter finds the environment's packages in the folder of its own version, and knows by
/// `pyvenv.cfg` that it runs in one.
fn of_its_version(venv: &Path, program: &Path) -> Result<(), Fault> {
    let Ok(real) = fs::canonicalize(program) else {
        return Ok(());
    };
    let inside = fs::canonicalize(venv).is_ok_and(|venv| real.starts_with(venv));
    if !inside && !venv.join("pyvenv.cfg").is_file() {
        return Err(Fault::NoConfig);
    }
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let version = name.strip_prefix("python");
    let version = version.filter(|it| it.starts_with(|sign: char| sign.is_ascii_digit()));
    match version.filter(|it| it.contains('.')) {
        Some(version) => has_packages_of(venv, version),
        None => Ok(()),
    }
}

/// Whether the environment was made for this version, such as `3.11`.
pub fn has_packages_of(venv: &Path, version: &str) -> Result<(), Fault> {
    let libraries = venv.join("lib");
    if libraries.join(format!("python{version}")).is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(libraries).into_iter().flatten().flatten();
    let others = entries.filter_map(|entry| {
        let name = entry.file_name();
        Some(name.to_str()?.strip_prefix("python")?.to_owned())
    });
    let others: Vec<String> = others.collect();
    Err(match others.as_slice() {
        [] => Fault::NoPackages,
        others => Fault::OtherVersion(others.join(", "), version.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Script(tempfile::TempDir);

    impl Script {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        /// A program that is called like this Python.
        fn python(&self, name: &str, mode: u32) {
            fs::write(self.at(name), "").unwrap();
            fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn made_for(&self, version: &str) {
            for folder in [".venv/bin", &format!(".venv/lib/python{version}")] {
                fs::create_dir_all(self.at(folder)).unwrap();
            }
            fs::write(self.at(".venv/pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        }

        fn found(&self) -> Result<Option<PathBuf>, String> {
            own_interpreter(self.0.path()).map_err(|error| error.to_string())
        }

        #[track_caller]
        fn refused(&self, reason: &str) {
            let said = self.found().unwrap_err();
            assert!(said.contains(reason), "{said}");
            assert!(said.contains("python3 -m venv --upgrade '"), "{said}");
        }
    }

    #[test]
    fn an_environment_that_works_is_used() {
        let script = Script::new();
        assert_eq!(script.found(), Ok(None));
        script.made_for("3.11");
        script.python("python3.11", 0o755);
        symlink(script.at("python3.11"), script.at(".venv/bin/python")).unwrap();
        assert_eq!(script.found(), Ok(Some(script.at(".venv/bin/python"))));
        symlink("python", script.at(".venv/bin/python3")).unwrap();
        assert_eq!(script.found(), Ok(Some(script.at(".venv/bin/python3"))));
    }

    #[test]
    fn an_environment_that_does_not_is_never_passed_over() {
        let script = Script::new();
        fs::write(script.at(".venv"), "").unwrap();
        script.refused("is no virtual environment");
        fs::remove_file(script.at(".venv")).unwrap();
        symlink("nowhere", script.at(".venv")).unwrap();
        script.refused("is no virtual environment");
        fs::remove_file(script.at(".venv")).unwrap();
        fs::create_dir(script.at(".venv")).unwrap();
        script.refused("there is no python3 in its bin");
        script.made_for("3.9");
        script.refused("there is no python3 in its bin");
        symlink("/nowhere/python3.9", script.at(".venv/bin/python")).unwrap();
        script.refused("bin/python is a link to /nowhere/python3.9, which is not there any more");
        fs::remove_file(script.at(".venv/bin/python")).unwrap();
        fs::create_dir(script.at(".venv/bin/python3")).unwrap();
        script.refused("its bin/python3 is no file");
        fs::remove_dir(script.at(".venv/bin/python3")).unwrap();
        script.python("python3.11", 0o644);
        symlink(script.at("python3.11"), script.at(".venv/bin/python3")).unwrap();
        script.refused("vpid's user cannot run its bin/python3");
        script.python("python3.11", 0o755);
        script.refused("was made for Python 3.9, and its interpreter is Python 3.11 now");
        script.made_for("3.11");
        assert!(script.found().is_ok());
        fs::remove_file(script.at(".venv/pyvenv.cfg")).unwrap();
        script.refused("has no pyvenv.cfg");
    }
}
