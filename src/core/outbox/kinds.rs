//! The kinds of changes, each with all that depends on it: how it is stored, sent, looked for in the
//! backend, and reported.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::entry::{Change, Entry, Playtime, State, Total, Whom};
use crate::limits;
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::{
    Addition, Ban, Listing, Membership, NewAddressBan, NewBan, NewMembership, NewWarning, PLAYTIME,
    Page, Reply, Request, Warning,
};
use crate::protocol::uuid::Uuid;

/// Changes of one player, or of the same addresses, are sent in their order where one of them could undo another.
/// What is of another series does not wait for them. The most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    Bans,
    Warnings,
    Groups,
    Playtime,
    /// Each report is a series of its own.
    Reports,
}

impl Series {
    pub const COUNT: usize = Self::Reports as usize + 1;

    pub const ALL: [Self; Self::COUNT] = [
        Self::Bans,
        Self::Warnings,
        Self::Groups,
        Self::Playtime,
        Self::Reports,
    ];

    /// As operators see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bans => "bans",
            Self::Warnings => "warnings",
            Self::Groups => "groups",
            Self::Playtime => "playtime",
            Self::Reports => "reports",
        }
    }

    /// What is not never takes all places.
    pub fn is_urgent(self) -> bool {
        match self {
            Self::Bans | Self::Warnings | Self::Groups => true,
            Self::Playtime | Self::Reports => false,
        }
    }
}

/// What the backend lists of a whole bundle, in which changes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Of players; each fetch of it also shows that all else is over.
    Bans,
    Addresses,
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
    /// It was added to a total, which has no id.
    Added,
    /// The total is neither what it was nor that with the addition.
    Neither,
}

