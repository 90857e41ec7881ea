use std::path::Path;

use super::*;
use crate::config;
use crate::core::{
    Core, Earlier, Effect, Effects, Event, InputState, SignedFile, TakenFile, Timer,
};
use crate::protocol::signed::{self, Id};
use crate::protocol::stock::legacy;

pub(in crate::core) const SECRET: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
pub(in crate::core) const UNIX_S: i64 = 1_700_000_000;
pub(in crate::core) const OURS: FolderId = FolderId(0);
const THEIRS: FolderId = FolderId(1);

/// A call whose response is waited for.
const ASKS: &str = r#"{"async":[{"token":"t","func":"VPI_Ping","script":"x","callback":true}]}"#;

fn config(of_ours: &str) -> Config {
    let text = format!(
        "[[server]]\nscriptdata = \"/ours\"\n{of_ours}\n\
         [[server]]\nscriptdata = \"/theirs\"\nlegacy_secret = '{SECRET}'\nkey = '{KEY}'\n"
    );
    config::parse(&text, Path::new("/"), |_| None).expect("a configuration")
}

pub(in crate::core) fn stock() -> String {
    format!("legacy_secret = '{SECRET}'")
}

/// A core with two servers, the ids of its files, and random bytes.
pub(in crate::core) struct World {
    pub core: Core,
    file: u64,
    random: u64,
    pub now: Now,
}

impl World {
    pub fn new(of_ours: &str) -> Self {
        Self {
            core: Core::new(&config(of_ours), &[OURS, THEIRS]),
            file: 1_000,
            random: 7,
            now: Now {
                mono_ms: 1,
                wall_s: UNIX_S,
            },
        }
    }

    fn random(&mut self) -> u8 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 56) as u8
    }

    /// Whether a stock file of this host could be claimed.
    pub fn has_room(&self, folder: FolderId, host: &str) -> bool {
        let owner = self.core.owner(folder, host, true);
        owner.is_some_and(|owner| self.core.has_room(owner))
    }

    fn is_proven(&self, folder: FolderId, host: &str) -> bool {
        let owner = [true, false].map(|stock| self.core.owner(folder, host, stock));
        let mut owner = owner.into_iter().flatten();
        owner.any(|owner| self.core.is_proven(owner, host))
    }

    pub fn on(&mut self, event: Event) -> Effects {
        self.core.handle(event, self.now)
    }

    fn restore(&mut self, sessions: Sessions) -> Effects {
        let earlier = Earlier {
            sessions,
            ..Earlier::default()
        };
        self.on(Event::Restore(Box::new(earlier)))
    }

    /// A stock file with one call that is answered at once and whose answer nobody waits for.
    fn bytes(&mut self, secret: &str) -> Vec<u8> {
        let calls = r#"{"async":[{"token":"t","func":"VPI_Ping","script":"x","callback":false}]}"#;
        self.file_of(secret, calls)
    }

    /// A stock file with these calls.
    pub fn file_of(&mut self, secret: &str, calls: &str) -> Vec<u8> {
        let identity = legacy::seal(secret.as_bytes(), UNIX_S, || self.random());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let identity = serde_json::json!({
            "enc": text(&identity.enc), "iv": text(&identity.iv), "timestamp": UNIX_S, "ticks": 0,
        });
        format!(r#"{{"Calls":{calls},"Identity":{identity}}}"#).into_bytes()
    }

    pub fn calls(&mut self, folder: FolderId, host: &str, bytes: Vec<u8>, mtime_s: i64) -> Effects {
        self.file += 2;
        let (host, file) = (host.to_owned(), FileId(self.file));
        self.on(Event::Calls(TakenFile {
            folder,
            host,
            file,
            bytes,
            mtime_ns: mtime_s * 1_000_000_000,
            recovered: false,
        }))
    }

    fn good(&mut self, folder: FolderId, host: &str) -> Effects {
        let bytes = self.bytes(SECRET);
        self.calls(folder, host, bytes, UNIX_S)
    }

    fn restart(&mut self, folder: FolderId, host: &str, mtime_s: i64) -> Effects {
        self.on(Event::Restart {
            folder,
            host: host.to_owned(),
            mtime_ns: mtime_s * 1_000_000_000,
        })
    }

    fn hello(&mut self, folder: FolderId, host: &str, key: &str, session: u8) -> Effects {
        let session = Id::from_random([session; 16]);
        let keys = Keys::of_host(key.as_bytes(), host);
        let body = r#"{"version":1,"script":"0","map":"m"}"#;
        let text = signed::seal(&keys.game, &signed::hello(host, session), 0, body);
        let file = self.signed_file(folder, host, session, text);
        let nonce = Id::from_random([9; 16]);
        self.on(Event::Hello { file, nonce })
    }

    fn first_file(&mut self, folder: FolderId, host: &str, key: &str, session: u8) -> Effects {
        self.game_file(folder, host, key, (session, 1), "[]")
    }

    /// The file of this session and number, which acknowledges none of ours.
    fn game_file(
        &mut self,
        folder: FolderId,
        host: &str,
        key: &str,
        (session, n): (u8, u64),
        body: &str,
    ) -> Effects {
        let session = Id::from_random([session; 16]);
        let keys = Keys::of_host(key.as_bytes(), host);
        let keys = keys.of_session(session, Id::from_random([9; 16]));
        let text = signed::seal(&keys.game, &signed::of_game(host, session, n), 0, body);
        let file = self.signed_file(folder, host, session, text);
        self.on(Event::Signed { file, n })
    }

    fn signed_file(
        &mut self,
        folder: FolderId,
        host: &str,
        session: Id,
        text: String,
    ) -> SignedFile {
        self.file += 2;
        SignedFile {
            folder,
            host: host.to_owned(),
            session,
            file: FileId(self.file),
            bytes: text.into_bytes(),
            recovered: false,
        }
    }

    fn hosts(&self) -> usize {
        self.core.shared.hosts.all().count()
    }
}

