//! A game with `vpi.nut`, and a stand-in for vpid that believes nothing it should not: it checks
//! names, macs, order and windows of every file, and answers as the test says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use vpid::protocol::signed::{self, Id, Keys, Kind};

use super::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, VPI_CONFIG, vpi_with};

pub const KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
pub const WINDOW: u64 = 8;

/// The session that the stand-in talks in.
struct Session {
    id: Id,
    keys: Keys,
    /// Numbers of files: read of the game, written, acknowledged by the game.
    read: u64,
    written: u64,
    acknowledged: u64,
    acknowledgement_due: bool,
}

pub struct Peer {
    scriptdata: PathBuf,
    pub host: String,
    session: Option<Session>,
    sessions: u8,
    /// Leaves everything where it is.
    pub silent: bool,
    /// Says so instead of a welcome.
    pub refuses: bool,
    /// Does not write again what it is asked for.
    pub stubborn: bool,
    /// Answers each call with this, where a test gives something.
    pub answer: Option<fn(&Json) -> Json>,
    /// All messages of the game, in order, with the number of the file they came in.
    pub got: Vec<(u64, Json)>,
    /// Bytes of each file of the game.
    pub sizes: Vec<usize>,
    /// What it wrote last, by name.
    pub sent: BTreeMap<String, String>,
}

impl Peer {
    fn new(scriptdata: &Path, host: &str) -> Self {
        Peer {
            scriptdata: scriptdata.into(),
            host: host.into(),
            session: None,
            sessions: 0,
            silent: false,
            refuses: false,
            stubborn: false,
            answer: None,
            got: Vec::new(),
            sizes: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scriptdata.join(signed::FOLDER).join(name)
    }

    /// Names in the folder that are of the protocol and whole.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.scriptdata.join(signed::FOLDER)) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub fn is_connected(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.read > 0)
    }

    pub fn session(&self) -> Id {
        self.session.as_ref().expect("a session").id
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let mut file = fs::read(self.path(name)).expect("a file that was listed");
        assert_eq!(file.pop(), Some(0), "{name} ends with a NUL");
        file
    }

    pub fn write(&mut self, name: &str, text: &[u8]) {
        let mut file = text.to_vec();
        file.push(0);
        fs::write(self.path(name), file).expect("a writable folder");
        let text = String::from_utf8_lossy(text).into_owned();
        self.sent.insert(name.into(), text);
    }

    /// Looks at the folder once.
    pub fn step(&mut self) {
        if self.silent {
            return;
        }
        for name in self.names() {
            let parsed = signed::parse_name(&name).unwrap_or_else(|| panic!("a name: {name}"));
            assert_eq!(parsed.host, self.host, "{name}");
            match parsed.kind {
                Kind::Hello => self.welcome(&name, parsed.session),
                Kind::Game(_) if self.session.is_none() => self.tell_gone(&name, parsed.session),
                // The game wrote it once more, and it has been read.
                Kind::Game(n) if self.has_read(parsed.session, n) => {
                    fs::remove_file(self.path(&name)).unwrap();
                }
                _ => {}
            }
        }
        while self.read_next() {}
        self.acknowledge();
    }

    fn welcome(&mut self, name: &str, id: Id) {
        let keys = Keys::of_host(KEY.as_bytes(), &self.host);
        let file = self.read(name);
        let hello = signed::open(&keys.game, name, &file).expect("a hello that is believed");
        let body: Json = serde_json::from_slice(hello.body).expect("JSON");
        assert_eq!((hello.ack, &body["version"]), (0, &json!(1)), "{body}");
        fs::remove_file(self.path(name)).unwrap();
        let name = signed::welcome(&self.host, id);
        if self.refuses {
            let body = json!({"refused": "this is not the server you look for"}).to_string();
            let file = signed::seal(&keys.vpid, &name, 0, &body);
            return self.write(&name, file.as_bytes());
        }
        self.sessions += 1;
        let nonce = Id::from_random([self.sessions; 16]);
        let body = json!({"version": 1, "vpid": "9.9.9", "nonce": nonce.as_str()}).to_string();
        let file = signed::seal(&keys.vpid, &name, 0, &body);
        self.write(&name, file.as_bytes());
        self.session = Some(Session {
            id,
            keys: keys.of_session(id, nonce),
            read: 0,
            written: 0,
            acknowledged: 0,
            acknowledgement_due: false,
        });
    }

