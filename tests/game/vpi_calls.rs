//! Calls of scripts, from VPI.Call to the callback, as scripts for the stock client make them.

use serde_json::{Value as Json, json};

use crate::support::peer::{Talk, config};

/// Written for the stock client.
const STORY: &str = r#"
::answers <- {}
::Ask <- function(name, func, kwargs, urgent, timeout = 3.0) {
    return ::VPI.AsyncCall({
        func = func, kwargs = kwargs, urgent = urgent, timeout = timeout,
        callback = function(response, error) {
            ::answers[name] <- { response = response, error = error, tick = GetFrameCount() }
        }
    })
}
::Later <- {
    made = null
    function Make() { made = ::VPI.Call("VPI_Later", { a = 1 }, function(response, error) { ::answers.later <- response }) }
    function Send() { local sent = ::VPI.AsyncCall(made); return sent }
}
"#;

fn echo() -> Talk {
    let mut talk = Talk::start(STORY);
    talk.peer.answer = Some(|call| call["kwargs"].clone());
    talk.run(60);
    talk
}

#[test]
fn an_urgent_call_is_answered_within_three_ticks() {
    let mut talk = echo();
    let start = talk.game.tick();
    let code = "return Ask(\"x\", \"VPI_Ping\", { n = [1, 2.5, null, \"\\x07q\"] }, true)";
    assert_eq!(talk.script(code), json!(true));
    talk.run(5);
    let answer = talk.script("return ::answers.x");
    assert_eq!(answer["response"], json!({"n": [1, 2.5, null, "\u{7}q"]}));
    assert_eq!(answer["error"], json!(false));
    assert_eq!(answer["tick"], json!(start + 2));
    let call = &talk.peer.all("call")[0];
    let expected = json!({"call": call["call"], "func": "VPI_Ping", "kwargs": answer["response"],
        "script": "mine.nut", "wait": true, "timeout_ms": 3000});
    assert_eq!(call, &expected);
    talk.assert_quiet();
}

#[test]
fn calls_that_are_not_urgent_are_gathered_for_half_a_second() {
    let mut talk = echo();
    let before = talk.peer.last_read();
    talk.script("for (local n = 0; n < 5; n++) Ask(\"n\" + n, \"VPI_Ping\", { n = n }, false)");
    talk.run(32);
    assert_eq!(talk.script("return ::answers.len()"), json!(0));
    talk.run(8);
    assert_eq!(talk.script("return ::answers.len()"), json!(5));
    assert_eq!(talk.peer.last_read(), before + 1);
    talk.assert_quiet();
}

#[test]
fn a_call_object_can_be_read_and_is_good_once() {
    let mut talk = echo();
    let code = r#"
        local done = function(response, error) { ::answers.x <- [response, error] }
        local call = VPI.Call("VPI_Ping", { n = 1 }, done, true, 1.5)
        local shown = [typeof call, typeof call.token, call.func, call.kwargs, call.callback == done, call.urgent, call.timeout]
        local first = VPI.AsyncCall(call), second = VPI.AsyncCall(call)
        return [shown, first, second]
    "#;
    let shown = json!(["instance", "string", "VPI_Ping", {"n": 1}, true, true, 1.5]);
    assert_eq!(talk.script(code), json!([shown, true, null]));
    talk.run(5);
    assert_eq!(talk.script("return ::answers.x"), json!([{"n": 1}, false]));
    assert_eq!(talk.peer.all("call").len(), 1);
}

#[test]
fn a_call_without_a_callback_waits_for_nothing() {
    let mut talk = echo();
    talk.script("VPI.AsyncCall(VPI.Call(\"VPI_Note\")); VPI.AsyncCall({ func = \"VPI_Note\", kwargs = [1] })");
    talk.run(40);
    let calls = talk.peer.all("call");
    let sent = calls.iter().map(|call| (&call["wait"], &call["kwargs"]));
    let expected = [(&json!(false), &Json::Null), (&json!(false), &json!([1]))];
    assert_eq!(sent.collect::<Vec<_>>(), expected);
    assert_eq!(talk.script("return VPI.Status().waiting"), json!(0));
}

