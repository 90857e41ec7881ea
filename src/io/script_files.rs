//! The owner's Python scripts as they lie in their folder: `NAME.py`, or `NAME/main.py`.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::venv::VENV;
use crate::config::{INTERFACES_NAME, MODULE_NAME, Scripts, is_script_name};
use crate::limits::SCRIPT_FOLDER_ENTRIES_MAX;

/// What Python runs of a script that is a folder.
const MAIN: &str = "main.py";
/// So many files are named that are passed over; the others are counted.
const PASSED_OVER_NAMED_MAX: usize = 20;

/// What may lie beside scripts and is none: functions that were written for VPI, with what they
/// are configured by.
const NO_SCRIPTS: [&str; 2] = [INTERFACES_NAME, "vpi_config"];

/// A script that lies in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    pub name: String,
    /// What Python runs.
    pub main: PathBuf,
    /// Where it runs, and finds its modules.
    pub folder: PathBuf,
}

/// What lies in a folder of scripts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By their names.
    pub scripts: Vec<ScriptFile>,
    /// What looks like a script and is not started, with what goes on after its path.
    pub passed_over: Vec<(PathBuf, &'static str)>,
    /// Names with a file and a folder, of which the file is taken.
    pub twice: Vec<String>,
    /// There is more in the folder, which was not looked at.
    pub more: bool,
}

const MISNAMED: &str = "is not started: names of scripts have letters, digits and _, and begin with \
                        no digit; rename it";
const MODULE: &str = "is not started: the module that scripts import is called game; rename it";
const NO_MAIN: &str = "is not started: a folder with a script has a main.py in it; rename its first \
                       file, or add an __init__.py if it is a package that scripts import";
const UNREADABLE: &str =
    "is not started: vpid's user may not look into it; correct its owner or mode";
const DANGLING: &str = "is not started: it is a link that leads nowhere; correct or remove it";
const OTHER_END: &str =
    "is not started: the name of a script ends in .py, in small letters; rename it";
const NOT_A_FILE: &str = "is not started: it is no file, and a folder with a script is called by its \
                          bare name";
const INTERFACES: &str = "is not started: it is for vpi_interfaces; set vpi_interfaces in [scripts] to \
                          this path if its functions are to be served";
const SHARED_VENV: &str = "is not used: a .venv is for the main.py in the same folder; set python in \
                           [scripts] to its bin/python if all scripts are to run in it";

/// Looks what is there. Whatever begins with a dot or `_` is left out, as Python's own files do.
pub fn find(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let mut scripts: BTreeMap<String, Vec<ScriptFile>> = BTreeMap::new();
    for (number, entry) in std::fs::read_dir(folder)?.enumerate() {
        if number == SCRIPT_FOLDER_ENTRIES_MAX {
            found.more = true;
            break;
        }
        let entry = entry?;
        let path = entry.path();
        let file_name = entry.file_name();
        let file_name = file_name.to_string_lossy();
        let (name, main, folder) = match look(&file_name, path, folder) {
            Look::Script(name, main, folder) => (name, main, folder),
            Look::PassedOver(path, why) => {
                found.passed_over.push((path, why));
                continue;
            }
            Look::Other => continue,
        };
        if name == MODULE_NAME {
            found.passed_over.push((main, MODULE));
        } else if !is_script_name(name) {
            found.passed_over.push((main, MISNAMED));
        } else if !NO_SCRIPTS.contains(&name) {
            let name = name.to_owned();
            let same = scripts.entry(name.clone()).or_default();
            same.push(ScriptFile { name, main, folder });
        } else if name == INTERFACES_NAME {
            found.passed_over.push((main, INTERFACES));
        }
    }
    for (name, mut same) in scripts {
        // Entries come in any order.
        same.sort_by_key(|script| script.folder != folder);
        if same.len() > 1 {
            found.twice.push(name);
        }
        found.scripts.extend(same.into_iter().next());
    }
    found.passed_over.sort();
    Ok(found)
}

