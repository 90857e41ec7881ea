//! Answers of calls, on their way to whoever waits for them.

use super::{Calls, Outcome, Route};
use crate::core::answers::Answers;
use crate::core::context::Context;
use crate::core::hosts::Hosts;
use crate::core::ids::{CallId, Caller, Source};
use crate::core::message::Message;
use crate::core::{Effect, FileId, FolderId, HostId, InputState, Timer};
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::{Decoder, push_text};
use crate::protocol::stock::response_file;

impl Calls {
    pub(super) fn answer(
        &mut self,
        id: CallId,
        answered: u32,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        let Some(file) = self.files.get_mut(&id.source) else {
            return;
        };
        let function = std::mem::take(&mut file.calls[id.index as usize].function);
        let receiver = &mut file.calls[answered as usize];
        if !receiver.callback || receiver.token.is_empty() {
            return;
        }
        let token = std::mem::take(&mut receiver.token);
        let taken = match file.route {
            Route::Nowhere => false,
            Route::Script { request, .. } => {
                cx.out.send(Message::Responded(request, outcome));
                false
            }
            Route::Stock { session } => {
                let (Some(host), Source::File(file_id)) = (file.caller.host(), id.source) else {
                    return;
                };
                let present = cx.hosts.get(host).map(|host| host.session);
                if present != Some(session) || token.ends_with('\\') {
                    return;
                }
                let secret_bytes = cx.hosts.secret(host).map_or(0, <[u8]>::len);
                let value = encode(&token, &function, outcome, secret_bytes);
                let answers = cx.hosts.answers(host);
                answers.is_some_and(|answers| {
                    answers.push(token, value, file_id, file.arrived_ms, cx.now)
                })
            }
            Route::Signed { session } => {
                let (Some(host), Source::File(file_id)) = (file.caller.host(), id.source) else {
                    return;
                };
                let room = file.owner.map_or(0, |owner| self.shares.answers_of(owner));
                cx.hosts.link(host).is_some_and(|link| {
                    let text = link.encode_answer(&token, &function, outcome);
                    let expires_ms = file.arrived_ms + limits::ANSWER_EXPIRES_MS;
                    link.answer(session, text, (file_id, expires_ms), room)
                })
            }
        };
        file.unshown += usize::from(taken);
    }

    /// These files' answers were in the input file, each name once per answer; or they never will be.
    pub fn answers_shown(&mut self, files: &[FileId], cx: &mut Context<'_>) {
        for id in files {
            let source = Source::File(*id);
            if let Some(file) = self.files.get_mut(&source) {
                file.unshown -= 1;
            }
            self.finish(source, cx);
        }
    }

    /// Writes what there is to write for a host, and sets its timers. When nothing of it runs,
    /// repetitions may go on.
    pub fn settle(&mut self, host: HostId, cx: &mut Context<'_>) {
        let running = self.running_of.get(&Caller::Host(host));
        if running.is_none_or(|running| *running == 0)
            && let Some(answers) = cx.hosts.answers(host)
        {
            answers.release_repeats();
        }
        if let Some(link) = cx.hosts.link(host) {
            let expired = link.flush(cx.now, cx.out);
            link.set_timer(cx.now, &mut cx.out.effects);
            self.answers_shown(&expired, cx);
        }
        self.count_answers(host, cx.hosts);
        let Some(secret_bytes) = cx.hosts.secret(host).map(<[u8]>::len) else {
            return;
        };
        let owner = cx.hosts.owner_of(host);
        let room = owner.map_or(0, |owner| self.shares.answers_of(owner));
        let Some(answers) = cx.hosts.answers(host) else {
            return;
        };
        let may_plan = self.running < limits::PLAN_CALLS_RUNNING_MAX;
        let dropped = answers.expire(cx.now, room);
        if let Some(content) = answers.next_content(cx.now, secret_bytes, may_plan) {
            cx.out.effects.push(Effect::WriteAnswers {
                host,
                answers: content,
            });
        }
        self.answers_shown(&dropped, cx);
        self.set_timer(host, cx);
    }

    /// A restart file was found: a map of a host began then.
    pub fn map_began(&mut self, folder: FolderId, name: &str, mtime_ns: i64, cx: &mut Context<'_>) {
        if let Some((host, remember)) = cx.hosts.restarted(folder, name, mtime_ns, cx.now) {
            cx.out.effects.push(remember);
            // Of a host that is not known there is nothing to be dropped.
            if let Some(host) = host {
                self.drop_answers(host, cx);
                cx.out.effects.push(Effect::LookAtInput { host });
            }
        }
    }

    pub fn drop_answers(&mut self, host: HostId, cx: &mut Context<'_>) {
        let dropped = cx.hosts.answers(host).map(Answers::clear);
        self.answers_shown(&dropped.unwrap_or_default(), cx);
    }

    pub fn input_is(&mut self, host: HostId, state: InputState, cx: &mut Context<'_>) {
        if let Some(answers) = cx.hosts.answers(host) {
            answers.input_is(state, cx.now);
        }
        cx.out.settle(host);
    }

    pub fn answers_written(&mut self, host: HostId, ok: bool, cx: &mut Context<'_>) {
        let answers = cx.hosts.answers(host);
        let shown = answers.map(|answers| answers.written(ok, cx.now));
        self.answers_shown(&shown.unwrap_or_default(), cx);
        self.set_timer(host, cx);
    }

    /// What answers of a host take is counted in its share.
    fn count_answers(&mut self, host: HostId, hosts: &mut Hosts) {
        let owner = hosts.owner_of(host);
        let of_link = hosts.link(host).map_or(0, |link| link.waiting_bytes());
        let of_stock = hosts.answers(host).map_or(0, |answers| answers.bytes());
        self.shares.answers_are(host, owner, of_link + of_stock);
    }

    pub fn set_timer(&mut self, host: HostId, cx: &mut Context<'_>) {
        self.count_answers(host, cx.hosts);
        let secret_bytes = cx.hosts.secret(host).map_or(0, <[u8]>::len);
        let answers = cx.hosts.answers(host);
        let due = answers.and_then(|answers| answers.next_due_ms(cx.now, secret_bytes));
        cx.out.timer(Timer::Answers(host), due);
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
    let room = limits::ANSWER_FILE_BYTES_MAX - response_file::frame_bytes(secret_bytes);
    if response_file::entry_bytes(token, &value) <= room {
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
            limits::ANSWER_FILE_BYTES_MAX - response_file::frame_bytes(limits::SECRET_BYTES_MAX);
        for sign in ["F", "\\", "\u{e9}"] {
            let function = sign.repeat(limits::CALL_NAME_BYTES_MAX / sign.len());
            let value = format!("\"{}\"", "x".repeat(room));
            let answer = encode(&token, &function, Ok(value), limits::SECRET_BYTES_MAX);
            assert!(answer.contains("Response size exceeds maximum"), "{answer}");
            assert!(
                response_file::entry_bytes(&token, &answer) <= room,
                "{answer}"
            );
        }
    }
}
