//! What vpid can do with the game, and what scripts can say unasked.

use serde_json::{Value as Json, json};

use crate::support::peer::Talk;

fn results(talk: &Talk) -> Vec<Json> {
    talk.peer.all("result")
}

#[test]
fn vpid_calls_functions_that_scripts_registered() {
    let script = r#"
        VPI.Register("Early", @(args) [args, "early"])
        VPI.Register("Sum", function(numbers) { local sum = 0; foreach (n in numbers) sum += n; return sum })
        VPI.Register("Fails", function(args) { throw "because of " + args })
        VPI.Register("TooMany", function(a, b) {})
        VPI.Register("Odd", @(args) print)
        VPI.Register("Nothing", function(args) {})
    "#;
    let mut talk = Talk::start(script);
    let names = ["Early", "Sum", "Fails", "TooMany", "Odd", "Nothing"];
    let mut known: Vec<Json> = talk
        .peer
        .all("register")
        .iter()
        .map(|m| m["register"].clone())
        .collect();
    known.sort_by_key(Json::to_string);
    let mut expected = names.map(Json::from);
    expected.sort_by_key(Json::to_string);
    assert_eq!(known, expected);
    let call = |id: i32, func: &str, args: Json| json!({"call": id, "func": func, "args": args});
    talk.peer.send(&[
        call(1, "Early", json!({"x": [1]})),
        call(2, "Sum", json!([1, 2, 3.5])),
        call(3, "Fails", json!("this")),
        call(4, "TooMany", json!(null)),
        call(5, "Odd", json!(null)),
        call(6, "Nothing", json!(null)),
        call(7, "Unknown", json!(null)),
    ]);
    talk.run(12);
    let mut results = results(&talk);
    results.sort_by_key(|result| result["result"].as_i64());
    assert_eq!(
        results[0],
        json!({"result": 1, "value": [{"x": [1]}, "early"]})
    );
    assert_eq!(results[1], json!({"result": 2, "value": 6.5}));
    assert_eq!(
        results[2],
        json!({"result": 3, "error": "[VPI ERROR] (Fails) :: because of this"})
    );
    assert_eq!(
        results[3]["error"],
        json!("[VPI ERROR] (TooMany) :: wrong number of parameters")
    );
    let odd = results[4]["error"].as_str().unwrap();
    assert!(odd.starts_with("[VPI ERROR] (Odd) :: result"), "{odd}");
    assert_eq!(results[5], json!({"result": 6, "value": null}));
    assert_eq!(
        results[6],
        json!({"result": 7, "error": "[VPI ERROR] (Unknown) :: NotRegistered"})
    );
    talk.game.assert_no_errors();
}

#[test]
fn a_result_is_written_within_two_ticks() {
    let mut talk = Talk::start("VPI.Register(\"Same\", @(args) args)");
    talk.run(50);
    talk.peer
        .send(&[json!({"call": 1, "func": "Same", "args": 1})]);
    let start = talk.game.tick();
    assert!(talk.run_until(30, |talk| !results(talk).is_empty()));
    assert!(talk.game.tick() - start <= 10, "it looks every 8 ticks");
    talk.assert_quiet();
}

#[test]
fn a_registered_name_belongs_to_its_script_file() {
    let mut talk = Talk::start("VPI.Register(\"Mine\", @(args) 1)");
    let steal = r#"
        local stolen = VPI.Register("Mine", @(args) "stolen"), gone = VPI.Unregister("Mine"), unknown = VPI.Unregister("x")
        return [stolen, gone, unknown, VPI.Register(5, @(x) x), VPI.Register("x", 5), VPI.Register("", @(x) x)]
    "#;
    assert_eq!(
        talk.game.run("thief.nut", steal),
        json!([null, null, null, null, null, null])
    );
    let again = "local done = VPI.Register(\"Mine\", @(args) 2); return done";
    assert_eq!(talk.script(again), json!(true));
    talk.peer
        .send(&[json!({"call": 1, "func": "Mine", "args": null})]);
    talk.run(20);
    assert_eq!(results(&talk)[0]["value"], json!(2));
    assert_eq!(
        talk.script("local done = VPI.Unregister(\"Mine\"); return done"),
        json!(true)
    );
    talk.run(20);
    assert_eq!(talk.peer.all("unregister"), [json!({"unregister": "Mine"})]);
    assert_eq!(talk.peer.all("register").len(), 1);
    let code = "local done = VPI.Register(\"Mine\", @(args) 3); return done";
    assert_eq!(
        talk.game.run("thief.nut", code),
        json!(true),
        "the name is free"
    );
}

