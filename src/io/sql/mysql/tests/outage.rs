//! The lane while its server is killed, stopped, refuses it, or was never there.

use super::super::super::tests::support::{ALL, insert, raw};
use super::support::{Desk, TABLE, of_host, shared};
use crate::config::Password;
use crate::io::sql::Verdict;
use crate::jobs::Job;
use mysql::prelude::Queryable;
use std::time::Duration;
use test_mariadb::Server;

/// A row for each call, and one more where a call ran twice.
fn note(host: u32, index: u32) -> Job {
    let text = format!("INSERT INTO user_x_n (host, number) VALUES ({host}, {index})");
    of_host(host, raw(index, &text))
}

const NOTES: &str =
    "CREATE TABLE user_x_n (id INT AUTO_INCREMENT PRIMARY KEY, host INT, number INT)";

#[test]
fn a_server_that_is_killed_under_load_loses_nothing_and_does_nothing_twice() {
    let mut server = Server::start();
    let mut desk = Desk::on(&server);
    desk.outside().query_drop(NOTES).unwrap();
    desk.start();
    let hosts = 3;
    for round in 0..3 {
        let from = round * 1_000;
        for part in 0..10 {
            let numbers = (from + part * 30)..(from + (part + 1) * 30);
            desk.submit(numbers.map(|number| note(number % hosts, number)).collect());
        }
        // Some are answered, the others are under way.
        desk.answer(from + 20).unwrap();
        server.restart();
    }
    for round in 0..3 {
        for number in (round * 1_000)..(round * 1_000 + 300) {
            assert_eq!(desk.answer(number).as_deref(), Ok("[]"), "{number}");
        }
    }
    let twice = "SELECT number FROM user_x_n GROUP BY number HAVING COUNT(*) <> 1";
    assert_eq!(desk.query::<u32>(twice), [0_u32; 0]);
    assert_eq!(desk.query::<u32>("SELECT COUNT(*) FROM user_x_n"), [900]);
    // In the order of each host, as ids tell.
    let turned = "SELECT COUNT(*) FROM user_x_n a JOIN user_x_n b ON a.host = b.host \
         AND a.number < b.number AND a.id > b.id";
    assert_eq!(desk.query::<u32>(turned), [0]);
}

#[test]
fn a_server_that_hangs_is_waited_for() {
    let server = Server::start();
    let mut desk = Desk::on(&server);
    desk.outside().query_drop(TABLE).unwrap();
    desk.start();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    server.freeze();
    let mut running = insert(1, 2);
    running.deadline_ms = desk.in_ms(300);
    let mut waiting = insert(2, 3);
    waiting.deadline_ms = desk.in_ms(400);
    desk.submit(vec![running, waiting, insert(3, 4)]);
    for index in [1, 2] {
        let word = desk.reason(index);
        let words = ["DeadlineExceeded", "DatabaseUnavailable"];
        assert!(words.contains(&word.as_str()), "{word}");
    }
    server.go_on();
    assert_eq!(desk.answer(3).as_deref(), Ok("1"));
    let all = desk.ask("Select", ALL).unwrap();
    assert!(
        all.starts_with("[[1,0],") && all.ends_with("[4,0]]"),
        "{all}"
    );
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    let mut server = Server::start();
    let mut desk = Desk::on(&server);
    desk.outside().query_drop(TABLE).unwrap();
    server.kill();
    desk.start();
    desk.prepare(crate::io::sql::Preparation {
        ticket: 5,
        ..Default::default()
    });
    let mut impatient = insert(1, 2);
    impatient.deadline_ms = desk.in_ms(200);
    desk.submit(vec![insert(0, 1), impatient]);
    let (ticket, verdict) = desk.verdict();
    let Verdict::Away(sentence) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(ticket, 5);
    assert!(
        sentence.starts_with("database stats (MySQL d") && sentence.contains(" cannot be used: "),
        "{sentence}"
    );
    assert!(
        sentence.ends_with("check that the server runs, and where it listens"),
        "{sentence}"
    );
    assert_eq!(desk.reason(1), "DatabaseUnavailable");
    assert!(desk.seen.len() == 1);
    server.restart();
    assert_eq!(desk.answer(0).as_deref(), Ok("1"));
    assert_eq!(desk.verdict(), (5, Verdict::Good));
    assert!(desk.verdicts.is_empty());
}

