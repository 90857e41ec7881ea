//! Scripts and the games of several servers, through reloads.

use serde_json::{Value, json};

use super::world::World;
use crate::config::Config;
use crate::core::FolderId;
use crate::core::ids::{HostId, ServerId};
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::roster::Roster;
use crate::core::servers::registry;
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
