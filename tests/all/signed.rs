//! Signed sessions: calls and answers, maps, and restarts of the daemon.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;
use vpid::protocol::signed;

use crate::support::{KEY, PATIENCE, Vpid, call, insert, stays, wait_until};

#[track_caller]
fn ask(game: &mut SignedGame, function: &str, kwargs: Value) -> Value {
    let answer = game.call(call(function, kwargs), PATIENCE);
    answer
        .expect("files")
        .expect("an answer")
        .expect("no error")
}

/// Nothing of a session is left in the folder.
#[track_caller]
fn is_tidy(vpid: &Vpid) {
    wait_until("no file is left", || vpid.signed_files().is_empty());
}

#[test]
fn a_call_is_answered_and_nothing_is_left_behind() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    assert_eq!(
        ask(&mut game, "VPI_Ping", json!({"a": [1, "x\\"]})),
        json!({"a": [1, "x\\"]})
    );
    game.leave().unwrap();
    is_tidy(&vpid);
}

#[test]
fn values_come_as_they_are() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    let text = "caf\u{e9} \u{7}red \"quoted\" ends in \\";
    let values = json!([-5, 2_147_483_647, -2.5, text, null, true, {"k\\": []}]);
    let kwargs = json!({"v": values, "big": 76_561_197_960_287_930_i64});
    let answer = ask(&mut game, "VPI_Ping", kwargs);
    assert_eq!(answer, json!({"v": values, "big": "76561197960287930"}));
}

#[test]
fn sql_texts_are_plain_and_expressions_are_marked() {
    let vpid = Vpid::new().signed().started();
    vpid.sql()
        .execute_batch("CREATE TABLE user_test_t (n INTEGER, t TEXT)")
        .unwrap();
    let mut game = vpid.signed_game("my_server");
    // To the stock protocol these are expressions.
    let row = json!({"table": "user_test_t", "values": [1, "'quoted' || \\"]});
    assert_eq!(ask(&mut game, "VPI_DB_UserInsert", row), json!(1));
    let more = json!({"table": "user_test_t", "columns": ["n"], "values": [{"expr": "1 + 1"}]});
    assert_eq!(ask(&mut game, "VPI_DB_UserInsert", more), json!(1));
    let rows = ask(
        &mut game,
        "VPI_DB_UserSelect",
        json!({"table": "user_test_t"}),
    );
    assert_eq!(rows, json!([[1, "'quoted' || \\"], [2, null]]));
}

#[test]
fn texts_of_stock_style_scripts_are_sql() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    let call = json!({"call": 1, "func": "VPI_DB_UserInsert", "script": "test.nut", "wait": true,
        "texts": "sql", "kwargs": {"table": "user_test_numbers", "values": ["1 + 1"]}});
    game.send(&[call]).unwrap();
    assert_eq!(game.answer(1, PATIENCE), Ok(Some(Ok(json!(1)))));
    assert_eq!(vpid.numbers(), [2]);
}

#[test]
fn errors_are_told_from_values() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    let answer = game
        .call(call("VPI_Nothing", Value::Null), PATIENCE)
        .unwrap()
        .unwrap();
    let error = answer.unwrap_err();
    assert!(
        error
            .0
            .starts_with("[VPI ERROR] (VPI_Nothing) :: UnknownFunction"),
        "{error}"
    );
    let looks = json!({"text": "[VPI ERROR] is what errors begin with"});
    assert_eq!(ask(&mut game, "VPI_Ping", looks.clone()), looks);
}

#[test]
fn an_answer_that_no_file_can_hold_is_an_error() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    let long = "x".repeat(15_000);
    assert_eq!(
        ask(&mut game, "VPI_Ping", json!({"t": long})),
        json!({"t": long})
    );
    let longer = call("VPI_Ping", json!({"t": "x".repeat(16_000)}));
    let error = game.call(longer, PATIENCE).unwrap().unwrap().unwrap_err();
    assert!(error.0.contains("Response size exceeds maximum"), "{error}");
}

#[test]
fn a_chain_ends_with_its_first_error() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    let link = |id: u64, func: &str, kwargs: Value| json!({"call": id, "func": func, "kwargs": kwargs, "script": "test.nut", "wait": true});
    let row = |n: i64| json!({"table": "user_test_numbers", "values": [n]});
    let chain = json!({"chain": [
        link(1, "VPI_DB_UserInsert", row(1)),
        link(2, "VPI_Nothing", Value::Null),
        link(3, "VPI_DB_UserInsert", row(2)),
    ]});
    game.send(&[chain]).unwrap();
    let error = game.answer(3, PATIENCE).unwrap().unwrap().unwrap_err();
    assert!(error.0.contains("(VPI_Nothing)"), "{error}");
    assert_eq!(vpid.numbers(), [1]);
}

#[test]
fn a_new_map_ends_the_session_and_its_last_calls_are_executed() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut first = vpid.signed_game("my_server");
    first.send_calls(&[insert(1)]).unwrap();
    // Written at the end of the map, found after the next one has begun.
    let (name, text) = {
        let last = json!({"call": 9, "func": "VPI_DB_UserInsert", "script": "test.nut",
            "wait": true, "kwargs": {"table": "user_test_numbers", "values": [2]}});
        first.next_text(&[last])
    };
    let mut second = vpid.signed_game("my_server");
    assert_eq!(ask(&mut second, "VPI_Ping", Value::Null), json!("pong"));
    first.write(&name, &text).unwrap();
    wait_until("the late call ran", || vpid.numbers() == [1, 2]);
    assert_eq!(ask(&mut second, "VPI_Ping", Value::Null), json!("pong"));
    second.leave().unwrap();
    is_tidy(&vpid);
}

