//! Changes on their way to the backend: accepted into the outbox, sent, judged, and what their issuers read
//! of it. What depends on the kind of a change is in `outbox::kinds`.
//!
//! A change counts when it is on disk. To be sent, its user is found, in doubt it is looked for in the
//! backend, and it is marked on disk. Whatever may have been carried out (no reply, a broken one, an error
//! behind the door) is compared with what the backend lists before it is sent again: the backend has no
//! other way to tell a repetition from a second ban.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use super::commands::Order;
use super::rights::{Right, Verdict, max_ban};
use super::words::Problem;
use super::{Answer, Cx, Message, Subject};
use crate::core::deadlines::{Expiring, NEVER};
use crate::core::outbox::{
    Change, Comparison, Entry, EntryId, Issuer, NewEntry, Origin, Series, State, Wait,
};
use crate::jobs::store::{Content, Shelf};
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Reply, Request};
use crate::protocol::call_error::CallError;
use crate::protocol::control::QueueRequest;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Changes {
    /// Entries on their way that wait for the directory.
    needs: Expiring<EntryId, Need>,
    /// How often the backend did not know what an entry is about.
    unknown: HashMap<EntryId, u32>,
    /// What entries have made in this run, the oldest first.
    made: VecDeque<Uuid>,
    /// Entries whose issuers know that they wait.
    told_queued: HashSet<EntryId>,
}

/// What an entry on its way waits for.
enum Need {
    User,
    /// It was refused with this sentence: may its issuer do this at all?
    Rights(String),
}

pub enum Ticket {
    /// It counts when it is on disk.
    Stored(EntryId),
    /// It may be sent then.
    Marked(EntryId),
    /// The backend has it.
    Ended(EntryId),
    /// Is it in the backend already? With the page.
    Compare(EntryId, u64),
    Send(EntryId),
}

impl Cx<'_> {
    /// Puts a change into the outbox. It counts when it is on disk.
    pub fn accept(
        &mut self,
        order: &Order,
        (steam, name): (SteamId, String),
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
            steam,
            name,
            issuer,
            call: order.call.as_ref().map(|call| Origin::from(call.id)),
        };
        let time_s = self.time_s();
        let Some(entry) = self.outbox.accept(new, time_s, self.now) else {
            log::error!("the outbox is full: a change is not taken; see `vpid queue list`");
            return Err(Problem::new("queue_full", &[]));
        };
        let id = entry.id;
        self.store_entry(id, Some(Ticket::Stored(id)));
        if let Some(warning) = self.outbox.warning() {
            log::warn!("{warning}");
        }
        Ok(())
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

    /// Writes an entry down as it stands.
    pub fn store_entry(&mut self, id: EntryId, ticket: Option<Ticket>) {
        if let Some(entry) = self.outbox.get(id) {
            let (name, text) = (entry.file(), Some(Content::Json(entry.text())));
            self.store(
                Shelf::Outbox,
                name,
                text,
                ticket.map(super::Ticket::Changes),
            );
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
        let length = match entry.change {
            Change::Ban { length_s, .. } => self.words.length(length_s),
            _ => String::new(),
        };
        let values = [
            ("player", entry.name.as_str()),
            ("length", length.as_str()),
            ("reason", entry.change.reason()),
            ("why", why),
        ];
        let key = format!("{}_{outcome}", entry.change.message());
        self.say_message(issuer.steam, &key, &values);
    }
}

impl Subject for Changes {
    type Ticket = Ticket;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Reachable => cx.outbox.encourage(cx.now),
            Message::User(steam) => {
                for id in self.waiting_for_user(*steam, cx) {
                    self.begin(id, cx);
                }
            }
            Message::NoUser(steam, failure) => {
                for id in self.waiting_for_user(*steam, cx) {
                    self.failed_before(id, failure, cx);
                }
            }
            Message::Rights(steam, bundle) => self.issuer_known(*steam, *bundle, true, cx),
            Message::NoRights(steam, bundle) => self.issuer_known(*steam, *bundle, false, cx),
            Message::Listed(bundle, asked_ms) => {
                for id in cx.outbox.settled(*bundle, *asked_ms, cx.now) {
                    cx.remove_entry(id);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, ticket: Ticket, reply: Answer, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Compare(id, page) => self.compared(id, page, reply, cx),
            Ticket::Send(id) => self.sent(id, reply, cx),
            Ticket::Stored(_) | Ticket::Marked(_) | Ticket::Ended(_) => {}
        }
    }

