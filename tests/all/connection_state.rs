//! What a connection remembers from call to call: vpi.py had one, so scripts that insert and then ask
//! for the id, or for the count, go on getting it. Each host gets its own.

use serde_json::{Value, json};

use crate::support::{Host, Vpid, call};

fn vpid() -> Vpid {
    Vpid::new().permission("raw_sql = [\"test.nut\"]")
}

#[track_caller]
fn raw(host: &mut Host, query: &str) -> Value {
    host.ask("VPI_DB_RawExecute", json!({ "query": query }))
}

#[track_caller]
fn one(host: &mut Host, query: &str) -> Value {
    raw(host, query)[0][0].take()
}

#[track_caller]
fn refused(host: &mut Host, query: &str, way_out: &str) {
    let answer = raw(host, query);
    let text = answer
        .as_str()
        .unwrap_or_else(|| panic!("{query}: {answer}"));
    assert!(
        text.starts_with("[VPI ERROR] (VPI_DB_RawExecute) :: PermissionError: "),
        "{text}"
    );
    assert!(text.contains(way_out), "{query}: {text}");
}

#[test]
fn sqlite_counts_what_a_host_has_changed_and_not_what_vpid_notes() {
    let vpid = vpid().started();
    let mut red = vpid.host("red");
    let mut blue = vpid.host("blue");
    raw(
        &mut red,
        "CREATE TABLE user_test_t (id INTEGER PRIMARY KEY, n INTEGER)",
    );
    assert_eq!(
        raw(
            &mut red,
            "SELECT changes(), total_changes(), last_insert_rowid()"
        ),
        json!([[0, 0, 0]])
    );
    raw(&mut red, "INSERT INTO user_test_t (n) VALUES (1), (2), (3)");
    assert_eq!(
        raw(
            &mut red,
            "SELECT changes(), total_changes(), last_insert_rowid()"
        ),
        json!([[3, 3, 3]])
    );
    raw(&mut red, "UPDATE user_test_t SET n = n + 10 WHERE id <= 2");
    assert_eq!(one(&mut red, "SELECT changes()"), 2);
    // Another host's are its own, though it is the same connection.
    assert_eq!(
        raw(&mut blue, "SELECT changes(), last_insert_rowid()"),
        json!([[0, 0]])
    );
    raw(&mut blue, "INSERT INTO user_test_t VALUES (50, 0)");
    assert_eq!(
        raw(
            &mut blue,
            "SELECT changes(), total_changes(), last_insert_rowid()"
        ),
        json!([[1, 1, 50]])
    );
    assert_eq!(
        raw(
            &mut red,
            "SELECT changes(), total_changes(), last_insert_rowid()"
        ),
        json!([[2, 5, 3]])
    );
    // It counts in a statement that writes, too; what changes nothing counts 0.
    raw(
        &mut red,
        "UPDATE user_test_t SET n = changes() * 100 WHERE id = 1",
    );
    assert_eq!(one(&mut red, "SELECT n FROM user_test_t WHERE id = 1"), 200);
    raw(&mut red, "DELETE FROM user_test_t WHERE id = 77");
    assert_eq!(one(&mut red, "SELECT changes()"), 0);
    // vpid's own functions count as well; a call that fails leaves no row.
    red.ask(
        "VPI_DB_UserInsert",
        json!({"table": "user_test_t", "values": [[60, 1], [61, 1]]}),
    );
    assert_eq!(
        raw(&mut red, "SELECT changes(), last_insert_rowid()"),
        json!([[2, 61]])
    );
    raw(&mut red, "INSERT INTO user_test_t VALUES (61, 1)");
    assert_eq!(one(&mut red, "SELECT changes()"), 0);
}

/// In a trigger, `changes()` counts the statements of that trigger, whatever stood before.
#[test]
fn sqlite_counts_in_a_trigger_what_the_trigger_has_changed() {
    let vpid = vpid().started();
    let mut host = vpid.host("red");
    for query in [
        "CREATE TABLE user_test_t (n INTEGER)",
        "CREATE TABLE user_test_log (n INTEGER)",
        "CREATE TRIGGER user_test_noted AFTER DELETE ON user_test_t BEGIN \
         UPDATE user_test_t SET n = n + 1; INSERT INTO user_test_log SELECT changes(); END",
        "INSERT INTO user_test_t VALUES (1), (2)",
        "DELETE FROM user_test_t WHERE n = 1",
        "DELETE FROM user_test_t",
    ] {
        assert_eq!(raw(&mut host, query), json!([]), "{query}");
    }
    assert_eq!(
        raw(&mut host, "SELECT n FROM user_test_log"),
        json!([[1], [0]])
    );
}

