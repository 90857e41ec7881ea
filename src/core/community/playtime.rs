//! How long players were on: counted here, kept on disk, added to the attribute `playtime` of the backend;
//! and `!playtime`, `VYHUB_GetPlaytime`.
//!
//! **Counted** is the time from a player's arrival to the last sign of life of the server. Between two signs that
//! are far apart, the server may have been away: such a gap waits for what shows since when the player was on
//! ([`Roster::was_on_since`](crate::core::roster::Roster::was_on_since)). What nothing shows counts where the gap is no
//! longer than a live server lets it be, and not where it is longer. While vpid itself was suspended, nothing counts. What
//! is counted is on disk within a minute, so a crash of vpid loses that at most.
//!
//! **Never lost, never twice.** A player has a counter for each day; one has an id of its own, what was counted
//! (`total_ms`) and how much of that is in the outbox (`sent_ms`). Both only rise. What is taken from a counter
//! goes this way:
//!
//! 1. An entry of the outbox is written. It has the counter's id, and `to_ms`: how far it takes the counter.
//! 2. When it is on disk, `sent_ms` of the counter becomes `to_ms`, and the counters are written.
//! 3. When these are on disk, the entry counts: it may be sent, and leave the outbox after that.
//!
//! A crash before 1. is on disk loses nothing, since nothing was taken. After it, an entry is found with a
//! `to_ms` that its counter does not know: then 2. and 3. are done again. An entry cannot leave the outbox
//! before 3., so `sent_ms` never falls behind what was sent. A counter that is gone from the file, because all
//! of it was sent on an earlier day, or because it was never written, has no time that could be sent again.
//! What a lost reply means for an entry is up to `outbox::kinds`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::commands::Order;
use super::orders::{Command, Target};
use super::questions::Questions;
use super::records::ServerRecord;
use super::words::Problem;
use super::{Answer, Cx, Message, Subject};
use crate::config;
use crate::core::outbox::{Change, EntryId, NewEntry, Playtime, Series, State};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{
    Attribute, Failure, FailureKind, NewAttribute, PLAYTIME, Reply, Request,
};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The file of the attribute, and how the names of those of counters begin.
const DEFINITION: &str = "playtime-definition";
const COUNTERS: &str = "playtime-";
/// The form of the latter.
const VERSION: u64 = 1;
const DAY_MS: i64 = 86_400_000;
/// The engine's number of the team of those who watch.
const SPECTATORS: i64 = 1;

#[derive(Default)]
pub struct Playtimes {
    config: config::Playtime,
    /// By bundle.
    counters: BTreeMap<Uuid, Counters>,
    /// Players who are on, and who have left: they may only have seemed to.
    watched: BTreeMap<SteamId, Watch>,
    gone: BTreeMap<SteamId, Watch>,
    /// A player may have joined.
    look: bool,
    /// Somebody is on whose time does not count now.
    leaves_out: bool,
    step_due_ms: u64,
    /// When that was done last.
    stepped_ms: u64,
    attribute: Option<Attribute>,
    attribute_busy: bool,
    /// When what was counted is sent next, and what of it is not in the outbox yet.
    round_due_ms: u64,
    wanted: BTreeSet<(Uuid, Key)>,
    /// What an earlier run has left in the outbox was compared with the counters.
    is_settled: bool,
    questions: Questions<Question>,
}

/// A player on a day, in days since 1970 by the backend's clock, UTC.
type Key = (SteamId, i64);

/// Where a player is, and until when that was counted, on the daemon's clock.
#[derive(Clone, Copy)]
struct Watch {
    server: ServerId,
    bundle: Uuid,
    userid: i64,
    since_ms: u64,
    /// A time without a sign of the server, of which it is not known yet whether it counts.
    gap: Option<(u64, u64)>,
}

/// From when on a gap counts that is over for a player; `None`: that may still show.
fn counts_from(since_ms: Option<u64>, gap: (u64, u64), now_ms: u64) -> Option<u64> {
    let is_over = now_ms - gap.1 > limits::ROSTER_LIVE_MS;
    since_ms.or_else(|| is_over.then(|| if is_short(gap) { gap.0 } else { gap.1 }))
}

/// A live server may let it be so long until its next sign.
fn is_short((from_ms, to_ms): (u64, u64)) -> bool {
    to_ms.saturating_sub(from_ms) <= limits::ROSTER_LIVE_MS
}

