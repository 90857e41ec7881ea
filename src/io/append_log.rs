//! An append-only file of the state folder: it is read within a bound, opened for its owner alone, half of
//! what could not be written is taken back, and what it grows to is replaced by what still counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::files::write_durably;
use super::private;

#[derive(Debug)]
pub struct AppendLog {
    pub path: PathBuf,
    pub file: File,
    /// How long it is.
    pub bytes: u64,
}

impl AppendLog {
    /// Opens it with what of it counts. What a crash cut short must not shift what follows.
    pub fn open(path: PathBuf, kept: &[u8]) -> io::Result<Self> {
        write_durably(&path, kept)?;
        Self::open_as_it_is(path, kept.len())
    }

    /// The same for one that holds what counts already; it is made where it is missing.
    pub fn open_as_it_is(path: PathBuf, bytes: usize) -> io::Result<Self> {
        let file = private::open(&path, OpenOptions::new().append(true).create(true))?;
        let bytes = bytes as u64;
        Ok(Self { path, file, bytes })
    }

    /// Adds records. Half a record must not shift those behind it.
    pub fn add(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all(records).inspect_err(|_| {
            let _ = self.file.set_len(self.bytes);
        })?;
        self.bytes += records.len() as u64;
        Ok(())
    }

    /// Holds this from now on.
    pub fn rewrite(&mut self, kept: &[u8]) -> io::Result<()> {
        *self = Self::open(self.path.clone(), kept)?;
        Ok(())
    }
}

/// What the file holds, so many bytes at most; nothing where there is none.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match private::open(path, OpenOptions::new().read(true)) {
        Ok(file) => drop(file.take(bytes_max).read_to_end(&mut bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_added_to_rewritten_and_read_within_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(read(&path, 10).unwrap().is_empty());
        let mut log = AppendLog::open_as_it_is(path.clone(), 0).unwrap();
        log.add(b"abc").unwrap();
        log.add(b"def").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"abcdef");
        assert_eq!(read(&path, 4).unwrap(), b"abcd");
        log.rewrite(b"ef").unwrap();
        log.add(b"g").unwrap();
        assert_eq!((read(&path, 10).unwrap(), log.bytes), (b"efg".to_vec(), 3));
    }
}
