//! The state as a page: one file of HTML without a script or anything from elsewhere.
//!
//! Every text goes through [`escaped`]; the policy in the head lets a browser run and load nothing, even so. The form
//! for visitors is made of [`ObservableState::public`], which has nothing that they must not see.

use std::fmt::Write;

use jiff::Timestamp;

use super::plot::{self, Curve};
use super::{Minute, ObservableState, Player, Problem, Server, health, mebibytes};
use crate::limits::{HISTORY_MINUTES_MAX, STATUS_REFRESH_S_MIN};

/// With what each page begins, after the type of the document.
pub const MARK: &str = "<!-- Written by vpid -->";

const STYLE: &str = include_str!("page.css");

/// The page. `refresh_s`: how often a browser loads it again.
pub fn html(state: &ObservableState, public: bool, refresh_s: u64) -> String {
    let title = if public { "Game servers" } else { "vpid" };
    let refresh_s = refresh_s.max(STATUS_REFRESH_S_MIN);
    let mut out = format!(
        "<!doctype html>\n{MARK}\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta http-equiv=\"refresh\" content=\"{refresh_s}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    head(state, title, public, &mut out);
    tiles(state, public, &mut out);
    plots(state, &mut out);
    servers(state, public, &mut out);
    if !public {
        problems(state, &mut out);
        queue(state, &mut out);
        scripts(state, &mut out);
        workers(state, &mut out);
    }
    let version = escaped(&state.version);
    let _ = write!(out, "<footer>vpid {version}");
    if !public {
        let config = state.config.as_deref().unwrap_or("the environment");
        let (config, folder) = (escaped(config), escaped(&state.state_dir));
        let _ = write!(
            out,
            " · process {} · configuration: {config} · state: {folder}",
            state.pid
        );
    }
    out + "</footer>\n</body>\n</html>\n"
}

fn head(state: &ObservableState, title: &str, public: bool, out: &mut String) {
    let wrong = match public {
        true => state.servers.iter().filter(|it| !is_up(it)).count(),
        false => health::problems(state).len(),
    };
    let (class, words) = match (state.stopping, wrong, public) {
        (true, ..) => ("bad", "stopped".to_owned()),
        (_, 0, _) => ("good", "all is well".to_owned()),
        (_, 1, false) => ("bad", "1 problem".to_owned()),
        (_, n, false) => ("bad", format!("{n} problems")),
        (_, n, true) => ("warn", format!("{n} of {} not seen", state.servers.len())),
    };
    let _ = writeln!(
        out,
        "<header><h1>{title}</h1><span class=\"pill {class}\">{words}</span>\
         <p>As of {}. Up since {}. This page is written while something changes.</p></header>",
        date(state.at_s),
        date(state.started_s)
    );
}

fn tiles(state: &ObservableState, public: bool, out: &mut String) {
    let slots: i64 = state.servers.iter().map(|server| server.slots.max(0)).sum();
    let room = match slots {
        0 => String::new(),
        slots => format!(" <small>of {slots}</small>"),
    };
    let calls = &state.calls;
    let time = |ms: Option<u64>| ms.map_or("–".to_owned(), time);
    let mut all = vec![
        ("players", format!("{}{room}", state.players())),
        ("calls per second", rate(calls.per_second)),
        ("response time of 99 %", time(calls.p99_ms)),
        ("calls since the start", count(calls.of_games.total())),
    ];
    if !public {
        let (open, dead) = state
            .community
            .as_ref()
            .map_or((0, 0), |it| (it.open(), it.dead()));
        let dead = match dead {
            0 => String::new(),
            dead => format!(" <small class=\"bad\">and {dead} refused</small>"),
        };
        all.push(("changes in the queue", format!("{open}{dead}")));
        let memory = state.process.memory_bytes;
        all.push(("memory of vpid", memory.map_or("–".into(), mebibytes)));
    }
    out.push_str("<section class=\"grid tiles\">");
    for (label, value) in all {
        let _ = write!(
            out,
            "<div class=\"card tile\"><b>{value}</b><small>{label}</small></div>"
        );
    }
    out.push_str("</section>\n");
}

fn plots(state: &ObservableState, out: &mut String) {
    let minutes = &state.history.minutes;
    let of = |value: fn(&Minute) -> Option<f64>| -> Vec<Option<f64>> {
        minutes.iter().map(value).collect()
    };
    let players = of(|it| Some(it.players as f64));
    let calls = of(|it| Some(it.calls as f64 / 60.0));
    let p99 = of(|it| it.p99_ms.map(|ms| ms as f64));
    let p50 = of(|it| it.p50_ms.map(|ms| ms as f64));
    let curve = |colour, filled, values| Curve {
        colour,
        filled,
        values,
    };
    out.push_str("<section class=\"grid plots\">");
    let unit = |value: f64| count(value.round() as u64);
    let of_players = [curve("blue", true, &players)];
    plot(
        state,
        "<b>Players</b>",
        (&of_players, plot::top(&of_players, 4.0)),
        unit,
        out,
    );
    let of_calls = [curve("teal", true, &calls)];
    plot(
        state,
        "<b>Calls per second</b>",
        (&of_calls, plot::top(&of_calls, 0.1)),
        rate,
        out,
    );
    let times = [curve("violet", true, &p99[..]), curve("amber", false, &p50)];
    let title = "<b>Time to respond</b><span><span class=\"key\">99 %</span> \
                 <span class=\"key second\">50 %</span></span>";
    let unit = |ms: f64| time(ms.round() as u64);
    plot(state, title, (&times, plot::top(&times, 10.0)), unit, out);
    out.push_str("</section>\n");
}

/// A figure with its axes. `title` is HTML; with the curves comes the top of the axis.
fn plot(
    state: &ObservableState,
    title: &str,
    (curves, top): (&[Curve<'_>], f64),
    unit: impl Fn(f64) -> String,
    out: &mut String,
) {
    let words = title.split("</b>").next().unwrap_or_default();
    let words = words.trim_start_matches("<b>");
    let label = format!("{words} in the last hours, at most {}", unit(top));
    let _ = write!(
        out,
        "<figure class=\"card\"><figcaption>{title}</figcaption><div class=\"plot\">{}\
         <i style=\"top:0\">{}</i><i style=\"top:50%\">{}</i><i style=\"top:100%\">0</i></div><div class=\"axis\">",
        plot::svg(curves, top, &label),
        unit(top),
        unit(top / 2.0)
    );
    let hours = HISTORY_MINUTES_MAX as i64 / 60;
    for back in [hours, hours * 2 / 3, hours / 3, 0] {
        let at = state.history.end_s - back * 3_600;
        let _ = write!(out, "<span>{}</span>", formatted(at, "%H:%M"));
    }
    out.push_str("</div></figure>");
}

/// Whether visitors are to think that it runs.
fn is_up(server: &Server) -> bool {
    server.folder_open && (server.seen_s.is_some() || server.has_earlier_session)
}

fn servers(state: &ObservableState, public: bool, out: &mut String) {
    out.push_str("<h2>Servers</h2>\n<section class=\"grid cards\">");
    for server in &state.servers {
        let problem = health::of_server(server, state).filter(|_| !public);
        let (class, word) = match (is_up(server), &problem) {
            (true, None) => ("good", "seen"),
            (false, None) => ("warn", "not seen"),
            (_, Some(_)) => ("bad", "has a problem"),
        };
        let map = match server.map.as_str() {
            "" => "no map known",
            map => map,
        };
        let _ = write!(
            out,
            "<article class=\"card server\"><header><div><h3><bdi>{}</bdi></h3><span class=\"soft\"><bdi>{}</bdi>\
             </span></div><span class=\"dot {class}\" role=\"img\" aria-label=\"{word}\" title=\"{word}\"></span></header>",
            escaped(&server.title),
            escaped(map)
        );
        bar(server, out);
        if !public {
            facts(server, out);
            people(server, state.at_s, out);
        }
        if let Some(problem) = problem {
            let _ = write!(out, "<p class=\"trouble\">{}</p>", escaped(&problem));
        }
        out.push_str("</article>");
    }
    out.push_str("</section>\n");
}

/// How full it is.
fn bar(server: &Server, out: &mut String) {
    let slots = usize::try_from(server.slots).unwrap_or(0);
    let part = (server.players * 100).checked_div(slots).unwrap_or(0);
    let _ = write!(
        out,
        "<div class=\"bar\"><span style=\"width:{}%\"></span></div><div class=\"facts\"><span><b>{}</b>{} players</span>",
        part.min(100),
        server.players,
        match slots {
            0 => String::new(),
            slots => format!(" of {slots}"),
        }
    );
    if server.bots > 0 {
        let bots = if server.bots == 1 { "bot" } else { "bots" };
        let _ = write!(out, "<span><b>{}</b> {bots}</span>", server.bots);
    }
    out.push_str("</div>");
}

fn facts(server: &Server, out: &mut String) {
    out.push_str("<div class=\"facts\">");
    let mut fact = |name: &str, value: &str| {
        let _ = write!(out, "<span>{name} <b>{}</b></span>", escaped(value));
    };
    let calls = server.calls;
    let failed = match calls.failed {
        0 => String::new(),
        failed => format!(" ({} failed)", count(failed)),
    };
    fact("calls", &format!("{}{failed}", count(calls.total())));
    for host in server.hosts.iter().take(3) {
        fact("host", &format!("{}, {}", host.name, host.protocol.word()));
    }
    if let Some(rcon) = server.rcon {
        fact("RCON", rcon.word());
    }
    if let Some(came) = server.engine_log {
        fact("log", if came { "comes" } else { "has not come" });
    }
    if let Some(seen_s) = server.seen_s {
        fact("last seen", &date(seen_s));
    }
    out.push_str("</div>");
}

fn people(server: &Server, at_s: i64, out: &mut String) {
    if server.people.is_empty() {
        return;
    }
    out.push_str("<table><tr><th>player</th><th class=\"n\">score</th><th class=\"n\">ping</th><th class=\"n\">time</th></tr>");
    for Player {
        name,
        steam_id,
        bot,
        score,
        ping,
        since_s,
    } in &server.people
    {
        let id = if *bot { "bot" } else { steam_id.as_str() };
        let _ = write!(
            out,
            "<tr><td><bdi>{}</bdi> <small>{}</small></td><td class=\"n\">{score}</td><td class=\"n\">{ping}</td>\
             <td class=\"n\">{}</td></tr>",
            escaped(name),
            escaped(id),
            span(at_s - since_s)
        );
    }
    out.push_str("</table>");
    if server.people_left_out > 0 {
        let _ = write!(out, "<small>and {} more</small>", server.people_left_out);
    }
}

fn problems(state: &ObservableState, out: &mut String) {
    let now: Vec<String> = health::problems(state);
    out.push_str("<h2>Problems</h2>\n<section class=\"card\"><ul class=\"log\">");
    for problem in &now {
        let _ = write!(
            out,
            "<li><span class=\"bad\">now</span><span>{}</span></li>",
            escaped(problem)
        );
    }
    for problem in state.log.last.iter().rev() {
        let class = if problem.is_error { "bad" } else { "warn" };
        let times = match problem.count {
            1 => String::new(),
            times => format!(" <small>({times} times)</small>"),
        };
        let _ = write!(
            out,
            "<li><span class=\"{class}\">{}</span><span>{}{times}</span></li>",
            date(problem.at_s),
            escaped(&problem.text)
        );
    }
    if now.is_empty() && state.log.last.is_empty() {
        out.push_str("<li class=\"soft\">No warning and no error since vpid started.</li>");
    }
    out.push_str("</ul></section>\n");
}

fn queue(state: &ObservableState, out: &mut String) {
    let Some(community) = &state.community else {
        return;
    };
    let keeper = escaped(&community.keeper);
    let _ = write!(
        out,
        "<h2>Community</h2>\n<section class=\"card\"><div class=\"facts\"><span>{keeper} "
    );
    let since = community.since_s.map(date).unwrap_or_default();
    out.push_str(&match community.reachable {
        Some(true) => format!("<b class=\"good\">reachable since {since}</b>"),
        Some(false) => format!("<b class=\"bad\">unreachable since {since}</b>"),
        None => "<b>has not replied yet</b>".to_owned(),
    });
    out.push_str("</span>");
    if let Some(since_s) = community.refused_since_s {
        let since = date(since_s);
        let _ = write!(
            out,
            "<span><b class=\"bad\">refuses the key since {since}</b></span>"
        );
    }
    if let Some(until_s) = community.paused_until_s {
        let _ = write!(out, "<span>tried again at <b>{}</b></span>", date(until_s));
    }
    out.push_str("</div>");
    if let Some(Problem { at_s, text, .. }) = &community.last_error {
        let _ = write!(
            out,
            "<p class=\"soft\">Last failure, {}: {}</p>",
            date(*at_s),
            escaped(text)
        );
    }
    let rows = community.outbox.iter();
    let rows = rows.map(|it| [it.kind.clone(), it.open.to_string(), it.dead.to_string()]);
    out.push_str("<div class=\"queue\">");
    table(["waiting to be sent", "open", "refused"], rows, out);
    out.push_str("</div></section>\n");
}

fn scripts(state: &ObservableState, out: &mut String) {
    let Some(scripts) = &state.scripts else {
        return;
    };
    out.push_str("<h2>Python scripts</h2>\n<section class=\"card wide\">");
    let rows = scripts.iter().map(|it| {
        [
            it.name.clone(),
            it.state.clone(),
            count(it.calls),
            format!("{:.1} s", it.busy_s),
            it.memory_bytes.map_or("–".into(), mebibytes),
            it.waiting.to_string(),
            it.restarts.to_string(),
        ]
    });
    let head = [
        "name", "state", "runs", "time", "memory", "waiting", "restarts",
    ];
    table(head, rows, out);
    out.push_str("</section>\n");
}

fn workers(state: &ObservableState, out: &mut String) {
    out.push_str("<h2>Workers and files</h2>\n<section class=\"card wide\">");
    let rows = state.workers.iter().map(|it| {
        [
            it.name.clone(),
            format!("{} of {}", it.busy, it.size),
            it.waiting.to_string(),
        ]
    });
    table(["pool", "busy", "waiting"], rows, out);
    let files = &state.files;
    let _ = write!(
        out,
        "</section>\n<div class=\"facts\" style=\"margin:.6rem 1rem 0\"><span>call files waiting <b>{}</b></span>\
         <span>claimed <b>{}</b></span><span>rejected since the start <b>{}</b>, kept <b>{}</b></span>\
         <span>slow turns <b>{}</b></span><span>processor time <b>{:.1} s</b></span></div>\n",
        files.waiting,
        files.held,
        files.rejected,
        files.rejected_kept,
        state.process.slow_turns,
        state.process.cpu_s
    );
}

/// The first column is of names, the others of numbers and words.
fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut String,
) {
    let class = |column: usize| if column == 0 { "" } else { " class=\"n\"" };
    out.push_str("<table><tr>");
    for (column, text) in head.iter().enumerate() {
        let _ = write!(out, "<th{}>{text}</th>", class(column));
    }
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        for (column, text) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escaped(text));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

/// A text as HTML, also within quotation marks. Signs that cannot be seen, or that turn the direction of writing, are
/// replaced.
pub fn escaped(text: &str) -> String {
    let mut html = String::new();
    for sign in text.chars() {
        match sign {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                html.push('\u{fffd}');
            }
            sign if sign.is_control() => html.push('\u{fffd}'),
            sign => html.push(sign),
        }
    }
    html
}

fn date(at_s: i64) -> String {
    formatted(at_s, "%Y-%m-%d %H:%M:%S UTC")
}

fn formatted(at_s: i64, format: &str) -> String {
    let at = Timestamp::from_second(at_s).unwrap_or_default();
    at.strftime(format).to_string()
}

fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ ..60 => format!("{s} s"),
        s @ ..3_600 => format!("{} min", s / 60),
        s => format!("{}:{:02} h", s / 3_600, s % 3_600 / 60),
    }
}

fn time(ms: u64) -> String {
    match ms {
        ms @ ..1_000 => format!("{ms} ms"),
        ms => format!("{} s", ms as f64 / 1_000.0),
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 100.0 => count(rate.round() as u64),
        rate if rate >= 10.0 || rate == rate.round() => format!("{rate:.0}"),
        rate if rate >= 1.0 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

/// In groups of three digits.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            // A thin space that does not break.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