fn is_on(server: ServerId, steam: SteamId, cx: &Cx<'_>) -> bool {
    let game = cx.servers.get(server);
    game.is_some_and(|game| game.roster.by_steam(steam).is_some())
}

/// Those of one bundle.
#[derive(Default)]
struct Counters {
    all: BTreeMap<Key, Counter>,
    /// Since they were written.
    changed: bool,
    write_due_ms: u64,
    /// How many entries are being written, and those that count when the counters are on disk.
    entering: usize,
    accepted: Vec<EntryId>,
    /// That there is no room was reported.
    full: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Counter {
    id: u64,
    steam: SteamId,
    day: i64,
    /// The last moment of it, unix seconds.
    last_s: i64,
    total_ms: u64,
    /// Of that, what is in the outbox, or was.
    sent_ms: u64,
    /// It is being written into the outbox.
    #[serde(skip)]
    is_entering: bool,
}

#[derive(Deserialize)]
struct Document {
    version: u64,
    counters: Vec<Counter>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    counters: Vec<&'a Counter>,
}

struct Question {
    order: Order,
    name: String,
}

pub enum Ticket {
    Attribute,
    NewAttribute,
    Question(u64),
    /// An entry, its counter in a bundle, and how far that was taken.
    Entry(EntryId, (Uuid, Key), u64),
    /// The counters of a bundle, with the entries that count then.
    Counters(Uuid, Vec<EntryId>),
}

impl Counters {
    /// Entries come in numbers, and the counters are written once for all of them.
    fn may_write(&self) -> bool {
        self.changed && self.entering == 0
    }
}

impl Counter {
    /// What can be sent: the backend gets whole millionths of an hour, and the rest stays.
    fn unsent_ms(&self) -> u64 {
        let ms = self.total_ms - self.sent_ms;
        ms - ms % limits::PLAYTIME_QUANTUM_MS
    }
}

impl Subject for Playtimes {
    type Ticket = Ticket;

