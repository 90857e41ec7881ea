//! What is made of the declarations of keys, and committed: config.example.toml, and parts of
//! docs/configuration.md. `VPID_WRITE_MANUAL=1 cargo test --lib config::tests::manual` makes them anew.

use super::super::TABLES;
use super::super::key::{Declared, InForce, Key, Kind, Usual};
use super::super::{manual, written};
use super::*;

const HEAD: &str = "The configuration of vpid. Copy it to vpid.toml (mode 600) beside where vpid runs or to \
                    /etc/vpid/, or let `vpid init` write one with its secrets in place. Try it with `vpid check`.";
const BEGIN: &str = "<!-- made of the keys: ";
const END: &str = "<!-- end -->";

/// The text between the markers with this name.
fn section(name: &str) -> String {
    match name {
        "variables" => variables(),
        "next start" => waiting(InForce::WithNextStart),
        "script start" => waiting(InForce::WithScript),
        head => {
            let table = TABLES.iter().find(|table| table.head.starts_with(head));
            keys_of(table.unwrap_or_else(|| panic!("no table {head}")))
        }
    }
}

fn own_keys(table: &Declared) -> impl Iterator<Item = &'static Key> {
    let keys = table.keys.iter().copied().flatten();
    keys.filter(|key| !key.doc.is_empty())
}

fn keys_of(table: &Declared) -> String {
    let mut text = "| key | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for key in own_keys(table) {
        let default = match key.default {
            Usual::Nothing => String::new(),
            Usual::Text(text) => format!("`{text:?}`"),
            Usual::Number(number) => format!("`{number}`"),
            Usual::Words(words) | Usual::Required(words) => words.to_owned(),
        };
        text += &format!(
            "| `{}` | {default} | {} |\n",
            key.name,
            key.described().replace('\n', " ")
        );
    }
    text
}

fn variables() -> String {
    let mut text = "| variable | stands for |\n| --- | --- |\n".to_owned();
    let mut row = |names: &str, of: &str| text += &format!("| {names} | {of} |\n");
    for table in TABLES {
        for key in own_keys(table) {
            let names = key.variables.iter().filter(|name| !name.starts_with("--"));
            let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
            let of = match table.head {
                "[[server]]" => " of the only server".to_owned(),
                head if head.starts_with('[') => format!(" of `{head}`"),
                _ => String::new(),
            };
            if !names.is_empty() {
                row(&names.join(", else "), &format!("`{}`{of}", key.name));
            }
        }
    }
    for (name, meaning) in written::OTHERS {
        row(&format!("`{name}`"), meaning);
    }
    text
}

fn waiting(in_force: InForce) -> String {
    let mut text = String::new();
    for table in TABLES {
        let keys = table.keys().filter(|key| key.in_force == in_force);
        let names: Vec<_> = keys.map(|key| format!("`{}`", key.name)).collect();
        if !names.is_empty() {
            let head = match table.head.starts_with('[') {
                true => format!("of `{}`", table.head),
                false => "at the top".to_owned(),
            };
            text += &format!("- {head}: {}\n", names.join(", "));
        }
    }
    text
}

/// The manual with its sections made anew.
fn renewed(manual: &str) -> String {
    let mut parts = manual.split(BEGIN);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").expect("the end of a marker");
        let (_, behind) = rest.split_once(END).expect("the end of a section");
        text += &format!("{BEGIN}{name} -->\n{}{END}{behind}", section(name));
    }
    text
}

#[test]
fn what_is_made_of_the_keys_is_up_to_date() {
    let made = [
        (
            "config.example.toml",
            EXAMPLE,
            manual::example(HEAD, &|_| None),
        ),
        ("docs/configuration.md", MANUAL, renewed(MANUAL)),
    ];
    for (path, committed, made) in made {
        if std::env::var_os("VPID_WRITE_MANUAL").is_some() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            std::fs::write(root.join(path), made).unwrap();
        } else {
            let differs = committed.lines().zip(made.lines()).find(|(a, b)| a != b);
            assert!(
                committed == made,
                "{path} is not what the keys of src/config make; renew it with VPID_WRITE_MANUAL=1 cargo test \
                 --lib config::tests::manual. First difference: {differs:?}"
            );
        }
    }
}

#[test]
fn every_table_and_variable_stands_in_the_manual() {
    for table in TABLES.iter().filter(|table| own_keys(table).count() > 1) {
        let name = table.head.split(',').next().unwrap();
        assert!(MANUAL.contains(&format!("{BEGIN}{name} -->")), "{name}");
    }
    for name in ["variables", "next start", "script start"] {
        assert!(MANUAL.contains(&format!("{BEGIN}{name} -->")), "{name}");
    }
}

/// Keys whose variables are older than the rule.
const OLDER: [&str; 28] = [
    "VPID_STATE_DIR",
    "VPID_WATCH",
    "VPID_POLL_MS",
    "VPID_CALL_DEADLINE_MS",
    "VPID_SCRIPTDATA",
    "VPI_SCRIPTDATA_DIR",
    "VPID_KEY",
    "VPID_KEY_FILE",
    "VPID_LEGACY_SECRET",
    "VPID_LEGACY_SECRET_FILE",
    "VPID_VYHUB_SERVER_ID",
    "VPID_COMMUNITY_NAME",
    "VPID_RCON",
    "VPID_RCON_PASSWORD_FILE",
    "VPID_RCON_PASSWORD",
    "VPI_HOST",
    "VPI_PORT",
    "VPI_USER",
    "VPI_PASSWORD",
    "VPI_INTERFACE",
    "VPID_VYHUB_LANGUAGE",
    "VPID_VPI_INTERFACES",
    "--host",
    "--port",
    "--user",
    "--password",
    "--database",
    "",
];