#[test]
fn what_is_no_call_is_refused() {
    let mut talk = echo();
    let code = r#"
        local stranger = class { token = "vpi1"; func = "VPI_Ping" }
        local refused = [null, 5, "VPI_Ping", {}, { func = 5 }, { func = "" }, [], stranger(), stranger, { func = "x".weakref() == null }]
        local results = []
        foreach (arg in refused) results.append(VPI.AsyncCall(arg))
        results.append(VPI.Call(null)); results.append(VPI.Call("")); results.append(VPI.Call({}))
        return results
    "#;
    let results = talk.script(code);
    assert_eq!(
        results,
        json!([
            null, null, null, null, null, null, null, null, null, null, null, null, null
        ])
    );
    talk.run(40);
    assert_eq!(talk.peer.all("call").len(), 0);
    talk.assert_quiet();
}

#[test]
fn odd_arguments_become_the_usual_ones() {
    let mut talk = echo();
    talk.script("VPI.AsyncCall(VPI.Call(\"VPI_Note\", 5, 6, 7, \"8\")); VPI.AsyncCall(VPI.Call(\"VPI_Note\", null, @(a, b) 0, true, -1.0))");
    talk.run(40);
    let calls = talk.peer.all("call");
    assert_eq!(calls.len(), 2);
    for (call, kwargs) in calls.iter().zip([json!(5), Json::Null]) {
        assert_eq!(
            (&call["kwargs"], &call["timeout_ms"]),
            (&kwargs, &json!(3000))
        );
    }
}

#[test]
fn time_outs_are_exact_and_counted_from_writing() {
    let mut talk = echo();
    talk.peer.answer = None;
    talk.script("Ask(\"three\", \"VPI_Slow\", null, true); Ask(\"half\", \"VPI_Slow\", null, true, 0.5); Ask(\"normal\", \"VPI_Slow\", null, false, 1)");
    let start = talk.game.tick();
    talk.run(300);
    let answers = talk.script("return ::answers");
    for (name, ticks) in [("three", 1 + 200), ("half", 1 + 33), ("normal", 33 + 67)] {
        assert_eq!(
            answers[name]["response"],
            json!("[VPI ERROR] TIMEOUT"),
            "{name}"
        );
        assert_eq!(answers[name]["error"], json!(true));
        assert_eq!(answers[name]["tick"], json!(start + ticks), "{name}");
    }
    let id = talk.peer.all("call")[0]["call"].clone();
    talk.peer
        .send(&[json!({"answer": id, "value": "too late"})]);
    talk.run(20);
    assert_eq!(talk.script("return ::answers"), answers);
}

#[test]
fn what_could_not_be_written_in_time_never_is() {
    let mut talk = Talk::start(STORY);
    talk.peer.silent = true;
    for n in 0..9 {
        talk.script(&format!(
            "Ask(\"n{n}\", \"VPI_Note\", {{ n = {n} }}, true, 2.0)"
        ));
        talk.run(2);
    }
    talk.run(300);
    let answers = talk.script("return ::answers");
    assert_eq!(answers.as_object().unwrap().len(), 9, "{answers}");
    talk.peer.silent = false;
    talk.run(100);
    assert_eq!(talk.peer.all("call").len(), 8);
    assert_eq!(talk.script("return VPI.Status().queued"), json!(0));
}

#[test]
fn errors_of_vpid_are_errors() {
    let mut talk = echo();
    talk.peer.answer = None;
    talk.script("Ask(\"x\", \"VPI_Nothing\", null, true)");
    talk.run(3);
    let id = talk.peer.all("call")[0]["call"].clone();
    talk.peer
        .send(&[json!({"answer": id, "error": "[VPI ERROR] (VPI_Nothing) :: Unknown"})]);
    talk.run(10);
    let answer = talk.script("return [::answers.x.response, ::answers.x.error]");
    assert_eq!(
        answer,
        json!(["[VPI ERROR] (VPI_Nothing) :: Unknown", true])
    );
}

