//! A copy of an SQLite file while vpid and others write into it: what it was when a read transaction began.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::limits::{BACKUP_DATABASE_BUSY_MS, BACKUP_PAGES_AT_ONCE};

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("database {0} cannot be read ({1})")]
    Read(PathBuf, rusqlite::Error),
    #[error("database {0} cannot be copied to {1} ({2}); free some space there")]
    Copy(PathBuf, PathBuf, rusqlite::Error),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// A moment of a database.
pub struct Snapshot {
    connection: Connection,
    path: PathBuf,
}

impl Snapshot {
    /// The present one. None: there is no such file yet.
    pub fn begin(path: &Path) -> Result<Option<Self>, DatabaseError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DatabaseError::Io(path.to_owned(), error)),
            // Made, and nothing was written yet.
            Ok(found) if found.len() == 0 => return Ok(None),
            Ok(_) => {}
        }
        let failed = |error| DatabaseError::Read(path.to_owned(), error);
        // Reading takes part in the write-ahead log, which is written for that.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        let begin = || {
            connection.busy_timeout(Duration::from_millis(BACKUP_DATABASE_BUSY_MS))?;
            connection.execute_batch("BEGIN")?;
            let count = "SELECT count(*) FROM main.sqlite_schema";
            connection.query_row(count, [], |_| Ok(()))
        };
        begin().map_err(failed)?;
        Ok(Some(Self {
            connection,
            path: path.to_owned(),
        }))
    }

    /// Writes it to a new file, for its owner alone.
    pub fn copy(&self, to: &Path, interrupted: &AtomicBool) -> Result<(), DatabaseError> {
        use std::os::unix::fs::OpenOptionsExt;
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to);
        made.map_err(|error| DatabaseError::Io(to.to_owned(), error))?;
        let failed = |error| DatabaseError::Copy(self.path.clone(), to.to_owned(), error);
        let mut target = Connection::open(to).map_err(failed)?;
        // It is read once, and removed.
        let quick = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF";
        target.execute_batch(quick).map_err(failed)?;
        let backup = Backup::new(&self.connection, &mut target).map_err(failed)?;
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Err(DatabaseError::Interrupted);
            }
            match backup.step(BACKUP_PAGES_AT_ONCE).map_err(failed)? {
                StepResult::Done => break,
                StepResult::More => {}
                // The target is ours alone, and the source has its lock.
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        drop(backup);
        target.close().map_err(|(_, error)| failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_the_file_was_when_it_began_whatever_is_written_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert!(Snapshot::begin(&path).unwrap().is_none());
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
            .unwrap();
        let snapshot = Snapshot::begin(&path).unwrap().unwrap();
        for n in 2..500 {
            writer.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        }
        let copy = folder.path().join("copy.db");
        let go_on = AtomicBool::new(false);
        snapshot.copy(&copy, &go_on).unwrap();
        let copy = Connection::open(&copy).unwrap();
        let count = |db: &Connection| -> i64 {
            db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!((count(&copy), count(&writer)), (1, 499));
        go_on.store(true, Ordering::Relaxed);
        let stopped = snapshot.copy(&folder.path().join("other.db"), &go_on);
        assert!(matches!(stopped, Err(DatabaseError::Interrupted)));
    }

    #[test]
    fn what_is_no_database_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        fs::write(&path, "no database, and long enough to be read as one").unwrap();
        let refused = Snapshot::begin(&path).err().unwrap().to_string();
        assert!(refused.contains("a.db cannot be read"), "{refused}");
    }
}
