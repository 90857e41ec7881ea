//! What goes as it is meant to: a map, players, calls of every kind, a burst.
//!
//! The story: `contracts.nut` keeps what players have won in its table
//! `user_contracts_players`; `admin.nut` may use raw SQL and makes that table.

use super::stage::{HOST, Stage};
use super::{Failure, Outcome};
use crate::game_side::forgetful::ForgetfulClient;
use crate::game_side::stock::GameCall;
use crate::protocol::names;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const SCRIPT: &str = "contracts.nut";
pub const ADMIN: &str = "admin.nut";
pub const TABLE: &str = "user_contracts_players";
/// A name that a player chose to do harm with.
const HOSTILE_NAME: &str = "Robert'); DROP TABLE user_contracts_players; --";
/// A stock client reads at most every 11 ticks of 15 ms.
pub const READ_GAP: Duration = Duration::from_millis(165);
const BURST: usize = 40;
const SINGLES: usize = 100;

pub fn daemon_start(stage: &mut Stage<'_>) -> Outcome {
    let began = Instant::now();
    stage.start_daemon()?;
    let ping = GameCall::new(SCRIPT, "VPI_Ping", Value::Null);
    let tokens = stage.game.send(&[ping])?;
    stage.answers(&tokens)?;
    stage.step(
        "vpid run",
        "started on an empty folder, with an empty SQLite database",
    )?;
    stage.outcome("its first answer is there", Some(began.elapsed()))?;
    let kwargs = json!({"query": "CREATE TABLE user_duels_kills (n INTEGER)"});
    let (answer, _) = stage.call(GameCall::new(ADMIN, "VPI_DB_RawExecute", kwargs))?;
    same(&answer, &json!([]))
}

pub fn map_start(stage: &mut Stage<'_>) -> Outcome {
    let began = Instant::now();
    stage.begin_map()?;
    let took = began.elapsed();
    stage.step(
        "map start",
        &format!("the game writes {}", names::restart(HOST)),
    )?;
    stage.outcome("noticed: answers of earlier maps are forgotten", Some(took))
}

pub fn table_and_players(stage: &mut Stage<'_>) -> Outcome {
    let create = format!(
        "CREATE TABLE {TABLE} (steamid TEXT PRIMARY KEY, name TEXT, wins INTEGER, points REAL)"
    );
    let call = GameCall::new(ADMIN, "VPI_DB_RawExecute", json!({"query": create}));
    stage.step(
        "raw SQL",
        &format!("admin.nut, which is in raw_sql, makes {TABLE}"),
    )?;
    expect(stage, call, json!([]))?;

    let quoted = format!("'{}'", HOSTILE_NAME.replace('\'', "''"));
    let rows = [
        json!(["'[U:1:101]'", "'Ana'", 0, 0.5]),
        json!(["'[U:1:102]'", "'Bob'", "1 + 1", 10]),
        json!(["'[U:1:103]'", quoted, "NULL", "NULL"]),
    ];
    let began = Instant::now();
    let calls = rows.map(|row| {
        let columns = ["steamid", "name", "wins", "points"];
        let kwargs = json!({"table": TABLE, "columns": columns, "values": row});
        GameCall::new(SCRIPT, "VPI_DB_UserInsert", kwargs)
    });
    let tokens = stage.game.send(&calls)?;
    let answers = stage.answers(&tokens)?;
    let took = began.elapsed();
    stage.step(
        "insert",
        &format!("three players join; one is called {HOSTILE_NAME}"),
    )?;
    for token in &tokens {
        same(&answers[token], &json!(1))?;
    }
    stage.outcome(
        "1, 1, 1: three rows, and the name is only a name",
        Some(took),
    )
}

pub fn every_kind(stage: &mut Stage<'_>) -> Outcome {
    let kwargs = json!({"round": 1, "map": "cp_badlands"});
    stage.step(
        "ping",
        "contracts.nut sends {\"round\": 1, \"map\": \"cp_badlands\"}",
    )?;
    let ping = GameCall::new(SCRIPT, "VPI_Ping", kwargs.clone());
    expect(stage, ping, kwargs)?;

    stage.step("select", "contracts.nut selects the players with wins >= 2")?;
    expect(
        stage,
        select(&["name", "wins"], "wins", ">=", json!(2)),
        json!([["Bob", 2]]),
    )?;

    changes(stage)
}

