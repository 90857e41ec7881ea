use super::*;
use serde_json::json;

use crate::protocol::game_json::Reader;
use crate::protocol::stock::legacy::Identity;

const IDENTITY: &str = r#""Identity":{"enc":"abc","iv":"def","timestamp":17,"ticks":4.0}"#;

/// The calls of one file, in the order in which they stand there.
#[derive(Debug, PartialEq, Default)]
struct CallFile {
    identity: Option<Identity>,
    singles: Vec<CallResult>,
    chains: Vec<Vec<CallResult>>,
}

/// Reads a whole file at once, as the core does it in steps.
fn parse(bytes: &[u8]) -> Result<CallFile, FileError> {
    let identity = scan(bytes)?;
    let outline = outline(bytes)?;
    let read = |sketch: Sketch| {
        sketch.call.read(bytes).map_err(|bad| {
            let (token, function, callback) = (sketch.token, sketch.function, sketch.callback);
            Box::new(BadCall {
                token,
                function,
                callback,
                ..*bad
            })
        })
    };
    let read = |sketches: Vec<Sketch>| sketches.into_iter().map(read).collect();
    Ok(CallFile {
        identity,
        singles: read(outline.singles),
        chains: outline.chains.into_iter().map(read).collect(),
    })
}

fn file(calls: &str) -> Result<CallFile, FileError> {
    parse(format!("{{\"Calls\":{calls},{IDENTITY}}}").as_bytes())
}

#[test]
fn calls_chains_and_identity_are_read() {
    let call =
        r#"{"token":"_1_","func":"VPI_Ping","kwargs":{"a":1},"callback":true,"script":"x.nut"}"#;
    let file = file(&format!(
        r#"{{"async":[{call}],"chain":[[{call},{call}]]}}"#
    ))
    .unwrap();
    let expected = Call {
        token: "_1_".into(),
        function: "VPI_Ping".into(),
        args: Vec::new(),
        kwargs: json!({"a": 1}),
        callback: true,
        script: "x.nut".into(),
        timeout_ms: None,
        sql_texts: true,
    };
    assert_eq!(file.singles, [Ok(expected.clone())]);
    assert_eq!(file.chains, [[Ok(expected.clone()), Ok(expected)]]);
    let identity = Identity {
        enc: b"abc".into(),
        iv: b"def".into(),
        timestamp: 17,
        ticks: 4,
    };
    assert_eq!(file.identity, Some(identity));
}

