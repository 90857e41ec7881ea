//! VyHub is unreachable and vpid dies: what was decided in the game holds, and reaches VyHub once.

use std::fs;
use std::time::Duration;

use fake_vyhub::Fault;
use serde_json::json;
use vpid::game_side::stock::GameCall;

use crate::support::{Community, Random, Visitor, stays, wait_until};

/// The story of the whole thing.
#[test]
fn a_ban_that_is_given_while_vyhub_is_away_holds_through_a_kill_and_arrives_once() {
    let mut community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_vyhub("a user", |state| state.user(rogue.steam64()).is_some());
    let issuer = community
        .vyhub
        .with(|state| state.user(admin.steam64()).unwrap().id.clone());
    community.vyhub.pause();

    community.log.says(&admin, "!ban rogue permanent aimbot");
    let text = community.kicked_at_once(&rogue);
    assert!(
        text.contains("aimbot") && text.contains("by admin"),
        "{text}"
    );
    let [entry] = &community.outbox()[..] else {
        panic!("kicked before it was on disk: {:?}", community.outbox())
    };
    assert_eq!(entry["kind"], "ban", "{entry:#}");
    assert_eq!(entry["issuer"]["user"], json!(issuer), "{entry:#}");
    community.told(
        &admin,
        "rogue is banned here (permanent): aimbot. VyHub is unreachable",
    );
    community.log.leaves(&rogue);
    let again = rogue.again();
    community.stays_out(&again);

    community.vpid.kill();
    let (code, listed) = community.queue(&["list"]);
    assert!(code == Some(0) && listed.contains("rogue"), "{listed}");
    // By `status` alone: while vpid is dead.
    let last = again.again();
    community.enters(&last);
    community.start_away();
    let later = last.again();
    community.stays_out(&later);
    community.kicked(&last);
    assert!(community.vyhub.bans().is_empty());

    community.vyhub.resume();
    community.hurry();
    community.wait_until_sent();
    let bans = community.vyhub.bans();
    let [ban] = &bans[..] else {
        panic!("{bans:#?}")
    };
    assert_eq!(
        (
            &*ban.steam,
            ban.reason.as_deref(),
            ban.length_s,
            ban.creator.as_ref()
        ),
        (
            &*rogue.steam64().to_string(),
            Some("aimbot"),
            None,
            Some(&issuer)
        )
    );
    wait_until("nothing is left in the outbox", || {
        community.outbox().is_empty()
    });
    community.stays_out(&later.again());
    community.all_well();
}

#[test]
fn rights_that_are_known_from_earlier_hold_while_vyhub_is_away_and_others_do_not() {
    let mut community = Community::new().started();
    let admin = community.admin(2, "admin");
    let stranger = Visitor::new(4, "stranger");
    community.member(&stranger, &[("ban_edit", true)], None);
    let rogue = Visitor::new(3, "rogue");
    community.vpid.stop();
    community.vyhub.pause();
    community.start_away();
    community.log.connects(&admin);
    community.joins(&stranger);
    community.joins(&rogue);
    community.log.says(&stranger, "!ban rogue 5 x");
    community.told(&stranger, "Your rights are not known yet");
    assert!(community.outbox().is_empty());
    community.log.says(&rogue, "!vyhub");
    community.told(&rogue, "VyHub has been away for 1 min.");
    community.log.says(&admin, "!ban rogue 5 x");
    community.kicked_at_once(&rogue);
    community.vyhub.resume();
    community.hurry();
    community.wait_until_sent();
    assert_eq!(community.vyhub.bans().len(), 1);
    community.all_well();
}

#[test]
fn without_vyhub_a_server_is_ready_by_what_it_knew_and_else_when_vyhub_is_there() {
    let mut community = Community::new();
    let rogue = Visitor::new(2, "rogue");
    let user = community.vyhub.add_user(rogue.steam64(), "rogue", false);
    community.vyhub.add_ban(&user, "kept", Some(86_400));
    community.start();
    community.vpid.kill();
    community.vyhub.pause();
    community.start_away();
    community.vpid.wait_for_log("it goes on with what it knew");
    community.stays_out(&rogue);
    community.vpid.kill();
    // Without anything from before, nobody is looked at; and it is no reason to end.
    fs::remove_dir_all(community.vpid.path("state/vyhub")).unwrap();
    community.vpid.start();
    community
        .vpid
        .wait_for_log("no bans are known until it works");
    let again = rogue.again();
    community.joins(&again);
    stays("nobody is kicked", Duration::from_millis(200), || {
        community.kicks(again.userid) == 0
    });
    community.all_well();
}

