//! A community's database in the place of VyHub. What a change makes has the change's id, so a database makes it once,
//! however often it is sent; and the connection is all that fails.

use vpid::protocol::backend::{Failure as Trouble, FailureKind, Outcome, Reply, Request, Topics};
use vpid::protocol::local_ids;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub;

use super::{Api, CARRIED_OUT_S_MAX, Failure, Fate, Weather};
use crate::random::Random;

/// Kind and id of the change that a request carries out, where it makes something.
fn change(request: &Request) -> Option<(&'static str, u64)> {
    Some(match request {
        Request::CreateBan { ban, .. } => ("ban", ban.change),
        Request::CreateWarning { warning, .. } => ("warning", warning.change),
        Request::CreateMembership { membership, .. } => ("membership", membership.change),
        Request::AddToAttribute(addition) => ("playtime", addition.change),
        _ => return None,
    })
}

/// Who must be a user for it, and is made one.
fn user(request: &Request) -> Option<Uuid> {
    Some(match request {
        Request::CreateBan { ban, .. } => ban.user,
        Request::CreateWarning { warning, .. } => warning.user,
        Request::CreateMembership { membership, .. } => membership.user,
        Request::AddToAttribute(addition) => addition.user,
        Request::EndBans { user, .. } => *user,
        _ => return None,
    })
}

/// What waiting vpids are told after a request.
pub fn topics(request: &Request) -> Topics {
    Topics {
        bans: matches!(
            request,
            Request::CreateBan { .. } | Request::EndBan { .. } | Request::EndBans { .. }
        ),
        members: matches!(request, Request::CreateMembership { .. }),
        ..Topics::default()
    }
}

impl Api {
    /// Carries a request out within one transaction.
    pub(super) fn answer_once(&mut self, request: &Request, now_s: i64) -> Result<Reply, Failure> {
        let change = change(request);
        if let Some(reply) = change.and_then(|change| self.done.get(&change)) {
            return Ok(reply.clone());
        }
        if let Some(steam) = user(request).and_then(local_ids::steam) {
            self.user(steam);
        }
        let reply = match request {
            // No story bans one.
            Request::ListAddressBans { .. } => Reply::AddressBans(super::listing(Vec::new())),
            request => self.answer(request, now_s)?,
        };
        if let Some(change) = change {
            self.done.insert(change, reply.clone());
        }
        Ok(reply)
    }

    /// As [`Api::take`].
    pub fn take_local(
        &mut self,
        request: &Request,
        now_s: i64,
        random: &mut Random,
    ) -> (Outcome, u64) {
        self.catch_up(now_s);
        if let Request::ReportState { .. } = request {
            self.states.push(now_s);
        }
        let by_chance = match random.chance(50) {
            true => Fate::CarriedOut,
            false => Fate::Lost,
        };
        // The server commits what has come to it, also when nobody waits for that any more.
        let later = Fate::Later(1 + random.below(CARRIED_OUT_S_MAX - 1));
        let unclear = || Trouble {
            under_way: true,
            ..Trouble::unclear("the connection broke; what was under way may have been carried out")
        };
        let of = |kind| Trouble::of(kind, "trouble");
        let mut delay_ms = 1 + random.below(50);
        let trouble = match (self.weather, random.below(14)) {
            (Weather::Away | Weather::Refused, _) => {
                Some((of(FailureKind::Unreachable), Fate::Lost))
            }
            (Weather::Mute, 0..4) => Some((unclear(), later)),
            (Weather::Mute, _) => Some((unclear(), by_chance)),
            (Weather::Busy, _) | (Weather::Rough, 0) => Some((
                Trouble::replied(FailureKind::TooEarly, "locked"),
                Fate::Lost,
            )),
            (Weather::Rough, 1 | 2) => Some((unclear(), by_chance)),
            (Weather::Rough, 3) => {
                Some((Trouble::replied(FailureKind::Broken, "refused"), Fate::Lost))
            }
            (Weather::Rough, 4) => Some((of(FailureKind::Unsent), Fate::Lost)),
            (Weather::Rough, 5) => Some((of(FailureKind::Unreachable), Fate::Lost)),
            (Weather::Rough, 6) => Some((unclear(), later)),
            (Weather::Rough, 7) => {
                delay_ms = random.below(CARRIED_OUT_S_MAX * 1_000);
                None
            }
            (Weather::Fair | Weather::Rough, _) => None,
        };
        let Some((failure, fate)) = trouble else {
            let outcome = vyhub::outcome(Outcome {
                result: self.answer_once(request, now_s),
                api_s: Some(now_s + self.skew_s),
            });
            return (outcome, delay_ms);
        };
        match fate {
            Fate::Lost => {}
            Fate::CarriedOut => drop(self.answer_once(request, now_s)),
            Fate::Later(s) => self.under_way.push((now_s + s as i64, request.clone())),
        }
        let outcome = Outcome {
            result: Err(failure),
            api_s: None,
        };
        (outcome, delay_ms)
    }
}
