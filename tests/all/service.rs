//! vpid as a service: one of each, signals, reloads, polling, and what it costs when idle.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpid::limits;

use crate::support::{Vpid, call, insert, stays, wait_until};

#[test]
fn the_first_call_after_a_start_is_answered() {
    let mut vpid = Vpid::new();
    for _ in 0..3 {
        vpid.start();
        vpid.host("my_server").ping();
        assert!(vpid.stop().success());
    }
}

#[test]
fn a_second_vpid_on_the_same_state_folder_refuses_and_names_the_first() {
    let first = Vpid::running();
    let mut second = Vpid::new().keeping(&first.path("state"));
    let (code, said) = second.refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("process {}", first.pid())), "{said}");
    first.host("my_server").ping();
}

#[test]
fn a_second_vpid_on_the_same_scriptdata_refuses() {
    let mut first = Vpid::running();
    let mut second = Vpid::new().serving(&first.path("scriptdata"));
    let (code, said) = second.refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another vpid serves this folder"), "{said}");
    first.host("my_server").ping();
    // The lock goes with its holder, however that ends.
    first.kill();
    second.start();
    second.host("my_server").ping();
}

#[test]
fn sigterm_lets_running_calls_end_and_exits_with_0() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    let lock = vpid.sql();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let tokens = host.send(&[insert(1)]).unwrap();
    let is_taken = |name: &String| name.ends_with(".taken");
    wait_until("the file was taken", || vpid.files().iter().any(is_taken));
    vpid.ask_to_stop();
    vpid.wait_for_log("stopping: 1 calls are under way");
    let late = host.send(&[insert(2)]).unwrap();
    stays(
        "a vpid that waits for its call",
        Duration::from_millis(200),
        || vpid.is_running(),
    );
    drop(lock);
    assert!(vpid.ended().success());
    assert!(vpid.log().contains("stopped"));
    // The answer stands in the file, and what came late waits for the next start.
    let answers = host.fetch().unwrap();
    assert_eq!(answers.get(&tokens[0]), Some(&json!(1)));
    assert_eq!(vpid.numbers(), [1]);
    vpid.start();
    assert_eq!(host.answers(&late), [json!(1)]);
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn sigterm_does_not_wait_for_ever_and_what_is_left_runs_after_the_next_start() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    let lock = vpid.sql();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    host.tell(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_numbers", "values": [1]}),
    );
    wait_until("the file was taken", || {
        vpid.files().iter().any(|name| name.ends_with(".taken"))
    });
    assert!(vpid.stop().success());
    assert!(vpid.log().contains("1 calls were not done in time"));
    drop(lock);
    vpid.start();
    wait_until("the call ran", || vpid.numbers() == [1]);
}

#[test]
fn a_reload_with_a_bad_file_changes_nothing_and_names_every_problem() {
    let vpid = Vpid::new().permission("\"other.nut\" = []").started();
    let mut host = vpid.host("my_server");
    let bad = vpid
        .config_text()
        .replace("[database]", "[database]\ntipe = \"sqlite\"");
    let bad = format!("watch = \"sometimes\"\npoll_ms = \"often\"\n{bad}");
    fs::write(vpid.config_path(), bad).unwrap();
    vpid.hang_up();
    vpid.wait_for_log("the old one stays in force");
    for problem in [
        "vpid.toml:1: watch",
        "vpid.toml:2: poll_ms",
        "database.tipe",
    ] {
        assert!(vpid.log().contains(problem), "{problem}:\n{}", vpid.log());
    }
    host.ping();
    let refused = host.ask_as("other.nut", "VPI_Ping", Value::Null);
    assert!(refused.as_str().unwrap().contains("PermissionError"));
    fs::remove_file(vpid.config_path()).unwrap();
    vpid.hang_up();
    vpid.wait_for_logs("the old one stays in force", 2);
    host.ping();
}

#[test]
fn a_reload_takes_new_permissions_and_servers_over() {
    let vpid = Vpid::new().hostnames(&["red"]).started();
    let (mut red, mut blue) = (vpid.host("red"), vpid.host("blue"));
    red.ping();
    let waiting = blue.send(&[call("VPI_Ping", Value::Null)]).unwrap();
    red.ping();
    assert!(
        vpid.files()
            .iter()
            .any(|name| name.starts_with("blue") && name.ends_with("interface"))
    );
    let vpid = vpid
        .hostnames(&["red", "blue"])
        .permission("\"test.nut\" = [\"VPI_Ping\"]");
    vpid.reload();
    vpid.wait_for_log("the configuration was reloaded");
    // What waited while its host was not served is found at once, not by the next slow look.
    let soon = Duration::from_millis(limits::SWEEP_MS / 2);
    let answers = blue.wait_for(&waiting, soon).unwrap();
    assert_eq!(answers.get(&waiting[0]), Some(&json!("pong")));
    let refused = red.ask("VPI_Info", Value::Null);
    assert!(refused.as_str().unwrap().contains("PermissionError"));
}

