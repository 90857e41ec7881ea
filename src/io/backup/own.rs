//! Files of vpid itself, which are no scripts though the folder of scripts may contain them: a backup without secrets
//! would have keys, and a restore would put back what it has to edit.

use std::path::{Path, PathBuf};

use super::{FILES, folders};
use crate::io::files;

/// What else is in a state folder that may be the folder of scripts, too.
const OTHER_STATE: [&str; 3] = ["vpid.lock", "control.sock", "rejected"];
/// The endings of what SQLite keeps of a database: its file, and those beside it.
pub const OF_DATABASE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// What vpid keeps in the state folder; other things there are the owner's.
pub fn kept() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().chain(OTHER_STATE).chain(folders())
}

/// Where they are, links resolved.
#[derive(Debug, Clone, Default)]
pub struct Own(Vec<PathBuf>);

impl Own {
    pub fn new<'a>(
        state_dir: &Path,
        scripts: Option<&Path>,
        databases: impl Iterator<Item = &'a Path>,
        others: impl Iterator<Item = &'a Path>,
    ) -> Self {
        let mut own = Self::default();
        // The scripts may be in a folder of the state folder.
        match scripts {
            Some(scripts) if real(scripts).starts_with(real(state_dir)) => {
                kept().for_each(|name| own.add(&state_dir.join(name)));
            }
            _ => own.add(state_dir),
        }
        for database in databases {
            for ending in OF_DATABASE {
                let mut name = database.as_os_str().to_owned();
                name.push(ending);
                own.add(Path::new(&name));
            }
        }
        others.for_each(|path| own.add(path));
        own
    }

    /// By its name, and by what a link of that name leads to.
    pub fn add(&mut self, path: &Path) {
        self.0.push(real(path));
        self.0.push(named(path));
    }

    /// Whether a path is one of them, or is in a folder of them.
    pub fn has(&self, path: &Path) -> bool {
        let (real, named) = (real(path), named(path));
        let is_in = |own: &PathBuf| real.starts_with(own) || named.starts_with(own);
        self.0.iter().any(is_in)
    }
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return match rest.as_os_str().is_empty() {
                true => found,
                false => found.join(rest),
            };
        }
    }
    path
}

/// The same, but for its last name.
fn named(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(name) => real(files::parent(path)).join(name),
        None => real(path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_of_vpid_are_known_by_every_path_and_scripts_beside_them_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("all/state/outbox")).unwrap();
        fs::write(at("key"), "").unwrap();
        symlink(at("all"), at("link")).unwrap();
        symlink(at("key"), at("all/key")).unwrap();
        let own = |state: &str| {
            let (database, key) = (at("all/vpid.db"), at("link/key"));
            let databases = std::iter::once(database.as_path());
            let others = std::iter::once(key.as_path());
            Own::new(&at(state), Some(&at("link/.")), databases, others)
        };
        for state in ["all/state", "all"] {
            let own = own(state);
            for name in [
                "vpid.db",
                "vpid.db-wal",
                "key",
                "state/outbox/7.json",
                "version",
            ] {
                // A folder of its own has no version beside the scripts.
                let is_own = match state {
                    "all" => !name.starts_with("state/"),
                    _ => name != "version",
                };
                assert_eq!(own.has(&at("link/./").join(name)), is_own, "{state} {name}");
            }
            assert!(own.has(&at("key")) && !own.has(&at("all/begun.py")));
        }
    }
}
