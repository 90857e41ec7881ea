//! The shipped scripts against the built daemon, in real time.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::daemon::{Daemon, KEY, scriptdata};
use crate::support::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, vpi_with};

/// Written as for the stock client.
const STORY: &str = r#"
::answers <- {}
::Ask <- function(name, func, kwargs, urgent = true) {
    ::VPI.AsyncCall({
        func = func, kwargs = kwargs, urgent = urgent, timeout = 8.0,
        callback = function(response, error) {
            ::answers[name] <- { response = response, error = error, tick = GetFrameCount() }
        }
    })
}
::Insert <- function(n, urgent = false) {
    Ask("i" + n, "VPI_DB_UserInsert", { table = "user_story_t", values = [n, "'row " + n + "'"] }, urgent)
}
::heard <- []
VPI.Register("double", function(data) { return { twice = data.n * 2, name = "caf\xc3\xa9" } })
VPI.Register("broken", function(data) { throw "not today" })
VPI.On("news", function(data) { ::heard.append(data) })
::OnScriptHook_Reward <- function(data) { ::heard.append(data) }
__CollectGameEventCallbacks(this)
"#;

struct Story {
    game: Game,
    daemon: Option<Daemon>,
    dir: TempDir,
}

fn story() -> Story {
    let dir = TempDir::new().expect("a folder");
    let daemon = Some(Daemon::start_signed(dir.path()));
    let game = Setup::new(&scriptdata(dir.path()))
        .hostname("My Server #1")
        .script(
            "mapspawn.nut",
            &format!("{MAPSPAWN}\nIncludeScript(\"story\", this)"),
        )
        .script("vpi.nut", &vpi_with(KEY))
        .script("story.nut", STORY)
        .start("cp_first");
    let mut story = Story { game, daemon, dir };
    story.connect();
    let table = r#"Ask("table", "VPI_DB_RawExecute",
        { query = "CREATE TABLE user_story_t (n INTEGER, t TEXT)" })"#;
    story.run(table);
    story.wait_for("table");
    story
}

impl Story {
    fn run(&mut self, code: &str) -> Json {
        self.game.run("story.nut", code)
    }

    fn until(&mut self, what: &str, seconds: f64, code: &str) {
        let code = format!("return {code}");
        let done = |game: &mut Game| game.run("story.nut", &code) == json!(true);
        let reached = self.game.run_real_until(seconds, done);
        let log = self.daemon.as_ref().map(Daemon::log);
        let prints = self.game.record().prints();
        assert!(reached, "{what}: {prints:#?}\n{log:#?}");
        self.game.assert_no_errors();
    }

    fn connect(&mut self) {
        self.until("connected", 10.0, "VPI.Status().connected");
    }

    /// The answer of this name, which is no error.
    fn wait_for(&mut self, name: &str) -> Json {
        self.until(name, 10.0, &format!("\"{name}\" in ::answers"));
        let answer = self.run(&format!("return ::answers[\"{name}\"]"));
        assert_eq!(answer["error"], json!(false), "{name}: {answer}");
        answer["response"].clone()
    }

    fn restart_daemon(&mut self) {
        self.daemon = None;
        self.game.run_real(0.1);
        self.daemon = Some(Daemon::start_signed(self.dir.path()));
    }

