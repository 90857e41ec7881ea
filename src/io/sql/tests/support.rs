//! What the lane's tests share: a database in a folder of its own, and calls that read as
//! scripts write them.

use super::super::tries::Tries;
use super::super::{Preparation, Report, Run, Verdict, Workers};
use crate::config::{Database, Engine, Sqlite};
use crate::jobs::{CallId, Caller, Done, HostId, Job};
use crate::limits::SQL_STATEMENT_MS_MAX;
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::Decoder;
use crate::sql::{
    Param, ParamKind, Query, QueryParam, Quoting, Reading, Returns, Schema, SqlCall, Template,
    parse,
};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub(in crate::io::sql) const PATIENCE: Duration = Duration::from_secs(20);

/// An endless query: only an interrupt ends it.
pub(in crate::io::sql) const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
pub(in crate::io::sql) const ENDLESS_WRITE: &str = "INSERT INTO user_x_t \
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i), 0 FROM n";

pub(in crate::io::sql) struct Desk {
    folder: tempfile::TempDir,
    pub clock_start: Instant,
    pub tries: Arc<Tries>,
    lane: Option<Workers>,
    done: Receiver<Vec<Done>>,
    verdicts: Receiver<(u64, Verdict)>,
    pub seen: HashMap<CallId, Vec<Result<String, CallError>>>,
}

impl Desk {
    /// A lane over a new database with `user_x_t(id INTEGER PRIMARY KEY, wins INTEGER)`.
    pub fn new() -> Self {
        let desk = Self::before_start();
        desk.outside()
            .execute_batch("CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins INTEGER)")
            .unwrap();
        desk.started()
    }

    /// The same, with notes of what runs long.
    pub fn new_with(tries: Tries) -> Self {
        let mut desk = Self::new();
        desk.stop();
        desk.tries = Arc::new(tries);
        desk.started()
    }

    pub fn before_start() -> Self {
        let (_, done) = channel();
        let (_, verdicts) = channel();
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            clock_start: Instant::now(),
            tries: Arc::default(),
            lane: None,
            done,
            verdicts,
            seen: HashMap::new(),
        }
    }

    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    pub fn start(&mut self) {
        let (sender, receiver) = channel();
        self.done = receiver;
        let (judge, verdicts) = channel();
        self.verdicts = verdicts;
        let on_report = move |report| match report {
            Report::Done(done) => {
                let _ = sender.send(done);
            }
            Report::Prepared {
                ticket, verdict, ..
            } => {
                let _ = judge.send((ticket, verdict));
            }
        };
        let database = self.database();
        let run = Run {
            clock_start: self.clock_start,
            instance: 1,
            tries: Arc::clone(&self.tries),
        };
        self.lane = Some(Workers::start(0, &database, run, on_report));
    }

    pub fn database(&self) -> Database {
        Database {
            name: String::new(),
            engine: Engine::Sqlite(Sqlite {
                path: self.path(),
                full_durability: true,
            }),
            schema: None,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("vpid.sqlite")
    }

    /// Another program's connection to the same file.
    pub fn outside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub fn in_ms(&self, ms: u64) -> Option<u64> {
        Some(u64::try_from(self.clock_start.elapsed().as_millis()).unwrap() + ms)
    }

    pub fn submit(&self, jobs: Vec<Job>) {
        self.lane.as_ref().unwrap().submit(jobs);
    }

    pub fn prepare(&self, preparation: Preparation) {
        self.lane.as_ref().unwrap().prepare(preparation);
    }

    /// The next verdict, which must be about this preparation.
    pub fn verdict(&mut self, ticket: u64) -> Verdict {
        let (about, verdict) = self
            .verdicts
            .recv_timeout(PATIENCE)
            .expect("a verdict in time");
        assert_eq!(about, ticket, "{verdict:?}");
        verdict
    }

    /// From preparation to verdict.
    pub fn prepared(&mut self, schema: &str, queries: &[&Arc<Query>]) -> Verdict {
        self.prepare(preparation(1, schema, queries));
        self.verdict(1)
    }

    /// One value of the database, by another program.
    pub fn value(&self, query: &str) -> String {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        match self.outside().query_row(query, [], read).unwrap() {
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        }
    }

    /// The answer of this call, which must be its only one.
    pub fn answer(&mut self, index: u32) -> Result<String, CallError> {
        let id = CallId::of_number(FILE, index);
        while !self.seen.contains_key(&id) {
            for done in self.done.recv_timeout(PATIENCE).expect("an answer in time") {
                self.seen.entry(done.id).or_default().push(done.outcome);
            }
        }
        let answers = &self.seen[&id];
        assert_eq!(
            answers.len(),
            1,
            "call {index} was answered more than once: {answers:?}"
        );
        answers[0].clone()
    }

    /// The word of the failure of this call.
    pub fn reason(&mut self, index: u32) -> String {
        match self.answer(index) {
            Ok(answer) => panic!("call {index} was answered {answer}"),
            Err(error) => error.reason.into_owned(),
        }
    }

    /// One call, from submission to answer, with an index that no other call has.
    pub fn ask(&mut self, function: &str, kwargs: &str) -> Result<String, CallError> {
        let index = u32::try_from(self.seen.len()).unwrap() + 1_000;
        self.submit(vec![try_call_on(Quoting::Sqlite, index, function, kwargs)?]);
        self.answer(index)
    }

    /// One call of a function of the owner's.
    pub fn ask_query(&mut self, query: &Arc<Query>, a: i64, b: i64) -> Result<String, CallError> {
        let index = u32::try_from(self.seen.len()).unwrap() + 1_000;
        self.submit(vec![ask(index, query, a, b)]);
        self.answer(index)
    }

    pub fn ask_raw(&mut self, query: &str) -> Result<String, CallError> {
        let kwargs = serde_json::json!({ "query": query }).to_string();
        self.ask("RawExecute", &kwargs)
    }

    pub fn given_up(&self) -> u64 {
        self.lane.as_ref().unwrap().given_up()
    }

    pub fn stop(&mut self) -> bool {
        self.lane.take().unwrap().stop(PATIENCE)
    }

    /// Whether the lane's thread ends without another answer.
    pub fn ends_silently(&self) -> bool {
        self.done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
    }

    pub fn stop_within(&mut self, within: Duration) -> bool {
        self.lane.take().unwrap().stop(within)
    }
}

