//! Values between games, operators and functions in Python, both ways; and how arguments by name
//! reach their places.

use serde_json::{Value, json};

use crate::support::{Client, Host, Vpid, wait_until};

const VALUES: &str = include_str!("../python/values.py");

fn vpid() -> Vpid {
    let vpid = Vpid::new().signed().script("values", VALUES);
    vpid.with_running(&["values"])
}

/// Asks as an operator does.
fn vpid_call(vpid: &Vpid, function: &str, kwargs: &Value) -> (Option<i32>, Value) {
    let output = vpid.command(&["call", function, &kwargs.to_string()]);
    let answer = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), answer.unwrap_or(Value::String(said)))
}

#[track_caller]
fn fails(answer: &Value, parts: &[&str]) {
    let text = answer.as_str().unwrap_or_default();
    assert!(text.starts_with("[VPI ERROR] ("), "{answer}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:.500}");
    }
}

#[test]
fn a_thousand_elements_and_deep_dictionaries_go_both_ways() {
    let vpid = vpid();
    let list: Vec<i64> = (0..1_000).collect();
    let mut deep = json!("the bottom");
    for level in 0..30 {
        deep = match level % 2 {
            0 => json!([deep]),
            _ => json!({ "d": deep }),
        };
    }
    for mut client in Client::both(&vpid) {
        let echoed = client.ask("values.echo", json!({ "value": list }));
        assert_eq!(echoed, json!(list));
        let measured = client.ask("values.measured", json!({ "value": list }));
        assert_eq!(measured[0], 1_000);
        assert_eq!(
            client.ask("values.many", json!({"count": 1_000})),
            json!(list)
        );
        assert_eq!(client.ask("values.echo", json!({ "value": deep })), deep);
        assert_eq!(client.ask("values.deep", json!({"levels": 30})), deep);
    }
    let (code, answer) = vpid_call(&vpid, "values.echo", &json!({ "value": list }));
    assert_eq!((code, answer), (Some(0), json!(list)));
}

#[test]
fn an_answer_that_no_file_of_the_game_can_hold_is_an_error_and_holds_up_nobody() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        let before = client.ask("values.long", json!({"size": 15_000}));
        assert_eq!(before.as_str().map(str::len), Some(15_000));
        for (function, kwargs) in [
            ("values.long", json!({"size": 16_000})),
            ("values.long", json!({"size": 3_999_000})),
            ("values.many", json!({"count": 10_000})),
        ] {
            let answer = client.ask(function, kwargs);
            fails(&answer, &[function, "Response size exceeds maximum"]);
            assert_eq!(client.ask("values.nothing", Value::Null), "nothing");
        }
    }
    assert_eq!(vpid.about("values")["restarts"], 0);
}

#[test]
fn numbers_are_exact_in_python_and_what_a_game_can_hold_in_the_game() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        for (value, kind, shown) in [
            (json!(7), "int", "7"),
            (json!(9_007_199_254_740_993_i64), "int", "9007199254740993"),
            (json!(i64::MIN), "int", "-9223372036854775808"),
            (json!(0.1), "float", "0.1"),
            (json!(-2.0), "float", "-2.0"),
            (json!(true), "bool", "True"),
            (json!(null), "NoneType", "None"),
            (json!("7"), "str", "'7'"),
            (json!({}), "dict", "{}"),
            (json!([]), "list", "[]"),
        ] {
            let seen = client.ask("values.seen", json!({ "value": value }));
            assert_eq!(seen, json!([kind, shown]), "{value}");
        }
        let wide = client.ask("values.echo", json!({"value": 76_561_197_960_287_930_i64}));
        assert_eq!(wide, "76561197960287930");
    }
}

#[test]
fn every_kind_of_value_comes_in_a_form_that_a_game_knows() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        let kinds = client.ask("values.kinds", json!({}));
        let times = [
            "2026-11-20T08:30:05",
            "2026-11-20",
            "08:30:05",
            "1 day, 6:00:00",
        ];
        assert_eq!(kinds["times"], json!(times));
        assert_eq!(kinds["bytes"], json!([false, true, "abc", "\u{ff}text"]));
        let numbers = &kinds["numbers"];
        let wide = ["9223372036854775807", "-9223372036854775808"];
        assert_eq!(json!([numbers[0], numbers[1]]), json!(wide));
        assert_eq!(numbers[2], "18446744073709551616");
        assert_eq!(
            json!([numbers[3], numbers[5], numbers[6]]),
            json!([-0.5, 12.5, true])
        );
        // No 32-bit float can hold it.
        assert!(numbers[4].is_string(), "{numbers}");
        let others = json!([[1, 2], [3], {"x": 1, "y": 2}, {"name": "Ann", "wins": 3}, 2]);
        assert_eq!(kinds["others"], others);
        let texts = &kinds["texts"];
        assert_eq!(texts[0], "\u{7}red \u{1b}[0m");
        assert_eq!(texts[1], "half of a pair: \u{fffd}");
        assert_eq!(texts[2].as_str().unwrap().trim_end(), "ends in \"\\");
        let keys = json!({"1": "one", "null": "none", "2.5": "float"});
        assert_eq!(kinds["keys"], keys);
    }
}

