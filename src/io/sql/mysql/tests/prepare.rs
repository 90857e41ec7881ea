//! Schemas, queries that the server reads before anybody calls them, ways to the server, and what
//! a check says.

use super::super::super::tests::support::{call, insert, raw};
use super::query;
use super::support::{Desk, TABLE, shared};
use crate::config::Tls;
use crate::io::sql::{Fault, Finding, Preparation, Subject, Verdict, check};
use crate::sql::{Query, Returns, Schema, SqlCall};
use mysql::prelude::Queryable;
use std::process::Command;
use std::sync::Arc;
use test_mariadb::Server;

fn schema(ticket: u64, text: &str) -> Preparation {
    Preparation {
        ticket,
        schema: Some(Schema::parse(text).unwrap()),
        queries: Vec::new(),
    }
}

fn queries(queries: &[(&str, Returns, &[&str])]) -> Preparation {
    let one = |(name, returns, steps): &(&str, Returns, &[&str])| {
        let SqlCall::Query { query, .. } = query(0, *returns, steps).call else {
            unreachable!("it is one");
        };
        Arc::new(Query {
            name: (*name).to_owned(),
            ..(*query).clone()
        })
    };
    Preparation {
        queries: queries.iter().map(one).collect(),
        ..Preparation::default()
    }
}

fn at_line(line: usize, step: u32, fault: &Fault) {
    assert_eq!(fault.of, Subject::Schema { step, line });
}