fn changes(stage: &mut Stage<'_>) -> Outcome {
    let kwargs = json!({
        "table": TABLE,
        "columns": ["steamid", "name", "wins", "points"],
        "values": ["'[U:1:102]'", "'Bob'", 3, 0],
        "update_values": {"t.wins": "t.wins + n.wins"},
    });
    stage.step(
        "insert or update",
        "Bob, who is known, wins 3 times: \"t.wins\": \"t.wins + n.wins\"",
    )?;
    let call = GameCall::new(SCRIPT, "VPI_DB_UserInsertOrUpdate", kwargs);
    expect(stage, call, json!(1))?;

    let kwargs = json!({
        "table": TABLE,
        "values": {"points": "ROUND(COALESCE(points, 0) * 1.5 + wins, 1)"},
        "filter_column": "name",
        "filter_value": "Bob",
    });
    stage.step(
        "update",
        "Bob's points become ROUND(COALESCE(points, 0) * 1.5 + wins, 1)",
    )?;
    expect(
        stage,
        GameCall::new(SCRIPT, "VPI_DB_UserUpdate", kwargs),
        json!(1),
    )?;

    let kwargs = json!({"table": TABLE, "filter_column": "name", "filter_value": HOSTILE_NAME});
    stage.step(
        "delete",
        "the player with the long name is removed by that name",
    )?;
    expect(
        stage,
        GameCall::new(SCRIPT, "VPI_DB_UserDelete", kwargs),
        json!(1),
    )?;

    let query = format!("SELECT name, wins, points FROM {TABLE} WHERE wins >= %s ORDER BY wins");
    let kwargs = json!({"query": query, "format": [0]});
    stage.step("raw SQL", "admin.nut looks at the table")?;
    let call = GameCall::new(ADMIN, "VPI_DB_RawExecute", kwargs);
    expect(stage, call, json!([["Ana", 0, 0.5], ["Bob", 5, 20.0]]))
}

pub fn chains(stage: &mut Stage<'_>) -> Outcome {
    let win = || {
        let kwargs = json!({"table": TABLE, "values": {"wins": "wins + 1"}, "filter_column": "name", "filter_value": "Ana"});
        GameCall::new(SCRIPT, "VPI_DB_UserUpdate", kwargs)
    };
    let look = || select(&["wins"], "name", "=", json!("Ana"));
    stage.step("chain", "update, update, select: in this order, one answer")?;
    let (answer, took) = chain(stage, &[win(), win(), look()])?;
    same(&answer, &json!([[2]]))?;
    stage.outcome(&answer.to_string(), Some(took))?;

    stage.step(
        "chain",
        "update, a call that fails, update: it goes on after the failure",
    )?;
    let wrong = select(&["wins"], "name", "~", json!("Ana"));
    let (answer, took) = chain(stage, &[win(), wrong, win()])?;
    same(&answer, &json!(1))?;
    let (after, _) = stage.call(look())?;
    same(&after, &json!([[4]]))?;
    stage.outcome(&format!("{answer}; Ana has 4 wins"), Some(took))
}

fn chain(stage: &mut Stage<'_>, calls: &[GameCall]) -> Outcome<(Value, Duration)> {
    let began = Instant::now();
    let mut tokens = stage.game.send_chain(calls)?;
    let last = tokens.split_off(tokens.len() - 1);
    let mut answers = stage.answers(&last)?;
    let answer = answers.remove(&last[0]);
    Ok((answer.unwrap_or_default(), began.elapsed()))
}

pub fn one_after_another(stage: &mut Stage<'_>) -> Outcome {
    let began = Instant::now();
    for _ in 0..SINGLES {
        let (answer, _) = stage.call(select(&["wins"], "name", "=", json!("Bob")))?;
        same(&answer, &json!([[5]]))?;
    }
    let took = began.elapsed();
    stage.step(
        "again and again",
        &format!("{SINGLES} selects, each after the answer to the last"),
    )?;
    stage.outcome(&format!("{SINGLES} answers"), Some(took))
}

