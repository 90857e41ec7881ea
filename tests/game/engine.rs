//! The fake game by itself: does it do what the engine does?

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Game, Newcomer, Setup, What};

fn game(mapspawn: &str) -> (TempDir, Game) {
    let dir = TempDir::new().expect("a folder");
    let game = Setup::new(dir.path())
        .script("mapspawn.nut", mapspawn)
        .start("cp_test");
    (dir, game)
}

const ADD_THINK: &str = r#"
::Start <- function(seconds) {
    local entity = SpawnEntityFromTable("info_target", {targetname = "thinker"})
    entity.ValidateScriptScope()
    local scope = entity.GetScriptScope()
    scope.times <- []
    scope.Think <- function() { times.append(Time()); return seconds() }
    scope.seconds <- seconds
    AddThinkToEnt(entity, "Think")
    ::scope <- scope
}
"#;

#[test]
fn a_file_ends_with_nul_and_is_read_up_to_its_first() {
    let (dir, mut game) = game("");
    let code = r#"
        StringToFile("sub/a.txt", "one");
        StringToFile("sub/a.txt", "x\x00y");
        return [FileToString("sub/a.txt"), FileToString("missing"), StringToFile("b", null)]
    "#;
    assert_eq!(game.run("t.nut", code), json!(["x", null, true]));
    assert_eq!(fs::read(dir.path().join("sub/a.txt")).unwrap(), b"x\0");
    assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"\0");
    fs::write(dir.path().join("c"), b"one\0two").unwrap();
    assert_eq!(
        game.run("t.nut", "return FileToString(\"c\")"),
        json!("one")
    );
}

#[test]
fn a_file_above_16384_bytes_is_written_and_not_read() {
    let (dir, mut game) = game("");
    let write = |bytes: usize| fs::write(dir.path().join("f"), vec![b'x'; bytes]).unwrap();
    write(16_384);
    let read = "local text = FileToString(\"f\"); return text == null ? -1 : text.len()";
    assert_eq!(game.run("t.nut", read), json!(16_384));
    write(16_385);
    assert_eq!(game.run("t.nut", read), json!(-1));
    let big = "local s = \"x\"; while (s.len() < 20000) s += s; StringToFile(\"big\", s)";
    game.run("t.nut", big);
    let bytes = fs::metadata(dir.path().join("big")).unwrap().len();
    assert_eq!(bytes, 32_769);
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let (dir, mut game) = game("");
    let code =
        r#"return [StringToFile("../out", "x"), FileToString("a/../b"), StringToFile("", "")]"#;
    assert_eq!(game.run("t.nut", code), json!([false, null, false]));
    assert!(!dir.path().parent().unwrap().join("out").exists());
    let refused =
        |entry: &&crate::support::record::Entry| matches!(entry.what, What::Refused { .. });
    assert_eq!(game.record().0.iter().filter(refused).count(), 3);
}

#[test]
fn a_file_is_replaced_in_place() {
    use std::os::unix::fs::MetadataExt;
    let (dir, mut game) = game("");
    let inode = || fs::metadata(dir.path().join("f")).unwrap().ino();
    game.run("t.nut", "StringToFile(\"f\", \"long text\")");
    let before = inode();
    game.run("t.nut", "StringToFile(\"f\", \"\")");
    assert_eq!(inode(), before);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"\0");
}

#[test]
fn mapspawn_runs_before_there_is_any_entity() {
    let (_dir, mut game) = game("::first <- Entities.First(); ::source <- getstackinfos(1).src");
    let code = "return [::first, Entities.First() == null, ::source]";
    assert_eq!(
        game.run("t.nut", code),
        json!([null, false, "mapspawn.nut"])
    );
    game.assert_no_errors();
}

#[test]
fn a_map_packs_its_own_mapspawn_and_replaces_ours() {
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script("mapspawn.nut", "::whose <- \"ours\"")
        .packed("cp_evil", "mapspawn.nut", "::whose <- \"theirs\"")
        .start("cp_test");
    assert_eq!(game.run("t.nut", "return ::whose"), json!("ours"));
    game.change_map("cp_evil");
    assert_eq!(game.run("t.nut", "return ::whose"), json!("theirs"));
}

