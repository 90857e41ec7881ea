//! What the engine of a game says, and who says it: its log, `status`, and names in both.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fake_rcon::{FakeServer, Player, Trouble};
use serde_json::json;

use crate::support::{Client, Community, Visitor, Vpid, stays, wait_until};

const RECORDER: &str = include_str!("../python/recorder.py");

/// Who is on, as scripts see it: names in the order of their userids.
fn on(client: &mut Client) -> Vec<String> {
    let players = client.ask("people.on", json!({}));
    let players = players.as_array().expect("a list").iter();
    players
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

const PEOPLE: &str = "import game\n\ndef on():\n    return [p.name for p in game.players()]\n\n\
                      def find(name):\n    found = game.player(name)\n    \
                      return found and found.userid\n";

/// A vpid with RCON alone, and a script that says who is on.
fn with_rcon(address: SocketAddr) -> (Vpid, Client) {
    let vpid = Vpid::new().rcon(address, "word").script("people", PEOPLE);
    let vpid = vpid.with_running(&["people"]);
    let client = Client::stock(&vpid);
    (vpid, client)
}

#[test]
fn a_status_with_fewer_rows_than_its_heading_removes_nobody() {
    let game = FakeServer::new("Big", "cp_badlands");
    for userid in 1..=30 {
        game.join(Player::new(
            userid,
            &format!("p{userid}"),
            &format!("[U:1:{userid}]"),
        ));
    }
    let rcon = game.start("word");
    let (vpid, mut client) = with_rcon(rcon.address());
    wait_until("all are known", || on(&mut client).len() == 30);
    game.leave_rows_out(17);
    let looks = || rcon.commands().len();
    let before = looks();
    wait_until("two looks", || looks() >= before + 2);
    assert_eq!(on(&mut client).len(), 30);
    vpid.wait_for_log("do not match its own heading");
    // Who leaves is gone when it is whole again.
    game.leave(30);
    game.leave_rows_out(0);
    wait_until("the one who left is gone", || on(&mut client).len() == 29);
}

#[test]
fn a_name_over_lines_gets_nobody_else_kicked() {
    for name in [
        "\n#12\"",
        "\nplain\nlines",
        "x\" BOT active\n#12 \"",
        "\" [U:1:7] 0:1 1 0 active\n#12 \"",
    ] {
        let community = Community::new().started();
        let admin = community.admin(2, "admin");
        let mut banned = Visitor::new(14, "rogue");
        community.log.connects(&banned);
        community.log.says(&admin, "!ban #14 permanent cheating");
        community.wait_until_sent();
        community.log.leaves(&banned);
        (banned.userid, banned.name) = (15, name.to_owned());
        community.enters(&Visitor::new(12, "innocent"));
        community.enters(&banned);
        // Something makes it look.
        community
            .log
            .line("\"a<9><[U:1:1]><>\" say \"x\"y<8><[U:1:2]><>\" say \"z\"");
        if name.starts_with('\n') {
            community.kicked(&banned);
        }
        stays("nobody else is kicked", Duration::from_millis(500), || {
            community.kicks(12) == 0
        });
        community.all_well();
    }
}

#[test]
fn a_forged_line_kicks_nobody_whom_status_knows_better() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let banned = Visitor::new(15, "rogue");
    community.joins(&banned);
    community.log.says(&admin, "!ban #15 permanent cheating");
    community.kicked(&banned);
    community.wait_until_sent();
    community.log.leaves(&banned);
    let innocent = Visitor::new(12, "innocent");
    community.joins(&innocent);
    let newcomer = Visitor::new(13, "newcomer");
    community.enters(&newcomer);
    // As a map's script can make the engine write it.
    for userid in [12, 13, 99] {
        let forged = Visitor {
            userid,
            ..banned.clone()
        };
        community.log.connects(&forged);
    }
    stays(
        "nobody is kicked for it",
        Duration::from_millis(1_500),
        || community.game.kicked().len() == 1,
    );
    community.all_well();
}

#[test]
fn who_looks_like_another_is_asked_about() {
    let community = Community::configured(|vpid| vpid.signed().script("people", PEOPLE)).started();
    community.vpid.run_all(&["people"]);
    let admin = community.admin(2, "admin");
    community.joins(&Visitor::new(101, "Bob"));
    let alike = Visitor::new(102, "Bob\u{200b}");
    community.joins(&alike);
    let asked = "may be any of these: #101 Bob, #102 Bob";
    community.log.says(&admin, "!warn bob being rude");
    community.told(&admin, asked);
    community.log.says(&admin, "!ban Bob 5 being rude");
    community.told_times(&admin, asked, 2);
    let mut client = Client::stock(&community.vpid);
    let answer = client.ask("people.find", json!({"name": "Bob"}));
    let text = answer.to_string();
    assert!(
        text.contains("PlayerAmbiguous") && text.contains("#101 Bob, #102 Bob"),
        "{text}"
    );
    assert!(community.vyhub.warnings().is_empty() && community.vyhub.bans().is_empty());
    for (userid, reason) in [(101, "one"), (102, "two")] {
        community
            .log
            .says(&admin, &format!("!ban #{userid} 5 {reason}"));
    }
    wait_until("both are kicked", || {
        community.kicks(101) + community.kicks(102) >= 2
    });
    community.wait_until_sent();
    community.log.says(&admin, "!unban bob");
    community.told_times(&admin, "may be any of these: ", 3);
    community
        .log
        .says(&admin, &format!("!unban {}", alike.steam64()));
    community.told_times(&admin, "is not banned any more.", 1);
    community.log.says(&admin, "!unban bob");
    wait_until("both bans are lifted", || {
        community
            .vyhub
            .bans()
            .iter()
            .all(|ban| ban.status != "ACTIVE")
    });
}

