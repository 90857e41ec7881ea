//! The world: everything happens when it is due, and what must hold is looked at after each step.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use vpid::config::{self, Config};
use vpid::core::{FolderId, OperatorRequest};
use vpid::limits;
use vpid::protocol::control::ScriptRequest;
use vpid::protocol::signed::messages::Push;

use crate::book::{Book, Rules};
use crate::community::{self, Community};
use crate::costs::Costs;
use crate::daemon::Daemon;
use crate::disk::{Disk, Folder, Moment};
use crate::engine::Engine;
use crate::python::Faults;
use crate::random::Random;
use crate::season::{self, Season};
use crate::vyhub::{Api, SERVER, Weather, server_name};
use crate::workloads::{Fault, Workload};
use crate::{signed, stock};

/// What stands around the daemon, and outlives it.
pub struct Outside {
    pub now: Moment,
    pub random: Random,
    pub disk: Disk,
    pub api: Api,
    /// Of the first servers.
    pub engines: Vec<Engine>,
    pub book: Book,
    /// How processes of Python scripts fare.
    pub python: Faults,
    /// A sum over all effects, where it is wanted.
    pub history: Option<u64>,
    /// What turns of the core cost, where it is wanted.
    pub costs: Option<Costs>,
    /// vpid's clock, at any time.
    pub clock_was_set: bool,
    /// From when to when vpid could not know VyHub's time: since a start.
    pub undated_ms: Vec<(u64, u64)>,
}

impl Outside {
    pub fn write(&mut self, server: usize, name: String, bytes: Vec<u8>) {
        self.disk.folders[server].write(name, bytes, self.now, &mut self.random);
    }

    pub fn write_text(&mut self, server: usize, name: &str, text: &str) {
        self.disk.folders[server].write_text(name, text, self.now, &mut self.random);
    }

    /// From now on, vpid does not know VyHub's time.
    pub fn undated(&mut self) {
        if self
            .undated_ms
            .last()
            .is_none_or(|(_, until_ms)| *until_ms < u64::MAX)
        {
            self.undated_ms.push((self.now.ms, u64::MAX));
        }
    }

    /// A reply has told it.
    pub fn dated(&mut self) {
        if let Some((_, until_ms)) = self.undated_ms.last_mut() {
            *until_ms = self.now.ms.min(*until_ms);
        }
    }

    /// Another program writes over a file.
    pub fn spoil(&mut self, server: usize, name: &str) {
        let file = self.disk.folders[server].files.get_mut(name);
        let bytes = &mut file.expect("a file that is there").bytes;
        let at = self.random.below(bytes.len().max(1) as u64) as usize;
        match self.random.below(3) {
            _ if bytes.len() < 2 => {}
            0 => bytes.truncate(at),
            1 => *bytes = b"vpid1 0 2\n[]\nforged\0".to_vec(),
            _ => bytes[at] = b'#',
        }
    }

    pub fn trace(&mut self, what: &impl Debug) {
        if let Some(sum) = &mut self.history {
            // FNV-1a.
            let fold = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            *sum = format!("{what:?}").bytes().fold(*sum, fold);
        }
    }
}

pub struct World {
    workload: Workload,
    config: Arc<Config>,
    pub out: Outside,
    pub daemon: Option<Daemon>,
    /// When a dead daemon starts again.
    back_ms: u64,
    stock: Vec<stock::Game>,
    pub signed: Vec<signed::Game>,
    pub community: Option<Community>,
    season: Option<Season>,
    /// When each kind of fault comes next.
    faults_ms: Vec<u64>,
    weathers: u64,
    /// Moments after which vpid needs time to find back.
    disturbed_ms: Vec<u64>,
    last_ticket: u64,
    /// Games write nothing more, and nothing goes wrong.
    quiet: bool,
    /// Steps at the same moment.
    same: u32,
}