#[test]
fn source_names_are_bare_file_names() {
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script(
            "sub/inner.nut",
            "::inner <- function() { local who = Who(); return who }",
        )
        .script(
            "mapspawn.nut",
            "::Who <- function() { return getstackinfos(2).src }",
        )
        .start("cp_test");
    let code = "IncludeScript(\"sub/inner\", getroottable()); return [::inner(), Who()]";
    assert_eq!(
        game.run("outer.nut", code),
        json!(["inner.nut", "outer.nut"])
    );
}

#[test]
fn thinks_begin_after_a_tenth_of_a_second_and_follow_what_they_return() {
    let (_dir, mut game) = game(ADD_THINK);
    let times = |game: &mut Game, seconds: &str, ticks: u32| {
        game.run("t.nut", &format!("Start(@() {seconds})"));
        let start = game.tick();
        game.run_ticks(ticks);
        let times = game.run("t.nut", "return ::scope.times");
        let times = times
            .as_array()
            .unwrap()
            .iter()
            .map(|time| time.as_f64().unwrap());
        times
            .map(|time| (time / 0.015).round() as i64 - start)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(&mut game, "-1", 10), [7, 8, 9, 10]);
    assert_eq!(times(&mut game, "0.15", 30), [7, 17, 27]);
    assert_eq!(times(&mut game, "null", 22), [7, 14, 21]);
    assert_eq!(times(&mut game, "0.0", 10), [7, 8, 9, 10]);
    let before_the_map = "-Time() - 1";
    assert_eq!(times(&mut game, before_the_map, 10), [7], "and never again");
    game.assert_no_errors();
}

#[test]
fn a_think_that_throws_is_reported_and_goes_on() {
    let (_dir, mut game) = game(ADD_THINK);
    game.run(
        "bad.nut",
        "Start(function() { local secret = 7; throw \"no\" })",
    );
    game.run_ticks(15);
    let record = game.record();
    let errors = record.errors();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].message, "no");
    let frame = &errors[0].stack[0];
    assert_eq!((frame.source.as_str(), frame.line), ("bad.nut", 1));
    assert!(frame.locals.contains(&("secret".into(), "7".into())));
}

#[test]
fn a_map_change_forgets_scripts_and_entities_and_keeps_players() {
    let (_dir, mut game) = game("::maps <- 1");
    let bob = game.join("bob", "[U:1:5]");
    game.run("t.nut", "::maps = 2; ::kept <- Entities.First()");
    game.run_ticks(100);
    game.change_map("cp_other");
    let code = "return [::maps, \"kept\" in getroottable(), GetMapName(), GetFrameCount()]";
    assert_eq!(game.run("t.nut", code), json!([1, false, "cp_other", 67]));
    let here = format!("return GetPlayerFromUserID({bob}) != null");
    assert_eq!(game.run("t.nut", &here), json!(false));
    game.run_ticks(66);
    assert_eq!(game.run("t.nut", &here), json!(true));
    let record = game.record();
    assert_eq!(record.events("player_activate").len(), 2);
    assert_eq!(record.events("player_connect").len(), 1);
}

/// Puts a table between an entity's scope and the root table, which learns of the entity's end.
const ON_DESTROY: &str = r#"
::OnDestroy <- function(entity, what) {
    entity.ValidateScriptScope()
    local scope = entity.GetScriptScope()
    local id = entity.GetScriptId(), index = entity.entindex(), below = scope.getdelegate()
    scope.setdelegate({}.setdelegate({
        _get = @(key) below[key]
        _delslot = function(key) {
            if (key == id) {
                local entity = EntIndexToHScript(index)
                what(entity, entity.GetScriptScope())
            }
            delete below[key]
        }
    }))
}
"#;

