//! What the engine prints for `status`, read as one whole that can contradict itself.
//!
//! Names in it are the players', and may hold anything, an end of line and whole rows included. So
//! the reply is compared with its own heading (`players : 2 humans, 1 bots (24 max)`), and
//! [`ServerStatus::whole`] is whether it lists all players who are on, and
//! [`StatusPlayer::sure`] whether a row can only be read in one way.

mod rows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::limits;
use crate::protocol::steam_id::SteamId;

/// A server as its engine sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerStatus {
    pub map: String,
    /// Slots for players: without that of SourceTV.
    pub max_players: i64,
    pub players: Vec<StatusPlayer>,
    /// The rows are those that the heading counts, and each of them is sure: a player who is not
    /// listed is not on the server.
    pub whole: bool,
}

/// One row of `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusPlayer {
    pub userid: i64,
    pub name: String,
    pub id: Option<SteamId>,
    pub bot: bool,
    /// Seconds since the player connected.
    pub connected_s: u64,
    /// Milliseconds.
    pub ping: i64,
    /// `active`; else still connecting or spawning.
    pub active: bool,
    /// `192.0.2.9:27005`, where the engine reports it. None with Steam's relays: the engine makes up
    /// `169.254.x.y` there, which is another player's tomorrow.
    pub address: Option<String>,
    /// Nothing in the reply leaves open whose row this is. Else userid, name and id may belong to
    /// several players, and nothing may be done to a player because of it.
    pub sure: bool,
}

/// How many rows the heading announces. SourceTV counts as a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// `17 humans, 1 bots (25 max)`
    Each { humans: usize, bots: usize },
    /// `1 (21 max)`, as older engines write it.
    Together(usize),
}

/// Reads the whole reply. `None`: it lacks the map, the slots or the players, so it is
/// not known who is there; a reply that was cut off must not look like an empty server.
pub fn parse(text: &str) -> Option<ServerStatus> {
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut header = Header::default();
    // The heading of the players' table ends the part about the server.
    loop {
        let line = lines.next()?;
        if let Some(heading) = line.strip_prefix('#') {
            heading.trim_start().strip_prefix("userid ")?;
            break;
        }
        header.read(line);
    }
    let lines: Vec<&str> = lines.collect();
    // What follows the rows is the engine's or a plugin's. A second line of this kind means that
    // the heading was forged by the server's name or a player's.
    let forged = header.twice || lines.iter().any(|line| Header::slots_of(line).is_some());
    let (map, (max_players, announced)) = (header.map?, header.slots?);
    let mut table = rows::read(&lines);
    let equal = announced.is_some_and(|announced| announced.is_of(&table.rows)) && !forged;
    if !equal {
        rows::take_apart(&mut table, &lines);
        rows::doubt_the_close(&mut table, &lines);
    }
    let too_many = table.rows.len() > limits::PLAYERS_MAX;
    table.rows.truncate(limits::PLAYERS_MAX);
    let mut players: Vec<_> = table.rows.into_iter().map(rows::Row::player).collect();
    doubt_the_same(&mut players);
    for player in &mut players {
        player.sure &= !forged;
    }
    let all_sure = players.iter().all(|player| player.sure);
    Some(ServerStatus {
        map: map.to_string(),
        max_players: max_players - i64::from(header.sourcetv),
        whole: equal && all_sure && !table.open && !too_many,
        players,
    })
}

/// The part about the server.
#[derive(Default)]
struct Header<'a> {
    map: Option<&'a str>,
    slots: Option<(i64, Option<Announced>)>,
    /// SourceTV runs, in a slot of its own.
    sourcetv: bool,
    /// One of them stands there twice.
    twice: bool,
}

impl<'a> Header<'a> {
    /// Only the first colon counts: a hostname may read like any other line.
    fn read(&mut self, line: &'a str) {
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        if key.trim_end() == "map" {
            self.twice |= self.map.is_some();
            self.map = self.map.or(value.split_whitespace().next());
        }
        self.sourcetv |= key.trim_end() == "sourcetv";
        if let Some(slots) = Self::slots_of(line) {
            self.twice |= self.slots.is_some();
            self.slots = self.slots.or(Some(slots));
        }
    }

    /// `players : 1 humans, 0 bots (24 max)`
    fn slots_of(line: &str) -> Option<(i64, Option<Announced>)> {
        let (key, value) = line.split_once(':')?;
        if key.trim_end() != "players" {
            return None;
        }
        let (count, max) = value.rsplit_once('(')?;
        let max = number(max.trim_end().strip_suffix(" max)")?)?;
        Some((max, Announced::read(count)))
    }
}

impl Announced {
    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [humans, "humans,", bots, "bots"] => Some(Self::Each {
                humans: number(humans)?,
                bots: number(bots)?,
            }),
            [all] => Some(Self::Together(number(all)?)),
            _ => None,
        }
    }

    fn is_of(self, rows: &[rows::Row]) -> bool {
        let bots = rows.iter().filter(|row| row.tail.bot).count();
        match self {
            Self::Each { humans, bots: b } => (rows.len() - bots, bots) == (humans, b),
            Self::Together(all) => rows.len() == all,
        }
    }
}

/// No userid and no id can be there twice: none of those rows is sure.
fn doubt_the_same(players: &mut [StatusPlayer]) {
    let mut userids = BTreeMap::<i64, usize>::new();
    let mut ids = BTreeMap::<SteamId, usize>::new();
    for player in players.iter() {
        *userids.entry(player.userid).or_default() += 1;
        if let Some(id) = player.id {
            *ids.entry(id).or_default() += 1;
        }
    }
    for player in players {
        let id_again = player.id.is_some_and(|id| ids[&id] > 1);
        player.sure &= userids[&player.userid] == 1 && !id_again;
    }
}

/// Without a sign, which `parse` would accept.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
