//! Groups: their levels, and what they grant and deny.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rows::Select;
use super::{Admin, AdminError, Found, Topic, fitting_name, new_id};
use crate::io::community::changes;
use crate::io::community::row::{Row, id_value};
use crate::io::sql::own::{Own, OwnError};
use crate::limits::{COMMUNITY_GROUPS_MAX, GROUP_NAME_CHARS_MAX};
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub id: Uuid,
    pub name: String,
    pub level: i64,
    /// Members also have what groups of lower levels grant, where this one does not say otherwise.
    pub inherits: bool,
    /// Longest ban in seconds; `None`: no bound.
    pub max_ban_s: Option<i64>,
    /// Whether each property is granted or denied.
    pub properties: BTreeMap<String, bool>,
    /// Who is in it now.
    pub members: u64,
}

/// What is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupEdit {
    pub name: Option<String>,
    pub level: Option<i64>,
    pub inherits: Option<bool>,
    /// In seconds; `Some(None)`: no bound.
    pub max_ban_s: Option<Option<i64>>,
    /// By their names; `None`: the group says nothing of it any more.
    pub properties: BTreeMap<String, Option<bool>>,
}

fn read(row: &mut Row) -> Result<Group, OwnError> {
    Ok(Group {
        id: row.id()?,
        name: row.text_or_empty()?,
        level: row.number()?,
        inherits: row.flag()?,
        max_ban_s: row.number_or_null()?,
        properties: BTreeMap::new(),
        members: 0,
    })
}

/// All groups, the highest first.
fn all(own: &mut Own) -> Result<Vec<Group>, OwnError> {
    let select = Select {
        table: "vpid_groups",
        columns: "id, name, level, inherits, max_ban_s",
        from: "vpid_groups",
        order: "level DESC, name",
        params: &[],
    };
    let mut groups = select.first(own, COMMUNITY_GROUPS_MAX, read)?;
    let properties = "SELECT group_id, name, granted FROM vpid_properties";
    for row in own.rows(properties, &[])? {
        let mut row = Row::new("vpid_properties", row);
        let (id, name, granted) = (row.id()?, row.text_or_empty()?, row.flag()?);
        if let Some(group) = groups.iter_mut().find(|group| group.id == id) {
            group.properties.insert(name, granted);
        }
    }
    let now = changes::clock_us(own)?;
    let members = "SELECT group_id, COUNT(DISTINCT steam) FROM vpid_members \
                   WHERE begin_us <= ? AND (end_us IS NULL OR end_us > ?) GROUP BY group_id";
    for row in own.rows(members, &[now.into(), now.into()])? {
        let mut row = Row::new("vpid_members", row);
        let (id, count) = (row.id()?, row.number()?);
        if let Some(group) = groups.iter_mut().find(|group| group.id == id) {
            group.members = count.unsigned_abs();
        }
    }
    Ok(groups)
}

/// The ids and names of all, the highest first.
fn names(own: &mut Own) -> Result<Vec<(Uuid, String)>, OwnError> {
    let rows = own.rows("SELECT id, name FROM vpid_groups ORDER BY level DESC", &[])?;
    let mut groups = Vec::new();
    for row in rows {
        let mut row = Row::new("vpid_groups", row);
        groups.push((row.id()?, row.text_or_empty()?));
    }
    Ok(groups)
}

/// Whether a group can be called so: no other has the name, in letters of either case.
fn can_be_called(own: &mut Own, id: Uuid, name: &str) -> Found<()> {
    let folded = name.to_lowercase();
    let mut alike = names(own)?;
    // A repetition finds its own row.
    alike.retain(|(other, known)| *other != id && known.trim().to_lowercase() == folded);
    if alike.iter().any(|(_, known)| known == name) {
        return Ok(Err(AdminError::GroupExists(name.to_owned())));
    }
    Ok(match alike.pop() {
        Some((_, known)) => Err(AdminError::GroupAlike(known)),
        None => Ok(()),
    })
}

/// The id and name of the group with this name; letters of the other case count where no other has the name.
pub(super) fn find(own: &mut Own, name: &str) -> Found<(Uuid, String)> {
    let groups = names(own)?;
    if let Some(found) = groups.iter().find(|(_, known)| known == name) {
        return Ok(Ok(found.clone()));
    }
    let name = name.trim();
    let folded = name.to_lowercase();
    let alike = groups
        .iter()
        .filter(|(_, known)| known.to_lowercase() == folded);
    let alike: Vec<_> = alike.collect();
    Ok(match alike[..] {
        [found] => Ok(found.clone()),
        _ => Err(AdminError::NoGroup {
            name: name.to_owned(),
            known: groups.into_iter().map(|(_, name)| name).collect(),
        }),
    })
}

