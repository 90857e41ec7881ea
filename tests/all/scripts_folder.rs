//! What lies in the folder of scripts, and cannot be started as it is: it is reported, and never
//! passed over.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::Vpid;

const SCRIPT: &str = "import sys\n\ndef prefix():\n    return sys.prefix\n";

/// A script in a folder of its own, with an environment that worked once.
fn with_environment() -> Vpid {
    let vpid = Vpid::new().script("plain", "def fine():\n    return 1\n");
    let folder = vpid.path("scripts/own");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("main.py"), SCRIPT).unwrap();
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(folder.join(".venv"))
        .status();
    assert!(made.unwrap().success());
    vpid
}

#[test]
fn a_script_in_a_folder_of_its_own_imports_what_lies_beside_the_folder() {
    let own = "\
import sys, _shared, _both, own as module
from pathlib import Path
def found(): return [_shared.WHAT, _both.WHAT, [Path(each).name for each in sys.path[:2]], module.found is found]
";
    let vpid = Vpid::new().script("plain", "import _both\ndef found(): return _both.WHAT\n");
    let folder = vpid.path("scripts/own");
    fs::create_dir(&folder).unwrap();
    for (file, text) in [
        ("own/main.py", own),
        ("own/_both.py", "WHAT = 'of the script'\n"),
        ("_both.py", "WHAT = 'of all'\n"),
        ("_shared.py", "WHAT = 'shared'\n"),
    ] {
        fs::write(vpid.path("scripts").join(file), text).unwrap();
    }
    let vpid = vpid.with_running(&["plain", "own"]);
    let mut host = vpid.host("red");
    let found = serde_json::json!(["shared", "of the script", ["own", "scripts"], true]);
    assert_eq!(host.ask("own.found", serde_json::Value::Null), found);
    assert_eq!(host.ask("plain.found", serde_json::Value::Null), "of all");
}

fn check(vpid: &Vpid) -> String {
    String::from_utf8_lossy(&vpid.command(&["check"]).stdout).into_owned()
}

#[test]
fn a_script_runs_in_its_environment_or_not_at_all() {
    let mut vpid = with_environment();
    let venv = vpid.path("scripts/own/.venv");
    vpid.start();
    vpid.run_all(&["plain", "own"]);
    assert_eq!(
        vpid.host("red").ask("own.prefix", serde_json::Value::Null),
        venv.display().to_string()
    );
    let said = check(&vpid);
    assert!(!said.contains("bad   python"), "{said}");

    // As after an upgrade of the system, which removes the old Python.
    for name in ["python", "python3"] {
        fs::remove_file(venv.join("bin").join(name)).unwrap();
        symlink("/usr/bin/python3.gone", venv.join("bin").join(name)).unwrap();
    }
    let (code, output) = vpid.operator(&["reload", "own"]);
    assert_ne!(code, Some(0), "{output}");
    let repair = format!("python3 -m venv --upgrade '{}'", venv.display());
    let about = vpid.about("own").to_string();
    assert!(about.contains(&repair), "{about}");
    let said = check(&vpid);
    assert!(said.contains("bad   python: own is not started"), "{said}");
    assert!(said.contains(&repair), "{said}");
    vpid.stop();
    vpid.start();
    vpid.run_all(&["plain"]);
    vpid.wait_for_log(&repair);

    let repaired = Command::new("python3")
        .args(["-m", "venv", "--clear", "--without-pip"])
        .arg(&venv)
        .status();
    assert!(repaired.unwrap().success());
    assert_eq!(vpid.operator(&["load", "own"]).0, Some(0));
    vpid.run_all(&["own"]);
}

#[test]
fn what_is_passed_over_is_named_once_with_what_to_do() {
    let mut vpid = Vpid::new().script("plain", "def fine():\n    return 1\n");
    let folder = vpid.path("scripts");
    fs::write(folder.join("vpi_interfaces.py"), "").unwrap();
    fs::write(folder.join("OTHER.PY"), "").unwrap();
    symlink("nowhere", folder.join("gone.py")).unwrap();
    fs::create_dir(folder.join("stats")).unwrap();
    fs::write(folder.join("stats/stats.py"), "").unwrap();
    let passed_over = [
        "vpi_interfaces.py is not started: it is for vpi_interfaces; set vpi_interfaces",
        "OTHER.PY is not started: the name of a script ends in .py",
        "gone.py is not started: it is a link that leads nowhere",
        "stats is not started: a folder with a script has a main.py in it",
    ];
    let said = check(&vpid);
    vpid.start();
    vpid.run_all(&["plain"]);
    let log = vpid.log();
    for expected in passed_over {
        assert_eq!(said.matches(expected).count(), 1, "{expected}: {said}");
        assert_eq!(log.matches(expected).count(), 1, "{expected}: {log}");
    }
}
