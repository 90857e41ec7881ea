//! `VYHUB_SetGroup`: a script puts a player into a group of the backend.
//!
//! This is done while the script waits, and not queued: a player whose group is changed later than
//! an admin looked would be in the wrong one. Whatever cannot be known is reported as unclear, and
//! nothing is sent a second time.

use jiff::Timestamp;
use serde_json::json;

use super::commands::{Call, Order};
use super::orders::Command;
use super::orders::Length;
use super::words::Problem;
use super::{Answer, Cx, Message, Subject, Ticket, unavailable};
use crate::core::deadlines::Expiring;
use crate::core::servers::ServerId;
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::backend::{Failure, FailureKind, Group, NewMembership, Reply, Request};
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Calls that wait for their responses.
#[derive(Default)]
pub struct Groups {
    open: Expiring<CallId, GroupCall>,
}

/// A player is to be in a group, and in no other of the bundle.
struct GroupCall {
    server: ServerId,
    bundle: Uuid,
    steam: SteamId,
    name: String,
    /// Its name or id; `None`: in none at all.
    group: Option<String>,
    length: Length,
    /// As whom: their user, and their name.
    issuer: Option<(Uuid, String)>,
    step: Step,
    /// The backend did not know the user, who was looked up again.
    again: bool,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    User,
    /// All groups of the backend, for this user.
    Groups(Uuid),
    /// The end of the memberships; then the new one begins.
    End(Uuid, Option<Uuid>),
    Begin,
}

