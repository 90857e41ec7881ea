//! What went wrong between vpid and a strict VyHub once, each as it was seen: storms, twins, clocks that differ,
//! rights of elsewhere, users who were deleted, replies that are not VyHub's.

use std::time::{Duration, Instant};

use fake_vyhub::{BanRecord, Fault, Page, RequestRecord, RetryAfter, WarningRecord};
use serde_json::Value;

use crate::support::{ALL_RIGHTS, Community, Keeper, Visitor, stays, wait_until, with_keepers};

with_keepers! {
    a_user_whom_vyhub_has_deleted_does_not_stop_the_status: vyhub sqlite;
    many_new_players_at_once_are_registered_in_seconds_where_vyhub_limits_requests: vyhub sqlite mariadb;
    a_ban_that_is_younger_than_the_list_is_lifted: vyhub sqlite mariadb;
    bans_hold_from_the_cache_however_old_the_record_of_the_server_is: vyhub lone_mariadb;
    identical_orders_stay_two: vyhub sqlite lone_mariadb;
    new_players_who_cannot_be_made_users_are_no_storm: vyhub sqlite lone_mariadb;
}

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

fn new_players_who_cannot_be_made_users_are_no_storm(keeper: Keeper) {
    if keeper != Keeper::Vyhub {
        return no_storm_in_an_outage(keeper);
    }
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
            let before = community.vyhub.requests().len();
            let began = Instant::now();
            many_come(&community, || {
                let most = 20 + 2 * began.elapsed().as_secs() as usize;
                community.vyhub.requests().len() - before <= most
            });
            let log = community.vpid.log();
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

/// Eight players come, and for a while `is_calm`; the log is, too.
fn many_come(community: &Community, is_calm: impl Fn() -> bool) {
    let lines = community.vpid.log().lines().count();
    for visitor in visitors(8) {
        community.joins(&visitor);
    }
    stays("there is no storm", Duration::from_secs(15), is_calm);
    let log = community.vpid.log();
    assert!(log.lines().count() - lines < 60, "{log}");
}

fn no_storm_in_an_outage(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    community.pause();
    many_come(&community, || true);
    let log = community.vpid.log();
    for words in [
        "the community's database cannot be reached",
        "the community's database is reached again",
    ] {
        assert!(times(&log, words) <= 1, "{words}: {log}");
    }
    community.resume();
    wait_until("all are users", || community.users().len() == 8);
    community.all_well();
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

fn a_user_whom_vyhub_has_deleted_does_not_stop_the_status(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let [gone, stays_on] = [2, 3].map(|n| Visitor::new(n, &format!("player{n}")));
    let status = |map: &str| {
        community.game.set_map(map);
        let line = format!("Started map \"{map}\" (CRC \"9a\")");
        community.log.line(&line);
    };
    for who in [&gone, &stays_on] {
        community.joins(who);
        community.wait_for_user(who);
    }
    status("cp_a");
    community.wait_for_server("both are in the status", |server| server.players.len() == 2);
    community.remove_user(&gone);
    status("cp_b");
    community.wait_for_server("the status comes all the same", |server| {
        server.map == "cp_b" && server.players.len() == 2
    });
    wait_until("both are users", || community.users().len() == 2);
    if community.is_vyhub() {
        let refused = |one: &&RequestRecord| one.method == "PATCH" && one.status == Some(404);
        let refused = community.vyhub.requests().iter().filter(refused).count();
        assert!(refused <= 2, "{refused} reports were refused");
    }
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

fn identical_orders_stay_two(keeper: Keeper) {
    beside_each_other([true, false], |killed| {
        let mut community = Community::kept_by(keeper).started();
        let admin = community.admin(2, "admin");
        let target = Visitor::new(3, "target");
        community.joins(&target);
        community.log.says(&admin, "!warn target same");
        wait_until("the first", || community.warnings().len() == 1);
        community.wait_until_sent();
        begins_to_fail(&mut community, ("POST", "/warning/"));
        community.log.says(&admin, "!warn target same");
        waits(&community, "warning");
        if killed {
            community.vpid.kill();
            works_again(&mut community);
            community.start();
        } else {
            works_again(&mut community);
        }
        community.hurry_until_sent();
        assert_eq!(community.warnings().len(), 2, "killed: {killed}");
        community.all_well();
    });
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let target = Visitor::new(3, "target");
    let steam3 = target.steam3();
    let of = |community: &Community| {
        let bans = community.bans_of(&target);
        let mut lifted: Vec<bool> = bans.iter().map(|ban| ban.is_lifted).collect();
        // They may be of one second.
        lifted.sort_unstable();
        lifted
    };
    let order = format!("!ban {steam3} 60 same");
    community.log.says(&admin, &order);
    wait_until("the first", || of(&community) == [false]);
    community.log.says(&admin, &format!("!unban {steam3}"));
    wait_until("it is lifted", || of(&community) == [true]);
    community.wait_until_sent();
    begins_to_fail(&mut community, ("POST", "/ban/"));
    community.log.says(&admin, &order);
    waits(&community, "ban");
    works_again(&mut community);
    community.hurry_until_sent();
    assert_eq!(of(&community), [false, true]);
    community.all_well();
}

/// The next request of this kind fails in VyHub; all that a database gets.
fn begins_to_fail(community: &mut Community, place: (&'static str, &'static str)) {
    match community.is_vyhub() {
        true => community.vyhub.faults.next(place, Fault::ResetBefore),
        false => community.pause(),
    }
}

/// A change was tried in vain; a database that is known to be away is not tried.
fn waits(community: &Community, kind: &str) {
    let is_away = !community.is_vyhub();
    community.wait_for_entry("it waits", |entry| {
        let waits = !entry["problem"].is_null() || (is_away && entry["state"] != "done");
        entry["kind"] == kind && waits
    });
}

fn works_again(community: &mut Community) {
    if !community.is_vyhub() {
        community.resume();
    }
}

fn many_new_players_at_once_are_registered_in_seconds_where_vyhub_limits_requests(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    community.vyhub.allow_per_second(10);
    let began = Instant::now();
    for visitor in visitors(24) {
        community.joins(&visitor);
    }
    wait_until("all are users", || community.users().len() == 24);
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

fn a_ban_that_is_younger_than_the_list_is_lifted(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let [free, rogue] = [3, 4].map(|n| Visitor::new(n, &format!("player{n}")));
    community.add_user(&rogue);
    // As another server of the bundle does it.
    community.ban_elsewhere(&rogue, "elsewhere", None);
    community
        .log
        .says(&admin, &format!("!unban {}", rogue.steam3()));
    community.told(&admin, "is not banned any more.");
    assert!(community.bans()[0].is_lifted);
    community.stays_in(&rogue);
    community
        .log
        .says(&admin, &format!("!unban {}", free.steam3()));
    community.told(&admin, "is not banned.");
    community.ban_elsewhere(&rogue, "again", None);
    community.log.says(&admin, "!unban player4");
    wait_until("by name, too", || {
        community.bans().iter().all(|ban| ban.is_lifted)
    });
    community.all_well();
}

fn bans_hold_from_the_cache_however_old_the_record_of_the_server_is(keeper: Keeper) {
    let mut community = Community::kept_by(keeper);
    let rogue = Visitor::new(2, "rogue");
    community.ban_elsewhere(&rogue, "kept", None);
    community.start();
    let record = |community: &Community| {
        let files = std::fs::read_dir(community.cached("")).expect("a folder");
        let mut paths = files.map(|file| file.expect("a file").path());
        let is_record = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("server-")
        };
        paths.find(is_record)
    };
    wait_until("the record is kept", || record(&community).is_some());
    community.vpid.kill();
    community.pause();
    let path = record(&community).expect("just seen");
    let text = std::fs::read_to_string(&path).expect("a record");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    record["fetched_s"] = 1_000_000_000.into();
    std::fs::write(&path, record.to_string()).expect("a file");
    community.vpid.start();
    community.vpid.wait_for_log("only its bans stay in force");
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
