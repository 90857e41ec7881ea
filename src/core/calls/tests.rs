use crate::core::sessions::tests::{OURS, SECRET, UNIX_S, World, stock};
use crate::core::{Effect, Effects, Event, Timer};
use crate::limits;
use crate::wire::sql::{self, CallId};

fn jobs(effects: &Effects) -> Vec<CallId> {
    let ids = effects.iter().filter_map(|effect| match effect {
        Effect::Sql(job) => Some(job.id),
        _ => None,
    });
    ids.collect()
}

fn goes_on(effects: &Effects) -> bool {
    let is_timer = |effect: &Effect| matches!(effect, Effect::SetTimer { timer: Timer::Starts, at_ms } if *at_ms == 1);
    effects.iter().any(is_timer)
}

/// A call with so many rows of one value.
fn call(rows: usize) -> String {
    let values = vec!["[1]"; rows].join(",");
    format!(
        r#"{{"token":"t","func":"VPI_DB_UserInsert","script":"x.nut","callback":false,"kwargs":{{"table":"user_x_t","columns":["n"],"values":[{values}]}}}}"#
    )
}

fn single_calls(count: usize, rows: usize) -> String {
    let calls = vec![call(rows); count].join(",");
    format!(r#"{{"async":[{calls}]}}"#)
}

fn done(world: &mut World, ids: &[CallId]) -> Effects {
    let done = ids.iter().map(|id| sql::Done {
        id: *id,
        outcome: Ok("1".into()),
    });
    world.on(Event::SqlDone(done.collect()))
}

#[test]
fn calls_of_a_large_file_start_some_at_a_time_and_in_order() {
    let mut world = World::new(&stock());
    let bytes = world.file_of(SECRET, &single_calls(3_000, 3));
    let mut waiting = vec![world.calls(OURS, "game", bytes, UNIX_S)];
    let mut started = Vec::new();
    let mut events = 0;
    while let Some(effects) = waiting.pop() {
        let new = jobs(&effects);
        assert!(new.len() * call(3).len() <= limits::EVENT_START_BYTES + call(3).len());
        started.extend(new.iter().map(|id| id.index));
        events += 1;
        // The others come with the timer, or as those end.
        if started.len() < 3_000 && goes_on(&effects) {
            waiting.push(world.on(Event::Timer(Timer::Starts)));
        }
        if !new.is_empty() && waiting.is_empty() {
            waiting.push(done(&mut world, &new));
        }
    }
    assert!(events > 4, "{events} events");
    assert!(started.is_sorted() && started[2_999] == 2_999);
}

#[test]
fn a_small_file_is_not_kept_waiting_by_a_large_one_of_another_host() {
    let mut world = World::new(&stock());
    let bytes = world.file_of(SECRET, &single_calls(3_000, 3));
    let effects = world.calls(OURS, "large", bytes, UNIX_S);
    assert!(goes_on(&effects));
    let bytes = world.file_of(SECRET, &single_calls(1, 1));
    let effects = world.calls(OURS, "small", bytes, UNIX_S);
    let of_small = jobs(&effects).into_iter().filter(|id| id.file == 1_004);
    assert_eq!(of_small.count(), 1);
}

#[test]
fn calls_that_run_are_bounded_in_bytes_and_go_on_as_others_end() {
    let mut world = World::new(&stock());
    let mut running = Vec::new();
    let mut claimed = 0;
    // A host that is alone, with one large call in each file.
    while world.core.has_room(OURS, "game", false) {
        let bytes = world.file_of(SECRET, &single_calls(1, 4_000));
        running.extend(jobs(&world.calls(OURS, "game", bytes, UNIX_S)));
        claimed += 1;
    }
    let cost = 8_000 * limits::CALL_VALUE_COST_BYTES;
    assert!(
        running.len() * cost <= limits::CALL_BYTES_MAX / 4,
        "{}",
        running.len()
    );
    assert!(
        !running.is_empty() && claimed > running.len(),
        "{claimed} files"
    );
    // A file of another host has room, and starts.
    assert!(world.core.has_room(OURS, "other", false));
    let bytes = world.file_of(SECRET, &single_calls(1, 1));
    assert_eq!(jobs(&world.calls(OURS, "other", bytes, UNIX_S)).len(), 1);
    let mut ended = 0;
    while let Some(id) = running.pop() {
        ended += 1;
        running.extend(jobs(&done(&mut world, &[id])));
    }
    assert_eq!(ended, claimed);
    assert!(world.core.has_room(OURS, "game", false));
}

#[test]
fn chains_wait_as_the_bytes_that_they_came_in() {
    let mut world = World::new(&stock());
    let chain = vec![call(1_000); 100].join(",");
    let calls = format!(r#"{{"chain":[[{chain}]]}}"#);
    let bytes = world.file_of(SECRET, &calls);
    let size = bytes.len();
    let mut running = jobs(&world.calls(OURS, "game", bytes, UNIX_S));
    assert_eq!(running.len(), 1);
    let held = world.core.held_bytes("game");
    let one = 2_000 * limits::CALL_VALUE_COST_BYTES;
    assert!(
        held < size + 2 * one + 100 * limits::CALL_OVERHEAD_BYTES,
        "{held}"
    );
    let mut ended = 0;
    while let Some(id) = running.pop() {
        ended += 1;
        running.extend(jobs(&done(&mut world, &[id])));
    }
    assert_eq!((ended, world.core.held_bytes("game")), (100, 0));
}
