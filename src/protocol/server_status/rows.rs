//! The rows of `status`: `#      2 "name"              [U:1:123]     05:12   50    0 active 192.0.2.9:27005`.
//!
//! A row begins with `#`, a userid and a quotation mark, and ends with a line whose text behind its
//! last quotation mark is the engine's own. What lies between is the name, however many lines it
//! has.

use super::{StatusPlayer, number};
use crate::limits;

/// All rows of a reply.
pub struct Table<'a> {
    pub rows: Vec<Row<'a>>,
    /// The last row begins and does not end.
    pub open: bool,
}

/// One row, as it stands on one line or several.
pub struct Row<'a> {
    userid: i64,
    name: String,
    /// Where it begins in its line.
    name_at: usize,
    pub tail: Tail<'a>,
    lines: std::ops::Range<usize>,
    /// Another reading of the same lines is as good, as long as the heading does not exclude it.
    pub doubtful: bool,
}

/// What stands behind a name, by the engine's word.
#[derive(Clone, Copy)]
pub struct Tail<'a> {
    /// Where its quotation mark is in the line.
    at: usize,
    /// `None`: a bot.
    id: Option<&'a str>,
    pub bot: bool,
    connected_s: u64,
    ping: i64,
    state: &'a str,
    address: Option<&'a str>,
}

/// Reads each row as far as it goes: a line without a proper end goes on in the next one.
pub fn read<'a>(lines: &[&'a str]) -> Table<'a> {
    let heads: Vec<_> = lines.iter().map(|line| head(line)).collect();
    let tails: Vec<_> = lines.iter().map(|line| tail(line)).collect();
    let last_tail = tails.iter().rposition(Option::is_some);
    // A line that is the beginning of a row is the end of one as well, by the same quotation mark.
    let is_both = |line: usize| match (heads[line], tails[line]) {
        (Some((_, name_at)), Some(tail)) => tail.at < name_at,
        _ => false,
    };
    let (mut rows, mut at, mut open) = (Vec::new(), 0, false);
    while at < lines.len() {
        let Some((userid, name_at)) = heads[at] else {
            at += 1;
            continue;
        };
        // Where a line follows that begins no row, and later an end, the name has gone on.
        let ends = |line: &usize| {
            let whole = tails[*line].is_some_and(|tail| *line > at || tail.at >= name_at);
            let next = line + 1;
            whole && (Some(*line) == last_tail || heads.get(next).is_none_or(Option::is_some))
        };
        let end = (at..lines.len()).find(ends);
        let Some((end, tail)) = end.and_then(|end| Some((end, tails[end]?))) else {
            open = true;
            break;
        };
        let doubtful = is_both(at);
        if let Some(before) = rows.last_mut().filter(|_| doubtful) {
            let before: &mut Row<'_> = before;
            before.doubtful = true;
        }
        rows.push(Row {
            userid,
            name: name(lines, at..end + 1, name_at, tail.at),
            name_at,
            tail,
            lines: at..end + 1,
            doubtful,
        });
        at = end + 1;
    }
    doubt_the_short(&mut rows);
    Table { rows, open }
}

/// Where the rows are not those of the heading, one that could not be read may have swallowed the next: it is read
/// from its last beginning on, and is not sure.
pub fn take_apart(table: &mut Table<'_>, lines: &[&str]) {
    for row in &mut table.rows {
        let range = row.lines.clone();
        if range.len() == 1 {
            continue;
        }
        row.doubtful = true;
        let inner = (range.start + 1..range.end).rev();
        let last = inner.filter_map(|line| Some((line, head(lines[line])?)));
        let fits = |(line, (_, name_at)): &(usize, (i64, usize))| {
            *line + 1 < range.end || row.tail.at >= *name_at
        };
        let mut last = last.filter(fits);
        if let Some((line, (userid, name_at))) = last.next() {
            row.userid = userid;
            row.name = name(lines, line..range.end, name_at, row.tail.at);
            row.name_at = name_at;
            row.lines = line..range.end;
        }
    }
}

