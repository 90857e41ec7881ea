//! The model of a game: maps, calls, and a client that reads its answers in the stock pace.

use std::collections::HashMap;

use serde_json::{Value, json};
use vpid::game_side::forgetful::ForgetfulClient;
use vpid::limits;
use vpid::protocol::names;
use vpid::protocol::stock::legacy;

use super::daemon::{Folder, ModelFile};
use super::lane::NEEDS;
use crate::support::Random;

pub const SECRET: &[u8] = b"simulated-secret-of-32-letters.#";
/// The client takes local time for UTC-5.
const CLOCK_OFFSET_S: i64 = 5 * 3600;
const GRID_MS: u64 = 11 * 15;
const SLOW_MS: u64 = 66 * 15;

/// How a client behaves.
#[derive(Clone, Copy)]
pub struct Manners {
    /// Overlooks callbacks as the stock client does; else it is a careful one.
    pub forgets: bool,
    pub calls_max: u64,
    /// Of a hundred echoes, so many fill a file, or fit into none.
    pub big_percent: u64,
    pub time_out_ms: u64,
    /// A map takes at least so long.
    pub map_ms_min: u64,
}

/// What became of a call.
pub struct Sent {
    pub number: Option<i64>,
    pub callback: bool,
    pub token: String,
    pub written_ms: u64,
    pub map: u32,
    /// The answer, and when it reached the callback.
    pub answer: Option<(String, u64)>,
}

pub struct Game {
    pub host: String,
    manners: Manners,
    pub map: u32,
    callbacks: ForgetfulClient,
    /// By token: the place in `sent`.
    places: HashMap<String, usize>,
    pub sent: Vec<Sent>,
    /// Numbers that must never be there.
    pub never: Vec<i64>,
    tick: i64,
    next_map_ms: u64,
    next_write_ms: u64,
    next_read_ms: u64,
    fast_reads: u32,
}

impl Game {
    pub fn new(host: &str, manners: Manners) -> Self {
        Self {
            host: host.into(),
            manners,
            map: 0,
            callbacks: ForgetfulClient::default(),
            places: HashMap::new(),
            sent: Vec::new(),
            never: Vec::new(),
            tick: 0,
            next_map_ms: 0,
            next_write_ms: 0,
            next_read_ms: 0,
            fast_reads: 0,
        }
    }

    /// What the game does in this moment. `quiet`: it writes nothing more.
    pub fn play(
        &mut self,
        folder: &mut Folder,
        now_ms: u64,
        quiet: bool,
        random: &mut Random,
        next_number: &mut i64,
    ) {
        if !quiet && now_ms >= self.next_map_ms {
            self.begin_map(folder, now_ms);
            self.next_map_ms = now_ms + self.manners.map_ms_min + random.below(30_000);
        }
        if !quiet && now_ms >= self.next_write_ms {
            self.write(folder, now_ms, random, next_number);
            let urgent = random.chance(30);
            self.next_write_ms = now_ms
                + if urgent {
                    15 + random.below(500)
                } else {
                    3_000
                };
        }
        if !self.callbacks.waiting().is_empty() && now_ms >= self.next_read_ms {
            self.read(folder, now_ms);
        }
    }

    fn begin_map(&mut self, folder: &mut Folder, now_ms: u64) {
        self.map += 1;
        self.callbacks.forget();
        self.tick = 0;
        folder.write(
            names::restart(&self.host),
            ModelFile::restart(&self.host, self.map, now_ms),
            now_ms,
        );
    }

    fn write(
        &mut self,
        folder: &mut Folder,
        now_ms: u64,
        random: &mut Random,
        next_number: &mut i64,
    ) {
        let count = 1 + random.below(self.manners.calls_max);
        let calls: Vec<Value> = (0..count)
            .map(|_| self.call(now_ms, random, next_number))
            .collect();
        let chains: Vec<Value> = (0..random.below(3))
            .map(|_| self.chain(now_ms, random, next_number))
            .collect();
        self.tick += 1;
        let unix = folder.wall_s(now_ms) + CLOCK_OFFSET_S;
        let identity = legacy::seal(SECRET, unix, || random.next() as u8);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = json!({
            "Calls": {"async": calls, "chain": chains},
            "Identity": {"enc": text(&identity.enc), "iv": text(&identity.iv), "timestamp": unix, "ticks": 0},
        });
        // A name can repeat in another map, and then overwrites: not here.
        let name = format!("{}/{}", self.map, names::calls(&self.host, unix, self.tick));
        let file = ModelFile::calls(&self.host, file.to_string().into_bytes(), now_ms);
        folder.write(name, file, now_ms);
        self.next_read_ms = now_ms + GRID_MS;
        self.fast_reads = 6;
    }

