//! Statements that would run for ever: their callers are answered in time, other calls go on, a
//! stop is quick, and what vpid was killed over does not come back at each start.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;
use vpid::limits::{SQL_SUSPECT_MS, STOP_END_MS};

use crate::support::{Host, Vpid, call, insert, wait_for, wait_until};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
const ENDLESS_WRITE: &str = "INSERT INTO user_test_numbers \
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

/// What the machine may be slower than is meant.
const SLACK: Duration = Duration::from_secs(10);

fn vpid() -> Vpid {
    Vpid::new()
        .permission("raw_sql = [\"test.nut\"]")
        .setting("call_deadline_ms = 1500")
        .with_numbers()
}

fn raw(query: &str) -> GameCall {
    call("VPI_DB_RawExecute", json!({ "query": query }))
}

/// A call whose caller does not wait: its time is the longest that a statement has.
fn unwaited(query: &str) -> GameCall {
    GameCall {
        callback: false,
        ..raw(query)
    }
}

fn reason(answer: &Value) -> &str {
    let text = answer.as_str().unwrap_or_else(|| panic!("{answer}"));
    let (_, reason) = text.split_once(" :: ").unwrap_or_else(|| panic!("{text}"));
    reason.split(':').next().unwrap()
}

/// Calls that were noted as running long, or were noted before they ran.
fn noted(vpid: &Vpid) -> u64 {
    let file = std::fs::metadata(vpid.path("state/tried"));
    file.map_or(0, |file| file.len() / 16)
}

fn update(host: &mut Host, values: Value) -> Value {
    host.ask(
        "VPI_DB_UserUpdate",
        json!({"table": "user_test_long", "values": values, "filter_column": "n", "filter_value": 1}),
    )
}

/// Attack 1 as it was seen: a column is doubled until it has 7.7 MB, and then searched.
#[test]
fn a_column_that_is_doubled_and_searched_holds_nobody_up() {
    let vpid = vpid().started();
    let mut host = vpid.host("red");
    let mut other = vpid.host("blue");
    host.ask(
        "VPI_DB_RawExecute",
        json!({"query": "CREATE TABLE user_test_long (n INTEGER, x, y)"}),
    );
    let long = "a".repeat(30_000);
    host.ask(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_long", "values": [1, format!("'{long}'"), format!("'{}b'", &long[..15_000])]}),
    );
    let mut grown = 0;
    while update(&mut host, json!({"x": "x || x"})) == 1 {
        update(&mut host, json!({"y": "SUBSTR(y, 1, LENGTH(y) - 1) || y"}));
        grown += 1;
        assert!(grown < 8, "a text of {} bytes", 30_000 << grown);
    }
    // Both columns together are a row.
    assert_eq!(grown, 4, "a megabyte is allowed");
    let error = update(&mut host, json!({"x": "x || x"}));
    assert_eq!(reason(&error), "OperationalError");
    assert!(error.as_str().unwrap().contains("1048576 bytes"), "{error}");
    for column in [
        "LENGTH(REPLACE(x, y, ''))",
        "LENGTH(REPLACE(REPLACE(x, y, ''), y, x))",
    ] {
        let began = Instant::now();
        let kwargs = json!({"table": "user_test_long", "columns": [column]});
        let searched = host.send_one("VPI_DB_UserSelect", kwargs);
        other.ask(
            "VPI_DB_UserInsert",
            json!({"table": "user_test_numbers", "values": [7]}),
        );
        host.answers(&[searched]);
        assert!(
            began.elapsed() < SLACK,
            "{column} took {:?}",
            began.elapsed()
        );
    }
    let like = json!({
        "table": "user_test_long", "columns": ["n"], "filter_column": "x", "filter_op": "LIKE",
        "filter_value": format!("%{}b", "a".repeat(20_000)),
    });
    let error = host.ask("VPI_DB_UserSelect", like);
    assert!(error.as_str().unwrap().contains("128 bytes"), "{error}");
}

#[test]
fn other_calls_go_on_beside_statements_that_never_end() {
    let vpid = vpid().started();
    let mut host = vpid.host("red");
    let mut other = vpid.host("blue");
    host.ask(
        "VPI_DB_RawExecute",
        json!({"query": "CREATE TABLE user_test_long (x)"}),
    );
    let fill = "INSERT INTO user_test_long WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                FROM n WHERE i < 20) SELECT printf('%.*c', 1000000, 'a') FROM n";
    assert_eq!(
        host.ask("VPI_DB_RawExecute", json!({ "query": fill })),
        json!([])
    );
    let most = "a".repeat(126);
    for (at, query) in [
        ENDLESS.to_owned(),
        format!("SELECT count(*) FROM user_test_long WHERE x LIKE '%{most}b'"),
        "SELECT count(replace(x, substr(x, 1, 500000) || 'b', '')) FROM user_test_long".to_owned(),
        "SELECT printf('%.*c', 1000000000, 'a')".to_owned(),
        "SELECT count(*) FROM (SELECT a.x || b.x FROM user_test_long a, user_test_long b ORDER BY 1)".to_owned(),
        "SELECT count(*) FROM user_test_long a, user_test_long b, json_tree('[' || substr(replace(a.x, 'a', '1,'), 1, 900001) || ']')".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let began = Instant::now();
        let token = host.send(&[raw(query)]).unwrap();
        let number = 10 + at as i64;
        let beside = other.send(&[insert(number)]).unwrap();
        let answer = &host.answers(&token)[0];
        assert!(began.elapsed() < SLACK, "{query}: {:?}", began.elapsed());
        let reasons = ["DeadlineExceeded", "OperationalError"];
        assert!(
            answer.is_array() || reasons.contains(&reason(answer)),
            "{query}: {answer}"
        );
        other.answers(&beside);
        let kwargs = json!({"table": "user_test_numbers", "values": [-number]});
        assert_eq!(other.ask("VPI_DB_UserInsert", kwargs), 1, "{query}");
    }
}

