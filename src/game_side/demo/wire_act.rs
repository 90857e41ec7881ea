//! The same story without an interpreter: what `vpi.nut` would write, at the level of files.

use std::time::Instant;

use serde_json::{Value, json};

use super::PATIENCE;
use super::acts::same;
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::stage::{DUEL_HOST, Stage};
use crate::game_side::signed::{Answer, SignedGame};
use crate::game_side::stock::GameCall;

const KILLS: usize = 30;

pub fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "(no interpreter)",
        "This vpid was built without the game's script interpreter, so what vpi.nut would write \
         is written here. To see the real scripts in a game, with cmake and a C++ compiler: \
         cargo run --release --features fake-game -- demo",
    )?;
    let mut game = start(stage, screen)?;
    operator(stage, &mut game, screen)?;
    killed(stage, &mut game, screen)?;
    map_change(stage, game, screen)
}

fn connect(stage: &Stage) -> Outcome<SignedGame> {
    let mut game = SignedGame::connect(
        &stage.scriptdata(),
        DUEL_HOST,
        stage.key.as_bytes(),
        PATIENCE,
    )?;
    let start = json!({"event": "map_start", "data": {"map": "cp_demo", "max_players": 24}});
    game.send(&[start])?;
    Ok(game)
}

/// The value of a response that must have come.
fn wanted(answer: Option<Answer>) -> Outcome<Value> {
    match answer {
        Some(answer) => Ok(answer?),
        None => Err(Failure::Late("a response".into())),
    }
}

fn insert(n: usize) -> GameCall {
    let kwargs = json!({"table": "user_duels_kills", "values": [n]});
    GameCall::new("duels.nut", "VPI_DB_UserInsert", kwargs)
}

fn start(stage: &Stage, screen: &mut Screen<'_>) -> Outcome<SignedGame> {
    let began = Instant::now();
    let mut game = connect(stage)?;
    let ping = GameCall::new("duels.nut", "VPI_Ping", Value::Null);
    let answer = wanted(game.call(ping, PATIENCE)?)?;
    same(&answer, &json!("pong"))?;
    screen.step(
        "map start",
        "a game requests a signed session, and makes a call",
    )?;
    screen.outcome(
        "the session has begun, the answer is there",
        Some(began.elapsed()),
    )?;
    Ok(game)
}

fn operator(stage: &Stage, game: &mut SignedGame, screen: &mut Screen<'_>) -> Outcome {
    screen.step("vpid game call", "an operator calls a function of the game")?;
    let asking = stage.operator_calls("duels.top", json!({"count": 3}));
    let Some(asked) = game.receive(PATIENCE)? else {
        return Failure::unexpected("the call did not reach the game");
    };
    same(&asked["args"], &json!({"count": 3}))?;
    game.send(&[json!({"result": asked["call"], "value": ["Ana", "Bob"]})])?;
    let answer = asking
        .join()
        .map_err(|_| Failure::Unexpected("the operator gave up".into()))??;
    same(&answer, &json!({"ok": ["Ana", "Bob"]}))?;
    screen.outcome(&answer["ok"].to_string(), None)
}

fn killed(stage: &mut Stage, game: &mut SignedGame, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "kill -9",
        &format!("{KILLS} inserts; the daemon is killed in the middle, and started again"),
    )?;
    let mut ids = Vec::new();
    stage.awaited += KILLS;
    for file in 0..6 {
        if file == 3 {
            stage.kill_daemon()?;
        }
        let calls: Vec<GameCall> = (file * 5..file * 5 + 5).map(insert).collect();
        ids.extend(game.send_calls(&calls)?);
    }
    let began = Instant::now();
    stage.start_daemon()?;
    for id in ids {
        let answer = wanted(game.answer(id, PATIENCE)?)?;
        same(&answer, &json!(1))?;
    }
    stage.answered += KILLS;
    stage.count_kills(KILLS)?;
    let outcome =
        format!("all {KILLS} answers came, in the same session; {KILLS} rows, none twice");
    screen.outcome(&outcome, Some(began.elapsed()))
}

fn map_change(stage: &Stage, mut old: SignedGame, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "map change",
        "5 inserts in the last file of the map; a new session begins",
    )?;
    let calls: Vec<GameCall> = (KILLS..KILLS + 5).map(insert).collect();
    old.send_calls(&calls)?;
    let mut game = connect(stage)?;
    let ping = GameCall::new("duels.nut", "VPI_Ping", Value::Null);
    wanted(game.call(ping, PATIENCE)?)?;
    stage.count_kills(KILLS + 5)?;
    game.leave()?;
    screen.outcome("they stand; the next map has its own session", None)
}
