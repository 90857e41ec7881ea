//! Scripts in Python and the shipped scripts of the game, through the built daemon: what Python
//! gets, and who calls whom.

use serde_json::{Value as Json, json};

use crate::support::python::{Stage, stage};

const RECORDER: &str = include_str!("../python/recorder.py");

/// In the game.
const RANKS: &str = r#"
::answers <- {}
::told <- []
::Ask <- function(name, func, kwargs) {
    ::VPI.AsyncCall({ func = func, kwargs = kwargs, urgent = true, timeout = 8.0,
        callback = function(response, error) {
            ::answers[name] <- { response = response, error = error }
        } })
}
VPI.Register("ranks.sum", function(data) {
    local sum = 0
    foreach (row in data.rows)
        sum += row.n
    return { sum = sum, map = GetMapName(), rows = data.rows.slice(0, 2), nothing = null }
})
VPI.Register("ranks.broken", function(data) { throw "not " + data })
VPI.On("news", function(data) { ::told.append(data) })
::Listener <- { function OnScriptHook_Reward(data) { ::told.append(data) } }
__CollectGameEventCallbacks(::Listener)
"#;

fn recorded() -> Stage {
    let python = [("recorder.py", RECORDER)];
    stage(&python, &[("ranks.nut", RANKS)], "admins = [\"[U:1:7]\"]\n")
}

fn steam(account: u64) -> String {
    (76_561_197_960_265_728 + account).to_string()
}

/// What was recorded since the last time, once there is as much.
#[track_caller]
fn hears(stage: &mut Stage, expected: &[Json]) {
    let mut heard: Vec<Json> = Vec::new();
    for _ in 0..40 {
        let more = stage.call("recorder.take", &Json::Null);
        heard.extend(more.as_array().expect("a list").clone());
        if heard.len() >= expected.len() {
            break;
        }
        stage.game.run_real(0.05);
    }
    assert_eq!(heard, expected, "{:#?}", stage.daemon.log());
}

#[track_caller]
fn answer(stage: &mut Stage, name: &str) -> Json {
    let look = format!("return (\"{name}\" in ::answers) ? ::answers[\"{name}\"] : null");
    stage.until(name, |stage| !stage.game.run("ranks.nut", &look).is_null());
    stage.game.run("ranks.nut", &look)
}

#[test]
fn python_gets_what_happens_in_the_game_in_its_order() {
    let mut stage = recorded();
    let first = ["OnServerStart", "OnMapStart", "OnRoundStart"];
    let servers = stage.call("recorder.do", &json!({"what": "servers", "args": []}));
    let label = &servers[0]["name"];
    let first = [
        json!([first[0], label]),
        json!([first[1], "cp_first"]),
        json!([first[2], true]),
    ];
    hears(&mut stage, &first);
    let ann = stage.game.join("Ann O'Hara", "[U:1:7]");
    let who = |name: &str, userid: i32, account: u64, team: i32| {
        json!(format!("{name}#{userid} {} {team}", steam(account)))
    };
    let ann_as = |team: i32| who("Ann O'Hara", ann, 7, team);
    hears(
        &mut stage,
        &[
            json!(["OnPlayerConnect", ann_as(0)]),
            json!(["OnPlayerActive", ann_as(0)]),
            json!(["OnPlayerTeam", ann_as(2), 2, 0]),
            json!(["OnPlayerClass", ann_as(2), 3]),
            json!(["OnPlayerSpawn", ann_as(2), 2, 3]),
        ],
    );
    let robot = stage.game.join("Robot", "BOT");
    stage.game.kill(robot, ann);
    stage.game.say(ann, "!stats \u{7}now");
    stage.game.team(ann, 3);
    stage
        .game
        .fire("teamplay_round_start", json!({"full_reset": true}));
    stage.game.fire("teamplay_round_win", json!({"team": 3}));
    stage.game.run(
        "ranks.nut",
        "VPI.Emit(\"duel_won\", { winner = 2, score = [20, 17], text = \"x\" })",
    );
    let robot_as = |team: i32| json!(format!("Robot#{robot} None {team} bot"));
    let duel = json!({"winner": 2, "score": [20, 17], "text": "x"});
    hears(
        &mut stage,
        &[
            json!(["OnPlayerConnect", robot_as(0)]),
            json!(["OnPlayerActive", robot_as(0)]),
            json!(["OnPlayerTeam", robot_as(2), 2, 0]),
            json!(["OnPlayerClass", robot_as(2), 3]),
            json!(["OnPlayerSpawn", robot_as(2), 2, 3]),
            json!(["OnPlayerDeath", robot_as(2), ann_as(2), null, "scattergun"]),
            json!(["OnPlayerChat", ann_as(2), "!stats \u{7}now"]),
            json!(["OnPlayerTeam", ann_as(3), 3, 2]),
            json!(["OnRoundStart", true]),
            json!(["OnRoundWin", 3]),
            json!(["OnEvent", "duel_won", duel, "ranks.nut"]),
        ],
    );
    stage.game.leave(robot, "Kicked by Console");
    stage.game.set_cvar("nextlevel", "cp_second");
    stage.game.change_map("cp_second");
    hears(
        &mut stage,
        &[
            json!(["OnPlayerDisconnect", robot_as(2), "Kicked by Console"]),
            json!(["OnMapEnd", "cp_first", "cp_second"]),
            json!(["OnMapStart", "cp_second"]),
            json!(["OnRoundStart", true]),
            json!(["OnPlayerActive", ann_as(3)]),
            json!(["OnPlayerSpawn", ann_as(3), 3, 3]),
        ],
    );
    stage.game.assert_no_errors();
}