    fn on_stored(&mut self, ticket: Ticket, result: Result<(), String>, cx: &mut Cx<'_>) {
        match ticket {
            Ticket::Stored(id) => self.stored(id, result, cx),
            Ticket::Marked(id) => match result {
                Ok(()) => self.post(id, cx),
                Err(why) => cx
                    .outbox
                    .again(id, why, Wait::for_s(limits::FOREIGN_ANSWER_S), cx.now),
            },
            Ticket::Ended(id) => cx.outbox.recorded(id, result.is_ok(), cx.now),
            Ticket::Compare(..) | Ticket::Send(_) => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = cx.outbox.to_record(cx.now) {
            cx.store_entry(id, Some(Ticket::Ended(id)));
        }
        while let Some(id) = cx.outbox.begin(cx.now) {
            self.begin(id, cx);
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        cx.outbox.due_ms()
    }
}

impl Changes {
    /// An entry is on disk and counts from now on; or it could not be written, and never was.
    fn stored(&mut self, id: EntryId, result: Result<(), String>, cx: &mut Cx<'_>) {
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
                cx.say_message(issuer.steam, "ban_not_saved", &values);
            }
            return;
        }
        cx.outbox.stored(id);
        let Some(entry) = cx.outbox.get(id).cloned() else {
            return;
        };
        let issuer = entry.issuer.as_ref();
        let by = issuer.map_or("the server", |issuer| &issuer.name);
        log::info!(
            "{} by {} is taken as {id}",
            entry.describe(),
            by.replace(char::is_control, "?")
        );
        if let Some(call) = entry.call {
            cx.respond(call.into(), Ok(accepted_response(&entry)));
        }
        if let Some(server) = cx.records.server_of(entry.server) {
            let (name, data) = entry.change.hook(&entry);
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
            && self.told_queued.insert(id)
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
        let doubt = entry.state == State::Sending;
        let Some(user) = cx.directory.user(entry.steam).map(|user| user.id) else {
            self.needs.insert(id, Need::User, NEVER);
            return cx.directory.want_user(entry.steam, cx.now);
        };
        match doubt {
            true => self.compare(id, user, 1, cx),
            false => self.mark(id, cx),
        }
    }

    fn waiting_for_user(&mut self, steam: SteamId, cx: &Cx<'_>) -> Vec<EntryId> {
        let waits = |id: &EntryId, need: &Need| {
            let entry = cx.outbox.get(*id);
            matches!(need, Need::User) && entry.is_some_and(|entry| entry.steam == steam)
        };
        let waiting = self.needs.remove_where(waits);
        waiting.into_iter().map(|(id, _)| id).collect()
    }

    fn compare(&mut self, id: EntryId, user: Uuid, page: u64, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        match entry.change.list_request(user, entry.bundle, page) {
            Some(request) => cx.send_request(Ticket::Compare(id, page), request),
            None => self.mark(id, cx),
        }
    }

    /// What the backend lists of the user has come, or not.
    fn compared(&mut self, id: EntryId, page: u64, reply: Answer, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return self.failed_before(id, &failure, cx),
        };
        let user = cx.directory.user(entry.steam).map(|user| user.id);
        match (
            entry
                .change
                .compare(entry, (&reply, page), self.made.iter()),
            user,
        ) {
            (Some(Comparison::Present(made)), _) => {
                log::info!("{} is in VyHub already", entry.describe());
                self.arrived(id, Some(made), cx);
            }
            (Some(Comparison::NextPage), Some(user)) => self.compare(id, user, page + 1, cx),
            (Some(_), _) => self.mark(id, cx),
            (None, _) => self.failed_before(id, &Failure::unclear("a strange answer"), cx),
        }
    }

    /// Notes on disk that it is sent from now on. What may be repeated needs no note.
    fn mark(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let time_s = cx.time_s();
        let Some(entry) = cx.outbox.get_mut(id) else {
            return;
        };
        if entry.state == State::Sending || entry.change == Change::Unban {
            return self.post(id, cx);
        }
        entry.state = State::Sending;
        entry.sent_s = Some(time_s);
        cx.store_entry(id, Some(Ticket::Marked(id)));
    }

