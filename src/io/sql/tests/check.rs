//! Checks: all that a start does is tried, and nothing of it stays.

use super::super::{Finding, Preparation, Verdict, check};
use super::support::{APPLIED, Desk, PLAYERS, preparation, query};
use crate::sql::Returns;
use std::fs;

/// The findings of a check as `vpid check` writes them, without the path.
fn checked(desk: &Desk, preparation: &Preparation) -> Vec<String> {
    let path = desk.path().display().to_string();
    let written = check(&desk.database(), preparation).into_iter().map(|it| {
        let text = match it {
            Finding::Good(text) => format!("ok {text}"),
            Finding::Warn(text) => format!("warn {text}"),
            Finding::Bad(text, remedy) => format!("bad {text} — {remedy}"),
            Finding::Fault(fault) => format!("fault {:?} {}", fault.of, fault.message),
        };
        let version = format!("SQLite {}", rusqlite::version());
        text.replace(&path, "DB").replace(&version, "SQLite")
    });
    written.collect()
}

#[test]
fn a_check_tries_everything_and_leaves_nothing() {
    let desk = Desk::before_start();
    let players = query("players", Returns::Rows, &["SELECT elo FROM players"]);
    let all = preparation(1, PLAYERS, &[&players]);
    let nothing = Preparation::default();
    let created = "ok database DB can be created (SQLite, with a write-ahead log)";
    assert_eq!(checked(&desk, &nothing), [created]);
    assert_eq!(
        checked(&desk, &all),
        [
            created,
            "ok schema: 2 steps, 2 of them would run at the next start",
            "ok queries: 1, all prepared",
        ]
    );
    assert_eq!(
        fs::read_dir(desk.path().parent().unwrap()).unwrap().count(),
        0
    );

    desk.outside().execute_batch("CREATE TABLE a(b)").unwrap();
    let written = "ok database DB can be written (SQLite, with a write-ahead log)";
    assert_eq!(checked(&desk, &nothing), [written]);
    assert_eq!(checked(&desk, &all).len(), 3);
    let count = "SELECT '' || count(*) FROM sqlite_schema";
    assert_eq!(desk.value(count), "1");

    fs::write(desk.path(), "no database").unwrap();
    let findings = checked(&desk, &all);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("bad DB: database DB cannot be used"));
    assert!(
        findings[0].contains("restore it from a backup"),
        "{findings:?}"
    );
    assert!(
        !findings[0].contains("a file that the user"),
        "{findings:?}"
    );
}

#[test]
fn a_check_reports_faults_and_changes() {
    let mut desk = Desk::before_start().started();
    assert_eq!(desk.prepared(PLAYERS, &[]), Verdict::Good);
    let wrong = query("q", Returns::Rows, &["SELECT elos FROM players"]);
    let changed = PLAYERS.replace("1200", "1300");
    let findings = checked(&desk, &preparation(1, &changed, &[&wrong]));
    assert_eq!(
        findings[1..],
        [
            "ok schema: 2 steps, all have run",
            "warn schema step 2 was changed after it ran, which has no effect; put the change \
             into a new step",
            "fault Query { name: \"q\", step: 0 } no such column: elos",
        ]
    );
    let more = format!("{PLAYERS}-- step 3\nDROP TABLE players;\nDROP TABLE nowhere;");
    let findings = checked(&desk, &preparation(1, &more, &[&wrong]));
    assert_eq!(
        findings[1..],
        ["fault Schema { step: 3, line: 13 } no such table: nowhere"]
    );
    let more = format!("{PLAYERS}-- step 3\nALTER TABLE players ADD COLUMN elos;");
    let findings = checked(&desk, &preparation(1, &more, &[&wrong]));
    assert_eq!(
        findings[1..],
        [
            "ok schema: 3 steps, 1 of them would run at the next start",
            "ok queries: 1, all prepared",
        ]
    );
    assert_eq!(desk.value(APPLIED), "1 16, 2 16");
}

#[test]
fn a_check_beside_others_waits_for_no_lock_and_keeps_none() {
    let desk = Desk::before_start();
    let other = desk.outside();
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE players(elo); BEGIN IMMEDIATE")
        .unwrap();
    let players = query("players", Returns::Rows, &["SELECT elo FROM players"]);
    let lock = "warn DB: another program holds its lock just now, so";
    assert_eq!(
        checked(&desk, &preparation(1, "", &[&players])),
        [
            &format!("{lock} writing was not tried"),
            "ok queries: 1, all prepared"
        ]
    );
    assert_eq!(
        checked(&desk, &preparation(1, PLAYERS, &[&players])),
        [
            format!("{lock} writing was not tried"),
            format!("{lock} its schema and the queries were not tried")
        ]
    );
    other.execute_batch("COMMIT").unwrap();
    let endless = "CREATE TABLE a AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
         FROM n) SELECT max(i) FROM n";
    let findings = checked(&desk, &preparation(1, endless, &[&players]));
    assert!(
        findings[1].contains("takes longer than 1000 ms"),
        "{findings:?}"
    );

    other
        .execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
        .unwrap();
    assert_eq!(
        checked(&desk, &preparation(1, PLAYERS, &[&players])),
        [format!("{lock} it was not tried")]
    );
}
