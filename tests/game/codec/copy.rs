//! What may leave a script, and that looking at it calls nothing of it.

use serde_json::{Value as Json, json};

use super::game;

const SENDABLE: &str = "only null, true, false, numbers, texts, arrays and tables can be sent";

/// What copying a value says, which `setup` and `value` make.
fn refusal(setup: &str, value: &str) -> Json {
    let (_dir, mut game) = game();
    let code = format!("{setup}\nreturn Outcome(@() codec.JsonCopy({value}, \"kwargs\"))");
    game.run("t.nut", &code)
}

#[test]
fn a_copy_is_deep_and_its_own() {
    let (_dir, mut game) = game();
    let code = r#"
        local inner = [1, -2.5, "text", true, false, null, {}, [], ["x", [["y"]]]]
        local value = { list = inner, twice = inner, [5] = "five", [-1] = "less", len = 3, append = 4 }
        local copy = codec.JsonCopy(value, "kwargs")
        inner.clear(); value.list = 0; value.len = 0
        foreach (key, _ in copy) if (typeof key != "string") throw "a key is no text"
        return [copy, codec.JsonCopy("alone"), codec.JsonCopy(null), codec.JsonCopy([])]
    "#;
    let inner = json!([1, -2.5, "text", true, false, null, {}, [], ["x", [["y"]]]]);
    let copy =
        json!({"list": inner, "twice": inner, "5": "five", "-1": "less", "len": 3, "append": 4});
    assert_eq!(game.run("t.nut", code), json!([copy, "alone", null, []]));
}

#[test]
fn a_copy_is_plain() {
    let (_dir, mut game) = game();
    let code = r#"
        local value = { x = [{ y = 1 }.setdelegate({ z = 2 })] }.setdelegate({ w = 3 })
        local copy = codec.JsonCopy(value), keys = []
        foreach (key, _ in copy) keys.append(key)
        return [keys, copy.getdelegate(), copy.x[0].getdelegate(), copy.x[0], typeof copy]
    "#;
    let expected = json!([["x"], null, null, {"y": 1}, "table"]);
    assert_eq!(game.run("t.nut", code), expected);
}

#[test]
fn what_cannot_be_sent_is_named_with_its_place() {
    let kinds = [
        ("class C {}", "C()", "an instance"),
        ("class C {}", "C", "a class"),
        ("", "@() 1", "a function"),
        ("", "StringToFile", "a native function"),
        ("function g() { yield 1 }", "g()", "a generator"),
        ("", "newthread(@() 1)", "a thread"),
    ];
    for (setup, value, kind) in kinds {
        let placed = [
            (value.to_string(), "kwargs"),
            (format!("[0, {value}]"), "kwargs[1]"),
            (format!("{{ list = [0, 1, 2, {value}] }}"), "kwargs.list[3]"),
            (format!("[{{ [7] = [[{value}]] }}]"), "kwargs[0].7[0][0]"),
        ];
        for (value, place) in placed {
            let expected = json!(format!("{place} is {kind}; {SENDABLE}"));
            assert_eq!(refusal(setup, &value), expected);
        }
    }
}

#[test]
fn long_keys_are_cut_in_a_place() {
    let setup = "local key = \"k\"; while (key.len() < 1000) key += key";
    let expected = format!("kwargs.{}... is a function; {SENDABLE}", "k".repeat(40));
    assert_eq!(refusal(setup, "{ [key] = @() 1 }"), json!(expected));
}

#[test]
fn numbers_are_finite() {
    for (setup, value) in [
        ("local big = 1e38", "{ x = big * 10 }"),
        ("local big = 1e38", "{ x = big * -10 }"),
        ("local big = 1e38 * 10", "{ x = big - big }"),
        ("local big = 1e38 * 10", "{ x = big * 0 }"),
    ] {
        let expected = json!("kwargs.x is not a finite number");
        assert_eq!(refusal(setup, value), expected, "{value}");
    }
    let fine = refusal("", "[3.4028234e38, -3.4028234e38, 1e-45, -0.0]");
    assert!(fine.is_array(), "{fine}");
}

#[test]
fn keys_are_texts_or_whole_numbers() {
    let end = "only texts and whole numbers can be keys";
    for (key, kind) in [
        ("1.5", "a float"),
        ("true", "a bool"),
        ("{}", "a table"),
        ("[]", "an array"),
        ("@() 1", "a function"),
    ] {
        let value = format!("{{ a = [{{ [{key}] = @() 1 }}] }}");
        let expected = json!(format!("kwargs.a[0] has a key that is {kind}; {end}"));
        assert_eq!(refusal("", &value), expected);
    }
    let expected = json!(format!("kwargs has a key that is a float; {end}"));
    assert_eq!(refusal("", "{ [0.5] = 1 }"), expected);
}

