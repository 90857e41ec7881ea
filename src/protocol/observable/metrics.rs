//! The state in Prometheus' text format (version 0.0.4), for node_exporter's textfile collector and other readers.
//!
//! Names, units and `_total` follow Prometheus' conventions. Labels are names of the configuration, of Python scripts
//! and of pools, never of players or hosts, so the number of series is bounded by the configuration.

use std::fmt::{Display, Write};

use super::{Finished, ObservableState, Rcon, Server};

/// With what each text begins; a comment to readers of the format.
pub const MARK: &str = "# Written by vpid";

/// A metric.
pub struct Metric {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

const C: &str = "counter";
const G: &str = "gauge";

/// All metrics, as docs/operations.md lists them.
pub const METRICS: &[Metric] = &[
    metric(
        "vpid_up",
        G,
        &[],
        "1 while vpid runs, 0 once it is stopping.",
    ),
    metric(
        "vpid_build_info",
        G,
        &["version"],
        "1, with the version of vpid.",
    ),
    metric(
        "vpid_start_time_seconds",
        G,
        &[],
        "When vpid started, in unix seconds.",
    ),
    metric(
        "vpid_healthy",
        G,
        &[],
        "1 if vpid status --health finds no problem, else 0.",
    ),
    metric(
        "vpid_process_resident_memory_bytes",
        G,
        &[],
        "Memory of vpid without its Python scripts.",
    ),
    metric(
        "vpid_process_cpu_seconds_total",
        C,
        &[],
        "Processor time of vpid without its Python scripts.",
    ),
    metric(
        "vpid_slow_turns_total",
        C,
        &[],
        "Turns of the loop that took longer than 20 ms.",
    ),
    metric(
        "vpid_log_lines_total",
        C,
        &["level"],
        "Warnings and errors that were written to the log.",
    ),
    metric(
        "vpid_calls_total",
        C,
        &["server", "outcome"],
        "Calls of games that have ended; outcome is ok or error.",
    ),
    metric(
        "vpid_script_calls_total",
        C,
        &["outcome"],
        "The same of calls by Python scripts and operators.",
    ),
    metric(
        "vpid_calls_running",
        G,
        &[],
        "Calls that were taken and have not ended.",
    ),
    metric(
        "vpid_call_duration_seconds",
        "histogram",
        &[],
        "From when vpid has read a game's call until its response is ready.",
    ),
    metric(
        "vpid_files_waiting",
        G,
        &[],
        "Call files that wait in their folders.",
    ),
    metric(
        "vpid_files_held",
        G,
        &[],
        "Call files that are claimed and not removed yet.",
    ),
    metric(
        "vpid_files_rejected_total",
        C,
        &[],
        "Files that could not be authenticated or read.",
    ),
    metric(
        "vpid_server_up",
        G,
        &["server"],
        "1 if the server's folder can be read and its game is seen, else 0.",
    ),
    metric(
        "vpid_server_seen_timestamp_seconds",
        G,
        &["server"],
        "When something came from the server last, in unix seconds.",
    ),
    metric(
        "vpid_server_players",
        G,
        &["server"],
        "Players on the server, without bots.",
    ),
    metric("vpid_server_bots", G, &["server"], "Bots on the server."),
    metric(
        "vpid_server_slots",
        G,
        &["server"],
        "Players that the server has room for; missing where that is unknown.",
    ),
    metric(
        "vpid_server_rcon_up",
        G,
        &["server"],
        "1 if RCON can be reached and takes the password, else 0; missing until it was used.",
    ),
    metric(
        "vpid_workers",
        G,
        &["pool"],
        "Workers that the pool can have.",
    ),
    metric(
        "vpid_workers_busy",
        G,
        &["pool"],
        "Workers that are at work.",
    ),
    metric(
        "vpid_worker_jobs_waiting",
        G,
        &["pool"],
        "Jobs that no worker has begun.",
    ),
    metric(
        "vpid_database_up",
        G,
        &["database"],
        "1 if the database can be used, else 0.",
    ),
    metric(
        "vpid_community_up",
        G,
        &[],
        "1 if VyHub or the community's database is reachable, else 0.",
    ),
    metric(
        "vpid_community_since_timestamp_seconds",
        G,
        &[],
        "Since when that is so, in unix seconds.",
    ),
    metric(
        "vpid_outbox_open",
        G,
        &["kind"],
        "Changes that wait to be sent to the community.",
    ),
    metric(
        "vpid_outbox_dead_letters",
        G,
        &["kind"],
        "Changes that the community refused.",
    ),
    metric(
        "vpid_script_up",
        G,
        &["script"],
        "1 if the Python script is running, else 0.",
    ),
    metric(
        "vpid_script_restarts_total",
        C,
        &["script"],
        "How often it was restarted after it had ended by itself.",
    ),
    metric(
        "vpid_script_runs_total",
        C,
        &["script"],
        "Hooks, functions and timers of it that ran.",
    ),
    metric(
        "vpid_script_busy_seconds_total",
        C,
        &["script"],
        "How long these took.",
    ),
    metric(
        "vpid_script_memory_bytes",
        G,
        &["script"],
        "Its memory, as counted last.",
    ),
    metric(
        "vpid_script_queue_length",
        G,
        &["script"],
        "Events and calls that wait for it.",
    ),
    metric(
        "vpid_script_events_dropped_total",
        C,
        &["script"],
        "Events that found its queue full.",
    ),
];

/// The whole text.
pub fn text(state: &ObservableState) -> String {
    let mut out = Text(format!("{MARK} {}.\n", plain(&state.version)));
    of_process(state, &mut out);
    of_calls(state, &mut out);
    of_servers(&state.servers, state, &mut out);
    of_parts(state, &mut out);
    of_scripts(state, &mut out);
    out.0
}

fn of_process(state: &ObservableState, out: &mut Text) {
    let process = &state.process;
    out.one("vpid_up", truth(!state.stopping));
    out.each("vpid_build_info", [([state.version.as_str()], 1)]);
    out.one("vpid_start_time_seconds", state.started_s);
    let problems = super::health::problems(state);
    out.one("vpid_healthy", truth(problems.is_empty()));
    if let Some(bytes) = process.memory_bytes {
        out.one("vpid_process_resident_memory_bytes", bytes);
    }
    out.one("vpid_process_cpu_seconds_total", process.cpu_s);
    out.one("vpid_slow_turns_total", process.slow_turns);
    let lines = [
        (["warning"], state.log.warnings),
        (["error"], state.log.errors),
    ];
    out.each("vpid_log_lines_total", lines);
}

fn of_calls(state: &ObservableState, out: &mut Text) {
    let outcomes = |of: Finished| [("ok", of.ok), ("error", of.failed)];
    let servers = state.servers.iter();
    let calls = servers.flat_map(|server| {
        let all = outcomes(server.calls).into_iter();
        all.map(move |(outcome, count)| ([server.name.as_str(), outcome], count))
    });
    out.each("vpid_calls_total", calls);
    let calls = outcomes(state.calls.of_scripts);
    out.each(
        "vpid_script_calls_total",
        calls.map(|(outcome, count)| ([outcome], count)),
    );
    out.one("vpid_calls_running", state.calls.running);
    out.histogram(state);
    out.one("vpid_files_waiting", state.files.waiting);
    out.one("vpid_files_held", state.files.held);
    out.one("vpid_files_rejected_total", state.files.rejected);
}

fn of_servers(servers: &[Server], state: &ObservableState, out: &mut Text) {
    fn by<'a, T: Display>(
        servers: &'a [Server],
        value: impl Fn(&'a Server) -> Option<T>,
    ) -> impl Iterator<Item = ([&'a str; 1], T)> {
        let all = servers.iter();
        all.filter_map(move |server| Some(([server.name.as_str()], value(server)?)))
    }
    let is_up = |it: &Server| super::health::of_server(it, state).is_none() && it.seen_s.is_some();
    out.each("vpid_server_up", by(servers, |it| Some(truth(is_up(it)))));
    out.each(
        "vpid_server_seen_timestamp_seconds",
        by(servers, |it| it.seen_s),
    );
    out.each("vpid_server_players", by(servers, |it| Some(it.players)));
    out.each("vpid_server_bots", by(servers, |it| Some(it.bots)));
    let slots = |it: &Server| (it.slots > 0).then_some(it.slots);
    out.each("vpid_server_slots", by(servers, slots));
    let rcon = |it: &Server| {
        let known = it.rcon.filter(|rcon| *rcon != Rcon::Unknown)?;
        Some(truth(known == Rcon::Reachable))
    };
    out.each("vpid_server_rcon_up", by(servers, rcon));
}

/// Workers, databases and the community.
fn of_parts(state: &ObservableState, out: &mut Text) {
    let pools = || state.workers.iter().map(|it| ([it.name.as_str()], it));
    out.each("vpid_workers", pools().map(|(pool, it)| (pool, it.size)));
    out.each(
        "vpid_workers_busy",
        pools().map(|(pool, it)| (pool, it.busy)),
    );
    out.each(
        "vpid_worker_jobs_waiting",
        pools().map(|(pool, it)| (pool, it.waiting)),
    );
    let databases = state.databases.iter();
    let databases = databases.map(|it| ([it.name.as_str()], truth(it.problem.is_none())));
    out.each("vpid_database_up", databases);
    let Some(community) = &state.community else {
        return;
    };
    if let Some(reachable) = community.reachable {
        out.one("vpid_community_up", truth(reachable));
    }
    if let Some(since_s) = community.since_s {
        out.one("vpid_community_since_timestamp_seconds", since_s);
    }
    let kinds = || community.outbox.iter().map(|it| ([it.kind.as_str()], it));
    out.each(
        "vpid_outbox_open",
        kinds().map(|(kind, it)| (kind, it.open)),
    );
    out.each(
        "vpid_outbox_dead_letters",
        kinds().map(|(kind, it)| (kind, it.dead)),
    );
}

fn of_scripts(state: &ObservableState, out: &mut Text) {
    let scripts = state.scripts.as_deref().unwrap_or_default();
    let all = || scripts.iter().map(|it| ([it.name.as_str()], it));
    out.each(
        "vpid_script_up",
        all().map(|(name, it)| (name, truth(it.state == "running"))),
    );
    out.each(
        "vpid_script_restarts_total",
        all().map(|(name, it)| (name, it.restarts)),
    );
    out.each(
        "vpid_script_runs_total",
        all().map(|(name, it)| (name, it.calls)),
    );
    out.each(
        "vpid_script_busy_seconds_total",
        all().map(|(name, it)| (name, it.busy_s)),
    );
    let memory = all().filter_map(|(name, it)| Some((name, it.memory_bytes?)));
    out.each("vpid_script_memory_bytes", memory);
    out.each(
        "vpid_script_queue_length",
        all().map(|(name, it)| (name, it.waiting)),
    );
    out.each(
        "vpid_script_events_dropped_total",
        all().map(|(name, it)| (name, it.dropped)),
    );
}

fn truth(truth: bool) -> u8 {
    u8::from(truth)
}

struct Text(String);

impl Text {
    fn one(&mut self, name: &str, value: impl Display) {
        self.each(name, [([""; 0], value)]);
    }

    /// The samples of a metric, each with the values of its labels. Without any, there is no line of it.
    fn each<'a, const N: usize>(
        &mut self,
        name: &str,
        samples: impl IntoIterator<Item = ([&'a str; N], impl Display)>,
    ) {
        let mut labels: &[&str] = &[];
        for (nth, (values, value)) in samples.into_iter().enumerate() {
            if nth == 0 {
                labels = self.head(name);
            }
            self.0.push_str(name);
            for (nth, (label, text)) in labels.iter().zip(values).enumerate() {
                let sign = if nth == 0 { '{' } else { ',' };
                let _ = write!(self.0, "{sign}{label}=\"{}\"", quoted(text));
            }
            let end = if labels.is_empty() { "" } else { "}" };
            let _ = writeln!(self.0, "{end} {value}");
        }
    }

    /// Gives the labels of its samples.
    fn head(&mut self, name: &str) -> &'static [&'static str] {
        let Some(metric) = METRICS.iter().find(|it| it.name == name) else {
            return &[];
        };
        let _ = writeln!(self.0, "# HELP {name} {}", metric.help);
        let _ = writeln!(self.0, "# TYPE {name} {}", metric.kind);
        metric.labels
    }

    fn histogram(&mut self, state: &ObservableState) {
        let (name, times) = ("vpid_call_duration_seconds", &state.calls.latency);
        self.head(name);
        for (bound_ms, count) in times.cumulative() {
            let bound_s = bound_ms as f64 / 1_000.0;
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound_s}\"}} {count}");
        }
        let (count, sum_s) = (times.count(), times.sum_ms as f64 / 1_000.0);
        let _ = writeln!(
            self.0,
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum_s}\n{name}_count {count}"
        );
    }
}

/// The value of a label, within its quotation marks.
fn quoted(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
pub(super) mod tests;
