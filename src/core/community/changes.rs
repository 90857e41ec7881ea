//! Changes on their way to the backend: accepted into the outbox, sent, judged, and what their issuers read
//! of it. What depends on the kind of a change is in `outbox::kinds`.
//!
//! A change counts when it is on disk. To be sent, its user is found, in doubt it is looked for in the
//! backend, and it is marked on disk. Whatever may have been carried out (no reply, a broken one, an error
//! behind the door) is compared with what the backend lists before it is sent again: the backend has no
//! other way to tell a repetition from a second ban.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::backend::Refused;
use super::commands::Order;
use super::records::ServerRecord;
use super::rewards::{Record, Reported};
use super::rights::{Right, Verdict, max_ban};
use super::words::Problem;
use super::{Answer, Cx, Message, Subject};
use crate::core::deadlines::{Expiring, NEVER};
use crate::core::outbox::{
    Change, Comparison, Ends, Entry, EntryId, Issuer, List, NewEntry, Origin, QueueError, Series,
    State, Whom,
};
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Lacking, Membership, Reply, Request};
use crate::protocol::call_error::CallError;
use crate::protocol::control::QueueRequest;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Changes {
    /// Entries on their way that wait for the directory.
    needs: Expiring<EntryId, Need>,
    /// How often the backend did not know a user of an entry.
    unknown: HashMap<EntryId, u32>,
    /// What entries have made in this run, and about whom, the oldest first.
    made: VecDeque<(Whom, Uuid)>,
    /// Entries whose issuers know that they wait.
    said_queued: HashSet<EntryId>,
    /// What entries on their way end, as it was listed.
    ends: HashMap<EntryId, Ends>,
    /// Entries of playtime that are sent together: those whose marks are being written, and those that are marked.
    marking: BTreeSet<EntryId>,
    additions: Vec<EntryId>,
}

/// What an entry on its way waits for.
enum Need {
    User(SteamId),
    /// This was refused with this sentence: may its issuer do this at all?
    Rights(String, Refused),
}

/// Why it is recorded that an entry is sent.
#[derive(Clone, Copy)]
pub enum Mark {
    /// Nothing of it was sent before.
    First { lifted: bool },
    /// It may have been carried out before.
    Again,
}

pub enum Ticket {
    /// It counts when it is on disk.
    Stored(EntryId),
    /// It may be sent then.
    Marked(EntryId, Mark),
    /// The backend has it.
    Ended(EntryId),
    /// Is it in the backend already? With the page, and whether it may be one of an earlier page that cannot
    /// be read.
    Compare(EntryId, u64, bool),
    /// What must be known before it is sent to this user.
    Before(EntryId, Uuid),
    /// What is there that it ends? With the page.
    Ends(EntryId, u64),
    Send(EntryId),
    SendAll(Vec<EntryId>),
    /// The membership that it has made is on disk.
    Made(EntryId),
    /// Which memberships does the player have beside it?
    Others(EntryId),
    /// One of them ends, or of what it ends by itself; and these are left.
    EndOther(EntryId, Vec<Uuid>),
}

