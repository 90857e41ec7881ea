//! Putting a backup back. Everything is first written beside where it belongs, and checked; then names change: what was
//! there goes aside, and what was written takes its place. Until then nothing is changed, and a change of names that
//! fails is undone. A crash in the middle of it leaves a mark, with which no vpid starts (`io/state_version.rs`).
//!
//! Three things are not put back as they were, since the vpid of the backup may have gone on after it:
//!
//! - changes in the outbox: who calls says how they are edited;
//! - sessions of games (`sessions`): games have gone on, or are gone; that a host signs is kept;
//! - what must not be done again (`begun`, `identities` and others): records that are there stay, behind those of the
//!   backup.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::archive::{Archive, ArchiveError, CopyError};
use super::own::{OF_DATABASE, Own};
use super::{FILES, RESTORE_TEMPORARY, folders};
use crate::io::files;
use crate::io::lock::{Lock, LockError};
use crate::io::private;
use crate::io::state_version::{self, VERSION, VersionError};
use crate::limits::BACKUP_TEXT_BYTES_MAX;
use crate::protocol::backend::Keeper;
use crate::protocol::backup::{Member, is_hidden};
use crate::protocol::signed::session_log;

/// Where a backup is put back.
pub struct Targets<'a> {
    pub state_dir: PathBuf,
    /// SQLite files, by the names of the databases.
    pub databases: Vec<(String, PathBuf)>,
    pub scripts: Option<PathBuf>,
    /// What is no script, wherever the scripts are.
    pub own: Own,
    /// In the names of what is put aside.
    pub stamp: String,
    /// What becomes of a change that waits for VyHub, by its name and text. None: it stays as it is.
    pub edit_change: &'a dyn Fn(&str, &str) -> Option<String>,
}

/// What becomes of a file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    pub size: u64,
    /// Where it goes; else why it is passed over, as what follows a colon.
    pub to: Result<PathBuf, &'static str>,
}

/// What becomes of all files of an archive.
#[derive(Debug)]
pub struct Plan {
    pub items: Vec<Item>,
}

impl Plan {
    pub fn new(archive: &Archive, targets: &Targets<'_>) -> Self {
        let mut read = Own::default();
        read.add(archive.path());
        let files = archive.manifest().files.iter();
        let items = files.map(|file| {
            let to = match Member::parse(&file.name) {
                Some(member) => targets.place(&member),
                None => Err(NOT_OURS),
            };
            let to = to.and_then(|to| match read.has(&to) {
                true => Err(ARCHIVE),
                false => Ok(to),
            });
            Item {
                name: file.name.clone(),
                size: file.size,
                to,
            }
        });
        Self {
            items: items.collect(),
        }
    }
}

const NOT_OURS: &str = "this vpid knows no such file";
const NO_DATABASE: &str = "the configuration has no SQLite database of this name";
const NO_SCRIPTS: &str = "the configuration has no [scripts] dir";
const OWN_FILE: &str = "it is where vpid has a file of its own, which is no script";
const ARCHIVE: &str = "it is where the backup itself is, which is being read";
pub const HIDDEN: &str = "its name begins with a dot";
const CONFIG_STAYS: &str = "the configuration that is here stays";

impl Targets<'_> {
    fn place(&self, member: &Member) -> Result<PathBuf, &'static str> {
        match member {
            Member::State(path) => {
                let is_known = match path.split_once('/') {
                    Some((folder, _)) => folders().any(|it| it == folder),
                    None => FILES.contains(&path.as_str()),
                };
                match is_known {
                    true => Ok(self.state_dir.join(path)),
                    false => Err(NOT_OURS),
                }
            }
            Member::Database(name) => {
                let mut databases = self.databases.iter();
                let found = databases.find(|(known, _)| known == name);
                found.map(|(_, path)| path.clone()).ok_or(NO_DATABASE)
            }
            Member::Config(_) => Err(CONFIG_STAYS),
            Member::Script(path) => match &self.scripts {
                Some(_) if is_hidden(path) => Err(HIDDEN),
                Some(folder) => match folder.join(path) {
                    to if self.own.has(&to) => Err(OWN_FILE),
                    to => Ok(to),
                },
                None => Err(NO_SCRIPTS),
            },
        }
    }
}

