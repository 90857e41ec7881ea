use super::*;
use crate::config::Password;
use crate::limits::RCON_REPLY_BYTES_MAX;
use crate::protocol::console::Command;
use crate::protocol::rcon::Failure;
use crate::protocol::server_id::ServerId;
use fake_rcon::{FakeRcon, FakeServer, Player, Trouble, Writes};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

const PASSWORD: &str = "rcon of the tests";
/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(30);
/// Nothing is over before its time by accident, and nothing takes long.
const PACE: Pace = Pace {
    connect: Duration::from_secs(10),
    reply: Duration::from_secs(10),
    retry: Duration::ZERO,
    closed_retry: Duration::ZERO,
};

struct Bench {
    console: Console,
    done: Receiver<Done>,
    tickets: u64,
}

impl Bench {
    fn new(address: impl ToString, pace: Pace) -> Self {
        Self::with_password(address, PASSWORD, pace)
    }

    fn with_password(address: impl ToString, password: &str, pace: Pace) -> Self {
        let address = address.to_string();
        let rcon = Rcon {
            address,
            password: Password(password.to_string()),
        };
        let (on_done, done) = mpsc::channel();
        let on_done = move |done| drop(on_done.send(done));
        let console = Console::start_with(ServerId(3), &rcon, pace, on_done);
        Self {
            console,
            done,
            tickets: 0,
        }
    }

    fn submit(&mut self, line: &str) -> u64 {
        self.submit_as(line, false)
    }

    fn submit_as(&mut self, line: &str, is_urgent: bool) -> u64 {
        self.tickets += 1;
        let job = Job {
            ticket: self.tickets,
            line: line.to_string(),
            is_urgent,
        };
        self.console.submit(job);
        self.tickets
    }

    fn next(&self) -> Done {
        self.done.recv_timeout(LONG).expect("every job is reported")
    }

    fn run(&mut self, line: &str) -> Result<String, Failure> {
        let ticket = self.submit(line);
        let done = self.next();
        assert_eq!((done.server.0, done.ticket), (3, ticket));
        done.result
    }
}

/// A game whose reply is the line itself.
fn echo() -> FakeRcon {
    FakeRcon::start(PASSWORD, str::to_string)
}

fn is_away(result: &Result<String, Failure>) -> bool {
    matches!(result, Err(Failure::Away(_)))
}

fn is_unclear(result: &Result<String, Failure>) -> bool {
    matches!(result, Err(Failure::Unclear(_)))
}

#[test]
fn lines_run_in_their_order_on_one_connection() {
    let game = echo();
    let mut bench = Bench::new(game.address(), PACE);
    assert_eq!(game.connections(), 0);
    for number in 0..100 {
        bench.submit(&format!("line {number}"));
    }
    for number in 0..100 {
        let done = bench.next();
        assert_eq!(done.ticket, number + 1);
        assert_eq!(done.result, Ok(format!("line {number}")));
    }
    assert_eq!(
        (game.commands().len(), game.connections(), game.passwords()),
        (100, 1, 1)
    );
}

#[test]
fn replies_are_whole_however_they_are_cut() {
    for writes in [Writes::Each, Writes::Together, Writes::Bytes] {
        for (packet_bytes, reply_bytes) in [(1, 40), (3, 100), (4_096, 30_000), (4_096, 0)] {
            let reply: String = "aé🦀".chars().cycle().take(reply_bytes / 3).collect();
            let expected = reply.clone();
            let game = FakeRcon::start(PASSWORD, move |_| reply.clone());
            game.set_shape(packet_bytes, writes);
            let mut bench = Bench::new(game.address(), PACE);
            for _ in 0..2 {
                assert_eq!(bench.run("cvarlist"), Ok(expected.clone()));
            }
            assert_eq!(game.connections(), 1, "{packet_bytes} {writes:?}");
        }
    }
}

#[test]
fn a_reply_without_measure_is_unclear_and_the_next_line_runs() {
    let long = "x".repeat(RCON_REPLY_BYTES_MAX + 1);
    let game = FakeRcon::start(PASSWORD, move |line| match line {
        "long" => long.clone(),
        _ => "short".to_string(),
    });
    let mut bench = Bench::new(game.address(), PACE);
    assert!(is_unclear(&bench.run("long")));
    assert_eq!(bench.run("status"), Ok("short".to_string()));
}

#[test]
fn an_idle_connection_that_broke_costs_no_line() {
    let game = echo();
    let mut bench = Bench::new(game.address(), PACE);
    for turn in 1..=5 {
        assert_eq!(bench.run("a"), Ok("a".to_string()));
        assert_eq!((game.connections(), game.commands().len()), (turn, turn));
        game.disconnect();
    }
}