#[test]
fn sqlite_keeps_a_temporary_table_from_call_to_call() {
    let vpid = vpid().started();
    let mut host = vpid.host("red");
    raw(&mut host, "CREATE TEMPORARY TABLE seen (n INTEGER)");
    raw(&mut host, "INSERT INTO seen VALUES (7)");
    assert_eq!(one(&mut host, "SELECT n FROM seen"), 7);
}

#[test]
fn calls_of_one_file_see_what_those_before_them_left() {
    let vpid = vpid().started();
    let mut host = vpid.host("red");
    raw(
        &mut host,
        "CREATE TABLE user_test_t (id INTEGER PRIMARY KEY, n INTEGER)",
    );
    let query = |text: &str| call("VPI_DB_RawExecute", json!({ "query": text }));
    let calls = [
        query("INSERT INTO user_test_t (n) VALUES (1), (2)"),
        query("SELECT changes(), last_insert_rowid()"),
        query("UPDATE user_test_t SET n = 0 WHERE id = 9"),
        query("SELECT changes(), last_insert_rowid()"),
    ];
    let tokens = host.send(&calls).unwrap();
    let answers = host.answers(&tokens);
    assert_eq!(
        (&answers[1], &answers[3]),
        (&json!([[2, 2]]), &json!([[0, 2]]))
    );
}

#[cfg(feature = "mysql")]
mod mariadb {
    use super::*;
    use crate::support::mariadb::Database;

    fn last_id(host: &mut Host) -> Value {
        one(host, "SELECT LAST_INSERT_ID()")
    }

    fn with_ids(database: &Database) {
        database
            .execute("CREATE TABLE user_test_t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE)");
        database.execute("CREATE TABLE user_test_p (n INT)");
    }

    #[test]
    fn the_last_id_of_a_host_is_there_in_its_next_call() {
        let database = Database::shared();
        with_ids(&database);
        let vpid = vpid().on(&database).started();
        let mut red = vpid.host("red");
        let mut blue = vpid.host("blue");
        assert_eq!(last_id(&mut red), 0);
        raw(&mut red, "INSERT INTO user_test_t (n) VALUES (1)");
        assert_eq!(last_id(&mut red), 1);
        // Of several rows the first, as the server has it; another host has its own.
        raw(&mut blue, "INSERT INTO user_test_t (n) VALUES (2), (3)");
        assert_eq!(
            (last_id(&mut blue), last_id(&mut red)),
            (json!(2), json!(1))
        );
        assert_eq!(one(&mut red, "SELECT @@last_insert_id"), 1);
        // What makes no id leaves it: an id that was given, a table without, a read, an update.
        raw(&mut red, "INSERT INTO user_test_t VALUES (50, 50)");
        raw(&mut red, "INSERT INTO user_test_p VALUES (1)");
        raw(&mut red, "SELECT * FROM user_test_t");
        red.ask(
            "VPI_DB_UserUpdate",
            json!({"table": "user_test_p", "values": {"n": 2}}),
        );
        assert_eq!(last_id(&mut red), 1);
        // A counter without a race; and the same from a function of VPI's own.
        raw(
            &mut red,
            "UPDATE user_test_p SET n = LAST_INSERT_ID(n + 100)",
        );
        assert_eq!(
            (last_id(&mut red), last_id(&mut blue)),
            (json!(102), json!(2))
        );
        let insert = json!({"table": "user_test_t", "columns": ["n"], "values": [9]});
        blue.ask("VPI_DB_UserInsert", insert);
        assert_eq!(
            (last_id(&mut red), last_id(&mut blue)),
            (json!(102), json!(51))
        );
        raw(
            &mut red,
            "INSERT INTO user_test_p VALUES (LAST_INSERT_ID())",
        );
        assert_eq!(
            one(&mut red, "SELECT COUNT(*) FROM user_test_p WHERE n = 102"),
            2
        );
        assert_eq!(
            one(
                &mut red,
                "INSERT INTO user_test_t (n) VALUES (77) RETURNING id"
            ),
            52
        );
        assert_eq!(
            (last_id(&mut red), last_id(&mut blue)),
            (json!(52), json!(51))
        );
    }

