//! What engines print, log and answer, and the lines that are sent to their consoles.

use fake_rcon::console::commands;
use vpid::limits;
use vpid::wire::console::{Command, plain, quoted};
use vpid::wire::engine_log::{Line, parse};
use vpid::wire::rcon::{Decoder, Exchange, Packet, WrongLength, is_admitted};
use vpid::wire::server_status;
use vpid::wire::steam_id::SteamId;

use super::{text, with};

/// Any text is refused, or is one argument of one command, and the same text.
pub fn console(bytes: &[u8]) {
    with(bytes, |(userid, chars_max, text): (i32, u16, &str)| {
        let kick = Command::Kick {
            userid,
            reason: text.into(),
        };
        if let Ok(line) = kick.line() {
            assert_eq!(
                commands(line.as_bytes()),
                [["kickid", &userid.to_string(), text]]
            );
        }
        if let Ok(line) = Command::Say(text.into()).line() {
            assert_eq!(commands(line.as_bytes()), [["say", text]]);
        }
        if let Ok(line) = Command::Console(text.into()).line() {
            assert_eq!(line, text);
        }
        let shown = plain(text, chars_max.into());
        assert!(shown.chars().count() <= chars_max.into());
        assert!(quoted(&shown).is_ok() || shown.len() > 500);
    });
}

/// Any datagram is a line of the log or is none, and no name and no chat text makes another player
/// say it.
pub fn engine_log(bytes: &[u8]) {
    let _ = parse(bytes, None);
    with(
        bytes,
        |(secret, name, text): (Option<u32>, &[u8], &[u8])| {
            let packet = [
                b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"",
                name,
                b"<5><[U:1:9]><Red>\" say \"",
                text,
                b"\"\n\0",
            ]
            .concat();
            match parse(&packet, None) {
                Some(Line::Said {
                    who,
                    text: said,
                    team: false,
                }) => {
                    assert_eq!((who.userid, who.id), (5, SteamId::new(9)));
                    assert_eq!(who.name, String::from_utf8_lossy(name));
                    assert_eq!(said, String::from_utf8_lossy(text));
                }
                // Too long, or with a NUL, which no text of the engine holds.
                None | Some(Line::Ambiguous) => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(parse(&packet, Some(secret.unwrap_or(7))), None);
        },
    );
}

fn decode(bytes: &[u8], size: usize) -> (Vec<Packet>, Option<WrongLength>) {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    for piece in bytes.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.take() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(wrong) => return (packets, Some(wrong)),
            }
        }
    }
    (packets, None)
}

/// Any bytes, cut anywhere, are packets or a wrong length, and the same ones in every cut; a
/// reply ends at its mark or goes on.
pub fn rcon(bytes: &[u8]) {
    with(bytes, |(id, size, bytes): (i32, u8, &[u8])| {
        let (packets, wrong) = decode(bytes, bytes.len().max(1));
        assert_eq!(
            decode(bytes, usize::from(size) + 1),
            (packets.clone(), wrong)
        );
        let mut exchange = Exchange::new(id);
        for packet in &packets {
            // What came without its two NULs may be too long with them.
            if packet.body.len() <= limits::RCON_PACKET_BYTES_MAX - 10 {
                assert_eq!(decode(&packet.encode(), 7), (vec![packet.clone()], None));
            }
            let _ = exchange.on(packet);
            let _ = is_admitted(packet, id);
        }
    });
}

/// Any text is an answer to `status` or is none, and no name changes who is on the server.
pub fn server_status(bytes: &[u8]) {
    let text = text(bytes);
    if let Some(status) = server_status::parse(&text) {
        assert!(status.players.len() <= limits::PLAYERS_MAX);
    }
    let name: String = text.chars().filter(|char| *char != '\n').take(32).collect();
    let answer = format!(
        "map     : cp_x at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
         # 5 \"{name}\" [U:1:9] 05:12 50 0 active 192.0.2.9:27005\n"
    );
    let status = server_status::parse(&answer).expect("a whole answer");
    assert_eq!((status.map.as_str(), status.max_players), ("cp_x", 24));
    let [player] = &status.players[..] else {
        panic!("{:?}", status.players)
    };
    assert_eq!((player.userid, player.id), (5, SteamId::new(9)));
    assert_eq!(player.name, name);
}