/// Why nothing was put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("a vpid runs on {0} (process {1}); stop it first")]
    Running(PathBuf, u32),
    #[error("another process holds the state folder {0}; stop it first")]
    Held(PathBuf),
    #[error(
        "this backup has a state folder of version {0}, and this vpid {vpid} knows versions up to {VERSION}; restore it \
         with vpid {1} or newer",
        vpid = env!("CARGO_PKG_VERSION")
    )]
    Newer(u32, String),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(
        "{0} cannot be written ({1}); nothing was changed. Check the folder and its owner, and free some space"
    )]
    Write(PathBuf, io::Error),
    #[error("{0}: {1}; all was put back as it was")]
    Swap(PathBuf, io::Error),
    #[error(
        "{0}: {1}; and not all could be put back as it was: what was there has names with `before-restore` in them, \
         beside its place. Put it back by hand, or restore again"
    )]
    HalfDone(PathBuf, io::Error),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Restored {
    /// Where things went that were there before.
    pub aside: BTreeSet<PathBuf>,
    pub files: usize,
}

/// Puts a backup back, as it was planned for the same targets.
pub fn restore(
    archive: &Archive,
    plan: &Plan,
    targets: &Targets<'_>,
) -> Result<Restored, RestoreError> {
    let manifest = archive.manifest();
    if manifest.state_version > VERSION {
        let by = manifest.vpid.replace(char::is_control, "?");
        return Err(RestoreError::Newer(manifest.state_version, by));
    }
    let state = &targets.state_dir;
    private::state_folder(state).map_err(|error| RestoreError::Write(state.clone(), error))?;
    let _lock = Lock::of_state(state).map_err(|error| match error {
        LockError::Held(Some(pid)) => RestoreError::Running(state.clone(), pid),
        LockError::Held(None) => RestoreError::Held(state.clone()),
        LockError::Io(error) => RestoreError::Write(state.clone(), error),
    })?;
    let mut staging = Staging::default();
    for (number, item) in plan.items.iter().enumerate() {
        if let (Ok(to), Some(member)) = (&item.to, Member::parse(&item.name)) {
            staging.add(archive, (number, &member), to, targets)?;
        }
    }
    let mut swap = Swap::default();
    match swap.all(&staging, targets, has_state(plan)) {
        Ok(()) => Ok(Restored {
            aside: swap.aside,
            files: staging.files.len(),
        }),
        Err((path, error)) => match swap.undo() {
            true => Err(RestoreError::Swap(path, error)),
            false => Err(RestoreError::HalfDone(path, error)),
        },
    }
}

fn has_state(plan: &Plan) -> bool {
    let mut items = plan.items.iter();
    items.any(|item| item.to.is_ok() && item.name.starts_with("state/"))
}

/// Files beside where they belong.
#[derive(Default)]
struct Staging {
    /// On the file system of each target. Removed with what is left in them.
    folders: Vec<(PathBuf, TempDir)>,
    files: Vec<Staged>,
}

struct Staged {
    from: PathBuf,
    to: PathBuf,
    member: Member,
}

impl Staging {
    fn add(
        &mut self,
        archive: &Archive,
        (number, member): (usize, &Member),
        to: &Path,
        targets: &Targets<'_>,
    ) -> Result<(), RestoreError> {
        let around = match member {
            Member::State(_) => targets.state_dir.clone(),
            Member::Script(_) => targets.scripts.clone().unwrap_or_default(),
            Member::Database(_) | Member::Config(_) => files::parent(to).to_owned(),
        };
        let failed = |error| RestoreError::Write(to.to_owned(), error);
        if matches!(member, Member::Script(_)) {
            // An empty one changes nothing.
            fs::create_dir_all(&around).map_err(failed)?;
        }
        let folder = self.folder(&around).map_err(failed)?;
        let path = folder.join(self.files.len().to_string());
        let mut file =
            private::open(&path, File::options().write(true).create_new(true)).map_err(failed)?;
        let edited = match member {
            Member::State(name) => edited(archive, number, name, targets)?,
            _ => None,
        };
        let written = match edited {
            Some(bytes) => file.write_all(&bytes),
            None => {
                let mut out = BufWriter::with_capacity(256 << 10, &mut file);
                match archive.copy(number, &mut out) {
                    Ok(()) => out.flush(),
                    Err(CopyError::Archive(error)) => return Err(error.into()),
                    Err(CopyError::Write(error)) => Err(error),
                }
            }
        };
        written.and_then(|()| file.sync_all()).map_err(failed)?;
        self.files.push(Staged {
            from: path,
            to: to.to_owned(),
            member: member.clone(),
        });
        Ok(())
    }

