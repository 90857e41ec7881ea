//! Secrets, and the files that a configuration and its secrets come from.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn secrets_stay_out_of_sight() {
    let config = good(&server(""));
    assert!(!format!("{config:?}").contains("ABCDEFGHIJ"), "{config:?}");
    for bad in [
        "with\\ttab ABCDEFGHIJ",
        "\\u007fABCDEFGHIJ",
        "ABCDEFGHIJ\\n",
        "\u{e9}ABCDEFGHIJ",
    ] {
        let text = server("").replace(&format!("'{SECRET}'"), &format!("\"{bad}\""));
        let found = parse_with(&text, &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("vpid.toml:3: server.legacy_secret: character "),
            "{found:?}"
        );
        assert!(!found[0].contains("ABCDEFGHIJ"), "{found:?}");
    }
    let long = server("").replace(SECRET, &"x".repeat(7501));
    refused(
        &long,
        &[],
        &["vpid.toml:3: server.legacy_secret: is 7501 characters long"],
    );
}

#[test]
fn the_log_is_none_of_vpids_other_files() {
    let text = |log: &str| {
        format!(
            "metrics_file = 'm'\nlog_file = '{log}'\n[database]\n{}",
            server("")
        )
    };
    good(&text("vpid.log"));
    for (log, why) in [
        ("./vpid.db", "is a database, too"),
        ("state/identities", "is in the state folder"),
    ] {
        let expected = format!("vpid.toml:2: log_file: {why}");
        refused(&text(log), &[], &[&expected]);
    }
    let expected = ["vpid.toml:1: metrics_file: is the log_file, too"];
    refused(&text("m"), &[], &expected);
}

#[test]
fn the_page_and_the_metrics_are_two_files() {
    let text = |page: &str| {
        let server = server("");
        format!("metrics_file = 'web/x'\n[status_page]\nfile = '{page}'\n{server}")
    };
    good(&text("web/y"));
    for page in ["web/x", "/base/web//./x"] {
        let expected = ["vpid.toml:3: status_page.file: is the metrics_file, too"];
        refused(&text(page), &[], &expected);
    }
}

