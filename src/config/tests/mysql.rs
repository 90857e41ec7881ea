//! Databases on MySQL and MariaDB: addresses, passwords, TLS, and what lies over the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A default database on MySQL that is fine, with these lines in it. They begin in line 9.
fn with(lines: &str) -> String {
    let needed = "[database]\ntype = 'mysql'\nuser = 'tf2'\ndatabase = 'interface'\n";
    signed("") + needed + lines
}

fn mysql(database: &Database) -> &Mysql {
    match &database.engine {
        Engine::Mysql(mysql) => mysql,
        Engine::Sqlite(_) => panic!("{database:?}"),
    }
}

fn password(mysql: &Mysql) -> &str {
    mysql.password.as_ref().map_or("", |password| &password.0)
}

#[test]
fn what_is_needed_is_enough() {
    let config = good(&with(""));
    assert_eq!(config.warnings, [""; 0]);
    let expected = Mysql {
        host: "127.0.0.1".to_owned(),
        port: 3306,
        socket: None,
        user: "tf2".to_owned(),
        password: None,
        database: "interface".to_owned(),
        tls: Tls::Off,
        pool: 4,
    };
    assert_eq!(mysql(&config.databases[0]), &expected);
    // An empty password is none.
    let config = good(&with("password = ''").replace("'mysql'", "'mariadb'"));
    assert_eq!(mysql(&config.databases[0]), &expected);
}

#[test]
fn everything_can_be_said() {
    let lines = "password = 'hunter2'\nhost = 'db.example.com'\nport = 3307\ntls = true\n\
                 tls_ca = 'ca.pem'\npool = 64\n\
                 [database.here]\ntype = 'mysql'\nsocket = 'mysqld.sock'\nuser = 'u'\n\
                 database = 'd'\ntls = 'encrypt'\n";
    let config = good(&with(lines));
    assert_eq!(config.warnings, [""; 0]);
    let first = mysql(&config.databases[0]);
    assert_eq!((first.host.as_str(), first.port), ("db.example.com", 3307));
    let ca = Some(PathBuf::from("/base/ca.pem"));
    assert_eq!((&first.tls, first.pool), (&Tls::Verify { ca }, 64));
    assert_eq!(password(first), "hunter2");
    let here = mysql(&config.databases[1]);
    assert_eq!(here.socket.as_deref(), Some(Path::new("/base/mysqld.sock")));
    assert_eq!(here.tls, Tls::Encrypt);
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    let config = good(&with("tls = false"));
    assert_eq!(mysql(&config.databases[0]).tls, Tls::Off);
}

/// Lines, and what is said of them.
const WRONG_LINES: &[(&str, &[&str])] = &[
    (
        "path = 'a'",
        &["9: database.path: belongs to type = \"sqlite\""],
    ),
    (
        "durability = 'full'",
        &["9: database.durability: belongs to type = \"sqlite\""],
    ),
    (
        "host = ''",
        &["9: database.host: is empty; name the machine"],
    ),
    (
        "host = '/run/s.sock'",
        &["9: database.host: is a path; name a Unix socket with socket"],
    ),
    (
        "host = 'db:3306'",
        &["9: database.host: has a port in it; name that with port"],
    ),
    (
        "host = 'a b'",
        &["9: database.host: is no host; write a name"],
    ),
    ("port = 0", &["9: database.port: must be 1 to 65535"]),
    ("port = 65536", &["9: database.port: must be 1 to 65535"]),
    (
        "pool = 65",
        &["9: database.pool: must be 1 to 64 connections"],
    ),
    (
        "tls = 'on'",
        &["9: database.tls: \"on\" is none of \"off\", \"encrypt\", \"verify\""],
    ),
    (
        "tls_ca = 'a'",
        &["9: database.tls_ca: is for tls = \"verify\"; set that too"],
    ),
    (
        "tls = true\ntls_ca = '/tf/scriptdata/ca.pem'",
        &["10: database.tls_ca: lies in a scriptdata folder"],
    ),
    (
        "host = 'a'\nport = 3306\nsocket = 's'",
        &[
            "9: database.host: stands beside socket; keep the socket, or host and port",
            "10: database.port: stands beside socket; keep",
        ],
    ),
    (
        "password = 'hunter2'\npassword_file = 'p'",
        &["10: database.password_file: stands beside password; keep one"],
    ),
    (
        "password = \"hunter2\\u0000\"",
        &["9: database.password: has a NUL"],
    ),
];