impl Cx<'_> {
    /// Puts a change into the outbox. It counts when it is on disk.
    pub fn accept(
        &mut self,
        order: &Order,
        (whom, name): (impl Into<Whom>, String),
        mut change: Change,
    ) -> Result<(), Problem> {
        let issuer = self.issuer(order)?;
        if let Some(reason) = change.reason_mut() {
            let plain = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            *reason = plain.collect::<String>().trim().to_owned();
            if reason.chars().count() > limits::REASON_CHARS_MAX {
                return Err(Problem::new("too_long", &[]));
            }
        }
        let record = self.records.get(order.server);
        let record = record.ok_or_else(|| Problem::new("state_waiting", &[]))?;
        let new = NewEntry {
            change,
            server: record.id,
            bundle: order.bundle,
            whom: whom.into(),
            name,
            issuer,
            call: order.call.as_ref().map(|call| Origin::from(call.id)),
        };
        let Some(id) = self.add_entry(new) else {
            log::error!("the outbox is full: a change is not taken; see `vpid queue list`");
            return Err(Problem::new("queue_full", &[]));
        };
        self.knows_of(id);
        self.store_entry(id, Some(super::Ticket::Changes(Ticket::Stored(id))));
        if let Some(warning) = self.outbox.warning() {
            log::warn!("{warning}");
        }
        Ok(())
    }

    /// An unban ends what is known when it is ordered, also what has a later time by a clock that was wrong.
    fn knows_of(&mut self, id: EntryId) {
        let Some(entry) = self.outbox.get(id).filter(|it| it.change == Change::Unban) else {
            return;
        };
        let list = self.lists.get(entry.bundle);
        let listed = list.into_iter().zip(entry.whom.steam());
        let listed = listed.flat_map(|(list, steam)| list.of(steam));
        let known = listed.map(|ban| ban.id).chain(self.outbox.made(entry.whom));
        let known: BTreeSet<Uuid> = known.take(limits::ENTRY_OTHERS_MAX).collect();
        if let Some(entry) = self.outbox.get_mut(id) {
            entry.others = Vec::from_iter(known);
        }
    }

    /// Adds an entry to the outbox, which is still to be stored. `None`: there is no room.
    pub fn add_entry(&mut self, new: NewEntry) -> Option<EntryId> {
        // Bans that are alike otherwise differ in their microseconds.
        let micros = 1 + self.backend.pace.draw() % 999_999;
        let created = Timestamp::new(self.time_s(), micros as i32 * 1_000);
        let created = created.unwrap_or(Timestamp::UNIX_EPOCH);
        let latest_s = self.backend.moment(self.now).latest_s;
        let entry = self.outbox.accept(new, created, latest_s, self.now)?;
        Some(entry.id)
    }

    /// Puts a report of an executed reward into the outbox. False: there is no room.
    pub fn accept_report(&mut self, record: &Record) -> bool {
        let new = NewEntry {
            change: Change::Reward { reward: record.id },
            server: record.server,
            bundle: record.bundle,
            whom: record.steam.into(),
            name: record.name.clone(),
            issuer: None,
            call: None,
        };
        let created = Timestamp::from_second(self.time_s()).unwrap_or(Timestamp::UNIX_EPOCH);
        let latest_s = self.backend.moment(self.now).latest_s;
        let entry = self.outbox.accept(new, created, latest_s, self.now);
        let id = entry.map(|entry| entry.id);
        if let Some(id) = id {
            self.store_entry(id, Some(super::Ticket::Changes(Ticket::Stored(id))));
        }
        id.is_some()
    }

    /// A report is not in the outbox any more.
    fn report_ended(&mut self, entry: &Entry, outcome: Reported) {
        if let Change::Reward { reward } = entry.change {
            let server = entry.server;
            self.send(Message::Reported(reward, server, outcome));
        }
    }

    /// The issuer of an order as a user of the backend.
    pub fn issuer(&self, order: &Order) -> Result<Option<Issuer>, Problem> {
        let Some(player) = &order.player else {
            return Ok(None);
        };
        let user = self.directory.user_id(player.steam, order.bundle);
        let user = user.ok_or_else(|| Problem::new("rights_unknown", &[("command", "")]))?;
        Ok(Some(Issuer {
            steam: player.steam,
            user,
            name: player.name.clone(),
        }))
    }

    /// Writes an entry to disk as it stands.
    pub fn store_entry(&mut self, id: EntryId, ticket: Option<super::Ticket>) {
        if let Some(entry) = self.outbox.get(id) {
            let (name, text) = (entry.file(), Some(Content::Json(entry.text())));
            self.store(Shelf::Outbox, name, text, ticket);
        }
    }

    fn remove_entry(&mut self, id: EntryId) {
        self.outbox.remove(id);
        self.store(Shelf::Outbox, id.to_string(), None, None);
    }

    fn send_request(&mut self, ticket: Ticket, request: Request) {
        self.request(super::Ticket::Changes(ticket), request);
    }

    /// Reports to the issuer of an entry, if it was a player. `outcome`: how the name of the message ends.
    fn tell_issuer(&mut self, entry: &Entry, outcome: &str, why: &str) {
        let Some(issuer) = &entry.issuer else { return };
        let length = entry.change.length_s();
        let length = length.map_or(String::new(), |length_s| self.words.length(length_s));
        let group = match entry.change.group() {
            "" => self.words.say("group_all", &[]),
            group => group.to_owned(),
        };
        let values = [
            ("player", entry.name.as_str()),
            ("length", length.as_str()),
            ("reason", entry.change.reason()),
            ("group", group.as_str()),
            ("why", why),
        ];
        let key = format!("{}_{outcome}", entry.change.message());
        let text = self.words.chat(&key, &values);
        self.say(self.server_of(entry), issuer.steam, &text);
    }

    /// The user whom an entry is about, once they are known. Addresses have none, and need none.
    fn user_of(&self, entry: &Entry) -> Option<Uuid> {
        match entry.whom {
            Whom::Player { steam } => self.directory.user(steam).map(|user| user.id),
            Whom::Addresses { .. } => Some(Uuid(0)),
        }
    }

    /// The backend may not know the user any more whom an entry is about.
    fn forget_user_of(&mut self, whom: Whom) {
        if let Some(steam) = whom.steam() {
            self.directory.forget(steam, self.now);
        }
    }

    fn server_of(&self, entry: &Entry) -> Option<ServerId> {
        self.records.server_of(entry.server)
    }
}

impl Subject for Changes {
    type Ticket = Ticket;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::KeyAccepted => {
                let due_ms = cx.backend.again_ms(limits::OUTBOX_RETRY_MS_MIN, cx.now);
                cx.outbox.release_held(due_ms);
            }
            Message::User(steam) => {
                for id in self.waiting_for_user(*steam) {
                    self.begin(id, cx);
                }
            }
            Message::NoUser(steam, failure) => {
                for id in self.waiting_for_user(*steam) {
                    self.failed_before(id, failure, cx);
                }
            }
            Message::Rights(steam, bundle) => self.issuer_known(*steam, *bundle, true, cx),
            Message::NoRights(steam, bundle) => self.issuer_known(*steam, *bundle, false, cx),
            Message::Fetched(list, bundle, asked_ms, true) => {
                cx.outbox.listed(*bundle, *list, *asked_ms);
            }
            Message::Listed(list, bundle, asked_ms) => {
                cx.outbox.settled(*bundle, *list, *asked_ms);
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, ticket: Ticket, reply: Answer, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Compare(id, page, unsure) => self.compared(id, (page, unsure), reply, cx),
            Ticket::Before(id, user) => self.known_before(id, user, reply, cx),
            Ticket::Ends(id, page) => self.ends_listed(id, page, reply, cx),
            Ticket::Send(id) => self.sent(id, reply, cx),
            Ticket::SendAll(ids) => self.all_sent(ids, &reply, cx),
            Ticket::Others(id) => self.others_listed(id, reply, cx),
            Ticket::EndOther(id, rest) => self.other_ended(id, rest, reply, cx),
            Ticket::Stored(_) | Ticket::Marked(..) | Ticket::Ended(_) | Ticket::Made(_) => {}
        }
    }

    fn on_stored(&mut self, ticket: Ticket, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Stored(id) => self.stored(id, result, cx),
            Ticket::Marked(id, mark) => {
                let is_one_of_many = self.marking.remove(&id);
                match result {
                    Ok(()) if is_one_of_many => self.additions.push(id),
                    Ok(()) => self.post(id, cx),
                    Err(why) => self.unmarked(id, mark, why.to_string(), cx),
                }
            }
            Ticket::Ended(id) => cx.outbox.recorded(id, result.is_ok(), cx.now),
            // Where it is not on disk, it is found by comparing after a crash.
            Ticket::Made(id) => self.begin(id, cx),
            Ticket::Compare(..)
            | Ticket::Before(..)
            | Ticket::Ends(..)
            | Ticket::Send(_)
            | Ticket::SendAll(_)
            | Ticket::Others(_)
            | Ticket::EndOther(..) => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        // A bundle that no server has any more gets no list.
        if cx.records.all().iter().all(ServerRecord::is_current) {
            let (lists, addresses) = (&cx.lists, &cx.addresses);
            cx.outbox.settle_but(|bundle, list| match list {
                List::Bans => lists.get(bundle).is_some(),
                List::Addresses => addresses.is_listed(bundle),
            });
        }
        for id in cx.outbox.expired(cx.now) {
            cx.remove_entry(id);
        }
        while let Some(id) = cx.outbox.to_record(cx.now) {
            cx.store_entry(id, Some(super::Ticket::Changes(Ticket::Ended(id))));
        }
        while let Some(id) = {
            let pace = &cx.backend.pace;
            cx.outbox
                .begin(cx.now, |change| pace.change_ms(change.request_kind()))
        } {
            self.begin(id, cx);
        }
        self.post_additions(cx);
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let pace = &cx.backend.pace;
        cx.outbox
            .due_ms(|change| pace.change_ms(change.request_kind()))
    }
}

