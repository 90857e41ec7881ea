//! What a running vpid shows of itself: `vpid status`, the metrics, and the status page.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{
    Community, Keeper, Visitor, Vpid, program, wait_for, wait_until, with_keepers,
};

with_keepers! {
    players_and_what_waits_for_the_community_are_shown: vyhub sqlite;
}

/// The exit code and the output of `vpid status`.
fn status(vpid: &Vpid, options: &[&str]) -> (Option<i32>, String) {
    let output = vpid.command(&[&["status"], options].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    (output.status.code(), format!("{text}{errors}"))
}

fn state(vpid: &Vpid) -> Value {
    let (code, text) = status(vpid, &["--json"]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn wait_for_state(vpid: &Vpid, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(state(vpid)).filter(|state| is_so(state)))
}

/// Makes calls of which one fails.
fn play(vpid: &Vpid, host: &str) {
    let mut host = vpid.host(host);
    host.ping();
    host.ask("VPI_Nothing", json!({}));
}

#[test]
fn calls_are_counted_by_server_and_shown_with_their_times() {
    let vpid = Vpid::new().hostnames(&["red", "blue"]).started();
    play(&vpid, "red");
    let state = wait_for_state(&vpid, "two calls", |it| it["calls"]["of_games"]["ok"] == 1);
    assert_eq!(state["calls"]["of_games"]["failed"], 1, "{state:#}");
    assert_eq!(state["servers"][0]["calls"], json!({"ok": 1, "failed": 1}));
    assert_eq!(state["servers"][1]["calls"], json!({"ok": 0, "failed": 0}));
    assert_eq!(state["servers"][0]["hosts"][0]["protocol"], "stock");
    assert!(state["servers"][0]["seen_s"].is_i64() && state["servers"][1]["seen_s"].is_null());
    assert!(state["calls"]["p99_ms"].as_u64() >= Some(1), "{state:#}");
    let (code, text) = status(&vpid, &[]);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "vpid 0.",
        "red ",
        "never",
        "stock host red",
        "2 of games (1 failed)",
        "database ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The failed call is a line of the log, too.
    let is_there = |it: &Value| {
        it["text"]
            .as_str()
            .is_some_and(|it| it.contains("a call failed"))
    };
    let last = state["log"]["last"].as_array().cloned();
    assert!(last.unwrap_or_default().iter().any(is_there), "{state:#}");
}

fn players_and_what_waits_for_the_community_are_shown(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    let state = wait_for_state(&community.vpid, "two players", |it| {
        it["servers"][0]["players"] == 2
    });
    let server = &state["servers"][0];
    assert_eq!(
        (&server["rcon"], &server["engine_log"]),
        (&json!("reachable"), &json!(true))
    );
    assert_eq!(state["community"]["reachable"], true, "{state:#}");
    let names = server["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"]);
    assert!(names.into_iter().any(|name| *name == "rogue"), "{state:#}");
    community.pause();
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(&rogue);
    let open = |it: &Value| it["community"]["outbox"][0]["open"] == 1;
    let state = wait_for_state(&community.vpid, "a ban that waits", open);
    assert_eq!(state["community"]["outbox"][0]["kind"], "bans");
    let away = |it: &Value| it["community"]["last_error"]["text"].is_string();
    wait_for_state(&community.vpid, "what failed", away);
    let (code, text) = status(&community.vpid, &[]);
    assert!(
        code == Some(0) && text.contains("1 to be sent (1 ban), 0 refused"),
        "{text}"
    );
    let (_, text) = status(&community.vpid, &["--metrics"]);
    assert!(
        text.contains("vpid_outbox_open{kind=\"bans\"} 1\n"),
        "{text}"
    );
    community.resume();
    community.hurry_until_sent();
    wait_for_state(&community.vpid, "the queue is empty", |it| {
        it["community"]["outbox"][0]["open"] == 0
    });
}

#[test]
fn python_scripts_are_shown_with_what_they_have_counted() {
    let vpid = Vpid::new()
        .signed()
        .script("work", "def f():\n    return 1\n")
        .script("broken", "nonsense(\n")
        .with_running(&["work"]);
    let is_so = |it: &Value| {
        it["scripts"].as_array().is_some_and(|all| {
            let state = |name: &str| {
                let found = all.iter().find(|script| script["name"] == name);
                found.map(|script| script["state"].clone())
            };
            state("work") == Some(json!("running")) && state("broken") == Some(json!("failed"))
        })
    };
    wait_for_state(&vpid, "both scripts", is_so);
    let (code, text) = status(&vpid, &[]);
    assert!(
        code == Some(0) && text.contains("SCRIPT") && text.contains("broken"),
        "{text}"
    );
    let (_, text) = status(&vpid, &["--metrics"]);
    assert!(
        text.contains("vpid_script_up{script=\"broken\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains("vpid_script_up{script=\"work\"} 1\n"),
        "{text}"
    );
}

#[test]
fn a_session_of_an_earlier_run_stands_for_a_game_that_sleeps() {
    let mut vpid = Vpid::new().signed().started();
    let mut game = vpid.signed_game("red");
    let start = json!({"event": "map_start", "data": {"map": "cp_test", "max_players": 24}});
    game.send(&[start]).expect("a file can be written");
    let state = wait_for_state(&vpid, "the map", |it| it["servers"][0]["map"] == "cp_test");
    assert_eq!(state["servers"][0]["slots"], 24, "{state:#}");
    assert_eq!(
        state["servers"][0]["has_earlier_session"], false,
        "{state:#}"
    );
    vpid.stop();
    vpid.start();
    let state = self::state(&vpid);
    assert_eq!(
        state["servers"][0]["has_earlier_session"], true,
        "{state:#}"
    );
    assert!(state["servers"][0]["seen_s"].is_null(), "{state:#}");
}

#[test]
fn what_a_command_calls_is_no_sign_of_a_game() {
    let vpid = Vpid::new().started();
    let call = vpid.command(&["call", "VPI_Ping"]);
    assert_eq!(call.status.code(), Some(0));
    let state = wait_for_state(&vpid, "a call", |it| it["calls"]["of_games"]["ok"] == 1);
    assert!(state["servers"][0]["seen_s"].is_null(), "{state:#}");
    assert_eq!(state["servers"][0]["hosts"], json!([]));
}

#[test]
fn health_is_a_line_and_an_exit_code() {
    let mut vpid = Vpid::running();
    let (code, text) = status(&vpid, &["--health"]);
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "healthy: 1 server served, 0 players\n")
    );
    let away = vpid.path("elsewhere");
    fs::rename(vpid.scriptdata(), &away).unwrap();
    wait_until("the folder is missed", || {
        status(&vpid, &["--health"]).0 == Some(1)
    });
    let (_, text) = status(&vpid, &["--health"]);
    assert!(
        text.starts_with("unhealthy: ") && text.contains("is not there"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    fs::rename(&away, vpid.scriptdata()).unwrap();
    wait_until("the folder is back", || {
        status(&vpid, &["--health"]).0 == Some(0)
    });
    vpid.stop();
    let (code, text) = status(&vpid, &["--health"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("unhealthy: no vpid runs on "), "{text}");
    let output = program()
        .args(["status", "--health", "--config", "/none"])
        .output();
    assert_eq!(
        output.unwrap().status.code(),
        Some(1),
        "also where nothing is configured"
    );
}

#[test]
fn one_form_at_a_time_and_no_watch_without_a_terminal() {
    let vpid = Vpid::running();
    let (code, text) = status(&vpid, &["--json", "--health"]);
    assert_eq!(code, Some(2), "{text}");
    let (code, text) = status(&vpid, &["--watch"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("--watch needs a terminal"), "{text}");
}

#[test]
fn a_watch_leaves_the_terminal_as_it_was() {
    let vpid = Vpid::running();
    // Ctrl-\ is a signal.
    for key in [b"q", b"\x1c"] {
        watch_and_end(&vpid, key);
    }
}

fn watch_and_end(vpid: &Vpid, key: &[u8]) {
    let program = env!("CARGO_BIN_EXE_vpid");
    let config = vpid.config_path();
    // `script` gives it a terminal.
    let command = format!(
        "trap : QUIT; stty -g; {program} status --watch --config '{}' && stty -g",
        config.display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script of bsdutils");
    let mut shown = Vec::new();
    let mut out = child.stdout.take().expect("its output");
    let has = |shown: &[u8], text: &str| String::from_utf8_lossy(shown).contains(text);
    let mut bytes = [0; 4_096];
    while !has(&shown, "SERVER ") {
        let count = out.read(&mut bytes).expect("it goes on");
        assert_ne!(
            count,
            0,
            "it has ended: {}",
            String::from_utf8_lossy(&shown)
        );
        shown.extend_from_slice(&bytes[..count]);
    }
    assert!(has(&shown, "\u{1b}[?1049h") && has(&shown, "calls per second: 0.0"));
    child
        .stdin
        .take()
        .expect("its input")
        .write_all(key)
        .unwrap();
    out.read_to_end(&mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown);
    let (before, rest) = shown.split_once("\u{1b}[?1049h").expect("its screen");
    let (_, after) = rest
        .rsplit_once("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
        .expect("the screen of before");
    assert_eq!(before.trim(), after.trim(), "{shown:?}");
}

#[test]
fn metrics_are_written_into_a_file_while_something_changes() {
    let vpid = Vpid::new().setting("metrics_file = 'vpid.prom'").started();
    let file = vpid.path("vpid.prom");
    let read = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("the metrics are there", || read().contains("\nvpid_up 1\n"));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let folder = vpid.scriptdata().display().to_string();
    let none = format!("vpid_calls_total{{server=\"{folder}\",outcome=\"ok\"}} 0");
    assert!(read().contains(&none), "{}", read());
    play(&vpid, "red");
    let (code, text) = status(&vpid, &["--metrics"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("vpid_call_duration_seconds_count 2\n"),
        "{text}"
    );
    let one = none.replace("} 0", "} 1");
    wait_until("the call is counted in the file", || read().contains(&one));
}

#[test]
fn the_last_metrics_and_the_last_page_say_that_vpid_has_ended() {
    let mut vpid = Vpid::new()
        .setting("metrics_file = 'vpid.prom'")
        .table("[status_page]\nfile = 'index.html'\ninterval_s = 3600")
        .started();
    let page = vpid.path("index.html");
    wait_until("the page is there", || page.exists());
    vpid.stop();
    assert!(
        fs::read_to_string(vpid.path("vpid.prom"))
            .unwrap()
            .contains("\nvpid_up 0\n")
    );
    assert!(fs::read_to_string(&page).unwrap().contains(">stopped<"));
}

#[test]
fn a_reload_takes_a_page_out_of_sight_at_once_and_removes_files_that_it_does_not_name() {
    let first = "[status_page]\nfile = 'index.html'\npublic = false\ninterval_s = 3600";
    let vpid = Vpid::new()
        .setting("metrics_file = 'old.prom'")
        .table(first)
        .started();
    let (page, old) = (vpid.path("index.html"), vpid.path("old.prom"));
    let path = vpid.config_path().display().to_string();
    let read = || fs::read_to_string(&page).unwrap_or_default();
    wait_until("the page is there", || read().contains(&path));
    wait_until("the metrics are there", || old.exists());
    let text = vpid.config_text();
    let text = text
        .replace("public = false", "public = true")
        .replace("old.prom", "new.prom");
    fs::write(vpid.config_path(), &text).unwrap();
    vpid.hang_up();
    wait_until("the page is for visitors", || {
        read().contains("Game servers")
    });
    assert!(!read().contains(&path));
    wait_until("the metrics are elsewhere", || {
        !old.exists() && vpid.path("new.prom").exists()
    });
    let text = text.split("[status_page]").next().unwrap().to_owned()
        + text.split("interval_s = 3600").nth(1).unwrap();
    fs::write(vpid.config_path(), text).unwrap();
    vpid.hang_up();
    wait_until("the page is gone", || !page.exists());
    assert!(vpid.path("new.prom").exists());
}

#[test]
fn a_page_has_what_its_form_may_show_and_hostile_names_are_text() {
    let page = |public: bool| {
        format!("[status_page]\nfile = 'index.html'\npublic = {public}\ninterval_s = 1")
    };
    let vpid = Vpid::new()
        .signed()
        .server_line("hostname = \"red\"")
        .table(&page(false))
        .started();
    let mut game = vpid.signed_game("red");
    let name = "<script>alert(1)</script>\u{202e}&\"'";
    let player = json!({"userid": 3, "name": name, "id": "[U:1:22202]"});
    let heartbeat = json!({"heartbeat": {"map": "cp_<b>", "players": [player]}});
    game.send(&[heartbeat]).expect("a file can be written");
    let read = || fs::read_to_string(vpid.path("index.html")).unwrap_or_default();
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}&amp;&quot;&#39;";
    wait_until("the player is on the page", || read().contains(escaped));
    let whole = read();
    assert!(
        !whole.contains("<script") && whole.contains("cp_&lt;b&gt;"),
        "{whole}"
    );
    assert!(
        whole.contains("[U:1:22202]") && whole.contains("signed"),
        "{whole}"
    );
    let path = vpid.config_path().display().to_string();
    assert!(whole.contains(&path));
    // Another form, by a reload.
    let text = vpid.config_text().replace(&page(false), &page(true));
    fs::write(vpid.config_path(), text).unwrap();
    vpid.hang_up();
    wait_until("the page is for visitors", || {
        read().contains("Game servers")
    });
    let public = read();
    for word in ["alert(1)", "22202", &path, "signed", "Problems", "database"] {
        assert!(!public.contains(word), "{word}: {public}");
    }
    assert!(public.contains("<b>1</b>"), "{public}");
}

#[test]
fn nothing_of_others_is_replaced_and_no_link_leads_into_scriptdata() {
    let vpid = Vpid::new()
        .setting("metrics_file = 'theirs.prom'")
        .table("[status_page]\nfile = 'web/index.html'\ninterval_s = 1");
    let theirs = vpid.path("theirs.prom");
    fs::write(&theirs, "node_x 1\n").unwrap();
    fs::create_dir(vpid.scriptdata().join("web")).unwrap();
    symlink(vpid.scriptdata().join("web"), vpid.path("web")).unwrap();
    let vpid = vpid.started();
    vpid.wait_for_log("theirs.prom: a file that vpid has not written is there");
    vpid.wait_for_log("web/index.html lies in the scriptdata folder");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "node_x 1\n");
    assert_eq!(
        fs::read_dir(vpid.scriptdata().join("web")).unwrap().count(),
        0
    );
    let output = vpid.command(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("bad   metrics_file: ") && text.contains("status_page.file: "),
        "{text}"
    );
}
