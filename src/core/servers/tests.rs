//! What is sent to a game's console, and when.

use std::path::Path;

use super::*;
use crate::core::Effect;
use crate::core::ids::HostId;
use crate::protocol::game_report::PlayerReport;
use crate::protocol::rcon::{Done, Failure};
use crate::protocol::signed::messages::Place;
use crate::{config, limits};

const CONFIG: &str = "[[server]]\nscriptdata = \"/s\"\nhostname = \"one\"\n\
    key = '0123456789abcdef0123456789abcdef'\nrcon = \"127.0.0.1:27015\"\nrcon_password = \"p\"\n";
const STATUS: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n";

const ONE: ServerId = ServerId(0);

struct World {
    servers: Servers,
    out: Output,
    now: Now,
}

impl World {
    /// Ann is on.
    fn new() -> Self {
        let config = config::parse(CONFIG, Path::new("/"), |_| None).unwrap();
        let (mut servers, out) = (Servers::default(), Output::default());
        servers.reconfigure(&config, &[ONE]);
        servers.connect(&config, &[ONE]);
        let mono_ms = 100_000;
        let now = Now { mono_ms, wall_s: 0 };
        let mut world = Self { servers, out, now };
        world.servers.advance(now, &mut world.out);
        assert_eq!(world.rcon_state(), Some(Rcon::Unknown));
        world.replies_to("sv_visiblemaxplayers", "\"sv_visiblemaxplayers\" = \"-1\"");
        world.replies_to("status", STATUS);
        assert_eq!(world.rcon_state(), Some(Rcon::Reachable));
        world
    }

    fn rcon_state(&self) -> Option<Rcon> {
        self.servers.all[0].rcon_state()
    }

    /// The lines that were sent since this was asked last.
    fn sent(&mut self) -> Vec<(u64, String)> {
        let effects = std::mem::take(&mut self.out.effects).into_iter();
        let lines = effects.filter_map(|effect| match effect {
            Effect::Rcon { job, .. } => Some((job.ticket, job.line)),
            _ => None,
        });
        lines.collect()
    }

    fn lines(&mut self) -> Vec<String> {
        self.sent().into_iter().map(|(_, line)| line).collect()
    }

    fn done(&mut self, ticket: u64, result: Result<String, Failure>) {
        let done = Done {
            server: ONE,
            ticket,
            result,
        };
        self.servers.rcon_done(done, self.now, &mut self.out);
    }

    /// Replies to a line that was just sent; the others stay.
    #[track_caller]
    fn replies_to(&mut self, line: &str, reply: &str) {
        let is_it = |effect: &mut Effect| match effect {
            Effect::Rcon { job, .. } => job.line == line,
            _ => false,
        };
        let found = self.out.effects.extract_if(.., is_it).next();
        let Some(Effect::Rcon { job, .. }) = found else {
            panic!("{line} was not sent: {:?}", self.out.effects);
        };
        self.done(job.ticket, Ok(reply.to_owned()));
    }

    fn after(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.servers.timer_rang();
        self.servers.advance(self.now, &mut self.out);
    }

    fn say(&mut self, to: Option<i64>, text: &str, place: Place) {
        self.servers.say(ONE, to, text, place, &mut self.out);
    }

    fn kick(&mut self) {
        let (userid, reason) = (7, "out".to_owned());
        let command = Command::Kick { userid, reason };
        let sent = self.servers.command(ONE, command, None, &mut self.out);
        assert_eq!(sent, Ok(()));
    }

    fn map_starts(&mut self, map: &str) {
        let line = Line::MapStarted(map.into());
        self.servers.logged(ONE, &line, self.now);
    }

    fn slots(&self) -> i64 {
        self.servers.get(ONE).unwrap().roster.max_players()
    }
}

#[test]
fn texts_for_players_go_to_the_script_engine() {
    let mut world = World::new();
    world.say(Some(7), "Hi", Place::Chat);
    world.say(None, "all", Place::Chat);
    world.servers.say_center(ONE, 7, "mid", &mut world.out);
    let lines = world.lines();
    let parts = [
        ["GetPlayerFromUserID(7)", "==\"[U:1:5]\"", "p,3,\"Hi\")"],
        ["script", "ClientPrint(null,3", "\"all\")"],
        ["GetPlayerFromUserID(7)", "==\"[U:1:5]\"", "p,4,\"mid\")"],
    ];
    assert_eq!(lines.len(), parts.len(), "{lines:?}");
    for (line, parts) in lines.iter().zip(parts) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
}

