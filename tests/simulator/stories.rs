//! What no workload shows: reports that keep their time, and what is reported of games that fall silent.

use serde_json::{Value, json};
use vpid::limits::{SIGNED_WINDOW, SILENCE_CONSOLE_MS, SILENCE_MS};

use crate::community::{Accepted, steam};
use crate::vyhub::Weather;
use crate::workloads::{COMMUNITY_ALONE, GAME_ALONE, STOCK_ALONE, Workload};
use crate::world::World;

/// A world in which nothing happens by itself.
fn world(workload: &Workload) -> World {
    let mut world = World::new(workload, 1);
    world.run(5_000);
    world
}

fn order(world: &mut World, text: &str) {
    let community = world.community.as_ref().expect("a community");
    community.order(text, &mut world.out);
}

#[test]
fn a_server_reports_its_state_every_minute() {
    let mut world = world(&COMMUNITY_ALONE);
    world.run(600_000);
    let states = &world.out.api.states;
    assert!((10..=13).contains(&states.len()), "{states:?}");
    let apart = states.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(apart.skip(1).all(|s| (60..=61).contains(&s)), "{states:?}");
}

#[test]
fn a_vpid_that_knows_nothing_asks_until_vyhub_replies() {
    let mut world = world(&COMMUNITY_ALONE);
    world.out.api.weather = Weather::Away;
    world.out.disk.forget_documents();
    world.crash();
    world.run(600_000);
    order(&mut world, "!ban [U:1:5] permanent early");
    world.run(10_000);
    let accepted = |world: &World| {
        let community = world.community.as_ref().expect("it is on");
        let of = community.accepted.get(&steam(5));
        of.cloned().unwrap_or_default()
    };
    assert!(accepted(&world).is_empty(), "{:?}", accepted(&world));
    world.out.api.weather = Weather::Fair;
    world.run(70_000);
    order(&mut world, "!ban [U:1:5] permanent late");
    world.run(10_000);
    let all = accepted(&world);
    let all: Vec<Accepted> = all.into_iter().map(|(.., one)| one).collect();
    assert_eq!(all, [Accepted::Ban("late".into())]);
}

/// Of a map whose start was not written down yet, when its first calls were claimed already.
#[test]
fn a_map_whose_start_is_found_again_after_a_crash_keeps_the_responses_to_its_calls() {
    for effects in 0..30 {
        let mut world = World::new(&STOCK_ALONE, 1);
        while world.daemon.is_none() {
            world.run(1);
        }
        let daemon = world.daemon.as_mut().expect("it has started");
        daemon.die_after(effects);
        world.run(1_000);
        let died = world.out.book.crashed_ms.is_some();
        assert!(died, "more than {effects} effects would be needed");
        world.play();
    }
}

/// A game on which Ann plays, who was reported just now; with its console, or without.
fn with_ann(engines: usize) -> World {
    let mut world = world(&Workload {
        engines,
        ..GAME_ALONE
    });
    world.signed[0].tell(ann());
    for engine in &mut world.out.engines {
        engine.join(steam(7), 0);
    }
    world.run(1_000);
    world
}

fn ann() -> Value {
    json!({"event": "player_active", "data": {"userid": 2, "name": "Ann", "id": "[U:1:7]"}})
}

/// What the operator is told of a game that is missed.
fn missed(world: &World) -> Option<String> {
    let daemon = world.daemon.as_ref().expect("a daemon");
    let games = daemon.core.games(vpid::core::Now {
        mono_ms: world.out.now.ms,
        wall_s: world.out.now.wall_s(),
    });
    games[0].2["missed"].as_str().map(str::to_string)
}

/// The game writes nothing for so long.
fn silent_for(world: &mut World, ms: u64) -> Option<String> {
    world.run(ms);
    missed(world)
}

