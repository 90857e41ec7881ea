//! `vpid queue` where no vpid runs: what lies on disk is shown, and nothing is changed.

use std::fs;

use serde_json::{Value, json};

use crate::support::Vpid;

#[test]
fn the_queue_of_a_stopped_vpid_can_be_seen_and_not_changed() {
    let vpid = Vpid::new();
    vpid.write_config();
    let said = |arguments: &[&str]| {
        let output = vpid.command(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = said(&["queue", "list"]);
    assert!(code == Some(0) && text.contains("Nothing waits"), "{text}");

    let folder = vpid.path("state/outbox");
    fs::create_dir_all(&folder).unwrap();
    let entry = json!({
        "version": 1, "id": 1, "kind": "ban", "steam": "76561197960287930", "name": "bob",
        "issuer": null, "created": "2026-11-20T08:00:00Z", "length_s": null, "reason": "aimbot",
        "standing": true, "state": "held", "tries": 2, "next_s": 0, "problem": "401"
    });
    fs::write(folder.join("1.json"), entry.to_string()).unwrap();
    let (code, text) = said(&["queue", "list"]);
    assert!(
        code == Some(0) && text.contains("bob (76561197960287930)"),
        "{text}"
    );
    let (code, text) = said(&["queue", "show", "1", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&text).ok()),
        (Some(0), Some(entry))
    );
    for change in [&["queue", "retry", "all"][..], &["queue", "drop", "1"]] {
        let (code, text) = said(change);
        assert!(
            code == Some(1) && text.contains("no vpid runs on"),
            "{text}"
        );
    }
    assert!(folder.join("1.json").exists());
}
