//! Whether a change that may have been carried out was: it is looked for in what VyHub lists of
//! its player.

use std::cmp::Ordering;

use super::api::Purpose;
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, Entry, EntryId};
use crate::limits;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Ban, Failure, Outcome, PAGE_SIZE, Page, Reply, Request, Warning};

impl Vyhub {
    pub(super) fn compare(&mut self, id: EntryId, user: Uuid, page: u64, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let request = match entry.change {
            Change::Warning { .. } => Request::warnings(user, entry.bundle, page),
            _ => Request::bans(user, entry.bundle, page),
        };
        self.api.ask(Purpose::Compare(id, page), request, cx.out);
    }

    /// What VyHub lists of the user has come, or not.
    pub(super) fn compared(&mut self, id: EntryId, page: u64, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let (found, more) = match &outcome.result {
            Ok(Reply::Bans(bans)) => (find_ban(entry, bans), has_more(bans, page)),
            Ok(Reply::Warnings(warnings)) => (
                find_warning(entry, warnings, &self.warnings_sent),
                has_more(warnings, page),
            ),
            Ok(_) => {
                return self.judge_before(id, &Failure::Unclear("a strange answer".into()), cx);
            }
            Err(failure) => return self.judge_before(id, failure, cx),
        };
        if let Some(found) = found {
            log::info!("{} is in VyHub already", entry.describe());
            return self.arrived(id, Some(found), cx);
        }
        match self.users.get(entry.steam).map(|user| user.id) {
            Some(user) if more => self.compare(id, user, page + 1, cx),
            _ => self.mark(id, cx),
        }
    }
}

fn has_more<T>(page: &Page<T>, number: u64) -> bool {
    !page.items.is_empty() && number * PAGE_SIZE < page.total && number < limits::VYHUB_PAGES_MAX
}

/// The ban that this entry has made.
fn find_ban(entry: &Entry, bans: &Page<Ban>) -> Option<Uuid> {
    let Change::Ban {
        length_s, reason, ..
    } = &entry.change
    else {
        return None;
    };
    let is_it = |ban: &&Ban| {
        let apart_s = ban.created.as_second().abs_diff(entry.created.as_second());
        let length = ban.length_s.and_then(|length| u64::try_from(length).ok());
        apart_s <= limits::SAME_BAN_S as u64
            && length == *length_s
            && ban.reason.as_deref().unwrap_or_default().trim() == reason.trim()
            && by_issuer(entry, ban.creator)
    };
    bans.items.iter().find(is_it).map(|ban| ban.id)
}

/// The warning that this entry has made: its time is VyHub's own, so it is only known not to be
/// older than the first try.
fn find_warning<'a>(
    entry: &Entry,
    warnings: &Page<Warning>,
    others: impl IntoIterator<Item = &'a Uuid>,
) -> Option<Uuid> {
    let Change::Warning { reason } = &entry.change else {
        return None;
    };
    let others: Vec<&Uuid> = others.into_iter().collect();
    let sent_s = entry.sent_s.unwrap_or(i64::MAX);
    let is_it = |warning: &&Warning| {
        let age = (warning.created.as_second() + limits::SAME_BAN_S).cmp(&sent_s);
        age != Ordering::Less
            && warning.reason.as_deref().unwrap_or_default().trim() == reason.trim()
            && by_issuer(entry, warning.creator)
            && !others.contains(&&warning.id)
    };
    // The oldest: a later one with the same words is somebody else's.
    warnings
        .items
        .iter()
        .filter(is_it)
        .min_by_key(|warning| warning.created)
        .map(|warning| warning.id)
}

/// As the server itself, VyHub may name nobody or the key's own user.
fn by_issuer(entry: &Entry, creator: Option<Uuid>) -> bool {
    entry.morph().is_none_or(|issuer| creator == Some(issuer))
}
