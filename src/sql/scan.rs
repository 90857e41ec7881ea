//! SQL text in pieces: what is code, and what is quoted or a comment.
//!
//! Enough to find placeholders, words and ends of statements in SQL that an owner or a permitted
//! script wrote. It understands no statement, and whatever it is given, it ends.

/// Whose rules of quoting a text follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// `[name]` is a name, a backslash is a backslash.
    Sqlite,
    /// `#` begins a comment, a backslash escapes in quotes. MariaDB's as well.
    Mysql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    /// A text between quotes, or what some engines read as one.
    Text,
    /// A name between quotes of names.
    Name,
    Comment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub kind: Kind,
    /// Where it starts, in bytes.
    pub at: usize,
    /// With its quotes; all pieces together are the whole text.
    pub text: &'a str,
}

impl<'a> Piece<'a> {
    /// What stands between the quotes.
    pub fn inner(&self) -> &'a str {
        let mut signs = self.text.chars();
        signs.next();
        signs.next_back();
        signs.as_str()
    }
}

pub(super) fn pieces(text: &str, quoting: Quoting) -> Pieces<'_> {
    Pieces {
        text,
        at: 0,
        quoting,
    }
}

pub(super) struct Pieces<'a> {
    text: &'a str,
    at: usize,
    quoting: Quoting,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let (kind, length) = match self.opening(rest.as_bytes()) {
            Some(kind) => (kind, self.quoted_length(rest)),
            None => (Kind::Code, self.code_length(rest)),
        };
        let piece = Piece {
            kind,
            at: self.at,
            text: &rest[..length],
        };
        self.at += length;
        Some(piece)
    }
}

impl Pieces<'_> {
    /// What begins here, where it is no code.
    fn opening(&self, rest: &[u8]) -> Option<Kind> {
        let mysql = self.quoting == Quoting::Mysql;
        match rest {
            [b'\'', ..] => Some(Kind::Text),
            // In MySQL a text, unless its mode says otherwise; in SQLite a name.
            [b'"', ..] if mysql => Some(Kind::Text),
            [b'"' | b'`', ..] => Some(Kind::Name),
            [b'[', ..] if !mysql => Some(Kind::Name),
            [b'/', b'*', ..] => Some(Kind::Comment),
            [b'#', ..] if mysql => Some(Kind::Comment),
            // `5--3` is a sum in MySQL.
            [b'-', b'-', next, ..] if mysql && !next.is_ascii_whitespace() => None,
            [b'-', b'-', ..] => Some(Kind::Comment),
            _ => None,
        }
    }

    /// Up to the next thing that is no code. Every sign that opens something is ASCII, so this
    /// is a boundary of characters.
    fn code_length(&self, rest: &str) -> usize {
        let bytes = rest.as_bytes();
        (0..bytes.len())
            .find(|&at| self.opening(&bytes[at..]).is_some())
            .unwrap_or(bytes.len())
    }

    /// With its end; to the end of the text where that is missing.
    fn quoted_length(&self, rest: &str) -> usize {
        let bytes = rest.as_bytes();
        let until = |end: &str, from: usize| {
            let found = rest[from..].find(end);
            found.map_or(rest.len(), |at| from + at + end.len())
        };
        match bytes[0] {
            b'#' | b'-' => until("\n", 0),
            b'/' => until("*/", 2),
            b'[' => until("]", 1),
            quote => self.between_quotes(bytes, quote),
        }
    }

    fn between_quotes(&self, bytes: &[u8], quote: u8) -> usize {
        let escapes = self.quoting == Quoting::Mysql && quote != b'`';
        let mut at = 1;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if escapes => at += 1,
                // A doubled quote is one in the text.
                sign if sign == quote && bytes.get(at + 1) == Some(&quote) => at += 1,
                sign if sign == quote => return at + 1,
                _ => {}
            }
            at += 1;
        }
        bytes.len()
    }
}

/// The first word of the code, in capitals, and what stands before it. Parentheses are passed
/// over, comments too.
pub(super) fn first_word(text: &str, quoting: Quoting) -> Option<String> {
    for piece in pieces(text, quoting) {
        match piece.kind {
            Kind::Comment => {}
            Kind::Code => {
                let code = piece.text.trim_start_matches(|sign: char| {
                    sign.is_whitespace() || sign == '(' || sign == ';'
                });
                if code.is_empty() {
                    continue;
                }
                let end = code.find(|sign: char| !is_word(sign)).unwrap_or(code.len());
                return Some(code[..end].to_ascii_uppercase());
            }
            Kind::Text | Kind::Name => return None,
        }
    }
    None
}