#[test]
fn a_stop_is_quick_though_a_statement_runs() {
    let mut vpid = vpid().started();
    let mut host = vpid.host("red");
    host.send(&[unwaited(ENDLESS)]).unwrap();
    wait_until("it runs", || noted(&vpid) == 1);
    let began = Instant::now();
    assert!(vpid.stop().success());
    let bound = Duration::from_millis(STOP_END_MS) + Duration::from_secs(4);
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
}

/// Kills vpid over a call until that is rejected. `how` writes it; calls before and behind it are
/// done, once each.
fn poison(mut vpid: Vpid, how: impl FnOnce(&Vpid)) {
    vpid.start();
    how(&vpid);
    wait_until("it is noted", || noted(&vpid) == 1);
    vpid.kill();
    // It is noted once more before it begins, so that this may end at any moment.
    let before = vpid.log().len();
    vpid.launch();
    wait_until("it is begun again", || noted(&vpid) == 2);
    vpid.kill();
    assert!(!vpid.log()[before..].contains("rejected"), "{}", vpid.log());
    for _ in 0..3 {
        vpid.launch();
        std::thread::sleep(Duration::from_millis(SQL_SUSPECT_MS / 4));
        vpid.kill();
    }
    vpid.start();
    vpid.wait_for_reason("begun twice");
    wait_until("all others are done", || vpid.numbers() == [1, 2, 3]);
    wait_until("no file is held", || {
        !vpid.files().iter().any(|name| name.ends_with(".taken"))
    });
    let mut host = vpid.host("green");
    let began = Instant::now();
    host.ask(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_numbers", "values": [4]}),
    );
    assert!(began.elapsed() < SLACK);
    assert!(vpid.stop().success());
    vpid.start();
    assert_eq!(vpid.numbers(), [1, 2, 3, 4]);
    assert_eq!(vpid.reasons().len(), 1);
}

#[test]
fn a_call_over_which_vpid_is_killed_twice_is_rejected_and_its_neighbours_are_done() {
    poison(vpid(), |vpid| {
        let mut host = vpid.host("red");
        host.send(&[insert(1)]).unwrap();
        wait_until("the first is done", || vpid.numbers() == [1]);
        host.send(&[unwaited(ENDLESS), insert(2)]).unwrap();
        host.send(&[insert(3)]).unwrap();
    });
}

#[test]
fn so_is_one_that_writes() {
    poison(vpid(), |vpid| {
        let mut host = vpid.host("red");
        host.send(&[insert(1), unwaited(ENDLESS_WRITE), insert(2)])
            .unwrap();
        host.send(&[insert(3)]).unwrap();
    });
}

#[test]
fn so_is_one_in_a_chain_and_the_rest_of_that_runs() {
    poison(vpid(), |vpid| {
        let mut host = vpid.host("red");
        let chain = [insert(1), unwaited(ENDLESS), insert(2)];
        host.send_chain(&chain).unwrap();
        wait_until("the first is done", || vpid.numbers() == [1]);
        host.send(&[insert(3)]).unwrap();
    });
}

#[test]
fn so_is_one_of_a_signed_game() {
    poison(vpid().signed(), |vpid| {
        let mut game = vpid.signed_game("red");
        game.send_calls(&[insert(1), unwaited(ENDLESS)]).unwrap();
        game.send_calls(&[insert(2), insert(3)]).unwrap();
        std::mem::forget(game);
    });
}

#[test]
fn who_still_waits_for_such_a_call_is_told() {
    let mut vpid = vpid().setting("# a longer deadline stands in the call");
    vpid.start();
    let mut host = vpid.host("red");
    let tokens = host.send(&[raw(ENDLESS)]).unwrap();
    wait_until("it is noted", || noted(&vpid) == 1);
    vpid.kill();
    vpid.launch();
    wait_until("it is begun again", || noted(&vpid) == 2);
    vpid.kill();
    vpid.start();
    let answer = wait_for("an answer", || host.all_answers(&tokens).remove(&tokens[0]));
    assert_eq!(reason(&answer), "Interrupted");
    vpid.wait_for_reason("begun twice");
}

#[test]
fn calls_that_wait_are_never_rejected_however_often_vpid_is_killed() {
    let mut vpid = vpid();
    vpid.start();
    let mut host = vpid.host("red");
    let lock = vpid.sql();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    host.send(&[insert(1), insert(2)]).unwrap();
    for _ in 0..6 {
        wait_until("they are taken", || {
            vpid.files().iter().any(|name| name.ends_with(".taken"))
        });
        std::thread::sleep(Duration::from_millis(2 * SQL_SUSPECT_MS));
        vpid.kill();
        vpid.launch();
    }
    drop(lock);
    wait_until("they are done", || vpid.numbers() == [1, 2]);
    assert!(vpid.reasons().is_empty());
}
