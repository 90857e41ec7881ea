//! Answers of calls, on their way to whoever waits for them.

use super::{Calls, Outcome, Route};
use crate::core::links;
use crate::core::sessions::Hosts;
use crate::core::{Effect, Effects, FileId, HostId, Now, Timer};
use crate::limits;
use crate::protocol::answer_text::{Decoder, push_text};
use crate::protocol::call_error::CallError;
use crate::protocol::stock::answer_file;
use crate::sql::CallId;

impl Calls {
    pub(super) fn answer(
        &mut self,
        id: CallId,
        answered: u32,
        outcome: Outcome,
        hosts: &mut Hosts,
        now: Now,
    ) {
        let Some(file) = self.files.get_mut(&id.file) else {
            return;
        };
        let function = file.calls[id.index as usize].function.clone();
        let receiver = &mut file.calls[answered as usize];
        if !receiver.callback || receiver.token.is_empty() {
            return;
        }
        let token = std::mem::take(&mut receiver.token);
        let taken = match file.route {
            Route::Nowhere => false,
            Route::Script { ask, .. } => {
                self.replies.push((ask, outcome));
                false
            }
            Route::Stock { session } => {
                let present = hosts.get(file.host).map(|host| host.session);
                if present != Some(session) || token.ends_with('\\') {
                    return;
                }
                let secret_bytes = hosts.secret(file.host).map_or(0, <[u8]>::len);
                let value = encode(&token, &function, outcome, secret_bytes);
                let answers = hosts.answers(file.host);
                answers.is_some_and(|answers| {
                    answers.push(token, value, id.file, file.arrived_ms, now)
                })
            }
            Route::Signed { session } => {
                let room = file.owner.map_or(0, |owner| self.shares.answers_of(owner));
                hosts.link(file.host).is_some_and(|link| {
                    let text = link.encode_answer(&token, &function, outcome);
                    let expires_ms = file.arrived_ms + limits::ANSWER_EXPIRES_MS;
                    link.answer(session, text, (id.file, expires_ms), room)
                })
            }
        };
        file.unshown += usize::from(taken);
    }

    /// These files' answers were in the input file, each name once per answer.
    pub fn answers_shown(&mut self, files: &[FileId], effects: &mut Effects) {
        for id in files {
            if let Some(file) = self.files.get_mut(id) {
                file.unshown -= 1;
            }
            self.finish(*id, effects);
        }
    }

    /// These files' answers will never be shown.
    pub fn answers_dropped(&mut self, files: &[FileId], effects: &mut Effects) {
        self.answers_shown(files, effects);
    }

    /// Writes what there is to write for a host, and sets its timer.
    pub fn refresh(&mut self, host: HostId, hosts: &mut Hosts, now: Now, effects: &mut Effects) {
        if let Some(link) = hosts.link(host) {
            let expired = link.flush(now, effects);
            self.answers_dropped(&expired, effects);
            links::set_timer(host, hosts, now, effects);
        }
        self.count_answers(host, hosts);
        let Some(secret_bytes) = hosts.secret(host).map(<[u8]>::len) else {
            return;
        };
        let owner = hosts.owner_of(host);
        let room = owner.map_or(0, |owner| self.shares.answers_of(owner));
        let Some(answers) = hosts.answers(host) else {
            return;
        };
        let may_plan = self.running < limits::PLAN_CALLS_RUNNING_MAX;
        let dropped = answers.expire(now, room);
        if let Some(content) = answers.next_content(now, secret_bytes, may_plan) {
            effects.push(Effect::WriteAnswers {
                host,
                answers: content,
            });
        }
        self.answers_dropped(&dropped, effects);
        self.set_timer(host, hosts, now, effects);
    }

    /// What answers of a host take is counted in its share.
    fn count_answers(&mut self, host: HostId, hosts: &mut Hosts) {
        let owner = hosts.owner_of(host);
        let of_link = hosts.link(host).map_or(0, |link| link.waiting_bytes());
        let of_stock = hosts.answers(host).map_or(0, |answers| answers.bytes());
        self.shares.answers_are(host, owner, of_link + of_stock);
    }

    pub fn set_timer(&mut self, host: HostId, hosts: &mut Hosts, now: Now, effects: &mut Effects) {
        self.count_answers(host, hosts);
        let timer = Timer::Answers(host);
        let secret_bytes = hosts.secret(host).map_or(0, <[u8]>::len);
        let due = hosts
            .answers(host)
            .and_then(|answers| answers.next_due_ms(now, secret_bytes));
        effects.push(match due {
            Some(at_ms) => Effect::SetTimer { timer, at_ms },
            None => Effect::CancelTimer(timer),
        });
    }
}

/// So much of a function's name that the error fits beside the longest secret.
fn shortened(function: &str) -> &str {
    let end = function.len().min(limits::OVERSIZE_NAME_BYTES_MAX);
    let end = (0..=end).rev().find(|at| function.is_char_boundary(*at));
    &function[..end.unwrap_or_default()]
}

/// The encoded answer; one that can never fit into a file becomes an error.
fn encode(token: &str, function: &str, outcome: Outcome, secret_bytes: usize) -> String {
    let error_text = |error: CallError| {
        let mut text = String::new();
        push_text(&mut text, &error.to_answer(function), Decoder::Stock);
        text
    };
    let value = outcome.unwrap_or_else(error_text);
    let room = limits::ANSWER_FILE_BYTES_MAX - answer_file::frame_bytes(secret_bytes);
    if answer_file::entry_bytes(token, &value) <= room {
        return value;
    }
    let error = CallError::word("Response size exceeds maximum");
    let mut text = String::new();
    push_text(
        &mut text,
        &error.to_answer(shortened(function)),
        Decoder::Stock,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_an_answer_that_is_too_large_fits_beside_the_longest_secret() {
        let token = "t".repeat(limits::CALL_NAME_BYTES_MAX);
        let room =
            limits::ANSWER_FILE_BYTES_MAX - answer_file::frame_bytes(limits::SECRET_BYTES_MAX);
        for sign in ["F", "\\", "\u{e9}"] {
            let function = sign.repeat(limits::CALL_NAME_BYTES_MAX / sign.len());
            let value = format!("\"{}\"", "x".repeat(room));
            let answer = encode(&token, &function, Ok(value), limits::SECRET_BYTES_MAX);
            assert!(answer.contains("Response size exceeds maximum"), "{answer}");
            assert!(
                answer_file::entry_bytes(&token, &answer) <= room,
                "{answer}"
            );
        }
    }
}
