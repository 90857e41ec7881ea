//! Tries game scripts without a game: a folder of scripts, and a scenario of what players do. What the scripts print and
//! show, and their errors, go to a writer.
//!
//! A scenario has a step in each line, a JSON object; lines that are empty or begin with `#` are left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use game_vm::ScriptError;
use serde_json::{Map, Value as Json, json};

use super::record::What;
use super::{Game, Newcomer, Setup, shown};

const TICKS_PER_S: f64 = 1.0 / 0.015;
/// Longest wait of one step, and largest script.
const WAIT_S_MAX: f64 = 3_600.0;
const SCRIPT_BYTES_MAX: u64 = 1 << 20;
const SCRIPTS_MAX: usize = 2_000;
/// Longest text of a variable that is shown with an error.
const LOCAL_CHARACTERS_MAX: usize = 60;

/// What is played.
pub struct Play {
    /// The folder of the server's scripts.
    pub scripts: PathBuf,
    /// A script in it that runs after mapspawn.nut.
    pub first: Option<String>,
    /// The name and the text of the scenario.
    pub scenario: (String, String),
    /// Where scripts write files, and read them.
    pub scriptdata: PathBuf,
    /// At the pace of a server, for what runs beside it; else as fast as can be.
    pub is_real: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    pub steps: usize,
    pub errors: usize,
    pub unmet: usize,
}

/// Plays it. An error is a sentence: a scenario or a folder that cannot be read.
pub fn run(play: &Play, out: &mut dyn Write) -> Result<Outcome, String> {
    let steps = read(&play.scenario.0, &play.scenario.1)?;
    let mut setup = Setup::new(&play.scriptdata);
    let mut scripts = BTreeMap::new();
    add_scripts(&play.scripts, "", &mut scripts)?;
    if let Some(first) = &play.first {
        let name = first.strip_suffix(".nut").unwrap_or(first);
        if name != "mapspawn" {
            let mapspawn = scripts.entry("mapspawn.nut".to_owned()).or_default();
            mapspawn.push_str(&format!("\nIncludeScript({})\n", Json::from(name)));
        }
    }
    for (name, text) in &scripts {
        setup = setup.script(name, text);
    }
    let (map, steps) = match steps.split_first() {
        Some(((_, Step::Map(map)), rest)) => (map.clone(), rest),
        _ => ("cp_play".to_owned(), &steps[..]),
    };
    let mut stage = Stage {
        game: setup.start(&map),
        users: BTreeMap::new(),
        texts: Vec::new(),
        printed: String::new(),
        outcome: Outcome::default(),
        is_real: play.is_real,
        next_account: 101,
        out,
    };
    let file = &play.scenario.0;
    stage.show().map_err(|error| error.to_string())?;
    for (line, step) in steps {
        stage.outcome.steps += 1;
        let place = format!("{file}, line {line}");
        stage.take(step, &place).map_err(|error| match error {
            Failure::Wrong(what) => format!("{place}: {what}"),
            Failure::Out(error) => error.to_string(),
        })?;
    }
    stage.end().map_err(|error| error.to_string())?;
    Ok(stage.outcome)
}

/// Names in the folder, with `/` for folders in it; but what begins with a dot.
fn add_scripts(
    folder: &Path,
    prefix: &str,
    into: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // A folder in it that is another user's has none of the scripts.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !prefix.is_empty() => {
            return Ok(());
        }
        Err(error) => return Err(failed(folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // Such as .git.
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && prefix.matches('/').count() < 4 {
            add_scripts(&path, &format!("{prefix}{name}/"), into)?;
        } else if name.ends_with(".nut") {
            let size = path.metadata().map_err(|error| failed(&path, error))?.len();
            if size > SCRIPT_BYTES_MAX || into.len() >= SCRIPTS_MAX {
                return Err(format!(
                    "{}: a script of {size} bytes, or too many scripts",
                    path.display()
                ));
            }
            let bytes = fs::read(&path).map_err(|error| failed(&path, error))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            into.insert(format!("{prefix}{name}"), text);
        }
    }
    Ok(())
}

