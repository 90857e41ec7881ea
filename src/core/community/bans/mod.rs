//! Who is banned: what the backend listed last, with what was changed here since laid over it. `!ban`,
//! `!unban` and the functions for them, and kicks of those who are banned and play all the same.

pub mod addresses;
mod fetching;
pub mod lists;
mod unsure;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;

use serde_json::{Value, json};

use super::commands::Order;
use super::orders::Command;
use super::orders::{Length, Target};
use super::rights::{allows, max_ban, outranks};
use super::targets::several;
use super::words::{BanNotice, Problem, short_id};
use super::{Cx, Message, Subject};
use crate::core::outbox::{Change, Entry, List, Outbox, State, Whom};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::{BanList, Keeper};
use crate::protocol::console::Command as ConsoleCommand;
use crate::protocol::look_alike;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use unsure::Unsure;

#[derive(Default)]
pub struct Bans {
    /// What players were called in the game when they were banned, the newest last.
    names: VecDeque<(SteamId, String)>,
    /// When each userid was kicked last.
    kicked: HashMap<(ServerId, i64), u64>,
    unsure: Unsure,
    /// All players have to be looked at again.
    enforce_all: bool,
    kick_due_ms: Option<u64>,
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ban {
    reason: String,
    since_s: i64,
    /// `None`: permanent.
    until_s: Option<i64>,
    /// Empty: not known; `None`: the server itself.
    admin: Option<String>,
    /// In the backend; `None`: it is on its way there.
    id: Option<Uuid>,
    /// These addresses are banned, and not the player.
    range: Option<AddressRange>,
}

impl Ban {
    fn of_entry(entry: &Entry) -> Self {
        Self {
            reason: entry.change.reason().to_owned(),
            since_s: entry.created.as_second(),
            until_s: entry.until_s(),
            admin: entry.issuer.as_ref().map(|issuer| issuer.name.clone()),
            id: None,
            range: entry.whom.range(),
        }
    }

    /// Of the player, for the log.
    fn is_what(&self) -> String {
        match self.range {
            Some(range) => format!("comes from {range}, which is banned,"),
            None => "is banned".into(),
        }
    }
}

/// What the outbox says beside what the backend lists, of one player or of the same addresses.
struct Own<'a> {
    /// The newest unban: what may have been created before it is lifted, until a list says otherwise.
    unban: Option<&'a Entry>,
    /// Bans after that, the oldest first.
    bans: Vec<&'a Entry>,
}

impl<'a> Own<'a> {
    /// `now_s`: by the backend's clock.
    fn of(outbox: &'a Outbox, bundle: Uuid, whom: Whom, now_s: i64) -> Self {
        let here = |entry: &&Entry| entry.bundle == bundle && entry.state != State::Dead;
        let all: Vec<&Entry> = outbox.unlisted(whom).filter(here).collect();
        let lifted = all.iter().rposition(|entry| entry.change.is_unban());
        let after = lifted.map_or(0, |at| at + 1);
        let bans = all[after..].iter().filter(|entry| entry.bans(now_s));
        Self {
            unban: lifted.map(|at| all[at]),
            bans: bans.copied().collect(),
        }
    }

    /// Whether a ban that the backend lists still keeps its player out.
    fn leaves(&self, (id, created_s): (Uuid, i64), ends_s: Option<i64>, now_s: i64) -> bool {
        let holds = ends_s.is_none_or(|ends_s| ends_s > now_s);
        let is_lifted = self.unban.is_some_and(|unban| {
            let latest_s = unban.latest_s.unwrap_or(unban.created.as_second());
            created_s <= latest_s || unban.others.contains(&id)
        });
        holds && !is_lifted
    }
}

/// The one that holds longest says when it is over.
fn longest(bans: impl Iterator<Item = Ban>) -> Option<Ban> {
    bans.max_by_key(|ban| ban.until_s.unwrap_or(i64::MAX))
}

