//! `vpid trace`: what operators see of calls, scripts and messages as they pass, and what they never see.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use vpid::limits::TRACE_WAITING_BYTES_MAX;

use crate::support::{Client, KEY, PATIENCE, SECRET, Vpid, call, program, wait_for, wait_until};

/// An operator who traces.
struct Tracer {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

fn gather(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let gathered = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            gathered.lock().unwrap().push(line);
        }
    });
    lines
}

impl Tracer {
    #[track_caller]
    fn start(vpid: &Vpid, options: &[&str]) -> Self {
        let mut command = program();
        command.arg("trace").args(options).arg("--config");
        let command = command.arg(vpid.config_path());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("vpid can be spawned");
        let tracer = Self {
            lines: gather(child.stdout.take().expect("a pipe")),
            errors: gather(child.stderr.take().expect("a pipe")),
            child,
        };
        wait_until("it traces", || tracer.said("Tracing;"));
        tracer
    }

    fn said(&self, text: &str) -> bool {
        let errors = self.errors.lock().unwrap();
        errors.iter().any(|line| line.contains(text))
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    fn lines(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let read = |line: &String| serde_json::from_str(line).expect(line);
        lines.iter().map(read).collect()
    }

    /// The first line of this kind and name, once it is there.
    #[track_caller]
    fn line(&self, what: &str, name: &str) -> Value {
        wait_for(&format!("a line about {what} {name}"), || {
            let mut lines = self.lines().into_iter();
            lines.find(|line| line["what"] == what && line["name"] == name)
        })
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_call_is_shown_with_its_arguments_and_its_result_and_so_is_what_it_leads_to() {
    let vpid = Vpid::new().with_numbers().started();
    let mut host = vpid.host("my_server");
    host.ping();
    let tracer = Tracer::start(&vpid, &["--json"]);
    let row = json!({"table": "user_test_numbers", "values": [7]});
    assert_eq!(host.ask("VPI_DB_UserInsert", row), 1);
    let line = tracer.line("call", "VPI_DB_UserInsert");
    assert_eq!(line["host"], "my_server");
    assert_eq!(line["caller"], "test.nut");
    assert_eq!(line["ok"], true);
    assert_eq!(line["result"], "1");
    assert_eq!(
        line["args"],
        r#"{"table":"user_test_numbers","values":[7]}"#
    );
    assert_eq!(line["server"], vpid.scriptdata().display().to_string());
    assert!(line["took_us"].is_u64() && line["at_ms"].is_u64(), "{line}");
    let sql = tracer.line("effect", "sql");
    assert_eq!(sql["args"], "VPI_DB_UserInsert");
    assert_eq!(tracer.line("event", "call_file")["host"], "my_server");
    tracer.line("effect", "write_responses");

    let text = Tracer::start(&vpid, &["--calls"]);
    host.ask("VPI_Nonsense", json!({"a": "\u{1b}[2J"}));
    wait_until("a line", || text.text().contains("VPI_Nonsense"));
    let shown = text.text();
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(
        shown.contains(r#"call VPI_Nonsense {"a":"?[2J"} of test.nut"#),
        "{shown}"
    );
    assert!(shown.contains("failed: UnknownFunction"), "{shown}");
}

#[test]
fn what_runs_in_a_python_script_is_shown_with_its_time_and_what_it_requests() {
    const SCRIPT: &str = "import game\n\
        async def later(n):\n    return n + 1\n\
        def twice(n):\n    game.call('VPI_Ping', a=n)\n    return 2 * n\n\
        def bad():\n    raise ValueError('no \\x1b[2J')\n\
        def ask():\n    return game.servers() is not None\n\
        def OnMessage(sender, name, data):\n    pass\n";
    let vpid = Vpid::new()
        .script("sums", SCRIPT)
        .script(
            "other",
            "import game\ndef tell():\n    game.send('sums', 'hi')\n",
        )
        .with_running(&["sums", "other"]);
    let tracer = Tracer::start(&vpid, &["--json", "--script", "sums"]);
    let mut client = Client::stock(&vpid);
    assert_eq!(client.ask("sums.twice", json!({"n": 4})), 8);
    assert_eq!(client.ask("sums.later", json!({"n": 4})), 5);
    client.ask("sums.bad", Value::Null);
    client.ask("sums.ask", Value::Null);
    client.ask("other.tell", Value::Null);
    let line = tracer.line("call", "sums.twice");
    assert_eq!(
        (&line["script"], &line["caller"]),
        (&json!("sums"), &json!("test.nut"))
    );
    let made = tracer.line("call", "VPI_Ping");
    assert_eq!(
        (&made["caller"], &made["args"]),
        (&json!("sums.py"), &json!("{\"a\":4}"))
    );
    for name in ["twice", "later", "ask"] {
        let ran = tracer.line("function", name);
        assert_eq!((&ran["script"], &ran["ok"]), (&json!("sums"), &json!(true)));
        assert!(ran["took_us"].is_u64(), "{ran}");
    }
    let failed = tracer.line("function", "bad");
    assert_eq!(
        (&failed["ok"], &failed["result"]),
        (&json!(false), &json!("ValueError"))
    );
    let failed = tracer.line("call", "sums.bad");
    assert_eq!(failed["result"], "ValueError: no ?[2J");
    assert_eq!(tracer.line("request", "servers")["script"], "sums");
    assert_eq!(tracer.line("hook", "OnMessage")["ok"], true);
    for line in tracer.lines() {
        let about = [&line["script"], &line["caller"]].map(|it| it.as_str().unwrap_or_default());
        assert!(about.iter().any(|it| it.starts_with("sums")), "{line}");
    }
}

/// In every secret below.
const MARK: &str = "geheim0987";

const ECHO: &str = r#"
import game

def say(x, secret=None):
    return [x, secret]

def fail(password):
    raise ValueError(f"{password} is wrong")

def ask_cvar():
    try:
        game.set_cvar("rcon_password", "geheim0987")
    except game.Error:
        pass
"#;

#[test]
fn no_secret_is_shown() {
    let vpid = Vpid::new()
        .signed()
        .rcon(([127, 0, 0, 1], 1).into(), &format!("rcon-{MARK}"))
        .script("echo", ECHO)
        .with_running(&["echo"]);
    let tracer = Tracer::start(&vpid, &["--json"]);
    for mut client in Client::both(&vpid) {
        // A secret of the configuration, wherever it stands.
        for secret in [KEY, SECRET, &format!("rcon-{MARK}")] {
            client.ask("VPI_Ping", json!({"a": [format!("x{secret}y")], secret: 1}));
            client.ask("echo.say", json!({"x": secret}));
            client.ask(secret, Value::Null);
        }
        // What is named like one, and what comes back of it.
        client.ask(
            "VPI_Ping",
            json!({"password": MARK, "api_key": {"a": MARK}}),
        );
        client.ask("echo.say", json!({"x": 1, "secret": MARK}));
        client.ask("VPI_Ping", json!({"line": format!("rcon_password {MARK}")}));
        client.ask("VPI_Ping", json!({"columns": ["password"], "x": MARK}));
        client.ask("echo.fail", json!({"password": MARK}));
        let failed = tracer.line("function", "fail");
        assert_eq!(failed["result"], "ValueError");
        client.ask("echo.ask_cvar", Value::Null);
        let line = tracer.line("request", "set_cvar");
        let args = line["args"].as_str().expect("a text");
        assert!(args.ends_with(" bytes)"), "{line}");
        client.ask("VPI_Ping", json!({"last": true}));
    }
    wait_until("the last calls", || {
        tracer.text().matches("last").count() >= 2
    });
    let shown = tracer.text();
    for secret in [KEY, MARK] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    // As it stands in JSON.
    let escaped = json!(SECRET).to_string();
    assert!(
        !shown.contains(escaped.trim_matches('"')) && !shown.contains(SECRET),
        "{shown}"
    );
    assert!(shown.contains("***"), "{shown}");
}

#[test]
fn lines_of_one_host_or_server_are_chosen_and_a_wrong_server_is_named() {
    let vpid = Vpid::new().hostnames(&["red", "blue"]).started();
    let of_host = Tracer::start(&vpid, &["--json", "--host", "red"]);
    assert!(of_host.said("no host red is known now"));
    let of_server = Tracer::start(&vpid, &["--json", "--server", "red", "--calls"]);
    let slow = Tracer::start(&vpid, &["--json", "--calls", "--slow", "3600000"]);
    for name in ["blue", "red"] {
        vpid.host(name).ping();
    }
    for tracer in [&of_host, &of_server] {
        tracer.line("call", "VPI_Ping");
        for line in tracer.lines() {
            assert_eq!(line["host"], "red", "{line}");
        }
    }
    assert_eq!(of_server.lines().len(), 1);
    assert!(slow.lines().is_empty());
    let wrong = vpid.command(&["trace", "--server", "rad"]);
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.contains("is called \"rad\"; there is: red, blue"),
        "{said}"
    );
    assert!(said.contains("Did you mean red?"), "{said}");
}

#[test]
fn a_reader_that_does_not_read_holds_up_nothing_and_is_told_how_much_it_missed() {
    let vpid = Vpid::running();
    let socket = vpid.path("state/control.sock");
    let mut stream = UnixStream::connect(socket).expect("the control socket");
    stream.write_all(b"{\"do\":\"trace\"}\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("\"ok\":true"), "{line}");
    let mut host = vpid.host("my_server");
    // Each call has some lines, and the system takes some.
    let long = "x".repeat(200);
    for _ in 0..3 * TRACE_WAITING_BYTES_MAX / 200 / 100 {
        let calls: Vec<_> = (0..100)
            .map(|_| call("VPI_Ping", json!({"a": long})))
            .collect();
        let tokens = host.send(&calls).unwrap();
        host.answers(&tokens);
    }
    reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a line in time");
        let read: Value = serde_json::from_str(&line).expect(&line);
        if read["dropped"].as_u64().is_some_and(|count| count > 0) {
            break;
        }
    }
    host.ping();
}

#[test]
fn a_script_that_is_not_known_is_noted() {
    let vpid = Vpid::new()
        .script("sums", "import game\n")
        .with_running(&["sums"]);
    let unknown = Tracer::start(&vpid, &["--script", "sum.py"]);
    assert!(unknown.said("no Python script sum is known now"));
    assert!(unknown.said("there is: sums. Did you mean sums?"));
    for script in ["sums", "sums.py", "contracts.nut"] {
        let known = Tracer::start(&vpid, &["--script", script]);
        assert!(!known.said("is known now"), "{script}");
    }
}

/// A trace whose output goes there. It has begun.
fn tracing(vpid: &Vpid, options: &[&str], stdout: Stdio) -> Child {
    let mut command = program();
    command.arg("trace").args(options).arg("--config");
    let command = command.arg(vpid.config_path());
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("vpid can be spawned");
    let mut line = String::new();
    // What comes behind that line stays in the pipe.
    let mut errors = BufReader::with_capacity(1, child.stderr.as_mut().expect("a pipe"));
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("Tracing;"), "{line}");
    child
}

#[test]
fn lines_that_cannot_be_written_end_it_as_a_failure_and_a_reader_that_has_gone_does_not() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    for options in [&[][..], &["--calls"], &["--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let full = tracing(&vpid, options, full.into());
        let mut unread = tracing(&vpid, options, Stdio::piped());
        drop(unread.stdout.take());
        host.ping();
        let ended = full.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("No space left"), "{said}");
        let ended = unread.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(0), "{said}");
    }
}

#[test]
fn it_ends_with_vpid() {
    let mut vpid = Vpid::running();
    let mut tracer = Tracer::start(&vpid, &[]);
    vpid.stop();
    let status = wait_for("its end", || tracer.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    wait_until("it says why", || tracer.said("vpid ended"));
    let without = vpid.command(&["trace"]);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(said.contains("start it with `vpid run`"), "{said}");
}
