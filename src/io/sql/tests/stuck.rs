//! Statements that could run for hours in one step of SQLite: each is refused, or ends with its
//! call's deadline, without costing the lane its thread.

use super::super::tries::{self, Tries};
use super::support::{Desk, insert, raw};
use crate::jobs::Job;
use crate::limits::{SQL_GIVE_UP_MS, WORKERS_GIVEN_UP_MAX};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the machine may be slower than this test expects.
const SLACK: Duration = Duration::from_secs(8);

const DEADLINE_MS: u64 = 600;

/// The longest values: `a` is all the same letter, `b` is pairs, `c` are blanks, `j` JSON.
const LONG: &str = "CREATE TABLE user_x_long(id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, j TEXT, k TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
    INSERT INTO user_x_long SELECT i, printf('%.*c', 1000000, 'a'),
        replace(printf('%.*c', 300000, 'x'), 'x', 'éa'), printf('%.*c', 1000000, ' '),
        printf('%.*c', 900, '[') || substr(replace(printf('%.*c', 490000, 'x'), 'x', '1,'), 1, 979999) || printf('%.*c', 900, ']'),
        (WITH RECURSIVE m(y) AS (SELECT 1 UNION ALL SELECT y + 1 FROM m WHERE y < 90000)
         SELECT '{' || group_concat('\"' || i || y || '\":1') || '}' FROM m)
    FROM n;
    CREATE TABLE user_x_s(x);
    CREATE VIRTUAL TABLE user_x_f5 USING fts5(t);
    INSERT INTO user_x_f5 SELECT replace(printf('%.*c', 500000, 'x'), 'x', 'a ');
    CREATE VIRTUAL TABLE user_x_f4 USING fts4(t);
    INSERT INTO user_x_f4 SELECT replace(printf('%.*c', 500000, 'x'), 'x', 'a ');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
    INSERT INTO user_x_s SELECT printf('%.*c%d', 200, 'a', i) FROM n;";

/// A term so often that it fills so many bytes.
fn terms(term: &str, between: &str, bytes: usize) -> String {
    vec![term; bytes / (term.len() + between.len())].join(between)
}

fn each(expression: &str) -> String {
    format!("SELECT count({expression}) FROM user_x_long")
}

fn nasty() -> impl Iterator<Item = (&'static str, String)> {
    let searches = nasty_searches().into_iter();
    searches.chain(nasty_formats()).chain(nasty_queries())
}

/// Functions that look for something in a text.
fn nasty_searches() -> Vec<(&'static str, String)> {
    let long = "FROM user_x_long";
    let most = "a".repeat(126);
    vec![
        (
            "replace",
            each("replace(a, substr(a, 1, 500000) || 'b', '')"),
        ),
        (
            "nested replace",
            each("replace(replace(replace(a, 'a', 'ab'), 'b', 'a'), 'aa', a)"),
        ),
        ("instr", each("instr(a, substr(a, 1, 500000) || 'b')")),
        ("trim", each("trim(a, b || 'c')")),
        (
            "like",
            format!("SELECT count(*) {long} WHERE a LIKE '%{most}b'"),
        ),
        (
            "like é",
            format!(
                "SELECT count(*) {long} WHERE b LIKE '%{}b'",
                "éa".repeat(40)
            ),
        ),
        (
            "like _",
            format!(
                "SELECT count(*) {long} WHERE a LIKE '%{}b'",
                "a_".repeat(60)
            ),
        ),
        (
            "like %",
            format!("SELECT count(*) {long} WHERE a LIKE '{}b'", "%a".repeat(60)),
        ),
        (
            "like escape",
            format!(
                "SELECT count(*) {long} WHERE a LIKE '%{}b' ESCAPE 'x'",
                "xa".repeat(60)
            ),
        ),
        (
            "like too long",
            format!(
                "SELECT count(*) {long} WHERE a LIKE '%{}b'",
                "a".repeat(20_000)
            ),
        ),
        (
            "many likes",
            format!(
                "SELECT {} {long}",
                terms(&format!("(a LIKE '%{most}b')"), "+", 60_000)
            ),
        ),
        (
            "glob",
            format!("SELECT count(*) {long} WHERE a GLOB '*{most}b'"),
        ),
        (
            "glob [",
            format!(
                "SELECT count(*) {long} WHERE a GLOB '*[{}a]b'",
                "b".repeat(120)
            ),
        ),
    ]
}

