//! Files that could not be believed or understood, kept with the reason beside each.
//!
//! `state/rejected/<when>-<name>` and the same name with `.reason`. Bounded in count and bytes:
//! the oldest go first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::Folder;
use crate::limits;

pub struct Rejected {
    dir: PathBuf,
    count: usize,
    bytes: u64,
}

impl Rejected {
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("rejected");
        fs::create_dir_all(&dir)?;
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
        let is_end = |at: &usize| name.is_char_boundary(*at);
        let end = (0..=name.len().min(180)).rev().find(is_end);
        let short = &name[..end.unwrap_or_default()];
        let target = self.dir.join(format!("{stamp:020}-{short}"));
        folder.move_out(name, &target)?;
        fs::write(reason_path(&target), format!("{reason}\n"))?;
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

    #[test]
    fn the_oldest_go_first_and_take_their_reasons_along() {
        let scriptdata = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(scriptdata.path()).unwrap();
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
