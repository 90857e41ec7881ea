//! A model of the table in which a stock client keeps its callbacks, to know which answers it
//! forgets.
//!
//! The client runs through the table and deletes from it as it goes. When three quarters of the
//! places have become empty the interpreter packs the table into half its size, and the run goes
//! on at the old position, behind most of what is left. So a read that answers everything halves
//! what waits, no more; 40 callbacks take five reads, and a caller gives up after four. Answering
//! some and withholding others lets a run get further, and which ones follows from where each
//! stands. The model does what Squirrel's own table does, step by step.
//!
//! Where the model is wrong (the game made calls that it has not written yet), the answers that
//! were withheld come with the next read, and all is as if there were no model.
//!
//! `tests/game/callbacks.rs` holds the model against a real table.

use std::collections::HashMap;

use crate::limits;

/// A callback, by its place in [`Callbacks::slots`].
type Slot = u8;
/// A place in the table.
type Place = u16;

const FREE: Slot = Slot::MAX;
const NO_PLACE: Place = Place::MAX;

#[derive(Clone, Copy)]
struct Node {
    /// Or [`FREE`].
    slot: Slot,
    /// The next node whose key has the same main position, or [`NO_PLACE`].
    next: Place,
}

const EMPTY: Node = Node {
    slot: FREE,
    next: NO_PLACE,
};
const SMALLEST: usize = 4;
/// A table of that many callbacks, doubled once more while it is full.
const LARGEST: usize = 2 * limits::PLAN_CALLBACKS_MAX;

const _: () = assert!(limits::PLAN_CALLBACKS_MAX.is_power_of_two());
const _: () = assert!(limits::PLAN_CALLBACKS_MAX < FREE as usize);
const _: () = assert!(LARGEST < NO_PLACE as usize);

/// Squirrel's hash table: chained, with collisions put into free places from the end. It is
/// copied thousands of times while a plan is made, so it is plain memory.
#[derive(Clone)]
struct Table {
    nodes: [Node; LARGEST],
    size: usize,
    first_free: usize,
    used: usize,
}

impl Table {
    fn of_size(size: usize) -> Self {
        Self {
            nodes: [EMPTY; LARGEST],
            size,
            first_free: size - 1,
            used: 0,
        }
    }

    fn main_position(&self, slot: Slot, hashes: &[u32]) -> usize {
        hashes[slot as usize] as usize & (self.size - 1)
    }

    fn insert(&mut self, slot: Slot, hashes: &[u32]) {
        let mut place = self.main_position(slot, hashes);
        let present = self.nodes[place].slot;
        if present != FREE {
            let free = self.first_free;
            let home = self.main_position(present, hashes);
            if place > free && home != place {
                // The key here is not in its main position: it moves to the free place.
                let mut before = home;
                while self.nodes[before].next as usize != place {
                    before = self.nodes[before].next as usize;
                }
                self.nodes[before].next = free as Place;
                self.nodes[free] = self.nodes[place];
                self.nodes[place] = EMPTY;
            } else {
                self.nodes[free].next = self.nodes[place].next;
                self.nodes[place].next = free as Place;
                place = free;
            }
        }
        self.nodes[place].slot = slot;
        loop {
            let free = self.nodes[self.first_free];
            if free.slot == FREE && free.next == NO_PLACE {
                self.used += 1;
                return;
            }
            if self.first_free == 0 {
                break;
            }
            self.first_free -= 1;
        }
        // Full. The new key is among those that are put into the new table.
        self.repack(true, hashes);
    }

    fn repack(&mut self, must: bool, hashes: &[u32]) {
        let size = self.size;
        let new_size = if self.used >= size - size / 4 {
            size * 2
        } else if self.used <= size / 4 && size > SMALLEST {
            size / 2
        } else if must {
            size
        } else {
            return;
        };
        let old = self.nodes;
        self.nodes[..size.max(new_size)].fill(EMPTY);
        self.size = new_size;
        self.first_free = new_size - 1;
        self.used = 0;
        for node in old[..size].iter().filter(|node| node.slot != FREE) {
            self.insert(node.slot, hashes);
        }
    }

    fn remove_at(&mut self, place: usize, hashes: &[u32]) {
        self.nodes[place].slot = FREE;
        self.used -= 1;
        self.repack(false, hashes);
    }

    /// One run of the client over its table, deleting what is answered, and reporting each.
    fn read(&mut self, answered: &[bool], hashes: &[u32], mut reached: impl FnMut(Slot)) {
        let mut place = 0;
        while place < self.size {
            let slot = self.nodes[place].slot;
            if slot != FREE && answered[slot as usize] {
                self.remove_at(place, hashes);
                reached(slot);
            }
            place += 1;
        }
    }

    /// How many reads empty the table when each answers everything.
    fn reads_to_empty(&self, hashes: &[u32]) -> usize {
        let mut table = self.clone();
        let all = [true; limits::PLAN_CALLBACKS_MAX];
        let mut reads = 0;
        while table.used > 0 && reads < limits::PLAN_READS_MAX {
            table.read(&all, hashes, |_| {});
            reads += 1;
        }
        reads
    }
}

