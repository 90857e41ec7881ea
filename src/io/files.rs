//! A scriptdata folder: bounded reads of what games write, whole writes of what they read.
//!
//! Everything in the folder is hostile: no link is followed, no open blocks, no size is
//! believed, and what is not a plain file is left alone. Names come as [`names::text`] has
//! them. All calls go by the folder's own descriptor, so that no other folder can be put in its place.

use super::{aside, private, random};
use crate::limits;
use crate::protocol::names;
use crate::protocol::stock::response_file;
use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    pub mtime_ns: i64,
}

impl Stamp {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// What came of taking a call file.
#[derive(Debug)]
pub enum Take {
    /// It is ours now, under its taken name; the text before the closing NUL.
    Taken { bytes: Vec<u8>, mtime_ns: i64 },
    /// No closing NUL yet. `ours`: it was renamed before that was seen, and has its taken name.
    Unfinished { stamp: Stamp, ours: bool },
    /// Larger than any client writes, and not read. It has its taken name.
    TooLarge { size: u64 },
    /// A link, a folder, a FIFO: left alone.
    NotAFile,
    /// Somebody else was faster.
    Gone,
}

/// What an input file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Empty,
    Holds(Stamp),
}

pub struct Folder {
    path: PathBuf,
    fd: OwnedFd,
    /// The mode for files that the game must be able to write.
    mode: Mode,
    links: Links,
    /// For names that nobody can know before.
    random: RefCell<Box<dyn FnMut() -> u8>>,
}

/// Whether the last part of a folder's path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The owner named it, and may lead wherever they like.
    Followed,
    /// It lies where games and others write.
    Refused,
}

