//! config.example.toml, out of the declarations of all keys: what `init` fills in.

use super::TABLES;
use super::key::{Declared, Key, Usual};

/// How wide comments are.
const COLUMNS: usize = 98;

const BELOW_HEAD: &str = "Relative paths are relative to the folder of this file. A running vpid reads the file again \
                          when it was edited, and on SIGHUP (`systemctl reload vpid`). Keys that vpid does not know \
                          are errors.";

/// The whole file. `head` is its first comment; `instead` gives the lines of a key, by its name,
/// in place of those of its declaration.
pub fn example(head: &str, instead: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = format!("{}#\n{}", comment(head), comment(BELOW_HEAD));
    for table in TABLES {
        if !table.example.is_empty() {
            text += &format!("\n{}{}\n", comment(table.doc), table.example);
        } else if table.head.starts_with('[') {
            continue;
        }
        let keys = table.keys.iter().copied().flatten();
        for key in keys.filter(|key| !key.doc.is_empty()) {
            let lines = instead(key.name).unwrap_or_else(|| lines(key));
            text += &format!("\n{}{lines}\n", comment(&explained(table, key)));
        }
    }
    text
}

/// The key with its value, as a comment where the example does not set it.
fn lines(key: &Key) -> String {
    let value = match (key.example, key.default) {
        ("", Usual::Text(text)) => format!("{text:?}"),
        ("", Usual::Number(number)) => number.to_string(),
        (example, _) => example.to_owned(),
    };
    let text = format!("{} = {value}", key.name);
    match key.shown {
        true => text,
        false => commented_out(&text),
    }
}

fn commented_out(lines: &str) -> String {
    let lines: Vec<_> = lines.lines().map(|line| format!("# {line}")).collect();
    lines.join("\n")
}

/// What the owner must know of a key.
fn explained(table: &Declared, key: &Key) -> String {
    let mut sentences = vec![key.described()];
    match key.default {
        Usual::Words(words) => sentences.push(format!("Default: {words}.")),
        Usual::Required(words) => {
            let (first, rest) = words.split_at(1);
            sentences.push(format!("{}{rest}.", first.to_uppercase()));
        }
        Usual::Nothing | Usual::Text(_) | Usual::Number(_) => {}
    }
    let (options, variables): (Vec<&str>, Vec<&str>) = key
        .variables
        .iter()
        .partition(|name| name.starts_with("--"));
    let mut text = without_links(&sentences.join(" "));
    if !variables.is_empty() {
        let only = match table.head {
            "[[server]]" => ", for an only server",
            _ => "",
        };
        text += &format!("\nEnvironment{only}: {}.", variables.join(", else "));
    }
    if !options.is_empty() {
        text += &format!(" Option of `vpid run`: {}.", options.join(", "));
    }
    text
}

/// `[text](page.md#place)` becomes `text (docs/page.md)`, and a text that is the page's name `docs/page.md`.
fn without_links(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (address, behind) = part.split_once(')').unwrap_or((part, ""));
        let page = address.split('#').next().unwrap_or_default();
        let linked = plain.split_off(plain.rfind('[').unwrap_or(plain.len()));
        let linked = linked.strip_prefix('[').unwrap_or(&linked);
        let shown = match page {
            "" => linked.to_owned(),
            page if page == linked => format!("docs/{page}"),
            page if plain.ends_with('(') => format!("{linked}: docs/{page}"),
            page => format!("{linked} (docs/{page})"),
        };
        plain += &shown;
        plain += behind;
    }
    plain
}

/// A comment, each line of the text as many as it takes.
fn comment(text: &str) -> String {
    let mut comment = String::new();
    for paragraph in text.lines() {
        let mut column = COLUMNS;
        for word in paragraph.split_whitespace() {
            let new = column + 1 + word.len() > COLUMNS;
            comment += if new { "\n#" } else { "" };
            column = if new { 1 } else { column } + 1 + word.len();
            comment += " ";
            comment += word;
        }
    }
    comment.trim_start().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::without_links;

    #[test]
    fn links_become_names_of_pages() {
        for (text, plain) in [
            (
                "The parts: [The log](operations.md#the-log).",
                "The parts: The log (docs/operations.md).",
            ),
            ("see [security.md](security.md).", "see docs/security.md."),
            (
                "so ([how](scripts.md#limits)).",
                "so (how: docs/scripts.md).",
            ),
            ("[here](#here) and [[server]]", "here and [[server]]"),
        ] {
            assert_eq!(without_links(text), plain);
        }
    }
}
