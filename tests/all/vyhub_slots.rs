//! Reserved slots: who may use them, and who is kicked.

use std::time::Duration;

use serde_json::json;

use crate::support::{Community, Visitor, stays, wait_until};

/// Of the game's 24 slots, 22 are reserved.
fn community(keep_free: bool) -> Community {
    let community = Community::new();
    community.vyhub.set_server_extra(json!({
        "res_slots": 22, "res_slots_keep_free": keep_free, "res_slots_hide": keep_free,
        "sync_bans": true, "of_the_owner": [1, 2],
    }));
    community.started()
}

/// Comes on, and VyHub was asked for the rights.
fn comes(community: &Community, userid: i32, name: &str, has_right: bool) -> Visitor {
    let who = Visitor::new(userid, name);
    if has_right {
        community.member(&who, &[("reserved_slot_use", true)], None);
    }
    let asked = community.vyhub.requests().len();
    community.joins(&who);
    wait_until("the rights were requested", || {
        let user = community
            .vyhub
            .with(|state| state.user(who.steam64()).map(|user| user.id.clone()));
        user.is_some_and(|user| {
            let path = format!("/user/{user}/group");
            let requests = community.vyhub.requests();
            requests[asked..]
                .iter()
                .any(|it| it.path.starts_with(&path))
        })
    });
    who
}

#[test]
fn a_player_with_the_right_has_the_place_of_the_one_who_came_last() {
    let community = community(true);
    wait_until("the slots are hidden", || {
        let wanted = ["sv_visiblemaxplayers".to_owned(), "2".to_owned()];
        community.commands().iter().any(|it| it == &wanted)
    });
    let first = comes(&community, 3, "first", false);
    let last = comes(&community, 4, "last", false);
    let vip = comes(&community, 5, "vip", true);
    let text = community.kicked(&last);
    assert!(text.contains("Your slot is reserved"), "{text}");
    stays("nobody else is kicked", Duration::from_millis(300), || {
        community.kicks(first.userid) + community.kicks(vip.userid) == 0
    });
    community.all_well();
}

#[test]
fn who_comes_when_only_reserved_slots_are_free_is_kicked() {
    let community = community(false);
    let first = comes(&community, 3, "first", false);
    let vip = comes(&community, 4, "vip", true);
    let other_vip = comes(&community, 5, "other", true);
    let last = comes(&community, 6, "last", false);
    let text = community.kicked(&last);
    assert!(text.contains("the last slots are reserved"), "{text}");
    let others = [first.userid, vip.userid, other_vip.userid];
    stays("nobody else is kicked", Duration::from_millis(300), || {
        others.iter().all(|userid| community.kicks(*userid) == 0)
    });
    community.all_well();
}

#[test]
fn nobody_is_kicked_while_rights_are_not_known() {
    let mut community = community(true);
    community.vyhub.pause();
    for userid in 3..8 {
        community.joins(&Visitor::new(userid, "player"));
    }
    stays("nobody is kicked", Duration::from_millis(700), || {
        community.game.kicked().is_empty()
    });
    community.all_well();
}

#[test]
fn scripts_read_the_options_of_the_server() {
    let community = Community::configured(crate::support::Vpid::signed);
    let extra = json!({"res_slots": 0, "of_the_owner": [1, 2]});
    community.vyhub.set_server_extra(extra.clone());
    let community = community.started();
    let mut host = community.vpid.host("my_server");
    let answer = host.ask("VYHUB_GetServer", json!(null));
    assert_eq!(answer["extra"], extra, "{answer}");
    assert_eq!(answer["server"], community.vyhub.server_id());
    let answer = host.ask("VYHUB_GetServer", json!({"player": 3}));
    assert!(answer.as_str().unwrap().contains("no argument"), "{answer}");
    community.all_well();
}
