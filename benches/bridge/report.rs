//! The results as tables for people, as Markdown for the manual, and as JSON for programs.

use serde_json::{Value, json};

use super::measure::{Sample, Subject};
use super::stats::{Spread, number};
use super::{Results, VPID};

struct Table {
    title: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

pub fn text(results: &Results) -> String {
    let shown = tables(results).into_iter().map(|table| {
        let mut widths: Vec<usize> = table.head.iter().map(|cell| cell.len()).collect();
        for row in &table.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.len());
            }
        }
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            padded.join("   ").trim_end().to_string()
        };
        let mut lines = vec![table.title.to_string(), line(table.head.clone())];
        for row in &table.rows {
            lines.push(line(row.iter().map(String::as_str).collect()));
        }
        lines.join("\n")
    });
    let shown: Vec<String> = shown.collect();
    format!("{}\n\n{}", results.machine, shown.join("\n\n"))
}

pub fn markdown(results: &Results) -> String {
    let shown = tables(results).into_iter().map(|table| {
        let mut lines = vec![
            format!("**{}**\n", table.title),
            format!("| {} |", table.head.join(" | ")),
            format!("|{}", " --- |".repeat(table.head.len())),
        ];
        for row in &table.rows {
            lines.push(format!("| {} |", row.join(" | ")));
        }
        lines.join("\n")
    });
    let shown: Vec<String> = shown.collect();
    format!("{}\n\n{}", results.machine, shown.join("\n\n"))
}

pub fn json(results: &Results) -> String {
    let loads = results.loads.iter().map(|(subject, samples)| {
        let samples = samples.iter().map(|sample| {
            let [p50, p90, p99, max] = sample.latency_ms;
            json!({
                "latency_ms": {"p50": p50, "p90": p90, "p99": p99, "max": max},
                "calls_per_second": sample.calls_per_second,
                "server_cpu_us_per_call": sample.server_us,
                "client_cpu_us_per_call": sample.client_us,
                "unanswered": sample.unanswered,
                "errors": sample.errors,
                "peak_kib": sample.peak_kib,
            })
        });
        json!({
            "name": subject.name,
            "hosts": subject.hosts,
            "unrelated_files": subject.unrelated,
            "rounds": samples.collect::<Value>(),
        })
    });
    let starts = results.starts.iter().map(|(kind, unrelated, samples)| {
        let samples = samples
            .iter()
            .map(|start| json!({"ms": start.ms, "idle_kib": start.idle_kib}));
        json!({
            "server": kind.name(),
            "unrelated_files": unrelated,
            "rounds": samples.collect::<Value>(),
        })
    });
    let idles = results.idles.iter().map(|(kind, idle)| {
        json!({
            "server": kind.name(),
            "seconds": idle.seconds,
            "cpu_ticks": idle.cpu_ticks,
            "cpu_us": idle.cpu_us,
            "wakeups": idle.wakeups,
        })
    });
    let all = json!({
        "loads": loads.collect::<Value>(),
        "starts": starts.collect::<Value>(),
        "idle": idles.collect::<Value>(),
        "not_measured": results.failed,
        "binary_bytes": results.binary_bytes,
        "machine": results.machine,
    });
    format!("{all:#}")
}

fn tables(results: &Results) -> Vec<Table> {
    let mut tables = vec![loads(results), goals(results), rest(results)];
    if !results.failed.is_empty() {
        let rows = results.failed.iter();
        tables.push(Table {
            title: "Not measured, in some rounds or all of them",
            head: vec!["", "because"],
            rows: rows
                .map(|(row, why)| vec![row.clone(), why.replace('\n', "; ")])
                .collect(),
        });
    }
    tables
}

fn loads(results: &Results) -> Table {
    let measured = results.loads.iter();
    let measured = measured.filter(|(_, samples)| !samples.is_empty());
    let rows = measured.map(|(subject, samples)| {
        let part = |read: &dyn Fn(&Sample) -> f64| spread(samples.iter().map(read));
        let sum = |read: &dyn Fn(&Sample) -> usize| samples.iter().map(read).sum::<usize>();
        vec![
            subject.name.clone(),
            part(&|sample| sample.latency_ms[0]),
            part(&|sample| sample.latency_ms[1]),
            part(&|sample| sample.latency_ms[2]),
            part(&|sample| sample.latency_ms[3]),
            part(&|sample| sample.calls_per_second),
            part(&|sample| sample.server_us),
            part(&|sample| sample.client_us),
            format!(
                "{} / {}",
                sum(&|sample| sample.unanswered),
                sum(&|sample| sample.errors)
            ),
        ]
    });
    Table {
        title: "Latency in ms, calls/s, processor time in us per call: median of the rounds (smallest-largest)",
        head: vec![
            "",
            "p50",
            "p90",
            "p99",
            "max",
            "calls/s",
            "server us",
            "client us",
            "lost / errors",
        ],
        rows: rows.collect(),
    }
}

/// What was aimed at, beside what came out.
fn goals(results: &Results) -> Table {
    let mut rows = goals_of_speed(results);
    rows.extend(goals_of_size(results));
    Table {
        title: "vpid against its goals: median of the rounds (smallest-largest)",
        head: vec!["", "goal", "found"],
        rows,
    }
}

