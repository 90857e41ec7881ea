//! Settings that come too late or have no effect: each is named.

use crate::support::{Vpid, program};

#[test]
fn a_reload_names_the_keys_that_wait_for_a_start() {
    let vpid = Vpid::new()
        .script("stats", "def top():\n    return 1\n")
        .with_running(&["stats"]);
    let text = vpid.config_text();
    let edited = text.replacen(
        "state_dir = '",
        "poll_ms = 70\nwatch = 'poll'\nstate_dir = '/elsewhere",
        1,
    ) + "[script.stats]\nmemory_mb = 100\n[vyhub]\napi_url = 'https://a.example/v1'\napi_key = 'k'\n";
    std::fs::write(vpid.config_path(), edited).unwrap();
    vpid.hang_up();
    vpid.wait_for_log("these change with the next start of vpid only: state_dir, watch, [vyhub]");
    vpid.wait_for_log(
        "[script.stats]: memory_mb are in force when it is started next: vpid script reload stats",
    );
    vpid.wait_for_log("the configuration was reloaded");
    assert!(!vpid.log().contains("poll_ms"), "{}", vpid.log());
}

#[test]
fn a_level_of_the_log_that_there_is_not_is_named() {
    let mut vpid = Vpid::new().variable("VPID_LOG", "nope");
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(3), "{log}");
    assert!(
        log.contains("environment: VPID_LOG: \"nope\" is not a log level"),
        "{log}"
    );
    let said = vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.contains("bad   environment: VPID_LOG: \"nope\" is not a log level"),
        "{said}"
    );
}

#[test]
fn what_names_a_log_that_cannot_be_opened_is_blamed() {
    let mut vpid = Vpid::new().variable("VPID_LOG_FILE", "/nowhere/x.log");
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(3), "{log}");
    let blamed = "environment: VPID_LOG_FILE: log_file /nowhere/x.log cannot be opened";
    assert!(log.contains(blamed), "{log}");
}

#[test]
fn a_configuration_that_is_missing_is_written_to_where_it_is_looked_for() {
    let run = ["run", "--config", "/nowhere/nope.toml"];
    let output = program().args(run).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    assert!(
        said.contains("`vpid init --config '/nowhere/nope.toml'` writes a new one"),
        "{said}"
    );
}

#[test]
fn a_database_that_is_a_folder_keeps_vpid_from_starting() {
    let mut vpid = Vpid::new();
    std::fs::create_dir_all(vpid.path("vpid.db")).unwrap();
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(3), "{log}");
    assert!(
        log.contains("vpid.db is a folder, and not a file of a database"),
        "{log}"
    );
}

#[test]
fn options_without_effect_are_refused() {
    for (words, option) in [
        (&["game", "list", "--host", "nope"][..], "--host"),
        (&["game", "list", "--keep"], "--keep"),
        (&["game", "watch", "--to", "3"], "--to"),
        (&["game", "command", "status", "--where", "chat"], "--where"),
    ] {
        let output = program().args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let problem = format!("{option} has no effect on `vpid game");
        assert!(said.replace('\n', " ").contains(&problem), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// Once it is read, a new key is in force; it need not wait for somebody who knows of SIGHUP.
#[test]
fn a_key_file_that_was_edited_is_read_again() {
    use std::os::unix::fs::PermissionsExt;

    let mut vpid = Vpid::new().server_line("key_file = 'key'");
    let write = |text: &str| {
        std::fs::write(vpid.path("key"), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(vpid.path("key"), mode).unwrap();
    };
    write("another-key-that-is-long-enough-0123456789");
    let path = vpid.path("key");
    vpid.start();
    std::fs::write(&path, format!("{}\n", crate::support::KEY)).unwrap();
    vpid.wait_for_log("the configuration was reloaded");
    vpid.signed_game("blue");
    std::fs::write(&path, "two\nlines\n").unwrap();
    vpid.wait_for_log("has several lines; it is to hold the key alone");
    vpid.wait_for_log("the old one stays in force");
}

#[test]
fn a_folder_that_is_not_scriptdata_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let vpid = Vpid::new().serving(folder.path()).started();
    let warning = "is not called scriptdata; the game writes into tf/scriptdata";
    assert!(vpid.log().contains(warning), "{}", vpid.log());
}
