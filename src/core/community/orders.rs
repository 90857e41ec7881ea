//! What players and scripts can order, as values; and the calls of `VYHUB_` functions, read into them.

use std::fmt;

use serde_json::{Map, Value};

use crate::limits;
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::WebPage;
use crate::protocol::call_error::CallError;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// What players and scripts can order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Ban {
        who: Target,
        length: Length,
        reason: String,
    },
    Unban {
        who: Target,
    },
    BanAddress {
        who: AddressTarget,
        length: Length,
        reason: String,
    },
    UnbanAddress {
        range: AddressRange,
    },
    Warn {
        who: Target,
        reason: String,
    },
    Warns {
        who: Target,
    },
    Bans {
        who: Target,
    },
    /// Of this range, around it and in it.
    AddressBans {
        range: AddressRange,
    },
    State,
    /// `group`: its name or id.
    SetGroup {
        who: Target,
        group: String,
        length: Length,
    },
    /// `None`: of all groups.
    RemoveGroup {
        who: Target,
        group: Option<String>,
    },
    /// `None`: the issuer's own.
    Playtime {
        who: Option<Target>,
    },
    /// The address of a page.
    Link(WebPage),
    /// That of a user; `None`: the issuer.
    UserPage {
        who: Option<Target>,
    },
    Dashboard,
    /// Who is on.
    Who,
    Login(Login),
    /// The rest has functions only.
    GetUser {
        who: Target,
    },
    IsBanned {
        who: Target,
    },
    GetServer,
}

impl Command {
    /// The player whom it is about, where it names one.
    pub fn who(&self) -> Option<&Target> {
        match self {
            Self::Ban { who, .. }
            | Self::Unban { who }
            | Self::BanAddress {
                who: AddressTarget::Player(who),
                ..
            }
            | Self::Warn { who, .. }
            | Self::Warns { who }
            | Self::Bans { who }
            | Self::SetGroup { who, .. }
            | Self::RemoveGroup { who, .. }
            | Self::Playtime { who: Some(who) }
            | Self::UserPage { who: Some(who) }
            | Self::GetUser { who }
            | Self::IsBanned { who } => Some(who),
            _ => None,
        }
    }
}

/// A login of a browser, and that it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    Code(Code),
    Yes,
}

/// A secret, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(pub Uuid);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

/// Whom an order means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `#12`
    Userid(i64),
    Steam(SteamId),
    /// All of a name or a part of it. In quotes it can have spaces, or look like a userid.
    Name {
        text: String,
        quoted: bool,
    },
}

/// Whose addresses an order means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressTarget {
    /// The one from which a player comes who is on.
    Player(Target),
    Range(AddressRange),
}

/// How long a ban or a membership lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Permanent,
    /// 1 to [`limits::BAN_S_MAX`].
    Seconds(u64),
}

impl Length {
    /// Reads `30` and `30m` (minutes), `2h`, `7d`, `1w`, and `permanent`.
    pub fn read(word: &str) -> Option<Self> {
        Self::parse(word).ok()
    }

    /// The same, with what is wrong.
    ///
    /// Zero is none: VyHub would not take it for a permanent ban, and the one who wrote it might.
    pub fn parse(word: &str) -> Result<Self, NoLength> {
        let word = word.to_ascii_lowercase();
        if ["permanent", "perm", "forever"].contains(&word.as_str()) {
            return Ok(Self::Permanent);
        }
        let units = [("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];
        let with_unit = units
            .iter()
            .find_map(|(unit, seconds)| Some((word.strip_suffix(unit)?, *seconds)));
        let (number, unit_s) = with_unit.unwrap_or((&word, 60));
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoLength::NoTime);
        }
        let number = number.parse::<u64>().map_err(|_| NoLength::TooLong)?;
        match number.checked_mul(unit_s) {
            Some(0) => Err(NoLength::NoTime),
            Some(seconds) if seconds <= limits::BAN_S_MAX => Ok(Self::Seconds(seconds)),
            _ => Err(NoLength::TooLong),
        }
    }

    /// `None`: permanent.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Permanent => None,
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// Why a word is no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLength {
    NoTime,
    /// More than [`limits::BAN_S_MAX`].
    TooLong,
}

/// Why nobody may ban a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbannable {
    /// It has fewer bits in common than [`limits::ADDRESS_BAN_BITS_MIN`].
    Wide,
    /// See [`AddressRange::touches_reserved`].
    Reserved,
}

/// Whether this range may be banned: by a command in chat, a call of a script, or from the shell.
pub fn bannable(range: AddressRange) -> Result<(), Unbannable> {
    if range.prefix_bits() < limits::ADDRESS_BAN_BITS_MIN {
        return Err(Unbannable::Wide);
    }
    match range.touches_reserved() {
        true => Err(Unbannable::Reserved),
        false => Ok(()),
    }
}

