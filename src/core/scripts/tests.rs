//! Scripts in the whole core.

mod calls;
mod servers;
mod world;

use serde_json::{Value, json};

use crate::core::Event;
use crate::core::ids::ServerId;
use crate::limits;
use crate::protocol::control::ScriptRequest;
use crate::protocol::engine_log::{Line, Who};

use world::{World, named, some_who};

#[test]
fn scripts_start_one_after_the_other_in_the_order_that_is_wanted() {
    let mut world = World::new("order = [\"c\"]\n", &["a", "b", "c"]);
    let started =
        |world: &World| -> Vec<String> { world.processes.iter().map(|p| p.name.clone()).collect() };
    assert_eq!(started(&world), ["c"]);
    world.ready("c", &[], &[]);
    assert_eq!(started(&world), ["c", "a"]);
    world.say("a", json!([["failed", "Traceback\nSyntaxError: no"]]));
    world.end("a");
    assert_eq!(started(&world), ["c", "a", "b"]);
    assert_eq!(world.state("a")["problem"], "SyntaxError: no");
    world.pass(600_000);
    assert_eq!(world.state("a")["state"], "failed");
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
