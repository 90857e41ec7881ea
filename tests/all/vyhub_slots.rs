//! Reserved slots: who may use them, and who is kicked.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Community, Keeper, Visitor, Vpid, stays, wait_until, with_keepers};

with_keepers! {
    a_player_with_the_right_has_the_place_of_the_one_who_came_last: vyhub sqlite;
    who_comes_when_only_reserved_slots_are_free_is_kicked: vyhub sqlite;
    nobody_is_kicked_while_rights_are_not_known: vyhub sqlite lone_mariadb;
    scripts_read_the_options_of_the_server: vyhub sqlite;
}

/// Of the game's 24 slots, 22 are reserved.
fn community(keeper: Keeper, keep_free: bool) -> Community {
    let mut community = Community::kept_by(keeper);
    community.set_options(&[
        ("res_slots", json!(22)),
        ("res_slots_keep_free", json!(keep_free)),
        ("res_slots_hide", json!(keep_free)),
        ("sync_bans", json!(true)),
        ("of_the_owner", json!("text")),
    ]);
    community.started()
}

/// Comes on, and vpid knows the rights.
fn comes(community: &Community, userid: i32, name: &str, has_right: bool) -> Visitor {
    let who = Visitor::new(userid, name);
    if has_right {
        community.member(&who, &[("reserved_slot_use", true)], None);
        if !community.is_vyhub() {
            // What an operator changes is known within seconds.
            wait_until("the group is known", || {
                let text = std::fs::read_to_string(community.cached("group-definitions.json"));
                text.is_ok_and(|text| text.contains(&format!("\"{name}\"")))
            });
        }
    }
    community.joins(&who);
    if has_right {
        community.wait_for_rights(&who);
    } else {
        // It answers when it knows the rights.
        community.log.says(&who, &format!("!bans #{userid}"));
        community.told(&who, "You have no right to use bans");
    }
    who
}

fn a_player_with_the_right_has_the_place_of_the_one_who_came_last(keeper: Keeper) {
    let community = community(keeper, true);
    wait_until("the slots are hidden", || {
        let wanted = ["sv_visiblemaxplayers".to_owned(), "2".to_owned()];
        community.commands().iter().any(|it| it == &wanted)
    });
    let first = comes(&community, 3, "first", false);
    // `status` counts in seconds who came when.
    stays("a second passes", Duration::from_millis(1_100), || {
        community.game.kicked().is_empty()
    });
    let last = comes(&community, 4, "last", false);
    let vip = comes(&community, 5, "vip", true);
    wait_until("somebody is kicked", || !community.game.kicked().is_empty());
    let kicked = community.game.kicked();
    assert!(
        kicked[0].0 == last.userid && kicked[0].1.contains("Your slot is reserved"),
        "{kicked:?}"
    );
    stays("nobody else is kicked", Duration::from_millis(300), || {
        community.kicks(first.userid) + community.kicks(vip.userid) == 0
    });
    community.all_well();
}

fn who_comes_when_only_reserved_slots_are_free_is_kicked(keeper: Keeper) {
    let community = community(keeper, false);
    let first = comes(&community, 3, "first", false);
    let vip = comes(&community, 4, "vip", true);
    let other_vip = comes(&community, 5, "other", true);
    // No answer in chat waits for one who is kicked.
    let last = Visitor::new(6, "last");
    community.joins(&last);
    let text = community.kicked(&last);
    assert!(text.contains("the last slots are reserved"), "{text}");
    let others = [first.userid, vip.userid, other_vip.userid];
    stays("nobody else is kicked", Duration::from_millis(300), || {
        others.iter().all(|userid| community.kicks(*userid) == 0)
    });
    community.all_well();
}

fn nobody_is_kicked_while_rights_are_not_known(keeper: Keeper) {
    let mut community = community(keeper, true);
    community.pause();
    for userid in 3..8 {
        community.joins(&Visitor::new(userid, "player"));
    }
    stays("nobody is kicked", Duration::from_millis(700), || {
        community.game.kicked().is_empty()
    });
    community.all_well();
}

fn scripts_read_the_options_of_the_server(keeper: Keeper) {
    let mut community = Community::kept_by_and(keeper, Vpid::signed);
    let extra = json!({"res_slots": 0, "of_the_owner": "text"});
    let options = extra.as_object().expect("an object").iter();
    let options: Vec<(&str, Value)> = options.map(|(name, it)| (&**name, it.clone())).collect();
    community.set_options(&options);
    let community = community.started();
    let mut host = community.vpid.host("my_server");
    let answer = host.ask("VYHUB_GetServer", json!(null));
    assert_eq!(answer["extra"], extra, "{answer}");
    if community.is_vyhub() {
        assert_eq!(answer["server"], community.vyhub.server_id());
    }
    let answer = host.ask("VYHUB_GetServer", json!({"player": 3}));
    assert!(answer.as_str().unwrap().contains("no argument"), "{answer}");
    community.all_well();
}
