//! What a script's process says.

use super::Scripts;
use super::journal::{ERROR, INFO};
use crate::core::ScriptId;
use crate::core::context::Context;
use crate::core::ids::RunId;
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::script_channel::{self as channel, FromScript};

impl Scripts {
    /// A line of its channel.
    pub(super) fn said(&mut self, id: ScriptId, run: RunId, line: &[u8], cx: &mut Context<'_>) {
        let messages = match channel::parse(line) {
            Ok(messages) => messages,
            Err(what) => return self.condemn(id, &format!("said something that {what}"), cx),
        };
        for message in messages {
            match message {
                FromScript::Ready {
                    hooks,
                    functions,
                    python,
                } => self.ready(id, hooks, functions, python, cx),
                FromScript::Failed(why) => self.failed(id, &why, cx),
                FromScript::Ack(count) => {
                    if !self.all[id].finished(count, cx.now) {
                        return self.condemn(id, "claims to have finished more than it had", cx);
                    }
                }
                FromScript::Verdict { id: number, pass } => self.judge(number, id, pass, cx),
                FromScript::Result {
                    id: number,
                    outcome,
                } => self.result(id, run, number, outcome, cx),
                FromScript::Ask(ask) => self.ask(id, run, ask, cx),
                FromScript::Log { level, text } => {
                    let script = &mut self.all[id];
                    script.journal.add(&script.name, level, &text, cx.now);
                }
                FromScript::Register(name) => self.register(id, name, cx),
                FromScript::Unregister(name) => {
                    self.all[id].functions.remove(&name);
                    self.offer(cx);
                }
                // Its process ends by itself, and else at its time.
                FromScript::Unloaded => {}
            }
        }
    }

    fn register(&mut self, id: ScriptId, name: String, cx: &mut Context<'_>) {
        let script = &mut self.all[id];
        let fits = name.len() <= limits::SCRIPT_FUNCTION_BYTES_MAX && !name.is_empty();
        if !fits || script.functions.len() >= limits::SCRIPT_FUNCTIONS_MAX {
            let text = format!(
                "{name:.64} is not registered: its name is too long, or there are too many"
            );
            return script.journal.add(&script.name, ERROR, &text, cx.now);
        }
        script.functions.insert(name);
        self.offer(cx);
    }

    /// What a call came to, or a check of its file.
    fn result(
        &mut self,
        id: ScriptId,
        run: RunId,
        number: u64,
        outcome: Result<serde_json::Value, (String, String)>,
        cx: &mut Context<'_>,
    ) {
        let checking = self.all[id].checking;
        if checking.is_some_and(|(checked, _)| checked == number) {
            return self.checked(id, outcome, cx);
        }
        let outcome = outcome.map_err(|(reason, detail)| CallError::new(reason, detail));
        self.call_done(number, run, outcome, cx);
    }

    /// Its file is in order, or not; that of VPI functions is loaded anew by now.
    fn checked(
        &mut self,
        id: ScriptId,
        outcome: Result<serde_json::Value, (String, String)>,
        cx: &mut Context<'_>,
    ) {
        let script = &mut self.all[id];
        script.checking = None;
        match outcome {
            Ok(serde_json::Value::Array(names)) => {
                let names = names.into_iter();
                let names = names.filter_map(|name| name.as_str().map(str::to_owned));
                script.functions = names.collect();
                let text = format!("loaded anew: {} functions", script.functions.len());
                script.journal.add(&script.name, INFO, &text, cx.now);
                script.problem = None;
                self.offer(cx);
                self.settle(id, Ok("is loaded anew"), cx);
            }
            Ok(_) => self.begin_unload(id, true, cx),
            Err((kind, text)) => {
                let problem = format!("{kind}: {text}");
                let said = format!("cannot be loaded anew, and stays as it was:\n{problem}");
                script.journal.add(&script.name, ERROR, &said, cx.now);
                script.problem = Some(problem.clone());
                self.settle(id, Err(&format!("{problem}; what was loaded stays")), cx);
            }
        }
    }
}
