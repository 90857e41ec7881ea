//! Scripts in Python as operators handle them: loaded, unloaded, loaded anew under load, with a
//! virtual environment; and the end of vpid, after which none of them is left.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Host, Vpid, call, marked, wait_until};

const TROUBLE: &str = include_str!("../python/trouble.py");

/// Writes down each number that it is called with, and what happens to it.
const NOTES: &str = r#"
import asyncio
import game

VERSION = 1
notes = open("notes.txt", "a", buffering=1)
print(f"loaded {VERSION}", file=notes)

def note(n):
    print(f"call {n}", file=notes)
    return n

async def note_later(n):
    await asyncio.sleep(0.02)
    print(f"call {n}", file=notes)
    return n

def version():
    return VERSION

async def OnUnLoad():
    await asyncio.sleep(0.001)
    print(f"unloaded {VERSION}", file=notes)
"#;

fn notes(vpid: &Vpid) -> Vec<String> {
    let text = fs::read_to_string(vpid.path("scripts/notes.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The numbers of the calls that were made, sorted.
fn called(vpid: &Vpid) -> Vec<u64> {
    let notes = notes(vpid);
    let numbers = notes.iter().filter_map(|line| line.strip_prefix("call "));
    let mut numbers: Vec<u64> = numbers.map(|n| n.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn version(number: u32) -> String {
    NOTES.replace("VERSION = 1", &format!("VERSION = {number}"))
}

#[track_caller]
fn says(outcome: (Option<i32>, String), code: i32, parts: &[&str]) {
    assert_eq!(outcome.0, Some(code), "{}", outcome.1);
    for part in parts {
        assert!(outcome.1.contains(part), "{part:?} is not in {}", outcome.1);
    }
}

#[test]
fn an_operator_lists_loads_unloads_and_reads_the_log() {
    let vpid = Vpid::new()
        .signed()
        .script("notes", NOTES)
        .script("idle", "import game\ngame.log('I wait', 2)\n")
        .script_table("idle", "start = false")
        .with_running(&["notes"]);
    let mut client = Client::stock(&vpid);
    let (code, list) = vpid.operator(&["list"]);
    assert_eq!(code, Some(0), "{list}");
    let line = |name: &str| list.lines().find(|line| line.starts_with(name));
    assert!(line("notes").is_some_and(|line| line.contains("running") && line.contains("3.")));
    assert!(
        line("idle").is_some_and(|line| line.contains("unloaded")),
        "{list}"
    );
    let about = vpid.about("notes");
    assert_eq!(about["hooks"], json!(["OnUnLoad"]));
    let functions = ["notes.note", "notes.note_later", "notes.version"];
    assert_eq!(about["functions"], json!(functions));

    says(vpid.operator(&["load", "idle"]), 0, &["idle is loaded"]);
    says(
        vpid.operator(&["load", "idle"]),
        1,
        &["idle is loaded already"],
    );
    says(
        vpid.operator(&["log", "idle"]),
        0,
        &["warning  I wait", "loaded: 0 hooks"],
    );
    says(
        vpid.operator(&["unload", "notes.py"]),
        0,
        &["notes is unloaded"],
    );
    assert_eq!(notes(&vpid), ["loaded 1", "unloaded 1"]);
    says(
        vpid.operator(&["unload", "notes"]),
        1,
        &["notes is not loaded"],
    );
    let gone = client.ask("notes.version", Value::Null);
    assert!(gone.to_string().contains("ScriptUnavailable"), "{gone}");
    assert_eq!(vpid.about("notes")["state"], "unloaded");
    vpid.edit_script("notes", &version(2));
    says(vpid.operator(&["load", "notes"]), 0, &["notes is loaded"]);
    assert_eq!(client.ask("notes.version", Value::Null), 2);

    // One that was not there at the start.
    vpid.edit_script("new", "def f(): return 'new'\n");
    says(vpid.operator(&["load", "new"]), 0, &["new is loaded"]);
    assert_eq!(client.ask("new.f", Value::Null), "new");
    says(
        vpid.operator(&["load", "nowhere"]),
        1,
        &["neither nowhere.py nor nowhere/main.py", "there is: idle, "],
    );
    says(
        vpid.operator(&["unload", "never"]),
        1,
        &["there is no script never"],
    );
    says(
        vpid.operator(&["log", "never"]),
        1,
        &["there is no script never"],
    );
    says(
        vpid.operator(&["load", "../etc"]),
        2,
        &["is not the name of a script"],
    );
}

#[test]
fn an_edit_is_taken_by_reload_and_a_broken_one_changes_nothing() {
    let vpid = Vpid::new()
        .signed()
        .script("notes", NOTES)
        .with_running(&["notes"]);
    let path = json!(vpid.script_path("notes"));
    assert_eq!(vpid.about("notes")["path"], path);
    let mut client = Client::stock(&vpid);
    vpid.edit_script("notes", "def broken(:\n");
    says(
        vpid.operator(&["reload", "notes"]),
        1,
        &["SyntaxError", "line 1", "what was loaded stays"],
    );
    assert_eq!(client.ask("notes.version", Value::Null), 1);
    vpid.edit_script("notes", &version(2));
    says(vpid.operator(&["reload", "notes"]), 0, &["notes is loaded"]);
    assert_eq!(client.ask("notes.version", Value::Null), 2);
    assert_eq!(notes(&vpid), ["loaded 1", "unloaded 1", "loaded 2"]);
    // What only running it shows: the old one is gone by then.
    vpid.edit_script("notes", "raise ValueError('too late')\n");
    says(
        vpid.operator(&["reload", "notes"]),
        1,
        &["ValueError: too late"],
    );
    assert_eq!(vpid.about("notes")["state"], "failed");
    vpid.edit_script("notes", &version(3));
    says(vpid.operator(&["reload", "notes"]), 0, &["notes is loaded"]);
    assert_eq!(client.ask("notes.version", Value::Null), 3);
}

/// Hundreds of calls of three games, while the script is loaded anew again and again.
#[test]
fn under_load_a_reload_loses_no_call_and_makes_none_twice() {
    const GAMES: u64 = 3;
    const CALLS: u64 = 120;
    let vpid = Vpid::new()
        .signed()
        .script("notes", NOTES)
        .with_running(&["notes"]);
    let reloads = std::thread::scope(|scope| {
        let play = |game: u64| {
            let mut client = match game {
                0 => Client::stock(&vpid),
                _ => Client::signed_as(&vpid, &format!("game_{game}")),
            };
            for burst in 0..CALLS / 10 {
                let numbers = (0..10).map(|n| game * CALLS + burst * 10 + n);
                let sent: Vec<(u64, String)> = numbers
                    .map(|n| {
                        let function = ["notes.note", "notes.note_later"][(n % 2) as usize];
                        (n, client.send(function, json!({ "n": n })))
                    })
                    .collect();
                for (n, token) in sent {
                    assert_eq!(client.answer(&token), n);
                }
            }
        };
        let games: Vec<_> = (0..GAMES)
            .map(|game| scope.spawn(move || play(game)))
            .collect();
        let mut reloads = 0;
        while games.iter().any(|game| !game.is_finished()) {
            says(vpid.operator(&["reload", "notes"]), 0, &["notes is loaded"]);
            reloads += 1;
        }
        reloads
    });
    let expected: Vec<u64> = (0..GAMES * CALLS).collect();
    assert_eq!(called(&vpid), expected);
    assert!(
        reloads >= 3,
        "{reloads} reloads: too few for this test to mean something"
    );
    let notes = notes(&vpid);
    let loaded = notes.iter().filter(|line| *line == "loaded 1").count();
    let unloaded = notes.iter().filter(|line| *line == "unloaded 1").count();
    assert_eq!([loaded, unloaded], [reloads + 1, reloads]);
    assert_eq!(vpid.about("notes")["restarts"], 0);
}

#[test]
fn unloading_waits_for_what_runs_and_answers_what_does_not_come_to_it() {
    let vpid = Vpid::new()
        .signed()
        .script("notes", NOTES)
        .with_running(&["notes"]);
    let mut host: Host = vpid.host("my_server");
    let calls: Vec<_> = (0..50)
        .map(|n| call("notes.note_later", json!({ "n": n })))
        .collect();
    let tokens = host.send(&calls).expect("a call file can be written");
    wait_until("some run", || !called(&vpid).is_empty());
    says(
        vpid.operator(&["unload", "notes"]),
        0,
        &["notes is unloaded"],
    );
    let answers = host.answers(&tokens);
    let done: Vec<u64> = answers.iter().filter_map(Value::as_u64).collect();
    assert_eq!(done, called(&vpid));
    let refused = answers.iter().filter(|answer| {
        let text = answer.to_string();
        text.contains("ScriptUnavailable") || text.contains("UnknownFunction")
    });
    assert_eq!(done.len() + refused.count(), 50, "{answers:?}");
    // Later calls, too: the script is there, and not loaded.
    let later = [call("notes.note_later", json!({ "n": 50 }))];
    let token = host.send(&later).expect("a call file can be written");
    let later = host.answers(&token)[0].to_string();
    assert!(
        later.contains("ScriptUnavailable: notes is not loaded; `vpid script log notes` says why"),
        "{later}"
    );
    assert_eq!(notes(&vpid).last().map(String::as_str), Some("unloaded 1"));
}

/// A folder with a script, a module of its own, and an interpreter with a package.
fn with_environment(vpid: &Vpid) -> PathBuf {
    let folder = vpid.path("scripts/boxed");
    fs::create_dir_all(&folder).expect("a folder");
    let made = Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(folder.join(".venv"))
        .output();
    let made = made.expect("/usr/bin/python3 is missing; run: apt-get install python3");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success(),
        "no virtual environment could be made; run: apt-get install python3-venv\n{said}"
    );
    folder
}

#[test]
fn a_folder_with_a_virtual_environment_has_its_own_interpreter_and_packages() {
    let main = "import sys, ranking, beside\n\
        def f(): return [ranking.best(), beside.WORD, sys.prefix, sys.argv[0], __name__]\n";
    // It cannot be imported without the environment.
    let outside = "def f():\n    import ranking\n";
    let vpid = Vpid::new().signed().script("outside", outside);
    let folder = with_environment(&vpid);
    fs::write(folder.join("main.py"), main).unwrap();
    fs::write(folder.join("beside.py"), "WORD = 'a module beside it'\n").unwrap();
    let libraries = fs::read_dir(folder.join(".venv/lib")).expect("a lib folder");
    let python = libraries.map(|entry| entry.unwrap().path());
    let python = python.last().expect("the folder of its version");
    let package = python.join("site-packages/ranking");
    fs::create_dir(&package).unwrap();
    let source = "def best():\n    return 'Ann'\n";
    fs::write(package.join("__init__.py"), source).unwrap();
    // Owners link scripts of a repository into the folder.
    symlink(&folder, vpid.path("scripts/linked")).unwrap();
    let vpid = vpid.with_running(&["boxed", "linked", "outside"]);
    for mut client in Client::both(&vpid) {
        let said = client.ask("boxed.f", Value::Null);
        let prefix = folder.join(".venv");
        let main = folder.join("main.py");
        let expected = json!(["Ann", "a module beside it", prefix, main, "boxed"]);
        assert_eq!(said, expected);
        assert_eq!(client.ask("linked.f", Value::Null)[0], "Ann");
        let missing = client.ask("outside.f", Value::Null);
        assert!(
            missing.to_string().contains("No module named 'ranking'"),
            "{missing}"
        );
    }
}

/// Scripts of every kind that stays: one that hangs, one that has forked, VPI's.
fn with_everything() -> Vpid {
    let vpid = Vpid::new()
        .signed()
        .marked()
        .script("notes", NOTES)
        .script("forked", TROUBLE)
        .script("stuck", TROUBLE)
        .interfaces(include_str!("../python/vpi_interfaces.py"))
        .scripts_line("call_s = 0.2");
    let vpid = vpid.with_running(&["notes", "forked", "stuck", "vpi_interfaces"]);
    let mut client = Client::signed(&vpid);
    assert_eq!(client.ask("forked.forks", Value::Null), true);
    client.send("stuck.is_deaf", Value::Null);
    client.send("forked.sleeps", Value::Null);
    vpid.wait_for_script("stuck", "it hangs", |about| about["waiting"] == 1);
    assert_eq!(client.ask("forked.leaves_daemons", Value::Null), true);
    wait_until("all are there", || vpid.script_processes().len() == 7);
    vpid
}

#[test]
fn no_process_is_left_when_vpid_stops() {
    let mut vpid = with_everything();
    let mark = vpid.mark();
    assert!(vpid.stop().success());
    assert_eq!(marked(&mark, None), [0; 0]);
    assert_eq!(notes(&vpid), ["loaded 1", "unloaded 1"]);
}

#[test]
fn no_process_is_left_when_vpid_is_killed() {
    let mut vpid = with_everything();
    vpid.kill();
    vpid.no_process_is_left();
    vpid.start();
    vpid.run_all(&["notes", "forked", "stuck", "vpi_interfaces"]);
    let version = Client::stock(&vpid).ask("notes.version", Value::Null);
    assert_eq!(version, 1);
}

/// Without `--host` no host can be chosen there, and no file is needed.
#[test]
fn an_operator_calls_functions_where_every_server_has_a_hostname() {
    const SOURCE: &str = "\
__version__ = '1.2'
import game

def top(count=1):
    game.log('deep', 4)
    return [game.caller.script, game.caller.host, count, 'x' * 20_000]

def OnTimer(msec):
    if msec > 1_600_000_000_000:
        game.log('it ticks')
    raise ValueError('each second')

def OnUserLogin(user):
    pass
";
    let vpid = Vpid::new()
        .hostnames(&["one", "two"])
        .signed()
        .script("stats", SOURCE)
        .with_running(&["stats"]);
    let call = |words: &[&str]| {
        let output = vpid.command(&[&["call"], words].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), answer, said)
    };
    let (code, answer, said) = call(&["stats.top", "{\"count\": 3}"]);
    let expected = json!(["vpid_call.nut", null, 3, "x".repeat(20_000)]);
    assert_eq!((code, &answer), (Some(0), &expected), "{said}");
    assert_eq!(call(&["VPI_Ping"]).1, "pong");
    let (code, answer, said) = call(&["stats.tpo"]);
    assert_eq!(code, Some(1));
    assert!(answer.to_string().contains("UnknownFunction"), "{answer}");
    assert!(said.contains("Did you mean stats.top?"), "{said}");
    // No game was played for that.
    assert!(!vpid.log().contains("vpid_call"), "{}", vpid.log());
    vpid.wait_for_log("OnUserLogin is no hook, and is never called; here it is OnPlayerConnect");
    vpid.wait_for_log("it ticks");
    assert!(!vpid.log().contains("deep"));
    let (code, said) = vpid.operator(&["level", "stats", "debug"]);
    assert_eq!(code, Some(0), "{said}");
    call(&["stats.top"]);
    vpid.wait_for_log("(debug) deep");
    fs::write(vpid.path("scripts/OTHER.PY"), "").expect("a file can be written");
    let (_, list) = vpid.operator(&["list"]);
    assert!(
        list.contains("1.2") && list.contains("OTHER.PY is not started"),
        "{list}"
    );
    // It failed at least twice by now, and was said once.
    vpid.wait_for_logs("it ticks", 3);
    let (_, log) = vpid.operator(&["log", "stats"]);
    assert_eq!(log.matches("ValueError: each second").count(), 1, "{log}");
}
