//! Files in scriptdata that a stock server would have served, or that were meant for one: served,
//! or named once with the reason.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;
use vpid::limits::HOST_BYTES_MAX;
use vpid::protocol::names;

use crate::support::{KEY, Vpid, wait_until};

fn check(vpid: &Vpid) -> String {
    String::from_utf8_lossy(&vpid.command(&["check"]).stdout).into_owned()
}

#[test]
fn hosts_with_names_as_long_as_a_file_name_can_be_are_served() {
    let vpid = Vpid::running();
    // What the stock script makes of 50 Chinese characters; what it makes of 70; and one whose
    // call file has the longest name there is.
    let longest = 255 - names::calls("", 1_796_000_000, 4_711).len();
    assert!(longest <= HOST_BYTES_MAX);
    for length in [150, 210, longest - 3] {
        let host = "_".repeat(length);
        let mut host = vpid.host(&host);
        host.ping();
        host.ping();
    }
    let said = check(&vpid);
    assert!(said.contains("____\""), "{said}");
}

/// As forks make them; the stock server takes whatever stands before `_vpi_`.
#[test]
fn hosts_with_other_signs_are_served() {
    let vpid = Vpid::running();
    let latin = names::text(b"caf\xe9").into_owned();
    for name in [
        "my server",
        "Сервер-1",
        "a.b~c",
        "Δ[EU]#1",
        "it's \"so\"",
        &latin,
    ] {
        vpid.host(name).ping();
        vpid.host(name).ping();
    }
    assert!(!vpid.log().contains("not served"), "{}", vpid.log());
}

/// The stock server looks at `_vpi_` and the end of the name alone.
#[test]
fn call_files_with_other_times_in_their_names_are_served() {
    let vpid = Vpid::running();
    for name in [
        "170_output.interface",
        "170_5.5_output.interface",
        "map_170_5_output.interface",
        "output.interface",
    ] {
        let game = vpid.host("my_fork");
        let call = json!({
            "token": name, "func": "VPI_Ping", "callback": true, "script": "vpi.nut", "kwargs": null,
        });
        game.write(&format!("my_fork_vpi_{name}"), &game.text_of(&[call]))
            .unwrap();
        assert_eq!(game.answers(&[name.to_owned()]), ["pong"], "{name}");
    }
}

#[test]
fn a_call_under_the_longest_name_outlives_a_crash() {
    let mut vpid = Vpid::new().with_numbers().started();
    let host = "h".repeat(215);
    vpid.host(&host).ping();
    vpid.kill();
    let name = names::calls(&host, 1_796_000_000, 7);
    let taken = names::taken(&name, 1_700_000_000_000_000);
    assert!(name.len() <= 255 && taken.len() <= 255 && taken.ends_with(".t"));
    let game = vpid.host(&host);
    let text = game.text_of(&[json!({
        "token": "a", "func": "VPI_DB_UserInsert", "callback": false, "script": "vpi.nut",
        "kwargs": {"table": "numbers", "columns": ["n"], "values": [5]},
    })]);
    fs::write(game.path_of(&taken), format!("{text}\0")).unwrap();
    vpid.start();
    wait_until("the file is gone", || !game.path_of(&taken).exists());
}

#[test]
fn files_that_look_like_ours_and_are_not_served_are_named_once() {
    let mut vpid = Vpid::new().hostnames(&["red"]);
    let scriptdata = vpid.scriptdata();
    fs::create_dir(scriptdata.join("mge")).unwrap();
    for name in [
        &b"caf\xe9_vpi_1_2_output.interface"[..],
        b"red_vpi_1_2_output.INTERFACE",
        b"red-vpi-1_2_output.interface",
        b"red_vpi_1_2_output.interface.txt",
        b"red_vpi_1_3_output.interfac.interface",
        b"mge/red_vpi_1_2_output.interface",
        b"blue_vpi_1_2_output.interface",
        b"unrelated.txt",
    ] {
        fs::write(scriptdata.join(OsStr::from_bytes(name)), "\0").unwrap();
    }
    let reasons = [
        "red_vpi_1_3_output.interfac.interface' looks like a file of VPI's and is not served: it ends in none",
        "red_vpi_1_2_output.INTERFACE' looks like a file of VPI's and is not served: it has capitals",
        "red-vpi-1_2_output.interface' looks like a file of VPI's and is not served: it has no _vpi_",
        "interface.txt' looks like a file of VPI's and is not served: it does not end",
        "'mge/red_vpi_1_2_output.interface' is not served: vpid looks into scriptdata itself",
    ];
    let said = check(&vpid);
    for reason in reasons {
        assert_eq!(said.matches(reason).count(), 1, "{reason}: {said}");
    }
    assert!(said.contains("no [[server]] serves \"blue\""), "{said}");
    assert!(!said.contains("unrelated"), "{said}");
    vpid.start();
    for reason in reasons {
        vpid.wait_for_log(reason);
    }
    for host in ["blue", r"caf\xe9"] {
        vpid.wait_for_log(&format!(
            "{host}_vpi_1_2_output.interface' is not served: no [[server]] is for its host",
        ));
    }
    // Looked at again, and not said again.
    fs::write(scriptdata.join("violet_VPI_restart.interface"), "\0").unwrap();
    fs::write(scriptdata.join("vpi_restart.interface"), "\0").unwrap();
    vpid.host("red").ping();
    fs::write(scriptdata.join("a\u{7}_vpi_1_2_output.interface"), "\0").unwrap();
    vpid.wait_for_log("has a control character in it");
    let log = vpid.log();
    for reason in reasons {
        assert_eq!(log.matches(reason).count(), 1, "{reason}: {log}");
    }
}

#[test]
fn files_of_a_protocol_that_no_server_speaks_are_named() {
    let mut vpid = Vpid::new();
    vpid.write_config();
    let folder = vpid.scriptdata();
    fs::create_dir(folder.join("vpid")).unwrap();
    let hello = "vpid/red_0123456789abcdef0123456789abcdef_hello.interface";
    fs::write(folder.join(hello), "\0").unwrap();
    vpid.start();
    vpid.wait_for_log(&format!(
        "'{hello}' is not served: it is signed, and its [[server]] has no key"
    ));

    let other = tempfile::tempdir().unwrap();
    let config = other.path().join("vpid.toml");
    let scriptdata = other.path().join("scriptdata");
    fs::create_dir(&scriptdata).unwrap();
    fs::write(scriptdata.join("red_vpi_1_2_output.interface"), "\0").unwrap();
    fs::write(
        &config,
        format!(
            "[[server]]\nscriptdata = '{}'\nkey = '{KEY}'\n",
            scriptdata.display()
        ),
    )
    .unwrap();
    let mut child = crate::support::program()
        .args(["run", "--config"])
        .arg(&config)
        .stderr(fs::File::create(other.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let log = || fs::read_to_string(other.path().join("log")).unwrap_or_default();
    wait_until("it is named", || {
        log().contains("has no legacy_secret; remove it if it is old")
    });
    child.kill().unwrap();
    child.wait().unwrap();
}
