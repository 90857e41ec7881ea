//! Warnings of players.

use super::bans::page_of;
use super::changes::Topic;
use super::issuer::{Order, judge};
use super::people::{ensure_named, steam_of};
use super::row::{Row, bounded, id_value, readable, steam_value};
use super::work::{Answer, Work};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::LOCAL_REASON_CHARS_MAX;
use crate::protocol::backend::{NewWarning, Page, Reply, WARNING_EDIT, Warning};
use crate::protocol::local_ids;
use crate::protocol::uuid::Uuid;

const COLUMNS: &str = "id, reason, created_us, issuer, issuer_name, issuer, \
                       (SELECT i.name FROM vpid_users i WHERE i.steam = issuer) FROM vpid_warnings";

fn warning(row: Vec<Value>) -> Result<Warning, OwnError> {
    let mut row = Row::new("vpid_warnings", row);
    let (id, reason) = (row.id()?, row.text()?);
    let (created, creator) = (row.time()?, row.steam_or_null()?);
    let name = row.issuer_name()?;
    Ok(Warning {
        id,
        reason: (!reason.is_empty()).then_some(reason),
        created,
        creator: creator.map(local_ids::user),
        creator_name: (!name.is_empty()).then_some(name),
    })
}

/// A page of those that count, the newest first.
pub(super) fn of_user(work: &mut Work, user: Uuid, page: u64) -> Answer {
    let steam = steam_value(steam_of(user)?);
    let which = "steam = ? AND withdrawn_us IS NULL";
    let (rows, total) = page_of(work.own()?, COLUMNS, which, &steam, page)?;
    let (items, skipped) = readable(rows.into_iter().map(warning))?;
    Ok(Reply::Warnings(Page {
        items,
        skipped: vec![None; skipped],
        total,
    }))
}

fn by_id(own: &mut Own, id: Uuid) -> Result<Option<Warning>, OwnError> {
    let select = format!("SELECT {COLUMNS} WHERE id = ?");
    let row = own.rows(&select, &[id_value(id)])?.pop();
    row.map(warning).transpose()
}

pub(super) fn create(work: &mut Work, new: &NewWarning, issuer: Option<Uuid>) -> Answer {
    let steam = steam_of(new.user)?;
    let id = local_ids::made("warning", work.shared.instance, new.change);
    let order = Order {
        right: WARNING_EDIT,
        target: Some(steam),
        length_s: None,
        group: None,
    };
    work.change(|change| {
        // It was sent before, and its reply was lost.
        if let Some(warning) = by_id(change.own, id)? {
            return Ok(Ok(Reply::Warning(warning)));
        }
        let issuer = match judge(change, issuer, &order)? {
            Ok(issuer) => issuer,
            Err(refused) => return Ok(Err(refused)),
        };
        change.count(Topic::Warnings)?;
        ensure_named(change, steam, new.name.as_deref())?;
        let values: [Value; 6] = [
            id_value(id),
            steam_value(steam),
            bounded(&new.reason, LOCAL_REASON_CHARS_MAX).into(),
            change.now_us.into(),
            issuer.steam.map(steam_value).into(),
            issuer.name.as_str().into(),
        ];
        let into = "vpid_warnings (id, steam, reason, created_us, issuer, issuer_name) VALUES (?, ?, ?, ?, ?, ?)";
        change.own.insert_new(into, &values)?;
        let warning = by_id(change.own, id)?.ok_or(OwnError::Odd("vpid_warnings"))?;
        Ok(Ok(Reply::Warning(warning)))
    })
}
