//! The game of a signed session, as its link sees it: its map, the functions that it registered, and
//! whether it has fallen silent. Who is on is in the roster of its server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::core::Now;
use crate::core::roster::{Person, Roster};
use crate::limits;
use crate::protocol::game_report::GameReport;

/// What the game scripts have reported since the session began.
#[derive(Debug, Default)]
pub struct Game {
    pub map: String,
    /// Version of the scripts.
    pub script: String,
    /// Functions that may be called, and the scripts that registered them.
    pub functions: BTreeMap<String, String>,
    /// The map has ended; with the name of the next one, where the game knows it.
    ended: Option<String>,
    last_message_ms: u64,
    /// Its silence was noticed.
    silent: bool,
    /// Since when the reply of its console is waited for, which shows whether the game runs.
    requested_ms: Option<u64>,
    /// The warning about its silence, for the log and the operator.
    missed: Option<String>,
    /// Its console replies all the same.
    runs: bool,
}

/// What is known of the console of a game whose scripts are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleState {
    /// It cannot be reached.
    Unknown,
    /// When it replied to `status` last.
    Replied(Option<u64>),
}

/// What follows from silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// There is none, or it was noticed before, or the console's reply is still waited for.
    No,
    /// Request `status`, which shows whether the game runs.
    RequestStatus,
    /// An empty server sleeps, and so does its script.
    Asleep,
    /// See [`Game::missed`].
    Missed,
}

impl Game {
    /// A session began.
    pub fn new(map: String, script: String) -> Self {
        Self {
            map,
            script,
            ..Self::default()
        }
    }

    /// Something came from the game. Gives for how long it was missed, if it was.
    pub fn message_came(&mut self, now: Now) -> Option<u64> {
        let missed_ms = now.mono_ms.saturating_sub(self.last_message_ms);
        self.last_message_ms = now.mono_ms;
        self.silent = false;
        self.requested_ms = None;
        self.runs = false;
        self.missed.take().map(|_| missed_ms)
    }

    pub fn missed(&self) -> Option<&str> {
        self.missed.as_deref()
    }

    /// Whether it is missed, and its console does not reply either.
    pub fn is_gone(&self) -> bool {
        self.missed.is_some() && !self.runs
    }

    /// When silence is to be noticed; `None`: it was.
    pub fn silence_due_ms(&self) -> Option<u64> {
        let due_ms = match self.requested_ms {
            Some(requested_ms) => requested_ms + limits::SILENCE_CONSOLE_MS,
            None => self.last_message_ms + limits::SILENCE_MS,
        };
        (!self.silent).then_some(due_ms)
    }

    /// Notices a silence that is due, once, with so many players. A paused game calls no script, so
    /// silence is no end: its session goes on where it stopped. So the console shows first whether the
    /// game runs.
    pub fn silence(&mut self, players: usize, console: ConsoleState, now: Now) -> Silence {
        if self.silence_due_ms().is_none_or(|due| due > now.mono_ms) {
            return Silence::No;
        }
        let is_alone = self.ended.is_none() && players == 0;
        if let (ConsoleState::Replied(_), None, false) = (console, self.requested_ms, is_alone) {
            self.requested_ms = Some(now.mono_ms);
            return Silence::RequestStatus;
        }
        self.silent = true;
        self.runs = match (console, self.requested_ms) {
            (ConsoleState::Replied(Some(at_ms)), Some(requested_ms)) => at_ms >= requested_ms,
            _ => false,
        };
        let seconds = now.mono_ms.saturating_sub(self.last_message_ms) / 1000;
        // A console that was reachable would have replied.
        let paused = match self.requested_ms {
            None => "the game is paused, or ",
            Some(_) => "",
        };
        let map = &self.map;
        self.missed = match &self.ended {
            Some(next) => Some(self.no_next_map(next, seconds)),
            None if players == 0 => None,
            None if self.runs => Some(format!(
                "the scripts on map {map} have sent nothing for {seconds} s, with {players} players, \
                 while the game's console answers: the game is paused, or the scripts have ended"
            )),
            None => Some(format!(
                "no message has come for {seconds} s on map {map}, with {players} players: {paused}the \
                 server hangs or is gone, or its script has ended"
            )),
        };
        match self.missed {
            Some(_) => Silence::Missed,
            None => Silence::Asleep,
        }
    }

