//! The manual: every link in it leads to a file and a heading that are there, every page is in the book, no table
//! falls apart, and every test and every message that it names exists.

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

/// docs/ is a book, whose list of pages is docs/SUMMARY.md.
#[test]
fn every_page_of_docs_is_in_the_book_once() {
    let docs = Path::new("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("the list of pages");
    let listed = links(&summary);
    let pages: Vec<_> = listed.iter().map(|link| tidy(&docs.join(link))).collect();
    let once: BTreeSet<_> = pages.iter().cloned().collect();
    assert_eq!(
        once.len(),
        pages.len(),
        "a page is listed twice: {listed:?}"
    );
    let files = fs::read_dir(docs).expect("the folder").flatten();
    let files = files.map(|entry| tidy(&entry.path()));
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let there: BTreeSet<_> = files
        .filter(|path| is_page(path) && !path.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(once, there, "docs/SUMMARY.md and the pages of docs/ differ");
}

/// The text of all sources, with the literals that are broken over lines in one piece.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|end| {
            ["rs", "py", "nut", "json"]
                .iter()
                .any(|known| end == *known)
        }) {
            let source = fs::read_to_string(&path).expect("a source file");
            let mut pieces = source.split("\\\n");
            text.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                text.push_str(piece.trim_start());
            }
        }
    }
}

/// A symptom that is a message is quoted as vpid writes it; `...` stands for what differs.
#[test]
fn every_message_among_the_symptoms_is_one_of_vpids() {
    let page = fs::read_to_string("docs/troubleshooting.md").expect("the page");
    let mut text = String::new();
    sources(Path::new("src"), &mut text);
    sources(Path::new("vscripts"), &mut text);
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|row| {
            let row = row.trim_matches('|').replace("\\|", "\u{1}");
            row.split('|').next().unwrap_or_default().to_owned()
        });
    let mut checked = 0;
    for symptom in rows {
        for message in named_tests(&symptom) {
            for piece in message.split("...").map(str::trim) {
                let is_found = piece.is_empty() || text.contains(piece);
                assert!(is_found, "no source has this message: {piece}");
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked} messages");
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
            // Those that run with each keeper of a community.
            let lists = text.split("\nwith_keepers! {\n").skip(1);
            let lists = lists.filter_map(|rest| Some(rest.split_once("\n}")?.0));
            let names = lists.flat_map(|list| list.split(';'));
            let names = names.filter_map(|line| Some(line.split_once(':')?.0.trim()));
            found.extend(names.map(str::to_owned));
        }
    }
}

/// The names of all tests, those of Python scripts and of their examples among them.
fn all_tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_below(Path::new(folder), &mut tests);
    }
    for folder in ["tests/python", "examples/scripts/tests"] {
        for entry in fs::read_dir(folder).expect("a folder of tests").flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let names = text.split("def test_").skip(1);
            let names = names.filter_map(|rest| Some(rest.split_once('(')?.0));
            tests.extend(names.map(|name| format!("test_{name}")));
        }
    }
    tests
}

/// The tests or messages that a cell names: what stands between two ` is every second part.
fn named_tests(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Each feature and claim of the manual of Verlihub's plugin has a row: what it is called here, and a test, or why
/// there is nothing like it.
#[test]
fn every_feature_of_verlihubs_plugin_is_named_with_a_test() {
    let page = fs::read_to_string("docs/verlihub.md").expect("the page");
    let tests = all_tests();
    let mut rows = 0;
    for section in page.split("\n## ").skip(1) {
        let (title, _) = section.split_once('\n').expect("a section");
        for row in rows_under(&page, &format!("\n## {title}\n")) {
            rows += 1;
            let [there, here, named] = row[..] else {
                panic!("a row of {title} has not three cells: {row:?}");
            };
            let (there, here, named) = (there.trim(), here.trim(), named.trim());
            assert!(!there.is_empty() && !here.is_empty(), "{title}: {row:?}");
            let names = named_tests(named);
            let is_none = here.starts_with("none") && named == "–";
            assert!(is_none || !names.is_empty(), "{there}: it names no test");
            for name in names {
                assert!(tests.contains(name), "{there}: there is no test {name}");
            }
        }
    }
    assert!(rows >= 184, "{rows} rows");
}

/// What vpid does about each section of VyHub's guideline is claimed only where a test holds it.
/// Of tests of VyHub: those that run with VyHub alone.
fn without_database(source: &str) -> Vec<String> {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty()
            && bytes.all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'))
    };
    let lines: Vec<&str> = source.lines().collect();
    let plain = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let plain = plain.filter_map(|pair| pair[1].strip_prefix("fn ")?.split('(').next());
    let of_vyhub = lines.iter().filter_map(|line| {
        let (name, keepers) = line
            .strip_suffix(';')?
            .strip_prefix("    ")?
            .split_once(": ")?;
        (is_name(name) && keepers == "vyhub").then_some(name)
    });
    plain.chain(of_vyhub).map(str::to_owned).collect()
}

#[test]
fn tests_of_vyhub_that_have_no_database_are_listed_with_the_reason() {
    let page = fs::read_to_string("CONTRIBUTING.md").expect("the page");
    let rows = rows_under(&page, "\n## Tests of VyHub that have no database\n");
    let names = |row: &Vec<&str>| {
        let names = row[0].split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let listed: BTreeSet<String> = rows.iter().flat_map(names).collect();
    let mut alone = BTreeSet::new();
    for file in fs::read_dir("tests/all").expect("a folder").flatten() {
        if file.file_name().to_string_lossy().starts_with("vyhub") {
            let source = fs::read_to_string(file.path()).expect("a file");
            alone.extend(without_database(&source));
        }
    }
    assert!(alone.len() > 10, "{alone:?}");
    assert_eq!(listed, alone);
}

#[test]
fn every_point_of_the_guideline_names_tests_that_exist() {
    let page = fs::read_to_string("docs/vyhub.md").expect("the page");
    let rows = rows_under(&page, "\n## The guideline, point by point\n");
    assert!(rows.len() >= 23, "{} rows", rows.len());
    let tests = all_tests();
    for row in rows {
        let [section, .., named] = row[..] else {
            panic!("a row without cells: {row:?}");
        };
        let named = named_tests(named);
        assert!(!named.is_empty(), "{section}: it names no test");
        for name in named {
            assert!(tests.contains(name), "{section}: there is no test {name}");
        }
    }
}
