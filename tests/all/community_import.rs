//! `vpid community` on MariaDB, with vpids that wait for changes; and imports from SourceBans++ and from a VyHub.

use std::time::Duration;

use fake_vyhub::FakeVyhub;
use serde_json::{Value, json};

use crate::community_cli::{Shell, counted, imports_once};
use crate::support::Vpid;

/// Somebody with bans of more than a page, groups and playtime, and an administrator; gives the attribute and the
/// first of them.
fn filled(vyhub: &FakeVyhub) -> (String, String) {
    let base = 76_561_197_960_265_728;
    let bob = vyhub.add_user(base + 7, "Bob", false);
    let boss = vyhub.add_user(base + 8, "Boss", true);
    let mods = vyhub.add_group(
        "Mods",
        20,
        &[
            ("ban_edit", true),
            ("user_edit", false),
            (&"x".repeat(65), true),
        ],
        Some(3_600),
    );
    vyhub.put_in_group(&bob, &mods);
    vyhub.put_in_group_elsewhere(&bob, &mods);
    vyhub.put_in_group_for(&boss, &mods, Duration::from_secs(86_400));
    // More than a page, of which some are over or lifted.
    for number in 0..101 {
        vyhub.add_ban(&bob, &format!("reason {number}"), Some(1_000_000 + number));
    }
    let lifted = vyhub.add_ban(&bob, "lifted", None);
    vyhub.edit_ban(&lifted, |ban| ban.status = "UNBANNED".into());
    vyhub.add_ban(&boss, "in force", None);
    let playtime = vyhub.add_definition("playtime", "ACCUMULATED");
    vyhub.add_to_attribute(&playtime, &bob, 1_500_000);
    (playtime, bob)
}

#[test]
fn a_vyhub_is_imported_once_with_groups_bans_warnings_and_playtime() {
    let vyhub = FakeVyhub::start();
    let shell = Shell::new(Vpid::new().vyhub(&vyhub));
    let (playtime, bob) = filled(&vyhub);
    // Known here, and not there.
    shell.done(&["user", "add", "[U:1:99]"]);

    let kinds = [
        ("bans", 103),
        ("groups", 1),
        ("memberships", 2),
        ("administrators", 1),
        ("playtimes", 1),
        ("users", 2),
    ];
    let said = imports_once(&shell, &["import", "vyhub"], &kinds);
    assert!(said.contains("\"Mods\": no right of vpid's"), "{said}");
    let bans = shell.json(&["ban", "list"]);
    assert_eq!(
        bans["bans"].as_array().unwrap().len() as u64 + bans["more"].as_u64().unwrap(),
        102
    );
    let boss_ban = shell.json(&["ban", "list", "Boss"])["bans"][0].clone();
    assert_eq!(
        (&boss_ban["reason"], &boss_ban["ends"]),
        (&json!("in force"), &Value::Null)
    );
    let group = shell.json(&["group", "show", "Mods"]);
    assert_eq!(
        (&group["level"], &group["max_ban_s"]),
        (&json!(20), &json!(3_600))
    );
    assert_eq!(
        group["properties"],
        json!({"ban_edit": true, "user_edit": false})
    );
    let user = shell.json(&["user", "show", "Bob"]);
    assert_eq!(
        (&user["playtime_ms"], &user["groups"]),
        (&json!(5_400_000), &json!(["Mods"]))
    );
    assert_eq!(shell.json(&["admin", "list"])["users"][0]["name"], "Boss");
    // More playtime replaces what was imported; what an operator lifted stays lifted.
    vyhub.add_to_attribute(&playtime, &bob, 500_000);
    shell.done(&["ban", "remove", "Boss"]);
    let again = shell.done(&["import", "vyhub", "--apply"]);
    assert_eq!(counted(&again, "playtimes"), [1, 1, 0, 0]);
    assert_eq!(
        shell.json(&["user", "show", "Bob"])["playtime_ms"],
        7_200_000
    );
    assert_eq!(shell.json(&["ban", "list", "Boss"])["bans"], json!([]));
    assert_eq!(vyhub.violations(), Vec::<String>::new());
    assert!(
        vyhub
            .requests()
            .iter()
            .all(|request| request.method == "GET")
    );
}

#[test]
fn an_import_from_a_vyhub_that_refuses_the_key_says_so() {
    let vyhub = FakeVyhub::start();
    let shell = Shell::new(Vpid::new().vyhub(&vyhub));
    vyhub.set_key("another key");
    let (code, said) = shell.refused(&["import", "vyhub"]);
    assert!(code == 1 && said.contains("401"), "{said}");
    let without = Shell::new(Vpid::new());
    let (code, said) = without.refused(&["import", "vyhub"]);
    assert!(code == 1 && said.contains("has no [vyhub]"), "{said}");
}