#[test]
fn without_a_script_engine_the_console_says_texts_and_each_only_once() {
    let mut world = World::new();
    let long = "я".repeat(100);
    world.say(Some(7), &long, Place::Chat);
    world.servers.say_center(ONE, 7, "mid", &mut world.out);
    world.say(None, "all", Place::Chat);
    for (ticket, _) in world.sent() {
        world.done(ticket, Ok("Unknown command \"script\"\n".into()));
    }
    let said = format!("say Ann: {long}");
    assert_eq!(world.lines(), [said, "say all".to_owned()]);
    // It is remembered, until it may be another run of the game.
    world.say(Some(7), "Hi", Place::Chat);
    world.servers.say_center(ONE, 7, "mid", &mut world.out);
    assert_eq!(world.lines(), ["say Ann: Hi"]);
    world.done(0, Err(Failure::Away("it is away".into())));
    world.done(0, Ok(String::new()));
    world.say(None, "all", Place::Chat);
    assert!(world.lines()[0].starts_with("script "));
}

/// What an operator is told of a text or a command for a server without scripts of ours.
#[test]
fn an_operator_reaches_a_server_by_its_console_alone() {
    let print = |to: Option<i32>| Push::Print {
        text: "Hi".into(),
        to,
        place: Place::Center,
    };
    let answers = |world: &mut World| {
        let is_it = |effect: &mut Effect| matches!(effect, Effect::Pushed { .. });
        let answers = world.out.effects.extract_if(.., is_it);
        let answers = answers.map(|effect| match effect {
            Effect::Pushed { ticket, outcome } => (ticket, outcome.is_ok()),
            _ => (0, false),
        });
        answers.collect::<Vec<_>>()
    };
    let mut world = World::new();
    let names: Vec<_> = world.servers.consoles().collect();
    assert_eq!(names, [(ONE, Some("one"))]);
    let wants = |world: &mut World, push: Push, ticket: u64| {
        let ticket = Ticket::Operator(ticket);
        world.servers.to_console(ONE, push, ticket, &mut world.out)
    };
    wants(&mut world, print(Some(7)), 1).unwrap();
    wants(&mut world, Push::Command("stats".into()), 2).unwrap();
    assert_eq!(answers(&mut world), []);
    let sent = world.sent();
    assert!(sent[0].1.ends_with("ClientPrint(p,4,\"Hi\")"), "{sent:?}");
    assert_eq!(sent[1].1, "stats");
    world.done(sent[0].0, Ok(String::new()));
    world.done(sent[1].0, Ok("CPU".into()));
    assert_eq!(answers(&mut world), [(1, true), (2, true)]);
    // Without a script engine the console says it.
    wants(&mut world, print(None), 3).unwrap();
    let ticket = world.sent()[0].0;
    world.done(ticket, Ok("Unknown command".into()));
    assert_eq!(answers(&mut world), []);
    world.replies_to("say Hi", "");
    assert_eq!(answers(&mut world), [(3, true)]);
    let hook = Push::Hook {
        name: "a".into(),
        data: serde_json::json!({}),
    };
    let refused = wants(&mut world, hook, 4).unwrap_err().to_string();
    assert!(
        refused.contains("no game's script is connected"),
        "{refused}"
    );
    // A password that was refused is named each time.
    wants(&mut world, Push::Command("stats".into()), 5).unwrap();
    let ticket = world.sent()[0].0;
    world.done(ticket, Err(Failure::Refused("no".into())));
    assert_eq!(world.servers.consoles().count(), 0);
    assert_eq!(
        world.servers.refused_consoles().next(),
        Some((ONE, Some("one")))
    );
    let refused = wants(&mut world, Push::Command("stats".into()), 6).unwrap_err();
    assert!(refused.to_string().contains("RCON password"), "{refused}");
}

/// What a console replies can be what a map's script prints, so it holds for that map.
#[test]
fn whether_there_is_a_script_engine_is_tried_again_on_each_map() {
    let mut world = World::new();
    world.say(Some(7), "Hi", Place::Chat);
    let ticket = world.sent()[0].0;
    world.done(ticket, Ok("Unknown command".into()));
    world.say(Some(7), "Hi", Place::Chat);
    assert_eq!(world.lines(), ["say Ann: Hi"; 2]);
    world.after(limits::RCON_SETTLED_MS);
    world.map_starts("cp_b");
    world.after(limits::RCON_SETTLE_MS);
    world.lines();
    world.say(Some(7), "Hi", Place::Chat);
    assert!(world.lines()[0].starts_with("script "));
}

