//! Lines of the engine's own log, as they come by UDP.
//!
//! The engine writes them, so no script can forge one; but names and chat in them are the
//! players'. A line that can be read in more than one way is [`Line::Ambiguous`], and nothing
//! follows from it.
//!
//! What is sure: whoever a line is about stands in it as `"name<userid><id><team>" `, and a word
//! follows. So every place that looks like that is looked at, whatever the word is. One of them
//! is the true one; if it is the only one, it is believed. No length of a name is relied on.

use super::steam_id::SteamId;
use crate::limits;

const PACKET: &[u8] = b"\xff\xff\xff\xff";
/// How each line begins, with any digits.
const DATE: &[u8] = b"L 00/00/0000 - 00:00:00: ";

/// Whom a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub userid: i64,
    pub name: String,
    /// `None`: a bot, the console, or an id that is not known yet.
    pub id: Option<SteamId>,
    pub bot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Connected(Who),
    /// Steam has confirmed the id.
    Validated(Who),
    Entered(Who),
    Disconnected(Who),
    /// Chat; `team`: to the own team only.
    Said {
        who: Who,
        text: String,
        team: bool,
    },
    Renamed {
        who: Who,
        to: String,
    },
    Killed {
        who: Who,
        victim: Who,
    },
    MapStarted(String),
    /// More than one reading; a look at `status` tells what is true.
    Ambiguous,
    /// Well-formed, and of no interest here.
    Other,
}

/// Reads one datagram. `None`: it is no line of the log, or does not carry `secret` where one is
/// set, or carries one where none is.
pub fn parse(packet: &[u8], secret: Option<u32>) -> Option<Line> {
    if packet.len() > limits::LOG_LINE_BYTES_MAX {
        return None;
    }
    let (kind, rest) = packet.strip_prefix(PACKET)?.split_first()?;
    let line = match (kind, secret) {
        (b'R', None) => rest,
        (b'S', Some(secret)) => behind_secret(rest, secret)?,
        _ => return None,
    };
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // The engine sends texts, which end at a NUL.
    if line.contains(&0) {
        return None;
    }
    let (date, event) = line.split_at_checked(DATE.len())?;
    let dated = DATE.iter().zip(date).all(|(form, byte)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => form == byte,
    });
    dated.then(|| event_line(event))
}

/// What follows the secret. The time it takes tells nobody how many digits were right.
fn behind_secret(text: &[u8], secret: u32) -> Option<&[u8]> {
    let secret = secret.to_string();
    let (told, line) = text.split_at_checked(secret.len())?;
    let differing = told.iter().zip(secret.bytes());
    let differing = differing.fold(0, |all, (a, b)| all | (a ^ b));
    (differing == 0).then_some(line)
}

fn event_line(event: &[u8]) -> Line {
    if let Some(rest) = event.strip_prefix(b"Started map \"") {
        return started(rest);
    }
    if !event.starts_with(b"\"") {
        return Line::Other;
    }
    let setting = is_setting(event).then_some(Line::Other);
    let acting = places(event).filter(Place::acts);
    let mut readings: Vec<Line> = setting
        .into_iter()
        .chain(acting.map(|place| read(&place)))
        .collect();
    // However it is read, it is of no interest.
    if readings.iter().all(|line| *line == Line::Other) {
        return Line::Other;
    }
    match (readings.pop(), readings.is_empty()) {
        (Some(only), true) => only,
        _ => Line::Ambiguous,
    }
}

/// `cp_badlands" (CRC "...")`
fn started(rest: &[u8]) -> Line {
    let Some(end) = rest.iter().position(|byte| *byte == b'"') else {
        return Line::Other;
    };
    let (map, behind) = (&rest[..end], &rest[end + 1..]);
    if map.is_empty() || !(behind.is_empty() || behind.starts_with(b" (")) {
        return Line::Other;
    }
    Line::MapStarted(text(map))
}

/// `"mp_timelimit" = "30"`: the only other lines that begin with a quotation mark.
fn is_setting(event: &[u8]) -> bool {
    let name = event[1..].iter();
    let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let length = name.count();
    event[1 + length..].starts_with(b"\" = \"")
}

