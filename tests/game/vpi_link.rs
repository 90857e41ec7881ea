//! The session: hello, welcome, files in order, acknowledgements, and what goes wrong with them.

use std::fs;

use serde_json::{Value as Json, json};
use vpid::protocol::signed;

use crate::support::peer::{Peer, Talk};

/// Calls `VPI_Note` with numbers, and notes the answers.
const NOTES: &str = r#"
::answers <- []
::Note <- function(n, urgent, timeout = 3.0) {
    local done = function(response, error) { ::answers.append([n, response, error]) }
    VPI.AsyncCall({ func = "VPI_Note", kwargs = { n = n }, urgent = urgent, callback = done, timeout = timeout })
}
"#;

/// The numbers that reached the peer, in order.
fn notes(peer: &Peer) -> Vec<i64> {
    let calls = peer.all("call");
    calls
        .iter()
        .map(|call| call["kwargs"]["n"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_session_begins_and_says_what_is_played() {
    let mut talk = Talk::start("");
    talk.assert_quiet();
    let start = json!({"map": "cp_first", "max_players": 24});
    assert_eq!(talk.peer.events("map_start"), [start]);
    talk.run(200);
    talk.assert_quiet();
    let status = talk.script("return VPI.Status()");
    assert_eq!(status["connected"], json!(true));
    assert_eq!(
        (&status["host"], &status["vpid"]),
        (&json!("my_server"), &json!("9.9.9"))
    );
}

#[test]
fn a_vpid_that_starts_late_is_found() {
    let mut talk = Talk::begin(NOTES, |setup| setup);
    talk.peer.silent = true;
    talk.script("Note(1, true, 60.0); Note(2, false, 60.0); Note(3, true, 1.0)");
    talk.run(1500);
    assert_eq!(talk.peer.names().len(), 1);
    // A vpid took the hello, and ended.
    let hello = talk.peer.names().remove(0);
    fs::remove_file(talk.peer.path(&hello)).unwrap();
    talk.run(1000);
    assert_eq!(talk.peer.names(), [hello]);
    talk.assert_printed("No vpid answers");
    talk.peer.silent = false;
    talk.run(200);
    assert_eq!(notes(&talk.peer), [1, 2]);
    assert_eq!(talk.peer.got[0].1["event"], json!("map_start"));
    let timed_out = json!([[3, "[VPI ERROR] TIMEOUT", true]]);
    assert_eq!(talk.script("return ::answers"), timed_out);
}

#[test]
fn sessions_differ_and_maps_have_their_own() {
    let mut talk = Talk::start("");
    let first = talk.peer.session();
    talk.game.change_map("cp_second");
    talk.peer.step();
    let ends = talk.peer.events("map_end");
    assert_eq!(ends, [json!({"map": "cp_first", "next": ""})]);
    talk.run(100);
    assert_ne!(talk.peer.session(), first);
    assert_eq!(talk.peer.events("map_start")[1]["map"], json!("cp_second"));
    talk.assert_quiet();
}

#[test]
fn a_refused_game_says_so_once_and_stops() {
    let mut talk = Talk::begin("", |setup| setup);
    talk.peer.refuses = true;
    talk.run(100);
    talk.assert_printed("vpid does not talk with this server: this is not the server you look for");
    let before = talk.game.record().0.len();
    talk.run(500);
    let after = talk.game.record().0.split_off(before);
    let files = after
        .iter()
        .filter(|entry| format!("{:?}", entry.what).contains("interface"));
    assert_eq!(files.count(), 0);
}

#[test]
fn a_welcome_with_another_key_is_not_believed() {
    let mut talk = Talk::begin("", |setup| setup);
    talk.peer.silent = true;
    talk.run(100);
    let hello = talk.peer.names().remove(0);
    let session = signed::parse_name(&hello).unwrap().session;
    let name = signed::welcome("my_server", session);
    let keys = signed::Keys::of_host(b"another key that has enough characters", "my_server");
    let body = json!({"version": 1, "nonce": session.as_str()}).to_string();
    let file = signed::seal(&keys.vpid, &name, 0, &body);
    talk.peer.write(&name, file.as_bytes());
    talk.run(200);
    talk.assert_printed("not signed with the key of this vpi.nut");
    talk.peer.silent = false;
    talk.connect();
}

#[test]
fn a_silent_vpid_fills_the_window_and_nothing_is_lost_or_doubled() {
    let mut talk = Talk::start(NOTES);
    talk.peer.silent = true;
    for n in 0..40 {
        talk.script(&format!("Note({n}, true, 60.0)"));
        talk.run(2);
    }
    let of_game = |name: &&String| {
        let name = signed::parse_name(name).expect("a name of the protocol");
        matches!(name.kind, signed::Kind::Game(_))
    };
    assert_eq!(talk.peer.names().iter().filter(of_game).count(), 8);
    talk.run(200);
    talk.peer.silent = false;
    talk.peer.answer = Some(|call| call["kwargs"]["n"].clone());
    talk.run(100);
    assert_eq!(notes(&talk.peer), (0..40).collect::<Vec<_>>());
    let answers = talk.script("return ::answers");
    let expected: Vec<Json> = (0..40).map(|n| json!([n, n, false])).collect();
    assert_eq!(answers, Json::from(expected));
    talk.assert_quiet();
}

#[test]
fn what_was_read_is_acknowledged_within_half_a_second() {
    let mut talk = Talk::start("");
    talk.run(50);
    let m = talk
        .peer
        .send(&[json!({"message": "nobody hears", "data": 1})]);
    let name = talk.peer.vpid_file(m);
    assert!(talk.run_until(41, |talk| !talk.peer.path(&name).exists()));
    let read = talk.peer.last_read();
    talk.run(500);
    assert!(
        talk.peer.last_read() <= read + 1,
        "a file that says nothing wants no answer"
    );
}

#[test]
fn what_vpid_cannot_believe_is_written_again_as_it_was() {
    let mut talk = Talk::start(NOTES);
    talk.run(20);
    talk.peer.silent = true;
    talk.script("Note(1, true, 30.0)");
    talk.run(2);
    let name = talk.peer.game_file(talk.peer.last_read() + 1);
    let whole = fs::read(talk.peer.path(&name)).unwrap();
    fs::remove_file(talk.peer.path(&name)).unwrap();
    let n = talk.peer.last_read() + 1;
    talk.peer.send(&[
        json!({"again": n}),
        json!({"again": 77}),
        json!({"again": "x"}),
    ]);
    talk.run(20);
    assert_eq!(fs::read(talk.peer.path(&name)).unwrap(), whole);
    talk.peer.silent = false;
    talk.run(20);
    assert_eq!(notes(&talk.peer), [1]);
}

#[test]
fn a_file_that_vanished_is_written_again_after_ten_seconds() {
    let mut talk = Talk::start(NOTES);
    talk.run(20);
    talk.peer.silent = true;
    talk.script("Note(1, true, 60.0)");
    talk.run(3);
    let name = talk.peer.game_file(talk.peer.last_read() + 1);
    fs::remove_file(talk.peer.path(&name)).unwrap();
    talk.run(650);
    assert!(!talk.peer.path(&name).exists());
    talk.run(40);
    assert!(talk.peer.path(&name).exists());
    let written = |talk: &Talk| {
        let record = talk.game.record();
        record
            .writes()
            .iter()
            .filter(|(file, _)| file.ends_with(&name))
            .count()
    };
    assert_eq!(written(&talk), 2);
    talk.run(2000);
    assert_eq!(written(&talk), 2, "it is there");
    talk.peer.silent = false;
    talk.run(20);
    assert_eq!(notes(&talk.peer), [1]);
}

#[test]
fn a_vpid_that_has_forgotten_us_gets_a_new_session() {
    let mut talk = Talk::start(NOTES);
    talk.script("VPI.Register(\"mine\", @(x) x)");
    talk.run(20);
    let old = talk.peer.session();
    talk.script("Note(1, true, 30.0)");
    talk.run(3);
    talk.peer.forget();
    // This one is lost with the session, and the other waits for the next.
    talk.script("Note(2, true, 30.0); Note(3, false, 30.0)");
    talk.peer.answer = Some(|call| call["kwargs"]["n"].clone());
    talk.run(100);
    assert_ne!(talk.peer.session(), old);
    assert_eq!(talk.peer.events("map_start").len(), 2);
    assert_eq!(talk.peer.all("register").len(), 2);
    let starts = |(_, message): &&(u64, Json)| message["event"] == json!("map_start");
    let (n, _) = talk.peer.got.iter().rfind(starts).unwrap();
    assert_eq!(*n, 1, "the first file of the session says what is played");
    let lost = "[VPI ERROR] (VPI_Note) :: SessionLost";
    let mut answers = talk.script("return ::answers");
    let answers = answers.as_array_mut().unwrap();
    answers.sort_by_key(|answer| answer[0].as_i64());
    assert_eq!(
        answers[..],
        [
            json!([1, lost, true]),
            json!([2, lost, true]),
            json!([3, 3, false])
        ]
    );
    assert_eq!(notes(&talk.peer), [1, 3]);
}

#[test]
fn everything_that_waits_when_the_map_ends_is_in_its_last_file() {
    let mut talk = Talk::start(NOTES);
    talk.run(20);
    let before = talk.peer.last_read();
    talk.script("for (local n = 0; n < 30; n++) Note(n, n % 3 == 0, 3.0)");
    talk.game.set_cvar("nextlevel", "cp_second");
    talk.game.change_map("cp_second");
    talk.peer.step();
    let mut got = notes(&talk.peer);
    got.sort_unstable();
    assert_eq!(got, (0..30).collect::<Vec<_>>());
    let (n, last) = talk.peer.got.last().unwrap().clone();
    assert_eq!(n, before + 1);
    assert_eq!(last["event"], json!("map_end"));
    assert_eq!(
        last["data"],
        json!({"map": "cp_first", "next": "cp_second"})
    );
    talk.assert_quiet();
}

#[test]
fn a_map_that_ends_while_a_file_is_in_the_making_loses_nothing() {
    for ticks in 30..60 {
        let mut talk = Talk::start(NOTES);
        talk.run(20);
        talk.script("for (local n = 0; n < 120; n++) Note(n, false, 30.0)");
        talk.run(ticks);
        talk.script("Note(120, true, 30.0)");
        talk.game.change_map("cp_second");
        talk.peer.step();
        let mut got = notes(&talk.peer);
        got.sort_unstable();
        assert_eq!(got, (0..121).collect::<Vec<_>>(), "after {ticks} ticks");
        let last = &talk.peer.got.last().unwrap().1;
        assert_eq!(last["event"], json!("map_end"));
        talk.assert_quiet();
    }
}

#[test]
fn a_map_that_ends_while_vpid_is_silent_is_still_reported() {
    let mut talk = Talk::start(NOTES);
    talk.peer.silent = true;
    for n in 0..20 {
        talk.script(&format!("Note({n}, true, 60.0)"));
        talk.run(2);
    }
    talk.game.shut_down();
    talk.peer.silent = false;
    talk.peer.step();
    assert_eq!(notes(&talk.peer), (0..20).collect::<Vec<_>>());
    let (n, last) = talk.peer.got.last().unwrap();
    assert_eq!(last["event"], json!("map_end"));
    assert!(*n <= 17, "{n} files");
    talk.assert_quiet();
}

#[test]
fn a_full_window_does_not_keep_us_from_asking_again() {
    let mut talk = Talk::start(NOTES);
    talk.peer.silent = true;
    for n in 0..20 {
        talk.script(&format!("Note({n}, true, 60.0)"));
        talk.run(2);
    }
    let full = talk.peer.names().len();
    // The file that would make room cannot be believed.
    let name = talk.peer.vpid_file(2);
    talk.peer.write(&name, b"vpid1 8 2\n[]\nforged\0");
    talk.run(20);
    assert_eq!(talk.peer.names().len(), full + 2, "{:?}", talk.peer.names());
    talk.peer.silent = false;
    talk.run(100);
    assert_eq!(talk.peer.all("again"), [json!({"again": 2})]);
    assert_eq!(notes(&talk.peer), (0..20).collect::<Vec<_>>());
}

#[test]
fn files_are_about_four_kilobytes_and_larger_messages_go_alone() {
    let mut talk = Talk::start(NOTES);
    let code = r#"
        local text = "0123456789"
        while (text.len() < 20000) text += text
        for (local n = 0; n < 100; n++) Note(n, false, 60.0)
        VPI.AsyncCall({ func = "VPI_Note", kwargs = { n = 100, text = text } })
        text += text
        VPI.AsyncCall({ func = "VPI_Note", kwargs = { n = -1, text = text + text }, callback = @(r, e) ::answers.append(r) })
        Note(101, false, 60.0)
    "#;
    talk.script(code);
    talk.run(400);
    assert_eq!(notes(&talk.peer), (0..102).collect::<Vec<_>>());
    assert_eq!(
        talk.script("return ::answers"),
        json!(["[VPI ERROR] (VPI_Note) :: TooLarge"])
    );
    let large = talk.peer.sizes.iter().filter(|size| **size > 4300).count();
    assert_eq!(large, 1, "{:?}", talk.peer.sizes);
    assert!(talk.peer.sizes.len() < 12, "{:?}", talk.peer.sizes);
    talk.game.assert_no_errors();
}
