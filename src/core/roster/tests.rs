mod by_status;
mod order;

use serde_json::{Value, json};

use super::*;
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::game_report::GameReport;
use crate::protocol::server_status::{ServerStatus, StatusPlayer};
use crate::protocol::signed::messages::FromGame;

const MINUTE_MS: u64 = 60_000;

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_s: 0 }
}

fn steam(account: u32) -> Option<SteamId> {
    SteamId::new(account)
}

fn who(userid: i64, name: &str, id: Option<SteamId>) -> Who {
    Who {
        userid,
        name: name.into(),
        id,
        ..Who::default()
    }
}

fn line_of(userid: i64, name: &str, account: u32) -> StatusPlayer {
    StatusPlayer {
        userid,
        name: name.into(),
        id: steam(account),
        bot: false,
        connected_s: 10,
        ping: 50,
        active: true,
        address: Some("192.0.2.9:27005".into()),
        sure: true,
    }
}

fn status(players: &[StatusPlayer]) -> ServerStatus {
    ServerStatus {
        map: "cp_a".into(),
        max_players: 24,
        players: players.to_vec(),
        whole: true,
    }
}

fn active(userid: i64, name: &str, id: &str) -> Value {
    json!({"userid": userid, "name": name, "id": id, "bot": id == "BOT"})
}

fn said(userid: i64, name: &str, account: u32) -> Line {
    let (text, team) = ("hello".into(), false);
    let who = who(userid, name, steam(account));
    Line::Said { who, text, team }
}

fn killed(victim: i64) -> Line {
    let (who, victim) = (who(3, "Bob", steam(8)), who(victim, "Ann", steam(7)));
    Line::Killed {
        who,
        victim,
        weapon: "scattergun".into(),
    }
}

impl Roster {
    /// A player of a script's heartbeat, alone in it.
    fn beats(&mut self, players: &[Value], now: Now) {
        let data = json!({"map": "cp_a", "players": players});
        self.reported(&GameReport::read(FromGame::Heartbeat(data)), now);
    }

    fn claims(&mut self, userid: i64, name: &str, id: &str, now: Now) {
        self.script_event("player_active", &active(userid, name, id), now);
    }

    fn userids(&self) -> Vec<i64> {
        self.people().map(|person| person.userid).collect()
    }

    fn who_is(&self, userid: i64) -> (&str, Option<SteamId>) {
        let person = self.person(userid).expect("somebody of this userid");
        (&person.name, person.steam)
    }

    /// As the signed protocol has it.
    fn script_event(&mut self, name: &str, data: &Value, now: Now) {
        let (name, data) = (name.to_owned(), data.clone());
        self.reported(&GameReport::read(FromGame::Event { name, data }), now);
    }
}

/// Ann as userid 2, by an answer to `status` at the beginning.
fn with_ann() -> Roster {
    let mut roster = Roster::default();
    roster.status(&status(&[line_of(2, "Ann", 7)]), at(20_000));
    assert_eq!(roster.drain_arrivals(), [2]);
    roster
}

/// The engine starts a map whose script never reports: the players of the session before are missed.
#[test]
fn the_players_of_a_session_count_until_a_script_begins_another() {
    let mut roster = with_ann();
    let begin = json!({"map": "cp_a", "max_players": 24});
    roster.script_event("map_start", &begin, at(21_000));
    assert_eq!(roster.players_of_session(), 0, "claimed by no script");
    roster.claims(2, "Ann", "[U:1:7]", at(22_000));
    roster.claims(3, "Bot", "BOT", at(22_000));
    roster.log_line(&Line::MapStarted("cp_b".into()), at(60_000));
    assert_eq!(roster.players_of_session(), 1);
    roster.script_event("map_start", &begin, at(61_000));
    assert_eq!(roster.players_of_session(), 0);
}

