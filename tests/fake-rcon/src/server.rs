//! A game that has players, and knows `status`, `kickid`, `say`, `script` and `changelevel`.

use super::FakeRcon;
use super::{console, script};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A player who is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    pub userid: i32,
    pub name: String,
    /// As the engine writes it: `[U:1:123]`; of no meaning for a bot.
    pub id: String,
    pub bot: bool,
    pub connected_s: u64,
    /// Else the player is still loading.
    pub active: bool,
    /// With the port.
    pub address: String,
}

impl Player {
    pub fn new(userid: i32, name: &str, id: &str) -> Self {
        let (name, id) = (name.to_string(), id.to_string());
        Self {
            userid,
            name,
            id,
            bot: false,
            connected_s: 312,
            active: true,
            address: format!("203.0.113.9:{}", 27_000 + userid),
        }
    }

    /// Comes from somewhere else.
    pub fn from(self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self
        }
    }

    pub fn bot(userid: i32, name: &str) -> Self {
        Self {
            bot: true,
            ..Self::new(userid, name, "BOT")
        }
    }
}

/// A text that code has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `None`: to all.
    pub to: Option<i32>,
    /// 2: console, 3: chat, 4: centre.
    pub place: i64,
    pub text: String,
}

/// A game, shared between those who ask it and those who look at it.
#[derive(Debug, Clone)]
pub struct FakeServer(Arc<Mutex<Game>>);

#[derive(Debug)]
struct Game {
    hostname: String,
    map: String,
    players: Vec<Player>,
    said: Vec<String>,
    shown: Vec<Shown>,
    scripts: Vec<String>,
    no_script: bool,
    sourcetv: bool,
    max_players: usize,
    visible_slots: i64,
    kicked: Vec<(i32, String)>,
    ran: Vec<Vec<String>>,
    /// Rows that `status` leaves out at its end, though its heading counts them.
    rows_left_out: usize,
    delay: Option<(String, Duration)>,
}

impl FakeServer {
    pub fn new(hostname: &str, map: &str) -> Self {
        Self(Arc::new(Mutex::new(Game {
            hostname: hostname.to_string(),
            map: map.to_string(),
            players: Vec::new(),
            said: Vec::new(),
            shown: Vec::new(),
            scripts: Vec::new(),
            no_script: false,
            sourcetv: false,
            max_players: 24,
            visible_slots: -1,
            kicked: Vec::new(),
            ran: Vec::new(),
            rows_left_out: 0,
            delay: None,
        })))
    }

    /// RCON for it.
    pub fn start(&self, password: &str) -> FakeRcon {
        let server = self.clone();
        FakeRcon::start(password, move |line| server.run(line))
    }

    pub fn join(&self, player: Player) {
        self.lock().players.push(player);
    }

    pub fn leave(&self, userid: i32) {
        self.lock().players.retain(|player| player.userid != userid);
    }

    /// Lets `status` list fewer rows than its heading counts.
    pub fn leave_rows_out(&self, count: usize) {
        self.lock().rows_left_out = count;
    }

    pub fn set_map(&self, map: &str) {
        self.lock().map = map.to_string();
    }

    pub fn players(&self) -> Vec<Player> {
        self.lock().players.clone()
    }

    /// What the console wrote to all players.
    pub fn said(&self) -> Vec<String> {
        self.lock().said.clone()
    }

    /// Texts that players were shown by `script`.
    pub fn shown(&self) -> Vec<Shown> {
        self.lock().shown.clone()
    }

    /// The code that `script` was given.
    pub fn scripts(&self) -> Vec<String> {
        self.lock().scripts.clone()
    }

    /// It is a game without a script engine from now on.
    pub fn without_script(&self) {
        self.lock().no_script = true;
    }

    /// SourceTV records, in a slot of its own.
    pub fn with_sourcetv(&self) {
        self.lock().sourcetv = true;
    }

    /// `sv_visiblemaxplayers`.
    pub fn set_visible_slots(&self, slots: i64) {
        self.lock().visible_slots = slots;
    }

    /// Who was kicked, by userid, with the reason.
    pub fn kicked(&self) -> Vec<(i32, String)> {
        self.lock().kicked.clone()
    }

    /// Every command that the console ran, with its arguments.
    pub fn ran(&self) -> Vec<Vec<String>> {
        self.lock().ran.clone()
    }

    /// Keeps the replies to commands that begin so back, for so long after they were run.
    pub fn delay(&self, beginning: &str, pause: Duration) {
        self.lock().delay = Some((beginning.to_string(), pause));
    }

    /// Runs a line as a console does, and returns what it prints.
    pub fn run(&self, line: &str) -> String {
        let mut game = self.lock();
        let mut printed = String::new();
        for command in console::read(line.as_bytes()) {
            printed.push_str(&game.run(&command));
            game.ran.push(command.words);
        }
        let delay = game.delay.clone();
        drop(game);
        if let Some((beginning, pause)) = delay
            && line.starts_with(&beginning)
        {
            thread::sleep(pause);
        }
        printed
    }

