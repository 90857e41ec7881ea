//! The columns of a row, one after the other, as what they stand for.

use jiff::Timestamp;

use crate::io::sql::own::{OwnError, Value};
use crate::limits::PLAYTIME_MS_MAX;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Of a table of this name; what is not as vpid writes it is [`OwnError::Odd`].
pub(super) struct Row {
    table: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Row {
    pub fn new(table: &'static str, values: Vec<Value>) -> Self {
        let values = values.into_iter();
        Self { table, values }
    }

    fn odd(&self) -> OwnError {
        OwnError::Odd(self.table)
    }

    fn next(&mut self) -> Result<Value, OwnError> {
        self.values.next().ok_or_else(|| self.odd())
    }

    pub fn number(&mut self) -> Result<i64, OwnError> {
        self.next()?.integer().ok_or_else(|| self.odd())
    }

    pub fn number_or_null(&mut self) -> Result<Option<i64>, OwnError> {
        match self.next()? {
            Value::Null => Ok(None),
            value => value.integer().map(Some).ok_or_else(|| self.odd()),
        }
    }

    pub fn flag(&mut self) -> Result<bool, OwnError> {
        Ok(self.number()? != 0)
    }

    pub fn text(&mut self) -> Result<String, OwnError> {
        match self.next()? {
            Value::Text(text) => Ok(text),
            _ => Err(self.odd()),
        }
    }

    /// Empty where there is none.
    pub fn text_or_empty(&mut self) -> Result<String, OwnError> {
        match self.next()? {
            Value::Text(text) => Ok(text),
            Value::Null => Ok(String::new()),
            Value::Integer(_) => Err(self.odd()),
        }
    }

    pub fn id(&mut self) -> Result<Uuid, OwnError> {
        self.text()?.parse().map_err(|()| self.odd())
    }

    pub fn id_or_null(&mut self) -> Result<Option<Uuid>, OwnError> {
        match self.next()? {
            Value::Text(text) => text.parse().map(Some).map_err(|()| self.odd()),
            Value::Null => Ok(None),
            Value::Integer(_) => Err(self.odd()),
        }
    }

    pub fn steam(&mut self) -> Result<SteamId, OwnError> {
        let number = self.number()?;
        steam(number).ok_or_else(|| self.odd())
    }

    pub fn steam_or_null(&mut self) -> Result<Option<SteamId>, OwnError> {
        let number = self.number_or_null()?;
        number
            .map(|number| steam(number).ok_or_else(|| self.odd()))
            .transpose()
    }

    /// What an issuer is called, of three columns: the name then, the SteamID, and the name now, which may have come
    /// later. The SteamID where there is no name, and nothing for the server.
    pub fn issuer_name(&mut self) -> Result<String, OwnError> {
        let then = self.text_or_empty()?;
        let number = self.next()?.integer();
        let now = self.text_or_empty()?;
        let named = [then, now].into_iter().find(|name| !name.is_empty());
        let issuer = number.and_then(steam).map(SteamId::steam3);
        Ok(named.or(issuer).unwrap_or_default())
    }

    pub fn time(&mut self) -> Result<Timestamp, OwnError> {
        let us = self.number()?;
        Timestamp::from_microsecond(us).map_err(|_| self.odd())
    }

    pub fn time_or_null(&mut self) -> Result<Option<Timestamp>, OwnError> {
        let us = self.number_or_null()?;
        us.map(|us| Timestamp::from_microsecond(us).map_err(|_| self.odd()))
            .transpose()
    }
}

fn steam(number: i64) -> Option<SteamId> {
    SteamId::from_u64(u64::try_from(number).ok()?)
}

/// A player, as tables have them.
pub(super) fn steam_value(steam: SteamId) -> Value {
    // The 64-bit form of every account is below 2^63.
    Value::Integer(steam.as_u64().cast_signed())
}

pub(super) fn id_value(id: Uuid) -> Value {
    Value::Text(id.to_string())
}

pub(super) fn time_value(time: Timestamp) -> Value {
    Value::Integer(time.as_microsecond())
}

/// What adds playtimes up in a query. A row that no player can have, of another program, makes no sum overflow.
pub(super) fn sum_of_ms() -> String {
    format!("COALESCE(SUM(CASE WHEN ms > {PLAYTIME_MS_MAX} THEN {PLAYTIME_MS_MAX} ELSE ms END), 0)")
}

/// `?, ?, ?`
pub(super) fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// What can be read of some rows, and how many are not as vpid writes them and left out.
pub(super) fn readable<T>(
    rows: impl IntoIterator<Item = Result<T, OwnError>>,
) -> Result<(Vec<T>, usize), OwnError> {
    let (mut items, mut skipped) = (Vec::new(), 0);
    for row in rows {
        match row {
            Ok(item) => items.push(item),
            Err(OwnError::Odd(_)) => skipped += 1,
            Err(error) => return Err(error),
        }
    }
    Ok((items, skipped))
}

/// At most so many characters of a text.
pub(super) fn bounded(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
