//! Unbans of which no ban is known: they wait for a list that is newer, since another server may have banned after the
//! last one was fetched.

use super::super::commands::Order;
use crate::core::Now;
use crate::core::deadlines::Expiring;
use crate::limits;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Unsure {
    /// By number.
    waiting: Expiring<u64, Waiting>,
    last: u64,
}

struct Waiting {
    order: Order,
    /// When it was ordered, on the daemon's clock.
    since_ms: u64,
}

impl Unsure {
    pub fn has_room(&self) -> bool {
        self.waiting.len() < limits::ORDERS_MAX
    }

    pub fn wait(&mut self, order: &Order, now: Now) {
        self.last += 1;
        let waiting = Waiting {
            order: order.clone(),
            since_ms: now.mono_ms,
        };
        let due_ms = now.mono_ms + limits::QUESTION_PATIENCE_MS;
        self.waiting.insert(self.last, waiting, due_ms);
    }

    /// Those that a list of this bundle decides which was requested at this moment of the daemon's clock.
    pub fn decided(&mut self, bundle: Uuid, asked_ms: u64) -> Vec<Order> {
        let is_meant = |_: &u64, waiting: &Waiting| {
            waiting.order.bundle == bundle && waiting.since_ms <= asked_ms
        };
        let decided = self.waiting.remove_where(is_meant).into_iter();
        decided.map(|(_, waiting)| waiting.order).collect()
    }

    /// One that has waited for too long.
    pub fn pop_due(&mut self, now: Now) -> Option<Order> {
        let (_, waiting) = self.waiting.pop_due(now.mono_ms)?;
        Some(waiting.order)
    }

    pub fn next_due(&self) -> Option<u64> {
        self.waiting.next_due()
    }
}
