//! The kinds of changes, each with all that depends on it: how it is stored, sent, looked for in the
//! backend, and reported.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::entry::{Change, Entry, State};
use crate::limits;
use crate::protocol::backend::{Ban, NewBan, NewWarning, Page, Reply, Request, Warning};
use crate::protocol::uuid::Uuid;

/// Changes of one player are sent in their order where one of them could undo another. What is of another
/// series does not wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    Bans,
    Warnings,
}

impl Series {
    pub const ALL: [Self; 2] = [Self::Bans, Self::Warnings];
}

/// Whether what the backend lists of a player has a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Under this id.
    Present(Uuid),
    Absent,
    /// Not on this page, but for the records on it that cannot be read.
    NextPage {
        unsure: bool,
    },
    /// It may be among the records that cannot be read.
    Unsure,
}

impl Change {
    /// As it stands in the file, and in sentences.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ban { .. } => "ban",
            Self::Unban => "unban",
            Self::Warning { .. } => "warning",
        }
    }

    pub fn series(&self) -> Series {
        match self {
            Self::Ban { .. } | Self::Unban => Series::Bans,
            Self::Warning { .. } => Series::Warnings,
        }
    }

    /// The kind of the request that carries it out.
    pub fn request_kind(&self) -> &'static str {
        match self {
            Self::Ban { .. } => Request::CREATE_BAN,
            Self::Unban => Request::END_BANS,
            Self::Warning { .. } => Request::CREATE_WARNING,
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Ban { reason, .. } | Self::Warning { reason } => reason,
            Self::Unban => "",
        }
    }

    pub fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Ban { reason, .. } | Self::Warning { reason } => Some(reason),
            Self::Unban => None,
        }
    }

    /// What carries it out.
    pub fn request(&self, entry: &Entry, user: Uuid) -> Request {
        let (bundle, issuer) = (entry.bundle, entry.issuer.as_ref().map(|it| it.user));
        match self {
            Self::Ban {
                length_s,
                reason,
                standing,
            } => {
                let ban = NewBan {
                    user,
                    bundle,
                    length_s: *length_s,
                    reason: reason.clone(),
                    created: entry.created,
                    standing: *standing,
                };
                Request::CreateBan { ban, issuer }
            }
            Self::Unban => Request::EndBans {
                user,
                bundle,
                issuer,
            },
            Self::Warning { reason } => {
                let warning = NewWarning {
                    user,
                    bundle,
                    reason: reason.clone(),
                };
                Request::CreateWarning { warning, issuer }
            }
        }
    }

    /// Lists what it may have made. `None`: to carry it out twice does no harm.
    pub fn list_request(&self, user: Uuid, bundle: Uuid, page: u64) -> Option<Request> {
        match self {
            Self::Ban { .. } => Some(Request::BansOfUser { user, bundle, page }),
            Self::Warning { .. } => Some(Request::WarningsOfUser { user, bundle, page }),
            Self::Unban => None,
        }
    }

    /// Looks for it in such a list. `unsure`: it may be one of an earlier page that cannot be read. `None`: this
    /// is no such list.
    pub fn compare(
        &self,
        entry: &Entry,
        (reply, page): (&Reply, u64),
        unsure: bool,
    ) -> Option<Comparison> {
        let (found, more, unsure_here) = match (self, reply) {
            (
                Self::Ban {
                    length_s, reason, ..
                },
                Reply::Bans(bans),
            ) => {
                let may_be = |created: Timestamp| is_time_of_ban(entry, created);
                (
                    find_ban(entry, *length_s, reason, bans),
                    bans.has_next(page),
                    has_such(&bans.skipped, may_be),
                )
            }
            (Self::Warning { reason }, Reply::Warnings(warnings)) => {
                let may_be = |created: Timestamp| is_time_of_warning(entry, created);
                (
                    find_warning(entry, reason, warnings),
                    warnings.has_next(page),
                    has_such(&warnings.skipped, may_be),
                )
            }
            _ => return None,
        };
        let unsure = unsure || unsure_here;
        Some(match found {
            Some(id) => Comparison::Present(id),
            None if more && page < limits::VYHUB_PAGES_MAX => Comparison::NextPage { unsure },
            None if unsure => Comparison::Unsure,
            None => Comparison::Absent,
        })
    }

    /// How the names of the messages to its issuer begin.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Ban { .. } => "ban",
            Self::Unban => "unban",
            Self::Warning { .. } => "warn",
        }
    }

    /// The hook that game scripts and Python scripts handle when it begins to count.
    pub fn hook(&self, entry: &Entry) -> (&'static str, Value) {
        let mut data = json!({
            "id": entry.steam,
            "name": entry.name,
            "issuer": entry.issuer.as_ref().map(|issuer| issuer.name.as_str()),
            "issuer_id": entry.issuer.as_ref().map(|issuer| issuer.steam),
        });
        if let Self::Ban { length_s, .. } = self {
            data["minutes"] = length_s.map(|length_s| length_s / 60).into();
        }
        if !matches!(self, Self::Unban) {
            data["reason"] = self.reason().into();
        }
        let name = match self {
            Self::Ban { .. } => "vyhub_ply_banned",
            Self::Unban => "vyhub_ply_unbanned",
            Self::Warning { .. } => "vyhub_ply_warned",
        };
        (name, data)
    }
}