impl Subject for Groups {
    type Ticket = CallId;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Order(order) => {
                if let Command::SetGroup { .. } = &order.command
                    && let Some(call) = &order.call
                    && let Err(problem) = self.open(order, call, cx)
                {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => {
                let Some(user) = cx.directory.user(*steam).map(|user| user.id) else {
                    return;
                };
                for id in self.waiting_for_user(*steam) {
                    self.user_known(id, user, cx);
                }
            }
            Message::NoUser(steam, failure) => {
                for id in self.waiting_for_user(*steam) {
                    self.close(id, Err(in_words(failure, &Step::User)), cx);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, id: CallId, reply: Answer, cx: &mut Cx<'_>) {
        let Some(call) = self.open.get(id) else {
            return;
        };
        match (call.step.clone(), reply) {
            (Step::End(..), Err(failure))
                if failure.kind == FailureKind::NotFound && !call.again =>
            {
                let steam = call.steam;
                if let Some(call) = self.open.get_mut(id) {
                    (call.step, call.again) = (Step::User, true);
                }
                cx.directory.forget(steam, cx.now);
            }
            (step, Err(failure)) => self.close(id, Err(in_words(&failure, &step)), cx),
            (Step::Groups(user), Ok(Reply::Groups(groups))) => {
                match find(call.group.as_deref().unwrap_or_default(), &groups.items) {
                    Ok(group) => self.end_memberships(id, user, Some(group), cx),
                    Err(error) => self.close(id, Err(error), cx),
                }
            }
            (Step::End(user, Some(group)), Ok(_)) => self.begin_membership(id, user, group, cx),
            (Step::End(_, None) | Step::Begin, Ok(_)) => self.close(id, Ok(()), cx),
            _ => {
                let error = unavailable("VyHub gave a strange answer");
                self.close(id, Err(error), cx);
            }
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((id, call)) = self.open.pop_due(cx.now.mono_ms) {
            let failure = Failure::unclear("VyHub has not answered in time");
            cx.respond(id, Err(in_words(&failure, &call.step)));
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        self.open.next_due()
    }
}

impl Groups {
    fn open(&mut self, order: &Order, call: &Call, cx: &mut Cx<'_>) -> Result<(), Problem> {
        let Command::SetGroup { who, group, length } = &order.command else {
            return Ok(());
        };
        let (steam, name) = cx.target(order.server, order.bundle, who)?;
        let issuer = cx.issuer(order)?;
        if self.open.len() >= limits::VYHUB_CALLS_MAX {
            let error = unavailable("too many calls wait for VyHub");
            cx.respond(call.id, Err(error));
            return Ok(());
        }
        let group_call = GroupCall {
            server: order.server,
            bundle: order.bundle,
            steam,
            name,
            group: group.clone(),
            length: *length,
            issuer: issuer.map(|issuer| (issuer.user, issuer.name)),
            step: Step::User,
            again: false,
        };
        self.open.insert(call.id, group_call, call.due_ms);
        match cx.directory.user(steam).map(|user| user.id) {
            Some(user) => self.user_known(call.id, user, cx),
            None => cx.directory.want_user(steam, cx.now),
        }
        Ok(())
    }

    fn waiting_for_user(&self, steam: SteamId) -> Vec<CallId> {
        let waits =
            |(_, call): &(&CallId, &GroupCall)| call.step == Step::User && call.steam == steam;
        self.open.iter().filter(waits).map(|(id, _)| *id).collect()
    }

    fn user_known(&mut self, id: CallId, user: Uuid, cx: &mut Cx<'_>) {
        let Some(call) = self.open.get_mut(id) else {
            return;
        };
        match call.group {
            Some(_) => {
                call.step = Step::Groups(user);
                cx.request(Ticket::Groups(id), Request::ListGroups);
            }
            None => self.end_memberships(id, user, None, cx),
        }
    }

    fn end_memberships(&mut self, id: CallId, user: Uuid, group: Option<Uuid>, cx: &mut Cx<'_>) {
        let Some(call) = self.open.get_mut(id) else {
            return;
        };
        call.step = Step::End(user, group);
        let request = Request::EndMemberships {
            user,
            bundle: call.bundle,
            issuer: call.issuer.as_ref().map(|(user, _)| *user),
        };
        cx.request(Ticket::Groups(id), request);
    }

    fn begin_membership(&mut self, id: CallId, user: Uuid, group: Uuid, cx: &mut Cx<'_>) {
        let time_s = cx.time_s();
        let Some(call) = self.open.get_mut(id) else {
            return;
        };
        call.step = Step::Begin;
        let at = |time_s: i64| Timestamp::from_second(time_s).unwrap_or(Timestamp::UNIX_EPOCH);
        let end = call.length.seconds();
        let membership = NewMembership {
            user,
            bundle: call.bundle,
            group,
            begin: at(time_s),
            end: end.map(|seconds| at(time_s.saturating_add_unsigned(seconds))),
        };
        let issuer = call.issuer.as_ref().map(|(user, _)| *user);
        let request = Request::CreateMembership { membership, issuer };
        cx.request(Ticket::Groups(id), request);
    }

    fn close(&mut self, id: CallId, outcome: Result<(), CallError>, cx: &mut Cx<'_>) {
        let Some(call) = self.open.remove(id) else {
            return;
        };
        let response = outcome.map(|()| json!({ "player": call.steam, "group": call.group }));
        if response.is_ok() {
            let data = json!({
                "id": call.steam,
                "name": call.name,
                "group": call.group,
                "minutes": call.length.seconds().map(|seconds| seconds / 60),
                "issuer": call.issuer.map(|(_, name)| name),
            });
            cx.hook(call.server, "vyhub_ply_group_changed", data);
            cx.directory.want_rights(call.steam, call.bundle, cx.now);
        }
        cx.respond(id, response);
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
    match failure.kind {
        _ if failure.is_unclear() && !before => CallError::new(
            "Unclear",
            format!("it may have been done: {failure}{so_far}"),
        ),
        FailureKind::Forbidden(_) => {
            let detail = format!("VyHub does not permit it ({failure}){so_far}");
            CallError::new("PermissionError", detail)
        }
        _ => unavailable(&format!("{failure}{so_far}")),
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
            mappings: Vec::new(),
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
        let lost = Failure::unclear("the connection broke");
        let [user, end, begin] = [Step::User, Step::End(Uuid(1), Some(Uuid(2))), Step::Begin]
            .map(|step| in_words(&lost, &step));
        assert_eq!(user.reason, "VyHubUnavailable");
        assert_eq!(end.reason, "Unclear");
        assert_eq!(begin.reason, "Unclear");
        assert!(begin.detail.contains("are ended"));
    }
}
