//! The built daemon with Python scripts beside a game that runs the shipped ones.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::daemon::{Daemon, KEY, scriptdata};
use super::{Game, Setup, What};
use vpid::vscripts::{MAPSPAWN, vpi_with};

pub struct Stage {
    pub game: Game,
    pub daemon: Daemon,
    _dir: TempDir,
}

/// `python`: names of files in the folder of scripts, with their texts. `squirrel`: the same for
/// scripts in the game, each run at the start of a map. `tables`: behind `[scripts]`.
pub fn stage(python: &[(&str, &str)], squirrel: &[(&str, &str)], tables: &str) -> Stage {
    let dir = TempDir::new().expect("a folder");
    for (name, text) in python {
        let path = dir.path().join("scripts").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a script");
    }
    let tables = format!("[scripts]\ndir = \"scripts\"\n{tables}");
    let daemon = Daemon::start_signed_beside(dir.path(), "", &tables);
    let mut mapspawn = MAPSPAWN.to_owned();
    let mut setup = Setup::new(&scriptdata(dir.path()))
        .hostname("My Server #1")
        .script("vpi.nut", &vpi_with(KEY));
    for (name, text) in squirrel {
        setup = setup.script(name, text);
        mapspawn += &format!("\nIncludeScript(\"{}\")", name.trim_end_matches(".nut"));
    }
    // What the scripts of the game ask at once, those in Python must be there for.
    for (name, _) in python.iter().filter(|(name, _)| is_script(name)) {
        let name = name.trim_end_matches(".py").trim_end_matches("/main");
        wait_for_log(&daemon, &format!("script {name}: loaded: "));
    }
    let mut game = setup.script("mapspawn.nut", &mapspawn).start("cp_first");
    game.set_cvar("sv_allow_point_servercommand", "always");
    let mut stage = Stage {
        game,
        daemon,
        _dir: dir,
    };
    stage.until("connected", |stage| {
        stage
            .game
            .run("test.nut", "return VPI.Status().connected")
            .as_bool()
            == Some(true)
    });
    stage
}

fn is_script(name: &str) -> bool {
    match Path::new(name).parent() {
        Some(folder) if folder != Path::new("") => name.ends_with("/main.py"),
        _ => name.ends_with(".py") && !name.starts_with('_'),
    }
}

#[track_caller]
fn wait_for_log(daemon: &Daemon, text: &str) {
    for _ in 0..1_000 {
        if daemon.log().iter().any(|line| line.contains(text)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("waited in vain: {text}: {:#?}", daemon.log());
}

impl Stage {
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&mut Stage) -> bool) {
        for _ in 0..600 {
            if is_so(self) {
                return self.game.assert_no_errors();
            }
            self.game.run_real(0.02);
        }
        let (log, prints) = (self.daemon.log(), self.game.record().prints());
        let read = self.read();
        panic!("waited in vain: {what}: {prints:#?}\n{read:#?}\n{log:#?}");
    }

    /// What players read in chat: who, or `None` for all.
    pub fn read(&self) -> Vec<(Option<i32>, String)> {
        let prints = self.game.record().client_prints();
        let chat = prints.into_iter().filter(|(_, place, _)| *place == 3);
        chat.map(|(to, _, text)| (to, text)).collect()
    }

    #[track_caller]
    pub fn reads(&mut self, userid: i32, part: &str) {
        self.until(part, |stage| {
            let mut lines = stage.read().into_iter();
            lines.any(|(to, text)| to == Some(userid) && text.contains(part))
        });
    }

    /// All players read it.
    #[track_caller]
    pub fn reads_all(&mut self, part: &str) {
        self.until(part, |stage| {
            let mut lines = stage.read().into_iter();
            lines.any(|(to, text)| to.is_none() && text.contains(part))
        });
    }

    /// The console of the game shows a line that begins so.
    #[track_caller]
    pub fn prints(&mut self, part: &str) {
        self.until(part, |stage| {
            let lines = stage.game.record().prints();
            lines.iter().any(|line| line.starts_with(part))
        });
    }

    #[track_caller]
    pub fn logs(&mut self, part: &str) {
        self.until(part, |stage| {
            stage.daemon.log().iter().any(|line| line.contains(part))
        });
    }

    /// What scripts gave to the console of the game to run.
    pub fn commands(&self) -> Vec<String> {
        let record = self.game.record();
        let commands = record.0.iter().filter_map(|entry| match &entry.what {
            What::Command(command) => Some(command.clone()),
            _ => None,
        });
        commands.collect()
    }

    /// Runs `vpid ...` while the game goes on; what it prints, if it succeeds.
    #[track_caller]
    pub fn vpid(&mut self, arguments: &[&str]) -> String {
        let mut command = self.daemon.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("vpid can be spawned");
        self.game
            .run_real_until(15.0, |_| child.try_wait().expect("its state").is_some());
        let output = child.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{arguments:?}: {said}{printed}");
        printed
    }

    /// The answer to `vpid call`.
    #[track_caller]
    pub fn call(&mut self, function: &str, kwargs: &Json) -> Json {
        let kwargs = match kwargs {
            Json::Null => json!({}),
            kwargs => kwargs.clone(),
        };
        let printed = self.vpid(&["call", function, &kwargs.to_string()]);
        serde_json::from_str(&printed).expect("JSON")
    }
}

/// The examples of the repository.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts")
}
