//! What admins and scripts order: who may, whom it is about, and what is put into the outbox.

use super::accepting::Placed;
use super::commands::{Command, Length, Parsed, Problem, Target, parse};
use super::find::{Candidate, find};
use super::rights::{Rights, Verdict, allows, max_ban, outranks};
use super::{Cx, Vyhub};
use crate::core::chat_guard::Doubt;
use crate::core::outbox::{Change, Issuer};
use crate::core::servers::{ChatVerdict, ServerId, Speaker};
use crate::limits;
use crate::protocol::look_alike;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Who gives a command in chat.
#[derive(Debug, Clone, PartialEq)]
pub struct Giver {
    pub server: ServerId,
    pub steam: SteamId,
    pub name: String,
}

/// Commands that wait until their givers' rights are known.
#[derive(Default)]
pub struct Orders {
    waiting: Vec<Order>,
}

struct Order {
    giver: Giver,
    command: Command,
    due_ms: u64,
}

impl Orders {
    pub fn due_ms(&self) -> Option<u64> {
        self.waiting.iter().map(|order| order.due_ms).min()
    }
}

/// What a giver orders for somebody, in their own name.
fn placed_by(giver: &Giver, bundle: Uuid, whom: (SteamId, String), issuer: Issuer) -> Placed {
    let (steam, name) = whom;
    Placed {
        server: giver.server,
        bundle,
        steam,
        name,
        issuer: Some(issuer),
        call: None,
    }
}

impl Vyhub {
    /// Somebody says something on a server.
    pub(super) fn heard(
        &mut self,
        server: ServerId,
        speaker: Speaker,
        text: &str,
        held: bool,
        cx: &mut Cx<'_>,
    ) {
        let Some(steam) = speaker.steam else { return };
        let giver = Giver {
            server,
            steam,
            name: speaker.name.clone(),
        };
        match parse(text, &self.prefixes) {
            Parsed::NotForUs => {}
            Parsed::Wrong(problem) => self.say_problem(steam, &problem, cx),
            Parsed::Command(Command::State) => self.say_state(&giver, cx),
            Parsed::Command(command) if command.changes() => {
                match cx.servers.chat_verdict(server, &speaker, held, cx.now) {
                    ChatVerdict::Counts => self.order(giver, command, cx),
                    ChatVerdict::Wait => {
                        let text = text.to_owned();
                        cx.servers.hold(server, speaker, text, cx.now);
                    }
                    ChatVerdict::Refused(doubt) => self.say_doubt(&giver, &command, &doubt, cx),
                }
            }
            // It was held for somebody else's sake.
            Parsed::Command(_) if held => {}
            Parsed::Command(command) => self.order(giver, command, cx),
        }
    }

    /// A command does not count, whoever wrote it. The one in whose name it stands is told how else.
    fn say_doubt(&mut self, giver: &Giver, command: &Command, doubt: &Doubt, cx: &mut Cx<'_>) {
        let label = cx.servers.get(giver.server).map(|game| game.label.as_str());
        log::warn!(
            "{}: {} ({}) wrote {} in chat, which does not count: {}; VyHub's pages and vpid at \
             the shell do",
            label.unwrap_or_default(),
            giver.name.replace(char::is_control, "?"),
            giver.steam,
            command.name(),
            doubt.sentence()
        );
        let text = self
            .words
            .chat(doubt.message(), &[("command", command.name())]);
        self.say(giver.steam, &text, cx);
    }

    /// Whom a command means who is on must be confirmed by the game; a SteamID speaks for itself.
    fn is_sure(
        &self,
        giver: &Giver,
        who: &Target,
        (steam, name): (SteamId, &str),
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        match who {
            Target::Steam(_) => Ok(()),
            _ if cx.servers.is_confirmed(giver.server, steam, cx.now) => Ok(()),
            _ => Err(Problem::new("player_unconfirmed", &[("player", name)])),
        }
    }

    /// Carries a command out, if its giver may. Who seems not to is asked after once more: they
    /// may have become somebody since.
    fn order(&mut self, giver: Giver, command: Command, cx: &mut Cx<'_>) {
        let Some(bundle) = self.served(giver.server).and_then(|served| served.bundle()) else {
            let text = self.words.chat("state_waiting", &[]);
            return self.say(giver.steam, &text, cx);
        };
        if self.verdict(&giver, bundle, &command, cx) == Verdict::Yes {
            return self.carry_out(&giver, bundle, command, cx);
        }
        let age_ms = self.rights.age_ms(giver.steam, bundle, cx.now);
        let fresh = age_ms.is_some_and(|age_ms| age_ms < limits::RIGHTS_FRESH_MS);
        let full = self.orders.waiting.len() >= limits::ORDERS_MAX;
        if fresh || full || !self.api.is_there() {
            return self.say_denied(&giver, bundle, &command, cx);
        }
        self.users.want(giver.steam, cx.now.mono_ms);
        self.rights.want(giver.steam, bundle);
        let due_ms = cx.now.mono_ms + limits::ORDER_PATIENCE_MS;
        self.orders.waiting.push(Order {
            giver,
            command,
            due_ms,
        });
    }

