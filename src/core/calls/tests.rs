use super::encode;
use crate::core::hosts::tests::{OURS, SECRET, UNIX_S, World, stock};
use crate::core::{Effect, Effects, Event, InputState, Timer};
use crate::jobs::{CallId, Done};
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::stock::response_file;

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
    let done = ids.iter().map(|id| Done {
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
    let of_small = jobs(&effects).into_iter().filter(|id| id.number() == 1_004);
    assert_eq!(of_small.count(), 1);
}

#[test]
fn calls_that_run_are_bounded_in_bytes_and_go_on_as_others_end() {
    let mut world = World::new(&stock());
    fetches_its_answers(&mut world, "game");
    let mut running = Vec::new();
    let mut claimed = 0;
    // A host that is alone, with one large call in each file.
    while world.has_room(OURS, "game") {
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
    assert!(world.has_room(OURS, "other"));
    let bytes = world.file_of(SECRET, &single_calls(1, 1));
    assert_eq!(jobs(&world.calls(OURS, "other", bytes, UNIX_S)).len(), 1);
    let mut ended = 0;
    while let Some(id) = running.pop() {
        ended += 1;
        running.extend(jobs(&done(&mut world, &[id])));
    }
    assert_eq!(ended, claimed);
    assert!(world.has_room(OURS, "game"));
}

/// A host makes a call, and fetches the answer.
fn fetches_its_answers(world: &mut World, name: &str) {
    let call = call(1).replace("\"callback\":false", "\"callback\":true");
    let bytes = world.file_of(SECRET, &format!(r#"{{"async":[{call}]}}"#));
    let started = jobs(&world.calls(OURS, name, bytes, UNIX_S));
    done(world, &started);
    let host = world.core.find_host(OURS, name).expect("a host");
    for state in [InputState::Empty, InputState::Empty] {
        world.on(Event::Input { host, state });
        world.on(Event::AnswersWritten { host, ok: true });
    }
}

#[test]
fn hosts_that_fetch_nothing_leave_room_for_others_however_many_they_are() {
    let mut world = World::new(&stock());
    let mut claimed = 0;
    for number in 0..100 {
        let name = format!("made_up_{number}");
        while world.has_room(OURS, &name) {
            claimed += 1;
            let token = format!("t{claimed}");
            let ping = format!(
                r#"{{"token":"{token}","func":"VPI_Ping","script":"x.nut","callback":true}}"#
            );
            let bytes = world.file_of(SECRET, &format!(r#"{{"async":[{ping}]}}"#));
            world.calls(OURS, &name, bytes, UNIX_S);
        }
    }
    assert_eq!(claimed, 100 * limits::UNREAD_ANSWERS_MAX);
    fetches_its_answers(&mut world, "game");
    for _ in 0..50 {
        assert!(world.has_room(OURS, "game"));
        let bytes = world.file_of(SECRET, &single_calls(1, 1));
        world.calls(OURS, "game", bytes, UNIX_S);
    }
}

#[test]
fn many_hosts_that_fetch_are_not_held_up_by_the_answers_that_are_kept_for_repetitions() {
    let mut world = World::new(&stock());
    let names: Vec<String> = (0..64).map(|number| format!("game_{number}")).collect();
    for name in &names {
        fetches_its_answers(&mut world, name);
    }
    let mut token = 0;
    for _ in 0..25 {
        for name in &names {
            assert!(world.has_room(OURS, name), "{name}, {token} answers");
            let pings = (0..20).map(|_| {
                token += 1;
                format!(
                    r#"{{"token":"t{token}","func":"VPI_Ping","script":"x.nut","callback":true}}"#
                )
            });
            let pings = pings.collect::<Vec<_>>().join(",");
            let bytes = world.file_of(SECRET, &format!(r#"{{"async":[{pings}]}}"#));
            world.calls(OURS, name, bytes, UNIX_S);
            let host = world.core.find_host(OURS, name).expect("a host");
            world.on(Event::AnswersWritten { host, ok: true });
            let state = InputState::Empty;
            world.on(Event::Input { host, state });
        }
    }
    let kept: usize = names.iter().map(|name| world.core.held_bytes(name)).sum();
    assert_eq!(kept, 0, "no call is open");
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

/// What came of a stock chain of these calls: the SQL calls that began, each answered in its turn by
/// one of `outcomes`, and the answers that the game can read.
fn chain(calls: &[&str], outcomes: Vec<Done>) -> (Vec<u32>, Vec<(String, String)>) {
    let mut world = World::new(&stock());
    let bytes = world.file_of(SECRET, &format!(r#"{{"chain":[[{}]]}}"#, calls.join(",")));
    let mut effects = world.calls(OURS, "game", bytes, UNIX_S);
    // The game has fetched all before.
    let host = effects.iter().find_map(|effect| match effect {
        Effect::LookAtInput { host } => Some(*host),
        _ => None,
    });
    let host = host.expect("a new host");
    let state = InputState::Empty;
    effects.extend(world.on(Event::Input { host, state }));
    let mut begun = Vec::new();
    let mut shown = Vec::new();
    let mut outcomes = outcomes.into_iter();
    loop {
        let running = jobs(&effects);
        for effect in effects {
            match effect {
                Effect::WriteAnswers { answers, .. } => shown.extend(answers),
                Effect::Reject { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        begun.extend(running.iter().map(|id| id.index));
        let Some(id) = running.first() else { break };
        assert_eq!(running.len(), 1, "one after the other");
        let outcome = outcomes.next().expect("an outcome").outcome;
        let done = vec![Done { id: *id, outcome }];
        effects = world.on(Event::SqlDone(done));
    }
    assert_eq!(world.core.running(), 0);
    (begun, shown)
}

fn outcomes(list: &[Result<&str, &'static str>]) -> Vec<crate::jobs::Done> {
    let id = CallId::of_number(0, 0);
    let outcome = |one: &Result<&str, &'static str>| match one {
        Ok(answer) => Ok((*answer).to_owned()),
        Err(reason) => Err(CallError::word(reason)),
    };
    let done = list.iter().map(|one| Done {
        id,
        outcome: outcome(one),
    });
    done.collect()
}

fn link(function: &str, token: &str) -> String {
    format!(
        r#"{{"token":{token},"func":"{function}","script":"x.nut","callback":{},"kwargs":{{"table":"user_x_t","values":[1]}}}}"#,
        token != "null"
    )
}

#[test]
fn a_stock_chain_runs_every_call_and_answers_with_the_last() {
    let insert = link("VPI_DB_UserInsert", "null");
    let last = link("VPI_DB_UserInsert", "\"last\"");
    let odd = [
        link("VPI_Nothing", "null"),
        link("Print", "null"),
        link("VPI_DB_RawExecute", "null"),
        r#"{"token":null,"script":"x.nut","callback":false}"#.to_owned(),
        r#"[{"func":"VPI_Ping"}]"#.to_owned(),
        "7".to_owned(),
    ];
    for odd in &odd {
        let given = outcomes(&[Err("IntegrityError"), Ok("1"), Ok("2")]);
        let (begun, shown) = chain(&[&insert, odd, &insert, odd, &last], given);
        assert_eq!(begun, [0, 2, 4], "{odd}");
        assert_eq!(shown, [("last".to_owned(), "2".to_owned())], "{odd}");
    }
    let given = outcomes(&[Ok("1"), Err("IntegrityError")]);
    let (_, shown) = chain(&[&insert, &last], given);
    let error = "\"[VPI ERROR] (VPI_DB_UserInsert) :: IntegrityError\"".to_owned();
    assert_eq!(shown, [("last".to_owned(), error)]);
}

#[test]
fn a_call_that_a_stock_chain_passes_over_leaves_the_answer_to_the_one_before() {
    let insert = link("VPI_DB_UserInsert", "null");
    let unknown = [link("VPI_Nothing", "null"), link("VPI_Nothing", "\"last\"")];
    let calls = [&insert, &unknown[0], &unknown[1]].map(String::as_str);
    let (begun, shown) = chain(&calls, outcomes(&[Ok("1")]));
    assert_eq!(begun, [0]);
    assert_eq!(shown, [("last".to_owned(), "1".to_owned())]);
    // Where none can be called, that is the answer.
    let (_, shown) = chain(&[&unknown[0], &unknown[1]], Vec::new());
    assert!(
        shown[0].1.contains("(VPI_Nothing) :: UnknownFunction"),
        "{shown:?}"
    );
    // One that cannot be read is answered for what it is.
    let last = r#"{"token":"last","script":"x.nut","callback":true}"#;
    let (_, shown) = chain(&[&insert, last], outcomes(&[Ok("1")]));
    assert!(shown[0].1.contains("MalformedCall"), "{shown:?}");
}

#[test]
fn the_error_of_an_answer_that_is_too_large_fits_beside_the_longest_secret() {
    let token = "t".repeat(limits::CALL_NAME_BYTES_MAX);
    let room = limits::ANSWER_FILE_BYTES_MAX - response_file::frame_bytes(limits::SECRET_BYTES_MAX);
    for sign in ["F", "\\", "\u{e9}"] {
        let function = sign.repeat(limits::CALL_NAME_BYTES_MAX / sign.len());
        let value = format!("\"{}\"", "x".repeat(room));
        let answer = encode(&token, &function, Ok(value), limits::SECRET_BYTES_MAX);
        assert!(answer.contains("Response size exceeds maximum"), "{answer}");
        assert!(
            response_file::entry_bytes(&token, &answer) <= room,
            "{answer}"
        );
    }
}
