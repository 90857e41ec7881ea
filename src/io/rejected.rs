//! Files that could not be believed or understood, kept with the reason beside each.
//!
//! `state/rejected/<when>-<name>` and the same name with `.reason`. Bounded in count and bytes:
//! the oldest go first.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::Folder;
use super::private;
use crate::limits;
use crate::protocol::cut::cut;

/// So much of a name is kept, behind when it came.
const NAME_BYTES_MAX: usize = 180;

pub struct Rejected {
    dir: PathBuf,
    /// Their names, which begin with when they came, and sizes.
    files: BTreeMap<OsString, u64>,
    bytes: u64,
}

impl Rejected {
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("rejected");
        private::folder(&dir)?;
        let files = kept(&dir)?;
        let bytes = files.values().sum();
        let mut rejected = Self { dir, files, bytes };
        if rejected.is_full() {
            rejected.prune()?;
        }
        Ok(rejected)
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Moves a file here. `stamp` orders the files (unix microseconds).
    pub fn keep(
        &mut self,
        folder: &Folder,
        name: &str,
        stamp: u64,
        reason: &str,
    ) -> io::Result<PathBuf> {
        let short = cut(name, NAME_BYTES_MAX);
        let target = self.dir.join(format!("{stamp:020}-{short}"));
        folder.move_out(name, &target)?;
        // Identities and calls are in it, which no other user may read.
        private::close_file(&target);
        // It is moved, whatever becomes of what is beside it.
        if let Err(error) = write_reason(&target, reason) {
            let name = target.display();
            log::warn!("{name}: the reason cannot be written beside it ({error})");
        }
        let bytes = fs::symlink_metadata(&target).map_or(0, |data| data.len());
        self.bytes += bytes;
        let name = target.file_name().unwrap_or_default().to_owned();
        self.bytes -= self.files.insert(name, bytes).unwrap_or(0);
        if self.is_full()
            && let Err(error) = self.prune()
        {
            let dir = self.dir.display();
            log::warn!("{dir}: the oldest files cannot be removed ({error}); remove some");
        }
        Ok(target)
    }

    /// Removes the oldest until a tenth of the room is free.
    fn prune(&mut self) -> io::Result<()> {
        while self.files.len() > limits::REJECTED_FILES_MAX * 9 / 10
            || self.bytes > limits::REJECTED_BYTES_MAX * 9 / 10
        {
            let Some((name, bytes)) = self.files.pop_first() else {
                return Ok(());
            };
            self.bytes -= bytes;
            let path = self.dir.join(name);
            let removed = fs::remove_file(&path);
            let _ = fs::remove_file(reason_path(&path));
            // An operator may have taken it away.
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.files.len() > limits::REJECTED_FILES_MAX || self.bytes > limits::REJECTED_BYTES_MAX
    }
}

fn write_reason(file: &Path, reason: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true);
    writeln!(private::open(&reason_path(file), options)?, "{reason}")
}

/// What is there, closed to others, and how large it is.
fn kept(dir: &Path) -> io::Result<BTreeMap<OsString, u64>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        private::close_file(&path);
        let extension = path.extension();
        if extension.is_none_or(|extension| extension != "reason") {
            let bytes = entry.metadata().map_or(0, |data| data.len());
            files.insert(entry.file_name(), bytes);
        }
    }
    Ok(files)
}

fn reason_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".reason");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::files::Links;

    #[test]
    fn the_oldest_go_first_and_take_their_reasons_along() {
        let scriptdata = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(scriptdata.path(), Links::Followed).unwrap();
        let mut rejected = Rejected::open(state.path()).unwrap();
        let count = limits::REJECTED_FILES_MAX as u64 + 1;
        for stamp in 0..count {
            fs::write(scriptdata.path().join("x"), "text").unwrap();
            rejected.keep(&folder, "x", stamp, "because").unwrap();
        }
        let left: Vec<_> = fs::read_dir(state.path().join("rejected"))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 2 * (limits::REJECTED_FILES_MAX * 9 / 10));
        let newest = state
            .path()
            .join(format!("rejected/{:020}-x.reason", count - 1));
        assert_eq!(fs::read_to_string(newest).unwrap(), "because\n");
        assert_eq!(Rejected::open(state.path()).unwrap().files, rejected.files);
    }
}
