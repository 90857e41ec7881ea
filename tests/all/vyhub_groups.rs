//! VyHub's groups in the game: a purchase makes a VIP, SourceMod's file, and groups that are given from the game.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fake_vyhub::Fault;
use serde_json::json;

use crate::support::{Community, Keeper, Visitor, Vpid, stays, wait_until, with_keepers};

with_keepers! {
    a_purchase_makes_a_vip_within_a_minute_and_its_end_ends_it: vyhub sqlite lone_mariadb;
    a_group_that_a_script_gives_in_an_outage_is_given_once: vyhub sqlite lone_mariadb;
    a_damaged_block_of_sourcemods_file_is_left_alone_and_said: vyhub sqlite;
    what_the_owner_writes_into_sourcemods_file_stays: vyhub sqlite;
    sourcemods_file_that_is_not_there_is_not_made: vyhub sqlite;
}

const BEGIN: &str = "// vpid begins: what stands from here to the end is made from VyHub's groups";
const END: &str = "// vpid ends";
const OWNERS: &str = "// my admins\n\"STEAM_0:1:16\" \"99:z\"\n";

/// With commands for the group `vip`, and a file of SourceMod's admins.
fn community(keeper: Keeper) -> Community {
    let (table, line): (_, fn(Vpid, &str) -> Vpid) = match keeper {
        Keeper::Vyhub => ("vyhub", Vpid::vyhub_line),
        _ => ("community", Vpid::community_line),
    };
    Community::kept_by_and(keeper, |vpid| {
        let file = vpid.path("admins_simple.ini");
        fs::write(&file, OWNERS).expect("a file of admins");
        let lines = [
            &format!("[{table}.groups.vip]"),
            "on_add = ['sm_vip %userid% \"%nick%\"']",
            "on_remove = ['sm_unvip %steamid64%']",
            "sourcemod = '@VIP'",
            &format!("[{table}.sourcemod]"),
            &format!("admins_simple = '{}'", file.display()),
        ];
        let vpid = vpid.signed().permission("\"groups.nut\" = [\"VYHUB_*\"]");
        lines.into_iter().fold(vpid, line)
    })
}

fn admins_file(community: &Community) -> PathBuf {
    community.vpid.path("admins_simple.ini")
}

fn admins(community: &Community) -> String {
    fs::read_to_string(admins_file(community)).expect("the file of admins")
}

/// SourceMod's file with these players of the group.
fn file_with(players: &[&Visitor]) -> String {
    let mut lines = String::new();
    for who in players {
        let (low, half) = (who.account % 2, who.account / 2);
        lines += &format!("\"STEAM_0:{low}:{half}\" \"@VIP\"\n");
    }
    format!("{OWNERS}{BEGIN}\n{lines}{END}\n")
}

/// What vpid has kept of players and groups.
fn kept(community: &Community) -> String {
    let name = format!("groups-{}.json", community.bundle_id());
    fs::read_to_string(community.cached(&name)).unwrap_or_default()
}

/// What the console ran for groups.
fn ran(community: &Community) -> Vec<String> {
    let commands = community.commands();
    let own = commands.iter().filter(|words| words[0].ends_with("vip"));
    own.map(|words| words.join(" ")).collect()
}

fn reloads(community: &Community) -> usize {
    let commands = community.commands();
    commands
        .iter()
        .filter(|words| words[0] == "sm_reloadadmins")
        .count()
}

/// A player who is known there.
fn known(community: &Community, userid: i32, name: &str) -> Visitor {
    let visitor = Visitor::new(userid, name);
    community.add_user(&visitor);
    visitor
}

/// The group that is called `vip` in games.
fn add_vip(community: &Community) -> &'static str {
    match community.is_vyhub() {
        true => {
            community
                .vyhub
                .add_mapped_group("VIP of the shop", 10, "vip");
            "VIP of the shop"
        }
        false => {
            community.add_group("vip", 10, &[], None);
            "vip"
        }
    }
}

#[track_caller]
fn nothing_wrong(community: &Community) {
    let violations = community.vyhub.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    community.leaves_vyhub_alone();
}

