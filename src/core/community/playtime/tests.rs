//! Playtime in the world of the community's tests, with a disk that survives a crash and a backend that adds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::tests::{BUNDLE, ONE, STATUS, World, ann, at, failure, fair, see};
use super::*;
use crate::core::Effect;
use crate::jobs::store::{Found, Write};
use crate::protocol::backend::{Addition, Server, User};
use crate::protocol::control::QueueRequest;
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::game_report::GameReport;
use crate::protocol::signed::messages::FromGame;

/// The backend: what each user has, in millionths of an hour, by day.
#[derive(Default)]
struct Api {
    has: BTreeMap<(Uuid, i64), u64>,
    added: Vec<Addition>,
    attribute: Option<bool>,
    /// How often it was deleted.
    deleted: u128,
    requests_of_attribute: usize,
}

impl Api {
    fn total(&self) -> u64 {
        self.has.values().sum()
    }

    fn total_of(&self, user: Uuid) -> u64 {
        let of_user = self.has.iter().filter(|((of, _), _)| *of == user);
        of_user.map(|(_, millionths)| millionths).sum()
    }

    fn add(&mut self, addition: &Addition) {
        let (whole, part) = addition.value.split_once('.').expect("decimals");
        assert_eq!(part.len(), 6, "{addition:?}");
        let millionths = whole.parse::<u64>().unwrap() * 1_000_000 + part.parse::<u64>().unwrap();
        let day = addition.date.as_second().div_euclid(86_400);
        *self.has.entry((addition.user, day)).or_default() += millionths;
        self.added.push(addition.clone());
    }

    fn attribute(&self) -> Answer {
        match self.attribute {
            Some(accumulated) => Ok(Reply::Attribute(Attribute {
                id: Uuid(70 + self.deleted),
                name: PLAYTIME.into(),
                accumulated,
            })),
            None => Err(failure(FailureKind::NotFound)),
        }
    }

    fn reply(&mut self, request: &Request) -> Answer {
        match request {
            Request::FindAttribute(name) => {
                assert_eq!(*name, PLAYTIME);
                self.requests_of_attribute += 1;
                self.attribute()
            }
            Request::CreateAttribute(attribute) => {
                assert_eq!((attribute.title, attribute.unit), ("Play Time", "HOURS"));
                self.attribute = Some(true);
                self.attribute()
            }
            Request::AttributesOfUser { user, .. } => {
                let total = self.total_of(*user) as f64 / 1e6;
                let all = (total > 0.0).then(|| (PLAYTIME.to_owned(), total.to_string()));
                Ok(Reply::Attributes(all.into_iter().collect()))
            }
            Request::AddToAttribute(addition) if addition.attribute.0 != 70 + self.deleted => {
                Err(failure(FailureKind::NotFound))
            }
            Request::AddToAttribute(addition) => {
                self.add(addition);
                Ok(Reply::Nothing)
            }
            _ => fair(request),
        }
    }
}

/// In milliseconds.
fn ms(millionths: u64) -> u64 {
    millionths * 36 / 10
}

impl World {
    fn with(&mut self, seconds: u64, api: &mut Api) {
        self.run(seconds, |request| Some(api.reply(request)));
    }

    /// What of Ann's time is counted and not in the outbox.
    fn counted_ms(&self) -> u64 {
        let counters = self.community.subjects.playtime.counters.values();
        counters
            .flat_map(|of| of.all.values())
            .map(|it| it.total_ms - it.sent_ms)
            .sum()
    }

    fn queued(&self) -> usize {
        let all = self.community.outbox.all();
        all.filter(|entry| entry.is_open()).count()
    }
}

/// Ann, in the engine's log.
fn who(userid: i64) -> Who {
    Who {
        userid,
        name: "Ann".into(),
        id: Some(ann()),
        ..Who::default()
    }
}

#[test]
fn an_hour_on_the_server_is_an_hour_in_the_backend() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(2 * 3_600 + 90, &mut api);
    // Two rounds: what was on until then.
    let total_ms = ms(api.total());
    assert!((7_140_000..=7_290_000).contains(&total_ms), "{total_ms}");
    assert!(api.added.len() >= 2, "{:?}", api.added);
    assert_eq!(api.requests_of_attribute, 2);
    let all_ms = total_ms + world.counted_ms();
    assert!((7_200_000..=7_290_000).contains(&all_ms), "{all_ms}");
    assert!(world.count(|request| matches!(request, Request::CreateAttribute(_))) == 1);
}

