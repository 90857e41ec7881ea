//! What is said to players of whom it is not known yet whether they are on.

use super::*;
use crate::core::roster::Roster;

/// What was said on the console.
fn said(world: &mut World) -> Vec<String> {
    let mut console = std::mem::take(&mut world.console);
    console.retain(|line| line.contains("hello"));
    console
}

fn say_hello(world: &mut World) {
    let cx = &mut world.shared.context(world.now, &mut world.out);
    let (_, mut inner) = world.community.open(cx);
    inner.say(Some(ONE), ann(), "hello");
    world.carry_out();
}

#[test]
fn who_is_not_known_to_be_on_after_a_start_is_told_when_they_are_seen() {
    let mut world = World::of(
        &CONFIG.replace("[vyhub]", addresses::RCON),
        Found::default(),
        EMPTY,
    );
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster = Roster::default();
    for _ in 0..2 * limits::UNSAID_MAX {
        say_hello(&mut world);
    }
    world.advance();
    assert!(said(&mut world).is_empty());
    world.see(STATUS);
    assert_eq!(said(&mut world).len(), limits::UNSAID_MAX);
    world.see(STATUS);
    assert!(said(&mut world).is_empty(), "once");
}

#[test]
fn who_is_known_not_to_be_on_or_does_not_come_for_long_is_not_told() {
    let mut world = World::of(
        &CONFIG.replace("[vyhub]", addresses::RCON),
        Found::default(),
        EMPTY,
    );
    world.see(EMPTY);
    say_hello(&mut world);
    world.see(STATUS);
    assert!(said(&mut world).is_empty(), "they were not on");
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster = Roster::default();
    say_hello(&mut world);
    world.now = at(world.now.mono_ms + limits::UNSAID_MS);
    world.advance();
    world.see(STATUS);
    assert!(said(&mut world).is_empty(), "that is old");
}
