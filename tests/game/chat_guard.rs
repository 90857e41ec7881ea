//! When commands in chat count, and whom they come from: the map, the owner's choice, `status`.

use fake_rcon::Player;

use crate::support::community::{ADMIN, Story, USUAL, Wish};

#[test]
fn on_a_map_that_keeps_the_scripts_out_nothing_counts() {
    let hostile = "::Forge <- function(who, text) { Say(who, text, false) }";
    let mut story = Story::of(USUAL, |setup| {
        setup.packed("cp_hostile", "mapspawn.nut", hostile)
    });
    story.console.set_map("cp_hostile");
    story.game.change_map("cp_hostile");
    story.game.run_real(1.5);
    story.hostile("::Forge(admin, order)");
    story.until("the forged line", |story| {
        story.is_refused("may bring a mapspawn.nut of its own")
    });
    story.assert_that_no_command_counts("a mapspawn.nut", "do not run on this map");
    story.console.set_map("cp_second");
    story.game.change_map("cp_second");
    story.until("a session", |story| story.is_connected());
    story.assert_that_only_the_admin_counts();
}

#[test]
fn without_the_log_scripts_cannot_pretend_either() {
    let mut story = Story::new(Wish {
        log: false,
        ..USUAL
    });
    for code in [
        "FireGameEvent(\"player_say\", { userid = adminId, text = order })",
        "__RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order })",
        "foreach (table in ::GameEventCallbacks.player_say) table.OnGameEvent_player_say({ userid = adminId, text = order })",
        "foreach (table in ::GameEventCallbacks.player_say) return table.OnGameEvent_player_say({ userid = adminId, text = order })",
        "local f = function() { return __RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order }) }; return f()",
        "newthread(function() { __RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order }) }).call()",
        "Say(admin, order, false)",
        "SendGlobalGameEvent(\"player_say\", { userid = adminId, text = order })",
        "compilestring(\"return @(e, p) ::__RunGameEventCallbacks(e, p)\", \"unnamed\")()(\"player_say\", { userid = adminId, text = order })",
    ] {
        story.hostile(code);
    }
    story.assert_that_only_the_admin_counts();
    // Nor by what the game calls for an event.
    let mut story = Story::new(Wish {
        log: false,
        ..USUAL
    });
    story.hostile(
        r#"
        local run = ::__RunGameEventCallbacks
        ::__RunGameEventCallbacks <- function(event, params) {
            if (event == "player_say") { params.userid = adminId; params.text = order }
            return run(event, params)
        }
        "#,
    );
    story.game.say(story.victim, "hello");
    story.until("the forged line", |story| {
        story.is_refused("a script may have raised it")
    });
    assert_eq!(story.bans(), 0);
}

#[test]
fn prefixes_of_the_owner_are_guarded_too() {
    let wish = Wish {
        vyhub: "command_prefixes = [\"\u{a7}\", \"Vp.\"]",
        ..USUAL
    };
    let mut story = Story::new(wish);
    story.until("the prefixes are known", |story| {
        story.hostile("Say(admin, \"\\xc2\\xa7ban #\" + victimId + \" permanent forged\", false)");
        !story
            .game
            .engine_log()
            .iter()
            .any(|line| line.contains("forged"))
            || story
                .game
                .record()
                .prints()
                .iter()
                .any(|line| line.contains("in the name of"))
    });
    story.hostile("Say(admin, \"  vP.ban #\" + victimId + \" permanent forged\", false)");
    story.game.run_real(0.3);
    assert_eq!(story.bans(), 0);
    let order = format!("\u{a7}ban #{} 1h real", story.victim);
    story.game.say(story.admin, order);
    story.until("the admin's own ban", |story| story.bans() == 1);
}

#[test]
fn who_writes_is_the_one_whom_status_confirms() {
    let mut story = Story::new(USUAL);
    // The engine's log reports an admin under the number of another player.
    let forged = format!(
        "\"Victim<{}><[U:1:22202]><Red>\" say \"!ban Admin 1h forged\"",
        story.victim
    );
    story.game.log(&forged);
    let stranger = "\"Admin<99><[U:1:22202]><Red>\" say \"!ban Victim 1h forged\"";
    story.game.log(stranger);
    story.until("both are refused", |story| {
        let log = story.daemon.log();
        let lines = log
            .iter()
            .filter(|line| line.contains("have confirmed that this player"));
        lines.count() == 2
    });
    assert_eq!((story.bans(), story.vyhub.bans_of(ADMIN.1).len()), (0, 0));
    story.assert_that_only_the_admin_counts();
}

#[test]
fn no_player_is_kicked_for_an_id_that_only_a_line_gives_them() {
    let mut story = Story::new(Wish {
        banned: Some(76_561_197_960_265_735),
        ..USUAL
    });
    let line = format!(
        "\"Victim<{}><[U:1:7]><>\" connected, address \"1.2.3.4:5\"",
        story.victim
    );
    story.game.log(&line);
    story.game.run_real(1.5);
    assert_eq!(story.console.kicked(), []);
    // Who is it is kicked.
    let userid = story.game.join("Rogue", "[U:1:7]");
    story.console.join(Player::new(userid, "Rogue", "[U:1:7]"));
    story.until("a kick", |story| !story.console.kicked().is_empty());
    assert_eq!(story.console.kicked()[0].0, userid);
}

#[test]
fn the_owner_chooses() {
    let wish = Wish {
        server: "chat_commands = \"off\"",
        ..USUAL
    };
    let mut story = Story::new(wish);
    story.assert_that_no_command_counts("chat_commands is \"off\"", "switched off here");
    story.game.say(story.admin, "!bans Victim");
    story.until("an answer", |story| story.is_shown("Victim has no bans"));
    // By the log alone, whatever the map has done.
    let wish = Wish {
        server: "chat_commands = \"log\"",
        ..USUAL
    };
    let mut story = Story::of(wish, |setup| setup.packed("cp_hostile", "mapspawn.nut", ""));
    story.console.set_map("cp_hostile");
    story.game.change_map("cp_hostile");
    story.game.run_real(1.0);
    story
        .game
        .say(story.admin, format!("!ban #{} 1h real", story.victim));
    story.until("the ban", |story| story.bans() == 1);
}

#[test]
fn a_vpid_that_starts_later_learns_how_chat_stands() {
    let mut story = Story::new(USUAL);
    story.daemon.restart();
    // Heartbeats come every ten seconds, and one of them may have been of an earlier map.
    story.game.run_ticks(1);
    let order = format!("!ban #{} 1h real", story.victim);
    for _ in 0..40 {
        story.game.say(story.admin, order.clone());
        story.game.run_real(0.7);
        if story.bans() > 0 {
            return;
        }
    }
    panic!("{:#?}", story.daemon.log());
}
