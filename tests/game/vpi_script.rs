//! The shipped scripts as texts: put together, small enough to read, and installable.

use std::fs;

use crate::support::script::{assembled, folder};

/// `VPID_ASSEMBLE=1 cargo test --test game vpi_script` writes it.
#[test]
fn vpi_nut_is_what_its_parts_make() {
    let path = folder().join("vpi.nut");
    if std::env::var_os("VPID_ASSEMBLE").is_some() {
        fs::write(&path, assembled()).expect("a writable source folder");
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    let fresh = shipped == assembled();
    assert!(
        fresh,
        "vscripts/vpi.nut is out of date: see above this test"
    );
}

#[test]
fn parts_stay_readable() {
    for entry in fs::read_dir(folder().join("vpi")).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_lines_for_installers_are_there_once() {
    let script = assembled();
    let key = "local function OwnerKey() { return \"PUT-THE-KEY-OF-vpid.toml-HERE\" }";
    assert_eq!(script.lines().filter(|line| *line == key).count(), 1);
    assert_eq!(script.matches("PUT-THE-KEY-OF-vpid.toml-HERE").count(), 1);
    let version = script
        .lines()
        .filter(|line| line.starts_with("local VERSION = \""));
    assert_eq!(version.count(), 1);
}
