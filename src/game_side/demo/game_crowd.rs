//! Who plays in the community's game: real scripts tell of them, hear what VyHub knows, and show
//! them texts. Built with the feature `fake-game` only.

use fake_game::{Game, Setup};
use serde_json::json;

use super::community::{ANA, BOB, Community, HOSTNAME, MAP, Person};
use super::screen::Screen;
use super::stage::Stage;
use crate::vscripts;

const SCRIPT: &str = "community.nut";
const TICK_S: f64 = 0.015;
/// Nothing in the demo takes as long on a machine that works.
const PATIENCE_S: f64 = 30.0;

pub struct Crowd {
    game: Game,
}

impl Crowd {
    pub fn start(
        stage: &mut Stage,
        _: &Community,
        screen: &mut Screen<'_>,
    ) -> Result<Self, String> {
        let mapspawn = format!("{}\nIncludeScript(\"community\")\n", vscripts::MAPSPAWN);
        let mut game = Setup::new(&stage.scriptdata())
            .hostname(HOSTNAME)
            .script("mapspawn.nut", &mapspawn)
            .script("vpi.nut", &vscripts::vpi_with(&stage.key))
            .script("vpi_config.nut", vscripts::VPI_CONFIG)
            .script(SCRIPT, include_str!("community.nut"))
            .start(MAP);
        let ready = |game: &mut Game| {
            let code = "return \"vyhub_ready\" in ::Community.heard";
            game.try_run(SCRIPT, code) == Ok(json!(true))
        };
        if !game.run_real_until(PATIENCE_S, ready) {
            let prints = game.record().prints();
            return Err(format!("the hook vyhub_ready did not come; {prints:?}"));
        }
        screen.step(
            "map start",
            "another game runs the shipped scripts; this one has a VyHub, RCON and the engine's log",
        )?;
        screen.outcome("its scripts have heard the hook vyhub_ready", None)?;
        Ok(Self { game })
    }

    /// Connects and enters; gives the userid.
    pub fn join(&mut self, community: &Community, who: Person) -> Result<i32, String> {
        let userid = self.game.join(who.name, &who.id());
        community.lists(who, userid);
        Ok(userid)
    }

    /// The engine has thrown somebody out.
    pub fn left(&mut self, _: &Community, _: Person, userid: i32) -> Result<(), String> {
        self.game.leave(userid, "Kicked");
        Ok(())
    }

    /// Lets a moment pass.
    pub fn goes_on(&mut self) {
        self.game.run_real(TICK_S);
    }

    /// Whether somebody could read a text.
    pub fn was_told(&self, _: &Community, userid: i32, wanted: &str) -> bool {
        let prints = self.game.record().client_prints();
        let mut to = prints.iter().filter(|(to, ..)| *to == Some(userid));
        to.any(|(_, _, text)| text.contains(wanted))
    }

    /// What scripts heard on the way.
    pub fn end(mut self, community: &Community, screen: &mut Screen<'_>) -> Result<(), String> {
        let known = self.game.try_run(SCRIPT, "return ::Community.known")?;
        for who in [ANA, BOB] {
            let user = community.user(who);
            if user.is_none() || known[who.steam64().to_string()].as_str() != user.as_deref() {
                return Err(format!(
                    "{} is {user:?}, and scripts heard {known}",
                    who.name
                ));
            }
        }
        screen.step(
            "hooks",
            "vyhub_ply_initialized told the game's scripts who Ana and Bob are in VyHub",
        )?;
        screen.outcome("the ids are right", None)?;
        match self.game.record().errors().first() {
            Some(error) => Err(format!("a script failed: {error}")),
            None => Ok(()),
        }
    }
}
