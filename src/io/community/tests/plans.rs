//! Statements that run often find their rows by an index, however many there are.

use super::support::*;
use crate::io::community::export::TABLES;
use crate::io::community::row::{id_value, steam_value};
use crate::io::sql::own::tests::support::beds;
use crate::io::sql::own::{Own, Value};
use crate::protocol::uuid::Uuid;

/// Enough that a table is not read as a whole because it is small.
const ROWS: i64 = 20_000;

fn fill(own: &mut Own) {
    let digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION \
                  SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let n = "(a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d)";
    let from = format!(
        "FROM {digits} a, {digits} b, {digits} c, {digits} e, {digits} f WHERE {n} < {ROWS}"
    );
    let id = match own.is_mysql() {
        true => format!("CONCAT('00000000-0000-0000-0000-', LPAD({n}, 12, '0'))"),
        false => format!("'00000000-0000-0000-0000-' || substr('00000000000' || {n}, -12)"),
    };
    let player = format!("76561197960265729 + {n}");
    for insert in [
        format!("vpid_users (steam, created_us) SELECT {player}, 0 {from}"),
        format!(
            "vpid_bans (id, steam, created_us, changed) SELECT {id}, {player}, {n}, {n} {from}"
        ),
        format!("vpid_warnings (id, steam, created_us) SELECT {id}, {player}, {n} {from}"),
        format!(
            "vpid_members (id, steam, group_id, begin_us, changed) SELECT {id}, {player}, {id}, {n}, {n} {from}"
        ),
        format!("vpid_playtime (steam, day, ms) SELECT {player}, '2026-11-30', {n} {from}"),
        format!(
            "vpid_executed (applied, server, steam, reward, at_us) SELECT {id}, '', {player}, '', {n} {from}"
        ),
        format!("vpid_done (id, at_us) SELECT {id}, {n} {from}"),
    ] {
        own.transaction(|own| own.run(&format!("INSERT INTO {insert}"), &[]))
            .unwrap();
    }
    let tables = [
        "users", "bans", "warnings", "members", "playtime", "executed", "done",
    ];
    for table in tables {
        let name = format!("vpid_{table}");
        match own.is_mysql() {
            true => drop(own.rows(&format!("ANALYZE TABLE {name}"), &[]).unwrap()),
            false => own.plain(&format!("ANALYZE {name}")).unwrap(),
        }
    }
}

/// What a plan has that is no use of an index.
fn scans(own: &mut Own, sql: &str, values: &[Value]) -> Vec<String> {
    let scans = |row: &Vec<Value>| match own_is_mysql(row) {
        // id, select_type, table, (partitions,) type, ...: a type says how rows are found.
        true => row
            .iter()
            .any(|it| matches!(it.text(), Some("ALL" | "index"))),
        false => row.last().and_then(Value::text).is_some_and(|it| {
            it.starts_with("SCAN") && !it.contains("SUBQUERY") && !it.contains("old")
        }),
    };
    let plan = match own.is_mysql() {
        true => format!("EXPLAIN {sql}"),
        false => format!("EXPLAIN QUERY PLAN {sql}"),
    };
    let rows = own.rows(&plan, values).unwrap();
    assert!(!rows.is_empty(), "{sql}");
    rows.iter()
        .filter(|row| scans(row))
        .map(|row| format!("{row:?}"))
        .collect()
}

/// SQLite's plans have four columns.
fn own_is_mysql(row: &[Value]) -> bool {
    row.len() > 4
}