#[test]
fn python_gets_the_heartbeat_and_knows_who_is_on() {
    let mut stage = recorded();
    let ann = stage.game.join("Ann", "[U:1:7]");
    let robot = stage.game.join("Robot", "BOT");
    for _ in 0..40 {
        // Ten seconds of the game, with time for the daemon in between.
        stage.game.run_ticks(20);
        stage.game.run_real(0.015);
    }
    stage.until("a heartbeat", |stage| {
        let beats = stage.call("recorder.get_beats", &Json::Null);
        beats.as_array().and_then(|beats| beats.last()) == Some(&json!(["Ann", "Robot"]))
    });
    let players = stage.call("recorder.players", &Json::Null);
    let first = &players[0];
    let about = json!([ann, "Ann", steam(7), "[U:1:7]", false, 2, true, true]);
    let fields = [
        "userid", "name", "steam", "id", "bot", "team", "alive", "admin",
    ];
    assert_eq!(json!(fields.map(|field| &first[field])), about, "{players}");
    assert_eq!(
        [&players[1]["userid"], &players[1]["bot"]],
        [&json!(robot), &json!(true)]
    );
    let about = stage.call("recorder.about", &Json::Null);
    let host = stage.game.run("ranks.nut", "return VPI.Status().host");
    let expected = json!({"map": "cp_first", "hostname": host, "max_players": about["max_players"],
        "count": 1, "bots": ["Robot"], "admins": ["Ann"], "servers": 1});
    assert_eq!(about, expected);
    assert!(about["max_players"].as_i64() > Some(1), "{about}");
}

#[test]
fn a_script_of_the_game_calls_python_and_gets_lists_and_tables() {
    let mut stage = recorded();
    stage.game.run(
        "ranks.nut",
        r#"
        Ask("names", "recorder.first_names", { players = [{ name = "Ann" }, { name = "Bob" }, { name = "Cid" }] })
        Ask("one", "recorder.first_names", { players = [{ name = "caf\xc3\xa9" }], most = 1 })
        Ask("many", "recorder.numbers", { count = 400 })
        Ask("failed", "recorder.first_names", { players = [], most = 101 })
        Ask("missing", "recorder.nothing", null)
        Ask("missing_script", "nobody.nothing", null)
        Ask("hidden", "recorder._recorder", { name = "x" })
        "#,
    );
    let names = answer(&mut stage, "names");
    let expected = json!({"names": ["Ann", "Bob"], "of": 3});
    assert_eq!(names, json!({"response": expected, "error": false}));
    let one = answer(&mut stage, "one");
    assert_eq!(one["response"], json!({"names": ["caf\u{e9}"], "of": 1}));
    let many = answer(&mut stage, "many");
    assert_eq!(many["response"][399], json!({"n": 399, "text": "399"}));
    for (name, said) in [
        (
            "failed",
            "(recorder.first_names) :: ValueError: a hundred at most",
        ),
        ("missing", "(recorder.nothing) :: UnknownFunction"),
        ("missing_script", "(nobody.nothing) :: UnknownFunction"),
        ("hidden", "(recorder._recorder) :: UnknownFunction"),
    ] {
        let answer = answer(&mut stage, name);
        assert_eq!(answer["error"], json!(true), "{answer}");
        assert!(answer.to_string().contains(said), "{answer}");
    }
}