pub(in crate::io::sql) fn preparation(
    ticket: u64,
    schema: &str,
    queries: &[&Arc<Query>],
) -> Preparation {
    Preparation {
        ticket,
        schema: Some(Schema::parse(schema).unwrap()),
        queries: queries.iter().map(|query| Arc::clone(query)).collect(),
    }
}

/// A function of the owner's, with parameters `:a` and `:b`.
pub(in crate::io::sql) fn query(name: &str, returns: Returns, steps: &[&str]) -> Arc<Query> {
    let kind = ParamKind::Integer {
        min: i64::MIN,
        max: i64::MAX,
    };
    let param = |name: &str| QueryParam {
        name: name.to_owned(),
        kind,
        default: Some(Param::Int(0)),
    };
    Arc::new(Query {
        name: name.to_owned(),
        database: 0,
        steps: steps
            .iter()
            .map(|step| Template::parse(step, Quoting::Sqlite, &["a", "b"]).unwrap())
            .collect(),
        params: vec![param("a"), param("b")],
        returns,
        scripts: None,
        deadline_ms: None,
    })
}

/// A call of a function of the owner's.
pub(in crate::io::sql) fn ask(index: u32, query: &Arc<Query>, a: i64, b: i64) -> Job {
    let mut job = insert(index, 0);
    job.function = query.function();
    job.call = SqlCall::Query {
        query: Arc::clone(query),
        values: vec![Param::Int(a), Param::Int(b)],
    };
    job
}

/// A file that was taken in 2026, by its id.
pub(in crate::io::sql) const FILE: u64 = 1_780_000_000_000_000;

pub(in crate::io::sql) fn call(index: u32, function: &str, kwargs: &str) -> Job {
    call_on(Quoting::Sqlite, index, function, kwargs)
}

/// A stock call to a database of this engine.
pub(in crate::io::sql) fn call_on(
    engine: Quoting,
    index: u32,
    function: &str,
    kwargs: &str,
) -> Job {
    try_call_on(engine, index, function, kwargs).unwrap()
}

/// The same, or why it is refused before it comes to the database.
pub(in crate::io::sql) fn try_call_on(
    engine: Quoting,
    index: u32,
    function: &str,
    kwargs: &str,
) -> Result<Job, CallError> {
    let kwargs: Map<String, Value> = serde_json::from_str(kwargs).unwrap();
    let function = format!(
        "VPI_DB_{}{function}",
        if function == "RawExecute" { "" } else { "User" }
    );
    let call = parse(&function, "x.nut", &kwargs, Reading::Legacy, engine)?;
    let id = CallId::of_number(FILE, index);
    Ok(Job {
        id,
        database: 0,
        caller: Caller::Host(HostId(0)),
        function,
        call,
        deadline_ms: None,
        limit_ms: SQL_STATEMENT_MS_MAX,
        recovered: false,
        notes_failure: false,
        tries: 0,
        decoder: Decoder::Stock,
    })
}

pub(in crate::io::sql) fn raw(index: u32, query: &str) -> Job {
    call(
        index,
        "RawExecute",
        &serde_json::json!({ "query": query }).to_string(),
    )
}

pub(in crate::io::sql) fn insert(index: u32, row: i64) -> Job {
    call(
        index,
        "Insert",
        &format!(r#"{{"table": "user_x_t", "values": [{row}, 0]}}"#),
    )
}

pub(in crate::io::sql) const ALL: &str = r#"{"table": "user_x_t"}"#;

/// A schema of two steps, which fail when they run twice.
pub(in crate::io::sql) const PLAYERS: &str = "\
-- step 1
CREATE TABLE players (steamid INTEGER PRIMARY KEY, elo INTEGER NOT NULL);
CREATE TABLE changes (steamid INTEGER);
-- everything is noted
CREATE TRIGGER noted AFTER UPDATE ON players BEGIN
    INSERT INTO changes VALUES (new.steamid);
    DELETE FROM changes WHERE steamid = 0;
END;
-- step 2: a first player
INSERT INTO players VALUES (7, 1200);
";

/// Asks which steps have run.
pub(in crate::io::sql) const APPLIED: &str =
    "SELECT group_concat(step || ' ' || length(fingerprint), ', ') FROM vpid_schema";
