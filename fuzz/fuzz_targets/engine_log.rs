//! Any datagram is a line of the log or is none, and no name and no chat text makes somebody else
//! say it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::limits;
use vpid::wire::engine_log::{Datagram, Line, LogSecret, Who, looks_like_one, parse, read_datagram};
use vpid::wire::steam_id::SteamId;

fuzz_target!(|input: (&[u8], &[u8], &[u8], Option<u32>)| {
    let (bytes, name, text, secret) = input;
    let secret = secret.and_then(|number| number.to_string().parse::<LogSecret>().ok());
    let datagram = read_datagram(bytes, secret);
    assert!(looks_like_one(bytes) || datagram == Datagram::Foreign);
    if let Datagram::Line(line) = datagram {
        within_bounds(&line);
    }
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
    let other = secret.unwrap_or_else(|| "7".parse().expect("digits"));
    assert_eq!(parse(&packet, Some(other)), None);
    // A line that lost its end says nothing of whom only a name names.
    let cut = [b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"", name, text].concat();
    if let Some(line) = parse(&cut, None) {
        within_bounds(&line);
        assert!(name.len() + text.len() < limits::LOG_EVENT_BYTES_MAX || who(&line).is_none());
    }
});

fn who(line: &Line) -> Option<&Who> {
    match line {
        Line::Connected(who) | Line::Validated(who) | Line::Entered(who) => Some(who),
        Line::Disconnected(who) | Line::Said { who, .. } | Line::Renamed { who, .. } => Some(who),
        Line::Killed { who, .. } | Line::Suicide { who, .. } => Some(who),
        Line::MapStarted(_) | Line::Ambiguous | Line::Other => None,
    }
}

/// Whatever a line says, the engine could have said it: what is no UTF-8 is told as three bytes.
fn within_bounds(line: &Line) {
    let fits = |text: &str, bytes: usize| assert!(text.len() <= 3 * bytes, "{text}");
    if let Some(who) = who(line) {
        fits(&who.name, limits::ENGINE_NAME_BYTES_MAX);
        assert!(who.userid >= 0);
    }
    match line {
        Line::Said { text, .. } => fits(text, limits::ENGINE_CHAT_BYTES_MAX),
        Line::Renamed { to, .. } => fits(to, limits::ENGINE_NAME_BYTES_MAX),
        Line::Killed { victim, .. } => fits(&victim.name, limits::ENGINE_NAME_BYTES_MAX),
        _ => {}
    }
}
