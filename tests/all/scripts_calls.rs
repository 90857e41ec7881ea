//! Scripts in Python that call: each other, vpid, databases, and the game.

use serde_json::{Value, json};

use vpid::game_side::stock::GameCall;

use crate::support::{Client, PATIENCE, Vpid, call, wait_until};

const BUSY: &str = include_str!("../python/busy.py");

/// Two scripts of the same text.
fn two() -> Vpid {
    Vpid::new()
        .signed()
        .script("red", BUSY)
        .script("blue", BUSY)
}

#[track_caller]
fn running(vpid: Vpid) -> (Vpid, Client) {
    let vpid = vpid.with_running(&["red", "blue"]);
    let client = Client::signed(&vpid);
    (vpid, client)
}

/// What `red` hears when it calls something.
fn of_red(client: &mut Client, function: &str, kwargs: Value) -> Value {
    client.ask("red.ask", json!({"name": function, "kwargs": kwargs}))
}

#[track_caller]
fn has(text: &Value, parts: &[&str]) {
    for part in parts {
        assert!(text.to_string().contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn scripts_call_each_other_and_know_who_calls() {
    let vpid = two()
        .scripts_line("order = [\"red\"]")
        .script_table("blue", "config = { limit = 5, names = [\"a\"] }");
    let (vpid, mut client) = running(vpid);
    let direct = json!(["red", {}, "test.nut", vpid.scriptdata()]);
    assert_eq!(client.ask("red.whoami", Value::Null), direct);
    let through = of_red(&mut client, "blue.whoami", Value::Null);
    let config = json!({"limit": 5, "names": ["a"]});
    assert_eq!(
        through["value"],
        json!(["blue", config, "red.py", vpid.scriptdata()])
    );
    let positional = json!({"name": "blue.ask", "args": ["VPI_Ping"]});
    let nested = client.ask("red.ask", positional);
    assert_eq!(nested["value"]["value"], "pong");
    // What is between scripts has no file of the game to fit into.
    let kwargs = json!({"name": "blue.big", "size": 3_000_000});
    assert_eq!(client.ask("red.measure", kwargs), 3_000_000);
    let itself = client.ask(
        "red.ask_later",
        json!({"name": "red.twice", "kwargs": {"value": 4}}),
    );
    assert_eq!(itself, 8);
}

#[test]
fn what_a_script_asks_in_vain_is_an_error_in_words() {
    let (_vpid, mut client) = running(two());
    for (function, kwargs, reason, said) in [
        (
            "blue.nothing",
            json!({}),
            "UnknownFunction",
            "function blue.nothing",
        ),
        ("green.ask", json!({}), "UnknownFunction", "green.ask"),
        ("blue.twice", json!({}), "TypeError", "'value'"),
        ("VPI_SQL_top", json!({}), "UnknownFunction", "VPI_SQL_top"),
        (
            "VYHUB_GetUser",
            json!({"player": 2}),
            "VyHubUnavailable",
            "",
        ),
        ("VPI_DB_UserSelect", json!({}), "KeyError", "table"),
    ] {
        let answer = of_red(&mut client, function, kwargs);
        assert_eq!(answer["reason"], reason, "{answer}");
        has(&answer["detail"], &[said]);
    }
    let answer = of_red(
        &mut client,
        "VYHUB_Ban",
        json!({"player": 2, "reason": "x"}),
    );
    assert_eq!(answer["reason"], "VyHubUnavailable", "{answer}");
    assert_eq!(
        of_red(&mut client, "VPI_Ping", json!({"a": 1}))["value"],
        json!({"a": 1})
    );
}

/// No call of these would end before `call_s`, and no test waits that long.
fn patient(vpid: Vpid) -> Vpid {
    vpid.scripts_line("call_s = 600")
}

#[test]
fn a_plain_function_that_calls_its_own_script_is_answered() {
    let vpid = patient(two()).scripts_line("order = [\"red\"]");
    let (vpid, mut client) = running(vpid);
    let seen = json!({"value": ["red", {}, "red.py", vpid.scriptdata()]});
    assert_eq!(of_red(&mut client, "red.whoami", Value::Null), seen);
    assert_eq!(client.ask("red.whoami", Value::Null)[2], "test.nut");
    // It is as if another script had called: values are copies, and errors are those of calls.
    let deeper = json!({"name": "red.ask", "kwargs": {"name": "red.shout", "args": ["ho"]}});
    let answer = of_red(&mut client, "red.ask", deeper);
    assert_eq!(
        answer["value"]["value"]["value"],
        json!({"text": "HO", "of": [1, 2]})
    );
    for (function, reason, said) in [
        ("red.fails", "KeyError", "'nothing'"),
        ("red.gives_a_module", "ValueError", "result is a module"),
        ("red.nothing", "UnknownFunction", "red.nothing"),
        ("red.wait", "Deadlock", "red.wait is async"),
    ] {
        let answer = of_red(&mut client, function, json!({}));
        assert_eq!(answer["reason"], reason, "{answer}");
        has(&answer["detail"], &[said]);
    }
    vpid.wait_for_log("script red: red.fails: Traceback");
    assert_eq!(
        client.ask("red.ask_later", json!({"name": "red.fine"})),
        "fine"
    );
}

#[test]
fn scripts_that_wait_for_each_other_in_a_circle_are_refused_at_once() {
    let vpid = patient(two().script("green", BUSY));
    let vpid = vpid.with_running(&["red", "blue", "green"]);
    let mut client = Client::stock(&vpid);
    let through = |name: &str, kwargs: Value| json!({"name": name, "kwargs": kwargs});
    let back = through("red.fine", json!({}));
    let answer = of_red(&mut client, "blue.ask", back.clone());
    assert_eq!(answer["value"]["reason"], "Deadlock", "{answer}");
    let circle = "blue waits for red.fine, red for blue.ask: none of them could go on";
    has(&answer, &[circle]);
    let answer = of_red(&mut client, "blue.ask", through("green.ask", back.clone()));
    let circle = "green waits for red.fine, red for blue.ask, blue for green.ask";
    has(&answer["value"]["value"], &["Deadlock", circle]);
    // One that is async blocks nothing, and its error is no end of what waits for others.
    let later = through("red.ask_later", back);
    assert_eq!(client.ask("blue.ask", later), json!({"value": "fine"}));
    let kwargs = json!({"name": "blue.ask_later", "kwargs": through("red.ask", through("green.fine", json!({})))});
    assert_eq!(
        client.ask("red.ask_later", kwargs),
        json!({"value": "fine"})
    );
    for name in ["red", "blue", "green"] {
        assert_eq!(
            of_red(&mut client, &format!("{name}.fine"), json!({}))["value"],
            "fine"
        );
        assert_eq!(vpid.about(name)["restarts"], 0);
    }
}

/// The slow ones here run until what came before them was seen.
#[test]
fn what_is_ready_does_not_wait_for_a_slow_function_behind_it() {
    let gates = "\
import asyncio, os, time, game
def waits_for(gate):
    while not os.path.exists(gate): time.sleep(0.001)
    return gate
async def waits_later(gate):
    await asyncio.sleep(0)
    return waits_for(gate)
def quick(): return 5
def fails(): raise ValueError('no')
async def later():
    await asyncio.sleep(0)
    return 5
async def asks(): return await game.aio.call('other.quick')
";
    let vpid = patient(Vpid::new().signed())
        .script("gates", gates)
        .script(
            "other",
            "import game\ndef quick():\n    game.log('asked')\n    return 5\n",
        )
        .with_running(&["gates", "other"]);
    let mut client = Client::signed(&vpid);
    for (first, slow) in [
        ("quick", "waits_for"),
        ("fails", "waits_for"),
        ("quick", "waits_later"),
        ("fails", "waits_later"),
        ("later", "waits_later"),
        ("asks", "waits_later"),
    ] {
        let gate = vpid.path(&format!("{first} {slow}"));
        let slow = call(&format!("gates.{slow}"), json!({ "gate": gate }));
        let first_call = call(&format!("gates.{first}"), Value::Null);
        let tokens = client.send_all(&[first_call, slow.clone(), slow]);
        // The answer to a request needs the loop, in which the slow ones run.
        let answer = match first {
            "asks" => {
                vpid.wait_for_log("script other: asked");
                Value::Null
            }
            _ => client.answer(&tokens[0]),
        };
        std::fs::write(&gate, "").expect("a gate");
        let answer = match first {
            "asks" => client.answer(&tokens[0]),
            _ => answer,
        };
        let is_it = answer == 5 || first == "fails" && answer.to_string().contains("ValueError");
        assert!(is_it, "{first}: {answer}");
        for token in &tokens[1..] {
            assert_eq!(client.answer(token), json!(gate));
        }
    }
}

/// They cost nothing, and nothing of vpid's waits for them.
#[test]
fn tasks_of_its_own_keep_no_script_from_working() {
    let crowd = "\
import asyncio, game
kept = []
async def crowd(count):
    kept.extend(asyncio.create_task(asyncio.sleep(3600)) for _ in range(count))
    return len(kept)
async def gather(count):
    return sum(await asyncio.gather(*[game.aio.call('crowd.one') for _ in range(count)]))
def one(): return 1
";
    let vpid = Vpid::new()
        .signed()
        .script("crowd", crowd)
        .scripts_line("call_s = 0.5")
        .with_running(&["crowd"]);
    let mut client = Client::signed(&vpid);
    assert_eq!(client.ask("crowd.crowd", json!({"count": 3_000})), 3_000);
    assert_eq!(client.ask("crowd.one", Value::Null), 1);
    assert_eq!(client.ask("crowd.gather", json!({"count": 999})), 999);
    assert_eq!(vpid.about("crowd")["restarts"], 0);
    assert!(!vpid.log().contains("interrupted"), "{}", vpid.log());
}

/// As many as may wait at once do: that is no reason to kill the script.
#[test]
fn a_script_whose_functions_all_wait_is_left_alone() {
    let full = "\
import asyncio, game
gate = asyncio.Event()
waiting = 0
async def OnMessage(sender, name, data):
    global waiting
    waiting += 1
    if waiting == 1000: game.log('all wait')
    await gate.wait()
async def opens():
    await asyncio.sleep(1.5)
    gate.set()
asyncio.get_event_loop().create_task(opens())
def count(): return waiting
";
    let sends =
        "import game\ndef send(count):\n    for n in range(count): game.send('full', 'x')\n";
    let vpid = Vpid::new()
        .signed()
        .script("full", full)
        .script("sends", sends)
        .script_table("full", "call_s = 0.3")
        .with_running(&["full", "sends"]);
    let mut client = Client::signed(&vpid);
    client.ask("sends.send", json!({"count": 1_100}));
    vpid.wait_for_log("all wait");
    wait_until("all of them have begun", || {
        client.ask("full.count", Value::Null) == 1_100
    });
    let log = vpid.log();
    assert!(
        !log.contains("interrupted") && !log.contains("killed"),
        "{log}"
    );
    assert_eq!(vpid.about("full")["restarts"], 0);
}

#[test]
fn databases_are_asked_with_values_that_are_no_sql() {
    let tables = "[query.wins]\nsql = \"SELECT name FROM user_t_t WHERE wins >= :least\"\n\
                  params = { least = \"integer\" }\n";
    let vpid = two()
        .database_line("schema = \"schema.sql\"")
        .queries(tables);
    let schema = "CREATE TABLE IF NOT EXISTS user_t_t (name TEXT, wins INTEGER);";
    std::fs::write(vpid.path("schema.sql"), schema).expect("a schema");
    let (_vpid, mut client) = running(vpid);
    let name = "'; DROP TABLE user_t_t; --";
    let insert = json!({"query": "INSERT INTO user_t_t VALUES (%s, %s)", "params": [name, 3]});
    client.ask("red.sql", insert);
    let select = json!({"query": "SELECT name, wins FROM user_t_t"});
    assert_eq!(client.ask("blue.sql", select), json!([[name, 3]]));
    let query = json!({"name": "wins", "least": 3});
    assert_eq!(client.ask("blue.query", query), json!([[name]]));
    let broken = client.ask("red.sql", json!({"query": "SELECT nothing"}));
    assert_eq!(broken[0], "OperationalError", "{broken}");
}

#[test]
fn async_functions_run_beside_each_other() {
    let (_vpid, mut client) = running(two());
    let waiting: Vec<String> = (0..10)
        .map(|_| client.send("red.wait", Value::Null))
        .collect();
    // Waits in vain unless the others go on meanwhile.
    let mut another = Client::stock(&_vpid);
    let kwargs = json!({"name": "blue.twice", "count": 300});
    let doubled: Vec<i64> = (0..300).map(|number| 2 * number).collect();
    assert_eq!(another.ask("red.together", kwargs), json!(doubled));
    another.ask("red.open_gate", Value::Null);
    for token in &waiting {
        assert_eq!(client.answer(token), "opened");
    }
}

#[test]
fn timers_ring_while_nobody_calls() {
    let (_vpid, mut client) = running(two());
    client.ask("red.begin_timers", Value::Null);
    let expected = json!(["every", "every", "every", "async"]);
    let mut ticks = Value::Null;
    wait_until("all timers rang", || {
        ticks = client.ask("red.get_ticks", Value::Null);
        ticks.as_array().is_some_and(|ticks| ticks.len() >= 4)
    });
    assert_eq!(ticks, expected);
    assert_eq!(client.ask("blue.get_ticks", Value::Null), json!([]));
}

#[test]
fn scripts_send_each_other_messages() {
    let vpid = two().script("deaf", "import game\n");
    let (_vpid, mut client) = running(vpid);
    let data = json!({"a": [1, null, {"b": "c"}]});
    let to = |to: Value| json!({"to": to, "data": data});
    assert_eq!(client.ask("red.tell", to(json!("blue"))), 1);
    assert_eq!(client.ask("red.tell", to(json!("deaf"))), 0);
    assert_eq!(client.ask("red.tell", to(json!("nobody"))), 0);
    // To all others, and not to itself.
    assert_eq!(client.ask("blue.tell", to(Value::Null)), 1);
    let from = |sender: &str| json!([[sender, "greeting", data]]);
    assert_eq!(client.ask("blue.get_heard", Value::Null), from("red"));
    assert_eq!(client.ask("red.get_heard", Value::Null), from("blue"));
}

#[test]
fn functions_come_and_go_at_run_time_and_are_their_scripts_own() {
    let (vpid, mut client) = running(two());
    let begin = |value: u32| json!({"name": "top.users", "value": value});
    client.ask("red.begin", begin(1));
    assert_eq!(
        client.ask("red.top.users", json!({"n": 2})),
        json!([1, {"n": 2}])
    );
    client.ask("red.begin", begin(3));
    assert_eq!(client.ask("red.top.users", Value::Null), json!([3, {}]));
    has(&vpid.about("red")["functions"], &["red.top.users"]);
    // The same name is another function there, and to end one's own is all that one can.
    assert_eq!(client.ask("blue.end", json!({"name": "top.users"})), false);
    assert_eq!(
        client.ask("blue.end", json!({"name": "red.top.users"})),
        false
    );
    client.ask("blue.begin", json!({"name": "red.top.users", "value": 9}));
    assert_eq!(client.ask("red.top.users", Value::Null), json!([3, {}]));
    assert_eq!(
        client.ask("blue.red.top.users", Value::Null),
        json!([9, {}])
    );
    assert_eq!(client.ask("red.end", json!({"name": "top.users"})), true);
    assert_eq!(client.ask("red.end", json!({"name": "top.users"})), false);
    has(
        &client.ask("red.top.users", Value::Null),
        &["UnknownFunction"],
    );
    // What was there before is what its own file says.
    client.ask("red.begin", json!({"name": "whoami", "value": 5}));
    assert_eq!(client.ask("red.whoami", Value::Null), json!([5, {}]));
    for name in ["", "a b", "a/b", "\u{e9}", &"x".repeat(65)] {
        has(
            &client.ask("red.begin_badly", json!({ "name": name })),
            &["is no name"],
        );
    }
    // They end with their script.
    client.ask("red.begin", begin(1));
    assert_eq!(vpid.operator(&["reload", "red"]).0, Some(0));
    has(
        &client.ask("red.top.users", Value::Null),
        &["UnknownFunction"],
    );
}

#[test]
fn a_name_that_ends_at_run_time_leaves_the_function_of_the_file() {
    let (_vpid, mut client) = running(two());
    client.ask("red.begin", json!({"name": "get_ticks", "value": 5}));
    assert_eq!(client.ask("red.get_ticks", Value::Null), json!([5, {}]));
    assert_eq!(client.ask("red.end", json!({"name": "get_ticks"})), true);
    assert_eq!(client.ask("red.get_ticks", Value::Null), json!([]));
}

#[test]
fn permissions_say_who_calls_what_of_python() {
    let vpid = two()
        .permission("\"test.nut\" = [\"red.ask\", \"blue.whoami\"]")
        .permission("\"red.py\" = [\"blue.get_*\", \"VPI_Info\"]");
    let (_vpid, mut client) = running(vpid);
    has(
        &client.ask("red.whoami", Value::Null),
        &["PermissionError", "test.nut"],
    );
    has(&client.ask("blue.whoami", Value::Null), &["\"blue\""]);
    assert_eq!(
        of_red(&mut client, "blue.get_heard", Value::Null)["value"],
        json!([])
    );
    for refused in [
        "blue.whoami",
        "VPI_Ping",
        "red.get_heard",
        "VPI_DB_RawExecute",
    ] {
        let answer = of_red(&mut client, refused, Value::Null);
        assert_eq!(answer["reason"], "PermissionError", "{answer}");
        has(&answer["detail"], &["red.py may not call it"]);
    }
    let listed = of_red(&mut client, "VPI_Info", Value::Null);
    let expected = json!(["VPI_Info", "blue.get_heard", "blue.get_ticks"]);
    assert_eq!(listed["value"]["functions"], expected);
}

/// The name of a script in a file is what the game claims. No game script is called so, and the owner gives
/// such names rights.
#[test]
fn a_file_that_names_a_python_script_has_none_of_its_rights() {
    let vpid = two()
        .permission("raw_sql = [\"red.py\"]")
        .permission("\"red.py\" = [\"*\", \"VYHUB_*\"]");
    let (vpid, _) = running(vpid);
    for mut client in Client::both(&vpid) {
        for name in ["red.py", "RED.PY", " red.py\t", "blue.py", "nothing.py"] {
            for (function, kwargs) in [
                ("VPI_DB_RawExecute", json!({"query": "SELECT 1"})),
                ("VPI_DB_UserSelect", json!({"table": "user_red_t"})),
                ("VPI_Ping", Value::Null),
                ("VYHUB_Ban", json!({"player": 3, "reason": "x"})),
                ("red.get_ticks", Value::Null),
            ] {
                let token = client
                    .send_all(&[GameCall::new(name, function, kwargs)])
                    .remove(0);
                has(
                    &client.answer(&token),
                    &["PermissionError", "Python script"],
                );
            }
        }
        // By its own channel it has them.
        let answer = of_red(
            &mut client,
            "VPI_DB_RawExecute",
            json!({"query": "SELECT 7"}),
        );
        assert_eq!(answer["value"], json!([[7]]), "{answer}");
    }
}

#[test]
fn a_function_that_the_game_has_registered_is_called() {
    let (vpid, _) = running(two());
    let mut game = vpid.signed_game("my_server");
    let register = |name: &str| json!({"register": name, "script": "ranks.nut"});
    game.send(&[register("ranks.top"), register("ranks.broken")])
        .expect("a file can be written");
    // Files of a session are taken in their order.
    let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE);
    assert_eq!(answer, Ok(Some(Ok(json!("pong")))));
    let mut operator = Client::stock(&vpid);
    for (kwargs, args, seen) in [
        (json!({"n": 3}), json!([]), json!({"n": 3})),
        (Value::Null, json!([7]), json!(7)),
        (Value::Null, json!([1, "x"]), json!([1, "x"])),
        (Value::Null, json!([]), Value::Null),
    ] {
        let ask = json!({"name": "ranks.top", "args": args, "kwargs": kwargs});
        let token = operator.send("red.ask", ask);
        let asked = game.receive(PATIENCE).expect("files").expect("a call");
        assert_eq!(
            [&asked["func"], &asked["args"]],
            [&json!("ranks.top"), &seen]
        );
        let result = json!({"result": asked["call"], "value": ["Ann", seen]});
        game.send(&[result]).expect("a file can be written");
        assert_eq!(operator.answer(&token), json!({"value": ["Ann", seen]}));
    }
    let token = operator.send("red.ask", json!({"name": "ranks.broken"}));
    let asked = game.receive(PATIENCE).expect("files").expect("a call");
    let result = json!({"result": asked["call"], "error": "it threw"});
    game.send(&[result]).expect("a file can be written");
    let answer = operator.answer(&token);
    has(&answer, &["GameError", "it threw"]);
    let both = json!({"name": "ranks.top", "args": [1], "kwargs": {"n": 3}});
    has(&operator.ask("red.ask", both), &["ValueError", "not both"]);
    has(
        &operator.ask("red.ask", json!({"name": "ranks.bottom"})),
        &["UnknownFunction"],
    );
}

#[test]
fn what_a_game_never_answers_is_given_up() {
    let (vpid, _) = running(two().scripts_line("call_s = 0.5"));
    let mut game = vpid.signed_game("my_server");
    let register = json!({"register": "ranks.top", "script": "ranks.nut"});
    game.send(&[register]).expect("a file can be written");
    let answer = game.call(call("VPI_Ping", Value::Null), PATIENCE);
    assert_eq!(answer, Ok(Some(Ok(json!("pong")))));
    let mut operator = Client::stock(&vpid);
    // The function that waits blocks nobody, so that nothing else would ever end it.
    let late = operator.ask("red.ask_later", json!({"name": "ranks.top"}));
    has(&late, &["Timeout", "the game has not answered in time"]);
    let asked = game.receive(PATIENCE).expect("files").expect("a call");
    let result = json!({"result": asked["call"], "value": "too late"});
    game.send(&[result]).expect("a file can be written");
    assert_eq!(operator.ask("red.twice", json!({"value": 1})), 2);
}

#[test]
fn what_scripts_log_has_their_names_and_levels() {
    let (vpid, mut client) = running(two());
    client.ask("red.logs", Value::Null);
    for (level, word) in [(0, "ERROR"), (1, "ERROR"), (2, "WARN "), (3, "INFO ")] {
        vpid.wait_for_log(&format!("{word} scripts   script red: of level {level}"));
    }
    let (code, said) = vpid.operator(&["log", "red"]);
    assert_eq!(code, Some(0), "{said}");
    let words = [
        "critical", "error   ", "warning ", "info    ", "debug   ", "trace   ",
    ];
    for (level, word) in words.iter().enumerate() {
        let line = format!("{word} of level {level}");
        assert!(said.contains(&line), "{line:?} is not in {said}");
    }
}
