//! `vpid backup` and `vpid restore`: nothing is lost, and nothing is done twice.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Community, Keeper, Visitor, Vpid, insert, program, wait_until};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Runs a command that has to work; gives what it said.
#[track_caller]
fn done(vpid: &Vpid, arguments: &[&str]) -> String {
    let output = vpid.command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// The same for one that has to fail.
#[track_caller]
fn refused(vpid: &Vpid, arguments: &[&str]) -> String {
    let output = vpid.command(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// As on a new machine.
fn lose_all(vpid: &Vpid) {
    fs::remove_dir_all(vpid.path("state")).unwrap();
    for name in ["vpid.db", "vpid.db-wal", "vpid.db-shm"] {
        let _ = fs::remove_file(vpid.path(name));
    }
}

/// All files below a folder with their contents, for what must not change.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            // It has the number of the last process.
            false if path.ends_with("vpid.lock") => {}
            false => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
        }
    }
    found.sort();
    found
}

fn banned_in_an_outage(community: &mut Community, count: i32) -> Vec<u64> {
    let admin = community.admin(1, "admin");
    let rogues: Vec<Visitor> = (0..count)
        .map(|n| Visitor::new(10 + n, &format!("rogue{n}")))
        .collect();
    for rogue in &rogues {
        community.joins(rogue);
        community.wait_for_user(rogue);
    }
    community.pause();
    for rogue in &rogues {
        community
            .log
            .says(&admin, &format!("!ban {} 60 aimbot", rogue.name));
        community.kicked(rogue);
    }
    let mut steam: Vec<u64> = rogues.iter().map(Visitor::steam64).collect();
    steam.sort_unstable();
    steam
}

fn banned(community: &Community) -> Vec<u64> {
    let mut steam: Vec<u64> = community.bans().iter().map(|ban| ban.steam).collect();
    steam.sort_unstable();
    steam
}

#[test]
fn bans_that_waited_in_a_backup_arrive_once_though_vpid_went_on_and_sent_some_after_it() {
    let mut community = Community::new().started();
    let expected = banned_in_an_outage(&mut community, 5);
    let file = community.vpid.path("backup.tar");
    let report = done(&community.vpid, &["backup", text(&file)]);
    assert!(report.contains("while vpid ran"), "{report}");
    // It goes on, and all bans arrive.
    community.resume();
    community.hurry();
    community.wait_until_sent();
    assert_eq!(banned(&community), expected);
    community.vpid.kill();
    lose_all(&community.vpid);
    done(&community.vpid, &["restore", text(&file)]);
    let waiting = community.outbox();
    assert_eq!(waiting.len(), expected.len(), "{waiting:#?}");
    assert!(
        waiting.iter().all(|it| it["state"] == "sending"),
        "{waiting:#?}"
    );
    community.start();
    community.hurry_until_sent();
    assert_eq!(banned(&community), expected);
    community.all_well();
}

#[test]
fn bans_that_waited_in_a_backup_arrive_once_after_a_kill_at_that_moment() {
    let mut community = Community::new().started();
    let expected = banned_in_an_outage(&mut community, 3);
    let file = community.vpid.path("backup.tar");
    done(&community.vpid, &["backup", text(&file)]);
    community.vpid.kill();
    lose_all(&community.vpid);
    done(&community.vpid, &["restore", text(&file)]);
    community.start_away();
    community.resume();
    community.hurry_until_sent();
    assert_eq!(banned(&community), expected);
    community.all_well();
}

