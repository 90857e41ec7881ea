//! A private MariaDB server for tests: in a temporary folder, by a socket in it, gone with the
//! test process however that ends. `VPID_TEST_MYSQLD` names a mysqld to take in its place.

use rustix::process::{Pid, Signal, getuid, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The user that every server knows. It may do everything.
pub const USER: &str = "vpid";
pub const PASSWORD: &str = "secret of vpid";

/// Small, and quick to start. What a crash of the server must not lose is written as it would
/// be anywhere; what a crash of the machine must not lose is not.
const SMALL: [&str; 11] = [
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--key-buffer-size=64K",
    "--loose-aria-pagecache-buffer-size=1M",
    "--loose-mysqlx=0",
    "--max-allowed-packet=16M",
    "--performance-schema=0",
];

const INIT: &str = "CREATE USER IF NOT EXISTS 'vpid'@'localhost' IDENTIFIED BY 'secret of vpid';
GRANT ALL ON *.* TO 'vpid'@'localhost' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS 'vpid'@'%' IDENTIFIED BY 'secret of vpid';
GRANT ALL ON *.* TO 'vpid'@'%' WITH GRANT OPTION;
";

/// A running server, or one that was killed and can be started again.
pub struct Server {
    folder: PathBuf,
    options: Vec<String>,
    port: Option<u16>,
    child: Option<Child>,
    /// Ends the server and removes the folder when this pipe closes, which it does at the latest
    /// with the process.
    guardian: (Child, Option<ChildStdin>),
}

impl Server {
    /// One that listens on a socket only.
    pub fn start() -> Self {
        Self::start_with(false, &[])
    }

    /// With a port of 127.0.0.1 as well, and these options of mariadbd.
    pub fn with_port(options: &[&str]) -> Self {
        Self::start_with(true, options)
    }

    fn start_with(tcp: bool, options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("db")
            .expect("a temporary folder")
            .keep();
        let guardian = guardian(&folder);
        copy(template(), &folder.join("data"));
        fs::write(folder.join("init.sql"), INIT).expect("a file in a temporary folder");
        let mut server = Self {
            folder,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            port: tcp.then(free_port),
            child: None,
            guardian,
        };
        server.restart();
        server
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Where certificates and the like can lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn port(&self) -> u16 {
        self.port.expect("a server with a port")
    }

    /// As a power cut would: at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a server to kill");
            child.wait().expect("its end");
        }
    }

    /// Starts it (again), and waits until it takes connections.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(mysqld().unwrap_or_else(|| program("mariadbd")));
        command
            .arg("--no-defaults")
            .args(as_root())
            .arg(format!("--datadir={}", self.folder.join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.folder.join("p").display()))
            .arg(format!(
                "--init-file={}",
                self.folder.join("init.sql").display()
            ))
            .args(SMALL)
            .args(["--skip-log-bin", "--skip-name-resolve"]);
        match self.port {
            None => command.arg("--skip-networking"),
            Some(port) => command
                .arg("--bind-address=127.0.0.1")
                .arg(format!("--port={port}")),
        };
        command.args(&self.options);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("mariadbd can be started");
        fs::write(self.folder.join("child"), child.id().to_string()).expect("a note of it");
        let mut said = String::new();
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        while !said.contains("ready for connections") {
            let read = log.read_line(&mut said).expect("lines of mariadbd");
            assert!(read > 0, "mariadbd did not start:\n{said}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.child = Some(child);
    }

    /// From here to `go_on` it does nothing, and its connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // On a busy machine, its threads go on for a while.
        let child = self.child.as_ref().expect("a running server");
        while !is_stopped(child.id()) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a running server");
        let pid = Pid::from_child(child);
        kill_process(pid, signal).expect("a signal to a child");
    }
}

/// Whether all threads of a process are stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let mut states = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        // Behind the name, which may contain anything.
        stat.rsplit_once(") ")?.1.chars().next()
    });
    states.all(|state| state == 'T')
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        drop(self.guardian.1.take());
        let _ = self.guardian.0.wait();
    }
}

/// Waits for the end of this process. A signal to a parent's death would come too early: it
/// means the thread that started the server.
fn guardian(folder: &Path) -> (Child, Option<ChildStdin>) {
    let script = "cat > /dev/null; kill -9 \"$(cat \"$0/child\")\" 2> /dev/null; rm -rf \"$0\"";
    let mut guardian = Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell");
    let pipe = guardian.stdin.take();
    (guardian, pipe)
}

/// A fresh data folder, made once in this process.
fn template() -> &'static Path {
    struct Template {
        folder: PathBuf,
        _guardian: (Child, Option<ChildStdin>),
    }
    static MADE: OnceLock<Template> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = TempDir::with_prefix("db")
            .expect("a temporary folder")
            .keep();
        let guardian = guardian(&folder);
        let (maker, how) = match mysqld() {
            Some(mysqld) => (mysqld, ["--initialize-insecure", "--skip-log-bin"]),
            None => (
                program("mariadb-install-db"),
                ["--auth-root-authentication-method=normal", "--skip-test-db"],
            ),
        };
        let made = Command::new(maker)
            .arg("--no-defaults")
            .args(as_root())
            .arg(format!("--datadir={}", folder.join("data").display()))
            .args(how)
            .args(SMALL)
            .stdin(Stdio::null())
            .output()
            .expect("a data folder can be made");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "no data folder was made:\n{said}");
        Template {
            folder: folder.join("data"),
            _guardian: guardian,
        }
    });
    &made.folder
}

/// It runs as root only on request.
fn as_root() -> Option<&'static str> {
    getuid().is_root().then_some("--user=root")
}

/// Whether the servers are no MariaDB.
pub fn is_another() -> bool {
    mysqld().is_some()
}

fn mysqld() -> Option<PathBuf> {
    std::env::var_os("VPID_TEST_MYSQLD").map(PathBuf::from)
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    let mut found = folders.map(|folder| folder.join(name));
    found
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: install mariadb-server"))
}

/// Free now; no other program is likely to take it before the server does.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder for data");
    for entry in fs::read_dir(from).expect("a folder of data") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_server_comes_back_and_goes() {
        let mut server = Server::start();
        UnixStream::connect(server.socket()).unwrap();
        server.kill();
        server.restart();
        UnixStream::connect(server.socket()).unwrap();
        let folder = server.folder().to_owned();
        drop(server);
        assert!(!folder.exists());
    }
}
