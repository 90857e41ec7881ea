//! SQL functions of the owner.

use super::*;
use crate::sql::{Param, ParamKind, Returns};

/// A file that is fine, with queries behind its only server. They begin in line 5.
fn with(queries: &str) -> String {
    signed("") + queries
}

fn only(queries: &str) -> QueryEntry {
    let config = good(&with(queries));
    let [entry] = &config.queries[..] else {
        panic!("{:?}", config.queries)
    };
    entry.clone()
}

/// `[query.a]` with these lines is refused for these reasons; the lines begin in line 6.
#[track_caller]
fn wrong(lines: &str, expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|text| format!("vpid.toml:{text}"))
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    refused(&with(&format!("[query.a]\n{lines}\n")), &[], &expected);
}

#[test]
fn a_statement_is_enough() {
    let entry = only("[query.top_5]\nsql = 'SELECT name FROM players LIMIT 5'\n");
    let query = &entry.query;
    assert_eq!(query.function(), "VPI_SQL_top_5");
    assert_eq!((query.database, query.steps.len()), (0, 1));
    assert_eq!((query.returns, &query.scripts), (Returns::Rows, &None));
    assert_eq!(query.deadline_ms, None);
    assert_eq!(query.params, []);
    assert_eq!(
        (&*entry.source, &entry.lines[..]),
        ("vpid.toml", &[Some(6)][..])
    );
    let entry = only("[query.a]\nsql = 'DELETE FROM players'\n");
    assert_eq!(entry.query.returns, Returns::Count);
}

#[test]
fn everything_can_be_said() {
    let text = with(
        "[query.add]\nsteps = [\n  'UPDATE p SET n = n + :by WHERE id = :id',\n\n  \"\"\"\nSELECT n\n\
         FROM p WHERE id = :id\"\"\",\n]\nreturns = 'value'\nscripts = ['a.nut', 'b.nut']\n\
         deadline_ms = 2000\ndatabase = 'stats'\n[query.add.params]\nid = 'text'\n\
         by = { type = 'integer', min = 1, max = 0x32, default = 1 }\n\
         [query.Add]\nsql = 'SELECT 1'\n[database.stats]\n",
    );
    let config = good(&text);
    let names: Vec<_> = config
        .queries
        .iter()
        .map(|it| it.query.name.as_str())
        .collect();
    assert_eq!(names, ["Add", "add"]);
    let entry = &config.queries[1];
    let query = &entry.query;
    assert_eq!(entry.lines, [Some(7), Some(9)]);
    assert_eq!((query.database, query.returns), (1, Returns::Value));
    let scripts = ["a.nut".to_owned(), "b.nut".to_owned()];
    assert_eq!(query.scripts.as_deref(), Some(&scripts[..]));
    assert_eq!(query.deadline_ms, Some(2000));
    let by = &query.params[0];
    assert_eq!(
        (by.name.as_str(), &by.default),
        ("by", &Some(Param::Int(1)))
    );
    assert_eq!(by.kind, ParamKind::Integer { min: 1, max: 50 });
    assert_eq!(query.steps[0].params, [0, 1]);
    assert_eq!(query.steps[1].params, [1]);
    let on_stats: Vec<_> = config
        .queries_on(1)
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(on_stats, ["add"]);
    assert_eq!(config.queries_on(0).len(), 1);
}

