//! The operations that are played, with what each accepts; and which one a path means.

use crate::schema::{Field, Kind, field};

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    OpenApi,
    FrontendUrl,
    GetServer,
    EditServer,
    UserActivity,
    GetBundle,
    BundleBans,
    BundleWarnings,
    GetUser,
    CreateUser,
    UserGroups,
    UserProperties,
    Unban,
    ListBans,
    CreateBan,
    GetBan,
    EditBan,
    ListWarnings,
    CreateWarning,
    AllGroups,
    EndMemberships,
    CreateMembership,
    ListMemberships,
    EndMembershipsOfGroup,
    EndMembership,
    ListAdverts,
    GetDefinition,
    CreateDefinition,
    CreateAttribute,
    CurrentAttributes,
    ConfirmLogin,
    AppliedRewards,
    EditAppliedReward,
}

pub struct Operation {
    pub name: Name,
    pub method: &'static str,
    pub path: &'static str,
    pub query: &'static [Field],
    pub body: Option<&'static [Field]>,
}

const USER_TYPES: Kind = Kind::OneOf(&[
    "CENTRAL",
    "STEAM",
    "DISCORD",
    "MINECRAFT",
    "TEAMSPEAK3",
    "FIVEM",
    "ASA",
]);
const SERVER_TYPES: Kind = Kind::OneOf(&[
    "GMOD",
    "MINECRAFT",
    "TEAMSPEAK3",
    "DISCORD",
    "FIVEM",
    "RUST",
    "SEVEN_DAYS",
    "ASA",
    "SOURCE",
]);
const BAN_STATUS: Kind = Kind::OneOf(&["ACTIVE", "UNBANNED"]);
const SORTS: Kind = Kind::OneOf(&["created_on", "reason", "length", "status"]);

const REWARD_STATUS: Kind = Kind::OneOf(&["OPEN", "EXECUTED", "FAILED"]);

const NO_QUERY: &[Field] = &[];
const MORPH: &[Field] = &[field("morph_user_id", Kind::Uuid)];
const ACTIVE: &[Field] = &[field("active", Kind::Flag)];
const BUNDLE: &[Field] = &[field("serverbundle_id", Kind::Uuid)];
const UNBAN: &[Field] = &[BUNDLE[0], MORPH[0]];
const USER_TYPE: &[Field] = &[field("type", USER_TYPES)];
const WARNING_LIST: &[Field] = &[
    field("serverbundle_id", Kind::Uuid).repeats(),
    field("query", Kind::Text),
    field("sort_by", SORTS),
    field("sort_desc", Kind::Flag),
    field("user_id", Kind::Uuid),
    field("page", Kind::UpTo(u32::MAX as u64)),
    field("size", Kind::UpTo(100)),
];
const BAN_LIST: &[Field] = &[
    WARNING_LIST[0],
    WARNING_LIST[1],
    WARNING_LIST[2],
    WARNING_LIST[3],
    WARNING_LIST[4],
    WARNING_LIST[5],
    WARNING_LIST[6],
    ACTIVE[0],
];

const SERVER_PATCH: &[Field] = &[
    field("users_max", Kind::Count),
    field("users_current", Kind::Count),
    field("map", Kind::Text),
    field("name", Kind::Text),
    field("type", SERVER_TYPES),
    field("address", Kind::Text),
    field("port", Kind::Count),
    field("serverbundle_id", Kind::Uuid),
    field("extra", Kind::Object),
    field("hidden", Kind::Flag),
    field("is_alive", Kind::Flag),
    field("user_activities", Kind::ListOf(ACTIVITY)),
    field("secrets", Kind::Record(SECRETS)),
];
const ACTIVITY: &[Field] = &[
    field("user_id", Kind::Uuid).required(),
    field("extra", Kind::Object),
];
const SECRETS: &[Field] = &[field("username", Kind::Text), field("password", Kind::Text)];
const USER_ADD: &[Field] = &[
    field("type", USER_TYPES).required(),
    field("identifier", Kind::Text).required(),
    field("username", Kind::Text),
];
const BAN_ADD: &[Field] = &[
    field("length", Kind::Length),
    field("reason", Kind::Text),
    field("serverbundle_id", Kind::Uuid),
    field("creator_id", Kind::Uuid),
    field("user_id", Kind::Uuid).required(),
    field("status", BAN_STATUS),
    field("created_on", Kind::Date),
];
const BAN_PATCH: &[Field] = &[
    field("length", Kind::Length),
    field("reason", Kind::Text),
    field("serverbundle_id", Kind::Uuid),
    field("status", BAN_STATUS),
];
const WARNING_ADD: &[Field] = &[
    field("reason", Kind::Text),
    field("serverbundle_id", Kind::Uuid).required(),
    field("user_id", Kind::Uuid).required(),
];

