//! Values become JSON, in slices.

use arbtest::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value as Json, json};

use super::{bytes, game, literal, same};

/// Any value that the game can hold.
pub fn any_value(u: &mut Unstructured<'_>, depth: u32) -> Result<Json> {
    Ok(match u.int_in_range(0..=if depth > 0 { 7 } else { 5 })? {
        0 => Json::Null,
        1 => json!(u.arbitrary::<bool>()?),
        2 => json!(u.arbitrary::<i32>()?),
        3 => json!(u.int_in_range(-1000..=1000)?),
        4 => {
            let float = f32::from_bits(u.arbitrary()?);
            json!(f64::from(if float.is_finite() { float } else { 0.5 }))
        }
        5 => json!(u.arbitrary::<String>()?),
        6 => {
            let count = u.int_in_range(0..=5)?;
            let items = (0..count).map(|_| any_value(u, depth - 1));
            Json::Array(items.collect::<Result<_>>()?)
        }
        _ => {
            let count = u.int_in_range(0..=5)?;
            let fields = (0..count).map(|_| Ok((u.arbitrary()?, any_value(u, depth - 1)?)));
            Json::Object(fields.collect::<Result<Map<_, _>>>()?)
        }
    })
}

#[test]
fn any_value_survives_the_way_there_and_back() {
    let (_dir, mut game) = game();
    arbtest::arbtest(|u| {
        let value = any_value(u, 5)?;
        let budget = u.int_in_range(1..=40)?;
        let text = literal(value.to_string().as_bytes());
        let code = format!(
            "local value = Read({text}, {budget}); return [value, Write(codec.JsonCopy(value), {budget})]"
        );
        let result = game.run("t.nut", &code);
        assert!(same(&result[0], &value), "{} for {value}", result[0]);
        let written = result[1].as_str().expect("a text");
        let written: Json = serde_json::from_str(written).expect(written);
        assert!(same(&written, &value), "{written} for {value}");
        Ok(())
    })
    .size_max(4096)
    .budget_ms(1500);
}

