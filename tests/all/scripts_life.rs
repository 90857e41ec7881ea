//! Scripts in Python that do what scripts should not: each is alone with what comes of it.

use serde_json::{Value, json};

use crate::support::{Client, Vpid, wait_until};

const TROUBLE: &str = include_str!("../python/trouble.py");
const GOOD: &str = "def echo(value):\n    return value\n";

/// A script that makes trouble, beside a good one.
fn vpid(lines: &str) -> Vpid {
    Vpid::new()
        .signed()
        .marked()
        .script("bad", TROUBLE)
        .script("good", GOOD)
        .script_table("bad", lines)
}

#[track_caller]
fn started(lines: &str) -> (Vpid, Client) {
    let vpid = vpid(lines).with_running(&["bad", "good"]);
    let client = Client::signed(&vpid);
    (vpid, client)
}

/// The same with several that make trouble, of these names.
#[track_caller]
fn one_for_each(names: &[&str]) -> (Vpid, Client) {
    let vpid = Vpid::new().signed().script("good", GOOD);
    let vpid = names
        .iter()
        .fold(vpid, |vpid, name| vpid.script(name, TROUBLE));
    let vpid = vpid.with_running(&[&["good"], names].concat());
    let client = Client::signed(&vpid);
    (vpid, client)
}

/// Whoever else calls is answered, and nobody else was started again.
#[track_caller]
fn others_go_on(vpid: &Vpid) {
    for mut client in [Client::stock(vpid), Client::signed_as(vpid, "another")] {
        for n in 0..5 {
            assert_eq!(client.ask("good.echo", json!({"value": n})), n);
            assert_eq!(client.ask("VPI_Ping", json!({"n": n})), json!({"n": n}));
        }
    }
    assert_eq!(vpid.about("good")["restarts"], 0);
}

#[track_caller]
fn has(text: &Value, part: &str) {
    assert!(text.to_string().contains(part), "{part:?} is not in {text}");
}

fn restarts(vpid: &Vpid) -> Value {
    vpid.about("bad")["restarts"].clone()
}

