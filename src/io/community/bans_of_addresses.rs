//! Bans of addresses and ranges of them.

use jiff::Timestamp;

use super::bans::{Length, lift};
use super::changes::Topic;
use super::issuer::{Issuer, Order, judge};
use super::row::{Row, bounded, id_value, readable, steam_value, time_value};
use super::work::{Answer, Change, Work};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{LOCAL_ADDRESSES_MAX, LOCAL_REASON_CHARS_MAX};
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::{AddressBan, BAN_EDIT, Listing, NewAddressBan, Reply};
use crate::protocol::local_ids;
use crate::protocol::uuid::Uuid;

const COLUMNS: &str = "id, range_text, reason, created_us, ends_us, issuer, issuer_name, issuer, \
                       (SELECT i.name FROM vpid_users i WHERE i.steam = issuer) FROM vpid_address_bans";

fn ban(row: Vec<Value>) -> Result<AddressBan, OwnError> {
    let mut row = Row::new("vpid_address_bans", row);
    Ok(AddressBan {
        id: row.id()?,
        range: row
            .text()?
            .parse()
            .map_err(|_| OwnError::Odd("vpid_address_bans"))?,
        reason: row.text()?,
        created: row.time()?,
        ends: row.time_or_null()?,
        creator: row.steam_or_null()?.map(local_ids::user),
        creator_name: row.issuer_name()?,
    })
}

/// All in force. `newest`: also those that the counters in memory do not have yet.
pub(super) fn list(work: &mut Work, newest: bool) -> Answer {
    if newest {
        work.read_counters()?;
    }
    let bans = work.kept(Topic::Addresses, |known| &mut known.addresses, read)?;
    let now_us = work.now_us()?;
    let stands = |ban: &&AddressBan| ban.ends.is_none_or(|ends| ends.as_microsecond() > now_us);
    Ok(Reply::AddressBans(Listing {
        items: bans.items.iter().filter(stands).cloned().collect(),
        skipped: bans.skipped,
    }))
}

/// All that were not lifted.
fn read(own: &mut Own) -> Result<Listing<AddressBan>, OwnError> {
    let select = format!(
        "SELECT {COLUMNS} WHERE lifted_us IS NULL ORDER BY first_address, id LIMIT {LOCAL_ADDRESSES_MAX}"
    );
    let rows = own.rows(&select, &[])?.into_iter();
    let (items, skipped) = readable(rows.map(ban))?;
    Ok(Listing { items, skipped })
}

fn by_id(own: &mut Own, id: Uuid) -> Result<Option<AddressBan>, OwnError> {
    let select = format!("SELECT {COLUMNS} WHERE id = ?");
    let row = own.rows(&select, &[id_value(id)])?.pop();
    row.map(ban).transpose()
}

pub(super) fn create(work: &mut Work, new: &NewAddressBan, issuer: Option<Uuid>) -> Answer {
    let id = local_ids::made("address ban", work.shared.instance, new.change);
    let order = Order {
        right: BAN_EDIT,
        target: None,
        length_s: Some(new.length_s),
        group: None,
    };
    work.change(|change| {
        // It was sent before, and its reply was lost.
        if let Some(ban) = by_id(change.own, id)? {
            return Ok(Ok(Reply::AddressBan(ban)));
        }
        let issuer = match judge(change, issuer, &order)? {
            Ok(issuer) => issuer,
            Err(refused) => return Ok(Err(refused)),
        };
        insert(change, id, new, &issuer)?;
        let ban = by_id(change.own, id)?.ok_or(OwnError::Odd("vpid_address_bans"))?;
        Ok(Ok(Reply::AddressBan(ban)))
    })
}

fn insert(
    change: &mut Change<'_>,
    id: Uuid,
    new: &NewAddressBan,
    issuer: &Issuer,
) -> Result<(), OwnError> {
    let changed = change.count(Topic::Addresses)?;
    let length = Length::new(new.created, new.length_s);
    let lifted_us = (!new.standing).then_some(change.now_us);
    let values: [Value; 12] = [
        id_value(id),
        new.range.to_string().into(),
        i64::from(new.range.first().to_bits()).into(),
        i64::from(new.range.last().to_bits()).into(),
        bounded(&new.reason, LOCAL_REASON_CHARS_MAX).into(),
        length.seconds.into(),
        time_value(new.created),
        length.ends_us.into(),
        issuer.steam.map(steam_value).into(),
        issuer.name.as_str().into(),
        lifted_us.into(),
        changed.into(),
    ];
    let into = "vpid_address_bans (id, range_text, first_address, last_address, reason, length_s, created_us, ends_us, \
                issuer, issuer_name, lifted_us, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    change.own.insert_new(into, &values)?;
    Ok(())
}

/// Ends those of exactly this range that were created until then.
pub(super) fn end(
    work: &mut Work,
    (range, until): (AddressRange, Timestamp),
    issuer: Option<Uuid>,
) -> Answer {
    let condition = "first_address = ? AND last_address = ? AND created_us <= ?";
    let values = [
        i64::from(range.first().to_bits()).into(),
        i64::from(range.last().to_bits()).into(),
        time_value(until),
    ];
    let of = (Topic::Addresses, "vpid_address_bans");
    lift(work, of, (condition, &values), issuer)
}
