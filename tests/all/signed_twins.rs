//! Two games of one name in one folder: the one that began last is served, and the other gets a message.

use std::time::Duration;

use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;

use crate::support::{PATIENCE, Vpid, call, insert, wait_until};

/// The next message that says that the session is over.
#[track_caller]
fn gone(game: &mut SignedGame) -> Value {
    loop {
        let message = game.receive(PATIENCE).expect("files");
        let message = message.expect("a word from vpid");
        if !message["gone"].is_null() {
            return message;
        }
    }
}

#[track_caller]
fn is_answered(game: &mut SignedGame, n: i64) {
    let answer = game.call(insert(n), PATIENCE).expect("files");
    answer.expect("an answer").expect("no error");
}

#[test]
fn the_displaced_game_is_told_and_its_calls_are_not_made_without_answers() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut first = vpid.signed_game("same_name");
    is_answered(&mut first, 1);
    let mut second = vpid.signed_game("same_name");
    is_answered(&mut second, 2);
    // Only who goes on for a while is another game, and not the last words of a map.
    std::thread::sleep(Duration::from_millis(1_700));
    first.send_calls(&[insert(3)]).unwrap();
    let message = gone(&mut first);
    assert_eq!(message["displaced"], json!(true), "{message}");
    let why = "another game of the same name";
    assert!(message["gone"].to_string().contains(why), "{message}");
    first.send_calls(&[insert(4)]).unwrap();
    wait_until("both files are in rejected/", || {
        vpid.log().matches("nothing in this file was done").count() == 2
    });
    is_answered(&mut second, 5);
    assert_eq!(vpid.numbers(), [1, 2, 5]);
    let warnings = vpid.log().matches("two games call themselves so").count();
    assert_eq!(warnings, 1, "{}", vpid.log());
    second.leave().unwrap();
}

#[test]
fn what_a_map_has_left_is_done_after_the_next_one_has_begun() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut first = vpid.signed_game("same_name");
    is_answered(&mut first, 1);
    let mut second = vpid.signed_game("same_name");
    second.call(call("VPI_Ping", json!({})), PATIENCE).unwrap();
    first.send_calls(&[insert(2)]).unwrap();
    wait_until("both are there", || vpid.numbers() == [1, 2]);
    assert!(!vpid.log().contains("two games"), "{}", vpid.log());
}
