//! Games that fall silent: the core alone, with a clock of the test's.

use std::path::Path;

use serde_json::{Value, json};
use vpid::config::Config;
use vpid::core::{Core, Effect, Event, FileId, FolderId, HostId, Now, SignedFile, Timer};
use vpid::jobs::store::Found;
use vpid::limits::{SILENCE_CONSOLE_MS, SILENCE_MS};
use vpid::protocol::rcon::Done;
use vpid::protocol::signed::{self, Id, Keys};

use super::config;
use super::player::{HOST, KEY};

/// A core that one game talks to.
struct Talk {
    core: Core,
    host_keys: Keys,
    session: Id,
    n: u64,
    files: u64,
    silence_due_ms: Option<u64>,
    link_due_ms: Option<u64>,
    servers_due_ms: Option<u64>,
    /// What the game's console replies to `status`; without one it does not reply.
    status: Option<&'static str>,
    /// Every `status` that was asked for, and when.
    asked: Vec<u64>,
}

impl Talk {
    fn new() -> Self {
        Self::with(&config(), None)
    }

    fn with(config: &Config, status: Option<&'static str>) -> Self {
        let mut talk = Self {
            core: Core::new(config, &[FolderId(0)]),
            host_keys: Keys::of_host(KEY, HOST),
            session: Id::from_random([0; 16]),
            n: 0,
            files: 0,
            silence_due_ms: None,
            link_due_ms: None,
            servers_due_ms: None,
            status,
            asked: Vec::new(),
        };
        talk.on(
            Event::start(config.clone(), &[FolderId(0)], Found::default(), 7),
            0,
        );
        talk.begin("cp_first", 0);
        talk
    }

    fn begin(&mut self, map: &str, now_ms: u64) {
        self.session = Id::from_random([self.files as u8 + 1; 16]);
        self.n = 0;
        let name = signed::hello(HOST, self.session);
        let body = json!({"version": 1, "script": "0.1.0", "map": map}).to_string();
        let file = self.file(&signed::seal(&self.host_keys.game, &name, 0, &body));
        let nonce = self.session;
        self.on(Event::Hello { file, nonce }, now_ms);
        let start = json!({"event": "map_start", "data": {"map": map, "max_players": 24}});
        self.send(&[start], now_ms);
    }

    fn file(&mut self, text: &str) -> SignedFile {
        self.files += 1;
        SignedFile {
            folder: FolderId(0),
            host: HOST.into(),
            session: self.session,
            file: FileId(self.files),
            bytes: text.as_bytes().to_vec(),
            recovered: false,
        }
    }

    fn send(&mut self, messages: &[Value], now_ms: u64) {
        self.n += 1;
        let name = signed::of_game(HOST, self.session, self.n);
        let keys = self.host_keys.of_session(self.session, self.session);
        let body = Value::Array(messages.to_vec()).to_string();
        let file = self.file(&signed::seal(&keys.game, &name, 0, &body));
        self.on(Event::Signed { file, n: self.n }, now_ms);
    }

    fn on(&mut self, event: Event, now_ms: u64) {
        let effects = self.core.handle(event, now(now_ms));
        self.carry_out(effects, now_ms);
    }

    fn carry_out(&mut self, effects: impl IntoIterator<Item = Effect>, now_ms: u64) {
        let mut replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Rcon { server, job } if job.line == "status" => {
                    self.asked.push(now_ms);
                    let result = Ok(self.status.unwrap_or_default().to_owned());
                    let ticket = job.ticket;
                    let done = Done {
                        server,
                        ticket,
                        result,
                    };
                    replies.extend(self.status.map(|_| Event::Rcon(done)));
                }
                Effect::SetTimer {
                    timer: Timer::Servers,
                    at_ms,
                } => {
                    self.servers_due_ms = Some(at_ms);
                }
                Effect::CancelTimer(Timer::Servers) => self.servers_due_ms = None,
                Effect::SetTimer {
                    timer: Timer::Silence(_),
                    at_ms,
                } => {
                    self.silence_due_ms = Some(at_ms);
                }
                Effect::SetTimer {
                    timer: Timer::Link(_),
                    at_ms,
                } => {
                    self.link_due_ms = Some(at_ms);
                }
                Effect::CancelTimer(Timer::Link(_)) => self.link_due_ms = None,
                _ => {}
            }
        }
        for reply in replies {
            self.on(reply, now_ms);
        }
    }

    /// Lets the timer of the servers ring until that time.
    fn runs(&mut self, until_ms: u64) {
        while let Some(due) = self.servers_due_ms.take_if(|due| *due <= until_ms) {
            self.on(Event::Timer(Timer::Servers), due);
        }
    }

    /// Lets the other timer ring until that time; gives how often it did.
    fn rings(&mut self, until_ms: u64) -> u32 {
        let mut count = 0;
        while let Some(due) = self.link_due_ms.take_if(|due| *due <= until_ms) {
            self.on(Event::Timer(Timer::Link(HostId(0))), due);
            count += 1;
        }
        count
    }

    /// Lets the timer ring when it is due, as the daemon would; gives what the operator is told.
    fn missed(&mut self, now_ms: u64) -> Option<String> {
        while let Some(due) = self.silence_due_ms.take_if(|due| *due <= now_ms) {
            self.on(Event::Timer(Timer::Silence(HostId(0))), due);
        }
        let games = self.core.games(now(now_ms));
        games[0].2["missed"].as_str().map(str::to_string)
    }
}

