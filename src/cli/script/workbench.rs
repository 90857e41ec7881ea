//! The verbs of `vpid script` for authors of scripts, which need no running vpid: stubs, new, test.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{self, Path, PathBuf};

use crate::cli::given::{Given, Stop};
use crate::config::{self, MODULE_NAME, is_script_name};
use crate::io::files::write_durably;
use crate::io::python::workbench::{self, Runner, STUB_MARK, STUBS};

/// A line on what was done. A reader that has gone changes nothing about that.
fn say(out: &mut dyn Write, line: std::fmt::Arguments<'_>) -> Result<(), String> {
    crate::cli::table::but_for_a_gone_reader(writeln!(out, "{line}"))
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

pub fn stubs(given: Given) -> Result<(), Stop> {
    let folder = Path::new(&given.words[0]);
    Ok(write_stubs(
        folder,
        given.has("--modules"),
        &mut io::stdout(),
    )?)
}

/// Writes the stubs. Those of another version of vpid are replaced; what is none is not.
fn write_stubs(folder: &Path, with_modules: bool, out: &mut dyn Write) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let stubs = STUBS.map(|(name, text)| (name.to_owned(), text));
    for (name, text) in &stubs {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(before) if !before.starts_with(STUB_MARK.as_bytes()) => {
                let path = path.display();
                return Err(format!(
                    "{path} is there, and vpid did not write it; remove it, or name another folder"
                ));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{} cannot be read: {error}", path.display()));
            }
            _ => {}
        }
        write_readable(&path, text).map_err(|error| failed(&path, &error))?;
    }
    let mut names = stubs.map(|(name, _)| name).to_vec();
    if with_modules {
        if folder.join("main.py").exists() {
            let folder = folder.display();
            return Err(format!(
                "{folder} has a script; name a folder of its own for --modules"
            ));
        }
        for (name, text) in workbench::modules() {
            let path = folder.join(&name);
            write_readable(&path, text).map_err(|error| failed(&path, &error))?;
            names.push(name);
        }
    }
    say(
        out,
        format_args!("{}: {}", folder.display(), names.join(", ")),
    )
}

/// As readable as other files that its user writes.
fn write_readable(path: &Path, text: &str) -> io::Result<()> {
    write_durably(path, text.as_bytes())?;
    let folder_mode = path.parent().map(fs::metadata).transpose()?;
    let mode = folder_mode.map_or(0o600, |it| {
        use std::os::unix::fs::PermissionsExt;
        0o600 | (it.permissions().mode() & 0o044)
    });
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

fn configured_folder(given: &Given) -> Result<PathBuf, Stop> {
    let config = config::load(given.path.as_deref(), given.environment());
    let config = config.map_err(Stop::Configuration)?;
    let folder = config.scripts.and_then(|scripts| scripts.dir);
    folder.ok_or_else(|| {
        let text =
            "the configuration has no dir in [scripts]; add it, or name the folder: --dir FOLDER";
        Stop::Failed(text.into())
    })
}

pub fn new(given: Given) -> Result<(), Stop> {
    let (folder, lacking) = match given.file("--dir") {
        Some(folder) => {
            let lacking = lacking_table(&given, &folder);
            (folder, lacking)
        }
        None => (configured_folder(&given)?, None),
    };
    let next = lacking.unwrap_or_else(|| format!("vpid script load {}", given.words[0]));
    Ok(write_first_script(
        &folder,
        &given.words[0],
        &next,
        &mut io::stdout(),
    )?)
}

/// What to do before a vpid loads scripts from this folder: its configuration has no [scripts]. `None` also where
/// there is no configuration that can be read.
fn lacking_table(given: &Given, folder: &Path) -> Option<String> {
    let config = config::load(given.path.as_deref(), given.environment()).ok()?;
    if config.scripts.is_some() {
        return None;
    }
    let file = config.path?;
    // In the configuration, a relative path begins at its folder.
    let folder = path::absolute(folder).ok()?;
    let beside = path::absolute(&file).ok()?;
    let dir = folder.strip_prefix(beside.parent()?).unwrap_or(&folder);
    Some(format!(
        "add [scripts] with dir = {dir:?} to {}, and restart vpid",
        file.display()
    ))
}

/// Why a script should not have this name.
fn misleading(name: &str) -> Option<String> {
    let why = if name.starts_with("test_") {
        "is what files of tests are called"
    } else if workbench::is_standard_module(Path::new("python3"), name) {
        "is a module of Python's standard library, and scripts that import it would get this script"
    } else {
        return None;
    };
    Some(format!("{name} {why}; choose another name"))
}

/// Writes a small script and its test, and replaces nothing.
fn write_first_script(
    folder: &Path,
    name: &str,
    next: &str,
    out: &mut dyn Write,
) -> Result<(), String> {
    if !is_script_name(name) || name.starts_with('_') {
        return Err(format!(
            "{name:?} is not the name of a script: letters, digits and _, and no digit or _ in front; and not \
             {MODULE_NAME}"
        ));
    }
    if let Some(problem) = misleading(name) {
        return Err(problem);
    }
    let tests = folder.join("tests");
    let files = [
        folder.join(format!("{name}.py")),
        tests.join(format!("test_{name}.py")),
    ];
    let there = files.iter().cloned().chain([folder.join(name)]);
    if let Some(path) = there
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        return Err(format!(
            "{} is there already, and is not changed; choose another name",
            path.display()
        ));
    }
    fs::create_dir_all(&tests).map_err(|error| failed(&tests, &error))?;
    for (path, text) in files.iter().zip(workbench::first_script(name)) {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(path, &error))?;
    }
    let [script, test] = files.each_ref().map(|path| path.display());
    say(out, format_args!("{script}\n{test}"))?;
    say(
        out,
        format_args!("Next: vpid script test {test}, then {next}"),
    )
}

/// Why a file has no tests, by its name.
fn no_tests(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let bare = name.strip_suffix(".py").unwrap_or(&name);
    let is_of_tests = bare.starts_with("test_") || bare.ends_with("_test");
    if path.is_dir() || (is_of_tests && bare != name) {
        return None;
    }
    let tests = path.with_file_name("tests").join(format!("test_{bare}.py"));
    Some(match tests.is_file() && bare != name {
        true => format!(
            "{name} is a script; its tests are in {tests}: vpid script test {tests}",
            tests = tests.display()
        ),
        false => format!(
            "{} is not a file of tests, which are called test_*.py",
            path.display()
        ),
    })
}

pub fn test(given: Given) -> Result<(), Stop> {
    let paths: Vec<PathBuf> = given.words.iter().map(PathBuf::from).collect();
    if let Some(path) = paths.iter().find(|path| !path.exists()) {
        return Err(Stop::Failed(format!("there is no {}", path.display())));
    }
    if let Some(problem) = paths.iter().find_map(|path| no_tests(path)) {
        return Err(Stop::Failed(problem));
    }
    let runner = match given.has("--pytest") {
        true => Runner::Pytest,
        false => Runner::Unittest,
    };
    let python = given.file("--python").unwrap_or_else(|| "python3".into());
    let status = workbench::run_tests(&python, runner, &paths).map_err(|error| {
        let python = python.display();
        format!("{python} cannot be run: {error}; name an interpreter: --python FILE")
    })?;
    match status.success() {
        true => Ok(()),
        // They have said what is wrong.
        false => Err(Stop::Reported),
    }
}