/// State and database are of one moment: a ban is in one of them, and none is made twice from both.
#[test]
fn bans_of_a_community_in_a_database_are_each_there_once_whatever_was_under_way() {
    let mut community = Community::kept_by(Keeper::Sqlite).started();
    let admin = community.admin(1, "admin");
    let rogues: Vec<Visitor> = (0..12)
        .map(|n| Visitor::new(10 + n, &format!("rogue{n}")))
        .collect();
    for rogue in &rogues {
        community.joins(rogue);
        community.wait_for_user(rogue);
    }
    let ban = |community: &Community, rogue: &Visitor| {
        let order = format!("!ban {} 60 aimbot", rogue.name);
        community.log.says(&admin, &order);
        community.kicked(rogue);
    };
    let (before, meanwhile) = rogues.split_at(4);
    before.iter().for_each(|rogue| ban(&community, rogue));
    let file = community.vpid.path("backup.tar");
    let mut backup = program();
    backup
        .args(["backup", text(&file), "--config"])
        .arg(community.vpid.config_path());
    let backup = std::thread::spawn(move || backup.output().expect("vpid can be spawned"));
    meanwhile.iter().for_each(|rogue| ban(&community, rogue));
    let output = backup.join().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    community.vpid.kill();
    lose_all(&community.vpid);
    done(&community.vpid, &["restore", text(&file)]);
    community.start_away();
    community.hurry_until_sent();
    let banned = banned(&community);
    let mut once = banned.clone();
    once.dedup();
    assert_eq!(banned, once);
    for rogue in before {
        assert!(banned.contains(&rogue.steam64()), "{}", rogue.name);
    }
    community.all_well();
}

/// Whatever is written meanwhile, a copy of the database has a beginning of it, and vpid goes on from there.
#[test]
fn backups_under_load_have_each_a_beginning_of_what_was_written() {
    let mut vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("red");
    let mut written = 0;
    let mut files = Vec::new();
    for round in 0..3 {
        let file = vpid.path(&format!("backup{round}.tar"));
        let mut backup = program();
        backup
            .args(["backup", text(&file), "--config"])
            .arg(vpid.config_path());
        let backup = std::thread::spawn(move || backup.output().expect("vpid can be spawned"));
        while !backup.is_finished() {
            let calls: Vec<_> = (0..10).map(|n| insert(written + 1 + n)).collect();
            host.send(&calls).expect("a call file can be written");
            written += 10;
            host.fetch().expect("answers can be read");
        }
        let output = backup.join().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        files.push(file);
    }
    wait_until("all is written", || {
        host.fetch().expect("answers can be read");
        vpid.numbers().len() as i64 == written
    });
    vpid.at_rest();
    vpid.stop();
    let mut least = 0;
    for file in &files {
        done(&vpid, &["restore", text(file)]);
        let numbers = vpid.numbers();
        let expected: Vec<i64> = (1..=numbers.len() as i64).collect();
        assert_eq!(numbers, expected);
        assert!(numbers.len() as i64 >= least);
        least = numbers.len() as i64;
        // A second one in the same second would have the names of the first.
        fs::remove_dir_all(vpid.path("state")).unwrap();
        for entry in fs::read_dir(vpid.path("")).unwrap() {
            let path = entry.unwrap().path();
            if text(&path).contains("before-restore") {
                fs::remove_file(path).unwrap();
            }
        }
    }
    vpid.start();
    host.send(&[insert(least + 1)]).unwrap();
    wait_until("one more is written", || {
        vpid.numbers().len() as i64 == least + 1
    });
}

