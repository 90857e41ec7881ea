//! Calls that wait for a script.

use serde_json::json;

use super::world::{World, named};
use crate::core::ids::{CallId, Caller, HostId, ScriptId, ServerId};
use crate::core::message::{ForwardedCall, ScriptCall};
use crate::core::output::Output;
use crate::core::scripts::Input;
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::control::ScriptRequest;

/// A call of a game, as the rest of the core hands it on.
fn game_calls(world: &mut World, index: u32, callback: bool) {
    let mut out = Output::default();
    let now = world.now;
    let called = ScriptCall {
        script: ScriptId(0),
        function: named("top"),
        call: Call {
            token: index.to_string(),
            function: named("a.top"),
            args: Vec::new(),
            kwargs: json!({}),
            callback,
            script: named("x.nut"),
            timeout_ms: None,
            sql_texts: false,
        },
    };
    let call = ForwardedCall {
        id: CallId::of_number(2, index),
        caller: Caller::Host(HostId(0)),
        server: None,
        what: called,
        due_ms: now.mono_ms + 10_000,
        callback,
        recovered: false,
    };
    world.core.for_scripts(now, &mut out, |scripts, cx| {
        scripts.on_input(Input::Call(call, Some(ServerId(0))), cx);
        scripts.advance(cx);
    });
    world.take(out.effects);
}

#[test]
fn calls_wait_for_a_script_that_is_away_for_as_long_as_somebody_cares() {
    let mut world = World::new("queue = 10\n", &["a"]);
    world.ready("a", &[], &["top"]);
    world.end("a");
    for index in 0..20 {
        game_calls(&mut world, index, index % 2 == 0);
    }
    assert_eq!(world.state("a")["waiting"], 20);
    world.pass(10_000);
    world.ready("a", &[], &["top"]);
    let given = world.got("a");
    assert_eq!(given.len(), 10, "those for which somebody waited are over");
    assert_eq!(world.begun, 10);

    world.end("a");
    game_calls(&mut world, 21, false);
    world.pass(limits::SCRIPT_PATIENCE_MS);
    world.ready("a", &[], &["top"]);
    assert!(world.got("a").is_empty(), "its file is not held for ever");
}

#[test]
fn calls_that_are_over_fill_no_memory_while_their_script_is_away() {
    let mut world = World::new("", &["a"]);
    world.ready("a", &[], &["top"]);
    // It is loaded anew, and that never ends.
    world.end("a");
    for index in 0..1_000 {
        game_calls(&mut world, index, true);
        world.pass(11_000);
    }
    assert_eq!(world.state("a")["waiting"], 0);
}

#[test]
fn while_the_file_of_functions_is_loaded_calls_wait_for_what_it_has() {
    let more = "vpi_interfaces = \"/vpi_interfaces.py\"\nvpi_override = [\"VPI_*\"]\n";
    let mut world = World::new(more, &["a"]);
    world.ready("vpi_interfaces", &[], &["VPI_Ping"]);
    world.ready("a", &[], &[]);
    // It begins anew, and nobody knows what it will have.
    world.request(ScriptRequest::Unload {
        name: named("vpi_interfaces"),
    });
    world.end("vpi_interfaces");
    world.request(ScriptRequest::Load {
        name: named("vpi_interfaces"),
    });
    for (id, name) in [(1, "VPI_Ping"), (2, "VPI_Info"), (3, "VPI_Nothing")] {
        let args = json!({"name": name, "args": [], "kwargs": null});
        world.say("a", json!([["ask", id, "call", args, null]]));
    }
    assert!(world.got("a").is_empty(), "they wait");
    world.ready("vpi_interfaces", &[], &["VPI_Ping"]);
    assert_eq!(world.got("vpi_interfaces")[0][2], "VPI_Ping");
    let mut got = world.got("a");
    got.sort_by_key(|answer| answer[1].as_u64());
    assert_eq!(got[0][2]["name"], "vpid", "vpid's own answers");
    assert_eq!(got[1][2], "UnknownFunction");
}

#[test]
fn a_function_that_stands_in_the_file_too_is_listed_once() {
    let mut world = World::new("vpi_interfaces = \"/vpi_interfaces.py\"\n", &["a"]);
    world.ready("vpi_interfaces", &[], &["VPI_Ping", "VPI_Own"]);
    world.ready("a", &[], &[]);
    let args = json!({"name": "VPI_Info", "args": [], "kwargs": null});
    world.say("a", json!([["ask", 1, "call", args, null]]));
    let info = world.got("a").remove(0);
    let listed = info[2]["functions"].as_array().unwrap();
    for name in ["VPI_Ping", "VPI_Own"] {
        assert_eq!(
            listed.iter().filter(|one| *one == name).count(),
            1,
            "{name}"
        );
    }
}
