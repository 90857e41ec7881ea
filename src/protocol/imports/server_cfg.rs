//! The engine's own lists of bans: `cfg/banned_user.cfg` (`banid 0 STEAM_0:0:11101`) and `cfg/banned_ip.cfg`
//! (`addip 0 203.0.113.7`), as `writeid` and `writeip` write them and as they are edited by hand. Only permanent
//! bans stand there.

use super::{Entry, Problem, lines, without_comment, words};
use crate::protocol::address_range::AddressRange;
use crate::protocol::steam_id::SteamId;

/// Players who are banned.
pub fn banned_users(file: &[u8]) -> impl Iterator<Item = Entry<SteamId>> {
    entries(file, "banid", "a SteamID", |text| {
        let steam = text.to_ascii_uppercase().parse();
        steam.map_err(|()| Problem::NoSteamId(text.to_owned()))
    })
}

/// Addresses that are banned.
pub fn banned_addresses(file: &[u8]) -> impl Iterator<Item = Entry<AddressRange>> {
    entries(file, "addip", "an address", range)
}

/// `command`, minutes (0: permanent), and what is banned; perhaps words behind that, such as `kick`.
fn entries<T>(
    file: &[u8],
    command: &'static str,
    what: &'static str,
    read: fn(&str) -> Result<T, Problem>,
) -> impl Iterator<Item = Entry<T>> {
    lines(file).filter_map(move |(line, text)| {
        let read = text.and_then(|text| {
            let words = words(without_comment(&text, false))?;
            let Some(first) = words.first() else {
                return Ok(None);
            };
            if !first.eq_ignore_ascii_case(command) {
                return Err(Problem::OtherCommand(first.clone()));
            }
            let minutes = words.get(1).ok_or(Problem::Missing("the minutes"))?;
            if minutes.parse() != Ok(0.0) {
                return Err(Problem::ForATime(minutes.clone()));
            }
            let banned = words.get(2).ok_or(Problem::Missing(what))?;
            read(banned).map(Some)
        });
        let read = read.transpose()?;
        Some(Entry { line, read })
    })
}

/// What is banned: numbers that are missing, or 0, at the end stand for any, as the engine has it. So `10.1.0.0` are
/// all addresses that begin with 10.1. (It takes a 0 before others for any number, too, which can only be an
/// oversight: `203.0.113.7` is one address here.)
fn range(text: &str) -> Result<AddressRange, Problem> {
    let wrong = || Problem::NoAddress(text.to_owned());
    let mut numbers = [0_u8; 4];
    let parts: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    if parts.len() > 4 {
        return Err(wrong());
    }
    for (number, part) in numbers.iter_mut().zip(&parts) {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    }
    // 0.0.0.0 would ban every player.
    let last = numbers.iter().rposition(|number| *number != 0);
    let bits = match last.ok_or_else(wrong)? {
        0 => 8,
        1 => 16,
        2 => 24,
        _ => 32,
    };
    Ok(AddressRange::around(numbers.into(), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(text: &str) -> Vec<(usize, Result<String, Problem>)> {
        let entries = banned_users(text.as_bytes());
        let plain = |it: Entry<SteamId>| (it.line, it.read.map(|steam| steam.steam3()));
        entries.map(plain).collect()
    }

    #[test]
    fn permanent_bans_of_players_are_read_in_every_form() {
        let file = "banid 0 STEAM_0:0:11101\r\n\r\n// by hand\nBANID 0.0 [U:1:7] kick\n  banid\t0 \"steam_1:1:3\" // x\n";
        let ok = |line, id: &str| (line, Ok(id.to_owned()));
        let expected = [ok(1, "[U:1:22202]"), ok(4, "[U:1:7]"), ok(5, "[U:1:7]")];
        assert_eq!(users(file), expected);
    }

    #[test]
    fn what_is_no_permanent_ban_is_named_with_its_line() {
        for (text, problem) in [
            ("banid 30 [U:1:7]", Problem::ForATime("30".into())),
            ("banid 0", Problem::Missing("a SteamID")),
            ("banid", Problem::Missing("the minutes")),
            (
                "banid 0 STEAM_ID_LAN",
                Problem::NoSteamId("STEAM_ID_LAN".into()),
            ),
            ("removeid [U:1:7]", Problem::OtherCommand("removeid".into())),
            ("banid 0 \"[U:1:7]", Problem::Unclosed),
            ("banid 0 [U:1:7]\0", Problem::Control),
            (&"x".repeat(5_000), Problem::LongLine),
        ] {
            let all = users(&format!("// first\n{text}\nbanid 0 [U:1:9]"));
            assert_eq!(all[0], (2, Err(problem)), "{text}");
            assert_eq!(all[1], (3, Ok("[U:1:9]".into())), "{text}");
        }
    }

    #[test]
    fn an_address_means_what_the_engine_takes_it_for() {
        for (text, expected) in [
            ("203.0.113.7", Ok("203.0.113.7")),
            ("203.0.113.0", Ok("203.0.113.0/24")),
            ("203.1.113.7", Ok("203.1.113.7")),
            ("203.1.113.0", Ok("203.1.113.0/24")),
            ("203.1.0.0", Ok("203.1.0.0/16")),
            ("203.1", Ok("203.1.0.0/16")),
            ("203.", Ok("203.0.0.0/8")),
            ("0.0.0.0", Err(Problem::NoAddress("0.0.0.0".into()))),
            ("0", Err(Problem::NoAddress("0".into()))),
            (
                "203.1.113.256",
                Err(Problem::NoAddress("203.1.113.256".into())),
            ),
            (
                "203.1.113.7.9",
                Err(Problem::NoAddress("203.1.113.7.9".into())),
            ),
            ("2001:db8::1", Err(Problem::NoAddress("2001:db8::1".into()))),
        ] {
            let file = format!("addip 0 {text}");
            let entry = banned_addresses(file.as_bytes()).next().unwrap();
            let read = entry.read.map(|range| range.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }
}
