//! Entities as scripts see them: their class, `Entities`, scopes, thinks, and the functions that
//! find them.

use game_vm::{Call, Object, Value, Vm};

use super::natives::{Definition, define};
use super::netprops;
use super::world::{Entity, EntityId, Player, Shared};

/// Seconds until the first think, and after one that does not say when it wants the next.
pub const THINK_S: f32 = 0.1;

const GONE: &str = "Accessed null instance";

const OF_ENTITIES: &[Definition] = &[
    ("IsValid", (0, 0), |world, call| {
        let id = world.borrow().entity_of(call.vm, &call.this);
        Ok(id.is_some().into())
    }),
    ("_tostring", (0, 0), |world, call| {
        let shown = of(world, call, |entity| {
            format!("([{}] {})", entity.index, entity.class)
        });
        Ok(shown.unwrap_or_else(|_| "(null)".into()).into())
    }),
    ("GetName", (0, 0), |world, call| {
        Ok(of(world, call, |entity| entity.name.clone())?.into())
    }),
    ("GetClassname", (0, 0), |world, call| {
        Ok(of(world, call, |entity| entity.class.clone())?.into())
    }),
    ("entindex", (0, 0), |world, call| {
        Ok(of(world, call, |entity| entity.index)?.into())
    }),
    ("GetEntityIndex", (0, 0), |world, call| {
        Ok(of(world, call, |entity| entity.index)?.into())
    }),
    ("GetTeam", (0, 0), |world, call| {
        let id = this(world, call)?;
        let world = world.borrow();
        Ok(world.player_of(id).map_or(0, |player| player.team).into())
    }),
    ("IsPlayer", (0, 0), |world, call| {
        let id = this(world, call)?;
        Ok(world.borrow().player_of(id).is_some().into())
    }),
    ("GetScriptThinkFunc", (0, 0), |world, call| {
        let think = of(world, call, |entity| entity.think.clone())?;
        Ok(think.unwrap_or_default().into())
    }),
    ("GetScriptId", (0, 0), |world, call| {
        let id = of(world, call, |entity| entity.script_id.clone())?;
        Ok(Some(id).filter(|id| !id.is_empty()).into())
    }),
    ("ValidateScriptScope", (0, 0), |world, call| {
        make_scope(world, call.vm, this(world, call)?);
        Ok(true.into())
    }),
    ("GetScriptScope", (0, 0), |world, call| {
        Ok(of(world, call, |entity| entity.scope.clone())?.into())
    }),
    ("TerminateScriptScope", (0, 0), |world, call| {
        release_scope(world, call.vm, this(world, call)?);
        Ok(Value::Null)
    }),
    ("AcceptInput", (4, 4), super::speech::accept_input),
    ("Kill", (0, 0), kill),
    ("Destroy", (0, 0), kill),
];

const OF_PLAYERS: &[Definition] = &[
    ("IsAlive", (0, 0), |world, call| {
        Ok(of_player(world, call, |player| player.alive)?.into())
    }),
    ("IsFakeClient", (0, 0), |world, call| {
        Ok(of_player(world, call, |player| player.bot)?.into())
    }),
    ("GetPlayerClass", (0, 0), |world, call| {
        Ok(of_player(world, call, |player| player.class)?.into())
    }),
];

const ENTITIES: &[Definition] = &[
    ("First", (0, 0), |world, call| {
        find(world, call.vm, None, |_| true)
    }),
    ("Next", (1, 1), |world, call| {
        find(world, call.vm, Some(call.argument(0)), |_| true)
    }),
    ("FindByName", (2, 2), |world, call| {
        let wanted = call.name(1)?;
        find(world, call.vm, Some(call.argument(0)), |entity| {
            fits(&wanted, &entity.name)
        })
    }),
    ("FindByClassname", (2, 2), |world, call| {
        let wanted = call.name(1)?;
        find(world, call.vm, Some(call.argument(0)), |entity| {
            fits(&wanted, &entity.class)
        })
    }),
    ("CreateByClassname", (1, 1), |world, call| {
        let id = world.borrow_mut().add_entity(&call.name(0)?, "", None);
        Ok(world.borrow_mut().instance(call.vm, id))
    }),
];

