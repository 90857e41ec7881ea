//! A vpid on folders of its own: configured, started, signalled, killed, and gone at the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use vpid::game_side::signed::SignedGame;

#[cfg(feature = "mysql")]
use super::mariadb::Database;
use super::{Host, wait_for, wait_until};

/// The secret that game and daemon share, as long as usual.
pub const SECRET: &str = "k3:TnZ7Qd%w#aa5Rg&fLs0PxEe+Vb9*Ym|u4hCjN~6i(8rKo)BtW[2]{S}1<D>,GJ.FpHv?Mc_qU/XyAzIO;l=$@^`-k3:TnZ7Qd%w#aa5Rg&fLs0PxEe+Vb9*Ym|u4hCj";

/// With which the games of the signed protocol sign.
pub const KEY: &str = "Zk4tq7Rw2mXc9Lp0Hs6Vb3Ny8Jd5Gf1TaQeUiOoPAsDfGhJk";

/// The built program with an empty environment, for a single command.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
    command.env_clear();
    command
}

/// A daemon and its folders. Dropped, it is killed and everything removed.
pub struct Vpid {
    root: tempfile::TempDir,
    child: Option<Child>,
    settings: String,
    servers: Vec<String>,
    database: String,
    permissions: String,
    queries: String,
    tables: String,
    community: String,
    vyhub: String,
    /// Tables of the scripts in Python.
    pub(super) scripts: String,
    /// Instead of SQLite.
    #[cfg(feature = "mysql")]
    mariadb: Option<Database>,
    variables: Vec<(String, String)>,
    /// Behind `run`.
    options: Vec<String>,
    scriptdata: Option<PathBuf>,
    state: PathBuf,
}

