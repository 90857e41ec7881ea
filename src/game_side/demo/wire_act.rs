//! The same story without an interpreter: what `vpi.nut` would write, at the level of files.

use super::acts::same;
use super::community::{Community, Person};
use super::stage::{DUEL_HOST, Stage};
use super::{Failure, Outcome, PATIENCE};
use crate::game_side::signed::{Answer, SignedGame};
use crate::game_side::stock::GameCall;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const KILLS: usize = 30;

pub fn play(stage: &mut Stage<'_>) -> Outcome {
    stage.step(
        "(no interpreter)",
        "This vpid was built without the game's script interpreter, so what vpi.nut would write \
         is written here. To see the real scripts in a game, with cmake and a C++ compiler: \
         cargo run --release --features fake-game -- demo",
    )?;
    let mut game = start(stage)?;
    operator(stage, &mut game)?;
    killed(stage, &mut game)?;
    map_change(stage, game)
}

fn connect(stage: &Stage<'_>) -> Outcome<SignedGame> {
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

fn start(stage: &mut Stage<'_>) -> Outcome<SignedGame> {
    let began = Instant::now();
    let mut game = connect(stage)?;
    let ping = GameCall::new("duels.nut", "VPI_Ping", Value::Null);
    let answer = wanted(game.call(ping, PATIENCE)?)?;
    same(&answer, &json!("pong"))?;
    stage.step(
        "map start",
        "a game requests a signed session, and makes a call",
    )?;
    stage.outcome(
        "the session has begun, the answer is there",
        Some(began.elapsed()),
    )?;
    Ok(game)
}

fn operator(stage: &mut Stage<'_>, game: &mut SignedGame) -> Outcome {
    stage.step("vpid game call", "an operator calls a function of the game")?;
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
    stage.outcome(&answer["ok"].to_string(), None)
}

fn killed(stage: &mut Stage<'_>, game: &mut SignedGame) -> Outcome {
    stage.step(
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
    stage.outcome(&outcome, Some(began.elapsed()))
}

fn map_change(stage: &mut Stage<'_>, mut old: SignedGame) -> Outcome {
    stage.step(
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
    stage.outcome("they stand; the next map has its own session", None)
}

#[derive(Default)]
pub struct Crowd {
    last_userid: i32,
}

impl Crowd {
    pub fn start(_: &mut Stage<'_>, _: &Community) -> Outcome<Self> {
        Ok(Self { last_userid: 1 })
    }

    /// Connects and enters; gives the userid.
    pub fn join(&mut self, community: &Community, who: Person) -> Outcome<i32> {
        self.last_userid += 1;
        let userid = self.last_userid;
        community.lists(who, userid);
        let named = |team: &str| format!("\"{}<{userid}><{}><{team}>\"", who.name, who.id());
        let connected = format!("{} connected, address \"192.0.2.1:27005\"", named(""));
        community.log(&connected)?;
        community.log(&format!("{} STEAM USERID validated", named("")))?;
        community.log(&format!("{} entered the game", named("")))?;
        Ok(userid)
    }

    /// The engine has kicked a player.
    pub fn left(&mut self, community: &Community, who: Person, userid: i32) -> Outcome {
        let named = format!("\"{}<{userid}><{}><Red>\"", who.name, who.id());
        community.log(&format!("{named} disconnected (reason \"Kicked\")"))
    }

    /// Lets a moment pass.
    pub fn goes_on(&mut self) {
        thread::sleep(Duration::from_micros(500));
    }

    /// Whether a player could read a text.
    pub fn was_shown(&self, community: &Community, userid: i32, wanted: &str) -> bool {
        let shown = community.console.shown();
        let of = shown
            .iter()
            .filter(|it| it.to.is_none_or(|to| to == userid));
        of.into_iter().any(|it| it.text.contains(wanted))
    }

    pub fn end(self, _: &mut Stage<'_>, _: &Community) -> Outcome {
        Ok(())
    }
}
