//! Attacks from inside a scriptdata folder, and the games that are to be served meanwhile. The
//! tests play small ones, `benches/floods` all of them.
//!
//! Each attack is a function that writes as fast as it can until its number is written or `stop`
//! is set. All of them need no more than a game script or a program that may write into the folder
//! has; the stock secret is counted in, since every stock file gives it away (docs/security.md).

pub mod others;
pub mod signed;
pub mod stock;
pub mod victim;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use vpid::game_side::stock::{Game, GameCall};

/// What an attacker reaches, and how much is written.
pub struct Flood<'a> {
    /// The attacked folder.
    pub scriptdata: &'a Path,
    /// The stock secret of the folder's server.
    pub secret: &'a str,
    /// The key of the folder's games. No attacker has it; a script has its calls signed.
    pub key: &'a str,
    /// The host of the folder's signed game.
    pub victim: &'a str,
    /// A file that this game has written on an earlier map: its name and text.
    pub recorded: (String, String),
    /// The SQLite database that scripts use.
    pub database: PathBuf,
    /// Where the engine's log is received.
    pub log: Option<SocketAddr>,
    /// How many files, or what else there is of.
    pub count: usize,
    /// Ends the attack.
    pub stop: &'a AtomicBool,
}

/// Takes part in an attack as one host.
const HOST: &str = "flood";

impl Flood<'_> {
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The numbers of what is to be written, for as long as the attack lasts.
    fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.count).take_while(|_| !self.is_over())
    }

    /// Writes a file of the folder as the engine does: truncated, text, NUL.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(
            self.scriptdata.join(name),
            [text.as_bytes(), b"\0"].concat(),
        )
    }

    /// A game that has the stock secret.
    fn game(&self, host: &str) -> Game {
        Game::new(self.scriptdata, host, self.secret.as_bytes())
    }

    /// Writes an authentic call file. `NUMBER` in its calls becomes the number.
    fn write_calls(&self, game: &mut Game, number: usize, calls: &str) -> io::Result<()> {
        let text = game.file_text(&Value::Null);
        let calls = calls.replace("NUMBER", &number.to_string());
        let name = game.next_name();
        self.write(&name, &text.replacen("null", &calls, 1))
    }

    /// Waits for the end of the attack.
    fn wait(&self) {
        while !self.is_over() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// As it stands in the text of a file, for [`Flood::write_calls`].
fn numbered(call: &GameCall) -> String {
    call.to_json("tNUMBER").to_string()
}

/// Gives this thread less of the processors than vpid and its games get: on a machine with two,
/// what is measured shall be vpid and not the system's scheduler.
pub fn yield_to_others() {
    let _ = rustix::process::nice(10);
}
