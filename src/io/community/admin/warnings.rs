//! Warnings of players.

use jiff::Timestamp;
use serde::Serialize;

use super::rows::{Select, ensure_user, wherever};
use super::{
    Admin, AdminError, Issuer, Listing, Player, Topic, Window, fitting, id_pattern, new_id, only,
};
use crate::io::community::row::{Row, id_value, steam_value};
use crate::io::sql::own::{OwnError, Value};
use crate::limits::REASON_CHARS_MAX;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Warning {
    pub id: Uuid,
    pub steam: SteamId,
    pub name: String,
    pub reason: String,
    pub created: Timestamp,
    pub issuer: Issuer,
    pub withdrawn: Option<Timestamp>,
}

const COLUMNS: &str = "w.id, w.steam, COALESCE(u.name, ''), w.reason, w.created_us, w.issuer, \
                       CASE WHEN w.issuer_name = '' THEN COALESCE(i.name, '') ELSE w.issuer_name END, \
                       w.withdrawn_us";
const FROM: &str = "vpid_warnings w LEFT JOIN vpid_users u ON u.steam = w.steam \
                    LEFT JOIN vpid_users i ON i.steam = w.issuer";

fn read(row: &mut Row) -> Result<Warning, OwnError> {
    let (id, steam, name) = (row.id()?, row.steam()?, row.text_or_empty()?);
    let (reason, created) = (row.text_or_empty()?, row.time()?);
    let (issuer, issuer_name) = (row.steam_or_null()?, row.text_or_empty()?);
    Ok(Warning {
        id,
        steam,
        name,
        reason,
        created,
        issuer: Issuer {
            steam: issuer,
            name: issuer_name,
        },
        withdrawn: row.time_or_null()?,
    })
}

impl Admin {
    /// The newest first. `all`: also those that were withdrawn.
    pub fn warnings(
        &mut self,
        steam: Option<SteamId>,
        all: bool,
        window: Window,
    ) -> Result<Listing<Warning>, AdminError> {
        let mut conditions = Vec::new();
        let mut params: Vec<Value> = Vec::new();
        if let Some(steam) = steam {
            conditions.push("w.steam = ?");
            params.push(steam_value(steam));
        }
        if !all {
            conditions.push("w.withdrawn_us IS NULL");
        }
        let select = Select {
            table: "vpid_warnings",
            columns: COLUMNS,
            from: &format!("{FROM}{}", wherever(&conditions)),
            order: "w.created_us DESC, w.id",
            params: &params,
        };
        select.part(&mut self.own, window, read)
    }

    pub fn add_warning(&mut self, player: &Player, reason: &str) -> Result<Uuid, AdminError> {
        fitting(reason, "the reason", REASON_CHARS_MAX)?;
        let (id, at_us) = (new_id(), self.now_us()?);
        self.change(&[Topic::Warnings], |own, _| {
            ensure_user(own, player.steam, at_us)?;
            let what = "vpid_warnings (id, steam, reason, created_us) VALUES (?, ?, ?, ?)";
            let steam = steam_value(player.steam);
            own.insert_new(what, &[id_value(id), steam, reason.into(), at_us.into()])?;
            Ok(Ok(id))
        })
    }

    /// Withdraws the warning whose id begins so; gives it as it was.
    pub fn withdraw_warning(&mut self, id: &str) -> Result<Warning, AdminError> {
        let select = Select {
            table: "vpid_warnings",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE w.id LIKE ?"),
            order: "w.id",
            params: &[id_pattern(id)],
        };
        let warning = only(select.first(&mut self.own, 2, read)?, "warning", id)?;
        let at_us = self.now_us()?;
        self.change(&[Topic::Warnings], |own, _| {
            let update =
                "UPDATE vpid_warnings SET withdrawn_us = ? WHERE id = ? AND withdrawn_us IS NULL";
            own.run(update, &[at_us.into(), id_value(warning.id)])?;
            Ok(Ok(()))
        })?;
        Ok(warning)
    }
}
