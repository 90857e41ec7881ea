//! The requests that vpid makes, each with the path, query and body of VyHub's definition.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Addition, Expect, Method, NewAttribute, NewBan, NewMembership, PAGE_SIZE, Request, ServerState,
};
use crate::protocol::backend::{self, Request as R};
use crate::protocol::uuid::Uuid;

impl Request {
    /// Whether the API is there; needs no key.
    pub fn reachable() -> Self {
        Self::get("/openapi.json".into(), Expect::Nothing)
    }

    pub fn server(id: Uuid) -> Self {
        Self::get(path(&R::FindServer(id)), Expect::Server)
    }

    pub fn bundle(id: Uuid) -> Self {
        Self::get(path(&R::FindBundle(id)), Expect::Bundle)
    }

    fn get(path: String, expect: Expect) -> Self {
        Self {
            method: Method::Get,
            path,
            body: None,
            expect,
        }
    }

    /// Bans of a bundle, or of all; the oldest first.
    pub fn all_bans(bundle: Option<Uuid>, page: u64) -> Self {
        Self::all("/ban/", bundle, page, Expect::AllBans(page))
    }

    pub fn all_warnings(bundle: Option<Uuid>, page: u64) -> Self {
        Self::all("/warning/", bundle, page, Expect::AllWarnings(page))
    }

    fn all(path: &str, bundle: Option<Uuid>, page: u64, expect: Expect) -> Self {
        let bundle = bundle.map(|bundle| format!("&serverbundle_id={bundle}"));
        let bundle = bundle.unwrap_or_default();
        let query =
            format!("sort_by=created_on&sort_desc=false&page={page}&size={PAGE_SIZE}{bundle}");
        Self::get(format!("{path}?{query}"), expect)
    }

    /// `None`: VyHub has nothing of this kind.
    pub fn of(request: &backend::Request) -> Option<Self> {
        let (method, expect) = kind(request)?;
        let mut path = path(request);
        if let Some(issuer) = request.issuer() {
            let sign = if path.contains('?') { '&' } else { '?' };
            path.push_str(&format!("{sign}morph_user_id={issuer}"));
        }
        Some(Self {
            method,
            path,
            body: body(request),
            expect,
        })
    }
}

/// The method, and what a good answer holds.
fn kind(request: &R) -> Option<(Method, Expect)> {
    use Method::{Delete, Get, Patch, Post};
    Some(match request {
        R::FindServer(_) => (Get, Expect::Server),
        R::FindBundle(_) => (Get, Expect::Bundle),
        R::FindLinks => (Get, Expect::Links),
        R::ReportState { .. } => (Patch, Expect::Server),
        R::FindUser(_) => (Get, Expect::User),
        R::CreateUser(_) => (Post, Expect::User),
        R::GroupsOfUser { .. } | R::ListGroups => (Get, Expect::Groups),
        R::EndMemberships { .. } | R::EndMembership { .. } | R::EndMembershipsOfGroup { .. } => {
            (Delete, Expect::Nothing)
        }
        R::CreateMembership { .. } => (Post, Expect::Membership),
        R::ListMemberships { .. } => (Get, Expect::Memberships),
        R::ListBans { .. } => (Get, Expect::BanList),
        R::BansOfUser { page, .. } => (Get, Expect::Bans(*page)),
        R::CreateBan { .. } => (Post, Expect::Ban),
        R::EndBan { .. } | R::EndBans { .. } => (Patch, Expect::Nothing),
        R::WarningsOfUser { page, .. } => (Get, Expect::Warnings(*page)),
        R::CreateWarning { .. } => (Post, Expect::Warning),
        R::ListAdverts(_) => (Get, Expect::Adverts),
        R::ListActivity { .. } => (Get, Expect::Activity),
        R::FindAttribute(_) => (Get, Expect::Attribute),
        R::CreateAttribute(_) => (Post, Expect::Attribute),
        R::AddToAttribute(_) => (Post, Expect::Addition),
        R::AttributesOfUser { .. } => (Get, Expect::Attributes),
        R::ListRewards { .. } => (Get, Expect::Rewards),
        R::ReportReward { .. } => (Patch, Expect::AppliedReward),
        R::ConfirmLogin { .. } => (Patch, Expect::Login),
        R::ListAddressBans { .. }
        | R::CreateAddressBan { .. }
        | R::EndAddressBans { .. }
        | R::AddAllToAttribute(_) => {
            return None;
        }
    })
}

