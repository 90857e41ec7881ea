use super::*;
use crate::protocol::backend::NewBan;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_s: 0 }
}

fn user(n: u32) -> Request {
    Request::FindUser(SteamId::new(n).unwrap())
}

fn new_user(n: u32) -> Request {
    Request::CreateUser(SteamId::new(n).unwrap())
}

fn ban() -> Request {
    let ban = NewBan {
        change: 1,
        user: Uuid(1),
        name: None,
        bundle: Uuid(2),
        length_s: None,
        reason: String::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        standing: true,
    };
    Request::CreateBan { ban, issuer: None }
}

fn list() -> Request {
    Request::ListBans {
        bundle: Uuid(2),
        newest: false,
    }
}

fn failure(kind: FailureKind, retry_after_s: u64) -> Failure {
    Failure {
        kind,
        retry_after_s,
        reachable: kind == FailureKind::Busy,
        ..Failure::unclear("x")
    }
}

/// A pace, and what went out by it.
struct Played {
    pace: Pace,
    last: u64,
    /// When, the ticket, and the kind.
    sent: Vec<(u64, u64, &'static str)>,
}

impl Played {
    fn new() -> Self {
        Self {
            pace: Pace::new(Keeper::Vyhub, 7),
            last: 0,
            sent: Vec::new(),
        }
    }

    fn push(&mut self, request: Request) -> u64 {
        self.last += 1;
        let job = Job {
            ticket: self.last,
            request,
            patience_ms: 1,
        };
        self.pace.push(job, NEVER);
        self.last
    }

    fn release(&mut self, now_ms: u64) -> Vec<u64> {
        let jobs = self.pace.release(at(now_ms)).jobs;
        let sent = |job: &Job| (now_ms, job.ticket, job.request.kind());
        self.sent.extend(jobs.iter().map(sent));
        jobs.into_iter().map(|job| job.ticket).collect()
    }

