//! What owners write, and what they are told.

mod community;
mod console;
mod databases;
mod effects;
mod files;
mod keys;
mod manual;
mod messages;
#[cfg(feature = "mysql")]
mod mysql;
mod names;
mod owner_files;
mod queries;
mod scripts;
mod secrets;
mod vyhub;

use std::collections::HashMap;

use super::written::load_from;
use super::*;
use crate::limits::CONFIG_FILE_BYTES_MAX;

const EXAMPLE: &str = include_str!("../../../config.example.toml");
const MANUAL: &str = include_str!("../../../docs/configuration.md");
const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ-_";
const KEY: &str = "key-0123456789abcdefghijABCDEFGHIJ";

fn set(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let map: HashMap<String, String> = pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    move |name| map.get(name).cloned()
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    parse(text, Path::new("/base"), set(variables))
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

/// A file that is fine, with `extra` in its only server, which serves the stock vpi.nut.
fn server(extra: &str) -> String {
    format!("[[server]]\nscriptdata = \"/tf/scriptdata\"\nlegacy_secret = '{SECRET}'\n{extra}\n")
}

/// The same for our own scripts.
fn signed(extra: &str) -> String {
    format!("[[server]]\nscriptdata = \"/tf/scriptdata\"\nkey = '{KEY}'\n{extra}\n")
}

fn good(text: &str) -> Config {
    parse_with(text, &[]).unwrap()
}

/// Every problem of `text` starts as one of `expected`, in that order.
#[track_caller]
fn refused(text: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let found = parse_with(text, variables).expect_err("should have been refused");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.starts_with(expected),
            "{found}\n  should start with\n{expected}"
        );
    }
}

#[test]
fn the_example_is_refused_for_its_placeholder_alone() {
    let line_of = |key: &str| 1 + EXAMPLE.lines().position(|l| l.starts_with(key)).unwrap();
    let line = line_of("key =");
    refused(
        EXAMPLE,
        &[],
        &[&format!(
            "vpid.toml:{line}: server.key: is still the placeholder"
        )],
    );
    let example = EXAMPLE.replace(PLACEHOLDER_KEY, KEY);
    let config = good(&example);
    assert_eq!(config.warnings, [""; 0]);
    // Apart from the server, the example says what holds anyway.
    let minimal = good(&signed("").replace("/tf", "/home/tf2/serverfiles/tf"));
    assert_eq!(config, minimal);

    let stock = example.replace("# legacy_secret =", "legacy_secret =");
    refused(
        &stock,
        &[],
        &[&format!(
            "vpid.toml:{}: server.legacy_secret: is still the placeholder",
            line_of("# legacy_secret =")
        )],
    );
}

#[test]
fn defaults_and_relative_paths() {
    let config = good(&server("hostname = \"a_1\"").replace("/tf/", "tf/"));
    assert_eq!(config.state_dir, Path::new("/base/state"));
    let path = PathBuf::from("/base/vpid.db");
    let [database] = &config.databases[..] else {
        panic!("{:?}", config.databases)
    };
    let full_durability = true;
    let engine = Engine::Sqlite(Sqlite {
        path,
        full_durability,
    });
    assert_eq!((database.name.as_str(), &database.engine), ("", &engine));
    assert_eq!((config.watch, config.poll_ms), (Watch::Auto, 50));
    assert_eq!(config.call_deadline_ms, 10_000);
    let [server] = &config.servers[..] else {
        panic!("{:?}", config.servers)
    };
    assert_eq!(server.scriptdata, Path::new("/base/tf/scriptdata"));
    assert_eq!(server.hostname.as_deref(), Some("a_1"));
    let legacy = server.legacy.as_ref().unwrap();
    assert_eq!(legacy.secret.as_bytes(), SECRET.as_bytes());
    assert!(legacy.identity_required);
}