const MEMBERSHIP_ADD: &[Field] = &[
    field("begin", Kind::Date),
    field("end", Kind::Date),
    field("group_id", Kind::Uuid).required(),
    field("serverbundle_id", Kind::Uuid).required(),
];
const DEFINITION_ADD: &[Field] = &[
    field("name", Kind::Text).required(),
    field("title", Kind::Text).required(),
    field("unit", Kind::Text).required(),
    field("type", Kind::OneOf(&["ACCUMULATED", "NEWEST"])).required(),
    field("statistics_interval", Kind::Text),
    field(
        "accumulation_interval",
        Kind::OneOf(&[
            "microseconds",
            "milliseconds",
            "second",
            "minute",
            "hour",
            "day",
            "week",
            "month",
            "quarter",
            "year",
            "decade",
            "century",
            "millennium",
        ]),
    ),
    field("unspecific", Kind::Flag).required(),
    field("requirement_set_id", Kind::Uuid),
];
const ATTRIBUTE_ADD: &[Field] = &[
    field("date", Kind::Date),
    field("value", Kind::Text).required(),
    field("definition_id", Kind::Uuid).required(),
    field("serverbundle_id", Kind::Uuid),
    field("user_id", Kind::Uuid).required(),
];
const LOGIN_PATCH: &[Field] = &[
    field("user_type", USER_TYPES).required(),
    field("identifier", Kind::Text).required(),
];
const OF_GROUP: &[Field] = &[
    field("group_id", Kind::Uuid).required(),
    BUNDLE[0],
    MORPH[0],
];
const ADVERT_LIST: &[Field] = &[WARNING_LIST[0], field("enabled", Kind::Flag)];
const APPLIED_REWARDS: &[Field] = &[
    WARNING_LIST[4].repeats(),
    WARNING_LIST[0],
    field("status", REWARD_STATUS).repeats(),
    field("for_server_id", Kind::Uuid),
    ACTIVE[0],
    field("foreign_ids", Kind::Flag),
    field("applied_packet_id", Kind::Uuid).repeats(),
];
const REWARD_PATCH: &[Field] = &[
    field("status", REWARD_STATUS),
    field("executed_on", Kind::Uuids),
];
const IS_TEAM: &[Field] = &[field("is_team", Kind::Flag)];

const fn get(name: Name, path: &'static str, query: &'static [Field]) -> Operation {
    Operation {
        name,
        method: "GET",
        path,
        query,
        body: None,
    }
}

const fn send(
    name: Name,
    method: &'static str,
    path: &'static str,
    query: &'static [Field],
    body: Option<&'static [Field]>,
) -> Operation {
    Operation {
        name,
        method,
        path,
        query,
        body,
    }
}