/// Functions that make texts, or go through them once and again.
fn nasty_formats() -> Vec<(&'static str, String)> {
    let long = "FROM user_x_long";
    vec![
        (
            "glob [a]",
            format!(
                "SELECT count(*) {long} WHERE a GLOB '*{}b'",
                "[a]".repeat(41)
            ),
        ),
        (
            "printf",
            "SELECT printf('%.*c', 1000000000, 'a')".to_owned(),
        ),
        (
            "printf many",
            each("printf('%1000000s%1000000s%1000000s%1000000s', a, a, a, a)"),
        ),
        ("printf q", each("printf('%q%Q%w', c, a, a)")),
        (
            "printf f",
            each("printf('%.900000f%.900000e', 1e300, 1e-300)"),
        ),
        ("printf format", each("printf(replace(a, 'aa', '%s'))")),
        ("strftime", each("strftime(replace(a, 'aa', '%J'))")),
        (
            "group_concat",
            format!("SELECT length(group_concat(a)) {long}"),
        ),
        ("upper", each(&terms("upper(a)", "||", 2_000))),
        ("concat", each(&terms("length(a||b)", "+", 9_000))),
        ("lengths", each(&terms("length(upper(a))", "+", 8_000))),
        ("nocase", each("a||1 < a||2 COLLATE NOCASE")),
        ("unhex", each("unhex(b, c || b)")),
        ("hex", each("hex(a)")),
        ("quote", each("quote(substr(a, 1, 400000)) || quote(b)")),
    ]
}

/// JSON, sorting, joins, full text, and statements that are large themselves.
fn nasty_queries() -> Vec<(&'static str, String)> {
    let long = "FROM user_x_long";
    let most = "a".repeat(126);
    vec![
        ("json", each("json_valid(j)")),
        ("json many", format!("SELECT {} {long}", terms("json_valid(j)", "+", 6_000))),
        ("json_each", format!("SELECT count(*) {long}, json_each(k) {}", "")),
        ("json_tree", format!("SELECT sum(length(fullkey)) {long}, json_tree(j)")),
        ("json_patch", each("json_patch(k, (SELECT k FROM user_x_long y WHERE y.id <> user_x_long.id LIMIT 1))")),
        ("json_pretty", each("json_pretty(j, '                    ')")),
        ("json_set", each(&format!("json_set(k{})", ", '$.zz', 1".repeat(120)))),
        ("json_extract", each(&format!("json_extract(k{})", ", '$.zz'".repeat(250)))),
        ("json_group", format!("SELECT length(json_group_array(a)) {long}")),
        ("json path", each("json_extract(k, '$.' || replace(a, 'aa', 'a.'))")),
        ("sort long", "SELECT count(*) FROM (SELECT a || x AS y FROM user_x_long, user_x_s ORDER BY y COLLATE NOCASE LIMIT 100000)".to_owned()),
        ("sort many", "SELECT count(*) FROM (SELECT s.x FROM user_x_s s, user_x_s t ORDER BY s.x || t.x LIMIT -1 OFFSET 1)".to_owned()),
        ("distinct", "SELECT count(DISTINCT s.x || t.x) FROM user_x_s s, user_x_s t".to_owned()),
        ("cte", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n".to_owned()),
        ("cte union", "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n".to_owned()),
        ("cte doubling", "WITH RECURSIVE n(s) AS (SELECT 'a' UNION ALL SELECT s || s FROM n) SELECT max(s) FROM n".to_owned()),
        ("count", "SELECT count(*) FROM user_x_s a, user_x_s b, user_x_s c".to_owned()),
        ("zeroblob", "SELECT length(zeroblob(1000000000) || randomblob(1000000000))".to_owned()),
        ("in", each(&format!("a IN ({})", terms("a||1", ",", 50_000)))),
        ("window", "SELECT count(*) FROM (SELECT group_concat(x) OVER (ORDER BY x ROWS 4000 PRECEDING) FROM user_x_s)".to_owned()),
        ("update", "UPDATE user_x_long SET a = replace(a, substr(a, 1, 500000) || 'b', b), b = upper(c) || lower(a)".to_owned()),
        ("delete", format!("DELETE {long} WHERE a LIKE '%{most}b'")),
        ("fts5", format!("SELECT count(*) FROM user_x_f5 WHERE user_x_f5 MATCH '\"{}\"'", terms("a", " ", 4_000))),
        ("fts5 b", format!("SELECT count(*) FROM user_x_f5 WHERE user_x_f5 MATCH '\"{} b\"'", terms("a", " ", 50_000))),
        ("fts5 near", format!("SELECT count(*) FROM user_x_f5 WHERE user_x_f5 MATCH 'NEAR({}, 1000000)'", terms("a", " ", 4_000))),
        ("fts4", format!("SELECT count(*) FROM user_x_f4 WHERE user_x_f4 MATCH '\"{}\"'", terms("a", " ", 50_000))),
        ("fts4 near", format!("SELECT count(*) FROM user_x_f4 WHERE user_x_f4 MATCH '{}'", terms("a", " NEAR/100000 ", 200))),
        ("fts4 snippet", format!("SELECT length(snippet(user_x_f4)), length(offsets(user_x_f4)), length(matchinfo(user_x_f4, 'pcnalsxyb')) FROM user_x_f4 WHERE user_x_f4 MATCH '{}'", terms("a", " OR ", 200))),
        ("fts5 snippet", format!("SELECT length(snippet(user_x_f5, 0, 'a', 'b', 'c', 60)), length(highlight(user_x_f5, 0, 'a', 'b')), bm25(user_x_f5) FROM user_x_f5 WHERE user_x_f5 MATCH '{}'", terms("a", " OR ", 2000))),
        ("triggers", "INSERT INTO user_x_0 VALUES (1)".to_owned()),
        ("deep", format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000))),
        ("deep functions", format!("SELECT {}1{}", "abs(".repeat(900), ")".repeat(900))),
        ("union", terms("SELECT 1", " UNION ", 60_000)),
        ("joins", format!("SELECT count(*) FROM {}", (0..60).map(|n| format!("user_x_s t{n}")).collect::<Vec<_>>().join(","))),
        ("and", format!("SELECT 1 FROM user_x_s WHERE {}", terms("x=1", " AND ", 4_000))),
        ("or", format!("SELECT 1 FROM user_x_s WHERE {}", terms("x=1", " OR ", 4_000))),
        ("order by", format!("SELECT {} FROM user_x_s ORDER BY {}", terms("x", ",", 3_000), terms("x||1", ",", 6_000))),
    ]
}

