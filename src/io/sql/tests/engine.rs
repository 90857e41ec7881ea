//! One batch on one connection: full and read-only disks, failing commits, durability, and
//! how long the journal remembers.

use super::super::guard::Guard;
use super::super::journal::Pruning;
use super::super::sqlite::{BatchRules, Engine, Outcome};
use super::super::trouble::Trouble;
use super::support::{ALL, FILE, call, insert, preparation, raw};
use crate::config::Sqlite;
use crate::jobs::{CallId, Job};
use crate::limits::{SQL_JOURNAL_KEEP_MS, SQL_JOURNAL_PRUNE_MS};
use std::sync::Arc;

struct Bench {
    folder: tempfile::TempDir,
    engine: Engine,
    pruning: Pruning,
}

const RULES: BatchRules = BatchRules {
    lenient: false,
    keep_journal: false,
};

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&folder, true);
        let mut bench = Self {
            folder,
            engine,
            pruning: Pruning::new(0),
        };
        bench
            .run(&[raw(
                0,
                "CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins)",
            )])
            .unwrap();
        bench
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, Trouble> {
        let mut outcomes = Vec::new();
        self.engine
            .run(jobs, RULES, &mut self.pruning, &mut outcomes)
            .map(|()| outcomes)
    }

    fn rows(&mut self) -> String {
        self.run(&[call(0, "Select", ALL)])
            .unwrap()
            .remove(0)
            .unwrap()
    }
}

fn open(folder: &tempfile::TempDir, full_durability: bool) -> Engine {
    let settings = Sqlite {
        path: folder.path().join("db"),
        full_durability,
    };
    Engine::open(&settings, &Arc::new(Guard::alone())).unwrap()
}

