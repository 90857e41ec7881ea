use super::*;
use crate::config;
use crate::core::Now;
use crate::core::accepted_file::{AcceptedFile, Proof, Route};
use crate::core::context::Shared;
use crate::core::functions::Functions;
use crate::core::hosts::Hosts;
use crate::core::ids::{
    Caller, FileId, FolderId, HostId, RequestId, RequestNumber, RunId, ScriptId,
};
use crate::core::message::Message;
use crate::core::output::Output;
use crate::core::servers::Servers;
use crate::jobs::{Done, Job};
use crate::protocol::call::Call;
use crate::protocol::signed::Id;
use serde_json::json;
use std::path::Path;

const FILE: FileId = FileId(2_000_000);
const ARRIVED_MS: u64 = 5_000;
const DEADLINE_MS: u64 = 1_000;

struct Bench {
    calls: Calls,
    shared: Shared,
    out: Output,
    now: Now,
    jobs: Vec<Job>,
    timer_ms: Option<u64>,
    /// Of which protocol files are.
    proof: Proof,
    /// Files that were let go, with the reason where they were rejected.
    gone: Vec<(FileId, Option<String>)>,
}

fn call(token: &str, callback: bool, timeout_ms: Option<u64>) -> Call {
    Call {
        token: token.to_owned(),
        function: "VPI_DB_UserSelect".to_owned(),
        args: Vec::new(),
        kwargs: json!({"table": "user_test_t"}),
        callback,
        script: "test.nut".to_owned(),
        timeout_ms,
        sql_texts: false,
    }
}

fn id(index: u32) -> CallId {
    let source = Source::File(FILE);
    CallId { source, index }
}

impl Bench {
    fn new() -> Self {
        let text = format!(
            "call_deadline_ms = {DEADLINE_MS}\n[[server]]\nscriptdata = \"/s\"\n\
             key = '0123456789abcdef0123456789abcdef'\n[database]\npath = \"/d\""
        );
        let config = config::parse(&text, Path::new("/"), |_| None).unwrap();
        let mut shared = Shared {
            hosts: Hosts::default(),
            servers: Servers::default(),
            functions: Functions::new(&config),
        };
        shared.reconfigure(&config, &[FolderId(0)]);
        Self {
            calls: Calls::new(&config),
            shared,
            out: Output::default(),
            now: Now {
                mono_ms: ARRIVED_MS,
                wall_s: 1_800_000_000,
            },
            jobs: Vec::new(),
            timer_ms: None,
            proof: Proof::None,
            gone: Vec::new(),
        }
    }