#[test]
fn secret_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("legacy.secret");
    let text = server("").replace(
        &format!("legacy_secret = '{SECRET}'"),
        "legacy_secret_file = \"legacy.secret\"",
    );
    let read = || parse(&text, dir.path(), set(&[]));
    let message = |result: Result<Config, Vec<Problem>>| result.unwrap_err()[0].to_string();

    assert!(message(read()).contains("legacy.secret cannot be read: No such file"));
    for ending in ["", "\n", "\r\n"] {
        std::fs::write(&file, format!("{SECRET}{ending}")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = read().unwrap();
        let legacy = config.servers[0].legacy.as_ref().unwrap();
        assert_eq!(legacy.secret.as_bytes(), SECRET.as_bytes(), "{ending:?}");
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        assert!(config.exposed.is_empty());
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let config = read().unwrap();
    assert!(config.exposed.iter().eq([&file]));
    assert_eq!(config.warnings[0], exposure_warning(&file));

    std::fs::write(&file, vec![b'x'; 16_385]).unwrap();
    assert!(message(read()).contains("larger than 16384 bytes"));
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert!(message(read()).contains("is not a file"));
}

#[test]
fn the_file_is_found_or_not_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (
        dir.path().join("first.toml"),
        dir.path().join("second.toml"),
    );
    let candidates = [first.clone(), second.clone()];
    let from = |path: Option<&Path>, variables: &[(&str, &str)]| {
        load_from(path, &candidates, &set(variables))
    };
    let message = |result: Result<Config, Vec<Problem>>| result.unwrap_err()[0].to_string();

    assert!(message(from(None, &[])).contains("`vpid init` writes one"));
    let enough = [
        ("VPI_SCRIPTDATA_DIR", "/tf/scriptdata"),
        ("VPID_LEGACY_SECRET", SECRET),
    ];
    let config = from(None, &enough).unwrap();
    assert_eq!(config.path, None);
    assert_eq!(config.servers[0].scriptdata, Path::new("/tf/scriptdata"));
    let neither = message(from(None, &enough[..1]));
    assert!(neither.starts_with("environment: server: has neither a key nor"));
    let signed = [enough[0], ("VPID_KEY", KEY)];
    assert!(from(None, &signed).unwrap().servers[0].key.is_some());

    std::fs::write(&second, server("")).unwrap();
    std::fs::set_permissions(&second, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = from(None, &[]).unwrap();
    assert_eq!(config.path.as_ref(), Some(&second));
    assert_eq!(config.state_dir, dir.path().join("state"));
    assert!(config.exposed.iter().eq([&second]));
    std::fs::set_permissions(&second, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(from(None, &[]).unwrap().exposed.is_empty());

    let inside = format!(
        "state_dir = \"/s\"\n{}[database]\ntype = \"none\"",
        server("")
    );
    std::fs::write(
        &second,
        inside.replace("/tf/scriptdata", dir.path().to_str().unwrap()),
    )
    .unwrap();
    assert!(message(from(None, &[])).contains("second.toml: this file lies in a scriptdata"));

    assert!(message(from(Some(&first), &[])).contains("first.toml: cannot be read: No such file"));
    let named = [("VPID_CONFIG", first.to_str().unwrap())];
    assert!(message(from(None, &named)).contains("first.toml"));
    assert!(message(from(Some(dir.path()), &[])).contains("is a folder"));
    std::fs::write(&first, b"watch = \"auto\"\n# caf\xe9\n").unwrap();
    assert!(message(from(None, &[])).contains("first.toml:2: is not UTF-8"));
    std::fs::write(&first, vec![b'#'; CONFIG_FILE_BYTES_MAX + 1]).unwrap();
    assert!(message(from(None, &[])).contains("is larger than"));
}

/// Commands that speak with a running vpid, for which the service has what the file lacks.
#[test]
fn a_state_folder_is_read_from_a_configuration_that_lacks_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vpid.toml");
    let none = dir.path().join("none.toml");
    let of = |text: &str, variables: &[(&str, &str)]| {
        std::fs::write(&file, text).unwrap();
        state_dir(Some(&file), set(variables))
    };
    let state = |name: &str| Ok(dir.path().join(name));
    for text in [
        "",
        "[[server]]\n[database]\ntype = \"mysql\"",
        "[[server]]\nscriptdata = \"/tf\"\nkey_file = \"/none\"",
        "colour = 1\n[vyhub]\n[query.x]\nsql = \"DROP\"",
    ] {
        assert_eq!(of(text, &[]), state("state"), "{text}");
        assert_eq!(
            of(&format!("state_dir = \"s\"\n{text}"), &[]),
            state("s"),
            "{text}"
        );
        let set = [("VPID_STATE_DIR", "/elsewhere")];
        assert_eq!(of(text, &set), Ok("/elsewhere".into()));
    }
    assert_eq!(of("state_dir = \"s\"\nbroken", &[]), state("s"));
    for (text, problem) in [
        ("state_dir = 5", "vpid.toml:1: state_dir: must be text"),
        ("broken\n", "vpid.toml:1: this is not TOML"),
    ] {
        let problems = of(text, &[]).unwrap_err();
        assert!(problems[0].to_string().contains(problem), "{problems:?}");
        let set = [("VPID_STATE_DIR", "/elsewhere")];
        assert_eq!(of(text, &set), Ok("/elsewhere".into()));
    }
    let problems = state_dir(Some(&none), set(&[])).unwrap_err();
    assert!(problems[0].to_string().contains("or set VPID_STATE_DIR"));
}

#[test]
fn a_call_needs_the_servers_of_a_configuration_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vpid.toml");
    let of = |text: &str| {
        std::fs::write(&file, text).unwrap();
        load_to_call(Some(&file), set(&[])).map_err(|problems| problems[0].to_string())
    };
    let rest =
        "[database]\ntype = \"mysql\"\ntls = \"perhaps\"\n[vyhub]\n[query.x]\nsql = \"DROP\"\n";
    let good = format!("colour = 1\n{}rcon = \"nowhere\"\n{rest}", server(""));
    let config = of(&good).unwrap();
    assert!(config.servers[0].legacy.is_some());
    for (text, problem) in [
        (good.replace("/tf/", ""), None),
        (
            good.replace("legacy_secret = ", "key_file = "),
            Some("server.key_file: "),
        ),
        (
            good.replace("scriptdata = ", "scriptdata "),
            Some("this is not TOML"),
        ),
        (rest.to_owned(), Some("server: there is none")),
    ] {
        match (of(&text), problem) {
            (Ok(_), None) => {}
            (found, Some(problem)) => {
                assert!(found.clone().unwrap_err().contains(problem), "{found:?}")
            }
            (found, None) => panic!("{found:?}"),
        }
    }
}
