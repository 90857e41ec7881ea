//! How much a game that only reports gets through the signed link: one host against the built daemon, whose events a
//! Python script counts. Nothing is called meanwhile, so acknowledgements come alone.
//!
//! `cargo bench --bench link [-- --seconds 10]` prints a table.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;
use vpid::limits;

const KEY: &str = "Zk4tq7Rw2mXc9Lp0Hs6Vb3Ny8Jd5Gf1TaQeUiOoPAsDfGhJk";
const PATIENCE: Duration = Duration::from_secs(30);
const SCRIPT: &str = "\
count = 0
def OnEvent(name, data, script):
    global count
    count += 1
def counted():
    return count
";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments
        .iter()
        .position(|argument| argument == "--seconds");
    let text = place.and_then(|place| arguments.get(place + 1));
    let seconds = text.map_or(5.0, |text| text.parse().expect("seconds"));
    let time = Duration::from_secs_f64(seconds);
    println!(
        "| events in a file | files a second | events a second | processor time of vpid for a file, µs | counted by \
         the script |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let event = json!({"emit": "hit", "data": 250, "script": "duels.nut"});
    // As large as a file of a game may be, with its frame.
    let room = limits::SIGNED_GAME_BYTES_MAX - 2 * limits::SIGNED_FRAME_BYTES;
    let most = room / (event.to_string().len() + 1);
    for events in [1, 100, most] {
        measure(&vec![event.clone(); events], time);
    }
}

fn measure(messages: &[Value], time: Duration) {
    let folder = TempDir::new().expect("a folder");
    let daemon = Daemon::start(folder.path());
    let scriptdata = folder.path().join("scriptdata");
    let game = SignedGame::connect(&scriptdata, "bench", KEY.as_bytes(), PATIENCE);
    let mut game = game.expect("a session");
    // A call waits until the script is loaded.
    assert_eq!(counted(&mut game), 0);
    let (mut files, began, used_us) = (0_u64, Instant::now(), daemon.used_us());
    while began.elapsed() < time {
        while game.receive(Duration::ZERO).expect("good files").is_some() {}
        if game.room() == 0 {
            game.wait(PATIENCE).expect("the folder is watched");
            continue;
        }
        game.send(messages).expect("a file can be written");
        files += 1;
    }
    let took = began.elapsed().as_secs_f64();
    let events = files * messages.len() as u64;
    let counted = counted(&mut game);
    println!(
        "| {} | {:.0} | {:.0} | {:.0} | {counted} of {events} |",
        messages.len(),
        files as f64 / took,
        events as f64 / took,
        (daemon.used_us() - used_us) / files as f64
    );
}

fn counted(game: &mut SignedGame) -> Value {
    while game.room() == 0 {
        game.wait(PATIENCE).expect("the folder is watched");
        while game.receive(Duration::ZERO).expect("good files").is_some() {}
    }
    let call = GameCall::new("bench.nut", "counter.counted", Value::Null);
    let answer = game.call(call, PATIENCE).expect("files");
    answer.expect("a response in time").expect("a number")
}

/// Ends with this.
struct Daemon(Child);

impl Daemon {
    fn start(folder: &Path) -> Self {
        let scripts = folder.join("scripts");
        for folder in [&folder.join("scriptdata"), &scripts] {
            fs::create_dir(folder).expect("a folder");
        }
        fs::write(scripts.join("counter.py"), SCRIPT).expect("a script");
        let config = format!(
            "state_dir = '{0}/state'\n[database]\ntype = 'none'\n[[server]]\n\
             scriptdata = '{0}/scriptdata'\nkey = '{KEY}'\n[scripts]\ndir = '{0}/scripts'\n\
             queue = 1_000_000\n",
            folder.display()
        );
        let path = folder.join("vpid.toml");
        fs::write(&path, config).expect("a configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
        command.arg("run").arg("--config").arg(&path);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("vpid starts"))
    }
}

impl Daemon {
    /// The processor time of all its threads so far, without that of scripts.
    fn used_us(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("a process");
        let of_each = threads.flatten().map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let ns = text.split_whitespace().next();
            ns.and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
        });
        of_each.sum::<f64>() / 1e3
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
