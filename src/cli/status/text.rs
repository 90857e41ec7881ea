//! The state as text of 80 columns.

use jiff::tz::TimeZone;

use crate::cli::table::{clipped, date, printable, span};
use crate::protocol::counted::counted;
use crate::protocol::observable::{
    Community, ObservableState, Problem, Script, Server, health, mebibytes,
};

const COLUMNS: usize = 80;
/// Where the text behind a word at the left begins.
const INDENT: usize = 11;
/// Warnings and errors that are shown, and hosts of a server.
const PROBLEMS: usize = 5;

/// All of it. `zone`: for dates.
pub fn text(state: &ObservableState, zone: &TimeZone) -> String {
    let mut out = head(state, zone);
    out += "\n";
    out += &servers(state);
    out += "\n";
    out += &parts(state, zone);
    if let Some(scripts) = &state.scripts {
        out += "\n";
        out += &scripts_table(scripts);
    }
    out += "\n";
    out += &problems(state, PROBLEMS, zone);
    out
}

pub fn head(state: &ObservableState, zone: &TimeZone) -> String {
    let config = state.config.as_deref().unwrap_or("by variables alone");
    let process = &state.process;
    let memory = process
        .memory_bytes
        .map_or(String::new(), |it| format!("memory {}, ", mebibytes(it)));
    let stops = if state.stopping { ", is stopping" } else { "" };
    let mut out = format!(
        "vpid {}, up {} (since {}), process {}{stops}\n",
        printable(&state.version),
        span(state.at_s - state.started_s),
        date(state.started_s, zone),
        state.pid
    );
    out += &format!("{memory}processor time {:.1} s\n", process.cpu_s);
    out += &labelled("configured", &printable(config));
    out += &labelled("state", &printable(&state.state_dir));
    out
}

/// A table of servers, with a line of details below each.
pub fn servers(state: &ObservableState) -> String {
    let mut out = format!(
        "{:<26}{:<18}{:>8}{:>12}{:>9}{:>7}\n",
        "SERVER", "MAP", "PLAYERS", "SEEN", "CALLS", "FAILED"
    );
    for server in &state.servers {
        out += &server_row(server, state.at_s);
        let details = details(server, state);
        if !details.is_empty() {
            out += &wrapped(&details, 2, 2);
        }
    }
    out
}

pub fn server_row(server: &Server, at_s: i64) -> String {
    let players = match server.slots {
        ..=0 => server.players.to_string(),
        slots => format!("{}/{slots}", server.players),
    };
    let map = match server.map.as_str() {
        "" => "-",
        map => map,
    };
    let seen = server.seen_s.map_or("never".into(), |it| span(at_s - it));
    format!(
        "{:<26}{:<18}{players:>8}{seen:>12}{:>9}{:>7}\n",
        clipped_start(&printable(&server.name), 25),
        clipped(&printable(map), 17),
        server.calls.total(),
        server.calls.failed
    )
}

/// Hosts, RCON, the engine's log, and what is wrong.
fn details(server: &Server, state: &ObservableState) -> String {
    let mut parts = Vec::new();
    for host in server.hosts.iter().take(2) {
        let script = host.script.as_deref().filter(|it| !it.is_empty());
        let script = script.map_or(String::new(), |it| format!(" (scripts {it})"));
        parts.push(format!(
            "{} host {}{script}",
            host.protocol.word(),
            host.name
        ));
    }
    let others = server.hosts.len().saturating_sub(2) + server.hosts_left_out;
    if others > 0 {
        parts.push(format!("{} more", counted(others, "host")));
    }
    if server.bots > 0 {
        parts.push(counted(server.bots, "bot"));
    }
    parts.extend(server.rcon.map(|rcon| format!("RCON {}", rcon.word())));
    parts.extend(server.engine_log.map(|came| {
        let word = if came { "comes" } else { "has not come" };
        format!("the engine's log {word}")
    }));
    let problem = health::of_server(server, state);
    let text = parts.join(", ");
    let text = match (problem, text.as_str()) {
        (Some(problem), "") => problem,
        (Some(problem), text) => format!("{text}; {problem}"),
        (None, _) => text,
    };
    printable(&text)
}

/// What is not about a single server.
fn parts(state: &ObservableState, zone: &TimeZone) -> String {
    let calls = &state.calls;
    let mut out = labelled(
        "calls",
        &format!(
            "{} of games ({} failed), {} of Python scripts and operators; {:.1} per second; {} running",
            calls.of_games.total(),
            calls.of_games.failed,
            calls.of_scripts.total(),
            calls.per_second,
            calls.running
        ),
    );
    let latency = match (calls.p50_ms, calls.p99_ms) {
        (Some(p50), Some(p99)) => {
            format!("half within {p50} ms, 99 % within {p99} ms, in the last 5 minutes")
        }
        _ => "no call of a game has ended in the last 5 minutes".to_owned(),
    };
    out += &labelled("latency", &latency);
    let files = &state.files;
    out += &labelled(
        "files",
        &format!(
            "{} waiting, {} claimed, {} rejected since the start ({} kept)",
            files.waiting, files.held, files.rejected, files.rejected_kept
        ),
    );
    let workers = state.workers.iter().map(|it| {
        let waiting = match it.waiting {
            0 => String::new(),
            waiting => format!(", {waiting} waiting"),
        };
        format!("{} {} of {} busy{waiting}", it.name, it.busy, it.size)
    });
    let workers: Vec<String> = workers.collect();
    if !workers.is_empty() {
        out += &labelled("workers", &workers.join("; "));
    }
    for database in &state.databases {
        if let Some(problem) = &database.problem {
            out += &labelled("database", &printable(problem));
        }
    }
    if let Some(it) = &state.community {
        out += &community(it, state.at_s, zone);
    }
    out
}