impl Vpid {
    /// Folders and a configuration; nothing runs yet.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join("scriptdata")).expect("a scriptdata folder");
        Self {
            state: root.path().join("state"),
            root,
            child: None,
            settings: String::new(),
            servers: vec![String::new()],
            database: String::new(),
            permissions: String::new(),
            queries: String::new(),
            tables: String::new(),
            community: String::new(),
            vyhub: String::new(),
            scripts: String::new(),
            #[cfg(feature = "mysql")]
            mariadb: None,
            variables: Vec::new(),
            options: Vec::new(),
            scriptdata: None,
        }
    }

    pub fn running() -> Self {
        Self::new().started()
    }

    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    /// A line at the top of the configuration.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings += &format!("{line}\n");
        self
    }

    /// Instead of the one server for every host: servers for these hosts, in one folder.
    pub fn hostnames(mut self, names: &[&str]) -> Self {
        let lines = names.iter().map(|name| format!("hostname = \"{name}\"\n"));
        self.servers = lines.collect();
        self
    }

    /// A line in every `[[server]]`.
    pub fn server_line(mut self, line: &str) -> Self {
        let lines = self.servers.iter_mut();
        lines.for_each(|server| *server += &format!("{line}\n"));
        self
    }

    /// Believes signed files, and stock files too.
    pub fn signed(self) -> Self {
        self.server_line(&format!("key = \"{KEY}\""))
    }

    /// A line of `[database]`.
    pub fn database_line(mut self, line: &str) -> Self {
        self.database += &format!("{line}\n");
        self
    }

    /// Keeps its data in this database of a MariaDB server.
    #[cfg(feature = "mysql")]
    pub fn on(mut self, database: &Database) -> Self {
        self.mariadb = Some(database.clone());
        self.database_line(&database.lines())
    }

    /// A variable of the daemon's environment, and of that of commands.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Options of `vpid run`.
    pub fn options(mut self, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned());
        self.options.extend(options);
        self
    }

    /// A line of `[permissions]`.
    pub fn permission(mut self, line: &str) -> Self {
        self.permissions += &format!("{line}\n");
        self
    }

    /// Tables at the end of the configuration, such as `[query.NAME]`.
    pub fn queries(mut self, text: &str) -> Self {
        self.queries = text.to_owned();
        self
    }

    /// A table of the configuration, behind those of `queries`.
    pub fn table(mut self, text: &str) -> Self {
        self.tables += &format!("{text}\n");
        self
    }

    /// A line of `[community]`.
    pub fn community_line(mut self, line: &str) -> Self {
        self.community += &format!("{line}\n");
        self
    }

    /// Another value for such a line, from the next start on.
    pub fn change_community_line(&mut self, before: &str, after: &str) {
        self.community = self.community.replace(before, after);
    }

    /// A line of `[vyhub]`.
    pub fn vyhub_line(mut self, line: &str) -> Self {
        self.vyhub += &format!("{line}\n");
        self
    }

    /// Serves another folder than its own.
    pub fn serving(mut self, scriptdata: &Path) -> Self {
        self.scriptdata = Some(scriptdata.to_path_buf());
        self
    }

    /// Keeps its state in another folder than its own.
    pub fn keeping(mut self, state: &Path) -> Self {
        self.state = state.to_path_buf();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn scriptdata(&self) -> PathBuf {
        let own = || self.path("scriptdata");
        self.scriptdata.clone().unwrap_or_else(own)
    }

    pub fn config_path(&self) -> PathBuf {
        self.path("vpid.toml")
    }

    pub fn config_text(&self) -> String {
        let state = self.state.display();
        let mut text = format!("state_dir = '{state}'\n{}", self.settings);
        for server in &self.servers {
            let folder = self.scriptdata();
            text += &format!(
                "[[server]]\nscriptdata = '{}'\nlegacy_secret = '{SECRET}'\n{server}",
                folder.display()
            );
        }
        text += &format!(
            "[database]\n{}[permissions]\n{}{}\n{}",
            self.database, self.permissions, self.queries, self.tables
        );
        if !self.community.is_empty() {
            text += &format!("\n[community]\n{}", self.community);
        }
        if !self.vyhub.is_empty() {
            text += &format!("\n[vyhub]\n{}", self.vyhub);
        }
        text + "\n" + &self.scripts
    }

    pub fn write_config(&self) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.config_path();
        fs::write(&path, self.config_text()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Starts the daemon and waits until it serves.
    #[track_caller]
    pub fn start(&mut self) {
        // One log for all runs; a start is told from an earlier one by what comes after.
        let before = self.log().len();
        self.launch();
        wait_until("vpid serves", || {
            assert!(self.is_running(), "vpid ended:\n{}", self.log());
            self.log()[before..].contains(" serves /")
        });
    }

    /// The same without waiting.
    #[track_caller]
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.write_config();
        self.spawn();
    }

    fn spawn(&mut self) {
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.path("log"));
        let child = program()
            .args(["run", "--config"])
            .arg(self.config_path())
            .args(&self.options)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn();
        self.child = Some(child.expect("vpid can be spawned"));
    }

    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("its state").is_none())
    }

    /// A start that is expected to fail: its exit code and what it said.
    #[track_caller]
    pub fn refused(&mut self) -> (Option<i32>, String) {
        self.write_config();
        self.spawn();
        let code = self.ended().code();
        (code, self.log())
    }

    /// Runs another command with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.write_config();
        let mut command = program();
        command.envs(self.variables.iter().cloned());
        command.args(arguments).arg("--config");
        let output = command.arg(self.config_path()).output();
        output.expect("vpid can be spawned")
    }

    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("vpid runs").id()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a process number");
        kill_process(pid, signal).expect("a signal can be sent");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("its end");
        }
    }

    /// SIGTERM, and the end that comes of it.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended()
    }

    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("vpid runs");
        let status = wait_for("vpid ends", || child.try_wait().expect("its state"));
        self.child = None;
        status
    }

    /// SIGHUP.
    pub fn reload(&self) {
        self.write_config();
        self.hang_up();
    }

    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    pub fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for_logs(text, 1);
    }

    #[track_caller]
    pub fn wait_for_logs(&self, text: &str, times: usize) {
        let what = format!("{text:?} in the log, {times} times");
        wait_until(&what, || self.log().matches(text).count() >= times);
    }

    pub fn host(&self, name: &str) -> Host {
        Host::new(&self.scriptdata(), name, SECRET)
    }

    /// A game that signs, and has its session.
    #[track_caller]
    pub fn signed_game(&self, host: &str) -> SignedGame {
        let game = SignedGame::connect(&self.scriptdata(), host, KEY.as_bytes(), super::PATIENCE);
        game.expect("a session")
    }

    /// The names in the folder of the signed protocol, sorted.
    pub fn signed_files(&self) -> Vec<String> {
        names_in(&self.scriptdata().join("vpid"))
    }

    /// The database, beside the daemon.
    pub fn sql(&self) -> Connection {
        let connection = Connection::open(self.path("vpid.db")).expect("the database");
        let patience = std::time::Duration::from_secs(10);
        connection.busy_timeout(patience).expect("a time-out");
        connection
    }

    /// With a table of numbers that nothing keeps from standing there twice.
    pub fn with_numbers(self) -> Self {
        let make = "CREATE TABLE user_test_numbers (n INTEGER)";
        #[cfg(feature = "mysql")]
        if let Some(database) = &self.mariadb {
            let row = ", id INTEGER INVISIBLE AUTO_INCREMENT PRIMARY KEY)";
            database.execute(&make.replace(')', row));
            return self;
        }
        self.sql().execute_batch(make).expect("a table");
        self
    }

    /// The numbers in that table, sorted.
    pub fn numbers(&self) -> Vec<i64> {
        let mut numbers = self.numbers_as_they_came();
        numbers.sort_unstable();
        numbers
    }

    pub fn numbers_as_they_came(&self) -> Vec<i64> {
        #[cfg(feature = "mysql")]
        if let Some(database) = &self.mariadb {
            return database.query("SELECT n FROM user_test_numbers ORDER BY id");
        }
        let connection = self.sql();
        let query = "SELECT n FROM user_test_numbers ORDER BY rowid";
        let mut statement = connection.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("numbers")
    }

    /// Why files were set aside, oldest first.
    pub fn reasons(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = names_in(&self.state.join("rejected"))
            .into_iter()
            .filter(|name| name.ends_with(".reason"))
            .map(|name| self.state.join("rejected").join(name))
            .collect();
        files.sort();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        // One that is being written says nothing yet.
        let reasons = files.iter().map(read);
        reasons
            .filter(|reason: &String| !reason.is_empty())
            .collect()
    }

    #[track_caller]
    pub fn wait_for_reason(&self, text: &str) {
        wait_until(&format!("a file set aside because {text:?}"), || {
            self.reasons().iter().any(|reason| reason.contains(text))
        });
    }

    /// Waits until no call file is held: an answer can be read before its file goes.
    #[track_caller]
    pub fn at_rest(&self) {
        wait_until("no call file is held", || {
            !self.files().iter().any(|name| name.ends_with(".taken"))
        });
    }

    /// The names in scriptdata, sorted.
    pub fn files(&self) -> Vec<String> {
        names_in(&self.scriptdata())
    }
}

impl Drop for Vpid {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the log of this vpid:\n{}", self.log());
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.filter_map(Result::ok);
    // Those with a dot are vpid's own, such as its lock.
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}
