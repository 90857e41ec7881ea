//! What authors of scripts work with: stubs for type checkers, a first script with its test, and the tests of scripts,
//! run without a game and without a running vpid.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::io::{FdFlags, fcntl_setfd};

use super::interpreters::sources_of;
use super::{MODULES, TESTING};

/// Files for type checkers and editors, made of the modules by `tests/python/make_stub.py`.
pub const STUBS: [(&str, &str); 2] = [
    ("game.pyi", include_str!("game.pyi")),
    ("game_testing.pyi", include_str!("game_testing.pyi")),
];

/// What every stub begins with.
pub const STUB_MARK: &str = "# Made of ";

const SCRIPT: &str = include_str!("workbench/script.py");
const TEST: &str = include_str!("workbench/test_script.py");
const RUN_TESTS: &str = include_str!("workbench/run_tests.py");

/// vpid's modules as files, for tests that run without vpid.
pub fn modules() -> impl Iterator<Item = (String, &'static str)> {
    let modules = MODULES.iter().chain([&TESTING]);
    modules.map(|(name, source)| (format!("{name}.py"), *source))
}

/// A small script of this name, and its test.
pub fn first_script(name: &str) -> [String; 2] {
    [SCRIPT, TEST].map(|text| text.replace("NAME", name))
}

/// Whether a module of Python's standard library has this name, by an interpreter that knows (3.10 or later).
pub fn is_standard_module(python: &Path, name: &str) -> bool {
    const ASK: &str = "import sys; print(sys.argv[1] in sys.stdlib_module_names)";
    let mut command = Command::new(python);
    let output = command.args(["-I", "-S", "-c", ASK, name]).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"True"))
}

/// What runs tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    Unittest,
    Pytest,
}

/// Runs the tests of these files and folders, and waits. They print by themselves.
pub fn run_tests(python: &Path, runner: Runner, paths: &[PathBuf]) -> io::Result<ExitStatus> {
    let sources = sources_of(MODULES.iter().chain([&TESTING]))?;
    // The interpreter inherits it, since what vpid itself holds is closed to all but root; so the tests keep their
    // standard input for a debugger.
    fcntl_setfd(&sources, FdFlags::empty())?;
    let file = format!("/proc/self/fd/{}", sources.as_raw_fd());
    let runner = match runner {
        Runner::Unittest => "unittest",
        Runner::Pytest => "pytest",
    };
    let mut command = Command::new(python);
    command.args(["-B", "-c", RUN_TESTS, &file, runner]);
    command.args(paths).status()
}
