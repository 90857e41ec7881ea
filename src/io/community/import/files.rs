//! Imports from files: the engine's lists of bans, and SourceMod's admins.

use std::io::{self, Read};
use std::path::Path;

use super::{BanRow, ImportError, Importer, Kind, clean};
use crate::config::file;
use crate::limits::IMPORT_FILE_BYTES_MAX;
use crate::protocol::imports::sourcemod::{Admin, Group, Item};
use crate::protocol::imports::{Problem, server_cfg, sourcemod};

const STANDARD_INPUT: &str = "-";

/// What bans from a list say as their reason, which the list does not have.
const REASON: &str = "imported from";

/// `-` is standard input.
fn read(path: &Path, what: &str) -> Result<Vec<u8>, ImportError> {
    if path.as_os_str() == STANDARD_INPUT {
        return standard_input(what);
    }
    Ok(file::read(path, IMPORT_FILE_BYTES_MAX, what)?)
}

fn standard_input(what: &str) -> Result<Vec<u8>, ImportError> {
    let failed = |why| ImportError::Input(format!("standard input {why}"));
    let mut bytes = Vec::new();
    let input = io::stdin().take(IMPORT_FILE_BYTES_MAX as u64 + 1);
    let read = io::BufReader::new(input).read_to_end(&mut bytes);
    read.map_err(|error| failed(format!("cannot be read: {error}")))?;
    match bytes.len() > IMPORT_FILE_BYTES_MAX {
        true => Err(failed(format!(
            "is larger than {IMPORT_FILE_BYTES_MAX} bytes, which no {what} is"
        ))),
        false => Ok(bytes),
    }
}

fn at(path: &Path, line: usize, why: &Problem) -> String {
    match path.as_os_str() == STANDARD_INPUT {
        true => format!("standard input:{line}: {why}"),
        false => format!("{}:{line}: {why}", path.display()),
    }
}

/// A permanent ban, from now on: the lists do not say since when.
fn permanent(list: &str, created_us: i64) -> BanRow {
    BanRow {
        steam: None,
        name: String::new(),
        reason: format!("{REASON} {list}"),
        length_s: None,
        created_us,
        ends_us: None,
        issuer: None,
        issuer_name: String::new(),
        lifted_us: None,
        lifted_by: None,
    }
}

/// `banned_user.cfg`.
pub fn banned_users(importer: &mut Importer<'_>, path: &Path) -> Result<(), ImportError> {
    let bytes = read(path, "list of banned players")?;
    for entry in server_cfg::banned_users(&bytes) {
        match entry.read {
            Ok(steam) => {
                let ban = BanRow {
                    steam: Some(steam),
                    ..permanent("banned_user.cfg", importer.now_us)
                };
                importer.ban(&steam.to_string(), ban)?;
            }
            Err(why) => importer.problem(Kind::Bans, at(path, entry.line, &why)),
        }
    }
    Ok(())
}

/// `banned_ip.cfg`.
pub fn banned_addresses(importer: &mut Importer<'_>, path: &Path) -> Result<(), ImportError> {
    let bytes = read(path, "list of banned addresses")?;
    for entry in server_cfg::banned_addresses(&bytes) {
        match entry.read {
            Ok(range) => {
                let ban = permanent("banned_ip.cfg", importer.now_us);
                importer.address_ban(&range.to_string(), range, ban)?;
            }
            Err(why) => importer.problem(Kind::AddressBans, at(path, entry.line, &why)),
        }
    }
    Ok(())
}

/// SourceMod's admins, and the groups that they are in, from files of any of its kinds.
pub fn admins(importer: &mut Importer<'_>, paths: &[impl AsRef<Path>]) -> Result<(), ImportError> {
    let (mut admins, mut groups) = (Vec::new(), Vec::new());
    for path in paths {
        let path = path.as_ref();
        for entry in sourcemod::read(&read(path, "list of admins")?) {
            match entry.read {
                Ok(Item::Admin(admin)) => admins.push((path, entry.line, admin)),
                Ok(Item::Group(group)) => groups.push(group),
                Err(why) => importer.problem(Kind::Memberships, at(path, entry.line, &why)),
            }
        }
    }
    for group in &groups {
        if clean(&group.name).is_empty() {
            let why = "a group of SourceMod's has no name; it is left out".to_owned();
            importer.problem(Kind::Groups, why);
            continue;
        }
        importer.by_flags(&group.name, &group.flags, group.immunity)?;
    }
    for (path, line, admin) in &admins {
        let is_something = of_admin(importer, admin, &groups)?;
        if !is_something {
            let why = Problem::NoRights(admin.steam.steam3());
            importer.problem(Kind::Memberships, at(path, *line, &why));
        }
    }
    Ok(())
}

/// Gives whether the admin has any rights.
fn of_admin(
    importer: &mut Importer<'_>,
    admin: &Admin,
    groups: &[Group],
) -> Result<bool, ImportError> {
    let named = admin.groups.iter().filter(|name| !clean(name).is_empty());
    let names = named.map(|name| {
        let known = groups.iter().find(|group| group.name == *name);
        let flags = known.map_or("", |group| &*group.flags);
        let immunity = known.map_or(admin.immunity, |group| group.immunity);
        (name.as_str(), flags, immunity)
    });
    let names: Vec<_> = names.collect();
    let (who, own) = ((admin.steam, &*admin.name), (&*admin.flags, admin.immunity));
    importer.sourcemod_admin(who, own, &names)
}