#[test]
fn a_mistake_elsewhere_in_the_configuration_keeps_no_operator_from_the_community() {
    let shell = Shell::new(Vpid::new().server_line("nonsense = 1"));
    shell.done(&["user", "list"]);
    let wrong = Shell::new(Vpid::new().database_line("nonsense = 1"));
    let (code, said) = wrong.refused(&["user", "list"]);
    assert!(code == 3 && said.contains("database.nonsense"), "{said}");
}

/// With something in every table.
fn settled(shell: &Shell) {
    for (steam, name) in [
        ("[U:1:7]", "Rogue"),
        ("[U:1:8]", "Boss"),
        ("[U:1:9]", "Ann"),
    ] {
        shell.done(&["user", "add", steam, "--name", name]);
    }
    let commands: [&[&str]; 12] = [
        &["admin", "add", "Boss"],
        &[
            "group", "add", "VIP", "--level", "10", "--grant", "ban_show", "--deny", "ban_edit",
        ],
        &[
            "group",
            "add",
            "Mods",
            "--max-ban",
            "2h",
            "--inherits",
            "no",
        ],
        &["member", "add", "Ann", "VIP", "--for", "30d"],
        &["member", "add", "Boss", "Mods"],
        &[
            "ban",
            "add",
            "Rogue",
            "--reason",
            "aim\"bot\"\n\u{1f480}",
            "--for",
            "7d",
        ],
        &["ban", "add", "Ann", "--reason", "mistake"],
        &["ban", "remove", "Ann"],
        &["ban", "add", "203.0.113.0/24", "--reason", "bots"],
        &["warning", "add", "Ann", "--reason", "language"],
        &["advert", "add", "Be kind.", "--colour", "FF8800"],
        &[
            "reward",
            "add",
            "Gold",
            "--group",
            "VIP",
            "--command",
            "sm_gold",
        ],
    ];
    commands
        .iter()
        .for_each(|arguments| drop(shell.done(arguments)));
    shell
        .vpid
        .sql()
        .execute_batch(
            "INSERT INTO vpid_playtime VALUES (76561197960265735, '2026-11-30', 5), (76561197960265735, '2026-12-01', 6);
             INSERT INTO vpid_executed VALUES ('00000000-0000-4000-8000-000000000001',
                '00000000-0000-4000-8000-000000000002', 76561197960265737, '00000000-0000-4000-8000-000000000003', 7000000);
             INSERT INTO vpid_servers (id, name, extra, map) VALUES ('00000000-0000-4000-8000-000000000002', 'one',
                '{\"res_slots\":2}', 'cp_badlands');
             INSERT INTO vpid_done VALUES ('00000000-0000-4000-8000-000000000004', 8000001);",
        )
        .expect("rows");
}

#[test]
fn an_export_that_was_cut_off_or_changed_is_noticed_and_harms_nothing() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    let text = shell.done(&["export", "-"]);
    let other = Shell::new(Vpid::new());
    let whole = &text[..text.rfind("{\"records\"").expect("a last line")];
    let file = |text: &str| crate::community_cli::file(&other, "export.jsonl", text);
    for (text, part) in [
        (whole, "cut off"),
        (&text[..whole.len() + 5], "cut off"),
        ("", "was not written by `vpid community export`"),
        ("{\"vpid_community\":2}\n", "by a newer vpid"),
        ("[]\n", "was not written by"),
        (
            "{\"vpid_community\":1}\n{\"records\":3}\n",
            "counts 3 records, and 0 were read",
        ),
    ] {
        let file = file(text);
        for options in [&[][..], &["--apply"]] {
            let import = [&["import", "vpid", &file][..], options].concat();
            let (code, said) = other.refused(&import);
            assert!(code == 1 && said.contains(part), "{part}: {said}");
        }
    }
    let empty = other.done(&["export", "-"]);
    assert_eq!(empty.lines().count(), 2, "{empty}");
}

#[test]
fn a_stream_that_was_cut_off_is_imported_as_far_as_it_goes_and_that_is_said() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    let text = shell.done(&["export", "-"]);
    let whole = &text[..text.rfind("{\"records\"").expect("a last line")];
    let streams = Shell::new(Vpid::new());
    let (pipe, cut) = (streams.vpid.path("pipe"), whole.to_owned());
    make_fifo(&pipe);
    let writes = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, cut)
    });
    let pipe = pipe.display().to_string();
    let (code, said) = streams.refused(&["import", "vpid", &pipe, "--apply"]);
    writes.join().expect("a writer").expect("all is read");
    assert!(
        code == 1 && said.contains("what was read until here was imported"),
        "{said}"
    );
    assert_eq!(records(&streams), records(&shell));
}