#[test]
fn answers_come_in_any_order() {
    let mut talk = echo();
    talk.peer.answer = None;
    talk.script("for (local n = 0; n < 20; n++) Ask(\"n\" + n, \"VPI_Ping\", { n = n }, true)");
    talk.run(5);
    let calls = talk.peer.all("call");
    let answer = |call: &Json| json!({"answer": call["call"], "value": call["kwargs"]["n"]});
    let answers: Vec<Json> = calls.iter().rev().map(answer).collect();
    talk.peer.send(&answers[..7]);
    talk.peer.send(&answers[7..]);
    talk.peer.send(&answers[..3]);
    talk.run(20);
    let code = "local all = []; foreach (n, answer in ::answers) all.append(n == \"n\" + answer.response); return all";
    assert_eq!(talk.script(code), Json::from(vec![true; 20]));
    talk.assert_quiet();
}

#[test]
fn a_callback_that_throws_harms_no_other() {
    let mut talk = echo();
    let code = r#"
        local function Broken(response, error) { throw "no" }
        local function TooFew(response) {}
        local function Odd(response, error) { throw {} }
        foreach (callback in [Broken, TooFew, Odd, print, @(r, e) r.x.y])
            VPI.AsyncCall({ func = "VPI_Ping", urgent = true, callback = callback })
        Ask("x", "VPI_Ping", { n = 1 }, true)
    "#;
    talk.script(code);
    talk.run(10);
    assert_eq!(talk.script("return ::answers.x.response"), json!({"n": 1}));
    talk.assert_printed("Broken of mine.nut ended with an error: no");
    talk.assert_printed("TooFew of mine.nut ended with an error: wrong number of parameters");
    talk.assert_printed("Odd of mine.nut ended with an error: a value of type table");
    talk.assert_printed("print ended with an error");
    talk.assert_printed("a function of mine.nut ended with an error: the index 'x' does not exist");
    talk.game.assert_no_errors();
}

#[test]
fn kwargs_are_taken_as_they_were_when_the_call_was_made() {
    let mut talk = echo();
    let code = r#"
        local kwargs = { list = [1] }
        Ask("x", "VPI_Ping", kwargs, true)
        kwargs.list.append(2); kwargs.more <- 3
    "#;
    talk.script(code);
    talk.run(5);
    assert_eq!(
        talk.script("return ::answers.x.response"),
        json!({"list": [1]})
    );
}

#[test]
fn kwargs_that_are_no_table_are_sent_as_they_are() {
    let mut talk = echo();
    talk.script(
        r#"Ask("list", "VPI_Note", [1, "x", { n = 2 }], true)
        Ask("text", "VPI_Note", "a text", true)
        Ask("number", "VPI_Note", 7, true)
        local call = VPI.Call("VPI_Note", false, function(r, e) { ::answers.bool <- { response = r, error = e } }, true)
        VPI.AsyncCall(call)"#,
    );
    talk.run(40);
    for (name, kwargs) in [
        ("list", json!([1, "x", {"n": 2}])),
        ("text", json!("a text")),
        ("number", json!(7)),
        ("bool", json!(false)),
    ] {
        let answer = talk.script(&format!("return ::answers.{name}"));
        assert_eq!(
            (&answer["response"], &answer["error"]),
            (&kwargs, &json!(false))
        );
    }
    // A function in their place is no value.
    talk.script("Ask(\"wrong\", \"VPI_Note\", @() 1, true)");
    talk.run(4);
    let wrong = talk.script("return ::answers.wrong.response");
    assert_eq!(
        wrong,
        "[VPI ERROR] (VPI_Note) :: kwargs is a function; only null, true, false, \
         numbers, texts, arrays and tables can be sent"
    );
}