fn community(community: &Community, at_s: i64, zone: &TimeZone) -> String {
    let since = community.since_s.map_or(String::new(), |it| date(it, zone));
    let mut text = match community.reachable {
        Some(true) => format!("{} is reachable since {since}", community.keeper),
        Some(false) => format!("{} is unreachable since {since}", community.keeper),
        None => format!("{} has not replied yet", community.keeper),
    };
    if let Some(since_s) = community.refused_since_s {
        text += &format!(", but refuses the key since {}", date(since_s, zone));
    }
    if let Some(until_s) = community.paused_until_s {
        text += &format!("; tried again in {}", span(until_s - at_s));
    }
    if let Some(error) = &community.last_error {
        let ago = span(at_s - error.at_s);
        text += &format!("; failed last {ago} ago: {}", error.text);
    }
    let by_kind = |of: fn(&crate::protocol::observable::Outbox) -> usize| {
        let kinds = community.outbox.iter().filter(|it| of(it) > 0);
        let kinds: Vec<_> = kinds.map(|it| counted_kind(of(it), &it.kind)).collect();
        match kinds.is_empty() {
            true => String::new(),
            false => format!(" ({})", kinds.join(", ")),
        }
    };
    let queue = format!(
        "{} to be sent{}, {} refused{}{}",
        community.open(),
        by_kind(|it| it.open),
        community.dead(),
        by_kind(|it| it.dead),
        if community.outbox_full {
            "; it is full"
        } else {
            ""
        }
    );
    labelled("community", &printable(&text)) + &labelled("queue", &queue)
}

fn scripts_table(scripts: &[Script]) -> String {
    let mut out = format!(
        "{:<26}{:<10}{:>10}{:>10}{:>10}{:>7}{:>7}\n",
        "SCRIPT", "STATE", "RUNS", "TIME", "MEMORY", "WAIT", "STARTS"
    );
    for script in scripts {
        let memory = script.memory_bytes.map_or("-".into(), mebibytes);
        out += &format!(
            "{:<26}{:<10}{:>10}{:>10}{memory:>10}{:>7}{:>7}\n",
            clipped(&printable(&script.name), 25),
            script.state,
            script.calls,
            format!("{:.1} s", script.busy_s),
            script.waiting,
            script.starts
        );
        if let Some(problem) = &script.problem {
            out += &wrapped(&printable(problem), 2, 2);
        }
    }
    if scripts.is_empty() {
        out += "no script is there\n";
    }
    out
}

/// What is wrong now, and the latest lines of the log.
pub fn problems(state: &ObservableState, most: usize, zone: &TimeZone) -> String {
    let now = health::problems(state);
    if now.is_empty() && state.log.last.is_empty() {
        return "No warning and no error since vpid started.\n".to_owned();
    }
    let mut out = String::new();
    for problem in now {
        out += &labelled("NOW", &printable(&problem));
    }
    for Problem {
        at_s,
        is_error,
        text,
        count,
    } in state.log.last.iter().rev().take(most)
    {
        let level = if *is_error { "ERROR" } else { "WARN" };
        let times = match count {
            1 => String::new(),
            count => format!("{count} times, last "),
        };
        let text = format!("{times}{}: {}", date(*at_s, zone), printable(text));
        out += &labelled(level, &text);
    }
    out
}

/// A word, and the lines of a text beside it.
fn labelled(word: &str, text: &str) -> String {
    let lines = wrapped(text, INDENT, INDENT);
    match lines.get(INDENT..) {
        Some(rest) => format!("{word:<INDENT$}{rest}"),
        None => format!("{word}\n"),
    }
}

/// `1 ban`, `2 bans`: kinds have names of many.
fn counted_kind(count: usize, kind: &str) -> String {
    let kind = match count {
        1 => kind.strip_suffix('s').unwrap_or(kind),
        _ => kind,
    };
    format!("{count} {kind}")
}

