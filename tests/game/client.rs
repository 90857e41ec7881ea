//! The stock-style client without a daemon: has it the pace and the weaknesses that the daemon
//! must live with?

use std::fs;

use serde_json::json;
use tempfile::TempDir;
use vpid::protocol::stock::call_file;
use vpid::protocol::stock::legacy;
use vpid::protocol::stock::response_file;

use crate::support::daemon::SECRET;
use crate::support::record::Entry;
use crate::support::{Game, Setup, What};

const STORY: &str = r#"
::answers <- []
::Ask <- function(urgent) {
    return ::VPI.AsyncCall({ func = "VPI_Ping", kwargs = { chat = "\x07FF0000\xc3" }, urgent = urgent,
        callback = function(response, error) { ::answers.append(response) } })
}
"#;

fn game() -> (TempDir, Game) {
    let dir = TempDir::new().expect("a folder");
    let client = include_str!("scripts/stock_style.nut").replace("@SECRET@", SECRET);
    let mut game = Setup::new(dir.path())
        .hostname("A_b c-\u{e9}9")
        .script("stock_style.nut", &client)
        .script("story.nut", STORY)
        .script(
            "mapspawn.nut",
            "foreach (s in [\"stock_style\", \"story\"]) IncludeScript(s, this)",
        )
        .start("cp_test");
    game.run_ticks(20);
    game.assert_no_errors();
    (dir, game)
}

/// Writes what a server would.
fn answer(dir: &TempDir, answers: &[(String, &str)]) {
    let unix = jiff::Timestamp::now().as_second();
    let mut random = (1u8..=184).cycle();
    let identity = legacy::seal(SECRET.as_bytes(), unix, || random.next().unwrap_or(0));
    let answers = answers.iter();
    let text = response_file::pack(
        answers.map(|(token, value)| (token.as_str(), *value)),
        &identity,
    );
    fs::write(dir.path().join("ab_c__9_vpi_input.interface"), text).expect("a file");
}

/// Asks so many calls in one tick; gives their tokens.
fn ask(game: &mut Game, count: usize, urgent: bool) -> Vec<String> {
    let code = format!(
        "local t = []; for (local i = 0; i < {count}; i++) t.append(Ask({urgent})); return t"
    );
    let tokens = game.run("story.nut", &code);
    let tokens = tokens.as_array().expect("an array").iter();
    tokens
        .map(|token| token.as_str().expect("a text").to_string())
        .collect()
}

/// Ticks, by the client's own count, in which something happened since the record was cleared.
fn ticks(game: &Game, wanted: impl Fn(&What) -> bool) -> Vec<i64> {
    let record = game.record().0.into_iter();
    let wanted = record.filter(|entry: &Entry| entry.map == 1 && wanted(&entry.what));
    wanted.map(|entry| entry.tick).collect()
}

fn is_call_file(what: &What) -> bool {
    matches!(what, What::Write { name, .. } if name.ends_with("_output.interface"))
}

fn is_read(what: &What) -> bool {
    matches!(what, What::Read { .. })
}

#[test]
fn a_call_file_is_one_that_the_daemon_believes() {
    let (_dir, mut game) = game();
    ask(&mut game, 2, true);
    game.run_ticks(1);
    let record = game.record();
    let writes = record.writes();
    assert_eq!(writes[0].0, "ab_c__9_vpi_restart.interface");
    let (name, text) = writes[1];
    assert!(name.starts_with("ab_c__9_vpi_"), "{name}");
    let identity = call_file::scan(text).expect("a call file");
    let outline = call_file::outline(text).expect("calls");
    let call = outline.singles[1].call.read(text).expect("a call");
    assert_eq!(
        (call.script.as_str(), call.function.as_str()),
        ("story.nut", "VPI_Ping")
    );
    let identity = identity.expect("an identity");
    assert!(legacy::verify(SECRET.as_bytes(), &identity));
}

