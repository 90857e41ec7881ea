//! What VyHub refuses, and what goes wrong on the way to it: nothing is lost and nothing doubled.

use fake_vyhub::{Fault, Page, RetryAfter};

use crate::support::{Community, Keeper, Visitor, wait_until, with_keepers};

with_keepers! {
    what_is_refused_for_its_issuer_is_lifted_kept_and_told: vyhub sqlite lone_mariadb;
    a_user_whom_vyhub_has_forgotten_is_made_anew_and_banned_once: vyhub sqlite;
    a_ban_that_hangs_when_vpid_is_killed_stands_once: vyhub sqlite lone_mariadb;
}

/// The id of the only entry, as `vpid queue` knows it.
fn only_id(community: &Community) -> String {
    let outbox = community.outbox();
    let [entry] = &outbox[..] else {
        panic!("{outbox:#?}")
    };
    entry["id"].to_string()
}

fn what_is_refused_for_its_issuer_is_lifted_kept_and_told(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let [rogue, other] = [Visitor::new(3, "rogue"), Visitor::new(4, "other")];
    community.joins(&rogue);
    community.joins(&other);
    loses_rights_while_ordering(&mut community, &admin, &rogue);
    community.told(
        &admin,
        community.either(
            "VyHub refused the ban of rogue: VyHub answered 403",
            "The database refused the ban of rogue: admin has no group with ban_edit any more",
        ),
    );
    community.log.leaves(&rogue);
    community.stays_in(&rogue.again());
    assert!(community.bans().is_empty());
    community.log.says(&admin, "!ban other 1h x");
    community.told(&admin, "You have no right to use ban.");

    let entry = only_id(&community);
    let (code, listed) = community.queue(&["list"]);
    assert!(
        code == Some(0) && listed.contains(&entry) && listed.contains("dead"),
        "{listed}"
    );
    let shown = community.queue(&["show", &entry]);
    let (code, said) = &shown;
    let why = community.either("403", "no group with ban_edit");
    for part in ["rogue", "aimbot", "admin", why] {
        assert!(*code == Some(0) && said.contains(part), "{part}: {said}");
    }
    community.vpid.stop();
    assert_eq!(community.queue(&["show", &entry]).0, Some(0));
    assert!(community.queue(&["list"]).1.contains("dead"));
    assert_eq!(community.queue(&["retry", &entry]).0, Some(1));
    community.start();
    // It stays dead.
    community.stays_in(&rogue.again().again());
    community.member(
        &Visitor {
            name: "again".into(),
            ..admin.clone()
        },
        &[("ban_edit", true)],
        None,
    );
    assert_eq!(community.queue(&["retry", &entry]).0, Some(0));
    community.kicked(&rogue.again().again());
    community.wait_until_sent();
    assert_eq!(community.bans().len(), 1);
    community.all_well();
}

/// Bans while somebody takes the rights away on a page, and vpid does not know of it yet.
fn loses_rights_while_ordering(community: &mut Community, admin: &Visitor, rogue: &Visitor) {
    if community.is_vyhub() {
        community.take_out_of_groups(admin);
        community.log.says(admin, "!ban rogue 1h aimbot");
        community.kicked_at_once(rogue);
        return;
    }
    // Databases report changes, so this one is unreachable.
    community.wait_for_user(rogue);
    community.pause();
    community.log.says(admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(rogue);
    community.vpid.kill();
    community.resume();
    community.take_out_of_groups(admin);
    community.start_away();
    community.log.connects(admin);
}

#[test]
fn what_makes_no_sense_to_vyhub_is_a_dead_letter_that_can_be_dropped() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community
        .vyhub
        .faults
        .next(("POST", "/ban/"), Fault::Status(422, Page::Json));
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.told(&admin, "VyHub refused the ban of rogue: VyHub answered 422");
    community.stays_in(&rogue.again());
    community.log.says(&admin, "!vyhub");
    community.told(&admin, "Queue: 0 waiting, 1 refused.");
    let entry = only_id(&community);
    assert_eq!(community.queue(&["drop", &entry]).0, Some(0));
    wait_until("its file is gone", || community.outbox().is_empty());
    assert!(community.queue(&["list"]).1.contains("Nothing waits"));
    assert_eq!(community.queue(&["drop", &entry]).0, Some(1));
    assert!(community.vyhub.bans().is_empty());
    community.all_well();
}