    fn verdict(&self, giver: &Giver, bundle: Uuid, command: &Command, cx: &Cx<'_>) -> Verdict {
        let Some(right) = command.right() else {
            return Verdict::Yes;
        };
        self.rights.may(giver.steam, bundle, right, cx.now)
    }

    fn say_denied(&mut self, giver: &Giver, bundle: Uuid, command: &Command, cx: &mut Cx<'_>) {
        let key = match self.verdict(giver, bundle, command, cx) {
            Verdict::Unknown => "rights_unknown",
            _ => "no_right",
        };
        log::info!(
            "{} ({}) may not {}: {key}",
            giver.name.replace(char::is_control, "?"),
            giver.steam,
            command.name()
        );
        let text = self.words.chat(key, &[("command", command.name())]);
        self.say(giver.steam, &text, cx);
    }

    /// The rights of somebody are known now, or cannot be had.
    pub(super) fn orders_of_giver(&mut self, steam: SteamId, bundle: Uuid, cx: &mut Cx<'_>) {
        let waiting = std::mem::take(&mut self.orders.waiting);
        let (ready, rest) = waiting
            .into_iter()
            .partition(|order| order.giver.steam == steam);
        self.orders.waiting = rest;
        for order in ready {
            self.decide_order(order, bundle, cx);
        }
    }

    fn decide_order(&mut self, order: Order, bundle: Uuid, cx: &mut Cx<'_>) {
        let Order { giver, command, .. } = order;
        match self.verdict(&giver, bundle, &command, cx) {
            Verdict::Yes => self.carry_out(&giver, bundle, command, cx),
            _ => self.say_denied(&giver, bundle, &command, cx),
        }
    }

    pub(super) fn expire_orders(&mut self, cx: &mut Cx<'_>) {
        let over = |order: &Order| order.due_ms <= cx.now.mono_ms;
        let waiting = std::mem::take(&mut self.orders.waiting);
        let (over, rest): (Vec<Order>, _) = waiting.into_iter().partition(over);
        self.orders.waiting = rest;
        for order in over {
            let bundle = self
                .served(order.giver.server)
                .and_then(|served| served.bundle());
            if let Some(bundle) = bundle {
                self.decide_order(order, bundle, cx);
            }
        }
    }

    fn carry_out(&mut self, giver: &Giver, bundle: Uuid, command: Command, cx: &mut Cx<'_>) {
        let outcome = match command {
            Command::Ban {
                who,
                length,
                reason,
            } => self.order_ban(giver, bundle, &who, length, reason, cx),
            Command::Unban { who } => self.order_unban(giver, bundle, &who, cx),
            Command::Warn { who, reason } => self.order_warning(giver, bundle, &who, reason, cx),
            Command::Warns { who } => self.ask_list(giver, bundle, &who, true, cx),
            Command::Bans { who } => self.ask_list(giver, bundle, &who, false, cx),
            Command::State => Ok(()),
        };
        if let Err(problem) = outcome {
            self.say_problem(giver.steam, &problem, cx);
        }
    }

