//! Admins who write commands into the chat: what they get, and who gets nothing.

use std::time::Duration;

use fake_rcon::Player;
use serde_json::json;
use vpid::game_side::signed::SignedGame;

use crate::support::{
    ALL_RIGHTS, Community, Keeper, KeptBan, KeptWarning, PATIENCE, Visitor, stays, wait_for,
    with_keepers,
};

with_keepers! {
    an_admin_bans_by_chat_and_lifts_it_again: vyhub sqlite mariadb;
    a_ban_that_waits_is_lifted_before_it_was_ever_sent: vyhub lone_mariadb;
    who_was_banned_under_a_name_of_the_game_is_unbanned_by_it: vyhub sqlite;
    warnings_are_given_and_listed_and_the_state_is_shown: vyhub sqlite;
    what_is_not_clear_is_asked_back_and_does_nothing: vyhub sqlite;
    who_may_not_is_told_so_and_nothing_happens: vyhub sqlite;
    nobody_can_pretend_to_be_an_admin: vyhub sqlite;
    reasons_and_names_never_become_a_second_command: vyhub sqlite;
}

fn an_admin_bans_by_chat_and_lifts_it_again(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.log.says(&admin, "!ban rogue 2h aimbot on upward");
    let text = community.kicked_at_once(&rogue);
    assert!(
        text.contains("aimbot on upward") && text.contains("by admin"),
        "{text}"
    );
    community.log.leaves(&rogue);
    community.told(&admin, "rogue is banned (2 hours): aimbot on upward");
    let ban = KeptBan {
        steam: rogue.steam64(),
        reason: "aimbot on upward".into(),
        length_s: Some(7_200),
        issuer: Some(admin.steam64()),
        is_lifted: false,
    };
    assert_eq!(community.bans(), [ban]);
    if community.is_vyhub() {
        let bundle = community.vyhub.bans()[0].bundle.clone();
        assert_eq!(bundle, Some(community.bundle_id()));
    }
    let again = rogue.again();
    community.stays_out(&again);

    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned any more.");
    assert!(community.bans_of(&rogue)[0].is_lifted);
    let free = again.again();
    community.stays_in(&free);
    community
        .log
        .says(&admin, &format!("!unban {}", rogue.steam3()));
    community.told(&admin, "rogue is not banned.");
    community.all_well();
}

fn a_ban_that_waits_is_lifted_before_it_was_ever_sent(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_user(&rogue);
    community.pause();
    community.log.says(&admin, "!ban rogue permanent temper");
    community.kicked_at_once(&rogue);
    community.told(&admin, " is unreachable and will get it later.");
    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned here any more.");
    let again = rogue.again();
    community.stays_in(&again);
    community.resume();
    community.wait_until_sent();
    let bans = community.bans_of(&rogue);
    assert!(bans.len() == 1 && bans[0].is_lifted, "{bans:#?}");
    assert_eq!(community.kicks(again.userid), 0);
    community.all_well();
}

fn who_was_banned_under_a_name_of_the_game_is_unbanned_by_it(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.add_user(&Visitor {
        name: "Robert".into(),
        ..rogue.clone()
    });
    community.joins(&rogue);
    community.log.says(&admin, "!ban rogue 5 x");
    community.kicked_at_once(&rogue);
    community.told(&admin, "rogue is banned");
    community.wait_until_sent();
    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned any more.");
    community.all_well();
}

fn warnings_are_given_and_listed_and_the_state_is_shown(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let target = Visitor::new(3, "some body");
    community.joins(&target);
    community.log.says(&admin, "!warns \"some body\"");
    community.told(&admin, "some body has no warnings.");
    community
        .log
        .says(&admin, "!warn \"some body\" mind your language");
    community.told(&target, "You were warned by admin: mind your language");
    community.told(&admin, "some body was warned: mind your language");
    let warning = KeptWarning {
        steam: target.steam64(),
        reason: "mind your language".into(),
        issuer: Some(admin.steam64()),
    };
    assert_eq!(community.warnings(), [warning]);
    community.log.says(&admin, "!warns some");
    community.told(&admin, "Warnings of some body (1):");
    community.told(&admin, "by admin: mind your language");
    community.log.says(&admin, "/bans #3");
    community.told(&admin, "some body has no bans.");
    community.log.says(&admin, "!ban #3 1d enough");
    community.kicked_at_once(&target);
    community.told(&admin, "some body is banned (1 day): enough");
    community
        .log
        .says(&admin, &format!("!bans {}", target.steam64()));
    community.told(&admin, "(1):");
    community.told(&admin, "by admin: enough");
    community.log.says(&admin, "!vyhub");
    let connected = community.either(
        "VyHub is connected: Fake bundle, ",
        // Whether the list has the ban yet is a matter of seconds.
        "The community is connected: ",
    );
    community.told(&admin, connected);
    if community.is_vyhub() {
        community.told(&admin, "https://fake.vyhub.example/server-dashboard/");
    }
    community.all_well();
}

