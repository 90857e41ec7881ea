//! What a player may do, by the rights that were fetched last. The backend judges again when it gets a
//! request; this is for what must be decided here, also while the backend is unreachable.

use super::orders::Length;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::protocol::backend::{BAN_EDIT, Group, Property, USER_EDIT, WARNING_EDIT};

/// What is known of a player's rights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rights {
    pub admin: bool,
    pub groups: Vec<Group>,
    /// When they were fetched, unix seconds.
    pub known_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    BanEdit,
    WarningEdit,
    BanShow,
    WarningShow,
    UserEdit,
    ReservedSlotUse,
}

impl Right {
    pub const ALL: [Self; 6] = [
        Self::BanEdit,
        Self::WarningEdit,
        Self::BanShow,
        Self::WarningShow,
        Self::UserEdit,
        Self::ReservedSlotUse,
    ];

    /// The name of the property, as groups grant it.
    pub const fn property(self) -> &'static str {
        match self {
            Self::BanEdit => BAN_EDIT,
            Self::WarningEdit => WARNING_EDIT,
            Self::BanShow => "ban_show",
            Self::WarningShow => "warning_show",
            Self::UserEdit => USER_EDIT,
            Self::ReservedSlotUse => "reserved_slot_use",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// To be treated as no, and said as what it is.
    Unknown,
}

/// Whether a player has a right in a bundle. Administrators have all; else the player's groups of that bundle
/// decide, and a denial wins. What a player has in other bundles decides nothing.
pub fn may(rights: Option<&Rights>, right: Right, now_s: i64) -> Verdict {
    let Some(rights) = rights else {
        return Verdict::Unknown;
    };
    let age_s = now_s.saturating_sub(rights.known_s);
    if !(-limits::VYHUB_RIGHTS_AHEAD_S_MAX..=limits::VYHUB_RIGHTS_S_MAX).contains(&age_s) {
        return Verdict::Unknown;
    }
    if rights.admin {
        return Verdict::Yes;
    }
    let groups = rights.groups.iter();
    match strictest(groups.filter_map(|group| granted(&group.properties, right))) {
        Some(true) => Verdict::Yes,
        _ => Verdict::No,
    }
}

/// What a list of properties says of a right, if it does.
fn granted(properties: &[Property], right: Right) -> Option<bool> {
    let named = |property: &&Property| property.name == right.property();
    strictest(properties.iter().filter(named).map(|one| one.granted))
}

fn strictest(all: impl Iterator<Item = bool>) -> Option<bool> {
    all.reduce(|one, other| one && other)
}

/// The longest ban in seconds that a player may give; `None`: any. It is that of the most generous
/// group that grants the right; a right that comes from no group has no bound.
pub fn max_ban(rights: &Rights) -> Option<u64> {
    if rights.admin {
        return None;
    }
    let mut longest = None;
    for group in &rights.groups {
        if granted(&group.properties, Right::BanEdit) == Some(true) {
            let bound_s = u64::try_from(group.max_ban_s?).unwrap_or(0);
            longest = longest.max(Some(bound_s));
        }
    }
    longest
}

/// Whether a ban is no longer than `max_ban` allows.
pub fn allows(max_s: Option<u64>, length: Length) -> bool {
    max_s.is_none_or(|max_s| length.seconds().is_some_and(|seconds| seconds <= max_s))
}

/// How high a player stands: as the highest group, without any below all, an administrator above.
pub fn level(rights: &Rights) -> i64 {
    if rights.admin {
        return i64::MAX;
    }
    let levels = rights.groups.iter().map(|group| group.permission_level);
    levels.max().unwrap_or(i64::MIN)
}

/// Whether an issuer may act against a target: unless that is known to stand higher. What is known
/// of a target counts whatever its age, since it protects.
pub fn outranks(issuer: &Rights, target: Option<&Rights>) -> bool {
    target.is_none_or(|target| level(target) <= level(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::uuid::Uuid;

    const NOW_S: i64 = 1_800_000_000;

    fn property(name: &str, granted: bool) -> Property {
        let name = name.into();
        Property { name, granted }
    }

    fn group(level: i64, ban_edit: Option<bool>, max_ban_s: Option<i64>) -> Group {
        let properties = ban_edit.map(|granted| property("ban_edit", granted));
        Group {
            id: Uuid(level as u128),
            name: "g".into(),
            permission_level: level,
            properties: properties.into_iter().collect(),
            max_ban_s,
            mappings: Vec::new(),
        }
    }

    fn rights(groups: Vec<Group>) -> Rights {
        Rights {
            groups,
            known_s: NOW_S,
            ..Rights::default()
        }
    }

    fn may_ban(rights: &Rights) -> Verdict {
        may(Some(rights), Right::BanEdit, NOW_S)
    }

    #[test]
    fn groups_grant_and_a_denial_of_any_wins() {
        assert_eq!(may_ban(&rights(vec![])), Verdict::No);
        assert_eq!(may_ban(&rights(vec![group(1, None, None)])), Verdict::No);
        let both = |high, low| rights(vec![group(9, high, None), group(1, low, None)]);
        assert_eq!(may_ban(&both(Some(true), None)), Verdict::Yes);
        assert_eq!(may_ban(&both(None, Some(true))), Verdict::Yes);
        assert_eq!(may_ban(&both(Some(true), Some(false))), Verdict::No);
        assert_eq!(may_ban(&both(Some(false), Some(true))), Verdict::No);
        let one = rights(vec![group(9, Some(true), None)]);
        for other in [Right::WarningEdit, Right::BanShow, Right::WarningShow] {
            assert_eq!(may(Some(&one), other, NOW_S), Verdict::No, "{other:?}");
        }
    }

    #[test]
    fn administrators_have_all() {
        let mut one = rights(vec![group(1, Some(false), Some(60))]);
        one.admin = true;
        for right in [Right::BanEdit, Right::WarningEdit, Right::BanShow] {
            assert_eq!(may(Some(&one), right, NOW_S), Verdict::Yes);
        }
        assert_eq!((max_ban(&one), level(&one)), (None, i64::MAX));
    }

    #[test]
    fn what_is_old_or_from_the_future_is_not_known() {
        let one = Rights {
            admin: true,
            ..rights(vec![])
        };
        assert_eq!(may(None, Right::BanEdit, NOW_S), Verdict::Unknown);
        for (now_s, expected) in [
            (NOW_S + limits::VYHUB_RIGHTS_S_MAX, Verdict::Yes),
            (NOW_S + limits::VYHUB_RIGHTS_S_MAX + 1, Verdict::Unknown),
            (NOW_S - limits::VYHUB_RIGHTS_AHEAD_S_MAX, Verdict::Yes),
            (
                NOW_S - limits::VYHUB_RIGHTS_AHEAD_S_MAX - 1,
                Verdict::Unknown,
            ),
            (i64::MAX, Verdict::Unknown),
            (i64::MIN, Verdict::Unknown),
        ] {
            assert_eq!(may(Some(&one), Right::BanEdit, now_s), expected, "{now_s}");
        }
    }

    #[test]
    fn the_most_generous_group_that_grants_bounds_a_ban() {
        for (groups, expected) in [
            (vec![], None),
            (
                vec![
                    group(1, Some(true), Some(60)),
                    group(2, Some(true), Some(90)),
                ],
                Some(90),
            ),
            (
                vec![group(1, Some(true), Some(60)), group(2, None, None)],
                Some(60),
            ),
            (
                vec![group(1, Some(true), Some(60)), group(2, None, Some(90))],
                Some(60),
            ),
            (
                vec![group(1, Some(true), Some(60)), group(2, Some(true), None)],
                None,
            ),
            (vec![group(1, Some(true), Some(-1))], Some(0)),
        ] {
            assert_eq!(max_ban(&rights(groups.clone())), expected, "{groups:?}");
        }
        assert!(allows(None, Length::Permanent));
        assert!(!allows(Some(u64::MAX), Length::Permanent));
        assert!(allows(Some(60), Length::Seconds(60)));
        assert!(!allows(Some(60), Length::Seconds(61)));
    }

    #[test]
    fn nobody_acts_against_a_higher_one() {
        let of = |level| rights(vec![group(0, None, None), group(level, None, None)]);
        assert!(outranks(&of(5), Some(&of(5))));
        assert!(outranks(&of(5), Some(&of(4))));
        assert!(!outranks(&of(5), Some(&of(6))));
        assert!(outranks(&rights(vec![]), None));
        assert!(outranks(
            &rights(vec![group(-5, None, None)]),
            Some(&rights(vec![]))
        ));
        assert!(!outranks(&rights(vec![]), Some(&of(1))));
        let admin = Rights {
            admin: true,
            ..rights(vec![])
        };
        assert!(!outranks(&of(i64::MAX - 1), Some(&admin)));
        assert!(outranks(&admin, Some(&admin)));
    }

    #[test]
    fn rights_come_back_from_the_cache() {
        let one = rights(vec![group(3, Some(true), Some(60))]);
        let mut value = serde_json::to_value(&one).unwrap();
        // As older versions wrote it.
        value["properties"] = serde_json::json!([{"name": "ban_edit", "granted": true}]);
        assert_eq!(serde_json::from_value::<Rights>(value).unwrap(), one);
    }
}
