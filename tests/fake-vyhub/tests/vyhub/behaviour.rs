//! What VyHub does with requests that are right.

use std::thread;
use std::time::{Duration, Instant};

use fake_vyhub::{FakeVyhub, Fault, State};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

const ANNA: u64 = 76_561_198_000_000_001;
const BERT: u64 = 76_561_198_000_000_002;

#[test]
fn a_server_and_its_bundle_are_found() {
    let vyhub = FakeVyhub::start();
    vyhub.set_server_extra(json!({"reserved_slots": 2}));
    let mut client = Client::of(&vyhub);
    client.get("/openapi.json");
    let server = client.get(&format!("/server/{}", vyhub.server_id()));
    assert_eq!(server["serverbundle_id"], vyhub.bundle_id());
    assert_eq!(server["extra"], json!({"reserved_slots": 2}));
    let bundle = client.get(&format!("/server/bundle/{}", vyhub.bundle_id()));
    assert_eq!(bundle["id"], vyhub.bundle_id());
    assert_eq!(vyhub.violations(), Vec::<String>::new());
    assert_eq!(vyhub.requests().len(), 3);
}

#[test]
fn a_user_is_made_once() {
    let vyhub = FakeVyhub::start();
    let mut client = Client::of(&vyhub);
    let path = format!("/user/{ANNA}?type=STEAM");
    let reply = client.send("GET", &path, None).unwrap();
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["detail"]["code"], "user_not_found");
    let body = json!({"type": "STEAM", "identifier": ANNA.to_string()});
    let made = client.send("POST", "/user/", Some(&body)).unwrap().json();
    assert_eq!(made["username"], json!(null));
    let again = client.send("POST", "/user/", Some(&body)).unwrap().json();
    assert_eq!(client.get(&path), made);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(vyhub.users().len(), 1);
    assert_eq!(vyhub.violations(), Vec::<String>::new());
}

#[test]
fn a_ban_sent_twice_is_two_bans_and_listed_by_steam_id() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    vyhub.add_user(BERT, None, false);
    let mut client = Client::of(&vyhub);
    let body = json!({
        "user_id": anna, "serverbundle_id": vyhub.bundle_id(), "length": 60, "reason": "aim",
    });
    let first = client.send("POST", "/ban/", Some(&body)).unwrap().json();
    client.send("POST", "/ban/", Some(&body)).unwrap();
    assert_eq!(first["length"].to_string(), "60.0");
    assert_eq!(first["creator"], json!(null));
    let list = client.get(&format!(
        "/server/bundle/{}/ban?active=true",
        vyhub.bundle_id()
    ));
    assert_eq!(list[ANNA.to_string()].as_array().map(Vec::len), Some(2));
    assert_eq!(list.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(vyhub.bans_of(ANNA).len(), 2);
    assert_eq!(vyhub.violations(), Vec::<String>::new());
}

/// A user who may ban for an hour, in a VyHub with somebody to ban.
fn with_moderator() -> (FakeVyhub, String, String) {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    let bert = vyhub.add_user(BERT, "Bert", false);
    let rights = [("ban_edit", true), ("warning_edit", false)];
    let group = vyhub.add_group("Moderator", 50, &rights, Some(3600));
    vyhub.put_in_group(&bert, &group);
    (vyhub, anna, bert)
}

