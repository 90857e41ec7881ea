//! What is for all is not used up by one: open files, calls, and memory. And a host that signs does
//! so whatever its keys are.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;
use vpid::limits;

use crate::support::{KEY, PATIENCE, Vpid, call, insert, wait_until};

/// Rows of a call of 16 KB.
const ROWS: usize = 4_000;

/// What any flood may take beyond what an idle vpid has.
const MEMORY_KIB_MAX: u64 = 64 << 10;

/// A vpid with a second server, whose games sign, in a folder of its own.
struct TwoServers {
    vpid: Vpid,
    folder: PathBuf,
}

impl TwoServers {
    fn started() -> Self {
        let vpid = Vpid::new();
        let folder = vpid.path("their_scriptdata");
        fs::create_dir(&folder).unwrap();
        let server = format!(
            "[[server]]\nscriptdata = '{}'\nkey = '{KEY}'\n",
            folder.display()
        );
        let vpid = vpid.queries(&server).started();
        Self { vpid, folder }
    }

    fn victim(&self) -> SignedGame {
        SignedGame::connect(&self.folder, "victim", KEY.as_bytes(), PATIENCE).expect("a session")
    }
}

/// How long the longest of some pings takes.
#[track_caller]
fn longest_wait(game: &mut SignedGame) -> Duration {
    let wait = |_| {
        let asked = Instant::now();
        let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE).unwrap();
        assert_eq!(
            answer,
            Some(Ok(json!("pong"))),
            "after {:?}",
            asked.elapsed()
        );
        asked.elapsed()
    };
    (0..20).map(wait).max().unwrap()
}

#[test]
fn a_host_that_never_fetches_leaves_files_and_calls_for_others() {
    let two = TwoServers::started();
    let mut victim = two.victim();
    let mut host = two.vpid.host("never_reads");
    // One that has never read anything gets no further than a few files.
    host.ask("VPI_Ping", Value::Null);
    for _ in 0..6_000 {
        host.send_one("VPI_Ping", Value::Null);
    }
    wait_until("many files are open", || claimed(&two.vpid) > 200);
    let longest = longest_wait(&mut victim);
    assert!(longest < Duration::from_secs(10), "{longest:?}");
    let open = claimed(&two.vpid);
    assert!(open <= vpid::limits::FILES_OPEN_MAX / 4, "{open}");
}

#[test]
fn made_up_hosts_that_know_the_secret_leave_some_for_others_too() {
    let two = TwoServers::started();
    let mut victim = two.victim();
    for n in 0..600 {
        let mut host = two.vpid.host(&format!("made{n}"));
        for _ in 0..8 {
            host.send_one("VPI_Ping", Value::Null);
        }
    }
    settled("claimed files", || claimed(&two.vpid));
    let longest = longest_wait(&mut victim);
    assert!(longest < Duration::from_secs(10), "{longest:?}");
}

/// How many call files are claimed and not done.
fn claimed(vpid: &Vpid) -> usize {
    let files = vpid.files();
    files.iter().filter(|name| name.ends_with(".taken")).count()
}

/// Waits until a number has stayed as it is for a second.
#[track_caller]
fn settled(what: &str, number: impl Fn() -> usize) {
    let mut before = (usize::MAX, Instant::now());
    wait_until(what, || {
        let now = number();
        if now != before.0 {
            before = (now, Instant::now());
        }
        before.1.elapsed() > Duration::from_secs(1)
    });
}

/// What a process takes of memory now and took at most, in KiB.
fn memory_kib(vpid: &Vpid) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", vpid.pid())).unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap()
    };
    (number("VmRSS:"), number("VmHWM:"))
}

/// A vpid whose database is locked, and what it took before anything came.
struct Locked {
    vpid: Vpid,
    lock: Connection,
    idle_kib: u64,
}

impl Locked {
    fn new(vpid: Vpid) -> Self {
        let vpid = vpid.started().with_numbers();
        vpid.host("first").ask("VPI_Ping", Value::Null);
        let lock = vpid.sql();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (idle_kib, _) = memory_kib(&vpid);
        Self {
            vpid,
            lock,
            idle_kib,
        }
    }

    /// No more is claimed, since there is no room, and what was claimed takes little memory.
    #[track_caller]
    fn takes_little(&self, waiting: impl Fn() -> usize) {
        settled("nothing more is claimed", &waiting);
        assert!(waiting() > 0, "there was room for everything");
        let peak = memory_kib(&self.vpid).1 - self.idle_kib;
        println!("{peak} KiB above idle, {} files left", waiting());
        assert!(peak <= MEMORY_KIB_MAX, "{peak} KiB");
    }

