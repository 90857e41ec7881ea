//! Lines of chat go from script to script, until the hook of one of them keeps them from the next ones.

use std::collections::VecDeque;

use serde_json::Value;

use super::{Cx, Message, views};
use crate::core::deadlines::Expiring;
use crate::core::ids::{ScriptId, ServerId};
use crate::core::message::Speaker;
use crate::limits;
use crate::protocol::game_report::PlayerReport;
use crate::protocol::script_channel::{self as channel, MessageId};

const HOOK: &str = "OnPlayerChat";

/// Lines that await the verdict of a script.
#[derive(Default)]
pub struct Chat(Expiring<MessageId, Line>);

struct Line {
    /// It has the line now.
    script: Option<ScriptId>,
    server: ServerId,
    args: [Value; 2],
    next: VecDeque<ScriptId>,
}

impl Chat {
    pub fn on_chat(&mut self, server: ServerId, speaker: &Speaker, text: &str, cx: &mut Cx<'_>) {
        let next: VecDeque<ScriptId> = cx.hooks.listeners(HOOK).collect();
        if next.is_empty() {
            return;
        }
        let about = PlayerReport {
            userid: speaker.userid,
            name: Some(speaker.name.clone()),
            steam: speaker.steam,
            ..PlayerReport::default()
        };
        let who = views::known_or(server, None, &about, cx);
        let text: String = text.chars().take(limits::COMMAND_BYTES_MAX).collect();
        let line = Line {
            script: None,
            server,
            args: [who, text.into()],
            next,
        };
        self.pass_on(line, cx);
    }

    /// Sends a line to the next script, and waits for its verdict if there is one behind it.
    fn pass_on(&mut self, mut line: Line, cx: &mut Cx<'_>) {
        let server = Some(line.server);
        while let Some(id) = line.next.pop_front() {
            let script = &mut cx.scripts[id];
            let full = self.0.len() >= limits::SCRIPT_VERDICTS_MAX;
            if !script.is_running() || line.next.is_empty() || full {
                script.push_event(channel::event(HOOK, server, &line.args));
                continue;
            }
            let message = cx.scripts.next_message();
            let event = channel::judged_event(message, HOOK, server, &line.args);
            if cx.scripts[id].push_event(event) {
                line.script = Some(id);
                let due_ms = cx.now.mono_ms + limits::SCRIPT_VERDICT_MS;
                return self.0.insert(message, line, due_ms);
            }
        }
    }

    /// A script has decided whether the next ones get a line.
    pub fn on_verdict(&mut self, id: ScriptId, message: MessageId, pass: bool, cx: &mut Cx<'_>) {
        let is_its = |line: &Line| line.script == Some(id);
        if self.0.get(message).is_some_and(is_its)
            && let Some(line) = self.0.remove(message)
            && pass
        {
            self.pass_on(line, cx);
        }
    }

    /// Lines of a script whose process ended are passed on.
    pub fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        if let Message::ProcessEnded(id, _) = message {
            for (_, line) in self.0.remove_where(|_, line| line.script == Some(*id)) {
                self.pass_on(line, cx);
            }
        }
    }

    /// Lines whose verdict is late are passed on.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, line)) = self.0.pop_due(cx.now.mono_ms) {
            self.pass_on(line, cx);
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        self.0.next_due()
    }
}
