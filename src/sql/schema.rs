//! Schema files: what a database must have, in numbered steps that run once each.
//!
//! ```sql
//! -- step 1
//! CREATE TABLE IF NOT EXISTS players (steamid TEXT PRIMARY KEY, elo INTEGER NOT NULL);
//! -- step 2: seasons
//! ALTER TABLE players ADD COLUMN season INTEGER NOT NULL DEFAULT 1;
//! ```
//!
//! A file without such lines is one step.

use super::scan::{self, Kind, Quoting};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// By ascending numbers.
    pub steps: Vec<SchemaStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStep {
    pub number: u32,
    /// One statement or several, parted by `;`.
    pub text: String,
    /// The line of the file on which the text begins, from 1.
    pub line: usize,
}

/// What is wrong with a schema file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    pub line: usize,
    pub message: String,
}

impl Schema {
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if let Some(at) = text.find('\0') {
            // SQLite would take it for the end.
            let line = 1 + text[..at].matches('\n').count();
            let message = "a NUL byte is no SQL".to_owned();
            return Err(SchemaError { line, message });
        }
        let mut steps: Vec<SchemaStep> = Vec::new();
        let mut before = SchemaStep {
            number: 1,
            text: String::new(),
            line: 1,
        };
        for (line, content) in (1..).zip(text.split_inclusive('\n')) {
            let Some(number) = marker(content) else {
                let step = steps.last_mut().unwrap_or(&mut before);
                step.text.push_str(content);
                continue;
            };
            let wrong = |message: String| SchemaError { line, message };
            if number == 0 {
                return Err(wrong("steps are numbered from 1".to_owned()));
            }
            if let Some(last) = steps.last().filter(|last| last.number >= number) {
                let message = format!("step {number} stands behind step {}", last.number);
                return Err(wrong(message));
            }
            steps.push(SchemaStep {
                number,
                text: String::new(),
                line: line + 1,
            });
        }
        if steps.is_empty() {
            steps.push(before);
        } else if has_code(&before.text) {
            let message = "statements stand before the first `-- step`; begin with `-- step 1`";
            return Err(SchemaError {
                line: 1,
                message: message.to_owned(),
            });
        }
        steps.retain(|step| has_code(&step.text));
        Ok(Self { steps })
    }
}

impl SchemaStep {
    /// Tells a step that was changed from the one that ran.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(self.text.trim().as_bytes());
        digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The line of the file on which the code begins that stands at this byte of the text, or
    /// behind it.
    pub fn line_at(&self, at: usize) -> usize {
        let code = scan::pieces(&self.text, Quoting::Sqlite)
            .filter(|piece| piece.kind != Kind::Comment)
            .flat_map(|piece| (piece.at..).zip(piece.text.bytes()))
            .find(|(place, byte)| *place >= at && !byte.is_ascii_whitespace() && *byte != b';');
        let place = code.map_or(at, |(place, _)| place);
        let above = self.text.bytes().take(place);
        self.line + above.filter(|byte| *byte == b'\n').count()
    }

    /// Its statements for a server that takes one at a time, each with its line of the file. The
    /// body of a procedure or trigger has `;` in it, so such a statement goes to the end.
    pub fn statements(&self) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut start = 0;
        for piece in scan::pieces(&self.text, Quoting::Mysql) {
            let ends = piece
                .text
                .match_indices(';')
                .filter(|_| piece.kind == Kind::Code);
            for (at, _) in ends {
                let end = piece.at + at;
                if start <= end && !has_body(&self.text[start..end]) {
                    self.add(&mut found, start, end);
                    start = end + 1;
                }
            }
        }
        self.add(&mut found, start, self.text.len());
        found
    }

    fn add<'a>(&'a self, found: &mut Vec<(usize, &'a str)>, start: usize, end: usize) {
        let whole = &self.text[start..end];
        let statement = whole.trim();
        if has_code(statement) {
            let above = &self.text[..start + whole.len() - whole.trim_start().len()];
            found.push((self.line + above.matches('\n').count(), statement));
        }
    }
}

/// `-- step 2` with anything that is no digit behind it. 0: the number is none of a step.
fn marker(line: &str) -> Option<u32> {
    let rest = line.trim().strip_prefix("--")?.trim_start();
    let word = rest.get(..4)?;
    let behind = &rest[4..];
    let number = behind.trim_start();
    if !word.eq_ignore_ascii_case("step") || number.len() == behind.len() {
        return None;
    }
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| number[..digits].parse().unwrap_or(0))
}

fn has_code(text: &str) -> bool {
    scan::words(text, Quoting::Mysql).any(|word| word != scan::Word::Sign(';'))
}

/// Whether the statement makes something that has statements in it.
fn has_body(statement: &str) -> bool {
    let mut words = scan::words(statement, Quoting::Mysql).filter_map(|word| match word {
        scan::Word::Bare(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    words.next().as_deref() == Some("CREATE")
        && words
            .take_while(|word| !["TABLE", "VIEW", "INDEX", "AS"].contains(&word.as_str()))
            .any(|word| ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"].contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_named_by_their_lines() {
        let text = "-- the tables\n-- step 1\nCREATE TABLE a (b);\n\n-- Step 3: more\nDROP TABLE a;\nCREATE TABLE c (d)\n";
        let schema = Schema::parse(text).unwrap();
        let numbers: Vec<_> = schema
            .steps
            .iter()
            .map(|step| (step.number, step.line))
            .collect();
        assert_eq!(numbers, [(1, 3), (3, 6)]);
        assert_eq!(
            schema.steps[1].statements(),
            [(6, "DROP TABLE a"), (7, "CREATE TABLE c (d)")]
        );
    }

    #[test]
    fn a_line_is_that_of_the_code() {
        let text = "-- step 1\nA;\n\n  -- a comment\n/* b\n */ C\nD; E\n";
        let step = &Schema::parse(text).unwrap().steps[0];
        for (from, line) in [("A;", 2), (";", 6), ("  -- a", 6), ("C", 6), ("D;", 7)] {
            let at = step.text.find(from).unwrap();
            assert_eq!(step.line_at(at), line, "{from}");
        }
        assert_eq!(step.line_at(1_000), 8);
    }

    #[test]
    fn a_file_without_steps_is_one() {
        let schema = Schema::parse("-- stepping stones\nCREATE TABLE a (b)").unwrap();
        assert_eq!((schema.steps.len(), schema.steps[0].number), (1, 1));
        assert_eq!(Schema::parse("-- nothing\n").unwrap(), Schema::default());
    }

    #[test]
    fn steps_out_of_order_are_refused() {
        for (text, line) in [
            ("-- step 2\nA;\n-- step 1\nB;", 3),
            ("-- step 0\nA;", 1),
            ("A;\n-- step 1\nB;", 1),
            ("A;\nB\0;", 2),
        ] {
            assert_eq!(Schema::parse(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn a_body_keeps_its_semicolons() {
        let step = SchemaStep {
            number: 1,
            text: "INSERT INTO a VALUES (';'); # ;\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @x = 1; SET @y = 2; END;".to_owned(),
            line: 1,
        };
        let statements = step.statements();
        assert_eq!(statements.len(), 2);
        assert!(statements[1].1.starts_with("# ;\nCREATE TRIGGER"));
        assert!(statements[1].1.ends_with("END;"));
    }

    #[test]
    fn a_changed_step_has_another_fingerprint() {
        let print = |text| Schema::parse(text).unwrap().steps[0].fingerprint();
        assert_eq!(print("A b;"), print("\nA b;\n"));
        assert_ne!(print("A b;"), print("A c;"));
    }
}
