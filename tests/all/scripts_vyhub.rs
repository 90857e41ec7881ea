//! Scripts in Python and VyHub: what they hear of it, what they know of players by it, and what
//! they do there.

use serde_json::{Value, json};

use crate::support::{Client, Community, Keeper, Visitor, Vpid, wait_until, with_keepers};

with_keepers! {
    a_script_hears_that_vyhub_is_ready_and_who_a_player_is: vyhub sqlite;
    a_script_bans_warns_and_forgives: vyhub sqlite mariadb;
    a_script_puts_a_player_into_a_group_and_takes_them_out: vyhub sqlite;
}

const RECORDER: &str = include_str!("../python/recorder.py");

fn with_recorder(vpid: Vpid) -> Vpid {
    vpid.signed().script("recorder", RECORDER)
}

/// A community whose vpid has a script; its hooks are heard from the first one on.
#[track_caller]
fn community(keeper: Keeper) -> (Community, Client) {
    let community = Community::kept_by_and(keeper, with_recorder).started();
    community.vpid.run_all(&["recorder"]);
    let client = Client::stock(&community.vpid);
    (community, client)
}

/// The data of the hooks of this name so far, added to what was heard before.
struct Ear {
    client: Client,
    heard: Vec<Value>,
}

impl Ear {
    fn of(&mut self, hook: &str) -> Vec<Value> {
        let more = self.client.ask("recorder.take", Value::Null);
        self.heard.extend(more.as_array().expect("a list").clone());
        let of_it = self.heard.iter().filter(|call| call[0] == hook);
        of_it.map(|call| call[1].clone()).collect()
    }

    /// Waits for a hook about somebody.
    #[track_caller]
    fn wait_for(&mut self, hook: &str, who: &Visitor) -> Value {
        let id = who.steam64().to_string();
        let mut found = Value::Null;
        wait_until(&format!("{hook} of {}", who.name), || {
            let calls = self.of(hook);
            let of_them = calls.iter().find(|data| data["id"] == id.as_str());
            of_them.is_some_and(|data| {
                found = data.clone();
                true
            })
        });
        found
    }
}

fn does(client: &mut Client, what: &str, args: Value) -> Value {
    client.ask("recorder.do", json!({"what": what, "args": args}))
}

fn a_script_hears_that_vyhub_is_ready_and_who_a_player_is(keeper: Keeper) {
    let (community, client) = community(keeper);
    let mut ear = Ear {
        client,
        heard: Vec::new(),
    };
    wait_until("VyHub is ready", || !ear.of("OnVyHubReady").is_empty());
    let ready = ear.of("OnVyHubReady").remove(0);
    if community.is_vyhub() {
        assert_eq!(ready["server"], json!(community.vyhub.server_id()));
    }
    assert_eq!(ready["bundle"], json!(community.bundle_id()));
    let admin = community.admin(2, "admin");
    let visitor = Visitor::new(3, "visitor");
    community.joins(&visitor);
    let connected = ear.wait_for("OnVyHubPlayerConnected", &visitor);
    let second = ear.wait_for("OnCommunityPlayerConnected", &visitor);
    assert_eq!(second, connected);
    assert_eq!(
        [&connected["userid"], &connected["name"]],
        [&json!(3), &json!("visitor")]
    );
    let initialized = ear.wait_for("OnVyHubPlayerInitialized", &visitor);
    let user = community.user_id(&visitor);
    assert_eq!(
        [&initialized["user_id"], &initialized["admin"]],
        [&json!(user), &json!(false)]
    );
    ear.wait_for("OnVyHubPlayerInitialized", &admin);
    let players = ear.client.ask("recorder.players", Value::Null);
    let of = |who: &Visitor| {
        let (all, steam) = (
            players.as_array().expect("a list"),
            who.steam64().to_string(),
        );
        let mut of_them = all.iter().filter(|player| player["steam"] == *steam);
        of_them.next().expect("a player").clone()
    };
    assert_eq!(of(&visitor)["user_id"], json!(user));
    assert_eq!(of(&admin)["groups"], json!(["admin"]));
    community.all_well();
}

