//! `VYHUB_SetGroup`: a script puts a player into a group of VyHub.
//!
//! This is done while the script waits, and not queued: a player whose group is changed later than
//! somebody looked would be in the wrong one. Whatever cannot be known is said to be unclear, and
//! nothing is sent a second time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::api::Purpose;
use super::calls::unavailable;
use super::commands::Length;
use super::{Cx, Vyhub};
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Failure, Group, NewMembership, Outcome, Reply, Request};
use crate::sql::CallId;

/// Calls that are not answered yet, by their numbers.
#[derive(Default)]
pub struct GroupCalls {
    open: BTreeMap<u64, GroupCall>,
    last: u64,
}

/// Somebody is to be in a group, and in no other of the bundle.
pub struct GroupCall {
    pub id: CallId,
    pub server: ServerId,
    pub bundle: Uuid,
    pub steam: SteamId,
    pub name: String,
    /// Its name or id; `None`: in none at all.
    pub group: Option<String>,
    pub length: Length,
    /// As whom: their user in VyHub, and their name.
    pub issuer: Option<(Uuid, String)>,
    pub due_ms: u64,
    pub step: Step,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    User,
    /// All groups of VyHub.
    Groups(Uuid),
    /// The end of the memberships; then the new one begins.
    End(Uuid, Option<Uuid>),
    Begin,
}

impl GroupCalls {
    pub fn due_ms(&self) -> Option<u64> {
        self.open.values().map(|call| call.due_ms).min()
    }
}

impl Vyhub {
    pub(super) fn set_group(&mut self, call: GroupCall, cx: &mut Cx<'_>) {
        if self.group_calls.open.len() >= limits::VYHUB_CALLS_MAX {
            let error = unavailable("too many calls wait for VyHub");
            return cx.out.respond(call.id, Err(error));
        }
        self.group_calls.last += 1;
        let (number, steam) = (self.group_calls.last, call.steam);
        self.group_calls.open.insert(number, call);
        match self.users.get(steam).map(|user| user.id) {
            Some(user) => self.user_of_group_call(number, user, cx),
            None => self.users.want(steam, cx.now.mono_ms),
        }
    }

    /// A user is known.
    pub(super) fn group_calls_of_user(&mut self, steam: SteamId, user: Uuid, cx: &mut Cx<'_>) {
        for number in self.group_calls_at_user(steam) {
            self.user_of_group_call(number, user, cx);
        }
    }

    /// A user cannot be had.
    pub(super) fn group_calls_failed(
        &mut self,
        steam: SteamId,
        failure: &Failure,
        cx: &mut Cx<'_>,
    ) {
        for number in self.group_calls_at_user(steam) {
            self.end_group_call(number, Err(in_words(failure, &Step::User)), cx);
        }
    }

    fn group_calls_at_user(&self, steam: SteamId) -> Vec<u64> {
        let calls = self.group_calls.open.iter();
        let waiting = calls.filter(|(_, call)| call.step == Step::User && call.steam == steam);
        waiting.map(|(number, _)| *number).collect()
    }

    fn user_of_group_call(&mut self, number: u64, user: Uuid, cx: &mut Cx<'_>) {
        let Some(call) = self.group_calls.open.get_mut(&number) else {
            return;
        };
        if call.group.is_some() {
            call.step = Step::Groups(user);
            let request = Request::all_groups();
            self.api.ask(Purpose::Group(number), request, cx.out);
        } else {
            self.end_memberships(number, user, None, cx);
        }
    }

    fn end_memberships(&mut self, number: u64, user: Uuid, group: Option<Uuid>, cx: &mut Cx<'_>) {
        let Some(call) = self.group_calls.open.get_mut(&number) else {
            return;
        };
        call.step = Step::End(user, group);
        let morph = call.issuer.as_ref().map(|(user, _)| *user);
        let request = Request::end_memberships(user, call.bundle, morph);
        self.api.ask(Purpose::Group(number), request, cx.out);
    }

    /// VyHub's answer to one of its steps.
    pub(super) fn group_answered(&mut self, number: u64, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(call) = self.group_calls.open.get(&number) else {
            return;
        };
        let step = call.step.clone();
        match (step, outcome.result) {
            (step, Err(failure)) => {
                self.end_group_call(number, Err(in_words(&failure, &step)), cx);
            }
            (Step::Groups(user), Ok(Reply::Groups(groups))) => {
                match find(call.group.as_deref().unwrap_or_default(), &groups) {
                    Ok(group) => self.end_memberships(number, user, Some(group), cx),
                    Err(error) => self.end_group_call(number, Err(error), cx),
                }
            }
            (Step::End(user, Some(group)), Ok(_)) => self.begin_membership(number, user, group, cx),
            (Step::End(_, None) | Step::Begin, Ok(_)) => self.end_group_call(number, Ok(()), cx),
            _ => {
                let error = unavailable("VyHub gave a strange answer");
                self.end_group_call(number, Err(error), cx);
            }
        }
    }

