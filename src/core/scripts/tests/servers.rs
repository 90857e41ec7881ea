//! Scripts and the games of several servers, through reloads.

use serde_json::{Value, json};

use super::world::World;
use crate::config::Config;
use crate::core::ids::{HostId, ServerId};
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::roster::Roster;
use crate::core::servers::registry;
use crate::core::{Event, FolderId};
use crate::protocol::engine_log::{Line, Who};
use crate::protocol::game_report::{GameReport, PlayerReport};

fn config(names: &[&str]) -> Config {
    registry::tests::config(names, "[scripts]\ndir = '/scripts'\n")
}

fn player(userid: i64, name: &str) -> PlayerReport {
    PlayerReport {
        userid,
        name: Some(name.into()),
        ..PlayerReport::default()
    }
}

impl World {
    /// The host of a signed session.
    fn host(&mut self, name: &str) -> HostId {
        let hosts = &mut self.core.shared.hosts;
        let link = hosts.link_of(FolderId(0), name, self.now);
        link.expect("a host that is served").home.host
    }

    /// The session of a host reports something.
    fn reports(&mut self, host: HostId, report: GameReport) {
        let mut out = Output::default();
        out.send(Message::Reported(host, report));
        self.core.drain(self.now, &mut out);
        self.take(out.effects);
    }
}

#[test]
fn a_player_who_leaves_is_one_of_the_game_that_reports_it() {
    let mut world = World::with(config(&[""]), &["a"]);
    world.ready("a", &["OnPlayerDisconnect"], &[]);
    let (red, blue) = (world.host("red"), world.host("blue"));
    world.reports(red, GameReport::Active(player(2, "Ann")));
    world.reports(blue, GameReport::Active(player(2, "Bob")));
    let left = GameReport::Left {
        player: player(2, ""),
        reason: None,
    };
    world.reports(red, left);
    let got = world.got("a").remove(0);
    assert_eq!(
        (&got[1], &got[3][0]["name"]),
        (&json!("OnPlayerDisconnect"), &json!("Ann"))
    );
}

/// The game spawns a player who joins before the player is known.
#[test]
fn no_hook_about_a_player_comes_before_that_player_has_connected() {
    let hooks = [
        "OnPlayerConnect",
        "OnPlayerActive",
        "OnPlayerSpawn",
        "OnPlayerTeam",
        "OnPlayerClass",
        "OnPlayerDeath",
        "OnPlayerDisconnect",
    ];
    let mut world = World::with(config(&[""]), &["a"]);
    world.ready("a", &hooks, &[]);
    let red = world.host("red");
    let of_team = |team: i64, mut player: PlayerReport| {
        player.team = Some(team);
        player
    };
    let died = |victim: PlayerReport, attacker: i64| GameReport::Died {
        victim,
        attacker,
        assister: 0,
        weapon: None,
    };
    let left = |userid: i64| GameReport::Left {
        player: PlayerReport::of(userid),
        reason: Some("gone".into()),
    };
    let got = |world: &mut World| -> Vec<String> {
        let got = world.got("a").into_iter();
        let hook =
            |event: &Value| format!("{} {}", event[1].as_str().unwrap(), event[3][0]["name"]);
        got.map(|event| hook(&event)).collect()
    };
    let nameless = GameReport::Spawned(of_team(0, PlayerReport::of(2)));
    world.reports(red, nameless);
    world.reports(red, GameReport::ClassChosen(PlayerReport::of(2)));
    world.reports(red, GameReport::Spawned(of_team(0, player(2, "Ann"))));
    assert_eq!(got(&mut world), [""; 0]);
    world.reports(red, GameReport::Active(player(2, "Ann")));
    world.reports(red, GameReport::Spawned(of_team(2, player(2, "Ann"))));
    assert_eq!(
        got(&mut world),
        [
            "OnPlayerConnect \"Ann\"",
            "OnPlayerActive \"Ann\"",
            "OnPlayerSpawn \"Ann\""
        ]
    );
    // Whatever comes first of a player whose name is known: vpid may have been started meanwhile.
    world.reports(red, GameReport::Active(player(3, "Bob")));
    world.reports(red, died(player(2, "Ann"), 3));
    world.reports(red, GameReport::Spawned(of_team(3, player(4, "Cid"))));
    world.reports(red, GameReport::Active(player(4, "Cid")));
    assert_eq!(
        got(&mut world),
        [
            "OnPlayerConnect \"Bob\"",
            "OnPlayerActive \"Bob\"",
            "OnPlayerDeath \"Ann\"",
            "OnPlayerConnect \"Cid\"",
            "OnPlayerSpawn \"Cid\"",
            "OnPlayerActive \"Cid\"",
        ]
    );
    // Who never was known leaves without a word.
    world.reports(red, GameReport::ClassChosen(PlayerReport::of(5)));
    world.reports(red, left(5));
    world.reports(red, left(4));
    assert_eq!(got(&mut world), ["OnPlayerDisconnect \"Cid\""]);
}

