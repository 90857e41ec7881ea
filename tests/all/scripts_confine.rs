//! What a script that is confined can reach, and what not. Where the kernel lacks Landlock, that it says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Vpid};

const REACH: &str = r#"
import os
import socket
import sqlite3
import subprocess
import tempfile

import _shared

def read(path):
    with open(path) as file:
        return file.read()

def write(path):
    with open(path, "w") as file:
        file.write("written")
    return read(path)

def remove(path):
    os.unlink(path)

def move(path, to):
    os.rename(path, to)

def cat(path):
    return subprocess.run(["cat", path], capture_output=True, text=True).stdout

def promised():
    with socket.create_server(("127.0.0.1", 0)):
        pass
    with sqlite3.connect("own.db") as database:
        database.execute("create table if not exists kept (n)")
    with open(os.devnull, "w") as nothing:
        nothing.write("x")
    os.makedirs("data", exist_ok=True)
    write("data/a")
    os.replace("data/a", "b")
    return [_shared.NAME, read("b"), subprocess.check_output(["/bin/sh", "-c", "echo 1"], text=True)]
"#;

/// Whether the kernel has it; `None` with a sentence where not.
fn landlock() -> Option<u32> {
    let print = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))";
    let output = Command::new("python3")
        .args(["-c", print])
        .output()
        .expect("python3");
    let version = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse::<i32>();
    let version = version
        .ok()
        .and_then(|it| u32::try_from(it).ok())
        .filter(|it| *it >= 2);
    if version.is_none() {
        eprintln!("the kernel has no Landlock: what confined scripts can reach is not tested");
    }
    version
}

/// A vpid with a script in a folder of its own, one that is a file, and files around them.
fn vpid(lines: &str) -> Vpid {
    let vpid = Vpid::new()
        .signed()
        .script("_shared", "NAME = 'shared'\n")
        .script("single", REACH)
        .scripts_line(lines);
    let own = vpid.path("scripts/own");
    fs::create_dir_all(vpid.path("scripts/other")).expect("a folder");
    fs::create_dir_all(vpid.path("data")).expect("a folder");
    fs::create_dir(&own).expect("a folder");
    fs::write(own.join("main.py"), REACH).expect("a script");
    fs::write(vpid.path("scripts/other/main.py"), "SECRET = 1\n").expect("a script");
    vpid
}

#[test]
fn a_confined_script_reaches_what_is_promised_and_nothing_of_vpid() {
    if landlock().is_none() {
        return;
    }
    let vpid = vpid("confine = true").with_running(&["own", "single", "other"]);
    let mut client = Client::stock(&vpid);
    let path = |name: &str| vpid.path(name).display().to_string();
    let is_refused = |answer: &Value| answer.to_string().contains("PermissionError");
    for script in ["own", "single"] {
        let mut ask =
            |function: &str, kwargs: Value| client.ask(&format!("{script}.{function}"), kwargs);
        assert_eq!(
            ask("promised", json!({})),
            json!(["shared", "written", "1\n"]),
            "{script}"
        );
        let state = path("state/begun");
        for hidden in [path("vpid.toml"), state.clone()] {
            let answer = ask("read", json!({"path": hidden}));
            assert!(is_refused(&answer), "{script} reads {hidden}: {answer}");
            assert!(
                answer.to_string().contains("this script is confined"),
                "{answer}"
            );
            assert!(
                is_refused(&ask("write", json!({"path": hidden}))),
                "{hidden}"
            );
            assert!(
                is_refused(&ask("remove", json!({"path": hidden}))),
                "{hidden}"
            );
            assert_eq!(
                ask("cat", json!({"path": hidden})),
                "",
                "a program that it starts"
            );
            let to = path("data/stolen");
            assert!(
                is_refused(&ask("move", json!({"path": hidden, "to": to}))),
                "{hidden}"
            );
        }
        let data = path(&format!("data/{script}"));
        assert_eq!(ask("write", json!({"path": data})), "written", "{script}");
        let beside = path("beside");
        assert!(
            is_refused(&ask("write", json!({"path": beside}))),
            "{script}"
        );
    }
    let mut own = |function: &str, name: &str| {
        client.ask(&format!("own.{function}"), json!({"path": path(name)}))
    };
    assert!(is_refused(&own("read", "scripts/other/main.py")));
    assert!(is_refused(&own("read", "scripts/single.py")));
    assert!(is_refused(&own("write", "scripts/_shared.py")));
    assert_eq!(own("read", "scripts/_shared.py"), "NAME = 'shared'\n");
}

#[test]
fn scripts_are_confined_as_the_configuration_says() {
    let vpid = vpid("")
        .script_table("own", "confine = false")
        .with_running(&["own", "single"]);
    let mut client = Client::stock(&vpid);
    let config = vpid.config_path().display().to_string();
    let answer = client.ask("own.read", json!({"path": config}));
    assert!(answer.to_string().contains("state_dir"), "{answer}");
    // The folder of the tests is below /tmp.
    if vpid.config_path().starts_with("/tmp") {
        let answer = client.ask("single.read", json!({"path": config}));
        assert!(answer.to_string().contains("state_dir"), "{answer}");
    }
}

/// What `vpid check` says of Python.
fn checked(vpid: &Vpid) -> String {
    vpid.write_config();
    let output = vpid.command(&["check"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_check_says_whether_scripts_can_be_confined() {
    let text = checked(&vpid("confine = true").script_table("other", "confine = false"));
    let Some(version) = landlock() else {
        let line = "bad   python: the kernel has no Landlock";
        return assert!(text.contains(line), "{text}");
    };
    let line = format!(
        "ok    python: the kernel has Landlock (version {version}); vpid's own files are kept from own, single\n"
    );
    assert!(text.contains(&line), "{text}");
    let line = "warn  python: not confined: other: confine = false lets them";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_check_says_where_nothing_is_hidden_and_who_is_not_started() {
    let Some(version) = landlock() else {
        return;
    };
    let vpid = vpid("");
    if vpid.config_path().starts_with("/tmp") {
        let text = checked(&vpid);
        let line = format!("ok    python: the kernel has Landlock (version {version})\n");
        assert!(text.contains(&line), "{text}");
        assert!(
            text.contains("not confined: other, own, single: /tmp/"),
            "{text}"
        );
        assert!(text.contains("is where everybody makes files"), "{text}");
    }
    // vpid.toml lies in the folder of scripts.
    let beside = Vpid::new()
        .signed()
        .scripts_line("dir = '.'\nconfine = true");
    fs::write(beside.path("beside.py"), "x = 1\n").expect("a script");
    let text = checked(&beside);
    let line = "bad   python: not confined: beside: vpid's own files are in the script's folder (";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_is_hidden_is_hidden_in_folders_of_every_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "test_confine"])
        .current_dir(root.join("tests/python"))
        .env("PYTHONPATH", root.join("src/io/python"))
        .output()
        .expect("python3");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && text.contains("Ran 7 tests"),
        "{text}"
    );
}
