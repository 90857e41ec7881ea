//! The state of the server: what outlives a map (players, variables) and what does not (entities).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use game_vm::{Object, Value, Vm};

use super::record::{Entry, Record, What};
use super::speech::LogAddress;

/// Seconds.
pub const TICK: f32 = 0.015;
/// The engine starts every map one second in.
pub const FIRST_TICK: i64 = 67;

pub type Shared = Rc<RefCell<World>>;
pub type EntityId = u32;

pub struct Entity {
    /// Where `EntIndexToHScript` finds it; 0 for entities that no client sees.
    pub index: i32,
    pub class: String,
    pub name: String,
    pub script_id: String,
    /// What scripts hold, and its number. Made when first requested.
    pub instance: Option<(usize, Object)>,
    pub scope: Option<Object>,
    pub think: Option<String>,
    pub next_think: i64,
    /// Set by scripts: by property and element.
    pub props: HashMap<(String, i32), Value>,
    /// Removed, and there until the end of the tick.
    pub dying: bool,
}

#[derive(Clone, Debug)]
pub struct Player {
    pub userid: i32,
    /// Entity index.
    pub slot: i32,
    /// Cut to 31 bytes.
    pub name: Vec<u8>,
    /// `[U:1:N]` or `BOT`: whose account it is, which the engine knows once it is `authenticated`.
    pub network_id: String,
    pub authenticated: bool,
    /// The copy in the player's entity. The game renews it only when it needs the id itself: at a chat
    /// line, a change of sides, and a death.
    pub shown_id: String,
    pub bot: bool,
    pub team: i32,
    pub class: i32,
    /// What the player has chosen, and becomes with the next spawn.
    pub wished_class: i32,
    pub score: i32,
    /// On the scoreboard.
    pub deaths: i32,
    /// On the clock of the map.
    pub connected_at: f32,
    pub ping: i32,
    pub alive: bool,
    /// `None` while connecting, and at the beginning of a map.
    pub entity: Option<EntityId>,
}

impl Player {
    /// What the engine calls the player now.
    pub fn engine_id(&self) -> &str {
        match self.authenticated {
            true => &self.network_id,
            false => "STEAM_ID_PENDING",
        }
    }

    /// The game needs the id.
    pub fn renew_id(&mut self) {
        self.shown_id = self.engine_id().into();
    }
}

/// What the server does by itself later in a map.
pub enum Later {
    ServerCfg,
    RoundStart,
    PlayersReturn,
    /// Steam says that a player is who it says to be.
    Authenticated(i32),
    /// A player's game was made to say something.
    Said(i32, String),
}

pub struct World {
    pub scriptdata: PathBuf,
    pub scripts: BTreeMap<String, Vec<u8>>,
    /// Scripts inside maps, by map and name; they go before those of the server.
    pub packed: HashMap<(String, String), Vec<u8>>,
    /// How many files are being included by each other.
    pub including: u32,
    /// Another game on this engine, with another manager of players and fewer fields of events.
    pub counter_strike: bool,
    /// Nothing but players moves, and the clock stands.
    pub paused: bool,
    pub hostname: String,
    pub max_players: i32,
    /// What the clock of the machine shows, against UTC.
    pub clock_offset_s: i64,

    pub map: String,
    pub maps: u32,
    pub tick: i64,
    pub entities: BTreeMap<EntityId, Entity>,
    pub next_entity: EntityId,
    /// Numbers of instances that are valid.
    pub instances: HashMap<usize, EntityId>,
    pub next_instance: usize,
    /// Script classes of entities: of all, and of players.
    pub classes: Option<(Object, Object)>,
    pub listened: HashSet<String>,
    pub hooks: HashSet<String>,
    pub later: Vec<(i64, Later)>,
    pub unique: u32,

    pub players: BTreeMap<i32, Player>,
    pub next_userid: i32,
    pub cvars: BTreeMap<String, String>,
    pub random: u64,
    /// Where the log goes by UDP.
    pub log: Option<LogAddress>,
    /// Its lines, with their dates and ends.
    pub logged: Vec<Vec<u8>>,
    pub record: Record,
}