/// The sentence of an outage, and whether the commit is in doubt.
fn unavailable(ran: Result<Vec<Outcome>, Trouble>) -> (String, bool) {
    match ran {
        Err(Trouble::Unavailable {
            sentence,
            uncertain,
        }) => (sentence, uncertain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_undoes_the_batch_and_says_what_to_do() {
    let mut bench = Bench::new();
    let pages = "PRAGMA max_page_count = 1";
    bench
        .engine
        .connection()
        .query_row(pages, [], |_| Ok(()))
        .unwrap();
    let large = raw(
        2,
        "INSERT INTO user_x_t VALUES (2, zeroblob(100000)) RETURNING id",
    );
    let (sentence, uncertain) = unavailable(bench.run(&[insert(1, 1), large.clone()]));
    assert!(sentence.contains("make room on its disk"), "{sentence}");
    assert!(!uncertain);
    assert_eq!(bench.rows(), "[]");
    let pages = "PRAGMA max_page_count = 1000000";
    bench
        .engine
        .connection()
        .query_row(pages, [], |_| Ok(()))
        .unwrap();
    assert_eq!(
        bench.run(&[insert(1, 1), large]).unwrap(),
        [Ok("1".into()), Ok("[[2]]".into())]
    );
}

#[test]
fn a_full_disk_is_no_fault_of_a_schema() {
    let mut bench = Bench::new();
    let schema = "CREATE TABLE a AS SELECT zeroblob(100000) AS b";
    let all = preparation(1, schema, &[]);
    let mut limited = |pages: u32| {
        let pages = format!("PRAGMA max_page_count = {pages}");
        let connection = bench.engine.connection();
        connection.query_row(&pages, [], |_| Ok(())).unwrap();
        bench.engine.prepare(&all)
    };
    match limited(1) {
        Err(Trouble::Unavailable { sentence, .. }) => {
            assert!(sentence.contains("make room on its disk"), "{sentence}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(limited(1_000_000).unwrap(), []);
}

#[test]
fn a_read_only_database_says_what_to_do() {
    let mut bench = Bench::new();
    bench
        .engine
        .connection()
        .pragma_update(None, "query_only", true)
        .unwrap();
    let (sentence, _) = unavailable(bench.run(&[insert(1, 1)]));
    assert!(
        sentence.contains("let vpid's user write the file"),
        "{sentence}"
    );
}

#[test]
fn a_lock_met_in_the_middle_is_an_outage_and_no_mistake_of_the_caller() {
    let mut bench = Bench::new();
    let connection = bench.engine.connection();
    connection
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .unwrap();
    let other = rusqlite::Connection::open(bench.folder.path().join("db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (sentence, _) = unavailable(bench.run(&[call(1, "Select", ALL)]));
    assert!(
        sentence.contains("another program holds its lock"),
        "{sentence}"
    );
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(bench.rows(), "[]");
}

#[test]
fn an_id_that_comes_twice_does_no_harm() {
    let mut bench = Bench::new();
    let twice = bench.run(&[insert(1, 1), insert(1, 2)]).unwrap();
    assert!(twice.iter().all(Result::is_ok));
}

#[test]
fn a_failed_commit_leaves_its_writes_in_doubt() {
    let mut bench = Bench::new();
    bench
        .engine
        .connection()
        .commit_hook(Some(|| true))
        .unwrap();
    let (_, uncertain) = unavailable(bench.run(&[insert(1, 1)]));
    assert!(uncertain);
    bench
        .engine
        .connection()
        .commit_hook(None::<fn() -> bool>)
        .unwrap();
    assert_eq!(bench.rows(), "[]");
}

#[test]
fn durability_is_as_the_owner_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    for (full, expected) in [(true, 2), (false, 1)] {
        let mut engine = open(&folder, full);
        let level = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let kept = engine
            .connection()
            .pragma_query_value(None, "synchronous", level)
            .unwrap();
        assert_eq!(kept, expected);
    }
}

#[test]
fn the_journal_forgets_what_is_old_and_only_in_time() {
    let mut pruning = Pruning::new(5_000);
    assert!(!pruning.is_due(5_000 + SQL_JOURNAL_KEEP_MS - 1));
    let now_ms = 5_000 + SQL_JOURNAL_KEEP_MS;
    assert!(pruning.is_due(now_ms));

    let mut bench = Bench::new();
    let keep_us = SQL_JOURNAL_KEEP_MS * 1_000;
    let at = |file: u64, row: i64| {
        let mut job = insert(1, row);
        job.id = CallId::of_number(file, job.id.index);
        job
    };
    bench
        .run(&[
            at(FILE - keep_us - 1, 1),
            at(FILE - keep_us, 2),
            at(FILE, 3),
        ])
        .unwrap();
    pruning
        .prune(bench.engine.connection(), FILE, now_ms)
        .unwrap();
    let oldest = "SELECT min(file) FROM vpid_journal";
    let oldest: i64 = bench
        .engine
        .connection()
        .query_row(oldest, [], |row| row.get(0))
        .unwrap();
    assert_eq!(oldest.unsigned_abs(), FILE - keep_us);
    assert!(!pruning.is_due(now_ms + SQL_JOURNAL_PRUNE_MS - 1));
    assert!(pruning.is_due(now_ms + SQL_JOURNAL_PRUNE_MS));
    bench.folder.close().unwrap();
}

#[test]
fn a_batch_prunes_unless_recovered_calls_are_to_come() {
    // The creation of the table is in the journal as well.
    for (keep_journal, expected) in [(true, 3), (false, 1)] {
        let mut bench = Bench::new();
        bench.run(&[insert(1, 1)]).unwrap();
        let mut later = insert(2, 2);
        let number = later.id.number() + 10 * SQL_JOURNAL_KEEP_MS * 1_000;
        later.id = CallId::of_number(number, later.id.index);
        let mut pruning = Pruning::due();
        let rules = BatchRules {
            lenient: false,
            keep_journal,
        };
        bench
            .engine
            .run(&[later], rules, &mut pruning, &mut Vec::new())
            .unwrap();
        let count = "SELECT count(*) FROM vpid_journal";
        let count: i64 = bench
            .engine
            .connection()
            .query_row(count, [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, expected);
    }
}

#[test]
fn a_word_in_double_quotes_is_a_column_or_a_text_and_a_bare_one_only_a_column() {
    let mut bench = Bench::new();
    let mut ask = |job| bench.run(&[job]).unwrap().remove(0);
    let select = |index, column: &str| {
        let kwargs = serde_json::json!({"table": "user_x_t", "columns": [column]});
        call(index, "Select", &kwargs.to_string())
    };
    ask(insert(1, 7)).unwrap();
    for (index, text, answer) in [
        (2, "SELECT \"nowhere\"", "[[\"nowhere\"]]"),
        (3, "SELECT \"id\" FROM user_x_t WHERE \"id\" = 7", "[[7]]"),
        (
            4,
            "CREATE TABLE user_x_u (a DEFAULT \"bob\", CHECK (a <> \"\"))",
            "[]",
        ),
        (
            5,
            "INSERT INTO user_x_u DEFAULT VALUES RETURNING a",
            "[[\"bob\"]]",
        ),
    ] {
        assert_eq!(ask(raw(index, text)).as_deref(), Ok(answer), "{text}");
    }
    assert_eq!(ask(select(6, "\"id\"")).as_deref(), Ok("[[7]]"));
    assert_eq!(ask(select(7, "\"bob\"")).as_deref(), Ok("[[\"bob\"]]"));
    for (index, column) in [(8, "bob"), (9, "`bob`"), (10, "[bob]"), (11, "t.\"bob\"")] {
        let error = ask(select(index, column)).unwrap_err();
        assert_eq!(error.reason, "OperationalError", "{column}");
    }
}

/// Each row of a table with typed columns and untyped ones, compared as `vpi.py` compared it.
#[test]
fn a_stock_filter_compares_texts_also_with_what_has_no_type() {
    let mut bench = Bench::new();
    let mut ask = |job| bench.run(&[job]).unwrap().remove(0);
    ask(raw(
        1,
        "CREATE TABLE user_x_k (i INTEGER, r REAL, t TEXT, n)",
    ))
    .unwrap();
    ask(raw(
        2,
        "INSERT INTO user_x_k VALUES (1, 1.0, '1', 1), (2, 2.5, 'True', '1')",
    ))
    .unwrap();
    let mut count = |column: &str, value: serde_json::Value| {
        let kwargs = serde_json::json!({"table": "user_x_k", "columns": ["COUNT(*)"],
            "filter_column": column, "filter_value": value});
        ask(call(3, "Select", &kwargs.to_string())).unwrap()
    };
    for (column, value, rows) in [
        ("i", serde_json::json!(1), 1),
        ("i", serde_json::json!(1.0), 1),
        ("i", serde_json::json!(true), 0),
        ("r", serde_json::json!(2.5), 1),
        ("r", serde_json::json!(1), 1),
        ("t", serde_json::json!(1), 1),
        ("t", serde_json::json!(1.0), 0),
        ("t", serde_json::json!(true), 1),
        // Neither side has a type, so only a text is the same as a text.
        ("n", serde_json::json!(1), 1),
        ("n", serde_json::json!("1"), 1),
        ("i + 0", serde_json::json!(1), 0),
        ("'' || i", serde_json::json!(1), 1),
    ] {
        assert_eq!(
            count(column, value.clone()),
            format!("[[{rows}]]"),
            "{column} {value}"
        );
    }
}
