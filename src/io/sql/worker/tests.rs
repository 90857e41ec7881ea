//! One worker by hand: what it does when its database goes away.

use super::super::tests_support::{ALL, call, insert, raw};
use super::*;

fn worker(folder: &tempfile::TempDir) -> Worker<impl Fn(Report)> {
    let settings = Sqlite {
        path: folder.path().join("db"),
        full_durability: true,
    };
    let inbox = Arc::<Inbox>::default();
    let guard = Arc::new(Guard::new(Instant::now(), Arc::clone(&inbox)));
    let mut worker = Worker::new(0, settings, guard, inbox, |_| ());
    worker.open();
    worker.waiting.push_back(raw(
        0,
        "CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins)",
    ));
    worker.batch();
    worker
}

#[test]
fn writes_in_doubt_are_looked_up_before_they_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker(&folder);
    worker
        .engine
        .as_mut()
        .unwrap()
        .connection()
        .commit_hook(Some(|| true))
        .unwrap();
    worker
        .waiting
        .extend([insert(1, 1), call(2, "Select", ALL)]);
    worker.batch();
    assert!(worker.engine.is_none());
    assert!(worker.waiting.iter().all(|job| job.recovered) && worker.waiting.len() == 2);
    worker.open();
    worker.batch();
    assert!(worker.waiting.is_empty() && worker.outage.is_none());
}

#[test]
fn an_outage_is_slept_through_until_the_nearest_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker(&folder);
    assert!(worker.wake_at().is_none());
    worker.lose("gone".to_owned());
    let hour = Duration::from_secs(3_600);
    worker.outage.as_mut().unwrap().retry_at += hour;
    worker.waiting.push_back(insert(1, 1));
    assert_eq!(
        worker.wake_at(),
        Some(worker.outage.as_ref().unwrap().retry_at)
    );
    let mut impatient = insert(2, 2);
    impatient.deadline_ms = Some(worker.guard.now_ms() + 1_000);
    worker.waiting.push_back(impatient);
    assert!(worker.wake_at().unwrap() < Instant::now() + hour / 2);
}

#[test]
fn tries_grow_rarer_until_the_database_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker(&folder);
    let mut waits = Vec::new();
    for _ in 0..8 {
        worker.lose("gone".to_owned());
        waits.push(worker.outage.as_ref().unwrap().next_wait_ms);
    }
    assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    worker.open();
    assert!(worker.outage.is_none());
}
