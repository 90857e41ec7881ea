//! What went wrong between vpid and a strict VyHub once, each as it was seen: storms, twins, clocks that differ,
//! rights of elsewhere, users who were deleted, replies that are not VyHub's.

use std::time::{Duration, Instant};

use fake_vyhub::{BanRecord, Fault, Page, RequestRecord, RetryAfter, WarningRecord};
use serde_json::Value;

use crate::support::{ALL_RIGHTS, Community, Visitor, stays, wait_until};

fn visitors(count: i32) -> Vec<Visitor> {
    let visitor = |n: i32| Visitor::new(100 + n, &format!("visitor{n}"));
    (0..count).map(visitor).collect()
}

/// Runs stories beside each other, since each of them waits most of its time.
fn beside_each_other<T: Send>(cases: impl IntoIterator<Item = T>, story: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        let story = &story;
        for case in cases {
            scope.spawn(move || story(case));
        }
    });
}

fn times(log: &str, text: &str) -> usize {
    log.matches(text).count()
}

#[test]
fn new_players_who_cannot_be_made_users_are_no_storm() {
    beside_each_other(
        [
            Fault::Status(503, Page::Json),
            Fault::Status(503, Page::Html),
            Fault::ResetBefore,
            Fault::Html200,
        ],
        |fault| {
            let community = Community::new().started();
            community
                .vyhub
                .faults
                .always(("POST", "/user/"), fault.clone());
            let (before, lines) = (
                community.vyhub.requests().len(),
                community.vpid.log().lines().count(),
            );
            for visitor in visitors(8) {
                community.joins(&visitor);
            }
            let began = Instant::now();
            stays("there is no storm", Duration::from_secs(15), || {
                let most = 20 + 2 * began.elapsed().as_secs() as usize;
                community.vyhub.requests().len() - before <= most
            });
            let log = community.vpid.log();
            assert!(log.lines().count() - lines < 60, "{fault:?}: {log}");
            assert!(
                times(&log, "VyHub cannot be reached") <= 1,
                "{fault:?}: {log}"
            );
            assert!(
                times(&log, "VyHub is reached again") <= 1,
                "{fault:?}: {log}"
            );
            community.vyhub.faults.clear();
            community.wait_for_vyhub("a user", |state| !state.users().is_empty());
            community.all_well();
        },
    );
}

#[test]
fn a_warning_whose_reply_was_lost_is_there_once_whatever_the_clocks_say() {
    let skews = [-30_000, -2_400, -2_000, -1_500, 0, 1_500, 2_400, 30_000];
    beside_each_other(skews, |skew_ms| {
        let community = Community::new();
        community
            .vyhub
            .faults
            .always(("", ""), Fault::ClockSkew(skew_ms));
        let community = community.started();
        let admin = community.admin(2, "admin");
        let target = Visitor::new(3, "target");
        community.joins(&target);
        let lost = ("POST", "/warning/");
        community.vyhub.faults.next(lost, Fault::ResetAfterApplying);
        community.log.says(&admin, "!warn target be kind");
        community.told(&admin, "target was warned: be kind");
        community.wait_until_sent();
        assert_eq!(community.vyhub.warnings().len(), 1, "{skew_ms} ms");
        community.all_well();
    });
}

#[test]
fn rights_in_another_bundle_are_none_here() {
    let community = Community::new().started();
    let foreign = Visitor::new(2, "foreign");
    let group = community
        .vyhub
        .add_group("elsewhere", 10, &ALL_RIGHTS, None);
    let user = community
        .vyhub
        .add_user(foreign.steam64(), "foreign", false);
    community.vyhub.put_in_group_elsewhere(&user, &group);
    let rogue = Visitor::new(3, "rogue");
    community.joins(&foreign);
    community.joins(&rogue);
    community.log.says(&foreign, "!ban rogue 5 x");
    community.told(&foreign, "You have no right to use ban.");
    assert!(community.outbox().is_empty() && community.kicks(rogue.userid) == 0);
    assert!(community.vyhub.bans().is_empty());
    community.all_well();
}

