//! What operators ask about scripts.

use serde_json::{Value, json};

use super::life::{INTERFACES, tell};
use super::script::Script;
use super::{Cx, Scripts, Waiter};
use crate::core::{Effect, LaunchKind, Now};
use crate::wire::control::ScriptRequest;

impl Scripts {
    pub fn request(&mut self, request: ScriptRequest, ticket: u64, cx: &mut Cx<'_>) {
        let waiter = Waiter::Operator(ticket);
        let outcome = match request {
            ScriptRequest::List => {
                let scripts = self.all.iter();
                let scripts: Vec<Value> = scripts
                    .map(|script| self.describe(script, cx.now))
                    .collect();
                let outcome = Ok(json!({ "scripts": scripts }));
                return cx.out.effects.push(Effect::Pushed { ticket, outcome });
            }
            ScriptRequest::Log { name } => {
                let outcome = match self.find(&name) {
                    Some(id) => Ok(json!({ "log": self.all[id as usize].journal.to_json() })),
                    None => Err(format!("there is no script {name}")),
                };
                return cx.out.effects.push(Effect::Pushed { ticket, outcome });
            }
            ScriptRequest::Load { name } => self.load(&name, waiter, cx),
            ScriptRequest::Unload { name } => self.unload(&name, waiter, cx),
            ScriptRequest::Reload { name } => self.reload(&name, waiter, cx),
        };
        if let Err(problem) = outcome {
            tell(waiter, Err(problem), cx);
        }
    }

    fn describe(&self, script: &Script, now: Now) -> Value {
        let path = match script.kind {
            LaunchKind::Interfaces => self.config.vpi_interfaces.clone(),
            LaunchKind::Script => self.config.dir.as_ref().map(|dir| dir.join(&script.name)),
        };
        let prefix = match script.name.as_str() {
            INTERFACES => String::new(),
            name => format!("{name}."),
        };
        let functions = script.functions.iter();
        let functions: Vec<String> = functions.map(|name| format!("{prefix}{name}")).collect();
        let running = script.state.run().is_some();
        let seconds = running.then(|| now.mono_ms.saturating_sub(script.started_ms) / 1_000);
        json!({
            "name": script.name,
            "state": script.state.word(),
            "path": path,
            "python": script.python,
            "hooks": script.hooks,
            "functions": functions,
            "restarts": script.restarts,
            "waiting": script.waiting(),
            "dropped": script.dropped,
            "seconds": seconds,
            "problem": script.problem,
        })
    }
}
