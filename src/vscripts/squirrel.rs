//! What can be found in a Squirrel script without running it: its texts, outside of comments.

/// What a function of a script returns.
#[derive(Debug, PartialEq, Eq)]
pub enum Returned {
    /// Lines are counted from 1.
    Text { text: Vec<u8>, line: usize },
    /// The text is still to be set, on this line.
    Empty { line: usize },
    /// There is no such function, or it returns something else than one plain text.
    Nothing,
}

/// Looks for `function NAME() { return "..."; }`.
pub fn returned_text(script: &[u8], name: &str) -> Returned {
    let tokens = tokens(script);
    let mut at = 0;
    while let Some(next) = function(&tokens[at..], name) {
        let body = &tokens[at + next + 2..];
        let expected = [b'(', b')', b'{'].map(Token::Sign);
        if body.len() > 4
            && body
                .iter()
                .zip(&expected)
                .all(|((found, _), sign)| found == sign)
            && body[3].0.is_word("return")
            && let (Token::Text(text), line) = &body[4]
        {
            let ends = body
                .get(5)
                .is_none_or(|(next, _)| matches!(next, Token::Sign(b';' | b'}')));
            return match text {
                _ if !ends => Returned::Nothing,
                Some(text) if text.is_empty() => Returned::Empty { line: *line },
                Some(text) => Returned::Text {
                    text: text.clone(),
                    line: *line,
                },
                None => Returned::Nothing,
            };
        }
        at += next + 2;
    }
    Returned::Nothing
}

/// Whether there is a `function NAME`.
pub fn has_function(script: &[u8], name: &str) -> bool {
    function(&tokens(script), name).is_some()
}

/// Whether this stands in the script as a name, or as a whole text.
pub fn has_word(script: &[u8], word: &str) -> bool {
    tokens(script).iter().any(|(token, _)| match token {
        Token::Text(Some(text)) => text == word.as_bytes(),
        token => token.is_word(word),
    })
}

fn function(tokens: &[(Token<'_>, usize)], name: &str) -> Option<usize> {
    tokens
        .windows(2)
        .position(|pair| pair[0].0.is_word("function") && pair[1].0.is_word(name))
}

/// The text of `local NAME = "..."`.
pub fn local_text(script: &[u8], name: &str) -> Option<String> {
    tokens(script).windows(4).find_map(|four| match &four[3].0 {
        Token::Text(Some(text))
            if four[0].0.is_word("local")
                && four[1].0.is_word(name)
                && four[2].0 == Token::Sign(b'=') =>
        {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    })
}

/// The same of a constant that the script uses elsewhere too. One fork of MGE's has a `SCRIPTDATA_DIR` that
/// has no effect.
pub fn used_text(script: &[u8], name: &str) -> Option<String> {
    let tokens = tokens(script);
    let times = tokens
        .iter()
        .filter(|(token, _)| token.is_word(name))
        .count();
    local_text(script, name).filter(|_| times > 1)
}

/// Whether the script includes others, and names `name` or `name.nut` in a text: the name may
/// come to the call by way of a list.
pub fn includes(script: &[u8], name: &str) -> bool {
    let tokens = tokens(script);
    let include =
        |token: &Token| token.is_word("IncludeScript") || token.is_word("DoIncludeScript");
    let named = |token: &Token| match token {
        Token::Text(Some(text)) => text.strip_suffix(b".nut").unwrap_or(text) == name.as_bytes(),
        _ => false,
    };
    tokens.iter().any(|(token, _)| include(token)) && tokens.iter().any(|(token, _)| named(token))
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    /// `None` where it is not known what the game makes of it.
    Text(Option<Vec<u8>>),
    Sign(u8),
}

impl Token<'_> {
    fn is_word(&self, expected: &str) -> bool {
        matches!(self, Token::Word(word) if *word == expected.as_bytes())
    }
}

/// The tokens of a Squirrel script with their lines, comments left out.
fn tokens(script: &[u8]) -> Vec<(Token<'_>, usize)> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < script.len() {
        let rest = &script[at..];
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let (token, length) = if rest.starts_with(b"//") || rest[0] == b'#' {
            (None, find(rest, b"\n").unwrap_or(rest.len()))
        } else if rest.starts_with(b"/*") {
            (
                None,
                find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4),
            )
        } else if rest.starts_with(b"@\"") {
            let (text, length) = verbatim(rest);
            (Some(Token::Text(Some(text))), length)
        } else if rest[0] == b'"' || rest[0] == b'\'' {
            let (text, length) = quoted(rest);
            (Some(Token::Text(text)), length)
        } else if in_word(&rest[0]) {
            let length = rest
                .iter()
                .position(|byte| !in_word(byte))
                .unwrap_or(rest.len());
            (Some(Token::Word(&rest[..length])), length)
        } else if rest[0].is_ascii_whitespace() {
            (None, 1)
        } else {
            (Some(Token::Sign(rest[0])), 1)
        };
        tokens.extend(token.map(|token| (token, line)));
        line += rest[..length].iter().filter(|&&byte| byte == b'\n').count();
        at += length;
    }
    tokens
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// `@"..."`, where `""` stands for one quote and nothing else is special.
fn verbatim(rest: &[u8]) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut at = 2;
    while at < rest.len() {
        if rest[at] == b'"' {
            if rest.get(at + 1) != Some(&b'"') {
                return (text, at + 1);
            }
            at += 1;
        }
        text.push(rest[at]);
        at += 1;
    }
    (text, at)
}

