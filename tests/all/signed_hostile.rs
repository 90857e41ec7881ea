//! What others write into the folder of the signed protocol: forged, changed, copied, cut.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;
use vpid::protocol::signed;

use crate::support::{PATIENCE, Vpid, call, insert, stays, wait_until};

/// A vpid with a table of numbers, and a game with a session that has begun.
fn story() -> (Vpid, SignedGame) {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    still_works(&mut game);
    (vpid, game)
}

#[track_caller]
fn still_works(game: &mut SignedGame) {
    let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE);
    assert_eq!(answer, Ok(Some(Ok(json!("pong")))));
}

fn insert_message(n: i64) -> Value {
    json!({"call": 100 + n, "func": "VPI_DB_UserInsert", "script": "test.nut", "wait": false,
        "kwargs": {"table": "user_test_numbers", "values": [n]}})
}

#[test]
fn a_file_that_was_executed_is_not_executed_again() {
    let (mut vpid, mut game) = story();
    let (name, text) = game.next_text(&[insert_message(1)]);
    game.write(&name, &text).unwrap();
    wait_until("it ran", || vpid.numbers() == [1]);
    still_works(&mut game);
    game.write(&name, &text).unwrap();
    wait_until("the copy went", || !vpid.signed_files().contains(&name));
    vpid.kill();
    game.write(&name, &text).unwrap();
    // As if an earlier run had taken it.
    game.write(
        &format!("{name}.{}.taken", 1_700_000_000_000_000_u64),
        &text,
    )
    .unwrap();
    vpid.start();
    still_works(&mut game);
    wait_until("the copies went", || {
        !vpid.signed_files().iter().any(|file| file.contains(&name))
    });
    assert_eq!(vpid.numbers(), [1]);
}

#[test]
fn a_changed_file_is_set_aside_and_asked_for_again() {
    let (vpid, mut game) = story();
    let (name, text) = game.next_text(&[insert_message(1)]);
    game.write(&name, &text.replace("[1]", "[7]")).unwrap();
    vpid.wait_for_reason("not signed with this server's key");
    let again = game.receive(PATIENCE).unwrap().expect("a message");
    assert!(again["again"].as_u64().is_some(), "{again}");
    game.write(&name, &text).unwrap();
    wait_until("the true one ran", || vpid.numbers() == [1]);
    still_works(&mut game);
}

#[test]
fn files_that_come_early_wait_and_the_missing_one_is_asked_for() {
    let (vpid, mut game) = story();
    let (first, text) = game.next_text(&[insert_message(1)]);
    let number = first
        .rsplit_once("_c")
        .unwrap()
        .1
        .trim_end_matches(".interface")
        .to_string();
    game.send(&[insert_message(2)]).unwrap();
    let again = game.receive(PATIENCE).unwrap().expect("a message");
    assert_eq!(again["again"].to_string(), number);
    assert_eq!(vpid.numbers(), [0; 0]);
    game.write(&first, &text).unwrap();
    wait_until("both ran", || vpid.numbers() == [1, 2]);
}

#[test]
fn a_file_of_another_session_host_or_direction_is_refused() {
    let (vpid, mut game) = story();
    let (name, text) = game.next_text(&[insert_message(1)]);
    let digits = game.session.to_string();
    let mut other = vpid.signed_game("other");
    still_works(&mut other);
    let under_other = signed::of_game("other", other.session, 2);
    fs::write(game.dir().join(&under_other), format!("{text}\0")).unwrap();
    vpid.wait_for_reason("not signed with this server's key");
    // A file of ours, sent back to us: it must not pass for one of the game.
    let (back, _) = game.next_text(&[]);
    let ours = fs::read(game.dir().join(format!("my_server_{digits}_d1.interface"))).unwrap();
    fs::write(game.dir().join(&back), ours).unwrap();
    wait_until("two were refused", || vpid.reasons().len() == 2);
    game.write(&name, &text).unwrap();
    wait_until("the true one ran", || vpid.numbers() == [1]);
}

