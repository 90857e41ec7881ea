//! `status` outranks the log, and one that contradicts itself removes nobody and confirms nobody.

use super::*;

const ANN: u32 = 7;
const BOB: u32 = 8;
const EVE: u32 = 9;

/// Ann as userid 2 and Bob as 3, confirmed at 20 s.
fn confirmed() -> Roster {
    let mut roster = Roster::default();
    let both = [line_of(2, "Ann", ANN), line_of(3, "Bob", BOB)];
    roster.status(&status(&both), at(20_000));
    roster.drain_arrivals();
    roster.status_requested(at(20_000));
    roster
}

fn is_confirmed(roster: &Roster, userid: i64, account: u32, now_ms: u64) -> bool {
    roster.confirmed_by_status(userid, steam(account).unwrap(), at(now_ms))
}

#[test]
fn who_status_has_listed_is_confirmed_for_a_while() {
    let mut roster = confirmed();
    assert!(roster.take_newly_confirmed() && !roster.take_newly_confirmed());
    assert!(is_confirmed(&roster, 2, ANN, 21_000));
    for (userid, account) in [(2, BOB), (3, ANN), (4, ANN), (0, ANN)] {
        assert!(!is_confirmed(&roster, userid, account, 21_000));
    }
    let late = 20_000 + limits::ROSTER_LIVE_MS;
    assert!(is_confirmed(&roster, 2, ANN, late - 1));
    assert!(!is_confirmed(&roster, 2, ANN, late));
    roster.log_line(
        &Line::Connected(who(4, "Eve", steam(EVE)), None),
        at(22_000),
    );
    assert!(!is_confirmed(&roster, 4, EVE, 22_000), "by the log alone");
    assert!(roster.wants_status());
    let all = [line_of(2, "Ann", ANN), line_of(4, "Eve", EVE)];
    roster.status(&status(&all), at(23_000));
    assert!(is_confirmed(&roster, 4, EVE, 23_000) && roster.take_newly_confirmed());
    // With a map, userids may have begun anew.
    roster.log_line(&Line::MapStarted("cp_b".into()), at(24_000));
    assert!(!is_confirmed(&roster, 2, ANN, 24_000) && roster.wants_status());
    assert_eq!(roster.who_is(2), ("Ann", steam(ANN)));
}

/// One line of the log makes a player up; the next `status` may be a minute away.
#[test]
fn whom_the_log_alone_knows_is_looked_for_again_soon() {
    let mut roster = confirmed();
    let eve = Line::Connected(who(4, "Eve", steam(EVE)), None);
    roster.log_line(&eve, at(22_000));
    let both = [line_of(2, "Ann", ANN), line_of(3, "Bob", BOB)];
    roster.status(&status(&both), at(23_000));
    assert!(
        roster.person(4).is_some(),
        "the reply may be older than the line"
    );
    let again_ms = 23_000 + limits::ROSTER_OVERTAKEN_MS;
    assert_eq!(roster.recheck_ms(), Some(again_ms));
    roster.status_requested(at(again_ms));
    roster.status(&status(&both), at(again_ms));
    assert!(roster.person(4).is_none() && roster.recheck_ms().is_none());
}

#[test]
fn a_time_in_full_seconds_that_was_under_way_shows_that_a_player_was_on() {
    let mut roster = Roster::default();
    roster.log_line(
        &Line::Connected(who(2, "Ann", steam(ANN)), None),
        at(10_000),
    );
    // Ann was on for 59.98 seconds when it was written.
    let row = StatusPlayer {
        connected_s: 59,
        ..line_of(2, "Ann", ANN)
    };
    roster.status(&status(&[row]), at(70_040));
    let gap = (10_000, 70_000);
    assert_eq!(roster.was_on_since(2, gap), Some(10_000));
    // What was before she connected is none of it.
    assert_eq!(roster.was_on_since(2, (5_000, 70_000)), Some(11_040));
    assert_eq!(roster.was_on_since(2, (5_000, 9_000)), Some(9_000));
    assert_eq!(roster.was_on_since(2, (10_000, 70_041)), None);
}

