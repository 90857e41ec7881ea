//! Rewards: console commands for the members of a group, or for every player.

use jiff::Timestamp;
use serde::Serialize;

use super::rows::Select;
use super::{Admin, AdminError, Listing, Topic, Window, fitting, groups, id_pattern, new_id, only};
use crate::io::community::row::{Row, id_value};
use crate::io::sql::own::{OwnError, Value};
use crate::limits::{COMMUNITY_COMMAND_CHARS_MAX, GROUP_NAME_CHARS_MAX};
use crate::protocol::backend::RewardEvent;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reward {
    pub id: Uuid,
    pub name: String,
    /// Whose members get it; `None`: every player.
    pub group: Option<String>,
    pub event: RewardEvent,
    pub command: String,
    /// Once for each membership, or for each player where it has no group; else whenever the event happens.
    pub once: bool,
    /// Once on all servers together.
    pub once_from_all: bool,
    pub position: i64,
    pub enabled: bool,
    pub created: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReward<'a> {
    pub name: &'a str,
    pub command: &'a str,
    pub edit: RewardEdit,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewardEdit {
    pub name: Option<String>,
    pub command: Option<String>,
    /// `Some(None)`: for every player.
    pub group: Option<Option<String>>,
    pub event: Option<RewardEvent>,
    pub once: Option<bool>,
    pub once_from_all: Option<bool>,
    pub position: Option<i64>,
    pub enabled: Option<bool>,
}

const COLUMNS: &str = "r.id, r.name, r.group_id, g.name, r.event, r.command, r.once, r.once_from_all, r.position, \
                       r.enabled, r.created_us";
const FROM: &str = "vpid_rewards r LEFT JOIN vpid_groups g ON g.id = r.group_id";

fn read(row: &mut Row) -> Result<Reward, OwnError> {
    let (id, name) = (row.id()?, row.text_or_empty()?);
    let (group_id, group) = (row.text_or_empty()?, row.text_or_empty()?);
    let event = row.text_or_empty()?;
    Ok(Reward {
        id,
        name,
        group: match (group_id.is_empty(), group.is_empty()) {
            (true, _) => None,
            // A group that was removed: the reward is nobody's.
            (false, true) => Some(format!("({group_id})")),
            (false, false) => Some(group),
        },
        event: event_of(&event).ok_or(OwnError::Odd("vpid_rewards"))?,
        command: row.text_or_empty()?,
        once: row.flag()?,
        once_from_all: row.flag()?,
        position: row.number()?,
        enabled: row.flag()?,
        created: row.time()?,
    })
}

/// By its name, in letters of either case.
pub fn event_of(name: &str) -> Option<RewardEvent> {
    serde_json::from_value(name.to_ascii_uppercase().into()).ok()
}

/// As the column has it.
pub fn event_name(event: RewardEvent) -> String {
    let name = serde_json::to_value(event).ok();
    let name = name.and_then(|name| name.as_str().map(str::to_owned));
    name.unwrap_or_default()
}

impl Admin {
    pub fn rewards(&mut self, window: Window) -> Result<Listing<Reward>, AdminError> {
        let select = Select {
            table: "vpid_rewards",
            columns: COLUMNS,
            from: FROM,
            order: "r.position, r.id",
            params: &[],
        };
        select.part(&mut self.own, window, read)
    }

    fn reward(&mut self, id: &str) -> Result<Reward, AdminError> {
        let select = Select {
            table: "vpid_rewards",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE r.id LIKE ?"),
            order: "r.id",
            params: &[id_pattern(id)],
        };
        only(select.first(&mut self.own, 2, read)?, "reward", id)
    }

    pub fn add_reward(&mut self, reward: &NewReward<'_>) -> Result<Uuid, AdminError> {
        let (id, at_us) = (new_id(), self.now_us()?);
        let edit = RewardEdit {
            name: Some(reward.name.to_owned()),
            command: Some(reward.command.to_owned()),
            ..reward.edit.clone()
        };
        let set = self.columns_of(&edit)?;
        self.change(&[Topic::Rewards], |own, counters| {
            let last = "SELECT COALESCE(MAX(position), 0) FROM vpid_rewards WHERE id <> ?";
            let last = own.rows(last, &[id_value(id)])?;
            let last = last.first().and_then(|row| row[0].integer()).unwrap_or(0);
            let what = "vpid_rewards (id, name, event, command, position, created_us, changed) \
                        VALUES (?, '', 'DIRECT', '', ?, ?, ?)";
            let position = last.saturating_add(1).into();
            own.insert_new(
                what,
                &[id_value(id), position, at_us.into(), counters[0].into()],
            )?;
            for (column, value) in &set {
                let update = format!("UPDATE vpid_rewards SET {column} = ? WHERE id = ?");
                own.run(&update, &[value.clone(), id_value(id)])?;
            }
            Ok(Ok(id))
        })
    }

    pub fn edit_reward(&mut self, id: &str, edit: &RewardEdit) -> Result<Uuid, AdminError> {
        let reward = self.reward(id)?;
        let set = self.columns_of(edit)?;
        self.change(&[Topic::Rewards], |own, counters| {
            for (column, value) in &set {
                let update =
                    format!("UPDATE vpid_rewards SET {column} = ?, changed = ? WHERE id = ?");
                let params = [value.clone(), counters[0].into(), id_value(reward.id)];
                own.run(&update, &params)?;
            }
            Ok(Ok(reward.id))
        })
    }

    /// Gives it as it was.
    pub fn remove_reward(&mut self, id: &str) -> Result<Reward, AdminError> {
        let reward = self.reward(id)?;
        self.change(&[Topic::Rewards], |own, _| {
            own.run(
                "DELETE FROM vpid_rewards WHERE id = ?",
                &[id_value(reward.id)],
            )?;
            Ok(Ok(()))
        })?;
        Ok(reward)
    }

    /// The columns that are set, with their values.
    fn columns_of(&mut self, edit: &RewardEdit) -> Result<Vec<(&'static str, Value)>, AdminError> {
        let mut set = Vec::new();
        if let Some(name) = &edit.name {
            fitting(name, "the name", GROUP_NAME_CHARS_MAX)?;
            set.push(("name", name.as_str().into()));
        }
        if let Some(command) = &edit.command {
            fitting(command, "the command", COMMUNITY_COMMAND_CHARS_MAX)?;
            set.push(("command", command.as_str().into()));
        }
        match &edit.group {
            Some(Some(name)) => {
                let (id, _) = groups::find(&mut self.own, name)??;
                set.push(("group_id", id_value(id)));
            }
            Some(None) => set.push(("group_id", Value::Null)),
            None => {}
        }
        set.extend(edit.event.map(|event| ("event", event_name(event).into())));
        set.extend(edit.once.map(|it| ("once", it.into())));
        set.extend(edit.once_from_all.map(|it| ("once_from_all", it.into())));
        set.extend(edit.position.map(|it| ("position", it.into())));
        set.extend(edit.enabled.map(|it| ("enabled", it.into())));
        Ok(set)
    }
}
