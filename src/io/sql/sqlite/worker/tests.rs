//! One worker by hand: what it does when its database goes away.

use super::super::super::tests::support::{ALL, call, insert, raw};
use super::*;
use crate::io::worker::{Next, Options, Queue, Workers};
use std::time::{Duration, Instant};

struct Desk {
    worker: Worker,
    /// Without a seat for a thread.
    pool: Workers<Calls>,
}

fn desk(folder: &tempfile::TempDir) -> Desk {
    let settings = Sqlite {
        path: folder.path().join("db"),
        full_durability: true,
    };
    let guard = Arc::new(Guard::alone());
    let calls = Calls::new(Arc::clone(&guard));
    let mut desk = Desk {
        worker: Worker::new(0, settings, guard, Arc::new(|_| ())),
        pool: Workers::new(Options::new("test", 0, 0), calls, |_, _| {
            Box::new(|_, _| ())
        }),
    };
    let table = "CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins)";
    desk.run([raw(0, table)]);
    desk
}

impl Desk {
    /// Runs what waits, and these.
    fn run<const N: usize>(&mut self, jobs: [Job; N]) {
        let next = self.pool.with(|calls| {
            calls.jobs.extend(jobs);
            calls.next(0)
        });
        match next {
            Next::Work(work) => self.worker.run(&self.pool, work),
            _ => panic!("there is nothing to do"),
        }
    }

    fn calls<T>(&self, read: impl FnOnce(&mut Calls) -> T) -> T {
        self.pool.with(read)
    }

    /// As if the time of the next try had come.
    fn retry_now(&self) {
        self.calls(|calls| calls.outage.as_mut().unwrap().retry_at = Instant::now());
    }
}

#[test]
fn writes_in_doubt_are_looked_up_before_they_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(&folder);
    let engine = desk.worker.engine.as_mut().unwrap();
    engine.connection().commit_hook(Some(|| true)).unwrap();
    desk.run([insert(1, 1), call(2, "Select", ALL)]);
    assert!(desk.worker.engine.is_none());
    let doubted = |calls: &mut Calls| calls.jobs.iter().filter(|job| job.recovered).count();
    assert_eq!(desk.calls(doubted), 2);
    desk.retry_now();
    desk.run([]);
    assert!(desk.calls(|calls| calls.is_done() && calls.outage.is_none()));
}

#[test]
fn an_outage_is_slept_through_until_the_next_try() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(&folder);
    let hour = Instant::now() + Duration::from_secs(3_600);
    desk.calls(|calls| {
        assert!(matches!(calls.next(0), Next::Nothing));
        calls.lose("gone".to_owned());
        calls.outage.as_mut().unwrap().retry_at = hour;
        calls.jobs.push_back(insert(1, 1));
        assert!(!calls.is_ready());
        assert!(matches!(calls.next(0), Next::At(at) if at == hour));
    });
}

#[test]
fn tries_grow_rarer_until_the_database_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(&folder);
    let mut waits = Vec::new();
    for nth in 0..8 {
        let (news, _) = desk.calls(|calls| calls.lose("gone".to_owned()));
        assert_eq!(news.is_some(), nth == 0);
        waits.push(desk.calls(|calls| calls.outage.as_ref().unwrap().next_wait_ms));
    }
    assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    desk.retry_now();
    desk.run([]);
    assert!(desk.calls(|calls| calls.outage.is_none()));
}
