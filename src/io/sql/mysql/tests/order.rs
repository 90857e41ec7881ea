//! What runs beside what, in which order, for how long, and what happens when transactions meet.

use super::super::super::tests::support::{ALL, call, insert, raw};
use super::support::{Desk, ENDLESS, ENDLESS_WRITE, numbers, of_host, recovered};
use crate::jobs::Job;
use crate::limits::{MYSQL_FOREIGN_KEEP_MS, SQL_JOURNAL_KEEP_MS};
use mysql::prelude::Queryable;
use std::time::{Duration, Instant};

const GROW: &str = "UPDATE user_x_t SET wins = wins + 1";

/// Whether nothing of this database runs on the server but the question.
const QUIET: &str = "SELECT COUNT(*) = 0 FROM information_schema.processlist \
     WHERE db = DATABASE() AND command <> 'Sleep' AND id <> CONNECTION_ID()";
fn sleeping(index: u32, seconds: u32) -> Job {
    raw(index, &format!("SELECT SLEEP({seconds})"))
}

/// Whether something waits: for a lock, as nothing else here takes so long.
fn waits() -> String {
    let long = match test_mariadb::is_another() {
        true => "time > 0",
        false => "time_ms > 100",
    };
    format!(
        "SELECT COUNT(*) > 0 FROM information_schema.processlist WHERE db = DATABASE() \
         AND command <> 'Sleep' AND id <> CONNECTION_ID() AND {long}"
    )
}

fn runs(statement: &str) -> String {
    format!(
        "SELECT COUNT(*) > 0 FROM information_schema.processlist \
         WHERE db = DATABASE() AND info = '{statement}'"
    )
}

#[test]
fn calls_of_a_host_take_effect_in_their_order() {
    let mut desk = Desk::new();
    let mut jobs = vec![insert(0, 1)];
    for index in (1..200).step_by(3) {
        jobs.push(raw(index, GROW));
        jobs.push(call(index + 1, "Select", ALL));
        jobs.push(call(index + 2, "Select", ALL));
    }
    // In parts, so that reads are handed out beside writes.
    for part in jobs.chunks(7) {
        desk.submit(part.to_vec());
    }
    for (wins, index) in (1..200).step_by(3).enumerate() {
        let wanted = format!("[[1,{}]]", wins + 1);
        assert_eq!(desk.answer(index + 1).as_deref(), Ok(wanted.as_str()));
        assert_eq!(desk.answer(index + 2).as_deref(), Ok(wanted.as_str()));
    }
}

#[test]
fn reads_run_beside_each_other_and_never_keep_writes_out() {
    let mut desk = Desk::new();
    let start = Instant::now();
    desk.submit((0..6).map(|index| sleeping(index, 1)).collect());
    desk.until("SELECT COUNT(*) = 3 FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT SLEEP%'");
    desk.submit(vec![
        of_host(2, insert(10, 1)),
        of_host(2, call(11, "Select", ALL)),
    ]);
    assert_eq!(desk.answer(10).as_deref(), Ok("1"));
    assert!(
        desk.order.iter().all(|index| *index >= 10),
        "{:?}",
        desk.order
    );
    for index in 0..6 {
        assert_eq!(desk.answer(index).as_deref(), Ok("[[0]]"));
    }
    assert!(
        start.elapsed() < Duration::from_millis(3_500),
        "three at once"
    );
}

#[test]
fn a_write_waits_for_reads_that_may_not_have_begun_and_not_for_long_ones() {
    let mut desk = Desk::new();
    desk.submit(vec![sleeping(0, 2), insert(1, 1)]);
    assert_eq!(desk.answer(1).as_deref(), Ok("1"));
    assert_eq!(desk.order, [1], "before the read that takes long");
    assert_eq!(desk.answer(0).as_deref(), Ok("[[0]]"));
}

#[test]
fn an_endless_statement_is_ended_on_the_server_too() {
    for endless in [ENDLESS, ENDLESS_WRITE] {
        let mut desk = Desk::new();
        let mut culprit = raw(1, endless);
        culprit.deadline_ms = desk.in_ms(400);
        let mut first = insert(0, 1);
        first.deadline_ms = desk.in_ms(400);
        desk.submit(vec![first, culprit, raw(2, GROW)]);
        desk.until(&runs(endless));
        assert_eq!(desk.reason(1), "DeadlineExceeded", "{endless}");
        assert_eq!(desk.answer(0).as_deref(), Ok("1"), "it ran in time once");
        assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
        assert_eq!(desk.order, [1, 0, 2]);
        desk.until(QUIET);
        assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1]]"));
    }
}