fn a_purchase_makes_a_vip_within_a_minute_and_its_end_ends_it(keeper: Keeper) {
    let mut community = community(keeper);
    let ann = known(&community, 3, "Ann \"x\"; quit");
    let vip = add_vip(&community);
    community.enters(&ann);
    community.start();
    community.wait_for_server("who is on was reported", |server| {
        server.players == [ann.steam64()]
    });
    assert_eq!(admins(&community), file_with(&[]));
    community.put_in_group_for(&ann, vip, Duration::from_secs(20));
    wait_until("Ann is a VIP", || !ran(&community).is_empty());
    assert_eq!(ran(&community), ["sm_vip 3 Ann 'x'; quit"]);
    community.told(&ann, "You are in the group vip now.");
    wait_until("SourceMod's file has Ann", || {
        admins(&community) == file_with(&[&ann])
    });
    wait_until("SourceMod was told", || reloads(&community) >= 2);
    let is_kept = || kept(&community).contains("\"applied\":{\"");
    wait_until("it is kept that this was applied", is_kept);
    // Another start runs nothing once more, and neither does another map.
    community.vpid.kill();
    community.start();
    community.log.line("Started map \"cp_granary\" (CRC \"0\")");
    // Its end is known, and comes without VyHub or the database.
    wait_until("the end is known", || kept(&community).contains("until_s"));
    community.pause();
    wait_until("Ann is no VIP any more", || ran(&community).len() > 1);
    let expected = [
        "sm_vip 3 Ann 'x'; quit".into(),
        format!("sm_unvip {}", ann.steam64()),
    ];
    assert_eq!(ran(&community), expected);
    wait_until("SourceMod's file has nobody", || {
        admins(&community) == file_with(&[])
    });
    nothing_wrong(&community);
}

#[test]
fn an_admin_gives_and_takes_groups_by_chat() {
    let community = community(Keeper::Vyhub).started();
    let gold = community.vyhub.add_mapped_group("Gold", 5, "gold");
    let vip = community.vyhub.add_mapped_group("VIP", 10, "vip");
    let owner = community.vyhub.add_mapped_group("Owner", 99, "owner");
    let admin = community.admin(2, "admin");
    let ann = known(&community, 3, "ann");
    community.put_in_group(&ann, "Gold");
    community.joins(&ann);
    wait_until("the groups are known", || {
        community
            .vpid
            .path("state/vyhub/group-definitions.json")
            .exists()
    });
    community.told(&ann, "You are in the group gold now.");
    let says = |text: &str| community.log.says(&admin, text);
    says("!setgroup ann nonsense");
    community.told(&admin, "VyHub has no group nonsense. It has: ");
    // Groups that were made since are known now.
    wait_until("the new groups are known", || {
        says("!setgroup ann Owner");
        let shown = community.game.shown();
        shown
            .iter()
            .any(|it| it.text.contains("The group Owner ranks above you."))
    });
    says("!setgroup ann VIP 2h");
    community.told(&admin, "ann is in the group VIP now (2 hours).");
    community.told(&ann, "You are in the group vip now.");
    community.told(&ann, "You are not in the group gold any more.");
    assert_eq!(ran(&community), ["sm_vip 3 ann"]);
    let steam = ann.steam64();
    let memberships = community.vyhub.with(|state| state.memberships_of(steam));
    let [old, new] = &memberships[..] else {
        panic!("{memberships:#?}")
    };
    assert!(old.group == gold && old.end.is_some(), "{old:?}");
    let length = new.end.expect("an end").duration_since(new.begin);
    assert_eq!((new.group.as_str(), length.as_secs()), (&*vip, 7_205));
    says("!removegroup ann vip");
    community.told(&admin, "ann is no longer in VIP.");
    community.told(&ann, "You are not in the group vip any more.");
    assert!(
        community
            .vyhub
            .with(|state| state.groups_now(steam))
            .is_empty()
    );
    community
        .vyhub
        .edit_group(&gold, |group| group.protected = true);
    says("!setgroup ann gold");
    community.told(
        &admin,
        "VyHub refused the group Gold for ann: VyHub answered 403",
    );
    let (_, listed) = community.queue(&["list"]);
    assert!(
        listed.contains("membership") && listed.contains("dead"),
        "{listed}"
    );
    // Who has no right changes nothing.
    community.log.says(&ann, "!setgroup ann vip");
    community.told(&ann, "You have no right to use setgroup.");
    assert!(
        !community
            .vyhub
            .with(|state| state.groups_now(steam))
            .contains(&owner)
    );
    nothing_wrong(&community);
}

#[test]
fn a_lost_reply_makes_no_second_membership() {
    let community = community(Keeper::Vyhub).started();
    let vip = community.vyhub.add_mapped_group("VIP", 10, "vip");
    let ann = known(&community, 3, "ann");
    community.joins(&ann);
    community.wait_for_vyhub("the groups were listed", |state| {
        state.requests_to("GET", "/group/") > 0
    });
    let faults = &community.vyhub.faults;
    faults.next(("POST", "/user/"), Fault::CloseAfterApplying);
    let mut host = community.vpid.host("my_server");
    let kwargs = json!({"player": ann.steam3(), "group": vip, "minutes": 5});
    wait_until("the group is known", || {
        let answer = host.ask_as("groups.nut", "VYHUB_SetGroup", kwargs.clone());
        answer["queued"].is_string()
    });
    let steam = ann.steam64();
    community.wait_for_vyhub("it was made", |state| {
        !state.memberships_of(steam).is_empty()
    });
    community.wait_until_sent();
    let memberships = community.vyhub.with(|state| state.memberships_of(steam));
    assert_eq!(memberships.len(), 1, "{memberships:#?}");
    let answer = host.ask_as("groups.nut", "VYHUB_RemoveGroup", json!({"player": 3}));
    assert!(answer["queued"].is_string(), "{answer}");
    community.wait_until_sent();
    assert!(
        community
            .vyhub
            .with(|state| state.groups_now(steam))
            .is_empty()
    );
    for function in ["VYHUB_SetGroup", "VYHUB_RemoveGroup"] {
        let answer = host.ask_as("other.nut", function, kwargs.clone());
        assert!(answer.to_string().contains("ermission"), "{answer}");
    }
    nothing_wrong(&community);
}

