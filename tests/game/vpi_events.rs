//! What vpid is told about players and rounds.

use serde_json::{Value as Json, json};

use crate::support::Newcomer;
use crate::support::peer::{Talk, config};

fn talk() -> Talk {
    let mut talk = Talk::start("");
    talk.run(60);
    talk.peer.got.clear();
    talk
}

#[test]
fn every_event_is_reported_with_its_data() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    let bob = talk.game.join("bob", "BOT");
    talk.game.kill(ann, bob);
    talk.game.kill(bob, 0);
    talk.game.team(ann, 3);
    talk.game.class(ann, 7);
    talk.game.say(ann, "!rank \"x\" \\");
    talk.game
        .fire("teamplay_round_win", json!({"team": 3, "winreason": 1}));
    talk.game
        .fire("teamplay_round_start", json!({"full_reset": false}));
    talk.game.leave(ann, "Disconnect by user.");
    talk.run(60);
    let event = |name: &str| talk.peer.events(name);
    let active = [
        json!({"userid": ann, "name": "ann", "id": "[U:1:5]", "bot": false}),
        json!({"userid": bob, "name": "bob", "id": "BOT", "bot": true}),
    ];
    assert_eq!(event("player_active"), active);
    assert_eq!(
        event("player_spawn")[0],
        json!({"userid": ann, "team": 2, "class": 3})
    );
    let deaths = [
        json!({"userid": ann, "attacker": bob, "assister": 0, "weapon": "scattergun"}),
        json!({"userid": bob, "attacker": 0, "assister": 0, "weapon": "scattergun"}),
    ];
    assert_eq!(event("player_death"), deaths);
    assert_eq!(
        event("player_team")[2],
        json!({"userid": ann, "team": 3, "old": 2})
    );
    assert_eq!(event("player_class")[2], json!({"userid": ann, "class": 7}));
    assert_eq!(
        event("player_chat"),
        [json!({"userid": ann, "text": "!rank \"x\" \\"})]
    );
    assert_eq!(event("round_win"), [json!({"team": 3})]);
    assert_eq!(event("round_start"), [json!({"full": false})]);
    let gone = json!({"userid": ann, "name": "ann", "id": "[U:1:5]", "bot": false, "reason": "Disconnect by user."});
    assert_eq!(event("player_disconnect"), [gone]);
    talk.assert_quiet();
}

#[test]
fn chat_is_written_within_a_few_ticks() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    let start = talk.game.tick();
    talk.game.say(ann, "hello");
    assert!(talk.run_until(20, |talk| !talk.peer.events("player_chat").is_empty()));
    assert!(talk.game.tick() - start <= 5);
}

#[test]
fn late_ids_are_waited_for() {
    let mut talk = talk();
    let newcomer = Newcomer {
        id_late_ticks: 200,
        ..Newcomer::new("late", "[U:1:9]")
    };
    let late = talk.game.join_as(&newcomer);
    talk.run(195);
    assert_eq!(talk.peer.events("player_active"), [] as [Json; 0]);
    talk.run(30);
    let active = json!({"userid": late, "name": "late", "id": "[U:1:9]", "bot": false});
    assert_eq!(talk.peer.events("player_active"), [active]);
    talk.run(2000);
    assert_eq!(talk.peer.events("player_active").len(), 1);
    talk.assert_quiet();
}

#[test]
fn an_id_that_comes_after_minutes_is_found_with_a_heartbeat() {
    let mut talk = talk();
    let newcomer = Newcomer {
        id_late_ticks: 6000,
        ..Newcomer::new("late", "[U:1:9]")
    };
    talk.game.join_as(&newcomer);
    talk.run(5990);
    assert_eq!(talk.peer.events("player_active").len(), 0);
    talk.run(750);
    assert_eq!(talk.peer.events("player_active").len(), 1);
}

#[test]
fn who_leaves_before_the_id_is_known_is_reported_with_that_of_the_event() {
    let mut talk = talk();
    let newcomer = Newcomer {
        id_late_ticks: 500,
        ..Newcomer::new("hasty", "[U:1:9]")
    };
    let hasty = talk.game.join_as(&newcomer);
    talk.run(20);
    talk.game
        .change(hasty, |player| player.network_id = "[U:1:9]".into());
    talk.game.leave(hasty, "gone");
    talk.run(60);
    assert_eq!(
        talk.peer.events("player_disconnect")[0]["id"],
        json!("[U:1:9]")
    );
    assert!(talk.peer.events("player_active").len() <= 1);
    talk.assert_quiet();
}