#[test]
fn kinds_of_parameters() {
    let whole = |min, max| ParamKind::Integer { min, max };
    for (param, kind, default) in [
        ("'integer'", whole(i64::MIN, i64::MAX), None),
        ("{ type = 'integer', max = 5 }", whole(i64::MIN, 5), None),
        (
            "{ type = 'integer', optional = true }",
            whole(i64::MIN, i64::MAX),
            Some(Param::Null),
        ),
        (
            "{ type = 'integer', optional = false, default = 0 }",
            whole(i64::MIN, i64::MAX),
            Some(Param::Int(0)),
        ),
        (
            "{ type = 'number', min = 0, default = 1 }",
            ParamKind::Number {
                min: 0.0,
                max: f64::MAX,
            },
            Some(Param::Float(1.0)),
        ),
        ("'text'", ParamKind::Text { min: 0, max: 4096 }, None),
        (
            "{ type = 'text', min = 1, max = 65536, default = 'a' }",
            ParamKind::Text {
                min: 1,
                max: 65_536,
            },
            Some(Param::Text("a".to_owned())),
        ),
        (
            "{ type = 'boolean', default = true }",
            ParamKind::Boolean,
            Some(Param::Int(1)),
        ),
    ] {
        let entry = only(&format!(
            "[query.q]\nsql = 'SELECT :v'\nparams.v = {param}\n"
        ));
        let found = &entry.query.params[0];
        assert_eq!((found.kind, &found.default), (kind, &default), "{param}");
    }
}

/// Parameters, and what is said of them behind their names.
const WRONG_PARAMS: &[(&str, &str)] = &[
    (
        "'int'",
        ": \"int\" is none of \"integer\", \"number\", \"text\", \"boolean\"",
    ),
    (
        "3",
        ": must be a type, such as \"integer\", or a table with one, and is a whole",
    ),
    ("{ min = 1 }", ": has no type; it is one of \"integer\""),
    ("{ type = 1 }", ".type: must be text in quotes"),
    (
        "{ type = 'text', minn = 1 }",
        ".minn: is not a key that vpid knows; did you mean min?",
    ),
    (
        "{ type = 'integer', min = 1.5 }",
        ".min: must be a whole number",
    ),
    (
        "{ type = 'integer', min = 'a' }",
        ".min: must be a number, and is text",
    ),
    (
        "{ type = 'integer', max = 9223372036854775808 }",
        ".max: must be a whole number",
    ),
    ("{ type = 'number', max = inf }", ".max: must be a number"),
    ("{ type = 'number', max = nan }", ".max: must be a number"),
    (
        "{ type = 'integer', min = 2, max = 1 }",
        ".min: is above max, which is 1",
    ),
    (
        "{ type = 'text', min = 5000 }",
        ".min: is above max, which is 4096",
    ),
    (
        "{ type = 'text', max = 65537 }",
        ".max: must be a whole number of characters, 0 to",
    ),
    (
        "{ type = 'text', min = -1 }",
        ".min: must be a whole number of characters",
    ),
    (
        "{ type = 'boolean', max = 1 }",
        ".max: is for numbers and texts",
    ),
    (
        "{ type = 'boolean', optional = 1 }",
        ".optional: must be true or false, and is a",
    ),
    (
        "{ type = 'integer', max = 5, min = 1, default = 6 }",
        ".default: must be a whole number from 1 to 5",
    ),
    (
        "{ type = 'text', max = 1, default = 'ab' }",
        ".default: must be a text of at most 1",
    ),
    (
        "{ type = 'number', default = nan }",
        ".default: must be a number",
    ),
    (
        "{ type = 'text', default = [] }",
        ".default: must be a number, a text, true or false",
    ),
    (
        "{ type = 'text', default = 'a', optional = true }",
        ".default: stands beside optional = true; keep one",
    ),
];

#[test]
fn impossible_parameters() {
    for (param, expected) in WRONG_PARAMS {
        let lines = format!("sql = 'SELECT :v'\nparams.v = {param}");
        wrong(&lines, &[&format!("7: query.a.params.v{expected}")]);
    }
    wrong(
        "sql = 'SELECT 1'\nparams.v = 'text'\nparams.\"b c\" = 'text'",
        &[
            "7: query.a.params.v: no statement has :v in it; remove it",
            "8: query.a.params.\"b c\": \"b c\" is no name for a parameter; use at most 64",
            "8: query.a.params.\"b c\": no statement has",
        ],
    );
    wrong(
        "sql = 'SELECT :v'\nparams = ['v']",
        &["7: query.a.params: must be a table, such as { limit = \"integer\" }, and is a list"],
    );
    let many: String = (0..65)
        .map(|n| format!("params.v{n:02} = 'text'\n"))
        .collect();
    let used: String = (0..65).map(|n| format!(" :v{n:02}")).collect();
    wrong(
        &format!("{many}sql = 'SELECT{used}'"),
        &["70: query.a.params.v64: there are 65; at most 64 fit"],
    );
}

