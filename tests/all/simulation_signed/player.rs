//! A game that signs, as the protocol asks of it: one session for each map, files in order, each
//! acknowledged, and asked for again where it cannot be believed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use vpid::limits::{SIGNED_CONTROL_WINDOW, SIGNED_WINDOW};
use vpid::protocol::signed::{self, Id, Keys};

use super::Folder;

pub const HOST: &str = "my_server";
pub const KEY: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

const AGAIN_MS: u64 = 1_000;
const REWRITE_MS: u64 = 10_000;
const ACK_MS: u64 = 500;

/// One script VM.
pub struct Player {
    session: Id,
    host_keys: Keys,
    keys: Option<Keys>,
    n: u64,
    m: u64,
    /// What was written and not acknowledged, and when the oldest was written.
    unacked: BTreeMap<u64, String>,
    since_ms: u64,
    waiting: VecDeque<Value>,
    /// What asks for a file again: goes past a full window.
    requests: Vec<Value>,
    /// When something that was read must be acknowledged.
    ack_due_ms: Option<u64>,
    asked: Option<(u64, u64)>,
    /// Calls that are written and not answered.
    pub open: BTreeSet<u64>,
    /// Numbers of the pushes that were read, in order.
    pub pushes: Vec<u64>,
}

impl Player {
    pub fn start(session: [u8; 16], folder: &mut Folder) -> Self {
        let player = Self {
            session: Id::from_random(session),
            host_keys: Keys::of_host(KEY, HOST),
            keys: None,
            n: 0,
            m: 0,
            unacked: BTreeMap::new(),
            since_ms: 0,
            waiting: VecDeque::new(),
            requests: Vec::new(),
            ack_due_ms: None,
            asked: None,
            open: BTreeSet::new(),
            pushes: Vec::new(),
        };
        player.say_hello(folder);
        player
    }

    fn say_hello(&self, folder: &mut Folder) {
        let name = signed::hello(HOST, self.session);
        let body = r#"{"version":1,"script":"0.1.0","map":"cp_test"}"#;
        if folder.read(&name).is_none() {
            folder.write(&name, &signed::seal(&self.host_keys.game, &name, 0, body));
        }
    }

    pub fn call(&mut self, id: u64) {
        self.open.insert(id);
        self.waiting.push_back(json!({
            "call": id, "func": "VPI_DB_UserInsert", "script": "x.nut", "wait": true,
            "kwargs": {"table": "user_x_t", "values": [id]},
        }));
    }

    pub fn owns(&self, name: &str) -> bool {
        name.contains(self.session.as_str())
    }

    /// For whoever looks for what went wrong.
    pub fn describe(&self) -> String {
        let unacked: Vec<u64> = self.unacked.keys().copied().collect();
        format!(
            "written {}, read {}, not acknowledged {unacked:?}",
            self.n, self.m
        )
    }

    /// One look at the folder. Gives the name of the file that was written, if one was.
    pub fn think(&mut self, folder: &mut Folder, now_ms: u64) -> Option<String> {
        let Some(keys) = self.keys.clone() else {
            self.look_for_welcome(folder, now_ms);
            return None;
        };
        self.read(&keys, folder, now_ms);
        self.write_again(folder, now_ms);
        let ack_is_due = self.ack_due_ms.is_some_and(|due| due <= now_ms);
        let control =
            (!self.requests.is_empty() || ack_is_due) && self.unacked.len() < SIGNED_CONTROL_WINDOW;
        let messages = !self.waiting.is_empty() && self.unacked.len() < SIGNED_WINDOW;
        if !messages && !control {
            return None;
        }
        let mut body = std::mem::take(&mut self.requests);
        let count = if messages {
            self.waiting.len().min(5)
        } else {
            0
        };
        body.extend(self.waiting.drain(..count));
        Some(self.write(&keys, &body, folder, now_ms))
    }

