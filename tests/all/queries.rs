//! Functions of the configuration, from the call file to the answer.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Host, Vpid, wait_until};

const SCHEMA: &str = "
-- step 1
CREATE TABLE scores (name TEXT PRIMARY KEY, points INTEGER NOT NULL);
INSERT INTO scores VALUES ('Ana', 12), ('Bob', 31), ('Cem', 7);
";

const QUERIES: &str = r#"
[query.top]
sql = "SELECT name, points FROM scores ORDER BY points DESC LIMIT :limit"
params = { limit = { type = "integer", default = 2, min = 1, max = 50 } }
returns = "objects"

[query.points]
sql = "SELECT points FROM scores WHERE name = :name"
params = { name = "text" }
returns = "value"

[query.give]
steps = [
    "UPDATE scores SET points = points - :n WHERE name = :from",
    "UPDATE scores SET points = points + :n WHERE name = :to",
    "INSERT INTO scores (name, points) VALUES (:log, 0)",
]
params = { from = "text", to = "text", log = "text", n = { type = "integer", min = 1 } }
scripts = ["bank.nut"]
"#;

fn vpid() -> Vpid {
    let vpid = Vpid::new().database_line("schema = \"schema.sql\"");
    fs::write(vpid.path("schema.sql"), SCHEMA).expect("a schema");
    vpid
}

fn points(host: &mut Host, name: &str) -> Value {
    host.ask("VPI_SQL_points", json!({ "name": name }))
}

#[test]
fn queries_are_called_by_name_with_checked_values() {
    let vpid = vpid().queries(QUERIES).started();
    let mut host = vpid.host("red");
    let top = host.ask("VPI_SQL_top", Value::Null);
    assert_eq!(
        top,
        json!([{"name": "Bob", "points": 31}, {"name": "Ana", "points": 12}])
    );
    assert_eq!(points(&mut host, "Cem"), 7);
    assert_eq!(points(&mut host, "'; DROP TABLE scores; --"), Value::Null);
    for (kwargs, wanted) in [
        (
            json!({"limit": 51}),
            "ValueError: 'limit' must be a whole number from 1 to 50",
        ),
        (
            json!({"limit": "1; DROP TABLE scores"}),
            "ValueError: 'limit'",
        ),
        (
            json!({"limit": 1, "offset": 1}),
            "ValueError: 'offset' is none of its parameters",
        ),
    ] {
        let answer = host.ask("VPI_SQL_top", kwargs);
        let text = answer.as_str().expect("an error");
        assert!(text.contains(wanted), "{text}");
    }
    let missing = host.ask("VPI_SQL_points", Value::Null);
    assert_eq!(
        missing,
        "[VPI ERROR] (VPI_SQL_points) :: KeyError: 'name' is missing"
    );
    let unknown = host.ask("VPI_SQL_nothing", Value::Null);
    assert!(
        unknown.as_str().unwrap().contains("UnknownFunction"),
        "{unknown}"
    );
}

#[test]
fn steps_stand_or_fall_together_and_only_their_scripts_may_call_them() {
    let vpid = vpid().queries(QUERIES).started();
    let mut host = vpid.host("red");
    let give = json!({"from": "Bob", "to": "Ana", "log": "one", "n": 10});
    let refused = host.ask("VPI_SQL_give", give.clone());
    let text = refused.as_str().expect("an error");
    assert!(
        text.contains("PermissionError: test.nut may not call it"),
        "{text}"
    );
    assert_eq!(host.ask_as("bank.nut", "VPI_SQL_give", give.clone()), 3);
    assert_eq!(
        (points(&mut host, "Bob"), points(&mut host, "Ana")),
        (json!(21), json!(22))
    );
    // The last step breaks a key, and takes the others with it.
    let again = host.ask_as("bank.nut", "VPI_SQL_give", give);
    assert!(
        again.as_str().unwrap().contains("IntegrityError"),
        "{again}"
    );
    assert_eq!(
        (points(&mut host, "Bob"), points(&mut host, "Ana")),
        (json!(21), json!(22))
    );
    let functions = host.ask_as("bank.nut", "VPI_Info", Value::Null)["functions"].clone();
    assert!(
        functions
            .as_array()
            .unwrap()
            .contains(&json!("VPI_SQL_give"))
    );
    let functions = host.ask("VPI_Info", Value::Null)["functions"].clone();
    assert!(
        !functions
            .as_array()
            .unwrap()
            .contains(&json!("VPI_SQL_give"))
    );
}

