//! Whatever an owner writes as a query or a schema, reading it ends, and nothing is lost.

use super::super::scan::{Kind, pieces};
use super::super::*;

const PARTS: [&str; 26] = [
    "SELECT ",
    ":a",
    ":b",
    ":a,",
    "::",
    ":=",
    "'",
    "\"",
    "`",
    "[",
    "]",
    "\\",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "\n",
    " ",
    "\u{e9}",
    "\u{2192}",
    "5",
    "-- step 1\n",
    "-- step 2: x\n",
    "CREATE TRIGGER t BEGIN ",
    "FROM t",
];
/// What a template refuses, mostly.
const NOISE: [&str; 6] = [":c", "?", ";", "\0", "-- step 0\n", "END; "];

fn any_text(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=12)? {
        text.push_str(match u.int_in_range(0..=31)? {
            0 => u.arbitrary()?,
            1 => u.choose(&NOISE)?,
            _ => u.choose(&PARTS)?,
        });
    }
    Ok(text)
}

fn any_quoting(
    u: &mut arbtest::arbitrary::Unstructured<'_>,
) -> arbtest::arbitrary::Result<Quoting> {
    Ok(*u.choose(&[Quoting::Sqlite, Quoting::Mysql])?)
}

/// Kind, place and length of every piece.
fn shape(text: &str, quoting: Quoting) -> Vec<(Kind, usize, usize)> {
    let found = pieces(text, quoting).map(|piece| (piece.kind, piece.at, piece.text.len()));
    found.collect()
}

#[test]
fn pieces_are_the_whole_text() {
    arbtest::arbtest(|u| {
        let (text, quoting) = (any_text(u)?, any_quoting(u)?);
        let whole: String = pieces(&text, quoting).map(|piece| piece.text).collect();
        assert_eq!(whole, text);
        for piece in pieces(&text, quoting) {
            assert!(!piece.text.is_empty() && text[piece.at..].starts_with(piece.text));
        }
        Ok(())
    })
    .size_max(512)
    .budget_ms(200);
}

#[test]
fn a_template_is_as_long_as_what_was_written_and_asks_for_its_values() {
    let mut placeholders = 0;
    arbtest::arbtest(|u| {
        let (text, quoting) = (any_text(u)?, any_quoting(u)?);
        let template = match Template::parse(&text, quoting, &["a", "b"]) {
            Ok(template) => template,
            Err(error) => {
                assert!(text.is_char_boundary(error.at));
                return Ok(());
            }
        };
        assert_eq!(shape(&template.text, quoting), shape(&text, quoting));
        let asked: usize = pieces(&template.text, quoting)
            .filter(|piece| piece.kind == Kind::Code)
            .map(|piece| piece.text.matches('?').count())
            .sum();
        assert_eq!(template.params.len(), asked, "{text}");
        assert!(template.params.iter().all(|&at| at < 2));
        placeholders += asked;
        let _ = template.gives_rows(quoting);
        Ok(())
    })
    .size_max(512)
    .budget_ms(200)
    .run();
    assert!(placeholders > 100, "{placeholders} prove little");
}

#[test]
fn a_schema_keeps_its_order_and_its_lines() {
    arbtest::arbtest(|u| {
        let text = any_text(u)?;
        let Ok(schema) = Schema::parse(&text) else {
            return Ok(());
        };
        let lines: Vec<&str> = text.split('\n').collect();
        assert!(schema.steps.is_sorted_by(|a, b| a.number < b.number));
        for step in &schema.steps {
            assert!(text.contains(&step.text));
            for (line, statement) in step.statements() {
                let first = statement.split('\n').next().unwrap();
                assert!(
                    lines[line - 1].contains(first),
                    "{text:?}: {line} {first:?}"
                );
            }
            for at in 0..=step.text.len() {
                assert!((step.line..=lines.len()).contains(&step.line_at(at)));
            }
        }
        Ok(())
    })
    .size_max(512)
    .budget_ms(200);
}