#[test]
fn a_reload_opens_and_closes_folders() {
    let elsewhere = tempfile::tempdir().unwrap();
    let vpid = Vpid::running();
    let mut before = vpid.host("my_server");
    before.ping();
    let vpid = vpid.serving(elsewhere.path());
    vpid.reload();
    vpid.wait_for_log("the configuration was reloaded");
    vpid.host("my_server").ping();
    let tokens = before.send(&[call("VPI_Ping", Value::Null)]).unwrap();
    stays(
        "silence in the folder of before",
        Duration::from_millis(300),
        || !before.fetch().unwrap().contains_key(&tokens[0]),
    );
    // The lock went too: another vpid may serve it now.
    let other = Vpid::new().serving(&vpid.path("scriptdata")).started();
    assert_eq!(before.answers(&tokens), ["pong"]);
    drop(other);
}

#[test]
fn polling_serves_as_well_as_watching() {
    let vpid = Vpid::new()
        .setting("watch = \"poll\"")
        .setting("poll_ms = 10")
        .with_numbers()
        .started();
    let mut host = vpid.host("my_server");
    let began = Instant::now();
    for n in 0..10 {
        let tokens = host
            .send(&[insert(n), call("VPI_Ping", Value::Null)])
            .unwrap();
        assert_eq!(host.answers(&tokens), [json!(1), json!("pong")]);
    }
    // Found by polling, then, and not each by a slow look.
    assert!(began.elapsed() < 5 * Duration::from_millis(limits::SWEEP_MS));
    host.restart().unwrap();
    host.ping();
    assert_eq!(vpid.numbers(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_served_again() {
    for watch in ["inotify", "poll"] {
        let vpid = Vpid::new()
            .setting(&format!("watch = \"{watch}\""))
            .started();
        vpid.host("my_server").ping();
        fs::remove_dir_all(vpid.scriptdata()).unwrap();
        wait_until("it was missed", || vpid.log().contains("cannot be opened"));
        fs::create_dir(vpid.scriptdata()).unwrap();
        vpid.host("my_server").ping();
        vpid.wait_for_log("the folder is there");
        // Replaced at once, so that no look falls in between.
        let other = vpid.path("other");
        fs::create_dir(&other).unwrap();
        fs::rename(vpid.scriptdata(), vpid.path("gone")).unwrap();
        fs::rename(other, vpid.scriptdata()).unwrap();
        vpid.host("my_server").ping();
    }
}

/// Ticks of processor time, and bytes of memory of its own.
pub fn cost(pid: u32) -> (u64, u64) {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(folder.join("stat")).expect("stat");
    let fields: Vec<&str> = stat
        .rsplit_once(") ")
        .expect("a name")
        .1
        .split(' ')
        .collect();
    let number = |index: usize| fields[index].parse::<u64>().expect("a number");
    let status = fs::read_to_string(folder.join("status")).expect("status");
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("RssAnon");
    let kib: u64 = resident
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    (number(11) + number(12), kib * 1024)
}

#[test]
fn an_idle_vpid_costs_next_to_nothing() {
    let vpid = Vpid::new().with_numbers();
    for number in 0..10_000 {
        fs::write(vpid.scriptdata().join(format!("player_{number}.txt")), "x").unwrap();
    }
    let vpid = vpid.started();
    let mut host = vpid.host("my_server");
    let tokens = host
        .send(&[insert(1), call("VPI_Ping", Value::Null)])
        .unwrap();
    host.answers(&tokens);
    // The last repetition is read; then nobody wants anything.
    host.empty().unwrap();
    // The folder is read once more when it has been quiet for a while: that may fall into one of two.
    let costs = || {
        let (before, _) = cost(vpid.pid());
        std::thread::sleep(Duration::from_secs(2));
        cost(vpid.pid()).0 - before
    };
    let (first, second) = (costs(), costs());
    assert!(first.min(second) <= 2, "{first} and {second} ticks");
    // The code comes to this, twice as large in a test build as in one for use.
    let (_, own) = cost(vpid.pid());
    assert!(own < 4_000_000, "{own} bytes");
}
