//! The database or the disk is away: calls wait or are answered with errors, nothing is lost or
//! doubled, and all goes on by itself when the cause is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Vpid, call, insert, stays, wait_until};

const UNAVAILABLE: &str = "[VPI ERROR] (VPI_DB_UserInsert) :: DatabaseUnavailable";

fn is_unavailable(answer: &Value) -> bool {
    answer
        .as_str()
        .is_some_and(|text| text.starts_with(UNAVAILABLE))
}

fn locked(vpid: &Vpid) -> Connection {
    let connection = vpid.sql();
    connection.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    connection
}

#[test]
fn a_locked_database_holds_nobody_up_but_its_own_callers() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    let mut other = vpid.host("other");
    host.ping();
    vpid.at_rest();
    let lock = locked(&vpid);
    let tokens = host
        .send(&[insert(1), call("VPI_Ping", Value::Null), insert(2)])
        .unwrap();
    // Both the same file's and another host's.
    assert_eq!(host.answers(&tokens[1..2]), ["pong"]);
    other.ping();
    vpid.wait_for_log("Calls wait; vpid keeps trying");
    host.ping();
    drop(lock);
    let answers = host.all_answers(&tokens[..1]);
    assert_eq!(answers[&tokens[0]], json!(1));
    vpid.wait_for_log("is back after");
    wait_until("both ran", || vpid.numbers() == [1, 2]);
}

#[test]
fn a_lock_that_outlasts_the_deadline_is_an_error_to_those_who_wait_and_delays_the_others() {
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 600")
        .with_numbers()
        .started();
    let mut host = vpid.host("my_server");
    let lock = locked(&vpid);
    let token = host.send_one(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_numbers", "values": [1]}),
    );
    host.tell(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_numbers", "values": [2]}),
    );
    let answer = &host.answers(&[token])[0];
    assert!(is_unavailable(answer), "{answer}");
    drop(lock);
    wait_until("the call without a deadline ran", || vpid.numbers() == [2]);
    assert_eq!(
        host.ask(
            "VPI_DB_UserInsert",
            json!({"table": "user_test_numbers", "values": [3]})
        ),
        json!(1)
    );
    assert_eq!(
        vpid.numbers(),
        [2, 3],
        "a call that was answered with an error does not run"
    );
}

#[test]
fn a_corrupt_database_is_an_error_until_it_is_replaced() {
    let vpid = Vpid::new().setting("call_deadline_ms = 300");
    fs::write(vpid.path("vpid.db"), "this is no database ".repeat(500)).unwrap();
    let vpid = vpid.started();
    let mut host = vpid.host("my_server");
    host.ping();
    let values = json!({"table": "user_test_numbers", "values": [1]});
    let answer = host.ask("VPI_DB_UserInsert", values.clone());
    assert!(is_unavailable(&answer), "{answer}");
    vpid.wait_for_log("restore it from a backup");
    let spare = vpid.path("spare.db");
    let connection = Connection::open(&spare).unwrap();
    connection
        .execute_batch("CREATE TABLE user_test_numbers (n INTEGER)")
        .unwrap();
    drop(connection);
    fs::rename(spare, vpid.path("vpid.db")).unwrap();
    wait_until("calls work again", || {
        host.ask("VPI_DB_UserInsert", values.clone()) == json!(1)
    });
}

#[test]
fn a_database_that_turns_corrupt_while_it_is_used_is_an_error_and_no_crash() {
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 300")
        .with_numbers()
        .started();
    let mut host = vpid.host("my_server");
    host.ping();
    let values = json!({"table": "user_test_numbers", "values": [1]});
    assert_eq!(host.ask("VPI_DB_UserInsert", values.clone()), json!(1));
    for name in ["vpid.db", "vpid.db-wal", "vpid.db-shm"] {
        let length = fs::metadata(vpid.path(name)).unwrap().len();
        let file = fs::File::options()
            .write(true)
            .open(vpid.path(name))
            .unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; length as usize], 0).unwrap();
    }
    let answer = host.ask("VPI_DB_UserInsert", values.clone());
    assert!(
        answer
            .as_str()
            .is_some_and(|text| text.starts_with("[VPI ERROR]")),
        "{answer}"
    );
    host.ping();
    for name in ["vpid.db-wal", "vpid.db-shm", "vpid.db"] {
        // SQLite may have removed its own by now.
        let _ = fs::remove_file(vpid.path(name));
    }
    wait_until("an empty database is used", || {
        let answer = host.ask("VPI_DB_UserInsert", values.clone());
        answer
            .as_str()
            .is_some_and(|text| text.contains("no such table"))
    });
}

