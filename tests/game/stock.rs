//! A client in the style of the stock one, in the fake game, against the real daemon, in real
//! time: every call is answered, although the client loses what comes together.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::daemon::{Daemon, SECRET, scriptdata};
use crate::support::{Game, Setup};

const STORY: &str = r#"
::answers <- {}
::Ask <- function(name, func, kwargs, urgent) {
    ::VPI.AsyncCall({
        func = func, kwargs = kwargs, urgent = urgent,
        callback = function(response, error) {
            ::answers[name] <- { response = response, error = error, tick = GetFrameCount() }
        }
    })
}
"#;

struct Story {
    game: Game,
    daemon: Daemon,
    _dir: TempDir,
}

/// A map with the client started, and a daemon.
fn story(seed: u64) -> Story {
    let dir = TempDir::new().expect("a folder");
    let daemon = Daemon::start(dir.path(), "");
    let client = include_str!("scripts/stock_style.nut").replace("@SECRET@", SECRET);
    let mapspawn = "IncludeScript(\"stock_style\", this); IncludeScript(\"story\", this)";
    let mut game = Setup::new(&scriptdata(dir.path()))
        .hostname("My Server #1")
        .seed(seed)
        .clock_offset(-5 * 3600)
        .script("stock_style.nut", &client)
        .script("story.nut", STORY)
        .script("mapspawn.nut", mapspawn)
        .start("cp_first");
    game.run_ticks(10);
    game.assert_no_errors();
    Story {
        game,
        daemon,
        _dir: dir,
    }
}

impl Story {
    /// Runs in real time until so many calls are answered; gives answers by name.
    fn answers(&mut self, count: usize) -> BTreeMap<String, Json> {
        let code = "return ::answers.len()";
        let all = self
            .game
            .run_real_until(9.0, |game| game.run("story.nut", code) == json!(count));
        let answers = self.game.run("story.nut", "return ::answers");
        let missing = format!("of {count} answers: {answers}\n{:#?}", self.daemon.log());
        assert!(all, "{missing}");
        self.game.assert_no_errors();
        let answers = answers.as_object().expect("a table").clone();
        for (name, answer) in &answers {
            assert_eq!(answer["error"], json!(false), "{name}: {missing}");
        }
        let values = answers
            .into_iter()
            .map(|(name, answer)| (name, answer["response"].clone()));
        values.collect()
    }

    /// Forty calls in one tick, and their answers.
    fn burst(&mut self, urgent: bool) {
        let code = format!(
            "for (local i = 0; i < 40; i++) Ask(\"n\" + i, \"VPI_Ping\", {{ n = i }}, {urgent})"
        );
        self.game.run("story.nut", &code);
        let answers = self.answers(40);
        for n in 0..40 {
            assert_eq!(answers[&format!("n{n}")], json!({"n": n}));
        }
        println!("{}", self.game.cost_summary());
    }
}

#[test]
fn single_calls_are_answered_with_the_right_values() {
    let mut story = story(1);
    let code = r#"
        Ask("nothing", "VPI_Ping", null, true)
        Ask("values", "VPI_Ping", { a = [1, 2.5, 3.0, true, null], b = "Z\xc3\xbcri \"q\" \\x \x07FFred" }, true)
        Ask("table", "VPI_DB_RawExecute", { query = "CREATE TABLE user_story_t (n INTEGER, t TEXT)" }, true)
    "#;
    story.game.run("story.nut", code);
    let answers = story.answers(3);
    assert_eq!(answers["nothing"], json!("pong"));
    let values = &answers["values"];
    assert_eq!(values["a"], json!([1, 2.5, 3, true, null]));
    assert_eq!(values["b"], json!("Z\u{fc}ri \"q\" \\x \u{7}FFred"));
    let code =
        r#"Ask("row", "VPI_DB_UserInsert", { table = "user_story_t", values = [7, "'x'"] }, true)"#;
    story.game.run("story.nut", code);
    assert_eq!(story.answers(4)["row"], json!(1));
    let code = r#"Ask("rows", "VPI_DB_UserSelect", { table = "user_story_t" }, true)"#;
    story.game.run("story.nut", code);
    assert_eq!(story.answers(5)["rows"], json!([[7, "x"]]));
}

