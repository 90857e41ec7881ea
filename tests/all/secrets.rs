//! Keys and passwords: where they go, and who can look into the process that has them.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Community, KEY, Vpid};

/// What programs take a proxy from.
const PROXY_VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "PROXY",
    "proxy",
];

/// A proxy that connects nobody and keeps what it is sent.
struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                noted.lock().unwrap().extend_from_slice(b"(a connection)");
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || {
                    let mut bytes = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        noted.lock().unwrap().extend_from_slice(&bytes[..count]);
                    }
                });
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

#[test]
fn no_proxy_of_the_environment_gets_the_key_of_vyhub() {
    let recorder = Recorder::start();
    let proxy = format!("http://{}", recorder.address);
    let mut community = Community::configured(|vpid| {
        PROXY_VARIABLES
            .into_iter()
            .fold(vpid, |vpid, name| vpid.variable(name, &proxy))
    })
    .started();
    assert!(!community.vyhub.requests().is_empty());
    let before = community.vyhub.requests().len();
    let check = community.vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("the key is valid"), "{said}");
    assert!(community.vyhub.requests().len() > before);
    assert_eq!(recorder.seen(), "");

    // Of one on another machine, encrypted or not, no proxy is asked either, and that is said.
    community.vpid.stop();
    let elsewhere = Vpid::new()
        .variable("HTTPS_PROXY", &proxy)
        .variable("ALL_PROXY", &proxy)
        .vyhub_line("api_url = \"https://vyhub.invalid/name/v1\"")
        .vyhub_line("api_key = \"the-key-that-nobody-sees\"")
        .server_line("vyhub_server_id = \"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\"")
        .started();
    elsewhere.wait_for_log("VyHub cannot be reached");
    elsewhere.wait_for_log("the environment has HTTPS_PROXY, and vpid takes no proxy from there");
    let check = elsewhere.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        said.contains("warn  VyHub: the environment has HTTPS_PROXY"),
        "{said}"
    );
    assert_eq!(recorder.seen(), "");
    assert!(!(said + &elsewhere.log()).contains("the-key-that-nobody-sees"));
}

/// Starts the program of descriptor 3 as an ordinary user, and says what this user can read of the
/// process, and of the script that it has started. A parent may do most.
const READER: &str = r#"
import json, os, sys, time

folder, user = sys.argv[1], 65534
if os.geteuid() == 0:
    for path in [folder] + [os.path.join(folder, name) for name in os.listdir(folder)]:
        os.chown(path, user, user)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
pid = os.fork()
if pid == 0:
    log = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY, 0o600)
    os.dup2(log, 2)
    os.execve(3, ["vpid", "run", "--config", folder + "/vpid.toml"],
              {"VPID_LOG": "info", "PATH": os.environ["PATH"]})

def until(look):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    sys.exit("waited in vain: " + open(folder + "/log").read())

def can(act):
    try:
        act()
        return True
    except PermissionError:
        return False

def read(pid):
    return {
        "memory": can(lambda: open(f"/proc/{pid}/mem", "rb").close()),
        "environment": can(lambda: open(f"/proc/{pid}/environ", "rb").read()),
        "descriptors": can(lambda: os.listdir(f"/proc/{pid}/fd")),
    }

try:
    script = until(lambda: os.path.exists(folder + "/pid") and open(folder + "/pid").read())
    print(json.dumps({
        "vpid": read(pid),
        "script": can(lambda: open(f"/proc/{script}/environ", "rb").read()),
        "core": [line.split()[4] for line in open(f"/proc/{pid}/limits") if "core file" in line],
        "user": os.geteuid(),
    }))
finally:
    os.kill(pid, 15)
    os.waitpid(pid, 0)
"#;

#[test]
fn the_memory_of_vpid_is_closed_to_its_own_user() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["scriptdata", "scripts"] {
        fs::create_dir(at(name)).unwrap();
    }
    let text = format!(
        "[[server]]\nscriptdata = '{}'\nkey = '{KEY}'\n[scripts]\ndir = '{}'\n",
        at("scriptdata").display(),
        at("scripts").display()
    );
    fs::write(at("vpid.toml"), text).unwrap();
    let script = format!(
        "import os\nwith open('{0}.new', 'w') as file:\n    file.write(str(os.getpid()))\n\
         os.rename('{0}.new', '{0}')\n",
        at("pid").display()
    );
    fs::write(at("scripts/one.py"), script).unwrap();
    let reader = Command::new("sh")
        .args(["-c", "exec python3 -c \"$1\" \"$2\" 3<\"$3\"", "sh", READER])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_vpid"))
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&reader.stdout).into_owned();
    let found: Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&reader.stderr)));
    for what in ["memory", "environment", "descriptors"] {
        assert_eq!(found["vpid"][what], false, "{found}");
    }
    // What it has started is as open as ever, for debuggers of the owner's.
    assert_eq!(found["script"], true, "{found}");
    assert_eq!(found["core"][0], "0", "{found}");
}

/// What a script finds open beside its standard streams.
const OPEN_FILES: &str = r#"
import os
import game

def descriptors():
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append((int(name), os.readlink("/proc/self/fd/" + name)))
        except OSError:
            pass  # That of the listing.
    return [[number, path] for number, path in found if number > 2]
"#;

