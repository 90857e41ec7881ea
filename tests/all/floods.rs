//! Smaller floods than those of `benches/floods`, with bounds that hold on a busy machine: whoever
//! plays by the rules is served meanwhile, loses no answer, and memory stays bounded.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use vpid::game_side::stock::GameCall;

use crate::attack::victim::{Victim, Waits};
use crate::attack::{Flood, others, signed, stock};
use crate::support::{KEY, PATIENCE, SECRET, Vpid, wait_until};

/// The key of the server that is not attacked.
const OTHER_KEY: &str = "qL8vB2nT5xW0zR7cJ4mH9sD1gF6kP3yUaEiOuVbNtMrXwQzS";

/// A game waits no longer than this: some hundred times what it should be, for machines that do much else. What is
/// fast is measured by `benches/floods`.
const WAIT: Duration = Duration::from_secs(20);

/// One flood at a time: what one costs, all games of the others would wait for.
static ALONE: Mutex<()> = Mutex::new(());

/// A flood that is not written after so long is large enough.
const WRITING: Duration = Duration::from_secs(8);

type Write = fn(&Flood) -> std::io::Result<()>;

/// What is written, and for how long games call meanwhile at least.
struct Attack {
    write: Write,
    count: usize,
    /// Goes on until it is stopped.
    is_endless: bool,
    lasts: Duration,
}

fn attack(write: Write, count: usize) -> Attack {
    Attack {
        write,
        count,
        is_endless: false,
        lasts: Duration::from_millis(1_500),
    }
}

fn endless(write: Write, count: usize, seconds: u64) -> Attack {
    Attack {
        write,
        count,
        is_endless: true,
        lasts: Duration::from_secs(seconds),
    }
}

/// A vpid with two servers: one whose folder is flooded, and another one.
struct Attacked {
    vpid: Vpid,
    other: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Attacked {
    fn new() -> Self {
        Self::with("")
    }

    /// With a line at the top of the configuration.
    fn with(setting: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let other = tempfile::tempdir().expect("a temporary folder");
        let server = format!(
            "\n[[server]]\nscriptdata = '{}'\nkey = '{OTHER_KEY}'\n\
             [database.other]\n\
             [query.one]\ndatabase = \"other\"\nsql = \"SELECT 1\"\n",
            other.path().display()
        );
        let vpid = Vpid::new().setting(setting).signed().queries(&server);
        let made = vpid.sql().execute_batch(&format!(
            "CREATE TABLE user_victim_rows (id INTEGER PRIMARY KEY); {}",
            others::CREATE
        ));
        made.expect("tables");
        Self {
            vpid,
            other,
            _alone: alone,
        }
    }

    fn started(mut self) -> Self {
        self.vpid.start();
        self
    }

    /// A game on the other server, one in the flooded folder, and a stock one there.
    fn victims(&self, call: &GameCall) -> [Victim; 3] {
        let flooded = self.vpid.scriptdata();
        let victims = [
            Victim::signed(
                self.other.path(),
                "other",
                OTHER_KEY,
                call.clone(),
                PATIENCE,
            ),
            Victim::signed(&flooded, "same", KEY, call.clone(), PATIENCE),
            Victim::stock(&flooded, "stock", SECRET, call.clone(), PATIENCE),
        ];
        victims.map(|victim| victim.expect("a game that is served"))
    }

    fn flood<'a>(
        &self,
        folder: &'a std::path::Path,
        count: usize,
        stop: &'a AtomicBool,
    ) -> Flood<'a> {
        Flood {
            scriptdata: folder,
            secret: SECRET,
            key: KEY,
            victim: "same",
            recorded: signed::recorded_of(KEY, "same"),
            database: self.vpid.path("vpid.db"),
            log: None,
            count,
            stop,
        }
    }

    /// Floods the folder while games call, for so long at least, and until all is written, which on
    /// a busy machine is given up some time.
    fn during(&self, flood: &Attack, call: &GameCall) -> [Waits; 3] {
        let (stop_flood, stop_calls) = (AtomicBool::new(false), AtomicBool::new(false));
        let folder = self.vpid.scriptdata();
        let victims = self.victims(call);
        let write = flood.write;
        let (is_endless, lasts) = (flood.is_endless, flood.lasts);
        let flood = &self.flood(&folder, flood.count, &stop_flood);
        thread::scope(|scope| {
            let stop_calls = &stop_calls;
            let victims =
                victims.map(|victim| scope.spawn(move || victim.play(stop_calls, PATIENCE)));
            let writer = scope.spawn(move || write(flood));
            thread::sleep(lasts);
            let began = Instant::now();
            while !is_endless && !writer.is_finished() && began.elapsed() < WRITING {
                thread::sleep(Duration::from_millis(10));
            }
            stop_flood.store(true, Ordering::Relaxed);
            let written = writer.join().expect("no flood panics");
            stop_calls.store(true, Ordering::Relaxed);
            let waits = victims.map(|victim| victim.join().expect("no game panics"));
            written.expect("the flood can be written");
            waits
        })
    }

    /// The same, and all games are served in time.
    #[track_caller]
    fn serves_all_during(&self, flood: &Attack) {
        served(&self.during(flood, &select()), WAIT);
    }

    /// The most memory that vpid has had since it was idle, in MiB.
    fn peak_mib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.vpid.pid());
        let status = fs::read_to_string(status).expect("vpid runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number") / 1024
    }
}

fn select() -> GameCall {
    GameCall::new(
        "victim.nut",
        "VPI_DB_UserSelect",
        json!({"table": "user_victim_rows"}),
    )
}

