//! The scripts in the game, and the folder in which they sign.

use std::os::unix::fs::symlink;

use super::*;
use crate::vscripts;

const KEY: &str = "key-0123456789abcdefghijABCDEFGHIJ";

impl Place {
    /// A server with a key whose game has the scripts, and `extra` in its configuration.
    fn signed(extra: &str) -> Self {
        let place = Self::with(&format!("key = '{KEY}'\n{extra}"));
        std::fs::create_dir_all(place.path("scripts/vscripts")).unwrap();
        place.script("vpi.nut", &vscripts::vpi_with(KEY));
        place.mode("scripts/vscripts/vpi.nut", 0o600);
        place.script("mapspawn.nut", vscripts::MAPSPAWN);
        place.script("vpi_config.nut", vscripts::VPI_CONFIG);
        place
    }

    fn script(&self, name: &str, text: &str) {
        self.write(&format!("scripts/vscripts/{name}"), text.as_bytes());
    }

    fn without(&self, name: &str) {
        std::fs::remove_file(self.path("scripts/vscripts").join(name)).unwrap();
    }

    /// The command that every finding of this place is mended with.
    fn remedy(&self) -> String {
        format!(
            "vpid init --vscripts '{}' --config '{}'",
            self.path("scripts/vscripts").display(),
            self.path("vpid.toml").display()
        )
    }

    /// One bad line, which says this and names the command.
    #[track_caller]
    fn is_mended_by_init(&self, expected: &str) {
        self.is_bad(&[expected]);
        self.is_bad(&[&self.remedy()]);
    }

    /// Nothing is bad, and one line warns.
    #[track_caller]
    fn warns(&self, expected: &str) {
        let (good, said) = self.check();
        let warnings: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("warn"))
            .collect();
        assert!(good && warnings.len() == 1, "{said}");
        assert!(warnings[0].contains(expected), "{said}\n{expected}");
    }
}

#[test]
fn a_mapspawn_in_custom_is_bad_unless_it_starts_ours() {
    let place = Place::signed("");
    let custom = "custom/mine/scripts/vscripts/mapspawn.nut";
    place.write(custom, b"printl(\"hello\")");
    place.is_bad(&["custom/mine/scripts/vscripts/mapspawn.nut instead of vpid's"]);
    assert!(place.check().1.contains(vscripts::include_line()));
    place.write(custom, vscripts::MAPSPAWN.as_bytes());
    assert!(place.check().0);
    place.write("custom/mine/scripts/vscripts/vpi.nut", b"// another");
    place.is_bad(&["custom/mine/scripts/vscripts/vpi.nut instead of vpid's — remove it"]);
    assert!(!place.check().1.contains("at its top"));
}

#[test]
fn a_server_with_a_key_and_its_scripts_is_good_without_a_warning() {
    let place = Place::signed("");
    let (good, said) = place.check();
    assert!(good && !said.contains("warn"), "{said}");
    for line in ["ok    key: there is one for ", "ok    scripts: version "] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains(KEY), "{said}");
    // Nothing of it is asked of a server for stock scripts.
    let (_, said) = Place::new("").check();
    assert!(
        !said.contains("scripts: ") && !said.contains("key: "),
        "{said}"
    );
}

#[test]
fn scripts_that_are_not_there() {
    let place = Place::signed("");
    std::fs::remove_dir_all(place.path("scripts")).unwrap();
    place.is_mended_by_init("scripts: there is no folder /");
    std::fs::create_dir_all(place.path("scripts/vscripts")).unwrap();
    place.is_mended_by_init("scripts: there is no vpi.nut in /");
    std::fs::create_dir(place.path("scripts/vscripts/vpi.nut")).unwrap();
    place.is_bad(&["vpi.nut cannot be read: "]);

    let place = Place::signed("vscripts = 'elsewhere'");
    place.is_bad(&["; if they are elsewhere, set vscripts in the configuration"]);
    place.is_bad(&["scripts: there is no folder /"]);
    std::fs::rename(place.path("scripts/vscripts"), place.path("elsewhere")).unwrap();
    place.is_bad(&[]);
}

