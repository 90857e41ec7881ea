//! Groups with what their members may do: their own properties, and those that they have from groups of lower levels.

use std::collections::BTreeMap;

use super::row::Row;
use crate::io::sql::own::{Own, OwnError};
use crate::limits::{GROUP_NAME_CHARS_MAX, LOCAL_GROUPS_MAX};
use crate::protocol::backend::{BAN_EDIT, Group, Mapping, Property};
use crate::protocol::uuid::Uuid;

/// All groups, the highest first.
pub(super) struct Groups(Vec<Group>);

/// As it stands in the table.
#[derive(Debug, Clone)]
struct Defined {
    id: Uuid,
    name: String,
    level: i64,
    inherits: bool,
    max_ban_s: Option<i64>,
    /// By name, whether it is granted.
    properties: BTreeMap<String, bool>,
}

impl Groups {
    pub fn read(own: &mut Own) -> Result<Self, OwnError> {
        let select = format!(
            "SELECT id, name, level, inherits, max_ban_s FROM vpid_groups ORDER BY level DESC, name LIMIT {LOCAL_GROUPS_MAX}"
        );
        let mut defined = Vec::new();
        for row in own.rows(&select, &[])? {
            let mut row = Row::new("vpid_groups", row);
            defined.push(Defined {
                id: row.id()?,
                name: row.text()?,
                level: row.number()?,
                inherits: row.flag()?,
                max_ban_s: row.number_or_null()?,
                properties: BTreeMap::new(),
            });
        }
        let select = "SELECT group_id, name, granted FROM vpid_properties";
        for row in own.rows(select, &[])? {
            let mut row = Row::new("vpid_properties", row);
            let (group, name, granted) = (row.id()?, row.text()?, row.flag()?);
            if let Some(group) = defined.iter_mut().find(|it| it.id == group) {
                group.properties.insert(name, granted);
            }
        }
        Ok(Self(
            defined.iter().map(|it| effective(it, &defined)).collect(),
        ))
    }

    pub fn all(&self) -> &[Group] {
        &self.0
    }

    pub fn get(&self, id: Uuid) -> Option<&Group> {
        self.0.iter().find(|group| group.id == id)
    }
}

/// What its members have. Of groups of one level that contradict each other, the denial counts.
fn effective(group: &Defined, all: &[Defined]) -> Group {
    let mut properties = group.properties.clone();
    let mut max_ban_s = group.max_ban_s;
    let lower = all.iter().filter(|it| it.level < group.level);
    let lower: Vec<&Defined> = lower.filter(|_| group.inherits).collect();
    // They come by falling levels.
    for level in lower.chunk_by(|one, other| one.level == other.level) {
        let mut of_level: BTreeMap<&String, bool> = BTreeMap::new();
        for (name, granted) in level.iter().flat_map(|it| &it.properties) {
            let all_grant = of_level.entry(name).or_insert(true);
            *all_grant &= *granted;
        }
        for (name, granted) in of_level {
            if properties.contains_key(name) {
                continue;
            }
            properties.insert(name.clone(), granted);
            if name == BAN_EDIT && granted && max_ban_s.is_none() {
                let bounds = level
                    .iter()
                    .filter(|it| it.properties.contains_key(BAN_EDIT));
                max_ban_s = bounds.filter_map(|it| it.max_ban_s).min();
            }
        }
    }
    let properties = properties.into_iter();
    let name: String = group.name.chars().take(GROUP_NAME_CHARS_MAX).collect();
    Group {
        id: group.id,
        permission_level: group.level,
        properties: properties
            .map(|(name, granted)| Property { name, granted })
            .collect(),
        max_ban_s,
        mappings: vec![Mapping {
            name: name.clone(),
            bundle: None,
        }],
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::backend::WARNING_EDIT;

    fn defined(level: i64, max_ban_s: Option<i64>, properties: &[(&str, bool)]) -> Defined {
        let properties = properties.iter();
        Defined {
            id: Uuid(level as u128),
            name: format!("g{level}"),
            level,
            inherits: true,
            max_ban_s,
            properties: properties
                .map(|(name, it)| (name.to_string(), *it))
                .collect(),
        }
    }

    fn has(group: &Group, name: &str) -> Option<bool> {
        let mut properties = group.properties.iter();
        Some(properties.find(|it| it.name == name)?.granted)
    }

    #[test]
    fn a_group_has_what_lower_ones_say_where_no_nearer_one_says_otherwise() {
        let all = [
            defined(9, None, &[("a", false)]),
            defined(5, None, &[("a", true), ("b", true)]),
            defined(1, None, &[("b", false), ("c", true)]),
        ];
        let top = effective(&all[0], &all);
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| has(&top, name)),
            [Some(false), Some(true), Some(true), None]
        );
        let low = effective(&all[2], &all);
        assert_eq!((has(&low, "a"), has(&low, "b")), (None, Some(false)));
        let mut alone = all[0].clone();
        alone.inherits = false;
        assert_eq!(has(&effective(&alone, &all), "b"), None);
    }

    #[test]
    fn of_one_level_the_denial_counts() {
        let mut twin = defined(1, None, &[("a", false)]);
        twin.id = Uuid(77);
        let all = [
            defined(2, None, &[]),
            defined(1, None, &[("a", true)]),
            twin,
        ];
        assert_eq!(has(&effective(&all[0], &all), "a"), Some(false));
    }

    /// Else a group above moderators could ban for ever by their right.
    #[test]
    fn who_bans_by_the_right_of_a_lower_group_has_its_bound() {
        let bans = [(BAN_EDIT, true)];
        for (own, properties, bound) in [
            (None, &[][..], Some(60)),
            (Some(90), &[][..], Some(90)),
            (None, &bans[..], None),
            (None, &[(WARNING_EDIT, true)][..], Some(60)),
        ] {
            let all = [defined(2, own, properties), defined(1, Some(60), &bans)];
            assert_eq!(effective(&all[0], &all).max_ban_s, bound, "{properties:?}");
        }
    }
}