#[test]
fn wrong_statements_are_reported_with_their_places() {
    for (lines, expected) in [
        (
            "",
            "5: query.a: has no statement; write it into sql, or several into steps",
        ),
        (
            "sql = ''",
            "6: query.a.sql: there is no statement; write one (at character 1)",
        ),
        (
            "sql = ' -- x'",
            "6: query.a.sql: there is no statement; write one",
        ),
        (
            "sql = 3",
            "6: query.a.sql: must be text in quotes, and is a whole number",
        ),
        (
            "sql = 'SELECT :id'",
            "6: query.a.sql: :id is not among its params (at character 8)",
        ),
        (
            "sql = '''\nSELECT 1\nWHERE 1 = ?'''",
            "6: query.a.sql: `?` stands for no parameter here; write its name, as in :name (at \
             line 2, character 11 of the statement)",
        ),
        (
            "sql = 'SELECT 1; SELECT 2'",
            "6: query.a.sql: one statement goes before the `;`; several stand in steps",
        ),
        (
            "steps = [\n'SELECT 1',\n'SELECT ?',\n]",
            "8: query.a.steps, statement 2: `?` stands for no parameter",
        ),
        (
            "steps = []",
            "6: query.a.steps: is empty; write the statements into it",
        ),
        (
            "steps = ['SELECT 1', 2]",
            "6: query.a.steps: must be a list of texts, such as [\"SELECT",
        ),
        (
            "steps = 'SELECT 1'",
            "6: query.a.steps: must be a list of texts",
        ),
        (
            "steps = ['SELECT 1']\nsql = 'SELECT 1'",
            "6: query.a.steps: stands beside sql; keep one of the two",
        ),
    ] {
        wrong(lines, &[expected]);
    }
    // What a broken line was to say is not missed as well.
    wrong(
        "sql = 'SELECT :v'\ndatabase = 'stats'\nparams.v 'text'\n[database.stats",
        &["8: this is not TOML", "9: this is not TOML"],
    );
    let many = "'SELECT 1', ".repeat(17);
    wrong(
        &format!("steps = [{many}]"),
        &["6: query.a.steps: has 17 statements; at most 16 fit"],
    );
}

/// Lines, and what is said of them.
const WRONG_KEYS: &[(&str, &str)] = &[
    (
        "returns = 'row s'",
        "returns: \"row s\" is none of \"rows\", \"objects\", \"row\"",
    ),
    (
        "scripts = ['*']",
        "scripts: \"*\" is no script; write its bare file name",
    ),
    (
        "scripts = 'a.nut'",
        "scripts: must be a list of texts, such as [\"admin.nut\"]",
    ),
    (
        "deadline_ms = 99",
        "deadline_ms: must be 100 to 600000 milliseconds",
    ),
    (
        "database = 'statz'",
        "database: there is no [database.statz]; did you mean \"stats\"?",
    ),
    (
        "database = 'elsewhere'",
        "database: there is no [database.elsewhere]; without this key, the query is for",
    ),
    ("database = ''", "database: there is no [database.]"),
    (
        "deadlin_ms = 1",
        "deadlin_ms: is not a key that vpid knows; did you mean deadline_ms?",
    ),
    (
        "cache_s = 5",
        "cache_s: is not a key that vpid knows; known here: sql, steps, params",
    ),
    (
        "poll_ms = 1",
        "poll_ms: is not a key that vpid knows; it belongs to the top of the file",
    ),
    (
        "max = 1",
        "max: is not a key that vpid knows; it belongs to [query.NAME.params]",
    ),
];

