//! Any text is an answer to `status` or is none, and no name changes who is on the server: not by
//! what stands on its line, and not by lines of its own.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use vpid::limits;
use vpid::wire::server_status::{ServerStatus, parse};
use vpid::wire::steam_id::SteamId;

/// Of whole answers and sure rows.
fn holds(status: &ServerStatus) {
    assert!(status.players.len() <= limits::PLAYERS_MAX);
    let sure = status.players.iter().filter(|row| row.sure);
    let userids: BTreeSet<i64> = sure.clone().map(|row| row.userid).collect();
    assert_eq!(userids.len(), sure.clone().count());
    let ids: Vec<SteamId> = sure.clone().filter_map(|row| row.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(!status.whole || sure.count() == status.players.len());
}

fuzz_target!(|input: (&str, u8)| {
    let (text, missing) = input;
    if let Some(status) = parse(text) {
        holds(&status);
    }
    let mut name = String::new();
    for c in text.chars() {
        if name.len() + c.len_utf8() > limits::ENGINE_NAME_BYTES_MAX {
            break;
        }
        name.push(c);
    }
    let row = |userid: u32, name: &str| {
        format!(
            "# {userid:6} \"{name}\" [U:1:{userid}] 05:12 50 0 active 192.0.2.9:27005\n"
        )
    };
    let humans = 3 + u32::from(missing % 2);
    let answer = format!(
        "map     : cp_x at: 0 x\nplayers : {humans} humans, 0 bots (24 max)\n# userid name\n{}{}{}",
        row(4, "a"),
        row(5, &name),
        row(6, "b"),
    );
    let status = parse(&answer).expect("a whole answer");
    assert_eq!((status.map.as_str(), status.max_players), ("cp_x", 24));
    holds(&status);
    for player in status.players.iter().filter(|row| row.sure) {
        assert!((4..=6).contains(&player.userid), "{player:?}");
        assert_eq!(player.id, SteamId::new(player.userid as u32), "{player:?}");
    }
    assert!(!status.whole || (humans == 3 && status.players.len() == 3));
    // On one line, nothing is in doubt.
    if !name.contains('\n') && humans == 3 {
        assert!(status.whole, "{name:?}");
        assert_eq!(status.players[1].name, name);
    }
});
