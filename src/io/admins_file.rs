//! Writes vpid's block in SourceMod's `admins_simple.ini`. The file is the owner's: it keeps its mode and its owner,
//! is replaced whole or not at all, and never made. A link to it is followed, since the owner has named it, and
//! stays one.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::files::{TEMPORARY, sync_folder};
use crate::jobs::store::StoreError;
use crate::limits::ADMINS_FILE_BYTES_MAX;
use crate::protocol::admins_file::{block, with_block};

/// How often it is read again because it was edited meanwhile.
const EDITED_MAX: usize = 3;

/// Puts these lines into vpid's block. A file that has them already is not written.
pub fn write(path: &Path, lines: &str) -> Result<(), StoreError> {
    write_between(path, lines, || {})
}

/// `edit`: what happens between reading and writing it.
fn write_between(path: &Path, lines: &str, mut edit: impl FnMut()) -> Result<(), StoreError> {
    let refused = || StoreError::refused(path, "could not be written");
    for _ in 0..EDITED_MAX {
        let file = AdminsFile::read(path)?;
        let new = with_block(&file.bytes, lines);
        let new = new.map_err(|damaged| StoreError::Damaged(path.to_owned(), damaged))?;
        if new == file.bytes {
            return Ok(());
        }
        if new.len() as u64 > ADMINS_FILE_BYTES_MAX {
            // It could not be read again.
            return Err(StoreError::NoAdminsFile(path.to_owned()));
        }
        edit();
        if file.replace(&new).map_err(refused())? {
            return Ok(());
        }
    }
    let edited = "something else writes it all the time";
    Err(refused()(io::Error::other(edited)))
}

/// Whether the block can be written, as far as that is known without doing it.
pub fn check(path: &Path) -> Result<(), StoreError> {
    let file = AdminsFile::read(path)?;
    block(&file.bytes).map_err(|damaged| StoreError::Damaged(path.to_owned(), damaged))?;
    let written = file.beside();
    written.map_err(StoreError::refused(path, "could not be replaced"))?;
    Ok(())
}

struct AdminsFile {
    /// Without links.
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
}

impl AdminsFile {
    fn read(path: &Path) -> Result<Self, StoreError> {
        let cannot_read = || StoreError::refused(path, "could not be read");
        let found = fs::canonicalize(path).map_err(cannot_read())?;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = File::options();
        let options = options.read(true).custom_flags(flags.bits() as i32);
        let file = options.open(&found).map_err(cannot_read())?;
        let metadata = file.metadata().map_err(cannot_read())?;
        if !metadata.is_file() || metadata.len() > ADMINS_FILE_BYTES_MAX {
            return Err(StoreError::NoAdminsFile(path.to_owned()));
        }
        let mut bytes = Vec::new();
        let mut file = file.take(ADMINS_FILE_BYTES_MAX);
        file.read_to_end(&mut bytes).map_err(cannot_read())?;
        Ok(Self {
            path: found,
            bytes,
            metadata,
        })
    }

    /// Whether it is unedited since.
    fn is_current(&self) -> bool {
        let of = |it: &Metadata| (it.ino(), it.size(), it.mtime(), it.mtime_nsec());
        fs::symlink_metadata(&self.path).is_ok_and(|now| of(&now) == of(&self.metadata))
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// A file beside it that is as open as it is, and belongs to the same user.
    fn beside(&self) -> io::Result<tempfile::NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        let new = builder.prefix(TEMPORARY).tempfile_in(self.folder())?;
        let (ours, theirs) = (new.as_file().metadata()?, &self.metadata);
        let (uid, gid) = (theirs.uid(), theirs.gid());
        if (ours.uid(), ours.gid()) != (uid, gid) {
            fchown(new.as_file(), Some(uid), Some(gid))?;
        }
        new.as_file().set_permissions(theirs.permissions())?;
        Ok(new)
    }

    /// Gives whether it was: not where it was edited meanwhile.
    fn replace(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut new = self.beside()?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        if !self.is_current() {
            return Ok(false);
        }
        new.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(self.folder())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::protocol::admins_file::{BEGIN, END};

    fn block_of(lines: &str) -> String {
        format!("{BEGIN}\n{lines}{END}\n")
    }

    #[test]
    fn the_file_keeps_its_mode_and_a_link_stays_one() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (
            root.path().join("real.ini"),
            root.path().join("admins_simple.ini"),
        );
        fs::write(&file, b"// \xe4\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        check(&link).unwrap();
        write(&link, "a\n").unwrap();
        let expected = [b"// \xe4\n".as_slice(), block_of("a\n").as_bytes()].concat();
        assert_eq!(fs::read(&file).unwrap(), expected);
        assert!(link.is_symlink());
        let before = fs::metadata(&file).unwrap();
        assert_eq!(before.permissions().mode() & 0o777, 0o640);
        // What is there already is not written again.
        write(&link, "a\n").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().ino(), before.ino());
        write(&link, "").unwrap();
        assert_ne!(fs::metadata(&file).unwrap().ino(), before.ino());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_its_owner_writes_meanwhile_is_never_lost() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("admins_simple.ini");
        fs::write(&file, "").unwrap();
        let mut owner = String::new();
        let always = || {
            owner += "// mine\n";
            fs::write(&file, &owner).unwrap();
        };
        let sentence = write_between(&file, "a\n", always).unwrap_err().to_string();
        assert!(sentence.contains("writes it all the time"), "{sentence}");
        assert_eq!(fs::read_to_string(&file).unwrap(), owner);
        assert_eq!(owner.lines().count(), EDITED_MAX);
        let mut once = Some("// new\n");
        let edit = || {
            if let Some(text) = once.take() {
                fs::write(&file, text).unwrap();
            }
        };
        write_between(&file, "a\n", edit).unwrap();
        let expected = format!("// new\n{}", block_of("a\n"));
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("admins_simple.ini");
        for wrong in [write(&file, ""), check(&file)] {
            let sentence = wrong.unwrap_err().to_string();
            assert!(
                sentence.contains("could not be read: No such file"),
                "{sentence}"
            );
        }
        assert!(!file.exists(), "it is not made");
        let damaged = format!("{END}\nmine\n");
        fs::write(&file, &damaged).unwrap();
        for wrong in [write(&file, "a\n"), check(&file)] {
            assert!(matches!(wrong, Err(StoreError::Damaged(..))), "{wrong:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(write(&file, ""), Err(StoreError::NoAdminsFile(file)));
    }
}
