//! RCON and the engine's log.

use std::os::unix::fs::PermissionsExt;

use super::*;

const PASSWORD: &str = "rcon geheim";

/// A good server with RCON, and these lines in it, from line 6 on.
fn with(lines: &str) -> String {
    signed(&format!(
        "rcon = \"127.0.0.1:27015\"\nrcon_password = \"{PASSWORD}\"\n{lines}"
    ))
}

#[test]
fn a_console_has_an_address_and_a_password() {
    let config = good(&with(""));
    let rcon = config.servers[0].rcon.as_ref().unwrap();
    assert_eq!(
        (rcon.address.as_str(), rcon.password.0.as_str()),
        ("127.0.0.1:27015", PASSWORD)
    );
    assert_eq!(config.warnings, [""; 0]);
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");

    refused(
        &signed("rcon = \"127.0.0.1:27015\""),
        &[],
        &["vpid.toml:4: server.rcon: needs the game's rcon_password; put it"],
    );
    refused(
        &signed("rcon_password = \"x\""),
        &[],
        &["vpid.toml:4: server.rcon_password: is of no use without rcon"],
    );
    refused(
        &with("rcon_password_file = \"rcon.pw\""),
        &[],
        &["vpid.toml:6: server.rcon_password_file: stands beside rcon_password"],
    );
    refused(
        &with("rcon_pasword = \"x\"\nrcon_port = 27015"),
        &[],
        &[
            "vpid.toml:6: server.rcon_pasword: is not a key that vpid knows; did you mean rcon_p",
            "vpid.toml:7: server.rcon_port: is not a key that vpid knows",
        ],
    );
}

#[test]
fn addresses_of_consoles() {
    let at = |address: &str| with("").replace("127.0.0.1:27015", address);
    for address in ["[::1]:27015", "localhost:1", "127.0.0.1:65535"] {
        let config = good(&at(address));
        assert_eq!(config.servers[0].rcon.as_ref().unwrap().address, address);
        assert_eq!(config.warnings, [""; 0], "{address}");
    }
    let warnings = good(&at("tf2.example.com:27015")).warnings;
    let start = "vpid.toml:4: server.rcon: goes to tf2.example.com unencrypted, password and all";
    assert!(
        warnings.len() == 1 && warnings[0].starts_with(start),
        "{warnings:?}"
    );
    for (address, message) in [
        ("", "has no port"),
        ("127.0.0.1", "has no port"),
        ("27015", "has no port"),
        ("::1", "is an address without a port"),
        ("127.0.0.1:", "has no port from 1 to 65535"),
        ("127.0.0.1:0", "has no port from 1 to 65535"),
        ("127.0.0.1:70000", "has no port from 1 to 65535"),
        ("::1:x", "is no host and port"),
        (":27015", "is no host and port"),
        ("rcon://h:1", "is no host and port"),
    ] {
        let expected = format!("vpid.toml:4: server.rcon: {message}");
        refused(&at(address), &[], &[&expected]);
    }
}

#[test]
fn passwords_that_cannot_be_are_refused_without_being_shown() {
    for (password, start) in [
        ("", "is empty, and the game takes no RCON then"),
        ("PUT-THE-RCON-PASSWORD-HERE", "is still the placeholder"),
        ("geheim\\n", "has a control character"),
        ("geheim\\u0000", "has a control character"),
        (&"g".repeat(257), "is longer than 256 bytes"),
    ] {
        let found = parse_with(&with("").replace(PASSWORD, password), &[]).unwrap_err();
        let expected = format!("vpid.toml:5: server.rcon_password: {start}");
        assert!(
            found.len() == 1 && found[0].starts_with(&expected),
            "{found:?}"
        );
        assert!(!found[0].contains("geheim"), "{found:?}");
    }
    good(&with("").replace(PASSWORD, &"g".repeat(256)));
}

