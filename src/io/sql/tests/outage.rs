//! The lane while its database is locked, broken, read-only or absent.

use super::super::Outage;
use super::support::{ALL, Desk, call, insert};
use std::fs;

/// Waits until the lane has noticed that its database is away: a call whose time is up at
/// once is answered so during an outage, and never otherwise.
fn until_unavailable(desk: &mut Desk, first_index: u32) {
    for index in first_index..first_index + 10_000 {
        let mut probe = insert(index, i64::from(index));
        probe.deadline_ms = Some(0);
        desk.submit(vec![probe]);
        if desk.reason(index) == "DatabaseUnavailable" {
            return;
        }
    }
    panic!("the lane never noticed the outage");
}

#[test]
fn a_locked_database_is_waited_for() {
    let mut desk = Desk::new();
    desk.ask("Select", ALL).unwrap();
    let other = desk.outside();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    desk.submit(vec![insert(0, 1), insert(1, 2)]);
    until_unavailable(&mut desk, 100);
    let mut impatient = insert(2, 3);
    impatient.deadline_ms = desk.in_ms(300);
    desk.submit(vec![impatient]);
    let error = desk.answer(2).unwrap_err();
    assert_eq!(error.to_string(), "DatabaseUnavailable");
    assert!(desk.seen.len() > 1 && !desk.seen.keys().any(|id| id.index < 2));

    other.execute_batch("COMMIT").unwrap();
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    assert_eq!(desk.answer(1).as_deref(), Ok("1"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,0],[2,0]]"));
}

#[test]
fn a_broken_file_is_replaced_without_a_restart() {
    let mut desk = Desk::before_start();
    let text = "This is a text, and no database of any kind whatsoever. ".repeat(100);
    fs::write(desk.path(), text).unwrap();
    desk.start();
    desk.submit(vec![insert(0, 1)]);
    until_unavailable(&mut desk, 100);
    let good = desk.path().with_extension("good");
    rusqlite::Connection::open(&good)
        .unwrap()
        .execute_batch("CREATE TABLE user_x_t(id INTEGER PRIMARY KEY, wins INTEGER)")
        .unwrap();
    fs::rename(good, desk.path()).unwrap();
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
}

#[test]
fn a_missing_folder_is_waited_for() {
    let mut desk = Desk::before_start();
    let home = desk.path().parent().unwrap().to_owned();
    fs::remove_dir(&home).unwrap();
    desk.start();
    desk.submit(vec![call(
        0,
        "RawExecute",
        r#"{"query": "CREATE TABLE user_x_t(id)"}"#,
    )]);
    until_unavailable(&mut desk, 100);
    fs::create_dir(&home).unwrap();
    assert_eq!(desk.answer(0).as_deref(), Ok("[]"));
}

#[test]
fn stop_during_an_outage_says_that_calls_are_left() {
    let mut desk = Desk::new();
    desk.ask("Select", ALL).unwrap();
    let other = desk.outside();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    desk.submit(vec![insert(0, 1)]);
    until_unavailable(&mut desk, 100);
    assert!(!desk.stop_within(std::time::Duration::from_millis(20)));
}

#[test]
fn the_same_refusal_with_another_number_is_no_news() {
    let outage = |before: Option<&Outage>, sentence: &str| {
        let outage = Outage::new(before, sentence.to_owned(), 10);
        let news = outage.news();
        (outage, news)
    };
    let refusal = |number: u32| format!("Aborted connection {number} to db: 'a' (init_connect)");
    let (first, news) = outage(None, &refusal(9));
    assert_eq!(news, Some(refusal(9)));
    let (second, news) = outage(Some(&first), &refusal(10));
    assert_eq!(news, None);
    assert_eq!(second.sentence, refusal(10));
    let (third, news) = outage(Some(&second), "Access denied for user 'a'");
    assert!(news.is_some());
    let (_, news) = outage(Some(&third), &refusal(11));
    assert_eq!(news, Some(refusal(11)));
}
