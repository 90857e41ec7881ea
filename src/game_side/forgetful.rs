//! A client as forgetful as the stock one, for the demo and the tests.
//!
//! The stock client deletes from its table of callbacks while it iterates over it, and so overlooks a part of the
//! answers that it reads together. What it overlooked goes on waiting until it times out, unless the answer
//! comes once more. This one overlooks every second of them. It is independent on purpose of the exact model in
//! `core::callbacks`, by which vpid decides what to repeat.

/// The callers that wait for an answer, in their order.
#[derive(Default)]
pub struct ForgetfulClient {
    waiting: Vec<String>,
}

impl ForgetfulClient {
    pub fn expect(&mut self, token: String) {
        self.waiting.push(token);
    }

    pub fn waiting(&self) -> &[String] {
        &self.waiting
    }

    /// A map ends: no caller waits any more.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Reads a file in which these tokens are answered. Gives those that reached their callback.
    pub fn read(&mut self, answered: impl Fn(&str) -> bool) -> Vec<String> {
        let mut reached = Vec::new();
        let mut at = 0;
        while at < self.waiting.len() {
            if answered(&self.waiting[at]) {
                // What is behind it moves up, to where the reader has been.
                reached.push(self.waiting.remove(at));
            }
            at += 1;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_many_answers_is_overlooked_and_read_when_repeated() {
        let mut client = ForgetfulClient::default();
        (0..8).for_each(|n| client.expect(n.to_string()));
        assert!(client.read(|_| false).is_empty());
        assert_eq!(client.read(|token| token != "1"), ["0", "2", "4", "6"]);
        let reached: Vec<usize> = (0..3).map(|_| client.read(|_| true).len()).collect();
        assert_eq!(reached, [2, 1, 1]);
        assert!(client.waiting().is_empty());
    }
}
