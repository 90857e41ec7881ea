//! Putting the scripts into a game.
//!
//! Whatever is the owner's stays: `vpi_config.nut`, `mapspawn.nut`, and a `vpi.nut` that is not
//! ours, under another name. Everything goes by the folder's own descriptor, is written beside
//! and renamed, and no link in the folder is followed for it: root may run this in a folder of
//! somebody else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use super::find;
use crate::config::file;
use crate::io::random;
use crate::limits::SCRIPT_FILE_BYTES_MAX;
use crate::vscripts::{self, Installed};

/// Where a stock vpi.nut goes; later ones get a number behind it.
pub(super) const BACKUP: &str = "vpi.nut.before-vpid";
const BACKUPS_MAX: usize = 1000;

/// What was done, for the report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub folder: PathBuf,
    /// The folder had to be made.
    pub made: bool,
    /// The version of ours that was there.
    pub replaced: Option<String>,
    /// Where the vpi.nut is now that was not ours.
    pub backup: Option<PathBuf>,
    /// The owner's vpi_config.nut was there.
    pub config_kept: bool,
    pub mapspawn: Mapspawn,
    pub mode: u32,
    /// What the owner must see to so that the game can read the key; empty when all is well.
    pub reading: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapspawn {
    Installed,
    /// The owner's, and it includes vpi.nut.
    Includes,
    /// The owner's, and it does not.
    Lacks,
}