#[test]
fn all_problems_come_in_one_go_with_their_lines() {
    let text = r#"state_dri = "x"
watch = "sometimes"
poll_ms = 4
poll_ms = 50
call_deadline_ms = "10000"

[[server]]
scriptdata = 5
poll_ms = 50
hostname = "!!!"
legacy_secret = "a\tb"

[[server]]
legacy_secret = ""
legacy_identity = "never"

[[server]]
scriptdata = "/a"
legacy_secret = "x"
legacy_secret_file = "y"

[database]
type = "oracle"
durability = "half"
path = ""
hots = "db"

[permissions]
"maps/a.nut" = ["VPI_*"]
"b.nut" = "VPI_Ping"
"c.nut" = ["VPI Ping", 3]
raw_sql = ["*"]

[vyhubb]
"#;
    let expected = [
        "vpid.toml:1: state_dri: is not a key that vpid knows; did you mean state_dir?",
        "vpid.toml:2: watch: \"sometimes\" is none of \"auto\", \"inotify\", \"poll\"",
        "vpid.toml:3: poll_ms: must be 5 to 5000 milliseconds",
        "vpid.toml:4: poll_ms: stands here a second time",
        "vpid.toml:5: call_deadline_ms: must be a whole number, and is text",
        "vpid.toml:8: server.scriptdata: must be text in quotes, and is a whole number",
        "vpid.toml:9: server.poll_ms: is not a key that vpid knows; it belongs to the top",
        "vpid.toml:10: server.hostname: has no letter or digit",
        "vpid.toml:11: server.legacy_secret: character 2 is a tab, which",
        "vpid.toml:13: server: has no scriptdata",
        "vpid.toml:14: server.legacy_secret: is empty",
        "vpid.toml:15: server.legacy_identity: \"never\" is none of",
        "vpid.toml:20: server.legacy_secret_file: stands beside legacy_secret",
        "vpid.toml:23: database.type: \"oracle\" is none of \"sqlite\", \"mysql\", \"none\"",
        "vpid.toml:24: database.durability: \"half\" is none of",
        "vpid.toml:25: database.path: is empty",
        "vpid.toml:26: database.hots: is not a key that vpid knows; did you mean host?",
        "vpid.toml:29: permissions.\"maps/a.nut\": \"maps/a.nut\" is no script",
        "vpid.toml:30: permissions.\"b.nut\": must be a list of texts",
        "vpid.toml:31: permissions.\"c.nut\": must be a list of texts",
        "vpid.toml:31: permissions.\"c.nut\": \"VPI Ping\" can match no function",
        "vpid.toml:32: permissions.raw_sql: \"*\" is no script",
        "vpid.toml:34: vyhubb: is not a key that vpid knows; did you mean vyhub?",
    ];
    refused(text, &[], &expected);
}

#[test]
fn broken_toml_is_reported_beside_the_rest_and_quotes_nothing() {
    let text = format!("watch = 1\n[[server]]\nlegacy_secret = {SECRET}'\nscriptdata = \"/a\n");
    let found = parse_with(&text, &[]).unwrap_err();
    let starts = [
        "vpid.toml:1: watch: must be text",
        "vpid.toml:3: this",
        "vpid.toml:4: this",
    ];
    for start in starts {
        assert!(
            found.iter().any(|problem| problem.starts_with(start)),
            "{start}\n{found:#?}"
        );
    }
    assert!(
        !found.iter().any(|problem| problem.contains("has no")),
        "{found:#?}"
    );
    assert!(!found.concat().contains("ABCDEFGHIJ"), "{found:#?}");
    // What a broken line was to say is not missed as well.
    let cut = server("").replace("scriptdata = ", "scriptdata ");
    refused(&cut, &[], &["vpid.toml:2: this is not TOML"]);
}

#[test]
fn impossible_servers() {
    refused("", &[], &["vpid.toml: server: there is none"]);
    refused(
        "server = 3",
        &[],
        &["vpid.toml:1: server: must be a [[server]] table"],
    );
    let text = server("").replace("[[server]]", "[server]");
    refused(
        &text,
        &[],
        &["vpid.toml:1: server: is a list of tables: write [[server]]"],
    );
    // A second one with one bracket would be lost if only one of them was kept.
    refused(
        &(server("hostname = \"a\"") + &text),
        &[],
        &["vpid.toml:5: server: is a list of tables: write [[server]]"],
    );
    refused(
        "[[server]]\nscriptdata = \"/a\"",
        &[],
        &["vpid.toml:1: server: has neither a key nor a legacy_secret"],
    );
    let twice = server("") + &server("").replace("/tf/", "/tf/./");
    refused(
        &twice,
        &[],
        &["vpid.toml:5: server: serves the same folder for every host as the one of line 1"],
    );
    let twice = server("hostname = \"My Server\"") + &server("hostname = \"my_server\"");
    refused(
        &twice,
        &[],
        &["vpid.toml:5: server: serves the same folder for the host my_server"],
    );
    let config = good(&(server("hostname = \"a\"") + &server("hostname = \"b\"") + &server("")));
    let folder = Path::new("/tf/scriptdata");
    assert_eq!(config.server_for(folder, "b"), Some(&config.servers[1]));
    assert_eq!(config.server_for(folder, "c"), Some(&config.servers[2]));
    assert_eq!(config.server_for(Path::new("/tf"), "a"), None);
}

#[test]
fn our_files_stay_out_of_scriptdata() {
    let text = "state_dir = \"/tf/scriptdata/state\"\n".to_owned()
        + &server("[database]\npath = \"/tf/scriptdata/vpid.db\"");
    refused(
        &text,
        &[],
        &[
            "vpid.toml:1: state_dir: lies in",
            "vpid.toml:6: database.path: lies in",
        ],
    );
}