#[test]
fn keys_that_do_not_fit() {
    let place = Place::signed("");
    place.script("vpi.nut", vscripts::VPI);
    place.is_mended_by_init("vpi.nut has no key yet");
    place.script("vpi.nut", &vscripts::vpi_with(&KEY.replace("key", "yek")));
    place.is_mended_by_init("vpi.nut has another key than the configuration");
    let computed = vscripts::vpi_with(KEY).replace(&format!("\"{KEY}\""), "Stored()");
    place.script("vpi.nut", &computed);
    let (good, said) = place.check();
    assert!(
        !good && said.contains("vpi.nut has no readable key"),
        "{said}"
    );
    assert!(!said.contains(KEY) && !said.contains(&KEY[4..]), "{said}");
}

#[test]
fn versions_and_changes() {
    let place = Place::signed("");
    let ours = vscripts::vpi_with(KEY);
    place.script("vpi.nut", &ours.replace(&vscripts::version(), "0.0.9"));
    place.warns("vpi.nut is of version \"0.0.9\", older than those of this vpid");
    place.warns(&place.remedy());
    place.script("vpi.nut", &ours.replace(&vscripts::version(), "99.10"));
    place.warns("is of version \"99.10\", newer than those of this vpid");

    let place = Place::signed("");
    place.script("vpi.nut", &(ours.clone() + "\n// mine"));
    place.warns("vpi.nut was changed by hand");
    place.script("vpi.nut", &ours.replace('\n', "\r\n"));
    place.is_bad(&[]);
    assert!(!place.check().1.contains("warn"));
}

#[test]
fn a_mapspawn_must_start_them() {
    let place = Place::signed("");
    place.without("mapspawn.nut");
    place.is_mended_by_init("mapspawn.nut is missing, so nothing starts vpi.nut");
    place.script(
        "mapspawn.nut",
        "// IncludeScript(\"vpi\")\nIncludeScript(\"mge\")",
    );
    place.is_bad(&["mapspawn.nut does not start vpi.nut — paste this line at its top: "]);
    place.is_bad(&[vscripts::include_line()]);
    place.script(
        "mapspawn.nut",
        "IncludeScript(\"mge\"); IncludeScript(\"vpi.nut\", this)",
    );
    place.is_bad(&[]);
}

#[test]
fn a_key_that_others_can_read_warns() {
    let place = Place::signed("");
    place.mode("scripts/vscripts/vpi.nut", 0o640);
    assert!(!place.check().1.contains("warn"));
    place.mode("scripts/vscripts/vpi.nut", 0o644);
    place.warns("every user of this machine can read the key in ");
    if rustix::process::geteuid().is_root() {
        place.mode("scripts/vscripts/vpi.nut", 0o600);
        std::os::unix::fs::chown(place.path("scriptdata"), Some(65534), None).unwrap();
        place.says("vpi.nut belongs to uid 0 and only that user can read it, while scriptdata");
    }
}

#[test]
fn stock_scripts_where_ours_are_expected() {
    let stock = stock(SECRET);
    let place = Place::signed("");
    place.script("vpi.nut", &stock);
    place.is_mended_by_init("vpi.nut is not vpid's: it does not sign, and this server has no");
    // With both it is a change that is under way.
    let place = Place::signed(&format!("legacy_secret = '{SECRET}'"));
    place.script("vpi.nut", &stock);
    place.is_bad(&[]);
    place.says("warn  scripts: ");
    place.says(&place.remedy());
    place.says("server.legacy_secret: serves scripts that do not sign, beside those that do");
}

/// As much of the stock script as is looked at.
fn stock(secret: &str) -> String {
    format!(
        "function GetSecret() {{\n\treturn @\"{secret}\"\n}}\nlocal call = {{ Identity = 1 }}\n"
    )
}