#[test]
fn other_keys_that_cannot_be() {
    for (line, expected) in WRONG_KEYS {
        let lines = format!("sql = 'SELECT 1'\n{line}\n[database.stats]");
        wrong(&lines, &[&format!("7: query.a.{expected}")]);
    }
    let named = "[query.\"a-b\"]\nsql = 'SELECT 1'\n[query]\nb = 'SELECT 1'\n";
    refused(
        &with(named),
        &[],
        &[
            "vpid.toml:5: query.a-b: \"a-b\" is no name for a query; use at most 64 letters",
            "vpid.toml:8: query.b: must be a table, as in [query.NAME], and is text",
        ],
    );
    refused(
        &with("[query.a]\nsql = 'SELECT 1'\n[database]\ntype = 'none'\n"),
        &[],
        &["vpid.toml:5: query.a: has no database, as [database] is of type \"none\""],
    );
    let many: String = (0..1001)
        .map(|n| format!("[query.q{n:04}]\nsql='SELECT 1'\n"))
        .collect();
    refused(
        &with(&many),
        &[],
        &["vpid.toml:2005: query.q1000: there are 1001; at most 1000 fit"],
    );
}

#[test]
fn a_statement_is_read_as_its_database_reads_it() {
    let queries = |kind: &str| {
        with(&format!(
            "[query.a]\nsql = \"SELECT '\\\\':v'\"\nparams.v = 'text'\n[database]\n{kind}"
        ))
    };
    // In SQLite the text ends at the second quote, in MySQL the backslash keeps it open.
    good(&queries(""));
    if cfg!(feature = "mysql") {
        let kind = "type = 'mysql'\nuser = 'u'\ndatabase = 'd'\n";
        let expected = ["vpid.toml:7: query.a.params.v: no statement has :v in it"];
        refused(&queries(kind), &[], &expected);
    }
}

#[test]
fn permissions_for_queries_that_are_not_there() {
    let config = good(&with(
        "[query.top]\nsql = 'SELECT 1'\n[permissions]\n\
         'a.nut' = ['VPI_SQL_top', 'VPI_SQL_*', 'VPI_SQL_topp', 'VPI_SQL_other']\n",
    ));
    assert_eq!(
        config.warnings,
        [
            "vpid.toml:8: permissions.\"a.nut\": VPI_SQL_topp is permitted, but there is no \
             [query.topp]; did you mean VPI_SQL_top?",
            "vpid.toml:8: permissions.\"a.nut\": VPI_SQL_other is permitted, but there is no \
             [query.other]",
        ]
    );
    assert!(config.permissions.allows("a.nut", "VPI_SQL_any"));
}

#[test]
fn the_queries_of_the_example_are_good_once_they_are_uncommented() {
    let (_, ours) = EXAMPLE.split_once("# SQL functions for scripts").unwrap();
    let (ours, _) = ours.split_once("# Which functions a script").unwrap();
    // In each block sentences come first, then a key or the head of the table.
    let is_key = |line: &&str| line.starts_with("# [") || line.contains(" = ");
    let blocks = ours.split("\n\n").map(|block| {
        let lines = block.lines().skip_while(|line| !is_key(line));
        lines
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .collect::<String>()
    });
    let blocks: Vec<_> = blocks.collect();
    assert_eq!(blocks.len(), 9, "{blocks:?}");
    for one_of_two in ["sql", "steps"] {
        let other = if one_of_two == "sql" { "steps" } else { "sql" };
        let kept = blocks
            .iter()
            .filter(|block| !block.starts_with(&format!("{other} =")));
        let text = with(&kept.map(String::as_str).collect::<String>()) + "[database.stats]\n";
        let config = parse_with(&text, &[]).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
        let query = &config.queries[0].query;
        assert_eq!(
            (query.name.as_str(), query.params.len()),
            ("top_players", 2)
        );
    }
}