impl World {
    pub fn time(&self) -> f32 {
        self.tick as f32 * TICK
    }

    pub fn note(&mut self, what: What) {
        let (map, tick) = (self.maps, self.tick);
        self.record.0.push(Entry { map, tick, what });
    }

    /// A script by its file name, with or without `.nut`; gives the bare name, too.
    pub fn script(&self, file: &str) -> Option<(String, Vec<u8>)> {
        let file = file.replace('\\', "/");
        let file = if file.ends_with(".nut") {
            file
        } else {
            file + ".nut"
        };
        let packed = self.packed.get(&(self.map.clone(), file.clone()));
        let text = packed.or_else(|| self.scripts.get(&file))?.clone();
        let bare = file.rsplit('/').next().unwrap_or(&file).to_string();
        Some((bare, text))
    }

    /// From `low` to `high`, both included.
    pub fn random(&mut self, low: i32, high: i32) -> i32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let span = (i64::from(high) - i64::from(low)).max(0) as u64 + 1;
        (i64::from(low) + ((self.random >> 11) % span) as i64) as i32
    }

    pub fn add_entity(&mut self, class: &str, name: &str, index: Option<i32>) -> EntityId {
        let id = self.next_entity;
        self.next_entity += 1;
        let index = index.unwrap_or_else(|| self.free_index(class));
        self.entities.insert(
            id,
            Entity {
                index,
                class: class.into(),
                name: name.into(),
                script_id: String::new(),
                instance: None,
                scope: None,
                think: None,
                next_think: 0,
                props: HashMap::new(),
                dying: false,
            },
        );
        id
    }

    /// Entities that are nothing but logic have no index.
    fn free_index(&self, class: &str) -> i32 {
        if class.starts_with("logic_") {
            return 0;
        }
        let mut index = self.max_players + 1;
        while self.entities.values().any(|entity| entity.index == index) {
            index += 1;
        }
        index
    }

    /// The living entity behind a value of a script.
    pub fn entity_of(&self, vm: &Vm, value: &Value) -> Option<EntityId> {
        self.instances.get(&vm.instance_number(value)?).copied()
    }

    pub fn entity_at(&self, index: i32) -> Option<EntityId> {
        let mut all = self.entities.iter();
        all.find(|(_, entity)| entity.index == index && (index > 0 || entity.class == "worldspawn"))
            .map(|(id, _)| *id)
    }

    pub fn player_of(&self, id: EntityId) -> Option<&Player> {
        let mut players = self.players.values();
        players.find(|player| player.entity == Some(id))
    }

    /// What scripts hold for an entity.
    pub fn instance(&mut self, vm: &Vm, id: EntityId) -> Value {
        let is_player = self.player_of(id).is_some();
        let Some(entity) = self.entities.get_mut(&id) else {
            return Value::Null;
        };
        if let Some((_, instance)) = &entity.instance {
            return instance.clone().into();
        }
        let (base, player) = self.classes.as_ref().expect("the map has started");
        let number = self.next_instance;
        self.next_instance += 1;
        let instance = vm.instance(if is_player { player } else { base }, number);
        entity.instance = Some((number, instance.clone()));
        self.instances.insert(number, id);
        instance.into()
    }

    /// Removes an entity: what scripts hold is void at once, its scope goes with the tick.
    pub fn kill(&mut self, id: EntityId) {
        if let Some(entity) = self.entities.get_mut(&id) {
            entity.dying = true;
            if let Some((number, _)) = entity.instance.take() {
                self.instances.remove(&number);
            }
        }
    }

    /// A text that no two calls in a map share.
    pub fn unique_string(&mut self, suffix: &str) -> String {
        self.unique += 1;
        let (random, count) = (self.random(0, 0xfff), self.unique);
        format!("_{random:x}{count:x}_{suffix}")
    }
}
