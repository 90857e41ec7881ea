//! How `vpi.nut` starts, and where it does not: no key, mistakes in the settings, too late, twice, and
//! in games that another script has prepared.

use std::fs;

use serde_json::{Value as Json, json};

use crate::support::peer::{KEY, Talk, config};
use crate::support::{Game, Setup};
use vpid::vscripts::{VPI_CONFIG, vpi_with};

const SPY: &str = include_str!("scripts/spy.nut");

#[test]
fn without_a_key_it_says_so_and_does_nothing() {
    let spaces = "a key with spaces in it, long enough, yes";
    for (key, what) in [
        (
            "PUT-THE-KEY-OF-vpid.toml-HERE",
            "There is no key in vpi.nut yet",
        ),
        ("too short", "has to have 32 to 64 characters"),
        (spaces, "printable characters"),
    ] {
        let mut talk = Talk::begin("", |setup| setup.script("vpi.nut", &vpi_with(key)));
        talk.run(100);
        talk.game.join("bob", "[U:1:5]");
        talk.run(1000);
        talk.assert_printed(what);
        let told = talk.game.record().client_prints();
        let told = told
            .iter()
            .filter(|(_, dest, text)| *dest == 3 && text.contains(what));
        assert_eq!(told.count(), 1);
        let code = "return [\"VPI\" in getroottable(), typeof StringToFile]";
        assert_eq!(talk.script(code), json!([false, "native function"]));
        assert!(talk.peer.names().is_empty());
        talk.game.assert_no_errors();
    }
}

fn configured(text: &str) -> Talk {
    let mut talk = Talk::begin("", |setup| setup.script("vpi_config.nut", text));
    talk.run(200);
    talk
}

#[test]
fn the_shipped_settings_are_those_without_a_file() {
    let mut talk = configured(VPI_CONFIG);
    assert!(talk.peer.is_connected());
    talk.assert_quiet();
    assert_eq!(
        talk.script("return VPI.Call(\"VPI_X\") != null"),
        json!(true)
    );
    assert_eq!(
        talk.script("return \"VPI_CONFIG\" in getconsttable()"),
        json!(false)
    );
}

#[test]
fn a_mistake_in_the_settings_is_named_and_nothing_starts() {
    let mistakes = [
        ("scripts <- {", "scripts <- {{", "cannot be compiled"),
        (
            "gather_ticks <- 33",
            "gather_ticks <- nothing.at.all",
            "ends with an error",
        ),
        (
            "gather_ticks <- 33",
            "gather_ticks <- 0",
            "gather_ticks: is no whole number from 1 to 667",
        ),
        (
            "gather_ticks <- 33",
            "gather_tick <- 33",
            "\"gather_tick\" is no setting",
        ),
        (
            "heartbeat_seconds <- 10",
            "heartbeat_seconds <- \"10\"",
            "heartbeat_seconds: is no whole number",
        ),
        (
            "log_level <- 14",
            "log_level <- 99",
            "log_level: is no whole number",
        ),
        (
            "host <- \"\"",
            "host <- \"My Server\"",
            "host: only lower case letters",
        ),
        (
            "scripts <- {",
            "scripts <- { \"mine\": null, ",
            "\"mine\" is no name of a script file",
        ),
        (
            "scripts <- {",
            "scripts <- { \"mine.nut\": \"VPI_X\", ",
            "what mine.nut may call is no list",
        ),
        (
            "scripts <- {",
            "scripts <- { \"mine.nut\": [5], ",
            "an entry that is no text",
        ),
        (
            "scripts <- {",
            "scripts <- { \"mine.nut\": [\"/(/\"], ",
            "/(/ is no regular expression",
        ),
        (
            "const VPI_CONFIG = 1;",
            "",
            "its first line, const VPI_CONFIG = 1, is missing",
        ),
    ];
    for (line, instead, what) in mistakes {
        let mut talk = configured(&config(line, instead));
        talk.assert_printed(what);
        talk.assert_printed("VPI does not start");
        assert!(talk.peer.names().is_empty(), "{what}");
        let code = "local a = VPI.Call(\"VPI_X\"); local b = VPI.AsyncCall({ func = \"VPI_X\" }); return [a, b, VPI.Emit(\"x\")]";
        assert_eq!(talk.script(code), json!([null, null, null]), "{what}");
        let guarded = "return StringToFile(\"vpid/x\", \"\")";
        assert_eq!(talk.script(guarded), json!(false));
    }
}

