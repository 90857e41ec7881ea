//! How answers end that nobody fetches, or that there is no room for.

use std::collections::VecDeque;

use super::{Answer, Answers, Input};
use crate::core::{FileId, Now};
use crate::limits;

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