#[test]
fn a_statement_is_bounded_without_a_deadline() {
    let mut desk = Desk::new();
    let mut culprit = raw(0, ENDLESS);
    culprit.limit_ms = 200;
    desk.submit(vec![culprit]);
    assert_eq!(desk.reason(0), "DeadlineExceeded");
}

#[test]
fn a_call_that_waits_is_answered_when_its_time_is_up() {
    let mut desk = Desk::new();
    desk.submit(vec![raw(0, "DO SLEEP(2)")]);
    desk.until(&runs("DO SLEEP(2)"));
    let mut late = insert(1, 1);
    late.deadline_ms = desk.in_ms(100);
    desk.submit(vec![late]);
    assert_eq!(desk.reason(1), "DeadlineExceeded");
    assert_eq!(desk.order, [1]);
    desk.answer(0).unwrap();
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
}

#[test]
fn a_deadlock_is_begun_again() {
    let mut desk = Desk::new();
    let fill = format!(
        "INSERT INTO user_x_t SELECT seq + 1, 0 FROM {}",
        numbers(100)
    );
    let mut other = desk.outside();
    other.query_drop(fill).unwrap();
    // What changes more is not the one that is ended.
    other.query_drop("START TRANSACTION").unwrap();
    other
        .query_drop("UPDATE user_x_t SET wins = 5 WHERE id > 50")
        .unwrap();
    desk.submit(vec![
        raw(0, "UPDATE user_x_t SET wins = wins + 1 WHERE id = 1"),
        raw(1, "UPDATE user_x_t SET wins = wins + 1 WHERE id = 100"),
    ]);
    desk.until(&waits());
    other
        .query_drop("UPDATE user_x_t SET wins = wins + 10 WHERE id = 1")
        .unwrap();
    other.query_drop("COMMIT").unwrap();
    desk.answer(0).unwrap();
    desk.answer(1).unwrap();
    let rows = "SELECT wins FROM user_x_t WHERE id IN (1, 100) ORDER BY id";
    assert_eq!(desk.query::<u32>(rows), [11, 6], "each of them once");
}

#[test]
fn a_lock_is_waited_for_and_tried_again() {
    let mut desk = Desk::new();
    let mut other = desk.outside();
    other
        .query_drop("INSERT INTO user_x_t VALUES (1, 0), (2, 0)")
        .unwrap();
    other.query_drop("START TRANSACTION").unwrap();
    other
        .query_drop("UPDATE user_x_t SET wins = 7 WHERE id = 1")
        .unwrap();
    let mut impatient = of_host(1, raw(1, "UPDATE user_x_t SET wins = 9 WHERE id = 1"));
    impatient.deadline_ms = desk.in_ms(500);
    desk.submit(vec![
        insert(0, 3),
        raw(2, "UPDATE user_x_t SET wins = wins + 1 WHERE id = 1"),
        impatient,
    ]);
    assert_eq!(desk.reason(1), "DeadlineExceeded");
    // After the time-out of the lock, what ran before goes by itself.
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    desk.until(&waits());
    other.query_drop("COMMIT").unwrap();
    assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
    assert_eq!(
        desk.ask("Select", ALL).as_deref(),
        Ok("[[1,8],[2,0],[3,0]]")
    );
}

#[test]
fn a_commit_that_is_under_way_is_waited_for() {
    let mut desk = Desk::new();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    // As a connection that was lost while it committed.
    let mut other = desk.outside();
    other.query_drop("START TRANSACTION").unwrap();
    other.query_drop(GROW).unwrap();
    let note = "INSERT INTO vpid_journal VALUES (1, 1780000000000000, 5, '[[77]]')";
    other.query_drop(note).unwrap();
    desk.submit(vec![recovered(raw(5, GROW))]);
    desk.until(&waits());
    other.query_drop("COMMIT").unwrap();
    assert_eq!(desk.answer(5).as_deref(), Ok("[[77]]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1]]"));
}

#[test]
fn stop_ends_what_runs_on_the_server() {
    let mut desk = Desk::new();
    desk.submit(vec![insert(0, 1), raw(1, ENDLESS_WRITE)]);
    desk.until(&runs(ENDLESS_WRITE));
    assert!(!desk.stop_within(Duration::from_millis(50)));
    desk.until(QUIET);
    assert!(desk.seen.is_empty());
    let rows = "SELECT COUNT(*) FROM user_x_t";
    assert_eq!(
        desk.query::<u32>(rows),
        [0],
        "what was not answered does not stand"
    );
}