#[test]
fn lines_of_an_export_that_cannot_be_used_are_named_and_harm_nothing() {
    let other = Shell::new(Vpid::new());
    let file = |text: &str| crate::community_cli::file(&other, "export.jsonl", text);
    let steam = "76561197960265735";
    let id = "00000000-0000-4000-8000-000000000009";
    let time = "2026-01-01T00:00:00Z";
    let wrong = [
        json!({"table": "users", "steam": "7", "name": "x", "admin": false, "created": time}),
        json!({"table": "users", "steam": steam, "name": "x".repeat(129), "admin": false, "created": time}),
        json!({"table": "users", "steam": steam, "name": "x", "admin": 1, "created": time}),
        json!({"table": "users", "steam": steam, "name": "x", "admin": true, "created": "soon"}),
        json!({"table": "playtime", "steam": steam, "day": "2026-1-1", "ms": 1}),
        json!({"table": "playtime", "steam": steam, "day": "2026-01-01", "ms": -1}),
        json!({"table": "adverts", "id": id, "content": "x", "colour": "#12345", "position": 0, "enabled": true}),
        json!({"table": "servers", "id": id, "name": "x", "options": "[]"}),
        json!({"table": "address_bans", "id": id, "range": "203.0.113.0/24", "first_address": 1, "last_address": 2,
            "reason": "", "created": time, "issuer_name": ""}),
        json!({"table": "groups", "id": id, "name": "x", "level": 1, "inherits": true, "rights": {"ban_edit": 1}}),
        json!({"table": "sqlite_master", "id": id}),
        json!({"table": "done", "id": "'; DROP TABLE vpid_users; --", "at": time}),
        json!([1, 2]),
    ];
    let mut text = "{\"vpid_community\":1}\n".to_owned();
    wrong.iter().for_each(|line| text += &format!("{line}\n"));
    // A list is no record, and a blank line is nothing.
    text += "\n \n";
    text += "{\"records\":12}\n\n";
    let said = other.done(&["import", "vpid", &file(&text), "--apply"]);
    assert_eq!(counted(&said, "users"), [4, 0, 0, 4]);
    assert_eq!(counted(&said, "groups"), [1, 0, 0, 1]);
    assert_eq!(counted(&said, "lines"), [2, 0, 0, 2]);
    assert!(
        said.contains("export.jsonl:2: `steam` cannot be used"),
        "{said}"
    );
    let empty = other.done(&["export", "-"]);
    assert_eq!(empty.lines().count(), 2, "{empty}");
}

#[test]
fn lengths_ends_and_playtimes_that_cannot_be_are_refused_with_a_sentence() {
    let other = Shell::new(Vpid::new());
    let steam = "76561197960265735";
    let id = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
    let time = "2026-01-01T00:00:00Z";
    let ban = |n: u32, length_s: Value, ends: Value| {
        json!({"table": "bans", "id": id(n), "steam": steam, "name": " R\u{1b}ogue ", "reason": "x",
            "length_s": length_s, "created": time, "ends": ends, "issuer_name": ""})
    };
    let member = |n: u32, end: Value| json!({"table": "members", "id": id(n), "steam": steam, "group": id(99), "begin": time, "end": end});
    let playtime =
        |day: &str, ms: i64| json!({"table": "playtime", "steam": steam, "day": day, "ms": ms});
    let lines = [
        ban(1, json!(-1), json!("2025-12-31T23:59:59Z")),
        ban(2, json!(0), json!(time)),
        ban(3, json!(60), json!("2027-01-01T00:00:00Z")),
        ban(4, json!(60), Value::Null),
        ban(5, Value::Null, json!(time)),
        ban(6, json!(86_400), json!("2026-01-02T00:00:00Z")),
        ban(7, Value::Null, Value::Null),
        member(8, Value::Null),
        // Of a group that was removed since.
        member(9, json!("2026-01-02T00:00:00Z")),
        playtime("2026-01-01", 1_i64 << 62),
        playtime("1970-01-01", 1_i64 << 62),
        playtime("2026-01-02", 3_600_000),
        playtime("1970-01-01", 360_000_000),
    ];
    let mut text = "{\"vpid_community\":1}\n".to_owned();
    lines.iter().for_each(|line| text += &format!("{line}\n"));
    text += &format!("{{\"records\":{}}}\n", lines.len());
    let file = crate::community_cli::file(&other, "export.jsonl", &text);
    let said = other.done(&["import", "vpid", &file, "--apply"]);
    assert_eq!(counted(&said, "bans"), [7, 2, 0, 5], "{said}");
    assert_eq!(counted(&said, "memberships"), [2, 1, 0, 1], "{said}");
    assert_eq!(counted(&said, "playtimes"), [4, 2, 0, 2], "{said}");
    for part in [
        "`length_s` is -1",
        "`ends` is not `length_s` after `created`",
        &*format!("there is no group {}", id(99)),
        "`ms` is 4611686018427387904",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let bans = other.json(&["ban", "list", "--all"]);
    assert_eq!(bans["bans"][0]["name"], "Rogue", "{bans}");
    assert_eq!(
        other.json(&["playtime", "show", "[U:1:7]"])["ms"],
        363_600_000
    );
}

/// As an earlier version may have imported it.
#[test]
fn playtime_that_no_player_can_have_does_not_hide_the_rest() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    shell
        .vpid
        .sql()
        .execute_batch(
            "INSERT INTO vpid_playtime VALUES (76561197960265735, '2026-01-01', 4611686018427387904),
                (76561197960265735, '2026-01-02', 4611686018427387904)",
        )
        .expect("rows");
    let shown = shell.json(&["playtime", "show", "[U:1:7]"]);
    assert_eq!(shown["days"].as_array().map(Vec::len), Some(4), "{shown}");
    let user = shell.json(&["user", "show", "[U:1:7]"]);
    assert_eq!(user["playtime_ms"], shown["ms"]);
}

