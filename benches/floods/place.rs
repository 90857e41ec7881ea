//! Two game servers with folders and keys of their own, and the vpid that serves both; all of it is
//! gone afterwards.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use vpid::game_side::stock::GameCall;

use crate::attack::others;
use crate::options::Settings;

/// The victims' table, in both databases.
const CREATE: &str = "CREATE TABLE user_victim_rows (id INTEGER PRIMARY KEY, name TEXT);
                      INSERT INTO user_victim_rows VALUES (1, 'one'), (2, 'two'), (3, 'three')";

/// A statement that goes on too long is to end by then.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// Which database the victims use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The one that the flood can reach, too.
    Same,
    Other,
}

impl Database {
    /// One select by its primary key.
    pub fn call(self) -> GameCall {
        match self {
            Database::Same => {
                let kwargs = json!({"table": "user_victim_rows", "columns": ["name"],
                    "filter_column": "id", "filter_value": 2});
                GameCall::new("victim.nut", "VPI_DB_UserSelect", kwargs)
            }
            Database::Other => GameCall::new("victim.nut", "VPI_SQL_name", json!({"id": 2})),
        }
    }
}

/// A game server's folder and secrets.
pub struct Server {
    folder: TempDir,
    pub key: String,
}

impl Server {
    fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: TempDir::with_prefix_in("vpid-floods-", dir)?,
            key: letters(48),
        })
    }

    pub fn scriptdata(&self) -> &Path {
        self.folder.path()
    }
}

pub struct Place {
    /// Configuration and log; databases.
    home: TempDir,
    state: TempDir,
    /// The one that is flooded. It serves stock games as well.
    pub flooded: Server,
    pub other: Server,
    pub secret: String,
    pub log: Option<SocketAddr>,
}

impl Place {
    /// `state_on_disk`: not on the file system of the scriptdata folders.
    pub fn new(settings: &Settings, state_on_disk: bool, with_log: bool) -> io::Result<Self> {
        let home = TempDir::with_prefix_in("vpid-floods-", &settings.disk)?;
        for name in ["same.db", "other.db"] {
            let connection = Connection::open(home.path().join(name));
            let made = connection.and_then(|connection| {
                connection.execute_batch(&format!("{CREATE}; {}", others::CREATE))
            });
            made.map_err(io::Error::other)?;
        }
        let of_state = if state_on_disk {
            &settings.disk
        } else {
            &settings.dir
        };
        Ok(Self {
            home,
            state: TempDir::with_prefix_in("vpid-floods-", of_state)?,
            flooded: Server::new(&settings.dir)?,
            other: Server::new(&settings.dir)?,
            secret: letters(128),
            log: match with_log {
                true => Some(UdpSocket::bind("127.0.0.1:0")?.local_addr()?),
                false => None,
            },
        })
    }

    pub fn database(&self) -> PathBuf {
        self.home.path().join("same.db")
    }

    fn configuration(&self) -> String {
        let database = |name: &str| {
            let path = self.home.path().join(name);
            format!("type = \"sqlite\"\npath = {path:?}\ndurability = \"normal\"\n")
        };
        let log = self.log.map_or(String::new(), |address| {
            format!("log_listen = \"{address}\"\nlog_secret = 12345\n")
        });
        format!(
            "state_dir = {:?}\ncall_deadline_ms = {}\n\
             [[server]]\nscriptdata = {:?}\nkey = {:?}\nlegacy_secret = {:?}\n{log}\
             [[server]]\nscriptdata = {:?}\nkey = {:?}\n\
             [database]\n{}[database.other]\n{}\
             [query.name]\ndatabase = \"other\"\nparams = {{ id = \"integer\" }}\n\
             sql = \"SELECT name FROM user_victim_rows WHERE id = :id\"\n",
            self.state.path().join("state"),
            DEADLINE.as_millis(),
            self.flooded.scriptdata(),
            self.flooded.key,
            self.secret,
            self.other.scriptdata(),
            self.other.key,
            database("same.db"),
            database("other.db"),
        )
    }

    /// Starts a build, without waiting for it.
    pub fn launch(&self, binary: &Path) -> io::Result<Daemon> {
        use std::os::unix::fs::PermissionsExt;
        let config = self.home.path().join("vpid.toml");
        fs::write(&config, self.configuration())?;
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
        let log = self.home.path().join("log");
        let child = Command::new(binary)
            .env_clear()
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Daemon { child, log })
    }

    /// Starts a build, and waits until it serves.
    pub fn start(&self, binary: &Path) -> io::Result<Daemon> {
        let mut daemon = self.launch(binary)?;
        let began = Instant::now();
        while !daemon.log().contains(" serves /") {
            if let Some(status) = daemon.child.try_wait()? {
                return Err(io::Error::other(format!("{status}: {}", daemon.log())));
            }
            if began.elapsed() > Duration::from_secs(20) {
                return Err(io::Error::other(format!(
                    "does not serve: {}",
                    daemon.log()
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(daemon)
    }
}

/// A running vpid, killed when dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// SIGTERM, and its end, waited for no longer than it promises to take.
    pub fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM)?;
        }
        let began = Instant::now();
        while self.is_running() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn letters(count: usize) -> String {
    let mut random = vpid::io::random::bytes();
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
    let picked = (0..count).map(|_| char::from(letters[usize::from(random() % 32)]));
    picked.collect()
}
