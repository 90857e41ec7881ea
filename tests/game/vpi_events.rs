//! What vpid gets about players and rounds.

use serde_json::{Value as Json, json};

use crate::support::peer::{Talk, config};
use crate::support::{Newcomer, Setup};

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
    talk.game.win_round(3, true);
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
fn a_feigned_death_is_none() {
    let mut talk = talk();
    let (ann, bob) = (
        talk.game.join("ann", "[U:1:5]"),
        talk.game.join("bob", "[U:1:6]"),
    );
    talk.game.feign(ann, bob);
    talk.run(60);
    assert_eq!(talk.peer.events("player_death"), [] as [Json; 0]);
    talk.assert_quiet();
}

/// A chosen class is played from the next spawn on.
#[test]
fn a_class_is_the_one_that_is_played() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.game.class(ann, 7);
    talk.run(800);
    let listed = |talk: &mut Talk| {
        let beats = talk.peer.all("heartbeat");
        beats.last().expect("a heartbeat")["heartbeat"]["players"][0]["class"].clone()
    };
    assert_eq!(listed(&mut talk), json!(3));
    talk.game.spawn(ann);
    talk.run(800);
    assert_eq!(talk.peer.events("player_spawn")[1]["class"], json!(7));
    assert_eq!(listed(&mut talk), json!(7));
}

/// They have another manager of players, and fewer fields.
#[test]
fn in_another_game_nothing_is_said_that_is_not_known() {
    let mut talk = Talk::begin("", Setup::counter_strike);
    talk.connect();
    let ann = talk.game.join("ann", "[U:1:3000000000]");
    talk.game.kill(ann, 0);
    talk.game.change(ann, |player| player.score = 4);
    talk.run(800);
    assert_eq!(talk.peer.events("player_spawn"), [json!({"userid": ann})]);
    let active = &talk.peer.events("player_active")[0];
    assert_eq!(active["id"], json!("[U:1:3000000000]"));
    let beats = talk.peer.all("heartbeat");
    let player = &beats.last().expect("a heartbeat")["heartbeat"]["players"][0];
    let mut expected = json!({"userid": ann, "name": "ann", "id": "[U:1:3000000000]", "bot": false,
        "team": 2, "score": 4, "ping": 50, "alive": false, "deaths": 1});
    expected["seconds"] = player["seconds"].clone();
    assert_eq!(*player, expected);
    talk.assert_quiet();
}

