//! Users: who is known, and who is an administrator.

use jiff::Timestamp;
use serde::Serialize;

use super::rows::{Select, end_memberships, ensure_user, wherever};
use super::{Admin, AdminError, Found, Listing, Topic, Window, fitting_name};
use crate::io::community::row::{Row, steam_value, sum_of_ms};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::{CANDIDATES_MAX, COMMUNITY_NAME_CHARS_MAX};
use crate::protocol::steam_id::SteamId;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct User {
    pub steam: SteamId,
    pub steam3: String,
    pub name: String,
    pub admin: bool,
    pub created: Timestamp,
    pub seen: Option<Timestamp>,
}

/// A user with what there is about them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserSummary {
    #[serde(flatten)]
    pub user: User,
    pub groups: Vec<String>,
    pub bans_in_force: u64,
    pub bans: u64,
    pub warnings: u64,
    pub playtime_ms: i64,
}

/// Whom an operator means. The name is empty where none is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    pub steam: SteamId,
    pub name: String,
}

impl std::fmt::Display for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name.is_empty() {
            true => f.write_str(&self.steam.steam3()),
            false => write!(f, "{} {}", self.name, self.steam.steam3()),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserEdit {
    pub name: Option<String>,
    pub admin: Option<bool>,
}

const COLUMNS: &str = "steam, name, admin, created_us, seen_us";

fn read(row: &mut Row) -> Result<User, OwnError> {
    let steam = row.steam()?;
    Ok(User {
        steam,
        steam3: steam.steam3(),
        name: row.text_or_empty()?,
        admin: row.flag()?,
        created: row.time()?,
        seen: row.time_or_null()?,
    })
}

/// A SteamID in any form; letters of either case.
pub fn steam_id(text: &str) -> Option<SteamId> {
    text.trim().to_ascii_uppercase().parse().ok()
}

impl Admin {
    /// Whom a text means: a SteamID, a whole name, or a part of one that only one has.
    pub fn find_player(&mut self, text: &str) -> Result<Player, AdminError> {
        if let Some(steam) = steam_id(text) {
            let name = self.user(steam)?.map(|user| user.name);
            let name = name.unwrap_or_default();
            return Ok(Player { steam, name });
        }
        if text.trim().is_empty() {
            return Err(AdminError::Empty {
                what: "the player's name",
            });
        }
        let same = "name = ?";
        let same_in_any_case = "LOWER(name) = LOWER(?)";
        let part = "INSTR(LOWER(name), LOWER(?)) > 0";
        for condition in [same, same_in_any_case, part] {
            let mut found = self.named(condition, text)?;
            match found.len() {
                0 => {}
                1 => return Ok(found.remove(0)),
                _ => {
                    let found = found.iter().map(Player::to_string).collect();
                    let text = text.to_owned();
                    return Err(AdminError::SeveralPlayers { text, found });
                }
            }
        }
        Err(AdminError::NoPlayer(text.to_owned()))
    }

    fn named(&mut self, condition: &str, text: &str) -> Result<Vec<Player>, OwnError> {
        let select = Select {
            table: "vpid_users",
            columns: "steam, name",
            from: &format!("vpid_users WHERE {condition}"),
            order: "steam",
            params: &[text.into()],
        };
        select.first(&mut self.own, CANDIDATES_MAX + 1, |row| {
            Ok(Player {
                steam: row.steam()?,
                name: row.text_or_empty()?,
            })
        })
    }

    pub fn user(&mut self, steam: SteamId) -> Result<Option<User>, AdminError> {
        let select = Select {
            table: "vpid_users",
            columns: COLUMNS,
            from: "vpid_users WHERE steam = ?",
            order: "steam",
            params: &[steam_value(steam)],
        };
        Ok(select.first(&mut self.own, 1, read)?.pop())
    }

    /// `part`: of a name, or a SteamID. `admins`: administrators alone.
    pub fn users(
        &mut self,
        part: Option<&str>,
        admins: bool,
        window: Window,
    ) -> Result<Listing<User>, AdminError> {
        let mut conditions = Vec::new();
        let mut params: Vec<Value> = Vec::new();
        if admins {
            conditions.push("admin <> 0");
        }
        match part.map(|part| (steam_id(part), part)) {
            Some((Some(steam), _)) => {
                conditions.push("steam = ?");
                params.push(steam_value(steam));
            }
            Some((None, part)) => {
                conditions.push("INSTR(LOWER(name), LOWER(?)) > 0");
                params.push(part.into());
            }
            None => {}
        }
        let select = Select {
            table: "vpid_users",
            columns: COLUMNS,
            from: &format!("vpid_users{}", wherever(&conditions)),
            order: "steam",
            params: &params,
        };
        select.part(&mut self.own, window, read)
    }