fn configuration(workload: &Workload) -> Config {
    let mut text = String::new();
    if workload.python.is_some() {
        text += "[scripts]\ndir = '/nowhere/scripts'\ncall_s = 2\n";
    }
    if workload.community.is_some() && workload.is_local {
        text += "[database]\n[community]\ntype = 'local'\n";
    } else if workload.community.is_some() {
        text += "[vyhub]\napi_url = 'https://api.example/x/v1'\napi_key = 'k'\ntime_zone = 'UTC'\n";
    }
    text += &match workload.is_local {
        true => workload.config.replace("[vyhub.", "[community."),
        false => workload.config.to_owned(),
    };
    for server in 0..workload.signing_servers() {
        text += &format!(
            "[[server]]\nscriptdata = '/signed{server}'\nkey = '{}'\n",
            signed::KEY
        );
        if server < workload.engines {
            let port = 27_015 + server;
            text += &format!("rcon = '127.0.0.1:{port}'\nrcon_password = 'p'\n");
        }
        if server < workload.engines && workload.community.is_some() {
            let (port, id) = (27_500 + server, SERVER.0 + server as u128);
            text += &match workload.is_local {
                true => format!("community_name = '{}'\n", server_name(server)),
                false => format!("vyhub_server_id = '{}'\n", vpid::protocol::uuid::Uuid(id)),
            };
            text += &format!(
                "log_listen = '127.0.0.1:{port}'\nlog_secret = 7\n\
                 chat_commands = 'log'\n"
            );
        }
    }
    if workload.stock.is_some() {
        let secret = String::from_utf8_lossy(stock::SECRET);
        text += &format!("[[server]]\nscriptdata = '/stock'\nlegacy_secret = '{secret}'\n");
    }
    config::parse(&text, Path::new("/nowhere"), |_| None).expect("a good configuration")
}

impl World {
    pub fn new(workload: &Workload, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let skew_s = [0, 0, 3, -3_600, 86_400][random.below(5) as usize];
        let notice_ms_max = workload.notice_ms_max;
        let signing = workload.signing_servers();
        let mut disk = Disk::default();
        let folder = |signed| Folder::new(signed, notice_ms_max);
        disk.folders.extend((0..signing).map(|_| folder(true)));
        disk.folders.extend(workload.stock.map(|_| folder(false)));
        let mut out = Outside {
            now: Moment::default(),
            random,
            disk,
            api: Api::new(workload.is_local, skew_s),
            engines: (0..workload.engines).map(|_| Engine::default()).collect(),
            book: Book::default(),
            python: workload.python.unwrap_or(Faults::NONE),
            history: None,
            costs: None,
            clock_was_set: false,
            undated_ms: Vec::new(),
        };
        let (hosts, manners) = workload.stock.unzip();
        let stock = (0..hosts.unwrap_or(0)).zip(std::iter::repeat(manners).flatten());
        let stock = stock.map(|(n, it)| stock::Game::new(signing, format!("stock{n}"), it));
        let (games, manners) = workload.signed.unzip();
        let signed = (0..games.unwrap_or(0)).zip(std::iter::repeat(manners).flatten());
        let signed = signed.map(|(n, it)| signed::Game::new(n, format!("game{n}"), it));
        Self {
            config: Arc::new(configuration(workload)),
            stock: stock.collect(),
            signed: signed.collect(),
            community: workload
                .community
                .map(|manners| Community::new(manners, &mut out)),
            season: workload
                .season
                .map(|manners| Season::new(manners, &mut out)),
            daemon: None,
            back_ms: 0,
            faults_ms: workload
                .faults
                .iter()
                .map(|(_, every)| out.random.below(2 * every))
                .collect(),
            weathers: 0,
            disturbed_ms: vec![0],
            last_ticket: 0,
            quiet: false,
            same: 0,
            workload: workload.clone(),
            out,
        }
    }

    /// Plays to the end, and looks at everything.
    pub fn play(&mut self) {
        self.run_until(self.workload.play_ms);
        self.end_season();
        self.rest();
        self.check_the_end();
    }

