//! `NetProps`: what the server knows of players, and whatever a script has set.

use game_vm::{Call, Value};

use super::natives::Definition;
use super::world::{EntityId, Player, Shared, World};

pub const FUNCTIONS: &[Definition] = &[
    ("GetPropString", (2, 2), get_text),
    ("GetPropStringArray", (3, 3), get_text),
    ("GetPropInt", (2, 2), get_int),
    ("GetPropIntArray", (3, 3), get_int),
    ("GetPropFloat", (2, 2), get_float),
    ("GetPropFloatArray", (3, 3), get_float),
    ("GetPropBool", (2, 2), get_bool),
    ("GetPropBoolArray", (3, 3), get_bool),
    ("GetPropArraySize", (2, 2), |world, call| {
        let size = match of(world, call)? {
            Some((_, true)) => world.borrow().max_players + 2,
            Some((_, false)) => 1,
            None => 0,
        };
        Ok(size.into())
    }),
    ("HasProp", (2, 2), |world, call| {
        Ok(of(world, call)?.is_some().into())
    }),
    ("SetPropString", (3, 3), set),
    ("SetPropInt", (3, 3), set),
    ("SetPropIntArray", (4, 4), set),
    ("SetPropFloat", (3, 3), set),
    ("SetPropBool", (3, 3), set),
];

/// The value, and whether it is one of an array.
fn of(world: &Shared, call: &Call<'_>) -> Result<Option<(Value, bool)>, String> {
    let world = world.borrow();
    let (name, element) = (call.name(1)?, call.argument(2).as_int().unwrap_or(0));
    let id = world.entity_of(call.vm, call.argument(0));
    Ok(id.and_then(|id| look_up(&world, id, name, element)))
}

fn look_up(world: &World, id: EntityId, name: String, element: i32) -> Option<(Value, bool)> {
    let entity = &world.entities[&id];
    let built_in = match name.as_str() {
        "m_iName" => Some(entity.name.clone().into()),
        "m_iClassname" => Some(entity.class.clone().into()),
        "m_iszScriptThinkFunction" => Some(entity.think.clone().unwrap_or_default().into()),
        _ => world
            .player_of(id)
            .and_then(|player| of_player(player, &name)),
    };
    if entity.class.ends_with("_player_manager")
        && let Some(value) = of_manager(world, &name, element)
    {
        return Some((value, true));
    }
    let set = entity.props.get(&(name, element)).cloned();
    set.or(built_in).map(|value| (value, false))
}

fn of_player(player: &Player, name: &str) -> Option<Value> {
    Some(match name {
        "m_szNetname" => player.name.clone().into(),
        "m_szNetworkIDString" => player.shown_id.clone().into(),
        "m_iTeamNum" => player.team.into(),
        "m_PlayerClass.m_iClass" => player.class.into(),
        "m_lifeState" => (if player.alive { 0 } else { 2 }).into(),
        "m_iScore" | "m_iFrags" => player.score.into(),
        _ => return None,
    })
}

/// Arrays by entity index.
fn of_manager(world: &World, name: &str, slot: i32) -> Option<Value> {
    if world.counter_strike && ["m_iTotalScore", "m_iPlayerClass"].contains(&name) {
        return None;
    }
    let mut players = world.players.values();
    let player = players.find(|player| player.slot == slot && player.entity.is_some());
    if name == "m_flConnectTime" {
        return Some(player.map_or(0.0, |player| player.connected_at).into());
    }
    let get: fn(&Player) -> i32 = match name {
        "m_iUserID" => |player| player.userid,
        "m_iPing" => |player| player.ping,
        "m_iAccountID" => |player| account(player.engine_id()),
        "m_iDeaths" => |player| player.deaths,
        "m_iScore" | "m_iTotalScore" => |player| player.score,
        "m_iTeam" => |player| player.team,
        "m_iPlayerClass" => |player| player.class,
        "m_bConnected" | "m_bValid" => |_| 1,
        "m_bAlive" => |player| i32::from(player.alive),
        _ => return None,
    };
    Some(player.map_or(0, get).into())
}

/// The engine's own number of who plays, as a signed one; 0 for bots, and until it is known.
fn account(network_id: &str) -> i32 {
    let number = network_id.strip_prefix("[U:1:");
    let number = number.and_then(|rest| rest.strip_suffix(']'));
    number
        .and_then(|number| number.parse::<u32>().ok())
        .map_or(0, u32::cast_signed)
}

fn get_text(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    Ok(match of(world, call)? {
        Some((Value::Text(text), _)) => text.into(),
        _ => "".into(),
    })
}

fn get_int(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let value = of(world, call)?.and_then(|(value, _)| value.as_int());
    Ok(value.unwrap_or(-1).into())
}

fn get_float(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let value = of(world, call)?.and_then(|(value, _)| value.as_float());
    Ok(value.unwrap_or(-1.0).into())
}

fn get_bool(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let value = of(world, call)?.and_then(|(value, _)| value.as_int());
    Ok(value.is_some_and(|value| value != 0).into())
}

fn set(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (name, element) = (call.name(1)?, call.argument(3).as_int().unwrap_or(0));
    let mut world = world.borrow_mut();
    let id = world.entity_of(call.vm, call.argument(0));
    if let Some(entity) = id.and_then(|id| world.entities.get_mut(&id)) {
        let value = call.argument(2).clone();
        entity.props.insert((name, element), value);
    }
    Ok(Value::Null)
}