impl Change {
    /// As it stands in the file, and in sentences.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ban { .. } => "ban",
            Self::Unban => "unban",
            Self::AddressBan { .. } => "address ban",
            Self::AddressUnban => "address unban",
            Self::Warning { .. } => "warning",
            Self::Membership { .. } => "membership",
            Self::MembershipEnd { .. } => "membership end",
            Self::Playtime(_) => "playtime",
            Self::Reward { .. } => "reward",
        }
    }

    pub fn series(&self) -> Series {
        match self {
            Self::Ban { .. } | Self::Unban | Self::AddressBan { .. } | Self::AddressUnban => {
                Series::Bans
            }
            Self::Warning { .. } => Series::Warnings,
            Self::Membership { .. } | Self::MembershipEnd { .. } => Series::Groups,
            Self::Playtime(_) => Series::Playtime,
            Self::Reward { .. } => Series::Reports,
        }
    }

    /// The kind of the request that carries it out.
    pub fn request_kind(&self) -> &'static str {
        match self {
            Self::Ban { .. } => Request::CREATE_BAN,
            Self::Unban => Request::END_BANS,
            Self::AddressBan { .. } => Request::CREATE_ADDRESS_BAN,
            Self::AddressUnban => Request::END_ADDRESS_BANS,
            Self::Warning { .. } => Request::CREATE_WARNING,
            Self::Membership { .. } => Request::CREATE_MEMBERSHIP,
            Self::MembershipEnd { .. } => Request::END_MEMBERSHIPS,
            Self::Playtime(_) => Request::ADD_TO_ATTRIBUTE,
            Self::Reward { .. } => Request::REPORT_REWARD,
        }
    }

    /// The list of the backend's that shows that it has this change.
    pub fn list(&self) -> List {
        match self.is_about_addresses() {
            true => List::Addresses,
            false => List::Bans,
        }
    }

    /// Whether it lifts all bans before it.
    pub fn is_unban(&self) -> bool {
        matches!(self, Self::Unban | Self::AddressUnban)
    }

    /// A ban that was not lifted before it was sent.
    pub fn is_standing_ban(&self) -> bool {
        matches!(
            self,
            Self::Ban { standing: true, .. } | Self::AddressBan { standing: true, .. }
        )
    }

    /// Whether a ban was not lifted before it was sent.
    pub fn set_standing(&mut self, stands: bool) {
        if let Self::Ban { standing, .. } | Self::AddressBan { standing, .. } = self {
            *standing = stands;
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Ban { reason, .. }
            | Self::AddressBan { reason, .. }
            | Self::Warning { reason } => reason,
            _ => "",
        }
    }

    /// The name of the group that it is about; empty: of all, or it is about none.
    pub fn group(&self) -> &str {
        match self {
            Self::Membership { group_name, .. } | Self::MembershipEnd { group_name, .. } => {
                group_name
            }
            _ => "",
        }
    }

    /// How long what it makes lasts, in seconds, where it may have an end. `None`: without one.
    pub fn length_s(&self) -> Option<Option<u64>> {
        match self {
            Self::Ban { length_s, .. }
            | Self::AddressBan { length_s, .. }
            | Self::Membership { length_s, .. } => Some(*length_s),
            _ => None,
        }
    }

    pub fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Ban { reason, .. }
            | Self::AddressBan { reason, .. }
            | Self::Warning { reason } => Some(reason),
            _ => None,
        }
    }

    /// It has been done already, and the backend is only to know.
    pub fn is_report(&self) -> bool {
        self.series() == Series::Reports
    }

    /// What carries it out, for a player who is this user. `None`: it is not about what its kind is about,
    /// which [`Entry::parse`] accepts from no file.
    pub fn request(&self, entry: &Entry, user: Uuid) -> Option<Request> {
        match entry.whom {
            Whom::Player { .. } => self.request_of_player(entry, user),
            Whom::Addresses { range } => self.request_of_addresses(entry, range),
        }
    }

    fn request_of_addresses(&self, entry: &Entry, range: AddressRange) -> Option<Request> {
        let (bundle, issuer) = (entry.bundle, entry.issuer.as_ref().map(|it| it.user));
        Some(match self {
            Self::AddressBan {
                length_s,
                reason,
                standing,
            } => {
                let ban = NewAddressBan {
                    change: entry.id,
                    range,
                    bundle,
                    length_s: *length_s,
                    reason: reason.clone(),
                    created: entry.created,
                    standing: *standing,
                };
                Request::CreateAddressBan { ban, issuer }
            }
            // It may have waited for long: what came later stays.
            Self::AddressUnban => Request::EndAddressBans {
                range,
                until: entry.ordered_until(),
                bundle,
                issuer,
            },
            _ => return None,
        })
    }

    fn request_of_player(&self, entry: &Entry, user: Uuid) -> Option<Request> {
        let (bundle, issuer) = (entry.bundle, entry.issuer.as_ref().map(|it| it.user));
        Some(match self {
            Self::AddressBan { .. } | Self::AddressUnban => return None,
            Self::Ban {
                length_s,
                reason,
                standing,
            } => {
                let ban = NewBan {
                    change: entry.id,
                    user,
                    name: entry.player_name(),
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
                    change: entry.id,
                    user,
                    name: entry.player_name(),
                    bundle,
                    reason: reason.clone(),
                };
                Request::CreateWarning { warning, issuer }
            }
            Self::Membership {
                group, length_s, ..
            } => {
                let membership = entry.membership(user, *group, *length_s);
                Request::CreateMembership { membership, issuer }
            }
            Self::MembershipEnd { group: None, .. } => Request::EndMemberships {
                user,
                bundle,
                issuer,
            },
            Self::MembershipEnd {
                group: Some(group), ..
            } => Request::EndMembershipsOfGroup {
                user,
                bundle,
                group: *group,
                issuer,
            },
            Self::Playtime(playtime) => Request::AddToAttribute(Addition {
                change: entry.id,
                attribute: playtime.attribute,
                user,
                bundle,
                value: playtime.hours(),
                date: playtime.date,
            }),
            Self::Reward { reward } => Request::ReportReward {
                reward: *reward,
                server: entry.server,
                steam: entry.whom.steam()?,
            },
        })
    }

    /// It came from a counter that must know of it on disk before it counts.
    pub fn waits_for_counter(&self) -> bool {
        matches!(self, Self::Playtime(_))
    }

    /// Reads what must be known before it is sent, where anything must.
    pub fn request_before(&self, user: Uuid, bundle: Uuid) -> Option<Request> {
        match self {
            Self::Playtime(_) => Some(Request::AttributesOfUser { user, bundle }),
            _ => None,
        }
    }

    /// Keeps that. Gives whether it is what was requested.
    pub fn keep_before(&mut self, user: Uuid, reply: &Reply) -> bool {
        let (Self::Playtime(playtime), Reply::Attributes(all)) = (self, reply) else {
            return false;
        };
        playtime.before = Some(Total::of(user, all));
        true
    }

    /// Whether it can only have been carried out for another user than this: one who was deleted since.
    pub fn is_of_another(&self, user: Uuid) -> bool {
        let Self::Playtime(playtime) = self else {
            return false;
        };
        playtime.before.as_ref().is_none_or(|it| it.user != user)
    }

    /// Lists what it may have made. `None`: to carry it out twice does no harm; a ban of addresses is only made by
    /// backends that know a repetition by the id of the change.
    pub fn list_request(&self, user: Uuid, bundle: Uuid, page: u64) -> Option<Request> {
        match self {
            Self::Ban { .. } => Some(Request::BansOfUser { user, bundle, page }),
            Self::Warning { .. } => Some(Request::WarningsOfUser { user, bundle, page }),
            Self::Membership { .. } => Some(Request::ListMemberships { user, bundle }),
            Self::Playtime(_) => self.request_before(user, bundle),
            Self::Unban
            | Self::AddressBan { .. }
            | Self::AddressUnban
            | Self::MembershipEnd { .. }
            | Self::Reward { .. } => None,
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
                let may_be = |created: Timestamp| is_own_time(entry, created);
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
            (Self::Membership { group, .. }, Reply::Memberships(memberships)) => (
                find_membership(entry, *group, memberships),
                false,
                memberships.skipped > 0,
            ),
            (Self::Playtime(playtime), Reply::Attributes(all)) => {
                return playtime.compare(all);
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

    /// Whether such a reply shows that it was added.
    pub fn was_added(&self, entry: &Entry, reply: &Reply) -> bool {
        self.compare(entry, (reply, 1), false) == Some(Comparison::Added)
    }

    /// It ends what a player has, and makes nothing.
    pub fn ends(&self) -> bool {
        matches!(self, Self::Unban | Self::MembershipEnd { .. })
    }

    /// Lists what may have to end. `None`: it ends nothing.
    pub fn list_to_end(&self, user: Uuid, bundle: Uuid, page: u64) -> Option<Request> {
        match self {
            Self::Unban => Some(Request::BansOfUser { user, bundle, page }),
            Self::MembershipEnd { .. } => Some(Request::ListMemberships { user, bundle }),
            _ => None,
        }
    }

    /// Ends one of those.
    pub fn end_request(&self, entry: &Entry, id: Uuid) -> Request {
        let issuer = entry.issuer.as_ref().map(|it| it.user);
        match self {
            Self::Unban => Request::EndBan { ban: id, issuer },
            _ => Request::EndMembership {
                membership: id,
                issuer,
            },
        }
    }

    /// How the names of the messages to its issuer begin.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Ban { .. } => "ban",
            Self::Unban => "unban",
            Self::AddressBan { .. } => "banip",
            Self::AddressUnban => "unbanip",
            Self::Warning { .. } => "warn",
            Self::Membership { .. } => "setgroup",
            Self::MembershipEnd { .. } => "removegroup",
            Self::Playtime(_) => "playtime",
            Self::Reward { .. } => "reward",
        }
    }

    /// The key of the hooks' data that game scripts do not get: those of a map come from others, and need no
    /// addresses.
    pub const HOOK_ADDRESS: &str = "address";

    /// The hook that game scripts and Python scripts handle when it begins to count, where there is one.
    pub fn hook(&self, entry: &Entry) -> Option<(&'static str, Value)> {
        let (key, whom) = match entry.whom {
            Whom::Player { steam } => ("id", json!(steam)),
            Whom::Addresses { range } => (Self::HOOK_ADDRESS, json!(range)),
        };
        let mut data = json!({
            key: whom,
            "name": entry.name,
            "issuer": entry.issuer.as_ref().map(|issuer| issuer.name.as_str()),
            "issuer_id": entry.issuer.as_ref().map(|issuer| issuer.steam),
        });
        if let Some(length_s) = self.length_s() {
            data["minutes"] = length_s.map_or(Value::Null, minutes);
        }
        match self {
            Self::Unban | Self::AddressUnban | Self::Playtime(_) | Self::Reward { .. } => {}
            Self::Ban { reason, .. }
            | Self::AddressBan { reason, .. }
            | Self::Warning { reason } => {
                data["reason"] = reason.as_str().into();
            }
            Self::Membership { .. } => data["group"] = self.group().into(),
            Self::MembershipEnd { group, .. } => {
                data["group"] = Value::Null;
                data["left"] = group.map(|_| self.group()).into();
            }
        }
        let name = match self {
            Self::Ban { .. } => "vyhub_ply_banned",
            Self::Unban => "vyhub_ply_unbanned",
            Self::AddressBan { .. } => "vyhub_address_banned",
            Self::AddressUnban => "vyhub_address_unbanned",
            Self::Warning { .. } => "vyhub_ply_warned",
            Self::Membership { .. } | Self::MembershipEnd { .. } => "vyhub_ply_group_changed",
            // That of a reward came when it was executed.
            Self::Playtime(_) | Self::Reward { .. } => return None,
        };
        Some((name, data))
    }
}

