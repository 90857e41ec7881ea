//! Keys of the signed protocol, beside stock secrets and without them.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn key_of(server: &Server) -> &str {
    std::str::from_utf8(server.key.as_ref().unwrap().as_bytes()).unwrap()
}

#[test]
fn a_key_is_enough_and_goes_unwarned() {
    let config = good(&signed(""));
    let server = &config.servers[0];
    assert_eq!(key_of(server), KEY);
    assert!(server.legacy.is_none());
    assert_eq!(config.warnings, [""; 0]);
    assert!(!format!("{config:?}").contains("ABCDEFGHIJ"), "{config:?}");
}

#[test]
fn keys_that_cannot_be_keys() {
    for (key, start) in [
        ("", "is empty"),
        (PLACEHOLDER_KEY, "is still the placeholder"),
        (&KEY[..31], "is 31 characters long, and a key has 32 to 64"),
        (&"x".repeat(65), "is 65 characters long"),
        ("with a space-ABCDEFGHIJ-0123456789", "character 5 is none"),
        ("quote\\\"-ABCDEFGHIJ-0123456789-abc", "character 6 is none"),
        ("it's-ABCDEFGHIJ-0123456789-abcdef", "character 3 is none"),
        ("a\\\\b-ABCDEFGHIJ-0123456789-abcdef", "character 2 is none"),
        (
            "caf\u{e9}-ABCDEFGHIJ-0123456789-abcdef",
            "character 4 is none",
        ),
        ("a\\tb-ABCDEFGHIJ-0123456789-abcdef", "character 2 is none"),
    ] {
        let text = signed("").replace(&format!("'{KEY}'"), &format!("\"{key}\""));
        let found = parse_with(&text, &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!("vpid.toml:3: server.key: {start}");
        assert!(found[0].starts_with(&expected), "{found:?}\n{expected}");
        assert!(!found[0].contains("ABCDEFGHIJ"), "{found:?}");
    }
    for length in [32, 64] {
        let key = "~#!$%&()*+,-./:;<=>?@[]^_`{|}".repeat(3)[..length].to_owned();
        let config = good(&signed("").replace(KEY, &key));
        assert_eq!(key_of(&config.servers[0]), key);
    }
}

#[test]
fn keys_in_files_and_in_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vpid.key");
    let text = signed("").replace(&format!("key = '{KEY}'"), "key_file = \"vpid.key\"");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let read = |text: &str, variables: &[(&str, &str)]| parse(text, dir.path(), set(variables));
    assert_eq!(key_of(&read(&text, &[]).unwrap().servers[0]), KEY);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(read(&text, &[]).unwrap().exposed.iter().eq([&file]));

    let other = KEY.replace("key", "yek");
    let config = read(&text, &[("VPID_KEY", &other)]).unwrap();
    assert_eq!(key_of(&config.servers[0]), other);
    let named = [("VPID_KEY_FILE", file.to_str().unwrap())];
    let config = read(&signed("").replace(KEY, &other), &named).unwrap();
    assert_eq!(key_of(&config.servers[0]), KEY);
    // The stock secret of the file stays beside a key of the environment.
    let config = read(&server(""), &named).unwrap();
    assert!(config.servers[0].key.is_some() && config.servers[0].legacy.is_some());

    refused(
        &signed("key_file = \"vpid.key\""),
        &[],
        &["vpid.toml:4: server.key_file: stands beside key; keep one"],
    );
    refused(
        &(signed("hostname = \"a\"") + &signed("hostname = \"b\"")),
        &[("VPID_KEY", KEY), ("VPID_KEY_FILE", "/k")],
        &[
            "environment: VPID_KEY: cannot say",
            "environment: VPID_KEY_FILE: cannot say",
        ],
    );
}

#[test]
fn a_file_with_a_key_in_it_is_exposed_as_one_with_a_secret_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vpid.toml");
    std::fs::write(&path, signed("")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(Some(&path), |_| None).unwrap();
    assert!(config.exposed.iter().eq([&path]));
    assert_eq!(config.warnings, [exposure_warning(&path)]);
}