impl Admin {
    pub fn groups(&mut self) -> Result<Vec<Group>, AdminError> {
        Ok(all(&mut self.own)?)
    }

    pub fn group(&mut self, name: &str) -> Result<Group, AdminError> {
        let (id, _) = find(&mut self.own, name)??;
        let group = all(&mut self.own)?.into_iter().find(|it| it.id == id);
        group.ok_or_else(|| AdminError::NoGroup {
            name: name.to_owned(),
            known: Vec::new(),
        })
    }

    pub fn add_group(&mut self, name: &str, edit: &GroupEdit) -> Result<(), AdminError> {
        let name = fitting_name(name, GROUP_NAME_CHARS_MAX)?;
        let id = new_id();
        self.change(&[Topic::Groups], |own, counters| {
            if let Err(error) = can_be_called(own, id, name)? {
                return Ok(Err(error));
            }
            let what = "vpid_groups (id, name, level, changed) VALUES (?, ?, 0, ?)";
            own.insert_new(what, &[id_value(id), name.into(), counters[0].into()])?;
            write(own, id, edit, counters[0])
        })
    }

    /// Gives what the group is called then.
    pub fn edit_group(&mut self, name: &str, edit: &GroupEdit) -> Result<String, AdminError> {
        let mut edit = edit.clone();
        if let Some(name) = &mut edit.name {
            *name = fitting_name(name, GROUP_NAME_CHARS_MAX)?.to_owned();
        }
        let (id, old) = find(&mut self.own, name)??;
        self.change(&[Topic::Groups], |own, counters| {
            if let Some(new) = &edit.name
                && let Err(error) = can_be_called(own, id, new)?
            {
                return Ok(Err(error));
            }
            write(own, id, &edit, counters[0])
        })?;
        Ok(edit.name.unwrap_or(old))
    }

    /// Ends its memberships; gives its name and how many these were.
    pub fn remove_group(&mut self, name: &str) -> Result<(String, u64), AdminError> {
        let (id, name) = find(&mut self.own, name)??;
        let at_us = self.now_us()?;
        let topics = [Topic::Groups, Topic::Members, Topic::Rewards];
        let ended = self.change(&topics, |own, counters| {
            let end = "UPDATE vpid_members SET end_us = CASE WHEN begin_us > ? THEN begin_us ELSE ? END, \
                       changed = ? WHERE group_id = ? AND (end_us IS NULL OR end_us > ?)";
            let at = at_us.into();
            let params = [at, at_us.into(), counters[1].into(), id_value(id), at_us.into()];
            let ended = own.run(end, &params)?;
            // Its rewards belong to nobody then; without a group they would be everybody's.
            let disable = "UPDATE vpid_rewards SET enabled = 0, changed = ? WHERE group_id = ?";
            own.run(disable, &[counters[2].into(), id_value(id)])?;
            let properties = "DELETE FROM vpid_properties WHERE group_id = ?";
            own.run(properties, &[id_value(id)])?;
            own.run("DELETE FROM vpid_groups WHERE id = ?", &[id_value(id)])?;
            Ok(Ok(ended))
        })?;
        Ok((name, ended))
    }
}

fn write(own: &mut Own, id: Uuid, edit: &GroupEdit, counter: i64) -> Found<()> {
    let mut set = |column: &str, value| {
        let update = format!("UPDATE vpid_groups SET {column} = ?, changed = ? WHERE id = ?");
        own.run(&update, &[value, counter.into(), id_value(id)])
    };
    if let Some(name) = &edit.name {
        set("name", name.as_str().into())?;
    }
    if let Some(level) = edit.level {
        set("level", level.into())?;
    }
    if let Some(inherits) = edit.inherits {
        set("inherits", inherits.into())?;
    }
    if let Some(max_ban_s) = edit.max_ban_s {
        set("max_ban_s", max_ban_s.into())?;
    }
    for (name, granted) in &edit.properties {
        let key = [id_value(id), name.as_str().into()];
        own.run(
            "DELETE FROM vpid_properties WHERE group_id = ? AND name = ?",
            &key,
        )?;
        if let Some(granted) = granted {
            let [id, name] = key;
            let what = "vpid_properties (group_id, name, granted) VALUES (?, ?, ?)";
            own.insert_new(what, &[id, name, (*granted).into()])?;
        }
    }
    if !edit.properties.is_empty() {
        let update = "UPDATE vpid_groups SET changed = ? WHERE id = ?";
        own.run(update, &[counter.into(), id_value(id)])?;
    }
    Ok(Ok(()))
}
