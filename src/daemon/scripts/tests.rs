//! A daemon and real processes; the core is not asked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::config;
use crate::core::{Effect, Launch, LaunchKind, ServerId};
use crate::daemon::poller::Wake;
use crate::daemon::reload::Reloading;
use crate::io::python::Spec;

const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    folder: TempDir,
    daemon: Daemon,
}

impl Scene {
    /// A daemon with `vpi/vpi_interfaces.py` and a folder of scripts.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["scriptdata", "vpi", "scripts"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let text = "
            [[server]]
            scriptdata = \"scriptdata\"
            key = \"abcdefghijklmnopqrstuvwxyz0123456789\"
        ";
        let mut config = config::parse(text, folder.path(), |_| None).unwrap();
        config.scripts = Some(config::Scripts {
            dir: Some(folder.path().join("scripts")),
            vpi_interfaces: Some(folder.path().join("vpi/vpi_interfaces.py")),
            options: Vec::new(),
            vpi_override: Vec::new(),
            python: "python3".into(),
            order: Vec::new(),
            admins: Vec::new(),
            prefixes: Vec::new(),
            settings: config::ScriptSettings::default(),
            each: BTreeMap::new(),
        });
        let reloading = Reloading::new(None, Box::new(|_| None), &config);
        let daemon = Daemon::start(config, reloading).map_err(|problem| panic!("{problem}"));
        Self {
            folder,
            daemon: daemon.unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Runs this in place of the host program.
    fn run(&mut self, run: u64, program: &str) {
        self.run_within(run, program, 0);
    }

    fn run_within(&mut self, run: u64, program: &str, memory_bytes: u64) {
        let spec = Spec {
            name: "test".into(),
            interpreter: "python3".into(),
            folder: self.folder.path().into(),
            program: program.into(),
            first_line: b"first".to_vec(),
            environment: Vec::new(),
            memory_bytes,
        };
        let process = self.daemon.scripts.interpreters.start(&spec).unwrap();
        let script = ScriptId(7);
        let running = Running { script, process };
        self.daemon.scripts.running.insert(RunId(run), running);
    }

    /// Waits as the loop does.
    fn wait(&mut self) -> Wake {
        let now_ms = self.daemon.now().mono_ms;
        // It is not to wait longer than the test does.
        let last_ms = now_ms + PATIENCE.as_millis() as u64;
        self.daemon.wheel.insert(Due::Poll, (), last_ms);
        self.daemon.wait().unwrap()
    }

    /// Whether the control socket wakes the loop, or which scripts do.
    fn woken_by(&mut self) -> (bool, Vec<u64>) {
        loop {
            let wake = self.wait();
            if wake.control || !wake.scripts.is_empty() {
                let runs = wake.scripts.iter().map(|run| run.0);
                return (wake.control, runs.collect());
            }
        }
    }

    /// What scripts tell, until some of it is as it is to be.
    fn until(&mut self, is_it: impl Fn(u64, &ScriptReport) -> bool) -> Vec<(u64, ScriptReport)> {
        let began = Instant::now();
        let mut news = Vec::new();
        while !news.iter().any(|(run, what)| is_it(*run, what)) {
            assert!(began.elapsed() < PATIENCE, "{news:?}");
            let wake = self.wait();
            self.daemon.read_scripts(wake.scripts);
            for event in self.daemon.events.drain(..) {
                if let Event::Script { run, what, .. } = event {
                    news.push((run.0, what));
                }
            }
        }
        news
    }

    fn act(&mut self, run: u64, act: ScriptAct) {
        let script = ScriptId(7);
        let run = RunId(run);
        self.daemon.carry_out(Effect::Script { script, run, act });
    }

    fn edits(&mut self) -> usize {
        let events = self.daemon.events.drain(..);
        events
            .filter(|event| matches!(event, Event::InterfacesEdited))
            .count()
    }
}

fn said(line: &str) -> impl Fn(u64, &ScriptReport) -> bool {
    let line = line.as_bytes().to_vec();
    move |_, news| matches!(news, ScriptReport::Sent(lines) if lines.contains(&line))
}

#[test]
fn each_process_is_heard_by_the_number_of_its_run() {
    let mut scene = Scene::new();
    let echo = "\
import socket, sys
channel = socket.socket(fileno=0).makefile('rwb', buffering=0)
for line in channel: channel.write(sys.argv[0].encode() + line)
";
    for run in [1, 2, 3] {
        scene.run(run, echo);
        scene.until(|of, news| of == run && said("-cfirst")(of, news));
    }
    // Nor is a script taken for the control socket, or the other way round.
    let state = scene.daemon.config.state_dir.clone();
    let operator = crate::io::control::connect(&state).unwrap();
    assert_eq!(scene.woken_by(), (true, Vec::new()));
    drop(operator);
    scene.daemon.serve_control();
    scene.act(2, ScriptAct::Send(b"you\n".to_vec()));
    assert_eq!(scene.woken_by(), (false, vec![2]));
    let news = scene.until(said("-cyou"));
    assert!(news.iter().all(|(run, _)| *run == 2), "{news:?}");
    scene.act(3, ScriptAct::Kill);
    let news = scene.until(|run, news| run == 3 && matches!(news, ScriptReport::Ended(_)));
    assert_eq!(
        news,
        [(3, ScriptReport::Ended("by signal 9 (killed)".into()))]
    );
    // What is on its way to one that is gone is nobody's.
    scene.act(3, ScriptAct::Send(b"late\n".to_vec()));
    assert!(!scene.daemon.scripts.is_empty());
    scene.daemon.scripts.kill_all();
    assert!(scene.daemon.scripts.is_empty());
}

#[test]
fn what_cannot_be_started_is_news_at_once() {
    let mut scene = Scene::new();
    let launch = Launch {
        kind: LaunchKind::Script,
        name: "gone".into(),
        servers: Vec::new(),
    };
    scene.act(1, ScriptAct::Start(launch));
    let event = scene.daemon.events.front();
    let Some(Event::Script {
        run: RunId(1),
        what,
        ..
    }) = event
    else {
        panic!("{event:?}");
    };
    let ScriptReport::NotStarted { why, has_file } = what else {
        panic!("{what:?}");
    };
    assert!(why.contains("gone.py") && !has_file, "{why}");
    // The loop does not sleep over it.
    let began = Instant::now();
    scene.wait();
    assert!(began.elapsed() < PATIENCE / 2);
    assert!(scene.daemon.scripts.is_empty());
}

#[test]
fn edits_of_vpi_interfaces_and_of_files_beside_it_are_noticed() {
    let mut scene = Scene::new();
    scene.daemon.watch_interfaces();
    scene.write("vpi/notes.txt", "");
    scene.write("vpi/.vpi_config.py", "");
    let wake = scene.wait();
    scene.daemon.take_edits(&wake.hints);
    assert_eq!(scene.edits(), 0);
    for change in ["vpi/vpi_interfaces.py", "vpi/vpi_config.py"] {
        scene.write(change, "x = 1");
        let wake = scene.wait();
        scene.daemon.take_edits(&wake.hints);
        assert_eq!(scene.edits(), 1, "{change}");
    }
    // Saved by a rename, as editors do.
    scene.write("new", "x = 2");
    let path = |name: &str| scene.folder.path().join(name);
    fs::rename(path("new"), path("vpi/vpi_interfaces.py")).unwrap();
    let wake = scene.wait();
    scene.daemon.take_edits(&wake.hints);
    assert_eq!(scene.edits(), 1);
    // The slow look finds nothing more, and all that no hint told of.
    scene.daemon.look_at_interfaces();
    assert_eq!(scene.edits(), 0);
    scene.write("vpi/vpi_interfaces.py", "x = 1234");
    scene.daemon.look_at_interfaces();
    assert_eq!(scene.edits(), 1);
}

#[test]
fn a_call_that_is_begun_is_on_disk_at_once() {
    let mut scene = Scene::new();
    let call = CallId::of_number(4, 1);
    scene.daemon.carry_out(Effect::Begun(call));
    let state = scene.daemon.config.state_dir.clone();
    let (_, found) = Begun::open(Path::new(&state), false).unwrap();
    assert_eq!(found, [call]);
}

/// On a busy machine, a function begins long after vpid has sent the call.
#[test]
fn an_interrupt_that_comes_too_early_is_asked_for_again() {
    let mut scene = Scene::new();
    let slow = "\
import time, game
def OnPlayerChat(player, text):
    game.log('begun')
    time.sleep(1000)
";
    scene.write("scripts/slow.py", slow);
    let launch = Launch {
        kind: LaunchKind::Script,
        name: "slow".into(),
        servers: vec![(ServerId(0), "Duels".into())],
    };
    scene.act(1, ScriptAct::Start(launch));
    let has = |word: &'static str| {
        move |_: u64, news: &ScriptReport| match news {
            ScriptReport::Sent(lines) => lines
                .iter()
                .any(|line| String::from_utf8_lossy(line).contains(word)),
            other => panic!("{other:?}"),
        }
    };
    scene.until(has("[\"ready\""));
    let event = br#"[["e","OnPlayerChat",0,[{"userid":2},"x"]]]"#;
    scene.act(1, ScriptAct::Send([event, &b"\n"[..]].concat()));
    scene.until(has("begun"));
    scene.act(1, ScriptAct::Interrupt);
    scene.until(has("[\"ack\",0]"));
}