fn make_fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
}

/// All records of an export.
fn records(shell: &Shell) -> Vec<Value> {
    let text = shell.done(&["export", "-"]);
    let lines = text.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(|line| line.expect("JSON")).collect();
    lines
        .into_iter()
        .filter(|line| line["table"].is_string())
        .collect()
}

#[test]
fn an_export_goes_only_where_a_file_can_be() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    let path = |name: &str| shell.vpid.path(name);
    let text = |name: &str| path(name).display().to_string();
    std::fs::create_dir(path("folder")).expect("a folder");
    std::fs::write(path("folder/kept"), "x").expect("a file");
    let (code, said) = shell.refused(&["export", &text("folder")]);
    assert!(
        code == 1 && said.contains("is a folder; name a file in it"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(path("folder/kept")).expect("it is there"),
        "x"
    );
    // A link is followed, and stays one.
    std::fs::write(path("folder/old.jsonl"), "old").expect("a file");
    std::os::unix::fs::symlink("folder/old.jsonl", path("link")).expect("a link");
    shell.done(&["export", &text("link"), "--force"]);
    assert!(path("link").is_symlink());
    let written = std::fs::read_to_string(path("folder/old.jsonl")).expect("a file");
    assert!(written.contains("\"records\":"), "{written}");
    std::os::unix::fs::symlink("folder/none", path("loose")).expect("a link");
    let (code, said) = shell.refused(&["export", &text("loose")]);
    assert!(code == 1 && said.contains("is a link to"), "{said}");
    // A device or a FIFO is written to.
    let shown = shell.done(&["export", "/dev/stdout"]);
    assert_eq!(
        shown.lines().skip(1).collect::<Vec<_>>(),
        written.lines().skip(1).collect::<Vec<_>>()
    );
    shell.done(&["export", "/dev/null"]);
    make_fifo(&path("pipe"));
    let reads = std::thread::spawn({
        let pipe = path("pipe");
        move || std::fs::read_to_string(pipe)
    });
    shell.done(&["export", &text("pipe")]);
    let read = reads.join().expect("a reader").expect("text");
    assert_eq!(read.lines().count(), written.lines().count());
}

#[test]
fn an_export_writes_over_a_file_only_by_force_and_never_over_one_of_vpid() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    let path = |name: &str| shell.vpid.path(name);
    let text = |name: &str| path(name).display().to_string();
    std::fs::write(path("notes"), "mine").expect("a file");
    let (code, said) = shell.refused(&["export", &text("notes")]);
    let said = said.replace('\n', " ");
    assert!(
        code == 1 && said.contains("exists already") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(path("notes")).unwrap(), "mine");
    shell.done(&["export", &text("notes"), "--force"]);
    let written = std::fs::read_to_string(path("notes")).unwrap();
    assert!(written.contains("\"records\":"), "{written}");
    std::fs::create_dir_all(path("state")).expect("a folder");
    std::os::unix::fs::symlink("vpid.db", path("link")).expect("a link");
    let config = std::fs::read(path("vpid.toml")).expect("the configuration");
    for name in [
        "vpid.toml",
        "vpid.db",
        "vpid.db-wal",
        "link",
        "scriptdata/../vpid.db",
        "state/export.jsonl",
        "scriptdata/export.jsonl",
    ] {
        let file = text(name);
        for force in [&["--force"][..], &[]] {
            let arguments = [&["export", file.as_str()][..], force].concat();
            let (code, said) = shell.refused(&arguments);
            let said = said.replace('\n', " ");
            assert!(
                code == 1 && said.contains("belongs to vpid itself"),
                "{name}: {said}"
            );
        }
    }
    assert_eq!(std::fs::read(path("vpid.toml")).unwrap(), config);
    assert!(!path("state/export.jsonl").exists());
    assert!(!path("scriptdata/export.jsonl").exists());
    assert_eq!(shell.json(&["admin", "list"])["users"][0]["name"], "Boss");
}

