//! Script files that the game loads instead of the owner's: in `tf/custom`, and inside maps.
//!
//! The game looks for a file in the map's own archive first, then in `tf/custom/*` (folders and VPKs), then
//! in `tf`. So a `mapspawn.nut` in one of the first two keeps ours from running, without a word.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::limits::{MAPS_LOOKED_AT_MAX, PACK_INDEX_BYTES_MAX, SCRIPT_FILE_BYTES_MAX};
use crate::vscripts;

/// What must be ours. Of `mapspawn.nut`, one that starts `vpi.nut` is as good.
const OURS: [&str; 2] = ["mapspawn.nut", "vpi.nut"];

/// What stands in the place of ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shadows {
    /// Files below `tf/custom`; for those inside an archive, the archive and the name in it.
    pub custom: Vec<String>,
    /// Maps, by their names, that bring a `mapspawn.nut`.
    pub maps: Vec<String>,
    /// Archives and maps that could not be read, with why.
    pub unread: Vec<String>,
}

/// Looks for them around a folder of scripts. Nothing where that is no `.../scripts/vscripts` of a game.
pub(super) fn find(vscripts: &Path) -> Shadows {
    let mut found = Shadows::default();
    let Some(game) = vscripts.parent().and_then(Path::parent) else {
        return found;
    };
    if !vscripts.ends_with("scripts/vscripts") {
        return found;
    }
    for entry in sorted(&game.join("custom")) {
        if entry.is_dir() {
            in_folder(&entry, &mut found);
        } else if entry.extension().is_some_and(|end| end == "vpk") {
            let names = vpk_names(&entry);
            let shadows = |name: &&String| OURS.iter().any(|ours| is_script(name, ours));
            match names {
                Ok(names) => found.custom.extend(
                    names
                        .iter()
                        .filter(shadows)
                        .map(|name| format!("{name} in {}", entry.display())),
                ),
                Err(error) => found.unread.push(format!("{}: {error}", entry.display())),
            }
        }
    }
    let folders = ["maps", "download/maps"].map(|folder| sorted(&game.join(folder)));
    let maps = folders.into_iter().flatten();
    let maps = maps.filter(|path| path.extension().is_some_and(|end| end == "bsp"));
    for map in maps.take(MAPS_LOOKED_AT_MAX) {
        match map_brings(&map, "mapspawn.nut") {
            Ok(true) => {
                let name = map.file_stem().unwrap_or_default().to_string_lossy();
                found.maps.push(name.into_owned());
            }
            Ok(false) => {}
            Err(error) => found.unread.push(format!("{}: {error}", map.display())),
        }
    }
    found
}

