//! The commands: what they print, what they leave, and their exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Vpid, program, wait_for, wait_until};

const COMMANDS: [&str; 22] = [
    "run",
    "reload",
    "init",
    "check",
    "status",
    "call",
    "game",
    "queue",
    "rewards",
    "script",
    "trace",
    "replay",
    "community",
    "service",
    "backup",
    "restore",
    "play",
    "bench",
    "demo",
    "completions",
    "man",
    "help",
];

fn run(arguments: &[&str]) -> Output {
    program()
        .args(arguments)
        .output()
        .expect("vpid can be spawned")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_command_explains_itself() {
    let all = run(&["--help"]);
    assert_eq!(all.status.code(), Some(0));
    for command in COMMANDS {
        assert!(out(&all).contains(&format!("\n  {command} ")), "{command}");
        for flag in [
            &[command, "--help"][..],
            &[command, "-h"],
            &["help", command],
        ] {
            let help = run(flag);
            assert_eq!(help.status.code(), Some(0), "{flag:?}");
            assert!(
                out(&help).contains(&format!("Usage: vpid {command}")),
                "{flag:?}"
            );
        }
    }
    assert_eq!(out(&run(&["help"])), out(&all));
    let version = run(&["--version"]);
    let version = out(&version);
    let lines: Vec<_> = version.lines().collect();
    assert_eq!(lines[0], concat!("vpid ", env!("CARGO_PKG_VERSION")));
    for (line, word) in lines[1..].iter().zip(["commit ", "features: ", "target "]) {
        assert!(
            line.starts_with(word) && line.len() > word.len(),
            "{version}"
        );
    }
    assert_eq!(lines.len(), 4, "{version}");
}

#[test]
fn init_shows_the_scripts_without_a_game() {
    for (name, text) in vpid::vscripts::ALL {
        let shown = run(&["init", "--print", name]);
        assert_eq!(shown.status.code(), Some(0), "{name}");
        assert!(out(&shown) == text, "{name}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let vpid = Vpid::new().started();
    let all: [&[&str]; 10] = [
        &["--help"],
        &["--version"],
        &["check"],
        &["check", "--json"],
        &["status"],
        &["status", "--json"],
        &["status", "--metrics"],
        &["game", "list"],
        &["call", "VPI_Ping"],
        &["completions", "bash"],
    ];
    let needs_none = |command: &str| command.starts_with("--") || command == "completions";
    for arguments in all {
        let to = |out: std::process::Stdio| {
            let mut command = program();
            command.args(arguments).stdout(out);
            if !needs_none(arguments[0]) {
                command.arg("--config").arg(vpid.config_path());
            }
            command.output().expect("vpid can be spawned")
        };
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = to(full.into());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = err(&output);
        assert!(
            said.contains("No space left on device"),
            "{arguments:?}: {said}"
        );
        let (gone, writer) = std::io::pipe().unwrap();
        drop(gone);
        let output = to(writer.into());
        let said = err(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("Broken pipe"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let wrong: [&[&str]; 19] = [
        &["script"],
        &["script", "load"],
        &["script", "reload", "stats.py", "now"],
        &["queue"],
        &["queue", "drop"],
        &["queue", "show", "../x"],
        &[],
        &["serve"],
        &["--frobnicate"],
        &["run", "--frobnicate"],
        &["call"],
        &["call", "VPI_Ping", "{}", "{}"],
        &["call", "VPI_Ping", "--timeout", "soon"],
        &["bench", "--hosts", "0"],
        &["bench", "now"],
        &["init", "--print", "other.nut"],
        &["trace", "now"],
        &["trace", "--slow", "0"],
        &["replay", "--dry-run"],
    ];
    for arguments in wrong {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            err(&output)
        );
        let said = err(&output);
        let last = said.lines().last().unwrap_or_default();
        let is_advice = last.starts_with("See `vpid") && last.ends_with("--help`.");
        assert!(
            said.starts_with("vpid") && is_advice,
            "{arguments:?}: {said}"
        );
        assert!(out(&output).is_empty());
    }
}

#[test]
fn a_missing_or_wrong_configuration_is_exit_code_3_and_names_every_problem() {
    let vpid = Vpid::new();
    for command in [&["run"][..], &["call", "VPI_Ping"], &["bench"]] {
        let output = run(&[command, &["--config", "/nowhere/vpid.toml"]].concat());
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(
            err(&output).contains("/nowhere/vpid.toml"),
            "{}",
            err(&output)
        );
    }
    let text = format!(
        "colour = 1\npoll_ms = 0\n{}hostnam = 'x'\n",
        vpid.config_text()
    );
    fs::write(vpid.config_path(), text).unwrap();
    let mut command = program();
    let output = command
        .args(["run", "--config"])
        .arg(vpid.config_path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    for problem in ["vpid.toml:1: colour", "vpid.toml:2: poll_ms", "hostnam"] {
        assert!(err(&output).contains(problem), "{}", err(&output));
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let vpid = Vpid::new();
    vpid.write_config();
    let mut command = program();
    command.args(["run", "--config"]).arg(vpid.config_path());
    let output = command.env("VPID_POLL_MS", "never").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).contains("VPID_POLL_MS"));
}

#[test]
fn options_of_the_stock_server_are_for_mysql_and_a_password_among_them_is_warned_about() {
    let vpid = Vpid::new();
    for (option, name) in [
        (&["--host", "db"][..], "--host"),
        (&["-p", "3307"], "--port"),
        (&["--user=tf2"], "--user"),
        (&["-u", "tf2"], "--user"),
        (&["-d", "interface"], "--database"),
        (&["-db", "interface"], "--database"),
        (&["-db=interface"], "--database"),
        (&["--password", "hunter2"], "--password"),
    ] {
        let output = vpid.command(&[&["run"], option].concat());
        let said = err(&output);
        assert_eq!(output.status.code(), Some(3), "{option:?}: {said}");
        let problem = format!("command line: {name}: is for MySQL; set type = \"mysql\"");
        assert!(said.contains(&problem), "{option:?}: {said}");
        let warned = said.contains("can see it in the list of processes; use password_file");
        assert_eq!(warned, name == "--password", "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // For a database on MySQL, what they say is looked at.
    let mysql = Vpid::new().database_line("type = 'mysql'");
    let output = mysql.command(&["run", "-u", "tf2", "-p", "many", "-db", "interface"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("command line: --port: \"many\" is not a whole number"),
        "{said}"
    );
    assert!(
        !said.contains("has no user") && !said.contains("has no database"),
        "{said}"
    );
    let output = vpid.command(&["run", "--host"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn call_prints_the_answer_as_json_and_says_by_its_exit_code_whether_it_is_one() {
    let vpid = Vpid::running();
    let output = vpid.command(&["call", "VPI_Ping", r#"{"a": [1, "x"]}"#]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let answer: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(answer, json!({"a": [1, "x"]}));
    let output = vpid.command(&["call", "VPI_Nonsense"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(
        answer
            .as_str()
            .unwrap()
            .starts_with("[VPI ERROR] (VPI_Nonsense)")
    );
    let as_host = [
        "call",
        "VPI_DB_UserSelect",
        r#"{"table": "user_x_t"}"#,
        "--host",
        "red",
        "--script",
        "x.nut",
    ];
    assert!(out(&vpid.command(&as_host)).contains("no such table"));
    let output = vpid.command(&["call", "VPI_Ping", "not json"]);
    assert_eq!(output.status.code(), Some(1));
    let names = ["call", "VPI_Ping", "--host", "../red"];
    assert_eq!(vpid.command(&names).status.code(), Some(1));
}

#[test]
fn call_and_bench_say_so_when_no_vpid_runs() {
    let vpid = Vpid::new();
    let call = ["call", "VPI_Ping", "--host", "red"];
    for arguments in [&call[..2], &call, &["bench"]] {
        let output = vpid.command(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = err(&output);
        assert!(said.contains("no vpid runs on"), "{arguments:?}: {said}");
        let advice = "if one runs with another `state_dir`, restart it";
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
}

/// `vpid init` for this vpid's folders.
fn init(vpid: &Vpid, more: &[&str]) -> Output {
    let mut command = program();
    command
        .args(["init", "--scriptdata"])
        .arg(vpid.scriptdata());
    command.args(more).arg("--config").arg(vpid.config_path());
    command.output().unwrap()
}

/// `vpid check` of what `init` wrote.
fn check(vpid: &Vpid) -> Output {
    let mut command = program();
    command.args(["check", "--config"]).arg(vpid.config_path());
    command.output().unwrap()
}

#[test]
fn init_for_stock_scripts_writes_a_configuration_that_check_finds_good_and_run_serves() {
    let vpid = Vpid::new();
    let output = init(&vpid, &["--legacy"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let written = fs::read_to_string(vpid.config_path()).unwrap();
    let mode = fs::metadata(vpid.config_path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = init(&vpid, &["--legacy"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("--force"), "{}", err(&again));
    assert_eq!(fs::read_to_string(vpid.config_path()).unwrap(), written);
    let checked = check(&vpid);
    assert_eq!(checked.status.code(), Some(0), "{}", out(&checked));
    serves_with(&vpid.config_path());
    let forced = init(&vpid, &["--legacy", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", err(&forced));
    assert_ne!(
        fs::read_to_string(vpid.config_path()).unwrap(),
        written,
        "no fresh secret"
    );
}

#[test]
fn init_for_our_scripts_installs_them_and_check_finds_them_good() {
    let vpid = Vpid::new();
    let vscripts = vpid.path("scripts/vscripts");
    let vscripts = vscripts.to_str().unwrap();
    fs::create_dir(vpid.path("scripts")).unwrap();
    assert_eq!(init(&vpid, &[]).status.code(), Some(0));
    // The second call finds the configuration of the first.
    let output = init(&vpid, &["--vscripts", vscripts]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let script = vpid.path("scripts/vscripts/vpi.nut");
    let mode = fs::metadata(&script).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&script).unwrap();
    let key = text.split("OwnerKey() { return \"").nth(1).unwrap();
    let key = key.split('"').next().unwrap();
    let config = fs::read_to_string(vpid.config_path()).unwrap();
    assert!(config.contains(&format!("\nkey = '{key}'\n")), "{config}");
    for said in [&output, &check(&vpid)] {
        assert_eq!(said.status.code(), Some(0), "{}", out(said));
        assert!(!format!("{}{}", out(said), err(said)).contains(key));
    }
}

/// A daemon with this configuration answers `vpid call`.
fn serves_with(config: &Path) {
    let mut daemon = program();
    daemon.args(["run", "--config"]).arg(config);
    let daemon = daemon.stderr(std::process::Stdio::null()).spawn();
    let mut daemon = daemon.expect("vpid can be spawned");
    let mut call = program();
    call.args(["call", "VPI_Ping", "--timeout", "20", "--config"])
        .arg(config);
    // It says so when vpid has not started yet.
    let output = wait_for("vpid runs", || {
        let output = call.output().expect("vpid can be run");
        (!err(&output).contains("no vpid runs")).then_some(output)
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(out(&output).trim(), "\"pong\"", "{}", err(&output));
}

#[test]
fn check_says_what_is_bad_and_what_to_do_about_it() {
    let vpid = Vpid::new();
    assert_eq!(vpid.command(&["check"]).status.code(), Some(0));
    fs::set_permissions(vpid.config_path(), fs::Permissions::from_mode(0o644)).unwrap();
    let mut check = program();
    let check = check
        .args(["check", "--config"])
        .arg(vpid.config_path())
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    assert!(out(&check).contains("chmod 600"), "{}", out(&check));
    fs::write(vpid.path("vpid.db"), "this is no database ".repeat(100)).unwrap();
    let check = vpid.command(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        out(&check).contains("restore it from a backup"),
        "{}",
        out(&check)
    );
    let elsewhere = Vpid::new().serving(Path::new("/nowhere/scriptdata"));
    let check = elsewhere.command(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        out(&check).contains("/nowhere/scriptdata"),
        "{}",
        out(&check)
    );
}

#[test]
fn check_finds_a_running_vpid_good_and_does_not_disturb_it() {
    let vpid = Vpid::running();
    let mut host = vpid.host("my_server");
    host.ping();
    wait_until("the call's file went", || vpid.files().len() == 1);
    let before = vpid.files();
    let check = vpid.command(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", out(&check));
    assert_eq!(vpid.files(), before);
    host.ping();
}

#[test]
fn bench_prints_json_for_programs_and_leaves_nothing_behind() {
    let vpid = Vpid::running();
    for work in ["echo", "select", "insert"] {
        let arguments = [
            "bench", "--hosts", "2", "--files", "10", "--batch", "5", "--json", "--work", work,
        ];
        let output = vpid.command(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let report: Value = serde_json::from_str(&out(&output)).unwrap();
        assert!(report.is_object(), "{report}");
    }
    assert!(!vpid.log().contains(" ERROR "), "{}", vpid.log());
    let query = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'user_%'";
    let tables: i64 = vpid.sql().query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
    wait_until("its files went", || vpid.files().is_empty());
}

#[test]
fn bench_says_so_when_nobody_answers() {
    let vpid = Vpid::new();
    let output = vpid.command(&["bench", "--work", "select", "--files", "0"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_shipped_example_is_a_configuration_but_for_its_secret() {
    let example = include_str!("../../config.example.toml");
    let vpid = Vpid::new();
    fs::write(vpid.config_path(), example).unwrap();
    let mut check = program();
    let check = check
        .args(["check", "--config"])
        .arg(vpid.config_path())
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    let text = out(&check);
    let bad: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("bad"))
        .collect();
    assert_eq!(bad.len(), 1, "{text}");
    assert!(bad[0].contains("placeholder"), "{text}");
}

/// Lines without what is to the right of two spaces, unless they begin with these: how long a step took.
#[cfg(feature = "demo")]
fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let words = line.trim_end();
        let is_time = |end: &str| end.ends_with("ms") || end.ends_with(" s") || end.ends_with("µs");
        match words.rsplit_once("  ") {
            Some((before, end)) if is_time(end) => before.trim_end().to_owned(),
            _ => words.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_works_needs_no_configuration_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut demo = program();
    demo.arg("demo").env("TMPDIR", temporary.path());
    let output = demo.current_dir(elsewhere.path()).output().unwrap();
    let said = format!("{}{}", out(&output), err(&output));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let shown = without_times(&out(&output));
    let readme = fs::read_to_string("README.md").expect("the page");
    let (_, picture) = readme.split_once("```text\n").expect("its picture");
    let (picture, _) = picture.split_once("```").expect("the end of it");
    for line in without_times(picture).lines() {
        assert!(
            shown.lines().any(|known| known == line),
            "README.md shows what the demo does not print: {line}"
        );
    }
    for folder in [&temporary, &elsewhere] {
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "{said}");
    }
}

/// What stands in the service alone: commands in another terminal do not need it.
#[test]
#[cfg(feature = "mysql")]
fn commands_need_nothing_that_only_the_service_has() {
    // A database that is away: vpid runs all the same.
    let mut vpid = Vpid::new()
        .signed()
        .database_line("type = 'mysql'")
        .database_line("port = 1")
        .options(&["-u", "tf2", "-db", "interface"])
        .script("stats", "def top():\n    return 1\n");
    vpid.start();
    vpid.wait_for_log("script stats");
    for options in [
        &[][..],
        &[
            "-u",
            "tf2",
            "-db",
            "interface",
            "-p",
            "1",
            "--password",
            "x",
        ],
    ] {
        for command in [
            &["call", "VPI_Ping"][..],
            &["game", "list"],
            &["script", "list"],
            &["queue", "list"],
        ] {
            let output = vpid.command(&[command, options].concat());
            let said = format!("{}{}", out(&output), err(&output));
            let answered = output.status.code() == Some(0) || said.contains("there is no queue");
            assert!(answered, "{command:?} {options:?}: {said}");
        }
    }
    // The rest of their arguments is theirs.
    let output = vpid.command(&["call", "VPI_Ping", "--host", "red"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = out(&vpid.command(&["check"]));
    assert!(said.contains("database: has no user"), "{said}");
    let said = out(&vpid.command(&["check", "-u", "tf2", "-db=interface", "--password", "x"]));
    assert!(!said.contains("has no user"), "{said}");
    assert!(
        said.contains("warn  --password: every user of this machine"),
        "{said}"
    );
    // The operator is editing the file, and is not done.
    let text = vpid.config_text() + "\n[vyhub]\napi_url = 5\n";
    for command in [
        &["call", "VPI_Ping"][..],
        &["game", "list"],
        &["queue", "list"],
    ] {
        fs::write(vpid.config_path(), &text).unwrap();
        let output = program()
            .args(command)
            .arg("--config")
            .arg(vpid.config_path())
            .output()
            .unwrap();
        let said = err(&output);
        let answered = output.status.code() == Some(0) || said.contains("there is no queue");
        assert!(answered, "{command:?}: {said}");
    }
}

#[test]
fn init_makes_the_folder_of_the_configuration_and_closes_it() {
    let vpid = Vpid::new();
    let path = vpid.path("etc/vpid/vpid.toml");
    let mut command = program();
    command
        .args(["init", "--scriptdata"])
        .arg(vpid.scriptdata());
    let output = command.arg("--config").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    // One that cannot be made is an error that says so, and nothing is written.
    let path = vpid.path("etc/vpid/vpid.toml/below/vpid.toml");
    let mut command = program();
    command
        .args(["init", "--scriptdata"])
        .arg(vpid.scriptdata());
    let output = command.arg("--config").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("cannot be created"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_state_folder_that_is_a_file_is_named_by_run() {
    let vpid = Vpid::new();
    fs::write(vpid.path("state"), "").unwrap();
    let output = vpid.command(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    for part in ["/state is not a folder; remove it", "(VPID_STATE_DIR)"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn check_prints_json_for_programs_with_the_same_findings() {
    let vpid = Vpid::new();
    let findings = |vpid: &Vpid| {
        let output = vpid.command(&["check", "--json"]);
        let report: Value = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!(report["good"], json!(output.status.code() == Some(0)));
        report["findings"].as_array().unwrap().clone()
    };
    let good = findings(&vpid);
    let lines = out(&vpid.command(&["check"]));
    assert_eq!(good.len(), lines.lines().count());
    assert!(
        good.iter()
            .all(|finding| finding["verdict"] != "bad" && finding["remedy"].is_null())
    );
    fs::write(vpid.path("vpid.db"), "this is no database ".repeat(100)).unwrap();
    let bad = findings(&vpid);
    let bad: Vec<_> = bad
        .iter()
        .filter(|finding| finding["verdict"] == "bad")
        .collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(
        bad[0]["text"].as_str().unwrap().contains("database"),
        "{bad:?}"
    );
    assert!(bad[0]["remedy"].is_string(), "{bad:?}");
}

#[test]
fn reload_prints_json_for_programs() {
    let vpid = Vpid::running();
    let result = |vpid: &Vpid| {
        let output = program()
            .args(["reload", "--json", "--config"])
            .arg(vpid.config_path())
            .output()
            .unwrap();
        let result: Value = serde_json::from_str(&out(&output)).unwrap();
        (output.status.code(), result)
    };
    let (code, good) = result(&vpid);
    assert_eq!(
        (code, &good["reloaded"], &good["problems"]),
        (Some(0), &json!(true), &json!([]))
    );
    fs::write(vpid.config_path(), "colour = 1\n").unwrap();
    let (code, bad) = result(&vpid);
    assert_eq!((code, &bad["reloaded"]), (Some(3), &json!(false)));
    assert!(
        bad["problems"][0].as_str().unwrap().contains("colour"),
        "{bad}"
    );
}

#[test]
fn colours_are_for_terminals_or_where_they_are_requested() {
    let vpid = Vpid::new();
    assert!(!out(&vpid.command(&["check"])).contains('\x1b'));
    let colored = out(&vpid.command(&["check", "--color", "always"]));
    assert!(colored.contains("\x1b[32mok  \x1b[0m  "), "{colored}");
    let output = run(&["run", "--color", "sometimes"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn arguments_of_a_call_come_from_standard_input_too() {
    let vpid = Vpid::running();
    let call = |input: &[u8]| {
        let mut command = program();
        command
            .args(["call", "VPI_Ping", "-", "--config"])
            .arg(vpid.config_path());
        output_of(command, input)
    };
    let output = call(b"{\"a\": [1, \"x\"]}\n");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let answer: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(answer, json!({"a": [1, "x"]}));
    for input in [&vec![b' '; 70_000][..], b"\xff", b"no JSON"] {
        let output = call(input);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    }
    // As long as an argument may be: a response to it has no room in the game's files.
    let long = json!({"a": "x".repeat(70_000)}).to_string();
    let output = call(long.as_bytes());
    assert!(out(&output).contains("[VPI ERROR]"), "{}", err(&output));
}

/// What a command prints that reads this.
pub fn output_of(mut command: std::process::Command, input: &[u8]) -> Output {
    use std::io::Write;
    use std::process::Stdio;

    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("vpid can be spawned");
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that refuses its input reads no more of it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("its output")
}
