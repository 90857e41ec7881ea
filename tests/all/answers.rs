//! Answers: how much fits, in which order, how often they are shown, and what they are made of.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{ForgetfulReader, SECRET, Vpid, call, stays, wait_until};
use serde_json::{Value, json};

/// The stock server's own bound; the engine reads nothing above 16,384.
const FILE_BYTES_MAX: usize = 16_000;

/// An answer of about so many bytes.
fn big(bytes: usize) -> Value {
    json!({"text": "x".repeat(bytes)})
}

#[test]
fn no_answer_file_is_larger_than_the_engine_reads_and_all_come_in_order() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let calls: Vec<_> = (0..20)
        .map(|n| call("VPI_Ping", big(1_000 + 500 * n)))
        .collect();
    let tokens = host.send(&calls).unwrap();
    let mut order = Vec::new();
    let mut files = 0;
    wait_until("all answers", || {
        let text = fs::read(host.input_path()).unwrap_or_default();
        assert!(text.len() <= FILE_BYTES_MAX, "{} bytes", text.len());
        let answers = host.fetch().unwrap();
        files += usize::from(!answers.is_empty());
        // Repetitions may come in between; the first sight of each counts.
        let new = tokens.iter().filter(|token| answers.contains_key(*token));
        let new: Vec<_> = new
            .filter(|token| !order.contains(*token))
            .cloned()
            .collect();
        order.extend(new);
        order.len() == tokens.len()
    });
    assert_eq!(order, tokens);
    assert!(files >= 8, "115 kB in {files} files");
}

#[test]
fn many_small_answers_fill_a_file_but_not_beyond_its_bound() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let calls: Vec<_> = (0..400).map(|_| call("VPI_Ping", big(50))).collect();
    let tokens = host.send(&calls).unwrap();
    wait_until("the first file", || host.peek().unwrap().is_some());
    let bytes = host.peek().unwrap().unwrap().len();
    assert!(
        (FILE_BYTES_MAX * 3 / 4..=FILE_BYTES_MAX).contains(&bytes),
        "{bytes} bytes"
    );
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let bytes = fs::read(host.input_path()).unwrap_or_default().len();
        assert!(bytes <= FILE_BYTES_MAX, "{bytes} bytes");
        if host.fetch().unwrap().contains_key(&tokens[399]) {
            return;
        }
    }
    panic!("the last answer did not come");
}

#[test]
fn an_answer_that_fits_exactly_is_sent_and_one_byte_more_is_an_error() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    // One answer alone tells how much a file holds beside it.
    let tokens = host.send(&[call("VPI_Ping", big(1_000))]).unwrap();
    wait_until("the answer", || host.peek().unwrap().is_some());
    let frame = host.peek().unwrap().unwrap().len() - 1_000;
    host.answers(&tokens);
    let most = FILE_BYTES_MAX - frame;
    // Tokens grow with their number, and the frame is reckoned for the worst identity.
    for bytes in [most - 300, most - 150] {
        assert_eq!(host.ask("VPI_Ping", big(bytes)), big(bytes));
    }
    for bytes in [most + 1, most * 2] {
        let answer = host.ask("VPI_Ping", big(bytes));
        let expected = "[VPI ERROR] (VPI_Ping) :: Response size exceeds maximum";
        assert_eq!(answer, expected);
    }
    host.ping();
}

#[test]
fn rows_that_can_never_fit_are_an_error_and_not_half_an_answer() {
    let vpid = Vpid::new().with_numbers().started();
    let fill = "WITH RECURSIVE c(n) AS (SELECT 1000000 UNION ALL SELECT n + 1 FROM c LIMIT 20000)
                INSERT INTO user_test_numbers SELECT n FROM c";
    vpid.sql().execute_batch(fill).unwrap();
    let mut host = vpid.host("my_server");
    for limit in [2_500, 20_000] {
        let kwargs = json!({"table": "user_test_numbers", "filter_column": "n", "filter_op": "<", "filter_value": 1_000_000 + limit});
        let answer = host.ask("VPI_DB_UserSelect", kwargs);
        let expected = "[VPI ERROR] (VPI_DB_UserSelect) :: Response size exceeds maximum";
        assert_eq!(answer, expected);
    }
    host.ping();
}