    fn order_ban(
        &mut self,
        giver: &Giver,
        bundle: Uuid,
        who: &Target,
        length: Length,
        reason: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, name) = self.whom(giver.server, bundle, who, cx)?;
        self.is_sure(giver, who, (steam, &name), cx)?;
        if steam == giver.steam {
            return Err(Problem::new("banned_self", &[]));
        }
        let issuer = self.issuer(giver, bundle)?;
        let rights = self.rights.get(giver.steam, bundle);
        self.length_fits(rights, length)?;
        let target = self.rights.get(steam, bundle);
        if rights.is_some_and(|rights| !outranks(rights, target)) {
            return Err(Problem::new("player_higher", &[("player", &name)]));
        }
        let placed = placed_by(giver, bundle, (steam, name), issuer);
        self.ban(placed, length, reason, cx).map(drop)
    }

    pub(super) fn length_fits(
        &self,
        rights: Option<&Rights>,
        length: Length,
    ) -> Result<(), Problem> {
        let longest = rights.and_then(max_ban);
        match allows(longest, length) {
            true => Ok(()),
            false => {
                let longest = self.words.length(longest);
                Err(Problem::new("length_too_long", &[("max", &longest)]))
            }
        }
    }

    fn order_unban(
        &mut self,
        giver: &Giver,
        bundle: Uuid,
        who: &Target,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, name) = match who {
            Target::Name { text, .. } => self.banned_of_name(bundle, text, cx)?,
            _ => self.whom(giver.server, bundle, who, cx)?,
        };
        let known = self.ban_of(bundle, steam, cx).is_some();
        let fetched = self
            .bundles
            .get(&bundle)
            .is_some_and(|bundle| bundle.fetched);
        if !known && fetched && self.api.is_there() {
            return Err(Problem::new("unban_none", &[("player", &name)]));
        }
        let issuer = self.issuer(giver, bundle)?;
        let placed = placed_by(giver, bundle, (steam, name), issuer);
        self.accept(placed, Change::Unban, cx).map(drop)
    }

    fn order_warning(
        &mut self,
        giver: &Giver,
        bundle: Uuid,
        who: &Target,
        reason: String,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, name) = self.whom(giver.server, bundle, who, cx)?;
        self.is_sure(giver, who, (steam, &name), cx)?;
        let issuer = self.issuer(giver, bundle)?;
        let placed = placed_by(giver, bundle, (steam, name), issuer);
        self.accept(placed, Change::Warning { reason }, cx)
            .map(drop)
    }

    /// The giver as a user of VyHub.
    pub(super) fn issuer(&self, giver: &Giver, bundle: Uuid) -> Result<Issuer, Problem> {
        let user = self.users.get(giver.steam).map(|user| user.id);
        let user = user.or_else(|| self.rights.user(giver.steam, bundle));
        let user = user.ok_or_else(|| Problem::new("rights_unknown", &[("command", "")]))?;
        Ok(Issuer {
            steam: giver.steam,
            user,
            name: giver.name.clone(),
        })
    }

    /// Whom a command means, and what they are called.
    pub(super) fn whom(
        &self,
        server: ServerId,
        bundle: Uuid,
        who: &Target,
        cx: &Cx<'_>,
    ) -> Result<(SteamId, String), Problem> {
        let people = cx
            .servers
            .get(server)
            .into_iter()
            .flat_map(|game| game.roster.people());
        let people: Vec<Candidate<'_>> = people
            .map(|person| Candidate {
                userid: person.userid,
                name: &person.name,
                steam: person.steam,
                bot: person.bot,
            })
            .collect();
        let found = find(who, &people)?;
        let name = match found.present {
            Some(present) => present.name.to_owned(),
            None => self.name_of(bundle, found.steam),
        };
        Ok((found.steam, name))
    }

    /// What somebody is called who is not there.
    fn name_of(&self, bundle: Uuid, steam: SteamId) -> String {
        let user = self.users.get(steam).and_then(|user| user.username.clone());
        let listed = || {
            let ban = self.bundles.get(&bundle)?.list.of(steam).next()?;
            Some(ban.username.to_owned())
        };
        let name = user.or_else(listed).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| steam.steam3())
    }

    /// Who is banned here and has this name, or a part of it: in VyHub, or in the game when they were banned.
    fn banned_of_name(
        &self,
        bundle: Uuid,
        text: &str,
        cx: &Cx<'_>,
    ) -> Result<(SteamId, String), Problem> {
        let wanted = look_alike::folded(text);
        if wanted.is_empty() {
            return Err(Problem::new("player_unknown", &[("text", text)]));
        }
        let own = self
            .outbox
            .all()
            .filter(|entry| entry.bundle == bundle)
            .filter(|entry| look_alike::folded(&entry.name).contains(&wanted));
        let mut found: Vec<(SteamId, String)> =
            own.map(|entry| (entry.steam, entry.name.clone())).collect();
        if let Some(bundle) = self.bundles.get(&bundle) {
            let listed = bundle.list.named(text, limits::CANDIDATES_MAX + 1);
            found.extend(
                listed
                    .into_iter()
                    .map(|(steam, name)| (steam, name.to_owned())),
            );
        }
        let in_game = self.banned_names.iter().rev();
        found.extend(
            in_game
                .filter(|(_, name)| look_alike::folded(name).contains(&wanted))
                .cloned(),
        );
        found.retain(|(steam, _)| self.ban_of(bundle, *steam, cx).is_some());
        found.sort_by_key(|(steam, _)| *steam);
        found.dedup_by_key(|(steam, _)| *steam);
        let exact: Vec<_> = found
            .iter()
            .filter(|(_, name)| look_alike::folded(name) == wanted)
            .collect();
        if let [one] = exact[..] {
            return Ok(one.clone());
        }
        match &found[..] {
            [] => Err(Problem::new("player_unknown", &[("text", text)])),
            [one] => Ok(one.clone()),
            several => {
                let several = several.iter().take(limits::CANDIDATES_MAX);
                let names: Vec<String> = several
                    .map(|(steam, name)| format!("{steam} {}", look_alike::shown(name)))
                    .collect();
                let values = [("text", text), ("candidates", &names.join(", "))];
                Err(Problem::new("player_ambiguous", &values))
            }
        }
    }
}
