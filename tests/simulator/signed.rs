//! A game that signs, as the protocol asks of it: one session for each map, files in order, each
//! acknowledged, and asked for again where it cannot be believed.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use vpid::limits::{SIGNED_CONTROL_WINDOW, SIGNED_WINDOW};
use vpid::protocol::signed::{self, Id, Keys, Kind, parse_name};

use crate::book::What;
use crate::world::Outside;

pub const KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

const AGAIN_MS: u64 = 1_000;
const REWRITE_MS: u64 = 10_000;
const ACK_MS: u64 = 500;
/// How often most games look.
pub const LOOK_MS: u64 = 15;
pub const IDLE_LOOK_MS: u64 = 165;

/// How a game with our client behaves.
#[derive(Clone, Copy, Default)]
pub struct Manners {
    /// Between two calls, on average; 0: it calls nothing.
    pub call_ms: u64,
    /// Of a hundred calls, so many are of functions of Python scripts.
    pub python_percent: u64,
    /// A map takes at least so long.
    pub map_ms_min: u64,
    /// Between two looks while it waits for something, and while it does not.
    pub look_ms: u64,
    pub idle_look_ms: u64,
}

/// One game, with the script VM of its present map.
#[derive(Default)]
pub struct Game {
    pub server: usize,
    pub host: String,
    manners: Manners,
    pub map: u32,
    pub map_name: String,
    session: Option<Id>,
    keys: Option<Keys>,
    n: u64,
    m: u64,
    /// What was written and not acknowledged, and when the oldest was written.
    unacked: BTreeMap<u64, String>,
    since_ms: u64,
    /// Messages that wait for a file, with the numbers of the calls among them.
    waiting: VecDeque<(Value, Option<i64>)>,
    /// What asks for a file again: goes past a full window.
    requests: Vec<Value>,
    /// When something that was read must be acknowledged.
    ack_due_ms: Option<u64>,
    asked: Option<(u64, u64)>,
    /// Numbers of the pushes that were read on this map, in order.
    pushes: Vec<u64>,
    /// How many were read, on all maps.
    pub pushes_read: usize,
    open: usize,
    call_ms: u64,
    pub map_until_ms: u64,
    look_ms: u64,
    /// The next file that it writes is spoiled.
    pub spoil_next: bool,
    /// It writes, and reads nothing.
    pub is_deaf: bool,
}

impl Game {
    pub fn new(server: usize, host: String, manners: Manners) -> Self {
        Self {
            server,
            host,
            manners,
            map_name: "cp_first".into(),
            ..Self::default()
        }
    }

    fn session(&self) -> Id {
        self.session.expect("a map has begun")
    }

    fn host_keys(&self) -> Keys {
        Keys::of_host(KEY.as_bytes(), &self.host)
    }

    pub fn next_ms(&self, quiet: bool) -> u64 {
        match quiet {
            true => self.look_ms,
            false => self.look_ms.min(self.map_until_ms),
        }
    }

    pub fn play(&mut self, quiet: bool, out: &mut Outside) {
        let now_ms = out.now.ms;
        if !quiet && now_ms >= self.map_until_ms {
            if self.map > 0 {
                self.end_map(out);
            }
            self.begin_map(out);
            self.map_until_ms = now_ms + self.manners.map_ms_min + out.random.below(20_000);
        }
        if !quiet && self.manners.call_ms > 0 && now_ms >= self.call_ms {
            self.call(out);
            self.call_ms = now_ms + 1 + out.random.below(2 * self.manners.call_ms);
        }
        if now_ms >= self.look_ms {
            self.look(out);
            let busy = self.open > 0 || !self.unacked.is_empty() || !self.waiting.is_empty();
            let busy = busy || self.keys.is_none();
            self.look_ms = now_ms
                + if busy {
                    self.manners.look_ms
                } else {
                    self.manners.idle_look_ms
                };
        }
    }

    /// It is off until then. What it has not written is lost.
    pub fn rest_until(&mut self, ms: u64) {
        (self.map_until_ms, self.look_ms) = (ms, ms);
        self.keys = None;
    }