fn now(mono_ms: u64) -> Now {
    Now { mono_ms, wall_s: 0 }
}

fn ann() -> Value {
    json!({"event": "player_active", "data": {"userid": 2, "name": "Ann", "id": "[U:1:7]"}})
}

#[test]
fn a_map_that_keeps_our_script_out_is_named() {
    let mut talk = Talk::new();
    let end = json!({"event": "map_end", "data": {"map": "cp_first", "next": "mge_own_script"}});
    talk.send(&[ann(), end], 5_000);
    assert_eq!(talk.missed(5_000 + SILENCE_MS - 1), None);
    let said = talk.missed(5_000 + SILENCE_MS).expect("a sentence");
    assert!(said.contains("map cp_first ended 45 s ago"), "{said}");
    assert!(
        said.contains("mge_own_script, may bring a mapspawn.nut of its own"),
        "{said}"
    );
    // The map after that one is served again.
    talk.begin("cp_third", 900_000);
    assert_eq!(talk.missed(901_000), None);
}

#[test]
fn a_server_with_players_that_says_nothing_is_missed_and_found_again() {
    let mut talk = Talk::new();
    talk.send(&[ann()], 1_000);
    for beat in 1..20 {
        let players = json!([{"userid": 2, "name": "Ann", "id": "[U:1:7]"}]);
        let beat_ms = beat * 10_000;
        assert_eq!(talk.missed(beat_ms), None);
        talk.send(
            &[json!({"heartbeat": {"map": "cp_first", "players": players}})],
            beat_ms,
        );
    }
    let said = talk.missed(190_000 + SILENCE_MS).expect("a sentence");
    assert!(said.contains("on map cp_first, with 1 players"), "{said}");
    talk.send(&[], 300_000);
    assert_eq!(talk.missed(300_000), None);
}

#[test]
fn an_empty_server_may_sleep() {
    let mut talk = Talk::new();
    assert_eq!(talk.missed(10_000_000), None);
}

#[test]
fn a_game_that_writes_and_never_reads_keeps_nobody_awake() {
    let mut talk = Talk::new();
    for n in 1..60 {
        talk.send(&[ann()], n * 1_000);
        talk.rings(n * 1_000 + 999);
    }
    assert_eq!(talk.rings(3_600_000), 0);
}

/// Ann plays, on a server whose console can be asked.
fn with_console() -> Talk {
    let mut with_rcon = config();
    let rcon = "[[server]]\nscriptdata = \"/s\"\nkey = '0123456789abcdef0123456789abcdef'\n\
        rcon = \"127.0.0.1:27015\"\nrcon_password = \"p\"\n";
    let rcon = vpid::config::parse(rcon, Path::new("/"), |_| None).expect("a good configuration");
    with_rcon.servers[0].rcon = rcon.servers[0].rcon.clone();
    let mut talk = Talk::with(&with_rcon, Some(STATUS));
    talk.runs(900);
    talk.send(&[ann()], 1_000);
    talk.runs(20_000);
    assert!(!talk.asked.is_empty());
    talk
}

const STATUS: &str = "map     : cp_first at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n\
    # userid name\n# 2 \"Ann\" [U:1:7] 05:12 50 0 active 192.0.2.9:27005\n";

/// Nothing runs in a paused game but its console, and its session goes on where it stopped.
#[test]
fn a_paused_game_is_asked_and_goes_on() {
    let mut talk = with_console();
    let silent_ms = 1_000 + SILENCE_MS;
    talk.runs(silent_ms - 1);
    let before = talk.asked.len();
    assert_eq!(talk.missed(silent_ms), None, "the console is asked first");
    assert_eq!(talk.asked[before..], [silent_ms]);
    let said = talk.missed(silent_ms + SILENCE_CONSOLE_MS);
    let said = said.expect("a sentence");
    assert!(
        said.contains("console answers: the game is paused, or the scripts have ended"),
        "{said}"
    );
    let beat =
        json!({"heartbeat": {"map": "cp_first", "players": [{"userid": 2, "id": "[U:1:7]"}]}});
    talk.send(&[beat], 400_000);
    assert_eq!(talk.missed(400_000), None);
}

#[test]
fn a_game_whose_console_is_silent_too_is_gone() {
    let mut talk = with_console();
    talk.status = None;
    talk.runs(1_000 + SILENCE_MS);
    assert_eq!(talk.missed(1_000 + SILENCE_MS), None);
    let said = talk.missed(1_000 + SILENCE_MS + SILENCE_CONSOLE_MS);
    let said = said.expect("a sentence");
    assert!(said.contains("the server hangs or is gone"), "{said}");
    assert!(!said.contains("paused"), "{said}");
}
