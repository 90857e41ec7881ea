//! Our files to one session: what waits to be sent, and what was sent and is not acknowledged.

use std::collections::VecDeque;

use crate::core::ids::{FileId, Ticket};
use crate::limits;
use crate::protocol::signed::messages::Push;

/// A message that is encoded, and what hangs on it.
pub struct Queued {
    pub text: String,
    pub what: What,
}

pub enum What {
    /// The answer to a call of this file; dropped at this time if it was not sent.
    Answer {
        file: FileId,
        expires_ms: u64,
    },
    Push(Pushed),
}

/// A push, with what is needed to send it to a later session.
pub struct Pushed {
    /// By which its sender knows it.
    pub ticket: Option<Ticket>,
    /// To be sent again in the next session, if this one ends without an acknowledgement.
    pub keep: bool,
    pub push: Push,
    /// The number of a call that wants a result.
    pub call: Option<u64>,
    /// How long it is as a message.
    pub bytes: usize,
}

/// A file that is not acknowledged.
pub struct Sent {
    pub m: u64,
    /// Its text; `None` when it was lost with an earlier run.
    pub text: Option<String>,
    pub written: bool,
    /// Call files whose answers are in it, each once per answer.
    answers: Vec<FileId>,
    pushes: Vec<Pushed>,
}

#[derive(Default)]
pub struct Outbound {
    /// Requests for a file again; they go first, and past a full window.
    requests: Vec<String>,
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    unacked: VecDeque<Sent>,
    last: u64,
    pub acked: u64,
    /// Up to which file of the game our last one acknowledges.
    pub told: u64,
    /// When what has come must be acknowledged to the game.
    pub ack_due_ms: Option<u64>,
    /// When files were last written again that the game seems unable to read.
    repeated_ms: Option<u64>,
}

impl Outbound {
    /// A session that an earlier run began.
    pub fn restore(acked: u64) -> Self {
        Self {
            last: acked,
            acked,
            ..Self::default()
        }
    }

    /// A file of an earlier run is still there, `None` if it is not authentic.
    pub fn restore_sent(&mut self, m: u64, text: Option<String>) {
        if m <= self.last {
            return;
        }
        // What is missing in between could not be written then: the game waits for it.
        for lost in self.last + 1..m {
            self.push_sent(lost, None);
        }
        self.push_sent(m, text);
    }

    fn push_sent(&mut self, m: u64, text: Option<String>) {
        self.last = m;
        let (answers, pushes) = (Vec::new(), Vec::new());
        let written = text.is_some();
        self.unacked.push_back(Sent {
            m,
            text,
            written,
            answers,
            pushes,
        });
    }

    pub fn enqueue(&mut self, queued: Queued) {
        self.queue_bytes += queued.text.len();
        self.queue.push_back(queued);
    }

    /// Messages that wait, not counting those in files.
    pub fn backlog(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of messages that wait, and of files that are not acknowledged.
    pub fn bytes(&self) -> usize {
        let sent = self.unacked.iter().filter_map(|sent| sent.text.as_ref());
        let sent: usize = sent.map(String::len).sum();
        let overhead = self.queue.len() * limits::ANSWER_OVERHEAD_BYTES;
        self.queue_bytes + overhead + sent
    }

    /// Whether nothing waits and all was read.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.queue.is_empty() && self.unacked.is_empty()
    }

    /// Whether so many bytes more may wait, where there is room for so many together.
    pub fn has_bytes_for(&self, more: usize, room: usize) -> bool {
        self.bytes() + more <= room
    }

    /// When what has come is to be acknowledged; never while the game leaves no room for that.
    pub fn ack_due_ms(&self) -> Option<u64> {
        let room = self.unacked.len() < limits::SIGNED_CONTROL_WINDOW;
        self.ack_due_ms.filter(|_| room)
    }

    pub fn request(&mut self, text: String) {
        if self.requests.len() < limits::SIGNED_WINDOW {
            self.requests.push(text);
        }
    }

    /// The next file to write: its number and body. It waits for [`Self::seal`].
    pub fn next_body(&mut self, host_bytes: usize, now_ms: u64) -> Option<(u64, String)> {
        let open = self.unacked.len();
        let messages = !self.queue.is_empty() && open < limits::SIGNED_WINDOW;
        let ack_is_due = self.ack_due_ms.is_some_and(|due| due <= now_ms);
        let control =
            (!self.requests.is_empty() || ack_is_due) && open < limits::SIGNED_CONTROL_WINDOW;
        if !messages && !control {
            return None;
        }
        let most = body_bytes_max(host_bytes);
        let mut body = format!("[{}", self.requests.join(","));
        self.requests.clear();
        let (mut answers, mut pushes) = (Vec::new(), Vec::new());
        while messages && let Some(next) = self.queue.front() {
            let full = body.len() + next.text.len() + 2 > most
                || body.len() >= limits::SIGNED_BODY_BYTES_AIM;
            if full && body.len() > 1 {
                break;
            }
            let Some(Queued { text, what }) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= text.len();
            if body.len() > 1 {
                body.push(',');
            }
            body.push_str(&text);
            match what {
                What::Answer { file, .. } => answers.push(file),
                What::Push(pushed) => pushes.push(pushed),
            }
        }
        body.push(']');
        self.last += 1;
        self.ack_due_ms = None;
        let (m, text, written) = (self.last, None, false);
        self.unacked.push_back(Sent {
            m,
            text,
            written,
            answers,
            pushes,
        });
        Some((m, body))
    }