#[test]
fn numbers_at_their_bounds() {
    for (line, fine) in [
        ("poll_ms = 5", true),
        ("poll_ms = 5_000", true),
        ("poll_ms = 5001", false),
        ("poll_ms = -50", false),
        ("poll_ms = 99999999999999999999", false),
        ("poll_ms = 0x32", true),
        ("poll_ms = 50.0", false),
        ("call_deadline_ms = 99", false),
        ("call_deadline_ms = 100", true),
        ("call_deadline_ms = 600000", true),
        ("call_deadline_ms = 600001", false),
    ] {
        let result = parse_with(&format!("{line}\n{}", server("")), &[]);
        assert_eq!(result.is_ok(), fine, "{line}: {result:?}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let config = parse_with(
        &server("hostname = \"h\"\n[database]\ntype = \"none\""),
        &[
            ("VPI_SCRIPTDATA_DIR", "/stock"),
            ("VPID_STATE_DIR", "/var/vpid"),
            ("VPID_LEGACY_SECRET", "from-the-environment-0123456789abc"),
            ("VPID_DATABASE_TYPE", "sqlite"),
            ("VPID_DATABASE_PATH", "/var/vpid.db"),
            ("VPID_DATABASE_DURABILITY", "normal"),
            ("VPID_WATCH", "poll"),
            ("VPID_POLL_MS", "20"),
            ("VPID_CALL_DEADLINE_MS", ""),
        ],
    )
    .unwrap();
    let server = &config.servers[0];
    assert_eq!(server.scriptdata, Path::new("/stock"));
    assert_eq!(server.hostname.as_deref(), Some("h"));
    let secret = &server.legacy.as_ref().unwrap().secret;
    assert_eq!(secret.as_bytes(), b"from-the-environment-0123456789abc");
    let path = PathBuf::from("/var/vpid.db");
    let [database] = &config.databases[..] else {
        panic!("{:?}", config.databases)
    };
    let full_durability = false;
    let engine = Engine::Sqlite(Sqlite {
        path,
        full_durability,
    });
    assert_eq!((database.name.as_str(), &database.engine), ("", &engine));
    assert_eq!(config.state_dir, Path::new("/var/vpid"));
    assert_eq!((config.watch, config.poll_ms), (Watch::Poll, 20));
    assert_eq!(config.call_deadline_ms, 10_000);

    let both = [
        ("VPI_SCRIPTDATA_DIR", "/stock"),
        ("VPID_SCRIPTDATA", "/ours"),
    ];
    let config = parse_with(&EXAMPLE.replace(PLACEHOLDER_KEY, KEY), &both).unwrap();
    assert_eq!(config.servers[0].scriptdata, Path::new("/ours"));
    parse_with(EXAMPLE, &[("VPID_KEY", KEY)]).unwrap();
}

#[test]
fn problems_of_the_environment_name_the_variable() {
    let variables = [
        ("VPID_POLL_MS", "fast"),
        ("VPID_WATCH", "x"),
        ("VPID_LEGACY_SECRET", "a"),
        ("VPID_LEGACY_SECRET_FILE", "/nowhere"),
    ];
    let expected = [
        "environment: VPID_POLL_MS: \"fast\" is not a whole number",
        "environment: VPID_WATCH: \"x\" is none of",
        "environment: VPID_LEGACY_SECRET_FILE: stands beside",
    ];
    refused(&server(""), &variables, &expected);
    refused(
        &(server("hostname = \"a\"") + &server("hostname = \"b\"")),
        &[("VPI_SCRIPTDATA_DIR", "/a"), ("VPID_LEGACY_SECRET", SECRET)],
        &[
            "environment: VPI_SCRIPTDATA_DIR: cannot say",
            "environment: VPID_LEGACY_SECRET: cannot",
        ],
    );
    let names = [
        "VPID_POL_MS",
        "VPID_LOG",
        "VPID_CONFIG",
        "VPI_HOST",
        "HOME",
        "VPID_POLL_MS",
    ];
    let warnings = unknown_variables(names.map(str::to_owned));
    assert_eq!(
        warnings,
        ["environment: VPID_POL_MS: vpid knows no such variable; did you mean VPID_POLL_MS?"]
    );
}

#[test]
fn weak_settings_warn() {
    let text = server("legacy_identity = \"optional\"").replace(SECRET, "short")
        + "[permissions]\n\"mge\" = [\"VPI_DB_RawExecute\"]\n";
    let config = good(&text);
    assert!(!config.servers[0].legacy.as_ref().unwrap().identity_required);
    let starts = [
        "vpid.toml:6: permissions.mge: \"mge\" does not end in .nut",
        "vpid.toml:6: permissions.mge: VPI_DB_RawExecute is permitted by raw_sql alone",
        "vpid.toml:4: server.legacy_identity: \"optional\" believes every file",
        "vpid.toml:3: server.legacy_secret: is only 5 characters long",
        "vpid.toml:3: server.legacy_secret: serves the stock vpi.nut. Anyone",
    ];
    assert_eq!(
        config.warnings.len(),
        starts.len(),
        "{:#?}",
        config.warnings
    );
    for (warning, start) in config.warnings.iter().zip(starts) {
        assert!(warning.starts_with(start), "{warning}");
    }
}