impl Changes {
    #[cfg(test)]
    pub fn remembered_count(&self) -> usize {
        self.unknown.len() + self.said_queued.len() + self.ends.len() + self.marking.len()
    }

    /// An entry is on disk and counts from now on; or it could not be written, and never was.
    fn stored(&mut self, id: EntryId, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        if let Err(why) = result {
            let Some(entry) = cx.outbox.remove(id) else {
                return;
            };
            log::error!(
                "{} is not taken: it cannot be written down ({why})",
                entry.describe()
            );
            if let Some(call) = entry.call {
                let detail = format!("it cannot be written down: {why}");
                cx.respond(call.into(), Err(CallError::new("StorageError", detail)));
            }
            if let Some(issuer) = &entry.issuer {
                let values = [("player", entry.name.as_str())];
                let text = cx.words.chat("ban_not_saved", &values);
                cx.say(cx.server_of(&entry), issuer.steam, &text);
            }
            return cx.report_ended(&entry, Reported::NotKept);
        }
        cx.outbox.stored(id);
        let entry = cx.outbox.get(id).cloned();
        let Some(entry) = entry.filter(|entry| !entry.change.is_report()) else {
            return;
        };
        let issuer = entry.issuer.as_ref();
        let by = issuer.map_or("the server", |issuer| &issuer.name);
        log::info!(
            "{} by {}: queued as {id}",
            entry.describe(),
            by.replace(char::is_control, "?")
        );
        if let Some(call) = entry.call {
            cx.respond(call.into(), Ok(accepted_response(&entry)));
        }
        if let Some(server) = cx.server_of(&entry)
            && let Some((name, data)) = entry.change.hook(&entry)
        {
            cx.hook(server, name, data);
        }
        cx.send(Message::Accepted(id));
        if !cx.backend.is_reachable() {
            self.say_queued(id, cx);
        }
    }

    /// Said once: it holds here, and is on its way.
    fn say_queued(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        if cx.outbox.is_stored(id)
            && self.said_queued.insert(id)
            && let Some(entry) = cx.outbox.get(id).cloned()
        {
            cx.tell_issuer(&entry, "queued", "");
        }
    }

    /// Sends an entry whose turn it is, or prepares that.
    fn begin(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let is_made = entry.made.is_some();
        if entry.change.is_report() {
            // It may be repeated, and needs no mark.
            return self.post(id, cx);
        }
        let whom = entry.whom;
        let Some(user) = cx.user_of(entry) else {
            return self.need_user_of(id, whom, cx);
        };
        let doubt = entry.state == State::Sending
            && !entry.change.is_of_another(user)
            && !is_addition(id, cx);
        // Where the backend did not know a user, it may have been the issuer's.
        if let Some(issuer) = entry.issuer.as_ref().map(|issuer| issuer.steam)
            && self.unknown.contains_key(&id)
        {
            let Some(issuer) = cx.directory.user(issuer).map(|user| user.id) else {
                return self.need_user(id, issuer, cx);
            };
            cx.outbox.set_issuer(id, issuer);
        }
        let ends = cx.outbox.get(id).and_then(|entry| {
            let (change, bundle) = (&entry.change, entry.bundle);
            change.list_to_end(user, bundle, 1)
        });
        match (ends, doubt) {
            _ if is_made => self.list_others(id, user, cx),
            // Also in doubt: what has ended is not listed as standing.
            (Some(request), _) => {
                self.ends.insert(id, Ends::default());
                cx.send_request(Ticket::Ends(id, 1), request);
            }
            (None, true) => self.compare(id, user, (1, false), cx),
            (None, false) => self.prepare(id, user, cx),
        }
    }

    /// Reads what must be known before it is sent, if anything must.
    fn prepare(&mut self, id: EntryId, user: Uuid, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let before = entry.change.request_before(user, entry.bundle);
        match before.filter(|_| !is_addition(id, cx)) {
            Some(request) => cx.send_request(Ticket::Before(id, user), request),
            None => self.mark(id, cx),
        }
    }

    fn known_before(&mut self, id: EntryId, user: Uuid, reply: Answer, cx: &mut Cx<'_>) {
        let kept = reply.and_then(|reply| {
            let entry = cx.outbox.get_mut(id);
            match entry.is_some_and(|entry| entry.change.keep_before(user, &reply)) {
                true => Ok(()),
                false => Err(Failure::unclear("a strange reply")),
            }
        });
        match kept {
            Ok(()) => self.mark(id, cx),
            Err(failure) => self.failed_before(id, &failure, cx),
        }
    }

