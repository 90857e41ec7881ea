//! The process of a Python script, as vpid sees it: it answers, waits, asks back, hangs and crashes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use vpid::core::ScriptId;

use crate::random::Random;

/// What may go wrong, of a thousand messages each.
#[derive(Clone, Copy)]
pub struct Faults {
    pub crashes: u64,
    pub hangs: u64,
    pub fails_to_load: u64,
}

impl Faults {
    pub const NONE: Self = Self {
        crashes: 0,
        hangs: 0,
        fails_to_load: 0,
    };
}

#[derive(Default)]
pub struct Process {
    pub script: ScriptId,
    pub name: String,
    loaded: bool,
    inbox: VecDeque<Value>,
    hung: Option<Value>,
    /// A function that waits for an answer: the call's number, and what it asked.
    blocked: Option<(u64, u64)>,
    /// Functions that wait for something else.
    waiting: BTreeMap<u64, Value>,
    last_ask: u64,
    open_asks: BTreeSet<u64>,
    out: Vec<Value>,
    killed: bool,
}

/// What came of a moment of its life.
#[derive(Default)]
pub struct Moment {
    pub said: Vec<Value>,
    /// Numbers of calls that it carried out.
    pub executed: Vec<i64>,
    pub ended: bool,
}

impl Process {
    pub fn new(script: ScriptId, name: &str) -> Self {
        Self {
            script,
            name: name.into(),
            ..Self::default()
        }
    }

    pub fn take(&mut self, batch: Vec<Value>) {
        for message in batch {
            match message[0].as_str() {
                Some("a" | "n") => {
                    let id = message[1].as_u64().expect("a number");
                    assert!(self.open_asks.remove(&id), "{message} answers nothing");
                    if let Some((call, _)) = self.blocked.take_if(|(_, ask)| *ask == id) {
                        self.out.push(json!(["r", call, "asked"]));
                        self.out.push(json!(["ack", 1]));
                    }
                }
                Some("cancel") => {
                    let id = message[1].as_u64().expect("a number");
                    if self.waiting.remove(&id).is_some() {
                        self.out.push(json!(["x", id, "CancelledError", ""]));
                    }
                }
                _ => self.inbox.push_back(message),
            }
        }
    }

    pub fn interrupt(&mut self, random: &mut Random) {
        if random.chance(70)
            && let Some(call) = self.hung.take()
        {
            self.answer(&call, json!(["x", call[1], "Timeout", "too long"]));
        }
        if let Some((call, _)) = self.blocked.take() {
            self.out.push(json!(["x", call, "Timeout", "too long"]));
            self.out.push(json!(["ack", 1]));
        }
    }

    pub fn kill(&mut self) {
        self.killed = true;
    }

    /// Whether it does something soon.
    pub fn is_busy(&self) -> bool {
        let acts = !self.loaded || self.killed || !self.out.is_empty() || !self.waiting.is_empty();
        acts || (self.hung.is_none() && self.blocked.is_none() && !self.inbox.is_empty())
    }

    /// Events are finished without an answer.
    fn answer(&mut self, message: &Value, answer: Value) {
        match message[0].as_str() {
            Some("c") => self.out.push(answer),
            Some("g") => self.out.push(json!(["v", message[1], 1])),
            _ => {}
        }
        self.out.push(json!(["ack", 1]));
    }

    pub fn live(&mut self, faults: Faults, random: &mut Random) -> Moment {
        let mut moment = Moment::default();
        if self.killed || random.below(1_000) < faults.crashes / 4 {
            moment.ended = true;
            return moment;
        }
        if !self.loaded {
            self.load(faults, random, &mut moment);
        } else {
            for _ in 0..random.below(8) {
                self.handle(faults, random, &mut moment);
            }
            let ripe = self.waiting.keys().copied().find(|_| random.chance(20));
            if let Some(call) = ripe.and_then(|id| self.waiting.remove(&id)) {
                self.out.push(json!(["r", call[1], call[4]["n"]]));
            }
        }
        moment.said = std::mem::take(&mut self.out);
        moment
    }

    fn load(&mut self, faults: Faults, random: &mut Random, moment: &mut Moment) {
        if random.chance(70) {
            return;
        }
        if random.below(1_000) < faults.fails_to_load {
            self.out.push(json!(["failed", "SyntaxError: no"]));
            moment.ended = true;
            return;
        }
        self.loaded = true;
        let about =
            json!({"hooks": ["OnEvent", "OnPlayerChat"], "functions": ["f"], "python": "3"});
        self.out.push(json!(["ready", about]));
    }

    fn handle(&mut self, faults: Faults, random: &mut Random, moment: &mut Moment) {
        if moment.ended || self.hung.is_some() || self.blocked.is_some() {
            return;
        }
        let Some(message) = self.inbox.pop_front() else {
            return;
        };
        match message[0].as_str() {
            Some("unload") => {
                self.out.push(json!(["unloaded"]));
                moment.ended = true;
                return;
            }
            Some("check") => return self.out.push(json!(["r", message[1], null])),
            Some("c") => moment.executed.extend(message[4]["n"].as_i64()),
            _ => {}
        }
        let dice = random.below(1_000);
        if dice < faults.crashes {
            moment.ended = true;
        } else if dice < faults.crashes + faults.hangs {
            self.hung = Some(message);
        } else if message[0] != "c" || random.chance(40) {
            let answer = json!(["r", message[1], message[4]["n"]]);
            self.answer(&message, answer);
        } else if random.chance(40) {
            // It is async: it counts as finished when it waits for the first time.
            self.out.push(json!(["ack", 1]));
            let id = message[1].as_u64().expect("a number");
            self.waiting.insert(id, message);
        } else {
            self.ask(&message, faults, random);
        }
    }

    /// Asks another script, or vpid itself, and waits. Two that ask each other wait in vain.
    fn ask(&mut self, call: &Value, faults: Faults, random: &mut Random) {
        self.last_ask += 1;
        let id = self.last_ask;
        self.open_asks.insert(id);
        self.blocked = Some((call[1].as_u64().expect("a number"), id));
        let ask = match random.below(3) {
            0 => json!(["ask", id, "players", {}, 0]),
            1 if self.name == "a" || faults.crashes > 0 => {
                let other = if self.name == "a" { "b.f" } else { "a.f" };
                json!(["ask", id, "call", {"name": other, "args": [], "kwargs": {"m": 1}}, 0])
            }
            _ => json!(["ask", id, "call", {"name": "VPI_Ping", "args": [], "kwargs": null}, null]),
        };
        self.out.push(ask);
    }
}
