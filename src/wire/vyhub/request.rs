//! The requests that vpid makes, each with the path, query and body of VyHub's definition.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Expect, Method, Request};
use crate::wire::steam_id::SteamId;
use crate::wire::uuid::Uuid;

/// `BanModelAdd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    pub user: Uuid,
    pub bundle: Uuid,
    /// Seconds; `None`: permanent (0 would not be).
    pub length_s: Option<u64>,
    pub reason: String,
    pub created: Timestamp,
    /// False: it was lifted before it could be sent.
    pub standing: bool,
}

/// `WarningModelAdd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWarning {
    pub user: Uuid,
    pub bundle: Uuid,
    pub reason: String,
}

/// `ServerModelPatch`, as far as it tells how a server is.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerState {
    pub users_max: i64,
    pub users_current: usize,
    pub map: String,
    pub is_alive: bool,
    /// Users of VyHub with what is known of each.
    pub activities: Vec<(Uuid, Map<String, Value>)>,
}

/// Most records on one page of a list.
pub const PAGE_SIZE: u64 = 100;

impl Request {
    /// Whether the API is there; needs no key.
    pub fn reachable() -> Self {
        get("/openapi.json".into(), Expect::Nothing)
    }

    pub fn frontend_url() -> Self {
        get("/general/frontend-url".into(), Expect::FrontendUrl)
    }

    pub fn server(server: Uuid) -> Self {
        get(format!("/server/{server}"), Expect::Server)
    }

    pub fn bundle(bundle: Uuid) -> Self {
        get(format!("/server/bundle/{bundle}"), Expect::Bundle)
    }

    pub fn server_state(server: Uuid, state: &ServerState) -> Self {
        let activity =
            |(user, extra): &(Uuid, Map<String, Value>)| json!({"user_id": user, "extra": extra});
        let activities: Vec<Value> = state.activities.iter().map(activity).collect();
        Self {
            method: Method::Patch,
            path: format!("/server/{server}"),
            body: Some(json!({
                "users_max": state.users_max,
                "users_current": state.users_current,
                "map": state.map,
                "is_alive": state.is_alive,
                "user_activities": activities,
            })),
            expect: Expect::Nothing,
        }
    }

    pub fn user(steam: SteamId) -> Self {
        get(format!("/user/{steam}?type=STEAM"), Expect::User)
    }

    pub fn create_user(steam: SteamId) -> Self {
        let body = json!({"type": "STEAM", "identifier": steam});
        post("/user/".into(), None, body, Expect::User)
    }

    pub fn groups(user: Uuid, bundle: Uuid) -> Self {
        let path = format!("/user/{user}/group?serverbundle_id={bundle}");
        get(path, Expect::Groups)
    }

    pub fn properties(user: Uuid) -> Self {
        get(format!("/user/{user}/property"), Expect::Properties)
    }

    /// All bans of a bundle that are in force, by SteamID.
    pub fn ban_list(bundle: Uuid) -> Self {
        let path = format!("/server/bundle/{bundle}/ban?active=true");
        get(path, Expect::BanList)
    }

    /// Bans of a user, the newest first; pages count from 1.
    pub fn bans(user: Uuid, bundle: Uuid, page: u64) -> Self {
        get(list("/ban/", user, bundle, page), Expect::Bans)
    }

    /// `morph`: as whom it is done; `None`: as the server itself.
    pub fn create_ban(ban: &NewBan, morph: Option<Uuid>) -> Self {
        let mut body = json!({
            "user_id": ban.user,
            "serverbundle_id": ban.bundle,
            "reason": ban.reason,
            "created_on": date(ban.created),
            "status": if ban.standing { "ACTIVE" } else { "UNBANNED" },
        });
        if let Some(length_s) = ban.length_s {
            body["length"] = length_s.into();
        }
        post("/ban/".into(), morph, body, Expect::Ban)
    }

    /// Lifts the user's bans of this bundle, and no others.
    pub fn unban(user: Uuid, bundle: Uuid, morph: Option<Uuid>) -> Self {
        let mut path = format!("/user/{user}/ban?serverbundle_id={bundle}");
        if let Some(morph) = morph {
            path.push_str(&format!("&morph_user_id={morph}"));
        }
        Self {
            method: Method::Patch,
            path,
            body: None,
            expect: Expect::Nothing,
        }
    }

    pub fn warnings(user: Uuid, bundle: Uuid, page: u64) -> Self {
        get(list("/warning/", user, bundle, page), Expect::Warnings)
    }

    pub fn create_warning(warning: &NewWarning, morph: Option<Uuid>) -> Self {
        let body = json!({
            "user_id": warning.user,
            "serverbundle_id": warning.bundle,
            "reason": warning.reason,
        });
        post("/warning/".into(), morph, body, Expect::Warning)
    }
}

fn get(path: String, expect: Expect) -> Request {
    Request {
        method: Method::Get,
        path,
        body: None,
        expect,
    }
}

fn post(mut path: String, morph: Option<Uuid>, body: Value, expect: Expect) -> Request {
    if let Some(morph) = morph {
        path.push_str(&format!("?morph_user_id={morph}"));
    }
    Request {
        method: Method::Post,
        path,
        body: Some(body),
        expect,
    }
}

fn list(path: &str, user: Uuid, bundle: Uuid, page: u64) -> String {
    format!(
        "{path}?user_id={user}&serverbundle_id={bundle}&sort_by=created_on&sort_desc=true\
         &page={page}&size={PAGE_SIZE}"
    )
}

/// With an offset, as VyHub wants it.
fn date(time: Timestamp) -> String {
    format!("{}", time.display_with_offset(jiff::tz::Offset::UTC))
}
