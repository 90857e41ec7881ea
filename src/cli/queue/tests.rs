//! What the queue looks like, with a vpid that answers and without one.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;
use crate::protocol::control::{SOCKET, parse};

/// 2026-11-21 12:00 UTC.
const NOW_S: i64 = 1_795_262_400;

fn ban() -> Value {
    json!({
        "version": 1, "id": 7, "kind": "ban", "server": "s", "bundle": "b",
        "steam": "76561197960287930", "name": "Bad\u{1b}[2J\u{202e}Guy", "issuer":
        {"steam": "76561197960265729", "user": null, "name": "Admin?"},
        "created": "2026-11-21T11:00:00Z", "length_s": 86_400, "reason": "aim\nbot",
        "standing": true, "state": "waiting", "tries": 3, "next_s": NOW_S + 30,
        "problem": "VyHub is away"
    })
}

fn warning() -> Value {
    json!({
        "id": 6, "kind": "warning", "steam": "76561197960287931", "name": "",
        "issuer": null, "created": "2026-11-18T12:00:00Z", "reason": "spam", "state": "dead",
        "tries": 1, "next_s": NOW_S, "problem": "Refused"
    })
}

struct State(tempfile::TempDir);

impl State {
    fn new(files: &[(&str, String)]) -> Self {
        let state = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(state.path().join("outbox")).unwrap();
        for (name, text) in files {
            std::fs::write(state.path().join("outbox").join(name), text).unwrap();
        }
        state
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn run(&self, words: &[&str], json: bool) -> Result<String, String> {
        let mut out = Vec::new();
        run(&self.path(), request(words), json, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }
}

fn shown(show: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    show(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// As the subcommands make them.
fn request(words: &[&str]) -> QueueRequest {
    let id = |text: &str| id_of(text).unwrap_or_else(|_| panic!("{text}"));
    match words {
        ["list"] => QueueRequest::List,
        ["show", text] => QueueRequest::Show { id: id(text) },
        ["retry", "all"] => QueueRequest::Retry { id: None },
        ["retry", text] => QueueRequest::Retry { id: Some(id(text)) },
        ["drop", text] => QueueRequest::Drop { id: id(text) },
        _ => panic!("{words:?}"),
    }
}

#[test]
fn an_id_is_no_path() {
    assert_eq!(id_of("7-ban").ok().as_deref(), Some("7-ban"));
    for wrong in ["../x", "", "a/b"] {
        assert!(matches!(id_of(wrong), Err(Stop::Usage(why)) if why.contains("is not an id")));
    }
}

#[test]
fn a_list_is_a_table_that_no_name_can_break() {
    let answer = json!({"queue": [warning(), ban()], "more": 0});
    let text = shown(|out| list(&answer, NOW_S, out));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "ID  KIND     PLAYER                           STATE    AGE     TRIES  NEXT     PROBLEM",
            "6   warning  76561197960287931                dead     3 days  1      -        Refused",
            "7   ban      Bad?[2J?Guy (76561197960287930)  waiting  60 min  3      in 30 s  VyHub is away",
        ]
    );
    for (state, at_s, expected) in [
        ("waiting", NOW_S, "soon"),
        ("sending", NOW_S + 30, "in 30 s"),
        ("sending", NOW_S - 30, "soon"),
        ("held", NOW_S + 30, "in 30 s"),
        ("dead", NOW_S + 30, "-"),
        ("done", NOW_S + 30, "-"),
    ] {
        let entry = json!({"state": state, "next_s": at_s});
        assert_eq!(next(&entry, NOW_S), expected, "{state} {at_s}");
    }
    let text = shown(|out| list(&json!({"queue": []}), NOW_S, out));
    assert_eq!(text, "Nothing waits, and nothing was refused.\n");
    // Whatever stands there, or does not.
    let strange = json!({"queue": [5, {}, {"id": 5, "next_s": "x"}], "more": "x"});
    shown(|out| list(&strange, NOW_S, out));
}

#[test]
fn a_list_says_how_many_more_there_are() {
    let answer = json!({"queue": [warning()], "more": 9_000});
    let text = shown(|out| list(&answer, NOW_S, out));
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.ends_with("\nand 9000 more\n"), "{text}");
}

#[test]
fn an_entry_is_shown_with_everything() {
    let text = shown(|out| show(&ban(), NOW_S, out));
    let expected = "\
id       7
kind     ban
player   Bad?[2J?Guy (76561197960287930)
length   24 h
reason   aim?bot
by       Admin? (76561197960265729)
server   s
created  2026-11-21T11:00:00Z (60 min ago)
state    waiting, tried 3 times
next try in 30 s
problem  VyHub is away
";
    assert_eq!(text, expected);
    let text = shown(|out| show(&warning(), NOW_S, out));
    assert!(text.contains("by       the server\n"), "{text}");
    let mut member = warning();
    (member["kind"], member["group_name"]) = ("membership".into(), "VIP\u{1b}".into());
    member["length_s"] = 86_400.into();
    let text = shown(|out| show(&member, NOW_S, out));
    assert!(text.contains("group    VIP?\nlength   24 h\n"), "{text}");
    let mut ended = warning();
    (ended["kind"], ended["group_name"]) = ("membership end".into(), "".into());
    let text = shown(|out| show(&ended, NOW_S, out));
    assert!(text.contains("group    all\nreason"), "{text}");
    let mut reward = warning();
    (reward["kind"], reward["reward"]) = ("reward".into(), "0123-45".into());
    let text = shown(|out| show(&reward, NOW_S, out));
    assert!(text.contains("reward   0123-45\n"), "{text}");
    let mut lifted = ban();
    (lifted["standing"], lifted["length_s"]) = (false.into(), Value::Null);
    let text = shown(|out| show(&lifted, NOW_S, out));
    assert!(
        text.contains("permanent\n         It was lifted before"),
        "{text}"
    );
}

#[test]
fn without_vpid_the_files_are_read() {
    let state = State::new(&[
        ("7.json", ban().to_string()),
        ("6.json", warning().to_string()),
        ("8-cut.json", ban().to_string()[..40].to_owned()),
        ("9-other.json", "[]".into()),
        ("7.json.unreadable", "x".into()),
        ("half.tmp", "x".into()),
    ]);
    std::os::unix::fs::symlink("/etc/passwd", state.path().join("outbox/5-link.json")).unwrap();
    let text = state.run(&["list"], true).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| id(entry).unwrap()).collect();
    // What cannot be read comes first: it has no date.
    assert_eq!(ids, ["5-link", "8-cut", "9-other", "6", "7"]);
    assert_eq!(entries[4], ban());
    for (at, word) in [
        (0, "not a file"),
        (1, "not JSON"),
        (2, "not contain an entry"),
    ] {
        assert_eq!(entries[at]["state"], "unreadable");
        let problem = entries[at]["problem"].as_str().unwrap();
        assert!(problem.contains(word), "{problem}");
    }
    let text = state.run(&["show", "7"], true).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), ban());
    let error = state.run(&["show", "77"], false).unwrap_err();
    assert!(error.contains("77 is not in the queue"), "{error}");
    for words in [&["retry", "all"][..], &["drop", "7"]] {
        let error = state.run(words, false).unwrap_err();
        assert!(error.contains("only a running one can"), "{error}");
    }
    assert!(state.path().join("outbox/7.json").exists());
}