/// Refuses a folder that cannot be used, before anything is written. It may have to be made.
pub(super) fn look(folder: &Path, scriptdata: &[&Path]) -> Result<(), String> {
    let shown = folder.display();
    if folder.exists() && !folder.is_dir() {
        return Err(format!(
            "{shown} is not a folder; name .../tf/scripts/vscripts"
        ));
    }
    if scriptdata.iter().any(|data| find::lies_in(folder, data)) {
        return Err(format!(
            "{shown} lies in scriptdata, where every game script could overwrite it; name \
             .../tf/scripts/vscripts"
        ));
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    if !folder.exists() && !parent.is_dir() {
        return Err(format!(
            "{shown} does not exist, nor does the folder it would be made in; name \
             .../tf/scripts/vscripts"
        ));
    }
    let into = if folder.exists() { folder } else { parent };
    let wanted = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
    fs::accessat(fs::CWD, into, wanted, AtFlags::EACCESS).map_err(|error| {
        format!(
            "{} cannot be written: {error}; run `vpid init` as the user that runs the game",
            into.display()
        )
    })
}

/// Brings the scripts with this key into the folder, or up to date.
pub(super) fn install(folder: &Path, key: &str) -> Result<Done, String> {
    let (target, made) = Target::open(folder)?;
    let config_kept = !target.put_new("vpi_config.nut", vscripts::VPI_CONFIG.as_bytes())?;
    let mapspawn = if target.put_new("mapspawn.nut", vscripts::MAPSPAWN.as_bytes())? {
        Mapspawn::Installed
    } else if vscripts::includes_vpi(&target.read("mapspawn.nut")?.unwrap_or_default()) {
        Mapspawn::Includes
    } else {
        Mapspawn::Lacks
    };
    // Last, so that it finds its settings; and the old one stays until the new one is there.
    let mode = if target.ours { 0o600 } else { 0o640 };
    let vpi = target.beside("vpi.nut", vscripts::vpi_with(key).as_bytes(), mode)?;
    let (mut replaced, mut backup) = (None, None);
    match target.read("vpi.nut")?.as_deref().map(Installed::of) {
        None => {}
        Some(Installed::Ours { version, .. }) => replaced = Some(version),
        Some(Installed::Foreign) => backup = Some(folder.join(target.back_up("vpi.nut")?)),
    }
    vpi.put_over()?;
    Ok(Done {
        folder: folder.to_owned(),
        made,
        replaced,
        backup,
        config_kept,
        mapspawn,
        mode,
        reading: target.reading(),
    })
}

/// A folder that is written into.
struct Target {
    path: PathBuf,
    fd: OwnedFd,
    uid: u32,
    gid: u32,
    /// What is made here can be made the folder's owner's.
    ours: bool,
}

impl Target {
    /// Makes it where it has to be, and says so.
    fn open(path: &Path) -> Result<(Self, bool), String> {
        let made = match fs::mkdirat(fs::CWD, path, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed(path, "made", error.into())),
        };
        // The folder itself may be a link: its owner named it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())
            .map_err(|error| failed(path, "opened as a folder", error.into()))?;
        // What is made now is meant for whom the folder around it belongs to.
        let owner = match path.parent().filter(|_| made) {
            Some(around) => fs::stat(around),
            None => fs::fstat(&fd),
        };
        let owner = owner.map_err(|error| failed(path, "looked at", error.into()))?;
        let target = Self {
            path: path.to_owned(),
            fd,
            uid: owner.st_uid,
            gid: owner.st_gid,
            ours: is_ours(owner.st_uid),
        };
        if made {
            let given = target.give(&target.fd);
            given.map_err(|error| failed(path, "given to its owner", error.into()))?;
        }
        Ok((target, made))
    }

    /// None when there is none. A link is followed: reading does no harm.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|error| failed(&path, "read", error.into()))?,
        };
        let mut text = Vec::new();
        File::from(fd)
            .take(SCRIPT_FILE_BYTES_MAX as u64)
            .read_to_end(&mut text)
            .map_err(|error| failed(&path, "read", error))?;
        let text = file::without_mark(text);
        let text = text.map_err(|wrong| format!("{} {wrong}", path.display()))?;
        Ok(Some(text))
    }

    /// Puts a file where nothing is, not even a broken link. False when something is.
    fn put_new(&self, name: &str, text: &[u8]) -> Result<bool, String> {
        self.beside(name, text, 0o644)?.put_new()
    }

    /// Writes a file whole under another name.
    fn beside<'a>(&'a self, name: &'a str, text: &[u8], mode: u32) -> Result<Beside<'a>, String> {
        let beside = Beside {
            target: self,
            name,
            temporary: temporary_name(),
        };
        let written = self.write(&beside.temporary, text, mode);
        written.map_err(|error| failed(&self.path.join(name), "written", error))?;
        Ok(beside)
    }

    fn write(&self, name: &str, text: &[u8], mode: u32) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        // Not readable by other users before it has its owner.
        let fd = fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(fd);
        file.write_all(text)?;
        self.give(&file)?;
        fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        file.sync_all()
    }

    /// To the folder's owner where we may, else to its group where we may.
    fn give(&self, file: impl rustix::fd::AsFd) -> rustix::io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if rustix::process::geteuid().is_root() {
            return fs::fchown(file, Some(uid), Some(gid));
        }
        if !self.ours {
            let _ = fs::fchown(file, None, Some(gid));
        }
        Ok(())
    }

    fn is_there(&self, name: &str) -> bool {
        fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// False when something has the new name already.
    fn rename_new(&self, from: &str, to: &str) -> rustix::io::Result<bool> {
        match fs::renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A file system that cannot do both in one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !self.is_there(to) => {
                fs::renameat(&self.fd, from, &self.fd, to).map(|()| true)
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves a file to the first free name for it, and says which.
    fn back_up(&self, name: &str) -> Result<String, String> {
        for number in 1..=BACKUPS_MAX {
            let backup = match number {
                1 => BACKUP.to_owned(),
                _ => format!("{BACKUP}.{number}"),
            };
            let moved = self.rename_new(name, &backup);
            if moved.map_err(|error| failed(&self.path.join(name), "kept", error.into()))? {
                return Ok(backup);
            }
        }
        Err(format!(
            "{} has {BACKUPS_MAX} copies of an earlier vpi.nut; remove some",
            self.path.display()
        ))
    }

    fn reading(&self) -> String {
        if self.ours {
            return String::new();
        }
        let us = rustix::process::geteuid().as_raw();
        format!(
            "The game's folder is uid {}'s, and vpi.nut is yours (uid {us}) and readable by its \
             group: see to it that the user that runs the game can read\n       {}/vpi.nut\n     \
             and nobody else",
            self.uid,
            self.path.display()
        )
    }
}

/// A file that is written and not yet in its place. It is removed where it does not get there.
struct Beside<'a> {
    target: &'a Target,
    name: &'a str,
    temporary: String,
}

impl Beside<'_> {
    /// In the place of whatever is there.
    fn put_over(self) -> Result<(), String> {
        let fd = &self.target.fd;
        self.settled(fs::renameat(fd, self.temporary.as_str(), fd, self.name).map(|()| true))?;
        Ok(())
    }

    /// Where nothing is; false when something is.
    fn put_new(self) -> Result<bool, String> {
        self.settled(self.target.rename_new(&self.temporary, self.name))
    }

    fn settled(&self, renamed: rustix::io::Result<bool>) -> Result<bool, String> {
        let path = self.target.path.join(self.name);
        let renamed = renamed.map_err(|error| failed(&path, "put in place", error.into()))?;
        fs::fsync(&self.target.fd).map_err(|error| failed(&path, "made durable", error.into()))?;
        Ok(renamed)
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        // Once it is in its place this name is free, and random enough to be no other program's.
        let name = self.temporary.as_str();
        let _ = fs::unlinkat(&self.target.fd, name, AtFlags::empty());
    }
}

/// Whether what we make can belong to this user.
fn is_ours(uid: u32) -> bool {
    let us = rustix::process::geteuid();
    us.is_root() || us.as_raw() == uid
}

fn temporary_name() -> String {
    let mut random = random::bytes();
    let tail: String = (0..8).map(|_| format!("{:02x}", random())).collect();
    format!(".vpid-init-{tail}")
}

fn failed(path: &Path, step: &str, error: io::Error) -> String {
    format!("{} cannot be {step}: {error}", path.display())
}