/// Why a player is banned, if they are. `now_s`: by the backend's clock.
fn banned(
    (list, keeper): (&BanList, Keeper),
    outbox: &Outbox,
    bundle: Uuid,
    steam: SteamId,
    now_s: i64,
) -> Option<Ban> {
    let own = Own::of(outbox, bundle, steam.into(), now_s);
    let listed = list.of(steam);
    let listed = listed.filter(|ban| own.leaves((ban.id, ban.created_s), ban.ends_s, now_s));
    let listed = listed.map(|ban| Ban {
        reason: ban.reason.to_owned(),
        since_s: ban.created_s,
        until_s: ban.ends_s,
        // Where a database names no player, it was the server or its operator.
        admin: match (keeper, ban.creator) {
            (Keeper::Database, "") => None,
            (_, creator) => Some(creator.to_owned()),
        },
        id: Some(ban.id),
        range: None,
    });
    longest(listed.chain(own.bans.iter().map(|entry| Ban::of_entry(entry))))
}

impl Cx<'_> {
    /// Why a player on a server has to be kicked, if they have to.
    fn ban_of_person(&self, bundle: Uuid, person: &Person) -> Option<Ban> {
        let own = self.ban_of(bundle, person.steam?);
        own.or_else(|| self.address_ban_of(bundle, person))
    }

    fn ban_of(&self, bundle: Uuid, steam: SteamId) -> Option<Ban> {
        let list = self.lists.get(bundle)?;
        let list = (list, self.backend.keeper);
        banned(list, self.outbox, bundle, steam, self.time_s())
    }
}

impl Subject for Bans {
    type Ticket = Infallible;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::BansChanged | Message::Accepted(_) => self.enforce_all = true,
            Message::Fetched(List::Bans, bundle, asked_ms, fresh) => {
                for order in self.unsure.decided(*bundle, *asked_ms) {
                    self.decide_unban(&order, *fresh, cx);
                }
            }
            Message::Order(order) => {
                let done = match &order.command {
                    Command::Ban {
                        who,
                        length,
                        reason,
                    } => self.ban(order, who, *length, reason, cx),
                    Command::Unban { who } => self.unban(order, who, false, cx),
                    Command::IsBanned { who } => is_banned(order, who, cx),
                    _ => Ok(()),
                };
                if let Err(problem) = done {
                    cx.refuse(order, &problem);
                }
            }
            _ => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some(order) = self.unsure.pop_due(cx.now) {
            self.decide_unban(&order, false, cx);
        }
        let due = self
            .kick_due_ms
            .is_some_and(|due_ms| due_ms <= cx.now.mono_ms);
        if self.enforce_all || due {
            self.enforce(cx);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        let dues = [self.kick_due_ms, self.unsure.next_due()];
        dues.into_iter().flatten().min()
    }
}