/// What a player has that a change ends, by the lists of the backend.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// What stands, and did when it was ordered.
    pub ids: BTreeSet<Uuid>,
    /// Something of the kind stands that came later.
    pub later: bool,
    /// Something cannot be read.
    pub unsure: bool,
}

impl Ends {
    /// What cannot be read ends with all the rest: nothing came later.
    pub fn are_all(&self) -> bool {
        self.unsure && !self.later
    }

    /// Adds what a page of such a list has. `made`: what changes before this one have made, whatever their times
    /// say. Gives whether there is another page; `None`: it is no such list.
    pub fn add(
        &mut self,
        entry: &Entry,
        (reply, page): (&Reply, u64),
        made: &[Uuid],
        now_s: i64,
    ) -> Option<bool> {
        let until = entry.ordered_until();
        let mut see = |id: Uuid, begin: Timestamp| {
            match begin <= until || made.contains(&id) {
                true => drop(self.ids.insert(id)),
                false => self.later = true,
            };
        };
        let stands = |end: Option<Timestamp>| end.is_none_or(|end| end.as_second() > now_s);
        match (&entry.change, reply) {
            (Change::Unban, Reply::Bans(bans)) => {
                let here = bans
                    .items
                    .iter()
                    .filter(|it| it.bundle == Some(entry.bundle));
                let standing = here.filter(|it| it.active != Some(false) && stands(it.ends));
                standing.for_each(|it| see(it.id, it.created));
                let more = bans.has_next(page);
                let is_last = page >= limits::VYHUB_PAGES_MAX;
                self.unsure |= !bans.skipped.is_empty() || (more && is_last);
                Some(more && !is_last)
            }
            (Change::MembershipEnd { group, .. }, Reply::Memberships(memberships)) => {
                let is_meant = |it: &&Membership| {
                    it.bundle == entry.bundle && group.is_none_or(|group| it.group == group)
                };
                let meant = memberships.items.iter().filter(is_meant);
                let standing = meant.filter(|it| it.active != Some(false) && stands(it.end));
                standing.for_each(|it| see(it.id, it.begin));
                self.unsure |= memberships.skipped > 0;
                Some(false)
            }
            _ => None,
        }
    }
}