#[test]
fn time_counts_only_while_the_server_is_alive_and_the_player_on_it() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    let before_ms = world.counted_ms() + ms(api.total());
    assert!((540_000..=600_000).contains(&before_ms), "{before_ms}");
    // Nothing comes from the server for an hour.
    world.quiet = true;
    world.with(3_000, &mut api);
    world.quiet = false;
    world.see(STATUS);
    world.with(60, &mut api);
    let after_ms = world.counted_ms() + ms(api.total());
    // Ann has connected anew: five minutes before she was seen again.
    let gap_ms = after_ms - before_ms;
    assert!((312_000..=125_000 + 312_000).contains(&gap_ms), "{gap_ms}");
    world.see(super::super::tests::EMPTY);
    let left_ms = world.counted_ms();
    world.with(300, &mut api);
    assert_eq!(world.counted_ms(), left_ms);
}

/// Ann has been connected for two hours.
const LONG: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 2:00:00 50 0 active 192.0.2.9:27005\n";

#[test]
fn time_without_a_sign_counts_where_status_has_the_player_connected_all_the_while() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    let before_ms = world.counted_ms() + ms(api.total());
    world.quiet = true;
    world.with(3_000, &mut api);
    world.quiet = false;
    world.see(LONG);
    world.with(20, &mut api);
    let after_ms = world.counted_ms() + ms(api.total());
    let gap_ms = after_ms - before_ms;
    assert!((2_990_000..=3_090_000).contains(&gap_ms), "{gap_ms}");
    world.with(600, &mut api);
    let all_ms = world.counted_ms() + ms(api.total());
    assert!(all_ms <= after_ms + 600_000, "counted twice: {all_ms}");
}

#[test]
fn a_row_of_status_counts_at_once_also_where_another_sign_has_followed() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    world.see(LONG);
    let (before_ms, seen_ms) = (world.counted_ms(), world.now.mono_ms);
    world.quiet = true;
    world.with(40, &mut api);
    let due_ms = world.community.subjects.playtime.step_due_ms;
    see(&mut world.shared, LONG, at(due_ms - 2_000));
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster
        .log_line(&Line::Entered(who(7)), at(due_ms - 1_000));
    world.now = at(due_ms);
    world.advance();
    assert_eq!(world.counted_ms() - before_ms, due_ms - 1_000 - seen_ms);
}

#[test]
fn who_leaves_and_is_back_at_once_loses_no_time() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    world.see(STATUS);
    let before_ms = world.counted_ms();
    world.quiet = true;
    world.with(50, &mut api);
    let left = Line::Disconnected {
        who: who(7),
        reason: String::new(),
    };
    let lines = [left, Line::Connected(who(8), None)];
    let game = world.shared.servers.get_mut(ONE).unwrap();
    for line in &lines {
        game.roster.log_line(line, world.now);
    }
    world.with(16, &mut api);
    let more_ms = world.counted_ms() - before_ms;
    assert!((50_000..=51_000).contains(&more_ms), "{more_ms}");
}

#[test]
fn who_leaves_when_time_is_counted_has_all_of_it() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    world.see(STATUS);
    let before_ms = world.counted_ms();
    let counted_ms = world.now.mono_ms;
    world.quiet = true;
    world.with(20, &mut api);
    world.now = at(world.community.subjects.playtime.step_due_ms);
    let left = Line::Disconnected {
        who: who(7),
        reason: String::new(),
    };
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster.log_line(&left, world.now);
    world.advance();
    let more_ms = world.counted_ms() - before_ms;
    assert_eq!(more_ms, world.now.mono_ms - counted_ms);
}

#[test]
fn while_vpid_is_suspended_nothing_counts() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(600, &mut api);
    let before_ms = world.counted_ms();
    world.now = at(world.now.mono_ms + 3_000_000);
    world.see(LONG);
    world.with(1, &mut api);
    assert_eq!(world.counted_ms() + ms(api.total()), before_ms);
}

