//! The results as tables, for people and for the manual. What misses its goal is marked.

use std::time::Duration;

use crate::Results;
use crate::attack::victim::Waits;
use crate::floods::{Goals, Kind};
use crate::measure::{Sample, VICTIMS};

/// Behind a value that misses its goal.
const MISSED: &str = " !";

struct Table {
    title: &'static str,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// One sample in one line, while the bench runs.
pub fn line(sample: &Sample) -> String {
    let wait = |waits: &Waits| {
        let lost = waits
            .lost
            .as_ref()
            .map_or(String::new(), |lost| format!(" LOST: {lost}"));
        let error = waits.first_error.as_ref().map_or(String::new(), |error| {
            format!(" {} errors: {error}", waits.errors)
        });
        format!(
            "{} calls, p50 {} p99 {} longest {} ms, {} unanswered, own delay {} ms{lost}{error}",
            waits.calls(),
            ms(waits.percentile(0.5)),
            ms(waits.percentile(0.99)),
            ms(waits.longest()),
            waits.unanswered.len(),
            ms(waits.own_delay),
        )
    };
    let waits = VICTIMS.iter().zip(&sample.waits);
    let waits: Vec<String> = waits
        .map(|(victim, waits)| format!("{victim}: {}", wait(waits)))
        .collect();
    format!(
        "{}\n    {} slow turns up to {} ms, cpu {:.1} s, {:.0} MiB, {} \
         files left, {} log lines, written in {} ms{}{}",
        waits.join("\n    "),
        sample.slow_turns,
        sample.longest_turn_ms,
        sample.cpu_s,
        sample.memory_mib,
        sample.files_left,
        sample.log_lines,
        sample.written.as_millis(),
        sample.first_answer.map_or(String::new(), |first| format!(
            ", first answer {} ms",
            ms(first)
        )),
        if sample.ended { ", VPID ENDED" } else { "" },
    )
}

pub fn tables(results: &Results, markdown: bool) -> String {
    let mut parts = vec![results.machine.clone()];
    for table in [against_goals(results), details(results)] {
        parts.push(match markdown {
            true => as_markdown(&table),
            false => as_text(&table),
        });
    }
    let notes = notes(results);
    if !notes.is_empty() {
        parts.push(notes.join("\n"));
    }
    parts.join("\n\n")
}

/// What the goals are about: a column for each build.
fn against_goals(results: &Results) -> Table {
    let mut subjects = Vec::new();
    for victim in VICTIMS {
        subjects.extend([format!("{victim}, longest ms"), format!("{victim}, p99 ms")]);
    }
    subjects.extend(["longest turn ms".to_owned(), "memory MiB".to_owned()]);
    let mut head = vec!["flood".to_owned()];
    for subject in &subjects {
        head.extend(
            results
                .builds
                .iter()
                .map(|build| format!("{subject}: {build}")),
        );
    }
    let rows = results.rows.iter().map(|(kind, samples)| {
        let mut row = vec![kind.name.to_owned()];
        for subject in 0..subjects.len() {
            row.extend(samples.iter().map(|sample| match sample {
                Ok(sample) => goal_cell(subject, sample, &kind.goals),
                Err(_) => format!("?{MISSED}"),
            }));
        }
        row
    });
    Table {
        title: "Waits of signed games for a select while a folder is flooded (goals: longest 50 ms, \
                p99 10 ms, no turn above 20 ms, 64 MiB above the idle vpid; ! misses its goal)",
        rows: rows.collect(),
        head,
    }
}

fn goal_cell(subject: usize, sample: &Sample, goals: &Goals) -> String {
    let wait = |found: Duration, goal: Duration, waits: &Waits| {
        // A call that was given up has waited for longer than this.
        let given_up = waits.unanswered.iter().any(|waited| *waited >= found);
        let more = if given_up { "> " } else { "" };
        let missed = given_up || found > goal || waits.lost.is_some();
        format!("{more}{}{}", ms(found), mark(missed))
    };
    match subject {
        0 | 2 | 4 => {
            let waits = &sample.waits[subject / 2];
            // To be served at all is waited for, too.
            let longest = waits.longest().max(sample.first_answer.unwrap_or_default());
            wait(longest, goals.longest, waits)
        }
        1 | 3 | 5 => {
            let waits = &sample.waits[subject / 2];
            wait(waits.percentile(0.99), goals.p99, waits)
        }
        6 => {
            let longest = sample.longest_turn_ms;
            match longest {
                0 => format!("≤ {}", goals.turn_ms),
                _ => format!("{longest}{}", mark(longest > goals.turn_ms)),
            }
        }
        _ => {
            let missed = sample.memory_mib > goals.memory_mib || sample.ended;
            format!("{:.0}{}", sample.memory_mib, mark(missed))
        }
    }
}

fn mark(missed: bool) -> &'static str {
    if missed { MISSED } else { "" }
}