/// Whether one of [`Shadows::custom`] is a `mapspawn.nut`, which may start `vpi.nut`.
pub(super) fn is_mapspawn(found: &str) -> bool {
    found.to_ascii_lowercase().contains("/mapspawn.nut")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn in_folder(folder: &Path, found: &mut Shadows) {
    for name in OURS {
        let path = folder.join("scripts/vscripts").join(name);
        let Ok(file) = File::open(&path) else {
            continue;
        };
        let mut text = Vec::new();
        let bound = SCRIPT_FILE_BYTES_MAX as u64;
        let starts_ours = file.take(bound).read_to_end(&mut text).is_ok()
            && name == "mapspawn.nut"
            && vscripts::includes_vpi(&text);
        if !starts_ours {
            found.custom.push(path.display().to_string());
        }
    }
}

fn is_script(name: &str, wanted: &str) -> bool {
    let name = name.replace('\\', "/").to_ascii_lowercase();
    name.strip_prefix("scripts/vscripts/") == Some(wanted)
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn bounded(file: &mut File, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
    if bytes > PACK_INDEX_BYTES_MAX {
        return Err(bad("its index is too large to be read"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    match read.len() as u64 == bytes {
        true => Ok(read),
        false => Err(bad("it is cut short")),
    }
}

fn number(bytes: &[u8], at: usize) -> io::Result<u64> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    let four: [u8; 4] = four.ok_or_else(|| bad("it is cut short"))?;
    Ok(u64::from(u32::from_le_bytes(four)))
}

fn short(bytes: &[u8], at: usize) -> io::Result<usize> {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    let two: [u8; 2] = two.ok_or_else(|| bad("it is cut short"))?;
    Ok(usize::from(u16::from_le_bytes(two)))
}

/// The names in a VPK with an index (versions 1 and 2): a tree of ends, folders and names. None for one of
/// the parts `_000.vpk`, `_001.vpk`, ..., which have no index of their own.
fn vpk_names(path: &Path) -> io::Result<Vec<String>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let part = stem.rsplit_once('_').map(|(_, part)| part.to_owned());
    if part.is_some_and(|part| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(Vec::new());
    }
    let mut file = File::open(path)?;
    let head = bounded(&mut file, 0, 12)?;
    if number(&head, 0)? != 0x55aa_1234 {
        return Err(bad("it is not a VPK"));
    }
    let begin = match number(&head, 4)? {
        1 => 12,
        2 => 28,
        _ => return Err(bad("its version is unknown")),
    };
    let tree = bounded(&mut file, begin, number(&head, 8)?)?;
    let mut at = 0;
    let text = |at: &mut usize| -> io::Result<String> {
        let rest = tree.get(*at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| bad("its index is cut short"))?;
        *at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    };
    let mut names = Vec::new();
    loop {
        let end = text(&mut at)?;
        if end.is_empty() {
            return Ok(names);
        }
        loop {
            let folder = text(&mut at)?;
            if folder.is_empty() {
                break;
            }
            loop {
                let name = text(&mut at)?;
                if name.is_empty() {
                    break;
                }
                // A checksum, then how many bytes stand in the index itself.
                at += 18 + short(&tree, at + 4)?;
                names.push(format!("{folder}/{name}.{end}"));
            }
        }
    }
}

/// Whether a map has a script of this name in its archive, a zip without more than its directory read.
fn map_brings(path: &Path, wanted: &str) -> io::Result<bool> {
    const ARCHIVE_LUMP: usize = 8 + 40 * 16;
    const END_BYTES: u64 = 22;
    let mut file = File::open(path)?;
    let head = bounded(&mut file, 0, 8 + 64 * 16)?;
    if !head.starts_with(b"VBSP") {
        return Err(bad("it is not a map"));
    }
    let (begin, bytes) = (
        number(&head, ARCHIVE_LUMP)?,
        number(&head, ARCHIVE_LUMP + 4)?,
    );
    if bytes < END_BYTES {
        return Ok(false);
    }
    // A comment can stand behind the end of the directory.
    let tail_bytes = bytes.min(END_BYTES + u64::from(u16::MAX));
    let tail = bounded(&mut file, begin + bytes - tail_bytes, tail_bytes)?;
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    let end = end.ok_or_else(|| bad("its archive has no directory"))?;
    let (size, offset) = (number(&tail, end + 12)?, number(&tail, end + 16)?);
    let directory = bounded(&mut file, begin + offset, size)?;
    let mut at = 0;
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let (name, extra) = (short(&directory, at + 28)?, short(&directory, at + 30)?);
        let comment = short(&directory, at + 32)?;
        let text = directory.get(at + 46..at + 46 + name).unwrap_or_default();
        if is_script(&String::from_utf8_lossy(text), wanted) {
            return Ok(true);
        }
        at += 46 + name + extra + comment;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A VPK with these files, as they are written by tools: one of them with bytes in its index.
    fn vpk(version: u32, files: &[(&str, &str, &str)]) -> Vec<u8> {
        let mut tree = Vec::new();
        for (end, folder, name) in files {
            for text in [end, folder, name] {
                tree.extend_from_slice(text.as_bytes());
                tree.push(0);
            }
            tree.extend_from_slice(&[1, 2, 3, 4, 3, 0]);
            tree.extend_from_slice(&[0; 10]);
            tree.extend_from_slice(&[0xff, 0xff, b'a', b'b', b'c', 0, 0]);
        }
        tree.push(0);
        let mut file = 0x55aa_1234_u32.to_le_bytes().to_vec();
        file.extend_from_slice(&version.to_le_bytes());
        file.extend_from_slice(&(tree.len() as u32).to_le_bytes());
        if version == 2 {
            file.extend_from_slice(&[0; 16]);
        }
        file.extend_from_slice(&tree);
        file
    }

    /// A map whose archive has these names.
    fn bsp(names: &[&str]) -> Vec<u8> {
        let mut directory = Vec::new();
        for name in names {
            directory.extend_from_slice(b"PK\x01\x02");
            directory.extend_from_slice(&[0; 24]);
            directory.extend_from_slice(&(name.len() as u16).to_le_bytes());
            directory.extend_from_slice(&[0; 16]);
            directory.extend_from_slice(name.as_bytes());
        }
        let before = b"the files themselves".to_vec();
        let mut archive = before.clone();
        archive.extend_from_slice(&directory);
        archive.extend_from_slice(b"PK\x05\x06");
        archive.extend_from_slice(&[0; 8]);
        archive.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        archive.extend_from_slice(&(before.len() as u32).to_le_bytes());
        archive.extend_from_slice(&[4, 0]);
        archive.extend_from_slice(b"note");
        let mut head = b"VBSP\x14\0\0\0".to_vec();
        head.resize(8 + 64 * 16 + 4, 0);
        let lump = 8 + 40 * 16;
        let begin = (head.len() as u32).to_le_bytes();
        head[lump..lump + 4].copy_from_slice(&begin);
        head[lump + 4..lump + 8].copy_from_slice(&(archive.len() as u32).to_le_bytes());
        [head, archive].concat()
    }

    fn write(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn what_goes_before_ours_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let custom = "scripts/vscripts/mapspawn.nut";
        write(root, &format!("custom/a/{custom}"), "printl(1)");
        write(
            root,
            &format!("custom/b/{custom}"),
            "IncludeScript(\"vpi\")",
        );
        write(root, "custom/c/scripts/vscripts/vpi.nut", "");
        write(root, "custom/d/scripts/vscripts/other.nut", "");
        write(
            root,
            "custom/e.vpk",
            vpk(
                1,
                &[
                    ("vmt", "materials", "x"),
                    ("nut", "scripts/vscripts", "mapspawn"),
                ],
            ),
        );
        write(
            root,
            "custom/f_dir.vpk",
            vpk(2, &[("nut", "scripts/vscripts", "vpi")]),
        );
        write(root, "custom/f_000.vpk", "no index");
        write(root, "custom/g.vpk", "no vpk at all");
        write(
            root,
            "maps/cp_good.bsp",
            bsp(&["materials/x.vmt", "scripts/vscripts/own.nut"]),
        );
        write(
            root,
            "maps/cp_own.bsp",
            bsp(&["x", "Scripts\\VScripts\\MapSpawn.nut"]),
        );
        write(root, "download/maps/cp_far.bsp", bsp(&[custom]));
        write(root, "maps/cp_plain.bsp", {
            let mut head = b"VBSP".to_vec();
            head.resize(8 + 64 * 16, 0);
            head
        });
        write(root, "maps/cp_cut.bsp", &bsp(&[custom])[..1_100]);
        let found = find(&root.join("scripts/vscripts"));
        let custom: Vec<_> = found
            .custom
            .iter()
            .map(|path| path.replace(root.to_str().unwrap(), ""))
            .collect();
        assert_eq!(
            custom,
            [
                "/custom/a/scripts/vscripts/mapspawn.nut",
                "/custom/c/scripts/vscripts/vpi.nut",
                "scripts/vscripts/mapspawn.nut in /custom/e.vpk",
                "scripts/vscripts/vpi.nut in /custom/f_dir.vpk",
            ]
        );
        assert_eq!(found.maps, ["cp_own", "cp_far"]);
        assert_eq!(found.unread.len(), 2, "{:?}", found.unread);
        assert_eq!(find(&root.join("elsewhere")), Shadows::default());
    }

    #[test]
    fn indexes_that_lie_are_errors_and_cost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut huge = vpk(1, &[("nut", "a", "b")]);
        huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        for bytes in [
            huge,
            vpk(3, &[]),
            vpk(1, &[("nut", "a", "b")])[..20].to_vec(),
            vec![],
        ] {
            fs::write(&path, bytes).unwrap();
            assert!(vpk_names(&path).is_err());
        }
        let mut map = bsp(&["scripts/vscripts/mapspawn.nut"]);
        let at = map.len() - 4 - 2 - 8;
        map[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        fs::write(&path, map).unwrap();
        assert!(map_brings(&path, "mapspawn.nut").is_err());
    }
}