#[test]
fn stop_finishes_what_was_submitted() {
    let mut desk = Desk::new();
    let some = |host| (0..300).map(move |index| of_host(host, insert(host * 300 + index, 0)));
    let any_id = |mut job: Job| {
        job.call = raw(0, "INSERT INTO user_x_t (wins) VALUES (0)").call;
        job
    };
    desk.submit((0..4).flat_map(some).map(any_id).collect());
    assert!(desk.stop());
    assert_eq!(desk.seen.len(), 1_200);
    assert_eq!(desk.query::<u32>("SELECT COUNT(*) FROM user_x_t"), [1_200]);
    assert_eq!(
        desk.query::<u32>("SELECT COUNT(*) FROM vpid_journal"),
        [1_200]
    );
}

#[test]
fn the_journal_forgets_what_is_old_and_only_in_time() {
    let mut desk = Desk::new();
    let now = 1_780_000_000_000_000_u64;
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    let own = now - SQL_JOURNAL_KEEP_MS * 1_000;
    let foreign = now - MYSQL_FOREIGN_KEEP_MS * 1_000;
    let old = format!(
        "INSERT INTO vpid_journal VALUES (1, {own} - 1, 0, ''), (1, {own}, 0, ''), \
         (2, {foreign} - 1, 0, ''), (2, {foreign}, 0, '')"
    );
    desk.outside().query_drop(old).unwrap();
    let count = "SELECT COUNT(*) FROM vpid_journal";
    desk.ask_job(insert(0, 2)).unwrap();
    assert_eq!(desk.query::<u32>(count), [6], "too early");
    desk.stop();
    // As if it had run for long.
    let started = Instant::now().checked_sub(Duration::from_millis(SQL_JOURNAL_KEEP_MS));
    let state = super::super::pool::State::new(1, Instant::now());
    assert_eq!(state.pruning.next_ms / 1_000, SQL_JOURNAL_KEEP_MS / 1_000);
    desk.run.clock_start = started.unwrap();
    let mut session = super::super::session::Session::open(&desk.settings).unwrap();
    super::super::journal::prune(&mut session, 1, now).unwrap();
    let left = "SELECT instance, file FROM vpid_journal ORDER BY instance, file, position";
    let left: Vec<(u8, u64)> = desk.query(left);
    assert_eq!(left, [(1, own), (1, now), (1, now), (2, foreign)]);
}

#[test]
fn repeated_deadlocks_become_an_error_and_the_other_calls_are_done() {
    let mut desk = Desk::new();
    // As the server would, whoever comes.
    let trigger = "CREATE TRIGGER user_x_d BEFORE INSERT ON user_x_t FOR EACH ROW \
         BEGIN IF NEW.id = 13 THEN SIGNAL SQLSTATE '40001' \
         SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'met again'; END IF; END";
    desk.outside().query_drop(trigger).unwrap();
    desk.submit(vec![insert(0, 1), insert(1, 13), raw(2, GROW)]);
    let error = desk.answer(1).unwrap_err();
    assert_eq!(error.to_string(), "OperationalError: met again");
    desk.answer(0).unwrap();
    desk.answer(2).unwrap();
    assert_eq!(desk.order, [0, 1, 2]);
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,1]]"));
}

#[test]
fn a_connection_that_is_killed_in_the_middle_takes_nothing_with_it() {
    let mut desk = Desk::new();
    let slow = raw(1, "INSERT INTO user_x_t VALUES (2, SLEEP(0.3))");
    desk.submit(vec![insert(0, 1), slow]);
    let mut tries = 0;
    let running = "SELECT id FROM information_schema.processlist \
         WHERE db = DATABASE() AND info LIKE 'INSERT INTO user_x_t VALUES (2,%'";
    let mut outside = desk.outside();
    while tries < 2 {
        if let Some(id) = outside.query_first::<u64, _>(running).unwrap() {
            outside.query_drop(format!("KILL {id}")).unwrap();
            tries += 1;
            let gone =
                format!("SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE id = {id}");
            desk.until(&gone);
        }
    }
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    assert_eq!(desk.answer(1).as_deref(), Ok("[]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0],[2,0]]"));
}
