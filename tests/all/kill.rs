//! `kill -9` at any moment: no call is lost and none runs twice.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpid::cli::game::GameCall;
use vpid::wire::names;

use crate::support::{Host, Random, Vpid, insert, wait_until};

/// Writes numbered calls, and remembers how many.
struct Load {
    hosts: Vec<Host>,
    written: i64,
}

impl Load {
    fn new(vpid: &Vpid) -> Self {
        let hosts = ["red", "blue", "green"].map(|name| vpid.host(name));
        Self {
            hosts: hosts.into(),
            written: 0,
        }
    }

    /// One file of a random host, with a few calls of every kind.
    fn write_file(&mut self, random: &mut Random) {
        let calls: Vec<GameCall> = (0..1 + random.below(8))
            .map(|_| {
                self.written += 1;
                let callback = random.chance(50);
                GameCall {
                    callback,
                    ..insert(self.written)
                }
            })
            .collect();
        let place = random.below(self.hosts.len() as u64) as usize;
        let host = &mut self.hosts[place];
        let sent = match random.chance(20) {
            true => host.send_chain(&calls),
            false => host.send(&calls),
        };
        sent.expect("a call file can be written");
    }

    /// Some hosts read and empty their answers, as games do.
    fn read_some(&self, random: &mut Random) {
        for host in &self.hosts {
            if random.chance(30) {
                host.fetch().expect("answers can be read");
            }
        }
    }

    /// Waits for the last file to go, while answers are fetched so that room is made for all.
    fn drain(&self, vpid: &Vpid) {
        wait_until("every file was done", || {
            for host in &self.hosts {
                host.fetch().expect("answers can be read");
            }
            !vpid.files().iter().any(|name| name.contains("output"))
        });
    }
}

fn each_once(vpid: &Vpid, written: i64, seed: u64) {
    let numbers = vpid.numbers();
    let expected: Vec<i64> = (1..=written).collect();
    let missing: Vec<_> = expected.iter().filter(|n| !numbers.contains(n)).collect();
    let doubled: Vec<_> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .collect();
    assert!(
        missing.is_empty() && doubled.is_empty(),
        "missing {missing:?}, doubled {doubled:?} (VPID_SEED={seed})"
    );
    assert_eq!(numbers, expected, "VPID_SEED={seed}");
}

/// Rounds of load, each ended by a kill after a random while. `busy_us`: how long such a while
/// may be.
fn kill_rounds(rounds: usize, files_max: u64, busy_us: u64, durability: &str) {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    let mut random = Random::new(seed);
    let line = format!("durability = \"{durability}\"");
    let mut vpid = Vpid::new().database_line(&line).with_numbers();
    let mut load = Load::new(&vpid);
    for _ in 0..rounds {
        // Half of the load meets a daemon that starts, the other half one that runs.
        for _ in 0..random.below(files_max) {
            load.write_file(&mut random);
        }
        vpid.start();
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
    assert!(vpid.reasons().is_empty(), "{:?}", vpid.reasons());
    vpid.stop();
    assert!(load.written > rounds as i64);
    each_once(&vpid, load.written, seed);
}

#[test]
fn under_load_each_call_takes_effect_exactly_once() {
    kill_rounds(30, 40, 120_000, "full");
}

/// The moment between a commit and the removal of its file is short: it takes many rounds with
/// little work each to hit it.
#[test]
fn between_commit_and_removal_each_call_takes_effect_exactly_once() {
    kill_rounds(60, 4, 12_000, "normal");
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