#[test]
fn what_is_there_is_kept_and_a_running_vpid_or_a_file_in_the_way_is_refused() {
    let mut vpid = Vpid::new().with_numbers().started();
    vpid.host("red").ask("VPI_Ping", Value::Null);
    let file = vpid.path("backup.tar");
    done(&vpid, &["backup", text(&file)]);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    let problem = refused(&vpid, &["backup", text(&file)]);
    assert!(
        problem.contains("exists already") && problem.contains("--force"),
        "{problem}"
    );
    done(&vpid, &["backup", text(&file), "--force"]);
    let state = vpid.path("state/new.tar");
    for own in [vpid.config_path(), vpid.path("vpid.db"), state] {
        let before = fs::read(&own).ok();
        let problem = refused(&vpid, &["backup", text(&own), "--force"]);
        assert!(problem.contains("belongs to vpid itself"), "{problem}");
        assert_eq!(fs::read(&own).ok(), before);
    }
    let problem = refused(&vpid, &["restore", text(&file)]);
    assert!(
        problem.contains("a vpid runs on") && problem.contains("stop it first"),
        "{problem}"
    );

    vpid.stop();
    let before = contents(&vpid.path(""));
    let listed = done(&vpid, &["restore", text(&file), "--dry-run"]);
    for part in [
        "database/default.db",
        "state/version",
        "Nothing was changed",
        "config/vpid.toml",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert_eq!(contents(&vpid.path("")), before);
    let report = done(&vpid, &["restore", text(&file)]);
    assert!(report.contains("before-restore-"), "{report}");
    assert!(
        report.contains("the configuration that is here stays"),
        "{report}"
    );
    let kept = contents(&vpid.path("")).into_iter();
    let kept = kept
        .filter(|(path, _)| text(path).contains("before-restore-"))
        .count();
    assert!(kept >= 3, "{kept}");
    vpid.start();
    vpid.host("red").ask("VPI_Ping", Value::Null);
    // No temporary files are left over.
    let left = contents(&vpid.path("")).into_iter();
    let left: Vec<_> = left
        .filter(|(path, _)| text(path).contains("/.vpid-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_torn_archive_and_a_made_up_one_are_refused_and_change_nothing() {
    let mut vpid = Vpid::new().with_numbers().started();
    let file = vpid.path("backup.tar");
    done(&vpid, &["backup", text(&file)]);
    vpid.stop();
    let good = fs::read(&file).unwrap();
    let state = || {
        (
            contents(&vpid.path("state")),
            fs::read(vpid.path("vpid.db")).unwrap(),
        )
    };
    let before = state();
    let mut changed = good.clone();
    let place = good
        .windows(15)
        .position(|it| it == b"SQLite format 3")
        .unwrap();
    changed[place + 100] ^= 1;
    for bytes in [
        &good[..good.len() / 2],
        &good[..good.len() - 512],
        &changed,
        b"hello",
    ] {
        fs::write(&file, bytes).unwrap();
        let problem = refused(&vpid, &["restore", text(&file)]);
        assert!(problem.contains("is not a whole backup"), "{problem}");
        assert_eq!(state(), before);
    }
    // Made by another program, with a name that leads out.
    let name = "state/../../evil";
    if made_by_tar(&vpid, &file, &[(name, "x")]) {
        let problem = refused(&vpid, &["restore", text(&file)]);
        let expected = format!("its manifest has {name:?}, which is not where a backup has files");
        assert!(problem.contains(&expected), "{problem}");
        assert_eq!(state(), before);
    }
}

/// Makes an archive with a right manifest. False: there is no tar here.
fn made_by_tar(vpid: &Vpid, file: &Path, members: &[(&str, &str)]) -> bool {
    let folder = vpid.path("made");
    fs::create_dir_all(folder.join("state")).unwrap();
    fs::write(folder.join("README"), "x").unwrap();
    let mut names = vec!["README"];
    let mut listed = Vec::new();
    for (name, content) in members {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        let sum = Sha256::digest(content.as_bytes());
        let sha256: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        listed.push(json!({"name": name, "size": content.len(), "sha256": sha256}));
        names.push(name);
    }
    let manifest = json!({
        "format": 1, "vpid": "0.1.0", "created": "2026-01-01T00:00:00Z", "state_version": 1, "secrets": false,
        "files": listed,
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    let tar = Command::new("tar")
        .args(["--format=ustar", "-P", "-b1", "-cf"])
        .arg(file)
        .args(names)
        .arg("manifest.json")
        .current_dir(&folder)
        .status();
    tar.is_ok_and(|status| status.success())
}

#[test]
fn files_of_a_configuration_that_other_programs_would_obey_are_passed_over() {
    let vpid = Vpid::new();
    let file = vpid.path("backup.tar");
    let members = [
        ("config/vpid.toml", "state_dir = 'state'\n"),
        ("config/ca.pem", "a certificate"),
        ("config/.ssh/authorized_keys", "a key"),
    ];
    if !made_by_tar(&vpid, &file, &members) {
        return;
    }
    let place = vpid.path("etc/vpid.toml");
    let mut restore = program();
    restore
        .arg("restore")
        .arg(&file)
        .arg("--config")
        .arg(&place);
    let output = restore.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let passed = "config/.ssh/authorized_keys: passed over: its name begins with a dot";
    assert!(said(&output).contains(passed), "{}", said(&output));
    assert!(place.exists() && vpid.path("etc/ca.pem").exists());
    assert!(!vpid.path("etc/.ssh").exists());
}

#[test]
fn a_folder_of_scripts_around_all_that_vpid_has_puts_no_secret_into_a_backup() {
    let vpid = Vpid::new();
    fs::create_dir_all(vpid.path("lib")).unwrap();
    fs::write(vpid.path("lib/vpi.py"), "x = 1\n").unwrap();
    let lines = format!(
        "dir = '{}'\nvpi_interfaces = '{}'",
        vpid.path("").display(),
        vpid.path("lib/vpi.py").display()
    );
    let mut vpid = vpid
        .signed()
        .with_numbers()
        .vyhub_line("api_url = \"https://127.0.0.1:1/name/v1\"")
        .vyhub_line("api_key = \"geheim0987\"")
        .scripts_line(&lines)
        .started();
    vpid.stop();
    let file = vpid.path("backup.tar");
    done(&vpid, &["backup", text(&file)]);
    let bytes = fs::read(&file).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    for secret in ["geheim0987", crate::support::KEY] {
        assert!(!has(secret), "{secret}");
    }
    for name in ["scripts/vpid.toml", "scripts/state/", "scripts/vpid.db"] {
        assert!(!has(name), "{name}");
    }
    assert!(has("config/lib/vpi.py") && has("scripts/lib/vpi.py"));
    done(&vpid, &["restore", text(&file)]);
    assert!(vpid.path("state/version").exists());
}

#[test]
fn a_backup_among_the_scripts_has_no_other_backup_and_a_restore_does_not_replace_it() {
    let vpid = Vpid::new();
    let page = vpid.path("page.html");
    let lines = format!(
        "dir = '{}'\n[status_page]\nfile = '{}'",
        vpid.path("").display(),
        page.display()
    );
    let mut vpid = vpid.with_numbers().scripts_line(&lines).started();
    vpid.stop();
    fs::write(&page, "a page").unwrap();
    let (old, file) = (vpid.path("old.tar"), vpid.path("backup.tar"));
    done(&vpid, &["backup", text(&old), "--with-secrets"]);
    fs::write(&file, "not a backup yet").unwrap();
    let report = done(&vpid, &["backup", text(&file), "--force"]);
    let sentence = "old.tar: it is a backup of vpid";
    assert!(report.contains(sentence), "{report}");
    let bytes = fs::read(&file).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    for name in ["scripts/old.tar", "scripts/backup.tar", "scripts/page.html"] {
        assert!(!has(name), "{name}");
    }
    done(&vpid, &["restore", text(&file)]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    // What the restore has put aside is no script, either.
    let report = done(&vpid, &["backup", text(&file), "--force"]);
    assert!(report.contains("a restore put it aside"), "{report}");
}

#[test]
fn a_full_disk_leaves_no_half_of_a_backup_and_changes_nothing_at_a_restore() {
    let mut vpid = Vpid::new().with_numbers().started();
    let file = vpid.path("backup.tar");
    let mut full = program();
    full.args(["backup", "-", "--config"])
        .arg(vpid.config_path());
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .map(|it| full.stdout(it).output());
    let problem = said(&full.unwrap().unwrap());
    assert!(
        problem.contains("the output cannot be written"),
        "{problem}"
    );

    // No file may be longer than 4 KiB, which a write notices as it notices a full disk.
    let config = vpid.config_path();
    let limited = |command: &str| {
        let line =
            format!("trap '' XFSZ; ulimit -f 4; exec \"$0\" {command} \"$1\" --config \"$2\"");
        let mut shell = Command::new("bash");
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_vpid")]);
        let output = shell.arg(&file).arg(&config).env_clear().output();
        output.expect("bash")
    };
    let output = limited("backup");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!file.exists());
    done(&vpid, &["backup", text(&file)]);
    let temporary = |path: &Path| text(path).contains("/.vpid-");
    assert!(
        !contents(&vpid.path(""))
            .iter()
            .any(|(path, _)| temporary(path))
    );

    vpid.stop();
    let before = contents(&vpid.path("state"));
    let output = limited("restore");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("nothing was changed"),
        "{}",
        said(&output)
    );
    assert_eq!(contents(&vpid.path("state")), before);
    assert!(
        !contents(&vpid.path(""))
            .iter()
            .any(|(path, _)| temporary(path))
    );
}

#[test]
fn the_configuration_comes_without_its_secrets_and_a_new_machine_gets_it_first() {
    let vpid = Vpid::new()
        .signed()
        .vyhub_line("api_url = \"https://127.0.0.1:1/name/v1\"")
        .vyhub_line("api_key = \"geheim0987\"")
        .script("one", "print(1)\n")
        .started();
    let file = vpid.path("backup.tar");
    done(&vpid, &["backup", text(&file)]);
    let bytes = fs::read(&file).unwrap();
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    for secret in ["geheim0987", crate::support::KEY] {
        assert!(!has(&bytes, secret), "{secret}");
    }
    assert!(has(&bytes, "scripts/one.py") && has(&bytes, "api_key = []"));
    // To standard output, with secrets.
    let output = vpid.command(&["backup", "-", "--with-secrets"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(has(&output.stdout, "geheim0987"));

    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().join("etc/vpid.toml");
    let mut restore = program();
    let restore = restore
        .arg("restore")
        .arg(&file)
        .arg("--config")
        .arg(&place);
    let output = restore.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("Put its secrets back"),
        "{}",
        said(&output)
    );
    let found = fs::read_to_string(&place).unwrap();
    assert!(
        found.contains("api_key = []") && found.contains("From a backup"),
        "{found}"
    );
    assert_eq!(place.metadata().unwrap().mode() & 0o777, 0o600);
    // Until they are back, no vpid starts with it.
    let mut check = program();
    let output = check
        .args(["run", "--config"])
        .arg(&place)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("vyhub.api_key: is empty, as a backup without secrets leaves it"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_second_restore_names_the_secrets_that_nobody_has_put_back() {
    let mut vpid = Vpid::new().signed().started();
    let file = vpid.path("backup.tar");
    done(&vpid, &["backup", text(&file)]);
    vpid.stop();
    let place = vpid.path("elsewhere.toml");
    let restore = || {
        let mut restore = program();
        restore
            .arg("restore")
            .arg(&file)
            .arg("--config")
            .arg(&place);
        let output = restore.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    restore();
    let report = restore();
    for part in ["Put back: ", ": server.key\n", ": server.legacy_secret\n"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains("can be started now"), "{report}");
}

#[test]
fn a_state_folder_of_a_newer_vpid_is_refused_and_stays_as_it_is() {
    let mut vpid = Vpid::running();
    vpid.stop();
    let version = vpid.path("state/version");
    let own = fs::read_to_string(&version).unwrap();
    assert!(own.starts_with("1\nvpid "), "{own}");
    fs::write(&version, "9\nvpid 7.0.0\n").unwrap();
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(1));
    assert!(
        log.contains("was written by vpid 7.0.0 (version 9)"),
        "{log}"
    );
    assert_eq!(fs::read_to_string(&version).unwrap(), "9\nvpid 7.0.0\n");
    // As after a restore that was cut short, and from before there were versions.
    fs::write(&version, "restoring\n").unwrap();
    let (_, log) = vpid.refused();
    assert!(
        log.contains("was being restored here, and that was not finished"),
        "{log}"
    );
    fs::remove_file(&version).unwrap();
    vpid.start();
    assert_eq!(fs::read_to_string(&version).unwrap(), own);
}
