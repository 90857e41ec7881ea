//! An owner's `vpi_interfaces.py`: its functions answer the game as they did with VPI.

use serde_json::{Value, json};

use crate::support::{Client, Vpid, wait_until};

const FUNCTIONS: &str = include_str!("../python/vpi_interfaces.py");
const NAME: &str = "vpi_interfaces";

fn vpid() -> Vpid {
    Vpid::new().signed().interfaces(FUNCTIONS)
}

fn started() -> Vpid {
    vpid().with_running(&[NAME])
}

/// The file with another version in it.
fn version(number: u32) -> String {
    FUNCTIONS.replace("VERSION = 1", &format!("VERSION = {number}"))
}

fn edit(vpid: &Vpid, source: &str) {
    std::fs::write(vpid.path("vpi/vpi_interfaces.py"), source).expect("an edit");
}

fn rows() -> Value {
    json!({"rows": [[1, "Ann O'Hara"], [2, "J\u{fc}rgen \u{1f480}"]]})
}

/// What functions with a cursor, or with the pool, do in a database.
fn speaks_with_the_database(vpid: &Vpid) {
    let select = json!([
        [1, "Ann O'Hara", true, "2026-11-20"],
        [2, "J\u{fc}rgen \u{1f480}", true, "2026-11-20"]
    ]);
    let [mut stock, mut signed] = Client::both(vpid);
    assert_eq!(signed.ask("VPI_Test_Make", json!({})), Value::Null);
    assert_eq!(stock.ask("VPI_Test_Insert", rows()), 2);
    let failed = stock.ask("VPI_Test_InsertAndFail", json!({}));
    assert_eq!(failed, "[VPI ERROR] (VPI_Test_InsertAndFail) :: ValueError");
    for client in [&mut stock, &mut signed] {
        assert_eq!(client.ask("VPI_Test_Select", json!({})), select);
        assert_eq!(client.ask("VPI_Test_Pool", json!({})), json!([2, 3]));
        assert_eq!(client.ask("VPI_Test_Ping", json!({})), true);
    }
    let twice = signed.ask("VPI_Test_Insert", rows());
    let twice = twice.as_str().unwrap_or_default();
    assert!(
        twice.starts_with("[VPI ERROR] (VPI_Test_Insert) :: IntegrityError"),
        "{twice}"
    );
}

#[test]
fn functions_answer_both_clients_in_the_shapes_that_scripts_know() {
    let vpid = started();
    for mut client in Client::both(&vpid) {
        let info = client.ask("VPI_Test_Info", json!({"a": [1, null, "x"]}));
        let expected = json!({"func": "VPI_Test_Info", "kwargs": {"a": [1, null, "x"]},
            "script": "test.nut", "callback": true});
        assert_eq!(info, expected);
        let info = client.ask("VPI_Test_Info", Value::Null);
        assert_eq!(info["kwargs"], Value::Null);
        let twice = client.ask("VPI_Test_Plain", json!({"n": 21}));
        assert_eq!(twice, json!({"twice": 42}));
        let values = client.ask("VPI_Test_Values", json!({}));
        assert_eq!(values["bits"], json!([false, true, "text", "\u{ff}"]));
        let times = [
            "2026-11-20T08:30:05",
            "2026-11-20",
            "08:30:05",
            "1 day, 0:00:05",
        ];
        assert_eq!(values["times"], json!(times));
        assert_eq!(values["rows"], json!([[1, "Ann", null], [2, "Bob", true]]));
        // A game has 32 bits: what they cannot hold is text.
        let numbers = json!(["2147483648", "4611686018427387904", -5, 1.5, 7, 0.1]);
        assert_eq!(values["numbers"], numbers);
    }
}