#[test]
fn time_without_a_sign_counts_in_one_session_of_the_scripts_and_not_over_two() {
    for same_session in [true, false] {
        let (mut world, mut api) = (World::new(), Api::default());
        world.see(super::super::tests::EMPTY);
        // The console is silent from here on.
        world.quiet = true;
        let bob = json!({"userid": 9, "name": "Bob", "id": "[U:1:6]", "team": 2});
        let report = |world: &mut World, message: FromGame| {
            let game = world.shared.servers.get_mut(ONE).unwrap();
            game.roster.reported(&GameReport::read(message), world.now);
            world.advance();
        };
        let heartbeat = || FromGame::Heartbeat(json!({"map": "cp_a", "players": [bob.clone()]}));
        for _ in 0..30 {
            report(&mut world, heartbeat());
            world.with(10, &mut api);
        }
        let before_ms = world.counted_ms();
        assert!((250_000..=300_000).contains(&before_ms), "{before_ms}");
        let game = world.shared.servers.get_mut(ONE).unwrap();
        game.roster.script_gone();
        world.advance();
        world.with(900, &mut api);
        if !same_session {
            let name = "map_start".to_owned();
            let data = json!({"map": "cp_a"});
            report(&mut world, FromGame::Event { name, data });
        }
        report(&mut world, heartbeat());
        world.with(160, &mut api);
        let gap_ms = world.counted_ms() - before_ms;
        let expected = if same_session {
            890_000..=920_000
        } else {
            0..=20_000
        };
        assert!(expected.contains(&gap_ms), "{same_session}: {gap_ms}");
    }
}

#[test]
fn the_days_of_an_outage_are_kept_apart() {
    let (mut world, mut api) = (World::new(), Api::default());
    api.attribute = Some(true);
    world.with(60, &mut api);
    let away = failure(FailureKind::Unreachable);
    let away = Failure {
        reachable: false,
        ..away
    };
    // Unix time 1,800,000,000 is 08:00 UTC.
    world.run(30 * 3_600, |_| Some(Err(away.clone())));
    assert!(api.added.is_empty());
    world.with(2 * 3_600, &mut api);
    let days: Vec<u64> = api
        .has
        .values()
        .map(|millionths| ms(*millionths) / 60_000)
        .collect();
    let [first, second] = days[..] else {
        panic!("{days:?}")
    };
    assert!((16 * 60 - 4..=16 * 60).contains(&first), "{days:?}");
    assert!((15 * 60 - 5..=16 * 60).contains(&second), "{days:?}");
}

#[test]
fn an_attribute_that_does_not_add_up_gets_nothing_and_nothing_is_lost() {
    let (mut world, mut api) = (World::new(), Api::default());
    api.attribute = Some(false);
    world.with(2 * 3_600, &mut api);
    assert!(api.added.is_empty() && world.queued() == 0);
    assert!(world.counted_ms() > 7_000_000);
    api.attribute = Some(true);
    world.with(3_700, &mut api);
    assert!(ms(api.total()) > 10_000_000);
}

#[test]
fn a_lost_reply_is_compared_and_adds_once() {
    for (applied, expected) in [(true, 1), (false, 2)] {
        let (mut world, mut api) = (World::new(), Api::default());
        let mut lost = 0;
        world.run(3_900, |request| {
            Some(match request {
                Request::AddToAttribute(addition) if lost == 0 => {
                    lost += 1;
                    if applied {
                        api.add(addition);
                    }
                    Err(Failure {
                        under_way: true,
                        ..failure(FailureKind::Unclear)
                    })
                }
                _ => api.reply(request),
            })
        });
        let adds = world.count(|it| matches!(it, Request::AddToAttribute(_)));
        assert_eq!((lost, adds, api.added.len()), (1, expected, 1), "{applied}");
        let counted_ms = ms(api.total()) + world.counted_ms();
        assert!(
            (3_800_000..=3_900_000).contains(&counted_ms),
            "{counted_ms}"
        );
    }
}

