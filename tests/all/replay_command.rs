//! `vpid replay`: rejected and saved call files run again, and those that prove nothing only if the operator says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::commands::output_of;
use crate::support::{PATIENCE, Vpid, program};

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// `vpid replay` with these options and files: exit code, output, errors.
fn replay(vpid: &Vpid, options: &[&str], files: &[&Path]) -> (i32, String, String) {
    let files = files
        .iter()
        .map(|path| path.to_str().expect("a plain path"));
    let words: Vec<&str> = ["replay"]
        .into_iter()
        .chain(options.iter().copied())
        .chain(files)
        .collect();
    let output = vpid.command(&words);
    let (out, err) = said(&output);
    (output.status.code().expect("an exit code"), out, err)
}

fn insert(token: &str, number: i64) -> Value {
    json!({"token": token, "func": "VPI_DB_UserInsert", "script": "test.nut", "callback": true,
        "kwargs": {"table": "user_test_numbers", "values": [number]}})
}

/// The call file that was rejected last.
#[track_caller]
fn rejected(vpid: &Vpid) -> PathBuf {
    let folder = vpid.path("state/rejected");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = names.collect();
    files.retain(|path| path.extension().is_none_or(|it| it != "reason"));
    files.sort();
    files.pop().expect("a rejected file")
}

