//! The registry: workloads, and the seeds that are played of each.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use crate::python::Faults;
use crate::random::Random;
use crate::vyhub::Weather;
use crate::world::World;
use crate::{community, season, signed, stock};

/// What goes wrong, or is done by an operator. Durations are the longest, in milliseconds.
#[derive(Clone, Copy)]
pub enum Fault {
    /// vpid dies: at once, or before one of its next effects.
    Crash,
    /// vpid dies when the next change of the outbox is on disk.
    CrashAtChange,
    DatabaseAway(u64),
    /// It takes calls, and does nothing with them.
    DatabaseHangs(u64),
    DiskFull(u64),
    RconAway(u64),
    /// Replies of a console get lost, or the commands before them.
    RconRough(u64),
    /// Another program writes over a file of a signed game; over those of vpid, too.
    Spoil {
        ours: bool,
    },
    /// Another program writes a file that a game wrote before.
    Copy,
    /// The wall clock is set forwards, or backwards too.
    ClockJump {
        back: bool,
    },
    /// A Python script is reloaded.
    Reload,
    /// A push to a signed game.
    Push,
    /// The way to VyHub's API is as one of these, from now on.
    Weather(&'static [Weather]),
    /// The API forgets a user.
    UserForgotten,
}

/// What is switched on.
#[derive(Clone)]
pub struct Workload {
    pub play_ms: u64,
    /// Seeds 1 to this one are played.
    pub seeds: u64,
    /// Stock hosts, all of one server.
    pub stock: Option<(usize, stock::Manners)>,
    /// Signed games, each of a server of its own, which it shares with an engine.
    pub signed: Option<(usize, signed::Manners)>,
    /// Servers with a console.
    pub engines: usize,
    /// VyHub, and the players of all engines.
    pub community: Option<community::Manners>,
    /// A database in the place of VyHub.
    pub is_local: bool,
    /// More players, who come in the evenings, and what they buy.
    pub season: Option<season::Manners>,
    /// More tables of the configuration.
    pub config: &'static str,
    /// Python scripts `a` and `b`.
    pub python: Option<Faults>,
    /// How late a file may be noticed.
    pub notice_ms_max: u64,
    /// Each with the time between two, on average.
    pub faults: &'static [(Fault, u64)],
    /// Fewer responses mean that nothing was tried.
    pub responses_min: usize,
}

impl Workload {
    pub fn signing_servers(&self) -> usize {
        self.signed.map_or(0, |(games, _)| games).max(self.engines)
    }

    pub fn has(&self, is_it: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(|(fault, _)| is_it(fault))
    }

    /// For how long a disk is full, at most.
    pub fn full_ms_max(&self) -> u64 {
        let full = |(fault, _): &(Fault, u64)| match fault {
            Fault::DiskFull(ms_max) => *ms_max,
            _ => 0,
        };
        self.faults.iter().map(full).max().unwrap_or(0)
    }

