//! The example of docs/databases.md, as it stands there, on every engine: tables, queries and what
//! a game mode does with them.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Host, Vpid, call};

const MANUAL: &str = include_str!("../../docs/databases.md");

/// A fenced block of the manual.
struct Block {
    /// Such as "toml".
    kind: &'static str,
    text: String,
}

/// The blocks of some part of the manual, in order.
fn blocks(text: &'static str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) => {
                inside = !inside;
                let text = String::new();
                blocks.extend(inside.then_some(Block { kind, text }));
            }
            None if inside => {
                let block = blocks.last_mut().expect("a block");
                block.text += &format!("{line}\n");
            }
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

fn section(heading: &str) -> &'static str {
    let (_, behind) = MANUAL
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading:?}"));
    behind.split("\n## ").next().expect("a first part")
}

struct Example {
    schema: String,
    /// What stands below `[database]`, for SQLite.
    sqlite: String,
    mysql: String,
    queries: String,
}

fn example() -> Example {
    let blocks = blocks(section("An example"));
    let kinds: Vec<_> = blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds, ["sql", "toml", "toml", "squirrel"]);
    let text = |number: usize| blocks[number].text.clone();
    let database = |text: &str| text.strip_prefix("[database]\n").map(str::to_owned);
    let config = text(1);
    let (sqlite, queries) = config.split_once("\n\n").expect("queries");
    Example {
        schema: text(0),
        sqlite: database(sqlite).expect("[database] first"),
        mysql: database(&text(2)).expect("[database] alone"),
        queries: queries.to_owned(),
    }
}

/// A vpid with the example's files; its database is still to be said.
fn with_example(example: &Example) -> Vpid {
    let vpid = Vpid::new()
        .permission("raw_sql = [\"test.nut\"]")
        .queries(&example.queries);
    fs::write(vpid.path("mge.sql"), &example.schema).expect("a schema");
    vpid
}

/// A script of the game mode.
fn mge(host: &mut Host, query: &str, kwargs: Value) -> Value {
    host.ask_as("mge.nut", &format!("VPI_SQL_mge_{query}"), kwargs)
}

fn visit(host: &mut Host, steamid: &str, name: &str) -> Value {
    mge(host, "player", json!({"steamid": steamid, "name": name}))
}

fn top(host: &mut Host, limit: i64) -> Vec<Value> {
    let top = mge(host, "top", json!({ "limit": limit }));
    top.as_array().unwrap_or_else(|| panic!("{top}")).clone()
}

fn raw(host: &mut Host, query: &str) -> Value {
    host.ask("VPI_DB_RawExecute", json!({ "query": query }))
}

#[track_caller]
fn is_error(answer: &Value, wanted: &str) {
    let text = answer.as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(text.starts_with("[VPI ERROR]"), "{text}");
    assert!(text.contains(wanted), "{text}");
}

#[track_caller]
fn is_good(vpid: &Vpid) -> String {
    let output = vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

fn players_come_and_keep_their_latest_name(host: &mut Host) {
    let fresh = json!([{"elo": 1600, "wins": 0, "losses": 0, "kills": 0, "deaths": 0}]);
    assert_eq!(visit(host, "[U:1:1]", "Ana"), fresh);
    assert_eq!(visit(host, "[U:1:1]", "Ana the Second"), fresh);
    assert_eq!(visit(host, "[U:1:2]", "Bob"), fresh);
    let names: Vec<Value> = top(host, 50).iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["Ana the Second", "Bob"]);
    is_error(&visit(host, "", "Nobody"), "ValueError: 'steamid'");
    is_error(
        &visit(host, "[U:1:3]", &"x".repeat(65)),
        "ValueError: 'name'",
    );
}

