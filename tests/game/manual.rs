//! The examples of docs/game-scripts.md, run as they stand: each prints what stands below it. And the
//! script of a game mode in docs/databases.md.

use serde_json::json;
use tempfile::TempDir;

use crate::support::daemon::{Daemon, KEY, scriptdata};
use crate::support::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, VPI_CONFIG, vpi_with};

const MANUAL: &str = include_str!("../../docs/game-scripts.md");
const DATABASES: &str = include_str!("../../docs/databases.md");

struct Example {
    code: String,
    prints: Vec<String>,
}

/// The blocks of the manual, in order.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut kind = None;
    for line in MANUAL.lines() {
        match (kind, line.strip_prefix("```")) {
            (None, Some("squirrel")) => {
                examples.push(Example {
                    code: String::new(),
                    prints: Vec::new(),
                });
                kind = Some("squirrel");
            }
            (None, Some("text")) => kind = Some("text"),
            (Some(_), Some("")) => kind = None,
            (Some("squirrel"), None) => {
                let example = examples.last_mut().expect("a block");
                example.code += &format!("{line}\n");
            }
            (Some(_), None) => {
                let example = examples.last_mut().expect("a block before it");
                example.prints.push(line.to_string());
            }
            (None, None) => {}
            (kind, fence) => panic!("a fence {fence:?} in {kind:?}"),
        }
    }
    examples
}

fn game(dir: &TempDir) -> Game {
    let mut game = Setup::new(&scriptdata(dir.path()))
        .hostname("Manual Server")
        .script("mapspawn.nut", MAPSPAWN)
        .script("vpi.nut", &vpi_with(KEY))
        .script("vpi_config.nut", VPI_CONFIG)
        .start("cp_first");
    let connected =
        |game: &mut Game| game.run("manual.nut", "return VPI.Status().connected") == json!(true);
    assert!(game.run_real_until(10.0, connected));
    game
}

fn prints(game: &mut Game, example: &Example) {
    let printed = |game: &mut Game| {
        let lines = game.record().prints();
        example
            .prints
            .iter()
            .all(|wanted| lines.iter().any(|line| line.starts_with(wanted.as_str())))
    };
    let done = game.run_real_until(6.0, printed);
    let lines = game.record().prints();
    assert!(done, "{}\nprinted {lines:#?}", example.code);
    game.assert_no_errors();
}

#[test]
fn every_example_prints_what_stands_below_it() {
    let dir = TempDir::new().expect("a folder");
    let daemon = Daemon::start_signed(dir.path());
    let database = rusqlite::Connection::open(dir.path().join("game.db")).unwrap();
    let table = "CREATE TABLE user_manual_ranks (id TEXT PRIMARY KEY, name TEXT, wins INTEGER)";
    database.execute_batch(table).unwrap();
    let mut game = game(&dir);
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    for example in &examples {
        game.clear_record();
        game.run("manual.nut", &example.code);
        prints(&mut game, example);
    }
    // What the manual says an operator can do with them.
    let cases: [(&[&str], &str); 2] = [
        (
            &["message", "news", r#"{"text": "double points tonight"}"#],
            "news: double points tonight",
        ),
        (&["hook", "Reward", r#"{"userid": 3}"#], "a reward for 3"),
    ];
    for (arguments, line) in cases {
        let mut child = daemon
            .command(&[&["game"], arguments].concat())
            .spawn()
            .unwrap();
        let prints = vec![line.to_string()];
        self::prints(
            &mut game,
            &Example {
                code: line.into(),
                prints,
            },
        );
        // The game acknowledges a moment later.
        game.run_real_until(5.0, |_| child.try_wait().unwrap().is_some());
        assert!(child.wait().unwrap().success());
    }
    let mut call = daemon.command(&["game", "call", "ranks.top", r#"{"count": 1}"#]);
    let mut child = call.stdout(std::process::Stdio::piped()).spawn().unwrap();
    game.run_real_until(5.0, |_| child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap(),
        json!(["Ann"])
    );
}

/// The first block of this kind behind these words of docs/databases.md.
fn block(behind: &str, kind: &str) -> &'static str {
    let (_, rest) = DATABASES.split_once(behind).expect(behind);
    let (_, rest) = rest.split_once(&format!("```{kind}\n")).expect(kind);
    rest.split_once("```").expect("an end of the block").0
}

#[test]
fn the_game_mode_of_the_manual_keeps_its_data() {
    let dir = TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("mge.sql"), block("\n`mge.sql`:", "sql")).unwrap();
    let config = block("\nIn `vpid.toml`:", "toml");
    let (_, queries) = config.split_once("\n\n").expect("queries");
    let database = format!("schema = \"mge.sql\"\n{queries}");
    let _daemon = Daemon::start_signed_with(dir.path(), &database);
    let mut game = game(&dir);
    // What a script defines stands in a scope of its own.
    let script = block("\nIn `mge.nut`:", "squirrel");
    game.run("mge.nut", &format!("{script}\n::mge <- this"));
    let story = [
        (
            "mge.Joined(\"[U:1:1]\", \"Ana\")",
            "Ana has 1600 points and 0 wins",
        ),
        (
            "mge.Joined(\"[U:1:2]\", \"Bob \\\"'\")",
            "Bob \"' has 1600 points and 0 wins",
        ),
        (
            "mge.DuelWon(\"[U:1:2]\", \"[U:1:1]\", \"Spire\", 25); mge.ShowTop()",
            "1. Bob \"' 1625\n2. Ana 1575",
        ),
        (
            "mge.Joined(\"[U:1:2]\", \"Bob\")",
            "Bob has 1625 points and 1 wins",
        ),
        ("mge.ShowTop()", "1. Bob 1625\n2. Ana 1575"),
    ];
    for (code, wanted) in story {
        game.clear_record();
        game.run("mge.nut", code);
        let example = Example {
            code: code.to_string(),
            prints: wanted.lines().map(str::to_string).collect(),
        };
        prints(&mut game, &example);
    }
}
