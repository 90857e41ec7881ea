//! Plays the game's side of the stock protocol, at the level of files: for `call`, `bench`,
//! `demo` and the tests. It writes and empties files as the engine does, in place.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use serde_json::{Map, Value, json};

use crate::limits;
use crate::protocol::game_json;
use crate::protocol::names;
use crate::protocol::stock::legacy::{self, Identity};
use crate::protocol::stock::response_file;

/// One host of a scriptdata folder.
pub struct Game {
    dir: PathBuf,
    pub host: String,
    secret: Vec<u8>,
    tick: i64,
    tokens: u64,
    last_file: Option<String>,
}

/// A call as a script would make it.
#[derive(Debug, Clone)]
pub struct GameCall {
    pub function: String,
    pub kwargs: Value,
    pub script: String,
    pub callback: bool,
    /// Texts among its values are SQL, as always in the stock protocol; the signed one says which.
    pub sql_texts: bool,
}

impl GameCall {
    pub fn new(script: &str, function: &str, kwargs: Value) -> Self {
        Self {
            function: function.into(),
            kwargs,
            script: script.into(),
            callback: true,
            sql_texts: false,
        }
    }

    /// As it stands in a call file.
    pub fn to_json(&self, token: &str) -> Value {
        json!({
            "token": token,
            "func": self.function,
            "kwargs": self.kwargs,
            "callback": self.callback,
            "script": self.script,
        })
    }
}

