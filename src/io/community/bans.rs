//! Bans of players: the list of those in force, of which only changed rows are read again, and what changes it.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::changes::Topic;
use super::issuer::{Issuer, Order, judge};
use super::people::{ensure_named, steam_of};
use super::row::{Row, bounded, id_value, readable, steam_value, time_value};
use super::work::{Answer, Change, Trouble, Work};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{LOCAL_REASON_CHARS_MAX, LOCAL_ROWS_READ_MAX};
use crate::protocol::backend::{
    BAN_EDIT, Ban, BanList, Failure, FailureKind, Listed, NewBan, PAGE_SIZE, Page, Reply,
};
use crate::protocol::ban_list::{Builder, TooLong};
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// All bans in force. `newest`: also those that the counters in memory do not have yet.
pub(super) fn list(work: &mut Work, newest: bool) -> Answer {
    if newest {
        work.read_counters()?;
    }
    let counter = work.counters()?.of(Topic::Bans);
    let now_us = work.now_us()?;
    let now_s = now_us.div_euclid(1_000_000);
    let known = work.known().bans.any();
    let list = match known {
        Some((at, list)) if at == counter => {
            if list.next_end_s().is_none_or(|end_s| end_s > now_s) {
                return Ok(Reply::BanList(list));
            }
            list.updated(&HashSet::new(), now_s, [])
        }
        Some((at, list)) if at < counter => {
            let changed = match changed_since(work.own()?, at) {
                // Which one is left out stands in the list of all.
                Err(OwnError::Odd(_)) => return whole(work, counter, now_us),
                changed => changed?,
            };
            let ids: HashSet<Uuid> = changed.iter().map(|ban| ban.id).collect();
            let stand = changed.iter().filter(|ban| ban.stands(now_us));
            list.updated(&ids, now_s, stand.map(OneBan::listed))
        }
        _ => return whole(work, counter, now_us),
    };
    keep(work, counter, list)
}

fn whole(work: &mut Work, counter: i64, now_us: i64) -> Answer {
    let list = all(work.own()?, now_us)?;
    keep(work, counter, list)
}

fn keep(work: &mut Work, counter: i64, list: Result<BanList, TooLong>) -> Answer {
    let list = Arc::new(list.map_err(too_long)?);
    work.known().bans.keep(counter, Arc::clone(&list));
    Ok(Reply::BanList(list))
}

fn too_long(error: TooLong) -> Trouble {
    let why = format!("the list of bans cannot be used: {error}");
    Failure::replied(FailureKind::Broken, &why).into()
}

/// A row of the list.
struct OneBan {
    id: Uuid,
    steam: SteamId,
    name: String,
    reason: String,
    issuer_name: String,
    created: Timestamp,
    ends: Option<Timestamp>,
    is_lifted: bool,
}

const LISTED: &str = "b.steam, b.id, b.name, u.name, b.reason, b.issuer_name, b.issuer, i.name, b.created_us, \
                      b.ends_us, b.lifted_us FROM vpid_bans b LEFT JOIN vpid_users u ON u.steam = b.steam \
                      LEFT JOIN vpid_users i ON i.steam = b.issuer";

impl OneBan {
    fn read(row: Vec<Value>) -> Result<Self, OwnError> {
        let mut row = Row::new("vpid_bans", row);
        let (steam, id) = (row.steam()?, row.id()?);
        let (then, now) = (row.text()?, row.text_or_empty()?);
        Ok(Self {
            id,
            steam,
            name: if then.is_empty() { now } else { then },
            reason: row.text()?,
            issuer_name: row.issuer_name()?,
            created: row.time()?,
            ends: row.time_or_null()?,
            is_lifted: row.number_or_null()?.is_some(),
        })
    }

    fn stands(&self, now_us: i64) -> bool {
        !self.is_lifted && self.ends.is_none_or(|ends| ends.as_microsecond() > now_us)
    }

    fn listed(&self) -> Listed<'_> {
        Listed {
            id: self.id,
            steam: self.steam,
            username: &self.name,
            reason: &self.reason,
            creator: &self.issuer_name,
            created_s: self.created.as_second(),
            ends_s: self.ends.map(Timestamp::as_second),
        }
    }
}

/// Those whose rows have changed since, also those that do not stand any more.
fn changed_since(own: &mut Own, counter: i64) -> Result<Vec<OneBan>, OwnError> {
    let select = format!("SELECT {LISTED} WHERE b.changed > ?");
    let rows = own.rows(&select, &[counter.into()])?.into_iter();
    rows.map(OneBan::read).collect()
}