    fn folder(&mut self, around: &Path) -> io::Result<PathBuf> {
        if let Some((_, folder)) = self.folders.iter().find(|(of, _)| of == around) {
            return Ok(folder.path().to_owned());
        }
        let folder = tempfile::Builder::new()
            .prefix(RESTORE_TEMPORARY)
            .tempdir_in(around)?;
        let path = folder.path().to_owned();
        self.folders.push((around.to_owned(), folder));
        Ok(path)
    }
}

/// What a file of the state folder is to have in place of what the archive has; none: that.
fn edited(
    archive: &Archive,
    number: usize,
    name: &str,
    targets: &Targets<'_>,
) -> Result<Option<Vec<u8>>, RestoreError> {
    let content = || match archive.content(number) {
        Ok(bytes) => Ok(bytes),
        Err(CopyError::Archive(error)) => Err(RestoreError::from(error)),
        // Into memory: it does not fail.
        Err(CopyError::Write(error)) => Err(RestoreError::Write(targets.state_dir.clone(), error)),
    };
    let [outbox, ..] = Keeper::Vyhub.folders();
    let is_small = archive.manifest().files[number].size <= BACKUP_TEXT_BYTES_MAX;
    match (name.split_once('/'), record_bytes(name)) {
        _ if !is_small => Ok(None),
        (Some((folder, file)), _) if folder == outbox => {
            let Some(file) = file.strip_suffix(".json") else {
                return Ok(None);
            };
            let text = String::from_utf8(content()?).ok();
            let edited = text.and_then(|text| (targets.edit_change)(file, &text));
            Ok(edited.map(String::into_bytes))
        }
        (None, _) if name == "sessions" => {
            let text = content()?;
            let kept = session_log::without_sessions(&String::from_utf8_lossy(&text));
            Ok(Some(kept.into_bytes()))
        }
        (None, Some(bytes)) => {
            let mut records = whole_records(content()?, bytes);
            // What cannot be read is moved aside, too.
            let there = fs::read(targets.state_dir.join(name)).unwrap_or_default();
            let there = whole_records(there, bytes);
            // It has gone on from the backup, or was restored from it.
            if there.starts_with(&records) {
                return Ok(Some(there));
            }
            records.extend(there);
            Ok(Some(records))
        }
        _ => Ok(None),
    }
}

/// Files of records of this length, of which a later one counts more.
fn record_bytes(name: &str) -> Option<usize> {
    match name {
        "begun" => Some(crate::io::begun::RECORD_BYTES),
        "identities" => Some(crate::io::remembered::IDENTITY_BYTES),
        "maps" => Some(crate::io::remembered::MAP_BYTES),
        "tried" => Some(crate::io::sql::tries::RECORD_BYTES),
        _ => None,
    }
}

fn whole_records(mut bytes: Vec<u8>, record: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - bytes.len() % record);
    bytes
}

/// Changes of names, and how to undo them.
#[derive(Default)]
struct Swap {
    done: Vec<Step>,
    aside: BTreeSet<PathBuf>,
}

enum Step {
    Renamed(PathBuf, PathBuf),
    /// Got a second name, or a copy.
    Doubled(PathBuf, PathBuf),
    MadeFolder(PathBuf),
    MadeFile(PathBuf),
}

type Failed = (PathBuf, io::Error);