fn kills_of_two_servers_add_up(red: &mut Host, blue: &mut Host) {
    let kill = |killer: &str, victim: &str| {
        let kwargs = json!({"killer": killer, "victim": victim});
        let mut kill = call("VPI_SQL_mge_kill", kwargs);
        kill.script = "mge.nut".to_owned();
        kill
    };
    let (mut of_red, mut of_blue) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let ana_wins = kill("[U:1:1]", "[U:1:2]");
        let bob_wins = kill("[U:1:2]", "[U:1:1]");
        of_red.extend(red.send(&[ana_wins.clone(), ana_wins.clone()]).unwrap());
        of_blue.extend(blue.send(&[ana_wins, bob_wins]).unwrap());
    }
    // Both steps of each changed a row.
    assert_eq!(red.answers(&of_red), vec![json!(2); 20]);
    assert_eq!(blue.answers(&of_blue), vec![json!(2); 20]);
    let ana = &visit(blue, "[U:1:1]", "Ana")[0];
    assert_eq!((&ana["kills"], &ana["deaths"]), (&json!(30), &json!(10)));
    let bob = &visit(red, "[U:1:2]", "Bob")[0];
    assert_eq!((&bob["kills"], &bob["deaths"]), (&json!(10), &json!(30)));
}

fn duels_move_points(host: &mut Host) {
    let duel = |points: i64| json!({"winner": "[U:1:2]", "loser": "[U:1:1]", "arena": "Spire's", "points": points});
    assert_eq!(mge(host, "duel", duel(25)), 3);
    is_error(&mge(host, "duel", duel(101)), "ValueError: 'points'");
    is_error(&mge(host, "duel", duel(-1)), "ValueError: 'points'");
    assert_eq!(mge(host, "duel", duel(15)), 3);
    assert_eq!(
        top(host, 2),
        [
            json!({"name": "Bob", "elo": 1640, "wins": 2, "losses": 0}),
            json!({"name": "Ana", "elo": 1560, "wins": 0, "losses": 2}),
        ]
    );
    let duels = "SELECT winner, loser, arena, points FROM mge_duels ORDER BY points";
    let row = |points: i64| json!(["[U:1:2]", "[U:1:1]", "Spire's", points]);
    assert_eq!(raw(host, duels), json!([row(15), row(25)]));
    let rank = |host: &mut Host, id: &str| mge(host, "rank", json!({ "steamid": id }));
    assert_eq!(rank(host, "[U:1:2]"), 1);
    assert_eq!(rank(host, "[U:1:1]"), 2);
}

fn the_leaderboard_has_its_bounds(host: &mut Host) {
    for number in 3..=9 {
        visit(host, &format!("[U:1:{number}]"), "one of many");
    }
    let seven = mge(host, "top", Value::Null);
    assert_eq!(seven.as_array().map(Vec::len), Some(7), "{seven}");
    assert_eq!(top(host, 1).len(), 1);
    assert_eq!(top(host, 50).len(), 9);
    for limit in [json!(0), json!(51), json!("1; DROP TABLE mge_players")] {
        let answer = mge(host, "top", json!({ "limit": limit }));
        is_error(
            &answer,
            "ValueError: 'limit' must be a whole number from 1 to 50",
        );
    }
}

fn only_its_script_may_write(host: &mut Host) {
    let player = json!({"steamid": "[U:1:1]", "name": "Mallory"});
    let answer = host.ask("VPI_SQL_mge_player", player);
    is_error(&answer, "PermissionError: test.nut may not call it");
    let kill = json!({"killer": "[U:1:1]", "victim": "[U:1:2]"});
    is_error(&host.ask("VPI_SQL_mge_kill", kill), "PermissionError");
    // The leaderboard is for everybody.
    let best = host.ask("VPI_SQL_mge_top", json!({"limit": 1}));
    assert_eq!(best[0]["name"], "Bob");
}

/// Whatever a player calls himself.
const NAMES: [&str; 5] = [
    "'; DROP TABLE mge_players; --",
    "Zo\u{eb} \"the 'quote'\" \\ %s :name ?",
    "\u{1f480}\u{1f525} \u{6f22}\u{5b57} \u{e9}e\u{301}",
    "-- /* # `x` */",
    "\\'; \\x",
];

