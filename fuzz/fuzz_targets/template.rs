//! Any text of an owner is read as a query or refused at a place in it, and any schema file too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::sql::{Quoting, Schema, Template, tables};

fuzz_target!(|input: (bool, &str)| {
    let (mysql, text) = input;
    let quoting = if mysql { Quoting::Mysql } else { Quoting::Sqlite };
    let names = tables(text, quoting);
    assert!(names.iter().all(|name| *name == name.to_lowercase()));
    match Template::parse(text, quoting, &["a", "b", "steamid"]) {
        Ok(template) => {
            assert_eq!(template.text.len(), text.len());
            // What is quoted is copied, and code with a `?` in it is refused.
            let marks = |text: &str| text.matches('?').count();
            assert_eq!(template.params.len(), marks(&template.text) - marks(text));
            let _ = template.gives_rows(quoting);
        }
        Err(error) => assert!(text.is_char_boundary(error.at)),
    }
    let Ok(schema) = Schema::parse(text) else { return };
    assert!(schema.steps.is_sorted_by(|a, b| a.number < b.number));
    let lines = text.split('\n').count();
    for step in &schema.steps {
        assert!(text.contains(&step.text));
        for (line, _) in step.statements() {
            assert!((step.line..=lines).contains(&line));
        }
        assert!((step.line..=lines).contains(&step.line_at(text.len() / 2)));
    }
});