    fn post(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        // Whoever was forgotten meanwhile is looked up again.
        let Some(user) = cx.directory.user(entry.steam).map(|user| user.id) else {
            return self.begin(id, cx);
        };
        let request = entry.change.request(entry, user);
        cx.send_request(Ticket::Send(id), request);
    }

    /// The backend's reply to the change itself.
    fn sent(&mut self, id: EntryId, reply: Answer, cx: &mut Cx<'_>) {
        let failure = match reply {
            Ok(Reply::Ban(ban)) => return self.arrived(id, Some(ban.id), cx),
            Ok(Reply::Warning(warning)) => return self.arrived(id, Some(warning.id), cx),
            Ok(_) => return self.arrived(id, None, cx),
            Err(failure) => failure,
        };
        let Some(entry) = cx.outbox.get(id) else {
            return;
        };
        let why = failure.why.clone();
        match (failure.kind, &entry.issuer) {
            (FailureKind::Forbidden, Some(issuer)) => {
                self.needs.insert(id, Need::Rights(why), NEVER);
                // Also whether the issuer is an administrator, which stands in the user's record.
                cx.directory.want_user(issuer.steam, cx.now);
                cx.directory.want_rights(issuer.steam, entry.bundle, cx.now);
            }
            (FailureKind::Unauthorized, _) => self.hold(id, why, true, cx),
            (FailureKind::Forbidden, None) => self.hold(id, why, false, cx),
            (FailureKind::NotFound, _) => {
                // A user who was deleted is created again; anything else that is not known stays so.
                cx.directory.forget(entry.steam);
                let tries = self.unknown.entry(id).or_insert(0);
                *tries += 1;
                match *tries < limits::OUTBOX_USER_TRIES_MAX {
                    true => self.put_back(id, why, Wait::default(), cx),
                    false => self.refuse(id, why, cx),
                }
            }
            (FailureKind::Invalid, _) => self.refuse(id, why, cx),
            _ => {
                let wait = Wait {
                    after_s: failure.retry_after_s,
                    doubt: failure.is_unclear(),
                    whole: failure.is_general(),
                };
                self.put_back(id, why, wait, cx);
            }
        }
    }

    /// Something failed before the change itself was sent.
    fn failed_before(&mut self, id: EntryId, failure: &Failure, cx: &mut Cx<'_>) {
        let entry = cx.outbox.get(id);
        let doubt = entry.is_some_and(|entry| entry.state == State::Sending);
        let why = failure.why.clone();
        let (after_s, whole) = match failure.kind {
            FailureKind::Unauthorized if !doubt => return self.hold(id, why, true, cx),
            FailureKind::Forbidden if !doubt => return self.hold(id, why, false, cx),
            FailureKind::Unauthorized | FailureKind::Forbidden => {
                cx.backend.report_refused(&why, cx.now);
                (limits::OUTBOX_HELD_MS / 1_000, false)
            }
            FailureKind::NotFound | FailureKind::Invalid => (limits::FOREIGN_ANSWER_S, false),
            _ => (failure.retry_after_s, failure.is_general()),
        };
        let wait = Wait {
            after_s,
            doubt,
            whole,
        };
        self.put_back(id, why, wait, cx);
    }

    /// Rights of an issuer are known afresh, or could not be fetched: was it they whom the backend refused,
    /// or vpid?
    fn issuer_known(&mut self, steam: SteamId, bundle: Uuid, known: bool, cx: &mut Cx<'_>) {
        let waits = |id: &EntryId, need: &Need| {
            let is_by = |entry: &Entry| {
                let issuer = entry.issuer.as_ref();
                entry.bundle == bundle && issuer.is_some_and(|issuer| issuer.steam == steam)
            };
            matches!(need, Need::Rights(_)) && cx.outbox.get(*id).is_some_and(is_by)
        };
        for (id, need) in self.needs.remove_where(waits) {
            let Need::Rights(why) = need else { continue };
            match known {
                false => self.put_back(id, why, Wait::for_s(limits::FOREIGN_ANSWER_S), cx),
                true if issuer_may(id, cx) => self.hold(id, why, false, cx),
                true => self.refuse(id, why, cx),
            }
        }
    }