#[test]
fn a_fresh_answer_joins_those_that_nobody_has_fetched() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let mut tokens = Vec::new();
    for n in 0..5 {
        tokens.push(host.send_one("VPI_Ping", json!({"n": n})));
        wait_until("all that was asked is in the file", || {
            let text = host.peek().unwrap().unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            tokens.iter().all(|token| text.contains(token))
        });
    }
    let answers = host.fetch().unwrap();
    assert_eq!(answers.len(), 5);
}

#[test]
fn a_client_that_forgets_answers_gets_all_of_them_in_the_end() {
    let vpid = Vpid::running();
    for burst in [4, 40, 64] {
        let mut host = vpid.host(&format!("server{burst}"));
        let calls: Vec<_> = (0..burst)
            .map(|n| call("VPI_Ping", json!({"n": n})))
            .collect();
        let tokens = host.send(&calls).unwrap();
        let mut reader = ForgetfulReader::new(&tokens);
        reader.read_until(&host, Duration::from_secs(3));
        assert!(reader.overlooked > 0, "the model forgets nothing");
        for (n, token) in tokens.iter().enumerate() {
            let delivered = reader.delivered.get(token);
            assert_eq!(delivered, Some(&json!({"n": n})), "{n} of {burst} was lost");
        }
    }
}

#[test]
fn answers_are_repeated_until_their_callers_have_timed_out_and_no_longer() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let began = Instant::now();
    let tokens = host
        .send(&[call("VPI_Ping", Value::Null), call("VPI_Ping", Value::Null)])
        .unwrap();
    let mut last_seen = began;
    let silence = Duration::from_millis(1_500);
    let mut times = 0;
    while last_seen.elapsed() < silence {
        let answers = host.fetch().unwrap();
        if !answers.is_empty() {
            assert!(tokens.iter().all(|token| answers.contains_key(token)));
            times += 1;
            last_seen = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let shown_for = last_seen - began;
    assert!(times > 5, "shown {times} times");
    assert!(
        shown_for > Duration::from_millis(3_500),
        "only {shown_for:?}"
    );
    // Two seconds for a slow machine.
    let most = Duration::from_millis(6_500);
    assert!(shown_for < most, "still after {shown_for:?}");
    assert!(host.peek().unwrap().is_none());
}

#[test]
fn every_answer_carries_an_identity_that_a_stock_client_can_read() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    for n in 0..60 {
        let token = host.send_one("VPI_Ping", json!({"n": n}));
        wait_until("the answer", || host.peek().unwrap().is_some());
        let text = String::from_utf8(host.peek().unwrap().unwrap()).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for name in ["enc", "iv"] {
            let sealed = file["Identity"][name].as_str().unwrap();
            assert_eq!(sealed.len(), SECRET.len());
            assert!(!sealed.contains(['\\', '"']), "{sealed}");
        }
        assert_eq!(file["Identity"]["ticks"], 0);
        assert!(
            !text.contains("\\u"),
            "the stock client reads that byte by byte"
        );
        // Reading checks the identity.
        assert!(host.fetch().unwrap().contains_key(&token));
    }
}