/// What an entry of the folder is.
enum Look<'a> {
    /// A name, what Python runs, and where.
    Script(&'a str, PathBuf, PathBuf),
    PassedOver(PathBuf, &'static str),
    Other,
}

fn look<'a>(file_name: &'a str, path: PathBuf, folder: &Path) -> Look<'a> {
    if file_name == VENV {
        return Look::PassedOver(path, SHARED_VENV);
    }
    if file_name.starts_with(['.', '_']) {
        return Look::Other;
    }
    let kind = std::fs::metadata(&path);
    let is_folder = kind.as_ref().is_ok_and(Metadata::is_dir);
    if is_folder {
        return look_into(file_name, path);
    }
    let Some(bare) = file_name.strip_suffix(".py") else {
        return match ends_like_python(file_name) {
            true => Look::PassedOver(path, OTHER_END),
            false if kind.is_err() && !file_name.contains('.') => Look::PassedOver(path, DANGLING),
            false => Look::Other,
        };
    };
    match kind {
        Ok(kind) if kind.is_file() => Look::Script(bare, path, folder.to_owned()),
        Ok(_) => Look::PassedOver(path, NOT_A_FILE),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Look::PassedOver(path, DANGLING),
        Err(_) => Look::PassedOver(path, UNREADABLE),
    }
}

fn look_into(file_name: &str, path: PathBuf) -> Look<'_> {
    let main = path.join(MAIN);
    match std::fs::metadata(&main) {
        Ok(kind) if kind.is_file() => return Look::Script(file_name, main, path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Look::PassedOver(path, UNREADABLE);
        }
        Err(_) if main.is_symlink() => return Look::PassedOver(main, DANGLING),
        Ok(_) | Err(_) => {}
    }
    if file_name.ends_with(".py") {
        return Look::PassedOver(path, NOT_A_FILE);
    }
    let Ok(entries) = std::fs::read_dir(&path) else {
        return Look::PassedOver(path, UNREADABLE);
    };
    let mut has_python = false;
    for entry in entries.flatten().take(SCRIPT_FOLDER_ENTRIES_MAX) {
        let name = entry.file_name();
        match name.to_str() {
            Some("__init__.py") => return Look::Other,
            Some(name) if is_test(name) => {}
            Some(name) => has_python |= name.ends_with(".py") || ends_like_python(name),
            None => {}
        }
    }
    match has_python || path.join(VENV).exists() {
        true => Look::PassedOver(path, NO_MAIN),
        false => Look::Other,
    }
}

/// What `vpid script test` runs, and pytest reads. A folder with nothing else is no script that lacks its main.py.
fn is_test(name: &str) -> bool {
    name == "conftest.py" || (name.starts_with("test_") && name.ends_with(".py"))
}

/// `A.PY`, `a.py.txt`, `a.pyw`
fn ends_like_python(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let like = [".py", ".py.txt", ".pyw", ".py3"];
    like.iter().any(|end| lower.ends_with(end)) && !name.ends_with(".py")
}

impl Found {
    /// What is passed over, as sentences. What the configuration uses otherwise is not.
    pub fn sentences(&self, scripts: &Scripts) -> Vec<String> {
        let used = |path: &&(PathBuf, &str)| {
            let is_interfaces = scripts.vpi_interfaces.as_ref() == Some(&path.0);
            is_interfaces || scripts.python.starts_with(&path.0)
        };
        let mut sentences: Vec<String> = self
            .passed_over
            .iter()
            .filter(|path| !used(path))
            .map(|(path, why)| format!("{} {why}", path.display()))
            .collect();
        if let Some(more) = sentences.len().checked_sub(PASSED_OVER_NAMED_MAX + 1) {
            sentences.truncate(PASSED_OVER_NAMED_MAX);
            sentences.push(format!("... and {} more like these", more + 1));
        }
        sentences
    }
}

/// Why a script has no file, with its name and the folder of all scripts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScript {
    #[error("{0:?} is not the name of a script")]
    NoName(String),
    #[error("both {0}.py and {0}/main.py are in {1}; remove or rename one of them")]
    Both(String, PathBuf),
    #[error("neither {0}.py nor {0}/main.py is in {1}")]
    Neither(String, PathBuf),
}

