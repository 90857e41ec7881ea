//! Game events and hooks, from the game to its scripts.

use game_vm::{Value, Vm};
use serde_json::Value as Json;

use super::record::What;
use super::speech;
use super::world::Shared;

/// Gives an event to the scripts that listen to it. Truth values become 0 and 1, as in the engine.
pub fn fire(world: &Shared, vm: &Vm, name: &str, mut fields: Json) {
    plain(&mut fields);
    let table = vm.from_json(&fields);
    fire_table(world, vm, name, &table, fields);
}

/// The same for one of the engine, which is logged.
pub fn raise(world: &Shared, vm: &Vm, name: &str, mut fields: Json) {
    plain(&mut fields);
    let table = vm.from_json(&fields);
    speech::raise(world, vm, name, &table, fields);
}

fn plain(fields: &mut Json) {
    if let Json::Object(fields) = fields {
        for value in fields.values_mut() {
            if let Json::Bool(truth) = value {
                *value = Json::from(u8::from(*truth));
            }
        }
    }
}

/// The same for fields that are no proper text, and so have no JSON.
pub fn fire_table(world: &Shared, vm: &Vm, name: &str, table: &Value, fields: Json) {
    let handled = world.borrow().listened.contains(name);
    world.borrow_mut().note(What::Event {
        name: name.into(),
        fields,
        handled,
    });
    if handled {
        run(vm, "__RunGameEventCallbacks", name, table);
    }
}

/// Runs `OnScriptHook_<name>`; gives whether a script listens.
pub fn hook(world: &Shared, vm: &Vm, name: &str, table: &Value) -> bool {
    let handled = world.borrow().hooks.contains(name);
    if handled {
        run(vm, "__RunScriptHookCallbacks", name, table);
    }
    handled
}

/// Calls what stands in the root table under that name now: scripts may have put theirs there.
fn run(vm: &Vm, function: &str, name: &str, table: &Value) {
    let root = vm.root();
    if let Value::Object(function) = vm.get(&root, function) {
        // An error has been reported where it happened.
        let _ = vm.call(&function, &root.into(), &[name.into(), table.clone()]);
    }
}
