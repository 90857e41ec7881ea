//! Lines of the engine's own log, as they come by UDP.
//!
//! The engine writes them, but what it writes is not its own alone: names, chat and reasons in
//! them are the players', and a map's script can make it log chat in a player's name (`Say`) and
//! events with texts of any length (`SendGlobalGameEvent`). So a line that can be read in more than
//! one way, or is longer than the engine makes one by itself, is [`Line::Ambiguous`], and nothing
//! follows from it; and what a line reports of who is on is checked against `status` (see
//! `core/roster`).
//!
//! What is sure: the player whom a line is about stands in it as `"name<userid><id><team>" `, and a word
//! follows. So every place that looks like that is looked at, whatever the word is. One of them
//! is the true one; if it is the only one, it counts. A line that was cut may have lost the
//! true one, which is why the length of lines, names and chat counts.

use super::console::is_control;
use super::steam_id::SteamId;
use crate::limits::{self, LOG_SECRET_DIGITS_MAX};
use ::core::net::SocketAddrV4;
use std::fmt;
use std::str::FromStr;

const PACKET: &[u8] = b"\xff\xff\xff\xff";
/// How each line begins, with any digits.
const DATE: &[u8] = b"L 00/00/0000 - 00:00:00: ";

/// Whom a line is about, as far as it has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    pub userid: i64,
    pub name: String,
    /// `None`: a bot, the console, or an id that is not known yet.
    pub id: Option<SteamId>,
    pub bot: bool,
    /// The engine's number; `None` where the line has no team, or none of Team Fortress 2.
    pub team: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// With the player's own address; `None`: of a bot, or of one whom the engine names otherwise.
    Connected(Who, Option<SocketAddrV4>),
    /// Steam has confirmed the id.
    Validated(Who),
    Entered(Who),
    Disconnected {
        who: Who,
        /// As one line. A player can choose it.
        reason: String,
    },
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
    /// Truly: a death that is feigned (Dead Ringer) is [`Line::Other`].
    Killed {
        who: Who,
        victim: Who,
        /// By the engine's name of its icon; empty where it cannot be read.
        weapon: String,
    },
    /// By the own weapon or the console; `by_world`: by the map.
    Suicide {
        who: Who,
        by_world: bool,
        weapon: String,
    },
    /// `who` has the team before.
    JoinedTeam {
        who: Who,
        /// The engine's number.
        team: i64,
    },
    ChoseClass {
        who: Who,
        /// The engine's number.
        class: i64,
    },
    /// `full`: no part of a round on a map with several.
    RoundStarted {
        full: bool,
    },
    RoundWon {
        team: i64,
    },
    MapStarted(String),
    /// More than one reading; `status` decides.
    Ambiguous,
    /// Well-formed, and of no interest here.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram {
    Line(Line),
    /// It is a line of a log, and its secret is another one; or it carries one where none is set,
    /// or none where one is.
    WrongSecret,
    /// No line of a log.
    Foreign,
}

/// Whether a datagram could be a line of the log at all: what costs nothing to see.
pub fn looks_like_one(packet: &[u8]) -> bool {
    let rest = packet.strip_prefix(PACKET);
    packet.len() <= limits::LOG_LINE_BYTES_MAX
        && rest.is_some_and(|rest| rest.len() > DATE.len() && b"RS".contains(&rest[0]))
}

/// Reads one datagram.
pub fn read_datagram(packet: &[u8], secret: Option<LogSecret>) -> Datagram {
    if !looks_like_one(packet) {
        return Datagram::Foreign;
    }
    let Some((kind, rest)) = packet[PACKET.len()..].split_first() else {
        return Datagram::Foreign;
    };
    let line = match (kind, secret) {
        (b'R', None) => Some(rest),
        (b'S', Some(secret)) => secret.strip(rest),
        _ => None,
    };
    let Some(line) = line else {
        return Datagram::WrongSecret;
    };
    match dated_line(line) {
        Some(line) => Datagram::Line(line),
        // Digits behind the right ones are another secret.
        None if line.first().is_some_and(u8::is_ascii_digit) => Datagram::WrongSecret,
        None => Datagram::Foreign,
    }
}

/// The same, without the reason. `None`: nothing follows from it.
pub fn parse(packet: &[u8], secret: Option<LogSecret>) -> Option<Line> {
    match read_datagram(packet, secret) {
        Datagram::Line(line) => Some(line),
        Datagram::WrongSecret | Datagram::Foreign => None,
    }
}

