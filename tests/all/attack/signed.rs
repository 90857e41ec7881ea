//! Floods of files of the signed protocol, by somebody without a key.

use std::fs;
use std::io;
use std::time::Duration;

use vpid::game_side::signed::SignedGame;
use vpid::game_side::stock::GameCall;
use vpid::protocol::signed::{self, FOLDER, Id, Keys};

use super::Flood;

/// 128 bits that no game has drawn.
fn session(number: usize) -> Id {
    let mut bytes = [0xf0; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Id::from_random(bytes)
}

/// The session that a game of this host has in the folder, as any program can read it from the
/// names there.
fn session_of(flood: &Flood, host: &str) -> Option<Id> {
    let names = fs::read_dir(flood.scriptdata.join(FOLDER)).ok()?;
    let mut names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.find_map(|name| {
        let name = signed::parse_name(&name)?;
        (name.host == host).then_some(name.session)
    })
}

/// A request for a session that a game of this host has written: its name and text.
pub fn recorded_of(key: &str, host: &str) -> (String, String) {
    let body = "{\"version\":1,\"script\":\"0.1.0\",\"map\":\"cp_badlands\"}";
    let name = signed::hello(host, session(1 << 40));
    let text = signed::seal(&Keys::of_host(key.as_bytes(), host).game, &name, 0, body);
    (name, text)
}

fn forged(number: usize) -> String {
    let body = "[{\"call\":1,\"func\":\"VPI_Ping\",\"kwargs\":null,\"script\":\"x.nut\"}]";
    format!("vpid1 0 {}\n{body}\n{number:064x}", body.len())
}

/// Forged files: requests for sessions of made-up hosts and of the victim, and files of sessions
/// that there are not, in the victim's name, and in its own session far ahead.
pub fn forgeries(flood: &Flood) -> io::Result<()> {
    let mut own = None;
    for number in flood.numbers() {
        if own.is_none() && number.is_multiple_of(100) {
            own = session_of(flood, flood.victim);
        }
        let name = match number % 5 {
            0 => signed::hello(&format!("made_up_{number}"), session(number)),
            1 => signed::hello(flood.victim, session(number)),
            2 => signed::of_game(flood.victim, session(number), 1),
            3 => signed::of_game(&format!("made_up_{number}"), session(number), 1),
            _ => {
                let ahead = 1_000_000 + number as u64;
                signed::of_game(flood.victim, own.unwrap_or(session(number)), ahead)
            }
        };
        flood.write(&format!("{FOLDER}/{name}"), &forged(number))?;
    }
    Ok(())
}

fn left(flood: &Flood, text: &str) -> io::Result<()> {
    fs::create_dir_all(flood.scriptdata.join(FOLDER))?;
    for number in flood.numbers() {
        let name = signed::of_vpid("x", session(number), 1);
        flood.write(&format!("{FOLDER}/{name}"), text)?;
    }
    Ok(())
}

/// Files of 1 MB that look like vpid's own of an earlier run.
pub fn left_large(flood: &Flood) -> io::Result<()> {
    left(flood, &"x".repeat((1 << 20) - 2))
}

/// Small ones.
pub fn left_small(flood: &Flood) -> io::Result<()> {
    left(flood, "x")
}

/// Requests for sessions of 1 MB, in the right form.
pub fn large_forgeries(flood: &Flood) -> io::Result<()> {
    let body = "x".repeat((1 << 20) - 200);
    let text = format!("vpid1 0 {}\n{body}\n{:064x}", body.len(), 7);
    for number in flood.numbers() {
        let name = match number.is_multiple_of(2) {
            true => signed::hello(&format!("made_up_{number}"), session(number)),
            false => signed::of_game(&format!("made_up_{number}"), session(number), 1),
        };
        flood.write(&format!("{FOLDER}/{name}"), &text)?;
    }
    Ok(())
}

/// A request for a session that somebody has copied, over and over.
pub fn recorded_hello(flood: &Flood) -> io::Result<()> {
    let (name, text) = &flood.recorded;
    while !flood.is_over() {
        flood.write(&format!("{FOLDER}/{name}"), text)?;
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    Ok(())
}

/// Files without their closing NUL, of made-up hosts.
pub fn unfinished(flood: &Flood) -> io::Result<()> {
    for number in flood.numbers() {
        let name = signed::of_game(&format!("made_up_{number}"), session(number), 1);
        fs::write(flood.scriptdata.join(FOLDER).join(name), "vpid1 0 100")?;
    }
    Ok(())
}

/// Two calls of 16 KB in a file, which a script makes in a game that signs, while another program
/// has locked the database: as many files as vpid acknowledges.
pub fn waiting_calls(flood: &Flood) -> io::Result<()> {
    let time = Duration::from_secs(10);
    let key = flood.key.as_bytes();
    let mut game =
        SignedGame::connect(flood.scriptdata, "flood", key, time).map_err(io::Error::other)?;
    let lock = super::others::lock(&flood.database)?;
    let rows = vec![serde_json::json!([1]); 4_000];
    let kwargs = serde_json::json!({"table": "user_flood_rows", "columns": ["x"], "values": rows});
    let call = GameCall::new("flood.nut", "VPI_DB_UserInsert", kwargs);
    let two = [call.clone(), call];
    let mut written = 0;
    while !flood.is_over() {
        while game.room() > 0 && written < flood.count {
            game.send_calls(&two)?;
            written += 1;
        }
        while game
            .receive(Duration::from_millis(5))
            .map_err(io::Error::other)?
            .is_some()
        {}
    }
    drop(lock);
    Ok(())
}