#[test]
fn a_name_that_came_without_an_event_stands_in_the_heartbeat() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    talk.game.rename_quietly(ann, "ann of old");
    talk.run(800);
    let beats = talk.peer.all("heartbeat");
    let player = &beats.last().expect("a heartbeat")["heartbeat"]["players"][0];
    assert_eq!(player["name"], json!("ann of old"));
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
    let text = format!(
        "return NetProps.GetPropString(GetPlayerFromUserID({late}), \"m_szNetworkIDString\")"
    );
    talk.run(195);
    assert_eq!(talk.peer.events("player_active"), [] as [Json; 0]);
    talk.run(30);
    // The game has not looked it up again.
    assert_eq!(talk.script(&text), json!("STEAM_ID_PENDING"));
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
fn an_id_that_comes_after_minutes_is_found_without_heartbeats_too() {
    let text = config("heartbeat_seconds <- 10", "heartbeat_seconds <- 0");
    let mut talk = Talk::begin("", |setup| setup.script("vpi_config.nut", &text));
    talk.connect();
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

/// Scripts can write the text, and not the number.
#[test]
fn a_player_with_two_different_ids_is_not_reported() {
    for lie in ["BOT", "[U:1:1]"] {
        let mut talk = talk();
        let newcomer = Newcomer {
            id_late_ticks: 20,
            ..Newcomer::new("ann", "[U:1:5]")
        };
        let ann = talk.game.join_as(&newcomer);
        talk.script(&format!(
            "NetProps.SetPropString(GetPlayerFromUserID({ann}), \"m_szNetworkIDString\", \"{lie}\")"
        ));
        talk.run(10);
        talk.game.change(ann, |player| player.authenticated = true);
        talk.run(100);
        assert_eq!(talk.peer.events("player_active"), [] as [Json; 0], "{lie}");
    }
}

#[test]
fn who_leaves_before_the_id_is_asked_for_is_reported_with_that_of_the_event() {
    let mut talk = talk();
    let newcomer = Newcomer {
        id_late_ticks: 500,
        ..Newcomer::new("hasty", "[U:1:9]")
    };
    let hasty = talk.game.join_as(&newcomer);
    talk.run(20);
    talk.game
        .change(hasty, |player| player.authenticated = true);
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
fn who_leaves_before_steam_knows_them_has_no_id() {
    let mut talk = talk();
    let newcomer = Newcomer {
        id_late_ticks: 500,
        ..Newcomer::new("hasty", "[U:1:9]")
    };
    let hasty = talk.game.join_as(&newcomer);
    talk.run(60);
    talk.game.leave(hasty, "gone");
    talk.run(60);
    assert_eq!(talk.peer.events("player_disconnect")[0]["id"], json!(""));
    talk.assert_quiet();
}

/// Functions of the game take 32 bits of a number, which can be those of a player who is on.
#[test]
fn a_userid_beyond_32_bits_is_nobodys() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    talk.peer.got.clear();
    talk.script(&format!(
        "local wide = {ann} + 65536 * 65536
        foreach (table in ::GameEventCallbacks.player_activate)
            if (wide != {ann})
                table.OnGameEvent_player_activate({{ userid = wide }})"
    ));
    talk.run(60);
    assert_eq!(talk.peer.events("player_active"), [] as [Json; 0]);
    talk.assert_quiet();
}

/// Scripts can raise events of players who are not on: these are kept in mind up to a bound.
#[test]
fn players_who_are_not_there_keep_no_player_out() {
    let mut talk = talk();
    talk.script(
        "for (local userid = 1000; userid < 3000; userid++)
            foreach (table in ::GameEventCallbacks.player_activate)
                table.OnGameEvent_player_activate({ userid = userid })",
    );
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    let active = json!({"userid": ann, "name": "ann", "id": "[U:1:5]", "bot": false});
    assert_eq!(talk.peer.events("player_active"), [active]);
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
    assert_eq!(
        active.len(),
        2,
        "a vpid that has forgotten us knows no player"
    );
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
        "class": 3, "score": 18, "deaths": 0, "ping": 88, "alive": true, "seconds": seconds});
    assert_eq!(players[3], third);
    assert_eq!(players[4]["alive"], json!(false));
    assert_eq!(players[4]["deaths"], json!(1));
    // As when a tournament begins.
    talk.game.change(ids[4], |player| player.deaths = 0);
    talk.run(700);
    let beats = talk.peer.all("heartbeat");
    assert_eq!(beats[2]["heartbeat"]["players"][4]["deaths"], json!(0));
    talk.assert_quiet();
}

