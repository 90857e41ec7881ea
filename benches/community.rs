//! What a minute of a large community costs the thread that decides, in the world of the simulator:
//! `cargo bench --bench community` prints the table of docs/performance.md.

#![allow(
    dead_code,
    unused_imports,
    reason = "the simulator is more than what is measured"
)]
#![expect(unsafe_code, reason = "memory is counted where it is handed out")]

#[path = "../tests/simulator/main.rs"]
mod simulator;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use simulator::community::steam;
use simulator::costs::Costs;
use simulator::vyhub::members::FIRST_OF_MANY;
use simulator::vyhub::{BUNDLE, Packet};
use simulator::workloads::{COMMUNITY_ALONE, Workload};
use simulator::world::World;
use simulator::{
    book, community, costs, daemon, database, disk, engine, python, random, season, signed, stock,
    vyhub, workloads, world,
};
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::BanList;

/// Counts what is in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SERVERS: usize = 4;
/// The accounts of players begin here.
const FIRST: u32 = 1_000;
const MINUTES: u64 = 10;
const MINUTE_MS: u64 = 60_000;
const YEAR_S: i64 = 365 * 86_400;

struct Size {
    players: u32,
    /// Of each player, in packets of fifty.
    packets: usize,
    bans: u32,
    groups: u128,
    /// Users who have been there.
    users: u32,
}

const SMALL: Size = Size {
    players: 10,
    packets: 0,
    bans: 100,
    groups: 5,
    users: 10,
};

const LARGE: Size = Size {
    players: 100,
    packets: 1,
    bans: 100_000,
    groups: 500,
    users: 10_000,
};

struct Measured {
    /// Of the busiest minute.
    minute: Duration,
    longest: Duration,
    longest_kind: &'static str,
    turns: u64,
    /// Requests of a minute in which nothing happens.
    requests: u64,
    memory_bytes: usize,
}

fn bans(count: u32) -> BanList {
    let ban = |n: u32| {
        let steam = steam(10_000_000 + n);
        let user = Uuid(u128::from(n));
        let ban = json!({
            "id": user, "reason": format!("reason {}", n % 500), "length": null,
            "created_on": "2026-01-01T12:00:00Z", "status": "ACTIVE", "active": true, "ends_on": null,
            "creator": null,
            "user": {"id": user, "username": null, "type": "STEAM", "identifier": steam, "avatar": null},
        });
        (steam.to_string(), json!([ban]))
    };
    let list: serde_json::Map<_, _> = (0..count).map(ban).collect();
    BanList::read(serde_json::Value::from(list).to_string().as_bytes()).expect("a good list")
}

/// `[vyhub.groups]` has all of them.
fn config(size: &Size) -> &'static str {
    let group =
        |n| format!("[vyhub.groups.\"group{n}\"]\non_add = ['sm_group add %steamid64% %group%']\n");
    let groups: String = (0..size.groups).map(group).collect();
    Box::leak((season::CONFIG.to_owned() + &groups).into_boxed_str())
}

/// Players with these numbers come, and those before them leave.
fn come(world: &mut World, numbers: std::ops::Range<u32>) {
    let now_ms = world.out.now.ms;
    for engine in &mut world.out.engines {
        let on: Vec<i64> = engine.present.keys().copied().collect();
        on.into_iter()
            .for_each(|userid| engine.leave(userid, now_ms));
    }
    for n in numbers {
        world.out.engines[n as usize % SERVERS].join(steam(FIRST + n), now_ms);
    }
}

