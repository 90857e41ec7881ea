//! Scripts in the whole core.

mod calls;
mod servers;
mod world;

use serde_json::{Value, json};

use crate::core::ids::ServerId;
use crate::core::{Event, OperatorRequest, ScriptReport};
use crate::limits;
use crate::protocol::control::{CallRequest, ScriptRequest};
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::server_status::{ServerStatus, StatusPlayer};

use world::{World, named, some_who};

fn started(world: &World) -> Vec<&str> {
    world.processes.iter().map(|it| &*it.name).collect()
}

#[test]
fn those_in_order_start_one_after_the_other_and_the_others_behind_them() {
    let mut world = World::new("order = [\"d\", \"c\"]\n", &["a", "b", "c", "d"]);
    assert_eq!(started(&world), ["d"]);
    world.ready("d", &[], &[]);
    assert_eq!(started(&world), ["d", "c"]);
    world.say("c", json!([["failed", "Traceback\nSyntaxError: no"]]));
    assert_eq!(started(&world), ["d", "c"]);
    world.end("c");
    assert_eq!(started(&world), ["d", "c", "a", "b"]);
    assert_eq!(world.state("c")["problem"], "SyntaxError: no");
    world.pass(600_000);
    assert_eq!(world.state("c")["state"], "failed");
}

#[test]
fn a_script_that_hangs_while_it_is_loaded_holds_up_no_other() {
    let all: Vec<String> = (0..20).map(|n| format!("s{n:02}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut world = World::new("order = [\"s19\", \"s18\"]\n", &all);
    assert_eq!(started(&world), ["s19"]);
    world.pass(limits::SCRIPT_START_PATIENCE_MS - 1);
    assert_eq!(started(&world), ["s19"]);
    world.pass(1);
    assert_eq!(started(&world), ["s19", "s18"]);
    // None of them is ever loaded. So many at once, and no more.
    let mut count = 2;
    while count < all.len() {
        world.pass(limits::SCRIPT_START_PATIENCE_MS);
        count = (count + limits::SCRIPT_STARTS_MAX).min(all.len());
        assert_eq!(started(&world).len(), count);
    }
    // What is loaded makes room at once.
    let mut world = World::new("", &all);
    assert_eq!(started(&world).len(), limits::SCRIPT_STARTS_MAX);
    world.ready("s02", &[], &[]);
    assert_eq!(started(&world).last(), Some(&"s04"));
}

#[test]
fn a_restart_and_a_load_wait_for_no_other_start() {
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    let mut world = World::new("order = [\"g\"]\n", &all);
    world.ready("g", &[], &[]);
    world.ready("a", &[], &[]);
    world.end("a");
    // The four that start now hang, and have just begun.
    world.pass(limits::SCRIPT_RESTART_MS_MIN);
    assert_eq!(started(&world), ["g", "a", "b", "c", "d", "e", "a"]);
    world.ready("a", &[], &[]);
    world.request(ScriptRequest::Unload { name: named("g") });
    world.say("g", json!([["unloaded"]]));
    world.end("g");
    world.request(ScriptRequest::Load { name: named("g") });
    assert_eq!(world.of("g").name, "g");
    assert_eq!(started(&world).last(), Some(&"g"));
}

#[test]
fn an_event_that_nobody_listens_to_costs_no_message() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &["OnTimer"], &[]);
    world.ready("b", &["OnPlayerChat"], &[]);
    world.chat("hello");
    assert!(world.got("a").is_empty());
    let got = world.got("b");
    assert_eq!(
        (&got[0][0], &got[0][1]),
        (&json!("e"), &json!("OnPlayerChat"))
    );
    assert_eq!(got[0][3][0]["name"], "Ann");
    assert_eq!(got[0][3][1], "hello");
}

#[test]
fn what_happens_while_a_script_is_loaded_waits_for_it() {
    let mut world = World::new("", &["a", "b"]);
    world.chat("early");
    world.ready("a", &["OnPlayerChat"], &[]);
    let got = world.got("a");
    let lines = |got: &[Value]| {
        let chat = got.iter().filter(|message| message[1] == "OnPlayerChat");
        chat.map(|message| message[3][1].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&got), ["early"]);
    world.chat("later");
    let judged = world.got("a").remove(0);
    assert_eq!((&judged[0], &judged[4][1]), (&json!("g"), &json!("later")));
    world.say("a", json!([["ack", got.len() + 1], ["v", judged[1], 1]]));
    world.ready("b", &["OnPlayerChat"], &[]);
    assert_eq!(lines(&world.got("b")), ["early", "later"]);
}

