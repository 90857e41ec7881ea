//! `vpid run --exec`: one command for vpid and the game, as panels start it. The game is a shell script.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use vpid::io::lock::Lock;

use crate::support::{Vpid, program, wait_for, wait_until};

/// Reads its console, and notes what it does in `FOLDER/game`: its first argument.
const GAME: &str = r#"
cd "$1" || exit 9
trap 'echo TERM >> game; exit 5' TERM
trap 'echo USR1 >> game' USR1
echo $$ > pid
echo "starts $2, variables of vpid: $(env | grep -c -e ^VPI -e ^NOTIFY)" >> game
echo "hello from the game"
while :; do
    if read -r line; then
        echo "reads $line" >> game
        case "$line" in quit) exit 0 ;; crash) exit 7 ;; esac
    else
        [ -e closed ] || { : > closed; }
        echo x >> alive
        sleep 0.05
    fi
done
"#;

struct WithGame {
    vpid: Vpid,
    child: Child,
}

impl WithGame {
    fn start(vpid: Vpid, options: &[&str]) -> Self {
        vpid.write_config();
        fs::write(vpid.path("game.sh"), GAME).unwrap();
        let file = |name: &str| File::create(vpid.path(name)).unwrap();
        let child = program()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("VPI_PASSWORD", "unused")
            .env("VPID_LOG", "info")
            .args(["run", "--exec", "--config"])
            .arg(vpid.config_path())
            .args(options)
            .args(["--", "sh"])
            .arg(vpid.path("game.sh"))
            .arg(vpid.path(""))
            .arg("-game")
            .stdin(Stdio::piped())
            .stdout(file("stdout"))
            .stderr(file("log"))
            .spawn()
            .unwrap();
        Self { vpid, child }
    }

    fn started(options: &[&str]) -> Self {
        let game = Self::start(Vpid::new(), options);
        game.wait_for("starts");
        game
    }

    fn notes(&self) -> String {
        fs::read_to_string(self.vpid.path("game")).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_until(text, || self.notes().contains(text));
    }

    #[track_caller]
    fn wait_for_starts(&self, times: usize) {
        wait_until("starts", || self.notes().matches("starts").count() == times);
    }

    fn type_in(&mut self, line: &str) {
        let console = self.child.stdin.as_mut().unwrap();
        console.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("vpid ends", || child.try_wait().unwrap())
    }

    fn number_in(&self, file: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.vpid.path(file)).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn daemon(&self) -> Pid {
        wait_for("the daemon's number", || self.number_in("state/vpid.lock"))
    }

    /// The game goes on: after the end of its console it still does something.
    #[track_caller]
    fn goes_on(&self) {
        let alive = || fs::metadata(self.vpid.path("alive")).map_or(0, |file| file.len());
        wait_until("the game sees the end of its console", || alive() > 0);
        let before = alive();
        // More than one of them can be under way.
        wait_until("the game does something", || alive() > before + 4);
    }
}

