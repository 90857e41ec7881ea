//! One connection: request after request, answered, or treated as a fault says.

use std::net::TcpStream;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::Shared;
use crate::answer::Answer;
use crate::check::{self, BASE};
use crate::http::{self, Received};
use crate::state::RequestRecord;

pub fn serve(stream: &TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    while let Ok(Some(received)) = http::receive(stream) {
        if !serve_one(stream, shared, &received) {
            return;
        }
    }
}

/// Gives whether the connection goes on.
fn serve_one(stream: &TcpStream, shared: &Shared, received: &Received) -> bool {
    let number = shared.note(received);
    let answer = shared.carry_out(received, number);
    shared.tell(number, answer.status);
    if http::finish(stream).is_err() {
        return false;
    }
    let close = received.malformed.is_some()
        || received
            .header("connection")
            .is_some_and(|value| value == "close");
    let bytes = shared.bytes(&answer, close);
    http::write(stream, &bytes).is_ok() && !close
}

impl Shared {
    /// Puts a request into the log, and gives its place there.
    fn note(&self, received: &Received) -> usize {
        let mut state = self.lock();
        let path = received.target.strip_prefix(BASE);
        let record = RequestRecord {
            at: state.now(),
            method: received.method.clone(),
            path: path.unwrap_or(&received.target).to_owned(),
            body: serde_json::from_slice(&received.body).unwrap_or(Value::Null),
            status: None,
            applied: false,
        };
        state.requests.push(record);
        self.changed.notify_all();
        state.requests.len() - 1
    }

    fn carry_out(&self, received: &Received, number: usize) -> Answer {
        let mut state = self.lock();
        let answer = check::answer(&mut state, received, &self.host);
        state.requests[number].applied = answer.applied;
        self.changed.notify_all();
        answer
    }

    fn tell(&self, number: usize, status: u16) {
        self.lock().requests[number].status = Some(status);
        self.changed.notify_all();
    }

    fn bytes(&self, answer: &Answer, close: bool) -> Vec<u8> {
        let turn = self.answers.fetch_add(1, Ordering::SeqCst);
        answer.bytes(turn, self.lock().now(), close)
    }
}