#[test]
fn a_total_that_fits_neither_leaves_a_dead_letter_and_is_not_added_again() {
    let (mut world, mut api) = (World::new(), Api::default());
    let mut lost = false;
    world.run(3_900, |request| {
        Some(match request {
            Request::AddToAttribute(addition) if !lost => {
                lost = true;
                // Somebody else adds at the same time.
                for _ in 0..3 {
                    api.add(addition);
                }
                Err(Failure::unclear("lost"))
            }
            _ => api.reply(request),
        })
    });
    assert_eq!(api.added.len(), 3);
    let dead: Vec<_> = world.community.outbox.all().collect();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0].state, State::Dead);
    assert!(
        dead[0]
            .problem
            .as_deref()
            .unwrap()
            .contains("not added again")
    );
}

#[test]
fn a_user_who_was_deleted_is_looked_up_again_and_gets_it() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(1_800, &mut api);
    let mut deleted = 2;
    world.run(2_000, |request| {
        Some(match request {
            Request::AttributesOfUser { .. } if deleted == 2 => {
                deleted -= 1;
                Err(failure(FailureKind::NotFound))
            }
            Request::AddToAttribute(_) if deleted == 1 => {
                deleted -= 1;
                Err(failure(FailureKind::NotFound))
            }
            _ => api.reply(request),
        })
    });
    assert_eq!((deleted, api.added.len()), (0, 1));
    assert_eq!(world.queued(), 0);
}

#[test]
fn what_was_for_an_attribute_that_is_gone_can_be_sent_to_the_new_one() {
    let (mut world, mut api) = (World::new(), Api::default());
    // It goes away between being read and being added to.
    world.run(3_900, |request| {
        let reply = api.reply(request);
        if matches!(request, Request::CreateAttribute(_)) {
            api.deleted += 1;
        }
        Some(reply)
    });
    let dead: Vec<_> = world
        .community
        .outbox
        .all()
        .map(|it| (it.id, it.state))
        .collect();
    let [(id, State::Dead)] = dead[..] else {
        panic!("{dead:?}")
    };
    world.with(3_600, &mut api);
    let id = Some(id.to_string());
    let cx = &mut world.shared.context(world.now, &mut world.out);
    assert!(
        world
            .community
            .queue(&QueueRequest::Retry { id }, cx)
            .is_ok()
    );
    world.with(60, &mut api);
    let all_ms = ms(api.total()) + world.counted_ms();
    assert!((7_300_000..=7_600_000).contains(&all_ms), "{all_ms}");
}

#[test]
fn what_may_have_gone_to_a_deleted_user_is_added_to_the_new_one() {
    let (mut world, mut api) = (World::new(), Api::default());
    let old = Uuid(u128::from(ann().account()));
    let new = Uuid(55);
    api.has.insert((old, 0), 1_500_000);
    let mut lost = false;
    world.run(3_900, |request| {
        Some(match request {
            Request::AddToAttribute(addition) if addition.user == old => {
                lost = true;
                Err(Failure::unclear("lost"))
            }
            Request::AttributesOfUser { user, .. } if *user == old && lost => {
                Err(failure(FailureKind::NotFound))
            }
            Request::FindUser(steam) if lost => Ok(Reply::User(User {
                id: new,
                steam: *steam,
                username: None,
                admin: false,
            })),
            _ => api.reply(request),
        })
    });
    assert!(lost);
    let added: Vec<Uuid> = api.added.iter().map(|it| it.user).collect();
    assert_eq!(added, [new]);
    assert_eq!(world.queued(), 0);
}

#[test]
fn bans_go_before_playtime_and_always_find_a_place() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(3_595, &mut api);
    // The additions hang.
    world.run(40, |request| match request {
        Request::AddToAttribute(_) | Request::AttributesOfUser { .. } => None,
        _ => Some(api.reply(request)),
    });
    assert_eq!(world.queued(), 1);
    let ban = world.add_ban();
    world.run(2, |request| match request {
        Request::AddToAttribute(_) | Request::AttributesOfUser { .. } => None,
        _ => Some(api.reply(request)),
    });
    assert_eq!(world.state(ban), Some(State::Done));
}

