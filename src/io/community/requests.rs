//! Which subject carries out which request.

use std::time::Instant;

use super::bans::Which;
use super::work::{Answer, Work, unknown};
use super::{
    adverts, bans, bans_of_addresses, memberships, people, playtime, rewards, servers, warnings,
};
use crate::protocol::backend::{Bundle, Failure, Links, Outcome, Reply, Request};
use crate::protocol::local_ids::BUNDLE;
use crate::protocol::uuid::Uuid;

/// Carries a request out within its time, which begins when it was handed over.
pub(super) fn outcome(work: &mut Work, request: &Request, time: (Instant, Instant)) -> Outcome {
    work.begin(time);
    let mut answer = carry_out(work, request);
    if work.was_stale(&answer) {
        answer = carry_out(work, request);
    }
    work.finish(answer)
}

fn carry_out(work: &mut Work, request: &Request) -> Answer {
    if bundle(request).is_some_and(|bundle| bundle != BUNDLE) {
        let why = format!(
            "{} is about another community than that of the database",
            request.kind()
        );
        return Err(Failure::invalid(&why).into());
    }
    if is_constant(request) {
        // Also these are replies only of a database that can be reached.
        work.counters()?;
    }
    match request {
        Request::FindBundle(_) => Ok(Reply::Bundle(Bundle {
            id: BUNDLE,
            name: "community".into(),
            multigroup: true,
        })),
        Request::FindLinks => Ok(Reply::Links(Links::new([]))),
        Request::ConfirmLogin { .. } => {
            let why = "a community in a database has no pages where one could log in";
            Err(unknown(why))
        }
        Request::FindServer(server) => servers::find(work, *server),
        Request::ReportState { server, state } => servers::report(work, *server, state),
        Request::FindUser(steam) => people::find(work, *steam),
        Request::CreateUser(steam) => people::create(work, *steam),
        Request::GroupsOfUser { user, .. } => people::groups(work, *user),
        Request::ListGroups => people::all_groups(work),
        Request::ListActivity { server } => people::activity(work, *server),
        Request::CreateMembership { .. }
        | Request::EndMembership { .. }
        | Request::EndMemberships { .. }
        | Request::EndMembershipsOfGroup { .. }
        | Request::ListMemberships { .. } => memberships::answer(work, request),
        Request::ListBans { newest, .. } => bans::list(work, *newest),
        Request::BansOfUser { user, page, .. } => bans::of_user(work, *user, *page),
        Request::CreateBan { ban, issuer } => bans::create(work, ban, *issuer),
        Request::EndBan { ban, issuer } => bans::end(work, Which::Ban(*ban), *issuer),
        Request::EndBans { user, issuer, .. } => {
            let steam = people::steam_of(*user)?;
            bans::end(work, Which::AllOf(steam), *issuer)
        }
        Request::ListAddressBans { newest, .. } => bans_of_addresses::list(work, *newest),
        Request::CreateAddressBan { ban, issuer } => bans_of_addresses::create(work, ban, *issuer),
        Request::EndAddressBans {
            range,
            until,
            issuer,
            ..
        } => bans_of_addresses::end(work, (*range, *until), *issuer),
        Request::WarningsOfUser { user, page, .. } => warnings::of_user(work, *user, *page),
        Request::CreateWarning { warning, issuer } => warnings::create(work, warning, *issuer),
        Request::ListAdverts(_) => adverts::list(work),
        Request::FindAttribute(name) => playtime::find(name),
        Request::CreateAttribute(attribute) => playtime::find(attribute.name),
        Request::AddToAttribute(addition) => {
            playtime::add_all(work, std::slice::from_ref(addition))
        }
        Request::AddAllToAttribute(additions) => playtime::add_all(work, additions),
        Request::AttributesOfUser { user, .. } => playtime::of_user(work, *user),
        Request::ListRewards { server, users, .. } => rewards::list(work, *server, users),
        Request::ReportReward {
            reward,
            server,
            steam,
        } => rewards::report(work, *reward, *server, *steam),
    }
}

/// Whether the reply is always the same.
fn is_constant(request: &Request) -> bool {
    matches!(
        request,
        Request::FindBundle(_)
            | Request::FindLinks
            | Request::ConfirmLogin { .. }
            | Request::FindAttribute(_)
            | Request::CreateAttribute(_)
    )
}

/// The bundle that a request is about, in whatever part of it.
fn bundle(request: &Request) -> Option<Uuid> {
    match request {
        Request::FindBundle(bundle)
        | Request::EndBans { bundle, .. }
        | Request::EndMemberships { bundle, .. }
        | Request::EndMembershipsOfGroup { bundle, .. } => Some(*bundle),
        Request::CreateBan { ban, .. } => Some(ban.bundle),
        Request::CreateAddressBan { ban, .. } => Some(ban.bundle),
        Request::CreateWarning { warning, .. } => Some(warning.bundle),
        Request::CreateMembership { membership, .. } => Some(membership.bundle),
        Request::AddToAttribute(addition) => Some(addition.bundle),
        Request::AddAllToAttribute(additions) => {
            let mut bundles = additions.iter().map(|addition| addition.bundle);
            bundles.find(|bundle| *bundle != BUNDLE)
        }
        request => request.bundle(),
    }
}