const FUNCTIONS: &[Definition] = &[
    ("SpawnEntityFromTable", (2, 2), |world, call| {
        let name = match call.vm.get(call.object(1)?, "targetname") {
            Value::Null => String::new(),
            name => call.vm.display(&name),
        };
        let id = world.borrow_mut().add_entity(&call.name(0)?, &name, None);
        Ok(world.borrow_mut().instance(call.vm, id))
    }),
    ("AddThinkToEnt", (2, 2), add_think),
    ("EntIndexToHScript", (1, 1), |world, call| {
        let id = world.borrow().entity_at(call.int(0)?);
        Ok(id.map(|id| world.borrow_mut().instance(call.vm, id)).into())
    }),
    ("PlayerInstanceFromIndex", (1, 1), |world, call| {
        let slot = call.int(0)?;
        Ok(player(world, call.vm, |player| player.slot == slot))
    }),
    ("GetPlayerFromUserID", (1, 1), |world, call| {
        let userid = call.int(0)?;
        Ok(player(world, call.vm, |player| player.userid == userid))
    }),
    ("IsPlayerABot", (1, 1), |world, call| {
        let world = world.borrow();
        let id = world.entity_of(call.vm, call.argument(0));
        let player = id.and_then(|id| world.player_of(id));
        Ok(player.is_some_and(|player| player.bot).into())
    }),
];

pub fn install(vm: &Vm, world: &Shared) {
    let root = vm.root();
    let class = |name: &str| vm.get(&root, name).as_object().cloned().expect("a class");
    let base = class("CBaseEntity");
    define(vm, world, &base, OF_ENTITIES);
    vm.mark_class(&base);
    let derive = "class CTFPlayer extends CBaseEntity {}; ::CTFPlayer <- CTFPlayer";
    let derive = vm.compile("unnamed", derive.as_bytes());
    let done = derive.and_then(|script| vm.call(&script, &root.clone().into(), &[]));
    done.expect("a class can be derived");
    let players = class("CTFPlayer");
    define(vm, world, &players, OF_PLAYERS);
    define(vm, world, &class("CEntities"), ENTITIES);
    define(vm, world, &class("CNetPropManager"), netprops::FUNCTIONS);
    define(vm, world, &root, FUNCTIONS);
    world.borrow_mut().classes = Some((base, players));
}

fn this(world: &Shared, call: &Call<'_>) -> Result<EntityId, String> {
    let id = world.borrow().entity_of(call.vm, &call.this);
    id.ok_or_else(|| GONE.into())
}

fn of<T>(world: &Shared, call: &Call<'_>, get: impl Fn(&Entity) -> T) -> Result<T, String> {
    let id = this(world, call)?;
    Ok(get(&world.borrow().entities[&id]))
}

fn of_player<T>(world: &Shared, call: &Call<'_>, get: impl Fn(&Player) -> T) -> Result<T, String> {
    let id = this(world, call)?;
    let world = world.borrow();
    world.player_of(id).map(get).ok_or_else(|| GONE.into())
}

fn player(world: &Shared, vm: &Vm, wanted: impl Fn(&Player) -> bool) -> Value {
    let mut world = world.borrow_mut();
    let found = world.players.values().find(|player| wanted(player));
    let id = found.and_then(|player| player.entity);
    id.map(|id| world.instance(vm, id)).into()
}

/// Names may end in `*`, and their case is all one.
fn fits(wanted: &str, name: &str) -> bool {
    let (wanted, name) = (wanted.to_ascii_lowercase(), name.to_ascii_lowercase());
    match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted && !name.is_empty(),
    }
}

