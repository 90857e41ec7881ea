//! What a Source console makes of the bytes that it is given: a model that leans to the worst.
//!
//! Commands end at `;` outside of quotes and at the end of a line anywhere; `//` outside of
//! quotes begins a comment; nothing escapes a quote. The engine drops a command that is too long
//! for it, and older ones cut it: here it is cut, and the rest is a command of its own. It drops
//! one whose words, with a NUL each, do not fit into its buffer, and separates 64 words at most.

/// Longest command that an engine runs.
pub const COMMAND_BYTES_MAX: usize = 510;
/// Where the words of a command are copied to, and how many.
const WORDS_BYTES_MAX: usize = 512;
const WORDS_MAX: usize = 64;

/// One command that a console runs.
pub struct Command<'a> {
    /// Its name, and its arguments one by one.
    pub words: Vec<String>,
    /// As it was written.
    pub text: &'a [u8],
}

impl Command<'_> {
    /// What stands behind the first words, as some commands take it: unchanged.
    pub fn behind(&self, words: usize) -> String {
        let mut rest = skip_blanks(self.text);
        for _ in 0..words {
            rest = skip_blanks(next_word(rest).map_or(&[][..], |(_, behind)| behind));
        }
        String::from_utf8_lossy(rest).into_owned()
    }
}

/// The commands that a console runs, each with its name first and its arguments after that.
pub fn commands(bytes: &[u8]) -> Vec<Vec<String>> {
    let read = read(bytes).into_iter();
    read.map(|command| command.words).collect()
}

/// The same with what was written.
pub fn read(bytes: &[u8]) -> Vec<Command<'_>> {
    // A C string ends at its first NUL.
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let commands = split(text).into_iter().map(|text| Command {
        words: words(text),
        text,
    });
    commands
        .filter(|command| !command.words.is_empty())
        .collect()
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut commands = Vec::new();
    let (mut start, mut quoted, mut comment) = (0, false, false);
    for at in 0..text.len() {
        let ends = match text[at] {
            b'\n' | b'\r' => true,
            b'"' if !comment => {
                quoted = !quoted;
                false
            }
            b'/' if !quoted && text.get(at + 1) == Some(&b'/') => {
                comment = true;
                false
            }
            b';' => !quoted && !comment,
            _ => false,
        };
        if ends || at - start == COMMAND_BYTES_MAX {
            commands.push(&text[start..at]);
            start = if ends { at + 1 } else { at };
            (quoted, comment) = (false, false);
        }
    }
    commands.push(&text[start..]);
    commands
}

/// None where they do not fit.
fn words(command: &[u8]) -> Vec<String> {
    let (mut words, mut bytes) = (Vec::new(), 0);
    let mut rest = skip_blanks(command);
    while let Some((word, behind)) = next_word(rest).filter(|_| words.len() < WORDS_MAX) {
        if bytes + word.len() >= WORDS_BYTES_MAX {
            return Vec::new();
        }
        bytes += word.len() + 1;
        words.push(String::from_utf8_lossy(word).into_owned());
        rest = skip_blanks(behind);
    }
    words
}

/// The word with which a text begins, and what is behind it.
fn next_word(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let ends = || rest.iter().position(|byte| ends_word(*byte));
    match rest.first()? {
        b'"' => {
            let inside = &rest[1..];
            Some(match inside.iter().position(|byte| *byte == b'"') {
                Some(end) => (&inside[..end], &inside[end + 1..]),
                None => (inside, &[]),
            })
        }
        _ if rest.starts_with(b"//") => None,
        first if stands_alone(*first) => Some(rest.split_at(1)),
        _ => Some(rest.split_at(ends().unwrap_or(rest.len()))),
    }
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| **byte <= b' ').count();
    &rest[blanks..]
}

/// Signs that are a word by themselves outside of quotes.
fn stands_alone(byte: u8) -> bool {
    b"{}()':,".contains(&byte)
}

fn ends_word(byte: u8) -> bool {
    byte <= b' ' || byte == b'"' || stands_alone(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&[&str]]) {
        assert_eq!(commands(line.as_bytes()), expected, "{line:?}");
    }

    #[test]
    fn lines_are_read_as_an_engine_does() {
        check("status", &[&["status"]]);
        check("", &[]);
        check(" ; ;\n", &[]);
        check("say a b;quit", &[&["say", "a", "b"], &["quit"]]);
        check("say \"a;b\" ;quit", &[&["say", "a;b"], &["quit"]]);
        check("say \"a\nquit", &[&["say", "a"], &["quit"]]);
        check("say \"a\\\"; quit", &[&["say", "a\\"], &["quit"]]);
        check("say a // b; quit\nstatus", &[&["say", "a"], &["status"]]);
        check("say \"a // b\"; quit", &[&["say", "a // b"], &["quit"]]);
        check("say \"open; quit", &[&["say", "open; quit"]]);
        check("a\"b\"c", &[&["a", "b", "c"]]);
        check("addip 0 1.2.3.4:5", &[&["addip", "0", "1.2.3.4", ":", "5"]]);
        check("say a, b", &[&["say", "a", ",", "b"]]);
        check("say \"a\0\";quit", &[&["say", "a"]]);
        check("\u{1}quit", &[&["quit"]]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_is_a_command() {
        let line = format!("say \"{}quit\"", "a".repeat(COMMAND_BYTES_MAX - 5));
        let run = commands(line.as_bytes());
        assert_eq!(run.len(), 2);
        assert_eq!(run[1], ["quit", ""]);
        let fits = "a".repeat(COMMAND_BYTES_MAX);
        assert_eq!(commands(fits.as_bytes()), [[fits]]);
    }

    #[test]
    fn what_is_behind_a_word_stays_as_it_was_written() {
        let line = b" say  a (\"b\")  c ; kickid 7 \"x\"";
        let read = read(line);
        assert_eq!(read[0].behind(1), "a (\"b\")  c ");
        assert_eq!(read[1].behind(2), "\"x\"");
        assert_eq!(
            (read[1].behind(3), read[1].behind(9)),
            ("".into(), "".into())
        );
    }

    #[test]
    fn words_that_do_not_fit_drop_the_command() {
        let signs = format!("say {}{}", "(".repeat(40), "a".repeat(440));
        assert!(commands(signs.as_bytes()).is_empty());
        let many = format!("say {}", "a ".repeat(250));
        assert_eq!(commands(many.as_bytes())[0].len(), WORDS_MAX);
    }
}