struct Callback {
    token: String,
    gives_up_ms: u64,
}

/// The callbacks of a host, as far as its call files name them.
pub struct Callbacks {
    table: Table,
    slots: Vec<Option<Callback>>,
    hashes: Vec<u32>,
    by_token: HashMap<String, Slot>,
    /// More at once than the model is kept for.
    too_many: bool,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            table: Table::of_size(SMALLEST),
            slots: Vec::new(),
            hashes: Vec::new(),
            by_token: HashMap::new(),
            too_many: false,
        }
    }
}

impl Callbacks {
    /// A caller waits for an answer, until the client must have forgotten it.
    pub fn expect(&mut self, token: &str, gives_up_ms: u64) {
        if self.by_token.len() >= limits::PLAN_CALLBACKS_MAX {
            self.too_many = true;
        }
        if self.too_many || self.by_token.contains_key(token) {
            return;
        }
        let callback = Callback {
            token: token.to_string(),
            gives_up_ms,
        };
        let slot = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.slots.push(None);
                self.hashes.push(0);
                self.slots.len() - 1
            }
        };
        self.slots[slot] = Some(callback);
        self.hashes[slot] = squirrel_hash(token.as_bytes());
        self.by_token.insert(token.to_string(), slot as Slot);
        self.table.insert(slot as Slot, &self.hashes);
    }

    /// The tokens that the client still waits for, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = &str> {
        self.by_token.keys().map(String::as_str)
    }

    /// Forgets those that the client has given up.
    pub fn forget_late(&mut self, now_ms: u64) {
        let is_late = |callback: &Option<Callback>| {
            callback.as_ref().is_some_and(|w| w.gives_up_ms <= now_ms)
        };
        let late: Vec<bool> = self.slots.iter().map(is_late).collect();
        while late.contains(&true) {
            let reached = self.read(&late);
            if reached.is_empty() {
                break;
            }
            self.forget(&reached);
        }
        if self.by_token.is_empty() {
            *self = Self::default();
        }
    }

    /// The client read a file with these tokens.
    pub fn were_read<'a>(&mut self, tokens: impl Iterator<Item = &'a str>) {
        let mut answered = vec![false; self.slots.len()];
        for token in tokens {
            if let Some(slot) = self.by_token.get(token) {
                answered[*slot as usize] = true;
            }
        }
        let reached = self.read(&answered);
        self.forget(&reached);
    }

    fn read(&mut self, answered: &[bool]) -> Vec<Slot> {
        let mut reached = Vec::new();
        self.table
            .read(answered, &self.hashes, |slot| reached.push(slot));
        reached
    }

    fn forget(&mut self, slots: &[Slot]) {
        for slot in slots {
            if let Some(callback) = self.slots[*slot as usize].take() {
                self.by_token.remove(&callback.token);
            }
        }
    }

    /// Which of the answers that are ready to withhold from the next read, so that all have been
    /// reached after so many reads. Mostly none.
    pub fn withhold<'a>(&self, ready: impl Iterator<Item = &'a str>, reads: usize) -> Vec<String> {
        if self.too_many || self.table.reads_to_empty(&self.hashes) <= reads {
            return Vec::new();
        }
        let ready: Vec<Slot> = ready
            .filter_map(|token| self.by_token.get(token))
            .copied()
            .collect();
        if ready.len() < 2 {
            return Vec::new();
        }
        let mut all = vec![false; self.slots.len()];
        for slot in &ready {
            all[*slot as usize] = true;
        }
        let best = self.search(&ready, all, reads.saturating_sub(1));
        if !ready.iter().any(|slot| best[*slot as usize]) {
            return Vec::new();
        }
        let withheld = ready.iter().filter(|slot| !best[**slot as usize]);
        withheld
            .filter_map(|slot| Some(self.slots[*slot as usize].as_ref()?.token.clone()))
            .collect()
    }

    /// Tries changes at random (from a fixed seed), keeps those that are no worse, and stops when
    /// it is good enough.
    fn search(&self, ready: &[Slot], all: Vec<bool>, goal: usize) -> Vec<bool> {
        let seed = self.hashes.iter().fold(1, |sum, hash| sum ^ hash);
        let mut random = Random(u64::from(seed) | 1);
        let mut present = (self.cost(&all), all);
        let mut best = present.clone();
        for round in 0..limits::PLAN_ROUNDS_MAX {
            if best.0.0 <= goal {
                break;
            }
            let mut next = present.1.clone();
            for _ in 0..1 + random.below(3) {
                let slot = ready[random.below(ready.len())] as usize;
                next[slot] = !next[slot];
            }
            let cost = self.cost(&next);
            let sideways = round % 7 == 0 && cost.0 <= present.0.0;
            if cost <= present.0 || sideways {
                present = (cost, next);
                if present.0 < best.0 {
                    best = present.clone();
                }
            }
        }
        best.1
    }

    /// The reads that would still be needed after this one, and what would still wait.
    fn cost(&self, answered: &[bool]) -> (usize, usize) {
        let mut table = self.table.clone();
        table.read(answered, &self.hashes, |_| {});
        (table.reads_to_empty(&self.hashes), table.used)
    }
}

