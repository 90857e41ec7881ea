//! `[scripts]` and `[script.NAME]`.

use serde_json::json;

use super::*;
use crate::limits;
use crate::protocol::steam_id::SteamId;

/// A file that is fine, with these lines from line 4 on.
fn with(lines: &str) -> String {
    signed("") + lines
}

fn scripts(lines: &str) -> Scripts {
    good(&with(lines)).scripts.unwrap()
}

#[test]
fn a_folder_is_enough() {
    assert_eq!(good(&with("")).scripts, None);
    let config = good(&with("[scripts]\ndir = 'scripts'"));
    let expected = Scripts {
        dir: Some("/base/scripts".into()),
        vpi_interfaces: None,
        options: Vec::new(),
        vpi_override: Vec::new(),
        python: "python3".into(),
        order: Vec::new(),
        admins: Vec::new(),
        prefixes: vec!["!".into(), "/".into()],
        settings: ScriptSettings::default(),
        each: Default::default(),
    };
    assert_eq!(config.scripts, Some(expected));
    assert_eq!(config.warnings, [""; 0]);
    let alone = scripts("[scripts]\nvpi_interfaces = '/vpi/vpi_interfaces.py'");
    assert_eq!(alone.dir, None);
    assert_eq!(alone.vpi_interfaces, Some("/vpi/vpi_interfaces.py".into()));
}

#[test]
fn everything_can_be_said() {
    let scripts = scripts(
        "[scripts]\ndir = 'own'\nvpi_interfaces = 'vpi.py'\nvpi_override = ['VPI_DB_*', 'VPI_Ping']\n\
         python = 'python/bin/python'\norder = ['b', 'a', 'b']\n\
         admins = ['[U:1:22202]', 'STEAM_0:1:0', '76561197960287930']\nprefixes = ['.']\n\
         memory_mb = 0\ncall_s = 0.5\nqueue = 10\n\
         [script.stats]\nmemory_mb = 65536\nstart = false\npython = 'pypy3'\n\
         [script.late]\ncall_s = 600\nqueue = 1_000_000\npython = '/opt/python'\n",
    );
    assert_eq!(scripts.python, Path::new("/base/python/bin/python"));
    assert_eq!(scripts.order, ["b", "a"]);
    let admins = [22_202, 1].map(|account| SteamId::new(account).unwrap());
    assert_eq!(scripts.admins, admins);
    assert_eq!(scripts.prefixes, ["."]);
    for (function, mine) in [
        ("VPI_DB_UserSelect", true),
        ("VPI_Ping", true),
        ("VPI_Pong", false),
    ] {
        assert_eq!(scripts.overrides(function), mine, "{function}");
    }
    let general = ScriptSettings {
        memory_bytes: 0,
        call_ms: 500,
        queue: 10,
        ..ScriptSettings::default()
    };
    assert_eq!(scripts.of("other"), &general);
    let stats = ScriptSettings {
        memory_bytes: 64 << 30,
        python: Some("pypy3".into()),
        start: false,
        ..general.clone()
    };
    assert_eq!(scripts.of("stats"), &stats);
    let late = ScriptSettings {
        call_ms: 600_000,
        queue: 1_000_000,
        python: Some("/opt/python".into()),
        ..general
    };
    assert_eq!(scripts.of("late"), &late);
}

