//! The same on both engines; and where the connection breaks.

pub(in crate::io) mod support;

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::super::mysql::tests::proxy::Proxy;
use super::*;
use crate::limits::OWN_TRIES_MAX;
use support::{Bed, beds, mysql};

const TABLE: &str =
    "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, number BIGINT, words VARCHAR(10000))";

fn with_table(bed: &Bed) -> Own {
    let mut own = Own::open(&bed.database).unwrap();
    own.plain(TABLE).unwrap();
    own
}

fn insert(own: &mut Own, id: i64) -> Result<(), OwnError> {
    own.run("INSERT INTO t (id) VALUES (?)", &[id.into()])
        .map(drop)
}

fn ids(own: &mut Own) -> Vec<i64> {
    let rows = own.rows("SELECT id FROM t ORDER BY id", &[]).unwrap();
    rows.iter().map(|row| row[0].integer().unwrap()).collect()
}

#[test]
fn a_snapshot_stays_as_it_was_and_keeps_no_writer_waiting() {
    for bed in beds() {
        let mut own = with_table(&bed);
        let mut other = Own::open(&bed.database).unwrap();
        insert(&mut other, 1).unwrap();
        let seen = own.snapshot(|own| {
            let before = ids(own);
            other.transaction(|other| insert(other, 2))?;
            Ok::<_, OwnError>((before, ids(own)))
        });
        assert_eq!(seen, Ok((vec![1], vec![1])), "{}", bed.name);
        // It has ended, and the next one may write.
        assert_eq!(ids(&mut own), [1, 2], "{}", bed.name);
        own.transaction(|own| insert(own, 3)).unwrap();
        assert_eq!(ids(&mut other), [1, 2, 3], "{}", bed.name);
    }
}

#[test]
fn values_come_back_as_they_were() {
    for bed in beds() {
        let mut own = with_table(&bed);
        let texts = [
            "",
            "plain",
            "it's \"?\" \\ %_;--",
            "größer 日本 🎩",
            "a\nb\tc\u{1}",
            &"é".repeat(9_000),
        ];
        let numbers = [0, -1, i64::MAX, i64::MIN, 76_561_197_960_287_930];
        let values = texts
            .map(Value::from)
            .into_iter()
            .map(|it| (Value::Null, it));
        let values = values.chain(numbers.map(|it| (it.into(), Value::Null)));
        for (id, (number, words)) in (1..).zip(values) {
            let row = [Value::Integer(id), number.clone(), words.clone()];
            own.run("INSERT INTO t (id, number, words) VALUES (?, ?, ?)", &row)
                .unwrap();
            let select = "SELECT number, words FROM t WHERE id = ? AND (number = ? OR words = ?)";
            let found = own.rows(select, &row).unwrap();
            assert_eq!(found, [[number, words]], "{}", bed.name);
        }
        let sum = "SELECT SUM(id), COUNT(*) FROM t WHERE id < 4";
        let sums = own.rows(sum, &[]).unwrap().remove(0);
        assert_eq!((sums[0].integer(), sums[1].integer()), (Some(6), Some(3)));
        let none: Option<i64> = None;
        assert_eq!(
            (Value::from(none), Value::from(true)),
            (Value::Null, 1.into())
        );
    }
}

#[test]
fn a_row_whose_key_is_there_stays_as_it_is() {
    for bed in beds() {
        let mut own = with_table(&bed);
        let mut put = |words: &str| {
            let values = [Value::Integer(1), words.into()];
            own.insert_new("t (id, words) VALUES (?, ?)", &values)
                .unwrap()
        };
        assert!(put("first") && !put("second"), "{}", bed.name);
        let words = own.rows("SELECT words FROM t", &[]).unwrap();
        assert_eq!(words, [[Value::from("first")]]);
        let found = own.run("UPDATE t SET words = 'first'", &[]);
        assert_eq!(found, Ok(1), "what is found counts, changed or not");
    }
}