#[test]
fn impossible_values_and_their_sentences() {
    for (lines, problems) in WRONG_LINES {
        let problems: Vec<_> = problems
            .iter()
            .map(|text| format!("vpid.toml:{text}"))
            .collect();
        let problems: Vec<_> = problems.iter().map(String::as_str).collect();
        refused(&with(lines), &[], &problems);
        let found = parse_with(&with(lines), &[]).unwrap_err();
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
    good(&with("host = '::1'"));
    refused(
        &(signed("") + "[database]\ntype = 'mysql'\nuser = ''\n[database.b]\ntype = 'mysql'\n"),
        &[],
        &[
            "vpid.toml:5: database: has no database; name the one that the tables are in, here or \
             in VPI_INTERFACE",
            "vpid.toml:7: database.user: is empty",
            "vpid.toml:8: database.b: has no user; name the one that vpid logs in as",
            "vpid.toml:8: database.b: has no database; name the one that the tables are in",
        ],
    );
}

#[test]
fn no_two_databases_are_one_on_a_server() {
    let other = |lines: &str| {
        with("") + "[database.b]\ntype = 'mysql'\nuser = 'b'\ndatabase = 'interface'\n" + lines
    };
    for lines in ["", "host = 'localhost'", "host = '::1'"] {
        refused(
            &other(lines),
            &[],
            &["vpid.toml:9: database.b: is the same database on the same server as [database]"],
        );
    }
    for lines in ["port = 3307", "host = 'db'", "socket = 's'"] {
        good(&other(lines));
    }
    good(&other("").replace("'b'\ndatabase = 'interface'", "'b'\ndatabase = 'stats'"));
}

#[test]
fn a_password_that_travels_in_the_open_is_warned_about() {
    let warning = |lines: &str| good(&with(&format!("password = 'hunter2'\n{lines}"))).warnings;
    let [said] = &warning("host = 'db.example.com'")[..] else {
        panic!("no warning")
    };
    let expected = "vpid.toml:9: database.password: goes to db.example.com unencrypted, and so";
    assert!(said.starts_with(expected), "{said}");
    for safe in [
        "",
        "host = 'localhost'",
        "host = '127.0.0.2'",
        "host = '::1'",
        "socket = 's'",
        "host = 'db'\ntls = 'encrypt'",
        "host = 'db'\ntls = 'verify'",
    ] {
        assert_eq!(warning(safe), [""; 0], "{safe}");
    }
}

#[test]
fn passwords_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mysql.password");
    let text = with("password_file = 'mysql.password'");
    let read = |text: &str, variables: &[(&str, &str)]| parse(text, dir.path(), set(variables));
    let message = || read(&text, &[]).unwrap_err()[0].to_string();
    let starts = |start: &str| assert!(message().starts_with(start), "{}", message());

    starts("vpid.toml:9: database.password_file: ");
    assert!(message().contains("mysql.password cannot be read: No such file"));
    fs::write(&file, "hunter 2\n\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let config = read(&text, &[]).unwrap();
    assert_eq!(password(mysql(&config.databases[0])), "hunter 2");
    assert!(config.exposed.is_empty());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let config = read(&text, &[]).unwrap();
    assert!(config.exposed.iter().eq([&file]));
    assert_eq!(config.warnings, [exposure_warning(&file)]);

    let named = [("VPID_DATABASE_PASSWORD_FILE", file.to_str().unwrap())];
    let config = read(&with("password = 'other'"), &named).unwrap();
    assert_eq!(password(mysql(&config.databases[0])), "hunter 2");

    fs::write(&file, "\n").unwrap();
    starts("vpid.toml:9: database.password_file: is an empty file; put");
    fs::write(&file, b"caf\xe9").unwrap();
    assert!(message().contains("mysql.password is not UTF-8"));
    fs::write(&file, [b'x'; 16_385]).unwrap();
    assert!(message().contains("is larger than 16384 bytes"));
}

#[test]
fn a_file_with_a_password_in_it_is_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vpid.toml");
    let key = dir.path().join("key");
    let text = with("password = 'hunter2'").replace(&format!("key = '{KEY}'"), "key_file = 'key'");
    for (path, text) in [(&path, text.as_str()), (&key, KEY)] {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(load(Some(&path), |_| None).unwrap().exposed.is_empty());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        load(Some(&path), |_| None)
            .unwrap()
            .exposed
            .iter()
            .eq([&path])
    );
    // A password from elsewhere makes the file no secret.
    let variables = [("VPI_PASSWORD", "other")];
    assert!(
        load(Some(&path), set(&variables))
            .unwrap()
            .exposed
            .is_empty()
    );
}

