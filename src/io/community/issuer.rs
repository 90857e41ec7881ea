//! Whether an issuer may do what they have ordered: judged in the transaction that carries it out, since an order may
//! have waited long, and its issuer may be no admin any more.

use super::groups::Groups;
use super::members::Memberships;
use super::row::{Row, steam_value};
use super::work::{Change, Trouble};
use crate::io::sql::own::{Own, OwnError};
use crate::protocol::backend::{Failure, FailureKind, Group, Lacking};
use crate::protocol::local_ids;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Who has ordered a change; by default the server itself, which may do everything.
#[derive(Default)]
pub(super) struct Issuer {
    pub steam: Option<SteamId>,
    /// As tables have it; empty for the server.
    pub name: String,
    standing: Standing,
}

/// What somebody is in the community.
#[derive(Default)]
struct Standing {
    admin: bool,
    groups: Vec<Group>,
}

/// What an order is judged by.
pub(super) struct Order {
    /// The property that it needs.
    pub right: &'static str,
    /// Against whom it is.
    pub target: Option<SteamId>,
    /// How long the ban is that it makes. `Some(None)`: for ever.
    pub length_s: Option<Option<u64>>,
    /// The group that it gives or takes.
    pub group: Option<Uuid>,
}

/// The issuer, where they may do it.
pub(super) fn judge(
    change: &mut Change<'_>,
    issuer: Option<Uuid>,
    order: &Order,
) -> Result<Result<Issuer, Trouble>, OwnError> {
    let Some(user) = issuer else {
        return Ok(Ok(Issuer::default()));
    };
    let forbidden = |why: String| {
        let kind = FailureKind::Forbidden(Lacking::Issuer);
        Ok(Err(Failure::replied(kind, &why).into()))
    };
    let Some(steam) = local_ids::steam(user) else {
        return forbidden(format!("the issuer {user} is no user of the community"));
    };
    let groups = Groups::read(change.own)?;
    let (name, standing) = standing(change.own, steam, change.now_us, &groups)?;
    let issuer = Issuer {
        steam: Some(steam),
        name,
        standing,
    };
    let who = match issuer.name.is_empty() {
        true => steam.to_string(),
        false => issuer.name.clone(),
    };
    if !issuer.standing.may(order.right) {
        return forbidden(format!(
            "{who} has no group with {} any more, and is no administrator",
            order.right
        ));
    }
    if let (Some(length_s), Some(longest_s)) = (order.length_s, issuer.standing.max_ban_s())
        && length_s.is_none_or(|length_s| length_s > longest_s)
    {
        return forbidden(format!("{who} may ban for {longest_s} s at most"));
    }
    let level = issuer.standing.level();
    if let Some(group) = order.group.and_then(|group| groups.get(group))
        && group.permission_level > level
    {
        return forbidden(format!("the group {} is above {who}", group.name));
    }
    if let Some(target) = order.target {
        let (name, target) = self::standing(change.own, target, change.now_us, &groups)?;
        if target.level() > level {
            return forbidden(format!("{name} is above {who}"));
        }
    }
    Ok(Ok(issuer))
}

/// The name of a player, and what they are.
fn standing(
    own: &mut Own,
    steam: SteamId,
    now_us: i64,
    groups: &Groups,
) -> Result<(String, Standing), OwnError> {
    let select = "SELECT name, admin FROM vpid_users WHERE steam = ?";
    let found = own.rows(select, &[steam_value(steam)])?.pop();
    let (name, admin) = match found {
        Some(row) => {
            let mut row = Row::new("vpid_users", row);
            (row.text()?, row.flag()?)
        }
        None => (String::new(), false),
    };
    let memberships = Memberships::read(own, &[steam])?;
    let active = memberships.iter().flat_map(|(_, all)| all.active(now_us));
    let groups = active.filter_map(|it| groups.get(it.group).cloned());
    let groups = groups.collect();
    Ok((name, Standing { admin, groups }))
}

/// The same rules as in `core::community::rights`, which decides before an order is accepted.
impl Standing {
    fn may(&self, right: &str) -> bool {
        let properties = self.groups.iter().flat_map(|group| &group.properties);
        let mut of_right = properties.filter(|it| it.name == right).peekable();
        self.admin || (of_right.peek().is_some() && of_right.all(|it| it.granted))
    }

    /// `None`: no bound.
    fn max_ban_s(&self) -> Option<u64> {
        let grants = |group: &&Group| {
            let mut properties = group.properties.iter();
            properties.any(|it| it.name == crate::protocol::backend::BAN_EDIT && it.granted)
        };
        let bounds = self.groups.iter().filter(grants).map(|it| it.max_ban_s);
        let bounds: Option<Vec<i64>> = bounds.collect();
        let longest_s = bounds.filter(|_| !self.admin)?.into_iter().max()?;
        Some(u64::try_from(longest_s).unwrap_or(0))
    }

    fn level(&self) -> i64 {
        if self.admin {
            return i64::MAX;
        }
        let levels = self.groups.iter().map(|group| group.permission_level);
        levels.max().unwrap_or(i64::MIN)
    }
}