fn reason(effects: &Effects) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reject { reason, .. } => Some(reason.as_str()),
        _ => None,
    })
}

#[test]
fn whoever_proves_nothing_leaves_no_host_behind() {
    let mut world = World::new(&stock());
    for n in 0..5_000 {
        let name = format!("made{n}");
        world.restart(OURS, &name, UNIX_S);
        let bytes = world.bytes("another secret of another server");
        let effects = world.calls(OURS, &name, bytes, UNIX_S);
        assert!(reason(&effects).is_some(), "{effects:?}");
        let bytes = world.bytes(SECRET);
        let effects = world.calls(OURS, &name, bytes, UNIX_S + 100_000);
        assert!(reason(&effects).unwrap().contains("apart"), "{effects:?}");
        world.hello(THEIRS, &name, "another key, of another server, for sure", 1);
        assert!(!world.is_proven(OURS, &name));
    }
    assert_eq!(world.hosts(), 0);
}

#[test]
fn a_copied_file_makes_no_host() {
    let mut world = World::new(&stock());
    let bytes = world.bytes(SECRET);
    world.calls(OURS, "game", bytes.clone(), UNIX_S);
    let effects = world.calls(OURS, "other", bytes, UNIX_S);
    assert!(reason(&effects).unwrap().contains("replay"));
    assert_eq!(world.hosts(), 1);
}

#[test]
fn the_map_of_a_host_counts_from_before_it_is_known_whatever_others_write() {
    let mut world = World::new(&stock());
    world.good(THEIRS, "known");
    world.now.wall_s = UNIX_S + 10;
    world.restart(THEIRS, "known", UNIX_S + 10);
    world.restart(OURS, "game", UNIX_S + 10);
    for n in 0..limits::MAPS_BEGUN_KEPT as u64 * 2 {
        world.restart(THEIRS, &format!("made{n}"), UNIX_S);
    }
    for (folder, name) in [(OURS, "game"), (THEIRS, "known")] {
        let bytes = world.bytes(SECRET);
        // A call whose answer somebody waits for, of the map before.
        let bytes = String::from_utf8(bytes).unwrap().replace("false", "true");
        let effects = world.calls(folder, name, bytes.into_bytes(), UNIX_S + 5);
        let is_written = |effect: &Effect| matches!(effect, Effect::WriteAnswers { .. });
        assert_eq!(reason(&effects), None, "{effects:?}");
        assert!(!effects.iter().any(is_written), "{effects:?}");
    }
}