    /// All is done once the database is free; then most of the memory is free too.
    #[track_caller]
    fn finishes(self, numbers: usize) {
        self.lock.execute_batch("COMMIT").unwrap();
        let end = Instant::now() + 6 * PATIENCE;
        let count = "SELECT COUNT(*) FROM user_test_numbers";
        let done = || -> u32 { self.lock.query_row(count, [], |row| row.get(0)).unwrap() };
        while (done() as usize) < numbers {
            assert!(Instant::now() < end, "{} done", done());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(done() as usize, numbers);
        self.vpid.at_rest();
        let (now, peak) = memory_kib(&self.vpid);
        let (now, peak) = (now - self.idle_kib, peak - self.idle_kib);
        println!("{now} KiB above idle afterwards, {peak} at most");
        assert!(peak <= MEMORY_KIB_MAX, "{peak} KiB");
    }
}

/// So many rows of a number, four bytes each.
fn rows(count: usize) -> Value {
    json!({"table": "user_test_numbers", "columns": ["n"], "values": vec![[1]; count]})
}

fn silent(function: &str, kwargs: Value) -> GameCall {
    GameCall {
        callback: false,
        ..call(function, kwargs)
    }
}

#[test]
fn chains_that_wait_are_bounded_in_bytes() {
    let locked = Locked::new(Vpid::new());
    let link = |kwargs| {
        json!({"token": "", "func": "VPI_DB_UserInsert", "kwargs": kwargs, "callback": false,
            "script": "test.nut"})
    };
    let first = link(json!({"table": "user_test_numbers", "values": [1]}));
    let padded = link(rows(1_800));
    let chain: Vec<Value> = std::iter::once(first).chain(vec![padded; 99]).collect();
    for n in 0..200 {
        let host = locked.vpid.host(&format!("host{}", n % 4));
        let text = host.file_text(&json!({ "chain": [chain] }));
        let mut host = host;
        host.write_raw(format!("{text}\0").as_bytes());
    }
    let calls = || {
        let files = locked.vpid.files();
        files
            .iter()
            .filter(|name| name.ends_with("_output.interface"))
            .count()
    };
    locked.takes_little(calls);
}

#[test]
fn inserts_that_wait_for_the_database_are_bounded_in_bytes_and_all_done() {
    const COUNT: usize = 300;
    let locked = Locked::new(Vpid::new());
    let mut host = locked.vpid.host("busy");
    for _ in 0..COUNT {
        let call = silent("VPI_DB_UserInsert", rows(ROWS));
        host.send(&[call]).unwrap();
    }
    let calls = || {
        let files = locked.vpid.files();
        files
            .iter()
            .filter(|name| name.ends_with("_output.interface"))
            .count()
    };
    locked.takes_little(calls);
    // Another host has room meanwhile.
    locked.vpid.host("quiet").ping();
    locked.finishes(COUNT * ROWS);
}

#[test]
fn signed_calls_that_wait_are_bounded_in_bytes_and_all_done() {
    // As many files as a game may have unacknowledged.
    const GAMES: usize = 10;
    const FILES: usize = limits::SIGNED_CONTROL_WINDOW;
    let locked = Locked::new(Vpid::new().signed());
    let mut games: Vec<SignedGame> = (0..GAMES)
        .map(|n| locked.vpid.signed_game(&format!("game{n}")))
        .collect();
    for _ in 0..FILES {
        for game in &mut games {
            let calls = [rows(ROWS), rows(ROWS)];
            let calls = calls.map(|kwargs| silent("VPI_DB_UserInsert", kwargs));
            game.send_calls(&calls).unwrap();
        }
    }
    let waiting = || {
        let files = locked.vpid.signed_files();
        let is_claimed = |name: &str| name.ends_with(".taken") || name.contains("_d");
        files.iter().filter(|name| !is_claimed(name)).count()
    };
    locked.takes_little(waiting);
    let mut victim = locked.vpid.signed_game("victim");
    assert!(longest_wait(&mut victim) < Duration::from_secs(10));
    locked.finishes(2 * GAMES * FILES * ROWS);
}

#[test]
fn that_a_host_signs_outlives_its_key_and_the_case_of_its_name() {
    let mut vpid = Vpid::new().signed().started().with_numbers();
    let mut game = vpid.signed_game("good");
    longest_wait(&mut game);
    let other_key = KEY.chars().rev().collect::<String>();
    let mut refused = 0;
    let mut is_refused = |vpid: &Vpid| {
        for name in ["good", "Good"] {
            vpid.host(name).send(&[insert(1)]).unwrap();
            refused += 1;
            wait_until("a stock file in its name is rejected", || {
                let reasons = vpid.reasons();
                reasons.iter().filter(|r| r.contains("signs")).count() == refused
            });
        }
    };
    is_refused(&vpid);
    let configure = |vpid: &Vpid, key: &str| {
        let text = vpid.config_text().replace(&format!("key = \"{KEY}\""), key);
        fs::write(vpid.config_path(), text).unwrap();
        let before = vpid.log().matches("the configuration was reloaded").count();
        vpid.hang_up();
        wait_until("the configuration is taken over", || {
            vpid.log().matches("the configuration was reloaded").count() > before
        });
    };
    configure(&vpid, &format!("key = \"{other_key}\""));
    is_refused(&vpid);
    // Back to the first key, with a start in between.
    vpid.stop();
    vpid.start();
    is_refused(&vpid);
    configure(&vpid, "");
    let mut stock = vpid.host("good");
    assert_eq!(stock.ask("VPI_Ping", Value::Null), "pong");
    assert!(vpid.numbers().is_empty());
}
