//! What engines print, log and answer, and the lines that are sent to their consoles.

use std::collections::BTreeSet;

use fake_rcon::console::{commands, read};
use fake_rcon::script;
use vpid::limits;
use vpid::protocol::console::{Command, plain, quoted};
use vpid::protocol::engine_log::{
    Datagram, Line, LogSecret, Who, looks_like_one, parse, read_datagram,
};
use vpid::protocol::player_text::for_client_print;
use vpid::protocol::rcon::{Decoder, Exchange, Packet, WrongLength, is_admitted};
use vpid::protocol::script_line::{Reader, ScriptLine};
use vpid::protocol::server_status::{self, ServerStatus};
use vpid::protocol::signed::messages::Place;
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::template::{Template, Values};

use super::{text, with};

/// Any text is refused, or is the rest of one command, and the same text.
pub fn console(bytes: &[u8]) {
    with(bytes, |(userid, bytes_max, text): (i32, u16, &str)| {
        let kick = Command::Kick {
            userid,
            reason: text.into(),
        };
        if let Ok(line) = kick.line() {
            is_rest(&line, &["kickid", &userid.to_string()], text);
        }
        if let Ok(line) = Command::Say(text.into()).line() {
            is_rest(&line, &["say"], text);
        }
        if let Ok(line) = Command::Console(text.into()).line() {
            assert_eq!(line, text);
        }
        let shown = plain(text, bytes_max.into());
        assert!(shown.len() <= bytes_max.into());
        assert!(quoted(&shown).is_ok() || shown.len() > 500);
    });
}

fn is_rest(line: &str, head: &[&str], text: &str) {
    assert!(line.len() <= limits::CONSOLE_LINE_BYTES_MAX);
    let ran = read(line.as_bytes());
    assert_eq!(ran.len(), 1, "{line}");
    let begins = ran[0]
        .words
        .iter()
        .zip(head)
        .all(|(word, head)| word == head);
    assert!(begins && ran[0].words.len() >= head.len(), "{line}");
    let rest = ran[0].behind(head.len());
    let blank = rest.is_empty() && text.trim().is_empty();
    assert!(
        blank || rest == text || rest == format!("\"{text}\""),
        "{line}"
    );
}

/// A template, which is the first line, is refused, or takes any value as one word of one command: the console reads
/// as many commands and words as with a plain value.
pub fn command_template(bytes: &[u8]) {
    let text = text(bytes);
    let (written, value) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(template) = Template::parse(written) else {
        return;
    };
    let lines = |value: &str| -> Option<Vec<String>> {
        let values = Values::from([("nick", value.to_owned())]);
        let filled = template.fill(&values).ok()?;
        let lines = filled.text.iter().map(|command| command.line().ok());
        lines.collect()
    };
    let (Some(filled), Some(plain)) = (lines(value), lines("x")) else {
        return;
    };
    assert_eq!(filled.len(), template.commands().count());
    for (filled, plain) in filled.iter().zip(&plain) {
        let words = |line: &str| -> Vec<usize> {
            let ran = read(line.as_bytes());
            ran.iter().map(|command| command.words.len()).collect()
        };
        assert_eq!(words(filled), words(plain), "{filled:?} and {plain:?}");
    }
}

/// Any text becomes lines, each of which is one command with code that shows a part of it and does
/// nothing else, whichever Squirrel reads it.
pub fn script_line(bytes: &[u8]) {
    with(
        bytes,
        |(to, place, text): (Option<(i32, u32)>, u8, &str)| {
            let place = [Place::Chat, Place::Center, Place::Console][usize::from(place) % 3];
            let reader = to.map(|(userid, account)| Reader {
                userid: userid & i32::MAX,
                steam: SteamId::new(account),
            });
            let mut shown = String::new();
            for line in ScriptLine::prints(reader, place, text) {
                let ran = read(line.as_str().as_bytes());
                assert_eq!((ran.len(), ran[0].words[0].as_str()), (1, "script"));
                assert_eq!(commands(line.as_str().as_bytes()).len(), 1);
                let code = ran[0].behind(1);
                let [print, other] = script::DIGITS.map(|digits| script::read(&code, digits));
                assert_eq!(print, other, "{code}");
                let print = print.unwrap_or_else(|| panic!("it does something else: {code}"));
                assert_eq!(print.to, reader.map(|reader| reader.userid.into()));
                assert_eq!(
                    print.id,
                    reader.and_then(|it| it.steam).map(SteamId::steam3)
                );
                assert!(print.text.len() <= limits::CLIENT_PRINT_BYTES_MAX + 9);
                shown += str::from_utf8(&print.text).expect("cut between characters");
            }
            let whole = for_client_print(text);
            // Colours are repeated, and blanks where it is cut are left out.
            let seen = |text: &str| {
                let is_seen = |c: &char| !c.is_control() && *c != ' ';
                text.chars().filter(is_seen).count()
            };
            assert!(
                place == Place::Center || seen(&shown) >= seen(&whole),
                "{whole:?}"
            );
        },
    );
}

