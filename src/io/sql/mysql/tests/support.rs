//! What the tests of this lane share: a real server, a database of one's own on it, and a lane.

use super::super::super::tests::support::{FILE, PATIENCE, raw, try_call_on};
use crate::config::{Database, Engine, Mysql, Password, Tls};
use crate::io::sql::{Preparation, Report, Run, Verdict, Workers};
use crate::jobs::{CallId, Caller, HostId, Job};
use crate::protocol::call_error::CallError;
use crate::sql::Quoting;
use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, OptsBuilder};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use test_mariadb::{PASSWORD, Server, USER};

/// Statements that end by themselves after a long time only, and do not notice that nobody waits.
pub(in crate::io::sql::mysql) const ENDLESS: &str = "SELECT BENCHMARK(1000000000000, MD5(1))";
pub(in crate::io::sql::mysql) const ENDLESS_WRITE: &str = "DO BENCHMARK(1000000000000, MD5(1))";
pub(in crate::io::sql::mysql) const TABLE: &str =
    "CREATE TABLE user_x_t (id INTEGER PRIMARY KEY AUTO_INCREMENT, wins INTEGER)";

/// For all tests that leave it alone.
pub(in crate::io::sql) fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// A table of so many different numbers, at least 0, in its column `seq`; all below it where it
/// is a power of ten. MySQL has none by itself.
pub(in crate::io::sql::mysql) fn numbers(count: usize) -> String {
    const DIGIT: &str = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 \
         UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let digits = (count - 1).to_string().len();
    let sum: Vec<_> = (0..digits).map(|at| format!("d{at}.d * 1e{at}")).collect();
    let from: Vec<_> = (0..digits).map(|at| format!("{DIGIT} d{at}")).collect();
    let (sum, from) = (sum.join(" + "), from.join(", "));
    format!("(SELECT CAST({sum} AS SIGNED) AS seq FROM {from} LIMIT {count}) AS numbers")
}

pub(in crate::io::sql) type Outcome = Result<String, CallError>;

pub(in crate::io::sql) struct Desk {
    pub settings: Mysql,
    pub run: Run,
    lane: Option<Workers>,
    reports: Receiver<Report>,
    pub seen: HashMap<CallId, Vec<Outcome>>,
    /// In the order in which they came.
    pub order: Vec<u32>,
    pub verdicts: Vec<(u64, Verdict)>,
    asked: u32,
}

impl Desk {
    /// A lane over a new database with `user_x_t` on the shared server.
    pub fn new() -> Self {
        let mut desk = Self::on(shared());
        desk.outside().query_drop(TABLE).unwrap();
        desk.start();
        desk
    }