#[test]
fn who_acts_as_a_user_has_that_users_rights() {
    let (vyhub, anna, bert) = with_moderator();
    let mut client = Client::of(&vyhub);
    let mut post = |path: &str, morph: &str, length: Value| {
        let mut body = json!({"user_id": anna, "serverbundle_id": vyhub.bundle_id()});
        if path == "/ban/" {
            body["length"] = length;
        }
        let path = format!("{path}?morph_user_id={morph}");
        let reply = client.send("POST", &path, Some(&body)).unwrap();
        let json = reply.json();
        let code = json["detail"]["code"].as_str().map(str::to_owned);
        (reply.status, code, json["creator"]["id"].clone())
    };
    let refused = |code: &str| (403, Some(code.to_owned()), json!(null));
    assert_eq!(post("/ban/", &bert, json!(3600)), (200, None, json!(bert)));
    assert_eq!(
        post("/ban/", &bert, json!(3601)),
        refused("ban_length_exceeded")
    );
    assert_eq!(
        post("/ban/", &bert, json!(null)),
        refused("ban_length_exceeded")
    );
    assert_eq!(
        post("/ban/", &anna, json!(60)),
        refused("permission_denied")
    );
    assert_eq!(
        post("/warning/", &bert, json!(null)),
        refused("permission_denied")
    );
    let boss = vyhub.add_user(BERT + 1, "Boss", true);
    assert_eq!(post("/ban/", &boss, json!(null)), (200, None, json!(boss)));
    assert_eq!(
        post("/warning/", &boss, json!(null)),
        (200, None, json!(boss))
    );
    vyhub.set_key_may_morph(false);
    assert_eq!(
        post("/ban/", &bert, json!(60)),
        refused("user_morph_not_allowed")
    );
    assert_eq!(vyhub.bans().len(), 2);
    assert_eq!(vyhub.warnings().len(), 1);
    assert_eq!(vyhub.violations(), Vec::<String>::new());
}

#[test]
fn groups_and_properties_are_told_and_the_highest_group_decides() {
    let (vyhub, anna, bert) = with_moderator();
    let lower = vyhub.add_group("Muzzled", 40, &[("ban_edit", false)], None);
    vyhub.put_in_group(&bert, &lower);
    let mut client = Client::of(&vyhub);
    let path = format!("/user/{bert}/group?serverbundle_id={}", vyhub.bundle_id());
    let groups = client.get(&path);
    assert_eq!(groups[0]["permission_level"], 50);
    assert_eq!(groups[0]["max_ban_length"], 3600.0);
    assert_eq!(groups[0]["properties"]["ban_edit"]["granted"], true);
    assert_eq!(groups[1]["max_ban_length"], json!(null));
    let properties = client.get(&format!("/user/{bert}/property"));
    assert_eq!(properties[0]["name"], "ban_edit");
    assert_eq!(properties[0]["granted"], true);
    let higher = vyhub.add_group("Suspended", 60, &[("ban_edit", false)], None);
    vyhub.put_in_group(&bert, &higher);
    let properties = client.get(&format!("/user/{bert}/property"));
    assert_eq!(properties[0]["granted"], false);
    assert_eq!(client.get(&format!("/user/{anna}/property")), json!([]));
}

#[test]
fn a_ban_that_runs_out_stays_active_by_its_status_and_leaves_the_list() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    let id = vyhub.add_ban(&anna, "aim", Some(3600));
    let mut client = Client::of(&vyhub);
    let path = format!("/server/bundle/{}/ban", vyhub.bundle_id());
    let listed = |list: Value| list.as_object().map(serde_json::Map::len);
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(1));
    // The list that was made is not true any more when time goes on, or the clock says so.
    vyhub.edit_ban(&id, |ban| {
        ban.created_on = Timestamp::now();
        ban.length_s = Some(0.5);
    });
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(1));
    let is_over = |state: &State| !state.bans()[0].is_active(Timestamp::now());
    assert!(vyhub.wait_until(is_over, Duration::from_secs(20)));
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(0));
    vyhub.edit_ban(&id, |ban| ban.length_s = Some(3600.0));
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(1));
    vyhub
        .faults
        .next(("GET", "/server/bundle"), Fault::ClockSkew(3_601_000));
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(0));
    vyhub.edit_ban(&id, |ban| ban.length_s = Some(0.0));
    assert_eq!(listed(client.get(&format!("{path}?active=true"))), Some(0));
    let ban = client.get(&format!("/ban/{id}"));
    assert_eq!(
        (&ban["status"], &ban["active"]),
        (&json!("ACTIVE"), &json!(false))
    );
    assert_eq!(listed(client.get(&path)), Some(1));
}

