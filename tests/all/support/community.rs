//! A community around one server: VyHub, the game's console and log, the players, and the vpid
//! between them.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fake_rcon::{FakeRcon, FakeServer, Player, Shown};
use fake_vyhub::{FakeVyhub, State, port};
use serde_json::Value;

use super::keeper::{Keeper, Place};
use super::{PATIENCE, Vpid, stays, wait_until};

const PASSWORD: &str = "a console's password";
const LOG_SECRET: &str = "4071985";
const MAP: &str = "cp_badlands";
/// Where a text is shown, by the engine's number.
const CHAT: i64 = 3;
/// What vpid logs when a server and its bundle are known.
const READY: &str = ": ready, as server";

/// What admins may in these stories.
pub const ALL_RIGHTS: [(&str, bool); 5] = [
    ("ban_edit", true),
    ("ban_show", true),
    ("warning_edit", true),
    ("warning_show", true),
    ("user_edit", true),
];

/// Somebody who plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub userid: i32,
    pub name: String,
    /// `N` of `[U:1:N]`.
    pub account: u64,
}

impl Visitor {
    /// With an account that nobody else has.
    pub fn new(userid: i32, name: &str) -> Self {
        static ACCOUNTS: AtomicU64 = AtomicU64::new(22_000);
        Self {
            userid,
            name: name.to_owned(),
            account: ACCOUNTS.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub fn steam64(&self) -> u64 {
        76_561_197_960_265_728 + self.account
    }

    pub fn steam3(&self) -> String {
        format!("[U:1:{}]", self.account)
    }

    /// The same one on the next connect.
    pub fn again(&self) -> Self {
        Self {
            userid: self.userid + 100,
            ..self.clone()
        }
    }

    /// As the engine's log writes whom a line is about.
    fn in_log(&self, team: &str) -> String {
        format!(
            "\"{}<{}><{}><{team}>\"",
            self.name,
            self.userid,
            self.steam3()
        )
    }
}

/// The engine's log, from the side of the engine.
pub struct GameLog {
    socket: UdpSocket,
    to: SocketAddr,
    secret: String,
}

impl GameLog {
    /// Where vpid listens.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    pub fn secret(&self) -> u64 {
        self.secret.parse().expect("digits")
    }

    /// As after a new start of the game.
    pub fn at_another_port(&self) -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").expect("a socket"),
            to: self.to,
            secret: self.secret.clone(),
        }
    }

    pub fn line(&self, line: &str) {
        let secret = &self.secret;
        let packet = format!("S{secret}L 11/20/2026 - 08:00:00: {line}\n\0");
        self.send(packet.as_bytes());
    }

    pub fn send(&self, packet: &[u8]) {
        let packet = [b"\xff\xff\xff\xff", packet].concat();
        // Nobody may be listening, as for an engine.
        let _ = self.socket.send_to(&packet, self.to);
    }

    pub fn connects(&self, who: &Visitor) {
        self.connects_from(who, "203.0.113.9:27005");
    }

    pub fn connects_from(&self, who: &Visitor, address: &str) {
        let who = who.in_log("");
        self.line(&format!("{who} connected, address \"{address}\""));
    }

    pub fn leaves(&self, who: &Visitor) {
        let who = who.in_log("Red");
        self.line(&format!(
            "{who} disconnected (reason \"Disconnect by user.\")"
        ));
    }

    pub fn says(&self, who: &Visitor, text: &str) {
        self.line(&format!("{} say \"{text}\"", who.in_log("Red")));
    }
}

/// All of it. The vpid goes first when it is dropped. A VyHub that is not the keeper stands beside, as for an import.
pub struct Community {
    pub vpid: Vpid,
    pub(super) keeper: Keeper,
    pub(super) place: Place,
    pub vyhub: FakeVyhub,
    pub game: FakeServer,
    _rcon: FakeRcon,
    pub log: GameLog,
    _log_port: TcpListener,
}

impl Community {
    /// With a configured vpid that does not run yet.
    pub fn new() -> Self {
        Self::configured(|vpid| vpid)
    }

    pub fn configured(configure: impl FnOnce(Vpid) -> Vpid) -> Self {
        Self::of(Keeper::Vyhub, LOG_SECRET, configure)
    }

    /// The same by any keeper.
    pub fn kept_by(keeper: Keeper) -> Self {
        Self::of(keeper, LOG_SECRET, |vpid| vpid)
    }

    pub fn kept_by_and(keeper: Keeper, configure: impl FnOnce(Vpid) -> Vpid) -> Self {
        Self::of(keeper, LOG_SECRET, configure)
    }

