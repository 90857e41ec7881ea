//! The folders that `vpid service install` makes. It is root, and the configuration may be the game user's: so a folder
//! is made with that user's rights inside a folder of theirs, or as root below `/var/lib`, and nowhere else.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchown, fstat, mkdirat, openat};
use rustix::io::Errno;

use crate::cli::users::User;

/// Where the state of services belongs.
const COMMON: [&str; 2] = ["/var/lib", "/var/lib/vpid"];

/// A folder that is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    folder: PathBuf,
    /// What exists of the folders above it: the nearest one, without links.
    above: PathBuf,
    is_of_user: bool,
}

/// The path without `..`, which units do not take: what exists is resolved, and the rest is shortened. A path without
/// `..` stays as it is, with its links.
pub(super) fn plain(path: &Path) -> PathBuf {
    if !path.components().any(|it| it == Component::ParentDir) {
        return path.to_owned();
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain = fs::canonicalize(&plain).unwrap_or(plain);
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// What `make` would have to do; none: the folder exists. The error is a sentence, for a folder that has to be made by
/// the operator.
pub(super) fn missing(folder: &Path, user: &User) -> Result<Option<Missing>, String> {
    if fs::symlink_metadata(folder).is_ok() {
        return Ok(None);
    }
    let mut ancestors = folder.ancestors().skip(1);
    let above = ancestors.find_map(|it| fs::canonicalize(it).ok());
    let above = above.unwrap_or_else(|| PathBuf::from("/"));
    let of_user = fs::metadata(&above).is_ok_and(|it| it.is_dir() && it.uid() == user.uid);
    let is_common = || COMMON.iter().any(|it| Path::new(it) == above);
    if !of_user && !is_common() {
        let shown = folder.display();
        return Err(format!(
            "{shown} does not exist, and {} is not a folder of {}; if that is the right place: install -d -o {} -m 700 '{shown}'",
            above.display(),
            user.name,
            user.name
        ));
    }
    Ok(Some(Missing {
        folder: folder.to_owned(),
        above,
        is_of_user: of_user,
    }))
}

impl Missing {
    /// Makes the folder for this user alone. Folders above it that are missing, too, can be entered by others.
    pub fn make(&self, user: &User) -> Result<(), String> {
        let ours = rustix::process::geteuid().as_raw();
        let made = match self.is_of_user {
            true if ours == user.uid => make_ours(&self.folder),
            true => self.make_as(user),
            false => self.make_below(user),
        };
        made.map_err(|error| format!("{}: {error}; run this as root", self.folder.display()))
    }

    /// In a folder of another user, who can exchange all in it at any time: by a process of theirs.
    fn make_as(&self, user: &User) -> io::Result<()> {
        let script = "umask 022 && exec mkdir -p -m 700 -- \"$1\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(&self.folder);
        command.uid(user.uid).gid(user.gid).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        match command.status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} cannot make it", user.name))),
        }
    }

    /// Below a folder of root's that no one else writes to: by descriptors, so that no link leads elsewhere.
    fn make_below(&self, user: &User) -> io::Result<()> {
        let mut at = open(&self.above)?;
        let found = fstat(&at)?;
        if found.st_uid != 0 || found.st_mode & 0o022 != 0 {
            let problem = format!("{} is not root's alone", self.above.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        let depth = missing_parts(&self.folder, &self.above);
        let names: Vec<_> = self.folder.components().collect();
        let names = &names[names.len().saturating_sub(depth)..];
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            let mode = if is_last { 0o700 } else { 0o755 };
            mkdirat(&at, name.as_os_str(), Mode::from_raw_mode(mode))?;
            at = openat(&at, name.as_os_str(), FOLDER, Mode::empty())?;
        }
        fchown(
            &at,
            Some(Uid::from_raw(user.uid)),
            Some(Gid::from_raw(user.gid)),
        )?;
        Ok(())
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::RDONLY)
    .union(OFlags::CLOEXEC);

/// A path without links, each part of it by the one before.
fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let mut at = openat(CWD, "/", FOLDER, Mode::empty())?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            at = openat(&at, name, FOLDER, Mode::empty())?;
        }
    }
    Ok(at)
}