fn goals_of_speed(results: &Results) -> Vec<Vec<String>> {
    let latency = |sample: &Sample| sample.latency_ms[0];
    let rate = |sample: &Sample| sample.calls_per_second;
    let mut rows = Vec::new();
    let mut row = |what: &str, goal: &str, found: Option<Spread>| {
        if let Some(found) = found {
            rows.push(vec![what.to_string(), goal.to_string(), found.to_string()]);
        }
    };
    let (ours, stock) = ("vpid, select", "stock, select");
    let (bare, alone) = ("bare loop, select", "bare loop alone, select");
    let only = |name: &str, read: &dyn Fn(&Sample) -> f64| {
        Spread::of(samples(results, name).iter().map(read))
    };
    row("median latency, ms", "at most 0.7", only(ours, &latency));
    row(
        "calls/s over stock",
        "at least 30",
        ratio(results, ours, stock, &rate),
    );
    row(
        "calls/s over the bare loop",
        "at least 0.7",
        ratio(results, ours, bare, &rate),
    );
    row(
        "calls/s over the bare loop alone",
        "",
        ratio(results, ours, alone, &rate),
    );
    row(
        "latency of stock over vpid",
        "",
        ratio(results, stock, ours, &latency),
    );
    row(
        "latency over the bare loop",
        "at most 3",
        ratio(results, ours, bare, &latency),
    );
    let inserts = ratio(results, "vpid, insert (full)", "stock, insert", &rate);
    row("inserts/s (full) over stock", "", inserts);
    for work in ["select", "insert"] {
        let (ours, stock) = (
            format!("vpid, MariaDB, {work}"),
            format!("stock, MariaDB, {work}"),
        );
        let times = ratio(results, &ours, &stock, &rate);
        row(
            &format!("{work}s/s over stock, MariaDB"),
            "at least 5",
            times,
        );
    }
    for (what, many, few) in [
        ("1 to 64 hosts", "vpid, hosts: 64", "vpid, hosts: 1"),
        (
            "10 to 10,000 other files",
            "vpid, other files: 10000",
            "vpid, other files: 10",
        ),
    ] {
        row(
            &format!("latency, {what}"),
            "about 1",
            ratio(results, many, few, &latency),
        );
        row(
            &format!("calls/s, {what}"),
            "about 1",
            ratio(results, many, few, &rate),
        );
    }
    rows
}

fn goals_of_size(results: &Results) -> Vec<Vec<String>> {
    let row = |what: String, goal: &str, found: Option<Spread>| {
        found.map(|found| vec![what, goal.to_string(), found.to_string()])
    };
    let ours = || results.starts.iter().filter(|(kind, _, _)| *kind == VPID);
    let idle_mb = ours()
        .flat_map(|(_, _, starts)| starts)
        .map(|start| start.idle_kib / 1024.0);
    let binary = results.binary_bytes as f64 / (1024.0 * 1024.0);
    let mut rows = vec![
        row("memory idle, MiB".into(), "under 10", Spread::of(idle_mb)),
        row(
            "binary, MiB".into(),
            "under 10",
            Spread::of([binary].into_iter()),
        ),
    ];
    for (_, unrelated, starts) in ours() {
        let what = format!("start to first answer, {unrelated} other files, ms");
        let found = Spread::of(starts.iter().map(|start| start.ms));
        rows.push(row(what, "under 50", found));
    }
    rows.into_iter().flatten().collect()
}

fn rest(results: &Results) -> Table {
    let mut rows = Vec::new();
    for (kind, unrelated, starts) in &results.starts {
        rows.push(vec![
            format!(
                "{}, start to first answer, {unrelated} other files",
                kind.name()
            ),
            format!("{} ms", spread(starts.iter().map(|start| start.ms))),
        ]);
        rows.push(vec![
            format!("{}, memory after that", kind.name()),
            format!("{} KiB", spread(starts.iter().map(|start| start.idle_kib))),
        ]);
    }
    for (subject, samples) in &results.loads {
        if matches!(
            subject.name.as_str(),
            "stock, select" | "vpid, select" | "vpid, hosts: 64"
        ) {
            let peak = spread(samples.iter().map(|sample| sample.peak_kib));
            let what = format!("{}, most memory under load", subject.name);
            rows.push(vec![what, format!("{peak} KiB")]);
        }
    }
    for (kind, idle) in &results.idles {
        rows.push(vec![
            format!("{}, idle for {:.0} s", kind.name(), idle.seconds),
            format!(
                "{} ticks, {} us of processor time, {} wake-ups",
                idle.cpu_ticks,
                number(idle.cpu_us),
                idle.wakeups
            ),
        ]);
    }
    Table {
        title: "Start, memory, doing nothing",
        head: vec!["", "found"],
        rows,
    }
}

fn samples<'a>(results: &'a Results, name: &str) -> &'a [Sample] {
    let named = |(subject, _): &&(Subject, Vec<Sample>)| subject.name == name;
    let found = results.loads.iter().find(named);
    found.map_or(&[], |(_, samples)| samples.as_slice())
}

/// One over the other, round by round.
fn ratio(
    results: &Results,
    over: &str,
    under: &str,
    read: &dyn Fn(&Sample) -> f64,
) -> Option<Spread> {
    let pairs = samples(results, over).iter().zip(samples(results, under));
    Spread::of(pairs.map(|(over, under)| read(over) / read(under)))
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    Spread::of(values).map_or_else(String::new, |spread| spread.to_string())
}