/// `L 11/20/2026 - 08:00:00: ...`
fn dated_line(line: &[u8]) -> Option<Line> {
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

fn event_line(event: &[u8]) -> Line {
    if let Some(rest) = event.strip_prefix(b"Started map \"") {
        return started(rest);
    }
    if !event.starts_with(b"\"") {
        return of_world(event).unwrap_or(Line::Other);
    }
    if event.len() > limits::LOG_EVENT_BYTES_MAX {
        return Line::Ambiguous;
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
    if map.is_empty()
        || rest.len() > limits::LOG_EVENT_BYTES_MAX
        || !(behind.is_empty() || behind.starts_with(b" ("))
    {
        return Line::Other;
    }
    Line::MapStarted(text(map))
}

/// `World triggered "Round_Win" (winner "Red")`. No text of a player stands in such a line.
fn of_world(event: &[u8]) -> Option<Line> {
    let rest = str::from_utf8(event)
        .ok()?
        .strip_prefix("World triggered \"")?;
    match rest {
        "Round_Start\"" => return Some(Line::RoundStarted { full: true }),
        "Mini_Round_Start\"" => return Some(Line::RoundStarted { full: false }),
        _ => {}
    }
    let rest = rest.strip_prefix("Mini_").unwrap_or(rest);
    let winner = rest.strip_prefix("Round_Win\" (winner \"")?;
    let (winner, _) = winner.split_once("\")")?;
    let team = team_number(winner.as_bytes()).filter(|team| *team > 0)?;
    Some(Line::RoundWon { team })
}

/// The number of a team by its name in the log.
fn team_number(name: &[u8]) -> Option<i64> {
    let names: [&[u8]; 4] = [b"Unassigned", b"Spectator", b"Red", b"Blue"];
    Some(names.iter().position(|known| *known == name)? as i64)
}

/// The number of a class by its name in the log.
fn class_number(name: &[u8]) -> Option<i64> {
    let names: [&[u8]; 9] = [
        b"scout",
        b"sniper",
        b"soldier",
        b"demoman",
        b"medic",
        b"heavyweapons",
        b"pyro",
        b"spy",
        b"engineer",
    ];
    Some(names.iter().position(|known| *known == name)? as i64 + 1)
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
    team: &'a [u8],
    rest: &'a [u8],
}

/// Every such place in a text that begins with a quotation mark, which belongs to each of them.
fn places(quoted: &[u8]) -> impl Iterator<Item = Place<'_>> {
    let ends = quoted.windows(3).enumerate();
    ends.filter_map(|(at, end)| {
        if end != b">\" " {
            return None;
        }
        let (before, team) = last_field(&quoted[..=at])?;
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
            team,
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

    /// Longer than the engine lets a player's name or id be.
    fn is_too_long(&self) -> bool {
        self.name.len() > limits::ENGINE_NAME_BYTES_MAX
            || self.id.len() > limits::ENGINE_ID_BYTES_MAX
    }

    /// `None`: the engine does not know the player itself.
    fn who(&self) -> Option<Who> {
        let userid = str::from_utf8(self.userid).ok()?.parse().ok();
        Some(Who {
            userid: userid.filter(|userid| *userid >= 0)?,
            name: text(self.name),
            id: str::from_utf8(self.id).ok().and_then(|id| id.parse().ok()),
            bot: self.id == b"BOT",
            team: team_number(self.team),
        })
    }
}

/// What a line reports if this is whom it is about.
fn read(place: &Place<'_>) -> Line {
    if place.is_too_long() {
        return Line::Ambiguous;
    }
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
        return or_cut(address.map(|address| Line::Connected(who, own_address(address))));
    }
    if let Some(reason) = within("disconnected (reason \"", "\")") {
        let reason = reason.map(|reason| one_line(&text(reason)));
        return or_cut(reason.map(|reason| Line::Disconnected { who, reason }));
    }
    if let Some(name) = within("changed name to \"", "\"") {
        let name = name.filter(|name| name.len() <= limits::ENGINE_NAME_BYTES_MAX);
        return or_cut(name.map(|name| Line::Renamed {
            who,
            to: text(name),
        }));
    }
    for (verb, team) in [("say \"", false), ("say_team \"", true)] {
        if let Some(said) = within(verb, "\"") {
            let said = said.filter(|said| said.len() <= limits::ENGINE_CHAT_BYTES_MAX);
            let said = said.map(text);
            return or_cut(said.map(|text| Line::Said { who, text, team }));
        }
    }
    if let Some(team) = within("joined team \"", "\"") {
        // Other games have other teams.
        let known = |team| match team_number(team) {
            Some(team) => Line::JoinedTeam { who, team },
            None => Line::Other,
        };
        return or_cut(team.map(known));
    }
    if let Some(class) = within("changed role to \"", "\"") {
        let known = |class| match class_number(class) {
            Some(class) => Line::ChoseClass { who, class },
            None => Line::Other,
        };
        return or_cut(class.map(known));
    }
    if let Some(rest) = place.rest.strip_prefix(b"committed suicide with \"") {
        let weapon = weapon(rest);
        let by_world = weapon == "world";
        return Line::Suicide {
            who,
            by_world,
            weapon,
        };
    }
    match place.rest.strip_prefix(b"killed ") {
        Some(rest) => killed(who, rest),
        None => Line::Other,
    }
}

/// `None`: `none`, `loopback`, or made up for one of Steam's relays.
fn own_address(text: &[u8]) -> Option<SocketAddrV4> {
    let address: SocketAddrV4 = str::from_utf8(text).ok()?.parse().ok()?;
    (!address.ip().is_link_local()).then_some(address)
}

/// `"name<userid><id><team>" with "scattergun" (...)`, where the victim's name is as hostile.
/// `(customkill "feign_death")` behind it: the victim lives (tf_eventlog.cpp of source-sdk-2013).
fn killed(who: Who, rest: &[u8]) -> Line {
    let mut victims = places(rest).filter(Place::suffers);
    let (Some(place), None) = (victims.next(), victims.next()) else {
        return Line::Ambiguous;
    };
    let feigned = b"(customkill \"feign_death\")";
    let is_feigned = place
        .rest
        .windows(feigned.len())
        .any(|part| part == feigned);
    match place.who() {
        _ if place.is_too_long() => Line::Ambiguous,
        Some(_) if is_feigned => Line::Other,
        Some(victim) => Line::Killed {
            who,
            victim,
            weapon: weapon(&place.rest[b"with \"".len()..]),
        },
        None => Line::Ambiguous,
    }
}

/// The weapon up to its quotation mark: `scattergun" (...)`.
fn weapon(rest: &[u8]) -> String {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = rest
        .iter()
        .position(|byte| !fits(byte))
        .unwrap_or(rest.len());
    let is_whole = rest.get(end) == Some(&b'"') && end <= limits::LOG_WEAPON_BYTES_MAX;
    if is_whole {
        text(&rest[..end])
    } else {
        String::new()
    }
}

/// A text of a player, without what ends a line.
fn one_line(text: &str) -> String {
    let chars = text.chars().take(limits::LOG_REASON_CHARS_MAX);
    chars.map(|c| if is_control(c) { ' ' } else { c }).collect()
}

/// The engine cuts names inside of characters.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The game's `sv_logsecret`: the digits as the engine sends them, zeros in front included. One
/// text is shared by all that receive the log, and tools set it as a text. It never prints itself.
#[derive(Clone, Copy)]
pub struct LogSecret {
    digits: [u8; LOG_SECRET_DIGITS_MAX],
    len: usize,
}

/// Not 1 to [`LOG_SECRET_DIGITS_MAX`] digits, or zeros only, with which the engine sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSecret;

impl LogSecret {
    /// What follows this secret in a text, if that begins with it. It takes as long
    /// however many digits are right.
    pub(super) fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (given, rest) = text.split_at_checked(self.len)?;
        self.is(given).then_some(rest)
    }

    /// As it is written; for what hides it.
    pub fn digits(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.len]).unwrap_or_default()
    }

    /// Whether this is the text, compared in constant time.
    pub fn is(&self, given: &[u8]) -> bool {
        let differing = given.iter().zip(&self.digits[..self.len]);
        let differing = differing.fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == self.len && differing == 0
    }

    /// Whether it has been found out after few tries: a number below 2^24, or a few digits.
    pub fn is_weak(&self) -> bool {
        let digits = &self.digits[..self.len];
        let significant = digits.iter().position(|digit| *digit != b'0');
        let number = significant.map_or(&digits[..0], |at| &digits[at..]);
        // Eight digits or more are below 2^24 up to this.
        number.len() < 8 || (number.len() == 8 && number < b"16777216".as_slice())
    }
}

impl FromStr for LogSecret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let bytes = text.as_bytes();
        let is_one = (1..=LOG_SECRET_DIGITS_MAX).contains(&bytes.len())
            && bytes.iter().all(u8::is_ascii_digit)
            && bytes.iter().any(|digit| *digit != b'0');
        if !is_one {
            return Err(NoSecret);
        }
        let mut digits = [0; LOG_SECRET_DIGITS_MAX];
        digits[..bytes.len()].copy_from_slice(bytes);
        let len = bytes.len();
        Ok(Self { digits, len })
    }
}

/// For comparing configurations.
impl PartialEq for LogSecret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.digits[..other.len])
    }
}

impl Eq for LogSecret {}

impl fmt::Debug for LogSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSecret(..)")
    }
}

#[cfg(test)]
mod tests;