/// `status` has shown who has the userid: what the log says of another one with it is made up.
#[test]
fn lines_about_another_player_call_no_hook_in_the_name_of_the_known_one() {
    let mut world = World::new("", &["a"]);
    let hooks = [
        "OnPlayerActive",
        "OnPlayerChat",
        "OnPlayerDisconnect",
        "OnPlayerDeath",
    ];
    world.ready("a", &hooks, &[]);
    let row = StatusPlayer {
        userid: 3,
        name: "Bob".into(),
        id: Some("[U:1:8]".parse().unwrap()),
        bot: false,
        connected_s: 60,
        ping: 50,
        active: true,
        address: None,
        sure: true,
    };
    let status = ServerStatus {
        map: "cp_a".into(),
        max_players: 24,
        players: vec![row],
        whole: true,
    };
    let now = world.now;
    let server = world.core.shared.servers.get_mut(ServerId(0));
    server.unwrap().roster.status(&status, now);
    // Ann, with another id.
    world.chat("i am bob");
    let ann = Who {
        userid: 3,
        name: "Ann".into(),
        id: Some("[U:1:9]".parse().unwrap()),
        ..Who::default()
    };
    let lines = vec![
        Line::Entered(ann.clone()),
        Line::Suicide {
            who: ann.clone(),
            by_world: false,
            weapon: "world".into(),
        },
        Line::Disconnected {
            who: ann,
            reason: "x".into(),
        },
    ];
    let server = ServerId(0);
    world.on(Event::Logged { server, lines });
    assert_eq!(world.got("a"), Vec::<Value>::new());
}

/// It never has hooks, and while it loads, no event is kept for it.
#[test]
fn no_event_waits_for_the_file_of_vpi_functions() {
    let mut world = World::new("vpi_interfaces = \"/scripts/vpi_interfaces.py\"\n", &[]);
    let name = crate::config::INTERFACES_NAME;
    world.chat("early");
    world.ready(name, &[], &["top"]);
    assert_eq!(world.got(name), Vec::<Value>::new());
}

#[test]
fn a_line_of_chat_stops_at_the_script_that_says_so() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    world.ready("b", &["OnPlayerChat"], &[]);
    for (word, seen) in [(0, false), (1, true)] {
        world.chat("hello");
        let asked = world.got("a");
        assert_eq!(asked[0][0], "g");
        assert!(world.got("b").is_empty(), "before the verdict");
        let number = asked[0][1].clone();
        world.say("a", json!([["v", number, word], ["ack", 1]]));
        assert_eq!(!world.got("b").is_empty(), seen);
    }
}

#[test]
fn a_script_that_thinks_too_long_or_ends_stops_no_line() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    world.ready("b", &["OnPlayerChat"], &[]);
    world.chat("one");
    world.pass(limits::SCRIPT_VERDICT_MS);
    assert_eq!(world.got("b").len(), 1);
    world.chat("two");
    world.end("a");
    assert_eq!(world.got("b").len(), 1);
    // A verdict that comes from the past, or from another, is nobody's.
    world.say("b", json!([["v", 1, 1]]));
    assert!(world.got("b").is_empty());
}

#[test]
fn a_script_calls_a_function_of_another_one() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &[], &["top"]);
    world.ready("b", &[], &[]);
    world.call("b", 5, "a.top");
    let call = world.got("a").remove(0);
    assert_eq!(
        (&call[0], &call[2], &call[3]),
        (&json!("c"), &json!("top"), &json!([1]))
    );
    assert_eq!(call[5]["script"], "b.py");
    assert_eq!(call[5]["server"], 0);
    assert_eq!(world.begun, 0, "only calls of games are noted");
    let wide = json!([9_007_199_254_740_993_i64]);
    world.say("a", json!([["r", call[1], wide], ["ack", 1]]));
    assert_eq!(world.got("b"), [json!(["a", 5, wide])]);

    world.call("b", 6, "a.bottom");
    let answer = world.got("b").remove(0);
    assert_eq!(
        (&answer[0], &answer[2]),
        (&json!("n"), &json!("UnknownFunction"))
    );
}

