//! What scripts can call: `VYHUB_Ban` and the others, and who may.

use serde_json::{Value, json};

use crate::support::{Community, Keeper, KeptBan, Visitor, with_keepers};

with_keepers! {
    scripts_ban_warn_ask_and_forgive: vyhub sqlite mariadb;
    only_scripts_that_are_named_may_ban: vyhub sqlite;
    vpid_call_asks_and_a_signed_game_too: vyhub sqlite;
}

fn community(keeper: Keeper) -> Community {
    Community::kept_by_and(keeper, |vpid| {
        vpid.signed()
            .permission("\"ranked.nut\" = [\"VYHUB_Ban\", \"VYHUB_Unban\", \"VYHUB_Warn\"]")
            .permission("\"all.nut\" = [\"*\"]")
    })
    .started()
}

fn scripts_ban_warn_ask_and_forgive(keeper: Keeper) {
    let community = community(keeper);
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    let mut host = community.vpid.host("my_server");
    let of_rogue = json!({"player": rogue.steam3()});
    let user = host.ask("VYHUB_GetUser", of_rogue.clone());
    assert_eq!(
        [&user["id"], &user["player"], &user["admin"]],
        [
            &json!(community.user_id(&rogue)),
            &json!(rogue.steam64().to_string()),
            &json!(false)
        ]
    );
    assert_eq!(
        host.ask("VYHUB_IsBanned", json!({"player": 3})),
        json!({"banned": false})
    );

    let warning = json!({"player": 3, "reason": "watch out"});
    let answer = host.ask_as("ranked.nut", "VYHUB_Warn", warning);
    assert!(answer["queued"].is_string(), "{answer}");
    let ban = json!({"player": rogue.steam64().to_string(), "reason": "left early", "minutes": 90});
    let answer = host.ask_as("ranked.nut", "VYHUB_Ban", ban);
    assert!(answer["queued"].is_string(), "{answer}");
    let text = community.kicked_at_once(&rogue);
    assert!(
        text.contains("left early") && text.contains("by the server"),
        "{text}"
    );
    community.wait_until_sent();
    let ban = KeptBan {
        steam: rogue.steam64(),
        reason: "left early".into(),
        length_s: Some(5_400),
        issuer: None,
        is_lifted: false,
    };
    assert_eq!(community.bans(), [ban]);
    assert_eq!(community.warnings().len(), 1);
    let banned = host.ask("VYHUB_IsBanned", of_rogue.clone());
    assert_eq!(
        [&banned["banned"], &banned["reason"]],
        [&json!(true), &json!("left early")],
        "{banned}"
    );

    let answer = host.ask_as("ranked.nut", "VYHUB_Unban", of_rogue.clone());
    assert!(answer["queued"].is_string(), "{answer}");
    assert_eq!(
        host.ask("VYHUB_IsBanned", of_rogue),
        json!({"banned": false})
    );
    community.wait_until_sent();
    assert!(community.bans()[0].is_lifted);
    community.all_well();
}

#[test]
fn bans_of_addresses_are_answered_with_a_sentence_since_vyhub_has_none() {
    let community = Community::configured(|vpid| {
        vpid.signed()
            .permission("\"ranked.nut\" = [\"VYHUB_*Address\"]")
    })
    .started();
    let admin = community.admin(7, "admin");
    for command in [
        "!banip 203.0.113.7 30 x",
        "!unbanip 203.0.113.7",
        "!bans 203.0.113.7",
    ] {
        community.log.says(&admin, command);
        community.told(&admin, "VyHub has no bans of addresses.");
    }
    let mut host = community.vpid.host("my_server");
    for (function, kwargs) in [
        (
            "VYHUB_BanAddress",
            json!({"address": "203.0.113.7", "reason": "x"}),
        ),
        ("VYHUB_UnbanAddress", json!({"address": "203.0.113.7"})),
    ] {
        let answer = host.ask_as("ranked.nut", function, kwargs.clone());
        let text = answer.as_str().unwrap_or_default();
        assert!(
            text.contains("VyHubUnavailable") && text.contains("no bans of addresses"),
            "{answer}"
        );
        let answer = host.ask_as("all.nut", function, kwargs);
        assert!(answer.to_string().contains("ermission"), "{answer}");
    }
    assert!(community.outbox().is_empty());
    community.all_well();
}

fn only_scripts_that_are_named_may_ban(keeper: Keeper) {
    let community = community(keeper);
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    let mut host = community.vpid.host("my_server");
    let kwargs = || json!({"player": rogue.steam3(), "reason": "x"});
    for function in ["VYHUB_Ban", "VYHUB_Unban", "VYHUB_Warn"] {
        for script in ["test.nut", "all.nut"] {
            let mut kwargs = kwargs();
            if function == "VYHUB_Unban" {
                kwargs.as_object_mut().unwrap().remove("reason");
            }
            let answer = host.ask_as(script, function, kwargs);
            let text = answer.as_str().unwrap_or_default();
            assert!(
                text.starts_with("[VPI ERROR]") && text.contains("ermission"),
                "{answer}"
            );
        }
    }
    for (kwargs, word) in [
        (json!({"reason": "x"}), "it needs `player`"),
        (json!({"player": "rogue", "reason": "x"}), "a SteamID"),
        (json!({"player": 99, "reason": "x"}), "no player #99"),
        (json!({"player": 3}), "it needs `reason`"),
        (
            json!({"player": 3, "reason": "x", "minutes": -1}),
            "`minutes`",
        ),
        (
            json!({"player": 3, "reason": "x", "until": 1}),
            "no argument",
        ),
        (json!({"player": 3, "reason": "x".repeat(301)}), "too long"),
        (Value::Null, "it needs `player`"),
    ] {
        let answer = host.ask_as("ranked.nut", "VYHUB_Ban", kwargs.clone());
        assert!(
            answer.as_str().is_some_and(|text| text.contains(word)),
            "{kwargs}: {answer}"
        );
    }
    assert!(community.outbox().is_empty() && community.game.kicked().is_empty());
    community.all_well();
}

fn vpid_call_asks_and_a_signed_game_too(keeper: Keeper) {
    let community = community(keeper);
    let known = Visitor::new(3, "known");
    if community.is_vyhub() {
        community.vyhub.add_user(known.steam64(), "Known", true);
    } else {
        community.operator(&["user", "add", &known.steam3(), "--name", "Known"]);
        community.operator(&["admin", "add", &known.steam3()]);
    }
    let arguments = format!("{{\"player\": \"{}\"}}", known.steam64());
    let output = community
        .vpid
        .command(&["call", "VYHUB_GetUser", &arguments]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(
        [&answer["username"], &answer["admin"]],
        [&json!("Known"), &json!(true)]
    );
    let mut game = community.vpid.signed_game("my_server");
    let call = vpid::game_side::stock::GameCall::new(
        "any.nut",
        "VYHUB_IsBanned",
        json!({"player": known.steam3()}),
    );
    let answer = game
        .call(call, crate::support::PATIENCE)
        .expect("files can be read");
    assert_eq!(answer, Some(Ok(json!({"banned": false}))));
    community.all_well();
}
