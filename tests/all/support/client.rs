//! A host that is read as the stock client does.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use vpid::game_side::forgetful::ForgetfulClient;

use super::Host;

/// Reads a host's answers as the stock client does, forgetting every second one.
pub struct ForgetfulReader {
    callbacks: ForgetfulClient,
    pub delivered: HashMap<String, Value>,
    /// Answers that were there and did not reach their callback in that read.
    pub overlooked: usize,
}

impl ForgetfulReader {
    pub fn new(tokens: &[String]) -> Self {
        let mut callbacks = ForgetfulClient::default();
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
        while !self.callbacks.waiting().is_empty() && began.elapsed() < time_out {
            self.read(host);
            thread::sleep(Duration::from_millis(11 * 15));
        }
    }

    pub fn read(&mut self, host: &Host) {
        let answers = host.fetch().expect("answers can be read");
        let pending = self.callbacks.waiting();
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
