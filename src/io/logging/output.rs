//! Where lines go: standard error, or a file. Standard error may be the journal of systemd, where a line has its
//! priority (`<4>`) instead of the time, which the journal adds (systemd.exec(5), sd-daemon(3)).

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::Zoned;
use log::Level;
use rustix::fs::{Access, OFlags, access};

use super::lines::{self, Front, Line};
use crate::config::LogFormat;
use crate::io::color;

pub struct Output {
    file: Option<LogFile>,
    has_colours: bool,
}

struct LogFile {
    path: PathBuf,
    file: File,
    /// The last line is not whole.
    is_torn: bool,
    /// Lines that went to standard error instead.
    elsewhere: u64,
}

/// The file of the log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "log_file {0} cannot be opened ({1}); its folder must exist, and vpid's user must be able to write there"
)]
pub struct OpenError(PathBuf, io::Error);

impl Output {
    pub fn standard_error() -> Self {
        Self {
            file: None,
            has_colours: color::wanted(&io::stderr()),
        }
    }

    /// A file, which is made for vpid's user alone, since players' names are in it; none: standard error.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let Some(path) = path else {
            return Ok(Self::standard_error());
        };
        let file = options().create(true).mode(0o600).open(path);
        let file = LogFile {
            path: path.to_owned(),
            file: file.map_err(|error| OpenError(path.to_owned(), error))?,
            is_torn: false,
            elsewhere: 0,
        };
        Ok(Self {
            file: Some(file),
            has_colours: false,
        })
    }

    /// Writes a line: to standard error where the file cannot be written, such as on a full disk.
    pub fn write(&mut self, line: &Line<'_>, format: LogFormat) {
        let now = Zoned::now();
        if let Some(file) = &mut self.file {
            match file.write(&rendered(line, format, Front::Time, &now)) {
                Ok(()) => return,
                Err(error) => file.complain(&error),
            }
        }
        let front = match (in_journal(), self.has_colours) {
            (true, _) => Front::Journal(priority(line.level)),
            (false, true) => Front::TimeAndColours,
            (false, false) => Front::Time,
        };
        // With no standard error, there is no place to report that.
        let _ = io::stderr().write_all(rendered(line, format, front, &now).as_bytes());
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // A pipe without a reader is no place for a log.
    let flags = OFlags::NONBLOCK.bits() as i32;
    options.append(true).custom_flags(flags);
    options
}

/// Whether a file can be opened for the log; one that is not there stays so.
pub fn try_open(path: &Path) -> Result<(), OpenError> {
    let error = match options().open(path) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let can = Access::WRITE_OK | Access::EXEC_OK;
    let made = match error.kind() {
        io::ErrorKind::NotFound => access(folder, can).map_err(io::Error::from),
        _ => Err(error),
    };
    made.map_err(|error| OpenError(path.to_owned(), error))
}

impl LogFile {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let line = match self.is_torn {
            true => format!("\n{line}"),
            false => line.to_owned(),
        };
        let written = self.file.write(line.as_bytes());
        match written {
            Ok(count) if count == line.len() => {
                self.is_torn = false;
                self.elsewhere = 0;
                Ok(())
            }
            Ok(count) => {
                self.is_torn |= count > 0;
                Err(io::ErrorKind::StorageFull.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Says once that lines go elsewhere until one can be written again.
    fn complain(&mut self, error: &io::Error) {
        if self.elsewhere == 0 {
            let path = self.path.display();
            super::complain(&format!(
                "log_file {path} cannot be written ({error}); its lines are here until it can; free some space"
            ));
        }
        self.elsewhere += 1;
    }
}

fn rendered(line: &Line<'_>, format: LogFormat, front: Front, now: &Zoned) -> String {
    match (format, front) {
        (LogFormat::Text, front) => lines::text(line, front, now),
        (LogFormat::Json, Front::Journal(priority)) => lines::json(line, priority, now.timestamp()),
        (LogFormat::Json, _) => lines::json(line, "", now.timestamp()),
    }
}

/// Whether standard error is the journal: `JOURNAL_STREAM` names its device and inode (systemd.exec(5)). A program
/// that was started from a service with another standard error has that variable, too.
fn is_journal(stream: Option<OsString>, error: impl AsFd) -> bool {
    let Some(stream) = stream else { return false };
    let Ok(stat) = rustix::fs::fstat(error) else {
        return false;
    };
    stream.to_str() == Some(&format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// That of this process.
pub fn in_journal() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| is_journal(std::env::var_os("JOURNAL_STREAM"), io::stderr()))
}

/// The priority of a line, as the journal takes it from its beginning.
pub fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::lines::About;
    use super::*;

    fn line<'a>(text: &'a str, about: &'a About) -> Line<'a> {
        Line {
            level: Level::Warn,
            part: "sql",
            target: "vpid::sql",
            about,
            text,
        }
    }

    #[test]
    fn the_journal_is_recognised_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let metadata = file.metadata().unwrap();
        let named = |inode: u64| Some(format!("{}:{inode}", metadata.dev()).into());
        assert!(is_journal(named(metadata.ino()), &file));
        assert!(!is_journal(named(metadata.ino() + 1), &file));
        assert!(!is_journal(Some("nonsense".into()), &file));
        assert!(!is_journal(None, &file));
    }

    #[test]
    fn a_file_is_appended_to_for_its_owner_alone_and_a_torn_line_gets_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        let mut output = Output::open(Some(&path)).unwrap();
        let about = About::default();
        output.write(&line("first", &about), LogFormat::Text);
        output.file.as_mut().unwrap().is_torn = true;
        output.write(&line("second", &about), LogFormat::Json);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (4, "before", ""));
        assert!(lines[1].ends_with("WARN  sql       first"), "{text}");
        assert!(lines[3].starts_with("{\"time\":"), "{text}");
        std::fs::remove_file(&path).unwrap();
        try_open(&path).unwrap();
        assert!(!path.exists());
        Output::open(Some(&path)).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let below = path.join("below");
        let errors = [Output::open(Some(&below)).err(), try_open(&below).err()];
        for error in errors.map(Option::unwrap) {
            assert!(error.to_string().contains("cannot be opened"), "{error}");
        }
    }
}