#[test]
fn a_script_is_given_whatever_its_table_holds() {
    let scripts = scripts(
        "[scripts]\ndir = 's'\n[script.a.config]\ntext = 'x'\nnumber = -9223372036854775808\n\
         half = 0.5\nyes = true\nday = 2026-11-20\nat = 2026-11-20T08:00:00Z\nlist = [1, ['a'], {}]\n\
         deep.er.still = 0x10\n'with space' = {}\n[script.b]\n",
    );
    assert_eq!(
        scripts.of("a").config,
        json!({
            "text": "x", "number": i64::MIN, "half": 0.5, "yes": true, "day": "2026-11-20",
            "at": "2026-11-20T08:00:00Z", "list": [1, ["a"], {}],
            "deep": {"er": {"still": 16}}, "with space": {}
        })
    );
    assert_eq!(scripts.of("b").config, json!({}));
    // A level for the table itself, and none for the number.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        with(&format!(
            "[scripts]\ndir = 's'\n[script.a]\nconfig = {{ a = {open}1{close} }}\n"
        ))
    };
    good(&nested(limits::SCRIPT_CONFIG_DEPTH_MAX - 1));
    let start = "vpid.toml:8: script.a.config.a[0]";
    refused(&nested(limits::SCRIPT_CONFIG_DEPTH_MAX), &[], &[start]);
    let long = |bytes: usize| {
        let text = "x".repeat(bytes);
        with(&format!(
            "[scripts]\ndir = 's'\n[script.a]\nconfig = {{ a = '{text}' }}\n"
        ))
    };
    let frame = r#"{"a":""}"#.len();
    good(&long(limits::SCRIPT_CONFIG_BYTES_MAX - frame));
    refused(
        &long(limits::SCRIPT_CONFIG_BYTES_MAX - frame + 1),
        &[],
        &["vpid.toml:8: script.a.config: has 65537 bytes as JSON; at most 65536 fit"],
    );
}

#[test]
fn problems_come_in_one_go_with_their_lines() {
    let text = with(
        "[scripts]\ndir = ''\nvpi_interfaces = 5\nvpi_override = ['VPI Ping', '']\npython = ''\n\
         order = ['stats.py', '9', 'my-script']\nadmins = ['BOT', 7]\nprefixes = []\n\
         memory_mb = 31\ncall_s = 0.05\nqueue = 9\ndirr = 'x'\nstart = true\n\
         [scripts.stats]\n\
         [script]\ndir = 's'\nstats = 5\n\
         [script.'a b']\nmemory_mb = 65537\ncall_s = nan\nqueue = 1000001\npython = \"a\\u0000b\"\n\
         start = 1\nconfig = [1]\nprefixes = ['!']\n\
         [script.c]\ncall_s = '5'\nconfig = { a = inf, b = [99999999999999999999] }\n",
    );
    let expected = [
        "vpid.toml:6: scripts.dir: is empty; name a path",
        "vpid.toml:7: scripts.vpi_interfaces: must be text in quotes, and is a whole number",
        "vpid.toml:8: scripts.vpi_override: \"VPI Ping\" can match no function",
        "vpid.toml:8: scripts.vpi_override: \"\" can match no function",
        "vpid.toml:9: scripts.python: is empty; name a path",
        "vpid.toml:10: scripts.order: \"stats.py\" is no name of a script; write \"stats\"",
        "vpid.toml:10: scripts.order: \"9\" is no name of a script; use at most 64 letters",
        "vpid.toml:10: scripts.order: \"my-script\" is no name of a script; use",
        "vpid.toml:11: scripts.admins: must be a list of texts",
        "vpid.toml:12: scripts.prefixes: has 0 entries; 1 to 8",
        "vpid.toml:13: scripts.memory_mb: must be 32 to 65536 MiB, or 0 for no bound",
        "vpid.toml:14: scripts.call_s: must be 0.1 to 600 seconds",
        "vpid.toml:15: scripts.queue: must be 10 to 1000000",
        "vpid.toml:16: scripts.dirr: is not a key that vpid knows; did you mean dir?",
        "vpid.toml:17: scripts.start: is not a key that vpid knows; it belongs to [script.NAME]",
        "vpid.toml:18: scripts.stats: is not a key that vpid knows; the table of one script is \
         [script.stats], without s",
        "vpid.toml:20: script.dir: is for all scripts; it belongs to [scripts], with s",
        "vpid.toml:21: script.stats: must be a table, as in [script.NAME], and is a whole number",
        "vpid.toml:22: script.\"a b\": \"a b\" is no name of a script",
        "vpid.toml:23: script.\"a b\".memory_mb: must be 32 to 65536 MiB",
        "vpid.toml:24: script.\"a b\".call_s: must be 0.1 to 600 seconds",
        "vpid.toml:25: script.\"a b\".queue: must be 10 to 1000000",
        "vpid.toml:26: script.\"a b\".python: has a NUL in it; name a path",
        "vpid.toml:27: script.\"a b\".start: must be true or false, and is a whole number",
        "vpid.toml:28: script.\"a b\".config: must be a table, such as { limit = 5 }, and is a list",
        "vpid.toml:29: script.\"a b\".prefixes: is not a key that vpid knows; it belongs to [scripts]",
        "vpid.toml:31: script.c.call_s: must be a number, and is text",
        "vpid.toml:32: script.c.config.a: is no number that can be passed on",
        "vpid.toml:32: script.c.config.b[0]: is a whole number beyond 64 bits",
    ];
    refused(&text, &[], &expected);
    refused(
        &with("[scripts]\ndir = 's'\nadmins = ['BOT']\nvpi_override = ['VPI_Ping']\n"),
        &[],
        &[
            "vpid.toml:7: scripts.admins: \"BOT\" is no player's SteamID; write it as [U:1:22202]",
            "vpid.toml:8: scripts.vpi_override: is of no use without vpi_interfaces",
        ],
    );
}