/// All functions, in the order of the manual.
pub const FUNCTIONS: [&str; 11] = [
    "VYHUB_GetUser",
    "VYHUB_IsBanned",
    "VYHUB_GetPlaytime",
    "VYHUB_GetServer",
    "VYHUB_Ban",
    "VYHUB_Unban",
    "VYHUB_BanAddress",
    "VYHUB_UnbanAddress",
    "VYHUB_Warn",
    "VYHUB_SetGroup",
    "VYHUB_RemoveGroup",
];

/// The function that is called so. Each has a second name, which names no backend: `COMMUNITY_Ban`.
pub fn function_named(called: &str) -> Option<&'static str> {
    let is_so = |name: &&str| {
        let second = called.strip_prefix(SECOND_PREFIX);
        *name == called || second.is_some() && second == name.strip_prefix(PREFIX)
    };
    FUNCTIONS.into_iter().find(is_so)
}

/// The second name of a function of [`FUNCTIONS`].
pub fn second_name(function: &str) -> String {
    function.replacen(PREFIX, SECOND_PREFIX, 1)
}

const PREFIX: &str = "VYHUB_";
const SECOND_PREFIX: &str = "COMMUNITY_";

/// A call, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VyhubCall {
    pub command: Command,
    /// As whom; `None`: as the server.
    pub issuer: Option<Target>,
}

/// Reads the arguments of one of [`FUNCTIONS`]: `player` (a userid or a SteamID), `reason`, `minutes` (none: permanent),
/// `issuer` (a userid or a SteamID).
pub fn parse_call(function: &str, kwargs: &Value) -> Result<VyhubCall, CallError> {
    let nothing = Map::new();
    let args = match kwargs {
        Value::Object(args) => args,
        Value::Null => &nothing,
        _ => return Err(CallError::no_table()),
    };
    let known: &[&str] = match function {
        "VYHUB_Ban" => &["player", "minutes", "reason", "issuer"],
        "VYHUB_Unban" => &["player", "issuer"],
        "VYHUB_BanAddress" => &["address", "player", "minutes", "reason", "issuer"],
        "VYHUB_UnbanAddress" => &["address", "issuer"],
        "VYHUB_Warn" => &["player", "reason", "issuer"],
        "VYHUB_SetGroup" => &["player", "group", "minutes", "issuer"],
        "VYHUB_RemoveGroup" => &["player", "group", "issuer"],
        "VYHUB_GetServer" => &[],
        _ => &["player"],
    };
    if let Some(unknown) = args.keys().find(|key| !known.contains(&key.as_str())) {
        let taken = match known {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        let detail = format!("there is no argument {unknown:?}; it takes {taken}");
        return Err(CallError::new("ValueError", detail));
    }
    if function == "VYHUB_GetServer" {
        let command = Command::GetServer;
        return Ok(VyhubCall {
            command,
            issuer: None,
        });
    }
    let issuer = given(args, "issuer").map(|issuer| target("issuer", issuer));
    Ok(VyhubCall {
        command: command(function, args)?,
        issuer: issuer.transpose()?,
    })
}

fn given<'a>(args: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    args.get(key).filter(|value| !value.is_null())
}

fn command(function: &str, args: &Map<String, Value>) -> Result<Command, CallError> {
    match function {
        "VYHUB_BanAddress" => {
            return Ok(Command::BanAddress {
                who: whose_address(args)?,
                length: length(given(args, "minutes"))?,
                reason: reason(args)?,
            });
        }
        "VYHUB_UnbanAddress" => {
            let range = range(given(args, "address"))?;
            return Ok(Command::UnbanAddress { range });
        }
        _ => {}
    }
    let who = given(args, "player").ok_or_else(|| CallError::new("KeyError", "it needs `player`"));
    let who = target("player", who?)?;
    Ok(match function {
        "VYHUB_GetUser" => Command::GetUser { who },
        "VYHUB_IsBanned" => Command::IsBanned { who },
        "VYHUB_GetPlaytime" => Command::Playtime { who: Some(who) },
        "VYHUB_Ban" => Command::Ban {
            who,
            length: length(given(args, "minutes"))?,
            reason: reason(args)?,
        },
        "VYHUB_Unban" => Command::Unban { who },
        "VYHUB_SetGroup" => match group(args)? {
            Some(group) => Command::SetGroup {
                who,
                group,
                length: length(given(args, "minutes"))?,
            },
            None => Command::RemoveGroup { who, group: None },
        },
        "VYHUB_RemoveGroup" => Command::RemoveGroup {
            who,
            group: match given(args, "group") {
                Some(_) => group(args)?,
                None => None,
            },
        },
        _ => Command::Warn {
            who,
            reason: reason(args)?,
        },
    })
}