#[test]
fn names_and_chat_cut_inside_a_character_pass() {
    let mut talk = talk();
    let name = "a name that is cut in some caf\u{e9}\u{e9}\u{e9}";
    let ann = talk.game.join(name, "[U:1:5]");
    talk.game.say(ann, "\u{e9}".repeat(90));
    talk.run(60);
    let cut = String::from_utf8_lossy(&name.as_bytes()[..31]).into_owned();
    assert!(cut.ends_with('\u{fffd}'));
    assert_eq!(talk.peer.events("player_active")[0]["name"], json!(cut));
    let text = talk.peer.events("player_chat")[0]["text"].clone();
    assert_eq!(text.as_str().unwrap().chars().count(), 64);
    talk.assert_quiet();
}

#[test]
fn players_that_stay_are_reported_on_every_map() {
    let mut talk = talk();
    talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    talk.game.change_map("cp_second");
    talk.connect();
    talk.run(150);
    assert_eq!(talk.peer.events("player_active").len(), 2);
    talk.assert_quiet();
}

#[test]
fn players_that_were_there_before_vpid_are_reported() {
    let mut talk = Talk::begin("", |setup| setup);
    talk.peer.silent = true;
    talk.run(100);
    talk.game.join("ann", "[U:1:5]");
    talk.run(3000);
    talk.peer.silent = false;
    talk.connect();
    talk.run(120);
    assert_eq!(talk.peer.events("player_active").len(), 1);
    assert!(!talk.peer.all("heartbeat").is_empty());
    talk.peer.forget();
    talk.game.say(2, "is anybody there?");
    talk.run(120);
    let active = talk.peer.events("player_active");
    assert_eq!(active.len(), 2, "a vpid that has forgotten us knows nobody");
    assert_eq!(active[0], active[1]);
    talk.game.assert_no_errors();
}

#[test]
fn a_heartbeat_lists_who_is_on() {
    let mut talk = talk();
    let ids: Vec<i32> = (0..24)
        .map(|n| talk.game.join(format!("p{n}"), &format!("[U:1:{n}]")))
        .collect();
    talk.run(2);
    talk.game.change(ids[3], |player| {
        (player.score, player.ping, player.team) = (17, 88, 3)
    });
    talk.game.kill(ids[4], ids[3]);
    talk.run(1400);
    let beats = talk.peer.all("heartbeat");
    assert_eq!(beats.len(), 2, "every ten seconds");
    let beat = &beats[1]["heartbeat"];
    assert_eq!(beat["map"], json!("cp_first"));
    assert!(beat["tick"].as_i64().unwrap() > 700);
    let players = beat["players"].as_array().unwrap();
    assert_eq!(players.len(), 24);
    let seconds = players[3]["seconds"].clone();
    assert!((15..=20).contains(&seconds.as_i64().unwrap()), "{seconds}");
    let third = json!({"userid": ids[3], "name": "p3", "id": "[U:1:3]", "bot": false, "team": 3,
        "class": 3, "score": 18, "ping": 88, "alive": true, "seconds": seconds});
    assert_eq!(players[3], third);
    assert_eq!(players[4]["alive"], json!(false));
    talk.assert_quiet();
}

#[test]
fn heartbeats_can_be_turned_off() {
    let text = config("heartbeat_seconds <- 10", "heartbeat_seconds <- 0");
    let mut talk = Talk::begin("", |setup| setup.script("vpi_config.nut", &text));
    talk.connect();
    talk.run(1500);
    assert_eq!(talk.peer.all("heartbeat").len(), 0);
}

#[test]
fn a_script_that_clears_all_event_callbacks_does_not_deafen_us() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.script("ClearGameEventCallbacks()");
    talk.run(70);
    talk.game.say(ann, "still there?");
    talk.run(10);
    assert_eq!(talk.peer.events("player_chat").len(), 1);
    talk.script("ClearGameEventCallbacks(); ::GameEventCallbacks <- null");
    talk.run(100);
    talk.assert_quiet();
}

#[test]
fn events_of_scripts_with_odd_fields_do_no_harm() {
    let mut talk = talk();
    let code = r#"
        local odd = { userid = {}, text = 5, name = [], bot = "x", networkid = null }
        foreach (name, list in ::GameEventCallbacks)
            foreach (table in list)
                foreach (params in [odd, null, 5, [], {}, { userid = -7 }, { userid = 2147483647 }])
                    table["OnGameEvent_" + name](params)
    "#;
    talk.script(code);
    talk.run(60);
    assert!(!talk.peer.events("player_chat").is_empty());
    assert_eq!(
        talk.peer.events("player_chat")[0],
        json!({"userid": 0, "text": ""})
    );
    talk.assert_quiet();
}
