//! VyHub's API: what the core requests of its backend, as HTTP, and what VyHub replies.
//!
//! Shapes are those of VyHub's own API definition; where the written guideline differs, the
//! definition wins. A body without a field that the definition requires is not VyHub's; readers are
//! tolerant of all else: unknown fields, nulls, dates with and without microseconds.

mod ban_list;
mod failure;
mod read;
mod request;

use serde_json::Value;

use super::backend;
pub use super::backend::{
    Action, Activity, Addition, Advert, Attribute, Ban, BanList, Bundle, Group, Lacking, Links,
    Listing, Mapping, Membership, NewAttribute, NewBan, NewMembership, NewWarning, PAGE_SIZE, Page,
    Property, Reply, Reward, RewardEvent, RewardList, Server, ServerState, User, Warning, WebPage,
};
pub use failure::Failure;
pub use read::{ReadError, detail, reply};

/// One request. Made by the functions in `request`, each with its own shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    /// Below the API's address, with its query: `/ban/?morph_user_id=...`.
    pub path: String,
    pub body: Option<Value>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

/// What a good answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The definition says nothing of it, but that it is JSON.
    Nothing,
    Server,
    Bundle,
    User,
    Groups,
    /// The active bans of a bundle; read as it comes, since it can be large.
    BanList,
    Ban,
    /// The page with this number.
    Bans(u64),
    /// Of all users, for imports: the page with this number.
    AllBans(u64),
    AllWarnings(u64),
    Warning,
    Warnings(u64),
    Membership,
    Memberships,
    Links,
    Adverts,
    Activity,
    Attribute,
    /// Of what was added.
    Addition,
    Attributes,
    Rewards,
    AppliedReward,
    Login,
}

/// A request for the worker that speaks with VyHub.
pub type Job = backend::Job<Request>;
pub type Done = backend::Done<Failure>;
pub type Outcome = backend::Outcome<Failure>;

/// What is to be sent for a request of the core's; or its result, where VyHub has nothing of this kind.
#[expect(
    clippy::result_large_err,
    reason = "it is made once for each request, and rarely an error"
)]
pub fn job(job: backend::Job) -> Result<Job, backend::Done> {
    match Request::of(&job.request) {
        Some(request) => Ok(Job {
            ticket: job.ticket,
            request,
            patience_ms: job.patience_ms,
        }),
        None => {
            let why = format!("VyHub has no means of {}", job.request.kind());
            Err(backend::Done {
                ticket: job.ticket,
                outcome: backend::Outcome {
                    result: Err(backend::Failure::unsupported(&why)),
                    api_s: None,
                },
            })
        }
    }
}

/// What the core receives for it.
pub fn done(done: Done) -> backend::Done {
    backend::Done {
        ticket: done.ticket,
        outcome: outcome(done.outcome),
    }
}

pub fn outcome(outcome: Outcome) -> backend::Outcome {
    backend::Outcome {
        result: outcome.result.map_err(backend::Failure::from),
        api_s: outcome.api_s,
    }
}
