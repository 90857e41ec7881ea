//! `[community]`, and what it shares with `[vyhub]`.

use super::*;
use crate::protocol::local_ids;

const VYHUB: &str = "[vyhub]\napi_url = \"https://api.vyhub.app/mine/v1\"\napi_key = \"k\"\n";
const ID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

/// A good file with a server, and a community from line 5 on.
fn with(lines: &str) -> String {
    signed("") + "[community]\n" + lines + "\n"
}

fn local(text: &str) -> Community {
    let community = good(text).community.expect("a community");
    assert_eq!(community.vyhub(), None);
    community
}

#[test]
fn one_key_keeps_a_community_in_the_database() {
    let config = good(&with("type = 'local'"));
    let community = config.community.as_ref().unwrap();
    assert_eq!(community.backend, Backend::Local(0));
    assert_eq!(community.messages["permanent"], "permanent");
    assert_eq!(community.prefixes, ["!", "/"]);
    assert_eq!(config.import_from, None);
    assert_eq!(config.warnings, [""; 0]);
    let [server] = &config.servers[..] else {
        panic!("{:?}", config.servers)
    };
    assert_eq!(server.community_name, "/tf/scriptdata");
    assert_eq!(
        server.community_id,
        Some(local_ids::server("/tf/scriptdata"))
    );
    assert_eq!(server.vyhub_id, None);
}

#[test]
fn the_database_is_the_one_that_is_named() {
    let named = with("type = 'local'\ndatabase = 'main'\n[database.a]\n[database.main]");
    assert_eq!(local(&named).backend, Backend::Local(2));
    let alone =
        with("type = 'local'\ndatabase = 'main'\n[database]\ntype = 'none'\n[database.main]");
    assert_eq!(local(&alone).backend, Backend::Local(0));
    refused(
        &with("type = 'local'\ndatabase = 'mein'\n[database.main]"),
        &[],
        &["vpid.toml:7: community.database: there is no [database.mein]; did you mean \"main\"?"],
    );
    refused(
        &with("type = 'local'\ndatabase = ''"),
        &[],
        &[
            "vpid.toml:7: community.database: there is no [database.]; without this key, the community is in [database]",
        ],
    );
    refused(
        &with("type = 'local'\n[database]\ntype = 'none'"),
        &[],
        &["vpid.toml:5: community: has no database, as [database] is of type \"none\""],
    );
}

#[test]
fn types_that_cannot_be_are_said_with_their_remedy() {
    refused(
        &with(""),
        &[],
        &["vpid.toml:5: community: has no type; write type = \"local\""],
    );
    refused(
        &with("type = 'vyhub'"),
        &[],
        &["vpid.toml:6: community.type: \"vyhub\" needs a [vyhub] table"],
    );
    refused(
        &with("type = 'locale'\nlanguage = 'xx'"),
        &[],
        &[
            "vpid.toml:6: community.type: \"locale\" is none of \"vyhub\", \"local\", \"none\"",
            "vpid.toml:7: community.language: \"xx\" has no texts",
        ],
    );
    let text = format!("{}{VYHUB}", with("type = 'vyhub'\ndatabase = 'a'"));
    let expected = "vpid.toml:7: community.database: is of no use without type = \"local\"";
    refused(&text, &[], &[expected]);
    refused(
        &format!("community = 3\n{}", signed("")),
        &[],
        &["vpid.toml:1: community: must be a [community] table"],
    );
    let none = format!("{}{VYHUB}", with("type = 'none'"));
    let config = good(&none);
    assert_eq!((config.community, config.import_from), (None, None));
    assert!(config.warnings[0].starts_with("vpid.toml:7: vyhub: is not used"));
    refused(
        &none.replacen("key = ", &format!("vyhub_server_id = '{ID}'\nkey = "), 1),
        &[],
        &["vpid.toml:3: server.vyhub_server_id: is of no use with type = \"none\""],
    );
}