    fn call(&mut self, now_ms: u64, random: &mut Random, next_number: &mut i64) -> Value {
        let callback = random.chance(70);
        let token = format!("_{}_{}_", self.map, self.sent.len());
        let insert = random.chance(60);
        let (function, kwargs) = if insert {
            *next_number += 1;
            let kwargs = json!({"table": "user_sim_t", "values": [*next_number]});
            ("VPI_DB_UserInsert", kwargs)
        } else {
            let big = random.chance(self.manners.big_percent);
            let size = random.below(if big { 20_000 } else { 300 });
            ("VPI_Ping", json!({"text": "x".repeat(size as usize)}))
        };
        let number = insert.then_some(*next_number);
        self.note(Some(&token), number, callback, now_ms);
        if callback {
            self.callbacks.expect(token.clone());
        }
        json!({"token": token, "func": function, "kwargs": kwargs, "callback": callback, "script": "sim.nut"})
    }

    /// A chain, of which a call fails that would not fail after those behind it have run, and others
    /// cannot be called at all.
    fn chain(&mut self, now_ms: u64, random: &mut Random, next_number: &mut i64) -> Value {
        *next_number += 1;
        let number = *next_number;
        self.never.push(number + NEEDS);
        let fails = self.insert(number + NEEDS);
        let insert = self.insert(number);
        let unknown = json!({"token": null, "func": "VPI_Nothing", "kwargs": null, "callback": false,
            "script": "sim.nut"});
        let nameless = json!({"token": null, "kwargs": 7, "callback": false, "script": "sim.nut"});
        self.note(None, Some(number), false, now_ms);
        let mut chain = vec![fails, nameless, insert, unknown];
        chain.push(self.call(now_ms, random, next_number));
        json!(chain)
    }

    fn insert(&self, number: i64) -> Value {
        json!({"token": null, "func": "VPI_DB_UserInsert", "callback": false, "script": "sim.nut",
            "kwargs": {"table": "user_sim_t", "values": [number]}})
    }

    fn note(&mut self, token: Option<&str>, number: Option<i64>, callback: bool, now_ms: u64) {
        let token = token.unwrap_or_default().to_owned();
        self.places.insert(token.clone(), self.sent.len());
        self.sent.push(Sent {
            number,
            callback,
            token,
            written_ms: now_ms,
            map: self.map,
            answer: None,
        });
    }

    fn read(&mut self, folder: &mut Folder, now_ms: u64) {
        let answers = folder.read_and_empty(&self.host);
        let found = !answers.is_empty();
        let delivered = if self.manners.forgets {
            self.callbacks.read(|token| answers.contains_key(token))
        } else {
            let mut delivered = Vec::new();
            loop {
                let some = self.callbacks.read(|token| answers.contains_key(token));
                if some.is_empty() {
                    break delivered;
                }
                delivered.extend(some);
            }
        };
        for token in delivered {
            let sent = &mut self.sent[self.places[&token]];
            assert!(sent.callback && sent.answer.is_none());
            sent.answer = Some((answers[&token].clone(), now_ms));
        }
        self.fast_reads = if found {
            0
        } else {
            self.fast_reads.saturating_sub(1)
        };
        self.next_read_ms = now_ms
            + if self.fast_reads > 0 {
                GRID_MS
            } else {
                SLOW_MS
            };
        // The client gives up at last, which it looks for every half second.
        let give_up_ms = self.manners.time_out_ms;
        let (places, sent) = (&self.places, &self.sent);
        let late = |token: &str| now_ms > sent[places[token]].written_ms + give_up_ms;
        while !self.callbacks.read(late).is_empty() {}
    }

    /// Callbacks that gave up in vain, of calls before `until_ms`; those of an earlier map
    /// do not count.
    pub fn unanswered(&self, until_ms: u64) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| {
            sent.callback
                && sent.answer.is_none()
                && sent.map == self.map
                && sent.written_ms < until_ms
        })
    }
}

/// Nothing here takes longer than this to be answered, one way or the other.
pub const ANSWERED_WITHIN_MS: u64 = limits::CALL_DEADLINE_MS_DEFAULT + limits::FOREIGN_INPUT_MS;