#[test]
fn a_user_whom_vyhub_has_deleted_does_not_stop_the_status() {
    let community = Community::new().started();
    let [gone, stays_on] = [2, 3].map(|n| Visitor::new(n, &format!("player{n}")));
    let status = |map: &str| {
        community.game.set_map(map);
        let line = format!("Started map \"{map}\" (CRC \"9a\")");
        community.log.line(&line);
    };
    for who in [&gone, &stays_on] {
        community.joins(who);
        let steam = who.steam64();
        community.wait_for_vyhub("a user", |state| state.user(steam).is_some());
    }
    let users = |body: &Value| body["user_activities"].as_array().map_or(0, Vec::len);
    status("cp_a");
    community.wait_for_vyhub("both are in the status", |state| {
        state
            .statuses()
            .last()
            .is_some_and(|status| users(&status.body) == 2)
    });
    community.vyhub.remove_user(gone.steam64());
    status("cp_b");
    community.wait_for_vyhub("the status comes all the same", |state| {
        let last = state.statuses().last();
        last.is_some_and(|status| status.body["map"] == "cp_b" && users(&status.body) == 2)
    });
    assert!(
        community
            .vyhub
            .with(|state| state.user(gone.steam64()).is_some())
    );
    let refused = |one: &&RequestRecord| one.method == "PATCH" && one.status == Some(404);
    let refused = community.vyhub.requests().iter().filter(refused).count();
    assert!(refused <= 2, "{refused} reports were refused");
    community.all_well();
}

#[test]
fn what_vyhub_carries_out_late_is_not_sent_again_after_a_kill() {
    beside_each_other(
        [("ban", " 60", "/ban/"), ("warn", "", "/warning/")],
        |case| {
            let (kind, length, path) = case;
            let mut community = Community::new().started();
            let admin = community.admin(2, "admin");
            let target = Visitor::new(3, "target");
            community.joins(&target);
            community
                .vyhub
                .faults
                .next(("POST", path), Fault::Late(6_000));
            community
                .log
                .says(&admin, &format!("!{kind} target{length} slow"));
            community.wait_for_vyhub("it was sent", |state| state.requests_to("POST", path) == 1);
            community.vpid.kill();
            community.start();
            community.wait_until_sent();
            let (bans, warnings) = (community.vyhub.bans(), community.vyhub.warnings());
            assert_eq!(bans.len() + warnings.len(), 1, "{kind}");
            community.all_well();
        },
    );
}

#[test]
fn identical_orders_stay_two() {
    beside_each_other([true, false], |killed| {
        let mut community = Community::new().started();
        let admin = community.admin(2, "admin");
        let target = Visitor::new(3, "target");
        community.joins(&target);
        community.log.says(&admin, "!warn target same");
        community.wait_for_vyhub("the first", |state| state.warnings().len() == 1);
        community
            .vyhub
            .faults
            .next(("POST", "/warning/"), Fault::ResetBefore);
        community.log.says(&admin, "!warn target same");
        community.wait_for_vyhub("the second was dropped", |state| {
            state.requests_to("POST", "/warning/") == 2
        });
        if killed {
            community.vpid.kill();
            community.start();
        }
        community.wait_until_sent();
        assert_eq!(community.vyhub.warnings().len(), 2, "killed: {killed}");
        community.all_well();
    });
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let target = Visitor::new(3, "target").steam3();
    let of = |bans: &[BanRecord]| {
        bans.iter()
            .map(|ban| ban.status.clone())
            .collect::<Vec<_>>()
    };
    community
        .log
        .says(&admin, &format!("!ban {target} 60 same"));
    community.wait_for_vyhub("the first", |state| state.bans().len() == 1);
    community.log.says(&admin, &format!("!unban {target}"));
    community.wait_for_vyhub("it is lifted", |state| of(state.bans()) == ["UNBANNED"]);
    community
        .vyhub
        .faults
        .next(("POST", "/ban/"), Fault::ResetBefore);
    community
        .log
        .says(&admin, &format!("!ban {target} 60 same"));
    community.wait_for_vyhub("the second", |state| state.bans().len() == 2);
    community.wait_until_sent();
    assert_eq!(of(&community.vyhub.bans()), ["UNBANNED", "ACTIVE"]);
    community.all_well();
}

#[test]
fn many_new_players_at_once_are_registered_in_seconds_where_vyhub_limits_requests() {
    let community = Community::new().started();
    community.vyhub.allow_per_second(10);
    let began = Instant::now();
    for visitor in visitors(24) {
        community.joins(&visitor);
    }
    community.wait_for_vyhub("all are users", |state| state.users().len() == 24);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let refused = |one: &&RequestRecord| one.status == Some(429);
    let refused = community.vyhub.requests().iter().filter(refused).count();
    assert!(refused <= 2, "{refused} were too many");
    community.all_well();
}