#[test]
fn what_fails_in_a_function_is_told_to_its_caller_and_to_nobody_else() {
    let vpid = started();
    for mut client in Client::both(&vpid) {
        for (function, error) in [
            ("VPI_Test_Fails", "KeyError"),
            ("VPI_Test_Raises", "RuntimeError"),
            ("VPI_Test_Refuses", "TooPoor"),
            // There is no table yet.
            ("VPI_Test_Select", "OperationalError"),
            ("VPI_Test_Nothing", "UnknownFunction"),
            ("helper", "UnknownFunction"),
            ("VPI_Test_Pool", "OperationalError"),
        ] {
            let answer = client.ask(function, json!({}));
            let begins = format!("[VPI ERROR] ({function}) :: {error}");
            let answer = answer.as_str().unwrap_or_default();
            assert!(answer.starts_with(&begins), "{function}: {answer}");
        }
        assert_eq!(client.ask("VPI_Test_Version", Value::Null), 1);
    }
    vpid.wait_for_log("script vpi_interfaces: VPI_Test_Fails has failed");
    vpid.wait_for_log("RuntimeError: nobody wraps this one");
    assert_eq!(vpid.about(NAME)["restarts"], 0);
}

#[test]
fn sqlite_needs_no_package() {
    let vpid = started();
    speaks_with_the_database(&vpid);
    // It is the same database that vpid's own functions use.
    let count: i64 = vpid
        .sql()
        .query_row("SELECT COUNT(*) FROM test_wins", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(count, 2);
}

/// Debian's interpreter, for which Debian's packages are.
#[cfg(feature = "mysql")]
const PYTHON: &str = "/usr/bin/python3";

#[cfg(feature = "mysql")]
#[test]
fn mysql_functions_have_their_pool() {
    use crate::support::mariadb::Database;
    let imported = std::process::Command::new(PYTHON)
        .args(["-c", "import aiomysql"])
        .output();
    assert!(
        imported.is_ok_and(|output| output.status.success()),
        "{PYTHON} has no aiomysql, by which functions in Python speak with MySQL; run: \
         apt-get install python3-aiomysql"
    );
    let database = Database::shared();
    let vpid = vpid()
        .on(&database)
        .scripts_line(&format!("python = \"{PYTHON}\""))
        .with_running(&[NAME]);
    speaks_with_the_database(&vpid);
    assert_eq!(
        database.query::<i64>("SELECT id FROM test_wins ORDER BY id"),
        [1, 2]
    );
}

#[test]
fn a_database_that_is_away_is_said_in_words() {
    let missing = "type = \"mysql\"\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\ndatabase = 'd'";
    let vpid = vpid().database_line(missing).with_running(&[NAME]);
    let mut client = Client::stock(&vpid);
    let answer = client.ask("VPI_Test_Select", json!({}));
    let answer = answer.as_str().unwrap_or_default();
    assert!(answer.contains("the database cannot be opened"), "{answer}");
    assert_eq!(client.ask("VPI_Test_Version", Value::Null), 1);
}

#[test]
fn a_vpi_config_of_its_own_is_taken() {
    const CONFIG: &str = r#"
import argparse, logging, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--host")
args = parser.parse_args()
SECRET = "its own"
PASSWORD = os.environ.get("VPI_PASSWORD")
DB_SUPPORT = True
DB = None
DB_TYPE = "sqlite"
DB_LITE = "own.db"
async def _GetDBConnection():
    return DB
async def PingDB():
    cursor = await DB.execute("SELECT 1")
    return (await cursor.fetchone())[0] == 1
LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.DEBUG)
console = logging.StreamHandler(stream=sys.stdout)
console.setLevel(logging.WARNING)
LOGGER.addHandler(console)
LOGGER.warning("as configured: %s", PASSWORD)
"#;
    let vpid = vpid().variable("VPI_PASSWORD", "a word");
    std::fs::write(vpid.path("vpi/vpi_config.py"), CONFIG).unwrap();
    let vpid = vpid.with_running(&[NAME]);
    speaks_with_the_database(&vpid);
    assert!(vpid.path("vpi/own.db").exists());
    vpid.wait_for_log("WARN  scripts   script vpi_interfaces: as configured: a word");
}

