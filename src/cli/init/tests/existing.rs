//! `--vscripts` beside a configuration that is there: it stays, and says the key.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::vscripts;

const KEY: &str = "key-0123456789abcdefghijABCDEFGHIJ";

fn into(vscripts: &str) -> Options {
    Options {
        vscripts: Some(vscripts.into()),
        ..Options::default()
    }
}

/// A place with these servers in its configuration, and with folders for scripts.
fn place(servers: &str) -> Place {
    let place = Place::new(None);
    for folder in ["one", "two"] {
        std::fs::create_dir_all(place.path("work").join(folder).join("tf/scripts")).unwrap();
    }
    place.write("work/vpid.toml", servers);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("work/vpid.toml"), private).unwrap();
    place
}

fn server(folder: &str, more: &str) -> String {
    format!("[[server]]\nscriptdata = '{folder}/tf/scriptdata'\n{more}\n")
}

fn key_in(place: &Place, folder: &str) -> String {
    let text = place.read(&format!("work/{folder}/tf/scripts/vscripts/vpi.nut"));
    match vscripts::Installed::of(text.as_bytes()) {
        vscripts::Installed::Ours { key, .. } => String::from_utf8(key).unwrap(),
        vscripts::Installed::Foreign => panic!("{text}"),
    }
}

#[test]
fn the_scripts_get_the_key_of_the_only_server() {
    let text = server("one", &format!("key = '{KEY}'"));
    let place = place(&text);
    let said = place.run(&into("one/tf/scripts/vscripts")).unwrap();
    assert_eq!(place.read("work/vpid.toml"), text);
    assert_eq!(key_in(&place, "one"), KEY);
    assert!(
        !said.contains(KEY) && !said.contains("vscripts = "),
        "{said}"
    );
    assert!(said.contains("1. Test the setup"), "{said}");
    assert!(said.contains("2. Restart the map"), "{said}");
    assert!(!said.contains("vpid run"), "{said}");
    // Elsewhere too, with a word on where vpid looks.
    let said = place.run(&into("two/tf/scripts/vscripts")).unwrap();
    assert_eq!(key_in(&place, "two"), KEY);
    let line = format!(
        "vscripts = '{}/two/tf/scripts/vscripts'\n",
        place.path("work").display()
    );
    assert!(said.contains(&line), "{said}");
}

#[test]
fn the_game_folder_of_the_server_is_made_where_it_is_missing() {
    let place = place(&server("two", &format!("key = '{KEY}'")));
    let scriptdata = place.path("work/two/tf/scriptdata");
    // Where there is no game, it may be meant to come from elsewhere.
    place.run(&into("two/tf/scripts/vscripts")).unwrap();
    assert!(!scriptdata.exists());
    place.install("work/two");
    let said = place.run(&into("two/tf/scripts/vscripts")).unwrap();
    let made = format!("Game folder: {} (made now)", scriptdata.display());
    assert!(said.contains(&made), "{said}");
    assert!(scriptdata.is_dir());
    let said = place.run(&into("two/tf/scripts/vscripts")).unwrap();
    assert!(!said.contains("Game folder"), "{said}");
}

#[test]
fn a_configuration_that_others_can_read_is_a_step_to_do() {
    let place = place(&server("one", &format!("key = '{KEY}'")));
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(place.path("work/vpid.toml"), open).unwrap();
    let said = place.run(&into("one/tf/scripts/vscripts")).unwrap();
    assert!(
        said.contains("1. Other users can read the secret in"),
        "{said}"
    );
    assert!(said.contains("chmod 600 '"), "{said}");
}

#[test]
fn among_several_servers_the_folder_decides_or_the_owner() {
    let other = KEY.replace("key", "yek");
    let text =
        server("one", &format!("key = '{KEY}'")) + &server("two", &format!("key = '{other}'"));
    let place = place(&text);
    for (folder, key) in [("one", KEY), ("two", other.as_str())] {
        place
            .run(&into(&format!("{folder}/tf/scripts/vscripts")))
            .unwrap();
        assert_eq!(key_in(&place, folder), key);
    }
    std::fs::create_dir(place.path("work/else")).unwrap();
    let error = place.run(&into("else")).unwrap_err();
    assert!(error.contains("which [[server]]"), "{error}");
    let line = format!(
        "\n  --scriptdata '{}/two/tf/scriptdata'",
        place.path("work").display()
    );
    assert!(error.contains(&line), "{error}");
    assert!(
        std::fs::read_dir(place.path("work/else"))
            .unwrap()
            .next()
            .is_none()
    );
    let options = Options {
        scriptdata: Some("two/tf/scriptdata".into()),
        ..into("else")
    };
    place.run(&options).unwrap();
    assert!(place.read("work/else/vpi.nut").contains(&other));
    let options = Options {
        scriptdata: Some("three/tf/scriptdata".into()),
        ..into("else")
    };
    assert!(
        place
            .run(&options)
            .unwrap_err()
            .contains("which [[server]]")
    );
}