#[test]
fn a_wrong_statement_is_an_error_of_the_configuration() {
    let wrong = QUERIES.replace("SELECT points", "SELECT pionts");
    let mut vpid = vpid().queries(&wrong);
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(3), "{log}");
    let found = log.lines().find(|line| line.contains("query.points.sql"));
    let line = found.unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("no such column: pionts (at character 8)"),
        "{line}"
    );
    let number = vpid
        .config_text()
        .lines()
        .position(|line| line.contains("pionts"));
    assert!(
        line.contains(&format!("vpid.toml:{}: ", number.unwrap() + 1)),
        "{line}"
    );
    let check = vpid.command(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("no such column: pionts"), "{said}");
}

#[test]
fn a_schema_that_fails_names_its_line() {
    let mut vpid = vpid();
    fs::write(
        vpid.path("schema.sql"),
        "-- step 1\n\nCREATE TABEL x (y);\n",
    )
    .unwrap();
    let (code, log) = vpid.refused();
    assert_eq!(code, Some(3), "{log}");
    assert!(
        log.contains("schema.sql:3: step 1: near \"TABEL\""),
        "{log}"
    );
}

#[test]
fn an_edit_takes_effect_without_a_restart_and_a_bad_one_does_not() {
    let vpid = vpid().queries(QUERIES).started();
    let mut host = vpid.host("red");
    assert_eq!(points(&mut host, "Ana"), 12);
    let edited = QUERIES.replace("SELECT points FROM", "SELECT points * 2 FROM");
    let vpid = vpid.queries(&edited);
    vpid.write_config();
    wait_until("the edit is in force", || points(&mut host, "Ana") == 24);

    let vpid = vpid.queries(&edited.replace("* 2", "* tow"));
    vpid.write_config();
    vpid.wait_for_log("no such column: tow");
    vpid.wait_for_log("the old one stays in force");
    assert_eq!(points(&mut host, "Ana"), 24);

    // A new step of the schema comes with an edit too.
    let schema = format!("{SCHEMA}-- step 2\nUPDATE scores SET points = 50 WHERE name = 'Ana';\n");
    fs::write(vpid.path("schema.sql"), schema).unwrap();
    let vpid = vpid.queries(&edited.replace("* 2", "* 3"));
    vpid.write_config();
    wait_until("both are in force", || points(&mut host, "Ana") == 150);
}

#[test]
fn several_databases_are_served_by_one() {
    let stats = "
[database.stats]
path = \"stats.db\"
schema = \"stats.sql\"

[query.visits]
database = \"stats\"
steps = [\"UPDATE visits SET n = n + 1\", \"SELECT n FROM visits\"]
returns = \"value\"
";
    let vpid = vpid().queries(&format!("{QUERIES}{stats}"));
    fs::write(
        vpid.path("stats.sql"),
        "CREATE TABLE visits (n INTEGER); INSERT INTO visits VALUES (0);",
    )
    .unwrap();
    let mut vpid = vpid.started();
    let mut host = vpid.host("red");
    assert_eq!(host.ask("VPI_SQL_visits", Value::Null), 1);
    assert_eq!(points(&mut host, "Ana"), 12);
    vpid.stop();
    vpid.start();
    assert_eq!(
        host.ask("VPI_SQL_visits", Value::Null),
        2,
        "the schema ran again"
    );
}

#[test]
fn a_query_is_tried_by_hand() {
    let vpid = vpid().queries(QUERIES).started();
    let output = vpid.command(&["call", "VPI_SQL_points", r#"{"name": "Bob"}"#]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "31");
    assert_eq!(output.status.code(), Some(0));
    let output = vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("queries: 3"), "{said}");
}