/// The path with its query, but for the issuer.
fn path(request: &R) -> String {
    match request {
        R::FindServer(server) | R::ReportState { server, .. } => format!("/server/{server}"),
        R::FindBundle(bundle) => format!("/server/bundle/{bundle}"),
        R::FindLinks => "/general/frontend-url".into(),
        R::FindUser(steam) => format!("/user/{steam}?type=STEAM"),
        R::CreateUser(_) => "/user/".into(),
        R::GroupsOfUser { user, bundle } => of_user(*user, "group", *bundle),
        R::ListGroups => "/group/".into(),
        R::EndMemberships { user, bundle, .. } | R::ListMemberships { user, bundle } => {
            of_user(*user, "membership", *bundle)
        }
        R::EndMembership { membership, .. } => format!("/user/membership/{membership}"),
        R::EndMembershipsOfGroup {
            user,
            bundle,
            group,
            ..
        } => format!("/user/{user}/membership/by-group?group_id={group}&serverbundle_id={bundle}"),
        R::CreateMembership { membership, .. } => format!("/user/{}/membership", membership.user),
        R::ListBans { bundle, .. } => format!("/server/bundle/{bundle}/ban?active=true"),
        R::BansOfUser { user, bundle, page } => list("/ban/", *user, *bundle, *page),
        R::CreateBan { .. } => "/ban/".into(),
        R::EndBan { ban, .. } => format!("/ban/{ban}"),
        R::EndBans { user, bundle, .. } => of_user(*user, "ban", *bundle),
        R::WarningsOfUser { user, bundle, page } => list("/warning/", *user, *bundle, *page),
        R::CreateWarning { .. } => "/warning/".into(),
        R::ListAdverts(bundle) => format!("/advert/?serverbundle_id={bundle}&enabled=true"),
        R::ListActivity { server } => format!("/server/{server}/user-activity"),
        R::FindAttribute(name) => format!("/user/attribute/definition/{name}"),
        R::CreateAttribute(_) => "/user/attribute/definition".into(),
        R::AddToAttribute(_) => "/user/attribute/".into(),
        R::AttributesOfUser { user, bundle } => of_user(*user, "attribute/current", *bundle),
        R::ListRewards {
            server,
            bundle,
            users,
        } => {
            let users = users.iter().map(|user| format!("&user_id={user}"));
            format!(
                "/packet/reward/applied/user?active=true&foreign_ids=true&status=OPEN\
                 &serverbundle_id={bundle}&for_server_id={server}{}",
                users.collect::<String>()
            )
        }
        R::ReportReward { reward, .. } => format!("/packet/reward/applied/{reward}"),
        R::ConfirmLogin { code, .. } => format!("/auth/request/{code}"),
        R::ListAddressBans { .. }
        | R::CreateAddressBan { .. }
        | R::EndAddressBans { .. }
        | R::AddAllToAttribute(_) => String::new(),
    }
}

fn body(request: &R) -> Option<Value> {
    Some(match request {
        R::ReportState { state, .. } => state_body(state),
        R::CreateUser(steam) => json!({"type": "STEAM", "identifier": steam}),
        R::CreateMembership { membership, .. } => membership_body(membership),
        R::CreateBan { ban, .. } => ban_body(ban),
        R::EndBan { .. } => json!({"status": "UNBANNED"}),
        R::CreateWarning { warning, .. } => json!({
            "user_id": warning.user,
            "serverbundle_id": warning.bundle,
            "reason": warning.reason,
        }),
        R::CreateAttribute(attribute) => attribute_body(attribute),
        R::AddToAttribute(addition) => addition_body(addition),
        R::ReportReward { server, .. } => json!({"executed_on": [server]}),
        R::ConfirmLogin { steam, .. } => json!({"user_type": "STEAM", "identifier": steam}),
        _ => return None,
    })
}

