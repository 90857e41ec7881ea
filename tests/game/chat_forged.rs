//! Scripts of a map try to order things in an admin's name, in every way there is, against the built
//! daemon with a VyHub: none of them leads to a ban. And what admins write themselves goes on to count.

use serde_json::json;

use crate::support::community::{Story, USUAL};

#[test]
fn what_a_script_lets_an_admin_say_does_not_reach_the_log() {
    let mut story = Story::new(USUAL);
    for code in [
        "Say(admin, order, false)",
        "Say(admin, order, true)",
        "::Say(admin, \" \\t\" + order, false)",
        "getroottable().Say(admin, \"\\x07FF0000\" + order, false)",
        "getroottable()[\"Say\"](admin, \"\\xe2\\x80\\x8b\" + order, false)",
        "Say(admin, \"\\\"\" + order + \"\\\"\", false)",
        "Say(admin, \"say \" + order, false)",
        "Say(admin, \"SAY_TEAM \\\"\" + order + \"\\\"\", false)",
        "Say(admin, \"\\\"say\\\" \" + order, false)",
        "Say(admin, \"say say_team say \" + order, false)",
        "Say(admin, \"hello\\n\" + order, false)",
        "Say(admin, \"/\" + order.slice(1), false)",
        "Say.call(getroottable(), admin, order, false)",
        "Say.pcall(null, admin, order, false)",
        "Say.acall([{}, admin, order, false])",
        "Say.pacall([{}, admin, order, false])",
        "local s = Say.bindenv({}); s(admin, order, false)",
        "compilestring(\"return ::Say\")()(admin, order, false)",
        "local t = {}.setdelegate(getroottable()); t.Say(admin, order, false)",
        "local t = newthread(Say); t.call(admin, order, false)",
        "[admin].map(@(who) Say(who, order, false))",
        "local g = (function() { yield Say(admin, order, false) })(); resume g",
        "Say.setroot({}); Say(admin, order, false)",
        "::string <- {}; ::type <- @(x) \"null\"; Say(admin, order, false)",
    ] {
        story.hostile(code);
    }
    let lines = story.game.engine_log();
    let forged: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("forged"))
        .collect();
    assert_eq!(forged, [] as [&String; 0]);
    story.assert_that_only_the_admin_counts();
    let prints = story.game.record().prints();
    let told = prints
        .iter()
        .filter(|line| line.contains("in the name of a player"));
    // Once for each script, and for what hides its file.
    assert!((1..=3).contains(&told.count()), "{prints:#?}");
}

#[test]
fn what_a_script_reports_of_players_in_the_engines_name_does_not_reach_the_log() {
    let mut story = Story::new(USUAL);
    story.game.run_real(0.1);
    let before = story.game.engine_log().len();
    for code in [
        "SendGlobalGameEvent(\"player_say\", { userid = adminId, text = order, priority = 1 })",
        "SendGlobalGameEvent(\"PLAYER_SAY\", { userid = adminId, text = order })",
        "SendGlobalGameEvent(\"player_connect\", { name = \"Admin\", index = 5, userid = 77, networkid = \"[U:1:22202]\", address = \"1.2.3.4:5\", bot = 0 })",
        "SendGlobalGameEvent(\"player_connect_client\", { name = \"Admin\", index = 5, userid = 77, networkid = \"[U:1:22202]\", bot = 0 })",
        "SendGlobalGameEvent(\"player_connect\", { name = \"x\\\"<7><[U:1:22202]><Red>\\\" say \\\"\" + order, index = 5, userid = 78, networkid = \"\", address = \"\", bot = 0 })",
        "SendGlobalGameEvent(\"player_disconnect\", { userid = adminId, reason = order, name = \"Admin\", networkid = \"[U:1:22202]\", bot = 0 })",
        "SendGlobalGameEvent(\"player_changename\", { userid = victimId, oldname = \"Victim\", newname = \"Admin\" })",
        "SendGlobalGameEvent(\"player_activate\", { userid = adminId })",
        "SendGlobalGameEvent(\"player_team\", { userid = adminId, team = 2 })",
        "SendGlobalGameEvent(\"player_death\", { userid = adminId, attacker = victimId, weapon = \"x\" })",
        "SendGlobalGameEvent(\"player_spawn\", { userid = adminId })",
        "SendGlobalGameEvent(\"player_info\", { userid = adminId, name = \"x\" })",
        "SendGlobalGameEvent.pcall(null, \"player_say\", { userid = adminId, text = order })",
        "SendGlobalGameEvent.acall([{}, \"player_say\", { userid = adminId, text = order }])",
        "compilestring(\"return ::SendGlobalGameEvent\")()(\"player_say\", { userid = adminId, text = order })",
    ] {
        story.hostile(code);
    }
    let lines = story.game.engine_log().split_off(before);
    assert_eq!(lines, [""; 0]);
    story.assert_that_only_the_admin_counts();
}

