//! What our scripts cost a game, and how fast vpid answers them: the shipped `vpi.nut` on a real
//! interpreter, at the pace of a server, against the built daemon.
//!
//! `cargo bench --bench game [-- --seconds 60]`; `--markdown` prints the table of the manual. With
//! `VPID_GAME_INTEGERS=64` in the environment, of a 64-bit server.

#[path = "../tests/game/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use support::daemon::{Daemon, KEY, scriptdata};
use support::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, vpi_with};

const PLAYERS: i32 = 24;

/// Keeps, by kind, after how many ticks each answer came.
const SCRIPT: &str = r#"
::ticks <- { urgent = [], normal = [] }
::errors <- 0
::serial <- 0
::Ask <- function(urgent) {
    local called = GetFrameCount(), kind = urgent ? "urgent" : "normal"
    local n = ::serial++
    local kwargs = n % 3 == 0
        ? { table = "user_bench_stats", columns = ["kills"], filter_column = "id", filter_value = n % 500 }
        : { table = "user_bench_stats", columns = ["id", "name", "kills"], values = [n % 500, "'Player number 17'", 1],
            update_values = { ["t.kills"] = "t.kills + n.kills" } }
    VPI.AsyncCall({
        func = n % 3 == 0 ? "VPI_DB_UserSelect" : "VPI_DB_UserInsertOrUpdate", kwargs = kwargs, urgent = urgent,
        callback = function(response, error) {
            if (error)
                ::errors++
            else
                ::ticks[kind].append(GetFrameCount() - called)
        }
    })
}
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let seconds = value("--seconds").map_or(30.0, |text| text.parse().expect("seconds"));
    let markdown = arguments.iter().any(|argument| argument == "--markdown");
    let dir = TempDir::new().expect("a folder");
    let _daemon = Daemon::start_signed(dir.path());
    let database = rusqlite::Connection::open(dir.path().join("game.db")).expect("a database");
    let table = "CREATE TABLE user_bench_stats (id INTEGER PRIMARY KEY, name TEXT, kills INTEGER)";
    database.execute_batch(table).expect("a table");
    let mut game = start(&dir);
    let mut rows = Vec::new();
    let mut both = |game: &mut Game, what: &str, act: &mut dyn FnMut(&mut Game, usize)| {
        for (pace, how) in [(Pace::Awake, "awake"), (Pace::Real, "real pace")] {
            game.run("bench.nut", "::ticks <- { urgent = [], normal = [] }");
            let costs = play(game, pace, seconds, act);
            rows.push(row(
                &format!("script time of a tick, {what}, {how} (µs)"),
                costs,
            ));
        }
    };
    both(&mut game, "no player on", &mut |_, _| {});
    let players: Vec<i32> = (0..PLAYERS)
        .map(|n| {
            game.join(
                format!("Player number {n} é"),
                &format!("[U:1:{}]", 1000 + n),
            )
        })
        .collect();
    game.run_real(3.0);
    both(&mut game, "24 players, no calls", &mut |_, _| {});
    both(&mut game, "24 players, busy", &mut |game, tick| {
        round(game, &players, tick)
    });
    // The last answers come.
    game.run_real(1.5);
    for kind in ["urgent", "normal"] {
        let ticks = game.run("bench.nut", &format!("return ::ticks.{kind}"));
        let ticks = ticks.as_array().expect("a list").iter();
        let ticks = ticks
            .filter_map(Value::as_u64)
            .map(|ticks| ticks as u32)
            .collect();
        rows.push(row(
            &format!("{kind} call to callback (ticks of 15 ms)"),
            ticks,
        ));
    }
    let errors = game.run("bench.nut", "return ::errors");
    game.assert_no_errors();
    print(&rows, markdown);
    let bits = if game_vm::IS_WIDE { 64 } else { 32 };
    println!("\nIntegers of {bits} bits. {errors} calls failed.");
    assert_eq!(errors, json!(0));
}

fn start(dir: &TempDir) -> Game {
    let mapspawn = MAPSPAWN.to_owned();
    let mut game = Setup::new(&scriptdata(dir.path()))
        .hostname("Bench Server")
        .script(
            "mapspawn.nut",
            &(mapspawn + "\nIncludeScript(\"bench\", this)"),
        )
        .script("vpi.nut", &vpi_with(KEY))
        .script("bench.nut", SCRIPT)
        .start("cp_bench");
    let connected =
        |game: &mut Game| game.run("bench.nut", "return VPI.Status().connected") == json!(true);
    assert!(game.run_real_until(10.0, connected), "no session");
    game.run_real(2.0);
    game
}

#[derive(Clone, Copy)]
enum Pace {
    /// A tick each millisecond, and no sleep in between: as on a machine that is at work anyway.
    Awake,
    /// A tick each 15 ms, asleep in between: the processor wakes cold each time.
    Real,
}

/// Plays so many seconds' worth of ticks; gives what each of them cost.
fn play(
    game: &mut Game,
    pace: Pace,
    seconds: f64,
    act: &mut dyn FnMut(&mut Game, usize),
) -> Vec<u32> {
    let from = game.costs_us().len();
    let mut tick = 0;
    match pace {
        Pace::Real => {
            game.run_real_until(seconds, |game| {
                act(game, tick);
                tick += 1;
                false
            });
        }
        Pace::Awake => {
            for tick in 0..(seconds / 0.015) as usize {
                let next = Instant::now() + Duration::from_millis(1);
                act(game, tick);
                game.run_ticks(1);
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
            }
        }
    }
    game.costs_us()[from..].to_vec()
}

/// A round in full swing: some fourteen events and eight calls a second, of which two are urgent.
fn round(game: &mut Game, players: &[i32], tick: usize) {
    let player = players[tick * 7 % players.len()];
    match tick % 10 {
        0 => game.kill(player, players[tick % players.len()]),
        5 => game.spawn(player),
        _ => {}
    }
    if tick % 60 == 3 {
        game.say(player, "!rank and then some more words to read");
    }
    if tick % 11 == 1 {
        game.run("bench.nut", "Ask(false)");
    }
    if tick % 33 == 2 {
        game.run("bench.nut", "Ask(true)");
    }
}

struct Row {
    name: String,
    count: usize,
    median: u32,
    p90: u32,
    p99: u32,
    max: u32,
}

fn row(name: &str, mut values: Vec<u32>) -> Row {
    values.sort_unstable();
    let at = |share: f64| {
        let place = (values.len().saturating_sub(1)) as f64 * share;
        values.get(place as usize).copied().unwrap_or(0)
    };
    Row {
        name: name.into(),
        count: values.len(),
        median: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: at(1.0),
    }
}

fn print(rows: &[Row], markdown: bool) {
    if markdown {
        println!("| | of | median | 90% | 99% | most |\n| --- | --- | --- | --- | --- | --- |");
    }
    for Row {
        name,
        count,
        median,
        p90,
        p99,
        max,
    } in rows
    {
        if markdown {
            println!("| {name} | {count} | {median} | {p90} | {p99} | {max} |");
        } else {
            println!(
                "{name:<50} of {count:>5}: median {median:>5}, 90% {p90:>5}, 99% {p99:>5}, most {max:>5}"
            );
        }
    }
}