#[test]
fn no_line_is_run_twice_whatever_breaks() {
    let game = echo();
    let pace = Pace {
        reply: Duration::from_secs(1),
        ..PACE
    };
    let mut bench = Bench::new(game.address(), pace);
    let ran = [
        (Trouble::DropBefore, 0),
        (Trouble::DropAfter, 1),
        (Trouble::Hang, 1),
        (Trouble::Garbage, 1),
    ];
    for connected in [false, true] {
        for (trouble, times) in ran {
            let line = format!("{trouble:?} {connected}");
            if connected {
                assert_eq!(bench.run("before"), Ok("before".to_string()));
            }
            game.trouble(trouble);
            assert!(is_unclear(&bench.run(&line)), "{line}");
            let commands = game.commands();
            let count = commands.iter().filter(|command| **command == line).count();
            assert_eq!(count, times, "{line}");
        }
    }
    assert_eq!(bench.run("after"), Ok("after".to_string()));
}

#[test]
fn a_wrong_password_is_tried_once() {
    let game = echo();
    let secret = "not the right one";
    let mut bench = Bench::with_password(game.address(), secret, PACE);
    for _ in 0..20 {
        let Err(Failure::Refused(sentence)) = bench.run("status") else {
            panic!("the password is wrong");
        };
        assert!(sentence.contains("restart vpid") && !sentence.contains(secret));
    }
    game.set_password(secret);
    assert!(matches!(bench.run("status"), Err(Failure::Refused(_))));
    assert_eq!((game.connections(), game.passwords()), (1, 1));
    assert!(game.commands().is_empty());
}

#[test]
fn a_game_that_closes_at_the_password_is_left_alone_for_long() {
    let game = echo();
    let pace = Pace {
        closed_retry: LONG * 100,
        ..PACE
    };
    let mut bench = Bench::new(game.address(), pace);
    game.trouble(Trouble::DropAtPassword);
    for _ in 0..20 {
        assert!(is_away(&bench.run("status")));
    }
    assert_eq!(game.connections(), 1);
    let mut bench = Bench::new(game.address(), PACE);
    game.trouble(Trouble::DropAtPassword);
    assert!(is_away(&bench.run("status")));
    assert!(bench.run("status").is_ok());
}

#[test]
fn a_password_that_is_set_again_while_it_is_checked_costs_no_line() {
    let game = echo();
    let pace = Pace {
        closed_retry: LONG * 100,
        ..PACE
    };
    let mut bench = Bench::new(game.address(), pace);
    assert!(bench.run("a").is_ok());
    // As on a new map: what was open is closed, and so is the next one.
    game.disconnect();
    game.trouble(Trouble::DropAtPassword);
    assert_eq!(bench.run("b"), Ok("b".to_string()));
    assert_eq!(
        (game.commands(), game.connections()),
        (vec!["a".into(), "b".into()], 3)
    );
}

#[test]
fn while_a_game_is_away_lines_fail_fast_and_few_try() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let pace = Pace {
        retry: LONG * 100,
        ..PACE
    };
    let mut bench = Bench::new(gone, pace);
    let Err(Failure::Away(sentence)) = bench.run("status") else {
        panic!("nobody listens there");
    };
    assert!(sentence.contains(&gone.to_string()), "{sentence}");
    // Now somebody does, but nobody looks before it is time.
    let game = FakeRcon::start_at(gone, PASSWORD, str::to_string).unwrap();
    for _ in 0..20 {
        assert_eq!(bench.run("status"), Err(Failure::Away(sentence.clone())));
    }
    assert_eq!(game.connections(), 0);
    let mut bench = Bench::new(gone, PACE);
    drop(game);
    assert!(is_away(&bench.run("status")));
    let _game = FakeRcon::start_at(gone, PASSWORD, str::to_string).unwrap();
    assert_eq!(bench.run("status"), Ok("status".to_string()));
}

#[test]
fn a_game_that_hangs_at_the_password_is_away() {
    let game = echo();
    game.trouble(Trouble::HangAtPassword);
    let mut bench = Bench::new(
        game.address(),
        Pace {
            reply: Duration::from_secs(1),
            ..PACE
        },
    );
    assert!(is_away(&bench.run("status")));
    assert!(bench.run("status").is_ok());
    assert_eq!(game.commands(), ["status"]);
}