/// Either an address or a range, or the player who comes from it.
fn whose_address(args: &Map<String, Value>) -> Result<AddressTarget, CallError> {
    match (given(args, "address"), given(args, "player")) {
        (None, Some(player)) => Ok(AddressTarget::Player(target("player", player)?)),
        (address @ Some(_), None) => Ok(AddressTarget::Range(range(address)?)),
        _ => {
            let detail = "it needs either `address` or `player`";
            Err(CallError::new("KeyError", detail))
        }
    }
}

fn range(address: Option<&Value>) -> Result<AddressRange, CallError> {
    let address =
        address.ok_or_else(|| CallError::new("KeyError", "it needs `address`, a text"))?;
    let text = address.as_str().unwrap_or_default().trim();
    text.parse().map_err(|error| {
        let detail = format!("`address`: {text:?} {error}");
        CallError::new("ValueError", detail)
    })
}

fn target(key: &str, value: &Value) -> Result<Target, CallError> {
    let target = match value {
        // No userid is that large, and scripts keep SteamIDs as numbers, too.
        Value::Number(number) if number.as_u64() > Some(u32::MAX.into()) => {
            number.to_string().parse().ok().map(Target::Steam)
        }
        Value::Number(number) => number.as_i64().map(Target::Userid),
        Value::String(text) => match text.strip_prefix('#') {
            Some(userid) => {
                let userid = userid.parse::<u32>().ok();
                userid.map(|userid| Target::Userid(userid.into()))
            }
            None => text.parse().ok().map(Target::Steam),
        },
        _ => None,
    };
    let detail = || format!("`{key}` is a userid (7 or \"#7\") or a SteamID (a text)");
    target.ok_or_else(|| CallError::new("ValueError", detail()))
}

fn length(minutes: Option<&Value>) -> Result<Length, CallError> {
    let Some(minutes) = minutes else {
        return Ok(Length::Permanent);
    };
    // A tenth of a minute is no sum of halves.
    let seconds = minutes.as_f64().map(|minutes| (minutes * 60.0).round());
    match seconds {
        Some(seconds) if seconds >= 1.0 && seconds <= limits::BAN_S_MAX as f64 => {
            Ok(Length::Seconds(seconds as u64))
        }
        _ => {
            let detail = format!(
                "`minutes` is {:.30}, and must be a number from {:.3} (a second) to {} (100 years); leave it \
                 out for permanent",
                minutes.to_string(),
                1.0 / 60.0,
                limits::BAN_S_MAX / 60
            );
            Err(CallError::new("ValueError", detail))
        }
    }
}

fn group(args: &Map<String, Value>) -> Result<Option<String>, CallError> {
    match args.get("group") {
        Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
        _ => {
            let detail = "it needs `group`, the name or id of a group";
            Err(CallError::new("KeyError", detail))
        }
    }
}