/// What follows it may take long, and the scripts behind this one wait for the verdict.
#[test]
fn a_verdict_is_sent_before_the_next_line_of_chat_is_judged() {
    let mut scene = Scene::new();
    let filter = "\
import os, time
def OnPlayerChat(player, text):
    while text != 'now' and not os.path.exists(text): time.sleep(0.001)
    return text == 'now'
";
    scene.write("scripts/filter.py", filter);
    let launch = Launch {
        kind: LaunchKind::Script,
        name: "filter".into(),
        servers: vec![(ServerId(0), "Duels".into())],
    };
    scene.act(1, ScriptAct::Start(launch));
    let has = |word: &'static str| {
        move |_: u64, news: &ScriptReport| match news {
            ScriptReport::Sent(lines) => lines
                .iter()
                .any(|line| String::from_utf8_lossy(line).contains(word)),
            other => panic!("{other:?}"),
        }
    };
    scene.until(has("[\"ready\""));
    let gate = scene.folder.path().join("gate").display().to_string();
    let line = |number: u64, text: &str| {
        format!(r#"["g",{number},"OnPlayerChat",0,[{{"userid":2}},"{text}"]]"#)
    };
    let lines = format!(
        "[{},{},{}]\n",
        line(1, "now"),
        line(2, &gate),
        line(3, "now")
    );
    scene.act(1, ScriptAct::Send(lines.into_bytes()));
    scene.until(has("[\"v\",1,1]"));
    fs::write(&gate, "").unwrap();
    scene.until(has("[\"v\",3,1]"));
}