#[test]
fn while_the_key_is_wrong_everything_is_held_and_shouted_about() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_vyhub("a user", |state| state.user(rogue.steam64()).is_some());
    let key = community.vyhub.key();
    community.vyhub.set_key("another-key-that-is-right-now");
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(&rogue);
    community.vpid.wait_for_log("VyHub refuses the key (at ");
    let entry = community.wait_for_entry("it is held", |entry| entry["state"] == "held");
    assert!(community.queue(&["list"]).1.contains("held"));
    community.stays_out(&rogue.again());
    community.log.says(&admin, "!vyhub");
    community.told(&admin, "VyHub refuses this server");
    let posts = community.asked("POST", "/ban/");
    community.vyhub.set_key(&key);
    assert_eq!(
        community.queue(&["retry", &entry["id"].to_string()]).0,
        Some(0)
    );
    community.wait_until_sent();
    assert_eq!(
        (
            community.vyhub.bans().len(),
            community.asked("POST", "/ban/")
        ),
        (1, posts + 1)
    );
    community.told(&admin, "rogue is banned (1 hour): aimbot");
    community.all_well();
}

#[test]
fn a_key_without_the_right_to_act_for_others_holds_and_kills_nothing() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.vyhub.set_key_may_morph(false);
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.wait_for_entry("it is held", |entry| entry["state"] == "held");
    community.vpid.wait_for_log("user_morph");
    community.stays_out(&rogue.again());
    community.vyhub.set_key_may_morph(true);
    community.hurry_until_sent();
    assert_eq!(community.vyhub.bans().len(), 1);
    community.all_well();
}

fn a_user_whom_vyhub_has_forgotten_is_made_anew_and_banned_once(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_user(&rogue);
    community.log.says(&admin, "!warns rogue");
    community.told(&admin, "rogue has no warnings.");
    community.remove_user(&rogue);
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(&rogue);
    community.hurry_until_sent();
    let bans = community.bans_of(&rogue);
    assert_eq!(bans.len(), 1, "{bans:#?}");
    assert!(community.users().contains(&rogue.steam64()));
    if community.is_vyhub() {
        assert_eq!(
            community.vyhub.bans()[0].user,
            community.user_id(&rogue),
            "of the user that was made last"
        );
    }
    community.all_well();
}

#[test]
fn vyhub_is_not_asked_sooner_than_it_wants() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    let slow_down = Fault::TooManyRequests(RetryAfter::Seconds(3));
    community.vyhub.faults.next(("POST", "/ban/"), slow_down);
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(&rogue);
    // Not even for an operator.
    community.hurry_until_sent();
    let of_bans = |requests: &[fake_vyhub::RequestRecord]| {
        let posts = requests
            .iter()
            .filter(|one| one.method == "POST" && one.path.starts_with("/ban/"));
        posts.map(|one| one.at).collect::<Vec<_>>()
    };
    let at = of_bans(&community.vyhub.requests());
    let [first, second] = at[..] else {
        panic!("{at:?}")
    };
    let apart = second.duration_since(first).as_secs_f64();
    assert!(apart >= 3.0, "asked again after {apart} s");
    assert_eq!(community.vyhub.bans().len(), 1);
    community.all_well();
}

/// Whatever becomes of a request, the change stands there once in the end.
#[test]
fn each_fault_before_and_after_applying_leaves_one_ban_and_one_warning() {
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfterApplying,
        Fault::CloseAfterApplying,
        Fault::Status(500, Page::Json),
        Fault::Status(502, Page::Html),
        Fault::Status(503, Page::Empty),
        Fault::StatusAfterApplying(500, Page::Json),
        Fault::StatusAfterApplying(504, Page::Html),
        Fault::TooManyRequests(RetryAfter::Missing),
        Fault::Html200,
        Fault::CutJson,
        Fault::CutChunked,
        Fault::InvalidJson,
        Fault::WrongContentType,
        Fault::ClockSkew(7_200_000),
    ];
    // Each has a vpid of its own, since what is not clear is looked at only when VyHub must have finished.
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || leaves_one_ban_and_one_warning(&fault));
        }
    });
}