/// A map's script can let the engine log any of these.
#[test]
fn a_line_that_contradicts_status_changes_nothing() {
    let lines = [
        Line::Connected(who(3, "Eve", steam(EVE)), None),
        Line::Validated(who(3, "Eve", steam(EVE))),
        Line::Entered(who(3, "Eve", steam(EVE))),
        Line::Disconnected {
            who: who(3, "Eve", steam(EVE)),
            reason: String::new(),
        },
        said(3, "Eve", EVE),
        Line::Renamed {
            who: who(3, "Bob", steam(EVE)),
            to: "Eve".into(),
        },
        Line::Connected(
            Who {
                bot: true,
                ..who(3, "Bot", None)
            },
            None,
        ),
    ];
    for line in lines {
        let mut roster = confirmed();
        roster.log_line(&line, at(21_000));
        assert_eq!(roster.who_is(3), ("Bob", steam(BOB)), "{line:?}");
        assert!(is_confirmed(&roster, 3, BOB, 21_000), "{line:?}");
        assert!(roster.wants_status(), "{line:?}");
    }
    // Where status is silent for long, the log is all there is.
    let mut roster = confirmed();
    let late = at(20_000 + limits::ROSTER_LIVE_MS);
    roster.log_line(&Line::Connected(who(3, "Eve", steam(EVE)), None), late);
    assert_eq!(roster.who_is(3), ("Eve", steam(EVE)));
}

#[test]
fn whom_status_does_not_bear_out_does_not_come_back_by_the_log() {
    let mut roster = confirmed();
    let ghost = Line::Connected(who(9, "Ghost", steam(EVE)), None);
    roster.log_line(&ghost, at(21_000));
    assert_eq!(roster.userids(), [2, 3, 9]);
    // Mentioning it again and again does not make it younger.
    roster.log_line(&said(9, "Ghost", EVE), at(26_500));
    let both = [line_of(2, "Ann", ANN), line_of(3, "Bob", BOB)];
    roster.status(&status(&both), at(27_000));
    assert_eq!(roster.userids(), [2, 3]);
    roster.status_requested(at(27_000));
    for line in [&ghost, &said(9, "Ghost", EVE)] {
        roster.log_line(line, at(28_000));
        assert_eq!(roster.userids(), [2, 3]);
        assert!(roster.wants_status());
    }
    // If it is true after all, the next look says so.
    let all = [both[0].clone(), both[1].clone(), line_of(9, "Eve", EVE)];
    roster.status(&status(&all), at(29_000));
    assert_eq!(roster.who_is(9), ("Eve", steam(EVE)));
}

#[test]
fn a_departure_that_was_only_logged_is_looked_at_again() {
    let mut roster = confirmed();
    roster.log_line(
        &Line::Disconnected {
            who: who(3, "Bob", steam(BOB)),
            reason: String::new(),
        },
        at(21_000),
    );
    assert_eq!(roster.userids(), [2]);
    let again_ms = roster.recheck_ms().expect("a look when it can tell");
    assert!(again_ms >= 21_000 + limits::ROSTER_OVERTAKEN_MS);
    let both = [line_of(2, "Ann", ANN), line_of(3, "Bob", BOB)];
    roster.status_requested(at(22_000));
    assert_eq!(roster.recheck_ms(), Some(again_ms), "too early");
    roster.status(&status(&both), at(22_000));
    assert_eq!(
        roster.userids(),
        [2],
        "the answer may be older than the line"
    );
    roster.status_requested(at(again_ms));
    roster.status(&status(&both), at(again_ms));
    assert_eq!((roster.userids(), roster.recheck_ms()), (vec![2, 3], None));
}

#[test]
fn names_of_status_win_and_are_asked_for_once() {
    let mut roster = confirmed();
    let rename = |to: &str| Line::Renamed {
        who: who(3, "Bob", steam(BOB)),
        to: to.into(),
    };
    roster.log_line(&rename("cheater"), at(21_000));
    assert_eq!(roster.who_is(3).0, "Bob", "a script may have made this up");
    assert!(roster.wants_status());
    roster.status_requested(at(21_500));
    roster.log_line(&said(3, "cheater", BOB), at(21_600));
    assert!(!roster.wants_status(), "this was asked for already");
    let both = [line_of(2, "Ann", ANN), line_of(3, "cheater", BOB)];
    roster.status(&status(&both), at(22_000));
    assert_eq!(roster.who_is(3).0, "cheater");
}

