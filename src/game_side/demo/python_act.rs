//! A script in Python beside the game: its functions are called by their names, and its end is its
//! own.

use serde_json::json;

use super::acts::{SCRIPT, expect, reason_of, same};
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::stage::Stage;
use crate::game_side::stock::GameCall;

pub fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Outcome {
    if !stage.python {
        screen.step(
            "skipped",
            "there is no python3, 3.9 or later, on this machine",
        )?;
        return Ok(());
    }
    screen.step(
        "call",
        "contracts.nut calls ranks.top(count=1) of ranks.py, which reads the database",
    )?;
    let kwargs = json!({"count": 1});
    let top = GameCall::new(SCRIPT, "ranks.top", kwargs);
    expect(stage, screen, top, json!([{"name": "Bob", "wins": 5}]))?;

    screen.step("data", "a table goes there, and a text comes back")?;
    let kwargs = json!({"kills": {"Ana": 7, "Bob": 3}});
    let best = GameCall::new(SCRIPT, "ranks.best_of", kwargs);
    expect(stage, screen, best, json!("Ana"))?;

    screen.step(
        "crash",
        "contracts.nut calls ranks.crash, which ends its process",
    )?;
    let crash = GameCall::new(SCRIPT, "ranks.crash", json!(null));
    let (answer, took) = stage.call(crash)?;
    let reason = reason_of(&answer)?;
    if !reason.starts_with("Interrupted") {
        return Err(Failure::Answer(answer, "Interrupted".into()));
    }
    screen.outcome(reason, Some(took))?;
    let kwargs = json!({"kills": {"Bob": 1}});
    let again = GameCall::new(SCRIPT, "ranks.best_of", kwargs);
    let (answer, took) = stage.call(again)?;
    same(&answer, &json!("Bob"))?;
    screen.outcome(
        "the next call waits for the script, which is started again",
        Some(took),
    )
}