#[test]
fn passwords_in_files_and_in_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rcon.pw");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let inline = format!("rcon_password = \"{PASSWORD}\"");
    let text = with("").replace(&inline, "rcon_password_file = \"rcon.pw\"");
    let config = parse(&text, dir.path(), set(&[])).unwrap();
    assert_eq!(
        config.servers[0].rcon.as_ref().unwrap().password.0,
        PASSWORD
    );
    assert!(config.exposed.iter().eq([&file]));

    let both = [("VPID_RCON", "[::1]:1"), ("VPID_RCON_PASSWORD", "other")];
    for text in [text.clone(), signed("")] {
        let config = parse(&text, dir.path(), set(&both)).unwrap();
        let rcon = config.servers[0].rcon.as_ref().unwrap();
        assert_eq!(
            (rcon.address.as_str(), rcon.password.0.as_str()),
            ("[::1]:1", "other")
        );
        assert!(config.exposed.is_empty());
    }
    let named = [("VPID_RCON_PASSWORD_FILE", file.to_str().unwrap())];
    let config = parse_with(&with("").replace(PASSWORD, "x"), &named).unwrap();
    assert_eq!(
        config.servers[0].rcon.as_ref().unwrap().password.0,
        PASSWORD
    );
    refused(
        &signed(""),
        &both[1..],
        &["environment: VPID_RCON_PASSWORD: is of no use without rcon"],
    );
    refused(
        &(signed("hostname = \"a\"") + &signed("hostname = \"b\"")),
        &both,
        &[
            "environment: VPID_RCON: cannot",
            "environment: VPID_RCON_PASSWORD: cannot",
        ],
    );
}

#[test]
fn a_file_with_a_password_or_a_log_secret_in_it_is_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, own) = (dir.path().join("vpid.toml"), dir.path().join("own.key"));
    std::fs::write(&own, KEY).unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (lines, exposed) in [
        ("rcon = \"127.0.0.1:1\"\nrcon_password = \"x\"", true),
        ("log_listen = \"127.0.0.1:1\"\nlog_secret = 5", true),
        ("log_listen = \"127.0.0.1:1\"", false),
    ] {
        let text = signed(lines).replace(&format!("key = '{KEY}'"), "key_file = \"own.key\"");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let found = load(Some(&path), |_| None).unwrap().exposed;
        assert_eq!(found.contains(&path), exposed, "{lines}");
    }
}

