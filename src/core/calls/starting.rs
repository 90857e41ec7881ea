//! Calls on their way from their file to whoever does them: some with each event, hosts in turn, so
//! that a large file holds nobody up; and no more than there is memory for. Until then they stay the
//! bytes that they came in.
//!
//! Calls of one host start in the order in which they came.

use std::collections::VecDeque;

use super::Calls;
use crate::core::Timer;
use crate::core::accepted_file::Parked;
use crate::core::context::Context;
use crate::core::ids::{CallId, Caller};
use crate::core::shares::{Kind, Owner};
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::call::CallResult;
use crate::protocol::stock::call_file::Span;

#[derive(Default)]
pub struct Starting {
    queues: IdMap<Caller, VecDeque<CallId>>,
    /// Hosts in whose queue something is, the next first.
    turns: VecDeque<Caller>,
    /// What calls of each host that were read cost while they run, and of all.
    costs: IdMap<Caller, usize>,
    cost: usize,
}

impl Starting {
    /// A call is to be started after those before it.
    pub fn add(&mut self, caller: Caller, call: CallId) {
        self.queue(caller).push_back(call);
    }

    /// The next of a chain goes on where the one before it ended.
    pub fn add_first(&mut self, caller: Caller, call: CallId) {
        self.queue(caller).push_front(call);
    }

    fn queue(&mut self, caller: Caller) -> &mut VecDeque<CallId> {
        let queue = self.queues.entry(caller).or_default();
        if queue.is_empty() {
            self.turns.push_back(caller);
        }
        queue
    }

    fn first(&self, caller: Caller) -> Option<CallId> {
        self.queues.get(&caller)?.front().copied()
    }

    /// Whether the host at the front has another turn; it is at the back then.
    fn next_turn(&mut self) {
        let Some(host) = self.turns.pop_front() else {
            return;
        };
        match self
            .queues
            .get(&host)
            .is_some_and(|queue| !queue.is_empty())
        {
            true => self.turns.push_back(host),
            false => drop(self.queues.remove(&host)),
        }
    }
}

impl Calls {
    /// Starts calls that wait, as many as one event has time for. The others come with a timer, or
    /// with the end of calls whose memory they need.
    pub fn start_some(&mut self, cx: &mut Context<'_>) {
        let mut left = limits::EVENT_START_BYTES;
        // Hosts in a row that have no memory for their next call.
        let mut blocked = 0;
        while left > 0 && blocked < self.starting.turns.len() {
            let host = self.starting.turns[0];
            let mut turn = left.min(limits::HOST_START_BYTES);
            blocked += 1;
            while turn > 0
                && let Some(id) = self.starting.first(host)
            {
                let span = self.span(id);
                if span.is_some_and(|span| !self.may_start(id, span)) {
                    break;
                }
                if let Some(queue) = self.starting.queues.get_mut(&host) {
                    queue.pop_front();
                }
                blocked = 0;
                let bytes = span
                    .map_or(0, |span| span.bytes())
                    .max(limits::CALL_START_BYTES_MIN);
                (turn, left) = (turn.saturating_sub(bytes), left.saturating_sub(bytes));
                if let Some(outcome) = self.start(id, cx) {
                    self.done(id, outcome, cx);
                    self.finish(id.source, cx);
                }
            }
            self.starting.next_turn();
        }
        if blocked < self.starting.turns.len() {
            cx.out.timer(Timer::Starts, Some(cx.now.mono_ms));
        }
    }

    /// Where a call stands that is not read yet.
    fn span(&self, id: CallId) -> Option<Span> {
        match self.files.get(&id.source)?.calls[id.index as usize].parked {
            Some(Parked::Raw(span)) => Some(span),
            _ => None,
        }
    }

    /// Whether there is memory for a call: in its host's share, or because nothing else of the host
    /// runs.
    fn may_start(&self, id: CallId, span: Span) -> bool {
        let Some(file) = self.files.get(&id.source) else {
            return true;
        };
        let Some(owner) = file.owner else { return true };
        let cost = span.cost();
        let alone = !self.starting.costs.contains_key(&file.caller);
        self.shares.left(owner, Kind::Bytes) >= cost
            || alone && self.starting.cost + cost <= limits::CALL_BYTES_MAX / 2
    }

    /// Gives a call that starts, read.
    pub(super) fn unpark(&mut self, id: CallId) -> Option<CallResult> {
        let file = self.files.get_mut(&id.source)?;
        let open = &mut file.calls[id.index as usize];
        let span = match open.parked.take()? {
            Parked::Read(call) => return Some(*call),
            Parked::Raw(span) => span,
        };
        let call = span.read(&file.text);
        open.cost = span.cost();
        file.unread -= 1;
        let text = match file.unread {
            0 => std::mem::take(&mut file.text).len(),
            _ => 0,
        };
        file.held_bytes -= text;
        if let Some(owner) = file.owner {
            let cost = open.cost;
            self.shares.give_back(owner, Kind::Bytes, text);
            self.shares.take(owner, Kind::Bytes, cost);
            self.starting.cost += cost;
            *self.starting.costs.entry(file.caller).or_default() += cost;
        }
        Some(call)
    }

    /// A call does not run any more.
    pub(super) fn give_back_cost(&mut self, owner: Owner, cost: usize) {
        self.shares.give_back(owner, Kind::Bytes, cost);
        self.starting.cost -= cost;
        let caller = owner.host.map(Caller::Host);
        if let Some(caller) = caller
            && let Some(costs) = self.starting.costs.get_mut(&caller)
        {
            *costs -= cost;
            if *costs == 0 {
                self.starting.costs.remove(&caller);
            }
        }
    }
}