    /// The name of the game's file with a number.
    pub fn game_file(&self, n: u64) -> String {
        signed::of_game(&self.host, self.session(), n)
    }

    pub fn vpid_file(&self, m: u64) -> String {
        signed::of_vpid(&self.host, self.session(), m)
    }

    pub fn keys(&self) -> Keys {
        self.session.as_ref().expect("a session").keys.clone()
    }

    fn has_read(&self, id: Id, n: u64) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.id == id && n <= session.read)
    }

    /// The number of the last file that was read.
    pub fn last_read(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.read)
    }

    fn read_next(&mut self) -> bool {
        let Some(session) = &self.session else {
            return false;
        };
        let n = session.read + 1;
        let name = signed::of_game(&self.host, session.id, n);
        if !self.path(&name).exists() {
            return false;
        }
        let file = self.read(&name);
        self.sizes.push(file.len());
        assert!(file.len() <= 65_535, "{name} is too large");
        let opened = signed::open(&session.keys.game, &name, &file);
        let opened = opened.unwrap_or_else(|why| panic!("{name}: {why}"));
        let body = String::from_utf8_lossy(opened.body).into_owned();
        let messages: Vec<Json> =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{name}: {error} in {body}"));
        let acknowledged = opened.ack;
        fs::remove_file(self.path(&name)).unwrap();
        let session = self.session.as_mut().unwrap();
        assert!(acknowledged >= session.acknowledged && acknowledged <= session.written);
        session.read = n;
        session.acknowledgement_due |= !messages.is_empty();
        for m in session.acknowledged + 1..=acknowledged {
            let name = signed::of_vpid(&self.host, session.id, m);
            // A test may have removed it.
            let _ = fs::remove_file(self.scriptdata.join(signed::FOLDER).join(name));
        }
        session.acknowledged = acknowledged;
        self.take(n, messages);
        true
    }

    fn take(&mut self, n: u64, messages: Vec<Json>) {
        let mut answers = Vec::new();
        for message in messages {
            if let (Some(answer), true) = (self.answer, message["wait"] == json!(true)) {
                answers.push(json!({"answer": message["call"], "value": answer(&message)}));
            }
            if let (Some(m), false) = (message["again"].as_u64(), self.stubborn) {
                let name = self.vpid_file(m);
                let text = self.sent[&name].clone();
                self.write(&name, text.as_bytes());
            }
            self.got.push((n, message));
        }
        if !answers.is_empty() {
            self.send(&answers);
        }
    }

    fn acknowledge(&mut self) {
        let due = |session: &Session| {
            session.acknowledgement_due && session.written - session.acknowledged < WINDOW
        };
        if self.session.as_ref().is_some_and(due) {
            self.send(&[]);
        }
    }

    /// Writes the next file, and gives its number.
    pub fn send(&mut self, messages: &[Json]) -> u64 {
        let body = Json::from(messages).to_string();
        self.send_body(&body)
    }

    pub fn send_body(&mut self, body: &str) -> u64 {
        let session = self.session.as_mut().expect("a session");
        session.written += 1;
        session.acknowledgement_due = false;
        let m = session.written;
        let name = signed::of_vpid(&self.host, session.id, m);
        let file = signed::seal(&session.keys.vpid, &name, session.read, body);
        self.write(&name, file.as_bytes());
        m
    }

    /// Forgets everything, as after the loss of its folder.
    pub fn forget(&mut self) {
        self.session = None;
    }

    /// Tells the game that its session is not known.
    fn tell_gone(&mut self, name: &str, id: Id) {
        let file = String::from_utf8_lossy(&self.read(name)).into_owned();
        let ack: u64 = file.split(' ').nth(1).unwrap().parse().unwrap();
        fs::remove_file(self.path(name)).unwrap();
        let keys = Keys::of_host(KEY.as_bytes(), &self.host);
        let name = signed::of_vpid(&self.host, id, ack + 1);
        let body = json!([{"gone": "it was forgotten"}]).to_string();
        let file = signed::seal(&keys.vpid, &name, 0, &body);
        self.write(&name, file.as_bytes());
    }

    /// Messages with a key, in order.
    pub fn all(&self, key: &str) -> Vec<Json> {
        let messages = self.got.iter().map(|(_, message)| message);
        let wanted = messages.filter(|message| !message[key].is_null());
        wanted.cloned().collect()
    }

    /// The data of the events of a name.
    pub fn events(&self, name: &str) -> Vec<Json> {
        let events = self.all("event").into_iter();
        let events = events.filter(|message| message["event"] == json!(name));
        events.map(|message| message["data"].clone()).collect()
    }
}

