//! What lies where a file or folder of ours belongs and is something else: it is renamed, never
//! followed, opened or removed, and its place is free.

use std::io;
use std::os::fd::AsFd;

pub use rustix::fs::FileType;
use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;

use crate::limits::ASIDE_MAX;
use crate::protocol::names;

/// What lies under a name, in words; `None`: nothing, as far as can be seen. Links are not followed.
pub fn kind(folder: impl AsFd, name: &str) -> Option<(FileType, &'static str)> {
    let stat = fs::statat(folder, &*names::bytes(name), AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let words = match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Some((kind, words))
}

/// Renames what lies under `name` to the first free name for that, and gives it.
///
/// Errors: [`ASIDE_MAX`] things lie there already, or the folder cannot be written.
pub fn move_aside(folder: impl AsFd, name: &str) -> io::Result<String> {
    let folder = folder.as_fd();
    let name = &*names::bytes(name);
    for number in 1..=ASIDE_MAX {
        let aside = names::aside(number);
        let renamed = match fs::renameat_with(folder, name, folder, &aside, RenameFlags::NOREPLACE)
        {
            // The file system cannot do both at once.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match kind(folder, &aside) {
                Some(_) => Err(Errno::EXIST),
                None => fs::renameat(folder, name, folder, &aside),
            },
            other => other,
        };
        match renamed {
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(aside),
        }
    }
    let first = names::aside(1);
    Err(io::Error::other(format!(
        "{ASIDE_MAX} things that were in the way lie there already; look at {first} and the like, \
         and remove them"
    )))
}

/// Moves aside what lies under `name` and is not of this kind, and says so in the log. Nothing
/// happens where nothing is, or the right thing.
pub fn clear(folder: impl AsFd, shown: &str, name: &str, wanted: FileType) -> io::Result<()> {
    let folder = folder.as_fd();
    let Some((_, words)) = kind(folder, name).filter(|(found, _)| *found != wanted) else {
        return Ok(());
    };
    let purpose = match wanted {
        FileType::Directory => "a folder",
        _ => "a file",
    };
    match move_aside(folder, name) {
        Ok(aside) => log::warn!(
            "{shown}/{name} was {words} where {purpose} of vpid belongs; it is {aside} now; look at \
             who made it, and remove it"
        ),
        // It is gone already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let what = format!(
                "{shown}/{name} is {words} where {purpose} of vpid belongs, and cannot be moved \
                 away: {error}"
            );
            return Err(io::Error::new(error.kind(), what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_in_the_way_is_renamed_within_a_bound_and_never_followed() {
        let root = tempfile::tempdir().unwrap();
        let folder = std::fs::File::open(root.path()).unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("target"), "kept").unwrap();
        symlink(at("target"), at("name")).unwrap();
        clear(&folder, "here", "name", FileType::RegularFile).unwrap();
        assert!(kind(&folder, "name").is_none());
        assert!(at(".vpid-aside-1").is_symlink());
        assert_eq!(std::fs::read_to_string(at("target")).unwrap(), "kept");
        for _ in 1..ASIDE_MAX {
            std::fs::create_dir(at("name")).unwrap();
            std::fs::write(at("name/x"), "").unwrap();
            clear(&folder, "here", "name", FileType::RegularFile).unwrap();
        }
        std::fs::create_dir(at("name")).unwrap();
        let error = clear(&folder, "here", "name", FileType::RegularFile).unwrap_err();
        assert!(error.to_string().contains("is a folder"), "{error}");
        assert!(at("name").is_dir());
        // What belongs there is left alone, and so is nothing.
        clear(&folder, "here", "name", FileType::Directory).unwrap();
        clear(&folder, "here", "nothing", FileType::Directory).unwrap();
        assert!(at("name").is_dir());
    }
}