#[test]
fn a_lifted_ban_stays_on_record() {
    let (vyhub, anna, bert) = with_moderator();
    let id = vyhub.add_ban(&anna, "aim", None);
    let global = vyhub.add_ban(&anna, "everywhere", None);
    vyhub.edit_ban(&global, |ban| ban.bundle = None);
    let mut client = Client::of(&vyhub);
    let bundle = vyhub.bundle_id();
    let path = format!("/user/{anna}/ban?serverbundle_id={bundle}&morph_user_id={bert}");
    assert_eq!(client.send("PATCH", &path, None).unwrap().status, 200);
    let statuses: Vec<String> = vyhub.bans().into_iter().map(|ban| ban.status).collect();
    assert_eq!(statuses, ["UNBANNED", "ACTIVE"]);
    let body = json!({"status": "ACTIVE", "length": 60, "reason": "again"});
    let path = format!("/ban/{id}?morph_user_id={bert}");
    let ban = client.send("PATCH", &path, Some(&body)).unwrap().json();
    assert_eq!(
        (&ban["status"], &ban["length"]),
        (&json!("ACTIVE"), &json!(60.0))
    );
}

#[test]
fn lists_come_in_pages_sorted_as_asked() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    let bert = vyhub.add_user(BERT, "Bert", false);
    for number in 0..5 {
        let id = vyhub.add_ban(&anna, &format!("reason {number}"), None);
        let created = format!("2026-01-0{}T00:00:00Z", number + 1)
            .parse()
            .unwrap();
        vyhub.edit_ban(&id, |ban| ban.created_on = created);
    }
    vyhub.add_ban(&bert, "other", None);
    let mut client = Client::of(&vyhub);
    let sorted = "sort_by=created_on&sort_desc=true&page=2&size=2";
    let page = client.get(&format!("/ban/?user_id={anna}&{sorted}"));
    assert_eq!(
        (&page["total"], &page["page"], &page["size"]),
        (&json!(5), &json!(2), &json!(2))
    );
    let reasons = [&page["items"][0]["reason"], &page["items"][1]["reason"]];
    assert_eq!(reasons, [&json!("reason 2"), &json!("reason 1")]);
    assert_eq!(page["items"][0]["protests"], json!([]));
    let found = client.get("/ban/?query=reason%203&active=true");
    assert_eq!(
        (&found["total"], &found["items"][0]["user"]["id"]),
        (&json!(1), &json!(anna))
    );
    let other = client.get("/ban/?serverbundle_id=00000000-0000-4000-a000-000000000000");
    assert_eq!(other["total"], 0);
}

#[test]
fn warnings_are_given_and_listed() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, None, false);
    let mut client = Client::of(&vyhub);
    let bundle = vyhub.bundle_id();
    let body = json!({"user_id": anna, "serverbundle_id": bundle, "reason": "spam"});
    let warning = client
        .send("POST", "/warning/", Some(&body))
        .unwrap()
        .json();
    assert_eq!(warning["creator"]["username"], "System");
    assert_eq!(warning["user"]["username"], json!(null));
    let page = client.get(&format!(
        "/warning/?user_id={anna}&serverbundle_id={bundle}"
    ));
    assert_eq!((&page["total"], &page["items"][0]), (&json!(1), &warning));
    let list = client.get(&format!("/server/bundle/{bundle}/warning?active=true"));
    assert_eq!(list[ANNA.to_string()][0], warning);
    assert_eq!(vyhub.warnings()[0].reason.as_deref(), Some("spam"));
}

#[test]
fn a_status_is_kept_and_shows_who_is_on() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    vyhub.add_ban(&anna, "aim", None);
    let mut client = Client::of(&vyhub);
    let body = json!({
        "users_max": 24, "users_current": 1, "map": "ctf_2fort", "is_alive": true,
        "user_activities": [{"user_id": anna, "extra": {"Score": 3}}],
    });
    let path = format!("/server/{}", vyhub.server_id());
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let told = |state: &State| state.statuses().len() == 1;
            vyhub.wait_until(told, Duration::from_secs(20))
        });
        let server = client.send("PATCH", &path, Some(&body)).unwrap().json();
        assert_eq!(
            (&server["status"], &server["map"]),
            (&json!("ONLINE"), &json!("ctf_2fort"))
        );
        assert!(waits.join().unwrap());
    });
    assert_eq!(vyhub.last_status(), Some(body));
    let users = client.get(&format!("{path}/user-activity"));
    assert_eq!(users[0]["identifier"], ANNA.to_string());
    assert_eq!(users[0]["activities"][0]["extra"]["Score"], 3);
    assert_eq!(users[0]["bans"].as_array().map(Vec::len), Some(1));
    assert!(!vyhub.wait_until(
        |state| state.statuses().len() == 2,
        Duration::from_millis(20)
    ));
}

