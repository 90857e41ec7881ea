//! Who plays in the community's game, without an interpreter: the engine's log and the console
//! report them, and texts to them are written by the console.

use std::thread;
use std::time::Duration;

use super::community::{Community, Person};
use super::failure::Outcome;
use super::screen::Screen;
use super::stage::Stage;

#[derive(Default)]
pub struct Crowd {
    last_userid: i32,
}

impl Crowd {
    pub fn start(_: &mut Stage, _: &Community, _: &mut Screen<'_>) -> Outcome<Self> {
        Ok(Self { last_userid: 1 })
    }

    /// Connects and enters; gives the userid.
    pub fn join(&mut self, community: &Community, who: Person) -> Outcome<i32> {
        self.last_userid += 1;
        let userid = self.last_userid;
        community.lists(who, userid);
        let named = |team: &str| format!("\"{}<{userid}><{}><{team}>\"", who.name, who.id());
        let connected = format!("{} connected, address \"192.0.2.1:27005\"", named(""));
        community.log(&connected)?;
        community.log(&format!("{} STEAM USERID validated", named("")))?;
        community.log(&format!("{} entered the game", named("")))?;
        Ok(userid)
    }

    /// The engine has kicked a player.
    pub fn left(&mut self, community: &Community, who: Person, userid: i32) -> Outcome {
        let named = format!("\"{}<{userid}><{}><Red>\"", who.name, who.id());
        community.log(&format!("{named} disconnected (reason \"Kicked\")"))
    }

    /// Lets a moment pass.
    pub fn goes_on(&mut self) {
        thread::sleep(Duration::from_micros(500));
    }

    /// Whether a player could read a text.
    pub fn was_shown(&self, community: &Community, userid: i32, wanted: &str) -> bool {
        let shown = community.console.shown();
        let of = shown
            .iter()
            .filter(|it| it.to.is_none_or(|to| to == userid));
        of.into_iter().any(|it| it.text.contains(wanted))
    }

    pub fn end(self, _: &Community, _: &mut Screen<'_>) -> Outcome {
        Ok(())
    }
}