#[test]
fn what_is_missing_is_said_with_its_remedy() {
    refused(
        &with("[scripts]\n"),
        &[],
        &["vpid.toml:5: scripts: has neither dir nor vpi_interfaces; say in dir"],
    );
    refused(
        &with("[script.stats]\nmemory_mb = 1\n"),
        &[],
        &[
            "vpid.toml:5: script.stats: is of no use without [scripts]; add that table",
            "vpid.toml:6: script.stats.memory_mb: must be 32",
        ],
    );
    for value in ["scripts = 5\n", "script = 5\n"] {
        let text = value.to_owned() + &signed("");
        let key = value.split(' ').next().unwrap();
        refused(&text, &[], &[&format!("vpid.toml:1: {key}: must be ")]);
    }
    let tables: String = (0..=limits::SCRIPTS_MAX)
        .map(|number| format!("[script.s{number:03}]\n"))
        .collect();
    let start = "vpid.toml:71: script.s064: there are 65; at most 64 fit";
    refused(
        &with(&format!("[scripts]\ndir = 's'\n{tables}")),
        &[],
        &[start],
    );
}

#[test]
fn nothing_that_runs_lies_where_the_game_writes() {
    refused(
        &with(
            "[scripts]\ndir = '/tf/scriptdata/s'\nvpi_interfaces = '/tf/scriptdata/v.py'\n\
             python = '/tf/scriptdata/python'\n[script.a]\npython = '/tf/scriptdata/python'\n",
        ),
        &[],
        &[
            "vpid.toml:6: scripts.dir: lies in a scriptdata folder",
            "vpid.toml:7: scripts.vpi_interfaces: lies in a scriptdata folder",
            "vpid.toml:8: scripts.python: lies in a scriptdata folder",
            "vpid.toml:10: script.a.python: lies in a scriptdata folder",
        ],
    );
}

#[test]
fn the_environment_lays_over_the_table_or_makes_one() {
    let set = [
        ("VPID_SCRIPTS_DIR", "/own"),
        ("VPID_VPI_INTERFACES", "/own/vpi_interfaces.py"),
    ];
    let both = |text: &str| {
        let scripts = parse_with(text, &set).unwrap().scripts.unwrap();
        assert_eq!(scripts.dir.as_deref(), Some(Path::new("/own")));
        let interfaces = scripts.vpi_interfaces.as_deref();
        assert_eq!(interfaces, Some(Path::new("/own/vpi_interfaces.py")));
        scripts
    };
    both(&with(""));
    let kept = both(&with(
        "[scripts]\ndir = 's'\nqueue = 20\n[script.a]\nqueue = 30",
    ));
    assert_eq!((kept.settings.queue, kept.of("a").queue), (20, 30));
    refused(
        &with(""),
        &[("VPID_SCRIPTS_DIR", "/tf/scriptdata/s")],
        &["environment: VPID_SCRIPTS_DIR: lies in a scriptdata folder"],
    );
}

