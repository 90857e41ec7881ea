//! What changes who is in which group.

use super::changes::Topic;
use super::issuer::{Order, judge};
use super::members::{COLUMNS, Memberships, OneMembership};
use super::people::{ensure, steam_of};
use super::row::{id_value, steam_value, time_value};
use super::work::{Answer, Change, Work, unknown};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::protocol::backend::{
    Failure, Listing, Membership, NewMembership, Reply, Request, USER_EDIT,
};
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use jiff::Timestamp;

pub(super) fn answer(work: &mut Work, request: &Request) -> Answer {
    match request {
        Request::CreateMembership { membership, issuer } => create(work, membership, *issuer),
        Request::EndMembership { membership, issuer } => end_one(work, *membership, *issuer),
        Request::EndMemberships { user, issuer, .. } => end(work, *user, None, *issuer),
        Request::EndMembershipsOfGroup {
            user,
            group,
            issuer,
            ..
        } => end(work, *user, Some(*group), *issuer),
        Request::ListMemberships { user, .. } => list(work, *user),
        _ => Err(unknown("this is not about memberships")),
    }
}

/// Of a player, as the table has them now.
fn list(work: &mut Work, user: Uuid) -> Answer {
    let steam = steam_of(user)?;
    let now_us = work.read_now_us()?;
    let read = Memberships::read(work.own()?, &[steam])?;
    let all = read.iter().flat_map(|(_, of)| of.all());
    Ok(Reply::Memberships(Listing {
        items: all.map(|it| it.listed(now_us)).collect(),
        skipped: 0,
    }))
}

fn by_id(own: &mut Own, id: Uuid) -> Result<Option<OneMembership>, OwnError> {
    let select = format!("SELECT {COLUMNS} FROM vpid_members WHERE id = ?");
    let row = own.rows(&select, &[id_value(id)])?.pop();
    row.map(OneMembership::read).transpose()
}

fn create(work: &mut Work, new: &NewMembership, issuer: Option<Uuid>) -> Answer {
    let steam = steam_of(new.user)?;
    let id = local_ids::made("membership", work.shared.instance, new.change);
    let order = Order {
        right: USER_EDIT,
        target: Some(steam),
        length_s: None,
        group: Some(new.group),
    };
    work.change(|change| {
        if let Some(done) = done_before(change, id, new)? {
            return Ok(Ok(Reply::Membership(done)));
        }
        let issuer = match judge(change, issuer, &order)? {
            Ok(issuer) => issuer,
            Err(refused) => return Ok(Err(refused)),
        };
        let select = "SELECT id FROM vpid_groups WHERE id = ?";
        if change.own.rows(select, &[id_value(new.group)])?.is_empty() {
            let why = format!("the community has no group {} any more", new.group);
            return Ok(Err(Failure::invalid(&why).into()));
        }
        let changed = change.count(Topic::Members)?;
        ensure(change, steam)?;
        if let Some(kept) = prolong(change, (id, new), steam, changed)? {
            return Ok(Ok(Reply::Membership(kept)));
        }
        let values: [Value; 7] = [
            id_value(id),
            steam_value(steam),
            id_value(new.group),
            time_value(new.begin),
            new.end.map(Timestamp::as_microsecond).into(),
            issuer.steam.map(steam_value).into(),
            changed.into(),
        ];
        let into = "vpid_members (id, steam, group_id, begin_us, end_us, issuer, changed) VALUES (?, ?, ?, ?, ?, ?, ?)";
        change.own.insert_new(into, &values)?;
        let made = by_id(change.own, id)?.ok_or(OwnError::Odd("vpid_members"))?;
        Ok(Ok(Reply::Membership(made.listed(change.now_us))))
    })
}

/// What a change has made that was sent before, and whose reply was lost.
fn done_before(
    change: &mut Change<'_>,
    id: Uuid,
    new: &NewMembership,
) -> Result<Option<Membership>, OwnError> {
    if let Some(membership) = by_id(change.own, id)? {
        return Ok(Some(membership.listed(change.now_us)));
    }
    let select = "SELECT 1 FROM vpid_done WHERE id = ?";
    let is_done = !change.own.rows(select, &[id_value(id)])?.is_empty();
    // One that was there got the new end, and may have got another one since.
    Ok(is_done.then_some(Membership {
        id,
        user: new.user,
        group: new.group,
        bundle: BUNDLE,
        begin: new.begin,
        end: new.end,
        active: None,
    }))
}