    /// Starts `vpid game ...` beside the game.
    fn operator(&self, arguments: &[&str]) -> Child {
        let daemon = self.daemon.as_ref().expect("it runs");
        let mut command = daemon.command(&[&["game"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("vpid can be spawned")
    }

    /// What it prints, while the game goes on.
    fn outcome(&mut self, mut child: Child) -> (bool, String, String) {
        self.game
            .run_real_until(10.0, |_| child.try_wait().expect("its state").is_some());
        let output = child.wait_with_output().expect("its end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

#[test]
fn values_come_back_as_they_were_sent() {
    let mut story = story();
    story.run(
        r#"Ask("values", "VPI_Ping", { v = [-5, 2147483647, -2.5, 3.0, true, null, "ends in \\",
            "\x07FF0000red \"q\" \n caf\xc3\xa9", { ["odd \" key\\"] = [] }], big = 0 })"#,
    );
    let text = "\u{7}FF0000red \"q\" \n caf\u{e9}";
    let values =
        json!([-5, 2147483647, -2.5, 3.0, true, null, "ends in \\", text, {"odd \" key\\": []}]);
    assert_eq!(story.wait_for("values")["v"], values);
    story.run("VPI.PlainTexts()");
    story.run(
        r#"Ask("row", "VPI_DB_UserInsert", { table = "user_story_t", values = [1, "'x' || \\"] })"#,
    );
    assert_eq!(story.wait_for("row"), json!(1));
    story.run(r#"Ask("rows", "VPI_DB_UserSelect", { table = "user_story_t" })"#);
    assert_eq!(story.wait_for("rows"), json!([[1, "'x' || \\"]]));
}

#[test]
fn bursts_are_answered_whole() {
    let mut story = story();
    story.run("for (local n = 0; n < 200; n++) Insert(n, n % 2 == 0)");
    story.until("all answers", 15.0, "::answers.len() == 201");
    story.run(
        r#"Ask("count", "VPI_DB_RawExecute", { query = "SELECT count(*) FROM user_story_t" })"#,
    );
    assert_eq!(story.wait_for("count"), json!([[200]]));
    println!("{}", story.game.cost_summary());
}

#[test]
fn calls_of_the_end_of_a_map_are_executed_and_the_next_map_is_served() {
    let mut story = story();
    story.run("for (local n = 0; n < 30; n++) Insert(n)");
    story.game.change_map("cp_second");
    story.connect();
    story.run(
        r#"Ask("count", "VPI_DB_RawExecute", { query = "SELECT count(*) FROM user_story_t" })"#,
    );
    assert_eq!(story.wait_for("count"), json!([[30]]));
    let list = story.operator(&["list"]);
    let (_, printed, _) = story.outcome(list);
    assert!(
        printed.contains("my_server_1") && printed.contains("cp_second"),
        "{printed}"
    );
}

#[test]
fn a_daemon_that_is_killed_in_mid_traffic_loses_and_doubles_nothing() {
    let mut story = story();
    for round in 0..4 {
        for n in round * 20..(round + 1) * 20 {
            story.run(&format!("Insert({n}, {})", n % 3 == 0));
            story.game.run_real(0.03);
            if n % 20 == 7 {
                story.restart_daemon();
            }
        }
    }
    story.until("all answers", 15.0, "::answers.len() == 81");
    let query = "SELECT count(*), count(DISTINCT n) FROM user_story_t";
    story.run(&format!(
        r#"Ask("count", "VPI_DB_RawExecute", {{ query = "{query}" }})"#
    ));
    assert_eq!(story.wait_for("count"), json!([[80, 80]]));
    let log = story.daemon.as_ref().unwrap().log();
    assert!(
        !log.iter().any(|line| line.contains("was rejected")),
        "{log:#?}"
    );
}

#[test]
fn a_state_folder_that_is_lost_costs_one_new_session() {
    let mut story = story();
    story.daemon = None;
    std::fs::remove_dir_all(story.dir.path().join("state")).unwrap();
    story.daemon = Some(Daemon::start_signed(story.dir.path()));
    story.run(r#"Ask("lost", "VPI_Ping", null)"#);
    story.until("its error", 10.0, "\"lost\" in ::answers");
    let answer = story.run("return ::answers.lost.response");
    assert_eq!(answer, json!("[VPI ERROR] (VPI_Ping) :: SessionLost"));
    story.connect();
    story.run(r#"Ask("again", "VPI_Ping", null)"#);
    assert_eq!(story.wait_for("again"), json!("pong"));
}

#[test]
fn an_operator_reaches_the_scripts() {
    let mut story = story();
    let call = story.operator(&["call", "double", r#"{"n": 21}"#]);
    let (good, printed, _) = story.outcome(call);
    assert!(good);
    let result: Json = serde_json::from_str(&printed).unwrap();
    assert_eq!(result, json!({"twice": 42, "name": "caf\u{e9}"}));
    let call = story.operator(&["call", "broken"]);
    let (good, _, said) = story.outcome(call);
    assert!(!good && said.contains("not today"), "{said}");
    let call = story.operator(&["call", "nothing"]);
    let (good, _, said) = story.outcome(call);
    assert!(!good && said.contains("nothing"), "{said}");
    for arguments in [
        &["message", "news", r#"{"n": 1}"#],
        &["hook", "Reward", r#"{"n": 2}"#],
    ] {
        let child = story.operator(arguments);
        assert!(story.outcome(child).0);
    }
    story.until("both came", 5.0, "::heard.len() == 2");
    assert_eq!(story.run("return ::heard"), json!([{"n": 1}, {"n": 2}]));
    let say = story.operator(&["say", "hello there", "--where", "center"]);
    assert!(story.outcome(say).0);
    story.game.run_real(0.1);
    let prints = story.game.record();
    let prints = prints.client_prints();
    assert!(
        prints
            .iter()
            .any(|(to, place, text)| to.is_none() && *place == 4 && text == "hello there")
    );
}

#[test]
fn what_happens_in_the_game_is_reported() {
    let mut story = story();
    let mut watch = story.operator(&["watch"]);
    let mut errors = BufReader::new(watch.stderr.take().unwrap());
    errors.read_line(&mut String::new()).unwrap();
    let ann = story.game.join("Ann", "[U:1:7]");
    story.game.say(ann, "hi \u{7}there");
    story.run(r#"VPI.Emit("won", { team = 2 })"#);
    story.game.leave(ann, "bye");
    story.game.run_real(1.5);
    watch.kill().unwrap();
    let output = watch.wait_with_output().unwrap();
    let lines: Vec<Json> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let data = |event: &str| {
        let found = lines.iter().find(|line| line["event"] == json!(event));
        found.unwrap_or_else(|| panic!("no {event} in {lines:#?}"))["data"].clone()
    };
    assert_eq!(data("player_active")["id"], json!("[U:1:7]"));
    assert_eq!(data("player_chat")["text"], json!("hi \u{7}there"));
    assert_eq!(data("player_disconnect")["reason"], json!("bye"));
    assert!(
        lines
            .iter()
            .any(|line| line["emit"] == json!("won") && line["data"]["team"] == json!(2))
    );
    story.game.assert_no_errors();
}

#[test]
fn a_game_whose_name_another_one_takes_says_so_and_comes_back() {
    let mut story = story();
    let mut other = Setup::new(&scriptdata(story.dir.path()))
        .hostname("My Server #1")
        .seed(2)
        .script("mapspawn.nut", MAPSPAWN)
        .script("vpi.nut", &vpi_with(KEY))
        .start("cp_other");
    let status = "return VPI.Status().connected";
    assert!(other.run_real_until(10.0, |game| game.run("x.nut", status) == json!(true)));
    other.run_real(2.0);
    let errors = |story: &mut Story| story.run("return ::answers");
    story.run("Ask(\"lost\", \"VPI_Ping\", {})");
    story.until("the end of the session", 10.0, "!VPI.Status().connected");
    story.game.run_real(0.1);
    let said = errors(&mut story)["lost"]["response"].to_string();
    assert!(said.contains("SessionLost"), "{said}");
    let prints = story.game.record().prints();
    let told = "vpid serves another game that calls itself my_server_1, too";
    assert!(prints.iter().any(|line| line.contains(told)), "{prints:#?}");
    other.run_real(0.5);
    assert_eq!(other.run("x.nut", status), json!(true));
    drop(other);
    // A minute later, without waiting for it.
    story.game.run_ticks(4_100);
    story.connect();
    story.run("Ask(\"again\", \"VPI_Ping\", { n = 1 })");
    assert_eq!(story.wait_for("again"), json!({"n": 1}));
    let log = story.daemon.as_ref().expect("it runs").log();
    let warned = log.iter().filter(|line| line.contains("two games call"));
    assert_eq!(warned.count(), 1, "{log:#?}");
}
