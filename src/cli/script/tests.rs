use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::*;
use crate::protocol::control::{self, SOCKET};

fn shown(show: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    show(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What comes of these words where a vpid gives this answer, and what it was asked.
fn told(words: &[&str], json: bool, answer: &Value) -> (Result<String, String>, control::Request) {
    let state = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(state.path().join(SOCKET)).unwrap();
    std::thread::scope(|scope| {
        let vpid = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            writeln!(stream, "{answer}").unwrap();
            control::parse(line.as_bytes()).unwrap()
        });
        let mut out = Vec::new();
        let result = run(state.path(), request(words), json, &mut out);
        let result = result.map(|()| String::from_utf8(out).unwrap());
        (result, vpid.join().unwrap())
    })
}

/// As the subcommands make them.
fn request(words: &[&str]) -> ScriptRequest {
    let name = |text: &str| script_name(text).unwrap_or_else(|_| panic!("{text}"));
    match words {
        ["list"] => ScriptRequest::List,
        ["stats"] => ScriptRequest::Stats { name: None },
        ["load", text] => ScriptRequest::Load { name: name(text) },
        ["reload", text] => ScriptRequest::Reload { name: name(text) },
        ["log", text] => ScriptRequest::Log {
            name: name(text),
            after: 0,
        },
        _ => panic!("{words:?}"),
    }
}

#[test]
fn levels_go_from_critical_to_trace() {
    let words = ["critical", "debug", "trace", USUAL];
    assert_eq!(words.map(level_of), [Some(0), Some(4), Some(5), None]);
}

#[test]
fn a_script_is_named_with_or_without_the_end_of_its_file() {
    assert_eq!(script_name("stats").ok().as_deref(), Some("stats"));
    assert_eq!(script_name("stats.py").ok().as_deref(), Some("stats"));
    for wrong in ["../x", ".py", ""] {
        assert!(
            matches!(script_name(wrong), Err(Stop::Usage(why)) if why.contains("is not the name"))
        );
    }
}

#[test]
fn a_list_is_a_table_that_no_script_can_break() {
    let scripts = json!([
        {"name": "stats", "version": "1.2", "state": "running", "path": "/s/stats.py", "python": "3.11.7",
         "hooks": ["OnTimer", "OnPlayerChat"], "functions": ["top"], "restarts": 0, "waiting": 12,
         "dropped": 3, "seconds": 7300, "problem": null},
        {"name": "bad", "state": "failed", "path": "/s/bad.py", "python": null, "hooks": [],
         "functions": [], "restarts": 4, "waiting": 0, "dropped": 0, "seconds": null,
         "problem": "SyntaxError:\n\u{1b}[2J\u{202e}x"},
        5,
    ]);
    let passed_over = json!(["/s/A.PY is not started: \u{1b}[2Jrename it"]);
    let text = shown(|out| {
        list(
            &json!({"scripts": scripts, "passed_over": passed_over}),
            out,
        )
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "NAME   VERSION  STATE    PYTHON  SINCE  HOOKS  FUNCTIONS  WAITING      RESTARTS  PROBLEM",
            "stats  1.2      running  3.11.7  2 h    2      1          12 (3 lost)  0         -",
            "bad    -        failed   -       -      0      0          0            4         \
             SyntaxError:??[2J?x",
            "-      -        -        -       -      -      -          -            -         -",
            "/s/A.PY is not started: ?[2Jrename it",
        ]
    );
    let one = json!({"scripts": [{"name": "stats", "state": "running", "problem": null}]});
    let text = shown(|out| list(&one, out));
    let (head, _) = text.split_once('\n').unwrap();
    assert!(head.ends_with("RESTARTS"), "{text}");
    assert!(shown(|out| list(&json!({"scripts": []}), out)).starts_with("There are no scripts."));
}

#[test]
fn a_log_has_its_times_and_levels_and_no_line_that_a_player_wrote() {
    let lines = json!([
        [1_795_262_400, 3, "hello"],
        [
            1_795_262_401.9,
            0,
            "Traceback:\n2026-01-01 00:00:00 info x\n\u{1b}[2Jboom"
        ],
        [1_795_262_402, 9, "odd"],
    ]);
    let text = shown(|out| log("stats", &lines, &TimeZone::UTC, out));
    let expected = "\
2026-11-21 12:00:00 info     hello
2026-11-21 12:00:01 critical Traceback:
    2026-01-01 00:00:00 info x
    ?[2Jboom
2026-11-21 12:00:02 ?        odd
";
    assert_eq!(text, expected);
    let none = shown(|out| log("stats", &json!([]), &TimeZone::UTC, out));
    assert_eq!(none, "stats has printed and logged nothing yet.\n");
}

#[test]
fn vpid_is_asked_and_its_sentence_shown() {
    let (said, asked) = told(&["load", "a"], false, &json!({"ok": "a is loaded.\u{7}"}));
    assert_eq!(said.as_deref(), Ok("a is loaded.?\n"));
    let name = "a".to_owned();
    assert_eq!(asked, Request::Script(ScriptRequest::Load { name }));
    let error = json!({"error": "it failed:\n  line 3\u{1b}"});
    let (said, _) = told(&["reload", "a"], false, &error);
    assert_eq!(said, Err("it failed:\n  line 3?".into()));
    let scripts = json!([{"name": "a"}]);
    let (said, asked) = told(&["list"], true, &json!({ "scripts": scripts }));
    assert_eq!(
        serde_json::from_str::<Value>(&said.unwrap()).unwrap(),
        scripts
    );
    assert_eq!(asked, Request::Script(ScriptRequest::List));
    let (said, _) = told(&["log", "a"], true, &json!({"log": [[1, 3, "x"]]}));
    let log: Value = serde_json::from_str(&said.unwrap()).unwrap();
    assert_eq!(log, json!([[1, 3, "x"]]));
}

#[test]
fn without_vpid_there_are_no_scripts_to_see() {
    let state = tempfile::tempdir().unwrap();
    let error = run(state.path(), ScriptRequest::List, false, &mut Vec::new()).unwrap_err();
    assert!(error.contains("no vpid runs on"), "{error}");
}
