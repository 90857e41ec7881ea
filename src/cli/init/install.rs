//! Putting the scripts into a game.
//!
//! Whatever is the owner's stays: `vpi_config.nut`, `mapspawn.nut`, and a `vpi.nut` that is not
//! ours, under another name. Everything goes by the folder's own descriptor, is written beside
//! and renamed, and no link in the folder is followed for it: root may run this in a folder of
//! somebody else.

use super::{Options, find};
use crate::cli::{engine_paths, shadow, table};
use crate::config::{Secret, file};
use crate::io::random;
use crate::limits::{ENGINE_PATH_BYTES_MAX, HOST_BYTES_USUAL, SCRIPT_FILE_BYTES_MAX};
use crate::vscripts::squirrel::Returned;
use crate::vscripts::{self, Installed};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where a stock vpi.nut goes; later ones get a number behind it.
pub(super) const BACKUP: &str = "vpi.nut.before-vpid";
const BACKUPS_MAX: usize = 1000;

/// What was done, for the report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub folder: PathBuf,
    /// The folder had to be made.
    pub made: bool,
    /// The vpi.nut that was there is the one that was to be installed.
    pub unchanged: bool,
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

/// The remedy for a folder of `--vscripts` that cannot be used.
pub(super) const NAME_ANOTHER: &str = "name .../tf/scripts/vscripts";

/// The remedy for a folder of the configuration that cannot be used.
pub(super) const SET_ANOTHER: &str =
    "set vscripts of its [[server]] (VPID_SERVER_VSCRIPTS) to .../tf/scripts/vscripts";

