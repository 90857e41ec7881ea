//! Files of the last moments in the state folder: `ring-<time>.txt`, for vpid's user alone. A few are kept.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::write_whole;
use crate::limits;

const BEGIN: &str = "ring-";
const END: &str = "Z.txt";

/// Writes one.
pub fn write(state_dir: &Path, text: &str) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%S.%3f");
    let path = state_dir.join(format!("{BEGIN}{now}{END}"));
    write_whole(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(path)
}

/// Removes the oldest beyond those that are kept. Their names begin with their times, which may be ahead of the clock:
/// the new one stays in any case.
pub fn prune(state_dir: &Path, new: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(state_dir)? {
        let entry = entry?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let name = entry.file_name();
        let is_one = |name: &str| name.starts_with(BEGIN) && name.ends_with(END);
        let is_new = Some(name.as_os_str()) == new.file_name();
        if is_file && !is_new && name.to_str().is_some_and(is_one) {
            names.push(name);
        }
    }
    names.sort_unstable();
    let surplus = (names.len() + 1).saturating_sub(limits::RING_FILES_MAX);
    for name in &names[..surplus] {
        match fs::remove_file(state_dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_newest_files_are_kept_private_and_other_files_stay() {
        let state = tempfile::tempdir().unwrap();
        let at = |name: &str| state.path().join(name);
        for name in ["ring-notes.txt", "identities"] {
            fs::write(at(name), "").unwrap();
        }
        let old = ["2019", "2020", "2018", "2021", "2017", "2022"]
            .map(|year| format!("ring-{year}-01-01T00-00-00.000Z.txt"));
        for name in &old {
            fs::write(at(name), "").unwrap();
        }
        let written = write(state.path(), "text").unwrap();
        prune(state.path(), &written).unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "text");
        assert_eq!(fs::metadata(&written).unwrap().mode() & 0o777, 0o600);
        let entries = fs::read_dir(state.path()).unwrap();
        let mut left: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let written = written.file_name().unwrap().to_str().unwrap();
        let kept = [&old[0], &old[1], &old[3], &old[5]].map(String::as_str);
        let expected = [&["identities"], &kept[..], &[written, "ring-notes.txt"]].concat();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_new_file_stays_beside_files_of_later_dates() {
        let state = tempfile::tempdir().unwrap();
        for year in 9001..9008 {
            let name = format!("ring-{year}-01-01T00-00-00.000Z.txt");
            fs::write(state.path().join(name), "").unwrap();
        }
        let written = write(state.path(), "text").unwrap();
        prune(state.path(), &written).unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "text");
        let left = fs::read_dir(state.path()).unwrap().count();
        assert_eq!(left, limits::RING_FILES_MAX);
    }
}