    fn next_ms(&self) -> Option<u64> {
        let daemon = match &self.daemon {
            Some(daemon) => daemon.next_ms(&self.out),
            None => Some(self.back_ms),
        };
        let quiet = self.quiet;
        let faults = self.faults_ms.iter().copied().filter(|_| !quiet);
        let stock = self.stock.iter().filter_map(|game| game.next_ms(quiet));
        let signed = self.signed.iter().map(|game| game.next_ms(quiet));
        let community = self.community.iter().filter_map(|it| it.next_ms(quiet));
        let season = self.season.iter().filter_map(|it| it.next_ms(quiet));
        let games = stock.chain(signed).chain(community).chain(season);
        daemon.into_iter().chain(faults).chain(games).min()
    }

    /// Lets everything happen until then.
    pub fn run_until(&mut self, until_ms: u64) {
        while let Some(next_ms) = self.next_ms().filter(|next_ms| *next_ms <= until_ms) {
            let now_ms = self.out.now.ms;
            self.same = if next_ms <= now_ms { self.same + 1 } else { 0 };
            assert!(self.same < 10_000, "it turns in circles at {now_ms} ms");
            self.out.now.ms = next_ms.max(now_ms);
            self.step();
        }
        self.out.now.ms = self.out.now.ms.max(until_ms);
    }

    pub fn run(&mut self, ms: u64) {
        self.run_until(self.out.now.ms + ms);
    }

    fn step(&mut self) {
        let now_ms = self.out.now.ms;
        for number in 0..self.faults_ms.len() {
            if !self.quiet && now_ms >= self.faults_ms[number] {
                let (fault, every_ms) = self.workload.faults[number];
                self.faults_ms[number] = now_ms + 1 + self.out.random.below(2 * every_ms);
                self.go_wrong(fault);
            }
        }
        let out = &mut self.out;
        self.stock
            .iter_mut()
            .for_each(|game| game.play(self.quiet, out));
        for game in &mut self.signed {
            let map = game.map;
            game.play(self.quiet, out);
            if game.map != map {
                self.disturbed_ms.push(now_ms);
            }
        }
        if let (Some(community), false) = (&mut self.community, self.quiet) {
            community.play(out);
        }
        if let (Some(season), false) = (&mut self.season, self.quiet)
            && season.play(out)
        {
            self.switch_off();
        }
        self.report_spawns();
        self.run_daemon();
        self.check();
    }

    fn run_daemon(&mut self) {
        let out = &mut self.out;
        let Some(daemon) = &mut self.daemon else {
            if out.now.ms >= self.back_ms {
                let dies = !self.quiet
                    && self.workload.has(|it| matches!(it, Fault::Crash))
                    && out.random.chance(20);
                let life = dies.then(|| out.random.below(30));
                if let Some(season) = &mut self.season {
                    season.vpid_starts(out);
                }
                out.undated();
                self.daemon = Daemon::start(&self.config, life, out).ok();
                self.back_ms = out.now.ms + 1;
                self.disturbed_ms.push(out.now.ms);
            }
            return;
        };
        if daemon.turn(out).is_err() {
            self.crash();
        }
    }

    pub fn crash(&mut self) {
        let out = &mut self.out;
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        daemon.crash(out);
        if let Some(season) = &mut self.season {
            season.vpid_ends(out);
        }
        // What is logged meanwhile is lost.
        out.engines
            .iter_mut()
            .for_each(|engine| engine.lines.clear());
        let away_ms = if out.random.chance(50) {
            0
        } else {
            out.random.below(2_000)
        };
        self.back_ms = out.now.ms + away_ms;
        self.disturbed_ms.push(out.now.ms);
    }

