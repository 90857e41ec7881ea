//! `[vyhub]` and the servers that it is for.

use std::os::unix::fs::PermissionsExt;

use super::*;

const API: &str = "https://api.vyhub.app/mine/v1";
const API_KEY: &str = "k3y-of-vyhub-geheim";
const ID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

/// A good file with a server of VyHub, and these lines in `[vyhub]`, from line 8 on.
fn with(lines: &str) -> String {
    let server = signed(&format!("vyhub_server_id = \"{ID}\""));
    format!("{server}[vyhub]\napi_url = \"{API}\"\napi_key = \"{API_KEY}\"\n{lines}\n")
}

fn community(text: &str) -> Community {
    good(text).community.unwrap()
}

fn vyhub(text: &str) -> Vyhub {
    community(text).vyhub().unwrap().clone()
}

#[test]
fn a_table_of_two_keys_is_enough() {
    let config = good(&with(""));
    let community = config.community.as_ref().unwrap();
    let vyhub = community.vyhub().unwrap();
    assert_eq!(vyhub.api_url, API);
    assert_eq!(vyhub.api_key.0, API_KEY);
    assert_eq!(community.prefixes, ["!", "/"]);
    assert_eq!(community.advert_interval_s, 180);
    assert_eq!(community.advert_prefix, "[\u{2605}] ");
    assert_eq!(community.time_zone, jiff::tz::TimeZone::system());
    assert_eq!(vyhub.ca_file, None);
    assert_eq!(community.messages["permanent"], "permanent");
    assert_eq!(config.servers[0].vyhub_id, ID.parse().ok());
    assert_eq!(config.warnings, [""; 0]);
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
    assert_eq!(config.servers[0].community_id, ID.parse().ok());
    assert_eq!(good(&signed("")).community, None);
}

#[test]
fn adverts_have_a_pause_and_a_prefix_or_are_none() {
    let set = community(&with("advert_interval_s = 0\nadvert_prefix = ''"));
    assert_eq!((set.advert_interval_s, &*set.advert_prefix), (0, ""));
    refused(
        &with("advert_interval_s = 86401\nadvert_prefix = \"a\\u0007\""),
        &[],
        &[
            "vpid.toml:8: vyhub.advert_interval_s: must be 0 to 86400 seconds",
            "vpid.toml:9: vyhub.advert_prefix: must be at most 32 characters",
        ],
    );
}

#[test]
fn playtime_is_counted_and_logins_are_off_unless_the_owner_says_otherwise() {
    let usual = community(&with(""));
    let all = Playtime {
        enabled: true,
        count_spectators: true,
        idle_minutes: 0,
    };
    assert_eq!((usual.vyhub().unwrap().login, usual.playtime), (false, all));
    let set = community(&with(
        "login = true\n[vyhub.playtime]\nenabled = false\ncount_spectators = false\nidle_minutes = 5",
    ));
    let none = Playtime {
        enabled: false,
        count_spectators: false,
        idle_minutes: 5,
    };
    assert_eq!((set.vyhub().unwrap().login, set.playtime), (true, none));
    refused(
        &with("[vyhub.playtime]\nenabled = 1\nidle_s = 5"),
        &[],
        &[
            "vpid.toml:9: vyhub.playtime.enabled: must be true or false",
            "vpid.toml:10: vyhub.playtime.idle_s: is not a key that vpid knows",
        ],
    );
    refused(
        &with("playtime = true"),
        &[],
        &["vpid.toml:8: vyhub.playtime: must be a [vyhub.playtime] table"],
    );
}

