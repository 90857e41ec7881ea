use serde_json::json;

use super::*;
use crate::limits::BAN_REASON_CHARS_MAX;

const ID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const OTHER: &str = "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9";
const STEAM: &str = "76561197960287930";

fn read(expect: Expect, value: &Value) -> Result<Reply, ReadError> {
    reply(expect, value.to_string().as_bytes())
}

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

fn full_ban() -> Value {
    json!({
        "length": 3600.0, "reason": "cheating", "id": ID, "created_on": "2026-03-01T12:00:00.5+00:00",
        "creator": {"id": OTHER, "username": "Ann", "type": "STEAM", "identifier": STEAM, "avatar": ""},
        "status": "ACTIVE", "ends_on": "2026-03-01T13:00:00.5+00:00", "active": true,
        "user": {"id": ID, "username": "Bob", "type": "STEAM", "identifier": STEAM, "avatar": ""},
        "serverbundle": {"id": OTHER, "name": "TF2", "icon": "x", "sort_id": 1}, "protests": [],
    })
}

#[test]
fn a_ban_is_read_with_all_that_it_has() {
    let Ok(Reply::Ban(ban)) = read(Expect::Ban, &full_ban()) else {
        panic!("no ban");
    };
    assert_eq!(ban.id, id(ID));
    assert_eq!(ban.reason.as_deref(), Some("cheating"));
    assert_eq!(ban.length_s, Some(3600));
    assert_eq!(ban.created.to_string(), "2026-03-01T12:00:00.5Z");
    assert_eq!(ban.ends.unwrap().to_string(), "2026-03-01T13:00:00.5Z");
    assert_eq!(ban.creator, Some(id(OTHER)));
    assert_eq!(ban.creator_name.as_deref(), Some("Ann"));
}

#[test]
fn nulls_are_as_fields_that_are_not_there() {
    let needed = ["id", "created_on"];
    for null in [true, false] {
        let mut value = full_ban();
        for (name, field) in value.as_object_mut().unwrap() {
            if !needed.contains(&name.as_str()) {
                *field = Value::Null;
            }
        }
        if !null {
            let required = |name: &str| BAN.split(' ').any(|field| field == name);
            let fields = value.as_object_mut().unwrap();
            fields.retain(|name, field| required(name) || !field.is_null());
        }
        let Ok(Reply::Ban(ban)) = read(Expect::Ban, &value) else {
            panic!("no ban");
        };
        assert_eq!((ban.length_s, ban.ends), (None, None));
        assert_eq!(
            (ban.reason, ban.creator, ban.creator_name),
            (None, None, None)
        );
    }
    for name in needed {
        let mut value = full_ban();
        value[name] = Value::Null;
        let error = read(Expect::Ban, &value).unwrap_err();
        assert_eq!(error.to_string(), format!("a ban has no `{name}`"));
    }
}

/// A good body for each kind of reply, with the fields that the definition requires.
fn good() -> Vec<(Expect, Value, &'static str)> {
    let server = json!({
        "id": ID, "name": "2fort", "type": "SOURCE", "address": "", "port": 27015, "hidden": false,
        "status": "ONLINE",
    });
    let bundle = json!({
        "id": ID, "name": "TF2", "multigroup": true, "server_type": "SOURCE", "sort_id": 1,
    });
    let membership = json!({
        "id": ID, "bounds": "[)", "begin": "2026-03-01T12:00:00", "group": {"id": ID}, "active": true,
        "user_id": ID, "serverbundle": {"id": OTHER},
    });
    let attribute = json!({
        "name": "playtime", "title": "Play Time", "unit": "HOURS", "type": "ACCUMULATED",
        "unspecific": true, "id": ID,
    });
    let addition = json!({"value": "1.5", "definition_id": ID, "user_id": ID});
    let login = json!({
        "validation_uuid": ID, "user_type": "STEAM", "created": "2026-03-01T12:00:00",
        "valid": true, "confirmed": true,
    });
    let page = |item: Value| json!({"items": [item], "total": 1, "page": 1, "size": 100});
    vec![
        (Expect::Server, server, SERVER),
        (Expect::Bundle, bundle, BUNDLE),
        (Expect::User, full_user(STEAM), USER),
        (Expect::Ban, full_ban(), BAN),
        (Expect::Warning, full_warning(), WARNING),
        (Expect::Membership, membership, MEMBERSHIP),
        (Expect::Attribute, attribute, ATTRIBUTE),
        (Expect::Addition, addition, ADDITION),
        (Expect::AppliedReward, full_reward(), APPLIED_REWARD),
        (Expect::Login, login, LOGIN),
        (
            Expect::Links,
            json!({"frontend_url": "https://x.example"}),
            "frontend_url",
        ),
        (Expect::Bans(1), page(full_ban()), PAGE),
        (Expect::Warnings(1), page(full_warning()), PAGE),
    ]
}