#[test]
fn a_script_is_loaded_by_the_real_host_program_and_answers() {
    let mut scene = Scene::new();
    scene.write(
        "scripts/sums.py",
        "def add(a, b): return a + b\ndef OnUnLoad(): print('bye')",
    );
    let launch = Launch {
        kind: LaunchKind::Script,
        name: "sums".into(),
        servers: vec![(ServerId(0), "Duels".into())],
    };
    scene.act(1, ScriptAct::Start(launch));
    let begins = |word: &'static str| {
        move |_: u64, news: &ScriptReport| match news {
            ScriptReport::Sent(lines) => lines.iter().any(|line| {
                let line = String::from_utf8_lossy(line);
                line.contains(word)
            }),
            ScriptReport::Ended(how) => panic!("it ended {how}"),
            _ => false,
        }
    };
    scene.until(begins("[\"ready\""));
    let caller = r#"{"script":"operator","server":null,"host":null,"token":"","callback":true}"#;
    let call = format!("[[\"c\",5,\"add\",[2,40],null,{caller}]]\n");
    scene.act(1, ScriptAct::Send(call.into_bytes()));
    scene.until(begins("[\"r\",5,42]"));
    scene.act(1, ScriptAct::Send(b"[[\"unload\"]]\n".to_vec()));
    let news = scene.until(|_, news| matches!(news, ScriptReport::Ended(_)));
    let printed = ScriptReport::Printed(vec![(false, "bye".into())]);
    assert!(news.contains(&(1, printed)), "{news:?}");
    let end = ScriptReport::Ended("with exit code 0".into());
    assert_eq!(news.last(), Some(&(1, end)));
}

