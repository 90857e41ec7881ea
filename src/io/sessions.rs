//! The log of signed sessions, across restarts: `state/sessions`, a line for each change,
//! rewritten when it has grown.
//!
//! A line is written before anything follows from it. It survives `kill -9`; it is not synced:
//! a power cut ends the games' sessions too.

use std::io::{self, Read};
use std::path::Path;

use rustix::fs::OFlags;

use super::append_log::{self, AppendLog};
use super::private;
use crate::limits;
use crate::protocol::signed::Id;
use crate::protocol::signed::session_log::{Note, Sessions};

pub struct SessionLog {
    log: AppendLog,
    sessions: Sessions,
}

impl SessionLog {
    /// Opens the log, and gives what it says.
    pub fn open(state_dir: &Path) -> io::Result<(Self, Sessions)> {
        let path = state_dir.join("sessions");
        let text = append_log::read(&path, 2 * limits::SESSION_LOG_BYTES_MAX)?;
        let mut sessions = Sessions::default();
        let lines = String::from_utf8_lossy(&text);
        lines
            .lines()
            .filter_map(Note::parse)
            .for_each(|note| sessions.apply(&note));
        let log = Self {
            log: AppendLog::open(path, lines_of(&sessions).as_bytes())?,
            sessions: sessions.clone(),
        };
        Ok((log, sessions))
    }

    pub fn add(&mut self, note: &Note) -> io::Result<()> {
        self.sessions.apply(note);
        let line = format!("{note}\n");
        self.log.add(line.as_bytes())?;
        if self.log.bytes > limits::SESSION_LOG_BYTES_MAX {
            self.log.rewrite(lines_of(&self.sessions).as_bytes())?;
        }
        Ok(())
    }
}

/// The nonce of a session, where the log still has it. Changes nothing, so that a running vpid is not disturbed.
pub fn nonce_of(state_dir: &Path, session: Id) -> io::Result<Option<Id>> {
    let file = match private::open_plain(&state_dir.join("sessions"), OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(2 * limits::SESSION_LOG_BYTES_MAX)
        .read_to_end(&mut text)?;
    let lines = String::from_utf8_lossy(&text);
    let notes = lines.lines().filter_map(Note::parse);
    let mut nonces = notes.filter_map(|note| match note {
        Note::Asked {
            session: asked,
            nonce,
            ..
        } => (asked == session).then_some(nonce),
        _ => None,
    });
    Ok(nonces.next_back())
}

fn lines_of(sessions: &Sessions) -> String {
    let notes = sessions.notes();
    notes.iter().map(|note| format!("{note}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn notes() -> [Note; 3] {
        let (host, session) = (7, Id::from_random([1; 16]));
        [
            Note::Asked {
                host,
                session,
                nonce: Id::from_random([2; 16]),
                server: 3,
            },
            Note::Began { host, session },
            Note::Took {
                host,
                session,
                n: 1,
                file: 10,
                ack: 0,
            },
        ]
    }

    #[test]
    fn notes_come_back_and_a_torn_line_does_not_spoil_the_next() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, before) = SessionLog::open(state.path()).unwrap();
        assert_eq!(before, Sessions::default());
        let [asked, began, took] = notes();
        log.add(&asked).unwrap();
        log.add(&began).unwrap();
        log.log.file.write_all(b"took 7 01").unwrap();
        drop(log);
        let (mut log, _) = SessionLog::open(state.path()).unwrap();
        log.add(&took).unwrap();
        let (log, after) = SessionLog::open(state.path()).unwrap();
        assert_eq!(after, log.sessions);
        assert_eq!(after.get(7).unwrap().active.as_ref().unwrap().received, 1);
    }

    #[test]
    fn a_nonce_is_looked_up_and_nothing_is_changed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("sessions");
        let session = Id::from_random([1; 16]);
        assert_eq!(nonce_of(state.path(), session).unwrap(), None);
        let [asked, ..] = notes();
        std::fs::write(&path, format!("{asked}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let nonce = nonce_of(state.path(), session).unwrap();
        assert_eq!(nonce, Some(Id::from_random([2; 16])));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        std::fs::remove_file(&path).unwrap();
        symlink("elsewhere", &path).unwrap();
        assert!(nonce_of(state.path(), session).is_err());
        assert!(path.is_symlink());
    }

    #[test]
    fn the_log_is_bounded() {
        let state = tempfile::tempdir().unwrap();
        let (mut log, _) = SessionLog::open(state.path()).unwrap();
        let [asked, began, _] = notes();
        log.add(&asked).unwrap();
        log.add(&began).unwrap();
        let (host, session) = (7, Id::from_random([1; 16]));
        for n in 1..20_000 {
            log.add(&Note::Took {
                host,
                session,
                n,
                file: n,
                ack: n,
            })
            .unwrap();
            log.add(&Note::Done { host, session, n }).unwrap();
        }
        let size = std::fs::metadata(state.path().join("sessions"))
            .unwrap()
            .len();
        assert!(size <= limits::SESSION_LOG_BYTES_MAX, "{size} bytes");
        let (_, after) = SessionLog::open(state.path()).unwrap();
        assert_eq!(
            after.get(7).unwrap().active.as_ref().unwrap().received,
            19_999
        );
    }
}