const HOOKS: [&str; 9] = [
    "OnPlayerConnect",
    "OnPlayerActive",
    "OnPlayerTeam",
    "OnPlayerClass",
    "OnPlayerDeath",
    "OnPlayerDisconnect",
    "OnPlayerName",
    "OnRoundStart",
    "OnRoundWin",
];

/// A player comes, plays, changes the name and leaves.
fn lines_of_a_log() -> Vec<Line> {
    let who = |userid: i64, name: &str| Who {
        userid,
        name: name.into(),
        id: format!("[U:1:{userid}]").parse().ok(),
        ..Who::default()
    };
    let ann = who(3, "Ann");
    vec![
        Line::Connected(ann.clone(), Some("192.0.2.1:27005".parse().unwrap())),
        Line::Entered(ann.clone()),
        Line::JoinedTeam {
            who: ann.clone(),
            team: 2,
        },
        Line::ChoseClass {
            who: ann.clone(),
            class: 6,
        },
        Line::RoundStarted { full: true },
        Line::Entered(who(4, "Bob")),
        Line::Killed {
            who: who(4, "Bob"),
            victim: ann.clone(),
            weapon: "knife".into(),
        },
        Line::Suicide {
            who: ann.clone(),
            by_world: true,
            weapon: "world".into(),
        },
        Line::RoundWon { team: 3 },
        Line::Renamed {
            who: ann.clone(),
            to: "Anna".into(),
        },
        Line::Disconnected {
            who: who(3, "Anna"),
            reason: "Kicked by Console".into(),
        },
        // A line that comes too late brings nobody back.
        Line::JoinedTeam { who: ann, team: 3 },
    ]
}

/// Without a script of the game. What a script reports as well, it alone reports.
#[test]
fn the_log_alone_gives_every_hook_that_it_has_lines_for() {
    let lines = lines_of_a_log();
    let config = || {
        let more = "log_listen = \"127.0.0.1:27500\"\n[scripts]\ndir = '/scripts'\n";
        registry::tests::config(&[""], more)
    };
    let mut world = World::with(config(), &["a"]);
    world.ready("a", &HOOKS, &[]);
    let server = ServerId(0);
    world.on(Event::Logged {
        server,
        lines: lines.clone(),
    });
    let got: Vec<Value> = world.got("a");
    let brief = |event: &Value| {
        let mut args = event[3].as_array().unwrap().clone();
        for arg in args.iter_mut().filter(|arg| arg.is_object()) {
            *arg = json!([arg["name"], arg["team"]]);
        }
        json!([event[1], args])
    };
    let got: Vec<Value> = got.iter().map(brief).collect();
    let expected = json!([
        ["OnPlayerConnect", [["Ann", 0]]],
        ["OnPlayerActive", [["Ann", 0]]],
        ["OnPlayerTeam", [["Ann", 2], 2, null]],
        ["OnPlayerClass", [["Ann", 2], 6]],
        ["OnRoundStart", [true]],
        ["OnPlayerConnect", [["Bob", 0]]],
        ["OnPlayerActive", [["Bob", 0]]],
        ["OnPlayerDeath", [["Ann", 2], ["Bob", 0], null, "knife"]],
        ["OnPlayerDeath", [["Ann", 2], null, null, "world"]],
        ["OnRoundWin", [3]],
        ["OnPlayerName", [["Anna", 2], "Ann"]],
        ["OnPlayerDisconnect", [["Anna", 2], "Kicked by Console"]],
    ]);
    let got = Value::from(got);
    assert_eq!(got, expected, "{got:#}");
    // A script of the game reports all of that itself, but for names.
    let mut world = World::with(config(), &["a"]);
    world.ready("a", &HOOKS, &[]);
    let red = world.host("red");
    let begin = GameReport::Active(player(9, "Cid"));
    world.reports(red, begin);
    world.got("a");
    world.on(Event::Logged { server, lines });
    assert_eq!(world.got("a"), Vec::<Value>::new());
}

