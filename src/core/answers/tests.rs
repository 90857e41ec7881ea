//! The answers of one host, step by step.

use super::*;

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_s: 0 }
}

fn with(tokens: &[&str]) -> Answers {
    let mut answers = Answers::default();
    answers.input_is(InputState::Empty, at(0));
    for token in tokens {
        answers.push(token.to_string(), "1".into(), FileId(7), 0, at(0));
    }
    answers
}

fn write(answers: &mut Answers, now: Now) -> Option<Vec<String>> {
    let content = answers.next_content(now, 128, true)?;
    answers.written(true, now);
    Some(content.into_iter().map(|(token, _)| token).collect())
}

#[test]
fn an_answer_is_repeated_until_its_caller_has_timed_out() {
    let mut answers = with(&["a", "b"]);
    assert_eq!(write(&mut answers, at(1)).unwrap(), ["a", "b"]);
    answers.input_is(InputState::Empty, at(100));
    assert_eq!(
        write(&mut answers, at(101)),
        None,
        "not before the client can read again"
    );
    assert_eq!(
        write(&mut answers, at(100 + limits::REPEAT_GAP_MS)).unwrap(),
        ["a", "b"]
    );
    answers.input_is(InputState::Empty, at(1000));
    assert!(
        answers
            .expire(
                at(limits::REPEAT_AFTER_CALL_MS),
                limits::HOST_ANSWER_BYTES_MAX
            )
            .is_empty()
    );
    assert!(answers.is_idle());
}

#[test]
fn a_lone_answer_that_was_fetched_is_delivered() {
    let mut answers = with(&["a"]);
    assert_eq!(write(&mut answers, at(1)).unwrap(), ["a"]);
    answers.input_is(InputState::Empty, at(100));
    assert!(answers.is_idle());
}

#[test]
fn an_answer_that_was_put_in_just_before_the_file_was_emptied_is_shown_again() {
    let mut answers = with(&["a", "b"]);
    write(&mut answers, at(1));
    answers.input_is(InputState::Empty, at(100));
    write(&mut answers, at(300));
    answers.expire(
        at(limits::REPEAT_AFTER_CALL_MS + 1),
        limits::HOST_ANSWER_BYTES_MAX,
    );
    answers.push("c".into(), "1".into(), FileId(8), 3700, at(3700));
    assert_eq!(write(&mut answers, at(3700)).unwrap(), ["c"]);
    answers.input_is(InputState::Empty, at(3701));
    assert_eq!(write(&mut answers, at(3701)).unwrap(), ["c"]);
    answers.input_is(InputState::Empty, at(3702));
    assert!(answers.is_idle(), "this time it was read for certain");
}

#[test]
fn a_fresh_answer_replaces_what_nobody_has_fetched_and_nothing_is_dropped() {
    let mut answers = with(&["a"]);
    assert_eq!(write(&mut answers, at(1)).unwrap(), ["a"]);
    answers.push("b".into(), "1".into(), FileId(8), 2, at(2));
    assert_eq!(write(&mut answers, at(2)), None, "it was just written");
    let due = at(answers.next_due_ms(at(2), 128).unwrap());
    assert_eq!(due, at(1 + limits::REPLACE_GAP_MS));
    assert_eq!(write(&mut answers, due).unwrap(), ["a", "b"]);
}

#[test]
fn answers_that_do_not_fit_wait_in_order() {
    let mut answers = with(&[]);
    for token in ["a", "b", "c"] {
        answers.push(token.into(), "9".repeat(7000), FileId(7), 0, at(0));
    }
    answers.push("d".into(), "1".into(), FileId(7), 0, at(0));
    assert_eq!(write(&mut answers, at(1)).unwrap(), ["a", "b"]);
    assert_eq!(
        write(&mut answers, at(2)),
        None,
        "nothing more fits until it is fetched"
    );
    answers.input_is(InputState::Empty, at(3));
    assert_eq!(write(&mut answers, at(3)).unwrap(), ["c", "d"]);
}

#[test]
fn a_file_of_repetitions_takes_in_those_that_fall_due_while_it_waits() {
    let mut answers = with(&["a", "b"]);
    write(&mut answers, at(1));
    answers.input_is(InputState::Empty, at(100));
    for token in ["c", "d"] {
        answers.push(token.into(), "1".into(), FileId(8), 110, at(110));
    }
    assert_eq!(write(&mut answers, at(110)).unwrap(), ["c", "d"]);
    answers.input_is(InputState::Empty, at(165));
    assert_eq!(write(&mut answers, at(220)).unwrap(), ["a", "b"]);
    assert_eq!(answers.next_due_ms(at(220), 128), Some(285));
    assert_eq!(write(&mut answers, at(284)), None);
    assert_eq!(write(&mut answers, at(285)).unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(write(&mut answers, at(286)), None);
}

#[test]
fn what_is_past_its_time_is_taken_out_of_the_file() {
    let mut answers = with(&["a"]);
    write(&mut answers, at(1));
    let late = at(limits::ANSWER_EXPIRES_MS + 1);
    answers.expire(late, limits::HOST_ANSWER_BYTES_MAX);
    assert_eq!(write(&mut answers, late).unwrap(), Vec::<String>::new());
    assert_eq!(write(&mut answers, late), None);
}

#[test]
fn a_failed_write_is_tried_again_later() {
    let mut answers = with(&["a"]);
    assert!(answers.next_content(at(1), 128, true).is_some());
    assert!(answers.written(false, at(1)).is_empty());
    assert!(answers.next_content(at(2), 128, true).is_none());
    let retry = at(answers.next_due_ms(at(2), 128).unwrap());
    assert!(answers.next_content(retry, 128, true).is_some());
    assert_eq!(answers.written(true, retry), [FileId(7)]);
}

#[test]
fn a_token_never_stands_twice_in_a_file() {
    let mut answers = with(&["a", "b"]);
    assert!(!answers.push("a".into(), "2".into(), FileId(8), 0, at(0)));
    assert_eq!(write(&mut answers, at(1)).unwrap(), ["a", "b"]);
    answers.expire(
        at(limits::ANSWER_EXPIRES_MS + 1),
        limits::HOST_ANSWER_BYTES_MAX,
    );
    assert!(answers.push("a".into(), "3".into(), FileId(9), 0, at(40_000)));
}

#[test]
fn unfetched_answers_are_bounded_and_their_files_let_go() {
    let mut answers = with(&[]);
    for count in 0..limits::HOST_ANSWERS_MAX as u64 + 5 {
        answers.push(count.to_string(), "1".into(), FileId(count), 0, at(0));
    }
    assert_eq!(
        answers.expire(at(1), limits::HOST_ANSWER_BYTES_MAX),
        [0, 1, 2, 3, 4].map(FileId)
    );
}