#[test]
fn what_is_not_registered_is_said_once_with_the_reason() {
    let mut talk = Talk::start("VPI.Register(\"same\", @(args) 1)");
    let wrong = r#"
        for (local n = 0; n < 2; n++)
        {
            VPI.Register("same", @(args) 2)
            VPI.Register("later", null)
            VPI.On("news", 5)
            VPI.On("", @(data) data)
        }
    "#;
    talk.game.run("two.nut", wrong);
    let prints = talk.game.record().prints();
    for said in [
        "VPI.Register of two.nut: same belongs to mine.nut; choose another name",
        "VPI.Register of two.nut: later needs a function, not a value of type null",
        "VPI.On of two.nut: news needs a function, not a value of type integer",
        "VPI.On of two.nut: a name is a text of 1 to 128 bytes",
    ] {
        let line = format!("WARNING -- {said}");
        let times = prints.iter().filter(|print| print.contains(&line)).count();
        assert_eq!(times, 1, "{line:?} in {prints:#?}");
    }
}

#[test]
fn errors_of_listeners_and_registered_functions_name_what_they_are_for() {
    let script = r#"
        VPI.On("news", function(data) { throw "news err" })
        VPI.Register("sums.add", function(args) { throw "sum err" })
    "#;
    let mut talk = Talk::start(script);
    talk.peer.send(&[
        json!({"message": "news", "data": 1}),
        json!({"call": 1, "func": "sums.add", "args": null}),
    ]);
    talk.run(20);
    talk.assert_printed(
        "a function of mine.nut ended with an error: news err (it listens to 'news' by VPI.On in \
         line 2 of mine.nut)",
    );
    talk.assert_printed(
        "a function of mine.nut ended with an error: sum err (registered as 'sums.add' in line 3 \
         of mine.nut)",
    );
    let error = json!("[VPI ERROR] (sums.add) :: sum err");
    assert_eq!(results(&talk)[0]["error"], error);
}

#[test]
fn names_are_bounded() {
    let mut talk = Talk::start("");
    let code = "local n = 0; while (VPI.Register(\"f\" + n, @(x) x)) n++; return n";
    assert_eq!(talk.script(code), json!(256));
    let code = "local n = 0; while (VPI.On(\"f\" + n, @(x) x)) n++; return n";
    assert_eq!(talk.script(code), json!(256));
    let code = "local n = 1; while (VPI.On(\"f1\", function(x) {})) n++; return n";
    assert_eq!(talk.script(code), json!(32));
    talk.run(200);
    assert_eq!(talk.peer.all("register").len(), 256);
}

#[test]
fn messages_reach_those_who_listen() {
    let script = r#"
        ::heard <- []
        ::First <- function(data) { ::heard.append(["first", data]) }
        VPI.On("news", First)
        VPI.On("news", First)
        VPI.On("news", function(data) { throw "no" })
        VPI.On("news", function(data) { ::heard.append(["second", data]) })
    "#;
    let mut talk = Talk::start(script);
    talk.peer.send(&[
        json!({"message": "news", "data": {"a": 1}}),
        json!({"message": "other"}),
    ]);
    talk.run(20);
    let expected = json!([["first", {"a": 1}], ["second", {"a": 1}]]);
    assert_eq!(talk.script("return ::heard"), expected);
    let off = "local a = VPI.Off(\"news\", First); return a";
    assert_eq!(talk.game.run("thief.nut", off), json!(null));
    assert_eq!(
        talk.script(
            "local a = VPI.Off(\"news\", First); local b = VPI.Off(\"news\", First); return [a, b]"
        ),
        json!([true, null])
    );
    talk.peer.send(&[json!({"message": "news", "data": 2})]);
    talk.run(20);
    assert_eq!(talk.script("return ::heard[2]"), json!(["second", 2]));
}