#[test]
fn a_host_that_cannot_be_is_refused_with_the_reason() {
    let long = format!("\"{}\"", "h".repeat(129));
    for (host, what) in [
        (long.as_str(), "host: has more than 128 bytes"),
        ("5", "host: is no text"),
        ("\"Caps\"", "host: only lower case letters, digits and _"),
    ] {
        let talk = configured(&config("host <- \"\"", &format!("host <- {host}")));
        talk.assert_printed(what);
        talk.assert_printed("VPI does not start");
    }
}

#[test]
fn the_host_is_made_of_the_hostname() {
    let names = [
        ("My Server #1 [EU]", "my_server_1_eu"),
        ("A_B-C\tD", "abc_d"),
        ("caf\u{e9}", "caf__"),
        ("", ""),
    ];
    for (hostname, host) in names {
        let mut talk = Talk::begin("", |setup| setup.hostname(hostname));
        talk.peer.host = host.into();
        talk.connect();
        assert_eq!(talk.script("return VPI.Status().host"), json!(host));
    }
    let long = "x".repeat(300);
    let mut talk = Talk::begin("", |setup| setup.hostname(&long));
    talk.peer.host = "x".repeat(128);
    talk.connect();
    let text = config("host <- \"\"", "host <- \"mge_1\"");
    let mut talk = Talk::begin("", |setup| setup.script("vpi_config.nut", &text));
    talk.peer.host = "mge_1".into();
    talk.connect();
}

#[test]
fn without_a_server_cfg_the_name_is_taken_after_a_second() {
    let quiet = "function OnGameEvent_server_cvar(params) {}\n__CollectGameEventCallbacks <- null";
    let mut talk = Talk::begin("", |setup| setup.script("quiet.nut", quiet));
    // No script gets the event, since the lists are cleared until it is over.
    talk.script("ClearGameEventCallbacks()");
    let collected =
        "::real <- ::__CollectGameEventCallbacks; ::__CollectGameEventCallbacks <- @(table) null";
    talk.script(collected);
    talk.run(60);
    assert!(talk.peer.names().is_empty());
    talk.run(30);
    assert!(talk.peer.is_connected());
}

#[test]
fn it_starts_once_and_only_with_the_map() {
    let mut talk = Talk::start("");
    talk.script("IncludeScript(\"vpi\", {}); IncludeScript(\"vpi.nut\", getroottable())");
    talk.assert_printed("vpi.nut does not start: it is running already");
    talk.run(100);
    assert_eq!(talk.script("return VPI.Status().connected"), json!(true));
    let mut late = Talk::begin("", |setup| setup.script("mapspawn.nut", ""));
    late.run(5);
    late.script("IncludeScript(\"vpi\", {})");
    late.assert_printed("it came too late");
    assert_eq!(
        late.script("return \"VPI\" in getroottable()"),
        json!(false)
    );
}

/// A map that brings the script which runs first, and includes the owner's then.
fn prepared(code: &str) -> Game {
    let dir = tempfile::TempDir::new().unwrap();
    let first = format!("{SPY}\n{code}\nIncludeScript(\"vpi\", {{}})");
    let mut game = Setup::new(dir.path())
        .script("vpi.nut", &vpi_with(KEY))
        .packed("cp_evil", "mapspawn.nut", &first)
        .start("cp_evil");
    game.run_ticks(120);
    game
}