    /// What the backend lists of the player has come, or not. Only what stood when the change was ordered ends: it
    /// may have waited for long.
    fn ends_listed(&mut self, id: EntryId, page: u64, reply: Answer, cx: &mut Cx<'_>) {
        let now_s = cx.time_s();
        let Some(entry) = cx.outbox.get(id) else {
            return self.forget(id);
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return self.failed_before(id, &failure, cx),
        };
        let mut made = self.made_of(entry.whom, cx);
        made.extend(&entry.others);
        let ends = self.ends.entry(id).or_default();
        let user = cx.user_of(entry);
        match (ends.add(entry, (&reply, page), &made, now_s), user) {
            (Some(true), Some(user)) => {
                let next = entry.change.list_to_end(user, entry.bundle, page + 1);
                if let Some(request) = next {
                    cx.send_request(Ticket::Ends(id, page + 1), request);
                }
            }
            // Forgotten meanwhile: from the first page, once it is known.
            (Some(true), None) => self.begin(id, cx),
            (Some(false), _) => self.mark(id, cx),
            (None, _) => self.failed_before(id, &Failure::unclear("a strange reply"), cx),
        }
    }

    /// What changes have made of a player, or about the same addresses.
    fn made_of(&self, whom: Whom, cx: &Cx<'_>) -> Vec<Uuid> {
        let of_run = self.made.iter().filter(|(of, _)| *of == whom);
        let all = of_run.map(|(_, made)| *made).chain(cx.outbox.made(whom));
        Vec::from_iter(BTreeSet::from_iter(all))
    }

    fn need_user_of(&mut self, id: EntryId, whom: Whom, cx: &mut Cx<'_>) {
        if let Some(steam) = whom.steam() {
            self.need_user(id, steam, cx);
        }
    }

    fn need_user(&mut self, id: EntryId, steam: SteamId, cx: &mut Cx<'_>) {
        self.needs.insert(id, Need::User(steam), NEVER);
        cx.directory.want_user(steam, cx.now);
    }

    fn waiting_for_user(&mut self, steam: SteamId) -> Vec<EntryId> {
        let waits = |_: &EntryId, need: &Need| matches!(need, Need::User(of) if *of == steam);
        let waiting = self.needs.remove_where(waits);
        waiting.into_iter().map(|(id, _)| id).collect()
    }

    fn compare(&mut self, id: EntryId, user: Uuid, at: (u64, bool), cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        match entry.change.list_request(user, entry.bundle, at.0) {
            Some(request) => cx.send_request(Ticket::Compare(id, at.0, at.1), request),
            None => self.mark(id, cx),
        }
    }

