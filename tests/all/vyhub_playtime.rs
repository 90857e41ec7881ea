//! How long players were on reaches what keeps the community: all of it, once, and on its day.

use std::fs;
use std::time::{Duration, Instant};

use fake_vyhub::Fault;
use serde_json::{Value, json};

use crate::support::{Community, Keeper, Random, Visitor, Vpid, wait_until, with_keepers};

with_keepers! {
    time_that_was_counted_before_a_stop_is_sent_at_the_next_start_and_once: vyhub sqlite;
    an_outage_lands_on_its_days: vyhub sqlite;
    kills_at_any_moment_lose_nothing_that_was_on_disk_and_double_nothing: vyhub sqlite;
    players_and_scripts_read_the_total_with_what_is_not_sent_yet: vyhub sqlite;
}

const HOUR_MS: i64 = 3_600_000;

/// What is kept of a player, in milliseconds, by days.
fn days(community: &Community, who: &Visitor) -> Vec<(String, i64)> {
    if !community.is_vyhub() {
        let steam = who.steam64();
        let rows = community.select(&format!(
            "SELECT JSON_OBJECT('day', day, 'ms', ms) FROM vpid_playtime WHERE steam = {steam} ORDER BY day"
        ));
        let day = |row: &Value| {
            (
                row["day"].as_str().unwrap().to_owned(),
                row["ms"].as_i64().unwrap(),
            )
        };
        return rows.iter().map(day).collect();
    }
    let user = community
        .vyhub
        .with(|state| state.user(who.steam64()).map(|user| user.id.clone()));
    let additions = community.vyhub.additions().into_iter();
    let of_user = additions.filter(|it| Some(&it.user) == user.as_ref());
    of_user.map(|it| (it.day, it.value * 36 / 10)).collect()
}

fn total_ms(community: &Community, who: &Visitor) -> i64 {
    days(community, who).iter().map(|(_, ms)| ms).sum()
}

fn counters_path(community: &Community) -> std::path::PathBuf {
    community.cached(&format!("playtime-{}.json", community.bundle_id()))
}

/// What waits to be sent of a player, as it stands on disk.
fn waiting_ms(community: &Community, who: &Visitor) -> i64 {
    let Ok(text) = fs::read_to_string(counters_path(community)) else {
        return 0;
    };
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let steam = who.steam64().to_string();
    let counters = document["counters"].as_array().expect("counters");
    let of_player = counters.iter().filter(|it| it["steam"] == *steam);
    of_player
        .map(|it| it["total_ms"].as_i64().unwrap() - it["sent_ms"].as_i64().unwrap())
        .sum()
}

/// Counters as a run before has left them: of each player so many days ago, so many milliseconds.
fn leave(community: &Community, counters: &[(&Visitor, i64, i64)]) {
    let now_s = jiff::Timestamp::now().as_second();
    let lines = counters.iter().enumerate().map(|(n, (who, days_ago, ms))| {
        let last_s = now_s - days_ago * 86_400;
        json!({
            "id": n + 1, "steam": who.steam64().to_string(), "day": last_s / 86_400,
            "last_s": last_s, "total_ms": ms, "sent_ms": 0,
        })
    });
    let document = json!({"version": 1, "counters": lines.collect::<Vec<_>>()});
    let path = counters_path(community);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, document.to_string()).unwrap();
}

/// Plays for a while; the game shows that it is alive by its log.
fn plays(community: &Community, who: &Visitor, how_long: Duration) {
    let end = Instant::now() + how_long;
    wait_until("time passes", || {
        community.log.says(who, "gg");
        std::thread::sleep(Duration::from_millis(50));
        Instant::now() >= end
    });
}

fn time_that_was_counted_before_a_stop_is_sent_at_the_next_start_and_once(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let player = Visitor::new(3, "player");
    let began = Instant::now();
    community.joins(&player);
    community.wait_for_user(&player);
    plays(&community, &player, Duration::from_millis(1_500));
    community.log.leaves(&player);
    community.game.leave(player.userid);
    community.vpid.stop();
    // It may come to the last lines late.
    let most_ms = began.elapsed().as_millis() as i64 + 1;
    let counted_ms = waiting_ms(&community, &player);
    assert!(
        (500..=most_ms).contains(&counted_ms),
        "{counted_ms} of {most_ms}"
    );
    assert_eq!(total_ms(&community, &player), 0);

    community.start();
    wait_until("the playtime is in VyHub", || {
        total_ms(&community, &player) > 0
    });
    community.wait_until_sent();
    let sent_ms = total_ms(&community, &player);
    assert!(
        (counted_ms - 18..=counted_ms).contains(&sent_ms),
        "{sent_ms} of {counted_ms}"
    );
    if community.is_vyhub() {
        let [definition] = &community.vyhub.definitions()[..] else {
            panic!("{:?}", community.vyhub.definitions())
        };
        assert_eq!(
            [
                &*definition.name,
                &definition.title,
                &definition.unit,
                &definition.kind
            ],
            ["playtime", "Play Time", "HOURS", "ACCUMULATED"]
        );
    }
    community.vpid.stop();
    community.start();
    community.vpid.kill();
    assert_eq!(total_ms(&community, &player), sent_ms);
    community.all_well();
}

