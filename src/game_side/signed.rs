//! Plays the game's side of the signed protocol, at the level of files: for `call`, `bench` and
//! the tests. It writes files as the engine does, in place.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thiserror::Error;

use super::stock::{self, FolderWatch, GameCall};
use crate::io::random;
use crate::limits::{SIGNED_ACK_MS, SIGNED_WINDOW};
use crate::protocol::signed::messages::CallFailed;
use crate::protocol::signed::{self, FOLDER, Id, Keys, NO_MAP, NotAuthentic};

/// A response: its value, or its error.
pub type Answer = Result<Value, CallFailed>;

/// Why there is no session, or not any more.
#[derive(Debug, Error)]
pub enum SessionError {
    /// Of a file or folder, by its path or name.
    #[error("{0}: {1}")]
    File(String, io::Error),
    #[error("{0}: {1}")]
    NotAuthentic(String, NotAuthentic),
    #[error("{0}: {1}")]
    Unreadable(String, serde_json::Error),
    #[error("{0} holds no nonce")]
    NoNonce(String),
    /// No welcome came in this time.
    #[error(
        "vpid did not answer within {} s; is it running with this configuration?",
        .0.as_secs_f64()
    )]
    Late(Duration),
    /// vpid's reason.
    #[error("{0}")]
    Refused(String),
    #[error("vpid has ended this session: {0}")]
    Gone(String),
}

/// By what the operator reads, for tests.
impl PartialEq for SessionError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// One session of a host.
pub struct SignedGame {
    dir: PathBuf,
    pub host: String,
    pub session: Id,
    host_keys: Keys,
    keys: Keys,
    /// The number of the file that was written last.
    n: u64,
    /// The number of the file that was read last.
    m: u64,
    /// The number up to which vpid has read.
    acked: u64,
    /// The number up to which vpid knows that we have read.
    acknowledged: u64,
    last_call: u64,
    /// Messages that were read and not fetched yet.
    received: VecDeque<Value>,
    watch: FolderWatch,
}

impl SignedGame {
    /// Requests a session and waits for it.
    pub fn connect(
        scriptdata: &Path,
        host: &str,
        key: &[u8],
        timeout: Duration,
    ) -> Result<Self, SessionError> {
        let mut random = random::bytes();
        let session = Id::from_random(std::array::from_fn(|_| random()));
        let keys = Keys::of_host(key, host);
        let dir = scriptdata.join(FOLDER);
        let failed = |error| SessionError::File(dir.display().to_string(), error);
        fs::create_dir_all(&dir).map_err(failed)?;
        let watch = FolderWatch::new(&dir).map_err(failed)?;
        let mut game = Self {
            dir: dir.clone(),
            watch,
            host: host.to_string(),
            session,
            host_keys: keys.clone(),
            keys,
            n: 0,
            m: 0,
            acked: 0,
            acknowledged: 0,
            last_call: 0,
            received: VecDeque::new(),
        };
        let body = json!({
            "version": signed::VERSION,
            "script": env!("CARGO_PKG_VERSION"),
            "map": NO_MAP,
        });
        let name = signed::hello(host, session);
        let text = signed::seal(&game.host_keys.game, &name, 0, &body.to_string());
        game.write(&name, &text).map_err(failed)?;
        let welcome = signed::welcome(host, session);
        let found = game.wait_for_file(&welcome, timeout).map_err(failed)?;
        let Some(file) = found else {
            let _ = fs::remove_file(game.dir.join(&name));
            return Err(SessionError::Late(timeout));
        };
        let opened = signed::open(&game.host_keys.vpid, &welcome, &file)
            .map_err(|error| SessionError::NotAuthentic(welcome.clone(), error))?;
        let body: Value = serde_json::from_slice(opened.body).unwrap_or_default();
        if let Some(refused) = body["refused"].as_str() {
            return Err(SessionError::Refused(refused.to_string()));
        }
        let nonce = body["nonce"].as_str().and_then(Id::parse);
        let nonce = nonce.ok_or(SessionError::NoNonce(welcome))?;
        game.keys = game.host_keys.of_session(session, nonce);
        Ok(game)
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many more files may be written before one must have been acknowledged.
    pub fn room(&self) -> usize {
        SIGNED_WINDOW.saturating_sub((self.n - self.acked) as usize)
    }

    /// The name of the file that is written next.
    pub fn next_name(&self) -> String {
        signed::of_game(&self.host, self.session, self.n + 1)
    }

    /// The text of the next file, which counts as written.
    pub fn next_text(&mut self, messages: &[Value]) -> (String, String) {
        let name = self.next_name();
        self.n += 1;
        self.acknowledged = self.m;
        let body = Value::Array(messages.to_vec()).to_string();
        let text = signed::seal(&self.keys.game, &name, self.m, &body);
        (name, text)
    }

    /// Writes messages as the next file.
    pub fn send(&mut self, messages: &[Value]) -> io::Result<()> {
        let (name, text) = self.next_text(messages);
        self.write(&name, &text)
    }

    /// Writes calls as the next file; gives their numbers.
    pub fn send_calls(&mut self, calls: &[GameCall]) -> io::Result<Vec<u64>> {
        let mut messages = Vec::new();
        let first = self.last_call + 1;
        for call in calls {
            self.last_call += 1;
            let mut message = json!({
                "call": self.last_call,
                "func": call.function,
                "kwargs": call.kwargs,
                "script": call.script,
                "wait": call.callback,
            });
            if call.sql_texts {
                message["texts"] = "sql".into();
            }
            messages.push(message);
        }
        self.send(&messages)?;
        Ok((first..=self.last_call).collect())
    }

    /// Writes the file `n` with any body.
    pub fn write_body(&self, n: u64, body: &str) -> io::Result<()> {
        let name = signed::of_game(&self.host, self.session, n);
        self.write(&name, &signed::seal(&self.keys.game, &name, self.m, body))
    }

    /// Writes a file as the engine does: truncated, text, NUL.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        fs::write(self.dir.join(name), bytes)
    }

