//! Names of vpid's own files that others have taken: by folders, links, FIFOs and sockets, and locks.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat};
use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;
use vpid::limits::SWEEP_MS;
use vpid::protocol::names;
use vpid::protocol::signed::{Kind, of_vpid, parse_name};

use crate::support::{Host, KEY, PATIENCE, Vpid, call, stays, wait_until};

const THINGS: [&str; 6] = [
    "folder",
    "full folder",
    "link",
    "link to nothing",
    "fifo",
    "socket",
];

/// Puts a thing of this kind under a path; links lead to `target`.
fn occupy(path: &Path, thing: &str, target: &Path) {
    match thing {
        "folder" => fs::create_dir(path).unwrap(),
        "full folder" => fs::create_dir_all(path.join("x/y")).unwrap(),
        "link" => symlink(target, path).unwrap(),
        "link to nothing" => symlink("/nowhere/at/all", path).unwrap(),
        "fifo" => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap(),
        _ => drop(UnixListener::bind(path).unwrap()),
    }
}

fn ping(game: &mut SignedGame) {
    let call = call("VPI_Ping", Value::Null);
    let answer = game.call(call, PATIENCE).expect("a response");
    assert!(answer.is_some());
}

/// The same while things lie in its way, which it cannot read.
fn ping_past_things(game: &mut SignedGame, response: &Path) {
    let sent = game.send_calls(&[call("VPI_Ping", Value::Null)]);
    let id = sent.expect("a file can be written")[0];
    wait_until("a response", || {
        let there = response.symlink_metadata();
        there.is_ok_and(|there| there.is_file())
    });
    assert!(game.answer(id, PATIENCE).expect("a response").is_some());
}

/// Pings when something is in the way of the answer.
fn ping_once_it_is_free(host: &mut Host) {
    let token = host.send_one("VPI_Ping", Value::Null);
    wait_until("an answer file", || {
        let there = host.input_path().symlink_metadata();
        there.is_ok_and(|there| there.is_file() && there.len() > 0)
    });
    host.answers(&[token]);
}

/// The next of our files for this game.
fn next_of_ours(vpid: &Vpid, game: &SignedGame, ahead: u64) -> PathBuf {
    let name = game.next_name();
    let parsed = parse_name(&name).expect("a name");
    let folder = vpid.scriptdata().join("vpid");
    let ours = vpid.signed_files().into_iter().filter_map(|name| {
        let there = folder.join(&name).symlink_metadata().ok()?;
        let kind = parse_name(&name)?.kind;
        (there.is_file() && matches!(kind, Kind::Vpid(_))).then_some(kind)
    });
    let last = ours
        .map(|kind| if let Kind::Vpid(m) = kind { m } else { 0 })
        .max();
    let m = last.unwrap_or(0) + ahead;
    vpid.scriptdata()
        .join("vpid")
        .join(of_vpid(parsed.host, parsed.session, m))
}

