//! Bans of addresses: the list of each bundle, in memory and on disk, `!banip`, `!unbanip`, `!bans <address>` and the
//! functions for them. Who comes from a banned address is kicked where all bans are enforced, in `bans`.
//!
//! Where a player comes from, only the engine says (its log until `status` does): no report of a game script
//! counts. Administrators of the community are not kicked because of an address.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::commands::Order;
use super::super::orders::{self, AddressTarget, Command, Length, Target, Unbannable};
use super::super::rights::outranks;
use super::super::words::Problem;
use super::super::{Answer, Cx, Message, Subject, Ticket};
use super::fetching::{Asked, Fetching};
use super::unsure::Unsure;
use super::{Ban, Own, check_length, longest};
use crate::core::Now;
use crate::core::outbox::{Change, List, State};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::{AddressBan, FailureKind, Listing, Reply, Request};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The form of the files.
const VERSION: u64 = 1;

/// The bans of addresses of each bundle as the backend listed them last.
#[derive(Default)]
pub struct AddressLists {
    by_bundle: BTreeMap<Uuid, Bundle>,
    /// Lists of an earlier run whose bundles no server has yet.
    cached: BTreeMap<Uuid, Rows>,
    /// The backend has none at all.
    unsupported: bool,
}

struct Bundle {
    rows: Rows,
    fetching: Fetching,
    /// What is in memory is on disk.
    stored: bool,
    /// The backend has replied in this run.
    fetched: bool,
    /// The operator knows that the list is too long.
    reported: bool,
}

/// Bans of addresses, by their ranges, then by when they were created.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rows(Vec<Row>);

/// One of them, as it is enforced and kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Row {
    range: AddressRange,
    created_us: i64,
    id: Uuid,
    /// `None`: permanent.
    ends_us: Option<i64>,
    /// At most [`limits::ADDRESS_BAN_REASON_BYTES_MAX`] as JSON, like the name.
    reason: String,
    creator_name: String,
}

/// What is kept on disk: the fields of rows in their order.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u64,
    bans: Vec<(AddressRange, i64, Uuid, Option<i64>, String, String)>,
}

impl Row {
    fn ends_s(&self) -> Option<i64> {
        self.ends_us.map(seconds)
    }

    fn created_s(&self) -> i64 {
        seconds(self.created_us)
    }
}

impl From<AddressBan> for Row {
    fn from(ban: AddressBan) -> Self {
        Self {
            range: ban.range,
            created_us: ban.created.as_microsecond(),
            id: ban.id,
            ends_us: ban.ends.map(Timestamp::as_microsecond),
            reason: fitted(&ban.reason, limits::ADDRESS_BAN_REASON_BYTES_MAX),
            creator_name: fitted(&ban.creator_name, limits::ADDRESS_BAN_CREATOR_BYTES_MAX),
        }
    }
}

fn seconds(us: i64) -> i64 {
    us.div_euclid(1_000_000)
}

/// At most so many bytes in a file of JSON, without control characters.
fn fitted(text: &str, bytes_max: usize) -> String {
    let mut fitted = String::new();
    let mut bytes = 0;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        bytes += c.len_utf8() + usize::from("\"\\".contains(c));
        if bytes > bytes_max {
            break;
        }
        fitted.push(c);
    }
    fitted
}

impl Rows {
    fn new(rows: impl Iterator<Item = Row>) -> Self {
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_unstable();
        rows.dedup_by_key(|row| row.id);
        Self(rows)
    }

    /// Those of exactly this range, the oldest first.
    fn of(&self, range: AddressRange) -> impl Iterator<Item = &Row> {
        let begin = self.0.partition_point(|row| row.range < range);
        let rows = self.0[begin..].iter();
        rows.take_while(move |row| row.range == range)
    }