    /// The evening is over: the machine is off until the next one, and nothing goes wrong meanwhile.
    fn switch_off(&mut self) {
        let (now_ms, season) = (self.out.now.ms, self.season.as_mut());
        let until_ms = season.map_or(now_ms, |it| it.begins_ms());
        match self.out.random.chance(70) {
            true => {
                if let Some(daemon) = self.daemon.take() {
                    daemon.stop(&mut self.out);
                    self.season
                        .iter_mut()
                        .for_each(|it| it.vpid_ends(&self.out));
                }
            }
            false => self.crash(),
        }
        self.back_ms = until_ms;
        for at_ms in &mut self.faults_ms {
            *at_ms += until_ms - now_ms;
        }
        if let Some(community) = &mut self.community {
            community.rest_until(until_ms + 60_000);
        }
        self.signed
            .iter_mut()
            .for_each(|game| game.rest_until(until_ms));
        for engine in &mut self.out.engines {
            engine.break_down(now_ms);
        }
    }

    /// Games with our scripts report who spawns.
    fn report_spawns(&mut self) {
        let spawned = self.season.as_mut().map(Season::take_spawned);
        for (server, userid, steam) in spawned.unwrap_or_default() {
            let of = |game: &&mut signed::Game| game.server == server;
            if let Some(game) = self.signed.iter_mut().find(of) {
                let name = format!("p{userid}");
                let data = json!({"userid": userid, "name": name, "id": steam.steam3()});
                game.tell(json!({"event": "player_spawn", "data": data}));
            }
        }
    }

    /// All is well, and all players come once more, as many at a time as fit.
    fn end_season(&mut self) {
        if self.season.is_none() {
            return;
        }
        self.settle();
        let now_ms = self.out.now.ms;
        if now_ms < self.back_ms {
            self.back_ms = now_ms;
            for game in &mut self.signed {
                game.rest_until(now_ms);
                game.begin_map(&mut self.out);
            }
        }
        // Until what was refused is tried again.
        self.run(20 * 60_000);
        // Who is the first on a server may have been there before vpid, by what vpid knows.
        self.season
            .iter()
            .for_each(|it| it.some_come(&mut self.out));
        self.run(3 * 60_000);
        for wave in 0.. {
            let season = self.season.as_mut().expect("a season");
            if !season.come(wave, &mut self.out) {
                break;
            }
            self.run(150_000);
            self.season.iter_mut().for_each(|it| it.die(&mut self.out));
            self.report_spawns();
            self.run(90_000);
            let season = self.season.as_mut().expect("a season");
            season.check_who_is_on(&self.out);
            season.all_leave(&mut self.out);
            self.run(30_000);
        }
        let Some(community) = &self.community else {
            return;
        };
        community.all_come(&mut self.out);
        self.run(2 * community::KICKED_MS);
        let community = self.community.as_ref().expect("a community");
        community.check_who_is_on(&self.out);
    }

    pub fn operator(&mut self, request: OperatorRequest) {
        if let Some(daemon) = &mut self.daemon {
            self.last_ticket += 1;
            daemon.operator(self.last_ticket, request);
        }
    }

