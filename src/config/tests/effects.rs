//! What has no effect as it is written: an error or a warning, never passed over.

use super::*;

fn warned(text: &str, variables: &[(&str, &str)], expected: &str) {
    let config = parse(text, Path::new("/base"), set(variables)).unwrap();
    let warned = config.warnings.iter().any(|it| it.contains(expected));
    assert!(warned, "{expected}: {:?}", config.warnings);
}

#[test]
fn keys_that_another_one_makes_useless_are_named() {
    let without_secret = server("").replace(
        &format!("legacy_secret = '{SECRET}'"),
        &format!("key = '{KEY}'\nlegacy_identity = 'optional'"),
    );
    refused(
        &without_secret,
        &[],
        &["vpid.toml:4: server.legacy_identity: is of no use without legacy_secret"],
    );
    let none = |line: &str| format!("{}[database]\ntype = 'none'\n{line}\n", server(""));
    for line in [
        "path = 'x.db'",
        "schema = 's.sql'",
        "pool = 3",
        "durability = 'full'",
    ] {
        let key = line.split(' ').next().unwrap();
        let expected = format!("vpid.toml:7: database.{key}: is of no use with type = \"none\"");
        refused(&none(line), &[], &[&expected]);
    }
    let polls = format!("watch = 'inotify'\npoll_ms = 20\n{}", server(""));
    warned(
        &polls,
        &[],
        "vpid.toml:2: poll_ms: has no effect with watch = \"inotify\"",
    );
    let scripts =
        |line: &str| format!("{}[scripts]\nvpi_interfaces = 'v.py'\n{line}\n", server(""));
    for line in ["order = ['a']", "prefixes = ['!']"] {
        warned(&scripts(line), &[], "has no effect without dir");
    }
}

/// Whoever comes from the stock server has them set, and would get SQLite without a word.
#[test]
#[cfg(feature = "mysql")]
fn variables_for_mysql_are_named_where_the_database_is_on_another_one() {
    for name in [
        "VPI_HOST",
        "VPI_PORT",
        "VPI_USER",
        "VPI_PASSWORD",
        "VPI_INTERFACE",
    ] {
        let expected = format!("environment: {name}: has no effect: [database] is not on MySQL");
        warned(&server(""), &[(name, "1")], &expected);
    }
    let mysql = format!("{}[database]\ntype = 'mysql'\nuser = 'u'\n", server(""));
    let config = parse(&mysql, Path::new("/base"), set(&[("VPI_INTERFACE", "d")])).unwrap();
    assert!(!config.warnings.iter().any(|it| it.contains("VPI_")));
}

#[test]
fn variables_with_the_ends_of_their_lines_are_refused() {
    for (name, value) in [
        ("VPID_KEY", format!("{KEY}\r")),
        ("VPID_SCRIPTDATA", "/tf/scriptdata\r".into()),
        ("VPID_STATE_DIR", "/state\n".into()),
        ("VPID_POLL_MS", "50\r".into()),
        ("VPI_PASSWORD", "secret\r\n".into()),
    ] {
        let found = parse_with(&server(""), &[(name, &value)]).unwrap_err();
        let named = format!("environment: {name}: has the end of a line");
        assert!(found.iter().any(|it| it.starts_with(&named)), "{found:?}");
        assert!(found.iter().all(|it| !it.contains("secret\r")), "{found:?}");
    }
    let found = parse_with(&server(""), &[("VPID_STATE_DIR", "/st\u{fffd}te")]).unwrap_err();
    assert_eq!(
        found,
        ["environment: VPID_STATE_DIR: is not UTF-8; set it as UTF-8"]
    );
}