#[test]
fn honest_scripts_speak_and_raise_events_as_before() {
    let mut story = Story::new(USUAL);
    let code = r#"
        ::heard <- []
        ::Ears <- {
            function OnGameEvent_player_say(event) { ::heard.append(event.text) }
            function OnGameEvent_teamplay_round_win(event) { ::heard.append(event.team) }
            function OnGameEvent_player_hintmessage(event) { ::heard.append(event.hintmessage) }
        }
        __CollectGameEventCallbacks(::Ears)
        ::results <- [
            Say(victim, "hello! 1/2 of you", false), Say(null, "!the console's", true),
            SendGlobalGameEvent("teamplay_round_win", { team = 2 }),
            SendGlobalGameEvent("player_hintmessage", { hintmessage = "hint" })
        ]
        local Error = function(call) { try { call(); return null } catch (problem) { return problem } }
        ::errors <- [Error(@() Say(victim, 5, false)), Error(@() Say(victim)), Error(@() SendGlobalGameEvent(5, {})), Error(@() SendGlobalGameEvent("x", 5)), Error(@() Say(victim, null, false))]
    "#;
    story.hostile(code);
    let heard = story.game.run("test.nut", "return ::heard");
    let expected = json!(["hello! 1/2 of you", "!the console's", 2, "hint", ""]);
    assert_eq!(heard, expected);
    let results = story.game.run("test.nut", "return ::results");
    assert_eq!(results, json!([null, null, null, null]));
    let errors = story.game.run("test.nut", "return ::errors");
    for (at, wanted) in [
        (
            0,
            "parameter 2 has an invalid type 'integer' ; expected: 'string'",
        ),
        (1, "wrong number of parameters"),
        (
            2,
            "parameter 1 has an invalid type 'integer' ; expected: 'string'",
        ),
        (3, "parameter 2 has an invalid type"),
    ] {
        let said = errors[at].as_str().unwrap_or_default();
        assert!(said.starts_with(wanted), "{said}");
    }
    assert_eq!(errors[4], json!(null));
    story.assert_that_only_the_admin_counts();
}

/// What looks at the functions that wait while the game raises an event for one of them, takes what it
/// finds there, and uses it then and later.
const THIEF: &str = r#"
    local getstackinfos = ::getstackinfos, type = ::type
    ::loot <- []
    ::Steal <- function() {
        for (local level = 1; level < 40; level++) {
            local infos = getstackinfos(level)
            if (infos == null) break
            foreach (name, value in infos.locals)
                if (type(value) == "function" || type(value) == "native function") ::loot.append(value)
        }
    }
    ::Use <- function(admin, adminId, order) {
        for (local i = 0; i < ::loot.len() && i < 200; i++)
            foreach (args in [[null], [null, admin, order, false], [null, "player_say", { userid = adminId, text = order }]])
                try {
                    local given = ::loot[i].acall(args)
                    if (type(given) == "function" || type(given) == "native function") ::loot.append(given)
                } catch (_) {}
    }
    ::Thief <- {
        function OnGameEvent_player_say(event) { ::Steal(); ::Use(::whom, ::whomId, ::what) }
        function OnGameEvent_ours(event) { ::Steal(); ::Use(::whom, ::whomId, ::what) }
    }
    __CollectGameEventCallbacks(::Thief)
"#;

