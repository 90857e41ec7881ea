//! Which vpid this is: a random number that distinguishes it from others on the same database server.

use std::io;
use std::path::Path;

use super::append_log;
use super::files::write_durably;
use super::random;
use crate::limits::INSTANCE_FILE_BYTES_MAX;

/// The number in the state folder; a new one where there is none, or none that can be read.
pub fn of(state_dir: &Path) -> io::Result<u64> {
    let path = state_dir.join("instance");
    let bytes = append_log::read(&path, INSTANCE_FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    if !text.is_empty() {
        match u64::from_str_radix(text.trim(), 16) {
            Ok(number) => return Ok(number),
            Err(_) => log::warn!(
                "{}: this is no number as vpid writes it; it makes a new one, and calls that were \
                 under way are not looked up in the journal of a MySQL server",
                path.display()
            ),
        }
    }
    let mut random = random::bytes();
    let number = u64::from_le_bytes(std::array::from_fn(|_| random()));
    write_durably(&path, format!("{number:016x}\n").as_bytes())?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = of(folder.path()).unwrap();
        assert_eq!(of(folder.path()).unwrap(), first);
        std::fs::write(folder.path().join("instance"), "no number").unwrap();
        let second = of(folder.path()).unwrap();
        assert_ne!(second, first);
        assert_eq!(of(folder.path()).unwrap(), second);
    }
}
