//! What else disturbs: files of others, statements that do not end, a locked database, datagrams.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;

use super::{Flood, HOST};

/// The table of `flood.nut`.
pub const CREATE: &str = "CREATE TABLE user_flood_rows (x TEXT, y TEXT)";

/// Files of other plugins.
pub fn foreign_files(flood: &Flood) -> io::Result<()> {
    for number in flood.numbers() {
        flood.write(&format!("mge_playerdata_{number}.nut"), "x")?;
    }
    Ok(())
}

/// Five of them are written each second.
pub fn some_foreign_files(flood: &Flood) -> io::Result<()> {
    for number in 0.. {
        if flood.is_over() {
            break;
        }
        flood.write(&format!("mge_session_{number}.nut"), "x")?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Another program writes into the database and does not come to an end.
pub fn lock(database: &Path) -> io::Result<Connection> {
    let connection = Connection::open(database).map_err(io::Error::other)?;
    let begun = connection
        .busy_timeout(Duration::from_secs(10))
        .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"));
    begun.map_err(io::Error::other)?;
    Ok(connection)
}

fn call(function: &str, kwargs: Value) -> GameCall {
    GameCall::new("flood.nut", function, kwargs)
}

/// A text is doubled for as long as that is let through, up to 7.7 MB, and then searched for half of
/// it with another end: SQLite's `replace` compares that at each place, and asks nobody whether to
/// go on.
pub fn stuck_statement(flood: &Flood) -> io::Result<()> {
    let mut game = flood.game(HOST);
    let table = "user_flood_rows";
    let text = format!("'{}'", "a".repeat(30_000));
    let row = json!({"table": table, "columns": ["x"], "values": [text]});
    let mut calls = vec![call("VPI_DB_UserInsert", row)];
    let doubled = call(
        "VPI_DB_UserUpdate",
        json!({"table": table, "values": {"x": "x || x"}}),
    );
    calls.extend(vec![doubled; 8]);
    let half = json!({"table": table, "values": {"y": "SUBSTR(x, 1, LENGTH(x) / 2) || 'b'"}});
    calls.push(call("VPI_DB_UserUpdate", half));
    for call in calls {
        let tokens = game.send(&[call])?;
        game.wait_for(&tokens, Duration::from_secs(10))?;
    }
    let columns = ["LENGTH(REPLACE(x, y, ''))"];
    let search = json!({"table": table, "columns": columns});
    game.send(&[call("VPI_DB_UserSelect", search)])?;
    flood.wait();
    Ok(())
}

/// Lines of the engine's log with wrong secrets, at full speed.
pub fn log_packets(flood: &Flood) -> io::Result<()> {
    let Some(to) = flood.log else {
        return Err(io::Error::other("no log is received here"));
    };
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let line = "\"Owner<5><[U:1:22202]><Red>\" say \"!ban #7 permanent\"";
    for secret in 1_000_000.. {
        if flood.is_over() {
            break;
        }
        let text = format!("S{secret}L 11/20/2026 - 08:00:00: {line}\n\0");
        // A full buffer is not this side's fault.
        let _ = socket.send_to(&[b"\xff\xff\xff\xff", text.as_bytes()].concat(), to);
    }
    Ok(())
}

/// How many entries a folder has, its own folders not counted.
pub fn files_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|e| e.path().is_file()))
        .count()
}

/// Files of other plugins, written at full speed.
pub fn storm_of_foreign_files(flood: &Flood) -> io::Result<()> {
    for number in 0.. {
        if flood.is_over() {
            break;
        }
        flood.write(&format!("mge_session_{}.nut", number % 1_000), "x")?;
    }
    Ok(())
}
