//! Everything that can be observed of the game is recorded, in order.

use serde_json::json;
use tempfile::TempDir;

use crate::support::record::Entry;
use crate::support::{Setup, What};

/// An entry in a line: map, ticks since the map's start, what.
fn line(entry: &Entry) -> String {
    let what = match &entry.what {
        What::MapStart(map) => format!("start {map}"),
        What::MapEnd(map) => format!("end {map}"),
        What::Print(text) => format!("print {text:?}"),
        What::ClientPrint { to, dest, text } => {
            format!("show {to:?} {dest} {}", String::from_utf8_lossy(text))
        }
        What::Read { name, bytes, given } => format!("read {name} {bytes:?} {given}"),
        What::Write { name, text } => format!("write {name} {}", String::from_utf8_lossy(text)),
        What::Refused { name } => format!("refuse {name}"),
        What::Event { name, handled, .. } => format!("event {name} {handled}"),
        What::Command(command) => format!("command {command}"),
        What::Error(error) => format!("error {error}"),
    };
    format!("{}.{} {what}", entry.map, entry.tick - 67)
}

#[test]
fn what_scripts_and_players_do_is_recorded_with_map_and_tick() {
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script("mapspawn.nut", "printl(\"hello\")")
        .start("cp_test");
    let code = r#"
        StringToFile("a", "text"); FileToString("a"); FileToString("b"); FileToString("../c")
        SendToServerConsole("kick bob"); Convars.SetValue("sv_cheats", 1)
        ClientPrint(null, 3, "hi"); FireGameEvent("ours", { yes = true })
    "#;
    game.run_ticks(3);
    game.run("t.nut", code);
    let failed = game.try_run("t.nut", "local x = 1\nx.y()");
    assert_eq!(failed, Err("the index 'y' does not exist".into()));
    assert!(game.try_run("t.nut", "local = 1").is_err());
    game.fire("teamplay_round_win", json!({"team": 2}));
    game.change_map("cp_other");
    let lines: Vec<String> = game.record().0.iter().map(line).collect();
    let expected = [
        "1.0 start cp_test",
        "1.0 print \"hello\\n\"",
        "1.3 write a text",
        "1.3 read a Some(5) true",
        "1.3 read b None false",
        "1.3 refuse ../c",
        "1.3 command kick bob",
        "1.3 print \"sv_cheats cannot be set by script\\n\"",
        "1.3 show None 3 hi",
        "1.3 event ours false",
        "1.3 error the index 'y' does not exist\n  in main (t.nut, line 2)",
        "1.3 error expected 'IDENTIFIER'\n  in  (t.nut, line 1)",
        "1.3 event teamplay_round_win false",
        "1.3 end cp_test",
        "2.0 start cp_other",
        "2.0 print \"hello\\n\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_server_lives_through_many_maps() {
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script(
            "mapspawn.nut",
            r#"
            ::loops <- { function OnGameEvent_player_activate(event) {
                local player = GetPlayerFromUserID(event.userid)
                player.ValidateScriptScope()
                player.GetScriptScope().itself <- player
                held.append(player)
            }, held = [] }
            loops.me <- loops
            __CollectGameEventCallbacks(loops)
            "#,
        )
        .start("cp_0");
    for n in 0..4 {
        game.join(format!("player {n}"), &format!("[U:1:{n}]"));
    }
    for map in 1..30 {
        game.run_ticks(70);
        let held = "return ::loops.held.len()";
        assert_eq!(game.run("t.nut", held), json!(4), "map {map}");
        game.change_map(&format!("cp_{map}"));
    }
    game.assert_no_errors();
}