fn full_reward() -> Value {
    json!({
        "id": ID, "active": true, "user": {"id": OTHER, "username": "Ann"}, "applied_packet_id": OTHER,
        "applied_packet": {
            "id": OTHER, "status": "ENABLED", "bounds": "[)", "begin": "2026-03-01T12:00:00",
            "packet": {"id": ID, "title": "VIP"}, "purchase": {"amount_text": "5.00 EUR"},
        },
        "status": "OPEN", "executed_on": [OTHER],
        "reward": {
            "name": "Give", "type": "COMMAND", "on_event": "DIRECT", "id": OTHER, "serverbundle": {},
            "data": {"command": "say hi"}, "order": 2.0, "once": true, "once_from_all": null,
            "reactivate_on_extend": true, "requirement_set": {"fulfilled": false},
        },
    })
}

#[test]
fn rewards_are_read_by_player_and_an_odd_one_spoils_no_other() {
    let mut plain = full_reward();
    plain["reward"] = json!({
        "name": "x", "type": "HTTP", "on_event": "DISABLE", "id": OTHER, "serverbundle": {},
    });
    plain["applied_packet"]["purchase"] = Value::Null;
    let mut odd = full_reward();
    odd["reward"]["data"] = json!({"command": 3});
    let body = json!({STEAM: [full_reward(), odd, plain], "nobody": [full_reward()]});
    let Ok(Reply::Rewards(list)) = read(Expect::Rewards, &body) else {
        panic!("no rewards");
    };
    let steam = STEAM.parse().ok().and_then(SteamId::from_u64).unwrap();
    assert_eq!(list.unread, [(steam, Some(id(ID)))].into());
    let [first, second] = &list.items[..] else {
        panic!("{list:?}");
    };
    assert_eq!(first.action, Action::Command("say hi".into()));
    assert_eq!(
        (first.id, first.of, first.user),
        (id(ID), id(OTHER), id(OTHER))
    );
    assert_eq!((first.once, first.once_from_all), (true, false));
    assert!(first.reactivates && !first.is_fulfilled);
    assert_eq!(first.on, RewardEvent::Direct);
    assert_eq!(first.amount.as_deref(), Some("5.00 EUR"));
    assert_eq!(first.packet_title, "VIP");
    assert_eq!(first.executed_on, [id(OTHER)]);
    assert_eq!(second.action, Action::Other("HTTP".into()));
    assert_eq!((second.on, &second.amount), (RewardEvent::Disable, &None));
    assert!(second.is_fulfilled && !second.once);
    for no_list in [json!({"detail": "x"}), json!({STEAM: {}}), json!([])] {
        assert!(read(Expect::Rewards, &no_list).is_err(), "{no_list}");
    }
}

#[test]
fn a_reward_that_is_executed_or_of_another_player_is_passed_over() {
    let changed = |key: &str, value: Value| {
        let mut reward = full_reward();
        reward[key] = value;
        reward
    };
    let user =
        |identifier: Value| json!({"id": OTHER, "username": "Ann", "identifier": identifier});
    for (reward, is_due) in [
        (changed("status", json!("OPEN")), true),
        (changed("status", json!("EXECUTED")), false),
        (changed("status", json!("FAILED")), false),
        (changed("status", Value::Null), true),
        (changed("user", user(json!(STEAM))), true),
        (changed("user", user(json!("76561197960287931"))), false),
        (changed("user", user(json!("80351110224678912"))), true),
        (changed("user", user(Value::Null)), true),
        // As one on DISABLE can be.
        (changed("active", json!(false)), true),
    ] {
        let body = json!({STEAM: [reward]});
        let Ok(Reply::Rewards(list)) = read(Expect::Rewards, &body) else {
            panic!("no rewards");
        };
        assert_eq!(list.items.len(), usize::from(is_due), "{body}");
        assert!(list.unread.is_empty(), "{body}");
    }
}