#[test]
fn a_map_start_that_is_found_again_is_written_down_again_and_is_no_other_map() {
    let mut world = World::new(&stock());
    world.good(OURS, "a");
    let is_written = |it: &Effect| matches!(it, Effect::Remember(Remembered::MapBegan { .. }));
    let is_new = |it: &Effect| matches!(it, Effect::LookAtInput { .. });
    for (mtime_s, new) in [
        (UNIX_S, true),
        (UNIX_S, false),
        (UNIX_S - 1, false),
        (UNIX_S + 1, true),
    ] {
        let effects = world.restart(OURS, "a", mtime_s);
        assert_eq!(effects.iter().any(is_new), new, "{mtime_s}: {effects:?}");
        let expected = mtime_s >= UNIX_S;
        assert_eq!(
            effects.iter().any(is_written),
            expected,
            "{mtime_s}: {effects:?}"
        );
    }
}

#[test]
fn a_map_that_began_in_the_future_silences_nobody() {
    let mut world = World::new(&stock());
    world.restart(OURS, "game", UNIX_S + 1_000_000);
    world.now.wall_s = UNIX_S + 5;
    let bytes = world.bytes(SECRET);
    let bytes = String::from_utf8(bytes).unwrap().replace("false", "true");
    let mut effects = world.calls(OURS, "game", bytes.into_bytes(), UNIX_S + 5);
    let host = world.core.find_host(OURS, "game").unwrap();
    let state = InputState::Empty;
    effects.extend(world.on(Event::Input { host, state }));
    let is_written = |effect: &Effect| matches!(effect, Effect::WriteAnswers { .. });
    assert!(effects.iter().any(is_written), "{effects:?}");
}

/// The clock was ahead when the start of a map was recorded, and is set back.
#[test]
fn a_clock_that_is_set_back_makes_no_later_map_older_and_no_call_stale() {
    let mut world = World::new(&stock());
    world.now.wall_s = UNIX_S + 3_600;
    world.good(OURS, "game");
    for name in ["game", "unknown"] {
        world.restart(OURS, name, UNIX_S + 3_600);
    }
    world.now.wall_s = UNIX_S;
    let host = world.core.find_host(OURS, "game").unwrap();
    let session = |world: &World| world.core.shared.hosts.get(host).unwrap().session;
    let bytes = world.file_of(SECRET, ASKS);
    let mut effects = world.calls(OURS, "game", bytes, UNIX_S);
    let state = InputState::Empty;
    effects.extend(world.on(Event::Input { host, state }));
    let is_written = |effect: &Effect| matches!(effect, Effect::WriteAnswers { .. });
    assert!(effects.iter().any(is_written), "{effects:?}");
    let before = session(&world);
    world.restart(OURS, "game", UNIX_S + 1);
    assert_ne!(session(&world), before);
    let is_remembered = |effect: &Effect| matches!(effect, Effect::Remember(_));
    let effects = world.restart(OURS, "unknown", UNIX_S + 1);
    assert!(effects.iter().any(is_remembered), "{effects:?}");
}

#[test]
fn a_replay_after_a_map_start_says_nothing_of_the_games_clock() {
    let mut world = World::new(&stock());
    let bytes = world.bytes(SECRET);
    world.calls(OURS, "game", bytes.clone(), UNIX_S);
    world.restart(OURS, "game", UNIX_S + 1);
    world.calls(OURS, "game", bytes, UNIX_S + 7_200);
    let effects = world.good(OURS, "game");
    let is_rejected = |effect: &Effect| matches!(effect, Effect::Reject { .. });
    assert!(!effects.iter().any(is_rejected), "{effects:?}");
}

