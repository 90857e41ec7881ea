//! Making a backup: the order of it is in `mod.rs`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use tempfile::{NamedTempFile, TempDir};

use super::archive::{self, WriteError, Writer};
use super::database::{DatabaseError, Snapshot};
use super::own::Own;
use super::{FILES, RESTORE_TEMPORARY, TEMPORARY, folders};
use crate::config;
use crate::io::control::{self, AskError};
use crate::io::files;
use crate::io::lock::{self, Lock, LockError};
use crate::io::private;
use crate::io::state_version::{self, VersionError};
use crate::limits::{
    BACKUP_FILES_MAX, BACKUP_HOLD_PAUSE_MS, BACKUP_HOLDS_MAX, BACKUP_LEFT_OVER_S,
    BACKUP_SCRIPTS_DEPTH_MAX,
};
use crate::protocol::backup::{CONFIG, FORMAT, Manifest, Member};
use crate::protocol::control::Request;

/// What a backup is made of.
pub struct Sources {
    pub state_dir: PathBuf,
    /// SQLite files, by the names of the databases; empty: the default one.
    pub databases: Vec<(String, PathBuf)>,
    /// The text of the configuration, as the backup has it.
    pub config: Option<String>,
    /// Files beside it, by their paths in its folder.
    pub config_files: Vec<(String, PathBuf)>,
    pub scripts: Option<PathBuf>,
    /// What is no script, wherever the scripts are.
    pub own: Own,
    /// Whether secrets are in any of that.
    pub secrets: bool,
    /// RFC 3339.
    pub created: String,
    /// For who finds the file.
    pub readme: String,
}

/// Where it goes.
pub enum Output<'a> {
    /// A file, in the place of another only if `force`.
    File {
        path: &'a Path,
        force: bool,
    },
    Stream(&'a mut dyn Write),
}

/// What was made.
#[derive(Debug)]
pub struct Done {
    pub manifest: Manifest,
    /// Whether a vpid was running.
    pub running: bool,
    /// What is not in it, as sentences.
    pub left_out: Vec<String>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} exists already; name another file, or overwrite it with --force")]
    Exists(PathBuf),
    #[error("{0} cannot be written ({1}); check its folder, and free some space there")]
    Output(PathBuf, io::Error),
    #[error("the output cannot be written ({0})")]
    Stream(io::Error),
    #[error("{0} cannot be read ({1}); run this as the user that vpid runs as")]
    Read(PathBuf, io::Error),
    #[error(
        "{0}: temporary files cannot be made there ({1}); free some space, or run this as vpid's user"
    )]
    Temporary(PathBuf, io::Error),
    #[error("a vpid runs on {0}, and cannot be asked for a moment without writes: {1}")]
    Hold(PathBuf, AskError),
    #[error(
        "the vpid that runs on {0} is of another version, and knows no backups ({1}); stop it for the backup, or restart \
         it"
    )]
    OtherVpid(PathBuf, AskError),
    #[error(
        "the files of {0} could not be fixed within a moment; try again when the machine is less busy"
    )]
    Late(PathBuf),
    #[error(
        "with those in {0}, there are more than {BACKUP_FILES_MAX} files, and no backup has so many; move some of them \
         elsewhere"
    )]
    TooMany(PathBuf),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Write(WriteError),
}

/// A file of the state folder as it is in the backup.
struct Fixed {
    member: Member,
    /// Its second name.
    path: PathBuf,
    size: u64,
    mtime_s: u64,
}

/// Makes a backup. `interrupted` is set by signals: then it ends, and leaves nothing behind.
pub fn make(
    sources: &Sources,
    output: Output<'_>,
    interrupted: &AtomicBool,
) -> Result<Done, BackupError> {
    if let Output::File { path, force: false } = &output
        && fs::symlink_metadata(path).is_ok()
    {
        return Err(BackupError::Exists(path.to_path_buf()));
    }
    let mut moment = Moment::fix(sources)?;
    if let Output::File { path, .. } = &output {
        moment.own.add(path);
    }
    match output {
        Output::Stream(stream) => {
            let around = std::env::temp_dir();
            let around = match &moment.folder {
                Some(folder) => folder.path(),
                None => &around,
            };
            let copies = temporary_folder(around)
                .map_err(|error| BackupError::Temporary(around.to_owned(), error))?;
            let copies = copies.path();
            moment.write(sources, copies, stream, interrupted, BackupError::Stream)
        }
        Output::File { path, force } => {
            let failed = |error| BackupError::Output(path.to_owned(), error);
            let around = files::parent(path);
            remove_left_over(around);
            let copies = temporary_folder(around).map_err(failed)?;
            // For its owner alone, as all temporary files of this crate are.
            let mut file = NamedTempFile::with_prefix_in(TEMPORARY, around).map_err(failed)?;
            let done = moment.write(
                sources,
                copies.path(),
                file.as_file_mut(),
                interrupted,
                failed,
            )?;
            file.as_file().sync_all().map_err(failed)?;
            let persisted = match force {
                true => file.persist(path),
                false => file.persist_noclobber(path),
            };
            persisted.map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
                _ => failed(error.error),
            })?;
            files::sync_folder(around).map_err(failed)?;
            Ok(done)
        }
    }
}

