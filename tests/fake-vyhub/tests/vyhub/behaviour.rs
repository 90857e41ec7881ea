//! What VyHub does with requests that are right.

use fake_vyhub::FakeVyhub;
use serde_json::json;

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
