//! Who is on which server, as the game's script tells it: by events, and every ten seconds whole.
//!
//! Everything here is a claim of whoever writes the script's events; what acts on it must know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Now;
use crate::limits;

/// A player as far as the game has told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Player {
    pub name: String,
    /// `[U:1:N]` or `BOT`; empty until it is known.
    pub id: String,
    pub bot: bool,
    /// The engine's number.
    pub team: i64,
    pub score: i64,
    /// Milliseconds.
    pub ping: i64,
    pub alive: bool,
    /// When the player was seen first on this map, on the daemon's clock.
    pub since_ms: u64,
}

/// What the script of a game has told since its session began.
#[derive(Debug, Default)]
pub struct Game {
    pub map: String,
    /// Version of the scripts.
    pub script: String,
    pub max_players: i64,
    /// By userid.
    pub players: BTreeMap<i64, Player>,
    /// Functions that may be called, and the scripts that registered them.
    pub functions: BTreeMap<String, String>,
    /// The map has ended; with the name of the next one, where the game knows it.
    pub ended: Option<String>,
    heard_ms: u64,
    /// Its silence was noticed.
    silent: bool,
    /// Since when the answer of its console is waited for, which shows whether the game runs.
    asked_ms: Option<u64>,
    /// What the operator was told of it.
    missed: Option<String>,
    /// Its console answers all the same.
    runs: bool,
}

/// What is known of the console of a game whose scripts are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// It cannot be asked.
    Unknown,
    /// When it answered `status` last.
    Answered(Option<u64>),
}

