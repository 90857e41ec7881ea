//! Players as users of VyHub: found or made, once for all who ask.

use std::collections::{BTreeMap, HashMap};

use super::api::Purpose;
use super::{Cx, Vyhub};
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::vyhub::{Failure, Outcome, Reply, Request, User};

#[derive(Default)]
pub struct Users {
    known: HashMap<SteamId, User>,
    /// Those who are being looked for.
    wanted: BTreeMap<SteamId, Wanted>,
}

struct Wanted {
    due_ms: u64,
    busy: bool,
}

impl Users {
    pub fn get(&self, steam: SteamId) -> Option<&User> {
        self.known.get(&steam)
    }

    /// Looks somebody up, if nobody does it yet.
    pub fn want(&mut self, steam: SteamId, now_ms: u64) {
        let wanted = self.wanted.entry(steam).or_insert(Wanted {
            due_ms: now_ms,
            busy: false,
        });
        if !wanted.busy {
            wanted.due_ms = wanted.due_ms.min(now_ms);
        }
    }

    /// VyHub says that it does not know this user.
    pub fn forget(&mut self, steam: SteamId) {
        self.known.remove(&steam);
    }

    /// VyHub is there again: nobody waits any longer.
    pub fn hurry(&mut self, now_ms: u64) {
        for wanted in self.wanted.values_mut() {
            wanted.due_ms = wanted.due_ms.min(now_ms);
        }
    }

    fn is_full(&self) -> bool {
        let busy = self.wanted.values().filter(|wanted| wanted.busy);
        busy.count() >= limits::VYHUB_LOOKUPS_MAX
    }

    fn next(&self, now_ms: u64) -> Option<SteamId> {
        if self.is_full() {
            return None;
        }
        let mut due = self.wanted.iter();
        due.find(|(_, wanted)| !wanted.busy && wanted.due_ms <= now_ms)
            .map(|(steam, _)| *steam)
    }

    pub fn due_ms(&self) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let idle = self.wanted.values().filter(|wanted| !wanted.busy);
        idle.map(|wanted| wanted.due_ms).min()
    }
}

impl Vyhub {
    pub(super) fn look_users_up(&mut self, cx: &mut Cx<'_>) {
        while let Some(steam) = self.users.next(cx.now.mono_ms) {
            if let Some(wanted) = self.users.wanted.get_mut(&steam) {
                wanted.busy = true;
            }
            let request = Request::user(steam);
            self.api.ask(Purpose::User(steam), request, cx.out);
        }
    }

    /// What came of a lookup, or of making a user (`made`).
    pub(super) fn user_answered(
        &mut self,
        steam: SteamId,
        made: bool,
        outcome: Outcome,
        cx: &mut Cx<'_>,
    ) {
        let failure = match outcome.result {
            Ok(Reply::User(user)) if user.steam == steam => {
                self.users.wanted.remove(&steam);
                self.make_room(cx);
                self.users.known.insert(steam, user);
                return self.user_known(steam, cx);
            }
            Ok(_) => Failure::Unclear("VyHub answered with somebody else".into()),
            Err(Failure::Status {
                code: 404,
                detail: Some(_),
                ..
            }) if !made => {
                let request = Request::create_user(steam);
                return self.api.ask(Purpose::NewUser(steam), request, cx.out);
            }
            Err(failure) => failure,
        };
        self.api.shout_if_refused(&failure, cx.now);
        // Players are looked up until they leave; all others ask again when they need it.
        let plays = cx.servers.find(steam).next().is_some();
        match self.users.wanted.get_mut(&steam) {
            Some(wanted) if plays => {
                wanted.busy = false;
                wanted.due_ms = cx.now.mono_ms + limits::VYHUB_USER_RETRY_MS;
            }
            _ => drop(self.users.wanted.remove(&steam)),
        }
        self.user_failed(steam, &failure, cx);
    }

    /// Forgets users who are nowhere, when there are too many.
    fn make_room(&mut self, cx: &Cx<'_>) {
        if self.users.known.len() < limits::VYHUB_USERS_MAX {
            return;
        }
        let plays = |steam: &SteamId| cx.servers.find(*steam).next().is_some();
        self.users.known.retain(|steam, _| plays(steam));
    }
}