#[test]
fn a_name_that_status_cut_does_not_replace_the_whole_one() {
    let long = "\u{436}".repeat(15);
    let mut whole = long.clone();
    whole.push('x');
    for (logged, told, known) in [
        (whole.as_str(), long.as_str(), whole.as_str()),
        ("abc\u{e9}", "abc\u{fffd}", "abc\u{e9}"),
        (
            "abcdefghijabcdefghijabcdefghijk",
            "abcdefghijabcdefghijabcdefgh",
            "abcdefghijabcdefghijabcdefghijk",
        ),
        // Others are other names.
        ("Bobby", "Bob", "Bob"),
        ("abc\u{e9}", "abd\u{fffd}", "abd\u{fffd}"),
        ("abc", "\u{fffd}", "\u{fffd}"),
    ] {
        let mut roster = Roster::default();
        roster.log_line(
            &Line::Connected(who(2, logged, steam(ANN)), None),
            at(1_000),
        );
        roster.status(&status(&[line_of(2, told, ANN)]), at(10_000));
        assert_eq!(roster.who_is(2).0, known, "{told}");
        // And the other way around.
        let mut roster = Roster::default();
        roster.status(&status(&[line_of(2, told, ANN)]), at(1_000));
        roster.log_line(&said(2, logged, ANN), at(2_000));
        assert_eq!(roster.who_is(2).0, known, "{told}");
    }
    // Somebody else's name is never completed.
    let mut roster = Roster::default();
    roster.log_line(
        &Line::Connected(who(2, "abc\u{e9}", steam(ANN)), None),
        at(1_000),
    );
    roster.status(&status(&[line_of(2, "abc\u{fffd}", BOB)]), at(10_000));
    assert_eq!(roster.who_is(2).0, "abc\u{fffd}");
}

#[test]
fn a_status_that_contradicts_itself_adds_and_updates_and_removes_nobody() {
    let mut roster = confirmed();
    let mut short = status(&[line_of(3, "Rob", BOB), line_of(4, "Eve", EVE)]);
    short.whole = false;
    roster.status(&short, at(40_000));
    assert_eq!(roster.userids(), [2, 3, 4]);
    assert_eq!(roster.who_is(3), ("Rob", steam(BOB)));
    assert!(is_confirmed(&roster, 4, EVE, 40_000), "its row is sure");
    short.whole = true;
    roster.status(&short, at(50_000));
    assert_eq!(roster.userids(), [3, 4]);
}

#[test]
fn a_doubtful_row_makes_nobody_somebody_else() {
    let doubtful = |userid: i64, name: &str, account: u32| StatusPlayer {
        sure: false,
        ..line_of(userid, name, account)
    };
    let mut roster = confirmed();
    let mut said = status(&[
        doubtful(2, "Forged", EVE),
        doubtful(3, "Bob", BOB),
        doubtful(4, "New", EVE),
        StatusPlayer {
            bot: true,
            id: None,
            ..doubtful(3, "Bot", 0)
        },
    ]);
    said.whole = false;
    roster.status(&said, at(40_000));
    assert_eq!(roster.who_is(2), ("Ann", steam(ANN)));
    assert_eq!(roster.who_is(3), ("Bob", steam(BOB)));
    assert!(!roster.person(3).unwrap().bot);
    assert_eq!(roster.who_is(4), ("New", None), "somebody is there");
    assert_eq!(roster.drain_arrivals(), [0; 0]);
    assert!(!is_confirmed(&roster, 2, EVE, 40_000));
    assert!(!is_confirmed(&roster, 4, EVE, 40_000));
    // What the log had told is borne out by it.
    roster.log_line(
        &Line::Connected(who(5, "Carl", steam(77)), None),
        at(41_000),
    );
    let mut said = status(&[doubtful(5, "Carl", 77), doubtful(6, "Carl", 77)]);
    said.whole = false;
    roster.status(&said, at(42_000));
    assert!(is_confirmed(&roster, 5, 77, 42_000));
    assert!(!is_confirmed(&roster, 6, 77, 42_000));
}

#[test]
fn whom_an_id_means_is_whom_status_has_confirmed() {
    let mut roster = confirmed();
    roster.log_line(
        &Line::Connected(who(99, "Ann", steam(ANN)), None),
        at(21_000),
    );
    let meant = |roster: &Roster| roster.by_steam(steam(ANN).unwrap()).unwrap().userid;
    assert_eq!(meant(&roster), 2);
    assert!(roster.wants_status());
    // She has really come back.
    let both = [line_of(99, "Ann", ANN), line_of(3, "Bob", BOB)];
    roster.status(&status(&both), at(22_000));
    assert_eq!(meant(&roster), 99);
}

#[test]
fn a_suicide_is_a_death_and_a_death_of_somebody_else_is_not() {
    let mut roster = confirmed();
    let suicide = |account: u32| Line::Suicide {
        who: who(2, "Ann", steam(account)),
        by_world: true,
        weapon: "world".into(),
    };
    roster.script_event("player_death", &json!({"userid": 2}), at(21_000));
    roster.log_line(&suicide(ANN), at(21_100));
    roster.log_line(&suicide(ANN), at(30_000));
    roster.script_event("player_death", &json!({"userid": 2}), at(30_100));
    assert_eq!(roster.person(2).unwrap().deaths, 2);
    roster.log_line(&suicide(EVE), at(31_000));
    assert_eq!(roster.person(2).unwrap().deaths, 2);
}