    /// What the backend lists of the user has come, or not.
    fn compared(
        &mut self,
        id: EntryId,
        (page, unsure): (u64, bool),
        reply: Answer,
        cx: &mut Cx<'_>,
    ) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return self.failed_before(id, &failure, cx),
        };
        let user = cx.user_of(entry);
        match (entry.change.compare(entry, (&reply, page), unsure), user) {
            (Some(Comparison::Present(made)), _) => {
                log::info!("{} is in {} already", entry.describe(), cx.backend.keeper);
                self.created(id, made, cx);
            }
            (Some(Comparison::Added), _) => {
                log::info!("{} is in {} already", entry.describe(), cx.backend.keeper);
                self.arrived(id, None, cx);
            }
            (Some(Comparison::Neither), _) => {
                let why = format!(
                    "{} may have added it, and what it has now does not show whether it did; it is not added again",
                    cx.backend.keeper
                );
                self.refuse(id, why, cx);
            }
            (Some(Comparison::NextPage { unsure }), Some(user)) => {
                self.compare(id, user, (page + 1, unsure), cx);
            }
            (Some(Comparison::Unsure), _) => {
                let why = format!(
                    "{} lists records of the player that cannot be read, and it may be one of them",
                    cx.backend.keeper
                );
                self.unsent(id, why, cx);
            }
            // Forgotten meanwhile: from the first page, once it is known.
            (Some(Comparison::NextPage { .. }), None) => self.begin(id, cx),
            (Some(Comparison::Absent), _) => self.mark(id, cx),
            (None, _) => self.failed_before(id, &Failure::unclear("a strange reply"), cx),
        }
    }

    /// Records on disk that it is sent from now on.
    fn mark(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        // Those that its first try cannot have made.
        let whom = entry.whom;
        let others = (entry.state != State::Sending).then(|| self.made_of(whom, cx));
        // It is decided here alone, so an unban that an operator drops before lifts nothing.
        let is_lifted = cx.outbox.is_lifted(id);
        let earliest_s = cx.backend.moment(cx.now).earliest_s;
        let Some(entry) = cx.outbox.get_mut(id) else {
            return;
        };
        let mut mark = Mark::Again;
        if let Some(others) = others {
            mark = Mark::First { lifted: is_lifted };
            if is_lifted {
                entry.change.set_standing(false);
            }
            entry.state = State::Sending;
            entry.sent_s = Some(earliest_s);
            entry.others.extend(others);
            entry.others.sort_unstable();
            entry.others.dedup();
        }
        entry.settled_s = Some(cx.now.wall_s + limits::VYHUB_SETTLE_S);
        if is_addition(id, cx) {
            self.marking.insert(id);
        }
        let ticket = Ticket::Marked(id, mark);
        cx.store_entry(id, Some(super::Ticket::Changes(ticket)));
    }

    /// It could not be recorded that it is sent, so it was not: the next try decides again what it is sent as.
    fn unmarked(&mut self, id: EntryId, mark: Mark, why: String, cx: &mut Cx<'_>) {
        if let Mark::First { lifted } = mark
            && let Some(entry) = cx.outbox.get_mut(id)
        {
            if lifted {
                entry.change.set_standing(true);
            }
            entry.state = State::Waiting;
            entry.sent_s = None;
        }
        self.unsent(id, why, cx);
    }

    fn post(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        // A user who was forgotten meanwhile is looked up again; a report names none.
        let user = cx.user_of(entry);
        let user = user.or_else(|| entry.change.is_report().then_some(Uuid(0)));
        let is_same = |user: &Uuid| is_addition(id, cx) || !entry.change.is_of_another(*user);
        let Some(user) = user.filter(is_same) else {
            return self.begin(id, cx);
        };
        let is_end = entry.change.ends();
        match self.ends.get_mut(&id) {
            None if is_end => return self.begin(id, cx),
            Some(ends) if !ends.are_all() => {
                let ids = std::mem::take(&mut ends.ids);
                return self.end_next(id, Vec::from_iter(ids), cx);
            }
            _ => {}
        }
        match entry.change.request(entry, user) {
            Some(request) => cx.send_request(Ticket::Send(id), request),
            None => {
                let why = "it is about a player in the place of addresses, or the reverse";
                self.refuse(id, why.into(), cx);
            }
        }
    }

    /// Sends together what was marked together.
    fn post_additions(&mut self, cx: &mut Cx<'_>) {
        if !self.marking.is_empty() {
            return;
        }
        let mut marked = std::mem::take(&mut self.additions);
        while !marked.is_empty() {
            let rest = marked.split_off(marked.len().min(limits::ADDITIONS_MAX));
            let ids = std::mem::replace(&mut marked, rest);
            if let [id] = ids[..] {
                self.post(id, cx);
                continue;
            }
            let (mut sent, mut additions) = (Vec::new(), Vec::new());
            for id in ids {
                let entry = cx.outbox.get(id);
                let request = entry.and_then(|it| it.change.request(it, cx.user_of(it)?));
                match request {
                    Some(Request::AddToAttribute(addition)) => {
                        sent.push(id);
                        additions.push(addition);
                    }
                    // Its user was forgotten meanwhile.
                    _ => self.post(id, cx),
                }
            }
            if !sent.is_empty() {
                let request = Request::AddAllToAttribute(additions);
                cx.send_request(Ticket::SendAll(sent), request);
            }
        }
    }

    /// All of them are made, or none.
    fn all_sent(&mut self, ids: Vec<EntryId>, reply: &Answer, cx: &mut Cx<'_>) {
        let refused = |failure: &Failure| {
            use FailureKind::{Broken, Forbidden, Invalid, NotFound, Unsupported};
            matches!(
                failure.kind,
                NotFound | Invalid | Unsupported | Broken | Forbidden(_)
            )
        };
        let is_refused = reply.as_ref().is_err_and(refused);
        for id in ids {
            match is_refused {
                // One of them is odd, and the others are to go.
                true => self.post(id, cx),
                false => self.sent(id, reply.clone(), cx),
            }
        }
    }

    /// The backend's reply to the change itself.
    fn sent(&mut self, id: EntryId, reply: Answer, cx: &mut Cx<'_>) {
        let failure = match reply {
            Ok(Reply::Ban(ban)) => return self.arrived(id, Some(ban.id), cx),
            Ok(Reply::AddressBan(ban)) => return self.arrived(id, Some(ban.id), cx),
            Ok(Reply::Warning(warning)) => return self.arrived(id, Some(warning.id), cx),
            Ok(Reply::Membership(membership)) => return self.created(id, membership.id, cx),
            Ok(_) => return self.arrived(id, None, cx),
            Err(failure) => failure,
        };
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let why = failure.why.clone();
        let is_final = matches!(
            failure.kind,
            FailureKind::NotFound | FailureKind::Invalid | FailureKind::Unsupported
        );
        if is_final && entry.change.is_report() {
            return self.report_refused(id, why, cx);
        }
        let (issuer, whom) = (entry.issuer.clone(), entry.whom);
        let is_of_all = self.ends.get(&id).is_some_and(Ends::are_all);
        let is_end = is_of_all && matches!(entry.change, Change::MembershipEnd { .. });
        match (failure.kind, issuer) {
            (FailureKind::Forbidden(lacking @ (Lacking::Issuer | Lacking::Unsaid)), _) => {
                self.forbidden(id, lacking, why, cx);
            }
            (FailureKind::Unauthorized | FailureKind::Forbidden(_), _) => self.hold(id, why, cx),
            (FailureKind::NotFound, issuer) => {
                // Users who were deleted are created again; anything else that is not known stays so.
                cx.forget_user_of(whom);
                if let Some(issuer) = issuer {
                    cx.directory.forget(issuer.steam, cx.now);
                }
                let tries = self.unknown.entry(id).or_insert(0);
                *tries += 1;
                match *tries < limits::OUTBOX_USER_TRIES_MAX {
                    true => self.put_back(id, why, false, limits::OUTBOX_RETRY_MS_MIN, cx),
                    // There is nothing left that could end.
                    false if is_end => self.arrived(id, None, cx),
                    false => self.refuse(id, why, cx),
                }
            }
            (FailureKind::Invalid | FailureKind::Unsupported, _) => self.refuse(id, why, cx),
            _ => {
                if !failure.under_way
                    && let Some(entry) = cx.outbox.get_mut(id)
                {
                    entry.settled_s = Some(cx.now.wall_s);
                }
                let pause_ms = self.pause_ms(id, &failure, cx);
                self.try_again(id, &failure, failure.is_unclear(), pause_ms, cx);
            }
        }
    }

    /// The backend forbids it to the issuer, or does not say to whom.
    fn forbidden(&mut self, id: EntryId, lacking: Lacking, why: String, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        // A group can be protected from every issuer.
        let of_groups = entry.change.series() == Series::Groups;
        let (right, bundle) = (right_of(&entry.change), entry.bundle);
        let Some(issuer) = entry.issuer.as_ref().map(|issuer| issuer.steam) else {
            return match of_groups {
                true => self.refuse(id, why, cx),
                false => self.hold(id, why, cx),
            };
        };
        // Also whether the issuer is an administrator, which stands in the user's record.
        cx.directory.want_all(issuer, bundle, cx.now);
        if let (Lacking::Issuer, Some(right)) = (lacking, right) {
            cx.directory.refute(issuer, bundle, right);
        }
        match lacking {
            Lacking::Unsaid if !of_groups => {
                let refused = cx.backend.last_refused();
                self.needs.insert(id, Need::Rights(why, refused), NEVER);
            }
            _ => self.refuse(id, why, cx),
        }
    }

    /// How long an entry is left alone after its last try.
    fn pause_ms(&self, id: EntryId, failure: &Failure, cx: &Cx<'_>) -> u64 {
        let tries = cx.outbox.get(id).map_or(0, |entry| entry.tries);
        // While nothing works, the pace keeps it back, and it is not because of this one.
        let waited = failure.kind == FailureKind::Unsent;
        if waited || cx.backend.unreachable_ms(cx.now).is_some() {
            return limits::OUTBOX_RETRY_MS_MIN;
        }
        let doubled = limits::OUTBOX_RETRY_MS_MIN << tries.saturating_sub(1).min(20);
        doubled.min(limits::OUTBOX_RETRY_MS_MAX)
    }

    /// Something failed before the change itself was sent.
    fn failed_before(&mut self, id: EntryId, failure: &Failure, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let doubt = entry.state == State::Sending;
        let whom = entry.whom;
        let why = failure.why.clone();
        let pause_ms = match failure.kind {
            FailureKind::Unauthorized | FailureKind::Forbidden(_) if !doubt => {
                return self.hold(id, why, cx);
            }
            FailureKind::Unauthorized | FailureKind::Forbidden(_) => {
                cx.backend.report_refusal(failure, cx.now);
                limits::OUTBOX_HELD_MS
            }
            FailureKind::NotFound => {
                cx.forget_user_of(whom);
                limits::OUTBOX_UNSURE_MS
            }
            FailureKind::Invalid => limits::OUTBOX_UNSURE_MS,
            _ => self.pause_ms(id, failure, cx),
        };
        self.try_again(id, failure, doubt, pause_ms, cx);
    }

    /// It was not sent, for a reason that is not the backend's.
    fn unsent(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        let doubt = cx
            .outbox
            .get(id)
            .is_some_and(|entry| entry.state == State::Sending);
        self.put_back(id, why, doubt, limits::OUTBOX_UNSURE_MS, cx);
    }

    /// Rights of an issuer are known afresh, or could not be fetched: was it they whom the backend refused,
    /// or vpid?
    fn issuer_known(&mut self, steam: SteamId, bundle: Uuid, known: bool, cx: &mut Cx<'_>) {
        let waits = |id: &EntryId, need: &Need| {
            let is_by = |entry: &Entry| {
                let issuer = entry.issuer.as_ref();
                entry.bundle == bundle && issuer.is_some_and(|issuer| issuer.steam == steam)
            };
            matches!(need, Need::Rights(..)) && cx.outbox.get(*id).is_some_and(is_by)
        };
        for (id, need) in self.needs.remove_where(waits) {
            let Need::Rights(why, refused) = need else {
                continue;
            };
            match known {
                false => self.put_back(id, why, false, limits::OUTBOX_UNSURE_MS, cx),
                true if issuer_may(id, cx) => self.hold_refused(id, why, refused, cx),
                true => self.refuse(id, why, cx),
            }
        }
    }

    fn put_back(&mut self, id: EntryId, why: String, doubt: bool, pause_ms: u64, cx: &mut Cx<'_>) {
        later(id, why, doubt, pause_ms, cx);
        self.say_queued(id, cx);
    }

    /// After a failure that says nothing of the change itself.
    fn try_again(&mut self, id: EntryId, failure: &Failure, doubt: bool, ms: u64, cx: &mut Cx<'_>) {
        later(id, failure.why.clone(), doubt, ms, cx);
        // Where only its turn did not come, it is on its way.
        if failure.kind != FailureKind::Unsent || !cx.backend.is_reachable() {
            self.say_queued(id, cx);
        }
    }

    /// What was replied to just now is refused, and not because of the entry.
    fn hold(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        self.hold_refused(id, why, cx.backend.last_refused(), cx);
    }

    fn hold_refused(&mut self, id: EntryId, why: String, refused: Refused, cx: &mut Cx<'_>) {
        cx.backend.report_refused(refused, &why, cx.now);
        let again_ms = cx.backend.again_ms(limits::OUTBOX_HELD_MS, cx.now);
        cx.outbox.hold(id, why, again_ms, cx.now);
        cx.store_entry(id, None);
        self.say_queued(id, cx);
    }

    /// The backend will not accept it: what was enforced here is lifted, and its issuer gets a message.
    fn refuse(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        self.forget(id);
        cx.outbox.kill(id, why.clone(), cx.now);
        cx.store_entry(id, None);
        cx.send(Message::BansChanged);
        if let Some(entry) = cx.outbox.get(id).cloned() {
            log::error!(
                "{} was refused: {why}; it is kept as a dead letter: `vpid queue show {id}`",
                entry.describe()
            );
            cx.tell_issuer(&entry, "refused", &why);
        }
    }

    /// The backend has what it makes. A membership ends others where a player can have one only.
    fn created(&mut self, id: EntryId, made: Uuid, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get_mut(id) else {
            return;
        };
        if !matches!(entry.change, Change::Membership { .. }) {
            return self.arrived(id, Some(made), cx);
        }
        (entry.made, entry.state) = (Some(made), State::Waiting);
        cx.store_entry(id, Some(super::Ticket::Changes(Ticket::Made(id))));
    }

    /// A membership was created: ends the player's others, if the bundle allows only one.
    fn list_others(&mut self, id: EntryId, user: Uuid, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let (bundle, made) = (entry.bundle, entry.made);
        match cx.records.bundle_of(bundle).map(|it| it.multigroup) {
            Some(true) => self.arrived(id, made, cx),
            Some(false) => {
                let request = Request::ListMemberships { user, bundle };
                cx.send_request(Ticket::Others(id), request);
            }
            None => self.unsent(id, "the bundle is not known yet".into(), cx),
        }
    }

    fn others_listed(&mut self, id: EntryId, reply: Answer, cx: &mut Cx<'_>) {
        let now_s = cx.time_s();
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let listed = match reply {
            Ok(Reply::Memberships(listed)) if listed.skipped == 0 => listed.items,
            Ok(Reply::Memberships(_)) => {
                let keeper = cx.backend.keeper;
                let why = format!("{keeper} lists memberships of the player that cannot be read");
                return self.unsent(id, why, cx);
            }
            Ok(_) => return self.failed_before(id, &Failure::unclear("a strange reply"), cx),
            Err(failure) => return self.failed_before(id, &failure, cx),
        };
        // What began later was ordered later.
        let is_other = |it: &&Membership| {
            let stands = it.active != Some(false)
                && it.end.is_none_or(|end| end.as_second() > now_s)
                && it.begin <= entry.created;
            stands && it.bundle == entry.bundle && Some(it.id) != entry.made
        };
        let others = listed.iter().filter(is_other).map(|it| it.id);
        let others = others.collect();
        self.end_next(id, others, cx);
    }

    fn end_next(&mut self, id: EntryId, mut others: Vec<Uuid>, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let Some(next) = others.pop() else {
            let made = entry.made;
            if self.ends.remove(&id).is_some_and(|ends| ends.unsure) {
                let why = format!(
                    "{} lists records of the player that cannot be read, and one of them may have to end",
                    cx.backend.keeper
                );
                return self.unsent(id, why, cx);
            }
            return self.arrived(id, made, cx);
        };
        let request = entry.change.end_request(entry, next);
        cx.send_request(Ticket::EndOther(id, others), request);
    }

    fn other_ended(&mut self, id: EntryId, rest: Vec<Uuid>, reply: Answer, cx: &mut Cx<'_>) {
        let failure = match reply {
            // Also where the backend does not know it, or the issuer: it is listed again.
            Err(failure) if self.ends.contains_key(&id) => return self.sent(id, Err(failure), cx),
            Err(failure) if failure.kind != FailureKind::NotFound => failure,
            // It may have ended by itself.
            _ => return self.end_next(id, rest, cx),
        };
        match failure.kind {
            FailureKind::Forbidden(Lacking::Issuer | Lacking::Unsaid) | FailureKind::Invalid => {
                let why = format!("the group before it could not be ended ({failure})");
                self.refuse(id, why, cx);
            }
            _ => self.failed_before(id, &failure, cx),
        }
    }

    /// The backend does not want to know.
    fn report_refused(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id).cloned() else {
            return;
        };
        self.forget(id);
        cx.remove_entry(id);
        cx.report_ended(&entry, Reported::Refused(why));
    }

    /// The backend has it.
    fn arrived(&mut self, id: EntryId, made: Option<Uuid>, cx: &mut Cx<'_>) {
        self.forget(id);
        let Some(entry) = cx.outbox.get(id).cloned() else {
            return;
        };
        let level = match entry.change.series().is_urgent() {
            true => log::Level::Info,
            false => log::Level::Debug,
        };
        log::log!(level, "{} is in {}", entry.describe(), cx.backend.keeper);
        if entry.change.is_report() {
            cx.remove_entry(id);
            return cx.report_ended(&entry, Reported::Done);
        }
        self.made.extend(made.map(|made| (entry.whom, made)));
        if self.made.len() > limits::MADE_REMEMBERED_MAX {
            self.made.pop_front();
        }
        if let Some(made) = made {
            was_made(&entry, made, cx);
        }
        // It is on disk before the next change of this player is sent.
        cx.outbox.done(id, made, cx.now);
        match (entry.change.list(), entry.change.series()) {
            (_, Series::Playtime) => {}
            (List::Bans, _) => cx.lists.refresh(entry.bundle, cx.now),
            (List::Addresses, _) => cx.addresses.refresh(entry.bundle, cx.now),
        }
        if let (Series::Groups, Some(steam)) = (entry.change.series(), entry.whom.steam()) {
            cx.directory.want_rights(steam, entry.bundle, cx.now);
        }
        cx.tell_issuer(&entry, "done", "");
    }

    /// An entry is finished.
    fn forget(&mut self, id: EntryId) {
        self.unknown.remove(&id);
        self.said_queued.remove(&id);
        self.ends.remove(&id);
    }

    /// What an operator requests of the outbox (`vpid queue`).
    pub fn operate(
        &mut self,
        request: &QueueRequest,
        cx: &mut Cx<'_>,
    ) -> Result<Value, QueueError> {
        Ok(match request {
            QueueRequest::List => listed(cx.outbox.all(), limits::QUEUE_LIST_BYTES_MAX),
            QueueRequest::Show { id } => {
                let id = number(id)?;
                let entry = cx.outbox.get(id);
                json!({ "entry": entry.ok_or(QueueError::Unknown(id))? })
            }
            QueueRequest::Retry { id: Some(id) } => {
                let id = number(id)?;
                let mut due_ms = retry(id, cx)?;
                // What is in its way is tried, too.
                for before in cx.outbox.open_before(id) {
                    due_ms = due_ms.max(retry(before, cx)?);
                }
                retried(1, due_ms, cx)
            }
            QueueRequest::Retry { id: None } => {
                let ids: Vec<EntryId> = cx.outbox.all().map(|entry| entry.id).collect();
                let due = ids.into_iter().filter_map(|id| retry(id, cx).ok());
                let due: Vec<u64> = due.collect();
                let last_ms = due.iter().max().copied();
                retried(due.len(), last_ms.unwrap_or(cx.now.mono_ms), cx)
            }
            QueueRequest::Drop { id } => {
                let id = number(id)?;
                cx.outbox.droppable(id)?;
                let what = cx.outbox.get(id).map(Entry::describe).unwrap_or_default();
                log::warn!("an operator has dropped {what} ({id})");
                self.forget(id);
                if let Some(entry) = cx.outbox.get(id).cloned() {
                    cx.report_ended(&entry, Reported::Refused("an operator dropped it".into()));
                }
                cx.remove_entry(id);
                cx.send(Message::BansChanged);
                json!({ "ok": 1 })
            }
        })
    }
}