#[test]
fn rows_that_an_export_leaves_out_are_named_and_no_success() {
    let shell = Shell::new(Vpid::new());
    settled(&shell);
    shell
        .vpid
        .sql()
        .execute_batch(
            "UPDATE vpid_warnings SET created_us = 'yesterday';
             UPDATE vpid_properties SET granted = 'maybe' WHERE name = 'ban_show';
             UPDATE vpid_playtime SET ms = 'long' WHERE day = '2026-12-01'",
        )
        .expect("changes");
    let file = shell.vpid.path("export.jsonl").display().to_string();
    let (code, said) = shell.refused(&["export", &file]);
    assert_eq!(code, 1, "{said}");
    for part in [
        "left out: vpid_warnings ",
        "left out: vpid_playtime 76561197960265735 2026-12-01",
        " ban_show",
        "3 rows are not as vpid writes them",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The rest is there.
    let other = Shell::new(Vpid::new());
    let report = other.done(&["import", "vpid", &file, "--apply"]);
    assert_eq!(counted(&report, "users"), [3, 3, 0, 0]);
    assert_eq!(counted(&report, "playtimes"), [1, 1, 0, 0]);
}

#[test]
fn who_was_made_no_administrator_stays_none_when_an_export_is_imported_again() {
    let from = Shell::new(Vpid::new());
    settled(&from);
    let file = from.vpid.path("export.jsonl").display().to_string();
    from.done(&["export", &file]);
    let admins = |shell: &Shell| shell.json(&["admin", "list"])["users"].clone();
    for shell in [&from, &Shell::new(Vpid::new())] {
        shell.done(&["import", "vpid", &file, "--apply"]);
        assert_eq!(admins(shell)[0]["name"], "Boss");
        shell.done(&["admin", "remove", "Boss"]);
        shell.done(&["import", "vpid", &file, "--apply"]);
        assert_eq!(admins(shell), json!([]));
    }
}

#[test]
fn the_database_is_that_of_the_community_where_none_is_named() {
    let community = "[database.main]\n[community]\ntype = 'local'\ndatabase = 'main'\n";
    let shell = Shell::plain(Vpid::new().queries(community));
    shell.done(&["user", "add", "[U:1:7]"]);
    assert!(shell.vpid.path("main.db").exists());
    assert!(!shell.vpid.path("vpid.db").exists());
    // A VyHub beside it is there to be imported from.
    let vyhub = FakeVyhub::start();
    let user = vyhub.add_user(76_561_197_960_265_728 + 8, "Ann", false);
    vyhub.add_ban(&user, "x", None);
    let beside = format!(
        "{community}[vyhub]\napi_url = '{}'\napi_key = '{}'\n",
        vyhub.api_url(),
        vyhub.key()
    );
    let shell = Shell::plain(shell.vpid.queries(&beside));
    let bundle = vyhub.bundle_id();
    shell.done(&["import", "vyhub", "--bundle", &bundle, "--apply"]);
    assert_eq!(shell.json(&["ban", "list"])["bans"][0]["name"], "Ann");
}

#[cfg(feature = "mysql")]
mod mariadb {
    use std::sync::mpsc;
    use std::thread;

    use mysql::prelude::Queryable;

    use super::*;
    use crate::support::mariadb::Database;
    use crate::support::{PATIENCE, wait_until};

    fn shell() -> (Database, Shell) {
        let database = Database::shared();
        let shell = Shell::new(Vpid::new().on(&database));
        (database, shell)
    }

    #[test]
    fn every_kind_of_record_is_kept_in_mariadb_as_in_sqlite() {
        let (_, shell) = shell();
        shell.done(&[
            "group", "add", "Mods", "--grant", "ban_edit", "--level", "5",
        ]);
        shell.done(&[
            "group",
            "edit",
            "mods",
            "--name",
            "M\u{f6}ds",
            "--deny",
            "ban_edit",
        ]);
        assert_eq!(
            shell.json(&["group", "list"])["groups"][0]["properties"]["ban_edit"],
            false
        );
        shell.done(&["user", "add", "[U:1:7]", "--name", "B\u{f6}b"]);
        assert_eq!(
            shell.json(&["user", "show", "B\u{d6}B"])["steam3"],
            "[U:1:7]"
        );
        shell.done(&["member", "add", "[U:1:7]", "M\u{f6}ds", "--for", "1h"]);
        shell.done(&["member", "add", "[U:1:7]", "M\u{f6}ds"]);
        shell.done(&["ban", "add", "b\u{f6}b", "--reason", "x", "--for", "1w"]);
        shell.done(&["ban", "add", "203.0.113.0/24", "--reason", "x"]);
        shell.done(&["admin", "add", "b\u{f6}b"]);
        shell.done(&["warning", "add", "b\u{f6}b", "--reason", "x"]);
        shell.done(&["advert", "add", "\u{2605} Hello"]);
        shell.done(&[
            "reward",
            "add",
            "Gift",
            "--command",
            "say %nick%",
            "--group",
            "M\u{f6}ds",
        ]);
        let user = shell.json(&["user", "show", "[U:1:7]"]);
        assert_eq!(
            (&user["bans_in_force"], &user["warnings"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(user["groups"], json!(["M\u{f6}ds"]));
        assert_eq!(
            shell.json(&["advert", "list"])["adverts"][0]["content"],
            "\u{2605} Hello"
        );
        assert_eq!(shell.json(&["ban", "list", "203.0.113.3"])["more"], 0);
        let said = shell.done(&["group", "remove", "M\u{f6}ds"]);
        assert!(said.contains("1 membership is ended"), "{said}");
        assert_eq!(
            shell.done(&["ban", "remove", "b\u{f6}b"]),
            "B\u{f6}b [U:1:7]: 1 ban is lifted.\n"
        );
        shell.done(&["user", "remove", "[U:1:7]"]);
    }

    #[test]
    fn vpids_that_wait_are_woken_by_a_change_and_not_by_a_look() {
        let (database, shell) = shell();
        shell.done(&["user", "list"]);
        let mut connection = database.connection();
        let (woken, is_woken) = mpsc::channel();
        thread::spawn(move || {
            // As a vpid does.
            let _ = connection.query_drop("SELECT /* vpid waits for changes */ SLEEP(600)");
            let _ = woken.send(());
        });
        let sleeping = "SELECT COUNT(*) FROM information_schema.processlist \
                        WHERE info LIKE 'SELECT /* vpid waits%' AND db = DATABASE()";
        wait_until("it sleeps", || database.query::<i64>(sleeping) == [1]);
        shell.done(&["ban", "list"]);
        assert_eq!(database.query::<i64>(sleeping), [1]);
        shell.done(&["ban", "add", "[U:1:7]", "--reason", "x"]);
        is_woken.recv_timeout(PATIENCE).expect("it is woken");
    }

    const TABLES: &str = "
        CREATE TABLE sb_admins (aid int NOT NULL auto_increment PRIMARY KEY, user varchar(64) NOT NULL,
            authid varchar(64) NOT NULL default '', password varchar(128) NOT NULL default '', gid int NOT NULL default -1,
            email varchar(128) NOT NULL default '', extraflags int NOT NULL default 0, immunity int NOT NULL default 0,
            srv_group varchar(128), srv_flags varchar(64), srv_password varchar(128), lastvisit int);
        CREATE TABLE sb_srvgroups (id int unsigned NOT NULL auto_increment PRIMARY KEY, flags varchar(30) NOT NULL,
            immunity int unsigned NOT NULL, name varchar(120) NOT NULL, groups_immune varchar(255) NOT NULL default '');
        CREATE TABLE sb_groups (gid int NOT NULL auto_increment PRIMARY KEY, type smallint NOT NULL default 0,
            name varchar(128) NOT NULL, flags int NOT NULL default 0);
        CREATE TABLE sb_bans (bid int NOT NULL auto_increment PRIMARY KEY, ip varchar(32), authid varchar(64) NOT NULL default '',
            name varchar(128) NOT NULL default 'unnamed', created int NOT NULL default 0, ends int NOT NULL default 0,
            length int NOT NULL default 0, reason text NOT NULL, aid int NOT NULL default 0,
            adminIp varchar(128) NOT NULL default '', sid int NOT NULL default 0, country varchar(4), RemovedBy int,
            RemoveType varchar(3), RemovedOn int, type tinyint NOT NULL default 0, ureason text);
        CREATE TABLE sb_comms (bid int NOT NULL auto_increment PRIMARY KEY, authid varchar(64) NOT NULL,
            type tinyint NOT NULL default 0);
        INSERT INTO sb_srvgroups (flags, immunity, name) VALUES ('bcd', 30, 'Mods'), ('z', 99, 'Owners');
        INSERT INTO sb_groups (name) VALUES ('Web');
        INSERT INTO sb_admins (user, authid, srv_group, srv_flags, srv_password) VALUES
            ('bob', 'STEAM_0:0:11101', 'Mods', '', NULL), ('boss', 'STEAM_0:1:3', 'Owners', NULL, ''),
            ('web', 'STEAM_0:1:4', NULL, NULL, NULL), ('pw', 'STEAM_0:1:5', NULL, 'd', 'secret'),
            ('CONSOLE', 'STEAM_ID_SERVER', '', 'z', NULL), ('own', 'STEAM_0:1:6', '', 'ad', NULL);
        INSERT INTO sb_bans (ip, authid, name, created, ends, length, reason, aid, RemovedBy, RemoveType, RemovedOn, type) VALUES
            ('10.0.0.1', 'STEAM_0:1:10', 'perma', 1700000000, 1700000000, 0, 'aimbot', 1, NULL, NULL, NULL, 0),
            (NULL, 'STEAM_0:1:11', 'over', 1700000000, 1700003600, 3600, 'spam', 2, 0, 'E', 1700003600, 0),
            (NULL, 'STEAM_0:1:12', 'free', 1700000000, 1700000000, 0, 'oops', 1, 2, 'U', 1700000500, 0),
            ('203.0.113.7', '', 'evader', 1700000000, 1700000000, 0, 'evading', 1, NULL, NULL, NULL, 1),
            ('2001:db8::1', '', 'six', 1700000000, 1700000000, 0, 'x', 1, NULL, NULL, NULL, 1),
            (NULL, '', 'nobody', 1700000000, 1700000000, 0, 'x', 1, NULL, NULL, NULL, 0),
            (NULL, 'STEAM_0:1:13', 'long', 2000000000, 2000003600, 3600, REPEAT('\u{f6}', 2000), 9, NULL, NULL, NULL, 0);
        INSERT INTO sb_comms (authid, type) VALUES ('STEAM_0:1:10', 1), ('STEAM_0:1:10', 2);";

    /// From a file to a server, and back.
    #[test]
    fn a_community_moves_to_another_database_with_everything_and_once() {
        let from = Shell::new(Vpid::new());
        crate::community_import::settled(&from);
        let (_, to) = shell();
        to.done(&["group", "add", "VIP", "--level", "3"]);
        let first = from.vpid.path("first.jsonl").display().to_string();
        let said = from.done(&["export", &first]);
        assert!(said.contains("records are in"), "{said}");
        let kinds = [
            ("users", 3),
            ("groups", 1),
            ("memberships", 2),
            ("bans", 2),
            ("bans of addresses", 1),
            ("warnings", 1),
            ("playtimes", 2),
            ("adverts", 1),
            ("rewards", 1),
            ("executed rewards", 1),
            ("servers", 1),
            ("notes of changes", 1),
        ];
        imports_once(&to, &["import", "vpid", &first], &kinds);
        // A group of the same name is used.
        assert_eq!(to.json(&["group", "show", "VIP"])["level"], 3);
        assert_eq!(to.json(&["user", "show", "Ann"])["groups"], json!(["VIP"]));
        assert_eq!(to.json(&["admin", "list"])["users"][0]["name"], "Boss");
        to.done(&["ban", "remove", "Rogue"]);
        to.done(&["import", "vpid", &first, "--apply"]);
        assert_eq!(to.json(&["ban", "list", "Rogue"])["bans"], json!([]));
        // All the way back, all is as it was, but for what was changed there.
        let second = from.vpid.path("second.jsonl").display().to_string();
        to.done(&["export", &second]);
        let back = Shell::new(Vpid::new());
        back.done(&["import", "vpid", &second, "--apply"]);
        assert_eq!(records(&back), records(&to));
        let without = ["groups", "members", "rewards", "bans", "done"];
        let unchanged = |shell: &Shell| {
            let mut lines = records(shell);
            lines.retain(|line| !without.iter().any(|name| line["table"] == *name));
            lines
        };
        assert_eq!(unchanged(&to), unchanged(&from));
    }

    #[test]
    fn an_export_in_an_empty_database_of_either_engine_is_the_same_community() {
        let from = Shell::new(Vpid::new());
        crate::community_import::settled(&from);
        let exported = from.vpid.path("export.jsonl").display().to_string();
        from.done(&["export", &exported]);
        let same = Shell::new(Vpid::new());
        let (_database, other) = shell();
        for to in [&same, &other] {
            to.done(&["import", "vpid", &exported, "--apply"]);
            assert_eq!(records(to), records(&from));
        }
        let again = other.vpid.path("again.jsonl").display().to_string();
        other.done(&["export", &again]);
        let (_database, third) = shell();
        third.done(&["import", "vpid", &again, "--apply"]);
        assert_eq!(records(&third), records(&from));
    }

    #[test]
    fn the_tables_of_sourcebans_are_imported_once() {
        let source = Database::shared();
        for statement in TABLES.split(";\n") {
            source.execute(statement.trim_end_matches(';'));
        }
        let tables = format!("[database.bans]\n{}", source.lines());
        let shell = Shell::into(Vpid::new().queries(&tables));
        let import = [
            "import",
            "sourcebans",
            "--database",
            "bans",
            "--prefix",
            "sb_",
        ];
        let kinds = [
            ("bans", 4),
            ("bans of addresses", 1),
            ("administrators", 1),
            ("groups", 3),
            ("memberships", 3),
        ];
        let report = imports_once(&shell, &import, &kinds);
        assert_eq!(counted(&report, "mutes and gags"), [2, 0, 0, 2]);
        assert_eq!(counted(&report, "groups of the web pages")[3], 1);
        for part in [
            "ban 5: \"2001:db8::1\" is no address",
            "ban 6: \"\" is no player's SteamID",
            "admin 3 (web) has rights on the web pages alone",
            "admin 4 (pw) needs a password",
            "admin 5 (CONSOLE) \"STEAM_ID_SERVER\" is no player's SteamID",
            "vpid has no mutes and gags",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        let shell = Shell::new(shell.vpid);
        let perma = shell.json(&["ban", "list", "STEAM_0:1:10"])["bans"][0].clone();
        assert_eq!(
            (&perma["reason"], &perma["in_force"]),
            (&json!("aimbot"), &json!(true))
        );
        assert_eq!(
            perma["issuer"],
            json!({"steam": "76561197960287930", "name": "bob"})
        );
        assert_eq!(perma["created"], "2023-11-14T22:13:20Z");
        assert_eq!(shell.json(&["ban", "list", "over"])["bans"], json!([]));
        let free = shell.json(&["ban", "list", "free", "--all"])["bans"][0].clone();
        assert_eq!(free["lifted"], "2023-11-14T22:21:40Z");
        let address = shell.json(&["ban", "list", "--addresses"])["bans"][0].clone();
        assert_eq!(address["range"], "203.0.113.7");
        assert_eq!(shell.json(&["group", "show", "Mods"])["level"], 30);
        assert_eq!(shell.json(&["admin", "list"])["users"][0]["name"], "boss");
    }

    const ODD_GROUPS: &str = "
        INSERT INTO sb_srvgroups (flags, immunity, name) VALUES ('b', 1, 'mods'), ('b', 1, ' '), ('d', 5, ' Helpers '),
            ('d', 5, 'VIP');
        INSERT INTO sb_admins (user, authid, srv_group, srv_flags) VALUES ('low', 'STEAM_0:1:20', 'mods', NULL),
            ('up', 'STEAM_0:1:21', 'HELPERS', NULL), ('ghost', 'STEAM_0:1:22', 'Ghosts', NULL),
            ('half', 'STEAM_0:1:23', 'Ghosts', 'd'), ('vip', 'STEAM_0:1:24', 'VIP', NULL);";

    #[test]
    fn groups_of_sourcebans_that_vpid_would_not_add_are_named_and_not_made() {
        let source = Database::shared();
        for statement in [TABLES, ODD_GROUPS].iter().flat_map(|all| all.split(";\n")) {
            source.execute(statement.trim_end_matches(';'));
        }
        let tables = format!("[database.bans]\n{}", source.lines());
        let shell = Shell::new(Vpid::new().queries(&tables));
        shell.done(&["group", "add", "vip"]);
        let shell = Shell::into(shell.vpid);
        let import = ["import", "sourcebans", "--database", "bans"];
        let kinds = [("groups", 5), ("memberships", 7)];
        let report = imports_once(&shell, &import, &kinds);
        for part in [
            "group \"mods\" is taken as \"Mods\"",
            "group \"VIP\" is taken as \"vip\"",
            "group 4 has no name",
            "admin 9 (ghost): its group \"Ghosts\" does not exist",
            "admin 10 (half): its group \"Ghosts\" does not exist",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        let shell = Shell::new(shell.vpid);
        let groups = shell.json(&["group", "list"])["groups"].clone();
        let names = groups.as_array().unwrap().iter();
        let mut names: Vec<_> = names.map(|group| group["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        let wanted = [
            "Helpers",
            "Mods",
            "Owners",
            "SourceMod ad",
            "SourceMod d",
            "vip",
        ];
        assert_eq!(names, wanted);
        for (user, group) in [("low", "Mods"), ("up", "Helpers"), ("vip", "vip")] {
            let user = shell.json(&["user", "show", user]);
            assert_eq!(user["groups"], json!([group]));
        }
    }

    #[test]
    fn a_database_without_the_tables_of_sourcebans_is_named() {
        let source = Database::shared();
        let tables = format!("[database.bans]\n{}", source.lines());
        let shell = Shell::into(Vpid::new().queries(&tables));
        let (code, said) = shell.refused(&["import", "sourcebans", "--database", "bans"]);
        assert!(code == 1 && said.contains("--prefix"), "{said}");
        let (code, said) = shell.refused(&[
            "import",
            "sourcebans",
            "--database",
            "bans",
            "--prefix",
            "x;y",
        ]);
        assert!(code == 2 && said.contains("--prefix must be"), "{said}");
    }
}