#[test]
fn no_state_folder_is_an_empty_queue() {
    let state = State::new(&[]);
    std::fs::remove_dir(state.path().join("outbox")).unwrap();
    assert!(
        state
            .run(&["list"], false)
            .unwrap()
            .starts_with("Nothing waits")
    );
    assert_eq!(state.run(&["list"], true).unwrap(), "[]\n");
}

#[test]
fn a_running_vpid_gets_the_request() {
    let state = State::new(&[("6.json", warning().to_string())]);
    let listener = UnixListener::bind(state.path().join(SOCKET)).unwrap();
    let answers = [
        (
            Request::Queue(QueueRequest::List),
            json!({"queue": [ban()]}),
        ),
        (
            Request::Rewards(RewardsRequest::List),
            json!({"rewards": [{"state": "open"}, {"state": "unclear"}]}),
        ),
        (
            Request::Queue(QueueRequest::Retry { id: None }),
            json!({"ok": 2}),
        ),
        (
            Request::Queue(QueueRequest::Retry {
                id: Some("7".into()),
            }),
            json!({"ok": 1, "wait_s": 28}),
        ),
        (
            Request::Queue(QueueRequest::Drop { id: "1".into() }),
            json!({"error": "there is no 1"}),
        ),
    ];
    let vpid = std::thread::spawn(move || {
        for (expected, answer) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            assert_eq!(parse(line.as_bytes()).unwrap(), expected);
            writeln!(&stream, "{answer}").unwrap();
        }
    });
    let listed = state.run(&["list"], false).unwrap();
    assert!(
        listed.contains("7   ban")
            && !listed.contains("warning")
            && listed.ends_with("1 reward is unclear; see `vpid rewards list`\n"),
        "{listed}"
    );
    assert_eq!(
        state.run(&["retry", "all"], false).unwrap(),
        "2 entries are tried now.\n"
    );
    let later = state.run(&["retry", "7"], false).unwrap();
    assert!(
        later.starts_with("7 is tried in 28 s at the latest: "),
        "{later}"
    );
    assert_eq!(
        state.run(&["drop", "1"], false),
        Err("there is no 1".into())
    );
    vpid.join().unwrap();
    // It has gone: its socket is there, and nobody listens.
    assert!(state.run(&["list"], false).unwrap().contains("6   warning"));
}
