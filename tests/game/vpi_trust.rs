//! Files in vpid's place: forged, altered, cut, replayed, in disorder, large, strange.

use std::fs;

use serde_json::{Value as Json, json};
use vpid::protocol::signed;

use crate::support::peer::Talk;

const LISTEN: &str = r#"
::heard <- []
VPI.On("news", function(data) { ::heard.append(data) })
"#;

fn talk() -> Talk {
    let mut talk = Talk::start(LISTEN);
    talk.run(60);
    talk
}

/// Puts something else into the place of vpid's next file, for 200 ticks, then the right one.
fn instead(change: impl Fn(&mut Talk, &str, Vec<u8>) -> Vec<u8>) {
    let mut talk = talk();
    talk.peer.silent = true;
    let m = talk
        .peer
        .send(&[json!({"message": "news", "data": "true"})]);
    let name = talk.peer.vpid_file(m);
    let right = fs::read(talk.peer.path(&name)).unwrap();
    let wrong = change(&mut talk, &name, right.clone());
    fs::write(talk.peer.path(&name), &wrong).unwrap();
    talk.run(200);
    assert_eq!(talk.script("return ::heard"), json!([]));
    fs::write(talk.peer.path(&name), &right).unwrap();
    talk.peer.silent = false;
    talk.run(20);
    assert_eq!(talk.script("return ::heard"), json!(["true"]));
    let again = talk.peer.all("again");
    assert_eq!(
        again,
        [json!({"again": m})],
        "the file with the request was not claimed"
    );
    talk.game.assert_no_errors();
}

#[test]
fn a_forged_file_is_not_believed() {
    instead(|_, name, _| {
        let keys = signed::Keys::of_host(b"some other key that has enough characters", "my_server");
        let body = json!([{"message": "news", "data": "forged"}]).to_string();
        signed::seal(&keys.vpid, name, 1, &body).into_bytes()
    });
}

#[test]
fn a_file_is_asked_for_once_a_second_until_it_can_be_believed() {
    let mut talk = talk();
    talk.peer.stubborn = true;
    let m = talk.peer.send(&[json!({"message": "news", "data": 1})]);
    let name = talk.peer.vpid_file(m);
    let right = fs::read(talk.peer.path(&name)).unwrap();
    fs::write(talk.peer.path(&name), "nonsense\0").unwrap();
    talk.run(670);
    let asked = talk.peer.all("again").len();
    assert!((8..=11).contains(&asked), "{asked} times");
    let from = talk.game.costs_us().len();
    talk.run(60);
    println!("{:?}", &talk.game.costs_us()[from..]);
    fs::write(talk.peer.path(&name), &right).unwrap();
    talk.run(70);
    assert_eq!(talk.script("return ::heard"), json!([1]));
    talk.run(300);
    assert!(talk.peer.all("again").len() <= asked + 2);
    talk.game.assert_no_errors();
}

#[test]
fn what_the_game_signed_is_not_believed_in_the_other_direction() {
    instead(|talk, name, _| {
        let body = json!([{"message": "news", "data": "reflected"}]).to_string();
        signed::seal(&talk.peer.keys().game, name, 1, &body).into_bytes()
    });
    instead(|talk, _, _| {
        let record = talk.game.record();
        let (_, text) = *record.writes().last().unwrap();
        text.to_vec()
    });
}

#[test]
fn altered_and_cut_files_are_not_believed() {
    for at in [0, 6, 8, 9, 12, 20, 40, 60, 90] {
        instead(|_, _, mut file| {
            file[at] ^= 1;
            file
        });
        instead(|_, _, mut file| {
            file.truncate(at);
            file
        });
    }
    instead(|_, _, file| [b"x", file.as_slice()].concat());
    instead(|_, _, file| file[..file.len() - 2].to_vec());
}

#[test]
fn an_older_file_of_the_session_is_not_believed_again() {
    instead(|talk, _, _| {
        let older = talk
            .peer
            .sent
            .iter()
            .find(|(name, _)| name.ends_with("_d1.interface"));
        older.unwrap().1.clone().into_bytes()
    });
}

#[test]
fn a_genuine_file_with_nonsense_is_skipped() {
    let mut talk = talk();
    for body in [
        "{}",
        "[",
        "[1,null,[],{}]",
        "7",
        "[{\"message\":5},{\"call\":1},{\"answer\":{}}]",
    ] {
        talk.peer.send_body(body);
    }
    let odd = [
        json!({"print": 5}),
        json!({"hook": []}),
        json!({"command": null}),
        json!({"later": "versions know more"}),
        json!({"answer": 12345, "value": 1}),
        json!({"message": "news", "data": 1}),
        json!({"message": "no news", "data": 1}),
        json!({"message": "news"}),
    ];
    talk.peer.send(&odd);
    talk.run(60);
    assert_eq!(talk.script("return ::heard"), json!([1, null]));
    talk.game.assert_no_errors();
    talk.assert_printed("cannot be read");
}

#[test]
fn files_are_read_in_their_order_and_once() {
    let mut talk = talk();
    let send = |talk: &mut Talk, n| talk.peer.send(&[json!({"message": "news", "data": n})]);
    let first = send(&mut talk, 1);
    let name = talk.peer.vpid_file(first);
    let hidden = fs::read(talk.peer.path(&name)).unwrap();
    fs::remove_file(talk.peer.path(&name)).unwrap();
    send(&mut talk, 2);
    send(&mut talk, 3);
    talk.run(30);
    assert_eq!(talk.script("return ::heard"), json!([]));
    fs::write(talk.peer.path(&name), &hidden).unwrap();
    talk.run(40);
    assert_eq!(talk.script("return ::heard"), json!([1, 2, 3]));
    fs::write(talk.peer.path(&name), &hidden).unwrap();
    talk.run(100);
    assert_eq!(talk.script("return ::heard"), json!([1, 2, 3]));
    talk.assert_quiet();
}

#[test]
fn a_large_file_takes_several_ticks_and_none_too_much() {
    let mut talk = talk();
    let rows: Vec<Json> = (0..430)
        .map(|n| json!([n, "some text in a row", 2.5, null]))
        .collect();
    let message = json!({"message": "news", "data": rows});
    let bytes = message.to_string().len();
    assert!((14_000..16_000).contains(&bytes), "{bytes}");
    talk.peer.send(std::slice::from_ref(&message));
    let from = talk.game.costs_us().len();
    let start = talk.game.tick();
    assert!(talk.run_until(100, |talk| talk.script("return ::heard.len()") == json!(1)));
    let ticks = talk.game.tick() - start;
    println!("{ticks} ticks: {:?}", &talk.game.costs_us()[from..]);
    assert!((10..60).contains(&ticks), "{ticks}");
    assert_eq!(talk.script("return ::heard[0]"), message["data"]);
    talk.assert_quiet();
}

#[test]
fn many_messages_are_handed_over_ten_in_a_tick() {
    let mut talk = talk();
    let messages: Vec<Json> = (0..300)
        .map(|n| json!({"message": "news", "data": n}))
        .collect();
    talk.peer.send(&messages);
    let mut before = 0;
    for _ in 0..60 {
        talk.run(1);
        let now = talk.script("return ::heard.len()").as_u64().unwrap();
        assert!(now - before <= 10);
        before = now;
    }
    let all: Vec<Json> = (0..300).map(Json::from).collect();
    assert_eq!(talk.script("return ::heard"), Json::from(all));
}