/// Else the hidden slots would be taken off once more on each map, and a map's script could have players kicked.
#[test]
fn only_status_says_how_many_slots_there_are_with_those_that_are_hidden() {
    let mut roster = Roster::default();
    let begin = json!({"map": "cp_a", "max_players": 22});
    roster.script_event("map_start", &begin, at(0));
    assert_eq!((roster.max_players(), roster.slots()), (22, 0));
    roster.status(&status(&[]), at(1_000));
    assert_eq!(roster.slots(), 24);
    let later = at(10 * MINUTE_MS);
    roster.script_event("map_start", &begin, later);
    assert_eq!((roster.max_players(), roster.slots()), (22, 24));
}

#[test]
fn scripts_alone_are_believed() {
    let mut roster = Roster::default();
    let begin = json!({"map": "cp_a", "max_players": 24});
    roster.script_event("map_start", &begin, at(0));
    assert_eq!((roster.map(), roster.max_players()), ("cp_a", 24));
    roster.claims(2, "Ann", "", at(1_000));
    assert!(roster.drain_arrivals().is_empty());
    roster.claims(2, "Ann", "[U:1:7]", at(2_000));
    roster.claims(2, "Ann", "[U:1:7]", at(2_500));
    roster.claims(3, "Bot", "BOT", at(2_500));
    assert_eq!(roster.drain_arrivals(), [2]);
    roster.script_event("player_spawn", &json!({"userid": 2, "team": 3}), at(3_000));
    let ann = roster.person(2).unwrap().clone();
    assert_eq!((ann.name.as_str(), ann.team, ann.alive), ("Ann", 3, true));
    assert_eq!((ann.since_ms, ann.from_engine), (1_000, false));
    assert_eq!(ann.connected_s(at(11_500)), 10);
    assert!(roster.person(3).unwrap().bot);
    roster.claims(2, "Anna", "[U:1:9]", at(4_000));
    assert_eq!(roster.who_is(2), ("Anna", steam(9)));
    assert_eq!(roster.drain_arrivals(), [2]);
    let listed = json!({"userid": 2, "score": 4, "ping": -1, "alive": false});
    roster.beats(&[listed], at(8_000));
    let anna = roster.person(2).unwrap();
    assert_eq!((anna.score, anna.ping, anna.alive), (4, 0, false));
    assert_eq!(roster.userids(), [2], "the bot is not listed any more");
    roster.script_event("player_disconnect", &json!({"userid": 2}), at(9_000));
    assert_eq!(roster.userids(), [0; 0]);
}

#[test]
fn a_script_cannot_be_an_admin_for_another_userid() {
    let mut roster = with_ann();
    roster.claims(2, "Admin", "[U:1:1]", at(21_000));
    roster.beats(&[active(2, "Admin", "BOT")], at(22_000));
    assert_eq!(roster.who_is(2), ("Ann", steam(7)));
    assert!(!roster.person(2).unwrap().bot);
    // Neither can it give the admin's id to somebody whom only it knows.
    roster.claims(9, "Ghost", "[U:1:7]", at(23_000));
    assert_eq!(roster.who_is(9), ("Ghost", None));
    assert!(roster.wants_status());
    // Nor before the engine tells who has it.
    let mut roster = Roster::default();
    roster.claims(9, "Ghost", "[U:1:7]", at(0));
    roster.log_line(&said(2, "Ann", 7), at(1_000));
    assert_eq!(roster.by_steam(steam(7).unwrap()).unwrap().userid, 2);
    assert_eq!(roster.who_is(9).1, None);
    assert_eq!(roster.drain_arrivals(), [2]);
}