    fn no_next_map(&self, next: &str, seconds: u64) -> String {
        let which = match next {
            "" => "the map after it".to_string(),
            next => format!("the next map, {next},"),
        };
        let or = match self.runs {
            true => "",
            false => "; or the server was stopped",
        };
        format!(
            "map {} ended {seconds} s ago and no message has come since: {which} may bring \
             a mapspawn.nut of its own, which keeps vpi.nut out (`vpid check` looks for one, also \
             in tf/custom){or}",
            self.map
        )
    }

    /// What of a report is about the session itself.
    pub fn reported(&mut self, report: &GameReport) {
        match report {
            GameReport::MapStarted { map, .. } => self.map.clone_from(map),
            GameReport::MapEnded { next, .. } => self.ended = Some(next.clone()),
            GameReport::Heartbeat { map: Some(map), .. } => self.map.clone_from(map),
            _ => {}
        }
    }

    pub fn register(&mut self, name: String, script: String) {
        if self.functions.len() < limits::GAME_FUNCTIONS_MAX {
            self.functions.insert(name, script);
        }
    }

    /// For an operator, with who is on.
    pub fn describe(&self, roster: &Roster, now: Now) -> Value {
        let player = |person: &Person| {
            let id = match person.steam {
                Some(steam) => steam.steam3(),
                None if person.bot => "BOT".to_owned(),
                None => String::new(),
            };
            json!({
                "userid": person.userid,
                "name": person.name,
                "id": id,
                "bot": person.bot,
                "team": person.team,
                "score": person.score,
                "ping": person.ping,
                "seconds": person.connected_s(now),
            })
        };
        json!({
            "map": self.map,
            "script": self.script,
            "max_players": roster.max_players(),
            "players": roster.people().map(player).collect::<Vec<_>>(),
            "functions": self.functions,
            "missed": self.missed,
            "heard_s_ago": now.mono_ms.saturating_sub(self.last_message_ms) / 1000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_s: 0 }
    }

    fn game() -> Game {
        let mut game = Game::new("cp_a".into(), "0.1.0".into());
        game.message_came(at(1_000));
        game
    }

    #[test]
    fn silence_is_reported_once_with_the_map() {
        let mut game = game();
        assert_eq!(
            game.silence(1, ConsoleState::Unknown, at(2_000)),
            Silence::No
        );
        let late = at(1_000 + limits::SILENCE_MS);
        assert_eq!(
            game.silence(1, ConsoleState::Unknown, late),
            Silence::Missed
        );
        assert!(
            game.missed()
                .unwrap()
                .contains("on map cp_a, with 1 players: the game is paused, or")
        );
        let later = at(late.mono_ms + 60_000);
        assert_eq!(game.silence(1, ConsoleState::Unknown, later), Silence::No);
        assert_eq!(
            game.message_came(at(late.mono_ms + 60_000)),
            Some(limits::SILENCE_MS + 60_000)
        );
        game.reported(&GameReport::MapEnded {
            map: "cp_a".into(),
            next: "cp_own".into(),
        });
        game.message_came(at(200_000));
        let late = at(200_000 + limits::SILENCE_MS);
        assert_eq!(
            game.silence(1, ConsoleState::Unknown, late),
            Silence::Missed
        );
        let said = game.missed().unwrap();
        assert!(
            said.contains("the next map, cp_own, may bring a mapspawn.nut"),
            "{said}"
        );
    }

    #[test]
    fn an_empty_server_may_sleep() {
        let mut game = game();
        let late = at(500_000);
        assert_eq!(
            game.silence(0, ConsoleState::Unknown, late),
            Silence::Asleep
        );
    }

    #[test]
    fn a_game_whose_console_answers_is_paused_and_not_gone() {
        for (answered_ms, is_gone) in [(1_000 + limits::SILENCE_MS + 20, false), (900, true)] {
            let mut game = game();
            let before = ConsoleState::Replied(Some(900));
            let due = at(1_000 + limits::SILENCE_MS);
            assert_eq!(game.silence(1, before, due), Silence::RequestStatus);
            assert_eq!(game.silence(1, before, at(due.mono_ms + 1)), Silence::No);
            let due = at(game.silence_due_ms().unwrap());
            let console = ConsoleState::Replied(Some(answered_ms));
            assert_eq!(game.silence(1, console, due), Silence::Missed);
            assert_eq!(game.is_gone(), is_gone);
            let said = game.missed().unwrap();
            assert_eq!(said.contains("is paused"), !is_gone, "{said}");
            // It goes on, and falls silent again.
            assert!(game.message_came(at(200_000)).is_some() && !game.is_gone());
            let due = at(200_000 + limits::SILENCE_MS);
            assert_eq!(game.silence(1, before, due), Silence::RequestStatus);
        }
    }
}
