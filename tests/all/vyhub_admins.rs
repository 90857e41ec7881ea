//! Admins who write commands into the chat: what they get, and who gets nothing.

use std::time::Duration;

use fake_rcon::Player;
use serde_json::json;
use vpid::game_side::signed::SignedGame;

use crate::support::{ALL_RIGHTS, Community, PATIENCE, Visitor, stays, wait_for};

#[test]
fn an_admin_bans_by_chat_and_lifts_it_again() {
    let community = Community::new().started();
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
    let bans = community.vyhub.bans_of(rogue.steam64());
    let [ban] = &bans[..] else {
        panic!("{bans:#?}")
    };
    let issuer = community
        .vyhub
        .with(|state| state.user(admin.steam64()).unwrap().id.clone());
    assert_eq!(
        (
            ban.reason.as_deref(),
            ban.length_s,
            ban.creator.as_ref(),
            &*ban.status
        ),
        (
            Some("aimbot on upward"),
            Some(7_200.0),
            Some(&issuer),
            "ACTIVE"
        )
    );
    assert_eq!(ban.bundle, Some(community.vyhub.bundle_id()));
    let again = rogue.again();
    community.stays_out(&again);

    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned any more.");
    let lifted = &community.vyhub.bans_of(rogue.steam64())[0];
    assert_eq!(lifted.status, "UNBANNED");
    let free = again.again();
    community.stays_in(&free);
    community
        .log
        .says(&admin, &format!("!unban {}", rogue.steam3()));
    community.told(&admin, "rogue is not banned.");
    community.all_well();
}

#[test]
fn a_ban_that_waits_is_lifted_before_vyhub_ever_heard_of_it() {
    let mut community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_vyhub("a user", |state| state.user(rogue.steam64()).is_some());
    community.vyhub.pause();
    community.log.says(&admin, "!ban rogue permanent temper");
    community.kicked_at_once(&rogue);
    community.told(&admin, "VyHub is unreachable and will get it later.");
    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned here any more.");
    let again = rogue.again();
    community.stays_in(&again);
    community.vyhub.resume();
    community.wait_until_sent();
    let bans = community.vyhub.bans_of(rogue.steam64());
    assert_eq!((bans.len(), &*bans[0].status), (1, "UNBANNED"), "{bans:#?}");
    assert_eq!(community.kicks(again.userid), 0);
    community.all_well();
}

#[test]
fn who_was_banned_under_a_name_of_the_game_is_unbanned_by_it() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.vyhub.add_user(rogue.steam64(), "Robert", false);
    community.joins(&rogue);
    community.log.says(&admin, "!ban rogue 5 x");
    community.kicked_at_once(&rogue);
    community.told(&admin, "rogue is banned");
    community.wait_until_sent();
    community.log.says(&admin, "!unban rogue");
    community.told(&admin, "rogue is not banned any more.");
    community.all_well();
}

#[test]
fn warnings_are_given_and_listed_and_vyhub_answers_how_it_is() {
    let community = Community::new().started();
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
    let warnings = community.vyhub.warnings();
    let issuer = community
        .vyhub
        .with(|state| state.user(admin.steam64()).unwrap().id.clone());
    assert_eq!(
        (
            warnings.len(),
            warnings[0].reason.as_deref(),
            warnings[0].creator.as_ref()
        ),
        (1, Some("mind your language"), Some(&issuer))
    );
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
    community.told(&admin, "VyHub is connected: Fake bundle, ");
    community.told(&admin, "https://fake.vyhub.example/server-dashboard/");
    community.all_well();
}

#[test]
fn what_is_not_clear_is_asked_back_and_does_nothing() {
    let community = Community::new().started();
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
    community.told(&admin, "VyHub is connected");
    assert!(community.outbox().is_empty() && community.game.kicked().is_empty());
    assert!(community.vyhub.bans().is_empty() && community.vyhub.warnings().is_empty());
    community.all_well();
}

#[test]
fn who_may_not_is_told_so_and_nothing_happens() {
    let community = Community::new();
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
    let top = community.vyhub.add_group("top", 99, &ALL_RIGHTS, None);
    let user = community.vyhub.add_user(boss.steam64(), "boss", false);
    community.vyhub.put_in_group(&user, &top);
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
    assert_eq!(community.vyhub.bans().len(), 1);
    community.all_well();
}

#[test]
fn nobody_can_pretend_to_be_an_admin() {
    let community = Community::configured(|vpid| vpid.signed()).started();
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
        text.contains("VyHub is connected") && printed["to"] == 2,
        "{printed}"
    );
    stays("nobody is kicked", Duration::from_millis(300), || {
        community.game.kicked().is_empty()
    });
    assert!(community.outbox().is_empty());
    community.all_well();
}

#[test]
fn reasons_and_names_never_become_a_second_command() {
    let community = Community::new().started();
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
        let plain: String = reason.chars().filter(|c| !c.is_control()).collect();
        let kicked = community.game.kicked();
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