pub fn forgetful_burst(stage: &mut Stage<'_>) -> Outcome {
    let calls: Vec<GameCall> = (0..BURST)
        .map(|n| GameCall::new(SCRIPT, "VPI_Ping", json!({"n": n})))
        .collect();
    let began = Instant::now();
    let tokens = stage.game.send(&calls)?;
    stage.awaited += BURST;
    let mut client = ForgetfulClient::default();
    tokens.into_iter().for_each(|token| client.expect(token));
    let mut reached = Vec::new();
    // A stock caller times out after 3 s.
    while !client.waiting().is_empty() && began.elapsed() < Duration::from_secs(3) {
        stage.pause(READ_GAP)?;
        let answers = stage.game.fetch()?;
        if !answers.is_empty() {
            reached.push(client.read(|token| answers.contains_key(token)).len());
        }
    }
    let took = began.elapsed();
    let lost = client.waiting().len();
    stage.answered += BURST - lost;
    stage.step(
        "burst",
        &format!(
            "{BURST} calls in one file. Like the stock client, this one overlooks every second \
             answer of those it reads together; it reads every 165 ms"
        ),
    )?;
    if lost > 0 {
        return Err(Failure::Lost(lost, BURST));
    }
    // Reads between them brought repetitions of other answers.
    reached.retain(|count| *count > 0);
    let counts: Vec<String> = reached.iter().map(usize::to_string).collect();
    let text = format!(
        "read in turn: {}. Lost: 0, since vpid repeats its answers",
        counts.join(", ")
    );
    stage.outcome(&text, Some(took))?;
    let once = format!(
        "(answered once only, {} of {BURST} would be lost)",
        BURST / 2
    );
    stage.outcome(&once, None)
}

/// A select of contracts.nut in its table.
pub fn select(columns: &[&str], column: &str, op: &str, value: Value) -> GameCall {
    let kwargs = json!({
        "table": TABLE, "columns": columns,
        "filter_column": column, "filter_op": op, "filter_value": value,
    });
    GameCall::new(SCRIPT, "VPI_DB_UserSelect", kwargs)
}

/// Makes a call that must be answered just so, and shows the answer.
pub fn expect(stage: &mut Stage<'_>, call: GameCall, wanted: Value) -> Outcome {
    let (answer, took) = stage.call(call)?;
    same(&answer, &wanted)?;
    stage.outcome(&answer.to_string(), Some(took))
}

pub fn same(answer: &Value, wanted: &Value) -> Outcome {
    if answer == wanted {
        Ok(())
    } else {
        Err(Failure::Answer(answer.clone(), wanted.clone()))
    }
}

/// The reason in an error answer, and what explains it.
pub fn reason_of(answer: &Value) -> Outcome<&str> {
    let reason = answer
        .as_str()
        .filter(|text| text.starts_with("[VPI ERROR] "))
        .and_then(|text| text.split_once(" :: "));
    match reason {
        Some((_, reason)) => Ok(reason),
        None => Err(Failure::Answer(answer.clone(), "an error".into())),
    }
}

pub fn python(stage: &mut Stage<'_>) -> Outcome {
    if !stage.python {
        stage.step(
            "skipped",
            "there is no python3, 3.9 or later, on this machine",
        )?;
        return Ok(());
    }
    stage.step(
        "call",
        "contracts.nut calls ranks.top(count=1) of ranks.py, which reads the database",
    )?;
    let kwargs = json!({"count": 1});
    let top = GameCall::new(SCRIPT, "ranks.top", kwargs);
    expect(stage, top, json!([{"name": "Bob", "wins": 5}]))?;

    stage.step("data", "a table goes there, and a text comes back")?;
    let kwargs = json!({"kills": {"Ana": 7, "Bob": 3}});
    let best = GameCall::new(SCRIPT, "ranks.best_of", kwargs);
    expect(stage, best, json!("Ana"))?;

    stage.step(
        "crash",
        "contracts.nut calls ranks.crash, which ends its process",
    )?;
    let crash = GameCall::new(SCRIPT, "ranks.crash", json!(null));
    let (answer, took) = stage.call(crash)?;
    let reason = reason_of(&answer)?;
    if !reason.starts_with("Interrupted") {
        return Err(Failure::Answer(answer, "Interrupted".into()));
    }
    stage.outcome(reason, Some(took))?;
    let kwargs = json!({"kills": {"Bob": 1}});
    let again = GameCall::new(SCRIPT, "ranks.best_of", kwargs);
    let (answer, took) = stage.call(again)?;
    same(&answer, &json!("Bob"))?;
    stage.outcome(
        "the next call waits for the script, which is started again",
        Some(took),
    )
}
