//! Every file that the configuration names, as editors leave it behind.

use super::*;

/// A key that names a file, what is in it, and what else the configuration needs.
struct Named {
    key: &'static str,
    file: &'static str,
    content: String,
    /// A secret in one line, in which blanks have no place or may have one.
    line: bool,
    password: bool,
    config: String,
}

fn every_secret() -> Vec<Named> {
    let named = |key, file, content: &str, config: String| Named {
        key,
        file,
        content: content.to_owned(),
        line: true,
        password: false,
        config,
    };
    let of_server = |line: &str| format!("{}{line}\n", server(""));
    let without_secret = |line: &str| {
        let text = server("");
        text.replace(&format!("legacy_secret = '{SECRET}'"), line)
    };
    let mysql = "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\npassword_file = 'file'\n";
    vec![
        named("key_file", "file", KEY, of_server("key_file = 'file'")),
        Named {
            password: true,
            ..named(
                "legacy_secret_file",
                "file",
                "with spaces, \"quotes\" and \\ that it may have",
                without_secret("legacy_secret_file = 'file'"),
            )
        },
        named(
            "log_secret_file",
            "file",
            "12345678",
            of_server("log_listen = '127.0.0.1:27500'\nlog_secret_file = 'file'"),
        ),
        named(
            "api_key_file",
            "file",
            "a.key-of-VyHub",
            vyhub("api_key_file = 'file'"),
        ),
        Named {
            password: true,
            ..named(
                "rcon_password_file",
                "file",
                "päss word",
                of_server("rcon = '127.0.0.1:27015'\nrcon_password_file = 'file'"),
            )
        },
        Named {
            password: true,
            ..named(
                "password_file",
                "file",
                "päss word",
                format!("{}{mysql}", server("")),
            )
        },
    ]
}

/// Those of several lines.
fn every_text() -> Vec<Named> {
    let named = |key, file, content: &str, config: String| Named {
        key,
        file,
        content: content.to_owned(),
        line: false,
        password: false,
        config,
    };
    vec![
        named(
            "schema",
            "file",
            "-- step 1\nCREATE TABLE t (a INTEGER);\n-- step 2\nDROP TABLE t;",
            format!("{}[database]\nschema = 'file'\n", server("")),
        ),
        named(
            "language",
            "messages/xx.json",
            "{\n\"ban_notice\": \"weg\"}",
            vyhub("api_key = 'k'\nlanguage = 'xx'"),
        ),
    ]
}

fn vyhub(lines: &str) -> String {
    format!(
        "{}[vyhub]\napi_url = 'https://api.example/x/v1'\n{lines}\n",
        server("")
    )
}

impl Named {
    fn read(&self, bytes: &[u8]) -> Result<Config, String> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(self.file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let parsed = parse(&self.config, dir.path(), set(&[]));
        parsed.map_err(|problems| problems.iter().map(|it| format!("{it}\n")).collect())
    }

    /// What was read of the file.
    fn value(&self, config: &Config) -> Vec<u8> {
        let server = &config.servers[0];
        let text = |password: &Password| password.0.clone().into_bytes();
        let community = || config.community.as_ref().unwrap();
        match self.key {
            "key_file" => server.key.as_ref().unwrap().as_bytes().to_vec(),
            "legacy_secret_file" => server.legacy.as_ref().unwrap().secret.as_bytes().to_vec(),
            "log_secret_file" => format!("{:?}", server.log.as_ref().unwrap().secret).into_bytes(),
            "api_key_file" => text(&community().vyhub().unwrap().api_key),
            "rcon_password_file" => text(&server.rcon.as_ref().unwrap().password),
            "password_file" => match &config.databases[0].engine {
                Engine::Mysql(mysql) => text(mysql.password.as_ref().unwrap()),
                Engine::Sqlite(_) => unreachable!(),
            },
            "schema" => format!("{:?}", config.databases[0].schema.as_ref().unwrap().schema)
                .replace("\\r", "")
                .replace("\\n", "")
                .into_bytes(),
            "language" => format!("{:?}", community().messages).into_bytes(),
            other => unreachable!("{other}"),
        }
    }
}