/// A configuration that was written before there was a `[community]` means what it meant.
#[test]
fn what_stands_in_vyhub_counts_as_if_it_stood_in_community() {
    let server = signed(&format!("vyhub_server_id = '{ID}'"));
    let about = "language = 'de'\ntime_zone = 'UTC'\ncommand_prefixes = ['.']\nadvert_interval_s = 7\n\
                 advert_prefix = 'x'\n[OF.groups.VIP]\non_add = ['sm_vip']\nsourcemod = '@VIP'\n\
                 [OF.sourcemod]\nadmins_simple = 'a.ini'\n[OF.playtime]\nenabled = false\n\
                 [OF.rewards]\nscripts = true\n";
    let before = format!("{server}{VYHUB}{}", about.replace("OF", "vyhub"));
    let after = format!(
        "{server}{VYHUB}[community]\n{}",
        about.replace("OF", "community")
    );
    let [before, after] = [before, after].map(|text| good(&text));
    let mut of_before = before.community.clone().unwrap();
    assert_eq!(of_before.head, "vyhub");
    assert_eq!(of_before.prefixes, ["."]);
    assert_eq!(of_before.messages["permanent"], "dauerhaft");
    assert_eq!(
        (of_before.advert_interval_s, &*of_before.advert_prefix),
        (7, "x")
    );
    assert!(!of_before.playtime.enabled && of_before.rewards.scripts);
    assert_eq!(of_before.admins_file, Some("/base/a.ini".into()));
    assert!(of_before.groups["VIP"].sourcemod.is_some());
    of_before.head = "community";
    let before = Config {
        community: Some(of_before),
        ..before
    };
    assert_eq!(before, after);
}

#[test]
fn a_key_that_stands_in_both_tables_is_refused() {
    let vyhub = format!("{VYHUB}language = 'de'\n[vyhub.groups.VIP]\n");
    let text = format!(
        "{}{vyhub}",
        with("type = 'local'\nlanguage = 'de'\n[community.groups.A]")
    );
    refused(
        &text,
        &[],
        &[
            "vpid.toml:12: vyhub.language: stands in [community], too, in line 7; keep one",
            "vpid.toml:13: vyhub.groups: stands in [community], too, in line 8; keep one",
        ],
    );
    // Different ones can stand in both.
    let text = format!(
        "{}{VYHUB}time_zone = 'UTC'\n",
        with("type = 'local'\nlanguage = 'de'")
    );
    let community = local(&text);
    assert_eq!(community.messages["permanent"], "dauerhaft");
    assert_eq!(community.time_zone, jiff::tz::TimeZone::UTC);
    // A value that is no good is named where it stands.
    refused(
        &format!(
            "{}{VYHUB}time_zone = 'Mars'\n",
            with("type = 'local'\nadvert_interval_s = -1")
        ),
        &[],
        &[
            "vpid.toml:7: community.advert_interval_s: must be 0 to",
            "vpid.toml:11: vyhub.time_zone: \"Mars\" is no time zone",
        ],
    );
}

#[test]
fn vyhub_beside_a_local_community_is_only_imported_from() {
    let text = format!("{}{VYHUB}login = true", with("type = 'local'"));
    let text = text.replacen("key = ", &format!("vyhub_server_id = '{ID}'\nkey = "), 1);
    let config = good(&text);
    assert_eq!(config.community.unwrap().backend, Backend::Local(0));
    assert_eq!(config.import_from.unwrap().api_key.0, "k");
    let server = &config.servers[0];
    assert_eq!(server.vyhub_id, ID.parse().ok());
    assert_ne!(server.community_id, server.vyhub_id);
    let warnings: Vec<&str> = config.warnings.iter().map(|it| &it[..]).collect();
    assert!(
        matches!(&warnings[..], [only] if only.starts_with("vpid.toml:11: vyhub.login: has no effect")),
        "{warnings:?}"
    );
}