/// A select on the database that the flood does not reach.
fn select_elsewhere() -> GameCall {
    GameCall::new("victim.nut", "VPI_SQL_one", json!({}))
}

#[track_caller]
fn served(waits: &[Waits; 3], within: Duration) {
    let names = ["other server", "same folder", "same folder, stock"];
    let told: Vec<String> = names
        .iter()
        .zip(waits)
        .map(|(name, waits)| {
            format!(
                "{name}: {} calls, {} without an answer, {} errors, longest wait {} ms, lost: {:?}",
                waits.calls(),
                waits.unanswered.len(),
                waits.errors,
                waits.longest().as_millis(),
                waits.lost,
            )
        })
        .collect();
    let told = told.join("\n");
    println!("{told}");
    for waits in waits {
        assert_eq!(waits.lost, None, "{told}");
        assert!(waits.unanswered.is_empty(), "{told}");
        assert!(waits.longest() < within, "{told}");
    }
}

#[test]
fn bad_files_of_one_host_starve_no_other() {
    Attacked::new()
        .started()
        .serves_all_during(&attack(stock::bad_files, 20_000));
}

#[test]
fn made_up_hosts_starve_no_known_one() {
    Attacked::new()
        .started()
        .serves_all_during(&attack(stock::bad_files_of_made_up_hosts, 20_000));
}

#[test]
fn restart_files_of_made_up_hosts_cost_little() {
    let attacked = Attacked::new().started();
    attacked.serves_all_during(&attack(stock::restarts, 30_000));
    assert!(attacked.peak_mib() < 60, "{} MiB", attacked.peak_mib());
}

/// Until they are rejected, and beyond: that is when all of them are looked at once more.
#[test]
fn unfinished_files_are_not_compared_with_each_other() {
    let attacked = Attacked::new().started();
    attacked.serves_all_during(&Attack {
        lasts: Duration::from_secs(6),
        ..attack(stock::unfinished, 20_000)
    });
}

#[test]
fn large_files_are_not_parsed_before_they_are_authenticated() {
    Attacked::new()
        .started()
        .serves_all_during(&attack(stock::large_in_vain, 40));
}

#[test]
fn large_files_of_made_up_hosts_share_one_portion() {
    Attacked::new()
        .started()
        .serves_all_during(&attack(stock::large_in_vain_of_made_up_hosts, 40));
}

/// What it has written waits for vpid, so that it comes as fast as vpid can take it.
#[test]
fn a_host_that_never_fetches_uses_up_no_limit_for_all() {
    let attacked = Attacked::new();
    let (folder, never) = (attacked.vpid.scriptdata(), AtomicBool::new(false));
    let written = stock::never_fetching(&attacked.flood(&folder, 5_000, &never));
    written.expect("files can be written");
    let attacked = attacked.started();
    let began = Instant::now();
    attacked.serves_all_during(&attack(|_| Ok(()), 0));
    let first_answers = began.elapsed();
    assert!(first_answers < 3 * WAIT, "{first_answers:?}");
}

/// Each is given some answers first, which takes a slow machine long; what is held after that is held for ever.
#[test]
fn forty_hosts_that_never_fetch_leave_room_for_another_one() {
    let attacked = Attacked::new().started();
    let flood = attack(stock::forty_never_fetching, 8_000);
    served(&attacked.during(&flood, &select()), PATIENCE);
}

#[test]
fn forged_signed_files_starve_no_session() {
    Attacked::new()
        .started()
        .serves_all_during(&attack(signed::forgeries, 20_000));
}

#[test]
fn files_that_change_under_its_hands_hold_nobody_up() {
    Attacked::new()
        .started()
        .serves_all_during(&endless(stock::rewriting, 1, 2));
}

#[test]
fn a_statement_that_does_not_end_holds_up_no_other_database() {
    let attacked = Attacked::new().started();
    let flood = endless(others::stuck_statement, 1, 3);
    served(&attacked.during(&flood, &select_elsewhere()), WAIT);
}

/// Those that are due meanwhile may fail; each has an answer by its own deadline, and in the end
/// the database serves again.
#[test]
fn a_statement_that_does_not_end_holds_up_its_own_database_until_its_deadline() {
    let attacked = Attacked::with("call_deadline_ms = 1000").started();
    let flood = endless(others::stuck_statement, 1, 4);
    served(&attacked.during(&flood, &select()), 2 * WAIT);
    attacked.victims(&select());
}

#[test]
fn calls_that_wait_for_a_locked_database_are_bounded_in_bytes() {
    let attacked = Attacked::new().started();
    let flood = endless(stock::parked_chains, 100, 3);
    served(&attacked.during(&flood, &select_elsewhere()), WAIT);
    assert!(attacked.peak_mib() < 150, "{} MiB", attacked.peak_mib());
}

#[test]
fn what_an_earlier_run_seems_to_have_left_is_not_read_at_once() {
    let mut attacked = Attacked::new();
    let (folder, never) = (attacked.vpid.scriptdata(), AtomicBool::new(false));
    let left = attacked.flood(&folder, 150, &never);
    signed::left_large(&left).expect("files can be written");
    attacked.vpid.launch();
    let began = Instant::now();
    attacked.victims(&select());
    assert!(began.elapsed() < 3 * WAIT, "{:?}", began.elapsed());
    assert!(attacked.peak_mib() < 80, "{} MiB", attacked.peak_mib());
    wait_until("they are gone", || {
        others::files_in(&folder.join("vpid")) < 20
    });
}
