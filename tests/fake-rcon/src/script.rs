//! What a script engine makes of the code that `script` is given: Squirrel's tokens, and the few
//! forms of code that show players a text. Any other code shows nothing.

/// How many digits `\x` takes: Squirrel 3.1 reads two, older ones up to four.
pub const DIGITS: [usize; 2] = [2, 4];

/// Code that shows a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// `None`: all.
    pub to: Option<i64>,
    /// The only account whom it is shown to.
    pub id: Option<String>,
    /// 2: console, 3: chat, 4: centre.
    pub place: i64,
    pub text: Vec<u8>,
}

const TO_ALL: &str = "ClientPrint(null,0,\"\")";
const TO_ONE: &str = "foreach(p in[GetPlayerFromUserID(0)])if(p)ClientPrint(p,0,\"\")";
const TO_ACCOUNT: &str = "foreach(p in[GetPlayerFromUserID(0)])if(p)\
    foreach(d in[NetProps.GetPropString(p,\"\")])if(d.find(\"\")!=0||d==\"\")ClientPrint(p,0,\"\")";

/// Reads code. `None`: it is no Squirrel, or does something else.
pub fn read(code: &str, digits: usize) -> Option<Print> {
    let code = tokens(code, digits)?;
    let print = |to, id: Option<Vec<u8>>, place, text| Print {
        to,
        id: id.map(|id| String::from_utf8_lossy(&id).into_owned()),
        place,
        text,
    };
    if let Some((numbers, mut texts)) = like(&code, TO_ALL) {
        return Some(print(None, None, numbers[0], texts.remove(0)));
    }
    if let Some((numbers, mut texts)) = like(&code, TO_ONE) {
        return Some(print(Some(numbers[0]), None, numbers[1], texts.remove(0)));
    }
    let (numbers, texts) = like(&code, TO_ACCOUNT)?;
    let [prop, begins, id, text] = <[Vec<u8>; 4]>::try_from(texts).ok()?;
    let is_guard = prop == b"m_szNetworkIDString" && begins == b"[U:" && numbers[1] == 0;
    is_guard.then(|| print(Some(numbers[0]), Some(id), numbers[2], text))
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Number(i64),
    Text(Vec<u8>),
    Sign(u8),
}

/// The numbers and texts of code that is the same as a form but for these.
fn like(code: &[Token], form: &str) -> Option<(Vec<i64>, Vec<Vec<u8>>)> {
    let form = tokens(form, DIGITS[0])?;
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    if code.len() != form.len() {
        return None;
    }
    for (token, wanted) in code.iter().zip(&form) {
        match (token, wanted) {
            (Token::Number(number), Token::Number(_)) => numbers.push(*number),
            (Token::Text(text), Token::Text(_)) => texts.push(text.clone()),
            (token, wanted) if token == wanted => {}
            _ => return None,
        }
    }
    Some((numbers, texts))
}

fn tokens(code: &str, digits: usize) -> Option<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), code.as_bytes());
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    while let Some(first) = rest.first() {
        if *first == b' ' {
            rest = &rest[1..];
        } else if *first == b'"' {
            let (text, behind) = literal(&rest[1..], digits)?;
            tokens.push(Token::Text(text));
            rest = behind;
        } else if is_word(first) {
            let bytes = rest.iter().take_while(|byte| is_word(byte)).count();
            let word = String::from_utf8_lossy(&rest[..bytes]).into_owned();
            tokens.push(match word.parse() {
                Ok(number) => Token::Number(number),
                Err(_) => Token::Word(word),
            });
            rest = &rest[bytes..];
        } else if b"()[].,=!|".contains(first) {
            tokens.push(Token::Sign(*first));
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    Some(tokens)
}

/// A literal behind its quotation mark, and what follows it.
fn literal(mut rest: &[u8], digits: usize) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        let (first, behind) = rest.split_first()?;
        rest = behind;
        match first {
            b'"' => return Some((text, rest)),
            b'\n' => return None,
            b'\\' => {
                rest = rest.strip_prefix(b"x")?;
                let hex = rest.iter().take(digits);
                let hex = hex.take_while(|byte| byte.is_ascii_hexdigit()).count();
                let number = std::str::from_utf8(&rest[..hex]).ok()?;
                text.push(u32::from_str_radix(number, 16).ok()? as u8);
                rest = &rest[hex..];
            }
            byte => text.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_all_for_one_and_for_an_account_are_read() {
        let print = |to, id: Option<&str>, place, text: &str| Print {
            to,
            id: id.map(str::to_owned),
            place,
            text: text.into(),
        };
        let to_all = read(r#"ClientPrint(null,3,"a\x22")"#, 2);
        assert_eq!(to_all, Some(print(None, None, 3, "a\"")));
        let to_one = TO_ONE.replace("(0)", "(7)").replace("p,0", "p,4");
        assert_eq!(read(&to_one, 2), Some(print(Some(7), None, 4, "")));
        let to_account = TO_ACCOUNT
            .replace("(0)", "(7)")
            .replace("(p,\"\"", "(p,\"m_szNetworkIDString\"")
            .replace("find(\"\"", "find(\"[U:\"")
            .replace("==\"\"", "==\"[U:1:5]\"")
            .replace("p,0,\"\"", "p,3,\"x\"");
        let expected = print(Some(7), Some("[U:1:5]"), 3, "x");
        assert_eq!(read(&to_account, 2), Some(expected));
    }

    #[test]
    fn other_code_shows_nothing() {
        for code in [
            "",
            "ClientPrint(null,3,\"a\") quit()",
            "ClientPrint(null,3,\"a\"+\"b\")",
            "ClientPrint(null,3,\"a)",
            "ClientPrint(null,3,\"\\q\")",
            "SendToConsole(\"a\")",
        ] {
            assert_eq!(read(code, 2), None, "{code}");
        }
        // How many digits an escape has matters.
        let [two, four] = DIGITS.map(|digits| read("ClientPrint(null,3,\"\\x41b\")", digits));
        assert_eq!(two.unwrap().text, b"Ab");
        assert_eq!(four.unwrap().text, b"\x1b");
    }
}