#[test]
fn servers_have_names_in_the_community_that_differ() {
    let two = |first: &str, second: &str| {
        signed(&format!("hostname = 'a'\n{first}"))
            + &signed(&format!("hostname = 'b'\n{second}"))
            + "[community]\ntype = 'local'\n"
    };
    let config = good(&two("community_name = ' Payload #1 '", ""));
    let names: Vec<&str> = config
        .servers
        .iter()
        .map(|it| &*it.community_name)
        .collect();
    assert_eq!(names, ["Payload #1", "b"]);
    assert_eq!(
        config.servers[0].community_id,
        Some(local_ids::server("Payload #1"))
    );
    refused(
        &two("community_name = 'x'", "community_name = 'x'"),
        &[],
        &[
            "vpid.toml:10: server.community_name: is called \"x\" in the community, like the one of line 1; give each",
        ],
    );
    refused(
        &two("community_name = 'b'", ""),
        &[],
        &["vpid.toml:6: server: is called \"b\" in the community, like the one of line 1"],
    );
    let long = format!("community_name = '{}'", "x".repeat(129));
    for (name, line) in [
        ("community_name = ''", 5),
        ("community_name = \"a\\nb\"", 5),
        (&*long, 5),
    ] {
        let expected = format!("vpid.toml:{line}: server.community_name: ");
        refused(&two(name, ""), &[], &[&expected]);
    }
    refused(
        &signed("community_name = 'x'"),
        &[],
        &["vpid.toml:4: server.community_name: is of no use without type = \"local\""],
    );
}

#[test]
fn a_server_can_be_left_out() {
    let config = good(&signed("community = false\n[community]\ntype = 'local'"));
    assert_eq!(config.servers[0].community_id, None);
    let expected =
        "vpid.toml:5: community: serves no server: every [[server]] has community = false";
    assert_eq!(config.warnings, [expected]);
    let text = signed(&format!("vyhub_server_id = '{ID}'\ncommunity = false")) + VYHUB;
    assert_eq!(good(&text).servers[0].community_id, None);
    // Two of the same name, of which one is left out.
    good(
        &(signed("hostname = 'a'\ncommunity_name = 'x'")
            + &signed("hostname = 'b'\ncommunity_name = 'x'\ncommunity = false")
            + "[community]\ntype = 'local'\n"),
    );
}

#[test]
fn the_environment_makes_a_community_or_lays_over_it() {
    let set = [
        ("VPID_COMMUNITY_TYPE", "local"),
        ("VPID_COMMUNITY_DATABASE", "main"),
        ("VPID_COMMUNITY_LANGUAGE", "de"),
        ("VPID_COMMUNITY_NAME", "x"),
    ];
    let text = signed("[database.main]");
    let config = parse_with(&text, &set).unwrap();
    let community = config.community.unwrap();
    assert_eq!(community.backend, Backend::Local(1));
    assert_eq!(community.messages["permanent"], "dauerhaft");
    assert_eq!(config.servers[0].community_name, "x");
    // It wins over either table.
    let text = text + "[community]\ntype = 'none'\nlanguage = 'en'\n";
    let community = parse_with(&text, &set).unwrap().community.unwrap();
    assert_eq!(community.messages["permanent"], "dauerhaft");
    let vyhub = signed("") + VYHUB + "language = 'en'\n";
    let community = parse_with(&vyhub, &set[2..3]).unwrap().community.unwrap();
    assert_eq!(community.messages["permanent"], "dauerhaft");
    // A database or a language alone asks for nothing.
    assert_eq!(parse_with(&signed(""), &set[1..3]).unwrap().community, None);
    refused(
        &signed(""),
        &[("VPID_COMMUNITY_TYPE", "lokal")],
        &["environment: VPID_COMMUNITY_TYPE: \"lokal\" is none of"],
    );
    refused(
        &signed(""),
        &set[..2],
        &["environment: VPID_COMMUNITY_DATABASE: there is no [database.main]"],
    );
}
