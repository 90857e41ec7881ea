//! Replays: an identity is good for one file, once, whatever is done to it.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use vpid::protocol::names;

use crate::support::{Host, Vpid, wait_until};

/// A file that puts 1 into the table, and how often it did.
struct Recorded {
    vpid: Vpid,
    host: Host,
    text: String,
}

const REPLAY: &str = "used before";

impl Recorded {
    /// The file ran once and its calls were answered.
    fn once() -> Self {
        let vpid = Vpid::new().with_numbers().started();
        let mut host = vpid.host("my_server");
        let text = host.text_of(&[insert_call(1)]) + "\0";
        host.write_raw(text.as_bytes());
        host.answers(&["t".into()]);
        wait_until("its file went", || {
            !vpid.files().iter().any(|name| name.contains("output"))
        });
        Self { vpid, host, text }
    }

    #[track_caller]
    fn is_refused(&self, times: usize) {
        wait_until("the replay was refused", || {
            let reasons = self.vpid.reasons();
            reasons
                .iter()
                .filter(|reason| reason.contains(REPLAY))
                .count()
                == times
        });
        assert_eq!(self.vpid.numbers(), [1]);
    }
}

fn insert_call(number: i64) -> Value {
    json!({"token": "t", "func": "VPI_DB_UserInsert", "script": "test.nut", "callback": true,
        "kwargs": {"table": "user_test_numbers", "values": [number]}})
}

#[test]
fn the_same_file_again_is_refused_under_any_name() {
    let mut recorded = Recorded::once();
    let text = recorded.text.clone();
    let name = recorded.host.write_raw(text.as_bytes());
    recorded.is_refused(1);
    fs::write(recorded.host.path_of(&name), &text).unwrap();
    recorded.is_refused(2);
    let mut other = recorded.vpid.host("another_server");
    other.write_raw(text.as_bytes());
    recorded.is_refused(3);
}

#[test]
fn an_identity_beside_another_body_is_refused() {
    let mut recorded = Recorded::once();
    let mut file: Value = serde_json::from_str(recorded.text.trim_end_matches('\0')).unwrap();
    file["Calls"]["async"] = json!([insert_call(2)]);
    recorded.host.write_raw(format!("{file}\0").as_bytes());
    recorded.is_refused(1);
}

#[test]
fn a_replay_is_refused_after_a_restart_too() {
    let mut recorded = Recorded::once();
    let text = recorded.text.clone();
    recorded.vpid.kill();
    recorded.vpid.start();
    recorded.host.write_raw(text.as_bytes());
    recorded.is_refused(1);
    recorded.vpid.stop();
    recorded.host.write_raw(text.as_bytes());
    recorded.vpid.start();
    recorded.is_refused(2);
}

#[test]
fn a_file_that_was_removed_cannot_come_back_as_taken() {
    let mut recorded = Recorded::once();
    // As somebody would name it who saw the folder while the file was under way: the daemon's
    // own record says which number it had.
    let identities = fs::read(recorded.vpid.path("state/identities")).unwrap();
    // The upper byte says whose share it is.
    let id = u64::from_le_bytes(identities[8..16].try_into().unwrap()) & (u64::MAX >> 8);
    let mut file: Value = serde_json::from_str(recorded.text.trim_end_matches('\0')).unwrap();
    file["Calls"]["async"] = json!([{"func": "VPI_Info", "script": "x.nut"}, insert_call(2)]);
    let name = names::taken(&names::calls("my_server", 1, 1), id);
    fs::write(recorded.host.path_of(&name), format!("{file}\0")).unwrap();
    // In a running daemon it is nobody's file; the next one looks for files of the last.
    recorded.vpid.host("my_server").ping();
    assert!(recorded.vpid.files().contains(&name));
    recorded.vpid.kill();
    recorded.vpid.start();
    recorded.is_refused(1);
    assert!(!recorded.vpid.files().contains(&name));
    assert_eq!(recorded.vpid.numbers(), [1]);
}

#[test]
fn an_identity_copied_into_a_later_file_is_refused() {
    let mut vpid = Vpid::new().with_numbers();
    let mut host = vpid.host("my_server");
    // It was never taken, so the guard does not know it: only the clocks can tell.
    let stolen = host.text_of(&[insert_call(1)]) + "\0";
    vpid.start();
    host.ping();
    for later in [Duration::from_secs(3_600), Duration::from_secs(600)] {
        let before = vpid.reasons().len();
        let name = host.next_name();
        let elsewhere = vpid.path("stolen");
        fs::write(&elsewhere, &stolen).unwrap();
        let file = fs::File::options().write(true).open(&elsewhere).unwrap();
        file.set_modified(SystemTime::now() + later).unwrap();
        fs::rename(&elsewhere, host.path_of(&name)).unwrap();
        wait_until("it was set aside", || vpid.reasons().len() > before);
        let reason = vpid.reasons().pop().unwrap();
        assert!(reason.contains("may have been copied"), "{reason}");
    }
    host.ping();
    assert!(vpid.numbers().is_empty());
}