    /// What the calls lead to.
    fn act(&mut self, act: impl FnOnce(&mut Calls, &mut Context<'_>)) {
        let mut cx = self.shared.context(self.now, &mut self.out);
        act(&mut self.calls, &mut cx);
        while let Some(host) = cx.out.next_unsettled() {
            self.calls.settle(host, &mut cx);
        }
        for effect in std::mem::take(&mut self.out.effects) {
            match effect {
                Effect::Sql(job) => self.jobs.push(*job),
                Effect::SetTimer {
                    timer: Timer::Deadlines,
                    at_ms,
                } => self.timer_ms = Some(at_ms),
                Effect::Remove { file } => self.gone.push((file, None)),
                Effect::Reject { file, reason } => self.gone.push((file, Some(reason))),
                _ => {}
            }
        }
    }

    fn open(&mut self, route: Route, recovered: bool, singles: Vec<Call>, chain: Vec<Call>) {
        let accepted = AcceptedFile {
            source: Source::File(FILE),
            caller: Caller::Host(HostId(1)),
            proof: self.proof,
            route,
            recovered,
            text: Vec::new(),
            singles: singles.into_iter().map(|call| Ok(call).into()).collect(),
            chains: vec![chain.into_iter().map(|call| Ok(call).into()).collect()],
        };
        self.act(|calls, cx| calls.open(accepted, cx));
    }

    fn done(&mut self, index: u32, outcome: Outcome) {
        let done = vec![Done {
            id: id(index),
            outcome,
        }];
        self.act(|calls, cx| calls.sql_done(done, cx));
    }

    /// Until this time, with the timer.
    fn at(&mut self, mono_ms: u64) {
        self.now.mono_ms = mono_ms;
        while self.timer_ms.is_some_and(|at_ms| at_ms <= mono_ms) {
            self.timer_ms = None;
            self.act(|calls, cx| calls.overdue(cx));
        }
    }

    /// What a script got by now.
    fn reasons(&mut self) -> Vec<String> {
        let messages = std::iter::from_fn(|| self.out.next_message());
        messages
            .map(|message| match message {
                Message::Responded(_, Ok(answer)) => answer,
                Message::Responded(_, Err(error)) => error.reason.into_owned(),
                other => panic!("{}", other.kind()),
            })
            .collect()
    }
}

fn script() -> Route {
    let request = RequestId {
        script: ScriptId(1),
        run: RunId(1),
        number: RequestNumber(1),
    };
    Route::Script {
        request,
        server: None,
    }
}

#[test]
fn a_call_is_answered_at_its_deadline_whatever_its_lane_does() {
    let mut bench = Bench::new();
    let singles = vec![
        call("a", true, None),
        call("b", true, Some(400)),
        call("c", true, None),
    ];
    bench.open(script(), false, singles, Vec::new());
    assert_eq!(bench.jobs.len(), 3);
    bench.done(2, Ok("[]".to_owned()));
    assert_eq!(bench.reasons(), ["[]"]);
    bench.at(ARRIVED_MS + 400 + SQL_OVERDUE_MS - 1);
    assert!(bench.reasons().is_empty());
    bench.at(ARRIVED_MS + 400 + SQL_OVERDUE_MS);
    assert_eq!(bench.reasons(), ["DeadlineExceeded"]);
    assert_eq!(bench.calls.running(), 1);
    bench.at(ARRIVED_MS + DEADLINE_MS + SQL_OVERDUE_MS);
    assert_eq!(bench.reasons(), ["DeadlineExceeded"]);
    assert_eq!(bench.calls.running(), 0);
    assert!(bench.timer_ms.is_none() && bench.calls.late.deadlines.next_due().is_none());
    // What the lane says now is not for anybody, and is said once.
    bench.done(0, Ok("[]".to_owned()));
    bench.done(1, Err(CallError::word("DeadlineExceeded")));
    bench.done(1, Ok("[]".to_owned()));
    assert!(bench.reasons().is_empty() && bench.calls.running() == 0);
    assert!(bench.calls.late.overdue.is_empty() && bench.calls.late.has_room(0));
}

#[test]
fn its_file_goes_once_and_the_rest_of_a_signed_chain_does_not_run() {
    let mut bench = Bench::new();
    let session = Id::from_random([1; 16]);
    bench.proof = Proof::Signed {
        host: HostId(1),
        session,
        n: 1,
    };
    let chain = vec![call("a", true, None), call("b", true, None)];
    bench.open(Route::Nowhere, false, vec![call("c", false, None)], chain);
    assert_eq!(bench.jobs.len(), 2);
    bench.at(ARRIVED_MS + 10 * DEADLINE_MS);
    assert_eq!(
        bench.calls.running(),
        1,
        "a call that nobody waits for runs on"
    );
    bench.done(1, Ok("[]".to_owned()));
    assert_eq!(bench.jobs.len(), 2, "the second of the chain was begun");
    assert!(bench.gone.is_empty());
    bench.done(0, Ok("[]".to_owned()));
    assert_eq!(bench.gone, [(FILE, None)]);
    bench.done(0, Ok("[]".to_owned()));
    assert_eq!(bench.gone.len(), 1);
}

#[test]
fn the_rest_of_a_stock_chain_runs_and_has_time_of_its_own() {
    let mut bench = Bench::new();
    let chain = vec![call("a", true, None), call("b", true, None)];
    bench.open(Route::Nowhere, false, Vec::new(), chain);
    let over_ms = ARRIVED_MS + DEADLINE_MS + SQL_OVERDUE_MS;
    bench.at(over_ms);
    let deadlines = bench.jobs.iter().map(|job| job.deadline_ms);
    let expected = [ARRIVED_MS, over_ms].map(|begun_ms| Some(begun_ms + DEADLINE_MS));
    assert_eq!(deadlines.collect::<Vec<_>>(), expected);
    assert!(bench.jobs.iter().all(|job| job.notes_failure));
    bench.done(1, Ok("[]".to_owned()));
    assert_eq!(bench.gone, [(FILE, None)]);
}

#[test]
fn a_lane_that_answers_nothing_gets_no_more() {
    let mut bench = Bench::new();
    let late = &mut bench.calls.late;
    late.overdue_of.insert(0, SQL_OVERDUE_CALLS_MAX);
    bench.open(script(), false, vec![call("a", true, None)], Vec::new());
    assert_eq!(bench.reasons(), ["DatabaseUnavailable"]);
    assert!(bench.jobs.is_empty());
}

#[test]
fn a_file_is_rejected_over_a_call_that_was_begun_too_often_and_only_of_an_earlier_run() {
    let interrupted = || Err(CallError::word(INTERRUPTED));
    for (recovered, tries) in [
        (true, SQL_CALL_TRIES_MAX),
        (true, 1),
        (false, SQL_CALL_TRIES_MAX),
    ] {
        let mut bench = Bench::new();
        let noted = HashMap::from([(id(0), tries)]);
        bench.calls.restore_tries(noted);
        let singles = vec![call("a", true, None), call("b", true, None)];
        bench.open(Route::Nowhere, recovered, singles, Vec::new());
        let given = bench.jobs.iter().map(|job| job.tries);
        assert_eq!(
            given.collect::<Vec<_>>(),
            [if recovered { tries } else { 0 }, 0]
        );
        bench.done(0, interrupted());
        bench.done(1, Ok("[]".to_owned()));
        let rejected = recovered && tries == SQL_CALL_TRIES_MAX;
        let reason = rejected.then(|| REJECTED.to_owned());
        assert_eq!(bench.gone, [(FILE, reason)]);
    }
}
