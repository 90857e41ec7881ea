//! The bridge on a good day and with mistaken callers: functions, chains, hosts, restarts.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;
use vpid::protocol::names;

use crate::support::{Vpid, call, insert, stays, wait_until};

fn is_error(answer: &Value, function: &str, reason: &str) -> bool {
    let start = format!("[VPI ERROR] ({function}) :: {reason}");
    answer.as_str().is_some_and(|text| text.starts_with(&start))
}

#[test]
fn the_built_in_functions_answer() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    assert_eq!(host.ask("VPI_Ping", Value::Null), "pong");
    let echo = json!({"a": [1, -2, 3.5, null, true], "b": {"c": "d"}});
    assert_eq!(host.ask("VPI_Ping", echo.clone()), echo);
    let info = host.ask("VPI_Info", Value::Null);
    assert_eq!(info["name"], "vpid");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["database"], "sqlite");
    let functions = info["functions"].as_array().unwrap();
    assert!(functions.contains(&json!("VPI_DB_UserSelect")));
    assert!(!functions.contains(&json!("VPI_DB_RawExecute")));
}

#[test]
fn without_vyhub_its_functions_are_answered_too() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let answer = host.ask("VYHUB_GetUser", json!({"player": 2}));
    assert!(
        is_error(&answer, "VYHUB_GetUser", "VyHubUnavailable"),
        "{answer}"
    );
}

#[test]
fn every_sql_function_answers_in_the_shape_that_scripts_know() {
    let vpid = Vpid::new()
        .permission("raw_sql = [\"admin.nut\"]")
        .started();
    let mut host = vpid.host("my_server");
    let make = "CREATE TABLE user_test_t (id INTEGER PRIMARY KEY, name TEXT, wins INTEGER)";
    let made = host.ask_as("admin.nut", "VPI_DB_RawExecute", json!({"query": make}));
    assert_eq!(made, json!([]));
    let table = "user_test_t";
    let story = [
        (
            "VPI_DB_UserInsert",
            json!({"table": table, "values": [[1, "'bob'", 3], [2, "'eve'", 4]]}),
            json!(2),
        ),
        (
            "VPI_DB_UserInsert",
            json!({"table": table, "columns": ["name"], "values": ["'mia'"]}),
            json!(1),
        ),
        (
            "VPI_DB_UserUpdate",
            json!({"table": table, "values": {"wins": "wins + 1"}, "filter_column": "id", "filter_op": "<", "filter_value": 3}),
            json!(2),
        ),
        (
            "VPI_DB_UserInsertOrUpdate",
            json!({"table": table, "values": [1, "'bob'", 10], "update_values": {"t.wins": "t.wins + n.wins"}}),
            json!(1),
        ),
        (
            "VPI_DB_UserSelect",
            json!({"table": table}),
            json!([[1, "bob", 14], [2, "eve", 5], [3, "mia", null]]),
        ),
        (
            "VPI_DB_UserSelect",
            json!({"table": table, "columns": ["name"], "filter_column": "wins", "filter_op": ">=", "filter_value": 5}),
            json!([["bob"], ["eve"]]),
        ),
        (
            "VPI_DB_UserDelete",
            json!({"table": table, "filter_column": "name", "filter_value": "eve"}),
            json!(1),
        ),
        (
            "VPI_DB_UserDelete",
            json!({"table": table, "wipe": true}),
            Value::Null,
        ),
        ("VPI_DB_UserSelect", json!({"table": table}), json!([])),
    ];
    for (function, kwargs, expected) in story {
        assert_eq!(
            host.ask(function, kwargs.clone()),
            expected,
            "{function} {kwargs}"
        );
    }
    let count = json!({"query": "SELECT count(*), %s FROM user_test_t", "format": ["x"]});
    let counted = host.ask_as("admin.nut", "VPI_DB_RawExecute", count);
    assert_eq!(counted, json!([[0, "x"]]));
}