    /// The signed text of the file `m`.
    pub fn seal(&mut self, m: u64, text: String) {
        if let Some(sent) = self.sent(m) {
            sent.text = Some(text);
        }
    }

    pub fn sent(&mut self, m: u64) -> Option<&mut Sent> {
        self.unacked.iter_mut().find(|sent| sent.m == m)
    }

    /// The file `m` was written: gives the call files whose answers are in it.
    pub fn written(&mut self, m: u64) -> Vec<FileId> {
        let Some(sent) = self.sent(m) else {
            return Vec::new();
        };
        sent.written = true;
        std::mem::take(&mut sent.answers)
    }

    /// Files whose text was lost with an earlier run.
    pub fn lost(&self) -> Vec<u64> {
        let lost = self.unacked.iter().filter(|sent| sent.text.is_none());
        lost.map(|sent| sent.m).collect()
    }

    /// Files that the game has not acknowledged although it had time; none where they were given a moment ago.
    pub fn unread(&mut self, now_ms: u64) -> Vec<u64> {
        let again_ms = |last: u64| last + limits::SIGNED_AGAIN_MS;
        if self.repeated_ms.is_some_and(|last| now_ms < again_ms(last)) {
            return Vec::new();
        }
        self.repeated_ms = Some(now_ms);
        self.unacked.iter().map(|sent| sent.m).collect()
    }

    /// Files that could not be written yet.
    pub fn unwritten(&self) -> Vec<u64> {
        let unwritten = self.unacked.iter().filter(|sent| !sent.written);
        unwritten.map(|sent| sent.m).collect()
    }

    /// The game has read everything up to `ack`. What it claims of files that were not sent is
    /// ignored.
    pub fn acknowledge(&mut self, ack: u64) -> Vec<Sent> {
        if ack > self.last || ack <= self.acked {
            return Vec::new();
        }
        self.acked = ack;
        let still = self.unacked.iter().position(|sent| sent.m > ack);
        let count = still.unwrap_or(self.unacked.len());
        self.unacked.drain(..count).collect()
    }

    /// Drops responses that no game waits for any more; gives their call files.
    pub fn expire(&mut self, now_ms: u64) -> Vec<FileId> {
        let is_late = |queued: &Queued| matches!(queued.what, What::Answer { expires_ms, .. } if expires_ms <= now_ms);
        if !self.queue.front().is_some_and(is_late) {
            return Vec::new();
        }
        let (late, kept): (VecDeque<_>, VecDeque<_>) = self.queue.drain(..).partition(is_late);
        self.queue = kept;
        self.queue_bytes = self.queue.iter().map(|queued| queued.text.len()).sum();
        late.into_iter()
            .filter_map(|queued| queued.file())
            .collect()
    }

    /// When the first answer in the queue is dropped.
    pub fn expires_ms(&self) -> Option<u64> {
        match self.queue.front()?.what {
            What::Answer { expires_ms, .. } => Some(expires_ms),
            What::Push(_) => None,
        }
    }

    /// The session has ended: its files, the call files whose responses no game gets, and its pushes
    /// in their order.
    pub fn end(self) -> (Vec<u64>, Vec<FileId>, Vec<Pushed>) {
        let (mut names, mut files, mut pushes) = (Vec::new(), Vec::new(), Vec::new());
        for sent in self.unacked {
            names.push(sent.m);
            files.extend(sent.answers);
            pushes.extend(sent.pushes);
        }
        for queued in self.queue {
            files.extend(queued.file());
            if let What::Push(pushed) = queued.what {
                pushes.push(pushed);
            }
        }
        (names, files, pushes)
    }
}

impl Queued {
    fn file(&self) -> Option<FileId> {
        match self.what {
            What::Answer { file, .. } => Some(file),
            What::Push(_) => None,
        }
    }
}

impl Sent {
    pub fn into_pushes(self) -> Vec<Pushed> {
        self.pushes
    }
}

/// The largest body of a file whose host has so long a name.
pub fn body_bytes_max(host_bytes: usize) -> usize {
    limits::SIGNED_FILE_BYTES_MAX - limits::SIGNED_FRAME_BYTES - host_bytes
}