#[test]
fn what_is_missing_is_said_with_its_remedy() {
    let server = signed(&format!("vyhub_server_id = \"{ID}\""));
    refused(
        &format!("{server}[vyhub]"),
        &[],
        &[
            "vpid.toml:5: vyhub: has no api_url; set it to the address",
            "vpid.toml:5: vyhub: has no key; put that of the server",
        ],
    );
    refused(
        &server,
        &[],
        &["vpid.toml:4: server.vyhub_server_id: is of no use without [vyhub]"],
    );
    refused(
        "vyhub = 3\n[[server]]\nscriptdata = \"/a\"\nkey = 5\nvyhub_server_id = \"x\"",
        &[],
        &[
            "vpid.toml:1: vyhub: must be a [vyhub] table, and is a whole number",
            "vpid.toml:4: server.key: must be text",
            "vpid.toml:5: server.vyhub_server_id: is no id of VyHub",
        ],
    );
    let alone = with("").replace(&format!("vyhub_server_id = \"{ID}\""), "");
    let warnings = good(&alone).warnings;
    assert_eq!(
        warnings,
        ["vpid.toml:5: vyhub: serves no server: no [[server]] has a vyhub_server_id"]
    );
    refused(
        &with("api_urll = 1\nkey = 'x'\ntime_zone = 5\ncommand_prefixes = \"!\""),
        &[],
        &[
            "vpid.toml:8: vyhub.api_urll: is not a key that vpid knows; did you mean api_url?",
            "vpid.toml:9: vyhub.key: is not a key that vpid knows; it belongs to [[server]]",
            "vpid.toml:10: vyhub.time_zone: must be text in quotes",
            "vpid.toml:11: vyhub.command_prefixes: must be a list of texts",
        ],
    );
}

#[test]
fn addresses_that_cannot_be_or_would_give_the_key_away() {
    for (address, start) in [
        ("", "is empty"),
        ("https://api.vyhub.app/<name>/v1", "still has a placeholder"),
        ("http://api.vyhub.app/mine/v1", "is not encrypted: the key"),
        ("https://a:b@api.vyhub.app/v1", "has a user in it"),
        ("https://api.vyhub.app/v1?x=1", "has a `?`"),
        ("api.vyhub.app/mine/v1", "must begin with https://"),
    ] {
        let text = with("").replace(API, address);
        let expected = format!("vpid.toml:6: vyhub.api_url: {start}");
        refused(&text, &[], &[&expected]);
    }
    assert_eq!(
        vyhub(&with("").replace(API, &format!("{API}/"))).api_url,
        API
    );
    let local = with("").replace(API, "http://127.0.0.1:8080/test/v1");
    assert_eq!(vyhub(&local).api_url, "http://127.0.0.1:8080/test/v1");
}

#[test]
fn keys_that_cannot_be_keys_are_refused_without_being_shown() {
    for (key, start) in [
        ("", "is empty"),
        ("PUT-THE-KEY-OF-VYHUB-HERE", "is still a placeholder"),
        ("<key>", "is still a placeholder"),
        ("...", "is still a placeholder"),
        ("geheim geheim", "character 7 is none"),
        ("geheim\\n", "character 7 is none"),
        ("\u{e4}geheim", "character 1 is none"),
        (&"g".repeat(513), "is longer than 512"),
    ] {
        let found = parse_with(&with("").replace(API_KEY, key), &[]).unwrap_err();
        let expected = format!("vpid.toml:7: vyhub.api_key: {start}");
        assert!(
            found.len() == 1 && found[0].starts_with(&expected),
            "{found:?}"
        );
        assert!(!found[0].contains("geheim"), "{found:?}");
    }
    vyhub(&with("").replace(API_KEY, &"g".repeat(512)));
    refused(
        &with("api_key_file = \"vyhub.key\""),
        &[],
        &["vpid.toml:8: vyhub.api_key_file: stands beside api_key; keep one"],
    );
}

#[test]
fn a_key_that_others_can_read_is_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, key) = (dir.path().join("vpid.toml"), dir.path().join("vyhub.key"));
    let write = |path: &Path, text: &str, mode: u32| {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // With a key of the signed protocol in the file it would be exposed anyway.
    let own = dir.path().join("own.key");
    write(&own, KEY, 0o600);
    let base = with("").replace(&format!("key = '{KEY}'"), "key_file = \"own.key\"");
    write(&path, &base, 0o644);
    assert!(
        load(Some(&path), |_| None)
            .unwrap()
            .exposed
            .iter()
            .eq([&path])
    );
    let inline = format!("api_key = \"{API_KEY}\"");
    write(
        &path,
        &base.replace(&inline, "api_key_file = \"vyhub.key\""),
        0o644,
    );
    write(&key, &format!("{API_KEY}\r\n"), 0o640);
    let config = load(Some(&path), |_| None).unwrap();
    assert!(config.exposed.iter().eq([&key]));
    assert_eq!(config.warnings, [exposure_warning(&key)]);
    assert_eq!(
        config.community.unwrap().vyhub().unwrap().api_key.0,
        API_KEY
    );
    write(&key, API_KEY, 0o600);
    assert!(load(Some(&path), |_| None).unwrap().exposed.is_empty());
}