#[test]
fn an_id_that_the_engine_does_not_know_yet_is_not_claimed_meanwhile() {
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:1]", at(0));
    assert_eq!(roster.drain_arrivals(), [2]);
    roster.log_line(&Line::Connected(who(2, "Ann", None), None), at(1_000));
    assert_eq!(roster.who_is(2).1, None);
    assert!(roster.wants_status());
    roster.claims(2, "Ann", "[U:1:1]", at(2_000));
    assert_eq!(roster.who_is(2).1, None);
    roster.log_line(&Line::Validated(who(2, "Ann", steam(7))), at(3_000));
    assert_eq!(roster.who_is(2).1, steam(7));
    // Without the id: what is known stays.
    roster.log_line(&Line::Entered(who(2, "Ann", None)), at(4_000));
    assert_eq!(roster.who_is(2).1, steam(7));
    assert_eq!(
        (roster.drain_arrivals(), roster.userids()),
        (vec![2], vec![2])
    );
}

#[test]
fn where_the_engine_is_silent_a_script_fills_the_gap() {
    let mut roster = Roster::default();
    roster.log_line(&Line::Connected(who(2, "Ann", None), None), at(0));
    roster.claims(2, "Eve", "[U:1:7]", at(limits::ROSTER_LIVE_MS));
    assert_eq!(roster.who_is(2), ("Ann", steam(7)));
    roster.status(&status(&[line_of(2, "Ann", 9)]), at(MINUTE_MS * 4));
    assert_eq!(roster.who_is(2), ("Ann", steam(9)));
}

#[test]
fn a_script_cannot_let_a_banned_player_vanish() {
    let mut roster = with_ann();
    roster.script_event("player_disconnect", &json!({"userid": 2}), at(21_000));
    assert_eq!(roster.userids(), [2]);
    assert!(roster.wants_status());
    roster.status_requested(at(21_000));
    assert!(!roster.wants_status());
    roster.beats(&[], at(22_000));
    roster.script_gone();
    roster.script_event("map_start", &json!({"map": "cp_b"}), at(30_000));
    roster.beats(&[], at(30_000 + limits::ROSTER_MAP_CHANGE_MS));
    assert_eq!(roster.who_is(2), ("Ann", steam(7)));
    roster.status(&status(&[]), at(200_000));
}

#[test]
fn a_script_is_believed_about_the_missing_when_the_engine_has_long_been_silent() {
    let mut roster = with_ann();
    let late = 20_000 + limits::ROSTER_UNCONFIRMED_MS;
    roster.beats(&[], at(late - 1));
    assert_eq!(roster.userids(), [2]);
    roster.claims(2, "Eve", "[U:1:1]", at(late));
    assert_eq!(roster.who_is(2), ("Ann", steam(7)), "who it is stays told");
    roster.beats(&[], at(late + limits::ROSTER_OVERTAKEN_MS));
}

#[test]
fn whom_only_a_script_claims_status_disproves() {
    let mut roster = with_ann();
    roster.claims(9, "Ghost", "[U:1:9]", at(70_000));
    assert_eq!(roster.drain_arrivals(), [9]);
    let truth = status(&[line_of(2, "Ann", 7)]);
    roster.status(&truth, at(70_000 + limits::ROSTER_OVERTAKEN_MS - 1));
    assert_eq!(
        roster.userids(),
        [2, 9],
        "the claim may be younger than the answer"
    );
    roster.beats(&[active(9, "Ghost", "[U:1:9]")], at(79_000));
    roster.status(&truth, at(80_000));
    // It is not believed again, until the engine tells it, or tells nothing any more.
    roster.beats(&[active(9, "Ghost", "[U:1:9]")], at(89_000));
    assert_eq!(roster.userids(), [2]);
    let both = [line_of(2, "Ann", 7), line_of(9, "Carl", 9)];
    roster.status(&status(&both), at(90_000));
    assert_eq!(roster.who_is(9), ("Carl", steam(9)));
    roster.status(&truth, at(100_000));
    roster.claims(9, "Ghost", "[U:1:9]", at(100_000 + limits::ROSTER_LIVE_MS));
    assert_eq!(roster.userids(), [2, 9]);
}