#[test]
fn a_name_that_changes_is_reported_once_and_not_what_it_was_before_a_script_handled_it() {
    let mut world = World::with(config(&[""]), &["a"]);
    world.ready("a", &["OnPlayerConnect"], &[]);
    let red = world.host("red");
    world.reports(red, GameReport::Active(player(2, "Ann")));
    world.reports(red, GameReport::Active(player(2, "Anna")));
    world.end("a");
    world.pass(crate::limits::SCRIPT_RESTART_MS_MIN);
    world.ready("a", &["OnPlayerName"], &[]);
    world.reports(red, GameReport::Active(player(2, "Anna")));
    assert_eq!(world.got("a"), Vec::<Value>::new());
    for _ in 0..2 {
        world.reports(red, GameReport::Active(player(2, "Annie")));
    }
    let got = world.got("a");
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(
        (&got[0][3][0]["name"], &got[0][3][1]),
        (&json!("Annie"), &json!("Anna"))
    );
}

/// An entry of a server that is not served any more stays, for its id.
#[test]
fn a_script_sees_the_servers_of_the_present_configuration_alone() {
    let mut world = World::with(config(&["red"]), &["a", "b"]);
    world.ready("a", &[], &[]);
    world.ready("b", &[], &[]);
    let mut number = 0;
    let mut asks = |world: &mut World, what: &str, server: Value| {
        number += 1;
        world.say("a", json!([["ask", number, what, {}, server]]));
        world.got("a").remove(0)
    };
    for names in [&["blue"][..], &["blue", "red"], &["red"]] {
        world.configuration_is(config(names));
        let servers = asks(&mut world, "servers", Value::Null);
        let listed = servers[2].as_array().expect("a list").iter();
        let mut listed: Vec<_> = listed.map(|server| server["name"].clone()).collect();
        listed.sort_by_key(Value::to_string);
        assert_eq!(listed, names);
        // Without a choice there is nothing to name.
        let players = asks(&mut world, "players", Value::Null);
        let expected = if names.len() == 1 { "a" } else { "n" };
        assert_eq!(players[0], expected, "{players}");
    }
    let gone = asks(&mut world, "players", json!(1));
    assert_eq!(gone[3], "there is no such server");
    // A script that is started now.
    world.configuration_is(config(&["blue"]));
    world.end("b");
    world.pass(crate::limits::SCRIPT_RESTART_MS_MIN);
    assert_eq!(world.of("b").servers, ["blue"]);
}

/// The game "red" was one of every other host, and gets a server of its own.
#[test]
fn a_reload_takes_the_game_of_another_server_away() {
    let mut world = World::with(config(&[""]), &["a"]);
    world.ready("a", &[], &[]);
    let (red, blue) = (world.host("red"), world.host("blue"));
    let known = |world: &World, server: usize| {
        let game = world.core.shared.servers.get(ServerId(server)).unwrap();
        let host = world.core.shared.servers.host(ServerId(server));
        let names = |host| {
            let people = game.roster_of(host).into_iter().flat_map(Roster::people);
            people.map(|one| one.name.clone()).collect::<Vec<_>>()
        };
        (host, game.guard.host(), [names(red), names(blue)].concat())
    };
    let beats = |userid: i64, name: &str| GameReport::Heartbeat {
        map: Some("cp_a".into()),
        players: Some(vec![player(userid, name)]),
        guard: None,
    };
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    // Whether it is the one that reported last, or its roster is parked.
    for last in [red, blue] {
        world.configuration_is(config(&[""]));
        for host in [red, blue, last] {
            let (userid, name) = if host == red { (2, "Ann") } else { (3, "Bob") };
            world.reports(host, beats(userid, name));
        }
        let (host, _, people) = known(&world, 0);
        assert_eq!((host, people), (Some(last), names(&["Ann", "Bob"])));
        world.configuration_is(config(&["", "red"]));
        let (host, guarded, people) = known(&world, 0);
        assert_eq!(host, Some(blue).filter(|_| last == blue));
        assert!(guarded != Some(red), "{guarded:?}");
        assert_eq!(people, names(&["Bob"]));
        world.reports(red, beats(2, "Ann"));
        world.reports(blue, beats(3, "Bob"));
        assert_eq!(known(&world, 0).2, names(&["Bob"]));
        assert_eq!(known(&world, 1), (Some(red), Some(red), names(&["Ann"])));
    }
    // And one that is not served any more.
    world.configuration_is(config(&[""]));
    assert_eq!(known(&world, 1), (None, None, Vec::new()));
}