#[test]
#[cfg(feature = "mysql")]
fn what_editors_leave_behind_is_no_part_of_a_file() {
    for named in every_secret().into_iter().chain(every_text()) {
        let content = &named.content;
        let plain = named.value(&named.read(content.as_bytes()).unwrap());
        let lines = content.replace('\n', "\r\n");
        for written in [
            format!("\u{feff}{content}"),
            format!("\u{feff}\u{feff}{content}\n"),
            format!("{content}\n"),
            format!("{lines}\r\n"),
            format!("\u{feff}{lines}\r\n\r\n"),
            format!("{content}\n\n\n"),
            format!("\n{content}\n \t\n"),
        ] {
            if named.key == "schema" && written.starts_with('\n') {
                continue;
            }
            let read = named.read(written.as_bytes());
            let config = read.unwrap_or_else(|error| panic!("{}: {written:?}: {error}", named.key));
            assert_eq!(named.value(&config), plain, "{}: {written:?}", named.key);
        }
    }
}

#[test]
fn what_could_be_meant_otherwise_is_refused_with_the_name_of_the_file() {
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for named in every_secret().into_iter().chain(every_text()) {
        let (key, content) = (named.key, &named.content);
        let refused = |bytes: Vec<u8>, reason: &str| {
            let error = named.read(&bytes).expect_err(key);
            assert!(error.contains(reason), "{key}: {error}");
            let name = named.file.rsplit('/').next().unwrap();
            assert!(error.contains(name), "{key}: {error}");
            assert!(!named.line || !error.contains(content.as_str()), "{error}");
        };
        refused(units(&format!("\u{feff}{content}")), "is UTF-16");
        refused(units(content), "is UTF-16");
        refused([content.as_bytes(), b"\xe9"].concat(), "is not UTF-8");
        if named.line {
            refused(
                format!("{content}\n{content}\n").into(),
                "has several lines",
            );
            let empty = named.read(b"\xef\xbb\xbf \n").expect_err(key);
            let said = empty.contains("empty") || empty.contains("must hold");
            assert!(said, "{key}: {empty}");
        }
        for written in [
            format!("{content} \n"),
            format!("\t{content}"),
            format!("{content}\u{a0}\n"),
            format!("{content}\u{200b}\n"),
        ] {
            if named.password {
                refused(
                    written.clone().into(),
                    "with a blank or a sign that cannot be seen",
                );
            } else if named.line {
                let plain = named.value(&named.read(content.as_bytes()).unwrap());
                let config = named.read(written.as_bytes()).unwrap();
                assert_eq!(named.value(&config), plain, "{key}: {written:?}");
            }
        }
    }
}

#[test]
fn a_password_that_ends_in_a_blank_can_be_written_in_quotes() {
    let text = format!(
        "{}rcon = '127.0.0.1:27015'\nrcon_password = 'ends in one '\n",
        server("")
    );
    let config = good(&text);
    assert_eq!(
        config.servers[0].rcon.as_ref().unwrap().password.0,
        "ends in one "
    );
}

/// The library that reads it would miss the certificate behind the mark.
#[test]
#[cfg(feature = "mysql")]
fn certificates_behind_a_mark_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "{}[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\ntls = 'verify'\n\
         tls_ca = 'ca.pem'\n",
        server("")
    );
    let pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    for (bytes, reason) in [
        (
            format!("\u{feff}{pem}").into_bytes(),
            Some("byte-order mark"),
        ),
        (
            pem.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Some("is UTF-16"),
        ),
        (pem.into(), None),
    ] {
        std::fs::write(dir.path().join("ca.pem"), bytes).unwrap();
        let problem = parse(&text, dir.path(), set(&[])).err();
        let problem = problem.map(|problems| problems[0].to_string());
        match reason {
            Some(reason) => assert!(problem.unwrap().contains(reason)),
            None => assert_eq!(problem, None),
        }
    }
}