#[test]
fn the_log_brings_names_and_takes_people() {
    let mut roster = Roster::default();
    roster.claims(2, "Eve", "", at(0));
    roster.log_line(&Line::Connected(who(2, "Ann", steam(7)), None), at(1_000));
    roster.log_line(&Line::Entered(who(2, "Ann", steam(7))), at(5_000));
    let to = "Anna".to_string();
    let renamed = who(2, "Ann", steam(7));
    roster.log_line(&Line::Renamed { who: renamed, to }, at(6_000));
    roster.claims(2, "Eve", "[U:1:7]", at(7_000));
    assert_eq!(roster.who_is(2), ("Anna", steam(7)));
    assert_eq!(roster.person(2).unwrap().since_ms, 1_000);
    roster.log_line(&said(0, "Console", 0), at(8_000));
    assert_eq!(roster.userids(), [2], "the console is nobody");
    roster.log_line(&Line::MapStarted("cp_b".into()), at(9_000));
    assert_eq!((roster.map(), roster.userids()), ("cp_b", vec![2]));
    roster.log_line(&Line::Ambiguous, at(10_000));
    assert!(roster.wants_status());
    roster.log_line(
        &Line::Disconnected {
            who: who(2, "Anna", steam(7)),
            reason: String::new(),
        },
        at(11_000),
    );
    assert!(roster.drain_arrivals().is_empty());
    // What is under way brings nobody back: not a script, a reordered line, or an older answer.
    roster.claims(2, "Anna", "[U:1:7]", at(11_500));
    roster.log_line(&said(2, "Anna", 7), at(12_000));
    roster.status(&status(&[line_of(2, "Anna", 7)]), at(13_000));
    assert!(roster.userids().is_empty());
    roster.status(
        &status(&[line_of(2, "Anna", 7)]),
        at(11_000 + limits::ROSTER_OVERTAKEN_MS),
    );
    assert_eq!(roster.userids(), [2]);
}

#[test]
fn an_answer_that_the_log_has_overtaken_takes_nobody() {
    let mut roster = Roster::default();
    roster.log_line(&Line::Connected(who(2, "Ann", steam(7)), None), at(10_000));
    roster.status(&status(&[]), at(11_000));
    assert_eq!(roster.userids(), [2]);
    roster.status(&status(&[]), at(10_000 + limits::ROSTER_OVERTAKEN_MS));
    assert!(roster.userids().is_empty());
}

#[test]
fn status_tells_since_when_also_from_before_our_start() {
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:7]", at(2_000));
    let mut ann = line_of(2, "Ann", 7);
    ann.connected_s = 100;
    roster.status(&status(std::slice::from_ref(&ann)), at(20_000));
    let person = roster.person(2).unwrap();
    assert_eq!((person.since_ms, person.from_engine), (-80_000, true));
    assert_eq!(person.connected_s(at(20_000)), 100);
    ann.connected_s = 159;
    roster.status(&status(std::slice::from_ref(&ann)), at(80_000));
    assert_eq!(roster.person(2).unwrap().since_ms, -80_000);
    ann.connected_s = u64::MAX;
    roster.status(&status(&[ann]), at(90_000));
    assert_eq!(roster.person(2).unwrap().ping, 50);
}

#[test]
fn a_userid_is_somebody_else_after_the_server_began_anew() {
    let mut roster = with_ann();
    roster.log_line(&killed(2), at(21_000));
    assert_eq!(roster.person(2).unwrap().deaths, 1);
    assert_eq!(roster.drain_arrivals(), [3]);
    let people = [line_of(2, "Carl", 9), line_of(3, "Bob", 8)];
    roster.status(&status(&people), at(30_000));
    assert_eq!(roster.who_is(2), ("Carl", steam(9)));
    let carl = roster.person(2).unwrap();
    assert_eq!((carl.deaths, carl.since_ms), (0, 20_000));
    assert_eq!(
        (roster.who_is(2).1, roster.drain_arrivals()),
        (steam(9), vec![2])
    );
    let bot = StatusPlayer {
        bot: true,
        ..line_of(2, "Bot", 0)
    };
    roster.status(&status(&[bot]), at(40_000));
    assert_eq!(roster.who_is(2), ("Bot", None));
    assert!(roster.person(2).unwrap().bot);
}

