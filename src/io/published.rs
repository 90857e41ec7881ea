//! Files that vpid writes for other programs to read: the status page and the metrics. Each is replaced whole, readable
//! by everyone, and only where nothing else of that name is: no link, no folder, no file of another program.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{files, private};
use crate::config::Config;
use crate::limits::STATUS_MARK_BYTES;
use crate::protocol::observable::{metrics, page};

const MODE: u32 = 0o644;

/// Why a file was not written, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{}: {kind} is there, which vpid does not replace; remove it, or correct `{key}`", path.display())]
    Occupied {
        key: &'static str,
        path: PathBuf,
        kind: &'static str,
    },
    #[error("{} lies in the scriptdata folder {}, where every game script can overwrite it; correct `{key}`",
            path.display(), folder.display())]
    InScriptdata {
        key: &'static str,
        path: PathBuf,
        folder: PathBuf,
    },
    #[error("{} cannot be removed ({error}); remove it", path.display())]
    Stays { path: PathBuf, error: io::Error },
    #[error("{} cannot be written ({error}); check its folder, space and permissions, or correct `{key}`",
            path.display())]
    Failed {
        key: &'static str,
        path: PathBuf,
        error: io::Error,
    },
}

/// A file that vpid writes for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The key of the configuration that names it.
    pub key: &'static str,
    pub path: PathBuf,
    /// With what the files begin that vpid writes there, within the first bytes.
    pub mark: &'static str,
}

impl Published {
    /// Those of a configuration.
    pub fn all(config: &Config) -> Vec<Self> {
        let metrics = config.metrics_file.as_deref().map(Self::metrics);
        let page = config.status_page.as_ref().map(|it| Self::page(&it.file));
        metrics.into_iter().chain(page).collect()
    }

    pub fn metrics(path: &Path) -> Self {
        Self {
            key: "metrics_file",
            path: path.to_path_buf(),
            mark: metrics::MARK,
        }
    }

    pub fn page(path: &Path) -> Self {
        Self {
            key: "status_page.file",
            path: path.to_path_buf(),
            mark: page::MARK,
        }
    }

    /// Puts this text into the place of the file. `scriptdata`: folders in which it must not be, whatever links lead
    /// there. It is not synced: after a power cut, it is written again.
    pub fn write(&self, text: &str, scriptdata: &[PathBuf]) -> Result<(), PublishError> {
        let folder = self.check(scriptdata)?;
        let name = self.path.file_name().unwrap_or_default();
        // Always the same one, so that none is left over from each crash.
        let mut fresh = std::ffi::OsString::from(".");
        fresh.push(name);
        fresh.push(".vpid-new");
        let fresh = folder.join(fresh);
        let written = write_new(&fresh, text).and_then(|()| fs::rename(&fresh, folder.join(name)));
        written.map_err(|error| {
            let _ = fs::remove_file(&fresh);
            self.failed(error)
        })
    }

    /// Removes what vpid has written there, if anything.
    pub fn remove(&self, scriptdata: &[PathBuf]) -> Result<(), PublishError> {
        let folder = self.check(scriptdata)?;
        let path = folder.join(self.path.file_name().unwrap_or_default());
        // An empty file may be anyone's.
        if !has_mark(&path, self.mark).unwrap_or(false) {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|error| PublishError::Stays { path, error })
    }

    /// Whether it may be written, as far as that is known without doing it. Gives its folder without links.
    pub fn check(&self, scriptdata: &[PathBuf]) -> Result<PathBuf, PublishError> {
        let folder =
            fs::canonicalize(files::parent(&self.path)).map_err(|error| self.failed(error))?;
        let real = scriptdata.iter().filter_map(|it| fs::canonicalize(it).ok());
        for inside in real {
            if folder.starts_with(&inside) {
                return Err(PublishError::InScriptdata {
                    key: self.key,
                    path: self.path.clone(),
                    folder: inside,
                });
            }
        }
        let Some(kind) = self.occupant(&folder) else {
            return Ok(folder);
        };
        Err(PublishError::Occupied {
            key: self.key,
            path: self.path.clone(),
            kind,
        })
    }