#[test]
fn who_looks_at_the_stack_while_the_game_speaks_finds_nothing_to_use() {
    let mut story = Story::new(USUAL);
    story.hostile(THIEF);
    story.hostile(
        r#"
        ::whom <- admin; ::whomId <- adminId; ::what <- order
        seterrorhandler(function(error) { ::Steal(); ::Use(::whom, ::whomId, ::what) })
        Say(victim, "look at me", false)
        SendGlobalGameEvent("ours", {})
        Say(victim, "look again", false)
        ::Use(admin, adminId, order)
        "#,
    );
    for wrong in [
        "Say(victim, {}, false)",
        "Say()",
        "SendGlobalGameEvent(5, 5)",
        "SendGlobalGameEvent(\"x\", null)",
        "EntFireByHandle(null, \"Command\", \"say !x\", 0, null, null); EntFireByHandle(1)",
        "local deep; deep = function(n) { Say(victim, \"x\", false); deep.call(this, n + 1) }; deep.call(this, 0)",
        "local t = {}; t.setdelegate({ _get = function(k) { Say(::whom, \"x\", false); return this[k] } }); t.x",
    ] {
        story.hostile(wrong);
        story.hostile("::Use(admin, adminId, order)");
    }
    let loot = story.game.run("test.nut", "return ::loot.len()");
    assert!(loot.as_i64().unwrap() > 3, "the spy did look: {loot}");
    let lines = story.game.engine_log();
    let forged: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("forged"))
        .collect();
    assert_eq!(forged, [] as [&String; 0]);
    story.hostile("delete ::GameEventCallbacks.ours; seterrorhandler(null)");
    story.assert_that_only_the_admin_counts();
}

#[test]
fn a_guard_that_a_script_has_touched_is_reported_and_nothing_counts() {
    for (code, what) in [
        ("::Say <- function(...) {}", "a script has changed Say"),
        ("delete ::Say", "a script has changed Say"),
        (
            "getroottable().rawset(\"SendGlobalGameEvent\", print)",
            "a script has changed SendGlobalGameEvent",
        ),
        (
            "::StringToFile <- function(a, b) {}",
            "a script has changed StringToFile",
        ),
    ] {
        let mut story = Story::new(USUAL);
        story.hostile(code);
        story.until(what, |story| {
            story.daemon.log().iter().any(|line| line.contains(what))
        });
        story.assert_that_no_command_counts(what, "could write in your name");
        // Commands that change nothing still work, and the next map begins from nothing.
        story.game.say(story.admin, "!vyhub");
        story.until("an answer", |story| story.is_shown("VyHub is connected"));
        story.console.set_map("cp_second");
        story.game.change_map("cp_second");
        story.until("a session", |story| story.is_connected());
        story.assert_that_only_the_admin_counts();
    }
}

#[test]
fn entities_that_make_players_speak_are_refused_or_make_chat_doubtful() {
    let mut story = Story::new(USUAL);
    story.hostile(
        r#"
        local cc = SpawnEntityFromTable("point_clientcommand", { targetname = "cc" })
        EntFireByHandle(cc, "Command", "say " + order, 0, admin, admin)
        EntFireByHandle(cc, "cOMMAND", "say_team \"" + order + "\"", 0, admin, admin)
        EntFire("cc", "Command", "say " + order, 0, admin)
        DoEntFire("cc", "Command", "say " + order, 0, admin, admin)
        cc.Kill()
        "#,
    );
    story.game.run_real(0.3);
    assert_eq!(story.bans(), 0);
    story.assert_that_only_the_admin_counts();

    let mut story = Story::new(USUAL);
    story.hostile("SpawnEntityFromTable(\"point_clientcommand\", { targetname = \"cc\" })");
    let why = "it has a point_clientcommand";
    story.until(why, |story| {
        story.daemon.log().iter().any(|line| line.contains(why))
    });
    story.hostile("Entities.FindByName(null, \"cc\").AcceptInput(\"Command\", \"say \" + order, admin, admin)");
    story.until("the forged line", |story| story.is_refused(why));
    story.assert_that_no_command_counts(why, "could write in your name");
}
