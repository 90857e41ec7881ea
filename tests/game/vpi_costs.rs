//! What `vpi.nut` costs the game: printed, never asserted. Run one alone and optimised:
//! `cargo test --release --test game vpi_costs -- --nocapture --test-threads 1`

use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;

use crate::support::Setup;
use crate::support::peer::Talk;

const TRAFFIC: &str = r#"
::answered <- 0
::errors <- 0
::calls <- false
local caller = SpawnEntityFromTable("info_target", { targetname = "caller" })
caller.ValidateScriptScope()
caller.GetScriptScope().tick <- 0
// From inside the game, so that what it costs to make a call is counted too.
caller.GetScriptScope().Think <- function() {
    tick++
    if (::calls && tick % 12 == 1) ::Normal(tick)
    if (::calls && tick % 33 == 2) ::Urgent(tick)
    return -1
}
AddThinkToEnt(caller, "Think")
::Callback <- function(response, error) { if (error) ::errors++; else ::answered++ }
::Normal <- function(n) {
    VPI.AsyncCall({ func = "VPI_DB_UserInsertOrUpdate", callback = Callback, kwargs = {
        table = "stats", columns = ["steam_id", "kills", "deaths", "seconds"], values = ["[U:1:" + n + "]", n, 2 * n, 0.5] } })
}
::Urgent <- function(n) {
    VPI.AsyncCall({ func = "VPI_DB_UserSelect", urgent = true, callback = Callback, kwargs = {
        table = "stats", columns = ["kills"], condition = "steam_id = '[U:1:" + n + "]'" } })
}
"#;

/// Twenty four players that do what players do.
fn crowd(talk: &mut Talk) -> Vec<i32> {
    let names = (0..24).map(|n| {
        (
            format!("Player number {n} \u{e9}\u{e8}"),
            format!("[U:1:{}]", 1000 + n),
        )
    });
    names.map(|(name, id)| talk.game.join(name, &id)).collect()
}

fn report(talk: &Talk, what: &str, from: usize) {
    let mut costs = talk.game.costs_us()[from..].to_vec();
    costs.sort_unstable();
    let at = |share: f64| costs[((costs.len() - 1) as f64 * share) as usize];
    let over = costs.iter().filter(|cost| **cost > 1000).count();
    println!(
        "{what}: of {} ticks median {} us, 90% {}, 99% {}, 99.9% {}, most {}; {over} over 1 ms",
        costs.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

#[test]
fn hashing() {
    const BLOCKS: u32 = 4_000;
    let hash = include_str!("../../vscripts/vpi/sha256.nut");
    let dir = TempDir::new().unwrap();
    let mut game = Setup::new(dir.path())
        .script("sha256.nut", hash)
        .script(
            "mapspawn.nut",
            "::hash <- {}; IncludeScript(\"sha256\", hash)",
        )
        .start("cp_test");
    let code = format!(
        "local text = \"\"; while (text.len() < 16000) text += \"0123456789abcdef\"
        local key = hash.HmacKey(\"key\"), blocks = 0
        while (blocks < {BLOCKS}) blocks += hash.HmacStep(hash.HmacStart(key, text), 250)"
    );
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        game.run("t.nut", &code);
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(BLOCKS));
    }
    let bits = if game_vm::IS_WIDE { 64 } else { 32 };
    println!("hashing 64 bytes with integers of {bits} bits: {best:.1} us");
}

#[test]
fn idle() {
    let mut talk = Talk::start("");
    talk.run(700);
    let from = talk.game.costs_us().len();
    talk.run(4000);
    report(&talk, "idle, no player on", from);
    crowd(&mut talk);
    talk.run(700);
    let from = talk.game.costs_us().len();
    talk.run(4000);
    report(&talk, "idle, 24 players", from);
    talk.assert_quiet();
}

#[test]
fn busy() {
    let mut talk = Talk::start(TRAFFIC);
    talk.peer.answer = Some(|_| json!([["some", "row", 12, 3.5], ["another", "row", 13, null]]));
    let players = crowd(&mut talk);
    talk.run(100);
    talk.script("::calls = true");
    let from = talk.game.costs_us().len();
    for tick in 0..8000_usize {
        let player = players[tick * 7 % 24];
        if tick % 10 == 0 {
            talk.game.kill(player, players[tick % 24]);
        }
        if tick % 10 == 5 {
            talk.game.spawn(player);
        }
        if tick % 60 == 3 {
            talk.game
                .say(player, "!rank and then some more words to read");
        }
        if tick % 200 == 77 {
            talk.peer
                .send(&[json!({"message": "news", "data": {"text": "x".repeat(200)}})]);
        }
        talk.run(1);
    }
    report(
        &talk,
        "busy, 24 players, 6 calls and 14 events a second",
        from,
    );
    println!("{}", talk.script("return [::answered, ::errors]"));
    talk.assert_quiet();
}
