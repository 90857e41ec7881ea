//! Preparations: schemas that run once, and queries that are tried.

use super::super::{Fault, Subject, Verdict};
use super::support::{APPLIED, Desk, PLAYERS, ask, preparation, query};
use crate::sql::Returns;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

/// The only fault of the verdict.
fn fault(verdict: Verdict) -> Fault {
    match verdict {
        Verdict::Bad(mut faults) if faults.len() == 1 => faults.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Step, line and words of the only fault, which is the schema's.
fn schema_fault(verdict: Verdict) -> (u32, usize, String) {
    let fault = fault(verdict);
    match fault.of {
        Subject::Schema { step, line } => (step, line, fault.message),
        other => panic!("{other:?}"),
    }
}

fn in_query(step: usize, at: Option<usize>, message: &str) -> Fault {
    Fault {
        of: Subject::Query {
            name: "q".to_owned(),
            step,
        },
        at,
        message: message.to_owned(),
    }
}

#[test]
fn calls_that_come_later_find_the_schema() {
    let mut desk = Desk::before_start();
    let raise = query(
        "raise",
        Returns::Value,
        &[
            "UPDATE players SET elo = elo + :b WHERE steamid = :a",
            "SELECT elo + count(*) FROM players, changes",
        ],
    );
    desk.start();
    desk.prepare(preparation(5, PLAYERS, &[&raise]));
    desk.submit(vec![ask(0, &raise, 7, 50)]);
    assert_eq!(desk.answer(0).as_deref(), Ok("1251"));
    assert_eq!(desk.verdict(5), Verdict::Good);
    assert_eq!(desk.value(APPLIED), "1 16, 2 16");
    let moment = "SELECT applied FROM vpid_schema WHERE applied GLOB '20??-*T*Z' AND step = 1";
    assert_eq!(desk.value(moment).len(), "2026-01-02T03:04:05Z".len());
}

#[test]
fn a_step_runs_once_whatever_becomes_of_it() {
    let mut desk = Desk::before_start().started();
    assert_eq!(desk.prepared(PLAYERS, &[]), Verdict::Good);
    // Step 1 would fail if it ran again, and step 2 as well.
    let changed = PLAYERS.replace("1200", "1300") + "-- step 4\nUPDATE players SET elo = elo + 1;";
    for _ in 0..2 {
        assert_eq!(desk.prepared(&changed, &[]), Verdict::Good);
        assert_eq!(desk.value("SELECT '' || elo FROM players"), "1201");
        assert_eq!(desk.value(APPLIED), "1 16, 2 16, 4 16");
    }
    assert!(desk.stop());
    desk.start();
    assert_eq!(desk.prepared(&changed, &[]), Verdict::Good);
    assert_eq!(desk.value("SELECT '' || elo FROM players"), "1201");
}

#[test]
fn a_step_that_fails_leaves_nothing_and_is_named_by_its_line() {
    let mut desk = Desk::before_start().started();
    let story = [
        // (the step, the line of what is wrong, its words)
        (
            "INSERT INTO a VALUES (2);\n\n-- twice\nINSERT INTO a\n VALUES (2);",
            9,
            "UNIQUE constraint failed: a.b",
        ),
        (
            "INSERT INTO a VALUES (2);;\n; INSERT INTO\nc VALUES (2);",
            7,
            "no such table: c",
        ),
        (
            "INSERT INTO a VALUES (2);\nSELECT\n 1 FORM a;",
            8,
            "syntax error",
        ),
        ("INSERT INTO a VALUES (2); SELECT :b", 6, "placeholders"),
        (
            "INSERT INTO a VALUES (2); COMMIT;",
            6,
            "not authorized; vpid's own tables, transactions",
        ),
        (
            "SAVEPOINT x; INSERT INTO a VALUES (2);",
            6,
            "not authorized",
        ),
        ("CREATE TABLE vpid_x(y);", 6, "not authorized"),
        ("ALTER TABLE a RENAME TO vpid_x;", 6, "not authorized"),
        ("DELETE FROM\nvpid_schema;", 6, "not authorized"),
        ("ATTACH 'x' AS x;", 6, "not authorized"),
        ("PRAGMA journal_mode = DELETE;", 6, "not authorized"),
        ("VACUUM;", 6, "cannot VACUUM"),
        (
            "INSERT INTO a VALUES (2);\nINSERT OR ROLLBACK INTO a VALUES (1);",
            7,
            "UNIQUE constraint failed: a.b",
        ),
    ];
    for (text, line, words) in story {
        let schema = format!(
            "-- the schema\n-- step 1\nCREATE TABLE a (b UNIQUE);\n\
             INSERT INTO a VALUES (1);\n-- step 2\n{text}\n-- step 3\nDROP TABLE a;\n"
        );
        let (step, at, message) = schema_fault(desk.prepared(&schema, &[]));
        assert!(message.contains(words), "{text}: {message}");
        assert_eq!((step, at), (2, line), "{text}: {message}");
        assert_eq!(desk.value("SELECT group_concat(b, ',') FROM a"), "1");
        assert_eq!(desk.value(APPLIED), "1 16", "{text}");
    }
    let error = desk.ask_raw("SELECT * FROM vpid_schema").unwrap_err();
    assert_eq!(error.reason, "PermissionError");
}

#[test]
fn a_schema_may_make_all_that_sqlite_has() {
    let mut desk = Desk::before_start().started();
    let schema = "\
        CREATE TABLE players (steamid INTEGER PRIMARY KEY, name TEXT) STRICT, WITHOUT ROWID;\n\
        CREATE VIEW best AS SELECT name FROM players LIMIT 1;\n\
        CREATE UNIQUE INDEX by_name ON players (name) WHERE name <> '';\n\
        CREATE VIRTUAL TABLE words USING fts5(word);\n\
        CREATE TABLE copy AS SELECT * FROM players;\n\
        ALTER TABLE copy ADD COLUMN elo;\n\
        ALTER TABLE copy RENAME TO copies;\n\
        INSERT INTO words VALUES ('a;b') RETURNING word;\n\
        ANALYZE; REINDEX; SELECT 1;\n";
    let search = query(
        "search",
        Returns::Value,
        &["SELECT word FROM words WHERE words MATCH 'b'"],
    );
    assert_eq!(desk.prepared(schema, &[&search]), Verdict::Good);
    assert_eq!(desk.ask_query(&search, 0, 0).as_deref(), Ok("\"a;b\""));
}

#[test]
fn all_that_is_wrong_with_queries_is_found() {
    let mut desk = Desk::new();
    let t = "SELECT id, wins FROM user_x_t";
    let story = [
        (Returns::Rows, vec![t], vec![]),
        (
            Returns::Objects,
            vec!["SELECT id, wins AS id, :a AS ID FROM user_x_t"],
            vec![in_query(
                0,
                None,
                "two columns are named id; rename one with AS",
            )],
        ),
        (
            Returns::Row,
            vec!["SELECT id, wins AS id FROM user_x_t"],
            vec![],
        ),
        (
            Returns::Value,
            vec![t, "UPDATE user_x_t SET wins = :a"],
            vec![in_query(1, None, "gives no rows; set returns = \"count\"")],
        ),
        (
            Returns::Count,
            vec!["UPDATE user_x_t SET wins = :a", t],
            vec![],
        ),
        (
            Returns::Rows,
            vec![
                "SELECT elo\nFROM user_x_t WHERE",
                "SELECT id, elo FROM user_x_t",
                "SELECT 1 FROM nowhere",
            ],
            vec![
                in_query(0, None, "incomplete input"),
                in_query(1, Some(11), "no such column: elo"),
                in_query(2, None, "no such table: nowhere"),
            ],
        ),
        (
            Returns::Count,
            vec!["SELECT @x", "/* vpid */ SELECT 1"],
            vec![
                in_query(
                    0,
                    None,
                    "values are written as :name; @name and $name stand for none",
                ),
                in_query(1, None, "it may not begin with vpid's own mark"),
            ],
        ),
    ];
    let mut queries = Vec::new();
    let mut all = Vec::new();
    for (returns, steps, faults) in story {
        let query = query("q", returns, &steps);
        let verdict = desk.prepared("", &[&query]);
        if faults.is_empty() {
            assert_eq!(verdict, Verdict::Good, "{steps:?}");
        } else {
            assert_eq!(verdict, Verdict::Bad(faults.clone()), "{steps:?}");
        }
        queries.push(query);
        all.extend(faults);
    }
    let queries: Vec<_> = queries.iter().collect();
    assert_eq!(desk.prepared("", &queries), Verdict::Bad(all));
}

#[test]
fn a_query_that_the_guard_forbids_gets_an_error() {
    let mut desk = Desk::new();
    desk.ask_raw("INSERT INTO user_x_t DEFAULT VALUES").unwrap();
    for denied in [
        "SELECT * FROM vpid_journal",
        "COMMIT",
        "PRAGMA user_version = 1",
    ] {
        let query = query("q", Returns::Count, &[denied]);
        let fault = fault(desk.prepared("", &[&query]));
        assert!(fault.message.contains("vpid's own tables"), "{fault:?}");
    }
}

#[test]
fn a_schema_that_fails_is_not_followed_by_faults_of_queries() {
    let mut desk = Desk::before_start().started();
    let players = query("players", Returns::Rows, &["SELECT * FROM players"]);
    let verdict = desk.prepared("CREATE TABEL players (a)", &[&players]);
    assert_eq!(schema_fault(verdict).1, 1);
    let verdict = desk.prepared("CREATE TABLE players (a)", &[&players]);
    assert_eq!(verdict, Verdict::Good);
}

#[test]
fn a_preparation_waits_for_its_database_and_goes_before_calls() {
    let mut desk = Desk::before_start();
    let home = desk.path().parent().unwrap().to_owned();
    fs::remove_dir(&home).unwrap();
    desk.start();
    let read = query("read", Returns::Value, &["SELECT elo FROM players"]);
    desk.submit(vec![ask(0, &read, 0, 0)]);
    desk.prepare(preparation(1, "CREATE TABLE players (wrong)", &[]));
    match desk.verdict(1) {
        Verdict::Away(sentence) => assert!(sentence.contains("cannot be created"), "{sentence}"),
        other => panic!("{other:?}"),
    }
    // It takes the place of the one that waits, which is heard of no more.
    desk.prepare(preparation(2, PLAYERS, &[&read]));
    assert!(matches!(desk.verdict(2), Verdict::Away(_)));
    std::thread::sleep(Duration::from_millis(500));
    fs::create_dir(&home).unwrap();
    assert_eq!(desk.verdict(2), Verdict::Good, "and away was said once");
    assert_eq!(desk.answer(0).as_deref(), Ok("1200"));
}

#[test]
fn a_locked_database_is_no_fault_of_the_schema() {
    let mut desk = Desk::new();
    let other = desk.outside();
    desk.ask_raw("SELECT 1").unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    desk.prepare(preparation(1, PLAYERS, &[]));
    match desk.verdict(1) {
        Verdict::Away(sentence) => assert!(sentence.contains("holds its lock"), "{sentence}"),
        other => panic!("{other:?}"),
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(desk.verdict(1), Verdict::Good);
    // What has run needs no lock to be looked up.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(desk.prepared(PLAYERS, &[]), Verdict::Good);
}

#[test]
fn stop_does_not_wait_for_a_preparation() {
    let mut desk = Desk::before_start();
    let home = desk.path().parent().unwrap().to_owned();
    fs::remove_dir(&home).unwrap();
    desk.start();
    desk.prepare(preparation(1, PLAYERS, &[]));
    assert!(matches!(desk.verdict(1), Verdict::Away(_)));
    assert!(desk.stop(), "no call is left behind");
    fs::create_dir(&home).unwrap();

    let endless = "CREATE TABLE a AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
         FROM n) SELECT max(i) FROM n";
    desk.start();
    desk.prepare(preparation(2, endless, &[]));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!desk.stop_within(Duration::from_millis(50)));
    assert!(desk.ends_silently());
    assert_eq!(desk.value("SELECT '' || count(*) FROM sqlite_schema"), "0");
}

/// What was logged by all tests of this process, a line each.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Memory;

impl log::Log for Memory {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        LOGGED.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

#[test]
fn what_ran_is_logged_and_what_has_no_effect_once_each_time() {
    log::set_logger(&Memory).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let mut desk = Desk::before_start().started();
    assert_eq!(desk.prepared(PLAYERS, &[]), Verdict::Good);
    let changed = PLAYERS.replace("1200", "1300");
    assert_eq!(desk.prepared(&changed, &[]), Verdict::Good);
    let other = desk.outside();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let more = format!("{changed}-- step 4\nDROP TABLE players;");
    desk.prepare(preparation(1, &more, &[]));
    assert!(matches!(desk.verdict(1), Verdict::Away(_)));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(desk.verdict(1), Verdict::Good);
    log::set_max_level(log::LevelFilter::Off);

    let path = desk.path().display().to_string();
    let logged = LOGGED.lock().unwrap();
    let about = logged.iter().filter(|line| line.contains(&path));
    let about: Vec<_> = about.filter(|line| line.contains("schema")).collect();
    let warning = format!(
        "WARN database {path}: schema step 2 was changed after it ran, which has no effect; put \
         the change into a new step"
    );
    assert_eq!(
        about,
        [
            &format!("INFO database {path}: schema steps 1 to 2 have run"),
            &warning,
            &warning,
            &format!("INFO database {path}: schema step 4 has run"),
        ]
    );
}
