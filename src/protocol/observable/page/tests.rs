//! Whether the page is well-formed, and shows no name as anything but text.

use super::super::metrics::tests::hostile;
use super::*;

/// Elements that have no end.
const VOID: [&str; 1] = ["meta"];

/// Reads a page strictly: every element ends where it belongs, attributes are in quotation marks, no sign stands
/// unescaped. Gives the names of all elements, and the text.
fn read(html: &str) -> Result<(Vec<String>, String), String> {
    let rest = html.strip_prefix("<!doctype html>\n").ok_or("no type")?;
    let mut rest = rest.strip_prefix(MARK).ok_or("no mark")?;
    let (mut open, mut names, mut text) = (Vec::<String>::new(), Vec::new(), String::new());
    while let Some((before, tag)) = rest.split_once('<') {
        if before.contains('>') && open.last().is_none_or(|it| it != "style") {
            return Err(format!("a bare > in {before:?}"));
        }
        text.push_str(before);
        let (tag, after) = tag.split_once('>').ok_or("a tag without its end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop();
            if last.as_deref() != Some(name) {
                return Err(format!("</{name}> ends {last:?}"));
            }
            continue;
        }
        let (tag, is_closed) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name = tag.split(' ').next().unwrap_or_default().to_owned();
        if name.is_empty() || !name.bytes().all(|it| it.is_ascii_alphanumeric()) {
            return Err(format!("<{tag}>"));
        }
        attributes(tag[name.len()..].trim()).ok_or_else(|| format!("attributes of <{tag}>"))?;
        names.push(name.clone());
        if !is_closed && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    let ampersands = text.split('&').skip(1);
    for entity in ampersands {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        if !known.iter().any(|it| entity.starts_with(it)) {
            return Err(format!("&{entity}"));
        }
    }
    match open.is_empty() {
        true => Ok((names, text)),
        false => Err(format!("not ended: {open:?}")),
    }
}

fn attributes(mut text: &str) -> Option<()> {
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let is_name = |it: u8| it.is_ascii_alphabetic() || it == b'-';
        name.bytes().all(is_name).then_some(())?;
        (!name.starts_with("on") && !["src", "href"].contains(&name)).then_some(())?;
        let (_, rest) = rest.split_once('"')?;
        text = rest.trim_start();
    }
    Some(())
}

/// What an evening on two servers looks like.
fn evening() -> ObservableState {
    let player = |n: i64| Player {
        name: [
            "Ann",
            "Bob the builder",
            "ünïcödé ✓",
            "xX_a_long_name_of_a_player_Xx",
        ][n as usize % 4]
            .into(),
        steam_id: format!("[U:1:{}]", 22_202 + n),
        score: 40 - 3 * n,
        ping: 20 + 7 * n,
        since_s: 1_800_000_000 - 900 * (n + 1),
        ..Player::default()
    };
    let server = |title: &str, map: &str, players: i64| Server {
        name: title.into(),
        title: title.into(),
        folder_open: true,
        map: map.into(),
        players: players as usize,
        bots: 1,
        slots: 24,
        people: (0..players).map(player).collect(),
        seen_s: (players > 0).then_some(1_799_999_998),
        calls: super::super::Finished {
            ok: 48_211,
            failed: 3,
        },
        rcon: Some(super::super::Rcon::Reachable),
        engine_log: Some(true),
        ..Server::default()
    };
    let wave = |n: usize| 1.0 + (n as f64 / 47.0).sin();
    let minute = |n: usize| Minute {
        calls: (wave(n) * 900.0) as u64 + (n as u64 * 7_919) % 180,
        failed: 0,
        players: (wave(n + 40) * 11.0) as usize,
        p50_ms: (n > 60).then_some(2),
        p99_ms: (n > 60).then_some([5, 10, 5, 20][n / 23 % 4]),
    };
    let mut state = hostile();
    state.at_s = 1_800_000_000;
    state.started_s = state.at_s - 400_000;
    state.config = Some("/etc/vpid/vpid.toml".into());
    state.state_dir = "/var/lib/vpid".into();
    state.servers = vec![
        server("Payload #1", "pl_badwater", 9),
        server(
            "Dustbowl for beginners and friends of long names",
            "cp_dustbowl",
            3,
        ),
        server("Training", "", 0),
    ];
    state.history.end_s = state.at_s - 12;
    state.history.minutes = (0..HISTORY_MINUTES_MAX).map(minute).collect();
    state.calls.of_games.ok = 1_204_211;
    state.calls.per_second = 28.4;
    (state.calls.p50_ms, state.calls.p99_ms) = (Some(2), Some(10));
    state.scripts.as_mut().unwrap()[0].name = "ranks".into();
    state.log.last[0].count = 7;
    state.log.last[0].at_s = state.at_s - 4_000;
    state.log.last[0].text = "host red: a call failed: [VPI ERROR] no such column: bob".into();
    state
}