#[test]
fn a_session_outlives_a_restart_of_the_daemon() {
    let mut vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    assert_eq!(ask(&mut game, "VPI_Ping", Value::Null), json!("pong"));
    for round in 1..4 {
        match round {
            2 => vpid.kill(),
            _ => drop(vpid.stop()),
        }
        let ids = game.send_calls(&[insert(round)]).unwrap();
        vpid.start();
        assert_eq!(game.answer(ids[0], PATIENCE), Ok(Some(Ok(json!(1)))));
    }
    assert_eq!(vpid.numbers(), [1, 2, 3]);
    assert!(vpid.reasons().is_empty(), "{:?}", vpid.reasons());
}

#[test]
fn a_hello_waits_for_the_daemon() {
    let mut vpid = Vpid::new().signed();
    let scriptdata = vpid.scriptdata();
    let connect = || SignedGame::connect(&scriptdata, "my_server", KEY.as_bytes(), PATIENCE);
    let game = std::thread::scope(|scope| {
        let game = scope.spawn(connect);
        wait_until("a hello", || !vpid.signed_files().is_empty());
        vpid.start();
        game.join().expect("no panic")
    });
    let mut game = game.expect("a session");
    assert_eq!(ask(&mut game, "VPI_Ping", Value::Null), json!("pong"));
}

#[test]
fn a_lost_state_folder_is_told_to_the_game() {
    let mut vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    assert_eq!(ask(&mut game, "VPI_Ping", Value::Null), json!("pong"));
    vpid.stop();
    fs::remove_dir_all(vpid.path("state")).unwrap();
    vpid.start();
    game.send_calls(&[call("VPI_Ping", Value::Null)]).unwrap();
    let message = game.receive(PATIENCE).unwrap().expect("a message");
    assert!(
        message["gone"]
            .as_str()
            .unwrap()
            .contains("does not know this session")
    );
    vpid.wait_for_reason("its session is not known");
    let mut again = vpid.signed_game("my_server");
    assert_eq!(ask(&mut again, "VPI_Ping", Value::Null), json!("pong"));
}

#[test]
fn events_alone_are_acknowledged() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    for n in 0..30 {
        wait_until("room for a file", || {
            let _ = game.receive(Duration::from_millis(1));
            game.room() > 0
        });
        let event = json!({"event": "player_chat", "data": {"userid": n, "text": "hi"}});
        game.send(&[event]).unwrap();
    }
    game.leave().unwrap();
    is_tidy(&vpid);
}

#[test]
fn a_game_that_reads_nothing_is_sent_no_more_than_the_window() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    let long = call("VPI_Ping", json!({"t": "x".repeat(3_000)}));
    for _ in 0..4 {
        let calls: Vec<GameCall> = (0..10).map(|_| long.clone()).collect();
        game.send_calls(&calls).unwrap();
    }
    let is_ours = |name: &&String| {
        // One that is being written has another name.
        let kind = signed::parse_name(name).map(|name| name.kind);
        matches!(kind, Some(signed::Kind::Vpid(_)))
    };
    let ours = || vpid.signed_files().iter().filter(is_ours).count();
    wait_until("the window is full", || ours() >= 8);
    // At most one more acknowledges each of the four files, past the full window.
    stays("no more than that", Duration::from_millis(300), || {
        ours() <= 12
    });
    for id in 1..=40 {
        let answer = game.answer(id, PATIENCE).unwrap();
        assert!(answer.is_some_and(|answer| answer.is_ok()), "answer {id}");
        if id % 5 == 0 {
            game.send(&[]).unwrap();
        }
    }
}

#[test]
fn a_host_that_has_signed_cannot_be_spoken_for_by_stock_files() {
    let mut vpid = Vpid::new().signed().with_numbers().started();
    let mut stock = vpid.host("my_server");
    assert_eq!(stock.ask("VPI_Ping", Value::Null), json!("pong"));
    let mut game = vpid.signed_game("my_server");
    assert_eq!(ask(&mut game, "VPI_Ping", Value::Null), json!("pong"));
    stock.send(&[insert(1)]).unwrap();
    vpid.wait_for_reason("signs its files");
    vpid.stop();
    vpid.start();
    stock.send(&[insert(2)]).unwrap();
    wait_until("refused after a restart too", || vpid.reasons().len() == 2);
    assert_eq!(
        vpid.host("another").ask("VPI_Ping", Value::Null),
        json!("pong")
    );
    assert_eq!(vpid.numbers(), [0; 0]);
}

#[test]
fn a_key_that_was_taken_away_and_comes_back_costs_a_new_session() {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    assert_eq!(ask(&mut game, "VPI_Ping", Value::Null), json!("pong"));
    let without = vpid
        .config_text()
        .replace(&format!("key = \"{KEY}\"\n"), "");
    fs::write(vpid.config_path(), without).unwrap();
    vpid.hang_up();
    vpid.wait_for_logs("was reloaded", 1);
    vpid.reload();
    vpid.wait_for_logs("was reloaded", 2);
    // Numbers of files would not fit any more: the game is told, and begins anew.
    game.send_calls(&[call("VPI_Ping", Value::Null)]).unwrap();
    let message = wait_until_gone(&mut game);
    assert!(message.contains("does not know this session"), "{message}");
    let mut again = vpid.signed_game("my_server");
    assert_eq!(ask(&mut again, "VPI_Ping", Value::Null), json!("pong"));
}

#[track_caller]
fn wait_until_gone(game: &mut SignedGame) -> String {
    loop {
        let message = game.receive(PATIENCE).unwrap().expect("a message");
        if let Some(gone) = message["gone"].as_str() {
            return gone.to_string();
        }
    }
}
