//! Call files with odd content: what games write that is not JSON, what attackers would, and
//! folders with far too much in them.

use std::fs;

use serde_json::{Value, json};
use vpid::limits;
use vpid::protocol::names;

use crate::support::{Vpid, call, wait_until};

/// A good file in which this stands for the arguments of `VPI_Ping`, with the token `t`.
fn with_kwargs(host: &crate::support::Host, kwargs: &[u8]) -> Vec<u8> {
    let call = json!({"token": "t", "func": "VPI_Ping", "kwargs": "HERE", "script": "x.nut", "callback": true});
    let text = host.text_of(&[call]);
    let (before, after) = text.split_once("\"HERE\"").unwrap();
    [before.as_bytes(), kwargs, after.as_bytes(), b"\0"].concat()
}

#[test]
fn what_real_games_write_is_read_although_it_is_not_json() {
    let vpid = Vpid::running();
    // Keys come back escaped, and are read without unescaping, as the stock decoder does.
    let cases: [(&[u8], Value); 7] = [
        (
            b"{\"n\": [nan, -nan(ind), inf, -inf, 1e+10]}",
            json!({"n": [null, null, null, null, "10000000000.0"]}),
        ),
        (
            b"{\"name\": \"cut \xe6\x97\"}",
            json!({"name": "cut \u{fffd}"}),
        ),
        (
            b"{\"name\": \"\x07ff0000red\x01\"}",
            json!({"name": "\u{7}ff0000red\u{1}"}),
        ),
        (b"{\"a \"b\" c\": 1}", json!({"a \\\"b\\\" c": 1})),
        (b"{\"back\\\": 1}", json!({"back\\\\ ": 1})),
        (
            b"{\"t\": \"caf\xc3\xa9 \\u00e9\"}",
            json!({"t": "caf\u{e9} \u{e9}"}),
        ),
        (
            b"{\"f\": 1.5, \"i\": 3.0, \"neg\": -7}",
            json!({"f": 1.5, "i": 3.0, "neg": -7}),
        ),
    ];
    for (number, (kwargs, expected)) in cases.into_iter().enumerate() {
        let mut host = vpid.host(&format!("server{number}"));
        host.write_raw(&with_kwargs(&host, kwargs));
        let answer = &host.answers(&["t".into()])[0];
        if number == 0 {
            assert_eq!(answer["n"][0], Value::Null);
            assert_eq!(answer["n"][3], Value::Null);
            assert_eq!(answer["n"][4].as_f64(), Some(1e10));
        } else {
            assert_eq!(*answer, expected);
        }
    }
}

#[test]
fn nesting_is_bounded_and_deep_files_are_set_aside() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let deep = |depth: usize| format!("{{\"d\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    host.write_raw(&with_kwargs(&host, deep(40).as_bytes()));
    host.answers(&["t".into()]);
    for depth in [100, 200_000] {
        let before = vpid.reasons().len();
        host.write_raw(&with_kwargs(&host, deep(depth).as_bytes()));
        wait_until("set aside", || vpid.reasons().len() > before);
        assert!(vpid.reasons()[before].contains("less nesting"));
    }
    host.ping();
}

#[test]
fn very_long_names_are_mistakes_of_their_calls_alone() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let long = "x".repeat(100_000);
    let calls = [
        json!({"token": long, "func": "VPI_Ping", "script": "x.nut", "callback": true}),
        json!({"token": "func", "func": long, "script": "x.nut", "callback": true}),
        json!({"token": "script", "func": "VPI_Ping", "script": long, "callback": true}),
        json!({"token": "table", "func": "VPI_DB_UserSelect", "script": "x.nut", "callback": true, "kwargs": {"table": long}}),
        json!({"token": "column", "func": "VPI_DB_UserSelect", "script": "x.nut", "callback": true,
            "kwargs": {"table": "user_x_t", "filter_column": long, "filter_value": 1}}),
        json!({"token": "good", "func": "VPI_Ping", "script": "x.nut", "callback": true}),
    ];
    host.write_raw(format!("{}\0", host.text_of(&calls)).as_bytes());
    let answers = host.answers(&["func", "script", "table", "column", "good"].map(String::from));
    for answer in &answers[..4] {
        let text = answer.as_str().unwrap();
        assert!(
            text.starts_with("[VPI ERROR]") && text.len() < 1_000,
            "{} bytes",
            text.len()
        );
    }
    assert_eq!(answers[4], "pong");
}