fn temporary_folder(around: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(around)
}

/// What is of one moment.
#[derive(Default)]
struct Moment {
    /// Has the second names; none: there is no state folder yet.
    folder: Option<TempDir>,
    files: Vec<Fixed>,
    databases: Vec<(String, Snapshot)>,
    state_version: u32,
    running: bool,
    /// What is no script, with the file that this backup becomes.
    own: Own,
    left_out: Vec<String>,
}

impl Moment {
    fn fix(sources: &Sources) -> Result<Self, BackupError> {
        let state = &sources.state_dir;
        let mut moment = Self {
            own: sources.own.clone(),
            ..Self::default()
        };
        if !state.is_dir() {
            moment.databases = snapshots(sources)?;
            moment
                .left_out
                .push(format!("{}: there is no state folder yet", state.display()));
            return Ok(moment);
        }
        remove_left_over(state);
        let folder = temporary_folder(state)
            .map_err(|error| BackupError::Temporary(state.clone(), error))?;
        // A vpid that does not run is kept from starting meanwhile. No lock is made: it would be of who runs this.
        let lock = lock::was_held(state).then(|| Lock::of_state(state));
        moment.running = match &lock {
            Some(Err(LockError::Io(error))) => {
                let error = io::Error::new(error.kind(), error.to_string());
                return Err(BackupError::Read(state.clone(), error));
            }
            Some(Err(LockError::Held(_))) => true,
            Some(Ok(_)) | None => false,
        };
        if moment.running {
            hold(state)?;
        }
        let fixed = snapshots(sources).and_then(|databases| {
            moment.databases = databases;
            moment.link(state, folder.path())
        });
        if moment.running {
            let released = control::ask(state, &Request::Release, control::PATIENCE)
                .map_err(|error| BackupError::Hold(state.clone(), error))?;
            fixed?;
            if released["ok"] != true {
                return Err(BackupError::Late(state.clone()));
            }
        } else {
            fixed?;
        }
        (moment.state_version, _) = state_version::of(state)?;
        moment.folder = Some(folder);
        Ok(moment)
    }

