//! Reserved slots, by the options of a server: `res_slots` of its slots are for players with the right
//! `reserved_slot_use`. Other players who come when only those are free are kicked. With `res_slots_keep_free`, a
//! player with the right who comes then has the place of the one without who came last, so the reserved slots
//! stay free for the next. With `res_slots_hide`, they are not shown (`sv_visiblemaxplayers`).
//!
//! What is decided follows from who is on and in which order they came, and from nothing else. A player whose
//! rights were not fetched since they came, or whom the game has not confirmed, is never kicked, and no player is kicked
//! for them: they may have bought the right a moment ago, or lost it. Only while the backend is unreachable, who
//! had the right has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use serde_json::Value;

use super::rights::{Right, Verdict};
use super::{Cx, Message, Subject};
use crate::core::roster::Roster;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::console::Command;
use crate::protocol::log_targets::log_server;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Slots {
    /// Who is on, or may do what, may not be as it was.
    look: bool,
    /// When each userid was kicked last.
    kicked: HashMap<(ServerId, i64), u64>,
    due_ms: Option<u64>,
    /// How many slots each server shows because of this.
    shown: BTreeMap<ServerId, i64>,
}

/// The options of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Options {
    reserved: i64,
    keep_free: bool,
    hide: bool,
}

/// What becomes of a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kick {
    /// Only reserved slots are free.
    Full,
    /// To make room for a player with the right.
    ForAnother,
}

impl Subject for Slots {
    type Ticket = Infallible;