/// A player who is in the group already keeps the membership, with the new end; `vpid community member add` does the
/// same. It begins when that was ordered: what was ordered before, and comes later, neither shortens nor ends it. One
/// that began after this was ordered stays as it is, beside the new one.
fn prolong(
    change: &mut Change<'_>,
    (id, new): (Uuid, &NewMembership),
    steam: SteamId,
    changed: i64,
) -> Result<Option<Membership>, OwnError> {
    let stands = "steam = ? AND group_id = ? AND begin_us <= ? AND (end_us IS NULL OR end_us > ?)";
    // Orders have full seconds.
    let ordered_us = new.begin.as_microsecond() + 999_999;
    let of = [
        steam_value(steam),
        id_value(new.group),
        ordered_us.into(),
        change.now_us.into(),
    ];
    let select =
        format!("SELECT {COLUMNS} FROM vpid_members WHERE {stands} ORDER BY begin_us, id LIMIT 1");
    let Some(row) = change.own.rows(&select, &of)?.pop() else {
        return Ok(None);
    };
    let mut kept = OneMembership::read(row)?;
    let done = [id_value(id), change.now_us.into()];
    let into = "vpid_done (id, at_us) VALUES (?, ?)";
    change.own.insert_new(into, &done)?;
    let end_us = new.end.map(Timestamp::as_microsecond).into();
    let begin = kept.begin.max(new.begin);
    let mut values = vec![time_value(begin), end_us, changed.into()];
    values.extend(of);
    let update =
        format!("UPDATE vpid_members SET begin_us = ?, end_us = ?, changed = ? WHERE {stands}");
    change.own.run(&update, &values)?;
    (kept.begin, kept.end) = (begin, new.end);
    Ok(Some(kept.listed(change.now_us)))
}

/// Ends one; that it has ended already is as good.
fn end_one(work: &mut Work, membership: Uuid, issuer: Option<Uuid>) -> Answer {
    work.change(|change| {
        let Some(found) = by_id(change.own, membership)? else {
            let why = format!("the community has no membership {membership}");
            return Ok(Err(unknown(&why)));
        };
        let order = order(found.steam, Some(found.group));
        if let Err(refused) = judge(change, issuer, &order)? {
            return Ok(Err(refused));
        }
        let which = ("id = ?", vec![id_value(membership)]);
        end_where(change, which)?;
        Ok(Ok(Reply::Nothing))
    })
}

/// Ends a player's, of one group or of all.
fn end(work: &mut Work, user: Uuid, group: Option<Uuid>, issuer: Option<Uuid>) -> Answer {
    let steam = steam_of(user)?;
    let order = order(steam, group);
    work.change(|change| {
        if let Err(refused) = judge(change, issuer, &order)? {
            return Ok(Err(refused));
        }
        let of_player = steam_value(steam);
        let which = match group {
            Some(group) => (
                "steam = ? AND group_id = ?",
                vec![of_player, id_value(group)],
            ),
            None => ("steam = ?", vec![of_player]),
        };
        end_where(change, which)?;
        Ok(Ok(Reply::Nothing))
    })
}

fn order(steam: SteamId, group: Option<Uuid>) -> Order {
    Order {
        right: USER_EDIT,
        target: Some(steam),
        length_s: None,
        group,
    }
}

fn end_where(change: &mut Change<'_>, (which, values): (&str, Vec<Value>)) -> Result<(), OwnError> {
    let changed = change.count(Topic::Members)?;
    let sql = format!(
        "UPDATE vpid_members SET end_us = ?, changed = ? WHERE {which} AND (end_us IS NULL OR end_us > ?)"
    );
    let now = Value::from(change.now_us);
    let mut all = vec![now.clone(), changed.into()];
    all.extend(values);
    all.push(now);
    change.own.run(&sql, &all)?;
    Ok(())
}