impl Playtime {
    /// As a decimal number, which is exactly the time.
    pub fn hours(&self) -> String {
        let millionths =
            self.ms / limits::PLAYTIME_QUANTUM_MS * limits::PLAYTIME_QUANTUM_MILLIONTHS;
        format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
    }

    /// Whether a total that was read after it was sent has it. The backend may have rounded. `None`: it was
    /// not sent.
    fn compare(&self, all: &BTreeMap<String, String>) -> Option<Comparison> {
        let number = |hours: &Option<String>| match hours {
            Some(text) => text.trim().parse().ok().filter(|it: &f64| it.is_finite()),
            None => Some(0.0),
        };
        let before = number(&self.before.as_ref()?.hours);
        let (Some(before), Some(now)) = (before, number(&all.get(PLAYTIME).cloned())) else {
            return Some(Comparison::Neither);
        };
        let added = self.ms as f64 / 3_600_000.0;
        let near = (added / 3.0).min(limits::PLAYTIME_ROUNDED_HOURS);
        Some(match now - before {
            more if (more - added).abs() <= near => Comparison::Added,
            more if more.abs() <= near => Comparison::Absent,
            _ => Comparison::Neither,
        })
    }
}

impl Total {
    fn of(user: Uuid, all: &BTreeMap<String, String>) -> Self {
        let hours = all.get(PLAYTIME).cloned();
        Self { user, hours }
    }
}

