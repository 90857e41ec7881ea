//! How long players were on: a row for each player and day, to which each change is added once.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::people::steam_of;
use super::row::{Row, id_value, places, steam_value, sum_of_ms};
use super::work::{Answer, Change, Work, unknown};
use crate::io::sql::own::{OwnError, Value};
use crate::limits::{
    LOCAL_DONE_KEPT_S, LOCAL_DONE_PRUNE_MS, LOCAL_DONE_PRUNED_MAX, LOCAL_VALUES_MAX,
    PLAYTIME_QUANTUM_MILLIONTHS, PLAYTIME_QUANTUM_MS,
};
use crate::protocol::backend::{Addition, Attribute, Failure, PLAYTIME, Reply};
use crate::protocol::local_ids;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// It is there without being made.
pub(super) fn find(name: &str) -> Answer {
    match name {
        PLAYTIME => Ok(Reply::Attribute(Attribute {
            id: local_ids::PLAYTIME,
            name: PLAYTIME.into(),
            accumulated: true,
        })),
        _ => Err(unknown(&format!("the community has no attribute {name:?}"))),
    }
}

pub(super) fn of_user(work: &mut Work, user: Uuid) -> Answer {
    let steam = steam_of(user)?;
    let select = format!(
        "SELECT COUNT(*), {} FROM vpid_playtime WHERE steam = ?",
        sum_of_ms()
    );
    let row = work.own()?.rows(&select, &[steam_value(steam)])?.pop();
    let mut row = Row::new("vpid_playtime", row.unwrap_or_default());
    let (days, ms) = (row.number()?, row.number()?);
    let hours = (days > 0).then(|| (PLAYTIME.to_owned(), hours(ms)));
    Ok(Reply::Attributes(BTreeMap::from_iter(hours)))
}

/// What is added for a player on a day.
struct Added {
    /// Of the change.
    id: Uuid,
    steam: SteamId,
    day: String,
    ms: i64,
}

impl Added {
    fn of(addition: &Addition, instance: u64) -> Answer<Self> {
        let steam = steam_of(addition.user)?;
        if addition.attribute != local_ids::PLAYTIME {
            return Err(unknown("the community has no such attribute"));
        }
        let Some(ms) = milliseconds(&addition.value) else {
            let why = format!("{:?} is no number of hours", addition.value);
            return Err(Failure::invalid(&why).into());
        };
        Ok(Self {
            id: local_ids::made("playtime", instance, addition.change),
            steam,
            day: addition.date.strftime("%Y-%m-%d").to_string(),
            ms,
        })
    }
}

/// Adds them all in one transaction with the ids of their changes, and with as few statements as that takes; those whose
/// ids are there were added before.
pub(super) fn add_all(work: &mut Work, additions: &[Addition]) -> Answer {
    let instance = work.shared.instance;
    let all = additions.iter().map(|it| Added::of(it, instance));
    let mut all = all.collect::<Answer<Vec<_>>>()?;
    // All vpids lock rows in one order.
    all.sort_by(|one, other| (one.steam, &one.day).cmp(&(other.steam, &other.day)));
    let prunes = {
        let mut known = work.known();
        let pause = Duration::from_millis(LOCAL_DONE_PRUNE_MS);
        let prunes = known.pruned.is_none_or(|at| at.elapsed() >= pause);
        if prunes {
            known.pruned = Some(Instant::now());
        }
        prunes
    };
    work.change(|change| {
        for part in all.chunks(ADDED_TOGETHER_MAX) {
            add_part(change, part)?;
        }
        if prunes {
            forget_old(change)?;
        }
        Ok(Ok(Reply::Nothing))
    })
}

/// So that the values of a statement are no more than [`LOCAL_VALUES_MAX`].
const ADDED_TOGETHER_MAX: usize = LOCAL_VALUES_MAX / 3;