#[test]
fn steps_of_a_schema_run_once_and_before_calls() {
    let mut desk = Desk::on(shared());
    desk.start();
    let first = format!("-- step 1\n{TABLE};\nINSERT INTO user_x_t VALUES (1, 1);\n");
    desk.prepare(schema(1, &first));
    desk.submit(vec![call(0, "Select", r#"{"table": "user_x_t"}"#)]);
    assert_eq!(desk.answer(0).as_deref(), Ok("[[1,1]]"));
    assert_eq!(desk.verdict(), (1, Verdict::Good));

    let second = "-- step 2\nUPDATE user_x_t SET wins = wins + 1;\nALTER TABLE user_x_t ADD c INT;\nUPDATE user_x_nowhere SET a = 1;\n";
    desk.prepare(schema(2, &format!("{first}{second}")));
    let (2, Verdict::Bad(faults)) = desk.verdict() else {
        panic!("a fault was expected");
    };
    at_line(7, 2, &faults[0]);
    assert!(faults[0].message.contains("user_x_nowhere"));
    // What ran of it is not run again, and what is changed in the first step has no effect.
    let mended = format!("{first}{second}").replace("nowhere SET a", "t SET c");
    let mended = mended.replace("(1, 1)", "(1, 1), (9, 9)");
    desk.prepare(schema(3, &mended));
    assert_eq!(desk.verdict(), (3, Verdict::Good));
    desk.stop();
    desk.start();
    desk.prepare(schema(4, &mended));
    assert_eq!(desk.verdict(), (4, Verdict::Good));
    let rows: Vec<(u8, u8, u8)> = desk.query("SELECT id, wins, c FROM user_x_t");
    assert_eq!(rows, [(1, 2, 1)]);
    let steps: Vec<(u8, u8, bool)> =
        desk.query("SELECT step, statements, applied IS NOT NULL FROM vpid_schema ORDER BY step");
    assert_eq!(steps, [(1, 2, true), (2, 3, true)]);
    // What reads cannot write again.
    assert_eq!(
        desk.ask_job(insert(0, 5)).unwrap_err().reason,
        "OperationalError"
    );
}

#[test]
fn vpids_that_start_together_apply_a_schema_once() {
    let mut one = Desk::on(shared());
    let mut other = Desk::on(shared());
    other.settings = one.settings.clone();
    let text = format!("{TABLE};\nINSERT INTO user_x_t (wins) SELECT SLEEP(0.2);");
    for desk in [&mut one, &mut other] {
        desk.start();
        desk.prepare(schema(1, &text));
    }
    for desk in [&mut one, &mut other] {
        assert_eq!(desk.verdict(), (1, Verdict::Good));
    }
    assert_eq!(one.query::<u32>("SELECT COUNT(*) FROM user_x_t"), [1]);
}

#[test]
fn faults_of_queries_are_reported_before_any_call() {
    let mut desk = Desk::new();
    desk.prepare(queries(&[
        ("good", Returns::Objects, &["SELECT id, wins FROM user_x_t"]),
        ("count", Returns::Count, &["SELECT id FROM user_x_t"]),
        (
            "table",
            Returns::Rows,
            &["SELECT 1", "SELECT id FROM user_x_nowhere"],
        ),
        ("rows", Returns::Rows, &["UPDATE user_x_t SET wins = 1"]),
        (
            "twice",
            Returns::Objects,
            &["SELECT id, wins AS id FROM user_x_t"],
        ),
        ("ddl", Returns::Nothing, &["CREATE TABLE user_x_u (a INT)"]),
        ("ours", Returns::Nothing, &["DELETE FROM vpid_journal"]),
        ("syntax", Returns::Rows, &["SELECT FROM WHERE"]),
    ]));
    let (_, Verdict::Bad(faults)) = desk.verdict() else {
        panic!("faults were expected");
    };
    let told = faults.iter().map(|fault| match &fault.of {
        Subject::Query { name, step } => (name.as_str(), *step),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("table", 1),
            ("rows", 0),
            ("twice", 0),
            ("ddl", 0),
            ("ours", 0),
            ("syntax", 0)
        ]
    );
    assert_eq!(faults[1].message, "gives no rows; set returns = \"count\"");
    assert!(faults[2].message.contains("named id"));
    assert!(desk.ask_raw("SELECT 1").is_ok());
}

#[test]
fn a_check_says_what_is_there_and_leaves_nothing() {
    let mut desk = Desk::on(shared());
    let mut outside = desk.outside();
    let text = format!(
        "ALTER DATABASE {} CHARACTER SET latin1",
        desk.settings.database
    );
    outside.query_drop(text).unwrap();
    outside
        .query_drop("CREATE TABLE user_x_m (a INT) ENGINE = MyISAM")
        .unwrap();
    let mut preparation = queries(&[
        ("later", Returns::Rows, &["SELECT id FROM user_x_t"]),
        ("wrong", Returns::Rows, &["SELECT FROM"]),
    ]);
    preparation.schema = schema(0, TABLE).schema;
    let found = check(&desk.database(), &preparation);
    let said = found.iter().map(|finding| match finding {
        Finding::Good(text) => format!("good {text}"),
        Finding::Warn(text) => format!("warn {text}"),
        Finding::Bad(text, remedy) => format!("bad {text}; {remedy}"),
        Finding::Fault(fault) => format!("fault {}", fault.message),
    });
    let said: Vec<String> = said.collect();
    for (line, words) in [
        (0, "can be written (M"),
        (1, "character set latin1"),
        (2, "user_x_m (MyISAM)"),
        (3, "schema: 1 steps, 1 of them would run"),
        (4, "fault You have an error in your SQL syntax"),
        (5, "cannot be tried before: later"),
    ] {
        assert!(said[line].contains(words), "{line}: {said:#?}");
    }
    assert_eq!(said.len(), 6);
    assert_eq!(desk.query::<String>("SHOW TABLES"), ["user_x_m"]);

    let name = format!("c{}", desk.settings.database);
    for text in [
        format!("CREATE USER {name} IDENTIFIED BY 'secret of vpid'"),
        format!(
            "GRANT CREATE, SELECT ON {}.* TO {name}",
            desk.settings.database
        ),
    ] {
        outside.query_drop(text).unwrap();
    }
    let all = desk.settings.user.clone();
    desk.settings.user = name;
    let found = check(&desk.database(), &Preparation::default());
    let [Finding::Bad(what, remedy)] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(
        what.contains("denied") && remedy.contains("GRANT"),
        "{what}; {remedy}"
    );
    desk.start();
    desk.prepare(schema(1, TABLE));
    let (1, Verdict::Bad(faults)) = desk.verdict() else {
        panic!("a fault was expected");
    };
    assert!(faults[0].message.contains("vpid_schema"), "{faults:?}");
    desk.stop();
    desk.settings.user = all;
    desk.settings.database = "nowhere".to_owned();
    let found = check(&desk.database(), &Preparation::default());
    assert!(matches!(&found[..], [Finding::Bad(what, _)] if what.contains("Unknown database")));
}

/// A certificate for `localhost`, signed by itself, and its key.
fn certificate(folder: &std::path::Path) -> (String, String) {
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

#[test]
fn the_way_to_the_server_can_be_encrypted_and_the_server_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path());
    let options = [format!("--ssl-cert={cert}"), format!("--ssl-key={key}")];
    let server = Server::with_port(&[&options[0], &options[1]]);
    let mut desk = Desk::on(&server);
    desk.settings.socket = None;
    desk.settings.port = server.port();
    for (tls, host, good) in [
        (Tls::Off, "localhost", true),
        (Tls::Encrypt, "127.0.0.1", true),
        (
            Tls::Verify {
                ca: Some(cert.clone().into()),
            },
            "localhost",
            true,
        ),
        (
            Tls::Verify {
                ca: Some(cert.into()),
            },
            "127.0.0.1",
            false,
        ),
        (Tls::Verify { ca: None }, "localhost", false),
    ] {
        let encrypted = tls != Tls::Off;
        let what = format!("{tls:?} {host}");
        desk.settings.tls = tls;
        desk.settings.host = host.to_owned();
        desk.start();
        desk.prepare(Preparation::default());
        match desk.verdict() {
            (_, Verdict::Good) => {
                let cipher = desk
                    .ask_job(raw(0, "SHOW STATUS LIKE 'Ssl_cipher'"))
                    .unwrap();
                assert!(good, "{what}");
                assert_eq!(!cipher.ends_with(",\"\"]]"), encrypted, "{what}: {cipher}");
            }
            (_, Verdict::Away(sentence)) => {
                assert!(!good, "{what}: {sentence}");
                assert!(
                    sentence.contains("TLS") || sentence.contains("ertificate"),
                    "{sentence}"
                );
            }
            other => panic!("{other:?}"),
        }
        desk.stop_within(std::time::Duration::ZERO);
    }
}
