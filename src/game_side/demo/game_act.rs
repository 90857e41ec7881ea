//! The shipped scripts in a fake game: a real interpreter, in real time. Built with the feature
//! `fake-game` only.

use fake_game::{Game, Setup};
use serde_json::{Value, json};

use super::PATIENCE;
use super::acts::same;
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::stage::Stage;
use crate::vscripts;

const SCRIPT: &str = "duels.nut";
const SINGLES: usize = 20;
const KILLS: usize = 30;

pub fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Outcome {
    let mut game = start(stage, screen)?;
    players(&mut game, screen)?;
    single_calls(&mut game, screen)?;
    operator(stage, &mut game, screen)?;
    killed(stage, &mut game, screen)?;
    map_change(stage, &mut game, screen)?;
    screen.step(
        "script time",
        "what vpi.nut and the script cost the game, tick by tick",
    )?;
    screen.outcome(&game.cost_summary(), None)?;
    match game.record().errors().first() {
        Some(error) => Failure::unexpected(format!("a game script failed: {error}")),
        None => Ok(()),
    }
}

/// Runs the game until a script's expression is true.
fn until(game: &mut Game, what: &str, expression: &str) -> Outcome {
    let code = format!("return {expression}");
    let reached = |game: &mut Game| game.try_run(SCRIPT, &code) == Ok(json!(true));
    match game.run_real_until(PATIENCE.as_secs_f64(), reached) {
        true => Ok(()),
        false => Failure::unexpected(format!("{what} did not come; {:?}", game.record().prints())),
    }
}

fn run(game: &mut Game, code: &str) -> Outcome<Value> {
    game.try_run(SCRIPT, code).map_err(Failure::Unexpected)
}

fn start(stage: &Stage, screen: &mut Screen<'_>) -> Outcome<Game> {
    screen.step("map start", "a game runs mapspawn.nut and vpi.nut as `vpid init` installs them, and a small game mode on top")?;
    let mapspawn = format!("{}\nIncludeScript(\"duels\")\n", vscripts::MAPSPAWN);
    let mut game = Setup::new(&stage.scriptdata())
        .hostname("Duel Server")
        .script("mapspawn.nut", &mapspawn)
        .script("vpi.nut", &vscripts::vpi_with(&stage.key))
        .script("vpi_config.nut", vscripts::VPI_CONFIG)
        .script(SCRIPT, include_str!("duels.nut"))
        .start("cp_demo");
    until(&mut game, "the session", "VPI.Status().connected")?;
    let ticks = game.tick();
    let outcome = format!("a signed session with vpid, {ticks} ticks into the map");
    screen.outcome(&outcome, None)?;
    Ok(game)
}

fn players(game: &mut Game, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "players",
        "Ana and Bob join; vpid receives what happens in the game",
    )?;
    let ana = game.join("Ana", "[U:1:101]");
    let bob = game.join("Bob", "[U:1:102]");
    game.kill(bob, ana);
    game.say(bob, "gg");
    game.run_real(0.1);
    screen.outcome("joins, a death and a line of chat are on their way", None)
}

fn single_calls(game: &mut Game, screen: &mut Screen<'_>) -> Outcome {
    let mut ticks = Vec::new();
    for n in 0..SINGLES {
        let key = format!("s{n}");
        run(
            game,
            &format!("Ask(\"{key}\", \"VPI_Ping\", {{ n = {n} }})"),
        )?;
        until(game, "an answer", &format!("\"{key}\" in ::duels.answers"))?;
        let answer = run(game, &format!("return ::duels.answers[\"{key}\"]"))?;
        same(&answer["response"], &json!({ "n": n }))?;
        ticks.push(answer["ticks"].as_u64().unwrap_or(u64::MAX));
    }
    ticks.sort_unstable();
    let (median, most) = (ticks[SINGLES / 2], ticks[SINGLES - 1]);
    screen.step(
        "urgent calls",
        &format!("{SINGLES} calls of the script, each after the answer to the last"),
    )?;
    screen.outcome(
        &format!("all answered, after {median} ticks (median), {most} at most; a tick is 15 ms"),
        None,
    )
}

fn operator(stage: &Stage, game: &mut Game, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "vpid game call",
        "an operator calls a function that the script has registered",
    )?;
    let asking = stage.operator_calls("duels.top", json!({"count": 3}));
    game.run_real_until(PATIENCE.as_secs_f64(), |_| asking.is_finished());
    let answer = asking
        .join()
        .map_err(|_| Failure::Unexpected("the operator gave up".into()))??;
    same(&answer, &json!({"ok": {"asked_for": 3, "map": "cp_demo"}}))?;
    screen.outcome(&answer["ok"].to_string(), None)
}

fn killed(stage: &mut Stage, game: &mut Game, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "kill -9",
        &format!(
            "the script inserts {KILLS} rows; the daemon is killed in the middle, and started again"
        ),
    )?;
    for n in 0..KILLS {
        run(game, &format!("Insert({n})"))?;
        game.run_real(0.02);
        if n == KILLS / 3 {
            stage.kill_daemon()?;
        }
        if n == 2 * KILLS / 3 {
            stage.start_daemon()?;
        }
    }
    stage.awaited += KILLS;
    until(
        game,
        "the answers",
        &format!("(\"i{}\") in ::duels.answers", KILLS - 1),
    )?;
    for n in 0..KILLS {
        until(game, "an answer", &format!("\"i{n}\" in ::duels.answers"))?;
        let answer = run(game, &format!("return ::duels.answers[\"i{n}\"]"))?;
        same(&answer["response"], &json!(1))?;
    }
    stage.answered += KILLS;
    stage.count_kills(KILLS)?;
    screen.outcome(
        &format!("all {KILLS} answers came, in the same session; {KILLS} rows, none twice"),
        None,
    )
}

fn map_change(stage: &mut Stage, game: &mut Game, screen: &mut Screen<'_>) -> Outcome {
    screen.step(
        "map change",
        "5 inserts in the last tick; the map ends before anything is written",
    )?;
    for n in KILLS..KILLS + 5 {
        run(game, &format!("Insert({n})"))?;
    }
    game.change_map("cp_next");
    until(game, "the next session", "VPI.Status().connected")?;
    run(game, "Ask(\"ping\", \"VPI_Ping\", null)")?;
    until(game, "an answer", "\"ping\" in ::duels.answers")?;
    stage.count_kills(KILLS + 5)?;
    screen.outcome(
        "they were written as the map ended, and stand; the next map has its own session",
        None,
    )
}
