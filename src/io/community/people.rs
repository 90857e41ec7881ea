//! Users, their groups, and who is on a server.

use std::collections::HashMap;

use super::changes::Topic;
use super::groups::Groups;
use super::known::About;
use super::members::Memberships;
use super::row::{Row, bounded, places, steam_value};
use super::work::{Answer, Change, Work, unknown};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{LOCAL_VALUES_MAX, VYHUB_NAME_CHARS_MAX};
use crate::protocol::backend::{Activity, Listing, Reply, User};
use crate::protocol::local_ids;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use std::sync::Arc;

/// Whose id this is.
pub(super) fn steam_of(user: Uuid) -> Answer<SteamId> {
    let no_user = || unknown(&format!("{user} is no user of the community"));
    local_ids::steam(user).ok_or_else(no_user)
}

pub(super) fn find(work: &mut Work, steam: SteamId) -> Answer {
    work.shared.saw_players();
    match user(work.own()?, steam)? {
        Some(user) => Ok(Reply::User(user)),
        None => Err(unknown(&format!("the community has no user {steam}"))),
    }
}

pub(super) fn create(work: &mut Work, steam: SteamId) -> Answer {
    work.change(|change| {
        ensure(change, steam)?;
        let user = user(change.own, steam)?.ok_or(OwnError::Odd("vpid_users"))?;
        Ok(Ok(Reply::User(user)))
    })
}

/// Makes a user where there is none.
pub(super) fn ensure(change: &mut Change<'_>, steam: SteamId) -> Result<(), OwnError> {
    let values = [steam_value(steam), change.now_us.into()];
    change
        .own
        .insert_new("vpid_users (steam, created_us) VALUES (?, ?)", &values)?;
    Ok(())
}

/// The same, and what they are called where that is not known yet: who is banned soon after they came is gone before
/// a report of the server names them.
pub(super) fn ensure_named(
    change: &mut Change<'_>,
    steam: SteamId,
    name: Option<&str>,
) -> Result<(), OwnError> {
    ensure(change, steam)?;
    if let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) {
        let name = bounded(name, VYHUB_NAME_CHARS_MAX);
        let sql = "UPDATE vpid_users SET name = ? WHERE steam = ? AND name = ''";
        change.own.run(sql, &[name.into(), steam_value(steam)])?;
    }
    Ok(())
}

fn user(own: &mut Own, steam: SteamId) -> Result<Option<User>, OwnError> {
    let select = "SELECT name, admin FROM vpid_users WHERE steam = ?";
    let Some(row) = own.rows(select, &[steam_value(steam)])?.pop() else {
        return Ok(None);
    };
    let mut row = Row::new("vpid_users", row);
    let name = row.text()?;
    Ok(Some(User {
        id: local_ids::user(steam),
        steam,
        username: (!name.is_empty()).then_some(name),
        admin: row.flag()?,
    }))
}

pub(super) fn all_groups(work: &mut Work) -> Answer {
    let groups = known_groups(work)?;
    Ok(Reply::Groups(Listing {
        items: groups.all().to_vec(),
        skipped: 0,
    }))
}

pub(super) fn known_groups(work: &mut Work) -> Result<Arc<Groups>, OwnError> {
    work.kept(Topic::Groups, |known| &mut known.groups, Groups::read)
}

/// The groups that a user has now.
pub(super) fn groups(work: &mut Work, user: Uuid) -> Answer {
    let steam = steam_of(user)?;
    let groups = known_groups(work)?;
    let memberships = memberships(work, &[steam])?;
    let now_us = work.now_us()?;
    let of_user = memberships.get(&steam);
    let active = of_user.into_iter().flat_map(|all| all.active(now_us));
    let mut items: Vec<_> = active
        .filter_map(|it| groups.get(it.group).cloned())
        .collect();
    items.sort_by_key(|group| (std::cmp::Reverse(group.permission_level), group.id));
    items.dedup_by_key(|group| group.id);
    Ok(Reply::Groups(Listing { items, skipped: 0 }))
}

