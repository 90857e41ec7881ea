//! The names in a folder, some at a time: a folder with a hundred thousand of them takes its reader
//! many steps, and none of them long.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{self, FileType, Mode, OFlags};

use super::files::Folder;
use crate::limits;
use crate::protocol::names;

/// A folder that is being read. What is made or renamed meanwhile may be missing.
pub struct Listing {
    fd: OwnedFd,
}

/// Whether an entry of a folder is a plain file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    Yes,
    No,
    /// Some file systems do not say.
    Unknown,
}

impl Listing {
    pub fn begin(folder: &Folder) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(folder.fd(), c".", flags, Mode::empty())?;
        Ok(Self { fd })
    }

    /// Calls `each` with the next names, as [`names::text`] has them: as many as one read of the system
    /// gives, which are some hundreds. False: that was all.
    pub fn next(&mut self, mut each: impl FnMut(&str, Plain)) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); limits::LISTING_BYTES];
        let mut entries = fs::RawDir::new(&self.fd, &mut buffer);
        loop {
            let Some(entry) = entries.next() else {
                return Ok(false);
            };
            let entry = entry?;
            let plain = match entry.file_type() {
                FileType::RegularFile => Plain::Yes,
                FileType::Unknown => Plain::Unknown,
                _ => Plain::No,
            };
            each(&names::text(entry.file_name().to_bytes()), plain);
            if entries.is_buffer_empty() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn many_names_come_in_steps_each_of_them_once() {
        let dir = tempfile::tempdir().unwrap();
        let count = 4 * limits::LISTING_BYTES / 64;
        for n in 0..count {
            std::fs::write(dir.path().join(format!("{n:040}")), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("folder", dir.path().join("link")).unwrap();
        let folder = Folder::open(dir.path(), crate::io::files::Links::Followed).unwrap();
        let mut listing = Listing::begin(&folder).unwrap();
        let (mut plain, mut other, mut steps) = (BTreeSet::new(), BTreeSet::new(), 0);
        let mut more = true;
        while more {
            let mut of_step = 0;
            let step = listing.next(|name, kind| {
                of_step += 1;
                let set = match kind {
                    Plain::No => &mut other,
                    Plain::Yes | Plain::Unknown => &mut plain,
                };
                assert!(set.insert(name.to_string()), "{name} came twice");
            });
            more = step.unwrap();
            assert!(
                of_step <= limits::LISTING_BYTES / 24,
                "{of_step} names in a step"
            );
            steps += 1;
        }
        assert!(steps > 3, "{steps} steps");
        assert!((0..count).all(|n| plain.contains(&format!("{n:040}"))));
        assert!(other.contains("folder") && other.contains("link") || plain.contains("link"));
    }
}