/// `ServerModelPatch`, as far as it tells how a server is.
fn state_body(state: &ServerState) -> Value {
    let activities = state.activities.iter();
    let activities = activities.map(|(user, extra)| json!({"user_id": user, "extra": extra}));
    json!({
        "users_max": state.users_max,
        "users_current": state.users_current,
        "map": state.map,
        "is_alive": state.is_alive,
        "user_activities": activities.collect::<Value>(),
    })
}

/// `BanModelAdd`. Without a length it is permanent (0 would not be).
fn ban_body(ban: &NewBan) -> Value {
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
    body
}

/// `MembershipModelUserAdd`.
fn membership_body(membership: &NewMembership) -> Value {
    let mut body = json!({
        "group_id": membership.group,
        "serverbundle_id": membership.bundle,
        "begin": date(membership.begin),
    });
    if let Some(end) = membership.end {
        body["end"] = date(end).into();
    }
    body
}

/// `UserAttributeDefinitionModelAdd`.
fn attribute_body(attribute: &NewAttribute) -> Value {
    json!({
        "name": attribute.name,
        "title": attribute.title,
        "unit": attribute.unit,
        "type": "ACCUMULATED",
        "accumulation_interval": "day",
        "unspecific": true,
    })
}

/// `UserAttributeModelAdd`.
fn addition_body(addition: &Addition) -> Value {
    json!({
        "definition_id": addition.attribute,
        "user_id": addition.user,
        "serverbundle_id": addition.bundle,
        "value": addition.value,
        "date": date(addition.date),
    })
}

