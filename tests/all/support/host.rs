//! One game server of a scriptdata folder, as tests like to play it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vpid::game_side::stock::{Game, GameCall};

use super::PATIENCE;

/// A game whose calls come from `test.nut` where nothing else is said.
pub struct Host {
    game: Game,
    folder: PathBuf,
}

impl Deref for Host {
    type Target = Game;
    fn deref(&self) -> &Game {
        &self.game
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut Game {
        &mut self.game
    }
}

impl Host {
    pub fn new(folder: &Path, name: &str, secret: &str) -> Self {
        Self {
            game: Game::new(folder, name, secret.as_bytes()),
            folder: folder.to_path_buf(),
        }
    }

    /// Calls and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, function: &str, kwargs: Value) -> Value {
        self.ask_as("test.nut", function, kwargs)
    }

    #[track_caller]
    pub fn ask_as(&mut self, script: &str, function: &str, kwargs: Value) -> Value {
        let call = GameCall::new(script, function, kwargs);
        let answer = self.game.call(call, PATIENCE).expect("answers can be read");
        answer.unwrap_or_else(|| panic!("{function} was not answered"))
    }

    /// Calls without waiting; gives the token of the answer.
    pub fn send_one(&mut self, function: &str, kwargs: Value) -> String {
        let tokens = self.game.send(&[call(function, kwargs)]);
        tokens.expect("a call file can be written").remove(0)
    }

    /// Calls so that no answer is wanted.
    pub fn tell(&mut self, function: &str, kwargs: Value) {
        let call = GameCall {
            callback: false,
            ..call(function, kwargs)
        };
        self.game.send(&[call]).expect("a call file can be written");
    }

    /// Waits until each of these is answered, and gives the answers in their order.
    #[track_caller]
    pub fn answers(&self, tokens: &[String]) -> Vec<Value> {
        let mut found = self.all_answers(tokens);
        tokens
            .iter()
            .map(|token| found.remove(token).expect("just looked"))
            .collect()
    }

    /// The same, with everything else that was read meanwhile.
    #[track_caller]
    pub fn all_answers(&self, tokens: &[String]) -> Map<String, Value> {
        let found = self.game.wait_for(tokens, PATIENCE);
        let found = found.expect("answers can be read");
        for token in tokens {
            assert!(found.contains_key(token), "{token} was not answered");
        }
        found
    }

    #[track_caller]
    pub fn ping(&mut self) {
        assert_eq!(self.ask("VPI_Ping", Value::Null), "pong");
    }

    /// Writes a call file whose text is not what a client writes; gives its name. `bytes` get
    /// no closing NUL here.
    pub fn write_raw(&mut self, bytes: &[u8]) -> String {
        let name = self.game.next_name();
        std::fs::write(self.folder.join(&name), bytes).expect("a file can be written");
        name
    }

    /// The text of a good call file with these calls.
    pub fn text_of(&self, calls: &[Value]) -> String {
        self.game.file_text(&json!({ "async": calls }))
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A call of `test.nut`.
pub fn call(function: &str, kwargs: Value) -> GameCall {
    GameCall::new("test.nut", function, kwargs)
}

/// Puts a number into the table that [`super::Vpid::with_numbers`] made.
pub fn insert(number: i64) -> GameCall {
    let kwargs = json!({"table": "user_test_numbers", "values": [number]});
    call("VPI_DB_UserInsert", kwargs)
}
