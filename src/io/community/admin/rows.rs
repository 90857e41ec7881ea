//! Parts of long lists, and what several subjects write.

use super::{AdminError, Listing, Window};
use crate::io::community::row::{Row, id_value, steam_value};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// A select of which a part is wanted. `from`: from the name of the table on, with its conditions.
pub struct Select<'a> {
    pub table: &'static str,
    pub columns: &'a str,
    pub from: &'a str,
    pub order: &'a str,
    pub params: &'a [Value],
}

impl Select<'_> {
    /// With what can be read of it.
    pub fn part<T>(
        &self,
        own: &mut Own,
        window: Window,
        read: impl Fn(&mut Row) -> Result<T, OwnError>,
    ) -> Result<Listing<T>, AdminError> {
        let count = format!("SELECT COUNT(*) FROM {}", self.from);
        let count = own.rows(&count, self.params)?;
        let total = count.first().and_then(|row| row[0].integer()).unwrap_or(0);
        let total = u64::try_from(total).unwrap_or(0);
        let Self {
            columns,
            from,
            order,
            ..
        } = self;
        let Window { limit, skip } = window;
        let select =
            format!("SELECT {columns} FROM {from} ORDER BY {order} LIMIT {limit} OFFSET {skip}");
        let (mut items, mut left_out) = (Vec::new(), Vec::new());
        for row in own.rows(&select, self.params)? {
            let key = self.key(&row);
            match read(&mut Row::new(self.table, row)) {
                Ok(item) => items.push(item),
                Err(OwnError::Odd(_)) => left_out.push(key),
                Err(error) => return Err(error.into()),
            }
        }
        let more = total.saturating_sub((skip + items.len() + left_out.len()) as u64);
        Ok(Listing {
            items,
            more,
            left_out,
        })
    }

    /// By which an operator finds a row.
    fn key(&self, row: &[Value]) -> String {
        let key = match row.first() {
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Null) | None => "NULL".to_owned(),
        };
        format!("{} {key}", self.table)
    }

    /// The first few.
    pub fn first<T>(
        &self,
        own: &mut Own,
        limit: usize,
        read: impl Fn(&mut Row) -> Result<T, OwnError>,
    ) -> Result<Vec<T>, OwnError> {
        let Self {
            columns,
            from,
            order,
            ..
        } = self;
        let select = format!("SELECT {columns} FROM {from} ORDER BY {order} LIMIT {limit}");
        let rows = own.rows(&select, self.params)?.into_iter();
        rows.map(|row| read(&mut Row::new(self.table, row)))
            .collect()
    }
}

/// With a user for this SteamID, where there is none.
pub fn ensure_user(own: &mut Own, steam: SteamId, at_us: i64) -> Result<bool, OwnError> {
    let what = "vpid_users (steam, name, admin, created_us) VALUES (?, '', 0, ?)";
    own.insert_new(what, &[steam_value(steam), at_us.into()])
}

/// Conditions of which all must hold.
pub fn wherever(conditions: &[&str]) -> String {
    match conditions {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

/// Ends the memberships of a player, in one group or in all; gives how many.
pub fn end_memberships(
    own: &mut Own,
    steam: SteamId,
    group: Option<Uuid>,
    at_us: i64,
    counter: i64,
) -> Result<u64, OwnError> {
    let of_group = group.map_or("", |_| " AND group_id = ?");
    let end = format!(
        "UPDATE vpid_members SET end_us = CASE WHEN begin_us > ? THEN begin_us ELSE ? END, changed = ? \
         WHERE steam = ? AND (end_us IS NULL OR end_us > ?){of_group}"
    );
    let at = || Value::Integer(at_us);
    let mut params = vec![at(), at(), counter.into(), steam_value(steam), at()];
    params.extend(group.map(id_value));
    match own.run(&end, &params)? {
        // What an earlier try of the same has ended, whose result was lost, has this very time.
        0 => {
            let of_try = format!(
                "SELECT COUNT(*) FROM vpid_members WHERE steam = ? \
                 AND end_us = CASE WHEN begin_us > ? THEN begin_us ELSE ? END{of_group}"
            );
            let mut params = vec![steam_value(steam), at(), at()];
            params.extend(group.map(id_value));
            counted(own, &of_try, &params)
        }
        ended => Ok(ended),
    }
}

/// The number that a statement selects.
pub fn counted(own: &mut Own, select: &str, params: &[Value]) -> Result<u64, OwnError> {
    let row = own.rows(select, params)?.pop();
    let count = row.and_then(|row| row.first()?.integer());
    Ok(count
        .and_then(|count| u64::try_from(count).ok())
        .unwrap_or(0))
}