/// A crash after any of its writes: only what was written before is there.
#[test]
fn a_crash_after_any_write_loses_a_minute_at_most_and_doubles_nothing() {
    let mut crashes = 0;
    for crash_after in 1.. {
        let (mut world, mut api) = (World::new(), Api::default());
        world.writes_left = crash_after;
        let mut on_s = 0_u64;
        while on_s < 3_700 && !world.has_crashed() {
            world.with(1, &mut api);
            on_s += 1;
        }
        let crashed = world.has_crashed();
        let mut disk = Disk::default();
        world.written.iter().for_each(|write| disk.write(write));
        let mut world = World::found(disk.found(), world.now);
        world.with(300, &mut api);
        let all_ms = ms(api.total()) + world.counted_ms() + world.open_ms();
        let on_ms = (on_s + 300) * 1_000;
        // A minute by the crash, and up to one until the next sign of the server.
        let least_ms = on_ms.saturating_sub(120_000);
        assert!(
            (least_ms..=on_ms).contains(&all_ms),
            "after {crash_after} writes: {all_ms} of {on_ms}"
        );
        if !crashed {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 50, "{crashes}");
}

#[derive(Default)]
struct Disk {
    outbox: BTreeMap<String, String>,
    cache: BTreeMap<String, String>,
}

impl Disk {
    fn write(&mut self, write: &Write) {
        let shelf = match write.shelf {
            Shelf::Outbox => &mut self.outbox,
            Shelf::Cache => &mut self.cache,
            Shelf::Admins | Shelf::Rewards => return,
        };
        match &write.content {
            Some(Content::Json(text)) => drop(shelf.insert(write.name.clone(), text.clone())),
            Some(_) => {}
            None => drop(shelf.remove(&write.name)),
        }
    }

    fn found(&self) -> Found {
        let all = |shelf: &BTreeMap<String, String>| shelf.clone().into_iter().collect();
        Found {
            outbox: all(&self.outbox),
            cache: all(&self.cache),
            rewards: Vec::new(),
            bans: Vec::new(),
        }
    }
}

impl World {
    fn open_ms(&self) -> u64 {
        let all = self.community.outbox.all().filter(|entry| entry.is_open());
        let times = all.filter_map(|entry| match &entry.change {
            Change::Playtime(playtime) => Some(playtime.ms),
            _ => None,
        });
        times.sum()
    }
}

#[test]
fn what_is_on_disk_when_vpid_ends_is_all_that_was_counted() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(70, &mut api);
    let cx = &mut world.shared.context(world.now, &mut world.out);
    world.community.stop(cx);
    let mut disk = Disk::default();
    for effect in &world.out.effects {
        if let Effect::Store(write) = effect {
            disk.write(write);
        }
    }
    let counters: Document =
        serde_json::from_str(&disk.cache[&format!("{COUNTERS}{BUNDLE}")]).unwrap();
    assert_eq!(counters.counters[0].total_ms, world.counted_ms());
    assert!(counters.counters[0].total_ms >= 60_000);
    assert_eq!(counters.counters[0].steam, ann());
    assert_eq!(at(0).wall_s.div_euclid(86_400), counters.counters[0].day);
    assert!(
        world
            .community
            .subjects
            .playtime
            .watched
            .contains_key(&ann())
    );
    assert_eq!(
        world.community.subjects.playtime.watched[&ann()].server,
        ONE
    );
}

#[test]
fn a_counter_fits_its_share_of_the_file() {
    let counter = Counter {
        id: u64::MAX,
        steam: ann(),
        day: 99_999,
        last_s: 9_999_999_999,
        total_ms: 86_400_000,
        sent_ms: 86_400_000,
        is_entering: false,
    };
    let text = serde_json::to_string(&counter).unwrap();
    assert!(text.len() < limits::PLAYTIME_COUNTER_BYTES, "{text}");
}

#[test]
fn who_only_watches_counts_unless_the_owner_says_otherwise() {
    let person = |team| Person {
        team,
        steam: Some(ann()),
        ..Person::default()
    };
    let all = config::Playtime::default();
    let players = config::Playtime {
        count_spectators: false,
        ..all
    };
    for (config, team, expected) in [
        (all, SPECTATORS, true),
        (players, SPECTATORS, false),
        // Not known, and the two teams.
        (players, 0, true),
        (players, 2, true),
        (players, 3, true),
    ] {
        assert_eq!(
            config.counts(&person(team), 0),
            expected,
            "{config:?} {team}"
        );
    }
    let bot = Person {
        bot: true,
        ..person(2)
    };
    assert!(!all.counts(&bot, 0));
}

