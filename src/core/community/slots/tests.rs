use super::*;
use crate::core::Now;
use crate::protocol::server_status;

const RESERVED: Options = Options {
    reserved: 2,
    keep_free: false,
    hide: false,
};
const KEEPS_FREE: Options = Options {
    keep_free: true,
    ..RESERVED
};

/// A server with 4 slots, and players of these userids who have come one after the other.
fn roster(userids: &[i64]) -> Roster {
    let mut status = format!(
        "map     : cp_a at: 0 x\nplayers : {} humans, 0 bots (4 max)\n# userid name\n",
        userids.len()
    );
    for (at, userid) in userids.iter().enumerate() {
        let minutes = 30 - at;
        status += &format!(
            "# {userid} \"P{userid}\" [U:1:{userid}] {minutes}:00 50 0 active 192.0.2.9:27005\n"
        );
    }
    let mut roster = Roster::default();
    let now = Now {
        mono_ms: 10_000_000,
        wall_s: 1_800_000_000,
    };
    roster.status(&server_status::parse(&status).unwrap(), now);
    roster
}

/// Userids below 10 have the right, those from 100 on are not known.
fn may(userid: i64) -> Verdict {
    match userid {
        ..10 => Verdict::Yes,
        100.. => Verdict::Unknown,
        _ => Verdict::No,
    }
}

fn kicks(userids: &[i64], options: Options) -> Vec<(i64, Kick)> {
    decide(&roster(userids), options, may).into_iter().collect()
}

#[test]
fn who_comes_when_only_reserved_slots_are_free_is_kicked_and_no_other() {
    assert_eq!(kicks(&[20, 21], RESERVED), []);
    assert_eq!(kicks(&[20, 21, 22], RESERVED), [(22, Kick::Full)]);
    assert_eq!(kicks(&[20, 21, 3], RESERVED), []);
    assert_eq!(
        kicks(&[20, 3, 21, 22], RESERVED),
        [(21, Kick::Full), (22, Kick::Full)]
    );
    assert_eq!(kicks(&[20, 21, 22], Options::default()), []);
}

#[test]
fn reserved_slots_are_kept_free_by_the_one_who_came_last() {
    assert_eq!(kicks(&[20, 21, 3], KEEPS_FREE), [(21, Kick::ForAnother)]);
    let both = [(20, Kick::ForAnother), (21, Kick::ForAnother)];
    assert_eq!(kicks(&[20, 21, 3, 4], KEEPS_FREE), both);
    let both = [(20, Kick::ForAnother), (22, Kick::Full)];
    assert_eq!(kicks(&[5, 20, 3, 22], KEEPS_FREE), both);
}

#[test]
fn who_has_the_right_is_never_kicked() {
    assert_eq!(kicks(&[1, 2, 3, 4], KEEPS_FREE), []);
    assert_eq!(kicks(&[1, 2, 3, 4], RESERVED), []);
}

#[test]
fn nobody_is_kicked_on_rights_that_are_not_known_nor_for_such_a_player() {
    for options in [RESERVED, KEEPS_FREE] {
        assert_eq!(kicks(&[20, 21, 100], options), []);
        assert_eq!(kicks(&[100, 101, 102, 103], options), []);
    }
    assert_eq!(kicks(&[100, 20, 3], KEEPS_FREE), [(20, Kick::ForAnother)]);
}

#[test]
fn where_the_slots_are_not_known_or_all_are_reserved_for_nobody_none_is() {
    let empty = Roster::default();
    assert!(decide(&empty, RESERVED, may).is_empty());
    let all = Options {
        reserved: 9,
        ..RESERVED
    };
    assert_eq!(kicks(&[20], all), []);
}

#[test]
fn only_options_that_are_read_must_be_of_their_kind() {
    use serde_json::json;
    for (name, value, is_wrong) in [
        ("res_slots", json!(2), false),
        ("res_slots", json!(0), false),
        ("res_slots", json!(-1), true),
        ("res_slots", json!(1.5), true),
        ("res_slots", json!("two"), true),
        ("res_slots_hide", json!(true), false),
        ("res_slots_hide", json!(1), true),
        ("res_slots_keep_free", json!("yes"), true),
        ("motto", json!("two"), false),
    ] {
        let wrong = wrong_option(name, &value);
        assert_eq!(wrong.is_some(), is_wrong, "{name} {value}: {wrong:?}");
    }
}

#[test]
fn options_of_another_kind_are_as_none() {
    use serde_json::json;
    let read = |extra: Value| Options::read(&extra);
    assert_eq!(
        read(json!({"res_slots": 2, "res_slots_keep_free": true, "sync_bans": true})),
        KEEPS_FREE
    );
    for extra in [
        json!(null),
        json!([]),
        json!({"res_slots": "2", "res_slots_hide": 1}),
        json!({"res_slots": -5}),
        json!({"res_slots": null}),
    ] {
        assert_eq!(read(extra), Options::default());
    }
}
