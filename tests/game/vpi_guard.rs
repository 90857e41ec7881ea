//! What scripts cannot get at, try as they may: files, natives, the key, other scripts' calls.

use serde_json::json;

use crate::support::What;
use crate::support::peer::{KEY, Talk};

const SPY: &str = include_str!("scripts/spy.nut");

fn spied(script: &str) -> Talk {
    let script = format!("{SPY}\n{script}");
    let mut talk = Talk::start(&script);
    talk.run(60);
    talk
}

/// Nothing was found, and the spy did look.
fn assert_hidden(talk: &mut Talk) {
    let found = talk.script("return ::found");
    assert_eq!(found, json!([]));
    let looks = talk.script("return ::looks");
    assert!(looks.as_i64().unwrap() > 0);
    for (_, text) in talk.game.record().writes() {
        assert!(!String::from_utf8_lossy(text).contains(KEY));
    }
}

#[test]
fn a_spy_finds_what_is_not_hidden() {
    let mut talk = spied("");
    let code = r#"
        local key = "x" + ::Secret(), table = { items = [] }, native = setroottable
        ::Visit([key, { inner = 1 }, { a = [table] }], "spy", {}, 0)
        return ::found.len()
    "#;
    assert_eq!(talk.script(code), json!(3));
}

#[test]
fn nothing_is_reachable_from_the_root_table() {
    let mut talk = spied(
        "VPI.On(\"x\", @(d) d); VPI.Register(\"x\", @(d) d); ::call <- VPI.Call(\"VPI_Ping\", {})",
    );
    talk.script("SpyRoot()");
    assert_hidden(&mut talk);
}

#[test]
fn who_is_called_sees_nothing() {
    let script = r#"
        ::Look <- function(a = null, b = null) { ::Spy("callback"); ::CallAll(); ::Spy("again"); return null }
        VPI.Register("Look", Look)
        VPI.On("look", Look)
        ::Ask <- @() VPI.AsyncCall({ func = "VPI_Ping", callback = ::Look, urgent = true })
        function OnScriptHook_Look(params) { ::Look() }
        function OnGameEvent_player_say(params) { ::Look() }
        __CollectGameEventCallbacks(this)
    "#;
    let mut talk = spied(script);
    talk.peer.answer = Some(|_| json!("answer"));
    let bob = talk.game.join("bob", "[U:1:5]");
    for n in 0..5 {
        talk.script("Ask()");
        talk.peer.send(&[
            json!({"message": "look", "data": [1]}),
            json!({"call": n + 1, "func": "Look", "args": [1]}),
            json!({"hook": "Look", "data": {}}),
        ]);
        talk.game.say(bob, "look");
        talk.run(12);
    }
    talk.script(
        "ClearGameEventCallbacks(); ::__CollectGameEventCallbacks <- function(scope) { ::Look() }",
    );
    talk.run(70);
    assert!(talk.script("return ::looks").as_i64().unwrap() >= 40);
    assert!(
        talk.script("return ::visible.len()").as_i64().unwrap() >= 5,
        "there was something to see"
    );
    assert_hidden(&mut talk);
    assert_eq!(talk.peer.all("result").len(), 5);
}

/// What went to vpid although no script of that name said so.
fn assert_no_strangers(talk: &Talk) {
    for call in talk.peer.all("call") {
        assert_eq!(call["script"], json!("mine.nut"), "{call}");
    }
}