#[test]
fn what_blocks_a_script_is_forgotten_with_its_answer_and_its_process() {
    let mut world = World::new("call_s = 2\n", &["a", "b"]);
    world.ready("a", &[], &["f"]);
    world.ready("b", &[], &["f"]);
    let wait = |number: u64, name: &str| json!([["wait", number, "call", {"name": name, "args": [], "kwargs": null}, 0]]);
    let refused =
        |world: &mut World, who: &str| world.got(who).iter().any(|it| it[2] == "Deadlock");
    world.say("a", wait(1, "b.f"));
    world.say("b", wait(1, "a.f"));
    assert!(refused(&mut world, "b"));
    world.end("a");
    world.say("b", wait(2, "a.f"));
    assert!(
        !refused(&mut world, "b"),
        "a new process of a waits for nothing"
    );
    world.pass(2_000);
    world.ready("a", &[], &["f"]);
    world.say("a", wait(1, "b.f"));
    assert!(
        !refused(&mut world, "a"),
        "b has its answer: it took too long"
    );
    world.say(
        "b",
        json!([["ask", 3, "call", {"name": "a.f", "args": [], "kwargs": null}, 0]]),
    );
    assert!(!refused(&mut world, "b"), "b goes on meanwhile");
    world.say("a", wait(2, "a.f"));
    assert!(world.got("a").contains(&json!(["own", 2, "f"])));
}

#[test]
fn an_error_of_a_script_and_its_end_are_told_to_the_caller() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &[], &["top"]);
    world.ready("b", &[], &[]);
    world.call("b", 1, "a.top");
    let number = world.got("a")[0][1].clone();
    world.say("a", json!([["x", number, "KeyError", "'x'"]]));
    assert_eq!(world.got("b"), [json!(["n", 1, "KeyError", "'x'"])]);
    world.call("b", 2, "a.top");
    world.end("a");
    assert_eq!(world.got("b")[0][2], "Interrupted");
    // While it is started again, calls wait.
    world.call("b", 3, "a.top");
    assert!(world.got("b").is_empty());
    world.pass(limits::SCRIPT_RESTART_MS_MIN);
    world.ready("a", &[], &["top"]);
    assert_eq!(world.got("a")[0][2], "top");
}

#[test]
fn a_call_that_takes_too_long_is_given_up_and_the_script_told() {
    let mut world = World::new("call_s = 2\n", &["a", "b"]);
    world.ready("a", &[], &["top"]);
    world.ready("b", &[], &[]);
    world.call("b", 1, "a.top");
    let number = world.got("a")[0][1].clone();
    // It waits for something: the function is async.
    world.say("a", json!([["ack", 1]]));
    world.pass(2_000);
    assert_eq!(world.got("b")[0][2], "Timeout");
    assert_eq!(world.got("a"), [json!(["cancel", number])]);
    world.say("a", json!([["r", number, 1]]));
    assert!(world.got("b").is_empty(), "an answer that comes too late");
}

#[test]
fn what_ends_is_started_again_ever_more_slowly() {
    let mut world = World::new("", &["a"]);
    let mut pause_ms = limits::SCRIPT_RESTART_MS_MIN;
    for restart in 1..10 {
        world.ready("a", &[], &[]);
        world.end("a");
        let before = world.processes.len();
        world.pass(pause_ms - 1);
        assert_eq!(world.processes.len(), before, "restart {restart}");
        world.pass(1);
        assert_eq!(world.processes.len(), before + 1, "restart {restart}");
        pause_ms = (pause_ms * 2).min(limits::SCRIPT_RESTART_MS_MAX);
    }
    world.ready("a", &[], &[]);
    world.pass(limits::SCRIPT_STEADY_MS);
    world.end("a");
    let before = world.processes.len();
    world.pass(limits::SCRIPT_RESTART_MS_MIN);
    assert_eq!(world.processes.len(), before + 1);
}

