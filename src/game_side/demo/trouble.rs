//! What must not happen, and what happens all the same: refusals, a crash, a map that ends.

use std::fs;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::acts::{ADMIN, READ_GAP, SCRIPT, TABLE, reason_of, same, select};
use super::stage::{HOST, Stage};
use super::{Failure, Outcome};
use crate::game_side::stock::{Game, GameCall};

const KILLS_TABLE: &str = "user_contracts_kills";
/// Call files that are written while the daemon is killed, and the calls in each.
const FILES: usize = 60;
const CALLS_PER_FILE: usize = 20;
/// Calls whose answers a map change overtakes.
const LATE_CALLS: usize = 5;

pub fn refused_calls(stage: &mut Stage<'_>) -> Outcome {
    let select = |script: &str, table: &str| {
        GameCall::new(script, "VPI_DB_UserSelect", json!({"table": table}))
    };
    let drop = json!({"query": format!("DROP TABLE {TABLE}")});
    let cases = [
        (
            "no permission",
            "stranger.nut, which [permissions] does not list, selects",
            select("stranger.nut", "user_stranger_x"),
            "PermissionError",
        ),
        (
            "raw SQL",
            "contracts.nut, which is not in raw_sql, drops a table",
            GameCall::new(SCRIPT, "VPI_DB_RawExecute", drop),
            "PermissionError",
        ),
        (
            "foreign table",
            "contracts.nut reads user_admin_notes",
            select(SCRIPT, "user_admin_notes"),
            "PermissionError",
        ),
        (
            "injection",
            "\"table\": \"user_contracts_players, secrets\"",
            select(SCRIPT, "user_contracts_players, secrets"),
            "ValueError",
        ),
        (
            "injection",
            "\"values\": {\"wins\": \"(SELECT password FROM secrets)\"}",
            GameCall::new(
                SCRIPT,
                "VPI_DB_UserUpdate",
                json!({"table": TABLE, "values": {"wins": "(SELECT password FROM secrets)"}}),
            ),
            "ValueError",
        ),
    ];
    for (name, did, call, wanted) in cases {
        let (answer, took) = stage.call(call)?;
        let reason = reason_of(&answer)?;
        if !reason.starts_with(wanted) {
            return Failure::unexpected(format!(
                "the error is {reason:?}, and should be a {wanted}"
            ));
        }
        stage.step(name, did)?;
        stage.outcome(reason, Some(took))?;
    }
    Ok(())
}

pub fn forged_file(stage: &mut Stage<'_>) -> Outcome {
    let stranger = Game::new(
        &stage.scriptdata(),
        HOST,
        b"a guess at the secret, of any length",
    );
    let (name, forged) = (stage.game.next_name(), stranger.file_text(&win("_forged_")));
    stage.step(
        "forged file",
        "a program without the secret writes a call file",
    )?;
    let began = Instant::now();
    stage.game.write(&name, &forged)?;
    let reason = rejected(stage, 1)?;
    stage.outcome(
        &format!("moved to rejected/: {reason}"),
        Some(began.elapsed()),
    )
}

pub fn replayed_file(stage: &mut Stage<'_>) -> Outcome {
    let file = stage.game.file_text(&win("_replay_"));
    let name = stage.game.next_name();
    stage.game.write(&name, &file)?;
    stage.answers(&["_replay_".to_string()])?;
    stage.step(
        "replayed file",
        "a call file of the game is copied and written again",
    )?;
    let began = Instant::now();
    let name = stage.game.next_name();
    stage.game.write(&name, &file)?;
    let reason = rejected(stage, 2)?;
    let took = began.elapsed();
    let (wins, _) = stage.call(select(&["wins"], "name", "=", json!("Bob")))?;
    same(&wins, &json!([[6]]))?;
    stage.outcome(&format!("moved to rejected/: {reason}"), Some(took))?;
    stage.outcome("the win in it was counted once, the forged one never", None)
}

/// The calls of a file in which Bob wins once more.
fn win(token: &str) -> Value {
    json!({"async": [{
        "token": token,
        "func": "VPI_DB_UserUpdate",
        "kwargs": {"table": TABLE, "values": {"wins": "wins + 1"}, "filter_column": "name", "filter_value": "Bob"},
        "callback": true,
        "script": SCRIPT,
    }]})
}

/// Waits until so many files were rejected; gives the reason of the newest.
fn rejected(stage: &mut Stage<'_>, count: usize) -> Outcome<String> {
    let folder = stage.path().join("state/rejected");
    stage.until("the reason in rejected/", |_| {
        let mut reasons = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "reason")
            {
                reasons.push(path);
            }
        }
        reasons.sort();
        // Made and filled in two steps.
        let newest = reasons.last().filter(|_| reasons.len() == count);
        let reason = newest.map(fs::read_to_string).transpose()?;
        Ok(reason
            .filter(|reason| reason.ends_with('\n'))
            .map(|reason| reason.trim_end().to_owned()))
    })
}