#[test]
fn it_reads_six_times_soon_then_each_second_until_it_gives_up() {
    let (_dir, mut game) = game();
    game.run_ticks(300);
    game.clear_record();
    ask(&mut game, 1, true);
    game.run_ticks(300);
    let start = ticks(&game, is_call_file)[0];
    let reads = ticks(&game, is_read);
    let fast = &reads[..6];
    assert!(
        fast[0] - start <= 11
            && fast
                .windows(2)
                .all(|pair| (10..=12).contains(&(pair[1] - pair[0])))
    );
    let slow = &reads[6..];
    assert!((1..=3).contains(&slow.len()), "{reads:?}");
    assert!(
        slow.windows(2)
            .all(|pair| (65..=67).contains(&(pair[1] - pair[0]))),
        "{reads:?}"
    );
    let end = reads.last().expect("a read") - start;
    assert!(end <= 234, "silent after the time-out: {reads:?}");
    let answers = game.run("story.nut", "return ::answers");
    assert_eq!(answers, json!(["[VPI ERROR] TIMEOUT"]));
}

#[test]
fn urgent_calls_are_written_three_times_and_others_each_three_seconds() {
    let (_dir, mut game) = game();
    assert!(game.run_ticks_until(400, |game| (game.tick() - 1) % 198 == 0));
    game.clear_record();
    for _ in 0..5 {
        ask(&mut game, 1, true);
        ask(&mut game, 1, false);
        game.run_ticks(10);
    }
    assert_eq!(ticks(&game, is_call_file).len(), 3);
    game.run_ticks(160);
    let written = ticks(&game, is_call_file);
    assert_eq!(written.len(), 4, "{written:?}");
    assert!(
        (197..=199).contains(&(written[3] - written[0] + 1)),
        "{written:?}"
    );
}

#[test]
fn it_forgets_up_to_half_of_the_answers_that_come_together() {
    for (count, kept) in [(1, 1..=1), (4, 2..=3), (40, 20..=24), (64, 32..=32)] {
        let (dir, mut game) = game();
        let tokens = ask(&mut game, count, true);
        let answers: Vec<_> = tokens.iter().map(|token| (token.clone(), "1")).collect();
        let answered = |game: &mut Game| {
            let count = game.run("story.nut", "return ::answers.len()");
            count.as_u64().expect("a number") as usize
        };
        answer(&dir, &answers);
        game.run_ticks(15);
        let first = answered(&mut game);
        assert!(kept.contains(&first), "{first} of {count}");
        answer(&dir, &answers);
        game.run_ticks(67);
        let more = answered(&mut game);
        assert!(
            more > first || count == 1,
            "repeating helps: {more} of {count}"
        );
    }
}

#[test]
fn it_loses_signs_and_whole_files_to_a_last_backslash() {
    let (dir, mut game) = game();
    let tokens = ask(&mut game, 1, true);
    answer(&dir, &[(tokens[0].clone(), r#"["text\\"]"#)]);
    game.run_ticks(15);
    assert_eq!(game.run("story.nut", "return ::answers"), json!([]));
    let complaints = game.record().prints();
    assert!(
        complaints[0].starts_with("stock_style: no answers: "),
        "{complaints:?}"
    );
    answer(
        &dir,
        &[(
            tokens[0].clone(),
            r#"[-5, 2.5, "a\\b", "x\u0041y", "caf\u00e9"]"#,
        )],
    );
    game.run_ticks(67);
    let expected = json!([[5, 2.5, "a\\b", "xAy", "caf00e9"]]);
    assert_eq!(game.run("story.nut", "return ::answers"), expected);
}

#[test]
fn it_never_gets_over_a_file_above_16384_bytes() {
    let (dir, mut game) = game();
    let input = dir.path().join("ab_c__9_vpi_input.interface");
    ask(&mut game, 1, true);
    fs::write(&input, vec![b' '; 16_385]).unwrap();
    game.run_ticks(150);
    assert_eq!(fs::metadata(&input).unwrap().len(), 16_385);
}

#[test]
fn calls_of_the_last_tick_are_lost_when_it_has_had_its_file() {
    let written_at_the_end = |calls_before: usize| {
        let (_dir, mut game) = game();
        game.clear_record();
        ask(&mut game, calls_before, true);
        game.run_ticks(1);
        ask(&mut game, 1, false);
        game.shut_down();
        ticks(&game, is_call_file).len()
    };
    assert_eq!(written_at_the_end(0), 1);
    assert_eq!(written_at_the_end(1), 1, "only that of the call before");
}

#[test]
fn its_clock_is_the_machines_plus_five_hours() {
    let (_dir, mut game) = game();
    game.set_clock_offset(-5 * 3600);
    let unix = game
        .run("t.nut", "return ::VPI.Unix()")
        .as_i64()
        .expect("seconds");
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 2..=now).contains(&unix), "{unix} is not {now}");
}