#[test]
fn an_error_handler_sees_nothing() {
    let script = r#"
        seterrorhandler(function(error) { ::Spy("error"); ::CallAll() })
        ::Try <- function(code) { local f = compilestring(code, "try"); f.call(getroottable()) }
    "#;
    let mut talk = spied(script);
    let tries = [
        "VPI.Call()",
        "VPI.Call(1, 2, 3, 4, 5, 6, 7)",
        "VPI.AsyncCall()",
        "VPI.AsyncCall(::evil)",
        "VPI.AsyncCall({ func = ::evil, kwargs = ::evil, callback = ::evil })",
        "VPI.ChainCall(::evil)",
        "VPI.ChainCall([::evil, ::EvilClass()])",
        "VPI.Register(::evil, ::evil)",
        "VPI.Emit(::evil, ::evil)",
        "VPI.Emit(\"x\", ::EvilClass())",
        "VPI.On(::evil)",
        "VPI.Status(1)",
        "VPI.Call.call(::evil, ::evil)",
        "VPI.AsyncCall.acall([::evil, {func=\"x\", kwargs = {a = ::EvilClass()}}])",
        "StringToFile(::evil, ::evil)",
        "StringToFile(\"x\", ::EvilClass())",
        "StringToFile(5, 5)",
        "StringToFile()",
        "FileToString(::EvilClass())",
        "FileToString()",
        "FileToString(5)",
        "StringToFile(\"vpid/x\", \"x\")",
        "compilestring(\"(\")",
        "compilestring(5)",
        "compilestring(::evil, ::evil)",
        "compilestring(\"throw 5\")()",
        "setdebughook(print)",
        "resurrectunreachable()",
        "local deep; deep = function(n) { VPI.Call(\"VPI_X\", { n = n }); StringToFile(\"x\", \"y\"); compilestring(\"x\"); deep.call(this, n + 1) }; deep.call(this, 0)",
        "local a = []; for (local i = 0; i < 100; i++) a = [a]; VPI.Emit(\"x\", a); throw 1",
    ];
    for code in tries {
        // Some are caught, and need no handler.
        let run = format!(
            "try {{ Try(@\"{}\") }} catch (_) {{}}",
            code.replace('"', "\"\"")
        );
        talk.script(&run);
    }
    talk.run(40);
    assert_hidden(&mut talk);
    assert_no_strangers(&talk);
}

#[test]
fn metamethods_of_values_are_not_called() {
    let mut talk = spied("");
    let code = r#"
        local results = []
        foreach (odd in [::evil, ::EvilClass(), ::EvilClass, ::Evil()])
        {
            results.append(VPI.Call(odd)); results.append(VPI.Call("VPI_X", odd, odd, odd, odd) != null)
            results.append(VPI.AsyncCall(odd)); results.append(VPI.AsyncCall([odd]))
            results.append(VPI.AsyncCall({ func = "VPI_X", kwargs = { a = odd, [0] = odd }, timeout = odd, urgent = odd }))
            results.append(VPI.ChainCall([odd])); results.append(VPI.ChainCall(odd, odd, odd))
            results.append(VPI.Register(odd, odd)); results.append(VPI.Register("x", odd)); results.append(VPI.On(odd, odd))
            results.append(VPI.Off(odd, odd)); results.append(VPI.Unregister(odd)); results.append(VPI.Emit(odd))
        }
        return ::looks
    "#;
    assert_eq!(talk.script(code), json!(0), "no metamethod was called");
    talk.script("::Spy()");
    talk.run(40);
    assert_hidden(&mut talk);
}

/// Replaces what it can by something that looks around and goes on as before.
const HIJACK: &str = r#"
    ::calledBy <- {}
    local Wrap = function(holder, name, func)
    {
        holder.rawset(name, function(...) {
            local infos = getstackinfos(2)
            if (infos != null && infos.src == "vpi.nut") { ::calledBy[name] <- infos.func + ":" + infos.line; ::Spy("hijacked " + name) }
            local args = [this]; args.extend(vargv); return func.acall(args)
        })
    }
    local Of = ["StringToFile", "FileToString", "compilestring", "getstackinfos", "type", "Spy", "Visit", "Note", "SpyRoot", "CallAll", "Evil"]
    local names = []
    foreach (name, func in getroottable())
        if ((type(func) == "function" || type(func) == "native function") && Of.find(name) == null) names.append(name)
    foreach (name in names) Wrap(getroottable(), name, getroottable()[name])
    foreach (holder in [CBaseEntity, CTFPlayer, CEntities, CConvars, CNetPropManager, regexp])
    {
        local members = []
        foreach (name, func in holder)
            if (type(func) == "function" || type(func) == "native function") members.append(name)
        foreach (name in members) if (name != "constructor" && name != "_typeof") Wrap(holder, name, holder[name])
    }
