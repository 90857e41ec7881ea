use super::*;
use crate::config;
use crate::sql::{Param, Query, Reading, Returns, Template};
use std::path::Path;
use std::sync::Arc;

/// Two cached queries on `scores`, one on `maps`, and one that writes.
struct Bench {
    cache: Cache,
    queries: Vec<Arc<Query>>,
    calls: u32,
}

fn query(name: &str, sql: &str, cache_ms: Option<u64>) -> Query {
    Query {
        name: name.to_owned(),
        database: 0,
        steps: vec![Template::parse(sql, Quoting::Sqlite, &["n"]).unwrap()],
        params: Vec::new(),
        returns: Returns::Rows,
        scripts: None,
        cache_ms,
        deadline_ms: None,
    }
}

impl Bench {
    fn new() -> Self {
        let queries: Vec<_> = [
            query("top", "SELECT * FROM Scores LIMIT :n", Some(1_000)),
            query("maps", "SELECT * FROM maps", Some(1_000)),
            query("add", "UPDATE scores SET n = n + :n", None),
        ]
        .into_iter()
        .map(Arc::new)
        .collect();
        let mut bench = Self {
            cache: Cache::default(),
            queries,
            calls: 0,
        };
        bench.reconfigure();
        bench
    }

    fn reconfigure(&mut self) {
        let text = "[[server]]\nscriptdata = \"/s\"\nkey = '0123456789abcdef0123456789abcdef'";
        let mut config = config::parse(text, Path::new("/"), |_| None).unwrap();
        let queries = self.queries.iter().cloned();
        config.queries = queries
            .map(|query| config::QueryEntry {
                query,
                source: String::new(),
                lines: Vec::new(),
            })
            .collect();
        self.cache.reconfigure(&config);
    }

    fn call(&self, query: usize, n: i64) -> SqlCall {
        let query = Arc::clone(&self.queries[query]);
        let values = vec![Param::Int(n)];
        SqlCall::Query { query, values }
    }

    fn begin(&mut self, call: SqlCall) -> CallId {
        self.calls += 1;
        let id = CallId {
            file: 1,
            index: self.calls,
        };
        self.cache.begins(&Job {
            id,
            database: 0,
            host: 0,
            function: String::new(),
            call,
            deadline_ms: None,
            limit_ms: 1,
            recovered: false,
            notes_failure: false,
            tries: 0,
            decoder: Decoder::Own,
        });
        id
    }

    fn end(&mut self, id: CallId, answer: &str) {
        self.cache.ends(id, Some(answer), 0);
    }

    fn fill(&mut self, query: usize, n: i64, answer: &str) {
        let id = self.begin(self.call(query, n));
        self.end(id, answer);
    }

    fn found(&mut self, query: usize, n: i64, now_ms: u64) -> Option<String> {
        let call = self.call(query, n);
        self.cache.find(&call, Decoder::Own, now_ms)
    }
}

#[test]
fn an_answer_is_given_again_to_the_same_call_for_its_time() {
    let mut bench = Bench::new();
    bench.fill(0, 5, "five");
    bench.fill(0, 7, "seven");
    assert_eq!(bench.found(0, 5, 999).as_deref(), Some("five"));
    assert_eq!(bench.found(0, 7, 0).as_deref(), Some("seven"));
    assert_eq!(bench.found(0, 6, 0), None);
    let call = bench.call(0, 5);
    assert_eq!(bench.cache.find(&call, Decoder::Stock, 0), None);
    assert_eq!(bench.found(0, 5, 1_000), None);
    let id = bench.begin(bench.call(0, 6));
    bench.cache.ends(id, None, 0);
    assert_eq!(bench.found(0, 6, 0), None, "a failure was kept");
}

#[test]
fn a_write_to_its_table_ends_it_from_its_beginning_on() {
    let mut bench = Bench::new();
    bench.fill(0, 5, "five");
    bench.fill(1, 0, "maps");
    let write = bench.begin(bench.call(2, 1));
    assert_eq!(bench.found(0, 5, 0), None, "old while a write is under way");
    bench.end(write, "1");
    assert_eq!(bench.found(0, 5, 0), None);
    assert_eq!(bench.found(1, 0, 0).as_deref(), Some("maps"));
    bench.fill(0, 5, "new");
    assert_eq!(bench.found(0, 5, 0).as_deref(), Some("new"));
}

#[test]
fn what_was_read_beside_a_write_is_not_kept() {
    let mut bench = Bench::new();
    let write = bench.begin(bench.call(2, 1));
    let read = bench.begin(bench.call(0, 5));
    bench.end(write, "1");
    bench.end(read, "perhaps old");
    assert_eq!(bench.found(0, 5, 0), None);
    let read = bench.begin(bench.call(0, 5));
    let write = bench.begin(bench.call(2, 1));
    bench.end(read, "old");
    bench.end(write, "1");
    assert_eq!(bench.found(0, 5, 0), None);
}

#[test]
fn other_ways_to_write_count_as_well() {
    let raw = |query: &str| SqlCall::Raw {
        query: query.to_owned(),
        params: None,
    };
    let kwargs = serde_json::json!({"table": "user_x_scores", "values": [1]});
    let insert = sql::parse(
        "VPI_DB_UserInsert",
        "x.nut",
        kwargs.as_object().unwrap(),
        Reading::Signed,
        Quoting::Sqlite,
    )
    .unwrap();
    for (write, dropped) in [
        (raw("DELETE FROM SCORES"), true),
        (raw("DELETE FROM \"scores\""), true),
        (raw("CALL change_all()"), true),
        (raw("SELECT * FROM scores"), false),
        (raw("DELETE FROM others"), false),
        (insert, false),
    ] {
        let mut bench = Bench::new();
        bench.fill(0, 5, "five");
        let shown = format!("{write:?}");
        let id = bench.begin(write);
        bench.end(id, "1");
        assert_eq!(bench.found(0, 5, 0).is_none(), dropped, "{shown}");
    }
}

#[test]
fn a_new_configuration_forgets_answers_but_not_writes() {
    let mut bench = Bench::new();
    bench.fill(0, 5, "five");
    let read = bench.begin(bench.call(0, 6));
    let write = bench.begin(bench.call(2, 1));
    bench.reconfigure();
    bench.end(read, "of the old query");
    assert_eq!((bench.found(0, 5, 0), bench.found(0, 6, 0)), (None, None));
    bench.fill(0, 5, "new");
    assert_eq!(bench.found(0, 5, 0), None, "old while a write is under way");
    bench.end(write, "1");
    bench.fill(0, 5, "newer");
    assert!(bench.found(0, 5, 0).is_some());
}

#[test]
fn it_is_bounded() {
    let mut bench = Bench::new();
    for n in 0..CACHE_ANSWERS_MAX as i64 + 10 {
        bench.fill(0, n, "x");
    }
    assert_eq!(bench.cache.answers.len(), CACHE_ANSWERS_MAX);
    let large = "x".repeat(60_000);
    for n in 0..200 {
        bench.fill(0, n, &large);
    }
    assert!(bench.cache.bytes <= CACHE_BYTES_MAX);
    assert!(bench.found(0, 199, 0).is_some());
    assert!(bench.cache.running.is_empty());
}
