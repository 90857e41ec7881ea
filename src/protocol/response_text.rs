//! JSON for the game: as it is for our own client, or as the stock decoder reads it, which is not
//! quite JSON.
//!
//! The stock decoder reads `\u` escapes byte by byte, fails on exponents, keeps 32 bits of a whole
//! number, and loses the whole file to a text that ends in a backslash. So texts stay raw
//! UTF-8 with the short escapes only, and numbers it cannot hold travel as texts. Control
//! bytes (the game's chat colours) stand raw, as the game itself writes them.

use serde_json::Value;
use std::fmt::Write;

/// Whose decoder will read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decoder {
    #[default]
    Stock,
    /// Our own client's: JSON as it should be, with the numbers of the game.
    Own,
    /// Outside of the game: JSON with all of its numbers.
    Exact,
}

pub fn push_null(out: &mut String) {
    out.push_str("null");
}

pub fn push_bool(out: &mut String, value: bool) {
    out.push_str(if value { "true" } else { "false" });
}

/// Numbers wider than 32 bits are quoted, for the game.
pub fn push_int(out: &mut String, value: i64, decoder: Decoder) {
    // Writing to a String cannot fail.
    let _ = if decoder == Decoder::Exact || i32::try_from(value).is_ok() {
        write!(out, "{value}")
    } else {
        write!(out, "\"{value}\"")
    };
}

/// Null where there is no number. For the game never with an exponent, and quoted where its 32-bit
/// float would overflow.
pub fn push_float(out: &mut String, value: f64, decoder: Decoder) {
    if !value.is_finite() {
        return push_null(out);
    }
    if decoder == Decoder::Exact {
        // The shortest text that is read as this number.
        let _ = write!(out, "{value:?}");
        return;
    }
    if value.abs() < f64::from(f32::MIN_POSITIVE) {
        // The game would read a zero, after hundreds of digits.
        return out.push_str("0.0");
    }
    let quote = if value.abs() > f64::from(f32::MAX) {
        "\""
    } else {
        ""
    };
    let point = if value.fract() == 0.0 { ".0" } else { "" };
    let _ = write!(out, "{quote}{value}{point}{quote}");
}

/// A text in quotes. For the stock decoder NUL bytes are dropped, and a text that ends in a
/// backslash gets a space behind it, since it can carry neither.
pub fn push_text(out: &mut String, text: &str, decoder: Decoder) {
    let stock = decoder == Decoder::Stock;
    out.push('"');
    let start = out.len();
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x0c => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0 if stock => "",
            0..0x20 if !stock => {
                out.push_str(&text[plain_from..at]);
                let _ = write!(out, "\\u{byte:04x}");
                plain_from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(escape);
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
    if stock && out[start..].ends_with('\\') {
        out.push(' ');
    }
    out.push('"');
}

/// Any value, objects and arrays included.
pub fn push_value(out: &mut String, value: &Value, decoder: Decoder) {
    match value {
        Value::Null => push_null(out),
        Value::Bool(value) => push_bool(out, *value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => push_int(out, whole, decoder),
            // Between the ends of i64 and u64: still a whole number, and not to be rounded.
            (None, _) if number.is_u64() && decoder == Decoder::Exact => {
                let _ = write!(out, "{number}");
            }
            (None, _) if number.is_u64() => push_text(out, &number.to_string(), decoder),
            (None, Some(float)) => push_float(out, float, decoder),
            (None, None) => push_null(out),
        },
        Value::String(text) => push_text(out, text, decoder),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_value(out, item, decoder);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_text(out, key, decoder);
                out.push(':');
                push_value(out, item, decoder);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, value, Decoder::Stock);
        out
    }

    fn float(value: f64) -> String {
        let mut out = String::new();
        push_float(&mut out, value, Decoder::Own);
        out
    }

    fn int(value: i64) -> String {
        let mut out = String::new();
        push_int(&mut out, value, Decoder::Own);
        out
    }

    #[test]
    fn texts_keep_everything_the_decoder_can_carry() {
        assert_eq!(text("plain"), r#""plain""#);
        assert_eq!(text("café 日本"), r#""café 日本""#);
        assert_eq!(text("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(text("\u{8}\u{c}\n\r\t"), r#""\b\f\n\r\t""#);
        assert_eq!(text("\u{7}red"), "\"\u{7}red\"");
        assert_eq!(text("a\0b"), r#""ab""#);
    }

    #[test]
    fn no_text_ends_in_a_backslash() {
        assert_eq!(text("\\"), r#""\\ ""#);
        assert_eq!(text("a\\\\"), r#""a\\\\ ""#);
        assert_eq!(
            text("a\\\0"),
            r#""a\\ ""#,
            "a dropped NUL does not hide the backslash"
        );
    }

    #[test]
    fn our_own_client_gets_every_text_as_it_is() {
        arbtest::arbtest(|u| {
            let value: String = u.arbitrary()?;
            let mut out = String::new();
            push_text(&mut out, &value, Decoder::Own);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
            Ok(())
        })
        .size_max(512);
        let mut out = String::new();
        push_text(&mut out, "\0\u{7}\\", Decoder::Own);
        assert_eq!(out, r#""\u0000\u0007\\""#);
    }

    #[test]
    fn numbers_are_what_squirrel_can_hold() {
        assert_eq!(int(-5), "-5");
        assert_eq!(int(2_147_483_647), "2147483647");
        assert_eq!(int(2_147_483_648), "\"2147483648\"");
        assert_eq!(int(76_561_197_960_287_930), "\"76561197960287930\"");
        assert_eq!(float(3.0), "3.0");
        assert_eq!(float(-2.5), "-2.5");
        assert_eq!(float(1e20), "100000000000000000000.0");
        assert_eq!(float(1e-7), "0.0000001");
        assert_eq!(float(1e-300), "0.0");
        assert_eq!(float(-0.0), "0.0");
        assert_eq!(float(f64::NAN), "null");
        assert_eq!(float(f64::INFINITY), "null");
        assert!(float(1e39).starts_with("\"1000"));
    }

    #[test]
    fn values_are_written_whole() {
        let value = serde_json::json!({"k\\": [null, true, 1, 1.5, u64::MAX, "x"], "z": {}});
        let mut out = String::new();
        push_value(&mut out, &value, Decoder::Stock);
        assert_eq!(
            out,
            r#"{"k\\ ":[null,true,1,1.5,"18446744073709551615","x"],"z":{}}"#
        );
    }

    #[test]
    fn any_text_survives_a_json_parser_but_for_what_cannot_be_carried() {
        arbtest::arbtest(|u| {
            let value: String = u.arbitrary()?;
            let carried: String = value.chars().filter(|c| *c >= ' ').collect();
            let read: String = serde_json::from_str(&text(&carried)).unwrap();
            let ending = if carried.ends_with('\\') { " " } else { "" };
            assert_eq!(read, format!("{carried}{ending}"));
            Ok(())
        })
        .size_max(512);
    }
}