/// A game that has run one line and is at a second one until it may go on; what comes now waits.
fn held_up() -> (mpsc::Sender<()>, FakeRcon, Bench) {
    let (go, wait) = mpsc::channel::<()>();
    let game = FakeRcon::start(PASSWORD, move |line| {
        if line == "wait" {
            let _ = wait.recv_timeout(LONG);
        }
        String::new()
    });
    let pace = Pace {
        reply: LONG,
        ..PACE
    };
    let mut bench = Bench::new(game.address(), pace);
    assert!(bench.run("connects").is_ok());
    bench.submit("wait");
    while bench.console.workers.with(|fifo| !fifo.jobs.is_empty()) {
        std::thread::yield_now();
    }
    (go, game, bench)
}

#[test]
fn the_queue_has_an_end_and_every_job_a_report() {
    let (go, game, mut bench) = held_up();
    for _ in 0..RCON_QUEUE_MAX + 10 {
        bench.submit("a");
    }
    go.send(()).unwrap();
    let results: Vec<_> = (0..RCON_QUEUE_MAX + 11)
        .map(|_| bench.next().result)
        .collect();
    assert_eq!(results.iter().filter(|result| is_away(result)).count(), 10);
    assert_eq!(game.commands().len(), RCON_QUEUE_MAX + 2);
}

#[test]
fn urgent_lines_go_before_all_others_and_have_room() {
    let (go, game, mut bench) = held_up();
    for _ in 0..RCON_QUEUE_MAX {
        bench.submit("say");
    }
    for line in ["kick 1", "kick 2"] {
        bench.submit_as(line, true);
    }
    go.send(()).unwrap();
    let results: Vec<_> = (0..RCON_QUEUE_MAX + 3)
        .map(|_| bench.next().result)
        .collect();
    assert_eq!(results.iter().filter(|result| is_away(result)).count(), 2);
    assert_eq!(game.commands()[2..5], ["kick 1", "kick 2", "say"]);
}

#[test]
fn a_stop_runs_what_waits_and_never_hangs() {
    let game = echo();
    let mut bench = Bench::new(game.address(), PACE);
    for _ in 0..50 {
        bench.submit("a");
    }
    bench.console.stop(LONG);
    assert_eq!(
        bench.done.iter().filter(|done| done.result.is_ok()).count(),
        50
    );

    let game = echo();
    game.trouble(Trouble::Hang);
    let mut bench = Bench::new(
        game.address(),
        Pace {
            reply: LONG * 100,
            ..PACE
        },
    );
    bench.submit("hangs");
    bench.submit("waits");
    assert!(game.wait_for(|commands| commands.len() == 1, LONG));
    let began = Instant::now();
    bench.console.stop(Duration::from_millis(10));
    assert!(began.elapsed() < LONG);
    let results: Vec<_> = bench.done.iter().map(|done| done.result).collect();
    assert!(
        is_unclear(&results[0]) && is_away(&results[1]),
        "{results:?}"
    );
    assert_eq!(game.commands(), ["hangs"]);

    // Somebody who listens and never speaks.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bench = Bench::new(
        mute.local_addr().unwrap(),
        Pace {
            reply: LONG * 100,
            ..PACE
        },
    );
    bench.submit("waits");
    bench.console.stop(Duration::from_millis(10));
    assert!(bench.done.iter().all(|done| is_away(&done.result)));
}

#[test]
fn what_is_no_rcon_is_away_and_a_flood_is_not_hoarded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 64]);
            while stream.write_all(&[b'x'; 4_096]).is_ok() {}
        }
    });
    let mut bench = Bench::new(address, PACE);
    let Err(Failure::Away(sentence)) = bench.run("status") else {
        panic!("that is no RCON");
    };
    assert!(sentence.contains("is no RCON"), "{sentence}");
}

#[test]
fn a_kick_with_any_reason_reaches_the_game_as_one_command() {
    let server = FakeServer::new("Test", "cp_badlands");
    let game = server.start(PASSWORD);
    let mut bench = Bench::new(game.address(), PACE);
    let reason = "Banned; quit // until {tomorrow} 🦀";
    server.join(Player::new(7, "x\" ; quit", "[U:1:7]"));
    let kick = Command::Kick {
        userid: 7,
        reason: reason.to_string(),
    };
    assert_eq!(bench.run(&kick.line().unwrap()), Ok(String::new()));
    assert_eq!(server.kicked(), [(7, format!("\"{reason}\""))]);
    assert_eq!(server.ran(), [["kickid", "7", reason]]);
    let status = bench.run(&Command::Status.line().unwrap()).unwrap();
    assert!(status.starts_with("hostname: Test\n"));
}