fn what_is_not_clear_is_asked_back_and_does_nothing(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    for (userid, name) in [(3, "bob one"), (4, "bob two"), (5, "carl")] {
        community.joins(&Visitor::new(userid, name));
    }
    community.game.join(Player::bot(6, "bob the bot"));
    for (command, answer) in [
        (
            "!ban bob 5 x",
            "bob may be any of these: #3 bob one, #4 bob two",
        ),
        ("!ban nobody 5 x", "There is no player nobody."),
        ("!ban #99 5 x", "There is no player #99."),
        ("!ban", "!ban <player> <minutes|permanent> <reason>"),
        ("!ban carl", "!ban <player>"),
        ("!ban carl soon x", "soon is no length."),
        ("!ban carl 5", "Give a reason."),
        ("/warn carl", "Give a reason."),
        ("!warn", "!warn <player> <reason>"),
        ("!unban", "!unban <SteamID|name>"),
        ("!warns a b", "!warns <player>"),
        ("!bans a b", "!bans <player>"),
        ("!ban admin 5 x", "That would be yourself."),
        ("!unban carl", "There is no player carl."),
    ] {
        community.log.says(&admin, command);
        community.told(&admin, answer);
    }
    for text in [
        "ban carl 5 x",
        "!banana carl 5 x",
        "well !ban carl 5 x",
        "!!ban carl 5 x",
    ] {
        community.log.says(&admin, text);
    }
    community.log.says(&admin, "!vyhub");
    community.told(&admin, " is connected: ");
    assert!(community.outbox().is_empty() && community.game.kicked().is_empty());
    assert!(community.bans().is_empty() && community.warnings().is_empty());
    community.all_well();
}

fn who_may_not_is_told_so_and_nothing_happens(keeper: Keeper) {
    let community = Community::kept_by(keeper);
    let [nobody, warner, brief, denied] = ["nobody", "warner", "brief", "denied"]
        .map(|name| Visitor::new(name.len() as i32 + i32::from(name.as_bytes()[0]), name));
    community.member(&warner, &[("warning_edit", true)], None);
    community.member(&brief, &[("ban_edit", true)], Some(3_600));
    community.member(
        &denied,
        &[("ban_edit", false), ("warning_edit", true)],
        None,
    );
    let boss = Visitor::new(7, "boss");
    let community = community.started();
    community.add_group("top", 99, &ALL_RIGHTS, None);
    community.put_in_group(&boss, "top");
    let target = Visitor::new(3, "target");
    for who in [&nobody, &warner, &brief, &denied, &boss, &target] {
        community.joins(who);
    }
    for who in [&warner, &brief, &boss] {
        community.wait_for_rights(who);
    }
    for (who, command, answer) in [
        (&nobody, "!ban target 5 x", "You have no right to use ban."),
        (&nobody, "!warn target x", "You have no right to use warn."),
        (&nobody, "!bans target", "You have no right to use bans."),
        (&nobody, "!warns target", "You have no right to use warns."),
        (&nobody, "!unban target", "You have no right to use unban."),
        (&warner, "!ban target 5 x", "You have no right to use ban."),
        (&denied, "!ban target 5 x", "You have no right to use ban."),
        (
            &brief,
            "!ban target 61 x",
            "You can ban for at most 1 hour.",
        ),
        (
            &brief,
            "!ban target permanent x",
            "You can ban for at most 1 hour.",
        ),
        (&brief, "!ban boss 5 x", "boss ranks above you."),
    ] {
        community.log.says(who, command);
        community.told(who, answer);
    }
    assert!(community.outbox().is_empty() && community.game.kicked().is_empty());
    // Chat of the script counts for nothing where the engine's log is there.
    community.log.says(&brief, "!ban target 60 x");
    community.kicked_at_once(&target);
    community.told(&brief, "target is banned (1 hour): x");
    community.wait_until_sent();
    assert_eq!(community.bans().len(), 1);
    community.all_well();
}