#[test]
fn python_scripts_and_their_functions_are_permitted_by_name() {
    let config = good(&with(
        "[permissions]\n'stats.py' = ['VPI_SQL_*', 'other.*']\n'a.nut' = ['stats.top_users']\n\
         raw_sql = ['stats.py']\n",
    ));
    assert_eq!(config.warnings, [""; 0]);
    for (script, function, may) in [
        ("stats.py", "other.f", true),
        ("stats.py", "third.f", false),
        ("stats.py", "VPI_DB_RawExecute", true),
        ("a.nut", "stats.top_users", true),
        ("a.nut", "stats_top_users", false),
    ] {
        assert_eq!(
            config.permissions.allows(script, function),
            may,
            "{script} {function}"
        );
    }
}

#[test]
fn names_of_the_module_game_that_permit_nothing_are_named() {
    let lists = "[permissions]\n'a.py' = ['game.kick', 'game.*', 'game.kik', 'game.sql', 'game.x_*', \
                 'game.players']\n'a.nut' = ['game.kick']\n'*' = ['game.*']\n";
    let warnings = good(&with(lists)).warnings;
    for (warning, parts) in warnings.iter().zip([
        ["is for Python scripts", "\"*\""],
        ["is for Python scripts", "\"a.nut\""],
        ["game.kik permits nothing", "did you mean game.kick?"],
        ["game.sql permits nothing", "raw_sql alone"],
        ["game.x_* permits nothing", "the names are game.say, "],
        ["game.players permits nothing", "reading needs none"],
    ]) {
        assert!(parts.iter().all(|part| warning.contains(part)), "{warning}");
    }
    assert_eq!(warnings.len(), 6, "{warnings:?}");
    refused(
        &with("[scripts]\ndir = 's'\norder = ['game']\n"),
        &[],
        &[
            "vpid.toml:7: scripts.order: \"game\" is no name of a script; the module that scripts import is called so",
        ],
    );
}

#[test]
fn the_scripts_of_the_example_are_good_once_they_are_uncommented() {
    let (_, ours) = EXAMPLE.split_once("# Your own Python").unwrap();
    let (ours, _) = ours.split_once("# Databases in MaxMind").unwrap();
    let is_key = |line: &&str| line.contains(" = ") || line.starts_with('[');
    let lines = ours.lines().filter_map(|line| line.strip_prefix("# "));
    let text: Vec<_> = lines.filter(is_key).collect();
    let scripts = scripts(&text.join("\n"));
    assert_eq!(scripts.dir, Some("/base/scripts".into()));
    let settings = ScriptSettings {
        confine: Some(true),
        ..ScriptSettings::default()
    };
    assert_eq!(scripts.settings, settings);
    assert_eq!(scripts.prefixes, ["!", "/"]);
    let config = &scripts.of("stats").config;
    assert_eq!(config, &json!({"top": 10, "title": "Best players"}));
    assert_eq!(text.len(), 15, "{text:?}");
}

#[test]
fn scripts_are_confined_all_or_each() {
    let scripts = scripts(
        "[scripts]\ndir = 'own'\nconfine = true\n[script.open]\nconfine = false\n[script.other]\nqueue = 10\n",
    );
    let confined = ["open", "other", "another"].map(|name| scripts.of(name).confine);
    assert_eq!(confined, [Some(false), Some(true), Some(true)]);
    refused(
        &with("[scripts]\nvpi_interfaces = 'vpi.py'\n[script.vpi_interfaces]\nconfine = true\n"),
        &[],
        &["vpid.toml:7: script.vpi_interfaces: cannot be"],
    );
}

#[test]
fn databases_about_addresses_are_named() {
    let config = good(&with(
        "[scripts]\ndir = 'own'\n[geoip]\ncity = 'a.mmdb'\nasn = '/b.mmdb'\n",
    ));
    let geoip = config.geoip.unwrap();
    let files: Vec<_> = geoip.files().collect();
    let [city, asn] = ["/base/a.mmdb", "/b.mmdb"].map(std::path::PathBuf::from);
    assert_eq!(files, [("city", &city), ("asn", &asn)]);
    assert_eq!(config.warnings, [""; 0]);
    let alone = good(&with("[geoip]\ncountry = 'a.mmdb'\n"));
    assert!(alone.warnings[0].contains("has no effect without [scripts]"));
    refused(
        &with("[scripts]\ndir = 'own'\n[geoip]\n"),
        &[],
        &["vpid.toml:7: geoip: names no database"],
    );
}
