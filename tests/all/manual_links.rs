//! The manual: every link in it leads to a file and a heading that are there, no table falls apart, and every
//! test that it names exists.

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

/// The rows of the table under a heading, each with its cells.
fn rows_under<'t>(text: &'t str, heading: &str) -> Vec<Vec<&'t str>> {
    let (_, rest) = text.split_once(heading).expect("the heading");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let rows = section.lines().filter(|line| line.starts_with("| "));
    // The head and the line below it.
    let rows = rows.skip(2);
    rows.map(|row| row.trim_matches('|').split(" | ").collect())
        .collect()
}

/// The names of all tests below a folder.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let after = text.split("#[test]").skip(1);
            let names = after.filter_map(|rest| Some(rest.split_once("fn ")?.1.split_once('(')?.0));
            found.extend(names.map(str::to_owned));
        }
    }
}

/// What vpid does about each section of VyHub's guideline is claimed only where a test holds it.
#[test]
fn every_point_of_the_guideline_names_tests_that_exist() {
    let page = fs::read_to_string("docs/vyhub.md").expect("the page");
    let rows = rows_under(&page, "\n## The guideline, point by point\n");
    assert!(rows.len() >= 23, "{} rows", rows.len());
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_below(Path::new(folder), &mut tests);
    }
    for row in rows {
        let [section, .., named] = row[..] else {
            panic!("a row without cells: {row:?}");
        };
        // What stands between two ` is every second part.
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{section}: it names no test");
        for name in named {
            assert!(tests.contains(name), "{section}: there is no test {name}");
        }
    }
}