    /// What else is in its place.
    fn occupant(&self, folder: &Path) -> Option<&'static str> {
        let path = folder.join(self.path.file_name()?);
        let found = fs::symlink_metadata(&path).ok()?;
        match found.file_type() {
            kind if kind.is_symlink() => Some("a link"),
            kind if kind.is_dir() => Some("a folder"),
            kind if !kind.is_file() => Some("something that is no file"),
            _ if found.len() == 0 || has_mark(&path, self.mark).unwrap_or(false) => None,
            _ => Some("a file that vpid has not written"),
        }
    }

    fn failed(&self, error: io::Error) -> PublishError {
        PublishError::Failed {
            key: self.key,
            path: self.path.clone(),
            error,
        }
    }
}

fn has_mark(path: &Path, mark: &str) -> io::Result<bool> {
    let mut start = Vec::new();
    private::open_plain(path, OFlags::NONBLOCK)?
        .take(STATUS_MARK_BYTES as u64)
        .read_to_end(&mut start)?;
    Ok(memchr::memmem::find(&start, mark.as_bytes()).is_some())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create_new(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .mode(MODE)
        .open(path)?;
    // Past the umask: a web server or an exporter is another user.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const MARK: &str = "<!-- vpid";
    const PAGE: &str = "<!-- vpid -->\npage";

    fn published(path: PathBuf) -> Published {
        Published {
            key: "file",
            path,
            mark: MARK,
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_everyone_can_read_it() {
        let root = tempfile::tempdir().unwrap();
        let file = published(root.path().join("index.html"));
        for text in [PAGE, "<!-- vpid -->"] {
            file.write(text, &[]).unwrap();
            assert_eq!(fs::read_to_string(&file.path).unwrap(), text);
        }
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        file.remove(&[]).unwrap();
        file.remove(&[]).unwrap();
        assert!(!file.path.exists());
        // What a crash has left over is in the way of nothing, nor is a link in its place followed.
        let left = root.path().join(".index.html.vpid-new");
        symlink("/nowhere/at/all", &left).unwrap();
        file.write(PAGE, &[]).unwrap();
        assert!(!left.exists() && !left.is_symlink());
    }

    #[test]
    fn what_is_not_vpids_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("theirs.html"), "<html>").unwrap();
        fs::create_dir(at("folder.html")).unwrap();
        fs::write(at("target"), PAGE).unwrap();
        symlink(at("target"), at("link.html")).unwrap();
        for (name, words) in [
            ("theirs.html", "a file that vpid has not written is there"),
            ("folder.html", "a folder is there"),
            ("link.html", "a link is there"),
            ("none/page.html", "cannot be written (No such file"),
        ] {
            let error = published(at(name)).write("new", &[]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(words) && text.contains("correct `file`"),
                "{text}"
            );
        }
        for name in ["theirs.html", "folder.html", "link.html"] {
            published(at(name)).remove(&[]).unwrap_err();
        }
        fs::write(at("empty.html"), "").unwrap();
        published(at("empty.html")).remove(&[]).unwrap();
        assert!(at("empty.html").exists() && at("link.html").is_symlink());
        assert_eq!(fs::read_to_string(at("theirs.html")).unwrap(), "<html>");
        assert_eq!(fs::read_to_string(at("target")).unwrap(), PAGE);
    }

    #[test]
    fn no_link_leads_into_scriptdata() {
        let root = tempfile::tempdir().unwrap();
        let scriptdata = root.path().join("scriptdata");
        fs::create_dir_all(scriptdata.join("web")).unwrap();
        symlink(scriptdata.join("web"), root.path().join("web")).unwrap();
        let file = published(root.path().join("web/index.html"));
        let error = file.write(PAGE, &[scriptdata]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("lies in the scriptdata folder"), "{text}");
    }
}