/// What else was noted: a row for each build.
fn details(results: &Results) -> Table {
    let head = [
        "flood",
        "build",
        "calls",
        "unanswered",
        "errors",
        "medians ms",
        "slow turns",
        "CPU s",
        "files left",
        "lines in the log",
        "first answer ms",
    ];
    let mut rows = Vec::new();
    for (kind, samples) in &results.rows {
        for (build, sample) in results.builds.iter().zip(samples) {
            let Ok(sample) = sample else { continue };
            rows.push(detail_row(kind, build, sample));
        }
    }
    Table {
        title: "The same floods: calls without an answer or with an error, medians, turns of more \
                than 20 ms, processor time of vpid, and what was left when it was over",
        head: head.map(str::to_owned).into(),
        rows,
    }
}

fn detail_row(kind: &Kind, build: &str, sample: &Sample) -> Vec<String> {
    let sum = |read: &dyn Fn(&Waits) -> usize| sample.waits.iter().map(read).sum::<usize>();
    let medians = sample.waits.iter().map(|waits| ms(waits.percentile(0.5)));
    let medians: Vec<String> = medians.collect();
    vec![
        kind.name.to_owned(),
        build.to_owned(),
        sum(&Waits::calls).to_string(),
        sum(&|waits| waits.unanswered.len()).to_string(),
        sum(&|waits| waits.errors).to_string(),
        medians.join(" / "),
        sample.slow_turns.to_string(),
        format!("{:.1}", sample.cpu_s),
        sample.files_left.to_string(),
        sample.log_lines.to_string(),
        sample.first_answer.map_or(String::new(), ms),
    ]
}

/// What could not be measured, and where the measuring itself was in the way.
fn notes(results: &Results) -> Vec<String> {
    let (mut notes, mut late) = (Vec::new(), Vec::new());
    for (kind, samples) in &results.rows {
        for (build, sample) in results.builds.iter().zip(samples) {
            let place = format!("{}, {build}", kind.name);
            let sample = match sample {
                Ok(sample) => sample,
                Err(error) => {
                    notes.push(format!("- {place}: could not be measured: {error}"));
                    continue;
                }
            };
            for (victim, waits) in VICTIMS.iter().zip(&sample.waits) {
                if let Some(lost) = &waits.lost {
                    notes.push(format!("- {place}, {victim}: the session ended: {lost}"));
                }
                if let Some(error) = &waits.first_error {
                    notes.push(format!(
                        "- {place}, {victim}: {} errors: {error}",
                        waits.errors
                    ));
                }
            }
            if sample.ended {
                notes.push(format!("- {place}: vpid ended"));
            }
            let own_delay = sample.waits.iter().map(|waits| waits.own_delay).max();
            let own_delay = own_delay.unwrap_or_default();
            if own_delay * 2 > kind.goals.longest {
                late.push(format!("{place} ({} ms)", ms(own_delay)));
            }
        }
    }
    if !late.is_empty() {
        let rows = late.join("; ");
        notes.push(format!(
            "- the measuring games themselves came late to a call: {rows}"
        ));
    }
    notes
}

fn as_text(table: &Table) -> String {
    let mut widths: Vec<usize> = table.head.iter().map(|cell| cell.chars().count()).collect();
    for row in &table.rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("   ").trim_end().to_owned()
    };
    let rows = table.rows.iter().map(|row| line(row));
    let lines = [table.title.to_owned(), line(&table.head)]
        .into_iter()
        .chain(rows);
    lines.collect::<Vec<_>>().join("\n")
}

fn as_markdown(table: &Table) -> String {
    let mut lines = vec![
        format!("**{}**\n", table.title),
        format!("| {} |", table.head.join(" | ")),
        format!("|{}", " --- |".repeat(table.head.len())),
    ];
    let rows = table
        .rows
        .iter()
        .map(|row| format!("| {} |", row.join(" | ")));
    lines.extend(rows);
    lines.join("\n")
}

/// Milliseconds, with a digit behind the point where that says something.
fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        0.0..100.0 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}