#[test]
fn a_date_beyond_all_moments_is_the_last_or_the_first_of_them() {
    for late in [
        "9999-12-31T23:59:59.999999+00:00",
        "9999-12-31T23:59:59.999999",
        "9999-12-31T23:59:59Z",
        "9999-12-31",
    ] {
        assert_eq!(date(late), Some(Timestamp::MAX), "{late}");
    }
    assert_eq!(date("-009999-01-01T00:00:00"), Some(Timestamp::MIN));
    for text in ["2026-03-01T12:00:00", "2026-03-01T13:00:00+01:00"] {
        assert_eq!(date(text).unwrap().to_string(), "2026-03-01T12:00:00Z");
    }
    for none in ["", "never", "9999-13-01T00:00:00", "9999"] {
        assert_eq!(date(none), None, "{none}");
    }
}

#[test]
fn nobody_loses_a_group_for_a_membership_that_cannot_be_read() {
    let membership = json!({
        "id": ID, "group": {"id": OTHER}, "begin": "2026-03-01T12:00:00", "end": null, "bounds": "[)",
        "user_id": ID, "serverbundle_id": OTHER,
    });
    let user = |membership: &Value| {
        json!({
            "id": ID, "type": "STEAM", "identifier": STEAM, "username": null, "avatar": null,
            "memberships": [membership], "activities": [],
            "warnings": [{"active": true, "disabled": false}, {"active": true, "disabled": true}],
            "bans": [{"active": true}, {"active": false}],
        })
    };
    let mut odd = membership.clone();
    odd["group"] = Value::Null;
    let body = json!([user(&membership), user(&odd)]);
    let Ok(Reply::Activity(list)) = read(Expect::Activity, &body) else {
        panic!("no users");
    };
    assert_eq!((list.items.len(), list.skipped), (1, 1));
    let one = &list.items[0];
    assert_eq!((one.warnings, one.bans), (1, 1));
    let membership = &one.memberships[0];
    assert_eq!(
        (membership.group, membership.bundle),
        (id(OTHER), id(OTHER))
    );
    assert_eq!((membership.end, membership.active), (None, None));
}

#[test]
fn attributes_of_a_user_are_texts_by_name() {
    let body = json!({"playtime": "1.5", "level": 3, "none": null});
    let expected = [("level", "3"), ("playtime", "1.5")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        read(Expect::Attributes, &body),
        Ok(Reply::Attributes(expected.into()))
    );
    assert!(read(Expect::Attributes, &json!([])).is_err());
}

fn full_user(identifier: &str) -> Value {
    json!({
        "id": ID, "type": "STEAM", "identifier": identifier, "registered_on": "2026-03-01T12:00:00",
        "username": null, "admin": true, "credit_account_id": ID, "attributes": {},
        "email_notification": false, "activities": [], "linked_users": [],
    })
}

fn full_warning() -> Value {
    json!({
        "id": ID, "reason": null, "creator": null, "created_on": "2026-03-01T12:00:00",
        "active": false, "disabled": true, "user": {}, "serverbundle": null,
    })
}

#[test]
fn a_body_without_what_the_definition_requires_is_not_the_apis() {
    for (expect, body, required) in good() {
        assert!(
            read(expect, &body).is_ok(),
            "{expect:?}: {:?}",
            read(expect, &body)
        );
        for field in required.split(' ') {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(
                read(expect, &without).is_err(),
                "{expect:?} without {field}"
            );
        }
        for odd in [
            "{}",
            "[]",
            "null",
            "7",
            "\"x\"",
            "[{}]",
            "{\"detail\":\"x\"}",
            "<html>",
            "",
        ] {
            assert!(reply(expect, odd.as_bytes()).is_err(), "{expect:?}: {odd}");
        }
        let text = body.to_string();
        for end in 0..text.len() {
            assert!(
                reply(expect, &text.as_bytes()[..end]).is_err(),
                "{expect:?} cut at {end}"
            );
        }
    }
    for expect in [Expect::Groups, Expect::Adverts] {
        for odd in ["{}", "null", "7", "{\"items\":[]}", "<html>", "", "["] {
            assert!(reply(expect, odd.as_bytes()).is_err(), "{expect:?}: {odd}");
        }
    }
}