/// Somewhere in a line that reads `name<userid><id><team>" rest`.
struct Place<'a> {
    name: &'a [u8],
    userid: &'a [u8],
    id: &'a [u8],
    rest: &'a [u8],
}

/// Every such place in a text that begins with a quotation mark, which belongs to each of them.
fn places(quoted: &[u8]) -> impl Iterator<Item = Place<'_>> {
    let ends = quoted.windows(3).enumerate();
    ends.filter_map(|(at, end)| {
        if end != b">\" " {
            return None;
        }
        let (before, _team) = last_field(&quoted[..=at])?;
        let (before, id) = last_field(before)?;
        let (before, userid) = last_field(before)?;
        let digits = userid.strip_prefix(b"-").unwrap_or(userid);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Place {
            name: before.strip_prefix(b"\"")?,
            userid,
            id,
            rest: &quoted[at + 3..],
        })
    })
}

/// Takes `<field>` from the end.
fn last_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_suffix(b">")?;
    let open = inner.iter().rposition(|byte| b"<>".contains(byte))?;
    (inner[open] == b'<').then(|| (&inner[..open], &inner[open + 1..]))
}

impl Place<'_> {
    /// Whether a line may be about this player: any word can follow, since plugins write what they
    /// like. Only `with "` never does: it follows whom something was done to.
    fn acts(&self) -> bool {
        self.rest.first().is_some_and(u8::is_ascii_alphabetic) && !self.suffers()
    }

    fn suffers(&self) -> bool {
        self.rest.starts_with(b"with \"")
    }

    /// `None`: the engine does not know the player itself.
    fn who(&self) -> Option<Who> {
        let userid = str::from_utf8(self.userid).ok()?.parse().ok();
        Some(Who {
            userid: userid.filter(|userid| *userid >= 0)?,
            name: text(self.name),
            id: str::from_utf8(self.id).ok().and_then(|id| id.parse().ok()),
            bot: self.id == b"BOT",
        })
    }
}

/// What a line says if this is whom it is about.
fn read(place: &Place<'_>) -> Line {
    let Some(who) = place.who() else {
        return Line::Other;
    };
    match place.rest {
        b"entered the game" => return Line::Entered(who),
        b"STEAM USERID validated" => return Line::Validated(who),
        _ => {}
    }
    let within = |verb: &str, end: &str| {
        let rest = place.rest.strip_prefix(verb.as_bytes())?;
        Some(rest.strip_suffix(end.as_bytes()))
    };
    // The engine cuts what is too long, such as a reason for leaving.
    let or_cut = |line: Option<Line>| line.unwrap_or(Line::Ambiguous);
    if let Some(address) = within("connected, address \"", "\"") {
        return or_cut(address.map(|_| Line::Connected(who)));
    }
    if let Some(reason) = within("disconnected (reason \"", "\")") {
        return or_cut(reason.map(|_| Line::Disconnected(who)));
    }
    if let Some(name) = within("changed name to \"", "\"") {
        return or_cut(name.map(|name| Line::Renamed {
            who,
            to: text(name),
        }));
    }
    for (verb, team) in [("say \"", false), ("say_team \"", true)] {
        if let Some(said) = within(verb, "\"") {
            let said = said.map(text);
            return or_cut(said.map(|text| Line::Said { who, text, team }));
        }
    }
    match place.rest.strip_prefix(b"killed ") {
        Some(rest) => killed(who, rest),
        None => Line::Other,
    }
}

/// `"name<userid><id><team>" with "scattergun" (...)`, where the victim's name is as hostile.
fn killed(who: Who, rest: &[u8]) -> Line {
    let mut victims = places(rest).filter(Place::suffers);
    let victim = victims.next().and_then(|place| place.who());
    match (victim, victims.next()) {
        (Some(victim), None) => Line::Killed { who, victim },
        _ => Line::Ambiguous,
    }
}

/// The engine cuts names inside of characters.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