#[test]
fn map_starts_push_out_no_identity() {
    let mut world = World::new(&stock());
    let bytes = world.bytes(SECRET);
    world.calls(OURS, "game", bytes.clone(), UNIX_S);
    for n in 0..limits::IDENTITIES_MAX as u64 + 10 {
        world.restart(OURS, &format!("made{}", n % 70_000), UNIX_S);
    }
    let effects = world.calls(OURS, "game", bytes, UNIX_S);
    assert!(reason(&effects).unwrap().contains("replay"), "{effects:?}");
}

#[test]
fn hosts_are_bounded_and_no_server_pushes_out_those_of_another() {
    let mut world = World::new(&stock());
    for n in 0..20 {
        world.good(THEIRS, &format!("game{n}"));
    }
    let first = world.core.find_host(THEIRS, "game0");
    for n in 0..2_000 {
        world.now.mono_ms += 10_000;
        let name = format!("made{n}");
        assert!(world.has_room(OURS, &name));
        world.good(OURS, &name);
    }
    assert!(world.hosts() <= limits::HOSTS_KEPT_MAX, "{}", world.hosts());
    assert_eq!(world.core.find_host(THEIRS, "game0"), first);
    assert!(world.core.find_host(OURS, "made1999").is_some());
    assert_eq!(world.core.find_host(OURS, "made0"), None);
}

#[test]
fn a_host_is_proven_by_what_is_authentic_for_a_while() {
    let optional = format!("{}\nlegacy_identity = \"optional\"", stock());
    let mut world = World::new(&optional);
    let anonymous = br#"{"Calls":{"async":[]}}"#;
    world.calls(OURS, "anyone", anonymous.to_vec(), UNIX_S);
    assert!(world.core.find_host(OURS, "anyone").is_some());
    assert!(!world.is_proven(OURS, "anyone"));
    world.good(OURS, "game");
    world.hello(THEIRS, "signer", KEY, 1);
    let proven = |world: &World| {
        [(OURS, "game"), (THEIRS, "signer"), (THEIRS, "game")]
            .map(|(folder, name)| world.is_proven(folder, name))
    };
    assert_eq!(proven(&world), [true, true, false]);
    world.now.mono_ms += limits::HOST_PROVEN_MS + 1;
    world.on(Event::Timer(Timer::Starts));
    assert_eq!(proven(&world), [false, false, false]);
    for n in 0..1_000 {
        world.calls(OURS, &format!("made{n}"), anonymous.to_vec(), UNIX_S);
    }
    assert!(world.hosts() <= limits::ANONYMOUS_HOSTS_MAX + 3);
    assert!(world.core.find_host(OURS, "game").is_some());
}

#[test]
fn that_a_host_signs_outlives_its_keys_and_holds_for_every_case_of_its_name() {
    let both = |key: &str| format!("{}\nkey = '{key}'", stock());
    let mut world = World::new(&both(KEY));
    world.good(OURS, "good");
    world.hello(OURS, "good", KEY, 1);
    let mut notes = Vec::new();
    let mut effects = world.first_file(OURS, "good", KEY, 1);
    let refused = |world: &mut World| {
        ["good", "Good", "GOOD"].map(|name| {
            let effects = world.good(OURS, name);
            reason(&effects).is_some_and(|reason| reason.contains("signs"))
        })
    };
    assert_eq!(refused(&mut world), [true; 3]);
    // A new key, by a reload.
    let rotated = both("anotherkey0123456789012345678901234567");
    let configured = |text: &str| Event::configuration(config(text), &[OURS, THEIRS]);
    world.on(configured(&rotated));
    assert_eq!(refused(&mut world), [true; 3]);
    // And by a restart.
    effects.retain(|effect| matches!(effect, Effect::Note(_)));
    let noted = effects.into_iter().filter_map(|effect| match effect {
        Effect::Note(note) => Some(note),
        _ => None,
    });
    notes.extend(noted);
    let mut log = Sessions::default();
    notes.iter().for_each(|note| log.apply(note));
    let mut later = World::new(&rotated);
    later.random = 99;
    assert!(later.restore(log.clone()).is_empty());
    assert_eq!(refused(&mut later), [true; 3]);
    // Hosts of another server are others.
    assert_eq!(reason(&later.good(THEIRS, "good")), None);
    // Without a key the stock protocol is served, and it stays so when there is one again.
    let effects = later.on(configured(&stock()));
    assert!(
        matches!(effects[..], [Effect::Note(Note::Stock { .. })]),
        "{effects:?}"
    );
    assert_eq!(refused(&mut later), [false; 3]);
    later.on(configured(&rotated));
    assert_eq!(refused(&mut later), [false; 3]);
    let mut after = World::new(&stock());
    let notes = after.restore(log);
    assert!(
        matches!(notes[..], [Effect::Note(Note::Stock { .. })]),
        "{notes:?}"
    );
}

