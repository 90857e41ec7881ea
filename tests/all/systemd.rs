//! vpid under systemd: reports to the service manager, the watchdog, priorities in the journal, reloads with a
//! verdict, and the unit that `vpid service` writes.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Output;

use crate::support::{PATIENCE, Vpid, wait_until};

/// The service manager's end.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    #[track_caller]
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.0.recv(&mut buffer).expect("a report");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }
}

fn managed() -> (Vpid, Manager) {
    let vpid = Vpid::new();
    let socket = vpid.path("notify");
    let manager = Manager::at(&socket);
    let path = socket.display().to_string();
    (vpid.variable("NOTIFY_SOCKET", &path), manager)
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn the_service_manager_learns_of_start_reload_refusal_and_stop() {
    let (mut vpid, manager) = managed();
    vpid.start();
    let ready = manager.next();
    let folder = vpid.scriptdata().display().to_string();
    assert!(ready.starts_with("READY=1\nSTATUS=serves "), "{ready}");
    assert!(ready.contains(&folder), "{ready}");

    vpid.reload();
    let reloading = manager.next();
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        usec.is_some_and(|it| it.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert!(manager.next().starts_with("READY=1\n"));

    vpid = vpid.setting("nonsense = 1");
    vpid.reload();
    assert!(manager.next().starts_with("RELOADING=1\n"));
    assert!(manager.next().starts_with("READY=1\n"));
    let refused = manager.next();
    assert!(
        refused.contains("STATUS=the configuration was not reloaded: "),
        "{refused}"
    );
    assert!(refused.contains("nonsense"), "{refused}");

    assert!(vpid.stop().success());
    assert!(manager.next().starts_with("STOPPING=1\nSTATUS=stopping"));
}

#[test]
fn an_idle_vpid_feeds_the_watchdog_of_its_service_manager() {
    let (vpid, manager) = managed();
    let mut vpid = vpid.variable("WATCHDOG_USEC", "400000");
    vpid.start();
    let mut fed = 0;
    while fed < 4 {
        fed += usize::from(manager.next() == "WATCHDOG=1");
    }
    assert!(vpid.is_running());
}

#[test]
fn vpid_reload_waits_for_the_verdict_and_shows_it() {
    let mut vpid = Vpid::running();
    let reload = |vpid: &Vpid| vpid.command(&["reload"]);
    let good = reload(&vpid);
    assert!(good.status.success(), "{}", text(&good));
    assert_eq!(text(&good), "the configuration was reloaded\n");

    // The database has to try this first.
    vpid = vpid.queries("[query.broken]\nsql = 'SELECT x FROM user_test_nowhere'\n");
    let bad = reload(&vpid);
    assert_eq!(bad.status.code(), Some(3), "{}", text(&bad));
    assert!(text(&bad).contains("user_test_nowhere"), "{}", text(&bad));
    assert!(
        text(&bad).contains("the old one stays in force"),
        "{}",
        text(&bad)
    );

    vpid = vpid.queries("").setting("nonsense = 1");
    let bad = reload(&vpid);
    assert_eq!(bad.status.code(), Some(3), "{}", text(&bad));
    assert!(text(&bad).contains("nonsense"), "{}", text(&bad));
    vpid.host("my_server").ping();

    vpid.stop();
    let gone = reload(&vpid);
    assert_eq!(gone.status.code(), Some(1), "{}", text(&gone));
}

#[test]
fn a_reload_names_the_keys_that_wait_for_a_start() {
    let vpid = Vpid::running().setting("watch = \"poll\"");
    let output = vpid.command(&["reload"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("next start of vpid only: watch"),
        "{}",
        text(&output)
    );
}

#[test]
fn lines_of_the_journal_have_their_priorities_and_other_logs_have_times() {
    let vpid = Vpid::new();
    fs::write(vpid.path("log"), "").unwrap();
    let log = fs::metadata(vpid.path("log")).unwrap();
    let stream = format!("{}:{}", log.dev(), log.ino());
    let mut vpid = vpid
        .variable("JOURNAL_STREAM", &stream)
        .setting("poll_ms = 50");
    vpid.start();
    let said = vpid.log();
    assert!(
        said.lines().any(|line| line.starts_with("<6>INFO ")),
        "{said}"
    );
    vpid = vpid.setting("nonsense = 1");
    vpid.reload();
    wait_until("the refusal is logged", || {
        vpid.log().contains("not reloaded")
    });
    let said = vpid.log();
    assert!(said.lines().all(|line| line.starts_with('<')), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("<3>ERROR")),
        "{said}"
    );
    vpid.stop();
    let (code, said) = vpid.refused();
    assert_eq!(code, Some(3));
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("<3>") && last.contains("nonsense"),
        "{last}"
    );

    // A program that a service has started with a log of its own.
    let elsewhere = Vpid::new().variable("JOURNAL_STREAM", "1:1").started();
    let said = elsewhere.log();
    assert!(!said.contains("<6>") && said.starts_with("20"), "{said}");
}

fn owner(path: &Path) -> String {
    fs::metadata(path).unwrap().uid().to_string()
}

/// `vpid service WORDS` for the unit `game-1`, with units in the folder `units`.
fn service(vpid: &Vpid, words: &[&str]) -> Output {
    let units = vpid.path("units");
    fs::create_dir_all(&units).unwrap();
    let dir = units.display().to_string();
    let words = [
        &["service"],
        words,
        &["--name", "game-1", "--unit-dir", &dir],
    ];
    vpid.command(&words.concat())
}

#[test]
fn the_unit_of_this_machine_is_written_checked_and_removed() {
    let vpid = Vpid::new();
    let units = vpid.path("units");
    let dir = units.display().to_string();
    let unit = units.join("game-1.service");
    // Whoever runs the tests; root has to be named.
    let user = owner(&vpid.scriptdata());
    let uninstall = |words: &[&str]| service(&vpid, &[&["uninstall"], words].concat());
    let service = |words: &[&str]| service(&vpid, &[words, &["--user", &user]].concat());
    let shown = service(&["install", "--dry-run"]);
    assert!(
        text(&shown).contains("RestartPreventExitStatus=2 3"),
        "{}",
        text(&shown)
    );
    assert!(!unit.exists());
    let missing = service(&["status"]);
    assert_eq!(missing.status.code(), Some(1), "{}", text(&missing));
    // Tests run in a temporary folder, which a real service would not see.
    let installed = service(&["install"]);
    let said = text(&installed);
    let elsewhere = !vpid.config_path().starts_with("/tmp");
    assert_eq!(installed.status.success(), elsewhere, "{said}");
    assert!(
        elsewhere || said.contains("temporary folder, which the service does not see"),
        "{said}"
    );
    let written = fs::read_to_string(&unit).unwrap();
    let config = vpid.config_path().display().to_string();
    let scriptdata = vpid.scriptdata().display().to_string();
    for line in [
        format!(
            "ExecStart={} run --config {config}",
            env!("CARGO_BIN_EXE_vpid")
        ),
        format!(
            "ExecReload={} reload --config {config}",
            env!("CARGO_BIN_EXE_vpid")
        ),
        format!("ReadWritePaths=-{scriptdata}"),
    ] {
        assert!(written.lines().any(|it| it == line), "{line}\n{written}");
    }
    assert_eq!(written.contains("User=root"), user == "0");
    assert!(text(&service(&["status"])).contains("ok    unit: "));
    fs::write(&unit, written.replace("User=", "User=x")).unwrap();
    let changed = service(&["status"]);
    assert_eq!(changed.status.code(), Some(1));
    assert!(
        text(&changed).contains("write it again"),
        "{}",
        text(&changed)
    );
    let removed = uninstall(&["--dry-run"]);
    assert!(removed.status.success() && unit.exists());
    let removed = uninstall(&[]);
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(!unit.exists());
    let refused = vpid.command(&["service", "install", "--name", "../x", "--unit-dir", &dir]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_unit_from_elsewhere_is_kept_by_an_installation_and_not_removed() {
    let vpid = Vpid::new();
    let unit = vpid.path("units/game-1.service");
    let kept = vpid.path("units/game-1.service.before-vpid");
    let user = owner(&vpid.scriptdata());
    fs::create_dir(vpid.path("units")).unwrap();
    fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    let refused = service(&vpid, &["uninstall"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("stays"), "{}", text(&refused));
    let said = text(&service(&vpid, &["install", "--user", &user]));
    assert!(said.contains(".before-vpid"), "{said}");
    assert!(fs::read_to_string(&kept).unwrap().contains("/bin/true"));
    assert!(fs::read_to_string(&unit).unwrap().contains("Type=notify"));
    // Our own is replaced without a copy.
    fs::remove_file(&kept).unwrap();
    service(&vpid, &["install", "--user", &user]);
    assert!(!kept.exists());
    // The only copy of another one is not replaced.
    fs::write(&kept, "first").unwrap();
    fs::write(&unit, "second").unwrap();
    let said = text(&service(&vpid, &["install", "--user", &user]));
    assert!(said.contains("cannot be kept"), "{said}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), "second");
}

#[test]
fn paths_of_a_unit_have_no_dots_and_missing_folders_are_made() {
    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().canonicalize().unwrap();
    fs::create_dir(place.join("a")).unwrap();
    let vpid = Vpid::new().keeping(&place.join("a/../b/state"));
    let user = owner(&vpid.scriptdata());
    let said = text(&service(&vpid, &["install", "--user", &user]));
    let written = fs::read_to_string(vpid.path("units/game-1.service")).expect(&said);
    let line = format!("ReadWritePaths={}", place.join("b/state").display());
    assert!(written.lines().any(|it| it == line), "{line}\n{written}");
    let made = fs::metadata(place.join("b/state")).unwrap();
    assert_eq!(made.mode() & 0o777, 0o700);
}

#[test]
fn root_does_not_follow_a_configuration_of_the_games_user() {
    let elsewhere = tempfile::tempdir().unwrap();
    let state = elsewhere.path().join("vpid.service.d");
    let vpid = Vpid::new().keeping(&state);
    if owner(&vpid.scriptdata()) != "0" {
        return;
    }
    let unit = vpid.path("units/game-1.service");
    let unnamed = text(&service(&vpid, &["install"]));
    assert!(unnamed.contains("say --user root"), "{unnamed}");
    let foreign = text(&service(&vpid, &["install", "--user", "nobody"]));
    let remedy = format!("install -d -o nobody -m 700 '{}'", state.display());
    assert!(foreign.contains(&remedy), "{foreign}");
    chown(vpid.config_path(), Some(1), Some(1)).unwrap();
    let owned = text(&service(&vpid, &["install", "--user", "nobody"]));
    assert!(owned.contains("belongs to"), "{owned}");
    assert!(!state.exists() && !unit.exists());
}

#[test]
fn a_status_names_files_of_before_that_the_user_cannot_use() {
    let vpid = Vpid::new().with_numbers();
    if owner(&vpid.scriptdata()) != "0" {
        return;
    }
    fs::create_dir(vpid.path("state")).unwrap();
    fs::write(vpid.path("state/journal"), "").unwrap();
    let said = text(&service(&vpid, &["status", "--user", "nobody"]));
    for file in ["state/journal", "vpid.db"] {
        let path = vpid.path(file).display().to_string();
        assert!(said.contains(&path), "{path}: {said}");
    }
}
