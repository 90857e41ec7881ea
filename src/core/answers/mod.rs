//! The answers of one host: which stand in its input file, which are to be repeated, which are
//! past their time.
//!
//! A stock client forgets callbacks when several answers come in one read: it deletes from the
//! table over which it iterates. It ignores answers that it does not wait for. So an answer is
//! shown again until its caller must have timed out, never-fetched ones first, in the pace at
//! which the client reads; and what lies unfetched in the file is replaced, so that the first
//! read after a call finds its answer.
//!
//! An answer moves from `waiting` to `shown` to `fetched`, and between the last two while it is
//! repeated. In large bursts some are withheld from a read, so that the client reaches more
//! (`callbacks`).
//!
//! Only an answer that was alone in a file is known to have arrived. While a call runs, repetitions
//! wait a moment for its answer.

use super::callbacks::Callbacks;
use super::{FileId, InputState, Now};
use crate::limits;
use crate::protocol::stock::response_file;
use std::collections::{HashSet, VecDeque};

struct Answer {
    token: String,
    /// Encoded for the stock decoder.
    value: String,
    /// The call file it belongs to, which must not go before the answer was shown.
    file: FileId,
    /// When the call was taken.
    arrived_ms: u64,
    /// When this is dropped: unfetched ones after a while, fetched ones when their caller must
    /// have timed out.
    expires_ms: u64,
    /// The last time that somebody emptied the file with this in it.
    fetched_ms: Option<u64>,
    /// Was in the file once: its call file does not wait for it any more.
    reported: bool,
}

impl Answer {
    fn bytes(&self) -> usize {
        response_file::entry_bytes(&self.token, &self.value)
    }

    fn memory_bytes(&self) -> usize {
        self.bytes() + self.token.len() + limits::ANSWER_OVERHEAD_BYTES
    }
}

/// What is believed to be in the input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Input {
    #[default]
    Unknown,
    Empty,
    Foreign,
    /// What we wrote. `sure`: whoever empties it has read just this.
    Ours {
        sure: bool,
    },
    /// A write is under way; its outcome comes with the next event.
    Writing {
        sure: bool,
    },
}

/// What to put into the input file: tokens and encoded values. Empty means: empty it.
pub type Content = Vec<(String, String)>;

#[derive(Default)]
pub struct Answers {
    /// Never fetched and not in the file, oldest first.
    waiting: VecDeque<Answer>,
    /// In the file.
    shown: Vec<Answer>,
    /// Kept back from the file that is there; they come with the next.
    withheld: Vec<Answer>,
    /// Fetched at least once, the one fetched longest ago first.
    fetched: VecDeque<Answer>,
    callbacks: Callbacks,
    /// None of these expires before.
    expiry_ms: u64,
    /// What all of these take in memory.
    bytes: usize,
    /// Of all of these.
    tokens: HashSet<String>,
    input: Input,
    /// No repetition before this, so that a fresh answer is not kept waiting behind it.
    hold_repeats_until_ms: u64,
    /// After a failed write.
    retry_ms: u64,
    /// The last write.
    written_ms: u64,
    /// The last time that the client emptied the file.
    read_ms: Option<u64>,
    /// The file was filled without a plan, because it had just been read; one is made then.
    plan_ms: Option<u64>,
}

