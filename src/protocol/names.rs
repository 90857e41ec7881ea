//! The names of files in scriptdata: which are calls, responses or restarts, and of which host.
//!
//! The client writes `<host>_vpi_<unix>_<tick>_output.interface` and
//! `<host>_vpi_restart.interface`, and reads `<host>_vpi_input.interface`. A host name may hold
//! `_vpi_` itself, so a name is split at the last place that fits the pattern. The stock server looks
//! at no more than the first `_vpi_` and the end (`_output.interface`, `_restart.interface`), so names of
//! forks that have something else in between are read that way. We claim a call
//! file before its calls run, by renaming it to `<name>.<id>.taken`; the id is ours. Where that is longer than a
//! name can be, it is the name without `_output.interface`, and `.<id>.t`, with the id to the base of
//! 36. Every other name is not read, but [`resembles`] knows those that were most likely meant for us.
//!
//! Names are bytes, and hosts are texts: [`text`] and [`bytes`] turn one into the other without a loss.

use std::borrow::Cow;

use crate::limits;

/// What a file in scriptdata is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Calls, written at the client's (untrustworthy) unix time and tick.
    Calls { unix: i64, tick: i64 },
    /// Responses, written by us and emptied by the client.
    Input,
    /// "Forget the responses of before", written once per map.
    Restart,
    /// Calls that a vpid has claimed under this id.
    Taken { id: u64, unix: i64, tick: i64 },
}

/// A name that is ours to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    pub host: &'a str,
    pub kind: Kind,
}

const SEPARATOR: &str = "_vpi_";

/// Bytes that are no UTF-8 stand in a text as these signs of a private area, 0x80 first.
const RAW_BYTES: std::ops::RangeInclusive<char> = '\u{10ff80}'..='\u{10ffff}';

/// A name of a file as a text, whatever its bytes are: what is not UTF-8, and the signs that stand for such
/// bytes, byte by byte as [`RAW_BYTES`]. (The stock server takes such names in the same way, as Python's
/// `surrogateescape`.)
pub fn text(name: &[u8]) -> Cow<'_, str> {
    let raw = |byte: u8| {
        char::from_u32(0x10_ff00 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    match std::str::from_utf8(name) {
        Ok(text) if !text.contains(is_raw) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for sign in chunk.valid().chars() {
            match is_raw(sign) {
                true => text.extend(sign.encode_utf8(&mut [0; 4]).bytes().map(raw)),
                false => text.push(sign),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| raw(*byte)));
    }
    Cow::Owned(text)
}

/// The name of a file that [`text`] gave this text for.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(is_raw) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut name = Vec::with_capacity(text.len());
    for sign in text.chars() {
        match is_raw(sign) {
            true => name.push((u32::from(sign) & 0xff) as u8),
            false => name.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(name)
}

fn is_raw(sign: char) -> bool {
    RAW_BYTES.contains(&sign)
}

/// How long the name is in a folder.
fn bytes_len(text: &str) -> usize {
    let raw = text.chars().filter(|sign| is_raw(*sign)).count();
    text.len() - 3 * raw
}

/// Reads a file name; `None` for a file that is not ours. A control character anywhere in it could
/// forge lines of the log.
pub fn parse(name: &str) -> Option<Name<'_>> {
    if name.contains(|sign: char| sign == '/' || sign.is_control()) {
        return None;
    }
    if let Some(stem) = name.strip_suffix(".interface") {
        return parse_stem(stem);
    }
    if let Some(taken) = name.strip_suffix(".taken") {
        let (original, id) = taken.rsplit_once('.')?;
        let id = parse_digits(id)? as u64;
        let stem = original.strip_suffix(".interface")?;
        return parse_taken(stem.strip_suffix(OUTPUT)?, id);
    }
    let (short, id) = name.strip_suffix(".t")?.rsplit_once('.')?;
    let is_ours = id.bytes().all(|byte| SHORT_DIGITS.contains(&byte)) && !id.starts_with('0');
    let id = u64::from_str_radix(id, 36).ok()?;
    // We shorten no other names, so no other ends in this.
    let whole = bytes_len(short) + "_output.interface".len() + format!(".{id}.taken").len();
    let is_ours = is_ours && (whole > limits::FILE_NAME_BYTES_MAX || is_stock(short));
    is_ours.then(|| parse_taken(short, id))?
}

/// The name of a call file without its end.
fn parse_taken(short: &str, id: u64) -> Option<Name<'_>> {
    let (host, (unix, tick)) = parse_calls(short)?;
    let kind = Kind::Taken { id, unix, tick };
    is_host(host).then_some(Name { host, kind })
}

