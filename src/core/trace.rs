//! What operators see of calls, messages and Python scripts while they trace: notes of one event, which the shell
//! takes. While no operator traces, each place that could note something passes one branch.

use std::sync::Arc;

use serde_json::{Value, json};

use super::ended::EndedCall;
use super::ids::{Caller, HostId, ServerId};
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::redact::{Redactor, ShownArgs};

/// Something that passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    pub what: &'static str,
    pub name: String,
    pub host: Option<HostId>,
    pub server: Option<ServerId>,
    /// The file of the script that called.
    pub caller: String,
    /// The Python script.
    pub script: String,
    pub took_us: Option<u64>,
    pub outcome: Option<Result<String, String>>,
    pub args: String,
}

#[derive(Default)]
pub struct Trace {
    /// `None`: no operator traces.
    redactor: Option<Arc<Redactor>>,
    traced: Vec<Traced>,
}

impl Trace {
    pub fn set(&mut self, redactor: Option<Arc<Redactor>>) {
        self.redactor = redactor;
        self.traced.clear();
    }

    /// By which texts are shown, where an operator traces.
    pub fn redactor(&self) -> Option<&Arc<Redactor>> {
        self.redactor.as_ref()
    }

    pub fn is_on(&self) -> bool {
        self.redactor.is_some()
    }

    pub fn push(&mut self, traced: Traced) {
        if self.is_on() {
            self.traced.push(traced);
        }
    }

    pub fn take(&mut self) -> Vec<Traced> {
        std::mem::take(&mut self.traced)
    }
}

/// What of a call is shown when it ends.
pub struct BegunCall {
    caller: String,
    /// The Python script that has the function.
    script: String,
    args: ShownArgs,
}

impl BegunCall {
    /// `script`: the Python script that has the function.
    pub fn new(call: &Call, script: &str, redactor: &Redactor) -> Self {
        let args = match (call.args.is_empty(), call.kwargs.is_null()) {
            (true, true) => Value::Null,
            (true, false) => call.kwargs.clone(),
            (false, true) => Value::Array(call.args.clone()),
            (false, false) => json!([call.args, call.kwargs]),
        };
        Self {
            caller: redactor.text(&call.script),
            script: script.to_owned(),
            args: redactor.args(&call.function, &args),
        }
    }
}

/// A call that ended. `begun`: what was noted of it when it began; it may have begun before the operator traced.
pub fn call(
    (function, ended): (&str, &EndedCall),
    begun: Option<BegunCall>,
    outcome: &Result<String, CallError>,
    redactor: &Redactor,
) -> Traced {
    let args = begun.as_ref().map(|begun| &begun.args);
    let shown = redactor.result(args, outcome);
    let (caller, script, args) = match begun {
        Some(begun) => (begun.caller, begun.script, begun.args.text),
        None => Default::default(),
    };
    Traced {
        what: "call",
        name: redactor.text(function),
        host: ended.caller.host(),
        caller: match ended.caller {
            Caller::Operator => format!("{caller} (operator)"),
            Caller::Host(_) | Caller::Script(_) => caller,
        },
        script,
        took_us: Some(ended.took_ms.saturating_mul(1_000)),
        outcome: Some(shown),
        args,
        ..Traced::default()
    }
}
