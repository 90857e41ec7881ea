//! Files that owners write, as their editors leave them: through `vpid check` and a real start.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fake_rcon::{FakeServer, Player};
use serde_json::json;

use crate::support::{KEY, Vpid, program, wait_until};

const PASSWORD: &str = "p\u{e4}ssword with $signs";

/// A file of the configuration's folder that only its owner can read.
fn write(vpid: &Vpid, name: &str, bytes: impl AsRef<[u8]>) {
    let path = vpid.path(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn check(vpid: &Vpid) -> String {
    String::from_utf8_lossy(&vpid.command(&["check"]).stdout).into_owned()
}

fn utf_16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

#[test]
fn a_rcon_password_behind_a_byte_order_mark_opens_the_console() {
    let game = FakeServer::new("Duels", "cp_badlands");
    game.join(Player::new(2, "anna", "[U:1:22202]"));
    let console = game.start(PASSWORD);
    let mut vpid = Vpid::new().server_line(&format!(
        "rcon = '{}'\nrcon_password_file = 'rcon.password'",
        console.address()
    ));
    for written in [
        format!("\u{feff}{PASSWORD}\r\n"),
        format!("{PASSWORD}\n\n"),
        format!("\u{feff}{PASSWORD}"),
    ] {
        write(&vpid, "rcon.password", written);
        let said = check(&vpid);
        assert!(said.contains("ok    rcon"), "{said}");
    }
    vpid.start();
    let asked = |lines: &[String]| lines.iter().filter(|line| *line == "status").count();
    let before = asked(&console.commands());
    wait_until("its status is asked for", || {
        asked(&console.commands()) > before
    });
    assert!(!vpid.log().contains("password"), "{}", vpid.log());
}

#[test]
fn a_password_that_ends_in_a_blank_is_never_tried() {
    let console = FakeServer::new("Duels", "cp_badlands").start(PASSWORD);
    let mut vpid = Vpid::new().server_line(&format!(
        "rcon = '{}'\nrcon_password_file = 'rcon.password'",
        console.address()
    ));
    for (written, reason) in [
        (format!("{PASSWORD} \n").into_bytes(), "ends with a blank"),
        (
            format!("{PASSWORD}\n{PASSWORD}\n").into_bytes(),
            "has several lines",
        ),
        (utf_16(PASSWORD), "is UTF-16"),
        (b"\xef\xbb\xbf\r\n".to_vec(), "is empty"),
    ] {
        write(&vpid, "rcon.password", written);
        let said = check(&vpid);
        assert!(said.contains(reason), "{said}");
        let (code, log) = vpid.refused();
        assert!(code != Some(0) && log.contains(reason), "{log}");
    }
    assert_eq!(console.passwords(), 0);
}

#[test]
fn keys_and_a_schema_behind_byte_order_marks_are_read() {
    let vpid = Vpid::new()
        .server_line("key_file = 'key'\nlog_listen = '127.0.0.1:1'\nlog_secret_file = 'log.secret'")
        .database_line("schema = 'schema.sql'")
        .queries("[query.marks]\nsql = \"SELECT n FROM marks\"\nreturns = \"value\"\n");
    write(&vpid, "key", format!("\u{feff}{KEY}\r\n"));
    write(&vpid, "log.secret", "\u{feff}1234567 \r\n");
    write(
        &vpid,
        "schema.sql",
        "\u{feff}-- step 1\r\nCREATE TABLE marks (n INTEGER);\r\nINSERT INTO marks VALUES (7);\r\n",
    );
    let said = check(&vpid);
    for good in [
        "key: there is one",
        "schema: 1 steps",
        "log: 127.0.0.1:1 for",
    ] {
        assert!(said.contains(good), "{good}: {said}");
    }
    let mut vpid = Vpid::new()
        .serving(&vpid.scriptdata())
        .server_line(&format!("key_file = '{}'", vpid.path("key").display()))
        .database_line(&format!("schema = '{}'", vpid.path("schema.sql").display()))
        .queries("[query.marks]\nsql = \"SELECT n FROM marks\"\nreturns = \"value\"\n");
    vpid.start();
    assert_eq!(vpid.host("red").ask("VPI_SQL_marks", json!({})), 7);
    vpid.signed_game("blue");
}

#[test]
fn scripts_in_another_encoding_are_refused_with_its_name() {
    let source = "def echo(value):\n    return value\n";
    let mut vpid = Vpid::new().script("marked", &format!("\u{feff}{source}"));
    fs::write(vpid.script_path("wide"), utf_16(source)).unwrap();
    let said = check(&vpid);
    assert!(said.contains("wide.py is UTF-16"), "{said}");
    assert!(!said.contains("marked.py:"), "{said}");
    vpid.start();
    vpid.wait_for_log("wide.py is UTF-16");
    vpid.run_all(&["marked"]);
}

#[test]
fn a_stock_script_in_another_encoding_is_named_by_init() {
    let root = tempfile::tempdir().unwrap();
    let tf = root.path().join("tf");
    fs::create_dir_all(tf.join("scriptdata")).unwrap();
    let vscripts = tf.join("scripts/vscripts");
    fs::create_dir_all(&vscripts).unwrap();
    fs::write(
        vscripts.join("vpi.nut"),
        utf_16("function GetSecret() { return \"a\" }\n"),
    )
    .unwrap();
    let output = program()
        .args(["init", "--legacy", "--scriptdata"])
        .arg(tf.join("scriptdata"))
        .arg("--vscripts")
        .arg(&vscripts)
        .arg("--config")
        .arg(root.path().join("vpid.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("vpi.nut is UTF-16"), "{said}");
}

#[cfg(feature = "mysql")]
#[test]
fn a_database_password_behind_a_byte_order_mark_logs_in() {
    use crate::support::mariadb::Database;
    use test_mariadb::PASSWORD;

    let database = Database::shared();
    database.execute("CREATE TABLE numbers (n INTEGER)");
    let lines = database.lines();
    let lines = lines.replace(
        &format!("password = '{PASSWORD}'"),
        "password_file = 'mysql.password'",
    );
    let mut vpid = Vpid::new().database_line(&lines).queries(
        "[query.add]\nsql = \"INSERT INTO numbers VALUES (:n)\"\nparams = { n = \"integer\" }\n",
    );
    write(
        &vpid,
        "mysql.password",
        format!("\u{feff}{PASSWORD}\r\n\r\n"),
    );
    let said = check(&vpid);
    assert!(said.contains("can be written"), "{said}");
    vpid.start();
    vpid.host("red").ask("VPI_SQL_add", json!({"n": 3}));
    assert_eq!(database.query::<i64>("SELECT n FROM numbers"), [3]);
}
