//! The pure core played from a seed, without a file or a clock: games that forget answers, a
//! database that goes away, notices that come late, and crashes at every step of a turn.
//!
//! A run that fails prints its seed; `VPID_SEED=<seed>` plays just that one again.

mod daemon;
mod game;
mod lane;

use daemon::{Daemon, Disk};
use game::{ANSWERED_WITHIN_MS, Game, Manners};

use vpid::limits;

use crate::support::Random;

const STEP_MS: u64 = 5;
const SEEDS: [u64; 10] = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89];

/// What may go wrong, and how the games behave.
#[derive(Clone, Copy)]
struct Weather {
    hosts: usize,
    manners: Manners,
    /// Of a thousand turns, so many crash.
    crashes: u64,
    /// Of a thousand turns, so many begin an outage of the database, or a full disk.
    outages: u64,
    outage_ms_max: u64,
    notice_ms_max: u64,
    /// For how long the games play.
    play_ms: u64,
}

const CALM: Weather = Weather {
    hosts: 3,
    manners: Manners {
        forgets: true,
        calls_max: 4,
        big_percent: 0,
        time_out_ms: 4_000,
        map_ms_min: 10_000,
    },
    crashes: 0,
    outages: 0,
    outage_ms_max: 0,
    notice_ms_max: 10,
    play_ms: 120_000,
};

const STORM: Weather = Weather {
    hosts: 4,
    manners: Manners {
        forgets: false,
        calls_max: 40,
        big_percent: 3,
        time_out_ms: 60_000,
        map_ms_min: 5_000,
    },
    crashes: 2,
    outages: 1,
    outage_ms_max: 15_000,
    notice_ms_max: 200,
    play_ms: 90_000,
};

/// What a daemon must still know after a crash.
#[derive(Clone, Copy, PartialEq)]
enum Demands {
    /// Which calls ran.
    Effects,
    /// Who waits for an answer, too.
    Callers,
    /// Which map its hosts play, too.
    Maps,
}

struct World {
    seed: u64,
    weather: Weather,
    random: Random,
    disk: Disk,
    daemon: Daemon,
    games: Vec<Game>,
    next_number: i64,
    now_ms: u64,
    /// When the daemon died last.
    crashed_ms: Option<u64>,
    away_until_ms: u64,
    demands: Demands,
}

impl World {
    fn new(seed: u64, weather: Weather, demands: Demands) -> Self {
        let mut disk = Disk::new();
        disk.folder.notice_ms_max = weather.notice_ms_max;
        let games = (0..weather.hosts).map(|n| Game::new(&format!("server{n}"), weather.manners));
        Self {
            seed,
            weather,
            random: Random::new(seed),
            daemon: Daemon::start(&disk, 0, 0),
            disk,
            games: games.collect(),
            next_number: 0,
            now_ms: 0,
            crashed_ms: None,
            away_until_ms: 0,
            demands,
        }
    }

    fn play(mut self) {
        println!("VPID_SEED={}", self.seed);
        while self.now_ms < self.weather.play_ms {
            self.step(false);
        }
        // Calm returns: all that is under way must come to its end.
        let end = self.now_ms + self.weather.outage_ms_max + 60_000;
        while self.now_ms < end {
            self.step(true);
        }
        self.check_the_end();
    }

    fn step(&mut self, quiet: bool) {
        self.now_ms += STEP_MS;
        for game in &mut self.games {
            let (folder, random) = (&mut self.disk.folder, &mut self.random);
            game.play(folder, self.now_ms, quiet, random, &mut self.next_number);
        }
        if !quiet && self.random.below(1_000) < self.weather.outages {
            let length = self.random.below(self.weather.outage_ms_max);
            if self.random.chance(50) {
                self.away_until_ms = self.now_ms + length;
                self.daemon.lane.away_until_ms = self.daemon.mono_ms(self.away_until_ms);
            } else {
                self.daemon.disk_full_until_ms = self.now_ms + length / 4;
            }
        }
        let crash = !quiet && self.random.below(1_000) < self.weather.crashes;
        let went_on = self
            .daemon
            .turn(&mut self.disk, self.now_ms, crash, &mut self.random);
        if !went_on {
            self.crashed_ms = Some(self.now_ms);
            if self.demands != Demands::Maps {
                self.disk.folder.maps.clear();
            }
            self.daemon = Daemon::start(&self.disk, self.now_ms, self.away_until_ms);
        }
        self.check();
    }