pub fn killed(stage: &mut Stage<'_>) -> Outcome {
    let create = format!("CREATE TABLE {KILLS_TABLE} (serial INTEGER)");
    let call = GameCall::new(ADMIN, "VPI_DB_RawExecute", json!({"query": create}));
    same(&stage.call(call)?.0, &json!([]))?;

    let total = FILES * CALLS_PER_FILE;
    stage.step(
        "kill -9",
        &format!("{total} inserts in {FILES} files; the daemon is killed in the middle, and the game goes on writing"),
    )?;
    let mut tokens = Vec::new();
    for file in 0..FILES / 2 {
        tokens.extend(write_kills(stage, file)?);
    }
    stage.until("the first of the answers", |stage| Ok(stage.game.peek()?))?;
    stage.kill_daemon()?;
    for file in FILES / 2..FILES {
        tokens.extend(write_kills(stage, file)?);
    }
    let committed = committed(stage)?;
    let files = fs::read_dir(stage.scriptdata())?.flatten();
    let names = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let (taken, waiting): (Vec<String>, Vec<String>) = names
        .filter(|name| name.contains("_output.interface"))
        .partition(|name| name.ends_with(".taken"));
    stage.outcome(
        &format!(
            "{committed} inserts were committed, {} files were taken and not finished, {} wait",
            taken.len(),
            waiting.len()
        ),
        None,
    )?;

    let began = Instant::now();
    stage.start_daemon()?;
    let answers = stage.answers(&tokens)?;
    let took = began.elapsed();
    for token in &tokens {
        same(&answers[token], &json!(1))?;
    }
    stage.step("restart", "vpid run, on what the dead one left")?;
    stage.outcome(&format!("all {total} answers are there"), Some(took))?;

    let query = format!("SELECT COUNT(*), COUNT(DISTINCT serial) FROM {KILLS_TABLE}");
    let call = GameCall::new(ADMIN, "VPI_DB_RawExecute", json!({"query": query}));
    let (counted, _) = stage.call(call)?;
    if counted != json!([[total, total]]) {
        return Err(Failure::Rows(counted.to_string(), total));
    }
    stage.outcome(
        &format!("counted: {total} rows, {total} different: none lost, none twice"),
        None,
    )
}

/// Writes one file of inserts, each with a serial number of its own.
fn write_kills(stage: &mut Stage<'_>, file: usize) -> Outcome<Vec<String>> {
    let first = file * CALLS_PER_FILE;
    let calls: Vec<GameCall> = (first..first + CALLS_PER_FILE)
        .map(|serial| {
            let kwargs = json!({"table": KILLS_TABLE, "values": [serial]});
            GameCall::new(SCRIPT, "VPI_DB_UserInsert", kwargs)
        })
        .collect();
    Ok(stage.game.send(&calls)?)
}

/// What stands in the database of a daemon that is dead.
fn committed(stage: &Stage<'_>) -> Outcome<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(stage.database(), flags)?;
    let query = format!("SELECT COUNT(*) FROM {KILLS_TABLE}");
    Ok(connection.query_row(&query, [], |row| row.get(0))?)
}

pub fn map_change(stage: &mut Stage<'_>) -> Outcome {
    let calls: Vec<GameCall> = (0..LATE_CALLS)
        .map(|n| {
            let kwargs = json!({"table": KILLS_TABLE, "values": [10_000 + n]});
            GameCall::new(SCRIPT, "VPI_DB_UserInsert", kwargs)
        })
        .collect();
    let old = stage.game.send(&calls)?;
    stage.until("the answers of the old map", |stage| {
        let Some(file) = stage.game.peek()? else {
            return Ok(None);
        };
        let file = String::from_utf8_lossy(&file);
        Ok(old
            .iter()
            .all(|token| file.contains(token.as_str()))
            .then_some(()))
    })?;
    stage.step(
        "map change",
        &format!("{LATE_CALLS} inserts; the map ends before the game has read the answers"),
    )?;
    stage.begin_map()?;
    // Until vpid has noticed, it may show them once more, since the file has become empty.
    stage.game.empty()?;
    let began = Instant::now();
    let tokens = stage
        .game
        .send(&[GameCall::new(SCRIPT, "VPI_Ping", Value::Null)])?;
    let mut seen = stage.answers(&tokens)?;
    let took = began.elapsed();
    for _ in 0..3 {
        stage.pause(READ_GAP)?;
        seen.extend(stage.game.fetch()?);
    }
    if let Some(token) = old.iter().find(|token| seen.contains_key(*token)) {
        return Failure::unexpected(format!(
            "the answer to {token} of the old map reached the new one"
        ));
    }
    stage.outcome(
        "the new map gets its own answers, and none of the old map's",
        Some(took),
    )?;
    let kwargs = json!({"table": KILLS_TABLE, "columns": ["COUNT(*)"], "filter_column": "serial", "filter_op": ">=", "filter_value": 10_000});
    let (count, _) = stage.call(GameCall::new(SCRIPT, "VPI_DB_UserSelect", kwargs))?;
    same(&count, &json!([[LATE_CALLS]]))?;
    stage.outcome(
        &format!("the {LATE_CALLS} inserts stand: no caller waits, but the calls were made"),
        None,
    )
}
