//! What `vpid trace` shows: a line of JSON for each thing that passes through vpid, by the control socket.

use serde::{Deserialize, Serialize};

/// Which lines are wanted; `None` wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRequest {
    /// Of this host, by its name in file names.
    #[serde(default)]
    pub host: Option<String>,
    /// Of this server: its `hostname`, or the path of its scriptdata folder where it has none.
    #[serde(default)]
    pub server: Option<String>,
    /// Of this Python script, and of calls of this script, by the name of its file.
    #[serde(default)]
    pub script: Option<String>,
    /// What took less is left out, and what has no duration.
    #[serde(default)]
    pub slow_ms: Option<u64>,
    /// Calls alone.
    #[serde(default)]
    pub calls: bool,
}

/// One line. Texts are short, in one line, and without secrets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceLine {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// `call`, `message`, `request`, `hook`, `function`, `timer`, `event` or `effect`.
    pub what: String,
    /// A function or hook, or a kind of message, event or effect.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The file of the script that called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caller: String,
    /// The Python script.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub script: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// Arguments, or what else it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub args: String,
    /// The result, or the error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
}

impl TraceRequest {
    pub fn wants(&self, line: &TraceLine) -> bool {
        let is_it = |wanted: &Option<String>, of: &Option<String>| {
            wanted.is_none() || wanted.as_deref() == of.as_deref()
        };
        let is_slow = |slow_ms: u64| {
            let slow_us = slow_ms.saturating_mul(1_000);
            line.took_us.is_some_and(|took| took >= slow_us)
        };
        is_it(&self.host, &line.host)
            && is_it(&self.server, &line.server)
            && self.script.as_ref().is_none_or(|name| line.is_of(name))
            && self.slow_ms.is_none_or(is_slow)
            && (!self.calls || line.what == "call")
    }
}

impl TraceLine {
    /// Whether it is about a script: a Python script by its name, with or without `.py`, or a caller by its file.
    fn is_of(&self, script: &str) -> bool {
        let bare = script.strip_suffix(".py").unwrap_or(script);
        let caller = self.caller.strip_suffix(".py");
        self.caller == script || caller == Some(bare) || self.script == bare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_host_server_script_and_time() {
        let some = |text: &str| Some(text.to_owned());
        let line = TraceLine {
            what: "call".into(),
            host: some("red"),
            server: some("red_label"),
            caller: "stats.py".into(),
            script: "ranks".into(),
            took_us: Some(1_999),
            ..TraceLine::default()
        };
        let all = TraceRequest::default();
        assert!(all.wants(&line));
        let of = |host, server, script| TraceRequest {
            host,
            server,
            script,
            ..all.clone()
        };
        assert!(of(some("red"), some("red_label"), None).wants(&line));
        assert!(!of(some("blue"), None, None).wants(&line));
        assert!(!of(None, some("red"), None).wants(&line));
        for script in ["stats", "stats.py", "ranks", "ranks.py"] {
            assert!(of(None, None, some(script)).wants(&line), "{script}");
        }
        for script in ["stats.nut", "rank", ""] {
            assert!(!of(None, None, some(script)).wants(&line), "{script}");
        }
        let slow = |ms| TraceRequest {
            slow_ms: Some(ms),
            ..all.clone()
        };
        assert!(slow(1).wants(&line) && !slow(2).wants(&line) && !slow(u64::MAX).wants(&line));
        let message = TraceLine {
            what: "message".into(),
            took_us: None,
            ..line
        };
        let calls = TraceRequest {
            calls: true,
            ..all.clone()
        };
        assert!(all.wants(&message) && !slow(0).wants(&message) && !calls.wants(&message));
    }
}