    /// What holds at every moment.
    fn check(&self) {
        let seed = self.seed;
        let most = limits::CALLS_RUNNING_MAX + limits::FILE_CALLS_MAX;
        assert!(self.daemon.running() <= most, "VPID_SEED={seed}");
        for (number, times) in &self.disk.database.effects {
            assert_eq!(
                *times, 1,
                "call {number} ran {times} times (VPID_SEED={seed})"
            );
        }
    }

    /// What holds when all has come to rest.
    fn check_the_end(&self) {
        let seed = self.seed;
        assert_eq!(
            self.daemon.running(),
            0,
            "calls are left (VPID_SEED={seed})"
        );
        assert_eq!(
            self.disk.folder.call_files(),
            0,
            "files are left (VPID_SEED={seed})"
        );
        assert!(self.daemon.lane.is_idle(), "VPID_SEED={seed}");
        let mut answered = 0;
        for game in &self.games {
            for number in &game.never {
                let ran = self.disk.database.effects.contains_key(number);
                assert!(
                    !ran,
                    "call {number} failed, and ran later (VPID_SEED={seed})"
                );
            }
            let mut lost = game.unanswered(self.now_ms);
            let demanded = self.demands == Demands::Callers || self.crashed_ms.is_none();
            let lost = lost.next().filter(|_| demanded);
            if let Some(sent) = lost {
                let (host, token, at_ms) = (&game.host, &sent.token, sent.written_ms);
                panic!("{host}: {token} of {at_ms} ms was not answered (VPID_SEED={seed})");
            }
            for sent in &game.sent {
                answered += usize::from(sent.answer.is_some());
                self.check_call(sent);
            }
        }
        assert!(
            answered > 50,
            "only {answered} answers: nothing was tried (VPID_SEED={seed})"
        );
    }

    fn check_call(&self, sent: &game::Sent) {
        let seed = self.seed;
        let token = &sent.token;
        if let Some((_, at_ms)) = sent.answer {
            let took = at_ms - sent.written_ms;
            let crashed_since = self
                .crashed_ms
                .is_some_and(|crashed| crashed >= sent.written_ms);
            let most = ANSWERED_WITHIN_MS + self.weather.outage_ms_max;
            assert!(
                crashed_since || took <= most,
                "{token} took {took} ms (VPID_SEED={seed})"
            );
        }
        let Some(number) = sent.number else { return };
        let ran = self.disk.database.effects.contains_key(&number);
        match &sent.answer {
            Some((answer, _)) if answer == "1" => {
                assert!(ran, "{token} was told to have run (VPID_SEED={seed})");
            }
            // What a dead daemon told it does not know any more.
            Some(_) if self.crashed_ms.is_some() => {}
            Some((answer, _)) => {
                assert!(!ran, "{token} ran in spite of {answer} (VPID_SEED={seed})")
            }
            // Its map ended before its answer: it may have met its deadline.
            None if sent.callback => {}
            None => assert!(ran, "{token} was lost (VPID_SEED={seed})"),
        }
    }
}

fn play_all(weather: Weather, demands: Demands) {
    if std::env::var_os("VPID_SEED").is_some() {
        return World::new(Random::seed(), weather, demands).play();
    }
    let clock = Random::seed();
    for seed in SEEDS.into_iter().chain(clock..clock + 2) {
        World::new(seed, weather, demands).play();
    }
}

#[test]
fn a_forgetful_stock_client_loses_no_answer_in_calm_weather() {
    play_all(CALM, Demands::Callers);
}

#[test]
fn in_a_storm_every_call_takes_effect_once() {
    play_all(STORM, Demands::Effects);
}

const STORM_WITHOUT_CRASHES: Weather = Weather {
    crashes: 0,
    ..STORM
};

#[test]
fn in_a_storm_without_crashes_every_caller_is_answered() {
    play_all(STORM_WITHOUT_CRASHES, Demands::Maps);
}

#[test]
fn in_a_storm_every_caller_is_answered() {
    play_all(STORM, Demands::Callers);
}

#[test]
fn in_a_storm_no_answer_of_an_earlier_map_is_shown() {
    play_all(STORM, Demands::Maps);
}
