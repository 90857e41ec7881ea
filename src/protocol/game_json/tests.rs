use super::*;
use serde_json::json;

fn read(text: &[u8]) -> Option<Value> {
    let mut reader = Reader::new(text);
    let value = reader.value().ok()?;
    reader.end().ok()?;
    Some(value)
}

#[test]
fn what_games_write_is_read() {
    let cases: &[(&[u8], Value)] = &[
        (
            br#"{"a":[1,-2,3.5,1e+10,true,null]}"#,
            json!({"a":[1,-2,3.5,1e10,true,null]}),
        ),
        (
            br#"[nan,-nan,-nan(ind),inf,-inf,1.#QNAN,-1.#IND]"#,
            json!([null, null, null, null, null, null, null]),
        ),
        (b"\"\x07ff0000red\"", json!("\u{7}ff0000red")),
        (b"\"cut \xc3\"", json!("cut \u{fffd}")),
        (br#"{"a"b":1,"c\":2}"#, json!({"a\"b":1,"c\\":2})),
        (
            br#""\ud83d\ude00 caf\u00e9 \ud83d \q""#,
            json!("😀 café \u{fffd} \\q"),
        ),
        (
            br#""tab\t quote\" slash\/ back\\""#,
            json!("tab\t quote\" slash/ back\\"),
        ),
        (b"9223372036854775808", json!(9223372036854775808.0)),
    ];
    for (text, expected) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(read(text).as_ref(), Some(expected), "{shown}");
    }
}

#[test]
fn what_no_client_writes_is_refused() {
    let deep = "[".repeat(limits::JSON_DEPTH_MAX + 2);
    for text in [
        "",
        "{",
        "[1,]",
        "[1 2]",
        "{\"a\" 1}",
        "\"open",
        "\"\\u12",
        "truefalse",
        "1-2",
        "- 1",
        deep.as_str(),
        "[1]]",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_key_that_stands_twice_is_reported() {
    let mut reader = Reader::new(br#"{"script":"a.nut","script":"admin.nut"}"#);
    assert_eq!(reader.value().unwrap(), json!({"script":"a.nut"}));
    assert!(reader.take_duplicate_key());
    assert!(!reader.take_duplicate_key());
}

/// Bytes that are JSON now and then, and nearly JSON mostly.
fn any_bytes(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<Vec<u8>> {
    const PARTS: [&[u8]; 32] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\"a\":",
        b"\"b\" :",
        b"\"text\"",
        b"\\",
        b"\\u",
        b"12",
        b"00e9",
        b"\\ud83d\\ude00",
        b" ",
        b"\n",
        b"-",
        b"+",
        b"1.5",
        b"nan",
        b"-nan(ind)",
        b"1.#QNAN",
        b"true",
        b"null",
        b"\xff",
        b"\0",
        b"\"k\"l\":1",
        b"{\"a\":1}",
        b"[1,2]",
        b"99999999999999999999",
        b"x",
    ];
    let count = u.int_in_range(0..=40)?;
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.extend_from_slice(u.choose(&PARTS)?);
    }
    Ok(bytes)
}

#[test]
fn what_is_passed_over_is_what_is_read() {
    arbtest::arbtest(|u| {
        let mut bytes = any_bytes(u)?;
        if u.ratio(1, 2)? {
            bytes = [b"[" as &[u8], &bytes, b"]"].concat();
        }
        let (mut read, mut passed) = (Reader::new(&bytes), Reader::new(&bytes));
        let (read_to, passed_to) = (read.value().map(|_| ()), passed.skip_value());
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(read_to.clone().err(), passed_to.clone().err(), "{shown}");
        if let Ok(span) = passed_to {
            assert_eq!(read.at, span.end, "{shown}");
        }
        Ok(())
    })
    .budget_ms(1_000);
}
