//! VyHub as a whole: what was asked and is not answered, whether it is there, and its clock.

use std::collections::HashMap;

use crate::core::outbox::EntryId;
use crate::core::output::Output;
use crate::core::servers::ServerId;
use crate::core::{Effect, Now};
use crate::limits;
use crate::protocol::log_targets;
use crate::protocol::steam_id::SteamId;
use crate::protocol::store::{Content, Shelf, Write};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Done, Expect, Failure, Job, Outcome, Request};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Record(ServerId),
    Bundle(ServerId),
    Frontend(ServerId),
    State(ServerId),
    /// The bans of a bundle.
    List(Uuid),
    User(SteamId),
    NewUser(SteamId),
    Groups(SteamId, Uuid),
    Properties(SteamId, Uuid),
    /// Is this change there already? With the page.
    Compare(EntryId, u64),
    Send(EntryId),
    /// Somebody asks for a list, by the number of the question.
    Question(u64),
    /// A step of a call that puts somebody into a group, by the number of the call.
    Group(u64),
}

/// What a write to the disk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// An entry begins to count.
    Accepted(EntryId),
    /// It may be sent now.
    Marked(EntryId),
    /// VyHub has it.
    Ended(EntryId),
    /// The list of a bundle, which was asked for at that moment of the daemon's clock.
    List(Uuid, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    Unknown,
    There,
    Away { since_ms: u64 },
}

/// What an answer says about VyHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Nothing,
    There,
    Away,
}

pub struct Api {
    asked: HashMap<u64, Purpose>,
    writes: HashMap<u64, Kept>,
    last_ticket: u64,
    reach: Reach,
    /// VyHub's clock less ours, in seconds.
    offset_s: i64,
    /// VyHub has refused the key, and has taken it nowhere since.
    refused: bool,
    /// When the operator was told last that VyHub refuses the key.
    shouted_ms: Option<u64>,
}

impl Api {
    pub fn new() -> Self {
        Self {
            asked: HashMap::new(),
            writes: HashMap::new(),
            last_ticket: 0,
            reach: Reach::Unknown,
            offset_s: 0,
            refused: false,
            shouted_ms: None,
        }
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub fn ask(&mut self, purpose: Purpose, request: Request, out: &mut Output) {
        let ticket = self.ticket();
        self.asked.insert(ticket, purpose);
        let patience_ms = match request.expect {
            Expect::BanList => limits::VYHUB_LIST_PATIENCE_MS,
            _ => limits::VYHUB_PATIENCE_MS,
        };
        out.effects.push(Effect::Api(Box::new(Job {
            ticket,
            request,
            patience_ms,
        })));
    }

    pub fn answered(&mut self, done: &Done) -> Option<Purpose> {
        self.asked.remove(&done.ticket)
    }

    /// Keeps something on disk; with `kept`, word of it is wanted.
    pub fn write(
        &mut self,
        shelf: Shelf,
        name: String,
        content: Option<Content>,
        kept: Option<Kept>,
        out: &mut Output,
    ) {
        let ticket = kept.map(|kept| {
            let ticket = self.ticket();
            self.writes.insert(ticket, kept);
            ticket
        });
        out.effects.push(Effect::Store(Box::new(Write {
            ticket,
            shelf,
            name,
            content,
        })));
    }

    pub fn written(&mut self, ticket: u64) -> Option<Kept> {
        self.writes.remove(&ticket)
    }

    /// Learns from an answer. What is not in VyHub's own words is not from VyHub.
    pub fn learn(&mut self, outcome: &Outcome, now: Now) -> News {
        let (there, why) = match &outcome.result {
            Ok(_) => (true, String::new()),
            Err(Failure::Status { code, detail, .. }) => match detail {
                Some(_) if *code < 500 => (true, String::new()),
                _ => (false, format!("it is answered with {code}")),
            },
            Err(Failure::Unreachable(why) | Failure::Unclear(why)) => (false, why.clone()),
        };
        if !there {
            if matches!(self.reach, Reach::Away { .. }) {
                return News::Nothing;
            }
            self.reach = Reach::Away {
                since_ms: now.mono_ms,
            };
            log::warn!(
                target: log_targets::NEWS,
                "VyHub cannot be reached: {why}; bans hold as they are known, and what changes \
                 waits in the outbox"
            );
            return News::Away;
        }
        if let Some(api_s) = outcome.api_s {
            let offset_s = api_s - now.wall_s;
            // The answer was under way for a moment.
            if offset_s.abs_diff(self.offset_s) > 2 {
                self.offset_s = offset_s;
                if offset_s.abs() > 60 {
                    log::warn!(
                        "the clock of this machine and VyHub's differ by {} s: bans follow VyHub's",
                        offset_s.abs()
                    );
                }
            }
        }
        let before = std::mem::replace(&mut self.reach, Reach::There);
        if let Reach::Away { since_ms } = before {
            let seconds = (now.mono_ms - since_ms) / 1_000;
            log::info!("VyHub is reached again, after {seconds} s");
        }
        let taken = outcome.result.is_ok() && std::mem::take(&mut self.refused);
        if taken {
            log::info!("VyHub takes the key again");
            self.shouted_ms = None;
        }
        let refused = matches!(outcome.result, Err(Failure::Status { code: 401, .. }));
        self.refused |= refused;
        match before {
            Reach::There if !taken => News::Nothing,
            _ => News::There,
        }
    }

    pub fn is_there(&self) -> bool {
        self.reach == Reach::There
    }

    /// For how long it has been away, in milliseconds.
    pub fn away_ms(&self, now: Now) -> Option<u64> {
        match self.reach {
            Reach::Away { since_ms } => Some(now.mono_ms - since_ms),
            _ => None,
        }
    }

    /// The time by VyHub's clock, unix seconds.
    pub fn time_s(&self, now: Now) -> i64 {
        now.wall_s.saturating_add(self.offset_s)
    }

    /// Shouts if a request that vpid made as itself was refused.
    pub fn shout_if_refused(&mut self, failure: &Failure, now: Now) {
        if let Failure::Status {
            code: 401 | 403,
            detail: Some(_),
            ..
        } = failure
        {
            self.shout(&failure.to_string(), now);
        }
    }

    /// VyHub refuses vpid itself: said at once, and again every hour.
    pub fn shout(&mut self, why: &str, now: Now) {
        let again = |ms: u64| now.mono_ms >= ms + limits::VYHUB_SHOUT_MS;
        if self.shouted_ms.is_none_or(again) {
            self.shouted_ms = Some(now.mono_ms);
            log::error!(
                "VyHub refuses this server: {why}; check the API key and its rights (bans in the \
                 name of admins need user_morph). Nothing is dropped meanwhile"
            );
        }
    }
}
