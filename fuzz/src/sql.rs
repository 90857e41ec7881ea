//! Arguments of SQL calls, and the SQL of owners.

use serde_json::{Map, Value};
use vpid::sql::{Dialect, FUNCTIONS, Quoting, Reading, Schema, SqlMode, Template, parse, render};

use super::{text, with};

/// Any arguments give a statement or an error, and no statement holds text of the caller's.
pub fn sql(bytes: &[u8]) {
    with(
        bytes,
        |(function, signed, mysql, text): (u8, bool, bool, &str)| {
            let Ok(kwargs) = serde_json::from_str::<Map<String, Value>>(text) else {
                return;
            };
            let function = FUNCTIONS[usize::from(function) % FUNCTIONS.len()];
            let reading = match signed {
                true => Reading::Signed,
                false => Reading::Legacy,
            };
            let dialect = match mysql {
                true => Dialect::Mysql {
                    row_alias: false,
                    mode: SqlMode::default(),
                },
                false => Dialect::Sqlite,
            };
            let Ok(call) = parse(function, "x.nut", &kwargs, reading, dialect.quoting()) else {
                return;
            };
            let Ok(statement) = render(&call, 0, dialect) else {
                return;
            };
            if function != "VPI_DB_RawExecute" {
                let text = &statement.text;
                assert!(!text.contains([';', '\'', '\0']), "{text}");
            }
        },
    );
}

/// Any text of an owner is read as a query or refused at a place in it, and any schema file too.
pub fn template(bytes: &[u8]) {
    let text = text(bytes);
    for quoting in [Quoting::Mysql, Quoting::Sqlite] {
        match Template::parse(&text, quoting, &["a", "b", "steamid"]) {
            Ok(template) => {
                assert_eq!(template.text.len(), text.len());
                // What is quoted is copied, and code with a `?` in it is refused.
                let marks = |text: &str| text.matches('?').count();
                let placeholders = marks(&template.text) - marks(&text);
                assert_eq!(template.params.len(), placeholders);
                let _ = template.gives_rows(quoting);
            }
            Err(error) => assert!(text.is_char_boundary(error.at)),
        }
    }
    let Ok(schema) = Schema::parse(&text) else {
        return;
    };
    assert!(schema.steps.is_sorted_by(|a, b| a.number < b.number));
    let lines = text.split('\n').count();
    for step in &schema.steps {
        assert!(text.contains(&step.text));
        for (line, _) in step.statements() {
            assert!((step.line..=lines).contains(&line));
        }
        assert!((step.line..=lines).contains(&step.line_at(text.len() / 2)));
    }
}
