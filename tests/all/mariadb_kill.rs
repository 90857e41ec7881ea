//! `kill -9` of vpid, of MariaDB and of both, at any moment: no call is lost and none runs twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_mariadb::Server;

use crate::kill::kill_rounds;
use crate::support::mariadb::Database;
use crate::support::{Host, Load, Random, Vpid, insert, wait_until};

/// So long that no caller is told that the database is away: then every number must be there.
const PATIENT: &str = "call_deadline_ms = 60000";

/// One that takes its time to commit, so that some kills come in the middle of that.
fn server() -> Server {
    Server::with_port(&["--innodb-flush-log-at-trx-commit=1"])
}

fn seeded() -> (u64, Random) {
    let seed = Random::seed();
    println!("VPID_SEED={seed}");
    (seed, Random::new(seed))
}

fn patient(server: &Server) -> Vpid {
    let database = Database::on(server);
    Vpid::new().setting(PATIENT).on(&database).with_numbers()
}

/// Files of a load, for a random while that may be as long as this.
fn busy(loads: &mut [(Vpid, Load)], random: &mut Random, busy_us: u64) {
    let end = Instant::now() + Duration::from_micros(random.below(busy_us));
    while Instant::now() < end {
        let place = random.below(loads.len() as u64) as usize;
        let load = &mut loads[place].1;
        load.write_file(random);
        load.read_some(random);
        std::thread::sleep(Duration::from_micros(random.below(4_000)));
    }
}

/// Files for all, and a moment in which some of them are being done.
fn in_the_middle(loads: &mut [(Vpid, Load)], random: &mut Random) {
    for (_, load) in loads {
        for _ in 0..4 {
            load.write_file(random);
        }
    }
    std::thread::sleep(Duration::from_micros(random.below(8_000)));
}

#[test]
fn of_vpid_under_load_each_call_takes_effect_exactly_once() {
    let vpid = Vpid::new().setting(PATIENT).on(&Database::shared());
    kill_rounds(vpid, 25, 40, 120_000);
}

#[test]
fn of_vpid_between_commit_and_removal_each_call_takes_effect_exactly_once() {
    let vpid = Vpid::new().setting(PATIENT).on(&Database::shared());
    kill_rounds(vpid, 40, 4, 25_000);
}

/// Several vpids, so that one kill meets many transactions: what comes back waits longer from
/// kill to kill.
#[test]
fn of_mariadb_under_load_each_call_takes_effect_exactly_once() {
    let (seed, mut random) = seeded();
    let mut server = server();
    let mut loads: Vec<(Vpid, Load)> = (0..3)
        .map(|_| {
            let vpid = patient(&server).started();
            let load = Load::new(&vpid);
            (vpid, load)
        })
        .collect();
    for round in 1..=4 {
        busy(&mut loads, &mut random, 150_000);
        in_the_middle(&mut loads, &mut random);
        server.kill();
        // Who writes now finds it gone.
        busy(&mut loads, &mut random, 20_000);
        for (vpid, load) in &mut loads {
            load.write_file(&mut random);
            vpid.wait_for_logs("Calls wait; vpid keeps trying", round);
        }
        server.restart();
        for (vpid, _) in &loads {
            vpid.wait_for_logs("is back after", round);
        }
    }
    for (vpid, load) in &mut loads {
        load.drain(vpid);
        vpid.stop();
        assert!(load.written > 4);
        load.each_once(vpid, seed);
    }
}

