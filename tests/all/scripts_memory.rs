//! What `memory_mb` bounds: the memory that a script uses, with whatever it starts, and not the
//! address space that is reserved.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Vpid, stays};

const MEMORY: &str = include_str!("../python/memory.py");
const GOOD: &str = "def echo(value):\n    return value\n";

fn started(lines: &str) -> (Vpid, Client) {
    let vpid = Vpid::new()
        .signed()
        .marked()
        .script("m", MEMORY)
        .script("good", GOOD)
        .script_table("m", lines)
        .with_running(&["m", "good"]);
    let client = Client::signed(&vpid);
    (vpid, client)
}

#[track_caller]
fn names_memory_mb(text: &str, mib: u64) {
    assert!(text.contains("memory_mb"), "{text}");
    assert!(text.contains(&mib.to_string()), "{text}");
}

fn restarts(vpid: &Vpid) -> Value {
    vpid.about("m")["restarts"].clone()
}

/// vpid and the other scripts go on.
#[track_caller]
fn others_go_on(vpid: &Vpid) {
    let mut client = Client::stock(vpid);
    assert_eq!(client.ask("good.echo", json!({"value": 5})), 5);
    assert_eq!(vpid.about("good")["restarts"], 0);
}

#[test]
fn threads_that_use_nothing_run_under_the_default() {
    let (vpid, mut client) = started("call_s = 20");
    for count in [16, 24, 100] {
        assert_eq!(client.ask("m.threads", json!({ "count": count })), count);
    }
    assert_eq!(client.ask("m.pools", json!({"count": 32})), 32);
    assert_eq!(client.ask("m.reserves", json!({"mib": 16_384})), 16_384);
    assert_eq!(client.ask("m.threads", json!({"count": 24})), 24);
    assert_eq!(restarts(&vpid), 0);
}

#[test]
fn an_error_that_the_bound_causes_names_it() {
    let (vpid, mut client) = started("memory_mb = 96\ncall_s = 20");
    for function in ["grows", "one_large", "maps_private"] {
        let answer = client
            .ask(&format!("m.{function}"), Value::Null)
            .to_string();
        names_memory_mb(&answer, 96);
        assert_eq!(client.ask("m.fine", json!({"value": 1})), 1);
    }
    let answer = client.ask("m.threads", json!({"count": 500})).to_string();
    assert!(answer.contains("can't start new thread"), "{answer}");
    names_memory_mb(&answer, 96);
    assert_eq!(restarts(&vpid), 0);
    vpid.wait_for_log("its memory_mb is 96, which most likely was not enough; raise it");
    let log = vpid.log();
    assert_eq!(
        log.matches("most likely was not enough").count(),
        1,
        "{log}"
    );
    others_go_on(&vpid);
}

#[test]
fn a_script_that_cannot_load_within_its_memory_has_that_as_its_problem() {
    let mut vpid = Vpid::new()
        .script("large", "kept = bytearray(200 << 20)\n")
        .script_table("large", "memory_mb = 64");
    vpid.start();
    let about = vpid.wait_for_state("large", "failed").to_string();
    assert!(about.contains("MemoryError"), "{about}");
    names_memory_mb(&about, 64);
}

/// No limit of a process knows of these.
#[test]
fn shared_memory_and_children_count_too() {
    let (vpid, mut client) = started("memory_mb = 128\ncall_s = 20");
    let bombs = [
        ("shares", json!({"mib": 600})),
        ("forks", json!({"count": 6, "mib": 60})),
        ("runs", json!({"count": 6, "mib": 60})),
    ];
    for (count, (function, kwargs)) in (1..).zip(bombs) {
        client.send(&format!("m.{function}"), kwargs);
        let about = vpid.wait_for_script("m", "it was killed", |it| it["restarts"] == count);
        let problem = about["problem"].to_string();
        if !problem.contains("null") {
            names_memory_mb(&problem, 128);
        }
        vpid.wait_for_logs(
            "MiB, and its memory_mb is 128; raise that in [script.m]",
            count,
        );
        vpid.wait_for_state("m", "running");
    }
    others_go_on(&vpid);
}

/// What a child has from its parent is there once.
#[test]
fn memory_that_children_share_with_the_script_counts_once() {
    let (vpid, mut client) = started("memory_mb = 128");
    assert_eq!(client.ask("m.takes", json!({"mib": 60})), 60);
    assert_eq!(client.ask("m.forks", json!({"count": 4, "mib": 1})), 4);
    stays("the script runs", Duration::from_millis(1_500), || {
        restarts(&vpid) == 0
    });
    assert_eq!(client.ask("m.fine", json!({"value": 1})), 1);
}

#[test]
fn a_script_goes_before_vpid_where_the_system_lacks_memory() {
    let (_vpid, mut client) = started("");
    assert_eq!(client.ask("m.is_first_to_go", Value::Null), 500);
}
