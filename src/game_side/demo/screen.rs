//! What the demo prints: a name, what was done, the result, how long it took.

use std::io::Write;
use std::time::Duration;

use super::{Failure, Outcome};

/// Columns of a name, and of the text beside it; with a time behind it, these are 80.
const NAME_WIDTH: usize = 17;
const TEXT_WIDTH: usize = 52;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

pub struct Screen<'a> {
    out: &'a mut dyn Write,
    colours: bool,
}

impl<'a> Screen<'a> {
    pub fn new(out: &'a mut dyn Write, colours: bool) -> Self {
        Self { out, colours }
    }

    pub fn title(&mut self, text: &str) -> Outcome {
        let text = self.coloured(BOLD, text);
        self.line(&text)
    }

    pub fn heading(&mut self, text: &str) -> Outcome {
        let text = self.coloured(BOLD, text);
        self.line(&format!("\n{text}"))
    }

    /// What was done in the game.
    pub fn step(&mut self, name: &str, did: &str) -> Outcome {
        for (number, text) in wrapped(did, TEXT_WIDTH).iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            self.line(&format!("  {name:NAME_WIDTH$}{text}"))?;
        }
        Ok(())
    }

    /// The result.
    pub fn outcome(&mut self, text: &str, took: Option<Duration>) -> Outcome {
        let lines = wrapped(text, TEXT_WIDTH - 3);
        for (number, text) in lines.iter().enumerate() {
            let arrow = if number == 0 { "->" } else { "" };
            let shown = format!("  {:NAME_WIDTH$}{arrow:3}{text}", "");
            match took.filter(|_| number + 1 == lines.len()) {
                None => self.line(&shown)?,
                Some(took) => {
                    let width = 2 + NAME_WIDTH + TEXT_WIDTH;
                    let took = self.coloured(DIM, &format!("{:>9}", time(took)));
                    self.line(&format!("{shown:width$}{took}"))?;
                }
            }
        }
        Ok(())
    }

    /// A line of the table at the end.
    pub fn row(&mut self, name: &str, value: &str, note: &str) -> Outcome {
        let note = self.coloured(DIM, note);
        self.line(format!("  {name:NAME_WIDTH$}{value:>9}  {note}").trim_end())
    }

    pub fn good(&mut self, text: &str) -> Outcome {
        let text = self.coloured(GREEN, text);
        self.line(&format!("\n{text}"))
    }

    fn coloured(&self, colour: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    fn line(&mut self, text: &str) -> Outcome {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        written.map_err(Failure::system("the output cannot be written"))
    }
}

/// `0.52 ms`, `41 ms`, `2.1 s`.
pub fn time(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// Lines of at most `width` characters, broken between words; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or("", |line| line.as_str());
        let fits = line.chars().count() + 1 + word.chars().count() <= width;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if fits => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("averylongword a b", 4), ["averylongword", "a b"]);
        assert_eq!(wrapped("", 7), [""]);
    }

    #[test]
    fn times_stand_in_one_column_and_colours_only_where_wanted() {
        let show = |colours| {
            let mut out = Vec::new();
            let mut screen = Screen::new(&mut out, colours);
            let took = Some(Duration::from_micros(520));
            screen.outcome("1", took).unwrap();
            screen.outcome("two words", took).unwrap();
            String::from_utf8(out).unwrap()
        };
        let plain = show(false);
        let ends: Vec<usize> = plain.lines().map(str::len).collect();
        assert_eq!(ends[0], ends[1]);
        assert!(plain.lines().all(|line| line.ends_with(" 0.52 ms")));
        assert!(!plain.contains('\x1b') && show(true).contains('\x1b'));
    }
}