#[test]
fn hosts_of_one_game_need_one_key() {
    let other = KEY.replace("key", "yek");
    let with =
        |host: &str, key: &str| server("one", &format!("hostname = '{host}'\nkey = '{key}'"));
    let vscripts = into("one/tf/scripts/vscripts");
    let different = place(&(with("a", KEY) + &with("b", &other)));
    let error = different.run(&vscripts).unwrap_err();
    assert!(
        error.contains("the servers for a and b have different keys"),
        "{error}"
    );
    let same = place(&(with("a", KEY) + &with("b", KEY)));
    same.run(&vscripts).unwrap();
    assert_eq!(key_in(&same, "one"), KEY);
}

#[test]
fn a_server_without_a_key_gets_the_line_to_add() {
    let secret = "0123456789-0123456789-0123456789";
    let stock = server("one", &format!("legacy_secret = '{secret}'"));
    let place = place(&stock);
    let vscripts = into("one/tf/scripts/vscripts");
    let error = place.run(&vscripts).unwrap_err();
    assert!(
        error.contains("has no key, and no script was changed"),
        "{error}"
    );
    assert!(!place.path("work/one/tf/scripts/vscripts").exists());
    let line = error.lines().last().unwrap().trim();
    place.write("work/vpid.toml", &format!("{stock}{line}\n"));
    place.run(&vscripts).unwrap();
    assert_eq!(key_in(&place, "one"), place.key());
    assert!(place.config().servers[0].legacy.is_some());
}

#[test]
fn a_configuration_with_problems_is_not_guessed_at() {
    let place = place(&server("one", "key = 'short'"));
    let error = place.run(&into("one/tf/scripts/vscripts")).unwrap_err();
    assert!(
        error.contains("vpid.toml:3: server.key: is 5 characters long"),
        "{error}"
    );
    assert!(!error.contains("--force"), "{error}");
    assert!(!place.path("work/one/tf/scripts/vscripts").exists());
    let inside = server("one", &format!("key = '{KEY}'"));
    place.write("work/vpid.toml", &inside);
    let error = place.run(&into("one/tf/scriptdata/vscripts")).unwrap_err();
    assert!(error.contains("is in scriptdata"), "{error}");
}

#[test]
fn the_configuration_of_the_machine_is_used_where_there_is_none_here() {
    let place = place("");
    std::fs::remove_file(place.path("work/vpid.toml")).unwrap();
    std::fs::create_dir(place.path("etc")).unwrap();
    let text = server(
        place.path("work/one").to_str().unwrap(),
        &format!("key = '{KEY}'"),
    );
    place.write("etc/vpid.toml", &text);
    place.run(&into("one/tf/scripts/vscripts")).unwrap();
    assert_eq!(key_in(&place, "one"), KEY);
    assert!(!place.path("work/vpid.toml").exists());
    // One that is named and not there is a new one.
    let options = Options {
        config: Some("new.toml".into()),
        scriptdata: Some("one/tf/scriptdata".into()),
        ..into("one/tf/scripts/vscripts")
    };
    place.run(&options).unwrap();
    assert_ne!(key_in(&place, "one"), KEY);
}

#[test]
fn force_writes_a_new_configuration_and_its_key() {
    let place = place(&server("one", &format!("key = '{KEY}'")));
    let options = Options {
        force: true,
        scriptdata: Some("one/tf/scriptdata".into()),
        ..into("one/tf/scripts/vscripts")
    };
    place.run(&options).unwrap();
    assert_ne!(place.key(), KEY);
    assert_eq!(key_in(&place, "one"), place.key());
}

#[test]
fn the_environment_says_the_key_where_it_does_so_to_the_daemon() {
    let other = KEY.replace("key", "yek");
    let place = place(&server("one", &format!("key = '{KEY}'")));
    let vscripts = into("one/tf/scripts/vscripts");
    place.run_with(&vscripts, &[("VPID_KEY", &other)]).unwrap();
    assert_eq!(key_in(&place, "one"), other);
    // Without any file too; none is written then.
    std::fs::remove_file(place.path("work/vpid.toml")).unwrap();
    let scriptdata = place.path("work/one/tf/scriptdata");
    let set = [
        ("VPID_KEY", KEY),
        ("VPID_SCRIPTDATA", scriptdata.to_str().unwrap()),
    ];
    let said = place.run_with(&vscripts, &set).unwrap();
    assert!(
        said.contains("Configuration: the environment, unchanged"),
        "{said}"
    );
    assert_eq!(key_in(&place, "one"), KEY);
    assert!(!place.path("work/vpid.toml").exists());
    let error = place.run_with(&vscripts, &set[..1]).unwrap_err();
    assert!(error.contains("the environment has problems"), "{error}");
    // Or it names the file.
    let named = [("VPID_CONFIG", place.path("work/named.toml"))];
    std::fs::write(&named[0].1, server("one", &format!("key = '{other}'"))).unwrap();
    let named = named.map(|(name, path)| (name, path.to_str().unwrap().to_owned()));
    place
        .run_with(&vscripts, &[(named[0].0, &named[0].1)])
        .unwrap();
    assert_eq!(key_in(&place, "one"), other);
}
