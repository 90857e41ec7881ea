//! What is made of the declarations of keys, and committed: config.example.toml, and parts of
//! docs/configuration.md. `VPID_WRITE_MANUAL=1 cargo test --lib config::tests::manual` makes them anew.

use super::super::TABLES;
use super::super::key::{Declared, InForce, Key, Kind, Usual};
use super::super::{manual, written};
use super::*;

const HEAD: &str = "The configuration of vpid. Copy it to vpid.toml (mode 600) beside where vpid runs or to \
                    /etc/vpid/, or let `vpid init` write one with its secrets in place. Try it with `vpid check`.";
const BEGIN: &str = "<!-- made of the keys: ";
const END: &str = "<!-- end -->";

/// The text between the markers with this name.
fn section(name: &str) -> String {
    match name {
        "variables" => variables(),
        "next start" => waiting(InForce::WithNextStart),
        "script start" => waiting(InForce::WithScript),
        head => {
            let table = TABLES.iter().find(|table| table.head.starts_with(head));
            keys_of(table.unwrap_or_else(|| panic!("no table {head}")))
        }
    }
}

fn own_keys(table: &Declared) -> impl Iterator<Item = &'static Key> {
    let keys = table.keys.iter().copied().flatten();
    keys.filter(|key| !key.doc.is_empty())
}

fn keys_of(table: &Declared) -> String {
    let mut text = "| key | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for key in own_keys(table) {
        let default = match key.default {
            Usual::Nothing => String::new(),
            Usual::Text(text) => format!("`{text:?}`"),
            Usual::Number(number) => format!("`{number}`"),
            Usual::Words(words) | Usual::Required(words) => words.to_owned(),
        };
        text += &format!(
            "| `{}` | {default} | {} |\n",
            key.name,
            key.described().replace('\n', " ")
        );
    }
    text
}

fn variables() -> String {
    let mut text = "| variable | stands for |\n| --- | --- |\n".to_owned();
    let mut row = |names: &str, of: &str| text += &format!("| {names} | {of} |\n");
    for table in TABLES {
        for key in own_keys(table) {
            let names = key.variables.iter().filter(|name| !name.starts_with("--"));
            let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
            let of = match table.head {
                "[[server]]" => " of the only server".to_owned(),
                head if head.starts_with('[') => format!(" of `{head}`"),
                _ => String::new(),
            };
            if !names.is_empty() {
                row(&names.join(", else "), &format!("`{}`{of}", key.name));
            }
        }
    }
    for (name, meaning) in written::OTHERS {
        row(&format!("`{name}`"), meaning);
    }
    text
}

fn waiting(in_force: InForce) -> String {
    let mut text = String::new();
    for table in TABLES {
        let keys = table.keys().filter(|key| key.in_force == in_force);
        let names: Vec<_> = keys.map(|key| format!("`{}`", key.name)).collect();
        if !names.is_empty() {
            let head = match table.head.starts_with('[') {
                true => format!("of `{}`", table.head),
                false => "at the top".to_owned(),
            };
            text += &format!("- {head}: {}\n", names.join(", "));
        }
    }
    text
}

/// The manual with its sections made anew.
fn renewed(manual: &str) -> String {
    let mut parts = manual.split(BEGIN);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").expect("the end of a marker");
        let (_, behind) = rest.split_once(END).expect("the end of a section");
        text += &format!("{BEGIN}{name} -->\n{}{END}{behind}", section(name));
    }
    text
}

#[test]
fn what_is_made_of_the_keys_is_up_to_date() {
    let made = [
        (
            "config.example.toml",
            EXAMPLE,
            manual::example(HEAD, &|_| None),
        ),
        ("docs/configuration.md", MANUAL, renewed(MANUAL)),
    ];
    for (path, committed, made) in made {
        if std::env::var_os("VPID_WRITE_MANUAL").is_some() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            std::fs::write(root.join(path), made).unwrap();
        } else {
            let differs = committed.lines().zip(made.lines()).find(|(a, b)| a != b);
            assert!(
                committed == made,
                "{path} is not what the keys of src/config make; renew it with VPID_WRITE_MANUAL=1 cargo test \
                 --lib config::tests::manual. First difference: {differs:?}"
            );
        }
    }
}

#[test]
fn every_table_and_variable_stands_in_the_manual() {
    for table in TABLES.iter().filter(|table| own_keys(table).count() > 1) {
        let name = table.head.split(',').next().unwrap();
        assert!(MANUAL.contains(&format!("{BEGIN}{name} -->")), "{name}");
    }
    for name in ["variables", "next start", "script start"] {
        assert!(MANUAL.contains(&format!("{BEGIN}{name} -->")), "{name}");
    }
}

/// A declaration that contradicts itself would be a wrong manual.
#[test]
fn declarations_agree_with_themselves() {
    for table in TABLES {
        let names = table.names();
        for (at, key) in table.keys().enumerate() {
            let name = key.name;
            assert!(!names[..at].contains(&name), "{name} stands twice");
            for other in key.replaces {
                assert!(table.key(other).is_some(), "{name} replaces {other}");
            }
            if let Kind::Words(words) = key.kind {
                for word in words.iter().filter(|_| !name.starts_with("legacy")) {
                    assert!(key.doc.contains(&format!("{word:?}")), "{name}: {word}");
                }
            }
            let has_line = !key.example.is_empty()
                || matches!(key.default, Usual::Text(_) | Usual::Number(_))
                || key.doc.is_empty()
                || table.example.is_empty();
            assert!(has_line, "{name} has no example");
        }
    }
}
