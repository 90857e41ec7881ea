//! The folder of scripts: which are there, and where the file of each is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::is_script_name;
use crate::limits;

/// What a folder of scripts holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the alphabet.
    pub names: Vec<String>,
    /// What is wrong with the others, a sentence each.
    pub ignored: Vec<String>,
}

/// Looks for scripts: `NAME.py`, or `NAME/main.py`. What begins with a dot or `_` is none.
pub fn found_scripts(dir: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(dir)? {
        let file = entry?.file_name();
        let shown = file.to_string_lossy();
        let path = dir.join(&file);
        let stem = shown.strip_suffix(".py");
        let is_script = match stem {
            Some(_) => path.is_file(),
            None => path.join("main.py").is_file(),
        };
        let name = stem.unwrap_or(&shown);
        if !is_script || name.starts_with(['.', '_']) {
            continue;
        }
        if is_script_name(name) {
            found.names.push(name.to_owned());
        } else {
            found.ignored.push(format!(
                "{}: it is not started: names of scripts have letters, digits and _, and begin \
                 with no digit; rename it",
                path.display()
            ));
        }
    }
    found.names.sort();
    // Both a file and a folder: the start says so.
    found.names.dedup();
    found.ignored.sort();
    for name in found.names.iter().skip(limits::SCRIPTS_MAX) {
        found.ignored.push(format!(
            "{}: {name} is not started: one vpid runs {} scripts at most",
            dir.display(),
            limits::SCRIPTS_MAX
        ));
    }
    found.names.truncate(limits::SCRIPTS_MAX);
    Ok(found)
}

/// The file with which a script begins. Errors are sentences for the operator.
pub fn main_file(dir: &Path, name: &str) -> Result<PathBuf, String> {
    let shown = dir.display();
    if !is_script_name(name) {
        return Err(format!(
            "{name:?} can be no script: names have letters, digits and _, and begin with no digit"
        ));
    }
    let file = dir.join(format!("{name}.py"));
    let in_folder = dir.join(name).join("main.py");
    match (file.is_file(), in_folder.is_file()) {
        (true, false) => Ok(file),
        (false, true) => Ok(in_folder),
        (true, true) => Err(format!(
            "{shown}: there are both {name}.py and {name}/main.py; remove or rename one"
        )),
        (false, false) => Err(format!(
            "{shown}: there is neither {name}.py nor {name}/main.py"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn files_and_folders_are_scripts_and_all_else_is_not() {
        let folder = folder(&[
            "welcome.py",
            "bans/main.py",
            "notes.txt",
            "data/table.py",
            "_shared.py",
            ".hidden.py",
            "__pycache__/main.py",
            "two words.py",
            "1st/main.py",
            "folder.py/x",
        ]);
        let found = found_scripts(folder.path()).unwrap();
        assert_eq!(found.names, ["bans", "welcome"]);
        assert_eq!(found.ignored.len(), 2, "{:?}", found.ignored);
        assert!(found.ignored[0].contains("1st: it is not started"));
        assert!(found.ignored[1].contains("two words.py"));
        assert!(found_scripts(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn there_is_an_end_to_scripts() {
        let names: Vec<String> = (0..70).map(|n| format!("s{n:02}.py")).collect();
        let folder = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let found = found_scripts(folder.path()).unwrap();
        assert_eq!((found.names.len(), found.ignored.len()), (64, 6));
        assert!(found.ignored[0].contains("s64 is not started"));
    }

    #[test]
    fn the_file_of_a_script_is_one_of_two_and_not_both() {
        let folder = folder(&["a.py", "b/main.py", "c.py", "c/main.py"]);
        let file = |name| main_file(folder.path(), name);
        assert_eq!(file("a"), Ok(folder.path().join("a.py")));
        assert_eq!(file("b"), Ok(folder.path().join("b/main.py")));
        assert!(file("c").unwrap_err().contains("both c.py and c/main.py"));
        assert!(
            file("d")
                .unwrap_err()
                .contains("neither d.py nor d/main.py")
        );
        assert!(file("../a").unwrap_err().contains("can be no script"));
    }
}