    /// vpid has acknowledged everything.
    pub fn has_told_all(&self) -> bool {
        self.waiting.is_empty() && self.unacked.is_empty()
    }

    pub fn begin_map(&mut self, out: &mut Outside) {
        let session = Id::from_random(std::array::from_fn(|_| out.random.next() as u8));
        let fresh = Self::new(self.server, self.host.clone(), self.manners);
        *self = Self {
            map: self.map + 1,
            map_name: self.map_name.clone(),
            session: Some(session),
            pushes_read: self.pushes_read,
            map_until_ms: self.map_until_ms,
            ..fresh
        };
        if let Some(engine) = out.engines.get_mut(self.server) {
            engine.change_map(&self.map_name);
        }
        self.say_hello(out);
        let data = json!({"map": self.map_name, "max_players": 24});
        self.tell(json!({"event": "map_start", "data": data}));
    }

    /// The map ends: everything goes into a last file. What a game that never had a session wanted to
    /// call is not written.
    fn end_map(&mut self, out: &mut Outside) {
        if let Some(keys) = self.keys.clone() {
            let messages = self.waiting.len();
            self.write(&keys, messages, out);
        }
    }

    /// Sends a message with the next file.
    pub fn tell(&mut self, message: Value) {
        self.waiting.push_back((message, None));
    }

    fn call(&mut self, out: &mut Outside) {
        let python = out.random.chance(self.manners.python_percent);
        let what = if python { What::Python } else { What::Insert };
        let host = (self.host.as_str(), self.map);
        let number = out
            .book
            .call(what, host, true, |number| number.to_string())
            .number;
        let (function, kwargs) = match what {
            What::Python => ("a.f", json!({"n": number})),
            _ => (
                "VPI_DB_UserInsert",
                json!({"table": "user_x_t", "values": [number]}),
            ),
        };
        let call = json!({"call": number, "func": function, "script": "x.nut", "wait": true, "kwargs": kwargs});
        self.open += 1;
        self.waiting.push_back((call, Some(number)));
    }

    /// A file of this session that its game could write again, if there is one; of `ours` also those
    /// of vpid.
    pub fn spoilable(&self, ours: bool, out: &mut Outside) -> Option<String> {
        let session = self.session();
        let is_free = |name: &&String| {
            let of_vpid = || matches!(parse_name(name).expect("a name").kind, Kind::Vpid(_));
            name.contains(session.as_str()) && !name.ends_with(".taken") && (ours || !of_vpid())
        };
        let files = &out.disk.folders[self.server].files;
        let free: Vec<&String> = files.keys().filter(is_free).collect();
        let place = out.random.below(free.len().max(1) as u64) as usize;
        free.get(place).map(|name| (*name).clone())
    }

    fn say_hello(&self, out: &mut Outside) {
        let name = signed::hello(&self.host, self.session());
        let body = json!({"version": 1, "script": "0.1.0", "map": self.map_name}).to_string();
        if out.disk.folders[self.server].read(&name).is_none() {
            let text = signed::seal(&self.host_keys().game, &name, 0, &body);
            out.write_text(self.server, &name, &text);
        }
    }

    /// One look at the folder.
    fn look(&mut self, out: &mut Outside) {
        let Some(keys) = self.keys.clone() else {
            return self.look_for_welcome(out);
        };
        if !self.is_deaf {
            self.read(&keys, out);
        }
        self.write_again(out);
        let ack_is_due = self.ack_due_ms.is_some_and(|due| due <= out.now.ms);
        let control =
            (!self.requests.is_empty() || ack_is_due) && self.unacked.len() < SIGNED_CONTROL_WINDOW;
        let window = if self.is_deaf {
            usize::MAX
        } else {
            SIGNED_WINDOW
        };
        let messages = !self.waiting.is_empty() && self.unacked.len() < window;
        if messages || control {
            let count = if messages {
                self.waiting.len().min(5)
            } else {
                0
            };
            self.write(&keys, count, out);
        }
    }