#[test]
fn a_mistaken_call_answers_its_own_caller_and_disturbs_no_one_beside_it() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let calls = [
        call("VPI_Ping", json!({"n": 1})),
        call("VPI_Nonsense", Value::Null),
        call("os.system", json!({"command": "true"})),
        insert(1),
        call("VPI_DB_RawExecute", json!({"query": "SELECT 1"})),
        call("VPI_DB_UserSelect", json!({"table": "user_other_t"})),
        call(
            "VPI_DB_UserSelect",
            json!({"table": "user_test_t, secrets"}),
        ),
        call("VPI_DB_UserSelect", Value::Null),
        call("VPI_DB_UserSelect", json!({"table": "user_test_missing"})),
        call(
            "VPI_DB_UserInsert",
            json!({"table": "user_test_numbers", "values": [1, 2]}),
        ),
        insert(2),
        call("VPI_Ping", json!({"n": 2})),
    ];
    let tokens = host.send(&calls).unwrap();
    let answers = host.answers(&tokens);
    let expected = [
        (1, "VPI_Nonsense", "UnknownFunction"),
        (2, "os.system", "UnknownFunction"),
        (4, "VPI_DB_RawExecute", "PermissionError"),
        (5, "VPI_DB_UserSelect", "PermissionError"),
        (6, "VPI_DB_UserSelect", "ValueError"),
        (7, "VPI_DB_UserSelect", "KeyError"),
        (8, "VPI_DB_UserSelect", "OperationalError"),
        (9, "VPI_DB_UserInsert", "OperationalError"),
    ];
    for (index, function, reason) in expected {
        let answer = &answers[index];
        assert!(is_error(answer, function, reason), "{index}: {answer}");
    }
    assert_eq!(answers[0], json!({"n": 1}));
    assert_eq!(answers[3], json!(1));
    assert_eq!(answers[10], json!(1));
    assert_eq!(answers[11], json!({"n": 2}));
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn permissions_say_which_script_calls_what() {
    let vpid = Vpid::new()
        .with_numbers()
        .permission("\"test.nut\" = [\"VPI_DB_User*\"]")
        .permission("\"none.nut\" = []")
        .started();
    let mut host = vpid.host("my_server");
    let kwargs = json!({"table": "user_test_numbers"});
    assert_eq!(host.ask("VPI_DB_UserSelect", kwargs), json!([]));
    let refused = host.ask("VPI_Ping", Value::Null);
    assert!(is_error(&refused, "VPI_Ping", "PermissionError"));
    let refused = host.ask_as("none.nut", "VPI_Info", Value::Null);
    assert!(is_error(&refused, "VPI_Info", "PermissionError"));
    assert_eq!(host.ask_as("other.nut", "VPI_Ping", Value::Null), "pong");
}

#[test]
fn a_chain_runs_in_order_and_answers_its_last_caller() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let update = json!({"table": "user_test_numbers", "values": {"n": "n * 10"}});
    let chain = [
        insert(7),
        call("VPI_DB_UserUpdate", update),
        call("VPI_Ping", Value::Null),
        call("VPI_DB_UserSelect", json!({"table": "user_test_numbers"})),
    ];
    let tokens = host.send_chain(&chain).unwrap();
    let answers = host.all_answers(&tokens[3..]);
    assert_eq!(answers[&tokens[3]], json!([[70]]));
    host.ping();
    assert!(tokens[..3].iter().all(|token| !answers.contains_key(token)));
}

/// Insert, or let it fail where it is there; then select: what such chains are for.
#[test]
fn a_stock_chain_goes_on_after_errors_and_answers_with_its_last_call() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let missing = json!({"table": "user_test_missing", "values": [1]});
    let select = json!({"table": "user_test_numbers"});
    let chain = [
        insert(1),
        call("VPI_DB_UserInsert", missing.clone()),
        call("VPI_Nothing", Value::Null),
        call("VPI_DB_RawExecute", json!({"query": "SELECT 1"})),
        call("VPI_DB_UserUpdate", json!("no table")),
        insert(2),
        call("VPI_DB_UserSelect", select.clone()),
    ];
    let tokens = host.send_chain(&chain).unwrap();
    assert_eq!(host.answers(&tokens[6..]), [json!([[1], [2]])]);
    // The last one's error is the answer; where it is passed over, what stood before it is.
    let chain = [insert(3), call("VPI_DB_UserInsert", missing)];
    let tokens = host.send_chain(&chain).unwrap();
    let answer = &host.answers(&tokens[1..])[0];
    assert!(is_error(answer, "VPI_DB_UserInsert", "OperationalError"));
    let chain = [insert(4), call("Print", Value::Null)];
    let tokens = host.send_chain(&chain).unwrap();
    assert_eq!(host.answers(&tokens[1..]), [json!(1)]);
    vpid.wait_for_log("a call of a chain is passed over: [VPI ERROR] (Print)");
    assert_eq!(vpid.numbers(), [1, 2, 3, 4]);
}

