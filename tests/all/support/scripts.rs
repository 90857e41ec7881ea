//! The owner's Python beside a vpid: its files, what operators see of it, and who calls it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;

use super::{Host, Vpid, call, wait_for, wait_until};

/// In the environment of every process that a vpid here has started.
const MARK: &str = "VPI_TEST_OF";

impl Vpid {
    /// A line of `[scripts]`, which come before tables of single scripts.
    pub fn scripts_line(mut self, line: &str) -> Self {
        if self.scripts.is_empty() {
            self.scripts += "[scripts]\n";
        }
        self.scripts += &format!("{line}\n");
        self
    }

    /// A folder of scripts with this one in it, as `NAME.py`.
    pub fn script(mut self, name: &str, source: &str) -> Self {
        let dir = self.path("scripts");
        if !dir.exists() {
            fs::create_dir(&dir).expect("a folder for scripts");
            self = self.scripts_line(&format!("dir = '{}'", dir.display()));
        }
        self.edit_script(name, source);
        self
    }

    /// What is configured for one script; behind all lines of `[scripts]`.
    pub fn script_table(mut self, name: &str, lines: &str) -> Self {
        self.scripts += &format!("[script.{name}]\n{lines}\n");
        self
    }

    pub fn script_path(&self, name: &str) -> PathBuf {
        self.path("scripts").join(format!("{name}.py"))
    }

    pub fn edit_script(&self, name: &str, source: &str) {
        fs::write(self.script_path(name), source).expect("a script can be written");
    }

    /// Functions that were written for VPI, in a folder of their own.
    pub fn interfaces(self, source: &str) -> Self {
        let path = self.path("vpi/vpi_interfaces.py");
        fs::create_dir_all(self.path("vpi")).expect("a folder for the functions");
        fs::write(&path, source).expect("the functions can be written");
        self.scripts_line(&format!("vpi_interfaces = '{}'", path.display()))
    }

    /// With something in its environment by which its processes are found.
    pub fn marked(self) -> Self {
        let mark = self.mark();
        self.variable(MARK, &mark)
    }

    pub fn mark(&self) -> String {
        self.path("").display().to_string()
    }

    /// Starts it and waits until these scripts run.
    #[track_caller]
    pub fn with_running(mut self, names: &[&str]) -> Self {
        self.start();
        self.run_all(names);
        self
    }

    #[track_caller]
    pub fn run_all(&self, names: &[&str]) {
        for name in names {
            self.wait_for_state(name, "running");
        }
    }

    /// `vpid script ...`: its exit code and what it said.
    pub fn operator(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(&[&["script"], words].concat());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code(), text)
    }

    /// What `vpid script list` says of a script; null where it knows none of this name.
    pub fn about(&self, name: &str) -> Value {
        let output = self.command(&["script", "list", "--json"]);
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let scripts = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let found = scripts.iter().find(|script| script["name"] == name);
        found.cloned().unwrap_or_default()
    }

    #[track_caller]
    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for_script(name, &format!("{name} is {state}"), |about| {
            about["state"] == state
        })
    }

    #[track_caller]
    pub fn wait_for_script(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || Some(self.about(name)).filter(&is_so))
    }

    /// Processes that it has started, and those that these have.
    pub fn processes(&self) -> Vec<u32> {
        marked(&self.mark(), self.is_started().then(|| self.pid()))
    }

    /// The same without what is vpid's own in them: interpreters, and keepers of scripts.
    pub fn script_processes(&self) -> Vec<u32> {
        let mut processes = self.processes();
        processes.retain(|pid| {
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            !title.starts_with("vpid: interpreter") && !title.starts_with("vpid: keeper of ")
        });
        processes
    }

    #[track_caller]
    pub fn no_process_is_left(&self) {
        wait_until("no process is left", || self.processes().is_empty());
    }
}

/// The processes with this mark in their environment, but for one.
pub fn marked(mark: &str, but: Option<u32>) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_of_it = |pid: &u32| {
        // One that has ended and is not waited for yet has an empty one.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        Some(*pid) != but && variables.any(|variable| variable == wanted.as_bytes())
    };
    pids.filter(is_of_it).collect()
}

/// A game that calls, with the stock protocol or the signed one.
pub struct Client {
    game: Game,
    /// Answers that nobody has asked for yet, by their tokens.
    came: HashMap<String, Value>,
}

enum Game {
    Stock(Host),
    Signed(Box<SignedGame>),
}

impl Client {
    fn new(game: Game) -> Self {
        let came = HashMap::new();
        Self { game, came }
    }

    pub fn stock(vpid: &Vpid) -> Self {
        Self::new(Game::Stock(vpid.host("stock_game")))
    }

    pub fn signed(vpid: &Vpid) -> Self {
        Self::signed_as(vpid, "signed_game")
    }

    pub fn signed_as(vpid: &Vpid, host: &str) -> Self {
        Self::new(Game::Signed(Box::new(vpid.signed_game(host))))
    }

    pub fn both(vpid: &Vpid) -> [Self; 2] {
        [Self::stock(vpid), Self::signed(vpid)]
    }

    /// Calls and waits for the answer. Errors are their texts.
    #[track_caller]
    pub fn ask(&mut self, function: &str, kwargs: Value) -> Value {
        let token = self.send(function, kwargs);
        self.answer(&token)
    }

    /// Calls without waiting; a token for the answer.
    #[track_caller]
    pub fn send(&mut self, function: &str, kwargs: Value) -> String {
        self.send_all(&[call(function, kwargs)]).remove(0)
    }

    /// The same for calls of one file.
    #[track_caller]
    pub fn send_all(&mut self, calls: &[GameCall]) -> Vec<String> {
        wait_until("room for a file", || self.has_room());
        match &mut self.game {
            Game::Stock(host) => host.send(calls).expect("a file can be written"),
            Game::Signed(game) => {
                let ids = game.send_calls(calls).expect("a file can be written");
                ids.iter().map(u64::to_string).collect()
            }
        }
    }

    pub fn has_room(&mut self) -> bool {
        self.read(Duration::ZERO);
        match &self.game {
            Game::Stock(_) => true,
            Game::Signed(game) => game.room() > 0,
        }
    }

    #[track_caller]
    pub fn answer(&mut self, token: &str) -> Value {
        wait_for(&format!("the answer to {token}"), || {
            let came = self.came.remove(token);
            if came.is_none() {
                self.read(Duration::from_millis(5));
            }
            came
        })
    }

    /// What was answered and not asked for.
    pub fn answers(&mut self) -> &mut HashMap<String, Value> {
        self.read(Duration::ZERO);
        &mut self.came
    }

    /// Takes what is there.
    fn read(&mut self, patience: Duration) {
        let game = match &mut self.game {
            Game::Signed(game) => game,
            Game::Stock(host) => {
                let came = host.fetch().expect("answers can be read");
                self.came.extend(came);
                return;
            }
        };
        let mut patience = patience;
        while let Some(message) = game.receive(patience).expect("good files") {
            if let Some(id) = message["answer"].as_u64() {
                let error = Some(message["error"].clone()).filter(Value::is_string);
                let value = error.unwrap_or_else(|| message["value"].clone());
                self.came.insert(id.to_string(), value);
                patience = Duration::ZERO;
            }
        }
        if game.unread() > 4 {
            game.send(&[]).expect("an acknowledgement");
        }
    }
}
