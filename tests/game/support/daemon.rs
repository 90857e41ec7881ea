//! The real daemon beside the game.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What the stock script and the daemon share.
pub const SECRET: &str = "k3eP7his~0ne#Be7ween*u5+and$N0body(else)";

/// With which scripts and daemon sign.
pub const KEY: &str = "Zk4tq7Rw2mXc9Lp0Hs6Vb3Ny8Jd5Gf1TaQeUiOoPAsDfGhJk";

/// Killed when dropped. State and database stay in the folder that it was started with.
pub struct Daemon {
    child: Child,
    config: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// The folder in which the game and the daemon meet.
pub fn scriptdata(dir: &Path) -> PathBuf {
    dir.join("scriptdata")
}

impl Daemon {
    /// Starts on `scriptdata` below `dir`, and waits until it serves. Any script may run raw SQL.
    pub fn start(dir: &Path, more_config: &str) -> Self {
        let server = format!("legacy_secret = '{SECRET}'");
        Self::start_with(dir, more_config, &server, "")
    }

    /// The same for scripts that sign.
    pub fn start_signed(dir: &Path) -> Self {
        Self::start_signed_with(dir, "")
    }

    /// With more lines of `[database]`, and tables behind them.
    pub fn start_signed_with(dir: &Path, database: &str) -> Self {
        Self::start_with(dir, "", &format!("key = \"{KEY}\""), database)
    }

    /// With more lines of `[[server]]`, and tables at the end.
    pub fn start_signed_beside(dir: &Path, server: &str, tables: &str) -> Self {
        let server = format!("key = \"{KEY}\"\n{server}");
        Self::start_with(dir, "", &server, tables)
    }

    fn start_with(dir: &Path, more_config: &str, server: &str, database: &str) -> Self {
        fs::create_dir_all(scriptdata(dir)).expect("a folder");
        let config = dir.join("vpid.toml");
        let text = format!(
            "{more_config}\nstate_dir = \"state\"\n\
             [[server]]\nscriptdata = \"scriptdata\"\n{server}\n\
             [permissions]\nraw_sql = [\"story.nut\"]\n\
             [database]\ntype = \"sqlite\"\npath = \"game.db\"\ndurability = \"normal\"\n{database}\n"
        );
        fs::write(&config, text).expect("a configuration");
        Self::run(config)
    }

    /// With a configuration that is there.
    pub fn configured(config: PathBuf) -> Self {
        Self::run(config)
    }

    /// Ends it, and starts it again with what it has kept.
    pub fn restart(&mut self) {
        let config = self.config.clone();
        self.end();
        *self = Self::run(config);
    }

    fn run(config: PathBuf) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vpid"))
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut first = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains(" serves /") => break first.push(line),
                Some(Ok(line)) => first.push(line),
                _ => panic!("the daemon ended: {first:?}"),
            }
        }
        let log = Arc::new(Mutex::new(first));
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("nobody panicked").push(line);
            }
        });
        let reader = Some(reader);
        Self {
            child,
            config,
            log,
            reader,
        }
    }

    /// Another command of the program, for this daemon.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
        command.args(arguments).arg("--config").arg(&self.config);
        command
    }

    /// Lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panicked").clone()
    }
}

impl Daemon {
    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}
