//! `kill -9` at any moment: no call is lost and none runs twice.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpid::protocol::names;

use crate::support::{Load, Random, Vpid, insert, wait_until};

/// Rounds of load, each ended by a kill after a random while. `busy_us`: how long such a while
/// may be.
pub fn kill_rounds(vpid: Vpid, rounds: usize, files_max: u64, busy_us: u64) {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    let mut random = Random::new(seed);
    let mut vpid = vpid.with_numbers();
    let mut load = Load::new(&vpid);
    for _ in 0..rounds {
        // Half of the load meets a daemon that starts, the other half one that runs.
        for _ in 0..random.below(files_max) {
            load.write_file(&mut random);
        }
        match random.chance(25) {
            true => vpid.launch(),
            false => vpid.start(),
        }
        let end = Instant::now() + Duration::from_micros(random.below(busy_us));
        for _ in 0..random.below(files_max) {
            load.write_file(&mut random);
            load.read_some(&mut random);
            if Instant::now() >= end {
                break;
            }
        }
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        vpid.kill();
    }
    vpid.start();
    load.drain(&vpid);
    vpid.stop();
    assert!(load.written > rounds as i64);
    load.each_once(&vpid, seed);
}

#[test]
fn under_load_each_call_takes_effect_exactly_once() {
    let vpid = Vpid::new().database_line("durability = \"full\"");
    kill_rounds(vpid, 30, 40, 120_000);
}

/// The moment between a commit and the removal of its file is short: it takes many rounds with
/// little work each to hit it.
#[test]
fn between_commit_and_removal_each_call_takes_effect_exactly_once() {
    let vpid = Vpid::new().database_line("durability = \"normal\"");
    kill_rounds(vpid, 60, 4, 12_000);
}

#[test]
fn files_that_a_dead_run_had_taken_are_done_and_answered_by_the_next() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    let lock = vpid.sql();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let tokens = host.send(&[insert(1), insert(2)]).unwrap();
    let is_taken = |name: &String| name.ends_with(".taken");
    wait_until("the file was taken", || vpid.files().iter().any(is_taken));
    vpid.kill();
    drop(lock);
    assert!(vpid.files().iter().any(is_taken));
    vpid.start();
    assert_eq!(host.answers(&tokens), [json!(1), json!(1)]);
    wait_until("its file went", || !vpid.files().iter().any(is_taken));
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn calls_that_ran_and_whose_file_stayed_are_answered_from_the_journal() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    // The answer has no room in the file: so the call file stays.
    fs::write(host.input_path(), "somebody else's").unwrap();
    let file = fs::File::options()
        .append(true)
        .open(host.input_path())
        .unwrap();
    let tokens = host.send(&[insert(1), insert(2)]).unwrap();
    wait_until("they ran", || vpid.numbers() == [1, 2]);
    vpid.kill();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    assert!(vpid.files().iter().any(|name| name.ends_with(".taken")));
    vpid.start();
    host.empty().unwrap();
    assert_eq!(host.answers(&tokens), [json!(1), json!(1)]);
    assert_eq!(vpid.numbers(), [1, 2], "run again");
}

#[test]
fn a_taken_file_that_is_no_call_file_is_set_aside_like_any_other() {
    let mut vpid = Vpid::new();
    let mut host = vpid.host("my_server");
    let name = names::taken(&host.next_name(), 1_700_000_000_000_000);
    fs::write(host.path_of(&name), "garbage\0").unwrap();
    vpid.start();
    vpid.wait_for_reason("not the JSON");
    assert_eq!(host.ask("VPI_Ping", Value::Null), "pong");
}