/// The memberships of players, from memory as far as none have changed.
pub(super) fn memberships(
    work: &mut Work,
    players: &[SteamId],
) -> Result<HashMap<SteamId, Arc<Memberships>>, OwnError> {
    let counter = work.counters()?.of(Topic::Members);
    let mut all = HashMap::new();
    let mut unread = Vec::new();
    let mut known = work.known();
    for steam in players {
        match known.person(*steam).memberships.at(counter) {
            Some(kept) => drop(all.insert(*steam, kept)),
            None => unread.push(*steam),
        }
    }
    drop(known);
    if unread.is_empty() {
        return Ok(all);
    }
    let read = Memberships::read(work.own()?, &unread)?;
    let mut known = work.known();
    for (steam, memberships) in read {
        let memberships = Arc::new(memberships);
        let kept = &mut known.person(steam).memberships;
        kept.keep(counter, Arc::clone(&memberships));
        all.insert(steam, memberships);
    }
    drop(known);
    Ok(all)
}

/// Who is on a server, as its state was reported last.
pub(super) fn activity(work: &mut Work, server: Uuid) -> Answer {
    let players = work.known().on.get(&server).cloned().unwrap_or_default();
    let mut memberships = memberships(work, &players)?;
    let mut about = about(work, &players)?;
    let now_us = work.now_us()?;
    let items = players.into_iter().map(|steam| {
        let of_player = memberships.remove(&steam).unwrap_or_default();
        let about = about.remove(&steam);
        let listed = of_player.all().iter().map(|it| it.listed(now_us));
        Activity {
            user: local_ids::user(steam),
            steam,
            username: about
                .as_ref()
                .map(|it| it.name.clone())
                .filter(|name| !name.is_empty()),
            memberships: listed.collect(),
            warnings: about.as_ref().map_or(0, |it| it.warnings),
            bans: about.as_ref().map_or(0, |it| it.bans),
        }
    });
    Ok(Reply::Activity(Listing {
        items: items.collect(),
        skipped: 0,
    }))
}

/// Names, and how many warnings and bans count, from memory as far as none have changed.
fn about(work: &mut Work, players: &[SteamId]) -> Result<HashMap<SteamId, About>, OwnError> {
    let counters = work.counters()?;
    let at = [Topic::Bans, Topic::Warnings, Topic::Members].map(|topic| counters.of(topic));
    let mut all = HashMap::new();
    let mut unread = Vec::new();
    let mut known = work.known();
    for steam in players {
        match &known.person(*steam).about {
            Some((kept_at, about)) if *kept_at == at => drop(all.insert(*steam, about.clone())),
            _ => unread.push(*steam),
        }
    }
    drop(known);
    for some in unread.chunks(LOCAL_VALUES_MAX) {
        let now_us = work.now_us()?;
        let read = read_about(work.own()?, some, now_us)?;
        let mut known = work.known();
        for (steam, about) in read {
            known.person(steam).about = Some((at, about.clone()));
            all.insert(steam, about);
        }
    }
    Ok(all)
}

fn read_about(
    own: &mut Own,
    players: &[SteamId],
    now_us: i64,
) -> Result<HashMap<SteamId, About>, OwnError> {
    let values: Vec<Value> = players.iter().map(|it| steam_value(*it)).collect();
    let places = places(players.len());
    let mut all = HashMap::new();
    let select = format!("SELECT steam, name FROM vpid_users WHERE steam IN ({places})");
    for row in own.rows(&select, &values)? {
        let mut row = Row::new("vpid_users", row);
        let (steam, name) = (row.steam()?, row.text()?);
        let (warnings, bans) = (0, 0);
        all.insert(
            steam,
            About {
                name,
                warnings,
                bans,
            },
        );
    }
    let counted = |own: &mut Own, select: String, values: &[Value]| {
        let rows = own.rows(&select, values)?.into_iter().map(|row| {
            let mut row = Row::new("vpid_warnings", row);
            let (steam, count) = (row.steam()?, row.number()?);
            Ok((steam, usize::try_from(count).unwrap_or(0)))
        });
        rows.collect::<Result<Vec<_>, OwnError>>()
    };
    let select = format!(
        "SELECT steam, COUNT(*) FROM vpid_warnings WHERE steam IN ({places}) AND withdrawn_us IS NULL GROUP BY steam"
    );
    for (steam, count) in counted(own, select, &values)? {
        if let Some(about) = all.get_mut(&steam) {
            about.warnings = count;
        }
    }
    let select = format!(
        "SELECT steam, COUNT(*) FROM vpid_bans WHERE steam IN ({places}) AND lifted_us IS NULL \
         AND (ends_us IS NULL OR ends_us > ?) GROUP BY steam"
    );
    let mut values = values;
    values.push(now_us.into());
    for (steam, count) in counted(own, select, &values)? {
        if let Some(about) = all.get_mut(&steam) {
            about.bans = count;
        }
    }
    Ok(all)
}
