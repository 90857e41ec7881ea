//! Users of this machine, as `/etc/passwd` and `/etc/group` have them. Those of a directory service are known by their
//! numbers only.

use std::fs::File;
use std::io::Read;

use crate::limits::USERS_FILE_BYTES_MAX;

/// A user, with the group that files of theirs get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl User {
    /// Whether the group is theirs, as the first one or one more.
    pub fn is_in_group(&self, gid: u32) -> bool {
        self.gid == gid || is_member(&read("/etc/group"), &self.name, gid)
    }
}

fn is_member(groups: &str, user: &str, gid: u32) -> bool {
    groups.lines().any(|line| {
        let mut fields = line.split(':').skip(2);
        let is_it = fields.next().and_then(|text| text.parse().ok()) == Some(gid);
        is_it
            && fields
                .next()
                .is_some_and(|users| users.split(',').any(|name| name == user))
    })
}

pub(super) fn name_of(uid: u32) -> Option<String> {
    let users = read("/etc/passwd");
    let found = users_in(&users).find(|user| user.uid == uid)?;
    Some(found.name)
}

/// By the name, or by the number as text.
pub(super) fn find(name: &str) -> Option<User> {
    let users = read("/etc/passwd");
    users_in(&users).find(|user| user.name == name || user.uid.to_string() == name)
}

pub(super) fn group_name(gid: u32) -> Option<String> {
    let groups = read("/etc/group");
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

fn read(path: &str) -> String {
    let mut text = String::new();
    let file = File::open(path).map(|file| file.take(USERS_FILE_BYTES_MAX));
    // A container may have none.
    let _ = file.and_then(|mut file| file.read_to_string(&mut text));
    text
}

fn users_in(text: &str) -> impl Iterator<Item = User> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { name, uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_lines_that_are_none_are_passed_over() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n+::::::\nnonsense\ntf2:x:1001:1002::/home/tf2:\n";
        let users: Vec<_> = users_in(text).collect();
        let names: Vec<_> = users
            .iter()
            .map(|user| (&*user.name, user.uid, user.gid))
            .collect();
        assert_eq!(names, [("root", 0, 0), ("tf2", 1001, 1002)]);
        let groups = "root:x:0:\ngames:x:60:red,tf2\n";
        assert!(is_member(groups, "tf2", 60) && !is_member(groups, "tf", 60));
        assert!(!is_member(groups, "tf2", 0));
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!(find("root"), find("0"));
        assert_eq!(group_name(0).as_deref(), Some("root"));
    }
}