    /// With this secret of the engine's log.
    pub fn with_secret(digits: &str) -> Self {
        Self::of(Keeper::Vyhub, digits, |vpid| vpid)
    }

    /// Another vpid with another game, in the same community.
    pub fn another(&self, configure: impl FnOnce(Vpid) -> Vpid) -> Self {
        Self::at(self.keeper, self.place.shared(), LOG_SECRET, configure)
    }

    fn of(keeper: Keeper, secret: &str, configure: impl FnOnce(Vpid) -> Vpid) -> Self {
        Self::at(keeper, Place::of(keeper), secret, configure)
    }

    fn at(
        keeper: Keeper,
        place: Place,
        secret: &str,
        configure: impl FnOnce(Vpid) -> Vpid,
    ) -> Self {
        let vyhub = FakeVyhub::start();
        let game = FakeServer::new("Community", MAP);
        let rcon = game.start(PASSWORD);
        let (port, log_port) = port::free_for_datagrams();
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let vpid = Vpid::new()
            .vyhub(&vyhub)
            .kept_in(&place)
            .rcon(rcon.address(), PASSWORD)
            .log_listen(to)
            .server_line(&format!("log_secret = \"{secret}\""))
            // No scripts run in this game; how they guard chat is told in `chat_guard`.
            .server_line("chat_commands = \"log\"");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self {
            vpid: configure(vpid),
            keeper,
            place,
            vyhub,
            game,
            _rcon: rcon,
            log: GameLog {
                socket,
                to,
                secret: secret.to_owned(),
            },
            _log_port: log_port,
        }
    }

    /// Starts vpid and waits until it knows server, bans and who is on.
    #[track_caller]
    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    #[track_caller]
    pub fn start(&mut self) {
        let asked = self.asked("GET", "/server/bundle/");
        self.start_away();
        wait_until("the bans were fetched", || {
            let is_fresh = !self.is_vyhub() || self.asked("GET", "/server/bundle/") >= asked + 2;
            is_fresh && self.bans_are_kept()
        });
    }

    /// Starts it and waits until it is ready by what it knew, or by VyHub.
    #[track_caller]
    pub fn start_away(&mut self) {
        let before = self.vpid.log().matches(READY).count();
        self.vpid.start();
        self.vpid.wait_for_logs(READY, before + 1);
    }

    fn bans_are_kept(&self) -> bool {
        let name = format!("bans-{}.bans", self.bundle_id());
        self.cached(&name).exists()
    }

    /// How many requests of this kind came.
    pub fn asked(&self, method: &str, path: &str) -> usize {
        self.vyhub.with(|state| state.requests_to(method, path))
    }

    /// Somebody whose group has these rights.
    pub fn member(&self, who: &Visitor, rights: &[(&str, bool)], max_ban_s: Option<u64>) {
        self.add_group(&who.name, 10, rights, max_ban_s);
        self.put_in_group(who, &who.name);
    }

    /// An admin who is on, and whose rights vpid has kept.
    #[track_caller]
    pub fn admin(&self, userid: i32, name: &str) -> Visitor {
        let admin = Visitor::new(userid, name);
        self.member(&admin, &ALL_RIGHTS, None);
        self.joins(&admin);
        self.wait_for_rights(&admin);
        admin
    }

    #[track_caller]
    pub fn wait_for_rights(&self, who: &Visitor) {
        let steam = who.steam64().to_string();
        wait_until("the rights are kept", || {
            let path = self.cached("rights.json");
            std::fs::read_to_string(path).is_ok_and(|text| text.contains(&steam))
        });
    }

    /// Comes on, and the engine's log says so.
    pub fn joins(&self, who: &Visitor) {
        self.enters(who);
        self.log.connects(who);
    }

    /// The same from an address and port, which the log and `status` show.
    pub fn joins_from(&self, who: &Visitor, address: &str) {
        let player = Player::new(who.userid, &who.name, &who.steam3()).from(address);
        self.game.join(player);
        self.log.connects_from(who, address);
    }

    /// Comes on, and only `status` tells.
    pub fn enters(&self, who: &Visitor) {
        let player = Player::new(who.userid, &who.name, &who.steam3());
        self.game.join(player);
    }

    /// How often this userid was kicked.
    pub fn kicks(&self, userid: i32) -> usize {
        let kicked = self.game.kicked();
        kicked.iter().filter(|(of, _)| *of == userid).count()
    }

