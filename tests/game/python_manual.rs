//! The examples of docs/scripts.md, run as they stand: all of its Python scripts in one vpid, its
//! calls from a terminal, and its Squirrel in a game beside it.

use serde_json::Value as Json;

use crate::support::python::{Stage, stage};

const MANUAL: &str = include_str!("../../docs/scripts.md");

/// What stands between two fences.
struct Block {
    kind: &'static str,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in MANUAL.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                let text = String::new();
                open = Some(Block { kind, text });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// The name of a script, which stands in its first line.
fn script(block: &Block) -> Option<&str> {
    let first = block.text.lines().next()?;
    first.strip_prefix("# scripts/")
}

/// `$ vpid call NAME 'JSON'`, and below it what is answered.
fn calls(stage: &mut Stage, text: &str) {
    let mut commands = text.split("$ vpid call ");
    assert_eq!(commands.next(), Some(""), "{text}");
    for command in commands {
        let (line, answer) = command.split_once('\n').expect("an answer");
        let (name, kwargs) = line.split_once(' ').unwrap_or((line, "''"));
        let kwargs = match kwargs.trim_matches('\'') {
            "" => Json::Null,
            kwargs => serde_json::from_str(kwargs).expect("JSON"),
        };
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        assert_eq!(stage.call(name, &kwargs), answer, "{line}");
    }
}

#[test]
fn every_script_of_the_manual_does_what_stands_below_it() {
    let blocks = blocks();
    let python = blocks.iter().filter(|block| block.kind == "python");
    let scripts: Vec<(&str, &str)> = python
        .map(|block| (script(block).expect("its name"), block.text.as_str()))
        .collect();
    assert!(scripts.len() >= 6, "{}", scripts.len());
    let mut stage = stage(&scripts, &[], "");
    let ann = stage.game.join("Ann", "[U:1:7]");
    let bob = stage.game.join("Bob", "[U:1:8]");
    stage.reads(ann, "Hello, Ann!");
    stage.reads(bob, "Hello, Bob!");
    stage.game.say(bob, "!who");
    stage.reads(bob, "Ann, Bob");
    stage.game.say(ann, "!points");
    stage.reads(ann, "no points yet");
    stage.game.say(ann, "!give Bob 3");
    stage.reads(ann, "You may not use !give.");
    stage.game.leave(bob, "bye");
    stage.logs("says left: Bob");
    let mut before: Option<&Block> = None;
    for block in &blocks {
        match (block.kind, before) {
            ("squirrel", _) => {
                stage.game.clear_record();
                stage.game.run("manual.nut", &block.text);
            }
            ("console", _) => calls(&mut stage, &block.text),
            ("text", Some(before)) => {
                for line in block.text.lines() {
                    match script(before) {
                        Some(file) => {
                            let name = file.trim_end_matches(".py");
                            stage.logs(&format!("script {name}: {line}"));
                        }
                        None => stage.prints(line),
                    }
                }
            }
            ("python", _) => {}
            (kind, _) => panic!("a block of {kind:?}:\n{}", block.text),
        }
        before = Some(block);
    }
    let log = stage.daemon.log();
    let faults: Vec<_> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(
        faults
            .iter()
            .all(|line| line.contains("result.rows[1].cell")),
        "{faults:#?}"
    );
}

#[test]
fn the_manual_has_every_function_and_every_hook() {
    let module = include_str!("../../src/io/python/game.py");
    let functions = module.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("def ")?.split_once('(')?;
        (!name.starts_with('_')).then_some(name)
    });
    let functions: Vec<_> = functions.collect();
    assert!(functions.len() >= 30, "{functions:?}");
    for name in functions {
        assert!(MANUAL.contains(&format!("`{name}(")), "{name}");
    }
    let hooks = [
        include_str!("../../src/core/scripts/events.rs"),
        include_str!("../../src/core/scripts/requests.rs"),
        include_str!("../../src/core/scripts/orders.rs"),
        include_str!("../../src/io/python/vpid_host.py"),
    ];
    let words = hooks.iter().flat_map(|text| text.split('"'));
    let is_hook = |word: &&str| {
        word.starts_with("On") && word.len() > 3 && word.chars().all(|c| c.is_ascii_alphabetic())
    };
    // Only begins the names of some.
    let is_whole = |word: &&str| !["OnVyHub", "OnCommunity"].contains(word);
    for hook in words.filter(is_hook).filter(is_whole) {
        assert!(MANUAL.contains(&format!("`{hook}`")), "{hook}");
    }
}
