//! Any datagram is a line of the log or is none, and no name and no chat text makes somebody else
//! say it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::engine_log::{Line, parse};
use vpid::wire::steam_id::SteamId;

fuzz_target!(|input: (&[u8], &[u8], &[u8], Option<u32>)| {
    let (bytes, name, text, secret) = input;
    let _ = parse(bytes, secret);
    let packet = [
        b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"",
        name,
        b"<5><[U:1:9]><Red>\" say \"",
        text,
        b"\"\n\0",
    ]
    .concat();
    match parse(&packet, None) {
        Some(Line::Said { who, text: said, team: false }) => {
            assert_eq!((who.userid, who.id), (5, SteamId::new(9)));
            assert_eq!(who.name, String::from_utf8_lossy(name));
            assert_eq!(said, String::from_utf8_lossy(text));
        }
        // Too long, or with a NUL, which no text of the engine holds.
        None | Some(Line::Ambiguous) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(parse(&packet, Some(secret.unwrap_or(7))), None);
});