#[test]
fn texts_of_the_game_arrive_whatever_bytes_they_are() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        let text = "caf\u{e9} \u{7}red \u{1} \"quoted\" \u{1f480} a\\b \n end";
        let echoed = client.ask("values.echo", json!({ "value": text }));
        assert_eq!(echoed, text);
    }
    let cut = cut_text(&mut vpid.host("another_game"));
    assert_eq!(cut, "<J\u{fffd}>");
}

/// What comes of a name that the game has cut inside a character.
fn cut_text(host: &mut Host) -> Value {
    let call = json!({"script": "test.nut", "func": "values.echo", "token": "cut", "callback": true,
        "kwargs": {"value": "<J...>"}});
    let text = host.text_of(&[call]);
    let (before, after) = text.split_once("...").expect("the mark");
    let bytes = [before.as_bytes(), b"\xc3", after.as_bytes(), b"\0"].concat();
    host.write_raw(&bytes);
    host.answers(&["cut".to_owned()]).remove(0)
}

#[test]
fn what_cannot_be_sent_is_an_error_that_names_the_way_to_it() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        let cyclic = client.ask("values.cyclic", json!({}));
        fails(
            &cyclic,
            &["ValueError", "result.list[1] refers back to result"],
        );
        for (kind, said) in [
            ("object", "result.rows[1].who is an object"),
            ("nan", "result[1] is nan"),
            ("function", "result.f is a function"),
            ("key", "a key of result.a is a tuple"),
            ("too deep", "is too deep: at most 100 levels"),
            ("too large", "is too large to be sent: "),
        ] {
            let answer = client.ask("values.unfit", json!({ "kind": kind }));
            fails(&answer, &["(values.unfit)", "ValueError", said]);
        }
        assert_eq!(client.ask("values.nothing", json!({})), "nothing");
    }
    assert_eq!(vpid.about("values")["restarts"], 0);
}

#[test]
fn arguments_reach_their_places_by_name() {
    let vpid = vpid();
    for mut client in Client::both(&vpid) {
        let fits = [
            ("optional", json!({"first": 1}), json!([1, 2])),
            ("optional", json!({"second": 5, "first": 1}), json!([1, 5])),
            // Names that do not fit, and one parameter: it is given all of them.
            ("one", json!({"data": 1}), json!(1)),
            ("one", json!({"a": 1, "b": 2}), json!({"a": 1, "b": 2})),
            (
                "one",
                json!({"data": 1, "b": 2}),
                json!({"data": 1, "b": 2}),
            ),
            ("only_by_position", json!({"value": 1}), json!({"value": 1})),
            ("named", json!({"a": 1}), json!({"a": 1})),
            ("named", Value::Null, json!({})),
            ("anything", json!({"args": 1}), json!([[], {"args": 1}])),
            ("nothing", Value::Null, json!("nothing")),
            ("nothing", json!({}), json!("nothing")),
            ("later", json!({"value": [1]}), json!([1])),
        ];
        for (function, kwargs, expected) in fits {
            let function = format!("values.{function}");
            let answer = client.ask(&function, kwargs.clone());
            assert_eq!(answer, expected, "{function} {kwargs}");
        }
        for (function, kwargs, said) in [
            (
                "optional",
                Value::Null,
                "missing 1 required positional argument: 'first'",
            ),
            (
                "one",
                Value::Null,
                "missing 1 required positional argument: 'data'",
            ),
            (
                "optional",
                json!({"first": 1, "third": 3}),
                "unexpected keyword argument 'third'",
            ),
            (
                "nothing",
                json!({"a": 1}),
                "unexpected keyword argument 'a'",
            ),
        ] {
            let answer = client.ask(&format!("values.{function}"), kwargs);
            fails(&answer, &["TypeError", said]);
        }
    }
}

#[test]
fn what_is_no_function_of_the_script_cannot_be_called() {
    let vpid = vpid();
    let functions = vpid.about("values")["functions"].clone();
    for mut client in Client::both(&vpid) {
        for name in [
            "_private",
            "dumps",
            "Point",
            "Score",
            "Colour",
            "generator",
            "OnTimer",
            "datetime",
            "__import__",
            "echo.__globals__",
            "__class__",
            "",
            "values.echo",
            "echo ",
            "Echo",
        ] {
            let answer = client.ask(&format!("values.{name}"), json!({}));
            fails(&answer, &["UnknownFunction"]);
            assert!(
                !functions
                    .to_string()
                    .contains(&format!("\"values.{name}\"")),
                "{name}"
            );
        }
    }
}

#[test]
fn operators_call_and_are_told_what_failed() {
    let vpid = vpid();
    let (code, answer) = vpid_call(&vpid, "values.optional", &json!({"first": "x"}));
    assert_eq!((code, answer), (Some(0), json!(["x", 2])));
    let (code, answer) = vpid_call(&vpid, "values.cyclic", &json!({}));
    assert_eq!(code, Some(1));
    fails(&answer, &["refers back to result"]);
    let (code, answer) = vpid_call(&vpid, "values.nowhere", &json!({}));
    assert_eq!(code, Some(1));
    fails(&answer, &["UnknownFunction"]);
    wait_until("nothing is left behind", || vpid.signed_files().is_empty());
}
