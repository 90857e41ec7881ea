//! A community that is kept in a database, by the built program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Community, Keeper, Visitor, Vpid, stays, wait_until};

/// A change shows within five seconds; on a machine that does much else, within this.
const SEEN: Duration = Duration::from_secs(20);

#[test]
fn a_community_in_a_database_bans_under_either_name_and_never_names_vyhub() {
    let vpid = Vpid::new()
        .hostnames(&["one"])
        .server_line("community_name = 'Payload #1'")
        .permission("\"test.nut\" = [\"COMMUNITY_*\"]")
        .queries("[community]\ntype = \"local\"\n")
        .started();
    vpid.wait_for_log("one: ready, as server");
    let mut host = vpid.host("one");
    let server = host.ask_as("test.nut", "COMMUNITY_GetServer", Value::Null);
    assert_eq!(server["name"], "Payload #1", "{server}");
    let whom = json!({"player": "[U:1:6]"});
    let mut is_banned = |function| {
        let answer = host.ask_as("test.nut", function, whom.clone());
        let answer = answer["banned"].as_bool();
        answer.unwrap_or_else(|| panic!("no answer of {function}"))
    };
    assert!(!is_banned("COMMUNITY_IsBanned"));
    let mut host = vpid.host("one");
    let order = json!({"player": "[U:1:6]", "minutes": 60, "reason": "aimbot"});
    let refused = host.ask_as("other.nut", "VYHUB_Ban", order.clone());
    assert!(
        refused.as_str().unwrap().contains("PermissionError"),
        "{refused}"
    );
    // Its permission names the other name.
    let banned = host.ask_as("test.nut", "VYHUB_Ban", order);
    assert!(!banned.to_string().contains("ERROR"), "{banned}");
    vpid.wait_for_log("is in the community's database");
    for function in ["VYHUB_IsBanned", "COMMUNITY_IsBanned"] {
        wait_until("the ban is in force", || is_banned(function));
    }
    assert!(!vpid.log().contains("VyHub"), "{}", vpid.log());
    assert!(vpid.path("state/community-outbox").is_dir());
    assert!(!vpid.path("state/outbox").exists());
}

#[test]
fn an_advert_without_text_takes_no_turn() {
    let configure = |vpid: Vpid| vpid.community_line("advert_interval_s = 1");
    let mut community = Community::kept_by_and(Keeper::Sqlite, configure);
    for text in ["<red></red>", "Be kind.", "<blue> </blue>"] {
        community.add_advert(text, "FF8800");
    }
    community.start();
    community.joins(&Visitor::new(2, "player"));
    let texts = || {
        let shown = community.game.shown();
        let all = shown.iter().filter(|shown| shown.to.is_none());
        all.map(|shown| shown.text.clone()).collect::<Vec<_>>()
    };
    wait_until("adverts are shown", || texts().len() >= 3);
    for text in texts() {
        assert_eq!(text, "\x07FF8800[\u{2605}] Be kind.");
    }
    community.all_well();
}

/// Of the game's 24 slots, 22 are reserved by an option that an operator sets while vpid runs.
#[test]
fn an_option_of_a_server_holds_within_seconds() {
    let named = |vpid: Vpid| vpid.signed().server_line("community_name = 'Payload #1'");
    let community = Community::kept_by_and(Keeper::Sqlite, named).started();
    let admin = community.admin(2, "admin");
    let guest = Visitor::new(3, "guest");
    community.joins(&guest);
    community.wait_for_user(&guest);
    let edit =
        |option: &str| community.operator(&["server", "edit", "Payload #1", "--set", option]);
    edit("res_slots=22");
    let mut host = community.vpid.host("my_server");
    wait_until("scripts read it", || {
        let server = host.ask("COMMUNITY_GetServer", Value::Null);
        server["extra"] == json!({"res_slots": 22})
    });
    assert_eq!(
        community.kicks(guest.userid),
        0,
        "there are two slots for all"
    );
    edit("res_slots=23");
    let text = community.kicked(&guest);
    assert!(text.contains("the last slots are reserved"), "{text}");
    assert_eq!(community.kicks(admin.userid), 0);
    community.all_well();
}

#[test]
fn a_banned_address_keeps_out_who_comes_from_it_until_it_is_lifted() {
    let mut community = Community::kept_by(Keeper::Sqlite).started();
    let admin = community.admin(2, "admin");
    let [rogue, other] = [3, 4].map(|userid| Visitor::new(userid, &format!("player {userid}")));
    community.joins_from(&rogue, "198.51.100.7:27005");
    community.joins_from(&other, "198.51.100.9:27005");
    community.wait_for_user(&other);
    let says = |community: &Community, text: &str| community.log.says(&admin, text);
    says(&community, "!banip 198.51.100.0/29 30 a farm of bots");
    let text = community.kicked(&rogue);
    assert!(
        text.contains("a farm of bots") && text.contains("by admin"),
        "{text}"
    );
    community.wait_until_sent();
    let rows = "SELECT JSON_OBJECT('range', range_text, 'issuer', issuer, 'length_s', length_s, \
                'is_lifted', lifted_us IS NOT NULL) FROM vpid_address_bans";
    let row = |is_lifted: i64| json!({"range": "198.51.100.0/29", "issuer": admin.steam64(), "length_s": 1_800, "is_lifted": is_lifted});
    assert_eq!(community.select(rows), [row(0)]);
    // Another account from there, also after a kill.
    community.vpid.kill();
    community.start();
    let another = Visitor::new(5, "another");
    community.joins_from(&another, "198.51.100.1:27005");
    community.kicked(&another);
    assert_eq!(community.kicks(other.userid), 0);
    community.log.connects(&admin);
    says(&community, "!unbanip 198.51.100.0/29");
    wait_until("it is lifted", || community.select(rows) == [row(1)]);
    let again = another.again();
    community.joins_from(&again, "198.51.100.1:27005");
    stays(
        "who is not banned is in",
        Duration::from_millis(300),
        || community.kicks(again.userid) == 0,
    );
    community.all_well();
}

