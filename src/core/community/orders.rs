//! What players and scripts can order, as values; and the calls of `VYHUB_` functions, read into them.

use std::fmt;

use serde_json::{Map, Value};

use crate::limits;
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

/// How long a ban or a membership lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Permanent,
    /// 1 to [`limits::BAN_S_MAX`].
    Seconds(u64),
}

impl Length {
    /// `None`: permanent.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Permanent => None,
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// All functions, in the order of the manual.
pub const FUNCTIONS: [&str; 9] = [
    "VYHUB_GetUser",
    "VYHUB_IsBanned",
    "VYHUB_GetPlaytime",
    "VYHUB_GetServer",
    "VYHUB_Ban",
    "VYHUB_Unban",
    "VYHUB_Warn",
    "VYHUB_SetGroup",
    "VYHUB_RemoveGroup",
];

/// A call, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VyhubCall {
    pub command: Command,
    /// As whom; `None`: as the server.
    pub issuer: Option<Target>,
}

/// Reads the arguments: `player` (a userid or a SteamID), `reason`, `minutes` (none: permanent),
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
    let given = |key| args.get(key).filter(|value| !value.is_null());
    let who = given("player").ok_or_else(|| CallError::new("KeyError", "it needs `player`"))?;
    let who = target("player", who)?;
    let command = match function {
        "VYHUB_GetUser" => Command::GetUser { who },
        "VYHUB_IsBanned" => Command::IsBanned { who },
        "VYHUB_GetPlaytime" => Command::Playtime { who: Some(who) },
        "VYHUB_Ban" => Command::Ban {
            who,
            length: length(given("minutes"))?,
            reason: reason(args)?,
        },
        "VYHUB_Unban" => Command::Unban { who },
        "VYHUB_SetGroup" => match group(args)? {
            Some(group) => Command::SetGroup {
                who,
                group,
                length: length(given("minutes"))?,
            },
            None => Command::RemoveGroup { who, group: None },
        },
        "VYHUB_RemoveGroup" => Command::RemoveGroup {
            who,
            group: match given("group") {
                Some(_) => group(args)?,
                None => None,
            },
        },
        _ => Command::Warn {
            who,
            reason: reason(args)?,
        },
    };
    let issuer = given("issuer").map(|issuer| target("issuer", issuer));
    Ok(VyhubCall {
        command,
        issuer: issuer.transpose()?,
    })
}

fn target(key: &str, value: &Value) -> Result<Target, CallError> {
    let target = match value {
        Value::Number(number) => number.as_i64().map(Target::Userid),
        Value::String(text) => text.parse().ok().map(Target::Steam),
        _ => None,
    };
    let detail = || format!("`{key}` is a userid (a number) or a SteamID (a text)");
    target.ok_or_else(|| CallError::new("ValueError", detail()))
}

fn length(minutes: Option<&Value>) -> Result<Length, CallError> {
    let Some(minutes) = minutes else {
        return Ok(Length::Permanent);
    };
    let seconds = minutes.as_f64().map(|minutes| minutes * 60.0);
    match seconds {
        Some(seconds) if seconds >= 1.0 && seconds <= limits::BAN_S_MAX as f64 => {
            Ok(Length::Seconds(seconds as u64))
        }
        _ => {
            let detail = "`minutes` is a number above 0; leave it out for ever";
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
