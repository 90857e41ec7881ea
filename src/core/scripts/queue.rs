//! What waits for a script, and what its process was sent and has not finished.
//!
//! A process gets a bounded number of events and calls beyond what it has finished; the rest waits here, events
//! up to a bound, calls as long as their callers. What waits outlives the process.

use std::collections::{BTreeSet, VecDeque};

use crate::core::Now;
use crate::limits;
use crate::protocol::script_channel::MessageId;

/// Something that waits for a script.
pub enum Item {
    /// The message.
    Event(String),
    /// `functions` has the call itself.
    Call(MessageId),
}

#[derive(Default)]
pub struct Queue {
    waiting: Waiting,
    sent: Sent,
    /// Events that found no room.
    pub dropped: u64,
}

#[derive(Default)]
struct Waiting {
    /// Each with the last call before it.
    events: VecDeque<(MessageId, String)>,
    event_bytes: usize,
    calls: BTreeSet<MessageId>,
    last_call: MessageId,
    /// That events are dropped was logged.
    is_full: bool,
}

#[derive(Default)]
struct Sent {
    /// Sizes of the events and calls that are not finished.
    unfinished: VecDeque<usize>,
    unfinished_bytes: usize,
    /// Calls that were not answered. An `async` one is finished before that.
    calls: usize,
    /// When it last finished something, or got something to do.
    progress_ms: u64,
    interrupted: bool,
    /// What is written to the process at the end of this turn.
    line: String,
}

/// What to do with a process that finishes nothing.
pub enum Stuck {
    Interrupt,
    Kill,
}

impl Queue {
    pub fn len(&self) -> usize {
        let Waiting { events, calls, .. } = &self.waiting;
        events.len() + calls.len() + self.sent.unfinished.len()
    }

    /// There are no more calls than may be under way at all.
    pub fn push_call(&mut self, call: MessageId) {
        self.waiting.calls.insert(call);
        self.waiting.last_call = call;
    }

    /// A call has ended, or its caller waits no longer.
    pub fn call_ended(&mut self, call: MessageId) {
        if !self.waiting.calls.remove(&call) {
            self.sent.calls = self.sent.calls.saturating_sub(1);
        }
    }

    /// False: there is no room. `most`: events that may wait; `script`: the name, for the log.
    pub fn push_event(&mut self, event: String, most: usize, script: &str) -> bool {
        let waiting = &mut self.waiting;
        let count = waiting.events.len();
        let bytes = waiting.event_bytes + event.len();
        if count >= most || bytes > limits::SCRIPT_QUEUE_BYTES_MAX {
            self.dropped += 1;
            if !std::mem::replace(&mut waiting.is_full, true) {
                log::warn!(
                    script:% = script; "script {script}: it does not keep up, and {count} events wait: further ones are \
                     dropped"
                );
            }
            return false;
        }
        waiting.event_bytes = bytes;
        waiting.events.push_back((waiting.last_call, event));
        true
    }

    /// Takes what the process has room for.
    pub fn next(&mut self, script: &str) -> Option<Item> {
        let room = self.sent.unfinished.len() < limits::SCRIPT_WINDOW
            && self.sent.unfinished_bytes < limits::SCRIPT_WINDOW_BYTES;
        if !room {
            return None;
        }
        let waiting = &mut self.waiting;
        let call = waiting.calls.first().copied();
        let is_next = |(last, _): &(MessageId, String)| call.is_none_or(|call| *last < call);
        let item = if waiting.events.front().is_some_and(is_next) {
            let (_, event) = waiting.events.pop_front()?;
            waiting.event_bytes -= event.len();
            Item::Event(event)
        } else {
            let call = waiting.calls.pop_first()?;
            self.sent.calls += 1;
            Item::Call(call)
        };
        let is_empty = waiting.events.is_empty() && waiting.calls.is_empty();
        if is_empty && std::mem::take(&mut waiting.is_full) {
            let dropped = self.dropped;
            log::info!(script:% = script; "script {script}: it keeps up again; {dropped} events were dropped so far");
        }
        Some(item)
    }

    /// Sends an event or a call, which the process acknowledges when it is finished.
    pub fn send_counted(&mut self, message: &str, now: Now) {
        let sent = &mut self.sent;
        if sent.unfinished.is_empty() {
            sent.progress_ms = now.mono_ms;
            sent.interrupted = false;
        }
        sent.unfinished.push_back(message.len());
        sent.unfinished_bytes += message.len();
        self.send(message);
    }

    pub fn send(&mut self, message: &str) {
        let line = &mut self.sent.line;
        line.push(if line.is_empty() { '[' } else { ',' });
        line.push_str(message);
    }

    /// What is to be written to the process now: a whole line.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.sent.line);
        (!line.is_empty()).then(|| {
            line.push_str("]\n");
            line.into_bytes()
        })
    }

    /// The process has finished so many. False: it was not sent as many.
    pub fn finished(&mut self, count: usize, now: Now) -> bool {
        let sent = &mut self.sent;
        for _ in 0..count {
            let Some(bytes) = sent.unfinished.pop_front() else {
                return false;
            };
            sent.unfinished_bytes -= bytes;
        }
        sent.progress_ms = now.mono_ms;
        sent.interrupted = false;
        true
    }

    /// Whether the process has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.sent.unfinished.is_empty() && self.sent.calls == 0
    }

    /// When the process must have finished something. `call_ms`: how long one function may run.
    pub fn stuck_due_ms(&self, call_ms: u64) -> Option<u64> {
        let sent = &self.sent;
        let grace_ms = if sent.interrupted {
            limits::SCRIPT_KILL_MS
        } else {
            0
        };
        (!sent.unfinished.is_empty()).then_some(sent.progress_ms + call_ms + grace_ms)
    }

    pub fn stuck(&mut self, call_ms: u64, now: Now) -> Option<Stuck> {
        self.stuck_due_ms(call_ms)
            .filter(|due| *due <= now.mono_ms)?;
        if std::mem::replace(&mut self.sent.interrupted, true) {
            // The report of its end is on its way.
            self.sent.progress_ms = now.mono_ms;
            return Some(Stuck::Kill);
        }
        Some(Stuck::Interrupt)
    }

    pub fn process_ended(&mut self) {
        self.sent = Sent::default();
    }

    /// Nothing waits for the script any more.
    pub fn clear(&mut self) {
        self.waiting = Waiting::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_calls_are_sent_in_their_order_without_calls_that_have_ended() {
        let mut queue = Queue::default();
        let push = |queue: &mut Queue, event: &str| queue.push_event(event.to_owned(), 10, "s");
        push(&mut queue, "a");
        queue.push_call(MessageId(3));
        push(&mut queue, "b");
        queue.push_call(MessageId(5));
        queue.push_call(MessageId(8));
        push(&mut queue, "c");
        queue.call_ended(MessageId(3));
        assert_eq!(queue.len(), 5);
        let order = std::iter::from_fn(|| match queue.next("s")? {
            Item::Event(event) => Some(event),
            Item::Call(MessageId(number)) => Some(number.to_string()),
        });
        assert_eq!(order.collect::<Vec<_>>(), ["a", "b", "5", "8", "c"]);
        queue.call_ended(MessageId(5));
        assert!(!queue.is_idle(), "one call runs");
        queue.call_ended(MessageId(8));
        assert!(queue.is_idle() && queue.len() == 0);
    }
}