/// A host that was known as one of every other host, and that a reload gives a server of its own.
#[test]
fn a_reload_gives_each_host_its_server() {
    let of = |names: &[&str]| {
        let table = |name: &&str| format!("[[server]]\nscriptdata = '/ours'\n{name}{}\n", stock());
        let text: String = names.iter().map(table).collect();
        config::parse(&text, Path::new("/"), |_| None).expect("a configuration")
    };
    let (every, named) = ("", "hostname = 'game'\n");
    let mut world = World::new(&stock());
    world.core = Core::new(&of(&[every]), &[OURS]);
    world.good(OURS, "game");
    world.good(OURS, "other");
    let server = |world: &World, name: &str| {
        let host = world.core.find_host(OURS, name).unwrap();
        world.core.shared.server_of(host)
    };
    let servers = |world: &World| ["game", "other"].map(|name| server(world, name));
    let (first, second) = (Some(ServerId(0)), Some(ServerId(1)));
    assert_eq!(servers(&world), [first, first]);
    world.on(Event::configuration(of(&[named, every]), &[OURS, OURS]));
    assert_eq!(servers(&world), [second, first]);
    assert!(world.has_room(OURS, "game") && world.has_room(OURS, "other"));
    // What no server serves any more keeps the one that it had.
    world.on(Event::configuration(of(&[named]), &[OURS]));
    assert_eq!(servers(&world), [second, first]);
    assert!(world.has_room(OURS, "game") && !world.has_room(OURS, "other"));
    assert_eq!(world.core.shared.hosts.unserved().len(), 1);
    assert_eq!(reason(&world.good(OURS, "game")), None);
    assert!(
        reason(&world.good(OURS, "other"))
            .unwrap()
            .contains("not served")
    );
}

/// A game that calls nothing gets no responses, with which acknowledgements go otherwise.
#[test]
fn a_game_that_only_reports_is_acknowledged_when_half_of_its_window_is_used() {
    let mut world = World::new(&stock());
    world.hello(THEIRS, "red", KEY, 1);
    let written = |effects: &Effects| {
        let is_file = |effect: &&Effect| matches!(effect, Effect::WriteSigned { .. });
        effects.iter().filter(is_file).count()
    };
    let event = r#"[{"emit":"hit","data":1,"script":"a.nut"}]"#;
    let mut acks = 0;
    for n in 1..=40 {
        let effects = world.game_file(THEIRS, "red", KEY, (1, n), event);
        let wanted = usize::from(n % limits::SIGNED_ACK_FILES == 0);
        assert_eq!(written(&effects), wanted, "file {n}");
        acks += wanted;
    }
    assert_eq!(acks, 10);
    // Files without messages are acknowledgements, which need none: two sides would go on for ever.
    for n in 41..=60 {
        let effects = world.game_file(THEIRS, "red", KEY, (1, n), "[]");
        assert_eq!(written(&effects), 0, "file {n}");
    }
}