    /// This list, and what is known beside it: records that cannot be read may be those.
    fn filled_up(self, known: &Self) -> Self {
        let listed: BTreeSet<Uuid> = self.0.iter().map(|row| row.id).collect();
        let others = known.0.iter().filter(|row| !listed.contains(&row.id));
        let room = limits::ADDRESS_BANS_MAX - self.0.len();
        let others: Vec<Row> = others.take(room).cloned().collect();
        Self::new(self.0.into_iter().chain(others))
    }

    fn parse(text: &str) -> serde_json::Result<Self> {
        let document: Document = serde_json::from_str(text)?;
        let rows = document.bans.into_iter().map(
            |(range, created_us, id, ends_us, reason, creator_name)| Row {
                range,
                created_us,
                id,
                ends_us,
                reason,
                creator_name,
            },
        );
        Ok(Self::new(rows))
    }

    fn text(&self) -> String {
        let bans = self.0.iter().cloned().map(|row| {
            let Row {
                range,
                created_us,
                id,
                ends_us,
                reason,
                creator_name,
            } = row;
            (range, created_us, id, ends_us, reason, creator_name)
        });
        let document = Document {
            version: VERSION,
            bans: bans.collect(),
        };
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl Bundle {
    /// Takes a list over that has come. False: it does not count yet.
    fn take(&mut self, rows: Rows, skipped: usize, now: Now) -> bool {
        let lifts_all = rows.0.is_empty() && !self.rows.0.is_empty();
        if !self.fetching.believes(lifts_all, now) {
            return false;
        }
        self.fetched = true;
        let rows = match skipped {
            0 => rows,
            _ => rows.filled_up(&self.rows),
        };
        self.stored &= rows == self.rows;
        self.rows = rows;
        true
    }
}

impl AddressLists {
    /// Whether the backend has no bans of addresses, as it has said in this run.
    pub fn is_unsupported(&self) -> bool {
        self.unsupported
    }

    /// Whether lists of this bundle come.
    pub fn is_listed(&self, bundle: Uuid) -> bool {
        !self.unsupported && self.by_bundle.contains_key(&bundle)
    }

    /// Whether the list is of this run.
    fn is_fetched(&self, bundle: Uuid) -> bool {
        let bundle = self.by_bundle.get(&bundle);
        bundle.is_some_and(|bundle| bundle.fetched)
    }

    /// Something has changed: the list of this bundle is fetched soon.
    pub fn refresh(&mut self, bundle: Uuid, now: Now) {
        if let Some(bundle) = self.by_bundle.get_mut(&bundle) {
            bundle
                .fetching
                .refresh_at(now.mono_ms + limits::VYHUB_SOON_MS);
        }
    }

    /// The backend has other bans of addresses than before: all lists are fetched now.
    fn refresh_all(&mut self, now: Now) {
        for bundle in self.by_bundle.values_mut() {
            bundle.fetching.refresh_at(now.mono_ms);
        }
    }

    /// An order depends on what others have changed until now: the list of this bundle is fetched at once.
    fn refresh_newest(&mut self, bundle: Uuid, now: Now) {
        if let Some(bundle) = self.by_bundle.get_mut(&bundle) {
            bundle.fetching.refresh_newest(now);
        }
    }

    fn rows(&self, bundle: Uuid) -> Option<&Rows> {
        Some(&self.by_bundle.get(&bundle)?.rows)
    }

    fn begin(&mut self, bundle: Uuid) {
        let cached = &mut self.cached;
        self.by_bundle.entry(bundle).or_insert_with(|| {
            let rows = cached.remove(&bundle);
            Bundle {
                stored: rows.is_some(),
                rows: rows.unwrap_or_default(),
                fetching: Fetching::default(),
                fetched: false,
                reported: false,
            }
        });
    }
}

impl Cx<'_> {
    /// Why a player has to be kicked because of where they come from. The ranges around an address are few, and each
    /// is one search.
    pub(super) fn address_ban_of(&self, bundle: Uuid, person: &Person) -> Option<Ban> {
        let (address, steam) = (person.ip()?, person.steam?);
        let around = AddressRange::all_around(address);
        let ban = longest(around.filter_map(|range| self.ban_of_range(bundle, range)))?;
        let is_exempt = self.directory.is_administrator(steam, bundle, self.now);
        (!is_exempt).then_some(ban)
    }

    /// Why exactly this range is banned, if it is.
    fn ban_of_range(&self, bundle: Uuid, range: AddressRange) -> Option<Ban> {
        let now_s = self.time_s();
        let own = Own::of(self.outbox, bundle, range.into(), now_s);
        let listed = self.addresses.rows(bundle).into_iter();
        let listed = listed.flat_map(|rows| rows.of(range));
        let listed =
            listed.filter(|row| own.leaves((row.id, row.created_s()), row.ends_s(), now_s));
        let listed = listed.map(|row| Ban {
            reason: row.reason.clone(),
            since_s: row.created_s(),
            until_s: row.ends_s(),
            // Where no player is named, it was the server or its operator.
            admin: Some(row.creator_name.clone()).filter(|name| !name.is_empty()),
            id: Some(row.id),
            range: Some(range),
        });
        longest(listed.chain(own.bans.iter().map(|entry| Ban::of_entry(entry))))
    }

    /// Players on servers of a bundle, and where each comes from.
    fn people_with_addresses(&self, bundle: Uuid) -> impl Iterator<Item = (&Person, AddressRange)> {
        let servers = self.records.enforced().filter(move |it| it.1 == bundle);
        let games = servers.filter_map(|(server, _)| self.servers.get(server));
        let people = games.flat_map(|game| game.roster.people());
        people.filter_map(|person| Some((person, AddressRange::of(person.ip()?))))
    }
}

/// Fetches the lists, and carries out orders.
#[derive(Default)]
pub struct Addresses {
    unsure: Unsure,
}

impl Subject for Addresses {
    type Ticket = Asked;

    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> serde_json::Result<()> {
        let id = name.strip_prefix("addresses-");
        if let Some(bundle) = id.and_then(|id| id.parse().ok()) {
            let rows = Rows::parse(text)?;
            cx.addresses.cached.insert(bundle, rows);
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Changed(topics) if topics.addresses => cx.addresses.refresh_all(cx.now),
            Message::Fetched(List::Addresses, bundle, asked_ms, fresh) => {
                for order in self.unsure.decided(*bundle, *asked_ms) {
                    self.decide_unban(&order, *fresh, cx);
                }
            }
            Message::Order(order) => {
                let done = match &order.command {
                    Command::BanAddress {
                        who,
                        length,
                        reason,
                    } => ban(order, who, *length, reason, cx),
                    Command::UnbanAddress { range } => self.unban(order, *range, false, cx),
                    Command::AddressBans { range } => list(order, *range, cx),
                    _ => Ok(()),
                };
                if let Err(problem) = done {
                    cx.refuse(order, &problem);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, asked: Asked, reply: Answer, cx: &mut Cx<'_>) {
        let id = asked.bundle;
        let Some(bundle) = cx.addresses.by_bundle.get_mut(&id) else {
            return;
        };
        bundle.fetching.ended(asked.at_ms, cx.now);
        match reply {
            Ok(Reply::AddressBans(Listing { items, skipped })) => {
                bundle.reported &= items.len() > limits::ADDRESS_BANS_MAX;
                if items.len() > limits::ADDRESS_BANS_MAX {
                    if !std::mem::replace(&mut bundle.reported, true) {
                        log::error!(
                            "{} bans of addresses are listed, and at most {} can be enforced: those known \
                             before hold; lift some, or ban ranges in their place",
                            items.len(),
                            limits::ADDRESS_BANS_MAX
                        );
                    }
                    return cx.send(Message::Fetched(List::Addresses, id, asked.at_ms, false));
                }
                let rows = Rows::new(items.into_iter().map(Row::from));
                if bundle.take(rows, skipped, cx.now) {
                    taken(asked, cx);
                }
            }
            Ok(_) => {}
            Err(failure) if failure.kind == FailureKind::Unsupported => {
                cx.addresses.unsupported = true;
                cx.send(Message::Fetched(List::Addresses, id, asked.at_ms, false));
            }
            Err(failure) => {
                let again_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
                bundle.fetching.again_at(again_ms);
                cx.backend.report_refusal(&failure, cx.now);
                cx.send(Message::Fetched(List::Addresses, id, asked.at_ms, false));
            }
        }
    }

    fn on_stored(&mut self, asked: Asked, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        if result.is_ok() {
            cx.send(Message::Listed(List::Addresses, asked.bundle, asked.at_ms));
        } else if let Some(bundle) = cx.addresses.by_bundle.get_mut(&asked.bundle) {
            bundle.stored = false;
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some(order) = self.unsure.pop_due(cx.now) {
            self.decide_unban(&order, false, cx);
        }
        for (_, bundle) in cx.records.enforced() {
            cx.addresses.begin(bundle);
        }
        if cx.addresses.unsupported {
            return;
        }
        let at_ms = cx.now.mono_ms;
        let all = cx.addresses.by_bundle.iter_mut();
        let due = all.filter_map(|(id, bundle)| Some((*id, bundle.fetching.begin(cx.now)?)));
        let due: Vec<(Uuid, bool)> = due.collect();
        for (bundle, newest) in due {
            let ticket = Ticket::Addresses(Asked { bundle, at_ms });
            cx.request(ticket, Request::ListAddressBans { bundle, newest });
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let lists = cx.addresses.by_bundle.values();
        let lists = lists.filter(|_| !cx.addresses.unsupported);
        let dues = lists.filter_map(|bundle| bundle.fetching.next_due());
        dues.chain(self.unsure.next_due()).min()
    }
}

/// A list was taken over: it counts, and is kept on disk unless it is there.
fn taken(asked: Asked, cx: &mut Cx<'_>) {
    let id = asked.bundle;
    cx.send(Message::BansChanged);
    cx.send(Message::Fetched(List::Addresses, id, asked.at_ms, true));
    let Some(bundle) = cx.addresses.by_bundle.get_mut(&id) else {
        return;
    };
    let is_kept = std::mem::replace(&mut bundle.stored, true);
    if is_kept {
        return cx.send(Message::Listed(List::Addresses, id, asked.at_ms));
    }
    let content = Some(Content::Json(bundle.rows.text()));
    let ticket = Some(Ticket::Addresses(asked));
    cx.store(Shelf::Cache, format!("addresses-{id}"), content, ticket);
}

fn supported(cx: &Cx<'_>) -> Result<(), Problem> {
    match cx.addresses.is_unsupported() {
        true => Err(Problem::new("addresses_none", &[])),
        false => Ok(()),
    }
}

/// Whether this range may be banned by a command or a call. `text`: how the caller named it.
fn bannable(range: AddressRange, text: &str) -> Result<(), Problem> {
    orders::bannable(range).map_err(|why| match why {
        Unbannable::Wide => {
            let most = format!("/{}", limits::ADDRESS_BAN_BITS_MIN);
            Problem::new("address_wide", &[("text", text), ("most", &most)])
        }
        Unbannable::Reserved => Problem::new("address_reserved", &[("text", text)]),
    })
}

fn ban(
    order: &Order,
    who: &AddressTarget,
    length: Length,
    reason: &str,
    cx: &mut Cx<'_>,
) -> Result<(), Problem> {
    supported(cx)?;
    check_length(order, length, cx)?;
    let (range, name) = match who {
        AddressTarget::Range(range) => (*range, range.to_string()),
        AddressTarget::Player(who) => address_of(order, who, cx)?,
    };
    bannable(range, &name)?;
    let player = order.player.as_ref();
    let rights = player.and_then(|player| cx.directory.rights(player.steam, order.bundle));
    for (person, address) in cx.people_with_addresses(order.bundle) {
        let Some(steam) = person.steam.filter(|_| range.covers(address)) else {
            continue;
        };
        if order.call.is_none() && player.is_some_and(|player| player.steam == steam) {
            return Err(Problem::new("banned_self", &[]));
        }
        let target = cx.directory.rights(steam, order.bundle);
        if rights.is_some_and(|rights| !outranks(rights, target)) {
            return Err(Problem::new("player_higher", &[("player", &person.name)]));
        }
    }
    let change = Change::AddressBan {
        length_s: length.seconds(),
        reason: reason.to_owned(),
        standing: true,
    };
    cx.accept(order, (range, name), change)
}

/// Where a player comes from, and what they are called.
fn address_of(
    order: &Order,
    who: &Target,
    cx: &mut Cx<'_>,
) -> Result<(AddressRange, String), Problem> {
    let (steam, name) = cx.confirmed_target(order, who)?;
    let (server, userid) = place_of(order.server, steam, &name, cx)?;
    let game = cx.servers.get(server);
    let address = game.and_then(|game| game.roster.person(userid)?.ip());
    match address {
        Some(address) => Ok((AddressRange::of(address), name)),
        None => Err(Problem::new("address_unknown", &[("player", &name)])),
    }
}

/// Where a player is on, if the game has confirmed that: else the address may be another player's.
fn place_of(
    server: ServerId,
    steam: SteamId,
    name: &str,
    cx: &mut Cx<'_>,
) -> Result<(ServerId, i64), Problem> {
    let values = [("player", name)];
    let place = cx.find(Some(server), steam);
    let (server, userid) = place.ok_or_else(|| Problem::new("address_unknown", &values))?;
    match cx.servers.get_mut(server) {
        Some(game) if !game.may_act_on(userid, cx.now) => {
            game.roster.want_status();
            Err(Problem::new("player_unconfirmed", &values))
        }
        _ => Ok((server, userid)),
    }
}

impl Addresses {
    /// `sure`: the list is as new as it can be.
    fn unban(
        &mut self,
        order: &Order,
        range: AddressRange,
        sure: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        supported(cx)?;
        let is_known = cx.ban_of_range(order.bundle, range).is_some();
        // A script's unban is for sure, and what cannot be known is left to the backend.
        let may_know = cx.addresses.is_fetched(order.bundle) && cx.backend.is_reachable();
        if order.call.is_some() || is_known || !may_know {
            return cx.accept(order, (range, range.to_string()), Change::AddressUnban);
        }
        if !sure && self.unsure.has_room() {
            self.unsure.wait(order, cx.now);
            cx.addresses.refresh_newest(order.bundle, cx.now);
            return Ok(());
        }
        let mut around = AddressRange::all_around(range.first());
        let wider = around
            .find(|other| other.covers(range) && cx.ban_of_range(order.bundle, *other).is_some());
        let address = range.to_string();
        Err(match wider {
            Some(wider) => Problem::new(
                "unbanip_wider",
                &[("address", &address), ("range", &wider.to_string())],
            ),
            None => Problem::new("unbanip_none", &[("address", &address)]),
        })
    }

    /// `fresh`: the newest list has come. Without it, the backend decides.
    fn decide_unban(&mut self, order: &Order, fresh: bool, cx: &mut Cx<'_>) {
        let Command::UnbanAddress { range } = order.command else {
            return;
        };
        let done = match fresh {
            true => self.unban(order, range, true, cx),
            false => supported(cx).and_then(|()| {
                let name = range.to_string();
                cx.accept(order, (range, name), Change::AddressUnban)
            }),
        };
        if let Err(problem) = done {
            cx.refuse(order, &problem);
        }
    }
}

/// `!bans <address>`: bans of this range, of wider ones around it and of narrower ones in it, in the console of
/// the player who wants to know: addresses are not for all to read.
fn list(order: &Order, range: AddressRange, cx: &mut Cx<'_>) -> Result<(), Problem> {
    supported(cx)?;
    let Some(player) = &order.player else {
        return Ok(());
    };
    let rows = cx.addresses.rows(order.bundle).into_iter();
    let listed = rows.flat_map(|rows| &rows.0).map(|row| row.range);
    let here = cx.outbox.all().filter(|entry| {
        entry.bundle == order.bundle && entry.state != State::Dead && cx.outbox.is_stored(entry.id)
    });
    let own = here.filter_map(|entry| entry.whom.range());
    let related = |other: &AddressRange| other.covers(range) || range.covers(*other);
    let ranges: BTreeSet<AddressRange> = listed.chain(own).filter(related).collect();
    let bans = ranges.iter();
    let bans = bans.filter_map(|range| cx.ban_of_range(order.bundle, *range));
    let lines: Vec<String> = bans.map(|ban| line(&ban, cx)).collect();
    let address = range.to_string();
    let values = [("player", &*address), ("count", &*lines.len().to_string())];
    if lines.is_empty() {
        cx.answer(player, "list_bans_none", &values[..1]);
        return Ok(());
    }
    cx.answer(player, "list_bans_head", &values);
    if let Some((server, userid)) = cx.find(Some(player.server), player.steam) {
        for line in lines.iter().take(limits::DASHBOARD_LINES_MAX) {
            cx.servers.say_console(server, userid, line, cx.out);
        }
        cx.answer(player, "bans_in_console", &[]);
    }
    Ok(())
}

fn line(ban: &Ban, cx: &Cx<'_>) -> String {
    let until = cx.words.until(ban.until_s);
    let server_admin = cx.words.say("server_admin", &[]);
    let range = ban.range.map(|range| range.to_string());
    let values = [
        ("address", range.as_deref().unwrap_or_default()),
        ("reason", &ban.reason),
        ("since", &cx.words.date(ban.since_s)),
        ("until", &until),
        ("admin", ban.admin.as_deref().unwrap_or(&server_admin)),
    ];
    cx.words.chat("list_address_ban", &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u32, text: &str) -> AddressBan {
        AddressBan {
            id: Uuid(u128::from(n)),
            range: AddressRange::of(n.into()),
            reason: text.into(),
            created: Timestamp::MAX,
            ends: Some(Timestamp::MAX),
            creator: None,
            creator_name: text.into(),
        }
    }

    #[test]
    fn the_longest_list_fits_into_its_file_whatever_its_texts_are() {
        for text in ["\\\"", "\u{1}\n\u{7f}", "\u{10ffff}", "x"] {
            let all = (0..limits::ADDRESS_BANS_MAX as u32).map(|n| u32::MAX - n);
            let all = all.map(|n| row(n, &text.repeat(500)).into());
            let rows = Rows::new(all);
            let file = rows.text();
            assert!(
                file.len() as u64 <= limits::STORE_FILE_BYTES_MAX,
                "{text:?} {}",
                file.len()
            );
            assert_eq!(Rows::parse(&file).unwrap(), rows, "{text:?}");
            assert_eq!(rows.0.len(), limits::ADDRESS_BANS_MAX);
        }
    }

    #[test]
    fn a_range_is_found_among_those_around_it_and_in_it() {
        let ranges = [
            "10.0.0.0/8",
            "10.0.0.0/16",
            "10.0.0.0",
            "10.0.0.1",
            "9.0.0.0/8",
        ];
        let rows = (1..).zip(ranges).map(|(n, range)| AddressBan {
            range: range.parse().unwrap(),
            ..row(n, "x")
        });
        let rows = Rows::new(rows.map(Row::from));
        for range in ranges {
            let range = range.parse().unwrap();
            let found: Vec<_> = rows.of(range).map(|row| row.range).collect();
            assert_eq!(found, [range]);
        }
        assert_eq!(rows.of("10.0.0.0/24".parse().unwrap()).count(), 0);
    }
}