#[test]
fn who_is_idle_for_long_does_not_count_if_the_owner_says_so_until_they_act() {
    for (idle_minutes, expected) in [(0, 870_000..=905_000), (5, 280_000..=325_000)] {
        let (mut world, mut api) = (World::new(), Api::default());
        world.community.subjects.playtime.config.idle_minutes = idle_minutes;
        let beat = |world: &mut World, api: &mut Api, idle: Value| {
            let ann = json!({"userid": 7, "name": "Ann", "id": "[U:1:5]", "team": 2, "idle": idle});
            let beat = FromGame::Heartbeat(json!({"map": "cp_a", "players": [ann]}));
            let game = world.shared.servers.get_mut(ONE).unwrap();
            game.roster.reported(&GameReport::read(beat), world.now);
            world.advance();
            world.with(10, api);
        };
        for beats in 0..90 {
            beat(&mut world, &mut api, json!(beats * 10));
        }
        let counted = |world: &World, api: &Api| world.counted_ms() + ms(api.total());
        let idle_ms = counted(&world, &api);
        assert!(expected.contains(&idle_ms), "{idle_minutes}: {idle_ms}");
        for idle in [json!(0), json!(5), json!(null)] {
            (0..10).for_each(|_| beat(&mut world, &mut api, idle.clone()));
        }
        let more_ms = counted(&world, &api) - idle_ms;
        assert!(
            (265_000..=320_000).contains(&more_ms),
            "{idle_minutes}: {more_ms}"
        );
    }
}

#[test]
fn so_many_counters_are_kept_and_the_file_is_written_for_many_entries_at_once() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(10, &mut api);
    let counters = world.community.subjects.playtime.counters.entry(BUNDLE);
    let all = &mut counters.or_default().all;
    for account in 0..limits::PLAYTIME_COUNTERS_MAX as u32 {
        let steam = SteamId::new(1_000 + account).unwrap();
        let day = at(0).wall_s.div_euclid(86_400);
        let counter = Counter {
            id: u64::from(account),
            steam,
            day,
            last_s: at(0).wall_s,
            total_ms: 36_000,
            sent_ms: 0,
            is_entering: false,
        };
        all.insert((steam, day), counter);
    }
    // Ann has no counter yet, and gets none.
    world.with(120, &mut api);
    let count = |world: &World| {
        world.community.subjects.playtime.counters[&BUNDLE]
            .all
            .len()
    };
    assert_eq!(count(&world), limits::PLAYTIME_COUNTERS_MAX);
    world.written.clear();
    world.with(3_600 + 300, &mut api);
    let name = format!("{COUNTERS}{BUNDLE}");
    let writes = world.written.iter().filter(|it| it.name == name).count();
    assert!(writes < 60, "{writes}");
    assert!(api.added.len() > 200, "{}", api.added.len());
    assert!(world.queued() <= limits::OUTBOX_PLAYTIME_MAX);
}

#[test]
fn nothing_is_sent_before_its_counter_is_on_disk() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(3_500, &mut api);
    world.unwritable = Some(COUNTERS);
    world.with(600, &mut api);
    assert!(api.added.is_empty(), "{:?}", api.added);
    assert_eq!(world.queued(), 1);
    world.unwritable = None;
    world.with(120, &mut api);
    assert_eq!(api.added.len(), 1);
}

#[test]
fn an_entry_that_cannot_be_written_is_taken_from_no_counter() {
    let (mut world, mut api) = (World::new(), Api::default());
    world.with(3_500, &mut api);
    // The names of entries are numbers.
    world.unwritable = Some("1");
    world.with(600, &mut api);
    assert_eq!((world.queued(), api.added.len()), (0, 0));
    assert!(world.counted_ms() > 4_000_000);
    world.unwritable = None;
    world.with(3_600, &mut api);
    assert!(ms(api.total()) > 7_000_000);
}