/// A step of a scenario. Players are their names.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Map(String),
    Join {
        name: String,
        steam: Option<String>,
        bot: bool,
        team: Option<i32>,
        class: Option<i32>,
    },
    Leave(String, String),
    Say(String, String),
    Kill(String, Option<String>),
    Spawn(String),
    Team(String, i32),
    Class(String, i32),
    Win(i32),
    Event(String, Json),
    Cvar(String, String),
    Run(String),
    Wait(f64),
    Expect(String),
    ExpectNot(String),
}

/// All steps, each with its line.
fn read(file: &str, text: &str) -> Result<Vec<(usize, Step)>, String> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(at, line)| (at + 1, line.trim()));
    let steps = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = steps.map(|(number, line)| {
        let wrong = |what: String| format!("{file}, line {number}: {what}");
        let step: Map<String, Json> = serde_json::from_str(line)
            .map_err(|error| wrong(format!("no JSON object: {error}")))?;
        Ok((number, step_of(&step).map_err(wrong)?))
    });
    read.collect()
}

const KINDS: &str = "map, join, leave, say, kill, spawn, team, class, win, event, cvar, run, wait, expect, expect_not";

fn step_of(step: &Map<String, Json>) -> Result<Step, String> {
    let text = |key: &str| match step.get(key) {
        Some(Json::String(text)) => Ok(text.clone()),
        _ => Err(format!("{key:?} must be a text")),
    };
    let optional = |key: &str| step.contains_key(key).then(|| text(key)).transpose();
    let number = |key: &str| match step.get(key).and_then(Json::as_i64) {
        Some(number) => i32::try_from(number).map_err(|_| format!("{key:?} is too large")),
        None => Err(format!("{key:?} must be a whole number")),
    };
    let optional_number = |key: &str| step.contains_key(key).then(|| number(key)).transpose();
    let kind = |key: &str| step.contains_key(key);
    // What else a step may say, so that a typo is not passed over.
    let (made, keys): (Step, &[&str]) = if kind("map") {
        (Step::Map(text("map")?), &["map"])
    } else if kind("join") {
        let join = Step::Join {
            name: text("join")?,
            steam: optional("steam")?,
            bot: step.get("bot") == Some(&Json::Bool(true)),
            team: optional_number("team")?,
            class: optional_number("class")?,
        };
        (join, &["join", "steam", "bot", "team", "class"])
    } else if kind("leave") {
        let reason = optional("reason")?.unwrap_or_else(|| "Disconnect by user.".into());
        (Step::Leave(text("leave")?, reason), &["leave", "reason"])
    } else if kind("say") {
        (Step::Say(text("say")?, text("text")?), &["say", "text"])
    } else if kind("kill") {
        (Step::Kill(text("kill")?, optional("by")?), &["kill", "by"])
    } else if kind("spawn") {
        (Step::Spawn(text("spawn")?), &["spawn"])
    } else if kind("team") {
        (Step::Team(text("team")?, number("to")?), &["team", "to"])
    } else if kind("class") {
        (Step::Class(text("class")?, number("to")?), &["class", "to"])
    } else if kind("win") {
        (Step::Win(number("win")?), &["win"])
    } else if kind("event") {
        let fields = step.get("fields").cloned().unwrap_or_else(|| json!({}));
        if !fields.is_object() {
            return Err("\"fields\" must be an object".into());
        }
        (Step::Event(text("event")?, fields), &["event", "fields"])
    } else if kind("cvar") {
        (
            Step::Cvar(text("cvar")?, text("value")?),
            &["cvar", "value"],
        )
    } else if kind("run") {
        (Step::Run(text("run")?), &["run"])
    } else if kind("wait") {
        let seconds = step["wait"]
            .as_f64()
            .filter(|it| (0.0..=WAIT_S_MAX).contains(it));
        let wrong = format!("\"wait\" must be seconds, {WAIT_S_MAX} at most");
        (Step::Wait(seconds.ok_or(wrong)?), &["wait"])
    } else if kind("expect") {
        (Step::Expect(text("expect")?), &["expect"])
    } else if kind("expect_not") {
        (Step::ExpectNot(text("expect_not")?), &["expect_not"])
    } else {
        return Err(format!("no step of a known kind; there are {KINDS}"));
    };
    match step.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("this kind of step has no {key:?}")),
        None => Ok(made),
    }
}

