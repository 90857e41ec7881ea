//! Servers: their rows, how they are, and who is on. A report is one statement, and another one where names of
//! players have changed or somebody came or left.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::known::Known;
use super::row::{Row, bounded, id_value, places, steam_value};
use super::work::{Answer, Work, unknown};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{
    LOCAL_NAME_CHARS_MAX, LOCAL_SEEN_MS, LOCAL_SERVER_OWNED_S, LOCAL_VALUES_MAX,
    VYHUB_NAME_CHARS_MAX,
};
use crate::protocol::backend::{Reply, Server, ServerState};
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The row of a server, which is made where there is none.
pub(super) fn find(work: &mut Work, server: Uuid) -> Answer {
    let Some(name) = work.shared.servers.get(&server).cloned() else {
        let why = format!("no [[server]] of this vpid has the id {server} in the community");
        return Err(unknown(&why));
    };
    let select = "SELECT name, extra FROM vpid_servers WHERE id = ?";
    // Who reads the record of a server wants the clock, too.
    work.read_now_us()?;
    let mut found = work.own()?.rows(select, &[id_value(server)])?.pop();
    let is_named = |row: &Vec<Value>| row[0].text() == Some(&name);
    if !found.as_ref().is_some_and(is_named) {
        let values = [
            id_value(server),
            bounded(&name, LOCAL_NAME_CHARS_MAX).into(),
        ];
        work.change(|change| {
            let into = "vpid_servers (id, name) VALUES (?, ?)";
            if !change.own.insert_new(into, &values)? {
                let [id, name] = values.clone();
                let sql = "UPDATE vpid_servers SET name = ? WHERE id = ?";
                change.own.run(sql, &[name, id])?;
            }
            Ok(Ok(()))
        })?;
        found = work.own()?.rows(select, &[id_value(server)])?.pop();
    }
    let mut row = Row::new("vpid_servers", found.unwrap_or_default());
    let (name, extra) = (row.text()?, row.text_or_empty()?);
    Ok(Reply::Server(Server {
        id: server,
        extra: options(&name, &extra),
        name,
        kind: String::new(),
        bundle: Some(BUNDLE),
    }))
}

/// Options of the owner's: an object in JSON, or nothing.
fn options(server: &str, text: &str) -> Json {
    if text.trim().is_empty() {
        return Json::Object(serde_json::Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Json::Object(options)) => Json::Object(options),
        _ => {
            log::warn!(
                "table vpid_servers: `extra` of the server {server:?} is no object in JSON and counts as empty; \
                 correct it there"
            );
            Json::Object(serde_json::Map::new())
        }
    }
}

/// The state of a server, and what it shows of users.
pub(super) fn report(work: &mut Work, server: Uuid, state: &ServerState) -> Answer {
    let Some(name) = work.shared.servers.get(&server).cloned() else {
        let why = format!("no [[server]] of this vpid has the id {server} in the community");
        return Err(unknown(&why));
    };
    let players = state.activities.iter();
    let players = players.filter_map(|(user, _)| local_ids::steam(*user));
    let players: Vec<SteamId> = players.collect();
    let before = work.known().on.get(&server).cloned().unwrap_or_default();
    if !players.is_empty() {
        work.shared.saw_players();
    }
    work.known().on.insert(server, players.clone());
    let now_us = work.now_us()?;
    match write_state(work, (server, &name), (state, &players), now_us)? {
        true => {
            if let Some((_, true)) = work.known().contested.remove(&server) {
                log::info!("the server {name:?} is reported by this vpid alone again");
            }
        }
        false => contested(work, server, &name)?,
    }
    let due = due(&mut work.known(), state, &before);
    for some in due.chunks(LOCAL_VALUES_MAX) {
        note(work.own()?, some, now_us)?;
        let mut known = work.known();
        for (steam, name) in some {
            let noted = (name.clone().unwrap_or_default(), Instant::now());
            known.noted.insert(*steam, noted);
            // A name has no counter.
            if let (Some(_), Some(person)) = (name, known.people.get_mut(steam)) {
                person.about = None;
            }
        }
    }
    forget_who_left(&mut work.known());
    Ok(Reply::Nothing)
}

