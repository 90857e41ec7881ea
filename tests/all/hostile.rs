//! Files that nobody should have written: links, pipes, garbage, forgeries, and very many.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use vpid::limits;
use vpid::protocol::names;

use crate::support::{Host, SECRET, Vpid, call, stays, wait_until};

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a FIFO");
}

/// What stands in the way of a name: each kind of thing that is no plain file.
fn put_strange_things(vpid: &Vpid, host: &mut Host) -> Vec<String> {
    let target = vpid.path("target");
    fs::write(&target, host.text_of(&[]) + "\0").unwrap();
    let mut names = Vec::new();
    for nth in 0..5 {
        let name = host.next_name();
        let path = host.path_of(&name);
        match nth {
            0 => symlink(&target, &path).unwrap(),
            1 => symlink("/nowhere", &path).unwrap(),
            2 => make_fifo(&path),
            3 => fs::create_dir(&path).unwrap(),
            _ => drop(UnixListener::bind(&path).unwrap()),
        }
        names.push(name);
    }
    names
}

#[test]
fn what_is_no_plain_file_is_not_followed_waited_for_or_deleted() {
    for watch in ["inotify", "poll"] {
        let vpid = Vpid::new().setting(&format!("watch = \"{watch}\""));
        let mut host = vpid.host("my_server");
        let mut names = put_strange_things(&vpid, &mut host);
        let vpid = vpid.started();
        names.extend(put_strange_things(&vpid, &mut host));
        for _ in 0..5 {
            host.ping();
        }
        let left = vpid.files();
        assert!(names.iter().all(|name| left.contains(name)), "{left:?}");
        assert!(vpid.path("target").exists());
        assert!(vpid.reasons().is_empty());
    }
}

#[test]
fn strange_things_under_our_own_names_are_not_followed_either() {
    let vpid = Vpid::new();
    let outside = vpid.path("outside");
    fs::write(&outside, "").unwrap();
    let hosts = ["link", "fifo", "folder", "temporary"].map(|name| vpid.host(name));
    symlink(&outside, hosts[0].input_path()).unwrap();
    make_fifo(&hosts[1].input_path());
    fs::create_dir(hosts[2].input_path()).unwrap();
    let temporary = format!("{}.vpid", names::input("temporary"));
    symlink(&outside, hosts[3].path_of(&temporary)).unwrap();
    symlink(&outside, hosts[0].path_of(&names::restart("link"))).unwrap();
    let vpid = vpid.started();
    for mut host in hosts {
        host.send(&[call("VPI_Ping", Value::Null)]).unwrap();
        vpid.host("bystander").ping();
    }
    vpid.host("temporary").ping();
    assert_eq!(
        fs::read_to_string(&outside).unwrap(),
        "",
        "written through a link"
    );
}

#[test]
fn an_oversized_file_is_set_aside_with_its_reason() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let mut bytes = vec![b' '; limits::CALL_FILE_BYTES_MAX + 1];
    bytes.push(0);
    host.write_raw(&bytes);
    vpid.wait_for_reason("more than 1048576");
    host.ping();
    // The largest that is read: mostly white space, which is JSON as well.
    let mut text = host
        .text_of(&[json!({"token": "t", "func": "VPI_Ping", "script": "x.nut", "callback": true})]);
    text += &" ".repeat(limits::CALL_FILE_BYTES_MAX - 1 - text.len());
    host.write_raw((text + "\0").as_bytes());
    host.answers(&["t".into()]);
}

#[test]
fn files_that_cannot_be_believed_or_read_are_set_aside_and_no_call_of_them_runs() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let calls = [
        json!({"token": "t", "func": "VPI_DB_UserInsert", "script": "test.nut", "callback": true,
        "kwargs": {"table": "user_test_numbers", "values": [1]}}),
    ];
    let good = host.text_of(&calls);
    let stranger = Host::new(
        &vpid.scriptdata(),
        "my_server",
        "AnotherSecretOfTheSameLength....",
    );
    let mut wrong: Value = serde_json::from_str(&good).unwrap();
    // Another time would do, but for the few whose hash is the same.
    let sealed = wrong["Identity"]["enc"].as_str().unwrap();
    let other = if sealed.starts_with('A') { 'B' } else { 'A' };
    wrong["Identity"]["enc"] = format!("{other}{}", &sealed[1..]).into();
    let without = json!({"Calls": {"async": calls}});
    let empty = json!({"Calls": {"async": calls}, "Identity": {}});
    let cases = [
        ("garbage".to_string(), "not the JSON"),
        (String::new(), "not the JSON"),
        (good[..good.len() / 2].to_string(), "not the JSON"),
        (good[..good.len() - 1].to_string(), "not the JSON"),
        (format!("{good}{good}"), "not the JSON"),
        ("[1, 2]".into(), "not the JSON"),
        ("{}".into(), "not a call file"),
        (wrong.to_string(), "was not made with this server's secret"),
        (without.to_string(), "carries no identity"),
        (empty.to_string(), "carries no identity"),
        (
            stranger.text_of(&calls),
            "was not made with this server's secret",
        ),
    ];
    for (number, (text, reason)) in cases.iter().enumerate() {
        host.write_raw(format!("{text}\0").as_bytes());
        wait_until(&format!("{number} set aside"), || {
            vpid.reasons().len() == number + 1
        });
        let last = vpid.reasons().pop().unwrap();
        assert!(last.contains(reason), "{number}: {last}");
    }
    host.ping();
    assert!(vpid.numbers().is_empty());
    assert!(!vpid.log().contains(SECRET), "a secret in the log");
}

