//! How a change gets to VyHub: its user is found, in doubt it is looked for, it is marked on disk,
//! sent, and judged.
//!
//! Whatever may have been carried out (no answer, a broken one, an error behind the door) is
//! compared with what VyHub lists before it is sent again: VyHub has no other way to tell a
//! repetition from a second ban.

use super::api::{Kept, Purpose};
use super::rights::{Right, Verdict as May, max_ban};
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, EntryId, State, Verdict, Wait, judge};
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::store::{Content, Shelf};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Failure, NewBan, NewWarning, Outcome, Reply, Request};

/// Where an entry stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its user is looked for.
    User,
    Compare,
    Mark,
    Sent,
    /// It was refused: may its issuer do this at all?
    Rights,
}

/// An entry on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub step: Step,
    /// What VyHub said when it refused.
    refused: String,
}

impl Vyhub {
    pub(super) fn send_changes(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = self.outbox.to_record(cx.now) {
            self.write_entry(id, Some(Kept::Ended(id)), cx);
        }
        while let Some(id) = self.outbox.begin(cx.now) {
            self.set_out(id, cx);
        }
    }

    fn set_out(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let steam = entry.steam;
        let doubt = entry.state == State::Sending && entry.change != Change::Unban;
        let user = self.users.get(steam).map(|user| user.id);
        let step = match user {
            None => Step::User,
            Some(_) if doubt => Step::Compare,
            Some(_) => Step::Mark,
        };
        let refused = String::new();
        self.ways.insert(id, Way { step, refused });
        match user {
            None => self.users.want(steam, cx.now.mono_ms),
            Some(user) if doubt => self.compare(id, user, 1, cx),
            Some(_) => self.mark(id, cx),
        }
    }

    /// The user of entries on their way is known.
    pub(super) fn ways_of_user(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        for id in self.ways_at(Step::User, steam) {
            self.set_out(id, cx);
        }
    }

    /// The user cannot be had now.
    pub(super) fn ways_failed(&mut self, steam: SteamId, failure: &Failure, cx: &mut Cx<'_>) {
        for id in self.ways_at(Step::User, steam) {
            self.judge_before(id, failure, cx);
        }
    }

    fn ways_at(&self, step: Step, steam: SteamId) -> Vec<EntryId> {
        let there = |(id, way): (&EntryId, &Way)| {
            let of = self
                .outbox
                .get(*id)
                .is_some_and(|entry| entry.steam == steam);
            (way.step == step && of).then_some(*id)
        };
        let mut ids: Vec<EntryId> = self.ways.iter().filter_map(there).collect();
        ids.sort_unstable();
        ids
    }

    /// Notes on disk that it is sent from now on.
    pub(super) fn mark(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let time_s = self.api.time_s(cx.now);
        let Some(entry) = self.outbox.get_mut(id) else {
            return;
        };
        if let Some(way) = self.ways.get_mut(&id) {
            way.step = Step::Mark;
        }
        if entry.state == State::Sending || entry.change == Change::Unban {
            return self.post(id, cx);
        }
        entry.state = State::Sending;
        entry.sent_s = Some(time_s);
        self.write_entry(id, Some(Kept::Marked(id)), cx);
    }

    /// The mark is on disk, or could not be written.
    pub(super) fn marked(&mut self, id: EntryId, result: Result<(), String>, cx: &mut Cx<'_>) {
        match result {
            Ok(()) => self.post(id, cx),
            Err(why) => {
                self.ways.remove(&id);
                let wait = Wait {
                    after_s: limits::FOREIGN_ANSWER_S,
                    ..Wait::default()
                };
                self.outbox.again(id, why, wait, cx.now);
            }
        }
    }