/// What a change has made is known to those that were ordered after it and are to end such.
fn was_made(by: &Entry, made: Uuid, cx: &mut Cx<'_>) {
    let series = by.change.series();
    let ends = |it: &&Entry| {
        let is_of = (it.bundle, it.change.series()) == (by.bundle, series);
        is_of && it.id > by.id && it.is_open() && it.change.ends()
    };
    let ids: Vec<EntryId> = cx.outbox.of(by.whom).filter(ends).map(|it| it.id).collect();
    for id in ids {
        let entry = cx.outbox.get_mut(id);
        if let Some(entry) = entry.filter(|it| it.others.len() < limits::ENTRY_OTHERS_MAX) {
            entry.others.push(made);
            cx.store_entry(id, None);
        }
    }
}

fn later(id: EntryId, why: String, doubt: bool, pause_ms: u64, cx: &mut Cx<'_>) {
    let again_ms = cx.backend.again_ms(pause_ms, cx.now);
    let settles_ms = match cx.outbox.get(id) {
        Some(entry) if doubt => cx.now.mono_ms + entry.settles_ms(cx.now),
        _ => 0,
    };
    cx.outbox
        .again(id, why, doubt, again_ms.max(settles_ms), cx.now);
    if let Some(entry) = cx.outbox.get_mut(id) {
        // The pause of its kind may be longer.
        let open_ms = cx.backend.pace.pause_ms(entry.change.request_kind());
        let wait_s = open_ms.saturating_sub(cx.now.mono_ms) / 1_000;
        entry.next_s = entry.next_s.max(cx.now.wall_s + wait_s as i64);
    }
    cx.store_entry(id, None);
}