#[test]
fn kwargs_that_cannot_be_sent_are_an_error_that_names_the_place() {
    let mut talk = echo();
    let code = r#"
        local ring = { list = [0] }; ring.list.append(ring)
        Ask("ring", "VPI_Ping", ring, true)
        Ask("func", "VPI_Ping", { a = { b = [0, 1, print] } }, false)
        return VPI.AsyncCall({ func = "VPI_Ping", kwargs = { player = ::Entities } })
    "#;
    assert_eq!(talk.script(code), json!(null));
    talk.run(3);
    let answers = talk.script("return ::answers");
    let text = |name: &str| answers[name]["response"].as_str().unwrap().to_string();
    assert!(
        text("ring").starts_with("[VPI ERROR] (VPI_Ping) :: kwargs.list[1]"),
        "{}",
        text("ring")
    );
    assert!(text("func").contains("kwargs.a.b[2]"), "{}", text("func"));
    talk.assert_printed("VPI_Ping for mine.nut is not sent: kwargs.player");
    talk.run(40);
    assert_eq!(talk.peer.all("call").len(), 0);
}

#[test]
fn a_full_queue_is_an_error_and_empties_again() {
    let mut talk = echo();
    talk.peer.silent = true;
    talk.run(10);
    let code =
        "for (local n = 0; n < 1010; n++) Ask(\"n\" + n, \"VPI_Ping\", { n = n }, false, 60.0)";
    talk.script(code);
    talk.run(10);
    let full = "local full = 0; foreach (a in ::answers) if (a.response == \"[VPI ERROR] (VPI_Ping) :: QueueFull\") full++; return full";
    assert_eq!(talk.script(full), json!(10));
    talk.peer.silent = false;
    talk.run(600);
    assert_eq!(talk.script("return ::answers.len()"), json!(1010));
    assert_eq!(talk.script(full), json!(10));
    talk.game.assert_no_errors();
}

