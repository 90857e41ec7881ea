//! Any sources in any order: whatever scripts say, what the engine has told last holds.

use std::collections::{BTreeMap, BTreeSet};

use arbtest::arbitrary::{Result, Unstructured};

use super::*;

const NAMES: [&str; 3] = ["Ann", "Bob", "Eve"];
const IDS: [&str; 5] = ["[U:1:7]", "[U:1:8]", "BOT", "", "STEAM_ID_PENDING"];
/// The engine's people by userid, as it has told of them.
type Truth = BTreeMap<i64, (&'static str, Option<SteamId>)>;

fn userid(u: &mut Unstructured<'_>) -> Result<i64> {
    u.int_in_range(1..=6)
}

/// A script says something; all of it may be false.
fn script_speaks(roster: &mut Roster, u: &mut Unstructured<'_>, now: Now) -> Result<()> {
    let data = active(userid(u)?, u.choose(&NAMES)?, u.choose(&IDS)?);
    let events = [
        "player_active",
        "player_spawn",
        "player_disconnect",
        "player_death",
    ];
    match u.int_in_range(0..=9)? {
        0 => roster.script_gone(),
        1 => roster.beats(&[], now),
        2 => roster.beats(&[data], now),
        3 => roster.script_event("map_start", &json!({"map": "cp_b"}), now),
        _ => roster.script_event(u.choose(&events)?, &data, now),
    }
    Ok(())
}

/// The engine says something, and it is true. `gone`: who left without a line of the log; their
/// userids are not given again.
fn engine_speaks(
    roster: &mut Roster,
    truth: &mut Truth,
    gone: &mut BTreeSet<i64>,
    u: &mut Unstructured<'_>,
    now: Now,
) -> Result<()> {
    let userid = userid(u)?;
    let name = *u.choose(&NAMES)?;
    let id = steam(u.int_in_range(0..=3)?);
    let known = truth.get(&userid).copied();
    match (u.int_in_range(0..=4)?, known) {
        (0, _) => {
            let stays = |one: &i64| *one % 2 == userid % 2;
            gone.extend(truth.keys().filter(|one| !stays(one)));
            truth.retain(|one, _| stays(one));
            let players = truth.iter().map(|(userid, (name, id))| StatusPlayer {
                id: *id,
                ..line_of(*userid, name, 0)
            });
            let players: Vec<_> = players.collect();
            roster.status_requested(now);
            roster.status(&status(&players), now);
        }
        (1, Some((name, id))) => {
            truth.remove(&userid);
            roster.log_line(
                &Line::Disconnected {
                    who: who(userid, name, id),
                    reason: String::new(),
                },
                now,
            );
        }
        (2, Some((_, id))) => {
            truth.insert(userid, (name, id));
            let (who, to) = (who(userid, "old", id), name.into());
            roster.log_line(&Line::Renamed { who, to }, now);
        }
        (3, Some((name, None))) => {
            truth.insert(userid, (name, id));
            roster.log_line(&Line::Validated(who(userid, name, id)), now);
        }
        (_, None) if gone.contains(&userid) => {}
        (_, None) => {
            truth.insert(userid, (name, id));
            roster.log_line(&Line::Connected(who(userid, name, id), None), now);
        }
        (_, Some((name, id))) => {
            let (text, team, who) = ("!ban".into(), true, who(userid, name, id));
            roster.log_line(&Line::Said { who, text, team }, now);
        }
    }
    Ok(())
}

#[test]
fn who_comes_while_a_list_is_made_stays() {
    let mut roster = Roster::default();
    roster.claims(4, "Eve", "[U:1:9]", at(1_000));
    roster.beats(&[], at(1_050));
    assert_eq!(roster.userids(), [4]);
    // The next list has everybody who is there.
    roster.beats(&[], at(11_050));
    assert_eq!(roster.userids(), [0; 0]);
}

#[test]
fn what_the_engine_tells_holds_in_every_order() {
    arbtest::arbtest(|u| {
        let (mut roster, mut truth) = (Roster::default(), Truth::new());
        let (mut here, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for step in 1..=u.int_in_range(1..=80)? {
            // Slow enough that nothing is overtaken, quick enough that the engine stays live.
            let now = at(step * (limits::ROSTER_OVERTAKEN_MS + 1_000));
            match u.ratio(1, 2)? {
                true => engine_speaks(&mut roster, &mut truth, &mut gone, u, now)?,
                false => script_speaks(&mut roster, u, now)?,
            }
            for (userid, (name, id)) in &truth {
                let person = roster.person(*userid).expect("the engine's word holds");
                assert!(person.from_engine);
                // Another name than that of `status` waits for the next one.
                assert!(
                    person.name == *name || roster.wants_status(),
                    "{person:?} {name}"
                );
                let told = person.steam == *id;
                let silent = id.is_none() && !roster.engine_is_live(now);
                assert!(told || silent, "{person:?} {id:?}");
            }
            // Who is there with an id has arrived.
            for userid in roster.drain_arrivals() {
                assert!(roster.person(userid).unwrap().steam.is_some());
                here.insert(userid);
            }
            here.retain(|userid| {
                roster
                    .person(*userid)
                    .is_some_and(|one| one.steam.is_some())
            });
            let with_id = roster.people().filter(|person| person.steam.is_some());
            assert!(with_id.map(|person| person.userid).eq(here.iter().copied()));
            let sure = truth
                .keys()
                .filter(|userid| roster.people[userid].has_engine_id);
            assert_eq!(
                sure.count(),
                truth.values().filter(|(_, id)| id.is_some()).count()
            );
        }
        Ok(())
    });
}

/// The list is gathered over many ticks, and whoever entered meanwhile is not in it.
#[test]
fn who_entered_while_a_heartbeat_was_gathered_stays() {
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:7]", at(1_000));
    roster.beats(&[], at(1_000));
    assert_eq!(roster.drain_arrivals(), [2]);
    assert_eq!(roster.userids(), [2]);
    // The same on the next map, where everybody enters again.
    roster.script_event("map_start", &json!({"map": "cp_b"}), at(90_000));
    roster.claims(2, "Ann", "[U:1:7]", at(100_000));
    roster.beats(&[], at(100_500));
    assert_eq!(roster.userids(), [2]);
    roster.beats(&[], at(110_500));
    assert!(roster.userids().is_empty());
}
