//! The scripts of `examples/scripts/`, as they stand, in the built daemon beside a game.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::support::python::{Stage, examples, stage};

fn text(name: &str) -> String {
    let path = examples().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alone(name: &str, tables: &str) -> Stage {
    stage(&[(name, &text(name))], &[], tables)
}

#[test]
fn the_filter_warns_kicks_and_keeps_lines_from_later_scripts() {
    let later = "import game\ndef OnPlayerChat(player, text): game.log('passed: ' + text)";
    let scripts = [
        ("a_bridge.py", later),
        ("message_filter.py", &text("message_filter.py")),
    ];
    let tables = "order = [\"message_filter\"]\n[script.message_filter.config]\n\
                  words = [\"Free Skins\"]\nwarnings = 1\n";
    let mut stage = stage(&scripts, &[], tables);
    let ann = stage.game.join("Ann", "[U:1:7]");
    stage.game.say(ann, "FREE SKINS here");
    stage.reads(ann, "Please no free skins here.");
    assert!(stage.commands().is_empty());
    stage.game.say(ann, "free skins");
    stage.until("a kick", |stage| {
        let kick = format!("kickid {ann} no free skins here");
        stage.commands().contains(&kick)
    });
    stage.game.say(ann, "good bye");
    stage.logs("script a_bridge: passed: good bye");
    let log = stage.daemon.log().join("\n");
    assert!(!log.to_lowercase().contains("passed: free skins"), "{log}");
}

#[test]
fn the_welcome_comes_late_and_admins_hear_of_admins() {
    let tables = "admins = [\"[U:1:5]\"]\n[script.welcome.config]\ndelay_s = 0.1\n";
    let mut stage = alone("welcome.py", tables);
    let admin = stage.game.join("Ida", "[U:1:5]");
    stage.reads(admin, "Welcome to cp_first, Ida! You are number 1 of ");
    stage.reads(admin, "Ida, who is an admin, is here.");
    stage.game.join("Robot", "BOT");
    let ann = stage.game.join("Ann", "[U:1:7]");
    stage.reads(ann, "Welcome to cp_first, Ann! You are number 2 of ");
    let read: BTreeSet<_> = stage.read().into_iter().map(|(to, _)| to).collect();
    assert_eq!(read, BTreeSet::from([Some(admin), Some(ann)]));
}

#[test]
fn statistics_count_and_answer() {
    let mut stage = alone("stats.py", "");
    let ann = stage.game.join("Ann", "[U:1:7]");
    let bob = stage.game.join("Bob", "[U:1:8]");
    for _ in 0..2 {
        stage.game.kill(ann, bob);
    }
    stage.game.kill(bob, ann);
    stage.game.kill(ann, ann);
    stage.game.say(bob, "!top");
    stage.reads(bob, "1. Bob: 2 kills");
    stage.reads(bob, "2. Ann: 1 kills");
    let totals = json!({"joins": 2, "messages": 1, "kills": 3, "peak": 2});
    assert_eq!(stage.call("stats.get_stats", &Json::Null), totals);
    let best = json!([{"steam": "76561197960265736", "name": "Bob", "kills": 2}]);
    let count = json!({"count": 1});
    assert_eq!(stage.call("stats.top_players", &count), best);
}

#[test]
fn lists_and_dictionaries_go_both_ways() {
    let python = [("exchange.py", &*text("exchange.py"))];
    let squirrel = [("exchange.nut", &*text("exchange.nut"))];
    let mut stage = stage(&python, &squirrel, "");
    for line in [
        "mode duel, 2 classes",
        "2 changed, 7 rounds, a draw is 2",
        "failed: [VPI ERROR] (exchange.update_settings) :: ValueError: there is no setting round",
        "first is Bob with 20",
        "Python asked back: 6 letters in Robert",
        "round of Bob: 37 points in all",
    ] {
        stage.prints(line);
    }
    let lines = stage.game.record().prints();
    assert!(!lines.iter().any(|line| line.starts_with("this is not")));
}

#[test]
fn visits_are_remembered_across_restarts_of_the_script() {
    let mut stage = alone("visits.py", "");
    let ann = stage.game.join("Ann O'Hara", "[U:1:7]");
    stage.until("a visit", |stage| {
        stage.call("visits.regulars", &Json::Null) == json!([{"name": "Ann O'Hara", "visits": 1}])
    });
    stage.game.leave(ann, "bye");
    assert!(
        stage
            .vpid(&["script", "reload", "visits"])
            .contains("visits is loaded")
    );
    let ann = stage.game.join("Ann O'Hara", "[U:1:7]");
    stage.reads(ann, "Good to see you again, Ann O'Hara: visit 2.");
}

#[test]
fn ranks_are_kept_across_restarts_of_the_script() {
    let mut stage = alone("rank.py", "");
    let ann = stage.game.join("Ann O'Hara", "[U:1:7]");
    let bob = stage.game.join("Bob", "[U:1:8]");
    // The victim first.
    for _ in 0..2 {
        stage.game.kill(bob, ann);
    }
    stage.game.say(ann, "!rank");
    stage.reads(ann, "You have 4 points: place 1 of 2.");
    stage.game.kill(ann, bob);
    stage.game.say(bob, "!rank");
    stage.reads(bob, "You have 0 points: place 2 of 2.");
    assert!(
        stage
            .vpid(&["script", "reload", "rank"])
            .contains("rank is loaded")
    );
    let best = json!([
        {"steam": "76561197960265735", "name": "Ann O'Hara", "points": 3},
        {"steam": "76561197960265736", "name": "Bob", "points": 0},
    ]);
    assert_eq!(stage.call("rank.best", &Json::Null), best);
}

#[test]
fn players_vote_for_a_map_and_are_warned_for_words() {
    let scripts = [
        ("map_vote.py", &*text("map_vote.py")),
        ("words.py", &text("words.py")),
        ("seeding.py", &text("seeding.py")),
        ("discord.py", &text("discord.py")),
    ];
    let tables = "[script.map_vote.config]\nmaps = [\"cp_next\"]\ndelay_s = 0\nvote_s = 0.5\n\
                  [script.words.config]\nwords = [\"badword\"]\n\
                  [script.seeding.config]\nwanted = 2\nevery_s = 0.2\n";
    let mut stage = stage(&scripts, &[], tables);
    let ann = stage.game.join("Ann", "[U:1:7]");
    stage.reads_all("1 of 2 players are here; 1 more");
    stage.game.say(ann, "B4DW0RD");
    stage.reads(ann, "Such words are not welcome here. 1 more warnings");
    let bob = stage.game.join("Bob", "[U:1:8]");
    stage.reads_all("We are 2. Thank you all");
    stage.logs("there is no webhook in [script.discord.config]");
    for player in [ann, bob] {
        stage.game.say(player, "!rtv");
    }
    stage.reads_all("1: cp_next");
    stage.game.say(ann, "!vote 1");
    stage.reads(ann, "Your vote: cp_next.");
    stage.reads_all("cp_next has won with 1 votes");
}

#[test]
fn every_example_stands_in_its_readme() {
    let readme = text("README.md");
    for entry in std::fs::read_dir(examples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_example = name.ends_with(".py") || name.ends_with(".nut");
        assert!(
            !is_example || readme.contains(&format!("`{name}`")),
            "{name}"
        );
    }
}