#[test]
fn a_script_that_hangs_is_interrupted_and_then_killed() {
    let mut world = World::new("call_s = 2\n", &["a"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    world.chat("hello");
    world.pass(1_999);
    assert!(!world.of("a").interrupted);
    world.pass(1);
    assert!(world.of("a").interrupted);
    world.pass(limits::SCRIPT_KILL_MS - 1);
    assert!(!world.of("a").killed);
    world.pass(1);
    assert!(world.of("a").killed);
    world.end("a");
    assert_eq!(world.state("a")["state"], "waiting");
    assert_eq!(
        world.state("a")["problem"],
        "it could not be interrupted, and was killed"
    );
}

#[test]
fn a_script_that_makes_progress_is_left_alone() {
    let mut world = World::new("call_s = 2\n", &["a"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    for _ in 0..10 {
        world.chat("hello");
    }
    for _ in 0..10 {
        world.pass(1_900);
        world.say("a", json!([["ack", 1]]));
    }
    world.pass(60_000);
    assert!(!world.of("a").interrupted);
}

#[test]
fn a_script_gets_no_more_than_it_can_hold_and_the_queue_has_an_end() {
    let mut world = World::new("queue = 100\n", &["a"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    let all = limits::SCRIPT_WINDOW + 150;
    for n in 0..all {
        world.chat(&format!("line {n}"));
    }
    let mut got = world.got("a");
    let window = got.len();
    assert!(window <= limits::SCRIPT_WINDOW);
    assert_eq!(world.state("a")["waiting"], window + 100);
    let dropped = world.state("a")["dropped"].as_u64().unwrap() as usize;
    assert_eq!(window + 100 + dropped, all);
    world.say("a", json!([["ack", 60]]));
    got.extend(world.got("a"));
    let texts: Vec<&str> = got
        .iter()
        .filter_map(|event| event[3][1].as_str())
        .collect();
    let wanted: Vec<String> = (0..texts.len()).map(|n| format!("line {n}")).collect();
    assert_eq!(texts, wanted, "in order, none twice");
    assert!(texts.len() > window);
}

#[test]
fn a_script_that_lies_about_what_it_finished_is_killed() {
    for lie in [json!([["ack", 1]]), json!([["dance"]]), json!("hello")] {
        let mut world = World::new("", &["a"]);
        world.ready("a", &[], &[]);
        world.say("a", lie);
        assert!(world.of("a").killed);
    }
}

#[test]
fn unloading_waits_for_calls_that_run_and_not_for_ever() {
    for answers in [true, false] {
        let mut world = World::new("", &["a", "b"]);
        world.ready("a", &[], &["top"]);
        world.ready("b", &[], &[]);
        world.call("b", 1, "a.top");
        let number = world.got("a")[0][1].clone();
        world.request(ScriptRequest::Unload { name: named("a") });
        assert!(world.got("a").is_empty());
        match answers {
            true => world.say("a", json!([["r", number, 1], ["ack", 1]])),
            false => world.pass(limits::SCRIPT_UNLOAD_MS),
        }
        assert_eq!(world.got("a"), [json!(["unload"])]);
        world.say("a", json!([["unloaded"]]));
        world.end("a");
        assert_eq!(world.state("a")["state"], "unloaded");
        let word = if answers { "a" } else { "n" };
        assert_eq!(world.got("b")[0][0], word);
    }
}

#[test]
fn many_names_that_are_registered_in_one_turn_are_looked_at_together() {
    let mut world = World::new("vpi_interfaces = \"/scripts/vpi_interfaces.py\"\n", &["a"]);
    let name = crate::config::INTERFACES_NAME;
    for script in [name, "a"] {
        world.ready(script, &[], &[]);
        let registered = (0..limits::SCRIPT_FUNCTIONS_MAX - 2).map(|n| format!("VPI_{n}"));
        let registered =
            registered.chain(["VPI_Ping".into(), "VPI_Info".into(), "VPI_More".into()]);
        let registered: Value = registered.map(|name| json!(["register", name])).collect();
        world.say(script, registered);
        let functions = world.state(script)["functions"].as_array().unwrap().len();
        assert_eq!(functions, limits::SCRIPT_FUNCTIONS_MAX);
    }
    let log = |world: &mut World, name: &str| {
        world.request(ScriptRequest::Log {
            name: named(name),
            after: 0,
        });
        world.pushed.pop().unwrap().1.unwrap()["log"].to_string()
    };
    let log_of_file = log(&mut world, name);
    // Not one line for each of them.
    assert_eq!(
        log_of_file.matches("in the place of vpid's own").count(),
        1,
        "{log_of_file}"
    );
    assert!(log(&mut world, "a").contains("VPI_More is not registered"));
}

fn log_of(world: &mut World, name: &str) -> String {
    world.request(ScriptRequest::Log {
        name: named(name),
        after: 0,
    });
    world.pushed.pop().unwrap().1.unwrap()["log"].to_string()
}

#[test]
fn what_is_no_hook_and_what_is_too_much_is_said_when_a_script_is_loaded() {
    let mut world = World::new("", &["a"]);
    let functions: Vec<String> = (0..=limits::SCRIPT_FUNCTIONS_MAX)
        .map(|n| format!("f{n:04}"))
        .collect();
    let hooks = ["OnTimer", "OnUserLogin", "OnPlayerJoind"];
    let about =
        json!({"hooks": hooks, "functions": functions, "python": "3.11.2", "version": "1.2"});
    world.say("a", json!([["ready", about]]));
    let log = log_of(&mut world, "a");
    for part in [
        "loaded: 1 hook, 1000 functions",
        "OnUserLogin is no hook, and is never called; here it is OnPlayerConnect",
        "OnPlayerJoind is no hook",
        "1 of its functions cannot be called, f1000 the first of them",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert_eq!(world.state("a")["hooks"], json!(["OnTimer"]));
    assert_eq!(world.state("a")["version"], "1.2");
}

#[test]
fn an_operator_calls_functions_without_a_game() {
    let more = "[permissions]\n\"a.nut\" = [\"a.top\"]\n\"b.py\" = [\"a.top\", \"VPI_Ping\"]\n";
    let mut world = World::new(more, &["a", "b"]);
    world.ready("a", &[], &["top", "bottom"]);
    world.ready("b", &[], &[]);
    let call = |world: &mut World, script: &str, name: &str, kwargs: Value| {
        world.pushed.clear();
        let request = OperatorRequest::Call(CallRequest {
            name: named(name),
            kwargs,
            script: named(script),
            timeout_ms: 2_000,
            sql_texts: false,
        });
        world.on(Event::Operator { ticket: 9, request });
        world
            .pushed
            .pop()
            .map(|(ticket, outcome)| (ticket, outcome.unwrap()["response"].clone()))
    };
    let pong = call(&mut world, "x.nut", "VPI_Ping", Value::Null);
    assert_eq!(pong, Some((9, json!("pong"))));
    assert_eq!(call(&mut world, "a.nut", "a.top", json!({"n": 1})), None);
    let sent = world.got("a").remove(0);
    assert_eq!((&sent[2], &sent[4]), (&json!("top"), &json!({"n": 1})));
    assert_eq!(
        (&sent[5]["script"], &sent[5]["host"]),
        (&json!("a.nut"), &Value::Null)
    );
    world.say(
        "a",
        json!([["r", sent[1], {"rows": [[1, "x"]]}], ["ack", 1]]),
    );
    let (ticket, reply) = world.pushed.pop().unwrap();
    assert_eq!(
        (ticket, reply),
        (9, Ok(json!({"response": {"rows": [[1, "x"]]}})))
    );
    // The rights are those of the script that is named; an operator may name a Python script, too.
    for (script, name, reason) in [
        ("a.nut", "a.bottom", "PermissionError"),
        ("b.py", "a.bottom", "PermissionError"),
        ("x.nut", "a.nothing", "UnknownFunction"),
    ] {
        let (_, error) = call(&mut world, script, name, Value::Null).unwrap();
        assert!(error.as_str().unwrap().contains(reason), "{error}");
    }
    assert_eq!(
        call(&mut world, "b.py", "VPI_Ping", Value::Null),
        Some((9, json!("pong")))
    );
    // One that does not answer in time.
    assert_eq!(call(&mut world, "a.nut", "a.top", Value::Null), None);
    world.pass(2_000);
    let (_, late) = world.pushed.pop().unwrap();
    assert!(late.unwrap()["response"].to_string().contains("Timeout"));
    assert_eq!(world.begun, 0);
}

/// Ann, who is an admin, and others, who are not; one of them is a bot.
fn with_four_players() -> World {
    let mut world = World::new("", &["a"]);
    world.ready("a", &[], &[]);
    world.chat("hello");
    let join = |userid: i64, team: i64, bot: bool| Line::JoinedTeam {
        who: Who {
            userid,
            name: format!("p{userid}"),
            id: format!("[U:1:{userid}]").parse().ok().filter(|_| !bot),
            bot,
            ..Who::default()
        },
        team,
    };
    let lines = vec![join(4, 2, false), join(5, 3, false), join(6, 3, true)];
    world.on(Event::Logged {
        server: ServerId(0),
        lines,
    });
    world
}

/// The response to `tell_all` with these arguments: how many there are, or the reason of an error.
fn told(world: &mut World, chosen: &Value) -> Value {
    let mut args = json!({"text": "x", "place": "chat"});
    args.as_object_mut()
        .unwrap()
        .extend(chosen.as_object().unwrap().clone());
    world.say("a", json!([["ask", 1, "tell_all", args, 0]]));
    world.got("a").remove(0)[2].clone()
}

#[test]
fn one_request_tells_all_players_of_a_kind() {
    let mut world = with_four_players();
    for (chosen, count) in [
        (json!({}), 3),
        (
            json!({"team": null, "admins": null, "group": null, "players": null}),
            3,
        ),
        (json!({"team": 3}), 1),
        (json!({"team": 3.0}), 1),
        (json!({"admins": true}), 1),
        (json!({"admins": false}), 2),
        (json!({"group": "VIP"}), 0),
        (json!({"players": []}), 0),
        (
            json!({"players": [4, "#5", "[U:1:9]", "STEAM_0:1:4", 76561197960265737_u64, 99, "x"]}),
            3,
        ),
        (json!({"players": [4, 5], "team": 2}), 1),
    ] {
        assert_eq!(told(&mut world, &chosen), count, "{chosen}");
    }
}

#[test]
fn an_argument_of_another_type_is_refused_and_not_as_if_it_were_missing() {
    let mut world = with_four_players();
    for chosen in [
        json!({"team": "red"}),
        json!({"team": "2"}),
        json!({"team": 2.5}),
        json!({"team": true}),
        json!({"group": 7}),
        json!({"group": ["VIP"]}),
        json!({"admins": 1}),
        json!({"admins": "yes"}),
        json!({"players": "Ann"}),
        json!({"players": 4}),
        json!({"players": {"userid": 4}}),
    ] {
        assert_eq!(told(&mut world, &chosen), "ValueError", "{chosen}");
    }
    for (what, args) in [
        ("send", json!({"to": 5, "name": "x", "data": null})),
        ("say", json!({"text": "x", "place": 5})),
        ("kick", json!({"player": 4, "reason": 5})),
    ] {
        world.say("a", json!([["ask", 1, what, args, 0]]));
        assert_eq!(world.got("a").remove(0)[2], "ValueError", "{what}");
    }
}

/// `what` is `load` or `unload`; gives the sentence.
fn order(world: &mut World, what: &str, name: &str) -> Result<String, String> {
    let name = named(name);
    world.request(match what {
        "load" => ScriptRequest::Load { name },
        _ => ScriptRequest::Unload { name },
    });
    world
        .pushed
        .pop()
        .map_or(Ok(String::new()), |(_, outcome)| {
            outcome.map(|value| value["ok"].as_str().unwrap_or_default().to_owned())
        })
}

fn names(world: &mut World) -> Vec<String> {
    world.request(ScriptRequest::List);
    let (_, list) = world.pushed.pop().unwrap();
    let list = list.unwrap();
    let list = list["scripts"].as_array().unwrap().iter();
    list.map(|script| script["name"].as_str().unwrap().to_owned())
        .collect()
}

fn has_no_file(world: &mut World, name: &str) {
    world.news(
        name,
        ScriptReport::NotStarted {
            why: "neither x.py nor x/main.py is in /scripts".into(),
            has_file: false,
        },
    );
}

#[test]
fn of_names_without_a_file_nothing_stays() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &[], &[]);
    for n in 0..3 * limits::SCRIPTS_MAX {
        let typo = format!("typo{n}");
        order(&mut world, "load", &typo).unwrap();
        has_no_file(&mut world, &typo);
        let (_, outcome) = world.pushed.pop().unwrap();
        assert!(outcome.unwrap_err().contains("neither"));
        assert_eq!(names(&mut world), ["a"]);
        assert!(
            order(&mut world, "unload", &typo)
                .unwrap_err()
                .contains("there is no script")
        );
    }
    assert_eq!(world.core.shared.functions.scripts.len(), 1);
}

#[test]
fn a_script_whose_file_is_gone_can_be_unloaded_and_is_forgotten() {
    let all = ["crashed", "never", "quiet", "runs"];
    let mut world = World::new("", &all);
    for name in ["crashed", "quiet", "runs"] {
        world.ready(name, &["OnPlayerChat"], &["top"]);
    }
    world.say("never", json!([["failed", "SyntaxError: no"]]));
    world.end("never");
    order(&mut world, "unload", "quiet").unwrap();
    world.end("quiet");
    // One that has a file is still known, and is unloaded once.
    let again = order(&mut world, "unload", "quiet");
    assert_eq!(again.unwrap_err(), "quiet is not loaded");
    assert_eq!(world.state("quiet")["state"], "unloaded");
    world.files.clear();
    world.end("crashed");
    world.pass(limits::SCRIPT_RESTART_MS_MIN);
    has_no_file(&mut world, "crashed");
    // It ran: the operator is to see what became of it.
    assert_eq!(world.state("crashed")["state"], "failed");
    for name in ["crashed", "never", "quiet"] {
        let said = order(&mut world, "unload", name).unwrap();
        assert_eq!(
            said,
            format!("{name} is unloaded, and forgotten: it has no file")
        );
    }
    order(&mut world, "unload", "runs").unwrap();
    world.end("runs");
    assert_eq!(names(&mut world), [""; 0]);
    assert!(world.core.shared.functions.scripts.is_empty());
    // What is left of them disturbs nothing.
    world.chat("hello");
    world.pass(600_000);
}

#[test]
fn a_failed_script_that_has_a_file_is_unloaded_and_stays_known() {
    let mut world = World::new("", &["a"]);
    world.say("a", json!([["failed", "SyntaxError: no"]]));
    world.end("a");
    assert_eq!(order(&mut world, "unload", "a").unwrap(), "a is unloaded");
    assert_eq!(world.state("a")["state"], "unloaded");
    assert_eq!(world.state("a")["problem"], Value::Null);
    order(&mut world, "load", "a").unwrap();
    world.ready("a", &[], &[]);
    assert_eq!(world.state("a")["state"], "running");
}

#[test]
fn a_broken_edit_is_reported_and_what_was_loaded_stays() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &[], &["top"]);
    world.request(ScriptRequest::Reload { name: named("a") });
    let check = world.got("a").remove(0);
    assert_eq!(check[0], "check");
    world.say("a", json!([["x", check[1], "SyntaxError", "a.py, line 3"]]));
    let (_, outcome) = world.pushed.pop().unwrap();
    assert!(outcome.unwrap_err().contains("a.py, line 3"));
    assert_eq!(world.state("a")["state"], "running");
    assert_eq!(world.state("a")["functions"], json!(["a.top"]));
}

#[test]
fn a_reload_loses_no_event_and_no_call() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &["OnPlayerChat"], &["top"]);
    world.ready("b", &[], &[]);
    world.chat("one");
    world.request(ScriptRequest::Reload { name: named("a") });
    let got = world.got("a");
    world.say("a", json!([["r", got[1][1], null]]));
    world.chat("two");
    world.call("b", 1, "a.top");
    assert!(world.got("a").is_empty(), "it is finishing what it has");
    world.say("a", json!([["ack", 1]]));
    assert_eq!(world.got("a"), [json!(["unload"])]);
    world.end("a");
    world.ready("a", &["OnPlayerChat"], &["top"]);
    let got = world.got("a");
    assert_eq!((&got[0][3][1], &got[1][2]), (&json!("two"), &json!("top")));
    assert_eq!(world.pushed[0].1, Ok(json!({"ok": "a is loaded"})));
}

#[test]
fn what_the_configuration_says_of_a_script_holds_when_it_is_loaded_anew() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    world.reconfigure("call_s = 1\n");
    world.request(ScriptRequest::Reload { name: named("a") });
    let check = world.got("a").remove(0);
    world.say("a", json!([["r", check[1], null]]));
    world.end("a");
    world.ready("a", &["OnPlayerChat"], &[]);
    world.chat("hello");
    world.pass(1_000);
    assert!(world.of("a").interrupted);
}