#[test]
fn a_transaction_is_carried_out_as_a_whole_or_not_at_all() {
    for bed in beds() {
        let mut own = with_table(&bed);
        own.transaction(|own| insert(own, 1).and_then(|()| insert(own, 2)))
            .unwrap();
        let refused = own.transaction(|own| insert(own, 3).and_then(|()| insert(own, 1)));
        assert!(matches!(refused, Err(OwnError::Refused(_))), "{refused:?}");
        let given_up = own.transaction(|own| {
            insert(own, 4)?;
            Err::<(), _>(OwnError::Odd("t"))
        });
        assert_eq!(given_up, Err(OwnError::Odd("t")));
        assert_eq!(ids(&mut own), [1, 2], "{}", bed.name);
    }
}

#[test]
fn a_transaction_that_another_one_was_in_the_way_of_is_begun_again_within_bounds() {
    for bed in beds() {
        let mut own = with_table(&bed);
        let mut tries = 0;
        own.transaction(|own| {
            tries += 1;
            insert(own, tries)?;
            match tries {
                3 => Ok(()),
                _ => Err(OwnError::Busy(String::new())),
            }
        })
        .unwrap();
        assert_eq!(ids(&mut own), [3], "{}", bed.name);
        let mut tries = 0;
        let busy: Result<(), _> = own.transaction(|_| {
            tries += 1;
            Err(OwnError::Busy("always".into()))
        });
        assert_eq!(
            (busy, tries),
            (Err(OwnError::Busy("always".into())), OWN_TRIES_MAX)
        );
    }
}

/// A real lock of another connection.
#[test]
fn a_lock_is_waited_for_until_the_deadline_and_nothing_stands_then() {
    for bed in beds() {
        let mut own = with_table(&bed);
        insert(&mut own, 1).unwrap();
        let (go, gone) = channel::<()>();
        let (locked, is_locked) = channel();
        let other = bed.database.clone();
        let holder = thread::spawn(move || {
            let mut other = Own::open(&other).unwrap();
            other
                .transaction(|other| {
                    other.run("UPDATE t SET number = 5 WHERE id = 1", &[])?;
                    locked.send(()).unwrap();
                    gone.recv().unwrap();
                    Ok(())
                })
                .unwrap();
        });
        is_locked.recv().unwrap();
        let change = |own: &mut Own| {
            own.transaction(|own| own.run("UPDATE t SET number = number + 1 WHERE id = 1", &[]))
        };
        own.set_deadline(Instant::now() + Duration::from_millis(300));
        let in_vain = change(&mut own);
        assert!(in_vain.is_err(), "{in_vain:?}");
        go.send(()).unwrap();
        holder.join().unwrap();
        let mut own = Own::open(&bed.database).unwrap();
        own.set_deadline(Instant::now() + Duration::from_secs(20));
        assert_eq!(change(&mut own), Ok(1));
        let rows = own.rows("SELECT number FROM t", &[]).unwrap();
        assert_eq!(rows, [[Value::Integer(6)]], "{}", bed.name);
    }
}

#[test]
fn what_breaks_before_commit_was_not_carried_out_and_what_breaks_at_commit_is_unclear() {
    for (words, delivered, unclear, stands) in [
        ("START TRANSACTION", false, false, false),
        ("INSERT INTO t", false, false, false),
        ("INSERT INTO t", true, false, false),
        ("COMMIT", false, true, false),
        ("COMMIT", true, true, true),
    ] {
        let bed = mysql();
        let mut own = with_table(&bed);
        let proxy = Proxy::new(&bed.socket());
        let mut through = Own::open(&bed.by_socket(&proxy.path)).unwrap();
        proxy.break_at(words, delivered);
        let broken = through.transaction(|own| insert(own, 1));
        assert!(proxy.has_broken(), "{words}");
        let case = format!("{words} {delivered}: {broken:?}");
        match unclear {
            true => assert!(matches!(broken, Err(OwnError::Unclear(_))), "{case}"),
            false => assert!(matches!(broken, Err(OwnError::Unreachable(_))), "{case}"),
        }
        let wanted = if stands { vec![1] } else { vec![] };
        bed.until(|| ids(&mut own) == wanted, &case);
    }
}