#[test]
fn values_are_written_without_more_than_is_needed() {
    let (_dir, mut game) = game();
    for (value, expected) in [
        ("null", "null"),
        ("true", "true"),
        ("-2147483648", "-2147483648"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[[], {}, [[]], {a = {}}]", r#"[[],{},[[]],{"a":{}}]"#),
        ("[1, false, null, \"x\", 2]", r#"[1,false,null,"x",2]"#),
        ("{a = [{b = 1}, 2]}", r#"{"a":[{"b":1},2]}"#),
        ("{[5] = 6}", r#"{"5":6}"#),
        ("{[\"\"] = \"\"}", r#"{"":""}"#),
        ("[3.0, -0.0, 0.0, 0.1, 1e20]", "[3.0,-0.0,0.0,0.1,1e+20]"),
        ("[16777216.0, 1.5e-7]", "[16777216.0,1.5e-07]"),
    ] {
        let code = format!("return [1, 300].map(@(budget) Write({value}, budget))");
        assert_eq!(game.run("t.nut", &code), json!([expected, expected]));
    }
}

/// Those of 64-bit servers are sent as they are, and come back as texts, as on any server.
#[test]
fn whole_numbers_beyond_32_bits_are_kept() {
    let (_dir, mut game) = game();
    if game_vm::IS_WIDE {
        let code = "return [Write([1 << 40, -(1 << 40), 0x80000000]), Write(codec.JsonCopy({ n = 1 << 62 }).n)]";
        let expected = json!([
            "[1099511627776,-1099511627776,2147483648]",
            "4611686018427387904"
        ]);
        assert_eq!(game.run("t.nut", code), expected);
    }
    let code = r#"return Read("[1099511627776, -2147483649, 2147483648, -2147483648]")"#;
    let expected = json!(["1099511627776", "-2147483649", "2147483648", i32::MIN]);
    assert_eq!(game.run("t.nut", code), expected);
}

/// What must not stand in a text as it is.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            8 => out.extend(b"\\b"),
            9 => out.extend(b"\\t"),
            10 => out.extend(b"\\n"),
            12 => out.extend(b"\\f"),
            13 => out.extend(b"\\r"),
            0..32 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

fn check_text(game: &mut crate::support::Game, text: &[u8], as_key: bool) {
    let (value, read) = if as_key {
        (
            "{[text] = 1}",
            "local key; foreach (k, _ in back) key = k; back = key",
        )
    } else {
        ("text", "")
    };
    let code = format!(
        "local text = {}, json = Write({value}, 50), back = Read(json, 50); {read}
        return [Bytes(json), back == text]",
        literal(text)
    );
    let result = game.run("t.nut", &code);
    let mut expected = escaped(text);
    if as_key {
        expected = [b"{", &expected[..], b":1}"].concat();
    }
    let written = bytes(&result[0]);
    let shown = String::from_utf8_lossy(&written);
    assert!(written == expected, "{shown} for {text:?}");
    assert_eq!(result[1], json!(true), "{text:?} came back as another");
}

#[test]
fn every_byte_can_stand_everywhere_in_a_text() {
    let (_dir, mut game) = game();
    for byte in 0..=255_u8 {
        let plain = |count: usize| vec![b'x'; count];
        check_text(&mut game, &[byte], false);
        check_text(&mut game, &[byte], true);
        check_text(
            &mut game,
            &[&plain(3)[..], &[byte, byte], b"y"].concat(),
            true,
        );
        for before in [0, 1023, 1024] {
            let text = [&plain(before)[..], &[byte], &plain(200)].concat();
            check_text(&mut game, &text, false);
        }
    }
    let all: Vec<u8> = (0..=255).collect();
    check_text(&mut game, &all, false);
    check_text(&mut game, &all.repeat(20), false);
}

#[test]
fn texts_of_every_length_are_whole() {
    let (_dir, mut game) = game();
    let lengths = (0..5)
        .chain(148..153)
        .chain(1022..1027)
        .chain([2048, 4096, 16_384, 40_000]);
    for length in lengths {
        check_text(&mut game, &vec![b'x'; length], false);
        check_text(&mut game, &vec![b'\n'; length.min(3000)], false);
        check_text(&mut game, &vec![0; length.min(3000)], false);
        let mixed: Vec<u8> = (0..length)
            .map(|at| b"plain \"text\" \\ \0 \x01"[at % 18])
            .collect();
        check_text(&mut game, &mixed[..length.min(8000)], false);
    }
}

#[test]
fn floats_are_written_with_few_digits_and_read_as_they_were() {
    let (_dir, mut game) = game();
    arbtest::arbtest(|u| {
        let float = f32::from_bits(u.arbitrary()?);
        if !float.is_finite() {
            return Ok(());
        }
        let code =
            format!("local float = {float:e}; return [Write(float), Read(Write(float)) == float]");
        let result = game.run("t.nut", &code);
        let text = result[0].as_str().expect("a text");
        assert_eq!(result[1], json!(true), "{float:e}");
        assert!(text.contains(['.', 'e']), "{text}");
        assert_eq!(
            (text.parse::<f64>().unwrap() as f32).to_bits(),
            float.to_bits(),
            "{text}"
        );
        let digits = text.split('e').next().unwrap();
        let digits = digits
            .trim_start_matches(['-', '0', '.'])
            .trim_end_matches(".0");
        let digits = digits.chars().filter(char::is_ascii_digit);
        assert!(digits.count() <= 9, "{text}");
        Ok(())
    })
    .budget_ms(500);
}

/// What is not from `JsonCopy` is the caller's own; a number that is none must not spoil a file.
#[test]
fn there_is_no_such_number_as_nan() {
    let (_dir, mut game) = game();
    let code = "local big = 1e38 * 10; return Write([big, -big, big - big])";
    assert_eq!(game.run("t.nut", code), json!("[null,null,null]"));
}

#[test]
fn a_big_value_is_written_in_several_steps() {
    let (_dir, mut game) = game();
    let values = [
        "local value = \"\"; while (value.len() < 5000) value += \"\\n\"",
        "local value = \"\"; while (value.len() < 16384) value += \"some \\\"text\\\" of a\\nline \"",
        "local value = []; for (local i = 0; i < 2000; i++) value.append(i * 1000)",
        "local value = {}; for (local i = 0; i < 1000; i++) value[\"key\" + i] <- [i, \"text\"]",
        "local value = []; for (local i = 0; i < 500; i++) value.append({ x = [[]], y = 0.1 * i })",
    ];
    for setup in values {
        for budget in [100, 300] {
            let code = format!(
                "{setup}
                local copy = codec.JsonCopy(value), job = codec.JsonEncoder(copy)
                local steps = 0, most = 0, all = 0
                while (!job.done) {{
                    local used = codec.JsonEncode(job, {budget})
                    steps++; all += used
                    if (used > most) most = used
                }}
                return [steps, most, all, job.text == Write(copy, 1000000)]"
            );
            let result = game.run("t.nut", &code);
            let number = |at: usize| result[at].as_u64().expect("a positive number");
            let (steps, most, all) = (number(0), number(1), number(2));
            assert!(
                steps >= 600 / budget,
                "{steps} steps of {budget} for {setup}"
            );
            // The keys of a table are collected at once, and some escapes are made together.
            let most_allowed = budget + if setup.contains("{};") { 110 } else { 56 };
            assert!(most <= most_allowed, "{most} of {budget} for {setup}");
            assert!(
                all >= 500 && all <= steps * most_allowed,
                "{all} for {setup}"
            );
            assert_eq!(result[3], json!(true));
        }
    }
}

#[test]
fn the_keys_of_a_table_are_paid_for() {
    let (_dir, mut game) = game();
    let code = "local table = {}; for (local i = 0; i < 1000; i++) table[i.tostring()] <- i
        return codec.JsonEncode(codec.JsonEncoder(table), 1)";
    let used = game.run("t.nut", code).as_u64().unwrap();
    assert!((100..120).contains(&used), "{used}");
}
