//! The requests that vpid makes, each with the path, query and body of VyHub's definition.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Expect, Method, Request};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

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

/// `MembershipModelUserAdd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMembership {
    pub user: Uuid,
    pub bundle: Uuid,
    pub group: Uuid,
    pub begin: Timestamp,
    /// `None`: without an end.
    pub end: Option<Timestamp>,
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

    /// All groups of VyHub.
    pub fn all_groups() -> Self {
        get("/group/".into(), Expect::Groups)
    }

    /// Ends the user's memberships in this bundle.
    pub fn end_memberships(user: Uuid, bundle: Uuid, morph: Option<Uuid>) -> Self {
        Self {
            method: Method::Delete,
            path: of_user(user, "membership", bundle, morph),
            body: None,
            expect: Expect::Nothing,
        }
    }

    pub fn create_membership(membership: &NewMembership, morph: Option<Uuid>) -> Self {
        let mut body = json!({
            "group_id": membership.group,
            "serverbundle_id": membership.bundle,
            "begin": date(membership.begin),
        });
        if let Some(end) = membership.end {
            body["end"] = date(end).into();
        }
        let path = format!("/user/{}/membership", membership.user);
        post(path, morph, body, Expect::Nothing)
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
        Self {
            method: Method::Patch,
            path: of_user(user, "ban", bundle, morph),
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

/// What a user has of something in a bundle.
fn of_user(user: Uuid, what: &str, bundle: Uuid, morph: Option<Uuid>) -> String {
    let mut path = format!("/user/{user}/{what}?serverbundle_id={bundle}");
    if let Some(morph) = morph {
        path.push_str(&format!("&morph_user_id={morph}"));
    }
    path
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

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Uuid = Uuid(0x1111_1111_1111_1111_1111_1111_1111_1111);
    const BUNDLE: Uuid = Uuid(0x2222_2222_2222_2222_2222_2222_2222_2222);
    const MORPH: Uuid = Uuid(0x3333_3333_3333_3333_3333_3333_3333_3333);
    const U: &str = "11111111-1111-1111-1111-111111111111";
    const B: &str = "22222222-2222-2222-2222-222222222222";
    const M: &str = "33333333-3333-3333-3333-333333333333";

    fn ban() -> NewBan {
        NewBan {
            user: USER,
            bundle: BUNDLE,
            length_s: Some(3600),
            reason: "\"quoted\"\n".into(),
            created: "2026-03-01T12:00:00.25Z".parse().unwrap(),
            standing: true,
        }
    }

    fn membership() -> NewMembership {
        NewMembership {
            user: USER,
            bundle: BUNDLE,
            group: MORPH,
            begin: "2026-03-01T12:00:00Z".parse().unwrap(),
            end: None,
        }
    }

    #[test]
    fn a_membership_has_an_end_where_it_is_for_a_time() {
        let end = |membership: &NewMembership| {
            let body = Request::create_membership(membership, None).body;
            body.unwrap().get("end").cloned()
        };
        assert_eq!(end(&membership()), None);
        let until = NewMembership {
            end: Some("2026-03-02T12:00:00Z".parse().unwrap()),
            ..membership()
        };
        assert_eq!(end(&until), Some("2026-03-02T12:00:00+00:00".into()));
    }

    #[test]
    fn every_path_is_the_one_of_the_definition() {
        let steam = SteamId::new(22_202).unwrap();
        let warning = NewWarning {
            user: USER,
            bundle: BUNDLE,
            reason: String::new(),
        };
        let page = "user_id=U&serverbundle_id=B&sort_by=created_on&sort_desc=true&page=2&size=100";
        let (bans, warnings) = (format!("/ban/?{page}"), format!("/warning/?{page}"));
        let by_morph = "/user/U/ban?serverbundle_id=B&morph_user_id=M";
        for (request, path) in [
            (Request::reachable(), "/openapi.json"),
            (Request::frontend_url(), "/general/frontend-url"),
            (Request::server(USER), "/server/U"),
            (Request::bundle(BUNDLE), "/server/bundle/B"),
            (Request::user(steam), "/user/76561197960287930?type=STEAM"),
            (Request::create_user(steam), "/user/"),
            (
                Request::groups(USER, BUNDLE),
                "/user/U/group?serverbundle_id=B",
            ),
            (Request::properties(USER), "/user/U/property"),
            (Request::all_groups(), "/group/"),
            (
                Request::end_memberships(USER, BUNDLE, None),
                "/user/U/membership?serverbundle_id=B",
            ),
            (
                Request::end_memberships(USER, BUNDLE, Some(MORPH)),
                "/user/U/membership?serverbundle_id=B&morph_user_id=M",
            ),
            (
                Request::create_membership(&membership(), Some(MORPH)),
                "/user/U/membership?morph_user_id=M",
            ),
            (
                Request::ban_list(BUNDLE),
                "/server/bundle/B/ban?active=true",
            ),
            (Request::bans(USER, BUNDLE, 2), &bans),
            (Request::create_ban(&ban(), None), "/ban/"),
            (
                Request::create_ban(&ban(), Some(MORPH)),
                "/ban/?morph_user_id=M",
            ),
            (
                Request::unban(USER, BUNDLE, None),
                "/user/U/ban?serverbundle_id=B",
            ),
            (Request::unban(USER, BUNDLE, Some(MORPH)), by_morph),
            (Request::warnings(USER, BUNDLE, 2), &warnings),
            (Request::create_warning(&warning, None), "/warning/"),
            (
                Request::create_warning(&warning, Some(MORPH)),
                "/warning/?morph_user_id=M",
            ),
        ] {
            let given = request.path.replace(U, "U").replace(B, "B").replace(M, "M");
            assert_eq!(given, path);
        }
    }

    #[test]
    fn only_what_creates_is_a_post_and_only_that_needs_a_body() {
        let steam = SteamId::new(22_202).unwrap();
        for request in [
            Request::create_user(steam),
            Request::create_ban(&ban(), None),
        ] {
            assert!(request.method == Method::Post && request.body.is_some());
        }
        for request in [
            Request::reachable(),
            Request::user(steam),
            Request::ban_list(BUNDLE),
        ] {
            assert!(request.method == Method::Get && request.body.is_none());
        }
        let unban = Request::unban(USER, BUNDLE, None);
        assert_eq!((unban.method, unban.body), (Method::Patch, None));
        assert_eq!(unban.expect, Expect::Nothing);
        assert_eq!(Request::ban_list(BUNDLE).expect, Expect::BanList);
        assert_eq!(Request::create_ban(&ban(), None).expect, Expect::Ban);
        assert_eq!(Request::bans(USER, BUNDLE, 1).expect, Expect::Bans);
    }

    #[test]
    fn a_ban_says_when_it_was_made_and_is_permanent_without_a_length() {
        let body = Request::create_ban(&ban(), None).body.unwrap();
        let expected = json!({
            "user_id": U, "serverbundle_id": B, "reason": "\"quoted\"\n", "length": 3600,
            "created_on": "2026-03-01T12:00:00.25+00:00", "status": "ACTIVE",
        });
        assert_eq!(body, expected);
        let permanent = NewBan {
            length_s: None,
            standing: false,
            ..ban()
        };
        let body = Request::create_ban(&permanent, None).body.unwrap();
        assert!(body.get("length").is_none());
        assert_eq!(body["status"], "UNBANNED");
    }

    #[test]
    fn other_bodies_have_the_fields_of_the_definition() {
        let user = Request::create_user(SteamId::new(22_202).unwrap()).body;
        let expected = json!({"type": "STEAM", "identifier": "76561197960287930"});
        assert_eq!(user, Some(expected));
        let warning = NewWarning {
            user: USER,
            bundle: BUNDLE,
            reason: "spam".into(),
        };
        let expected = json!({"user_id": U, "serverbundle_id": B, "reason": "spam"});
        assert_eq!(Request::create_warning(&warning, None).body, Some(expected));
        let extra = json!({"score": 3});
        let state = ServerState {
            users_max: 24,
            users_current: 1,
            map: "cp_dustbowl".into(),
            is_alive: true,
            activities: vec![(USER, extra.as_object().unwrap().clone())],
        };
        let request = Request::server_state(BUNDLE, &state);
        assert_eq!(
            (request.method, request.path),
            (Method::Patch, format!("/server/{B}"))
        );
        let expected = json!({
            "users_max": 24, "users_current": 1, "map": "cp_dustbowl", "is_alive": true,
            "user_activities": [{"user_id": U, "extra": {"score": 3}}],
        });
        assert_eq!(request.body, Some(expected));
    }
}