#[test]
fn a_rejected_stock_file_is_shown_and_run_only_where_the_operator_trusts_it() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let text = host.text_of(&[insert("t", 1)]) + "\0";
    host.write_raw(text.as_bytes());
    host.answers(&["t".into()]);
    host.write_raw(text.as_bytes());
    vpid.wait_for_reason("used before");
    let file = rejected(&vpid);

    let (code, out, err) = replay(&vpid, &["--dry-run"], &[&file]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for part in [
        "1 call of the host my_server",
        "it was rejected: its identity was used before: it is a replay",
        "it is not signed: its identity has the secret of",
        r#"1. VPI_DB_UserInsert of test.nut {"table":"user_test_numbers","values":[1]}"#,
    ] {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    let (code, _, err) = replay(&vpid, &[], &[&file]);
    assert_eq!(code, 1);
    assert!(
        err.contains("nothing was run. If you trust these calls, run them with --unsigned"),
        "{err}"
    );
    assert_eq!(vpid.numbers(), [1]);

    let reason = PathBuf::from(format!("{}.reason", file.display()));
    let (code, out, err) = replay(&vpid, &["--unsigned"], &[&file, &reason]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("\n   1\n"), "{out}");
    assert_eq!(vpid.numbers(), [1, 1]);
}

#[test]
fn a_signed_file_runs_while_its_session_is_known_and_is_what_the_game_wrote() {
    let mut vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    let calls = [
        json!({"event": "map_start", "data": {"map": "m"}}),
        json!({"call": 1, "func": "VPI_DB_UserInsert", "script": "test.nut", "wait": true, "texts": "sql",
            "kwargs": {"table": "user_test_numbers", "values": ["2 + 3"]}}),
    ];
    let (name, text) = game.next_text(&calls);
    game.write(&name, &text).unwrap();
    assert_eq!(game.answer(1, PATIENCE).unwrap(), Some(Ok(json!(1))));
    let copy = vpid.path(&name);
    fs::write(&copy, &text).unwrap();

    let (code, out, err) = replay(&vpid, &[], &[&copy]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("1 call of the host my_server; 1 message that is no call is left out"),
        "{out}"
    );
    assert!(
        out.contains("its signature is good") && out.ends_with("\n   1\n"),
        "{out}"
    );
    assert_eq!(vpid.numbers(), [5, 5]);

    // Another name, and another text.
    let renamed = vpid.path("copy");
    fs::write(&renamed, &text).unwrap();
    fs::write(&copy, text.replace("2 + 3", "2 + 4")).unwrap();
    let (code, _, err) = replay(&vpid, &[], &[&renamed, &copy]);
    assert_eq!(code, 1);
    assert!(err.contains("cannot be checked without the name"), "{err}");
    assert!(err.contains("its signature is wrong"), "{err}");

    // The session is lost with the state folder.
    fs::write(&copy, &text).unwrap();
    vpid.stop();
    fs::remove_file(vpid.path("state/sessions")).unwrap();
    vpid.start();
    let (code, out, err) = replay(&vpid, &[], &[&copy]);
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("its session is not known any more"), "{err}");
    assert_eq!(vpid.numbers(), [5, 5]);
    let (code, out, _) = replay(&vpid, &["--unsigned"], &[&copy]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(vpid.numbers(), [5, 5, 5]);
}

#[test]
fn a_bad_file_is_reported_and_the_others_run() {
    let vpid = Vpid::new().with_numbers().started();
    let host = vpid.host("my_server");
    let at = |name: &str, text: &[u8]| {
        let path = vpid.path(name);
        fs::write(&path, text).unwrap();
        path
    };
    let missing = vpid.path("missing");
    let garbage = at("garbage", b"{\"Calls\": \x1b[2J");
    let large = at("large", &vec![b' '; (1 << 20) + 1]);
    let frame = at("frame", b"vpid1 0 5\n[]\nff");
    let good = at("good", host.text_of(&[insert("t", 1)]).as_bytes());
    let bad_call = at(
        "bad_call",
        host.text_of(&[json!({"func": "VPI_Ping"}), insert("t", 2)])
            .as_bytes(),
    );
    let files = [&missing, &garbage, &large, &frame, &good, &bad_call].map(PathBuf::as_path);
    let (code, out, err) = replay(&vpid, &["--unsigned"], &files);
    assert_eq!(code, 1);
    for part in [
        "missing: No such file",
        "garbage: it is not the JSON a game writes",
        "large: it has more than 1048576 bytes",
        "frame: it is shorter or longer than it says",
    ] {
        assert!(err.contains(part), "{part:?} is not in {err}");
    }
    assert_eq!(err.lines().count(), 4, "{err}");
    assert!(!err.contains('\u{1b}') && !out.contains('\u{1b}'));
    assert!(
        out.contains("cannot be read: it needs `script`, a text"),
        "{out}"
    );
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn what_is_no_regular_file_is_refused_at_once_and_a_reason_is_read_only_from_one() {
    let vpid = Vpid::new().with_numbers().started();
    let fifo = |name: &str| {
        let path = vpid.path(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    };
    let alone = fifo("alone");
    let good = vpid.path("good");
    let text = vpid.host("my_server").text_of(&[insert("t", 1)]);
    fs::write(&good, text).unwrap();
    fifo("good.reason");
    let folder = vpid.path("state");
    let files = [&alone, &folder, &good].map(PathBuf::as_path);
    let (code, out, err) = replay(&vpid, &["--unsigned"], &files);
    assert_eq!(code, 1, "{out}");
    assert_eq!(err.matches("it is no regular file").count(), 2, "{err}");
    assert!(!out.contains("rejected"), "{out}");
    assert_eq!(vpid.numbers(), [1]);

    // It may also have no end.
    let reason = vpid.path("good.reason");
    fs::remove_file(&reason).unwrap();
    fs::write(&reason, "x".repeat(1 << 20)).unwrap();
    let (code, out, err) = replay(&vpid, &["--dry-run"], &[&good]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("it was rejected: xxx") && out.len() < 8_192);
}

#[test]
fn a_call_that_is_too_long_for_the_control_socket_goes_through_the_files() {
    let vpid = Vpid::new().with_numbers().started();
    let long = "x".repeat(100_000);
    let call = json!({"token": "t", "func": "VPI_Info", "script": "test.nut", "callback": true,
        "kwargs": {"a": long}});
    let path = vpid.path("long");
    fs::write(&path, vpid.host("my_server").text_of(&[call])).unwrap();
    let (code, out, err) = replay(&vpid, &["--unsigned", "--json"], &[&path]);
    assert_eq!((code, err.as_str()), (0, ""), "{out:.200}");
    let line: Value = serde_json::from_str(&out).expect("a line of JSON");
    assert!(line["response"].is_object(), "{}", line["response"]);
}

#[test]
fn a_chain_of_signed_scripts_ends_at_an_error_and_one_of_stock_clients_goes_on() {
    let vpid = Vpid::new().signed().with_numbers().started();
    let mut game = vpid.signed_game("my_server");
    let link = |id: u64, func: &str, number: i64| {
        json!({"call": id, "func": func, "script": "test.nut", "wait": id == 3,
            "kwargs": {"table": "user_test_numbers", "values": [number]}})
    };
    let chain = [
        link(1, "VPI_DB_UserInsert", 1),
        link(2, "VPI_No", 0),
        link(3, "VPI_DB_UserInsert", 3),
    ];
    let (name, text) = game.next_text(&[json!({ "chain": chain })]);
    let signed = vpid.path(&name);
    fs::write(&signed, text).unwrap();
    let (code, _, err) = replay(&vpid, &[], &[&signed]);
    assert_eq!(code, 1);
    assert!(
        err.contains("the chain ends here: 1 calls of it were not run"),
        "{err}"
    );
    assert_eq!(vpid.numbers(), [1]);

    let host = vpid.host("my_server");
    let links = [
        insert("a", 5),
        json!({"func": "VPI_No", "script": "test.nut"}),
        insert("b", 7),
    ];
    let text = host.file_text(&json!({"async": [], "chain": [links]}));
    let stock = vpid.path("stock");
    fs::write(&stock, text).unwrap();
    let (code, out, err) = replay(&vpid, &["--unsigned", "--json"], &[&stock]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert_eq!(vpid.numbers(), [1, 5, 7]);
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["number"], 3);
    assert_eq!(lines[2]["response"], 1);
    assert_eq!(lines[2]["kwargs"]["values"], json!([7]));
    let error = lines[1]["response"].as_str().unwrap();
    assert!(error.starts_with("[VPI ERROR]"), "{error}");
}

#[test]
fn standard_input_is_a_file_too_and_without_a_running_vpid_it_says_so() {
    let mut vpid = Vpid::new().with_numbers().started();
    let text = vpid.host("my_server").text_of(&[insert("t", 4)]);
    let replay = |vpid: &Vpid, timeout: &str| {
        let mut command = program();
        command.args([
            "replay",
            "-",
            "--unsigned",
            "--timeout",
            timeout,
            "--config",
        ]);
        command.arg(vpid.config_path());
        output_of(command, text.as_bytes())
    };
    vpid.stop();
    let output = replay(&vpid, "0.2");
    let (_, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("-: call 1: no vpid runs on"), "{err}");
    vpid.start();
    assert_eq!(vpid.numbers(), [0; 0]);
    let output = replay(&vpid, "60");
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    assert_eq!(vpid.numbers(), [4]);
}
