//! What players do, from tests: connect, enter, speak, die, change sides, leave.

use game_vm::Value;
use serde_json::{Map, Value as Json, json};

use super::world::{Later, Player};
use super::{Game, speech};

/// Bytes of a name and of a chat line; what is longer is cut, inside characters too.
const NAME_BYTES_MAX: usize = 31;
const CHAT_BYTES_MAX: usize = 127;

/// Who is about to connect.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub name: Vec<u8>,
    /// `[U:1:N]` or `BOT`.
    pub network_id: String,
    pub address: String,
    /// Steam says who it is so many ticks after the player entered.
    pub id_late_ticks: i64,
}

impl Newcomer {
    pub fn new(name: impl Into<Vec<u8>>, network_id: &str) -> Self {
        let (name, network_id) = (name.into(), network_id.to_string());
        Self {
            name,
            network_id,
            address: "203.0.113.7:27005".into(),
            id_late_ticks: 0,
        }
    }
}

impl Game {
    /// Connects and enters at once; gives the userid.
    pub fn join(&mut self, name: impl Into<Vec<u8>>, network_id: &str) -> i32 {
        self.join_as(&Newcomer::new(name, network_id))
    }

    pub fn join_as(&mut self, newcomer: &Newcomer) -> i32 {
        let userid = self.connect(newcomer);
        self.enter(userid, newcomer.id_late_ticks);
        userid
    }

    /// Takes a slot, without an entity yet.
    pub fn connect(&mut self, newcomer: &Newcomer) -> i32 {
        let player = {
            let mut world = self.world.borrow_mut();
            let userid = world.next_userid;
            world.next_userid += 1;
            let taken = |slot: &i32| world.players.values().any(|player| player.slot == *slot);
            let slot = (1..=world.max_players).find(|slot| !taken(slot));
            let mut name = newcomer.name.clone();
            name.truncate(NAME_BYTES_MAX);
            let player = Player {
                userid,
                slot: slot.expect("a free slot"),
                name,
                network_id: newcomer.network_id.clone(),
                authenticated: newcomer.id_late_ticks == 0,
                shown_id: String::new(),
                bot: newcomer.network_id == "BOT",
                team: 0,
                class: 0,
                wished_class: 0,
                score: 0,
                deaths: 0,
                connected_at: world.time(),
                ping: 50,
                alive: false,
                entity: None,
            };
            world.players.insert(userid, player.clone());
            player
        };
        let fields = json!({
            "index": player.slot - 1,
            "userid": player.userid,
            "networkid": player.engine_id(),
            "address": newcomer.address,
            "bot": player.bot,
        });
        self.fire_with_name("player_connect", fields, &player.name);
        player.userid
    }

    /// Gets an entity, a team and a class.
    pub fn enter(&mut self, userid: i32, id_late_ticks: i64) {
        if id_late_ticks > 0 {
            let mut world = self.world.borrow_mut();
            let due = world.tick + id_late_ticks;
            world.later.push((due, Later::Authenticated(userid)));
        }
        self.activate(userid);
        self.team(userid, 2);
        self.class(userid, 3);
        self.spawn(userid);
    }

    /// The player is in the game: at the end of connecting, and again on every map.
    pub(super) fn activate(&mut self, userid: i32) {
        {
            let mut world = self.world.borrow_mut();
            let slot = world.players[&userid].slot;
            let id = world.add_entity("player", "", Some(slot));
            let player = world.players.get_mut(&userid).expect("a connected player");
            player.entity = Some(id);
        }
        self.fire("player_activate", json!({"userid": userid}));
    }

    pub fn spawn(&mut self, userid: i32) {
        let player = self.change(userid, |player| {
            player.alive = true;
            player.class = player.wished_class;
        });
        let fields = match self.world.borrow().counter_strike {
            true => json!({"userid": userid}),
            false => json!({"userid": userid, "team": player.team, "class": player.class}),
        };
        self.fire("player_spawn", fields);
    }

    pub fn team(&mut self, userid: i32, team: i32) {
        let old = self.player(userid).team;
        let player = self.change(userid, |player| {
            player.team = team;
            player.renew_id();
        });
        let fields = json!({
            "userid": userid, "team": team, "oldteam": old,
            "disconnect": false, "autoteam": false, "silent": false,
        });
        self.fire_with_name("player_team", fields, &player.name);
    }

