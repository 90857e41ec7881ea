//! JSON becomes values, in slices, and whatever is not JSON is refused in our own words.

use serde_json::{Value as Json, json};

use super::write::any_value;
use super::{alike, game, literal, same};
use crate::support::Game;

/// What reading gives: a list with the value, or what was thrown; the same in any slices.
fn read(game: &mut Game, text: &[u8]) -> Json {
    let code = format!(
        "local text = {}; return [1, 7, 100000].map(@(budget) Outcome(@() Read(text, budget)))",
        literal(text)
    );
    let results = game.run("t.nut", &code);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
    results[0].clone()
}

#[test]
fn json_is_read() {
    let (_dir, mut game) = game();
    for text in [
        "null",
        "true",
        " \t\r\n[ ] ",
        "{}",
        "[1,-2,0,2147483647,-2147483648]",
        "[1.5,-0.25,1e3,1E+2,12e-1,0.0,-0.0,1.0e0]",
        r#"{"a":{"b":[{},[],{"c":null}]},"d":false}"#,
        r#" { "a" : 1 , "b" : [ 1 , 2 ] } "#,
        r#"["\"\\\/\b\f\n\r\t","\u0041\u00e9\u20ac\ud83d\ude00\uFFFF","\\","\\\\\"",""]"#,
        r#"{"":0,"\n":1,"a\\":2}"#,
        r#"{"a":1,"a":2}"#,
        "\"caf\u{e9} \u{7f} \u{1f600}\"",
    ] {
        let expected: Json = serde_json::from_str(text).expect(text);
        let result = read(&mut game, text.as_bytes());
        assert!(
            result.is_array() && same(&result[0], &expected),
            "{result} for {text}"
        );
    }
}

#[test]
fn a_text_may_be_64_deep() {
    let (_dir, mut game) = game();
    let deep = r#"[{"a":"#.repeat(32) + "1" + &"}]".repeat(32);
    let code = format!("return Write(Read({}))", literal(deep.as_bytes()));
    assert_eq!(game.run("t.nut", &code), json!(deep));
}

