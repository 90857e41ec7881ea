//! The manual: every link in it leads to a file and a heading that are there, and no table falls apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

const ROOTS: [&str; 3] = [".", "docs", "examples/scripts"];

/// What a page has outside of its blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let lines = text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    });
    lines.collect()
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text: String = heading.trim().chars().filter(kept).collect();
    text.to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let lines = prose(text).into_iter();
    let headings = lines.filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

fn links(text: &str) -> Vec<String> {
    // A link may be broken over two lines.
    let text = prose(text).join("\n");
    let ends = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    let links = ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    links.filter(|link| !link.contains("://")).collect()
}

fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

/// Every page by its path.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for root in ROOTS {
        for entry in fs::read_dir(root).expect("a folder of pages").flatten() {
            let path = tidy(&entry.path());
            if path.extension().is_some_and(|end| end == "md") {
                pages.insert(path.clone(), fs::read_to_string(&path).expect("a page"));
            }
        }
    }
    pages
}

#[test]
fn every_link_of_the_manual_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 10, "{:?}", pages.keys());
    for (page, text) in &pages {
        for link in links(text) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = page.parent().unwrap_or(Path::new(""));
            let path = match file {
                "" => page.clone(),
                file => tidy(&folder.join(file)),
            };
            assert!(path.exists(), "{}: {link}: no such file", page.display());
            let is_there = |text: &String| anchors(text).contains(heading);
            let found = heading.is_empty() || pages.get(&path).is_some_and(is_there);
            assert!(found, "{}: {link}: no such heading", page.display());
        }
    }
}

/// A row after an empty line is shown as text, and a text after a row as a row.
#[test]
fn every_row_of_a_table_belongs_to_one() {
    for (page, text) in pages() {
        let mut before = ["", ""];
        for line in text.lines() {
            let is_row = |line: &str| line.starts_with('|');
            let begins = is_row(before[1]) && !is_row(before[0]);
            assert!(
                !begins || line.starts_with("| --"),
                "{}: no table has this row: {}",
                page.display(),
                before[1]
            );
            let is_text = !is_row(line) && !line.trim().is_empty() && !line.starts_with("<!--");
            let goes_on = is_row(before[1]) && is_text;
            assert!(
                !goes_on,
                "{}: becomes a row of a table: {line}",
                page.display()
            );
            before = [before[1], line];
        }
    }
}
