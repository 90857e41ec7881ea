//! A game server that is stopped and started beside a vpid that goes on: it gives the same userids
//! again, to any script.

use fake_rcon::{FakeRcon, FakeServer, Player};
use tempfile::TempDir;

use crate::support::daemon::{Daemon, KEY, scriptdata};
use crate::support::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, vpi_with};

const HELLO: &str = r#"
import game

def OnPlayerConnect(player):
    print("connects:", player.name, player.steam)

def OnPlayerActive(player):
    game.tell(player, "Hello, " + player.name + "!")
"#;

struct Story {
    daemon: Daemon,
    console: FakeServer,
    rcon: FakeRcon,
    dir: TempDir,
}

fn story() -> Story {
    let dir = TempDir::new().expect("a folder");
    std::fs::create_dir_all(dir.path().join("scripts")).expect("a folder");
    std::fs::write(dir.path().join("scripts/hello.py"), HELLO).expect("a script");
    let console = FakeServer::new("My Server #1", "cp_first");
    let rcon = console.start("word");
    let server = format!("rcon = \"{}\"\nrcon_password = \"word\"\n", rcon.address());
    let daemon = Daemon::start_signed_beside(dir.path(), &server, "[scripts]\ndir = \"scripts\"\n");
    Story {
        daemon,
        console,
        rcon,
        dir,
    }
}

impl Story {
    /// A run of the game, from its first map on. Each has random numbers of its own: with the same, two
    /// of one second would have the same session.
    #[track_caller]
    fn game(&self, run: u64) -> Game {
        let mut game = Setup::new(&scriptdata(self.dir.path()))
            .hostname("My Server #1")
            .seed(run)
            .script("vpi.nut", &vpi_with(KEY))
            .script("mapspawn.nut", MAPSPAWN)
            .start("cp_first");
        self.until(&mut game, "connected", |game| {
            game.run("test.nut", "return VPI.Status().connected")
                .as_bool()
                == Some(true)
        });
        game
    }

    #[track_caller]
    fn until(&self, game: &mut Game, what: &str, is_so: impl Fn(&mut Game) -> bool) {
        for _ in 0..600 {
            if is_so(game) {
                return game.assert_no_errors();
            }
            game.run_real(0.02);
        }
        let prints = game.record().client_prints();
        panic!(
            "waited in vain: {what}: {prints:#?}\n{:#?}",
            self.daemon.log()
        );
    }

    /// How often `status` was asked for and answered.
    fn looks(&self) -> usize {
        let commands = self.rcon.commands();
        commands.iter().filter(|one| *one == "status").count()
    }

    #[track_caller]
    fn looked_at_since(&self, game: &mut Game, before: usize) {
        self.until(game, "a look at status", |_| self.looks() > before);
    }

    /// A player joins and is greeted.
    #[track_caller]
    fn greets(&self, game: &mut Game, name: &str, id: &str) -> i32 {
        let userid = game.join(name, id);
        let mut known = self.console.players().into_iter();
        if !known.any(|player| player.userid == userid) {
            self.console.join(Player::new(userid, name, id));
        }
        let hello = format!("Hello, {name}!");
        self.until(game, &hello, |game| {
            let mut prints = game.record().client_prints().into_iter();
            prints.any(|(to, _, text)| to == Some(userid) && text.contains(&hello))
        });
        userid
    }
}

#[test]
fn the_same_userids_in_a_new_run_of_the_game_are_known_at_once() {
    let story = story();
    // Ann has been on for minutes, by the console's word.
    story.console.join(Player::new(2, "Ann", "[U:1:7]"));
    let before = story.looks();
    let mut first = story.game(1);
    story.looked_at_since(&mut first, before);
    let ann = story.greets(&mut first, "Ann", "[U:1:7]");
    assert_eq!(ann, 2, "the game's first userid");
    let before = story.looks();
    let bob = story.greets(&mut first, "Bob", "[U:1:8]");
    story.looked_at_since(&mut first, before);
    // It is stopped, without an event for those who leave.
    drop(first);
    story.console.leave(ann);
    story.console.leave(bob);
    let before = story.looks();
    let mut second = story.game(2);
    // The console shows that no player is on.
    story.looked_at_since(&mut second, before);
    let again = story.greets(&mut second, "Ann", "[U:1:7]");
    let eve = story.greets(&mut second, "Eve", "[U:1:9]");
    assert_eq!([again, eve], [ann, bob], "the game gives the same userids");
    let log = story.daemon.log();
    for (name, steam, times) in [("Ann", 7, 2), ("Bob", 8, 1), ("Eve", 9, 1)] {
        let line = format!("connects: {name} {}", 76_561_197_960_265_728_u64 + steam);
        let count = log.iter().filter(|one| one.contains(&line)).count();
        assert_eq!(count, times, "{line}: {log:#?}");
    }
    assert!(
        !log.iter().any(|line| line.contains("PlayerUnknown")),
        "{log:#?}"
    );
}
