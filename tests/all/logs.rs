//! The log: its forms, its file, and what never stands in it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use fake_vyhub::FakeVyhub;

use crate::support::{KEY, Vpid, program, wait_until};

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    let read =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    lines.map(read).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn each_line_is_an_object_for_programs_with_what_it_is_about() {
    let vpid = Vpid::new()
        .setting("log_format = 'json'")
        .script("one", "print('hello from \\x1b[2J one')\n")
        .started();
    let mut host = vpid.host("my_server");
    host.ping();
    host.ask("VPI_Unheard_Of", Value::Null);
    vpid.wait_for_log("a call failed");
    vpid.wait_for_log("hello from");
    let lines = lines(&vpid.log());
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        for key in ["level", "part", "module", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    let of = |text: &str| {
        let mut found = lines.iter();
        let is_it = |line: &&Value| line["message"].as_str().unwrap().contains(text);
        found
            .find(is_it)
            .unwrap_or_else(|| panic!("{text}: {lines:#?}"))
    };
    let failed = of("a call failed");
    assert_eq!(failed["host"], "my_server", "{failed}");
    assert_eq!(
        (&failed["level"], &failed["part"]),
        (&"warn".into(), &"bridge".into())
    );
    let script = of("hello from");
    assert_eq!(
        (&script["script"], &script["part"]),
        (&"one".into(), &"scripts".into())
    );
    assert!(!vpid.log().contains('\x1b'));
}

#[test]
fn a_file_of_the_log_is_opened_anew_on_sighup_whatever_the_configuration_says() {
    let mut vpid = Vpid::new();
    let (log, old) = (vpid.path("vpid.log"), vpid.path("vpid.log.1"));
    vpid = vpid.setting(&format!("log_file = '{}'", log.display()));
    vpid.launch();
    wait_until("it serves", || read(&log).contains(" serves /"));
    assert_eq!(vpid.log(), "", "standard error");
    fs::rename(&log, &old).unwrap();
    vpid.hang_up();
    wait_until("the file is there again", || {
        read(&log).contains("the configuration was reloaded")
    });
    // What logrotate does does not depend on an owner who edits.
    fs::rename(&log, &old).unwrap();
    let text = vpid.config_text();
    fs::write(vpid.config_path(), text.clone() + "[nonsense]\n").unwrap();
    vpid.hang_up();
    wait_until("the file is there again", || {
        read(&log).contains("the configuration was not reloaded")
    });
    // A place that cannot be written is refused, and the log goes on.
    let nowhere = text.replacen("/vpid.log'", "/nowhere/vpid.log'", 1);
    fs::write(vpid.config_path(), nowhere).unwrap();
    vpid.hang_up();
    wait_until("it is refused", || {
        read(&log).contains("nowhere/vpid.log cannot be opened")
    });
    vpid.stop();
    assert!(read(&log).contains("stopped"));
    assert_eq!(vpid.log(), "", "standard error");
}

#[test]
fn levels_of_parts_change_with_a_reload_and_wrong_ones_are_refused() {
    let mut vpid = Vpid::new().setting("log = 'warn'");
    vpid.launch();
    let control = vpid.path("state/control.sock");
    wait_until("it serves", || control.exists());
    let text = vpid.config_text();
    let edited = |log: &str| text.replacen("log = 'warn'", log, 1);
    let reload = |log: &str| {
        fs::write(vpid.config_path(), edited(log)).unwrap();
        let mut reload = program();
        reload.args(["reload", "--config"]).arg(vpid.config_path());
        reload.output().unwrap()
    };
    let refused = reload("log = 'info,sqll=debug'");
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("log: \"sqll\" is no part of vpid; did you mean sql?"),
        "{said}"
    );
    let reloaded = reload("log = 'error,daemon=info'\nlog_format = 'json'");
    assert!(reloaded.status.success());
    vpid.stop();
    let last = vpid.log();
    let last = last.lines().last().unwrap().to_owned();
    assert!(last.contains("\"message\":\"stopped\""), "{}", vpid.log());
}

/// In every secret below.
const MARK: &str = "geheim0987";

#[test]
fn no_secret_stands_in_the_log_in_either_form_whatever_is_logged_and_fails() {
    for format in ["text", "json"] {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let vpid = Vpid::new()
            .signed()
            .setting(&format!("log_format = '{format}'"))
            .setting("log = 'trace,ureq=trace,ureq_proto=trace,rustls=trace,mysql=trace'")
            .vyhub_line("api_url = \"http://127.0.0.1:1/name/v1\"")
            .vyhub_line(&format!("api_key = \"{MARK}-key\""))
            .server_line("vyhub_server_id = \"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\"")
            .rcon(nowhere, &format!("{MARK}-console"))
            .script("one", "import os\nprint(dict(os.environ), flush=True)\n");
        #[cfg(feature = "mysql")]
        let vpid = vpid.table(&format!(
            "[database.far]\ntype = 'mysql'\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\ndatabase = 'd'\n\
             password = '{MARK}-far'"
        ));
        let mut vpid = vpid.started();
        vpid.wait_for_log("VyHub cannot be reached");
        vpid.wait_for_log("is not reached by RCON");
        vpid.wait_for_state("one", "running");
        let mut host = vpid.host("my_server");
        host.ping();
        host.write_raw(b"{\"x\": 1}\0");
        vpid.wait_for_log("was rejected");
        // An edited configuration that is wrong at a secret.
        let text = vpid.config_text();
        let wrong = text.replacen("api_key = \"", &format!("api_key = \"{MARK} {MARK}"), 1);
        fs::write(vpid.config_path(), wrong).unwrap();
        vpid.hang_up();
        vpid.wait_for_log("the configuration was not reloaded");
        vpid.stop();
        let log = vpid.log();
        for secret in [MARK, KEY, crate::support::SECRET] {
            assert!(!log.contains(secret), "{format}: {secret}");
        }
        assert!(
            log.contains("ureq") || log.contains("http"),
            "libraries log too"
        );
    }
}

#[test]
fn bytes_of_requests_with_the_api_key_are_not_logged_however_much_is() {
    let vyhub = FakeVyhub::start();
    let mut vpid = Vpid::new()
        .vyhub(&vyhub)
        .setting("log = 'trace,http=trace,ureq=trace,ureq_proto=trace'")
        .setting("log_format = 'json'")
        .started();
    // The head of an answer, so that a request went out.
    vpid.wait_for_log("\"module\":\"ureq::run\"");
    wait_until("it answers", || vpid.log().contains("Response"));
    vpid.stop();
    for line in lines(&vpid.log()) {
        let module = line["module"].as_str().unwrap_or_default();
        let is_dump = module.starts_with("ureq_proto") && line["level"] == "trace";
        assert!(!is_dump, "{line}");
    }
    assert!(!vpid.log().contains(&vyhub.key()));
}
