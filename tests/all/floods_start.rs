//! What lies in the folders when vpid starts, and writers that go on while it takes: neither memory nor
//! the time until a game is served grows with it, and no call is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;
use vpid::limits;
use vpid::protocol::names;
use vpid::protocol::signed;

use crate::support::{KEY, PATIENCE, Vpid, call, insert, wait_until};

/// A file of this size, of which the disk holds nothing.
fn write_large(path: &Path, bytes: u64) {
    let file = File::create(path).unwrap();
    file.set_len(bytes).unwrap();
}

fn session(n: usize) -> signed::Id {
    signed::Id::parse(&format!("{n:032x}")).unwrap()
}

/// The most memory that it has used so far.
fn peak_mib(vpid: &Vpid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", vpid.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<u64>().unwrap() / 1024
}

#[track_caller]
fn still_works(game: &mut SignedGame) {
    let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE);
    assert_eq!(answer, Ok(Some(Ok(json!("pong")))));
}

#[test]
fn large_files_that_seem_to_be_left_are_not_read_at_the_start() {
    let mut vpid = Vpid::new().signed();
    let folder = vpid.scriptdata().join(signed::FOLDER);
    fs::create_dir(&folder).unwrap();
    let large = limits::CALL_FILE_BYTES_MAX as u64 - 8;
    for n in 0..300 {
        write_large(&folder.join(signed::of_vpid("x", session(n), 1)), large);
        write_large(&folder.join(names::temporary(n as u64)), large);
        // As if an earlier run had taken them: of both protocols.
        let name = signed::of_game("z", session(n), 1);
        write_large(&folder.join(names::taken(&name, 1_000 + n as u64)), large);
        let name = names::calls(&format!("w{n}"), 1, 1);
        write_large(
            &vpid
                .scriptdata()
                .join(names::taken(&name, 9_000 + n as u64)),
            large,
        );
    }
    vpid.start();
    let mut game = vpid.signed_game("my_server");
    still_works(&mut game);
    let is_left = |name: &String| !name.contains("my_server");
    wait_until("what nobody wants goes", || {
        let (signed, stock) = (vpid.signed_files(), vpid.files());
        let is_file = |name: &&String| name.as_str() != signed::FOLDER && is_left(name);
        !signed.iter().any(is_left) && !stock.iter().any(|name| is_file(&name))
    });
    still_works(&mut game);
    let peak = peak_mib(&vpid);
    assert!(peak < 40, "{peak} MiB");
}

#[test]
fn very_many_small_files_of_ours_are_removed_while_games_are_served() {
    let mut vpid = Vpid::new().signed();
    let folder = vpid.scriptdata().join(signed::FOLDER);
    fs::create_dir(&folder).unwrap();
    let count = 4_000;
    for n in 0..count {
        fs::write(folder.join(signed::of_vpid("x", session(n), 7)), "x\0").unwrap();
    }
    vpid.start();
    let mut game = vpid.signed_game("my_server");
    still_works(&mut game);
    wait_until("all of them go", || {
        let mut files = vpid.signed_files().into_iter();
        files.all(|name| name.contains("my_server"))
    });
    still_works(&mut game);
}

#[test]
fn of_a_known_session_only_what_can_be_unacknowledged_is_taken_for_ours() {
    let mut vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    still_works(&mut game);
    vpid.kill();
    // Never sent, whoever wrote it: it must not count as the last one.
    let far = [
        10_000_000_000_u64,
        1 + limits::SIGNED_CONTROL_WINDOW as u64 * 2,
    ]
    .map(|m| signed::of_vpid("my_server", game.session, m));
    for name in &far {
        game.write(name, "vpid1 0 2\n[]\n").unwrap();
    }
    let ended = signed::of_vpid("my_server", session(1), 1);
    game.write(&ended, "vpid1 0 2\n[]\n").unwrap();
    vpid.start();
    still_works(&mut game);
    game.send_calls(&[insert(1)]).unwrap();
    wait_until("it ran", || vpid.numbers() == [1]);
    wait_until("these go", || {
        let files = vpid.signed_files();
        !files
            .iter()
            .any(|name| far.contains(name) || *name == ended)
    });
    assert!(peak_mib(&vpid) < 40);
}

#[test]
fn calls_of_an_earlier_run_are_found_among_very_many_files_of_others() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    vpid.kill();
    for n in 0..3_000 {
        fs::write(vpid.scriptdata().join(format!("player_{n}.txt")), "x").unwrap();
    }
    for n in 1..=20 {
        let call = GameCall {
            callback: false,
            ..insert(n)
        };
        host.send(&[call]).unwrap();
    }
    // Half of them as if they had been taken before the end.
    let (mut files, mut id) = (vpid.files(), 1_700_000_000_000_000);
    files.retain(|name| name.contains("_output."));
    assert_eq!(files.len(), 20);
    for name in files.iter().step_by(2) {
        id += 2;
        let taken = vpid.scriptdata().join(names::taken(name, id));
        fs::rename(vpid.scriptdata().join(name), taken).unwrap();
    }
    vpid.start();
    wait_until("all have run", || vpid.numbers().len() == 20);
    let expected: Vec<i64> = (1..=20).collect();
    assert_eq!(vpid.numbers_as_they_came(), expected, "in their order");
    vpid.at_rest();
}

#[test]
fn a_game_that_writes_over_its_file_while_it_is_taken_loses_nothing() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let count = 40;
    for n in 1..=count {
        let call = json!({"token": format!("t{n}"), "func": "VPI_DB_UserInsert",
            "script": "test.nut", "callback": false,
            "kwargs": {"table": "user_test_numbers", "values": [n]}});
        let text = host.text_of(&[call]) + "\0";
        let name = host.next_name();
        let path = host.path_of(&name);
        fs::write(&path, &text).unwrap();
        // It goes on in whatever is there of that file, which may have its taken name by now.
        let Ok(mut file) = OpenOptions::new().write(true).open(&path) else {
            continue;
        };
        file.set_len(0).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    let expected: Vec<i64> = (1..=count).collect();
    wait_until("each ran once", || vpid.numbers().len() >= expected.len());
    host.ping();
    assert_eq!(vpid.numbers(), expected);
    assert_eq!(vpid.reasons(), [""; 0]);
    vpid.at_rest();
}

#[test]
fn a_hello_is_small() {
    let vpid = Vpid::new().signed().started();
    let folder = vpid.scriptdata().join(signed::FOLDER);
    let name = signed::hello("my_server", session(1));
    let large = limits::SIGNED_HELLO_BYTES_MAX as u64 + 1;
    write_large(&folder.join(&name), large);
    vpid.wait_for_reason("more than 4096");
    assert!(!vpid.signed_files().contains(&name));
    let connected = SignedGame::connect(&vpid.scriptdata(), "my_server", KEY.as_bytes(), PATIENCE);
    still_works(&mut connected.unwrap());
}
