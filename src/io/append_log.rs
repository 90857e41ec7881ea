//! What append-only files of the state folder share: they are read within a bound, opened for their
//! owner alone, and half of what could not be written is taken back.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use super::private;

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

/// Opens it to add to its end, and makes it where it is missing.
pub fn open(path: &Path) -> io::Result<File> {
    private::open(path, OpenOptions::new().append(true).create(true))
}

/// Adds a record to a file of `length` bytes. Half a record must not shift those behind it.
pub fn add(file: &mut File, record: &[u8], length: u64) -> io::Result<()> {
    file.write_all(record).inspect_err(|_| {
        let _ = file.set_len(length);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_added_to_and_read_within_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(read(&path, 10).unwrap().is_empty());
        let mut file = open(&path).unwrap();
        add(&mut file, b"abc", 0).unwrap();
        add(&mut file, b"def", 3).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"abcdef");
        assert_eq!(read(&path, 4).unwrap(), b"abcd");
    }
}
