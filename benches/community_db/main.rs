//! What a community in a database costs its server, and how soon a ban holds everywhere: many real vpids on one
//! MariaDB, each beside a simulated game (RCON, the engine's log and a signed session) with players on it, with large
//! tables.
//!
//! `cargo bench --bench community_db` prints the table of docs/performance.md, which says how to read it.

mod server;
mod tables;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lexopt::Arg::Long;
use lexopt::ValueExt;

use server::Server;
use tables::{Counts, Database};

const HELP: &str = "\
Measures vpids that share a community in one MariaDB.

Usage: cargo bench --bench community_db -- [--minutes N] [--servers N] [--players N] [--bans N] [--users N]
                                           [--rounds N]

  --minutes N  of each kind of minute (default: 3)
  --servers N  vpids, each with one server (default: 20)
  --players N  on each server (default: 24)
  --bans N     in force in the table (default: 100000)
  --users N    in the table (default: 1000000)
  --rounds N   bans whose enforcement is timed, half of them by a game script, half by an operator (default: 20)
";

/// Statements of all vpids in a minute in which nothing changes.
const STATEMENTS_GOAL: u64 = 100;
const ENFORCED_GOAL: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
/// A ban that is not enforced then is counted as not enforced.
const PATIENCE: Duration = Duration::from_secs(60);
/// In a busy minute, one player leaves and another comes in each such pause, somewhere.
const VISIT: Duration = Duration::from_secs(3);

struct Settings {
    minutes: u32,
    servers: usize,
    players: usize,
    bans: u64,
    users: u64,
    rounds: usize,
}

fn main() -> ExitCode {
    let settings = match settings() {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("community_db: {error}");
            return ExitCode::FAILURE;
        }
    };
    if cfg!(debug_assertions) {
        println!("This is no release build: memory and times are too high.\n");
    }
    measure(&settings);
    ExitCode::SUCCESS
}

/// Nothing: help is wanted.
fn settings() -> Result<Option<Settings>, lexopt::Error> {
    let mut settings = Settings {
        minutes: 3,
        servers: 20,
        players: 24,
        bans: 100_000,
        users: 1_000_000,
        rounds: 20,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("minutes") => settings.minutes = parser.value()?.parse()?,
            Long("servers") => settings.servers = parser.value()?.parse()?,
            Long("players") => settings.players = parser.value()?.parse()?,
            Long("bans") => settings.bans = parser.value()?.parse()?,
            Long("users") => settings.users = parser.value()?.parse()?,
            Long("rounds") => settings.rounds = parser.value()?.parse()?,
            // Cargo's own.
            Long("bench") => {}
            Long("help") => return Ok(None),
            argument => return Err(argument.unexpected()),
        }
    }
    Ok(Some(settings))
}

fn measure(settings: &Settings) {
    let database = Database::start();
    let mut servers: Vec<Server> = (0..settings.servers)
        .map(|number| Server::new(number, &database))
        .collect();
    servers[0].make_tables();
    let filled = Instant::now();
    database.fill(settings.users, settings.bans);
    eprintln!("filled in {} s", filled.elapsed().as_secs());
    let began = Instant::now();
    servers.iter_mut().for_each(Server::start);
    servers.iter_mut().for_each(Server::wait_until_ready);
    let ready = began.elapsed();
    eprintln!("{} vpids ready in {} ms", servers.len(), ready.as_millis());
    // Users without a ban are behind those with one.
    let mut accounts = settings.bans + 1..;
    let nobody = minutes(settings, &database, |_| {});
    for server in &mut servers {
        for _ in 0..settings.players {
            server.enter(accounts.next().expect("an account"));
        }
    }
    // Who came is looked up once, and noted.
    thread::sleep(settings.minutes.min(2) * MINUTE);
    let full = minutes(settings, &database, |_| {});
    let busy = minutes(settings, &database, |end| {
        let mut turn = 0;
        while Instant::now() + VISIT < end {
            let place = turn % servers.len();
            servers[place].change_a_player(accounts.next().expect("an account"));
            turn += 1;
            thread::sleep(VISIT);
        }
    });
    let mut by_script = Vec::new();
    let mut by_operator = Vec::new();
    for round in 0..settings.rounds {
        let account = accounts.next().expect("an account");
        let from = round / 2 % servers.len();
        servers[from].begin_session();
        match round % 2 {
            0 => by_script.extend(ban(&mut servers, account, |servers| {
                servers[from].ban_by_script(account);
            })),
            _ => by_operator.extend(ban(&mut servers, account, |servers| {
                servers[from].ban_by_operator(account);
            })),
        }
    }
    let memory: Vec<(u64, u64)> = servers.iter().map(Server::memory_kib).collect();
    print_report(
        settings,
        &[
            ("no players", &nobody),
            ("players who stay", &full),
            ("players who come and leave", &busy),
        ],
        (ready, &memory),
        &[("a game script", by_script), ("an operator", by_operator)],
    );
}