/// As those of `vpi.py`, which upstream's `vpi_config.py` reads.
#[cfg(feature = "mysql")]
#[test]
fn a_vpi_config_of_its_own_has_the_options_of_run() {
    const CONFIG: &str = r#"
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("-u", "--user")
parser.add_argument("-p", "--port", type=int)
parser.add_argument("-db", "--database")
parser.add_argument("--password")
OPTIONS = vars(parser.parse_args())
"#;
    let source = "import vpi_config\ndef VPI_Options(info): return vpi_config.OPTIONS\n";
    let vpid = Vpid::new().signed().interfaces(source);
    let vpid = vpid.database_line("type = \"mysql\"").options(&[
        "--host",
        "127.0.0.1",
        "-p",
        "1",
        "-u",
        "u",
        "-db",
        "d",
        "--password",
        "a word",
    ]);
    std::fs::write(vpid.path("vpi/vpi_config.py"), CONFIG).unwrap();
    let vpid = vpid.with_running(&[NAME]);
    let options = Client::stock(&vpid).ask("VPI_Options", Value::Null);
    let expected =
        json!({"host": "127.0.0.1", "port": 1, "user": "u", "database": "d", "password": "a word"});
    assert_eq!(options, expected);
}

#[test]
fn a_function_that_waits_holds_up_nobody() {
    let vpid = started();
    let [mut stock, mut signed] = Client::both(&vpid);
    let mut another = Client::signed_as(&vpid, "another");
    let waiting: Vec<String> = (0..20)
        .map(|_| stock.send("VPI_Test_Waits", Value::Null))
        .collect();
    let also = signed.send("VPI_Test_Waits", Value::Null);
    for n in 0..20 {
        let twice = another.ask("VPI_Test_Plain", json!({"n": n}));
        assert_eq!(twice, json!({"twice": 2 * n}));
    }
    wait_until("all of them wait", || {
        another.ask("VPI_Test_Waiting", Value::Null) == 21
    });
    assert_eq!(another.ask("VPI_Test_Opens", Value::Null), Value::Null);
    for token in &waiting {
        assert_eq!(stock.answer(token), "opened in version 1");
    }
    assert_eq!(signed.answer(&also), "opened in version 1");
}

#[test]
fn an_edit_is_picked_up_and_a_broken_one_is_told_and_changes_nothing() {
    let vpid = started();
    let mut client = Client::stock(&vpid);
    let mut waiting = Client::signed(&vpid);
    let token = waiting.send("VPI_Test_Waits", Value::Null);
    wait_until("it waits", || {
        client.ask("VPI_Test_Waiting", Value::Null) == 1
    });
    let has = |client: &mut Client, wanted: u32| {
        wait_until(&format!("version {wanted}"), || {
            client.ask("VPI_Test_Version", Value::Null) == wanted
        });
    };
    has(&mut client, 1);
    edit(&vpid, &version(2));
    has(&mut client, 2);
    for (broken, said) in [
        (version(3) + "\ndef broken(:\n", "SyntaxError: "),
        (version(3) + "\nraise ValueError('not now')\n", "ValueError"),
        (
            version(3) + "\nimport sys\nsys.exit('not at all')\n",
            "SystemExit",
        ),
    ] {
        let before = vpid.log().matches("cannot be reloaded").count();
        edit(&vpid, &broken);
        vpid.wait_for_logs("cannot be reloaded, and stays as it was", before + 1);
        has(&mut client, 2);
        let problem = vpid.about(NAME)["problem"].to_string();
        let line = broken.lines().count();
        assert!(
            problem.contains(said) && problem.contains(&format!("line {line}")),
            "{problem}"
        );
    }
    edit(
        &vpid,
        &(version(4) + "\ndef VPI_Test_New(info): return 4\n"),
    );
    has(&mut client, 4);
    assert_eq!(vpid.about(NAME)["problem"], Value::Null);
    assert_eq!(client.ask("VPI_Test_New", Value::Null), 4);
    edit(&vpid, &version(5));
    has(&mut client, 5);
    let gone = client.ask("VPI_Test_New", Value::Null);
    assert!(gone.to_string().contains("UnknownFunction"), "{gone}");
    assert_eq!(client.ask("VPI_Test_Opens", Value::Null), Value::Null);
    // What had begun goes on to its end, in the code in which it began.
    assert_eq!(waiting.answer(&token), "opened in version 1");
}