#[test]
fn a_game_that_was_prepared_is_not_trusted() {
    let natives = [
        "StringToFile",
        "FileToString",
        "getroottable",
        "getstackinfos",
        "type",
        "format",
        "split",
        "print",
        "RandomInt",
        "LocalTime",
        "Time",
        "DoUniqueString",
        "GetMapName",
        "MaxClients",
        "ClientPrint",
        "SendToServerConsole",
        "SpawnEntityFromTable",
        "AddThinkToEnt",
        "PlayerInstanceFromIndex",
        "GetPlayerFromUserID",
        "FireScriptHook",
        "compilestring",
        "getconsttable",
        "setdebughook",
    ];
    for name in natives {
        let hijack = format!(
            "local own = ::{name}; ::{name} <- function(...) {{ ::Spy(\"{name}\"); local args = [this]; args.extend(vargv); return own.acall(args) }}"
        );
        let mut game = prepared(&hijack);
        let state = game.run("t.nut", "return [\"VPI\" in getroottable(), ::found]");
        assert_eq!(state, json!([false, []]), "{name}");
    }
    for (holder, name) in [
        ("CBaseEntity", "ValidateScriptScope"),
        ("CBaseEntity", "IsValid"),
        ("CEntities", "FindByName"),
        ("CConvars", "GetStr"),
        ("CNetPropManager", "GetPropString"),
        ("regexp", "match"),
    ] {
        let hijack = format!(
            "::{holder}.rawset(\"{name}\", function(...) {{ ::Spy(\"{name}\"); return null }})"
        );
        let mut game = prepared(&hijack);
        let state = game.run("t.nut", "return [\"VPI\" in getroottable(), ::found]");
        assert_eq!(state, json!([false, []]), "{name}");
    }
    let swapped =
        prepared("::StringToFile <- ::print; ").run("t.nut", "return \"VPI\" in getroottable()");
    assert_eq!(swapped, json!(false));
}

#[test]
fn hooks_and_handlers_that_were_there_before_see_no_secret() {
    let prepare = r#"
        ::hooked <- 0
        setdebughook(function(type, src, line, func) { if (src == "vpi.nut") { ::hooked++; ::Spy("hook") } })
        seterrorhandler(function(error) { ::Spy("error") })
    "#;
    let mut game = prepared(prepare);
    let found = game.run("t.nut", "return ::found");
    let found = found.as_array().unwrap().iter();
    let found: Vec<&Json> = found
        .filter(|found| !found.to_string().contains("setdebughook"))
        .collect();
    assert_eq!(found, [] as [&Json; 0], "but for what it had itself");
    assert_eq!(
        game.run("t.nut", "return \"VPI\" in getroottable()"),
        json!(true)
    );
    let hooked = game.run("t.nut", "return ::hooked").as_i64().unwrap();
    assert!(hooked > 0);
    game.run_ticks(100);
    assert_eq!(
        game.run("t.nut", "return ::hooked"),
        json!(hooked),
        "it was taken off"
    );
}

#[test]
fn a_map_cannot_bring_parts_of_its_own() {
    let evil = "::stolen <- true; ::Spy(\"part\")";
    let mut talk = Talk::begin("", |setup| {
        let parts = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/vscripts/vpi")).unwrap();
        let names = parts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.fold(setup, |setup, name| {
            setup.packed("cp_first", &format!("vpi/{name}"), evil)
        })
    });
    talk.connect();
    assert_eq!(
        talk.script("return \"stolen\" in getroottable()"),
        json!(false)
    );
}

#[test]
fn settings_that_a_map_brings_see_no_secret() {
    let evil = format!(
        "const VPI_CONFIG = 1;\n{SPY}\n::Spy(\"config\"); ::CallAll(); seterrorhandler(@(e) ::Spy(\"error\"))\nthis.nothing.at.all"
    );
    let mut talk = configured(&evil);
    talk.run(100);
    assert_eq!(talk.script("return ::found"), json!([]));
    assert!(talk.script("return ::visible.len()").as_i64().unwrap() > 1);
    assert!(!talk.peer.is_connected());
}

#[test]
fn every_map_starts_from_nothing() {
    let mut talk = Talk::start("");
    for _ in 0..3 {
        talk.game.change_map("cp_next");
        talk.run(100);
        assert_eq!(talk.script("return VPI.Status().connected"), json!(true));
    }
    assert_eq!(talk.peer.events("map_end").len(), 3);
    let starts: Vec<Json> = talk.peer.events("map_start");
    assert_eq!(starts.len(), 4);
    talk.assert_quiet();
}