    /// The next message, once it is there; `None` when none comes in time.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Value>, SessionError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(message) = self.received.pop_front() {
                return Ok(Some(message));
            }
            if self.read_file()? {
                continue;
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(None);
            }
            let waited = self.watch.wait(deadline - now);
            waited.map_err(|error| self.failed(error))?;
        }
    }

    fn failed(&self, error: io::Error) -> SessionError {
        SessionError::File(self.dir.display().to_string(), error)
    }

    /// Reads the next file of vpid, if it is there.
    fn read_file(&mut self) -> Result<bool, SessionError> {
        let name = signed::of_vpid(&self.host, self.session, self.m + 1);
        let file = read(&self.dir.join(&name));
        let file = file.map_err(|error| SessionError::File(name.clone(), error))?;
        let Some(file) = file else { return Ok(false) };
        let opened = signed::open(&self.keys.vpid, &name, &file)
            .or_else(|_| signed::open(&self.host_keys.vpid, &name, &file))
            .map_err(|error| SessionError::NotAuthentic(name.clone(), error))?;
        self.m += 1;
        self.acked = opened.ack.max(self.acked);
        let messages: Vec<Value> = serde_json::from_slice(opened.body)
            .map_err(|error| SessionError::Unreadable(name, error))?;
        self.received.extend(messages);
        Ok(true)
    }

    /// Files that were read and not acknowledged by a file of ours.
    pub fn unread(&self) -> u64 {
        self.m - self.acknowledged
    }

    /// The answer to the call of this number: its value, or the text of its error. Messages of
    /// other kinds are passed over.
    pub fn answer(&mut self, id: u64, timeout: Duration) -> Result<Option<Answer>, SessionError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(message) = self.receive(left)? else {
                return Ok(None);
            };
            if let Some(why) = message["gone"].as_str() {
                return Err(SessionError::Gone(why.to_string()));
            }
            if message["answer"] == json!(id) {
                return Ok(Some(match message["error"].as_str() {
                    Some(error) => Err(CallFailed(error.to_string())),
                    None => Ok(message["value"].clone()),
                }));
            }
        }
    }

    /// Makes one call and waits for its answer.
    pub fn call(
        &mut self,
        call: GameCall,
        timeout: Duration,
    ) -> Result<Option<Answer>, SessionError> {
        let ids = self.send_calls(&[call]);
        let ids = ids.map_err(|error| self.failed(error))?;
        self.answer(ids[0], timeout)
    }

    /// Waits until a file of the folder changes.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        self.watch.wait(timeout).map(drop)
    }

    /// Acknowledges what was read, so that nothing is left behind.
    pub fn leave(&mut self) -> io::Result<()> {
        // An acknowledgement of vpid's that comes after this would be left behind.
        let until = Instant::now() + Duration::from_millis(2 * SIGNED_ACK_MS);
        while self.room() < SIGNED_WINDOW && Instant::now() < until {
            if self.receive(Duration::from_millis(5)).is_err() {
                break;
            }
        }
        let name = self.next_name();
        self.send(&[])?;
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.dir.join(&name).exists() && Instant::now() < deadline {
            self.watch.wait(Duration::from_millis(5))?;
        }
        Ok(())
    }

    fn wait_for_file(&self, name: &str, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + timeout;
        loop {
            let (found, now) = (read(&self.dir.join(name))?, Instant::now());
            if found.is_some() || now >= deadline {
                return Ok(found);
            }
            self.watch.wait(deadline - now)?;
        }
    }
}

/// A file up to its NUL; `None` while it is not there.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(mut bytes) = stock::read(path)? else {
        return Ok(None);
    };
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    Ok(Some(bytes))
}
