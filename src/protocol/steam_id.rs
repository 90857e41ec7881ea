//! A player's SteamID: one account number, written in three ways.
//!
//! `[U:1:N]` is the engine's present form, `STEAM_0:(N mod 2):(N div 2)` its former one (some logs
//! say `STEAM_1`), and 76561197960265728 + N the 64-bit one, which VyHub uses. Bots, a listen
//! server's `STEAM_ID_LAN`, `STEAM_ID_PENDING` and other universes are no player's id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const BASE: u64 = 76_561_197_960_265_728;

/// An account of the public universe; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SteamId(u32);

impl SteamId {
    /// By the account number, the N of `[U:1:N]`.
    pub fn new(account: u32) -> Option<Self> {
        (account > 0).then_some(Self(account))
    }

    /// By the 64-bit form.
    pub fn from_u64(id: u64) -> Option<Self> {
        Self::new(u32::try_from(id.checked_sub(BASE)?).ok()?)
    }

    pub fn account(self) -> u32 {
        self.0
    }

    /// The 64-bit form.
    pub fn as_u64(self) -> u64 {
        BASE + u64::from(self.0)
    }

    /// `[U:1:N]`
    pub fn steam3(self) -> String {
        format!("[U:1:{}]", self.0)
    }

    /// `STEAM_0:X:Y`
    pub fn steam2(self) -> String {
        format!("STEAM_0:{}:{}", self.0 % 2, self.0 / 2)
    }
}

/// The 64-bit form, as VyHub knows players.
impl fmt::Display for SteamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_u64().fmt(f)
    }
}

/// Reads any of the three forms, exactly as they are written.
impl FromStr for SteamId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id = if let Some(inner) = text.strip_prefix("[U:1:") {
            inner.strip_suffix(']').and_then(digits).and_then(Self::new)
        } else if let Some(rest) = text.strip_prefix("STEAM_") {
            former(rest)
        } else {
            (text.len() == 17)
                .then(|| text.bytes().all(|byte| byte.is_ascii_digit()))
                .filter(|all| *all)
                .and_then(|_| text.parse().ok())
                .and_then(Self::from_u64)
        };
        id.ok_or(())
    }
}

/// As a text of the 64-bit form, which no number of JSON holds safely.
impl Serialize for SteamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SteamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let no_id = |()| de::Error::custom("this is no player's SteamID");
        text.parse().map_err(no_id)
    }
}

/// What stands behind `STEAM_`.
fn former(rest: &str) -> Option<SteamId> {
    let rest = rest
        .strip_prefix("0:")
        .or_else(|| rest.strip_prefix("1:"))?;
    let (low, half) = rest.split_once(':')?;
    let low = match low {
        "0" => 0,
        "1" => 1,
        _ => return None,
    };
    SteamId::new(digits(half)?.checked_mul(2)?.checked_add(low)?)
}

/// A number without sign or leading zero.
fn digits(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = text.len() > 1 && text.starts_with('0');
    (plain && !leading).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_one_id() {
        for (account, steam2, steam64) in [
            (1, "STEAM_0:1:0", "76561197960265729"),
            (22_202, "STEAM_0:0:11101", "76561197960287930"),
            (u32::MAX, "STEAM_0:1:2147483647", "76561202255233023"),
        ] {
            let id = SteamId::new(account).unwrap();
            for form in [&id.steam3(), steam2, &steam2.replace("_0", "_1"), steam64] {
                assert_eq!(form.parse(), Ok(id), "{form}");
            }
            assert_eq!(id.steam2(), steam2);
            assert_eq!(id.to_string(), steam64);
            assert_eq!(SteamId::from_u64(id.as_u64()), Some(id));
        }
    }

    #[test]
    fn what_is_no_players_id_is_none() {
        for text in [
            "",
            "BOT",
            "Console",
            "STEAM_ID_PENDING",
            "STEAM_ID_LAN",
            "UNKNOWN",
            "[U:1:0]",
            "[U:1:]",
            "[U:1:+7]",
            "[U:1:07]",
            "[U:1:4294967296]",
            "[U:1:7",
            "[U:0:7]",
            "[G:1:7]",
            "[A:1:7:9]",
            "[U:1:7] ",
            "STEAM_0:2:7",
            "STEAM_2:0:7",
            "STEAM_0:0:0",
            "STEAM_0:1:-1",
            "STEAM_0:1:2147483648",
            "STEAM_0:1",
            "76561197960265728",
            "76561202255233024",
            "076561197960287930",
            "+7656119796028793",
            "7656119796028793x",
            "22202",
        ] {
            assert_eq!(text.parse::<SteamId>(), Err(()), "{text}");
        }
    }

    #[test]
    fn every_account_comes_back_from_every_form() {
        arbtest::arbtest(|u| {
            let id = SteamId::new(u.int_in_range(1..=u32::MAX)?).unwrap();
            let steam2 = format!("STEAM_0:{}:{}", id.account() % 2, id.account() / 2);
            for form in [id.steam3(), steam2, id.to_string()] {
                assert_eq!(form.parse(), Ok(id), "{form}");
            }
            Ok(())
        });
    }
}