/// The files of one script.
pub fn find_one(folder: &Path, name: &str) -> Result<ScriptFile, NoScript> {
    if !is_script_name(name) || NO_SCRIPTS.contains(&name) {
        return Err(NoScript::NoName(name.to_owned()));
    }
    let own = folder.join(name);
    let (file, main) = (folder.join(format!("{name}.py")), own.join(MAIN));
    let (main, folder) = match (file.is_file(), main.is_file()) {
        (true, false) => (file, folder.to_owned()),
        (false, true) => (main, own),
        (true, true) => return Err(NoScript::Both(name.to_owned(), folder.to_owned())),
        (false, false) => return Err(NoScript::Neither(name.to_owned(), folder.to_owned())),
    };
    let name = name.to_owned();
    Ok(ScriptFile { name, main, folder })
}

/// Whether the folder has a file of this script, or two.
pub fn is_there(folder: &Path, name: &str) -> bool {
    let none = |error| matches!(error, NoScript::NoName(_) | NoScript::Neither(..));
    find_one(folder, name).map_or_else(|error| !none(error), |_| true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn scripts_are_files_or_folders_with_a_main_file() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in [
            "b",
            "both",
            "data",
            "my-lib",
            "dir.py",
            "package",
            "no-main",
            ".venv",
            ".hidden",
            "__pycache__",
        ] {
            fs::create_dir(at(folder)).unwrap();
        }
        for file in [
            "a.py",
            "both.py",
            "both/main.py",
            "b/main.py",
            "my-lib/main.py",
            "my script.py",
            ".hidden/main.py",
            ".a.py",
            "_shared.py",
            "readme.txt",
            "data/other.txt",
            "package/__init__.py",
            "no-main/stats.py",
            "SHOUTED.PY",
            "notes.py.txt",
            "game.py",
            "vpi_interfaces.py",
            "vpi_config.py",
        ] {
            fs::write(at(file), "").unwrap();
        }
        for link in ["gone.py", "lost"] {
            std::os::unix::fs::symlink("nowhere", at(link)).unwrap();
        }
        let found = find(root.path()).unwrap();
        let script = |name: &str, main: &str, folder: &str| ScriptFile {
            name: name.into(),
            main: at(main),
            folder: at(folder),
        };
        let scripts = [
            script("a", "a.py", ""),
            script("b", "b/main.py", "b"),
            script("both", "both.py", ""),
        ];
        assert_eq!(found.scripts, scripts);
        let passed_over = [
            (".venv", SHARED_VENV),
            ("SHOUTED.PY", OTHER_END),
            ("dir.py", NOT_A_FILE),
            ("game.py", MODULE),
            ("gone.py", DANGLING),
            ("lost", DANGLING),
            ("my script.py", MISNAMED),
            ("my-lib/main.py", MISNAMED),
            ("no-main", NO_MAIN),
            ("notes.py.txt", OTHER_END),
            ("vpi_interfaces.py", INTERFACES),
        ];
        assert_eq!(
            found.passed_over,
            passed_over.map(|(path, why)| (at(path), why))
        );
        assert_eq!((found.twice, found.more), (vec!["both".to_owned()], false));
        assert!(find(&at("nowhere")).is_err());
    }

    #[test]
    fn a_folder_with_tests_alone_is_not_named() {
        let root = tempfile::tempdir().unwrap();
        let tests = root.path().join("tests");
        fs::create_dir(&tests).unwrap();
        for file in ["test_a.py", "conftest.py"] {
            fs::write(tests.join(file), "").unwrap();
        }
        assert_eq!(find(root.path()).unwrap(), Found::default());
        fs::write(tests.join("stats.py"), "").unwrap();
        let found = find(root.path()).unwrap();
        assert_eq!(found.passed_over, [(tests, NO_MAIN)]);
    }

    #[test]
    fn the_file_of_a_script_is_one_of_two_and_not_both() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for file in ["a.py", "b/main.py", "c.py", "c/main.py", "vpi_config.py"] {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), "").unwrap();
        }
        let file = |name| find_one(root.path(), name).map(|file| (file.main, file.folder));
        assert_eq!(file("a"), Ok((at("a.py"), at(""))));
        assert_eq!(file("b"), Ok((at("b/main.py"), at("b"))));
        let problem = |name| file(name).unwrap_err().to_string();
        assert!(problem("c").starts_with("both c.py and c/main.py are in"));
        assert!(problem("d").starts_with("neither d.py nor d/main.py is in"));
        for name in ["../a", "b/main", "", "vpi_config"] {
            assert!(problem(name).ends_with("is not the name of a script"));
        }
    }
}