#[test]
fn a_script_bans_and_looks_up_without_naming_one_of_several_servers() {
    let script = "import game\n\
        def ban(steam):\n    return game.ban(steam, 60, 'aimbot')\n\
        def user(steam):\n    return game.user(steam)\n";
    let vpid = Vpid::new()
        .hostnames(&["one", "two"])
        .script("bans", script)
        .queries("[community]\ntype = \"local\"\n")
        .started();
    vpid.wait_for_log("one: ready, as server");
    vpid.wait_for_log("two: ready, as server");
    vpid.run_all(&["bans"]);
    let whom = "76561197960265734";
    // A call of an operator is of no server.
    for function in ["bans.ban", "bans.user"] {
        let steam = json!({ "steam": whom }).to_string();
        let output = vpid.command(&["call", function, &steam]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{function}: {said}");
        let answer: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(answer["player"], whom, "{function}: {said}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn what_is_changed_anywhere_holds_on_all_servers_within_five_seconds() {
    let named = |name: &'static str| {
        move |vpid: Vpid| {
            let file = vpid.path("admins_simple.ini");
            std::fs::write(&file, "").expect("a file of admins");
            vpid.server_line(&format!("community_name = '{name}'"))
                .community_line("[community.groups.vip]\nsourcemod = '@VIP'")
                .community_line("[community.sourcemod]")
                .community_line(&format!("admins_simple = '{}'", file.display()))
        }
    };
    let one = Community::kept_by_and(Keeper::Mariadb, named("one"));
    let two = one.another(named("two")).started();
    let one = one.started();
    let admin = one.admin(2, "admin");
    let players = [3, 4, 5].map(|userid| Visitor::new(userid, &format!("player {userid}")));
    for community in [&one, &two] {
        players.iter().for_each(|who| community.joins(who));
    }
    two.wait_for_user(&players[2]);
    let [rogue, cheater, friend] = &players;
    let within_seconds = |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        wait_until(what, is_so);
        assert!(began.elapsed() < SEEN, "{what}: {:?}", began.elapsed());
    };
    one.log
        .says(&admin, &format!("!ban #{} 60 aimbot", rogue.userid));
    one.kicked(rogue);
    within_seconds("a ban holds on the other server", &|| {
        two.kicks(rogue.userid) > 0
    });
    one.operator(&[
        "ban",
        "add",
        &cheater.steam3(),
        "--reason",
        "by the operator",
    ]);
    within_seconds("an operator's ban holds on both", &|| {
        one.kicks(cheater.userid) > 0 && two.kicks(cheater.userid) > 0
    });
    one.operator(&["group", "add", "vip"]);
    one.operator(&["member", "add", &friend.steam3(), "vip"]);
    let is_vip = |community: &Community| {
        let (low, half) = (friend.account % 2, friend.account / 2);
        let text = std::fs::read_to_string(community.vpid.path("admins_simple.ini"));
        text.unwrap()
            .contains(&format!("\"STEAM_0:{low}:{half}\" \"@VIP\""))
    };
    within_seconds("a VIP is one on both", &|| is_vip(&one) && is_vip(&two));
    one.operator(&["member", "remove", &friend.steam3()]);
    within_seconds("and is one no more", &|| !is_vip(&one) && !is_vip(&two));
    two.operator(&["ban", "remove", &rogue.steam3()]);
    within_seconds("a ban is lifted on both", &|| {
        let list = |community: &Community| {
            std::fs::read(community.cached(&format!("bans-{}.bans", community.bundle_id())))
        };
        let has = |community: &Community| {
            let text = list(community).expect("a list");
            text.windows(6).any(|part| part == b"aimbot")
        };
        !has(&one) && !has(&two)
    });
    one.all_well();
    two.all_well();
}

#[test]
fn pages_and_logins_are_answered_with_a_sentence() {
    let community = Community::kept_by(Keeper::Sqlite).started();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    community.wait_for_user(&player);
    for (times, command) in (1..).zip(["!shop", "!news", "!user", "!dashboard"]) {
        community.log.says(&player, command);
        community.told_times(&player, "This community has no page for that.", times);
    }
    community.all_well();
}

/// The queue has forgotten them, the database is unreachable, and `kill -9` has cut the journal of the list in the middle of a
/// line.
#[cfg(feature = "mysql")]
#[test]
fn bans_that_are_in_the_journal_of_the_list_hold_after_a_kill_without_the_database() {
    let mut community = Community::kept_by(Keeper::LoneMariadb).started();
    let admin = community.admin(2, "admin");
    let rogues = [3, 4, 5].map(|userid| Visitor::new(userid, &format!("rogue{userid}")));
    for rogue in &rogues {
        community.joins(rogue);
        community.wait_for_user(rogue);
        let line = format!("!ban {} 60 aimbot", rogue.name);
        community.log.says(&admin, &line);
        community.kicked(rogue);
        community.wait_until_sent();
    }
    let outbox = community.vpid.path("state/community-outbox");
    wait_until("the list is on disk, and the queue is empty", || {
        std::fs::read_dir(&outbox).unwrap().count() == 0
    });
    let cache = std::fs::read_dir(community.vpid.path("state/community")).unwrap();
    let mut journals = cache.map(|entry| entry.unwrap().path());
    let journal = journals.find(|path| path.extension().is_some_and(|it| it == "changes"));
    let journal = journal.expect("a journal");
    community.vpid.kill();
    let mut lines = std::fs::read(&journal).unwrap();
    assert!(lines.iter().filter(|byte| **byte == b'\n').count() >= 3);
    lines.extend_from_slice(b"0123456789abcdef {\"gone\":[");
    std::fs::write(&journal, lines).unwrap();
    community.mariadb().freeze();
    community.vpid.start();
    for rogue in &rogues {
        community.joins(&rogue.again());
        community.kicked(&rogue.again());
    }
    community.mariadb().go_on();
    community.all_well();
}

/// A server that does not answer is an outage like any other, and nothing is written twice when it does.
#[cfg(feature = "mysql")]
#[test]
fn a_ban_in_front_of_a_frozen_server_holds_at_once_and_is_written_once() {
    let mut community = Community::kept_by(Keeper::LoneMariadb).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_user(&rogue);
    community.mariadb().freeze();
    community.log.says(&admin, "!ban rogue 60 aimbot");
    community.kicked_at_once(&rogue);
    community.wait_for_entry("it is on its way", |entry| entry["state"] == "sending");
    community.vpid.kill();
    community.vpid.start();
    community.joins(&rogue.again());
    community.kicked(&rogue.again());
    community.mariadb().go_on();
    community.hurry_until_sent();
    assert_eq!(community.bans().len(), 1);
    community.all_well();
}

#[test]
fn an_admin_gives_and_takes_groups_by_chat() {
    let commands = |vpid: Vpid| {
        vpid.community_line("[community.groups.vip]")
            .community_line("on_add = ['sm_vip %userid%']")
            .community_line("on_remove = ['sm_unvip %steamid64%']")
    };
    let community = Community::kept_by_and(Keeper::Sqlite, commands).started();
    for (name, level) in [("gold", 5), ("vip", 10), ("owner", 99)] {
        community.add_group(name, level, &[], None);
    }
    let admin = community.admin(2, "admin");
    let ann = Visitor::new(3, "ann");
    community.put_in_group(&ann, "gold");
    community.joins(&ann);
    community.told(&ann, "You are in the group gold now.");
    let says = |text: &str| community.log.says(&admin, text);
    says("!setgroup ann nonsense");
    community.told(&admin, "There is no group nonsense. There are: ");
    says("!setgroup ann owner");
    community.told(&admin, "The group owner ranks above you.");
    says("!setgroup ann vip 2h");
    community.told(&admin, "ann is in the group vip now (2 hours).");
    community.told(&ann, "You are in the group vip now.");
    says("!removegroup ann vip");
    community.told(&admin, "ann is no longer in vip.");
    community.told(&ann, "You are not in the group vip any more.");
    let ran = || {
        let commands = community.commands();
        let own = commands.iter().filter(|words| words[0].starts_with("sm_"));
        own.map(|words| words.join(" ")).collect::<Vec<_>>()
    };
    let expected = ["sm_vip 3".to_owned(), format!("sm_unvip {}", ann.steam64())];
    wait_until("the commands ran", || ran() == expected);
    community.wait_until_sent();
    let rows = community.select(&format!(
        "SELECT JSON_OBJECT('group', g.name, 'issuer', m.issuer, \
         'stands', m.end_us IS NULL OR m.end_us > {}) FROM vpid_members m JOIN vpid_groups g ON g.id = m.group_id \
         WHERE m.steam = {} ORDER BY g.name",
        jiff::Timestamp::now().as_microsecond(),
        ann.steam64()
    ));
    let [gold, vip] = &rows[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!([&gold["group"], &vip["group"]], ["gold", "vip"]);
    assert_eq!(vip["issuer"], admin.steam64(), "{vip}");
    // A player can be in several groups.
    assert_eq!([&gold["stands"], &vip["stands"]], [1, 0], "{rows:#?}");
    // Who has no right changes nothing.
    community.log.says(&ann, "!setgroup ann vip");
    community.told(&ann, "You have no right to use setgroup.");
    community.all_well();
}