    /// Gives all files of the state folder second names, and notes their lengths.
    fn link(&mut self, state: &Path, to: &Path) -> Result<(), BackupError> {
        for name in FILES {
            self.link_file(&state.join(name), name, to)?;
        }
        for folder in folders() {
            let path = state.join(folder);
            let failed = |error| BackupError::Read(path.clone(), error);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                match entry.file_name().into_string() {
                    Ok(name) if name.starts_with(files::TEMPORARY) => {}
                    Ok(name) => {
                        self.link_file(&path.join(&name), &format!("{folder}/{name}"), to)?
                    }
                    Err(_) => self.leave_out(&entry.path(), NOT_UTF8),
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.left_out.push(format!("{}: {why}", path.display()));
    }

    fn link_file(&mut self, from: &Path, name: &str, to: &Path) -> Result<(), BackupError> {
        let failed = |error| BackupError::Read(from.to_owned(), error);
        let is_file = match fs::symlink_metadata(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found.map_err(failed)?.is_file(),
        };
        let member = Member::State(name.to_owned());
        let why = match is_file {
            true => unfit(&member),
            false => Some("it is no file of vpid"),
        };
        if let Some(why) = why {
            self.leave_out(from, why);
            return Ok(());
        }
        if self.files.len() >= BACKUP_FILES_MAX {
            return Err(BackupError::TooMany(files::parent(from).to_owned()));
        }
        let path = to.join(self.files.len().to_string());
        match fs::hard_link(from, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The file system knows no second names, or the file is another user's.
            Err(_) => drop(fs::copy(from, &path).map_err(failed)?),
        }
        let about = fs::symlink_metadata(&path).map_err(failed)?;
        self.files.push(Fixed {
            member,
            path,
            size: about.len(),
            mtime_s: u64::try_from(about.mtime()).unwrap_or(0),
        });
        Ok(())
    }

    /// Copies all databases. Their read transactions, which keep write-ahead logs from being shortened, end with that,
    /// however slowly the archive is read.
    fn copy_databases(
        &mut self,
        to: &Path,
        interrupted: &AtomicBool,
    ) -> Result<Vec<(String, PathBuf)>, BackupError> {
        let mut copies = Vec::new();
        for (name, snapshot) in std::mem::take(&mut self.databases) {
            let copy = to.join(format!("{}.db", copies.len()));
            snapshot.copy(&copy, interrupted)?;
            copies.push((name, copy));
        }
        Ok(copies)
    }

    /// Writes the archive. `copies`: where databases are copied to before.
    fn write(
        mut self,
        sources: &Sources,
        copies: &Path,
        out: &mut dyn Write,
        interrupted: &AtomicBool,
        failed: impl Fn(io::Error) -> BackupError,
    ) -> Result<Done, BackupError> {
        let wrong = |error| match error {
            WriteError::Io(error) => failed(error),
            WriteError::TooMany => {
                let folder = sources.scripts.as_ref();
                BackupError::TooMany(folder.unwrap_or(&sources.state_dir).clone())
            }
            other => BackupError::Write(other),
        };
        let databases = self.copy_databases(copies, interrupted)?;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = now_s.map_or(0, |now| now.as_secs());
        let manifest = Manifest {
            format: FORMAT,
            vpid: env!("CARGO_PKG_VERSION").to_owned(),
            created: sources.created.clone(),
            state_version: self.state_version,
            secrets: sources.secrets,
            files: Vec::new(),
        };
        let out = BufWriter::with_capacity(256 << 10, out);
        let begun = Writer::begin(out, &sources.readme, manifest, now_s, interrupted);
        let mut writer = begun.map_err(wrong)?;
        for file in &self.files {
            let mut content = opened(&file.path)?;
            let about = (file.size, file.mtime_s);
            writer
                .add(&file.member, about, &mut content)
                .map_err(wrong)?;
        }
        for (name, copy) in databases {
            let member = Member::Database(name);
            add(&mut writer, member, &copy, opened).map_err(|error| error.of(wrong))?;
            fs::remove_file(&copy).map_err(|error| BackupError::Temporary(copy, error))?;
        }
        if let Some(text) = &sources.config {
            let member = Member::Config(CONFIG.to_owned());
            let about = (text.len() as u64, now_s);
            writer
                .add(&member, about, &mut text.as_bytes())
                .map_err(wrong)?;
        }
        for (name, path) in &sources.config_files {
            let member = Member::Config(name.clone());
            // An owner may have linked it.
            add(&mut writer, member, path, opened_through_links)
                .map_err(|error| error.of(wrong))?;
        }
        if let Some(folder) = &sources.scripts {
            for (name, path) in scripts(folder, &self.own, &mut self.left_out)? {
                let member = Member::Script(name);
                add(&mut writer, member, &path, opened).map_err(|error| error.of(wrong))?;
            }
        }
        let (_, manifest) = writer.finish().map_err(wrong)?;
        Ok(Done {
            manifest,
            running: self.running,
            left_out: self.left_out,
        })
    }
}

/// A file could not be read, or its content not be written.
enum AddError {
    Read(BackupError),
    Write(WriteError),
}

impl AddError {
    fn of(self, wrong: impl Fn(WriteError) -> BackupError) -> BackupError {
        match self {
            Self::Read(error) => error,
            Self::Write(error) => wrong(error),
        }
    }
}

/// Adds a file as it is now.
fn add<W: Write>(
    writer: &mut Writer<'_, W>,
    member: Member,
    path: &Path,
    open: impl Fn(&Path) -> Result<File, BackupError>,
) -> Result<(), AddError> {
    let mut content = open(path).map_err(AddError::Read)?;
    let about = content.metadata();
    let about = about.map_err(|error| AddError::Read(BackupError::Read(path.to_owned(), error)))?;
    let mtime_s = u64::try_from(about.mtime()).unwrap_or(0);
    writer
        .add(&member, (about.len(), mtime_s), &mut content)
        .map_err(AddError::Write)
}

fn opened(path: &Path) -> Result<File, BackupError> {
    let failed = |error| BackupError::Read(path.to_owned(), error);
    private::open_plain(path, OFlags::NONBLOCK).map_err(failed)
}

fn opened_through_links(path: &Path) -> Result<File, BackupError> {
    let failed = |error| BackupError::Read(path.to_owned(), error);
    let file = config::file::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(failed(io::Error::other("it is not a file"))),
    }
}

fn snapshots(sources: &Sources) -> Result<Vec<(String, Snapshot)>, BackupError> {
    let mut snapshots = Vec::new();
    for (name, path) in &sources.databases {
        if let Some(snapshot) = Snapshot::begin(path)? {
            snapshots.push((name.clone(), snapshot));
        }
    }
    Ok(snapshots)
}

/// Has the vpid that runs begin no write of documents; it may be at one.
fn hold(state: &Path) -> Result<(), BackupError> {
    for _ in 0..BACKUP_HOLDS_MAX {
        let held = control::ask(state, &Request::Hold, control::PATIENCE);
        let held = held.map_err(|error| match error {
            AskError::Refused(_) => BackupError::OtherVpid(state.to_owned(), error),
            other => BackupError::Hold(state.to_owned(), other),
        })?;
        if held["ok"] == true {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(BACKUP_HOLD_PAUSE_MS));
    }
    Err(BackupError::Late(state.to_owned()))
}

/// What a backup or restore that was killed has left in a folder.
fn remove_left_over(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = [TEMPORARY, RESTORE_TEMPORARY]
            .iter()
            .any(|it| name.starts_with(it));
        let Some(about) = entry.metadata().ok().filter(|_| is_ours) else {
            continue;
        };
        let age = about.modified().ok().and_then(|time| time.elapsed().ok());
        let is_old = age.is_some_and(|age| age.as_secs() > BACKUP_LEFT_OVER_S);
        if !is_old || about.uid() != rustix::process::geteuid().as_raw() {
            continue;
        }
        // The next backup tries again.
        let _ = match about.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
    }
}