/// `VPID_WRITE_PAGES=DIR` writes the pages, to be looked at.
#[test]
fn the_page_is_well_formed_and_names_are_text_whatever_they_are() {
    let mut state = hostile();
    state.history.minutes = vec![Minute::default(); HISTORY_MINUTES_MAX];
    for (name, state) in [("hostile", state), ("evening", evening())] {
        for public in [false, true] {
            let page = match public {
                true => html(&state.public(), true, 5),
                false => html(&state, false, 5),
            };
            if let Some(folder) = std::env::var_os("VPID_WRITE_PAGES") {
                let path = std::path::Path::new(&folder).join(format!("{name}-{public}.html"));
                std::fs::write(path, &page).unwrap();
            }
            let (names, text) = read(&page).unwrap_or_else(|wrong| panic!("{wrong}\n{page}"));
            for bad in ["script", "img", "iframe", "link", "a", "object", "form"] {
                assert!(!names.iter().any(|it| it == bad), "{bad}");
            }
            assert!(!page.contains("://") && !page.contains("url("));
            assert!(!page.contains('\u{202e}'));
            let shown = "e&quot;vil\\0\u{fffd}&lt;/td&gt;&lt;script&gt;alert(0)&lt;/script&gt;";
            assert_eq!(text.contains(shown), name == "hostile", "{text}");
        }
    }
}

#[test]
fn visitors_see_no_paths_names_errors_queue_and_scripts() {
    let mut state = hostile();
    state.config = Some("CONFIG".into());
    state.state_dir = "STATE".into();
    let server = &mut state.servers[0];
    server.name = "NAME".into();
    server.scriptdata = "FOLDER".into();
    server.title = "Payload".into();
    server.problem = Some("PROBLEM".into());
    server.people[0].name = "PLAYER".into();
    server.people[0].steam_id = "[U:1:22202]".into();
    server.hosts.push(super::super::Host {
        name: "HOST".into(),
        protocol: super::super::Protocol::Stock,
        seen_s: 5,
        script: None,
    });
    state.log.last[0].text = "ERROR".into();
    state.scripts.as_mut().unwrap()[0].name = "SCRIPT".into();
    state.community.as_mut().unwrap().keeper = "KEEPER".into();
    state.databases[0].problem = Some("DATABASE".into());
    state.workers[0].name = "POOL".into();
    let words = [
        "CONFIG",
        "STATE",
        "NAME",
        "FOLDER",
        "PROBLEM",
        "PLAYER",
        "[U:1:22202]",
        "HOST",
        "ERROR",
        "SCRIPT",
        "KEEPER",
        "DATABASE",
        "POOL",
    ];
    let whole = html(&state, false, 5);
    let public = html(&state.public(), true, 5);
    // Nor is it in what the page is made of.
    let public = public + &serde_json::to_string(&state.public()).unwrap();
    for word in words {
        // The state of each is on one page or the other; a server is called by its title.
        let is_shown = ["NAME", "FOLDER"].contains(&word) || whole.contains(word);
        assert!(is_shown && !public.contains(word), "{word}");
    }
    assert!(public.contains("Payload") && public.contains("2</b> of 24 players"));
}

#[test]
fn the_reader_of_these_tests_is_strict() {
    for (body, fine) in [
        ("<p>a &amp; b</p>", true),
        ("<p>a & b</p>", false),
        ("<p><b>a</p></b>", false),
        ("<p>a", false),
        ("<p>a > b</p>", false),
        ("<p class=x>a</p>", false),
        ("<p onclick=\"x\">a</p>", false),
        ("<p style=\"a\" b>a</p>", false),
    ] {
        let html = format!("<!doctype html>\n{MARK}{body}");
        assert_eq!(read(&html).is_ok(), fine, "{body}");
    }
}

#[test]
fn numbers_are_short() {
    assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    assert_eq!((count(7).as_str(), count(700).as_str()), ("7", "700"));
    assert_eq!(
        [0.0, 0.25, 3.25, 20.6, 1_234.0].map(rate),
        ["0", "0.25", "3.2", "21", "1\u{202f}234"]
    );
    assert_eq!([5, 2_500, 10_000].map(time), ["5 ms", "2.5 s", "10 s"]);
    assert_eq!([59, 61, 3_720].map(span), ["59 s", "1 min", "1:02 h"]);
}