#[test]
fn a_map_that_keeps_our_script_out_is_named() {
    let mut world = with_ann(0);
    let data = json!({"map": "cp_first", "next": "mge_own_script"});
    world.signed[0].tell(json!({"event": "map_end", "data": data}));
    assert_eq!(silent_for(&mut world, SILENCE_MS - 1_000), None);
    let said = silent_for(&mut world, 2_000).expect("a sentence");
    assert!(said.contains("map cp_first ended 4"), "{said}");
    let why = "mge_own_script, may bring a mapspawn.nut of its own";
    assert!(said.contains(why), "{said}");
    // The map after that one is served again.
    world.signed[0].map_name = "cp_third".into();
    world.signed[0].begin_map(&mut world.out);
    assert_eq!(silent_for(&mut world, 2_000), None);
}

#[test]
fn a_game_with_players_that_falls_silent_is_missed_and_found_again() {
    let mut world = with_ann(0);
    let players = json!([{"userid": 2, "name": "Ann", "id": "[U:1:7]"}]);
    let heartbeat = json!({"heartbeat": {"map": "cp_first", "players": players}});
    for _ in 0..20 {
        world.signed[0].tell(heartbeat.clone());
        assert_eq!(silent_for(&mut world, 10_000), None);
    }
    let said = silent_for(&mut world, SILENCE_MS + SILENCE_CONSOLE_MS).expect("a sentence");
    assert!(said.contains("on map cp_first, with 1 players"), "{said}");
    world.signed[0].tell(heartbeat);
    assert_eq!(silent_for(&mut world, 1_000), None);
}

#[test]
fn an_empty_server_may_sleep() {
    let mut world = world(&GAME_ALONE);
    assert_eq!(silent_for(&mut world, 10_000_000), None);
}

#[test]
fn a_game_that_writes_and_never_reads_does_not_keep_vpid_awake() {
    let mut world = with_ann(0);
    world.signed[0].is_deaf = true;
    for _ in 1..60 {
        world.signed[0].tell(ann());
        world.run(1_000);
    }
    let timers = |world: &World| world.daemon.as_ref().expect("a daemon").link_timers;
    let before = timers(&world);
    world.run(3_600_000);
    assert_eq!(timers(&world), before);
}

/// Nothing runs in a paused game but its console, and its session goes on where it stopped.
#[test]
fn a_paused_game_is_asked_and_goes_on() {
    let mut world = with_ann(1);
    world.run(SILENCE_MS - 2_000);
    let before = world.out.engines[0].asked_ms.len();
    assert_eq!(
        silent_for(&mut world, 2_000),
        None,
        "the console is asked first"
    );
    assert_eq!(world.out.engines[0].asked_ms.len(), before + 1);
    let said = silent_for(&mut world, SILENCE_CONSOLE_MS).expect("a sentence");
    let why = "console answers: the game is paused, or the scripts have ended";
    assert!(said.contains(why), "{said}");
    world.signed[0].tell(ann());
    assert_eq!(silent_for(&mut world, 1_000), None);
}

#[test]
fn a_game_whose_console_is_silent_too_is_gone() {
    let mut world = with_ann(1);
    world.out.engines[0].hangs = true;
    assert_eq!(silent_for(&mut world, SILENCE_MS), None);
    let said = silent_for(&mut world, SILENCE_CONSOLE_MS).expect("a sentence");
    assert!(said.contains("the server hangs or is gone"), "{said}");
    assert!(!said.contains("paused"), "{said}");
}

/// It died before it could acknowledge what it had taken, and the window of the game is full.
#[test]
fn a_game_goes_on_whose_files_were_taken_by_a_vpid_that_died_on_a_full_disk() {
    let mut world = with_ann(0);
    world.out.disk.full_until_ms = u64::MAX;
    for _ in 0..2 * SIGNED_WINDOW {
        world.signed[0].tell(ann());
        world.run(100);
    }
    assert!(!world.signed[0].has_told_all());
    world.crash();
    world.out.disk.full_until_ms = 0;
    world.run(20_000);
    assert!(world.signed[0].has_told_all());
}