const NOT_UTF8: &str = "its name is not UTF-8; rename it";

/// Why the name of a member cannot be in an archive, as what follows a colon.
fn unfit(member: &Member) -> Option<&'static str> {
    if !member.fits() {
        return Some("its path is too long for an archive; shorten it");
    }
    match Member::parse(&member.to_string()) {
        Some(_) => None,
        None => Some("its name is not plain; rename it"),
    }
}

/// Whether a restore has put aside what was there, under this name (`restore.rs`).
fn is_aside(name: &str) -> bool {
    name.starts_with("before-restore-") || name.contains(".before-restore-")
}

fn is_backup(path: &Path) -> Result<bool, BackupError> {
    let mut file = opened(path)?;
    archive::begins_as_one(&mut file).map_err(|error| BackupError::Read(path.to_owned(), error))
}

/// Python scripts, by their paths in their folder: no hidden files, such as environments of packages, no links,
/// nothing of vpid's own, and no other backup: each would contain those before it.
fn scripts(
    folder: &Path,
    own: &Own,
    left_out: &mut Vec<String>,
) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), folder.to_owned(), 0)];
    while let Some((prefix, path, depth)) = folders.pop() {
        let failed = |error| BackupError::Read(path.clone(), error);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden || name == "__pycache__" || own.has(&path) {
                continue;
            }
            let Ok(name) = name.into_string() else {
                left_out.push(format!("{}: {NOT_UTF8}", path.display()));
                continue;
            };
            let kind = entry.file_type().map_err(failed)?;
            let (is_aside, name) = (is_aside(&name), format!("{prefix}{name}"));
            let why = if is_aside {
                "a restore put it aside"
            } else if kind.is_dir() && depth < BACKUP_SCRIPTS_DEPTH_MAX {
                folders.push((format!("{name}/"), path, depth + 1));
                continue;
            } else if !kind.is_file() {
                "it is no plain file"
            } else if let Some(why) = unfit(&Member::Script(name.clone())) {
                why
            } else if is_backup(&path)? {
                "it is a backup of vpid"
            } else if found.len() >= BACKUP_FILES_MAX {
                return Err(BackupError::TooMany(folder.to_owned()));
            } else {
                found.push((name, path));
                continue;
            };
            left_out.push(format!("{}: {why}", path.display()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// The ends of sentences, by the names that they are about.
    fn whys(left_out: &[String], folder: &Path) -> Vec<String> {
        let folder = format!("{}/", folder.display());
        let mut whys: Vec<String> = left_out.iter().map(|it| it.replace(&folder, "")).collect();
        whys.sort();
        whys
    }

    #[test]
    fn scripts_that_no_archive_can_have_and_other_backups_are_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        let long = format!("{}.py", "l".repeat(98));
        fs::create_dir(at(b"before-restore-1")).unwrap();
        let names: [&[u8]; 8] = [
            b"a.py",
            b"README",
            b"caf\xe8.py",
            b"caf\xe9.py",
            b"before-restore-1/begun",
            b"vpid.db.before-restore-1-wal",
            b"now.tar",
            long.as_bytes(),
        ];
        for name in names {
            fs::write(at(name), "README").unwrap();
        }
        let manifest = Manifest {
            format: FORMAT,
            vpid: "0.1.0".into(),
            created: String::new(),
            state_version: 1,
            secrets: true,
            files: Vec::new(),
        };
        let go_on = AtomicBool::new(false);
        let file = File::create(at(b"old.tar")).unwrap();
        let writer = Writer::begin(file, "hello\n", manifest, 7, &go_on).unwrap();
        writer.finish().unwrap();
        let mut own = Own::default();
        own.add(&at(b"now.tar"));
        let mut left_out = Vec::new();
        let found = scripts(folder.path(), &own, &mut left_out).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["README", "a.py"]);
        let expected = [
            "before-restore-1: a restore put it aside".to_owned(),
            format!("caf\u{fffd}.py: {NOT_UTF8}"),
            format!("caf\u{fffd}.py: {NOT_UTF8}"),
            format!("{long}: its path is too long for an archive; shorten it"),
            "old.tar: it is a backup of vpid".to_owned(),
            "vpid.db.before-restore-1-wal: a restore put it aside".to_owned(),
        ];
        assert_eq!(whys(&left_out, folder.path()), expected);
    }

    #[test]
    fn files_of_the_state_folder_that_no_archive_can_have_are_left_out_and_named() {
        let (state, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outbox = state.path().join("outbox");
        fs::create_dir(&outbox).unwrap();
        let long = "l".repeat(101);
        let names: [&[u8]; 4] = [b"7.json", b"caf\xe9", b"a\nb", long.as_bytes()];
        for name in names {
            fs::write(outbox.join(OsStr::from_bytes(name)), "").unwrap();
        }
        let mut moment = Moment::default();
        moment.link(state.path(), to.path()).unwrap();
        let members: Vec<String> = moment
            .files
            .iter()
            .map(|it| it.member.to_string())
            .collect();
        assert_eq!(members, ["state/outbox/7.json"]);
        let expected = [
            "a\nb: its name is not plain; rename it".to_owned(),
            format!("caf\u{fffd}: {NOT_UTF8}"),
            format!("{long}: its path is too long for an archive; shorten it"),
        ];
        assert_eq!(whys(&moment.left_out, &outbox), expected);
    }

    #[test]
    fn a_linked_file_of_the_configuration_is_read_and_what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("ca.pem"), folder.path().join("link"));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(opened_through_links(&link).is_ok() && opened(&link).is_err());
        assert!(opened_through_links(folder.path()).is_err());
    }

    #[test]
    fn what_a_killed_backup_has_left_is_removed_and_what_one_writes_now_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let old = SystemTime::now() - Duration::from_secs(BACKUP_LEFT_OVER_S + 60);
        for name in [".vpid-backup-old", ".vpid-backup-new", "vpid.tar"] {
            let file = File::create(at(name)).unwrap();
            if !name.ends_with("new") {
                file.set_modified(old).unwrap();
            }
        }
        for name in [".vpid-backup-olddir", ".vpid-backup-newdir"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("0.db"), "").unwrap();
        }
        let old_folder = File::open(at(".vpid-backup-olddir")).unwrap();
        old_folder.set_modified(old).unwrap();
        remove_left_over(folder.path());
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let expected = [".vpid-backup-new", ".vpid-backup-newdir", "vpid.tar"];
        assert_eq!(names, expected);
    }
}