/// Sends guesses as fast as it can, each with a line that would ban.
struct Guesser {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Guesser {
    fn start(to: SocketAddr, line: String, around: u64) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let mut guess = around.saturating_sub(20_000);
            while !stopped.load(Ordering::Relaxed) {
                let text = format!("S{guess}L 11/20/2026 - 08:00:00: {line}\n\0");
                let packet = [b"\xff\xff\xff\xff", text.as_bytes()].concat();
                let _ = socket.send_to(&packet, to);
                count.fetch_add(1, Ordering::Relaxed);
                guess += 1;
            }
        });
        Self {
            stop,
            sent,
            thread: Some(thread),
        }
    }
}

impl Drop for Guesser {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn guesses_get_nowhere_and_the_game_is_heard_all_the_while() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let victim = Visitor::new(7, "victim");
    community.joins(&victim);
    let forged = format!(
        "\"admin<2><{}><Red>\" say \"!ban #7 permanent x\"",
        admin.steam3()
    );
    let guesser = Guesser::start(community.log.to(), forged, community.log.secret());
    wait_until("the secret was among the guesses", || {
        guesser.sent.load(Ordering::Relaxed) > 100_000
    });
    community
        .vpid
        .wait_for_log("packets with a wrong secret, the last one from 127.0.0.1:");
    community.log.says(&admin, "!vyhub");
    community.told(&admin, "connected");
    // The game is started again, and sends from another port. What a flood in full leaves of its lines
    // in the system's queue is a matter of luck.
    drop(guesser);
    let log = community.log.at_another_port();
    let began = Instant::now();
    wait_until("it is read again", || {
        log.says(&admin, "!vyhub");
        std::thread::sleep(Duration::from_millis(50));
        let shown = community.game.shown();
        let told = shown.iter().filter(|it| it.text.contains("connected"));
        told.count() >= 2
    });
    assert_eq!(community.kicks(7), 0);
    assert!(community.vyhub.bans().is_empty() && community.outbox().is_empty());
    let told = community
        .vpid
        .log()
        .matches("packets with a wrong secret")
        .count();
    assert!(
        told <= 1 + began.elapsed().as_secs() as usize / 60,
        "{told} times"
    );
}

#[test]
fn the_secret_is_the_text_that_other_tools_have_set() {
    for digits in ["7340128876543210", "0012345", "18446744073709551615"] {
        let community = Community::with_secret(digits).started();
        let admin = community.admin(2, "admin");
        community.log.says(&admin, "!vyhub");
        community.told(&admin, "connected");
    }
}

#[test]
fn a_weak_secret_and_a_log_for_all_are_warned_about_at_the_start_and_by_check() {
    let mut vpid = Vpid::new()
        .server_line("log_listen = \"0.0.0.0:27599\"")
        .server_line("log_secret = 1");
    vpid.write_config();
    let said = |vpid: &Vpid| {
        let output = vpid.command(&["check"]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let warnings = [
        "can be reached by other hosts",
        "is soon found out by trying",
    ];
    for part in warnings {
        assert!(said(&vpid).contains(part), "{part}: {}", said(&vpid));
    }
    // Another test, or a game, may have this port.
    vpid.launch();
    wait_until("it has said so", || {
        let log = vpid.log();
        warnings.iter().all(|part| log.contains(part)) || !vpid.is_running()
    });
}

#[test]
fn a_change_of_the_map_that_closes_rcon_is_done_when_the_map_is_there() {
    let game = FakeServer::new("One", "cp_badlands");
    let rcon = game.start("word");
    let vpid = Vpid::new()
        .rcon(rcon.address(), "word")
        .script("recorder", RECORDER);
    let vpid = vpid.with_running(&["recorder"]);
    let mut client = Client::stock(&vpid);
    let mut change = |map: &str| {
        let args = json!([map]);
        client.ask("recorder.do", json!({"what": "change_map", "args": args}))
    };
    rcon.trouble(Trouble::DropAfter);
    let answer = change("cp_dustbowl");
    assert!(!answer.to_string().contains("rror"), "{answer}");
    // It was not run.
    rcon.trouble(Trouble::DropBefore);
    let answer = change("cp_gorge").to_string();
    for part in ["unclear", "cp_gorge was not seen within 8 s"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

#[test]
fn an_answer_is_for_who_asked_and_is_said_to_all_where_there_is_no_script_engine() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    community.log.says(&admin, "!vyhub");
    community.told(&admin, "connected");
    assert_eq!(community.game.said(), [""; 0]);
    community.game.without_script();
    community.log.says(&admin, "!vyhub");
    wait_until("the console says it", || {
        let is_it = |said: &String| said.starts_with("admin: ") && said.contains("connected");
        community.game.said().iter().any(is_it)
    });
    community
        .vpid
        .wait_for_log("this game has no console command `script`");
    community.all_well();
}

#[test]
fn vyhub_is_told_the_slots_that_players_see() {
    let community = Community::new();
    community.game.with_sourcetv();
    community.game.set_visible_slots(20);
    let community = community.started();
    community.wait_for_vyhub("a status", |state| !state.statuses().is_empty());
    let status = community.vyhub.last_status().expect("just looked");
    assert_eq!(status["users_max"], json!(20));
    community.all_well();
}

/// Nothing secret is in what operators read.
#[test]
fn a_log_secret_is_in_no_log() {
    let community = Community::with_secret("7340128876543210").started();
    community
        .log
        .send(b"S7340128876543211L 11/20/2026 - 08:00:00: x\n\0");
    community.vpid.wait_for_log("packets with a wrong secret");
    let check = community.vpid.command(&["check"]);
    let text = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
    for text in [community.vpid.log(), text] {
        assert!(!text.contains("73401288765432"), "{text}");
    }
}