/// Host and times of a call file whose name is this and `_output.interface`.
fn parse_calls(short: &str) -> Option<(&str, (i64, i64))> {
    if let Some((host, rest)) = short.rsplit_once(SEPARATOR)
        && let Some(times) = parse_times(rest)
    {
        return Some((host, times));
    }
    let (host, rest) = split_as_stock(short)?;
    let mut numbers = rest.split('_').map(leading_number);
    let times = (numbers.next(), numbers.next());
    Some((host, (times.0.unwrap_or(0), times.1.unwrap_or(0))))
}

/// Whether it is of the form that the stock client makes.
fn is_stock(short: &str) -> bool {
    let rest = short.rsplit_once(SEPARATOR);
    rest.is_some_and(|(_, rest)| parse_times(rest).is_some())
}

/// What stands before and after the first `_vpi_` of a name whose end, which begins with `_`, is cut off.
/// The stock server passes over names without a host.
fn split_as_stock(short: &str) -> Option<(&str, &str)> {
    let end = || Some((short.strip_suffix("_vpi")?, ""));
    let (host, rest) = short.split_once(SEPARATOR).or_else(end)?;
    (!host.is_empty()).then_some((host, rest))
}

/// The number that a text begins with; 0 where there is none.
fn leading_number(text: &str) -> i64 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    parse_digits(&text[..digits]).unwrap_or(0)
}

fn parse_times(text: &str) -> Option<(i64, i64)> {
    let (unix, tick) = text.split_once('_')?;
    Some((parse_number(unix)?, parse_number(tick)?))
}

fn parse_stem(stem: &str) -> Option<Name<'_>> {
    let (host, kind) = match stem.rsplit_once(SEPARATOR) {
        Some((host, "input")) => (host, Kind::Input),
        Some((host, "restart")) => (host, Kind::Restart),
        _ => match (stem.strip_suffix(OUTPUT), stem.strip_suffix("_restart")) {
            (Some(short), _) => {
                let (host, (unix, tick)) = parse_calls(short)?;
                (host, Kind::Calls { unix, tick })
            }
            (None, Some(short)) => (split_as_stock(short)?.0, Kind::Restart),
            (None, None) => return None,
        },
    };
    is_host(host).then_some(Name { host, kind })
}

/// Hosts that vpid's own commands play on a server that serves any; those of the bench may have a number behind it.
pub const CALL_HOST: &str = "vpid_call";
pub const BENCH_HOST: &str = "vpid_bench";

/// Whether one of these commands is this host, and no game.
pub fn is_of_a_command(host: &str) -> bool {
    host == CALL_HOST || host.starts_with(BENCH_HOST)
}

/// A name of a host that the stock server would serve: its client makes them of `a-z 0-9 _`, and
/// forks of whatever they like. An empty one is possible too: a hostname of nothing but
/// punctuation.
pub fn is_host(host: &str) -> bool {
    bytes_len(host) <= limits::HOST_BYTES_MAX
        && !host.contains(|sign: char| sign == '/' || sign.is_control())
}