#[test]
fn an_unknown_function_is_an_error_to_its_callback() {
    let mut story = story(2);
    story
        .game
        .run("story.nut", "Ask(\"x\", \"VPI_Nothing\", null, true)");
    let done = |game: &mut Game| game.run("t.nut", "return ::answers.len()") == json!(1);
    assert!(story.game.run_real_until(3.0, done));
    let answer = story.game.run("story.nut", "return ::answers.x");
    assert_eq!(answer["error"], json!(true));
    let text = answer["response"].as_str().unwrap();
    assert!(text.starts_with("[VPI ERROR] (VPI_Nothing) :: "), "{text}");
}

#[test]
fn forty_urgent_calls_at_once_are_all_answered() {
    for seed in 3..5 {
        story(seed).burst(true);
    }
}

#[test]
fn forty_gathered_calls_are_all_answered() {
    story(6).burst(false);
}

#[test]
fn calls_written_at_the_end_of_a_map_are_executed_and_the_next_map_is_served() {
    let mut story = story(7);
    let code = r#"Ask("t", "VPI_DB_RawExecute", { query = "CREATE TABLE user_story_t (n INTEGER)" }, true)"#;
    story.game.run("story.nut", code);
    story.answers(1);
    let code = r#"for (local i = 0; i < 5; i++)
        Ask("lost" + i, "VPI_DB_UserInsert", { table = "user_story_t", values = [i] }, false)"#;
    story.game.run("story.nut", code);
    story.game.change_map("cp_second");
    story.game.run_ticks(10);
    assert_eq!(story.game.run("story.nut", "return ::answers"), json!({}));
    // The calls of the old map were written before these, and are done in that order.
    let code = r#"Ask("rows", "VPI_DB_UserSelect", { table = "user_story_t" }, true)
        for (local i = 0; i < 12; i++) Ask("n" + i, "VPI_Ping", { n = i }, true)"#;
    story.game.run("story.nut", code);
    let answers = story.answers(13);
    assert_eq!(answers["rows"], json!([[0], [1], [2], [3], [4]]));
    assert_eq!(answers["n11"], json!({"n": 11}));
}

/// A script with this literal as its secret, a configuration that `init --legacy` made of it, and a daemon
/// with that.
fn story_with_secret(literal: &str) -> Story {
    let dir = TempDir::new().expect("a folder");
    let tf = dir.path().join("tf");
    let vscripts = tf.join("scripts/vscripts");
    fs::create_dir_all(&vscripts).expect("folders");
    fs::create_dir(tf.join("scriptdata")).expect("a folder");
    fs::write(tf.join("gameinfo.txt"), "").expect("a file");
    let get = format!("function GetSecret() {{ return {literal} }}");
    fs::write(vscripts.join("vpi.nut"), &get).expect("a script");
    let config = dir.path().join("vpid.toml");
    let init = Command::new(env!("CARGO_BIN_EXE_vpid"))
        .args(["init", "--legacy", "--scriptdata"])
        .arg(&tf)
        .arg("--config")
        .arg(&config)
        .output()
        .expect("vpid can be spawned");
    let said = String::from_utf8_lossy(&init.stdout);
    assert!(said.contains("which stays unchanged"), "{said}");
    let daemon = Daemon::configured(config);
    let client = include_str!("scripts/stock_style.nut").replace("\"@SECRET@\"", literal);
    let mapspawn = "IncludeScript(\"stock_style\", this); IncludeScript(\"story\", this)";
    let mut game = Setup::new(&tf.join("scriptdata"))
        .hostname("My Server #1")
        .seed(8)
        .clock_offset(-5 * 3600)
        .script("stock_style.nut", &client)
        .script("story.nut", STORY)
        .script("mapspawn.nut", mapspawn)
        .start("cp_first");
    game.run_ticks(10);
    game.assert_no_errors();
    Story {
        game,
        daemon,
        _dir: dir,
    }
}

#[test]
fn whatever_secret_the_stock_protocol_carries_is_taken_over_from_the_script() {
    let longest = format!("@\"{}\"", "a b!".repeat(7_500 / 4));
    for literal in [
        r#"@"my old ""secret"" text! of 40 signs, it's \x so""#,
        r#"" \x20 \"quoted\" \\ it\'s ~\x7e \u0021 ""#,
        &format!("@\"{}\"", "0123456 ".repeat(7_000 / 8)),
        &longest,
    ] {
        let mut story = story_with_secret(literal);
        story
            .game
            .run("story.nut", "Ask(\"a\", \"VPI_Ping\", { n = \"x\" }, true)");
        assert_eq!(story.answers(1)["a"], json!({"n": "x"}), "{literal}");
    }
}
