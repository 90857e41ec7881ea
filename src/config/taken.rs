//! Files that vpid writes by the owner's word: none of them is another one of its files.

use std::path::{Path, PathBuf};

use super::database::{Database, Engine};
use super::reader::{Location, Reader};

/// Files that no setting for output may name.
pub(super) struct Taken {
    state_dir: PathBuf,
    files: Vec<(PathBuf, String)>,
}

impl Reader<'_> {
    /// Files in which something else must not be written, and what they are.
    pub(super) fn taken(&self, state_dir: &Path, databases: &[Database]) -> Taken {
        let databases = databases.iter().filter_map(|it| match &it.engine {
            Engine::Sqlite(sqlite) => Some((sqlite.path.clone(), "a database".to_owned())),
            Engine::Mysql(_) => None,
        });
        let configuration = self.written.file.iter().chain(&self.files).cloned();
        let configuration = configuration.map(|it| (it, "part of the configuration".to_owned()));
        Taken {
            state_dir: state_dir.to_owned(),
            files: databases.chain(configuration).collect(),
        }
    }

    /// A file that vpid writes over, or adds to, is nothing else's.
    pub(super) fn claim(&mut self, place: &Location, file: &Path, taken: &mut Taken) {
        if file.starts_with(&taken.state_dir) {
            self.problem(place, "is in the state folder; name a file elsewhere");
        }
        let is_it = |(other, _): &&(PathBuf, String)| {
            std::path::absolute(other).ok() == std::path::absolute(file).ok()
        };
        if let Some((_, what)) = taken.files.iter().find(is_it) {
            self.problem(place, format!("is {what}, too; name another file"));
        }
        taken
            .files
            .push((file.to_owned(), format!("the {}", place.key)));
    }
}