#[test]
fn every_key_of_a_table_without_a_name_has_a_variable_by_the_rule() {
    let mut count = 0;
    for table in TABLES {
        let section = match table.head {
            "[[server]]" => "SERVER_".to_owned(),
            head if head.contains("NAME") || head.starts_with("[query") => continue,
            head if head.starts_with('[') => {
                head.trim_matches(['[', ']'])
                    .to_uppercase()
                    .replace('.', "_")
                    + "_"
            }
            _ => String::new(),
        };
        for key in own_keys(table) {
            let by_rule = format!("VPID_{section}{}", key.name.to_uppercase());
            let fits = |name: &&str| OLDER.contains(name) || *name == by_rule;
            assert!(
                !key.variables.is_empty() && key.variables.iter().all(fits),
                "{} {}: {:?}, and not {by_rule}",
                table.head,
                key.name,
                key.variables
            );
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn values_of_variables_are_read_by_their_kinds() {
    let with = |name: &'static str, value: &'static str| {
        let environment = move |asked: &str| match asked {
            "VPID_SCRIPTDATA" => Some("/s".to_owned()),
            "VPID_KEY" => Some("abcdefghijklmnopqrstuvwxyz0123456789".to_owned()),
            "VPID_COMMUNITY_TYPE" => Some("local".to_owned()),
            "VPID_SCRIPTS_DIR" => Some("/scripts".to_owned()),
            asked if asked == name => Some(value.to_owned()),
            _ => None,
        };
        parse("", Path::new("/base"), environment)
    };
    let good = |name, value| with(name, value).unwrap_or_else(|it| panic!("{name}: {it:?}"));
    let scripts = |config: &Config| config.scripts.clone().unwrap();
    let community = |config: &Config| config.community.clone().unwrap();

    let config = good("VPID_PERMISSIONS_RAW_SQL", "admin.nut, tools.nut");
    assert_eq!(config.permissions.raw_sql, ["admin.nut", "tools.nut"]);
    let config = good("VPID_SERVER_HOSTNAME", "my_server");
    assert_eq!(config.servers[0].hostname.as_deref(), Some("my_server"));
    let config = good("VPID_SERVER_VSCRIPTS", "/v");
    assert_eq!(config.servers[0].installed_scripts(), Path::new("/v"));
    let config = good("VPID_SCRIPTS_CALL_S", "2.5");
    assert_eq!(scripts(&config).settings.call_ms, 2_500);
    let config = good("VPID_SCRIPTS_MEMORY_MB", "0");
    assert_eq!(scripts(&config).settings.memory_bytes, 0);
    let config = good("VPID_SCRIPTS_ADMINS", "[U:1:22202],[U:1:22203]");
    assert_eq!(scripts(&config).admins.len(), 2);
    let config = good("VPID_COMMUNITY_REWARDS_ALLOW", "[\"sm_a x,y\", 'sm_b']");
    assert_eq!(community(&config).rewards.allow, ["sm_a x,y", "sm_b"]);
    let config = good("VPID_COMMUNITY_PLAYTIME_ENABLED", "0");
    assert!(!community(&config).playtime.enabled);
    let config = good("VPID_COMMUNITY_ADVERT_INTERVAL_S", "33");
    assert_eq!(community(&config).advert_interval_s, 33);

    for (name, value, words) in [
        (
            "VPID_COMMUNITY_PLAYTIME_ENABLED",
            "yes",
            "neither true nor false",
        ),
        ("VPID_SCRIPTS_CALL_S", "0.001", "must be 0.1 to 600 seconds"),
        ("VPID_SCRIPTS_CALL_S", "soon", "is not a number of seconds"),
        ("VPID_SCRIPTS_MEMORY_MB", "-1", "must be 32 to"),
        (
            "VPID_COMMUNITY_REWARDS_ALLOW",
            "[\"a\", 5]",
            "a list such as",
        ),
        ("VPID_COMMUNITY_REWARDS_ON_UNCLEAR", "maybe", "is none of"),
        ("VPID_PERMISSIONS_RAW_SQL", "a/b.nut", "a/b.nut"),
    ] {
        let problems = with(name, value).unwrap_err();
        let is_it = problems
            .iter()
            .any(|it| it.key == name && it.message.contains(words));
        assert!(is_it, "{name}={value}: {problems:?}");
    }
}

/// A declaration that contradicts itself would be a wrong manual.
#[test]
fn declarations_agree_with_themselves() {
    for table in TABLES {
        let names = table.names();
        for (at, key) in table.keys().enumerate() {
            let name = key.name;
            assert!(!names[..at].contains(&name), "{name} stands twice");
            for other in key.replaces {
                assert!(table.key(other).is_some(), "{name} replaces {other}");
            }
            if let Kind::Words(words) = key.kind {
                for word in words.iter().filter(|_| !name.starts_with("legacy")) {
                    assert!(key.doc.contains(&format!("{word:?}")), "{name}: {word}");
                }
            }
            let has_line = !key.example.is_empty()
                || matches!(key.default, Usual::Text(_) | Usual::Number(_))
                || key.doc.is_empty()
                || table.example.is_empty();
            assert!(has_line, "{name} has no example");
        }
    }
}