/// What the stock server takes from its environment.
const STOCK: [(&str, &str); 5] = [
    ("VPI_HOST", "db"),
    ("VPI_PORT", "3307"),
    ("VPI_USER", "stock"),
    ("VPI_PASSWORD", "hunter2"),
    ("VPI_INTERFACE", "tables"),
];

fn is_stock(config: &Config) {
    let found = mysql(&config.databases[0]);
    assert_eq!((found.host.as_str(), found.port), ("db", 3307));
    assert_eq!((&*found.user, password(found)), ("stock", "hunter2"));
    assert_eq!((&*found.database, &found.socket), ("tables", &None));
}

#[test]
fn variables_of_the_stock_server_lie_over_the_file() {
    let file = with("socket = 's'\npassword_file = '/nowhere'");
    is_stock(&parse_with(&file, &STOCK).unwrap());
    // Chosen by the environment, MySQL passes over what the file says for SQLite.
    let file = signed("") + "[database]\ntype = 'sqlite'\npath = 'vpid.db'\n";
    let mut variables = STOCK.to_vec();
    variables.push(("VPID_DATABASE_TYPE", "mysql"));
    variables.push(("VPID_DATABASE_PATH", "/x.db"));
    is_stock(&parse_with(&file, &variables).unwrap());
    let named = with("[database.b]\ntype = 'mysql'\nuser = 'b'\ndatabase = 'b'\n");
    let config = parse_with(&named, &STOCK).unwrap();
    is_stock(&config);
    assert_eq!(mysql(&config.databases[1]).host, "127.0.0.1");

    let variables = [
        ("VPI_HOST", "db:3306"),
        ("VPI_PORT", "many"),
        ("VPI_USER", ""),
        ("VPI_PASSWORD", "hunter2"),
        ("VPID_DATABASE_PASSWORD_FILE", "/p"),
    ];
    let expected = [
        "environment: VPI_PORT: \"many\" is not a whole number",
        "environment: VPID_DATABASE_PASSWORD_FILE: stands beside password; keep one",
        "environment: VPI_HOST: has a port in it",
    ];
    refused(&with(""), &variables, &expected);
    let expected = ["environment: VPI_PORT: must be 1 to 65535"];
    refused(&with(""), &[("VPI_PORT", "70000")], &expected);
}

#[test]
fn options_win_over_everything() {
    let mut said: Vec<_> = STOCK.iter().map(|(name, _)| (*name, "1")).collect();
    said.push(("VPID_DATABASE_PASSWORD_FILE", "/nowhere"));
    let options = ["--host", "--port", "--user", "--password", "--database"];
    said.extend(
        options
            .into_iter()
            .zip(STOCK)
            .map(|(option, (_, value))| (option, value)),
    );
    is_stock(&parse_with(&with("password = 'file'"), &said).unwrap());
    let wrong = [("--port", "x"), ("--host", "/s")];
    let expected = [
        "command line: --port: \"x\" is not a whole number",
        "command line: --host: is a path",
    ];
    refused(&with(""), &wrong, &expected);
}