fn add_part(change: &mut Change<'_>, part: &[Added]) -> Result<(), OwnError> {
    let ids: Vec<Value> = part.iter().map(|added| id_value(added.id)).collect();
    let select = format!(
        "SELECT id FROM vpid_done WHERE id IN ({})",
        places(ids.len())
    );
    let mut done = HashSet::new();
    for row in change.own.rows(&select, &ids)? {
        done.insert(Row::new("vpid_done", row).id()?);
    }
    let mut new = Vec::new();
    for added in part {
        // Also one that is twice among these.
        if done.insert(added.id) {
            new.push(added);
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let rows = |one: &str| vec![one; new.len()].join(", ");
    let mut values: Vec<Value> = Vec::new();
    for added in &new {
        values.extend([id_value(added.id), change.now_us.into()]);
    }
    let into = format!("vpid_done (id, at_us) VALUES {}", rows("(?, ?)"));
    if change.own.insert_all_new(&into, &values)? < new.len() as u64 {
        // An earlier try was still under way when the ids were read, and is over now.
        return Err(OwnError::Busy("a change was being made twice".into()));
    }
    let mut values: Vec<Value> = Vec::new();
    for added in &new {
        values.extend([steam_value(added.steam), change.now_us.into()]);
    }
    let into = format!("vpid_users (steam, created_us) VALUES {}", rows("(?, ?)"));
    change.own.insert_all_new(&into, &values)?;
    let mut values: Vec<Value> = Vec::new();
    for added in &new {
        let day = added.day.as_str().into();
        values.extend([steam_value(added.steam), day, added.ms.into()]);
    }
    let add = match change.own.is_mysql() {
        true => "ON DUPLICATE KEY UPDATE ms = ms + VALUES(ms)",
        false => "ON CONFLICT (steam, day) DO UPDATE SET ms = ms + excluded.ms",
    };
    let sql = format!(
        "INSERT INTO vpid_playtime (steam, day, ms) VALUES {} {add}",
        rows("(?, ?, ?)")
    );
    change.own.run(&sql, &values)?;
    Ok(())
}

fn forget_old(change: &mut Change<'_>) -> Result<(), OwnError> {
    let until_us = change.now_us.saturating_sub(LOCAL_DONE_KEPT_S * 1_000_000);
    let sql = "DELETE FROM vpid_done WHERE id IN (SELECT id FROM \
               (SELECT id FROM vpid_done WHERE at_us < ? ORDER BY at_us LIMIT ?) AS old)";
    change
        .own
        .run(sql, &[until_us.into(), LOCAL_DONE_PRUNED_MAX.into()])?;
    Ok(())
}

/// As VyHub writes them: a decimal number with six digits behind its point.
fn hours(ms: i64) -> String {
    let ms = u128::try_from(ms).unwrap_or(0);
    let millionths = ms * u128::from(PLAYTIME_QUANTUM_MILLIONTHS) / u128::from(PLAYTIME_QUANTUM_MS);
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

/// Of a decimal number of hours with up to six digits behind its point.
fn milliseconds(hours: &str) -> Option<i64> {
    let (whole, part) = hours.split_once('.').unwrap_or((hours, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let part: i64 = format!("{part:0<6}").parse().ok()?;
    let millionths = whole.checked_mul(1_000_000)?.checked_add(part)?;
    let ms = millionths.checked_mul(PLAYTIME_QUANTUM_MS.cast_signed())?;
    Some(ms / PLAYTIME_QUANTUM_MILLIONTHS.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_come_back_as_they_were_sent() {
        for (text, ms) in [
            ("0.000005", 18),
            ("1.000000", 3_600_000),
            ("0.250000", 900_000),
            ("1234.567890", 4_444_444_404),
        ] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
            assert_eq!(hours(ms), text);
        }
        for text in [
            "",
            ".5",
            "-1.0",
            "1e3",
            "1.0000001",
            "+1",
            "99999999999999999999",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