impl Swap {
    fn all(
        &mut self,
        staging: &Staging,
        targets: &Targets<'_>,
        has_state: bool,
    ) -> Result<(), Failed> {
        let state = &targets.state_dir;
        let version = state.join(state_version::FILE);
        if has_state {
            let aside = state.join(format!("before-restore-{}", targets.stamp));
            // The version first: until the new one is there, no vpid starts.
            self.put_aside(&version, &aside.join(state_version::FILE))?;
            let marked = state_version::mark_restoring(state);
            marked.map_err(|error| (version.clone(), error))?;
            self.done.push(Step::MadeFile(version.clone()));
            let names = FILES.into_iter().chain(folders());
            for name in names.filter(|name| *name != state_version::FILE) {
                let (from, to) = (state.join(name), aside.join(name));
                match record_bytes(name) {
                    Some(_) if staging.files.iter().any(|file| file.to == from) => {
                        self.double_aside(&from, &to)?;
                    }
                    // They stay.
                    Some(_) => {}
                    None => self.put_aside(&from, &to)?,
                }
            }
        }
        let is_version = |file: &&Staged| file.to == version;
        let files = staging.files.iter();
        for file in files.filter(|it| !is_version(it)) {
            self.put(file, targets)?;
        }
        let mut folders: BTreeSet<&Path> = BTreeSet::new();
        folders.extend(staging.files.iter().map(|file| files::parent(&file.to)));
        for folder in folders {
            files::sync_folder(folder).map_err(|error| (folder.to_owned(), error))?;
        }
        let failed = |error| (version.clone(), error);
        match staging.files.iter().find(is_version) {
            Some(file) => fs::rename(&file.from, &file.to).map_err(failed)?,
            None if has_state => fs::remove_file(&version).map_err(failed)?,
            None => {}
        }
        files::sync_folder(state).map_err(|error| (state.clone(), error))
    }

    /// Puts a file in its place; what is there goes aside, beside it.
    fn put(&mut self, file: &Staged, targets: &Targets<'_>) -> Result<(), Failed> {
        let Staged { from, to, member } = file;
        let stamp = &targets.stamp;
        match (member, &targets.scripts) {
            (Member::Script(_), Some(folder)) => {
                let inside = to.strip_prefix(folder).unwrap_or(to);
                let aside = folder.join(format!(".before-restore-{stamp}"));
                self.put_aside(to, &aside.join(inside))?;
                self.make_folders(files::parent(to), 0o755)?;
            }
            (Member::State(_), _) => {
                self.make_folders(files::parent(to), 0o700)?;
            }
            _ => {
                // A log of another file than the one beside it would be taken for its own.
                for ending in OF_DATABASE {
                    let with = |path: &Path, middle: &str| {
                        let mut name = path.as_os_str().to_owned();
                        name.push(format!("{middle}{ending}"));
                        PathBuf::from(name)
                    };
                    let aside = with(to, &format!(".before-restore-{stamp}"));
                    self.put_aside(&with(to, ""), &aside)?;
                }
            }
        }
        self.rename(from, to)
    }

    /// For files whose records must not be lost: there is one under that name at every moment, so that a restore that
    /// was cut short can be repeated.
    fn double_aside(&mut self, from: &Path, to: &Path) -> Result<(), Failed> {
        if !fs::symlink_metadata(from).is_ok_and(|it| it.is_file()) {
            return self.put_aside(from, to);
        }
        self.make_folders(files::parent(to), 0o700)?;
        let failed = |error| (to.to_owned(), error);
        // The file system may know no second names.
        if fs::hard_link(from, to).is_err() {
            let made = private::open(to, File::options().write(true).create_new(true));
            let mut copy = made.map_err(failed)?;
            let copied = File::open(from).and_then(|mut it| io::copy(&mut it, &mut copy));
            if let Err(error) = copied {
                // It is ours, and of no use.
                let _ = fs::remove_file(to);
                return Err(failed(error));
            }
        }
        self.done
            .push(Step::Doubled(from.to_owned(), to.to_owned()));
        self.note_aside(to);
        Ok(())
    }

    fn note_aside(&mut self, to: &Path) {
        let folder = to.ancestors().skip(1).find(|it| is_aside(it));
        self.aside.insert(folder.unwrap_or(to).to_owned());
    }

    fn put_aside(&mut self, from: &Path, to: &Path) -> Result<(), Failed> {
        if fs::symlink_metadata(from).is_err() {
            return Ok(());
        }
        self.make_folders(files::parent(to), 0o700)?;
        if fs::symlink_metadata(to).is_ok() {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "something is there already");
            return Err((to.to_owned(), error));
        }
        self.rename(from, to)?;
        self.note_aside(to);
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Failed> {
        fs::rename(from, to).map_err(|error| (to.to_owned(), error))?;
        self.done
            .push(Step::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn make_folders(&mut self, folder: &Path, mode: u32) -> Result<(), Failed> {
        if fs::metadata(folder).is_ok() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_folders(above, mode)?;
        }
        let made = fs::DirBuilder::new().mode(mode).create(folder);
        made.map_err(|error| (folder.to_owned(), error))?;
        self.done.push(Step::MadeFolder(folder.to_owned()));
        Ok(())
    }

    /// True: all is as it was.
    fn undo(self) -> bool {
        let mut is_whole = true;
        for step in self.done.into_iter().rev() {
            is_whole &= match step {
                Step::Renamed(from, to) => fs::rename(to, from),
                // Of two names of one file, a change of names keeps both.
                Step::Doubled(from, to) => {
                    fs::rename(&to, from).and_then(|()| match fs::remove_file(&to) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                        removed => removed,
                    })
                }
                Step::MadeFolder(path) => fs::remove_dir(path),
                Step::MadeFile(path) => fs::remove_file(path),
            }
            .is_ok();
        }
        is_whole
    }
}

