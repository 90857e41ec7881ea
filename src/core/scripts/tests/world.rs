//! The core with scripts, whose processes are played by the test.

use crate::jobs::store::Found;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::core::{
    Core, Effect, Effects, Event, FolderId, Launch, Now, OperatorRequest, RunId, ScriptAct,
    ScriptId, ScriptReport, ServerId, StartScripts,
};
use crate::protocol::control::ScriptRequest;
use crate::protocol::engine_log::{Line, Who};

const HEAD: &str = "[[server]]\nscriptdata = \"/s\"\nhostname = \"one\"\n\
    key = '0123456789abcdef0123456789abcdef'\nlog_listen = \"127.0.0.1:27500\"\n\
    chat_commands = \"log\"\n\
    [scripts]\ndir = \"/scripts\"\nadmins = [\"[U:1:9]\"]\n";

/// A core, and the processes that it has started: by run, the script and what was sent to it.
pub struct World {
    pub core: Core,
    pub now: Now,
    pub processes: Vec<Process>,
    pub pushed: Vec<(u64, Result<Value, String>)>,
    timer_ms: Option<u64>,
    pub begun: usize,
    /// Names that have a file in the folder.
    pub files: Vec<String>,
}

pub struct Process {
    script: ScriptId,
    run: RunId,
    pub name: String,
    /// Those that it was started with.
    pub servers: Vec<String>,
    got: Vec<Value>,
    pub interrupted: bool,
    pub killed: bool,
}

fn configured(more: &str) -> Config {
    config::parse(&format!("{HEAD}{more}"), Path::new("/"), |_| None).unwrap()
}

/// All servers are in one folder.
fn folders(config: &Config) -> Vec<FolderId> {
    vec![FolderId(0); config.servers.len()]
}

impl World {
    pub fn reconfigure(&mut self, more: &str) {
        self.configuration_is(configured(more));
    }

    pub fn configuration_is(&mut self, config: Config) {
        let folders = folders(&config);
        self.on(Event::configuration(config, &folders));
    }

    pub fn new(more: &str, scripts: &[&str]) -> Self {
        Self::with(configured(more), scripts)
    }

    pub fn with(config: Config, scripts: &[&str]) -> Self {
        let folders = folders(&config);
        let now = Now {
            mono_ms: 1_000,
            wall_s: 1_800_000_000,
        };
        let mut world = Self {
            core: Core::new(&config, &folders),
            now,
            processes: Vec::new(),
            pushed: Vec::new(),
            timer_ms: None,
            begun: 0,
            files: scripts.iter().map(|name| (*name).to_owned()).collect(),
        };
        let config = Arc::new(config);
        world.on(Event::start(config.clone(), Found::default(), 1));
        world.on(Event::StartScripts(Box::new(StartScripts {
            config,
            found: scripts.iter().map(|name| (*name).to_owned()).collect(),
            begun: Vec::new(),
            number: 1_000_000,
        })));
        world
    }

    pub fn take(&mut self, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Script { script, run, act } => self.act(script, run, act),
                Effect::Pushed { ticket, outcome } => self.pushed.push((ticket, outcome)),
                Effect::Begun(_) => self.begun += 1,
                Effect::SetTimer {
                    timer: crate::core::Timer::Scripts,
                    at_ms,
                } => self.timer_ms = Some(at_ms),
                Effect::CancelTimer(crate::core::Timer::Scripts) => self.timer_ms = None,
                _ => {}
            }
        }
    }

    fn act(&mut self, script: ScriptId, run: RunId, act: ScriptAct) {
        if let ScriptAct::Start(Launch { name, servers, .. }) = act {
            let servers = servers.into_iter().map(|(_, name)| name).collect();
            let (interrupted, killed, got) = (false, false, Vec::new());
            return self.processes.push(Process {
                script,
                run,
                name,
                servers,
                got,
                interrupted,
                killed,
            });
        }
        if let ScriptAct::Look(name) = act {
            let what = ScriptReport::Looked(self.files.contains(&name));
            return self.on(Event::Script { script, run, what });
        }
        let process = self.processes.iter_mut().find(|p| p.run == run).unwrap();
        match act {
            ScriptAct::Send(line) => {
                assert_eq!(line.last(), Some(&b'\n'));
                let batch: Vec<Value> = serde_json::from_slice(&line).unwrap();
                process.got.extend(batch);
            }
            ScriptAct::Interrupt => process.interrupted = true,
            ScriptAct::Kill => process.killed = true,
            ScriptAct::Start(_) | ScriptAct::Look(_) => unreachable!(),
        }
    }

    pub fn on(&mut self, event: Event) {
        let effects = self.core.handle(event, self.now);
        self.take(effects);
    }

    /// Lets time pass; timers ring when they are due.
    pub fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        while let Some(at_ms) = self.timer_ms.filter(|at_ms| *at_ms <= end_ms) {
            self.now.mono_ms = self.now.mono_ms.max(at_ms);
            self.timer_ms = None;
            self.on(Event::Timer(crate::core::Timer::Scripts));
        }
        self.now.mono_ms = end_ms;
    }

    /// The newest process of a script.
    pub fn of(&mut self, name: &str) -> &mut Process {
        let mut all = self.processes.iter_mut().rev();
        all.find(|process| process.name == name)
            .unwrap_or_else(|| panic!("{name} was not started"))
    }

    pub fn news(&mut self, name: &str, what: ScriptReport) {
        let Process { script, run, .. } = *self.of(name);
        self.on(Event::Script { script, run, what });
    }

    pub fn say(&mut self, name: &str, messages: Value) {
        let line = messages.to_string().into_bytes();
        self.news(name, ScriptReport::Sent(vec![line]));
    }

    pub fn end(&mut self, name: &str) {
        self.news(name, ScriptReport::Ended("with exit code 1".into()));
    }

    pub fn ready(&mut self, name: &str, hooks: &[&str], functions: &[&str]) {
        let about = json!({"hooks": hooks, "functions": functions, "python": "3.11.2"});
        self.say(name, json!([["ready", about]]));
    }

    /// What was sent to the newest process of a script since this was asked last.
    pub fn got(&mut self, name: &str) -> Vec<Value> {
        std::mem::take(&mut self.of(name).got)
    }

    pub fn chat(&mut self, text: &str) {
        let who = Who {
            userid: 3,
            name: "Ann".into(),
            id: Some("[U:1:9]".parse().unwrap()),
            ..some_who()
        };
        let text = text.to_owned();
        let team = false;
        let lines = vec![Line::Said { who, text, team }];
        self.on(Event::Logged {
            server: ServerId(0),
            lines,
        });
    }

    /// The state of a script, as operators see it.
    pub fn state(&mut self, name: &str) -> Value {
        self.request(ScriptRequest::List);
        let (_, list) = self.pushed.pop().unwrap();
        let list = list.unwrap();
        let list = list["scripts"].as_array().unwrap();
        let found = list.iter().find(|script| script["name"] == name);
        found.cloned().unwrap()
    }

    pub fn request(&mut self, request: ScriptRequest) {
        self.pushed.clear();
        let request = OperatorRequest::Script(request);
        self.on(Event::Operator { ticket: 7, request });
    }

    /// A script asks to call a function.
    pub fn call(&mut self, from: &str, id: u64, function: &str) {
        let args = json!({"name": function, "args": [1], "kwargs": null});
        self.say(from, json!([["ask", id, "call", args, null]]));
    }
}

pub fn some_who() -> Who {
    Who::default()
}

pub fn named(name: &str) -> String {
    name.to_owned()
}
