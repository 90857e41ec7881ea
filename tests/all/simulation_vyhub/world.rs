//! A vpid without files, sockets and clocks: its core, a disk, a game with RCON and a log, and a
//! VyHub.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use fake_rcon::script;
use vpid::config::{self, Config};
use vpid::core::{Core, Effect, Event, FolderId, Now, ServerId, Timer};
use vpid::daemon::wheel::Wheel;
use vpid::jobs::store::{Content, Found, Shelf, Write, Written};
use vpid::protocol::backend;
use vpid::protocol::engine_log::{Line, Who};
use vpid::protocol::rcon;
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::vyhub as api_wire;

use super::api::{Api, SERVER};
use crate::support::Random;

pub const START_S: i64 = 1_800_000_000;

/// What is durable.
#[derive(Default)]
pub struct Disk {
    pub outbox: BTreeMap<String, String>,
    cache: BTreeMap<String, String>,
    bans: BTreeMap<String, std::sync::Arc<api_wire::BanList>>,
    pub full: bool,
    /// Entries of the outbox that have come to be there, as they stood first.
    pub taken_up: Vec<String>,
}

impl Disk {
    fn apply(&mut self, write: &Write) -> Result<(), String> {
        if self.full && write.content.is_some() {
            return Err("no space left".into());
        }
        let shelf = match write.shelf {
            Shelf::Outbox => &mut self.outbox,
            Shelf::Cache => &mut self.cache,
        };
        match &write.content {
            Some(Content::Json(text)) => {
                let before = shelf.insert(write.name.clone(), text.clone());
                if write.shelf == Shelf::Outbox && before.is_none() {
                    self.taken_up.push(text.clone());
                }
            }
            Some(Content::Bans(list)) => {
                self.bans.insert(write.name.clone(), list.clone());
            }
            Some(Content::SetAside) | None => drop(shelf.remove(&write.name)),
        }
        Ok(())
    }

    fn found(&self) -> Found {
        let texts = |shelf: &BTreeMap<String, String>| {
            shelf
                .iter()
                .map(|(name, text)| (name.clone(), text.clone()))
                .collect()
        };
        let list = |(name, list): (&String, &std::sync::Arc<api_wire::BanList>)| {
            (name.clone(), (**list).clone())
        };
        Found {
            outbox: texts(&self.outbox),
            cache: texts(&self.cache),
            bans: self.bans.iter().map(list).collect(),
        }
    }
}

pub struct World {
    pub random: Random,
    pub now_ms: u64,
    /// When the present run of vpid began.
    began_ms: u64,
    core: Core,
    wheel: Wheel<Timer>,
    pub api: Api,
    pub disk: Disk,
    /// Writes that are not durable yet, with when they will be.
    writes: VecDeque<(u64, Write)>,
    /// What comes to the core, by time and order.
    coming: BTreeMap<(u64, u64), Event>,
    last: u64,
    /// Who is on, by userid, and since when.
    pub present: BTreeMap<i64, (SteamId, u64)>,
    last_userid: i64,
    /// Whether RCON works.
    pub rcon: bool,
    /// What was said by the console.
    pub said: Vec<String>,
    pub crashes: u64,
}