#[test]
fn a_stock_script_has_the_secret_of_its_server_and_sends_an_identity() {
    let place = Place::new("");
    place.write("scripts/vscripts/vpi.nut", stock(SECRET).as_bytes());
    place.is_bad(&[]);
    place.says("vpi.nut has legacy_secret");
    let other = "another-0123456789-0123456789-01";
    place.script("vpi.nut", &stock(other));
    place.is_bad(&[
        "vpi.nut returns another secret than legacy_secret in the configuration — write",
    ]);
    place.says("line 2 there, and legacy_secret; then restart the map");
    let (_, said) = place.check();
    assert!(!said.contains(SECRET) && !said.contains(other), "{said}");
    place.script("vpi.nut", &stock(""));
    place.is_bad(&["returns another secret"]);
    place.script("vpi.nut", &stock(SECRET).replace("@\"", "Stored(@\""));
    place.is_bad(&[]);
    place.says("warn  scripts: the secret in ");

    let without = stock(SECRET).replace("Identity", "Nobody");
    place.script("vpi.nut", &without);
    place.is_bad(&["vpi.nut sends no identity with its calls, so vpid rejects them — install"]);
    let place = Place::new("legacy_identity = 'optional'");
    place.write("scripts/vscripts/vpi.nut", without.as_bytes());
    place.is_bad(&[]);
}

#[test]
fn our_scripts_where_stock_ones_are_expected() {
    let place = Place::new("");
    std::fs::create_dir_all(place.path("scripts/vscripts")).unwrap();
    place.script("vpi.nut", &vscripts::vpi_with(KEY));
    place.is_mended_by_init("vpi.nut is vpid's own, which signs, and this server has no key");
}

#[test]
fn hosts_that_share_scripts_need_one_key_and_are_looked_at_once() {
    let second = |key: &str| {
        format!(
            "hostname = 'a'\n[[server]]\nscriptdata = 'scriptdata'\nhostname = 'b'\nkey = '{key}'"
        )
    };
    let place = Place::signed(&second(KEY));
    let (good, said) = place.check();
    assert!(good, "{said}");
    assert_eq!(said.matches("ok    scripts: ").count(), 1, "{said}");
    assert!(said.contains("key: there is one for \"b\" in "), "{said}");
    let place = Place::signed(&second(&KEY.replace("key", "yek")));
    place.is_mended_by_init("vpi.nut has another key than the configuration");
}

const SESSION: &str = "00112233445566778899aabbccddeeff";

#[test]
fn the_folder_of_the_signed_protocol() {
    let place = Place::signed("");
    std::fs::create_dir(place.path("scriptdata/vpid")).unwrap();
    place.says("ok    scriptdata: ");
    let (_, said) = place.check();
    assert!(said.contains("scriptdata/vpid can be written"), "{said}");
    assert!(said.contains("hosts: no file of a game is in"), "{said}");
    place.write(&format!("scriptdata/vpid/red_{SESSION}_c1.interface"), b"x");
    place.says("ok    hosts: \"red\" in ");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(place.path("scriptdata"), Some(65534), None).unwrap();
        place.says("scriptdata/vpid belongs to uid 0 and only that user can write into it");
    }

    let place = Place::signed("");
    place.write("scriptdata/vpid", b"");
    place.is_bad(&["scriptdata/vpid is not a folder — remove it"]);
    std::fs::remove_file(place.path("scriptdata/vpid")).unwrap();
    symlink(place.path("scripts"), place.path("scriptdata/vpid")).unwrap();
    place.is_bad(&["scriptdata/vpid is a link, and vpid follows none"]);
}

#[test]
fn hosts_that_write_what_their_server_does_not_believe() {
    let place = Place::new("");
    std::fs::create_dir(place.path("scriptdata/vpid")).unwrap();
    place.write(
        &format!("scriptdata/vpid/red_{SESSION}_hello.interface"),
        b"x",
    );
    place.says("the scripts of \"red\" sign, and no [[server]] with a key serves them");
    let place = Place::signed("");
    place.write("scriptdata/red_vpi_1_2_output.interface", b"{}\0");
    place.warns("stock scripts of \"red\" have written calls, and their server has no");
    // What lies there from the time before is no call.
    let place = Place::signed("");
    place.write("scriptdata/red_vpi_input.interface", b"{}");
    assert!(!place.check().1.contains("warn"));
}