/// The first fitting entity behind `after`.
fn find(
    world: &Shared,
    vm: &Vm,
    after: Option<&Value>,
    wanted: impl Fn(&Entity) -> bool,
) -> Result<Value, String> {
    let mut world = world.borrow_mut();
    let after = after.and_then(|after| world.entity_of(vm, after));
    let mut behind = world.entities.range(after.map_or(0, |id| id + 1)..);
    let found = behind.find(|(_, entity)| !entity.dying && wanted(entity));
    let id = found.map(|(id, _)| *id);
    Ok(id.map(|id| world.instance(vm, id)).into())
}

/// Players cannot be removed.
fn kill(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let id = this(world, call)?;
    let mut world = world.borrow_mut();
    if world.player_of(id).is_none() {
        world.kill(id);
    }
    Ok(Value::Null)
}

fn add_think(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let think = Some(call.name(1)?).filter(|name| !name.is_empty());
    let mut world = world.borrow_mut();
    let id = world.entity_of(call.vm, call.argument(0)).ok_or(GONE)?;
    let next_think = world.tick + ticks(THINK_S);
    let entity = world.entities.get_mut(&id).expect("a valid instance");
    (entity.think, entity.next_think) = (think, next_think);
    Ok(Value::Null)
}

/// How many ticks a time is, at least the next one.
pub fn ticks(seconds: f32) -> i64 {
    ((seconds / super::world::TICK).round() as i64).max(1)
}

/// When an entity thinks again that has said in how many seconds. What is past is the next tick; what lies
/// before the beginning of the map is never.
pub fn next_think(now: i64, seconds: f32) -> i64 {
    match now + (seconds / super::world::TICK).round() as i64 {
        ..=0 => i64::MAX - 1,
        due => due.max(now + 1),
    }
}

/// Makes the table of an entity: it stands in the root table under the entity's script id.
fn make_scope(world: &Shared, vm: &Vm, id: EntityId) {
    if world.borrow().entities[&id].scope.is_some() {
        return;
    }
    let instance = world.borrow_mut().instance(vm, id);
    let (root, scope) = (vm.root(), vm.table());
    let script_id = {
        let mut world = world.borrow_mut();
        let name = world.entities[&id].name.clone();
        world.unique_string(&name)
    };
    vm.set(&scope, "__vname", &script_id.as_str().into());
    vm.set(&scope, "__vrefs", &1.into());
    vm.set(&scope, "self", &instance);
    vm.set_delegate(&scope, &root);
    vm.set(&root, &script_id, &scope.clone().into());
    if let Some(entity) = world.borrow_mut().entities.get_mut(&id) {
        (entity.scope, entity.script_id) = (Some(scope), script_id);
    }
}

/// Deletes the slot of the scope's name from what the scope delegates to: the root table, or what
/// a script has put between, whose `_delslot` is then called as the entity goes.
pub fn release_scope(world: &Shared, vm: &Vm, id: EntityId) {
    let scope = match world.borrow().entities.get(&id) {
        Some(entity) => entity.scope.clone(),
        None => None,
    };
    let Some(scope) = scope else { return };
    let name = vm.display(&vm.get(&scope, "__vname"));
    if let Some(delegate) = vm.delegate(&scope) {
        // What `_delslot` throws has been reported.
        let _ = vm.delete(&delegate, &name);
    }
    if let Some(entity) = world.borrow_mut().entities.get_mut(&id) {
        entity.scope = None;
    }
}

/// One think. Gives when the next one is.
pub fn think(vm: &Vm, scope: &Object, function: &str) -> f32 {
    let Value::Object(function) = vm.get_as_script(scope, function) else {
        return THINK_S;
    };
    let result = vm.call(&function, &scope.clone().into(), &[]);
    result
        .ok()
        .and_then(|when| when.as_float())
        .unwrap_or(THINK_S)
}