/// A name that our own scripts can have made, or those of a fork that keeps to the protocol.
pub fn is_signed_host(host: &str) -> bool {
    host.len() <= limits::SIGNED_HOST_BYTES_MAX
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Why a file that is not ours to read was most likely meant to be, as what goes on after its
/// name; `None` for ours, and for those of other programs.
pub fn resembles(name: &[u8]) -> Option<&'static str> {
    const END: &str = ".interface";
    let text = text(name);
    if parse(&text).is_some() {
        return None;
    }
    let lower = text.to_lowercase();
    // What vpid leaves for a moment beside them.
    let is_ours = [".vpid", ".taken", ".t"]
        .iter()
        .any(|end| text.ends_with(end));
    if is_ours || !lower.contains(END) {
        return None;
    }
    let ours = ["_output", "_input", "_restart"];
    let stem = lower.strip_suffix(END);
    let like = stem.is_some_and(|stem| ours.iter().any(|end| stem.ends_with(end)));
    if !like && !lower.contains(SEPARATOR) {
        return None;
    }
    Some(match stem {
        _ if text.contains(char::is_control) => {
            "has a control character in it, which could forge lines of the log; the game's script must \
             leave it out"
        }
        Some(_) if parse(&lower).is_some() => {
            "has capitals in its end, which is _output.interface, _input.interface or \
             _restart.interface"
        }
        Some(_) if !lower.contains(SEPARATOR) => "has no _vpi_ between its host and what follows",
        Some(stem) if stem.starts_with(SEPARATOR) => "has no host before _vpi_",
        Some(_) => {
            "ends in none of _output.interface, _restart.interface and _vpi_input.interface, or its \
             host is too long"
        }
        None => "does not end in .interface",
    })
}

fn parse_number(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(digits) => parse_digits(digits).map(|n| -n),
        None => parse_digits(text),
    }
}

fn parse_digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The file in which `host` looks for responses.
pub fn input(host: &str) -> String {
    format!("{host}{SEPARATOR}input.interface")
}

/// The file with which `host` announces a new map.
pub fn restart(host: &str) -> String {
    format!("{host}{SEPARATOR}restart.interface")
}

/// The name under which a client of `host` writes calls.
pub fn calls(host: &str, unix: i64, tick: i64) -> String {
    format!("{host}{SEPARATOR}{unix}_{tick}_output.interface")
}

/// The name a call file has once it is claimed; no longer than a name can be, if its own is not.
pub fn taken(name: &str, id: u64) -> String {
    let taken = format!("{name}.{id}.taken");
    match name.strip_suffix("_output.interface") {
        Some(short) if bytes_len(&taken) > limits::FILE_NAME_BYTES_MAX => {
            format!("{short}.{}.t", short_digits(id))
        }
        _ => taken,
    }
}

const OUTPUT: &str = "_output";
const SHORT_DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn short_digits(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(SHORT_DIGITS[(number % 36) as usize]));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Under which name something is kept that was in the way of a file of ours.
pub fn aside(number: usize) -> String {
    format!(".vpid-aside-{number}")
}

/// Of our locks: only the process that holds it works in its folder.
pub const LOCK: &str = ".vpid.lock";

/// What a file is called while we write it. No other program can know it before.
pub fn temporary(random: u64) -> String {
    format!("{TEMPORARY}{random:016x}")
}

/// Whether a file is one that we have not finished.
pub fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(TEMPORARY).unwrap_or_default();
    random.len() == 16
        && random
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