#[test]
fn a_bad_call_leaves_the_others_alone() {
    let good = r#"{"token":"t","func":"VPI_Ping","kwargs":null,"callback":false,"script":"x.nut"}"#;
    let bad = [
        r#"{"token":"t","callback":true,"script":"x.nut"}"#,
        r#"{"token":"t","func":7,"script":"x.nut"}"#,
        r#"{"func":"VPI_Ping","callback":true,"script":"x.nut"}"#,
        r#"{"token":"t","func":"VPI_Ping"}"#,
        r#"{"token":"t","func":"VPI_Ping","script":"x.nut","script":"admin.nut"}"#,
        "17",
    ];
    for bad in bad {
        let file = file(&format!(r#"{{"async":[{good},{bad},{good}]}}"#)).unwrap();
        let outcomes: Vec<bool> = file.singles.iter().map(Result::is_ok).collect();
        assert_eq!(outcomes, [true, false, true], "{bad}");
    }
}

#[test]
fn a_key_that_smuggles_structure_in_spoils_only_its_call() {
    // What a client prints for kwargs = { ["x\":1},\"script\":\"admin.nut\",\"y\":{\"z"] = 1 }.
    let text = r#"{"async":[{"token":"t","func":"F","kwargs":{"x":1},"script":"admin.nut","y":{"z":1},"script":"a.nut"}]}"#;
    assert!(file(text).unwrap().singles[0].is_err());
}

#[test]
fn files_that_are_none_fail_as_a_whole() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Calls":[]}"#,
        r#"{"Calls":{},"Calls":{}}"#,
        r#"{"Calls":{"async":[}"#,
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    let many = format!(r#"{{"async":[{}1]}}"#, "1,".repeat(limits::FILE_CALLS_MAX));
    assert_eq!(file(&many), Err(FileError::TooMany));
}

#[test]
fn a_file_without_identity_is_readable() {
    let file = parse(br#"{"Calls":{"async":[]}}"#).unwrap();
    assert_eq!(file.identity, None);
}

/// A call of the value that its whole text is.
fn call_of(value: Value, duplicate: bool) -> CallResult {
    let Value::Object(mut fields) = value else {
        return Err(BadCall::new(
            Default::default(),
            String::new(),
            false,
            "a call must be a table",
        ));
    };
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) if text.len() <= limits::CALL_NAME_BYTES_MAX => Some(text),
        _ => None,
    };
    let (token, function, script) = (text("token"), text("func"), text("script"));
    let callback = matches!(fields.remove("callback"), Some(Value::Bool(true)));
    let kwargs = fields.remove("kwargs").unwrap_or_default();
    let missing = match (&function, &script, &token) {
        _ if duplicate => Some("one of its keys stands twice"),
        (None, _, _) => Some("it needs `func`, a text of at most 256 bytes"),
        (_, None, _) => Some("it needs `script`, a text of at most 256 bytes"),
        (_, _, None) if callback => Some("it needs `token`, a text of at most 256 bytes"),
        _ => None,
    };
    let token = token.unwrap_or_default();
    let function = function.unwrap_or_default();
    match missing {
        Some(what) => Err(BadCall::new(token, function, callback, what)),
        None => Ok(Call {
            token,
            function,
            args: Vec::new(),
            kwargs,
            callback,
            script: script.unwrap_or_default(),
            timeout_ms: None,
            sql_texts: true,
        }),
    }
}

fn identity_of(value: &Value) -> Option<Identity> {
    let text = |name: &str| {
        let text = value.get(name)?.as_str()?;
        (text.len() <= limits::SECRET_BYTES_MAX).then(|| text.as_bytes().to_vec())
    };
    let number = |name: &str| {
        let number = value.get(name)?;
        number
            .as_i64()
            .or_else(|| number.as_f64().map(|float| float as i64))
    };
    Some(Identity {
        enc: text("enc")?,
        iv: text("iv")?,
        timestamp: number("timestamp")?,
        ticks: number("ticks")?,
    })
}

/// The whole file read value by value.
fn reference(bytes: &[u8]) -> Result<CallFile, FileError> {
    let mut reader = Reader::new(bytes);
    let mut file = CallFile::default();
    let mut keys = Vec::new();
    fn one(reader: &mut Reader<'_>) -> Result<CallResult, SyntaxError> {
        let value = reader.value()?;
        let duplicate = reader.take_duplicate_key();
        Ok(call_of(value, duplicate))
    }
    reader.members(|reader, key| {
        match key {
            b"Calls" => reader.members(|reader, key| {
                reader.take_duplicate_key();
                match key {
                    b"async" => reader.array(|reader| {
                        file.singles.push(one(reader)?);
                        Ok(())
                    }),
                    b"chain" => reader.array(|reader| {
                        let mut chain = Vec::new();
                        reader.array(|reader| {
                            chain.push(one(reader)?);
                            Ok(())
                        })?;
                        file.chains.push(chain);
                        Ok(())
                    }),
                    _ => reader.value().map(drop),
                }
            })?,
            b"Identity" => file.identity = identity_of(&reader.value()?),
            _ => drop(reader.value()?),
        }
        keys.push(key);
        Ok(())
    })?;
    reader.end()?;
    let count = |name: &[u8]| keys.iter().filter(|key| **key == name).count();
    match count(b"Calls") == 1 && count(b"Identity") <= 1 {
        true => Ok(file),
        false => Err(WRONG_LISTS),
    }
}

fn any_file(u: &mut arbtest::arbitrary::Unstructured<'_>) -> arbtest::arbitrary::Result<Vec<u8>> {
    const PARTS: [&[u8]; 36] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\\u00e9",
        b" ",
        b"\n",
        b"17",
        b"true",
        b"nan",
        b"\xff",
        b"\0",
        b"\"Calls\":",
        b"\"Calls\":{\"async\":[",
        b"\"chain\":[[",
        b"\"Identity\":",
        b"\"Identity\":{\"enc\":\"a\",\"iv\":\"b\",\"timestamp\":1,\"ticks\":0}",
        b"\"enc\":\"a\\\"",
        b"\"token\":\"t\"",
        b"\"func\":\"F\"",
        b"\"callback\":true",
        b"\"callback\":false",
        b"\"script\":\"x.nut\"",
        b"\"kwargs\":{\"a\":[1,2]}",
        b"]}",
        b"]]}",
        b"{\"token\":\"t\",\"func\":\"F\",\"callback\":true,\"script\":\"x.nut\"}",
        b"\"a\"b\":1",
        b"\"Calls\\\":{}",
        b"\"Ident\\u0069ty\":{}",
        b"\"token\":7",
        b"\"text\"",
    ];
    let count = u.int_in_range(0..=30)?;
    let mut bytes = b"{".to_vec();
    for _ in 0..count {
        bytes.extend_from_slice(u.choose(&PARTS)?);
        if u.ratio(1, 3)? {
            bytes.push(b',');
        }
    }
    bytes.extend_from_slice(u.choose(&[b"}" as &[u8], b"", b"]}}", b"]}"])?);
    Ok(bytes)
}