/// Words of the code and quoted names, in their order; with quoted texts left out. A word is cut
/// out of `a.b` as two.
pub(super) fn words(text: &str, quoting: Quoting) -> impl Iterator<Item = Word<'_>> {
    pieces(text, quoting).flat_map(|piece| {
        let (code, name) = match piece.kind {
            Kind::Code => (piece.text, None),
            Kind::Name => ("", Some(Word::Name(piece.inner()))),
            Kind::Text | Kind::Comment => ("", None),
        };
        code_words(code).chain(name)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'a> {
    Bare(&'a str),
    /// It stood in quotes, so it is no keyword.
    Name(&'a str),
    Sign(char),
}

fn code_words(code: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = match is_word(first) {
            true => rest.find(|sign: char| !is_word(sign)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(match is_word(first) {
            true => Word::Bare(word),
            false => Word::Sign(first),
        })
    })
}

/// MySQL's user variables in the code, in their order: what stands before each since the one before
/// it, its name without the `@` (empty where that stands in quotes), and what stands behind it.
pub(super) fn variables(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for piece in pieces(text, Quoting::Mysql) {
        if piece.kind != Kind::Code {
            continue;
        }
        let (mut from, mut at) = (0, 0);
        while let Some(sign) = piece.text[at..].find('@').map(|sign| at + sign) {
            at = sign + 1;
            let before = text[..piece.at + sign].chars().next_back();
            // `@@name` is the server's, `name@host` an account.
            if piece.text[at..].starts_with('@') {
                at += 1;
                continue;
            }
            let quotes = ['\'', '"', '`'];
            if before.is_some_and(|before| is_word(before) || quotes.contains(&before)) {
                continue;
            }
            let rest = &piece.text[at..];
            let end = rest.find(|sign| !is_word(sign) && sign != '.');
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            found.push((&piece.text[from..sign], name, behind));
            at += name.len();
            from = at;
        }
    }
    found
}

pub(super) fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, quoting: Quoting) -> Vec<(Kind, &str)> {
        let found: Vec<_> = pieces(text, quoting).collect();
        let whole: String = found.iter().map(|piece| piece.text).collect();
        assert_eq!(whole, text);
        found
            .into_iter()
            .map(|piece| (piece.kind, piece.text))
            .collect()
    }

    #[test]
    fn texts_names_and_comments_are_distinguished_from_code() {
        assert_eq!(
            kinds("a 'b''c' \"d\" [e] -- f\n/* g */h", Quoting::Sqlite),
            [
                (Kind::Code, "a "),
                (Kind::Text, "'b''c'"),
                (Kind::Code, " "),
                (Kind::Name, "\"d\""),
                (Kind::Code, " "),
                (Kind::Name, "[e]"),
                (Kind::Code, " "),
                (Kind::Comment, "-- f\n"),
                (Kind::Comment, "/* g */"),
                (Kind::Code, "h"),
            ]
        );
        assert_eq!(
            kinds(r"'a\'b' 5--3 `c``d` #e", Quoting::Mysql),
            [
                (Kind::Text, r"'a\'b'"),
                (Kind::Code, " 5--3 "),
                (Kind::Name, "`c``d`"),
                (Kind::Code, " "),
                (Kind::Comment, "#e"),
            ]
        );
    }

    #[test]
    fn what_is_never_closed_goes_to_the_end() {
        for open in ["'a", "\"a", "`a", "[a", "/* a", "-- a", r"'a\"] {
            let last = pieces(open, Quoting::Sqlite).last().unwrap();
            assert_ne!(last.kind, Kind::Code, "{open}");
            let _ = kinds(open, Quoting::Mysql);
        }
    }

    #[test]
    fn the_first_word_is_found_behind_comments_and_parentheses() {
        for text in [
            "select 1",
            " /* x */ (SELECT 1)",
            "-- a\nSelect 1",
            ";select",
        ] {
            assert_eq!(first_word(text, Quoting::Mysql).as_deref(), Some("SELECT"));
        }
        assert_eq!(first_word("'select'", Quoting::Mysql), None);
        assert_eq!(first_word("", Quoting::Sqlite), None);
    }
}