impl Bans {
    fn ban(
        &mut self,
        order: &Order,
        who: &Target,
        length: Length,
        reason: &str,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, name) = cx.confirmed_target(order, who)?;
        let player = order.player.as_ref();
        if order.call.is_none() && player.is_some_and(|player| player.steam == steam) {
            return Err(Problem::new("banned_self", &[]));
        }
        check_length(order, length, cx)?;
        let rights = player.and_then(|player| cx.directory.rights(player.steam, order.bundle));
        let target = cx.directory.rights(steam, order.bundle);
        if rights.is_some_and(|rights| !outranks(rights, target)) {
            return Err(Problem::new("player_higher", &[("player", &name)]));
        }
        let change = Change::Ban {
            length_s: length.seconds(),
            reason: reason.to_owned(),
            standing: true,
        };
        let known = (steam, name);
        cx.accept(order, known.clone(), change)?;
        self.names.retain(|other| *other != known);
        self.names.push_back(known);
        if self.names.len() > limits::BANNED_NAMES_REMEMBERED_MAX {
            self.names.pop_front();
        }
        Ok(())
    }

    /// `sure`: the list is as new as it can be.
    fn unban(
        &mut self,
        order: &Order,
        who: &Target,
        sure: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let target = match who {
            Target::Name { text, .. } => self.named(order.bundle, text, cx),
            _ => cx.target(order.server, order.bundle, who),
        };
        let is_known = match &target {
            Ok((steam, _)) => {
                let enters = cx.outbox.is_entering((*steam).into(), order.bundle);
                enters || cx.ban_of(order.bundle, *steam).is_some()
            }
            Err(problem) => problem.key != "player_unknown",
        };
        // A script's unban is for sure, and what cannot be known is left to the backend.
        let may_know = cx.lists.is_fetched(order.bundle) && cx.backend.is_reachable();
        if order.call.is_none() && may_know && !is_known {
            if !sure && self.unsure.has_room() {
                self.unsure.wait(order, cx.now);
                cx.lists.refresh_newest(order.bundle, cx.now);
                return Ok(());
            }
            let name = target?.1;
            return Err(Problem::new("unban_none", &[("player", &name)]));
        }
        cx.accept(order, target?, Change::Unban)
    }

    /// `fresh`: the newest list has come. Without it, the backend decides.
    fn decide_unban(&mut self, order: &Order, fresh: bool, cx: &mut Cx<'_>) {
        let Command::Unban { who } = &order.command else {
            return;
        };
        let done = match (fresh, who) {
            (false, Target::Steam(_) | Target::Userid(_)) => cx
                .target(order.server, order.bundle, who)
                .and_then(|target| cx.accept(order, target, Change::Unban)),
            _ => self.unban(order, who, true, cx),
        };
        if let Err(problem) = done {
            cx.refuse(order, &problem);
        }
    }

    /// Who is banned here and has this name, or a part of it: in the backend, or in the game when they were
    /// banned.
    fn named(&self, bundle: Uuid, text: &str, cx: &Cx<'_>) -> Result<(SteamId, String), Problem> {
        let wanted = look_alike::folded(text);
        let mut found: Vec<(SteamId, String)> = Vec::new();
        if !wanted.is_empty() {
            let queued = cx.outbox.all().filter(|entry| entry.bundle == bundle);
            let queued = queued.filter_map(|entry| Some((entry.whom.steam()?, &entry.name)));
            let in_game = self.names.iter().rev().map(|(steam, name)| (*steam, name));
            let fits = |(_, name): &(SteamId, &String)| look_alike::folded(name).contains(&wanted);
            let own = |(steam, name): (SteamId, &String)| (steam, name.clone());
            found.extend(queued.filter(fits).map(own));
            if let Some(list) = cx.lists.get(bundle) {
                let listed = list.named(text, limits::CANDIDATES_MAX + 1);
                found.extend(
                    listed
                        .into_iter()
                        .map(|(steam, name)| (steam, name.to_owned())),
                );
            }
            found.extend(in_game.filter(fits).map(own));
        }
        found.retain(|(steam, _)| cx.ban_of(bundle, *steam).is_some());
        found.sort_by_key(|(steam, _)| *steam);
        found.dedup_by_key(|(steam, _)| *steam);
        let is_exact = |(_, name): &&(SteamId, String)| look_alike::folded(name) == wanted;
        let exact: Vec<_> = found.iter().filter(is_exact).collect();
        match (&exact[..], &found[..]) {
            ([one], _) => Ok((*one).clone()),
            (_, [one]) => Ok(one.clone()),
            (_, []) => Err(Problem::new("player_unknown", &[("text", text)])),
            (_, all) => {
                let shown = |(steam, name): &(SteamId, String)| {
                    format!("{steam} {}", look_alike::shown(name))
                };
                let shown = all.iter().take(limits::CANDIDATES_MAX).map(shown);
                Err(several(text, shown.collect()))
            }
        }
    }

    /// Kicks who is banned and plays all the same. A kick that did nothing is repeated.
    fn enforce(&mut self, cx: &mut Cx<'_>) {
        self.enforce_all = false;
        let mut all = Vec::new();
        for (server, bundle) in cx.records.enforced() {
            let Some(game) = cx.servers.get(server) else {
                continue;
            };
            let banned = game
                .roster
                .people()
                .filter_map(|person| Some((person.userid, cx.ban_of_person(bundle, person)?)));
            // A line of the log, or of a game script, may have been made to kick another player.
            let (banned, unsure): (Vec<_>, Vec<_>) =
                banned.partition(|(userid, _)| game.may_act_on(*userid, cx.now));
            all.extend(
                banned
                    .into_iter()
                    .map(|(userid, ban)| ((server, userid), Some(ban))),
            );
            all.extend(
                unsure
                    .into_iter()
                    .map(|(userid, _)| ((server, userid), None)),
            );
        }
        self.kicked
            .retain(|key, _| all.iter().any(|(other, ban)| key == other && ban.is_some()));
        for (key, ban) in all {
            match (ban, cx.servers.get_mut(key.0)) {
                (Some(ban), _) => self.kick(key, &ban, cx),
                (None, Some(game)) => game.roster.want_status(),
                (None, None) => {}
            }
        }
        let last_ms = self.kicked.values().min();
        self.kick_due_ms = last_ms.map(|ms| ms + limits::KICK_AGAIN_MS);
    }

    fn kick(&mut self, (server, userid): (ServerId, i64), ban: &Ban, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let last_ms = self.kicked.get(&(server, userid));
        let (first, recent) = (last_ms.is_none(), |ms: &u64| {
            now_ms < ms + limits::KICK_AGAIN_MS
        });
        if last_ms.is_some_and(recent) {
            return;
        }
        self.kicked.insert((server, userid), now_ms);
        if ban.range.is_some() {
            want_rights_of((server, userid), cx);
        }
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let name = person.map(|person| format!("{} ({})", person.name, person.userid));
        let name = name.unwrap_or_default().replace(char::is_control, "?");
        let reason = kick_reason(ban, cx);
        let Ok(userid) = i32::try_from(userid) else {
            return;
        };
        let command = ConsoleCommand::Kick { userid, reason };
        match cx.servers.command(server, command, None, cx.out) {
            Ok(()) if first => log::info!("{name} {} and is kicked", ban.is_what()),
            Ok(()) => log::debug!("{name} is still there and is kicked again"),
            Err(why) if first => {
                log::error!("{name} {} and cannot be kicked: {why}", ban.is_what());
            }
            Err(_) => {}
        }
    }
}