impl Entry {
    /// A ban that keeps its player out at this moment of the backend's clock.
    pub fn bans(&self, now_s: i64) -> bool {
        let stands = matches!(self.change, Change::Ban { standing: true, .. });
        stands && self.state != State::Dead && self.until_s().is_none_or(|until_s| until_s > now_s)
    }

    /// When its ban ends; `None`: never, or it is none.
    pub fn until_s(&self) -> Option<i64> {
        match self.change {
            Change::Ban { length_s, .. } => {
                let created_s = self.created.as_second();
                length_s.map(|length_s| created_s.saturating_add_unsigned(length_s))
            }
            _ => None,
        }
    }

    /// Without an issuer, the backend may name nobody or the key's own user.
    fn is_by(&self, creator: Option<Uuid>) -> bool {
        let issuer = self.issuer.as_ref();
        issuer.is_none_or(|issuer| creator == Some(issuer.user))
    }
}

fn same_text(listed: Option<&String>, reason: &str) -> bool {
    listed.map_or("", |listed| listed.trim()) == reason.trim()
}

/// Whether one of these records may be what is looked for.
fn has_such(skipped: &[Option<Timestamp>], may_be: impl Fn(Timestamp) -> bool) -> bool {
    skipped.iter().any(|created| created.is_none_or(&may_be))
}

fn is_time_of_ban(entry: &Entry, created: Timestamp) -> bool {
    let mine_us = entry.created.as_microsecond();
    let apart_us = created.as_microsecond().abs_diff(mine_us);
    let whole = created.subsec_nanosecond() == 0 || mine_us % 1_000_000 == 0;
    apart_us < 1_000 || (whole && apart_us <= limits::SAME_TIME_S as u64 * 1_000_000)
}

fn is_time_of_warning(entry: &Entry, created: Timestamp) -> bool {
    created.as_second() + limits::SAME_TIME_S >= entry.sent_s.unwrap_or(i64::MAX)
}

/// The ban that this entry has made. The backend keeps the time that it is given, and no two entries
/// have the same; where it keeps whole seconds only, what others have made is not it.
fn find_ban(entry: &Entry, length_s: Option<u64>, reason: &str, bans: &Page<Ban>) -> Option<Uuid> {
    let mine_us = entry.created.as_microsecond();
    let apart_us = |ban: &Ban| ban.created.as_microsecond().abs_diff(mine_us);
    let is_it = |ban: &&Ban| {
        let length = ban.length_s.and_then(|length| u64::try_from(length).ok());
        is_time_of_ban(entry, ban.created)
            && length == length_s
            && same_text(ban.reason.as_ref(), reason)
            && entry.is_by(ban.creator)
            && !entry.others.contains(&ban.id)
    };
    let mine = bans.items.iter().filter(is_it);
    mine.min_by_key(|ban| apart_us(ban)).map(|ban| ban.id)
}

/// The warning that this entry has made: its time is the backend's own, so it is only known not to be
/// older than the first try.
fn find_warning(entry: &Entry, reason: &str, warnings: &Page<Warning>) -> Option<Uuid> {
    let is_it = |warning: &&Warning| {
        is_time_of_warning(entry, warning.created)
            && same_text(warning.reason.as_ref(), reason)
            && entry.is_by(warning.creator)
            && !entry.others.contains(&warning.id)
    };
    // The oldest: a later one with the same words is another entry's.
    let mine = warnings.items.iter().filter(is_it);
    mine.min_by_key(|warning| warning.created)
        .map(|warning| warning.id)
}