    /// `None`: no such user.
    pub fn user_summary(&mut self, steam: SteamId) -> Result<Option<UserSummary>, AdminError> {
        let Some(user) = self.user(steam)? else {
            return Ok(None);
        };
        let now = Value::Integer(self.now_us()?);
        let own = &mut self.own;
        let mut count = |sql: &str, params: &[Value]| {
            let rows = own.rows(sql, params)?;
            Ok::<_, OwnError>(rows.first().and_then(|row| row[0].integer()).unwrap_or(0))
        };
        let bans = count(
            "SELECT COUNT(*) FROM vpid_bans WHERE steam = ?",
            &[steam_value(steam)],
        )?;
        let in_force = "SELECT COUNT(*) FROM vpid_bans WHERE steam = ? AND lifted_us IS NULL \
                        AND (ends_us IS NULL OR ends_us > ?)";
        let in_force = count(in_force, &[steam_value(steam), now.clone()])?;
        let warnings =
            "SELECT COUNT(*) FROM vpid_warnings WHERE steam = ? AND withdrawn_us IS NULL";
        let warnings = count(warnings, &[steam_value(steam)])?;
        let playtime = format!("SELECT {} FROM vpid_playtime WHERE steam = ?", sum_of_ms());
        let playtime_ms = count(&playtime, &[steam_value(steam)])?;
        let groups = "SELECT DISTINCT g.name FROM vpid_members m JOIN vpid_groups g ON g.id = m.group_id \
                      WHERE m.steam = ? AND m.begin_us <= ? AND (m.end_us IS NULL OR m.end_us > ?) ORDER BY g.name";
        let groups = own.rows(groups, &[steam_value(steam), now.clone(), now])?;
        let groups = groups.iter().filter_map(|row| row[0].text());
        Ok(Some(UserSummary {
            user,
            groups: groups.map(str::to_owned).collect(),
            bans_in_force: in_force.unsigned_abs(),
            bans: bans.unsigned_abs(),
            warnings: warnings.unsigned_abs(),
            playtime_ms,
        }))
    }

    /// Gives whether there was no such user.
    pub fn add_user(&mut self, steam: SteamId, edit: &UserEdit) -> Result<bool, AdminError> {
        let at_us = self.now_us()?;
        self.write_user(steam, edit, move |own| ensure_user(own, steam, at_us))
    }

    /// Gives whether there is such a user.
    pub fn edit_user(&mut self, steam: SteamId, edit: &UserEdit) -> Result<bool, AdminError> {
        self.write_user(steam, edit, move |own| {
            let rows = own.rows(
                "SELECT 1 FROM vpid_users WHERE steam = ?",
                &[steam_value(steam)],
            )?;
            Ok(!rows.is_empty())
        })
    }

    fn write_user(
        &mut self,
        steam: SteamId,
        edit: &UserEdit,
        mut first: impl FnMut(&mut Own) -> Result<bool, OwnError>,
    ) -> Result<bool, AdminError> {
        let name = edit.name.as_deref();
        let name = name.map(|name| fitting_name(name, COMMUNITY_NAME_CHARS_MAX));
        let name = name.transpose()?;
        let topics: &[Topic] = match edit.admin {
            Some(_) => &[Topic::Members],
            None => &[],
        };
        self.change(topics, |own, _| {
            let found = first(own)?;
            if let Some(name) = name {
                let update = "UPDATE vpid_users SET name = ? WHERE steam = ?";
                own.run(update, &[name.into(), steam_value(steam)])?;
            }
            if let Some(admin) = edit.admin {
                let update = "UPDATE vpid_users SET admin = ? WHERE steam = ?";
                own.run(update, &[admin.into(), steam_value(steam)])?;
            }
            Ok(Ok(found))
        })
    }

    /// Removes the user with memberships, warnings and playtime. Bans stay: who is forgotten is not let in by that.
    /// Gives whether there was such a user.
    pub fn remove_user(&mut self, steam: SteamId) -> Result<bool, AdminError> {
        let at_us = self.now_us()?;
        let topics = [Topic::Members, Topic::Warnings];
        self.change(&topics, |own, counters| -> Found<bool> {
            end_memberships(own, steam, None, at_us, counters[0])?;
            for table in ["vpid_warnings", "vpid_playtime"] {
                own.run(
                    &format!("DELETE FROM {table} WHERE steam = ?"),
                    &[steam_value(steam)],
                )?;
            }
            let delete = "DELETE FROM vpid_users WHERE steam = ?";
            Ok(Ok(own.run(delete, &[steam_value(steam)])? > 0))
        })
    }

    /// Makes a user an administrator, or none any more; gives whether that changed anything.
    pub fn set_admin(&mut self, steam: SteamId, admin: bool) -> Result<bool, AdminError> {
        if self.user(steam)?.is_some_and(|user| user.admin) == admin {
            return Ok(false);
        }
        let edit = UserEdit {
            admin: Some(admin),
            ..UserEdit::default()
        };
        self.add_user(steam, &edit)?;
        Ok(true)
    }
}