fn an_outage_lands_on_its_days(keeper: Keeper) {
    let mut community = Community::kept_by(keeper);
    let player = Visitor::new(3, "player");
    community.add_user(&player);
    leave(
        &community,
        &[(&player, 1, 2 * HOUR_MS), (&player, 0, HOUR_MS)],
    );
    community.start();
    wait_until("both are in VyHub", || days(&community, &player).len() == 2);
    let day = |ago: i64| {
        let s = jiff::Timestamp::now().as_second() - ago * 86_400;
        jiff::Timestamp::from_second(s).unwrap().to_string()[..10].to_owned()
    };
    assert_eq!(
        days(&community, &player),
        [(day(1), 2 * HOUR_MS), (day(0), HOUR_MS)]
    );
    community.wait_until_sent();
    community.all_well();
}

#[test]
fn an_attribute_that_does_not_add_up_gets_nothing() {
    let mut community = Community::new();
    let player = Visitor::new(3, "player");
    community.vyhub.add_definition("playtime", "NEWEST");
    leave(&community, &[(&player, 0, HOUR_MS)]);
    community.start();
    community
        .vpid
        .wait_for_log("is not of the type ACCUMULATED");
    community.vpid.stop();
    assert_eq!(waiting_ms(&community, &player), HOUR_MS);
    assert!(community.vyhub.additions().is_empty());
    community.all_well();
}

#[test]
fn a_reply_that_is_lost_in_a_kill_adds_nothing_a_second_time() {
    let mut community = Community::new();
    let player = Visitor::new(3, "player");
    leave(&community, &[(&player, 0, HOUR_MS)]);
    community.vyhub.add_definition("playtime", "ACCUMULATED");
    let addition = ("POST", "/user/attribute/");
    community
        .vyhub
        .faults
        .next(addition, Fault::HangAfterApplying);
    community.start();
    wait_until("it is added", || community.vyhub.additions().len() == 1);
    community.vpid.kill();
    let [entry] = &community.outbox()[..] else {
        panic!("{:?}", community.outbox())
    };
    assert_eq!(
        [&entry["kind"], &entry["state"]],
        ["playtime", "sending"],
        "{entry:#}"
    );
    community.start();
    // Only when VyHub must have finished with the first one.
    community.vpid.wait_for_log("is in VyHub already");
    community.wait_until_sent();
    assert_eq!(total_ms(&community, &player), HOUR_MS);
    assert_eq!(community.asked("POST", "/user/attribute/"), 1);
    community.all_well();
}

fn kills_at_any_moment_lose_nothing_that_was_on_disk_and_double_nothing(keeper: Keeper) {
    let mut community = Community::kept_by(keeper);
    let mut random = Random::new(5);
    let players: Vec<Visitor> = (0..8).map(|n| Visitor::new(10 + n, "player")).collect();
    let counters: Vec<_> = players.iter().map(|it| (it, 0, 360_000)).collect();
    leave(&community, &counters);
    for _ in 0..6 {
        community.start();
        std::thread::sleep(Duration::from_millis(random.below(1_500)));
        community.vpid.kill();
    }
    community.start();
    let sum =
        |community: &Community| -> i64 { players.iter().map(|it| total_ms(community, it)).sum() };
    wait_until("all is in VyHub", || sum(&community) >= 8 * 360_000);
    community.wait_until_sent();
    for player in &players {
        assert_eq!(total_ms(&community, player), 360_000, "{}", player.steam3());
    }
    community.all_well();
}

fn players_and_scripts_read_the_total_with_what_is_not_sent_yet(keeper: Keeper) {
    let community = Community::kept_by_and(keeper, Vpid::signed).started();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    community.wait_for_user(&player);
    if community.is_vyhub() {
        let attribute = community.vyhub.add_definition("playtime", "ACCUMULATED");
        let user = community.user_id(&player);
        community
            .vyhub
            .add_to_attribute(&attribute, &user, 2_000_000);
    } else {
        let rows = format!(
            "INSERT INTO vpid_playtime VALUES ({0}, '2026-01-01', {1}), ({0}, '2026-01-02', {1})",
            player.steam64(),
            HOUR_MS
        );
        community.change(&[rows]);
    }
    plays(&community, &player, Duration::from_millis(200));
    community.log.says(&player, "!playtime");
    community.told(&player, "player has played here for 2 hours");
    let mut host = community.vpid.host("my_server");
    let answer = host.ask("VYHUB_GetPlaytime", json!({"player": 3}));
    let hours = answer["hours"].as_f64().unwrap_or_default();
    let unsent = answer["unsent_hours"].as_f64().unwrap_or_default();
    assert!(hours > 2.0 && hours < 2.01, "{answer}");
    assert!((hours - 2.0 - unsent).abs() < 1e-9, "{answer}");
    assert_eq!(answer["player"], player.steam64().to_string());
    community.all_well();
}