#[test]
fn of_two_with_one_id_the_engines_is_meant_and_else_the_latest() {
    let mut roster = with_ann();
    let late = at(20_000 + limits::ROSTER_LIVE_MS);
    roster.claims(9, "Ann", "[U:1:7]", late);
    let meant = |roster: &Roster| roster.by_steam(steam(7).unwrap()).unwrap().userid;
    assert_eq!((roster.who_is(9).1, meant(&roster)), (steam(7), 2));
    let both = [line_of(2, "Ann", 7), line_of(9, "Ann", 7)];
    roster.status(&status(&both), at(late.mono_ms + 1));
    assert_eq!(meant(&roster), 9);
}

#[test]
fn players_stay_over_a_map_change() {
    let mut roster = Roster::default();
    let start = |map: &str| json!({"map": map, "max_players": 24});
    roster.script_event("map_start", &start("cp_a"), at(0));
    roster.beats(
        &[active(2, "Ann", "[U:1:7]"), active(3, "Bob", "[U:1:8]")],
        at(1),
    );
    roster.script_event("map_start", &start("cp_b"), at(50_000));
    roster.beats(&[], at(50_100));
    assert_eq!(roster.userids(), [2, 3]);
    roster.beats(&[active(2, "Ann", "[U:1:7]")], at(60_000));
    assert_eq!(roster.userids(), [2, 3]);
    roster.beats(&[], at(70_000));
    assert_eq!(roster.userids(), [3], "who was here and is missing is gone");
    roster.beats(&[], at(50_000 + limits::ROSTER_MAP_CHANGE_MS));
    assert!(roster.userids().is_empty());
    assert_eq!(roster.map(), "cp_a", "as the last heartbeat said");
}

#[test]
fn a_death_is_counted_once() {
    let mut roster = Roster::default();
    let died = json!({"userid": 2, "attacker": 3});
    roster.claims(2, "Ann", "[U:1:7]", at(0));
    roster.script_event("player_spawn", &json!({"userid": 2}), at(0));
    roster.script_event("player_death", &died, at(1_000));
    let deaths = |roster: &Roster| roster.person(2).unwrap().deaths;
    assert_eq!(deaths(&roster), 1);
    assert!(!roster.person(2).unwrap().alive);
    // The log begins with the same death; from then on it counts, and not the script.
    roster.log_line(&killed(2), at(1_500));
    roster.log_line(&killed(2), at(9_000));
    roster.script_event("player_death", &died, at(9_100));
    assert_eq!(deaths(&roster), 2);
    roster.script_event("player_death", &died, at(9_000 + limits::ROSTER_LIVE_MS));
    assert_eq!(deaths(&roster), 3, "the log has ended");
    roster.script_event("map_start", &json!({"map": "cp_b"}), at(400_000));
    assert_eq!(deaths(&roster), 0);
}

#[test]
fn the_games_own_count_of_deaths_corrects_ours() {
    let mut roster = Roster::default();
    let beat = |roster: &mut Roster, deaths: i64, at_ms: u64| {
        let mut ann = active(2, "Ann", "[U:1:7]");
        ann["deaths"] = json!(deaths);
        roster.beats(&[ann], at(at_ms));
        roster.person(2).unwrap().deaths
    };
    let died = json!({"userid": 2, "attacker": 3});
    assert_eq!(beat(&mut roster, 5, 1_000), 5, "before we listened");
    roster.script_event("player_death", &died, at(10_900));
    assert_eq!(
        beat(&mut roster, 5, 11_000),
        6,
        "the list was begun before the death"
    );
    assert_eq!(beat(&mut roster, 6, 21_000), 6);
    roster.log_line(&killed(2), at(25_000));
    assert_eq!(roster.person(2).unwrap().deaths, 7);
    assert_eq!(
        beat(&mut roster, 0, 31_000),
        0,
        "the scoreboard was cleared"
    );
    assert_eq!(beat(&mut roster, -1, 41_000), 0, "this game has no count");
}

