//! A strict reader of the exposition format, and what it makes of hostile names.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Community, Database, Outbox, Script, Workers};
use super::*;

/// A sample: its metric's name, labels and value.
type Sample = (String, Vec<(String, String)>, f64);

/// Reads a text as Prometheus does, and as node_exporter's textfile collector wants it: each family once and in one
/// piece, with HELP and TYPE before its samples, no sample twice, no time stamps.
fn read(text: &str) -> Result<Vec<Sample>, String> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').ok_or("HELP without a text")?;
            if words.is_empty() || words.contains('\\') || kinds.contains_key(name) {
                return wrong("HELP");
            }
            name.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or("TYPE without a kind")?;
            let is_kind = ["counter", "gauge", "histogram"].contains(&kind);
            if name != family || !is_kind || kinds.insert(name.into(), kind.into()).is_some() {
                return wrong("TYPE");
            }
        } else if !line.starts_with('#') {
            let sample = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
            let (name, labels, value) = &sample;
            let kind = kinds.get(&family).cloned().unwrap_or_default();
            let of_family = match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| *name == format!("{family}{end}")),
                "counter" => *name == family && name.ends_with("_total") && *value >= 0.0,
                "gauge" => *name == family && !name.ends_with("_total"),
                _ => false,
            };
            if !of_family || !seen.insert((name.clone(), labels.clone())) {
                return wrong("sample");
            }
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<Sample> {
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        let first = bytes.next();
        first.is_some_and(|it| it.is_ascii_alphabetic() || it == b'_')
            && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"")?;
            let mut text = String::new();
            let mut signs = value.char_indices();
            let end = loop {
                match signs.next()? {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match signs.next()?.1 {
                        'n' => '\n',
                        sign @ ('"' | '\\') => sign,
                        _ => return None,
                    }),
                    (_, sign) => text.push(sign),
                }
            };
            is_name(label).then(|| labels.push((label.to_owned(), text)))?;
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| (name.to_owned(), labels, value))
}

/// Something of everything, with names that try to break out of their places.
pub fn hostile() -> ObservableState {
    let evil = |n: usize| format!("e\"vil\\{n}\n</td><script>alert({n})</script>\u{202e}'");
    let player = |n| super::super::Player {
        name: evil(n),
        steam_id: "[U:1:5]".into(),
        ping: 50,
        ..super::super::Player::default()
    };
    let server = |n| Server {
        name: evil(n),
        title: evil(n),
        scriptdata: evil(n),
        folder_open: true,
        map: evil(n),
        players: 2,
        slots: 24,
        people: vec![player(n), player(n + 1)],
        seen_s: Some(99),
        rcon: Some(Rcon::Refused),
        problem: (n == 1).then(|| evil(n)),
        calls: Finished { ok: 7, failed: 1 },
        ..Server::default()
    };
    let mut state = ObservableState {
        version: "1.2".into(),
        servers: vec![server(0), server(1)],
        workers: vec![Workers {
            name: "database".into(),
            ..Workers::default()
        }],
        databases: vec![Database::default()],
        scripts: Some(vec![Script {
            name: evil(3),
            state: "running".into(),
            memory_bytes: Some(5),
            problem: Some(evil(3)),
            ..Script::default()
        }]),
        community: Some(Community {
            keeper: "VyHub".into(),
            reachable: Some(true),
            since_s: Some(5),
            outbox: vec![Outbox {
                kind: "bans".into(),
                open: 3,
                dead: 1,
            }],
            ..Community::default()
        }),
        ..ObservableState::default()
    };
    state.log.last.push(super::super::Problem {
        text: evil(4),
        ..super::super::Problem::default()
    });
    state.process.memory_bytes = Some(8 << 20);
    state.calls.latency.add(3);
    state.calls.latency.add(1 << 40);
    state
}

#[test]
fn the_text_is_what_prometheus_reads_whatever_the_names_are() {
    let state = hostile();
    let samples = read(&text(&state)).unwrap();
    let find = |name: &str| -> Vec<&Sample> { samples.iter().filter(|it| it.0 == name).collect() };
    let calls = find("vpid_calls_total");
    assert_eq!(calls.len(), 4);
    let server = state.servers[0].name.replace(['\n', '\u{202e}'], "?");
    let (label, value) = &calls[0].1[0];
    assert_eq!(label, "server");
    assert_eq!(value.replace('\u{202e}', "?"), server);
    assert_eq!((calls[0].2, calls[1].2), (7.0, 1.0));
    // Counts of a histogram never fall, and end with all.
    let buckets: Vec<f64> = find("vpid_call_duration_seconds_bucket")
        .iter()
        .map(|it| it.2)
        .collect();
    assert!(buckets.is_sorted());
    assert_eq!(
        buckets.last(),
        Some(&find("vpid_call_duration_seconds_count")[0].2)
    );
    assert_eq!(find("vpid_server_up")[0].2, 1.0);
    assert_eq!(find("vpid_server_up")[1].2, 0.0);
}

#[test]
fn every_metric_of_the_table_is_written_and_no_other() {
    let samples = read(&text(&hostile())).unwrap();
    let names = samples.iter().map(|(name, ..)| {
        let ends = ["_bucket", "_sum", "_count"];
        let base = ends.iter().find_map(|end| name.strip_suffix(end));
        base.filter(|it| it.ends_with("_seconds")).unwrap_or(name)
    });
    let written: BTreeSet<&str> = names.collect();
    let table: BTreeSet<&str> = METRICS.iter().map(|it| it.name).collect();
    assert_eq!(written, table);
    assert_eq!(table.len(), METRICS.len());
    for metric in METRICS {
        let is_total = metric.name.ends_with("_total");
        assert_eq!(is_total, metric.kind == "counter", "{}", metric.name);
    }
}

#[test]
fn what_is_not_there_has_no_samples_and_the_rest_is_read() {
    let samples = read(&text(&ObservableState::default())).unwrap();
    let has = |name: &str| samples.iter().any(|it| it.0 == name);
    assert!(has("vpid_up") && !has("vpid_script_up") && !has("vpid_server_up"));
}

#[test]
fn the_manual_lists_every_metric() {
    let manual = include_str!("../../../../docs/operations.md");
    for metric in METRICS {
        let labels = metric.labels.join("`, `");
        let labels = match labels.as_str() {
            "" => String::new(),
            labels => format!("`{labels}`"),
        };
        let row = format!(
            "| `{}` | {} | {labels} | {} |",
            metric.name, metric.kind, metric.help
        );
        assert!(manual.contains(&row), "docs/operations.md lacks: {row}");
    }
    let rows = manual.lines().filter(|line| line.starts_with("| `vpid_"));
    assert_eq!(rows.count(), METRICS.len(), "a row of what is no metric");
}

#[test]
fn the_reader_of_these_tests_is_strict() {
    let family = "# HELP a_total x\n# TYPE a_total counter\n";
    for (text, fine) in [
        ("a_total{b=\"c\"} 1\n", true),
        ("a_total{b=\"c\"} 1\na_total{b=\"c\"} 2\n", false),
        ("a_total{b=\"c\\d\"} 1\n", false),
        ("a_total{b=\"c\"d\"} 1\n", false),
        ("a_total{b=\"c\"} 1 5\n", false),
        ("a_total -1\n", false),
        ("b_total 1\n", false),
        ("# TYPE a_total counter\n", false),
    ] {
        assert_eq!(read(&format!("{family}{text}")).is_ok(), fine, "{text}");
    }
}