/// Refuses a folder that cannot be used, before anything is written. It may have to be made.
/// `remedy` says where the operator names another.
pub(super) fn look(folder: &Path, scriptdata: &[&Path], remedy: &str) -> Result<(), String> {
    let shown = folder.display();
    if folder.exists() && !folder.is_dir() {
        return Err(format!("{shown} is not a folder; {remedy}"));
    }
    if scriptdata.iter().any(|data| find::lies_in(folder, data)) {
        return Err(format!(
            "{shown} is in scriptdata, where every game script could overwrite it; {remedy}"
        ));
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    if !folder.exists() && !parent.is_dir() {
        return Err(format!(
            "{shown} does not exist, nor does its parent folder; {remedy}"
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
    let text = vscripts::vpi_with(key);
    let unchanged = target.is_current("vpi.nut", text.as_bytes(), mode);
    let vpi = match unchanged {
        true => None,
        false => Some(target.beside("vpi.nut", text.as_bytes(), mode)?),
    };
    let (mut replaced, mut backup) = (None, None);
    match target.read("vpi.nut")?.as_deref().map(Installed::of) {
        None => {}
        Some(Installed::Ours { version, .. }) => replaced = Some(version),
        Some(Installed::Foreign) => backup = Some(folder.join(target.back_up("vpi.nut")?)),
    }
    if let Some(vpi) = vpi {
        vpi.put_over()?;
    }
    Ok(Done {
        unchanged,
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
        if self.is_there(name) {
            // On a full disk, nothing could be written for it.
            return Ok(false);
        }
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

    /// Whether a file is what would be written.
    fn is_current(&self, name: &str, text: &[u8], mode: u32) -> bool {
        let Ok(found) = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return false;
        };
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let is_owners = found.st_uid == self.uid || !rustix::process::geteuid().is_root();
        let is_same = || self.read(name).is_ok_and(|it| it.as_deref() == Some(text));
        is_file && is_owners && found.st_mode & 0o777 == mode && is_same()
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
             group: make sure that the user that runs the game can \
             read\n       {}/vpi.nut\n     and no other user can",
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

// What `vpid init` says: what was done, then what is left to do, in order.

pub(super) struct Report {
    /// As it is shown.
    config: String,
    /// The options that have to be said again for this configuration and this game.
    config_named: bool,
    scriptdata_named: Option<PathBuf>,
    said: Vec<String>,
    steps: Vec<String>,
}

impl Report {
    pub fn new(options: &Options, config: String) -> Self {
        Self {
            config,
            config_named: options.config.is_some(),
            scriptdata_named: options.scriptdata.clone(),
            said: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub fn say(&mut self, line: String) {
        self.said.push(line);
    }

    pub fn step(&mut self, step: String) {
        self.steps.push(step);
    }

    /// ` --config FILE`, where the owner chose the name and so must repeat it.
    pub fn config_option(&self) -> String {
        match self.config_named {
            true => format!(" --config '{}'", self.config),
            false => String::new(),
        }
    }

    pub fn wrote(&mut self, scriptdata: &Path, made: bool) {
        let made = if made { " (made now)" } else { "" };
        self.say(format!("Wrote {} (mode 600)", self.config));
        self.say(format!("Game folder: {}{made}", scriptdata.display()));
    }

    pub fn installed(&mut self, done: &Done) {
        let folder = done.folder.display();
        let made = if done.made { " (made now)" } else { "" };
        let version = vscripts::version();
        self.say(format!(
            "Scripts: version {version}, in {folder}{made}\n  \
             vpi.nut         with the key, mode {:o}{}",
            done.mode,
            match &done.replaced {
                Some(_) if done.unchanged => "; unchanged".to_owned(),
                Some(old) if *old == version => "; written again".to_owned(),
                Some(old) => format!("; was version {old}"),
                None => String::new(),
            }
        ));
        self.say(match done.config_kept {
            true => "  vpi_config.nut  yours, unchanged".into(),
            false => "  vpi_config.nut  new; it is yours to edit".into(),
        });
        self.say(match done.mapspawn {
            Mapspawn::Installed => "  mapspawn.nut    new".into(),
            Mapspawn::Includes => "  mapspawn.nut    yours, unchanged".into(),
            Mapspawn::Lacks => "  mapspawn.nut    yours, unchanged; see below".into(),
        });
        if let Some(backup) = &done.backup {
            let backup = backup.display();
            self.say(format!("The previous vpi.nut is kept as {backup}"));
            self.step(format!(
                "If you use its white list (SOURCE_WHITELIST), copy it from\n       {backup}\n     \
                 into\n       {folder}/vpi_config.nut"
            ));
        }
        if done.mapspawn == Mapspawn::Lacks {
            self.step(format!(
                "At the top of {folder}/mapspawn.nut, paste this line:\n       {}",
                vscripts::include_line()
            ));
        }
        if !done.reading.is_empty() {
            self.step(done.reading.clone());
        }
        for file in shadow::find(&done.folder).custom {
            self.step(match shadow::is_mapspawn(&file) {
                true => format!(
                    "The game loads {file}\n     instead of vpid's. Remove it, or, if it is yours, put this line at \
                     its top:\n       {}",
                    vscripts::include_line()
                ),
                false => format!("The game loads {file}\n     instead of vpid's. Remove it"),
            });
        }
    }

    /// Where the path leaves little room for names of hosts.
    pub fn room_for_hosts(&mut self, scriptdata: &Path, signs: bool) {
        let room = engine_paths::room_for_host(scriptdata, signs);
        if room.is_none_or(|room| room < HOST_BYTES_USUAL) {
            self.say(format!(
                "Note: this path is so long that the game can serve {}: it reads and writes no \
                 file whose whole path has more than {ENGINE_PATH_BYTES_MAX} bytes. Better move \
                 the game to a shorter path",
                match room {
                    None | Some(0) => "no hostname at all".into(),
                    Some(room) => format!("hostnames of up to {room} characters only"),
                }
            ));
        }
    }

    /// The scripts are not in the game yet, and stock ones may be.
    pub fn install_later(&mut self, folder: &Path, stock: &[PathBuf]) {
        let install = format!(
            "vpid init --vscripts '{}'{}",
            folder.display(),
            self.config_option()
        );
        let Some(first) = stock.first() else {
            self.step(format!("Install the scripts in the game: {install}"));
            return;
        };
        let scriptdata = self.scriptdata_named.as_ref();
        let scriptdata = scriptdata.map(|path| format!(" --scriptdata '{}'", path.display()));
        self.step(format!(
            "{} is the stock script or one of a game mode, which this configuration does not serve. \
             Either change to vpid's scripts, which sign their files (the stock one is kept beside \
             them):\n       {install}\n     or keep the stock script:\n       vpid init --legacy \
             --force{}{}",
            first.display(),
            scriptdata.unwrap_or_default(),
            self.config_option()
        ));
    }

    /// The stock script cannot go on as it is.
    pub fn new_secret(&mut self, script: Option<&Path>, found: &Returned, line: usize) {
        self.say(format!("Secret: new, in line {line} of the configuration"));
        let place = match (script, found) {
            (Some(path), Returned::Empty { line: at }) => {
                format!("In {}, replace line {at} with this:", path.display())
            }
            (Some(path), Returned::Text { text, line: at }) => {
                let why = Secret::new(text)
                    .err()
                    .map_or(String::new(), |it| it.to_string());
                let why = why.split(';').next().unwrap_or_default();
                format!(
                    "The secret in {} cannot be kept ({why}). Replace line {at} with this:",
                    path.display()
                )
            }
            (Some(path), Returned::Nothing) => {
                format!(
                    "GetSecret in {} is missing, or what it returns cannot be read. Make this its only line:",
                    path.display()
                )
            }
            (None, _) => {
                "No vpi.nut was found. In yours, make this the only line of GetSecret:".into()
            }
        };
        self.step(format!(
            "{place}\n       return @\"SECRET\";\n     For SECRET, copy legacy_secret from {}, \
             line {line}, without the quotes around it.",
            self.config
        ));
    }

    /// What a community of one's own needs besides `text`, the configuration.
    pub fn community_steps(&mut self, text: &str) {
        let line = super::line_of(text, "# rcon =");
        self.step(format!(
            "For kicks and bans: remove the # in front of rcon and rcon_password_file, from line {line} of {} on, and \
             put the game's rcon_password into that file (mode 600)",
            self.config
        ));
        self.step(format!(
            "Make yourself an administrator: vpid community admin add YOUR-STEAMID{}",
            self.config_option()
        ));
    }

    /// A configuration for our scripts: what comes after they are in the game.
    pub fn start_steps(&mut self) {
        self.try_everything();
        self.step(format!(
            "Start vpid: vpid run{} (stop python vpi.py first, if it runs)",
            self.config_option()
        ));
        self.restart_the_map();
    }

    /// New scripts for a vpid that may run already.
    pub fn check_steps(&mut self) {
        self.try_everything();
        self.restart_the_map();
    }

    /// From vpi.py to vpid, with the stock script.
    pub fn change_over_steps(&mut self) {
        self.step(format!(
            "In {}, name the database of vpi.py under [database], and your vpi_interfaces.py under \
             [scripts], if it has functions of your own (docs/moving-from-vpi.md)",
            self.config
        ));
        self.try_everything();
        self.step("Stop the old server (python vpi.py), if it runs".into());
        self.step(format!(
            "Start the new one: vpid run{}",
            self.config_option()
        ));
    }

    fn try_everything(&mut self) {
        self.step(format!(
            "Test the setup: vpid check{}",
            self.config_option()
        ));
    }

    fn restart_the_map(&mut self) {
        self.step(
            "Restart the map, so that the game loads the scripts: changelevel MAP in its console"
                .into(),
        );
    }

    pub fn print(self, out: &mut dyn Write) -> Result<(), String> {
        let mut text = self.said.join("\n") + "\n\nWhat to do next:\n";
        for (number, step) in (1..).zip(self.steps) {
            text += &format!("  {number}. {step}\n");
        }
        table::but_for_a_gone_reader(out.write_all(text.as_bytes()))
            .map_err(|error| format!("everything was done, but {error}"))
    }
}