/// What follows from silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// There is none, or it was noticed before, or the console is still waited for.
    No,
    /// The console is to be asked whether the game runs.
    AskConsole,
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
    pub fn heard(&mut self, now: Now) -> Option<u64> {
        let missed_ms = now.mono_ms.saturating_sub(self.heard_ms);
        self.heard_ms = now.mono_ms;
        self.silent = false;
        self.asked_ms = None;
        self.runs = false;
        self.missed.take().map(|_| missed_ms)
    }

    /// The warning about its silence, for the log.
    pub fn missed(&self) -> Option<&str> {
        self.missed.as_deref()
    }

    /// Whether it is missed, and its console does not answer either.
    pub fn is_gone(&self) -> bool {
        self.missed.is_some() && !self.runs
    }

    /// When silence is to be noticed; `None`: it was.
    pub fn silence_due_ms(&self) -> Option<u64> {
        let due_ms = match self.asked_ms {
            Some(asked_ms) => asked_ms + limits::SILENCE_CONSOLE_MS,
            None => self.heard_ms + limits::SILENCE_MS,
        };
        (!self.silent).then_some(due_ms)
    }

    /// Notices a silence that is due, once. A paused game calls no script, so silence is no end: its
    /// session goes on where it stopped. So the console is asked first whether the game runs.
    pub fn silence(&mut self, console: Console, now: Now) -> Silence {
        if self.silence_due_ms().is_none_or(|due| due > now.mono_ms) {
            return Silence::No;
        }
        let people = self.players.values().filter(|player| !player.bot).count();
        let is_alone = self.ended.is_none() && people == 0;
        if let (Console::Answered(_), None, false) = (console, self.asked_ms, is_alone) {
            self.asked_ms = Some(now.mono_ms);
            return Silence::AskConsole;
        }
        self.silent = true;
        self.runs = match (console, self.asked_ms) {
            (Console::Answered(Some(at_ms)), Some(asked_ms)) => at_ms >= asked_ms,
            _ => false,
        };
        let seconds = now.mono_ms.saturating_sub(self.heard_ms) / 1000;
        // A console that was asked would have answered.
        let paused = match self.asked_ms {
            None => "the game is paused, or ",
            Some(_) => "",
        };
        self.missed = match &self.ended {
            Some(next) => Some(self.no_next_map(next, seconds)),
            None if people > 0 && self.runs => Some(format!(
                "the scripts on map {} have sent nothing for {seconds} s, with {people} players, while \
                 the game's console answers: the game is paused, or the scripts have ended",
                self.map
            )),
            None if people > 0 => Some(format!(
                "no message has come for {seconds} s on map {}, with {people} players: {paused}the server \
                 hangs or is gone, or its script has ended",
                self.map
            )),
            None => None,
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

    /// Takes an event over. What does not look as it should is passed over.
    pub fn event(&mut self, name: &str, data: &Value, now: Now) {
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_string();
        match name {
            "map_start" => {
                self.map = text("map");
                self.max_players = data["max_players"].as_i64().unwrap_or(0);
                self.players.clear();
            }
            "map_end" => self.ended = Some(text("next")),
            "player_disconnect" => {
                let userid = data["userid"].as_i64();
                userid.map(|userid| self.players.remove(&userid));
            }
            "player_active" | "player_spawn" | "player_team" | "player_class" => {
                if let Value::Object(data) = data {
                    let alive = (name == "player_spawn").then_some(true);
                    self.update(data, alive, now);
                }
            }
            "player_death" => {
                let victim = data["userid"]
                    .as_i64()
                    .and_then(|id| self.players.get_mut(&id));
                victim.into_iter().for_each(|player| player.alive = false);
            }
            _ => {}
        }
    }

    /// The whole list, every ten seconds.
    pub fn heartbeat(&mut self, heartbeat: &Value, now: Now) {
        if let Some(map) = heartbeat["map"].as_str() {
            self.map = map.to_string();
        }
        let Some(list) = heartbeat["players"].as_array() else {
            return;
        };
        let before = std::mem::take(&mut self.players);
        for data in list.iter().filter_map(Value::as_object) {
            let userid = data.get("userid").and_then(Value::as_i64);
            if let Some((userid, known)) = userid.and_then(|id| Some((id, before.get(&id)?))) {
                self.players.insert(userid, known.clone());
            }
            self.update(data, None, now);
        }
    }

    fn update(&mut self, data: &Map<String, Value>, alive: Option<bool>, now: Now) {
        let Some(userid) = data.get("userid").and_then(Value::as_i64) else {
            return;
        };
        if self.players.len() >= limits::PLAYERS_MAX && !self.players.contains_key(&userid) {
            return;
        }
        let player = self.players.entry(userid).or_insert_with(|| Player {
            since_ms: now.mono_ms,
            ..Player::default()
        });
        let text = |key: &str, to: &mut String| {
            if let Some(Value::String(text)) = data.get(key) {
                text.chars()
                    .take(limits::PLAYER_TEXT_CHARS_MAX)
                    .collect::<String>()
                    .clone_into(to);
            }
        };
        text("name", &mut player.name);
        text("id", &mut player.id);
        let number = |key: &str, to: &mut i64| {
            if let Some(number) = data.get(key).and_then(Value::as_i64) {
                *to = number;
            }
        };
        number("team", &mut player.team);
        number("score", &mut player.score);
        number("ping", &mut player.ping);
        let truth = |key: &str| data.get(key).and_then(Value::as_bool);
        player.bot = truth("bot").unwrap_or(player.bot);
        player.alive = alive.or(truth("alive")).unwrap_or(player.alive);
    }

    pub fn register(&mut self, name: String, script: String) {
        if self.functions.len() < limits::GAME_FUNCTIONS_MAX {
            self.functions.insert(name, script);
        }
    }

    /// For an operator.
    pub fn describe(&self, now: Now) -> Value {
        let players = self.players.iter().map(|(userid, player)| {
            json!({
                "userid": userid,
                "name": player.name,
                "id": player.id,
                "bot": player.bot,
                "team": player.team,
                "score": player.score,
                "ping": player.ping,
                "seconds": now.mono_ms.saturating_sub(player.since_ms) / 1000,
            })
        });
        json!({
            "map": self.map,
            "script": self.script,
            "max_players": self.max_players,
            "players": players.collect::<Vec<_>>(),
            "functions": self.functions,
            "missed": self.missed,
            "heard_s_ago": now.mono_ms.saturating_sub(self.heard_ms) / 1000,
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
        game.heard(at(1_000));
        let ann = json!({"userid": 2, "name": "Ann", "id": "[U:1:7]", "bot": false});
        game.event("player_active", &ann, at(1_000));
        game
    }

    #[test]
    fn players_come_change_and_go() {
        let mut game = game();
        game.event(
            "player_spawn",
            &json!({"userid": 2, "team": 3, "class": 1}),
            at(2_000),
        );
        let ann = game.players[&2].clone();
        assert_eq!((ann.name.as_str(), ann.team, ann.alive), ("Ann", 3, true));
        game.event(
            "player_death",
            &json!({"userid": 2, "attacker": 0}),
            at(3_000),
        );
        assert!(!game.players[&2].alive);
        game.event("player_disconnect", &json!({"userid": 2}), at(4_000));
        assert!(game.players.is_empty());
    }

    #[test]
    fn a_heartbeat_corrects_what_events_missed() {
        let mut game = game();
        let bob = json!({"userid": 5, "name": "Bob", "id": "", "score": 9, "alive": true});
        game.heartbeat(&json!({"map": "cp_a", "players": [bob]}), at(11_000));
        assert_eq!(game.players.len(), 1);
        assert_eq!(game.players[&5].score, 9);
        let ann = json!({"userid": 5, "name": "Bob", "id": "[U:1:9]"});
        game.heartbeat(&json!({"map": "cp_a", "players": [ann]}), at(21_000));
        let bob = &game.players[&5];
        assert_eq!(
            (bob.score, bob.id.as_str(), bob.since_ms),
            (9, "[U:1:9]", 11_000)
        );
    }

    #[test]
    fn rubbish_is_passed_over_and_the_list_is_bounded() {
        let mut game = game();
        for data in [
            Value::Null,
            json!([1]),
            json!({"userid": "2"}),
            json!({"userid": 2, "name": 7}),
        ] {
            game.event("player_active", &data, at(2_000));
        }
        assert_eq!(game.players[&2].name, "Ann");
        for userid in 0..1_000 {
            let name = "x".repeat(1_000);
            game.event(
                "player_active",
                &json!({"userid": userid, "name": name}),
                at(2_000),
            );
        }
        assert_eq!(game.players.len(), limits::PLAYERS_MAX);
        assert!(game.players[&2].name.len() <= limits::PLAYER_TEXT_CHARS_MAX);
    }

    #[test]
    fn silence_is_said_once_with_the_map() {
        let mut game = game();
        assert_eq!(game.silence(Console::Unknown, at(2_000)), Silence::No);
        let late = at(1_000 + limits::SILENCE_MS);
        assert_eq!(game.silence(Console::Unknown, late), Silence::Missed);
        assert!(
            game.missed()
                .unwrap()
                .contains("on map cp_a, with 1 players: the game is paused, or")
        );
        let later = at(late.mono_ms + 60_000);
        assert_eq!(game.silence(Console::Unknown, later), Silence::No);
        assert_eq!(
            game.heard(at(late.mono_ms + 60_000)),
            Some(limits::SILENCE_MS + 60_000)
        );
        game.event(
            "map_end",
            &json!({"map": "cp_a", "next": "cp_own"}),
            at(200_000),
        );
        game.heard(at(200_000));
        let late = at(200_000 + limits::SILENCE_MS);
        assert_eq!(game.silence(Console::Unknown, late), Silence::Missed);
        let said = game.missed().unwrap();
        assert!(
            said.contains("the next map, cp_own, may bring a mapspawn.nut"),
            "{said}"
        );
    }

    #[test]
    fn an_empty_server_may_sleep() {
        let mut game = game();
        game.event("player_disconnect", &json!({"userid": 2}), at(2_000));
        assert_eq!(game.silence(Console::Unknown, at(500_000)), Silence::Asleep);
    }

    #[test]
    fn a_game_whose_console_answers_is_paused_and_not_gone() {
        for (answered_ms, is_gone) in [(1_000 + limits::SILENCE_MS + 20, false), (900, true)] {
            let mut game = game();
            let before = Console::Answered(Some(900));
            let due = at(1_000 + limits::SILENCE_MS);
            assert_eq!(game.silence(before, due), Silence::AskConsole);
            assert_eq!(game.silence(before, at(due.mono_ms + 1)), Silence::No);
            let due = at(game.silence_due_ms().unwrap());
            let console = Console::Answered(Some(answered_ms));
            assert_eq!(game.silence(console, due), Silence::Missed);
            assert_eq!(game.is_gone(), is_gone);
            let said = game.missed().unwrap();
            assert_eq!(said.contains("is paused"), !is_gone, "{said}");
            // It goes on, and falls silent again.
            assert!(game.heard(at(200_000)).is_some() && !game.is_gone());
            let due = at(200_000 + limits::SILENCE_MS);
            assert_eq!(game.silence(before, due), Silence::AskConsole);
        }
    }
}
