//! How long players were on.

use serde::Serialize;

use super::rows::Select;
use super::{Admin, AdminError, Listing, Window};
use crate::io::community::row::{steam_value, sum_of_ms};
use crate::protocol::steam_id::SteamId;

#[derive(Debug, Clone, PartialEq)]
pub struct Playtime {
    /// Milliseconds on all days together.
    pub ms: i64,
    /// The newest first.
    pub days: Listing<Day>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// `2026-11-30`, UTC.
    pub day: String,
    pub ms: i64,
}

impl Admin {
    pub fn playtime(&mut self, steam: SteamId, window: Window) -> Result<Playtime, AdminError> {
        let sum = format!("SELECT {} FROM vpid_playtime WHERE steam = ?", sum_of_ms());
        let sum = self.own.rows(&sum, &[steam_value(steam)])?;
        let ms = sum.first().and_then(|row| row[0].integer()).unwrap_or(0);
        let select = Select {
            table: "vpid_playtime",
            columns: "day, ms",
            from: "vpid_playtime WHERE steam = ?",
            order: "day DESC",
            params: &[steam_value(steam)],
        };
        let days = select.part(&mut self.own, window, |row| {
            Ok(Day {
                day: row.text_or_empty()?,
                ms: row.number()?,
            })
        })?;
        Ok(Playtime { ms, days })
    }
}