#[test]
fn a_fork_without_identities_is_served_where_the_owner_says_so() {
    let vpid = Vpid::new()
        .server_line("legacy_identity = \"optional\"")
        .started();
    let mut host = vpid.host("my_server");
    let calls = json!({"Calls": {"async": [{"token": "t", "func": "VPI_Ping", "script": "x.nut", "callback": true}]}});
    host.write_raw(format!("{calls}\0").as_bytes());
    assert_eq!(host.answers(&["t".into()]), ["pong"]);
    let stranger = Host::new(
        &vpid.scriptdata(),
        "my_server",
        "AnotherSecretOfTheSameLength....",
    );
    host.write_raw(format!("{}\0", stranger.text_of(&[])).as_bytes());
    vpid.wait_for_reason("was not made with this server's secret");
}

#[test]
fn a_file_without_its_closing_nul_is_waited_for() {
    for watch in ["inotify", "poll"] {
        let vpid = Vpid::new()
            .setting(&format!("watch = \"{watch}\""))
            .started();
        let mut host = vpid.host("my_server");
        let ping = json!({"token": "t", "func": "VPI_Ping", "script": "x.nut", "callback": true});
        let text = host.text_of(&[ping]) + "\0";
        // In three pieces, closed in between, as no engine does but a network mount may show it.
        let name = host.write_raw(b"");
        for end in [text.len() / 2, text.len() - 1] {
            host.ping();
            fs::write(host.path_of(&name), &text[..end]).unwrap();
        }
        host.ping();
        assert!(vpid.files().contains(&name), "taken before it was whole");
        fs::write(host.path_of(&name), &text).unwrap();
        assert_eq!(host.answers(&["t".into()]), ["pong"]);
        assert!(vpid.reasons().is_empty());
    }
}

#[test]
fn a_file_that_is_never_finished_is_set_aside_after_the_grace_period() {
    for watch in ["inotify", "poll"] {
        let mut vpid = Vpid::new()
            .setting(&format!("watch = \"{watch}\""))
            .started();
        let mut host = vpid.host("my_server");
        // So that the grace period does not end with the first slow look by chance.
        stays("a new vpid", Duration::from_millis(500), || {
            vpid.is_running()
        });
        let name = host.write_raw(b"{\"Calls\": {\"async\": [");
        let grace = Duration::from_millis(limits::UNFINISHED_MS - 1_000);
        stays("the unfinished file", grace, || {
            vpid.files().contains(&name)
        });
        // Nothing else happens in the folder: the grace period ends by itself.
        vpid.wait_for_reason("no closing NUL");
        assert!(!vpid.files().contains(&name));
        host.ping();
    }
}

#[test]
fn a_malformed_call_spoils_none_of_those_beside_it() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let good = |token: &str| json!({"token": token, "func": "VPI_Ping", "kwargs": {"t": token}, "script": "x.nut", "callback": true});
    let calls = [
        good("first"),
        json!({"token": "no func", "script": "x.nut", "callback": true}),
        json!({"token": "no script", "func": "VPI_Ping", "callback": true}),
        json!({"token": "odd kwargs", "func": "VPI_Ping", "kwargs": [1], "script": "x.nut", "callback": true}),
        json!({"token": "odd func", "func": {"a": 1}, "script": "x.nut", "callback": true}),
        json!({"token": 17, "func": "VPI_Ping", "script": "x.nut", "callback": true}),
        json!("no table"),
        Value::Null,
        good("last"),
    ];
    host.write_raw(format!("{}\0", host.text_of(&calls)).as_bytes());
    let tokens = [
        "first",
        "no func",
        "no script",
        "odd kwargs",
        "odd func",
        "last",
    ];
    let answers = host.answers(&tokens.map(String::from));
    assert_eq!(answers[0], json!({"t": "first"}));
    assert_eq!(answers[5], json!({"t": "last"}));
    assert_eq!(answers[3], json!([1]), "arguments may be anything");
    for answer in [&answers[1], &answers[2], &answers[4]] {
        assert!(
            answer.as_str().unwrap().contains("MalformedCall"),
            "{answer}"
        );
    }
}