#[test]
fn the_environment_lays_over_the_table_or_makes_one() {
    let set = [
        ("VPID_VYHUB_API_URL", "https://h/v1/"),
        ("VPID_VYHUB_API_KEY", "other"),
        ("VPID_VYHUB_LANGUAGE", "de"),
    ];
    let config = parse_with(&with("api_key_file = \"none\""), &set).unwrap();
    let community = config.community.unwrap();
    let vyhub = community.vyhub().unwrap();
    assert_eq!(
        (vyhub.api_url.as_str(), vyhub.api_key.0.as_str()),
        ("https://h/v1", "other")
    );
    assert_eq!(community.messages["permanent"], "dauerhaft");

    let alone = [set[0], set[1], ("VPID_VYHUB_SERVER_ID", ID)];
    let config = parse_with(&signed(""), &alone).unwrap();
    assert_eq!(
        config.community.unwrap().vyhub().unwrap().api_url,
        "https://h/v1"
    );
    assert_eq!(config.servers[0].vyhub_id, ID.parse().ok());
    refused(
        &signed(""),
        &alone[..1],
        &["environment: vyhub: has no key"],
    );
    // A language alone asks for nothing.
    assert_eq!(parse_with(&signed(""), &set[2..]).unwrap().community, None);
    refused(
        &(signed("hostname = \"a\"") + &signed("hostname = \"b\"")),
        &[set[0], set[1], ("VPID_VYHUB_SERVER_ID", ID)],
        &["environment: VPID_VYHUB_SERVER_ID: cannot say which"],
    );
    refused(
        &with(""),
        &[
            ("VPID_VYHUB_API_URL", "http://h/v1"),
            ("VPID_VYHUB_API_KEY_FILE", "/none/key"),
        ],
        &[
            "environment: VPID_VYHUB_API_URL: is not encrypted",
            "environment: VPID_VYHUB_API_KEY_FILE: /none/key cannot be read",
        ],
    );
}

#[test]
fn each_server_has_an_id_of_its_own() {
    let other = ID.replace("0a1b", "ffff");
    let two = |second: &str| {
        let server = |id: &str| format!("hostname = \"h{id}\"\nvyhub_server_id = \"{id}\"");
        signed(&server(ID))
            + &signed(&server(second))
            + &with("").split_off(with("").find("[vyhub]").unwrap())
    };
    assert_eq!(good(&two(&other)).servers[1].vyhub_id, other.parse().ok());
    refused(
        &two(ID).replacen(&format!("h{ID}"), "first", 1),
        &[],
        &["vpid.toml:10: server.vyhub_server_id: is the same as that of line 5; give each"],
    );
    for id in ["", "12", &ID.replace('-', ""), &format!("{ID}0")] {
        let expected = "vpid.toml:4: server.vyhub_server_id: is no id of VyHub; copy the one";
        refused(&with("").replace(ID, id), &[], &[expected]);
    }
    // A host of the same folder that is not for VyHub.
    good(&(signed("hostname = \"b\"") + &with("")));
}

#[test]
fn zones_and_prefixes() {
    let zone = community(&with("time_zone = \"Europe/Berlin\"")).time_zone;
    assert_eq!(zone.iana_name(), Some("Europe/Berlin"));
    for zone in ["", "Berlin", "Europe/Atlantis", "../etc/passwd"] {
        let text = with(&format!("time_zone = \"{zone}\""));
        let start = format!("vpid.toml:8: vyhub.time_zone: {zone:?} is no time zone that");
        refused(&text, &[], &[&start]);
    }
    let prefixes = |list: &str| with(&format!("command_prefixes = {list}"));
    assert_eq!(
        community(&prefixes("[\".\", \"vh!\", \".\"]")).prefixes,
        [".", "vh!"]
    );
    refused(
        &prefixes("[]"),
        &[],
        &["vpid.toml:8: vyhub.command_prefixes: has 0 entries; 1 to 8"],
    );
    refused(
        &prefixes("[\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]"),
        &[],
        &["vpid.toml:8: vyhub.command_prefixes: has 9 entries"],
    );
    for bad in ["", " ", "! ", "\\t", "123456789"] {
        let start = "vpid.toml:8: vyhub.command_prefixes: ";
        refused(&prefixes(&format!("[\"!\", \"{bad}\"]")), &[], &[start]);
    }
}