#[test]
fn whole_and_other_numbers_differ_and_none_is_cut() {
    let (_dir, mut game) = game();
    for (text, expected) in [
        ("7", json!(["integer", "7"])),
        ("-0", json!(["integer", "0"])),
        ("2147483647", json!(["integer", "2147483647"])),
        ("-2147483648", json!(["integer", "-2147483648"])),
        ("999999999", json!(["integer", "999999999"])),
        ("1000000000", json!(["integer", "1000000000"])),
        ("2147483648", json!(["string", "2147483648"])),
        ("-2147483649", json!(["string", "-2147483649"])),
        ("9999999999", json!(["string", "9999999999"])),
        ("76561197960287930", json!(["string", "76561197960287930"])),
        ("3.0", json!(["float", "3"])),
        ("5e2", json!(["float", "500"])),
        ("12345678901.5", json!(["float", "1.23457e+10"])),
        ("1e-99", json!(["float", "0"])),
        ("1e39", json!(["string", "1e39"])),
        ("-1.5E400", json!(["string", "-1.5E400"])),
    ] {
        let code =
            format!("local value = Read(\"{text}\"); return [typeof value, value.tostring()]");
        assert_eq!(game.run("t.nut", &code), expected, "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_and_control_bytes_pass() {
    let (_dir, mut game) = game();
    let code = r#"return Bytes(Read("[\"\x80\xff\x01\n\x07\xc3\"]")[0])"#;
    assert_eq!(game.run("t.nut", code), json!([128, 255, 1, 10, 7, 195]));
    let code = r#"return Bytes(Read("\"a\\u0000b\\ud83d\\ud83d\\ude00\\ude00\\ud83d\\u0041\\udfff\\ud83dx\""))"#;
    let lone = [0xef, 0xbf, 0xbd];
    let pair = "\u{1f600}".as_bytes();
    let expected = [
        b"a\0b",
        &lone[..],
        pair,
        &lone,
        &lone,
        b"A",
        &lone,
        &lone,
        b"x",
    ]
    .concat();
    assert_eq!(game.run("t.nut", code), json!(expected));
}

#[test]
fn what_is_malformed_is_refused_with_its_place() {
    let (_dir, mut game) = game();
    let deep = "[".repeat(65);
    let (value, early) = ("a value should stand here", "the text ends too early");
    let comma = "a comma or the end should stand here";
    let (behind, number) = ("nothing should stand behind the value", "that is no number");
    let (open, escape) = ("a text does not end", "there is no such escape");
    for (text, at, what) in [
        ("", 0, early),
        ("  ", 2, early),
        ("[", 1, early),
        ("{\"a\"", 4, early),
        ("[1,]", 3, value),
        ("[,1]", 1, "a value or ] should stand here"),
        ("[1 2]", 3, comma),
        ("[1}", 2, comma),
        ("{\"a\":1]", 6, comma),
        ("{\"a\":1,}", 7, "a key should stand here"),
        ("{1:2}", 1, "a key or } should stand here"),
        ("{\"a\" 1}", 5, "a colon should stand here"),
        ("{\"a\":}", 5, value),
        ("]", 0, value),
        ("[1]]", 3, behind),
        ("1 \"x\"", 2, behind),
        ("01", 0, number),
        ("[-]", 1, number),
        ("-01", 0, number),
        ("1.", 0, number),
        ("[1.e5]", 1, number),
        ("1e", 0, number),
        ("1e+", 0, number),
        ("+1", 0, value),
        (".5", 0, value),
        ("1x", 1, behind),
        ("tru", 0, value),
        ("True", 0, value),
        ("nulll", 4, behind),
        ("'a'", 0, value),
        ("\"abc", 0, open),
        ("\"abc\\\"", 6, open),
        ("\"\\", 0, open),
        ("\"\\x\"", 1, escape),
        ("[\"a\\u12g4\"]", 3, escape),
        ("\"\\u+123\"", 1, escape),
        ("\"\\u123\"", 1, escape),
        ("[\u{c}1]", 1, "a value or ] should stand here"),
        ("[1]\0", 3, behind),
        ("\u{feff}1", 0, value),
        (&deep, 64, "deeper than 64 objects and arrays"),
    ] {
        let expected = json!(format!("position {at}: {what}"));
        assert_eq!(read(&mut game, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn every_beginning_of_a_text_is_refused() {
    let (_dir, mut game) = game();
    let text = r#"{"a":[1,-2.5e3,"x\n\u00e9\ud83d\ude00",true,null],"b\\":{"c":""}}"#;
    for end in 0..text.len() {
        let result = read(&mut game, &text.as_bytes()[..end]);
        let said = result
            .as_str()
            .unwrap_or_else(|| panic!("{result} for {end}"));
        assert!(said.starts_with("position "), "{said}");
    }
}

/// Agrees with another reader on what is JSON, but for what is said to differ.
fn check_like_another(game: &mut Game, text: &[u8]) {
    let result = read(game, text);
    let shown = String::from_utf8_lossy(text).into_owned();
    if let Some(said) = result.as_str() {
        assert!(said.starts_with("position "), "{said} for {shown:?}");
    }
    let Ok(valid) = std::str::from_utf8(text) else {
        return;
    };
    match serde_json::from_str::<Json>(valid) {
        Ok(expected) => {
            assert!(result.is_array(), "{result} for {shown:?}");
            let wide = |number: &serde_json::Number| {
                number.is_f64() && number.as_f64().is_some_and(|f| f.abs() > f64::from(f32::MAX))
                    || !number.is_f64() && number.as_i64().is_none_or(|n| i32::try_from(n).is_err())
                    // It reads a negative zero, and the largest of whole numbers, as others.
                    || number.as_f64().is_some_and(|f| f == 0.0 || f.abs() > 1e18)
            };
            if !any_number(&expected, &wide) {
                // It may be off by one where a number is between two of ours.
                assert!(alike(&result[0], &expected, 1), "{result} for {shown:?}");
            }
        }
        Err(error) => {
            let ours = text.iter().any(|byte| *byte < 32)
                || shown.to_lowercase().contains("\\ud")
                || error.to_string().contains("out of range");
            assert!(
                ours || result.is_string(),
                "{result} for {shown:?}: {error}"
            );
        }
    }
}

fn any_number(value: &Json, is: &impl Fn(&serde_json::Number) -> bool) -> bool {
    match value {
        Json::Number(number) => is(number),
        Json::Array(items) => items.iter().any(|item| any_number(item, is)),
        Json::Object(fields) => fields.values().any(|item| any_number(item, is)),
        _ => false,
    }
}

#[test]
fn whatever_is_read_nothing_but_our_own_words_are_thrown() {
    let (_dir, mut game) = game();
    const PARTS: [&str; 32] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "d83d",
        "\\ude00",
        "00e9",
        "true",
        "false",
        "null",
        "nul",
        "-",
        "0",
        "1",
        "234567890",
        ".",
        "e",
        "E",
        "+",
        " ",
        "\n",
        "\0",
        "\u{1}",
        "x",
        "\"a\"",
        "\"k\":",
        "\u{20ac}",
    ];
    arbtest::arbtest(|u| {
        let count = u.int_in_range(0..=20)?;
        let parts = (0..count).map(|_| u.choose(&PARTS).copied());
        let text = parts.collect::<arbtest::arbitrary::Result<String>>()?;
        check_like_another(&mut game, text.as_bytes());
        Ok(())
    })
    .budget_ms(1500);
}

#[test]
fn a_text_with_a_byte_changed_is_read_as_by_another_or_refused() {
    let (_dir, mut game) = game();
    arbtest::arbtest(|u| {
        let mut text = any_value(u, 4)?.to_string().into_bytes();
        for _ in 0..u.int_in_range(1..=3)? {
            let at = u.choose_index(text.len())?;
            match u.int_in_range(0..=2)? {
                0 => text[at] = u.arbitrary()?,
                1 => text.insert(at, *u.choose(b"\"\\{}[],:01-.eu \n\x00\x80")?),
                _ => drop(text.remove(at)),
            }
            if text.is_empty() {
                break;
            }
        }
        check_like_another(&mut game, &text);
        Ok(())
    })
    .size_max(2048)
    .budget_ms(1500);
}

#[test]
fn a_big_text_is_read_in_several_steps() {
    let (_dir, mut game) = game();
    let numbers: Vec<u32> = (0..1500).map(|n| n * 7919).collect();
    let players: Vec<Json> = (0..100)
        .map(|n| json!({"userid": n, "name": format!("player {n}"), "alive": true, "score": 1.5}))
        .collect();
    let texts = [
        json!(numbers),
        json!(players),
        json!("some \"text\" of a\nline ".repeat(800)),
        json!(vec![json!([]); 3000]),
    ];
    for text in texts.map(|value| value.to_string()) {
        for budget in [100_u64, 300] {
            let code = format!(
                "local job = codec.JsonDecoder({}), steps = 0, most = 0, all = 0
                while (!job.done) {{
                    local used = codec.JsonDecode(job, {budget})
                    steps++; all += used
                    if (used > most) most = used
                }}
                return [steps, most, all, job.value]",
                literal(text.as_bytes())
            );
            let result = game.run("t.nut", &code);
            let number = |at: usize| result[at].as_u64().expect("a positive number");
            let (steps, most, all) = (number(0), number(1), number(2));
            assert!(steps >= 600 / budget, "{steps} steps of {budget}");
            assert!(most <= budget + 5, "{most} of {budget}");
            assert!(all >= 400 && all <= steps * (budget + 5), "{all}");
            let expected: Json = serde_json::from_str(&text).unwrap();
            assert!(same(&result[3], &expected));
        }
    }
}

#[test]
fn a_text_that_was_refused_stays_refused() {
    let (_dir, mut game) = game();
    let code = r#"local job = codec.JsonDecoder("[1, 2 3]"), said = []
        for (local i = 0; i < 3; i++) said.append(Outcome(@() codec.JsonDecode(job, 300)))
        return [said, job.done]"#;
    let said = "position 6: a comma or the end should stand here";
    assert_eq!(game.run("t.nut", code), json!([[said, said, said], false]));
}