#[test]
fn a_script_that_cannot_be_loaded_is_told_of_and_the_others_are_loaded() {
    let broken = [
        ("a_syntax", "x = 1\ndef broken(:\n", "line 2"),
        (
            "b_raise",
            "raise ValueError('not today')\n",
            "ValueError: not today",
        ),
        (
            "c_exit",
            "import sys\nsys.exit('enough')\n",
            "SystemExit: enough",
        ),
        (
            "d_dies",
            "import os\nos._exit(3)\n",
            "it ended with exit code 3",
        ),
        ("e_import", "import nowhere\n", "No module named 'nowhere'"),
        ("f_recursion", "def f(): f()\nf()\n", "RecursionError"),
        ("g_bytes", "x = '\u{0}'\n", "null bytes"),
    ];
    let mut vpid = Vpid::new().signed();
    for (name, source, _) in broken {
        vpid = vpid.script(name, source);
    }
    let vpid = vpid.script("z_good", GOOD).with_running(&["z_good"]);
    for (name, _, said) in broken {
        let about = vpid.wait_for_state(name, "failed");
        let log = vpid.operator(&["log", name]).1;
        let problem = about["problem"].as_str().unwrap_or_default();
        assert!(
            problem.contains(said) || log.contains(said),
            "{problem}: {log}"
        );
        assert!(
            !problem.is_empty() && !problem.contains("Traceback"),
            "{problem}"
        );
        assert_eq!(about["restarts"], 0);
    }
    let mut client = Client::stock(&vpid);
    assert_eq!(client.ask("z_good.echo", json!({"value": 1})), 1);
    has(&client.ask("a_syntax.f", Value::Null), "ScriptUnavailable");
    vpid.edit_script("a_syntax", "def f(): return 5\n");
    let (code, said) = vpid.operator(&["load", "a_syntax"]);
    assert_eq!((code, &*said), (Some(0), "a_syntax is loaded\n"));
    assert_eq!(client.ask("a_syntax.f", Value::Null), 5);
    let (code, said) = vpid.operator(&["load", "b_raise"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("line 1: ValueError: not today"), "{said}");
    vpid.edit_script("a_syntax", "import json\ndef f(:\n");
    assert_eq!(vpid.operator(&["unload", "a_syntax"]).0, Some(0));
    let (code, said) = vpid.operator(&["load", "a_syntax"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("a_syntax.py, line 2: "), "{said}");
}

#[test]
fn a_script_that_hangs_while_it_is_loaded_holds_up_no_other() {
    let hangs = "import threading\nthreading.Event().wait()\n";
    let vpid = Vpid::new().signed();
    let vpid = (0..6).fold(vpid, |vpid, n| vpid.script(&format!("a_hangs_{n}"), hangs));
    let vpid = vpid
        .script("z_good", GOOD)
        .script("z_bad", TROUBLE)
        .with_running(&["z_good", "z_bad"]);
    let mut client = Client::signed(&vpid);
    has(&client.ask("z_bad.dies", Value::Null), "Interrupted");
    assert_eq!(client.ask("z_bad.fine", json!({"value": 1})), 1);
    assert_eq!(vpid.about("a_hangs_0")["state"], "starting");
}

#[test]
fn a_script_that_ends_is_started_again_and_what_waited_is_done_then() {
    let ends = [
        ("exits", "SystemExit: it had enough"),
        ("dies", "Interrupted: the script ended while it ran"),
        ("faults", "Interrupted"),
        ("kills_itself", "Interrupted"),
    ];
    let (vpid, mut client) = one_for_each(&ends.map(|(function, _)| function));
    for (function, reason) in ends {
        has(
            &client.ask(&format!("{function}.{function}"), Value::Null),
            reason,
        );
        // It is gone, or about to go.
        vpid.wait_for_script(function, "it is noticed", |about| about["restarts"] == 1);
    }
    let waiting: Vec<String> = ends
        .iter()
        .map(|(name, _)| client.send(&format!("{name}.fine"), json!({ "value": name })))
        .collect();
    others_go_on(&vpid);
    for (token, (name, _)) in waiting.iter().zip(ends) {
        assert_eq!(client.answer(token), name);
        assert_eq!(vpid.wait_for_state(name, "running")["restarts"], 1);
    }
}

#[test]
fn the_pause_before_the_next_start_grows() {
    let (vpid, mut client) = started("");
    for pause_s in [1, 2] {
        has(&client.ask("bad.dies", Value::Null), "Interrupted");
        vpid.wait_for_log(&format!("exit code 7; it is started again in {pause_s} s"));
    }
}

#[test]
fn what_runs_for_too_long_is_interrupted_and_the_script_goes_on() {
    let (vpid, mut client) = started("call_s = 0.3");
    for function in ["spins", "sleeps", "goes_on", "never_comes_back"] {
        let stuck = client.send(&format!("bad.{function}"), Value::Null);
        let behind = client.send("bad.fine", json!({"value": 1}));
        others_go_on(&vpid);
        has(&client.answer(&stuck), "Timeout");
        assert_eq!(client.answer(&behind), 1, "{function}");
    }
    assert_eq!(restarts(&vpid), 0);
    vpid.wait_for_logs(
        "one of its functions has run for 300 ms: it is interrupted",
        4,
    );
    // Where it was, is said.
    vpid.wait_for_log("in goes_on");
}

#[test]
fn what_cannot_be_interrupted_is_killed() {
    let (vpid, mut client) = started("call_s = 0.2");
    let stuck = client.send("bad.is_deaf", Value::Null);
    let behind = client.send("bad.fine", json!({"value": 1}));
    others_go_on(&vpid);
    has(&client.answer(&stuck), "Interrupted");
    // It was given to the process that is gone: nobody knows what became of it.
    has(&client.answer(&behind), "Interrupted");
    vpid.wait_for_log("could not be interrupted, and was killed");
    assert_eq!(restarts(&vpid), 1);
}

#[test]
fn a_script_that_hangs_holds_up_nobody_else() {
    let (vpid, mut client) = started("");
    let _stuck = client.send("bad.spins", Value::Null);
    vpid.wait_for_script("bad", "it is given to it", |about| about["waiting"] == 1);
    others_go_on(&vpid);
    let about = vpid.about("bad");
    assert_eq!(
        [&about["waiting"], &about["state"]],
        [&json!(1), &json!("running")]
    );
}

#[test]
fn a_flood_fills_no_log_and_stops_nobody() {
    let (vpid, mut client) = started("");
    for (function, word) in [("floods", "flood"), ("logs_without_end", "torrent")] {
        let flood = client.send(&format!("bad.{function}"), json!({"lines": 30_000}));
        others_go_on(&vpid);
        assert_eq!(client.answer(&flood), 30_000);
        let last = format!("{word} 29999");
        wait_until("the newest lines are kept", || {
            vpid.operator(&["log", "bad"]).1.contains(&last)
        });
    }
    let lines = vpid.log().lines().count();
    assert!(lines < 2_000, "{lines} lines");
    assert_eq!(restarts(&vpid), 0);
}

#[test]
fn junk_on_its_outputs_is_made_readable() {
    let (vpid, mut client) = started("");
    assert_eq!(client.ask("bad.prints_junk", Value::Null), "printed");
    vpid.wait_for_log("a lone half \\ud83d of a pair");
    let log = vpid.log();
    let is_bad = |c: char| c.is_control() && c != '\n';
    assert!(!log.contains(is_bad), "{log:?}");
    let longest = log.lines().map(str::len).max();
    assert!(longest < Some(3_000), "{longest:?}");
    assert_eq!(client.ask("bad.closes_outputs", Value::Null), "closed");
    assert_eq!(client.ask("bad.fine", json!({"value": 1})), 1);
    others_go_on(&vpid);
    assert_eq!(restarts(&vpid), 0);
}

#[test]
fn nonsense_in_its_channel_ends_the_script_and_nobody_else() {
    let nonsense = [
        (
            "words",
            "junk\n",
            "sent something that is no line of messages",
        ),
        (
            "a_lie",
            "[[\"ack\",1000]]\n",
            "claims to have finished more than it had",
        ),
        (
            "a_dance",
            "[[\"dance\"]]\n",
            "sent something that is no message",
        ),
    ];
    let names = nonsense.map(|(name, ..)| name);
    let (vpid, mut client) = one_for_each(&[&names[..], &["closed"]].concat());
    let closing = client.send("closed.closes_channel", Value::Null);
    for (name, text, said) in nonsense {
        let function = format!("{name}.writes_into_channel");
        has(
            &client.ask(&function, json!({ "text": text })),
            "Interrupted",
        );
        vpid.wait_for_log(&format!("script {name}: it {said}"));
        vpid.wait_for_log(", and was killed; it is started again in 1 s");
    }
    others_go_on(&vpid);
    for name in names {
        let fine = client.ask(&format!("{name}.fine"), json!({ "value": name }));
        assert_eq!(fine, name);
        assert_eq!(vpid.about(name)["restarts"], 1);
    }
    has(&client.answer(&closing), "Interrupted");
    vpid.wait_for_log("because it closed the channel to vpid");
}

#[test]
fn a_script_cannot_take_more_memory_than_it_may() {
    let (vpid, mut client) = started("memory_mb = 128");
    for _ in 0..3 {
        let full = client.ask("bad.fills_memory", json!({"megabytes": 500}));
        has(&full, "MemoryError");
        assert_eq!(client.ask("bad.fills_memory", json!({"megabytes": 1})), 1);
    }
    others_go_on(&vpid);
    assert_eq!(restarts(&vpid), 0);
    has(&client.ask("bad.recurses", Value::Null), "RecursionError");
    assert_eq!(client.ask("bad.fine", json!({"value": 1})), 1);
}

#[test]
fn what_a_script_has_forked_ends_with_it() {
    let (vpid, mut client) = started("");
    let processes = || vpid.script_processes().len();
    assert_eq!(client.ask("bad.forks_and_both_return", Value::Null), true);
    // The child finds no channel, and ends.
    wait_until("two are left", || processes() == 2);
    assert_eq!(client.ask("bad.forks", Value::Null), true);
    assert_eq!(client.ask("bad.leaves_somebody", Value::Null), true);
    assert_eq!(client.ask("bad.fine", json!({"value": 1})), 1);
    assert_eq!(processes(), 4);
    has(&client.ask("bad.dies", Value::Null), "Interrupted");
    wait_until("only the good one is left", || processes() == 1);
    wait_until("it runs again", || processes() == 2);
    assert_eq!(client.ask("bad.leaves_somebody", Value::Null), true);
    assert_eq!(client.ask("bad.leaves_daemons", Value::Null), true);
    wait_until("all are there", || processes() == 5);
    assert_eq!(vpid.operator(&["unload", "bad"]).0, Some(0));
    wait_until("only the good one is left", || processes() == 1);
    others_go_on(&vpid);
}