#[test]
fn a_call_that_comes_back_after_a_kill_bans_once() {
    let mut community =
        Community::configured(|vpid| vpid.signed().permission("\"ranked.nut\" = [\"VYHUB_Ban\"]"));
    let rogue = Visitor::new(3, "rogue");
    community.start();
    community.vyhub.pause();
    let mut host = community.vpid.host("my_server");
    host.ping();
    community.vpid.at_rest();
    // Its answer has no room, so its file stays.
    fs::write(host.input_path(), "somebody else's").unwrap();
    let kwargs = json!({"player": rogue.steam3(), "reason": "left", "minutes": 60});
    let call = GameCall::new("ranked.nut", "VYHUB_Ban", kwargs);
    let tokens = host.send(&[call]).unwrap();
    let entry = community.wait_for_entry("the ban", |entry| entry["kind"] == "ban");
    for _ in 0..2 {
        community.vpid.kill();
        assert!(
            community
                .vpid
                .files()
                .iter()
                .any(|name| name.ends_with(".taken"))
        );
        let file = fs::File::options()
            .append(true)
            .open(host.input_path())
            .unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
        community.start_away();
    }
    host.empty().unwrap();
    let answer = host.answers(&tokens).remove(0);
    assert_eq!(answer["queued"], json!(entry["id"].to_string()), "{answer}");
    assert_eq!(community.outbox().len(), 1);
    community.vyhub.resume();
    community.hurry();
    community.wait_until_sent();
    let bans = community.vyhub.bans();
    assert_eq!(
        (bans.len(), bans[0].creator.as_ref()),
        (1, None),
        "{bans:#?}"
    );
    community.all_well();
}

/// Bans, warnings and unbans while requests fail at random and vpid is killed at random.
#[test]
fn through_random_faults_and_kills_no_ban_is_lost_or_doubled() {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    let mut random = Random::new(seed);
    let mut community = Community::new().started();
    let admin = community.admin(2, "admin");
    let mut given = Vec::new();
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfterApplying,
        Fault::CloseAfterApplying,
        Fault::CutJson,
    ];
    community.vyhub.faults.random_of(seed, 300, &faults);
    let mut number = 0;
    for _ in 0..16 {
        for _ in 0..1 + random.below(3) {
            number += 1;
            let kind = ["ban", "warn"][random.below(2) as usize];
            let target = Visitor::new(10 + number, &format!("target{number}"));
            community.log.connects(&target);
            let length = if kind == "ban" { " 60" } else { "" };
            let text = format!("!{kind} #{}{length} reason {number}", target.userid);
            community.log.says(&admin, &text);
            let steam = target.steam64().to_string();
            // What was not on disk before the kill was never given.
            let is_it = |entry: &serde_json::Value| entry["steam"] == json!(steam);
            community.wait_for_entry("it is taken", is_it);
            given.push((kind, target));
        }
        std::thread::sleep(Duration::from_millis(random.below(250)));
        community.vpid.kill();
        community.start_away();
        community.log.connects(&admin);
    }
    community.vyhub.faults.clear();
    wait_until("all was sent", || {
        community.hurry();
        std::thread::sleep(Duration::from_millis(200));
        community
            .outbox()
            .iter()
            .all(|entry| entry["state"] == "done")
    });
    for (kind, target) in &given {
        let of = |steam: &str| steam == target.steam64().to_string();
        let count = match *kind {
            "ban" => community
                .vyhub
                .bans()
                .iter()
                .filter(|ban| of(&ban.steam))
                .count(),
            _ => community
                .vyhub
                .warnings()
                .iter()
                .filter(|one| of(&one.steam))
                .count(),
        };
        assert_eq!(count, 1, "{kind} of {target:?}, VPID_SEED={seed}");
    }
    let all = community.vyhub.bans().len() + community.vyhub.warnings().len();
    assert_eq!(all, given.len(), "VPID_SEED={seed}");
    community.all_well();
}