#[test]
fn every_nasty_statement_ends_and_the_worker_goes_on() {
    let mut desk = Desk::before_start();
    let outside = desk.outside();
    outside.execute_batch(LONG).unwrap();
    for n in 0..40 {
        let made = format!(
            "CREATE TABLE user_x_{n}(x); CREATE TRIGGER t{n} AFTER INSERT ON user_x_{n} BEGIN \
             INSERT INTO user_x_{0} VALUES (1); INSERT INTO user_x_{0} VALUES (2); END;",
            n + 1
        );
        outside.execute_batch(&made).unwrap();
    }
    outside.execute_batch("CREATE TABLE user_x_40(x)").unwrap();
    drop(outside);
    desk.start();
    for (index, (name, query)) in (0..).zip(nasty()) {
        let began = Instant::now();
        let mut job = raw(2 * index, &query);
        job.deadline_ms = desk.in_ms(DEADLINE_MS);
        let given_up = desk.given_up();
        desk.submit(vec![job, raw(2 * index + 1, "SELECT 7")]);
        let answer = desk.answer(2 * index);
        let took = began.elapsed();
        let given_up = desk.given_up() - given_up;
        println!("{name:15} {:6} ms {given_up} {answer:?}", took.as_millis());
        let bound = Duration::from_millis(DEADLINE_MS + SQL_GIVE_UP_MS) + SLACK;
        assert!(took < bound, "{name} took {took:?}");
        let reasons = ["DeadlineExceeded", "OperationalError"];
        assert!(
            answer.is_ok_and(|answer| answer.len() < 20)
                || reasons.contains(&&*desk.reason(2 * index)),
            "{name}"
        );
        assert_eq!(desk.answer(2 * index + 1).unwrap(), "[[7]]", "{name}");
    }
}

#[test]
fn limits_are_named_by_the_errors_that_they_cause() {
    let mut desk = Desk::new();
    for (query, named) in [
        ("SELECT printf('%.*c', 2000000, 'a')", "1048576 bytes"),
        ("SELECT 'a' LIKE printf('%.*c', 129, 'a')", "128 bytes"),
        ("SELECT 'a' GLOB printf('%.*c', 129, 'a')", "128 bytes"),
        (&format!("SELECT {}", ["1 LIKE 1"; 103].join("+")), "4096"),
    ] {
        let error = desk.ask_raw(query).unwrap_err();
        assert_eq!(error.reason, "OperationalError");
        assert!(error.detail.contains(named), "{query}: {error}");
    }
    let most = format!("SELECT {}", ["1 LIKE 1"; 102].join(","));
    assert!(desk.ask_raw(&most).is_ok());
    let longest = "SELECT length(replace(printf('%.*c', 524288, 'a'), 'a', 'bb')), \
                   'a' LIKE printf('%.*c', 128, 'a')";
    assert_eq!(desk.ask_raw(longest).unwrap(), "[[1048576,0]]");
}