#[test]
fn what_is_played_around_midnight_is_parted_there() {
    let mut world = World::new();
    // Unix time 1,800,000,000 is 08:00 UTC.
    let midnight_ms = 16 * 3_600_000;
    world.now = at(midnight_ms + 20_000);
    let context = &mut world.shared.context(world.now, &mut world.out);
    let (subjects, mut cx) = world.community.open(context);
    let (from_ms, until_ms) = (midnight_ms - 30_000, midnight_ms + 10_000);
    let of = (ann(), BUNDLE);
    subjects.playtime.count(of, from_ms, until_ms, &mut cx);
    let counters = subjects.playtime.counters[&BUNDLE].all.values();
    let parts: Vec<_> = counters.map(|it| (it.day, it.total_ms)).collect();
    let day = at(0).wall_s.div_euclid(86_400);
    assert_eq!(parts, [(day, 30_000), (day + 1, 10_000)]);
}

#[test]
fn what_vyhub_refuses_for_ever_leaves_the_outbox_to_bans_and_is_not_lost() {
    let (mut world, mut api) = (World::new(), Api::default());
    api.attribute = Some(true);
    world.with(30, &mut api);
    let count = limits::OUTBOX_PLAYTIME_DEAD_MAX;
    let mut ids = Vec::new();
    for n in 0..count as u64 {
        let new = NewEntry {
            change: Change::Playtime(Playtime {
                attribute: Uuid(70),
                date: Timestamp::UNIX_EPOCH,
                counter: n,
                to_ms: 36,
                ms: 36,
                before: None,
            }),
            server: Uuid(1),
            bundle: BUNDLE,
            whom: SteamId::new(90).unwrap().into(),
            name: "x".into(),
            issuer: None,
            call: None,
        };
        let outbox = &mut world.community.outbox;
        let id = outbox.accept(new, Timestamp::UNIX_EPOCH, 0, world.now);
        let id = id.unwrap().id;
        outbox.kill(id, "no".into(), world.now);
        ids.push(id);
    }
    world.with(2 * 3_600, &mut api);
    assert_eq!(world.community.outbox.all().count(), count);
    assert!(api.added.is_empty(), "{:?}", api.added);
    assert!(world.counted_ms() > 7_000_000);
    world.community.outbox.remove(ids[0]);
    world.with(3_700, &mut api);
    assert!(ms(api.total()) > 9_000_000, "{}", api.total());
}

#[test]
fn counters_that_cannot_be_read_are_set_aside_and_not_written_over() {
    let name = format!("{COUNTERS}{BUNDLE}");
    for text in ["{", "{\"version\": 2, \"counters\": []}"] {
        let found = Found {
            cache: vec![(name.clone(), text.into())],
            ..Found::default()
        };
        let (mut world, mut api) = (World::found(found, at(100_000)), Api::default());
        world.with(120, &mut api);
        let of_it = world.written.iter().filter(|write| write.name == name);
        let contents: Vec<_> = of_it.map(|write| write.content.clone()).collect();
        assert!(
            matches!(contents[0], Some(Content::SetAside)),
            "{contents:?}"
        );
        assert!(contents.len() > 1);
    }
}

#[test]
fn what_was_played_in_a_bundle_that_the_server_has_left_is_added_there() {
    let (mut world, mut api) = (World::new(), Api::default());
    api.attribute = Some(true);
    world.with(1_800, &mut api);
    let (mut of_old_ms, mut of_new_ms) = (0.0, 0.0);
    let mut add = |addition: &Addition| {
        let ms: f64 = addition.value.parse::<f64>().unwrap() * 3_600_000.0;
        match addition.bundle {
            BUNDLE => of_old_ms += ms,
            _ => of_new_ms += ms,
        }
    };
    api.added.iter().for_each(&mut add);
    let mut has_moved = false;
    world.run(3 * 3_600, |request| match (request, api.reply(request)) {
        (Request::FindServer(_), Ok(Reply::Server(server))) => {
            let bundle = Some(Uuid(99));
            Some(Ok(Reply::Server(Server { bundle, ..server })))
        }
        // Nothing of the old one is sent before.
        (Request::FindAttribute(_), _) if !has_moved => Some(Err(failure(FailureKind::Broken))),
        (Request::FindBundle(Uuid(99)), reply) => {
            has_moved = true;
            Some(reply)
        }
        (Request::AddToAttribute(addition), reply) => {
            add(addition);
            Some(reply)
        }
        (_, reply) => Some(reply),
    });
    assert!(
        (3_590_000.0..3_700_000.0).contains(&of_old_ms),
        "{of_old_ms}"
    );
    assert!(of_new_ms > 6_000_000.0, "{of_new_ms}");
}
