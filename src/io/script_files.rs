//! The owner's Python scripts as they lie in their folder: `NAME.py`, or `NAME/main.py`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{INTERFACES_NAME, is_script_name};
use crate::limits::SCRIPT_FOLDER_ENTRIES_MAX;

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
    /// Files that would be scripts if they had other names.
    pub misnamed: Vec<PathBuf>,
    /// Names with a file and a folder, of which the file is taken.
    pub twice: Vec<String>,
    /// There is more in the folder, which was not looked at.
    pub more: bool,
}

/// Looks what is there. What cannot be looked at is left out, and so is whatever begins with a
/// dot or `_`.
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
        if file_name.starts_with(['.', '_']) {
            continue;
        }
        let file = match file_name.strip_suffix(".py") {
            Some(name) if path.is_file() => (name, path, folder.to_owned()),
            _ if path.join("main.py").is_file() => (&*file_name, path.join("main.py"), path),
            _ => continue,
        };
        let (name, main, folder) = file;
        if !is_script_name(name) {
            found.misnamed.push(main);
        } else if !NO_SCRIPTS.contains(&name) {
            let name = name.to_owned();
            let same = scripts.entry(name.clone()).or_default();
            same.push(ScriptFile { name, main, folder });
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
    found.misnamed.sort();
    Ok(found)
}

/// The files of one script. Errors are sentences for the operator.
pub fn find_one(folder: &Path, name: &str) -> Result<ScriptFile, String> {
    let shown = folder.display();
    if !is_script_name(name) || NO_SCRIPTS.contains(&name) {
        return Err(format!("{name:?} is not the name of a script"));
    }
    let own = folder.join(name);
    let (file, main) = (folder.join(format!("{name}.py")), own.join("main.py"));
    let (main, folder) = match (file.is_file(), main.is_file()) {
        (true, false) => (file, folder.to_owned()),
        (false, true) => (main, own),
        (true, true) => {
            return Err(format!(
                "both {name}.py and {name}/main.py are in {shown}; remove or rename one of them"
            ));
        }
        (false, false) => {
            return Err(format!(
                "neither {name}.py nor {name}/main.py is in {shown}"
            ));
        }
    };
    let name = name.to_owned();
    Ok(ScriptFile { name, main, folder })
}

/// The interpreter of the virtual environment in a script's own folder, where there is one.
pub fn own_interpreter(folder: &Path) -> Option<PathBuf> {
    let programs = ["python3", "python"].map(|name| folder.join(".venv/bin").join(name));
    programs.into_iter().find(|program| program.is_file())
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
            "data/other.py",
            "vpi_interfaces.py",
            "vpi_config.py",
        ] {
            fs::write(at(file), "").unwrap();
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
        assert_eq!(found.misnamed, [at("my script.py"), at("my-lib/main.py")]);
        assert_eq!((found.twice, found.more), (vec!["both".to_owned()], false));
        assert!(find(&at("nowhere")).is_err());
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
        let problem = |name| file(name).unwrap_err();
        assert!(problem("c").starts_with("both c.py and c/main.py are in"));
        assert!(problem("d").starts_with("neither d.py nor d/main.py is in"));
        for name in ["../a", "b/main", "", "vpi_config"] {
            assert!(problem(name).ends_with("is not the name of a script"));
        }
    }

    #[test]
    fn a_virtual_environment_beside_the_script_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(own_interpreter(folder.path()), None);
        let programs = folder.path().join(".venv/bin");
        fs::create_dir_all(&programs).unwrap();
        for name in ["python", "python3"] {
            fs::write(programs.join(name), "").unwrap();
            assert_eq!(own_interpreter(folder.path()), Some(programs.join(name)));
        }
    }
}
