//! The game's script functions that belong to no entity: time, texts, variables, scripts, events.

use std::time::SystemTime;

use game_vm::{Call, Object, Value, Vm};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::record::What;
use super::world::{Shared, TICK};
use super::{entities, events, files, speech};

/// Files that include each other.
const INCLUDES_MAX: u32 = 16;

pub type Native = fn(&Shared, &Call<'_>) -> Result<Value, String>;
/// A name, the least and the most arguments, and the function.
pub type Definition = (&'static str, (usize, usize), Native);

const NATIVES: &[Definition] = &[
    ("print", (1, 1), print),
    ("StringToFile", (2, 2), files::string_to_file),
    ("FileToString", (1, 1), files::file_to_string),
    ("Time", (0, 0), |world, _| Ok(world.borrow().time().into())),
    ("FrameTime", (0, 0), |_, _| Ok(TICK.into())),
    ("GetFrameCount", (0, 0), |world, _| {
        Ok((world.borrow().tick as i32).into())
    }),
    ("LocalTime", (1, 1), local_time),
    ("RandomInt", (2, 2), random_int),
    ("RandomFloat", (2, 2), random_float),
    ("DoUniqueString", (1, 1), |world, call| {
        Ok(world.borrow_mut().unique_string(&call.name(0)?).into())
    }),
    ("DoIncludeScript", (2, 2), include_script),
    ("GetMapName", (0, 0), |world, _| {
        Ok(world.borrow().map.as_str().into())
    }),
    ("MaxClients", (0, 0), |world, _| {
        Ok(world.borrow().max_players.into())
    }),
    ("IsDedicatedServer", (0, 0), |_, _| Ok(true.into())),
    ("ClientPrint", (3, 3), client_print),
    ("SendToServerConsole", (1, 1), console),
    ("SendToConsole", (1, 1), console),
    ("RegisterScriptGameEventListener", (1, 1), |world, call| {
        world.borrow_mut().listened.insert(call.name(0)?);
        Ok(Value::Null)
    }),
    ("RegisterScriptHookListener", (1, 1), |world, call| {
        world.borrow_mut().hooks.insert(call.name(0)?);
        Ok(Value::Null)
    }),
    ("FireGameEvent", (2, 2), fire_event),
    ("SendGlobalGameEvent", (2, 2), speech::send_event),
    ("Say", (3, 3), speech::say),
    ("DoEntFire", (6, 6), speech::fire_by_name),
    ("EntFireByHandle", (6, 6), speech::fire_by_handle),
    ("FireScriptHook", (2, 2), |world, call| {
        let handled = events::hook(world, call.vm, &call.name(0)?, call.argument(1));
        Ok(handled.into())
    }),
];

const CONVARS: &[Definition] = &[
    ("GetStr", (1, 1), |world, call| {
        Ok(cvar(world, call)?.map(Value::from).into())
    }),
    ("GetInt", (1, 1), |world, call| {
        let number = cvar(world, call)?.map(|text| text.parse().unwrap_or(0));
        Ok(number.map(|number: i32| Value::from(number)).into())
    }),
    ("GetFloat", (1, 1), |world, call| {
        let number = cvar(world, call)?.map(|text| text.parse().unwrap_or(0.0));
        Ok(number.map(|number: f32| Value::from(number)).into())
    }),
    ("GetBool", (1, 1), |world, call| {
        let truth = cvar(world, call)?.map(|text| text != "0" && !text.is_empty());
        Ok(truth.into())
    }),
    ("SetValue", (2, 2), set_cvar),
];

/// Gives a table or class the functions of a list.
pub fn define(vm: &Vm, world: &Shared, holder: &Object, definitions: &[Definition]) {
    for &(name, counts, native) in definitions {
        let world = Shared::clone(world);
        let function = vm.function(name, counts, move |call| native(&world, call));
        vm.set(holder, name, &function.into());
    }
}

/// Defines everything in a fresh interpreter.
pub fn install(vm: &Vm, world: &Shared) {
    let root = vm.root();
    define(vm, world, &root, NATIVES);
    let run = |text: &str| {
        let script = vm.compile("unnamed", text.as_bytes())?;
        vm.call(&script, &root.clone().into(), &[])
    };
    run(include_str!("engine.nut")).expect("the game's own script runs");
    let class = |name: &str| vm.get(&root, name).as_object().cloned();
    define(vm, world, &class("CConvars").expect("a class"), CONVARS);
    entities::install(vm, world);
    run("::Convars <- CConvars(); ::Entities <- CEntities(); ::NetProps <- CNetPropManager()")
        .expect("the game's own classes have instances");
}

fn print(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let text = call.vm.display(call.argument(0));
    world.borrow_mut().note(What::Print(text));
    Ok(Value::Null)
}

/// What the clock of the machine shows, whatever the pace of the game.
fn local_time(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let table = call.object(0)?;
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let unix = unix.map_err(|error| error.to_string())?.as_secs() as i64;
    let shown = unix + world.borrow().clock_offset_s;
    let time = Timestamp::from_second(shown).map_err(|error| error.to_string())?;
    let time = time.to_zoned(TimeZone::fixed(Offset::UTC));
    let fields = [
        ("year", i32::from(time.year())),
        ("month", i32::from(time.month())),
        ("day", i32::from(time.day())),
        ("hour", i32::from(time.hour())),
        ("minute", i32::from(time.minute())),
        ("second", i32::from(time.second())),
        (
            "dayofweek",
            i32::from(time.weekday().to_sunday_zero_offset()),
        ),
        ("dayofyear", i32::from(time.day_of_year()) - 1),
        ("daylightsavings", 0),
    ];
    for (name, number) in fields {
        call.vm.set(table, name, &number.into());
    }
    Ok(Value::Null)
}

fn random_int(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (low, high) = (call.int(0)?, call.int(1)?);
    Ok(world.borrow_mut().random(low, high).into())
}

fn random_float(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (low, high) = (call.float(0)?, call.float(1)?);
    let share = world.borrow_mut().random(0, 1 << 24) as f32 / (1 << 24) as f32;
    Ok((low + share * (high - low)).into())
}

/// Runs a file in a table; its errors are printed, and it gives whether it ran.
fn include_script(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let found = world.borrow().script(&call.name(0)?);
    let Some((name, text)) = found else {
        let complaint = format!("there is no script {}\n", call.name(0)?);
        world.borrow_mut().note(What::Print(complaint));
        return Ok(false.into());
    };
    let scope = match call.argument(1) {
        Value::Null => call.vm.root().into(),
        scope => scope.clone(),
    };
    if world.borrow().including == INCLUDES_MAX {
        let complaint = format!("{name}: more than {INCLUDES_MAX} files include each other\n");
        world.borrow_mut().note(What::Print(complaint));
        return Ok(false.into());
    }
    world.borrow_mut().including += 1;
    let script = call.vm.compile(&name, &text);
    let done = script.and_then(|script| call.vm.call(&script, &scope, &[]));
    world.borrow_mut().including -= 1;
    Ok(done.is_ok().into())
}

fn client_print(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (dest, text) = (call.int(1)?, call.text(2)?);
    let mut world = world.borrow_mut();
    let to = match call.argument(0) {
        Value::Null => None,
        player => {
            let id = world.entity_of(call.vm, player);
            let player = id.and_then(|id| world.player_of(id));
            Some(player.ok_or("that is no player")?.userid)
        }
    };
    world.note(What::ClientPrint { to, dest, text });
    Ok(Value::Null)
}

fn console(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let command = call.name(0)?;
    world.borrow_mut().note(What::Command(command));
    Ok(Value::Null)
}

/// Reaches scripts only, and no log.
fn fire_event(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let fields = call.object(1)?;
    let mut sent = serde_json::Map::new();
    for (key, value) in call.vm.entries(fields) {
        sent.insert(call.vm.display(&key), call.vm.to_json(&value));
    }
    events::fire(world, call.vm, &call.name(0)?, sent.into());
    Ok(Value::Null)
}

fn cvar(world: &Shared, call: &Call<'_>) -> Result<Option<String>, String> {
    let name = call.name(0)?.to_ascii_lowercase();
    Ok(world.borrow().cvars.get(&name).cloned())
}

/// Only what game modes may change can be set.
fn set_cvar(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let name = call.name(0)?.to_ascii_lowercase();
    let text = call.vm.display(call.argument(1));
    let mut world = world.borrow_mut();
    if ["mp_", "tf_"].iter().any(|free| name.starts_with(free)) {
        world.cvars.insert(name, text);
    } else {
        world.note(What::Print(format!("{name} cannot be set by script\n")));
    }
    Ok(Value::Null)
}
