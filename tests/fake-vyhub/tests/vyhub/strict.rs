//! Every right request passes, and every wrong one is a violation and is refused.

use fake_vyhub::FakeVyhub;
use serde_json::{Value, json};

use crate::client::Client;

const ANNA: u64 = 76_561_198_000_000_001;
const NOBODY: &str = "00000000-0000-4000-a000-000000000000";

/// A VyHub with a user who is banned, and the words for them in the tables below.
struct Scene {
    vyhub: FakeVyhub,
    anna: String,
    ban: String,
    group: String,
    membership: String,
}

impl Scene {
    fn new() -> Self {
        let vyhub = FakeVyhub::start();
        let anna = vyhub.add_user(ANNA, "Anna", true);
        let ban = vyhub.add_ban(&anna, "aim", None);
        let group = vyhub.add_mapped_group("VIP", 10, "vip");
        vyhub.put_in_group(&anna, &group);
        let membership = vyhub.with(|state| state.memberships_of(ANNA)[0].id.clone());
        Self {
            vyhub,
            anna,
            ban,
            group,
            membership,
        }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{server}", &self.vyhub.server_id())
            .replace("{bundle}", &self.vyhub.bundle_id())
            .replace("{anna}", &self.anna)
            .replace("{steam}", &ANNA.to_string())
            .replace("{ban}", &self.ban)
            .replace("{group}", &self.group)
            .replace("{membership}", &self.membership)
            .replace("{key}", &self.vyhub.key())
    }

    fn send(&self, method: &str, path: &str, body: &str) -> u16 {
        let body = self.filled(body);
        let body: Option<Value> =
            (!body.is_empty()).then(|| serde_json::from_str(&body).expect("JSON of the table"));
        let mut client = Client::of(&self.vyhub);
        let reply = client.send(method, &self.filled(path), body.as_ref());
        reply.expect("an answer").status
    }
}

const RIGHT: &[(&str, &str, &str)] = &[
    ("GET", "/openapi.json", ""),
    ("GET", "/general/frontend-url", ""),
    ("GET", "/server/{server}", ""),
    ("PATCH", "/server/{server}", r#"{"is_alive": true}"#),
    (
        "PATCH",
        "/server/{server}",
        r#"{"users_max": 24, "users_current": 1, "map": "ctf_2fort", "is_alive": true,
            "user_activities": [{"user_id": "{anna}", "extra": {"Score": 3}}]}"#,
    ),
    ("GET", "/user/{anna}/attribute/current", ""),
    (
        "POST",
        "/user/attribute/definition",
        r#"{"name": "a", "title": "A", "unit": "HOURS", "type": "ACCUMULATED",
            "accumulation_interval": "day", "unspecific": true}"#,
    ),
    ("GET", "/user/attribute/definition/a", ""),
    ("GET", "/server/{server}/user-activity", ""),
    (
        "GET",
        "/server/{server}/user-activity?morph_user_id={anna}",
        "",
    ),
    ("GET", "/server/bundle/{bundle}", ""),
    ("GET", "/server/bundle/{bundle}/ban", ""),
    ("GET", "/server/bundle/{bundle}/ban?active=true", ""),
    ("GET", "/server/bundle/{bundle}/warning?active=true", ""),
    ("GET", "/user/{steam}?type=STEAM", ""),
    ("GET", "/user/{anna}", ""),
    (
        "POST",
        "/user/",
        r#"{"type": "STEAM", "identifier": "76561198000000007"}"#,
    ),
    ("GET", "/user/{anna}/group?serverbundle_id={bundle}", ""),
    (
        "GET",
        "/user/{anna}/membership?serverbundle_id={bundle}",
        "",
    ),
    (
        "DELETE",
        "/user/{anna}/membership?serverbundle_id={bundle}&morph_user_id={anna}",
        "",
    ),
    (
        "POST",
        "/user/{anna}/membership?morph_user_id={anna}",
        r#"{"begin": "2026-03-01T12:00:00+00:00", "end": null, "group_id": "{group}",
            "serverbundle_id": "{bundle}"}"#,
    ),
    (
        "DELETE",
        "/user/{anna}/membership/by-group?group_id={group}&serverbundle_id={bundle}",
        "",
    ),
    (
        "DELETE",
        "/user/membership/{membership}?morph_user_id={anna}",
        "",
    ),
    ("GET", "/user/{anna}/property", ""),
    (
        "GET",
        "/ban/?user_id={anna}&serverbundle_id={bundle}&sort_by=created_on&sort_desc=true&page=1\
         &size=100",
        "",
    ),
    ("POST", "/ban/", r#"{"user_id": "{anna}"}"#),
    (
        "POST",
        "/ban/?morph_user_id={anna}",
        r#"{"user_id": "{anna}", "serverbundle_id": "{bundle}", "length": 60, "reason": "aim",
            "created_on": "2026-01-02T03:04:05.678901+00:00", "status": "ACTIVE"}"#,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "length": null, "reason": null}"#,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "created_on": "2026-01-02T03:04:05Z"}"#,
    ),
    ("GET", "/ban/{ban}", ""),
    (
        "PATCH",
        "/ban/{ban}?morph_user_id={anna}",
        r#"{"status": "UNBANNED"}"#,
    ),
    ("PATCH", "/user/{anna}/ban?serverbundle_id={bundle}", ""),
    (
        "PATCH",
        "/user/{anna}/ban?serverbundle_id={bundle}&morph_user_id={anna}",
        "",
    ),
    (
        "GET",
        "/warning/?user_id={anna}&serverbundle_id={bundle}",
        "",
    ),
    (
        "POST",
        "/warning/?morph_user_id={anna}",
        r#"{"user_id": "{anna}", "serverbundle_id": "{bundle}", "reason": "spam"}"#,
    ),
];