    /// An empty database, and no lane yet.
    pub fn on(server: &Server) -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(1);
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let settings = Mysql {
            host: "127.0.0.1".to_owned(),
            port: 3306,
            socket: Some(server.socket()),
            user: USER.to_owned(),
            password: Some(Password(PASSWORD.to_owned())),
            database: format!("d{number}"),
            tls: Tls::Off,
            pool: 4,
        };
        let create = format!("CREATE DATABASE d{number} CHARACTER SET utf8mb4");
        connection(&settings, None).query_drop(create).unwrap();
        Self {
            settings,
            run: Run {
                clock_start: Instant::now(),
                instance: 1,
                tries: Default::default(),
            },
            lane: None,
            reports: channel().1,
            seen: HashMap::new(),
            order: Vec::new(),
            verdicts: Vec::new(),
            asked: 0,
        }
    }

    pub fn database(&self) -> Database {
        Database {
            name: "stats".to_owned(),
            engine: Engine::Mysql(self.settings.clone()),
            schema: None,
        }
    }

    pub fn start(&mut self) {
        let (sender, receiver) = channel();
        self.reports = receiver;
        let on_report = move |report| drop(sender.send(report));
        let lane = Workers::start(0, &self.database(), self.run.clone(), on_report);
        self.lane = Some(lane);
    }

    /// Another program's connection to the same database.
    pub fn outside(&self) -> Conn {
        connection(&self.settings, Some(&self.settings.database))
    }

    pub fn query<T: FromRow>(&self, text: &str) -> Vec<T> {
        self.outside().query(text).unwrap()
    }

    /// Waits until the server says yes to this question.
    pub fn until(&self, question: &str) {
        let mut outside = self.outside();
        let start = Instant::now();
        while outside.query_first(question).unwrap() != Some(true) {
            assert!(start.elapsed() < PATIENCE, "never: {question}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn in_ms(&self, ms: u64) -> Option<u64> {
        let now = self.run.clock_start.elapsed().as_millis();
        Some(u64::try_from(now).unwrap() + ms)
    }

    pub fn submit(&self, jobs: Vec<Job>) {
        self.lane.as_ref().unwrap().submit(jobs);
    }

    pub fn prepare(&self, preparation: Preparation) {
        self.lane.as_ref().unwrap().prepare(preparation);
    }

    fn take_report(&mut self) {
        match self
            .reports
            .recv_timeout(PATIENCE)
            .expect("a report in time")
        {
            Report::Done(all) => {
                for done in all {
                    self.order.push(done.id.index);
                    self.seen.entry(done.id).or_default().push(done.outcome);
                }
            }
            Report::Prepared {
                ticket, verdict, ..
            } => self.verdicts.push((ticket, verdict)),
        }
    }

    /// The answer of this call, which must be its only one.
    pub fn answer(&mut self, index: u32) -> Outcome {
        let id = CallId::of_number(FILE, index);
        while !self.seen.contains_key(&id) {
            self.take_report();
        }
        let answers = &self.seen[&id];
        assert_eq!(answers.len(), 1, "call {index} has several: {answers:?}");
        answers[0].clone()
    }

    /// The next verdict that was not taken.
    pub fn verdict(&mut self) -> (u64, Verdict) {
        while self.verdicts.is_empty() {
            self.take_report();
        }
        self.verdicts.remove(0)
    }

    pub fn reason(&mut self, index: u32) -> String {
        match self.answer(index) {
            Ok(answer) => panic!("call {index} was answered {answer}"),
            Err(error) => error.reason.into_owned(),
        }
    }

    /// One job, from submission to answer, with an index that no other has.
    pub fn ask_job(&mut self, mut job: Job) -> Outcome {
        self.asked += 1;
        job.id.index = 100_000 + self.asked;
        let index = job.id.index;
        self.submit(vec![job]);
        self.answer(index)
    }

    pub fn ask(&mut self, function: &str, kwargs: &str) -> Outcome {
        self.ask_job(try_call_on(Quoting::Mysql, 0, function, kwargs)?)
    }

    pub fn ask_raw(&mut self, query: &str) -> Outcome {
        self.ask_job(raw(0, query))
    }

    pub fn stop(&mut self) -> bool {
        self.stop_within(PATIENCE)
    }

    pub fn stop_within(&mut self, within: Duration) -> bool {
        let stopped = self.lane.take().unwrap().stop(within);
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Done(all) = report {
                for done in all {
                    self.seen.entry(done.id).or_default().push(done.outcome);
                }
            }
        }
        stopped
    }
}

fn connection(settings: &Mysql, database: Option<&str>) -> Conn {
    let socket = settings.socket.as_ref().unwrap().to_string_lossy();
    let options = OptsBuilder::new()
        .socket(Some(socket))
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .db_name(database);
    Conn::new(options).unwrap()
}

/// The job as it comes again after a restart of vpid.
pub(in crate::io::sql::mysql) fn recovered(mut job: Job) -> Job {
    job.recovered = true;
    job
}

pub(in crate::io::sql::mysql) fn of_host(host: u32, mut job: Job) -> Job {
    job.caller = Caller::Host(HostId(host));
    job
}