#[test]
fn an_operators_now_is_now_or_the_sentence_says_when() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let bans = ("POST", "/ban/");
    let posts = |community: &Community| community.asked("POST", "/ban/");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_vyhub("a user", |state| state.user(rogue.steam64()).is_some());
    community
        .vyhub
        .faults
        .next(bans, Fault::Status(404, Page::Html));
    community.log.says(&admin, "!ban rogue 1h x");
    community.wait_for_entry("it waits", |entry| !entry["problem"].is_null());
    let (_, said) = community.queue(&["retry", "all"]);
    assert!(said.contains("1 entry is tried now."), "{said}");
    let began = Instant::now();
    wait_until("it is tried", || posts(&community) == 2);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    community.wait_until_sent();

    let later = Fault::TooManyRequests(RetryAfter::Seconds(6));
    community.vyhub.faults.next(bans, later);
    let other = Visitor::new(4, "other").steam3();
    community.log.says(&admin, &format!("!ban {other} 1h x"));
    community.wait_for_entry("it waits", |entry| !entry["problem"].is_null());
    let (_, said) = community.queue(&["retry", "all"]);
    assert!(said.contains(" s at the latest: VyHub has asked"), "{said}");
    let before = community.vyhub.requests().len();
    stays("VyHub is left alone", Duration::from_secs(4), || {
        community.vyhub.requests().len() == before
    });
    community.wait_until_sent();
    assert_eq!(community.vyhub.bans().len(), 2);
    community.all_well();
}

#[test]
fn a_ban_that_is_younger_than_the_list_is_lifted() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let [free, rogue] = [3, 4].map(|n| Visitor::new(n, &format!("player{n}")));
    let user = community.vyhub.add_user(rogue.steam64(), "rogue", false);
    // As another server of the bundle does it.
    community.vyhub.add_ban(&user, "elsewhere", None);
    community
        .log
        .says(&admin, &format!("!unban {}", rogue.steam3()));
    community.told(&admin, "is not banned any more.");
    assert_eq!(community.vyhub.bans()[0].status, "UNBANNED");
    community.stays_in(&rogue);
    community
        .log
        .says(&admin, &format!("!unban {}", free.steam3()));
    community.told(&admin, "is not banned.");
    community.vyhub.add_ban(&user, "again", None);
    community.log.says(&admin, "!unban rogue");
    community.wait_for_vyhub("by name, too", |state| {
        state.bans().iter().all(|ban| ban.status == "UNBANNED")
    });
    community.all_well();
}

#[test]
fn bans_hold_from_the_cache_however_old_the_record_of_the_server_is() {
    let mut community = Community::new();
    let rogue = Visitor::new(2, "rogue");
    let user = community.vyhub.add_user(rogue.steam64(), "rogue", false);
    community.vyhub.add_ban(&user, "kept", None);
    community.start();
    community.vpid.kill();
    community.vyhub.pause();
    let name = format!("state/vyhub/server-{}.json", community.vyhub.server_id());
    let path = community.vpid.path(&name);
    let text = std::fs::read_to_string(&path).expect("a record");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    record["fetched_s"] = 1_000_000_000.into();
    std::fs::write(&path, record.to_string()).expect("a file");
    community.vpid.start();
    community.vpid.wait_for_log("only its bans hold");
    community.joins(&rogue);
    assert!(community.kicked(&rogue).contains("kept"));
    community.all_well();
}

/// What VyHub has of one player, by kind and words.
fn of_player(bans: &[BanRecord], warnings: &[WarningRecord], steam: u64) -> (usize, usize) {
    let steam = steam.to_string();
    let bans = bans.iter().filter(|ban| ban.steam == steam);
    let warnings = warnings.iter().filter(|one| one.steam == steam);
    (bans.count(), warnings.count())
}

const FAULTS: [Fault; 28] = [
    Fault::ResetBefore,
    Fault::ResetAfterApplying,
    Fault::CloseAfterApplying,
    Fault::Late(3_000),
    Fault::Status(400, Page::Html),
    Fault::Status(401, Page::Html),
    Fault::Status(403, Page::Html),
    Fault::Status(404, Page::Html),
    Fault::Status(408, Page::Json),
    Fault::Status(425, Page::Json),
    Fault::Status(500, Page::Json),
    Fault::Status(502, Page::Html),
    Fault::Status(503, Page::Empty),
    Fault::StatusAfterApplying(500, Page::Json),
    Fault::StatusAfterApplying(504, Page::Html),
    Fault::TooManyRequests(RetryAfter::Missing),
    Fault::TooManyRequests(RetryAfter::Seconds(2)),
    Fault::Html200,
    Fault::CutJson,
    Fault::CutChunked,
    Fault::InvalidJson,
    Fault::Body("[]"),
    Fault::Body("null"),
    Fault::Body("{\"detail\": \"Internal Server Error\"}"),
    Fault::Body("[{\"id\": 7}, \"x\"]"),
    Fault::Body("\"ok\""),
    Fault::WrongContentType,
    Fault::Redirect,
];