/// Lines of at most 80 columns, the first with one indentation, the others with another one.
fn wrapped(text: &str, first: usize, others: usize) -> String {
    let mut out = String::new();
    let (mut line, mut used) = (" ".repeat(first), first);
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        let gap = usize::from(!is_empty);
        if used + gap + word.len() > COLUMNS && !is_empty {
            out += &format!("{line}\n");
            (line, used, is_empty) = (" ".repeat(others), others, true);
        }
        // A path can be longer than a line.
        while word.len() > COLUMNS - others && is_empty {
            let rest = word.split_off(COLUMNS - used);
            out += &format!("{line}{}\n", word.iter().collect::<String>());
            (line, used, word) = (" ".repeat(others), others, rest);
        }
        let gap = usize::from(!is_empty);
        line += &" ".repeat(gap);
        line.extend(&word);
        used += gap + word.len();
        is_empty = false;
    }
    out + line.trim_end() + "\n"
}

/// As much of a text as fits, by its end, which says more of a path.
fn clipped_start(text: &str, most: usize) -> String {
    let count = text.chars().count();
    match count > most {
        true => ['…']
            .into_iter()
            .chain(text.chars().skip(count - most + 1))
            .collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::observable::{Finished, Host, Outbox, Protocol, Rcon, Workers};

    fn state() -> ObservableState {
        let long = "/srv/games/team fortress/a/very/long/path/to/tf/scriptdata";
        let server = |name: &str| Server {
            name: name.into(),
            scriptdata: long.into(),
            folder_open: true,
            map: "cp_a_map_with_a_long_name_of_a_workshop".into(),
            players: 12,
            bots: 1,
            slots: 24,
            hosts: vec![Host {
                name: "h\u{1b}[2J".into(),
                protocol: Protocol::Signed,
                seen_s: 90,
                script: Some("1.3".into()),
            }],
            hosts_left_out: 2,
            seen_s: Some(90),
            rcon: Some(Rcon::Reachable),
            engine_log: Some(false),
            calls: Finished { ok: 5, failed: 2 },
            ..Server::default()
        };
        let mut state = ObservableState {
            version: "0.1.0".into(),
            at_s: 100,
            config: Some(format!("{long}/vpid.toml")),
            state_dir: "x".repeat(200),
            servers: vec![server("red"), server(long)],
            workers: vec![
                Workers {
                    name: "database".into(),
                    busy: 1,
                    size: 4,
                    waiting: 3,
                };
                7
            ],
            scripts: Some(vec![Script {
                name: "s".repeat(70),
                state: "unloaded".into(),
                problem: Some("it ended ".repeat(30)),
                ..Script::default()
            }]),
            community: Some(Community {
                keeper: "VyHub".into(),
                reachable: Some(false),
                since_s: Some(50),
                paused_until_s: Some(110),
                outbox: vec![Outbox {
                    kind: "bans".into(),
                    open: 2,
                    dead: 1,
                }],
                ..Community::default()
            }),
            ..ObservableState::default()
        };
        state.log.last.push(Problem {
            at_s: 60,
            is_error: false,
            text: "a\u{1b}[31m warning with many words ".repeat(9),
            count: 3,
        });
        state
    }

    #[test]
    fn no_line_is_wider_than_80_columns_and_nothing_moves_the_cursor() {
        let text = text(&state(), &TimeZone::UTC);
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line:?}");
            assert_eq!(line.trim_end(), line, "{line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        for part in [
            "vpid 0.1.0, up 100 s (since 1970-01-01 00:00:00)",
            "12/24",
            "10 s",
            "signed host h?[2J (scripts 1.3), 2 hosts more, 1 bot, RCON reachable",
            "VyHub is unreachable since 1970-01-01 00:00:50; tried again in 10 s",
            "2 to be sent (2 bans), 1 refused (1 ban)",
            "database 1 of 4 busy, 3 waiting",
            "3 times, last 1970-01-01 00:01:00: a?[31m warning",
            "…ng/path/to/tf/scriptdata ",
        ] {
            assert!(text.contains(part), "{part:?}\n{text}");
        }
    }

    #[test]
    fn a_refused_key_stands_beside_what_is_reachable() {
        let mut state = state();
        let community = state.community.as_mut().unwrap();
        community.reachable = Some(true);
        community.paused_until_s = None;
        community.refused_since_s = Some(60);
        let text = text(&state, &TimeZone::UTC);
        let words: Vec<_> = text.split_whitespace().collect();
        let expected = "VyHub is reachable since 1970-01-01 00:00:50, but refuses the key since \
                        1970-01-01 00:01:00";
        assert!(words.join(" ").contains(expected), "{text}");
    }

    #[test]
    fn a_vpid_without_anything_is_described_all_the_same() {
        let text = text(&ObservableState::default(), &TimeZone::UTC);
        assert!(text.contains("no call of a game has ended"), "{text}");
        assert!(text.ends_with("No warning and no error since vpid started.\n"));
    }

    #[test]
    fn lines_break_between_words_and_within_long_ones() {
        assert_eq!(wrapped("a b", 2, 4), "  a b\n");
        let long = "x".repeat(100);
        let text = wrapped(&format!("a {long} b"), 0, 4);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "a");
        assert_eq!(lines[1], format!("    {}", "x".repeat(76)));
        assert_eq!(lines[2], format!("    {} b", "x".repeat(24)));
        assert_eq!(clipped("abcdef", 4), "abc…");
        assert_eq!(clipped_start("abcdef", 4), "…def");
    }
}
