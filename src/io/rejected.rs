//! Files that could not be believed or understood, kept with the reason beside each.
//!
//! `state/rejected/<when>-<name>` and the same name with `.reason`. Bounded in count and bytes:
//! the oldest go first.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::Folder;
use super::private;
use crate::limits;

pub struct Rejected {
    dir: PathBuf,
    count: usize,
    bytes: u64,
}

impl Rejected {
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("rejected");
        private::folder(&dir)?;
        let mut rejected = Self {
            dir,
            count: 0,
            bytes: 0,
        };
        rejected.prune()?;
        Ok(rejected)
    }

    /// Moves a file here. `stamp` orders the files (unix microseconds).
    pub fn keep(
        &mut self,
        folder: &Folder,
        name: &str,
        stamp: u64,
        reason: &str,
    ) -> io::Result<PathBuf> {
        // The names that reach this are of the protocol's alphabet; the bound is for the rest.
        let short = &name[..name.len().min(180)];
        let target = self.dir.join(format!("{stamp:020}-{short}"));
        folder.move_out(name, &target)?;
        // Identities and calls are in it, which are nobody else's.
        private::close_file(&target);
        let mut options = OpenOptions::new();
        let reasons = private::open(
            &reason_path(&target),
            options.write(true).create(true).truncate(true),
        );
        writeln!(reasons?, "{reason}")?;
        self.count += 1;
        self.bytes += fs::symlink_metadata(&target).map_or(0, |data| data.len());
        if self.count > limits::REJECTED_FILES_MAX || self.bytes > limits::REJECTED_BYTES_MAX {
            self.prune()?;
        }
        Ok(target)
    }

    /// Counts what is there, and removes the oldest until a tenth of the room is free.
    fn prune(&mut self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            private::close_file(&entry.path());
            if entry
                .path()
                .extension()
                .is_none_or(|extension| extension != "reason")
            {
                files.push((
                    entry.file_name(),
                    entry.metadata().map_or(0, |data| data.len()),
                ));
            }
        }
        files.sort();
        self.count = files.len();
        self.bytes = files.iter().map(|(_, bytes)| bytes).sum();
        let full =
            self.count > limits::REJECTED_FILES_MAX || self.bytes > limits::REJECTED_BYTES_MAX;
        let (count_goal, bytes_goal) = match full {
            true => (
                limits::REJECTED_FILES_MAX * 9 / 10,
                limits::REJECTED_BYTES_MAX * 9 / 10,
            ),
            false => (usize::MAX, u64::MAX),
        };
        for (name, bytes) in files {
            if self.count <= count_goal && self.bytes <= bytes_goal {
                break;
            }
            let path = self.dir.join(name);
            fs::remove_file(&path)?;
            let _ = fs::remove_file(reason_path(&path));
            self.count -= 1;
            self.bytes -= bytes;
        }
        Ok(())
    }
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
        assert_eq!(Rejected::open(state.path()).unwrap().count, rejected.count);
    }
}