#[test]
fn a_statement_is_ended_from_another_thread() {
    let bed = mysql();
    let mut own = Own::open(&bed.database).unwrap();
    let breaker = own.breaker().unwrap();
    let ender = thread::spawn(move || breaker.break_off());
    let ended = own.rows("SELECT SLEEP(20)", &[]);
    assert!(matches!(ended, Err(OwnError::Unreachable(_))), "{ended:?}");
    ender.join().unwrap();
}

#[test]
fn a_database_that_is_not_there_is_unreachable_with_a_sentence() {
    let bed = mysql();
    let error = Own::open(&bed.by_socket(std::path::Path::new("/nowhere/s"))).err();
    let error = error.unwrap();
    assert!(matches!(error, OwnError::Unreachable(_)), "{error:?}");
    assert!(
        error.to_string().contains("check that the server runs"),
        "{error}"
    );
}

// Schemas.

fn schema(text: &str) -> Schema {
    Schema::parse(text).unwrap()
}

const FIRST: &str = "-- step 1\nCREATE TABLE a (id BIGINT); CREATE TABLE b (id BIGINT);\n";

#[test]
fn steps_run_once_each() {
    for bed in beds() {
        let mut own = Own::open(&bed.database).unwrap();
        for _ in 0..2 {
            own.bring_up_to_date(&schema(FIRST), "ledger").unwrap();
        }
        let more = format!("{FIRST}-- step 2\nINSERT INTO a (id) VALUES (7);\n");
        for _ in 0..2 {
            own.bring_up_to_date(&schema(&more), "ledger").unwrap();
        }
        let rows = own.rows("SELECT id FROM a", &[]).unwrap();
        assert_eq!(rows, [[Value::Integer(7)]], "{}", bed.name);
    }
}

#[test]
fn a_step_of_which_only_a_part_has_run_goes_on_behind_it() {
    let bed = mysql();
    let mut own = Own::open(&bed.database).unwrap();
    let broken = FIRST.replace("CREATE TABLE b", "CREATE TABEL b");
    let error = own.bring_up_to_date(&schema(&broken), "ledger");
    assert!(matches!(error, Err(OwnError::Refused(_))), "{error:?}");
    // As after a crash between the two: the same step, with one statement of it.
    let one = schema(FIRST).steps[0].fingerprint();
    own.run("UPDATE ledger SET fingerprint = ?", &[one.into()])
        .unwrap();
    own.bring_up_to_date(&schema(FIRST), "ledger").unwrap();
    assert_eq!(own.rows("SELECT id FROM b", &[]), Ok(vec![]));
}

#[test]
fn tables_of_a_newer_vpid_and_steps_that_were_changed_are_refused() {
    for bed in beds() {
        let mut own = Own::open(&bed.database).unwrap();
        let newer = format!("{FIRST}-- step 2\nCREATE TABLE c (id BIGINT);\n");
        own.bring_up_to_date(&schema(&newer), "ledger").unwrap();
        let error = own.bring_up_to_date(&schema(FIRST), "ledger").unwrap_err();
        assert!(error.to_string().contains("newer vpid"), "{error}");
        let other = newer.replace("c (id", "d (id");
        let error = own.bring_up_to_date(&schema(&other), "ledger").unwrap_err();
        assert!(error.to_string().contains("step 2"), "{error}");
    }
}

#[test]
fn several_vpids_make_the_tables_at_once() {
    for bed in (0..5).flat_map(|_| beds()) {
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let database = bed.database.clone();
                thread::spawn(move || {
                    let mut own = Own::open(&database)?;
                    let more = format!("{FIRST}-- step 2\nINSERT INTO a (id) VALUES (7);\n");
                    own.bring_up_to_date(&schema(&more), "ledger")
                })
            })
            .collect();
        for maker in makers {
            assert_eq!(maker.join().unwrap(), Ok(()), "{}", bed.name);
        }
        let mut own = Own::open(&bed.database).unwrap();
        let rows = own.rows("SELECT id FROM a", &[]).unwrap();
        assert_eq!(rows, [[Value::Integer(7)]], "{}", bed.name);
    }
}