#[test]
fn scripts_say_what_they_want() {
    let mut talk = Talk::start("");
    let code = r#"
        local data = { n = 1 }
        local sent = [VPI.Emit("duel", data), VPI.Emit("bare"), VPI.Emit("odd", print), VPI.Emit(5)]
        data.n = 2
        return sent
    "#;
    assert_eq!(talk.script(code), json!([true, true, null, null]));
    talk.run(50);
    let duel = json!({"emit": "duel", "data": {"n": 1}, "script": "mine.nut"});
    let bare = json!({"emit": "bare", "data": null, "script": "mine.nut"});
    assert_eq!(talk.peer.all("emit"), [duel, bare]);
}

#[test]
fn too_many_events_drop_the_oldest_and_say_how_many() {
    let mut talk = Talk::start("");
    talk.peer.silent = true;
    talk.run(40);
    talk.script("for (local n = 0; n < 700; n++) VPI.Emit(\"tick\", n)");
    talk.run(5);
    talk.peer.silent = false;
    talk.run(400);
    let numbers: Vec<i64> = talk
        .peer
        .all("emit")
        .iter()
        .map(|m| m["data"].as_i64().unwrap())
        .collect();
    let dropped: i64 = talk
        .peer
        .all("dropped")
        .iter()
        .map(|m| m["dropped"].as_i64().unwrap())
        .sum();
    assert_eq!(numbers, (200..700).collect::<Vec<_>>());
    assert!(dropped >= 200, "{dropped}");
    let place = talk
        .peer
        .got
        .iter()
        .position(|(_, message)| !message["dropped"].is_null());
    let first = talk
        .peer
        .got
        .iter()
        .position(|(_, message)| message["emit"] == json!("tick"));
    assert!(place < first);
    talk.game.assert_no_errors();
}

#[test]
fn hooks_prints_and_commands() {
    let script = r#"
        ::hooked <- []
        function OnScriptHook_Ranked(params) { ::hooked.append(params) }
        __CollectGameEventCallbacks(this)
    "#;
    let mut talk = Talk::start(script);
    let bob = talk.game.join("bob", "[U:1:5]");
    talk.run(20);
    talk.peer.send(&[
        json!({"hook": "Ranked", "data": {"player": 5}}),
        json!({"hook": "Nobody", "data": {}}),
        json!({"print": "\u{7}FF0000to all"}),
        json!({"print": "to bob", "to": bob, "where": "center"}),
        json!({"print": "to nobody", "to": 999, "where": "chat"}),
        json!({"print": "on the console", "to": null, "where": "console"}),
        json!({"command": "mp_restartgame 1"}),
    ]);
    talk.run(20);
    assert_eq!(talk.script("return ::hooked"), json!([{"player": 5}]));
    let prints = [
        (None, 3, "\u{7}FF0000to all".to_string()),
        (Some(bob), 4, "to bob".to_string()),
        (None, 2, "on the console".to_string()),
    ];
    assert_eq!(talk.game.record().client_prints(), prints);
    let record = talk.game.record();
    let commands = record
        .0
        .iter()
        .filter(|entry| format!("{:?}", entry.what).contains("mp_restartgame 1"));
    assert_eq!(commands.count(), 1);
    talk.assert_quiet();
}

#[test]
fn the_status_is_for_reading() {
    let mut talk = Talk::begin("", |setup| setup);
    let before =
        talk.script("local status = VPI.Status(); status.connected = 5; return VPI.Status()");
    assert_eq!(before["connected"], json!(false));
    assert_eq!(before["version"], json!(env!("CARGO_PKG_VERSION")));
    talk.connect();
    talk.script("VPI.AsyncCall({ func = \"VPI_X\", callback = @(r, e) 0 })");
    assert_eq!(talk.script("return VPI.Status().queued"), json!(1));
    talk.run(40);
    let status = talk.script("return VPI.Status()");
    assert_eq!(
        (&status["queued"], &status["waiting"]),
        (&json!(0), &json!(1))
    );
}
