//! Which folders the engine can use as scriptdata, and how long names of hosts can be there: it writes and reads no
//! file whose absolute path is longer than its buffers.

use std::path::Path;

use crate::limits::ENGINE_PATH_BYTES_MAX;
use crate::protocol::names;
use crate::protocol::signed;

/// What the longest files of a host take besides its name, with the separator in front: 11 digits for the
/// client's unix time (or its minus), 8 for a tick; of a session, the 32 of its id and 8 of a number.
fn besides(signs: bool) -> usize {
    let stock = names::calls("", 19_999_999_999, 99_999_999).len() + 1;
    let session = "_0123456789abcdef0123456789abcdef_c99999999.interface";
    match signs {
        true => stock.max(1 + signed::FOLDER.len() + 1 + session.len()),
        false => stock,
    }
}

/// How many bytes of a host's name fit; none where no file fits at all. `signs`: vpid's scripts write there.
pub fn room_for_host(scriptdata: &Path, signs: bool) -> Option<usize> {
    let folder = std::path::absolute(scriptdata).unwrap_or_else(|_| scriptdata.to_owned());
    ENGINE_PATH_BYTES_MAX.checked_sub(folder.as_os_str().len() + besides(signs))
}

/// Game modes write into a folder below it.
pub fn is_called_so(folder: &Path) -> bool {
    folder.iter().any(|part| part == "scriptdata")
}

/// A warning about a folder that is not called scriptdata: the game writes nowhere else.
pub fn misnamed(folder: &Path) -> Option<String> {
    if is_called_so(folder) {
        return None;
    }
    let below = folder.join("scriptdata");
    let advice = match below.is_dir() {
        true => format!("; write scriptdata = '{}'", below.display()),
        false => String::new(),
    };
    Some(format!(
        "{} is not called scriptdata; the game writes into tf/scriptdata{advice}",
        folder.display()
    ))
}

/// What is wrong with a folder in which the game can write no file of any host.
pub fn without_room(folder: &Path, signs: bool) -> Option<String> {
    let room = room_for_host(folder, signs).unwrap_or(0);
    (room == 0).then(|| {
        format!(
            "{}: this path is so long that the game can serve no hostname at all: it reads and writes no file whose \
             whole path has more than {ENGINE_PATH_BYTES_MAX} bytes",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_the_game_cannot_use_are_named() {
        let deep = format!("/{}/scriptdata", "d".repeat(250));
        let (deep, usual) = (Path::new(&deep), Path::new("/srv/tf/scriptdata"));
        assert!(without_room(deep, true).is_some_and(|it| it.contains("no hostname at all")));
        assert_eq!(without_room(usual, true), None);
        assert_eq!(misnamed(usual), None);
        assert_eq!(misnamed(&usual.join("mge")), None);
        let wrong = misnamed(Path::new("/srv/tf"));
        assert!(wrong.is_some_and(|it| it.starts_with("/srv/tf is not called scriptdata")));
    }

    #[test]
    fn the_longest_name_that_fits_makes_the_longest_path() {
        let session = signed::Id::parse("0123456789abcdef0123456789abcdef").unwrap();
        let folder = Path::new("/home/tf2/serverfiles/tf/scriptdata");
        for signs in [false, true] {
            let host = "h".repeat(room_for_host(folder, signs).unwrap());
            let stock = folder.join(names::calls(&host, 19_999_999_999, 99_999_999));
            let signed = folder
                .join(signed::FOLDER)
                .join(signed::of_game(&host, session, 99_999_999));
            let longest = match signs {
                true => stock.as_os_str().len().max(signed.as_os_str().len()),
                false => stock.as_os_str().len(),
            };
            assert_eq!(longest, ENGINE_PATH_BYTES_MAX);
        }
        let deep = format!("/{}", "d".repeat(250));
        assert_eq!(room_for_host(Path::new(&deep), false), None);
    }
}