#[test]
fn what_lies_in_the_folder_is_started_and_what_cannot_be_is_said() {
    let scene = Scene::new();
    let dir = scene.folder.path().join("scripts");
    for name in ["b.py", "a.py", "not one.py", "_shared.py", "notes.txt"] {
        fs::write(dir.join(name), "").unwrap();
    }
    let scripts = scene.daemon.config.scripts.as_ref().unwrap();
    let (names, wrong) = found_scripts(&dir, scripts);
    assert_eq!(names, ["a", "b"]);
    assert!(
        wrong.len() == 1 && wrong[0].contains("not one.py is not started"),
        "{wrong:?}"
    );
    let (names, wrong) = found_scripts(&dir.join("gone"), scripts);
    assert!(
        names.is_empty() && wrong[0].contains("cannot be read"),
        "{wrong:?}"
    );
    for n in 0..limits::SCRIPTS_MAX {
        fs::write(dir.join(format!("s{n:02}.py")), "").unwrap();
    }
    let (names, wrong) = found_scripts(&dir, scripts);
    assert_eq!(names.len(), limits::SCRIPTS_MAX);
    assert!(
        wrong[1].contains("66 scripts") && wrong[1].contains(": s62 and those"),
        "{wrong:?}"
    );
}

#[test]
fn a_process_of_which_nothing_is_heard_any_more_is_looked_at() {
    let mut scene = Scene::new();
    scene.run(1, "import os, time; os.close(0); time.sleep(1000)");
    while !scene.daemon.wheel.contains(Due::Look) {
        let wake = scene.wait();
        scene.daemon.read_scripts(wake.scripts);
    }
    let began = Instant::now();
    while !scene.daemon.scripts.is_empty() {
        assert!(began.elapsed() < PATIENCE);
        // The loop is woken by this timer.
        scene.wait();
        scene.daemon.look_at_scripts();
        assert!(scene.daemon.scripts.is_empty() || scene.daemon.wheel.contains(Due::Look));
    }
    let Some(Event::Script { what, .. }) = scene.daemon.events.pop_back() else {
        panic!("no end");
    };
    let how = "by signal 9 (killed), because it closed the channel to vpid";
    assert_eq!(what, ScriptReport::Ended(how.into()));
}

#[test]
fn scripts_that_do_nothing_are_looked_at_rarely_until_they_do_something() {
    let mut scene = Scene::new();
    scene.run_within(1, "import time; print('up'); time.sleep(1000)", 1 << 40);
    scene.until(|_, news| matches!(news, ScriptReport::Printed(_)));
    let began = Instant::now();
    // What it uses may grow while it starts.
    while scene.daemon.scripts.look_after_ms() < limits::SCRIPT_LOOK_QUIET_MS {
        assert!(began.elapsed() < PATIENCE);
        scene.daemon.look_at_scripts();
    }
    scene.daemon.wheel.insert(Due::Look, (), u64::MAX);
    scene.act(1, ScriptAct::Send(b"[]\n".to_vec()));
    let soon_ms = scene.daemon.now().mono_ms + limits::SCRIPT_LOOK_MS;
    let due = std::iter::from_fn(|| scene.daemon.wheel.pop_due(soon_ms));
    assert!(due.into_iter().any(|(due, ())| due == Due::Look));
}