#[test]
fn scripts_learn_of_the_end_of_an_entity_and_of_the_map() {
    let (dir, mut game) = game(ON_DESTROY);
    let watch = r#"
        ::held <- SpawnEntityFromTable("info_target", {targetname = "watched"})
        OnDestroy(held, function(entity, scope) {
            StringToFile("end.txt", entity.GetName() + " " + scope.mine + " " + held.IsValid())
        })
        held.GetScriptScope().mine <- "scope"
    "#;
    let end = |name: &str| {
        let text = fs::read(dir.path().join(name)).unwrap();
        String::from_utf8(text).unwrap()
    };
    game.run("t.nut", watch);
    game.run("t.nut", "held.Kill()");
    assert!(
        !dir.path().join("end.txt").exists(),
        "not before the tick ends"
    );
    game.run_ticks(1);
    assert_eq!(end("end.txt"), "watched scope false\0");
    fs::remove_file(dir.path().join("end.txt")).unwrap();
    game.run("t.nut", watch);
    game.change_map("cp_other");
    assert_eq!(end("end.txt"), "watched scope false\0");
    game.assert_no_errors();
}

#[test]
fn events_reach_the_functions_that_were_collected() {
    let (_dir, mut game) = game(
        r#"
        ::seen <- []
        function OnGameEvent_player_say(event) { ::seen.append([event.userid, event.text]) }
        function OnGameEvent_player_team(event) { ::seen.append(event.silent) }
        function OnScriptHook_OnNews(news) { news.answer <- 42; ::seen.append(news.text) }
        __CollectGameEventCallbacks(this)
        "#,
    );
    let bob = game.join("bob", "[U:1:5]");
    game.say(bob, "x".repeat(200));
    game.kill(bob, 0);
    assert!(game.hook("OnNews", json!({"text": "hello"})));
    assert!(!game.hook("OnNothing", json!({})));
    let seen = game.run("t.nut", "return ::seen");
    assert_eq!(seen, json!([0, [bob, "x".repeat(127)], "hello"]));
    let fired = r#"local t = {}; t.text <- "x"; FireScriptHook("OnNews", t); return t.answer"#;
    assert_eq!(game.run("t.nut", fired), json!(42));
    let unhandled = |entry: &&crate::support::record::Entry| matches!(&entry.what, What::Event { name, handled: false, .. } if name == "player_death");
    assert_eq!(game.record().0.iter().filter(unhandled).count(), 1);
}

#[test]
fn the_hostname_comes_with_server_cfg_on_every_map() {
    let (_dir, mut game) = game(
        r#"
        ::early <- Convars.GetStr("hostname"); ::changed <- []
        function OnGameEvent_server_cvar(event) { ::changed.append(event.cvarname + GetFrameCount()) }
        __CollectGameEventCallbacks(this)
        "#,
    );
    let code = "return [::early, ::changed, Convars.GetStr(\"hostname\"), Convars.GetStr(\"no\")]";
    game.run_ticks(20);
    let expected = json!(["Team Fortress", ["sv_tags75"], "test server", null]);
    assert_eq!(game.run("t.nut", code), expected);
    game.change_map("cp_other");
    game.run_ticks(20);
    let expected = json!(["test server", ["sv_tags75"], "test server", null]);
    assert_eq!(game.run("t.nut", code), expected);
}

