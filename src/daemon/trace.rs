//! `vpid trace`: what passes, as lines for operators who trace. A slow reader holds up nothing: lines that it has no
//! room for are dropped, and it gets their number.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Daemon;
use super::about::{About, Whose};
use crate::config::nearest;
use crate::core::trace::Traced;
use crate::core::{Event, HostId, ServerId};
use crate::io::control::Connection;
use crate::limits;
use crate::protocol::redact::Redactor;
use crate::protocol::trace::{TraceLine, TraceRequest};

/// Of one operator who traces.
pub(super) struct Reader {
    wants: TraceRequest,
    /// Lines that had no room since the last one.
    dropped: u64,
}

impl Reader {
    pub fn new(wants: TraceRequest) -> Self {
        Self { wants, dropped: 0 }
    }

    /// Sends a line, where there is room. False: the other side is gone.
    fn send(&mut self, line: &str, connection: &mut Connection) -> bool {
        if connection.waiting_bytes() + line.len() > limits::TRACE_WAITING_BYTES_MAX {
            self.dropped += 1;
            return true;
        }
        self.report_dropped(connection) && connection.send(line)
    }

    /// Says how many lines were dropped, once there is room again. False: the other side is gone.
    pub fn report_dropped(&mut self, connection: &mut Connection) -> bool {
        if self.dropped == 0 || connection.waiting_bytes() > limits::TRACE_WAITING_BYTES_MAX / 2 {
            return true;
        }
        let dropped = std::mem::take(&mut self.dropped);
        connection.send(&json!({ "dropped": dropped }).to_string())
    }
}

/// Why there is nothing to trace.
#[derive(Debug, thiserror::Error)]
#[error("no server of the configuration is called {wanted:?}; there is: {}{}", .known.join(", "),
    .near.as_ref().map_or_else(String::new, |near| format!(". Did you mean {near}?")))]
pub(super) struct NoServer {
    wanted: String,
    known: Vec<String>,
    near: Option<String>,
}

impl Daemon {
    /// An operator traces from now on. Gives the reply, with a note where nothing may come.
    pub(super) fn trace_for(
        &mut self,
        number: u64,
        wants: TraceRequest,
    ) -> Result<Value, NoServer> {
        let known: Vec<String> = self.config.servers.iter().map(|it| it.label()).collect();
        if let Some(wanted) = wants.server.as_ref().filter(|it| !known.contains(it)) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = nearest(wanted, &names).map(str::to_owned);
            let wanted = wanted.clone();
            return Err(NoServer {
                wanted,
                known,
                near,
            });
        }
        let host_note = self.note_on(wants.host.as_deref());
        let script_note = self.note_on_script(wants.script.as_deref());
        let notes = host_note.into_iter().chain(script_note);
        let note = notes.reduce(|all, next| format!("{all}. {next}"));
        self.control.trace(number, Reader::new(wants));
        Ok(json!({ "ok": true, "note": note }))
    }

    /// Where an operator follows a host of which nothing may come.
    pub(super) fn note_on(&self, host: Option<&str>) -> Option<String> {
        let is_known = |host: &str| self.core.hosts().any(|(_, name)| name == host);
        let unknown = host.filter(|host| !is_known(host))?;
        Some(format!(
            "no host {unknown} is known now; its lines come when it is seen"
        ))
    }

    /// Where an operator follows a Python script that is not known. Game scripts are known when they call.
    fn note_on_script(&self, script: Option<&str>) -> Option<String> {
        let wanted = script.filter(|name| !name.contains('.') || name.ends_with(".py"))?;
        let bare = wanted.strip_suffix(".py").unwrap_or(wanted);
        let known: Vec<&str> = self.core.script_names().collect();
        if known.contains(&bare) {
            return None;
        }
        let there = match known.is_empty() {
            true => String::new(),
            false => format!("; there is: {}", known.join(", ")),
        };
        let near = nearest(bare, &known);
        let near = near.map_or_else(String::new, |near| format!(". Did you mean {near}?"));
        Some(format!(
            "no Python script {bare} is known now, and game scripts are named with their .nut; its lines come when it \
             is loaded{there}{near}"
        ))
    }

    /// The core notes what passes while an operator traces.
    pub(super) fn set_tracing(&mut self, is_on: bool) {
        let secrets = || Arc::new(Redactor::new(self.config.secrets()));
        let redactor = is_on.then(secrets);
        self.events.push_back(Event::Tracing(redactor));
    }

    /// An event was decided, and what the core has noted of it.
    pub(super) fn trace_event(&mut self, kind: &'static str, line: TraceLine, took: Duration) {
        // Those of tracing itself would follow each other for ever.
        if !matches!(kind, "watched" | "tracing") {
            self.trace_line(line.of(kind, took));
        }
        for traced in self.core.take_traced() {
            let line = self.line_of(traced);
            self.trace_line(line);
        }
    }

    pub(super) fn trace_effect(&mut self, kind: &'static str, line: TraceLine, took: Duration) {
        self.trace_line(line.of(kind, took));
    }

    /// A line about an event or an effect, of which the kind and the time are not known yet.
    pub(super) fn line_about(&self, what: &str, about: &About<'_>) -> TraceLine {
        let mut line = TraceLine {
            what: what.to_owned(),
            args: about.name.to_owned(),
            ..TraceLine::default()
        };
        match about.whose {
            Whose::Vpid => {}
            Whose::Named(host) => line.host = Some(host.to_owned()),
            Whose::Host(host) => self.name_host(host, &mut line),
            Whose::Server(server) => line.server = self.label(server),
            Whose::Script(script) => {
                line.script = self.core.script_name(script).unwrap_or_default().to_owned();
            }
        }
        line
    }

    fn line_of(&self, traced: Traced) -> TraceLine {
        let (ok, result) = match traced.outcome {
            None => (None, String::new()),
            Some(Ok(result)) => (Some(true), result),
            Some(Err(error)) => (Some(false), error),
        };
        let mut line = TraceLine {
            what: traced.what.to_owned(),
            name: traced.name,
            server: traced.server.and_then(|server| self.label(server)),
            caller: traced.caller,
            script: traced.script,
            took_us: traced.took_us,
            ok,
            args: traced.args,
            result,
            ..TraceLine::default()
        };
        if let Some(host) = traced.host {
            self.name_host(host, &mut line);
        }
        line
    }

    fn label(&self, server: ServerId) -> Option<String> {
        self.core.server_label(server).map(str::to_owned)
    }

    fn name_host(&self, host: HostId, line: &mut TraceLine) {
        line.host = self.core.host(host).map(|(_, name)| name.to_owned());
        let server = self.core.server_of(host);
        line.server = server.and_then(|server| self.label(server));
    }

    fn trace_line(&mut self, mut line: TraceLine) {
        line.at_ms = unix_ms();
        let mut text = None;
        self.control.each_reader(|reader, connection| {
            if !reader.wants.wants(&line) {
                return true;
            }
            let text = text.get_or_insert_with(|| json!(line).to_string());
            reader.send(text, connection)
        });
    }
}

/// The time of a line for operators.
pub(super) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

impl TraceLine {
    fn of(mut self, kind: &str, took: Duration) -> Self {
        self.name = kind.to_owned();
        self.took_us = Some(took.as_micros() as u64);
        self
    }
}