/// The console says no colours, and of theirs no digit may stay.
#[test]
fn colours_are_left_out_as_a_whole_where_the_console_says_a_text() {
    let mut world = World::new();
    world.say(None, "x", Place::Chat);
    for (ticket, _) in world.sent() {
        world.done(ticket, Ok("Unknown command \"script\"\n".into()));
    }
    assert_eq!(world.lines(), ["say x"]);
    let coloured = "\x07FF4040warning\x01 to \x08FF404080all\x03!";
    let text = coloured.to_owned();
    world
        .servers
        .show(ONE, None, text, Place::Chat, &mut world.out);
    world.say(Some(7), coloured, Place::Chat);
    assert_eq!(
        world.lines(),
        ["say warning to all!", "say Ann: warning to all!"]
    );
    // Also around the place where a long text ends.
    for before in limits::SAY_BYTES_MAX - 12..limits::SAY_BYTES_MAX + 4 {
        let text = format!("{}\x07FF4040{}", "w".repeat(before), "z".repeat(40));
        world
            .servers
            .show(ONE, None, text, Place::Chat, &mut world.out);
        let line = world.lines().remove(0);
        assert!(!line.contains('F') && !line.contains('4'), "{line}");
    }
}

#[test]
fn a_text_that_a_script_engine_did_not_show_is_said() {
    for reply in [
        "Scripting disabled or no server running\n",
        "AN ERROR HAS OCCURED [the index 'ClientPrint' does not exist]\n",
    ] {
        let mut world = World::new();
        world.say(None, "all", Place::Chat);
        let ticket = world.sent()[0].0;
        world.done(ticket, Ok(reply.into()));
        assert_eq!(world.lines(), ["say all"]);
        world.say(None, "all", Place::Chat);
        assert!(world.lines()[0].starts_with("script "));
    }
}

#[test]
fn what_the_console_says_is_bounded_in_bytes() {
    let mut world = World::new();
    world.say(None, "a", Place::Chat);
    let ticket = world.sent()[0].0;
    world.done(ticket, Ok("Unknown command".into()));
    world.lines();
    world.say(Some(7), &"🦀".repeat(120), Place::Chat);
    let lines = world.lines();
    assert!(lines[0].starts_with("say Ann: 🦀") && lines[0].ends_with("🦀…"));
    assert!((237..=240).contains(&(lines[0].len() - 4)), "{lines:?}");
}

#[test]
fn after_a_map_start_nothing_is_sent_for_a_moment() {
    let mut world = World::new();
    world.map_starts("cp_b");
    world.kick();
    world.after(0);
    assert_eq!(world.lines(), [""; 0]);
    world.after(limits::RCON_SETTLE_MS - 1);
    // The scripts, or `status`, tell of the same map a little later.
    world.map_starts("cp_b");
    assert_eq!(world.lines(), [""; 0]);
    world.after(1);
    let expected = ["kickid 7 out", "sv_visiblemaxplayers", "status"];
    assert_eq!(world.lines(), expected);
    world.kick();
    assert_eq!(world.lines(), ["kickid 7 out"]);
}

#[test]
fn what_waits_for_a_map_is_bounded_and_its_end_is_reported() {
    let mut world = World::new();
    world.map_starts("cp_b");
    let run = |world: &mut World, number: usize| {
        let command = Command::Console(format!("x{number}"));
        let waiter = Some(Ticket::Operator(number as u64));
        world.servers.command(ONE, command, waiter, &mut world.out)
    };
    for number in 0..limits::RCON_QUEUE_MAX {
        assert_eq!(run(&mut world, number), Ok(()));
    }
    let refused = run(&mut world, 9_999).unwrap_err().to_string();
    assert!(refused.contains("a map has just started"), "{refused}");
    world.after(limits::RCON_SETTLE_MS);
    let (ticket, line) = world.sent().swap_remove(0);
    assert_eq!(line, "x0");
    world.done(ticket, Ok("done".into()));
    let pushed = world.out.effects.iter();
    let mut pushed = pushed.filter(|effect| matches!(effect, Effect::Pushed { ticket: 0, .. }));
    assert!(pushed.next().is_some());
}

