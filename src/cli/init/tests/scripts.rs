//! What `--vscripts` does to a game's folder, and what it leaves alone.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::vscripts::{self, KEY_PLACEHOLDER};

const STOCK: &str = "return @\"0123456789abcdef0123456789ABCDEF\";";

#[test]
fn what_stands_for_the_key_is_none() {
    assert!(config::Secret::key(KEY_PLACEHOLDER.as_bytes()).is_err());
}

fn with_scripts() -> Options {
    Options {
        vscripts: Some(format!("../{VSCRIPTS}").into()),
        ..Options::default()
    }
}

/// A place whose game has `tf/scripts`, as every game has.
fn place(script: Option<&str>) -> Place {
    let place = Place::new(script);
    std::fs::create_dir_all(place.path("home/me/serverfiles/tf/scripts")).unwrap();
    place
}

fn script(place: &Place, name: &str) -> String {
    place.read(&format!("{VSCRIPTS}/{name}"))
}

fn names(place: &Place) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(place.path(VSCRIPTS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_scripts_come_with_the_key_of_the_configuration() {
    let place = place(None);
    let said = place.run(&with_scripts()).unwrap();
    let key = place.key();
    assert_eq!(names(&place), ["mapspawn.nut", "vpi.nut", "vpi_config.nut"]);
    let vpi = script(&place, "vpi.nut");
    assert!(vpi.contains(&format!("OwnerKey() {{ return \"{key}\" }}")));
    assert_eq!(vpi.replace(&key, KEY_PLACEHOLDER), vscripts::VPI);
    assert_eq!(place.mode(&format!("{VSCRIPTS}/vpi.nut")), 0o600);
    assert_eq!(place.mode(&format!("{VSCRIPTS}/vpi_config.nut")), 0o644);
    assert_eq!(script(&place, "vpi_config.nut"), vscripts::VPI_CONFIG);
    assert_eq!(script(&place, "mapspawn.nut"), vscripts::MAPSPAWN);
    assert!(!said.contains(&key), "{said}");
    assert!(said.contains("vscripts (made now)"), "{said}");
    for step in ["1. Test the setup", "2. Start vpid", "3. Restart the map"] {
        assert!(said.contains(step), "{step}\n{said}");
    }
    // It is where the game looks anyway.
    assert_eq!(place.config().servers[0].vscripts, None);
}

#[test]
fn another_place_for_scripts_is_written_down() {
    let place = place(None);
    let options = |vscripts: &str, force| Options {
        vscripts: Some(vscripts.into()),
        force,
        ..Options::default()
    };
    let mine = Options {
        scriptdata: Some(place.path("home/me/serverfiles/tf")),
        ..options("scripts of mine", false)
    };
    place.run(&mine).unwrap();
    let elsewhere = place.path("work/scripts of mine");
    assert_eq!(place.config().servers[0].installed_scripts(), elsewhere);
    assert!(elsewhere.join("vpi.nut").is_file());
    // A link to the usual place is the usual place, and so is the game's own folder.
    std::fs::create_dir(place.path(VSCRIPTS)).unwrap();
    symlink(place.path(VSCRIPTS), place.path("work/link")).unwrap();
    for usual in ["link", "../home/me/serverfiles/tf"] {
        place.run(&options(usual, true)).unwrap();
        assert_eq!(place.config().servers[0].vscripts, None, "{usual}");
        assert!(script(&place, "vpi.nut").contains(&place.key()), "{usual}");
    }
}

#[test]
fn scripts_tell_which_of_several_games_is_meant() {
    let place = place(None);
    place.install("home/other/serverfiles");
    place.run(&with_scripts()).unwrap();
    let scriptdata = place.path("home/me/serverfiles/tf/scriptdata");
    assert_eq!(place.config().servers[0].scriptdata, scriptdata);
}

#[test]
fn scripts_of_no_game_do_not_mean_the_game_in_a_usual_place() {
    let place = place(None);
    std::fs::create_dir_all(place.path("work/tf/scripts/vscripts")).unwrap();
    let options = Options {
        vscripts: Some("tf/scripts/vscripts".into()),
        ..Options::default()
    };
    let error = place.run(&options).unwrap_err();
    let folder = place.path("work/tf");
    let expected = format!("there is no gameinfo.txt in {}, ", folder.display());
    assert!(error.starts_with(&expected), "{error}");
    assert!(!place.path("work/vpid.toml").exists());
}

#[test]
fn what_is_the_owners_stays() {
    let place = place(Some(STOCK));
    let stock = script(&place, "vpi.nut");
    place.write(&format!("{VSCRIPTS}/vpi_config.nut"), "// mine");
    place.write(
        &format!("{VSCRIPTS}/mapspawn.nut"),
        "IncludeScript(\"mge\")",
    );
    place.write(&format!("{VSCRIPTS}/mge.nut"), "// mge");
    let said = place.run(&with_scripts()).unwrap();
    assert_eq!(script(&place, "vpi.nut.before-vpid"), stock);
    assert_eq!(script(&place, "vpi_config.nut"), "// mine");
    assert_eq!(script(&place, "mapspawn.nut"), "IncludeScript(\"mge\")");
    assert_eq!(script(&place, "mge.nut"), "// mge");
    assert!(script(&place, "vpi.nut").contains(&place.key()));
    let backup = place.path(VSCRIPTS).join("vpi.nut.before-vpid");
    let kept = format!("The previous vpi.nut is kept as {}\n", backup.display());
    assert!(said.contains(&kept), "{said}");
    assert!(said.contains("1. If you use its white list"), "{said}");
    let paste = format!("paste this line:\n       {}\n", vscripts::include_line());
    assert!(said.contains(&paste), "{said}");

    // Somebody puts a stock script back: the copy of the first one stays.
    place.write(&format!("{VSCRIPTS}/vpi.nut"), "// another stock script");
    place.write(&format!("{VSCRIPTS}/mapspawn.nut"), vscripts::MAPSPAWN);
    let said = place.run(&with_scripts()).unwrap();
    assert_eq!(script(&place, "vpi.nut.before-vpid"), stock);
    assert_eq!(
        script(&place, "vpi.nut.before-vpid.2"),
        "// another stock script"
    );
    assert!(said.contains("vpi.nut.before-vpid.2"), "{said}");
    assert!(!said.contains("paste"), "{said}");
}

#[test]
fn our_own_scripts_are_brought_up_to_date() {
    let place = place(None);
    place.run(&with_scripts()).unwrap();
    let older = script(&place, "vpi.nut").replace(&vscripts::version(), "0.0.1");
    place.write(&format!("{VSCRIPTS}/vpi.nut"), &older);
    let said = place.run(&with_scripts()).unwrap();
    assert!(said.contains("; was version 0.0.1"), "{said}");
    assert!(script(&place, "vpi.nut").contains(&place.key()));
    assert!(!script(&place, "vpi.nut").contains("0.0.1"));
    assert_eq!(names(&place), ["mapspawn.nut", "vpi.nut", "vpi_config.nut"]);
    let said = place.run(&with_scripts()).unwrap();
    assert!(said.contains("; unchanged"), "{said}");
    // Others could read it.
    let path = place.path(&format!("{VSCRIPTS}/vpi.nut"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let said = place.run(&with_scripts()).unwrap();
    assert!(said.contains("; written again"), "{said}");
    assert_eq!(place.mode(&format!("{VSCRIPTS}/vpi.nut")), 0o600);
}

#[test]
fn links_are_not_followed() {
    let place = place(None);
    std::fs::create_dir_all(place.path(VSCRIPTS)).unwrap();
    let victim = place.path("work/victim");
    std::fs::write(&victim, "// theirs").unwrap();
    let link = |to: &Path, at: &str| symlink(to, place.path(VSCRIPTS).join(at)).unwrap();
    link(&victim, "vpi.nut");
    link(&place.path("work/nowhere"), "mapspawn.nut");
    link(&place.path("work/nowhere"), "vpi_config.nut");
    place.run(&with_scripts()).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "// theirs");
    assert!(!place.path("work/nowhere").exists());
    let is_link = |name: &str| place.path(VSCRIPTS).join(name).is_symlink();
    assert!(!is_link("vpi.nut"));
    assert!(is_link("vpi.nut.before-vpid"), "it was not ours");
    assert!(is_link("mapspawn.nut") && is_link("vpi_config.nut"));
}

#[test]
fn a_failure_after_the_configuration_says_how_to_go_on() {
    let place = place(None);
    std::fs::create_dir_all(place.path(VSCRIPTS).join("vpi.nut")).unwrap();
    let error = place.run(&with_scripts()).unwrap_err();
    assert!(error.contains("vpi.nut cannot be read: "), "{error}");
    let go_on = "vpid.toml was written; after correcting this, install the scripts: vpid init";
    assert!(error.contains(go_on), "{error}");
    assert_eq!(names(&place), ["mapspawn.nut", "vpi.nut", "vpi_config.nut"]);
    std::fs::remove_dir(place.path(VSCRIPTS).join("vpi.nut")).unwrap();
    place.run(&with_scripts()).unwrap();
    assert!(script(&place, "vpi.nut").contains(&place.key()));
}

#[test]
fn folders_that_cannot_be_are_refused_before_anything_is_written() {
    let place = Place::new(None);
    let with = |vscripts: &str| Options {
        vscripts: Some(vscripts.into()),
        scriptdata: Some("../home/me/serverfiles/tf".into()),
        ..Options::default()
    };
    for (vscripts, expected) in [
        ("no/where", "nor does its parent folder"),
        (
            "../home/me/serverfiles/tf/scriptdata/vscripts",
            "is in scriptdata",
        ),
    ] {
        let error = place.run(&with(vscripts)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(!place.path("work/vpid.toml").exists());
    assert!(!place.path("home/me/serverfiles/tf/scriptdata").exists());
}

#[test]
fn a_stock_script_in_the_usual_place_leaves_two_ways_on() {
    let place = place(Some(STOCK));
    let stock = script(&place, "vpi.nut");
    let options = Options {
        scriptdata: Some("../home/me/serverfiles/tf".into()),
        ..Options::default()
    };
    let said = place.run(&options).unwrap();
    assert!(said.contains("vpi.nut is the stock script"), "{said}");
    assert!(said.contains("\n       vpid init --vscripts '"), "{said}");
    let keep = "\n       vpid init --legacy --force --scriptdata '../home/me/serverfiles/tf'\n";
    assert!(said.contains(keep), "{said}");
    assert_eq!(script(&place, "vpi.nut"), stock);
    assert_eq!(place.key().len(), 48);
}

#[test]
fn what_root_installs_belongs_to_the_owner_of_the_folder() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a folder to somebody else.
    }
    let place = place(None);
    std::fs::create_dir_all(place.path("home/me/serverfiles/tf/scriptdata")).unwrap();
    let parent = place.path("home/me/serverfiles/tf/scripts");
    std::os::unix::fs::chown(&parent, Some(65534), Some(65533)).unwrap();
    place.run(&with_scripts()).unwrap();
    for name in ["", "vpi.nut", "mapspawn.nut", "vpi_config.nut"] {
        let metadata = place.path(VSCRIPTS).join(name).metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (65534, 65533), "{name}");
    }
    assert_eq!(place.mode(&format!("{VSCRIPTS}/vpi.nut")), 0o600);
}
