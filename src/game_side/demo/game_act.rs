//! The shipped scripts in a fake game: a real interpreter, in real time. Built with the feature
//! `fake-game` only.

use super::acts::same;
use super::community::{ANA, BOB, Community, HOSTNAME, MAP, Person};
use super::stage::Stage;
use super::{Failure, Outcome, PATIENCE};
use crate::vscripts;
use fake_game::{Game, Setup};
use serde_json::{Value, json};

const SCRIPT: &str = "duels.nut";
const SINGLES: usize = 20;
const KILLS: usize = 30;

pub fn play(stage: &mut Stage<'_>) -> Outcome {
    let mut game = start(stage)?;
    players(stage, &mut game)?;
    single_calls(stage, &mut game)?;
    operator(stage, &mut game)?;
    killed(stage, &mut game)?;
    map_change(stage, &mut game)?;
    stage.step(
        "script time",
        "what vpi.nut and the script cost the game, tick by tick",
    )?;
    stage.outcome(&game.cost_summary(), None)?;
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

fn start(stage: &mut Stage<'_>) -> Outcome<Game> {
    stage.step("map start", "a game runs mapspawn.nut and vpi.nut as `vpid init` installs them, and a small game mode on top")?;
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
    stage.outcome(&outcome, None)?;
    Ok(game)
}

fn players(stage: &mut Stage<'_>, game: &mut Game) -> Outcome {
    stage.step(
        "players",
        "Ana and Bob join; vpid receives what happens in the game",
    )?;
    let ana = game.join("Ana", "[U:1:101]");
    let bob = game.join("Bob", "[U:1:102]");
    game.kill(bob, ana);
    game.say(bob, "gg");
    game.run_real(0.1);
    stage.outcome("joins, a death and a line of chat are on their way", None)
}

fn single_calls(stage: &mut Stage<'_>, game: &mut Game) -> Outcome {
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
    stage.step(
        "urgent calls",
        &format!("{SINGLES} calls of the script, each after the answer to the last"),
    )?;
    stage.outcome(
        &format!("all answered, after {median} ticks (median), {most} at most; a tick is 15 ms"),
        None,
    )
}

fn operator(stage: &mut Stage<'_>, game: &mut Game) -> Outcome {
    stage.step(
        "vpid game call",
        "an operator calls a function that the script has registered",
    )?;
    let asking = stage.operator_calls("duels.top", json!({"count": 3}));
    game.run_real_until(PATIENCE.as_secs_f64(), |_| asking.is_finished());
    let answer = asking
        .join()
        .map_err(|_| Failure::Unexpected("the operator gave up".into()))??;
    same(&answer, &json!({"ok": {"asked_for": 3, "map": "cp_demo"}}))?;
    stage.outcome(&answer["ok"].to_string(), None)
}

fn killed(stage: &mut Stage<'_>, game: &mut Game) -> Outcome {
    stage.step(
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
    stage.outcome(
        &format!("all {KILLS} answers came, in the same session; {KILLS} rows, none twice"),
        None,
    )
}

fn map_change(stage: &mut Stage<'_>, game: &mut Game) -> Outcome {
    stage.step(
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
    stage.outcome(
        "they were written as the map ended, and stand; the next map has its own session",
        None,
    )
}

const COMMUNITY_SCRIPT: &str = "community.nut";
const TICK_S: f64 = 0.015;

pub struct Crowd {
    game: Game,
}

impl Crowd {
    pub fn start(stage: &mut Stage<'_>, _: &Community) -> Outcome<Self> {
        let mapspawn = format!("{}\nIncludeScript(\"community\")\n", vscripts::MAPSPAWN);
        let mut game = Setup::new(&stage.scriptdata())
            .hostname(HOSTNAME)
            .script("mapspawn.nut", &mapspawn)
            .script("vpi.nut", &vscripts::vpi_with(&stage.key))
            .script("vpi_config.nut", vscripts::VPI_CONFIG)
            .script(COMMUNITY_SCRIPT, include_str!("community.nut"))
            .start(MAP);
        let ready = |game: &mut Game| {
            let code = "return \"vyhub_ready\" in ::Community.hooks";
            game.try_run(COMMUNITY_SCRIPT, code) == Ok(json!(true))
        };
        if !game.run_real_until(PATIENCE.as_secs_f64(), ready) {
            let prints = game.record().prints();
            return Failure::unexpected(format!("the hook vyhub_ready did not come; {prints:?}"));
        }
        stage.step(
            "map start",
            "another game runs the shipped scripts; this one has a VyHub, RCON and the engine's log",
        )?;
        stage.outcome("its scripts have handled the hook vyhub_ready", None)?;
        Ok(Self { game })
    }

    /// Connects and enters; gives the userid.
    pub fn join(&mut self, community: &Community, who: Person) -> Outcome<i32> {
        let userid = self.game.join(who.name, &who.id());
        community.lists(who, userid);
        Ok(userid)
    }

    /// The engine has kicked a player.
    pub fn left(&mut self, _: &Community, _: Person, userid: i32) -> Outcome {
        self.game.leave(userid, "Kicked");
        Ok(())
    }

    /// Lets a moment pass.
    pub fn goes_on(&mut self) {
        self.game.run_real(TICK_S);
    }

    /// Whether a player could read a text.
    pub fn was_shown(&self, _: &Community, userid: i32, wanted: &str) -> bool {
        let prints = self.game.record().client_prints();
        let mut to = prints.iter().filter(|(to, ..)| *to == Some(userid));
        to.any(|(_, _, text)| text.contains(wanted))
    }

    /// Checks what the game scripts received.
    pub fn end(mut self, stage: &mut Stage<'_>, community: &Community) -> Outcome {
        let known = self
            .game
            .try_run(COMMUNITY_SCRIPT, "return ::Community.known");
        let known = known.map_err(Failure::Unexpected)?;
        for who in [ANA, BOB] {
            let user = community.user(who);
            if user.is_none() || known[who.steam64().to_string()].as_str() != user.as_deref() {
                return Failure::unexpected(format!(
                    "{} is {user:?}, and scripts received {known}",
                    who.name
                ));
            }
        }
        stage.step(
            "hooks",
            "vyhub_ply_initialized gave the game's scripts the ids of Ana and Bob in VyHub",
        )?;
        stage.outcome("the ids are right", None)?;
        match self.game.record().errors().first() {
            Some(error) => Failure::unexpected(format!("a game script failed: {error}")),
            None => Ok(()),
        }
    }
}
