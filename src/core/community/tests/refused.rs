//! While the backend refuses the key.

use super::addresses::{RCON, shown};
use super::*;
use crate::core::event::Epoch;

/// What Ann reads when she asks how things are.
fn state_of(world: &mut World) -> String {
    world.console.clear();
    world.order(Message::StateWanted(Player {
        server: ONE,
        steam: ann(),
        name: "Ann".into(),
    }));
    let lines: Vec<String> = world.console.iter().map(|line| shown(line)).collect();
    lines.join("\n")
}

#[test]
fn who_asks_how_things_are_reads_that_the_key_is_refused() {
    let config = CONFIG.replace("[vyhub]", RCON);
    let mut world = World::of(&config, Found::default(), STATUS);
    let refuse = |_: &Request| Some(Err(failure(FailureKind::Unauthorized)));
    world.run(180, refuse);
    let text = state_of(&mut world);
    assert!(text.contains("VyHub refuses"), "{text}");
    world.fair(900);
    let text = state_of(&mut world);
    assert!(text.contains("VyHub is connected"), "{text}");
    world.run(180, refuse);
    let text = state_of(&mut world);
    assert!(text.contains("VyHub refuses"), "{text}");
    assert!(!text.contains("is connected"), "{text}");
    let shown = world.community.observe(world.now, Epoch(0));
    assert_eq!(shown.reachable, Some(true));
    assert!(shown.refused_since_s.is_some());
}
