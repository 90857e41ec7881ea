//! Where players come from, as Python scripts see it.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Client, Vpid, wait_until};

const PLACES: &str = r#"
import game

def country(of):
    return game.country(of)

def place(of):
    return game.geoip(of)

async def later(of):
    return await game.aio.geoip(of)
"#;

fn database(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/geoip").join(name).display().to_string()
}

#[test]
fn scripts_read_where_players_come_from() {
    let vpid = Vpid::new()
        .signed()
        .script("places", PLACES)
        .table(&format!(
            "[geoip]\ncity = '{}'\nasn = '{}'\n",
            database("city.mmdb"),
            database("asn.mmdb")
        ))
        .with_running(&["places"]);
    let mut client = Client::stock(&vpid);
    for (of, country) in [
        ("203.0.113.7", json!("AT")),
        ("203.0.113.7:27005", json!("AT")),
        ("2001:db8:1::7", json!("AT")),
        ("192.0.2.1", json!(null)),
        ("192.168.1.7", json!(null)),
        ("127.0.0.1:27005", json!(null)),
    ] {
        assert_eq!(
            client.ask("places.country", json!({"of": of})),
            country,
            "{of}"
        );
    }
    for function in ["places.place", "places.later"] {
        let place = client.ask(function, json!({"of": "203.0.113.7"}));
        assert_eq!(place["city"], "Vienna", "{place}");
        assert_eq!(place["country_name"], "Austria");
        assert_eq!(
            (&place["asn"], &place["network"]),
            (&json!(64500), &json!("Example Networks"))
        );
    }
    let unknown = client.ask("places.country", json!({"of": "[U:1:7]"}));
    assert!(
        unknown
            .to_string()
            .contains("neither an address nor a player"),
        "{unknown}"
    );
}

#[test]
fn without_its_databases_vpid_says_what_to_do() {
    let missing = Vpid::new()
        .signed()
        .script("places", PLACES)
        .table("[geoip]\ncity = 'none.mmdb'\n");
    missing.write_config();
    let output = missing.command(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("none.mmdb: this database cannot be read"),
        "{text}"
    );
    assert!(text.contains("correct city in [geoip]"), "{text}");
    let mut missing = missing;
    let (code, log) = missing.refused();
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("none.mmdb: this database cannot be read"),
        "{log}"
    );

    let vpid = Vpid::new()
        .signed()
        .script("places", PLACES)
        .with_running(&["places"]);
    let mut client = Client::stock(&vpid);
    let answer = client.ask("places.place", json!({"of": "203.0.113.7"}));
    assert!(answer.to_string().contains("GeoipUnavailable"), "{answer}");
    assert_eq!(
        client.ask("places.place", json!({"of": "10.0.0.7"})),
        json!(null)
    );
}

#[test]
fn a_listed_script_looks_up_addresses_only_if_its_list_says_so() {
    let path = tempfile::tempdir().expect("a folder");
    let file = path.path().join("city.mmdb");
    fs::copy(database("city.mmdb"), &file).expect("a copy");
    let vpid = Vpid::new()
        .signed()
        .script("places", PLACES)
        .script("others", PLACES)
        .permission("\"places.py\" = [\"game.country\"]")
        .table(&format!("[geoip]\ncity = '{}'\n", file.display()))
        .with_running(&["places", "others"]);
    let mut client = Client::stock(&vpid);
    let of = json!({"of": "203.0.113.7"});
    assert_eq!(client.ask("places.country", of.clone()), "AT");
    let refused = client.ask("places.place", of.clone());
    assert!(refused.to_string().contains("game.geoip"), "{refused}");
    assert_eq!(client.ask("others.place", of.clone())["city"], "Vienna");
    // An updater puts another file in its place.
    fs::copy(database("country.mmdb"), path.path().join("new")).expect("a copy");
    fs::rename(path.path().join("new"), &file).expect("a file in its place");
    wait_until("the new file is read", || {
        client.ask("others.place", of.clone())["city"].is_null()
    });
    assert_eq!(client.ask("others.country", of), "AT");
}