#[test]
fn python_calls_functions_that_scripts_of_the_game_have_registered() {
    let mut stage = recorded();
    let rows: Vec<Json> = (0..1_000).map(|n| json!({ "n": n })).collect();
    let call = |function: &str, data: &Json| json!({"what": "call", "args": [function, data]});
    let data = json!({ "rows": rows });
    let expected = |map: &str| json!({"sum": 499_500, "map": map, "rows": [{"n": 0}, {"n": 1}], "nothing": null});
    let sum = call("ranks.sum", &data);
    assert_eq!(stage.call("recorder.do", &sum), expected("cp_first"));
    assert_eq!(stage.call("recorder.do_later", &sum), expected("cp_first"));
    let broken = stage.call("recorder.do", &call("ranks.broken", &json!("today")));
    assert!(broken.to_string().contains("not today"), "{broken}");
    let unknown = call("ranks.bottom", &Json::Null);
    let unknown = stage.call("recorder.do", &unknown);
    assert!(unknown.to_string().contains("UnknownFunction"), "{unknown}");
    stage
        .game
        .run("ranks.nut", "VPI.Unregister(\"ranks.broken\")");
    stage.until("it is gone", |stage| {
        let gone = stage.call("recorder.do", &call("ranks.broken", &Json::Null));
        gone.to_string().contains("UnknownFunction")
    });
    // Registrations end with their map, and begin with the next one.
    stage.game.change_map("cp_second");
    stage.until("the next map", |stage| {
        let connected = "return VPI.Status().connected";
        stage.game.run("ranks.nut", connected) == json!(true)
            && stage.call("recorder.do", &sum) == expected("cp_second")
    });
}

#[test]
fn python_acts_in_the_game() {
    let mut stage = recorded();
    let ann = stage.game.join("Ann", "[U:1:7]");
    let bob = stage.game.join("Bob", "[U:1:8]");
    stage.until("both are known", |stage| {
        stage.call("recorder.about", &Json::Null)["count"] == 2
    });
    let done = |stage: &mut Stage, what: &str, args: Json| {
        stage.call("recorder.do", &json!({"what": what, "args": args}))
    };
    // The colours of the chat stay, and nothing else that moves something.
    let coloured = json!(["\u{7}FF0000hello\n all"]);
    assert_eq!(done(&mut stage, "say", coloured), Json::Null);
    assert_eq!(
        done(&mut stage, "tell", json!([steam(8), "hello Bob"])),
        Json::Null
    );
    assert_eq!(done(&mut stage, "tell_admins", json!(["for admins"])), 1);
    stage.reads(bob, "hello Bob");
    stage.reads(ann, "for admins");
    stage.until("all read it", |stage| {
        stage
            .read()
            .contains(&(None, "\u{7}FF0000hello all".into()))
    });
    assert_eq!(
        done(&mut stage, "message", json!(["news", {"n": 1}])),
        Json::Null
    );
    assert_eq!(
        done(&mut stage, "hook", json!(["Reward", {"n": 2}])),
        Json::Null
    );
    let told = stage.game.run("ranks.nut", "return ::told");
    assert_eq!(told, json!([{"n": 1}, {"n": 2}]));
    assert_eq!(
        done(&mut stage, "kick", json!(["[U:1:8]", "out;quit \"now\""])),
        Json::Null
    );
    stage.until("a kick", |stage| !stage.commands().is_empty());
    let commands = stage.commands();
    let kick = format!("kickid {bob} \"out;quit 'now'\"");
    assert_eq!(commands, [kick]);
    let nobody = done(&mut stage, "tell", json!([99, "x"]));
    assert!(nobody.to_string().contains("PlayerUnknown"), "{nobody}");
    let cvar = done(&mut stage, "cvar", json!(["hostname"]));
    assert!(cvar.to_string().contains("RCON"), "{cvar}");
    for unfit in [json!(["mp_x;quit"]), json!(["a b"]), json!([""])] {
        let refused = done(&mut stage, "change_map", unfit);
        assert!(refused.to_string().contains("ValueError"), "{refused}");
    }
}
