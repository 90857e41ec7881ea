//! Floods of files of the stock protocol.

use std::fs;
use std::io;

use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;
use vpid::limits;
use vpid::protocol::names;

use super::{Flood, HOST, numbered};

/// The time in the names of forged files.
const UNIX: i64 = 1_732_089_600;

fn made_up(number: usize) -> String {
    format!("made_up_{number}")
}

/// What nobody can believe: no JSON, and an identity that was made with another secret. By turns.
fn bad_texts(flood: &Flood) -> [String; 2] {
    let wrong = "x".repeat(flood.secret.len());
    let forged = json!({
        "Calls": {"async": [{"token": "t", "func": "VPI_Ping", "script": "x.nut", "callback": true}]},
        "Identity": {"enc": wrong, "iv": wrong, "timestamp": UNIX, "ticks": 7},
    });
    ["garbage".to_owned(), forged.to_string()]
}

/// Bad call files of one host.
pub fn bad_files(flood: &Flood) -> io::Result<()> {
    let texts = bad_texts(flood);
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX, number as i64);
        flood.write(&name, &texts[number % 2])?;
    }
    Ok(())
}

/// The same, each older by its name than the one before.
pub fn backwards(flood: &Flood) -> io::Result<()> {
    let texts = bad_texts(flood);
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX - number as i64, 1);
        flood.write(&name, &texts[number % 2])?;
    }
    Ok(())
}

/// Bad call files, each of another host.
pub fn bad_files_of_made_up_hosts(flood: &Flood) -> io::Result<()> {
    let texts = bad_texts(flood);
    for number in flood.numbers() {
        let name = names::calls(&made_up(number), UNIX, 1);
        flood.write(&name, &texts[number % 2])?;
    }
    Ok(())
}

/// Restart files, each of another host. They carry no identity at all.
pub fn restarts(flood: &Flood) -> io::Result<()> {
    for number in flood.numbers() {
        flood.write(&names::restart(&made_up(number)), "")?;
    }
    Ok(())
}

/// Call files without their closing NUL.
pub fn unfinished(flood: &Flood) -> io::Result<()> {
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX, number as i64);
        fs::write(flood.scriptdata.join(name), "{\"Calls\": {\"async\": [")?;
    }
    Ok(())
}

/// As much JSON as is read of a file: without an identity, and with one that is false, at its very
/// end. By turns.
fn vain_texts(flood: &Flood) -> [String; 2] {
    let wrong = "x".repeat(flood.secret.len());
    let identity = format!(
        ",\"Identity\":{{\"enc\":\"{wrong}\",\"iv\":\"{wrong}\",\"timestamp\":{UNIX},\"ticks\":7}}"
    );
    [String::new(), identity].map(|identity| {
        let head = "{\"Calls\":{\"async\":[1";
        let tail = format!("]}}{identity}}}");
        let room = limits::CALL_FILE_BYTES_MAX - 1 - head.len() - tail.len();
        format!("{head}{}{tail}", ",1".repeat(room / 2))
    })
}

/// Files of 1 MB of JSON in vain, of one host.
pub fn large_in_vain(flood: &Flood) -> io::Result<()> {
    let texts = vain_texts(flood);
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX, number as i64);
        flood.write(&name, &texts[number % 2])?;
    }
    Ok(())
}

/// The same, each of another host.
pub fn large_in_vain_of_made_up_hosts(flood: &Flood) -> io::Result<()> {
    let texts = vain_texts(flood);
    for number in flood.numbers() {
        let name = names::calls(&made_up(number), UNIX, 1);
        flood.write(&name, &texts[number % 2])?;
    }
    Ok(())
}

/// `[1,1,1,...]` of so many bytes.
fn ones(bytes: usize) -> Value {
    vec![1; bytes / 2].into()
}

fn ping(kwargs: Value) -> GameCall {
    GameCall::new("flood.nut", "VPI_Ping", kwargs)
}

/// Authentic files of 1 MB: first of one large call, then of thousands of small ones.
pub fn large_authentic(flood: &Flood) -> io::Result<()> {
    let mut game = flood.game(HOST);
    let large = numbered(&ping(
        json!({ "x": ones(limits::CALL_FILE_BYTES_MAX - 2_000) }),
    ));
    let small = (0..4_000).map(|place| {
        let call = ping(json!({"text": "x".repeat(100)}));
        call.to_json(&format!("tNUMBER_{place}")).to_string()
    });
    let small: Vec<String> = small.collect();
    let texts = [large, small.join(",")].map(|calls| format!("{{\"async\":[{calls}]}}"));
    for number in flood.numbers() {
        let text = &texts[usize::from(number >= flood.count / 2)];
        flood.write_calls(&mut game, number, text)?;
    }
    Ok(())
}

/// A call with an answer of which few fit into a file.
fn echo() -> GameCall {
    ping(json!({"x": "x".repeat(800)}))
}

