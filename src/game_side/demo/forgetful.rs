//! A client as forgetful as the stock one.
//!
//! The stock client deletes from its table of callbacks while it iterates over it, and so
//! overlooks a part of the answers that it reads together: of four or more, up to half. What it
//! overlooked goes on waiting until it times out, unless the answer comes once more.

use serde_json::{Map, Value};

/// Fewer answers than this in one read are all heard.
const HEARS_ALL_BELOW: usize = 4;

pub struct ForgetfulClient {
    waiting: Vec<String>,
}

impl ForgetfulClient {
    pub fn new(tokens: Vec<String>) -> Self {
        Self { waiting: tokens }
    }

    /// Takes what one read brought; gives how many callbacks were called.
    pub fn read(&mut self, answers: &Map<String, Value>) -> usize {
        let before = self.waiting.len();
        let there = self
            .waiting
            .iter()
            .filter(|token| answers.contains_key(*token))
            .count();
        let mut place = 0;
        self.waiting.retain(|token| {
            if !answers.contains_key(token) {
                return true;
            }
            place += 1;
            there >= HEARS_ALL_BELOW && place % 2 == 0
        });
        before - self.waiting.len()
    }

    /// Callbacks that were not called yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn half_of_many_answers_is_overlooked_and_heard_when_repeated() {
        let tokens: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        let answers: Map<String, Value> = tokens.iter().map(|t| (t.clone(), json!(1))).collect();
        let mut client = ForgetfulClient::new(tokens);
        assert_eq!(client.read(&Map::new()), 0);
        let heard: Vec<usize> = (0..4).map(|_| client.read(&answers)).collect();
        assert_eq!(heard, [4, 2, 2, 0]);
        assert_eq!(client.waiting(), 0);
    }
}