"#;

#[test]
fn what_is_replaced_later_is_not_called() {
    let mut talk = spied("VPI.Register(\"x\", @(a) a); VPI.On(\"x\", @(a) a)");
    talk.peer.answer = Some(|call| call["kwargs"].clone());
    let bob = talk.game.join("bob", "[U:1:5]");
    talk.script(HIJACK);
    for n in 0..30 {
        talk.script("VPI.AsyncCall({ func = \"VPI_X\", kwargs = { a = [1.5, \"x\"] }, urgent = true, callback = @(r, e) r })");
        talk.script("VPI.AsyncCall(VPI.Call(\"VPI_X\", { a = 1 })); VPI.Emit(\"x\", 1); StringToFile(\"a\", FileToString(\"a\"))");
        talk.peer.send(&[
            json!({"message": "x", "data": 1}),
            json!({"call": n, "func": "x", "args": 1}),
            json!({"print": "x", "to": bob}),
        ]);
        talk.game.say(bob, "x");
        talk.game.kill(bob, 0);
        talk.run(40);
    }
    talk.peer.forget();
    talk.script("VPI.Emit(\"x\", 1)");
    talk.run(200);
    assert!(talk.peer.is_connected());
    talk.game.leave(bob, "x");
    // The game's own list of event handlers is the one thing that is read again.
    let called = talk.script("return ::calledBy");
    let mut called: Vec<&String> = called.as_object().unwrap().keys().collect();
    called.retain(|name| *name != "__CollectGameEventCallbacks");
    assert_eq!(called, [] as [&String; 0]);
    talk.script("::Spy()");
    assert_hidden(&mut talk);
    talk.game.change_map("cp_second");
    talk.peer.step();
    assert_eq!(talk.peer.events("map_end").len(), 1);
}

#[test]
fn a_root_table_of_their_own_changes_nothing() {
    let mut talk = spied("");
    let code = r#"
        local fake = { StringToFile = @(a, b) ::found.append("written"), Time = @() 5, type = @(x) "string", print = @(x) ::found.append("printed") }
        local all = [StringToFile, FileToString, compilestring]
        foreach (name, func in VPI) all.append(func)
        foreach (name in ["vpi_pump", "vpi_delivery"])
        {
            local scope = Entities.FindByName(null, name).GetScriptScope()
            all.append(scope.Think)
            local delegate = scope.getdelegate().getdelegate()
            if (delegate != null) foreach (name, func in delegate) if (typeof func == "function") all.append(func)
        }
        foreach (func in all) func.setroot(fake)
        return all.len()
    "#;
    assert!(talk.script(code).as_i64().unwrap() > 12);
    talk.peer.answer = Some(|call| call["kwargs"].clone());
    talk.script("::r <- null; VPI.AsyncCall({ func = \"VPI_X\", kwargs = { a = 1 }, urgent = true, callback = @(r, e) ::r <- r })");
    talk.run(100);
    assert_eq!(talk.script("return ::r"), json!({"a": 1}));
    talk.script("::Spy()");
    assert_hidden(&mut talk);
    talk.assert_quiet();
}