#[test]
fn a_copied_hello_gets_a_session_that_nobody_can_use() {
    let (vpid, mut game) = story();
    let mut recorded = Vec::new();
    // A whole earlier session, as a foreign script could have copied it.
    let mut earlier = vpid.signed_game("my_server");
    for n in 1..3 {
        let (name, text) = earlier.next_text(&[insert_message(n)]);
        earlier.write(&name, &text).unwrap();
        recorded.push((name, text));
    }
    wait_until("it ran", || vpid.numbers() == [1, 2]);
    for _ in 0..3 {
        // Later ones, so that the copied one is not known any more.
        game = vpid.signed_game("my_server");
        still_works(&mut game);
    }
    for (name, text) in &recorded {
        game.write(name, text).unwrap();
    }
    vpid.wait_for_reason("its session is not known");
    still_works(&mut game);
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn hellos_without_the_key_are_refused_and_many_of_them_leave_little() {
    let (vpid, mut game) = story();
    for n in 0..40 {
        let name = format!("host{n}_{n:032x}_hello.interface");
        game.write(&name, "vpid1 0 2\n{}\n").unwrap();
    }
    wait_until("all were set aside", || vpid.reasons().len() == 40);
    // Copies of true ones: a session is made for each, and few are kept.
    for _ in 0..12 {
        let _ = SignedGame::connect(
            &vpid.scriptdata(),
            "my_server",
            crate::support::KEY.as_bytes(),
            PATIENCE,
        );
    }
    still_works(&mut game);
    let welcomes = || {
        vpid.signed_files()
            .iter()
            .filter(|name| name.contains("welcome"))
            .count()
    };
    wait_until("few welcomes are left", || welcomes() <= 4);
}

#[test]
fn cut_and_oversized_files_are_asked_for_again() {
    let (vpid, mut game) = story();
    let (name, text) = game.next_text(&[insert_message(1)]);
    fs::write(game.dir().join(&name), &text.as_bytes()[..20]).unwrap();
    let again = game.receive(PATIENCE).unwrap().expect("a message");
    assert!(again["again"].as_u64().is_some(), "{again}");
    fs::write(game.dir().join(&name), vec![b'x'; 100_000]).unwrap();
    // Asked for once more, when a second has passed.
    game.write(&name, &text).unwrap();
    wait_until("it ran", || vpid.numbers() == [1]);
    still_works(&mut game);
}

#[test]
fn folders_links_and_foreign_names_are_left_alone() {
    let (vpid, mut game) = story();
    let dir = game.dir().to_path_buf();
    let target = vpid.path("secret");
    fs::write(&target, "secret\0").unwrap();
    let next = game.next_name();
    std::os::unix::fs::symlink(&target, dir.join(&next)).unwrap();
    fs::create_dir(dir.join(signed::of_game("my_server", game.session, 99))).unwrap();
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    stays(
        "the target is not touched",
        Duration::from_millis(300),
        || {
            fs::read(&target).is_ok_and(|bytes| bytes == b"secret\0")
                && dir.join("notes.txt").exists()
        },
    );
    fs::remove_file(dir.join(&next)).unwrap();
    still_works(&mut game);
}

#[test]
fn a_body_that_is_no_list_of_messages_is_set_aside_and_the_session_goes_on() {
    let (vpid, mut game) = story();
    let keys_text = game.next_text(&[insert_message(1)]);
    drop(keys_text);
    // The number above was never written: it is asked for, and then comes as rubbish.
    let again = {
        game.send_calls(&[insert(2)]).unwrap();
        game.receive(PATIENCE).unwrap().expect("a message")
    };
    let n = again["again"].as_u64().expect("a number");
    game.write_body(n, "{\"no\": \"list\"}").unwrap();
    vpid.wait_for_reason("its messages cannot be read");
    wait_until("what came behind it ran", || vpid.numbers() == [2]);
    still_works(&mut game);
}

#[test]
fn another_version_is_refused_in_words() {
    let vpid = Vpid::new().signed().started();
    let session = signed::Id::from_random([7; 16]);
    let keys = signed::Keys::of_host(crate::support::KEY.as_bytes(), "my_server");
    let name = signed::hello("my_server", session);
    let body = r#"{"version":2,"script":"9.0.0","map":"m"}"#;
    let dir = vpid.scriptdata().join("vpid");
    fs::write(
        dir.join(&name),
        signed::seal(&keys.game, &name, 0, body) + "\0",
    )
    .unwrap();
    let welcome = signed::welcome("my_server", session);
    wait_until("a welcome", || dir.join(&welcome).exists());
    let file = fs::read_to_string(dir.join(&welcome)).unwrap();
    let file = file.trim_end_matches('\0');
    let opened = signed::open(&keys.vpid, &welcome, file.as_bytes()).unwrap();
    let body: Value = serde_json::from_slice(opened.body).unwrap();
    let words = body["refused"].as_str().unwrap();
    assert!(
        words.contains("speaks version 2") && words.contains("update vpid"),
        "{words}"
    );
    vpid.wait_for_log(words);
}