#[test]
fn claims_do_not_keep_the_engines_players_out() {
    let mut roster = Roster::default();
    for userid in 1..=1_000 {
        let name = "x".repeat(1_000);
        roster.claims(userid, &name, &format!("[U:1:{}]", 1_000 + userid), at(0));
    }
    assert_eq!(roster.userids().len(), limits::PLAYERS_MAX);
    let longest = roster.people().map(|person| person.name.len()).max();
    assert_eq!(longest, Some(limits::PLAYER_TEXT_CHARS_MAX));
    roster.drain_arrivals();
    roster.log_line(
        &Line::Connected(who(5_000, "Ann", steam(7)), None),
        at(1_000),
    );
    assert_eq!(roster.who_is(5_000), ("Ann", steam(7)));
    assert_eq!(roster.userids().len(), limits::PLAYERS_MAX);
    let all: Vec<_> = (1..=300).map(|n| line_of(n, "y", n as u32)).collect();
    roster.status(&status(&all), at(2_000));
    assert_eq!(roster.userids().len(), limits::PLAYERS_MAX);
    for userid in 1..=1_000 {
        roster.log_line(
            &Line::Disconnected {
                who: who(userid, "y", None),
                reason: String::new(),
            },
            at(3_000),
        );
    }
    assert!(roster.departed.len() <= limits::PLAYERS_MAX);
}

#[test]
fn whether_a_player_has_come_since_vpid_started_is_known_by_scripts_alone() {
    let come = |roster: &Roster, userid| roster.has_come(userid, at(1_000_000));
    let start = || json!({"map": "cp_a", "max_players": 24});
    // Lists: who stands in the first one was on, and who is reported later has come.
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:7]", at(1_000));
    roster.beats(
        &[active(2, "Ann", "[U:1:7]"), active(3, "Bob", "[U:1:8]")],
        at(2_000),
    );
    roster.claims(4, "Carl", "[U:1:9]", at(3_000));
    let found = [2, 3, 4].map(|userid| come(&roster, userid));
    assert_eq!(found, [Some(false), Some(false), Some(true)]);
    // The first player of an empty server, who wakes it.
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:7]", at(limits::ROSTER_ASLEEP_MS));
    assert_eq!(come(&roster, 2), Some(true));
    // A map that loads while vpid starts: its players are reported one by one.
    let mut roster = Roster::default();
    roster.script_event("map_start", &start(), at(5_000));
    roster.beats(&[], at(6_000));
    roster.claims(2, "Ann", "[U:1:7]", at(30_000));
    roster.claims(
        3,
        "Bob",
        "[U:1:8]",
        at(5_000 + limits::ROSTER_MAP_CHANGE_MS),
    );
    assert_eq!(
        [2, 3].map(|userid| come(&roster, userid)),
        [Some(false), Some(true)]
    );
    // A later map is no arrival, and nobody is unknown when it begins.
    let mut roster = Roster::default();
    roster.beats(&[active(2, "Ann", "[U:1:7]")], at(6_000));
    roster.script_event("map_start", &start(), at(50_000));
    roster.claims(2, "Ann", "[U:1:7]", at(60_000));
    roster.claims(3, "Bob", "[U:1:8]", at(61_000));
    assert_eq!(
        [2, 3].map(|userid| come(&roster, userid)),
        [Some(false), Some(true)]
    );
    // Without lists, after some seconds.
    let mut roster = Roster::default();
    roster.claims(2, "Ann", "[U:1:7]", at(1_000));
    roster.claims(3, "Bob", "[U:1:8]", at(1_001 + limits::REWARD_FOUND_ON_MS));
    assert_eq!(
        [2, 3].map(|userid| come(&roster, userid)),
        [Some(false), Some(true)]
    );
}