fn a_group_that_a_script_gives_in_an_outage_is_given_once(keeper: Keeper) {
    let mut community = community(keeper);
    add_vip(&community);
    let ann = known(&community, 3, "ann");
    community.joins(&ann);
    community.start();
    wait_until("the groups are known", || {
        let text = fs::read_to_string(community.cached("group-definitions.json"));
        text.is_ok_and(|text| text.to_lowercase().contains("vip"))
    });
    community.pause();
    let mut host = community.vpid.host("my_server");
    let kwargs = json!({"player": ann.steam3(), "group": "vip", "minutes": 5});
    let answer = host.ask_as("groups.nut", "VYHUB_SetGroup", kwargs);
    assert!(answer["queued"].is_string(), "{answer}");
    community.wait_for_entry("it waits", |entry| entry["kind"] == "membership");
    community.vpid.kill();
    community.start_away();
    community.resume();
    community.hurry_until_sent();
    assert_eq!(community.memberships_of(&ann), 1);
    let mut host = community.vpid.host("my_server");
    let kwargs = json!({"player": ann.steam3()});
    let answer = host.ask_as("groups.nut", "VYHUB_RemoveGroup", kwargs);
    assert!(answer["queued"].is_string(), "{answer}");
    community.hurry_until_sent();
    assert!(community.groups_of(&ann).is_empty());
    nothing_wrong(&community);
}

#[test]
fn a_key_that_may_not_list_who_is_on_is_said_once_and_groups_come_all_the_same() {
    let mut community = community(Keeper::Vyhub);
    community.vyhub.set_key_may_list(false);
    let ann = known(&community, 3, "ann");
    let vip = add_vip(&community);
    community.put_in_group(&ann, vip);
    community.enters(&ann);
    community.start();
    wait_until("Ann is a VIP", || ran(&community) == ["sm_vip 3 ann"]);
    community
        .vpid
        .wait_for_log("does not let this key list who is on");
    assert_eq!(community.vpid.log().matches("list who is on").count(), 1);
    nothing_wrong(&community);
}

fn a_damaged_block_of_sourcemods_file_is_left_alone_and_said(keeper: Keeper) {
    for damaged in [
        format!("{BEGIN}\n{OWNERS}"),
        format!("{OWNERS}{END}\n"),
        format!("{END}\n{OWNERS}{BEGIN}\n"),
        format!("{BEGIN}\n{END}\n{OWNERS}{BEGIN}\n{END}\n"),
    ] {
        let mut community = community(keeper);
        fs::write(admins_file(&community), &damaged).expect("a file of admins");
        let ann = known(&community, 3, "ann");
        let vip = add_vip(&community);
        community.put_in_group(&ann, vip);
        community.enters(&ann);
        community.start();
        community
            .vpid
            .wait_for_log("SourceMod's admins stay as they were");
        wait_until("Ann is a VIP", || ran(&community) == ["sm_vip 3 ann"]);
        stays("the file is as it was", Duration::from_millis(200), || {
            admins(&community) == damaged
        });
        let output = community.vpid.command(&["check"]);
        let checked = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(checked.contains("SourceMod: "), "{checked}");
        assert!(checked.contains("remove"), "{checked}");
    }
}

fn what_the_owner_writes_into_sourcemods_file_stays(keeper: Keeper) {
    let mut community = community(keeper);
    let ann = known(&community, 3, "ann");
    let vip = add_vip(&community);
    community.put_in_group(&ann, vip);
    community.enters(&ann);
    community.start();
    wait_until("SourceMod's file has Ann", || {
        admins(&community) == file_with(&[&ann])
    });
    let more = "\"STEAM_0:0:7\" \"b\"";
    fs::write(admins_file(&community), file_with(&[&ann]) + more).expect("a file of admins");
    wait_until("Ann is a VIP", || !ran(&community).is_empty());
    community.vpid.stop();
    community.take_out_of_groups(&ann);
    community.start();
    wait_until("Ann is no VIP any more", || {
        ran(&community).len() == 2 && admins(&community) == file_with(&[]) + more
    });
    nothing_wrong(&community);
}

fn sourcemods_file_that_is_not_there_is_not_made(keeper: Keeper) {
    let mut community = community(keeper);
    fs::remove_file(admins_file(&community)).expect("a file of admins");
    community.start();
    community
        .vpid
        .wait_for_log("could not be read: No such file");
    assert!(!admins_file(&community).exists());
}
