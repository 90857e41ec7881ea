//! `vpid play`: game scripts and a scenario, without a game.

use std::fs;
use std::path::{Path, PathBuf};

use fake_game::play::{Outcome, Play, run};

fn play(scripts: &Path, first: Option<&str>, scenario: &str) -> (Result<Outcome, String>, String) {
    let data = tempfile::tempdir().expect("a folder");
    let play = Play {
        scripts: scripts.to_path_buf(),
        first: first.map(str::to_owned),
        scenario: ("test.jsonl".into(), scenario.into()),
        scriptdata: data.path().to_path_buf(),
        is_real: false,
    };
    let mut out = Vec::new();
    let outcome = run(&play, &mut out);
    (outcome, String::from_utf8(out).expect("text"))
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/game")
}

#[test]
fn the_example_does_what_its_scenario_expects() {
    let scenario = fs::read_to_string(examples().join("duel.jsonl")).expect("the scenario");
    let (outcome, text) = play(&examples(), Some("duel.nut"), &scenario);
    let outcome = outcome.expect("a good scenario");
    assert_eq!((outcome.errors, outcome.unmet), (0, 0), "{text}");
    assert!(outcome.steps >= 15, "{text}");
    assert!(text.contains("chat    to all: [Duel] Ann wins"), "{text}");
    // It notices where the script does something else.
    let wrong = scenario.replace("Ann against Bob", "Bob against Ann");
    let (outcome, text) = play(&examples(), Some("duel.nut"), &wrong);
    assert_eq!(outcome.map(|it| it.unmet), Ok(1), "{text}");
    assert!(text.contains("FAILED  test.jsonl, line 9"), "{text}");
}

#[test]
fn an_error_is_shown_with_its_file_its_line_and_its_variables() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("lib")).expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a script");
    write(
        "lib/points.nut",
        "function Points(of)\n{\n    local bonus = 5\n    return of.points + bonus\n}\n",
    );
    write(
        "mode.nut",
        "IncludeScript(\"lib/points\")\nfunction Show() { printl(Points({ name = \"x\" })) }\n",
    );
    write("mapspawn.nut", "printl(\"mapspawn\")\n");
    let scenario =
        "{\"expect\": \"mapspawn\"}\n{\"run\": \"Show()\"}\n{\"run\": \"return 1 + 1\"}\n";
    let (outcome, text) = play(folder.path(), Some("mode.nut"), scenario);
    assert_eq!(
        outcome.map(|it| (it.errors, it.unmet)),
        Ok((1, 0)),
        "{text}"
    );
    for part in [
        "ERROR   the index 'points' does not exist",
        "in Points, points.nut, line 4",
        "bonus = 5",
        "in Show, mode.nut, line 2",
        "result  2",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    write("broken.nut", "function (\n");
    let (outcome, text) = play(folder.path(), Some("broken.nut"), "{\"wait\": 0.1}");
    assert!(outcome.is_ok_and(|it| it.errors >= 1), "{text}");
    assert!(text.contains("broken.nut, line "), "{text}");
}

#[test]
fn folders_that_are_no_scripts_do_not_matter() {
    let folder = tempfile::tempdir().expect("a folder");
    let hidden = folder.path().join(".cache");
    fs::create_dir(&hidden).expect("a folder");
    fs::write(hidden.join("old.nut"), "x".repeat(2 << 20)).expect("a file");
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).expect("a folder");
    let mode = |bits| std::os::unix::fs::PermissionsExt::from_mode(bits);
    fs::set_permissions(&closed, mode(0o000)).expect("a mode");
    fs::write(folder.path().join("mapspawn.nut"), "printl(\"begun\")\n").expect("a script");
    let (outcome, text) = play(folder.path(), None, "{\"expect\": \"begun\"}");
    fs::set_permissions(&closed, mode(0o700)).expect("a mode");
    assert_eq!(outcome.map(|it| it.unmet), Ok(0), "{text}");
}

#[test]
fn a_step_that_cannot_be_is_an_error_with_its_line() {
    for (line, part) in [
        ("{\"dance\": 1}", "line 2: no step of a known kind"),
        (
            "{\"say\": \"Ann\", \"text\": \"x\"}",
            "line 2: Ann is not on the server",
        ),
        (
            "{\"join\": \"Ann\", \"teem\": 2}",
            "line 2: this kind of step has no \"teem\"",
        ),
        ("{\"wait\": -1}", "line 2: \"wait\" must be seconds"),
        ("not json", "line 2: no JSON object"),
    ] {
        let (outcome, _) = play(&examples(), None, &format!("# a comment\n{line}\n"));
        let error = outcome.expect_err(line);
        assert!(error.contains(part), "{error}");
    }
}
