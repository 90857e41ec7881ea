//! Commands that players write into chat: what they mean, and not whether they are allowed.

use super::rights::Right;
use crate::limits;
use crate::protocol::look_alike::is_visible;
use crate::protocol::steam_id::SteamId;

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
}

/// Whom a command means.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Permanent,
    /// 1 to [`limits::BAN_S_MAX`].
    Seconds(u64),
}

/// What somebody is told who did not get what they asked for: a message and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: &'static str,
    pub values: Vec<(&'static str, String)>,
}

impl Problem {
    pub fn new(key: &'static str, values: &[(&'static str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| (*name, (*value).into()));
        Self {
            key,
            values: values.collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No command, or one of another plugin.
    NotForUs,
    Command(Command),
    Wrong(Problem),
}

impl Command {
    /// As it is written in chat.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ban { .. } => Verb::Ban.name(),
            Self::Unban { .. } => Verb::Unban.name(),
            Self::Warn { .. } => Verb::Warn.name(),
            Self::Warns { .. } => Verb::Warns.name(),
            Self::Bans { .. } => Verb::Bans.name(),
            Self::State => Verb::State.name(),
        }
    }

    /// Whether it changes anything, and does not only ask.
    pub fn changes(&self) -> bool {
        match self {
            Self::Ban { .. } | Self::Unban { .. } | Self::Warn { .. } => true,
            Self::Warns { .. } | Self::Bans { .. } | Self::State => false,
        }
    }

    /// What its issuer must be allowed; `None`: everybody may.
    pub fn right(&self) -> Option<Right> {
        match self {
            Self::Ban { .. } | Self::Unban { .. } => Some(Right::BanEdit),
            Self::Warn { .. } => Some(Right::WarningEdit),
            Self::Warns { .. } => Some(Right::WarningShow),
            Self::Bans { .. } => Some(Right::BanShow),
            Self::State => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Ban,
    Unban,
    Warn,
    Warns,
    Bans,
    State,
}

const VERBS: [Verb; 6] = [
    Verb::Ban,
    Verb::Unban,
    Verb::Warn,
    Verb::Warns,
    Verb::Bans,
    Verb::State,
];

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Warn => "warn",
            Self::Warns => "warns",
            Self::Bans => "bans",
            Self::State => "vyhub",
        }
    }

    fn usage(self, prefix: &str) -> Problem {
        let key = match self {
            Self::Ban => "usage_ban",
            Self::Unban => "usage_unban",
            Self::Warn => "usage_warn",
            Self::Warns => "usage_warns",
            // Nothing can be wrong about the last one.
            Self::Bans | Self::State => "usage_bans",
        };
        Problem::new(key, &[("prefix", prefix)])
    }
}

/// Reads one line of chat. `prefixes` are what the owner lets commands begin with.
pub fn parse(line: &str, prefixes: &[String]) -> Parsed {
    let line = line.trim();
    // One prefix can be the beginning of another.
    let asked = prefixes.iter().find_map(|prefix| {
        let rest = line.strip_prefix(prefix.as_str())?;
        let (word, rest) = first_word(rest);
        let called = |verb: &Verb| word.eq_ignore_ascii_case(verb.name());
        let verb = VERBS.into_iter().find(called)?;
        (!prefix.is_empty()).then_some((verb, prefix, rest))
    });
    let Some((verb, prefix, rest)) = asked else {
        return Parsed::NotForUs;
    };
    if line.len() > limits::COMMAND_BYTES_MAX {
        return Parsed::Wrong(Problem::new("too_long", &[]));
    }
    match command(verb, prefix, rest) {
        Ok(command) => Parsed::Command(command),
        Err(problem) => Parsed::Wrong(problem),
    }
}

fn command(verb: Verb, prefix: &str, rest: &str) -> Result<Command, Problem> {
    let usage = || verb.usage(prefix);
    if matches!(verb, Verb::State) {
        return Ok(Command::State);
    }
    let (who, rest) = target(rest).ok_or_else(usage)?;
    match verb {
        Verb::Ban => {
            let (length, rest) = first_word(rest);
            if length.is_empty() {
                return Err(usage());
            }
            let length = self::length(length)
                .ok_or_else(|| Problem::new("length_bad", &[("text", length)]))?;
            let reason = reason(rest)?;
            Ok(Command::Ban {
                who,
                length,
                reason,
            })
        }
        Verb::Warn => {
            let reason = reason(rest)?;
            Ok(Command::Warn { who, reason })
        }
        // More than one word may be a name with spaces, of which the first word is somebody else.
        _ if !rest.is_empty() => Err(usage()),
        Verb::Unban => Ok(Command::Unban { who }),
        Verb::Warns => Ok(Command::Warns { who }),
        Verb::Bans => Ok(Command::Bans { who }),
        Verb::State => Ok(Command::State),
    }
}

/// Up to the first space, and what comes behind the spaces.
fn first_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// Reads whom a command means, and gives what follows. `None`: nobody is named.
fn target(text: &str) -> Option<(Target, &str)> {
    let (name, rest, quoted) = match text.strip_prefix('"') {
        Some(inner) => {
            let (name, rest) = inner.split_once('"').unwrap_or((inner, ""));
            (name.trim(), rest.trim(), true)
        }
        None => {
            let (word, rest) = first_word(text);
            (word, rest, false)
        }
    };
    if !name.chars().any(is_visible) {
        return None;
    }
    // Who comes from the console writes ids in quotes.
    if let Ok(id) = name.to_ascii_uppercase().parse() {
        return Some((Target::Steam(id), rest));
    }
    let number = name.strip_prefix('#').filter(|_| !quoted);
    let userid = number
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    let target = match userid {
        Some(userid) => Target::Userid(userid),
        None => Target::Name {
            text: name.into(),
            quoted,
        },
    };
    Some((target, rest))
}

/// Reads `30` and `30m` (minutes), `2h`, `7d`, `1w`, and `permanent`.
///
/// Zero is none: VyHub would not take it for a permanent ban, and the one who wrote it might.
fn length(word: &str) -> Option<Length> {
    let word = word.to_ascii_lowercase();
    if ["permanent", "perm", "forever"].contains(&word.as_str()) {
        return Some(Length::Permanent);
    }
    let units = [("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];
    let with_unit = units
        .iter()
        .find_map(|(unit, seconds)| Some((word.strip_suffix(unit)?, *seconds)));
    let (number, unit_s) = with_unit.unwrap_or((&word, 60));
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit_s)?;
    (1..=limits::BAN_S_MAX)
        .contains(&seconds)
        .then_some(Length::Seconds(seconds))
}

fn reason(text: &str) -> Result<String, Problem> {
    match text.chars().any(is_visible) {
        true => Ok(text.into()),
        false => Err(Problem::new("reason_missing", &[])),
    }
}

#[cfg(test)]
mod tests;