    #[test]
    fn a_host_keeps_its_last_id_while_others_use_the_connections() {
        let database = Database::shared();
        with_ids(&database);
        let vpid = vpid().on(&database).started();
        let mut hosts: Vec<Host> = (0..6).map(|n| vpid.host(&format!("host{n}"))).collect();
        let mut expected = vec![json!(0); hosts.len()];
        for round in 0..8 {
            let mut waiting = Vec::new();
            for (n, host) in hosts.iter_mut().enumerate() {
                // Some write without an id in between.
                let text = match (round + n) % 3 {
                    0 => "INSERT INTO user_test_p VALUES (1)".to_owned(),
                    _ => format!("INSERT INTO user_test_t (n) VALUES ({})", round * 10 + n),
                };
                let query = |text: &str| call("VPI_DB_RawExecute", json!({ "query": text }));
                let id = format!("SELECT id FROM user_test_t WHERE n = {}", round * 10 + n);
                let calls = [query(&text), query("SELECT LAST_INSERT_ID()"), query(&id)];
                waiting.push(host.send(&calls).unwrap());
            }
            for ((host, tokens), expected) in hosts.iter_mut().zip(waiting).zip(&mut expected) {
                let answers = host.answers(&tokens);
                if let Some(id) = answers[2][0].get(0) {
                    *expected = id.clone();
                }
                assert_eq!(answers[1], json!([[expected]]));
            }
        }
    }

    #[test]
    fn a_procedure_and_a_query_have_it_too() {
        let database = Database::shared();
        with_ids(&database);
        database.execute(
            "CREATE PROCEDURE add_one(IN v INT, OUT made INT) BEGIN \
             INSERT INTO user_test_t (n) VALUES (v); SET made = LAST_INSERT_ID(); END",
        );
        let queries = "[query.last]\nsql = \"SELECT LAST_INSERT_ID()\"\nreturns = \"value\"\n\
                       [query.add]\nsteps = [\"INSERT INTO user_test_t (n) VALUES (:n)\", \
                       \"SELECT LAST_INSERT_ID()\"]\nparams = { n = \"integer\" }\nreturns = \"value\"\n";
        let vpid = vpid().on(&database).queries(queries).started();
        let mut host = vpid.host("red");
        let mut other = vpid.host("blue");
        assert_eq!(host.ask("VPI_SQL_add", json!({"n": 4})), 1);
        assert_eq!(host.ask("VPI_SQL_last", Value::Null), 1);
        assert_eq!(raw(&mut host, "CALL add_one(5, @made)"), json!([]));
        assert_eq!(
            (last_id(&mut host), last_id(&mut other)),
            (json!(2), json!(0))
        );
        assert_eq!(host.ask("VPI_SQL_last", Value::Null), 2);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_names_the_way_out() {
        let database = Database::shared();
        with_ids(&database);
        let vpid = vpid().on(&database).started();
        let mut host = vpid.host("red");
        for (query, way_out) in [
            ("CREATE TEMPORARY TABLE x (n INT)", "user_<script>_<name>"),
            ("SELECT ROW_COUNT()", "RETURNING"),
            ("SELECT FOUND_ROWS()", "COUNT(*)"),
            ("SELECT GET_LOCK('x', 1)", "UPDATE"),
            ("SELECT @seen", "INTO"),
            ("SHOW WARNINGS", "connection"),
        ] {
            refused(&mut host, query, way_out);
        }
        // A variable of one statement is fine, and holds nothing of another's.
        for n in [3, 1, 2] {
            raw(&mut host, &format!("INSERT INTO user_test_p VALUES ({n})"));
        }
        let numbered = "SELECT @n := @n + 1, n FROM user_test_p, (SELECT @n := 0) AS first";
        let rows = raw(&mut host, numbered);
        assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows}");
        let left = one(&mut host, "SELECT @n := COALESCE(@n, 'nothing')");
        assert_eq!(left, "nothing");
    }
}