/// False: another vpid reports this server.
fn write_state(
    work: &mut Work,
    (server, name): (Uuid, &str),
    (state, players): (&ServerState, &[SteamId]),
    now_us: i64,
) -> Answer<bool> {
    let vpid = work.shared.vpid();
    let ids: Vec<String> = players.iter().map(SteamId::to_string).collect();
    let ids = serde_json::to_string(&ids).unwrap_or_default();
    let owned_us = now_us.saturating_sub(LOCAL_SERVER_OWNED_S * 1_000_000);
    let count = i64::try_from(state.users_current).unwrap_or(i64::MAX);
    let values: [Value; 11] = [
        vpid.as_str().into(),
        bounded(name, LOCAL_NAME_CHARS_MAX).into(),
        bounded(&state.map, LOCAL_NAME_CHARS_MAX).into(),
        state.is_alive.into(),
        state.users_max.into(),
        count.into(),
        ids.into(),
        now_us.into(),
        id_value(server),
        vpid.as_str().into(),
        owned_us.into(),
    ];
    let sql = "UPDATE vpid_servers SET vpid = ?, name = ?, map = ?, alive = ?, players_max = ?, players_current = ?, \
               players = ?, seen_us = ? WHERE id = ? AND (vpid IN (?, '') OR seen_us IS NULL OR seen_us < ?)";
    if work.own()?.run(sql, &values)? > 0 {
        return Ok(true);
    }
    // It may have been deleted meanwhile.
    let into = "vpid_servers (id, name) VALUES (?, ?)";
    let row = [id_value(server), bounded(name, LOCAL_NAME_CHARS_MAX).into()];
    work.change(|change| {
        let is_new = change.own.insert_new(into, &row)?;
        if is_new {
            change.own.run(sql, &values)?;
        }
        Ok(Ok(is_new))
    })
}

/// Another vpid has reported the server recently: only where it goes on with that it is another one, and not what
/// this one was before.
fn contested(work: &mut Work, server: Uuid, name: &str) -> Result<(), OwnError> {
    let select = "SELECT vpid, seen_us FROM vpid_servers WHERE id = ?";
    let row = work.own()?.rows(select, &[id_value(server)])?.pop();
    let mut row = Row::new("vpid_servers", row.unwrap_or_default());
    let (other, seen_us) = (row.text()?, row.number()?);
    let mut known = work.known();
    let (first_us, reported) = known.contested.entry(server).or_insert((seen_us, false));
    if seen_us > *first_us && !std::mem::replace(reported, true) {
        log::warn!(
            "two vpids report the server {name:?} to the community (this one is {}, the other one is {other}), and \
             what this one reports is not shown; give each [[server]] a community_name of its own",
            work.shared.vpid()
        );
    }
    Ok(())
}

/// Users whose rows are to be written, with their names where these are news: who came, who has another name, who
/// has stayed for long, and who left.
fn due(
    known: &mut Known,
    state: &ServerState,
    before: &[SteamId],
) -> Vec<(SteamId, Option<String>)> {
    let mut due = Vec::new();
    for (user, shown) in &state.activities {
        let Some(steam) = local_ids::steam(*user) else {
            continue;
        };
        let name = shown.get("Nickname").and_then(Json::as_str).unwrap_or("");
        let name = bounded(name.trim(), VYHUB_NAME_CHARS_MAX);
        let stays = Duration::from_millis(LOCAL_SEEN_MS);
        let is_noted = |(noted, at): &(String, Instant)| noted == name && at.elapsed() < stays;
        if !known.noted.get(&steam).is_some_and(is_noted) {
            due.push((steam, (!name.is_empty()).then(|| name.to_owned())));
        }
    }
    let on = known.is_on();
    let left = before.iter().filter(|steam| !on.contains(steam));
    due.extend(left.map(|steam| (*steam, None)));
    due.sort_by_key(|(steam, _)| *steam);
    due.dedup_by_key(|(steam, _)| *steam);
    due
}

/// They were seen now, under these names.
fn note(own: &mut Own, users: &[(SteamId, Option<String>)], now_us: i64) -> Result<(), OwnError> {
    let named = || {
        users
            .iter()
            .filter_map(|(steam, name)| Some((steam, name.as_ref()?)))
    };
    let mut values: Vec<Value> = vec![now_us.into()];
    for (steam, name) in named() {
        values.extend([steam_value(*steam), name.as_str().into()]);
    }
    values.extend(users.iter().map(|(steam, _)| steam_value(*steam)));
    let names = match named().count() {
        0 => String::new(),
        count => {
            let cases = "WHEN ? THEN ? ".repeat(count);
            format!(", name = CASE steam {cases}ELSE name END")
        }
    };
    let places = places(users.len());
    let sql = format!("UPDATE vpid_users SET seen_us = ?{names} WHERE steam IN ({places})");
    own.run(&sql, &values)?;
    Ok(())
}

fn forget_who_left(known: &mut Known) {
    let on: HashSet<SteamId> = known.is_on();
    known.noted.retain(|steam, _| on.contains(steam));
}