#[test]
fn players_are_found_and_their_ids_come_late() {
    let (_dir, mut game) = game("");
    let newcomer = Newcomer {
        id_late_ticks: 5,
        ..Newcomer::new("a name that is cut in a caf\u{e9}, or is it", "[U:1:77]")
    };
    let userid = game.join_as(&newcomer);
    let code = format!(
        r#"
        local player = GetPlayerFromUserID({userid}), found = null
        local manager = Entities.FindByClassname(null, "tf_player_manager")
        for (local i = 1; i <= MaxClients().tointeger(); i++)
            if (NetProps.GetPropIntArray(manager, "m_iUserID", i) == {userid})
                found = PlayerInstanceFromIndex(i)
        ClientPrint(player, 3, "\x07FF0000red")
        ClientPrint(null, 2, "all")
        return [found == player, player.IsPlayer(), player.GetTeam(), typeof player,
            NetProps.GetPropString(player, "m_szNetname").len(),
            NetProps.GetPropString(player, "m_szNetworkIDString")]
        "#
    );
    let result = |id: &str| json!([true, true, 2, "instance", 31, id]);
    let account = |game: &mut Game| {
        let code = r#"local manager = Entities.FindByClassname(null, "tf_player_manager")
            return NetProps.GetPropIntArray(manager, "m_iAccountID", 1)"#;
        game.run("t.nut", code)
    };
    assert_eq!(game.run("t.nut", &code), result("STEAM_ID_PENDING"));
    assert_eq!(account(&mut game), json!(0));
    game.run_ticks(5);
    assert_eq!(game.run("t.nut", &code), result("STEAM_ID_PENDING"));
    assert_eq!(account(&mut game), json!(77));
    // The game looks the id up when it needs it, and no sooner.
    game.say(userid, "hello");
    assert_eq!(game.run("t.nut", &code), result("[U:1:77]"));
    let prints = game.record().client_prints();
    assert_eq!(prints[0], (Some(userid), 3, "\u{7}FF0000red".to_string()));
    assert_eq!(prints[1], (None, 2, "all".to_string()));
    game.leave(userid, "bye");
    game.run_ticks(1);
    let gone = format!("return GetPlayerFromUserID({userid})");
    assert_eq!(game.run("t.nut", &gone), json!(null));
}

#[test]
fn integers_have_32_bits_or_64() {
    let (_dir, mut game) = game("");
    let bytes = if game_vm::IS_WIDE { 8 } else { 4 };
    let sizes = game.run("t.nut", "return [_intsize_, _floatsize_]");
    assert_eq!(sizes, json!([bytes, 4]));
    let code = r#"return [2147483647 + 1, 0x80000000, -1 >>> 1, 65536 * 65537, 0xffffffff & -1,
        "4294967296".tointeger(), "-5".tointeger(), "ff".tointeger(16), format("%x", -1)]"#;
    let smallest = i32::MIN;
    let narrow = json!([
        smallest,
        smallest,
        i32::MAX,
        65536,
        -1,
        i32::MAX,
        -5,
        255,
        "ffffffff"
    ]);
    let above = 1_u64 << 31;
    let wide = json!([
        above,
        above,
        i64::MAX,
        4_295_032_832_u64,
        u32::MAX,
        1_u64 << 32,
        -5,
        255,
        "ffffffffffffffff"
    ]);
    let expected = if game_vm::IS_WIDE { wide } else { narrow };
    assert_eq!(game.run("t.nut", code), expected);
    // What the game itself takes and gives has 32 bits.
    let code = r#"SendGlobalGameEvent("ours", { n = 2147483647, m = -1 })
        return [Convars.GetInt("big"), RandomInt(-1, -1)]"#;
    game.set_cvar("big", "4000000000");
    assert_eq!(game.run("t.nut", code), json!([0, -1]));
    // An integer is compared as a whole with what stood in its place before.
    let code = r#"local x = "a text"; x = 7; local t = {}; t[x] <- 1; x = {}; x = -1; t[x] <- 2
        return [t[7], t[-1], [1.5, -1].find(-1), x == -1, (7 in t), !(x + 1)]"#;
    let expected = json!([1, 2, 1, true, true, true]);
    assert_eq!(game.run("t.nut", code), expected);
}

#[test]
fn sixteen_files_include_each_other_and_no_more() {
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script("deeper.nut", "::depth++; IncludeScript(\"deeper\", this)")
        .script("mapspawn.nut", "::depth <- 0")
        .start("cp_test");
    let code = "IncludeScript(\"deeper\", this); return ::depth";
    assert_eq!(game.run("t.nut", code), json!(16));
    assert_eq!(
        game.run("t.nut", code),
        json!(32),
        "once more from the start"
    );
}