#[test]
fn whether_a_player_has_come_is_known_by_the_engine_before_the_scripts() {
    let mut roster = Roster::default();
    roster.status(&status(&[]), at(1_000));
    roster.claims(2, "Ann", "[U:1:7]", at(2_000));
    assert_eq!(roster.has_come(2, at(2_000)), None, "status will tell");
    let row = |connected_s| StatusPlayer {
        connected_s,
        ..line_of(2, "Ann", 7)
    };
    roster.status(&status(&[row(100)]), at(7_000));
    assert_eq!(roster.has_come(2, at(7_000)), Some(false));
    let mut roster = Roster::default();
    roster.status(&status(&[row(3)]), at(7_000));
    assert_eq!(roster.has_come(2, at(7_000)), Some(true));
    let mut roster = Roster::default();
    roster.log_line(&Line::Connected(who(2, "Ann", steam(7)), None), at(1_000));
    roster.log_line(&Line::Entered(who(3, "Bob", steam(8))), at(1_000));
    let found = [2, 3].map(|userid| roster.has_come(userid, at(1_500)));
    assert_eq!(found, [Some(true), Some(false)]);
}

#[test]
fn who_is_there_again_after_a_silence_of_the_scripts_was_on_and_has_not_come() {
    let mut roster = Roster::default();
    roster.beats(&[active(2, "Ann", "[U:1:7]")], at(6_000));
    roster.claims(3, "Bob", "[U:1:8]", at(7_000));
    roster.script_gone();
    assert_eq!(roster.userids(), [0; 0]);
    roster.drain_arrivals();
    let both = [active(2, "Ann", "[U:1:7]"), active(3, "Eve", "[U:1:9]")];
    roster.beats(&both, at(500_000));
    assert_eq!(roster.drain_arrivals(), [2, 3]);
    let now = at(500_000);
    assert_eq!(roster.has_come(2, now), Some(false));
    assert_eq!(roster.was_on_since(2, (6_000, 500_000)), Some(6_000));
    assert_eq!(roster.was_on_since(2, (900, 500_000)), None);
    let later = roster.was_on_since(2, (6_000, 500_001));
    assert_eq!(later, None, "nothing since");
    // Another player under that userid.
    assert_eq!(roster.has_come(3, now), Some(true));
    assert_eq!(roster.was_on_since(3, (7_000, 500_000)), None);
}

#[test]
fn rubbish_is_passed_over() {
    let mut roster = with_ann();
    for data in [
        Value::Null,
        json!([2]),
        json!({"userid": "2"}),
        json!({"userid": 0, "id": "[U:1:9]"}),
        json!({"userid": -2, "id": "[U:1:9]"}),
        json!({"userid": 1_u64 << 40, "id": "[U:1:9]"}),
        json!({"userid": 2, "name": 7, "id": {}, "team": "x"}),
    ] {
        for name in [
            "map_start",
            "player_active",
            "player_spawn",
            "player_death",
            "x",
        ] {
            roster.script_event(name, &data, at(21_000));
        }
        let heartbeat = FromGame::Heartbeat(data.clone());
        roster.reported(&GameReport::read(heartbeat), at(21_000));
        roster.beats(&[data], at(21_000));
    }
    assert_eq!((roster.userids(), roster.who_is(2).0), (vec![2], "Ann"));
    assert_eq!((roster.map(), roster.max_players()), ("cp_a", 24));
}

#[test]
fn a_server_that_was_heard_of_is_alive_for_a_while() {
    let mut roster = Roster::default();
    assert!(!roster.alive(at(0)));
    roster.log_line(&Line::Other, at(1_000));
    assert_eq!(roster.last_sign_ms(), Some(1_000));
    assert!(roster.alive(at(999 + limits::ROSTER_LIVE_MS)));
    assert!(!roster.alive(at(1_000 + limits::ROSTER_LIVE_MS)));
}
