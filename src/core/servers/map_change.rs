//! A change of the map by RCON. Some servers close the connection in the middle of it, so that no
//! reply comes: then the new map shows that the command was run.

use super::Servers;
use crate::core::Now;
use crate::core::ids::Ticket;
use crate::core::output::Output;
use crate::core::roster::Roster;
use crate::limits;
use crate::protocol::console::Command;
use crate::protocol::rcon::{Done, Failure};

/// A command under way.
pub struct Sent {
    pub command: Command,
    /// To whom the result is reported.
    pub waiter: Option<Ticket>,
    /// The text for the console's `say` where the game has no script engine.
    pub instead: Option<String>,
    /// The map when it was sent, and its number.
    before: (String, u64),
}

/// Waits for its map.
pub struct MapChange {
    map: String,
    before: (String, u64),
    waiter: Option<Ticket>,
    /// Why there is no reply.
    why: String,
    pub due_ms: u64,
}

impl Sent {
    pub fn new(command: Command, waiter: Option<Ticket>, roster: &Roster) -> Self {
        Self {
            command,
            waiter,
            instead: None,
            before: (roster.map().to_owned(), roster.map_number()),
        }
    }

    /// The map that it changes to.
    fn map(&self) -> Option<&str> {
        let Command::Console(line) = &self.command else {
            return None;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["changelevel" | "map", map] if !map.contains([';', '"']) => Some(map),
            _ => None,
        }
    }
}

impl MapChange {
    /// `None` where there is no map to wait for.
    pub fn of(done: &Done, sent: &Sent, now: Now) -> Option<Self> {
        let Err(Failure::Unclear(why)) = &done.result else {
            return None;
        };
        Some(Self {
            why: why.clone(),
            map: sent.map()?.to_owned(),
            before: sent.before.clone(),
            waiter: sent.waiter,
            due_ms: now.mono_ms + limits::CHANGE_MAP_MS,
        })
    }

    /// Whether the new map is there; the same one again has to have begun.
    fn is_done(&self, roster: &Roster) -> bool {
        let (map, number) = &self.before;
        let is_new = map != roster.map() || *number != roster.map_number();
        roster.map().eq_ignore_ascii_case(&self.map) && is_new
    }

    /// It was not seen.
    pub fn fails(self, label: &str, out: &mut Output) {
        let seconds = limits::CHANGE_MAP_MS / 1_000;
        let why = format!(
            "{}; a change of the map closes it on some servers, but {} was not seen within \
             {seconds} s",
            self.why, self.map
        );
        log::warn!("{label}: the map may not have been changed: {why}");
        out.complete(self.waiter, Err(why));
    }
}

impl Servers {
    /// Ends what waits for a map that is there, or for too long; gives when to look again.
    pub(super) fn end_map_changes(&mut self, now: Now, out: &mut Output) -> Option<u64> {
        let mut next_ms = None::<u64>;
        for server in &mut self.all {
            let Some(rcon) = &mut server.rcon else {
                continue;
            };
            let roster = &server.roster;
            if let Some(done) = rcon.map_change.take_if(|it| it.is_done(roster)) {
                log::info!("{}: the map is {} now", server.label, done.map);
                out.complete(done.waiter, Ok("".into()));
            }
            if let Some(late) = rcon.map_change.take_if(|it| it.due_ms <= now.mono_ms) {
                late.fails(&server.label, out);
            }
            let due_ms = rcon.map_change.as_ref().map(|it| it.due_ms);
            next_ms = [next_ms, due_ms].into_iter().flatten().min();
        }
        next_ms
    }
}
