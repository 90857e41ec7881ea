//! One connection: request after request, answered, or treated as a fault says.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::Shared;
use crate::answer::{Answer, http_date};
use crate::check::{self, BASE};
use crate::faults::{Fault, Page, Picked, RetryAfter};
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
    let path = below(received);
    let Picked { mut fault, skew_ms } = shared.faults.pick(&received.method, path);
    if shared.lock().is_too_much() {
        fault = Some(Fault::TooManyRequests(RetryAfter::Seconds(1)));
    }
    match fault {
        Some(Fault::HangBefore) => {
            http::hang(stream);
            return false;
        }
        Some(Fault::ResetBefore) => return false,
        Some(Fault::Late(ms)) => thread::sleep(Duration::from_millis(ms)),
        _ => {}
    }
    let answer = match fault.as_ref().and_then(|fault| shared.instead(fault)) {
        Some(answer) => answer,
        None => shared.carry_out(received, number, skew_ms),
    };
    let answer = match fault {
        Some(Fault::HangAfterApplying) => {
            http::hang(stream);
            return false;
        }
        Some(Fault::ResetAfterApplying) => return false,
        Some(Fault::CloseAfterApplying) => {
            let _ = http::finish(stream);
            return false;
        }
        Some(ref fault) => spoilt(answer, fault),
        None => answer,
    };
    shared.tell(number, answer.status);
    if http::finish(stream).is_err() {
        return false;
    }
    let asked = received
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let closes = received.malformed.is_some() || asked;
    let goes_on = send(stream, shared, &answer, fault.as_ref(), skew_ms, closes) && !closes;
    if received.malformed.is_some() {
        // Closed at once, with something unread, it would be reset, and the answer lost.
        let _ = stream.shutdown(Shutdown::Write);
        http::hang(stream);
    }
    goes_on
}

fn send(
    stream: &TcpStream,
    shared: &Shared,
    answer: &Answer,
    fault: Option<&Fault>,
    skew_ms: i64,
    closes: bool,
) -> bool {
    let turn = shared.answers.fetch_add(1, Ordering::SeqCst);
    // Answers with odd numbers come in chunks.
    let turn = match fault {
        Some(Fault::CutJson) => turn * 2,
        Some(Fault::CutChunked) => turn * 2 + 1,
        _ => turn,
    };
    let bytes = answer.bytes(turn, ahead(skew_ms), closes);
    match fault {
        Some(Fault::CutJson | Fault::CutChunked) => {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            let head = head.unwrap_or_default() + 4;
            let _ = http::write(stream, &bytes[..head + (bytes.len() - head) / 2]);
            false
        }
        Some(Fault::Trickle(pause_ms)) => bytes.iter().all(|byte| {
            thread::sleep(Duration::from_millis(*pause_ms));
            http::write(stream, &[*byte]).is_ok()
        }),
        _ => http::write(stream, &bytes).is_ok(),
    }
}

/// VyHub's answer after what a fault did to it.
fn spoilt(mut answer: Answer, fault: &Fault) -> Answer {
    match fault {
        Fault::StatusAfterApplying(status, page) => error(*status, *page),
        Fault::InvalidJson => {
            answer.body = Arc::new(b"{\"id\": \"0000, \"items\": [}".to_vec());
            answer
        }
        Fault::Body(text) => {
            answer.body = Arc::new(text.as_bytes().to_vec());
            answer
        }
        Fault::WrongContentType => {
            answer.content_type = "text/plain";
            answer
        }
        _ => answer,
    }
}

fn error(status: u16, page: Page) -> Answer {
    match page {
        Page::Json => Answer::refused(status, "fault", "A fault of the test."),
        Page::Html => Answer::html(status),
        Page::Empty => {
            let mut answer = Answer::html(status);
            answer.body = Arc::default();
            answer
        }
    }
}

/// The time in so many milliseconds.
fn ahead(ms: i64) -> Timestamp {
    let now = Timestamp::now();
    let later = now.checked_add(SignedDuration::from_millis(ms));
    later.unwrap_or(now)
}

/// The path below the API's address, with its query.
fn below(received: &Received) -> &str {
    let path = received.target.strip_prefix(BASE);
    path.unwrap_or(&received.target)
}

impl Shared {
    /// The answer of somebody before VyHub, when a fault means one.
    fn instead(&self, fault: &Fault) -> Option<Answer> {
        match fault {
            Fault::Status(status, page) => Some(error(*status, *page)),
            Fault::Html200 => Some(Answer::html(200)),
            Fault::TooManyRequests(retry_after) => {
                let answer = Answer::sentence(429, "Too Many Requests");
                let after = match retry_after {
                    RetryAfter::Missing => return Some(answer),
                    RetryAfter::Seconds(seconds) => seconds.to_string(),
                    RetryAfter::Date(seconds) => http_date(ahead(*seconds as i64 * 1_000)),
                };
                Some(answer.with_header("Retry-After", after))
            }
            Fault::Redirect => {
                let location = format!("http://{}/elsewhere", self.host);
                Some(Answer::html(307).with_header("Location", location))
            }
            _ => None,
        }
    }

    /// Puts a request into the log, and gives its place there.
    fn note(&self, received: &Received) -> usize {
        let mut state = self.lock();
        let record = RequestRecord {
            at: Timestamp::now(),
            method: received.method.clone(),
            path: below(received).to_owned(),
            body: serde_json::from_slice(&received.body).unwrap_or(Value::Null),
            status: None,
            applied: false,
        };
        state.requests.push(record);
        self.changed.notify_all();
        state.requests.len() - 1
    }

    fn carry_out(&self, received: &Received, number: usize, skew_ms: i64) -> Answer {
        let mut state = self.lock();
        state.skew_ms = skew_ms;
        let answer = check::answer(&mut state, received, &self.host);
        state.skew_ms = 0;
        state.requests[number].applied = answer.applied;
        self.changed.notify_all();
        answer
    }

    fn tell(&self, number: usize, status: u16) {
        self.lock().requests[number].status = Some(status);
        self.changed.notify_all();
    }
}
