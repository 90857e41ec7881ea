//! Chat: a line goes from script to script, until one of them lets nobody else see it; and
//! commands of admins about scripts.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::life::{Verb, tell};
use super::people::player;
use super::script::State;
use super::{Scripts, Waiter};
use crate::core::ScriptId;
use crate::core::context::Context;
use crate::core::servers::{ChatVerdict, ServerId, Speaker};
use crate::limits;
use crate::protocol::script_channel as channel;

const HOOK: &str = "OnPlayerChat";

/// A line that a script is thinking about.
pub struct Judged {
    script: ScriptId,
    server: ServerId,
    args: Vec<Value>,
    /// Who sees it next.
    rest: VecDeque<ScriptId>,
}

impl Scripts {
    /// Somebody says something.
    pub fn heard(&mut self, server: ServerId, speaker: &Speaker, text: &str, cx: &mut Context<'_>) {
        if self.command(server, speaker, text, false, cx) {
            return;
        }
        if !self.listens(HOOK) {
            return;
        }
        let listeners = self.listeners.get(HOOK).into_iter().flatten();
        let rest: VecDeque<ScriptId> = listeners.chain(&self.loading).copied().collect();
        let mut who = player(server, speaker.userid, cx);
        if who.is_null() {
            who = json!({
                "userid": speaker.userid,
                "name": speaker.name,
                "steam": speaker.steam,
                "bot": false,
                "team": 0,
            });
        }
        let text: String = text.chars().take(limits::COMMAND_BYTES_MAX).collect();
        self.pass_on(server, vec![who, text.into()], rest, cx);
    }

    /// A line that had to wait until it was confirmed who wrote it. It was shown to nobody: it is a
    /// command about scripts, or one of another part's.
    pub fn held(&mut self, server: ServerId, speaker: &Speaker, text: &str, cx: &mut Context<'_>) {
        self.command(server, speaker, text, true, cx);
    }

    /// Shows a line to the next script, and waits for its verdict if there is one behind it.
    fn pass_on(
        &mut self,
        server: ServerId,
        args: Vec<Value>,
        mut rest: VecDeque<ScriptId>,
        cx: &mut Context<'_>,
    ) {
        while let Some(script) = rest.pop_front() {
            let judges = matches!(self.all[script].state, State::Running { .. });
            let full = self.judged.len() >= limits::SCRIPT_VERDICTS_MAX;
            if !judges || rest.is_empty() || full {
                let text = channel::event(HOOK, Some(server), &args);
                self.all[script].enqueue(text);
                continue;
            }
            let number = self.number();
            let text = channel::judged_event(number, HOOK, Some(server), &args);
            if !self.all[script].enqueue(text) {
                continue;
            }
            let due_ms = cx.now.mono_ms + limits::SCRIPT_VERDICT_MS;
            let judged = Judged {
                script,
                server,
                args,
                rest,
            };
            self.judged.insert(number, judged, due_ms);
            return;
        }
    }

    /// A script has thought about a line.
    pub(super) fn judge(
        &mut self,
        number: u64,
        script: ScriptId,
        pass: bool,
        cx: &mut Context<'_>,
    ) {
        let ours = self.judged.get(number);
        if ours.is_none_or(|judged| judged.script != script) {
            return;
        }
        if let Some(judged) = self.judged.remove(number)
            && pass
        {
            self.pass_on(judged.server, judged.args, judged.rest, cx);
        }
    }

    /// Lines about which a script thinks for too long are passed on.
    pub(super) fn expire_verdicts(&mut self, cx: &mut Context<'_>) {
        while let Some((_, judged)) = self.judged.pop_due(cx.now.mono_ms) {
            self.pass_on(judged.server, judged.args, judged.rest, cx);
        }
    }

    /// And those of a script whose process is gone.
    pub(super) fn pass_all_of(&mut self, script: ScriptId, cx: &mut Context<'_>) {
        let of_script = |_: &u64, judged: &Judged| judged.script == script;
        for (_, judged) in self.judged.remove_where(of_script) {
            self.pass_on(judged.server, judged.args, judged.rest, cx);
        }
    }

    /// Whether a line is a command about scripts; one of an admin is carried out.
    fn command(
        &mut self,
        server: ServerId,
        speaker: &Speaker,
        text: &str,
        held: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut prefixes = self.config.prefixes.iter();
        let Some(rest) = prefixes.find_map(|prefix| text.trim().strip_prefix(prefix.as_str()))
        else {
            return false;
        };
        let mut words = rest.split_whitespace();
        let (verb, name) = (words.next().unwrap_or_default(), words.next());
        if !matches!(verb, "scripts" | "load" | "unload" | "reload") || words.next().is_some() {
            return false;
        }
        let Some(steam) = speaker.steam else {
            return false;
        };
        let is_admin = self.config.admins.contains(&steam)
            || cx
                .directory
                .is_some_and(|directory| directory.is_administrator(server, steam, cx.now));
        if !is_admin {
            log::info!(
                "{} ({steam}) may not {verb} scripts",
                speaker.name.replace(char::is_control, "?")
            );
            return false;
        }
        let waiter = Waiter::Admin {
            server,
            userid: speaker.userid,
        };
        if verb != "scripts" {
            match cx.servers.chat_verdict(server, speaker, held, cx.now) {
                ChatVerdict::Counts => {}
                ChatVerdict::Wait => {
                    cx.servers
                        .hold(server, speaker.clone(), text.to_owned(), cx.now);
                    return true;
                }
                ChatVerdict::Refused(doubt) => {
                    log::warn!(
                        "{} ({steam}) wrote {verb} in chat, which does not count: {}",
                        speaker.name.replace(char::is_control, "?"),
                        doubt.sentence()
                    );
                    tell(waiter, Err(doubt.brief().to_owned()), cx);
                    return true;
                }
            }
        }
        match (verb, name) {
            ("scripts", None) => tell(waiter, Ok(self.summary()), cx),
            ("load", Some(name)) => self.change(Verb::Load, name, waiter, cx),
            ("unload", Some(name)) => self.change(Verb::Unload, name, waiter, cx),
            ("reload", Some(name)) => self.change(Verb::Reload, name, waiter, cx),
            (verb, _) => {
                let problem = format!("say {verb} and the name of a script");
                tell(waiter, Err(problem), cx);
            }
        }
        true
    }

    /// All scripts in one line.
    fn summary(&self) -> String {
        let all = self.all.iter();
        let all: Vec<String> = all
            .map(|script| format!("{} ({})", script.name, script.state.word()))
            .collect();
        match all.is_empty() {
            true => "there are no scripts".into(),
            false => all.join(", "),
        }
    }
}