#[test]
fn every_right_request_is_carried_out() {
    let scene = Scene::new();
    for (method, path, body) in RIGHT {
        assert_eq!(
            scene.send(method, path, body),
            200,
            "{method} {path} {body}"
        );
        let violations = scene.vyhub.violations();
        assert!(violations.is_empty(), "{method} {path}: {violations:?}");
        let last = scene.vyhub.requests().pop().expect("it is in the log");
        assert!(last.applied, "{method} {path}");
        assert_eq!(last.status, Some(200), "{method} {path}");
    }
}

/// What is asked, and how it is refused.
const WRONG: &[(&str, &str, &str, u16)] = &[
    // Paths and methods.
    ("GET", "/nothing", "", 404),
    ("GET", "/user/{anna}/nothing", "", 404),
    ("POST", "/ban", r#"{"user_id": "{anna}"}"#, 307),
    ("GET", "/warning?user_id={anna}", "", 307),
    ("GET", "/server/{server}/", "", 307),
    ("GET", "/user/", "", 405),
    ("DELETE", "/ban/{ban}", "", 405),
    ("POST", "/user/attribute", "{}", 405),
    ("GET", "/server/nonsense", "", 422),
    ("GET", "/user/{steam}", "", 422),
    ("GET", "/user/STEAM_0:1:2?type=STEAM", "", 422),
    (
        "POST",
        "/user/attribute/definition",
        r#"{"name": "a", "title": "A", "unit": "HOURS", "type": "ADDED", "unspecific": true}"#,
        422,
    ),
    (
        "POST",
        "/user/attribute/",
        r#"{"definition_id": "{ban}", "user_id": "{anna}", "value": 0.5}"#,
        422,
    ),
    (
        "PATCH",
        "/auth/request/{ban}",
        r#"{"user_type": "STEAM"}"#,
        422,
    ),
    // Queries.
    ("GET", "/user/{steam}?type=steam", "", 422),
    ("GET", "/user/{steam}?type=STEAM&type=STEAM", "", 422),
    ("GET", "/server/{server}?morph_user_id={anna}", "", 422),
    ("GET", "/server/bundle/{bundle}/ban?active=1", "", 422),
    (
        "GET",
        "/server/bundle/{bundle}/ban?active=true?x=1",
        "",
        422,
    ),
    ("GET", "/server/bundle/{bundle}/ban?active", "", 422),
    ("GET", "/ban/?user_ids={anna}", "", 422),
    ("GET", "/ban/?user_id={anna}&user_id={anna}", "", 422),
    ("GET", "/ban/?page=0", "", 422),
    ("GET", "/ban/?size=1000", "", 422),
    ("GET", "/ban/?sort_by=date", "", 422),
    ("GET", "/warning/?active=true", "", 422),
    ("GET", "/user/{anna}/group?serverbundle_id=1", "", 422),
    ("DELETE", "/user/{anna}/membership/by-group", "", 422),
    ("DELETE", "/user/membership/1", "", 422),
    ("GET", "/user/membership/{membership}", "", 405),
    (
        "POST",
        "/ban/?morph_user_id=Anna",
        r#"{"user_id": "{anna}"}"#,
        422,
    ),
    // Bodies.
    ("POST", "/ban/", "", 422),
    ("POST", "/ban/", "[]", 422),
    ("POST", "/ban/", "{}", 422),
    ("POST", "/ban/", r#"{"user_id": null}"#, 422),
    ("POST", "/ban/", r#"{"user_id": "{steam}"}"#, 422),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "length": "60"}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "length": -1}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "reason": 1}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "status": "active"}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "created_on": "2026-01-02T03:04:05"}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "created_on": 1767323045}"#,
        422,
    ),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "admin": "Anna"}"#,
        422,
    ),
    ("POST", "/user/", r#"{"identifier": "{steam}"}"#, 422),
    (
        "POST",
        "/user/",
        r#"{"type": "STEAM", "identifier": 76561198000000001}"#,
        422,
    ),
    (
        "POST",
        "/user/",
        r#"{"type": "STEAM", "identifier": "[U:1:2]"}"#,
        422,
    ),
    (
        "POST",
        "/user/",
        r#"{"type": "TF2", "identifier": "{steam}"}"#,
        422,
    ),
    (
        "POST",
        "/warning/",
        r#"{"user_id": "{anna}", "reason": "spam"}"#,
        422,
    ),
    ("PATCH", "/server/{server}", r#"{"users_max": "24"}"#, 422),
    (
        "PATCH",
        "/server/{server}",
        r#"{"users_current": 1.5}"#,
        422,
    ),
    ("PATCH", "/server/{server}", r#"{"is_alive": "true"}"#, 422),
    ("PATCH", "/server/{server}", r#"{"alive": true}"#, 422),
    (
        "PATCH",
        "/server/{server}",
        r#"{"user_activities": {"{anna}": {}}}"#,
        422,
    ),
    (
        "PATCH",
        "/server/{server}",
        r#"{"user_activities": [{"extra": {}}]}"#,
        422,
    ),
    (
        "PATCH",
        "/server/{server}",
        r#"{"user_activities": [{"user_id": "{steam}"}]}"#,
        422,
    ),
    ("GET", "/server/{server}", "{}", 422),
    (
        "PATCH",
        "/user/{anna}/ban?serverbundle_id={bundle}",
        "{}",
        422,
    ),
    ("PATCH", "/ban/{ban}", r#"{"user_id": "{anna}"}"#, 422),
    // Secrets.
    ("GET", "/server/{server}?api_key={key}", "", 400),
    (
        "POST",
        "/ban/",
        r#"{"user_id": "{anna}", "reason": "{key}"}"#,
        400,
    ),
];

#[test]
fn every_wrong_request_is_a_violation_and_changes_nothing() {
    for (method, path, body, status) in WRONG {
        let scene = Scene::new();
        let bans = scene.vyhub.bans();
        assert_eq!(
            scene.send(method, path, body),
            *status,
            "{method} {path} {body}"
        );
        let violations = scene.vyhub.violations();
        assert!(
            !violations.is_empty(),
            "{method} {path} {body}: no violation"
        );
        assert!(violations[0].starts_with(method), "{violations:?}");
        assert!(!scene.vyhub.requests()[0].applied, "{method} {path} {body}");
        assert_eq!(scene.vyhub.bans(), bans, "{method} {path} {body}");
        assert!(scene.vyhub.statuses().is_empty(), "{method} {path} {body}");
    }
}

/// How the bytes of a right request are spoilt.
const SPOILT: &[(&str, &str, u16)] = &[
    ("Authorization: Bearer ", "Authorization: Basic ", 401),
    ("Authorization: Bearer ", "X-Key: ", 401),
    (
        "Authorization: Bearer ",
        "Authorization: Bearer x\r\nAuthorization: Bearer ",
        401,
    ),
    (
        "Content-Type: application/json",
        "Content-Type: text/plain",
        422,
    ),
    ("Content-Type: application/json\r\n", "", 422),
    ("Host: ", "Host: other", 400),
    ("Host: ", "X-Host: ", 400),
    ("Content-Length: ", "Content-Length: x", 400),
    (
        "Content-Length: ",
        "Content-Length: 3\r\nContent-Length: ",
        400,
    ),
    (
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\nX-Length: ",
        400,
    ),
    ("HTTP/1.1", "HTTP/1.0", 400),
    ("Host: ", "Host ", 400),
    ("\"length\"", "'length'", 422),
];

#[test]
fn what_is_wrong_around_a_request_is_a_violation_too() {
    for (from, to, status) in SPOILT {
        let scene = Scene::new();
        let mut client = Client::of(&scene.vyhub);
        let body = json!({"user_id": scene.anna, "length": 60});
        let right = client.request("POST", "/ban/", Some(&body));
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right, "{from}");
        let reply = client.send_bytes(&wrong).expect("an answer");
        assert_eq!(reply.status, *status, "{from:?} to {to:?}");
        assert!(!scene.vyhub.violations().is_empty(), "{from:?} to {to:?}");
        assert_eq!(scene.vyhub.bans().len(), 1, "{from:?} to {to:?}");
    }
}

#[test]
fn a_lifting_without_a_bundle_lifts_all_and_is_a_violation() {
    let scene = Scene::new();
    scene.vyhub.edit_ban(&scene.ban, |ban| ban.bundle = None);
    let with_bundle = "/user/{anna}/ban?serverbundle_id={bundle}";
    assert_eq!(scene.send("PATCH", with_bundle, ""), 200);
    assert_eq!(scene.vyhub.bans()[0].status, "ACTIVE");
    assert_eq!(scene.send("PATCH", "/user/{anna}/ban", ""), 200);
    assert_eq!(scene.vyhub.bans()[0].status, "UNBANNED");
    assert_eq!(scene.vyhub.violations().len(), 1);
}

#[test]
fn what_is_refused_says_why_as_vyhub_does() {
    let scene = Scene::new();
    let mut client = Client::of(&scene.vyhub);
    let body = json!({"user_id": scene.anna, "length": "x"});
    let reply = client.send("POST", "/ban/", Some(&body)).unwrap().json();
    assert_eq!(reply["detail"][0]["loc"], json!(["body", "length"]));
    assert!(reply["detail"][0]["msg"].is_string() && reply["detail"][0]["type"].is_string());
    let body = json!({"user_id": NOBODY});
    let reply = client.send("POST", "/ban/", Some(&body)).unwrap();
    assert_eq!(
        (reply.status, &reply.json()["detail"]["code"]),
        (404, &json!("user_not_found"))
    );
    let reply = client.send("GET", "/ban", None).unwrap();
    let location = reply.header("location").expect("where it is");
    assert_eq!(location, scene.vyhub.api_url() + "/ban/");
    scene.vyhub.set_key("another");
    let reply = client.send("GET", "/general/frontend-url", None).unwrap();
    assert_eq!(
        (reply.status, reply.json()["detail"].is_string()),
        (401, true)
    );
    assert_eq!(
        client.send("GET", "/openapi.json", None).unwrap().status,
        200
    );
    assert_eq!(scene.vyhub.violations().len(), 2);
}

#[test]
fn rewards_of_everybody_and_foreign_servers_are_violations() {
    let vyhub = FakeVyhub::start();
    let mut client = Client::of(&vyhub);
    let anna = vyhub.add_user(76_561_198_000_000_001, "anna", false);
    let vip = vyhub.add_reward(&anna, "DIRECT", "x");
    let (server, bundle) = (vyhub.server_id(), vyhub.bundle_id());
    let list =
        format!("/packet/reward/applied/user?serverbundle_id={bundle}&for_server_id={server}");
    client.get(&list);
    let edit = format!("/packet/reward/applied/{vip}");
    for body in [
        serde_json::json!({"executed_on": [server, bundle]}),
        serde_json::json!({"executed_on": ["x"]}),
        serde_json::json!({"executed": [server]}),
    ] {
        client.send("PATCH", &edit, Some(&body)).unwrap();
    }
    assert_eq!(vyhub.violations().len(), 4, "{:#?}", vyhub.violations());
}
