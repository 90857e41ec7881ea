//! Questions about one user that the backend answers: they wait until the user is known, for the reply, and not
//! for longer than their time.

use super::{Answer, Cx, Ticket};
use crate::core::Now;
use crate::core::deadlines::Expiring;
use crate::limits;
use crate::protocol::backend::{FailureKind, Request};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Open questions, by their numbers. `T`: what is asked, and by whom.
pub struct Questions<T> {
    open: Expiring<u64, Question<T>>,
    last: u64,
}

struct Question<T> {
    steam: SteamId,
    requested: bool,
    /// The backend did not know the user, who was looked up again.
    again: bool,
    what: T,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self {
            open: Expiring::default(),
            last: 0,
        }
    }
}

impl<T> Questions<T> {
    pub fn is_full(&self) -> bool {
        self.open.len() >= limits::ORDERS_MAX
    }

    /// Looks the user up where that is necessary; [`Questions::request`] follows when the user is known.
    pub fn ask(&mut self, steam: SteamId, what: T, due_ms: u64, cx: &mut Cx<'_>) {
        self.last += 1;
        let question = Question {
            steam,
            requested: false,
            again: false,
            what,
        };
        self.open.insert(self.last, question, due_ms);
        if cx.directory.user(steam).is_none() {
            cx.directory.want_user(steam, cx.now);
        }
    }

    /// Requests what waits for this user, if the user is known. `request`: of a question with this number.
    pub fn request(
        &mut self,
        steam: SteamId,
        cx: &mut Cx<'_>,
        request: impl Fn(u64, &T, Uuid) -> (Ticket, Request),
    ) {
        let Some(user) = cx.directory.user(steam).map(|user| user.id) else {
            return;
        };
        let waits = |(_, it): &(&u64, &Question<T>)| it.steam == steam && !it.requested;
        let waiting: Vec<u64> = self.open.iter().filter(waits).map(|it| *it.0).collect();
        for number in waiting {
            if let Some(question) = self.open.get_mut(number) {
                question.requested = true;
                let (ticket, request) = request(number, &question.what, user);
                cx.request(ticket, request);
            }
        }
    }

    /// The question of a reply. `None`: it is over, or the backend did not know the user, who is looked up again.
    pub fn replied(
        &mut self,
        number: u64,
        reply: &Answer,
        cx: &mut Cx<'_>,
    ) -> Option<(SteamId, T)> {
        let is_unknown = matches!(reply, Err(failure) if failure.kind == FailureKind::NotFound);
        let question = self.open.get_mut(number)?;
        if is_unknown && !std::mem::replace(&mut question.again, true) {
            question.requested = false;
            cx.directory.forget(question.steam, cx.now);
            return None;
        }
        let question = self.open.remove(number)?;
        Some((question.steam, question.what))
    }

    /// The user cannot be looked up: gives the questions that wait for that.
    pub fn give_up(&mut self, steam: SteamId) -> impl Iterator<Item = T> {
        let waits = |_: &u64, it: &Question<T>| it.steam == steam && !it.requested;
        let waiting = self.open.remove_where(waits).into_iter();
        waiting.map(|(_, question)| question.what)
    }

    /// A question whose time is over.
    pub fn pop_due(&mut self, now: Now) -> Option<T> {
        let (_, question) = self.open.pop_due(now.mono_ms)?;
        Some(question.what)
    }

    pub fn next_due(&self) -> Option<u64> {
        self.open.next_due()
    }
}