    fn post(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        // Whoever was forgotten meanwhile is looked for again.
        let Some(user) = self.users.get(entry.steam).map(|user| user.id) else {
            return self.set_out(id, cx);
        };
        if let Some(way) = self.ways.get_mut(&id) {
            way.step = Step::Sent;
        }
        let (bundle, morph) = (entry.bundle, entry.morph());
        let request = match &entry.change {
            Change::Ban {
                length_s,
                reason,
                standing,
            } => {
                let ban = NewBan {
                    user,
                    bundle,
                    length_s: *length_s,
                    reason: reason.clone(),
                    created: entry.created,
                    standing: *standing,
                };
                Request::create_ban(&ban, morph)
            }
            Change::Unban => Request::unban(user, bundle, morph),
            Change::Warning { reason } => {
                let reason = reason.clone();
                let warning = NewWarning {
                    user,
                    bundle,
                    reason,
                };
                Request::create_warning(&warning, morph)
            }
        };
        self.api.ask(Purpose::Send(id), request, cx.out);
    }

    /// VyHub's answer to the change itself.
    pub(super) fn sent(&mut self, id: EntryId, outcome: Outcome, cx: &mut Cx<'_>) {
        let failure = match outcome.result {
            Ok(Reply::Ban(ban)) => return self.arrived(id, Some(ban.id), cx),
            Ok(Reply::Warning(warning)) => return self.arrived(id, Some(warning.id), cx),
            Ok(_) => return self.arrived(id, None, cx),
            Err(failure) => failure,
        };
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let (steam, issuer) = (entry.steam, entry.issuer.clone());
        match judge(&failure, entry.morph().is_some()) {
            Verdict::Again {
                why,
                after_s,
                unclear,
                whole,
            } => {
                let wait = Wait {
                    after_s,
                    doubt: unclear,
                    whole,
                };
                self.put_back(id, why, wait, cx);
            }
            Verdict::Held { why, whole } => self.hold(id, why, whole, cx),
            Verdict::Unknown(why) => {
                // A user who was deleted is made anew; anything else that is not known stays so.
                self.users.forget(steam);
                let tries = self.unknown.entry(id).or_insert(0);
                *tries += 1;
                match *tries < limits::OUTBOX_USER_TRIES_MAX {
                    true => self.put_back(id, why, Wait::default(), cx),
                    false => self.refuse(id, why, cx),
                }
            }
            Verdict::Forbidden(why) => match issuer {
                Some(issuer) => {
                    if let (Some(way), Some(entry)) = (self.ways.get_mut(&id), self.outbox.get(id))
                    {
                        way.step = Step::Rights;
                        way.refused = why;
                        self.rights.want(issuer.steam, entry.bundle);
                        self.users.want(issuer.steam, cx.now.mono_ms);
                    }
                }
                None => self.hold(id, why, false, cx),
            },
            Verdict::Dead(why) => self.refuse(id, why, cx),
        }
    }

    /// Rights of an issuer are known afresh (`failed`: they could not be had): was it they whom
    /// VyHub refused, or vpid?
    pub(super) fn ways_of_issuer(
        &mut self,
        steam: SteamId,
        bundle: Uuid,
        failed: bool,
        cx: &mut Cx<'_>,
    ) {
        let waits = |(id, way): (&EntryId, &Way)| {
            let entry = self.outbox.get(*id)?;
            let of = entry
                .issuer
                .as_ref()
                .is_some_and(|issuer| issuer.steam == steam);
            (way.step == Step::Rights && of && entry.bundle == bundle).then_some(*id)
        };
        let ids: Vec<EntryId> = self.ways.iter().filter_map(waits).collect();
        for id in ids {
            let why = self.ways.get(&id).map(|way| way.refused.clone());
            let why = why.unwrap_or_default();
            match failed {
                true => {
                    let wait = Wait {
                        after_s: limits::FOREIGN_ANSWER_S,
                        ..Wait::default()
                    };
                    self.put_back(id, why, wait, cx);
                }
                false if self.issuer_may(id, cx) => self.hold(id, why, false, cx),
                false => self.refuse(id, why, cx),
            }
        }
    }

    fn issuer_may(&self, id: EntryId, cx: &Cx<'_>) -> bool {
        let Some(entry) = self.outbox.get(id) else {
            return false;
        };
        let Some(issuer) = &entry.issuer else {
            return true;
        };
        let right = match entry.change {
            Change::Warning { .. } => Right::WarningEdit,
            _ => Right::BanEdit,
        };
        let rights = self.rights.get(issuer.steam, entry.bundle);
        let longest = rights.and_then(max_ban);
        let too_long = match (&entry.change, longest) {
            (Change::Ban { length_s, .. }, Some(longest)) => {
                length_s.is_none_or(|length| length > longest)
            }
            _ => false,
        };
        self.rights.may(issuer.steam, entry.bundle, right, cx.now) == May::Yes && !too_long
    }