fn leaves_one_ban_and_one_warning(fault: &Fault) {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let mut userid = 10;
    for (kind, length) in [("ban", " 60"), ("warn", "")] {
        userid += 1;
        let target = Visitor::new(userid, &format!("target{userid}"));
        community.log.connects(&target);
        let path = if kind == "ban" { "/ban/" } else { "/warning/" };
        community.vyhub.faults.next(("POST", path), fault.clone());
        let text = format!("!{kind} #{userid}{length} reason {userid}");
        community.log.says(&admin, &text);
        let steam = target.steam64().to_string();
        wait_until("the fault was played", || {
            community.vyhub.faults.waiting() == 0
        });
        community.hurry_until_sent();
        let bans = community.vyhub.bans();
        let warnings = community.vyhub.warnings();
        let count = match kind {
            "ban" => bans.iter().filter(|ban| ban.steam == steam).count(),
            _ => warnings.iter().filter(|one| one.steam == steam).count(),
        };
        assert_eq!(count, 1, "{kind} with {fault:?}");
    }
    community.all_well();
}

/// It hangs for longer than anybody waits, so vpid is killed meanwhile.
fn a_ban_that_hangs_when_vpid_is_killed_stands_once(keeper: Keeper) {
    for (fault, before) in [(Fault::HangBefore, 0), (Fault::HangAfterApplying, 1)] {
        let mut community = Community::kept_by(keeper).started();
        let admin = community.admin(2, "admin");
        let rogue = Visitor::new(3, "rogue");
        community.joins(&rogue);
        community.wait_for_user(&rogue);
        match keeper {
            Keeper::Vyhub => community.vyhub.faults.next(("POST", "/ban/"), fault),
            Keeper::Sqlite => community.pause(),
            #[cfg(feature = "mysql")]
            Keeper::Mariadb | Keeper::LoneMariadb => community.mariadb().freeze(),
        }
        community.log.says(&admin, "!ban rogue 1h aimbot");
        community.kicked_at_once(&rogue);
        match keeper {
            Keeper::Vyhub => community.wait_for_vyhub("it hangs", |state| {
                state.requests_to("POST", "/ban/") == 1 && state.bans().len() == before
            }),
            _ => {
                community.wait_for_entry("it hangs", |entry| entry["state"] == "sending");
            }
        }
        community.vpid.kill();
        match keeper {
            Keeper::Vyhub => {}
            Keeper::Sqlite => community.resume(),
            #[cfg(feature = "mysql")]
            Keeper::Mariadb | Keeper::LoneMariadb => community.mariadb().go_on(),
        }
        community.start();
        community.wait_until_sent();
        assert_eq!(community.bans().len(), 1);
        community.all_well();
        if keeper != Keeper::Vyhub {
            return;
        }
    }
}

/// Texts and commands need RCON, and no scripts of ours in the game.
#[test]
fn an_operator_reaches_a_game_without_our_scripts_by_rcon() {
    let community = Community::new().started();
    let ran = |arguments: &[&str]| {
        let output = community.vpid.command(arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let text = "In \"five\" minutes; quit // now";
    let said = ran(&["game", "say", text, "--where", "center"]);
    assert_eq!(said, (Some(0), String::new()));
    let shown = community.game.shown();
    let shown = shown.iter().find(|shown| shown.place == 4);
    let shown = shown.map(|shown| (shown.to, shown.text.as_str()));
    assert_eq!(shown, Some((None, text)));
    let (code, said) = ran(&["game", "command", "status"]);
    assert!(code == Some(0) && said.contains("players"), "{said}");
    let (code, said) = ran(&["game", "hook", "Reward"]);
    assert!(
        code == Some(1) && said.contains("no game is connected"),
        "{said}"
    );
}