    fn begin_membership(&mut self, number: u64, user: Uuid, group: Uuid, cx: &mut Cx<'_>) {
        let time_s = self.api.time_s(cx.now);
        let Some(call) = self.group_calls.open.get_mut(&number) else {
            return;
        };
        call.step = Step::Begin;
        let at = |time_s: i64| Timestamp::from_second(time_s).unwrap_or(Timestamp::UNIX_EPOCH);
        let membership = NewMembership {
            user,
            bundle: call.bundle,
            group,
            begin: at(time_s),
            end: match call.length {
                Length::Permanent => None,
                Length::Seconds(seconds) => Some(at(time_s.saturating_add_unsigned(seconds))),
            },
        };
        let morph = call.issuer.as_ref().map(|(user, _)| *user);
        let request = Request::create_membership(&membership, morph);
        self.api.ask(Purpose::Group(number), request, cx.out);
    }

    fn end_group_call(&mut self, number: u64, outcome: Result<(), CallError>, cx: &mut Cx<'_>) {
        let Some(call) = self.group_calls.open.remove(&number) else {
            return;
        };
        let answer = outcome.map(|()| json!({ "player": call.steam, "group": call.group }));
        if answer.is_ok() {
            let minutes = match call.length {
                Length::Seconds(seconds) => Some(seconds / 60),
                Length::Permanent => None,
            };
            let data = json!({
                "id": call.steam,
                "name": call.name,
                "group": call.group,
                "minutes": minutes,
                "issuer": call.issuer.map(|(_, name)| name),
            });
            self.hook(call.server, "vyhub_ply_group_changed", data, cx);
            self.rights.want(call.steam, call.bundle);
        }
        cx.out.respond(call.id, answer);
    }

    pub(super) fn expire_group_calls(&mut self, cx: &mut Cx<'_>) {
        let calls = self.group_calls.open.iter();
        let over = calls.filter(|(_, call)| call.due_ms <= cx.now.mono_ms);
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        for number in over {
            let step = self.group_calls.open.get(&number).map(|call| &call.step);
            let failure = Failure::Unclear("VyHub has not answered in time".into());
            let error = in_words(&failure, step.unwrap_or(&Step::User));
            self.end_group_call(number, Err(error), cx);
        }
    }
}

/// The group of this name, in letters of either case, or of this id.
fn find(wanted: &str, groups: &[Group]) -> Result<Uuid, CallError> {
    let id = wanted.parse::<Uuid>().ok();
    let is_it =
        |group: &&Group| Some(group.id) == id || group.name.to_lowercase() == wanted.to_lowercase();
    if let Some(group) = groups.iter().find(is_it) {
        return Ok(group.id);
    }
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let detail = format!("VyHub has no group {wanted}; it has: {}", names.join(", "));
    Err(CallError::new("ValueError", detail))
}

/// What a failure means for what was wanted.
fn in_words(failure: &Failure, step: &Step) -> CallError {
    let before = matches!(step, Step::User | Step::Groups(_));
    let so_far = match step {
        Step::Begin => "; the groups before it are ended",
        _ => "",
    };
    match failure {
        Failure::Unclear(why) if !before => {
            CallError::new("Unclear", format!("it may have been done: {why}{so_far}"))
        }
        Failure::Unreachable(why) | Failure::Unclear(why) => unavailable(format!("{why}{so_far}")),
        Failure::Status { code: 403, .. } => {
            let detail = format!("VyHub does not permit it ({failure}){so_far}");
            CallError::new("PermissionError", detail)
        }
        Failure::Status { .. } => unavailable(format!("{failure}{so_far}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: u128, name: &str) -> Group {
        Group {
            id: Uuid(id),
            name: name.into(),
            permission_level: 1,
            properties: Vec::new(),
            max_ban_s: None,
        }
    }

    #[test]
    fn a_group_is_found_by_name_or_id_and_another_is_said_to_be_none() {
        let groups = [group(1, "VIP"), group(2, "Admins")];
        assert_eq!(find("vip", &groups), Ok(Uuid(1)));
        assert_eq!(find(&Uuid(2).to_string(), &groups), Ok(Uuid(2)));
        let error = find("Owner", &groups).unwrap_err();
        assert!(error.detail.contains("VIP, Admins"), "{error}");
    }

    #[test]
    fn what_may_have_been_done_is_never_called_undone() {
        let lost = Failure::Unclear("the connection broke".into());
        let [user, end, begin] = [Step::User, Step::End(Uuid(1), Some(Uuid(2))), Step::Begin]
            .map(|step| in_words(&lost, &step));
        assert_eq!(user.reason, "VyHubUnavailable");
        assert_eq!(end.reason, "Unclear");
        assert_eq!(begin.reason, "Unclear");
        assert!(begin.detail.contains("are ended"));
    }
}