/// All of them, some at a time.
fn all(own: &mut Own, now_us: i64) -> Result<Result<BanList, TooLong>, OwnError> {
    let select = format!(
        "SELECT {LISTED} WHERE b.id > ? AND b.lifted_us IS NULL AND (b.ends_us IS NULL OR b.ends_us > ?) \
         ORDER BY b.id LIMIT {LOCAL_ROWS_READ_MAX}"
    );
    let mut builder = Builder::default();
    let mut last = String::new();
    loop {
        let rows = own.rows(&select, &[last.as_str().into(), now_us.into()])?;
        let count = rows.len();
        for row in rows {
            let key = (row[0].integer(), row[1].text().map(str::to_owned));
            match OneBan::read(row) {
                Ok(ban) => {
                    if let Err(error) = builder.add(&ban.listed()) {
                        return Ok(Err(error));
                    }
                }
                Err(_) => skip(&mut builder, &key),
            }
            last = key.1.unwrap_or_default();
        }
        if count < LOCAL_ROWS_READ_MAX {
            return Ok(Ok(builder.finish()));
        }
    }
}

/// A row that is not as vpid writes it.
fn skip(builder: &mut Builder, (steam, id): &(Option<i64>, Option<String>)) {
    let steam = steam.and_then(|steam| SteamId::from_u64(u64::try_from(steam).ok()?));
    if let Some(steam) = steam {
        builder.skip(steam, id.as_ref().and_then(|id| id.parse().ok()));
    }
}

const OF_USER: &str = "id, reason, length_s, created_us, ends_us, issuer, issuer_name, issuer, \
                       (SELECT i.name FROM vpid_users i WHERE i.steam = issuer), lifted_us FROM vpid_bans";

/// `now_us`: by the database's clock.
fn ban(row: Vec<Value>, now_us: i64) -> Result<Ban, OwnError> {
    let mut row = Row::new("vpid_bans", row);
    let (id, reason) = (row.id()?, row.text()?);
    let (length_s, created) = (row.number_or_null()?, row.time()?);
    let (ends, creator) = (row.time_or_null()?, row.steam_or_null()?);
    let name = row.issuer_name()?;
    let is_lifted = row.number_or_null()?.is_some();
    let is_over = ends.is_some_and(|ends| ends.as_microsecond() <= now_us);
    Ok(Ban {
        id,
        reason: (!reason.is_empty()).then_some(reason),
        length_s,
        created,
        ends,
        creator: creator.map(local_ids::user),
        creator_name: (!name.is_empty()).then_some(name),
        bundle: Some(BUNDLE),
        active: Some(!is_lifted && !is_over),
    })
}

/// A page of a player's bans, the newest first.
pub(super) fn of_user(work: &mut Work, user: Uuid, page: u64) -> Answer {
    let steam = steam_value(steam_of(user)?);
    let now_us = work.now_us()?;
    let own = work.own()?;
    let (rows, total) = page_of(own, OF_USER, "steam = ?", &steam, page)?;
    let (items, skipped) = readable(rows.into_iter().map(|row| ban(row, now_us)))?;
    Ok(Reply::Bans(Page {
        items,
        skipped: vec![None; skipped],
        total,
    }))
}

/// Rows of a player by falling `created_us`, and how many there are. `what`: columns and table.
pub(super) fn page_of(
    own: &mut Own,
    what: &str,
    which: &str,
    steam: &Value,
    page: u64,
) -> Result<(Vec<Vec<Value>>, u64), OwnError> {
    let table = what.rsplit(' ').next().unwrap_or_default();
    let skipped = page.saturating_sub(1).saturating_mul(PAGE_SIZE);
    let select = format!(
        "SELECT {what} WHERE {which} ORDER BY created_us DESC, id LIMIT {PAGE_SIZE} OFFSET ?"
    );
    let skipped = Value::Integer(i64::try_from(skipped).unwrap_or(i64::MAX));
    let rows = own.rows(&select, &[steam.clone(), skipped])?;
    let count = format!("SELECT COUNT(*) FROM {table} WHERE {which}");
    let count = own.rows(&count, std::slice::from_ref(steam))?.pop();
    let count = count.and_then(|row| row.first()?.integer());
    Ok((
        rows,
        count.and_then(|it| u64::try_from(it).ok()).unwrap_or(0),
    ))
}

fn by_id(change: &mut Change<'_>, id: Uuid) -> Result<Option<Ban>, OwnError> {
    let select = format!("SELECT {OF_USER} WHERE id = ?");
    let row = change.own.rows(&select, &[id_value(id)])?.pop();
    row.map(|row| ban(row, change.now_us)).transpose()
}

