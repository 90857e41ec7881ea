//! The state folder and what is in it: readable by vpid's user alone, whatever the umask and
//! whatever was there before.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, symlink_metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FileType, OFlags};

use super::aside;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// What others may do.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Whether others need this folder: one of the system, or one in which all users write. It is nothing that vpid could
/// close to them.
pub fn is_of_all(path: &Path) -> bool {
    const OF_THE_SYSTEM: [&str; 23] = [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/local",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/tmp",
    ];
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let is_sticky = path
        .metadata()
        .is_ok_and(|found| found.mode() & 0o1000 != 0);
    is_sticky || OF_THE_SYSTEM.iter().any(|of| path == Path::new(of))
}

/// The state folder itself: made for its user alone where it is missing. One that was there stays as
/// readable as its owner made it, since other things may lie in it, with a warning; what vpid keeps
/// in it is private anyway. But no other user may write there.
pub fn state_folder(path: &Path) -> io::Result<()> {
    let shown = path.display();
    let was_there = path.exists();
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER)
        .create(path)?;
    let folder = File::open(path)?;
    let mode = folder.metadata()?.mode();
    if !was_there {
        return folder.set_permissions(Permissions::from_mode(FOLDER));
    }
    if mode & OTHERS_WRITE != 0 {
        let set = folder.set_permissions(Permissions::from_mode(mode & 0o7777 & !OTHERS_WRITE));
        match set {
            Ok(()) => {
                log::warn!("{shown}: others could write into the state folder, and cannot any more")
            }
            Err(error) => log::error!(
                "{shown}: others can write into the state folder, and that cannot be changed \
                 ({error}); give it to vpid's user alone: chmod 700 '{shown}'"
            ),
        }
    }
    if mode & 0o055 != 0 {
        log::warn!(
            "{shown}: others can look into the state folder; what vpid keeps in it is closed to \
             them, its names are not: chmod 700 '{shown}'"
        );
    }
    Ok(())
}

/// A folder in the state folder. What else lies under its name is moved aside.
pub fn folder(path: &Path) -> io::Result<()> {
    clear(path, FileType::Directory)?;
    match DirBuilder::new().mode(FOLDER).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let opened = open_plain(path, OFlags::DIRECTORY);
    let closed = |folder: File| close(&folder, FOLDER);
    match opened.and_then(closed) {
        // It may be another user's, who alone can change it; the state folder's own mode has to do.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Opens a file of the state folder, in which others may not look. It is made where the options
/// say so; what else than a file lies under its name is moved aside.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    clear(path, FileType::RegularFile)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .mode(FILE)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    close(&file, FILE)?;
    Ok(file)
}

/// Opens what is there, to be read. Follows no link.
pub fn open_plain(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | flags;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits() as i32);
    options.open(path)
}

/// Makes the place of a file free of what is no file.
pub fn clear(path: &Path, wanted: FileType) -> io::Result<()> {
    let (Some(around), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str()))
    else {
        return Ok(());
    };
    if symlink_metadata(path).is_err() {
        return Ok(());
    }
    let shown = around.display().to_string();
    aside::clear(File::open(around)?, &shown, name, wanted)
}

/// Closes what is open to others; quietly, where it belongs to another user.
fn close(file: &File, mode: u32) -> io::Result<()> {
    let metadata = file.metadata()?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if ours && metadata.mode() & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The same for a file of which only the name is known; one that cannot be closed stays as it is.
pub fn close_file(path: &Path) {
    if let Ok(file) = open_plain(path, OFlags::NONBLOCK)
        && file.metadata().is_ok_and(|it| it.is_file())
    {
        let _ = close(&file, FILE);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_that_others_need_are_not_vpids() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/", dir.path().join("link")).unwrap();
        for path in ["/", "/tmp", "/var/lib", "/usr/../etc"] {
            assert!(is_of_all(Path::new(path)), "{path}");
        }
        assert!(is_of_all(&dir.path().join("link")));
        for path in [dir.path(), &dir.path().join("missing")] {
            assert!(!is_of_all(path), "{}", path.display());
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_state_folder_is_made_private_and_no_other_user_may_write() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("a/state");
        state_folder(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
        for (before, after) in [
            (0o755, 0o755),
            (0o777, 0o755),
            (0o770, 0o750),
            (0o700, 0o700),
        ] {
            set(&state, before);
            state_folder(&state).unwrap();
            assert_eq!(mode(&state), after, "{before:o}");
        }
    }

    #[test]
    fn what_is_in_it_is_closed_and_what_is_in_the_way_is_moved() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("open")).unwrap();
        set(&at("open"), 0o755);
        folder(&at("open")).unwrap();
        fs::write(at("file"), "text").unwrap();
        set(&at("file"), 0o644);
        open(&at("file"), OpenOptions::new().read(true)).unwrap();
        assert_eq!((mode(&at("open")), mode(&at("file"))), (0o700, 0o600));

        fs::write(at("elsewhere"), "kept").unwrap();
        for name in ["link", "linked folder"] {
            symlink(at("elsewhere"), at(name)).unwrap();
        }
        folder(&at("linked folder")).unwrap();
        let mut options = OpenOptions::new();
        let file = open(&at("link"), options.append(true).create(true)).unwrap();
        file.set_len(1).unwrap();
        assert!(!at("link").is_symlink() && at("linked folder").is_dir());
        assert_eq!(fs::read_to_string(at("elsewhere")).unwrap(), "kept");
        assert_eq!(
            (mode(&at("linked folder")), mode(&at("link"))),
            (0o700, 0o600)
        );
    }
}