#[test]
fn a_path_has_259_bytes_at_most() {
    let (dir, mut game) = game("");
    let room = 259 - dir.path().as_os_str().len() - 1;
    let write = |game: &mut Game, bytes: usize| {
        let name = "n".repeat(bytes);
        game.run("t.nut", &format!("return StringToFile(\"{name}\", \"x\")"))
    };
    assert_eq!(write(&mut game, room), json!(true));
    assert_eq!(write(&mut game, room + 1), json!(false));
}

#[test]
fn a_paused_game_raises_events_and_runs_no_think() {
    let (_dir, mut game) = game(ADD_THINK);
    game.run("t.nut", "Start(@() 0.0)");
    let bob = game.join("bob", "[U:1:5]");
    game.run_ticks(10);
    let seen = "return [Time(), ::scope.times.len()]";
    let before = game.run("t.nut", seen);
    game.pause(true);
    game.run_ticks(100);
    game.say(bob, "unpause, please");
    assert_eq!(game.run("t.nut", seen), before);
    assert_eq!(game.record().events("player_say").len(), 1);
    game.pause(false);
    game.run_ticks(1);
    assert_ne!(game.run("t.nut", seen), before);
}

#[test]
fn players_see_translations_places_and_colours_of_texts() {
    let (_dir, mut game) = game("");
    let shown = |game: &mut Game, text: &str| {
        game.clear_record();
        game.run("t.nut", &format!("ClientPrint(null, 3, {text})"));
        game.record().shown_texts().pop()
    };
    let mut expect = |text: &str, expected: Option<&str>| {
        assert_eq!(shown(&mut game, text).as_deref(), expected, "{text}");
    };
    expect(r##""#TF_Scout""##, Some("<TF_Scout>"));
    expect(r#""%s1 x%s4y""#, Some(" xy"));
    expect(r#""100%sure""#, Some("100"));
    expect(r#""\x07FF0000red\x01 %""#, Some("red %"));
    expect(r#""a\x07FF0000red""#, Some("a\u{7}FF0000red"));
    let bytes = |count: usize| format!("array({count}, \"x\").reduce(@(a, b) a + b)");
    expect(&bytes(248), Some("x".repeat(248).as_str()));
    expect(&bytes(249), None);
}

#[test]
fn the_standard_library_of_the_game_is_there() {
    let (_dir, mut game) = game("");
    let code = r#"return [format("%05.1f|%s", 2.25, "x"), startswith("abc", "ab"),
        endswith("abc", "bc"), regexp("[0-9]+").search("ab12").begin, split("a,b", ","),
        fabs(-1.5), floor(2.7), strip(" a "), UniqueString("x") != UniqueString("x"),
        typeof StringToFile, typeof UniqueString]"#;
    let expected = json!([
        "002.2|x",
        true,
        true,
        2,
        ["a", "b"],
        1.5,
        2.0,
        "a",
        true,
        "native function",
        "function"
    ]);
    assert_eq!(game.run("t.nut", code), expected);
}

#[test]
fn the_pace_is_that_of_a_server_or_as_fast_as_can_be() {
    let (_dir, mut game) = game("");
    let start = std::time::Instant::now();
    game.run_real(0.15);
    assert!(start.elapsed().as_millis() >= 150);
    assert_eq!(game.tick(), 77);
    assert!(game.run_ticks_until(1_000_000, |game| game.tick() == 10_077));
    assert_eq!(game.costs_us().len(), 10_010);
}

#[test]
#[should_panic(expected = "no error of a script")]
fn a_panic_in_the_game_reaches_the_test() {
    let vm = game_vm::Vm::new();
    let fail = vm.function("fail", (0, 0), |_| panic!("no error of a script"));
    let call = vm.compile("t.nut", b"return function(f) { try { f() } catch (e) {} }");
    let call = vm.call(&call.unwrap(), &vm.root().into(), &[]).unwrap();
    let _ = vm.call(call.as_object().unwrap(), &vm.root().into(), &[fail.into()]);
}