/// How many folders of the path are missing.
fn missing_parts(folder: &Path, above: &Path) -> usize {
    let is_above = |it: &&Path| fs::canonicalize(it).is_ok_and(|real| real == above);
    let exists = folder.ancestors().find(is_above);
    let rest = exists.and_then(|exists| folder.strip_prefix(exists).ok());
    rest.map_or(0, |rest| rest.components().count())
}

fn make_ours(folder: &Path) -> io::Result<()> {
    if let Some(above) = folder.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn owner_of(path: &Path) -> User {
        let found = fs::metadata(path).unwrap();
        User {
            name: "red".into(),
            uid: found.uid(),
            gid: found.gid(),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_path_has_no_parts_that_a_unit_ignores_and_leads_to_the_same_folder() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        fs::create_dir_all(real.join("far/inner")).unwrap();
        symlink(real.join("far/inner"), real.join("link")).unwrap();
        for (path, expected) in [
            ("link/../state", "far/state"),
            ("far/../state", "state"),
            ("none/../state", "state"),
            ("link/state", "link/state"),
        ] {
            assert_eq!(plain(&real.join(path)), real.join(expected), "{path}");
        }
        assert_eq!(plain(Path::new("/../x")), Path::new("/x"));
    }

    #[test]
    fn a_folder_is_made_in_a_folder_of_the_user_and_only_the_last_part_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let user = owner_of(root.path());
        let folder = root.path().join("a/b/state");
        let plan = missing(&folder, &user).unwrap().expect("it is missing");
        plan.make(&user).unwrap();
        assert_eq!(mode(&folder), 0o700);
        // As far as the mask of this process leaves it.
        assert_ne!(mode(&root.path().join("a")), 0o700);
        assert_eq!(missing(&folder, &user), Ok(None));
    }

    #[test]
    fn a_folder_elsewhere_is_left_to_the_operator() {
        let root = tempfile::tempdir().unwrap();
        let other = User {
            name: "red".into(),
            uid: owner_of(root.path()).uid + 1,
            gid: 1,
        };
        let folder = root.path().join("x.service.d");
        let refused = missing(&folder, &other).unwrap_err();
        let remedy = format!("install -d -o red -m 700 '{}'", folder.display());
        assert!(refused.contains(&remedy), "{refused}");
        // Nor through a link of theirs.
        symlink("/etc", root.path().join("link")).unwrap();
        let through = root.path().join("link/vpid-test.d");
        let red = User {
            uid: u32::MAX - 1,
            ..other
        };
        assert!(missing(&through, &red).unwrap_err().contains("/etc is not"));
    }

    #[test]
    fn root_makes_a_folder_of_another_user_with_their_rights_or_by_descriptor() {
        if rustix::process::geteuid().as_raw() != 0 {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        let user = User {
            name: "red".into(),
            uid: 54_321,
            gid: 54_321,
        };
        let below = Missing {
            folder: real.join("vpid/state"),
            above: real.clone(),
            is_of_user: false,
        };
        below.make(&user).unwrap();
        let uid = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!(uid(&real.join("vpid")), 0);
        assert_eq!(uid(&below.folder), user.uid);
        let inner = below.folder.join("more/inner");
        let plan = missing(&inner, &user).unwrap().expect("it is missing");
        plan.make(&user).unwrap();
        assert_eq!((uid(&inner), mode(&inner)), (user.uid, 0o700));
        assert_eq!(mode(&below.folder.join("more")), 0o755);
        // Where others write, root makes nothing.
        fs::set_permissions(&real, fs::Permissions::from_mode(0o777)).unwrap();
        let open = Missing {
            folder: real.join("other"),
            ..below
        };
        assert!(open.make(&user).unwrap_err().contains("not root's alone"));
    }
}