fn a_script_bans_warns_and_forgives(keeper: Keeper) {
    let (community, mut client) = community(keeper);
    let [rogue, other] = [Visitor::new(3, "rogue"), Visitor::new(4, "other")];
    community.joins(&rogue);
    community.joins(&other);
    wait_until("both are on", || {
        client.ask("recorder.about", Value::Null)["count"] == 2
    });
    let warned = does(&mut client, "warn", json!([4, "watch out"]));
    assert!(warned["queued"].is_string(), "{warned}");
    let banned = does(
        &mut client,
        "ban",
        json!([rogue.steam3(), 90, "left \"early\""]),
    );
    assert!(banned["queued"].is_string(), "{banned}");
    let text = community.kicked_at_once(&rogue);
    assert!(text.contains("left 'early'"), "{text}");
    community.wait_until_sent();
    let bans = community.bans();
    assert_eq!((bans.len(), bans[0].length_s), (1, Some(5_400)));
    assert_eq!(community.warnings().len(), 1);
    community.stays_out(&rogue.again());
    let unbanned = does(&mut client, "unban", json!([rogue.steam64().to_string()]));
    assert!(unbanned["queued"].is_string(), "{unbanned}");
    community.wait_until_sent();
    assert!(community.bans()[0].is_lifted);
    let user = does(&mut client, "user", json!([4]));
    assert_eq!(user["player"], json!(other.steam64().to_string()));
    let playtime = does(&mut client, "playtime", json!([4]));
    assert!(
        playtime["hours"].as_f64().is_some_and(|it| it < 1.0),
        "{playtime}"
    );
    let server = does(&mut client, "vyhub_server", json!([]));
    if community.is_vyhub() {
        assert_eq!(server["server"], community.vyhub.server_id(), "{server}");
    }
    let nobody = does(&mut client, "ban", json!([99, null, "x"]));
    assert!(nobody.to_string().contains("no player #99"), "{nobody}");
    for (function, args) in [
        ("ban_address", json!(["203.0.113.0/24", 5, "x"])),
        ("unban_address", json!(["203.0.113.7"])),
    ] {
        let done = does(&mut client, function, args);
        match community.is_vyhub() {
            true => assert!(done.to_string().contains("no bans of addresses"), "{done}"),
            false => assert!(done["queued"].is_string(), "{done}"),
        }
    }
    // Each is told, whoever gave it.
    let mut ear = Ear {
        client,
        heard: Vec::new(),
    };
    assert_eq!(ear.wait_for("OnVyHubPlayerBanned", &rogue)["minutes"], 90);
    assert_eq!(
        ear.wait_for("OnVyHubPlayerWarned", &other)["reason"],
        "watch out"
    );
    ear.wait_for("OnVyHubPlayerUnbanned", &rogue);
    community.all_well();
}

fn a_script_puts_a_player_into_a_group_and_takes_them_out(keeper: Keeper) {
    let (community, mut client) = community(keeper);
    // What `!setgroup` and functions call it.
    match community.is_vyhub() {
        true => drop(community.vyhub.add_mapped_group("VIP", 10, "vip")),
        false => community.add_group("VIP", 10, &[], None),
    }
    let visitor = Visitor::new(3, "visitor");
    community.joins(&visitor);
    wait_until("the visitor is on", || {
        client.ask("recorder.about", Value::Null)["count"] == 1
    });
    let groups = |community: &Community| {
        community.wait_until_sent();
        community.groups_of(&visitor)
    };
    // It was made after vpid has read all groups, so it is read by and by.
    wait_until("the groups are known", || {
        let unknown = does(&mut client, "set_group", json!([3, "Owner"]));
        let words = community.either("It has: VIP", "There are: VIP");
        unknown.to_string().contains(words)
    });
    let done = does(&mut client, "set_group", json!([3, "vip", 60]));
    assert!(done["queued"].is_string(), "{done}");
    assert_eq!(groups(&community), ["VIP"]);
    let again = does(&mut client, "set_group", json!([visitor.steam3(), "VIP"]));
    assert_eq!(again["player"], json!(visitor.steam64().to_string()));
    assert_eq!(groups(&community).len(), 1, "not twice");
    does(&mut client, "remove_group", json!([3, "VIP"]));
    assert!(groups(&community).is_empty());
    does(&mut client, "set_group", json!([3, "VIP"]));
    assert_eq!(groups(&community).len(), 1);
    does(&mut client, "set_group", json!([3, null]));
    assert!(groups(&community).is_empty());
    let mut ear = Ear {
        client,
        heard: Vec::new(),
    };
    let changed = ear.wait_for("OnVyHubPlayerGroupChanged", &visitor);
    assert_eq!(changed["minutes"], 60);
    let changed = ear.wait_for("OnVyHubPlayerGroupsChanged", &visitor);
    let name = community.either("vip", "VIP");
    assert_eq!(changed["added"], json!([name]));
    community.all_well();
}

#[test]
fn a_script_acts_by_the_console() {
    let (community, mut client) = community(Keeper::Vyhub);
    let [one, two] = [Visitor::new(3, "one"), Visitor::new(4, "two")];
    community.joins(&one);
    community.joins(&two);
    wait_until("both are on", || {
        client.ask("recorder.about", Value::Null)["count"] == 2
    });
    assert_eq!(
        does(&mut client, "kick", json!([3, "a;b \"c\" \u{1b}[1m"])),
        Value::Null
    );
    let text = community.kicked(&one);
    assert_eq!(text, "\"a;b 'c' [1m\"");
    assert_eq!(community.kicks(two.userid), 0);
    assert_eq!(
        does(&mut client, "tell", json!([4, "hello \";quit"])),
        Value::Null
    );
    community.told(&two, "hello \";quit");
    for line in ["status\nquit", "say \"x\u{0}\"", ""] {
        let refused = does(&mut client, "command", json!([line]));
        assert!(refused.is_string(), "{line:?}: {refused}");
    }
    let map = client.ask("recorder.about", Value::Null)["map"].clone();
    assert_eq!(map, "cp_badlands");
    community.all_well();
}
