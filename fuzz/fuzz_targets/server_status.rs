//! Any text is an answer to `status` or is none, and no name changes who is on the server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::limits;
use vpid::wire::server_status::parse;
use vpid::wire::steam_id::SteamId;

fuzz_target!(|text: &str| {
    if let Some(status) = parse(text) {
        assert!(status.players.len() <= limits::PLAYERS_MAX);
    }
    let name: String = text.chars().filter(|char| *char != '\n').take(32).collect();
    let answer = format!(
        "map     : cp_x at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
         # 5 \"{name}\" [U:1:9] 05:12 50 0 active 192.0.2.9:27005\n"
    );
    let status = parse(&answer).expect("a whole answer");
    assert_eq!((status.map.as_str(), status.max_players), ("cp_x", 24));
    let [player] = &status.players[..] else { panic!("{:?}", status.players) };
    assert_eq!((player.userid, player.id), (5, SteamId::new(9)));
    assert_eq!(player.name, name);
});