enum Failure {
    /// The scenario asks for what cannot be.
    Wrong(String),
    Out(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Out(error)
    }
}

struct Stage<'o> {
    game: Game,
    users: BTreeMap<String, i32>,
    /// What was shown since the last step that expected something.
    texts: Vec<String>,
    /// A line that is not ended yet.
    printed: String,
    outcome: Outcome,
    is_real: bool,
    next_account: u32,
    out: &'o mut dyn Write,
}

impl Stage<'_> {
    fn take(&mut self, step: &Step, place: &str) -> Result<(), Failure> {
        match step {
            Step::Map(map) => self.game.change_map(map),
            Step::Join {
                name,
                steam,
                bot,
                team,
                class,
            } => self.join(name, steam.as_deref(), *bot, *team, *class)?,
            Step::Leave(name, reason) => {
                let user = self.user(name)?;
                self.users.remove(name);
                self.line("player", &format!("{name} leaves: {reason}"))?;
                self.game.leave(user, reason);
            }
            Step::Say(name, text) => {
                let user = self.user(name)?;
                self.line("player", &format!("{name}: {text}"))?;
                self.game.say(user, text.as_str());
            }
            Step::Kill(victim, attacker) => {
                let by = attacker.as_ref().map(|name| self.user(name)).transpose()?;
                let victim = self.user(victim)?;
                self.game.kill(victim, by.unwrap_or(0));
            }
            Step::Spawn(name) => {
                let user = self.user(name)?;
                self.game.spawn(user);
            }
            Step::Team(name, team) => {
                let user = self.user(name)?;
                self.game.team(user, *team);
            }
            Step::Class(name, class) => {
                let user = self.user(name)?;
                self.game.class(user, *class);
            }
            Step::Win(team) => self.game.win_round(*team, true),
            Step::Event(name, fields) => self.game.fire(name, fields.clone()),
            Step::Cvar(name, value) => self.game.set_cvar(name, value),
            // What it throws is in the record.
            Step::Run(code) => match self.game.try_run("scenario", code) {
                Ok(Json::Null) | Err(_) => {}
                Ok(result) => self.line("result", &result.to_string())?,
            },
            Step::Wait(seconds) => {
                for _ in 0..(seconds * TICKS_PER_S).ceil() as u64 {
                    match self.is_real {
                        true => self.game.run_real(1.0 / TICKS_PER_S),
                        false => self.game.run_ticks(1),
                    }
                    self.show()?;
                }
            }
            Step::Expect(text) => self.expect(text, true, place)?,
            Step::ExpectNot(text) => self.expect(text, false, place)?,
        }
        Ok(self.show()?)
    }

    fn join(
        &mut self,
        name: &str,
        steam: Option<&str>,
        bot: bool,
        team: Option<i32>,
        class: Option<i32>,
    ) -> Result<(), Failure> {
        if self.users.contains_key(name) {
            return Err(Failure::Wrong(format!("{name} is on the server already")));
        }
        if self.users.len() >= 24 {
            return Err(Failure::Wrong(
                "the server has 24 slots, and all are taken".into(),
            ));
        }
        let id = match (bot, steam) {
            (true, _) => "BOT".to_owned(),
            (false, Some(id)) => id.to_owned(),
            (false, None) => {
                self.next_account += 1;
                format!("[U:1:{}]", self.next_account - 1)
            }
        };
        self.line("player", &format!("{name} joins ({id})"))?;
        let user = self.game.join_as(&Newcomer::new(name, &id));
        self.users.insert(name.to_owned(), user);
        if let Some(team) = team {
            self.game.team(user, team);
        }
        if let Some(class) = class {
            self.game.class(user, class);
        }
        if team.is_some() || class.is_some() {
            self.game.spawn(user);
        }
        Ok(())
    }

    fn user(&self, name: &str) -> Result<i32, Failure> {
        let user = self.users.get(name).copied();
        user.ok_or_else(|| {
            Failure::Wrong(format!("{name} is not on the server; a join comes first"))
        })
    }

    fn expect(&mut self, text: &str, wanted: bool, place: &str) -> Result<(), Failure> {
        self.show()?;
        let found = self.texts.iter().any(|shown| shown.contains(text));
        if found != wanted {
            self.outcome.unmet += 1;
            let what = if wanted { "nothing" } else { "something" };
            self.line(
                "FAILED",
                &format!("{place}: {what} that was printed or shown has {text:?}"),
            )?;
        }
        self.texts.clear();
        Ok(())
    }

    /// Writes what the scripts have done since the last time.
    fn show(&mut self) -> io::Result<()> {
        let record = self.game.record();
        self.game.clear_record();
        for entry in record.0 {
            match entry.what {
                What::MapStart(map) => self.line("map", &format!("{map} begins"))?,
                What::MapEnd(map) => self.line("map", &format!("{map} ends"))?,
                What::Print(text) => {
                    self.printed.push_str(&text);
                    while let Some((line, rest)) = self.printed.split_once('\n') {
                        let (line, rest) = (line.to_owned(), rest.to_owned());
                        self.printed = rest;
                        self.text("print", &line)?;
                    }
                }
                What::ClientPrint { to, dest, text } => {
                    let users = self.users.iter();
                    let name = users
                        .filter(|(_, user)| Some(**user) == to)
                        .map(|(name, _)| name);
                    let to = match to {
                        None => "all".to_owned(),
                        Some(user) => name.last().cloned().unwrap_or_else(|| format!("#{user}")),
                    };
                    let place = match dest {
                        2 => "console",
                        4 => "center",
                        _ => "chat",
                    };
                    let shown = shown::text(&text);
                    let shown = shown.unwrap_or_else(|| "(longer than the game shows)".into());
                    self.text(place, &format!("to {to}: {shown}"))?;
                }
                What::Command(line) => self.text("command", &line)?,
                What::Refused { name } => self.line("refused", &format!("the file {name:?}"))?,
                What::Error(error) => {
                    self.outcome.errors += 1;
                    self.error(&error)?;
                }
                What::Read { .. } | What::Write { .. } | What::Event { .. } => {}
            }
        }
        Ok(())
    }

    /// The error, and the functions that led to it, the innermost first, with its variables.
    fn error(&mut self, error: &ScriptError) -> io::Result<()> {
        self.text("ERROR", &error.message)?;
        for (depth, frame) in error.stack.iter().enumerate() {
            let function = match frame.function.as_str() {
                "" => String::new(),
                name => format!("{name}, "),
            };
            writeln!(
                self.out,
                "                   in {function}{}, line {}",
                frame.source, frame.line
            )?;
            let locals = frame
                .locals
                .iter()
                .filter(|(name, _)| name != "this" && depth == 0);
            for (name, value) in locals {
                let value: String = value.chars().take(LOCAL_CHARACTERS_MAX).collect();
                writeln!(self.out, "                      {name} = {}", plain(&value))?;
            }
        }
        Ok(())
    }

    fn text(&mut self, what: &str, text: &str) -> io::Result<()> {
        self.texts.push(text.to_owned());
        self.line(what, text)
    }

    /// A line with the time of the map.
    fn line(&mut self, what: &str, text: &str) -> io::Result<()> {
        let seconds = self.game.tick() as f64 / TICKS_PER_S;
        writeln!(self.out, "{seconds:>9.2}  {what:<8}{}", plain(text))
    }

    fn end(&mut self) -> io::Result<()> {
        self.game.shut_down();
        self.show()?;
        if !self.printed.is_empty() {
            let rest = std::mem::take(&mut self.printed);
            self.text("print", &rest)?;
        }
        let Outcome {
            steps,
            errors,
            unmet,
        } = self.outcome;
        writeln!(
            self.out,
            "{steps} steps, {errors} errors, {unmet} expectations that were not met"
        )
    }
}

/// What a script prints must not move a terminal's cursor.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}