    /// For how long the database is away, or a disk full, at most.
    pub fn outage_ms_max(&self) -> u64 {
        let outage = |(fault, _): &(Fault, u64)| match fault {
            Fault::DatabaseAway(ms_max)
            | Fault::DatabaseHangs(ms_max)
            | Fault::DiskFull(ms_max) => *ms_max,
            _ => 0,
        };
        self.faults.iter().map(outage).max().unwrap_or(0)
    }
}

/// Seeds that once failed, with their workloads, and what broke.
const FAILED: &[(&str, u64, &str)] = &[
    (
        "stock_hosts_on_one_map_in_crashes",
        1796053445747803813,
        "a start took calls of the run before ahead of their map's start, which then dropped their responses",
    ),
    (
        "stock_hosts_on_one_map_in_crashes",
        4880130200843966511,
        "no vpid lived for long enough to come to a response before its caller gave up",
    ),
    (
        "stock_hosts_in_calm",
        31,
        "a game began a map in the tick of the file system's clock in which it had called for the one before",
    ),
    (
        "stock_hosts_in_outages",
        44,
        "a chain waited for its database for longer than the game did for its response",
    ),
    (
        "seasons",
        6,
        "while an old record was renewed, its server had no bundle: no bans, and no playtime",
    ),
    (
        "seasons",
        223,
        "by `status`, all were connected for one minute: playtime after gaps around midnight was not counted",
    ),
    (
        "seasons",
        287,
        "a player left in the moment in which playtime was counted, and what came after the last sign was dropped",
    ),
    (
        "seasons",
        344,
        "a row of `status` between two counts settled nothing when another sign had followed it, so a crash lost more",
    ),
    (
        "seasons",
        734,
        "`status` broke off and was requested again a minute later, while a banned player was waiting to be confirmed",
    ),
    (
        "signed_hosts_whose_files_are_spoiled",
        1001,
        "a game whose window was full could not request a file again that acknowledged everything",
    ),
    (
        "a_community_in_a_database_for_eight_weeks",
        1006,
        "after the clock was set back and a crash, changes had ids of others, which the database had made already",
    ),
    (
        "everything_at_once",
        5468019657200880730,
        "the end came while the playtime of an hour was on its way",
    ),
];

const NOTHING: Workload = Workload {
    play_ms: 120_000,
    seeds: 10,
    stock: None,
    signed: None,
    engines: 0,
    community: None,
    is_local: false,
    season: None,
    config: "",
    python: None,
    notice_ms_max: 40,
    faults: &[],
    responses_min: 0,
};

const FORGETFUL: stock::Manners = stock::Manners {
    forgets: true,
    calls_max: 4,
    pause_ms: 3_000,
    big_percent: 0,
    python_percent: 0,
    chains: true,
    time_out_ms: 4_000,
    map_ms_min: 10_000,
};

/// One that never gives up: a response must come, be it after all outages and crashes.
const CAREFUL: stock::Manners = stock::Manners {
    forgets: false,
    calls_max: 40,
    big_percent: 3,
    time_out_ms: 10 * MINUTE_MS,
    map_ms_min: 5_000,
    ..FORGETFUL
};

/// Stock hosts that call Python scripts, on one map.
const PYTHON_CALLER: stock::Manners = stock::Manners {
    calls_max: 6,
    pause_ms: 200,
    python_percent: 100,
    chains: false,
    map_ms_min: 10_000_000,
    ..CAREFUL
};

const SIGNING: signed::Manners = signed::Manners {
    call_ms: 250,
    python_percent: 0,
    map_ms_min: 10_000,
    look_ms: signed::LOOK_MS,
    idle_look_ms: signed::IDLE_LOOK_MS,
};

const BAD_PYTHON: Faults = Faults {
    crashes: 15,
    hangs: 10,
    fails_to_load: 5,
};

const PLAYERS: community::Manners = community::Manners {
    players: 12,
    pause_ms: 10_000,
    regrets_percent: 0,
    bans_only: false,
};

const ANY_WEATHER: &[Weather] = &[
    Weather::Fair,
    Weather::Mute,
    Weather::Refused,
    Weather::Busy,
    Weather::Rough,
    Weather::Away,
];

const DAY_MS: u64 = 86_400_000;

const EVERYTHING: Workload = Workload {
    play_ms: 180_000,
    seeds: 10,
    stock: Some((
        3,
        stock::Manners {
            python_percent: 20,
            calls_max: 10,
            ..CAREFUL
        },
    )),
    signed: Some((
        2,
        signed::Manners {
            python_percent: 20,
            map_ms_min: 40_000,
            ..SIGNING
        },
    )),
    engines: 2,
    community: Some(PLAYERS),
    is_local: false,
    season: None,
    config: "",
    python: Some(BAD_PYTHON),
    notice_ms_max: 100,
    faults: &[
        (Fault::Crash, 5_000),
        (Fault::DatabaseAway(15_000), 20_000),
        (Fault::DatabaseHangs(15_000), 30_000),
        (Fault::Copy, 2_000),
        (Fault::DiskFull(3_000), 20_000),
        (Fault::RconAway(20_000), 60_000),
        (Fault::Spoil { ours: false }, 5_000),
        (Fault::ClockJump { back: true }, 30_000),
        (Fault::Reload, 10_000),
        (Fault::Push, 2_000),
        (Fault::Weather(ANY_WEATHER), 30_000),
    ],
    responses_min: 100,
};

const MINUTE_MS: u64 = 60_000;

/// Eight weeks of a community. Faults come while its machine is on.
const SEASON: Workload = Workload {
    engines: 3,
    // One of its servers has our game scripts.
    signed: Some((
        1,
        signed::Manners {
            call_ms: 0,
            map_ms_min: u64::MAX / 4,
            look_ms: 1_000,
            idle_look_ms: 5_000,
            ..SIGNING
        },
    )),
    community: Some(community::Manners {
        pause_ms: 4 * 3_600_000,
        regrets_percent: 50,
        ..PLAYERS
    }),
    season: Some(season::Manners {
        players: 200,
        evening_percent: 25,
        pause_ms: 10_000,
    }),
    config: season::CONFIG,
    play_ms: 56 * DAY_MS,
    seeds: 4,
    faults: &[
        (Fault::Weather(ANY_WEATHER), 60 * MINUTE_MS),
        (Fault::Weather(&[Weather::Rough]), 60 * MINUTE_MS),
        (Fault::Crash, 30 * MINUTE_MS),
        (Fault::CrashAtChange, 60 * MINUTE_MS),
        (Fault::DiskFull(10 * MINUTE_MS), 120 * MINUTE_MS),
        (Fault::RconAway(10 * MINUTE_MS), 120 * MINUTE_MS),
        (Fault::RconRough(10 * MINUTE_MS), 120 * MINUTE_MS),
        (Fault::ClockJump { back: true }, 240 * MINUTE_MS),
    ],
    ..NOTHING
};

/// For stories: nothing happens by itself.
pub const COMMUNITY_ALONE: Workload = Workload {
    engines: 1,
    community: Some(community::Manners {
        pause_ms: u64::MAX / 4,
        ..PLAYERS
    }),
    ..NOTHING
};

pub const STOCK_ALONE: Workload = Workload {
    stock: Some((
        1,
        stock::Manners {
            map_ms_min: 10_000_000,
            ..CAREFUL
        },
    )),
    play_ms: 5_000,
    responses_min: 1,
    ..NOTHING
};

pub const GAME_ALONE: Workload = Workload {
    signed: Some((
        1,
        signed::Manners {
            call_ms: 0,
            map_ms_min: u64::MAX / 4,
            ..SIGNING
        },
    )),
    ..NOTHING
};

macro_rules! workloads {
    ($($name:ident: $workload:expr,)*) => {
        $(
        #[test]
        fn $name() {
            play(stringify!($name), &$workload);
        }
        )*
    };
}

workloads! {
    stock_hosts_in_calm: Workload {
        stock: Some((3, FORGETFUL)),
        notice_ms_max: 10,
        responses_min: 50,
        ..NOTHING
    },
    stock_hosts_in_outages: Workload {
        stock: Some((4, CAREFUL)),
        notice_ms_max: 200,
        play_ms: 90_000,
        faults: &[(Fault::DatabaseAway(15_000), 10_000),
            (Fault::DatabaseHangs(60_000), 30_000),
            (Fault::Copy, 2_000), (Fault::DiskFull(4_000), 10_000)],
        responses_min: 50,
        ..NOTHING
    },
    stock_hosts_in_crashes: Workload {
        stock: Some((4, CAREFUL)),
        notice_ms_max: 200,
        play_ms: 90_000,
        faults: &[
            (Fault::Crash, 2_500),
            (Fault::DatabaseAway(15_000), 10_000),
            (Fault::DatabaseHangs(15_000), 20_000),
            (Fault::Copy, 2_000),
            (Fault::DiskFull(4_000), 10_000),
        ],
        responses_min: 50,
        ..NOTHING
    },
    stock_hosts_on_one_map_in_crashes: Workload {
        stock: Some((4, stock::Manners { map_ms_min: 10_000_000, ..CAREFUL })),
        play_ms: 90_000,
        seeds: 5,
        faults: &[
            (Fault::Crash, 2_500),
            (Fault::DiskFull(4_000), 10_000),
            (Fault::Copy, 1_000),
        ],
        responses_min: 50,
        ..NOTHING
    },
    stock_hosts_whose_clock_goes_ahead: Workload {
        stock: Some((3, CAREFUL)),
        faults: &[(Fault::Crash, 20_000), (Fault::ClockJump { back: false }, 10_000)],
        responses_min: 50,
        ..NOTHING
    },
    stock_hosts_whose_clock_is_set_back: Workload {
        stock: Some((3, CAREFUL)),
        faults: &[(Fault::Crash, 20_000), (Fault::ClockJump { back: true }, 10_000)],
        responses_min: 50,
        ..NOTHING
    },
    signed_hosts_in_calm: Workload {
        signed: Some((2, SIGNING)),
        faults: &[(Fault::Push, 1_500)],
        responses_min: 100,
        ..NOTHING
    },
    signed_hosts_in_crashes: Workload {
        signed: Some((2, SIGNING)),
        faults: &[(Fault::Push, 1_500), (Fault::Crash, 750)],
        responses_min: 100,
        ..NOTHING
    },
    signed_hosts_on_a_full_disk: Workload {
        signed: Some((2, SIGNING)),
        faults: &[(Fault::Push, 1_500), (Fault::DiskFull(3_000), 3_750)],
        responses_min: 100,
        ..NOTHING
    },
    signed_hosts_whose_files_are_spoiled: Workload {
        signed: Some((2, signed::Manners { map_ms_min: 200_000, ..SIGNING })),
        faults: &[(Fault::Push, 1_500), (Fault::Spoil { ours: true }, 3_000)],
        responses_min: 100,
        ..NOTHING
    },
    signed_hosts_in_all_of_it: Workload {
        signed: Some((2, signed::Manners { map_ms_min: 60_000, ..SIGNING })),
        faults: &[
            (Fault::Push, 1_500),
            (Fault::Crash, 1_500),
            (Fault::DiskFull(3_000), 7_500),
            (Fault::Spoil { ours: false }, 3_000),
            (Fault::Copy, 1_000),
            (Fault::ClockJump { back: true }, 15_000),
        ],
        responses_min: 100,
        ..NOTHING
    },
    python_scripts_that_are_reloaded: Workload {
        stock: Some((1, PYTHON_CALLER)),
        python: Some(Faults::NONE),
        faults: &[(Fault::Reload, 4_000)],
        responses_min: 500,
        ..NOTHING
    },
    python_scripts_beside_crashes_of_vpid: Workload {
        stock: Some((1, PYTHON_CALLER)),
        python: Some(Faults::NONE),
        faults: &[(Fault::Reload, 4_000), (Fault::Crash, 3_000)],
        responses_min: 300,
        ..NOTHING
    },
    python_scripts_that_crash: Workload {
        stock: Some((1, PYTHON_CALLER)),
        python: Some(BAD_PYTHON),
        faults: &[(Fault::Reload, 4_000), (Fault::Crash, 4_000), (Fault::ClockJump { back: false }, 30_000)],
        responses_min: 300,
        ..NOTHING
    },
    a_community_in_rough_weather: Workload {
        engines: 1,
        community: Some(PLAYERS),
        play_ms: 800_000,
        seeds: 30,
        faults: &[
            (Fault::Weather(&[Weather::Rough]), 60_000),
            (Fault::Crash, 140_000),
            (Fault::DiskFull(100_000), 140_000),
            (Fault::RconAway(100_000), 140_000),
        ],
        ..NOTHING
    },
    a_community_in_weeks_of_outages: Workload {
        engines: 3,
        community: Some(community::Manners { pause_ms: 3_600_000, regrets_percent: 50, ..PLAYERS }),
        play_ms: 7 * DAY_MS,
        seeds: 3,
        faults: &[
            (Fault::Weather(ANY_WEATHER), DAY_MS),
            (Fault::UserForgotten, 10 * DAY_MS),
            (Fault::Crash, DAY_MS),
            (Fault::DiskFull(DAY_MS / 2), DAY_MS),
            (Fault::RconAway(DAY_MS / 2), DAY_MS),
            (Fault::ClockJump { back: true }, DAY_MS),
        ],
        ..NOTHING
    },
    a_community_in_a_database_in_rough_weather: Workload {
        engines: 2,
        community: Some(PLAYERS),
        is_local: true,
        play_ms: 800_000,
        seeds: 30,
        faults: &[
            (Fault::Weather(ANY_WEATHER), 60_000),
            (Fault::Weather(&[Weather::Rough]), 60_000),
            (Fault::Crash, 100_000),
            (Fault::CrashAtChange, 100_000),
            (Fault::DiskFull(100_000), 200_000),
            (Fault::RconAway(100_000), 200_000),
        ],
        ..NOTHING
    },
    a_community_in_a_database_while_clocks_jump: Workload {
        engines: 1,
        community: Some(PLAYERS),
        is_local: true,
        play_ms: 800_000,
        seeds: 20,
        faults: &[
            (Fault::Weather(&[Weather::Rough, Weather::Mute, Weather::Fair]), 60_000),
            (Fault::Crash, 60_000),
            (Fault::ClockJump { back: false }, 100_000),
            (Fault::UserForgotten, 100_000),
        ],
        ..NOTHING
    },
    a_community_whose_vpid_dies_at_any_moment_of_a_ban: Workload {
        engines: 1,
        community: Some(community::Manners { players: 6, pause_ms: 1_500, bans_only: true, ..PLAYERS }),
        play_ms: 15_000,
        seeds: 80,
        faults: &[
            (Fault::Weather(&[Weather::Fair, Weather::Mute, Weather::Rough]), 5_000),
            (Fault::Crash, 1_500),
        ],
        ..NOTHING
    },
    everything_at_once: EVERYTHING,
    seasons: SEASON,
    a_community_in_a_database_for_eight_weeks: Workload {
        is_local: true,
        seeds: 8,
        ..SEASON
    },
}

/// Seeds as `VPID_SEEDS` says: from the first to this one, or from one to another, as `201-1000`.
fn chosen_seeds(text: &str) -> RangeInclusive<u64> {
    let seed = |text: &str| {
        text.parse()
            .expect("VPID_SEEDS is a number, or two with - between")
    };
    match text.split_once('-') {
        Some((first, last)) => seed(first)..=seed(last),
        None => 1..=seed(text),
    }
}

/// Plays a workload from each of its seeds, those that once failed, and one from the clock; or with `VPID_SEEDS` from
/// those, which are the same each time; or from `VPID_SEED` alone. Each core plays one at a time.
fn play(name: &str, workload: &Workload) {
    let failed = FAILED.iter().filter(|(of, ..)| *of == name);
    let chosen = std::env::var("VPID_SEEDS").ok();
    let range = chosen.as_deref().map_or(1..=workload.seeds, chosen_seeds);
    let mut seeds: Vec<u64> = range.collect();
    seeds.extend(failed.map(|(_, seed, _)| *seed));
    if chosen.is_none() {
        seeds.push(Random::seed());
    }
    if std::env::var_os("VPID_SEED").is_some() {
        seeds = vec![Random::seed()];
    }
    let count = seeds.len();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let queue = Mutex::new(seeds.into_iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(seed) = next_of(&queue) {
                    if let Err(at_ms) = play_seed(workload, seed) {
                        lock(&failures).push((seed, at_ms));
                        // No core begins another one.
                        lock(&queue).by_ref().for_each(drop);
                    }
                }
            });
        }
    });
    if let Some((seed, at_ms)) = lock(&failures).first() {
        panic!(
            "workload {name}, seed {seed}, at {at_ms} ms: play it again with \
             VPID_SEED={seed} cargo test --profile simulator --test simulator {name}"
        );
    }
    println!("{name}: {count} seeds were played");
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("no panic while it is held")
}

fn next_of(queue: &Mutex<impl Iterator<Item = u64>>) -> Option<u64> {
    lock(queue).next()
}

/// If it fails, when in the world's time.
fn play_seed(workload: &Workload, seed: u64) -> Result<(), u64> {
    let mut world = World::new(workload, seed);
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    played.map_err(|_| world.out.now.ms)
}

#[test]
fn a_seed_plays_the_same_history_again() {
    let workload = Workload {
        play_ms: 40_000,
        ..EVERYTHING
    };
    let play = || {
        let mut world = World::new(&workload, 7);
        world.out.history = Some(0);
        world.play();
        world.out.history
    };
    assert_eq!(play(), play());
}
