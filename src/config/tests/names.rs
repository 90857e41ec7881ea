//! Names of scripts, functions and hosts.

use super::super::permissions::matches;
use super::*;

#[test]
fn permissions_by_name_by_pattern_and_by_default() {
    let open = good(&server("")).permissions;
    assert!(open.allows("any.nut", "VPI_DB_UserSelect"));
    assert!(!open.allows("any.nut", RAW_SQL_FUNCTION));
    let table = "[permissions]\n\"a.nut\" = [\"VPI_DB_User*\", \"*_Ping\"]\n\"none.nut\" = []\n\
                 \"all.nut\" = [\"*\"]\nraw_sql = [\"b.nut\"]\n";
    let listed = good(&server(table)).permissions;
    let closed = good(&server(&format!("{table}\"*\" = [\"VPI_Info\"]"))).permissions;
    for (script, function, with_default, with_star) in [
        ("a.nut", "VPI_DB_UserSelect", true, true),
        ("a.nut", "VPI_DB_User", true, true),
        ("a.nut", "VPI_Ping", true, true),
        ("a.nut", "VPI_Info", false, false),
        ("a.nut", "xVPI_DB_User", false, false),
        ("none.nut", "VPI_Info", false, false),
        ("all.nut", "VPI_Info", true, true),
        ("all.nut", RAW_SQL_FUNCTION, false, false),
        ("b.nut", RAW_SQL_FUNCTION, true, true),
        ("b.nut", "VPI_Info", true, true),
        ("b.nut", "VPI_Ping", true, false),
        ("A.nut", "VPI_Info", true, true),
    ] {
        assert_eq!(
            listed.allows(script, function),
            with_default,
            "{script} {function}"
        );
        assert_eq!(
            closed.allows(script, function),
            with_star,
            "{script} {function}"
        );
    }
    for (pattern, text, expected) in [
        ("", "", true),
        ("*", "", true),
        ("a*b*c", "aXbXbXc", true),
        ("a*b*c", "aXbX", false),
        ("**a", "bba", true),
        ("a", "ab", false),
        ("*ab", "aab", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
    }
}

#[test]
fn hostnames_as_the_client_writes_them() {
    for (text, host) in [
        ("my_server", "my_server"),
        ("My Server #1", "my_server_1"),
        ("my_Server", "myserver"),
        ("Caf\u{e9} 2", "caf___2"),
        ("a\tb\u{7f}", "a_b"),
        ("Two Words_", "twowords"),
        ("[EU] 24/7", "eu_247"),
        ("!", ""),
    ] {
        assert_eq!(host_of(text), host, "{text:?}");
    }
    let named = |length: usize, more: &str| {
        server(&format!("hostname = \"{}\"\n{more}", "x".repeat(length)))
    };
    good(&named(230, ""));
    refused(
        &named(231, ""),
        &[],
        &["vpid.toml:4: server.hostname: is longer than the 230"],
    );
    let key = format!("key = '{KEY}'");
    good(&named(128, &key));
    refused(
        &named(129, &key),
        &[],
        &["vpid.toml:4: server.hostname: is longer than the 128 at which vpid's scripts cut it"],
    );
}