/// `"..."` with its escapes worked out as Squirrel 3.1 does, or `'.'`, which is a number to it. None for that,
/// and for what the game's compiler refuses or reads in a way that differs between its versions.
fn quoted(rest: &[u8]) -> (Option<Vec<u8>>, usize) {
    let mut text = (rest[0] == b'"').then(Vec::new);
    let mut at = 1;
    while at < rest.len() && rest[at] != rest[0] {
        let (byte, length) = match rest[at] {
            b'\\' => escape(&rest[at + 1..]),
            b'\n' => (None, 1),
            byte => (Some(byte), 1),
        };
        match (&mut text, byte) {
            (Some(text), Some(byte)) => text.push(byte),
            _ => text = None,
        }
        at += length;
    }
    (text, (at + 1).min(rest.len()))
}

/// What stands for an escape, and its length with the backslash before it.
fn escape(rest: &[u8]) -> (Option<u8>, usize) {
    let plain = match rest.first() {
        Some(b't') => b'\t',
        Some(b'a') => 7,
        Some(b'b') => 8,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b'v') => 11,
        Some(b'f') => 12,
        Some(b'0') => 0,
        Some(sign @ (b'\\' | b'"' | b'\'')) => *sign,
        Some(b'x') => return hex_escape(rest, 2),
        // A number of a sign, of which only those of ASCII can stand in a secret or a name.
        Some(b'u' | b'U') => return hex_escape(rest, 8),
        _ => return (None, 2),
    };
    (Some(plain), 2)
}

/// `x20`, or `u0020`. Versions of Squirrel take four or eight digits behind `u`, so more than four are none.
fn hex_escape(rest: &[u8], digits_max: usize) -> (Option<u8>, usize) {
    let digits = rest[1..].iter().take(digits_max);
    let count = digits.take_while(|byte| byte.is_ascii_hexdigit()).count();
    let text = std::str::from_utf8(&rest[1..1 + count]).unwrap_or_default();
    let number = u32::from_str_radix(text, 16).ok();
    let byte = match digits_max {
        2 => number,
        _ => number.filter(|number| count <= 4 && *number < 128),
    };
    (byte.map(|byte| byte as u8), 2 + count)
}

#[cfg(test)]
mod tests {
    use super::Returned::{Empty, Nothing};
    use super::*;