#[test]
fn a_script_registers_and_withdraws_its_own_names_only() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &[], &["top"]);
    world.ready("b", &[], &[]);
    world.say(
        "b",
        json!([
            ["unregister", "top"],
            ["unregister", "a.top"],
            ["register", "a.top"]
        ]),
    );
    world.call("b", 1, "a.top");
    assert_eq!(world.got("a")[0][2], "top");
    world.say("a", json!([["unregister", "top"]]));
    world.call("b", 2, "a.top");
    assert_eq!(world.got("b")[0][2], "UnknownFunction");
}

#[test]
fn permissions_bind_a_script_that_is_listed() {
    let more = "[permissions]\n\"b.py\" = [\"a.t*\"]\n";
    let mut world = World::new(more, &["a", "b", "c"]);
    world.ready("a", &[], &["top", "bottom"]);
    world.ready("b", &[], &[]);
    world.ready("c", &[], &[]);
    world.call("b", 1, "a.bottom");
    assert_eq!(world.got("b")[0][2], "PermissionError");
    world.call("b", 2, "a.top");
    world.call("c", 1, "a.bottom");
    assert_eq!(world.got("a").len(), 2);
}

#[test]
fn a_listed_script_does_by_the_module_game_what_its_list_names() {
    let more = "[permissions]\n\"b.py\" = [\"game.tell\", \"a.*\"]\n\"c.py\" = [\"game.*\"]\n";
    let mut world = World::new(more, &["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        world.ready(name, &["OnMessage"], &[]);
    }
    world.chat("hello");
    let requests = [
        ("game.say", "say", json!({"text": "x", "place": "chat"})),
        (
            "game.center",
            "say",
            json!({"text": "x", "place": "center"}),
        ),
        (
            "game.center",
            "tell",
            json!({"text": "x", "place": "center", "player": 3}),
        ),
        ("game.tell_admins", "tell_admins", json!({"text": "x"})),
        ("game.kick", "kick", json!({"player": 3})),
        ("game.command", "command", json!({"line": "quit"})),
        ("game.cvar", "cvar", json!({"name": "rcon_password"})),
        (
            "game.set_cvar",
            "set_cvar",
            json!({"name": "rcon_password", "value": "x"}),
        ),
        ("game.change_map", "change_map", json!({"map": "cp_a"})),
        ("game.message", "message", json!({"name": "x"})),
        ("game.hook", "hook", json!({"name": "x", "data": {}})),
        ("game.send", "send", json!({"name": "x", "to": null})),
        ("game.geoip", "geoip", json!({"of": "203.0.113.7"})),
        ("game.country", "country", json!({"of": 3})),
        (
            "VYHUB_Ban",
            "call",
            json!({"name": "VYHUB_Ban", "args": [], "kwargs": {"player": 3}}),
        ),
    ];
    for (name, what, args) in requests {
        let mut refused = |script: &str| {
            world.got(script);
            world.say(script, json!([["ask", 1, what, args, 0]]));
            let got = world.got(script);
            let answer = got.iter().find(|it| it[2] == "PermissionError").cloned();
            answer.map(|answer| answer[3].as_str().unwrap().to_owned())
        };
        let sentence = refused("b").unwrap_or_else(|| panic!("{what} was not refused"));
        let advice = format!("add {name:?} to its list in [permissions]");
        assert!(sentence.contains(&advice), "{sentence}");
        for script in ["a", "c"] {
            assert_eq!(refused(script), None, "{script} {what}");
        }
    }
    // What only reads needs no name, and what is named is done.
    for (what, args) in [
        ("players", json!({})),
        ("servers", json!({})),
        ("server", json!({})),
        ("tell", json!({"text": "x", "place": "chat", "player": 3})),
    ] {
        world.say("b", json!([["ask", 2, what, args, 0]]));
        assert_ne!(world.got("b")[0][2], "PermissionError", "{what}");
    }
}

#[test]
fn an_admin_of_the_configuration_is_one_among_players() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &[], &[]);
    world.chat("hello");
    world.say("a", json!([["ask", 1, "players", {}, 0]]));
    let answer = world.got("a").remove(0);
    assert_eq!(answer[2][0]["id"], "[U:1:9]");
    assert_eq!(answer[2][0]["admin"], true);
}