fn nobody_can_pretend_to_be_an_admin(keeper: Keeper) {
    let community = Community::kept_by_and(keeper, |vpid| vpid.signed()).started();
    let admin = community.admin(2, "admin");
    let target = Visitor::new(3, "target");
    community.joins(&target);
    let chat = format!(
        "L 11/20/2026 - 08:00:00: \"admin<2><{}><Red>\" say \"!ban target 5 x\"\n\0",
        admin.steam3()
    );
    community.log.send(format!("R{chat}").as_bytes());
    community.log.send(format!("S1{chat}").as_bytes());
    community.log.send(format!("S4071984{chat}").as_bytes());
    let mut script = community.vpid.signed_game("my_server");
    let map = json!({"event": "map_start", "data": {"map": "cp_badlands"}});
    script.send(&[map]).expect("a file can be written");
    let next = |script: &mut SignedGame, key: &str| {
        wait_for(&format!("a {key} for the script"), || {
            let message = script.receive(PATIENCE).expect("files can be read")?;
            Some(message).filter(|message| message[key].is_string())
        })
    };
    assert_eq!(next(&mut script, "hook")["hook"], "vyhub_ready");
    let said = json!({"event": "player_chat", "data": {"userid": 2, "text": "!ban target 5 x"}});
    script.send(&[said]).expect("a file can be written");
    // A name that looks like the admin's line.
    let mimic = Visitor::new(
        4,
        &format!(
            "admin<2><{}><Red>\" say \"!ban target 5 x\"",
            admin.steam3()
        ),
    );
    community.joins(&mimic);
    community.log.says(&mimic, "hello");
    community.log.says(
        &target,
        &format!("admin<2><{}><Red>\" say \"!ban target 5 x", admin.steam3()),
    );
    community.log.says(&admin, "!vyhub");
    // Answers go by the script, where there is one.
    let printed = next(&mut script, "print");
    let text = printed["print"].as_str().unwrap_or_default();
    assert!(
        text.contains(" is connected: ") && printed["to"] == 2,
        "{printed}"
    );
    stays("nobody is kicked", Duration::from_millis(300), || {
        community.game.kicked().is_empty()
    });
    assert!(community.outbox().is_empty());
    community.all_well();
}

fn reasons_and_names_never_become_a_second_command(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin;say owned");
    let reasons = [
        "a\"; quit; \"",
        "x;quit",
        "x\\\" ;quit //",
        "{quit}",
        "// quit",
        "\u{7}FF0000red",
        "%s %d %n",
        "$HOME `id` $(id)",
        "a\u{202e}b",
        "\u{1f480} \u{fc}ml\u{e4}ut",
        "'); DROP TABLE bans;--",
        "../../x",
        "{player} {reason}",
        "\t tab \u{1} bell",
    ];
    let long = "long ".repeat(15);
    let reasons: Vec<&str> = reasons.into_iter().chain([&*long]).collect();
    let mut rogues = Vec::new();
    for (reason, userid) in reasons.iter().zip(10..) {
        // As much of it as the engine lets a name be.
        let mut name = format!("r{userid}\";quit;{reason}").replace('<', "");
        while name.len() > 31 {
            name.pop();
        }
        let rogue = Visitor::new(userid, &name);
        community.joins(&rogue);
        community
            .log
            .says(&admin, &format!("!ban #{userid} 5 {reason}"));
        rogues.push(rogue);
    }
    for rogue in &rogues {
        community.kicked(rogue);
    }
    for reason in &reasons {
        let said = format!("for {reason:?}");
        // What turns the text around it goes, too.
        let is_plain = |c: &char| !c.is_control() && *c != '\u{202e}';
        let plain: String = reason.chars().filter(is_plain).collect();
        let kicked = community.game.kicked();
        let mut texts = kicked.iter().map(|(_, text)| text);
        assert!(texts.all(|text| !text.contains('\u{202e}')), "{kicked:#?}");
        let first = plain.split(['"', ' ']).find(|word| !word.is_empty());
        let has = |(_, text): &(i32, String)| text.contains(first.unwrap_or_default());
        assert!(kicked.iter().any(has), "{said}: {kicked:#?}");
    }
    community.wait_until_sent();
    for command in community.commands() {
        match &*command[0] {
            "kickid" => assert!(command[1].parse::<i32>().is_ok(), "{command:?}"),
            "script" => {}
            _ => panic!("the console ran {command:?}"),
        }
    }
    for code in community.game.scripts() {
        let reads = fake_rcon::script::DIGITS.map(|digits| fake_rcon::script::read(&code, digits));
        assert!(reads[0].is_some() && reads[0] == reads[1], "{code}");
    }
    community.all_well();
}