#[test]
fn texts_and_numbers_come_back_as_the_stock_client_can_hold_them() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    let same = [
        json!({"t": "quote \" backslash \\ slash / end"}),
        json!({"t": "tab\t newline\n return\r feed\u{c} back\u{8}"}),
        json!({"t": "\u{7}ff0000red \u{1}default"}),
        json!({"t": "caf\u{e9} \u{65e5}\u{672c} \u{1f600}"}),
        json!({"t": ""}),
        json!({"n": [0, -1, 2_147_483_647, -2_147_483_648_i64, 0.5, -2.25]}),
        json!({"deep": {"er": [[[]], {}]}}),
    ];
    for value in same {
        assert_eq!(host.ask("VPI_Ping", value.clone()), value);
    }
    let wide = json!({"n": [2_147_483_648_i64, 76_561_197_960_287_930_i64, -9_000_000_000_i64]});
    let as_texts = json!({"n": ["2147483648", "76561197960287930", "-9000000000"]});
    assert_eq!(host.ask("VPI_Ping", wide), as_texts);
    let answer = host.ask("VPI_Ping", json!({"t": "ends in \\"}));
    assert_eq!(
        answer,
        json!({"t": "ends in \\ "}),
        "else the whole file is void"
    );
}

#[test]
fn texts_and_numbers_of_the_database_come_back_too() {
    let vpid = Vpid::new();
    let make = "CREATE TABLE user_test_t (a, b, c, d, e);
                INSERT INTO user_test_t VALUES (76561197960287930, 'it''s \"\\ \u{7}caf\u{e9}', 1e20, x'01', NULL)";
    vpid.sql().execute_batch(make).unwrap();
    let vpid = vpid.started();
    let mut host = vpid.host("my_server");
    let rows = host.ask("VPI_DB_UserSelect", json!({"table": "user_test_t"}));
    let text = "it's \"\\ \u{7}caf\u{e9}";
    assert_eq!(rows, json!([["76561197960287930", text, 1e20, true, null]]));
}

#[test]
fn a_young_file_that_somebody_else_wrote_is_left_to_its_reader() {
    let vpid = Vpid::new();
    let mut host = vpid.host("my_server");
    let foreign = "{\"Calls\":{\"somebody\":\"else\"}}";
    fs::write(host.input_path(), foreign).unwrap();
    let vpid = vpid.started();
    let token = host.send_one("VPI_Ping", Value::Null);
    stays("the foreign file", Duration::from_millis(1_500), || {
        fs::read_to_string(host.input_path()).unwrap() == foreign
    });
    // Its reader empties it: then it is ours.
    host.empty().unwrap();
    assert_eq!(host.answers(&[token]), ["pong"]);
    drop(vpid);
}

#[test]
fn an_old_file_that_nobody_empties_does_not_stop_the_answers() {
    let vpid = Vpid::new();
    let mut host = vpid.host("my_server");
    fs::write(host.input_path(), "left over").unwrap();
    let _vpid = vpid.started();
    let token = host.send_one("VPI_Ping", Value::Null);
    wait_until("the left-over was replaced", || {
        let text = host.peek().unwrap().unwrap_or_default();
        String::from_utf8_lossy(&text).contains(&token)
    });
}

#[test]
fn empty_blank_and_missing_files_are_room_for_answers() {
    let vpid = Vpid::running();
    for (n, content) in [&b""[..], b"\0", b" \n", b"\0\0"].into_iter().enumerate() {
        let mut host = vpid.host(&format!("server{n}"));
        fs::write(host.input_path(), content).unwrap();
        host.ping();
    }
    let mut host = vpid.host("none");
    assert!(!host.input_path().exists());
    host.ping();
}

#[test]
fn answers_that_wait_for_room_go_with_their_map() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    // As many as several files hold: what waits behind the first one has never been shown.
    let calls: Vec<_> = (0..4).map(|_| call("VPI_Ping", big(9_000))).collect();
    host.send(&calls).unwrap();
    wait_until("the first answer", || host.peek().unwrap().is_some());
    assert!(vpid.files().iter().any(|name| name.ends_with(".taken")));
    host.restart().unwrap();
    wait_until("their file went", || {
        !vpid.files().iter().any(|name| name.ends_with(".taken"))
    });
    host.ping();
}