#[test]
fn no_descriptor_of_vpids_goes_to_what_it_starts() {
    let community = Community::configured(|vpid| vpid.signed().script("one", OPEN_FILES)).started();
    let vpid = &community.vpid;
    vpid.wait_for_state("one", "running");
    let mut host = vpid.host("my_server");
    host.ask("VPI_Ping", Value::Null);
    let open = host.ask("one.descriptors", Value::Null);
    let foreign: Vec<&Value> = open
        .as_array()
        .expect("a list")
        .iter()
        .filter(|it| it[1].as_str().is_some_and(|path| !is_pythons_own(path)))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    // And none would, whatever is started: all are closed by exec.
    let pid = vpid.pid();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let path = entry.unwrap().path();
        let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        let target = fs::read_link(format!("/proc/{pid}/fd/{number}"));
        // Whoever runs the tests may have left us some.
        let ours = fs::read_link(format!("/proc/self/fd/{number}"));
        let is_foreign = target.as_ref().ok() == ours.as_ref().ok();
        let closed = flags & 0o2_000_000 != 0;
        assert!(number <= 2 || is_foreign || closed, "{number}: {target:?}");
    }
}

/// Those that Python and its event loop make for themselves.
fn is_pythons_own(path: &str) -> bool {
    path == "/dev/null"
        || path.starts_with("anon_inode:")
        || path.starts_with("socket:")
        || path.starts_with("pipe:")
}

/// In every secret below.
const MARK: &str = "geheim0987";

/// What `vpid check` and `vpid init` say about a configuration that cannot be used.
fn said_of(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scriptdata")).unwrap();
    let path = folder.path().join("vpid.toml");
    fs::write(&path, config).unwrap();
    let mut said = String::new();
    for command in ["check", "init"] {
        let mut program = crate::support::program();
        let output = program.args([command, "--config"]).arg(&path).output();
        let output = output.expect("vpid can be spawned");
        assert!(!output.status.success(), "{command}: {config}");
        said += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
    }
    said
}

#[test]
fn no_secret_stands_in_a_sentence_about_a_wrong_configuration() {
    let server = |line: &str| format!("[[server]]\nscriptdata = 'scriptdata'\n{line}\n");
    let good = server(&format!("key = '{KEY}'"));
    let with = |text: &str| format!("{good}{text}\n");
    let broken = [
        // No TOML, at the secret and behind it.
        server(&format!("key = '{MARK}")),
        server(&format!("key = \"{MARK}\\q\"")),
        server(&format!("key = {MARK}")),
        server(&format!("key = '{MARK}' '{MARK}'")),
        server(&format!("key = ['{MARK}']")),
        server(&format!("key = {{ a = '{MARK}' }}")),
        server(&format!("key = '{MARK}'\nkey = '{MARK}'")),
        // Not what it must be.
        server(&format!("key = '{MARK}'")),
        server(&format!("key = '{MARK} {MARK} {MARK} {MARK}'")),
        server(&format!("legacy_secret = '{MARK}\u{e4}'")),
        server(&format!("kee = '{MARK}'")),
        with("rcon = '127.0.0.1:1'\nrcon_password = 'geheim0987\"'"),
        with("rcon = '127.0.0.1:1'\nrcon_password = 'geheim0987\\nx'"),
        with("log_listen = '127.0.0.1:1'\nlog_secret = 'geheim0987'"),
        with(&format!("rcon = '{MARK}@127.0.0.1:1'\nrcon_password = 'x'")),
        with(&format!(
            "[vyhub]\napi_url = 'https://me:{MARK}@vyhub.example/v1'\napi_key = 'x'"
        )),
        with(&format!(
            "[vyhub]\napi_url = 'https://vyhub.example/v1?key={MARK}'\napi_key = 'x'"
        )),
        with(&format!("[vyhub]\napi_url = '{MARK}'\napi_key = 'x'")),
        with(&format!(
            "[vyhub]\napi_url = 'https://vyhub.example/v1'\napi_key = '{MARK} {MARK}'"
        )),
        with(&format!(
            "[vyhub]\napi_url = 'https://vyhub.example/v1'\napi_key = 'x'\nproxy = '{MARK}'"
        )),
        with(&format!(
            "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\npassword = ['{MARK}']"
        )),
        with(&format!("[database]\ntype = 'sqlite'\npassword = '{MARK}'")),
        with(&format!(
            "[database]\ntype = 'mysql'\nhost = 'u:{MARK}@h'\nuser = 'u'\ndatabase = 'd'"
        )),
    ];
    for config in broken {
        let said = said_of(&config);
        assert!(!said.contains(MARK), "{config}\n{said}");
    }
    // A number is one, too.
    let said = said_of(&with(
        "log_listen = '127.0.0.1:1'\nlog_secret = -98765432109",
    ));
    assert!(!said.contains("98765432109"), "{said}");
}

#[test]
fn what_cannot_be_reached_is_named_without_its_secret() {
    let vpid = Vpid::new()
        .signed()
        .vyhub_line("api_url = \"https://127.0.0.1:1/name/v1\"")
        .vyhub_line(&format!("api_key = \"{MARK}\""))
        .server_line("vyhub_server_id = \"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\"")
        .rcon(SocketAddr::from(([127, 0, 0, 1], 1)), MARK)
        .script("one", "import sys\nprint(sys.argv, flush=True)\n")
        .marked()
        .started();
    vpid.wait_for_log("VyHub cannot be reached");
    vpid.wait_for_log("is not reached by RCON");
    vpid.wait_for_state("one", "running");
    let check = vpid.command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("is unreachable"), "{said}");
    assert!(!(said + &vpid.log()).contains(MARK));
    assert_eq!(vpid.log().matches("is not reached by RCON").count(), 1);
    for pid in vpid.processes() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let all = String::from_utf8_lossy(&[line, environment].concat()).into_owned();
        assert!(!all.contains(MARK) && !all.contains(KEY), "{all}");
    }
}
