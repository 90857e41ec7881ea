//! How the stock client forgets: a model of its table of callbacks, and a reader with it.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Host;

/// The client's table of callbacks. It deletes from it while iterating over it, so each answer
/// that it finds makes it overlook the entry behind.
#[derive(Default)]
pub struct StockCallbacks {
    pending: Vec<String>,
}

impl StockCallbacks {
    pub fn expect(&mut self, token: String) {
        self.pending.push(token);
    }

    pub fn pending(&self) -> &[String] {
        &self.pending
    }

    /// A map ends: nobody waits any more.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// Reads a file in which these tokens are answered. Gives those that reached their callback.
    pub fn read(&mut self, answered: impl Fn(&str) -> bool) -> Vec<String> {
        let mut delivered = Vec::new();
        let mut at = 0;
        while at < self.pending.len() {
            if answered(&self.pending[at]) {
                delivered.push(self.pending.remove(at));
            }
            at += 1;
        }
        delivered
    }
}

/// Reads a host's answers as the stock client does, forgetting every second one.
pub struct ForgetfulReader {
    callbacks: StockCallbacks,
    pub delivered: HashMap<String, Value>,
    /// Answers that were there and did not reach their callback in that read.
    pub overlooked: usize,
}

impl ForgetfulReader {
    pub fn new(tokens: &[String]) -> Self {
        let mut callbacks = StockCallbacks::default();
        for token in tokens {
            callbacks.expect(token.clone());
        }
        Self {
            callbacks,
            delivered: HashMap::new(),
            overlooked: 0,
        }
    }

    /// Reads on the client's grid of 11 ticks until all is delivered or the callers time out.
    pub fn read_until(&mut self, host: &Host, time_out: Duration) {
        let began = Instant::now();
        while !self.callbacks.pending().is_empty() && began.elapsed() < time_out {
            self.read(host);
            thread::sleep(Duration::from_millis(11 * 15));
        }
    }

    pub fn read(&mut self, host: &Host) {
        let answers = host.fetch().expect("answers can be read");
        let pending = self.callbacks.pending();
        let found = pending.iter().filter(|token| answers.contains_key(*token));
        let found = found.count();
        let delivered = self.callbacks.read(|token| answers.contains_key(token));
        self.overlooked += found - delivered.len();
        for token in delivered {
            let value = answers[&token].clone();
            self.delivered.insert(token, value);
        }
    }
}