    fn configure(&mut self, config: &config::Community) {
        self.config = config.playtime;
    }

    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> serde_json::Result<()> {
        if name == DEFINITION {
            self.attribute = Some(serde_json::from_str(text)?);
        } else if let Some(bundle) = name.strip_prefix(COUNTERS).and_then(|id| id.parse().ok()) {
            let document = match serde_json::from_str::<Document>(text) {
                Ok(document) if document.version == VERSION => document,
                _ => {
                    log::error!(
                        "{}/{name}.json is renamed, since it cannot be read; it contains playtime that was not \
                         sent yet",
                        cx.backend.keeper.folders()[1]
                    );
                    cx.store(Shelf::Cache, name.into(), Some(Content::SetAside), None);
                    return Ok(());
                }
            };
            let keyed = document.counters.into_iter().map(|counter| {
                let sane_ms = counter.total_ms.max(counter.sent_ms);
                let counter = Counter {
                    total_ms: sane_ms,
                    ..counter
                };
                ((counter.steam, counter.day), counter)
            });
            self.counters.entry(bundle).or_default().all = keyed.collect();
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::BansChanged => self.look = true,
            Message::Left(server, person) => self.left(*server, person, cx),
            Message::Stopping => {
                self.step(cx);
                let open = self.watched.iter();
                let open = open.filter_map(|(steam, it)| Some((*steam, it.bundle, it.gap?)));
                for (steam, bundle, gap) in open.collect::<Vec<_>>() {
                    self.settle_gap(None, (steam, bundle), gap, true, cx);
                }
                self.write(true, cx);
            }
            Message::Order(order) => {
                if let Command::Playtime { who } = &order.command
                    && let Err(problem) = self.ask(order, who.as_ref(), cx)
                {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => self.request(*steam, cx),
            Message::NoUser(steam, failure) => {
                for question in self.questions.give_up(*steam) {
                    cannot_say(&question.order, &failure.why, cx);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, ticket: Ticket, reply: Answer, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Attribute => self.attribute_replied(reply, true, cx),
            Ticket::NewAttribute => self.attribute_replied(reply, false, cx),
            Ticket::Question(number) => self.question_replied(number, reply, cx),
            Ticket::Entry(..) | Ticket::Counters(..) => {}
        }
    }

    fn on_stored(&mut self, ticket: Ticket, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Entry(id, of, to_ms) => self.entry_stored(id, of, to_ms, result, cx),
            Ticket::Counters(bundle, ids) => self.counters_stored(bundle, ids, result, cx),
            Ticket::Attribute | Ticket::NewAttribute | Ticket::Question(_) => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        if !self.is_settled {
            self.is_settled = true;
            self.settle(cx);
        }
        if self.look || (self.step_due_ms <= cx.now.mono_ms && self.has_anybody()) {
            self.step(cx);
        }
        self.begin_round(cx);
        self.fill_outbox(cx);
        self.write(false, cx);
        while let Some(question) = self.questions.pop_due(cx.now) {
            let why = format!("{} has not answered in time", cx.backend.keeper);
            cannot_say(&question.order, &why, cx);
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let step = self.has_anybody().then_some(self.step_due_ms);
        let is_ready = cx.records.ready().next().is_some() && !self.attribute_busy;
        let round = is_ready.then_some(self.round_due_ms);
        let counters = self.counters.values();
        let write = counters.filter_map(|of| of.may_write().then_some(of.write_due_ms));
        let dues = [step, round, self.questions.next_due()];
        dues.into_iter().flatten().chain(write).min()
    }
}

/// What is counted.
impl Playtimes {
    fn has_anybody(&self) -> bool {
        self.leaves_out || !self.watched.is_empty()
    }

    /// Counts for those who are on, until the last sign of each server.
    fn step(&mut self, cx: &mut Cx<'_>) {
        (self.look, self.leaves_out) = (false, false);
        self.step_due_ms = cx.now.mono_ms + limits::PLAYTIME_STEP_MS;
        let before_ms = std::mem::replace(&mut self.stepped_ms, cx.now.mono_ms);
        let was_suspended = cx.now.mono_ms - before_ms > limits::ROSTER_LIVE_MS;
        if !self.config.enabled {
            return;
        }
        // Who has changed the server may be on the old one's list for a while: the last arrival counts.
        let mut present: BTreeMap<SteamId, (i64, ServerId, Uuid, u64, i64)> = BTreeMap::new();
        for (server, bundle) in cx.records.enforced() {
            let Some(game) = cx.servers.get(server) else {
                continue;
            };
            let sign_ms = game.roster.last_sign_ms().unwrap_or(0);
            for person in game.roster.people().filter(|it| !it.bot) {
                let Some(steam) = person.steam else { continue };
                if !self.config.counts(person, cx.now.mono_ms) {
                    self.leaves_out = true;
                    continue;
                }
                let here = (person.since_ms, server, bundle, sign_ms, person.userid);
                let known = present.entry(steam).or_insert(here);
                if known.0 < here.0 {
                    *known = here;
                }
            }
        }
        let gone = self
            .watched
            .keys()
            .filter(|steam| !present.contains_key(steam));
        for steam in Vec::from_iter(gone.copied()) {
            self.ended(steam, cx);
        }
        for (steam, (_, server, bundle, sign_ms, userid)) in present {
            let fresh = Watch {
                server,
                bundle,
                userid,
                since_ms: cx.now.mono_ms,
                gap: None,
            };
            let mut watch = self.take_watch(steam, fresh, sign_ms, cx);
            if was_suspended {
                watch = fresh;
            }
            let from_ms = watch.since_ms;
            watch.since_ms = from_ms.max(sign_ms);
            self.count_until(steam, &mut watch, from_ms, cx);
            self.watched.insert(steam, watch);
            if let Some(gap) = watch.gap {
                self.settle_gap(Some((server, userid)), (steam, bundle), gap, false, cx);
            }
        }
    }

    /// Counts the time from one sign of the server to the last, or keeps it as a gap. A row of `status` in between
    /// shows what was before it.
    fn count_until(&mut self, steam: SteamId, watch: &mut Watch, from_ms: u64, cx: &mut Cx<'_>) {
        let (place, of) = ((watch.server, watch.userid), (steam, watch.bundle));
        let until_ms = watch.since_ms;
        let game = cx.servers.get(watch.server);
        let row_ms = game.and_then(|game| game.roster.row_ms(watch.userid));
        let row_ms = row_ms.filter(|row_ms| (from_ms..until_ms).contains(row_ms));
        let row_ms = row_ms.unwrap_or(from_ms);
        for time in [(from_ms, row_ms), (row_ms, until_ms)] {
            if time.1 - time.0 <= limits::PLAYTIME_QUIET_MS {
                self.count(of, time.0, time.1, cx);
            } else if let Some(gap) = watch.gap.replace(time) {
                // One that is followed by another is decided by what is known now.
                self.settle_gap(Some(place), of, gap, true, cx);
            }
        }
    }

    /// Takes what was counted last of a player who is on. `fresh`: as for one who has just come.
    fn take_watch(&mut self, steam: SteamId, fresh: Watch, sign_ms: u64, cx: &mut Cx<'_>) -> Watch {
        let Watch { server, userid, .. } = fresh;
        // They only seemed to leave.
        let is_same = |watch: &Watch| {
            let time = (watch.since_ms, sign_ms);
            let roster = cx.servers.get(server).map(|game| &game.roster);
            let since_ms = roster.and_then(|roster| roster.was_on_since(userid, time));
            watch.userid == userid && since_ms == Some(time.0)
        };
        let gone = self.gone.remove(&steam).filter(is_same);
        let known = self.watched.remove(&steam).or(gone);
        let Some(mut watch) = known else {
            return fresh;
        };
        if (watch.server, watch.bundle) != (server, fresh.bundle) {
            self.close(steam, &mut watch, 0, cx);
            return fresh;
        }
        if watch.userid != userid {
            // They left and came back, and both was reported together.
            self.close(steam, &mut watch, sign_ms, cx);
            watch.userid = userid;
        }
        watch
    }

    /// Counts a gap, or not, if it is known which, or must be decided now.
    fn settle_gap(
        &mut self,
        place: Option<(ServerId, i64)>,
        of: (SteamId, Uuid),
        gap: (u64, u64),
        at_once: bool,
        cx: &mut Cx<'_>,
    ) {
        let since_ms = place.and_then(|(server, userid)| {
            let game = cx.servers.get(server)?;
            game.roster.was_on_since(userid, gap)
        });
        let now_ms = match at_once {
            true => u64::MAX,
            false => cx.now.mono_ms,
        };
        let Some(from_ms) = counts_from(since_ms, gap, now_ms) else {
            return;
        };
        let watch = self.watched.get_mut(&of.0);
        if let Some(watch) = watch.filter(|watch| watch.gap == Some(gap)) {
            watch.gap = None;
        }
        self.count(of, from_ms, gap.1, cx);
    }

    /// A player has left: of this time, no more will be known.
    fn close(&mut self, steam: SteamId, watch: &mut Watch, until_ms: u64, cx: &mut Cx<'_>) {
        let last = (watch.since_ms, until_ms.max(watch.since_ms));
        let gaps = watch.gap.take().into_iter().chain([last]);
        for gap in gaps.filter(|gap| is_short(*gap)) {
            self.count((steam, watch.bundle), gap.0, gap.1, cx);
        }
        watch.since_ms = last.1;
    }

    /// The server says that a player has left.
    fn left(&mut self, server: ServerId, person: &Person, cx: &mut Cx<'_>) {
        let Some(steam) = person.steam else { return };
        let watch = self.watched.get(&steam);
        if watch.is_some_and(|watch| watch.server == server) && !is_on(server, steam, cx) {
            self.ended(steam, cx);
        }
    }

    /// A player does not count any more: they have left, or seem to, or are on and left out from now on.
    fn ended(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let Some(mut watch) = self.watched.remove(&steam) else {
            return;
        };
        if is_on(watch.server, steam, cx) {
            return self.close(steam, &mut watch, 0, cx);
        }
        let game = cx.servers.get(watch.server);
        let sign_ms = game.and_then(|game| game.roster.last_sign_ms());
        self.close(steam, &mut watch, sign_ms.unwrap_or(0), cx);
        self.gone.insert(steam, watch);
        if self.gone.len() > limits::PLAYTIME_GONE_MAX {
            let oldest = self.gone.iter().min_by_key(|(_, watch)| watch.since_ms);
            let oldest = oldest.map(|(steam, _)| *steam);
            oldest.and_then(|steam| self.gone.remove(&steam));
        }
    }

    /// A player was on between these moments of the daemon's clock.
    fn count(&mut self, of: (SteamId, Uuid), from_ms: u64, until_ms: u64, cx: &mut Cx<'_>) {
        let now_ms = cx.time_s().saturating_mul(1_000);
        let ago_ms = |at_ms: u64| i64::try_from(cx.now.mono_ms - at_ms).unwrap_or(i64::MAX);
        let (mut begin_ms, end_ms) = (
            now_ms.saturating_sub(ago_ms(from_ms)),
            now_ms.saturating_sub(ago_ms(until_ms)),
        );
        // Each day has its own.
        while begin_ms < end_ms {
            let midnight_ms = (begin_ms.div_euclid(DAY_MS) + 1) * DAY_MS;
            let part_end_ms = end_ms.min(midnight_ms);
            let last_ms = part_end_ms.min(midnight_ms - 1);
            self.add(of, last_ms, (part_end_ms - begin_ms) as u64, cx);
            begin_ms = part_end_ms;
        }
    }

    fn add(&mut self, (steam, bundle): (SteamId, Uuid), end_ms: i64, ms: u64, cx: &mut Cx<'_>) {
        let counters = self.counters.entry(bundle).or_default();
        let key = (steam, end_ms.div_euclid(DAY_MS));
        if counters.all.len() >= limits::PLAYTIME_COUNTERS_MAX && !counters.all.contains_key(&key) {
            if !std::mem::replace(&mut counters.full, true) {
                log::error!(
                    "{} playtime counters (of a player and a day) wait for {}: no others are added until \
                     some of it is sent",
                    limits::PLAYTIME_COUNTERS_MAX,
                    cx.backend.keeper
                );
            }
            return;
        }
        let counter = counters.all.entry(key).or_insert_with(|| Counter {
            id: (cx.now.wall_s as u64) << 31 | cx.backend.pace.draw(),
            steam,
            day: key.1,
            last_s: 0,
            total_ms: 0,
            sent_ms: 0,
            is_entering: false,
        });
        counter.total_ms += ms;
        counter.last_s = end_ms.div_euclid(1_000);
        if !std::mem::replace(&mut counters.changed, true) {
            counters.write_due_ms = cx.now.mono_ms + limits::PLAYTIME_WRITE_MS;
        }
    }

    /// Writes counters that have changed, where it is time to.
    fn write(&mut self, all: bool, cx: &mut Cx<'_>) {
        for (bundle, counters) in &mut self.counters {
            let due = counters.may_write() && counters.write_due_ms <= cx.now.mono_ms;
            let wanted = due || (all && counters.changed);
            if !wanted {
                continue;
            }
            counters.changed = false;
            let text = serde_json::to_string(&Written {
                version: VERSION,
                counters: counters.all.values().collect(),
            });
            let content = Some(Content::Json(text.unwrap_or_default()));
            let ids = std::mem::take(&mut counters.accepted);
            let ticket = super::Ticket::Playtime(Ticket::Counters(*bundle, ids));
            cx.store(
                Shelf::Cache,
                format!("{COUNTERS}{bundle}"),
                content,
                Some(ticket),
            );
        }
    }

    fn counters_stored(
        &mut self,
        bundle: Uuid,
        ids: Vec<EntryId>,
        result: Result<(), StoreError>,
        cx: &mut Cx<'_>,
    ) {
        let counters = self.counters.entry(bundle).or_default();
        if let Err(why) = result {
            log::error!("playtime cannot be saved: {why}");
            counters.accepted.extend(ids);
            counters.changed = true;
            counters.write_due_ms = cx.now.mono_ms + limits::PLAYTIME_WRITE_MS;
            return;
        }
        for id in ids {
            cx.outbox.stored(id);
        }
        let today = cx.time_s().div_euclid(DAY_MS / 1_000);
        let before = counters.all.len();
        counters.all.retain(|(_, day), counter| {
            *day >= today || counter.is_entering || counter.unsent_ms() > 0
        });
        if counters.all.len() < before {
            counters.full = false;
            counters.changed = true;
            counters.write_due_ms = cx.now.mono_ms + limits::PLAYTIME_WRITE_MS;
        }
    }
}

/// What is sent.
impl Playtimes {
    /// Entries of an earlier run count once their counters know of them on disk.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let mut known = Vec::new();
        for entry in cx.outbox.all() {
            let Change::Playtime(change) = &entry.change else {
                continue;
            };
            let counters = self.counters.get_mut(&entry.bundle);
            let behind = counters.and_then(|counters| {
                let mut all = counters.all.values_mut();
                let counter = all.find(|counter| counter.id == change.counter)?;
                if counter.sent_ms >= change.to_ms {
                    return None;
                }
                counter.sent_ms = change.to_ms;
                counter.total_ms = counter.total_ms.max(change.to_ms);
                counters.changed = true;
                counters.accepted.push(entry.id);
                Some(())
            });
            if behind.is_none() {
                known.push(entry.id);
            }
        }
        for id in known {
            cx.outbox.stored(id);
        }
    }

    /// Has what was counted sent, every hour and at the start, as soon as the attribute is known.
    fn begin_round(&mut self, cx: &mut Cx<'_>) {
        let is_ready = cx.records.ready().next().is_some();
        if !is_ready || self.attribute_busy || self.round_due_ms > cx.now.mono_ms {
            return;
        }
        if !cx.backend.is_reachable() {
            self.round_due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
            return;
        }
        self.round_due_ms = cx.now.mono_ms + limits::PLAYTIME_ROUND_MS;
        let mut counters = self.counters.values().flat_map(|of| of.all.values());
        if counters.any(|counter| counter.unsent_ms() > 0) {
            self.attribute_busy = true;
            let ticket = super::Ticket::Playtime(Ticket::Attribute);
            cx.request(ticket, Request::FindAttribute(PLAYTIME));
        }
    }

    fn attribute_replied(&mut self, reply: Answer, may_make: bool, cx: &mut Cx<'_>) {
        self.attribute_busy = false;
        match reply {
            Ok(Reply::Attribute(attribute)) => {
                if self.attribute.as_ref() != Some(&attribute) {
                    let text = serde_json::to_string_pretty(&attribute).unwrap_or_default();
                    let content = Some(Content::Json(text));
                    cx.store(Shelf::Cache, DEFINITION.into(), content, None);
                    readdress(attribute.id, cx);
                }
                self.attribute = Some(attribute);
                self.want_all();
            }
            Err(failure) if failure.kind == FailureKind::NotFound && may_make => {
                self.attribute_busy = true;
                let attribute = NewAttribute {
                    name: PLAYTIME,
                    title: "Play Time",
                    unit: "HOURS",
                };
                let ticket = super::Ticket::Playtime(Ticket::NewAttribute);
                cx.request(ticket, Request::CreateAttribute(attribute));
            }
            // What was known holds.
            Err(failure) if failure.is_refusal() && self.attribute.is_some() => self.want_all(),
            Err(failure) => {
                cx.backend.report_refusal(&failure, cx.now);
                if !failure.is_trouble() {
                    log::warn!(
                        "playtime is not sent: {} did not return its attribute ({failure})",
                        cx.backend.keeper
                    );
                }
                self.round_due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
            }
            Ok(_) => self.round_due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now),
        }
    }

    /// Schedules all counted time for sending, if the attribute adds it up.
    fn want_all(&mut self) {
        if self.attribute.as_ref().is_some_and(|it| !it.accumulated) {
            log::error!(
                "the community's attribute \"{PLAYTIME}\" is not of the type ACCUMULATED: playtime cannot be added to \
                 it, so none is sent; change its type, or delete it, and vpid creates a new one"
            );
            return;
        }
        for (bundle, counters) in &self.counters {
            let unsent = counters.all.iter().filter(|(_, it)| it.unsent_ms() > 0);
            self.wanted.extend(unsent.map(|(key, _)| (*bundle, *key)));
        }
    }

    /// Moves scheduled time into the outbox, a part at a time.
    fn fill_outbox(&mut self, cx: &mut Cx<'_>) {
        if self.wanted.is_empty() || !cx.backend.is_reachable() {
            return;
        }
        let Some(attribute) = self.attribute.as_ref().map(|attribute| attribute.id) else {
            return;
        };
        let (open, dead) = cx.outbox.counts_of(Series::Playtime);
        if dead >= limits::OUTBOX_PLAYTIME_DEAD_MAX {
            // It stays in its counters, and is looked at again in the next round.
            self.wanted.clear();
            return log::error!(
                "{dead} entries of playtime are dead letters, so no more of it is sent: see `vpid queue list`; what \
                 is retried or dropped makes room"
            );
        }
        // The counters are written with each filling.
        if open > limits::OUTBOX_PLAYTIME_MAX / 2 {
            return;
        }
        let mut room = limits::OUTBOX_PLAYTIME_MAX - open;
        while room > 0
            && let Some(next) = self.wanted.pop_first()
        {
            room -= 1;
            self.send(next, attribute, cx);
        }
    }

    fn send(&mut self, (bundle, key): (Uuid, Key), attribute: Uuid, cx: &mut Cx<'_>) {
        let Some(Counters { all, entering, .. }) = self.counters.get_mut(&bundle) else {
            return;
        };
        let Some(counter) = all.get_mut(&key) else {
            return;
        };
        let ms = counter.unsent_ms();
        if ms == 0 || counter.is_entering || is_waiting(counter, cx) {
            return;
        }
        let records = || cx.records.all().iter();
        let is_of = |record: &&ServerRecord| record.bundle().is_some_and(|it| it.id == bundle);
        // A server may be in another bundle by now.
        let record = records().find(is_of).or_else(|| records().next());
        let Some(server) = record.map(|record| record.id) else {
            return;
        };
        let to_ms = counter.sent_ms + ms;
        let new = NewEntry {
            change: Change::Playtime(Playtime {
                attribute,
                date: Timestamp::from_second(counter.last_s).unwrap_or(Timestamp::UNIX_EPOCH),
                counter: counter.id,
                to_ms,
                ms,
                before: None,
            }),
            server,
            bundle,
            whom: key.0.into(),
            name: cx
                .present_name(key.0)
                .unwrap_or_else(|| cx.name_of(bundle, key.0)),
            issuer: None,
            call: None,
        };
        // Where there is no room, the next round has it.
        if let Some(id) = cx.add_entry(new) {
            counter.is_entering = true;
            *entering += 1;
            let ticket = Ticket::Entry(id, (bundle, key), to_ms);
            cx.store_entry(id, Some(super::Ticket::Playtime(ticket)));
        }
    }

    fn entry_stored(
        &mut self,
        id: EntryId,
        (bundle, key): (Uuid, Key),
        to_ms: u64,
        result: Result<(), StoreError>,
        cx: &mut Cx<'_>,
    ) {
        let counters = self.counters.entry(bundle).or_default();
        counters.entering = counters.entering.saturating_sub(1);
        let counter = counters.all.get_mut(&key);
        if let Err(why) = result {
            cx.outbox.remove(id);
            if let Some(counter) = counter {
                counter.is_entering = false;
            }
            return log::error!("playtime is not sent yet: it cannot be saved ({why})");
        }
        if let Some(counter) = counter {
            counter.is_entering = false;
            counter.sent_ms = to_ms;
        }
        counters.accepted.push(id);
        counters.changed = true;
        counters.write_due_ms = cx.now.mono_ms;
    }
}

/// What players and scripts ask.
impl Playtimes {
    fn ask(&mut self, order: &Order, who: Option<&Target>, cx: &mut Cx<'_>) -> Result<(), Problem> {
        let asker = order.player.as_ref();
        let (steam, name) = match (who, asker) {
            (Some(who), Some(_)) => cx.known_target(order.server, order.bundle, who)?,
            (Some(who), None) => cx.target(order.server, order.bundle, who)?,
            (None, Some(player)) => (player.steam, player.name.clone()),
            (None, None) => return Ok(()),
        };
        if self.questions.is_full() {
            let why = format!("too many wait for {}", cx.backend.keeper);
            cannot_say(order, &why, cx);
            return Ok(());
        }
        let question = Question {
            order: order.clone(),
            name,
        };
        let due_ms = order.call.as_ref().map(|call| call.due_ms);
        let due_ms = due_ms.unwrap_or(cx.now.mono_ms + limits::QUESTION_PATIENCE_MS);
        self.questions.ask(steam, question, due_ms, cx);
        self.request(steam, cx);
        Ok(())
    }

    /// The user of questions is known.
    fn request(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        self.questions.request(steam, cx, |number, question, user| {
            let bundle = question.order.bundle;
            let ticket = super::Ticket::Playtime(Ticket::Question(number));
            (ticket, Request::AttributesOfUser { user, bundle })
        });
    }

    fn question_replied(&mut self, number: u64, reply: Answer, cx: &mut Cx<'_>) {
        let Some((steam, question)) = self.questions.replied(number, &reply, cx) else {
            return;
        };
        let Question { order, name } = question;
        let failure = match &reply {
            Ok(Reply::Attributes(all)) => {
                let kept = all
                    .get(PLAYTIME)
                    .map_or(Ok(0.0), |hours| hours.parse::<f64>());
                match kept {
                    Ok(hours) => {
                        let unsent_ms = self.unsent_ms(order.bundle, steam, &reply, cx);
                        return say(&order, (steam, &name), hours, unsent_ms, cx);
                    }
                    Err(_) => Failure::unclear("the reply has no number as the playtime"),
                }
            }
            Ok(_) => Failure::unclear("a strange reply"),
            Err(failure) => failure.clone(),
        };
        cannot_say(&order, &failure.why, cx);
    }

    /// What a player has that is not in this reply of the backend.
    fn unsent_ms(&mut self, bundle: Uuid, steam: SteamId, reply: &Answer, cx: &mut Cx<'_>) -> u64 {
        self.step(cx);
        let counters = self.counters.get(&bundle).into_iter();
        let counters = counters.flat_map(|of| of.all.range((steam, i64::MIN)..=(steam, i64::MAX)));
        let counted_ms: u64 = counters.map(|(_, it)| it.total_ms - it.sent_ms).sum();
        let on_the_way = cx.outbox.of(steam).filter_map(|entry| {
            let Change::Playtime(playtime) = &entry.change else {
                return None;
            };
            let there = reply.as_ref().is_ok_and(|reply| {
                entry.state == State::Sending && entry.change.was_added(entry, reply)
            });
            let counts = entry.is_open() && entry.bundle == bundle && !there;
            counts.then_some(playtime.ms)
        });
        counted_ms + on_the_way.sum::<u64>()
    }
}

/// The attribute was replaced: additions to the old one go to this one.
fn readdress(attribute: Uuid, cx: &mut Cx<'_>) {
    let ids: Vec<EntryId> = cx.outbox.all().map(|entry| entry.id).collect();
    for id in ids {
        let entry = cx.outbox.get_mut(id).filter(|it| it.state != State::Done);
        if let Some(Change::Playtime(playtime)) = entry.map(|entry| &mut entry.change)
            && std::mem::replace(&mut playtime.attribute, attribute) != attribute
        {
            cx.store_entry(id, None);
        }
    }
}

/// Whether an earlier part of a counter is still on its way.
fn is_waiting(counter: &Counter, cx: &Cx<'_>) -> bool {
    let mut open = cx.outbox.of(counter.steam).filter(|entry| entry.is_open());
    open.any(|entry| matches!(&entry.change, Change::Playtime(it) if it.counter == counter.id))
}

/// Answers a question.
fn say(order: &Order, who: (SteamId, &str), hours: f64, unsent_ms: u64, cx: &mut Cx<'_>) {
    let unsent = unsent_ms as f64 / 3_600_000.0;
    let all = (hours + unsent).max(0.0);
    if let Some(call) = &order.call {
        let value = json!({"player": who.0, "hours": all, "unsent_hours": unsent});
        cx.respond(call.id, Ok(value));
    } else if let Some(player) = &order.player {
        let time = cx.words.length(Some((all * 3_600.0) as u64));
        cx.answer(player, "playtime", &[("player", who.1), ("time", &time)]);
    }
}

fn cannot_say(order: &Order, why: &str, cx: &mut Cx<'_>) {
    if let Some(call) = &order.call {
        cx.respond(call.id, Err(cx.backend.keeper.unavailable(why)));
    } else if let Some(player) = &order.player {
        cx.answer(player, "playtime_away", &[]);
    }
}

impl config::Playtime {
    fn counts(self, person: &Person, now_ms: u64) -> bool {
        let idle_ms = person.idle_since_ms.map(|since_ms| {
            let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
            u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0)
        });
        let most_ms = self.idle_minutes * 60_000;
        let is_idle = most_ms > 0 && idle_ms.is_some_and(|idle_ms| idle_ms >= most_ms);
        !person.bot && !is_idle && (self.count_spectators || person.team != SPECTATORS)
    }
}

#[cfg(test)]
mod tests;