impl Drop for WithGame {
    fn drop(&mut self) {
        if let Some(pid) = self.number_in("pid") {
            let _ = kill_process(pid, Signal::KILL);
        }
        // The daemon ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_game_starts_when_vpid_serves_and_quit_at_the_console_ends_both() {
    let mut game = WithGame::started(&["--restart", "always"]);
    assert!(game.vpid.log().contains(" serves /"), "{}", game.vpid.log());
    assert!(
        game.notes().contains("starts -game, variables of vpid: 0"),
        "{}",
        game.notes()
    );
    game.vpid.host("my_server").ping();
    game.type_in("say hello");
    game.wait_for("reads say hello");
    game.type_in("quit");
    assert_eq!(game.ended().code(), Some(0), "{}", game.vpid.log());
    let log = game.vpid.log();
    assert!(log.lines().all(|line| line.starts_with("[vpid] ")), "{log}");
    assert!(log.contains("stopped"), "{log}");
    // What the game writes is its own.
    let shown = fs::read_to_string(game.vpid.path("stdout")).unwrap();
    assert_eq!(shown, "hello from the game\n");
}

#[test]
fn a_game_that_crashes_is_started_again_or_its_exit_code_is_ours() {
    let mut game = WithGame::started(&[]);
    game.type_in("crash");
    assert_eq!(game.ended().code(), Some(7));

    let mut game = WithGame::started(&["--restart", "on-failure"]);
    game.type_in("crash");
    game.wait_for_starts(2);
    kill_process(game.number_in("pid").unwrap(), Signal::KILL).unwrap();
    game.wait_for_starts(3);
    game.type_in("quit");
    assert_eq!(game.ended().code(), Some(0));
    assert!(game.vpid.log().contains("by signal 9; it starts again in"));

    let game = &mut WithGame::started(&[]);
    kill_process(game.number_in("pid").unwrap(), Signal::KILL).unwrap();
    assert_eq!(game.ended().code(), Some(128 + 9));
}

#[test]
fn signals_reach_the_game_and_none_starts_it_again() {
    let mut game = WithGame::started(&["--restart", "always"]);
    game.signal(Signal::USR1);
    // The script handles it when its read returns.
    game.type_in("now");
    game.wait_for("USR1");
    let before = game.vpid.log();
    game.signal(Signal::HUP);
    wait_until("a reload", || {
        game.vpid.log()[before.len()..].contains("reloaded")
    });
    game.signal(Signal::TERM);
    assert_eq!(game.ended().code(), Some(5), "{}", game.vpid.log());
    assert!(game.notes().ends_with("TERM\n"), "{}", game.notes());
}

#[test]
fn a_daemon_that_is_killed_is_started_again_and_the_game_does_not_notice() {
    let mut game = WithGame::started(&[]);
    let daemon = game.daemon();
    kill_process(daemon, Signal::KILL).unwrap();
    wait_until("vpid serves again", || {
        game.vpid.log().matches(" serves /").count() == 2
    });
    assert_ne!(game.daemon(), daemon);
    game.vpid.host("my_server").ping();
    assert_eq!(game.notes().matches("starts").count(), 1);
    game.type_in("crash");
    assert_eq!(game.ended().code(), Some(7));
}

#[test]
fn the_game_goes_on_when_all_of_vpid_is_killed() {
    let game = WithGame::started(&[]);
    game.daemon();
    game.signal(Signal::KILL);
    // The daemon does not stay behind.
    let state = game.vpid.path("state");
    wait_until("the daemon ends", || Lock::of_state(&state).is_ok());
    game.goes_on();
}

#[test]
fn without_a_good_configuration_the_game_is_not_started() {
    let mut game = WithGame::start(Vpid::new().setting("nonsense = 1"), &[]);
    assert_eq!(game.ended().code(), Some(3));
    let log = game.vpid.log();
    assert!(
        log.contains("nonsense") && log.contains("was not started"),
        "{log}"
    );
    assert_eq!(game.notes(), "");
}

#[test]
fn a_vpid_that_cannot_serve_yet_is_started_again_and_the_game_waits_for_it() {
    let vpid = Vpid::new();
    let state = vpid.path("state");
    fs::create_dir(&state).unwrap();
    let held = Lock::of_state(&state).unwrap();
    let mut game = WithGame::start(vpid, &[]);
    wait_until("vpid ends", || {
        game.vpid
            .log()
            .contains("before it served, and starts again")
    });
    assert!(game.child.try_wait().unwrap().is_none());
    assert_eq!(game.notes(), "");
    drop(held);
    game.wait_for("starts");
    assert!(game.vpid.log().contains(" serves /"), "{}", game.vpid.log());
    game.type_in("quit");
    assert_eq!(game.ended().code(), Some(0), "{}", game.vpid.log());
}

#[test]
fn the_end_of_the_console_ends_nothing() {
    let mut game = WithGame::started(&[]);
    drop(game.child.stdin.take());
    // vpid still does what it is asked, and has sent the game nothing.
    let before = game.vpid.log();
    game.signal(Signal::HUP);
    wait_until("a reload", || {
        game.vpid.log()[before.len()..].contains("reloaded")
    });
    game.vpid.host("my_server").ping();
    assert!(!game.notes().contains("TERM"), "{}", game.notes());
    // That it notes this shows that it ran until then.
    game.signal(Signal::TERM);
    assert_eq!(game.ended().code(), Some(5), "{}", game.vpid.log());
    assert!(game.notes().ends_with("TERM\n"), "{}", game.notes());
}

#[test]
fn scripts_are_brought_up_to_date_before_the_start() {
    let vpid = Vpid::new().signed();
    fs::create_dir_all(vpid.path("scripts/vscripts")).unwrap();
    // A fresh game: it has not written its first file.
    fs::write(vpid.path("gameinfo.txt"), "").unwrap();
    fs::remove_dir(vpid.scriptdata()).unwrap();
    let mut game = WithGame::start(vpid, &["--install-scripts"]);
    game.wait_for("starts");
    game.vpid.host("my_server").ping();
    let log = game.vpid.log();
    assert!(!log.contains("cannot be opened"), "{log}");
    let script = fs::read_to_string(game.vpid.path("scripts/vscripts/vpi.nut")).unwrap();
    assert!(script.contains(crate::support::KEY));
    game.type_in("quit");
    assert!(game.ended().success());
    assert!(
        game.vpid.log().contains("game scripts of version"),
        "{}",
        game.vpid.log()
    );
}

#[test]
fn a_wrong_command_line_says_what_is_missing() {
    for (arguments, words) in [
        (&["run", "--exec"][..], "--exec needs the game behind --"),
        (
            &["run", "--exec", "--restart", "often", "--", "x"],
            "one of never, on-failure, always",
        ),
        (&["run", "--restart", "always"], "--restart is for --exec"),
        (&["run", "--", "game"], "game"),
    ] {
        let output = program().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_egg_starts_vpid_with_options_and_variables_that_it_has() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/egg-vpid-tf2.json");
    let egg: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let startup = egg["startup"].as_str().unwrap();
    let (of_vpid, of_game) = startup.split_once(" -- ").unwrap();
    assert!(of_game.starts_with("./srcds_run -game tf "), "{of_game}");
    let options: Vec<&str> = of_vpid
        .split(' ')
        .skip_while(|word| *word != "--exec")
        .collect();
    let variables = egg["variables"].as_array().unwrap();
    let names = variables
        .iter()
        .map(|it| it["env_variable"].as_str().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    for name in names
        .iter()
        .filter(|name| of_game.contains(&format!("{{{{{name}}}}}")))
    {
        assert!(!name.starts_with("VPI"), "the game would get {name}");
    }
    assert!(names.len() > 5);
    assert_eq!(vpid::config::unknown_variables(names), [""; 0]);
    let install = egg["scripts"]["installation"]["script"].as_str().unwrap();
    let mut shell = std::process::Command::new("sh");
    let mut shell = shell.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(install.as_bytes())
        .unwrap();
    assert!(shell.wait().unwrap().success());

    let mut game = WithGame::started(&options[1..]);
    game.type_in(egg["config"]["stop"].as_str().unwrap());
    assert_eq!(game.ended().code(), Some(0), "{}", game.vpid.log());
}