impl Folder {
    /// Errors: also where it is a link that is not followed; the error says so.
    pub fn open(path: &Path, links: Links) -> io::Result<Self> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if links == Links::Refused {
            flags |= OFlags::NOFOLLOW;
        }
        let fd = fs::open(path, flags, Mode::empty()).map_err(|error| match is_link(path) {
            true if links == Links::Refused => {
                io::Error::other("it is a symbolic link, and vpid follows none there; remove it")
            }
            _ => error.into(),
        })?;
        let owner = fs::fstat(&fd)?.st_uid;
        // The game empties what we write. Where it runs as another user, it needs to be let in.
        let same_user = owner == rustix::process::geteuid().as_raw();
        let mode = Mode::from_raw_mode(if same_user { 0o664 } else { 0o666 });
        Ok(Self {
            path: path.to_path_buf(),
            fd,
            mode,
            links,
            random: RefCell::new(Box::new(random::bytes())),
        })
    }

    /// Makes a folder in which the game can write, where there is none, and opens it; the one around
    /// it must be there. A link is not followed. What else lies there, and is no folder, is moved
    /// aside.
    pub fn make(path: &Path) -> io::Result<Self> {
        let around = path.parent().unwrap_or(Path::new("/"));
        let same_user = fs::stat(around)?.st_uid == rustix::process::geteuid().as_raw();
        let mode = Mode::from_raw_mode(if same_user { 0o775 } else { 0o777 });
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && !is_link(path)
        {
            let shown = around.display().to_string();
            aside::clear(File::open(around)?, &shown, name, FileType::Directory)?;
        }
        let made = match fs::mkdir(path, mode) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let folder = Self::open(path, Links::Refused)?;
        if made && !same_user {
            // Past the umask: the game is another user.
            fs::fchmod(&folder.fd, mode)?;
        }
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// When an entry was last made, renamed or removed, unix nanoseconds.
    pub fn changed_ns(&self) -> io::Result<i64> {
        let stat = fs::fstat(&self.fd)?;
        Ok(mtime_ns(&stat))
    }

    /// Whether the folder still has its name: a folder that was replaced must be opened anew.
    pub fn is_current(&self) -> bool {
        let here = match self.links {
            Links::Followed => fs::stat(&self.path),
            Links::Refused => fs::lstat(&self.path),
        };
        let (Ok(here), Ok(ours)) = (here, fs::fstat(&self.fd)) else {
            return false;
        };
        (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino)
    }

    /// The modification time of a plain file, unix nanoseconds; `None` for anything else.
    pub fn mtime_ns(&self, name: &str) -> Option<i64> {
        self.stamp(name).map(|stamp| stamp.mtime_ns)
    }

    /// The present state of a plain file; `None` for anything else.
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        let stat = fs::statat(&self.fd, &*names::bytes(name), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        is_plain(stat.st_mode).then(|| stamp(&stat))
    }

    /// Takes a call file of at most `bytes_max`: reads it whole and renames it to `taken`, so that
    /// its name is free for the game again. A game that opened it in between writes into what we
    /// hold: that is read once more, and where it is not whole then, the caller reads it by its
    /// taken name when it has changed.
    pub fn take(&self, name: &str, taken: &str, bytes_max: usize) -> io::Result<Take> {
        let read = match self.read_complete(name, bytes_max)? {
            // It may be written anew before it is moved away for that.
            Err(Take::TooLarge { .. }) => None,
            Ok(read) => Some(read),
            Err(other) => return Ok(other),
        };
        match fs::renameat(
            &self.fd,
            &*names::bytes(name),
            &self.fd,
            &*names::bytes(taken),
        ) {
            Ok(()) => {}
            Err(rustix::io::Errno::NOENT) => return Ok(Take::Gone),
            Err(error) => return Err(error.into()),
        }
        if let Some((bytes, before)) = read {
            let after = fs::statat(&self.fd, &*names::bytes(taken), AtFlags::SYMLINK_NOFOLLOW)?;
            if stamp(&after) == before {
                let mtime_ns = before.mtime_ns;
                return Ok(Take::Taken { bytes, mtime_ns });
            }
        }
        // Rare: the game truncated it just then, and is about to write.
        Ok(match self.read(taken, bytes_max)? {
            Take::Unfinished { stamp, .. } => Take::Unfinished { stamp, ours: true },
            other => other,
        })
    }

    /// Reads a file of at most `bytes_max` where it is, such as one that was taken before.
    pub fn read(&self, name: &str, bytes_max: usize) -> io::Result<Take> {
        Ok(match self.read_complete(name, bytes_max)? {
            Ok((bytes, stamp)) => Take::Taken {
                bytes,
                mtime_ns: stamp.mtime_ns,
            },
            Err(other) => other,
        })
    }

    fn read_complete(
        &self,
        name: &str,
        bytes_max: usize,
    ) -> io::Result<Result<(Vec<u8>, Stamp), Take>> {
        let Some(file) = self.open_plain(name)? else {
            return Ok(Err(Take::Gone));
        };
        let stat = fs::fstat(&file)?;
        if !is_plain(stat.st_mode) {
            return Ok(Err(Take::NotAFile));
        }
        let stamp = stamp(&stat);
        let ours = false;
        if stamp.size > bytes_max as u64 {
            let size = stamp.size;
            return Ok(Err(Take::TooLarge { size }));
        }
        // What is not whole must not cost as much as what is, each time that it is looked at.
        if stamp.size > limits::LAST_BYTE_FIRST_BYTES && !ends_in_nul(&file, stamp.size)? {
            return Ok(Err(Take::Unfinished { stamp, ours }));
        }
        // What grows behind this is noticed by its stamp.
        let mut bytes = read_up_to(&file, stamp.size as usize)?;
        if bytes.last() != Some(&0) || bytes.len() as u64 != stamp.size {
            return Ok(Err(Take::Unfinished { stamp, ours }));
        }
        // The engine ends a text at its first NUL.
        let end = memchr::memchr(0, &bytes);
        bytes.truncate(end.unwrap_or(bytes.len()));
        Ok(Ok((bytes, stamp)))
    }

    /// Opens without following a link and without waiting for a writer at a FIFO's other end.
    /// `None`: there is no such file, or nothing that could be a plain one.
    fn open_plain(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match fs::openat(&self.fd, &*names::bytes(name), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.fd, &*names::bytes(name), AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Looks at what stands in an input file.
    pub fn input(&self, name: &str) -> io::Result<Input> {
        let Some(file) = self.open_plain(name)? else {
            return Ok(Input::Empty);
        };
        let stat = fs::fstat(&file)?;
        if !is_plain(stat.st_mode) {
            return Ok(Input::Empty);
        }
        let stamp = stamp(&stat);
        if stamp.size > limits::BLANK_INPUT_BYTES_MAX {
            return Ok(Input::Holds(stamp));
        }
        let bytes = read_up_to(&file, stamp.size as usize)?;
        Ok(if response_file::is_empty(&bytes) {
            Input::Empty
        } else {
            Input::Holds(stamp)
        })
    }

    /// Puts a whole file in the place of an input file. It is not synced: an answer is worth
    /// nothing after a power cut. A link or FIFO in its place is replaced, a folder moved aside.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<Stamp> {
        let (temporary, stamp) = self.write_new(bytes)?;
        let put = || fs::renameat(&self.fd, temporary.as_str(), &self.fd, &*names::bytes(name));
        let written = match put() {
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                let shown = self.path.display().to_string();
                aside::clear(&self.fd, &shown, name, FileType::RegularFile)
                    .and_then(|()| Ok(put()?))
            }
            other => other.map_err(io::Error::from),
        };
        if written.is_err() {
            let _ = fs::unlinkat(&self.fd, temporary.as_str(), AtFlags::empty());
        }
        written.map(|()| stamp)
    }

    /// Writes a file under a name that nobody can have taken before.
    fn write_new(&self, bytes: &[u8]) -> io::Result<(String, Stamp)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = {
            let mut random = self.random.borrow_mut();
            names::temporary(u64::from_le_bytes(std::array::from_fn(|_| random())))
        };
        let fd = fs::openat(&self.fd, name.as_str(), flags, self.mode)?;
        let written = self.fill(fd, bytes);
        if written.is_err() {
            let _ = fs::unlinkat(&self.fd, name.as_str(), AtFlags::empty());
        }
        Ok((name, written?))
    }

    fn fill(&self, fd: OwnedFd, bytes: &[u8]) -> io::Result<Stamp> {
        let mut file = File::from(fd);
        if self.mode.as_raw_mode() & 0o002 != 0 {
            // Past the umask: the game is another user.
            fs::fchmod(&file, self.mode)?;
        }
        file.write_all(bytes)?;
        Ok(stamp(&fs::fstat(&file)?))
    }

    /// Moves a file out of the folder, to `target` elsewhere; where that is another file system,
    /// copies as much of it as would be read.
    pub fn move_out(&self, name: &str, target: &Path) -> io::Result<()> {
        match fs::renameat(&self.fd, &*names::bytes(name), fs::CWD, target) {
            Err(rustix::io::Errno::XDEV) => {
                let Some(source) = self.open_plain(name)? else {
                    return Ok(());
                };
                // Whole or not at all: a half of an earlier try must not be in the way of the next one.
                let mut copy = tempfile::Builder::new()
                    .prefix(TEMPORARY)
                    .tempfile_in(parent(target))?;
                // The first part of what is too large to be read says enough. It is not synced:
                // the deciding thread would wait for the disk.
                io::copy(
                    &mut source.take(limits::CALL_FILE_BYTES_MAX as u64),
                    &mut copy,
                )?;
                copy.persist(target).map_err(|error| error.error)?;
                self.remove(name)
            }
            other => Ok(other?),
        }
    }
}