fn config() -> Config {
    let text = format!(
        "[vyhub]\napi_url = 'https://api.example/x/v1'\napi_key = 'k'\ntime_zone = 'UTC'\n\
         [[server]]\nscriptdata = '/s'\nkey = '0123456789abcdefghijklmnopqrstuvwxyzABCD'\n\
         vyhub_server_id = '{SERVER}'\nrcon = '127.0.0.1:27015'\nrcon_password = 'p'\n\
         log_listen = '127.0.0.1:27500'\nlog_secret = 7\nchat_commands = 'log'\n"
    );
    config::parse(&text, Path::new("/"), |_| None).expect("a good configuration")
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let skew_s = [0, 0, 3, -3_600, 86_400][random.below(5) as usize];
        let mut world = Self {
            random,
            now_ms: 0,
            began_ms: 0,
            core: Core::new(&config(), &[FolderId(0)]),
            wheel: Wheel::default(),
            api: Api::new(skew_s),
            disk: Disk::default(),
            writes: VecDeque::new(),
            coming: BTreeMap::new(),
            last: 0,
            present: BTreeMap::new(),
            last_userid: 1,
            rcon: true,
            said: Vec::new(),
            crashes: 0,
        };
        world.start();
        world
    }

    pub fn wall_s(&self) -> i64 {
        START_S + (self.now_ms / 1_000) as i64
    }

    fn now(&self) -> Now {
        Now {
            mono_ms: self.now_ms - self.began_ms,
            wall_s: self.wall_s(),
        }
    }

    fn start(&mut self) {
        self.began_ms = self.now_ms;
        self.core = Core::new(&config(), &[FolderId(0)]);
        self.wheel = Wheel::default();
        let (found, seed) = (self.disk.found(), self.random.next());
        self.event(Event::start(config(), &[FolderId(0)], found, seed));
    }

    /// Whatever was not durable may be, in its order; whatever was under way is not heard of.
    pub fn crash(&mut self) {
        self.crashes += 1;
        let durable = self.random.below(self.writes.len() as u64 + 1) as usize;
        for (_, write) in self.writes.drain(..durable) {
            let _ = self.disk.apply(&write);
        }
        self.writes.clear();
        self.coming.clear();
        self.start();
    }

    /// As after a loss of the state folder.
    pub fn forget(&mut self) {
        self.disk = Disk::default();
        self.crash();
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.last += 1;
        self.coming.insert((self.now_ms + ms, self.last), event);
    }

    pub fn event(&mut self, event: Event) {
        let effects = self.core.handle(event, self.now());
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Api(job) => {
                    let now_s = self.wall_s();
                    let request = api_wire::Request::of(&job.request);
                    let outcome = self.api.take(&request, now_s, &mut self.random);
                    let outcome = api_wire::outcome(outcome);
                    let ms = 20 + self.random.below(400);
                    let ticket = job.ticket;
                    self.later(ms, Event::Api(backend::Done { ticket, outcome }));
                }
                Effect::Store(write) => {
                    let ms = 1 + self.random.below(30);
                    let behind = self.writes.back().map_or(0, |(at_ms, _)| *at_ms);
                    self.writes
                        .push_back((behind.max(self.now_ms + ms), *write));
                }
                Effect::Rcon { server, job } => {
                    let result = self.console(&job.line);
                    let ticket = job.ticket;
                    let done = rcon::Done {
                        server,
                        ticket,
                        result,
                    };
                    self.later(15, Event::Rcon(done));
                }
                Effect::SetTimer { timer, at_ms } => self.wheel.set(timer, at_ms),
                Effect::CancelTimer(timer) => self.wheel.cancel(timer),
                _ => {}
            }
        }
    }

    fn console(&mut self, line: &str) -> Result<String, rcon::Failure> {
        if !self.rcon {
            return Err(rcon::Failure::Away("nobody is there".into()));
        }
        if let Some(rest) = line.strip_prefix("kickid ") {
            let userid: i64 = rest.split(' ').next().unwrap().parse().expect("a userid");
            self.leave(userid);
        } else if let Some(text) = line.strip_prefix("say ") {
            self.said.push(text.to_owned());
        } else if let Some(code) = line.strip_prefix("script ") {
            let print = script::read(code, script::DIGITS[0]).expect("code that shows a text");
            let text = String::from_utf8_lossy(&print.text);
            self.said.push(text.into_owned());
        } else if line == "sv_visiblemaxplayers" {
            return Ok(format!("\"{line}\" = \"-1\" ( def. \"-1\" )\n"));
        } else {
            assert_eq!(line, "status");
            let mut text = String::from(
                "hostname: x\nmap     : cp_badlands at: 0 x, 0 y, 0 z\n\
                 players : 1 humans, 0 bots (24 max)\n\n\
                 # userid name                uniqueid            connected ping loss state  adr\n",
            );
            for (userid, (steam, _)) in &self.present {
                let id = steam.steam3();
                text.push_str(&format!(
                    "# {userid:>6} \"p{userid}\" {id} 01:00 50 0 active 1.2.3.4:27005\n"
                ));
            }
            return Ok(text);
        }
        Ok(String::new())
    }

    fn who(&self, userid: i64, steam: SteamId) -> Who {
        Who {
            userid,
            name: format!("p{userid}"),
            id: Some(steam),
            bot: false,
        }
    }

    fn log(&mut self, line: Line) {
        let lines = vec![line];
        self.later(
            1,
            Event::Logged {
                server: ServerId(0),
                lines,
            },
        );
    }

    pub fn join(&mut self, steam: SteamId) -> i64 {
        self.last_userid += 1;
        let userid = self.last_userid;
        self.present.insert(userid, (steam, self.now_ms));
        let who = self.who(userid, steam);
        self.log(Line::Connected(who.clone()));
        self.log(Line::Entered(who));
        userid
    }

    pub fn leave(&mut self, userid: i64) {
        if let Some((steam, _)) = self.present.remove(&userid) {
            let who = self.who(userid, steam);
            self.log(Line::Disconnected(who));
        }
    }

    pub fn say(&mut self, userid: i64, text: &str) {
        let (steam, _) = self.present[&userid];
        let (who, text) = (self.who(userid, steam), text.to_owned());
        self.log(Line::Said {
            who,
            text,
            team: false,
        });
    }

    /// When something happens next.
    fn next_ms(&self) -> Option<u64> {
        let timer = self.wheel.next_ms().map(|ms| ms + self.began_ms);
        let write = self.writes.front().map(|(at_ms, _)| *at_ms);
        let coming = self.coming.keys().next().map(|(at_ms, _)| *at_ms);
        [timer, write, coming].into_iter().flatten().min()
    }

    /// Lets everything happen until then.
    pub fn run_until(&mut self, until_ms: u64) {
        let mut same = 0;
        while let Some(next_ms) = self.next_ms().filter(|next_ms| *next_ms <= until_ms) {
            same = if next_ms <= self.now_ms { same + 1 } else { 0 };
            assert!(same < 10_000, "it turns in circles at {} ms", self.now_ms);
            self.now_ms = self.now_ms.max(next_ms);
            if self
                .writes
                .front()
                .is_some_and(|(at_ms, _)| *at_ms <= self.now_ms)
            {
                let (_, write) = self.writes.pop_front().expect("it is there");
                let result = self.disk.apply(&write);
                if let Some(ticket) = write.ticket {
                    self.event(Event::Stored(vec![Written { ticket, result }]));
                }
            } else if let Some((key, _)) = self.coming.first_key_value()
                && key.0 <= self.now_ms
            {
                let (_, event) = self.coming.pop_first().expect("it is there");
                self.event(event);
            } else if let Some(timer) = self.wheel.pop_due(self.now_ms - self.began_ms) {
                self.event(Event::Timer(timer));
            }
        }
        self.now_ms = self.now_ms.max(until_ms);
    }
}