/// What a user has of something in a bundle.
fn of_user(user: Uuid, what: &str, bundle: Uuid) -> String {
    format!("/user/{user}/{what}?serverbundle_id={bundle}")
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
    use super::super::NewWarning;
    use super::*;
    use crate::protocol::steam_id::SteamId;

    const USER: Uuid = Uuid(0x1111_1111_1111_1111_1111_1111_1111_1111);
    const BUNDLE: Uuid = Uuid(0x2222_2222_2222_2222_2222_2222_2222_2222);
    const MORPH: Uuid = Uuid(0x3333_3333_3333_3333_3333_3333_3333_3333);
    const LIST_BANS: R = R::ListBans {
        bundle: BUNDLE,
        newest: false,
    };
    const U: &str = "11111111-1111-1111-1111-111111111111";
    const B: &str = "22222222-2222-2222-2222-222222222222";
    const M: &str = "33333333-3333-3333-3333-333333333333";

    fn made(request: &R) -> Request {
        Request::of(request).expect("a request that VyHub has")
    }

    fn ban() -> NewBan {
        NewBan {
            change: 1,
            user: USER,
            name: None,
            bundle: BUNDLE,
            length_s: Some(3600),
            reason: "\"quoted\"\n".into(),
            created: "2026-03-01T12:00:00.25Z".parse().unwrap(),
            standing: true,
        }
    }

    fn membership() -> NewMembership {
        NewMembership {
            change: 1,
            user: USER,
            bundle: BUNDLE,
            group: MORPH,
            begin: "2026-03-01T12:00:00Z".parse().unwrap(),
            end: None,
        }
    }

    fn addition() -> Addition {
        Addition {
            change: 1,
            attribute: MORPH,
            user: USER,
            bundle: BUNDLE,
            value: "0.166667".into(),
            date: "2026-03-01T12:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_membership_has_an_end_where_it_is_for_a_time() {
        let end = |membership: &NewMembership| membership_body(membership).get("end").cloned();
        assert_eq!(end(&membership()), None);
        let until = NewMembership {
            change: 1,
            end: Some("2026-03-02T12:00:00Z".parse().unwrap()),
            ..membership()
        };
        assert_eq!(end(&until), Some("2026-03-02T12:00:00+00:00".into()));
    }

    #[test]
    fn every_path_is_the_one_of_the_definition() {
        let steam = SteamId::new(22_202).unwrap();
        let warning = NewWarning {
            change: 1,
            user: USER,
            name: None,
            bundle: BUNDLE,
            reason: String::new(),
        };
        let page = "user_id=U&serverbundle_id=B&sort_by=created_on&sort_desc=true&page=2&size=100";
        let (bans, warnings) = (format!("/ban/?{page}"), format!("/warning/?{page}"));
        let by_morph = "/user/U/ban?serverbundle_id=B&morph_user_id=M";
        let (user, bundle, page) = (USER, BUNDLE, 2);
        let unban = |issuer| R::EndBans {
            user,
            bundle,
            issuer,
        };
        let end_memberships = |issuer| R::EndMemberships {
            user,
            bundle,
            issuer,
        };
        let create_ban = |issuer| R::CreateBan { ban: ban(), issuer };
        let create_warning = |issuer| R::CreateWarning {
            warning: warning.clone(),
            issuer,
        };
        let create_membership = R::CreateMembership {
            membership: membership(),
            issuer: Some(MORPH),
        };
        assert_eq!(Request::reachable().path, "/openapi.json");
        for (request, path) in [
            (R::FindLinks, "/general/frontend-url"),
            (R::FindServer(USER), "/server/U"),
            (R::FindBundle(BUNDLE), "/server/bundle/B"),
            (R::FindUser(steam), "/user/76561197960287930?type=STEAM"),
            (R::CreateUser(steam), "/user/"),
            (
                R::GroupsOfUser { user, bundle },
                "/user/U/group?serverbundle_id=B",
            ),
            (R::ListGroups, "/group/"),
            (
                end_memberships(None),
                "/user/U/membership?serverbundle_id=B",
            ),
            (
                end_memberships(Some(MORPH)),
                "/user/U/membership?serverbundle_id=B&morph_user_id=M",
            ),
            (create_membership, "/user/U/membership?morph_user_id=M"),
            (LIST_BANS, "/server/bundle/B/ban?active=true"),
            (R::BansOfUser { user, bundle, page }, &bans),
            (create_ban(None), "/ban/"),
            (create_ban(Some(MORPH)), "/ban/?morph_user_id=M"),
            (unban(None), "/user/U/ban?serverbundle_id=B"),
            (unban(Some(MORPH)), by_morph),
            (R::WarningsOfUser { user, bundle, page }, &warnings),
            (
                R::ListAdverts(BUNDLE),
                "/advert/?serverbundle_id=B&enabled=true",
            ),
            (create_warning(None), "/warning/"),
            (create_warning(Some(MORPH)), "/warning/?morph_user_id=M"),
        ] {
            assert_eq!(path_of(&request), path);
        }
    }

    /// With short ids.
    fn path_of(request: &R) -> String {
        let given = made(request).path;
        given.replace(U, "U").replace(B, "B").replace(M, "M")
    }

    #[test]
    fn groups_playtime_rewards_and_logins_have_the_paths_of_the_definition() {
        let steam = SteamId::new(22_202).unwrap();
        let (user, bundle) = (USER, BUNDLE);
        for (request, path) in [
            (R::ListActivity { server: USER }, "/server/U/user-activity"),
            (
                R::ListMemberships { user, bundle },
                "/user/U/membership?serverbundle_id=B",
            ),
            (
                R::EndMembership {
                    membership: USER,
                    issuer: Some(MORPH),
                },
                "/user/membership/U?morph_user_id=M",
            ),
            (
                R::EndBan {
                    ban: USER,
                    issuer: Some(MORPH),
                },
                "/ban/U?morph_user_id=M",
            ),
            (
                R::EndMembershipsOfGroup {
                    user,
                    bundle,
                    group: MORPH,
                    issuer: Some(MORPH),
                },
                "/user/U/membership/by-group?group_id=M&serverbundle_id=B&morph_user_id=M",
            ),
            (
                R::FindAttribute("playtime"),
                "/user/attribute/definition/playtime",
            ),
            (R::AddToAttribute(addition()), "/user/attribute/"),
            (
                R::AttributesOfUser { user, bundle },
                "/user/U/attribute/current?serverbundle_id=B",
            ),
            (
                R::ListRewards {
                    server: MORPH,
                    bundle,
                    users: vec![USER, MORPH],
                },
                "/packet/reward/applied/user?active=true&foreign_ids=true&status=OPEN\
                 &serverbundle_id=B&for_server_id=M&user_id=U&user_id=M",
            ),
            (
                R::ReportReward {
                    reward: USER,
                    server: MORPH,
                    steam,
                },
                "/packet/reward/applied/U",
            ),
            (R::ConfirmLogin { code: USER, steam }, "/auth/request/U"),
        ] {
            assert_eq!(path_of(&request), path);
        }
    }

    #[test]
    fn only_what_creates_is_a_post_and_only_that_needs_a_body() {
        let steam = SteamId::new(22_202).unwrap();
        let (user, bundle, page, issuer) = (USER, BUNDLE, 2, None);
        let create_ban = R::CreateBan { ban: ban(), issuer };
        for request in [&R::CreateUser(steam), &create_ban].map(made) {
            assert!(request.method == Method::Post && request.body.is_some());
        }
        for request in [&R::FindUser(steam), &LIST_BANS].map(made) {
            assert!(request.method == Method::Get && request.body.is_none());
        }
        let unban = made(&R::EndBans {
            user,
            bundle,
            issuer,
        });
        assert_eq!((unban.method, unban.body), (Method::Patch, None));
        let of_one = made(&R::EndBan { ban: user, issuer });
        let body = Some(json!({"status": "UNBANNED"}));
        assert_eq!((of_one.method, of_one.body), (Method::Patch, body));
        assert_eq!(unban.expect, Expect::Nothing);
        let expect = |request| made(&request).expect;
        assert_eq!(expect(LIST_BANS), Expect::BanList);
        assert_eq!(expect(create_ban), Expect::Ban);
        assert_eq!(
            expect(R::BansOfUser { user, bundle, page }),
            Expect::Bans(2)
        );
    }

    #[test]
    fn a_ban_says_when_it_was_made_and_is_permanent_without_a_length() {
        let body = ban_body(&ban());
        let expected = json!({
            "user_id": U, "serverbundle_id": B, "reason": "\"quoted\"\n", "length": 3600,
            "created_on": "2026-03-01T12:00:00.25+00:00", "status": "ACTIVE",
        });
        assert_eq!(body, expected);
        let permanent = NewBan {
            change: 1,
            length_s: None,
            standing: false,
            ..ban()
        };
        let body = ban_body(&permanent);
        assert!(body.get("length").is_none());
        assert_eq!(body["status"], "UNBANNED");
    }

    #[test]
    fn other_bodies_have_the_fields_of_the_definition() {
        let steam = SteamId::new(22_202).unwrap();
        let user = made(&R::CreateUser(steam)).body;
        let expected = json!({"type": "STEAM", "identifier": "76561197960287930"});
        assert_eq!(user, Some(expected));
        let warning = NewWarning {
            change: 1,
            user: USER,
            name: None,
            bundle: BUNDLE,
            reason: "spam".into(),
        };
        let expected = json!({"user_id": U, "serverbundle_id": B, "reason": "spam"});
        let issuer = None;
        let request = made(&R::CreateWarning { warning, issuer });
        assert_eq!(request.body, Some(expected));
        let added = made(&R::AddToAttribute(addition())).body;
        let expected = json!({
            "definition_id": M, "user_id": U, "serverbundle_id": B, "value": "0.166667",
            "date": "2026-03-01T12:00:00+00:00",
        });
        assert_eq!(added, Some(expected));
        let attribute = NewAttribute {
            name: "playtime",
            title: "Play Time",
            unit: "HOURS",
        };
        let expected = json!({
            "name": "playtime", "title": "Play Time", "unit": "HOURS", "type": "ACCUMULATED",
            "accumulation_interval": "day", "unspecific": true,
        });
        let created = made(&R::CreateAttribute(attribute));
        assert_eq!(created.path, "/user/attribute/definition");
        assert_eq!(created.body, Some(expected));
        let (reward, server) = (USER, BUNDLE);
        let report = made(&R::ReportReward {
            reward,
            server,
            steam,
        });
        assert_eq!(
            (report.method, report.body),
            (Method::Patch, Some(json!({"executed_on": [B]})))
        );
        let login = made(&R::ConfirmLogin { code: USER, steam });
        let expected = json!({"user_type": "STEAM", "identifier": "76561197960287930"});
        assert_eq!((login.method, login.body), (Method::Patch, Some(expected)));
        let extra = json!({"score": 3});
        let state = ServerState {
            users_max: 24,
            users_current: 1,
            map: "cp_dustbowl".into(),
            is_alive: true,
            activities: vec![(USER, extra.as_object().unwrap().clone())],
        };
        let server = BUNDLE;
        let request = made(&R::ReportState { server, state });
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