    /// The map ends: everything goes into a last file. Gives the calls of a game that never had a
    /// session: nobody was told of them.
    pub fn end(&mut self, folder: &mut Folder, now_ms: u64) -> BTreeSet<u64> {
        let Some(keys) = self.keys.clone() else {
            return std::mem::take(&mut self.open);
        };
        let messages: Vec<Value> = self.waiting.drain(..).collect();
        self.write(&keys, &messages, folder, now_ms);
        BTreeSet::new()
    }

    fn look_for_welcome(&mut self, folder: &mut Folder, now_ms: u64) {
        let name = signed::welcome(HOST, self.session);
        let file = folder.read(&name);
        // Others can write there, too: what is not signed is no welcome.
        let opened = file.and_then(|file| signed::open(&self.host_keys.vpid, &name, file).ok());
        let Some(opened) = opened else {
            if now_ms >= self.since_ms + REWRITE_MS {
                self.since_ms = now_ms;
                self.say_hello(folder);
            }
            return;
        };
        let body: Value = serde_json::from_slice(opened.body).expect("JSON");
        let nonce = Id::parse(body["nonce"].as_str().expect("a nonce")).expect("digits");
        self.keys = Some(self.host_keys.of_session(self.session, nonce));
        self.waiting
            .push_front(json!({"event": "map_start", "data": {"map": "cp_test"}}));
    }

    fn read(&mut self, keys: &Keys, folder: &Folder, now_ms: u64) {
        let next = self.m + 1;
        let name = signed::of_vpid(HOST, self.session, next);
        let Some(file) = folder.read(&name) else {
            return;
        };
        let Ok(opened) = signed::open(&keys.vpid, &name, file) else {
            let lately = self
                .asked
                .is_some_and(|(m, at)| m == next && now_ms < at + AGAIN_MS);
            if !lately {
                self.asked = Some((next, now_ms));
                self.requests.push(json!({ "again": next }));
            }
            return;
        };
        self.m = next;
        let before = self.unacked.len();
        self.unacked.retain(|n, _| *n > opened.ack);
        if self.unacked.len() < before {
            self.since_ms = now_ms;
        }
        let messages: Vec<Value> = serde_json::from_slice(opened.body).expect("JSON");
        if !messages.is_empty() {
            self.ack_due_ms.get_or_insert(now_ms + ACK_MS);
        }
        for message in messages {
            self.obey(&message, folder, now_ms);
        }
    }

    fn obey(&mut self, message: &Value, _folder: &Folder, now_ms: u64) {
        if let Some(id) = message["answer"].as_u64() {
            assert!(message.get("error").is_none(), "{message}");
            assert_eq!(message["value"], json!(1), "{message}");
            self.open.remove(&id);
        } else if message["message"].is_string() {
            self.pushes
                .push(message["data"].as_u64().expect("a number"));
        } else if let Some(n) = message["again"].as_u64() {
            // Written as if its time had passed.
            if self.unacked.contains_key(&n) {
                self.since_ms = now_ms.saturating_sub(REWRITE_MS);
            }
        } else {
            panic!("nobody asked for {message}");
        }
    }

    /// Writes what was not acknowledged for long once more, where it is not there.
    fn write_again(&mut self, folder: &mut Folder, now_ms: u64) {
        if self.unacked.is_empty() || now_ms < self.since_ms + REWRITE_MS {
            return;
        }
        self.since_ms = now_ms;
        for (n, text) in &self.unacked {
            let name = signed::of_game(HOST, self.session, *n);
            if folder.read(&name).is_none() {
                folder.write(&name, text);
            }
        }
    }

    fn write(
        &mut self,
        keys: &Keys,
        messages: &[Value],
        folder: &mut Folder,
        now_ms: u64,
    ) -> String {
        self.n += 1;
        let name = signed::of_game(HOST, self.session, self.n);
        let body = Value::Array(messages.to_vec()).to_string();
        let text = signed::seal(&keys.game, &name, self.m, &body);
        self.ack_due_ms = None;
        if self.unacked.is_empty() {
            self.since_ms = now_ms;
        }
        folder.write(&name, &text);
        self.unacked.insert(self.n, text);
        name
    }
}