/// Fixed paths stand before those with a name in braces.
const OPERATIONS: &[Operation] = &[
    get(Name::OpenApi, "/openapi.json", NO_QUERY),
    get(Name::FrontendUrl, "/general/frontend-url", NO_QUERY),
    get(Name::GetBundle, "/server/bundle/{uuid}", NO_QUERY),
    get(Name::BundleBans, "/server/bundle/{uuid}/ban", ACTIVE),
    get(
        Name::BundleWarnings,
        "/server/bundle/{uuid}/warning",
        ACTIVE,
    ),
    get(Name::UserActivity, "/server/{uuid}/user-activity", MORPH),
    get(Name::GetServer, "/server/{uuid}", NO_QUERY),
    send(
        Name::EditServer,
        "PATCH",
        "/server/{uuid}",
        NO_QUERY,
        Some(SERVER_PATCH),
    ),
    send(Name::CreateUser, "POST", "/user/", NO_QUERY, Some(USER_ADD)),
    get(Name::AllGroups, "/group/", IS_TEAM),
    get(Name::ListAdverts, "/advert/", ADVERT_LIST),
    get(
        Name::AppliedRewards,
        "/packet/reward/applied/user",
        APPLIED_REWARDS,
    ),
    send(
        Name::EditAppliedReward,
        "PATCH",
        "/packet/reward/applied/{uuid}",
        NO_QUERY,
        Some(REWARD_PATCH),
    ),
    get(Name::UserGroups, "/user/{uuid}/group", BUNDLE),
    send(
        Name::EndMemberships,
        "DELETE",
        "/user/{uuid}/membership",
        UNBAN,
        None,
    ),
    send(
        Name::CreateMembership,
        "POST",
        "/user/{uuid}/membership",
        MORPH,
        Some(MEMBERSHIP_ADD),
    ),
    get(
        Name::GetDefinition,
        "/user/attribute/definition/{name}",
        NO_QUERY,
    ),
    send(
        Name::CreateDefinition,
        "POST",
        "/user/attribute/definition",
        NO_QUERY,
        Some(DEFINITION_ADD),
    ),
    send(
        Name::CreateAttribute,
        "POST",
        "/user/attribute/",
        NO_QUERY,
        Some(ATTRIBUTE_ADD),
    ),
    get(
        Name::CurrentAttributes,
        "/user/{uuid}/attribute/current",
        BUNDLE,
    ),
    send(
        Name::ConfirmLogin,
        "PATCH",
        "/auth/request/{uuid}",
        NO_QUERY,
        Some(LOGIN_PATCH),
    ),
    get(Name::ListMemberships, "/user/{uuid}/membership", BUNDLE),
    send(
        Name::EndMembershipsOfGroup,
        "DELETE",
        "/user/{uuid}/membership/by-group",
        OF_GROUP,
        None,
    ),
    send(
        Name::EndMembership,
        "DELETE",
        "/user/membership/{uuid}",
        MORPH,
        None,
    ),
    get(Name::UserProperties, "/user/{uuid}/property", NO_QUERY),
    send(Name::Unban, "PATCH", "/user/{uuid}/ban", UNBAN, None),
    get(Name::GetUser, "/user/{identifier}", USER_TYPE),
    get(Name::ListBans, "/ban/", BAN_LIST),
    send(Name::CreateBan, "POST", "/ban/", MORPH, Some(BAN_ADD)),
    get(Name::GetBan, "/ban/{uuid}", NO_QUERY),
    send(
        Name::EditBan,
        "PATCH",
        "/ban/{uuid}",
        MORPH,
        Some(BAN_PATCH),
    ),
    get(Name::ListWarnings, "/warning/", WARNING_LIST),
    send(
        Name::CreateWarning,
        "POST",
        "/warning/",
        MORPH,
        Some(WARNING_ADD),
    ),
];

pub enum Found<'a> {
    /// With what stands in the path's braces.
    Operation(&'static Operation, &'a str),
    /// The path is there, with another method.
    OtherMethod,
    /// Only with a slash at its end, or only without.
    OtherSlash(String),
    Nothing,
}

pub fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let mut other_method = false;
    for operation in OPERATIONS {
        let Some(inner) = fits(operation.path, path) else {
            continue;
        };
        if operation.method == method {
            return Found::Operation(operation, inner);
        }
        other_method = true;
    }
    if other_method {
        return Found::OtherMethod;
    }
    let other = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    let known = OPERATIONS.iter();
    if known
        .into_iter()
        .any(|known| fits(known.path, &other).is_some())
    {
        return Found::OtherSlash(other);
    }
    Found::Nothing
}

/// What stands in the braces of a pattern; empty when it has none.
fn fits<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let (_, after) = rest.split_once('}')?;
    let inner = path.strip_prefix(before)?.strip_suffix(after)?;
    (!inner.is_empty() && !inner.contains('/')).then_some(inner)
}