impl Game {
    pub fn new(dir: &Path, host: &str, secret: &[u8]) -> Self {
        // Ticks go on where no earlier file of this host can have been.
        let micros = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.subsec_micros());
        let (host, secret, tick) = (host.to_string(), secret.to_vec(), i64::from(micros));
        Self {
            dir: dir.to_path_buf(),
            host,
            secret,
            tick,
            tokens: 0,
            last_file: None,
        }
    }

    /// A map starts: what an earlier one waited for is forgotten.
    pub fn restart(&self) -> io::Result<()> {
        self.write(&names::restart(&self.host), "")?;
        self.write(&names::input(&self.host), "")
    }

    /// Writes one call file; gives the tokens of its calls, in order.
    pub fn send(&mut self, calls: &[GameCall]) -> io::Result<Vec<String>> {
        let (tokens, list) = self.encode(calls);
        self.send_list(json!({ "async": list }))?;
        Ok(tokens)
    }

    /// Writes a chain, as older clients do; its answer comes to the last token.
    pub fn send_chain(&mut self, calls: &[GameCall]) -> io::Result<Vec<String>> {
        let (tokens, list) = self.encode(calls);
        self.send_list(json!({ "async": [], "chain": [list] }))?;
        Ok(tokens)
    }

    fn encode(&mut self, calls: &[GameCall]) -> (Vec<String>, Vec<Value>) {
        let mut tokens = Vec::new();
        let mut list = Vec::new();
        for call in calls {
            self.tokens += 1;
            let token = format!("_{:x}_{}", std::process::id(), self.tokens);
            list.push(call.to_json(&token));
            tokens.push(token);
        }
        (tokens, list)
    }

    fn send_list(&mut self, calls: Value) -> io::Result<()> {
        let text = self.file_text(&calls);
        let name = self.next_name();
        self.write(&name, &text)?;
        self.last_file = Some(name);
        Ok(())
    }

    /// Removes the last call file, if no vpid has claimed it: it must not run some day when
    /// no caller expects it. True if it was still there.
    pub fn withdraw(&mut self) -> bool {
        let name = self.last_file.take();
        name.is_some_and(|name| fs::remove_file(self.path(&name)).is_ok())
    }

    /// The text of a call file with a fresh identity.
    pub fn file_text(&self, calls: &Value) -> String {
        let identity = legacy::seal(&self.secret, unix_s(), crate::io::random::bytes());
        let (enc, iv) = (
            String::from_utf8_lossy(&identity.enc),
            String::from_utf8_lossy(&identity.iv),
        );
        let identity =
            json!({"enc": enc, "iv": iv, "timestamp": identity.timestamp, "ticks": identity.ticks});
        json!({"Calls": calls, "Identity": identity}).to_string()
    }

    /// The name of the next call file. The tick stands still in none of our games.
    pub fn next_name(&mut self) -> String {
        self.tick += 1;
        names::calls(&self.host, unix_s(), self.tick)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(OsStr::from_bytes(&names::bytes(name)))
    }

    /// Writes a file as the engine does: truncated, text, NUL.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        fs::write(self.path(name), bytes)
    }

    /// Ends the game: no caller waits any more, and no file of this host stays behind.
    pub fn leave(&self) -> io::Result<()> {
        self.restart()?;
        let restart = self.path(&names::restart(&self.host));
        let watch = FolderWatch::new(&self.dir)?;
        let deadline = Instant::now() + Duration::from_secs(1);
        while restart.exists() && Instant::now() < deadline {
            watch.wait(Duration::from_millis(5))?;
        }
        for path in [restart, self.input_path()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub fn input_path(&self) -> PathBuf {
        self.path(&names::input(&self.host))
    }

    /// The text of the input file, as the engine would read it; `None` when there is nothing.
    pub fn peek(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut bytes) = read(&self.input_path())? else {
            return Ok(None);
        };
        if bytes.len() > limits::ENGINE_READ_BYTES_MAX || response_file::is_empty(&bytes) {
            return Ok(None);
        }
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(Some(bytes))
    }

    /// Empties the input file, by which the daemon knows that it was read.
    pub fn empty(&self) -> io::Result<()> {
        self.write(&names::input(&self.host), "")
    }

    /// Reads the answers that are there, checks who wrote them, and empties the file.
    pub fn fetch(&self) -> io::Result<Map<String, Value>> {
        let Some(bytes) = self.peek()? else {
            return Ok(Map::new());
        };
        let answers = self.decode(&bytes).ok_or_else(|| {
            io::Error::other(format!(
                "{} holds no answers of this secret",
                self.input_path().display()
            ))
        })?;
        self.empty()?;
        Ok(answers)
    }

    fn decode(&self, bytes: &[u8]) -> Option<Map<String, Value>> {
        let Ok(Value::Object(mut file)) = game_json::Reader::new(bytes).value() else {
            return None;
        };
        let identity = file.get("Identity")?;
        let text = |name: &str| Some(identity.get(name)?.as_str()?.as_bytes().to_vec());
        let number = |name: &str| identity.get(name)?.as_i64();
        let identity = Identity {
            enc: text("enc")?,
            iv: text("iv")?,
            timestamp: number("timestamp")?,
            ticks: number("ticks")?,
        };
        if !legacy::verify(&self.secret, &identity) {
            return None;
        }
        match file.remove("Calls") {
            Some(Value::Object(answers)) => Some(answers),
            _ => None,
        }
    }

    /// Waits until every token is answered. What is missing at the end is missing from the map.
    pub fn wait_for(&self, tokens: &[String], timeout: Duration) -> io::Result<Map<String, Value>> {
        let watch = FolderWatch::new(&self.dir)?;
        let deadline = Instant::now() + timeout;
        let mut answers = Map::new();
        loop {
            answers.extend(self.fetch()?);
            let now = Instant::now();
            if tokens.iter().all(|token| answers.contains_key(token)) || now >= deadline {
                return Ok(answers);
            }
            watch.wait(deadline - now)?;
        }
    }

    /// Makes one call and waits for its answer; `None` when none comes in time.
    pub fn call(&mut self, call: GameCall, timeout: Duration) -> io::Result<Option<Value>> {
        let tokens = self.send(&[call])?;
        Ok(self.wait_for(&tokens, timeout)?.remove(&tokens[0]))
    }
}

fn unix_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs() as i64)
}

/// Reports when files of a folder are put in place.
pub struct FolderWatch {
    /// None where the system gives none: then the folder is looked at now and then.
    inotify: Option<OwnedFd>,
}

impl FolderWatch {
    pub fn new(dir: &Path) -> io::Result<Self> {
        // A folder that is not there is an error; a system without a free watch is none.
        fs::metadata(dir)?;
        let made = || {
            let inotify =
                inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            let flags = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE;
            inotify::add_watch(&inotify, dir, flags)?;
            Ok::<_, rustix::io::Errno>(inotify)
        };
        let inotify = made().ok();
        Ok(Self { inotify })
    }

    /// Waits for a change, but never longer than it takes to notice one that was missed. Gives
    /// the names of what changed.
    pub fn wait(&self, timeout: Duration) -> io::Result<Vec<String>> {
        let timeout = timeout.min(Duration::from_millis(20));
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(timeout);
            return Ok(Vec::new());
        };
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut fds = [PollFd::new(inotify, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut names = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if let Some(Ok(name)) = event.file_name().map(|name| name.to_str()) {
                names.push(name.to_string());
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        Ok(names)
    }
}
/// A file; `None` while it is not there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
