//! A folder with a game in it, and what `vpid init` makes of it.

use std::os::unix::fs::PermissionsExt;

use super::text::{fresh_key, is_secret_sign, toml_text};
use super::*;
use crate::config::Config;

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// An owner's home with one installation, whose vpi.nut has this `GetSecret` body.
    fn new(script: Option<&str>) -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
        };
        place.install("home/me/serverfiles");
        if let Some(body) = script {
            let folder = place.path("home/me/serverfiles/tf/scripts/vscripts");
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!("// stock\nlocal function GetSecret() {{\n\t{body}\n}}\n");
            std::fs::write(folder.join("vpi.nut"), text).unwrap();
        }
        std::fs::create_dir(place.path("work")).unwrap();
        place
    }

    fn install(&self, at: &str) {
        let tf = self.path(at).join("tf");
        std::fs::create_dir_all(&tf).unwrap();
        std::fs::write(tf.join("gameinfo.txt"), "").unwrap();
    }

    fn path(&self, at: &str) -> PathBuf {
        std::fs::canonicalize(self.root.path()).unwrap().join(at)
    }

    fn run(&self, options: &Options) -> Result<String, String> {
        let around = Surroundings {
            home: Some(self.path("home/me")),
            homes: self.path("home"),
            current: self.path("work"),
        };
        let mut out = Vec::new();
        run_among(options, &around, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn config(&self) -> Config {
        config::load(Some(&self.path("work/vpid.toml")), |_| None).unwrap()
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
fn a_bare_install_gets_a_working_private_configuration() {
    let place = Place::new(Some("return @\"\";"));
    let said = place.run(&Options::default()).unwrap();
    let file = place.path("work/vpid.toml");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(place.path("work")).unwrap().count(), 1);

    let config = place.config();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let scriptdata = place.path("home/me/serverfiles/tf/scriptdata");
    assert_eq!(config.servers[0].scriptdata, scriptdata);
    assert!(scriptdata.is_dir());
    assert_eq!(config.state_dir, place.path("work/state"));
    let secret = String::from_utf8(secret_of(&config)).unwrap();
    assert_eq!(secret.len(), 128);
    assert!(secret.bytes().all(is_secret_sign), "{secret}");

    let text = std::fs::read_to_string(&file).unwrap();
    let line = text
        .lines()
        .position(|line| line.contains(&secret))
        .unwrap()
        + 1;
    assert!(
        text.starts_with("# The configuration of vpid, written by `vpid init`"),
        "{text}"
    );
    assert!(!text.contains("Copy it to vpid.toml"), "{text}");
    assert!(!said.contains(&secret[..20]), "{said}");
    assert!(said.contains("(made now)"), "{said}");
    assert!(said.contains("vpi.nut, put this in place of line 3:\n       return @\"SECRET\";"));
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
    ] {
        let place = Place::new(Some(body));
        let said = place.run(&Options::default()).unwrap();
        assert_eq!(secret_of(&place.config()), secret.as_bytes());
        assert!(
            said.contains("vpi.nut has, so it goes on as it is"),
            "{said}"
        );
        assert!(
            !said.contains("GetSecret") && !said.contains(&secret[..9]),
            "{said}"
        );
    }
    let place = Place::new(Some("return @\"with a space\";"));
    let said = place.run(&Options::default()).unwrap();
    assert_eq!(secret_of(&place.config()).len(), 128);
    assert!(
        said.contains("cannot carry. Put this in place of line 3"),
        "{said}"
    );
}

#[test]
fn nothing_is_overwritten_without_force() {
    let place = Place::new(None);
    let file = place.path("work/vpid.toml");
    std::fs::write(&file, "mine").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = place.run(&Options::default()).unwrap_err();
    assert!(error.contains("--force replaces it"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(!place.path("home/me/serverfiles/tf/scriptdata").exists());
    let race = write_durably(&file, "theirs", false).unwrap_err();
    assert!(race.contains("--force replaces it"), "{race}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    place
        .run(&Options {
            force: true,
            ..Options::default()
        })
        .unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(secret_of(&place.config()).len(), 128);
    let folder = Options {
        config: Some(".".into()),
        force: true,
        ..Options::default()
    };
    assert!(place.run(&folder).unwrap_err().contains("is a folder"));
}

#[test]
fn no_game_or_several_need_an_answer() {
    let place = Place::new(None);
    place.install("home/other/serverfiles");
    let error = place.run(&Options::default()).unwrap_err();
    for home in ["me", "other"] {
        let line = format!(
            "\n  --scriptdata '{}/home/{home}/serverfiles/tf/scriptdata'",
            place.path("").to_str().unwrap().trim_end_matches('/')
        );
        assert!(error.contains(&line), "{error}");
    }
    assert!(!place.path("work/vpid.toml").exists());
    std::fs::remove_dir_all(place.path("home")).unwrap();
    assert!(
        place
            .run(&Options::default())
            .unwrap_err()
            .contains("found no TF2 server")
    );
}

#[test]
fn folders_that_the_owner_names() {
    let place = Place::new(None);
    let with = |scriptdata: &str, config: &str| Options {
        scriptdata: Some(scriptdata.into()),
        config: Some(config.into()),
        ..Options::default()
    };
    let load = |config: &str| config::load(Some(&place.path(config)), |_| None).unwrap();

    let said = place
        .run(&with("../home/me/serverfiles/tf", "a.toml"))
        .unwrap();
    assert!(
        load("work/a.toml").servers[0]
            .scriptdata
            .ends_with("tf/scriptdata")
    );
    assert!(said.contains(&format!(
        "vpid check --config '{}'",
        place.path("work/a.toml").display()
    )));
    place.run(&with("it's \"new\"", "b.toml")).unwrap();
    assert_eq!(
        load("work/b.toml").servers[0].scriptdata,
        place.path("work/it's \"new\"")
    );
    assert!(place.path("work/it's \"new\"").is_dir());

    let error = place.run(&with("no/where", "c.toml")).unwrap_err();
    assert!(
        error.contains("nor does the folder it would be made in"),
        "{error}"
    );
    let error = place.run(&with("a.toml", "c.toml")).unwrap_err();
    assert!(error.contains("is not a folder"), "{error}");
    let error = place.run(&with(".", "c.toml")).unwrap_err();
    assert!(
        error.contains("every game script could overwrite"),
        "{error}"
    );
    let scripts = Options {
        vscripts: Some("a.toml".into()),
        ..with("../work", "c.toml")
    };
    assert!(
        place
            .run(&scripts)
            .unwrap_err()
            .contains("name .../tf/scripts/vscripts")
    );
    assert!(!place.path("work/c.toml").exists());
}

#[test]
fn fresh_secrets_differ_and_use_every_sign() {
    let mut seen = [false; 256];
    let first = fresh_secret();
    for _ in 0..100 {
        let secret = fresh_secret();
        assert_ne!(secret, first);
        secret
            .bytes()
            .for_each(|byte| seen[usize::from(byte)] = true);
    }
    for byte in 0..=255_u8 {
        let fits = (35..=126).contains(&byte) && !b"'\\".contains(&byte);
        assert_eq!(seen[usize::from(byte)], fits, "{byte}");
    }
    let key = fresh_key();
    assert_ne!(key, fresh_key());
    assert!(key.len() == 48 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn texts_survive_toml() {
    for text in [
        "plain",
        "it's",
        "a\\b",
        "it's a\\b \"c\"",
        "tab\tbell\u{7}",
        "caf\u{e9}",
    ] {
        let document = format!("x = {}", toml_text(text));
        let table: toml::Table = document.parse().unwrap();
        assert_eq!(table["x"].as_str(), Some(text), "{document}");
    }
}

#[test]
fn a_folder_that_the_game_could_not_write_is_not_made() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give the game to somebody else.
    }
    let place = Place::new(None);
    let tf = place.path("home/me/serverfiles/tf");
    std::os::unix::fs::chown(&tf, Some(65534), None).unwrap();
    let error = place.run(&Options::default()).unwrap_err();
    assert!(
        error.contains("(uid 65534); run `vpid init` as that user"),
        "{error}"
    );
    assert!(!tf.join("scriptdata").exists() && !place.path("work/vpid.toml").exists());
    std::fs::create_dir(tf.join("scriptdata")).unwrap();
    place.run(&Options::default()).unwrap();
}
