//! `kill -9` while functions in Python run: none is made twice for one call, and no call is lost
//! without a word.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;

use crate::support::{Client, Random, Vpid, call, wait_until};

/// What it is called with is in the file, whatever happens then. Some calls take a while.
const WRITER: &str = r#"
import asyncio, os, time

numbers = os.open("numbers.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def write(n):
    os.write(numbers, b"%d\n" % n)
    return n

def write_slowly(n):
    time.sleep(0.001)
    return write(n)

def write_and_stay(n):
    write(n)
    time.sleep(1000)

async def write_later(n):
    await asyncio.sleep(0.003)
    return write(n)
"#;

const FUNCTIONS: [&str; 3] = ["write", "write_slowly", "write_later"];

/// A game, and what became of each of its calls.
struct Player {
    client: Client,
    /// The numbers of calls that were not answered yet, by their tokens.
    open: HashMap<String, u64>,
    answered: HashMap<u64, Value>,
}

impl Player {
    fn new(client: Client) -> Self {
        Self {
            client,
            open: HashMap::new(),
            answered: HashMap::new(),
        }
    }

    /// Writes a file with a few calls, if there is room for one.
    fn write(&mut self, random: &mut Random, written: &mut u64) {
        if !self.client.has_room() {
            return;
        }
        let numbers: Vec<u64> = (0..1 + random.below(5)).map(|n| *written + n + 1).collect();
        *written += numbers.len() as u64;
        let calls: Vec<GameCall> = numbers
            .iter()
            .map(|n| {
                let function = FUNCTIONS[random.below(3) as usize];
                call(&format!("writer.{function}"), json!({ "n": n }))
            })
            .collect();
        let tokens = self.client.send_all(&calls);
        self.open.extend(tokens.into_iter().zip(numbers));
    }

    fn read(&mut self) {
        let answers = self.client.answers();
        for (token, answer) in answers.drain() {
            // A run that was killed may have answered already; the first answer is the one that
            // reached the game.
            if let Some(n) = self.open.remove(&token) {
                self.answered.insert(n, answer);
            }
        }
    }
}

fn in_file(vpid: &Vpid) -> Vec<u64> {
    let text = fs::read_to_string(vpid.path("scripts/numbers.txt")).unwrap_or_default();
    let numbers = text.lines().map(|line| line.parse().expect("a whole line"));
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn rounds(client: fn(&Vpid) -> Client) {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    let mut random = Random::new(seed);
    let mut vpid = Vpid::new()
        .signed()
        .script("writer", WRITER)
        .with_running(&["writer"]);
    let mut player = Player::new(client(&vpid));
    let mut written = 0;
    for round in 0..10 {
        // Some die while the script is still being loaded, and some long after.
        let life = if round % 3 == 0 { 60_000 } else { 250_000 };
        let end = Instant::now() + Duration::from_micros(random.below(life));
        while Instant::now() < end {
            player.write(&mut random, &mut written);
            player.read();
            std::thread::sleep(Duration::from_micros(random.below(8_000)));
        }
        vpid.kill();
        player.write(&mut random, &mut written);
        vpid.start();
    }
    wait_until("all calls are answered", || {
        player.read();
        player.open.is_empty()
    });
    vpid.at_rest();
    let numbers = in_file(&vpid);
    let twice: Vec<u64> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    assert!(twice.is_empty(), "made twice: {twice:?} (VPID_SEED={seed})");
    let mut interrupted = 0;
    for (n, answer) in &player.answered {
        let is_there = numbers.binary_search(n).is_ok();
        match answer.as_u64() {
            Some(value) => assert!(value == *n && is_there, "{n}: {answer} (VPID_SEED={seed})"),
            None => {
                let text = answer.to_string();
                assert!(
                    text.contains(":: Interrupted"),
                    "{n}: {text} (VPID_SEED={seed})"
                );
                interrupted += 1;
            }
        }
    }
    assert_eq!(player.answered.len() as u64, written);
    let done = written - interrupted;
    println!("{written} calls, {interrupted} interrupted");
    // What was given to Python counts as begun, though much of it may still wait there.
    assert!(
        done > written / 20,
        "{done} of {written} (VPID_SEED={seed})"
    );
    assert!(vpid.reasons().is_empty(), "{:?}", vpid.reasons());
}

#[test]
fn calls_of_stock_scripts_are_made_once_or_said_to_be_interrupted() {
    rounds(Client::stock);
}

#[test]
fn calls_of_signed_scripts_are_made_once_or_said_to_be_interrupted() {
    rounds(Client::signed);
}

#[test]
fn what_ran_when_vpid_was_killed_is_interrupted_and_what_waited_is_made() {
    for client in [Client::stock as fn(&Vpid) -> Client, Client::signed] {
        let mut vpid = Vpid::new()
            .signed()
            .script("writer", WRITER)
            .with_running(&["writer"]);
        let mut client = client(&vpid);
        let ran = client.send("writer.write_and_stay", json!({"n": 1}));
        wait_until("it runs", || in_file(&vpid) == [1]);
        vpid.kill();
        let waited = client.send("writer.write", json!({"n": 2}));
        vpid.start();
        assert_eq!(client.answer(&waited), 2);
        let answer = client.answer(&ran);
        let words = "(writer.write_and_stay) :: Interrupted: vpid ended while it ran";
        assert!(answer.to_string().contains(words), "{answer}");
        vpid.at_rest();
        assert_eq!(in_file(&vpid), [1, 2]);
    }
}