#[test]
fn the_log_is_listened_to_with_a_secret_where_others_can_send() {
    let log =
        |address: &str, secret: &str| signed(&format!("log_listen = \"{address}\"\n{secret}"));
    for (written, digits) in [
        ("4294967295", "4294967295"),
        ("7340128876543210", "7340128876543210"),
        ("\"0073401288765432\"", "0073401288765432"),
        ("\"18446744073709551615\"", "18446744073709551615"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        let config = good(&log("127.0.0.1:27500", &format!("log_secret = {written}")));
        let expected = LogListen {
            address: "127.0.0.1:27500".parse().unwrap(),
            secret: Some(digits.parse().unwrap()),
        };
        assert_eq!(config.servers[0].log, Some(expected));
        assert_eq!(config.warnings, [""; 0], "{written}");
    }

    let warnings = good(&log("127.0.0.1:27500", "")).warnings;
    let start = "vpid.toml:4: server.log_listen: is without a log_secret: every program of this";
    assert!(
        warnings.len() == 1 && warnings[0].starts_with(start),
        "{warnings:?}"
    );
    for open in ["0.0.0.0:27500", "192.168.0.2:27500", "[::]:27500"] {
        let expected = "vpid.toml:4: server.log_listen: can be reached from outside, and anyone";
        refused(&log(open, ""), &[], &[expected]);
    }
    for bad in [
        "",
        "27500",
        "127.0.0.1",
        "localhost:27500",
        "127.0.0.1:0",
        "::1:27500x",
    ] {
        let expected = "vpid.toml:4: server.log_listen: is no address and port of this machine";
        refused(&log(bad, "log_secret = 1"), &[], &[expected]);
    }
    for bad in [
        "0",
        "-1",
        "\"abc\"",
        "\"000\"",
        "\"\"",
        "100000000000000000000",
    ] {
        let expected = "vpid.toml:5: server.log_secret: must be 1 to 20 digits, not all of them 0";
        refused(
            &log("0.0.0.0:1", &format!("log_secret = {bad}")),
            &[],
            &[expected],
        );
    }
    refused(
        &log("0.0.0.0:1", "log_secret = 5.5"),
        &[],
        &["vpid.toml:5: server.log_secret: must be digits"],
    );
    refused(
        &signed("log_secret = 5"),
        &[],
        &["vpid.toml:4: server.log_secret: is of no use without log_listen"],
    );
}

#[test]
fn a_weak_secret_and_a_listener_for_all_are_warned_about() {
    let log = |address: &str, secret: &str| {
        let rcon = "rcon = \"127.0.0.1:1\"\nrcon_password = \"x\"";
        let lines = format!("log_listen = \"{address}\"\nlog_secret = {secret}");
        (
            good(&signed(&lines)).warnings,
            good(&signed(&format!("{lines}\n{rcon}"))).warnings,
        )
    };
    for (secret, weak) in [("1", true), ("16777215", true), ("7340128876543210", false)] {
        let (alone, with_rcon) = log("127.0.0.1:27500", secret);
        assert_eq!(alone, with_rcon);
        let start = "vpid.toml:5: server.log_secret: is soon found out by trying";
        let said = alone.iter().any(|warning| warning.starts_with(start));
        assert_eq!((said, alone.len()), (weak, usize::from(weak)), "{alone:?}");
    }
    for address in ["0.0.0.0:27500", "[::]:27500", "192.168.0.2:27500"] {
        let (alone, with_rcon) = log(address, "7340128876543210");
        let start = "vpid.toml:4: server.log_listen: can be reached by other hosts, ";
        for (said, part) in [
            (alone, "without rcon nothing bears"),
            (with_rcon, "anyone can try"),
        ] {
            let [said] = &said[..] else {
                panic!("{said:?}")
            };
            assert!(said.starts_with(start) && said.contains(part), "{said}");
        }
    }
}

#[test]
fn log_secrets_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let text = signed("log_listen = \"0.0.0.0:1\"\nlog_secret_file = \"log.secret\"");
    let read = |written: &str| {
        let file = dir.path().join("log.secret");
        std::fs::write(&file, written).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        parse(&text, dir.path(), set(&[]))
    };
    for (written, digits) in [
        ("12345", "12345"),
        ("0012345\n", "0012345"),
        (" 7340128876543210 \r\n", "7340128876543210"),
    ] {
        assert_eq!(
            read(written).unwrap().servers[0].log.unwrap().secret,
            Some(digits.parse().unwrap())
        );
    }
    for written in ["", "0", "abc", "-5", "100000000000000000000", "1 2"] {
        let found = read(written).unwrap_err();
        let expected = "vpid.toml:5: server.log_secret_file: must hold 1 to 20 digits";
        assert!(
            found.len() == 1 && found[0].to_string().starts_with(expected),
            "{found:?}"
        );
    }
    refused(
        &signed("log_listen = \"127.0.0.1:1\"\nlog_secret = 5\nlog_secret_file = \"x\""),
        &[],
        &["vpid.toml:6: server.log_secret_file: stands beside log_secret; keep one"],
    );
}

#[test]
fn no_two_servers_share_a_console_or_a_port_for_the_log() {
    let of = |host: &str, rcon: u16, log: u16| {
        signed(&format!(
            "hostname = \"{host}\"\nrcon = \"localhost:{rcon}\"\nrcon_password = \"x\"\n\
             log_listen = \"127.0.0.1:{log}\"\nlog_secret = 5"
        ))
    };
    good(&(of("a", 1, 2) + &of("b", 3, 4) + &of("c", 2, 1)));
    refused(
        &(of("a", 1, 2) + &of("b", 3, 2)),
        &[],
        &["vpid.toml:15: server.log_listen: is the same as that of line 7; give each game's"],
    );
    refused(
        &(of("a", 1, 2) + &of("b", 1, 4).replace("localhost", "LOCALHOST")),
        &[],
        &["vpid.toml:13: server.rcon: is the same as that of line 5; each game has"],
    );
}