#[test]
fn a_user_who_was_removed_is_unknown_and_can_be_made_again() {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    vyhub.add_ban(&anna, "aim", None);
    let mut client = Client::of(&vyhub);
    let list = format!("/server/bundle/{}/ban?active=true", vyhub.bundle_id());
    assert_ne!(client.get(&list), json!({}));
    vyhub.remove_user(ANNA);
    assert_eq!(client.get(&list), json!({}));
    let reply = client
        .send("POST", "/ban/", Some(&json!({"user_id": anna})))
        .unwrap();
    assert_eq!(reply.status, 404);
    let body = json!({"type": "STEAM", "identifier": ANNA.to_string()});
    let made = client.send("POST", "/user/", Some(&body)).unwrap().json();
    assert_ne!(made["id"], anna);
    assert_eq!(vyhub.bans_of(ANNA).len(), 1);
}

#[test]
fn answers_vary_in_all_that_may_vary() {
    let vyhub = FakeVyhub::start();
    let mut client = Client::of(&vyhub);
    let mut seen = [false; 6];
    for _ in 0..12 {
        let reply = client.send("GET", "/general/frontend-url", None).unwrap();
        let kind = reply.header("content-type").unwrap();
        let chunked = reply.header("content-length").is_none();
        assert!(
            reply
                .header("date")
                .is_some_and(|date| date.ends_with(" GMT"))
        );
        seen[usize::from(chunked)] = true;
        seen[2 + usize::from(kind == "application/json")] = true;
    }
    for number in 0..2 {
        let id = vyhub.add_user(ANNA + number, None, false);
        let user = client.get(&format!("/user/{id}"));
        let registered = user["registered_on"].as_str().unwrap();
        assert!(registered.ends_with("+00:00"), "{registered}");
        seen[4 + usize::from(registered.contains('.'))] = true;
    }
    assert_eq!(seen, [true; 6]);
}

#[test]
fn a_hundred_thousand_bans_are_listed_quickly() {
    let vyhub = FakeVyhub::start();
    vyhub.grow_bans(100_000);
    let mut client = Client::of(&vyhub);
    let path = format!("/server/bundle/{}/ban?active=true", vyhub.bundle_id());
    client.get(&path);
    // Made once; from then on it only goes over the connection.
    let began = Instant::now();
    let reply = client.send("GET", &path, None).unwrap();
    let took = began.elapsed();
    assert!(reply.body.len() > 20_000_000);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn rewards_are_listed_for_a_server_until_it_has_executed_them() {
    let vyhub = FakeVyhub::start();
    let mut client = Client::of(&vyhub);
    let anna = vyhub.add_user(ANNA, "anna", false);
    let bert = vyhub.add_user(BERT, "bert", false);
    let vip = vyhub.add_reward(&anna, "DIRECT", "sm_addvip %steamid64%");
    vyhub.add_reward(&bert, "CONNECT", "sm_say hello");
    let (server, bundle) = (vyhub.server_id(), vyhub.bundle_id());
    let path = format!(
        "/packet/reward/applied/user?active=true&foreign_ids=true&status=OPEN\
         &serverbundle_id={bundle}&for_server_id={server}&user_id={anna}"
    );
    let lists = client.get(&path);
    let list = lists[ANNA.to_string()].as_array().expect("a list");
    assert_eq!((list.len(), &list[0]["id"]), (1, &json!(vip)), "{lists:#}");
    assert_eq!(lists.as_object().map(|all| all.len()), Some(1));
    let edit = format!("/packet/reward/applied/{vip}");
    let body = json!({"executed_on": [server]});
    for _ in 0..2 {
        let edited = client.send("PATCH", &edit, Some(&body)).unwrap().json();
        assert_eq!(edited["executed_on"], json!([server]));
    }
    assert_eq!(client.get(&path), json!({}));
    vyhub.extend_reward(&vip);
    assert_ne!(client.get(&path), json!({}));
    assert_eq!(vyhub.violations(), Vec::<String>::new());
}