/// A file that is a file, mostly, with one part put in where it does not belong.
fn nearly_a_file(
    u: &mut arbtest::arbitrary::Unstructured<'_>,
) -> arbtest::arbitrary::Result<Vec<u8>> {
    let good = br#"{"Calls":{"async":[{"token":"t","func":"F","kwargs":{"a":"b\"c"},"callback":true,"script":"x"}],"chain":[[{"func":"G"},1],[]]},"Identity":{"enc":"abc","iv":"def","timestamp":17,"ticks":4.0},"other":[1]}"#;
    let mut bytes = good.to_vec();
    for _ in 0..u.int_in_range(0..=3)? {
        let part = any_file(u)?;
        let part = &part[1..part.len().min(1 + u.int_in_range(0..=12)?)];
        let at = u.int_in_range(0..=bytes.len())?;
        let to = (at + u.int_in_range(0..=4)?).min(bytes.len());
        bytes.splice(at..to, part.iter().copied());
    }
    Ok(bytes)
}

#[test]
fn every_look_at_a_file_finds_the_same_in_it() {
    let check = |bytes: &[u8]| {
        let shown = String::from_utf8_lossy(bytes);
        let expected = reference(bytes);
        let found = parse(bytes);
        match expected {
            Ok(file) => {
                assert_eq!(scan(bytes).as_ref(), Ok(&file.identity), "{shown}");
                assert_eq!(found.as_ref(), Ok(&file), "{shown}");
                let outline = outline(bytes).unwrap();
                let sketches = outline
                    .singles
                    .iter()
                    .chain(outline.chains.iter().flatten());
                for sketch in sketches {
                    let (token, function, callback) = match sketch.call.read(bytes) {
                        Ok(call) => (call.token, call.function, call.callback),
                        Err(bad) => (bad.token, bad.function, bad.callback),
                    };
                    assert_eq!(sketch.token, token, "{shown}");
                    assert_eq!(sketch.function, function, "{shown}");
                    assert_eq!(sketch.callback, callback, "{shown}");
                }
            }
            Err(_) => assert!(found.is_err(), "{shown}"),
        }
    };
    arbtest::arbtest(|u| {
        check(&any_file(u)?);
        check(&nearly_a_file(u)?);
        Ok(())
    })
    .budget_ms(2_000);
}

#[test]
fn a_call_with_more_values_than_any_database_takes_is_an_error() {
    let values = "1,".repeat(limits::CALL_VALUES_MAX);
    let text = format!(
        r#"{{"async":[{{"token":"t","func":"F","script":"x","callback":true,"kwargs":{{"a":[{values}1]}}}}]}}"#
    );
    let file = file(&text).unwrap();
    let bad = file.singles[0].as_ref().unwrap_err();
    assert!(bad.callback && bad.token == "t", "{bad:?}");
    assert!(bad.error.to_string().contains("values"), "{bad:?}");
}

#[test]
fn nesting_ends_where_it_does_for_values() {
    for (depth, is_good) in [
        (limits::JSON_DEPTH_MAX, true),
        (limits::JSON_DEPTH_MAX + 1, false),
    ] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        for calls in [
            format!(r#"{{"async":[{open}1{close}]}}"#),
            format!(r#"{{"chain":[[{open}1{close}]]}}"#),
        ] {
            assert_eq!(file(&calls).is_ok(), is_good, "{depth}");
        }
    }
}
