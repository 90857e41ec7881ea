//! What operators ask about scripts.

use serde_json::{Value, json};

use super::life::{INTERFACES, Verb};
use super::script::Script;
use super::{Scripts, Waiter};
use crate::core::context::Context;
use crate::core::ids::Ticket;
use crate::core::{LaunchKind, Now};
use crate::protocol::control::ScriptRequest;

impl Scripts {
    pub fn request(&mut self, request: ScriptRequest, ticket: Ticket, cx: &mut Context<'_>) {
        let outcome = match &request {
            ScriptRequest::List => {
                let scripts = self.all.iter();
                let scripts: Vec<Value> = scripts
                    .map(|script| self.describe(script, cx.now))
                    .collect();
                Ok(json!({ "scripts": scripts }))
            }
            ScriptRequest::Log { name } => match self.all.find(name) {
                Some(id) => Ok(json!({ "log": self.all[id].journal.to_json() })),
                None => Err(format!("there is no script {name}")),
            },
            ScriptRequest::Load { name } => {
                return self.change(Verb::Load, name, Waiter::Operator(ticket), cx);
            }
            ScriptRequest::Unload { name } => {
                return self.change(Verb::Unload, name, Waiter::Operator(ticket), cx);
            }
            ScriptRequest::Reload { name } => {
                return self.change(Verb::Reload, name, Waiter::Operator(ticket), cx);
            }
        };
        cx.out.complete(Some(ticket), outcome);
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