/// One host makes calls, one in a file, and never reads an answer.
pub fn never_fetching(flood: &Flood) -> io::Result<()> {
    let (mut game, call) = (flood.game(HOST), echo());
    for _ in flood.numbers() {
        game.send(std::slice::from_ref(&call))?;
    }
    Ok(())
}

/// Fifty more of them a second, by the same host.
pub fn some_more_calls(flood: &Flood) -> io::Result<()> {
    let (mut game, call) = (flood.game(HOST), echo());
    while !flood.is_over() {
        game.send(std::slice::from_ref(&call))?;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

/// The same by forty hosts, by turns.
pub fn forty_never_fetching(flood: &Flood) -> io::Result<()> {
    let games = (0..40).map(|number| flood.game(&format!("flood_{number}")));
    let mut games: Vec<_> = games.collect();
    for number in flood.numbers() {
        let place = number % games.len();
        games[place].send(&[echo()])?;
    }
    Ok(())
}

/// Writes the same names over and over while vpid takes them: half of a file, then all of it.
pub fn rewriting(flood: &Flood) -> io::Result<()> {
    const NAMES: usize = 50;
    let text = bad_texts(flood)[1].clone() + "\0";
    let mut tick = 0;
    while !flood.is_over() {
        let names = (0..NAMES).map(|place| names::calls(HOST, UNIX, tick + place as i64));
        let names: Vec<_> = names.map(|name| flood.scriptdata.join(name)).collect();
        for _ in 0..20 {
            for name in names.iter().take_while(|_| !flood.is_over()) {
                fs::write(name, &text)?;
                fs::write(name, &text[..text.len() / 2])?;
                fs::write(name, &text)?;
            }
        }
        tick += NAMES as i64;
    }
    Ok(())
}

/// Chains whose first call waits for a database that another connection has locked: the rest of
/// the file, 0.75 MB, is parked behind it. Of eight hosts by turns.
pub fn parked_chains(flood: &Flood) -> io::Result<()> {
    let lock = super::others::lock(&flood.database)?;
    let mut games: Vec<_> = (0..8)
        .map(|number| flood.game(&format!("flood_{number}")))
        .collect();
    let first = numbered(&insert(json!([1])));
    let parked = ping(json!({ "x": ones(750_000) })).to_json("parkedNUMBER");
    let text = format!("{{\"async\":[],\"chain\":[[{first},{parked}]]}}");
    for number in flood.numbers() {
        flood.write_calls(&mut games[number % 8], number, &text)?;
    }
    flood.wait();
    drop(lock);
    Ok(())
}

fn insert(values: Value) -> GameCall {
    let kwargs = json!({"table": "user_flood_rows", "columns": ["x"], "values": values});
    GameCall::new("flood.nut", "VPI_DB_UserInsert", kwargs)
}

/// Inserts of 16 KB, one in a file, while another connection has locked the database.
pub fn waiting_inserts(flood: &Flood) -> io::Result<()> {
    let lock = super::others::lock(&flood.database)?;
    let mut game = flood.game(HOST);
    let rows: Vec<Value> = (0..4_000).map(|_| json!([1])).collect();
    let text = format!("{{\"async\":[{}]}}", numbered(&insert(rows.into())));
    for number in flood.numbers() {
        flood.write_calls(&mut game, number, &text)?;
    }
    flood.wait();
    drop(lock);
    Ok(())
}

/// A host that plays by the rules and calls as fast as it can, 20 calls a file; it reads its answers.
pub fn busy(flood: &Flood) -> io::Result<()> {
    let mut game = flood.game(HOST);
    let calls = vec![ping(Value::Null); 20];
    while !flood.is_over() {
        game.send(&calls)?;
        game.fetch()?;
    }
    Ok(())
}

/// Over and over, files in which games look for their answers.
pub fn rewritten_inputs(flood: &Flood) -> io::Result<()> {
    for number in 0.. {
        if flood.is_over() {
            break;
        }
        flood.write(&names::input(&made_up(number % 1_000)), "garbage")?;
    }
    Ok(())
}

/// Folders with the names of call files.
pub fn folders(flood: &Flood) -> io::Result<()> {
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX, number as i64);
        fs::create_dir(flood.scriptdata.join(name))?;
    }
    Ok(())
}

fn left_taken(flood: &Flood, text: &str) -> io::Result<()> {
    for number in flood.numbers() {
        let name = names::calls(HOST, UNIX, number as i64);
        flood.write(&names::taken(&name, 2 * number as u64 + 1_000), text)?;
    }
    Ok(())
}

/// Files of 1 MB that look as if an earlier run had taken them.
pub fn left_taken_large(flood: &Flood) -> io::Result<()> {
    left_taken(flood, &vain_texts(flood)[1])
}

/// Small ones.
pub fn left_taken_small(flood: &Flood) -> io::Result<()> {
    left_taken(flood, &bad_texts(flood)[1])
}