/// What the database's server counts in each of some minutes.
fn minutes(settings: &Settings, database: &Database, mut work: impl FnMut(Instant)) -> Vec<Counts> {
    let mut counted = Vec::new();
    let mut before = database.counts();
    let mut end = Instant::now();
    for _ in 0..settings.minutes {
        end += MINUTE;
        work(end);
        thread::sleep(end.saturating_duration_since(Instant::now()));
        let after = database.counts();
        let minute = after.since(&before);
        eprintln!("{minute}");
        counted.push(minute);
        before = after;
    }
    counted
}

/// Lets a player come to all servers, has them banned, and gives how long it took until each server has kicked them.
fn ban(
    servers: &mut [Server],
    account: u64,
    order: impl FnOnce(&mut [Server]),
) -> Vec<Option<Duration>> {
    servers.iter_mut().for_each(|server| server.enter(account));
    servers.iter().for_each(|server| server.wait_for_status());
    let began = Instant::now();
    order(servers);
    let mut took = vec![None; servers.len()];
    while took.contains(&None) && began.elapsed() < PATIENCE {
        for (server, took) in servers.iter().zip(&mut took) {
            if took.is_none() && server.has_kicked(account) {
                *took = Some(began.elapsed());
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    eprintln!("a ban is enforced: {took:?}");
    servers.iter_mut().for_each(|server| server.forget(account));
    took
}

fn print_report(
    settings: &Settings,
    minutes: &[(&str, &Vec<Counts>)],
    (ready, memory): (Duration, &[(u64, u64)]),
    bans: &[(&str, Vec<Option<Duration>>)],
) {
    println!("|  | goal | found |\n| --- | --- | --- |");
    for (number, (of, counts)) in minutes.iter().enumerate() {
        let statements: Vec<u64> = counts.iter().map(|count| count.statements()).collect();
        let goal = match number {
            0 | 1 => format!("under {STATEMENTS_GOAL}"),
            _ => String::new(),
        };
        println!(
            "| statements in a minute, {of} | {goal} | {} |",
            spread(&statements)
        );
    }
    for (by, took) in bans {
        let mut ms: Vec<u64> = took
            .iter()
            .flatten()
            .map(|took| took.as_millis() as u64)
            .collect();
        ms.sort_unstable();
        let goal = format!("under {}", ENFORCED_GOAL.as_millis());
        println!(
            "| from a ban by {by} to the kick on a server, ms | {goal} | {} |",
            spread(&ms)
        );
        let never = took.len() - ms.len();
        println!(
            "| of {} such kicks, not within a minute | 0 | {never} |",
            took.len()
        );
    }
    println!(
        "| from the start of {} vpids at once until all are ready, ms |  | {} |",
        settings.servers,
        ready.as_millis()
    );
    let resident: Vec<u64> = memory.iter().map(|(resident, _)| *resident).collect();
    let private: Vec<u64> = memory.iter().map(|(_, private)| *private).collect();
    println!("| memory of a vpid, KiB |  | {} |", spread(&resident));
    println!(
        "| of which is private to it, KiB |  | {} |",
        spread(&private)
    );
}

/// The median, with the smallest and the largest.
fn spread(values: &[u64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    match (sorted.first(), sorted.last()) {
        (Some(first), Some(last)) => format!("{} ({first}-{last})", sorted[sorted.len() / 2]),
        _ => "?".into(),
    }
}