    /// Lets time pass; `reply` gives what comes for a request, at once.
    fn run(&mut self, ms: (u64, u64), mut reply: impl FnMut(u64) -> Option<Failure>) {
        let mut now_ms = ms.0;
        while now_ms < ms.1 {
            for ticket in self.release(now_ms) {
                let failure = reply(ticket);
                self.pace.learn(ticket, failure.as_ref(), at(now_ms));
            }
            now_ms = self.pace.next_due().unwrap_or(ms.1).max(now_ms + 1);
        }
    }
}

#[test]
fn many_at_once_are_spread_and_never_more_than_the_backend_allows_in_any_second() {
    let mut played = Played::new();
    for n in 1..=72 {
        played.push(user(n));
    }
    played.run((5_000, 60_000), |_| None);
    assert_eq!(played.sent.len(), 72);
    for (from_ms, ..) in &played.sent {
        let within = |(at_ms, ..): &&(u64, u64, _)| (*from_ms..from_ms + 1_000).contains(at_ms);
        let count = played.sent.iter().filter(within).count();
        assert!(count < 10, "{count} in a second from {from_ms}");
    }
    assert!(played.sent[71].0 < 20_000, "{:?}", played.sent[71]);
}

#[test]
fn a_change_does_not_stand_behind_what_waits_and_lets_others_pass() {
    let mut played = Played::new();
    for n in 1..=20 {
        played.push(user(n));
    }
    let first = played.push(ban());
    for _ in 0..20 {
        played.push(ban());
    }
    played.run((0, 2_000), |_| None);
    let place = played
        .sent
        .iter()
        .position(|(_, ticket, _)| *ticket == first);
    assert!(place.unwrap() < 2, "{:?}", played.sent);
    let users = played
        .sent
        .iter()
        .filter(|(.., kind)| *kind == user(1).kind());
    let changes = played.sent.len() - users.clone().count();
    assert!(users.count().abs_diff(changes) <= 1, "{:?}", played.sent);
}

#[test]
fn a_kind_that_fails_is_tried_ever_more_slowly_whatever_else_works() {
    let mut played = Played::new();
    let fails = new_user(1).kind();
    for minute in 0..60 {
        for n in 1..=8 {
            played.push(user(n));
            played.push(new_user(n));
        }
        played.push(list());
        let kinds: HashMap<u64, &str> = played
            .pace
            .waiting
            .values()
            .map(|waiting| (waiting.job.ticket, waiting.job.request.kind()))
            .collect();
        let broken = failure(FailureKind::Broken, 0);
        let ms = (minute * 60_000, (minute + 1) * 60_000);
        played.run(ms, |ticket| {
            (kinds[&ticket] == fails).then(|| broken.clone())
        });
    }
    let of = |kind: &str| played.sent.iter().filter(|one| one.2 == kind).count();
    assert!((55..120).contains(&of(fails)), "{}", of(fails));
    assert_eq!(of(list().kind()), 60);
    assert_eq!(of(user(1).kind()), 480);
}

#[test]
fn while_nothing_works_one_at_a_time_tries_and_changes_come_last() {
    let mut played = Played::new();
    for n in 1..=100 {
        played.push(ban());
        played.push(user(n));
        played.push(list());
    }
    let away = failure(FailureKind::Unreachable, 0);
    played.run((0, 3_600_000), |_| Some(away.clone()));
    // The first ones were under way before it was known.
    let later = &played.sent[4..];
    assert!((40..90).contains(&later.len()), "{}", later.len());
    assert!(later.iter().all(|(.., kind)| *kind != ban().kind()));
    let long = limits::PACE_MS_MAX * 3 / 4;
    let late = later[8..].windows(2);
    let apart: Vec<u64> = late.map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(apart.iter().all(|ms| *ms >= long), "{apart:?}");
    // Once it works, all follow, spread.
    let before = played.sent.len();
    played.run((3_600_000, 3_800_000), |_| None);
    assert_eq!(played.sent.len(), 300);
    let spread_ms = played.sent[299].0 - played.sent[before].0;
    assert!(spread_ms >= (300 - before as u64 - limits::VYHUB_BURST) * limits::VYHUB_GAP_MS);
}

#[test]
fn what_the_backend_asks_for_is_obeyed_by_all_and_success_makes_nothing_due_sooner() {
    let mut played = Played::new();
    let (slow, other) = (played.push(list()), played.push(user(1)));
    assert_eq!(played.release(0), [slow, other]);
    let busy = failure(FailureKind::Busy, 30);
    played.pace.learn(slow, Some(&busy), at(100));
    // This one was under way before.
    played.pace.learn(other, None, at(200));
    played.push(ban());
    played.push(user(2));
    assert_eq!(played.release(30_099), Vec::<u64>::new());
    let due_ms = played.pace.next_due().unwrap();
    assert!((30_100..31_200).contains(&due_ms), "{due_ms}");
    played.pace.insist();
    assert_eq!(played.pace.asked_ms(ban().kind()), due_ms);
    assert_eq!(played.release(30_099), Vec::<u64>::new());
    assert!(!played.release(due_ms).is_empty());
}

#[test]
fn a_pause_that_is_asked_for_by_one_kind_does_not_stop_others() {
    let mut played = Played::new();
    let ticket = played.push(list());
    played.release(0);
    let away = Failure {
        retry_after_s: 600,
        ..failure(FailureKind::Broken, 0)
    };
    played.pace.learn(ticket, Some(&away), at(10));
    assert!(played.pace.asked_ms(list().kind()) >= 600_000);
    assert_eq!(played.pace.asked_ms(ban().kind()), 0);
    let (again, other) = (played.push(list()), played.push(user(1)));
    assert_eq!(played.release(1_000), [other]);
    played.pace.learn(other, None, at(1_001));
    assert_eq!(played.release(599_000), Vec::<u64>::new());
    assert_eq!(played.release(602_000), [again]);
}

#[test]
fn an_operator_waits_for_no_pause_of_ours() {
    let mut played = Played::new();
    for n in 0..6 {
        let ticket = played.push(list());
        let now_ms = n * 100_000;
        assert_eq!(played.release(now_ms), [ticket]);
        let foreign = failure(FailureKind::Unreachable, 0);
        played.pace.learn(ticket, Some(&foreign), at(now_ms));
    }
    assert!(played.pace.change_ms(ban().kind()).unwrap() > 500_001);
    played.pace.insist();
    assert_eq!(played.pace.asked_ms(ban().kind()), 0);
    // Even while what tries hangs.
    played.push(list());
    assert!(played.pace.change_ms(ban().kind()).unwrap() <= 500_001);
    let change = played.push(ban());
    assert_eq!(played.release(500_001)[0], change);
}

#[test]
fn what_waits_for_too_long_is_given_back_unsent() {
    let mut pace = Pace::new(Keeper::Vyhub, 1);
    for ticket in 1..=9 {
        let job = Job {
            ticket,
            request: user(1),
            patience_ms: 1,
        };
        pace.push(job, 1_000);
    }
    let sent = pace.release(at(0)).jobs.len();
    let due_ms = pace.next_due().unwrap();
    assert!(due_ms <= 1_000);
    assert_eq!(pace.release(at(1_000)).given_up.len(), 9 - sent);
    // What is under way without a reply is given up, too.
    let over_ms = 1 + limits::PACE_OVERDUE_MS;
    assert_eq!(pace.next_due(), Some(over_ms));
    assert!(pace.release(at(over_ms - 1)).overdue.is_empty());
    let overdue = pace.release(at(over_ms)).overdue;
    assert_eq!(overdue.len(), sent);
    for ticket in overdue {
        let none = Failure::unclear("x");
        assert!(pace.learn(ticket, Some(&none), at(over_ms)).is_some());
    }
    assert_eq!(pace.next_due(), None);
}

#[test]
fn pauses_differ_between_two_of_us() {
    let draw = |seed| {
        let mut pace = Pace::new(Keeper::Vyhub, seed);
        (0..20).map(|_| pace.spread_ms(60_000)).collect::<Vec<_>>()
    };
    let (one, other) = (draw(1), draw(2));
    assert_ne!(one, other);
    assert!(one.iter().all(|ms| (45_000..=75_000).contains(ms)));
}

#[test]
fn while_nothing_works_no_list_keeps_others_from_trying_for_long() {
    let mut played = Played::new();
    let first = played.push(user(1));
    assert_eq!(played.release(0), [first]);
    let away = failure(FailureKind::Unreachable, 0);
    played.pace.learn(first, Some(&away), at(0));
    let job = Job {
        ticket: 99,
        request: list(),
        patience_ms: limits::VYHUB_LIST_PATIENCE_MS,
    };
    played.pace.push(job, NEVER);
    let other = played.push(user(2));
    assert_eq!(played.release(60_000), [other]);
    played.pace.learn(other, Some(&away), at(60_000));
    let jobs = played.pace.release(at(200_000)).jobs;
    assert_eq!(jobs[0].request, list());
    assert_eq!(jobs[0].patience_ms, limits::VYHUB_PATIENCE_MS);
}

#[test]
fn one_change_that_always_fails_does_not_slow_the_others() {
    let mut played = Played::new();
    let poison: Vec<u64> = (0..10).map(|_| played.push(ban())).collect();
    let broken = failure(FailureKind::Broken, 0);
    let reply = |ticket| poison.contains(&ticket).then(|| broken.clone());
    played.run((0, 60_000), reply);
    assert_eq!(played.sent.len(), 10);
    let good = played.push(ban());
    played.run((60_000, 66_000), reply);
    assert_eq!(played.sent.last().unwrap().1, good);
    // What VyHub asks for counts.
    let ticket = played.push(ban());
    assert_eq!(played.release(70_000), [ticket]);
    played
        .pace
        .learn(ticket, Some(&failure(FailureKind::Broken, 600)), at(70_000));
    assert!(played.pace.change_ms(ban().kind()).unwrap() >= 670_000);
}