#[test]
fn a_status_that_breaks_off_is_requested_again_soon_also_where_others_report() {
    let mut world = World::new();
    world.servers.all[0].host = Some(HostId(0));
    world.after(limits::STATUS_BESIDE_MS);
    let (ticket, line) = world.sent().pop().unwrap();
    assert_eq!(line, "status");
    world.done(ticket, Err(Failure::Unclear("closed".into())));
    world.after(limits::STATUS_ALONE_MS - 1);
    assert_eq!(world.lines(), [""; 0]);
    world.after(1);
    world.replies_to("status", STATUS);
    world.after(limits::STATUS_BESIDE_MS - 1);
    assert_eq!(world.lines(), [""; 0]);
}

#[test]
fn slots_are_those_that_players_see() {
    let mut world = World::new();
    assert_eq!(world.slots(), 24);
    for (reply, slots) in [("20", 20), ("-1", 24), ("32", 24), ("x", 24)] {
        world.now.mono_ms += limits::RCON_SETTLED_MS;
        world.map_starts("cp_b");
        world.after(limits::RCON_SETTLE_MS);
        let reply = format!("\"sv_visiblemaxplayers\" = \"{reply}\" ( def. \"-1\" )");
        world.replies_to("sv_visiblemaxplayers", &reply);
        world.replies_to("status", STATUS);
        assert_eq!(world.slots(), slots);
        // Once on a map is enough.
        world.after(limits::STATUS_BESIDE_MS);
        assert_eq!(world.lines(), ["status"]);
        world.done(0, Ok(String::new()));
        let status_ticket = world.servers.all[0]
            .rcon
            .as_ref()
            .unwrap()
            .status_ticket
            .unwrap();
        world.done(status_ticket, Ok(STATUS.into()));
    }
    // An answer that does not come is asked for again.
    world.now.mono_ms += limits::RCON_SETTLED_MS;
    world.map_starts("cp_b");
    world.after(limits::RCON_SETTLE_MS);
    for (ticket, _) in world.sent() {
        world.done(ticket, Err(Failure::Unclear("closed".into())));
    }
    world.after(limits::STATUS_BESIDE_MS);
    assert_eq!(world.lines(), ["sv_visiblemaxplayers", "status"]);
}

fn player(userid: i64, name: &str) -> GameReport {
    GameReport::Active(PlayerReport {
        userid,
        name: Some(name.into()),
        ..PlayerReport::default()
    })
}

/// A folder of several games, which one `[[server]]` without `hostname` serves.
#[test]
fn games_that_share_a_server_have_rosters_of_their_own() {
    let names = |servers: &Servers, host: u32| {
        let roster = servers.get(ONE).unwrap().roster_of(HostId(host));
        let people = roster.into_iter().flat_map(Roster::people);
        people.map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    let named = CONFIG.split("key").next().unwrap();
    for (head, is_shared) in [("[[server]]\nscriptdata = \"/s\"\n", true), (named, false)] {
        let text = format!("{head}key = '0123456789abcdef0123456789abcdef'\n");
        let config = config::parse(&text, Path::new("/"), |_| None).unwrap();
        let (mut servers, mut out) = (Servers::default(), Output::default());
        servers.reconfigure(&config, &[ONE]);
        let now = Now::default();
        for (host, userid, name) in [(1, 2, "Ann"), (2, 2, "Bob"), (1, 3, "Cid")] {
            servers.reported(ONE, HostId(host), &player(userid, name), now, &mut out);
        }
        if !is_shared {
            assert_eq!(names(&servers, 1), ["Bob", "Cid"]);
            assert_eq!(names(&servers, 2), [""; 0]);
            continue;
        }
        assert_eq!(names(&servers, 1), ["Ann", "Cid"]);
        assert_eq!(names(&servers, 2), ["Bob"]);
        assert_eq!(names(&servers, 3), [""; 0]);
        servers.get_mut(ONE).unwrap().silent(HostId(2));
        assert_eq!(names(&servers, 2), [""; 0]);
        assert_eq!(names(&servers, 1), ["Ann", "Cid"]);
        // `hostname` of the game was set while the first map ran.
        let (map, next) = ("cp_a".to_owned(), "cp_b".to_owned());
        let ended = GameReport::MapEnded { map, next };
        servers.reported(ONE, HostId(1), &ended, now, &mut out);
        let began = GameReport::MapStarted {
            map: "cp_b".into(),
            max_players: None,
        };
        servers.reported(ONE, HostId(4), &began, now, &mut out);
        assert_eq!(names(&servers, 4), ["Ann", "Cid"]);
    }
}
