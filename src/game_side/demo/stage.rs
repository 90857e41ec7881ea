//! Where the demo plays: a temporary folder, a daemon of its own in it, and a game server.
//!
//! The daemon never outlives the stage, and the folder goes with it, on every way out: a step
//! that fails, Ctrl-C, a closed terminal. The daemon gets a Ctrl-C of the terminal as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tempfile::TempDir;

use super::community::{ADMINS_FILE, OWN_ADMINS};
use super::screen::Screen;
use super::{Failure, Outcome, PATIENCE, secret};
use crate::game_side::stock::{FolderWatch, Game, GameCall};
use crate::io::{control, own_process};
use crate::protocol::control::Request;
use crate::protocol::names;
use crate::protocol::signed::messages::Push;

/// A host as the game makes it of the hostname "Demo Server #1".
pub const HOST: &str = "demo_server_1";
/// The one of "Duel Server", which signs.
pub const DUEL_HOST: &str = "duel_server";
/// The Python script, and what it is called.
const RANKS: &str = include_str!("ranks.py");
const RANKS_FILE: &str = "ranks.py";
const LOG_LINES_SHOWN: usize = 6;

const CONFIG: &str = r#"state_dir = "state"

[[server]]
scriptdata = "scriptdata"
key = "KEY"
legacy_secret = "SECRET"

[database]
type = "sqlite"
path = "demo.db"

[permissions]
"contracts.nut" = ["VPI_Ping", "VPI_DB_User*", "ranks.*"]
"duels.nut" = ["VPI_Ping", "VPI_DB_User*"]
"admin.nut" = ["VPI_*"]
"*" = ["VPI_Ping"]
raw_sql = ["admin.nut"]
"#;

const SCRIPTS: &str = "\n[scripts]\ndir = \"scripts\"\n";

pub struct Stage<'a> {
    pub screen: Screen<'a>,
    path: PathBuf,
    folder: Option<TempDir>,
    daemon: Option<Child>,
    pub game: Game,
    /// With which scripts sign.
    pub key: String,
    /// Whether there is an interpreter for scripts.
    pub python: bool,
    watch: FolderWatch,
    interrupted: Arc<AtomicBool>,
    /// Answers that a caller in the game waited for, and those that came.
    pub awaited: usize,
    pub answered: usize,
    /// Of calls that were made alone.
    pub latencies: Vec<Duration>,
}