fn names_survive(host: &mut Host) {
    let long = "\u{1f480}".repeat(64);
    for (number, name) in (100..).zip(NAMES.into_iter().chain([long.as_str()])) {
        let steamid = format!("[U:1:{number}]");
        visit(host, &steamid, name);
        // First of all, for the leaderboard to show it.
        let points = json!({"winner": steamid, "loser": "[U:1:3]", "arena": name, "points": 100});
        for _ in 0..number - 98 {
            assert_eq!(mge(host, "duel", points.clone()), 3);
        }
        assert_eq!(top(host, 1)[0]["name"], *name);
    }
    assert_eq!(top(host, 50).len(), 9 + NAMES.len() + 1);
}

/// The whole of it, on whatever `[database]` says.
fn story(mut vpid: Vpid) {
    is_good(&vpid);
    vpid.start();
    let (mut red, mut blue) = (vpid.host("red"), vpid.host("blue"));
    players_come_and_keep_their_latest_name(&mut red);
    kills_of_two_servers_add_up(&mut red, &mut blue);
    duels_move_points(&mut blue);
    the_leaderboard_has_its_bounds(&mut red);
    only_its_script_may_write(&mut blue);
    names_survive(&mut red);

    // No step of the schema runs again: the index of the first is there already.
    let before = top(&mut blue, 50);
    assert!(vpid.stop().success());
    vpid.start();
    assert_eq!(top(&mut blue, 50), before);
    let said = is_good(&vpid);
    assert!(said.contains("queries: 5"), "{said}");
    assert!(said.contains("schema: 2 steps, all have run"), "{said}");
    let log = vpid.log();
    assert_eq!(
        log.matches("schema steps 1 to 2 have run").count(),
        1,
        "{log}"
    );
    assert!(!log.contains(" ERROR "), "{log}");
}

#[test]
fn the_example_of_the_manual_works_on_sqlite() {
    let example = example();
    story(with_example(&example).database_line(&example.sqlite));
}

/// With what the manual says is to be done on the server, once.
#[cfg(feature = "mysql")]
#[test]
fn the_example_of_the_manual_works_on_mariadb() {
    use crate::support::mariadb::{administrator, shared_server};
    use mysql::prelude::Queryable;

    let blocks = blocks(section("MySQL and MariaDB"));
    let prepare = blocks.iter().find(|block| block.kind == "sql");
    let prepare = &prepare.expect("statements for the server").text;
    let prepare = prepare
        .replace("tf2stats", "mge")
        .replace("'...'", "'hunter2'");
    let mut server = administrator(shared_server());
    for statement in prepare.split_inclusive(";\n") {
        server.query_drop(statement).expect(statement);
    }
    let example = example();
    let vpid = with_example(&example)
        .database_line(&example.mysql)
        .variable("VPI_PORT", &shared_server().port().to_string());
    fs::write(vpid.path("mysql.password"), "hunter2\n").expect("a password");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(vpid.path("mysql.password"), private).expect("its mode");
    story(vpid);
}

#[cfg(feature = "mysql")]
#[test]
fn every_configuration_in_the_manual_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = blocks(MANUAL);
    let schema = all.iter().find(|block| block.text.contains("-- step 2: "));
    let schema = &schema.expect("a schema").text;
    for name in ["schema.sql", "stats.sql", "mge.sql"] {
        fs::write(folder.path().join(name), schema).expect("a schema");
    }
    fs::write(folder.path().join("mysql.password"), "hunter2").expect("a password");
    let configurations: Vec<_> = all.iter().filter(|block| block.kind == "toml").collect();
    assert!(configurations.len() >= 7, "{}", configurations.len());
    for Block { text, .. } in configurations {
        let key = crate::support::KEY;
        let text = format!("[[server]]\nscriptdata = \"scriptdata\"\nkey = \"{key}\"\n{text}");
        let parsed = vpid::config::parse(&text, folder.path(), |_| None);
        let config = parsed.unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
        assert!(!config.databases.is_empty());
    }
}