#[test]
fn nothing_contains_itself() {
    let cases = [
        ("local t = {}; t.a <- { b = t }", "t", "kwargs.a.b"),
        ("local t = {}; t.t <- t", "t", "kwargs.t"),
        ("local t = []; t.append([t])", "{ x = t }", "kwargs.x[0][0]"),
        (
            "local t = {}; local u = { t = t }; t.u <- u",
            "[t]",
            "kwargs[0].u.t",
        ),
    ];
    for (setup, value, place) in cases {
        let expected = json!(format!("{place} contains itself"));
        assert_eq!(refusal(setup, value), expected);
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nest = |depth: u32| {
        format!("local v = 1; for (local i = 0; i < {depth}; i++) v = i % 2 ? [v] : {{ a = v }}")
    };
    let fine = refusal(&nest(32), "v");
    assert!(fine.is_array(), "{fine}");
    let deep = refusal(&nest(33), "v");
    let place = format!("kwargs{}", ".a[0]".repeat(16));
    let expected = format!("{place} is deeper than 32 tables and arrays");
    assert_eq!(deep, json!(expected));

    let many = "local many = [[], []]
        foreach (list in many) for (local i = 0; i < 9998; i++) list.append(0)";
    assert!(refusal(many, "[many, 0]").is_string());
    assert!(refusal(many, "many.len() + 0").is_array());
    // The two lists, what is in them, the list of both, and one more: 20,000.
    assert!(refusal(many, "[many, 1].slice(0, 1)").is_array());
    let more = refusal(many, "[many, 1, 2]");
    assert_eq!(more, json!("kwargs holds more than 20000 values"));
}

/// Objects whose metamethods claim another type, and record that they were called.
const SPIES: &str = r#"
    ::asked <- []
    local Spies = function(says) {
        local spies = {}
        foreach (name in ["_add", "_sub", "_mul", "_div", "_unm", "_modulo", "_set", "_get", "_nexti",
                "_cmp", "_call", "_cloned", "_newslot", "_delslot", "_tostring"]) {
            local asked = name
            spies[name] <- function(...) { ::asked.append(asked); return 0 }
        }
        spies._typeof <- function() { ::asked.append("_typeof"); return says }
        return spies
    }
    class Faker {
        len = 1
        constructor(says) { this.says = says }
        says = null
        function _typeof() { ::asked.append("_typeof"); return says }
        function _get(key) { ::asked.append("_get"); return 0 }
        function _set(key, value) { ::asked.append("_set") }
        function _cmp(other) { ::asked.append("_cmp"); return 0 }
        function _tostring() { ::asked.append("_tostring"); return "text" }
        function _nexti(key) { ::asked.append("_nexti"); return null }
        function _call(...) { ::asked.append("_call"); return 0 }
        function _add(other) { ::asked.append("_add"); return 0 }
        function _unm() { ::asked.append("_unm"); return 0 }
        function _cloned(other) { ::asked.append("_cloned") }
    }
    local Own = function(...) { ::asked.append("a function of the table"); return 0 }
"#;

#[test]
fn a_table_is_a_table_whatever_its_metamethods_return() {
    let (_dir, mut game) = game();
    let code = format!(
        r#"{SPIES}
        local results = []
        foreach (says in ["table", "array", "string", "integer", "float", "bool", "null", "", 5]) {{
            local table = {{ a = 1, b = [2, {{ c = "d" }}.setdelegate(Spies(says))] }}.setdelegate(Spies(says))
            results.append(codec.JsonCopy(table, "kwargs"))
            results.append(Write(codec.JsonCopy([table]))) // In an order of its own.
        }}
        return [results, ::asked]"#
    );
    let result = game.run("t.nut", &code);
    assert_eq!(result[1], json!([]));
    let expected = json!({"a": 1, "b": [2, {"c": "d"}]});
    for (place, copy) in result[0].as_array().unwrap().iter().enumerate() {
        if place % 2 == 0 {
            assert_eq!(*copy, expected);
        } else {
            let written: Json = serde_json::from_str(copy.as_str().unwrap()).unwrap();
            assert_eq!(written, json!([expected]));
        }
    }
}

#[test]
fn an_instance_is_refused_whatever_its_metamethods_return() {
    let (_dir, mut game) = game();
    let code = format!(
        r#"{SPIES}
        local results = []
        foreach (says in ["table", "array", "string", "integer", "float", "bool", "null", "", 5]) {{
            local fake = Faker(says)
            results.append(Outcome(@() codec.JsonCopy(fake, "kwargs")))
            results.append(Outcome(@() codec.JsonCopy({{ x = [fake] }}, "kwargs")))
            results.append(Outcome(@() codec.JsonCopy({{ x = {{ [fake] = fake }} }}, "kwargs")))
            local key = {{}}.setdelegate(Spies(says))
            results.append(Outcome(@() codec.JsonCopy({{ x = {{ [key] = key }} }}, "kwargs")))
        }}
        foreach (result in results) if (typeof result != "string") throw "let through"
        return [results.slice(0, 4), ::asked]"#
    );
    let end = "only texts and whole numbers can be keys";
    let expected = json!([
        format!("kwargs is an instance; {SENDABLE}"),
        format!("kwargs.x[0] is an instance; {SENDABLE}"),
        format!("kwargs.x has a key that is an instance; {end}"),
        format!("kwargs.x has a key that is a table; {end}"),
    ]);
    assert_eq!(game.run("t.nut", &code), json!([expected, []]));
}

#[test]
fn entries_that_are_called_like_functions_are_entries() {
    let (_dir, mut game) = game();
    let code = format!(
        r#"{SPIES}
        local names = ["len", "append", "rawget", "weakref", "tostring", "slice", "call"], table = {{}}
        foreach (name in names) table[name] <- Own
        local refused = Outcome(@() codec.JsonCopy(table, "kwargs"))
        foreach (name in names) table[name] = 1
        return [typeof refused, Read(Write(codec.JsonCopy(table))), ::asked]"#
    );
    let result = game.run("t.nut", &code);
    assert_eq!(result[0], json!("string"));
    assert_eq!(result[1].as_object().unwrap().len(), 7);
    assert_eq!(result[2], json!([]));
}