#[test]
fn files_for_vyhub_stay_out_of_scriptdata() {
    let text = with("ca_file = \"/tf/scriptdata/ca.pem\"\nmessages = \"/tf/scriptdata/m\"");
    refused(
        &text,
        &[],
        &[
            "vpid.toml:8: vyhub.ca_file: lies in a scriptdata folder",
            "vpid.toml:9: vyhub.messages: lies in a scriptdata folder",
        ],
    );
    let ca = vyhub(&with("ca_file = \"ca.pem\"")).ca_file;
    assert_eq!(ca.as_deref(), Some(Path::new("/base/ca.pem")));
}

#[test]
fn a_proxy_carries_only_what_is_encrypted_and_bound_for_elsewhere() {
    let proxy = |text: &str| vyhub(&with(&format!("proxy = \"{text}\""))).proxy;
    assert_eq!(vyhub(&with("")).proxy, None);
    for (given, taken) in [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://[::1]:3128/", "http://[::1]:3128"),
        (
            "http://me:w%40rd@10.0.0.1:3128",
            "http://me:w%40rd@10.0.0.1:3128",
        ),
    ] {
        assert_eq!(proxy(given).unwrap().0, taken);
    }
    for bad in [
        "",
        "proxy.example:3128",
        "https://proxy.example:3128",
        "socks5://geheim@proxy.example:3128",
        "http://geheim@proxy.example",
        "http://geh eim@proxy.example:3128",
        "http://geheim:a/b@proxy.example:3128",
        "http://proxy.example:3128/geheim",
    ] {
        let text = with(&format!("proxy = \"{bad}\""));
        refused(&text, &[], &["vpid.toml:8: vyhub.proxy: "]);
        let problems = parse_with(&text, &[]).unwrap_err();
        assert!(!format!("{problems:?}").contains("geheim"), "{problems:?}");
    }
    for here in [
        "http://127.0.0.1:8080/v1",
        "http://localhost/v1",
        "https://localhost:8443/v1",
        "https://[::1]/v1",
    ] {
        let text = with("proxy = \"http://proxy.example:3128\"").replace(API, here);
        refused(&text, &[], &["vpid.toml:8: vyhub.proxy: cannot be used"]);
    }
    let config = good(&with("proxy = \"http://me:geheim@proxy.example:3128\""));
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
}