#[test]
fn too_many_calls_in_one_file_are_set_aside_and_as_many_as_fit_are_answered() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let call = |token: usize| json!({"token": token.to_string(), "func": "VPI_Ping", "script": "x.nut", "callback": true});
    let list = |count: usize| (0..count).map(call).collect::<Vec<_>>();
    host.write_raw(format!("{}\0", host.text_of(&list(limits::FILE_CALLS_MAX + 1))).as_bytes());
    vpid.wait_for_reason("more than 4096 calls");
    host.write_raw(format!("{}\0", host.text_of(&list(limits::FILE_CALLS_MAX))).as_bytes());
    let tokens: Vec<String> = (0..limits::FILE_CALLS_MAX).map(|n| n.to_string()).collect();
    let answers = host.answers(&tokens);
    assert!(answers.iter().all(|answer| answer == "pong"));
}

#[test]
fn a_token_that_stands_twice_is_answered_once_and_both_its_calls_run() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let insert = |n: u32| {
        json!({"token": "same", "func": "VPI_DB_UserInsert", "script": "test.nut", "callback": true,
            "kwargs": {"table": "user_test_numbers", "values": [n]}})
    };
    host.write_raw(format!("{}\0", host.text_of(&[insert(1), insert(2)])).as_bytes());
    wait_until("the answer", || host.peek().unwrap().is_some());
    let text = String::from_utf8(host.peek().unwrap().unwrap()).unwrap();
    assert_eq!(
        text.matches("\"same\"").count(),
        1,
        "twice voids the file: {text}"
    );
    assert_eq!(host.answers(&["same".into()]), [json!(1)]);
    assert_eq!(vpid.numbers(), [1, 2]);
    host.ping();
}

#[test]
fn the_folder_of_rejected_files_is_bounded_and_the_newest_stay() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let count = limits::REJECTED_FILES_MAX + 30;
    for number in 0..count {
        host.write_raw(format!("garbage {number}\0").as_bytes());
    }
    host.ping();
    wait_until("all were rejected", || {
        let files = vpid.files();
        !files.iter().any(|name| name.contains("_output."))
    });
    let kept: Vec<_> = fs::read_dir(vpid.path("state/rejected"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_none_or(|extension| extension != "reason")
        })
        .collect();
    assert!(
        kept.len() <= limits::REJECTED_FILES_MAX,
        "{} files",
        kept.len()
    );
    assert_eq!(vpid.reasons().len(), kept.len());
    let newest = kept.iter().max().unwrap();
    let newest = fs::read_to_string(newest).unwrap();
    assert_eq!(newest, format!("garbage {}\0", count - 1));
    let oldest = fs::read_to_string(kept.iter().min().unwrap()).unwrap();
    assert_ne!(oldest, "garbage 0\0");
}

#[test]
fn thousands_of_files_of_others_are_neither_touched_nor_in_the_way() {
    for watch in ["inotify", "poll"] {
        let vpid = Vpid::new().setting(&format!("watch = \"{watch}\""));
        for number in 0..10_000 {
            fs::write(vpid.scriptdata().join(format!("player_{number}.txt")), "x").unwrap();
        }
        let inner = vpid.scriptdata().join("mge_playerdata");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join(names::calls("my_server", 1, 1)), "garbage\0").unwrap();
        let near = [
            "a_vpi_x_y_output.interface",
            "my_server_vpi_1_2_output.interface.bak",
            "vpi.interface",
        ];
        for name in near {
            fs::write(vpid.scriptdata().join(name), "not ours").unwrap();
        }
        let vpid = vpid.started();
        let mut host = vpid.host("my_server");
        let tokens: Vec<_> = (0..20)
            .map(|_| {
                host.send(&[call("VPI_Ping", Value::Null)])
                    .unwrap()
                    .remove(0)
            })
            .collect();
        host.answers(&tokens);
        host.empty().unwrap();
        wait_until("nothing but theirs and one of ours is there", || {
            vpid.files().len() == 10_000 + 1 + near.len() + 1
        });
        let left = vpid.files();
        assert!(near.iter().all(|name| left.contains(&name.to_string())));
        assert!(inner.join(names::calls("my_server", 1, 1)).exists());
    }
}
