//! The bare loop: the least that a server on this protocol must do, as the yardstick for what
//! the rest costs. It waits for a folder to change, reads each call file, runs one prepared
//! SELECT for each call, deletes the file, and writes the answers when the input file is empty.
//!
//! It checks no identity and no permission, keeps no journal, repeats nothing, survives nothing,
//! and knows one function. Not for use beside a game.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use rusqlite::{CachedStatement, Connection};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;
use serde::Deserialize;
use vpid::limits::ANSWER_FILE_BYTES_MAX;
use vpid::protocol::names::{self, Kind};

const SELECT: &str = "SELECT name, wins FROM user_vpidbench_rows WHERE id = ?1";

#[derive(Deserialize)]
struct CallFile<'a> {
    #[serde(rename = "Calls", borrow)]
    calls: Calls<'a>,
}

#[derive(Deserialize)]
struct Calls<'a> {
    #[serde(rename = "async", borrow)]
    singles: Vec<Call<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    token: &'a str,
    kwargs: Kwargs,
}

#[derive(Deserialize)]
struct Kwargs {
    filter_value: i64,
}

/// Answers of one host that wait for its input file, each as `"token":value`.
struct Host {
    input: PathBuf,
    answers: VecDeque<String>,
}

/// Serves until it is killed.
pub fn run(scriptdata: &Path, database: &Path, alone: bool) -> io::Result<()> {
    let connection = Connection::open(database).map_err(io::Error::other)?;
    if alone {
        // No lock is taken and given back around each SELECT, and no other program gets in.
        connection
            .pragma_update(None, "locking_mode", "EXCLUSIVE")
            .map_err(io::Error::other)?;
    }
    let mut select = connection
        .prepare_cached(SELECT)
        .map_err(io::Error::other)?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, scriptdata, inotify::WatchFlags::CLOSE_WRITE)?;
    let mut hosts = HashMap::new();
    let written: Vec<String> = fs::read_dir(scriptdata)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    for name in &written {
        take(scriptdata, name, &mut select, &mut hosts)?;
    }
    write_answers(&mut hosts)?;
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    loop {
        poll(&mut [PollFd::new(&watch, PollFlags::IN)], None)?;
        let mut reader = inotify::Reader::new(&watch, &mut buffer);
        loop {
            if let Some(name) = reader.next()?.file_name()
                && let Ok(name) = name.to_str()
            {
                take(scriptdata, name, &mut select, &mut hosts)?;
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        write_answers(&mut hosts)?;
    }
}

fn take(
    scriptdata: &Path,
    name: &str,
    select: &mut CachedStatement<'_>,
    hosts: &mut HashMap<String, Host>,
) -> io::Result<()> {
    let Some(parsed) = names::parse(name) else {
        return Ok(());
    };
    if !matches!(parsed.kind, Kind::Calls { .. }) {
        return Ok(());
    }
    let path = scriptdata.join(name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        // Found by the first look at the folder already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let text = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    let file: CallFile<'_> = serde_json::from_slice(text).map_err(io::Error::other)?;
    if !hosts.contains_key(parsed.host) {
        let host = Host {
            input: scriptdata.join(names::input(parsed.host)),
            answers: VecDeque::new(),
        };
        hosts.insert(parsed.host.to_string(), host);
    }
    let answers = &mut hosts.get_mut(parsed.host).expect("just made").answers;
    for call in &file.calls.singles {
        let answer = answer(call, select).map_err(io::Error::other)?;
        answers.push_back(answer);
    }
    fs::remove_file(path)
}

fn answer(call: &Call<'_>, select: &mut CachedStatement<'_>) -> rusqlite::Result<String> {
    let mut text = String::with_capacity(48);
    let _ = write!(text, "\"{}\":[", call.token);
    let mut rows = select.query([call.kwargs.filter_value])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str()?;
        let comma = if text.ends_with('[') { "" } else { "," };
        let _ = write!(text, "{comma}[\"{name}\",{}]", row.get::<_, i64>(1)?);
    }
    text.push(']');
    Ok(text)
}

/// Writes for every host whose input file is empty, as much as fits.
fn write_answers(hosts: &mut HashMap<String, Host>) -> io::Result<()> {
    for host in hosts.values_mut().filter(|host| !host.answers.is_empty()) {
        // One NUL is what a game leaves behind when it has read. In a file of no length it has
        // yet to write that, and would write it over the answers.
        if fs::metadata(&host.input).is_ok_and(|input| input.len() != 1) {
            continue;
        }
        let mut text = String::with_capacity(ANSWER_FILE_BYTES_MAX);
        text.push_str("{\"Calls\":{");
        let mut comma = "";
        while let Some(next) = host.answers.front()
            && text.len() + next.len() + 3 <= ANSWER_FILE_BYTES_MAX
        {
            text.push_str(comma);
            text.push_str(next);
            comma = ",";
            host.answers.pop_front();
        }
        text.push_str("}}");
        fs::write(&host.input, text)?;
    }
    Ok(())
}