    /// Waits for the kick, which has to come within a second; gives its text.
    #[track_caller]
    pub fn kicked_at_once(&self, who: &Visitor) -> String {
        let began = Instant::now();
        let text = self.kicked(who);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "kicked after {took:?}");
        text
    }

    #[track_caller]
    pub fn kicked(&self, who: &Visitor) -> String {
        wait_until(&format!("{} is kicked", who.name), || {
            self.kicks(who.userid) > 0
        });
        let kicked = self.game.kicked();
        let (_, text) = kicked
            .into_iter()
            .find(|(of, _)| *of == who.userid)
            .unwrap();
        text
    }

    /// Connects and is out again at once.
    #[track_caller]
    pub fn stays_out(&self, who: &Visitor) {
        self.joins(who);
        self.kicked_at_once(who);
        self.log.leaves(who);
    }

    /// Connects and is let in.
    #[track_caller]
    pub fn stays_in(&self, who: &Visitor) {
        self.joins(who);
        stays(
            "who is not banned is in",
            Duration::from_millis(200),
            || self.kicks(who.userid) == 0,
        );
    }

    /// Waits until somebody was told something that has this in it.
    #[track_caller]
    pub fn told(&self, who: &Visitor, text: &str) {
        self.told_times(who, text, 1);
    }

    #[track_caller]
    pub fn told_times(&self, who: &Visitor, text: &str, times: usize) {
        let is_it = |shown: &&Shown| {
            (shown.to, shown.place) == (Some(who.userid), CHAT) && shown.text.contains(text)
        };
        let deadline = Instant::now() + PATIENCE;
        while self.game.shown().iter().filter(is_it).count() < times {
            let (shown, said) = (self.game.shown(), self.game.said());
            assert!(
                Instant::now() < deadline,
                "{} was not told {text:?}, but: {shown:#?} {said:#?}",
                who.name
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Entries of the outbox, as they lie on disk, the oldest first.
    pub fn outbox(&self) -> Vec<Value> {
        let folder = self.either("state/outbox", "state/community-outbox");
        let Ok(folder) = std::fs::read_dir(self.vpid.path(folder)) else {
            return Vec::new();
        };
        let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        let texts = paths
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok());
        texts
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect()
    }

    /// Waits until an entry of the outbox is so.
    #[track_caller]
    pub fn wait_for_entry(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        super::wait_for(what, || self.outbox().into_iter().find(&is_so))
    }

    /// Waits until nothing is on its way to VyHub any more. What arrived may stay for a moment.
    #[track_caller]
    pub fn wait_until_sent(&self) {
        wait_until("the outbox is empty", || {
            self.outbox().iter().all(|entry| entry["state"] == "done")
        });
    }

    /// An operator, who knows that VyHub is back, does not wait.
    #[track_caller]
    pub fn hurry(&self) {
        let (code, said) = self.queue(&["retry", "all"]);
        assert_eq!(code, Some(0), "{said}");
    }

    /// The same until nothing is on its way any more.
    #[track_caller]
    pub fn hurry_until_sent(&self) {
        wait_until("all was sent", || {
            self.hurry();
            std::thread::sleep(Duration::from_millis(100));
            let outbox = self.outbox();
            outbox.iter().all(|entry| entry["state"] == "done")
        });
    }

    /// `vpid queue`: its exit code and what it said.
    pub fn queue(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.vpid.command(&[&["queue"], arguments].concat());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code(), text)
    }

    #[track_caller]
    pub fn wait_for_vyhub(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let requests = || self.vyhub.with(|state| format!("{:#?}", state.requests()));
        let came = self.vyhub.wait_until(is_so, PATIENCE);
        assert!(came, "waited in vain: {what}: {}", requests());
    }

    /// What the console ran, questions aside.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let mut ran = self.game.ran();
        ran.retain(|command| command != &["status"] && command != &["sv_visiblemaxplayers"]);
        ran
    }

    /// What holds after every story: VyHub was asked in its own way, and the console ran only what it may.
    #[track_caller]
    pub fn all_well(&self) {
        let violations = self.vyhub.violations();
        assert!(violations.is_empty(), "{violations:#?}");
        self.leaves_vyhub_alone();
        let known = ["kickid", "say", "script", "sv_visiblemaxplayers"];
        let others = self.commands();
        let others: Vec<_> = others
            .iter()
            .filter(|command| {
                let name = command[0].as_str();
                // Rewards run commands of plugins.
                !known.contains(&name) && !name.starts_with("sm_")
            })
            .collect();
        assert!(others.is_empty(), "the console ran {others:?}");
    }
}
