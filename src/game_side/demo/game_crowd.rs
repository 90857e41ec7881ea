//! Who plays in the community's game: real scripts report them, receive what VyHub knows, and show
//! them texts. Built with the feature `fake-game` only.

use fake_game::{Game, Setup};
use serde_json::json;

use super::PATIENCE;
use super::community::{ANA, BOB, Community, HOSTNAME, MAP, Person};
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::stage::Stage;
use crate::vscripts;

const SCRIPT: &str = "community.nut";
const TICK_S: f64 = 0.015;

pub struct Crowd {
    game: Game,
}

impl Crowd {
    pub fn start(stage: &mut Stage, _: &Community, screen: &mut Screen<'_>) -> Outcome<Self> {
        let mapspawn = format!("{}\nIncludeScript(\"community\")\n", vscripts::MAPSPAWN);
        let mut game = Setup::new(&stage.scriptdata())
            .hostname(HOSTNAME)
            .script("mapspawn.nut", &mapspawn)
            .script("vpi.nut", &vscripts::vpi_with(&stage.key))
            .script("vpi_config.nut", vscripts::VPI_CONFIG)
            .script(SCRIPT, include_str!("community.nut"))
            .start(MAP);
        let ready = |game: &mut Game| {
            let code = "return \"vyhub_ready\" in ::Community.hooks";
            game.try_run(SCRIPT, code) == Ok(json!(true))
        };
        if !game.run_real_until(PATIENCE.as_secs_f64(), ready) {
            let prints = game.record().prints();
            return Failure::unexpected(format!("the hook vyhub_ready did not come; {prints:?}"));
        }
        screen.step(
            "map start",
            "another game runs the shipped scripts; this one has a VyHub, RCON and the engine's log",
        )?;
        screen.outcome("its scripts have handled the hook vyhub_ready", None)?;
        Ok(Self { game })
    }

    /// Connects and enters; gives the userid.
    pub fn join(&mut self, community: &Community, who: Person) -> Outcome<i32> {
        let userid = self.game.join(who.name, &who.id());
        community.lists(who, userid);
        Ok(userid)
    }

    /// The engine has kicked a player.
    pub fn left(&mut self, _: &Community, _: Person, userid: i32) -> Outcome {
        self.game.leave(userid, "Kicked");
        Ok(())
    }

    /// Lets a moment pass.
    pub fn goes_on(&mut self) {
        self.game.run_real(TICK_S);
    }

    /// Whether a player could read a text.
    pub fn was_shown(&self, _: &Community, userid: i32, wanted: &str) -> bool {
        let prints = self.game.record().client_prints();
        let mut to = prints.iter().filter(|(to, ..)| *to == Some(userid));
        to.any(|(_, _, text)| text.contains(wanted))
    }

    /// Checks what the game scripts received.
    pub fn end(mut self, community: &Community, screen: &mut Screen<'_>) -> Outcome {
        let known = self.game.try_run(SCRIPT, "return ::Community.known");
        let known = known.map_err(Failure::Unexpected)?;
        for who in [ANA, BOB] {
            let user = community.user(who);
            if user.is_none() || known[who.steam64().to_string()].as_str() != user.as_deref() {
                return Failure::unexpected(format!(
                    "{} is {user:?}, and scripts received {known}",
                    who.name
                ));
            }
        }
        screen.step(
            "hooks",
            "vyhub_ply_initialized gave the game's scripts the ids of Ana and Bob in VyHub",
        )?;
        screen.outcome("the ids are right", None)?;
        match self.game.record().errors().first() {
            Some(error) => Failure::unexpected(format!("a game script failed: {error}")),
            None => Ok(()),
        }
    }
}