pub(super) fn create(work: &mut Work, new: &NewBan, issuer: Option<Uuid>) -> Answer {
    let steam = steam_of(new.user)?;
    let id = local_ids::made("ban", work.shared.instance, new.change);
    let order = Order {
        right: BAN_EDIT,
        target: Some(steam),
        length_s: Some(new.length_s),
        group: None,
    };
    work.change(|change| {
        // It was sent before, and its reply was lost.
        if let Some(ban) = by_id(change, id)? {
            return Ok(Ok(Reply::Ban(ban)));
        }
        let issuer = match judge(change, issuer, &order)? {
            Ok(issuer) => issuer,
            Err(refused) => return Ok(Err(refused)),
        };
        insert(change, id, (steam, new), &issuer)?;
        let ban = by_id(change, id)?.ok_or(OwnError::Odd("vpid_bans"))?;
        Ok(Ok(Reply::Ban(ban)))
    })
}

fn insert(
    change: &mut Change<'_>,
    id: Uuid,
    (steam, new): (SteamId, &NewBan),
    issuer: &Issuer,
) -> Result<(), OwnError> {
    let changed = change.count(Topic::Bans)?;
    ensure_named(change, steam, new.name.as_deref())?;
    let select = "SELECT name FROM vpid_users WHERE steam = ?";
    let row = change.own.rows(select, &[steam_value(steam)])?.pop();
    let name = Row::new("vpid_users", row.unwrap_or_default()).text()?;
    let length = Length::new(new.created, new.length_s);
    let lifted_us = (!new.standing).then_some(change.now_us);
    let values: [Value; 11] = [
        id_value(id),
        steam_value(steam),
        name.into(),
        bounded(&new.reason, LOCAL_REASON_CHARS_MAX).into(),
        length.seconds.into(),
        time_value(new.created),
        length.ends_us.into(),
        issuer.steam.map(steam_value).into(),
        issuer.name.as_str().into(),
        lifted_us.into(),
        changed.into(),
    ];
    let into = "vpid_bans (id, steam, name, reason, length_s, created_us, ends_us, issuer, issuer_name, lifted_us, \
                changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    change.own.insert_new(into, &values)?;
    Ok(())
}

/// How long a ban is, as tables have it; one that is longer than times reach has no end.
pub(super) struct Length {
    pub seconds: Option<i64>,
    pub ends_us: Option<i64>,
}

impl Length {
    pub fn new(created: Timestamp, length_s: Option<u64>) -> Self {
        let seconds = length_s.and_then(|it| i64::try_from(it).ok());
        let ends_us = seconds.and_then(|it| {
            let us = it
                .checked_mul(1_000_000)?
                .checked_add(created.as_microsecond())?;
            (us <= Timestamp::MAX.as_microsecond()).then_some(us)
        });
        Self {
            seconds: seconds.filter(|_| ends_us.is_some()),
            ends_us,
        }
    }
}

/// What is lifted.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Ban(Uuid),
    AllOf(SteamId),
}

/// Lifts what is in force of it; that none is does no harm.
pub(super) fn end(work: &mut Work, which: Which, issuer: Option<Uuid>) -> Answer {
    let (condition, value) = match which {
        Which::Ban(id) => ("id = ?", id_value(id)),
        Which::AllOf(steam) => ("steam = ?", steam_value(steam)),
    };
    lift(
        work,
        (Topic::Bans, "vpid_bans"),
        (condition, &[value]),
        issuer,
    )
}

/// Lifts what is in force of the bans of a table that a condition is true of.
pub(super) fn lift(
    work: &mut Work,
    (topic, table): (Topic, &str),
    (condition, values): (&str, &[Value]),
    issuer: Option<Uuid>,
) -> Answer {
    let order = Order {
        right: BAN_EDIT,
        target: None,
        length_s: None,
        group: None,
    };
    work.change(|change| {
        let issuer = match judge(change, issuer, &order)? {
            Ok(issuer) => issuer,
            Err(refused) => return Ok(Err(refused)),
        };
        let changed = change.count(topic)?;
        let by = issuer.steam.map(steam_value).into();
        let mut all = vec![change.now_us.into(), by, changed.into()];
        all.extend_from_slice(values);
        all.push(change.now_us.into());
        let sql = format!(
            "UPDATE {table} SET lifted_us = ?, lifted_by = ?, changed = ? \
             WHERE {condition} AND lifted_us IS NULL AND (ends_us IS NULL OR ends_us > ?)"
        );
        change.own.run(&sql, &all)?;
        Ok(Ok(Reply::Nothing))
    })
}