#[test]
fn what_runs_often_uses_an_index() {
    for bed in beds() {
        let mut owner = Owner::new(&bed);
        fill(&mut owner.0);
        let player = steam_value(steam(77));
        let players = [
            player.clone(),
            steam_value(steam(78)),
            steam_value(steam(79)),
        ];
        let id = id_value(Uuid(77));
        let one = std::slice::from_ref(&player);
        let by_id = std::slice::from_ref(&id);
        let us: Value = (ROWS - 10).into();
        let page = [player.clone(), 0.into()];
        let lift: [Value; 5] = [1.into(), Value::Null, 1.into(), player.clone(), 1.into()];
        let end: [Value; 4] = [1.into(), 1.into(), player.clone(), 1.into()];
        let statements: Vec<(&str, &[Value])> = vec![
            ("SELECT name, admin FROM vpid_users WHERE steam = ?", one),
            (
                "SELECT steam, name FROM vpid_users WHERE steam IN (?, ?, ?)",
                &players,
            ),
            (
                "SELECT b.id, u.name FROM vpid_bans b LEFT JOIN vpid_users u ON u.steam = b.steam WHERE b.changed > ?",
                std::slice::from_ref(&us),
            ),
            (
                "SELECT id, reason FROM vpid_bans WHERE steam = ? ORDER BY created_us DESC, id LIMIT 100 OFFSET ?",
                &page,
            ),
            ("SELECT id FROM vpid_bans WHERE id = ?", by_id),
            (
                "UPDATE vpid_bans SET lifted_us = ?, lifted_by = ?, changed = ? WHERE steam = ? AND lifted_us IS NULL \
              AND (ends_us IS NULL OR ends_us > ?)",
                &lift,
            ),
            (
                "SELECT steam, COUNT(*) FROM vpid_bans WHERE steam IN (?, ?, ?) AND lifted_us IS NULL GROUP BY steam",
                &players,
            ),
            (
                "SELECT steam, COUNT(*) FROM vpid_warnings WHERE steam IN (?, ?, ?) GROUP BY steam",
                &players,
            ),
            (
                "SELECT id FROM vpid_warnings WHERE steam = ? AND withdrawn_us IS NULL ORDER BY created_us DESC, id LIMIT 100 OFFSET ?",
                &page,
            ),
            (
                "SELECT id FROM vpid_members WHERE steam IN (?, ?, ?) ORDER BY steam, begin_us DESC",
                &players,
            ),
            (
                "UPDATE vpid_members SET end_us = ?, changed = ? WHERE steam = ? AND (end_us IS NULL OR end_us > ?)",
                &end,
            ),
            ("SELECT SUM(ms) FROM vpid_playtime WHERE steam = ?", one),
            (
                "SELECT applied, server FROM vpid_executed WHERE steam IN (?, ?, ?)",
                &players,
            ),
            (
                "SELECT id FROM vpid_done WHERE at_us < ? ORDER BY at_us LIMIT 10",
                std::slice::from_ref(&player),
            ),
        ];
        for (sql, values) in statements {
            let scans = scans(&mut owner.0, sql, values);
            assert!(scans.is_empty(), "{}: {sql}: {scans:?}", bed.name);
        }
    }
}

/// Each batch begins where the last one has ended, also in tables with two keys.
#[test]
fn exports_go_through_tables_by_an_index() {
    for bed in beds() {
        let mut owner = Owner::new(&bed);
        fill(&mut owner.0);
        let (player, id) = (steam_value(steam(77)), id_value(Uuid(77)));
        for (name, key) in [("playtime", player), ("executed", id)] {
            let table = TABLES.iter().find(|table| table.name == name).unwrap();
            let (sql, values) = (table.select(true), table.bounds(&[key, "".into()]));
            let scans = scans(&mut owner.0, &sql, &values);
            assert!(scans.is_empty(), "{}: {sql}: {scans:?}", bed.name);
        }
    }
}

#[test]
fn a_scan_is_found() {
    for bed in beds() {
        let mut owner = Owner::new(&bed);
        fill(&mut owner.0);
        let sql = "SELECT id FROM vpid_bans WHERE reason = ?";
        let all = scans(&mut owner.0, sql, &["".into()]);
        assert!(!all.is_empty(), "{}", bed.name);
    }
}