/// Any datagram is a line of the log or is none, and no name and no chat text makes another player
/// say it.
pub fn engine_log(bytes: &[u8]) {
    within_bounds(read_datagram(bytes, None));
    with(
        bytes,
        |(secret, name, text): (Option<u32>, &[u8], &[u8])| {
            let secret = secret.and_then(|number| number.to_string().parse::<LogSecret>().ok());
            let datagram = read_datagram(text, secret);
            assert!(looks_like_one(text) || datagram == Datagram::Foreign);
            within_bounds(datagram);
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
            let other = secret.unwrap_or_else(|| "7".parse().expect("digits"));
            assert_eq!(parse(&packet, Some(other)), None);
            // A line that lost its end says nothing of a player whom only a name names.
            let cut = [b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"", name, text].concat();
            if let Some(line) = parse(&cut, None) {
                let is_short = name.len() + text.len() < limits::LOG_EVENT_BYTES_MAX;
                assert!(is_short || who(&line).is_none());
                within_bounds(Datagram::Line(line));
            }
        },
    );
}

fn who(line: &Line) -> Option<&Who> {
    match line {
        Line::Connected(who, _) | Line::Validated(who) | Line::Entered(who) => Some(who),
        Line::Disconnected { who, .. } | Line::Said { who, .. } | Line::Renamed { who, .. } => {
            Some(who)
        }
        Line::Killed { who, .. } | Line::Suicide { who, .. } => Some(who),
        Line::JoinedTeam { who, .. } | Line::ChoseClass { who, .. } => Some(who),
        Line::RoundStarted { .. } | Line::RoundWon { .. } => None,
        Line::MapStarted(_) | Line::Ambiguous | Line::Other => None,
    }
}

/// Whatever a line says, the engine could have said it: a byte that is no UTF-8 is read as three.
fn within_bounds(datagram: Datagram) {
    let Datagram::Line(line) = datagram else {
        return;
    };
    let fits = |text: &str, bytes: usize| assert!(text.len() <= 3 * bytes, "{text}");
    if let Some(who) = who(&line) {
        fits(&who.name, limits::ENGINE_NAME_BYTES_MAX);
        assert!(who.userid >= 0);
    }
    match &line {
        Line::Said { text, .. } => fits(text, limits::ENGINE_CHAT_BYTES_MAX),
        Line::Renamed { to, .. } => fits(to, limits::ENGINE_NAME_BYTES_MAX),
        Line::Killed { victim, weapon, .. } => {
            fits(&victim.name, limits::ENGINE_NAME_BYTES_MAX);
            fits(weapon, limits::LOG_WEAPON_BYTES_MAX);
        }
        Line::Disconnected { reason, .. } => fits(reason, limits::LOG_REASON_CHARS_MAX),
        _ => {}
    }
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

/// Of whole answers and sure rows.
fn holds(status: &ServerStatus) {
    assert!(status.players.len() <= limits::PLAYERS_MAX);
    let sure: Vec<_> = status.players.iter().filter(|row| row.sure).collect();
    let userids: BTreeSet<i64> = sure.iter().map(|row| row.userid).collect();
    assert_eq!(userids.len(), sure.len());
    let ids: Vec<SteamId> = sure.iter().filter_map(|row| row.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(!status.whole || sure.len() == status.players.len());
}

/// Any text is an answer to `status` or is none, and no name changes who is on the server: not by
/// what stands on its line, and not by lines of its own.
pub fn server_status(bytes: &[u8]) {
    let text = text(bytes);
    if let Some(status) = server_status::parse(&text) {
        holds(&status);
    }
    let mut name = String::new();
    for c in text.chars() {
        if name.len() + c.len_utf8() > limits::ENGINE_NAME_BYTES_MAX {
            break;
        }
        name.push(c);
    }
    for humans in [3, 4] {
        named(&name, humans);
    }
}

/// A player of this name among two others, under a heading that counts so many.
fn named(name: &str, humans: usize) {
    let row = |userid: u32, name: &str| {
        format!("# {userid:6} \"{name}\" [U:1:{userid}] 05:12 50 0 active 192.0.2.9:27005\n")
    };
    let answer = format!(
        "map     : cp_x at: 0 x\nplayers : {humans} humans, 0 bots (24 max)\n# userid name\n{}{}{}",
        row(4, "a"),
        row(5, name),
        row(6, "b"),
    );
    let status = server_status::parse(&answer).expect("a whole answer");
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
}