/// The same userids, some seconds after the server was stopped and started.
#[test]
fn a_new_run_of_the_server_knows_nobody_who_left_before() {
    let begin = json!({"map": "cp_a", "max_players": 24});
    let mut roster = confirmed();
    roster.script_event("map_start", &begin, at(30_000));
    assert!(roster.wants_status());
    roster.status(&status(&[]), at(31_000));
    assert!(roster.userids().is_empty());
    roster.claims(2, "Ann", "[U:1:7]", at(33_000));
    roster.claims(3, "Eve", "[U:1:9]", at(33_000));
    assert_eq!(roster.who_is(2), ("Ann", steam(ANN)));
    assert_eq!(roster.who_is(3), ("Eve", steam(EVE)));
    // The same if the answer came before the script's first word.
    let mut roster = confirmed();
    roster.status(&status(&[]), at(31_000));
    roster.claims(2, "Ann", "[U:1:7]", at(32_000));
    assert!(roster.userids().is_empty() && roster.wants_status());
    roster.script_event("map_start", &begin, at(33_000));
    roster.claims(2, "Ann", "[U:1:7]", at(34_000));
    assert_eq!(roster.who_is(2), ("Ann", steam(ANN)));
    // And by the log alone.
    let mut roster = confirmed();
    roster.status(&status(&[]), at(31_000));
    roster.log_line(&Line::MapStarted("cp_a".into()), at(32_000));
    roster.log_line(
        &Line::Connected(who(2, "Eve", steam(EVE)), None),
        at(33_000),
    );
    assert_eq!(roster.who_is(2), ("Eve", steam(EVE)));
}

#[test]
fn a_script_that_says_another_id_makes_us_look() {
    let mut roster = confirmed();
    roster.claims(2, "Ann", "[U:1:7]", at(21_000));
    assert!(!roster.wants_status());
    roster.claims(2, "Eve", "[U:1:9]", at(22_000));
    assert!(roster.wants_status());
    assert_eq!(roster.who_is(2), ("Ann", steam(ANN)));
}

#[test]
fn where_nobody_is_ever_removed_those_long_unheard_of_make_room() {
    let mut roster = Roster::default();
    for n in 0..limits::PLAYERS_MAX as i64 {
        roster.log_line(
            &Line::Connected(who(1 + n, "x", steam(1_000 + n as u32)), None),
            at(1_000),
        );
    }
    let late = limits::ROSTER_UNCONFIRMED_MS;
    roster.log_line(
        &Line::Connected(who(900, "Ann", steam(ANN)), None),
        at(late),
    );
    assert!(roster.person(900).is_none(), "all of them are recent");
    roster.log_line(
        &Line::Connected(who(900, "Ann", steam(ANN)), None),
        at(late + 1_000),
    );
    assert_eq!(roster.who_is(900), ("Ann", steam(ANN)));
    assert_eq!(roster.userids().len(), limits::PLAYERS_MAX);
}

#[test]
fn an_address_is_known_from_status_and_kept() {
    let mut roster = Roster::default();
    let mut ann = line_of(2, "Ann", 7);
    roster.status(&status(&[ann.clone()]), at(1_000));
    ann.address = None;
    roster.status(&status(&[ann]), at(2_000));
    let address = roster.person(2).unwrap().address.as_deref();
    assert_eq!(address, Some("192.0.2.9:27005"));
}

#[test]
fn a_name_by_status_stays_also_while_the_id_is_not_known() {
    let mut roster = Roster::default();
    let pending = StatusPlayer {
        id: None,
        ..line_of(2, "Ann", 7)
    };
    roster.status(&status(&[pending]), at(20_000));
    roster.status_requested(at(20_000));
    let renamed = Line::Renamed {
        who: who(2, "Ann", None),
        to: "Bob".into(),
    };
    roster.log_line(&renamed, at(21_000));
    assert_eq!(roster.who_is(2), ("Ann", None));
    assert!(roster.wants_status());
    roster.claims(2, "Eve", "", at(22_000));
    assert_eq!(roster.who_is(2), ("Ann", None));
    roster.status(&status(&[line_of(2, "Bob", 7)]), at(23_000));
    assert_eq!(roster.who_is(2), ("Bob", steam(7)));
}
