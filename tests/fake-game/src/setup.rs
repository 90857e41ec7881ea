//! How a server is set up before its first map.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::speech::LogAddress;
use super::world::{FIRST_TICK, World};
use super::{Game, Record};

/// A server that has not started.
pub struct Setup(World);

impl Setup {
    /// `scriptdata` need not be there.
    pub fn new(scriptdata: &Path) -> Self {
        let cvars = [("hostname", "Team Fortress"), ("sv_tags", "")];
        let cvars = cvars.map(|(name, value)| (name.to_string(), value.to_string()));
        Setup(World {
            scriptdata: scriptdata.into(),
            scripts: BTreeMap::new(),
            packed: HashMap::new(),
            including: 0,
            counter_strike: false,
            paused: false,
            hostname: "test server".into(),
            max_players: 24,
            clock_offset_s: 0,
            map: String::new(),
            maps: 0,
            tick: FIRST_TICK,
            entities: BTreeMap::new(),
            next_entity: 1,
            instances: HashMap::new(),
            next_instance: 1,
            classes: None,
            listened: HashSet::new(),
            hooks: HashSet::new(),
            later: Vec::new(),
            unique: 0,
            players: BTreeMap::new(),
            next_userid: 2,
            cvars: cvars.into(),
            random: 0x9e37_79b9_7f4a_7c15,
            log: None,
            logged: Vec::new(),
            record: Record::default(),
        })
    }

    /// What `server.cfg` says.
    pub fn hostname(mut self, name: &str) -> Self {
        self.0.hostname = name.into();
        self
    }

    /// A file of the server's script folder.
    pub fn script(mut self, name: &str, text: &str) -> Self {
        self.0.scripts.insert(name.into(), text.into());
        self
    }

    /// A file inside a map, which goes before one of the server.
    pub fn packed(mut self, map: &str, name: &str, text: &str) -> Self {
        self.0.packed.insert((map.into(), name.into()), text.into());
        self
    }

    /// Counter-Strike: Source instead of Team Fortress 2.
    pub fn counter_strike(mut self) -> Self {
        self.0.counter_strike = true;
        self
    }

    /// Other random numbers, and so other unique strings.
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        self
    }

    /// The engine's log goes to this address, with the text of `sv_logsecret`; empty: without one.
    pub fn log(mut self, to: SocketAddr, secret: &str) -> Self {
        self.0.log = Some(LogAddress::new(to, secret));
        self
    }

    /// What the machine's clock shows, against UTC.
    pub fn clock_offset(mut self, seconds: i64) -> Self {
        self.0.clock_offset_s = seconds;
        self
    }

    pub fn start(self, map: &str) -> Game {
        let mut game = Game {
            world: Rc::new(RefCell::new(self.0)),
            vm: None,
            busy: Duration::ZERO,
            costs_us: Vec::new(),
        };
        game.start_map(map);
        game
    }
}