    fn go_wrong(&mut self, fault: Fault) {
        let now_ms = self.out.now.ms;
        let random = &mut self.out.random;
        match fault {
            Fault::Crash if random.chance(30) => self.crash(),
            Fault::Crash => {
                let effects = random.below(12);
                self.daemon
                    .iter_mut()
                    .for_each(|daemon| daemon.die_after(effects));
            }
            Fault::CrashAtChange => self.daemon.iter_mut().for_each(Daemon::die_at_change),
            Fault::DatabaseAway(ms_max) => {
                let until_ms = now_ms + random.below(ms_max);
                self.out.disk.database.is_away_until(now_ms, until_ms);
            }
            Fault::DatabaseHangs(ms_max) => {
                let until_ms = now_ms + random.below(ms_max);
                self.out.disk.database.hangs_until(now_ms, until_ms);
            }
            Fault::Copy => {
                let folders = &mut self.out.disk.folders;
                let place = random.below(folders.len() as u64) as usize;
                folders[place].copy(self.out.now, random);
            }
            Fault::DiskFull(ms_max) => {
                let until_ms = now_ms + random.below(ms_max);
                // In a shorter time between, not all was written.
                if now_ms >= self.out.disk.full_until_ms + season::SAVED_MS {
                    self.out.disk.full_since_ms = now_ms;
                }
                self.out.disk.full_until_ms = until_ms;
                self.disturbed_ms.extend([now_ms, until_ms]);
            }
            Fault::RconAway(ms_max) => {
                let until_ms = now_ms + random.below(ms_max);
                let server = random.below(self.out.engines.len() as u64) as usize;
                self.out.engines[server].is_away_until(now_ms, until_ms);
                self.disturbed_ms.extend([now_ms, until_ms]);
            }
            Fault::RconRough(ms_max) => {
                let until_ms = now_ms + random.below(ms_max);
                let server = random.below(self.out.engines.len() as u64) as usize;
                self.out.engines[server].is_rough_until(now_ms, until_ms);
            }
            Fault::Spoil { ours } => self.spoil(ours),
            Fault::ClockJump { back } => {
                let by_ms = [400, 1_000, 30_000, 3_600_000, 86_400_000];
                let by_ms = by_ms[random.below(5) as usize];
                let goes_back = back && random.chance(50);
                self.out.now.wrong_ms += if goes_back { -by_ms } else { by_ms };
                self.out.clock_was_set = true;
                if goes_back || !self.out.book.jumps_ms.is_empty() {
                    self.out.book.jumps_ms.push(now_ms);
                }
            }
            Fault::Reload => {
                let name = if random.chance(50) { "a" } else { "b" }.to_owned();
                self.operator(OperatorRequest::Script(ScriptRequest::Reload { name }));
            }
            Fault::Push => self.push(),
            Fault::Weather(of) => {
                self.weathers += 1;
                // The record of a server is used for a week: it is fetched at times.
                let fair = self.weathers.is_multiple_of(5);
                let chosen = of[random.below(of.len() as u64) as usize];
                self.out.api.weather = if fair { Weather::Fair } else { chosen };
            }
            Fault::UserForgotten => {
                let community = self.community.as_ref().expect("a community");
                community.forget_user(&mut self.out);
            }
        }
    }

    fn push(&mut self) {
        let place = self.out.random.below(self.signed.len() as u64) as usize;
        let game = &self.signed[place];
        let folder = FolderId(game.server as u32);
        let daemon = self.daemon.as_ref();
        if let Some(host) = daemon.and_then(|it| it.core.find_host(folder, &game.host)) {
            let push = Push::Message {
                name: "m".into(),
                data: (self.last_ticket + 1).into(),
            };
            let keep = false;
            self.operator(OperatorRequest::Push { host, push, keep });
        }
    }

    /// Another program writes over a file of a game, but not when its map is about to end: then no
    /// game is there that could write it again.
    fn spoil(&mut self, ours: bool) {
        let place = self.out.random.below(self.signed.len() as u64) as usize;
        let game = &mut self.signed[place];
        let soon_ms = self.out.now.ms + 30_000;
        if soon_ms >= game.map_until_ms || soon_ms >= self.workload.play_ms {
            return;
        }
        if self.out.random.chance(50) {
            game.spoil_next = true;
        } else if let Some(name) = game.spoilable(ours, &mut self.out) {
            self.out.spoil(game.server, &name);
        }
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let now_ms = self.out.now.ms;
        if let Some(daemon) = &self.daemon {
            let most = limits::CALLS_RUNNING_MAX + limits::FILE_CALLS_MAX;
            assert!(daemon.core.running() <= most, "{}", daemon.core.running());
        }
        if let Some(community) = &mut self.community {
            community.look_at_the_disk(&mut self.out);
            community.nobody_else_is_kicked(&mut self.out);
            let past = self.disturbed_ms.iter().filter(|ms| **ms <= now_ms);
            let disturbed_ms = past.max().copied().unwrap_or(0);
            self.disturbed_ms.retain(|ms| *ms >= disturbed_ms);
            // Without a record of the server on disk, one that starts while VyHub is away knows no bans.
            if self.daemon.is_some() && self.out.disk.has_a_record() {
                community.nobody_banned_is_on(disturbed_ms, &self.out);
            }
        }
    }