#[test]
fn an_admin_loads_and_unloads_in_chat_and_nobody_else_does() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &["OnPlayerChat"], &[]);
    let said = |world: &mut World, id: &str, text: &str| {
        let who = Who {
            userid: 4,
            name: "Bob".into(),
            id: Some(id.parse().unwrap()),
            ..some_who()
        };
        let (text, team) = (text.to_owned(), false);
        let lines = vec![Line::Said { who, text, team }];
        world.on(Event::Logged {
            server: ServerId(0),
            lines,
        });
    };
    said(&mut world, "[U:1:8]", "!unload a");
    assert_eq!(world.state("a")["state"], "running");
    said(&mut world, "[U:1:9]", "!unload a");
    assert_eq!(world.state("a")["state"], "stopping");
    world.end("a");
    said(&mut world, "[U:1:9]", "!load a");
    assert_eq!(world.state("a")["state"], "starting");
    said(&mut world, "[U:1:9]", "!load ../../etc/passwd");
    assert_eq!(world.processes.len(), 2);
}

#[test]
fn a_script_that_asks_without_end_is_answered_that_it_is_too_much() {
    let mut world = World::new("", &["a", "b"]);
    world.ready("a", &[], &["top"]);
    world.ready("b", &[], &[]);
    for id in 0..limits::SCRIPT_REQUESTS_MAX as u64 + 10 {
        world.call("b", id, "a.top");
    }
    let got = world.got("b");
    assert_eq!(got.len(), 10);
    assert!(got.iter().all(|answer| answer[2] == "QueueFull"));
}