    #[test]
    fn secrets_in_scripts() {
        let set = |text: &str, line| Returned::Text {
            text: text.as_bytes().to_vec(),
            line,
        };
        for (script, expected) in [
            (
                "local function GetSecret() {\n\treturn @\"a\\b'c\";\n}\n",
                set("a\\b'c", 2),
            ),
            (
                "local function GetSecret()\n{\n\treturn @\"\";\n}",
                Empty { line: 3 },
            ),
            (
                "function GetSecret ( ) { return \"plain\" }",
                set("plain", 1),
            ),
            (
                "function GetSecret() { return @\"a\"\"b\" }",
                set("a\"b", 1),
            ),
            (
                "function GetSecret() { return @\"//not#comment\"; }",
                set("//not#comment", 1),
            ),
            (
                r#"function GetSecret() { return "a\"b\\c\x20\x7ed\u0021\'"; }"#,
                set("a\"b\\c ~d!'", 1),
            ),
            (
                r#"function GetSecret() { return "\x07ff57"; }"#,
                set("\u{7}ff57", 1),
            ),
            (
                r#"function GetSecret() { return @"a\x20b"; }"#,
                set(r"a\x20b", 1),
            ),
            (r#"function GetSecret() { return "a\qb"; }"#, Nothing),
            (r#"function GetSecret() { return "\u002041"; }"#, Nothing),
            ("function GetSecret() { return \"a\nb\"; }", Nothing),
            ("function GetSecret() { return 'a'; }", Nothing),
            ("function GetSecret() { return \"a\\", Nothing),
            ("function GetSecret() { return @\"a\" + b; }", Nothing),
            ("function GetSecret() { return Stored(); }", Nothing),
            ("function GetSecret() {", Nothing),
            ("function GetSecrets() { return @\"a\"; }", Nothing),
            (
                "GetSecret(); // function GetSecret() { return @\"a\"; }",
                Nothing,
            ),
            (
                "/*\nfunction GetSecret() { return @\"old\"; }\n*/\nfunction GetSecret() {\n// x\nreturn @\"new\"; }",
                set("new", 6),
            ),
            (
                "# it's\nx <- \"a\\\"\" + 'b';\nfunction GetSecret() { return @\"s\"; }",
                set("s", 3),
            ),
            ("function GetSecret() { return @\"cut", set("cut", 1)),
            ("", Nothing),
        ] {
            assert_eq!(
                returned_text(script.as_bytes(), "GetSecret"),
                expected,
                "{script}"
            );
        }
    }

    #[test]
    fn functions_and_locals() {
        let script = b"// local VERSION = \"0\"\nlocal VERSION = @\"1.2\"\nlocal function A() {}";
        assert_eq!(local_text(script, "VERSION").as_deref(), Some("1.2"));
        assert_eq!(local_text(b"VERSION <- \"1\"", "VERSION"), None);
        assert_eq!(local_text(b"local VERSION = 1", "VERSION"), None);
        assert!(has_function(script, "A") && !has_function(script, "B"));
        assert!(!has_function(b"/* function A() {} */ A()", "A"));
    }

    #[test]
    fn includes_however_they_are_written() {
        for (script, expected) in [
            ("IncludeScript(\"vpi.nut\")", true),
            ("if (1) ::IncludeScript(\"vpi\", getroottable());", true),
            ("DoIncludeScript(\"vpi.nut\", this)", true),
            ("foreach (s in [\"a\", @\"vpi\"]) IncludeScript(s)", true),
            ("// IncludeScript(\"vpi.nut\")", false),
            (
                "/* IncludeScript(\"vpi.nut\") */ IncludeScript(\"a\")",
                false,
            ),
            (
                "# IncludeScript(\"vpi.nut\")\nIncludeScript(\"my_vpi.nut\")",
                false,
            ),
            ("printl(\"vpi.nut\")", false),
            ("", false),
        ] {
            assert_eq!(includes(script.as_bytes(), "vpi"), expected, "{script}");
        }
    }
}