#[test]
fn calling_our_thinks_does_nothing_more() {
    let mut talk = spied("");
    let reads = |talk: &Talk| {
        let record = talk.game.record();
        let touched = |what: &What| matches!(what, What::Read { .. } | What::Write { .. });
        record.0.iter().filter(|entry| touched(&entry.what)).count()
    };
    let before = reads(&talk);
    let code = r#"
        foreach (name in ["vpi_pump", "vpi_delivery"])
        {
            local think = Entities.FindByName(null, name).GetScriptScope().Think
            foreach (odd in [null, {}, ::evil, ::EvilClass(), getroottable(), VPI])
                for (local i = 0; i < 300; i++) think.call(odd)
            local thread = newthread(think); thread.call()
        }
    "#;
    talk.script(code);
    assert!(reads(&talk) <= before + 1);
    talk.script("::Spy()");
    talk.run(20);
    assert_hidden(&mut talk);
    let scope = "Entities.FindByName(null, \"vpi_pump\").GetScriptScope()";
    let fake_end = format!(
        "local s = {scope}; try {{ delete s.getdelegate()[s.__vname] }} catch (e) {{ ::found.append(e) }}; return ::found.len()"
    );
    talk.script(&fake_end);
    talk.run(40);
    assert_eq!(talk.peer.events("map_end").len(), 0);
}

#[test]
fn a_text_cannot_pass_for_a_file() {
    let mut talk = Talk::start("");
    for name in [
        "mine.nut",
        "MINE.NUT",
        "mine.nut\\0",
        "x.nut\\0y",
        "mine.nut ",
        "a.nut.b",
    ] {
        let code = format!(
            "local f = compilestring(\"local c = VPI.Call(\\\"VPI_X\\\"); return [c, getstackinfos(1).src]\", \"{name}\"); return f()"
        );
        let result = talk.script(&code);
        assert_eq!(result, json!([null, "compilestring"]), "{name}");
    }
    let plain = "local f = compilestring(\"return getstackinfos(1).src\", \"my code\"); return f()";
    assert_eq!(talk.script(plain), json!("my code"));
    let none = "local f = compilestring(\"return 1 + 1\"); return f()";
    assert_eq!(talk.script(none), json!(2));
    assert!(
        talk.game
            .try_run("mine.nut", "compilestring(\"(\")")
            .is_err()
    );
}

#[test]
fn meddling_is_noticed_and_ends_all_talk() {
    let acts = [
        ("StringToFile", "::StringToFile <- function(a, b) {}"),
        ("FileToString", "delete ::FileToString"),
        ("compilestring", "::compilestring <- print"),
        ("setdebughook", "::setdebughook <- print"),
        ("VPI", "::VPI <- { AsyncCall = @(x) null }"),
        ("VPI", "delete ::VPI"),
        ("VPI.Call", "::VPI.Call <- @(...) null"),
        ("VPI.AsyncCall", "delete ::VPI.AsyncCall"),
        (
            "a think function",
            "Entities.FindByName(null, \"vpi_delivery\").Kill()",
        ),
        (
            "a think function",
            "Entities.FindByName(null, \"vpi_pump\").GetScriptScope().Think <- @() -1",
        ),
        (
            "a think function",
            "Entities.FindByName(null, \"vpi_delivery\").GetScriptScope().Think <- @() -1",
        ),
    ];
    for (what, code) in acts {
        let mut talk = Talk::start("");
        talk.game.join("bob", "[U:1:5]");
        talk.run(20);
        talk.script(code);
        talk.run(200);
        if code.contains("vpi_pump") {
            talk.assert_printed("A script has stopped the part of VPI that talks with vpid");
        } else {
            talk.assert_printed(&format!("A script has changed {what}."));
        }
        if !code.contains("vpi_delivery") {
            let chat = talk.game.record().client_prints();
            let told = |(to, dest, text): &&(Option<i32>, i32, String)| {
                to.is_none() && *dest == 3 && text.contains("A script has")
            };
            assert_eq!(chat.iter().filter(told).count(), 1, "{what}");
        }
        let before = talk.game.record().0.len();
        talk.game.say(2, "x");
        talk.run(200);
        talk.game.change_map("cp_second");
        let after = talk.game.record().0.split_off(before);
        let files = after
            .iter()
            .take_while(|entry| entry.map == 1)
            .filter(|entry| matches!(entry.what, What::Read { .. } | What::Write { .. }));
        assert_eq!(files.count(), 0, "{what}");
    }
}