/// MariaDB hangs or dies while vpid is killed and started again.
#[test]
fn of_both_under_load_each_call_takes_effect_exactly_once() {
    let (seed, mut random) = seeded();
    let mut server = server();
    let vpid = patient(&server);
    let load = Load::new(&vpid);
    let mut both = [(vpid, load)];
    for _ in 0..12 {
        both[0].0.start();
        busy(&mut both, &mut random, 100_000);
        in_the_middle(&mut both, &mut random);
        let dies = random.chance(40);
        match dies {
            true => server.kill(),
            false => server.freeze(),
        }
        busy(&mut both, &mut random, 10_000);
        both[0].0.kill();
        if random.chance(50) {
            // It begins with a database that is away.
            both[0].0.start();
            busy(&mut both, &mut random, 20_000);
        }
        match dies {
            true => server.restart(),
            false => server.go_on(),
        }
        both[0].0.kill();
    }
    let [(mut vpid, load)] = both;
    vpid.start();
    load.drain(&vpid);
    vpid.stop();
    assert!(load.written > 12);
    load.each_once(&vpid, seed);
}

/// So that a call meets a server that hangs on a connection, and not on the way to one.
fn both_connections_are_open(database: &Database, reader: &mut Host, writer: &mut Host) {
    let query = json!({"query": "SELECT SLEEP(0.5)"});
    let reading = reader.send_one("VPI_DB_RawExecute", query);
    let sleeps = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'";
    wait_until("it is read", || database.query::<i64>(sleeps) == [1]);
    let query = json!({"query": "DELETE FROM user_test_numbers WHERE 1 = 0"});
    writer.ask("VPI_DB_RawExecute", query);
    reader.answers(&[reading]);
}

#[test]
fn a_server_that_hangs_holds_nobody_up_but_its_callers_and_those_until_their_deadline() {
    let deadline = Duration::from_millis(1_000);
    let server = Server::start();
    let database = Database::on(&server);
    let vpid = Vpid::new()
        .setting("call_deadline_ms = 1000")
        .permission("raw_sql = [\"test.nut\"]")
        .on(&database)
        .database_line("pool = 2")
        .with_numbers()
        .started();
    let mut host = vpid.host("my_server");
    let mut other = vpid.host("other");
    let values = |n: i64| json!({"table": "user_test_numbers", "values": [n]});
    assert_eq!(host.ask("VPI_DB_UserInsert", values(1)), 1);
    vpid.at_rest();
    let mut reader = vpid.host("reader");
    both_connections_are_open(&database, &mut reader, &mut other);
    let query = json!({"query": "SELECT SLEEP(20)"});
    let reading = reader.send_one("VPI_DB_RawExecute", query);
    let sleeps = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'";
    wait_until("it is read", || database.query::<i64>(sleeps) == [1]);
    server.freeze();
    let began = Instant::now();
    let tokens = host.send(&[insert(2)]).unwrap();
    host.tell("VPI_DB_UserInsert", values(3));
    other.tell("VPI_DB_UserInsert", values(4));
    let mut asked = 0;
    let answer = loop {
        if let Some(answer) = host.fetch().unwrap().remove(&tokens[0]) {
            break answer;
        }
        assert_eq!(other.ask("VPI_Ping", Value::Null), "pong");
        asked += 1;
    };
    // If the first one had been held up, the answer would have been there behind it.
    assert!(asked > 1, "{asked}");
    for answer in reader.answers(&[reading]).iter().chain([&answer]) {
        let text = answer.as_str().expect("an error");
        assert!(
            text.ends_with("DatabaseUnavailable") || text.ends_with("DeadlineExceeded"),
            "{text}"
        );
    }
    let waited = began.elapsed();
    assert!(waited >= deadline * 9 / 10, "{waited:?}");
    wait_until("its file went, and the others stay", || {
        vpid.files()
            .iter()
            .filter(|it| it.contains("output"))
            .count()
            == 2
    });
    server.go_on();
    wait_until("those without a deadline ran", || {
        vpid.numbers() == [1, 3, 4]
    });
    for n in [5, 6] {
        wait_until("calls work again", || {
            host.ask("VPI_DB_UserInsert", values(n)) == 1
        });
    }
    assert_eq!(
        vpid.numbers(),
        [1, 3, 4, 5, 6],
        "what was answered does not run"
    );
}