/// What the issuer of a change must be allowed; `None`: it has none.
fn right_of(change: &Change) -> Option<Right> {
    match change.series() {
        Series::Bans => Some(Right::BanEdit),
        Series::Warnings => Some(Right::WarningEdit),
        Series::Groups => Some(Right::UserEdit),
        Series::Playtime | Series::Reports => None,
    }
}

/// Whether the issuer of an entry may do this, as far as is known.
fn issuer_may(id: EntryId, cx: &Cx<'_>) -> bool {
    let Some(entry) = cx.outbox.get(id) else {
        return false;
    };
    let (Some(issuer), Some(right)) = (&entry.issuer, right_of(&entry.change)) else {
        return true;
    };
    let rights = cx.directory.rights(issuer.steam, entry.bundle);
    let too_long = match (&entry.change, rights.and_then(max_ban)) {
        (Change::Ban { length_s, .. } | Change::AddressBan { length_s, .. }, Some(longest)) => {
            length_s.is_none_or(|length| length > longest)
        }
        _ => false,
    };
    let may = cx.directory.may(issuer.steam, entry.bundle, right, cx.now);
    may == Verdict::Yes && !too_long
}

/// What a script reads whose change is in the outbox.
pub fn accepted_response(entry: &Entry) -> Value {
    match entry.whom {
        Whom::Player { steam } => json!({ "queued": entry.id.to_string(), "player": steam }),
        Whom::Addresses { range } => json!({ "queued": entry.id.to_string(), "address": range }),
    }
}

