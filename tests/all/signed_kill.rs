//! `kill -9` in the middle of signed sessions: no call is lost, none runs twice, none of the
//! game's files is asked for in vain.

use std::time::{Duration, Instant};

use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;

use crate::support::{Random, Vpid, insert, wait_until};

/// A game that writes numbered calls and keeps account of their answers.
struct Player {
    game: SignedGame,
    /// Calls that were not answered yet.
    open: Vec<u64>,
}

impl Player {
    /// Writes a file, if the window has room for one.
    fn write_file(&mut self, random: &mut Random, written: &mut i64) {
        if self.game.room() == 0 {
            return;
        }
        let calls: Vec<GameCall> = (0..1 + random.below(6))
            .map(|_| {
                *written += 1;
                insert(*written)
            })
            .collect();
        self.open
            .extend(self.game.send_calls(&calls).expect("a file can be written"));
    }

    fn read(&mut self, patience: Duration) {
        while let Some(message) = self.game.receive(patience).expect("a good file") {
            if let Some(id) = message["answer"].as_u64() {
                let place = self.open.iter().position(|open| *open == id);
                // Twice the same answer harms nobody: a run that was killed had sent it.
                place.map(|place| self.open.swap_remove(place));
            }
        }
    }
}

#[test]
fn each_call_takes_effect_once_and_is_answered() {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    let mut random = Random::new(seed);
    let mut vpid = Vpid::new().signed().with_numbers().started();
    let player = |host| Player {
        game: vpid.signed_game(host),
        open: Vec::new(),
    };
    let mut players = ["red", "blue"].map(player);
    let mut written = 0;
    for _ in 0..25 {
        let end = Instant::now() + Duration::from_micros(random.below(60_000));
        for _ in 0..random.below(12) {
            let player = &mut players[random.below(2) as usize];
            player.write_file(&mut random, &mut written);
            if random.chance(60) {
                player.read(Duration::ZERO);
            }
        }
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        vpid.kill();
        players[0].write_file(&mut random, &mut written);
        vpid.start();
    }
    for player in &mut players {
        wait_until("all calls are answered", || {
            player.read(Duration::from_millis(1));
            if player.game.room() > 0 {
                player.game.send(&[]).expect("an acknowledgement");
            }
            player.open.is_empty()
        });
    }
    wait_until("no file is held", || {
        !vpid
            .signed_files()
            .iter()
            .any(|name| name.ends_with(".taken"))
    });
    assert!(
        vpid.reasons().is_empty(),
        "{:?} (VPID_SEED={seed})",
        vpid.reasons()
    );
    vpid.stop();
    let expected: Vec<i64> = (1..=written).collect();
    assert_eq!(vpid.numbers(), expected, "VPID_SEED={seed}");
    assert!(written > 50);
}
