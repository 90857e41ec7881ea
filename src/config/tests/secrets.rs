//! What of a configuration no trace may show.

use std::collections::BTreeSet;

use super::super::TABLES;
use super::*;
use crate::protocol::redact::names_secret;

/// Keys with a secret in them, each in a configuration; where it is not the value itself, that.
fn with_secrets() -> Vec<(&'static str, String, &'static str)> {
    let of_server = |line: &str| server(line);
    let vyhub = |line: &str| {
        let url = "https://vyhub.example/v1";
        server("") + &format!("[vyhub]\napi_url = '{url}'\n{line}\n")
    };
    let key = "api_key = 'the-key-of-vyhub'";
    let proxy = format!("{key}\nproxy = 'http://me:word-of-proxy@proxy.example:1'");
    let database =
        "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\npassword = 'word-of-mysql'\n";
    let of_log = "log_listen = '127.0.0.1:1'\nlog_secret = '1234567890123456'";
    vec![
        ("key", signed(""), KEY),
        ("legacy_secret", server(""), SECRET),
        (
            "rcon_password",
            of_server("rcon = '127.0.0.1:1'\nrcon_password = 'word-of-rcon'"),
            "word-of-rcon",
        ),
        ("log_secret", of_server(of_log), "1234567890123456"),
        ("api_key", vyhub(key), "the-key-of-vyhub"),
        ("proxy", vyhub(&proxy), "word-of-proxy"),
        ("password", server("") + database, "word-of-mysql"),
    ]
}

#[test]
fn every_secret_of_a_configuration_is_among_those_that_are_hidden() {
    let all = with_secrets();
    for (key, text, secret) in &all {
        if cfg!(feature = "mysql") || *key != "password" {
            let secrets = good(text).secrets();
            assert!(secrets.contains(&(*secret).to_owned()), "{key}");
        }
    }
    // A key that is new and named like a secret has to be among these.
    let known: BTreeSet<&str> = all.iter().map(|(key, ..)| *key).collect();
    for table in TABLES {
        for key in table.keys() {
            let is_one = names_secret(key.name) && !key.name.ends_with("_file");
            assert!(
                !is_one || known.contains(key.name),
                "{}: {}",
                table.head,
                key.name
            );
        }
    }
}
