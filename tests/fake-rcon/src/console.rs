//! What a Source console makes of the bytes that it is given: a model that leans to the worst.
//!
//! Commands end at `;` outside of quotes and at the end of a line anywhere; `//` outside of
//! quotes begins a comment; nothing escapes a quote. The engine drops a command that is too long
//! for it, and older ones cut it: here it is cut, and the rest is a command of its own.

/// Longest command that an engine runs.
pub const COMMAND_BYTES_MAX: usize = 510;

/// The commands that a console runs, each with its name first and its arguments after that.
pub fn commands(bytes: &[u8]) -> Vec<Vec<String>> {
    // A C string ends at its first NUL.
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    split(text)
        .into_iter()
        .map(words)
        .filter(|words| !words.is_empty())
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

fn words(command: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = skip_blanks(command);
    while let Some(first) = rest.first() {
        let (word, behind) = match first {
            b'"' => {
                let inside = &rest[1..];
                match inside.iter().position(|byte| *byte == b'"') {
                    Some(end) => (&inside[..end], &inside[end + 1..]),
                    None => (inside, &inside[inside.len()..]),
                }
            }
            _ if rest.starts_with(b"//") => break,
            _ if stands_alone(*first) => rest.split_at(1),
            _ => rest.split_at(
                rest.iter()
                    .position(|byte| ends_word(*byte))
                    .unwrap_or(rest.len()),
            ),
        };
        words.push(String::from_utf8_lossy(word).into_owned());
        rest = skip_blanks(behind);
    }
    words
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| **byte <= b' ').count();
    &rest[blanks..]
}

/// Signs that are a word by themselves outside of quotes.
fn stands_alone(byte: u8) -> bool {
    b"{}()':".contains(&byte)
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
}
