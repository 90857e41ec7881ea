//! Adverts: texts that all players are shown, one after the other.

use serde::Serialize;

use super::rows::Select;
use super::{Admin, AdminError, Listing, Topic, Window, fitting, id_pattern, new_id, only};
use crate::io::community::row::{Row, id_value};
use crate::io::sql::own::OwnError;
use crate::limits::ADVERT_CHARS_MAX;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advert {
    pub id: Uuid,
    /// One or more lines.
    pub content: String,
    /// `RRGGBB`.
    pub colour: String,
    /// They are shown in this order.
    pub position: i64,
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAdvert<'a> {
    pub content: &'a str,
    pub edit: AdvertEdit,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvertEdit {
    pub content: Option<String>,
    pub colour: Option<String>,
    pub position: Option<i64>,
    pub enabled: Option<bool>,
}

const COLUMNS: &str = "id, content, colour, position, enabled";

fn read(row: &mut Row) -> Result<Advert, OwnError> {
    Ok(Advert {
        id: row.id()?,
        content: row.text_or_empty()?,
        colour: row.text_or_empty()?,
        position: row.number()?,
        enabled: row.flag()?,
    })
}

impl Admin {
    pub fn adverts(&mut self, window: Window) -> Result<Listing<Advert>, AdminError> {
        let select = Select {
            table: "vpid_adverts",
            columns: COLUMNS,
            from: "vpid_adverts",
            order: "position, id",
            params: &[],
        };
        select.part(&mut self.own, window, read)
    }

    fn advert(&mut self, id: &str) -> Result<Advert, AdminError> {
        let select = Select {
            table: "vpid_adverts",
            columns: COLUMNS,
            from: "vpid_adverts WHERE id LIKE ?",
            order: "id",
            params: &[id_pattern(id)],
        };
        only(select.first(&mut self.own, 2, read)?, "advert", id)
    }

    /// Behind the others where its position is not said.
    pub fn add_advert(&mut self, advert: &NewAdvert<'_>) -> Result<Uuid, AdminError> {
        fitting(advert.content, "the text", ADVERT_CHARS_MAX)?;
        let id = new_id();
        self.change(&[Topic::Adverts], |own, counters| {
            let last = "SELECT COALESCE(MAX(position), 0) FROM vpid_adverts WHERE id <> ?";
            let last = own.rows(last, &[id_value(id)])?;
            let last = last.first().and_then(|row| row[0].integer()).unwrap_or(0);
            let edit = &advert.edit;
            let what = "vpid_adverts (id, content, colour, position, enabled, changed) VALUES (?, ?, ?, ?, ?, ?)";
            let params = [
                id_value(id),
                advert.content.into(),
                edit.colour.as_deref().unwrap_or("FFFFFF").into(),
                edit.position.unwrap_or(last.saturating_add(1)).into(),
                edit.enabled.unwrap_or(true).into(),
                counters[0].into(),
            ];
            own.insert_new(what, &params)?;
            Ok(Ok(id))
        })
    }

    pub fn edit_advert(&mut self, id: &str, edit: &AdvertEdit) -> Result<Uuid, AdminError> {
        if let Some(content) = &edit.content {
            fitting(content, "the text", ADVERT_CHARS_MAX)?;
        }
        let mut advert = self.advert(id)?;
        advert.content = edit.content.clone().unwrap_or(advert.content);
        advert.colour = edit.colour.clone().unwrap_or(advert.colour);
        advert.position = edit.position.unwrap_or(advert.position);
        advert.enabled = edit.enabled.unwrap_or(advert.enabled);
        self.change(&[Topic::Adverts], |own, counters| {
            let update = "UPDATE vpid_adverts SET content = ?, colour = ?, position = ?, enabled = ?, changed = ? \
                          WHERE id = ?";
            let params = [
                advert.content.as_str().into(),
                advert.colour.as_str().into(),
                advert.position.into(),
                advert.enabled.into(),
                counters[0].into(),
                id_value(advert.id),
            ];
            own.run(update, &params)?;
            Ok(Ok(advert.id))
        })
    }

    /// Gives it as it was.
    pub fn remove_advert(&mut self, id: &str) -> Result<Advert, AdminError> {
        let advert = self.advert(id)?;
        self.change(&[Topic::Adverts], |own, _| {
            own.run(
                "DELETE FROM vpid_adverts WHERE id = ?",
                &[id_value(advert.id)],
            )?;
            Ok(Ok(()))
        })?;
        Ok(advert)
    }
}