#[test]
fn the_keys_of_the_example_are_good_once_they_are_uncommented() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("messages")).unwrap();
    let tables = super::super::TABLES.iter();
    let keys: Vec<_> = tables.flat_map(|table| table.names()).collect();
    let is_key = |line: &str| {
        let name = line.split(" =").next().unwrap_or_default();
        keys.contains(&name) || line == "[vyhub]"
    };
    // Of what excludes each other, one; and databases and queries are for other tests.
    let (before, after) = EXAMPLE
        .split_once("# The database that scripts use")
        .unwrap();
    let vyhub = after.split_once("# VyHub, for servers").unwrap().1;
    let ours = [
        "vyhub", "rcon", "log_", "api_", "language", "messages", "time", "command", "ca_",
    ];
    let text: String = format!("{before}#{vyhub}")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key)
                if is_key(key)
                    && ours
                        .iter()
                        .any(|it| key.trim_start_matches('[').starts_with(it)) =>
            {
                key
            }
            _ => line,
        })
        .filter(|line| !line.contains("_file =") || line.starts_with("ca_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let found = parse(&text, dir.path(), set(&[])).unwrap_err();
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    let expected = [
        "server.key",
        "server.rcon_password",
        "vyhub.api_url",
        "vyhub.api_key",
    ];
    assert_eq!(keys, expected, "{found:#?}");
    let filled = text
        .replace(PLACEHOLDER_KEY, KEY)
        .replace("<name>", "mine")
        .replace("PUT-THE-RCON-PASSWORD-HERE", "x")
        .replace("PUT-THE-KEY-OF-VYHUB-HERE", "x");
    let config = parse(&filled, dir.path(), set(&[])).unwrap();
    assert!(
        config.servers[0].log.is_some()
            && config.community.unwrap().vyhub().unwrap().ca_file.is_some()
    );
}

#[test]
fn rewards_have_a_table_of_their_own_with_safe_defaults() {
    let usual = community(&with("")).rewards;
    assert_eq!(usual, Rewards::default());
    assert!(usual.enabled && !usual.scripts);
    assert_eq!(usual.on_unclear, OnUnclear::Ask);
    let lines = "[vyhub.rewards]\nenabled = false\nscripts = true\non_unclear = \"repeat\"\n\
                 allow = [\"sm_addvip *\"]";
    let set = community(&with(lines)).rewards;
    assert!(!set.enabled && set.scripts);
    assert_eq!(set.on_unclear, OnUnclear::Repeat);
    assert_eq!(set.allow, ["sm_addvip *"]);
    assert_eq!(
        community(&with("[vyhub.rewards]\nallow = []"))
            .rewards
            .allow,
        [""; 0]
    );
    refused(
        &with("[vyhub.rewards]\nallow = [\"\", \"a\\nb\"]\non_unclear = \"x\"\nscript = true"),
        &[],
        &[
            "vpid.toml:9: vyhub.rewards.allow",
            "vpid.toml:9: vyhub.rewards.allow",
            "vpid.toml:10: vyhub.rewards.on_unclear",
            "vpid.toml:11: vyhub.rewards.script: is not a key that vpid knows; did you mean scripts?",
        ],
    );
    refused(
        &with("rewards = true"),
        &[],
        &["vpid.toml:8: vyhub.rewards: must be a [vyhub.rewards] table"],
    );
}

#[test]
fn groups_have_commands_and_grants_of_sourcemod() {
    let text = with(
        "[vyhub.groups.VIP]\non_add = ['sm_a %nick%; sm_b', 'sm_c']\nsourcemod = '@VIP'\n\
         [vyhub.groups.'Gold members']\n[vyhub.sourcemod]\nadmins_simple = 'admins.ini'",
    );
    let set = community(&text);
    assert_eq!(set.admins_file, Some("/base/admins.ini".into()));
    let names: Vec<&String> = set.groups.keys().collect();
    assert_eq!(names, ["Gold members", "VIP"]);
    let vip = &set.groups["VIP"];
    let commands: Vec<&str> = vip.on_add.iter().flat_map(|it| it.commands()).collect();
    assert_eq!(commands, ["sm_a %nick%", "sm_b", "sm_c"]);
    assert!(vip.on_remove.is_empty());
    assert_eq!(vip.sourcemod, "@VIP".parse().ok());
    assert_eq!(community(&with("")).groups, Groups::new());
}

#[test]
fn groups_that_cannot_be_used_are_said_with_their_lines() {
    refused(
        &with(
            "[vyhub.groups.VIP]\non_add = ['%nick% x', 'a \"b', '']\nsourcemod = 'VIP'\nflags = 'a'\n\
             [vyhub.groups.' ']\nsourcemod = 'a'\n[vyhub.groups]\nx = 3",
        ),
        &[],
        &[
            "vpid.toml:9: vyhub.groups.VIP.on_add: \"%nick% x\" has a %place% in the name",
            "vpid.toml:9: vyhub.groups.VIP.on_add: \"a \\\"b\" has a \" without a second one",
            "vpid.toml:9: vyhub.groups.VIP.on_add: \"\" has no command",
            "vpid.toml:10: vyhub.groups.VIP.sourcemod: \"VIP\" is nothing that SourceMod knows",
            "vpid.toml:11: vyhub.groups.VIP.flags: is not a key that vpid knows",
            "vpid.toml:12: vyhub.groups.\" \": its name must be 1 to 64 characters",
            "vpid.toml:12: vyhub.groups.\" \": sourcemod is of no use without [community.sourcemod]",
            "vpid.toml:15: vyhub.groups.x: must be a table, as in [vyhub.groups.NAME]",
        ],
    );
    refused(
        &with("[vyhub.sourcemod]"),
        &[],
        &["vpid.toml:8: vyhub.sourcemod: has no admins_simple"],
    );
}
