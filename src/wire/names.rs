//! The names of files in scriptdata: which are calls, answers or restarts, and of which host.
//!
//! The client writes `<host>_vpi_<unix>_<tick>_output.interface` and
//! `<host>_vpi_restart.interface`, and reads `<host>_vpi_input.interface`. A host name may hold
//! `_vpi_` itself, so a name is split at the last place that fits the pattern. We rename a call
//! file to `<name>.<id>.taken` before its calls run; the id is ours. Every other name is
//! somebody else's file and none of our business.

use crate::limits;

/// What a file in scriptdata is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Calls, written at the client's (untrustworthy) unix time and tick.
    Calls { unix: i64, tick: i64 },
    /// Answers, written by us and emptied by the client.
    Input,
    /// "Forget the answers of before", written once per map.
    Restart,
    /// Calls that a vpid has taken under this id.
    Taken { id: u64, unix: i64, tick: i64 },
}

/// A name that is ours to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    pub host: &'a str,
    pub kind: Kind,
}

const SEPARATOR: &str = "_vpi_";

/// Reads a file name; `None` for a file that is not ours.
pub fn parse(name: &str) -> Option<Name<'_>> {
    if let Some(stem) = name.strip_suffix(".interface") {
        return parse_stem(stem);
    }
    let (original, id) = name.strip_suffix(".taken")?.rsplit_once('.')?;
    let id = parse_digits(id)? as u64;
    match parse_stem(original.strip_suffix(".interface")?)? {
        Name {
            host,
            kind: Kind::Calls { unix, tick },
        } => Some(Name {
            host,
            kind: Kind::Taken { id, unix, tick },
        }),
        _ => None,
    }
}

fn parse_stem(stem: &str) -> Option<Name<'_>> {
    let (host, rest) = stem.rsplit_once(SEPARATOR)?;
    let kind = match rest {
        "input" => Kind::Input,
        "restart" => Kind::Restart,
        _ => {
            let (unix, tick) = rest.strip_suffix("_output")?.split_once('_')?;
            Kind::Calls {
                unix: parse_number(unix)?,
                tick: parse_number(tick)?,
            }
        }
    };
    is_host(host).then_some(Name { host, kind })
}

/// A name the sanitiser of the stock client (or of a fork) can have made. An empty one is
/// possible too: a hostname of nothing but punctuation.
pub fn is_host(host: &str) -> bool {
    host.len() <= limits::HOST_BYTES_MAX
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
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

/// The file in which `host` looks for answers.
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

/// The name a call file has once it is taken.
pub fn taken(name: &str, id: u64) -> String {
    format!("{name}.{id}.taken")
}

/// Under which name something is kept that was in the way of a file of ours.
pub fn aside(number: usize) -> String {
    format!(".vpid-aside-{number}")
}

/// Of our locks: whoever holds it works in its folder.
pub const LOCK: &str = ".vpid.lock";

/// What a file is called while we write it. Nobody can know it before.
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
    fn what_is_half_written_is_known_by_its_name_and_is_nobody_elses() {
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
            "a_vpi_1_output.interface",
            "a_vpi_1_x_output.interface",
            "a_vpi__2_output.interface",
            "../a_vpi_1_2_output.interface",
            "a b_vpi_1_2_output.interface",
            "a_vpi_input.interface.5.taken",
            "a_vpi_1_2_output.interface.taken",
            "a_vpi_99999999999999999999_2_output.interface",
            ".interface",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
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
}