#[test]
fn a_chain_is_one_message_with_one_answer() {
    let mut talk = echo();
    let code = r#"
        local done = function(response, error) { ::answers.chain <- [response, error] }
        local one = VPI.Call("VPI_One", { n = 1 })
        local sent = VPI.ChainCall([one, { func = "VPI_Two", kwargs = { n = 2 }, timeout = 1.0 }], done, true)
        local again = VPI.ChainCall([one], done, true), twice = VPI.Call("VPI_Three")
        return [sent, again, VPI.ChainCall([]), VPI.ChainCall(null), VPI.ChainCall([twice, twice]), VPI.ChainCall([twice, 5])]
    "#;
    assert_eq!(
        talk.script(code),
        json!([true, null, null, null, null, null])
    );
    talk.run(4);
    let chains = talk.peer.all("chain");
    assert_eq!(chains.len(), 1);
    let calls = chains[0]["chain"].as_array().unwrap();
    let shown: Vec<Json> = calls
        .iter()
        .map(|call| json!([call["func"], call["wait"], call["timeout_ms"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["VPI_One", false, 3000]),
            json!(["VPI_Two", true, 1005])
        ]
    );
    talk.peer
        .send(&[json!({"answer": calls[1]["call"], "error": "[VPI ERROR] (VPI_One) :: No"})]);
    talk.run(10);
    assert_eq!(
        talk.script("return ::answers.chain"),
        json!(["[VPI ERROR] (VPI_One) :: No", true])
    );
}

#[test]
fn only_script_files_may_call_and_only_with_their_own_calls() {
    let mut talk = echo();
    talk.script("::Later.Make(); ::theirs <- VPI.Call(\"VPI_Later\")");
    let code = "local a = VPI.Call(\"VPI_Ping\"), b = VPI.AsyncCall({ func = \"VPI_Ping\" }), c = VPI.AsyncCall(::theirs); return [a, b, c, VPI.Emit(\"x\"), VPI.Register(\"x\", @(y) y)]";
    assert_eq!(
        talk.game.run("unnamed", code),
        json!([null, null, null, null, null])
    );
    let other = talk
        .game
        .run("other.nut", "local a = VPI.AsyncCall(::theirs); return a");
    assert_eq!(other, json!(null));
    // Who asks the owner of the call to send it, may do so.
    assert_eq!(
        talk.game
            .run("other.nut", "local sent = ::Later.Send(); return sent"),
        json!(true)
    );
    talk.run(40);
    assert_eq!(talk.peer.all("call").len(), 1);
    assert_eq!(talk.peer.all("call")[0]["script"], json!("mine.nut"));
    assert_eq!(talk.script("return ::answers.later"), json!({"a": 1}));
}

#[test]
fn changing_a_call_object_changes_nothing() {
    let mut talk = echo();
    let code = r#"
        local call = VPI.Call("VPI_Ping", { n = 1 }, function(r, e) { ::answers.x <- r }, true)
        call.func = "VPI_Evil"; call.kwargs.n = 2; call.kwargs = { n = 3 }; call.callback = @(r, e) ::answers.evil <- r
        call.urgent = false; call.timeout = 0.01
        local other = VPI.Call("VPI_Other", null, null, true)
        local token = other.token
        other.token = call.token
        local swapped = VPI.AsyncCall(other)
        other.token = token
        local sent = VPI.AsyncCall(call)
        return [swapped, sent, VPI.AsyncCall(other)]
    "#;
    assert_eq!(talk.script(code), json!([null, true, true]));
    talk.run(10);
    assert_eq!(talk.script("return ::answers"), json!({"x": {"n": 1}}));
}

#[test]
fn the_white_list_names_files_and_functions() {
    let list = r#"scripts <- {
        "mine.nut": ["VPI_Ping", "/VPI_DB_.*/"], "free.nut": null, "empty.nut": [], "none.nut": ["VPI_X"],"#;
    let text = config("scripts <- {", list);
    let mut talk = Talk::begin(STORY, |setup| setup.script("vpi_config.nut", &text));
    talk.connect();
    let asked = [
        ("mine.nut", "VPI_Ping", true),
        ("mine.nut", "VPI_Ping2", false),
        ("mine.nut", "XVPI_Ping", false),
        ("mine.nut", "VPI_DB_User", true),
        ("mine.nut", "VPI_DB", false),
        ("mine.nut", "XVPI_DB_User", false),
        ("free.nut", "VPI_Anything", true),
        ("empty.nut", "VPI_Anything", true),
        ("none.nut", "VPI_Ping", false),
        ("other.nut", "VPI_Ping", false),
        ("MINE.nut", "VPI_Ping", false),
    ];
    for (file, func, may) in asked {
        let code = format!(
            "local call = VPI.Call(\"{func}\"); local sent = VPI.AsyncCall({{ func = \"{func}\" }}); return [call != null, sent]"
        );
        let expected = if may {
            json!([true, true])
        } else {
            json!([false, null])
        };
        assert_eq!(talk.game.run(file, &code), expected, "{file} {func}");
    }
    let emit = "local sent = VPI.Emit(\"x\"); return sent";
    assert_eq!(talk.game.run("none.nut", emit), json!(true));
    assert_eq!(talk.game.run("other.nut", emit), json!(null));
    talk.assert_quiet();
}

#[test]
fn forgotten_call_objects_do_not_pile_up() {
    let mut talk = echo();
    talk.script("for (local n = 0; n < 20000; n++) VPI.Call(\"VPI_Ping\", { n = n })");
    talk.script("::kept <- []; for (local n = 0; n < 600; n++) kept.append(VPI.Call(\"VPI_Ping\", { n = n }))");
    talk.script("for (local n = 0; n < 2000; n++) VPI.Call(\"VPI_Ping\", { n = n })");
    talk.script("foreach (call in kept) VPI.AsyncCall(call)");
    talk.run(200);
    assert_eq!(talk.peer.all("call").len(), 600);
    talk.assert_quiet();
}