#[test]
fn what_lies_under_the_name_of_an_answer_keeps_no_host_from_its_answers() {
    for watch in ["inotify", "poll"] {
        let vpid = Vpid::new().setting(&format!("watch = \"{watch}\""));
        let target = vpid.path("target");
        fs::write(&target, "theirs").unwrap();
        let of = |when: &str, thing: &str| format!("{when}_{}", thing.replace(' ', "_"));
        for thing in THINGS {
            let host = of("start", thing);
            occupy(&vpid.scriptdata().join(names::input(&host)), thing, &target);
            occupy(
                &vpid
                    .scriptdata()
                    .join(format!("{}.vpid", names::input(&host))),
                thing,
                &target,
            );
        }
        let vpid = vpid.started();
        for thing in THINGS {
            ping_once_it_is_free(&mut vpid.host(&of("start", thing)));
            let mut host = vpid.host(&of("later", thing));
            host.ping();
            vpid.at_rest();
            let _ = fs::remove_file(host.input_path());
            occupy(&host.input_path(), thing, &target);
            ping_once_it_is_free(&mut host);
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        let log = vpid.log();
        let moved = log.matches("was a folder where a file of vpid belongs; it is .vpid-aside-");
        assert_eq!(moved.count(), 4, "{log}");
        assert!(!log.contains("cannot be written"), "{log}");
    }
}

#[test]
fn what_lies_under_the_name_of_a_signed_file_keeps_no_game_from_its_responses() {
    let vpid = Vpid::new().signed().started();
    let target = vpid.path("target");
    fs::write(&target, "theirs").unwrap();
    let mut game = vpid.signed_game("my_server");
    ping(&mut game);
    for thing in THINGS {
        let response = next_of_ours(&vpid, &game, 1);
        for ahead in 1..=3 {
            let path = next_of_ours(&vpid, &game, ahead);
            if path.symlink_metadata().is_err() {
                occupy(&path, thing, &target);
            }
        }
        ping_past_things(&mut game, &response);
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    assert!(!vpid.log().contains("cannot be written"), "{}", vpid.log());
}

#[test]
fn a_name_that_cannot_be_freed_is_reported_once_and_counted() {
    let vpid = Vpid::new().started();
    let mut host = vpid.host("my_server");
    host.ping();
    for number in 1..=vpid::limits::ASIDE_MAX {
        fs::create_dir(vpid.scriptdata().join(names::aside(number))).unwrap();
    }
    fs::remove_file(host.input_path()).unwrap();
    occupy(&host.input_path(), "full folder", Path::new("/nowhere"));
    let token = host.send_one("VPI_Ping", Value::Null);
    vpid.wait_for_log("things that were in the way lie there already");
    // It is tried each second.
    stays("the log", Duration::from_millis(2_500), || {
        vpid.log()
            .matches("answers for my_server cannot be written")
            .count()
            == 1
    });
    vpid.host("bystander").ping();
    fs::remove_dir_all(host.input_path()).unwrap();
    host.answers(&[token]);
}

#[test]
fn what_lies_where_a_game_writes_is_left_alone_and_reported_once() {
    let vpid = Vpid::new();
    let target = vpid.path("target");
    fs::write(&target, "theirs").unwrap();
    let at = |name: &str| vpid.scriptdata().join(name);
    occupy(&at(&names::restart("my_server")), "full folder", &target);
    for (tick, thing) in THINGS.iter().enumerate() {
        let name = names::calls("my_server", 1, tick as i64);
        occupy(&at(&name), thing, &target);
        occupy(&at(&names::taken(&name, 7)), thing, &target);
    }
    let vpid = vpid.setting("watch = \"poll\"").started();
    vpid.wait_for_log("it is a folder where a game writes a file, and is left alone");
    for _ in 0..5 {
        vpid.host("my_server").ping();
    }
    let log = vpid.log();
    assert!(at_most_once_each(&log), "{log}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    assert!(vpid.scriptdata().join(names::restart("my_server")).is_dir());
}

/// Whether each thing in the place of a game's file is named once at most.
fn at_most_once_each(log: &str) -> bool {
    let lines = log.lines().filter(|line| line.contains("is left alone"));
    let mut names: Vec<&str> = lines.filter_map(|line| line.split("WARN").nth(1)).collect();
    let before = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() == before
}

#[test]
fn the_folder_of_the_signed_protocol_is_no_link() {
    let vpid = Vpid::new().signed();
    let elsewhere = vpid.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let folder = vpid.scriptdata().join("vpid");
    symlink(&elsewhere, &folder).unwrap();
    let vpid = vpid.started();
    vpid.wait_for_log("it is a symbolic link, and vpid follows none there; remove it");
    vpid.host("stock").ping();
    fs::remove_file(&folder).unwrap();
    ping(&mut vpid.signed_game("my_server"));

    // Nor does it become one later.
    fs::rename(&folder, vpid.path("before")).unwrap();
    symlink(&elsewhere, &folder).unwrap();
    let game = SignedGame::connect(&vpid.scriptdata(), "late", KEY.as_bytes(), Duration::ZERO);
    let seen = Duration::from_millis(SWEEP_MS + 1_000);
    stays("nothing is written through the link", seen, || {
        let mut names = fs::read_dir(&elsewhere).unwrap().flatten();
        names.all(|name| name.file_name().to_string_lossy().contains("hello"))
    });
    assert!(game.is_err());
    fs::remove_file(&folder).unwrap();
    fs::rename(vpid.path("before"), &folder).unwrap();
    ping(&mut vpid.signed_game("my_server"));
}

#[test]
fn a_link_to_scriptdata_itself_is_no_second_vpid() {
    let vpid = Vpid::new().signed();
    symlink(".", vpid.scriptdata().join("vpid")).unwrap();
    let vpid = vpid.started();
    vpid.wait_for_log("it is a symbolic link, and vpid follows none there; remove it");
    assert!(!vpid.log().contains("another vpid"), "{}", vpid.log());
    vpid.host("stock").ping();

    // One folder under two paths.
    let mut twice = Vpid::new();
    symlink("scriptdata", twice.path("same")).unwrap();
    let second = format!(
        "[[server]]\nhostname = \"other\"\nscriptdata = '{}'\nlegacy_secret = 'abcdefghij'\n",
        twice.path("same").display()
    );
    twice = twice.queries(&second);
    let (code, said) = twice.refused();
    assert_eq!(code, Some(1));
    assert!(
        said.contains("serves the same folder under another path already"),
        "{said}"
    );
}

#[test]
fn what_others_make_of_the_folder_of_the_signed_protocol_is_moved_away() {
    for thing in ["file", "fifo", "socket"] {
        let vpid = Vpid::new().signed();
        let folder = vpid.scriptdata().join("vpid");
        match thing {
            "file" => fs::write(&folder, "text").unwrap(),
            _ => occupy(&folder, thing, Path::new("/nowhere")),
        }
        let vpid = vpid.started();
        ping(&mut vpid.signed_game("my_server"));
        assert!(
            vpid.log().contains("where a folder of vpid belongs"),
            "{}",
            vpid.log()
        );
    }
}

#[test]
fn locks_of_others_keep_vpid_out_of_no_folder() {
    let vpid = Vpid::new().signed();
    let scriptdata = vpid.scriptdata();
    fs::create_dir(scriptdata.join("vpid")).unwrap();
    let mut held = Vec::new();
    for folder in [scriptdata.clone(), scriptdata.join("vpid")] {
        fs::write(folder.join(names::LOCK), "").unwrap();
        for path in [folder.clone(), folder.join(names::LOCK)] {
            let file = File::open(path).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
            held.push(file);
        }
    }
    let vpid = vpid.started();
    vpid.host("stock").ping();
    ping(&mut vpid.signed_game("my_server"));

    // Another vpid is another thing, also with a state folder of its own.
    for signed in [false, true] {
        let other = Vpid::new().serving(&scriptdata);
        let mut other = if signed { other.signed() } else { other };
        let (code, said) = other.refused();
        assert_eq!(code, Some(1));
        let holder = format!("another vpid serves this folder (process {})", vpid.pid());
        assert!(said.contains(&holder), "{said}");
    }
    let fresh = SignedGame::connect(&scriptdata, "fresh", KEY.as_bytes(), PATIENCE);
    ping(&mut fresh.expect("a session"));
}

#[test]
fn files_that_were_half_written_are_removed_at_the_start() {
    let vpid = Vpid::new().signed();
    fs::create_dir(vpid.scriptdata().join("vpid")).unwrap();
    let left = [
        vpid.scriptdata().join(names::temporary(1)),
        vpid.scriptdata().join("vpid").join(names::temporary(2)),
    ];
    let foreign = vpid.scriptdata().join(".vpid-new-notes");
    for path in left.iter().chain([&foreign]) {
        fs::write(path, "half").unwrap();
    }
    let vpid = vpid.started();
    vpid.host("my_server").ping();
    wait_until("they are gone", || left.iter().all(|path| !path.exists()));
    assert!(foreign.exists());
}

#[test]
fn what_lies_in_the_state_folder_under_names_of_ours_is_moved_and_not_followed() {
    for thing in THINGS {
        let state = tempfile::tempdir().unwrap();
        let vpid = Vpid::new().signed().keeping(state.path());
        let target = vpid.path("target");
        fs::write(&target, "theirs").unwrap();
        let names = [
            "vpid.lock",
            "identities",
            "sessions",
            "begun",
            "instance",
            "rejected",
            "control.sock",
        ];
        for name in names {
            occupy(&state.path().join(name), thing, &target);
        }
        let mut vpid = vpid.started();
        let mut host = vpid.host("stock");
        host.ping();
        ping(&mut vpid.signed_game("my_server"));
        host.write_raw(b"garbage\0");
        vpid.wait_for_reason("");
        let list = vpid.command(&["game", "list"]);
        assert!(list.status.success(), "{thing}: {list:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs", "{thing}");
        vpid.stop();
        vpid.start();
        host.ping();
        let log = vpid.log();
        assert!(
            log.matches("of vpid belongs").count() <= names.len(),
            "{log}"
        );
    }
}

#[test]
fn a_flood_of_the_same_error_is_a_few_lines_and_a_right_count() {
    const FLOOD: usize = 3_000;
    let mut vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let failing = || call("VPI_DB_UserSelect", json!({"table": "user_test_none"}));
    for _ in 0..FLOOD / 100 {
        let calls: Vec<_> = (0..100).map(|_| failing()).collect();
        let tokens = host.send(&calls).unwrap();
        host.all_answers(&tokens);
    }
    for n in 0..300 {
        host.write_raw(format!("garbage {n}\0").as_bytes());
    }
    host.send(&[call("VPI_No_Such_Function", Value::Null)])
        .unwrap();
    vpid.wait_for_log("VPI_No_Such_Function");
    wait_until("all were rejected", || {
        !vpid.files().iter().any(|name| name.contains("output"))
    });
    vpid.at_rest();
    vpid.stop();
    let log = vpid.log();
    assert!(log.lines().count() < 100, "{log}");
    let counted = |words: &str| -> usize {
        let lines = log.lines().filter(|line| line.contains(words));
        let count = |line: &str| match line.split_once(" more line") {
            Some((before, _)) => before.rsplit(' ').next().unwrap().parse().unwrap(),
            None => 1,
        };
        lines.map(count).sum()
    };
    assert_eq!(counted("user_test_none"), FLOOD, "{log}");
    assert_eq!(counted("was rejected"), 300, "{log}");
}