#[test]
fn a_heartbeat_has_for_how_long_a_player_has_done_nothing() {
    let mut talk = talk();
    let ann = talk.game.join("Ann", "[U:1:7]");
    talk.game.change(ann, |player| player.team = 2);
    talk.run(2);
    let idle = |talk: &Talk| {
        let beats = talk.peer.all("heartbeat");
        beats.last().expect("a heartbeat")["heartbeat"]["players"][0]["idle"].clone()
    };
    let set = |talk: &mut Talk, name: &str, value: &str| {
        let kind = if name == "m_nButtons" { "Int" } else { "Float" };
        talk.script(&format!(
            "NetProps.SetProp{kind}(GetPlayerFromUserID({ann}), \"{name}\", {value})"
        ));
    };
    // In ten seconds, a heartbeat comes.
    let beat = |talk: &mut Talk| talk.run(667);
    beat(&mut talk);
    assert_eq!(idle(&talk), json!(null), "this game does not have it");
    for name in ["m_angEyeAngles[0]", "m_angEyeAngles[1]"] {
        set(&mut talk, name, "1.5");
    }
    set(&mut talk, "m_nButtons", "0");
    let between = |talk: &Talk, from: i64, to: i64| {
        let idle = idle(talk);
        assert!(
            (from..=to).contains(&idle.as_i64().expect("a number")),
            "{idle}"
        );
    };
    (0..3).for_each(|_| beat(&mut talk));
    between(&talk, 30, 50);
    for (name, value) in [
        ("m_angEyeAngles[1]", "1.25"),
        ("m_angEyeAngles[0]", "2.0"),
        ("m_nButtons", "8"),
    ] {
        set(&mut talk, name, value);
        beat(&mut talk);
        between(&talk, 0, 0);
        beat(&mut talk);
        between(&talk, 9, 11);
    }
    // Where the game puts a player who begins to live is not the player's doing.
    talk.game.kill(ann, ann);
    beat(&mut talk);
    talk.game.spawn(ann);
    set(&mut talk, "m_angEyeAngles[1]", "90.0");
    beat(&mut talk);
    beat(&mut talk);
    between(&talk, 39, 51);
    talk.game.say(ann, "I am here");
    talk.run(700);
    between(&talk, 0, 11);
    // Who watches does not play, and is not idle.
    talk.game.change(ann, |player| player.team = 1);
    beat(&mut talk);
    assert_eq!(idle(&talk), json!(null));
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

/// The game calls the tables of a list from the last to the first, and no further than the one that throws.
#[test]
fn a_script_whose_handlers_throw_keeps_no_event_from_us() {
    let mut talk = talk();
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.script(
        r#"
        ::broken <- {}
        foreach (name in ["player_say", "player_death", "player_spawn", "player_disconnect"])
            ::broken["OnGameEvent_" + name] <- function(event) { throw "not our fault" }
        __CollectGameEventCallbacks(::broken)
    "#,
    );
    talk.run(70);
    talk.game.say(ann, "hello");
    talk.game.kill(ann, 0);
    talk.game.leave(ann, "bye");
    talk.run(60);
    for event in ["player_chat", "player_death", "player_disconnect"] {
        assert_eq!(talk.peer.events(event).len(), 1, "{event}");
    }
    assert_eq!(talk.game.record().errors().len(), 3, "theirs were called");
}

#[test]
fn a_pause_is_no_time_that_passes() {
    let mut talk = talk();
    talk.peer.answer = Some(|_| json!("answered"));
    let ann = talk.game.join("ann", "[U:1:5]");
    talk.run(60);
    talk.script(
        r#"::got <- []
        VPI.AsyncCall({ func = "F", urgent = true, timeout = 1.0,
            callback = function(response, error) { ::got.append(response) } })"#,
    );
    talk.game.pause(true);
    talk.run(2000);
    talk.game.say(ann, "is anybody there?");
    talk.run(2000);
    assert_eq!(talk.script("return ::got"), json!([]));
    talk.game.pause(false);
    talk.run(30);
    assert_eq!(talk.script("return ::got"), json!(["answered"]));
    assert_eq!(talk.peer.events("player_chat").len(), 1);
    assert_eq!(talk.script("return VPI.Status().connected"), json!(true));
    talk.assert_quiet();
}

#[test]
fn slots_are_those_for_players() {
    for (cvars, slots) in [
        (&[][..], 24),
        (&[("tv_enable", "1")], 23),
        (&[("tv_enable", "0"), ("sv_visiblemaxplayers", "-1")], 24),
        (&[("tv_enable", "1"), ("sv_visiblemaxplayers", "20")], 20),
    ] {
        let mut talk = Talk::begin("", |setup| setup);
        // When the server's configuration has run.
        talk.run(9);
        for (name, value) in cvars {
            talk.game.set_cvar(name, value);
        }
        talk.connect();
        let start = &talk.peer.events("map_start")[0];
        assert_eq!(start["max_players"], json!(slots), "{cvars:?}");
    }
}

/// Below 0 lies what the game never calls again at the beginning of a map.
#[test]
fn thinks_give_no_negative_time() {
    let mut talk = talk();
    for name in ["vpi_pump", "vpi_delivery"] {
        let code = format!(
            "local next = Entities.FindByName(null, \"{name}\").GetScriptScope().Think()
            return typeof next + \" \" + (next >= 0)"
        );
        assert_eq!(talk.script(&code), json!("float true"), "{name}");
    }
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