/// A call whose statement nothing can end for this long.
fn stalled(desk: &Desk, index: u32, query: &str) -> Job {
    let mut job = raw(index, query);
    job.deadline_ms = desk.in_ms(300);
    job
}

#[test]
fn a_thread_that_is_stuck_is_replaced_and_its_neighbours_run() {
    let mut desk = Desk::new();
    desk.submit(vec![
        insert(1, 1),
        stalled(&desk, 2, "SELECT stall(6000)"),
        insert(3, 3),
    ]);
    let began = Instant::now();
    assert_eq!(desk.reason(2), "DeadlineExceeded");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(desk.given_up(), 1);
    // Reading is not held up; who writes waits for the lock of the one that is stuck.
    desk.submit(vec![raw(4, "SELECT 7")]);
    for index in [1, 3] {
        assert_eq!(desk.answer(index).unwrap(), "1");
    }
    assert_eq!(desk.answer(4).unwrap(), "[[7]]");
    assert_eq!(desk.value("SELECT group_concat(id) FROM user_x_t"), "1,3");
    assert!(desk.stop());
}

#[test]
fn what_a_stuck_statement_wrote_is_never_committed() {
    let mut desk = Desk::new();
    let write = "INSERT INTO user_x_t SELECT 5, stall(2500) FROM (SELECT 1)";
    desk.submit(vec![stalled(&desk, 1, write)]);
    assert_eq!(desk.reason(1), "DeadlineExceeded");
    desk.submit(vec![insert(2, 2)]);
    assert_eq!(desk.answer(2).unwrap(), "1");
    assert_eq!(desk.value("SELECT group_concat(id) FROM user_x_t"), "2");
    assert_eq!(desk.given_up(), 1);
    assert!(desk.stop());
    assert_eq!(desk.seen[&insert(1, 1).id].len(), 1);
}

#[test]
fn threads_that_are_stuck_are_bounded_and_the_worker_goes_on_when_one_ends() {
    let mut desk = Desk::new();
    let count = u32::try_from(WORKERS_GIVEN_UP_MAX).unwrap() + 1;
    for index in 0..count {
        desk.submit(vec![stalled(&desk, index, "SELECT stall(7000)")]);
        assert_eq!(desk.reason(index), "DeadlineExceeded");
    }
    assert_eq!(desk.given_up(), u64::from(count));
    // There is no thread now; this waits for the first that ends.
    assert_eq!(desk.ask_raw("SELECT 7").unwrap(), "[[7]]");
    assert!(desk.stop());
}

#[test]
fn a_worker_with_a_stuck_statement_stops_on_request() {
    let mut desk = Desk::new();
    desk.submit(vec![raw(1, "SELECT stall(3000)")]);
    let began = Instant::now();
    assert!(!desk.stop_within(Duration::from_millis(100)));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_call_that_runs_long_is_noted_while_it_does() {
    let state = tempfile::tempdir().unwrap();
    let (tries, _) = Tries::open(state.path()).unwrap();
    let mut desk = Desk::new_with(tries);
    let noted = || tries::noted(state.path());
    desk.submit(vec![
        raw(1, "SELECT stall(1)"),
        raw(2, "SELECT stall(1500)"),
    ]);
    let began = Instant::now();
    while noted().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "never noted");
    }
    let id = |index| insert(index, 1).id;
    assert_eq!(noted(), HashMap::from([(id(2), 1)]));
    assert_eq!(desk.answer(2).unwrap(), "[[1500]]");
    while !noted().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "still noted");
    }
    // One of an earlier run is noted before it runs, and one that was begun twice is not run.
    let of_before = |index, tries, query: &str| {
        let mut job = raw(index, query);
        (job.recovered, job.tries) = (true, tries);
        job
    };
    desk.submit(vec![of_before(3, 1, "SELECT stall(200)")]);
    while noted().is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "not noted before"
        );
    }
    assert_eq!(desk.answer(3).unwrap(), "[[200]]");
    assert!(noted().is_empty());
    let write = "INSERT INTO user_x_t VALUES (4, 4)";
    desk.submit(vec![of_before(4, 2, write)]);
    assert_eq!(desk.reason(4), "Interrupted");
    assert_eq!(desk.value("SELECT count(*) FROM user_x_t"), "Integer(0)");
    // What the journal knows has ended well.
    desk.submit(vec![raw(5, write)]);
    assert_eq!(desk.answer(5).unwrap(), "[]");
    desk.seen.clear();
    desk.submit(vec![of_before(5, 2, write)]);
    assert_eq!(desk.answer(5).unwrap(), "[]");
}