/// An operator wants an entry to be tried at once. Gives when it is.
fn retry(id: EntryId, cx: &mut Cx<'_>) -> Result<u64, QueueError> {
    let entry = cx.outbox.get(id).ok_or(QueueError::Unknown(id))?;
    let (whom, kind) = (entry.whom, entry.change.request_kind());
    let before = entry.state;
    let asked_ms = cx.backend.pace.asked_ms(kind);
    let due_ms = cx.outbox.retry(id, asked_ms, cx.now)?;
    if let Some(steam) = whom.steam() {
        cx.directory.hurry(steam, cx.now);
    }
    // A start tries what is open anyway; what is sent must not wait until a long queue is written.
    if cx.outbox.get(id).is_some_and(|entry| entry.state != before) {
        cx.store_entry(id, None);
    }
    Ok(due_ms)
}

/// The reply to an operator who wants so many entries to be tried, the last of them then.
fn retried(count: usize, last_ms: u64, cx: &mut Cx<'_>) -> Value {
    if count > 0 {
        cx.backend.pace.insist();
        cx.send(Message::BansChanged);
    }
    json!({ "ok": count, "wait_s": (last_ms - cx.now.mono_ms).div_ceil(1_000) })
}

/// The first entries, as many as fit, and how many more there are.
fn listed(entries: impl Iterator<Item = impl Serialize>, bytes_max: usize) -> Value {
    let (mut first, mut bytes, mut more) = (Vec::new(), 0, 0);
    for entry in entries {
        if more > 0 {
            more += 1;
            continue;
        }
        let entry = json!(entry);
        // With a comma.
        bytes += entry.to_string().len() + 1;
        match bytes <= bytes_max {
            true => first.push(entry),
            false => more = 1,
        }
    }
    json!({ "queue": first, "more": more })
}

fn number(id: &str) -> Result<EntryId, QueueError> {
    id.parse().map_err(|_| QueueError::NoNumber(id.to_owned()))
}

/// Whether it is added to what the backend has, once however often it is sent.
fn is_addition(id: EntryId, cx: &Cx<'_>) -> bool {
    let entry = cx.outbox.get(id);
    let is_playtime = entry.is_some_and(|it| it.change.series() == Series::Playtime);
    is_playtime && cx.backend.keeper.knows_additions()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_has_its_first_entries_and_the_number_of_the_others() {
        // 5 bytes each.
        let entries = ["aa", "bb", "cc", "d"];
        let all = json!({ "queue": entries, "more": 0 });
        assert_eq!(listed(entries.iter(), 100), all);
        assert_eq!(listed(entries.iter(), 19), all);
        let some = json!({ "queue": ["aa", "bb"], "more": 2 });
        assert_eq!(listed(entries.iter(), 14), some);
        assert_eq!(listed(entries.iter(), 10), some);
        let none = json!({ "queue": [], "more": 4 });
        assert_eq!(listed(entries.iter(), 4), none);
    }
}