impl Answers {
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.shown.is_empty()
            && self.withheld.is_empty()
            && self.fetched.is_empty()
    }

    /// Whether nobody has looked at the input file yet.
    pub fn knows_nothing(&self) -> bool {
        self.input == Input::Unknown
    }

    /// What its answers take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Answers that nobody has fetched and that are not in the file.
    pub fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the client has ever emptied the file of answers.
    pub fn were_ever_read(&self) -> bool {
        self.read_ms.is_some()
    }

    /// A call was taken whose caller waits for an answer.
    pub fn expect(&mut self, token: &str, now: Now) {
        let gives_up_ms = now.mono_ms + limits::CLIENT_TIMEOUT_MS + limits::CLIENT_TIMEOUT_CHECK_MS;
        self.callbacks.expect(token, gives_up_ms);
    }

    /// Takes an answer in; `value` is encoded and fits into a file. False: there is one with
    /// this token, and a token that stands twice in a file voids it for the stock decoder.
    pub fn push(
        &mut self,
        token: String,
        value: String,
        file: FileId,
        arrived_ms: u64,
        now: Now,
    ) -> bool {
        if !self.tokens.insert(token.clone()) {
            return false;
        }
        let answer = Answer {
            token,
            value,
            file,
            arrived_ms,
            expires_ms: now.mono_ms + limits::ANSWER_EXPIRES_MS,
            fetched_ms: None,
            reported: false,
        };
        self.bytes += answer.memory_bytes();
        self.expiry_ms = match self.is_idle() {
            true => answer.expires_ms,
            false => self.expiry_ms.min(answer.expires_ms),
        };
        self.waiting.push_back(answer);
        true
    }

    /// A call of this host is under way: its answer is worth more than a repetition.
    pub fn hold_repeats(&mut self, now: Now) {
        self.hold_repeats_until_ms = now.mono_ms + limits::REPEAT_HOLD_MS;
    }

    /// No call of this host is under way any more.
    pub fn release_repeats(&mut self) {
        self.hold_repeats_until_ms = 0;
    }

    /// The input file was looked at.
    pub fn input_is(&mut self, state: InputState, now: Now) {
        self.input = match (state, self.input) {
            (InputState::Empty, Input::Ours { sure }) => {
                self.fetched(sure, now);
                Input::Empty
            }
            // Emptied just before our rename: what was read cannot be told.
            (InputState::Empty, Input::Writing { .. }) => Input::Writing { sure: false },
            (InputState::Empty, _) => Input::Empty,
            (InputState::Foreign, _) => Input::Foreign,
            // Of an earlier map: nothing of it is shown any more, so the file is emptied next.
            (InputState::Ours, Input::Unknown) => Input::Ours { sure: false },
            (InputState::Ours, input) => input,
        }
    }

    /// The client emptied the file: it has read what stood there. A lone answer cannot be lost.
    /// Where the file was replaced just before, the client may have read the one of before.
    fn fetched(&mut self, sure: bool, now: Now) {
        let sure = sure || now.mono_ms - self.written_ms >= limits::CLIENT_WIPE_MS_MAX;
        self.read_ms = Some(now.mono_ms);
        let tokens = self.shown.iter().map(|answer| answer.token.as_str());
        self.callbacks.were_read(tokens);
        if !sure {
            self.take_back();
        } else if let [lone] = &self.shown[..] {
            self.tokens.remove(&lone.token);
            self.bytes -= lone.memory_bytes();
            self.shown.clear();
        }
        for mut answer in self.shown.drain(..) {
            if answer.fetched_ms.is_none() {
                let after_call = answer.arrived_ms + limits::REPEAT_AFTER_CALL_MS;
                answer.expires_ms = after_call.max(now.mono_ms + limits::REPEAT_AFTER_FETCH_MS);
                self.expiry_ms = self.expiry_ms.min(answer.expires_ms);
            }
            answer.fetched_ms = Some(now.mono_ms);
            self.fetched.push_back(answer);
        }
        // What was withheld comes with the next file.
        self.take_back();
    }

    /// What is to be written now, if anything. `may_plan`: there is time to find out what to
    /// withhold.
    pub fn next_content(
        &mut self,
        now: Now,
        secret_bytes: usize,
        may_plan: bool,
    ) -> Option<Content> {
        if now.mono_ms < self.retry_ms {
            return None;
        }
        let room = room(secret_bytes);
        let repeat_is_due = || {
            self.repeat_due_ms(room)
                .is_some_and(|due| due <= now.mono_ms)
        };
        let worth_it = match self.input {
            Input::Empty => !self.waiting.is_empty() || repeat_is_due(),
            Input::Ours { .. } => {
                let rested = now.mono_ms >= self.written_ms + limits::REPLACE_GAP_MS;
                let plan_is_due = self.plan_ms.is_some_and(|due| due <= now.mono_ms);
                self.shown.is_empty()
                    || rested && (plan_is_due || self.next_fits(room) || repeat_is_due())
            }
            Input::Unknown | Input::Foreign | Input::Writing { .. } => false,
        };
        if !worth_it {
            return None;
        }
        let sure = self.input == Input::Empty;
        self.take_back();
        self.plan_ms = None;
        let withheld = if may_plan {
            self.withheld_now(now)
        } else {
            Vec::new()
        };
        self.choose(now, room, &withheld);
        self.input = Input::Writing { sure };
        Some(
            self.shown
                .iter()
                .map(|answer| (answer.token.clone(), answer.value.clone()))
                .collect(),
        )
    }

    /// When a repetition may next be put into the file, beside what is there already.
    fn repeat_due_ms(&self, room: usize) -> Option<u64> {
        let next = self.fetched.front()?;
        let used: usize = self.shown.iter().map(Answer::bytes).sum();
        (used + next.bytes() <= room).then(|| due_ms(next).max(self.hold_repeats_until_ms))
    }

    /// Whether the next waiting answer fits beside those in the file that nobody has fetched.
    fn next_fits(&self, room: usize) -> bool {
        let unfetched = self
            .shown
            .iter()
            .filter(|answer| answer.fetched_ms.is_none());
        let used: usize = unfetched.map(Answer::bytes).sum();
        self.waiting
            .front()
            .is_some_and(|next| used + next.bytes() <= room)
    }

    /// Puts what is in the file back to where it came from, and what was kept back from it.
    fn take_back(&mut self) {
        for answer in self
            .withheld
            .drain(..)
            .rev()
            .chain(self.shown.drain(..).rev())
        {
            if answer.fetched_ms.is_some() {
                self.fetched.push_front(answer);
            } else {
                self.waiting.push_front(answer);
            }
        }
    }

    /// Moves what goes into the next file to `shown`: those nobody has fetched, then
    /// repetitions, as many as fit in order.
    fn choose(&mut self, now: Now, mut room: usize, withheld: &[String]) {
        while let Some(next) = self.waiting.pop_front() {
            let held = withheld.contains(&next.token);
            if !held && next.bytes() > room {
                self.waiting.push_front(next);
                break;
            }
            room -= self.place(next, held);
        }
        while let Some(next) = self.fetched.pop_front() {
            let held = withheld.contains(&next.token);
            if !is_due(&next, now) || !held && next.bytes() > room {
                self.fetched.push_front(next);
                break;
            }
            room -= self.place(next, held);
        }
    }

    /// Puts an answer into the file or keeps it back; gives the room it takes.
    fn place(&mut self, answer: Answer, held: bool) -> usize {
        let bytes = answer.bytes();
        if held {
            self.withheld.push(answer);
            return 0;
        }
        self.shown.push(answer);
        bytes
    }

    /// Which answers are better kept back from the next read.
    fn withheld_now(&mut self, now: Now) -> Vec<String> {
        self.callbacks.forget_late(now.mono_ms);
        // Nothing reads again so soon but programs that forget nothing. A stock client gets its
        // plan in time for its next read.
        let soonest = self.read_ms.map_or(0, |read| read + limits::REPEAT_GAP_MS);
        if now.mono_ms < soonest {
            let many = self.waiting.len() + self.fetched.len() >= limits::PLAN_ANSWERS_MIN;
            self.plan_ms = many.then_some(soonest);
            return Vec::new();
        }
        let due = self.fetched.iter().filter(|answer| is_due(answer, now));
        // What was shown and not read has let its call file go: only the input file has it.
        let free = |answer: &&Answer| answer.fetched_ms.is_some() || !answer.reported;
        let ready = self.waiting.iter().chain(due).filter(free);
        let Some(oldest) = ready.clone().map(|answer| answer.arrived_ms).min() else {
            return Vec::new();
        };
        let patience = (oldest + limits::CLIENT_TIMEOUT_MS).saturating_sub(now.mono_ms);
        let reads = 1 + (patience / limits::CLIENT_READ_MS) as usize;
        let tokens = ready.map(|answer| answer.token.as_str());
        self.callbacks.withhold(tokens, reads)
    }

    /// The outcome of the write. Gives the files of answers that were shown for the first time.
    pub fn written(&mut self, ok: bool, now: Now) -> Vec<FileId> {
        let Input::Writing { sure } = self.input else {
            return Vec::new();
        };
        if !ok {
            self.take_back();
            self.input = Input::Empty;
            self.retry_ms = now.mono_ms + limits::ANSWER_RETRY_MS;
            return Vec::new();
        }
        self.written_ms = now.mono_ms;
        self.input = if self.shown.is_empty() {
            Input::Empty
        } else {
            Input::Ours { sure }
        };
        let first_time = self.shown.iter_mut().filter(|answer| !answer.reported);
        first_time
            .map(|answer| (answer.reported = true, answer.file).1)
            .collect()
    }

    /// When [`Self::expire`] or [`Self::next_content`] will next have something to say by
    /// themselves.
    pub fn next_due_ms(&self, now: Now, secret_bytes: usize) -> Option<u64> {
        let write = match self.input {
            Input::Empty if !self.waiting.is_empty() => Some(self.retry_ms),
            Input::Empty => self
                .repeat_due_ms(room(secret_bytes))
                .map(|due| due.max(self.retry_ms)),
            Input::Ours { .. } => {
                let room = room(secret_bytes);
                let next = if self.next_fits(room) {
                    Some(self.retry_ms)
                } else {
                    self.repeat_due_ms(room)
                };
                let next = [next, self.plan_ms].into_iter().flatten().min();
                next.map(|due| due.max(self.written_ms + limits::REPLACE_GAP_MS))
            }
            Input::Unknown | Input::Foreign | Input::Writing { .. } => None,
        };
        let expiry = (!self.is_idle()).then_some(self.expiry_ms);
        let soonest = expiry.into_iter().chain(write).min();
        soonest.map(|due| due.max(now.mono_ms + 1))
    }
}