impl<'a> Stage<'a> {
    /// Makes the folders. The daemon does not run yet. `more`: what else stands in its
    /// configuration, made with the key of scripts.
    pub fn set_up(screen: Screen<'a>, more: impl FnOnce(&str) -> String) -> Outcome<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The second one of the same kind ends the demo at once.
            let register = signal_hook::flag::register_conditional_default;
            register(signal, Arc::clone(&interrupted))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
                .map_err(Failure::system("signals cannot be caught"))?;
        }
        let folder = tempfile::Builder::new().prefix("vpid-demo-").tempdir();
        let folder = folder.map_err(Failure::system(
            "no temporary folder can be made; set TMPDIR to a folder that can be written",
        ))?;
        let (secret, key) = (secret(), secret());
        let python = has_python();
        let scripts = if python { SCRIPTS } else { "" };
        let config = CONFIG.replace("SECRET", &secret).replace("KEY", &key);
        let config = config + &more(&key) + scripts;
        let prepared = prepare(folder.path(), &config);
        prepared.map_err(Failure::system(folder.path().display().to_string()))?;
        let scriptdata = folder.path().join("scriptdata");
        let watch = FolderWatch::new(&scriptdata)
            .map_err(Failure::system("the folder cannot be watched"))?;
        Ok(Self {
            screen,
            game: Game::new(&scriptdata, HOST, secret.as_bytes()),
            key,
            python,
            path: folder.path().to_path_buf(),
            folder: Some(folder),
            daemon: None,
            watch,
            interrupted,
            awaited: 0,
            answered: 0,
            latencies: Vec::new(),
        })
    }

    /// What was done in the game.
    pub fn step(&mut self, name: &str, did: &str) -> Outcome {
        self.screen.step(name, did)
    }

    /// The result, and how long it took.
    pub fn outcome(&mut self, text: &str, took: Option<Duration>) -> Outcome {
        self.screen.outcome(text, took)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn scriptdata(&self) -> PathBuf {
        self.path.join("scriptdata")
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("demo.db")
    }

    /// Starts the daemon: this program, with nothing of the environment in its configuration.
    pub fn start_daemon(&mut self) -> Outcome {
        let failed =
            |error: io::Error| Failure::System("the daemon cannot be started".into(), error);
        let program = std::env::current_exe().map_err(failed)?;
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path.join("log"))
            .map_err(failed)?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(self.path.join("vpid.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"VPI") {
                command.env_remove(name);
            }
        }
        self.daemon = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    pub fn kill_daemon(&mut self) -> Outcome {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        let killed = daemon.kill().and_then(|()| daemon.wait());
        killed.map_err(Failure::system("the daemon cannot be killed"))?;
        Ok(())
    }

    pub fn daemon_memory_kib(&self) -> Option<u64> {
        let pid = self.daemon.as_ref()?.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(own_process::resident_of(&status)? / 1_024)
    }

    /// Ends the daemon, in order where all went well, and removes the folder.
    pub fn take_down(mut self, in_order: bool) -> Outcome {
        let ended = match self.daemon.as_ref().filter(|_| in_order) {
            Some(_) => self.end_daemon(),
            None => Ok(()),
        };
        self.kill_daemon()?;
        let removed = self.folder.take().map_or(Ok(()), TempDir::close);
        let what = format!("{} cannot be removed", self.path.display());
        removed.map_err(Failure::system(what))?;
        ended
    }

    fn end_daemon(&mut self) -> Outcome {
        let pid = self.daemon.as_ref().map(|daemon| daemon.id() as i32);
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let status = self.wait("the daemon's end after SIGTERM", |stage| {
            let Some(daemon) = stage.daemon.as_mut() else {
                return Ok(None);
            };
            Ok(daemon.try_wait()?)
        })?;
        self.daemon = None;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::DaemonEnded(status, "after SIGTERM")),
        }
    }

    /// Whether the demo's inserts are in the database, each once. No caller gets the responses to the
    /// last of a map, so they are waited for.
    pub fn count_kills(&self, expected: usize) -> Outcome {
        let query = "SELECT COUNT(*), COUNT(DISTINCT n) FROM user_duels_kills";
        let connection = rusqlite::Connection::open(self.database())?;
        let expected = expected as i64;
        let until = Instant::now() + PATIENCE;
        loop {
            let counted: (i64, i64) =
                connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if counted == (expected, expected) {
                return Ok(());
            }
            if counted.0 >= expected || Instant::now() >= until {
                return Err(Failure::Rows(format!("{counted:?}"), expected as usize));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Calls a function of the game, as `vpid game call` does, while the game goes on.
    pub fn operator_calls(&self, function: &str, args: Value) -> JoinHandle<Outcome<Value>> {
        let state = self.path.join("state");
        let function = function.to_string();
        let push = Push::Call { function, args };
        let (host, keep) = (Some(DUEL_HOST.to_string()), false);
        let request = Request::Push { host, push, keep };
        thread::spawn(move || Ok(control::ask(&state, &request, PATIENCE)?))
    }

    /// Adds the end of the daemon's log.
    pub fn explain(&self, failure: Failure) -> Failure {
        let log = fs::read_to_string(self.path.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        if last.is_empty() || self.interrupted.load(Ordering::Relaxed) {
            return failure;
        }
        Failure::Logged(failure.into(), last.join("\n"))
    }

    /// Makes one call and waits for its answer.
    pub fn call(&mut self, call: GameCall) -> Outcome<(Value, Duration)> {
        let function = call.function.clone();
        // Repetitions that lie there would be read as the answer, and removed with it.
        self.game.fetch()?;
        let began = Instant::now();
        let tokens = self.game.send(&[call])?;
        let mut answers = self.answers(&tokens)?;
        let took = began.elapsed();
        self.latencies.push(took);
        let answer = answers.remove(&tokens[0]);
        match answer {
            Some(answer) => Ok((answer, took)),
            None => Failure::unexpected(format!("{function} was not answered")),
        }
    }

    /// Waits until every token is answered.
    pub fn answers(&mut self, tokens: &[String]) -> Outcome<Map<String, Value>> {
        self.awaited += tokens.len();
        let mut answers = Map::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            answers.extend(self.game.fetch()?);
            let missing = tokens.iter().filter(|token| !answers.contains_key(*token));
            let missing = missing.count();
            if missing == 0 {
                self.answered += tokens.len();
                return Ok(answers);
            }
            self.check()?;
            if Instant::now() >= deadline {
                return Failure::unexpected(format!(
                    "{missing} of {} calls were not answered within {} s",
                    tokens.len(),
                    PATIENCE.as_secs()
                ));
            }
            self.watch.wait(PATIENCE)?;
        }
    }

    /// The game begins a map, and vpid has noticed: it has taken the restart file.
    pub fn begin_map(&mut self) -> Outcome {
        self.game.restart()?;
        let notice = self.scriptdata().join(names::restart(HOST));
        self.until("the end of the restart file", |_| {
            Ok((!notice.exists()).then_some(()))
        })
    }

    /// Waits until `look` finds what it looks for. `what` names it for the error.
    pub fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Outcome<Option<T>>,
    ) -> Outcome<T> {
        self.wait(what, |stage| {
            let found = look(stage)?;
            if found.is_none() {
                stage.check()?;
            }
            Ok(found)
        })
    }

    fn wait<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Outcome<Option<T>>,
    ) -> Outcome<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(Failure::Late(what.to_owned()));
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// Lets time pass as a game does between two looks at its files.
    pub fn pause(&mut self, time: Duration) -> Outcome {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Fails where going on makes no sense.
    fn check(&mut self) -> Outcome {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        match self.daemon.as_mut().map(Child::try_wait) {
            Some(Ok(Some(status))) => Err(Failure::DaemonEnded(status, "by itself")),
            _ => Ok(()),
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let _ = self.kill_daemon();
    }
}

fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]);
    python.stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn prepare(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir(folder.join("scriptdata"))?;
    fs::create_dir(folder.join("state"))?;
    fs::create_dir(folder.join("scripts"))?;
    fs::write(folder.join("scripts").join(RANKS_FILE), RANKS)?;
    fs::write(folder.join(ADMINS_FILE), OWN_ADMINS)?;
    let mut options = OpenOptions::new();
    let mut config: File = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join("vpid.toml"))?;
    config.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_daemon_will_take_the_configuration_and_warn_of_the_stock_protocol_alone() {
        let text = CONFIG
            .replace("SECRET", &secret())
            .replace("KEY", &secret());
        let config = config::parse(&text, Path::new("/demo"), |_| None).unwrap();
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.warnings[0].contains("legacy_secret"));
        assert!(config.permissions.allows("admin.nut", "VPI_DB_RawExecute"));
        assert!(!config.permissions.allows("other.nut", "VPI_DB_UserSelect"));
    }
}