/// Writes a file so that after a crash it is there whole or not at all: written beside, synced,
/// renamed, and the folder synced. Readable by its owner only.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole(path, |file| file.write_all(bytes))?;
    sync_folder(parent(path))
}

/// The same without syncing the folder: until that is done, a crash may bring the former content
/// back. An error leaves that in its place too.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let file = written_beside(path, write)?;
    if let Err(error) = file.persist(path) {
        if error.error.kind() != io::ErrorKind::IsADirectory {
            return Err(error.error);
        }
        private::clear(path, FileType::RegularFile)?;
        error.file.persist(path).map_err(|error| error.error)?;
    }
    Ok(())
}

/// The same where nothing of that name is. What came there meanwhile stays, and is the error `AlreadyExists`.
pub fn write_whole_new(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let file = written_beside(path, write)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// A synced temporary file in the folder of that path.
fn written_beside(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(parent(path))?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// What names begin with that a crash has left over from [`write_whole`].
pub const TEMPORARY: &str = ".tmp";

/// What was renamed or removed in it stays so.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that a path is in.
pub fn parent(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|found| found.is_symlink())
}

fn is_plain(mode: RawMode) -> bool {
    FileType::from_raw_mode(mode) == FileType::RegularFile
}

/// Reads so many bytes, or what there is of them: by one call of the system, mostly.
fn read_up_to(file: &File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    while bytes.len() < most {
        match rustix::io::read(file, spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

fn ends_in_nul(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [0];
    Ok(file.read_at(&mut last, size - 1)? == 1 && last == [0])
}

fn stamp(stat: &fs::Stat) -> Stamp {
    Stamp {
        inode: stat.st_ino,
        size: stat.st_size as u64,
        mtime_ns: mtime_ns(stat),
    }
}

/// Unix nanoseconds. The fields' types differ between machines.
#[allow(clippy::unnecessary_cast)]
fn mtime_ns(stat: &fs::Stat) -> i64 {
    (stat.st_mtime as i64)
        .saturating_mul(1_000_000_000)
        .saturating_add(stat.st_mtime_nsec as i64)
}

/// The name of a file system whose changes from elsewhere inotify does not report; none for
/// all others, and where it cannot be asked.
pub fn remote_file_system(folder: &Path) -> Option<&'static str> {
    // The width of f_type differs between machines; magic numbers have 32 bits.
    let magic = fs::statfs(folder).ok()?.f_type as u32;
    remote_name(magic)
}

pub fn remote_name(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x786f_4256 => Some("a shared folder of VirtualBox"),
        _ => None,
    }
}

// The names in a folder, some at a time: a folder with a hundred thousand of them takes its reader
// many steps, and none of them long.

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
    use super::*;
    use std::collections::BTreeSet;

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