/// The game and its peer.
pub struct Talk {
    pub game: Game,
    pub peer: Peer,
    _dir: TempDir,
}

impl Talk {
    /// A map in which the given script runs after `vpi.nut`, and the session has begun.
    pub fn start(script: &str) -> Self {
        let mut talk = Self::begin(script, |setup| setup);
        talk.connect();
        talk
    }

    /// The same without waiting for anything.
    pub fn begin(script: &str, more: impl FnOnce(Setup) -> Setup) -> Self {
        let dir = TempDir::new().expect("a folder");
        let own = "\nIncludeScript(\"mine\", this)";
        let mapspawn = MAPSPAWN.to_owned();
        let setup = Setup::new(dir.path())
            .hostname("My Server")
            .script("mapspawn.nut", &(mapspawn + own))
            .script("vpi.nut", &vpi_with(KEY))
            .script("mine.nut", script);
        let game = more(setup).start("cp_first");
        let peer = Peer::new(dir.path(), "my_server");
        Talk {
            game,
            peer,
            _dir: dir,
        }
    }

    /// Runs until the session has begun.
    pub fn connect(&mut self) {
        let connected = self.run_until(200, |talk| talk.peer.is_connected());
        self.game.assert_no_errors();
        assert!(connected, "{:#?}", self.game.record().prints());
    }

    /// Each tick, first the game, then the peer.
    pub fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.game.run_ticks(1);
            self.peer.step();
        }
    }

    pub fn run_until(&mut self, ticks: u32, done: impl Fn(&mut Talk) -> bool) -> bool {
        for _ in 0..ticks {
            if done(self) {
                return true;
            }
            self.run(1);
        }
        done(self)
    }

    /// As if from the test's own script.
    pub fn script(&mut self, code: &str) -> Json {
        self.game.run("mine.nut", code)
    }

    pub fn assert_printed(&self, part: &str) {
        let prints = self.game.record().prints();
        let found = prints.iter().any(|line| line.contains(part));
        assert!(found, "{part:?} is not in {prints:#?}");
    }

    /// Nothing was said that an owner would worry about.
    pub fn assert_quiet(&self) {
        self.game.assert_no_errors();
        let prints = self.game.record().prints();
        let loud = prints
            .iter()
            .find(|line| line.contains("ERROR") || line.contains("WARNING"));
        assert_eq!(loud, None);
    }
}

/// The shipped configuration, with something else in place of one of its lines.
pub fn config(line: &str, instead: &str) -> String {
    assert!(VPI_CONFIG.contains(line), "{line}");
    VPI_CONFIG.replace(line, instead)
}
