//! `--legacy`: the stock script goes on as it is.

use super::*;

fn legacy() -> Options {
    Options {
        legacy: true,
        ..Options::default()
    }
}

fn secret_of(config: &Config) -> Vec<u8> {
    config.servers[0]
        .legacy
        .as_ref()
        .unwrap()
        .secret
        .as_bytes()
        .to_vec()
}

#[test]
fn a_stock_script_without_a_secret_gets_one() {
    let place = Place::new(Some("return @\"\";"));
    let said = place.run(&legacy()).unwrap();
    let file = place.path("work/vpid.toml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(place.path("work")).unwrap().count(), 1);

    let config = place.config();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let scriptdata = place.path("home/me/serverfiles/tf/scriptdata");
    assert_eq!(config.servers[0].scriptdata, scriptdata);
    assert!(scriptdata.is_dir());
    assert!(config.servers[0].key.is_none());
    let secret = String::from_utf8(secret_of(&config)).unwrap();
    assert_eq!(secret.len(), 128);
    assert!(secret.bytes().all(is_secret_sign), "{secret}");

    let text = std::fs::read_to_string(&file).unwrap();
    let line = text
        .lines()
        .position(|line| line.contains(&secret))
        .unwrap()
        + 1;
    assert!(text.contains("\n# key = "), "{text}");
    assert!(!said.contains(&secret[..20]), "{said}");
    assert!(said.contains("(made now)"), "{said}");
    assert!(said.contains("vpi.nut, replace line 3 with this:\n       return @\"SECRET\";"));
    assert!(
        said.contains(&format!("vpid.toml, line {line}, without")),
        "{said}"
    );
}

#[test]
fn the_secret_of_a_running_setup_is_kept() {
    for (body, secret) in [
        (
            "return @\"0123456789'abcdef\\0123456789ABCDEF\";",
            "0123456789'abcdef\\0123456789ABCDEF",
        ),
        (
            "return \"plain-0123456789-0123456789-0123\"",
            "plain-0123456789-0123456789-0123",
        ),
        (
            "return @\"my old \"\"secret\"\" text! of 40 signs, it's so\"",
            "my old \"secret\" text! of 40 signs, it's so",
        ),
        (
            "return \"\\x20my \\\"old\\\" \\\\ secret\\u0021 \"",
            " my \"old\" \\ secret! ",
        ),
    ] {
        let place = Place::new(Some(body));
        let said = place.run(&legacy()).unwrap();
        assert_eq!(secret_of(&place.config()), secret.as_bytes());
        assert!(said.contains("vpi.nut, which stays unchanged"), "{said}");
        assert!(said.contains("name the database of vpi.py"), "{said}");
        assert!(
            !said.contains("GetSecret") && !said.contains(&secret[..9]),
            "{said}"
        );
    }
    let place = Place::new(Some("return \"with a\\ttab\";"));
    let said = place.run(&legacy()).unwrap();
    assert_eq!(secret_of(&place.config()).len(), 128);
    assert!(
        said.contains("(character 7 is a tab, which the stock protocol cannot carry). Replace line 3 with this"),
        "{said}"
    );
}

#[test]
fn no_script_is_touched_and_vscripts_only_says_where_the_stock_one_is() {
    let place = Place::new(None);
    let elsewhere = place.path("work/mine");
    std::fs::create_dir(&elsewhere).unwrap();
    let secret = "0123456789-0123456789-0123456789";
    let script = format!("function GetSecret() {{ return @\"{secret}\" }}");
    place.write("work/mine/vpi.nut", &script);
    let options = Options {
        vscripts: Some("mine".into()),
        scriptdata: Some(place.path("home/me/serverfiles/tf")),
        ..legacy()
    };
    place.run(&options).unwrap();
    assert_eq!(secret_of(&place.config()), secret.as_bytes());
    assert_eq!(place.config().servers[0].vscripts, None);
    assert_eq!(place.read("work/mine/vpi.nut"), script);
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
    // A configuration that is there is not for this to change.
    assert!(
        place
            .run(&options)
            .unwrap_err()
            .contains("--force replaces")
    );
}

#[test]
fn our_own_script_is_not_taken_for_the_stock_one() {
    let place = Place::new(None);
    std::fs::create_dir_all(place.path(VSCRIPTS)).unwrap();
    let ours = crate::vscripts::vpi_with("x");
    place.write(&format!("{VSCRIPTS}/vpi.nut"), &ours);
    let error = place.run(&legacy()).unwrap_err();
    assert!(error.contains("is vpid's own script"), "{error}");
    assert!(!place.path("work/vpid.toml").exists());
}

/// As MGE lies in the game, in both of its forms: that without an identity has the folder's name, and writes
/// into scriptdata itself.
fn mge(place: &Place, identity: bool) -> String {
    let at = format!("{VSCRIPTS}/mge/vpi");
    std::fs::create_dir_all(place.path(&at)).unwrap();
    let identity = match identity {
        true => "t.Identity <- 1\nstringtofile(format(\"%s/%s\", SCRIPTDATA_DIR, file), str)",
        false => "StringToFile(file, str) // not in SCRIPTDATA_DIR",
    };
    let text = format!(
        "local function GetSecret() {{\n\treturn @\"0123456789-0123456789-0123456789\"\n}}\n\
         local SCRIPTDATA_DIR = \"mge_playerdata\"\n{identity}\n"
    );
    place.write(&format!("{at}/vpi.nut"), &text);
    format!("{at}/vpi.nut")
}

#[test]
fn the_script_of_a_game_mode_is_found_with_the_folder_that_it_writes_into() {
    for (identity, folder) in [(true, "scriptdata/mge_playerdata"), (false, "scriptdata")] {
        let place = Place::new(None);
        let script = mge(&place, identity);
        let said = place.run(&legacy()).unwrap();
        let config = place.config();
        assert_eq!(secret_of(&config), b"0123456789-0123456789-0123456789");
        let folder = place.path(&format!("home/me/serverfiles/tf/{folder}"));
        assert_eq!(config.servers[0].scriptdata, folder);
        assert!(folder.is_dir());
        let named = format!(
            "Secret: that of {}, which stays",
            place.path(&script).display()
        );
        assert!(said.contains(&named), "{said}");
        let optional = said.contains("set legacy_identity = \"optional\" in");
        assert_eq!(optional, !identity, "{said}");
    }
    // A folder that was named already is not named twice.
    let place = Place::new(None);
    mge(&place, true);
    let folder = "home/me/serverfiles/tf/scriptdata/mge_playerdata";
    std::fs::create_dir_all(place.path(folder)).unwrap();
    let options = Options {
        scriptdata: Some(place.path(folder)),
        ..legacy()
    };
    place.run(&options).unwrap();
    assert_eq!(place.config().servers[0].scriptdata, place.path(folder));
    // Without --legacy, it is named too.
    let place = Place::new(None);
    let script = mge(&place, true);
    let said = place.run(&Options::default()).unwrap();
    let named = format!(
        "{} is the stock script or one",
        place.path(&script).display()
    );
    assert!(
        said.contains(&named) && said.contains("vpid init --legacy --force"),
        "{said}"
    );
}

#[test]
fn of_several_scripts_the_owner_chooses() {
    let place = Place::new(Some("return @\"the-stock-one-0123456789-0123456789\";"));
    mge(&place, true);
    let error = place.run(&legacy()).unwrap_err();
    for folder in [VSCRIPTS.to_owned(), format!("{VSCRIPTS}/mge/vpi")] {
        let line = format!("\n  --vscripts '{}'", place.path(&folder).display());
        assert!(error.contains(&line), "{error}");
    }
    assert!(!place.path("work/vpid.toml").exists());
    let options = Options {
        vscripts: Some(place.path(VSCRIPTS)),
        ..legacy()
    };
    place.run(&options).unwrap();
    assert_eq!(
        secret_of(&place.config()),
        b"the-stock-one-0123456789-0123456789"
    );
    // Links lead out, and depth has an end.
    let place = Place::new(None);
    let outside = place.path("elsewhere");
    std::fs::create_dir_all(&outside).unwrap();
    place.write("elsewhere/vpi.nut", "function GetSecret() { return \"x\" }");
    std::fs::create_dir_all(place.path(&format!("{VSCRIPTS}/a/b/c/d/e"))).unwrap();
    place.write(
        &format!("{VSCRIPTS}/a/b/c/d/e/vpi.nut"),
        "function GetSecret() { return \"y\" }",
    );
    std::os::unix::fs::symlink(&outside, place.path(&format!("{VSCRIPTS}/link"))).unwrap();
    let said = place.run(&legacy()).unwrap();
    assert!(said.contains("No vpi.nut was found"), "{said}");
}

#[test]
fn a_path_that_leaves_little_room_for_hostnames_is_named() {
    let place = Place::new(None);
    let deep = format!("home/{}/serverfiles", "d".repeat(120));
    place.install(&deep);
    let options = Options {
        scriptdata: Some(place.path(&format!("{deep}/tf"))),
        ..legacy()
    };
    let said = place.run(&options).unwrap();
    assert!(
        said.contains("Note: this path is so long that the game can serve hostnames of up to"),
        "{said}"
    );
    let said = Place::new(None).run(&legacy()).unwrap();
    assert!(!said.contains("Note:"), "{said}");
}