#[test]
fn a_page_is_the_one_that_was_requested_and_whole() {
    let page = |count: usize, total: u64, number: u64| json!({"items": vec![full_ban(); count], "total": total, "page": number, "size": 100});
    for (count, total, number, is_good) in [
        (0, 0, 1, true),
        (2, 2, 1, true),
        (100, 250, 1, true),
        (50, 250, 3, true),
        (0, 250, 4, true),
        (1, 250, 1, false),
        (99, 250, 1, false),
        (49, 250, 3, false),
    ] {
        let read = read(Expect::Bans(number), &page(count, total, number));
        assert_eq!(read.is_ok(), is_good, "{count} of {total} on {number}");
    }
    assert!(read(Expect::Bans(2), &page(100, 250, 1)).is_err());
}

#[test]
fn what_decides_something_is_never_guessed() {
    for (name, wrong) in [
        ("id", json!("7")),
        ("length", json!("3600")),
        ("created_on", json!("yesterday")),
        ("ends_on", json!(7)),
        ("creator", json!("Ann")),
        ("creator", json!({"id": "Ann"})),
        ("reason", json!({})),
    ] {
        let mut value = full_ban();
        value[name] = wrong.clone();
        assert!(read(Expect::Ban, &value).is_err(), "{name}: {wrong}");
    }
}

#[test]
fn dates_come_in_several_forms() {
    let same: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    for text in [
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:00:00.000000+00:00",
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00:00.000000",
        "2026-03-01 12:00:00",
        "2026-03-01T14:00:00+02:00",
    ] {
        assert_eq!(date(text), Some(same), "{text}");
    }
    for text in [
        "",
        "2026-03-01T25:00:00",
        "1700000000",
        "2026-13-01T12:00:00Z",
    ] {
        assert_eq!(date(text), None, "{text}");
    }
}

#[test]
fn a_server_is_read_and_so_is_its_bundle() {
    let server = json!({
        "id": ID, "name": "2fort", "type": "SOURCE", "address": "", "port": 27015, "hidden": false,
        "status": "ONLINE", "serverbundle_id": OTHER, "extra": {"a": 1}, "last_update": null,
    });
    let Ok(Reply::Server(read_server)) = read(Expect::Server, &server) else {
        panic!("no server");
    };
    assert_eq!(read_server.bundle, Some(id(OTHER)));
    assert_eq!(read_server.extra, json!({"a": 1}));

    let bare = json!({
        "id": ID, "name": null, "type": null, "address": null, "port": null, "hidden": null,
        "status": null, "extra": null, "serverbundle": {"id": OTHER},
    });
    let Ok(Reply::Server(read_server)) = read(Expect::Server, &bare) else {
        panic!("no server");
    };
    assert_eq!(read_server.bundle, Some(id(OTHER)));
    assert_eq!(read_server.extra, json!({}));
    assert_eq!(read_server.name, "");

    let bundle = read(
        Expect::Bundle,
        &json!({
            "id": ID, "name": "TF2", "color": null, "multigroup": false, "server_type": "GMOD",
            "sort_id": 1,
        }),
    );
    let name = "TF2".into();
    assert_eq!(
        bundle,
        Ok(Reply::Bundle(Bundle {
            id: id(ID),
            name,
            multigroup: false
        }))
    );
}

#[test]
fn a_user_has_a_steam_id() {
    let Ok(Reply::User(user)) = read(Expect::User, &full_user(STEAM)) else {
        panic!("no user");
    };
    assert_eq!(user.steam.account(), 22_202);
    assert_eq!((user.username, user.admin), (None, true));
    let error = read(Expect::User, &full_user("ann@discord")).unwrap_err();
    assert_eq!(error, ReadError::NoSteamId);
}