/// How Squirrel hashes a text where its integers have 32 bits. A byte from 128 on is a negative
/// number to it, and widened as such. On a 64-bit server the hash has 64 bits, of which those that give
/// where a key stands are the same for texts as short as the client's tokens.
fn squirrel_hash(text: &[u8]) -> u32 {
    let step = (text.len() >> 5) | 1;
    let count = text.len() / step;
    text[..count].iter().fold(text.len() as u32, |hash, byte| {
        let wide = u32::from(i16::from(*byte as i8) as u16);
        hash ^ (hash << 5).wrapping_add(hash >> 2).wrapping_add(wide)
    })
}

/// Xorshift: the search must come out the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(count: usize, seed: u64) -> Callbacks {
        let mut random = Random(seed | 1);
        let mut callbacks = Callbacks::default();
        while callbacks.by_token.len() < count && !callbacks.too_many {
            callbacks.expect(&format!("_{:x}_", random.below(65_536)), 3_000);
        }
        callbacks
    }

    fn tokens(callbacks: &Callbacks) -> Vec<String> {
        callbacks.by_token.keys().cloned().collect()
    }

    #[test]
    fn a_client_that_is_answered_everything_forgets_half_at_each_read() {
        let mut callbacks = burst(40, 5);
        for left in [16, 8, 4] {
            let all = tokens(&callbacks);
            callbacks.were_read(all.iter().map(String::as_str));
            assert_eq!(callbacks.by_token.len(), left);
        }
    }

    #[test]
    fn bursts_of_forty_are_answered_within_the_four_reads_that_there_are() {
        for seed in 1..40 {
            let mut callbacks = burst(40, seed * 7919);
            for reads in (1..=4).rev() {
                let mut ready = tokens(&callbacks);
                ready.sort();
                let withheld = callbacks.withhold(ready.iter().map(String::as_str), reads);
                let given = ready.iter().filter(|token| !withheld.contains(token));
                callbacks.were_read(given.map(String::as_str));
            }
            assert_eq!(callbacks.by_token.len(), 0, "seed {seed}");
        }
    }

    #[test]
    fn few_callbacks_are_answered_at_once_and_in_full() {
        let callbacks = burst(12, 9);
        let ready = tokens(&callbacks);
        assert!(
            callbacks
                .withhold(ready.iter().map(String::as_str), 4)
                .is_empty()
        );
    }

    #[test]
    fn callers_that_gave_up_are_forgotten_and_the_model_starts_anew() {
        let mut callbacks = burst(300, 3);
        assert!(callbacks.too_many);
        callbacks.forget_late(2_999);
        assert_eq!(callbacks.by_token.len(), limits::PLAN_CALLBACKS_MAX);
        callbacks.forget_late(3_000);
        assert!(callbacks.by_token.is_empty() && !callbacks.too_many);
        assert_eq!(callbacks.table.size, SMALLEST);
    }

    /// Long texts are hashed in steps, of which the first few bytes count.
    #[test]
    fn texts_are_hashed_as_squirrel_hashes_them() {
        assert_eq!(squirrel_hash(b""), 0);
        assert_eq!(squirrel_hash(b"a"), 1 ^ (32 + 97));
        let long = [b'x'; 64];
        assert_eq!(squirrel_hash(&long), squirrel_hash_by_the_book(&long));
    }

    #[test]
    fn tokens_stand_in_the_same_places_on_64_bit_servers() {
        let wide = |text: &str| {
            let hash = text.len() as u64;
            text.bytes().fold(hash, |hash, byte| {
                hash ^ (hash << 5)
                    .wrapping_add(hash >> 2)
                    .wrapping_add(u64::from(byte))
            })
        };
        let mut random = Random(99);
        for _ in 0..2_000 {
            // As `UniqueString` makes them, the longest as well.
            let token = format!("_{:x}{:x}_", random.below(0x1000), random.below(0x100_0000));
            let place = |hash: u64| hash & (LARGEST as u64 - 1);
            let narrow = u64::from(squirrel_hash(token.as_bytes()));
            assert_eq!(place(narrow), place(wide(&token)), "{token}");
        }
    }

    fn squirrel_hash_by_the_book(text: &[u8]) -> u32 {
        let (mut hash, mut left, step) = (text.len() as u32, text.len(), (text.len() >> 5) | 1);
        let mut at = 0;
        while left >= step {
            let byte = text[at] as i8 as u16;
            hash ^= (hash << 5)
                .wrapping_add(hash >> 2)
                .wrapping_add(u32::from(byte));
            at += 1;
            left -= step;
        }
        hash
    }
}