#[test]
fn a_missing_folder_of_the_database_is_waited_for() {
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 300")
        .database_line("path = \"later/vpid.db\"")
        .started();
    let mut host = vpid.host("my_server");
    host.ping();
    let query = json!({"table": "user_test_t"});
    let answer = host.ask("VPI_DB_UserSelect", query.clone());
    assert!(answer.as_str().unwrap().contains("DatabaseUnavailable"));
    fs::create_dir(vpid.path("later")).unwrap();
    wait_until("the database was made", || {
        let answer = host.ask("VPI_DB_UserSelect", query.clone());
        answer
            .as_str()
            .is_some_and(|text| text.contains("no such table"))
    });
    let mode = fs::metadata(vpid.path("later/vpid.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "others can read players' data");
}

/// A file system of its own that is soon full.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, with the reason printed, where it cannot be had.
    fn mounted(kib: usize) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can mount a small disk");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = format!("size={kib}k,mode=755");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "vpid-test"])
            .arg(folder.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                println!("skipped: no small disk can be mounted here: {why}");
                None
            }
            Err(error) => {
                println!("skipped: there is no mount command ({error})");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn become_writable(&self, writable: bool) {
        let option = if writable { "remount,rw" } else { "remount,ro" };
        let mut command = Command::new("mount");
        let status = command.args(["-o", option]).arg(self.path()).status();
        assert!(status.expect("mount can be run").success());
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.path().join("filler")).expect("a file");
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that still runs is killed just afterwards.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_under_the_database_loses_and_doubles_nothing() {
    let Some(disk) = SmallDisk::mounted(1_024) else {
        return;
    };
    let make = "CREATE TABLE user_test_big (n INTEGER, text TEXT)";
    let database = disk.path().join("vpid.db");
    Connection::open(&database)
        .unwrap()
        .execute_batch(make)
        .unwrap();
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 500")
        .database_line(&format!("path = '{}'", database.display()))
        .started();
    let mut host = vpid.host("my_server");
    let row = |n: i64| json!({"table": "user_test_big", "values": [n, format!("'{}'", "x".repeat(20_000))]});
    assert_eq!(host.ask("VPI_DB_UserInsert", row(0)), json!(1));
    disk.fill();
    let mut silent = 0;
    for n in 1..=20 {
        host.tell("VPI_DB_UserInsert", row(n));
        silent = n;
    }
    vpid.wait_for_log("make room on its disk");
    host.ping();
    let answer = host.ask("VPI_DB_UserInsert", row(1_000));
    assert!(is_unavailable(&answer), "{answer}");
    disk.make_room();
    let query = json!({"table": "user_test_big", "columns": ["n"]});
    let expected: Vec<Value> = (0..=silent).map(|n| json!([n])).collect();
    wait_until("all that waited ran, once and in order", || {
        host.ask("VPI_DB_UserSelect", query.clone()) == json!(expected)
    });
}

#[test]
fn a_full_disk_under_scriptdata_delays_answers_and_loses_none() {
    let Some(disk) = SmallDisk::mounted(256) else {
        return;
    };
    let vpid = Vpid::new().serving(disk.path()).with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    vpid.at_rest();
    let lock = locked(&vpid);
    let tokens = host.send(&[insert(1), insert(2)]).unwrap();
    wait_until("the file was taken", || {
        vpid.files().iter().any(|name| name.ends_with(".taken"))
    });
    disk.fill();
    drop(lock);
    vpid.wait_for_log("answers for my_server cannot be written");
    let left = vpid.files();
    assert!(left.iter().any(|name| name.ends_with(".taken")), "{left:?}");
    disk.make_room();
    assert_eq!(host.answers(&tokens), [json!(1), json!(1)]);
    assert_eq!(vpid.numbers(), [1, 2]);
}

#[test]
fn a_full_disk_under_the_state_folder_does_not_stop_the_service() {
    let Some(disk) = SmallDisk::mounted(64) else {
        return;
    };
    let vpid = Vpid::new().keeping(disk.path()).with_numbers().started();
    let mut host = vpid.host("my_server");
    disk.fill();
    // What cannot be moved to rejected/ stays where it is, and is not read over and over.
    let garbage = host.write_raw(b"garbage\0");
    assert_eq!(
        host.ask(
            "VPI_DB_UserInsert",
            json!({"table": "user_test_numbers", "values": [1]})
        ),
        json!(1)
    );
    vpid.wait_for_log("cannot be moved to rejected/");
    stays("the log", Duration::from_millis(300), || {
        vpid.log().matches("cannot be moved to rejected/").count() == 1
    });
    assert!(vpid.files().iter().any(|name| name.starts_with(&garbage)));
    disk.make_room();
    host.ping();
    assert_eq!(vpid.numbers(), [1]);
}

#[test]
fn a_read_only_database_is_an_error_until_it_can_be_written() {
    let Some(disk) = SmallDisk::mounted(1_024) else {
        return;
    };
    let database = disk.path().join("vpid.db");
    let make = "CREATE TABLE user_test_numbers (n INTEGER)";
    Connection::open(&database)
        .unwrap()
        .execute_batch(make)
        .unwrap();
    disk.become_writable(false);
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 300")
        .database_line(&format!("path = '{}'", database.display()))
        .started();
    let mut host = vpid.host("my_server");
    host.ping();
    let values = json!({"table": "user_test_numbers", "values": [1]});
    let answer = host.ask("VPI_DB_UserInsert", values.clone());
    assert!(is_unavailable(&answer), "{answer}");
    host.tell("VPI_DB_UserInsert", values);
    disk.become_writable(true);
    let query = json!({"table": "user_test_numbers"});
    wait_until("the call that waited ran", || {
        host.ask("VPI_DB_UserSelect", query.clone()) == json!([[1]])
    });
}
