//! `!setgroup`, `!removegroup` and the functions for them: memberships begin and end by the outbox.

use super::Groups;
use super::members::names_in;
use crate::core::community::Cx;
use crate::core::community::commands::Order;
use crate::core::community::orders::{Command, Length, Target};
use crate::core::community::rights::{level, outranks};
use crate::core::community::targets::several;
use crate::core::community::words::Problem;
use crate::core::outbox::Change;
use crate::limits;
use crate::protocol::backend::Group;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

impl Groups {
    pub fn order(&mut self, order: &Order, cx: &mut Cx<'_>) {
        let done = match &order.command {
            Command::SetGroup { who, group, length } => self.set(order, who, group, *length, cx),
            Command::RemoveGroup { who, group } => self.remove(order, who, group.as_deref(), cx),
            _ => Ok(()),
        };
        if let Err(problem) = done {
            cx.refuse(order, &problem);
        }
    }

    fn set(
        &mut self,
        order: &Order,
        who: &Target,
        group: &str,
        length: Length,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let target = self.target(order, who, cx)?;
        let group = self.find(order, group, cx)?;
        let change = Change::Membership {
            group: group.id,
            group_name: group.name.clone(),
            length_s: length.seconds(),
        };
        cx.accept(order, target, change)
    }

    fn remove(
        &mut self,
        order: &Order,
        who: &Target,
        group: Option<&str>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let target = self.target(order, who, cx)?;
        let group = match group {
            Some(group) => Some(self.find(order, group, cx)?),
            None => None,
        };
        let change = Change::MembershipEnd {
            group: group.map(|group| group.id),
            group_name: group.map(|group| group.name.clone()).unwrap_or_default(),
        };
        cx.accept(order, target, change)
    }

    /// The player of an order, who must not rank (or possibly rank) above its issuer.
    fn target(
        &self,
        order: &Order,
        who: &Target,
        cx: &mut Cx<'_>,
    ) -> Result<(SteamId, String), Problem> {
        let (steam, name) = cx.confirmed_target(order, who)?;
        let player = order.player.as_ref();
        let rights = player.and_then(|player| cx.directory.rights(player.steam, order.bundle));
        let target = cx.directory.rights(steam, order.bundle);
        if player.is_some() && target.is_none() {
            cx.directory.want_rights(steam, order.bundle, cx.now);
            return Err(Problem::new("rank_unknown", &[("player", &name)]));
        }
        match rights.is_some_and(|rights| !outranks(rights, target)) {
            true => Err(Problem::new("player_higher", &[("player", &name)])),
            false => Ok((steam, name)),
        }
    }

    /// The group that an order means: none that ranks higher than its issuer.
    fn find(&mut self, order: &Order, wanted: &str, cx: &Cx<'_>) -> Result<&Group, Problem> {
        let known = &self.definitions.known;
        let group = match named(wanted, order.bundle, known.values()) {
            Ok(Some(group)) => group,
            Err(found) => return Err(several(wanted, candidates(&found))),
            Ok(None) => {
                // It may be new.
                self.definitions.due_ms = self.definitions.due_ms.min(cx.now.mono_ms);
                if known.is_empty() {
                    return Err(Problem::new("groups_unknown", &[]));
                }
                let names: Vec<&str> = known.values().map(|group| group.name.as_str()).collect();
                let shown = names[..names.len().min(limits::CANDIDATES_MAX)].join(", ");
                let values = [("text", wanted), ("groups", &shown)];
                return Err(Problem::new("group_unknown", &values));
            }
        };
        let player = order.player.as_ref();
        let rights = player.and_then(|player| cx.directory.rights(player.steam, order.bundle));
        match rights.is_some_and(|rights| level(rights) < group.permission_level) {
            true => Err(Problem::new("group_higher", &[("group", &group.name)])),
            false => Ok(group),
        }
    }
}

/// The group with this id; else the one of this name; else the one that games call so. A name in letters of the other
/// case counts where none is the same.
///
/// # Errors
///
/// Those that are meant equally well.
fn named<'g>(
    wanted: &str,
    bundle: Uuid,
    groups: impl Iterator<Item = &'g Group> + Clone,
) -> Result<Option<&'g Group>, Vec<&'g Group>> {
    let id = wanted.parse::<Uuid>().ok();
    let same = |name: &str| name == wanted;
    let alike = |name: &str| name.to_lowercase() == wanted.to_lowercase();
    let has_id = |group: &Group| Some(group.id) == id;
    let has_name = |group: &Group| same(&group.name);
    let has_name_alike = |group: &Group| alike(&group.name);
    let called = |group: &Group| names_in(group, bundle).iter().any(|name| same(name));
    let called_alike = |group: &Group| names_in(group, bundle).iter().any(|name| alike(name));
    let rules: [&dyn Fn(&Group) -> bool; 5] =
        [&has_id, &has_name, &has_name_alike, &called, &called_alike];
    for fits in rules {
        let found: Vec<&Group> = groups.clone().filter(|group| fits(group)).collect();
        match found.len() {
            0 => {}
            1 => return Ok(Some(found[0])),
            _ => return Err(found),
        }
    }
    Ok(None)
}

/// How groups that are meant equally well are listed: by name, or by id where they have the same name.
fn candidates(found: &[&Group]) -> Vec<String> {
    let has_one_name = found.iter().all(|group| group.name == found[0].name);
    let shown = found.iter().take(limits::CANDIDATES_MAX);
    let shown = shown.map(|group| match has_one_name {
        true => group.id.to_string(),
        false => group.name.clone(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::backend::Mapping;

    #[test]
    fn a_group_is_found_by_its_name_before_a_mapping_and_by_its_id() {
        let group = |id: u128, name: &str, mapping: &str, bundle: Option<Uuid>| Group {
            id: Uuid(id),
            name: name.into(),
            permission_level: 1,
            properties: Vec::new(),
            max_ban_s: None,
            mappings: vec![Mapping {
                name: mapping.into(),
                bundle,
            }],
        };
        let groups = [
            group(1, "Gold", "vip", None),
            group(2, "VIP", "donor", Some(Uuid(8))),
            group(3, "Admins", "admin", Some(Uuid(9))),
        ];
        let id = Uuid(3).to_string();
        for (wanted, expected) in [
            ("vip", Some(2)),
            ("GOLD", Some(1)),
            ("donor", Some(2)),
            ("admin", None),
            (&*id, Some(3)),
            ("owner", None),
        ] {
            let found = named(wanted, Uuid(8), groups.iter()).unwrap();
            assert_eq!(found.map(|group| group.id.0), expected, "{wanted}");
        }
    }

    #[test]
    fn the_exact_name_counts_before_one_in_letters_of_the_other_case() {
        let group = |id: u128, name: &str| Group {
            id: Uuid(id),
            name: name.into(),
            permission_level: 1,
            properties: Vec::new(),
            max_ban_s: None,
            mappings: Vec::new(),
        };
        let groups = [
            group(1, "VIP"),
            group(2, "vip"),
            group(3, "Twin"),
            group(4, "Twin"),
        ];
        let found = |wanted: &str| named(wanted, Uuid(8), groups.iter());
        for (wanted, id) in [("VIP", 1), ("vip", 2)] {
            assert_eq!(found(wanted).unwrap().unwrap().id, Uuid(id), "{wanted}");
        }
        let several = found("Vip").unwrap_err();
        assert_eq!(candidates(&several), ["VIP", "vip"]);
        let twins = found("twin").unwrap_err();
        assert_eq!(candidates(&twins), [3, 4].map(|id| Uuid(id).to_string()));
    }
}
