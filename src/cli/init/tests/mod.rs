//! A folder with a game in it, and what `vpid init` makes of it.

mod existing;
mod scripts;
mod stock;

use std::os::unix::fs::PermissionsExt;

use super::stock::{fresh_secret, is_secret_sign, toml_text};
use super::*;
use crate::config::Config;

/// From the root of a [`Place`].
const VSCRIPTS: &str = "home/me/serverfiles/tf/scripts/vscripts";

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
            std::fs::create_dir_all(place.path(VSCRIPTS)).unwrap();
            let text = format!("// stock\nlocal function GetSecret() {{\n\t{body}\n}}\n");
            place.write(&format!("{VSCRIPTS}/vpi.nut"), &text);
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

    fn write(&self, at: &str, text: &str) {
        std::fs::write(self.path(at), text).unwrap();
    }

    fn read(&self, at: &str) -> String {
        std::fs::read_to_string(self.path(at)).unwrap()
    }

    fn mode(&self, at: &str) -> u32 {
        self.path(at).metadata().unwrap().permissions().mode() & 0o777
    }

    fn run(&self, options: &Options) -> Result<String, String> {
        self.run_with(options, &[])
    }

    /// With these variables in the environment, and no other.
    fn run_with(&self, options: &Options, set: &[(&str, &str)]) -> Result<String, String> {
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let around = Surroundings {
            home: Some(self.path("home/me")),
            homes: self.path("home"),
            current: self.path("work"),
            system_config: self.path("etc/vpid.toml"),
            environment: Box::new(move |wanted| {
                let found = set.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| value.clone())
            }),
        };
        let mut out = Vec::new();
        run_among(options, &around, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn config(&self) -> Config {
        config::load(Some(&self.path("work/vpid.toml")), |_| None).unwrap()
    }

    fn key(&self) -> String {
        let key = self.config().servers[0].key.clone().expect("a key");
        String::from_utf8(key.as_bytes().to_vec()).unwrap()
    }
}

#[test]
fn vyhub_is_a_matter_of_filling_in_what_stands_there() {
    let place = Place::new(None);
    place.run(&Options::default()).unwrap();
    place.write("work/vyhub.key", "a-key\n");
    place.write("work/rcon.password", "a-password\n");
    let mut text = place.read("work/vpid.toml");
    for line in [
        "[vyhub]",
        "api_url = \"https://api.vyhub.app/<name>/v1\"",
        "api_key_file = \"vyhub.key\"",
        "vyhub_server_id = \"01234567-89ab-cdef-0123-456789abcdef\"",
        "rcon = \"127.0.0.1:27015\"",
        "rcon_password_file = \"rcon.password\"",
        "log_listen = \"127.0.0.1:27500\"",
    ] {
        let commented = format!("\n# {line}\n");
        assert_eq!(text.matches(&commented).count(), 1, "{line}");
        text = text.replace(&commented, &format!("\n{line}\n"));
    }
    // The secret of the log is made anew, the same for both sides.
    let secret = text.split("\n# log_secret = \"").nth(1).expect("a secret");
    let secret = secret.split('"').next().unwrap().to_owned();
    assert!(
        secret.len() == 16 && secret != "1234567890123456",
        "{secret}"
    );
    assert!(
        text.contains(&format!("; sv_logsecret {secret}\n")),
        "{text}"
    );
    text = text.replace("\n# log_secret = ", "\nlog_secret = ");
    place.write("work/vpid.toml", &text.replace("<name>", "mine"));
    let config = place.config();
    let community = config.community.expect("a community");
    let vyhub = community.vyhub().expect("[vyhub]");
    assert_eq!(vyhub.api_url, "https://api.vyhub.app/mine/v1");
    let server = &config.servers[0];
    assert!(server.vyhub_id.is_some() && server.rcon.is_some() && server.log.is_some());
}

#[test]
fn a_community_of_ones_own_is_there_at_once_and_two_steps_are_left() {
    let place = Place::new(None);
    let options = || Options {
        community: true,
        ..Options::default()
    };
    let said = place.run(&options()).unwrap();
    let config = place.config();
    assert_eq!(config.warnings, [""; 0]);
    let community = config.community.expect("a community");
    assert_eq!(community.database(), Some(0));
    assert!(config.servers[0].community_id.is_some());
    for step in ["in front of rcon", "vpid community admin add YOUR-STEAMID"] {
        assert!(said.contains(step), "{said}");
    }
    let text = place.read("work/vpid.toml");
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("# rcon ="))
        .unwrap();
    assert!(said.contains(&format!("from line {line} of")), "{said}");
    // One that is there is not changed, and what is missing is said.
    let again = Options {
        vscripts: Some(place.path("home/me/serverfiles/tf/scripts/vscripts")),
        ..options()
    };
    let refused = place.run(&again).unwrap_err();
    assert!(refused.contains("type = \"local\""), "{refused}");
    assert_eq!(place.read("work/vpid.toml"), text);
}