fn is_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches('.').starts_with("before-restore-")
}

/// The user that files here are of; that of the nearest folder, where it is not there yet.
pub fn owner(path: &Path) -> Option<u32> {
    path.ancestors()
        .find_map(|it| Some(fs::metadata(it).ok()?.uid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::AtomicBool;

    use super::super::archive::Writer;
    use super::*;
    use crate::protocol::backup::{FORMAT, Manifest};

    fn archive(folder: &Path, state_version: u32, members: &[(&str, &[u8])]) -> Archive {
        let manifest = Manifest {
            format: FORMAT,
            vpid: "9.9.9".into(),
            created: "2026-01-01T00:00:00Z".into(),
            state_version,
            secrets: false,
            files: Vec::new(),
        };
        let go_on = AtomicBool::new(false);
        let mut writer = Writer::begin(Vec::new(), "", manifest, 7, &go_on).unwrap();
        for (name, content) in members {
            let member = Member::parse(name).unwrap();
            let about = (content.len() as u64, 7);
            writer.add(&member, about, &mut &content[..]).unwrap();
        }
        let path = folder.join("backup.tar");
        fs::write(&path, writer.finish().unwrap().0).unwrap();
        Archive::open(&path).unwrap()
    }

    fn targets(folder: &Path) -> Targets<'static> {
        Targets {
            state_dir: folder.join("state"),
            databases: vec![(String::new(), folder.join("a.db"))],
            scripts: Some(folder.join("scripts")),
            own: Own::new(
                &folder.join("state"),
                Some(&folder.join("scripts")),
                std::iter::empty(),
                std::iter::once(folder.join("scripts/vpid.toml").as_path()),
            ),
            stamp: "now".into(),
            edit_change: &|name, text| (name != "8").then(|| text.replace("waiting", "sending")),
        }
    }

    /// All files below a folder with what they hold, but for the archive and locks.
    fn all(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(&at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                match path.is_dir() {
                    true => folders.push(path),
                    false if name.ends_with(".tar") || name.ends_with(".lock") => {}
                    false => found.push((name, fs::read(&path).unwrap())),
                }
            }
        }
        found.sort();
        found
    }

    const SESSIONS: &str = "signs 3 7\nbegan 7 00000000000000000000000000000001\nnonsense\n";

    fn restored(archive: &Archive, targets: &Targets<'_>) -> Result<Restored, RestoreError> {
        restore(archive, &Plan::new(archive, targets), targets)
    }

    #[test]
    fn what_must_not_be_done_again_is_added_to_and_changes_are_edited() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("state/outbox")).unwrap();
        for (name, text) in [
            ("state/begun", "newer-record and half"),
            ("state/outbox/99.json", "of now"),
            ("state/instance", "of now"),
            ("state/notes of the owner", "kept"),
            ("a.db", "old"),
            ("a.db-wal", "log"),
        ] {
            fs::write(at(name), text).unwrap();
        }
        let archive = archive(
            folder.path(),
            VERSION,
            &[
                ("state/begun", b"older-record"),
                ("state/outbox/7.json", b"waiting"),
                ("state/outbox/8.json", b"waiting"),
                ("state/sessions", SESSIONS.as_bytes()),
                ("state/version", b"1\nvpid 0.1.0\n"),
                ("state/elsewhere", b"unknown"),
                ("database/default.db", b"new"),
                ("database/named/b.db", b"unknown"),
                ("scripts/pack/a.py", b"pass"),
                ("scripts/vpid.toml", b"of another"),
                ("scripts/.ssh/keys", b"of another"),
            ],
        );
        let restored = restored(&archive, &targets(folder.path())).unwrap();
        assert_eq!(restored.files, 7);
        let found = all(folder.path());
        let found: Vec<_> = found
            .iter()
            .map(|(name, bytes)| (name.as_str(), std::str::from_utf8(bytes).unwrap()))
            .collect();
        let expected = [
            ("a.db", "new"),
            ("a.db.before-restore-now", "old"),
            ("a.db.before-restore-now-wal", "log"),
            ("scripts/pack/a.py", "pass"),
            ("state/before-restore-now/begun", "newer-record and half"),
            ("state/before-restore-now/instance", "of now"),
            ("state/before-restore-now/outbox/99.json", "of now"),
            ("state/begun", "older-recordnewer-record"),
            ("state/notes of the owner", "kept"),
            ("state/outbox/7.json", "sending"),
            ("state/outbox/8.json", "waiting"),
            ("state/sessions", "signs 3 7\n"),
            ("state/version", "1\nvpid 0.1.0\n"),
        ];
        assert_eq!(found, expected);
        let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a.db"), mode("state/outbox")), (0o600, 0o700));
    }

    #[test]
    fn the_archive_that_is_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let scripts = folder.path().join("scripts");
        fs::create_dir(&scripts).unwrap();
        let members: [(&str, &[u8]); 2] =
            [("scripts/backup.tar", b"older"), ("scripts/a.py", b"pass")];
        let archive = archive(&scripts, VERSION, &members);
        let path = scripts.join("backup.tar");
        let before = fs::read(&path).unwrap();
        let targets = targets(folder.path());
        let plan = Plan::new(&archive, &targets);
        assert_eq!(plan.items[0].to, Err(ARCHIVE));
        assert_eq!(restore(&archive, &plan, &targets).unwrap().files, 1);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(scripts.join("a.py").exists());
    }

    #[test]
    fn a_change_of_names_that_fails_is_undone_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("state")).unwrap();
        for (name, text) in [
            ("state/version", "1\nvpid 0.1.0\n"),
            ("state/begun", "of now"),
            ("a.db", "old"),
            // Where the database would go.
            ("a.db.before-restore-now", "in the way"),
        ] {
            fs::write(at(name), text).unwrap();
        }
        let archive = archive(
            folder.path(),
            VERSION,
            &[
                ("state/begun", b"older-record"),
                ("state/outbox/7.json", b"waiting"),
                ("state/version", b"1\nvpid 0.1.0\n"),
                ("database/default.db", b"new"),
            ],
        );
        let before = all(folder.path());
        let refused = restored(&archive, &targets(folder.path())).unwrap_err();
        assert!(matches!(refused, RestoreError::Swap(..)), "{refused}");
        assert_eq!(all(folder.path()), before);
        assert!(!at("state/outbox").exists() && !at("state/before-restore-now").exists());
    }

    #[test]
    fn restored_again_records_are_not_doubled_and_those_that_are_there_stay_when_the_backup_has_none()
     {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("state")).unwrap();
        fs::write(at("state/begun"), "newer-record").unwrap();
        let identities = "i".repeat(crate::io::remembered::IDENTITY_BYTES);
        fs::write(at("state/identities"), &identities).unwrap();
        let archive = archive(folder.path(), VERSION, &[("state/begun", b"older-record")]);
        for stamp in ["1", "2", "3"] {
            let targets = Targets {
                stamp: stamp.into(),
                ..targets(folder.path())
            };
            restored(&archive, &targets).unwrap();
            let read = |name: &str| fs::read_to_string(at(name)).unwrap();
            assert_eq!(read("state/begun"), "older-recordnewer-record");
            assert_eq!(read("state/identities"), identities);
        }
        let first = fs::read_to_string(at("state/before-restore-1/begun")).unwrap();
        assert_eq!(first, "newer-record");
    }

    #[test]
    fn a_backup_of_a_newer_vpid_and_a_running_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let newer = archive(folder.path(), VERSION + 1, &[]);
        let refused = restored(&newer, &targets(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("restore it with vpid 9.9.9 or newer"),
            "{refused}"
        );
        let archive = archive(folder.path(), VERSION, &[]);
        let state = folder.path().join("state");
        private::state_folder(&state).unwrap();
        let _lock = Lock::of_state(&state).unwrap();
        let refused = restored(&archive, &targets(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("stop it first"), "{refused}");
    }
}