    /// Chooses a class for the next spawn.
    pub fn class(&mut self, userid: i32, class: i32) {
        self.change(userid, |player| player.wished_class = class);
        let fields = json!({"userid": userid, "class": class});
        self.fire("player_changeclass", fields);
    }

    /// `attacker` 0 is the world.
    pub fn kill(&mut self, victim: i32, attacker: i32) {
        self.change(victim, |player| {
            player.alive = false;
            player.deaths += 1;
        });
        if attacker != 0 && attacker != victim {
            self.change(attacker, |player| player.score += 1);
        }
        self.died(victim, attacker, 0);
    }

    /// A spy feigns death: players see a kill that was none.
    pub fn feign(&mut self, victim: i32, attacker: i32) {
        self.died(victim, attacker, speech::FEIGNED);
    }

    fn died(&mut self, victim: i32, attacker: i32, death_flags: i64) {
        self.change(victim, Player::renew_id);
        let fields = json!({
            "userid": victim, "attacker": attacker, "assister": -1, "weapon": "scattergun",
            "weapon_logclassname": "scattergun", "damagebits": 0, "customkill": 0,
            "death_flags": death_flags,
        });
        self.fire("player_death", fields);
    }

    /// The round goes to a team; `full`: and with it the whole round, not a part of one.
    pub fn win_round(&mut self, team: i32, full: bool) {
        let fields = json!({
            "team": team, "winreason": 1, "flagcaplimit": 0, "full_round": full,
            "round_time": 60.0, "losing_team_num_caps": 0, "was_sudden_death": false,
        });
        self.fire("teamplay_round_win", fields);
    }

    /// Another name without an event, as in sudden death.
    pub fn rename_quietly(&mut self, userid: i32, name: impl Into<Vec<u8>>) {
        let mut name = name.into();
        name.truncate(NAME_BYTES_MAX);
        self.change(userid, |player| player.name = name);
    }

    pub fn say(&mut self, userid: i32, text: impl Into<Vec<u8>>) {
        let mut text = text.into();
        text.truncate(CHAT_BYTES_MAX);
        self.change(userid, Player::renew_id);
        self.in_script(|world, vm| speech::host_say(world, vm, Some(userid), &text, false));
    }

    pub fn leave(&mut self, userid: i32, reason: &str) {
        let player = self.player(userid);
        let fields = json!({
            "userid": userid, "reason": reason,
            "networkid": player.engine_id(), "bot": player.bot,
        });
        self.fire_with_name("player_disconnect", fields, &player.name);
        let mut world = self.world.borrow_mut();
        if let Some(id) = world.players[&userid].entity {
            world.kill(id);
        }
        world.players.remove(&userid);
    }

    pub fn player(&self, userid: i32) -> Player {
        self.world.borrow().players[&userid].clone()
    }

    pub fn change(&mut self, userid: i32, change: impl FnOnce(&mut Player)) -> Player {
        let mut world = self.world.borrow_mut();
        let player = world.players.get_mut(&userid).expect("a connected player");
        change(player);
        player.clone()
    }

    fn fire_with_name(&mut self, event: &str, fields: Json, name: &[u8]) {
        self.fire_with_text(event, fields, "name", name);
    }

    /// Texts of players can be cut inside a character, which JSON cannot say.
    fn fire_with_text(&mut self, event: &str, mut fields: Json, key: &str, text: &[u8]) {
        let no_fields = &mut Map::new();
        let map = fields.as_object_mut().unwrap_or(no_fields);
        for value in map.values_mut() {
            if let Json::Bool(truth) = value {
                *value = Json::from(u8::from(*truth));
            }
        }
        let shown = String::from_utf8_lossy(text).into_owned();
        map.insert(key.into(), shown.into());
        self.in_script(|world, vm| {
            let table = vm.from_json(&fields);
            if let Value::Object(table) = &table {
                vm.set(table, key, &Value::Text(text.into()));
            }
            speech::raise(world, vm, event, &table, fields);
        });
    }
}
