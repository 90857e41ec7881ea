//! What vpid keeps is closed to other users, whatever the umask and whatever was there before.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Community, Vpid};

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder, with what others may do with it.
fn open_to_others(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.mode() & 0o077 != 0 {
            let mode = format!("{:o}", metadata.mode() & 0o777);
            found.push((entry.path(), mode));
        }
        if metadata.is_dir() {
            found.extend(open_to_others(&entry.path()));
        }
    }
    found
}

/// Keeps all that vpid can keep.
fn used(community: &mut Community) {
    let mut host = community.vpid.host("my_server");
    host.ping();
    host.write_raw(b"garbage\0");
    community.vpid.wait_for_reason("");
    host.ask(
        "VYHUB_Ban",
        json!({"player": "[U:1:77]", "minutes": 5, "reason": "x"}),
    );
    let mut game = community.vpid.signed_game("signed");
    let call = crate::support::call("VPI_Ping", Value::Null);
    assert!(game.call(call, crate::support::PATIENCE).unwrap().is_some());
}

fn community() -> Community {
    Community::configured(|vpid| {
        vpid.signed()
            .permission("\"test.nut\" = [\"*\", \"VYHUB_Ban\"]")
    })
}

#[test]
fn what_vpid_keeps_is_closed_from_the_first_moment_and_again_at_each_start() {
    let mut community = community().started();
    let state = community.vpid.path("state");
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    used(&mut community);
    assert_eq!(open_to_others(&state), []);
    for name in ["vpid.db", "vpid.db-wal", "vpid.db-shm"] {
        let mode = fs::metadata(community.vpid.path(name)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }

    // One that was there, with all in it, as open as an earlier version or a restored copy left it.
    community.vpid.stop();
    for folder in ["", "rejected", "outbox", "vyhub"] {
        let folder = state.join(folder);
        set(&folder, 0o755);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                set(&path, 0o644);
            }
        }
    }
    community.start();
    used(&mut community);
    let open = open_to_others(&state);
    // What lies in a closed folder is closed; all the rest is closed itself.
    let names: Vec<_> = open
        .iter()
        .filter(|(path, _)| path.parent() == Some(&state))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    assert!(
        open.iter()
            .all(|(path, _)| !path.starts_with(state.join("rejected"))),
        "{open:?}"
    );
    community
        .vpid
        .wait_for_log("others can look into the state folder");
    let check = community.vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("warn  state: other users can read"), "{said}");
}

#[test]
fn nobody_else_writes_into_the_state_folder() {
    let vpid = Vpid::new();
    let state = vpid.path("state");
    fs::create_dir(&state).unwrap();
    set(&state, 0o777);
    let before = vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&before.stdout).into_owned();
    assert!(
        said.contains("bad   state: other users can write into"),
        "{said}"
    );
    let vpid = vpid.started();
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o022, 0);
    vpid.wait_for_log("others could write into the state folder");
}

#[test]
fn check_says_which_files_with_secrets_or_players_others_can_read() {
    let mut community = community().started();
    used(&mut community);
    community.vpid.stop();
    let state = community.vpid.path("state");
    set(&community.vpid.path("vpid.db"), 0o644);
    set(&state, 0o755);
    set(&state.join("identities"), 0o644);
    set(&state.join("rejected"), 0o755);
    let said = |vpid: &Vpid| {
        let output = vpid.command(&["check"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = said(&community.vpid);
    for expected in [
        "warn  database: other users can read",
        "identities",
        "rejected",
        "chmod 600",
        "chmod 700",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let vpid = &community.vpid;
    set(&vpid.path("rcon.pw"), 0o644);
    let text = said(vpid);
    assert!(
        text.contains("other users can read the secret in"),
        "{text}"
    );
}