    fn look_for_welcome(&mut self, out: &mut Outside) {
        let name = signed::welcome(&self.host, self.session());
        let file = out.disk.folders[self.server].read(&name);
        // Others can write there, too: what is not signed is no welcome.
        let opened = file.and_then(|file| signed::open(&self.host_keys().vpid, &name, file).ok());
        let Some(opened) = opened else {
            if out.now.ms >= self.since_ms + REWRITE_MS {
                self.since_ms = out.now.ms;
                self.say_hello(out);
            }
            return;
        };
        let body: Value = serde_json::from_slice(opened.body).expect("JSON");
        let nonce = Id::parse(body["nonce"].as_str().expect("a nonce")).expect("digits");
        self.keys = Some(self.host_keys().of_session(self.session(), nonce));
    }

    fn read(&mut self, keys: &Keys, out: &mut Outside) {
        let now_ms = out.now.ms;
        let next = self.m + 1;
        let name = signed::of_vpid(&self.host, self.session(), next);
        let Some(file) = out.disk.folders[self.server].read(&name) else {
            return;
        };
        let Ok(opened) = signed::open(&keys.vpid, &name, file) else {
            let asked = self.asked;
            let lately = asked.is_some_and(|(m, at)| m == next && now_ms < at + AGAIN_MS);
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
            self.obey(&message, out);
        }
    }

    fn obey(&mut self, message: &Value, out: &mut Outside) {
        if message["answer"].is_u64() {
            let text = |key: &str| Some(message.get(key)?.to_string());
            let response = text("error").or_else(|| text("value")).expect("a value");
            let token = message["answer"].to_string();
            let is_open = out.book.of(&self.host, &token).response.is_none();
            self.open -= usize::from(is_open);
            out.book.responded(&self.host, &token, response, out.now.ms);
        } else if message["message"].is_string() {
            let number = message["data"].as_u64().expect("a number");
            // In order, and none twice.
            let before = self.pushes.last();
            assert!(before < Some(&number), "push {number} after {before:?}");
            self.pushes.push(number);
            self.pushes_read += 1;
        } else if let Some(n) = message["again"].as_u64() {
            // Written as if its time had passed.
            if self.unacked.contains_key(&n) {
                self.since_ms = out.now.ms.saturating_sub(REWRITE_MS);
            }
        } else {
            let expected = ["print", "hook", "prefixes"];
            let expected = expected.iter().any(|key| message.get(key).is_some());
            assert!(expected, "an unexpected message: {message}");
        }
    }

    /// Writes what was not acknowledged for long once more, where it is not there.
    fn write_again(&mut self, out: &mut Outside) {
        if self.unacked.is_empty() || self.is_deaf || out.now.ms < self.since_ms + REWRITE_MS {
            return;
        }
        self.since_ms = out.now.ms;
        for (n, text) in &self.unacked {
            let name = signed::of_game(&self.host, self.session(), *n);
            if out.disk.folders[self.server].read(&name).is_none() {
                out.write_text(self.server, &name, text);
            }
        }
    }

    /// Writes a file with so many of the messages that wait.
    fn write(&mut self, keys: &Keys, count: usize, out: &mut Outside) {
        self.n += 1;
        let name = signed::of_game(&self.host, self.session(), self.n);
        let mut messages = std::mem::take(&mut self.requests);
        for (message, number) in self.waiting.drain(..count) {
            messages.push(message);
            if let Some(number) = number {
                let call = out.book.of(&self.host, &number.to_string());
                call.written_ms = Some(out.now.ms);
            }
        }
        let body = Value::Array(messages).to_string();
        let text = signed::seal(&keys.game, &name, self.m, &body);
        self.ack_due_ms = None;
        if self.unacked.is_empty() {
            self.since_ms = out.now.ms;
        }
        out.write_text(self.server, &name, &text);
        if std::mem::take(&mut self.spoil_next) {
            out.spoil(self.server, &name);
        }
        self.unacked.insert(self.n, text);
    }
}
