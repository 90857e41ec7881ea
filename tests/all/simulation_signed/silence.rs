//! Games that fall silent: the core alone, with a clock of the test's.

use serde_json::{Value, json};
use vpid::core::{Core, Effect, Event, Now, SignedFile, Timer};
use vpid::limits::SILENCE_MS;
use vpid::wire::signed::{self, Id, Keys};

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
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self {
            core: Core::new(&config(), &[0]),
            host_keys: Keys::of_host(KEY, HOST),
            session: Id::from_random([0; 16]),
            n: 0,
            files: 0,
            silence_due_ms: None,
            link_due_ms: None,
        };
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
            folder: 0,
            host: HOST.into(),
            session: self.session,
            file: self.files,
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
        let now = Now {
            mono_ms: now_ms,
            wall_s: 0,
        };
        for effect in self.core.on(event, now) {
            match effect {
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
    }

    /// Lets the other timer ring until that time; gives how often it did.
    fn rings(&mut self, until_ms: u64) -> u32 {
        let mut count = 0;
        while let Some(due) = self.link_due_ms.take_if(|due| *due <= until_ms) {
            self.on(Event::Timer(Timer::Link(0)), due);
            count += 1;
        }
        count
    }

    /// Lets the timer ring when it is due, as the daemon would; gives what the operator is told.
    fn missed(&mut self, now_ms: u64) -> Option<String> {
        while let Some(due) = self.silence_due_ms.take_if(|due| *due <= now_ms) {
            self.on(Event::Timer(Timer::Silence(0)), due);
        }
        let games = self.core.games(Now {
            mono_ms: now_ms,
            wall_s: 0,
        });
        games[0].2["missed"].as_str().map(str::to_string)
    }
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