    fn lock(&self) -> MutexGuard<'_, Game> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Game {
    fn run(&mut self, command: &console::Command<'_>) -> String {
        let (name, arguments) = command.words.split_first().expect("a command has a name");
        match name.as_str() {
            "status" => return self.status(),
            // Quotation marks are not taken off.
            "say" => self.said.push(command.behind(1)),
            "kickid" => return self.kick(command),
            "script" if !self.no_script => self.script(command.behind(1)),
            "changelevel" | "map" => self.map = arguments.join(" "),
            "sv_visiblemaxplayers" if !arguments.is_empty() => {
                self.visible_slots = arguments[0].parse().unwrap_or(0);
            }
            "sv_visiblemaxplayers" => {
                let slots = self.visible_slots;
                return format!("\"{name}\" = \"{slots}\" ( def. \"-1\" )\n - Overrides the max\n");
            }
            // Of plugins, which are silent when all is well.
            name if name.starts_with("sm_") => {}
            _ => return format!("Unknown command \"{name}\"\n"),
        }
        String::new()
    }

    fn script(&mut self, code: String) {
        let print = script::read(&code, script::DIGITS[0]);
        self.scripts.push(code);
        let Some(print) = print else { return };
        let to = print.to.map(|userid| i32::try_from(userid).unwrap_or(0));
        let is_there = |userid| {
            let mut players = self.players.iter();
            let player = players.find(|player| player.userid == userid);
            player.is_some_and(|player| {
                let is_same = |id: &String| !player.id.starts_with("[U:") || *id == player.id;
                print.id.as_ref().is_none_or(is_same)
            })
        };
        if to.is_none_or(is_there) {
            self.shown.push(Shown {
                to,
                place: print.place,
                text: String::from_utf8_lossy(&print.text).into_owned(),
            });
        }
    }

    fn kick(&mut self, command: &console::Command<'_>) -> String {
        let userid = command.words.get(1);
        let userid = userid.and_then(|userid| userid.parse().ok());
        let at = self
            .players
            .iter()
            .position(|player| Some(player.userid) == userid);
        let Some(at) = at else {
            return "userid is not on the server\n".to_string();
        };
        let player = self.players.remove(at);
        let reason = command.behind(2);
        self.kicked.push((player.userid, reason));
        String::new()
    }

    fn status(&self) -> String {
        let bots = self.players.iter().filter(|player| player.bot).count();
        let humans = self.players.len() - bots;
        let (sourcetv, max) = match self.sourcetv {
            true => (
                "sourcetv:  127.0.0.1:27020, delay 30.0s\n",
                self.max_players + 1,
            ),
            false => ("", self.max_players),
        };
        let mut text = format!(
            "hostname: {}\n\
             version : 9543365/24 9543365 secure\n\
             udp/ip  : 127.0.0.1:27015  (public ip: 203.0.113.7)\n\
             steamid : [G:1:5] (85568392920039429)\n\
             account : not logged in  (No account specified)\n\
             map     : {} at: 0 x, 0 y, 0 z\n\
             tags    : cp\n\
             {sourcetv}\
             players : {humans} humans, {bots} bots ({max} max)\n\
             edicts  : 512 used of 2048 max\n\
             # userid name                uniqueid            connected ping loss state  adr\n",
            self.hostname, self.map
        );
        let listed = self.players.len().saturating_sub(self.rows_left_out);
        for player in &self.players[..listed] {
            let state = if player.active { "active" } else { "spawning" };
            let name = format!("\"{}\"", player.name);
            let (userid, id) = (player.userid, &player.id);
            let _ = if player.bot {
                writeln!(text, "# {userid:6} {name:19} BOT {state:>40}")
            } else {
                let connected = clock(player.connected_s);
                let address = &player.address;
                writeln!(
                    text,
                    "# {userid:6} {name:19} {id:19} {connected:>9} {:4} {:4} {state} {address}",
                    50, 0
                )
            };
        }
        text
    }
}

/// `mm:ss`, or `h:mm:ss` from an hour on.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kick_removes_one_and_status_tells_the_others() {
        let server = FakeServer::new("Test", "cp_badlands");
        server.join(Player::new(2, "Anna", "[U:1:7]"));
        server.join(Player::new(3, "Bert", "[U:1:8]"));
        server.join(Player::bot(4, "Heavy"));
        assert_eq!(server.run("kickid 2 \"out; status\""), "");
        assert_eq!(server.kicked(), [(2, "\"out; status\"".to_string())]);
        let status = server.run("status");
        assert!(status.contains("map     : cp_badlands at: 0 x"));
        assert!(status.contains("players : 1 humans, 1 bots (24 max)"));
        assert!(status.contains("#      3 \"Bert\""));
        assert!(status.contains("05:12   50    0 active 203.0.113.9:27003\n"));
        assert!(status.contains("\"Heavy\"") && !status.contains("Anna"));
        assert_eq!(
            server.run("kickid 2; say a b"),
            "userid is not on the server\n"
        );
        assert_eq!(
            (server.said(), server.ran().len()),
            (vec!["a b".to_string()], 4)
        );
        assert_eq!(clock(3_600), "1:00:00");
    }
}