/// The end of a row without an address, where others have one, may be part of a name; and then
/// the row behind it is part of that name, too.
fn doubt_the_short(rows: &mut [Row<'_>]) {
    let has_address = |row: &Row<'_>| row.tail.address.is_some_and(is_address);
    if !rows.iter().any(has_address) {
        return;
    }
    let mut behind_one = false;
    for row in rows {
        let short = !row.tail.bot && !has_address(row);
        row.doubtful |= short || behind_one;
        behind_one = short;
    }
}

/// Where the heading does not say how many rows there are, two that stand so close that they fit
/// into one name may be one.
pub fn doubt_the_close(table: &mut Table<'_>, lines: &[&str]) {
    let rows = &mut table.rows;
    for at in 1..rows.len() {
        let (upper, lower) = (&rows[at - 1], &rows[at]);
        let of = upper.lines.start..lower.lines.end;
        let name = name(lines, of, upper.name_at, lower.tail.at);
        if bytes_in_engine(&name) <= limits::STATUS_NAME_DOUBT_BYTES {
            rows[at - 1].doubtful = true;
            rows[at].doubtful = true;
        }
    }
}

/// How long a name was in the engine: what is no UTF-8 was at least one byte.
fn bytes_in_engine(name: &str) -> usize {
    let foreign = name.matches(char::REPLACEMENT_CHARACTER).count();
    name.len() - foreign * (char::REPLACEMENT_CHARACTER.len_utf8() - 1)
}

/// `#      2 "`: the userid, and where the name begins.
fn head(line: &str) -> Option<(i64, usize)> {
    let (userid, _) = line.strip_prefix('#')?.split_once('"')?;
    Some((
        number(userid.trim()).filter(|_| !userid.trim().is_empty())?,
        userid.len() + 2,
    ))
}

/// `" [U:1:123] 05:12 50 0 active 192.0.2.9:27005` or `" BOT active`
fn tail(line: &str) -> Option<Tail<'_>> {
    let at = line.rfind('"')?;
    let behind = &line[at + 1..];
    if !behind.starts_with([' ', '\t']) {
        return None;
    }
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let is_state = |state: &str| state.bytes().all(|byte| byte.is_ascii_alphabetic());
    match fields[..] {
        // Of a bot, SourceTV among them, nothing else is printed.
        ["BOT", state] if is_state(state) => Some(Tail {
            at,
            id: None,
            bot: true,
            connected_s: 0,
            ping: 0,
            state,
            address: None,
        }),
        [id, connected, ping, loss, state, ref rest @ ..] if is_state(state) && rest.len() <= 1 => {
            number::<u32>(loss)?;
            Some(Tail {
                at,
                id: Some(id).filter(|id| *id != "BOT"),
                bot: false,
                connected_s: seconds(connected)?,
                ping: number(ping)?,
                state,
                address: rest.first().copied(),
            })
        }
        _ => None,
    }
}

fn name(lines: &[&str], of: std::ops::Range<usize>, from: usize, to: usize) -> String {
    let last = of.end - 1;
    let part = |line: usize| {
        let text = lines[line];
        let text = if line == last { &text[..to] } else { text };
        if line == of.start {
            &text[from..]
        } else {
            text
        }
    };
    of.clone().map(part).collect::<Vec<_>>().join("\n")
}

impl Row<'_> {
    pub fn player(self) -> StatusPlayer {
        let address = self.tail.address.filter(|text| is_own_address(text));
        StatusPlayer {
            userid: self.userid,
            name: self
                .name
                .chars()
                .take(limits::PLAYER_TEXT_CHARS_MAX)
                .collect(),
            id: self.tail.id.and_then(|id| id.parse().ok()),
            bot: self.tail.bot,
            connected_s: self.tail.connected_s,
            ping: self.tail.ping,
            active: self.tail.state == "active",
            address: address.map(Into::into),
            sure: !self.doubtful,
        }
    }
}

/// Whether an address is the player's own: not made up for one of Steam's relays, and not withheld.
fn is_own_address(text: &str) -> bool {
    is_address(text) && text != WITHHELD && !text.starts_with("169.254.")
}

/// What the engine writes for an address that it keeps to itself.
const WITHHELD: &str = "?.?.?.?:?";

/// An address with its port, in figures: `192.0.2.9:27005` or `[2001:db8::9]:27005`; or withheld.
fn is_address(text: &str) -> bool {
    if text == WITHHELD {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_v4 = |host: &str| {
        let parts = host.split('.');
        parts.clone().count() == 4 && parts.clone().all(|part| number::<u8>(part).is_some())
    };
    let is_v6 = |host: &str| {
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let figures = |byte: u8| byte.is_ascii_hexdigit() || b".:".contains(&byte);
        inner.is_some_and(|inner| inner.contains(':') && inner.bytes().all(figures))
    };
    text.len() <= limits::PLAYER_ADDRESS_BYTES_MAX
        && number::<u16>(port).is_some()
        && (is_v4(host) || is_v6(host))
}

/// `05:12` or `1:05:12`.
fn seconds(text: &str) -> Option<u64> {
    let parts: Vec<u32> = text.split(':').map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [minutes, seconds] => (0, minutes, seconds),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    Some(u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds))
}