#[test]
fn groups_grant_only_what_they_say_that_they_grant() {
    let groups = json!([{
        "id": ID, "name": "Admins", "permission_level": 100.0, "color": "#fff", "mappings": [],
        "properties": {
            "ban_edit": {"name": "ban_edit", "granted": true, "value": null},
            "unban": {"name": "unban", "granted": false},
            "warn": {"name": "warn"},
            "odd": 1,
        },
        "is_team": true, "max_ban_length": 86400.0,
    }, {
        "id": OTHER, "name": "Users", "permission_level": 1, "color": "", "mappings": [],
        "properties": {}, "is_team": false,
    }, {"id": OTHER, "name": "Users", "permission_level": 1, "properties": null}, {}, 7]);
    let Ok(Reply::Groups(Listing {
        items: groups,
        skipped,
    })) = read(Expect::Groups, &groups)
    else {
        panic!("no groups");
    };
    assert_eq!(
        (groups.len(), skipped),
        (2, 3),
        "one that is odd spoils only itself"
    );
    assert_eq!(
        (groups[0].permission_level, groups[0].max_ban_s),
        (100, Some(86_400))
    );
    let granted = groups[0].properties.iter().filter(|it| it.granted);
    assert_eq!(
        granted.map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["ban_edit"]
    );
    assert_eq!(groups[0].properties.len(), 4);
    assert_eq!((groups[1].max_ban_s, groups[1].properties.len()), (None, 0));
}

#[test]
fn one_odd_record_of_a_page_is_counted_and_spoils_only_itself() {
    let page = json!({"items": [full_ban(), {}, 7], "total": 3.0, "page": 1, "size": 100});
    let Ok(Reply::Bans(page)) = read(Expect::Bans(1), &page) else {
        panic!("no page");
    };
    assert_eq!(
        (page.items.len(), page.skipped.len(), page.total),
        (1, 2, 3)
    );
}

#[test]
fn only_the_address_of_a_web_page_is_one() {
    let value = |url: &str| json!({"frontend_url": url});
    let good = "https://example.vyhub.app";
    let Ok(Reply::Links(links)) = read(Expect::Links, &value(good)) else {
        panic!("no links");
    };
    let dashboard = format!("{good}/server-dashboard/{ID}");
    assert_eq!(
        links.page(WebPage::Dashboard, Some(id(ID))).unwrap(),
        dashboard
    );
    assert_eq!(links.ban(None), format!("{good}/bans"));
    assert_eq!(links.ban(Some(id(ID))), format!("{good}/bans/{ID}"));
    let long = format!("https://{}", "a".repeat(VYHUB_URL_BYTES_MAX));
    for bad in [
        "",
        "javascript:1",
        "https://a b",
        "https://a\n;quit",
        "https://\"",
        long.as_str(),
    ] {
        let read = read(Expect::Links, &value(bad));
        assert_eq!(read.is_err(), !bad.ends_with('"'), "{bad}");
    }
}

#[test]
fn where_the_definition_says_nothing_any_json_is_fine() {
    for body in ["", " ", "null", "[]", "{\"id\": 7}"] {
        assert_eq!(reply(Expect::Nothing, body.as_bytes()), Ok(Reply::Nothing));
    }
    for body in ["<html>", "{", "OK"] {
        assert!(reply(Expect::Nothing, body.as_bytes()).is_err());
    }
}

#[test]
fn details_of_all_three_forms_are_said_in_one_line() {
    let of = |value: Value| detail(value.to_string().as_bytes());
    let list = json!({"detail": [
        {"loc": ["body", "user_id"], "msg": "value is not a valid uuid", "type": "type_error.uuid"},
        {"loc": ["query", 1], "msg": "field required", "type": "value_error.missing"},
        "and more",
    ]});
    let said = "body.user_id: value is not a valid uuid; query.1: field required; and more";
    assert_eq!(of(list).as_deref(), Some(said));
    let object = json!({"detail": {"code": "no_rights", "msg": "Not allowed\r\n\u{1b}[2J"}});
    assert_eq!(of(object).as_deref(), Some("Not allowed   [2J"));
    assert_eq!(
        of(json!({"detail": {"code": "no_rights"}})).as_deref(),
        Some("no_rights")
    );
    assert_eq!(
        of(json!({"detail": {"why": 1}})).as_deref(),
        Some("{\"why\":1}")
    );
    assert_eq!(
        of(json!({"detail": "Not Found"})).as_deref(),
        Some("Not Found")
    );
    let long = of(json!({"detail": "ä".repeat(10_000)})).unwrap();
    assert_eq!(long.chars().count(), VYHUB_DETAIL_CHARS_MAX);
}