#[test]
fn calls_of_a_host_run_in_the_order_of_its_files() {
    let mut vpid = Vpid::new().with_numbers();
    let mut host = vpid.host("my_server");
    let mut tell = |n: i64| {
        let kwargs = json!({"table": "user_test_numbers", "values": [n]});
        host.tell("VPI_DB_UserInsert", kwargs);
    };
    // Half of them are found by a scan, which comes upon them in no order.
    (0..25).for_each(&mut tell);
    vpid.start();
    (25..50).for_each(&mut tell);
    wait_until("all are there", || vpid.numbers().len() == 50);
    let in_order: Vec<i64> = {
        let sql = vpid.sql();
        let mut rows = sql
            .prepare("SELECT n FROM user_test_numbers ORDER BY rowid")
            .unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(in_order, (0..50).collect::<Vec<i64>>());
}

#[test]
fn two_hosts_in_one_folder_get_their_own_answers_only() {
    let vpid = Vpid::running();
    let mut red = vpid.host("red");
    let mut blue = vpid.host("blue");
    let red_tokens: Vec<_> = (0..20)
        .map(|n| red.send_one("VPI_Ping", json!({"red": n})))
        .collect();
    let blue_tokens: Vec<_> = (0..20)
        .map(|n| blue.send_one("VPI_Ping", json!({"blue": n})))
        .collect();
    for (n, answer) in red.answers(&red_tokens).iter().enumerate() {
        assert_eq!(*answer, json!({"red": n}));
    }
    for (n, answer) in blue.answers(&blue_tokens).iter().enumerate() {
        assert_eq!(*answer, json!({"blue": n}));
    }
}

#[test]
fn a_hostname_that_holds_vpi_is_answered() {
    let vpid = Vpid::running();
    for name in ["my_vpi_server", "_vpi_", "", "a_vpi_1_2_output"] {
        vpid.host(name).ping();
    }
}

#[test]
fn a_server_of_one_hostname_leaves_every_other_host_alone() {
    let vpid = Vpid::new().hostnames(&["mine"]).started();
    let (mut mine, mut other) = (vpid.host("mine"), vpid.host("other"));
    other.restart().unwrap();
    let garbage = other.write_raw(b"garbage\0");
    let call = other.next_name();
    other.write(&call, &other.text_of(&[])).unwrap();
    let before = vpid.files();
    for _ in 0..5 {
        mine.ping();
    }
    mine.ping();
    let left: Vec<_> = vpid
        .files()
        .into_iter()
        .filter(|name| name.starts_with("other"))
        .collect();
    let expected: Vec<_> = before
        .into_iter()
        .filter(|name| name.starts_with("other"))
        .collect();
    assert_eq!(left, expected);
    assert!(left.contains(&garbage) && left.contains(&call));
    assert!(vpid.reasons().is_empty());
}

#[test]
fn files_written_while_the_daemon_was_down_are_served_after_its_start() {
    let mut vpid = Vpid::new().with_numbers();
    let mut host = vpid.host("my_server");
    let tokens = host
        .send(&[insert(1), call("VPI_Ping", Value::Null)])
        .unwrap();
    vpid.start();
    assert_eq!(host.answers(&tokens), [json!(1), json!("pong")]);
    vpid.stop();
    let tokens = host.send(&[insert(2)]).unwrap();
    vpid.start();
    assert_eq!(host.answers(&tokens), [json!(1)]);
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn files_older_than_the_restart_run_and_nobody_is_answered() {
    let mut vpid = Vpid::new().with_numbers();
    let mut host = vpid.host("my_server");
    let old = host
        .send(&[insert(1), call("VPI_Ping", Value::Null)])
        .unwrap();
    // The file system's clock may tick slowly: the order is made plain.
    let restart = names::restart("my_server");
    host.restart().unwrap();
    let later = SystemTime::now() + Duration::from_millis(50);
    let file = fs::File::options()
        .write(true)
        .open(host.path_of(&restart))
        .unwrap();
    file.set_modified(later).unwrap();
    vpid.start();
    wait_until("the old call ran", || vpid.numbers() == [1]);
    wait_until("its file went", || {
        !vpid.files().iter().any(|name| name.contains("output"))
    });
    let safely_later = later + Duration::from_millis(50);
    wait_until("the map's time came", || SystemTime::now() > safely_later);
    let new = host.send(&[call("VPI_Ping", json!({"n": 1}))]).unwrap();
    let answers = host.all_answers(&new);
    assert!(
        old.iter().all(|token| !answers.contains_key(token)),
        "{answers:?}"
    );
    assert!(!vpid.files().contains(&restart));
}

#[test]
fn a_call_that_an_earlier_run_took_is_answered_where_its_map_start_is_found_again() {
    let mut vpid = Vpid::new();
    let mut host = vpid.host("my_server");
    host.restart().unwrap();
    // As a run leaves it that dies before it has written down what it took.
    let (name, token) = (host.next_name(), "_1_1_".to_string());
    let text = host.text_of(&[call("VPI_Ping", json!("first")).to_json(&token)]);
    host.write(&names::taken(&name, 2), &text).unwrap();
    vpid.start();
    wait_until("the map start was taken", || {
        !vpid.files().contains(&names::restart("my_server"))
    });
    assert_eq!(host.answers(&[token]), [json!("first")]);
}

#[test]
fn answers_of_an_earlier_map_are_never_shown_after_its_restart() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let old = host.send_one("VPI_Ping", json!({"map": 1}));
    wait_until("the answer is there", || host.peek().unwrap().is_some());
    // The restart file alone, as the client writes it: it does not touch the input file.
    host.write(&names::restart("my_server"), "").unwrap();
    wait_until("the restart was taken", || {
        !vpid.files().contains(&names::restart("my_server"))
    });
    wait_until("the old answers went", || {
        let text = host.peek().unwrap().unwrap_or_default();
        !String::from_utf8_lossy(&text).contains(&old)
    });
    let new = host.send_one("VPI_Ping", json!({"map": 2}));
    let answers = host.all_answers(std::slice::from_ref(&new));
    assert!(!answers.contains_key(&old));
}

#[test]
fn answers_of_an_earlier_map_are_not_shown_after_a_crash_either() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    let lock = vpid.sql();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let old = host.send(&[insert(1)]).unwrap();
    wait_until("the call was taken", || {
        vpid.files().iter().any(|name| name.ends_with(".taken"))
    });
    host.restart().unwrap();
    wait_until("the restart was taken", || {
        !vpid.files().contains(&names::restart("my_server"))
    });
    vpid.kill();
    drop(lock);
    vpid.start();
    wait_until("the old call ran", || vpid.numbers() == [1]);
    stays(
        "no answer for the old map",
        Duration::from_millis(300),
        || {
            let text = host.peek().unwrap().unwrap_or_default();
            !String::from_utf8_lossy(&text).contains(&old[0])
        },
    );
}

#[test]
fn a_script_that_wants_no_answer_gets_none() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let silent = GameCall {
        callback: false,
        ..insert(5)
    };
    let tokens = host.send(&[silent, call("VPI_Ping", Value::Null)]).unwrap();
    let answers = host.all_answers(&tokens[1..]);
    wait_until("the call ran", || vpid.numbers() == [5]);
    assert!(!answers.contains_key(&tokens[0]));
    host.ping();
}