/// A place for each kind of request.
const PLACES: [(&str, &str); 12] = [
    ("GET", "/general/frontend-url"),
    ("GET", "/server/bundle/"),
    ("GET", "/server/"),
    ("PATCH", "/server/"),
    ("POST", "/user/"),
    ("GET", "/user/"),
    ("GET", "/advert/"),
    ("GET", "/ban/"),
    ("POST", "/ban/"),
    ("PATCH", "/user/"),
    ("GET", "/warning/"),
    ("POST", "/warning/"),
];

/// Every kind of request meets the same fault once, from the start on: all that was ordered is there once in
/// the end, what was known holds, and VyHub was never flooded.
#[test]
fn each_kind_of_fault_at_every_kind_of_request_loses_and_doubles_nothing() {
    beside_each_other(FAULTS, |fault| {
        let mut community = Community::new();
        let mut admin = Visitor::new(2, "admin");
        admin.name = "admin".into();
        community.member(&admin, &ALL_RIGHTS, None);
        community.joins(&admin);
        community.start();
        community.log.connects(&admin);
        community.wait_for_rights(&admin);
        for place in PLACES {
            community.vyhub.faults.next(place, fault.clone());
        }
        let [banned, lifted, warned] = [10, 11, 12].map(|n| Visitor::new(n, &format!("target{n}")));
        for target in [&banned, &lifted, &warned] {
            community.joins(target);
        }
        let says = |text: String| community.log.says(&admin, &text);
        says(format!("!ban {} 60 aimbot", banned.steam3()));
        community.kicked(&banned);
        says(format!("!ban {} 60 mistake", lifted.steam3()));
        community.kicked(&lifted);
        says(format!("!unban {}", lifted.steam3()));
        says(format!("!warn {} language", warned.steam3()));
        community.wait_for_entry("the warning is accepted", |entry| {
            entry["kind"] == "warning"
        });
        community
            .log
            .line("Started map \"cp_granary\" (CRC \"9a\")");
        let deadline = Instant::now() + Duration::from_secs(240);
        let done = |entry: &Value| entry["state"] == "done";
        while !community.outbox().iter().all(done) {
            let (outbox, log) = (community.outbox(), community.vpid.log());
            assert!(Instant::now() < deadline, "{fault:?}: {outbox:#?} {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        judge(&community, &fault, [&banned, &lifted, &warned]);
    });
}

/// What was ordered is there once, and as it was meant; and VyHub was never flooded.
fn judge(community: &Community, fault: &Fault, [banned, lifted, warned]: [&Visitor; 3]) {
    let (bans, warnings) = (community.vyhub.bans(), community.vyhub.warnings());
    for (target, expected) in [(banned, (1, 0)), (lifted, (1, 0)), (warned, (0, 1))] {
        let count = of_player(&bans, &warnings, target.steam64());
        assert_eq!(count, expected, "{fault:?}: {}", target.name);
    }
    let is_lifted = |ban: &BanRecord| ban.steam == lifted.steam64().to_string();
    let status = bans
        .iter()
        .find(|ban| is_lifted(ban))
        .map(|ban| &*ban.status);
    assert_eq!(status, Some("UNBANNED"), "{fault:?}");
    let requests = community.vyhub.requests();
    for first in &requests {
        let within = |one: &&RequestRecord| {
            let apart = one.at.duration_since(first.at).as_secs_f64();
            (0.0..1.0).contains(&apart)
        };
        let count = requests.iter().filter(within).count();
        assert!(count <= 12, "{fault:?}: {count} requests in a second");
    }
    let log = community.vpid.log();
    assert!(
        times(&log, "VyHub cannot be reached") <= 1,
        "{fault:?}: {log}"
    );
    community.vyhub.violations().iter().for_each(|what| {
        assert!(*fault == Fault::Redirect, "{fault:?}: {what}");
    });
}