#[test]
fn what_vyhub_did_not_say_is_no_detail() {
    for body in [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        "null",
        "[]",
        "\"detail\"",
        "{}",
        "{\"detail\":null}",
        "{\"detail\":7}",
        "{\"detail\":\"\"}",
        "{\"detail\":[]}",
        "{\"message\":\"Not Found\"}",
        "{\"detail\":\"cut",
    ] {
        assert_eq!(detail(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn adverts_come_in_their_order_and_colour() {
    let advert = |sort_id: u32, color: Value, enabled: bool| {
        json!({
            "id": ID, "title": "t", "content": format!("text {sort_id}"), "sort_id": sort_id,
            "color": color, "enabled": enabled, "serverbundles": [],
        })
    };
    let adverts = json!([
        advert(3, json!("red"), true),
        advert(1, json!("#ff8800"), true),
        advert(2, json!("#00FF00"), false),
        json!({"id": ID}),
    ]);
    // One that cannot be read spoils only itself.
    let expected = [("text 1", "ff8800"), ("text 3", "FFFFFF")];
    let expected = expected.map(|(content, colour)| Advert {
        content: content.into(),
        colour: colour.into(),
    });
    assert_eq!(
        read(Expect::Adverts, &adverts),
        Ok(Reply::Adverts(Listing {
            items: expected.into(),
            skipped: 1,
        }))
    );
    assert!(read(Expect::Adverts, &json!({"id": ID})).is_err());
}

const ALL: [Expect; 13] = [
    Expect::Nothing,
    Expect::Server,
    Expect::Bundle,
    Expect::User,
    Expect::Groups,
    Expect::BanList,
    Expect::Ban,
    Expect::Bans(1),
    Expect::Warning,
    Expect::Warnings(1),
    Expect::Membership,
    Expect::Links,
    Expect::Adverts,
];

#[test]
fn no_bytes_are_too_odd_to_be_read() {
    arbtest::arbtest(|u| {
        let bytes: Vec<u8> = u.arbitrary()?;
        for expect in ALL {
            let _ = reply(expect, &bytes);
        }
        let _ = detail(&bytes);
        Ok(())
    });
}

/// Answers of the right form, in which something is replaced by something else.
#[test]
fn no_odd_value_in_a_good_answer_is_too_odd_to_be_read() {
    let page = json!({"items": [full_ban()], "total": 1, "page": 1, "size": 100});
    let list = json!({STEAM: [full_ban()]});
    arbtest::arbtest(|u| {
        let text = u.choose(&[&full_ban(), &page, &list])?.to_string();
        let odd = [
            "null",
            "-1e308",
            "[]",
            "{}",
            "\"\\u0000\"",
            "1e999",
            "0",
            "\"2026\"",
            "",
        ];
        let at = u.int_in_range(0..=text.len())?;
        let end = u.int_in_range(at..=text.len())?;
        let odd = u.choose(&odd)?;
        let body = format!(
            "{}{odd}{}",
            text.get(..at).unwrap_or(""),
            text.get(end..).unwrap_or("")
        );
        for expect in ALL {
            let _ = reply(expect, body.as_bytes());
        }
        Ok(())
    });
    assert_eq!(bounded(&"ä".repeat(1000), BAN_REASON_CHARS_MAX).len(), 1024);
}

#[test]
fn addresses_of_pages_that_an_older_vpid_has_kept_can_be_read() {
    let kept = r#"{"bans": "https://h/bans", "ban": "https://h/bans/{id}", "dashboard": "https://h/d/{id}"}"#;
    let links: Links = serde_json::from_str(kept).unwrap();
    assert_eq!(links.ban(None), "https://h/bans");
    assert_eq!(links.page(WebPage::Shop, None), None);
    let fresh = Links::of("https://h");
    let text = serde_json::to_string(&fresh).unwrap();
    assert_eq!(serde_json::from_str::<Links>(&text).unwrap(), fresh);
    let user = fresh.page(WebPage::User, Some(Uuid(1)));
    assert_eq!(user, Some(format!("https://h/user/{}", Uuid(1))));
}
