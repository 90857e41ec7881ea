//! What operators see of how scripts work: `vpid script stats`.

use serde_json::{Value, json};

use crate::support::{Client, Vpid, wait_for};

const WORK: &str = r#"
import asyncio
import time
import game

def quick(n=0):
    return n

def slow():
    time.sleep(0.05)

async def waits():
    await asyncio.sleep(1)

def hangs():
    open("hangs.txt", "w").close()
    while True:
        pass

def _tick():
    pass

game.timer(0.005, _tick, True)

def OnTimer():
    pass
"#;

/// `vpid script stats NAME --json`.
fn stats(vpid: &Vpid, name: &str) -> Value {
    let output = vpid.command(&["script", "stats", name, "--json"]);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    all[0].clone()
}

fn times(stats: &Value, kind: &str, name: &str) -> Value {
    let all = stats["times"].as_array().map(Vec::as_slice);
    let mut all = all.unwrap_or_default().iter();
    let found = all.find(|it| it["kind"] == kind && it["name"] == name);
    found.cloned().unwrap_or_default()
}

/// Once the script has answered with so many calls of `quick`.
#[track_caller]
fn counted(vpid: &Vpid, calls: u64) -> Value {
    wait_for("so many calls are counted", || {
        let stats = stats(vpid, "work");
        let is_so = times(&stats, "function", "quick")["calls"] == calls;
        (is_so && stats["responded"] == true).then_some(stats)
    })
}

#[test]
fn times_of_functions_are_counted_and_outlive_a_reload() {
    let vpid = Vpid::new()
        .signed()
        .script("work", WORK)
        .with_running(&["work"]);
    let mut client = Client::stock(&vpid);
    for n in 0..20 {
        assert_eq!(client.ask("work.quick", json!({"n": n})), json!(n));
    }
    client.ask("work.slow", json!({}));
    client.ask("work.waits", json!({}));
    let before = wait_for("timers ran", || {
        let stats = stats(&vpid, "work");
        let is_so = times(&stats, "timer", "_tick")["calls"].as_u64() > Some(3)
            && times(&stats, "hook", "OnTimer")["calls"].as_u64() > Some(0)
            && times(&stats, "function", "waits")["calls"] == 1
            && stats["responded"] == true;
        is_so.then_some(stats)
    });
    let quick = times(&before, "function", "quick");
    assert_eq!(quick["calls"], 20, "{before}");
    let slow = times(&before, "function", "slow");
    assert!(slow["worst_s"].as_f64() >= Some(0.05), "{before}");
    assert!(slow["p50_s"].as_f64() >= Some(0.05), "{before}");
    let [p50, p99] = ["p50_s", "p99_s"].map(|key| quick[key].as_f64());
    assert!(p50 > Some(0.0) && p50 <= p99 && p99 <= quick["worst_s"].as_f64());
    // What it waited for does not count: that keeps nothing from running.
    let waits = times(&before, "function", "waits");
    assert_eq!(waits["calls"], 1);
    assert!(waits["total_s"].as_f64() < Some(1.0), "{before}");
    assert!(before["memory_bytes"].as_u64() > Some(1 << 20), "{before}");
    assert_eq!(
        (&before["starts"], &before["responded"]),
        (&json!(1), &json!(true))
    );

    let (code, text) = vpid.operator(&["reload", "work"]);
    assert_eq!(code, Some(0), "{text}");
    client.ask("work.quick", json!({}));
    let after = counted(&vpid, 21);
    assert_eq!(times(&after, "function", "slow")["calls"], 1, "{after}");
    assert_eq!(after["starts"], 2);
    let (code, text) = vpid.operator(&["stats"]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "work: running, memory ",
        "2 starts",
        "P99",
        "function",
        "quick",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = vpid.operator(&["stats", "nothing"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no script nothing"), "{text}");
}

#[test]
fn a_script_that_is_busy_keeps_no_operator_waiting() {
    let vpid = Vpid::new()
        .signed()
        .script("work", WORK)
        .script_table("work", "call_s = 600")
        .with_running(&["work"]);
    let mut client = Client::stock(&vpid);
    client.ask("work.quick", json!({}));
    counted(&vpid, 1);
    client.send("work.hangs", json!({}));
    let file = vpid.path("scripts/hangs.txt");
    wait_for("it hangs", || file.exists().then_some(()));
    let busy = stats(&vpid, "work");
    assert_eq!(busy["responded"], false, "{busy}");
    assert_eq!(times(&busy, "function", "quick")["calls"], 1, "{busy}");
    let (code, text) = vpid.operator(&["stats", "work"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("It is busy and did not respond"), "{text}");
}
