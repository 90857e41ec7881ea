//! Rewards of VyHub's shop: what a player has bought is executed once, whatever goes wrong on the way.

use std::time::Duration;

use fake_vyhub::{Fault, Page};
use serde_json::{Value, json};

use crate::support::{Community, Keeper, Visitor, Vpid, stays, wait_until, with_keepers};

with_keepers! {
    a_reward_that_a_kill_cut_short_is_unclear_and_executed_once_more_by_an_operator_alone: vyhub sqlite;
    what_was_executed_is_reported_in_spite_of_an_outage_and_a_kill: vyhub lone_mariadb;
    commands_that_the_owner_does_not_allow_are_shown_and_not_run: vyhub sqlite;
}

/// What commands of plugins ran, with their arguments.
fn ran(community: &Community) -> Vec<Vec<String>> {
    let mut ran = community.commands();
    ran.retain(|command| command[0].starts_with("sm_"));
    ran
}

/// `vpid rewards`: its exit code and what it said.
fn rewards(community: &Community, arguments: &[&str]) -> (Option<i32>, String) {
    let output = community.vpid.command(&[&["rewards"], arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn listed(community: &Community) -> Vec<Value> {
    let (code, text) = rewards(community, &["list", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list["rewards"].as_array().expect("a list").clone()
}

/// Somebody who has bought this, and is not on.
fn buyer(community: &Community, name: &str, command: &str) -> (Visitor, String) {
    let buyer = Visitor::new(5, name);
    if !community.is_vyhub() {
        community.add_group("buyers", 1, &[], None);
        community.put_in_group(&buyer, "buyers");
        let add = [
            "reward",
            "add",
            "Gold",
            "--group",
            "buyers",
            "--command",
            command,
        ];
        community.operator(&add);
        return (buyer, String::new());
    }
    let user = community.vyhub.add_user(buyer.steam64(), name, false);
    let reward = community.vyhub.add_reward(&user, "DIRECT", command);
    (buyer, reward)
}

/// Whether it is known to have been executed, once. `reward`: of VyHub's; in a database there is only one.
fn is_reported(community: &Community, reward: &str) -> bool {
    if community.is_vyhub() {
        return community.vyhub.reward(reward).executed_on == [community.vyhub.server_id()];
    }
    let executed = "SELECT JSON_OBJECT('count', COUNT(*)) FROM vpid_executed";
    community.select(executed) == [json!({"count": 1})]
}

#[track_caller]
fn wait_for_report(community: &Community, reward: &str) {
    wait_until("it is known that it was executed", || {
        is_reported(community, reward)
    });
}

#[track_caller]
fn wait_for_commands(community: &Community, count: usize) {
    wait_until("the game ran it", || ran(community).len() >= count);
}

/// Lists come with who comes: each of these is one.
#[track_caller]
fn fetched_again(community: &Community, who: &Visitor) -> Visitor {
    community.game.leave(who.userid);
    community.log.leaves(who);
    let path = "/packet/reward/applied/user";
    let again = who.again();
    let before = community.asked("GET", path);
    community.joins(&again);
    wait_until("the rewards were fetched", || {
        community.asked("GET", path) > before
    });
    again
}

#[test]
fn what_was_bought_is_executed_once_reported_and_executed_again_when_it_is_extended() {
    let community = Community::new().started();
    let hostile = "a\";sm_quit;//ü";
    let command = "sm_addvip \"%steamid64%\" %nick%; sm_say %packet_title% for %purchase_amount%";
    let (buyer, reward) = buyer(&community, hostile, command);
    community
        .vyhub
        .edit_reward(&reward, |reward| reward.reactivates = true);
    community.joins(&buyer);
    wait_for_report(&community, &reward);
    let steam = buyer.steam64().to_string();
    let name = "a';sm_quit;//ü";
    let expected = [
        vec!["sm_addvip", &steam, name],
        vec!["sm_say", "Gold", "for", "5.00 EUR"],
    ];
    assert_eq!(ran(&community), expected);
    let record = format!("{}-{reward}.json", community.vyhub.server_id());
    let record = community.vpid.path("state/rewards").join(record);
    let is = |state: &str| std::fs::read_to_string(&record).is_ok_and(|text| text.contains(state));
    // Only a list that is requested after that says anything.
    wait_until("the report is acknowledged", || is("\"acknowledged\""));
    let again = fetched_again(&community, &buyer);
    wait_until("it is remembered as not listed any more", || {
        is("\"settled\"")
    });
    assert_eq!(ran(&community).len(), 2);
    community.vyhub.extend_reward(&reward);
    fetched_again(&community, &again);
    wait_for_report(&community, &reward);
    assert_eq!(ran(&community).len(), 4);
    assert_eq!(community.asked("PATCH", "/packet/reward/applied/"), 2);
    community.all_well();
}

fn a_reward_that_a_kill_cut_short_is_unclear_and_executed_once_more_by_an_operator_alone(
    keeper: Keeper,
) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let (buyer, reward) = buyer(&community, "buyer", "sm_addvip %steamid64%");
    community.game.delay("sm_addvip", Duration::from_secs(3));
    community.joins(&buyer);
    wait_for_commands(&community, 1);
    community.vpid.kill();
    for _ in 0..2 {
        community.start();
        community.vpid.wait_for_log("is unclear");
        let shown = wait_for_unclear(&community);
        if community.is_vyhub() {
            assert_eq!(shown["id"], json!(reward), "{shown:#}");
        }
        assert_eq!(shown["player"], "buyer", "{shown:#}");
        community.told(&admin, "vpid rewards list");
        assert_eq!(ran(&community).len(), 1, "it is not repeated by itself");
        community.vpid.kill();
    }
    community.start();
    assert!(!is_reported(&community, &reward));
    let shown = wait_for_unclear(&community);
    let (_, queue) = community.queue(&["list"]);
    assert!(queue.contains("1 reward is unclear"), "{queue}");
    let id = shown["id"].as_str().expect("an id");
    wait_until("it is listed, and the player known", || {
        rewards(&community, &["run", &id[..13]]).0 == Some(0)
    });
    wait_for_report(&community, &reward);
    assert_eq!(ran(&community).len(), 2);
    let (code, said) = rewards(&community, &["run", id]);
    assert!(code == Some(1) && said.contains("no open reward"), "{said}");
    community.all_well();
}

#[track_caller]
fn wait_for_unclear(community: &Community) -> Value {
    crate::support::wait_for("it is unclear", || {
        let mut listed = listed(community).into_iter();
        listed.find(|it| it["state"] == "unclear")
    })
}

fn what_was_executed_is_reported_in_spite_of_an_outage_and_a_kill(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let (buyer, reward) = buyer(&community, "buyer", "sm_addvip %steamid64%");
    let reports = ("PATCH", "/packet/reward/applied/");
    let busy = Fault::Status(503, Page::Json);
    community.vyhub.faults.always(reports, busy);
    community.game.delay("sm_addvip", Duration::from_secs(2));
    community.joins(&buyer);
    wait_for_commands(&community, 1);
    if !community.is_vyhub() {
        community.pause();
    }
    community.wait_for_entry("the report", |entry| entry["kind"] == "reward");
    if community.is_vyhub() {
        community.pause();
    }
    community.vpid.kill();
    community.start_away();
    let (_, queue) = community.queue(&["list"]);
    assert!(
        queue.contains("reward") && queue.contains("buyer"),
        "{queue}"
    );
    community.vyhub.faults.clear();
    community.resume();
    community.hurry_until_sent();
    wait_for_report(&community, &reward);
    assert_eq!(ran(&community).len(), 1);
    wait_until("the outbox has no report", || {
        let outbox = community.outbox();
        outbox.iter().all(|entry| entry["kind"] != "reward")
    });
    community.all_well();
}

#[test]
fn a_report_that_vyhub_refuses_is_dropped_and_the_reward_not_executed_again() {
    let community = Community::new().started();
    let (buyer, _) = buyer(&community, "buyer", "sm_addvip %steamid64%");
    let reports = ("PATCH", "/packet/reward/applied/");
    let unknown = Fault::Status(404, Page::Json);
    community.vyhub.faults.always(reports, unknown);
    community.joins(&buyer);
    community
        .vpid
        .wait_for_log("does not accept that the reward");
    wait_until("the outbox is empty", || community.outbox().is_empty());
    fetched_again(&community, &buyer);
    stays("it is not done again", Duration::from_millis(300), || {
        ran(&community).len() == 1 && community.asked("PATCH", "/packet/reward/applied/") == 1
    });
    community.all_well();
}

fn commands_that_the_owner_does_not_allow_are_shown_and_not_run(keeper: Keeper) {
    let allow = |vpid: Vpid| match keeper {
        Keeper::Vyhub => vpid.vyhub_line("[vyhub.rewards]\nallow = [\"sm_addvip *\"]"),
        _ => vpid.community_line("[community.rewards]\nallow = [\"sm_addvip *\"]"),
    };
    let community = Community::kept_by_and(keeper, allow).started();
    let (buyer, reward) = buyer(&community, "buyer", "sm_addvip %steamid64%; sm_rcon quit");
    community.joins(&buyer);
    community.vpid.wait_for_log("no pattern of `allow`");
    let (_, shown) = rewards(&community, &["list"]);
    for part in [&reward, "buyer", "failed", "sm_rcon quit"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(ran(&community), Vec::<Vec<String>>::new());
    // An operator can say that it is done.
    let id = listed(&community)[0]["id"].clone();
    let (code, said) = rewards(&community, &["skip", id.as_str().expect("an id")]);
    assert_eq!(code, Some(0), "{said}");
    wait_for_report(&community, &reward);
    assert_eq!(ran(&community), Vec::<Vec<String>>::new());
    community.all_well();
}

#[test]
fn a_server_of_the_type_source_gets_no_rewards_of_vpid_and_the_check_says_so() {
    let community = Community::new();
    community.vyhub.set_server_type("SOURCE");
    let community = community.started();
    let (buyer, _) = buyer(&community, "buyer", "sm_addvip %steamid64%");
    community.vpid.wait_for_log("no rewards are executed here");
    community.joins(&buyer);
    community.wait_for_vyhub("a user", |state| state.user(buyer.steam64()).is_some());
    stays("nothing is fetched", Duration::from_millis(300), || {
        community.asked("GET", "/packet/reward/") == 0 && ran(&community).is_empty()
    });
    community.all_well();
    let check = community.vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("vpid executes no rewards"), "{said}");
}