#[test]
fn no_key_is_a_stock_secret() {
    let same = signed(&format!("legacy_secret = '{KEY}'"));
    refused(
        &same,
        &[],
        &["vpid.toml:3: server.key: is the same as the legacy_secret of line 4: one file"],
    );
    // Of any server, in whatever order.
    let stock = server("hostname = \"stock\"").replace(SECRET, KEY);
    let both = signed("hostname = \"ours\"") + &stock;
    refused(
        &both,
        &[],
        &["vpid.toml:3: server.key: is the same as the legacy_secret of line 7"],
    );
    let both = stock + &signed("hostname = \"ours\"");
    refused(
        &both,
        &[],
        &["vpid.toml:7: server.key: is the same as the legacy_secret of line 3"],
    );
    refused(
        &signed(""),
        &[("VPID_LEGACY_SECRET", KEY)],
        &["vpid.toml:3: server.key: is the same as VPID_LEGACY_SECRET: one file"],
    );
}

#[test]
fn hosts_of_one_folder_have_keys_of_their_own_or_share_one() {
    let other = KEY.replace("key", "yek");
    let text = signed("hostname = \"a\"") + &signed("hostname = \"b\"").replace(KEY, &other);
    let config = good(&text);
    assert_eq!(key_of(&config.servers[0]), KEY);
    assert_eq!(key_of(&config.servers[1]), other);
    good(&(signed("hostname = \"a\"") + &signed("hostname = \"b\"")));
}

#[test]
fn the_stock_protocol_warns_each_server_once_in_its_own_tone() {
    let alone = good(&server("")).warnings;
    assert_eq!(alone.len(), 1, "{alone:?}");
    let start = "vpid.toml:3: server.legacy_secret: serves the stock vpi.nut. Anyone who reads one";
    assert!(alone[0].starts_with(start), "{alone:?}");
    let text = server("hostname = \"a\"") + &signed(&format!("legacy_secret = '{SECRET}'"));
    let both = good(&text).warnings;
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[0].starts_with(start), "{both:?}");
    let start = "vpid.toml:8: server.legacy_secret: serves scripts that do not sign, beside";
    assert!(both[1].starts_with(start), "{both:?}");
    for warning in &both {
        for word in ["docs/security.md", "`vpid init --vscripts DIR`", "compute"] {
            assert!(warning.contains(word), "{warning}");
        }
    }
    assert!(both[0].len() < both[1].len());
}

#[test]
fn paths_that_mean_nothing_here_are_refused() {
    for (path, expected) in [
        (
            "~/serverfiles/tf/scriptdata",
            "~ is not expanded here: write",
        ),
        ("~tf2/tf/scriptdata", "~ is not expanded here: write"),
        ("~", "~ is not expanded here: write"),
        (
            "C:\\tf\\scriptdata",
            "is a path of Windows; vpid runs on Linux",
        ),
        (
            "c:/tf/scriptdata",
            "is a path of Windows; vpid runs on Linux",
        ),
        ("tf\\scriptdata", "is a path of Windows; vpid runs on Linux"),
    ] {
        let text = server("").replace("\"/tf/scriptdata\"", &format!("'{path}'"));
        let expected = format!("vpid.toml:2: server.scriptdata: {expected}");
        refused(&text, &[], &[expected.as_str()]);
    }
    let variable = [("VPID_STATE_DIR", "~/state")];
    let expected = ["environment: VPID_STATE_DIR: ~ is not expanded here"];
    refused(&server(""), &variable, &expected);
    let text = server("").replace("/tf/scriptdata", "/a~/b:/c/scriptdata");
    assert_eq!(good(&text).servers.len(), 1);
}

#[test]
fn what_a_backup_left_out_is_asked_for() {
    let text = "[[server]]\nscriptdata = \"/tf/scriptdata\"\nkey = []\nhostname = []\n\
                [vyhub]\napi_url = 'https://h/v1'\napi_key = 'k'\nproxy = []\n";
    let left = "is empty, as a backup without secrets leaves it; write the";
    let (secret, address) = (
        format!("{left} secret here"),
        format!("{left} address here"),
    );
    let found = parse_with(text, &[]).expect_err("should have been refused");
    for expected in [
        format!("vpid.toml:3: server.key: {secret}"),
        "vpid.toml:4: server.hostname: must be text in quotes, and is a list".to_owned(),
        format!("vpid.toml:8: vyhub.proxy: {address}"),
    ] {
        assert!(found.contains(&expected), "{expected}: {found:#?}");
    }
}

