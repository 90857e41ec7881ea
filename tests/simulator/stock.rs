//! A game with the stock client: maps, calls, and reads of its responses in the stock pace.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vpid::game_side::forgetful::ForgetfulClient;
use vpid::protocol::names;
use vpid::protocol::stock::legacy;

use crate::book::What;
use crate::disk::FILE_CLOCK_MS;
use crate::world::Outside;

pub const SECRET: &[u8] = b"simulated-secret-of-32-letters.#";
/// The client takes local time for UTC-5.
const CLOCK_OFFSET_S: i64 = 5 * 3600;
const GRID_MS: u64 = 11 * 15;
const SLOW_MS: u64 = 66 * 15;

/// How a client behaves.
#[derive(Clone, Copy, Default)]
pub struct Manners {
    /// Overlooks callbacks as the stock client does; else it is a careful one.
    pub forgets: bool,
    pub calls_max: u64,
    /// Between most files.
    pub pause_ms: u64,
    /// Of a hundred echoes, so many fill a file, or fit into none.
    pub big_percent: u64,
    /// Of a hundred calls, so many are of functions of Python scripts.
    pub python_percent: u64,
    pub chains: bool,
    pub time_out_ms: u64,
    /// A map takes at least so long.
    pub map_ms_min: u64,
}

#[derive(Default)]
pub struct Game {
    server: usize,
    pub host: String,
    manners: Manners,
    pub map: u32,
    callbacks: ForgetfulClient,
    tick: i64,
    next_map_ms: u64,
    next_write_ms: u64,
    next_read_ms: u64,
    fast_reads: u32,
}

impl Game {
    pub fn new(server: usize, host: String, manners: Manners) -> Self {
        Self {
            server,
            host,
            manners,
            ..Self::default()
        }
    }

    /// When it does something next. `quiet`: it writes nothing more.
    pub fn next_ms(&self, quiet: bool) -> Option<u64> {
        let write = self.next_map_ms.min(self.next_write_ms);
        let write = (!quiet).then_some(write);
        let read = (!self.callbacks.waiting().is_empty()).then_some(self.next_read_ms);
        write.into_iter().chain(read).min()
    }

    pub fn play(&mut self, quiet: bool, out: &mut Outside) {
        let now_ms = out.now.ms;
        if !quiet && now_ms >= self.next_map_ms {
            self.begin_map(out);
            self.next_map_ms = now_ms + self.manners.map_ms_min + out.random.below(30_000);
        }
        if !quiet && now_ms >= self.next_write_ms {
            self.write(out);
            let pause_ms = match out.random.chance(30) {
                true => 15 + out.random.below(500),
                false => self.manners.pause_ms,
            };
            self.next_write_ms = now_ms + pause_ms;
        }
        if !self.callbacks.waiting().is_empty() && now_ms >= self.next_read_ms {
            self.read(out);
        }
    }

    fn begin_map(&mut self, out: &mut Outside) {
        self.map += 1;
        self.callbacks.forget();
        let name = names::restart(&self.host);
        out.write(self.server, name, self.map.to_string().into_bytes());
    }

    fn write(&mut self, out: &mut Outside) {
        let count = 1 + out.random.below(self.manners.calls_max);
        let calls: Vec<Value> = (0..count)
            .map(|_| self.call(self.manners.python_percent, out))
            .collect();
        let chains = if self.manners.chains {
            out.random.below(3)
        } else {
            0
        };
        let chains: Vec<Value> = (0..chains).map(|_| self.chain(out)).collect();
        // Never the same again, though a clock that jumps back shows a second twice.
        self.tick += 1;
        let unix = out.now.wall_s() + CLOCK_OFFSET_S;
        let identity = legacy::seal(SECRET, unix, || out.random.next() as u8);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = json!({
            "Calls": {"async": calls, "chain": chains},
            "Identity": {"enc": text(&identity.enc), "iv": text(&identity.iv), "timestamp": unix, "ticks": 0},
        });
        let name = names::calls(&self.host, unix, self.tick);
        out.write(self.server, name, file.to_string().into_bytes());
        self.next_read_ms = out.now.ms + GRID_MS;
        self.fast_reads = 6;
        // A change of the map takes longer than the file system's clock takes to tick: by their times, a call of the
        // map before is told from one of the new map.
        self.next_map_ms = self.next_map_ms.max(out.now.ms + FILE_CLOCK_MS);
    }