/// A world in which all of them have been, and the last are on.
fn crowd(size: &Size) -> World {
    let workload = Workload {
        engines: SERVERS,
        config: config(size),
        ..COMMUNITY_ALONE
    };
    let mut world = World::new(&workload, 1);
    world.out.api.members.many = size.groups;
    world.out.api.members.multigroup = true;
    world.out.api.fixed_bans = Some(bans(size.bans).into());
    world.run(MINUTE_MS);
    let mut first = 0;
    while first < size.users {
        let next = (first + size.players).min(size.users);
        come(&mut world, first..next);
        world.run(2 * MINUTE_MS);
        first = next;
    }
    let on = size.users - size.players..size.users;
    for n in on {
        let now_s = world.out.now.right_s() + world.out.api.skew_s;
        let user = world.out.api.user(steam(FIRST + n));
        for k in 0..5 {
            let group = Uuid(FIRST_OF_MANY + (u128::from(n) * 5 + k) % size.groups);
            let id = Uuid((2 << 64) + u128::from(n) * 5 + k);
            let of = (user, BUNDLE);
            world.out.api.members.add(id, of, group, now_s, None);
        }
        for _ in 0..size.packets {
            world
                .out
                .api
                .buy(steam(FIRST + n), Packet::Heap, now_s, YEAR_S);
        }
    }
    world.run(10 * MINUTE_MS);
    world
}

/// A minute in which a player comes and leaves, some die, and one buys something.
fn minute(world: &mut World, size: &Size, number: u64) {
    let now_s = world.out.now.right_s() + world.out.api.skew_s;
    let last = size.users - 1 - number as u32 % size.players;
    world
        .out
        .api
        .buy(steam(FIRST + last), Packet::Vip, now_s, YEAR_S);
    let now_ms = world.out.now.ms;
    let place = last as usize % SERVERS;
    let engine = &mut world.out.engines[place];
    let userids: Vec<i64> = engine.present.keys().copied().take(3).collect();
    userids.iter().for_each(|userid| engine.kill(*userid));
    let (first, who) = (userids[0], engine.present[&userids[0]].0);
    world.run(MINUTE_MS / 2);
    let engine = &mut world.out.engines[place];
    engine.leave(first, now_ms);
    engine.join(who, now_ms);
    world.run(MINUTE_MS / 2);
}

fn measure(size: &Size) -> Measured {
    let mut world = crowd(size);
    let before: u64 = world.out.api.requests.values().sum();
    world.run(MINUTES * MINUTE_MS);
    let after: u64 = world.out.api.requests.values().sum();
    let mut measured = Measured {
        minute: Duration::ZERO,
        longest: Duration::ZERO,
        longest_kind: "",
        turns: 0,
        requests: (after - before).div_ceil(MINUTES),
        memory_bytes: 0,
    };
    for number in 0..MINUTES {
        world.out.costs = Some(Costs::default());
        minute(&mut world, size, number);
        let costs = world.out.costs.take().unwrap_or_default();
        measured.minute = measured.minute.max(costs.all);
        measured.turns = measured.turns.max(costs.turns);
        if costs.longest > measured.longest {
            (measured.longest, measured.longest_kind) = (costs.longest, costs.longest_kind);
        }
    }
    // What the core alone holds is what is free without it.
    world.out.api.fixed_bans = None;
    world.out.disk.forget_documents();
    let with_core = IN_USE.load(Ordering::Relaxed);
    drop(world.daemon.take());
    measured.memory_bytes = with_core - IN_USE.load(Ordering::Relaxed);
    measured
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

fn main() {
    if cfg!(debug_assertions) {
        println!("This is no release build: the figures are too high.\n");
    }
    let (small, large) = (measure(&SMALL), measure(&LARGE));
    let rows = [
        (
            "a minute's work of the deciding thread, ms",
            "at most 50",
            ms(small.minute),
            ms(large.minute),
        ),
        (
            "its longest turn, ms",
            "at most 5",
            format!("{} ({})", ms(small.longest), small.longest_kind),
            format!("{} ({})", ms(large.longest), large.longest_kind),
        ),
        (
            "turns in that minute",
            "",
            small.turns.to_string(),
            large.turns.to_string(),
        ),
        (
            "requests to VyHub in a minute in which nothing changes",
            "the same",
            small.requests.to_string(),
            large.requests.to_string(),
        ),
        (
            "memory of the core, MiB",
            "at most 40",
            format!("{:.1}", small.memory_bytes as f64 / 1_048_576.0),
            format!("{:.1}", large.memory_bytes as f64 / 1_048_576.0),
        ),
    ];
    println!("|  | goal | small | large |\n| --- | --- | --- | --- |");
    for (what, goal, small, large) in rows {
        println!("| {what} | {goal} | {small} | {large} |");
    }
}