#[test]
fn scripts_are_beside_scriptdata_or_where_the_owner_says() {
    let config = good(&signed(""));
    let usual = Path::new("/tf/scripts/vscripts");
    assert_eq!(config.servers[0].vscripts, None);
    assert_eq!(config.servers[0].installed_scripts(), usual);
    let config = good(&signed("vscripts = \"custom/mine/scripts/vscripts\""));
    let said = Path::new("/base/custom/mine/scripts/vscripts");
    assert_eq!(config.servers[0].installed_scripts(), said);
    refused(
        &signed("vscripts = \"\""),
        &[],
        &["vpid.toml:4: server.vscripts: is empty; name a path"],
    );
    refused(
        &signed("vscripts = \"/tf/scriptdata/vscripts\""),
        &[],
        &["vpid.toml:4: server.vscripts: lies in a scriptdata folder"],
    );
}

#[test]
fn new_names_are_known_to_those_who_mistype_them() {
    refused(
        &(format!("key = '{KEY}'\n") + &signed("vscript = \"/x\"\nkeyfile = \"k\"\nhost = \"h\"")),
        &[],
        &[
            "vpid.toml:1: key: is not a key that vpid knows; it belongs to [[server]]",
            "vpid.toml:5: server.vscript: is not a key that vpid knows; did you mean vscripts?",
            "vpid.toml:6: server.keyfile: is not a key that vpid knows; did you mean key_file?",
            "vpid.toml:7: server.host: is not a key that vpid knows; did you mean hostname?",
        ],
    );
    let warnings = unknown_variables(["VPID_KEYS".to_owned()]);
    assert!(
        warnings[0].ends_with("did you mean VPID_KEY?"),
        "{warnings:?}"
    );
}

/// As TOML has it.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007f")
}

/// What the stock cipher gives back as it was, and no other.
#[test]
fn a_stock_secret_has_every_sign_that_the_stock_cipher_carries() {
    let all: String = (32..=126).map(char::from).collect();
    for secret in [all.as_str(), "  blanks at both ends, which count  ", "x"] {
        let text = quoted(secret);
        let config = good(&server("").replace(&format!("'{SECRET}'"), &text));
        let legacy = config.servers[0].legacy.as_ref().unwrap();
        assert_eq!(legacy.secret.as_bytes(), secret.as_bytes());
    }
    for (secret, place, what) in [
        ("my old\tsecret", 7, "a tab"),
        ("caf\u{e9} secret", 4, "not ASCII"),
        ("\u{e9}\u{e9}\u{7f}", 1, "not ASCII"),
        ("secret\u{7f}", 7, "a control character"),
        ("secret\n", 7, "the end of a line"),
    ] {
        let text = quoted(secret);
        let problems = parse_with(&server("").replace(&format!("'{SECRET}'"), &text), &[]);
        let problems = problems.unwrap_err();
        let start = format!("server.legacy_secret: character {place} is {what}");
        assert!(problems[0].contains(&start), "{problems:?}");
        assert!(problems[0].contains("GetSecret of vpi.nut"), "{problems:?}");
        assert!(!problems[0].contains("ecret\t") && !problems[0].contains("caf"));
    }
}

#[test]
fn a_stock_secret_is_as_long_as_answers_beside_it_allow() {
    let parse = |length: usize| {
        let secret = "s".repeat(length);
        parse_with(&server("").replace(SECRET, &secret), &[])
    };
    let warns = |config: &Config| config.warnings.iter().any(|it| it.contains("are left for"));
    assert!(!warns(&parse(2_000).unwrap()));
    for length in [4_000, 7_000, crate::limits::SECRET_BYTES_MAX] {
        assert!(warns(&parse(length).unwrap()), "{length}");
    }
    let problems = parse(crate::limits::SECRET_BYTES_MAX + 1).unwrap_err();
    assert!(
        problems[0].contains("is 7501 characters long"),
        "{problems:?}"
    );
}