    fn put_back(&mut self, id: EntryId, why: String, wait: Wait, cx: &mut Cx<'_>) {
        cx.outbox.again(id, why, wait, cx.now);
        cx.store_entry(id, None);
        self.say_queued(id, cx);
    }

    fn hold(&mut self, id: EntryId, why: String, whole: bool, cx: &mut Cx<'_>) {
        cx.backend.report_refused(&why, cx.now);
        cx.outbox.hold(id, why, whole, cx.now);
        cx.store_entry(id, None);
        self.say_queued(id, cx);
    }

    /// The backend will not accept it: what was enforced here is lifted, and its issuer gets a message.
    fn refuse(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        self.unknown.remove(&id);
        self.told_queued.remove(&id);
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

    /// The backend has it.
    fn arrived(&mut self, id: EntryId, made: Option<Uuid>, cx: &mut Cx<'_>) {
        self.unknown.remove(&id);
        self.told_queued.remove(&id);
        let Some(entry) = cx.outbox.get(id).cloned() else {
            return;
        };
        log::info!("{} is in VyHub", entry.describe());
        self.made.extend(made);
        if self.made.len() > limits::WARNINGS_REMEMBERED_MAX {
            self.made.pop_front();
        }
        // It is written down before the next change of this player is sent.
        cx.outbox.done(id, cx.now);
        cx.lists.refresh(entry.bundle, cx.now);
        cx.tell_issuer(&entry, "done", "");
    }
}

/// Whether the issuer of an entry may do this, as far as is known.
fn issuer_may(id: EntryId, cx: &Cx<'_>) -> bool {
    let Some(entry) = cx.outbox.get(id) else {
        return false;
    };
    let Some(issuer) = &entry.issuer else {
        return true;
    };
    let right = match entry.change.series() {
        Series::Bans => Right::BanEdit,
        Series::Warnings => Right::WarningEdit,
    };
    let rights = cx.directory.rights(issuer.steam, entry.bundle);
    let too_long = match (&entry.change, rights.and_then(max_ban)) {
        (Change::Ban { length_s, .. }, Some(longest)) => {
            length_s.is_none_or(|length| length > longest)
        }
        _ => false,
    };
    let may = cx.directory.may(issuer.steam, entry.bundle, right, cx.now);
    may == Verdict::Yes && !too_long
}

/// What a script reads whose change is in the outbox.
pub fn accepted_response(entry: &Entry) -> Value {
    json!({ "queued": entry.id.to_string(), "player": entry.steam })
}

/// What an operator requests of the outbox (`vpid queue`). Errors are sentences.
pub fn operate(request: &QueueRequest, cx: &mut Cx<'_>) -> Result<Value, String> {
    Ok(match request {
        QueueRequest::List => {
            let entries: Vec<Value> = cx.outbox.all().map(|entry| json!(entry)).collect();
            json!({ "queue": entries })
        }
        QueueRequest::Show { id } => {
            let entry = cx.outbox.get(number(id)?);
            let none = || format!("there is no entry {id}; see `vpid queue list`");
            json!({ "entry": entry.ok_or_else(none)? })
        }
        QueueRequest::Retry { id: Some(id) } => {
            retry(number(id)?, cx)?;
            json!({ "ok": 1 })
        }
        QueueRequest::Retry { id: None } => {
            let ids: Vec<EntryId> = cx.outbox.all().map(|entry| entry.id).collect();
            let retried = ids.into_iter().filter(|id| retry(*id, cx).is_ok());
            json!({ "ok": retried.count() })
        }
        QueueRequest::Drop { id } => {
            let id = number(id)?;
            cx.outbox.droppable(id)?;
            let what = cx.outbox.get(id).map(Entry::describe).unwrap_or_default();
            log::warn!("an operator has dropped {what} ({id})");
            cx.remove_entry(id);
            cx.send(Message::BansChanged);
            json!({ "ok": 1 })
        }
    })
}

fn retry(id: EntryId, cx: &mut Cx<'_>) -> Result<(), String> {
    cx.outbox.retry(id, cx.now)?;
    cx.store_entry(id, None);
    cx.send(Message::BansChanged);
    Ok(())
}

fn number(id: &str) -> Result<EntryId, String> {
    let wrong = |_| format!("{id:?} is no number of an entry; see `vpid queue list`");
    id.parse().map_err(wrong)
}