    fn on_message(&mut self, message: &Message, _cx: &mut Cx<'_>) {
        match message {
            Message::BansChanged
            | Message::RecordChanged
            | Message::Rights(..)
            | Message::Left(..) => self.look = true,
            Message::MapStarted(server) | Message::SessionBegan(server) => {
                // server.cfg may have reset it: set it again.
                self.shown.entry(*server).and_modify(|slots| *slots = 0);
                self.look = true;
            }
            _ => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        let due = self.due_ms.is_some_and(|ms| ms <= cx.now.mono_ms);
        if self.look || due {
            self.look = false;
            self.enforce(cx);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        self.due_ms
    }
}

impl Slots {
    fn enforce(&mut self, cx: &mut Cx<'_>) {
        let (mut kicks, mut waits) = (Vec::new(), false);
        let servers: Vec<(ServerId, Uuid)> = cx.records.ready().collect();
        for (server, bundle) in servers {
            let record = cx.records.get(server);
            let options = record.and_then(|record| record.extra()).map(Options::read);
            let options = options.unwrap_or_default();
            self.hide(server, options, cx);
            let Some(game) = cx.servers.get(server).filter(|_| options.reserved > 0) else {
                continue;
            };
            waits |= game.roster.slots() == 0;
            let all = decide(&game.roster, options, |userid| {
                let steam = game.roster.person(userid).and_then(|person| person.steam);
                let sure = steam.filter(|_| game.may_act_on(userid, cx.now));
                let right = Right::ReservedSlotUse;
                sure.map_or(Verdict::Unknown, |steam| {
                    let verdict = cx.directory.may(steam, bundle, right, cx.now);
                    let had =
                        verdict == Verdict::Yes && cx.backend.unreachable_ms(cx.now).is_some();
                    match had || cx.directory.is_current(steam, bundle) {
                        true => verdict,
                        false => Verdict::Unknown,
                    }
                })
            });
            kicks.extend(
                all.into_iter()
                    .map(|(userid, kick)| ((server, userid), kick)),
            );
        }
        self.kicked
            .retain(|key, _| kicks.iter().any(|(other, _)| key == other));
        for (key, kick) in kicks {
            self.kick(key, kick, cx);
        }
        let last_ms = self.kicked.values().min();
        let again_ms = last_ms.map(|ms| ms + limits::KICK_AGAIN_MS);
        // `status` has not said yet how many slots there are.
        let known_ms = waits.then_some(cx.now.mono_ms + limits::VYHUB_ROUND_MS);
        self.due_ms = again_ms.into_iter().chain(known_ms).min();
    }

    fn kick(&mut self, (server, userid): (ServerId, i64), kick: Kick, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let last_ms = self.kicked.get(&(server, userid)).copied();
        let recent = last_ms.is_some_and(|ms| now_ms < ms + limits::KICK_AGAIN_MS);
        let Ok(number) = i32::try_from(userid) else {
            return;
        };
        if recent {
            return;
        }
        self.kicked.insert((server, userid), now_ms);
        let key = match kick {
            Kick::Full => "slots_full",
            Kick::ForAnother => "slots_kick",
        };
        let reason = cx.words.chat(key, &[]);
        let command = Command::Kick {
            userid: number,
            reason,
        };
        let label = cx.label(server).to_owned();
        match cx.servers.command(server, command, None, cx.out) {
            Ok(()) => {
                log_server!(
                    info,
                    label,
                    "userid {userid} is kicked: its slot is reserved"
                )
            }
            Err(why) => log::warn!("userid {userid} cannot be kicked from a reserved slot: {why}"),
        }
    }

    /// Shows as many slots as are not reserved; and all of them again when that is over.
    fn hide(&mut self, server: ServerId, options: Options, cx: &mut Cx<'_>) {
        let Some(game) = cx.servers.get_mut(server) else {
            return;
        };
        let slots = game.roster.slots();
        let wanted = match options.hide && options.reserved > 0 {
            true if slots > options.reserved => slots - options.reserved,
            true => return,
            false if self.shown.contains_key(&server) => -1,
            false => return,
        };
        if self.shown.get(&server) == Some(&wanted) {
            return;
        }
        let command = Command::ShowSlots(wanted);
        if let Err(why) = cx.servers.command(server, command, None, cx.out) {
            return log::warn!("reserved slots cannot be hidden: {why}");
        }
        if let Some(game) = cx.servers.get_mut(server) {
            game.roster.visible_slots_are(Some(wanted));
        }
        match wanted {
            -1 => self.shown.remove(&server),
            wanted => self.shown.insert(server, wanted),
        };
    }
}

/// What is wrong with the value of an option that vpid itself reads. Other options are the owner's.
pub fn wrong_option(name: &str, value: &Value) -> Option<&'static str> {
    match name {
        "res_slots" if value.as_i64().is_none_or(|slots| slots < 0) => {
            Some("must be a whole number from 0 on, such as 2")
        }
        "res_slots_keep_free" | "res_slots_hide" if !value.is_boolean() => {
            Some("must be true or false")
        }
        _ => None,
    }
}

impl Options {
    /// What is of another kind is as if it were not there: see [`wrong_option`].
    fn read(extra: &Value) -> Self {
        let is_set = |name: &str| extra.get(name).and_then(Value::as_bool) == Some(true);
        let reserved = extra.get("res_slots").and_then(Value::as_i64);
        Self {
            reserved: reserved.unwrap_or(0).clamp(0, limits::PLAYERS_MAX as i64),
            keep_free: is_set("res_slots_keep_free"),
            hide: is_set("res_slots_hide"),
        }
    }
}

/// Who is kicked. `may`: whether a userid may use a reserved slot.
fn decide(roster: &Roster, options: Options, may: impl Fn(i64) -> Verdict) -> BTreeMap<i64, Kick> {
    let mut kicks = BTreeMap::new();
    let open = usize::try_from(roster.slots() - options.reserved);
    // Where it is not known how many slots there are, none is reserved.
    let Some(open) = open.ok().filter(|_| roster.slots() > 0) else {
        return kicks;
    };
    let mut people: Vec<_> = roster.people().filter(|person| !person.bot).collect();
    if people.len() <= open {
        return kicks;
    }
    people.sort_by_key(|person| (person.since_ms, person.userid));
    let mut others: BTreeSet<usize> = (0..people.len())
        .filter(|at| may(people[*at].userid) == Verdict::No)
        .collect();
    let late: Vec<usize> = others.split_off(&open).into_iter().collect();
    kicks.extend(late.iter().map(|at| (people[*at].userid, Kick::Full)));
    let entitled = people[open..]
        .iter()
        .filter(|person| options.keep_free && may(person.userid) == Verdict::Yes);
    for _ in entitled {
        // Who has the right is never kicked.
        let Some(last) = others.pop_last() else { break };
        kicks.insert(people[last].userid, Kick::ForAnother);
    }
    kicks
}

#[cfg(test)]
mod tests;
