//! A vpid and the simulated game beside it: its RCON, its log, a signed session, and who is on.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fake_rcon::{FakeRcon, FakeServer, Player};
use fake_vyhub::port;
use serde_json::json;
use tempfile::TempDir;
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;

use super::tables::Database;

const PASSWORD: &str = "a console's password";
const KEY: &str = "Zk4tq7Rw2mXc9Lp0Hs6Vb3Ny8Jd5Gf1TaQeUiOoPAsDfGhJk";
const LOG_SECRET: &str = "7340128876543210";
const SCRIPT: &str = "bench.nut";
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Server {
    folder: TempDir,
    host: String,
    child: Option<Child>,
    game: FakeServer,
    _rcon: FakeRcon,
    log_from: UdpSocket,
    log_to: SocketAddr,
    _log_port: TcpListener,
    session: Option<SignedGame>,
    /// Who is on, with the account of each.
    on: Vec<(i32, u64)>,
    last_userid: i32,
    /// How often the game's `status` had been read when the last one came.
    statuses: usize,
}

impl Server {
    /// Folders and a configuration; its vpid does not run yet.
    pub fn new(number: usize, database: &Database) -> Self {
        let folder = TempDir::with_prefix("vpid-bench-").expect("a folder");
        let host = format!("server{number}");
        let game = FakeServer::new(&host, "cp_badlands");
        let rcon = game.start(PASSWORD);
        let (port, log_port) = port::free_for_datagrams();
        let server = Self {
            folder,
            host,
            child: None,
            game,
            log_from: UdpSocket::bind("127.0.0.1:0").expect("a socket"),
            log_to: SocketAddr::from(([127, 0, 0, 1], port)),
            _log_port: log_port,
            session: None,
            on: Vec::new(),
            last_userid: 0,
            statuses: 0,
            _rcon: rcon,
        };
        fs::create_dir(server.path("scriptdata")).expect("a folder");
        let config = server.config(database);
        fs::write(server.path("vpid.toml"), config).expect("a configuration");
        let private = Permissions::from_mode(0o600);
        fs::set_permissions(server.path("vpid.toml"), private).expect("a private file");
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, database: &Database) -> String {
        let (host, rcon, log) = (&self.host, self._rcon.address(), self.log_to);
        format!(
            "state_dir = {:?}\n[[server]]\nscriptdata = {:?}\nhostname = {host:?}\ncommunity_name = {host:?}\n\
             key = {KEY:?}\nrcon = \"{rcon}\"\nrcon_password = {PASSWORD:?}\nlog_listen = \"{log}\"\n\
             log_secret = {LOG_SECRET:?}\n[database]\npath = {:?}\n[permissions]\n{SCRIPT:?} = [\"COMMUNITY_*\"]\n\
             [community]\ntype = \"local\"\ndatabase = \"shared\"\n[database.shared]\n{}",
            self.path("state"),
            self.path("scriptdata"),
            self.path("vpid.db"),
            database.settings()
        )
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
        command.env_clear().args(arguments).arg("--config");
        command.arg(self.path("vpid.toml")).stdin(Stdio::null());
        command
    }

    fn done(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().expect("vpid can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }

    /// Those of the community.
    pub fn make_tables(&self) {
        self.done(&["community", "user", "list"]);
    }

    pub fn start(&mut self) {
        let log = File::create(self.path("log")).expect("a log");
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("vpid can be run"));
    }

    pub fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// It has the list of bans.
    pub fn wait_until_ready(&mut self) {
        self.wait("it is ready", |server| {
            server.log().contains(": vyhub_ready") && server.has_bans()
        });
    }

    /// A session for scripts of the game; one that sends nothing for long is over.
    pub fn begin_session(&mut self) {
        let scriptdata = self.path("scriptdata");
        let session = SignedGame::connect(&scriptdata, &self.host, KEY.as_bytes(), PATIENCE);
        self.session = Some(session.expect("a session"));
    }

    fn has_bans(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.path("state/community")) else {
            return false;
        };
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().ends_with(".bans"))
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let log = self.log();
            assert!(Instant::now() < deadline, "{}: {what}:\n{log}", self.host);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn line(&self, line: &str) {
        let packet = format!("S{LOG_SECRET}L 11/20/2026 - 08:00:00: {line}\n\0");
        let packet = [b"\xff\xff\xff\xff", packet.as_bytes()].concat();
        let sent = self.log_from.send_to(&packet, self.log_to);
        sent.expect("a packet on the loopback interface");
    }

    /// A player comes.
    pub fn enter(&mut self, account: u64) {
        self.last_userid += 1;
        let userid = self.last_userid;
        let (name, steam) = (name(account), format!("[U:1:{account}]"));
        self.game.join(Player::new(userid, &name, &steam));
        self.on.push((userid, account));
        self.statuses = self.statuses_read();
        self.line(&format!(
            "\"{name}<{userid}><{steam}><>\" connected, address \"203.0.113.9:27005\""
        ));
    }

    /// Who is on for longest leaves, and another one comes.
    pub fn change_a_player(&mut self, account: u64) {
        if !self.on.is_empty() {
            let (userid, account) = self.on.remove(0);
            self.leave(userid, account);
        }
        self.enter(account);
    }

    /// A player is not on any more.
    pub fn forget(&mut self, account: u64) {
        let is_it = |(_, of): &(i32, u64)| *of == account;
        if let Some(at) = self.on.iter().position(is_it) {
            let (userid, _) = self.on.remove(at);
            self.leave(userid, account);
        }
    }

    fn leave(&self, userid: i32, account: u64) {
        self.game.leave(userid);
        let name = name(account);
        self.line(&format!(
            "\"{name}<{userid}><[U:1:{account}]><Red>\" disconnected (reason \"Disconnect by user.\")"
        ));
    }

    fn statuses_read(&self) -> usize {
        let ran = self.game.ran();
        ran.iter().filter(|words| words[0] == "status").count()
    }

    /// The game's `status` was read since the last one came.
    pub fn wait_for_status(&self) {
        self.wait("the game's status is read", |server| {
            server.statuses_read() > server.statuses
        });
    }

    pub fn has_kicked(&self, account: u64) -> bool {
        let mut on = self.on.iter();
        let userid = on.find(|(_, of)| *of == account);
        let Some((userid, _)) = userid else {
            return false;
        };
        let kicked = self.game.kicked();
        kicked.iter().any(|(of, _)| of == userid)
    }

    pub fn ban_by_script(&mut self, account: u64) {
        let order = json!({"player": format!("[U:1:{account}]"), "minutes": 60, "reason": "bench"});
        let call = GameCall::new(SCRIPT, "COMMUNITY_Ban", order);
        let session = self.session.as_mut().expect("a session");
        let answer = session.call(call, PATIENCE).expect("an answer");
        answer
            .expect("an answer in time")
            .expect("the ban is accepted");
    }

    pub fn ban_by_operator(&self, account: u64) {
        let player = format!("[U:1:{account}]");
        self.done(&[
            "community",
            "ban",
            "add",
            &player,
            "--reason",
            "bench",
            "--for",
            "60m",
        ]);
    }

    /// Of its vpid: in memory, and of that what it shares with no other process.
    pub fn memory_kib(&self) -> (u64, u64) {
        let pid = self.child.as_ref().expect("a running vpid").id();
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let text = text.expect("the memory of a vpid");
        let field = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).expect("an amount")
        };
        (
            field("Rss:"),
            field("Private_Clean:") + field("Private_Dirty:"),
        )
    }
}

fn name(account: u64) -> String {
    format!("player {account}")
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
