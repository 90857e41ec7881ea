//! Maps begin, pass tick by tick, and end. Scripts live no longer; players stay.

use std::rc::Rc;

use game_vm::Vm;
use serde_json::json;

use super::record::What;
use super::world::{EntityId, FIRST_TICK, Later, Player, Shared};
use super::{Game, entities, natives};

/// Ticks after a map's start: `server.cfg` runs, the round starts, the players are back.
const CFG_TICKS: i64 = 8;
const ROUND_TICKS: i64 = 10;
const RETURN_TICKS: i64 = 66;

impl Game {
    /// Ends the map and starts another, at once.
    pub fn change_map(&mut self, map: &str) {
        self.end_map();
        self.start_map(map);
    }

    /// Ends the last map: what its scripts do then is done. The game can still be examined.
    pub fn shut_down(&mut self) {
        self.end_map();
    }

    pub(super) fn start_map(&mut self, map: &str) {
        {
            let mut world = self.world.borrow_mut();
            world.maps += 1;
            world.map = map.into();
            world.tick = FIRST_TICK;
            world.paused = false;
            world.unique = 0;
            let start = FIRST_TICK;
            world.later = vec![
                (start + CFG_TICKS, Later::ServerCfg),
                (start + ROUND_TICKS, Later::RoundStart),
                (start + RETURN_TICKS, Later::PlayersReturn),
            ];
            world.note(What::MapStart(map.into()));
            world.log(format!("Loading map \"{map}\"").as_bytes());
        }
        let vm = Vm::new();
        let world = Rc::downgrade(&self.world);
        vm.on_error(move |error| {
            if let Some(world) = world.upgrade() {
                world.borrow_mut().note(What::Error(error.clone()));
            }
        });
        natives::install(&vm, &self.world);
        self.vm = Some(vm);
        self.in_script(|world, vm| {
            let script = world.borrow().script("mapspawn");
            if let Some((name, text)) = script {
                let script = vm.compile(&name, &text);
                // An error has been reported where it happened.
                let _ = script.and_then(|script| vm.call(&script, &vm.root().into(), &[]));
            }
        });
        let mut world = self.world.borrow_mut();
        world.log(format!("Started map \"{map}\" (CRC \"0\")").as_bytes());
        world.add_entity("worldspawn", "", Some(0));
        let (rules, manager) = match world.counter_strike {
            true => ("cs_gamerules", "cs_player_manager"),
            false => ("tf_gamerules", "tf_player_manager"),
        };
        world.add_entity(rules, rules, None);
        world.add_entity("ai_network", "bignet", None);
        world.add_entity(manager, "", None);
    }

    /// All entities go, with the scopes that scripts gave them; then the interpreter.
    fn end_map(&mut self) {
        let Some(vm) = self.vm.clone() else { return };
        {
            let mut world = self.world.borrow_mut();
            let map = world.map.clone();
            world.note(What::MapEnd(map));
            let ids: Vec<EntityId> = world.entities.keys().copied().collect();
            for id in ids {
                world.kill(id);
            }
        }
        self.in_script(bury);
        let mut world = self.world.borrow_mut();
        world.entities.clear();
        world.instances.clear();
        world.listened.clear();
        world.hooks.clear();
        world.classes = None;
        for player in world.players.values_mut() {
            (player.entity, player.alive) = (None, false);
            (player.score, player.deaths) = (0, 0);
            player.shown_id.clear();
        }
        drop(world);
        self.vm = None;
        vm.close();
    }

    pub(super) fn one_tick(&mut self) {
        let now = {
            let mut world = self.world.borrow_mut();
            if world.paused {
                return self.costs_us.push(0);
            }
            world.tick += 1;
            world.tick
        };
        self.in_script(|world, vm| think(world, vm, now));
        while let Some(later) = self.due(now) {
            self.happen(later);
        }
        self.in_script(bury);
        let busy = std::mem::take(&mut self.busy);
        self.costs_us.push(busy.as_micros() as u32);
    }

    fn due(&mut self, now: i64) -> Option<Later> {
        let later = &mut self.world.borrow_mut().later;
        let next = later.iter().position(|(tick, _)| *tick <= now)?;
        Some(later.remove(next).1)
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::ServerCfg => {
                let hostname = self.world.borrow().hostname.clone();
                self.set_cvar("hostname", &hostname);
                self.set_cvar("sv_tags", "cp");
            }
            Later::RoundStart => self.fire("teamplay_round_start", json!({"full_reset": true})),
            Later::PlayersReturn => {
                let world = self.world.borrow();
                let absent = world.players.values().filter(|p| p.entity.is_none());
                let absent: Vec<(i32, i32)> = absent.map(|p| (p.userid, p.team)).collect();
                drop(world);
                for (userid, team) in absent {
                    self.activate(userid);
                    if team > 1 {
                        self.change(userid, Player::renew_id);
                        self.spawn(userid);
                    }
                }
            }
            Later::Said(userid, text) => self.say(userid, text),
            Later::Authenticated(userid) => {
                if let Some(player) = self.world.borrow_mut().players.get_mut(&userid) {
                    player.authenticated = true;
                }
            }
        }
    }
}

impl Drop for Game {
    /// The server is killed: no script is called.
    fn drop(&mut self) {
        if let Some(vm) = self.vm.take() {
            let mut world = self.world.borrow_mut();
            world.entities.clear();
            world.classes = None;
            drop(world);
            vm.close();
        }
    }
}

fn think(world: &Shared, vm: &Vm, now: i64) {
    let ids: Vec<EntityId> = world.borrow().entities.keys().copied().collect();
    for id in ids {
        let due = match world.borrow().entities.get(&id) {
            Some(entity) if !entity.dying && entity.next_think <= now => {
                entity.think.clone().zip(entity.scope.clone())
            }
            _ => None,
        };
        let Some((function, scope)) = due else {
            continue;
        };
        // A think that gives itself another starts that one's time, so ours goes first.
        let set = |next_think: i64| {
            if let Some(entity) = world.borrow_mut().entities.get_mut(&id) {
                entity.next_think = next_think;
            }
        };
        set(i64::MAX);
        let next = entities::think(vm, &scope, &function);
        let planned = world.borrow().entities.get(&id).map(|e| e.next_think);
        if planned == Some(i64::MAX) {
            set(entities::next_think(now, next));
        }
    }
}

/// Ends what was removed. A scope's end may remove more, which then goes with the next tick.
fn bury(world: &Shared, vm: &Vm) {
    let dying: Vec<EntityId> = {
        let world = world.borrow();
        let dying = world.entities.iter().filter(|(_, entity)| entity.dying);
        dying.map(|(id, _)| *id).collect()
    };
    for id in dying {
        entities::release_scope(world, vm, id);
        // A script that requested it in the meantime holds a new instance: that one ends, too.
        let mut world = world.borrow_mut();
        world.kill(id);
        world.entities.remove(&id);
    }
}