impl Entry {
    /// The latest that it may have been ordered, by the backend's clock, to the end of that second.
    fn ordered_until(&self) -> Timestamp {
        let latest_s = self.latest_s.unwrap_or(self.created.as_second());
        Timestamp::new(latest_s, 999_999_999).unwrap_or(self.created)
    }

    /// A ban that keeps its player out at this moment of the backend's clock.
    pub fn bans(&self, now_s: i64) -> bool {
        self.change.is_standing_ban()
            && self.state != State::Dead
            && self.until_s().is_none_or(|until_s| until_s > now_s)
    }

    /// When its ban ends; `None`: never, or it is none.
    pub fn until_s(&self) -> Option<i64> {
        match self.change {
            Change::Ban { length_s, .. } | Change::AddressBan { length_s, .. } => {
                let created_s = self.created.as_second();
                length_s.map(|length_s| created_s.saturating_add_unsigned(length_s))
            }
            _ => None,
        }
    }

    /// `length_s`: `None`: without an end.
    fn membership(&self, user: Uuid, group: Uuid, length_s: Option<u64>) -> NewMembership {
        let end = |length_s| {
            let length = SignedDuration::try_from_secs_f64(length_s as f64).ok()?;
            self.created.checked_add(length).ok()
        };
        NewMembership {
            change: self.id,
            user,
            bundle: self.bundle,
            group,
            begin: self.created.checked_sub(EARLY).unwrap_or(self.created),
            end: length_s.and_then(end),
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

fn is_own_time(entry: &Entry, created: Timestamp) -> bool {
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
        is_own_time(entry, ban.created)
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

/// So much before the order a membership begins: else it might not have begun yet by the backend's clock, and the
/// player's groups would not have it when they are fetched.
const EARLY: SignedDuration = SignedDuration::from_secs(limits::MEMBERSHIP_EARLY_S);

/// Seconds as minutes, with a fraction where they are not whole.
fn minutes(seconds: u64) -> Value {
    match seconds % 60 {
        0 => (seconds / 60).into(),
        _ => (seconds as f64 / 60.0).into(),
    }
}

/// The membership that this entry has made: it begins when the entry was ordered.
fn find_membership(entry: &Entry, group: Uuid, memberships: &Listing<Membership>) -> Option<Uuid> {
    let is_it = |membership: &&Membership| {
        (membership.group, membership.bundle) == (group, entry.bundle)
            && membership
                .begin
                .checked_add(EARLY)
                .is_ok_and(|ordered| is_own_time(entry, ordered))
            && !entry.others.contains(&membership.id)
    };
    memberships.items.iter().find(is_it).map(|mine| mine.id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn minutes_of_a_hook_have_fractions() {
        let seconds = [24, 90, 5_400, 1];
        let all = seconds.map(minutes);
        assert_eq!(all, [json!(0.4), json!(1.5), json!(90), json!(1.0 / 60.0)]);
    }
}