#[test]
fn a_bare_install_gets_a_working_private_configuration_with_a_key() {
    let place = Place::new(None);
    let said = place.run(&Options::default()).unwrap();
    assert_eq!(place.mode("work/vpid.toml"), 0o600);
    assert_eq!(std::fs::read_dir(place.path("work")).unwrap().count(), 1);

    let config = place.config();
    assert_eq!(config.warnings, [""; 0]);
    assert!(config.servers[0].legacy.is_none() && config.servers[0].vscripts.is_none());
    let scriptdata = place.path("home/me/serverfiles/tf/scriptdata");
    assert_eq!(config.servers[0].scriptdata, scriptdata);
    assert!(scriptdata.is_dir());
    assert_eq!(config.state_dir, place.path("work/state"));
    let key = place.key();
    assert!(key.len() == 48 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    let text = place.read("work/vpid.toml");
    assert!(
        text.starts_with("# The configuration of vpid, written by `vpid init`"),
        "{text}"
    );
    assert!(!text.contains("Copy it to vpid.toml"), "{text}");
    assert!(text.contains("\n# legacy_secret = "), "{text}");
    let line = 1 + text.lines().position(|line| line.contains(&key)).unwrap();
    assert!(said.contains(&format!("Key: new, in line {line} of")));
    assert!(!said.contains(&key), "{said}");
    assert!(said.contains("(made now)"), "{said}");
    // No script is touched before somebody says where.
    assert!(!place.path("home/me/serverfiles/tf/scripts").exists());
    let install = format!(
        "1. Install the scripts in the game: vpid init --vscripts '{}'\n",
        place.path(VSCRIPTS).display()
    );
    assert!(said.contains(&install), "{said}");
    for step in [
        "2. Test the setup",
        "vpid check\n",
        "3. Start vpid",
        "4. Restart the map",
    ] {
        assert!(said.contains(step), "{step}\n{said}");
    }
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
    assert_eq!(place.key().len(), 48);
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
    std::fs::create_dir(place.path("work/it's \"new\"")).unwrap();
    place.run(&with("it's \"new\"", "b.toml")).unwrap();
    assert_eq!(
        load("work/b.toml").servers[0].scriptdata,
        place.path("work/it's \"new\"")
    );
    std::fs::create_dir(place.path("work/tf")).unwrap();
    place.run(&with("tf/scriptdata", "b2.toml")).unwrap();
    assert!(place.path("work/tf/scriptdata").is_dir());

    for misspelt in ["tf/scriptdat", "nope"] {
        let error = place.run(&with(misspelt, "c.toml")).unwrap_err();
        assert!(error.contains("a folder named scriptdata"), "{error}");
    }
    let error = place.run(&with("no/where", "c.toml")).unwrap_err();
    assert!(error.contains("nor does its parent folder"), "{error}");
    let error = place.run(&with("a.toml", "c.toml")).unwrap_err();
    assert!(error.contains("is not a folder"), "{error}");
    // The folder `scripts` is there, the folder `none` is not.
    std::fs::create_dir(place.path("work/tf/scripts")).unwrap();
    let tf = "tf/scriptdata";
    for (scriptdata, config) in [
        (".", "c.toml"),
        (tf, "tf/scripts/../scriptdata/sub/v.toml"),
        (tf, "tf/none/../scriptdata/sub/v.toml"),
    ] {
        let error = place.run(&with(scriptdata, config)).unwrap_err();
        assert!(
            error.contains("every game script could overwrite"),
            "{error}"
        );
    }
    assert!(!place.path("work/tf/none").exists());
    assert!(!place.path("work/tf/scriptdata/sub").exists());
    for legacy in [false, true] {
        let scripts = Options {
            vscripts: Some("a.toml".into()),
            legacy,
            ..with("it's \"new\"", "c.toml")
        };
        let error = place.run(&scripts).unwrap_err();
        assert!(error.contains("name .../tf/scripts/vscripts"), "{error}");
    }
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