    fn call(&mut self, python_percent: u64, out: &mut Outside) -> Value {
        let callback = out.random.chance(70);
        let python = out.random.chance(python_percent);
        let what = match out.random.chance(60) {
            _ if python => What::Python,
            true => What::Insert,
            false => What::Echo,
        };
        let (number, token) = self.note(what, callback, out);
        let (function, kwargs) = match what {
            What::Insert => (
                "VPI_DB_UserInsert",
                json!({"table": "user_sim_t", "values": [number]}),
            ),
            What::Echo => {
                let big = out.random.chance(self.manners.big_percent);
                let size = out.random.below(if big { 20_000 } else { 300 });
                ("VPI_Ping", json!({"text": "x".repeat(size as usize)}))
            }
            What::Python => {
                let function = if out.random.chance(50) { "a.f" } else { "b.f" };
                (function, json!({"n": number}))
            }
        };
        if callback {
            self.callbacks.expect(token.clone());
        }
        json!({"token": token, "func": function, "kwargs": kwargs, "callback": callback, "script": "sim.nut"})
    }

    fn note(&mut self, what: What, callback: bool, out: &mut Outside) -> (i64, String) {
        let (host, map) = (&self.host, self.map);
        let token = |number| format!("_{map}_{number}_");
        let call = out.book.call(what, (host, map), callback, token);
        call.written_ms = Some(out.now.ms);
        (call.number, call.token.clone())
    }

    /// A chain, of which a call fails that would not fail after those behind it have run, and others
    /// cannot be called at all.
    fn chain(&mut self, out: &mut Outside) -> Value {
        let (number, _) = self.note(What::Insert, false, out);
        let fails = insert(out.book.never(number));
        let unknown = json!({"token": null, "func": "VPI_Nothing", "kwargs": null, "callback": false,
            "script": "sim.nut"});
        let nameless = json!({"token": null, "kwargs": 7, "callback": false, "script": "sim.nut"});
        // Where a function of a Python script is passed over, another call gives the response.
        let last = self.call(0, out);
        out.book.calls.last_mut().expect("a call").in_chain = true;
        json!([fails, nameless, insert(number), unknown, last])
    }

    fn read(&mut self, out: &mut Outside) {
        let now_ms = out.now.ms;
        let responses: BTreeMap<String, String> =
            out.disk.folders[self.server].read_and_empty(&self.host);
        let found = !responses.is_empty();
        loop {
            let reached = self.callbacks.read(|token| responses.contains_key(token));
            for token in &reached {
                let response = responses[token].clone();
                out.book.responded(&self.host, token, response, now_ms);
            }
            if self.manners.forgets || reached.is_empty() {
                break;
            }
        }
        self.fast_reads = match found {
            true => 0,
            false => self.fast_reads.saturating_sub(1),
        };
        let pause_ms = if self.fast_reads > 0 {
            GRID_MS
        } else {
            SLOW_MS
        };
        self.next_read_ms = now_ms + pause_ms;
        // The client gives up at last.
        let give_up_ms = self.manners.time_out_ms;
        let mut late = |token: &str| {
            let written_ms = out.book.of(&self.host, token).written_ms;
            written_ms.is_some_and(|ms| now_ms > ms + give_up_ms)
        };
        let over: Vec<String> = self.callbacks.waiting().to_vec();
        let over: Vec<String> = over.into_iter().filter(|token| late(token)).collect();
        while !self
            .callbacks
            .read(|token| over.iter().any(|it| it == token))
            .is_empty()
        {}
    }
}

fn insert(number: i64) -> Value {
    json!({"token": null, "func": "VPI_DB_UserInsert", "callback": false, "script": "sim.nut",
        "kwargs": {"table": "user_sim_t", "values": [number]}})
}