const TEMPORARY: &str = ".vpid-new-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_written_is_known_by_its_name_and_is_no_other_file() {
        let name = temporary(u64::MAX / 3);
        assert!(is_temporary(&name) && parse(&name).is_none());
        for other in [
            ".vpid-new-",
            ".vpid-new-1",
            ".vpid-new-5555555555555555x",
            "5555555555555555",
        ] {
            assert!(!is_temporary(other), "{other}");
        }
    }

    #[test]
    fn names_are_split_at_the_last_place_that_fits() {
        let cases = [
            (
                "a_vpi_1_2_output.interface",
                Some(("a", Kind::Calls { unix: 1, tick: 2 })),
            ),
            (
                "a_vpi_b_vpi_1_2_output.interface",
                Some(("a_vpi_b", Kind::Calls { unix: 1, tick: 2 })),
            ),
            ("a_vpi_vpi_input.interface", Some(("a_vpi", Kind::Input))),
            ("_vpi_restart.interface", Some(("", Kind::Restart))),
            (
                "a_vpi_1_2_output.interface.77.taken",
                Some((
                    "a",
                    Kind::Taken {
                        id: 77,
                        unix: 1,
                        tick: 2,
                    },
                )),
            ),
            (
                "a_vpi_-5_2_output.interface",
                Some(("a", Kind::Calls { unix: -5, tick: 2 })),
            ),
        ];
        for (name, expected) in cases {
            assert_eq!(parse(name).map(|n| (n.host, n.kind)), expected, "{name}");
        }
    }

    #[test]
    fn foreign_names_are_not_ours() {
        for name in [
            "mge_playerdata",
            "_vpi_1_output.interface",
            "_vpi_output.interface",
            "a-vpi_1_2_output.interface",
            "a_vpi_notes.a.t",
            "../a_vpi_1_2_output.interface",
            "a\nb_vpi_1_2_output.interface",
            "a_vpi_1_2.0zz.t",
            "a_vpi_1_2_output.zz.t",
            "a_vpi_1_2.ZZ.t",
            "a_vpi_input.interface.5.taken",
            "a_vpi_1_2_output.interface.taken",
            "a_vpi_x_input.interface",
            ".interface",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    /// The stock server takes whatever has `_vpi_` in it and one of the two ends.
    #[test]
    fn names_of_forks_are_read_as_the_stock_server_does() {
        for (name, host, times) in [
            ("a_vpi_170_output.interface", "a", Some((170, 0))),
            ("a_vpi_170_5.5_output.interface", "a", Some((170, 5))),
            ("a_vpi_x_2_output.interface", "a", Some((0, 2))),
            ("a_vpi__2_output.interface", "a", Some((0, 2))),
            ("a_vpi_output.interface", "a", Some((0, 0))),
            ("a b_vpi_c_vpi_d_output.interface", "a b", Some((0, 0))),
            (
                "a_vpi_99999999999999999999_2_output.interface",
                "a",
                Some((0, 2)),
            ),
            ("a_vpi_map_restart.interface", "a", None),
        ] {
            let kind = match times {
                Some((unix, tick)) => Kind::Calls { unix, tick },
                None => Kind::Restart,
            };
            assert_eq!(parse(name), Some(Name { host, kind }), "{name}");
            if let Some((unix, tick)) = times {
                let kind = Kind::Taken { id: 7, unix, tick };
                assert_eq!(parse(&taken(name, 7)), Some(Name { host, kind }), "{name}");
            }
        }
        let long = format!("{}_vpi_x_output.interface", "h".repeat(225));
        let short = taken(&long, 1_796_000_000_000_000);
        assert!(short.len() <= limits::FILE_NAME_BYTES_MAX && short.ends_with(".t"));
        assert!(matches!(parse(&short).unwrap().kind, Kind::Taken { .. }));
    }

    #[test]
    fn every_name_is_a_text_and_comes_back() {
        for name in [
            &b"plain"[..],
            b"caf\xe9",
            b"\xff\xfe\x80\xed\xa0\x80",
            "Мой-сервер 語".as_bytes(),
            "\u{10ffe9}\u{10ff7f}x".as_bytes(),
            b"",
        ] {
            let text = text(name);
            assert_eq!(&*bytes(&text), name, "{text}");
            assert_eq!(bytes_len(&text), name.len());
        }
        let latin = text(b"caf\xe9_vpi_1_2_output.interface").into_owned();
        let twin = text("caf\u{10ffe9}_vpi_1_2_output.interface".as_bytes()).into_owned();
        assert_ne!(parse(&latin).unwrap().host, parse(&twin).unwrap().host);
        assert_eq!(&*bytes(parse(&latin).unwrap().host), b"caf\xe9");
        let longest = text(&[b'\xe9'; limits::HOST_BYTES_MAX]).into_owned();
        assert!(is_host(&longest));
        assert!(bytes_len(&taken(&calls(&longest, 0, 0), u64::MAX)) <= 255);
    }

    #[test]
    fn names_we_make_are_names_we_read() {
        let name = calls("my_server", 1732089600, 4711);
        assert_eq!(
            parse(&name).unwrap().kind,
            Kind::Calls {
                unix: 1732089600,
                tick: 4711
            }
        );
        let taken = taken(&name, 42);
        assert!(matches!(
            parse(&taken).unwrap().kind,
            Kind::Taken { id: 42, .. }
        ));
        assert_eq!(parse(&input("x")).unwrap().kind, Kind::Input);
        assert_eq!(parse(&restart("x")).unwrap().kind, Kind::Restart);
    }

    #[test]
    fn whatever_a_file_name_can_carry_is_served() {
        let hosts = [
            "my server",
            "Мой-сервер",
            "a.b~c",
            &"x".repeat(150),
            &"語".repeat(76),
        ];
        for host in hosts {
            for (unix, tick) in [(1732089600, 4711), (0, 0), (-1, 999_999)] {
                let name = calls(host, unix, tick);
                if name.len() > limits::FILE_NAME_BYTES_MAX {
                    continue;
                }
                assert_eq!(parse(&name).unwrap().host, host);
                for id in [1, 1_796_000_000_000_000, 999_999_999_999_999_999] {
                    let taken = taken(&name, id);
                    assert!(taken.len() <= limits::FILE_NAME_BYTES_MAX, "{taken}");
                    let kind = Kind::Taken { id, unix, tick };
                    assert_eq!(parse(&taken), Some(Name { host, kind }), "{taken}");
                }
                assert!(input(host).len() + ".vpid".len() <= limits::FILE_NAME_BYTES_MAX);
            }
        }
        let longest = "x".repeat(limits::HOST_BYTES_MAX);
        assert_eq!(calls(&longest, 0, 0).len(), limits::FILE_NAME_BYTES_MAX);
        assert!(taken(&calls(&longest, 0, 0), u64::MAX).len() <= limits::FILE_NAME_BYTES_MAX);
    }

    #[test]
    fn names_that_were_meant_for_us_are_distinguished_from_others() {
        for (name, why) in [
            (
                &b"a\x07_vpi_1_2_output.interface"[..],
                "has a control character",
            ),
            (b"a_vpi_1\n_vpi_output.interface", "has a control character"),
            (b"a_vpi_1_2_output.INTERFACE", "has capitals"),
            (b"a_VPI_restart.interface", "has capitals"),
            (
                b"a_vpi_1_2_output.interface.txt",
                "does not end in .interface",
            ),
            (b"a-vpi-1_2_output.interface", "has no _vpi_"),
            (b"vpi_restart.interface", "has no _vpi_"),
            (b"_vpi_x_2_output.interface", "has no host"),
            (b"a_vpi_answers.interface", "ends in none of"),
        ] {
            let found = resembles(name).unwrap_or_default();
            assert!(found.starts_with(why), "{}: {found}", name.escape_ascii());
        }
        for name in [
            &b"a_vpi_1_2_output.interface"[..],
            b"a_vpi_input.interface.vpid",
            b"a_vpi_1_2_output.interface.7.taken",
            b"mge_playerdata",
            b"stats.interface",
            b"a_vpi_notes.txt",
            b"caf\xe9_vpi_1_2_output.interface",
            b"\xff\xfe",
        ] {
            assert_eq!(resembles(name), None, "{}", name.escape_ascii());
        }
    }
}