    /// Something failed before the change itself was sent.
    pub(super) fn judge_before(&mut self, id: EntryId, failure: &Failure, cx: &mut Cx<'_>) {
        let doubt = self
            .outbox
            .get(id)
            .is_some_and(|entry| entry.state == State::Sending);
        match judge(failure, false) {
            Verdict::Again {
                why,
                after_s,
                whole,
                ..
            } => {
                let wait = Wait {
                    after_s,
                    doubt,
                    whole,
                };
                self.put_back(id, why, wait, cx);
            }
            Verdict::Held { why, whole } if !doubt => self.hold(id, why, whole, cx),
            Verdict::Held { why, .. } => {
                self.api.shout(&why, cx.now);
                let wait = Wait {
                    after_s: limits::OUTBOX_HELD_MS / 1_000,
                    doubt,
                    whole: false,
                };
                self.put_back(id, why, wait, cx);
            }
            Verdict::Unknown(why) | Verdict::Forbidden(why) | Verdict::Dead(why) => {
                let wait = Wait {
                    after_s: limits::FOREIGN_ANSWER_S,
                    doubt,
                    whole: false,
                };
                self.put_back(id, why, wait, cx);
            }
        }
    }

    fn put_back(&mut self, id: EntryId, why: String, wait: Wait, cx: &mut Cx<'_>) {
        self.ways.remove(&id);
        self.outbox.again(id, why, wait, cx.now);
        self.keep_entry(id, cx);
        self.say_queued(id, cx);
    }

    fn hold(&mut self, id: EntryId, why: String, whole: bool, cx: &mut Cx<'_>) {
        self.ways.remove(&id);
        self.api.shout(&why, cx.now);
        self.outbox.hold(id, why, whole, cx.now);
        self.keep_entry(id, cx);
        self.say_queued(id, cx);
    }

    /// VyHub will not take it: what was enforced here is lifted, and its issuer hears of it.
    fn refuse(&mut self, id: EntryId, why: String, cx: &mut Cx<'_>) {
        self.ways.remove(&id);
        self.unknown.remove(&id);
        if let Some(entry) = self.outbox.get(id) {
            log::error!(
                "{} was refused: {why}; it is kept as a dead letter: `vpid queue show {id}`",
                entry.describe()
            );
        }
        self.outbox.bury(id, why.clone(), cx.now);
        self.keep_entry(id, cx);
        self.enforce_all = true;
        self.say_refused(id, &why, cx);
    }

    /// VyHub has it.
    pub(super) fn arrived(&mut self, id: EntryId, made: Option<Uuid>, cx: &mut Cx<'_>) {
        self.ways.remove(&id);
        self.unknown.remove(&id);
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let bundle = entry.bundle;
        log::info!("{} is in VyHub", entry.describe());
        if let (Change::Warning { .. }, Some(warning)) = (&entry.change, made) {
            self.warnings_sent.push_back(warning);
            if self.warnings_sent.len() > limits::WARNINGS_REMEMBERED_MAX {
                self.warnings_sent.pop_front();
            }
        }
        // It is written down before the next change of this player is sent.
        self.outbox.done(id, cx.now);
        self.list_soon(bundle, cx);
        self.say_done(id, cx);
    }

    /// Writes an entry down as it stands, when nobody waits for it.
    pub(super) fn keep_entry(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        self.write_entry(id, None, cx);
    }

    /// Writes an entry down as it stands; with `kept`, word of it is wanted.
    pub(super) fn write_entry(&mut self, id: EntryId, kept: Option<Kept>, cx: &mut Cx<'_>) {
        if let Some(entry) = self.outbox.get(id) {
            let (name, text) = (entry.file(), Some(Content::Json(entry.text())));
            self.api.write(Shelf::Outbox, name, text, kept, cx.out);
        }
    }
}