/// What a file has room for besides its frame.
fn room(secret_bytes: usize) -> usize {
    limits::ANSWER_FILE_BYTES_MAX - response_file::frame_bytes(secret_bytes)
}

/// A stock client reads no faster than that.
fn due_ms(answer: &Answer) -> u64 {
    answer
        .fetched_ms
        .map_or(0, |fetched| fetched + limits::REPEAT_GAP_MS)
}

fn is_due(answer: &Answer, now: Now) -> bool {
    due_ms(answer) <= now.mono_ms
}

impl Answers {
    /// Drops what is past its time, and what is too much: `room` is how many bytes all may take. Gives
    /// the files of those never shown.
    pub fn expire(&mut self, now: Now, room: usize) -> Vec<FileId> {
        let too_many = self.bytes > room
            || self.waiting.len() > limits::HOST_ANSWERS_MAX
            || self.fetched.len() > limits::HOST_REPEATS_MAX;
        if now.mono_ms < self.expiry_ms && !too_many {
            return Vec::new();
        }
        let is_late = |answer: &Answer| answer.expires_ms <= now.mono_ms;
        let mut dropped = Vec::new();
        let mut surplus = self.bytes.saturating_sub(room);
        while self.waiting.front().is_some_and(is_late)
            || self.waiting.len() > limits::HOST_ANSWERS_MAX
            || surplus > 0
        {
            // What was read at least once is needed less.
            let is_late = self.waiting.front().is_some_and(is_late);
            let repeated = self.fetched.front().is_some() && surplus > 0 && !is_late;
            let oldest = match repeated {
                true => self.fetched.pop_front(),
                false => self.waiting.pop_front(),
            };
            let Some(oldest) = oldest else {
                break;
            };
            surplus = surplus.saturating_sub(oldest.memory_bytes());
            dropped.push(oldest);
        }
        // While a write is under way its answers stay: their outcome is not known yet.
        if !matches!(self.input, Input::Writing { .. }) {
            dropped.extend(self.shown.extract_if(.., |answer| is_late(answer)));
            dropped.extend(self.withheld.extract_if(.., |answer| is_late(answer)));
        }
        let too_many = self.fetched.len().saturating_sub(limits::HOST_REPEATS_MAX);
        dropped.extend(self.fetched.drain(..too_many));
        if self.fetched.iter().any(is_late) {
            let (late, kept): (VecDeque<_>, _) = self.fetched.drain(..).partition(is_late);
            self.fetched = kept;
            dropped.extend(late);
        }
        // Of those that wait, the first is the oldest; there may be thousands.
        let lists = self.waiting.front().into_iter().chain(&self.fetched);
        let all = lists.chain(&self.shown).chain(&self.withheld);
        self.expiry_ms = all.map(|answer| answer.expires_ms).min().unwrap_or(0);
        self.forget(dropped.into_iter())
    }

    /// Gives the files of those answers that were never shown.
    fn forget(&mut self, answers: impl Iterator<Item = Answer>) -> Vec<FileId> {
        let mut files = Vec::new();
        for answer in answers {
            self.tokens.remove(&answer.token);
            self.bytes = self.bytes.saturating_sub(answer.memory_bytes());
            if !answer.reported {
                files.push(answer.file);
            }
        }
        files
    }

    /// The map is over: nothing of it is sent any more. Gives the files of those never shown.
    pub fn clear(&mut self) -> Vec<FileId> {
        let old = std::mem::take(self);
        let answers = old.waiting.into_iter().chain(old.shown);
        // The file itself is looked at again: what stands there is of the old map.
        self.forget(answers.chain(old.withheld).chain(old.fetched))
    }
}

#[cfg(test)]
mod tests;
