//! Calls that a database's lane has: they are answered at their deadline, whatever the lane
//! does, and what it reports afterwards changes nothing any more.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{Calls, Outcome};
use crate::core::context::Context;
use crate::core::deadlines::{Deadlines, NEVER};
use crate::core::ids::{CallId, Source};
use crate::core::{Effect, Effects, Timer};
use crate::jobs::IdMap;
use crate::limits::{SQL_CALL_TRIES_MAX, SQL_OVERDUE_CALLS_MAX, SQL_OVERDUE_MS};
use crate::protocol::call_error::{CallError, INTERRUPTED};
use crate::sql::DatabaseId;

const REJECTED: &str = "a call in it was begun twice and had not ended when vpid did";

#[derive(Default)]
pub(super) struct Late {
    /// Files with calls that lanes have, by the nearest deadline of these; one entry for a file
    /// and not for a call, since calls come and go by the hundred thousand.
    deadlines: Deadlines<Source>,
    /// When the timer rings.
    timer_ms: Option<u64>,
    /// Calls that were answered as overdue, of which the lane has reported nothing.
    overdue: IdMap<CallId, DatabaseId>,
    overdue_of: IdMap<DatabaseId, usize>,
    /// How often calls were begun in earlier runs.
    tries: HashMap<CallId, u32>,
}

impl Late {
    /// How often earlier runs have begun a call.
    pub(super) fn tries(&self, id: CallId, recovered: bool) -> u32 {
        let tries = self.tries.get(&id).filter(|_| recovered);
        tries.copied().unwrap_or(0)
    }

    /// Whether this database's lane may have more: one that answers nothing for long gets none.
    pub(super) fn has_room(&self, database: DatabaseId) -> bool {
        let overdue = self.overdue_of.get(&database);
        overdue.is_none_or(|overdue| *overdue < SQL_OVERDUE_CALLS_MAX)
    }

    /// The file is done.
    pub(super) fn forget(&mut self, file: Source, due_ms: Option<u64>) {
        if let Some(due_ms) = due_ms {
            self.deadlines.remove(file, due_ms);
        }
    }

    /// Sets the timer where it would ring too late.
    fn set_timer(&mut self, effects: &mut Effects) {
        let Some(due_ms) = self.deadlines.next_due() else {
            return;
        };
        let at_ms = due_ms + SQL_OVERDUE_MS;
        if self.timer_ms.is_none_or(|timer_ms| at_ms < timer_ms) {
            self.timer_ms = Some(at_ms);
            let timer = Timer::Deadlines;
            effects.push(Effect::SetTimer { timer, at_ms });
        }
    }
}

impl Calls {
    pub fn restore_tries(&mut self, tries: HashMap<CallId, u32>) {
        self.late.tries = tries;
    }

    /// The lane of this database gets a call.
    pub(super) fn lane_has(
        &mut self,
        id: CallId,
        database: DatabaseId,
        until_ms: Option<u64>,
        effects: &mut Effects,
    ) {
        let Some(file) = self.files.get_mut(&id.source) else {
            return;
        };
        let call = &mut file.calls[id.index as usize];
        call.lane = Some((database, until_ms.unwrap_or(NEVER)));
        let Some(until_ms) = until_ms else { return };
        if file.due_ms.is_none_or(|due_ms| until_ms < due_ms) {
            let before = file.due_ms.replace(until_ms);
            self.late.forget(id.source, before);
            self.late.deadlines.insert(id.source, until_ms);
            self.late.set_timer(effects);
        }
    }

    /// The lane has reported the outcome of a call. False where that was answered before.
    pub(super) fn lane_has_done(&mut self, id: CallId, outcome: &Outcome) -> bool {
        if let Some(database) = self.late.overdue.remove(&id) {
            if let Some(count) = self.late.overdue_of.get_mut(&database) {
                *count -= 1;
            }
            return false;
        }
        let Some(file) = self.files.get_mut(&id.source) else {
            return false;
        };
        let call = file.calls.get_mut(id.index as usize);
        let had = call.and_then(|call| call.lane.take()).is_some();
        let is_interrupted = |error: &CallError| error.reason == INTERRUPTED;
        if had
            && outcome.as_ref().is_err_and(is_interrupted)
            && self.late.tries(id, file.recovered) >= SQL_CALL_TRIES_MAX
        {
            file.rejected = Some(REJECTED);
        }
        had
    }

    /// Answers what is overdue.
    pub fn overdue(&mut self, cx: &mut Context<'_>) {
        self.late.timer_ms = None;
        let latest_ms = cx.now.mono_ms.saturating_sub(SQL_OVERDUE_MS);
        while let Some(id) = self.late.deadlines.pop_due(latest_ms) {
            let Some(file) = self.files.get_mut(&id) else {
                continue;
            };
            let mut over = Vec::new();
            let mut next_ms = NEVER;
            for (index, call) in (0..).zip(&mut file.calls) {
                let overdue = call.lane.take_if(|(_, until_ms)| *until_ms <= latest_ms);
                over.extend(overdue.map(|(database, _)| (CallId { source: id, index }, database)));
                next_ms = call
                    .lane
                    .map_or(next_ms, |(_, until_ms)| until_ms.min(next_ms));
            }
            file.due_ms = (next_ms < NEVER).then_some(next_ms);
            self.late.deadlines.insert(id, next_ms);
            for (call, database) in over {
                self.late.overdue.insert(call, database);
                *self.late.overdue_of.entry(database).or_default() += 1;
                self.done(call, Err(CallError::word("DeadlineExceeded")), cx);
            }
            self.finish(id, cx);
        }
        self.start_some(cx);
        self.late.set_timer(&mut cx.out.effects);
    }
}