/// Whether the issuer may ban for so long.
fn check_length(order: &Order, length: Length, cx: &Cx<'_>) -> Result<(), Problem> {
    let player = order.player.as_ref();
    let rights = player.and_then(|player| cx.directory.rights(player.steam, order.bundle));
    let longest = rights.and_then(max_ban);
    if allows(longest, length) {
        return Ok(());
    }
    let longest = cx.words.length(longest);
    Err(Problem::new("length_too_long", &[("max", &longest)]))
}

/// A player who is kicked because of an address and whose rights are not known may be an administrator: the next time
/// they are known.
fn want_rights_of((server, userid): (ServerId, i64), cx: &mut Cx<'_>) {
    let game = cx.servers.get(server);
    let steam = game.and_then(|game| game.roster.person(userid)?.steam);
    let bundle = cx.records.enforced().find(|it| it.0 == server);
    if let (Some(steam), Some((_, bundle))) = (steam, bundle)
        && cx.directory.rights(steam, bundle).is_none()
    {
        cx.directory.want_user(steam, cx.now);
        cx.directory.want_rights(steam, bundle, cx.now);
    }
}

/// `VYHUB_IsBanned`.
fn is_banned(order: &Order, who: &Target, cx: &mut Cx<'_>) -> Result<(), Problem> {
    let (steam, _) = cx.target(order.server, order.bundle, who)?;
    let value: Value = match cx.ban_of(order.bundle, steam) {
        None => json!({ "banned": false }),
        Some(ban) => json!({
            "banned": true,
            "reason": ban.reason,
            "since": ban.since_s,
            "until": ban.until_s,
            "admin": ban.admin,
            "id": ban.id,
        }),
    };
    if let Some(call) = &order.call {
        cx.respond(call.id, Ok(value));
    }
    Ok(())
}

/// What a banned player reads.
fn kick_reason(ban: &Ban, cx: &Cx<'_>) -> String {
    let links = cx.records.links();
    let link = links.map_or(String::new(), |links| links.ban(ban.id));
    let server_admin = cx.words.say("server_admin", &[]);
    cx.words.kick(&BanNotice {
        reason: &ban.reason,
        since_s: ban.since_s,
        until_s: ban.until_s,
        admin: ban.admin.as_deref().unwrap_or(&server_admin),
        id: ban.id.map_or_else(|| "-".to_owned(), short_id),
        link: &link,
    })
}
