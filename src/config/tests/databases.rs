//! Several databases, their files, and what must be in them.

use std::fs;

use super::*;

fn sqlite(database: &Database) -> (&str, &Path, bool) {
    let Engine::Sqlite(sqlite) = &database.engine else {
        panic!("{database:?}")
    };
    (&database.name, &sqlite.path, sqlite.full_durability)
}

/// A file that is fine, with databases behind its only server.
fn with(databases: &str) -> String {
    signed("") + databases
}

#[test]
fn the_default_database_comes_first_and_the_others_by_their_names() {
    let text = with(
        "[database.stats]\n[database.Bans-2]\npath = 'b/bans.db'\ndurability = 'normal'\n\
         [database]\npath = 'main.db'\n",
    );
    let config = good(&text);
    let found: Vec<_> = config.databases.iter().map(sqlite).collect();
    assert_eq!(
        found,
        [
            ("", Path::new("/base/main.db"), true),
            ("Bans-2", Path::new("/base/b/bans.db"), false),
            ("stats", Path::new("/base/stats.db"), true),
        ]
    );
    assert_eq!(config.default_database(), Some(0));
    // Without [database], there is the usual one all the same.
    let config = good(&with("[database.stats]"));
    let first = sqlite(&config.databases[0]);
    assert_eq!(first, ("", Path::new("/base/vpid.db"), true));
    // It need not be there, and the environment can say so.
    let none = good(&with("[database]\ntype = 'none'\n[database.stats]"));
    let without = [("VPID_DATABASE_TYPE", "none")];
    let unset = parse_with(&with("[database.stats]"), &without).unwrap();
    for config in [none, unset] {
        assert_eq!(config.default_database(), None);
        assert_eq!(sqlite(&config.databases[0]).0, "stats");
    }
    assert_eq!(good(&with("[database]\ntype = 'none'")).databases, []);
}

#[test]
fn variables_are_for_the_default_database_alone() {
    let variables = [
        ("VPID_DATABASE_PATH", "/var/main.db"),
        ("VPID_DATABASE_DURABILITY", "normal"),
        ("VPI_HOST", "db.example.com"),
        ("VPI_PASSWORD", "hunter2"),
    ];
    let config = parse_with(&with("[database.stats]"), &variables).unwrap();
    let found: Vec<_> = config.databases.iter().map(sqlite).collect();
    assert_eq!(
        found,
        [
            ("", Path::new("/var/main.db"), false),
            ("stats", Path::new("/base/stats.db"), true),
        ]
    );
}

#[test]
fn impossible_databases() {
    let text = with(
        "[database]\nuser = 'x'\npool = 3\ntls = 3\n\
         [database.a]\ntype = 'none'\n\
         [database.\"b c\"]\n\
         [database.d]\ntype = 'oracle'\ncolour = 1\nposition = 'x'\nkey = 'x'\n\
         [database.e]\npath = '/tf/scriptdata/e.db'\n[database.e.f]\n",
    );
    let expected = [
        "vpid.toml:6: database.user: belongs to type = \"mysql\"",
        "vpid.toml:7: database.pool: belongs to type = \"mysql\"",
        "vpid.toml:8: database.tls: must be \"off\", \"encrypt\" or \"verify\", and is a whole",
        "vpid.toml:10: database.a.type: \"none\" is for [database] alone; remove [database.a]",
        "vpid.toml:11: database.\"b c\": \"b c\" is no name for a database; use at most 64",
        "vpid.toml:13: database.d.type: \"oracle\" is none of \"sqlite\", \"mysql\"",
        "vpid.toml:14: database.d.colour: is not a key that vpid knows; known here: type, path",
        "vpid.toml:15: database.d.position: is not a key that vpid knows; known here",
        "vpid.toml:16: database.d.key: is not a key that vpid knows; it belongs to [[server]]",
        "vpid.toml:18: database.e.path: lies in a scriptdata folder",
        "vpid.toml:19: database.e.f: is not a key that vpid knows",
    ];
    refused(&text, &[], &expected);
    let many: String = (0..16).map(|n| format!("[database.d{n}]\n")).collect();
    refused(
        &with(&many),
        &[],
        &["vpid.toml:14: database.d9: there are 17; at most 16 fit"],
    );
    refused(
        &format!("database = 'vpid.db'\n{}", with("")),
        &[],
        &["vpid.toml:1: database: must be a [database] table, and is text"],
    );
}

#[test]
fn no_two_databases_are_one_file() {
    let text = with("[database.vpid]\n[database.b]\npath = 'x/../vpid.db'\n");
    let expected = ["vpid.toml:5: database.vpid: has the same file as [database]; give it a path"];
    refused(&text, &[], &expected);

    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("x")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
    let text = with("[database.a]\npath = 'link/s.db'\n[database.b]\npath = 'x/../s.db'\n");
    let found = parse(&text, dir.path(), set(&[])).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    let said = found[0].to_string();
    let expected = "vpid.toml:7: database.b: has the same file as [database.a]";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn options_are_for_mysql() {
    let options = [("--host", "db"), ("--password", "hunter2"), ("--user", "")];
    let expected = [
        "command line: --host: is for MySQL; set type = \"mysql\" in [database]",
        "command line: --password: is for MySQL; set type = \"mysql\" in [database]",
    ];
    for text in ["", "[database]\ntype = 'none'\n"] {
        refused(&with(text), &options, &expected);
    }
}

#[test]
#[cfg(not(feature = "mysql"))]
fn a_vpid_without_mysql_says_where_there_is_one() {
    let text = with(
        "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\n\
         [database.b]\ntype = 'mariadb'\nuser = 'u'\ndatabase = 'b'\n",
    );
    let said = "this vpid was built without MySQL; build it with `cargo build --release --features \
                mysql`, or take a binary that has it";
    let expected = [
        &*format!("vpid.toml:6: database.type: {said}"),
        &*format!("vpid.toml:10: database.b.type: {said}"),
    ];
    refused(&text, &[], &expected);
}

#[test]
fn a_schema_is_read_with_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("schema.sql");
    let text = with("[database]\nschema = 'schema.sql'\n[database.b]\n");
    let read = || parse(&text, dir.path(), set(&[]));
    let message = || {
        let found = read().unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].to_string()
    };
    assert!(message().starts_with("vpid.toml:6: database.schema: "));
    assert!(message().contains("schema.sql cannot be read: No such file"));

    fs::write(
        &file,
        "-- step 1\nCREATE TABLE a (b);\n-- step 2\nDROP TABLE a;\n",
    )
    .unwrap();
    let config = read().unwrap();
    let schema = config.databases[0].schema.as_ref().unwrap();
    assert_eq!((&schema.path, schema.schema.steps.len()), (&file, 2));
    assert_eq!(config.databases[1].schema, None);

    fs::write(
        &file,
        "-- step 2\nCREATE TABLE a (b);\n-- step 1\nDROP TABLE a;\n",
    )
    .unwrap();
    assert_eq!(message(), "schema.sql:3: step 1 stands behind step 2");
    fs::write(&file, b"-- step 1\nSELECT 'caf\xe9';\n").unwrap();
    assert!(message().starts_with("schema.sql:2: is not UTF-8 from here on"));
    fs::write(&file, vec![b'-'; (1 << 20) + 1]).unwrap();
    assert!(message().contains("is larger than 1048576 bytes, which no schema is"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(message().contains("is not a file; name the file with the schema"));

    refused(
        &text.replace("schema.sql", "/tf/scriptdata/s.sql"),
        &[],
        &["vpid.toml:6: database.schema: lies in a scriptdata folder"],
    );
}