#[test]
fn a_file_that_cannot_be_loaded_at_the_start_is_tried_again_when_it_is_edited() {
    let vpid = Vpid::new().signed().interfaces("import vpi_confg\n");
    let vpid = vpid.started();
    let about = vpid.wait_for_state(NAME, "failed");
    let problem = about["problem"].to_string();
    assert!(problem.contains("No module named 'vpi_confg'"), "{problem}");
    let mut client = Client::stock(&vpid);
    assert_eq!(client.ask("VPI_Ping", Value::Null), "pong");
    let absent = client.ask("VPI_Test_Version", Value::Null).to_string();
    assert!(
        absent.contains("ScriptUnavailable: vpi_interfaces is not loaded"),
        "{absent}"
    );
    let query = client.ask("VPI_SQL_top", Value::Null).to_string();
    assert!(query.contains("UnknownFunction"), "{query}");
    edit(&vpid, FUNCTIONS);
    vpid.run_all(&[NAME]);
    assert_eq!(client.ask("VPI_Test_Version", Value::Null), 1);
}

#[test]
fn arguments_that_are_no_table_reach_a_function_as_they_were_sent() {
    let script = "def first(value, more=None):\n    return [value, more]\n";
    let vpid = vpid()
        .script("lists", script)
        .with_running(&[NAME, "lists"]);
    for mut client in Client::both(&vpid) {
        for kwargs in [
            json!([1, 2, "x"]),
            json!("a text"),
            json!(7),
            json!(false),
            json!([]),
        ] {
            let info = client.ask("VPI_Test_Info", kwargs.clone());
            assert_eq!(info["kwargs"], kwargs);
            let given = client.ask("lists.first", kwargs.clone());
            assert_eq!(given, json!([kwargs, null]));
            for function in ["VPI_Info", "VPI_DB_UserSelect", "VYHUB_GetUser"] {
                let refused = client.ask(function, kwargs.clone()).to_string();
                assert!(
                    refused.contains("ValueError: kwargs are not a table"),
                    "{refused}"
                );
            }
        }
    }
    // vpid's own, where the file has none of that name.
    let vpid = Vpid::new().signed().started();
    for mut client in Client::both(&vpid) {
        assert_eq!(client.ask("VPI_Ping", json!([1, "x"])), json!([1, "x"]));
    }
}

/// vpi.py had no VPI_Ping and no VPI_Info; the VPI_DB_ functions stand in every such file.
#[test]
fn names_that_vpi_py_had_not_are_the_owners_and_the_others_as_the_owner_says() {
    let more = "\n\nasync def VPI_Info(info):\n    return 'own info'\n\n\n\
                async def VPI_DB_UserSelect(info):\n    return 'own select'\n";
    let own = || {
        Vpid::new()
            .signed()
            .interfaces(&format!("{FUNCTIONS}{more}"))
    };
    let vpid = own().with_running(&[NAME]);
    for mut client in Client::both(&vpid) {
        assert_eq!(client.ask("VPI_Ping", Value::Null), "the owner's pong");
        assert_eq!(client.ask("VPI_Info", Value::Null), "own info");
        let select = client.ask("VPI_DB_UserSelect", Value::Null).to_string();
        assert!(select.contains("KeyError"), "{select}");
    }
    vpid.wait_for_log("VPI_Info, VPI_Ping of this file answer in the place of vpid's own");
    vpid.wait_for_log("vpid has VPI_DB_UserSelect of its own and takes those; see vpi_override");
    assert_eq!(vpid.log().matches("in the place of vpid's own").count(), 1);
    for pattern in ["VPI_DB_UserSelect", "VPI_DB_*"] {
        let line = format!("vpi_override = [\"{pattern}\"]");
        let vpid = own().scripts_line(&line).with_running(&[NAME]);
        for mut client in Client::both(&vpid) {
            assert_eq!(client.ask("VPI_DB_UserSelect", Value::Null), "own select");
        }
        assert!(!vpid.log().contains("takes those"));
    }
}

#[test]
fn permissions_hold_for_functions_in_python_too() {
    let vpid = vpid()
        .permission("\"test.nut\" = [\"VPI_Test_P*\"]")
        .with_running(&[NAME]);
    for mut client in Client::both(&vpid) {
        let twice = client.ask("VPI_Test_Plain", json!({"n": 1}));
        assert_eq!(twice, json!({"twice": 2}));
        let refused = client.ask("VPI_Test_Version", Value::Null);
        assert!(refused.to_string().contains("PermissionError"), "{refused}");
    }
}
