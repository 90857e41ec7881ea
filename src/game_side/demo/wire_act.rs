//! The same story without an interpreter: what `vpi.nut` would write, at the level of files.

use std::time::Instant;

use serde_json::{Value, json};

use super::acts::same;
use super::screen::Screen;
use super::stage::{DUEL_HOST, PATIENCE, Stage, text};
use crate::game_side::signed::SignedGame;
use crate::game_side::stock::GameCall;

const KILLS: usize = 30;

pub fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Result<(), String> {
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

fn connect(stage: &Stage) -> Result<SignedGame, String> {
    let mut game = SignedGame::connect(
        &stage.scriptdata(),
        DUEL_HOST,
        stage.key.as_bytes(),
        PATIENCE,
    )?;
    let start = json!({"event": "map_start", "data": {"map": "cp_demo", "max_players": 24}});
    game.send(&[start]).map_err(text)?;
    Ok(game)
}

fn insert(n: usize) -> GameCall {
    let kwargs = json!({"table": "user_duels_kills", "values": [n]});
    GameCall::new("duels.nut", "VPI_DB_UserInsert", kwargs)
}

fn start(stage: &Stage, screen: &mut Screen<'_>) -> Result<SignedGame, String> {
    let began = Instant::now();
    let mut game = connect(stage)?;
    let ping = GameCall::new("duels.nut", "VPI_Ping", Value::Null);
    let answer = game.call(ping, PATIENCE)?.ok_or("no answer came")??;
    same(&answer, &json!("pong"))?;
    screen.step(
        "map start",
        "a game asks for a signed session, and makes a call",
    )?;
    screen.outcome(
        "the session has begun, the answer is there",
        Some(began.elapsed()),
    )?;
    Ok(game)
}

fn operator(stage: &Stage, game: &mut SignedGame, screen: &mut Screen<'_>) -> Result<(), String> {
    screen.step("vpid game call", "an operator calls a function of the game")?;
    let asking = stage.operator_calls("duels.top", json!({"count": 3}));
    let asked = game
        .receive(PATIENCE)?
        .ok_or("the call did not reach the game")?;
    same(&asked["args"], &json!({"count": 3}))?;
    game.send(&[json!({"result": asked["call"], "value": ["Ana", "Bob"]})])
        .map_err(text)?;
    let answer = asking.join().map_err(|_| "the operator gave up")??;
    same(&answer, &json!({"ok": ["Ana", "Bob"]}))?;
    screen.outcome(&answer["ok"].to_string(), None)
}

fn killed(stage: &mut Stage, game: &mut SignedGame, screen: &mut Screen<'_>) -> Result<(), String> {
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
        ids.extend(game.send_calls(&calls).map_err(text)?);
    }
    let began = Instant::now();
    stage.start_daemon()?;
    for id in ids {
        let answer = game.answer(id, PATIENCE)?.ok_or("an answer was lost")??;
        same(&answer, &json!(1))?;
    }
    stage.answered += KILLS;
    stage.count_kills(KILLS)?;
    let outcome =
        format!("all {KILLS} answers came, in the same session; {KILLS} rows, none twice");
    screen.outcome(&outcome, Some(began.elapsed()))
}

fn map_change(stage: &Stage, mut old: SignedGame, screen: &mut Screen<'_>) -> Result<(), String> {
    screen.step(
        "map change",
        "5 inserts in the last file of the map; a new session begins",
    )?;
    let calls: Vec<GameCall> = (KILLS..KILLS + 5).map(insert).collect();
    old.send_calls(&calls).map_err(text)?;
    let mut game = connect(stage)?;
    let ping = GameCall::new("duels.nut", "VPI_Ping", Value::Null);
    game.call(ping, PATIENCE)?.ok_or("no answer came")??;
    stage.count_kills(KILLS + 5)?;
    game.leave().map_err(text)?;
    screen.outcome("they stand; the next map has its own session", None)
}
