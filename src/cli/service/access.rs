//! What a user may do with files, by their modes: a unit that starts as another user than the one who runs this must not
//! be tried to see that.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::users::User;

pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const EXECUTE: u32 = 1;

/// Whether this user may do `what` with a file or folder, and reach it. The error is a sentence that says what keeps
/// them from it. Access control lists are not looked at.
pub(super) fn check(user: &User, path: &Path, what: u32) -> Result<(), String> {
    let real = fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for folder in real.ancestors().skip(1) {
        if !may(user, &metadata(folder)?, EXECUTE) {
            return Err(format!(
                "{} cannot reach {}: {} is closed; chmod o+x it, or choose another place",
                user.name,
                path.display(),
                folder.display()
            ));
        }
    }
    let found = metadata(&real)?;
    let names = [(READ, "read"), (WRITE, "write"), (EXECUTE, "run")];
    let is_missing = |(bit, _): &&(u32, &str)| what & bit != 0 && !may(user, &found, *bit);
    match names.iter().find(is_missing) {
        None => Ok(()),
        Some((_, verb)) => Err(format!(
            "{} cannot {verb} {}; make it theirs: chown {} '{}'",
            user.name,
            path.display(),
            user.name,
            path.display()
        )),
    }
}

fn metadata(path: &Path) -> Result<Metadata, String> {
    fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn may(user: &User, of: &Metadata, bit: u32) -> bool {
    let shift = match () {
        () if user.uid == 0 => return bit != EXECUTE || of.is_dir() || of.mode() & 0o111 != 0,
        () if of.uid() == user.uid => 6,
        () if user.is_in_group(of.gid()) => 3,
        () => 0,
    };
    of.mode() >> shift & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn modes_decide_for_owner_group_and_others_and_so_do_folders_above() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a");
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let of = fs::metadata(&file).unwrap();
        let user = |uid, gid| User {
            name: "red".into(),
            uid,
            gid,
        };
        // Of a user that is not root, whoever runs this.
        let owner = user(of.uid().max(1), u32::MAX);
        let other = user(u32::MAX - 1, u32::MAX - 1);
        let group = user(u32::MAX - 1, of.gid());
        mode(root.path(), 0o711);
        mode(&file, 0o640);
        if of.uid() != 0 {
            assert_eq!(check(&owner, &file, READ | WRITE), Ok(()));
        }
        assert_eq!(check(&group, &file, READ), Ok(()));
        let refused = check(&group, &file, READ | WRITE).unwrap_err();
        assert!(refused.contains("red cannot write"), "{refused}");
        assert!(
            check(&other, &file, READ)
                .unwrap_err()
                .contains("red cannot read")
        );
        mode(&file, 0o644);
        assert_eq!(check(&other, &file, READ), Ok(()));
        mode(root.path(), 0o700);
        let refused = check(&other, &file, READ).unwrap_err();
        assert!(refused.contains("is closed"), "{refused}");
    }
}
