//! The control socket: what an operator sees of games and sends them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;

use crate::support::{PATIENCE, Vpid, call, program, wait_until};

fn story() -> (Vpid, SignedGame) {
    let vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("my_server");
    let start = json!({"event": "map_start", "data": {"map": "cp_test", "max_players": 24}});
    let ann = json!({"event": "player_active",
        "data": {"userid": 2, "name": "Ann\u{1b}[31m", "id": "[U:1:7]", "bot": false}});
    game.send(&[start, ann]).unwrap();
    wait_until("the game is known", || {
        text(vpid.command(&["game", "list"])).contains("cp_test")
    });
    (vpid, game)
}

#[track_caller]
fn text(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn complaint(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// Starts a command that waits for the game.
fn command(vpid: &Vpid, arguments: &[&str]) -> Child {
    let mut command = program();
    command
        .args(arguments)
        .arg("--config")
        .arg(vpid.config_path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("vpid can be spawned")
}

#[test]
fn games_are_listed_with_their_players() {
    let (vpid, _game) = story();
    let listed = text(vpid.command(&["game", "list"]));
    assert!(
        listed.contains("my_server") && listed.contains("1/24"),
        "{listed}"
    );
    assert!(
        listed.contains("Ann?[31m") && listed.contains("[U:1:7]"),
        "{listed}"
    );
    let listed = text(vpid.command(&["game", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["players"][0]["userid"], json!(2));
}

#[test]
fn a_function_of_the_game_is_called_and_gives_its_result() {
    let (vpid, mut game) = story();
    let child = command(&vpid, &["game", "call", "stats.top", r#"{"n": 3}"#]);
    let asked = game.receive(PATIENCE).unwrap().expect("a call");
    assert_eq!(
        (&asked["func"], &asked["args"]),
        (&json!("stats.top"), &json!({"n": 3}))
    );
    game.send(&[json!({"result": asked["call"], "value": ["a", 1]})])
        .unwrap();
    let printed = text(child.wait_with_output().unwrap());
    assert_eq!(
        serde_json::from_str::<Value>(&printed).unwrap(),
        json!(["a", 1])
    );
    let child = command(&vpid, &["game", "call", "broken"]);
    let asked = game.receive(PATIENCE).unwrap().expect("a call");
    game.send(&[json!({"result": asked["call"], "error": "it threw"})])
        .unwrap();
    assert!(complaint(child.wait_with_output().unwrap()).contains("it threw"));
}

#[test]
fn other_pushes_are_done_when_the_game_has_read_them() {
    let (vpid, mut game) = story();
    let pushes: [(&[&str], Value); 4] = [
        (
            &["say", "hello"],
            json!({"print": "hello", "to": null, "where": "chat"}),
        ),
        (&["hook", "Reward"], json!({"hook": "Reward", "data": {}})),
        (
            &["message", "m", "[1]"],
            json!({"message": "m", "data": [1]}),
        ),
        (
            &["command", "mp_restartgame 1"],
            json!({"command": "mp_restartgame 1"}),
        ),
    ];
    for (arguments, expected) in pushes {
        let arguments: Vec<&str> = [&["game"], arguments].concat();
        let child = command(&vpid, &arguments);
        assert_eq!(game.receive(PATIENCE), Ok(Some(expected)));
        game.send(&[]).unwrap();
        text(child.wait_with_output().unwrap());
    }
}

#[test]
fn a_push_to_a_map_that_ends_is_dropped_or_kept_as_its_sender_chose() {
    let (vpid, game) = story();
    let push = |arguments: &[&str], last: &str| {
        let child = command(&vpid, arguments);
        wait_until("it is written", || {
            vpid.signed_files().iter().any(|name| name.ends_with(last))
        });
        child
    };
    let dropped = push(&["game", "say", "one"], "_d1.interface");
    let kept = push(&["game", "say", "two", "--keep"], "_d2.interface");
    let kept_call = push(&["game", "call", "f", "--keep"], "_d3.interface");
    drop(game);
    let mut next = vpid.signed_game("my_server");
    next.send(&[]).unwrap();
    let two = json!({"print": "two", "to": null, "where": "chat"});
    assert_eq!(next.receive(PATIENCE), Ok(Some(two)));
    let asked = next.receive(PATIENCE).unwrap().expect("the kept call");
    assert_eq!(asked["func"], json!("f"));
    next.send(&[json!({"result": asked["call"], "value": 7})])
        .unwrap();
    assert_eq!(text(kept_call.wait_with_output().unwrap()), "7\n");
    text(kept.wait_with_output().unwrap());
    let said = complaint(dropped.wait_with_output().unwrap());
    assert!(said.contains("the map ended"), "{said}");
}

#[test]
fn what_games_tell_can_be_watched() {
    let (vpid, mut game) = story();
    let mut child = command(&vpid, &["game", "watch", "--host", "my_server"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    errors.read_line(&mut said).unwrap();
    assert!(said.starts_with("Watching"), "{said}");
    let mut none = command(&vpid, &["game", "watch", "--host", "other"]);
    let mut errors = BufReader::new(none.stderr.take().unwrap());
    said.clear();
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("no host other is known now"), "{said}");
    none.kill().unwrap();
    none.wait().unwrap();
    let mut other = vpid.signed_game("other");
    let event = |text: &str| json!({"event": "player_chat", "data": {"userid": 2, "text": text}});
    other.send(&[event("elsewhere")]).unwrap();
    game.send(&[
        event("hi"),
        json!({"emit": "won", "data": 3, "script": "x.nut"}),
    ])
    .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || {
        let mut line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let at_ms = line.as_object_mut().unwrap().remove("at_ms");
        assert!(at_ms.is_some_and(|at_ms| at_ms.is_u64()), "{line}");
        line
    };
    let data = json!({"userid": 2, "text": "hi"});
    assert_eq!(
        line(),
        json!({"host": "my_server", "event": "player_chat", "data": data})
    );
    assert_eq!(
        line(),
        json!({"host": "my_server", "emit": "won", "data": 3, "script": "x.nut"})
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn problems_are_said_in_words() {
    let mut vpid = Vpid::new().signed();
    let said = complaint(vpid.command(&["game", "list"]));
    assert!(said.contains("no vpid runs"), "{said}");
    vpid.start();
    let listed = text(vpid.command(&["game", "list"]));
    assert!(listed.contains("No game is connected"), "{listed}");
    let said = complaint(vpid.command(&["game", "say", "x"]));
    assert!(said.contains("no game is connected"), "{said}");
    for host in ["a", "b"] {
        let start = json!({"event": "map_start", "data": {"map": "cp_test"}});
        let mut game = vpid.signed_game(host);
        game.send(&[start]).unwrap();
        let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE);
        assert_eq!(answer, Ok(Some(Ok(json!("pong")))));
    }
    let said = complaint(vpid.command(&["game", "say", "x"]));
    assert!(said.contains("a, b"), "{said}");
    let said = complaint(vpid.command(&["game", "say", "x", "--host", "c"]));
    assert!(said.contains("no game of the name c"), "{said}");
    let said = complaint(vpid.command(&["game", "call", "f", "--host", "a", "--timeout", "0.3"]));
    assert!(said.contains("did not receive it within 0.3 s"), "{said}");
}

#[test]
fn what_would_reach_nobody_is_refused() {
    let (vpid, mut game) = story();
    for (arguments, name) in [(["say", " "], "TEXT"), (["command", ""], "COMMAND")] {
        let output = vpid.command(&[&["game"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("{name} is empty")), "{said}");
    }
    // Until the game has listed its players, some may not be known.
    let child = command(&vpid, &["game", "say", "hi", "--to", "99"]);
    let print = json!({"print": "hi", "to": 99, "where": "chat"});
    assert_eq!(game.receive(PATIENCE), Ok(Some(print)));
    let players = [
        json!({"userid": 2, "name": "Ann", "id": "[U:1:7]"}),
        json!({"userid": 3, "name": "Ben", "id": "[U:1:8]"}),
    ];
    game.send(&[json!({"heartbeat": {"map": "cp_test", "players": players}})])
        .unwrap();
    text(child.wait_with_output().unwrap());
    wait_until("the list is known", || {
        text(vpid.command(&["game", "list"])).contains("Ben")
    });
    let said = complaint(vpid.command(&["game", "say", "hi", "--to", "99"]));
    assert!(
        said.contains("userid 99")
            && said.contains("there is: #2 Ann")
            && said.contains(", #3 Ben"),
        "{said}"
    );
    let child = command(&vpid, &["game", "say", "hi", "--to", "3"]);
    let print = json!({"print": "hi", "to": 3, "where": "chat"});
    assert_eq!(game.receive(PATIENCE), Ok(Some(print)));
    game.send(&[]).unwrap();
    text(child.wait_with_output().unwrap());
}

#[test]
fn broken_json_is_no_text() {
    let vpid = Vpid::new();
    vpid.write_config();
    for (arguments, part) in [
        (["call", "f", "{\"count\":"], "the arguments are not JSON"),
        (["message", "news", "{'bad'}"], "the arguments are not JSON"),
        (["hook", "x", "[1"], "the arguments are not JSON"),
        (["hook", "x", "\"text\""], "JSON must be an object"),
        (["hook", "x", "text"], "JSON must be an object"),
        (["message", "news", "a {text}"], "no vpid runs"),
    ] {
        let said = complaint(vpid.command(&[&["game"], &arguments[..]].concat()));
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[test]
fn the_socket_is_the_owners_alone() {
    let vpid = Vpid::new().signed().started();
    let mode = std::fs::metadata(vpid.path("state/control.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
