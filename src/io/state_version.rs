//! Of which form the state folder is: `state/version`, a number and the vpid that wrote it.
//!
//! Documents that wait in it have versions of their own, which say how one is read; this one says what the folder
//! consists of. A newer vpid brings an older folder forward, step by step, before it reads anything else. An older vpid
//! refuses a newer folder: it would pass over what it does not know, and lose or repeat what that stands for.

use std::io;
use std::path::{Path, PathBuf};

use super::append_log;
use super::files::write_durably;
use crate::limits::STATE_VERSION_FILE_BYTES_MAX;

/// In the state folder.
pub const FILE: &str = "version";

/// The form that this vpid writes.
pub const VERSION: u32 = STEPS.len() as u32;

/// Brings a folder from the form of its place in the list to the next. A step may be cut short by a crash, and is run
/// again then.
type Step = fn(&Path) -> io::Result<()>;
const STEPS: [Step; 1] = [
    // vpid 0.1 before it wrote versions; an empty folder, too. Nothing has another form since.
    |_| Ok(()),
];

/// Stands in place of the version while a backup is put back.
const RESTORING: &str = "restoring\n";

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error(
        "{0}: this state folder was written by {1} (version {2}), and this vpid {vpid} knows versions up to {VERSION}; \
         install {1} or newer again, or restore a backup that this vpid made: vpid restore --help",
        vpid = env!("CARGO_PKG_VERSION")
    )]
    Newer(PathBuf, String, u32),
    #[error(
        "{0} does not say which version the state folder has; restore a backup (vpid restore --help), or write the \
         number there that another vpid of this version has"
    )]
    Unreadable(PathBuf),
    #[error(
        "{0}: a backup was being restored here, and that was not finished; restore it again (vpid restore --help). What \
         was there before is in its folder before-restore-..."
    )]
    Restoring(PathBuf),
    #[error("{0}: the state folder cannot be brought from version {1} to {2} ({3})")]
    Step(PathBuf, u32, u32, io::Error),
    #[error("{0} cannot be read or written ({1}); check its owner, and free some space")]
    Io(PathBuf, io::Error),
}

/// Brings the folder to this vpid's version. The lock of the folder must be held.
pub fn bring_forward(state_dir: &Path) -> Result<(), VersionError> {
    bring(state_dir, &STEPS)
}

fn bring(state_dir: &Path, steps: &[Step]) -> Result<(), VersionError> {
    let path = state_dir.join(FILE);
    let (found, by) = of(state_dir)?;
    let newest = steps.len() as u32;
    if found > newest {
        return Err(VersionError::Newer(state_dir.to_owned(), by, found));
    }
    for (step, from) in steps.iter().zip(0_u32..).skip(found as usize) {
        let to = from + 1;
        step(state_dir)
            .map_err(|error| VersionError::Step(state_dir.to_owned(), from, to, error))?;
        write_durably(&path, text(to).as_bytes())
            .map_err(|error| VersionError::Io(path.clone(), error))?;
        if from > 0 {
            log::info!(
                "{}: the state folder has version {to} now",
                state_dir.display()
            );
        }
    }
    Ok(())
}

fn text(version: u32) -> String {
    format!("{version}\nvpid {}\n", env!("CARGO_PKG_VERSION"))
}

/// The version of a folder, and which vpid wrote it; 0 where it does not say.
pub fn of(state_dir: &Path) -> Result<(u32, String), VersionError> {
    let path = state_dir.join(FILE);
    let bytes = append_log::read(&path, STATE_VERSION_FILE_BYTES_MAX)
        .map_err(|error| VersionError::Io(path.clone(), error))?;
    if bytes.is_empty() {
        return Ok((0, "vpid 0.1".to_owned()));
    }
    match bytes == RESTORING.as_bytes() {
        true => Err(VersionError::Restoring(state_dir.to_owned())),
        false => parse(&bytes).ok_or(VersionError::Unreadable(path)),
    }
}

/// No vpid starts on this folder until it has a version again.
pub fn mark_restoring(state_dir: &Path) -> io::Result<()> {
    write_durably(&state_dir.join(FILE), RESTORING.as_bytes())
}

/// What such a file says.
pub fn parse(bytes: &[u8]) -> Option<(u32, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (number, by) = text.split_once('\n')?;
    let is_plain = |sign: char| sign.is_ascii_graphic() || sign == ' ';
    let by = by.trim_end();
    let fits = by.starts_with("vpid ") && by.chars().all(is_plain);
    fits.then_some((number.parse().ok()?, by.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if !text.is_empty() {
            fs::write(folder.path().join(FILE), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_without_a_version_gets_one_and_keeps_it() {
        let folder = folder("");
        for _ in 0..2 {
            bring_forward(folder.path()).unwrap();
            let (version, by) = of(folder.path()).unwrap();
            assert_eq!(version, VERSION);
            assert_eq!(by, format!("vpid {}", env!("CARGO_PKG_VERSION")));
        }
    }

    #[test]
    fn a_newer_folder_is_refused_with_both_versions_and_stays_as_it_is() {
        let newer = "7\nvpid 3.2.1\n";
        let folder = folder(newer);
        let refused = bring_forward(folder.path()).unwrap_err().to_string();
        for word in [
            "vpid 3.2.1 (version 7)",
            "knows versions up to 1",
            "install vpid 3.2.1",
        ] {
            assert!(refused.contains(word), "{refused}");
        }
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), newer);
    }

    #[test]
    fn what_is_no_version_is_refused_and_not_taken_for_none() {
        for wrong in [
            "x",
            "1",
            "\n",
            "-1\nvpid 1\n",
            "1\nelsewhere\n",
            "1\nvpid \u{1b}[2J\n",
        ] {
            let folder = folder(wrong);
            let refused = bring_forward(folder.path()).unwrap_err();
            assert!(matches!(refused, VersionError::Unreadable(_)), "{wrong:?}");
        }
    }

    #[test]
    fn steps_run_in_order_from_the_version_that_is_there_and_a_failed_one_runs_again() {
        // Without captures, as steps have none.
        fn note(folder: &Path, line: &str) -> io::Result<()> {
            let path = folder.join("marks");
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(path, before + line)
        }
        let steps: [Step; 3] = [
            |folder| note(folder, "a"),
            |folder| note(folder, "b"),
            |folder| {
                note(folder, "c")?;
                match fs::read_to_string(folder.join("marks"))?
                    .matches('c')
                    .count()
                {
                    1 => Err(io::ErrorKind::StorageFull.into()),
                    _ => Ok(()),
                }
            },
        ];
        let folder = folder("1\nvpid 0.1.0\n");
        let failed = bring(folder.path(), &steps).unwrap_err().to_string();
        assert!(failed.contains("from version 2 to 3"), "{failed}");
        assert_eq!(of(folder.path()).unwrap().0, 2);
        bring(folder.path(), &steps).unwrap();
        assert_eq!(of(folder.path()).unwrap().0, 3);
        assert_eq!(
            fs::read_to_string(folder.path().join("marks")).unwrap(),
            "bcc"
        );
    }
}