fn reason(args: &Map<String, Value>) -> Result<String, CallError> {
    let reason = args.get("reason").and_then(Value::as_str).map(str::trim);
    match reason {
        Some(reason) if !reason.is_empty() => Ok(reason.to_owned()),
        _ => Err(CallError::new("KeyError", "it needs `reason`, a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_length_that_is_too_long_is_told_from_what_is_none() {
        for (word, expected) in [
            ("7d", Ok(Length::Seconds(604_800))),
            ("36500d", Ok(Length::Seconds(limits::BAN_S_MAX))),
            ("36501d", Err(NoLength::TooLong)),
            ("99999999w", Err(NoLength::TooLong)),
            ("99999999999999999999", Err(NoLength::TooLong)),
            ("0", Err(NoLength::NoTime)),
            ("0w", Err(NoLength::NoTime)),
            ("d", Err(NoLength::NoTime)),
            ("", Err(NoLength::NoTime)),
            ("-7d", Err(NoLength::NoTime)),
            ("7y", Err(NoLength::NoTime)),
        ] {
            assert_eq!(Length::parse(word), expected, "{word}");
        }
    }

    #[test]
    fn a_range_that_would_reach_too_many_or_nobody_is_not_banned() {
        for (range, expected) in [
            ("203.0.113.7", Ok(())),
            ("203.0.0.0/16", Ok(())),
            ("203.0.0.0/15", Err(Unbannable::Wide)),
            ("0.0.0.0/0", Err(Unbannable::Wide)),
            ("127.0.0.1", Err(Unbannable::Reserved)),
            ("10.0.0.1", Err(Unbannable::Reserved)),
            ("100.64.1.1", Err(Unbannable::Reserved)),
            ("169.254.1.1", Err(Unbannable::Reserved)),
        ] {
            assert_eq!(bannable(range.parse().unwrap()), expected, "{range}");
        }
    }

    #[test]
    fn a_call_names_an_address_a_range_or_the_player_who_comes_from_it() {
        let ban = |kwargs: Value| parse_call("VYHUB_BanAddress", &kwargs).map(|call| call.command);
        let range = |text: &str| AddressTarget::Range(text.parse().unwrap());
        for (key, value, who) in [
            ("address", json!("203.0.113.7"), range("203.0.113.7")),
            (
                "address",
                json!(" 203.0.113.0/24 "),
                range("203.0.113.0/24"),
            ),
            ("player", json!(3), AddressTarget::Player(Target::Userid(3))),
        ] {
            let kwargs = json!({key: value, "reason": "x", "minutes": 1});
            let expected = Command::BanAddress {
                who,
                length: Length::Seconds(60),
                reason: "x".into(),
            };
            assert_eq!(ban(kwargs), Ok(expected));
        }
        for (kwargs, expected) in [
            (json!({"reason": "x"}), "either `address` or `player`"),
            (
                json!({"reason": "x", "address": "203.0.113.7", "player": 3}),
                "either `address` or `player`",
            ),
            (json!({"reason": "x", "address": 7}), "is no address"),
            (
                json!({"reason": "x", "address": "203.0.113.7/24"}),
                "203.0.113.0/24 is one",
            ),
            (json!({"address": "203.0.113.7"}), "it needs `reason`"),
            (
                json!({"address": "203.0.113.7", "ip": 1}),
                "there is no argument",
            ),
        ] {
            let error = ban(kwargs.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{kwargs} {error}");
        }
        let unban = |kwargs: Value| parse_call("VYHUB_UnbanAddress", &kwargs);
        let range = "203.0.113.7".parse().unwrap();
        let expected = Command::UnbanAddress { range };
        assert_eq!(
            unban(json!({"address": "203.0.113.7"})).unwrap().command,
            expected
        );
        for kwargs in [json!({}), json!({"player": 3}), json!({"address": ""})] {
            assert!(unban(kwargs.clone()).is_err(), "{kwargs}");
        }
    }

    #[test]
    fn a_userid_is_a_number_or_a_text_with_a_hash() {
        let steam = SteamId::new(7).unwrap();
        for (value, expected) in [
            (json!(7), Target::Userid(7)),
            (json!("#7"), Target::Userid(7)),
            (json!("[U:1:7]"), Target::Steam(steam)),
            (json!(steam.as_u64()), Target::Steam(steam)),
        ] {
            for function in ["VYHUB_Unban", "VYHUB_GetUser", "VYHUB_GetPlaytime"] {
                let call = parse_call(function, &json!({ "player": value })).unwrap();
                assert_eq!(call.command.who(), Some(&expected), "{function} {value}");
            }
            assert_eq!(target("issuer", &value), Ok(expected));
        }
        for value in [
            json!("#"),
            json!("#-7"),
            json!("#x"),
            json!("7"),
            json!(true),
        ] {
            let error = target("player", &value).unwrap_err();
            assert_eq!(error.reason, "ValueError");
            assert!(error.detail.contains("7 or \"#7\""), "{error}");
        }
    }

    #[test]
    fn minutes_have_fractions_and_a_wrong_size_is_named_with_its_bounds() {
        for (minutes, seconds) in [
            (json!(0.4), 24),
            (json!(1.5), 90),
            (json!(2.3), 138),
            (json!(1.0 / 60.0), 1),
            (json!(90), 5_400),
            (json!(limits::BAN_S_MAX / 60), limits::BAN_S_MAX),
        ] {
            let read = length(Some(&minutes));
            assert_eq!(read, Ok(Length::Seconds(seconds)), "{minutes}");
        }
        for minutes in [
            json!(1e12),
            json!(0),
            json!(-1),
            json!(0.001),
            json!("5"),
            json!([]),
        ] {
            let error = length(Some(&minutes)).unwrap_err();
            let given = format!("`minutes` is {minutes}, ");
            for part in [&*given, "from 0.017 (a second) to 52560000 (100 years)"] {
                assert!(error.detail.contains(part), "{error}");
            }
        }
        let long = length(Some(&json!("x".repeat(5_000)))).unwrap_err();
        assert!(long.detail.len() < limits::ERROR_DETAIL_BYTES_MAX, "{long}");
    }
}