#[test]
fn a_connection_that_ends_by_itself_is_no_outage() {
    let mut desk = Desk::new();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    let mut outside = desk.outside();
    for index in 1..4 {
        let text = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        for id in outside.query::<u64, _>(text).unwrap() {
            outside.query_drop(format!("KILL {id}")).unwrap();
        }
        let mut job = insert(index, i64::from(index) + 1);
        job.deadline_ms = desk.in_ms(5_000);
        desk.submit(vec![job]);
        assert_eq!(desk.answer(index).as_deref(), Ok("1"));
        assert!(desk.ask("Select", ALL).is_ok());
    }
}

#[test]
fn a_refused_connection_is_explained_and_no_password_is_shown() {
    let mut desk = Desk::on(shared());
    let sentence = |desk: &mut Desk| {
        desk.start();
        desk.prepare(Default::default());
        match desk.verdict() {
            (_, Verdict::Away(sentence)) => {
                assert!(!desk.stop_within(Duration::ZERO));
                sentence
            }
            other => panic!("{other:?}"),
        }
    };
    let database = std::mem::replace(&mut desk.settings.database, "nowhere".to_owned());
    let unknown = sentence(&mut desk);
    assert!(
        unknown.contains("Unknown database 'nowhere'; create it"),
        "{unknown}"
    );
    desk.settings.database = database;
    desk.settings.password = Some(Password("not this one".to_owned()));
    let denied = sentence(&mut desk);
    assert!(
        denied.contains("Access denied") && denied.contains("check user and password"),
        "{denied}"
    );
    assert!(!denied.contains("not this one"));
}

#[test]
fn a_user_who_may_not_keep_the_journal_cannot_write() {
    let mut desk = Desk::on(shared());
    let mut outside = desk.outside();
    outside.query_drop(TABLE).unwrap();
    let name = format!("u{}", desk.settings.database);
    for text in [
        format!("CREATE USER {name} IDENTIFIED BY 'secret of vpid'"),
        format!(
            "GRANT SELECT, INSERT ON {}.user_x_t TO {name}",
            desk.settings.database
        ),
    ] {
        outside.query_drop(text).unwrap();
    }
    desk.settings.user = name.clone();
    desk.start();
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[]"));
    let mut job = insert(0, 1);
    job.deadline_ms = desk.in_ms(300);
    desk.submit(vec![job, insert(1, 2)]);
    assert_eq!(desk.reason(0), "DatabaseUnavailable");
    let grant = format!("GRANT ALL ON {}.* TO {name}", desk.settings.database);
    outside.query_drop(grant).unwrap();
    assert_eq!(desk.answer(1).as_deref(), Ok("1"));
}

#[test]
fn a_server_that_was_made_read_only_is_waited_for() {
    let server = Server::start();
    let mut desk = Desk::on(&server);
    let mut outside = desk.outside();
    outside.query_drop(TABLE).unwrap();
    let name = "'reader'@'localhost'";
    outside
        .query_drop(format!("CREATE USER {name} IDENTIFIED BY 'secret of vpid'"))
        .unwrap();
    outside
        .query_drop(format!(
            "GRANT ALL ON {}.* TO {name}",
            desk.settings.database
        ))
        .unwrap();
    desk.settings.user = "reader".to_owned();
    desk.start();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    outside.query_drop("SET GLOBAL read_only = 1").unwrap();
    let mut job = insert(1, 2);
    job.deadline_ms = desk.in_ms(300);
    desk.submit(vec![job, insert(2, 3)]);
    assert_eq!(desk.reason(1), "DatabaseUnavailable");
    outside.query_drop("SET GLOBAL read_only = 0").unwrap();
    assert_eq!(desk.answer(2).as_deref(), Ok("1"));
}
