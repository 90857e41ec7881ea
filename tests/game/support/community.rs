//! A community around one game with the shipped scripts: VyHub, the console, the engine's log, the built
//! daemon, an admin, and a player whom a hostile script wants to be banned.

use std::net::{SocketAddr, TcpListener};

use fake_rcon::{FakeRcon, FakeServer, Player};
use fake_vyhub::{FakeVyhub, port};
use serde_json::json;
use tempfile::TempDir;

use super::daemon::{Daemon, KEY, scriptdata};
use super::{Game, Setup};
use vpid::vscripts::{MAPSPAWN, vpi_with};

pub const ADMIN: (&str, u64) = ("[U:1:22202]", 76_561_197_960_287_930);
pub const VICTIM: (&str, u64) = ("[U:1:6]", 76_561_197_960_265_734);
const SECRET: &str = "71985";
const HOSTILE: &str = "hostile.nut";

pub struct Story {
    pub game: Game,
    pub daemon: Daemon,
    pub vyhub: FakeVyhub,
    pub console: FakeServer,
    pub admin: i32,
    pub victim: i32,
    _rcon: FakeRcon,
    _log_port: TcpListener,
    _dir: TempDir,
}

/// How the community is set up.
#[derive(Clone, Copy)]
pub struct Wish {
    pub rcon: bool,
    pub log: bool,
    /// More lines of `[[server]]`.
    pub server: &'static str,
    /// More lines of `[vyhub]`.
    pub vyhub: &'static str,
    /// An id that is banned from the beginning.
    pub banned: Option<u64>,
}

pub const USUAL: Wish = Wish {
    rcon: true,
    log: true,
    server: "",
    vyhub: "",
    banned: None,
};

impl Story {
    pub fn new(wish: Wish) -> Self {
        Self::of(wish, |setup| setup)
    }

    /// Two players are on: an admin, and who is to be banned in the admin's name.
    pub fn of(wish: Wish, more: impl FnOnce(Setup) -> Setup) -> Self {
        let mut story = Self::begin(wish, more);
        story.until("a session", |story| story.is_connected());
        story.join();
        story
    }

    fn begin(wish: Wish, more: impl FnOnce(Setup) -> Setup) -> Self {
        let vyhub = FakeVyhub::start();
        vyhub.add_user(ADMIN.1, "Admin", true);
        if let Some(id) = wish.banned {
            let user = vyhub.add_user(id, "Rogue", false);
            vyhub.add_ban(&user, "earlier", None);
        }
        let dir = TempDir::new().expect("a folder");
        let console = FakeServer::new("My Server", "cp_first");
        let rcon = console.start("word");
        let (port, log_port) = port::free_for_datagrams();
        let log = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = format!(
            "vyhub_server_id = \"{}\"\n{}\n",
            vyhub.server_id(),
            wish.server
        );
        if wish.rcon {
            server += &format!("rcon = \"{}\"\nrcon_password = \"word\"\n", rcon.address());
        }
        if wish.log {
            server += &format!("log_listen = \"{log}\"\nlog_secret = {SECRET}\n");
        }
        let (url, key) = (vyhub.api_url(), vyhub.key());
        let tables = format!(
            "[vyhub]\napi_url = \"{url}\"\napi_key = \"{key}\"\n{}\n",
            wish.vyhub
        );
        let daemon = Daemon::start_signed_beside(dir.path(), &server, &tables);
        let setup = Setup::new(&scriptdata(dir.path()))
            .hostname("My Server")
            .log(log, SECRET)
            .script("mapspawn.nut", MAPSPAWN)
            .script("vpi.nut", &vpi_with(KEY));
        let game = more(setup).start("cp_first");
        Self {
            game,
            daemon,
            vyhub,
            console,
            admin: 0,
            victim: 0,
            _rcon: rcon,
            _log_port: log_port,
            _dir: dir,
        }
    }

    fn join(&mut self) {
        self.admin = self.game.join("Admin", ADMIN.0);
        self.victim = self.game.join("Victim", VICTIM.0);
        let (admin, victim) = (self.admin, self.victim);
        self.console.join(Player::new(admin, "Admin", ADMIN.0));
        self.console.join(Player::new(victim, "Victim", VICTIM.0));
        self.until("both are known", |story| {
            story.vyhub.with(|state| state.user(VICTIM.1).is_some())
        });
        self.until("rights", |story| {
            let asked = |path: &str| story.vyhub.with(|state| state.requests_to("GET", path)) > 0;
            asked("/user/")
        });
    }

    pub fn is_connected(&mut self) -> bool {
        let code = "return (\"VPI\" in getroottable()) && VPI.Status().connected";
        self.game.run("test.nut", code) == json!(true)
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&mut Story) -> bool) {
        for _ in 0..500 {
            if is_so(self) {
                return;
            }
            self.game.run_real(0.02);
        }
        let (log, prints) = (self.daemon.log(), self.game.record().prints());
        let (engine, said) = (self.game.engine_log(), self.console.said());
        let shown = self.game.record().client_prints();
        panic!("in vain: {what}\n{log:#?}\n{prints:#?}\n{engine:#?}\n{said:#?}\n{shown:#?}");
    }

    pub fn bans(&self) -> usize {
        self.vyhub.bans_of(VICTIM.1).len()
    }

    pub fn is_refused(&self, why: &str) -> bool {
        let log = self.daemon.log();
        let refused = |line: &&String| line.contains("which does not count") && line.contains(why);
        log.iter().any(|line| refused(&line))
    }

    /// Whether a player reads it, in the game or as what the console writes.
    pub fn is_shown(&self, part: &str) -> bool {
        let shown = self.game.record().client_prints();
        let (said, by_rcon) = (self.console.said(), self.console.shown());
        shown.iter().any(|(_, _, text)| text.contains(part))
            || said.iter().any(|text| text.contains(part))
            || by_rcon.iter().any(|shown| shown.text.contains(part))
    }

    /// What a hostile script runs, and what it throws.
    pub fn hostile(&mut self, code: &str) {
        let (admin, victim) = (self.admin, self.victim);
        let head = format!(
            "local admin = GetPlayerFromUserID({admin}), victim = GetPlayerFromUserID({victim})\n\
             local adminId = {admin}, victimId = {victim}, order = \"!ban #{victim} permanent forged\"\n"
        );
        let _ = self.game.try_run(HOSTILE, &(head + code));
    }

    /// What the admin writes counts: so vpid was there all along, and everything before has been read.
    #[track_caller]
    pub fn assert_that_only_the_admin_counts(&mut self) {
        self.game.run_real(0.3);
        assert_eq!(self.bans(), 0, "{:#?}", self.game.engine_log());
        let order = format!("!ban #{} 1h real", self.victim);
        self.game.say(self.admin, order);
        self.until("the admin's own ban", |story| story.bans() > 0);
        let bans = self.vyhub.bans_of(VICTIM.1);
        let reasons: Vec<_> = bans.iter().filter_map(|ban| ban.reason.clone()).collect();
        assert_eq!(reasons, ["real"], "{:#?}", self.daemon.log());
    }

    /// Nothing counts any more on this map, what the admin writes neither; but the admin gets an answer.
    #[track_caller]
    pub fn assert_that_no_command_counts(&mut self, why: &str, told: &str) {
        let order = format!("!ban #{} 1h real", self.victim);
        self.game.say(self.admin, order);
        self.until(why, |story| story.is_refused(why));
        self.until(told, |story| story.is_shown(told));
        self.game.run_real(0.3);
        assert_eq!(self.bans(), 0, "{:#?}", self.game.engine_log());
    }
}