    /// All is well again, until nothing moves any more.
    pub fn rest(&mut self) {
        self.settle();
        self.run(5_000);
        if self.workload.python.is_some() {
            for name in ["a", "b"].map(str::to_owned) {
                self.operator(OperatorRequest::Script(ScriptRequest::Load { name }));
            }
        }
        let python = self
            .workload
            .python
            .map(|_| 2 * limits::SCRIPT_RESTART_MS_MAX);
        let community = self.workload.community.map(|_| 3_600_000);
        let rest_ms = python.into_iter().chain(community).max().unwrap_or(60_000);
        self.run(rest_ms + self.workload.outage_ms_max());
        // Playtime goes every hour: this may be the moment.
        for _ in 0..10 {
            if !self.out.disk.outbox.is_empty() {
                self.run(60_000);
            }
        }
    }

    /// Nothing goes wrong any more.
    fn settle(&mut self) {
        self.quiet = true;
        let now_ms = self.out.now.ms;
        let out = &mut self.out;
        out.api.weather = Weather::Fair;
        out.python = Faults::NONE;
        out.disk.full_until_ms = 0;
        out.disk.database.away_until_ms = 0;
        out.disk.database.hangs_until_ms = 0;
        for engine in &mut out.engines {
            (engine.away_until_ms, engine.rough_until_ms) = (0, 0);
        }
        self.disturbed_ms
            .extend([now_ms, now_ms + 5_000, now_ms + 10_000]);
        self.daemon.iter_mut().for_each(Daemon::live_on);
    }

    /// What holds when all has come to rest.
    fn check_the_end(&self) {
        let out = &self.out;
        let daemon = self.daemon.as_ref().expect("a daemon");
        let waits = daemon.waits();
        assert!(waits.is_empty(), "{waits}");
        let left: Vec<_> = out
            .disk
            .folders
            .iter()
            .flat_map(Folder::unfinished)
            .collect();
        assert!(left.is_empty(), "left: {left:?}");
        let spoils = self.workload.has(|it| matches!(it, Fault::Spoil { .. }));
        let copies = self.workload.has(|it| matches!(it, Fault::Copy));
        let pushes = self.workload.has(|it| matches!(it, Fault::Push));
        let is_copy = |reason: &str| {
            copies
                && (reason.contains("was used before") || reason.contains("may have been copied"))
        };
        let may_be = |(server, _, reason): &&(usize, String, String)| {
            let signed = out.disk.folders[*server].signed;
            signed && (spoils || copies) || is_copy(reason)
        };
        let rejected: Vec<_> = out.disk.rejected.iter().filter(|it| !may_be(it)).collect();
        assert!(rejected.is_empty(), "rejected: {rejected:?}");
        let stock = self.stock.iter().map(|game| (game.host.clone(), game.map));
        let signed = self.signed.iter().map(|game| (game.host.clone(), game.map));
        let maps: BTreeMap<String, u32> = stock.chain(signed).collect();
        let rules = Rules {
            outages: self.workload.outage_ms_max() > 0,
            full_ms_max: self.workload.full_ms_max(),
            python_fails: self.workload.python.is_some_and(|it| it.crashes > 0),
            in_time: !spoils,
        };
        out.book.check(&out.disk.database, &maps, &rules);
        let read: usize = self.signed.iter().map(|game| game.pushes_read).sum();
        assert!(read > 0 || !pushes, "no push was read");
        if let Some(community) = &self.community {
            community.check(out);
        }
        if let Some(season) = &self.season {
            season.check(out);
        }
        let (done, least) = (out.book.responses(), self.workload.responses_min);
        assert!(done >= least, "only {done} responses: nothing was tried");
    }
}
